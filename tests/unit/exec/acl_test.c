/* acl_test.c -- users and their rules: what each rule allows, what is shown of them, and that rules
 * shortened for showing mean the same as the rules that were given. */
#include "exec/acl.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rnd.h"
#include "test.h"

static int nothing(call *c) {
    (void)c;
    return OK;
}
static unsigned set_flags(const slice *argv, size_t argc) {
    return argc > 3 && slice_is(argv[3], "get") ? KEY_RW | KEY_ACCESS | KEY_UPDATE : KEY_OW | KEY_UPDATE;
}

#define ONE(f) {{.flags = (f), .begin = KEYS_INDEX, .pos = 1, .step = 1}}
static const struct command config_subcommands[] = {
    {.name = "get", .fn = nothing, .arity = -3, .flags = CMD_ADMIN, .group = GROUP_SERVER},
    {.name = "set", .fn = nothing, .arity = -4, .flags = CMD_ADMIN, .group = GROUP_SERVER},
    {.name = NULL}};
static const struct command rows[] = {
    {.name = "get", .fn = nothing, .arity = 2, .flags = CMD_READONLY | CMD_FAST, .group = GROUP_STRING,
     .keys = ONE(KEY_RO | KEY_ACCESS)},
    {.name = "getset", .fn = nothing, .arity = 3, .flags = CMD_WRITE, .group = GROUP_STRING,
     .keys = ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE)},
    {.name = "set", .fn = nothing, .arity = -3, .flags = CMD_WRITE, .group = GROUP_STRING,
     .keys = ONE(KEY_RW | KEY_VARIABLE_FLAGS), .key_flags = set_flags},
    {.name = "exists", .fn = nothing, .arity = -2, .flags = CMD_READONLY, .group = GROUP_GENERIC,
     .keys = {{.flags = KEY_RO, .begin = KEYS_INDEX, .pos = 1, .last = -1, .step = 1}}},
    {.name = "mget", .fn = nothing, .arity = -2, .flags = CMD_READONLY, .group = GROUP_STRING,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .last = -1, .step = 1}}},
    {.name = "copy", .fn = nothing, .arity = 3, .flags = CMD_WRITE, .group = GROUP_GENERIC,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .step = 1},
              {.flags = KEY_OW | KEY_UPDATE, .begin = KEYS_INDEX, .pos = 2, .step = 1}}},
    {.name = "sintercard", .fn = nothing, .arity = -3, .flags = CMD_READONLY, .group = GROUP_SET,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .find = KEYS_KEYNUM,
               .keynum_first = 1, .keynum_step = 1}}},
    {.name = "config", .arity = -2, .group = GROUP_SERVER, .subcommands = config_subcommands},
    {.name = "debug", .fn = nothing, .arity = -2, .flags = CMD_ADMIN, .group = GROUP_SERVER},
    {.name = "auth", .fn = nothing, .arity = -2, .flags = CMD_NO_AUTH, .group = GROUP_CONNECTION},
    {.name = "ping", .fn = nothing, .arity = -1, .flags = CMD_FAST, .group = GROUP_CONNECTION}};

struct world {
    commands *t;
    struct acl_config config;
    acl *a;
};

static struct world *world_create(void) {
    struct world *w = mem_calloc(1, sizeof(*w));
    w->t = commands_create();
    commands_add(w->t, rows, sizeof(rows) / sizeof(*rows));
    w->config.pubsub_default = ACL_CHANNELS_NONE;
    w->a = acl_create(w->t, &w->config);
    return w;
}

static void world_free(struct world *w) {
    acl_free(w->a);
    commands_free(w->t);
    mem_free(w);
}

/* Words between single spaces; inside of "..." as they are. */
static size_t split(const char *line, slice *out, char store[1024]) {
    size_t n = 0;
    snprintf(store, 1024, "%s", line);
    for (char *rest = store, *word; (word = strsep(&rest, " ")) != NULL;) out[n++] = slice_str(word);
    return line[0] == '\0' ? 0 : n;
}

/* "": all rules were taken. Else what was said about which. */
static const char *set(struct world *w, const char *name, const char *line) {
    static char said[512];
    slice rules[64];
    char store[1024];
    const char *why = "?";
    buf bad = BUF_INIT;
    size_t n = split(line, rules, store);
    int rc = acl_set_user(w->a, slice_str(name), rules, n, &why, &bad);
    snprintf(said, sizeof(said), "%s%s%.*s", rc == OK ? "" : why, rc == OK ? "" : ": ",
             rc == OK ? 0 : (int)bad.n, (const char *)bad.p);
    buf_free(&bad);
    return said;
}

/* "ok", "command", or the key that is refused. */
static const char *run(struct world *w, const char *name, const char *line) {
    static char said[512];
    slice argv[128];
    char store[1024];
    size_t at, argc = split(line, argv, store);
    const struct command *cmd = commands_find(w->t, argv[0]);
    if (cmd->subcommands != NULL) cmd = commands_find_sub(cmd, argv[1]);
    enum acl_verdict v = acl_check(w->a, acl_find(w->a, slice_str(name)), cmd, argv, argc, &at);
    if (v == ACL_OK) return "ok";
    if (v == ACL_DENIED_COMMAND) return "command";
    snprintf(said, sizeof(said), "%.*s", (int)argv[at].n, (const char *)argv[at].p);
    return said;
}

static const char *shown(const acl_user *u) {
    static char said[1024];
    buf out = BUF_INIT;
    acl_user_describe(u, &out);
    snprintf(said, sizeof(said), "%.*s", (int)out.n, (const char *)out.p);
    buf_free(&out);
    return said;
}
static const char *show(struct world *w, const char *name) { return shown(acl_find(w->a, slice_str(name))); }

TEST("default may do everything without a password; a new user may do nothing") {
    struct world *w = world_create();
    CHECK_STR(show(w, "default"), "on nopass ~* &* +@all");
    CHECK_STR(run(w, "default", "config set a b"), "ok");
    CHECK_STR(set(w, "bob", ""), "");
    CHECK_STR(show(w, "bob"), "off resetchannels -@all");
    CHECK_STR(run(w, "bob", "ping"), "command");
    CHECK_STR(run(w, "bob", "auth x"), "ok"); /* Else nobody could become somebody else. */
    CHECK(!acl_user_on(acl_find(w->a, SLICE("bob"))));
    w->config.pubsub_default = ACL_CHANNELS_ALL;
    CHECK_STR(set(w, "ann", ""), "");
    CHECK_STR(show(w, "ann"), "off &* -@all");
    CHECK_INT(acl_count(w->a), 3);
    world_free(w);
}

TEST("commands, categories, subcommands and first arguments") {
    struct world *w = world_create();
    CHECK_STR(set(w, "bob", "allkeys +@read -get +CONFIG|get +Debug|Object"), "");
    CHECK_STR(show(w, "bob"), "off ~* resetchannels -@all +@read -get +config|get +debug|Object");
    CHECK_STR(run(w, "bob", "mget a"), "ok");
    CHECK_STR(run(w, "bob", "get a"), "command");
    CHECK_STR(run(w, "bob", "set a b"), "command");
    CHECK_STR(run(w, "bob", "config get a"), "ok");
    CHECK_STR(run(w, "bob", "config set a b"), "command");
    CHECK_STR(run(w, "bob", "debug OBJECT k"), "ok");
    CHECK_STR(run(w, "bob", "debug segfault"), "command");
    CHECK_STR(run(w, "bob", "debug"), "command");
    CHECK_STR(set(w, "bob", "+config"), "");
    CHECK_STR(run(w, "bob", "config set a b"), "ok");
    CHECK_STR(set(w, "bob", "-@dangerous"), ""); /* Takes the first argument's permission too. */
    CHECK_STR(run(w, "bob", "config set a b"), "command");
    CHECK_STR(run(w, "bob", "debug object k"), "command");
    CHECK_STR(run(w, "bob", "mget a"), "ok");
    CHECK_STR(set(w, "bob", "+@all -config|set"), "");
    CHECK_STR(show(w, "bob"), "off ~* resetchannels +@all -config|set");
    CHECK_STR(run(w, "bob", "config get a"), "ok");
    CHECK_STR(run(w, "bob", "config set a b"), "command");
    world_free(w);
}

TEST("what says nothing new is not kept, and a category without commands is") {
    static const struct { const char *rules, *kept; } cases[] = {
        {"+get +@all", "+@all"},
        {"+@all +get", "+@all"},
        {"+@all -get +get", "+@all"},
        {"-get", "-@all"},
        {"+config|get +config|set +config", "-@all +config"},
        {"+config -config|get +config|get", "-@all +config +config|get"},
        {"+get +getset -get", "-@all +getset -get"},
        {"+@read -@read +@read", "-@all +@read"},
        {"+@all -@sortedset", "+@all -@sortedset"},
        {"+debug|a +debug|b +DEBUG|A", "-@all +debug|a +debug|b"},
        {"+debug|a +debug", "-@all +debug"},
        {"+@all -@all", "-@all"},
        {"allcommands nocommands", "-@all"}};
    struct world *w = world_create();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        buf out = BUF_INIT;
        CHECK_STR(set(w, "bob", "reset"), "");
        CHECK_STR(set(w, "bob", cases[i].rules), "");
        acl_user_commands(acl_find(w->a, SLICE("bob")), 0, &out);
        CHECK_SLICE(slice_of(&out), cases[i].kept);
        buf_free(&out);
    }
    world_free(w);
}

TEST("keys: reading, writing, both, and what only looks") {
    struct world *w = world_create();
    CHECK_STR(set(w, "bob", "+@all %R~r* %w~w* ~b* %RW~x %R~x"), "");
    CHECK_STR(show(w, "bob"), "off %R~r* %W~w* ~b* ~x resetchannels +@all");
    CHECK_STR(run(w, "bob", "get r1"), "ok");
    CHECK_STR(run(w, "bob", "get w1"), "w1");
    CHECK_STR(run(w, "bob", "getset r1 v"), "r1");
    CHECK_STR(run(w, "bob", "getset b v"), "ok");
    CHECK_STR(run(w, "bob", "set w1 v"), "ok");
    CHECK_STR(run(w, "bob", "set w1 v get"), "w1"); /* Reads as well. */
    CHECK_STR(run(w, "bob", "set x v get"), "ok");
    CHECK_STR(run(w, "bob", "exists r1 w1 b"), "ok");
    CHECK_STR(run(w, "bob", "exists r1 n b"), "n");
    CHECK_STR(run(w, "bob", "copy r1 w1"), "ok");
    CHECK_STR(run(w, "bob", "copy w1 r1"), "w1");
    CHECK_STR(run(w, "bob", "mget r1 r2 c1 c2"), "c1");
    CHECK_STR(run(w, "bob", "sintercard 2 r1 c2"), "c2");
    CHECK_STR(run(w, "bob", "sintercard 1 r1 c2"), "ok");
    CHECK_STR(run(w, "bob", "sintercard 7 r1 r2"), "sintercard"); /* Which keys, cannot be told. */
    CHECK_STR(run(w, "bob", "ping"), "ok");
    CHECK_STR(set(w, "bob", "allkeys"), "");
    CHECK_STR(run(w, "bob", "sintercard 7 r1 r2"), "ok");
    CHECK_STR(set(w, "bob", "resetkeys %RW"), ""); /* As Redis: the empty key. */
    CHECK_STR(run(w, "bob", "get r1"), "r1");
    world_free(w);
}

TEST("more keys than fit on the stack are all looked at") {
    struct world *w = world_create();
    slice argv[201];
    size_t at;
    argv[0] = SLICE("mget");
    for (size_t i = 1; i < 201; i++) argv[i] = SLICE("a");
    CHECK_STR(set(w, "bob", "+mget ~a"), "");
    const acl_user *bob = acl_find(w->a, SLICE("bob"));
    const struct command *mget = commands_find(w->t, SLICE("mget"));
    CHECK_INT(acl_check(w->a, bob, mget, argv, 201, &at), ACL_OK);
    argv[200] = SLICE("b");
    CHECK_INT(acl_check(w->a, bob, mget, argv, 201, &at), ACL_DENIED_KEY);
    CHECK_INT(at, 200);
    world_free(w);
}

TEST("selectors: one of them has to allow all of it; the refusal told is the one that came furthest") {
    struct world *w = world_create();
    CHECK_STR(set(w, "bob", "+mget ~key (+mget ~key ~other) ( +copy %R~r* ) (+copy %W~w*)"), "");
    CHECK_STR(show(w, "bob"), "off ~key resetchannels -@all +mget (~key ~other resetchannels -@all +mget) "
                              "(%R~r* resetchannels -@all +copy) (%W~w* resetchannels -@all +copy)");
    CHECK_STR(run(w, "bob", "mget key other"), "ok");
    CHECK_STR(run(w, "bob", "mget key other third"), "third");
    CHECK_STR(run(w, "bob", "get key"), "command");
    CHECK_STR(run(w, "bob", "copy r1 w1"), "w1"); /* They do not add up. */
    CHECK_STR(set(w, "bob", "clearselectors"), "");
    CHECK_INT(acl_user_selectors(acl_find(w->a, SLICE("bob"))), 1);
    CHECK_STR(run(w, "bob", "mget key other"), "other");
    CHECK_STR(set(w, "bob", "(+get"), "Unmatched parenthesis in acl selector: (+get");
    CHECK_STR(set(w, "bob", "(+get) (on)"), "Syntax error: (on)");
    CHECK_INT(acl_user_selectors(acl_find(w->a, SLICE("bob"))), 1);
    world_free(w);
}

TEST("a bad rule among good ones changes nothing, and makes no user") {
    static const struct { const char *rule, *why; } bad[] = {
        {"zap", "Syntax error: zap"}, {"+", "Syntax error: +"},
        {"+nosuch", "Unknown command or category name in ACL: +nosuch"},
        {"+@nosuch", "Unknown command or category name in ACL: +@nosuch"},
        {"-debug|a", "Unknown command or category name in ACL: -debug|a"},
        {"+config|nosuch", "Unknown command or category name in ACL: +config|nosuch"},
        {"+get|a|b", "Unknown command or category name in ACL: +get|a|b"},
        {"+config|get|x", "Allowing first-arg of a subcommand is not supported: +config|get|x"},
        {"+debug|", "Syntax error: +debug|"}, {"%~a", "Syntax error: %~a"}, {"%", "Syntax error: %"},
        {"%RR~a", "Syntax error: %RR~a"}, {"%X~a", "Syntax error: %X~a"}, {")", "Syntax error: )"},
        {"#12", "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
                "characters: #12"},
        {"<none", "The password you are trying to remove from the user does not exist: <none"}};
    struct world *w = world_create();
    CHECK_STR(set(w, "bob", "on >pw ~a +get"), "");
    char before[1024];
    snprintf(before, sizeof(before), "%s", show(w, "bob"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char line[256];
        snprintf(line, sizeof(line), "nopass ~b +@all (+get) %s off", bad[i].rule);
        CHECK_STR(set(w, "bob", line), bad[i].why);
        CHECK_STR(show(w, "bob"), before);
        CHECK_STR(set(w, "new", line), bad[i].why);
        CHECK(acl_find(w->a, SLICE("new")) == NULL);
    }
    CHECK(strstr(set(w, "bob", "allkeys ~b"), "Adding a pattern after the * pattern") != NULL);
    CHECK(strstr(set(w, "bob", "&* &b"), "Adding a pattern after the * pattern") != NULL);
    slice hidden[] = {slice_make("~a\0b", 4), SLICE("~a b"), SLICE("~a\tb")};
    for (size_t i = 0; i < 3; i++) {
        const char *why = "";
        buf rule = BUF_INIT;
        CHECK_INT(acl_set_user(w->a, SLICE("bob"), &hidden[i], 1, &why, &rule), ERR_SYNTAX);
        buf_free(&rule);
    }
    CHECK_STR(show(w, "bob"), before);
    world_free(w);
}

TEST("passwords: several, as hashes, none, any; a user that is off is nobody") {
    struct world *w = world_create();
    char hex[65], line[100];
    hash_sha256_hex("two", 3, hex);
    snprintf(line, sizeof(line), "on >one #%s", hex);
    CHECK_STR(set(w, "bob", line), "");
    acl_user *bob = acl_find(w->a, SLICE("bob"));
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("one")) == bob);
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("two")) == bob);
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("three")) == NULL);
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("")) == NULL);
    CHECK(acl_authenticate(w->a, SLICE("nobody"), SLICE("one")) == NULL);
    CHECK_INT(acl_user_passwords(bob), 2);
    CHECK_STR(acl_user_password(bob, 1), hex);
    CHECK_STR(set(w, "bob", "<one"), "");
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("one")) == NULL);
    CHECK_STR(set(w, "bob", "off"), "");
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("two")) == NULL);
    CHECK_STR(set(w, "bob", "on nopass"), "");
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("anything")) == bob);
    CHECK_STR(set(w, "bob", "resetpass"), "");
    CHECK(acl_authenticate(w->a, SLICE("bob"), SLICE("anything")) == NULL);
    acl_requirepass(w->a, "secret");
    CHECK(acl_authenticate(w->a, SLICE("default"), SLICE("")) == NULL);
    CHECK(acl_authenticate(w->a, SLICE("default"), SLICE("secret")) == acl_default(w->a));
    acl_requirepass(w->a, "");
    CHECK_STR(show(w, "default"), "on nopass ~* &* +@all");
    world_free(w);
}

TEST("a declared user begins anew, once") {
    struct world *w = world_create();
    slice rules[] = {SLICE("on"), SLICE("+get")};
    const char *why = "";
    buf bad = BUF_INIT;
    CHECK(!acl_user_declared(acl_default(w->a)));
    CHECK_INT(acl_declare_user(w->a, SLICE("default"), rules, 2, &why, &bad), OK);
    CHECK_STR(show(w, "default"), "on resetchannels -@all +get");
    CHECK(acl_user_declared(acl_default(w->a)));
    CHECK_INT(acl_declare_user(w->a, SLICE("default"), rules, 2, &why, &bad), ERR_EXISTS);
    CHECK_STR(why, "Duplicate user found. A user can only be defined once in config files");
    buf_free(&bad);
    world_free(w);
}

TEST("a file of users: comments and blank lines; every fault is told and none is taken") {
    struct world *w = world_create();
    buf errors = BUF_INIT;
    acl_user *held = acl_default(w->a);
    CHECK_STR(set(w, "old", "on"), "");
    acl *fresh = acl_parse(w->a, SLICE("# users\n\n  user bob on \"~a\" +get (+set ~b)\r\nuser default off"),
                           "users.acl", &errors);
    CHECK(fresh != NULL && errors.n == 0);
    acl_adopt(w->a, fresh);
    CHECK_STR(show(w, "bob"), "on ~a resetchannels -@all +get (~b resetchannels -@all +set)");
    CHECK(acl_find(w->a, SLICE("old")) == NULL);
    CHECK(acl_default(w->a) == held); /* Who holds it has the new rules. */
    CHECK_STR(shown(held), "off resetchannels -@all");
    CHECK(acl_parse(w->a, SLICE("user a on\nuser a off\nalice on\nuser b +nosuch\nuser \"c d\" on\nuser d (+get"),
                    "f", &errors) == NULL);
    CHECK_SLICE(slice_of(&errors),
                "WARNING: Duplicate user 'a' found on line 2. f:3: line should start with user keyword. "
                "f:4: Unknown command or category name in ACL. f:5: username 'c d' contains invalid characters. "
                "f:6: Unmatched parenthesis in acl selector. ");
    buf_free(&errors);
    world_free(w);
}

TEST("rules name commands as they were declared, renamed or removed or not") {
    struct world *w = world_create();
    CHECK_INT(commands_rename(w->t, SLICE("config"), SLICE("cfg")), OK);
    CHECK_INT(commands_rename(w->t, SLICE("get"), SLICE("")), OK);
    CHECK_INT(commands_rename(w->t, SLICE("ping"), SLICE("get")), OK);
    CHECK_STR(set(w, "bob", "+config|get +get allkeys"), "");
    CHECK_STR(run(w, "bob", "cfg get a"), "ok");
    CHECK_STR(run(w, "bob", "get"), "command"); /* It is PING. */
    CHECK_STR(set(w, "bob", "+cfg"), "Unknown command or category name in ACL: +cfg");
    world_free(w);
}

/* Rules in order, each on every row, as the text of the rules says. */
struct model { bool allowed[16]; };

static void model_apply(struct world *w, struct model *m, const char *rule) {
    bool allow = rule[0] == '+';
    const char *name = rule + 1;
    for (size_t i = 0; i < commands_rows(w->t); i++) {
        const struct command *row = commands_row(w->t, i), *parent = commands_parent(w->t, row);
        bool about = strcmp(commands_declared_name(w->t, row), name) == 0 ||
                     (parent != NULL && strcmp(parent->name, name) == 0) || strcmp(name, "@all") == 0;
        for (unsigned b = 0; name[0] == '@' && command_category_name(b) != NULL; b++) {
            if (strcmp(command_category_name(b), name + 1) == 0) about = command_categories(row) >> b & 1;
        }
        if (about) m->allowed[i] = allow;
    }
}

static void model_compare(struct world *w, const struct model *m, const char *name) {
    const acl_user *u = acl_find(w->a, slice_str(name));
    for (size_t i = 0; i < commands_rows(w->t); i++) {
        const struct command *row = commands_row(w->t, i);
        slice argv[] = {slice_str(row->name)};
        size_t at;
        bool got = acl_check(w->a, u, row, argv, 1, &at) == ACL_OK;
        bool want = m->allowed[i] || (row->flags & CMD_NO_AUTH) != 0;
        if (got != want) test_fail(__FILE__, __LINE__, "%s of %s: %s", row->name, name, show(w, name));
    }
}

TEST("random rules: what is kept of them means the same") {
    static const char *const names[] = {"get", "getset", "set", "config", "config|get", "config|set", "debug",
                                        "ping", "@read", "@write", "@string", "@dangerous", "@slow", "@fast",
                                        "@keyspace", "@all"};
    rnd r;
    rnd_seed(&r, 20240707);
    for (int round = 0; round < 2000; round++) {
        struct world *w = world_create();
        struct model m = {{false}};
        CHECK_STR(set(w, "bob", "allkeys"), "");
        for (uint64_t n = rnd_below(&r, 12); n > 0; n--) {
            char rule[32];
            size_t which = (size_t)rnd_below(&r, sizeof(names) / sizeof(*names) - (rnd_below(&r, 4) != 0));
            snprintf(rule, sizeof(rule), "%c%s", "+-"[rnd_below(&r, 2)], names[which]);
            CHECK_STR(set(w, "bob", rule), "");
            model_apply(w, &m, rule);
        }
        model_compare(w, &m, "bob");
        char text[1024], again[1024];
        snprintf(text, sizeof(text), "%s", show(w, "bob"));
        CHECK_STR(set(w, "twin", text), "");
        snprintf(again, sizeof(again), "%s", show(w, "twin"));
        CHECK_STR(again, text);
        model_compare(w, &m, "twin");
        world_free(w);
    }
}

TEST("generated passwords: as long as asked, and each another") {
    uint8_t secret[32] = {1, 2, 3};
    uint64_t counter = 0;
    char a[1024], b[1024];
    acl_genpass(secret, &counter, a, sizeof(a));
    acl_genpass(secret, &counter, b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    for (size_t i = 0; i < sizeof(a); i++) CHECK(strchr("0123456789abcdef", a[i]) != NULL);
    CHECK(memcmp(a, a + 64, 64) != 0);
    b[3] = 'x';
    acl_genpass(secret, &counter, b, 3);
    CHECK(b[3] == 'x');
}
