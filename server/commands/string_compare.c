/* string_compare.c -- strings compared before they change: the conditions of SET, DELEX, DELIFEQ, and
 * DIGEST, which names a value in 16 digits so that a client need not send all of it.
 *
 * A digest is XXH3 of 64 bits, as Redis 8.4 has it: other servers and clients compute the same one. */
#include <stdio.h>
#include <strings.h>

#include "base/hash.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/string_commands.h"
#include "types/string.h"

#define DIGEST_DIGITS 16

/* A long string is compared page by page; all its pages are asked for first. */
static int equal_paged(const struct value *v, slice with, bool *equal) {
    buf part = BUF_INIT;
    int cold = OK;
    *equal = true;
    for (uint64_t at = 0; at < with.n; at += PAGE_BYTES) {
        part.n = 0;
        int rc = string_read(v, at, PAGE_BYTES, &part);
        if (rc == ERR_COLD) {
            cold = rc;
        } else if (rc != OK) {
            buf_free(&part);
            return rc;
        } else if (!slice_eq(slice_of(&part), slice_make(with.p + at, part.n))) {
            *equal = false;
            break;
        }
    }
    buf_free(&part);
    return *equal ? cold : OK;
}

static int is_equal(const struct value *v, slice with, bool *equal) {
    char tmp[NUM_LL_MAX];
    slice s;
    *equal = false;
    if (string_len(v) != with.n) return OK;
    if (!string_slice(v, tmp, &s)) return equal_paged(v, with, equal);
    *equal = slice_eq(s, with);
    return OK;
}

static int digest_of(const struct value *v, char out[DIGEST_DIGITS + 1]) {
    char tmp[NUM_LL_MAX];
    slice s;
    buf whole = BUF_INIT;
    if (!string_slice(v, tmp, &s)) {
        int rc = string_read(v, 0, string_len(v), &whole);
        if (rc != OK) {
            buf_free(&whole);
            return rc;
        }
        s = slice_of(&whole);
    }
    snprintf(out, DIGEST_DIGITS + 1, "%016llx", (unsigned long long)hash_xx(s.p, s.n, 0));
    buf_free(&whole);
    return OK;
}

/* As in Redis, only the length of a digest is judged: what is not hexadecimal equals none. */
static int has_digest(const struct value *v, slice digest, bool *equal) {
    char mine[DIGEST_DIGITS + 1];
    if (digest.n != DIGEST_DIGITS) return ERR_SYNTAX;
    int rc = digest_of(v, mine);
    if (rc == OK) *equal = strncasecmp(mine, (const char *)digest.p, DIGEST_DIGITS) == 0;
    return rc;
}

bool string_condition(slice word, enum string_condition *out) {
    static const char *const words[] = {
        [IF_EQ] = "ifeq", [IF_NE] = "ifne", [IF_DIGEST_EQ] = "ifdeq", [IF_DIGEST_NE] = "ifdne"};
    for (unsigned i = IF_EQ; i <= IF_DIGEST_NE; i++) {
        if (!slice_is(word, words[i])) continue;
        *out = (enum string_condition)i;
        return true;
    }
    return false;
}

int string_meets(call *c, const struct value *v, enum string_condition how, slice with, bool *met) {
    bool equal = false;
    bool digest = how == IF_DIGEST_EQ || how == IF_DIGEST_NE;
    int rc = digest ? has_digest(v, with, &equal) : is_equal(v, with, &equal);
    if (rc == ERR_SYNTAX) reply_error(c, "ERR must be exactly 16 hexadecimal characters");
    *met = equal == (how == IF_EQ || how == IF_DIGEST_EQ);
    return rc;
}

/* ---- commands ----------------------------------------------------------------------------------- */

static int cmd_digest(call *c) {
    struct entry e;
    char digest[DIGEST_DIGITS + 1];
    int rc = call_read_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_null(c);
    if (rc != OK || (rc = digest_of(&e.value, digest)) != OK) return rc;
    return reply_bulk_str(c, digest);
}

static int delete_now(call *c) {
    int rc = call_del(c, call_arg(c, 1));
    if (rc != OK) return rc;
    call_notify(c, 'g', "del", call_arg(c, 1));
    return reply_int(c, 1);
}

static int delete_if(call *c, const struct value *v, enum string_condition how, slice with) {
    bool met;
    int rc = string_meets(c, v, how, with, &met);
    if (rc == ERR_SYNTAX) return OK;
    if (rc != OK) return rc;
    return met ? delete_now(c) : reply_int(c, 0);
}

/* A key that is not there answers before arguments that make no sense, as in Redis. */
static int cmd_delex(call *c) {
    struct entry e;
    enum string_condition how;
    int rc = call_write(c, call_arg(c, 1), &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    if (rc != OK) return rc;
    if (call_argc(c) == 2) return delete_now(c);
    if (call_argc(c) != 4) return reply_arity(c);
    if (e.value.type != TYPE_STRING) {
        return reply_error(c, "ERR Key should be of string type if conditions are specified");
    }
    if (!string_condition(call_arg(c, 2), &how)) {
        return reply_error(c, "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    }
    return delete_if(c, &e.value, how, call_arg(c, 3));
}

static int cmd_delifeq(call *c) {
    struct entry e;
    int rc = call_write_type(c, call_arg(c, 1), TYPE_STRING, &e);
    if (rc == ERR_NOTFOUND) return reply_int(c, 0);
    return rc != OK ? rc : delete_if(c, &e.value, IF_EQ, call_arg(c, 2));
}

/* DELEX reads its key only with a condition. */
static unsigned delex_key_flags(const slice *argv, size_t argc) {
    (void)argv;
    return argc <= 2 ? KEY_RM | KEY_DELETE : KEY_RW | KEY_ACCESS | KEY_DELETE;
}

#define G .group = GROUP_STRING
static const struct command rows[] = {
    {.name = "digest", .fn = cmd_digest, .arity = 2, .flags = CMD_READONLY | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RO | KEY_ACCESS), .since = "8.4.0",
     .summary = "Returns the XXH3 hash of a string value.",
     .complexity = "O(N) where N is the length of the string value."},
    {.name = "delex", .fn = cmd_delex, .arity = -2, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_DELETE | KEY_VARIABLE_FLAGS), .key_flags = delex_key_flags,
     .since = "8.4.0",
     .summary = "Conditionally removes the specified key based on value or digest comparison.",
     .complexity = "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string "
                   "value."},
    {.name = "delifeq", .fn = cmd_delifeq, .arity = 3, .flags = CMD_WRITE | CMD_FAST, G,
     .keys = ONE_KEY(KEY_RW | KEY_ACCESS | KEY_DELETE), .since = "9.0.0",
     .summary = "Delete key if value matches string.", .complexity = "O(1)"},
};
const struct command_family family_string_compare = {rows, sizeof(rows) / sizeof(*rows)};
