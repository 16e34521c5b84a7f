/* config_file.c -- the configuration as text: redis.conf.sample from the option tables, and CONFIG
 * REWRITE, which keeps the user's lines and comments and changes only what has changed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "commands/commands.h"

static void sample_row(void *cookie, const struct option *row) {
    FILE *f = cookie;
    if ((row->flags & (OPTION_HIDDEN | OPTION_IGNORED)) != 0) return;
    fprintf(f, "\n# %s\n", row->doc);
    if (row->alias != NULL) fprintf(f, "# Also known as %s.\n", row->alias);
    if (row->kind == OPTION_STRING && row->initial[0] == '\0') fprintf(f, "# %s \"\"\n", row->name);
    else fprintf(f, "%s %s\n", row->name, row->initial);
}

static void sample_ignored(void *cookie, const struct option *row) {
    FILE *f = cookie;
    if ((row->flags & OPTION_IGNORED) == 0 || (row->flags & OPTION_HIDDEN) != 0) return;
    fprintf(f, "# %s %s\n", row->name, row->initial[0] == '\0' ? "\"\"" : row->initial);
}

int commands_print_sample(options *o) {
    puts("# Every option of the server with its default. Start with\n"
         "#\n"
         "#   cove-server /path/to/redis.conf [--option value ...]\n"
         "#\n"
         "# The file has the form of Redis's: a directive a line, 1gb and 64mb for sizes, include for\n"
         "# further files. An unchanged redis.conf of Redis 7.0 starts the server.");
    options_each(o, sample_row, stdout);
    puts("\n# Directives of Redis that are accepted, kept and answered by CONFIG GET, and have no effect:\n#");
    options_each(o, sample_ignored, stdout);
    return 0;
}

/* ---- CONFIG REWRITE ------------------------------------------------------------------------------- */

struct rewrite {
    const struct exec_deps *deps;
    options *options;
    buf out;
    slice old;
};

static void append_value(buf *out, const char *name, const buf *value, bool plain) {
    buf_append_str(out, name);
    buf_u8(out, ' ');
    if (plain && value->n > 0) {
        buf_append_slice(out, slice_of(value));
    } else {
        buf_u8(out, '"');
        for (size_t i = 0; i < value->n; i++) {
            uint8_t b = value->p[i];
            if (b == '"' || b == '\\') buf_u8(out, '\\');
            if (b >= ' ' && b < 127) buf_u8(out, b);
            else buf_printf(out, "\\x%02x", b);
        }
        buf_u8(out, '"');
    }
    buf_u8(out, '\n');
}

/* The old file's lines, without those of options, which follow anew at their first place, and without
 * users, which follow at the end. */
static bool line_option(options *o, slice line, const struct option **row, bool *user) {
    buf store = BUF_INIT;
    slice *words = NULL;
    size_t n = 0;
    *row = NULL;
    if (line.n > 0 && line.p[0] != '#' && option_split_line(line, &store, &words, &n) == OK && n > 0) {
        *row = options_find(o, words[0]);
        *user = slice_is(words[0], "user");
    }
    mem_free(words);
    buf_free(&store);
    return *row != NULL;
}

static void emit(struct rewrite *w, const struct option *row) {
    buf value = BUF_INIT;
    options_print(w->options, row, &value);
    append_value(&w->out, row->name, &value,
                 row->kind != OPTION_STRING || strcmp(row->name, "bind") == 0);
    buf_free(&value);
}

static bool written(const struct rewrite *w, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i + n < w->out.n; i++) {
        if ((i == 0 || w->out.p[i - 1] == '\n') && memcmp(w->out.p + i, name, n) == 0 &&
            w->out.p[i + n] == ' ') return true;
    }
    return false;
}

static void emit_changed(void *cookie, const struct option *row) {
    struct rewrite *w = cookie;
    if (written(w, row->name) || (row->flags & OPTION_HIDDEN) != 0) return;
    buf value = BUF_INIT, initial = BUF_INIT;
    options_print(w->options, row, &value);
    options_print_initial(w->options, row, &initial);
    if (!slice_eq(slice_of(&value), slice_of(&initial))) emit(w, row);
    buf_free(&value);
    buf_free(&initial);
}

/* Users that stand in this file; the default one only if it is not what requirepass alone makes it. */
static void emit_user(void *cookie, const acl_user *u) {
    struct rewrite *w = cookie;
    buf line = BUF_INIT, plain = BUF_INIT;
    acl_user_describe(u, &line);
    if (u == acl_default(w->deps->acl)) {
        acl *fresh = acl_create(w->deps->commands, w->deps->acl_config);
        acl_requirepass(fresh, w->deps->config->requirepass);
        acl_user_describe(acl_default(fresh), &plain);
        acl_free(fresh);
    }
    if (!slice_eq(slice_of(&line), slice_of(&plain))) commands_user_line(u, &w->out);
    buf_free(&line);
    buf_free(&plain);
}

void commands_user_line(const acl_user *u, buf *out) {
    buf_append_str(out, "user ");
    buf_append_slice(out, acl_user_name(u));
    buf_u8(out, ' ');
    acl_user_describe(u, out);
    buf_u8(out, '\n');
}

int commands_write_file(const char *path, slice text) {
    char tmp[4200];
    snprintf(tmp, sizeof(tmp), "%s.rewrite-%d", path, (int)getpid());
    FILE *f = fopen(tmp, "we");
    if (f == NULL) return ERR_IO;
    bool ok = fwrite(text.p, 1, text.n, f) == text.n && fflush(f) == 0 && fsync(fileno(f)) == 0;
    ok = fclose(f) == 0 && ok;
    if (ok && rename(tmp, path) == 0) return OK;
    unlink(tmp);
    return ERR_IO;
}

int commands_read_file(const char *path, buf *out) {
    FILE *f = fopen(path, "re");
    char chunk[4096];
    size_t n;
    if (f == NULL) return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) buf_append(out, chunk, n);
    int rc = ferror(f) ? ERR_IO : OK;
    fclose(f);
    return rc;
}

int commands_rewrite_config(const struct exec_deps *d) {
    struct rewrite w = {.deps = d, .options = d->options};
    buf old = BUF_INIT;
    int rc = commands_read_file(d->config_file, &old);
    if (rc == ERR_NOTFOUND) rc = OK; /* Written anew. */
    for (size_t at = 0; rc == OK && at < old.n;) {
        const uint8_t *nl = memchr(old.p + at, '\n', old.n - at);
        size_t n = nl == NULL ? old.n - at : (size_t)(nl - (old.p + at));
        const struct option *row;
        slice line = slice_make(old.p + at, n);
        bool user = false;
        if (!line_option(d->options, line, &row, &user)) {
            if (!user) {
                buf_append_slice(&w.out, line);
                buf_u8(&w.out, '\n');
            }
        } else if (!written(&w, row->name)) {
            emit(&w, row);
        }
        at += n + 1;
    }
    if (rc == OK) {
        options_each(d->options, emit_changed, &w);
        if (d->acl_config->file[0] == '\0') acl_each(d->acl, emit_user, &w);
        rc = commands_write_file(d->config_file, slice_of(&w.out));
    }
    buf_free(&old);
    buf_free(&w.out);
    return rc;
}
