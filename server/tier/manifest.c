/* manifest.c -- encodes and checks "M", and the names of data objects. */
#include "tier/manifest.h"

#include <assert.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/limits.h"

#define MANIFEST_MAGIC 0x464d5643u /* "CVMF" */

void manifest_encode(const struct manifest *m, buf *out) {
    size_t start = out->n;
    buf_u32(out, MANIFEST_MAGIC);
    buf_u16(out, FORMAT_MANIFEST);
    buf_u8(out, m->state);
    buf_u8(out, 0);
    buf_u32(out, 0); /* features */
    buf_u32(out, m->window);
    const uint64_t fields[] = {
        m->version, m->nonce, m->epoch, m->owner, m->lease_ms,
        m->log_start, m->log_epoch, m->log_hash, m->log_records,
        m->log_floor, m->trim_seq, m->trim_ms,
        m->checkpoint_lsn, m->checkpoint_ms, m->lsn_max, m->data_pending,
        m->roots_bytes, m->roots_hash
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) buf_u64(out, fields[i]);
    buf_append(out, m->chain, DIGEST_BYTES);
    buf_bytes(out, slice_str(m->roots));
    buf_u64(out, hash_xx(out->p + start, out->n - start, MANIFEST_MAGIC));
    assert(out->n - start <= MANIFEST_BYTES_MAX);
}

int manifest_decode(slice bytes, struct manifest *out) {
    if (bytes.n < 24 || bytes.n > MANIFEST_BYTES_MAX) return ERR_CORRUPT;
    if (get_u32(bytes.p) != MANIFEST_MAGIC) return ERR_CORRUPT;
    if (get_u64(bytes.p + bytes.n - 8) != hash_xx(bytes.p, bytes.n - 8, MANIFEST_MAGIC))
        return ERR_CORRUPT;
    reader r = reader_make(slice_make(bytes.p, bytes.n - 8));
    struct manifest m = {0};
    (void)read_u32(&r);
    uint16_t format = read_u16(&r);
    m.state = read_u8(&r);
    (void)read_u8(&r);
    uint32_t features = read_u32(&r);
    if (format != FORMAT_MANIFEST || features != 0) return ERR_UNSUPPORTED;
    m.window = read_u32(&r);
    uint64_t *const fields[] = {
        &m.version, &m.nonce, &m.epoch, &m.owner, &m.lease_ms,
        &m.log_start, &m.log_epoch, &m.log_hash, &m.log_records,
        &m.log_floor, &m.trim_seq, &m.trim_ms,
        &m.checkpoint_lsn, &m.checkpoint_ms, &m.lsn_max, &m.data_pending,
        &m.roots_bytes, &m.roots_hash
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) *fields[i] = read_u64(&r);
    slice chain = read_raw(&r, DIGEST_BYTES);
    slice roots = read_bytes(&r);
    if (r.bad || reader_left(&r) != 0 || roots.n > DATA_NAME_MAX) return ERR_CORRUPT;
    memcpy(m.chain, chain.p, DIGEST_BYTES);
    if (roots.n > 0) memcpy(m.roots, roots.p, roots.n);
    if (m.roots[0] != '\0' && !data_parse_name(m.roots, NULL, NULL)) return ERR_CORRUPT;
    if (m.state != MANIFEST_OWNED && m.state != MANIFEST_RELEASED) return ERR_CORRUPT;
    if (m.window == 0 || m.window > LOG_WINDOW_MAX || m.epoch == 0) return ERR_CORRUPT;
    *out = m;
    return OK;
}

void data_name(uint64_t epoch, uint64_t counter, uint64_t random, char out[DATA_NAME_MAX + 1]) {
    snprintf(out, DATA_NAME_MAX + 1, "data/%08llx-%08llx-%016llx", (unsigned long long)epoch,
             (unsigned long long)counter, (unsigned long long)random);
}

static bool hex_field(const char **p, char end, size_t digits_min, uint64_t *out) {
    uint64_t v = 0;
    size_t n = 0;
    for (; **p != end; (*p)++, n++) {
        unsigned digit;
        if (**p >= '0' && **p <= '9') digit = (unsigned)(**p - '0');
        else if (**p >= 'a' && **p <= 'f') digit = (unsigned)(**p - 'a') + 10;
        else return false;
        if (n == 16) return false;
        v = v << 4 | digit;
    }
    *out = v;
    return n >= digits_min;
}

bool data_parse_name(const char *name, uint64_t *epoch, uint64_t *counter) {
    uint64_t e, c, random;
    if (strncmp(name, "data/", 5) != 0) return false;
    const char *p = name + 5;
    if (!hex_field(&p, '-', 8, &e)) return false;
    p++;
    if (!hex_field(&p, '-', 8, &c)) return false;
    p++;
    if (!hex_field(&p, '\0', 16, &random)) return false;
    if (epoch != NULL) *epoch = e;
    if (counter != NULL) *counter = c;
    return true;
}
