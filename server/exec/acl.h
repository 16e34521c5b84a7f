/* acl.h -- users and what they may do: the rules of Redis 7.0, as pure data.
 *
 * A user is on or off, has passwords (kept as SHA-256) and selectors. A selector says which commands
 * may run on which keys and channels; a command is allowed when one selector allows all of it. The
 * first selector, the root, is what rules outside of brackets change.
 *
 * Rules name commands as they were declared: a rename-command neither hides a command from a rule nor
 * changes what a rule means. Channels are kept and shown; no command has any yet. Users live in the
 * configuration or in a file of their own, never in the data. */
#ifndef COVE_EXEC_ACL_H
#define COVE_EXEC_ACL_H

#include "base/option.h"
#include "exec/command.h"

struct acl_config { /* option table: acl_options */
    int pubsub_default; /* ACL_CHANNELS_* */
    int64_t log_max_len;
    char *file;
};
#define ACL_CHANNELS_ALL 0
#define ACL_CHANNELS_NONE 1
extern const struct option acl_options[];
extern const size_t acl_options_count;

typedef struct acl acl;
typedef struct acl_user acl_user;
enum acl_verdict { ACL_OK, ACL_DENIED_COMMAND, ACL_DENIED_KEY, ACL_DENIED_CHANNEL, ACL_DENIED_AUTH };

/* One user, `default`, who may do everything without a password. Both are borrowed for its life. */
acl *acl_create(commands *t, const struct acl_config *config);
void acl_free(acl *a);

/* ---- users -------------------------------------------------------------------------------------- */

acl_user *acl_default(const acl *a);
acl_user *acl_find(const acl *a, slice name); /* or NULL */
bool acl_name_ok(slice name);                 /* no space, no NUL, not empty */
/* Changes the user of that name, or makes it: all rules in order, or none when one is bad: then the
 * error, its sentence in *why, and in `bad` (cleared first) the rule as it was read. */
int acl_set_user(acl *a, slice name, const slice *rules, size_t n, const char **why, buf *bad);
/* A user of the configuration: a `default` begins anew. ERR_EXISTS: declared before. */
int acl_declare_user(acl *a, slice name, const slice *rules, size_t n, const char **why, buf *bad);
bool acl_user_declared(const acl_user *u);
/* What requirepass says: the one password of `default`; "" is none. */
void acl_requirepass(acl *a, const char *password);
/* Not `default`. Nobody may hold u any more. */
void acl_remove(acl *a, acl_user *u);
/* In order of names. */
void acl_each(const acl *a, void (*each)(void *cookie, const acl_user *u), void *cookie);
size_t acl_count(const acl *a);
/* The users of an ACL file, with the configuration of `like`; NULL, and every line's fault in
 * `errors`. */
acl *acl_parse(const acl *like, slice text, const char *path, buf *errors);
/* Takes the users of `fresh` and frees it. All users but `default` are new ones after that: nobody may
 * hold the old ones any more. */
void acl_adopt(acl *a, acl *fresh);

/* ---- one user ------------------------------------------------------------------------------------- */

slice acl_user_name(const acl_user *u);
bool acl_user_on(const acl_user *u);
bool acl_user_nopass(const acl_user *u);
const char *acl_user_payload(const acl_user *u); /* "sanitize-payload", "skip-sanitize-payload" or NULL */
size_t acl_user_passwords(const acl_user *u);
const char *acl_user_password(const acl_user *u, size_t i); /* in hex */
size_t acl_user_selectors(const acl_user *u);               /* the root is number 0 */
void acl_user_commands(const acl_user *u, size_t selector, buf *out); /* "-@all +get" */
void acl_user_keys(const acl_user *u, size_t selector, buf *out);     /* "~a %R~b" */
void acl_user_channels(const acl_user *u, size_t selector, buf *out); /* "&a" */
/* The rules that make it from nothing: what follows "user name " in the configuration. */
void acl_user_describe(const acl_user *u, buf *out);

/* ---- decisions ------------------------------------------------------------------------------------ */

/* The user whose name and password these are, if it is on; or NULL. Time does not depend on where a
 * wrong password differs. */
acl_user *acl_authenticate(const acl *a, slice name, slice password);
/* May u run this? When not, *at is the place in argv of what it may not touch (0: the command). Keys
 * that cannot be told from the arguments need the right to all keys. */
enum acl_verdict acl_check(const acl *a, const acl_user *u, const struct command *cmd, const slice *argv,
                           size_t argc, size_t *at);
/* May u run this, and read any key besides? For what looks up keys that no argument names. */
bool acl_reads_all_keys(const acl *a, const acl_user *u, const struct command *cmd, const slice *argv, size_t argc);
/* Its SHA-256 chain makes `n` hexadecimal digits that tell nothing about those of other calls; the
 * secret is 32 bytes from the kernel, the counter goes up by itself. */
void acl_genpass(const uint8_t secret[32], uint64_t *counter, char *out, size_t n);

#endif
