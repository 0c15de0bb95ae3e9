#include "tool/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(struct tpunet_error *err, const char *fault, const char *why)
{
    if (err == NULL)
        return TPUNET_EINVAL;
    err->code = TPUNET_EINVAL;
    (void)snprintf(err->text, sizeof err->text, "fault '%s': %s", fault, why);
    return TPUNET_EINVAL;
}

static bool take_number(const char **text, unsigned long most, uint32_t *out)
{
    char *end;
    unsigned long value = strtoul(*text, &end, 10);
    if (**text < '0' || **text > '9' || value > most)
        return false;
    *text = end;
    *out = (uint32_t)value;
    return true;
}

/* "12", or "3.0.2". */
static bool take_chip(const char **text, const struct tpunet_shape *shape, uint32_t *out)
{
    uint32_t first;
    if (!take_number(text, tpunet_shape_chips(shape) - 1, &first))
        return false;
    *out = first;
    if (**text != '.')
        return true;
    uint16_t at[TPUNET_AXES] = {(uint16_t)first, 0, 0};
    for (unsigned k = 0; k < TPUNET_AXES; k++) {
        uint32_t value = first;
        if (k > 0 && (*(*text)++ != '.' || !take_number(text, UINT16_MAX, &value)))
            return false;
        if (value >= shape->dim[k])
            return false;
        at[k] = (uint16_t)value;
    }
    *out = tpunet_logical_index(shape, at);
    return true;
}

static bool take_port(const char **text, unsigned *out)
{
    for (unsigned port = 0; port < TPUNET_PORTS; port++) {
        if (strncmp(*text, tpunet_port_name(port), 2) == 0) {
            *text += 2;
            *out = port;
            return true;
        }
    }
    return false;
}

/* --------------------------------------------------------------- kinds -- */

static int apply_ocs(struct tpunet_topology *t, const char *text, const char *fault,
                     struct tpunet_error *err)
{
    uint32_t ocs;
    if (!take_number(&text, TPUNET_OCSES - 1, &ocs) || *text != '\0')
        return fail(err, fault, "an OCS is a number from 0 to 47");
    if (t->shape.mesh)
        return fail(err, fault, "a slice inside one cube has no circuits");
    return tpunet_topology_cut_ocs(t, ocs, err);
}

static int apply_link(struct tpunet_topology *t, const char *text, const char *fault,
                      struct tpunet_error *err)
{
    uint32_t chip;
    unsigned port;
    if (!take_chip(&text, &t->shape, &chip) || !take_port(&text, &port) || *text != '\0')
        return fail(err, fault,
                    "a link is a chip of the slice and a port, such as 12+x or 3.0.2-z");
    tpunet_topology_cut(t, chip, port);
    return 0;
}

static int apply_chip(struct tpunet_topology *t, const char *text, const char *fault,
                      struct tpunet_error *err)
{
    uint32_t chip;
    if (!take_chip(&text, &t->shape, &chip) || *text != '\0')
        return fail(err, fault, "a chip of the slice is an index, such as 12, or X.Y.Z");
    tpunet_topology_kill(t, chip);
    return 0;
}

static int apply_random(struct tpunet_topology *t, const char *text, const char *fault,
                        struct tpunet_error *err)
{
    uint32_t seed;
    if (!take_number(&text, UINT32_MAX, &seed) || *text != '\0')
        return fail(err, fault, "a seed is a whole number");
    faults_random(t, seed);
    return 0;
}

static const struct {
    const char *prefix;
    int (*apply)(struct tpunet_topology *t, const char *text, const char *fault,
                 struct tpunet_error *err);
} kinds[] = {
    {"ocs:", apply_ocs}, {"link:", apply_link}, {"chip:", apply_chip}, {"random:", apply_random}};

static int apply_one(struct tpunet_topology *t, const char *fault, struct tpunet_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(fault, kinds[i].prefix, len) == 0)
            return kinds[i].apply(t, fault + len, fault, err);
    }
    return fail(err, fault, "write ocs:N, link:CHIP+x, chip:CHIP or random:SEED");
}

int faults_apply(struct tpunet_topology *topology, const char *list, struct tpunet_error *err)
{
    char fault[64];
    int rc = 0;
    while (rc == 0 && *list != '\0') {
        size_t len = strcspn(list, ",");
        if (len >= sizeof fault)
            return fail(err, "...", "too long");
        (void)snprintf(fault, sizeof fault, "%.*s", (int)len, list);
        rc = apply_one(topology, fault, err);
        list += len + (list[len] == ',');
    }
    return rc;
}

/* --------------------------------------------------------------- random -- */

/* SplitMix64 (Steele et al. 2014): any seed will do, the next one is unlike it. */
static uint32_t below(uint64_t *state, uint32_t n)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return (uint32_t)((z ^ z >> 31) % n);
}

void faults_random(struct tpunet_topology *topology, uint64_t seed)
{
    uint32_t n_ocses = 1 + below(&seed, 3), n_links = below(&seed, 9), n_chips = below(&seed, 3);
    for (uint32_t i = 0; i < n_ocses; i++)
        (void)tpunet_topology_cut_ocs(topology, below(&seed, TPUNET_OCSES), NULL);
    for (uint32_t i = 0; i < n_links; i++) {
        uint32_t chip = below(&seed, topology->n_chips);
        tpunet_topology_cut(topology, chip, below(&seed, TPUNET_PORTS));
    }
    for (uint32_t i = 0; i < n_chips; i++)
        tpunet_topology_kill(topology, below(&seed, topology->n_chips));
}
