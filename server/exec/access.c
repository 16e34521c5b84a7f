/* access.c -- who a client is and what it may do: the user behind a connection, and refusals with their
 * log.
 *
 * The same refusal again within a minute counts up the entry that is there, so that a client that tries
 * in a loop does not push everything else out. */
#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "exec/exec_internal.h"

#define SAME_WITHIN_US 60000000 /* A client that tries again and again is one entry. */
#define SAME_LOOK 10            /* So many of the newest are looked at for that. */
#define OBJECT_BYTES_MAX 1024   /* Kept of a key: enough to know it. */

struct refusal {
    list link; /* newest first */
    enum acl_verdict verdict;
    bool in_multi;
    char *object, *user, *client;
    size_t object_n, user_n;
    uint64_t count, at_us;
};

acl *exec_acl(exec *x) { return x->deps.acl; }
const acl_user *client_user(const client *c) { return c->user; }

static bool open_to_all(const exec *x) {
    const acl_user *u = acl_default(x->deps.acl);
    return acl_user_nopass(u) && acl_user_on(u);
}

void access__login(client *c) {
    c->user = acl_default(c->exec->deps.acl);
    c->authenticated = open_to_all(c->exec);
}

bool client_needs_auth(const client *c) { return !c->authenticated && !open_to_all(c->exec); }

void exec_drop_user(exec *x, const acl_user *u, client *self) {
    acl_user *everybody = acl_default(x->deps.acl);
    for (list *n = x->clients.next; n != &x->clients;) {
        client *c = LIST_ENTRY(n, client, link);
        n = n->next;
        if (u == NULL ? c->user == everybody : c->user != u) continue;
        c->user = everybody;
        c->authenticated = false;
        if (c == self) c->close_after = true;
        else client__close(c);
    }
}

/* ---- the log ------------------------------------------------------------------------------------ */

static void refusal_free(struct refusal *r) {
    mem_free(r->object);
    mem_free(r->user);
    mem_free(r->client);
    mem_free(r);
}

static void trim(exec *x, size_t most) {
    while (x->refusals_n > most) {
        struct refusal *r = LIST_ENTRY(x->refusals.prev, struct refusal, link);
        list_remove(&r->link);
        refusal_free(r);
        x->refusals_n--;
    }
}

static struct refusal *same(exec *x, enum acl_verdict v, bool in_multi, slice what, slice user) {
    size_t looked = 0;
    LIST_FOR(n, &x->refusals) {
        struct refusal *r = LIST_ENTRY(n, struct refusal, link);
        if (looked++ == SAME_LOOK) break;
        if (r->verdict == v && r->in_multi == in_multi && x->now_us - r->at_us < SAME_WITHIN_US &&
            slice_eq(slice_make(r->object, r->object_n), what) &&
            slice_eq(slice_make(r->user, r->user_n), user)) return r;
    }
    return NULL;
}

static void note(client *c, enum acl_verdict v, bool in_multi, slice what, slice user) {
    exec *x = c->exec;
    buf description = BUF_INIT;
    x->stats.denied[v]++;
    if (what.n > OBJECT_BYTES_MAX) what.n = OBJECT_BYTES_MAX;
    if (user.n > OBJECT_BYTES_MAX) user.n = OBJECT_BYTES_MAX;
    struct refusal *r = same(x, v, in_multi, what, user);
    if (r == NULL) {
        r = mem_calloc(1, sizeof(*r));
        r->verdict = v;
        r->in_multi = in_multi;
        r->object = slice_strdup(what);
        r->object_n = what.n;
        r->user = slice_strdup(user);
        r->user_n = user.n;
        list_init(&r->link);
        x->refusals_n++;
    }
    list_remove(&r->link);
    list_push_front(&x->refusals, &r->link);
    r->count++;
    r->at_us = x->now_us;
    mem_free(r->client);
    client_describe(c, &description);
    r->client = slice_strdup(slice_of(&description));
    buf_free(&description);
    trim(x, (size_t)x->deps.acl_config->log_max_len);
}

size_t exec_each_refusal(exec *x, size_t most, void (*each)(void *cookie, const struct acl_refusal *r),
                         void *cookie) {
    size_t n = 0;
    LIST_FOR(at, &x->refusals) {
        const struct refusal *r = LIST_ENTRY(at, struct refusal, link);
        if (n == most) break;
        n++;
        if (each == NULL) continue;
        struct acl_refusal view = {r->verdict, r->in_multi, slice_make(r->object, r->object_n),
                                   slice_make(r->user, r->user_n), r->client, r->count,
                                   (x->now_us - r->at_us) / 1000};
        each(cookie, &view);
    }
    return n;
}

void exec_forget_refusals(exec *x) { trim(x, 0); }

/* ---- decisions ---------------------------------------------------------------------------------- */

bool client_authenticate(client *c, slice name, slice password, const char *command) {
    acl_user *u = acl_authenticate(c->exec->deps.acl, name, password);
    if (u == NULL) {
        note(c, ACL_DENIED_AUTH, c->multi, slice_str(command), name);
        return false;
    }
    c->user = u;
    c->authenticated = true;
    return true;
}

enum acl_verdict access__ask(struct call *c) {
    size_t at;
    const client *who = c->client;
    enum acl_verdict v = acl_check(c->exec->deps.acl, who->user, c->cmd, c->argv, c->argc, &at);
    if (v == ACL_OK) return v;
    note(c->client, v, c->in_multi || who->multi,
         at == 0 ? slice_str(commands_full_name(c->exec->commands, c->cmd)) : c->argv[at],
         acl_user_name(who->user));
    return v;
}

const char *access__refusal(struct call *c) {
    exec *x = c->exec;
    enum acl_verdict v = access__ask(c);
    if (v == ACL_OK) return NULL;
    if (v == ACL_DENIED_KEY) {
        return "NOPERM this user has no permissions to access one of the keys used as arguments";
    }
    snprintf(x->refusal, sizeof(x->refusal), "NOPERM this user has no permissions to run the '%s' command",
             commands_full_name(x->commands, c->cmd));
    return x->refusal;
}

void exec_genpass(exec *x, char *out, size_t digits) {
    acl_genpass(x->deps.secret, &x->genpass_counter, out, digits);
}
