/* store_util.h -- one request at a time against any store, for the tests of this
 * folder. */
#ifndef COVE_TESTS_STORE_UTIL_H
#define COVE_TESTS_STORE_UTIL_H

#include "objstore/objstore.h"
#include "event/loop.h"
#include "base/mem.h"

#include <stdio.h>

struct answer {
    int rc;
    char etag[OBJ_ETAG_MAX];
    buf out;
    uint64_t size;
    bool more;
};

static void store_done(obj_req *r) { *(bool *)r->cookie = true; }

/* turn() brings the loop forward. The answer's out is the caller's to free. */
static inline struct answer store_send(loop *l, void (*turn)(loop *l), objstore *s,
                                       obj_req r) {
    bool done = false;
    r.done = store_done;
    r.cookie = &done;
    objstore_submit(s, &r);
    while (!done) turn(l);
    struct answer a = {.rc = r.rc, .out = r.out, .size = r.size, .more = r.more};
    memcpy(a.etag, r.etag, sizeof(a.etag));
    return a;
}

static inline obj_req store_req(enum obj_op op, const char *name, slice body,
                                const char *etag) {
    obj_req r = {.op = op, .name = name, .body = body, .after = ""};
    snprintf(r.etag, sizeof(r.etag), "%s", etag == NULL ? "" : etag);
    return r;
}

#endif
