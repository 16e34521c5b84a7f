/* log_fence.pml -- the log's claim, fence, acknowledge and collect, for spin.
 *
 * Owners share one store: a manifest that changes by compare-and-swap, and log names that are
 * created if absent. Any owner may stop for as long as it likes between any two of its steps,
 * and go on; a request that was sent may take effect later than its sender's death (an owner that
 * never takes another step is dead); an answer may be lost, and the same bytes are sent again.
 *
 *   #lost     no acknowledged segment is missing from what an opener would replay, at any time
 *   #undone   what an owner did not find when it began to serve never comes back: so nobody reads
 *             a state that a later replay contradicts
 *
 * Switches, each of which breaks a rule; the script that runs this expects the error then:
 *   NO_VALIDATE   the manifest is not read again after the fence           (L4 e)
 *   NO_FILL       the window behind the fence is not filled nor skipped     (L4 d)
 *   GC_FENCES     collection deletes fences too                             (L6)
 *   ACK_ALONE     a segment is acknowledged as soon as it is confirmed      (L3)
 *   NEW_BYTES     a retry sends other bytes                                 (L2)
 *   EARLY_TRIM    a checkpoint names segments that are not durable          (L12)
 *   NO_CAS        the manifest is written without a condition               (L7)
 *   NO_EPOCH      replay counts segments of ended epochs                    (L5)
 *
 * A segment is named by (owner, count); its bytes are that name. OWNERS, SLOTS, W and SENDS are
 * small: the faults that this guards against need two or three owners and a window of two. */

#ifndef OWNERS
#define OWNERS 2
#endif
#ifndef SLOTS
#define SLOTS 7
#endif
#ifndef W
#define W 2
#endif
#ifndef SENDS
#define SENDS 2
#endif

#define NONE 0
#define DATA 1
#define FENCE 2

/* The store. */
byte kind[SLOTS];
byte epoch[SLOTS];
byte id[SLOTS];

byte m_epoch;             /* the manifest */
byte m_start;
byte m_version;
/* Sets of ids, as bits. */
short stored;             /* in the checkpoint that the manifest names */
short acked;
byte next_id = 1;
short gone;               /* those of ended owners that the serving one did not find */
byte served;              /* the highest epoch that has begun to serve */
#define BIT(i) (1 << (i))
#define IDS 14

/* What an opener would replay now, and the check of #lost. Scratch, zero in between. */
hidden byte c_at, c_top;
hidden short c_there;

inline check_all() {
    d_step {
        c_at = m_start;
        c_top = 0;
        c_there = stored;
        do
        :: c_at < SLOTS && kind[c_at] != NONE ->
            if
#ifdef NO_EPOCH
            :: kind[c_at] == DATA -> c_there = c_there | BIT(id[c_at])
#else
            :: epoch[c_at] >= c_top && kind[c_at] == DATA ->
                c_top = epoch[c_at];
                c_there = c_there | BIT(id[c_at])
            :: epoch[c_at] >= c_top && kind[c_at] != DATA -> c_top = epoch[c_at]
#endif
            :: else -> skip
            fi;
            c_at++
        :: else -> break
        od;
        assert((acked & ~c_there) == 0); /* #lost */
        assert((gone & c_there) == 0);   /* #undone */
        c_at = 0;
        c_top = 0;
        c_there = 0
    }
}

proctype owner() {
    byte e, version, at, top, f, i;
    byte next, low;                     /* next to send; lowest unconfirmed */
    byte sent[SLOTS];                   /* id in flight or confirmed, by number */
    bool confirmed[SLOTS];
    short known;                        /* what this owner has in memory, durably */
    byte sends;

    /* (a) claim */
    atomic {
        m_epoch++;
        m_version++;
        e = m_epoch;
        version = m_version;
        at = m_start;
        known = stored
    }

    /* (b) read to the first absent number, (c) fence it */
    do
    :: at >= SLOTS -> goto dead
    :: atomic {
        at < SLOTS && kind[at] != NONE ->
        if
        :: epoch[at] > e -> goto dead
        :: else ->
            if
            :: epoch[at] >= top ->
                top = epoch[at];
                if
                :: kind[at] == DATA -> known = known | BIT(id[at])
                :: else -> skip
                fi
            :: else -> skip
            fi
        fi;
        at++
       }
    :: atomic {
        at < SLOTS && kind[at] == NONE ->
        kind[at] = FENCE; epoch[at] = e; f = at;
        break
       }
    od;

    /* (d) fill */
    i = 1;
#ifndef NO_FILL
    do
    :: i < W && f + i < SLOTS ->
        atomic {
            if
            :: kind[f + i] == NONE -> kind[f + i] = FENCE; epoch[f + i] = e
            :: else ->
                if
                :: epoch[f + i] > e -> goto dead
                :: else -> skip
                fi
            fi;
            i++
        }
    :: else -> break
    od;
    next = f + W;
#else
    next = f + 1;
#endif
    low = next;

    /* (e) validate */
#ifndef NO_VALIDATE
    atomic {
        if
        :: m_epoch == e ->
            served = e;
            gone = gone | ((BIT(next_id) - 1) & ~1 & ~known)
        :: else -> goto dead
        fi
    };
#endif

    /* Serve. */
    do
    /* send a number: its bytes are fixed from here on (L2) */
    :: atomic {
        sends < SENDS && next < SLOTS && next < low + W && next_id < IDS ->
        sent[next] = next_id;
        if
        :: e < served -> gone = gone | BIT(next_id)
        :: else -> skip
        fi;
        next_id++;
        next++;
        sends++
       }
    /* a request takes effect, or is answered, in any order within the window */
    :: low < next ->
        i = low;
        do
        :: i + 1 < next -> i++
        :: break
        od;
        atomic {
            if
            :: confirmed[i] -> skip
            :: !confirmed[i] && kind[i] == NONE ->
                kind[i] = DATA; epoch[i] = e; id[i] = sent[i];
                if
                :: confirmed[i] = true
                :: skip /* the answer is lost: it is sent again */
#ifdef NEW_BYTES
                   ; sent[i] = next_id; next_id = (next_id < IDS -> next_id + 1 : IDS)
#endif
                fi
            :: !confirmed[i] && kind[i] == DATA && epoch[i] == e ->
                confirmed[i] = true /* read back: ours */
            :: !confirmed[i] && kind[i] != NONE && epoch[i] != e -> goto dead
            :: !confirmed[i] && kind[i] == FENCE && epoch[i] == e -> goto dead
            fi;
#ifdef ACK_ALONE
            if
            :: confirmed[i] -> acked = acked | BIT(sent[i]); known = known | BIT(sent[i])
            :: else -> skip
            fi;
#endif
            do
            :: low < next && confirmed[low] ->
                acked = acked | BIT(sent[low]); /* L3 */
                known = known | BIT(sent[low]);
                low++
            :: else -> break
            od;
            i = 0
        }
        check_all()
    /* a checkpoint: a new manifest, on the condition that it is the one last seen (L7) */
    :: atomic {
        low > m_start ->
#ifndef NO_CAS
        if
        :: m_version != version -> goto dead
        :: else -> skip
        fi;
#endif
        m_version++;
        version = m_version;
#ifdef EARLY_TRIM
        m_start = next;
#else
        m_start = low;
#endif
        stored = known
       }
       check_all()
    :: break /* it dies, or sleeps for ever */
    od;
dead:
    skip
}

/* Collection: any name below the manifest's log start, at any time, but for fences. */
proctype collector() {
    byte s;
    do
    :: s < SLOTS && s < m_start ->
        atomic {
            if
#ifdef GC_FENCES
            :: s < m_start && kind[s] != NONE -> kind[s] = NONE; epoch[s] = 0; id[s] = 0
#else
            :: s < m_start && kind[s] == DATA -> kind[s] = NONE; epoch[s] = 0; id[s] = 0
#endif
            :: skip
            fi;
            s++
        };
        check_all()
    :: break
    od
}

init {
    atomic {
        byte n;
        n = 0;
        do
        :: n < OWNERS -> run owner(); n++
        :: else -> break
        od;
        run collector()
    }
}
