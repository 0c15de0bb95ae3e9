/* What a slice's job has, by the emulated hardware and not by podmgr's word. */
#include "lab.h"

/* A link end whose circuit podmgr does not rely on. */
static bool is_given_up(const struct lab *lab, uint32_t chip, unsigned port)
{
    struct tpunet_fibre fibre;

    if (!tpunet_chip_fibre(tpunet_chip_of(chip), port, &fibre)) {
        return false;
    }
    struct tpunet_ocs_port at = tpunet_wiring_port(lab->pod.wiring, fibre);
    uint16_t north = model_north_of(lab->model, at);
    return north != TPUNET_NONE &&
           model_circuit_dead(
               lab->model,
               (struct tpunet_xc){at.ocs, north, lab->model->ocs[at.ocs].north[north].south});
}

static bool is_own(const struct slice *slice, uint32_t chip)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        if (slice->intent->cubes[i] == chip / TPUNET_CUBE_CHIPS) {
            return true;
        }
    }
    return false;
}

static size_t list_down(const struct lab *lab, const struct slice *slice, bool around,
                        struct chip_port *out, size_t max)
{
    size_t n = 0;

    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        uint32_t first = slice->intent->cubes[i] * (uint32_t)TPUNET_CUBE_CHIPS;
        for (uint32_t chip = first; chip < first + TPUNET_CUBE_CHIPS; chip++) {
            for (unsigned port = 0; port < TPUNET_PORTS; port++) {
                uint32_t peer;
                unsigned peer_port;
                bool up = world_link(lab->w, chip, port, &peer, &peer_port) && is_own(slice, peer);
                if (!up && !(around && is_given_up(lab, chip, port))) {
                    out[n++] = (struct chip_port){chip, (uint8_t)port};
                }
                if (n == max) {
                    return n;
                }
            }
        }
    }
    return n;
}

static bool links_are_up(const struct lab *lab, const struct slice *slice, bool around)
{
    struct chip_port first;

    return list_down(lab, slice, around, &first, 1) == 0;
}

size_t lab_links_down(const struct lab *lab, const struct slice *slice, struct chip_port *out,
                      size_t max)
{
    return list_down(lab, slice, slice->spec.accept_degraded, out, max);
}

bool lab_slice_is_whole(const struct lab *lab, const struct slice *slice)
{
    return links_are_up(lab, slice, slice->spec.accept_degraded);
}

bool lab_slice_works(const struct lab *lab, const struct slice *slice)
{
    for (unsigned i = 0; i < slice->intent->n_cubes; i++) {
        for (unsigned h = 0; h < TPUNET_CUBE_HOSTS; h++) {
            if (lab->hosts[slice->intent->cubes[i] * TPUNET_CUBE_HOSTS + h].broken > 0) {
                return false;
            }
        }
    }
    return links_are_up(lab, slice, slice->dead_links > 0);
}
