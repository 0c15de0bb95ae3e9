#include "sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "simulator/sim_wiring.h"

void sim_fixture_init(struct sim_fixture *f, unsigned cubes, uint64_t seed)
{
    struct error err;

    *f = (struct sim_fixture){.config = {.pod = "test",
                                         .cubes = cubes,
                                         .ports_per_side = cubes + 4,
                                         .seed = seed,
                                         .vc_classes = 3}};
    assert_int_equal(world_create(&f->w, &f->config, &err), 0);
}

void sim_fixture_fini(struct sim_fixture *f)
{
    world_destroy(f->w);
}

int sim_setup(void **state)
{
    struct sim_fixture *f = xcalloc(1, sizeof *f);

    sim_fixture_init(f, 4, 1);
    *state = f;
    return 0;
}

int sim_teardown(void **state)
{
    sim_fixture_fini(*state);
    free(*state);
    return 0;
}

uint32_t sim_chip(const char *name)
{
    struct part part;
    struct error err;

    assert_int_equal(part_parse(&part, name, &err), 0);
    return sim_chip_number(part.cube, part.at);
}

const char *sim_sees(const struct sim_fixture *f, const char *link)
{
    static char text[80];
    struct part part;
    struct error err;
    uint32_t peer;
    unsigned peer_port;

    assert_int_equal(part_parse(&part, link, &err), 0);
    assert_int_equal(part.kind, PART_LINK);
    if (!world_peer(f->w, sim_chip_number(part.cube, part.at), part.axis * 2U + part.minus, &peer,
                    &peer_port)) {
        return "";
    }
    struct part far = {.kind = PART_LINK,
                       .cube = (uint16_t)(peer / SIM_CUBE_CHIPS),
                       .at = {peer % 4, peer / 4 % 4, peer / 16 % 4},
                       .axis = (uint8_t)(peer_port / 2),
                       .minus = peer_port % 2 != 0};
    return part_format(&far, text);
}

static struct sim_xc *copy(const struct sim_xc *xcs, size_t n)
{
    return n > 0 ? xmemdup(xcs, n * sizeof *xcs) : NULL;
}

int sim_apply(struct sim_fixture *f, unsigned ocs, const struct sim_xc *breaks, size_t n_breaks,
              const struct sim_xc *makes, size_t n_makes)
{
    struct sim_op op = {.epoch = 1,
                        .sequence = ++f->sequence,
                        .breaks = copy(breaks, n_breaks),
                        .n_breaks = n_breaks,
                        .makes = copy(makes, n_makes),
                        .n_makes = n_makes};

    bool changed = sim_ocs_begin(f->w, ocs, &op, 1);
    sim_ocs_finish(f->w, ocs, &op, 1, changed);
    free(op.breaks);
    free(op.makes);
    return (int)op.result.status;
}

void sim_make(struct sim_fixture *f, unsigned ocs, unsigned north, unsigned south)
{
    struct sim_xc xc = {(uint16_t)north, (uint16_t)south};
    assert_int_equal(sim_apply(f, ocs, NULL, 0, &xc, 1), SIM_OP_DONE);
}

void sim_join(struct sim_fixture *f, unsigned axis, unsigned cube, unsigned next)
{
    for (unsigned position = 0; position < 16; position++) {
        sim_make(f, 16 * axis + position, cube, next);
    }
}

int sim_break(struct sim_fixture *f, const char *kind, const char *target, const char *key,
              const char *value)
{
    struct fault_request request = {.kind = kind, .target = target, .key = key, .value = value};
    struct error err;
    return fault_inject(f->w, &request, &err);
}

int sim_heal(struct sim_fixture *f, const char *target)
{
    struct error err;
    return fault_heal(f->w, target, &err);
}

void sim_pass_ms(struct sim_fixture *f, int64_t ms)
{
    evq_advance(f->w->evq, evq_now_ns(f->w->evq) + ms * 1000000);
}
