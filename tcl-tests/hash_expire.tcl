# hash_expire.tcl -- fields of hashes that expire: HEXPIRE and its kin, HTTL's, HPERSIST, HGETEX, HSETEX, and
# what every other command makes of such fields. Replies recorded from Redis 8.2.3.

set ::T 4000000000000 ;# unix ms, far away
set ::nofields "ERR Mandatory argument FIELDS is missing or not at the right position"

# The body for a small hash and for a table.
proc both {name body} {
    foreach {encoding entries} {listpackex 512 hashtable 0} {
        test "$name ($encoding)" [list apply {{encoding entries body} {
            with_config [list hash-max-listpack-entries $entries] $body
        } ::} $encoding $entries $body]
    }
}
# The body while nothing goes by itself.
proc unhurried {body} {
    r DEBUG SET-ACTIVE-EXPIRE 0
    set failure [catch {uplevel 1 $body} message options]
    r DEBUG SET-ACTIVE-EXPIRE 1
    if {$failure} {return -options $options $message}
}
# The body while memory keeps what it has: what is in the store alone does not go by itself.
proc resident {body} {
    if {$::server::cold} {r DEBUG EVICT-ALWAYS no}
    set failure [catch {uplevel 1 $body} message options]
    if {$::server::cold} {r DEBUG EVICT-ALWAYS yes}
    if {$failure} {return -options $options $message}
}
# The fields expire, and the time comes.
proc pass {key args} {
    r HPEXPIRE $key 1 FIELDS [llength $args] {*}$args
    after 10
}
proc times {key args} {r HPEXPIRETIME $key FIELDS [llength $args] {*}$args}

both "HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT set, HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME tell" {
    r HSET h a 1 b 2 c 3 d 4 e 5
    assert_equal {-1 -2} [r HTTL h FIELDS 2 a none]
    assert_equal {1 1 -2} [r HEXPIRE h 100 FIELDS 3 a b none]
    assert_reply_type array array
    assert_encoding $encoding h
    assert_range [lindex [r HTTL h FIELDS 1 a] 0] 99 100
    assert_range [lindex [r HPTTL h FIELDS 1 b] 0] 98000 100000
    assert_equal 1 [r HPEXPIRE h 5000 FIELDS 1 c]
    assert_range [lindex [r HPTTL h FIELDS 1 c] 0] 4000 5000
    assert_equal 1 [r HEXPIREAT h 4000000000 FIELDS 1 d]
    assert_equal 1 [r HPEXPIREAT h 4000000000001 FIELDS 1 e]
    assert_equal {4000000000 4000000001 -2} [r HEXPIRETIME h FIELDS 3 d e none]
    assert_equal {4000000000000 4000000000001 -2} [r HPEXPIRETIME h FIELDS 3 d e none]
    assert_pairs {a 1 b 2 c 3 d 4 e 5} [r HGETALL h]
    foreach command {HTTL HPTTL HEXPIRETIME HPEXPIRETIME HPERSIST} {
        assert_equal {-2 -2} [r $command none FIELDS 2 a b]
    }
    assert_equal {-2 -2} [r HEXPIRE none 100 FIELDS 2 a b]
    assert_equal 0 [r EXISTS none]
}

both "NX, XX, GT and LT; a field without an expiry lives for ever" {
    r HSET h a 1 b 2
    assert_equal {1 0} [r HPEXPIREAT h $::T NX FIELDS 2 a a]
    assert_equal {0 0} [list [r HPEXPIREAT h $::T XX FIELDS 1 b] [r HPEXPIREAT h $::T GT FIELDS 1 b]]
    assert_equal {0 1} [list [r HPEXPIREAT h $::T GT FIELDS 1 a] [r HPEXPIREAT h [expr {$::T + 1}] gt FIELDS 1 a]]
    assert_equal {0 1} [list [r HPEXPIREAT h [expr {$::T + 1}] LT FIELDS 1 a] [r HPEXPIREAT h $::T lt FIELDS 1 a]]
    assert_equal {1 1} [list [r HPEXPIREAT h $::T LT FIELDS 1 b] [r HPEXPIREAT h 3999999999999 XX FIELDS 1 b]]
    assert_equal {4000000000000 3999999999999} [times h a b]
    assert_equal 0 [r HEXPIRE h 0 GT FIELDS 1 a]
    assert_equal 2 [r HEXPIRE h 0 LT FIELDS 1 a]
    assert_equal {b 2} [r HGETALL h]
}

both "A time in the past removes the field, the last one the key" {
    r HSET h a 1 b 2 c 3
    assert_equal {2 -2 -2} [r HEXPIRE h 0 FIELDS 3 a a none]
    assert_equal 2 [r HEXPIREAT h 1 FIELDS 1 b]
    assert_equal 1 [r HLEN h]
    assert_equal {2 -2} [r HPEXPIREAT h 0 FIELDS 2 c c]
    assert_equal 0 [r EXISTS h]
}

both "HPERSIST takes an expiry away" {
    r HSET h a 1 b 2
    r HPEXPIREAT h $::T FIELDS 1 a
    assert_equal {1 -1 -1 -2} [r HPERSIST h FIELDS 4 a a b none]
    assert_equal {-1 -1} [times h a b]
    assert_equal 2 [r HLEN h]
}

both "HSET, HMSET and HSETNX drop an expiry; HINCRBY and HINCRBYFLOAT keep it" {
    r HSET h a 1 b 2 c 3 d 4
    r HPEXPIREAT h $::T FIELDS 4 a b c d
    r HSET h a 5
    r HMSET h b 6
    assert_equal 8 [r HINCRBY h c 5]
    assert_equal 4.5 [r HINCRBYFLOAT h d 0.5]
    assert_equal 0 [r HSETNX h d 9]
    assert_equal "-1 -1 $::T $::T" [times h a b c d]
    assert_equal {5 6 8 4.5} [r HMGET h a b c d]
    r HDEL h c
    r HSET h c 1
    assert_equal -1 [times h c]
}

both "What has expired is seen by nobody, and counted by HLEN until it is removed" {
    unhurried {
        r HSET h a 1 b 2 c 3
        pass h a
        assert_equal 3 [r HLEN h]
        assert_pairs {b 2 c 3} [r HGETALL h]
        assert_reply_type array map
        assert_sorted_equal {b c} [r HKEYS h]
        assert_sorted_equal {2 3} [r HVALS h]
        assert_nil [r HGET h a]
        assert_equal {array {{nil {}} {bulk 2}}} [r -typed HMGET h a b]
        assert_equal {0 0} [list [r HEXISTS h a] [r HSTRLEN h a]]
        assert_pairs {b 2 c 3} [lindex [r HSCAN h 0] 1]
        assert_sorted_equal {b c} [lindex [r HSCAN h 0 NOVALUES] 1]
        for {set i 0} {$i < 50} {incr i} {
            assert {[r HRANDFIELD h] in {b c}}
            foreach n {-4 1 2 10} {foreach f [r HRANDFIELD h $n] {assert {$f in {b c}}}}
        }
        assert_sorted_equal {b c} [r HRANDFIELD h 10]
        assert_pairs {b 2 c 3} [flat [r HRANDFIELD h 10 WITHVALUES]]
        assert_equal {-2 -2 -2} [list [r HTTL h FIELDS 1 a] [r HPERSIST h FIELDS 1 a] [r HEXPIRE h 10 FIELDS 1 a]]
        assert_equal {array {{nil {}}}} [r -typed HGETEX h EX 10 FIELDS 1 a]
        assert_equal {array {{nil {}}}} [r -typed HGETDEL h FIELDS 1 a]
        assert_equal {0 1} [list [r HSETEX h FXX FIELDS 1 a 1] [r HSETNX h a 4]]
        assert_equal -1 [times h a]
        pass h a
        assert_equal 4 [r HINCRBY h a 4]
        assert_equal -1 [times h a]
        pass h a
        assert_equal {1 2} [list [r HDEL h a] [r HLEN h]]
        pass h b
        assert_equal {0 5 -1} [list [r HSET h b 5] [r HGET h b] [times h b]]
        pass h b
        assert_equal {1 6 -1} [list [r HSETEX h KEEPTTL FIELDS 1 b 6] [r HGET h b] [times h b]]
    }
}

both "A hash of which all has expired is there until it is removed, and empty" {
    resident {
        unhurried {
            r HSET h a 1
            pass h a
            assert_equal {1 hash 1} [list [r EXISTS h] [r TYPE h] [r HLEN h]]
            assert_equal {} [r HGETALL h]
            assert_nil [r HRANDFIELD h]
            assert_equal {{} {}} [list [r HRANDFIELD h 2] [r HRANDFIELD h -2]]
            assert_equal {0 {}} [r HSCAN h 0]
            assert_equal 1 [r COPY h h2]
            r RENAME h h3
            assert_equal {{} {}} [list [r HGETALL h2] [r HGETALL h3]]
            assert_equal 1 [r HINCRBY h2 a 1]
            assert_equal {a 1} [r HGETALL h2]
        }
        wait_for_condition 200 20 {[r EXISTS h3] == 0}
    }
}

both "What is due is removed by itself, the key with its last field" {
    resident {
        set before [info_field expired_subkeys]
        r HSET all a 1 b 2 c 3
        r HSET some a 1 b 2 c 3
        r HPEXPIRE all 500 FIELDS 3 a b c
        r HPEXPIRE some 500 FIELDS 2 a c
        r HPEXPIRE some 100000 FIELDS 1 b
        r COPY some copy
        wait_for_condition 200 20 {[r EXISTS all] == 0 && [r HLEN some] == 1 && [r HLEN copy] == 1}
        assert_equal {b 2 b 2} [concat [r HGETALL some] [r HGETALL copy]]
        assert_equal 7 [expr {[info_field expired_subkeys] - $before}]
    }
}

test "A large hash: expiries over many pages go, all of them, and nothing else" {
    resident {
        for {set i 0} {$i < 5000} {incr i} {
            lappend pairs f$i [string repeat $i 20]
            if {$i % 2} {lappend odd f$i}
        }
        r HSET h {*}$pairs
        r HPEXPIRE h 1 FIELDS 2500 {*}$odd
        wait_for_condition 200 20 {[r HLEN h] == 2500}
        assert_equal [list 0 [string repeat 4998 20]] [list [r HEXISTS h f4999] [r HGET h f4998]]
        assert_equal 2500 [llength [r HKEYS h]]
    }
}

both "Expiries live on in copies, other names, other databases, dumps, and after a crash" {
    r HSET h a 1 b two c 3
    r HPEXPIREAT h $::T FIELDS 1 a
    r HPEXPIREAT h [expr {$::T + 5}] FIELDS 1 b
    set want "$::T [expr {$::T + 5}] -1"
    set digest [r DEBUG DIGEST-VALUE h]
    r COPY h copy
    r COPY h moved
    r MOVE moved 1
    r COPY h old
    r RENAME old new
    set dump [r DUMP h]
    binary scan [string range $dump end-9 end-8] su version
    assert_equal 12 $version
    r RESTORE restored 0 $dump
    foreach key {copy new restored} {
        assert_equal $want [times $key a b c]
        assert_equal $digest [r DEBUG DIGEST-VALUE $key]
        assert_encoding $encoding $key
    }
    r SELECT 1
    assert_equal $want [times moved a b c]
    r SELECT 0
    r HDEL copy c
    r HPERSIST copy FIELDS 2 a b
    assert_equal $want [times h a b c]
    restart_server
    assert_equal $want [times h a b c]
    assert_equal {-1 -1 -2} [times copy a b c]
    assert_equal $digest [r DEBUG DIGEST-VALUE h]
}

test -tags {cove} "A snapshot keeps them, and what has expired since is not seen in it" {
    r HSET h a 1 b 2
    r HPEXPIREAT h $::T FIELDS 1 a
    r HPEXPIRE h 60 FIELDS 1 b
    r SNAPSHOT CREATE times
    r DEL h
    after 80
    r SNAPSHOT RESTORE times
    assert_equal "$::T -2" [times h a b]
    assert_equal {a 1} [r HGETALL h]
    r SNAPSHOT DELETE times
}

test "Dumps of Redis 7.4 are taken, of a small hash and of a table" {
    set small 1900409452a3030000353500000009008266320382763203f45e389452a303000009826630038276
    append small 3003f400409452a30300000982663103827631030001ff0c005feff35f0ced07fc
    r RESTORE small 0 [binary decode hex $small]
    assert_equal {4000000000000 -1 3999999998046} [times small f0 f1 f2]
    assert_pairs {f0 v0 f1 v1 f2 v2} [r HGETALL small]
    assert_encoding listpackex small
    r RESTORE table 0 [binary decode hex 1800409452a303000002010161c001000162c0020c008c734ed7e57f5ba4]
    assert_equal {4000000000000 -1} [times table a b]
    assert_equal {1 2} [r HMGET table a b]
}

both "HGETEX gives values, and sets or takes away their expiry" {
    r HSET h a 1 b 2 c 3
    assert_equal {array {{bulk 1} {nil {}} {bulk 3}}} [r -typed HGETEX h FIELDS 3 a none c]
    assert_equal -1 [times h a]
    assert_equal {1 2} [r HGETEX h EX 100 FIELDS 2 a b]
    assert_range [lindex [r HTTL h FIELDS 1 a] 0] 99 100
    assert_equal 1 [r HGETEX h PX 5000 FIELDS 1 a]
    assert_range [lindex [r HPTTL h FIELDS 1 a] 0] 4000 5000
    assert_equal 1 [r HGETEX h exat 4000000000 FIELDS 1 a]
    assert_equal 2 [r HGETEX h PXAT 4000000000001 FIELDS 1 b]
    assert_equal {4000000000000 4000000000001} [times h a b]
    assert_equal 1 [r HGETEX h FIELDS 1 a]
    assert_equal {4000000000000 4000000000001} [times h a b]
    assert_equal {1 2 3} [r HGETEX h PERSIST FIELDS 3 a b c]
    assert_equal {-1 -1 -1} [times h a b c]
    assert_equal {1 {} 2 3} [r HGETEX h EX 0 FIELDS 4 a a b c]
    assert_equal 0 [r EXISTS h]
    assert_equal {array {{nil {}} {nil {}}}} [r -typed HGETEX h EX 1 FIELDS 2 a b]
}

both "HSETEX sets fields and their expiry, on a condition or without" {
    assert_equal 1 [r HSETEX h EX 100 FIELDS 2 a 1 b 2]
    assert_range [lindex [r HTTL h FIELDS 1 b] 0] 99 100
    assert_equal {0 0} [list [r HSETEX h FNX FIELDS 2 a 3 n 3] [r HSETEX h FXX FIELDS 2 a 3 n 3]]
    assert_equal {1 1} [list [r HSETEX h fnx PXAT $::T FIELDS 1 c 3] [r HSETEX h EXAT 4000000000 fxx FIELDS 1 a 4]]
    assert_equal {4000000000000 4000000000000} [times h a c]
    assert_equal 1 [r HSETEX h KEEPTTL FIELDS 2 a 5 d 6]
    assert_equal {4000000000000 -1} [times h a d]
    assert_equal 1 [r HSETEX h FIELDS 2 a 7 a 8]
    assert_equal {8 -1} [list [r HGET h a] [times h a]]
    assert_equal 1 [r HSETEX h PX 5000 FIELDS 1 a 9]
    assert_range [lindex [r HPTTL h FIELDS 1 a] 0] 4000 5000
    assert_equal 1 [r HSETEX h EX 0 FIELDS 4 a 1 b 2 c 3 d 4]
    assert_equal 0 [r EXISTS h]
    assert_equal {1 0} [list [r HSETEX h PXAT 1 FIELDS 1 a 1] [r EXISTS h]]
    assert_equal {0 0} [list [r HSETEX h FXX FIELDS 1 a 1] [r EXISTS h]]
}

test "Errors of HEXPIRE and its kin, HTTL's and HPERSIST" {
    set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
    set match "ERR The `numfields` parameter must match the number of arguments"
    r SET s x
    r HSET h a 1
    foreach c {HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT} {
        assert_error $wrongtype {r $c s x FIELD 1 a}
        assert_error "ERR value is not an integer or out of range" {r $c h x FIELD 1 a}
        assert_error "ERR invalid expire time, must be >= 0" {r $c h -1 FIELD 1 a}
        assert_error $::nofields {r $c h 1 FIELD 1 a}
        assert_error $::nofields {r $c h 1 NX XX 1 a}
        assert_error "ERR Parameter `numFields` should be greater than 0" {r $c h 1 FIELDS 0 a}
        assert_error $match {r $c h 1 FIELDS 2 a}
        assert_error $match {r $c h 1 FIELDS 1 a b}
        assert_error "ERR wrong number of arguments for '[string tolower $c]' command" {r $c h 1 FIELDS 1}
        assert_error "ERR invalid expire time in '[string tolower $c]' command" \
            {r $c h 9223372036854775807 FIELDS 1 a}
    }
    assert_error "ERR invalid expire time in 'hpexpireat' command" {r HPEXPIREAT h [expr {1 << 46}] FIELDS 1 a}
    assert_equal 1 [r HPEXPIREAT h [expr {(1 << 46) - 1}] FIELDS 1 a]
    foreach c {HTTL HPTTL HEXPIRETIME HPEXPIRETIME HPERSIST} {
        assert_error $wrongtype {r $c s FIELD 1 a}
        assert_error $::nofields {r $c h FIELD 1 a}
        assert_error "ERR Number of fields must be a positive integer" {r $c h FIELDS x a}
        assert_error $match {r $c h FIELDS 2 a}
        assert_error "ERR wrong number of arguments for '[string tolower $c]' command" {r $c h FIELDS 1}
    }
}

test "Errors of HGETEX and HSETEX" {
    set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
    set arity "ERR wrong number of arguments for 'hsetex' command"
    set only "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
    r SET s x
    r HSET h a 1
    assert_error $wrongtype {r HGETEX s FIELD 1 a}
    foreach args {{FIELD 1 a} {PERSIST PERSIST FIELDS 1 a} {EX 5 PERSIST FIELDS 1 a}} {
        assert_error $::nofields {r HGETEX h {*}$args}
    }
    assert_error "ERR value is not an integer or out of range" {r HGETEX h EX FIELDS 1 a}
    assert_error "ERR The `numfields` parameter must match*" {r HGETEX h FIELDS 1 a EX 100}
    assert_error "ERR unknown argument: field" {r HSETEX s field 1 f v}
    assert_error $wrongtype {r HSETEX s FIELDS 1 f v}
    assert_error "ERR Only one of FXX or FNX arguments can be specified" {r HSETEX h FXX FNX FIELDS 1 a b}
    foreach two {{EX 5 PX 6} {KEEPTTL KEEPTTL} {EXAT 5 KEEPTTL} {KEEPTTL PXAT 5}} {
        assert_error $only {r HSETEX h {*}$two FIELDS 1 a 1}
    }
    assert_error "ERR value is not an integer or out of range" {r HSETEX h EX x FIELDS 1 a 1}
    assert_error "ERR invalid expire time, must be >= 0" {r HSETEX h PX -1 FIELDS 1 a 1}
    assert_error "ERR invalid number of fields" {r HSETEX h FIELDS 0 a 1}
    foreach args {{FIELDS 1} {FIELDS 2 a 1} {FIELDS 1 a 1 FNX} {FIELDS 1 a 1 b}} {
        assert_error $arity {r HSETEX h {*}$args}
    }
    assert_equal {a 1} [r HGETALL h]
}

test "In MULTI all of a transaction sees one time" {
    r HSET h a 1
    r MULTI
    r HPEXPIRE h 1 FIELDS 1 a
    r HGET h a
    r HTTL h FIELDS 1 a
    assert_equal {1 1 1} [r EXEC]
    r HSET w a 1
    r WATCH w
    set other [connect]
    $other HPEXPIREAT w $::T FIELDS 1 a
    $other -close
    r MULTI
    r PING
    assert_nil [r EXEC]
}
