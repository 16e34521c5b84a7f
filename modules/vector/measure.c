/* measure.c -- VRECALL: what a search with the usual effort finds, on sampled elements.
 *
 *   VRECALL key [SAMPLES n] [K k]     map: recall, samples, k, probes
 *
 * A set without an index is searched exactly: recall 1, probes 0. */
#include "modules/vector/commands.h"
#include "modules/vector/recall.h"
#include "modules/vector/search_internal.h"

#define SAMPLES_DEFAULT 25
#define SAMPLES_MOST 100000
#define K_DEFAULT 10
#define K_MOST 1000

struct measuring {
    uint64_t uid;
    uint32_t k, probes;
    recall *recall;
};

static void measuring_free(void *state) {
    struct measuring *m = state;
    recall_free(m->recall);
    mem_free(m);
}

/* False after an error reply. */
static bool parse(call *c, int64_t *samples, int64_t *k) {
    *samples = SAMPLES_DEFAULT;
    *k = K_DEFAULT;
    for (size_t i = 2; i < call_argc(c); i += 2) {
        bool more = i + 1 < call_argc(c);
        if (call_arg_is(c, i, "samples") && more) {
            if (!num_parse_ll(call_arg(c, i + 1), samples) || *samples < 1 || *samples > SAMPLES_MOST)
                return reply_error(c, "ERR invalid SAMPLES"), false;
        } else if (call_arg_is(c, i, "k") && more) {
            if (!num_parse_ll(call_arg(c, i + 1), k) || *k < 1 || *k > K_MOST)
                return reply_error(c, "ERR invalid K"), false;
        } else {
            return reply_error(c, "ERR syntax error in VRECALL command"), false;
        }
    }
    return true;
}

static int answer(call *c, double found, uint32_t samples, int64_t k, uint32_t probes) {
    reply_map(c, 4);
    reply_bulk_str(c, "recall");
    reply_double(c, found);
    reply_bulk_str(c, "samples");
    reply_int(c, samples);
    reply_bulk_str(c, "k");
    reply_int(c, k);
    reply_bulk_str(c, "probes");
    return reply_int(c, probes);
}

int cmd_vrecall(call *c) {
    struct entry e;
    struct vset set;
    struct ivf ix;
    int64_t samples, k;
    struct measuring *m = call_state(c);
    if (m == NULL && !parse(c, &samples, &k)) return OK;
    int rc = vset_open(c, m != NULL, &e, &set);
    if (rc == ERR_NOTFOUND) return reply_error(c, "ERR key does not exist");
    if (rc != OK) return rc;
    ivf_read(&e.value, &ix);
    if (m != NULL && m->uid != set.shape.uid) return reply_error(c, "ERR the set was replaced meanwhile");
    if (ix.state != IVF_READY) {
        if (m == NULL) return answer(c, 1, (uint32_t)samples, k, 0);
        return answer(c, recall_mean(m->recall), recall_samples(m->recall), m->k, m->probes);
    }
    if (m == NULL) {
        m = mem_calloc(1, sizeof(*m));
        m->uid = set.shape.uid;
        m->k = (uint32_t)k;
        m->probes = recall_probes(&e.value, m->k, SEARCH_RECALL);
        m->recall = recall_create((uint32_t)samples, m->k, m->probes);
        call_set_state(c, m, measuring_free);
    }
    do {
        rc = recall_step(m->recall, &e.value, &set, call_rnd(c));
        if (rc == ERR_AGAIN && call_may_park(c)) {
            parked_resume(call_park(c, cmd_vrecall, NULL, NULL));
            return ERR_AGAIN;
        }
    } while (rc == ERR_AGAIN);
    if (rc != OK) return rc;
    return answer(c, recall_mean(m->recall), recall_samples(m->recall), m->k, m->probes);
}
