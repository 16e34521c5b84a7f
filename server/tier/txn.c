/* txn.c -- transactions: effects are applied to the keyspace and gathered; the end of one gives
 * it an LSN and frames it into the log's batch.
 *
 * One LSN, one transaction: whole or absent after a crash. A transaction that is too long for one
 * record is cut into parts with the same LSN; replay applies it when its last part is there. */
#include <stdio.h>

#include "tier/tier_internal.h"

static void note_hash(tier *t, uint64_t db_id_, slice key) {
    db *d = keyspace_db_id(t->ks, db_id_);
    if (d != NULL) buf_u64(&t->txn.hashes, keyspace_hash(d, key));
}

void txn_note_effect(tier *t, const effect *e) {
    assert(t->txn_open);
    effect_encode(&t->txn.bytes, e);
    t->txn.count++;
    if (e->target == EFFECT_CATALOGUE) {
        t->txn.catalogue = true;
        return;
    }
    buf_u64(&t->txn.hashes, e->hash);
    /* A move or a copy changes a second key. */
    if (e->target == EFFECT_ENTRY && (e->op == ENTRY_MOVE || e->op == ENTRY_COPY) &&
        e->argc >= 2 && e->args[0].n == 8)
        note_hash(t, get_u64(e->args[0].p), e->args[1]);
}

void tier_txn_begin(tier *t) {
    assert(!t->txn_open);
    assert(t->txn.count == 0 && t->txn.bytes.n == 0);
    t->txn_open = true;
}

int tier_effect(tier *t, effect *e) {
    assert(t->txn_open);
    /* Half a transaction cannot be taken back: only the first effect may be refused for size. */
    if (t->txn.count == 0 && t->config->max_transaction_bytes > 0) {
        uint64_t n = e->key.n;
        for (size_t i = 0; i < e->argc; i++) n += e->args[i].n;
        if (n > (uint64_t)t->config->max_transaction_bytes) return ERR_LIMIT;
    }
    int rc = e->target == EFFECT_CATALOGUE && e->op >= CATALOGUE_FORK
                 ? pin_apply(t, e, t->lsn + 1, true)
                 : keyspace_apply(t->ks, e, true);
    if (rc == OK) txn_note_effect(t, e);
    return rc;
}

void txn_raise(tier *t, slice hashes, uint64_t lsn) {
    assert(hashes.n % 8 == 0);
    for (size_t i = 0; i < hashes.n; i += 8)
        t->undurable[get_u64(hashes.p + i) % UNDURABLE_SLOTS] = lsn;
}

void txn_log(tier *t, slice effects, uint64_t lsn, uint64_t wall_ms) {
    while (effects.n > RECORD_BODY_MAX) {
        log_record(t, RECORD_PART, lsn, wall_ms, slice_make(effects.p, RECORD_BODY_MAX));
        effects.p += RECORD_BODY_MAX;
        effects.n -= RECORD_BODY_MAX;
    }
    log_record(t, RECORD_TXN, lsn, wall_ms, effects);
}

uint64_t tier_txn_end(tier *t) {
    assert(t->txn_open);
    t->txn_open = false;
    if (t->txn.count == 0) return 0;
    int64_t now = tier_now_ms(t);
    uint64_t lsn = ++t->lsn;
    t->log_wall_ms = (uint64_t)now;
    txn_log(t, slice_of(&t->txn.bytes), lsn, (uint64_t)now);
    txn_raise(t, slice_of(&t->txn.hashes), lsn);
    if (t->txn.catalogue) t->catalogue_lsn = lsn;
    /* Kept from one transaction to the next, unless one was huge. */
    if (t->txn.bytes.cap > (1u << 20)) buf_free(&t->txn.bytes);
    if (t->txn.hashes.cap > (1u << 16)) buf_free(&t->txn.hashes);
    t->txn.bytes.n = t->txn.hashes.n = t->txn.count = 0;
    t->txn.catalogue = false;
    return lsn;
}

tier_txn *tier_txn_suspend(tier *t) {
    assert(t->txn_open);
    tier_txn *x = mem_alloc(sizeof(*x));
    *x = t->txn;
    t->txn = (struct tier_txn){0};
    t->txn_open = false;
    /* Without an effect it is not half of anything: a moment may be taken. */
    t->txn_suspended += x->count > 0;
    return x;
}

void tier_txn_resume(tier *t, tier_txn *x) {
    assert(!t->txn_open && t->txn.count == 0);
    assert(x->count == 0 || t->txn_suspended > 0);
    buf_free(&t->txn.bytes);
    buf_free(&t->txn.hashes);
    t->txn = *x;
    t->txn_suspended -= x->count > 0;
    mem_free(x);
    t->txn_open = true;
}

int64_t tier_now_ms(tier *t) {
    uint64_t now = loop_wall_ms(t->loop);
    return (int64_t)(now > t->log_wall_ms ? now : t->log_wall_ms);
}

uint64_t tier_lsn(tier *t) { return t->lsn; }

uint64_t tier_durable(tier *t, enum ack level) {
    switch (level) {
    case ACK_MEMORY:
        return t->lsn;
    case ACK_DISK:
        return t->durable_disk > t->durable ? t->durable_disk : t->durable;
    case ACK_STORE:
        return t->durable;
    }
    return t->durable;
}

void tier_want_durable(tier *t, uint64_t lsn) {
    if (lsn > t->log.wanted_lsn) t->log.wanted_lsn = lsn;
}

uint64_t tier_key_lsn(tier *t, uint64_t hash) {
    return t->undurable[hash % UNDURABLE_SLOTS];
}

uint64_t tier_db_lsn(tier *t, db *d) {
    (void)d; /* Catalogue effects are few: one number serves all databases. */
    return t->catalogue_lsn;
}

int tier_admit(tier *t, const char **reply) {
    switch (t->state) {
    case TIER_NEW:
    case TIER_OPENING:
        *reply = "LOADING Redis is loading the dataset in memory";
        return ERR_AGAIN;
    case TIER_CLOSING:
    case TIER_CLOSED:
        *reply = "TRYAGAIN the server is shutting down";
        return ERR_AGAIN;
    case TIER_DEAD:
        *reply = "READONLY You can't write against a store that another owner holds.";
        return ERR_FENCED;
    case TIER_SERVING:
        break;
    }
    if (t->refused > 0) {
        snprintf(t->reply, sizeof(t->reply),
                 "MISCONF Errors writing to the object store: %s. Writes are disabled.",
                 t->refused_why);
        *reply = t->reply;
        return ERR_AUTH;
    }
    uint64_t oldest = log_oldest_us(t);
    if ((oldest != 0 && t->config->stall_ms > 0 &&
         loop_now_us(t->loop) > oldest + (uint64_t)t->config->stall_ms * 1000) ||
        (t->config->backlog_bytes > 0 && t->log.backlog > (uint64_t)t->config->backlog_bytes)) {
        *reply = "TRYAGAIN the object store does not confirm writes; this one was not executed";
        return ERR_AGAIN;
    }
    return OK;
}

int tier_read_ok(tier *t) {
    return t->state == TIER_DEAD ? ERR_FENCED : OK; /* L11 */
}
