/* observe.c -- what INFO, SLOWLOG and DEBUG look at and switch: rates, buffers, slow commands, cron.
 *
 * Rates are means over the last RATE_SAMPLES rounds of the cron. The slow log keeps what a command
 * looked like in copies cut to a size, so that one huge request cannot fill memory. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

#define RATES 3
#define SLOW_ARGS_MAX 32  /* Arguments kept of a slow command; the last says how many more. */
#define SLOW_BYTES_MAX 128 /* Bytes kept of one argument. */

struct slow {
    list link; /* newest first */
    struct slow_command view;
    char *client, *name;
};

/* ---- rates -------------------------------------------------------------------------------------- */

void observe__sample(exec *x) {
    struct rates *r = &x->rates;
    uint64_t now[RATES] = {x->stats.commands, x->stats.input_bytes, x->stats.output_bytes};
    uint64_t span = x->now_us - r->at_us;
    for (size_t i = 0; i < RATES; i++) {
        uint64_t more = now[i] >= r->last[i] ? now[i] - r->last[i] : 0; /* CONFIG RESETSTAT. */
        if (r->at_us != 0 && span > 0) r->samples[r->next][i] = more * 1000000 / span;
        r->last[i] = now[i];
    }
    r->next = (r->next + 1) % RATE_SAMPLES;
    r->at_us = x->now_us;
}

static uint64_t mean(const struct rates *r, size_t which) {
    uint64_t sum = 0;
    for (size_t i = 0; i < RATE_SAMPLES; i++) sum += r->samples[i][which];
    return sum / RATE_SAMPLES;
}

struct exec_rates exec_rates(const exec *x) {
    return (struct exec_rates){mean(&x->rates, 0), mean(&x->rates, 1), mean(&x->rates, 2)};
}

void exec_client_buffers(const exec *x, size_t *query_max, size_t *out_max) {
    *query_max = *out_max = 0;
    LIST_FOR(n, &x->clients) {
        const client *c = LIST_ENTRY(n, client, link);
        if (c->query.cap > *query_max) *query_max = c->query.cap;
        if (c->pieces_bytes + c->out.cap > *out_max) *out_max = c->pieces_bytes + c->out.cap;
    }
}

uint64_t exec_client_memory(const exec *x) {
    uint64_t sum = 0;
    LIST_FOR(n, &x->clients) {
        const client *c = LIST_ENTRY(n, client, link);
        sum += sizeof(*c) + c->query.cap + c->pieces_bytes + c->out.cap + c->queue_bytes + c->args_cap * sizeof(slice);
    }
    return sum;
}

size_t exec_start_memory(const exec *x) { return x->start_memory; }

/* ---- switches of DEBUG -------------------------------------------------------------------------- */

void exec_set_active_expire(exec *x, bool on) { x->ks_config->active_expire = on; }
void exec_pause_cron(exec *x, bool paused) { x->cron_paused = paused; }

const char *exec_replication_id(const exec *x) { return x->replication_id; }
void exec_new_replication_id(exec *x) {
    for (size_t i = 0; i < sizeof(x->replication_id) - 1; i++) {
        x->replication_id[i] = "0123456789abcdef"[rnd_below(x->deps.rnd, 16)];
    }
}

/* ---- the slow log ------------------------------------------------------------------------------- */

static void slow_free(struct slow *s) {
    for (size_t i = 0; i < s->view.argc; i++) mem_free((void *)(uintptr_t)s->view.argv[i].p);
    mem_free((void *)(uintptr_t)s->view.argv);
    mem_free(s->client);
    mem_free(s->name);
    mem_free(s);
}

static slice keep(slice arg) {
    char more[48] = "";
    size_t n = arg.n < SLOW_BYTES_MAX ? arg.n : SLOW_BYTES_MAX;
    if (arg.n > n) snprintf(more, sizeof(more), "... (%zu more bytes)", arg.n - n);
    uint8_t *p = mem_alloc(n + strlen(more) + 1);
    if (n > 0) memcpy(p, arg.p, n);
    memcpy(p + n, more, strlen(more));
    return slice_make(p, n + strlen(more));
}

/* Passwords stay out of the log. */
static bool secret(const struct call *c, size_t i) {
    const char *name = commands_declared_name(c->exec->commands, c->cmd);
    if (strcmp(name, "auth") == 0) return i > 0;
    if (strcmp(name, "hello") == 0 || strcmp(name, "acl|setuser") == 0) return i > 1;
    if (strcmp(name, "config|set") != 0 || i < 3 || i % 2 == 0) return false;
    const struct option *row = options_find(c->exec->deps.options, c->argv[i - 1]);
    return row != NULL && (row->flags & OPTION_SECRET) != 0;
}

static void trim(exec *x, size_t most) {
    while (x->slow_n > most) {
        struct slow *s = LIST_ENTRY(x->slow.prev, struct slow, link);
        list_remove(&s->link);
        slow_free(s);
        x->slow_n--;
    }
}

void observe__slow(const struct call *c, uint64_t usec) {
    exec *x = c->exec;
    int64_t least = x->deps.config->slowlog_log_slower_than;
    if (least < 0 || usec < (uint64_t)least || (c->cmd->flags & CMD_SKIP_SLOWLOG) != 0) return;
    struct slow *s = mem_calloc(1, sizeof(*s));
    size_t n = c->argc < SLOW_ARGS_MAX ? c->argc : SLOW_ARGS_MAX;
    slice *argv = mem_alloc(n * sizeof(*argv));
    for (size_t i = 0; i < n; i++) {
        char more[48];
        snprintf(more, sizeof(more), "... (%zu more arguments)", c->argc - n + 1);
        argv[i] = keep(i == n - 1 && c->argc > n ? slice_str(more)
                       : secret(c, i)            ? SLICE("(redacted)")
                                                 : c->argv[i]);
    }
    s->client = mem_strdup(client_peer(c->client));
    s->name = mem_strdup(client_name(c->client));
    s->view = (struct slow_command){.id = x->slow_next++, .time_s = (uint64_t)x->wall_ms / 1000,
                                    .usec = usec, .argv = argv, .argc = n, .client = s->client,
                                    .name = s->name};
    list_push_front(&x->slow, &s->link);
    x->slow_n++;
    trim(x, (size_t)x->deps.config->slowlog_max_len);
}

size_t exec_slow_count(const exec *x) { return x->slow_n; }
void exec_slow_reset(exec *x) { trim(x, 0); }
void exec_each_slow(exec *x, size_t most, void (*each)(void *cookie, const struct slow_command *s),
                    void *cookie) {
    LIST_FOR(n, &x->slow) {
        if (most-- == 0) return;
        each(cookie, &LIST_ENTRY(n, struct slow, link)->view);
    }
}
