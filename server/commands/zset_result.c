/* zset_result.c -- members with scores on their way to a reply or to a key: what the commands of sorted sets
 * that make a new one share. */
#include <stdlib.h>

#include "base/mem.h"
#include "resp/write.h"
#include "commands/zset_commands.h"
#include "types/rdb.h"

struct item {
    union {
        size_t at;        /* in the text */
        const uint8_t *p; /* while they are being sorted */
    };
    size_t n;
    double score;
};

static struct item *items(const struct zset_result *r) { return (struct item *)(void *)r->items.p; }

slice zset_result_member(const struct zset_result *r, size_t i) {
    const struct item *it = &items(r)[i];
    return slice_make(r->text.p == NULL ? NULL : r->text.p + it->at, it->n);
}

double *zset_result_score(const struct zset_result *r, size_t i) { return &items(r)[i].score; }

void zset_result_add(struct zset_result *r, slice member, double score) {
    struct item it = {.at = r->text.n, .n = member.n, .score = score};
    buf_append_slice(&r->text, member);
    buf_append(&r->items, &it, sizeof(it));
    r->n++;
}

int zset_result_each(void *cookie, slice member, double score) {
    zset_result_add(cookie, member, score);
    return 0;
}

static int by_order(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return slice_cmp(slice_make(x->p, x->n), slice_make(y->p, y->n));
}

void zset_result_sort(struct zset_result *r) {
    if (r->text.p == NULL) buf_reserve(&r->text, 1); /* Of one empty member. */
    for (size_t i = 0; i < r->n; i++) items(r)[i].p = r->text.p + items(r)[i].at;
    if (r->n > 1) qsort(items(r), r->n, sizeof(struct item), by_order);
    for (size_t i = 0; i < r->n; i++) items(r)[i].at = (size_t)(items(r)[i].p - r->text.p);
}

void zset_result_free(struct zset_result *r) {
    buf_free(&r->text);
    buf_free(&r->items);
    r->n = 0;
}

/* ---- replies -------------------------------------------------------------------------------------- */

void zset_reply_head(call *c, bool scores, uint64_t n) {
    reply_array(c, (size_t)(scores && call_proto(c) < 3 ? n * 2 : n));
}

void zset_write_member(buf *out, int proto, bool scores, slice member, double score) {
    if (scores && proto >= 3) resp_array(out, 2);
    resp_bulk(out, member);
    if (scores) resp_double(out, proto, score);
}

void zset_reply_member(call *c, bool scores, slice member, double score) {
    zset_write_member(call_out(c), call_proto(c), scores, member, score);
}

void zset_result_reply(call *c, const struct zset_result *r, bool scores) {
    zset_reply_head(c, scores, r->n);
    for (size_t i = 0; i < r->n; i++)
        zset_reply_member(c, scores, zset_result_member(r, i), *zset_result_score(r, i));
}

/* ---- storing -------------------------------------------------------------------------------------- */

/* A payload as RESTORE takes it: one effect, whatever its size. */
static int replace(call *c, slice key, const struct zset_result *r) {
    buf payload = BUF_INIT;
    int rc = buf_try_reserve(&payload, r->text.n + r->n * (8 + 9) + 16);
    if (rc == OK) {
        buf_u8(&payload, RDB_ZSET_2);
        rdb_write_len(&payload, r->n);
        for (size_t i = 0; i < r->n; i++) {
            rdb_write_raw_string(&payload, zset_result_member(r, i));
            rdb_write_double(&payload, *zset_result_score(r, i));
        }
        slice args[2] = {slice_of(&payload), slice_make(NULL, 0)};
        effect e = {.target = EFFECT_ENTRY, .op = ENTRY_RESTORE, .db = db_id(call_db(c)), .key = key,
                    .args = args, .argc = 2};
        rc = call_effect(c, &e);
    }
    buf_free(&payload);
    return rc;
}

int zset_result_store(call *c, slice key, const struct zset_result *r, const char *event) {
    struct entry e;
    int rc = call_write(c, key, &e); /* whatever it holds */
    bool there = rc == OK;
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    if (r->n > 0) {
        if ((rc = replace(c, key, r)) != OK) return rc;
        call_notify(c, 'z', event, key);
    } else if (there) {
        if ((rc = call_del(c, key)) != OK) return rc;
        call_notify(c, 'g', "del", key);
    }
    return reply_int(c, (int64_t)r->n);
}

int zset_result_add_step(call *c, const struct zset_result *r) {
    slice *args = mem_try_alloc(2 * r->n * sizeof(*args));
    if (args == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < r->n; i++) {
        args[2 * i] = slice_make(zset_result_score(r, i), sizeof(double)); /* As zset_score_arg() does. */
        args[2 * i + 1] = zset_result_member(r, i);
    }
    int rc = call_steps_value(c, TYPE_ZSET, ZSET_ADD, args, 2 * r->n);
    mem_free(args);
    return rc;
}

int zset_result_take(call *c, slice key, uint64_t n, const char *event) {
    struct entry e;
    int there = call_write(c, key, &e), rc = OK;
    if (there != OK && there != ERR_NOTFOUND) return there;
    if (n > 0) rc = call_steps_take(c, key);
    else if (there == OK) rc = call_del(c, key);
    if (rc != OK) return rc;
    if (n > 0) call_notify(c, 'z', event, key);
    else if (there == OK) call_notify(c, 'g', "del", key);
    return reply_int(c, (int64_t)n);
}

int zset_find_all(call *c, const slice *keys, size_t n, bool writing, bool set, struct value *values) {
    struct entry e;
    bool cold = false, wrong = false;
    for (size_t i = 0; i < n; i++) {
        int rc = writing ? call_write(c, keys[i], &e) : call_read(c, keys[i], &e);
        if (rc == OK) wrong |= e.value.type != TYPE_ZSET && !(set && e.value.type == TYPE_SET);
        else if (rc == ERR_COLD) cold = true;
        else if (rc != ERR_NOTFOUND) return rc;
    }
    if (cold) return ERR_COLD;
    if (wrong) return ERR_TYPE;
    for (size_t i = 0; i < n; i++) {
        int rc = call_peek(c, keys[i], &e);
        if (rc == OK) values[i] = e.value;
        else if (rc == ERR_NOTFOUND) values[i] = (struct value){.kind = VALUE_NONE};
        else return rc;
    }
    return OK;
}
