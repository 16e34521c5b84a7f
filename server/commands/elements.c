/* elements.c -- the options and replies of commands that scan or draw elements. */
#include "commands/elements.h"

#include "base/mem.h"
#include "base/num.h"
#include "commands/commands.h"
#include "resp/write.h"

struct scan_options {
    slice pattern;
    bool all;       /* every element matches */
    bool no_values; /* NOVALUES */
    int64_t count;  /* 1 to SCAN_COUNT_MAX */
};

/* The arguments behind the cursor; may_omit: NOVALUES is one of them. False after an error reply. */
static bool scan_options(call *c, bool may_omit, struct scan_options *o) {
    *o = (struct scan_options){.all = true, .count = 10};
    for (size_t i = 3; i < call_argc(c); i++) {
        bool more = i + 1 < call_argc(c);
        if (more && call_arg_is(c, i, "count")) {
            if (!call_int(c, ++i, &o->count)) return false;
            if (o->count >= 1) continue;
        } else if (more && call_arg_is(c, i, "match")) {
            o->pattern = call_arg(c, ++i);
            o->all = slice_eq(o->pattern, SLICE("*"));
            continue;
        } else if (may_omit && call_arg_is(c, i, "novalues")) {
            o->no_values = true;
            continue;
        }
        reply_syntax(c);
        return false;
    }
    if (o->count > SCAN_COUNT_MAX) o->count = SCAN_COUNT_MAX;
    return true;
}

void elements_scan_reply(call *c, uint64_t cursor, size_t n, slice found) {
    char text[NUM_LL_MAX];
    reply_array(c, 2);
    reply_bulk(c, slice_make(text, num_print_ull(text, cursor)));
    reply_array(c, n);
    buf_append_slice(call_out(c), found);
}

int elements_scan(call *c, int (*read)(call *c, struct entry *e), uint64_t (*len)(const struct value *v), struct walk w,
                  unsigned fewer) {
    struct entry e;
    struct scan_options o;
    uint64_t cursor;
    buf found = BUF_INIT;
    if (!command_scan_cursor(c, 2, &cursor)) return OK;
    int rc = read(c, &e);
    if (rc == ERR_NOTFOUND) {
        elements_scan_reply(c, 0, 0, slice_make(NULL, 0));
        return OK;
    }
    if (rc != OK) return rc;
    if (!scan_options(c, fewer != 0, &o)) return OK;
    uint64_t from = cursor;
    w.out = &found;
    w.limit = walk_limit(c, &found);
    w.reply = WALK_SCAN;
    w.pattern = o.pattern;
    w.all = o.all;
    if (o.no_values) w.parts = fewer;
    if (walk_is_long(c, (uint64_t)o.count, len(&e.value))) rc = WALK_ENDS;
    else rc = w.scan(&e.value, &cursor, (size_t)o.count, &w);
    if (rc == WALK_ENDS) rc = walk_in_steps(c, &e.value, &w, from, (uint64_t)o.count);
    else if (rc == OK) elements_scan_reply(c, cursor, w.n, slice_of(&found));
    buf_free(&found);
    return rc;
}

rnd elements_chance(call *c) {
    rnd *kept = call_state(c);
    if (kept == NULL) {
        kept = mem_alloc(sizeof(*kept));
        rnd_seed(kept, rnd_u64(call_rnd(c)));
        call_set_state(c, kept, mem_free);
    }
    return *kept;
}

bool elements_draw_options(call *c, const char *word, int64_t *count, bool *pairs) {
    size_t argc = call_argc(c);
    *pairs = word != NULL && argc == 4 && call_arg_is(c, 3, word);
    if (!call_int(c, 2, count)) return false;
    if (*count == INT64_MIN) {
        reply_errorf(c, "ERR value is out of range, value must between %lld and %lld", -(long long)INT64_MAX,
                     (long long)INT64_MAX);
        return false;
    }
    if (argc > 3 && !*pairs) {
        reply_syntax(c);
        return false;
    }
    if ((*pairs && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) || *count < -DRAWS_MAX) {
        reply_error(c, "ERR value is out of range");
        return false;
    }
    return true;
}
