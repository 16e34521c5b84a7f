/* generic.c -- keys whatever they hold: DEL, EXISTS, TYPE, RENAME, COPY, MOVE, TOUCH, OBJECT, ... */
#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "commands/keys_turns.h"
#include "commands/keyspecs.h"
#include "resp/write.h"

/* Asks for the pages of all keys argv[first..) at once, so that a command on many cold keys waits
 * for one round. OK or ERR_COLD, or an error. */
static int need_keys(call *c, size_t first) {
    int cold = OK;
    for (size_t i = first; i < call_argc(c); i++) {
        struct entry e;
        int rc = keyspace_get(call_keyspace(c), call_db(c), call_arg(c, i), KS_EXPIRED, &e);
        if (rc == ERR_COLD) cold = ERR_COLD;
        else if (rc != OK && rc != ERR_NOTFOUND) return rc;
    }
    return cold;
}

static int del_one(call *c, slice key, int64_t *removed) {
    struct entry e;
    int rc = call_write(c, key, &e);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK || (rc = call_del(c, key)) != OK) return rc;
    call_notify(c, 'g', "del", key);
    ++*removed;
    return OK;
}

static int exists_one(call *c, slice key, int64_t *found) {
    struct entry e;
    int rc = call_look(c, key, &e);
    if (rc == OK) ++*found;
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int touch_one(call *c, slice key, int64_t *found) {
    struct entry e;
    int rc = call_read(c, key, &e);
    if (rc == OK) ++*found;
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int del_one_of_many(call *c, struct keys_work *w, size_t i) { return del_one(c, call_arg(c, i), &w->n); }
static int exists_one_of_many(call *c, struct keys_work *w, size_t i) { return exists_one(c, call_arg(c, i), &w->n); }
static int touch_one_of_many(call *c, struct keys_work *w, size_t i) { return touch_one(c, call_arg(c, i), &w->n); }
static int reply_count(call *c, struct keys_work *w) { return reply_int(c, w->n); }

/* Does each key, and answers how many there were. */
static int each_key(call *c, int (*one)(call *c, slice key, int64_t *n),
                    int (*one_of_many)(call *c, struct keys_work *w, size_t i)) {
    int64_t n = 0;
    size_t argc = call_argc(c);
    if (call_state(c) != NULL) return keys_go_on(c);
    if (keys_are_many(argc - 1)) {
        struct keys_work w = {.first = 1, .per = 1, .end = argc, .one = one_of_many, .finish = reply_count};
        return keys_in_turns(c, &w);
    }
    int rc = argc > 2 ? need_keys(c, 1) : OK;
    for (size_t i = 1; rc == OK && i < argc; i++) rc = one(c, call_arg(c, i), &n);
    return rc == OK ? reply_int(c, n) : rc;
}

static int cmd_del(call *c) { return each_key(c, del_one, del_one_of_many); }
static int cmd_exists(call *c) { return each_key(c, exists_one, exists_one_of_many); }
static int cmd_touch(call *c) { return each_key(c, touch_one, touch_one_of_many); }

static int cmd_type(call *c) {
    struct entry e;
    int rc = call_look(c, call_arg(c, 1), &e);
    if (rc == ERR_NOTFOUND) return reply_status(c, "none");
    if (rc != OK) return rc;
    return reply_status(c, exec_deps(call_exec(c))->types->by_id[e.value.type]->name);
}

static int cmd_randomkey(call *c) {
    buf key = BUF_INIT;
    int rc = keyspace_random(call_keyspace(c), call_db(c), &key);
    if (rc == OK) reply_bulk(c, slice_of(&key));
    else if (rc == ERR_NOTFOUND) reply_null(c);
    buf_free(&key);
    return rc == ERR_NOTFOUND ? OK : rc;
}

/* ---- RENAME, MOVE, COPY -------------------------------------------------------------------------- */

static int transfer(call *c, uint8_t op, slice from, db *to_db, slice to) {
    uint8_t id[8];
    put_u64(id, db_id(to_db));
    slice args[2] = {slice_make(id, 8), to};
    effect e = {.target = EFFECT_ENTRY, .op = op, .db = db_id(call_db(c)), .key = from, .args = args,
                .argc = 2};
    return call_effect(c, &e);
}

static int rename_generic(call *c, bool nx) {
    slice from = call_arg(c, 1), to = call_arg(c, 2);
    struct entry source, target;
    int cold = need_keys(c, 1);
    if (cold != OK) return cold;
    int rc = call_write(c, from, &source);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR no such key");
    if (rc != OK) return rc;
    if (slice_eq(from, to)) return nx ? reply_int(c, 0) : reply_ok(c);
    rc = call_write(c, to, &target);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && nx) return reply_int(c, 0);
    if ((rc = transfer(c, ENTRY_MOVE, from, call_db(c), to)) != OK) return rc;
    call_notify(c, 'g', "rename_from", from);
    call_notify(c, 'g', "rename_to", to);
    return nx ? reply_int(c, 1) : reply_ok(c);
}

static int cmd_rename(call *c) { return rename_generic(c, false); }
static int cmd_renamenx(call *c) { return rename_generic(c, true); }

/* A database by number or by the name of a fork; NULL after a reply. */
static db *database_arg(call *c, size_t i) {
    int64_t n;
    slice w = call_arg(c, i);
    if (num_parse_ll(w, &n)) {
        if (n >= 0 && n < exec_deps(call_exec(c))->keyspace_config->databases) {
            return keyspace_db(call_keyspace(c), (int)n);
        }
        reply_error(c, "ERR DB index is out of range");
        return NULL;
    }
    db *d = keyspace_db_named(call_keyspace(c), w);
    if (d == NULL) reply_error(c, "ERR value is not an integer or out of range");
    return d;
}

static int cmd_move(call *c) {
    db *to = database_arg(c, 2);
    struct entry source, target;
    slice key = call_arg(c, 1);
    if (to == NULL) return OK;
    if (to == call_db(c)) return reply_error(c, "ERR source and destination objects are the same");
    int rc = call_write(c, key, &source);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    rc = call_write_db(c, to, key, &target);
    if (rc == OK) return reply_int(c, 0);
    if (rc != ERR_NOTFOUND) return rc;
    if ((rc = transfer(c, ENTRY_MOVE, key, to, key)) != OK) return rc;
    call_notify(c, 'g', "move_from", key);
    call_notify(c, 'g', "move_to", key);
    return reply_int(c, 1);
}

static int cmd_copy(call *c) {
    db *to = call_db(c);
    bool replace = false;
    for (size_t i = 3; i < call_argc(c); i++) {
        if (call_arg_is(c, i, "replace")) {
            replace = true;
        } else if (call_arg_is(c, i, "db") && i + 1 < call_argc(c)) {
            if ((to = database_arg(c, ++i)) == NULL) return OK;
        } else {
            return reply_syntax(c);
        }
    }
    slice from = call_arg(c, 1), name = call_arg(c, 2);
    if (to == call_db(c) && slice_eq(from, name)) {
        return reply_error(c, "ERR source and destination objects are the same");
    }
    struct entry source, target;
    int rc = call_write(c, from, &source);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    rc = call_write_db(c, to, name, &target);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (rc == OK && !replace) return reply_int(c, 0);
    if ((rc = transfer(c, ENTRY_COPY, from, to, name)) != OK) return rc;
    call_notify(c, 'g', "copy_to", name);
    return reply_int(c, 1);
}

/* ---- OBJECT --------------------------------------------------------------------------------------- */

/* OK, or the reply has been made (ERR_NOTFOUND: null). */
static int object_entry(call *c, struct entry *e) { return call_look(c, call_arg(c, 2), e); }

static bool lfu(call *c) {
    int p = exec_deps(call_exec(c))->keyspace_config->maxmemory_policy;
    return p == POLICY_VOLATILE_LFU || p == POLICY_ALLKEYS_LFU;
}

static int object_encoding(call *c) {
    struct entry e;
    int rc = object_entry(c, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    return reply_bulk_str(c, exec_deps(call_exec(c))->types->by_id[e.value.type]->encoding(&e.value));
}

static int object_refcount(call *c) {
    struct entry e;
    int rc = object_entry(c, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    return reply_int(c, e.value.kind == VALUE_INT && e.value.num >= 0 && e.value.num < 10000 &&
                            exec_deps(call_exec(c))->keyspace_config->maxmemory == 0 ? INT32_MAX : 1);
}

static int object_idletime(call *c) {
    struct entry e;
    int rc = object_entry(c, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    if (lfu(c)) {
        return reply_error(c, "ERR An LFU maxmemory policy is selected, idle time not tracked. Please "
                              "note that when switching between policies at runtime LRU and LFU data "
                              "will take some time to adjust.");
    }
    return reply_int(c, (int64_t)keyspace_idle_s(call_keyspace(c), &e));
}

static int object_freq(call *c) {
    struct entry e;
    int rc = object_entry(c, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    if (!lfu(c)) {
        return reply_error(c, "ERR An LFU maxmemory policy is not selected, access frequency not "
                              "tracked. Please note that when switching between policies at runtime "
                              "LRU and LFU data will take some time to adjust.");
    }
    return reply_int(c, keyspace_freq(call_keyspace(c), &e));
}

static int object_help(call *c) {
    static const char *const lines[] = {
        "ENCODING <key>", "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>", "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>", "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>", "    Return the number of references of the value associated with the specified",
        "    <key>.", NULL};
    return reply_help(c, lines);
}

static int memory_usage(call *c) {
    struct entry e;
    for (size_t i = 3; i < call_argc(c); i += 2) {
        int64_t samples;
        if (!call_arg_is(c, i, "samples") || i + 1 >= call_argc(c)) return reply_syntax(c);
        if (!call_int(c, i + 1, &samples)) return OK;
        if (samples < 0) return reply_syntax(c);
    }
    int rc = call_peek(c, call_arg(c, 2), &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK) return rc;
    return reply_int(c, (int64_t)keyspace_entry_bytes(call_keyspace(c), &e));
}

static int memory_doctor(call *c) {
    return reply_verbatim(c, "txt", SLICE("Memory is a cache over the store here: see INFO memory.\n"));
}

static int memory_purge(call *c) {
    mem_purge();
    return reply_ok(c);
}

static const struct command object_subcommands[] = {
    {.name = "encoding", .fn = object_encoding, .arity = 3, .flags = CMD_READONLY, .categories = CAT_KEYSPACE,
     .group = GROUP_GENERIC, .keys = SUB_KEY(KEY_RO), .since = "2.2.3",
     .summary = "Inspect the internal encoding of a Redis object", .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "freq", .fn = object_freq, .arity = 3, .flags = CMD_READONLY, .categories = CAT_KEYSPACE,
     .group = GROUP_GENERIC, .keys = SUB_KEY(KEY_RO), .since = "4.0.0",
     .summary = "Get the logarithmic access frequency counter of a Redis object", .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "help", .fn = object_help, .arity = 2, .flags = CMD_LOADING | CMD_STALE, .categories = CAT_KEYSPACE,
     .group = GROUP_GENERIC, .since = "6.2.0", .summary = "Show helpful text about the different subcommands",
     .complexity = "O(1)"},
    {.name = "idletime", .fn = object_idletime, .arity = 3, .flags = CMD_READONLY, .categories = CAT_KEYSPACE,
     .group = GROUP_GENERIC, .keys = SUB_KEY(KEY_RO), .since = "2.2.3",
     .summary = "Get the time since a Redis object was last accessed", .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "refcount", .fn = object_refcount, .arity = 3, .flags = CMD_READONLY, .categories = CAT_KEYSPACE,
     .group = GROUP_GENERIC, .keys = SUB_KEY(KEY_RO), .since = "2.2.3",
     .summary = "Get the number of references to the value of the key", .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = NULL},
};
static const struct command memory_subcommands[] = {
    {.name = "doctor", .fn = memory_doctor, .arity = 2, .flags = 0, .group = GROUP_SERVER, .since = "4.0.0",
     .summary = "Outputs memory problems report", .complexity = "O(1)"},
    {.name = "purge", .fn = memory_purge, .arity = 2, .flags = 0, .group = GROUP_SERVER, .since = "4.0.0",
     .summary = "Ask the allocator to release memory", .complexity = "Depends on how much memory is allocated, could be slow"},
    {.name = "usage", .fn = memory_usage, .arity = -3, .flags = CMD_READONLY, .group = GROUP_SERVER,
     .keys = SUB_KEY(KEY_RO), .since = "4.0.0", .summary = "Estimate the memory usage of a key",
     .complexity = "O(N) where N is the number of samples."},
    {.name = NULL},
};

static const struct command rows[] = {
    {.name = "del", .fn = cmd_del, .arity = -2, .flags = CMD_WRITE, .group = GROUP_GENERIC,
     .keys = ALL_KEYS(KEY_RM | KEY_DELETE), .since = "1.0.0", .summary = "Delete a key",
     .complexity = "O(N) where N is the number of keys that will be removed",
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {.name = "unlink", .fn = cmd_del, .arity = -2, .flags = CMD_WRITE | CMD_FAST, .group = GROUP_GENERIC,
     .keys = ALL_KEYS(KEY_RM | KEY_DELETE), .since = "4.0.0",
     .summary = "Delete a key asynchronously in another thread", .complexity = "O(1) for each key removed",
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {.name = "exists", .fn = cmd_exists, .arity = -2, .flags = CMD_READONLY | CMD_FAST, .group = GROUP_GENERIC,
     .keys = ALL_KEYS(KEY_RO), .since = "1.0.0", .summary = "Determine if a key exists",
     .complexity = "O(N) where N is the number of keys to check.",
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {.name = "touch", .fn = cmd_touch, .arity = -2, .flags = CMD_READONLY | CMD_FAST, .group = GROUP_GENERIC,
     .keys = ALL_KEYS(KEY_RO), .since = "3.2.1", .summary = "Alters the last access time of a key(s)",
     .complexity = "O(N) where N is the number of keys that will be touched.",
     .tips = "request_policy:multi_shard,response_policy:agg_sum"},
    {.name = "type", .fn = cmd_type, .arity = 2, .flags = CMD_READONLY | CMD_FAST, .group = GROUP_GENERIC,
     .keys = ONE_KEY(KEY_RO), .since = "1.0.0", .summary = "Determine the type stored at key",
     .complexity = "O(1)"},
    {.name = "randomkey", .fn = cmd_randomkey, .arity = 1, .flags = CMD_READONLY | CMD_WHOLE_DB,
     .group = GROUP_GENERIC, .since = "1.0.0", .summary = "Return a random key from the keyspace",
     .complexity = "O(1)", .tips = "request_policy:all_shards,nondeterministic_output"},
    {.name = "rename", .fn = cmd_rename, .arity = 3, .flags = CMD_WRITE, .group = GROUP_GENERIC,
     .keys = TWO_KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_OW | KEY_UPDATE), .since = "1.0.0",
     .summary = "Rename a key", .complexity = "O(1)"},
    {.name = "renamenx", .fn = cmd_renamenx, .arity = 3, .flags = CMD_WRITE | CMD_FAST, .group = GROUP_GENERIC,
     .keys = TWO_KEYS(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_OW | KEY_INSERT), .since = "1.0.0",
     .summary = "Rename a key, only if the new key does not exist", .complexity = "O(1)"},
    {.name = "move", .fn = cmd_move, .arity = 3, .flags = CMD_WRITE | CMD_FAST, .group = GROUP_GENERIC,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE), .since = "1.0.0",
     .summary = "Move a key to another database", .complexity = "O(1)"},
    {.name = "copy", .fn = cmd_copy, .arity = -3, .flags = CMD_WRITE | CMD_DENYOOM, .group = GROUP_GENERIC,
     .keys = TWO_KEYS(KEY_RO | KEY_ACCESS, KEY_OW | KEY_UPDATE), .since = "6.2.0", .summary = "Copy a key",
     .complexity = "O(1): the copy shares pages until either side changes them"},
    {.name = "object", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_GENERIC, .since = "2.2.3",
     .summary = "A container for object introspection commands", .complexity = "Depends on subcommand.",
     .subcommands = object_subcommands},
    {.name = "memory", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_SERVER, .since = "4.0.0",
     .summary = "A container for memory diagnostics commands", .complexity = "Depends on subcommand.",
     .subcommands = memory_subcommands},
};
const struct command_family family_generic = {rows, sizeof(rows) / sizeof(*rows)};
