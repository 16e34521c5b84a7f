/* matches.c -- see matches.h. */
#include "modules/vector/matches.h"

#include <assert.h>

#include "base/hash.h"
#include "modules/vector/store.h"

#define RUN VSET_ATTRIBUTE_ROWS /* slots */
#define WORDS (RUN / 64)
#define GROUP 64 /* runs */
#define OFTEN 8  /* A part of all attributes that is worth the rest. */
#define KEPT 32  /* Fewer changes than one for so many elements leave a sample as it is. */
#define LOOKS 64 /* A bit costs so much less than an attribute. */

struct run {
    uint64_t version; /* of the set, for which it is right; 0: for none */
    uint64_t sum;     /* of its page's bytes */
    uint64_t known[WORDS], yes[WORDS];
};

struct matches {
    char key[MATCHES_KEY];
    struct run **groups; /* owned: of GROUP runs each; NULL until one is asked about, for the slots that there are */
    uint32_t n;          /* are the root's word, which comes from the store */
    uint64_t version, seed;
    uint64_t read; /* attributes, since it was made */
    uint64_t all_version, all; /* so many matched in that version */
    double share;
    uint64_t share_version;    /* then; 0: it has not been sampled */
    uint64_t listed;           /* by the list that is being made from slot 0 on, */
    uint64_t listed_version;   /* in this version */
};

struct all { /* the note: the last one asked for is the first */
    struct matches *m[MATCHES_FILTERS];
    size_t n;
};

static void matches_free(struct matches *m) {
    for (uint32_t i = 0; i < m->n; i++) mem_free(m->groups[i]);
    mem_free(m->groups);
    mem_free(m);
}

static void all_free(void *p) {
    struct all *a = p;
    for (size_t i = 0; i < a->n; i++) matches_free(a->m[i]);
    mem_free(a);
}

static struct all *all_of(const struct value *v) {
    struct pager_note *note = v->pager->ops->note(v->obj);
    if (note->p == NULL) *note = (struct pager_note){mem_calloc(1, sizeof(struct all)), all_free};
    return note->p;
}

void matches_key(const expr *e, char key[MATCHES_KEY]) {
    slice text = expr_text(e);
    hash_sha256_hex(text.p, text.n, key);
}

struct matches *matches_of(const struct value *v, const struct vset *set, const char key[MATCHES_KEY]) {
    struct all *a = all_of(v);
    size_t i = 0;
    while (i < a->n && memcmp(a->m[i]->key, key, MATCHES_KEY) != 0) i++;
    if (i == a->n) {
        if (a->n == MATCHES_FILTERS) matches_free(a->m[--i]);
        else a->n++;
        a->m[i] = mem_calloc(1, sizeof(*a->m[i]));
        memcpy(a->m[i]->key, key, MATCHES_KEY);
    }
    struct matches *m = a->m[i];
    memmove(a->m + 1, a->m, i * sizeof(m));
    a->m[0] = m;
    uint32_t n = set->slots / (RUN * GROUP) + 1;
    m->version = set->version;
    m->seed = set->shape.uid;
    if (m->n < n) {
        m->groups = mem_realloc(m->groups, n * sizeof(*m->groups));
        memset(m->groups + m->n, 0, (n - m->n) * sizeof(*m->groups));
        m->n = n;
    }
    return m;
}

/* Of what was known in another version, that which the same page says. */
static void keep_known(struct run *r, slice page) {
    for (uint32_t k = 0; k < RUN; k++) {
        if (rows_get(page, k).n == 0) r->known[k / 64] &= ~((uint64_t)1 << k % 64);
    }
}

/* The run as it is right for the set as it is now. */
static int renew(struct matches *m, const struct value *v, uint32_t i, struct run **out) {
    assert(i / GROUP < m->n);
    struct run **group = &m->groups[i / GROUP];
    if (*group == NULL) *group = mem_calloc(GROUP, sizeof(**group));
    struct run *r = *out = *group + i % GROUP;
    slice page;
    if (r->version == m->version) return OK;
    int rc = vset__attributes_page(v, i * RUN, &page);
    if (rc != OK && rc != ERR_NOTFOUND) return rc;
    uint64_t sum = rc == OK ? hash_xx(page.p, page.n, m->seed) : 0;
    if (rc == OK && r->version != 0 && r->sum == sum) keep_known(r, page);
    else memset(r->known, 0, sizeof(r->known));
    r->sum = sum;
    r->version = m->version;
    return OK;
}

int matches_ask(struct matches *m, const struct value *v, expr *e, uint32_t slot, bool *yes, uint64_t *asked) {
    struct run *r;
    uint32_t at = slot % RUN / 64;
    uint64_t bit = (uint64_t)1 << slot % 64;
    int rc = renew(m, v, slot / RUN, &r);
    if (rc != OK) return rc;
    if ((r->known[at] & bit) == 0) {
        slice attribute;
        rc = vset_attribute(v, slot, &attribute);
        if (rc != OK && rc != ERR_NOTFOUND) return rc;
        bool match = rc == OK && expr_match(e, attribute);
        *asked += rc == OK;
        m->read += rc == OK;
        r->known[at] |= bit;
        r->yes[at] = match ? r->yes[at] | bit : r->yes[at] & ~bit;
    }
    *yes = (r->yes[at] & bit) != 0;
    return OK;
}

bool matches_count(const struct matches *m, uint64_t *count) {
    *count = m->all;
    return m->all_version == m->version;
}

bool matches_share(const struct matches *m, const struct vset *set, double *share) {
    if (m->share_version == 0 || m->version - m->share_version > set->count / KEPT) return false;
    *share = m->share;
    return true;
}

void matches_share_set(struct matches *m, double share) {
    m->share = share;
    m->share_version = m->version;
}

bool matches_asked_often(const struct matches *m, const struct vset *set) { return m->read > set->count / OFTEN; }

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static bool all_known(const struct run *r) { return (r->known[0] & r->known[1] & r->known[2] & r->known[3]) == UINT64_MAX; }
_Static_assert(WORDS == 4, "all_known() looks at all of them");

/* All attributes of the run are in memory, or what it says is known. */
static int need_run(struct matches *m, const struct value *v, const struct vset *set, uint32_t i) {
    struct run *r;
    int rc = renew(m, v, i, &r);
    if (rc != OK || all_known(r)) return rc;
    for (uint32_t k = 0; k < RUN && i * RUN + k < set->slots; k++) {
        if ((r->known[k / 64] >> k % 64 & 1) == 0) vset__note(vset_attribute_need(v, i * RUN + k), &rc);
    }
    return rc;
}

static int list_run(struct matches *m, const struct value *v, const struct vset *set, expr *e, uint32_t i, buf *out,
                    uint64_t *asked) {
    struct run *r;
    int rc = renew(m, v, i, &r);
    for (size_t k = 0; rc == OK && all_known(r) && k < WORDS; k++) {
        for (uint64_t left = r->yes[k]; left != 0; left &= left - 1, m->listed++) {
            uint32_t slot = i * RUN + 64 * (uint32_t)k + (uint32_t)__builtin_ctzll(left);
            buf_append(out, &slot, sizeof(slot));
        }
    }
    if (rc != OK || all_known(r)) return rc;
    for (uint32_t slot = i * RUN; slot < set->slots && slot / RUN == i; slot++) {
        bool yes;
        rc = matches_ask(m, v, e, slot, &yes, asked);
        if (rc != OK) return rc;
        if (!yes) continue;
        buf_append(out, &slot, sizeof(slot));
        m->listed++;
    }
    return OK;
}

/* The next run that has slots; false: there is none. */
static bool next_run(const struct value *v, const struct vset *set, uint32_t slot, uint32_t *run) {
    uint32_t next = vset_slot_next(v, set, slot);
    *run = next / RUN;
    return next < set->slots;
}

int matches_list(struct matches *m, const struct value *v, const struct vset *set, expr *e, uint32_t *slot,
                 uint64_t work, buf *out, uint64_t *asked) {
    uint64_t end = *asked + work, looks = 0;
    uint32_t i;
    int rc = OK;
    if (*slot == 0) {
        m->listed = 0;
        m->listed_version = m->version;
    }
    /* What is cold is asked for in one round. */
    uint32_t at = *slot;
    for (uint64_t n = 0; n < work && next_run(v, set, at, &i); n += RUN, at = (i + 1) * RUN) {
        vset__note(need_run(m, v, set, i), &rc);
        if (set->slots - i * RUN <= RUN) break;
    }
    for (; rc == OK && next_run(v, set, *slot, &i) && *asked < end && looks < LOOKS * work; looks += RUN) {
        rc = need_run(m, v, set, i);
        if (rc == OK) rc = list_run(m, v, set, e, i, out, asked);
        if (rc == OK) *slot = set->slots - i * RUN > RUN ? (i + 1) * RUN : set->slots;
    }
    if (rc != OK || next_run(v, set, *slot, &i)) return rc;
    *slot = set->slots;
    if (m->listed_version != m->version) return OK;
    m->all = m->listed;
    m->all_version = m->version;
    return OK;
}
