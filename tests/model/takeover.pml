/* Intent, epoch, claim, take-over: the protocol between podmgr's database, one
 * or two managers and the agents of the switches, small enough that spin looks
 * at every order of events.
 *
 * The pod has cubes a, b and c.  Slice 1 joins a and b, is deleted, and slice 2
 * joins a and c, each on every switch:
 *
 *   phase 0 --intent--> 1 (PROGRAM AB open) --> 2 (slice 1 is up)
 *     --intent--> 3 (RELEASE AB open) --> 4 (cubes are free)
 *     --intent--> 5 (PROGRAM AC open) --> 6 (slice 2 is up)
 *
 * The phase is what the database holds, with the epoch last taken.  A manager
 * may stop for ever, or for a while, between any two of its steps, and another
 * may take the database over meanwhile; the old one can commit no more, but what
 * it had committed it still sends.  Messages are lost, doubled, delayed and
 * overtaken.  Once, the database is a backup whose epoch is one too small.
 *
 * Asserted, with the numbers of docs/architecture.md:
 *   D4  a switch obeys the newest claim that it ever granted, and no other
 *   D5  an operation has one effect on a switch
 *   D6  no switch changes before the operation is durable
 *   D2  a circuit is made for two cubes of one slice only
 *   A8  cubes are free only when their circuits are down
 *
 * Each of these macros takes one safeguard away, and then an assertion fails
 * (run.sh sees to it):
 *
 *   NO_FENCE       an agent obeys anybody
 *   FORGETFUL      an agent forgets the claim when it restarts
 *   EPOCH_ALONE    a claim is an epoch, not an epoch and an instance
 *   NO_LOCK        a manager whose database was taken over still commits
 *   BLIND          no record of operations, no expected generation
 *   EFFECTS_FIRST  the intent is sent, then committed
 *   FREED_EARLY    cubes are free when one switch has confirmed it
 *   REACHED        none: the last phase is the failure, so that the assertions
 *                  are not kept by nothing ever happening */

#ifndef SWITCHES
#define SWITCHES 2
#endif
#ifndef STARTS
#define STARTS 3 /* of managers, in all */
#endif
#ifndef LETTERS
#define LETTERS 2 /* under way to a switch at once */
#endif

mtype = {FENCE, APPLY};
#define NONE 0
#define AB   1
#define AC   2

/* The database. */
byte epoch, phase, owner;
bool restored;

/* The switches: all of it survives the agent's restart. */
byte claim_epoch[SWITCHES], claim_instance[SWITCHES];
byte generation[SWITCHES], map[SWITCHES];
byte done[SWITCHES]; /* bit per operation on record */
chan net[SWITCHES] = [LETTERS] of {mtype, byte, byte, byte, byte};

/* For the assertions alone. */
byte newest_epoch[SWITCHES], newest_instance[SWITCHES];
byte effects[SWITCHES]; /* bit per operation that had its effect */

/* Operations 1, 3 and 5 are those that the odd phases have open. */
#define BIT(n)       (1 << (n))
#define WANTED(op)   ((op) == 1 -> AB : ((op) == 3 -> NONE : AC))
#define ALL_SWITCHES (BIT(SWITCHES) - 1)

#ifdef NO_LOCK
#define MAY_COMMIT true
#else
#define MAY_COMMIT (owner == instance)
#endif

#ifdef EPOCH_ALONE
#define IS_HOLDER(s, e, i) (e == claim_epoch[s])
#else
#define IS_HOLDER(s, e, i) (e == claim_epoch[s] && i == claim_instance[s])
#endif

/* ---------------------------------------------------------------- agents -- */

inline serve_fence(s, e, i)
{
    if
    :: e > claim_epoch[s] || IS_HOLDER(s, e, i) ->
        assert(e > newest_epoch[s] || (e == newest_epoch[s] && i == newest_instance[s])); /* D4 */
        claim_epoch[s] = e;
        claim_instance[s] = i;
        newest_epoch[s] = e;
        newest_instance[s] = i
    :: else
    fi
}

inline move_mirrors(s, e, i, op)
{
    assert(e == newest_epoch[s] && i == newest_instance[s]);    /* D4 */
    assert(phase >= op);                                        /* D6 */
    assert((effects[s] & BIT(op)) == 0);                        /* D5 */
    assert(WANTED(op) != AB || (phase >= 1 && phase <= 3));     /* D2 */
    assert(WANTED(op) != AC || phase >= 5);                     /* D2 */
    map[s] = WANTED(op);
    generation[s]++;
    done[s] = done[s] | BIT(op);
    effects[s] = effects[s] | BIT(op)
}

inline serve_apply(s, e, i, op, g)
{
    if
#ifndef NO_FENCE
    :: !IS_HOLDER(s, e, i)
#endif
#ifndef BLIND
    :: (done[s] & BIT(op)) != 0 /* replayed: the stored result */
    :: g != generation[s]       /* the map has changed since it was read */
#endif
    :: else -> move_mirrors(s, e, i, op)
    fi
}

active [SWITCHES] proctype agent()
{
    byte e, i, op, g;
    mtype kind;

    do
    :: atomic {
        net[_pid]?kind, e, i, op, g ->
        if
        :: true /* lost, or later */
        :: true ->
            if
            :: kind == FENCE -> serve_fence(_pid, e, i)
            :: else -> serve_apply(_pid, e, i, op, g)
            fi
        fi;
        if
        :: true
        :: true -> net[_pid]!kind, e, i, op, g /* it, or its double, is still under way */
        fi;
        e = 0; i = 0; op = 0; g = 0; kind = 0
    }
#ifdef FORGETFUL
    :: d_step { /* the agent restarts */
        claim_epoch[_pid] != 0 -> claim_epoch[_pid] = 0; claim_instance[_pid] = 0
    }
#endif
    od
}

/* -------------------------------------------------------------- managers -- */

/* No room is a loss; what is under way already need not be again. */
#define MAY_POST(s, kind, e, i, op, g) (nfull(net[s]) && !(net[s]??[kind, eval(e), eval(i), eval(op), eval(g)]))

#define HELD(s)  ((held & BIT(s)) != 0)
#define OURS(s)  (claim_epoch[s] == mine && claim_instance[s] == instance)

/* The conversation with one switch. */
#define WITH_SWITCH(s)                                                                             \
    :: atomic { /* claim it */                                                                     \
        !HELD(s) && MAY_POST(s, FENCE, mine, instance, 0, 0) ->                                    \
        net[s]!FENCE, mine, instance, 0, 0                                                         \
    }                                                                                              \
    :: d_step { /* it grants the claim */                                                          \
        !HELD(s) && OURS(s) -> held = held | BIT(s)                                                \
    }                                                                                              \
    :: atomic { /* never ours, and its claim is not older: our database is behind */               \
        !HELD(s) && claim_epoch[s] >= mine && claim_instance[s] != instance ->                     \
        if                                                                                         \
        :: MAY_COMMIT ->                                                                    \
            epoch = claim_epoch[s] + 1;                                                            \
            mine = epoch;                                                                          \
            held = 0;                                                                              \
            confirmed = 0                                                                          \
        :: else -> break /* the commit fails */                                                    \
        fi                                                                                         \
    }                                                                                              \
    :: atomic { /* it was ours and is another's: we are replaced */                                \
        HELD(s) && !OURS(s) -> break                                                               \
    }                                                                                              \
    :: atomic { /* send, or send again, what is open, with the generation just read */             \
        HELD(s) && at % 2 == 1 && map[s] != WANTED(at) &&                                          \
            MAY_POST(s, APPLY, mine, instance, at, generation[s]) ->                               \
        net[s]!APPLY, mine, instance, at, generation[s]                                            \
    }                                                                                              \
    :: d_step { /* read back */                                                                    \
        HELD(s) && at % 2 == 1 && map[s] == WANTED(at) && (confirmed & BIT(s)) == 0 ->             \
        confirmed = confirmed | BIT(s)                                                             \
    }

byte started;

/* Instance n starts after n - 1; whether that one is dead, halted or about to go
 * on is no different here: any process may rest as long as it likes. */
active [STARTS] proctype manager()
{
    byte mine;      /* epoch */
    byte at;        /* phase, as last loaded or committed */
    byte held;      /* bit per switch that granted our claim */
    byte confirmed; /* bit per switch that shows what the open operation wants */
    byte instance = _pid - SWITCHES + 1;

    atomic { /* load and take the epoch: one commit */
        started == instance - 1 -> started++;
        if
        :: true
        :: !restored && epoch > 0 -> restored = true; epoch-- /* a backup */
        fi;
        owner = instance;
        epoch++;
        mine = epoch;
        at = phase
    }
    do
    WITH_SWITCH(0)
#if SWITCHES > 1
    WITH_SWITCH(1)
#endif
    :: atomic { /* the next intent, once every switch is ours */
        held == ALL_SWITCHES && at % 2 == 0 && at < 6 ->
#ifdef EFFECTS_FIRST
        if
        :: nfull(net[0]) -> net[0]!APPLY, mine, instance, at + 1, generation[0]
        :: true
        fi
    }
    atomic {
#endif
        if
        :: MAY_COMMIT -> at++; phase = at; confirmed = 0
        :: else -> break
        fi
    }
    :: atomic { /* all of it is confirmed */
#ifdef FREED_EARLY
        at % 2 == 1 && confirmed != 0 ->
#else
        at % 2 == 1 && confirmed == ALL_SWITCHES ->
#endif
        if
        :: MAY_COMMIT ->
            at++;
            phase = at;
            confirmed = 0;
            assert(phase != 4 || (map[0] != AB && map[SWITCHES - 1] != AB)); /* A8 */
#ifdef REACHED
            assert(phase != 6)
#endif
        :: else -> break
        fi
    }
    od
}
