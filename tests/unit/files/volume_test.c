/* volume_test.c -- what a volume lets in when a directory page comes from the store. */
#include "tests/test.h"

#include "modules/files/keys.h"
#include "modules/files/volume.h"

/* The root of a fresh volume, with eight bytes of it another number. */
static bool takes(size_t at, uint64_t number) {
    uint8_t meta[META_SIZE] = {0};
    put_u64(meta, 0);      /* the tree's root page */
    put_u64(meta + 8, 1);  /* entries */
    put_u64(meta + 16, 1); /* next page */
    meta[32] = 1;          /* height */
    put_u32(meta + META_FORMAT, VOLUME_FORMAT);
    put_u64(meta + META_NEXT, VOLUME_ROOT + 1);
    put_u64(meta + META_INODES, 1);
    put_u64(meta + at, number);
    struct stored_value s = {VALUE_OBJECT, 0, false, slice_make(meta, sizeof(meta))};
    bool ok = type_volume.stored_ok(&s);
    struct stored_value hashed = s, raw = s, cut = s, aux = s;
    hashed.hashed = true;
    raw.kind = VALUE_RAW;
    cut.bytes.n--;
    aux.aux = 1;
    CHECK(!type_volume.stored_ok(&hashed) && !type_volume.stored_ok(&raw));
    CHECK(!type_volume.stored_ok(&cut) && !type_volume.stored_ok(&aux));
    return ok;
}

TEST("a stored volume is pages by index under a tree that may be, of a known format") {
    CHECK(takes(META_FORMAT, VOLUME_FORMAT));
    CHECK(!takes(META_FORMAT, VOLUME_FORMAT + 1));
    CHECK(!takes(0, 1));                    /* a root page that was never made */
    CHECK(!takes(8, 0));                    /* no entries: not even the root folder */
    CHECK(!takes(16, UINT64_MAX));          /* more pages than can be */
    CHECK(!takes(24, 2));                   /* a free page that was never made */
    CHECK(!takes(32, 21));                  /* too high */
    CHECK(!takes(META_INODES, 0));
    CHECK(!takes(META_INODES, 2));          /* more inodes than were made */
    CHECK(!takes(META_NEXT, UINT64_MAX));
}
