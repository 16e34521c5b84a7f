/* command.h -- the command table: declarative rows, used by the server and modules alike.
 *
 * A row feeds lookup, arity, key extraction, ACL categories, COMMAND, COMMAND DOCS, COMMAND GETKEYS
 * and the per-command metrics. A family of commands is an array of rows at the end of its file. */
#ifndef COVE_EXEC_COMMAND_H
#define COVE_EXEC_COMMAND_H

#include "base/bytes.h"
#include "base/err.h"

typedef struct call call;
/* Runs a command. OK: exactly one reply was written (an error reply counts). ERR_COLD: a cold page
 * was asked for; nothing was written or changed; it will be run again from the start (call_state
 * keeps what it wants to keep). ERR_AGAIN: parked by call_park(); a callback will go on. ERR_TYPE,
 * ERR_NOTFOUND and the like: nothing was written; the caller makes the standard reply. */
typedef int command_fn(call *c);

/* Flags, as COMMAND INFO shows them. */
#define CMD_WRITE (1u << 0)
#define CMD_READONLY (1u << 1)
#define CMD_DENYOOM (1u << 2)
#define CMD_ADMIN (1u << 3)
#define CMD_PUBSUB (1u << 4)
#define CMD_NOSCRIPT (1u << 5)
#define CMD_BLOCKING (1u << 6)
#define CMD_LOADING (1u << 7)
#define CMD_STALE (1u << 8)
#define CMD_SKIP_MONITOR (1u << 9)
#define CMD_SKIP_SLOWLOG (1u << 10)
#define CMD_ASKING (1u << 11)
#define CMD_FAST (1u << 12)
#define CMD_NO_AUTH (1u << 13)
#define CMD_MAY_REPLICATE (1u << 14)
#define CMD_NO_ASYNC_LOADING (1u << 15)
#define CMD_NO_MULTI (1u << 16)
#define CMD_MOVABLEKEYS (1u << 17)
#define CMD_ALLOW_BUSY (1u << 18)
#define CMD_MODULE (1u << 19)
#define CMD_PROTECTED (1u << 20)
/* Not shown: the command gates on more than its keys. */
#define CMD_WHOLE_DB (1u << 28)   /* KEYS, SCAN, DBSIZE...: waits for the database's last LSN */
#define CMD_NOT_QUEUED (1u << 29) /* runs inside MULTI instead of being queued (EXEC, DISCARD...) */

/* Categories; those that follow from flags and group (@read, @write, @fast, @slow, @string ...)
 * are added by command_categories(). */
#define CAT_KEYSPACE (1ull << 0)
#define CAT_READ (1ull << 1)
#define CAT_WRITE (1ull << 2)
#define CAT_SET (1ull << 3)
#define CAT_SORTEDSET (1ull << 4)
#define CAT_LIST (1ull << 5)
#define CAT_HASH (1ull << 6)
#define CAT_STRING (1ull << 7)
#define CAT_BITMAP (1ull << 8)
#define CAT_HYPERLOGLOG (1ull << 9)
#define CAT_GEO (1ull << 10)
#define CAT_STREAM (1ull << 11)
#define CAT_PUBSUB (1ull << 12)
#define CAT_ADMIN (1ull << 13)
#define CAT_FAST (1ull << 14)
#define CAT_SLOW (1ull << 15)
#define CAT_BLOCKING (1ull << 16)
#define CAT_DANGEROUS (1ull << 17)
#define CAT_CONNECTION (1ull << 18)
#define CAT_TRANSACTION (1ull << 19)
#define CAT_SCRIPTING (1ull << 20)

enum command_group {
    GROUP_GENERIC, GROUP_STRING, GROUP_LIST, GROUP_SET, GROUP_SORTED_SET, GROUP_HASH,
    GROUP_PUBSUB, GROUP_TRANSACTIONS, GROUP_CONNECTION, GROUP_SERVER, GROUP_SCRIPTING,
    GROUP_HYPERLOGLOG, GROUP_CLUSTER, GROUP_SENTINEL, GROUP_GEO, GROUP_STREAM, GROUP_BITMAP,
    GROUP_MODULE
};

/* Where keys are. Redis 7's key specifications. */
#define KEY_RO (1u << 0)
#define KEY_RW (1u << 1)
#define KEY_OW (1u << 2)
#define KEY_RM (1u << 3)
#define KEY_ACCESS (1u << 4)
#define KEY_UPDATE (1u << 5)
#define KEY_INSERT (1u << 6)
#define KEY_DELETE (1u << 7)
#define KEY_NOT_KEY (1u << 8)
#define KEY_INCOMPLETE (1u << 9)
#define KEY_VARIABLE_FLAGS (1u << 10)

enum key_begin { KEYS_NONE = 0, KEYS_INDEX, KEYS_KEYWORD, KEYS_UNKNOWN };
enum key_find { KEYS_RANGE = 0, KEYS_KEYNUM, KEYS_FIND_UNKNOWN };
struct key_spec {
    unsigned flags;
    enum key_begin begin;
    int pos;             /* INDEX: of the first key (argument 0 is the command's name) */
    const char *keyword; /* KEYWORD, searched from `pos` (negative: from the end, backwards) */
    enum key_find find;
    int last, step, limit;               /* RANGE: last relative to the first, or negative */
    int keynum_idx, keynum_first, keynum_step; /* KEYNUM */
};
#define KEY_SPECS_MAX 4

struct key_ref { int pos; unsigned flags; }; /* an argument that is a key */

struct command_arg { /* for COMMAND DOCS; NULL name ends an array */
    const char *name;
    const char *type;  /* "key", "string", "integer", "double", "pattern", "unix-time",
                        * "pure-token", "oneof", "block" */
    const char *token; /* or NULL */
    unsigned flags;    /* ARG_* */
    const struct command_arg *args; /* of oneof and block */
    int key_spec;      /* for type key; else -1 or 0 */
};
#define ARG_OPTIONAL 1u
#define ARG_MULTIPLE 2u
#define ARG_MULTIPLE_TOKEN 4u

struct command {
    const char *name;        /* lower case (V* commands: as they are shown) */
    command_fn *fn;          /* NULL: only a container of subcommands */
    int arity;               /* counts the name(s); negative: at least */
    unsigned flags;
    uint64_t categories;     /* beyond the implied ones */
    enum command_group group;
    struct key_spec keys[KEY_SPECS_MAX];
    /* The argument that names an element of the value of argument 1, or the first that does; 0: none. Behind
     * argument 2 it follows the score that it is to get. It is looked up ahead. */
    unsigned element;
    const char *since, *summary, *complexity;
    const char *tips;        /* "nondeterministic_output,request_policy:all_shards" or NULL */
    const struct command_arg *args;
    const struct command *subcommands; /* rows ended by a NULL name */
    const char *const *history;        /* pairs version, text; NULL-terminated; or NULL */
    /* Keys that no spec can say (SORT): as command_keys(). */
    int (*get_keys)(const slice *argv, size_t argc, struct key_ref *out, size_t max);
    /* KEY_VARIABLE_FLAGS: what these arguments do to the keys; instead of the spec's flags. */
    unsigned (*key_flags)(const slice *argv, size_t argc);
};

struct command_stats {
    uint64_t calls, usec, rejected, failed;
};

typedef struct commands commands;

commands *commands_create(void);
void commands_free(commands *t);
void commands_add(commands *t, const struct command *rows, size_t count);
/* Rows of a module, whose name COMMAND LIST FILTERBY MODULE asks for. */
void commands_add_module(commands *t, const char *module, const struct command *rows, size_t count);
const char *commands_module(commands *t, const struct command *cmd); /* or NULL */
/* By name, any case; NULL. With subcommands: the container is found by argv[0], then the
 * subcommand by argv[1]. *parent is the container, or NULL. */
const struct command *commands_find(commands *t, slice name);
const struct command *commands_find_sub(const struct command *container, slice name);
/* From now on the command that is known as `from` is known as `to`, with its subcommands, or not at
 * all when `to` is empty. ERR_NOTFOUND: there is no `from`; ERR_EXISTS: another one is known as `to`;
 * ERR_LIMIT: `to` is longer than 128 bytes or holds a NUL. What a command does is logged as effects,
 * so its name is nobody's business but the clients'. */
int commands_rename(commands *t, slice from, slice to);
/* By the name of its declaration, "get" or "config|set", also when it is known by another or removed. */
const struct command *commands_find_declared(commands *t, slice name);
struct command_stats *commands_stats(commands *t, const struct command *cmd);
void commands_reset_stats(commands *t);
size_t commands_count(const commands *t);
/* Every row by its number, also subcommands and what was removed. */
size_t commands_rows(const commands *t);
const struct command *commands_row(const commands *t, size_t i);
size_t commands_index(commands *t, const struct command *cmd);
/* Of those that were not removed: containers before their subcommands. */
void commands_each(commands *t, void (*each)(void *cookie, const struct command *cmd), void *cookie);
/* "get", or "config|get" for a subcommand; borrowed for the table's life. */
const char *commands_full_name(commands *t, const struct command *cmd);
const char *commands_declared_name(commands *t, const struct command *cmd); /* before any renaming */
const struct command *commands_parent(commands *t, const struct command *cmd); /* or NULL */

/* Positions of keys in argv; count, or ERR_SYNTAX when the arguments make no sense. Bounds
 * checked; at most max are written though all are counted. */
int command_keys(const struct command *cmd, const slice *argv, size_t argc, struct key_ref *out,
                 size_t max);
/* The legacy triple of COMMAND INFO. */
void command_legacy_range(const struct command *cmd, int *first, int *last, int *step);
uint64_t command_categories(const struct command *cmd);
const char *command_category_name(unsigned bit); /* NULL past the last */
const char *command_flag_name(unsigned bit);     /* NULL: a bit that is not shown */
const char *command_group_name(enum command_group g);
/* Derived invariants of the table itself, for the tests: 0, or a sentence in why. */
int commands_check(commands *t, char why[256]);

#endif
