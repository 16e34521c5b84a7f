/* keys_turns.h -- commands of very many keys, or that take very many elements out of one: a part of them in each turn of
 * the loop. */
#ifndef COVE_COMMANDS_KEYS_TURNS_H
#define COVE_COMMANDS_KEYS_TURNS_H

#include "exec/call.h"

#define KEYS_TURNS_FROM 1024 /* keys; some tenths of a millisecond */
#define ELEMENTS_IN_A_TURN 256

/* First all keys' pages are asked for, while others go on. Then the command holds its database (call_hold()), and so is
 * as if it were done at once: the keys that are there are counted, if their number decides, and then each is done.
 * Elements of one key: they are 0 to end, and the command holds its database from the beginning. */
struct keys_work {
    size_t first, per, end; /* the keys are the arguments first, first + per, ... below end */
    slice key;              /* elements: an argument; else per is not 0 */
    /* May the command be done, when `existing` of its keys are there? NULL: whatever is there. */
    bool (*allowed)(const struct keys_work *w);
    /* Does argument i's key. OK; ERR_AGAIN: this much of it, it is called for it again; ERR_COLD: nothing of it. Elements:
     * does some from i = at on, about ELEMENTS_IN_A_TURN, and adds them to `at`. */
    int (*one)(call *c, struct keys_work *w, size_t i);
    /* Answers when all are done, or `refused`. With `out`, what it writes comes before what one() has written. */
    int (*finish)(call *c, struct keys_work *w);
    int64_t n;       /* one()'s: how many were there, say */
    size_t bytes;    /* one()'s: it adds what it has copied; a turn takes so many, too */
    buf out;         /* one()'s: its part of the reply */
    uint64_t inside; /* one()'s: how far it is in a key that takes more than one call */
    unsigned flags;  /* the command's own, and a time */
    int64_t time_ms;
    size_t at;
    /* keys_turns.c's. */
    enum { KEYS_ASK, KEYS_COUNT, KEYS_DO } phase;
    size_t existing;
    bool refused;
    buf *pieces;
    size_t pieces_n;
};

/* So many keys that they take more than one turn? */
static inline bool keys_are_many(size_t n) { return n >= KEYS_TURNS_FROM; }
/* So many elements to be taken out? Not for one that has waited for the key: those that do are served one after the other,
 * in one turn. */
bool elements_are_many(const call *c, uint64_t n);
/* `return keys_in_turns(c, &w)`. The handler is run again, then with call_state(): `return keys_go_on(c)`, first of all. */
int keys_in_turns(call *c, const struct keys_work *w);
int keys_go_on(call *c);
/* The value of w->key, which is there as long as its database is held. OK or ERR_COLD, or an error. */
int keys_value(call *c, const struct keys_work *w, struct value *v);

#endif
