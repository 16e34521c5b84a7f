/* standalone.c -- what clients probe for and a server alone answers briefly: CLUSTER, LOLWUT.
 *
 * Clients tell a cluster from a single server by the text of CLUSTER's refusal, so every subcommand
 * of Redis 7.0 is in the table and refuses in the same words. */
#include "base/limits.h"
#include "base/num.h"
#include "commands/commands.h"

static int refuse_cluster(call *c) {
    return reply_error(c, "ERR This instance has cluster support disabled");
}

/* The version alone, as Redis draws for a version that has no drawing. */
static int cmd_lolwut(call *c) {
    int64_t version;
    if (call_argc(c) > 2 && call_arg_is(c, 1, "version") && !call_int(c, 2, &version)) return OK;
    return reply_verbatim(c, "txt", SLICE("Redis ver. " REDIS_VERSION "\n"));
}

#define ROW(n, a, fl, s, text)                                                               \
    {.name = n, .fn = refuse_cluster, .arity = a, .flags = fl, .group = GROUP_CLUSTER,       \
     .since = s, .summary = text, .complexity = "O(1)"}
#define LOOK CMD_STALE
#define CHANGE CMD_ADMIN | CMD_STALE | CMD_NO_ASYNC_LOADING
static const struct command subcommands[] = {
    ROW("addslots", -3, CHANGE, "3.0.0", "Assign new hash slots to receiving node"),
    ROW("addslotsrange", -4, CHANGE, "7.0.0", "Assign new hash slots to receiving node"),
    ROW("bumpepoch", 2, CHANGE, "3.0.0", "Advance the cluster config epoch"),
    ROW("count-failure-reports", 3, CMD_ADMIN | CMD_STALE, "3.0.0",
        "Return the number of failure reports active for a given node"),
    ROW("countkeysinslot", 3, LOOK, "3.0.0", "Return the number of local keys in the specified hash slot"),
    ROW("delslots", -3, CHANGE, "3.0.0", "Set hash slots as unbound in receiving node"),
    ROW("delslotsrange", -4, CHANGE, "7.0.0", "Set hash slots as unbound in receiving node"),
    ROW("failover", -2, CHANGE, "3.0.0", "Forces a replica to perform a manual failover of its master"),
    ROW("flushslots", 2, CHANGE, "3.0.0", "Delete a node's own slots information"),
    ROW("forget", 3, CHANGE, "3.0.0", "Remove a node from the nodes table"),
    ROW("getkeysinslot", 4, LOOK, "3.0.0", "Return local key names in the specified hash slot"),
    ROW("help", 2, CMD_LOADING | CMD_STALE, "5.0.0", "Show helpful text about the different subcommands"),
    ROW("info", 2, LOOK, "3.0.0", "Provides info about Redis Cluster node state"),
    ROW("keyslot", 3, LOOK, "3.0.0", "Returns the hash slot of the specified key"),
    ROW("links", 2, LOOK, "7.0.0", "Returns a list of all TCP links to and from peer nodes in cluster"),
    ROW("meet", -4, CHANGE, "3.0.0", "Force a node cluster to handshake with another node"),
    ROW("myid", 2, LOOK, "3.0.0", "Return the node id"),
    ROW("myshardid", 2, LOOK, "7.2.0", "Return the shard id of a node"),
    ROW("nodes", 2, LOOK, "3.0.0", "Get Cluster config for the node"),
    ROW("replicas", 3, CMD_ADMIN | CMD_STALE, "5.0.0", "List replica nodes of the specified master node"),
    ROW("replicate", 3, CHANGE, "3.0.0", "Reconfigure a node as a replica of the specified master node"),
    ROW("reset", -2, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, "3.0.0", "Reset a Redis Cluster node"),
    ROW("saveconfig", 2, CHANGE, "3.0.0", "Forces the node to save cluster state on disk"),
    ROW("set-config-epoch", 3, CHANGE, "3.0.0", "Set the configuration epoch in a new node"),
    ROW("setslot", -4, CHANGE, "3.0.0", "Bind a hash slot to a specific node"),
    ROW("shards", 2, CMD_LOADING | CMD_STALE, "7.0.0", "Get array of cluster slots to node mappings"),
    ROW("slaves", 3, CMD_ADMIN | CMD_STALE, "3.0.0", "List replica nodes of the specified master node"),
    ROW("slots", 2, LOOK, "3.0.0", "Get array of Cluster slot to node mappings"),
    {.name = NULL},
};
static const struct command rows[] = {
    {.name = "cluster", .fn = NULL, .arity = -2, .flags = 0, .group = GROUP_CLUSTER,
     .since = "3.0.0", .summary = "A container for cluster commands",
     .complexity = "Depends on subcommand.", .subcommands = subcommands},
    ROW("asking", 1, CMD_FAST, "3.0.0", "Sent by cluster clients after an -ASK redirect"),
    ROW("readonly", 1, CMD_LOADING | CMD_STALE | CMD_FAST, "3.0.0",
        "Enables read queries for a connection to a cluster replica node"),
    ROW("readwrite", 1, CMD_LOADING | CMD_STALE | CMD_FAST, "3.0.0",
        "Disables read queries for a connection to a cluster replica node"),
    {.name = "lolwut", .fn = cmd_lolwut, .arity = -1, .flags = CMD_READONLY | CMD_FAST,
     .group = GROUP_SERVER, .since = "5.0.0", .summary = "Display the version",
     .complexity = "O(1)"},
};
const struct command_family family_standalone = {rows, sizeof(rows) / sizeof(*rows)};
