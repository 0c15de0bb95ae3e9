#include "fabric_device.h"

#include <stdlib.h>
#include <string.h>

#include "health_device.h"
#include "mem.h"

bool sim_follow(const struct world *w, const struct sim_path *path, uint32_t *chip)
{
    unsigned port;

    if (path->entry >= w->n_chips || w->chips[path->entry].dead != 0 ||
        sim_host_is_silent(w, sim_host_of(path->entry))) {
        return false;
    }
    *chip = path->entry;
    for (size_t i = 0; i < path->n_hops; i++) {
        if (path->hops[i] >= SIM_CHIP_PORTS || !world_link(w, *chip, path->hops[i], chip, &port)) {
            return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- stamps -- */

static int compare_age(const struct sim_stamp *a, const struct sim_stamp *b)
{
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch ? -1 : 1;
    }
    return a->generation < b->generation ? -1 : a->generation > b->generation;
}

static bool is_stale(const struct sim_stamp *stamp, const struct sim_stamp *held)
{
    int age = compare_age(stamp, held);
    return age < 0 || (age == 0 && strcmp(stamp->slice, held->slice) != 0);
}

/* Finds the chip that a command is for, and lets it judge the stamp. */
static enum sim_fabric_status reach(struct world *w, const struct sim_stamp *stamp,
                                    const struct sim_path *path, struct sim_chip **out)
{
    uint32_t chip;

    if (!sim_follow(w, path, &chip)) {
        return SIM_FABRIC_UNREACHABLE;
    }
    *out = &w->chips[chip];
    return is_stale(stamp, &(*out)->fence) ? SIM_FABRIC_STALE : SIM_FABRIC_OK;
}

/* ----------------------------------------------------------------- banks -- */

static void drop_row(struct sim_row **row)
{
    if (*row != NULL && --(*row)->refs == 0) {
        free(*row);
    }
    *row = NULL;
}

void sim_bank_clear(struct sim_bank *bank)
{
    for (unsigned c = 0; c < SIM_CLASSES; c++) {
        drop_row(&bank->rows[c]);
    }
    *bank = (struct sim_bank){0};
}

enum sim_fabric_status sim_write_row(struct world *w, const struct sim_stamp *stamp,
                                     const struct sim_path *path, uint32_t self, uint32_t n_chips,
                                     unsigned class_mask, const uint8_t *bytes, size_t len)
{
    struct sim_chip *chip;

    if (len != n_chips || self >= n_chips || class_mask == 0 || class_mask >> SIM_CLASSES != 0) {
        return SIM_FABRIC_BAD;
    }
    enum sim_fabric_status status = reach(w, stamp, path, &chip);
    if (status != SIM_FABRIC_OK) {
        return status;
    }
    struct sim_bank *bank = &chip->shadow;
    chip->fence = *stamp;
    if (compare_age(&bank->stamp, stamp) != 0) {
        sim_bank_clear(bank);
        bank->stamp = *stamp;
    }
    bank->self = self;
    bank->n_chips = n_chips;
    struct sim_row *row = xmalloc(sizeof *row + len);
    *row = (struct sim_row){.len = (uint32_t)len};
    memcpy(row->bytes, bytes, len);
    for (unsigned c = 0; c < SIM_CLASSES; c++) {
        if ((class_mask >> c & 1) != 0) {
            drop_row(&bank->rows[c]);
            bank->rows[c] = row;
            row->refs++;
        }
    }
    return SIM_FABRIC_OK;
}

enum sim_fabric_status sim_quiesce(struct world *w, const struct sim_stamp *stamp,
                                   const struct sim_path *path)
{
    struct sim_chip *chip;
    enum sim_fabric_status status = reach(w, stamp, path, &chip);

    if (status == SIM_FABRIC_OK) {
        chip->fence = *stamp;
        chip->quiesced = true; /* a flit's walk is instantaneous: none is under way */
    }
    return status;
}

enum sim_fabric_status sim_commit(struct world *w, const struct sim_stamp *stamp,
                                  const struct sim_path *path)
{
    struct sim_chip *chip;
    enum sim_fabric_status status = reach(w, stamp, path, &chip);

    if (status != SIM_FABRIC_OK) {
        return status;
    }
    if (compare_age(&chip->active.stamp, stamp) != 0) {
        if (compare_age(&chip->shadow.stamp, stamp) != 0) {
            return SIM_FABRIC_BAD; /* nothing of this generation was written */
        }
        sim_bank_clear(&chip->active);
        chip->active = chip->shadow;
        chip->shadow = (struct sim_bank){0};
    }
    chip->fence = *stamp;
    chip->quiesced = false;
    return SIM_FABRIC_OK;
}

enum sim_fabric_status sim_set_port(struct world *w, const struct sim_stamp *stamp,
                                    const struct sim_path *path, unsigned port, bool enabled)
{
    struct sim_chip *chip;

    if (port >= SIM_CHIP_PORTS) {
        return SIM_FABRIC_BAD;
    }
    enum sim_fabric_status status = reach(w, stamp, path, &chip);
    if (status == SIM_FABRIC_OK) {
        uint8_t bit = (uint8_t)(1U << port);
        chip->fence = *stamp;
        chip->disabled_mask =
            (uint8_t)(enabled ? chip->disabled_mask & ~bit : chip->disabled_mask | bit);
        world_look(w, (uint32_t)(chip - w->chips), port);
    }
    return status;
}
