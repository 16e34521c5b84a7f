/* effect_test.c -- effects to bytes and back; damaged bytes are refused. */
#include "test.h"

#include "base/limits.h"
#include "base/rnd.h"
#include "types/effect.h"
#include "types/value.h"

static void same(const effect *a, const effect *b) {
    CHECK_INT(a->target, b->target);
    CHECK_INT(a->type, b->type);
    CHECK_INT(a->op, b->op);
    CHECK_INT(a->db, b->db);
    CHECK(slice_eq(a->key, b->key));
    CHECK_INT(a->argc, b->argc);
    for (size_t i = 0; i < a->argc; i++) CHECK(slice_eq(a->args[i], b->args[i]));
    CHECK_INT(a->keys, b->keys);
    CHECK_INT(a->expires, b->expires);
    CHECK_INT(a->src_keys, b->src_keys);
    CHECK_INT(a->src_expires, b->src_expires);
}

static void round_trip(const effect *e) {
    buf b = BUF_INIT, args = BUF_INIT;
    effect_encode(&b, e);
    effect_encode(&b, e);
    reader r = reader_make(slice_of(&b));
    effect out;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(effect_decode(&r, &out, &args), OK);
        same(e, &out);
    }
    CHECK_INT(reader_left(&r), 0);
    for (size_t cut = 0; cut < b.n / 2; cut++) { /* No prefix is an effect. */
        reader part = reader_make(slice_make(b.p, cut));
        CHECK_INT(effect_decode(&part, &out, &args), ERR_CORRUPT);
    }
    buf_free(&b);
    buf_free(&args);
}

TEST("an effect of each target survives encoding, and no prefix of it is taken") {
    slice args[3] = {SLICE("one"), slice_make(NULL, 0), SLICE("three\0three")};
    uint8_t tmp[8];
    slice expiring[2] = {SLICE("v"), effect_expiry(tmp, 1234567890123)};
    round_trip(&(effect){.target = EFFECT_ENTRY, .op = ENTRY_SET, .db = 7, .key = SLICE("key"),
                         .args = expiring, .argc = 2, .keys = 1, .expires = 1});
    round_trip(&(effect){.target = EFFECT_ENTRY, .op = ENTRY_DEL, .db = 1u << 30, .key = SLICE(""),
                         .keys = -1, .expires = -1});
    round_trip(&(effect){.target = EFFECT_ENTRY, .op = ENTRY_MOVE, .key = SLICE("a"), .args = args,
                         .argc = 2, .keys = 1, .src_keys = -1, .src_expires = -1});
    round_trip(&(effect){.target = EFFECT_VALUE, .type = TYPE_HASH, .op = 3, .db = 5,
                         .key = SLICE("h"), .args = args, .argc = 3});
    round_trip(&(effect){.target = EFFECT_CATALOGUE, .op = 200, .args = args, .argc = 3});
}

TEST("an expiry is eight bytes, or none") {
    uint8_t tmp[8];
    CHECK_INT(effect_expiry(tmp, -1).n, 0);
    slice s = effect_expiry(tmp, 42);
    CHECK_INT(s.n, 8);
    CHECK_INT(get_u64(s.p), 42);
}

TEST("a count of arguments that the bytes cannot hold is refused before it sizes anything") {
    buf b = BUF_INIT, args = BUF_INIT;
    effect e = {.target = EFFECT_CATALOGUE, .op = 1};
    effect_encode(&b, &e);
    b.n--;
    buf_varint(&b, (uint64_t)1 << 40);
    reader r = reader_make(slice_of(&b));
    CHECK_INT(effect_decode(&r, &e, &args), ERR_CORRUPT);
    CHECK(args.cap == 0);
    buf_free(&b);
}

TEST("random bytes are decoded or refused, never read past") {
    rnd r;
    rnd_seed(&r, 5);
    buf args = BUF_INIT;
    int taken = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[40];
        size_t n = rnd_below(&r, sizeof(bytes));
        for (size_t j = 0; j < n; j++) bytes[j] = (uint8_t)rnd_below(&r, rnd_below(&r, 2) ? 8 : 256);
        reader in = reader_make(slice_make(bytes, n));
        effect e;
        if (effect_decode(&in, &e, &args) != OK) continue;
        taken++;
        for (size_t j = 0; j < e.argc; j++) CHECK(e.args[j].n <= n);
        buf again = BUF_INIT;
        effect_encode(&again, &e);
        reader in2 = reader_make(slice_of(&again));
        effect e2;
        buf args2 = BUF_INIT;
        CHECK_INT(effect_decode(&in2, &e2, &args2), OK);
        same(&e, &e2);
        buf_free(&again);
        buf_free(&args2);
    }
    CHECK(taken > 100);
    buf_free(&args);
}
