"""grammar.py -- random commands of Redis 7.0 that have a good chance to meet each other.

A line of GRAMMAR is a command. Words in capitals stand for themselves; a word in small letters is a kind of
argument (KINDS); (a b)+ is one or more times, [a] is maybe, {a|b} is one of them. Few keys, small numbers and
numbers at the edges of their types, values at the thresholds of encodings: what is drawn here collides.
"""
import re

GRAMMAR = """
SET s v [{NX|XX}] [GET] [{EX secs|PX millis|EXAT unix|PXAT unixms|KEEPTTL}]
SET s int
GET s
GETDEL s
GETEX s [{EX secs|PX millis|EXAT unix|PXAT unixms|PERSIST}]
GETSET s v
SETNX s v
SETEX s secs v
PSETEX s millis v
MSET (s v)+
MSETNX (s v)+
MGET (k)+
APPEND s v
STRLEN s
GETRANGE s index index
SUBSTR s index index
SETRANGE s offset v
INCR s
DECR s
INCRBY s int
DECRBY s int
INCRBYFLOAT s float
LCS s s [LEN] [IDX] [MINMATCHLEN count] [WITHMATCHLEN]
SETBIT s bit {0|1|0|1|2}
GETBIT s bit
BITCOUNT s [index index [{BYTE|BIT}]]
BITPOS s {0|1|0|1|2} [index [index [{BYTE|BIT}]]]
BITOP {AND|OR|XOR} s (s)+
BITOP NOT s s [s]
BITFIELD s (bitop)+
BITFIELD_RO s (GET bittype bitoff)+
PFADD p (v)+
PFADD p elements
PFADD p
PFCOUNT p
PFCOUNT (p)+
PFMERGE p (p)+
PFMERGE p
PFDEBUG {ENCODING|DECODE|TODENSE|ENCODING|odd} p
SETRANGE p offset v
CONFIG SET hll-sparse-max-bytes threshold
HSET h (f v)+
HSET h f int
HMSET h (f v)+
HSETNX h f v
HGET h f
HMGET h (f)+
HDEL h (f)+
HEXISTS h f
HGETALL h
HKEYS h
HVALS h
HLEN h
HSTRLEN h f
HINCRBY h f int
HINCRBYFLOAT h f float
HRANDFIELD h [draws [WITHVALUES]]
LPUSH l (v)+
RPUSH l (v)+
RPUSH l int
LPUSHX l (v)+
RPUSHX l (v)+
LPOP l [draws]
RPOP l [draws]
LLEN l
LINDEX l index
LINSERT l {BEFORE|AFTER} v v
LRANGE l index index
LRANGE l 0 -1
LSET l index v
SORT l [LIMIT index index] [{ASC|DESC}]
SORT l [LIMIT index index] [{ASC|DESC}] [ALPHA] STORE l
SORT l BY {s*|h*->f1|nosort} [LIMIT index index] [{ASC|DESC}] [GET {#|s*|h*->f2|odd}] [GET {#|*}] [STORE l]
SORT t [LIMIT index index] [{ASC|DESC}]
SORT t [LIMIT index index] [{ASC|DESC}] [ALPHA] STORE l
SORT_RO l [LIMIT index index] [{ASC|DESC}] [GET {#|s*}]
SORT {s|h} [ALPHA]
LREM l index v
LTRIM l index index
LPOS l v [RANK index] [COUNT count] [MAXLEN count]
LMOVE l l {LEFT|RIGHT} {LEFT|RIGHT}
RPOPLPUSH l l
LMPOP keysl {LEFT|RIGHT} [COUNT count]
BLPOP (l)+ wait
BRPOP (l)+ wait
BLMOVE l l {LEFT|RIGHT} {LEFT|RIGHT} wait
BRPOPLPUSH l l wait
BLMPOP wait keysl {LEFT|RIGHT} [COUNT count]
SADD t (m)+
SADD t int
SREM t (m)+
SMOVE t t m
SCARD t
SISMEMBER t m
SMISMEMBER t (m)+
SMEMBERS t
SRANDMEMBER t [draws]
SPOP t 100000
SINTER (t)+
SUNION (t)+
SDIFF (t)+
SINTERSTORE t (t)+
SUNIONSTORE t (t)+
SDIFFSTORE t (t)+
SINTERCARD keyst [LIMIT count]
ZADD z (score member)+
ZADD z (score member)+
ZADD z [{NX|XX}] [{GT|LT}] [CH] [INCR] (score member)+
ZADD z [{NX|XX|GT|LT|CH}] INCR score member
ZADD x (0 member)+
ZINCRBY z score member
ZREM z (member)+
ZREM x (member)+
ZCARD z
ZSCORE z member
ZMSCORE z (member)+
ZRANK z member
ZREVRANK z member
ZCOUNT z edge edge
ZRANGE z index index [WITHSCORES]
ZRANGE z index index [REV] [WITHSCORES]
ZRANGE z edge edge BYSCORE [REV] [LIMIT index count] [WITHSCORES]
ZRANGE x lex lex BYLEX [REV] [LIMIT index count]
ZREVRANGE z index index [WITHSCORES]
ZRANGEBYSCORE z edge edge [WITHSCORES] [LIMIT index count]
ZREVRANGEBYSCORE z edge edge [WITHSCORES] [LIMIT index count]
ZRANGEBYLEX x lex lex [LIMIT index count]
ZREVRANGEBYLEX x lex lex [LIMIT index count]
ZLEXCOUNT x lex lex
ZRANGESTORE z z index index [REV]
ZRANGESTORE z z edge edge BYSCORE [REV] [LIMIT index count]
ZRANGESTORE z x lex lex BYLEX [LIMIT index count]
ZREMRANGEBYRANK z index index
ZREMRANGEBYSCORE z edge edge
ZREMRANGEBYLEX x lex lex
ZPOPMIN z [draws]
ZPOPMAX z [draws]
ZMPOP keysz {MIN|MAX} [COUNT count]
BZPOPMIN (z)+ wait
BZPOPMAX (z)+ wait
BZMPOP wait keysz {MIN|MAX} [COUNT count]
ZRANDMEMBER z [draws [WITHSCORES]]
ZSCAN z 0 [MATCH pattern] [COUNT 100000]
ZUNION keysz [WEIGHTS score score] [AGGREGATE {SUM|MIN|MAX}] [WITHSCORES]
ZINTER keysz [WEIGHTS score score] [AGGREGATE {SUM|MIN|MAX}] [WITHSCORES]
ZDIFF keysz [WITHSCORES]
ZINTERCARD keysz [LIMIT count]
ZUNIONSTORE z keysz [AGGREGATE {SUM|MIN|MAX}]
ZINTERSTORE z keysz [WEIGHTS score score] [AGGREGATE {SUM|MIN|MAX}]
ZDIFFSTORE z keysz
XADD y [NOMKSTREAM] [trim] newid (f v)+
XADD y newid (f v)+
XADD y newid f v
XLEN y
XRANGE y idedge idedge [COUNT count]
XREVRANGE y idedge idedge [COUNT count]
XRANGE y - +
XDEL y (id)+
XTRIM y trim
XSETID y id [ENTRIESADDED count] [MAXDELETEDID id]
XREAD [COUNT count] STREAMS y y id id
XREAD [COUNT count] [BLOCK waitms] STREAMS y {id|$}
XGROUP CREATE y g {id|$} [MKSTREAM] [ENTRIESREAD count]
XGROUP CREATE y g {id|$} MKSTREAM
XGROUP SETID y g {id|$} [ENTRIESREAD count]
XGROUP DESTROY y g
XGROUP CREATECONSUMER y g who
XGROUP DELCONSUMER y g who
XREADGROUP GROUP g who [COUNT count] [BLOCK waitms] [NOACK] STREAMS y {>|id}
XREADGROUP GROUP g who [COUNT count] STREAMS y >
XREADGROUP GROUP g who [COUNT count] STREAMS y y {>|id} {>|id}
XACK y g (id)+
XPENDING y g
XCLAIM y g who {0|0|0|10000000|odd} (id)+ [IDLE {0|odd}] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
XAUTOCLAIM y g who {0|0|10000000} idedge [COUNT count] [JUSTID]
XINFO GROUPS y
XINFO {STREAM|odd} y odd
CONFIG SET stream-node-max-entries {0|1|2|5|100}
CONFIG SET stream-node-max-bytes {0|1|100|1000|4096}
GEOADD e [{NX|XX}] [CH] (lon lat place)+
GEOADD e (lon lat place)+
GEODIST e place place [unit]
GEOHASH e (place)+
GEOPOS e (place)+
GEOSEARCH e {FROMMEMBER place|FROMLONLAT lon lat} {BYRADIUS radius unit|BYBOX radius radius unit} {ASC|DESC} [COUNT count] [WITHCOORD] [WITHDIST] [WITHHASH]
GEOSEARCH e FROMLONLAT lon lat BYBOX radius radius unit ASC [COUNT count [ANY]]
GEOSEARCH e FROMLONLAT lon lat BYRADIUS radius unit
GEOSEARCHSTORE e e FROMLONLAT lon lat {BYRADIUS radius unit|BYBOX radius radius unit} [{ASC|DESC}] [STOREDIST]
GEORADIUS e lon lat radius unit [WITHDIST] [WITHCOORD] [WITHHASH] {ASC|DESC} [COUNT count] [{STORE|STOREDIST} e]
GEORADIUS_RO e lon lat radius unit ASC
GEORADIUSBYMEMBER e place radius unit [WITHDIST] {ASC|DESC} [{STORE|STOREDIST} e]
GEORADIUSBYMEMBER_RO e place radius unit [WITHDIST] ASC
ZRANGE e 0 -1 WITHSCORES
ZREM e place
DEL (k)+
UNLINK (k)+
EXISTS (k)+
TOUCH (k)+
TYPE k
RANDOMKEY
RENAME k k
RENAMENX k k
COPY k k [DB db] [REPLACE]
MOVE k db
KEYS pattern
DBSIZE
SELECT db
SWAPDB db db
FLUSHDB [{ASYNC|SYNC}]
EXPIRE k secs [{NX|XX|GT|LT}]
PEXPIRE k millis [{NX|XX|GT|LT}]
EXPIREAT k unix [{NX|XX|GT|LT}]
PEXPIREAT k unixms [{NX|XX|GT|LT}]
EXPIREAT k unix {NX|XX|GT|LT} {NX|XX|GT|LT}
PERSIST k
TTL k
PTTL k
EXPIRETIME k
PEXPIRETIME k
OBJECT ENCODING k
OBJECT REFCOUNT k
OBJECT FREQ k
OBJECT IDLETIME k
OBJECT odd k
MEMORY USAGE k [SAMPLES count]
DUMP k
RESTORE k secs odd [REPLACE] [ABSTTL] [{IDLETIME count|FREQ count}]
MULTI
MULTI
EXEC
EXEC
DISCARD
WATCH (k)+
UNWATCH
ECHO v
PING [v]
TIME odd
CONFIG GET hash-max-*
CONFIG GET list-max-listpack-size set-max-intset-entries
CONFIG GET zset-max-*
CONFIG SET hash-max-listpack-entries threshold
CONFIG SET hash-max-listpack-value threshold
CONFIG SET set-max-intset-entries threshold
CONFIG SET zset-max-listpack-entries threshold
CONFIG SET zset-max-listpack-value threshold
CONFIG SET maxmemory-policy {noeviction|allkeys-lru|allkeys-lfu|odd}
CONFIG SET odd odd
CLIENT odd odd
CLIENT NO-EVICT odd
CLIENT SETNAME v
CLIENT GETNAME
WAIT 0 0
odd odd
"""

INTS = [0, 1, -1, 2, 5, 10, 12, 100, 127, 128, 255, 256, -128, -129, 4095, 4096, 9999, 10000, 32767, 32768, -32768,
        8388607, 8388608, 2147483647, 2147483648, -2147483648, -2147483649, 4294967295, 4294967296,
        9223372036854775806, 9223372036854775807, -9223372036854775807, -9223372036854775808]
ODD = [b"", b" ", b"abc", b"0x10", b"1 ", b" 1", b"+1", b"-0", b"01", b"1.0", b"1.", b".5", b"-", b"9223372036854775808",
       b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999", b"nan",
       b"inf", b"-inf", b"1e400", b"1e5", b"5e-324", b"\x00", b"a\x00b", b"\xff\xfe", b"\r\n", b"%s%n", b"*", b"[",
       b"WITHVALUES", b"COUNT", b"LIMIT", b"NX", b"0", b"1", b"-1", b"3", b"x" * 300]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"3.0e3", b"1e17", b"-1e-17", b"5.0", b"1e308", b"1.7976931348623157e308", b"0.30",
          b"10.5", b"1e-5", b"123456789012345678", b"inf", b"-inf", b"nan", b"1e400", b"abc", b" 1", b"0x1p3", b"1e4932",
          b"3.14159265358979323846", b"100000000000000000000"]
SCORES = [b"0", b"-0", b"0.5", b"-0.25", b"0.1", b"1e10", b"4503599627370496", b"9007199254740993", b"1e17", b"-1e17", b"inf",
          b"-inf", b"+inf", b"3.0e3", b"1.7976931348623157e308", b"5e-324", b"0x10", b"3.14159265358979", b"100000000000000000"]
LENGTHS = [0, 1, 3, 11, 12, 19, 20, 21, 43, 44, 45, 63, 64, 65, 66, 127, 128, 200, 255, 256, 1000, 4095, 4096, 4097]
HUGE_LENGTHS = [8191, 8192, 16384, 65535, 65536, 65537, 70000, 131072, 200000]
SECS = [100, 1000, 1000, 2147483648, 0, -1, 9223372036854775, 9223372036854776, 9223372036854775807,
        -9223372036854775808, 4611686018427387904]
MILLIS = [100000, 1000000, 2000000, 0, -1, 9223372036854775807, 9223372036854775000, -9223372036854775808]
UNIX = [4000000000, 4000000000, 4000000001, 5000000000, 1, 0, -1, 1600000000, 9223372036854775, 9223372036854775807]
UNIXMS = [4000000000000, 4000000000001, 4000000000000, 5000000000123, 1, 0, -1, 1600000000000, 9223372036854775807]
BITTYPES = [b"u1", b"u2", b"i5", b"u8", b"i8", b"u16", b"i16", b"u31", b"i32", b"u32", b"u63", b"i63", b"i64", b"u64", b"i0",
            b"u0", b"i65", b"x8", b"i", b""]
PATTERNS = [b"*", b"s*", b"?1", b"[sh]*", b"[^s]?", b"h[0-2]", b"\\*", b"", b"*\x00*", b"[", b"[a-", b"l\\", b"**1", b"nothing",
            b"[z-a]*", b"[^]*"]


class Grammar:
    """Draws commands from `rng`. `big`: values and collections that are paged are drawn too."""

    def __init__(self, rng, big=False):
        self.rng, self.big = rng, big
        self.lines = [self.parse(line.split()) for line in re.sub(
            r"([][(){}|]|\)\+)", r" \1 ", GRAMMAR.strip()).replace(") +", ")+").split("\n")]
        self.keys = {"s": [b"s1", b"s2", b"s3"], "h": [b"h1", b"h2"], "l": [b"l1", b"l2", b"l3"], "t": [b"t1", b"t2", b"t3"],
                     "p": [b"p1", b"p2", b"p3"], "z": [b"z1", b"z2", b"z3"], "x": [b"x1", b"x2"],
                     "y": [b"y1", b"y2", b"y3"], "e": [b"e1", b"e2"]}
        self.id_ms = 0
        # Of x all members have one score: a range of members' bytes has no meaning else.
        self.all_keys = [k for family, keys in self.keys.items() for k in keys if family != "x"]

    # ---- lines of the grammar --------------------------------------------------------------------

    def parse(self, words):
        """A sequence of nodes up to the end, or up to what closes it."""
        nodes = []
        while words and words[0] not in ("]", ")", ")+", "}", "|"):
            word = words.pop(0)
            if word == "[":
                nodes.append(("maybe", self.parse(words)))
                words.pop(0)
            elif word == "(":
                nodes.append(("many", self.parse(words)))
                assert words.pop(0) == ")+"
            elif word == "{":
                choices = [self.parse(words)]
                while words.pop(0) == "|":
                    choices.append(self.parse(words))
                nodes.append(("choice", choices))
            else:
                nodes.append(("word", word))
        return nodes

    def expand(self, nodes, out):
        rng = self.rng
        for kind, what in nodes:
            if kind == "word":
                draw = getattr(self, "draw_" + what, None) if what.islower() else None
                if draw is None:
                    out.append(self.cased(what.encode()))
                else:
                    drawn = draw()
                    out.extend(drawn if isinstance(drawn, list) else [drawn])
            elif kind == "maybe":
                if rng.random() < 0.4:
                    self.expand(what, out)
            elif kind == "many":
                for _ in range(rng.choice((1, 1, 2, 2, 3, 5))):
                    self.expand(what, out)
            else:
                self.expand(rng.choice(what), out)
        return out

    def cased(self, word):
        return word.lower() if self.rng.random() < 0.2 else word

    def command(self):
        rng = self.rng
        args = self.expand(rng.choice(self.lines), [])
        if rng.random() < 0.07 and not any(key in args for key in self.keys["x"]):
            self.spoil(args)
        if rng.random() < 0.02:
            args = [b"COMMAND", rng.choice((b"GETKEYS", b"GETKEYSANDFLAGS"))] + args
        return args if sane(args) else self.command()

    def spoil(self, args):
        rng = self.rng
        at = rng.randrange(len(args))
        how = rng.randrange(4)
        if how == 0 and len(args) > 1:
            del args[at]
        elif how == 1:
            args.insert(at + 1, rng.choice(ODD))
        elif how == 2 and at > 0:
            args[at] = rng.choice(ODD)
        else:
            args.append(rng.choice(args))

    # ---- kinds of arguments ----------------------------------------------------------------------

    def key(self, family):
        r = self.rng.random()
        if r < 0.85:
            return self.rng.choice(self.keys[family])
        if r < 0.97:
            return self.rng.choice(self.all_keys)
        return self.rng.choice((b"", b"\x00\xff", b"none", b"k" * 300, b"a b"))

    def draw_s(self): return self.key("s")
    def draw_h(self): return self.key("h")
    def draw_l(self): return self.key("l")
    def draw_t(self): return self.key("t")
    def draw_p(self): return self.key("p")
    def draw_z(self): return self.key("z")
    def draw_x(self): return self.rng.choice(self.keys["x"])
    def draw_k(self): return self.key(self.rng.choice("shltpzye"))
    def draw_y(self): return self.key("y")
    def draw_e(self): return self.key("e")
    def draw_place(self): return b"place%d" % self.rng.randrange(12)
    def draw_unit(self): return self.rng.choice((b"m", b"km", b"km", b"mi", b"ft", b"KM", b"x"))
    def draw_radius(self): return self.rng.choice((b"0", b"1", b"100", b"500", b"1000", b"3000", b"0.5", b"123.456", b"-1", b"abc"))
    def draw_odd(self): return self.rng.choice(ODD)
    def draw_secs(self): return self.number(SECS)
    def draw_millis(self): return self.number(MILLIS)
    def draw_unix(self): return self.number(UNIX)
    def draw_unixms(self): return self.number(UNIXMS)
    def draw_db(self): return self.number([0, 0, 0, 0, 1, 1, 1, 15, 16, -1])
    def draw_count(self): return self.number([0, 1, 2, 3, 10, 1000, -1])
    def draw_draws(self): return self.number([0, 1, 2, 5, 30, 5000, -1, -3, -100])
    def draw_wait(self): return self.rng.choice((b"0.01", b"0.001", b"0.01", b"0.01", b"-1", b"abc", b"1e400"))
    def draw_float(self): return self.rng.choice(FLOATS)
    def draw_pattern(self): return self.rng.choice(PATTERNS)
    def draw_threshold(self): return b"%d" % self.rng.choice((0, 1, 2, 4, 16, 64, 512, 512, -1))
    def draw_bittype(self): return self.rng.choice(BITTYPES)
    def draw_keysl(self): return self.counted("l")
    def draw_keyst(self): return self.counted("t")
    def draw_keysz(self): return self.counted("z" if self.rng.random() < 0.9 else "t")

    def draw_g(self): return self.rng.choice((b"g1", b"g1", b"g2", b"g3", b""))
    def draw_who(self): return self.rng.choice((b"alice", b"alice", b"bob", b"carol", b"7", b""))
    def draw_waitms(self): return self.rng.choice((b"1", b"2", b"-1", b"abc", b"1.5"))

    def draw_newid(self):
        """Ids that mostly rise: time and chance have no part in them."""
        rng, r = self.rng, self.rng.random()
        if r < 0.55:
            self.id_ms += rng.choice((0, 1, 1, 2, 1000))
            return b"%d-*" % self.id_ms
        if r < 0.9:
            self.id_ms += rng.choice((0, 1, 1, 3))
            return b"%d-%d" % (self.id_ms, rng.randrange(6))
        return self.draw_id() if r < 0.95 else rng.choice((b"0-*", b"18446744073709551615-*", b"0-0", b"*-1", b"1-**"))

    def draw_id(self):
        rng, r = self.rng, self.rng.random()
        if r < 0.85:
            ms = max(0, self.id_ms - rng.choice((0, 0, 1, 1, 2, 3, 5, 8, 20, 100, 1000)))
            return b"%d-%d" % (ms, rng.randrange(4)) if rng.random() < 0.6 else b"%d" % ms
        if r < 0.93:
            return b"0"
        return rng.choice((b"0-0", b"0-1", b"-", b"+", b"5-", b"-5", b"1-1-1", b"18446744073709551615", b"abc", b"",
                           b"18446744073709551614-18446744073709551615")) if r < 0.98 else self.draw_odd()

    def draw_idedge(self):
        r = self.rng.random()
        if r < 0.3:
            return self.rng.choice((b"-", b"+"))
        return b"(" + self.draw_id() if r < 0.5 else self.draw_id()

    def draw_trim(self):
        rng = self.rng
        sign = rng.choice(([], [], [b"="], [b"~"], [b"~"]))
        limit = [b"LIMIT", self.draw_count()] if rng.random() < 0.2 else []
        if rng.random() < 0.6:
            return [b"MAXLEN"] + sign + [self.number([0, 1, 2, 5, 10, 30, 100, -1])] + limit
        return [b"MINID"] + sign + [self.draw_id()] + limit

    def draw_elements(self):
        """Some that were seen before, for a HyperLogLog; now and then so many that it becomes dense."""
        rng = self.rng
        return [b"%d" % rng.randrange(5000) for _ in range(rng.choice((1, 5, 20, 100, 1000)))]

    def number(self, of):
        if self.rng.random() < 0.03:
            return self.rng.choice(ODD)
        return b"%d" % self.rng.choice(of)

    def counted(self, family):
        n = self.rng.choice((1, 1, 2, 3))
        told = n if self.rng.random() < 0.9 else self.rng.choice((0, -1, n + 1, 1))
        return [b"%d" % told] + [self.key(family) for _ in range(n)]

    def draw_int(self):
        r = self.rng.random()
        if r < 0.03:
            return self.rng.choice(ODD)
        return b"%d" % (self.rng.randrange(-20, 120) if r < 0.5 else self.rng.choice(INTS))

    def draw_index(self):
        r = self.rng.random()
        if r < 0.7:
            return b"%d" % self.rng.randrange(-12, 12)
        if r < 0.9:
            return b"%d" % self.rng.choice((100, -100, 511, 512, 513, 1000, 2000, -2000, 65535, 65536, 70000))
        return self.draw_int()

    def draw_offset(self):
        r = self.rng.random()
        if r < 0.9 or not self.big:
            return b"%d" % self.rng.choice((0, 0, 1, 5, 44, 100, 1000, -1, 536870911, 536870912, 9223372036854775807))
        return b"%d" % self.rng.choice((65536, 65535, 100000, 140000))

    def draw_bit(self):
        r = self.rng.random()
        if r < 0.9 or not self.big:
            return b"%d" % self.rng.choice((0, 1, 7, 8, 9, 31, 63, 64, 100, 1000, 7999, -1, 4294967296))
        return b"%d" % self.rng.choice((524287, 524288, 700000, 1048576))

    def draw_bitoff(self):
        return self.rng.choice((b"0", b"1", b"7", b"8", b"#0", b"#1", b"#7", b"63", b"100", b"-1", b"#-1", b"#", b"abc",
                                b"4294967296", b"9223372036854775807", b"#9223372036854775807", b"1000"))

    def draw_bitop(self):
        rng = self.rng
        kind, at = self.draw_bittype(), self.draw_bitoff()
        if rng.random() < 0.75:
            kind, at = rng.choice(BITTYPES[:13]), rng.choice((b"0", b"1", b"7", b"8", b"#0", b"#1", b"#7", b"63", b"100"))
        return rng.choice(([b"GET", kind, at], [b"SET", kind, at, self.draw_int()], [b"INCRBY", kind, at, self.draw_int()],
                           [b"OVERFLOW", rng.choice((b"WRAP", b"SAT", b"FAIL", b"fail", b"x"))]))

    def draw_v(self):
        rng, r = self.rng, self.rng.random()
        if r < 0.35:
            return b"v%d" % rng.randrange(12)
        if r < 0.55:
            return self.draw_int()
        if r < 0.62:
            return rng.choice(FLOATS)
        if r < 0.68:
            return rng.choice(ODD)
        if self.big and r < 0.78:
            return self.filler(rng.choice(HUGE_LENGTHS))
        return self.filler(rng.choice(LENGTHS))

    def filler(self, n):
        """Bytes of which some compress and some do not."""
        rng = self.rng
        if rng.random() < 0.5:
            return (b"%c" % rng.choice(b"abcx")) * n
        return rng.randbytes(n)

    def draw_score(self):
        r = self.rng.random()
        if r < 0.6:
            return b"%d" % self.rng.randrange(-5, 20)
        return self.rng.choice(SCORES) if r < 0.97 else self.rng.choice(ODD)

    def draw_lon(self):
        return self.coordinate(180, (b"0", b"13.361389", b"15.087269", b"2.349014", b"-0.127758", b"179.9", b"-179.9", b"181"))

    def draw_lat(self):
        return self.coordinate(80, (b"0", b"38.115556", b"37.502669", b"48.864716", b"51.507351", b"-33.8", b"86"))

    def coordinate(self, most, known):
        if self.rng.random() < 0.75:
            return self.rng.choice(known)
        return b"%.6f" % (self.rng.random() * 2 * most - most) if self.rng.random() < 0.95 else self.rng.choice(ODD)

    def draw_edge(self):
        return (b"(" if self.rng.random() < 0.3 else b"") + self.rng.choice((self.draw_score(), b"-inf", b"+inf"))

    def draw_lex(self):
        r = self.rng.random()
        if r < 0.3:
            return self.rng.choice((b"-", b"+"))
        return self.rng.choice(ODD) if r < 0.35 else self.rng.choice((b"[", b"(")) + self.draw_member()

    def draw_member(self):
        r = self.rng.random()
        if r < 0.6:
            return b"m%d" % self.rng.randrange(15)
        return b"%d" % self.rng.randrange(20) if r < 0.9 else self.draw_v()

    def draw_f(self):
        r = self.rng.random()
        if r < 0.85:
            return b"f%d" % self.rng.randrange(10)
        return self.filler(self.rng.choice((0, 1, 63, 64, 65, 300))) if r < 0.95 else self.draw_int()

    def draw_m(self):
        r = self.rng.random()
        if r < 0.5:
            return b"%d" % self.rng.randrange(20)
        if r < 0.7:
            return self.draw_int()
        return b"m%d" % self.rng.randrange(10) if r < 0.95 else self.draw_v()

    # ---- commands that are drawn apart ------------------------------------------------------------

    def blocking(self, wait):
        rng = self.rng
        side = lambda: rng.choice((b"LEFT", b"RIGHT"))
        return rng.choice((
            lambda: [rng.choice((b"BLPOP", b"BRPOP")), self.draw_l(), self.draw_l(), wait],
            lambda: [b"BLMOVE", self.draw_l(), self.draw_l(), side(), side(), wait],
            lambda: [b"BRPOPLPUSH", self.draw_l(), self.draw_l(), wait],
            lambda: [rng.choice((b"BZPOPMIN", b"BZPOPMAX")), self.draw_z(), self.draw_z(), wait],
            lambda: [b"BZMPOP", wait, b"2", self.draw_z(), self.draw_z(), rng.choice((b"MIN", b"MAX")), b"COUNT",
                     rng.choice((b"1", b"3"))],
            lambda: [b"XREAD", b"COUNT", b"2", b"BLOCK", b"%d" % int(float(wait) * 1000), b"STREAMS", self.draw_y(),
                     self.draw_y(), b"$", b"$"],
            lambda: [b"BLMPOP", wait, b"2", self.draw_l(), self.draw_l(), side(), b"COUNT", rng.choice((b"1", b"3"))]))()

    def bulky(self):
        """One command that makes a collection large, or takes much of it away."""
        rng = self.rng
        n = rng.choice((100, 128, 129, 512, 513, 2000, 5000))
        first = rng.choice((0, 0, 100, 3000))
        width = rng.choice((1, 1, 10, 65))
        items = [b"%d" % i if width == 1 else b"%0*d" % (width, i) for i in range(first, first + n)]
        how = rng.randrange(10)
        if how == 9:
            return [b"ZREM", self.key("z")] + items
        if how >= 7:
            scored = [a for i, item in enumerate(items) for a in (b"%d" % (i * 7919 % (n if how == 7 else 5)), item)]
            return [b"ZADD", self.key("z")] + scored
        if how < 2:
            return [rng.choice((b"RPUSH", b"LPUSH")), self.key("l")] + items
        if how < 4:
            return [rng.choice((b"SADD", b"SADD", b"SREM")), self.key("t")] + items
        if how < 5:
            return [b"HDEL", self.key("h")] + [b"f" + i for i in items]
        pairs = []
        for i in items:
            pairs += [b"f" + i, i]
        return [b"HSET", self.key("h")] + pairs


def as_int(arg):
    try:
        return int(arg)
    except ValueError:
        return 0


def sane(args):
    """False for what would take half a gigabyte, or all day, on either server."""
    name = args[0].upper()
    if name == b"COMMAND":
        return b"COMMAND" not in args[1:]
    if name == b"CONFIG" and b"*" in args:  # All options: those of a file and a port differ.
        return False
    if name in (b"SYNC", b"PSYNC", b"MONITOR", b"SHUTDOWN"):
        return False
    if name in (b"SETEX", b"PSETEX", b"EXPIRE", b"PEXPIRE", b"SET", b"GETEX", b"RESTORE"):
        # What lapses while the sequence runs, does so at another moment on each.
        timed = args[2:3] if name not in (b"SET", b"GETEX") else [args[i + 1] for i, a in enumerate(args[:-1]) if a.upper() in (b"EX", b"PX")]
        if any(0 < as_int(a) < 90 for a in timed + args[2:3] * (name == b"RESTORE")):
            return False
    numbers = [as_int(a.lstrip(b"#")) for a in args[1:]]
    if name in (b"SETBIT", b"BITFIELD", b"SETRANGE"):
        limit = 4294967296 if name != b"SETRANGE" else 536870912
        return not any(2000000 < n < limit for n in numbers[1:] if name != b"BITFIELD") and not any(
            100000 < as_int(a[1:]) < 4294967296 * 64 for a in args if a.startswith(b"#")) and not any(
            2000000 < as_int(args[i + 1]) < 4294967296 for i in range(len(args) - 1)
            if re.match(rb"[ui]\d+$", args[i]))
    if name in (b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER"):
        return not any(-4611686018427387904 < n < -2000 for n in numbers)
    if name in (b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP"):
        wait = args[1] if name in (b"BLMPOP", b"BZMPOP") and len(args) > 1 else args[-1]
        return wait in (b"0.01", b"0.001", b"-1", b"abc", b"1e400", b"")
    if name == b"XADD" and any(a == b"*" for a in args[2:]):
        return False  # The time is another one.
    if name in (b"XREAD", b"XREADGROUP"):
        words = [a.upper() for a in args]
        keys = args[words.index(b"STREAMS") + 1:] if b"STREAMS" in words else []
        keys = keys[:len(keys) // 2]
        if name == b"XREADGROUP" and len(set(keys)) < len(keys):
            return False  # What is pending is then what it was before the command, for both.
        waits = [args[i + 1] for i, a in enumerate(args[:-1]) if a.upper() == b"BLOCK"]
        return all(w in (b"1", b"2", b"-1", b"abc", b"1.5") for w in waits)
    if name == b"XINFO":
        return len(args) != 3 or args[1].upper() not in (b"STREAM", b"CONSUMERS")
    if name == b"XPENDING":
        return len(args) < 6
    if name == b"CLIENT":
        return len(args) > 1 and args[1].upper() in (b"NO-EVICT", b"SETNAME", b"GETNAME", b"ABC", b"", b"*")
    if name in (b"ZRANK", b"ZREVRANK"):  # One more argument was always wrong before Redis 7.2.
        return len(args) <= 3
    if name == b"ZSCAN":
        return args[2:3] in ([], [b"0"])
    if name == b"WAIT":
        return len(args) != 3 or args[2] == b"0" and args[1] == b"0"
    if name == b"SPOP":
        return len(args) != 2 and not any(-1 < n < 100000 for n in numbers[1:2])
    return True
