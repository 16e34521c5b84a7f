/* usage.c -- what built-in commands take, one line each, and COMMAND DOCS made of it.
 *
 * The notation is that of a manual page, with types:
 *
 *     key value            arguments; "key" and "newkey" are keys, the rest strings
 *     count:i              an integer; d double, p pattern, t unix time, k key, K one more key
 *                          of the key specification before
 *     WITHVALUES           a word to be written so (a pure token)
 *     COUNT=count:i        a word and what follows it
 *     [ ... ]              may be left out
 *     condition(NX|XX)     one of these
 *     data{field value}    these together
 *     key...               any number of times
 *     GET=key+             so too, the word before each
 *
 * One line that can be read beats a tree of structs that cannot: the tree is walked only when
 * somebody asks for it. usage_reply() reads lines of this table only, so what it cannot read is a
 * broken invariant. */
#include "commands/usage.h"

#include <assert.h>

#include "resp/write.h"

static const struct { const char *name, *usage; } usages[] = {
    {"acl|cat", "[categoryname]"},
    {"acl|deluser", "username..."},
    {"acl|dryrun", "username command [arg...]"},
    {"acl|genpass", "[bits:i]"},
    {"acl|getuser", "username"},
    {"acl|log", "[operation(count:i|RESET)]"},
    {"acl|setuser", "username [rule...]"},
    {"append", "key value"},
    {"auth", "[username] password"},
    {"bgsave", "[SCHEDULE]"},
    {"bitcount", "key [index{start:i end:i [index_unit(BYTE|BIT)]}]"},
    {"bitfield",
     "key [operation(GET=encoding_offset{encoding offset:i}|write{[OVERFLOW=wrap_sat_fail(WRAP|SAT|FAIL)] "
     "write_operation(SET=encoding_offset_value{encoding offset:i value:i}|"
     "INCRBY=encoding_offset_increment{encoding offset:i increment:i})})...]"},
    {"bitfield_ro", "key [GET=encoding_offset{encoding offset:i}+]"},
    {"bitop", "operation destkey:k key..."},
    {"bitpos", "key bit:i [index{start:i [end_index{end:i [index_unit(BYTE|BIT)]}]}]"},
    {"blmove", "source:k destination:K wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT) timeout:d"},
    {"blmpop", "timeout:d numkeys:i key... where(LEFT|RIGHT) [COUNT=count:i]"},
    {"blpop", "key... timeout:d"},
    {"brpop", "key... timeout:d"},
    {"brpoplpush", "source:k destination:K timeout:d"},
    {"bzmpop", "timeout:d numkeys:i key... where(MIN|MAX) [COUNT=count:i]"},
    {"bzpopmax", "key... timeout:d"},
    {"bzpopmin", "key... timeout:d"},
    {"client|ack", "[level(STORE|DISK|MEMORY)]"},
    {"client|kill",
     "[ip-port] [ID=client-id:i] [TYPE=client-type(NORMAL|MASTER|SLAVE|REPLICA|PUBSUB)] "
     "[USER=username] [ADDR=addr] [LADDR=laddr] [SKIPME=skipme(YES|NO)] [MAXAGE=maxage:i]"},
    {"client|list", "[TYPE=client-type(NORMAL|MASTER|REPLICA|PUBSUB)] [ID=client-id:i...]"},
    {"client|no-evict", "enabled(ON|OFF)"},
    {"client|no-touch", "enabled(ON|OFF)"},
    {"client|pause", "timeout:i [mode(WRITE|ALL)]"},
    {"client|reply", "on-off-skip(ON|OFF|SKIP)"},
    {"client|setinfo", "attr(LIB-NAME=libname|LIB-VER=libver)"},
    {"client|setname", "connection-name"},
    {"client|unblock", "client-id:i [unblock-type(TIMEOUT|ERROR)]"},
    {"cluster|addslots", "slot:i..."},
    {"cluster|addslotsrange", "range{start-slot:i end-slot:i}..."},
    {"cluster|count-failure-reports", "node-id"},
    {"cluster|countkeysinslot", "slot:i"},
    {"cluster|delslots", "slot:i..."},
    {"cluster|delslotsrange", "range{start-slot:i end-slot:i}..."},
    {"cluster|failover", "[options(FORCE|TAKEOVER)]"},
    {"cluster|forget", "node-id"},
    {"cluster|getkeysinslot", "slot:i count:i"},
    {"cluster|keyslot", "name"},
    {"cluster|meet", "ip port:i [cluster-bus-port:i]"},
    {"cluster|replicas", "node-id"},
    {"cluster|replicate", "node-id"},
    {"cluster|reset", "[hard-soft(HARD|SOFT)]"},
    {"cluster|set-config-epoch", "config-epoch:i"},
    {"cluster|setslot",
     "slot:i subcommand(IMPORTING=node-id|MIGRATING=node-id|NODE=node-id|STABLE)"},
    {"cluster|slaves", "node-id"},
    {"command|docs", "[command-name...]"},
    {"command|getkeys", "command [arg...]"},
    {"command|getkeysandflags", "command [arg...]"},
    {"command|info", "[command-name...]"},
    {"command|list", "[FILTERBY=filterby(MODULE=module-name|ACLCAT=category|PATTERN=pattern:p)]"},
    {"config|get", "parameter..."},
    {"config|set", "data{parameter value}..."},
    {"copy", "source:k destination:k [DB=destination-db:i] [REPLACE]"},
    {"debug", "subcommand [arg...]"},
    {"decr", "key"},
    {"decrby", "key decrement:i"},
    {"del", "key..."},
    {"delex", "key [condition(IFEQ=ifeq-value|IFNE=ifne-value|IFDEQ=ifdeq-digest|IFDNE=ifdne-digest)]"},
    {"delifeq", "key value"},
    {"digest", "key"},
    {"dump", "key"},
    {"echo", "message"},
    {"exists", "key..."},
    {"expire", "key seconds:i [condition(NX|XX|GT|LT)]"},
    {"expireat", "key unix-time-seconds:t [condition(NX|XX|GT|LT)]"},
    {"expiretime", "key"},
    {"flushall", "[flush-type(ASYNC|SYNC)]"},
    {"flushdb", "[flush-type(ASYNC|SYNC)]"},
    {"geoadd", "key [condition(NX|XX)] [CH] longitude_latitude_member{longitude:d latitude:d member}..."},
    {"geodist", "key member1 member2 [unit(M|KM|FT|MI)]"},
    {"geohash", "key member..."},
    {"geopos", "key member..."},
    {"georadius",
     "key longitude:d latitude:d radius:d unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
     "[count{COUNT=count:i [ANY]}] [order(ASC|DESC)] [STORE=key] [STOREDIST=key]"},
    {"georadius_ro",
     "key longitude:d latitude:d radius:d unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
     "[count{COUNT=count:i [ANY]}] [order(ASC|DESC)]"},
    {"georadiusbymember",
     "key member radius:d unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT=count:i "
     "[ANY]}] [order(ASC|DESC)] [STORE=key] [STOREDIST=key]"},
    {"georadiusbymember_ro",
     "key member radius:d unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT=count:i "
     "[ANY]}] [order(ASC|DESC)]"},
    {"geosearch",
     "key from(FROMMEMBER=member|FROMLONLAT=longitude_latitude{longitude:d latitude:d}) "
     "by(circle{BYRADIUS=radius:d unit(M|KM|FT|MI)}|box{BYBOX=width:d height:d unit(M|KM|FT|MI)}) "
     "[order(ASC|DESC)] [count{COUNT=count:i [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]"},
    {"geosearchstore",
     "destination:k source:k from(FROMMEMBER=member|FROMLONLAT=longitude_latitude{longitude:d "
     "latitude:d}) by(circle{BYRADIUS=radius:d unit(M|KM|FT|MI)}|box{BYBOX=width:d height:d unit(M|KM|FT|"
     "MI)}) [order(ASC|DESC)] [count{COUNT=count:i [ANY]}] [STOREDIST]"},
    {"get", "key"},
    {"getbit", "key offset:i"},
    {"getdel", "key"},
    {"getex",
     "key [expiration(EX=seconds:i|PX=milliseconds:i|EXAT=unix-time-seconds:t|"
     "PXAT=unix-time-milliseconds:t|PERSIST)]"},
    {"getrange", "key start:i end:i"},
    {"getset", "key value"},
    {"hdel", "key field..."},
    {"hello", "[arguments{protover:i [AUTH=auth{username password}] [SETNAME=clientname]}]"},
    {"hexists", "key field"},
    {"hexpire", "key seconds:i [condition(NX|XX|GT|LT)] FIELDS=fields{numfields:i field...}"},
    {"hexpireat",
     "key unix-time-seconds:t [condition(NX|XX|GT|LT)] FIELDS=fields{numfields:i field...}"},
    {"hexpiretime", "key FIELDS=fields{numfields:i field...}"},
    {"hget", "key field"},
    {"hgetall", "key"},
    {"hgetdel", "key FIELDS=fields{numfields:i field...}"},
    {"hgetex",
     "key [expiration(EX=seconds:i|PX=milliseconds:i|EXAT=unix-time-seconds:t|"
     "PXAT=unix-time-milliseconds:t|PERSIST)] FIELDS=fields{numfields:i field...}"},
    {"hincrby", "key field increment:i"},
    {"hincrbyfloat", "key field increment:d"},
    {"hkeys", "key"},
    {"hlen", "key"},
    {"hmget", "key field..."},
    {"hmset", "key data{field value}..."},
    {"hpersist", "key FIELDS=fields{numfields:i field...}"},
    {"hpexpire",
     "key milliseconds:i [condition(NX|XX|GT|LT)] FIELDS=fields{numfields:i field...}"},
    {"hpexpireat",
     "key unix-time-milliseconds:t [condition(NX|XX|GT|LT)] FIELDS=fields{numfields:i field...}"},
    {"hpexpiretime", "key FIELDS=fields{numfields:i field...}"},
    {"hpttl", "key FIELDS=fields{numfields:i field...}"},
    {"hrandfield", "key [options{count:i [WITHVALUES]}]"},
    {"hscan", "key cursor:i [MATCH=pattern:p] [COUNT=count:i] [NOVALUES]"},
    {"hset", "key data{field value}..."},
    {"hsetex",
     "key [condition(FNX|FXX)] [expiration(EX=seconds:i|PX=milliseconds:i|EXAT=unix-time-seconds:t|"
     "PXAT=unix-time-milliseconds:t|KEEPTTL)] "
     "FIELDS=fields{numfields:i data{field value}...}"},
    {"hsetnx", "key field value"},
    {"hstrlen", "key field"},
    {"httl", "key FIELDS=fields{numfields:i field...}"},
    {"hvals", "key"},
    {"incr", "key"},
    {"incrby", "key increment:i"},
    {"incrbyfloat", "key increment:d"},
    {"info", "[section...]"},
    {"keys", "pattern:p"},
    {"lcs", "key1:k key2:K [LEN] [IDX] [MINMATCHLEN=min-match-len:i] [WITHMATCHLEN]"},
    {"lindex", "key index:i"},
    {"linsert", "key where(BEFORE|AFTER) pivot element"},
    {"llen", "key"},
    {"lmove", "source:k destination:K wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT)"},
    {"lmpop", "numkeys:i key... where(LEFT|RIGHT) [COUNT=count:i]"},
    {"lolwut", "[VERSION=version:i]"},
    {"lpop", "key [count:i]"},
    {"lpos", "key element [RANK=rank:i] [COUNT=num-matches:i] [MAXLEN=len:i]"},
    {"lpush", "key element..."},
    {"lpushx", "key element..."},
    {"lrange", "key start:i stop:i"},
    {"lrem", "key count:i element"},
    {"lset", "key index:i element"},
    {"ltrim", "key start:i stop:i"},
    {"memory|usage", "key [SAMPLES=count:i]"},
    {"mget", "key..."},
    {"move", "key db:i"},
    {"mset", "data{key value}..."},
    {"msetex",
     "numkeys:i data{key value}... [condition(NX|XX)] [expiration(EX=seconds:i|PX=milliseconds:i|"
     "EXAT=unix-time-seconds:t|PXAT=unix-time-milliseconds:t|KEEPTTL)]"},
    {"msetnx", "data{key value}..."},
    {"object|encoding", "key"},
    {"object|freq", "key"},
    {"object|idletime", "key"},
    {"object|refcount", "key"},
    {"persist", "key"},
    {"pexpire", "key milliseconds:i [condition(NX|XX|GT|LT)]"},
    {"pexpireat", "key unix-time-milliseconds:t [condition(NX|XX|GT|LT)]"},
    {"pexpiretime", "key"},
    {"pfadd", "key [element...]"},
    {"pfcount", "key..."},
    {"pfdebug", "subcommand key"},
    {"pfmerge", "destkey:k sourcekey:k..."},
    {"ping", "[message]"},
    {"psetex", "key milliseconds:i value"},
    {"pttl", "key"},
    {"rename", "key newkey"},
    {"renamenx", "key newkey"},
    {"restore", "key ttl:i serialized-value [REPLACE] [ABSTTL] [IDLETIME=seconds:i] [FREQ=frequency:i]"},
    {"rpop", "key [count:i]"},
    {"rpoplpush", "source:k destination:K"},
    {"rpush", "key element..."},
    {"rpushx", "key element..."},
    {"sadd", "key member..."},
    {"scan", "cursor:i [MATCH=pattern:p] [COUNT=count:i] [TYPE=type]"},
    {"scard", "key"},
    {"sdiff", "key..."},
    {"sdiffstore", "destination:k key..."},
    {"select", "index"},
    {"set",
     "key value [condition(NX|XX|IFEQ=ifeq-value|IFNE=ifne-value|IFDEQ=ifdeq-digest|IFDNE=ifdne-digest)] "
     "[GET] [expiration(EX=seconds:i|PX=milliseconds:i|EXAT=unix-time-seconds:t|"
     "PXAT=unix-time-milliseconds:t|KEEPTTL)]"},
    {"setbit", "key offset:i value:i"},
    {"setex", "key seconds:i value"},
    {"setnx", "key value"},
    {"setrange", "key offset:i value"},
    {"shutdown", "[save-selector(NOSAVE|SAVE)] [NOW] [FORCE] [ABORT]"},
    {"sinter", "key..."},
    {"sintercard", "numkeys:i key... [LIMIT=limit:i]"},
    {"sinterstore", "destination:k key..."},
    {"sismember", "key member"},
    {"slowlog|get", "[count:i]"},
    {"smembers", "key"},
    {"smismember", "key member..."},
    {"smove", "source:k destination:k member"},
    {"sort",
     "key [BY=by-pattern:p] [LIMIT=offset_count{offset:i count:i}] [GET=get-pattern:p+] [order(ASC|DESC)] "
     "[ALPHA] [STORE=destination:k]"},
    {"sort_ro",
     "key [BY=by-pattern:p] [LIMIT=offset_count{offset:i count:i}] [GET=get-pattern:p+] [order(ASC|DESC)] "
     "[ALPHA]"},
    {"spop", "key [count:i]"},
    {"srandmember", "key [count:i]"},
    {"srem", "key member..."},
    {"sscan", "key cursor:i [MATCH=pattern:p] [COUNT=count:i]"},
    {"strlen", "key"},
    {"substr", "key start:i end:i"},
    {"sunion", "key..."},
    {"sunionstore", "destination:k key..."},
    {"swapdb", "index1:i index2:i"},
    {"touch", "key..."},
    {"ttl", "key"},
    {"type", "key"},
    {"unlink", "key..."},
    {"wait", "numreplicas:i timeout:i"},
    {"waitaof", "numlocal:i numreplicas:i timeout:i"},
    {"watch", "key..."},
    {"xack", "key group id..."},
    {"xackdel", "key group [condition(KEEPREF|DELREF|ACKED)] IDS=ids{numids:i id...}"},
    {"xadd",
     "key [NOMKSTREAM] [condition(KEEPREF|DELREF|ACKED)] [trim{strategy(MAXLEN|MINID) [operator] threshold "
     "[LIMIT=count:i]}] id_or_auto field_value{field value}..."},
    {"xautoclaim", "key group consumer min-idle-time start [COUNT=count:i] [JUSTID]"},
    {"xclaim",
     "key group consumer min-idle-time id... [IDLE=ms:i] [TIME=unix-time-milliseconds:t] "
     "[RETRYCOUNT=count:i] [FORCE] [JUSTID] [LASTID=id]"},
    {"xdel", "key id..."},
    {"xdelex", "key [condition(KEEPREF|DELREF|ACKED)] IDS=ids{numids:i id...}"},
    {"xgroup|create", "key groupname id [MKSTREAM] [ENTRIESREAD=entries_read:i]"},
    {"xgroup|createconsumer", "key groupname consumername"},
    {"xgroup|delconsumer", "key groupname consumername"},
    {"xgroup|destroy", "key groupname"},
    {"xgroup|setid", "key groupname id [ENTRIESREAD=entries_read:i]"},
    {"xinfo|consumers", "key groupname"},
    {"xinfo|groups", "key"},
    {"xinfo|stream", "key [FULL=full{[COUNT=count:i]}]"},
    {"xlen", "key"},
    {"xpending", "key group [filters{[IDLE=min-idle-time:i] start end count:i [consumer]}]"},
    {"xrange", "key start end [COUNT=count:i]"},
    {"xread", "[COUNT=count:i] [BLOCK=milliseconds:i] STREAMS=streams{key... id...}"},
    {"xreadgroup",
     "GROUP=group_consumer{group consumer} [COUNT=count:i] [BLOCK=milliseconds:i] [NOACK] "
     "STREAMS=streams{key... id...}"},
    {"xrevrange", "key end start [COUNT=count:i]"},
    {"xsetid", "key last-id [ENTRIESADDED=entries_added:i] [MAXDELETEDID=max_deleted_entry_id]"},
    {"xtrim",
     "key trim{strategy(MAXLEN|MINID) [operator] threshold [LIMIT=count:i]} "
     "[condition(KEEPREF|DELREF|ACKED)]"},
    {"zadd", "key [condition(NX|XX)] [comparison(GT|LT)] [CH] [INCR] score_member{score:d member}..."},
    {"zcard", "key"},
    {"zcount", "key min:d max:d"},
    {"zdiff", "numkeys:i key... [WITHSCORES]"},
    {"zdiffstore", "destination:k numkeys:i key..."},
    {"zincrby", "key increment:i member"},
    {"zinter", "numkeys:i key... [WEIGHTS=weight:i...] [AGGREGATE=aggregate(SUM|MIN|MAX)] [WITHSCORES]"},
    {"zintercard", "numkeys:i key... [LIMIT=limit:i]"},
    {"zinterstore",
     "destination:k numkeys:i key... [WEIGHTS=weight:i...] [AGGREGATE=aggregate(SUM|MIN|MAX)]"},
    {"zlexcount", "key min max"},
    {"zmpop", "numkeys:i key... where(MIN|MAX) [COUNT=count:i]"},
    {"zmscore", "key member..."},
    {"zpopmax", "key [count:i]"},
    {"zpopmin", "key [count:i]"},
    {"zrandmember", "key [options{count:i [WITHSCORES]}]"},
    {"zrange",
     "key start stop [sortby(BYSCORE|BYLEX)] [REV] [LIMIT=offset_count{offset:i count:i}] [WITHSCORES]"},
    {"zrangebylex", "key min max [LIMIT=offset_count{offset:i count:i}]"},
    {"zrangebyscore", "key min:d max:d [WITHSCORES] [LIMIT=offset_count{offset:i count:i}]"},
    {"zrangestore",
     "dst:k src:k min max [sortby(BYSCORE|BYLEX)] [REV] [LIMIT=offset_count{offset:i count:i}]"},
    {"zrank", "key member [WITHSCORE]"},
    {"zrem", "key member..."},
    {"zremrangebylex", "key min max"},
    {"zremrangebyrank", "key start:i stop:i"},
    {"zremrangebyscore", "key min:d max:d"},
    {"zrevrange", "key start:i stop:i [WITHSCORES]"},
    {"zrevrangebylex", "key max min [LIMIT=offset_count{offset:i count:i}]"},
    {"zrevrangebyscore", "key max:d min:d [WITHSCORES] [LIMIT=offset_count{offset:i count:i}]"},
    {"zrevrank", "key member [WITHSCORE]"},
    {"zscan", "key cursor:i [MATCH=pattern:p] [COUNT=count:i]"},
    {"zscore", "key member"},
    {"zunion", "numkeys:i key... [WEIGHTS=weight:i...] [AGGREGATE=aggregate(SUM|MIN|MAX)] [WITHSCORES]"},
    {"zunionstore",
     "destination:k numkeys:i key... [WEIGHTS=weight:i...] [AGGREGATE=aggregate(SUM|MIN|MAX)]"},
};

const char *usage_of(const char *full_name) {
    for (size_t i = 0; i < sizeof(usages) / sizeof(*usages); i++) {
        if (strcmp(usages[i].name, full_name) == 0) return usages[i].usage;
    }
    return NULL;
}

/* ---- reading a line ----------------------------------------------------------------------------- */

struct item {
    slice name, token, inner; /* inner: of a oneof or a block */
    char type;                /* s i d p t k K, T pure token, O oneof, B block */
    bool optional, multiple, multiple_token;
};

/* The place after the bracket that closes the one at `at`. */
static size_t skip_bracket(slice s, size_t at) {
    int depth = 0;
    do {
        assert(at < s.n);
        if (strchr("[({", s.p[at]) != NULL) depth++;
        if (strchr("])}", s.p[at]) != NULL) depth--;
        at++;
    } while (depth > 0);
    return at;
}

static slice part(slice s, size_t from, size_t to) { return slice_make(s.p + from, to - from); }

static bool is_key(slice name) {
    return slice_eq(name, SLICE("key")) || slice_eq(name, SLICE("newkey"));
}

/* Reads one item from *at on, and the separator after it. False at the end. */
static bool next_item(slice s, size_t *at, struct item *out) {
    size_t i = *at, from;
    if (i >= s.n) return false;
    *out = (struct item){.type = 's', .optional = s.p[i] == '['};
    size_t end = s.n;
    if (out->optional) {
        end = skip_bracket(s, i) - 1;
        i++;
    }
    for (from = i; i < end && strchr("=:({.|] ", s.p[i]) == NULL; i++) continue;
    out->name = part(s, from, i);
    if (i < end && s.p[i] == '=') {
        out->token = out->name;
        for (from = ++i; i < end && strchr(":({.|] ", s.p[i]) == NULL; i++) continue;
        out->name = part(s, from, i);
    }
    if (is_key(out->name)) out->type = 'k';
    if (i < end && s.p[i] == ':') {
        out->type = (char)s.p[i + 1];
        i += 2;
    } else if (i < end && (s.p[i] == '(' || s.p[i] == '{')) {
        size_t after = skip_bracket(s, i);
        out->type = s.p[i] == '(' ? 'O' : 'B';
        out->inner = part(s, i + 1, after - 1);
        i = after;
    } else if (out->token.n == 0 && out->name.n > 0 && out->name.p[0] >= 'A' && out->name.p[0] <= 'Z') {
        out->type = 'T';
        out->token = out->name;
    }
    out->multiple_token = i < s.n && s.p[i] == '+';
    out->multiple = out->multiple_token || (i + 2 < s.n && s.p[i] == '.');
    if (out->multiple) i += out->multiple_token ? 1 : 3;
    if (out->optional) i = end + 1;
    assert(i >= s.n || s.p[i] == ' ' || s.p[i] == '|');
    *at = i + 1;
    return true;
}

static const char *type_name(char type) {
    switch (type) {
    case 'i': return "integer";
    case 'd': return "double";
    case 'p': return "pattern";
    case 't': return "unix-time";
    case 'k':
    case 'K': return "key";
    case 'T': return "pure-token";
    case 'O': return "oneof";
    case 'B': return "block";
    default: return "string";
    }
}

static void pair(call *c, const char *name, slice value) {
    reply_bulk_str(c, name);
    reply_bulk(c, value);
}

static void reply_item(call *c, const struct item *item, int *key) {
    uint8_t lower[64];
    slice name = item->name;
    assert(name.n > 0 && name.n <= sizeof(lower));
    for (size_t i = 0; i < name.n; i++) {
        uint8_t b = name.p[i];
        lower[i] = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
    }
    bool flags = item->optional || item->multiple;
    bool is_one = item->type == 'k' || item->type == 'K';
    reply_map(c, 2u + is_one + (item->token.n > 0) + flags + (item->inner.n > 0));
    pair(c, "name", slice_make(lower, name.n));
    pair(c, "type", slice_str(type_name(item->type)));
    if (is_one) {
        reply_bulk_str(c, "key_spec_index");
        reply_int(c, item->type == 'k' ? (*key)++ : *key - 1);
    }
    if (item->token.n > 0) pair(c, "token", item->token);
    if (flags) {
        reply_bulk_str(c, "flags");
        reply_set(c, (size_t)item->optional + (size_t)item->multiple + (size_t)item->multiple_token);
        if (item->optional) reply_status(c, "optional");
        if (item->multiple) reply_status(c, "multiple");
        if (item->multiple_token) reply_status(c, "multiple_token");
    }
}

static void reply_items(call *c, slice s, int *key) { /* recurses as deep as the line's brackets */
    struct item item;
    size_t n = 0;
    for (size_t at = 0; next_item(s, &at, &item);) n++;
    reply_array(c, n);
    for (size_t at = 0; next_item(s, &at, &item);) {
        reply_item(c, &item, key);
        if (item.inner.n == 0) continue;
        reply_bulk_str(c, "arguments");
        reply_items(c, item.inner, key);
    }
}

void usage_reply(call *c, const char *usage) {
    int key = 0;
    reply_items(c, slice_str(usage), &key);
}
