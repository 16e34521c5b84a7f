/* s3_xml_fuzz.c -- whatever a store answers, the reader stays within it, ends, and keeps
 * its promises: a list in order, of names that are fit to be asked for. */
#include <stdlib.h>

#include "base/mem.h"
#include "objstore/objstore.h"
#include "objstore/s3_json.h"
#include "objstore/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok) {
    if (!ok) abort();
}

static void walk(slice doc) {
    s3_xml x;
    size_t steps = 0;
    int depth = 0;
    s3_xml_init(&x, doc);
    for (;;) {
        enum s3_xml_kind k = s3_xml_next(&x);
        if (k == S3_XML_START) depth++;
        if (k == S3_XML_END) depth--;
        if (k == S3_XML_TEXT) need(x.text_n <= S3_XML_TEXT_MAX);
        if (k == S3_XML_DONE) need(depth == 0);
        if (k == S3_XML_DONE || k == S3_XML_BAD) return;
        need(depth == x.depth && depth >= 0 && depth <= S3_XML_DEPTH);
        need(++steps <= doc.n + 2);
    }
}

static void list(slice doc, const char *prefix) {
    struct s3_xml_list l;
    if (s3_xml_list(doc, prefix, &l) != OK) return;
    size_t seen = 0;
    const char *last = "";
    for (size_t at = 0; at < l.names.n; seen++) {
        const char *name = (const char *)l.names.p + at;
        size_t n = strnlen(name, l.names.n - at);
        need(n < l.names.n - at);
        need(objstore_name_ok(name) && strcmp(last, name) < 0);
        last = name;
        at += n + 1;
    }
    need(seen == l.count && seen <= OBJ_LIST_MAX);
    need(!l.more || l.last.n > 0);
    s3_xml_list_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char small[8], large[512], root[S3_XML_NAME_MAX + 1];
    /* An exact copy, so that a read past the end is seen. */
    uint8_t *copy = mem_alloc(size + 1);
    memcpy(copy, data, size);
    copy = mem_realloc(copy, size > 0 ? size : 1);
    slice doc = slice_make(copy, size);
    walk(doc);
    list(doc, "");
    list(doc, "p/");
    s3_xml_root(doc, root);
    if (s3_xml_field(doc, "Code", small, sizeof(small)) == OK)
        need(strlen(small) < sizeof(small));
    if (s3_xml_field(doc, "Code", large, sizeof(large)) == OK)
        need(strlen(large) < sizeof(large));
    if (s3_json_field(doc, "Token", small, sizeof(small)) == OK)
        need(strlen(small) < sizeof(small));
    if (s3_json_field(doc, "Token", large, sizeof(large)) == OK)
        need(strlen(large) < sizeof(large));
    mem_free(copy);
    return 0;
}
