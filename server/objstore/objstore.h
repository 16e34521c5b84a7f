/* objstore.h -- one interface to object stores: S3, a directory, and a seeded double.
 *
 * Objects are whole and immutable but for the few that are replaced by If-Match. A request
 * is a struct owned by the caller until its callback, which runs on the loop exactly once,
 * never inside objstore_submit(), and never after objstore_free() has returned.
 *
 * Outcomes of a conditional PUT (research durability.md 2.1, 3.4):
 *   OK            the object is stored, durably, with exactly these bytes
 *   ERR_PRECOND   the name exists (put-if-absent) or the etag differs (put-if-match). After a
 *                 retry inside the store this may be our own earlier success: the caller reads
 *                 the object back and looks for its nonce.
 *   ERR_TIMEOUT   not known: may have happened, may happen yet. Read back, or send the same
 *                 bytes again.
 *   ERR_AGAIN     did not happen (throttled, conflict) and the retry budget is spent
 *   ERR_AUTH      refused for good (credentials, bucket, policy); objstore_why() says it
 *   ERR_FULL      did not happen, for want of room or quota: no retry helps before somebody makes room
 *   ERR_IO        did not happen for another reason; objstore_why() says it
 * Bytes of a PUT are never changed between its retries. Reads answer ERR_NOTFOUND for an absent
 * object. Nothing that a store returns is trusted: lengths are checked by whoever decodes. */
#ifndef COVE_OBJSTORE_OBJSTORE_H
#define COVE_OBJSTORE_OBJSTORE_H

#include "base/bytes.h"
#include "base/err.h"

#define OBJ_NAME_MAX 255
#define OBJ_ETAG_MAX 80
#define OBJ_LIST_MAX 1000 /* names in one page of a list */

enum obj_op {
    OBJ_PUT,           /* unconditional */
    OBJ_PUT_ABSENT,    /* If-None-Match: * */
    OBJ_PUT_MATCH,     /* If-Match: etag */
    OBJ_GET,           /* length 0: the whole object; else [offset, offset+length), which may
                        * be cut short by the object's end */
    OBJ_HEAD,          /* size and etag */
    OBJ_LIST,          /* names with prefix `name`, after `after`, in name order, <= 1000 */
    OBJ_DELETE         /* OK also when absent */
};
#define OBJ_OPS 7

typedef struct obj_req obj_req;
typedef void obj_done(obj_req *r);
struct obj_req {
    /* Set by the caller, borrowed until done. */
    enum obj_op op;
    const char *name;       /* relative to the store's prefix: [A-Za-z0-9/._-]+ */
    slice body;             /* PUT */
    char etag[OBJ_ETAG_MAX];/* PUT_MATCH: in; any PUT, GET, HEAD: out */
    uint64_t offset, length;
    const char *after;      /* LIST; "" for the first page */
    unsigned hedge_ms;      /* 0: never; else a second, identical request after this long */
    /* GET: answered only when what was read survives a power loss. The file store syncs the file (its
     * folder's entry with the next name made in it); elsewhere whatever can be read is stored. */
    bool durable;
    /* GET, or NULL: a store that reads on a thread of its own calls it there when the bytes have come,
     * and sets `worked`; so checking and unpacking them needs no second thread. */
    void (*work)(obj_req *r);
    obj_done *done;
    void *cookie;
    /* Set by the store before done. */
    int rc;
    buf out;                /* GET: the bytes; LIST: NUL-terminated names. buf_free() it. */
    uint64_t size;          /* GET, HEAD: of the whole object */
    bool more;              /* LIST: there is another page */
    bool worked;            /* work() has run, on these bytes */
    /* The store's own. */
    void *impl;
    obj_req *next;
};

typedef struct objstore objstore;
struct objstore_stats {
    uint64_t requests[OBJ_OPS], errors[OBJ_OPS], retries, hedges;
    uint64_t bytes_up, bytes_down;
};
struct objstore_ops {
    void (*submit)(objstore *s, obj_req *r);
    void (*free)(objstore *s);
    const char *(*describe)(objstore *s); /* "file:/data", "s3://bucket/prefix"; no secrets */
};
struct objstore {
    const struct objstore_ops *ops;
    struct objstore_stats stats;
    char why[256];          /* the last refusal, one sentence, no secrets */
};

static inline void objstore_submit(objstore *s, obj_req *r) { s->ops->submit(s, r); }
static inline void objstore_free(objstore *s) { if (s != NULL) s->ops->free(s); }
static inline const char *objstore_why(objstore *s) { return s->why; }
/* True for a name that every store takes. */
bool objstore_name_ok(const char *name);

#endif
