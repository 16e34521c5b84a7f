/* s3_xml_test.c -- the XML reader: what S3 sends is read, everything else is refused. */
#include "objstore/s3_xml.h"

#include "objstore/s3_json.h"
#include "test.h"

static void check_field(const char *doc, const char *name, const char *want) {
    char out[64];
    int rc = s3_xml_field(slice_str(doc), name, out, sizeof(out));
    if (rc != OK) test_fail(__FILE__, __LINE__, "%s in %s: %s", name, doc, err_name(rc));
    CHECK_STR(out, want);
}

TEST("fields of an error, with entities and CDATA") {
    const char *doc =
        "\xEF\xBB\xBF<?xml version='1.0'?>\n<Error xmlns=\"http://x/\">"
        "<Code>NoSuch&amp;Key</Code><!-- - --><Empty/><M>a<![CDATA[<b>]]>&#x63;&#100;"
        "&#233;</M></Error>\n";
    check_field(doc, "Code", "NoSuch&Key");
    check_field(doc, "M", "a<b>cd\xC3\xA9");
    check_field(doc, "Empty", "");
    char out[8], root[S3_XML_NAME_MAX + 1];
    CHECK_INT(s3_xml_field(slice_str(doc), "Nope", out, sizeof(out)), ERR_NOTFOUND);
    CHECK_INT(s3_xml_field(slice_str(doc), "Code", out, sizeof(out)), ERR_LIMIT);
    s3_xml_root(slice_str(doc), root);
    CHECK_STR(root, "Error");
}

TEST("malformed documents are refused") {
    static const char *const bad[] = {
        "",
        "x",
        "<",
        "<a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a></a><b></b>",
        "<a></a>x",
        "<a b></a>",
        "<a b=c></a>",
        "<a b=\"c></a>",
        "<a b='<'></a>",
        "<a>&nope;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#;</a>",
        "<a>&amp</a>",
        "<a>&",
        "<!DOCTYPE a><a/>",
        "<a><!ENTITY b 'c'></a>",
        "<a><!-- </a>",
        "<a><![CDATA[</a>",
        "<?xml <a/>",
        "<a/",
        "< a></a>",
        "<a b=\"1\"c=\"2\"/>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"};
    char out[8];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int rc = s3_xml_field(slice_str(bad[i]), "zz", out, sizeof(out));
        if (rc != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "%s: %s", bad[i], err_name(rc));
    }
    CHECK_INT(s3_xml_field(slice_make("<a>\0</a>", 8), "zz", out, sizeof(out)),
              ERR_SYNTAX);
}

#define LIST(inner)                                                                      \
    "<ListBucketResult><IsTruncated>false</IsTruncated>" inner "</ListBucketResult>"
#define KEY(k) "<Contents><Key>" k "</Key><Size>1</Size></Contents>"

TEST("a list: the prefix is cut off, names are decoded, foreign ones are left out") {
    struct s3_xml_list l;
    const char *doc =
        "<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated>" KEY("p/")
            KEY("p/%2E") KEY("p/a%2Fb") KEY("p/a+b") KEY("p/c%00")
                KEY("p/z") "</ListBucketResult>";
    /* Only "a/b" and "z" are names of objects; "p/a b" sorts before "p/a/b" and breaks
     * the order. */
    CHECK_INT(s3_xml_list(slice_str(doc), "p/", &l), ERR_SYNTAX);
    doc = "<ListBucketResult><IsTruncated>true</IsTruncated>" KEY("p/") KEY("p/%2E")
        KEY("p/a+b") KEY("p/a%2Fb") KEY("p/c%00") KEY("p/z") "</ListBucketResult>";
    CHECK_INT(s3_xml_list(slice_str(doc), "p/", &l), OK);
    CHECK_INT(l.count, 2);
    CHECK(l.more);
    CHECK_INT(l.names.n, 6);
    CHECK(memcmp(l.names.p, "a/b\0z", 6) == 0);
    CHECK_SLICE(slice_of(&l.last), "p/z");
    s3_xml_list_free(&l);
    CHECK_INT(s3_xml_list(slice_str(LIST("")), "p/", &l), OK);
    CHECK_INT(l.count, 0);
    CHECK(!l.more);
    s3_xml_list_free(&l);
}

TEST("a list that cannot be trusted is refused") {
    static const char *const bad[] = {
        LIST(KEY("q/a")),
        LIST(KEY("p/b") KEY("p/a")),
        LIST(KEY("p/a") KEY("p/a")),
        LIST(KEY("p/%zz")),
        LIST(KEY("p/%4")),
        LIST(KEY("p")),
        LIST("<Contents>"),
        "<Error><Code>x</Code></Error>",
        "<ListBucketResult>" KEY("p/a") "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>perhaps</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"};
    struct s3_xml_list l;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int rc = s3_xml_list(slice_str(bad[i]), "p/", &l);
        if (rc != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "%s: %s", bad[i], err_name(rc));
    }
}

TEST("more keys than were asked for are refused") {
    buf b = BUF_INIT;
    struct s3_xml_list l;
    buf_append_str(&b, "<ListBucketResult><IsTruncated>false</IsTruncated>");
    for (int i = 0; i < 1001; i++) buf_printf(&b, KEY("p/%04d"), i);
    buf_append_str(&b, "</ListBucketResult>");
    CHECK_INT(s3_xml_list(slice_of(&b), "p/", &l), ERR_SYNTAX);
    buf_free(&b);
}

TEST("JSON: string members of a flat object") {
    static const char doc[] =
        "{ \"a\" : \"x\\/\\u0041\\\"\", \"n\":-1.5E3, \"o\":{\"a\":[1,{}]},\n"
        "\"t\":true, \"last\":\"y\"}";
    char out[16];
    CHECK_INT(s3_json_field(SLICE(doc), "a", out, sizeof(out)), OK);
    CHECK_STR(out, "x/A\"");
    CHECK_INT(s3_json_field(SLICE(doc), "last", out, sizeof(out)), OK);
    CHECK_STR(out, "y");
    CHECK_INT(s3_json_field(SLICE(doc), "n", out, sizeof(out)), ERR_NOTFOUND);
    CHECK_INT(s3_json_field(SLICE(doc), "zz", out, sizeof(out)), ERR_NOTFOUND);
    CHECK_INT(s3_json_field(SLICE(doc), "a", out, 3), ERR_LIMIT);
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":\"",
                                      "{\"a\":\"\\",
                                      "{\"a\":\"\\u12",
                                      "{\"a\":\"\\q\"}",
                                      "{\"a\":1,}",
                                      "{\"a\":\"\x01\"}",
                                      "{\"b\":[1,}",
                                      "{\"b\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int rc = s3_json_field(slice_str(bad[i]), "a", out, sizeof(out));
        if (rc != ERR_SYNTAX && i != 9)
            test_fail(__FILE__, __LINE__, "%s: %s", bad[i], err_name(rc));
    }
}
