/* command_test.c -- the command table: lookup, keys of a command line (also of hostile ones), the
 * legacy triple, categories. */
#include "exec/command.h"

#include <stdlib.h>

#include "test.h"

static int nothing(call *c) {
    (void)c;
    return OK;
}

static const struct command config_subcommands[] = {
    {.name = "get", .fn = nothing, .arity = -3, .flags = CMD_ADMIN, .group = GROUP_SERVER},
    {.name = "set", .fn = nothing, .arity = -4, .flags = CMD_ADMIN, .group = GROUP_SERVER},
    {.name = NULL}};

enum { GET, MSET, COPY, EVAL, XREAD, CONFIG, PING, MEMBER, ROWS };
static const struct command rows[] = {
    [GET] = {.name = "get", .fn = nothing, .arity = 2, .flags = CMD_READONLY | CMD_FAST,
             .group = GROUP_STRING,
             .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .step = 1}}},
    [MSET] = {.name = "mset", .fn = nothing, .arity = -3, .flags = CMD_WRITE | CMD_DENYOOM,
              .group = GROUP_STRING,
              .keys = {{.flags = KEY_OW | KEY_UPDATE, .begin = KEYS_INDEX, .pos = 1, .last = -1,
                        .step = 2}}},
    [COPY] = {.name = "copy", .fn = nothing, .arity = -3, .flags = CMD_WRITE,
              .group = GROUP_GENERIC, .categories = CAT_KEYSPACE,
              .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .step = 1},
                       {.flags = KEY_OW | KEY_UPDATE, .begin = KEYS_INDEX, .pos = 2, .step = 1}}},
    [EVAL] = {.name = "eval", .fn = nothing, .arity = -3, .flags = CMD_MOVABLEKEYS,
              .group = GROUP_SCRIPTING,
              .keys = {{.flags = KEY_RW | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 2,
                        .find = KEYS_KEYNUM, .keynum_idx = 0, .keynum_first = 1,
                        .keynum_step = 1}}},
    [XREAD] = {.name = "xread", .fn = nothing, .arity = -4, .flags = CMD_READONLY | CMD_BLOCKING,
               .group = GROUP_STREAM,
               .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_KEYWORD, .pos = 1,
                         .keyword = "STREAMS", .last = -1, .step = 1, .limit = 2}}},
    [CONFIG] = {.name = "config", .arity = -2, .group = GROUP_SERVER,
                .subcommands = config_subcommands},
    [PING] = {.name = "ping", .fn = nothing, .arity = -1, .flags = CMD_FAST,
              .group = GROUP_CONNECTION},
    [MEMBER] = {.name = "VTEST", .fn = nothing, .arity = 2, .flags = CMD_WRITE,
                .group = GROUP_MODULE}};

static size_t words(const char *line, slice *argv, char *store) {
    size_t n = 0;
    strcpy(store, line);
    for (char *rest = store, *word; (word = strsep(&rest, " ")) != NULL;) argv[n++] = slice_str(word);
    return n;
}

/* "1 3 5", or the error's number, of a command line. */
static const char *keys_of(int row, const char *line, size_t max, char out[256]) {
    slice argv[64];
    char store[512];
    struct key_ref keys[64];
    int n = command_keys(&rows[row], argv, words(line, argv, store), keys, max);
    int at = snprintf(out, 256, "%d:", n);
    for (int i = 0; i < n && (size_t)i < max; i++)
        at += snprintf(out + at, 256 - (size_t)at, " %d", keys[i].pos);
    return out;
}

TEST("commands are found by name, whatever the case; subcommands below their container") {
    commands *t = commands_create();
    commands_add(t, rows, ROWS - 1);
    commands_add_module(t, "test", &rows[MEMBER], 1);
    CHECK_INT(commands_count(t), ROWS);
    CHECK(commands_find(t, SLICE("get")) == &rows[GET]);
    CHECK(commands_find(t, SLICE("GeT")) == &rows[GET]);
    CHECK(commands_find(t, SLICE("vtest")) == &rows[MEMBER]);
    CHECK(commands_find(t, SLICE("ge")) == NULL);
    CHECK(commands_find(t, SLICE("gett")) == NULL);
    CHECK(commands_find(t, SLICE("")) == NULL);
    CHECK(commands_find(t, slice_make("get\0", 4)) == NULL);
    char longest[5000];
    memset(longest, 'g', sizeof(longest));
    CHECK(commands_find(t, slice_make(longest, sizeof(longest))) == NULL);
    const struct command *set = commands_find_sub(&rows[CONFIG], SLICE("SET"));
    CHECK(set == &config_subcommands[1]);
    CHECK(commands_find_sub(&rows[CONFIG], SLICE("sett")) == NULL);
    CHECK(commands_find_sub(&rows[GET], SLICE("set")) == NULL);
    CHECK_STR(commands_full_name(t, set), "config|set");
    CHECK_STR(commands_full_name(t, &rows[GET]), "get");
    CHECK(commands_module(t, &rows[GET]) == NULL);
    CHECK_STR(commands_module(t, &rows[MEMBER]), "test");
    commands_free(t);
}

TEST("statistics are a command's own, a subcommand's too, and can be set back") {
    commands *t = commands_create();
    commands_add(t, rows, ROWS);
    commands_stats(t, &rows[GET])->calls = 3;
    commands_stats(t, &config_subcommands[0])->calls = 4;
    CHECK_INT(commands_stats(t, &rows[MSET])->calls, 0);
    CHECK_INT(commands_stats(t, &config_subcommands[1])->calls, 0);
    CHECK_INT(commands_stats(t, &rows[GET])->calls, 3);
    CHECK_INT(commands_stats(t, &config_subcommands[0])->calls, 4);
    commands_reset_stats(t);
    CHECK_INT(commands_stats(t, &rows[GET])->calls, 0);
    CHECK_INT(commands_stats(t, &config_subcommands[0])->calls, 0);
    commands_free(t);
}

TEST("keys are where the specifications say") {
    char out[256];
    CHECK_STR(keys_of(GET, "get a", 64, out), "1: 1");
    CHECK_STR(keys_of(MSET, "mset a 1 b 2 c 3", 64, out), "3: 1 3 5");
    CHECK_STR(keys_of(COPY, "copy a b", 64, out), "2: 1 2");
    CHECK_STR(keys_of(EVAL, "eval x 2 a b c", 64, out), "2: 3 4");
    CHECK_STR(keys_of(XREAD, "xread count 5 streams a b 0 0", 64, out), "2: 4 5");
    CHECK_STR(keys_of(PING, "ping", 64, out), "0:");
}

TEST("all keys are counted, and no more than asked for are written") {
    char out[256];
    CHECK_STR(keys_of(MSET, "mset a 1 b 2 c 3", 2, out), "3: 1 3");
    CHECK_STR(keys_of(EVAL, "eval x 3 a b c", 0, out), "3:");
}

TEST("counts that lie do not name arguments that are not there") {
    static const char *const counts[] = {
        "-1", "4", "99999999999", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "18446744073709551615", "4294967297", "x", "1x", "+1", "1.5"};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char line[128], out[256];
        snprintf(line, sizeof(line), "eval x %s a b c", counts[i]);
        (void)keys_of(EVAL, line, 64, out);
        CHECK(strtol(out, NULL, 10) <= 0);
    }
    char out[256];
    CHECK_STR(keys_of(EVAL, "eval x 0 a", 64, out), "0:");
    CHECK(strtol(keys_of(EVAL, "eval x", 64, out), NULL, 10) <= 0);
    CHECK(strtol(keys_of(EVAL, "eval", 64, out), NULL, 10) <= 0);
    CHECK(strtol(keys_of(GET, "get", 64, out), NULL, 10) <= 0);
    CHECK(strtol(keys_of(MSET, "mset", 64, out), NULL, 10) <= 0);
    CHECK(strtol(keys_of(XREAD, "xread count 5 a", 64, out), NULL, 10) <= 0);
    CHECK(strtol(keys_of(XREAD, "xread streams", 64, out), NULL, 10) <= 0);
}

TEST("whatever a command line holds, every key that is named is one of its arguments") {
    static const char *const some[] = {"1", "2", "-1", "streams", "a", "STREAMS", "count", "99",
                                       "9223372036854775807", "", "0"};
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        slice argv[8];
        size_t n = 1 + (size_t)round % 8;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            argv[i] = slice_str(some[(seed >> 16) % (sizeof(some) / sizeof(some[0]))]);
        }
        struct key_ref keys[8];
        int found = command_keys(&rows[round % ROWS], argv, n, keys, 8);
        CHECK(found <= (int)n);
        for (int i = 0; i < found; i++) CHECK(keys[i].pos >= 1 && (size_t)keys[i].pos < n);
    }
}

TEST("the legacy triple is that of the first range, joined with one right behind it") {
    static const struct { int row, first, last, step; } cases[] = {
        {GET, 1, 1, 1}, {MSET, 1, -1, 2}, {COPY, 1, 2, 1}, {EVAL, 0, 0, 0}, {XREAD, 0, 0, 0},
        {PING, 0, 0, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int first, last, step;
        command_legacy_range(&rows[cases[i].row], &first, &last, &step);
        CHECK_INT(first, cases[i].first);
        CHECK_INT(last, cases[i].last);
        CHECK_INT(step, cases[i].step);
    }
}

TEST("categories follow from flags and group") {
    CHECK(command_categories(&rows[GET]) == (CAT_READ | CAT_STRING | CAT_FAST));
    CHECK(command_categories(&rows[MSET]) == (CAT_WRITE | CAT_STRING | CAT_SLOW));
    CHECK(command_categories(&rows[COPY]) == (CAT_WRITE | CAT_KEYSPACE | CAT_SLOW));
    CHECK((command_categories(&config_subcommands[0]) & (CAT_ADMIN | CAT_DANGEROUS)) ==
          (CAT_ADMIN | CAT_DANGEROUS));
    CHECK((command_categories(&rows[XREAD]) & CAT_BLOCKING) != 0);
    CHECK((command_categories(&rows[PING]) & CAT_CONNECTION) != 0);
    CHECK_STR(command_category_name(0), "keyspace");
    CHECK_STR(command_category_name(20), "scripting");
    CHECK(command_category_name(21) == NULL);
}

static void count_one(void *cookie, const struct command *cmd) {
    (void)cmd;
    (*(size_t *)cookie)++;
}

TEST("a renamed command is known by its new name alone, and so are its subcommands") {
    commands *t = commands_create();
    commands_add(t, rows, ROWS - 1);
    commands_add_module(t, "test", &rows[MEMBER], 1);
    CHECK_INT(commands_rename(t, SLICE("CONFIG"), SLICE("b840f|x")), OK);
    CHECK(commands_find(t, SLICE("config")) == NULL);
    CHECK(commands_find(t, SLICE("B840F|X")) == &rows[CONFIG]);
    CHECK_STR(commands_full_name(t, &config_subcommands[1]), "b840f|x|set");
    CHECK_STR(commands_declared_name(t, &config_subcommands[1]), "config|set");
    CHECK(commands_parent(t, &config_subcommands[1]) == &rows[CONFIG]);
    CHECK(commands_parent(t, &rows[CONFIG]) == NULL);
    CHECK_INT(commands_rename(t, SLICE("vtest"), SLICE("vt")), OK);
    CHECK(commands_find(t, SLICE("vt")) == &rows[MEMBER]);
    CHECK_STR(commands_module(t, &rows[MEMBER]), "test");
    CHECK_INT(commands_rename(t, SLICE("vt"), SLICE("VTEST")), OK);
    CHECK(commands_find(t, SLICE("vtest")) == &rows[MEMBER]);
    for (int i = 0; i < ROWS; i++) { /* The others are where they were. */
        if (i != CONFIG) CHECK(commands_find(t, slice_str(rows[i].name)) == &rows[i]);
    }
    commands_free(t);
}

TEST("a command renamed to nothing is gone; a name that is taken, not there or too long is refused") {
    commands *t = commands_create();
    char longest[129];
    size_t seen = 0;
    memset(longest, 'x', sizeof(longest));
    commands_add(t, rows, ROWS);
    CHECK_INT(commands_rename(t, SLICE("config"), SLICE("")), OK);
    CHECK(commands_find(t, SLICE("config")) == NULL);
    CHECK_INT(commands_count(t), ROWS - 1);
    commands_each(t, count_one, &seen);
    CHECK_INT(seen, ROWS - 1);
    CHECK_INT(commands_rename(t, SLICE("config"), SLICE("c")), ERR_NOTFOUND);
    CHECK_INT(commands_rename(t, SLICE("get"), SLICE("PING")), ERR_EXISTS);
    CHECK_INT(commands_rename(t, SLICE("get"), SLICE("GET")), OK);
    CHECK_INT(commands_rename(t, SLICE("get"), slice_make(longest, 129)), ERR_LIMIT);
    CHECK_INT(commands_rename(t, SLICE("get"), slice_make("g\0t", 3)), ERR_LIMIT);
    CHECK(commands_find(t, SLICE("get")) == &rows[GET]);
    CHECK_INT(commands_rename(t, SLICE("get"), slice_make(longest, 128)), OK);
    CHECK(commands_find(t, slice_make(longest, 128)) == &rows[GET]);
    CHECK_INT(commands_rename(t, SLICE("ping"), SLICE("get")), OK); /* Its name is free now. */
    CHECK(commands_find(t, SLICE("get")) == &rows[PING]);
    commands_free(t);
}
