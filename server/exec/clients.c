/* clients.c -- what the CLIENT family and INFO read and set of a client. */
#include <stdio.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

uint64_t client_id(const client *c) { return c->id; }

client *exec_client_by_id(exec *x, uint64_t id) {
    LIST_FOR(n, &x->clients) {
        client *c = LIST_ENTRY(n, client, link);
        if (c->id == id) return c;
    }
    return NULL;
}

void exec_each_client(exec *x, void (*each)(void *cookie, client *c), void *cookie) {
    for (list *n = x->clients.next; n != &x->clients;) {
        client *c = LIST_ENTRY(n, client, link);
        n = n->next;
        each(cookie, c);
    }
}

size_t exec_client_count(const exec *x) { return (size_t)x->stats.clients; }
int client_proto(const client *c) { return c->proto; }
void client_set_proto(client *c, int proto) { c->proto = proto; }
const char *client_name(const client *c) { return c->name == NULL ? "" : c->name; }
void client_set_name(client *c, slice name) {
    mem_free(c->name);
    c->name = name.n == 0 ? NULL : slice_strdup(name);
}
void client_set_lib(client *c, slice name, slice version) {
    if (name.p != NULL) {
        mem_free(c->lib_name);
        c->lib_name = slice_strdup(name);
    }
    if (version.p != NULL) {
        mem_free(c->lib_ver);
        c->lib_ver = slice_strdup(version);
    }
}
const char *client_peer(const client *c) { return c->conn == NULL ? "" : c->conn->peer; }
db *client_db(client *c) { return c->db; }
void client_select(client *c, db *d) { c->db = d; }
enum ack client_ack(const client *c) { return c->ack; }
void client_set_ack(client *c, enum ack level) { c->ack = level; }
void client_set_no_evict(client *c, bool on) { c->no_evict = on; }
void client_set_no_touch(client *c, bool on) { c->no_touch = on; }
void client_set_reply(client *c, enum client_reply mode) {
    c->reply_mode = mode;
    c->reply_skip_next = mode == CLIENT_REPLY_SKIP;
}
void client_close_after_reply(client *c) { c->close_after = true; }
void client_kill(client *c) { client__close(c); }
bool client_local(const client *c) {
    return c->conn != NULL && (c->conn->local || strncmp(c->conn->peer, "127.", 4) == 0 ||
                               strncmp(c->conn->peer, "[::1]", 5) == 0);
}

bool client_unblock(client *c, bool with_error) {
    if (c->blocked != NULL) return block__unblock(c, with_error);
    if (c->state != CLIENT_PARKED || c->parked == NULL || c->parked->resuming) return false;
    parked_resume(c->parked);
    return true;
}

void client_reset(client *c) {
    multi__discard(c);
    multi__unwatch_all(c);
    c->db = keyspace_db(c->exec->deps.keyspace, 0);
    c->proto = 2;
    c->reply_mode = CLIENT_REPLY_ON;
    c->no_evict = c->no_touch = false;
    c->ack = (enum ack)c->exec->deps.tier_config->ack;
    client_set_name(c, slice_make(NULL, 0));
    access__login(c);
}

void client_describe(client *c, buf *out) {
    exec *x = c->exec;
    char flags[16];
    size_t n = 0, watched = 0;
    if (c->multi) flags[n++] = 'x';
    if (c->state == CLIENT_PARKED) flags[n++] = 'b';
    if (c->watch_dirty) flags[n++] = 'd';
    if (c->close_after) flags[n++] = 'c';
    if (c->conn != NULL && c->conn->local) flags[n++] = 'U';
    if (c->no_evict) flags[n++] = 'e';
    if (c->no_touch) flags[n++] = 'T';
    if (n == 0) flags[n++] = 'N';
    flags[n] = '\0';
    LIST_FOR(w, &c->watch_head) watched++;
    uint64_t idle = x->now_us > c->active_us ? (x->now_us - c->active_us) / 1000000 : 0;
    size_t obl = client__unsent(c);
    buf_printf(out,
               "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=%d sub=0 "
               "psub=0 ssub=0 multi=%d qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=%zu "
               "rbp=%zu obl=%zu oll=0 omem=%zu tot-mem=%zu events=%s cmd=%s user=%.*s redir=-1 "
               "resp=%d lib-name=%s lib-ver=%s",
               (unsigned long long)c->id, client_peer(c), c->conn == NULL ? "" : c->conn->self,
               c->conn == NULL ? -1 : c->conn->fd, client_name(c),
               (unsigned long long)((x->now_us - c->created_us) / 1000000), (unsigned long long)idle,
               flags, db_number(c->db), c->multi ? (int)c->queue_n : -1, c->query.n,
               c->query.cap - c->query.n, c->args_cap * sizeof(slice), c->queue_bytes, c->out.cap,
               c->out.cap, obl, c->pieces_bytes,
               sizeof(*c) + c->query.cap + c->pieces_bytes + c->out.cap + c->queue_bytes + c->args_cap * sizeof(slice),
               c->write_wanted ? "rw" : "r",
               c->last_cmd == NULL ? "NULL" : commands_full_name(x->commands, c->last_cmd),
               (int)acl_user_name(c->user).n, (const char *)acl_user_name(c->user).p, c->proto,
               c->lib_name == NULL ? "" : c->lib_name, c->lib_ver == NULL ? "" : c->lib_ver);
}

const char *client_self(const client *c) { return c->conn == NULL ? "" : c->conn->self; }
uint64_t client_age_s(const client *c) { return (c->exec->now_us - c->created_us) / 1000000; }
