/* value.h -- one value as a type sees it, whatever its size.
 *
 * A value is an integer, a short run of bytes inside the directory page, or an object with
 * pages. keyspace fills a struct value from the entry, and, around an apply(), stores what the
 * type left in it: the type may set num or raw (at most INLINE_BYTES_MAX; built in `scratch` or
 * borrowed from the effect), or make an object, or set kind to VALUE_NONE: empty, so the entry
 * goes away. During apply() an object is exclusively owned: its meta may be written. What apply()
 * takes out of the value it frees itself (ops->free): after it, v->obj counts only with
 * VALUE_OBJECT. restore() works in the same way, on an empty value. */
#ifndef COVE_TYPES_VALUE_H
#define COVE_TYPES_VALUE_H

#include "types/effect.h"
#include "types/pager.h"

enum value_kind { VALUE_NONE = 0, VALUE_INT = 1, VALUE_RAW = 2, VALUE_OBJECT = 3 };

enum type_id { /* stored: never renumbered */
    TYPE_STRING = 1, TYPE_LIST = 2, TYPE_SET = 3, TYPE_ZSET = 4, TYPE_HASH = 5,
    TYPE_STREAM = 6, TYPE_VECTORSET = 16, TYPE_VOLUME = 17
};
#define TYPES_MAX 32

struct type_config { /* thresholds of encodings; options of types */
    int64_t hash_max_listpack_entries, hash_max_listpack_value;
    int64_t list_max_listpack_size, list_compress_depth;
    int64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
    int64_t zset_max_listpack_entries, zset_max_listpack_value;
    int64_t hll_sparse_max_bytes, stream_node_max_bytes, stream_node_max_entries;
    int64_t proto_max_bulk_len;
};

struct value {
    uint8_t type, kind;
    uint8_t aux;       /* the type's own byte, kept in the entry (an encoding, a flag) */
    int64_t now_ms;    /* for reading: what expired before is not there; 0: all is (as in apply()) */
    int64_t num;       /* VALUE_INT */
    slice raw;         /* VALUE_RAW */
    object *obj;       /* VALUE_OBJECT */
    pager *pager;
    buf *scratch;      /* the keyspace's; cleared before each apply() */
    const struct type_config *config;
};

/* What the store says of a value before any of its pages is read. */
struct stored_value {
    uint8_t kind, aux;
    bool hashed;    /* VALUE_OBJECT: its pages go by hash, not by index */
    slice bytes;    /* VALUE_RAW: the value; VALUE_OBJECT: its meta */
};
#define VALUE_COUNT_MAX ((uint64_t)1 << 48) /* More than a store holds, and sums do not wrap. */

struct type {
    uint8_t id;
    const char *name;             /* what TYPE answers */
    /* Could a value of this type look like that? Asked once, when a directory page comes from the
     * store: what it lets in, no other function has to doubt. Whether the pages agree with the
     * meta is seen when they are used. */
    bool (*stored_ok)(const struct stored_value *s);
    /* Applies one effect of this type: deterministic, all pages asked for before any change.
     * v->kind is VALUE_NONE for a key that is not there. OK, ERR_COLD, or ERR_CORRUPT when the
     * effect itself makes no sense (it came from a damaged log). */
    int (*apply)(struct value *v, const effect *e);
    /* Appends the RDB type byte and payload, as in DUMP without its footer. */
    int (*dump)(struct value *v, buf *out);
    /* Reads a payload of one of its RDB types into v (kind VALUE_NONE before). Hostile
     * input: ERR_CORRUPT, and nothing is leaked. */
    int (*restore)(struct value *v, uint8_t rdb_type, reader *r, unsigned rdb_version);
    const uint8_t *rdb_types;     /* those restore() takes, ended by 0xFF */
    const char *(*encoding)(struct value *v); /* OBJECT ENCODING */
    uint64_t (*length)(struct value *v);      /* elements; O(1) */
    /* When something inside of the value expires first; INT64_MAX: nothing does. Of an object, 0 for "ask its
     * note" (pager_look). NULL: nothing ever does. */
    int64_t (*due)(const struct stored_value *s);
    /* Mixes the value into a 20-byte digest as DEBUG DIGEST-VALUE does. */
    int (*digest)(struct value *v, uint8_t digest[20]);
    /* Walks every invariant of the value; ERR_CORRUPT and a sentence. May be cold. */
    int (*check)(struct value *v, char why[160]);
    /* Does an effect of this op change nothing that a client could see (an index is reorganised)? Then nobody is
     * told of it: WATCH, who waits for the key. NULL: all do. */
    bool (*silent)(uint8_t op);
    /* Of a dense object: bit n is set when pages whose index modulo 8 is n leave memory after others, for they are
     * what tells which of the others are needed. */
    uint8_t lasting;
    /* Of a dense object, likewise: pages of which copies come with its page table, when they are few: what tells which
     * of the others are needed. */
    uint8_t along;
    /* What commands are about to look at comes near, as far as it is in memory (pager's near()): of a dense object, for
     * these elements, and for scores that they are to get, as texts; p NULL: none. NULL: there is no use. */
    void (*ahead)(const struct value *v, const slice *element, const slice *score, size_t n);
};

/* For restore(): with rc OK, *v becomes what was built in a copy of it that has a scratch of its own; else that
 * goes. Frees the scratch, answers rc. */
int value_take_built(struct value *v, struct value *built, buf *scratch, int rc);

/* So many elements become the value: VALUE_NONE of none; else `small`, in the entry where that is short enough, or as the
 * only page of an object; or *table, when there is one, which is taken. A meta of VALUE_COUNTED_META bytes: u8 what the
 * object is, u64 elements. v->type and v->aux are the caller's. ERR_NOMEM. */
#define VALUE_COUNTED_META 9
int value_become(struct value *v, uint64_t count, slice small, object **table, uint8_t as_page, uint8_t as_table);

/* The types of a server: built in, and those of modules. */
struct type_set {
    const struct type *by_id[TYPES_MAX];
};
const struct type *type_by_rdb(const struct type_set *s, uint8_t rdb_type);
const struct type *type_by_name(const struct type_set *s, slice name);
void type_add(struct type_set *s, const struct type *t);

/* The built-in types. */
extern const struct type type_string, type_list, type_set, type_zset, type_hash, type_stream;

#endif
