/* option.h -- option tables: each folder declares its options, one row and one sentence
 * each; the registry parses, prints, sets, and feeds CONFIG and the sample file.
 *
 * A table's rows point by offset into one config struct of its owner. */
#ifndef COVE_BASE_OPTION_H
#define COVE_BASE_OPTION_H

#include "base/bytes.h"
#include "base/err.h"

enum option_kind {
    OPTION_BOOL,    /* bool; "yes" or "no" */
    OPTION_INT,     /* int64_t, min..max */
    OPTION_MEMORY,  /* int64_t bytes, "100mb"; min..max */
    OPTION_PERCENT_OR_MEMORY, /* int64_t; "10%" is -10, else bytes */
    OPTION_OCTAL,   /* int64_t, printed in octal */
    OPTION_STRING,  /* char *, owned by the registry; never NULL */
    OPTION_ENUM,    /* int, one of option.words */
    OPTION_CUSTOM   /* option.custom parses and prints (save, client-output-buffer-limit) */
};

#define OPTION_IMMUTABLE 1u /* CONFIG SET: "can't set immutable config" */
#define OPTION_HIDDEN 2u    /* not matched by CONFIG GET patterns, only by its name */
#define OPTION_PROTECTED 4u /* CONFIG SET only under enable-protected-configs */
#define OPTION_SECRET 8u    /* never logged */
#define OPTION_MULTI 16u    /* OPTION_CUSTOM: in a file, several lines add up (save, user);
                             * OPTION_STRING: a line's words are joined by spaces (bind) */
#define OPTION_IGNORED 32u  /* accepted for Redis's sake; does nothing but keep its value */

struct option_custom {
    /* words[0..count): the arguments after the name. On failure set *why to a sentence and
     * return ERR_SYNTAX; nothing may have changed. */
    int (*set)(void *field, const slice *words, size_t count, bool append, const char **why);
    void (*print)(const void *field, buf *out);
    void (*clear)(void *field);
};

struct option {
    const char *name;
    const char *alias;          /* an older name, or NULL */
    enum option_kind kind;
    unsigned flags;
    size_t offset;              /* of the field in the owner's config struct */
    const char *initial;        /* as text */
    long long min, max;
    const char *const *words;   /* OPTION_ENUM: NULL-terminated */
    const struct option_custom *custom;
    const char *doc;            /* one sentence, for redis.conf.sample */
};

typedef struct options options;

options *options_create(void);
void options_free(options *o);
/* Adds a table and writes every row's initial value into `config`, which is borrowed for
 * the registry's life. `changed` (may be NULL) is called after a CONFIG SET of a row: it may
 * refuse with a sentence in *why and an error, upon which the old value is put back. */
void options_add(options *o, const struct option *table, size_t count, void *config,
                 int (*changed)(void *cookie, const struct option *row, const char **why),
                 void *cookie);
/* One directive: words[0] is the name. `boot`: from file or command line (immutable rows
 * may be set; `changed` is not called). ERR_NOTFOUND: no such option; ERR_SYNTAX and *why;
 * ERR_AUTH: immutable or protected, *why says which. */
int options_set(options *o, const slice *words, size_t count, bool boot, bool allow_protected,
                const char **why);
/* CONFIG SET a b c d: all or none. `count` counts slices; *bad is the place of the offending
 * name in pairs (0, 2, ...). A value of several words (OPTION_CUSTOM) is split at spaces.
 * Errors as in options_set; a name given twice is ERR_SYNTAX. *why is good until the next
 * call, and may be NULL. */
int options_set_many(options *o, const slice *pairs, size_t count, bool allow_protected,
                     size_t *bad, const char **why);
/* Calls `each` for every option whose name matches one of the globs, in table order, once;
 * an alias is a name of its own. */
void options_match(options *o, const slice *globs, size_t count,
                   void (*each)(void *cookie, const char *name, slice value), void *cookie);
const struct option *options_find(options *o, slice name); /* by name or alias; or NULL */
void options_print(options *o, const struct option *row, buf *out);
/* The row's initial value, printed as options_print() would. */
void options_print_initial(options *o, const struct option *row, buf *out);
/* All rows in order, for the sample file and its test. */
void options_each(options *o, void (*each)(void *cookie, const struct option *row),
                  void *cookie);

/* Splits a line as Redis's sdssplitargs: quotes, \xHH, \n. words are NUL-free slices into
 * *store; the caller frees both (buf_free(store), mem_free(*words)). ERR_SYNTAX on
 * unbalanced quotes; then there are no words. */
int option_split_line(slice line, buf *store, slice **words, size_t *count);

#endif
