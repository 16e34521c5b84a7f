/* elements.c -- the options and replies of commands that scan or draw elements. */
#include "commands/elements.h"

#include "base/mem.h"
#include "base/num.h"
#include "resp/write.h"

bool elements_scan_options(call *c, bool may_omit, struct scan_options *o) {
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
