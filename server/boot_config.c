/* boot_config.c -- the configuration as Redis reads it: a file of directives, then the command line. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "boot.h"

#define INCLUDE_DEPTH_MAX 16
#define LINE_BYTES_MAX ((size_t)1 << 20)

struct loading {
    options *options;
    commands *commands; /* rename-command is done at its line, so that this can be told when it fails */
};

static int load_file(struct loading *l, const char *path, int depth);

static int bad(const char *where, long line, slice text, const char *why) {
    fprintf(stderr, "\n*** FATAL CONFIG FILE ERROR (Redis %s) ***\n", REDIS_VERSION);
    if (where != NULL) fprintf(stderr, "Reading the configuration file %s, at line %ld\n", where, line);
    else fprintf(stderr, "Reading the command line\n");
    fprintf(stderr, ">>> '%.*s'\n%s\n", (int)text.n, (const char *)text.p, why);
    return ERR_SYNTAX;
}

static int rename_command(struct loading *l, const slice *words, const char **why) {
    int rc = commands_rename(l->commands, words[1], words[2]);
    if (rc == ERR_NOTFOUND) *why = "No such command in rename-command";
    else if (rc == ERR_EXISTS) *why = "Target command name already exists";
    else if (rc != OK) *why = "The new name of a command is longer than 128 bytes or holds a zero byte";
    return rc;
}

/* One directive; where == NULL: from the command line. */
static int directive(struct loading *l, const slice *words, size_t count, const char *where, long line,
                     slice text, int depth) {
    const char *why = "Bad directive or wrong number of arguments";
    if (slice_is(words[0], "include")) {
        if (count != 2) return bad(where, line, text, "wrong number of arguments");
        char *path = slice_strdup(words[1]);
        int rc = load_file(l, path, depth + 1);
        mem_free(path);
        return rc;
    }
    if (slice_is(words[0], "rename-command") && count == 3) {
        int rc = rename_command(l, words, &why);
        return rc == OK ? OK : bad(where, line, text, why);
    }
    int rc = options_set(l->options, words, count, true, true, &why);
    if (rc == ERR_NOTFOUND) return bad(where, line, text, "Bad directive or wrong number of arguments");
    return rc == OK ? OK : bad(where, line, text, why);
}

static int load_line(struct loading *l, slice text, const char *path, long line, int depth) {
    while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t')) text = slice_make(text.p + 1, text.n - 1);
    while (text.n > 0 && (text.p[text.n - 1] == '\r' || text.p[text.n - 1] == '\n' ||
                          text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t')) text.n--;
    if (text.n == 0 || text.p[0] == '#') return OK;
    buf store = BUF_INIT;
    slice *words = NULL;
    size_t count = 0;
    int rc = option_split_line(text, &store, &words, &count);
    if (rc != OK) rc = bad(path, line, text, "Unbalanced quotes in configuration line");
    else if (count > 0) rc = directive(l, words, count, path, line, text, depth);
    mem_free(words);
    buf_free(&store);
    return rc;
}

static int load_stream(struct loading *l, FILE *f, const char *path, int depth) {
    char *line = NULL;
    size_t cap = 0;
    long number = 0;
    int rc = OK;
    ssize_t n;
    while (rc == OK && (n = getline(&line, &cap, f)) >= 0) {
        number++;
        if ((size_t)n > LINE_BYTES_MAX) rc = bad(path, number, SLICE("..."), "the line is too long");
        else rc = load_line(l, slice_make(line, (size_t)n), path, number, depth);
    }
    (free)(line); /* getline()'s own. */
    return rc;
}

static int load_file(struct loading *l, const char *path, int depth) {
    if (depth > INCLUDE_DEPTH_MAX) {
        fprintf(stderr, "Fatal error, too many nested includes at %s\n", path);
        return ERR_SYNTAX;
    }
    if (strcmp(path, "-") == 0) return load_stream(l, stdin, "stdin", depth);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        fprintf(stderr, "Fatal error, can't open config file '%s'\n", path);
        return ERR_IO;
    }
    int rc = load_stream(l, f, path, depth);
    fclose(f);
    return rc;
}

/* --name value value --name ...: values go up to the next word that starts with two dashes. */
static int load_arguments(struct loading *l, int argc, char **argv, int i) {
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
        const struct option *row = options_find(l->options, words[0]);
        bool many = row != NULL && row->kind == OPTION_CUSTOM;
        if (n == 2 && many && option_split_line(words[1], &store, &split, &count) == OK && count > 1 &&
            count < 63) {
            memcpy(words + 1, split, count * sizeof(*split));
            n = count + 1;
        }
        rc = directive(l, words, n, NULL, 0, words[0], 0);
        mem_free(split);
        buf_free(&store);
        if (rc != OK) return rc;
    }
    return OK;
}

int boot_configure(options *o, commands *names, int argc, char **argv, char *file, size_t file_size) {
    struct loading l = {o, names};
    int i = 1;
    file[0] = '\0';
    if (argc > 1 && (strncmp(argv[1], "--", 2) != 0)) {
        char *real = strcmp(argv[1], "-") == 0 ? NULL : realpath(argv[1], NULL);
        snprintf(file, file_size, "%s", real == NULL ? argv[1] : real);
        (free)(real); /* realpath()'s own. */
        int rc = load_file(&l, argv[1], 0);
        if (rc != OK) return rc;
        i = 2;
    }
    return load_arguments(&l, argc, argv, i);
}
