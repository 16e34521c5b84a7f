/* commands.h -- the built-in commands: one table a family, gathered here. */
#ifndef COVE_COMMANDS_COMMANDS_H
#define COVE_COMMANDS_COMMANDS_H

#include "base/option.h"
#include "exec/exec.h"

/* A family: rows at the end of its file. */
struct command_family {
    const struct command *rows;
    size_t count;
};
extern const struct command_family family_connection, family_client, family_server, family_config,
    family_info, family_introspection, family_debug, family_generic, family_expire, family_scan,
    family_dump, family_string, family_string_more, family_string_compare, family_hash,
    family_hash_fields, family_hash_expire, family_set, family_zset, family_zset_range, family_zset_pop,
    family_zset_algebra, family_zset_random, family_geo, family_geo_search, family_bitmap, family_hll, family_sort, family_list,
    family_list_move, family_list_block, family_stream, family_stream_read, family_stream_group,
    family_stream_claim, family_stream_refs, family_stream_info, family_transactions,
    family_slowlog, family_acl, family_standalone;

void commands_add_rows(commands *t);
/* INFO's sections that exec and commands make: Server, Clients, Memory, Stats, CPU, Keyspace, ... */
void commands_add_metrics(exec *x);

/* An array of maps, as MODULE LIST and HELLO show it. */
void commands_reply_modules(call *c);
/* Seconds or ms, relative or absolute, to unix ms; false when it does not fit. */
bool command_expire_at(int64_t value, bool seconds, bool absolute, int64_t now_ms, int64_t *out);
bool command_scan_cursor(call *c, size_t i, uint64_t *cursor); /* replies on failure */
/* Printable, no space: what CLIENT SETNAME and HELLO SETNAME take. */
bool client_name_ok(slice name);

/* Prints redis.conf.sample; 0. */
int commands_print_sample(options *o);
int commands_rewrite_config(const struct exec_deps *d); /* CONFIG REWRITE */
void commands_user_line(const acl_user *u, buf *out);   /* "user name rules", and a newline */
/* Files that are no data of the store: the configuration and the ACL file. ERR_NOTFOUND, ERR_IO. */
int commands_read_file(const char *path, buf *out);
int commands_write_file(const char *path, slice text); /* replaces it as a whole, or not at all */
/* Takes the users of the ACL file, if there is one. Else all is as it was, and *why says it. */
int commands_load_users(acl *a, const struct acl_config *config, const char *requirepass,
                        void (*before)(void *cookie), void *cookie, buf *why);

#endif
