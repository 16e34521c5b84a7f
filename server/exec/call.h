/* call.h -- what a command handler sees: its arguments, its reply, its keys, its effects.
 *
 * A handler runs to its end on the loop in under a millisecond, or works in steps (call_state and
 * ERR_COLD, or call_park). It makes all checks and asks for all pages before its first effect: after
 * the first effect it must not fail. */
#ifndef COVE_EXEC_CALL_H
#define COVE_EXEC_CALL_H

#include "exec/command.h"
#include "keyspace/keyspace.h"
#include "tier/tier.h"

typedef struct exec exec;
typedef struct client client;

/* ---- arguments ------------------------------------------------------------------------------ */

size_t call_argc(const call *c);
slice call_arg(const call *c, size_t i); /* borrowed until the handler returns OK */
const slice *call_argv(const call *c);
bool call_arg_is(const call *c, size_t i, const char *word); /* any case; false past the end */
const struct command *call_command(const call *c);
exec *call_exec(const call *c);
client *call_client(const call *c);
db *call_db(const call *c);
int call_proto(const call *c);
bool call_in_multi(const call *c);      /* being run by EXEC (or a script) */
int64_t call_now_ms(const call *c);     /* the same during the whole command */
uint64_t call_mono_us(const call *c);   /* read now: for measuring work */
uint64_t call_share_us(const call *c, uint64_t most); /* how long a step may take: see loop_share_us() */
rnd *call_rnd(const call *c);
keyspace *call_keyspace(const call *c);
tier *call_tier(const call *c);

/* Parsing that replies on failure: false, and "ERR value is not an integer or out of range" and
 * so on has been written. */
bool call_int(call *c, size_t i, int64_t *out);
bool call_int_in(call *c, size_t i, int64_t min, int64_t max, int64_t *out, const char *error);
bool call_double(call *c, size_t i, double *out); /* "ERR value is not a valid float" */

/* ---- replies: exactly one, counting a whole aggregate as one ---------------------------------- */

buf *call_out(call *c); /* for resp_* writers with call_proto() */
int reply_ok(call *c);  /* these return OK, so that a handler may `return reply_ok(c)` */
int reply_status(call *c, const char *text);
int reply_error(call *c, const char *text);      /* "ERR no such key": counted in errorstats */
int reply_errorf(call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int reply_int(call *c, int64_t v);
int reply_bool(call *c, bool v);                 /* 1/0, or #t/#f in RESP3 */
int reply_bulk(call *c, slice s);
int reply_bulk_str(call *c, const char *s);
int reply_bulk_int(call *c, int64_t v);
int reply_null(call *c);
int reply_null_array(call *c);
int reply_double(call *c, double v);
int reply_array(call *c, size_t n);
int reply_map(call *c, size_t pairs);
int reply_set(call *c, size_t n);
int reply_empty_array(call *c);
int reply_verbatim(call *c, const char *ext, slice s);
int reply_wrongtype(call *c);
int reply_syntax(call *c);                       /* "ERR syntax error" */
int reply_arity(call *c);                        /* wrong number of arguments */
int reply_unknown_subcommand(call *c);           /* "ERR unknown subcommand 'X'. Try CLIENT HELP." */
int reply_help(call *c, const char *const *lines); /* "X HELP"; NULL-terminated */
int reply_take(call *c, buf *whole); /* bytes of a reply that a worker or many turns have written: takes them */
/* An aggregate whose length is known afterwards: begin, write elements, end with the count. */
size_t reply_deferred(call *c);
void reply_deferred_array(call *c, size_t mark, size_t n);
void reply_deferred_map(call *c, size_t mark, size_t pairs);
void reply_deferred_set(call *c, size_t mark, size_t n);

/* ---- keys -------------------------------------------------------------------------------------- */

/* Looks a key up, touches its access clock, counts hit or miss, and notes what the reply must wait
 * for. OK; ERR_NOTFOUND (also for an expired key); ERR_COLD; else an error to return. */
int call_read(call *c, slice key, struct entry *out);
/* As read, and a key whose time has come is removed (with its effect) first. No hit or miss. */
int call_write(call *c, slice key, struct entry *out);
/* The same, and ERR_TYPE when the key holds another type. */
int call_read_type(call *c, slice key, uint8_t type, struct entry *out);
int call_write_type(call *c, slice key, uint8_t type, struct entry *out);
/* Another database than the selected one (MOVE, COPY). */
int call_write_db(call *c, db *d, slice key, struct entry *out);
int call_look(call *c, slice key, struct entry *out); /* counts, no touch (EXISTS, TTL, OBJECT) */
int call_peek(call *c, slice key, struct entry *out); /* no touch, no count */

/* ---- effects ------------------------------------------------------------------------------------ */

/* Applies and logs. Gives what keyspace_apply() gives; a handler that asked for its pages first
 * gets OK. */
int call_effect(call *c, effect *e);
int call_set_string(call *c, slice key, slice value, int64_t expire_ms); /* -1: none */
int call_del(call *c, slice key);
int call_expire(call *c, slice key, int64_t expire_ms);                 /* -1: persist */
/* A VALUE effect on the selected database. */
int call_value(call *c, uint8_t type, uint8_t op, slice key, const slice *args, size_t argc);
/* Keyspace event "set", class '$' and so on; no-op until somebody listens. */
void call_notify(call *c, char event_class, const char *event, slice key);

/* ---- longer work -------------------------------------------------------------------------------- */

/* State that survives ERR_COLD and parking; freed with free_fn when the command ends. */
void *call_state(call *c);
void call_set_state(call *c, void *state, void (*free_fn)(void *state));
/* How often this request has waited for pages: rounds of fetches, one after the other. In MULTI, all of EXEC. */
uint64_t call_cold_rounds(const call *c);
/* Parks the client: the handler returns ERR_AGAIN. The reply is written in call_resume: fn is run on
 * the loop with a call whose reply goes to the client; fn returns as a handler does (OK, ERR_COLD,
 * ERR_AGAIN). If the client goes away first, canceled() is called instead (may be NULL).
 * Inside MULTI a handler must not park: call_may_park(). */
typedef struct parked parked;
bool call_may_park(const call *c);
parked *call_park(call *c, command_fn *fn, void *cookie, void (*canceled)(void *cookie));
void *call_cookie(const call *c);
void parked_resume(parked *p);                    /* once; fn runs in a later step, not inside */
void parked_timeout(parked *p, uint64_t ms);      /* resumes by itself after ms */

/* Parks the client and runs work(cookie) on a worker; then the handler goes on as `again`, with call_cookie(). The
 * worker sees nothing but what the cookie points to, which is not the call's state. Did the client go away first:
 * canceled(cookie) (may be NULL), when the worker is done with it, and no `again`. From `again` on the cookie is the
 * handler's, and belongs into the call's state: after an ERR_COLD `again` runs once more, with the same one. Work may
 * take seconds: a few run at a time, and the rest wait. `return ERR_AGAIN`. */
void call_work(call *c, void (*work)(void *cookie), command_fn *again, void *cookie,
               void (*canceled)(void *cookie));
/* Runs a command of one argument, the key, soon and by the server itself, on the selected database; `cmd` is in no
 * table, and static (exec/background.c). The same one for the same key waits once. Its reply is dropped; after an
 * error it is tried again, so that what cannot succeed any more is no error: the key has gone, or has another type. */
void call_later(call *c, const struct command *cmd, slice key);

/* Work on so many keys that one turn of the loop is too short: the handler has written nothing of its reply, its state
 * says how far it is, and it is run again in the next turn. In MULTI too. `return call_next_turn(c)`. */
int call_next_turn(call *c);
/* From now on, until the command ends, it has its database to itself, and nobody else writes: also while it waits for
 * its next turn, or for pages. So its effects are one transaction, and it may be cold after some of them. A command that
 * does not write has read nothing of its reply yet, and `return call_next_turn(c)`: another may hold a database first. */
void call_hold(call *c);

/* Writes of so many elements that one turn of the loop is too short (exec/steps.c). The result is built beside the
 * data, a step in each turn, and taken over at the end. `keys`, arguments of the command, are what it depends on:
 * when one of them changes before the end, it begins again. */
#define STEPS_FROM 10000 /* elements; some ten milliseconds */
#define STEP_ELEMENTS 512 /* at most, where they are small */
struct steps_job {
    /* Makes at most one effect, by call_steps_*(), and may be cold before it. *done: all was done before, and there
     * was nothing to do. ERR_PRECOND: it cannot go on from where it was, and begins again. */
    int (*step)(call *c, void *work, bool *done);
    int (*finish)(call *c, void *work); /* takes it over, and answers */
    void (*restart)(void *work);        /* nothing is done yet */
    void (*free)(void *work);
};
bool call_may_step(const call *c); /* not when it has state of its own already */
/* Takes `work`. `return call_steps(...)`, having made no effect. The handler itself is run again, without steps,
 * if the keys go on changing. */
int call_steps(call *c, const struct steps_job *ops, void *work, const slice *keys, size_t n);
int call_steps_value(call *c, uint8_t type, uint8_t op, const slice *args, size_t argc);
int call_steps_copy(call *c, slice key); /* begins with what the key holds */
int call_steps_length(call *c, uint64_t *n); /* of what was made: elements */
int call_steps_look(call *c, struct value *v); /* what was made, until the next effect; nothing: VALUE_NONE */
int call_steps_take(call *c, slice key); /* what was made becomes the key's */
/* How many elements the next step is to take: what the steps before took some hundred microseconds for. */
size_t call_steps_elements(const call *c);
/* All has been read, and nothing will be written: changes of the keys do not matter any more. */
void call_steps_settled(call *c);
/* A step that runs fn(cookie) on a worker, as call_work() does; before the next one, worked() gets the cookie, or
 * canceled() when the client has gone. `return call_steps_work(...)`. */
int call_steps_work(call *c, void (*fn)(void *cookie), void *cookie, void (*canceled)(void *cookie),
                    void (*worked)(void *work, void *cookie));

/* Reads of so many elements that one turn of the loop is too short (exec/reading.c): of the values as they are now,
 * whatever becomes of their keys meanwhile; a part of the reply in each turn. */
#define READ_STEPS_FROM 4096 /* elements; half a millisecond */
#define READ_STEPS_FROM_BYTES ((size_t)256 << 10) /* A reply that has grown to that is begun again in steps; */
#define READ_LONG_BYTES 256 /* which is looked at behind elements that are as long: shorter ones come to a megabyte. */
#define READ_AHEAD 32 /* When a step is cold: so many times as many elements are asked for at once. */
#define READ_PIECE_BYTES ((size_t)64 << 10) /* What a step writes at most, about. */
struct read_job {
    /* Writes about the next n elements to out. *all: there are no more. Answers something else than OK with the work
     * as it was. */
    int (*step)(call *c, void *work, const struct value *values, size_t n, buf *out, bool *all);
    void (*head)(call *c, void *work, buf *out); /* at the end: writes what comes before all that */
    bool (*next)(void *work); /* After head(): another part follows, with steps and a head of its own. May be NULL. */
    void (*free)(void *work);
};
/* Takes `work`. When call_may_step(), and with no reply begun: `return call_read_in_steps(...)`. */
int call_read_in_steps(call *c, const struct read_job *ops, void *work, const struct value *values, size_t n);

/* ---- waiting for keys ---------------------------------------------------------------------------- */

/* A timeout in seconds, perhaps with a fraction, rounded up to ms; 0: none. False after an error. */
bool call_timeout(call *c, size_t i, uint64_t *us);
/* There is nothing to answer yet: the client waits until one of the keys changes, at most timeout_us
 * (0: for ever; then the reply is a null array). `return call_block(...)`, having changed nothing. Right
 * after the command that changed a key, and in order of arrival, the handler is run again from the
 * start; it calls this again when it still finds nothing, and keeps its place. Not inside MULTI:
 * call_may_park(). */
int call_block(call *c, const slice *keys, size_t n, uint64_t timeout_us);
/* The same, and the handler is run again too when one of the keys goes away (XREADGROUP). */
int call_block_or_gone(call *c, const slice *keys, size_t n, uint64_t timeout_us);
/* Is the handler being run again? *key: the key that has changed, which alone counts now. A key of
 * another type is none then. */
bool call_ready_key(const call *c, slice *key);

#endif
