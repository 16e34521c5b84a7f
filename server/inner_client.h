/* inner_client.h -- a client inside the server's own process: commands go in over a connection like any
 * other's, so limits, waiting for cold pages and durability are those of every client. */
#ifndef COVE_INNER_CLIENT_H
#define COVE_INNER_CLIENT_H

#include "base/bytes.h"
#include "event/conn.h"

typedef struct inner_client inner_client;

struct inner_reply { /* RESP2; borrowed during the call */
    char kind;       /* + - : $ * as on the wire; 0: null */
    slice text;      /* of + - and $ */
    int64_t num;     /* of : */
    size_t count;    /* of * */
    const struct inner_reply *items;
};
/* In the order of the commands. NULL: the connection has ended, and no reply is coming. */
typedef void inner_done(void *cookie, const struct inner_reply *reply);

inner_client *inner_client_create(conn *c); /* takes c */
void inner_client_free(inner_client *i);    /* what was not answered is forgotten; not inside a done() */
/* Copies the arguments. done() runs later, never inside. */
void inner_client_send(inner_client *i, const slice *argv, size_t argc, inner_done *done, void *cookie);
size_t inner_client_waiting(const inner_client *i);   /* commands without a reply */
size_t inner_client_unsent(const inner_client *i);    /* bytes */

#endif
