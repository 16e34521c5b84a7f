/* all.c -- every family of built-in commands, in one list. */
#include "commands/commands.h"

static const struct command_family *const families[] = {
    &family_connection, &family_client,  &family_server, &family_config,      &family_info,
    &family_introspection, &family_debug, &family_generic, &family_expire,    &family_scan,
    &family_dump,       &family_string,  &family_string_more, &family_string_compare, &family_hash,
    &family_hash_fields, &family_hash_expire, &family_set,
    &family_zset,       &family_zset_range, &family_zset_pop, &family_zset_algebra, &family_zset_random,
    &family_geo,        &family_geo_search,
    &family_list,       &family_list_move, &family_list_block, &family_transactions,
    &family_stream,     &family_stream_read, &family_stream_group, &family_stream_claim,
    &family_stream_refs, &family_stream_info,
    &family_bitmap,     &family_hll, &family_sort,        &family_slowlog, &family_acl,     &family_standalone};

void commands_add_rows(commands *t) {
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        commands_add(t, families[i]->rows, families[i]->count);
    }
}
