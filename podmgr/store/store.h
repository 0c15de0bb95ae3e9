/* The store: what must outlive podmgr.  Nothing outside this directory knows
 * SQL.
 *
 * One transaction per batch (WAL, synchronous=FULL).  A commit that fails for
 * any reason is final: the caller stops the process, since the model is ahead
 * of the disk by then, and the next start loads what is durable. */
#ifndef PODMGR_STORE_H
#define PODMGR_STORE_H

#include "core/core.h"

struct store;

/* Opens or creates the database, checks its pages and migrates it forward.
 * E_VERSION for a newer schema, E_CORRUPT, E_CONFIG (the database of another
 * program), E_BUSY (another process has it), E_IO; the text names the file.
 * Nothing is changed on failure.  At least `journal_keep` entries of the
 * journal are kept. */
int store_open(struct store **out, const char *path, unsigned journal_keep, struct error *err);
void store_close(struct store *store);

/* Fills a fresh model: epoch (the last one taken), slices, circuits, open and
 * recent operations, the journal's position.  E_CORRUPT names the row if the
 * tables contradict each other or the pod, E_CONFIG both pods if the database
 * is another's; the model is then good for model_destroy() only. */
int store_load(struct store *store, struct model *m, struct error *err);

/* Makes one batch durable: for each change the row of what the model now
 * holds, or its deletion; then the journal and the audit records. */
int store_commit(struct store *store, const struct model *m, const struct outbox *batch,
                 struct error *err);

/* The end of the chain of audit records: the last one's number (0: none) and
 * hash. */
enum { STORE_HASH_SIZE = 32 };
struct audit_tip {
    uint64_t seq;
    uint8_t hash[STORE_HASH_SIZE];
};

struct audit_tip store_audit_tip(const struct store *store);

/* Calls `each` for audit records with seq > since, in order, at most `max`;
 * returns their number.  The pointers are valid during the call. */
typedef void store_audit_fn(void *arg, uint64_t seq, const struct audit_entry *entry,
                            const uint8_t hash[STORE_HASH_SIZE]);
int store_audit_read(struct store *store, uint64_t since, size_t max, store_audit_fn *each,
                     void *arg, struct error *err);

/* Walks the chain of a database that no podmgr has open, and changes nothing.
 * E_CORRUPT names the first record that is missing or was changed. */
int store_audit_verify(const char *path, struct audit_tip *tip, struct error *err);

/* A copy of the open database while commits go on.  Begin creates the file at
 * `path`, in place of one that an earlier attempt left; each step copies some
 * pages and returns 0, or 1 when the copy is complete; end closes it, complete
 * or not.  The file stays. */
struct store_backup;
int store_backup_begin(struct store_backup **out, struct store *store, const char *path,
                       struct error *err);
int store_backup_step(struct store_backup *backup, struct error *err);
void store_backup_end(struct store_backup *backup);

/* Checks a complete copy as a start would and walks its audit chain, makes it
 * durable and names it `path`.  E_CONFLICT if something has that name.  Touches
 * nothing else, so any thread may do it. */
struct store_backup_facts {
    uint64_t size_bytes, epoch;
    struct audit_tip audit;
};
int store_backup_seal(const char *partial, const char *path, const struct pod *pod,
                      struct store_backup_facts *facts, struct error *err);

/* The epoch that a restored database names as the last one taken.  podmgr took
 * some since the backup, perhaps after a restore of the same one, and may make an
 * operation before any switch tells it which: none may have the id of one that
 * a switch has on record (D5).  So a restore leaves out many epochs, after the
 * last of the database that it replaces, or, where that cannot be read (0),
 * after the milliseconds of the clock, which no earlier restore can have
 * reached. */
enum { STORE_RESTORE_EPOCHS = 1000000 };
uint64_t store_epoch_restored(uint64_t backup, uint64_t replaced, struct wall_ms now);

/* Puts a backup in the place of the database at `path`, which stays under the
 * name that `aside` gets.  E_BUSY if a podmgr has it open; a backup that
 * store_open() or store_load() would refuse is refused alike, and nothing has
 * changed then. */
int store_restore(const char *path, const char *backup, const struct pod *pod, char *aside,
                  size_t aside_size, struct error *err);

/* Calls `each` for journal entries with seq > since, in order, at most `max`;
 * returns their number.  E_NOT_FOUND when entries after `since` are no longer
 * kept (the API's 410 events-expired).  The entry's pointers are valid during
 * the call. */
typedef void store_journal_fn(void *arg, const struct journal_entry *entry);
int store_journal(struct store *store, uint64_t since, size_t max, store_journal_fn *each,
                  void *arg, struct error *err);

/* The oldest entry that is still kept, or will be the first. */
uint64_t store_journal_first(const struct store *store);

#endif
