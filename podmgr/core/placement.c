/* Placement: which cubes serve a request.
 *
 *   1. Explicit cubes are taken in the order given, if they are as many as the
 *      shape needs, exist, are not repeated, and are all free.
 *   2. Otherwise the free cubes with the lowest numbers serve, in rising order
 *      (first fit; any healthy cubes make any torus, so there is no geometry).
 *   3. A cube is free if no drain holds it, it and its 16 hosts are healthy, and
 *      nobody owns it (A1, A6).
 *   4. A refusal names what blocks: each cube, in what state, since when.
 *   5. A cube that is to be replaced keeps its logical position; the free cube
 *      with the lowest number takes it, or the one that was asked for.
 *   6. New slices leave the configured hot spares free; a replacement takes them.
 *      Cubes that are out of service count as spares taken, or else a repair would
 *      keep out slices that the pod has room for.
 */
#include "core/placement.h"

#include <stdio.h>
#include <string.h>

/* Rule 1. */
static int take_explicit(const struct model *m, const struct slice_spec *spec, uint32_t needed,
                         uint16_t *cubes, struct error *err)
{
    bool used[MODEL_CUBES_MAX] = {false};
    char shape[24], why[160];

    if (spec->n_cubes != needed) {
        return err_set(err, E_INVALID, "cubes: %s needs %u cubes, %zu given",
                       tpunet_shape_format(&spec->shape, shape), needed, spec->n_cubes);
    }
    for (size_t i = 0; i < needed; i++) {
        unsigned cube = spec->cubes[i];
        if (cube >= m->pod->n_cubes) {
            return err_set(err, E_INVALID, "cubes[%zu]: no cube/%u, the pod has cube/0 to cube/%u",
                           i, cube, m->pod->n_cubes - 1U);
        }
        if (used[cube]) {
            return err_set(err, E_INVALID, "cubes[%zu]: cube/%u is repeated", i, cube);
        }
        used[cube] = true;
    }
    for (size_t i = 0; i < needed; i++) {
        if (!model_cube_free(m, spec->cubes[i], why, sizeof why)) {
            return err_set(err, E_CONFLICT, "cubes[%zu]: cube/%u is not free: %s", i,
                           spec->cubes[i], why);
        }
        cubes[i] = spec->cubes[i];
    }
    return 0;
}

/* Rule 4: as many of the blocking cubes as the text holds. */
static int no_room(const struct model *m, const struct slice_spec *spec, uint32_t needed,
                   uint32_t found, struct error *err)
{
    char list[400] = "", shape[24], why[160];
    size_t len = 0;

    for (unsigned cube = 0; cube < m->pod->n_cubes; cube++) {
        if (model_cube_free(m, cube, why, sizeof why)) {
            continue;
        }
        char item[200];
        int item_len = snprintf(item, sizeof item, "%scube/%u %s", len > 0 ? "; " : "", cube, why);
        if (len + (size_t)item_len + 6 > sizeof list) {
            memcpy(list + len, "; ...", 6);
            break;
        }
        memcpy(list + len, item, (size_t)item_len + 1);
        len += (size_t)item_len;
    }
    return err_set(err, E_FULL, "%s needs %u cubes, %u are free: %s",
                   tpunet_shape_format(&spec->shape, shape), needed, found, list);
}

/* Rule 6. */
static int spares_remain(const struct model *m, uint32_t needed, struct error *err)
{
    unsigned kept = m->pod->remedy.hot_spares, free_cubes = 0, out = 0;

    for (unsigned cube = 0; cube < m->pod->n_cubes && kept > 0; cube++) {
        bool is_free = model_cube_free(m, cube, NULL, 0);
        free_cubes += is_free;
        out += !is_free && id_is_none(m->cubes[cube].owner);
    }
    kept -= out < kept ? out : kept;
    if (kept == 0 || free_cubes >= needed + kept) {
        return 0;
    }
    return err_set(err, E_FULL,
                   "%u cubes are needed and %u are free, of which %u stay as hot spares", needed,
                   free_cubes, kept < free_cubes ? kept : free_cubes);
}

int placement_choose(const struct model *m, const struct slice_spec *spec, uint16_t *cubes,
                     struct error *err)
{
    uint32_t needed = tpunet_shape_cubes(&spec->shape);
    char shape[24];

    if (needed > m->pod->n_cubes) {
        return err_set(err, E_INVALID, "topology: %s needs %u cubes, the pod has %u",
                       tpunet_shape_format(&spec->shape, shape), needed, m->pod->n_cubes);
    }
    if (spec->cubes != NULL) {
        int status = take_explicit(m, spec, needed, cubes, err);
        return status < 0 ? status : spares_remain(m, needed, err);
    }
    uint32_t found = 0;
    for (unsigned cube = 0; cube < m->pod->n_cubes && found < needed; cube++) {
        if (model_cube_free(m, cube, NULL, 0)) {
            cubes[found++] = (uint16_t)cube;
        }
    }
    if (found < needed) {
        return no_room(m, spec, needed, found, err);
    }
    return spares_remain(m, needed, err);
}

int placement_replace(const struct model *m, const struct tpunet_intent *intent,
                      const struct swap *swaps, size_t n, uint16_t *cubes, struct error *err)
{
    bool taken[MODEL_CUBES_MAX] = {false};
    char why[160];

    memcpy(cubes, intent->cubes, intent->n_cubes * sizeof *cubes);
    for (size_t i = 0; i < n; i++) {
        unsigned at = 0, with = swaps[i].with;
        while (at < intent->n_cubes && intent->cubes[at] != swaps[i].cube) {
            at++;
        }
        if (at == intent->n_cubes || cubes[at] != swaps[i].cube) {
            return err_set(err, E_INVALID, "replace[%zu].cube: cube/%u is %s", i, swaps[i].cube,
                           at == intent->n_cubes ? "not of this slice" : "repeated");
        }
        if (with != TPUNET_NONE && with >= m->pod->n_cubes) {
            return err_set(err, E_INVALID,
                           "replace[%zu].with: no cube/%u, the pod has cube/0 to cube/%u", i, with,
                           m->pod->n_cubes - 1U);
        }
        if (with != TPUNET_NONE && (taken[with] || !model_cube_free(m, with, why, sizeof why))) {
            return err_set(err, E_CONFLICT, "replace[%zu].with: cube/%u is not free: %s", i, with,
                           taken[with] ? "it is repeated" : why);
        }
        for (unsigned c = 0; with == TPUNET_NONE && c < m->pod->n_cubes; c++) {
            with = !taken[c] && model_cube_free(m, c, NULL, 0) ? c : with;
        }
        if (with == TPUNET_NONE) {
            return err_set(err, E_FULL, "no free cube can replace cube/%u", swaps[i].cube);
        }
        taken[with] = true;
        cubes[at] = (uint16_t)with;
    }
    return 0;
}
