/* A fibre is moved once, within its own switch and side, to a port that exists and that no
 * other fibre holds. */
#include "config_wiring.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "part.h"

/* Who moved what, so that a conflict names both: entries are 1 + the index of
 * the item in the list. */
struct moves {
    struct tpunet_wiring *standard; /* where the fibres are by default */
    uint16_t of_fibre[TPUNET_OCSES][2][MODEL_CUBES_MAX];
    uint16_t of_port[TPUNET_OCSES][2][MODEL_PORTS_MAX];
};

static struct part part_of_fibre(struct tpunet_fibre f)
{
    return (struct part){
        .kind = PART_FIBRE, .cube = f.cube, .axis = f.axis, .minus = f.minus, .a = f.a, .b = f.b};
}

static struct tpunet_fibre fibre_of(const struct part *part)
{
    return (struct tpunet_fibre){part->cube, part->axis, part->minus, part->a, part->b};
}

static struct part part_of_port(struct tpunet_ocs_port port)
{
    return (struct part){
        .kind = PART_PORT, .ocs = port.ocs, .south = port.side == TPUNET_SOUTH, .port = port.port};
}

static bool read_part(struct part *out, struct yconf *doc, const struct yconf_node *item,
                      const char *key, enum part_kind kind)
{
    const char *text = yconf_str(doc, item, key, NULL);
    struct error err = {0};

    if (text == NULL) {
        yconf_fail(doc, item, key, "is required");
        return false;
    }
    if (part_parse(out, text, &err) < 0) {
        yconf_fail(doc, item, key, "%s", err.text);
        return false;
    }
    if (out->kind != kind) {
        yconf_fail(doc, item, key, "%s is a %s, a %s is expected", text, part_kind_name(out->kind),
                   part_kind_name(kind));
        return false;
    }
    return true;
}

/* As far as one item can tell. */
static bool move_makes_sense(struct yconf *doc, const struct yconf_node *item,
                             const struct tpunet_wiring *standard, const struct part *fibre,
                             const struct part *port)
{
    unsigned cubes = tpunet_wiring_cubes(standard), ports = tpunet_wiring_ports(standard);
    char names[2][80];

    (void)part_format(fibre, names[0]);
    (void)part_format(port, names[1]);
    if (fibre->cube >= cubes) {
        yconf_fail(doc, item, "fibre", "%s: the pod has cubes 0 to %u", names[0], cubes - 1);
        return false;
    }
    struct tpunet_ocs_port home = tpunet_wiring_port(standard, fibre_of(fibre));
    if (port->ocs != home.ocs || port->south != (home.side == TPUNET_SOUTH)) {
        yconf_fail(doc, item, "port", "%s is another switch or side: %s leads to ocs/%u %s",
                   names[1], names[0], home.ocs, fibre->minus ? "south" : "north");
        return false;
    }
    if (port->port >= ports) {
        yconf_fail(doc, item, "port", "%s: a switch has ports 0 to %u a side", names[1], ports - 1);
        return false;
    }
    return true;
}

static void read_move(struct tpunet_rewire *out, struct yconf *doc, const struct yconf_node *item,
                      size_t index, struct moves *moves)
{
    struct part fibre, port;
    char name[80];

    bool good = read_part(&fibre, doc, item, "fibre", PART_FIBRE) &&
                read_part(&port, doc, item, "port", PART_PORT) &&
                move_makes_sense(doc, item, moves->standard, &fibre, &port);
    yconf_finish(doc, item);
    if (!good) {
        return;
    }
    uint16_t *of_fibre = &moves->of_fibre[port.ocs][port.south][fibre.cube];
    uint16_t *of_port = &moves->of_port[port.ocs][port.south][port.port];
    if (*of_fibre != 0) {
        yconf_fail(doc, item, "fibre", "%s is wired twice, also by wiring[%u]",
                   part_format(&fibre, name), *of_fibre - 1U);
    } else if (*of_port != 0) {
        yconf_fail(doc, item, "port", "%s has two fibres, also by wiring[%u]",
                   part_format(&port, name), *of_port - 1U);
    } else {
        *of_fibre = *of_port = (uint16_t)(index + 1);
    }
    *out = (struct tpunet_rewire){.fibre = fibre_of(&fibre), .port = port.port};
}

/* Against the fibres that stay where they are by default: only now is it known which
 * those are. */
static void check_standard_ports(struct yconf *doc, const struct yconf_node *list,
                                 const struct moves *moves, const struct pod *pod)
{
    for (size_t i = 0; i < pod->n_rewires; i++) {
        struct tpunet_ocs_port port = tpunet_wiring_port(moves->standard, pod->rewires[i].fibre);
        struct tpunet_fibre holder;

        port.port = pod->rewires[i].port;
        if (tpunet_wiring_fibre(moves->standard, port, &holder) &&
            moves->of_fibre[port.ocs][port.side][holder.cube] == 0) {
            struct part ours = part_of_port(port), theirs = part_of_fibre(holder);
            char names[2][80];
            yconf_fail(doc, yconf_item_map(doc, list, i), "port",
                       "%s has two fibres: %s is there unless it is moved too",
                       part_format(&ours, names[0]), part_format(&theirs, names[1]));
        }
    }
}

static int read_moves(struct pod *pod, struct yconf *doc, const struct yconf_node *list,
                      struct moves *moves)
{
    size_t n = yconf_len(list);

    pod->rewires = xcalloc(n, sizeof *pod->rewires);
    /* The first complaint ends it: later items would be read against rubbish. */
    for (size_t i = 0; i < n && yconf_error(doc, NULL) == 0; i++) {
        read_move(&pod->rewires[i], doc, yconf_item_map(doc, list, i), i, moves);
    }
    if (yconf_error(doc, NULL) == 0) {
        pod->n_rewires = n;
        check_standard_ports(doc, list, moves, pod);
    }
    return yconf_error(doc, NULL);
}

void config_read_wiring(struct pod *pod, struct yconf *doc, const struct yconf_node *list)
{
    struct moves *moves = xcalloc(1, sizeof *moves);
    struct tpunet_error err = {0};
    int status = yconf_error(doc, NULL); /* without cubes and ports there is no wiring */

    if (status == 0) {
        status = tpunet_wiring_create(&moves->standard, pod->n_cubes, pod->ports_per_side, NULL, 0,
                                      &err);
        if (status == 0 && read_moves(pod, doc, list, moves) == 0) {
            status = tpunet_wiring_create(&pod->wiring, pod->n_cubes, pod->ports_per_side,
                                          pod->rewires, pod->n_rewires, &err);
        }
        if (status < 0) {
            yconf_fail(doc, NULL, "wiring", "%s", err.text);
        }
    }
    tpunet_wiring_destroy(moves->standard);
    free(moves);
}

void config_print_wiring(const struct pod *pod, FILE *out)
{
    (void)fputs(pod->n_rewires == 0 ? "wiring: []\n" : "wiring:\n", out);
    for (size_t i = 0; i < pod->n_rewires; i++) {
        struct part fibre = part_of_fibre(pod->rewires[i].fibre);
        struct part port = part_of_port(tpunet_wiring_port(pod->wiring, pod->rewires[i].fibre));
        char names[2][80];
        (void)fprintf(out, "  - {fibre: \"%s\", port: \"%s\"}\n", part_format(&fibre, names[0]),
                      part_format(&port, names[1]));
    }
}
