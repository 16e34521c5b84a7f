/* metric.c -- the registry of metrics, by section, in the order they were added.
 *
 * INFO is rare and sections are few, so a section is found by looking at each. */
#include "base/metric.h"

#include <assert.h>

#include "base/mem.h"

/* A table that was added, or a section's printer. */
struct part {
    const struct metric *table;
    size_t count;
    void (*print)(void *state, buf *out);
    void *state;
    const char *section; /* For a printer; a row of a table says its own. */
};

struct metrics {
    struct part *parts;
    size_t parts_n;
    const char **sections; /* In the order they were first named. */
    size_t sections_n;
};

metrics *metrics_create(void) { return mem_calloc(1, sizeof(metrics)); }

void metrics_free(metrics *m) {
    if (m == NULL) return;
    mem_free(m->parts);
    mem_free(m->sections);
    mem_free(m);
}

static void section_note(metrics *m, const char *section) {
    assert(section != NULL);
    for (size_t i = 0; i < m->sections_n; i++)
        if (slice_is(slice_str(section), m->sections[i])) return;
    m->sections = mem_realloc(m->sections, (m->sections_n + 1) * sizeof(*m->sections));
    m->sections[m->sections_n++] = section;
}

static void part_add(metrics *m, struct part part) {
    m->parts = mem_realloc(m->parts, (m->parts_n + 1) * sizeof(*m->parts));
    m->parts[m->parts_n++] = part;
}

void metrics_add(metrics *m, const struct metric *table, size_t count, void *state) {
    for (size_t i = 0; i < count; i++) {
        assert(table[i].name != NULL);
        section_note(m, table[i].section);
    }
    part_add(m, (struct part){table, count, NULL, state, NULL});
}

void metrics_add_section(metrics *m, const char *section, void (*print)(void *state, buf *out),
                         void *state) {
    assert(print != NULL);
    section_note(m, section);
    part_add(m, (struct part){NULL, 0, print, state, section});
}

static void row_print(const struct metric *row, void *state, buf *out) {
    buf_append_str(out, row->name);
    buf_u8(out, ':');
    if (row->print != NULL) {
        row->print(state, out);
    } else {
        uint64_t v;
        memcpy(&v, (const char *)state + row->offset, sizeof(v));
        buf_printf(out, "%llu", (unsigned long long)v);
    }
    buf_append_str(out, "\r\n");
}

bool metrics_print_section(metrics *m, const char *section, buf *out) {
    const char *title = NULL;
    for (size_t i = 0; i < m->sections_n && title == NULL; i++)
        if (slice_is(slice_str(section), m->sections[i])) title = m->sections[i];
    if (title == NULL) return false;
    buf_append_str(out, "# ");
    buf_append_str(out, title);
    buf_append_str(out, "\r\n");
    for (size_t i = 0; i < m->parts_n; i++) {
        const struct part *p = &m->parts[i];
        if (p->print != NULL && slice_is(slice_str(p->section), title)) p->print(p->state, out);
        for (size_t k = 0; k < p->count; k++)
            if (slice_is(slice_str(p->table[k].section), title))
                row_print(&p->table[k], p->state, out);
    }
    return true;
}

void metrics_sections(metrics *m, void (*each)(void *cookie, const char *section),
                      void *cookie) {
    for (size_t i = 0; i < m->sections_n; i++) each(cookie, m->sections[i]);
}
