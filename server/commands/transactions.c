/* transactions.c -- the rows of MULTI, EXEC, DISCARD, WATCH, UNWATCH; exec/multi.c does the work. */
#include "commands/commands.h"
#include "commands/keyspecs.h"

#define FLAGS CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
static const struct command rows[] = {
    {.name = "multi", .fn = cmd_multi, .arity = 1, .flags = FLAGS | CMD_FAST | CMD_ALLOW_BUSY | CMD_NOT_QUEUED,
     .group = GROUP_TRANSACTIONS, .since = "1.2.0", .summary = "Mark the start of a transaction block",
     .complexity = "O(1)"},
    {.name = "exec", .fn = cmd_exec, .arity = 1, .flags = FLAGS | CMD_SKIP_SLOWLOG | CMD_NOT_QUEUED,
     .group = GROUP_TRANSACTIONS, .since = "1.2.0", .summary = "Execute all commands issued after MULTI",
     .complexity = "Depends on commands in the transaction"},
    {.name = "discard", .fn = cmd_discard, .arity = 1, .flags = FLAGS | CMD_FAST | CMD_ALLOW_BUSY | CMD_NOT_QUEUED,
     .group = GROUP_TRANSACTIONS, .since = "2.0.0", .summary = "Discard all commands issued after MULTI",
     .complexity = "O(N), when N is the number of queued commands"},
    {.name = "watch", .fn = cmd_watch, .arity = -2, .flags = FLAGS | CMD_FAST | CMD_ALLOW_BUSY | CMD_NOT_QUEUED,
     .group = GROUP_TRANSACTIONS, .keys = ALL_KEYS(KEY_RO), .since = "2.2.0",
     .summary = "Watch the given keys to determine execution of the MULTI/EXEC block",
     .complexity = "O(1) for every key."},
    {.name = "unwatch", .fn = cmd_unwatch, .arity = 1, .flags = FLAGS | CMD_FAST | CMD_ALLOW_BUSY,
     .group = GROUP_TRANSACTIONS, .since = "2.2.0", .summary = "Forget about all watched keys",
     .complexity = "O(1)"},
};
const struct command_family family_transactions = {rows, sizeof(rows) / sizeof(*rows)};
