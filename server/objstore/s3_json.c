/* s3_json.c -- see s3_json.h. A recursive descent without the tree. */
#include "objstore/s3_json.h"

#include <assert.h>

#define JSON_DEPTH 32

static void skip_space(reader *r) {
    while (r->p < r->end &&
           (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n')) {
        r->p++;
    }
}

static bool take(reader *r, uint8_t c) {
    skip_space(r);
    if (r->p == r->end || *r->p != c) return false;
    r->p++;
    return true;
}

static int hex4(reader *r) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = read_u8(r);
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return v;
}

static int escaped(reader *r) {
    switch (read_u8(r)) {
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': return hex4(r);
    default: return -1;
    }
}

/* A string into out (or nowhere when out is NULL). */
static int take_string(reader *r, char *out, size_t room) {
    size_t n = 0;
    if (!take(r, '"')) return ERR_SYNTAX;
    for (;;) {
        if (r->p == r->end) return ERR_SYNTAX;
        int c = read_u8(r);
        if (c == '"') break;
        if (c == '\\')
            c = escaped(r);
        else if (c < 0x20)
            return ERR_SYNTAX;
        if (c < 0 || r->bad) return ERR_SYNTAX;
        if (out == NULL) continue;
        if (c == 0 || c > 0x7E) return ERR_SYNTAX;
        if (n + 1 >= room) return ERR_LIMIT;
        out[n++] = (char)c;
    }
    if (out != NULL) out[n] = 0;
    return OK;
}

static int skip_value(reader *r, int depth) {
    skip_space(r);
    if (r->p == r->end || depth > JSON_DEPTH) return ERR_SYNTAX;
    if (*r->p == '"') return take_string(r, NULL, 0);
    if (*r->p == '{' || *r->p == '[') {
        bool object = *r->p == '{';
        uint8_t end = object ? '}' : ']';
        r->p++;
        if (take(r, end)) return OK;
        do {
            if (object && (take_string(r, NULL, 0) != OK || !take(r, ':')))
                return ERR_SYNTAX;
            if (skip_value(r, depth + 1) != OK) return ERR_SYNTAX;
        } while (take(r, ','));
        return take(r, end) ? OK : ERR_SYNTAX;
    }
    const uint8_t *start = r->p;
    while (r->p < r->end &&
           ((*r->p >= 'a' && *r->p <= 'z') || (*r->p >= '0' && *r->p <= '9') ||
            *r->p == '-' || *r->p == '+' || *r->p == '.' || *r->p == 'E')) {
        r->p++;
    }
    return r->p > start ? OK : ERR_SYNTAX;
}

int s3_json_field(slice doc, const char *name, char *out, size_t room) {
    assert(room > 0);
    reader r = reader_make(doc);
    char member[64];
    if (!take(&r, '{')) return ERR_SYNTAX;
    if (take(&r, '}')) return ERR_NOTFOUND;
    do {
        int rc = take_string(&r, member, sizeof(member));
        if (rc != OK || !take(&r, ':')) return ERR_SYNTAX;
        skip_space(&r);
        if (strcmp(member, name) == 0) {
            if (r.p < r.end && *r.p == '"') return take_string(&r, out, room);
            return skip_value(&r, 0) == OK ? ERR_NOTFOUND : ERR_SYNTAX;
        }
        if (skip_value(&r, 0) != OK) return ERR_SYNTAX;
    } while (take(&r, ','));
    return take(&r, '}') ? ERR_NOTFOUND : ERR_SYNTAX;
}
