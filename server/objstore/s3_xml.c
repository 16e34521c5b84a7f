/* s3_xml.c -- see s3_xml.h. The reader is a cursor: next() steps over one token.
 *
 * What it refuses is most of XML: a DOCTYPE can define entities that expand without end
 * or name files, and no S3 answer has one. Memory is bounded by the struct: text longer
 * than S3_XML_TEXT_MAX comes in pieces, names point into the document. */
#include "objstore/s3_xml.h"

#include <assert.h>

#include "objstore/objstore.h"

void s3_xml_init(s3_xml *x, slice doc) {
    memset(x, 0, sizeof(*x));
    x->doc = doc;
    /* A byte order mark is allowed before anything else. */
    if (doc.n >= 3 && memcmp(doc.p, "\xEF\xBB\xBF", 3) == 0) x->at = 3;
}

static size_t left(const s3_xml *x) {
    return x->doc.n - x->at;
}
static bool looking_at(const s3_xml *x, const char *word) {
    size_t n = strlen(word);
    return left(x) >= n && memcmp(x->doc.p + x->at, word, n) == 0;
}

/* Moves past the next occurrence of word; false when there is none. */
static bool skip_past(s3_xml *x, const char *word) {
    if (left(x) == 0) return false;
    const uint8_t *p = memmem(x->doc.p + x->at, left(x), word, strlen(word));
    if (p == NULL) return false;
    x->at = (size_t)(p - x->doc.p) + strlen(word);
    return true;
}

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
static bool is_name(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '.' || c == ':';
}

static void skip_space(s3_xml *x) {
    while (left(x) > 0 && is_space(x->doc.p[x->at])) x->at++;
}

static bool take_name(s3_xml *x, slice *out) {
    size_t start = x->at;
    while (left(x) > 0 && is_name(x->doc.p[x->at])) x->at++;
    *out = slice_make(x->doc.p + start, x->at - start);
    return out->n > 0 && out->n <= S3_XML_NAME_MAX;
}

/* name = "value", with either quote and no '<' inside. */
static bool skip_attribute(s3_xml *x) {
    slice name;
    if (!take_name(x, &name)) return false;
    skip_space(x);
    if (!looking_at(x, "=")) return false;
    x->at++;
    skip_space(x);
    if (left(x) == 0) return false;
    uint8_t quote = x->doc.p[x->at++];
    if (quote != '"' && quote != '\'') return false;
    while (left(x) > 0 && x->doc.p[x->at] != quote) {
        if (x->doc.p[x->at] == '<') return false;
        x->at++;
    }
    if (left(x) == 0) return false;
    x->at++;
    return true;
}

static enum s3_xml_kind open_tag(s3_xml *x) {
    x->at++;
    if (x->closed || x->depth == S3_XML_DEPTH || !take_name(x, &x->name))
        return S3_XML_BAD;
    for (;;) {
        size_t before = x->at;
        skip_space(x);
        bool spaced = x->at > before;
        if (looking_at(x, "/>")) {
            x->at += 2;
            x->empty_tag = true;
            break;
        }
        if (looking_at(x, ">")) {
            x->at++;
            break;
        }
        if (!spaced || !skip_attribute(x)) return S3_XML_BAD;
    }
    x->stack[x->depth++] = x->name;
    return S3_XML_START;
}

static enum s3_xml_kind pop(s3_xml *x) {
    assert(x->depth > 0);
    x->name = x->stack[--x->depth];
    x->closed = x->depth == 0;
    return S3_XML_END;
}

static enum s3_xml_kind close_tag(s3_xml *x) {
    slice name;
    x->at += 2;
    if (x->depth == 0 || !take_name(x, &name)) return S3_XML_BAD;
    skip_space(x);
    if (!looking_at(x, ">") || !slice_eq(name, x->stack[x->depth - 1])) return S3_XML_BAD;
    x->at++;
    return pop(x);
}

static void put_utf8(s3_xml *x, uint32_t c) {
    uint8_t *o = x->text + x->text_n;
    if (c < 0x80) {
        o[0] = (uint8_t)c;
        x->text_n += 1;
    } else if (c < 0x800) {
        o[0] = (uint8_t)(0xC0 | (c >> 6));
        o[1] = (uint8_t)(0x80 | (c & 63));
        x->text_n += 2;
    } else if (c < 0x10000) {
        o[0] = (uint8_t)(0xE0 | (c >> 12));
        o[1] = (uint8_t)(0x80 | ((c >> 6) & 63));
        o[2] = (uint8_t)(0x80 | (c & 63));
        x->text_n += 3;
    } else {
        o[0] = (uint8_t)(0xF0 | (c >> 18));
        o[1] = (uint8_t)(0x80 | ((c >> 12) & 63));
        o[2] = (uint8_t)(0x80 | ((c >> 6) & 63));
        o[3] = (uint8_t)(0x80 | (c & 63));
        x->text_n += 4;
    }
}

/* &#233; or &#xE9; without its ampersand and semicolon. */
static bool number_entity(slice e, uint32_t *out) {
    uint32_t v = 0, base = 10;
    size_t i = 1;
    if (e.n > 1 && e.p[1] == 'x') {
        base = 16;
        i = 2;
    }
    if (i == e.n) return false;
    for (; i < e.n; i++) {
        uint8_t c = e.p[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (base == 16 && c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a' + 10);
        else if (base == 16 && c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A' + 10);
        else
            return false;
        v = v * base + digit;
        if (v > 0x10FFFF) return false;
    }
    if (v == 0 || (v >= 0xD800 && v <= 0xDFFF)) return false;
    *out = v;
    return true;
}

static bool entity(s3_xml *x) {
    static const struct {
        const char *name;
        uint32_t c;
    } named[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    const uint8_t *start = x->doc.p + x->at + 1;
    size_t n = 0, most = left(x) - 1;
    while (n < most && n < 12 && start[n] != ';') n++;
    if (n == most || n == 12 || n == 0) return false;
    slice e = slice_make(start, n);
    x->at += n + 2;
    if (e.p[0] == '#') {
        uint32_t c = 0;
        if (!number_entity(e, &c)) return false;
        put_utf8(x, c);
        return true;
    }
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        if (slice_eq(e, slice_str(named[i].name))) {
            put_utf8(x, named[i].c);
            return true;
        }
    }
    return false;
}

/* Text up to the next tag, or as much as fits. */
static enum s3_xml_kind take_text(s3_xml *x) {
    bool solid = false;
    x->text_n = 0;
    while (left(x) > 0 && x->doc.p[x->at] != '<' && x->text_n + 4 <= sizeof(x->text)) {
        uint8_t c = x->doc.p[x->at];
        if (!is_space(c)) solid = true;
        if (c == '&') {
            if (!entity(x)) return S3_XML_BAD;
        } else if (c == 0) {
            return S3_XML_BAD;
        } else {
            x->text[x->text_n++] = c;
            x->at++;
        }
    }
    if (x->depth == 0 && solid) return S3_XML_BAD;
    return S3_XML_TEXT;
}

static enum s3_xml_kind take_cdata(s3_xml *x) {
    size_t start = x->at + 9;
    if (x->depth == 0) return S3_XML_BAD;
    if (!skip_past(x, "]]>")) return S3_XML_BAD;
    size_t end = x->at - 3;
    if (end < start || end - start > sizeof(x->text)) return S3_XML_BAD;
    x->text_n = end - start;
    memcpy(x->text, x->doc.p + start, x->text_n);
    return S3_XML_TEXT;
}

enum s3_xml_kind s3_xml_next(s3_xml *x) {
    if (x->empty_tag) {
        x->empty_tag = false;
        return pop(x);
    }
    for (;;) {
        if (left(x) == 0) return x->closed ? S3_XML_DONE : S3_XML_BAD;
        if (looking_at(x, "<?")) {
            if (!skip_past(x, "?>")) return S3_XML_BAD;
        } else if (looking_at(x, "<!--")) {
            x->at += 4;
            if (!skip_past(x, "-->")) return S3_XML_BAD;
        } else if (looking_at(x, "<![CDATA[")) {
            return take_cdata(x);
        } else if (looking_at(x, "<!")) {
            return S3_XML_BAD;
        } else if (looking_at(x, "</")) {
            return close_tag(x);
        } else if (looking_at(x, "<")) {
            return open_tag(x);
        } else {
            enum s3_xml_kind k = take_text(x);
            if (k != S3_XML_TEXT || x->depth > 0) return k;
        }
    }
}

/* Collects the text of the element that has just started, up to its end. */
static int take_element(s3_xml *x, buf *out, size_t most) {
    int depth = x->depth;
    for (;;) {
        switch (s3_xml_next(x)) {
        case S3_XML_TEXT:
            if (out->n + x->text_n > most) return ERR_LIMIT;
            buf_append(out, x->text, x->text_n);
            break;
        case S3_XML_END:
            if (x->depth < depth) return OK;
            break;
        case S3_XML_START: break;
        case S3_XML_DONE:
        case S3_XML_BAD: return ERR_SYNTAX;
        }
    }
}

int s3_xml_field(slice doc, const char *name, char *out, size_t room) {
    assert(room > 0);
    s3_xml x;
    buf text = BUF_INIT;
    int rc = ERR_NOTFOUND;
    s3_xml_init(&x, doc);
    for (;;) {
        enum s3_xml_kind k = s3_xml_next(&x);
        if (k == S3_XML_DONE) break;
        if (k == S3_XML_BAD) {
            rc = ERR_SYNTAX;
            break;
        }
        if (k != S3_XML_START || !slice_eq(x.name, slice_str(name))) continue;
        rc = take_element(&x, &text, room - 1);
        break;
    }
    if (rc == OK) {
        if (text.n > 0) memcpy(out, text.p, text.n);
        out[text.n] = 0;
        if (strlen(out) != text.n) rc = ERR_SYNTAX;
    }
    buf_free(&text);
    return rc;
}

void s3_xml_root(slice doc, char out[S3_XML_NAME_MAX + 1]) {
    s3_xml x;
    s3_xml_init(&x, doc);
    out[0] = 0;
    if (s3_xml_next(&x) != S3_XML_START) return;
    memcpy(out, x.name.p, x.name.n);
    out[x.name.n] = 0;
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Undoes encoding-type=url in place. '+' is a blank there. */
static bool url_decode(buf *b) {
    size_t o = 0;
    for (size_t i = 0; i < b->n; i++) {
        uint8_t c = b->p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (i + 2 >= b->n) return false;
            int hi = hex_value(b->p[i + 1]), lo = hex_value(b->p[i + 2]);
            if (hi < 0 || lo < 0) return false;
            c = (uint8_t)(hi * 16 + lo);
            i += 2;
        }
        b->p[o++] = c;
    }
    b->n = o;
    return true;
}

/* One <Key>: order, prefix, and whether it is a name of ours. */
static int take_key(s3_xml *x, const char *prefix, struct s3_xml_list *out) {
    buf key = BUF_INIT;
    size_t prefix_n = strlen(prefix);
    char name[OBJ_NAME_MAX + 1];
    int rc = take_element(x, &key, S3_XML_TEXT_MAX);
    if (rc != OK) goto done;
    rc = ERR_SYNTAX;
    if (!url_decode(&key) || key.n < prefix_n) goto done;
    if (prefix_n > 0 && memcmp(key.p, prefix, prefix_n) != 0) goto done;
    if (out->last.n > 0 && slice_cmp(slice_of(&key), slice_of(&out->last)) <= 0)
        goto done;
    rc = OK;
    out->last.n = 0;
    buf_append(&out->last, key.p, key.n);
    size_t n = key.n - prefix_n;
    if (n == 0 || n > OBJ_NAME_MAX) goto done;
    memcpy(name, key.p + prefix_n, n);
    name[n] = 0;
    if (strlen(name) != n || !objstore_name_ok(name)) goto done;
    buf_append(&out->names, name, n + 1);
    out->count++;
done:
    buf_free(&key);
    return rc;
}

int s3_xml_list(slice doc, const char *prefix, struct s3_xml_list *out) {
    s3_xml x;
    struct s3_xml_list l = {0};
    size_t keys = 0;
    bool told = false; /* IsTruncated was there */
    int rc = OK;
    s3_xml_init(&x, doc);
    while (rc == OK) {
        enum s3_xml_kind k = s3_xml_next(&x);
        if (k == S3_XML_DONE) break;
        if (k == S3_XML_BAD) rc = ERR_SYNTAX;
        if (k != S3_XML_START) continue;
        if (x.depth == 1 && !slice_eq(x.name, SLICE("ListBucketResult"))) {
            rc = ERR_SYNTAX;
        } else if (x.depth == 2 && slice_eq(x.name, SLICE("IsTruncated"))) {
            buf t = BUF_INIT;
            rc = take_element(&x, &t, 8);
            l.more = slice_eq(slice_of(&t), SLICE("true"));
            told = l.more || slice_eq(slice_of(&t), SLICE("false"));
            buf_free(&t);
        } else if (x.depth == 3 && slice_eq(x.name, SLICE("Key")) &&
                   slice_eq(x.stack[1], SLICE("Contents"))) {
            rc = ++keys > OBJ_LIST_MAX ? ERR_SYNTAX : take_key(&x, prefix, &l);
        }
    }
    if (rc == OK && (!told || (l.more && l.last.n == 0))) rc = ERR_SYNTAX;
    if (rc != OK) {
        s3_xml_list_free(&l);
        return ERR_SYNTAX;
    }
    *out = l;
    return OK;
}

void s3_xml_list_free(struct s3_xml_list *l) {
    buf_free(&l->names);
    buf_free(&l->last);
}
