/* boot_config.c -- the configuration as Redis reads it: a file of directives, then the command line. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "boot.h"

#define INCLUDE_DEPTH_MAX 16
#define LINE_BYTES_MAX ((size_t)1 << 20)

static int load_file(options *o, const char *path, int depth);

static int bad(const char *where, long line, slice text, const char *why) {
    fprintf(stderr, "\n*** FATAL CONFIG FILE ERROR (Redis %s) ***\n", REDIS_VERSION);
    if (where != NULL) fprintf(stderr, "Reading the configuration file %s, at line %ld\n", where, line);
    else fprintf(stderr, "Reading the command line\n");
    fprintf(stderr, ">>> '%.*s'\n%s\n", (int)text.n, (const char *)text.p, why);
    return ERR_SYNTAX;
}

/* One directive; where == NULL: from the command line. */
static int directive(options *o, const slice *words, size_t count, const char *where, long line,
                     slice text, int depth) {
    const char *why = "Bad directive or wrong number of arguments";
    if (slice_is(words[0], "include")) {
        if (count != 2) return bad(where, line, text, "wrong number of arguments");
        char *path = slice_strdup(words[1]);
        int rc = load_file(o, path, depth + 1);
        mem_free(path);
        return rc;
    }
    int rc = options_set(o, words, count, true, true, &why);
    if (rc == ERR_NOTFOUND) return bad(where, line, text, "Bad directive or wrong number of arguments");
    return rc == OK ? OK : bad(where, line, text, why);
}

static int load_line(options *o, slice text, const char *path, long line, int depth) {
    while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t')) text = slice_make(text.p + 1, text.n - 1);
    while (text.n > 0 && (text.p[text.n - 1] == '\r' || text.p[text.n - 1] == '\n' ||
                          text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t')) text.n--;
    if (text.n == 0 || text.p[0] == '#') return OK;
    buf store = BUF_INIT;
    slice *words = NULL;
    size_t count = 0;
    int rc = option_split_line(text, &store, &words, &count);
    if (rc != OK) rc = bad(path, line, text, "Unbalanced quotes in configuration line");
    else if (count > 0) rc = directive(o, words, count, path, line, text, depth);
    mem_free(words);
    buf_free(&store);
    return rc;
}

static int load_stream(options *o, FILE *f, const char *path, int depth) {
    char *line = NULL;
    size_t cap = 0;
    long number = 0;
    int rc = OK;
    ssize_t n;
    while (rc == OK && (n = getline(&line, &cap, f)) >= 0) {
        number++;
        if ((size_t)n > LINE_BYTES_MAX) rc = bad(path, number, SLICE("..."), "the line is too long");
        else rc = load_line(o, slice_make(line, (size_t)n), path, number, depth);
    }
    (free)(line); /* getline()'s own. */
    return rc;
}

static int load_file(options *o, const char *path, int depth) {
    if (depth > INCLUDE_DEPTH_MAX) {
        fprintf(stderr, "Fatal error, too many nested includes at %s\n", path);
        return ERR_SYNTAX;
    }
    if (strcmp(path, "-") == 0) return load_stream(o, stdin, "stdin", depth);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        fprintf(stderr, "Fatal error, can't open config file '%s'\n", path);
        return ERR_IO;
    }
    int rc = load_stream(o, f, path, depth);
    fclose(f);
    return rc;
}

/* --name value value --name ...: values go up to the next word that starts with two dashes. */
static int load_arguments(options *o, int argc, char **argv, int i) {
    while (i < argc) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            return bad(NULL, 0, slice_str(argv[i]), "an option starts with --");
        }
        slice words[64];
        size_t n = 0;
        words[n++] = slice_str(argv[i++] + 2);
        while (i < argc && strncmp(argv[i], "--", 2) != 0 && n < 64) words[n++] = slice_str(argv[i++]);
        slice empty = slice_make("", 0);
        if (n == 1) words[n++] = empty;
        /* One quoted word may hold several, as in --save "60 100". */
        buf store = BUF_INIT;
        slice *split = NULL;
        size_t count = 0;
        int rc;
        const struct option *row = options_find(o, words[0]);
        bool many = row != NULL && row->kind == OPTION_CUSTOM;
        if (n == 2 && many && option_split_line(words[1], &store, &split, &count) == OK && count > 1 &&
            count < 63) {
            memcpy(words + 1, split, count * sizeof(*split));
            n = count + 1;
        }
        rc = directive(o, words, n, NULL, 0, words[0], 0);
        mem_free(split);
        buf_free(&store);
        if (rc != OK) return rc;
    }
    return OK;
}

int boot_configure(options *o, int argc, char **argv, char *file, size_t file_size) {
    int i = 1;
    file[0] = '\0';
    if (argc > 1 && (strncmp(argv[1], "--", 2) != 0)) {
        char *real = strcmp(argv[1], "-") == 0 ? NULL : realpath(argv[1], NULL);
        snprintf(file, file_size, "%s", real == NULL ? argv[1] : real);
        (free)(real); /* realpath()'s own. */
        int rc = load_file(o, argv[1], 0);
        if (rc != OK) return rc;
        i = 2;
    }
    return load_arguments(o, argc, argv, i);
}
