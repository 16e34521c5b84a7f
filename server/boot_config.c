/* boot_config.c -- the configuration as Redis reads it: a file of directives, then the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "boot.h"

#define INCLUDE_DEPTH_MAX 16
#define LINE_BYTES_MAX ((size_t)1 << 20)

/* A line about a user waits for the end: what it means depends on other options. */
struct boot_user {
    buf store;
    slice *words;
    size_t n;
    char *where; /* NULL: the command line */
    long line;
    slice text;
};

static int load_file(struct boot *b, const char *path, int depth);

static int bad(const char *where, long line, slice text, const char *why) {
    fprintf(stderr, "\n*** FATAL CONFIG FILE ERROR (Redis %s) ***\n", REDIS_VERSION);
    if (where != NULL) fprintf(stderr, "Reading the configuration file %s, at line %ld\n", where, line);
    else fprintf(stderr, "Reading the command line\n");
    fprintf(stderr, ">>> '%.*s'\n%s\n", (int)text.n, (const char *)text.p, why);
    return ERR_SYNTAX;
}

static int rename_command(struct boot *b, const slice *words, const char **why) {
    int rc = commands_rename(b->commands, words[1], words[2]);
    if (rc == ERR_NOTFOUND) *why = "No such command in rename-command";
    else if (rc == ERR_EXISTS) *why = "Target command name already exists";
    else if (rc != OK) *why = "The new name of a command is longer than 128 bytes or holds a zero byte";
    return rc;
}

static void keep_user(struct boot *b, const slice *words, size_t count, const char *where, long line,
                      slice text) {
    b->users = mem_realloc(b->users, (b->users_n + 1) * sizeof(*b->users));
    struct boot_user *u = &b->users[b->users_n++];
    *u = (struct boot_user){.n = count, .line = line, .where = where == NULL ? NULL : mem_strdup(where)};
    u->words = mem_alloc(count * sizeof(*u->words));
    for (size_t i = 0; i < count; i++) buf_append_slice(&u->store, words[i]);
    buf_append_slice(&u->store, text);
    const uint8_t *p = u->store.p;
    for (size_t i = 0; i < count; p += words[i++].n) u->words[i] = slice_make(p, words[i].n);
    u->text = slice_make(p, text.n);
}

static int declare_user(struct boot *b, const struct boot_user *u) {
    const char *why = "";
    buf rule = BUF_INIT, line = BUF_INIT;
    int rc = acl_name_ok(u->words[1]) ? OK : ERR_SYNTAX;
    if (rc != OK) why = "Usernames can't contain spaces or null characters";
    else rc = acl_declare_user(b->acl, u->words[1], u->words + 2, u->n - 2, &why, &rule);
    if (rc != OK) {
        if (rule.n > 0) {
            buf_printf(&line, "Error in user declaration '%.*s': %s", (int)rule.n, (const char *)rule.p, why);
        } else {
            buf_append_str(&line, why);
        }
        buf_u8(&line, 0);
        (void)bad(u->where, u->line, u->text, (char *)line.p); /* It says what rc says. */
    }
    buf_free(&line);
    buf_free(&rule);
    return rc;
}

static int declare_users(struct boot *b) {
    int rc = OK;
    for (size_t i = 0; i < b->users_n; i++) {
        struct boot_user *u = &b->users[i];
        if (rc == OK) rc = declare_user(b, u);
        buf_free(&u->store);
        mem_free(u->words);
        mem_free(u->where);
    }
    mem_free(b->users);
    b->users = NULL;
    return rc;
}

/* One directive; where == NULL: from the command line. */
static int directive(struct boot *b, const slice *words, size_t count, const char *where, long line,
                     slice text, int depth) {
    const char *why = "Bad directive or wrong number of arguments";
    if (slice_is(words[0], "include")) {
        if (count != 2) return bad(where, line, text, "wrong number of arguments");
        char *path = slice_strdup(words[1]);
        int rc = load_file(b, path, depth + 1);
        mem_free(path);
        return rc;
    }
    bool alone = b->import != NULL || b->export != NULL;
    if (slice_is(words[0], "rename-command") && count == 3) {
        if (alone) return OK;
        int rc = rename_command(b, words, &why);
        return rc == OK ? OK : bad(where, line, text, why);
    }
    if (slice_is(words[0], "user") && count >= 2) {
        if (alone) return OK;
        keep_user(b, words, count, where, line, text);
        return OK;
    }
    int rc = options_set(b->options, words, count, true, true, &why);
    if (rc == ERR_NOTFOUND) return bad(where, line, text, "Bad directive or wrong number of arguments");
    return rc == OK ? OK : bad(where, line, text, why);
}

static int load_line(struct boot *b, slice text, const char *path, long line, int depth) {
    while (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t')) text = slice_make(text.p + 1, text.n - 1);
    while (text.n > 0 && (text.p[text.n - 1] == '\r' || text.p[text.n - 1] == '\n' ||
                          text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t')) text.n--;
    if (text.n == 0 || text.p[0] == '#') return OK;
    buf store = BUF_INIT;
    slice *words = NULL;
    size_t count = 0;
    int rc = option_split_line(text, &store, &words, &count);
    if (rc != OK) rc = bad(path, line, text, "Unbalanced quotes in configuration line");
    else if (count > 0) rc = directive(b, words, count, path, line, text, depth);
    mem_free(words);
    buf_free(&store);
    return rc;
}

static int load_stream(struct boot *b, FILE *f, const char *path, int depth) {
    char *line = NULL;
    size_t cap = 0;
    long number = 0;
    int rc = OK;
    ssize_t n;
    while (rc == OK && (n = getline(&line, &cap, f)) >= 0) {
        number++;
        if ((size_t)n > LINE_BYTES_MAX) rc = bad(path, number, SLICE("..."), "the line is too long");
        else rc = load_line(b, slice_make(line, (size_t)n), path, number, depth);
    }
    (free)(line); /* getline()'s own. */
    if (rc != OK || !ferror(f)) return rc;
    fprintf(stderr, "Fatal error, can't read config file '%s': %s\n", path, strerror(errno));
    return ERR_IO;
}

static int load_file(struct boot *b, const char *path, int depth) {
    if (depth > INCLUDE_DEPTH_MAX) {
        fprintf(stderr, "Fatal error, too many nested includes at %s\n", path);
        return ERR_SYNTAX;
    }
    if (strcmp(path, "-") == 0) return load_stream(b, stdin, "stdin", depth);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        fprintf(stderr, "Fatal error, can't open config file '%s'\n", path);
        return ERR_IO;
    }
    int rc = load_stream(b, f, path, depth);
    fclose(f);
    return rc;
}

/* The folder that this process works in changes before the file is opened. */
static char *absolute(const char *path) {
    char here[4096];
    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL) return mem_strdup(path);
    buf whole = BUF_INIT;
    buf_printf(&whole, "%s/%s", here, path);
    char *text = slice_strdup(slice_of(&whole));
    buf_free(&whole);
    return text;
}

/* --import FILE and --export FILE are no options: they say what this process is for. */
static int find_transfer(struct boot *b, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool import = strcmp(argv[i], "--import") == 0, export = strcmp(argv[i], "--export") == 0;
        if (!import && !export) continue;
        if (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0)
            return bad(NULL, 0, slice_str(argv[i]), "the name of an RDB file is missing");
        if (b->import != NULL || b->export != NULL)
            return bad(NULL, 0, slice_str(argv[i]), "one file, in or out");
        *(import ? &b->import : &b->export) = absolute(argv[++i]);
    }
    return OK;
}

/* --name value value --name ...: values go up to the next word that starts with two dashes. */
static int load_arguments(struct boot *b, int argc, char **argv, int i) {
    while (i < argc) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            return bad(NULL, 0, slice_str(argv[i]), "an option starts with --");
        }
        if (strcmp(argv[i], "--import") == 0 || strcmp(argv[i], "--export") == 0) {
            i += 2;
            continue;
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
        const struct option *row = options_find(b->options, words[0]);
        bool many = row != NULL && row->kind == OPTION_CUSTOM;
        if (n == 2 && many && option_split_line(words[1], &store, &split, &count) == OK && count > 1 &&
            count < 63) {
            memcpy(words + 1, split, count * sizeof(*split));
            n = count + 1;
        }
        rc = directive(b, words, n, NULL, 0, words[0], 0);
        mem_free(split);
        buf_free(&store);
        if (rc != OK) return rc;
    }
    return OK;
}

int boot_configure(struct boot *b, int argc, char **argv, char *file, size_t file_size) {
    int i = 1;
    file[0] = '\0';
    if (find_transfer(b, argc, argv) != OK) return ERR_SYNTAX;
    if (argc > 1 && (strncmp(argv[1], "--", 2) != 0)) {
        char *real = strcmp(argv[1], "-") == 0 ? NULL : realpath(argv[1], NULL);
        snprintf(file, file_size, "%s", real == NULL ? argv[1] : real);
        (free)(real); /* realpath()'s own. */
        int rc = load_file(b, argv[1], 0);
        if (rc != OK) return rc;
        i = 2;
    }
    int rc = load_arguments(b, argc, argv, i);
    return rc == OK ? declare_users(b) : rc;
}
