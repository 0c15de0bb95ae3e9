/* What libtpunet asks of chips, done to those of the simulated world.  Calls act at
 * once and answer a little later, so a daemon can die and a circuit can break
 * between any two of them. */
#include "daemons.h"

#include <string.h>

#include "simulator/fabric_device.h"

enum { CALL_US = 300 };

struct fabric_end {
    struct sim *s;
    tpunet_done_fn *done;
    void *arg;
    int status;
};

static void on_fabric_end(void *arg)
{
    struct fabric_end *end = arg;

    if (!end->s->stop) {
        end->done(end->arg, end->status);
    }
}

static int later(struct sim *s, tpunet_done_fn *done, void *arg, enum sim_fabric_status status)
{
    struct fabric_end *end = sim_new(s, sizeof *end);

    *end = (struct fabric_end){.s = s,
                               .done = done,
                               .arg = arg,
                               .status = status == SIM_FABRIC_OK      ? 0
                                         : status == SIM_FABRIC_STALE ? TPUNET_ESTALE
                                                                      : TPUNET_EFABRIC};
    sim_after(s, CALL_US * 1000, on_fabric_end, end);
    return 0;
}

static struct sim_path path_of(const struct tpunet_path *path)
{
    return (struct sim_path){.entry = path->entry, .hops = path->hops, .n_hops = path->n_hops};
}

static int probe(void *ctx, const struct tpunet_path *paths, size_t n,
                 struct tpunet_probe_answer *answers, tpunet_done_fn *done, void *arg)
{
    struct sim *s = ctx;

    for (size_t i = 0; i < n; i++) {
        struct sim_path path = path_of(&paths[i]);
        struct tpunet_probe_answer *answer = &answers[i];
        *answer = (struct tpunet_probe_answer){0};
        answer->answered = sim_follow(s->w, &path, &answer->chip);
        if (answer->answered) {
            const struct sim_stamp *stamp = &s->w->chips[answer->chip].active.stamp;
            memcpy(answer->slice, stamp->slice, sizeof answer->slice);
            answer->epoch = stamp->epoch;
            answer->generation = stamp->generation;
        }
        for (unsigned p = 0; answer->answered && p < SIM_CHIP_PORTS; p++) {
            uint32_t peer;
            unsigned peer_port;
            struct tpunet_port_state *port = &answer->port[p];
            port->enabled = (s->w->chips[answer->chip].disabled_mask >> p & 1) == 0;
            port->up = world_peer(s->w, answer->chip, p, &peer, &peer_port);
            port->peer = peer;
            port->peer_port = (uint8_t)peer_port;
        }
    }
    return later(s, done, arg, SIM_FABRIC_OK);
}

static struct sim_stamp stamp_of(const struct tpunet_stamp *stamp)
{
    struct sim_stamp out = {.epoch = stamp->epoch, .generation = stamp->generation};
    memcpy(out.slice, stamp->slice, sizeof out.slice);
    return out;
}

static int write_rows(void *ctx, const struct tpunet_stamp *stamp, uint32_t n_chips,
                      const struct tpunet_row_write *rows, size_t n, tpunet_done_fn *done,
                      void *arg)
{
    struct sim *s = ctx;
    struct sim_stamp sim_stamp = stamp_of(stamp);
    enum sim_fabric_status status = SIM_FABRIC_OK;

    for (size_t i = 0; i < n && status == SIM_FABRIC_OK; i++) {
        struct sim_path path = path_of(&rows[i].path);
        status = sim_write_row(s->w, &sim_stamp, &path, rows[i].self, n_chips, rows[i].class_mask,
                               rows[i].row, n_chips);
        s->fabric_writes++;
    }
    return later(s, done, arg, status);
}

typedef enum sim_fabric_status chip_fn(struct world *w, const struct sim_stamp *stamp,
                                       const struct sim_path *path);

static int each_chip(struct sim *s, chip_fn *fn, const struct tpunet_stamp *stamp,
                     const struct tpunet_path *paths, size_t n, tpunet_done_fn *done, void *arg)
{
    struct sim_stamp sim_stamp = stamp_of(stamp);
    enum sim_fabric_status status = SIM_FABRIC_OK;

    for (size_t i = 0; i < n && status == SIM_FABRIC_OK; i++) {
        struct sim_path path = path_of(&paths[i]);
        status = fn(s->w, &sim_stamp, &path);
        s->fabric_writes++;
    }
    return later(s, done, arg, status);
}

static int quiesce(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                   size_t n, tpunet_done_fn *done, void *arg)
{
    return each_chip(ctx, sim_quiesce, stamp, paths, n, done, arg);
}

static int commit(void *ctx, const struct tpunet_stamp *stamp, const struct tpunet_path *paths,
                  size_t n, tpunet_done_fn *done, void *arg)
{
    return each_chip(ctx, sim_commit, stamp, paths, n, done, arg);
}

static int set_port(void *ctx, const struct tpunet_stamp *stamp, struct tpunet_path path,
                    unsigned port, bool enabled, tpunet_done_fn *done, void *arg)
{
    struct sim *s = ctx;
    struct sim_stamp sim_stamp = stamp_of(stamp);
    struct sim_path sim_path = path_of(&path);

    s->fabric_writes++;
    return later(s, done, arg, sim_set_port(s->w, &sim_stamp, &sim_path, port, enabled));
}

struct tpunet_fabric daemon_fabric(struct sim *s)
{
    return (struct tpunet_fabric){.ctx = s,
                                  .probe = probe,
                                  .write_rows = write_rows,
                                  .quiesce = quiesce,
                                  .commit = commit,
                                  .set_port = set_port};
}
