/* s3_xml.h -- a small strict XML reader, and the three S3 answers that need one.
 *
 * Elements, text, the five named and the numeric entities, CDATA, comments, and a leading
 * declaration. No DOCTYPE, no entities of a document's own, at most S3_XML_DEPTH deep.
 * Attributes are checked for form and dropped; a namespace prefix stays in the name.
 * Everything is read from the network: nothing here trusts a byte of it. */
#ifndef COVE_OBJSTORE_S3_XML_H
#define COVE_OBJSTORE_S3_XML_H

#include "base/bytes.h"
#include "base/err.h"

#define S3_XML_DEPTH 16
#define S3_XML_NAME_MAX 63
#define S3_XML_TEXT_MAX 4096

enum s3_xml_kind { S3_XML_START, S3_XML_END, S3_XML_TEXT, S3_XML_DONE, S3_XML_BAD };

typedef struct s3_xml {
    slice doc;
    size_t at;
    int depth;
    bool closed;               /* the root has ended */
    bool empty_tag;            /* <a/>: the end is still to be told */
    slice stack[S3_XML_DEPTH]; /* names of the open elements, borrowed from doc */
    slice name;                /* START, END: borrowed from doc */
    uint8_t
        text[S3_XML_TEXT_MAX]; /* TEXT: decoded; an element's text may come in pieces */
    size_t text_n;
} s3_xml;

void s3_xml_init(s3_xml *x, slice doc); /* Borrows doc. */
enum s3_xml_kind s3_xml_next(s3_xml *x);

/* The text of the first element called `name`, at any depth, into out (NUL-terminated):
 * OK; ERR_NOTFOUND; ERR_SYNTAX malformed; ERR_LIMIT longer than room. */
int s3_xml_field(slice doc, const char *name, char *out, size_t room);
/* The root element's name; "" when there is none. */
void s3_xml_root(slice doc, char out[S3_XML_NAME_MAX + 1]);

struct s3_xml_list {
    buf names; /* NUL-terminated, with `prefix` cut off, in ascending order */
    size_t count;
    bool more;
    buf last; /* the last key seen, whole, also when it is not among the names */
};
/* ListObjectsV2's answer to a request with encoding-type=url. Keys that are not fit names
 * of objects (objstore_name_ok) are left out. ERR_SYNTAX: malformed, a key without the
 * prefix, keys out of order, or too many. *out is filled only on OK. */
int s3_xml_list(slice doc, const char *prefix, struct s3_xml_list *out);
void s3_xml_list_free(struct s3_xml_list *l);

#endif
