/* Link loads as pictures: a graph for Graphviz, and an SVG that needs nothing.
 *
 * The SVG shows a plane of the third axis a panel.  Every chip has a stub a port,
 * half a link long, in the colour of what leaves by it: x to the sides, y up and
 * down, z along the diagonal.  Colours are relative to the bound, so pictures of
 * one slice before and after a fault can be laid side by side. */
#include <math.h>
#include <stdlib.h>

#include "mem.h"
#include "tool/tool.h"

/* ------------------------------------------------------------------ dot -- */

void picture_dot(FILE *out, const struct problem *p, const struct answer *a)
{
    const struct tpunet_topology *t = p->topology;
    uint32_t *load = link_loads(a->tables, t);
    double bound = answer_bound(a);
    char name[32];
    (void)fprintf(out, "graph \"%s %s\" {\n  node [shape=point];\n", problem_name(p, name),
                  p->faults);
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        uint16_t at[TPUNET_AXES];
        tpunet_logical_at(&t->shape, chip, at);
        (void)fprintf(out, "  c%u [xlabel=\"%u.%u.%u\"%s];\n", chip, at[0], at[1], at[2],
                      t->dead[chip] ? ", color=grey" : "");
        for (unsigned port = 0; port < TPUNET_PORTS; port += 2) {
            uint16_t peer = t->peer[chip * TPUNET_PORTS + port];
            if (peer == TPUNET_NONE) {
                continue;
            }
            uint32_t there = load[chip * TPUNET_PORTS + port];
            uint32_t back = load[peer * TPUNET_PORTS + tpunet_port_peer(port)];
            (void)fprintf(out, "  c%u -- c%u [label=\"%s %u/%u\", penwidth=%.2f];\n", chip, peer,
                          tpunet_port_name(port), there, back,
                          0.5 + 3.0 * (there > back ? there : back) / bound);
        }
    }
    (void)fputs("}\n", out);
    free(load);
}

/* ------------------------------------------------------------------ svg -- */

enum { CELL = 24, PAD = 24, HEAD = 84, STUB = CELL / 2 - 1, LEVELS = 32, LEVEL_OF_BOUND = 24 };

struct canvas {
    FILE *out;
    const struct tpunet_topology *topology;
    const uint32_t *load;
    double bound;
    unsigned columns; /* panels in a row */
};

/* Grey, blue, orange at the bound, red from a third above. */
static void colour(char buf[static 8], unsigned level)
{
    static const struct {
        unsigned level;
        int rgb[3];
    } stops[] = {{0, {232, 236, 240}},
                 {LEVEL_OF_BOUND / 2, {130, 180, 220}},
                 {LEVEL_OF_BOUND, {245, 160, 50}},
                 {LEVELS, {180, 10, 30}}};
    unsigned i = 1;
    while (level > stops[i].level) {
        i++;
    }
    int from = (int)stops[i - 1].level, span = (int)stops[i].level - from, c[3];
    for (unsigned k = 0; k < 3; k++) {
        c[k] = stops[i - 1].rgb[k] +
               (stops[i].rgb[k] - stops[i - 1].rgb[k]) * ((int)level - from) / span;
    }
    (void)snprintf(buf, 8, "#%02x%02x%02x", (unsigned)c[0] & 255, (unsigned)c[1] & 255,
                   (unsigned)c[2] & 255);
}

static unsigned panel_width(const struct canvas *c)
{
    return (unsigned)(c->topology->shape.dim[0] * CELL + PAD);
}

static unsigned panel_height(const struct canvas *c)
{
    return (unsigned)(c->topology->shape.dim[1] * CELL + PAD);
}

static void chip_centre(const struct canvas *c, uint32_t chip, unsigned *x, unsigned *y)
{
    uint16_t at[TPUNET_AXES];
    tpunet_logical_at(&c->topology->shape, chip, at);
    *x = PAD + at[2] % c->columns * panel_width(c) + at[0] * CELL + CELL / 2;
    *y = HEAD + at[2] / c->columns * panel_height(c) + at[1] * CELL + CELL / 2;
}

static unsigned level_of(const struct canvas *c, uint32_t end)
{
    double level = round(c->load[end] / c->bound * LEVEL_OF_BOUND);
    return level < LEVELS ? (unsigned)level : LEVELS;
}

/* All stubs of one look as one path; level > LEVELS: links that are down. */
static void draw_stubs(const struct canvas *c, unsigned level, const char *look)
{
    static const int dx[TPUNET_PORTS] = {STUB, -STUB, 0, 0, STUB * 2 / 3, -STUB * 2 / 3};
    static const int dy[TPUNET_PORTS] = {0, 0, STUB, -STUB, -STUB * 2 / 3, STUB * 2 / 3};
    const struct tpunet_topology *t = c->topology;
    bool any = false;
    for (uint32_t end = 0; end < t->n_chips * TPUNET_PORTS; end++) {
        unsigned x, y, port = end % TPUNET_PORTS;
        bool down = t->peer[end] == TPUNET_NONE;
        if (down ? level <= LEVELS : level_of(c, end) != level) {
            continue;
        }
        chip_centre(c, end / TPUNET_PORTS, &x, &y);
        (void)fprintf(c->out, "%sM%u %ul%d %d", any ? "" : "<path d=\"", x, y, dx[port], dy[port]);
        any = true;
    }
    if (any) {
        (void)fprintf(c->out, "\" %s/>\n", look);
    }
}

static void draw_legend(const struct canvas *c, const struct problem *p, const struct answer *a)
{
    char name[32], rgb[8];
    (void)fprintf(c->out,
                  "<text x=\"%d\" y=\"20\" font-size=\"15\">%s%s%s: %s</text>\n"
                  "<text x=\"%d\" y=\"38\">largest load %.0f, bound %.1f, retained %.3f</text>\n",
                  PAD, problem_name(p, name), p->faults[0] != '\0' ? ", down: " : "", p->faults,
                  a->tables->algorithm, PAD, a->proof.max_link_load, c->bound, a->retained);
    for (unsigned level = 0; level <= LEVELS; level++) {
        colour(rgb, level);
        (void)fprintf(c->out, "<rect x=\"%u\" y=\"48\" width=\"6\" height=\"8\" fill=\"%s\"/>\n",
                      PAD + level * 6, rgb);
    }
    (void)fprintf(c->out,
                  "<text x=\"%d\" y=\"68\">0</text><text x=\"%d\" y=\"68\">bound</text>"
                  "<text x=\"%d\" y=\"68\">4/3 and more; dotted: down</text>\n",
                  PAD, PAD + LEVEL_OF_BOUND * 6 - 14, PAD + (LEVELS + 2) * 6);
}

void picture_svg(FILE *out, const struct problem *p, const struct answer *a)
{
    const struct tpunet_topology *t = p->topology;
    uint32_t *load = link_loads(a->tables, t);
    unsigned depth = t->shape.dim[2], columns = (unsigned)ceil(sqrt(depth));
    struct canvas c = {out, t, load, answer_bound(a), columns};
    (void)fprintf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                  PAD + columns * panel_width(&c),
                  HEAD + (depth + columns - 1) / columns * panel_height(&c));
    draw_legend(&c, p, a);
    for (unsigned z = 0; z < depth; z++) {
        (void)fprintf(out, "<text x=\"%u\" y=\"%u\">z = %u</text>\n",
                      PAD + z % columns * panel_width(&c),
                      HEAD + z / columns * panel_height(&c) - 2, z);
    }
    for (unsigned level = 0; level <= LEVELS; level++) {
        char rgb[8], look[64];
        colour(rgb, level);
        (void)snprintf(look, sizeof look, "stroke=\"%s\" stroke-width=\"4\"", rgb);
        draw_stubs(&c, level, look);
    }
    draw_stubs(&c, LEVELS + 1, "stroke=\"black\" stroke-dasharray=\"1 3\"");
    for (uint32_t chip = 0; chip < t->n_chips; chip++) {
        unsigned x, y;
        chip_centre(&c, chip, &x, &y);
        if (t->dead[chip]) {
            (void)fprintf(out, "<circle cx=\"%u\" cy=\"%u\" r=\"5\" fill=\"black\"/>\n", x, y);
        }
    }
    (void)fputs("</svg>\n", out);
    free(load);
}
