/* tpunet: routes, proofs and bounds for slices with faults. */
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"routes", cmd_routes},
                {"bound", cmd_bound},
                {"verify", cmd_verify},
                {"compare", cmd_compare},
                {"optimise", cmd_optimise}};

int main(int argc, char **argv)
{
    static const struct opt options[] = {{0}};
    static const struct program program = {
        .name = "tpunet",
        .operands = "COMMAND [ARG]...",
        .about =
            "Routes of a slice of an accelerator pod, with parts of it down.\n\n"
            "  routes SHAPE [--fault F]...   route, prove, say how good; --json, --dot, --svg\n"
            "  verify FILE                   prove what routes --json wrote\n"
            "  bound SHAPE [--fault F]...    what no routes can beat\n"
            "  compare                       every shape, the worst of its 48 dead switches\n"
            "  optimise SHAPE                search a weave with more all-to-all throughput\n\n"
            "`tpunet COMMAND --help` says more.\n\n"
            "Exit status: 0 proved, 1 not (chips are apart, tables refuted), 2 usage.",
        .options = options,
        .commands = true};
    int first = opts_parse(&program, argc, argv);

    if (first == argc) {
        opts_usage_error(&program, "which command?");
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[first], commands[i].name) == 0) {
            return commands[i].run(argc - first, argv + first);
        }
    }
    opts_usage_error(&program, "there is no command %s", argv[first]);
}
