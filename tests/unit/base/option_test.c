/* option_test.c -- the registry: finding, setting one and many, refusing, putting back. */
#include "test.h"

#include "base/mem.h"
#include "base/option.h"

struct config {
    bool flag;
    int64_t number, memory, share;
    char *text;
    int mode;
    char *list;
};

/* Words kept with commas between; "bad" is refused. */
static int list_set(void *field, const slice *words, size_t count, bool append,
                    const char **why) {
    char **list = field;
    buf b = BUF_INIT;
    if (append) buf_append_str(&b, *list);
    for (size_t i = 0; i < count; i++) {
        if (slice_is(words[i], "bad")) {
            *why = "bad word";
            buf_free(&b);
            return ERR_SYNTAX;
        }
        if (b.n > 0) buf_u8(&b, ' ');
        buf_append_slice(&b, words[i]);
    }
    mem_free(*list);
    *list = slice_strdup(slice_of(&b));
    buf_free(&b);
    return OK;
}
static void list_print(const void *field, buf *out) {
    buf_append_str(out, *(char *const *)field);
}
static void list_clear(void *field) {
    mem_free(*(char **)field);
    *(char **)field = NULL;
}

static const struct option_custom list_custom = {list_set, list_print, list_clear};
static const char *const modes[] = {"low", "high", NULL};
#define F(name) offsetof(struct config, name)
static const struct option table[] = {
    {"flag", NULL, OPTION_BOOL, 0, F(flag), "yes", 0, 0, NULL, NULL, "A flag."},
    {"number", "old-number", OPTION_INT, 0, F(number), "5", 1, 10, NULL, NULL, "A number."},
    {"memory", NULL, OPTION_MEMORY, OPTION_PROTECTED, F(memory), "1mb", 0, INT64_MAX, NULL, NULL, "Memory."},
    {"text", NULL, OPTION_STRING, 0, F(text), "hello", 0, 0, NULL, NULL, "A text."},
    {"mode", NULL, OPTION_ENUM, OPTION_IMMUTABLE, F(mode), "low", 0, 0, modes, NULL, "A mode."},
    {"list", NULL, OPTION_CUSTOM, OPTION_MULTI, F(list), "a \"b c\"", 0, 0, NULL, &list_custom, "A list."},
    {"share", NULL, OPTION_PERCENT_OR_MEMORY, OPTION_HIDDEN, F(share), "0", -100, INT64_MAX, NULL, NULL, "A share."},
};

struct owner {
    struct config config;
    options *options;
    buf told;
    const char *refuse; /* The name of an option whose change is refused. */
};

static int changed(void *cookie, const struct option *row, const char **why) {
    struct owner *w = cookie;
    buf_printf(&w->told, "%s=", row->name);
    options_print(w->options, row, &w->told);
    buf_u8(&w->told, ';');
    if (w->refuse == NULL || strcmp(w->refuse, row->name) != 0) return OK;
    *why = "the owner refuses";
    return ERR_IO;
}

static struct owner *setup(void) {
    struct owner *w = mem_calloc(1, sizeof(*w));
    w->options = options_create();
    options_add(w->options, table, 4, &w->config, changed, w);
    options_add(w->options, table + 4, 3, &w->config, NULL, NULL);
    return w;
}

static void teardown(struct owner *w) {
    options_free(w->options);
    CHECK(w->config.text == NULL && w->config.list == NULL);
    buf_free(&w->told);
    mem_free(w);
}

/* Sets from one line, as a file (boot) or a client does. */
static int set(struct owner *w, bool boot, const char *line, const char **why) {
    buf store = BUF_INIT;
    slice *words;
    size_t count;
    CHECK_INT(option_split_line(slice_str(line), &store, &words, &count), OK);
    int rc = options_set(w->options, words, count, boot, false, why);
    mem_free(words);
    buf_free(&store);
    return rc;
}

static int set_many(struct owner *w, const char *line, size_t *bad, const char **why) {
    buf store = BUF_INIT;
    slice *words;
    size_t count;
    CHECK_INT(option_split_line(slice_str(line), &store, &words, &count), OK);
    int rc = options_set_many(w->options, words, count, false, bad, why);
    mem_free(words);
    buf_free(&store);
    return rc;
}

static void check_value(struct owner *w, const char *name, const char *want) {
    const struct option *row = options_find(w->options, slice_str(name));
    buf out = BUF_INIT;
    CHECK(row != NULL);
    options_print(w->options, row, &out);
    CHECK_SLICE(slice_of(&out), want);
    buf_free(&out);
}

TEST("every row starts with its initial value") {
    struct owner *w = setup();
    CHECK(w->config.flag);
    CHECK_INT(w->config.number, 5);
    CHECK_INT(w->config.memory, 1 << 20);
    CHECK_STR(w->config.text, "hello");
    CHECK_INT(w->config.mode, 0);
    CHECK_STR(w->config.list, "a b c");
    CHECK_INT(w->told.n, 0);
    teardown(w);
}

TEST("names are found in any case, and by their alias") {
    struct owner *w = setup();
    CHECK(options_find(w->options, SLICE("NumBer")) == &table[1]);
    CHECK(options_find(w->options, SLICE("old-NUMBER")) == &table[1]);
    CHECK(options_find(w->options, SLICE("numbe")) == NULL);
    CHECK(options_find(w->options, SLICE("")) == NULL);
    char longer[100];
    memset(longer, 'x', sizeof(longer));
    CHECK(options_find(w->options, slice_make(longer, sizeof(longer))) == NULL);
    teardown(w);
}

TEST("a file sets what a client may not, and the owner does not hear of it") {
    struct owner *w = setup();
    const char *why;
    CHECK_INT(set(w, true, "MODE high", &why), OK);
    CHECK_INT(w->config.mode, 1);
    CHECK_INT(set(w, true, "memory 2kb", &why), OK);
    CHECK_INT(w->config.memory, 2048);
    CHECK_INT(w->told.n, 0);
    CHECK_INT(set(w, false, "mode low", &why), ERR_AUTH);
    CHECK_STR(why, "can't set immutable config");
    CHECK_INT(set(w, false, "memory 1", &why), ERR_AUTH);
    CHECK_STR(why, "can't set protected config");
    slice words[] = {SLICE("memory"), SLICE("1")};
    CHECK_INT(options_set(w->options, words, 2, false, true, &why), OK);
    CHECK_INT(w->config.memory, 1);
    CHECK_INT(set(w, true, "nothing 1", &why), ERR_NOTFOUND);
    CHECK_INT(set(w, true, "number 1 2", &why), ERR_SYNTAX);
    CHECK_STR(why, "wrong number of arguments");
    CHECK_INT(set(w, true, "number", &why), ERR_SYNTAX);
    CHECK_INT(w->config.number, 5);
    teardown(w);
}

TEST("several lines of a file add up, after the first has replaced the initial value") {
    struct owner *w = setup();
    const char *why;
    CHECK_INT(set(w, true, "list x", &why), OK);
    CHECK_STR(w->config.list, "x");
    CHECK_INT(set(w, true, "list y z", &why), OK);
    CHECK_STR(w->config.list, "x y z");
    CHECK_INT(set(w, true, "list \"\"", &why), OK);
    CHECK_STR(w->config.list, "");
    CHECK_INT(set(w, false, "list q", &why), OK);
    CHECK_STR(w->config.list, "q");
    teardown(w);
}

TEST("an owner hears of a change and may refuse it") {
    struct owner *w = setup();
    const char *why;
    CHECK_INT(set(w, false, "number 7", &why), OK);
    w->refuse = "text";
    CHECK_INT(set(w, false, "text new", &why), ERR_IO);
    CHECK_STR(why, "the owner refuses");
    CHECK_STR(w->config.text, "hello");
    CHECK_SLICE(slice_of(&w->told), "number=7;text=new;");
    teardown(w);
}

TEST("many are set at once") {
    struct owner *w = setup();
    const char *why;
    size_t bad;
    CHECK_INT(set_many(w, "old-number 9 flag no list \"p  q\" text \"\"", &bad, &why), OK);
    CHECK_INT(w->config.number, 9);
    CHECK(!w->config.flag);
    CHECK_STR(w->config.list, "p q");
    CHECK_STR(w->config.text, "");
    CHECK_SLICE(slice_of(&w->told), "number=9;flag=no;text=;");
    CHECK_INT(set_many(w, "", &bad, &why), OK);
    teardown(w);
}

TEST("when one of many is refused, none is set") {
    static const struct { const char *line; int rc; size_t bad; const char *why; } cases[] = {
        {"number 7 flag maybe text x", ERR_SYNTAX, 2, "argument must be 'yes' or 'no'"},
        {"number 7 list bad", ERR_SYNTAX, 2, "bad word"},
        {"flag no number 11", ERR_SYNTAX, 2, "argument must be between 1 and 10 inclusive"},
        {"flag no nothing 1 mode high", ERR_NOTFOUND, 2, NULL},
        {"flag no mode high nothing 1", ERR_AUTH, 2, "can't set immutable config"},
        {"flag no text a memory 1", ERR_AUTH, 4, "can't set protected config"},
        {"number 7 flag no old-number 8", ERR_SYNTAX, 4, "duplicate parameter"},
        {"number 7 flag", ERR_SYNTAX, 0, "wrong number of arguments"},
        {"a 1 a 1 a 1 a 1 a 1 a 1 a 1 a 1 a 1", ERR_SYNTAX, 0, "duplicate parameter"},
    };
    struct owner *w = setup();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *why;
        size_t bad;
        CHECK_INT(set_many(w, cases[i].line, &bad, &why), cases[i].rc);
        CHECK_INT(bad, cases[i].bad);
        if (cases[i].why == NULL) CHECK(why == NULL);
        else CHECK_STR(why, cases[i].why);
        check_value(w, "flag", "yes");
        check_value(w, "number", "5");
        check_value(w, "text", "hello");
        check_value(w, "list", "a b c");
        CHECK_INT(w->told.n, 0);
    }
    teardown(w);
}

TEST("when an owner refuses one of many, all are put back and the others hear of it") {
    struct owner *w = setup();
    const char *why;
    size_t bad;
    w->refuse = "text";
    CHECK_INT(set_many(w, "number 7 list z text new flag no", &bad, &why), ERR_IO);
    CHECK_INT(bad, 4);
    CHECK_STR(why, "the owner refuses");
    check_value(w, "flag", "yes");
    check_value(w, "number", "5");
    check_value(w, "text", "hello");
    check_value(w, "list", "a b c");
    CHECK_SLICE(slice_of(&w->told), "number=7;text=new;number=5;");
    teardown(w);
}

static void collect(void *cookie, const char *name, slice value) {
    buf_printf(cookie, "%s=%.*s ", name, (int)value.n, (const char *)value.p);
}

static void check_match(struct owner *w, const char *line, const char *want) {
    buf store = BUF_INIT, out = BUF_INIT;
    slice *globs;
    size_t count;
    CHECK_INT(option_split_line(slice_str(line), &store, &globs, &count), OK);
    buf_reserve(&out, 1);
    options_match(w->options, globs, count, collect, &out);
    CHECK_SLICE(slice_of(&out), want);
    mem_free(globs);
    buf_free(&store);
    buf_free(&out);
}

TEST("patterns find each name once, in order; hidden ones only by their whole name") {
    struct owner *w = setup();
    check_match(w, "*", "flag=yes number=5 old-number=5 memory=1048576 text=hello mode=low list=a b c ");
    check_match(w, "m* *e*", "number=5 old-number=5 memory=1048576 text=hello mode=low ");
    check_match(w, "M*", "memory=1048576 mode=low ");
    check_match(w, "OLD-number flag flag", "flag=yes old-number=5 ");
    check_match(w, "shar?", "");
    check_match(w, "SHARE", "share=0 ");
    check_match(w, "nothing", "");
    teardown(w);
}

static void count_row(void *cookie, const struct option *row) {
    size_t *n = cookie;
    CHECK(row == &table[*n]);
    ++*n;
}

TEST("rows are walked in the order they were added") {
    struct owner *w = setup();
    size_t n = 0;
    options_each(w->options, count_row, &n);
    CHECK_INT(n, 7);
    teardown(w);
}

TEST("a registry of a thousand rows finds every one") {
    enum { ROWS = 1000 };
    static struct option rows[ROWS];
    static char names[ROWS][2][24];
    static int64_t fields[ROWS];
    options *o = options_create();
    for (int i = 0; i < ROWS; i++) {
        snprintf(names[i][0], sizeof(names[i][0]), "option-%d", i);
        snprintf(names[i][1], sizeof(names[i][1]), "older-%d", i);
        rows[i] = (struct option){names[i][0], i % 2 ? names[i][1] : NULL, OPTION_INT, 0,
                                  (size_t)i * sizeof(int64_t), "1", 0, 9, NULL, NULL, "A row."};
        options_add(o, &rows[i], 1, fields, NULL, NULL);
    }
    for (int i = 0; i < ROWS; i++) {
        CHECK(options_find(o, slice_str(names[i][0])) == &rows[i]);
        CHECK(options_find(o, slice_str(names[i][1])) == (i % 2 ? &rows[i] : NULL));
    }
    options_free(o);
    options_free(NULL);
}
