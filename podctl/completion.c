/* completion: the shell's script, and the words that may come next, from the
 * same table that runs the commands. */
#include <string.h>

#include "completion_bash.h"
#include "podctl/podctl.h"

enum { WORDS_MAX = 64 };

int cmd_completion_bash(struct podctl *ctl)
{
    (void)fputs(completion_bash, ctl->out);
    return PODCTL_OK;
}

static const struct cmd_opt *find_option(const struct cmd_opt *rows, const char *word)
{
    size_t dashes = strspn(word, "-");

    for (; rows != NULL && rows->name != NULL; rows++) {
        if (dashes == 2 ? strcmp(word + 2, rows->name) == 0
                        : rows->short_name != 0 && word[1] == rows->short_name && word[2] == '\0') {
            return rows;
        }
    }
    return NULL;
}

/* The words that are no options, nor arguments of the common ones. */
static size_t plain_words(const struct podctl *ctl, const char *words[WORDS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < ctl->args.n_operands && n < WORDS_MAX; i++) {
        const char *word = ctl->args.operands[i];
        if (word[0] != '-') {
            words[n++] = word;
            continue;
        }
        const struct cmd_opt *row = find_option(podctl_options, word);
        i += row != NULL && row->arg != NULL;
    }
    return n;
}

/* How many of a command's words were typed; -1 if others were. */
static int words_typed(const struct command *command, const char *const *words, size_t n)
{
    const char *at = command->name;
    int typed = 0;

    while (*at != '\0' && (size_t)typed < n) {
        size_t len = strcspn(at, " ");
        if (strlen(words[typed]) != len || strncmp(words[typed], at, len) != 0) {
            return -1;
        }
        typed++;
        at += len + strspn(at + len, " ");
    }
    return typed;
}

static const char *word_after(const char *name, int typed)
{
    for (; typed > 0 && *name != '\0'; typed--) {
        name += strcspn(name, " ");
        name += strspn(name, " ");
    }
    return name;
}

static void print_options(struct podctl *ctl, const struct cmd_opt *rows)
{
    for (; rows != NULL && rows->name != NULL; rows++) {
        (void)fprintf(ctl->out, "--%s\n", rows->name);
    }
}

static int print_slices(struct podctl *ctl)
{
    int code;
    size_t i;
    json_t *slice, *json = ctl_get(ctl, &code, "/v1/slices");

    json_array_foreach(json_object_get(json, "slices"), i, slice)
    {
        const char *name = json_string_value(json_object_get(slice, "name"));
        const char *id = json_string_value(json_object_get(slice, "id"));
        (void)fprintf(ctl->out, "%s\n%s\n", name != NULL ? name : "", id != NULL ? id : "");
    }
    json_decref(json);
    return code;
}

int cmd_completion_words(struct podctl *ctl)
{
    const char *words[WORDS_MAX], *said = "";
    size_t n = plain_words(ctl, words);

    for (const struct command *c = podctl_commands; c->name != NULL; c++) {
        int typed = words_typed(c, words, n);
        const char *next = typed >= 0 ? word_after(c->name, typed) : "";
        size_t len = strcspn(next, " ");
        if (typed >= 0 && len == 0) {
            print_options(ctl, c->options);
            print_options(ctl, podctl_options);
            return c->takes_slices ? print_slices(ctl) : PODCTL_OK;
        }
        /* Commands of one group stand together in the table. */
        if (len > 0 && strncmp(said, next, len + 1) != 0 &&
            !(strncmp(said, next, len) == 0 && said[len] == ' ')) {
            (void)fprintf(ctl->out, "%.*s\n", (int)len, next);
            said = next;
        }
    }
    return PODCTL_OK;
}
