/* The eyes of the daemons: links of the slices that each coordinates, as
 * libtpunet/tpunetd/watch.c and jobs.c have them, and what podmgr is told.
 *
 *   - a slice is watched from its first good verdict until it is installed anew or
 *     released; what its links did since the bring-up began counts
 *   - a daemon hears of the chips of its own hosts, PACE_MS after something changed
 *   - what podmgr may have forgotten is told again after each hello */
#include <stdlib.h>
#include <string.h>

#include "libtpunet/tpunetd/links.h"
#include "mem.h"
#include "sim.h"

enum { PACE_MS = 5, A_REPORT = 1024 };

struct eye {
    struct eye *next;
    struct id slice;
    uint64_t epoch, generation; /* of the install, or of the check that began it */
    struct tpunet_intent *intent;
    struct slice_links links;
    uint64_t since; /* place in the world's log */
};

static struct eye **find(struct daemon *d, struct id slice)
{
    struct eye **at = &d->eyes;

    while (*at != NULL && id_compare((*at)->slice, slice) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void drop(struct eye **at)
{
    struct eye *eye = *at;

    *at = eye->next;
    tpunet_intent_destroy(eye->intent);
    slice_links_fini(&eye->links);
    free(eye);
}

void watch_drop_all(struct daemon *d)
{
    while (d->eyes != NULL) {
        drop(&d->eyes);
    }
}

void watch_drop(struct daemon *d, struct id slice, uint64_t epoch, uint64_t generation)
{
    struct eye **at = find(d, slice);

    if (*at != NULL && id_compare((struct id){epoch, generation},
                                  (struct id){(*at)->epoch, (*at)->generation}) >= 0) {
        drop(at);
    }
}

/* ----------------------------------------------------------------- seeing -- */

static bool is_local(const struct daemon *d, uint32_t chip)
{
    unsigned host = tpunet_chip_of(chip).cube * (unsigned)TPUNET_CUBE_HOSTS +
                    tpunet_chip_host(tpunet_chip_of(chip));

    return host >= d->hosts[0] && host <= d->hosts[d->n_hosts - 1];
}

static void see(struct daemon *d, struct eye *eye)
{
    const struct world *w = d->s->w;

    for (; eye->since < w->log_next; eye->since++) {
        const struct sim_link_event *ev = &w->log[eye->since % SIM_LINK_LOG];
        uint32_t logical = slice_logical(eye->intent, ev->chip);
        if (logical != TPUNET_NONE && is_local(d, ev->chip)) {
            (void)slice_links_see(&eye->links, logical, ev->port, ev->up, 0);
        }
    }
}

/* Told when somebody takes it: else the next beat tries again. */
void watch_tell(struct daemon *d)
{
    struct event ev = {.kind = EV_LINKS};

    if (!daemon_is_heard(d)) {
        return;
    }
    ev.links.links = xcalloc(A_REPORT, sizeof *ev.links.links);
    for (struct eye *eye = d->eyes; eye != NULL; eye = eye->next) {
        struct link_change *change = &ev.links.links[ev.links.n];
        uint32_t at = 0, logical;
        unsigned port;
        while (ev.links.n < A_REPORT &&
               slice_links_untold(&eye->links, &at, &logical, &port, &change->up)) {
            change->slice = eye->slice;
            change->chip = slice_chip(eye->intent, logical);
            change->port = (uint8_t)port;
            slice_links_tell(&eye->links, logical, port, change->up);
            change = &ev.links.links[++ev.links.n];
        }
    }
    if (ev.links.n == 0) {
        event_fini(&ev);
        return;
    }
    sim_note(d->s, "%s tells of %zu links", d->name, ev.links.n);
    manager_post(d->s->current, &ev);
}

static void look(void *arg)
{
    struct sim *s = arg;

    s->look_set = false;
    for (unsigned i = 0; i < s->n_daemons; i++) {
        struct daemon *d = &s->daemons[i];
        for (struct eye *eye = d->eyes; eye != NULL; eye = eye->next) {
            see(d, eye);
        }
        watch_tell(d);
    }
}

static void on_link_events(void *arg)
{
    struct sim *s = arg;

    if (!s->look_set) {
        s->look_set = true;
        sim_after(s, PACE_MS * MS, look, s);
    }
}

void watch_init(struct sim *s)
{
    s->w->on_link_events = on_link_events;
    s->w->hook_arg = s;
}

void watch_tell_again(struct daemon *d)
{
    for (struct eye *eye = d->eyes; eye != NULL; eye = eye->next) {
        slice_links_tell_again(&eye->links);
    }
}

/* --------------------------------------------------------------- watching -- */

static struct eye *begin(struct daemon *d, const struct verdict *of, struct tpunet_intent *intent,
                         uint64_t since)
{
    struct eye *eye = xcalloc(1, sizeof *eye);

    *eye = (struct eye){.next = d->eyes,
                        .slice = of->slice,
                        .epoch = of->epoch,
                        .generation = of->generation,
                        .intent = intent,
                        .since = since};
    if (slice_links_init(&eye->links, intent, NULL) < 0) {
        abort();
    }
    d->eyes = eye;
    return eye;
}

void watch_eye(struct daemon *d, const struct verdict *verdict, struct tpunet_intent *intent,
               uint64_t since)
{
    struct eye **at = find(d, verdict->slice);

    if (*at != NULL && verdict->check_only) {
        tpunet_intent_destroy(intent); /* watched as before */
        return;
    }
    if (*at != NULL) {
        drop(at);
    }
    see(d, begin(d, verdict, intent, since));
    watch_tell(d);
}

/* Every chip of its own is asked. */
static void ask_chips(struct daemon *d, struct eye *eye)
{
    for (uint32_t i = 0; i < eye->links.n_chips; i++) {
        uint32_t chip = slice_chip(eye->intent, i), peer;
        for (unsigned p = 0, peer_port; is_local(d, chip) && p < SIM_CHIP_PORTS; p++) {
            bool up = world_peer(d->s->w, chip, p, &peer, &peer_port);
            (void)slice_links_see(&eye->links, i, p, up, 0);
        }
    }
}

void watch_order(struct daemon *d, const struct slice *slice, uint64_t epoch,
                 const struct chip_port *down, size_t n_down)
{
    struct eye **at = find(d, slice->id), *eye = *at;

    if (eye != NULL && (eye->epoch != epoch || eye->generation != slice->generation)) {
        drop(at);
        eye = NULL;
    }
    if (eye == NULL) {
        struct verdict as = {.slice = slice->id, .epoch = epoch, .generation = slice->generation};
        eye = begin(d, &as, daemon_copy_intent(slice->intent), d->s->w->log_next);
    }
    slice_links_told_up(&eye->links);
    for (size_t i = 0; i < n_down; i++) {
        slice_links_tell(&eye->links, slice_logical(eye->intent, down[i].chip), down[i].port,
                         false);
    }
    ask_chips(d, eye);
    watch_tell(d);
}
