/* YAML into a tree. */
#include <stdlib.h>

#include "fuzz.h"
#include "yconf.h"

void fuzz_yconf(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct error err;
    struct yconf *doc;

    if (yconf_parse(&doc, "fuzz", text, size, &err) == 0) {
        const struct yconf_node *root = yconf_root(doc);
        const struct yconf_node *list = yconf_list(doc, root, "list");
        for (size_t i = 0; i < yconf_len(list); i++) {
            (void)yconf_str(doc, yconf_item_map(doc, list, i), "name", "");
            (void)yconf_item_str(doc, list, i);
        }
        (void)yconf_int(doc, root, "int", 0, -5, 5);
        (void)yconf_num(doc, root, "num", 0, 0, 1e9);
        (void)yconf_bool(doc, yconf_map(doc, root, "map"), "bool", false);
        yconf_finish(doc, root);
        (void)yconf_error(doc, &err);
        yconf_destroy(doc);
    }
    free(text);
}
