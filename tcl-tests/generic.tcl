# generic.tcl -- commands on keys of any type: DEL to DUMP, SCAN, COPY, OBJECT, the databases.

test "DEL, UNLINK and EXISTS count keys" {
    r MSET a 1 b 2 c 3
    r HSET h f v
    assert_equal 1 [r EXISTS a]
    assert_equal 4 [r EXISTS a a h b none]
    assert_equal 2 [r DEL a none h]
    assert_equal 0 [r EXISTS a h]
    assert_equal 2 [r UNLINK b c none]
    assert_equal 0 [r DBSIZE]
    r SET k v
    assert_equal 1 [r DEL k k]
    assert_error "ERR wrong number of arguments for 'del' command" {r DEL}
}

test "TYPE" {
    r SET s v
    r HSET h f v
    assert_equal string [r TYPE s]
    assert_equal status [r -type]
    assert_equal hash [r TYPE h]
    assert_equal none [r TYPE none]
}

test "TOUCH counts what is there" {
    r MSET a 1 b 2
    assert_equal 2 [r TOUCH a b none]
    assert_equal 0 [r TOUCH none]
}

test "KEYS with every kind of pattern" {
    r MSET hello 1 hallo 2 hxllo 3 hllo 4 heeeello 5 h*llo 6 {h[llo} 7 other 8
    assert_sorted_equal {hello hallo hxllo h*llo {h[llo}} [r KEYS h?llo]
    assert_sorted_equal {hello hallo hxllo hllo heeeello h*llo {h[llo}} [r KEYS h*llo]
    assert_sorted_equal {hello hallo} [r KEYS {h[ae]llo}]
    assert_sorted_equal {hallo hxllo h*llo {h[llo}} [r KEYS {h[^e]llo}]
    assert_sorted_equal {hallo} [r KEYS {h[a-b]llo}]
    assert_equal {h*llo} [r KEYS {h\*llo}]
    assert_equal {other} [r KEYS other]
    assert_equal {} [r KEYS nothing]
    assert_equal 8 [llength [r KEYS *]]
    assert_equal array [r -type]
}

test "KEYS with a pattern made to run for ever ends" {
    r SET [string repeat a 200] v
    assert_equal {} [r KEYS [string repeat a* 40]b]
}

test "RANDOMKEY gives one of the keys" {
    assert_nil [r RANDOMKEY]
    r MSET a 1 b 2 c 3
    for {set i 0} {$i < 200} {incr i} {dict incr seen [r RANDOMKEY]}
    assert_sorted_equal {a b c} [dict keys $seen]
}

test "RENAME and RENAMENX" {
    r MSET a 1 b 2
    assert_equal OK [r RENAME a c]
    assert_nil [r GET a]
    assert_equal 1 [r GET c]
    assert_equal OK [r RENAME c b]
    assert_equal 1 [r GET b]
    assert_equal OK [r RENAME b b]
    assert_equal 1 [r GET b]
    assert_error "ERR no such key" {r RENAME none x}
    assert_error "ERR no such key" {r RENAME none none}
    r SET d 4
    assert_equal 0 [r RENAMENX b d]
    assert_equal 1 [r RENAMENX b e]
    assert_equal 1 [r GET e]
    assert_equal 0 [r RENAMENX e e]
    assert_error "ERR no such key" {r RENAMENX none x}
    r HSET h f v
    assert_equal OK [r RENAME h d]
    assert_equal hash [r TYPE d]
}

test "COPY, with REPLACE and DB" {
    r SET a 1
    r HSET h f v g w
    assert_equal 1 [r COPY a b]
    assert_equal 0 [r COPY a b]
    assert_equal 1 [r COPY h b REPLACE]
    assert_pairs {f v g w} [r HGETALL b]
    r HSET b f changed
    assert_equal v [r HGET h f]
    assert_equal 1 [r COPY a a DB 1]
    r SELECT 1
    assert_equal 1 [r GET a]
    r SELECT 0
    assert_equal 0 [r COPY none x]
    assert_error "ERR source and destination objects are the same" {r COPY a a}
    assert_error "ERR source and destination objects are the same" {r COPY a a DB 0}
    assert_error "ERR DB index is out of range" {r COPY a c DB 16}
    assert_error "ERR value is not an integer or out of range" {r COPY a c DB x}
    assert_error "ERR syntax error" {r COPY a c NOSUCH}
    assert_error "ERR syntax error" {r COPY a c DB}
}

test "COPY of a large hash shares nothing with it" {
    for {set i 0} {$i < 1000} {incr i} {lappend pairs f$i v$i}
    r HSET h {*}$pairs
    assert_equal 1 [r COPY h copy]
    assert_equal [r DEBUG DIGEST-VALUE h] [r DEBUG DIGEST-VALUE copy]
    r HSET h f5 changed
    r HDEL h f6
    assert_equal v5 [r HGET copy f5]
    assert_equal 1000 [r HLEN copy]
    r DEL h
    assert_equal v999 [r HGET copy f999]
}

test "MOVE between databases" {
    r SET k v
    assert_equal 1 [r MOVE k 1]
    assert_equal 0 [r EXISTS k]
    assert_equal 0 [r MOVE k 1]
    r SET k w
    assert_equal 0 [r MOVE k 1]
    assert_equal w [r GET k]
    assert_error "ERR source and destination objects are the same" {r MOVE k 0}
    assert_error "ERR value is not an integer or out of range" {r MOVE k x}
    assert_error "ERR DB index is out of range" {r MOVE k 16}
    r SELECT 1
    assert_equal v [r GET k]
    r SELECT 0
}

test "SWAPDB" {
    r SET k zero
    r SELECT 1
    r SET k one
    r SELECT 0
    assert_equal OK [r SWAPDB 0 1]
    assert_equal one [r GET k]
    assert_equal OK [r SWAPDB 1 0]
    assert_equal zero [r GET k]
    assert_equal OK [r SWAPDB 0 0]
    assert_error "ERR DB index is out of range" {r SWAPDB 0 16}
    assert_error "ERR invalid first DB index" {r SWAPDB x 0}
    assert_error "ERR invalid second DB index" {r SWAPDB 0 x}
    assert_error "ERR DB index is out of range" {r SWAPDB -1 0}
}

test "FLUSHDB empties one database, FLUSHALL all of them" {
    r SET a 1
    r SELECT 1
    r SET b 2
    assert_equal OK [r FLUSHDB]
    assert_equal 0 [r DBSIZE]
    r SET b 2
    r SELECT 0
    assert_equal 1 [r DBSIZE]
    assert_equal OK [r FLUSHALL]
    r SELECT 1
    assert_equal 0 [r DBSIZE]
    r SELECT 0
    foreach word {ASYNC SYNC async} {
        r SET a 1
        assert_equal OK [r FLUSHDB $word]
        assert_equal OK [r FLUSHALL $word]
        assert_equal 0 [r DBSIZE]
    }
    assert_error "ERR syntax error" {r FLUSHDB NOW}
    assert_error "ERR syntax error" {r FLUSHALL ASYNC SYNC}
}

test "SCAN gives every key once its cursor is back at 0" {
    for {set i 0} {$i < 2500} {incr i} {
        r -send SET key:$i v
        dict set want key:$i 1
    }
    for {set i 0} {$i < 2500} {incr i} {r -read}
    foreach count {1 10 100 5000} {
        set got {}
        set cursor 0
        set calls 0
        while 1 {
            lassign [r SCAN $cursor COUNT $count] cursor keys
            foreach k $keys {dict set got $k 1}
            if {$cursor == 0} break
            assert {[incr calls] < 20000}
        }
        assert_equal 2500 [dict size $got] "COUNT $count"
    }
}

test "SCAN with MATCH and TYPE" {
    for {set i 0} {$i < 200} {incr i} {
        r SET s:$i v
        r HSET h:$i f v
    }
    foreach {words want} {
        {MATCH s:*} 200  {MATCH *:1?} 20  {TYPE hash} 200  {TYPE string MATCH *:7} 1
        {TYPE HASH} 200  {TYPE list} 0  {MATCH nothing} 0
    } {
        set got {}
        set cursor 0
        while 1 {
            lassign [r SCAN $cursor {*}$words COUNT 50] cursor keys
            foreach k $keys {dict set got $k 1}
            if {$cursor == 0} break
        }
        assert_equal $want [dict size $got] $words
    }
    assert_error "ERR invalid cursor" {r SCAN x}
    assert_error "ERR syntax error" {r SCAN 0 COUNT 0}
    assert_error "ERR syntax error" {r SCAN 0 NOSUCH}
    assert_error "ERR syntax error" {r SCAN 0 MATCH}
    assert_error "ERR value is not an integer or out of range" {r SCAN 0 COUNT x}
    assert_equal bulk [lindex [r -typed SCAN 0] 1 0 0]
}

test "SCAN sees every key that is there from beginning to end, while others come and go" {
    for {set i 0} {$i < 1000} {incr i} {r -send SET stays:$i v}
    for {set i 0} {$i < 1000} {incr i} {r -read}
    set got {}
    set cursor 0
    set n 0
    while 1 {
        lassign [r SCAN $cursor COUNT 20] cursor keys
        foreach k $keys {dict set got $k 1}
        if {$cursor == 0} break
        for {set i 0} {$i < 60 && $n < 6000} {incr i} {r SET comes:[incr n] v}
        if {$n > 2000} {r DEL comes:[expr {$n - 1500}]}
        assert {$n < 100000}
    }
    assert_equal 1000 [llength [dict keys $got stays:*]]
}

test "A cursor that was never given out is no harm" {
    r MSET a 1 b 2 c 3
    foreach cursor {1 12345 18446744073709551615} {
        assert_equal 2 [llength [r SCAN $cursor]]
    }
}

test "OBJECT and its subcommands" {
    r SET s v
    r SET n 1
    r HSET h f v
    assert_equal 1 [r OBJECT REFCOUNT s]
    assert_range [r OBJECT IDLETIME s] 0 2
    assert_equal listpack [r OBJECT ENCODING h]
    assert_nil [r OBJECT ENCODING none]
    assert_nil [r OBJECT REFCOUNT none]
    assert_nil [r OBJECT IDLETIME none]
    assert_error "ERR An LFU maxmemory policy is not selected, access frequency not tracked.*" {r OBJECT FREQ s}
    with_config {maxmemory-policy allkeys-lfu} {
        r SET s v
        assert_range [r OBJECT FREQ s] 0 255
        assert_error "ERR An LFU maxmemory policy is selected, idle time not tracked.*" {r OBJECT IDLETIME s}
    }
    assert_error "ERR unknown subcommand 'nosuch'. Try OBJECT HELP." {r OBJECT nosuch s}
    assert_error "ERR wrong number of arguments for 'object|encoding' command" {r OBJECT ENCODING}
}

test "DUMP and RESTORE of strings and hashes" {
    r SET s "hello\0world"
    r SET n 12345
    r SET big [string repeat abcdefgh 5000]
    r HSET h a 1 b two c [string repeat x 50]
    for {set i 0} {$i < 700} {incr i} {r HSET large f$i v$i}
    foreach k {s n big h large} {
        set digest [r DEBUG DIGEST-VALUE $k]
        set payload [r DUMP $k]
        assert_equal OK [r RESTORE copy 0 $payload REPLACE]
        assert_equal $digest [r DEBUG DIGEST-VALUE copy]
        assert_equal [r TYPE $k] [r TYPE copy]
        assert_equal -1 [r TTL copy]
    }
    assert_equal "hello\0world" [r GET s]
    assert_nil [r DUMP none]
}

test "RESTORE with a time to live, and its errors" {
    r SET k v
    set payload [r DUMP k]
    assert_error "BUSYKEY Target key name already exists." {r RESTORE k 0 $payload}
    r DEL k
    assert_equal OK [r RESTORE k 100000 $payload]
    assert_range [r PTTL k] 99000 100000
    assert_equal OK [r RESTORE k [expr {[clock milliseconds] + 50000}] $payload REPLACE ABSTTL]
    assert_range [r TTL k] 48 50
    assert_equal OK [r RESTORE past 1 $payload ABSTTL]
    assert_equal 0 [r EXISTS past]
    assert_equal OK [r RESTORE idle 0 $payload IDLETIME 1000]
    assert_range [r OBJECT IDLETIME idle] 1000 1002
    foreach look {TYPE EXISTS TTL PTTL {OBJECT ENCODING} {MEMORY USAGE}} {r {*}$look idle}
    assert_range [r OBJECT IDLETIME idle] 1000 1002
    r TOUCH idle
    assert_range [r OBJECT IDLETIME idle] 0 2
    assert_equal OK [r RESTORE idle 0 $payload REPLACE IDLETIME 1000]
    assert_error "ERR Invalid TTL value, must be >= 0" {r RESTORE x -1 $payload}
    assert_error "ERR Invalid IDLETIME value, must be >= 0" {r RESTORE x 0 $payload IDLETIME -1}
    assert_error "ERR Invalid FREQ value, must be >= 0 and <= 255" {r RESTORE x 0 $payload FREQ 256}
    assert_error "ERR syntax error" {r RESTORE x 0 $payload NOSUCH}
    assert_error "ERR value is not an integer or out of range" {r RESTORE x abc $payload}
    assert_error "ERR DUMP payload version or checksum are wrong" {r RESTORE x 0 garbage}
    assert_error "ERR DUMP payload version or checksum are wrong" {r RESTORE x 0 ""}
    for {set i 0} {$i < [string length $payload]} {incr i} {
        set bad [string replace $payload $i $i [binary format c [expr {[scan [string index $payload $i] %c] ^ 0x41}]]]
        assert_error "ERR *" {r RESTORE x 0 $bad}
    }
    assert_equal 0 [r EXISTS x]
}

test "Payloads that Redis 7.0 wrote can be restored" {
    # SET s hello; SET n 1234; HSET h a 1 b two: RDB version 10, with its CRC-64.
    foreach {hex command want} {
        000568656c6c6f0a006372df766534200a {GET k} hello
        00c1d2040a00008708a144825ced {GET k} 1234
        101414000000040081610201018162028374776f04ff0a000428b525e1e26b12 {HGETALL k} {a 1 b two}
        00c3094064016161e057000161610a00e8a3b507b06df271 {GET k} aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    } {
        assert_equal OK [r RESTORE k 0 [binary decode hex $hex] REPLACE]
        assert_equal $want [r {*}$command]
    }
}

test "DBSIZE and the lines of INFO keyspace" {
    assert_equal 0 [r DBSIZE]
    r MSET a 1 b 2
    r SELECT 3
    r SET c 3
    assert_equal 1 [r DBSIZE]
    r SELECT 0
    assert_match "*db0:keys=2,expires=0*db3:keys=1,expires=0*" [r INFO keyspace]
}

test "DEBUG DIGEST is of the data, not of its history" {
    assert_equal 0000000000000000000000000000000000000000 [r DEBUG DIGEST]
    r SET a 1
    r HSET h f v g w
    set digest [r DEBUG DIGEST]
    assert_equal 40 [string length $digest]
    r SET b 2
    assert_not_equal $digest [r DEBUG DIGEST]
    r DEL b
    r DEL h
    r HSET h g w
    r HSET h f v
    assert_equal $digest [r DEBUG DIGEST]
    assert_equal [r DEBUG DIGEST-VALUE a] [r DEBUG DIGEST-VALUE a]
    assert_equal 2 [llength [r DEBUG DIGEST-VALUE a h]]
}

test "DEBUG POPULATE makes keys" {
    assert_equal OK [r DEBUG POPULATE 100]
    assert_equal 100 [r DBSIZE]
    assert_equal value:42 [r GET key:42]
    r FLUSHALL
    assert_equal OK [r DEBUG POPULATE 10 pre 20]
    assert_equal 20 [r STRLEN pre:3]
    assert_match "value:3*" [r GET pre:3]
}

test "DEBUG RELOAD and LOADAOF bring everything back" {
    r SET s v EX 1000
    r HSET h f v
    for {set i 0} {$i < 600} {incr i} {r HSET large f$i v$i}
    r SELECT 5
    r SET five 5
    set digest [r DEBUG DIGEST]
    assert_equal OK [r DEBUG RELOAD]
    assert_equal $digest [r DEBUG DIGEST]
    assert_equal 5 [r GET five]
    r SELECT 0
    assert_range [r TTL s] 990 1000
    assert_equal v599 [r HGET large f599]
}

test "DEBUG OBJECT, SLEEP and errors" {
    r SET k v
    assert_match "Value at:* refcount:1 encoding:embstr serializedlength:2 lru:* lru_seconds_idle:*" \
        [r DEBUG OBJECT k]
    assert_error "ERR no such key" {r DEBUG OBJECT none}
    assert_equal OK [r DEBUG SLEEP 0]
    assert_error "ERR unknown subcommand or wrong number of arguments for 'nosuch'. Try DEBUG HELP." \
        {r DEBUG nosuch}
}

test "TIME is now" {
    lassign [r TIME] seconds micros
    assert_range $seconds [expr {[clock seconds] - 2}] [expr {[clock seconds] + 2}]
    assert_range $micros 0 999999
    assert_equal {bulk bulk} [lmap v [lindex [r -typed TIME] 1] {lindex $v 0}]
}

test "SAVE, BGSAVE, LASTSAVE and BGREWRITEAOF" {
    r SET k v
    assert_equal OK [r SAVE]
    assert_range [r LASTSAVE] [expr {[clock seconds] - 5}] [clock seconds]
    assert_equal "Background saving started" [r BGSAVE]
    assert_equal status [r -type]
    wait_for_condition 100 20 {[info_field rdb_bgsave_in_progress] == 0}
    assert_match "Background append only file rewriting*" [r BGREWRITEAOF]
    wait_for_condition 100 20 {[info_field aof_rewrite_in_progress] == 0}
    assert_error "ERR syntax error" {r BGSAVE NOSUCH}
    assert_equal v [r GET k]
}

test "WAIT without replicas" {
    assert_error "ERR timeout is negative" {r WAIT 1 -1}
    assert_error "ERR value is not an integer or out of range" {r WAIT x 1}
}

test -tags {cove} "WAIT counts the store as one replica" {
    r SET k v
    assert_equal 1 [r WAIT 1 1000]
    assert_equal 1 [r WAIT 2 10]
    assert_equal 1 [r WAIT 0 10]
    r CLIENT ACK memory
    r SET k w
    assert_equal 1 [r WAIT 1 1000]
    r CLIENT ACK store
}

test -tags {cove} "All data is there after SHUTDOWN, after SIGTERM, and after kill -9" {
    foreach how {SHUTDOWN TERM -9} {
        r SET s:$how v
        r HSET h:$how f v
        r SET ttl:$how v EX 1000
        r SELECT 3
        r SET third:$how v
        r SELECT 0
        set digest [r DEBUG DIGEST]
        restart_server $how
        assert_equal $digest [r DEBUG DIGEST]
        assert_equal v [r GET s:$how]
        assert_range [r TTL ttl:$how] 980 1000
    }
}

test -tags {cove} "A pipeline in flight at kill -9: what was acknowledged is there" {
    set acknowledged 0
    set c [connect]
    for {set i 0} {$i < 2000} {incr i} {$c -send SET key:$i value:$i}
    for {set i 0} {$i < 500} {incr i} {
        assert_equal OK [$c -read]
        incr acknowledged
    }
    kill_server
    catch {while 1 {
        $c -read
        incr acknowledged
    }}
    $c -close
    revive_server
    for {set i 0} {$i < $acknowledged} {incr i} {assert_equal value:$i [r GET key:$i]}
}

test -tags {cove} "A key that is too long is refused before anything is done, and is not there when looked for" {
    set long [string repeat k 65536]
    r SET a 1
    r RPUSH l x
    r SADD t x
    foreach write [list "SET $long v" "MSET b 2 $long v" "MSETNX b 2 $long v" "LPUSH $long v" "RENAME a $long" \
                       "COPY a $long" "LMOVE l $long LEFT LEFT" "SMOVE t $long x" "SINTERSTORE $long t" \
                       "HSET $long f v" "BITOP NOT $long a"] {
        assert_error "ERR key exceeds the maximum size of a key" {r {*}$write}
    }
    assert_equal 0 [r EXISTS b $long]
    assert_equal 3 [r EXISTS a l t]
    assert_nil [r GET $long]
    assert_equal 0 [r DEL $long]
    assert_error "ERR wrong number of arguments for 'set' command" {r SET $long}
    r MULTI
    assert_error "ERR key exceeds the maximum size of a key" {r SET $long v}
    assert_error "EXECABORT*" {r EXEC}
    set most [string range $long 1 end]
    r SET $most v
    assert_equal v [r GET $most]
    r DEL $most
}

test "RESTORE judges the payload before what becomes of its time" {
    assert_error "ERR DUMP payload version or checksum are wrong" {r RESTORE k 9223372036854775807 nopayload}
    assert_error "ERR Invalid TTL value, must be >= 0" {r RESTORE k -1 nopayload}
}
