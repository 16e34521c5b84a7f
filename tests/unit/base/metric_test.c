/* metric_test.c -- sections, rows and printers of INFO. */
#include "test.h"

#include "base/metric.h"

struct counts {
    uint64_t first, second;
    int other;
};

static void print_other(void *state, buf *out) {
    buf_printf(out, "<%d>", ((struct counts *)state)->other);
}

static void print_keys(void *state, buf *out) {
    buf_append_str(out, state);
    buf_append_str(out, ":keys=1\r\n");
}

static const struct metric table[] = {
    {"Stats", "second", offsetof(struct counts, second), NULL, "A count."},
    {"Memory", "other", 0, print_other, "A text."},
    {"Stats", "first", offsetof(struct counts, first), NULL, "Another count."},
};

static void list_section(void *cookie, const char *section) {
    buf_printf(cookie, "%s ", section);
}

TEST("sections keep the order in which they came, rows theirs") {
    struct counts c = {1, UINT64_MAX, 7};
    struct counts d = {5, 6, 8};
    metrics *m = metrics_create();
    buf out = BUF_INIT;
    metrics_add(m, table, 3, &c);
    metrics_add_section(m, "Keyspace", print_keys, (char[]){"db0"});
    metrics_add(m, table + 2, 1, &d);
    CHECK(metrics_print_section(m, "sTaTs", &out));
    CHECK_SLICE(slice_of(&out), "# Stats\r\nsecond:18446744073709551615\r\nfirst:1\r\nfirst:5\r\n");
    out.n = 0;
    CHECK(metrics_print_section(m, "Memory", &out));
    CHECK_SLICE(slice_of(&out), "# Memory\r\nother:<7>\r\n");
    out.n = 0;
    CHECK(metrics_print_section(m, "keyspace", &out));
    CHECK_SLICE(slice_of(&out), "# Keyspace\r\ndb0:keys=1\r\n");
    out.n = 0;
    CHECK(!metrics_print_section(m, "none", &out));
    CHECK_INT(out.n, 0);
    metrics_sections(m, list_section, &out);
    CHECK_SLICE(slice_of(&out), "Stats Memory Keyspace ");
    buf_free(&out);
    metrics_free(m);
    metrics_free(NULL);
}

TEST("a row follows its counter") {
    struct counts c = {0};
    metrics *m = metrics_create();
    metrics_add(m, table, 1, &c);
    for (c.second = 0; c.second < 3; c.second++) {
        buf out = BUF_INIT;
        char want[32];
        snprintf(want, sizeof(want), "# Stats\r\nsecond:%d\r\n", (int)c.second);
        CHECK(metrics_print_section(m, "Stats", &out));
        CHECK_SLICE(slice_of(&out), want);
        buf_free(&out);
    }
    metrics_free(m);
}
