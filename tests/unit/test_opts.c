/* Command lines: what is read, what is printed, and how each mistake is told.
 * opts_parse() exits, so each line is read in a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"
#include "opts.h"

enum { WORDS = 8 };

static const char *config, *number;
static bool json, wait_for;

static const struct opt options[] = {
    OPT_CONFIG(&config, "/etc/podmgr.yaml"),
    OPT_LOG_JSON(&json),
    {"number", 0, "N", "how many", &number, NULL},
    {"wait", 'w', NULL, "wait for it", NULL, &wait_for},
    {0},
};

static const struct program plain = {
    .name = "podmgr", .about = "Owns the intent of a pod.", .options = options};
static const struct program operands = {
    .name = "simctl", .operands = "[NAME]...", .about = "Injects.", .options = options};
static const struct program commands = {.name = "podctl",
                                        .operands = "COMMAND [ARG]...",
                                        .about = "Operates.",
                                        .options = options,
                                        .commands = true};

/* The child prints what it read; both streams come back as one text. */
static char *run(const struct program *program, const char *const words[WORDS], int *status)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        char *argv[WORDS + 2] = {xstrdup(program->name)};
        int argc = 1;
        for (; words[argc - 1] != NULL; argc++)
            argv[argc] = xstrdup(words[argc - 1]);
        int first = opts_parse(program, argc, argv);
        printf("config=%s number=%s json=%d wait=%d", config != NULL ? config : "-",
               number != NULL ? number : "-", json, wait_for);
        for (int i = first; i < argc; i++)
            printf(" %s", argv[i]);
        fflush(stdout);
        _exit(0);
    }
    close(fds[1]);
    char *text = xcalloc(1, 4096);
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], text + len, 4095 - len)) > 0;)
        len += (size_t)n;
    close(fds[0]);
    assert_int_equal(waitpid(pid, status, 0), pid);
    assert_true(WIFEXITED(*status));
    *status = WEXITSTATUS(*status);
    return text;
}

static void lines_are_read(void **state)
{
    (void)state;
    static const struct {
        const struct program *program;
        const char *words[WORDS];
        const char *text;
    } rows[] = {
        {&plain, {NULL}, "config=- number=- json=0 wait=0"},
        {&plain, {"-c", "f"}, "config=f number=- json=0 wait=0"},
        {&plain, {"-cf", "-w"}, "config=f number=- json=0 wait=1"},
        {&plain, {"--config", "f", "--log-json"}, "config=f number=- json=1 wait=0"},
        {&plain, {"--config=f", "--number=-3"}, "config=f number=-3 json=0 wait=0"},
        {&plain, {"-c", "a", "-c", "b"}, "config=b number=- json=0 wait=0"},
        {&operands, {"a", "-w", "b"}, "config=- number=- json=0 wait=1 a b"},
        {&operands, {"--", "-w"}, "config=- number=- json=0 wait=0 -w"},
        {&commands,
         {"-w", "get", "--log-json", "-x"},
         "config=- number=- json=0 wait=1 get --log-json -x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status;
        char *text = run(rows[i].program, rows[i].words, &status);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(status, 0);
        free(text);
    }
}

static void mistakes_are_told(void **state)
{
    (void)state;
    static const struct {
        const struct program *program;
        const char *words[WORDS];
        const char *what;
    } rows[] = {
        {&plain, {"-x"}, "unknown option -x"},
        {&plain, {"-wx"}, "unknown option -x"},
        {&plain, {"--bogus"}, "unknown or ambiguous option --bogus"},
        {&plain, {"-w", "--bogus=3", "-w"}, "unknown or ambiguous option --bogus=3"},
        {&plain, {"-c"}, "option -c needs an argument"},
        {&plain, {"--config"}, "option --config needs an argument"},
        {&plain, {"--wait=3"}, "option --wait takes no argument"},
        {&plain, {"--help=3"}, "option --help takes no argument"},
        {&plain, {"--version=3"}, "option --version takes no argument"},
        {&plain, {"stray"}, "unexpected argument stray"},
        {&operands, {"a", "--bogus", "b"}, "unknown or ambiguous option --bogus"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status;
        char *text = run(rows[i].program, rows[i].words, &status);
        const char *name = rows[i].program->name;
        char *want = xasprintf("%s: %s\ntry `%s --help`\n", name, rows[i].what, name);
        assert_string_equal(text, want);
        assert_int_equal(status, OPTS_EXIT_USAGE);
        free(want);
        free(text);
    }
}

static void help_and_version(void **state)
{
    (void)state;
    int status;
    static const char help[] =
        "Usage: simctl [OPTION]... [NAME]...\n"
        "\n"
        "Injects.\n"
        "\n"
        "Options:\n"
        "  -c, --config FILE             configuration (default /etc/podmgr.yaml)\n"
        "      --log-json                log one JSON object a line\n"
        "      --number N                how many\n"
        "  -w, --wait                    wait for it\n"
        "  -h, --help                    print this and exit\n"
        "      --version                 print the version and exit\n";
    static const char *const asked[][WORDS] = {{"--help"}, {"-h"}, {"a", "--help"}};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        char *text = run(&operands, asked[i], &status);
        assert_string_equal(text, help);
        assert_int_equal(status, 0);
        free(text);
    }
    static const char *const version[WORDS] = {"--version"};
    char *text = run(&plain, version, &status);
    assert_string_equal(text, "podmgr " PODMGR_VERSION "\n");
    assert_int_equal(status, 0);
    free(text);
}

static void a_table_can_be_read_twice_in_one_process(void **state)
{
    (void)state;
    char *first[] = {"podctl", "-w", "get", "-c", "f", NULL};
    int at = opts_parse(&commands, 5, first);
    assert_int_equal(at, 2);
    assert_null(config);
    assert_int_equal(opts_parse(&operands, 5 - at, first + at), 3);
    assert_string_equal(config, "f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(help_and_version),
        cmocka_unit_test(a_table_can_be_read_twice_in_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
