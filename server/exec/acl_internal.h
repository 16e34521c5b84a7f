/* acl_internal.h -- selectors: commands, keys and channels that go together. */
#ifndef COVE_EXEC_ACL_INTERNAL_H
#define COVE_EXEC_ACL_INTERNAL_H

#include "exec/acl.h"

/* Of users, and of the selectors, passwords, patterns and rules of one: far above any use, and no
 * client with the right to ACL makes them grow without an end. */
#define ACL_ITEMS_MAX 65536

#define ACL_READ 1u
#define ACL_WRITE 2u

struct acl_pattern {
    slice text; /* owned */
    unsigned perms;
};
struct acl_patterns {
    struct acl_pattern *v;
    size_t n;
};
struct acl_first_arg { /* +select|0: allowed with this first argument */
    const struct command *cmd;
    char *arg;
};

/* Invariants
 *  1. allowed has a bit for each row of the table; unrestricted: all are set.
 *  2. rules, in order after +@all (base_all) or -@all, give allowed and first_args. */
struct acl_selector {
    uint64_t *allowed;
    bool unrestricted, base_all, all_keys, all_channels;
    struct acl_patterns keys, channels;
    struct acl_first_arg *first_args;
    size_t first_args_n;
    char **rules;
    size_t rules_n;
};

struct acl_selector *selector__create(const commands *t, bool all_channels);
struct acl_selector *selector__copy(const commands *t, const struct acl_selector *from);
void selector__free(struct acl_selector *s);
int selector__rule(struct acl_selector *s, commands *t, slice rule, const char **why);
void selector__commands(const struct acl_selector *s, buf *out);
void selector__keys(const struct acl_selector *s, buf *out);
void selector__channels(const struct acl_selector *s, buf *out);
void selector__describe(const struct acl_selector *s, buf *out);
/* n < 0: the keys could not be told. */
enum acl_verdict selector__check(const struct acl_selector *s, commands *t, const struct command *cmd,
                                 const slice *argv, size_t argc, const struct key_ref *keys, int n,
                                 size_t *at);
bool selector__reads_all(const struct acl_selector *s); /* any key */

#endif
