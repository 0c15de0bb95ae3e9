/* The write-ahead log at a start (https://sqlite.org/fileformat2.html#walformat).
 *
 * SQLite believes the log up to the first frame that does not verify and takes all behind it for
 * the rest of a commit that a crash cut short.  A bit that fell over looks the same to it, and the
 * commits behind are gone, acknowledged or not.  But each checksum goes on from that of the frame
 * before, so a frame that verifies from its neighbour was written by somebody who held that
 * neighbour for good; and if that one ended a commit, it was synced by then: a commit is begun only
 * after the sync of the one before (synchronous=FULL) or, after a start, after wal_rewrite().
 * So, at or behind the first bad frame, a commit with a frame that goes on from it was acknowledged
 * and is lost.  No crash makes that, whatever sectors it keeps:
 *
 * - the commit under way has one commit frame, its last (a spilled cache or rewritten checksums
 *   add none; the unix VFS does not ask SQLite to pad commits), and nothing goes on from that;
 * - the rest of an earlier torn commit may lie behind it, with the same salts and a commit frame of
 *   its own, so to count commit frames would not do; but neither goes on from the other;
 * - frames from before the last checkpoint have other salts.
 *
 * The header is synced before the first frame, so a bad one is damage if a commit goes on from it.
 * The exception is one that was being replaced: wal_rewrite() empties such a log, since SQLite
 * would give its salts to the next. */
#include "store/wal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "store/sqlite_util.h"

/* A sector is on the disk whole or not at all, and none is smaller. */
enum { HEADER = 32, FRAME_HEADER = 24, SALTS = 8, SECTOR = 512, MAGIC = 0x377f0682 };

struct sum {
    uint32_t a, b;
};

struct scan {
    sqlite3_file *file;
    uint8_t header[HEADER], salts[SALTS];
    uint32_t page_size;
    bool big_endian;  /* the words that are summed */
    bool good_header; /* as SQLite sees it */
    uint8_t *frame;   /* the one that was read last, with its header */
    unsigned n_frames, bad;
    struct sum before; /* of the last frame before the bad one, or of the header */
};

/* ----------------------------------------------------------- the format -- */

static uint32_t big(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t little(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static void put_big(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static struct sum add(const struct scan *s, struct sum sum, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        sum.a += (s->big_endian ? big(bytes + i) : little(bytes + i)) + sum.b;
        sum.b += (s->big_endian ? big(bytes + i + 4) : little(bytes + i + 4)) + sum.a;
    }
    return sum;
}

static struct sum header_sum(const struct scan *s, const uint8_t header[static HEADER])
{
    return add(s, (struct sum){0}, header, HEADER - sizeof(struct sum));
}

static struct sum frame_sum(const struct scan *s, struct sum before)
{
    return add(s, add(s, before, s->frame, 8), s->frame + FRAME_HEADER, s->page_size);
}

static struct sum stored_sum(const uint8_t *bytes)
{
    return (struct sum){big(bytes), big(bytes + 4)};
}

static bool same_sum(struct sum x, struct sum y)
{
    return x.a == y.a && x.b == y.b;
}

static sqlite3_int64 offset_of(const struct scan *s, unsigned n)
{
    return n == 0 ? 0 : HEADER + (sqlite3_int64)(n - 1) * (FRAME_HEADER + s->page_size);
}

/* ----------------------------------------------------------------- scan -- */

static int read_frame(struct scan *s, unsigned n)
{
    return s->file->pMethods->xRead(s->file, s->frame, (int)(FRAME_HEADER + s->page_size),
                                    offset_of(s, n));
}

/* The frame that was read verifies if the checksum of the one before is `before`. */
static bool goes_on(const struct scan *s, struct sum before)
{
    return memcmp(s->frame + 8, s->salts, SALTS) == 0 && big(s->frame) != 0 &&
           same_sum(frame_sum(s, before), stored_sum(s->frame + 16));
}

/* The frame's number of pages, which says that it ends a commit, and its checksum came to the
 * disk together; else the former may be of a frame that was there before. */
static bool is_of_one_piece(const struct scan *s, unsigned n)
{
    return (offset_of(s, n) + 4) / SECTOR == (offset_of(s, n) + FRAME_HEADER - 1) / SECTOR;
}

static int read_header(struct scan *s, uint32_t page_size, sqlite3_int64 size)
{
    int rc = s->file->pMethods->xRead(s->file, s->header, HEADER, 0);
    uint32_t magic = big(s->header);

    s->big_endian = (magic & 1) != 0;
    s->page_size = big(s->header + 8);
    s->before = stored_sum(s->header + 24);
    s->good_header = (magic | 1) == (MAGIC | 1) && s->page_size >= 512 && s->page_size <= 65536 &&
                     (s->page_size & (s->page_size - 1)) == 0 &&
                     same_sum(header_sum(s, s->header), s->before);
    if (!s->good_header) {
        s->page_size = page_size;
    }
    memcpy(s->salts, s->header + 16, SALTS);
    s->n_frames = (unsigned)((size - HEADER) / (FRAME_HEADER + s->page_size));
    s->frame = xmalloc(FRAME_HEADER + s->page_size);
    return rc;
}

/* Finds the first bad frame: s->bad is its number, from 1, or one more than there are. */
static int find_bad(struct scan *s)
{
    int rc = SQLITE_OK;

    for (s->bad = 1; s->bad <= s->n_frames; s->bad++) {
        rc = read_frame(s, s->bad);
        if (rc != SQLITE_OK || !goes_on(s, s->before)) {
            break;
        }
        s->before = stored_sum(s->frame + 16);
    }
    return rc;
}

/* SQLite begins the log anew by a header that counts one more: over frames that go on from the
 * one before, so all of them are in the database. */
static int is_cut_restart(struct scan *s, bool *cut)
{
    uint8_t old[HEADER];
    int rc = s->n_frames > 0 ? read_frame(s, 1) : SQLITE_OK;

    if (rc == SQLITE_OK && s->n_frames > 0) {
        memcpy(old, s->header, sizeof old);
        put_big(old + 12, big(s->header + 12) - 1);
        memcpy(old + 16, s->frame + 8, SALTS);
        memcpy(s->salts, s->frame + 8, SALTS);
        *cut = goes_on(s, header_sum(s, old));
    }
    return rc;
}

/* Looks for a commit at or behind the bad frame that was acknowledged.  The bad frame itself may
 * be one, all right but for its checksum, or all wrong but for that; so may the first frame
 * behind any place where the chain is broken. */
static int find_lost(struct scan *s, bool *lost)
{
    struct sum stored = s->before, computed = s->before;
    bool headless = s->bad == 0;
    bool commit = false, proved = false, likely = false;
    int rc = SQLITE_OK;

    if (headless) {
        computed = header_sum(s, s->header);
    }
    for (unsigned n = headless ? 1 : s->bad; n <= s->n_frames && !*lost; n++) {
        rc = read_frame(s, n);
        if (rc != SQLITE_OK) {
            break;
        }
        if (headless) { /* nobody knows the right ones */
            memcpy(s->salts, s->frame + 8, SALTS);
        }
        bool whole = n == s->bad + 1 && goes_on(s, computed);
        bool linked = whole || (n != s->bad && goes_on(s, stored));
        proved = proved || (whole && commit);
        commit = big(s->frame + 4) != 0;
        *lost = linked && (proved || (commit && (likely || headless)));
        proved = linked && commit;
        likely = linked ? likely : commit && is_of_one_piece(s, n);
        computed = n == s->bad ? frame_sum(s, s->before) : computed;
        stored = stored_sum(s->frame + 16);
    }
    return rc;
}

/* With a bad header the order of bytes is not known either. */
static int find_lost_headless(struct scan *s, bool *cut, bool *lost)
{
    int rc = SQLITE_OK;

    s->bad = 0;
    for (int order = 0; order < 2 && rc == SQLITE_OK && !*cut && !*lost; order++) {
        s->big_endian = order != 0;
        rc = is_cut_restart(s, cut);
        if (rc == SQLITE_OK && !*cut) {
            rc = find_lost(s, lost);
        }
    }
    return rc;
}

static int scan(struct scan *s, struct wal *wal, bool *lost)
{
    int rc;

    if (!s->good_header) {
        return find_lost_headless(s, &wal->cut, lost);
    }
    rc = find_bad(s);
    wal->end = offset_of(s, s->bad);
    return rc == SQLITE_OK ? find_lost(s, lost) : rc;
}

/* ---------------------------------------------------------------- store -- */

static int take_number(void *number, int n, char **values, char **names)
{
    (void)n;
    (void)names;
    *(uint32_t *)number = values[0] != NULL ? (uint32_t)strtoul(values[0], NULL, 10) : 0;
    return 0;
}

/* NULL: none, or not one that is open. */
static sqlite3_file *file_of(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);

    return rc == SQLITE_OK && file != NULL && file->pMethods != NULL ? file : NULL;
}

static int failed(const char *path, int rc, const char *what, struct error *err)
{
    return err_set(err, store_code(rc), "%s: %s the log: %s (SQLite %d)", path, what,
                   sqlite3_errstr(rc), rc);
}

static int tell_lost(const struct scan *s, const char *path, struct error *err)
{
    char frame[40] = "its header";

    if (s->bad > 0) {
        (void)snprintf(frame, sizeof frame, "frame %u", s->bad);
    }
    return err_set(err, E_CORRUPT,
                   "%s-wal is damaged at %s (byte %lld): commits acknowledged after it would be "
                   "lost; restore a backup, or what was before it (docs/operations.md, \"Log "
                   "damaged\")",
                   path, frame, (long long)offset_of(s, s->bad));
}

int wal_check(sqlite3 *db, const char *path, struct wal *wal, struct error *err)
{
    struct scan s = {0};
    uint32_t page_size = 0;
    sqlite3_int64 size = 0;
    bool lost = false;

    *wal = (struct wal){0};
    /* SQLite opens the log with the first read; neither looks at the schema. */
    if (sqlite3_exec(db, "PRAGMA user_version", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA page_size", take_number, &page_size, NULL) != SQLITE_OK ||
        page_size == 0 || (s.file = file_of(db)) == NULL) {
        return 0;
    }
    int rc = s.file->pMethods->xFileSize(s.file, &size);
    if (rc == SQLITE_OK && size >= HEADER) {
        rc = read_header(&s, page_size, size);
        if (rc == SQLITE_OK) {
            rc = scan(&s, wal, &lost);
        }
    }
    free(s.frame);
    if (rc != SQLITE_OK) {
        return failed(path, rc, "read", err);
    }
    if (lost) {
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        return tell_lost(&s, path, err);
    }
    return 0;
}

/* If that process ended because a sync failed, the system may show pages of the log
 * that are not on the disk and that no later sync would write, since it takes
 * them for clean; what is then committed behind them is lost with the power
 * (A2).  Rebello et al., "Can Applications Recover from fsync Failures?",
 * USENIX ATC 2020. */
int wal_rewrite(sqlite3 *db, const char *path, const struct wal *wal, struct error *err)
{
    sqlite3_file *file = file_of(db);
    char block[4096];
    int rc = SQLITE_OK;

    if (file == NULL || (wal->end == 0 && !wal->cut)) {
        return 0;
    }
    if (wal->cut) {
        rc = file->pMethods->xTruncate(file, 0);
    }
    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < wal->end; at += (int)sizeof block) {
        int n = wal->end - at < (int)sizeof block ? (int)(wal->end - at) : (int)sizeof block;
        rc = file->pMethods->xRead(file, block, n, at);
        if (rc == SQLITE_OK) {
            rc = file->pMethods->xWrite(file, block, n, at);
        }
    }
    if (rc == SQLITE_OK) {
        rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    }
    return rc == SQLITE_OK ? 0 : failed(path, rc, "rewrite", err);
}
