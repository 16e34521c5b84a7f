/* stored_test.c -- what the types let in when a directory page comes from the store.
 *
 * It mirrors no file: one table of cases asks all of server/types/ the same question. */
#include "tests/test.h"
#include "types/value.h"

/* meta: bytes in hex. */
static bool takes(const struct type *t, uint8_t kind, uint8_t aux, bool hashed, const char *meta) {
    uint8_t bytes[META_BYTES_MAX];
    size_t n = strlen(meta) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        CHECK_INT(sscanf(meta + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    struct stored_value s = {kind, aux, hashed, slice_make(bytes, n)};
    return t->stored_ok(&s);
}

TEST("a stored string is a number, bytes, or chunks by index with a length that may be") {
    CHECK(takes(&type_string, VALUE_INT, 0, false, ""));
    CHECK(takes(&type_string, VALUE_RAW, 1, false, "61"));
    CHECK(!takes(&type_string, VALUE_RAW, 2, false, "61"));
    CHECK(takes(&type_string, VALUE_OBJECT, 0, false, "0000000000010000"));
    CHECK(!takes(&type_string, VALUE_OBJECT, 0, true, "0000000000010000"));
    CHECK(!takes(&type_string, VALUE_OBJECT, 0, false, "00000000000100"));
    CHECK(!takes(&type_string, VALUE_OBJECT, 0, false, "000000000001000000"));
    CHECK(!takes(&type_string, VALUE_OBJECT, 0, false, "0000000000000001"));
}

TEST("a stored hash or set is a table by hash, or small by index, as its root says") {
    const struct type *both[] = {&type_hash, &type_set};
    for (size_t i = 0; i < 2; i++) {
        CHECK(!takes(both[i], VALUE_INT, 0, false, ""));
        CHECK(takes(both[i], VALUE_RAW, 1, false, ""));
        CHECK(!takes(both[i], VALUE_RAW, 4, false, ""));
        CHECK(takes(both[i], VALUE_OBJECT, 0, false, "010500000000000000"));
        CHECK(takes(both[i], VALUE_OBJECT, 1, true, "020500000000000000"));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, true, "010500000000000000"));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, false, "020500000000000000"));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, true, "020000000000000000"));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, true, "0200000000000000ff"));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, true, "0205000000000000"));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, true, ""));
        CHECK(!takes(both[i], VALUE_OBJECT, 0, true, "030500000000000000"));
    }
    CHECK(takes(&type_hash, VALUE_OBJECT, 1, false, "010500000000000000"));
    CHECK(!takes(&type_set, VALUE_OBJECT, 1, false, "010500000000000000")); /* a listpack: inline */
    /* 2: fields have expiries. */
    CHECK(takes(&type_hash, VALUE_RAW, 2, false, ""));
    CHECK(takes(&type_hash, VALUE_OBJECT, 3, true, "020500000000000000"));
    CHECK(!takes(&type_set, VALUE_RAW, 2, false, ""));
}

/* The root of a list of one leaf, and one byte of it another one. */
static bool list_takes(size_t at, uint8_t byte) {
    uint8_t meta[220] = {1, 2};
    put_u16(meta + 2, 1);
    put_u64(meta + 4, 1000); /* elements */
    put_u64(meta + 12, 6);   /* root */
    put_u64(meta + 20, 7);   /* next page */
    put_u64(meta + 28, 3);   /* a free one */
    meta[at] = byte;
    struct stored_value s = {VALUE_OBJECT, 0, false, slice_make(meta, sizeof(meta))};
    return type_list.stored_ok(&s);
}

TEST("a stored list is a tree by index whose root names pages that there may be") {
    CHECK(takes(&type_list, VALUE_RAW, 0, false, ""));
    CHECK(!takes(&type_list, VALUE_RAW, 1, false, ""));
    CHECK(!takes(&type_list, VALUE_INT, 0, false, ""));
    CHECK(!takes(&type_list, VALUE_OBJECT, 0, false, "01"));
    CHECK(list_takes(0, 1));
    CHECK(list_takes(1, 12));
    CHECK(!list_takes(0, 2));   /* another form */
    CHECK(!list_takes(1, 13));  /* too high */
    CHECK(!list_takes(2, 25));  /* more free pages than it has room for */
    CHECK(!list_takes(11, 1));  /* more elements than can be */
    CHECK(!list_takes(12, 7));  /* a root that was never made */
    CHECK(!list_takes(27, 1));  /* more pages than can be */
    CHECK(!list_takes(28, 7));  /* a free page that was never made */
    uint8_t meta[220] = {1};
    put_u64(meta + 20, 7);
    struct stored_value s = {VALUE_OBJECT, 0, false, slice_make(meta, sizeof(meta))};
    CHECK(!type_list.stored_ok(&s)); /* no elements */
    put_u64(meta + 4, 1);
    CHECK(type_list.stored_ok(&s));
    s.hashed = true;
    CHECK(!type_list.stored_ok(&s));
}

/* A sorted set's meta with one byte changed. */
static bool zset_takes(size_t at, uint8_t byte) {
    uint8_t meta[228] = {1, 2, 1};
    put_u64(meta + 4, 1000); /* members */
    put_u64(meta + 12, 6);   /* root */
    put_u64(meta + 20, 7);   /* next page */
    put_u64(meta + 28, 4);   /* buckets */
    put_u64(meta + 36, 3);   /* a free page */
    meta[at] = byte;
    struct stored_value s = {VALUE_OBJECT, 0, false, slice_make(meta, sizeof(meta))};
    return type_zset.stored_ok(&s);
}

TEST("a stored sorted set is a tree by index, with as many buckets as its members may have") {
    CHECK(takes(&type_zset, VALUE_RAW, 0, false, ""));
    CHECK(takes(&type_zset, VALUE_RAW, 1, false, ""));
    CHECK(!takes(&type_zset, VALUE_RAW, 2, false, ""));
    CHECK(!takes(&type_zset, VALUE_INT, 0, false, ""));
    CHECK(!takes(&type_zset, VALUE_OBJECT, 0, false, "01"));
    CHECK(zset_takes(0, 1));
    CHECK(zset_takes(1, 24));
    CHECK(!zset_takes(0, 2));   /* another form */
    CHECK(!zset_takes(1, 25));  /* too high */
    CHECK(!zset_takes(2, 25));  /* more free pages than it has room for */
    CHECK(!zset_takes(11, 1));  /* more members than can be */
    CHECK(!zset_takes(12, 7));  /* a root that was never made */
    CHECK(!zset_takes(26, 1));  /* more pages than can be */
    CHECK(!zset_takes(28, 0));  /* no bucket */
    CHECK(zset_takes(28, 12));
    CHECK(!zset_takes(28, 13)); /* more than the members fill */
    CHECK(!zset_takes(36, 7));  /* a free page that was never made */
    uint8_t meta[228] = {1};
    put_u64(meta + 20, 7);
    put_u64(meta + 28, 1);
    struct stored_value s = {VALUE_OBJECT, 1, false, slice_make(meta, sizeof(meta))};
    CHECK(!type_zset.stored_ok(&s)); /* no members */
    put_u64(meta + 4, 1);
    CHECK(type_zset.stored_ok(&s));
    s.hashed = true;
    CHECK(!type_zset.stored_ok(&s));
}

/* The root of a stream, and one byte of it another one. */
static bool stream_takes(size_t at, uint8_t byte) {
    uint8_t meta[176] = {0};
    put_u64(meta + 8, 2);   /* rows of the tree */
    put_u64(meta + 16, 7);  /* next page */
    meta[32] = 1;           /* height */
    meta[64] = 1;           /* format */
    put_u64(meta + 72, 90); /* entries */
    put_u64(meta + 120, 5); /* last block */
    meta[at] = byte;
    struct stored_value s = {VALUE_OBJECT, 0, false, slice_make(meta, sizeof(meta))};
    return type_stream.stored_ok(&s);
}

TEST("a stored stream is a tree by index, whatever it holds") {
    CHECK(!takes(&type_stream, VALUE_RAW, 0, false, ""));
    CHECK(!takes(&type_stream, VALUE_INT, 0, false, ""));
    CHECK(!takes(&type_stream, VALUE_OBJECT, 0, false, "01"));
    CHECK(stream_takes(64, 1));
    CHECK(!stream_takes(64, 2));   /* another format */
    CHECK(!stream_takes(32, 21));  /* too high */
    CHECK(!stream_takes(0, 8));    /* a root that there cannot be */
    CHECK(!stream_takes(79, 1));   /* more entries than a store holds */
    CHECK(!stream_takes(151, 1));
    CHECK(!stream_takes(159, 1));
    CHECK(!stream_takes(167, 1));
}
