/* json_test.c -- one field out of an attribute. */
#include "test.h"

#include "base/rnd.h"
#include "modules/vector/json.h"

/* A value as text: its kind's letter and its content; "-" when the field is not found. */
static void show(const struct json_value *v, buf *out) {
    switch (v->kind) {
    case JSON_NULL: buf_append_str(out, "null"); return;
    case JSON_NUMBER: buf_printf(out, "%g", v->number); return;
    case JSON_STRING:
        buf_append_str(out, "'");
        buf_append_slice(out, v->text);
        buf_append_str(out, "'");
        return;
    case JSON_ARRAY:
        buf_append_str(out, "[");
        for (size_t i = 0; i < v->count; i++) {
            if (i > 0) buf_append_str(out, " ");
            show(&v->items[i], out);
        }
        buf_append_str(out, "]");
        return;
    }
}

static int wrong;
static void expect(const char *json, const char *name, const char *want) {
    struct arena a = {NULL};
    struct json_value v;
    buf out = BUF_INIT;
    if (json_field(slice_str(json), slice_str(name), &a, &v)) show(&v, &out);
    else buf_append_str(&out, "-");
    if (!slice_eq(slice_of(&out), slice_str(want))) {
        printf("# %s of %s: got %.*s, expected %s\n", name, json, (int)out.n,
               (char *)out.p, want);
        wrong++;
    }
    arena_deinit(&a);
    buf_free(&out);
}

TEST("scalars of every kind are read, with any space between") {
    wrong = 0;
    expect("{\"a\":1}", "a", "1");
    expect(" {\t\"a\" :\n -2.5e3 , \"b\":1}", "a", "-2500");
    expect("{\"a\":+7}", "a", "7");
    expect("{\"a\":true,\"b\":false,\"c\":null}", "a", "1");
    expect("{\"a\":true,\"b\":false,\"c\":null}", "b", "0");
    expect("{\"a\":true,\"b\":false,\"c\":null}", "c", "null");
    expect("{\"a\":\"\"}", "a", "''");
    expect("{\"a\":\"x\\\"y\\\\z\\n\\/\\u00e9\"}", "a", "'x\"y\\z\n/u00e9'");
    CHECK_INT(wrong, 0);
}

TEST("arrays hold scalars, nulls and arrays; an object inside ends them") {
    wrong = 0;
    expect("{\"a\":[]}", "a", "[]");
    expect("{\"a\":[ 1 , \"x\",true,null ]}", "a", "[1 'x' 1 null]");
    expect("{\"a\":[1,[2,[3]],4]}", "a", "[1 [2 [3]] 4]");
    expect("{\"a\":[1,{\"z\":1}]}", "a", "-");
    expect("{\"a\":[[{}]]}", "a", "-");
    expect("{\"a\":[1", "a", "-");
    expect("{\"a\":[1 2]}", "a", "-");
    expect("{\"a\":{\"a\":1}}", "a", "-");
    CHECK_INT(wrong, 0);
}

TEST("the first field of the name wins, found over values of every kind") {
    wrong = 0;
    expect("{\"a\":1,\"a\":2}", "a", "1");
    expect("{\"x\":{\"a\":{\"b\":[1,\"}\"]}},\"y\":[[],{\"a\":1}],\"z\":\"\\\"a\\\":9\","
           "\"a\":3}",
           "a", "3");
    expect("{\"k\\u0061\":3}", "ka", "-");
    expect("{\"k\\u0061\":3}", "k\\u0061", "3");
    expect("{\"\":5}", "", "5");
    expect("{\"a\":1} garbage", "a", "1");
    expect("{\"a\":1 garbage", "a", "1");
    expect("{\"b\":garbage,\"a\":1}", "a", "-");
    CHECK_INT(wrong, 0);
}

TEST("what is no JSON has no fields") {
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "{}",
                                      "[]",
                                      "[1]",
                                      "1",
                                      "\"a\"",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\"1}",
                                      "{a:1}",
                                      "{\"a\":tru}",
                                      "{\"a\":truex}",
                                      "{\"a\":-}",
                                      "{\"a\":1-2}",
                                      "{\"a\":\"x}",
                                      "{\"a\":\"x\\",
                                      "{,\"a\":1}",
                                      "{\"a\":nul}",
                                      "{\"a\":.5}"};
    wrong = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) expect(bad[i], "a", "-");
    CHECK_INT(wrong, 0);
}

TEST("depth and length of what is nested are bounded") {
    buf b = BUF_INIT;
    buf_append_str(&b, "{\"a\":");
    for (int i = 0; i < 100000; i++) buf_append_str(&b, "[");
    struct arena a = {NULL};
    struct json_value v;
    CHECK(!json_field(slice_of(&b), SLICE("a"), &a, &v));
    CHECK(!json_field(slice_of(&b), SLICE("b"), &a, &v));
    arena_deinit(&a);
    buf_free(&b);
}

TEST("random bytes are read or refused, never read past") {
    static const char alphabet[] = "{}[]\",:\\a1-e.tfn \x80";
    rnd r;
    rnd_seed(&r, 3);
    struct arena a = {NULL};
    int found = 0;
    for (int i = 0; i < 300000; i++) {
        size_t n = (size_t)rnd_below(&r, 24);
        uint8_t *text =
            mem_alloc(n + 5); /* Of its own, so that a sanitizer sees its end. */
        memcpy(text, "{\"a\":", 5);
        for (size_t j = 0; j < n; j++)
            text[5 + j] = (uint8_t)alphabet[rnd_below(&r, sizeof(alphabet) - 1)];
        struct json_value v;
        bool whole = rnd_below(&r, 2) == 0;
        arena_reset(&a);
        found += json_field(whole ? slice_make(text, n + 5) : slice_make(text + 5, n),
                            SLICE("a"), &a, &v);
        mem_free(text);
    }
    CHECK(found > 1000);
    arena_deinit(&a);
}
