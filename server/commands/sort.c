/* sort.c -- SORT and SORT_RO: the elements of a list, a set or a sorted set in order, by themselves or by what other
 * keys hold, as a reply or as a new list.
 *
 * Elements are copied first: a lookup may remove a key whose time has come, or move a page. Strings are
 * ordered by their bytes, whatever the locale. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "resp/write.h"
#include "types/hash.h"
#include "types/list.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/string.h"
#include "types/zset.h"

#define GETS_MAX 1024 /* patterns of one SORT: far above any use */

struct span { /* of sorter.text */
    size_t at, n;
};
struct item {
    struct span element, by; /* by: only with BY and ALPHA */
    double score;
    bool has_by;
    const struct sorter *in;
};

struct sorter {
    call *c;
    bool alpha, descending, unordered;
    size_t by, store, gets_n; /* argument numbers; 0: none */
    size_t gets[GETS_MAX];
    int64_t skip, limit;
    buf text;
    struct item *items;
    size_t n, cap;
    size_t from, until; /* what of it is answered */
};

static void sorter_free(struct sorter *s) {
    buf_free(&s->text);
    mem_free(s->items);
    mem_free(s);
}

static slice text_of(const struct sorter *s, struct span at) { return slice_make(s->text.p + at.at, at.n); }

static struct span keep(struct sorter *s, slice bytes) {
    struct span at = {s->text.n, bytes.n};
    buf_append_slice(&s->text, bytes);
    return at;
}

/* ---- arguments ------------------------------------------------------------------------------------ */

static bool has_star(slice pattern) { return pattern.n > 0 && memchr(pattern.p, '*', pattern.n) != NULL; }

static bool may_read_all(const call *c) {
    return acl_reads_all_keys(exec_acl(call_exec(c)), client_user(call_client(c)), call_command(c), call_argv(c),
                              call_argc(c));
}

/* How many arguments behind the word belong to it; -1: it is no word of SORT. */
static int word_args(slice word, bool store) {
    static const struct {
        const char *name;
        int args;
    } words[] = {{"asc", 0}, {"desc", 0}, {"alpha", 0}, {"limit", 2}, {"by", 1}, {"get", 1}, {"store", 1}};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (slice_is(word, words[i].name) && (store || strcmp(words[i].name, "store") != 0)) return words[i].args;
    return -1;
}

static bool take_word(struct sorter *s, size_t i) {
    call *c = s->c;
    if (call_arg_is(c, i, "asc")) s->descending = false;
    else if (call_arg_is(c, i, "desc")) s->descending = true;
    else if (call_arg_is(c, i, "alpha")) s->alpha = true;
    else if (call_arg_is(c, i, "store")) s->store = i + 1;
    else if (call_arg_is(c, i, "limit")) return call_int(c, i + 1, &s->skip) && call_int(c, i + 2, &s->limit);
    else if (call_arg_is(c, i, "by")) {
        s->by = i + 1;
        if (!has_star(call_arg(c, i + 1))) s->unordered = true;
        else if (!may_read_all(c)) {
            reply_error(c, "ERR BY option of SORT denied due to insufficient ACL permissions.");
            return false;
        }
    } else {
        if (!may_read_all(c)) {
            reply_error(c, "ERR GET option of SORT denied due to insufficient ACL permissions.");
            return false;
        }
        if (s->gets_n == GETS_MAX) {
            reply_error(c, "ERR too many GET options");
            return false;
        }
        s->gets[s->gets_n++] = i + 1;
    }
    return true;
}

static bool take_words(struct sorter *s, bool store) {
    for (size_t i = 2; i < call_argc(s->c);) {
        int more = word_args(call_arg(s->c, i), store);
        if (more < 0 || (size_t)more >= call_argc(s->c) - i) {
            reply_syntax(s->c);
            return false;
        }
        if (!take_word(s, i)) return false;
        i += 1 + (size_t)more;
    }
    return true;
}

/* The key, and the last STORE's. */
static int sort_keys(const slice *argv, size_t argc, struct key_ref *out, size_t max) {
    size_t store = 0;
    for (size_t i = 2; i < argc; i++) {
        int more = word_args(argv[i], true);
        if (slice_is(argv[i], "store") && i + 1 < argc) store = i + 1;
        if (more > 0) i += (size_t)more;
    }
    if (max > 0) out[0] = (struct key_ref){1, KEY_RO | KEY_ACCESS};
    if (store > 0 && max > 1) out[1] = (struct key_ref){(int)store, KEY_OW | KEY_UPDATE};
    return store > 0 ? 2 : 1;
}

static int sort_ro_keys(const slice *argv, size_t argc, struct key_ref *out, size_t max) {
    return sort_keys(argv, argc < 2 ? argc : 2, out, max);
}

/* ---- elements ------------------------------------------------------------------------------------- */

static int add(struct sorter *s, slice element) {
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 64 : s->cap * 2;
        s->items = mem_realloc(s->items, s->cap * sizeof(*s->items));
    }
    s->items[s->n++] = (struct item){.element = keep(s, element), .in = s};
    return 0;
}
static int add_listed(void *cookie, uint64_t index, slice element) {
    (void)index;
    return add(cookie, element);
}
static int add_member(void *cookie, slice member) { return add(cookie, member); }
static int add_scored(void *cookie, slice member, double score) {
    (void)score;
    return add(cookie, member);
}

/* What LIMIT leaves of `n`. */
static void clip(struct sorter *s, uint64_t n) {
    uint64_t from = s->skip < 0 ? 0 : (uint64_t)s->skip;
    uint64_t some = s->limit < 0 ? n : (uint64_t)s->limit;
    if (from > n) from = n;
    if (some > n - from) some = n - from;
    s->from = (size_t)from;
    s->until = (size_t)(from + some);
}

/* A list or a sorted set: where it stays as it is, only what is answered is read. */
static int load_ordered(struct sorter *s, const struct value *v, uint64_t len) {
    clip(s, len);
    uint64_t first = 0, n = len;
    if (s->unordered) {
        n = s->until - s->from;
        first = s->descending ? len - s->from - n : s->from;
        s->from = 0;
        s->until = (size_t)n;
    }
    bool backward = s->unordered && s->descending;
    if (v->type == TYPE_ZSET) return zset_each(v, first, n, backward, add_scored, s);
    return list_each(v, first, n, backward, add_listed, s);
}

static int load(struct sorter *s) {
    struct entry e;
    slice key = call_arg(s->c, 1);
    int rc = s->store > 0 ? call_write(s->c, key, &e) : call_read(s->c, key, &e);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    if (e.value.type == TYPE_LIST) return load_ordered(s, &e.value, list_len(&e.value));
    if (e.value.type == TYPE_ZSET) return load_ordered(s, &e.value, zset_len(&e.value));
    if (e.value.type != TYPE_SET) return ERR_TYPE;
    if (s->unordered && s->store > 0) { /* The new list has the same order every time. */
        s->unordered = false;
        s->alpha = true;
        s->by = 0;
    }
    clip(s, set_len(&e.value));
    return set_each(&e.value, add_member, s);
}

/* ---- other keys ----------------------------------------------------------------------------------- */

static int read_field(const struct value *v, slice field, buf *out) {
    char tmp[NUM_LL_MAX];
    slice val;
    if (v->type != TYPE_HASH) return ERR_NOTFOUND;
    int rc = hash_get(v, field, &val, tmp);
    if (rc == OK) buf_append_slice(out, val);
    return rc;
}

/* What the pattern says of an element: "#", key*, or key*->field. ERR_NOTFOUND: nothing. */
static int look_up(call *c, slice pattern, slice element, buf *out) {
    if (slice_eq(pattern, SLICE("#"))) {
        buf_append_slice(out, element);
        return OK;
    }
    if (!has_star(pattern)) return ERR_NOTFOUND;
    size_t star = (size_t)((const uint8_t *)memchr(pattern.p, '*', pattern.n) - pattern.p), end = pattern.n;
    slice field = {NULL, 0};
    for (size_t i = star + 1; i + 2 < pattern.n && field.n == 0; i++) {
        if (pattern.p[i] != '-' || pattern.p[i + 1] != '>') continue;
        field = slice_make(pattern.p + i + 2, pattern.n - i - 2);
        end = i;
    }
    struct entry e;
    buf key = BUF_INIT;
    buf_append(&key, pattern.p, star);
    buf_append_slice(&key, element);
    buf_append(&key, pattern.p + star + 1, end - star - 1);
    int rc = key.n > KEY_BYTES_MAX ? ERR_NOTFOUND : call_read(c, slice_of(&key), &e);
    buf_free(&key);
    if (rc != OK) return rc;
    if (field.n > 0) return read_field(&e.value, field, out);
    return e.value.type == TYPE_STRING ? string_read(&e.value, 0, UINT64_MAX, out) : ERR_NOTFOUND;
}

/* After a cold one: may the next one be looked up too, so that its page comes with it? */
static bool ask_on(const call *c) { return keyspace_want_more(call_keyspace(c)); }

/* As Redis reads it: strtod's numbers, spaces before them too, up to a NUL. */
static bool read_score(buf *text, double *score) {
    char *end;
    buf_u8(text, 0);
    errno = 0;
    *score = strtod((const char *)text->p, &end);
    return *end == 0 && errno != ERANGE && !isnan(*score);
}

/* Scores, or what ALPHA compares, of all items. *bad: one is no number. */
static int weigh(struct sorter *s, bool *bad) {
    bool cold = false;
    buf found = BUF_INIT;
    int rc = OK;
    for (size_t i = 0; i < s->n && !(cold && !ask_on(s->c)); i++) {
        struct item *it = &s->items[i];
        found.n = 0;
        rc = s->by == 0 ? OK : look_up(s->c, call_arg(s->c, s->by), text_of(s, it->element), &found);
        if (rc == ERR_COLD) cold = true;
        if (rc == ERR_COLD || rc == ERR_NOTFOUND) continue; /* None counts as 0, and comes before any text. */
        if (rc != OK) break;
        if (s->by == 0) buf_append_slice(&found, text_of(s, it->element));
        it->has_by = true;
        if (s->alpha) it->by = keep(s, slice_of(&found));
        else *bad |= !read_score(&found, &it->score);
    }
    buf_free(&found);
    if (cold) return ERR_COLD;
    return rc == ERR_NOTFOUND ? OK : rc;
}

static int compare_bytes(slice a, slice b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int cmp = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return cmp != 0 ? cmp : (a.n > b.n) - (a.n < b.n);
}

static int compare(const void *x, const void *y) {
    const struct item *a = x, *b = y;
    const struct sorter *s = a->in;
    int cmp;
    if (s->alpha && s->by > 0) {
        cmp = a->has_by && b->has_by ? compare_bytes(text_of(s, a->by), text_of(s, b->by))
                                     : (int)a->has_by - (int)b->has_by;
    } else {
        cmp = s->alpha ? 0 : (a->score > b->score) - (a->score < b->score);
        if (cmp == 0) cmp = compare_bytes(text_of(s, a->element), text_of(s, b->element));
    }
    /* Equal ones as they came. */
    if (cmp == 0) return (a->element.at > b->element.at) - (a->element.at < b->element.at);
    return s->descending ? (cmp < 0 ? 1 : -1) : cmp;
}

/* Loads, weighs and orders. *bad: the scores are none. */
static int arrange(struct sorter *s, bool *bad) {
    int rc = load(s);
    *bad = false;
    if (rc != OK || s->unordered || s->n == 0) return rc;
    if (!s->alpha || s->by > 0) rc = weigh(s, bad);
    if (rc == OK && !*bad) qsort(s->items, s->n, sizeof(*s->items), compare);
    return rc;
}

/* ---- what comes out ------------------------------------------------------------------------------- */

typedef void put_fn(struct sorter *s, void *cookie, bool found, slice text);

/* Each thing that is answered, in order. */
static int give(struct sorter *s, put_fn *put, void *cookie) {
    buf found = BUF_INIT;
    bool cold = false;
    int rc = OK;
    for (size_t i = s->from; i < s->until && !(cold && !ask_on(s->c)); i++) {
        slice element = text_of(s, s->items[i].element);
        if (s->gets_n == 0) put(s, cookie, true, element);
        for (size_t k = 0; k < s->gets_n && rc == OK; k++) {
            found.n = 0;
            rc = look_up(s->c, call_arg(s->c, s->gets[k]), element, &found);
            if (rc == ERR_COLD) cold = true;
            else if (rc == OK || rc == ERR_NOTFOUND) put(s, cookie, rc == OK, slice_of(&found));
            if (rc == ERR_COLD || rc == ERR_NOTFOUND) rc = OK;
        }
        if (rc != OK) break;
    }
    buf_free(&found);
    return rc == OK && cold ? ERR_COLD : rc;
}

static void put_reply(struct sorter *s, void *cookie, bool found, slice text) {
    (void)cookie;
    if (found) reply_bulk(s->c, text);
    else reply_null(s->c);
}

struct stored {
    buf body;
    uint64_t n;
    bool too_long;
};

static void put_stored(struct sorter *s, void *cookie, bool found, slice text) {
    struct stored *to = cookie;
    (void)s;
    to->too_long |= text.n > LIST_ELEMENT_MAX;
    to->n++;
    rdb_write_raw_string(&to->body, found ? text : SLICE(""));
}

static int replace(call *c, slice key, const struct stored *to) {
    buf payload = BUF_INIT;
    buf_u8(&payload, RDB_LIST);
    rdb_write_len(&payload, to->n);
    int rc = buf_try_reserve(&payload, to->body.n);
    if (rc == OK) {
        buf_append_slice(&payload, slice_of(&to->body));
        slice args[2] = {slice_of(&payload), slice_make(NULL, 0)};
        effect e = {.target = EFFECT_ENTRY, .op = ENTRY_RESTORE, .db = db_id(call_db(c)), .key = key, .args = args,
                    .argc = 2};
        rc = call_effect(c, &e);
    }
    buf_free(&payload);
    if (rc == OK) call_notify(c, 'l', "sortstore", key);
    return rc;
}

static int store(struct sorter *s) {
    call *c = s->c;
    struct entry e;
    struct stored to = {.n = 0};
    slice key = call_arg(c, s->store);
    int rc = give(s, put_stored, &to), there = call_write(c, key, &e);
    if (rc == OK && there != OK && there != ERR_NOTFOUND) rc = there;
    if (rc == OK && to.too_long) {
        rc = reply_error(c, "ERR element exceeds the maximum size of a list element");
    } else if (rc == OK) {
        if (to.n > 0) rc = replace(c, key, &to);
        else if (there == OK && (rc = call_del(c, key)) == OK) call_notify(c, 'g', "del", key);
        if (rc == OK) rc = reply_int(c, (int64_t)to.n);
    }
    buf_free(&to.body);
    return rc;
}

static int sort(call *c, bool may_store) {
    bool bad = false;
    struct sorter *s = mem_calloc(1, sizeof(*s));
    s->c = c;
    s->limit = -1;
    if (!take_words(s, may_store)) {
        sorter_free(s);
        return OK;
    }
    int rc = arrange(s, &bad);
    if (rc == OK && bad) {
        rc = reply_error(c, "ERR One or more scores can't be converted into double");
    } else if (rc == OK && s->store > 0) {
        rc = store(s);
    } else if (rc == OK) {
        reply_array(c, (s->until - s->from) * (s->gets_n > 0 ? s->gets_n : 1));
        rc = give(s, put_reply, NULL);
    }
    sorter_free(s);
    return rc;
}

static int cmd_sort(call *c) { return sort(c, true); }
static int cmd_sort_ro(call *c) { return sort(c, false); }

/* ---- the table ------------------------------------------------------------------------------------ */

#define OTHER_KEYS {.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_UNKNOWN, .find = KEYS_FIND_UNKNOWN}
#define CATEGORIES CAT_SET | CAT_SORTEDSET | CAT_LIST | CAT_DANGEROUS
#define COST                                                                                               \
    "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of "       \
    "returned elements. When the elements are not sorted, complexity is O(N)."
static const struct command rows[] = {
    {.name = "sort", .fn = cmd_sort, .arity = -2, .flags = CMD_WRITE | CMD_DENYOOM, .categories = CATEGORIES,
     .group = GROUP_GENERIC,
     .keys = {KEY_AT(KEY_RO | KEY_ACCESS, 1, 0, 1), OTHER_KEYS,
              {.flags = KEY_OW | KEY_UPDATE, .begin = KEYS_UNKNOWN, .find = KEYS_FIND_UNKNOWN}},
     .get_keys = sort_keys, .since = "1.0.0", .summary = "Sort the elements in a list, set or sorted set",
     .complexity = COST},
    {.name = "sort_ro", .fn = cmd_sort_ro, .arity = -2, .flags = CMD_READONLY, .categories = CATEGORIES,
     .group = GROUP_GENERIC, .keys = {KEY_AT(KEY_RO | KEY_ACCESS, 1, 0, 1), OTHER_KEYS},
     .get_keys = sort_ro_keys, .since = "7.0.0",
     .summary = "Sort the elements in a list, set or sorted set. Read-only variant of SORT.",
     .complexity = COST},
};
const struct command_family family_sort = {rows, sizeof(rows) / sizeof(*rows)};
