/* listpack_fuzz.c -- any bytes: what passes lp_check can be walked, sought in and changed. */
#include <assert.h>

#include "base/listpack.h"
#include "base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void walk(slice lp) {
    char tmp[NUM_LL_MAX];
    size_t count = 0, back = 0;
    for (size_t pos = lp_first(lp); pos != 0; pos = lp_next(lp, pos), count++) {
        slice v = lp_get_bytes(lp, pos, tmp);
        assert(lp_equals(lp, pos, v));
        assert(lp_find(lp, pos, v, 0) == pos);
        assert(lp_seek(lp, (long)count) == pos);
        if (lp_prev(lp, pos) != 0) assert(lp_next(lp, lp_prev(lp, pos)) == pos);
    }
    for (size_t pos = lp_last(lp); pos != 0; pos = lp_prev(lp, pos)) {
        back++;
        assert(lp_seek(lp, -(long)back) == pos);
    }
    assert(back == count);
    assert(lp_count(lp) == count);
    assert(lp_seek(lp, (long)count) == 0);
    (void)lp_find(lp, lp_first(lp), SLICE("127"), 1);
}

/* Every change of a listpack that passed the check gives one that passes it. */
static void change(slice from, uint8_t how) {
    buf lp = BUF_INIT;
    buf_append_slice(&lp, from);
    size_t count = lp_count(from);
    size_t pos = count == 0 ? 0 : lp_seek(from, (long)(how % count));
    slice value = how % 2 == 0 ? SLICE("-70000") : SLICE("a text of more than a few bytes");
    lp_append(&lp, value);
    lp_prepend(&lp, value);
    assert(lp_check(slice_of(&lp), true) == OK);
    if (pos != 0) {
        pos = lp_seek(slice_of(&lp), (long)(how % count) + 1);
        lp_replace(&lp, pos, value);
        lp_insert(&lp, pos, SLICE("5"));
        lp_insert_after(&lp, pos, SLICE(""));
        assert(lp_check(slice_of(&lp), true) == OK);
        lp_delete(&lp, pos, how);
    }
    assert(lp_check(slice_of(&lp), true) == OK);
    buf_free(&lp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    slice lp = slice_make(data, n);
    if (lp_check(lp, true) == OK) {
        walk(lp);
        change(lp, n > 7 ? data[6] : 0);
    }
    /* The frame is easy to check and hard to guess: put it right, and try the entries. */
    if (n < 7 || n > 100000) return 0;
    buf framed = BUF_INIT;
    buf_append(&framed, data, n);
    put_u32(framed.p, (uint32_t)n);
    put_u16(framed.p + 4, 0xffff);
    framed.p[n - 1] = 0xff;
    lp = slice_of(&framed);
    if (lp_check(lp, true) == OK) {
        walk(lp);
        change(lp, data[6]);
    }
    buf_free(&framed);
    return 0;
}
