/* info.c -- INFO, and the sections that are lists: commands, errors, modules, databases, forks.
 *
 * Sections come from the metric tables of all folders. Redis's own come first and in Redis's order;
 * then whatever else somebody counts, in the order in which it was added. */
#include "commands/info.h"

#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "resp/write.h"

/* ---- values ------------------------------------------------------------------------------------- */

void info_print_u64(buf *out, uint64_t v) {
    char text[NUM_LL_MAX];
    buf_append(out, text, num_print_ull(text, v));
}

void info_print_zero(void *state, buf *out) {
    (void)state;
    buf_u8(out, '0');
}

void info_print_human(buf *out, uint64_t bytes) {
    static const char units[] = "KMGTP";
    double v = (double)bytes;
    size_t unit = 0;
    if (bytes < 1024) {
        buf_printf(out, "%lluB", (unsigned long long)bytes);
        return;
    }
    v /= 1024;
    while (v >= 1024 && unit + 2 < sizeof(units)) {
        v /= 1024;
        unit++;
    }
    buf_printf(out, "%.2f%c", v, units[unit]);
}

void info_print_option(exec *x, const char *name, buf *out) {
    options *o = exec_deps(x)->options;
    const struct option *row = options_find(o, slice_str(name));
    if (row != NULL) options_print(o, row, out);
}

uint64_t info_value(exec *x, const char *section, const char *name) {
    buf text = BUF_INIT;
    size_t n = strlen(name), digits = 0;
    uint64_t v = 0;
    metrics_print_section(exec_deps(x)->metrics, section, &text);
    for (size_t i = 0; i + n + 2 < text.n; i++) {
        if (text.p[i] != '\n' || memcmp(text.p + i + 1, name, n) != 0 || text.p[i + 1 + n] != ':') {
            continue;
        }
        const uint8_t *at = text.p + i + n + 2;
        while (at + digits < text.p + text.n && at[digits] >= '0' && at[digits] <= '9') digits++;
        if (!num_parse_ull(slice_make(at, digits), &v)) v = 0;
        break;
    }
    buf_free(&text);
    return v;
}

/* ---- lists -------------------------------------------------------------------------------------- */

static void print_modules(void *state, buf *out) {
    const struct exec_deps *d = exec_deps(state);
    for (size_t i = 0; i < d->modules_count; i++) {
        buf_printf(out, "module:name=%s,ver=%d,api=1,filters=0,usedby=[],using=[],options=[]\r\n",
                   d->modules[i].name, d->modules[i].version);
    }
}

struct stats_list {
    exec *exec;
    buf *out;
};

static void print_command(void *cookie, const struct command *cmd) {
    struct stats_list *l = cookie;
    commands *t = exec_commands(l->exec);
    const struct command_stats *s = commands_stats(t, cmd);
    if (s->calls == 0 && s->rejected == 0 && s->failed == 0) return;
    buf_printf(l->out,
               "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
               "failed_calls=%llu\r\n",
               commands_full_name(t, cmd), (unsigned long long)s->calls,
               (unsigned long long)s->usec,
               s->calls == 0 ? 0.0 : (double)s->usec / (double)s->calls,
               (unsigned long long)s->rejected, (unsigned long long)s->failed);
}

static void print_commands(void *state, buf *out) {
    struct stats_list l = {state, out};
    commands_each(exec_commands(state), print_command, &l);
}

static void print_error(void *cookie, const char *prefix, uint64_t count) {
    buf_printf(cookie, "errorstat_%s:count=%llu\r\n", prefix, (unsigned long long)count);
}

static void print_errors(void *state, buf *out) { exec_each_error(state, print_error, out); }

/* No histograms are kept: the section is there, and empty, as in Redis before the first command. */
static void print_latency(void *state, buf *out) {
    (void)state;
    (void)out;
}

static void print_cluster(void *state, buf *out) {
    (void)state;
    buf_append_str(out, "cluster_enabled:0\r\n");
}

/* Databases by number: a walk is in no order. */
static void print_keyspace(void *state, buf *out) {
    const struct exec_deps *d = exec_deps(state);
    for (int i = 0; i < (int)d->keyspace_config->databases; i++) {
        db *one = keyspace_db(d->keyspace, i);
        if (db_keys(one) == 0) continue;
        buf_printf(out, "db%d:keys=%llu,expires=%llu,avg_ttl=0\r\n", i,
                   (unsigned long long)db_keys(one), (unsigned long long)db_expires(one));
    }
}

static void print_fork(void *cookie, db *d) {
    if (db_number(d) >= 0) return;
    buf_printf(cookie, "fork:name=%s,id=%llu,keys=%llu,expires=%llu\r\n", db_name(d),
               (unsigned long long)db_id(d), (unsigned long long)db_keys(d),
               (unsigned long long)db_expires(d));
}

static void print_forks(void *state, buf *out) {
    keyspace_each_db(exec_deps(state)->keyspace, print_fork, out);
}

static void print_loop(void *state, buf *out) {
    struct loop_stats s;
    loop_get_stats(exec_deps(state)->loop, &s);
    buf_printf(out,
               "loop_turns:%llu\r\nloop_turn_cpu_us_max:%llu\r\nloop_turns_over_1ms:%llu\r\n"
               "loop_turns_over_5ms:%llu\r\n",
               (unsigned long long)s.turns, (unsigned long long)s.turn_cpu_us_max,
               (unsigned long long)s.turns_over_1ms, (unsigned long long)s.turns_over_5ms);
}

void commands_add_metrics(exec *x) {
    metrics *m = exec_deps(x)->metrics;
    metrics_add(m, info_server_metrics, info_server_metrics_count, x);
    metrics_add(m, info_stats_metrics, info_stats_metrics_count, x);
    metrics_add_section(m, "Modules", print_modules, x);
    metrics_add_section(m, "Commandstats", print_commands, x);
    metrics_add_section(m, "Errorstats", print_errors, x);
    metrics_add_section(m, "Latencystats", print_latency, x);
    metrics_add_section(m, "Cluster", print_cluster, x);
    metrics_add_section(m, "Keyspace", print_keyspace, x);
    metrics_add_section(m, "Forks", print_forks, x);
    metrics_add_section(m, "Loop", print_loop, x);
}

/* ---- INFO --------------------------------------------------------------------------------------- */

static const struct { const char *name; bool by_default; } order[] = {
    {"Server", true},        {"Clients", true},     {"Memory", true},      {"Persistence", true},
    {"Stats", true},         {"Replication", true}, {"CPU", true},         {"Modules", true},
    {"Commandstats", false}, {"Errorstats", true},  {"Latencystats", false}, {"Cluster", true},
    {"Keyspace", true}};
#define ORDER_COUNT (sizeof(order) / sizeof(*order))

struct info {
    call *call;
    bool all, by_default;
    buf out;
};

static bool wanted(const struct info *f, const char *section, bool by_default) {
    if (f->all || (f->by_default && by_default)) return true;
    for (size_t i = 1; i < call_argc(f->call); i++) {
        if (call_arg_is(f->call, i, section)) return true;
    }
    return false;
}

static void print_section(struct info *f, const char *section) {
    if (f->out.n > 0) buf_append_str(&f->out, "\r\n");
    metrics_print_section(exec_deps(call_exec(f->call))->metrics, section, &f->out);
}

static void print_other(void *cookie, const char *section) {
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        if (strcmp(order[i].name, section) == 0) return;
    }
    if (wanted(cookie, section, true)) print_section(cookie, section);
}

static int cmd_info(call *c) {
    struct info f = {.call = c, .by_default = call_argc(c) == 1};
    for (size_t i = 1; i < call_argc(c); i++) {
        if (call_arg_is(c, i, "all") || call_arg_is(c, i, "everything")) f.all = true;
        if (call_arg_is(c, i, "default")) f.by_default = true;
    }
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        if (wanted(&f, order[i].name, order[i].by_default)) print_section(&f, order[i].name);
    }
    metrics_sections(exec_deps(call_exec(c))->metrics, print_other, &f);
    reply_verbatim(c, "txt", slice_of(&f.out));
    buf_free(&f.out);
    return OK;
}

static const struct command rows[] = {
    {.name = "info", .fn = cmd_info, .arity = -1, .flags = CMD_LOADING | CMD_STALE,
     .categories = CAT_DANGEROUS, .group = GROUP_SERVER, .since = "1.0.0",
     .summary = "Get information and statistics about the server", .complexity = "O(1)",
     .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special"},
};
const struct command_family family_info = {rows, sizeof(rows) / sizeof(*rows)};
