/* The log of a killed podmgr: damage that would lose acknowledged commits is refused, whatever a
 * crash can leave is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "mem.h"
#include "simulator/chance.h"
#include "store/sqlite_util.h"
#include "store_fixture.h"

enum { HEADER = 32, FRAME_HEADER = 24, FRAME = FRAME_HEADER + 4096, COMMITS = 6 };

struct bytes {
    uint8_t *at;
    size_t size;
};

/* The two files as a kill leaves them. */
struct image {
    struct bytes db, log;
};

/* ---------------------------------------------------------------- files -- */

static struct bytes read_all(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    struct bytes b = {.size = (size_t)ftell(file)};
    b.at = xmalloc(b.size + 1);
    rewind(file);
    assert_int_equal(fread(b.at, 1, b.size, file), b.size);
    assert_int_equal(fclose(file), 0);
    return b;
}

static void write_all(const char *path, struct bytes b)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b.at, 1, b.size, file), b.size);
    assert_int_equal(fclose(file), 0);
}

static const char *log_of(const char *path)
{
    static char name[200];
    (void)snprintf(name, sizeof name, "%s-wal", path);
    return name;
}

static struct image image_read(const char *path)
{
    return (struct image){read_all(path), read_all(log_of(path))};
}

static void image_write(const struct image *image, const char *path)
{
    write_all(path, image->db);
    write_all(log_of(path), image->log);
}

static struct image image_copy(const struct image *from)
{
    return (struct image){{xmemdup(from->db.at, from->db.size), from->db.size},
                          {xmemdup(from->log.at, from->log.size), from->log.size}};
}

static void image_fini(struct image *image)
{
    free(image->db.at);
    free(image->log.at);
}

/* -------------------------------------------------------------- commits -- */

/* Each commit takes an epoch, so that the epoch tells which was the last. */
static void commit(struct fixture *f, unsigned events, unsigned words)
{
    f->m->epoch++;
    sf_change(f, CHANGE_META, (struct id){0});
    for (unsigned i = 0; i < events; i++) {
        VEC_GROW(f->batch.journal, f->batch.n_journal, f->batch.cap_journal);
        struct journal_entry *entry = &f->batch.journal[f->batch.n_journal++];
        *entry = (struct journal_entry){.seq = f->m->next_event++, .type = "slice.active"};
        (void)snprintf(entry->subject, sizeof entry->subject, "slice/1-%u", i);
        entry->data = xcalloc(1, words + 1);
        memset(entry->data, 'x', words);
    }
    sf_commit(f);
}

static void checkpoint(struct fixture *f)
{
    assert_int_equal(
        sqlite3_wal_checkpoint_v2(f->store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
        SQLITE_OK);
}

/* A log of six commits of some frames each, over what is left of older ones. */
static struct image six_commits(struct fixture *f)
{
    commit(f, 60, 900);
    checkpoint(f);
    for (unsigned i = 0; i < COMMITS; i++) {
        commit(f, 1, 100);
    }
    return image_read(f->path);
}

/* What a podmgr that starts on these files finds: the epoch, or a refusal. */
static int start_with(struct fixture *f, const struct image *image, struct error *err)
{
    sf_close_all(f);
    f->store = NULL;
    f->m = NULL;
    image_write(image, f->path);
    *err = (struct error){0};
    int status = store_open(&f->store, f->path, 100, err);
    if (status == 0) {
        f->m = model_create(&f->pod, 1);
        status = store_load(f->store, f->m, err);
    }
    return status < 0 ? status : (int)f->m->epoch;
}

/* --------------------------------------------------------------- frames -- */

static unsigned frames_of(const struct image *image)
{
    return (unsigned)((image->log.size - HEADER) / FRAME);
}

static size_t offset_of(unsigned frame)
{
    return HEADER + (size_t)(frame - 1) * FRAME;
}

static bool is_current(const struct image *image, unsigned frame)
{
    return memcmp(image->log.at + offset_of(frame) + 8, image->log.at + 16, 8) == 0;
}

static bool is_commit(const struct image *image, unsigned frame)
{
    static const uint8_t none[4];
    return is_current(image, frame) &&
           memcmp(image->log.at + offset_of(frame) + 4, none, sizeof none) != 0;
}

/* The frames that end the commits; how many. */
static unsigned find_commits(const struct image *image, unsigned *ends, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 1; i <= frames_of(image) && is_current(image, i); i++) {
        if (is_commit(image, i)) {
            assert_true(n < max);
            ends[n++] = i;
        }
    }
    return n;
}

static void assert_refused(struct fixture *f, const struct image *image, const char *where)
{
    struct error err;
    char want[160];

    (void)snprintf(want, sizeof want, "%s is damaged at %s: ", log_of(f->path), where);
    assert_int_equal(start_with(f, image, &err), E_CORRUPT);
    if (strncmp(err.text, want, strlen(want)) != 0) {
        fail_msg("got %s, want %s", err.text, want);
    }
    struct image after = image_read(f->path); /* and all is as it was */
    assert_int_equal(after.log.size, image->log.size);
    assert_memory_equal(after.log.at, image->log.at, image->log.size);
    assert_int_equal(after.db.size, image->db.size);
    assert_memory_equal(after.db.at, image->db.at, image->db.size);
    image_fini(&after);
}

/* --------------------------------------------------------------- damage -- */

/* One bit in each part of each frame: page, number of pages, salts, checksum, the page. */
static void a_bit_that_fell_over(void **state)
{
    static const size_t places[] = {3, 7, 8, 16, 23, 24, FRAME - 1};
    struct fixture *f = *state;
    struct image good = six_commits(f);
    struct error err;
    unsigned ends[COMMITS];
    int last = (int)f->m->epoch;

    assert_int_equal(find_commits(&good, ends, COMMITS), COMMITS);
    assert_true(frames_of(&good) > ends[COMMITS - 1]); /* older ones lie behind */
    assert_int_equal(start_with(f, &good, &err), last);
    for (unsigned frame = 1; frame <= ends[COMMITS - 1]; frame++) {
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            struct image bad = image_copy(&good);
            char where[60];
            bad.log.at[offset_of(frame) + places[i]] ^= 0x40;
            (void)snprintf(where, sizeof where, "frame %u (byte %zu)", frame, offset_of(frame));
            if (frame <= ends[COMMITS - 2]) {
                assert_refused(f, &bad, where);
            } else if (places[i] == 7 && frame < ends[COMMITS - 1]) {
                assert_refused(f, &bad, where); /* it ends a commit now, of which the rest came */
            } else {                            /* as a crash would leave it */
                assert_int_equal(start_with(f, &bad, &err), last - 1);
            }
            image_fini(&bad);
        }
    }
    image_fini(&good);
}

/* A frame of a later commit, even one that the kill cut short, proves the last. */
static void damage_in_front_of_a_cut_commit(void **state)
{
    struct fixture *f = *state;
    struct image good = six_commits(f);
    unsigned ends[COMMITS];

    (void)find_commits(&good, ends, COMMITS);
    good.log.size = offset_of(ends[COMMITS - 1]);
    good.log.at[offset_of(ends[COMMITS - 2] - 1) + 100] ^= 1;
    char where[60];
    (void)snprintf(where, sizeof where, "frame %u (byte %zu)", ends[COMMITS - 2] - 1,
                   offset_of(ends[COMMITS - 2] - 1));
    assert_refused(f, &good, where);
    image_fini(&good);
}

static void the_header_and_larger_holes(void **state)
{
    struct fixture *f = *state;
    struct image good = six_commits(f);

    for (size_t i = 0; i < HEADER; i++) {
        struct image bad = image_copy(&good);
        bad.log.at[i] ^= 0x80;
        assert_refused(f, &bad, "its header (byte 0)");
        image_fini(&bad);
    }
    struct image bad = image_copy(&good);
    bad.log.at[3] ^= 1; /* the order of bytes */
    assert_refused(f, &bad, "its header (byte 0)");
    memset(bad.log.at, 0, 4096);
    assert_refused(f, &bad, "its header (byte 0)");
    image_fini(&bad);
    for (size_t size = 512; size <= 16384; size *= 2) {
        bad = image_copy(&good);
        memset(bad.log.at + 4096, 0, size);
        assert_refused(f, &bad, "frame 1 (byte 32)");
        image_fini(&bad);
    }
    image_fini(&good);
}

static void forget(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char name[200];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

/* Neither takes what is before the damage for all there is; and the damaged database that a
 * restore replaces stays as it is. */
static void verify_and_restore_refuse_too(void **state)
{
    struct fixture *f = *state;
    struct image bad = six_commits(f);
    struct audit_tip tip;
    struct error err;
    char aside[160], backup[80], where[60];
    unsigned ends[COMMITS];
    uint64_t last = f->m->epoch, events = f->m->next_event;

    (void)find_commits(&bad, ends, COMMITS);
    size_t damage = offset_of(ends[2] + 1);
    bad.log.at[damage] ^= 1;
    (void)snprintf(where, sizeof where, "frame %u (byte %zu)", ends[2] + 1, damage);
    assert_refused(f, &bad, where);
    assert_int_equal(store_audit_verify(f->path, &tip, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, where));

    (void)snprintf(backup, sizeof backup, "%s/backup.db", f->dir);
    image_write(&bad, backup);
    assert_int_equal(store_restore(f->path, backup, &f->pod, aside, sizeof aside, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, where));

    assert_int_equal(truncate(log_of(backup), (off_t)damage), 0); /* as the operator is told */
    assert_int_equal(store_restore(f->path, backup, &f->pod, aside, sizeof aside, &err), 0);
    struct image after = image_read(aside);
    assert_int_equal(after.log.size, bad.log.size);
    assert_memory_equal(after.log.at, bad.log.at, bad.log.size);
    assert_int_equal(sf_open_all(f, &err), 0);
    assert_true(f->m->restored && f->m->epoch > last + STORE_RESTORE_EPOCHS);
    assert_int_equal(f->m->next_event, events - 3); /* one a commit */
    forget(aside);
    forget(backup);
    image_fini(&after);
    image_fini(&bad);
}

/* -------------------------------------------------------------- crashes -- */

static void a_tail_that_is_cut_anywhere(void **state)
{
    struct fixture *f = *state;
    struct image good = six_commits(f);
    struct error err;
    unsigned ends[COMMITS];
    int last = (int)f->m->epoch;

    (void)find_commits(&good, ends, COMMITS);
    size_t from = offset_of(ends[COMMITS - 2] + 1), to = offset_of(ends[COMMITS - 1] + 1);
    for (size_t size = from; size <= to; size++) {
        size_t in_frame = (size - HEADER) % FRAME;
        if (in_frame > FRAME_HEADER && in_frame < FRAME - 2 && size % 1021 != 0) {
            continue; /* inside a page one is as good as another */
        }
        good.log.size = size;
        assert_int_equal(start_with(f, &good, &err), size == to ? last : last - 1);
    }
    image_fini(&good);
}

/* What is on the disk when power goes in the midst of the last commit: sectors from
 * before it and from after.  The header is synced before a frame is written behind it. */
static struct image torn(const struct image *before, const struct image *after, uint64_t *seed)
{
    static const double shares[] = {0.03, 0.5, 0.97};
    struct image image = image_copy(after);
    double kept = shares[chance_mix(*seed) % ARRAY_LEN(shares)];

    for (size_t at = 0; at < image.log.size; at += 512) {
        size_t n = image.log.size - at < 512 ? image.log.size - at : 512;
        size_t had = before->log.size <= at      ? 0
                     : before->log.size - at < n ? before->log.size - at
                                                 : n;
        if (chance_next(seed) >= kept) {
            memset(image.log.at + at, 0, n);
            memcpy(image.log.at + at, before->log.at + at, had);
        }
    }
    memcpy(image.log.at, after->log.at, HEADER);
    return image;
}

/* Frames that end commits, of these salts, behind the first frame that is bad: where SQLite stops,
 * which is in front of the last commit. */
static unsigned commits_behind(const struct image *image, unsigned from)
{
    unsigned n = 0;

    for (unsigned i = from; i <= frames_of(image); i++) {
        n += is_commit(image, i);
    }
    return n;
}

/* Again and again, so that the rests of many torn commits lie behind one another. */
static void power_goes_in_the_midst_of_commits(void **state)
{
    enum { ROUNDS = 120 };
    struct fixture *f = *state;
    struct error err;
    unsigned lost = 0, kept = 0, more_than_one = 0;
    uint64_t seed = 7;

    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round % 20 == 0) {
            checkpoint(f);
        }
        for (unsigned i = 0; i < chance_mix(seed + 1) % 3; i++) {
            commit(f, 1 + (unsigned)(chance_mix(seed + 2) % 4), 300);
        }
        struct image before = image_read(f->path);
        int epoch = (int)f->m->epoch;
        bool large = chance_mix(seed + 3) % 3 == 0;
        commit(f, large ? 60 : (unsigned)(chance_mix(seed + 4) % 4), large ? 900 : 300);
        struct image after = image_read(f->path), image = torn(&before, &after, &seed);
        unsigned ends[2000];
        unsigned n = find_commits(&before, ends, ARRAY_LEN(ends));
        int found = start_with(f, &image, &err);
        if (found != epoch && found != epoch + 1) {
            fail_msg("round %u: %d: %s", round, found, err.text);
        }
        lost += found == epoch;
        kept += found != epoch;
        more_than_one += found == epoch && commits_behind(&image, n > 0 ? ends[n - 1] + 1 : 1) > 1;
        image_fini(&before);
        image_fini(&after);
        image_fini(&image);
    }
    print_message("%u commits lost, %u kept, %u times two commit frames behind the bad one\n", lost,
                  kept, more_than_one);
    assert_true(lost > ROUNDS / 4 && more_than_one > 0);
}

/* A sector ends between the page count of frame 42 and its checksum: the former may be of a frame
 * that ended a commit there before, while all else is of the one that was under way. */
static void a_page_count_of_before(void **state)
{
    enum { PARTED = 42 };
    struct fixture *f = *state;
    struct error err;
    unsigned ends[PARTED];
    char where[60];

    commit(f, 60, 900);
    checkpoint(f);
    for (unsigned i = 1; i < PARTED; i++) {
        commit(f, 0, 0); /* of one frame */
    }
    commit(f, 20, 900);
    struct image image = image_read(f->path), bad = image_copy(&image);
    int last = (int)f->m->epoch;
    assert_int_equal(find_commits(&image, ends, PARTED), PARTED);
    assert_int_equal(ends[PARTED - 2], PARTED - 1);
    assert_true(ends[PARTED - 1] > PARTED + 1);

    image.log.at[offset_of(PARTED) + 7] = 9;
    assert_int_equal(start_with(f, &image, &err), last - 1);
    bad.log.at[offset_of(PARTED + 1) + 7] = 9; /* all in one sector: no crash does that */
    (void)snprintf(where, sizeof where, "frame %d (byte %zu)", PARTED + 1, offset_of(PARTED + 1));
    assert_refused(f, &bad, where);
    image_fini(&image);
    image_fini(&bad);
}

/* A write of the new header that fails half way: SQLite takes the log for empty, and would give
 * the salts of the frames behind it to the next. */
static void a_header_that_is_cut(void **state)
{
    struct fixture *f = *state;
    struct error err;

    for (size_t cut = 1; cut < HEADER; cut++) {
        struct image old = six_commits(f);
        image_fini(&old);
        checkpoint(f);
        old = image_read(f->path);
        int epoch = (int)f->m->epoch;
        commit(f, 1, 10);
        struct image fresh = image_read(f->path);
        memcpy(old.log.at, fresh.log.at, cut);
        assert_int_equal(start_with(f, &old, &err), epoch);
        commit(f, 1, 10);
        image_fini(&fresh);
        fresh = image_read(f->path);
        assert_int_equal(start_with(f, &fresh, &err), epoch + 1);
        image_fini(&fresh);
        image_fini(&old);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sf_set_up, sf_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_bit_that_fell_over),        TEST(damage_in_front_of_a_cut_commit),
        TEST(the_header_and_larger_holes), TEST(verify_and_restore_refuse_too),
        TEST(a_tail_that_is_cut_anywhere), TEST(power_goes_in_the_midst_of_commits),
        TEST(a_page_count_of_before),      TEST(a_header_that_is_cut),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
