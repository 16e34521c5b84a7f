/* rdb_file_fuzz.c -- a whole RDB file: walked to its end or to the first thing that is wrong.
 *
 * What a key's item says lies within the file; a walk ends. */
#include "../../server/rdb_walk.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rdb_walk w;
    enum rdb_item_kind kind = RDB_ITEM_OTHER;
    int rc = rdb_walk_start(&w, slice_make(data, size));
    for (size_t items = 0; rc == OK && kind != RDB_ITEM_END; items++) {
        struct rdb_item item;
        need(items <= size);
        rc = rdb_walk_next(&w, &kind, &item);
        if (rc != OK || kind != RDB_ITEM_KEY) continue;
        need(item.payload.p >= data && item.payload.p + item.payload.n <= data + size);
        need(item.expire_ms >= -1 && item.idle_s >= -1 && item.freq >= -1 && item.freq <= 255);
    }
    need(rc == OK || w.why[0] != '\0');
    rdb_walk_end(&w);
    return 0;
}
