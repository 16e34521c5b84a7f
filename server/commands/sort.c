/* sort.c -- SORT and SORT_RO: the elements of a list, a set or a sorted set in order, by themselves or by what other
 * keys hold, as a reply or as a new list.
 *
 * Elements are copied first: a lookup may remove a key whose time has come, or move a page. Many of them are read,
 * ordered and answered in steps (sort_steps.c). */
#include "base/mem.h"
#include "commands/commands.h"
#include "commands/keyspecs.h"
#include "commands/sort_commands.h"
#include "resp/write.h"
#include "types/hash.h"
#include "types/list.h"
#include "types/rdb.h"
#include "types/set.h"
#include "types/string.h"
#include "types/zset.h"

static void sorter_free(struct sorter *s) {
    pile_free(s->pile);
    mem_free(s);
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

static int add_member(void *cookie, slice member) {
    struct pile *p = cookie;
    if (p->n == p->cap) return ERR_CORRUPT; /* More than the value's own count. */
    pile_add(p, member);
    return OK;
}
static int add_listed(void *cookie, uint64_t index, slice element) {
    (void)index;
    return add_member(cookie, element);
}
static int add_scored(void *cookie, slice member, double score) {
    (void)score;
    return add_member(cookie, member);
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

/* What of `len` elements is to be read. Where a list or a sorted set stays as it is, only what is answered. */
static void measure(struct sorter *s, const struct value *v, uint64_t len) {
    clip(s, len);
    s->want = len;
    if (v->type == TYPE_SET) {
        if (!s->unordered || s->store == 0) return;
        s->unordered = false; /* The new list has the same order every time. */
        s->alpha = true;
        s->by = 0;
    } else if (s->unordered) {
        s->want = s->until - s->from;
        s->first = s->descending ? len - s->from - s->want : s->from;
        s->backward = s->descending;
        s->from = 0;
        s->until = (size_t)s->want;
    }
}

/* The key, and how many elements are read of it. */
static int find(struct sorter *s, struct entry *e) {
    slice key = call_arg(s->c, 1);
    int rc = s->store > 0 ? call_write(s->c, key, e) : call_read(s->c, key, e);
    if (rc == ERR_NOTFOUND) return OK;
    if (rc != OK) return rc;
    switch (e->value.type) {
    case TYPE_LIST: measure(s, &e->value, list_len(&e->value)); return OK;
    case TYPE_SET: measure(s, &e->value, set_len(&e->value)); return OK;
    case TYPE_ZSET: measure(s, &e->value, zset_len(&e->value)); return OK;
    default: return ERR_TYPE;
    }
}

int sort_begin(struct sorter *s) {
    s->pile = pile_create((size_t)s->want);
    if (s->pile == NULL) return ERR_NOMEM;
    s->pile->alpha = s->alpha;
    s->pile->by = s->by > 0;
    s->pile->descending = s->descending;
    return OK;
}

int sort_load(struct sorter *s, const struct value *v, uint64_t most) {
    uint64_t left = s->want - s->pile->n, n = left < most ? left : most;
    uint64_t first = s->first + (s->backward ? left - n : s->pile->n);
    int rc = OK;
    if (n == 0) {
        s->loaded = true;
        return OK;
    }
    if (v->type == TYPE_SET) rc = set_scan(v, &s->cursor, (size_t)n, add_member, s->pile);
    else if (v->type == TYPE_ZSET) rc = zset_each(v, first, n, s->backward, add_scored, s->pile);
    else rc = list_each(v, first, n, s->backward, add_listed, s->pile);
    if (rc != OK) return rc;
    s->loaded = v->type == TYPE_SET ? s->cursor == 0 : s->pile->n == s->want;
    return s->loaded && s->pile->n != s->want ? ERR_CORRUPT : OK;
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

bool sort_needs_scores(const struct sorter *s) { return !s->unordered && s->by > 0; }

static bool is_pattern(slice word) { return !slice_eq(word, SLICE("#")) && has_star(word); }

bool sort_reads_others(const struct sorter *s) {
    bool others = sort_needs_scores(s);
    for (size_t i = 0; i < s->gets_n; i++) others |= is_pattern(call_arg(s->c, s->gets[i]));
    return others;
}

/* Scores, or what ALPHA compares, from other keys. */
int sort_weigh(struct sorter *s, size_t most) {
    struct pile *p = s->pile;
    bool cold = false;
    buf found = BUF_INIT;
    size_t until = most < p->n - s->weighed ? s->weighed + most : p->n;
    int rc = OK;
    for (size_t i = s->weighed; i < until && !(cold && !ask_on(s->c)); i++) {
        struct item *it = &p->items[i];
        found.n = 0;
        rc = look_up(s->c, call_arg(s->c, s->by), it->element, &found);
        cold |= rc == ERR_COLD;
        if (rc == ERR_COLD || rc == ERR_NOTFOUND) rc = OK; /* None counts as 0, and comes before any text. */
        else if (rc != OK) break;
        else if (cold) continue;
        else if (s->alpha) it->by = pile_keep(p, slice_of(&found));
        else p->bad |= !pile_score(slice_of(&found), &it->score);
    }
    buf_free(&found);
    if (rc == OK && cold) rc = ERR_COLD;
    if (rc == OK) s->weighed = until;
    return rc;
}

/* ---- what comes out ------------------------------------------------------------------------------- */

int sort_give(struct sorter *s, size_t most, sort_put_fn *put, void *cookie) {
    buf found = BUF_INIT;
    bool cold = false;
    size_t until = most < s->until - s->from ? s->from + most : s->until;
    int rc = OK;
    for (size_t i = s->from; i < until && !(cold && !ask_on(s->c)); i++) {
        slice element = s->pile->items[i].element;
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
    if (rc == OK && cold) rc = ERR_COLD;
    if (rc == OK) s->from = until;
    return rc;
}

static void put_reply(struct sorter *s, void *cookie, bool found, slice text) {
    (void)cookie;
    if (found) reply_bulk(s->c, text);
    else reply_null(s->c);
}

int sort_bad_scores(call *c) { return reply_error(c, "ERR One or more scores can't be converted into double"); }
int sort_too_long(call *c) { return reply_error(c, "ERR element exceeds the maximum size of a list element"); }

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
    int rc = sort_give(s, SIZE_MAX, put_stored, &to), there = call_write(c, key, &e);
    if (rc == OK && there != OK && there != ERR_NOTFOUND) rc = there;
    if (rc == OK && to.too_long) {
        rc = sort_too_long(c);
    } else if (rc == OK) {
        if (to.n > 0) rc = replace(c, key, &to);
        else if (there == OK && (rc = call_del(c, key)) == OK) call_notify(c, 'g', "del", key);
        if (rc == OK) rc = reply_int(c, (int64_t)to.n);
    }
    buf_free(&to.body);
    return rc;
}

static int reply(struct sorter *s) {
    reply_array(s->c, (s->until - s->from) * (s->gets_n > 0 ? s->gets_n : 1));
    return sort_give(s, SIZE_MAX, put_reply, NULL);
}

/* Loads, weighs, orders and answers. */
static int at_once(struct sorter *s, const struct entry *e) {
    int rc = sort_begin(s);
    while (rc == OK && !s->loaded) rc = sort_load(s, &e->value, UINT64_MAX);
    if (rc == OK && sort_needs_scores(s)) rc = sort_weigh(s, SIZE_MAX);
    if (rc != OK) return rc;
    if (!s->unordered) pile_order(s->pile);
    if (s->pile->bad) return sort_bad_scores(s->c);
    return s->store > 0 ? store(s) : reply(s);
}

static int sort(call *c, bool may_store) {
    struct sorter *s = mem_calloc(1, sizeof(*s));
    struct entry e;
    s->c = c;
    s->limit = -1;
    if (!take_words(s, may_store)) {
        sorter_free(s);
        return OK;
    }
    int rc = find(s, &e);
    if (rc == OK && s->want >= STEPS_FROM && call_may_step(c)) return sort_in_steps(c, s);
    if (rc == OK) rc = at_once(s, &e);
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
