# set.tcl -- every set command of Redis 7.0.

proc wrongtype {} {return "WRONGTYPE Operation against a key holding the wrong kind of value"}

test "SADD counts new members, SISMEMBER and SCARD know them" {
    assert_equal 1 [r SADD s a]
    assert_equal int [r -type]
    assert_equal 0 [r SADD s a]
    assert_equal 2 [r SADD s a b c b]
    assert_equal 3 [r SCARD s]
    assert_equal 0 [r SCARD none]
    assert_equal 1 [r SISMEMBER s a]
    assert_equal 0 [r SISMEMBER s x]
    assert_equal 0 [r SISMEMBER none x]
    assert_equal set [r TYPE s]
    assert_error "ERR wrong number of arguments for 'sadd' command" {r SADD s}
    assert_error "ERR wrong number of arguments for 'sismember' command" {r SISMEMBER s}
}

test "Members are bytes, the empty one included" {
    set all ""
    for {set i 0} {$i < 256} {incr i} {append all [binary format c $i]}
    assert_equal 2 [r SADD s $all ""]
    assert_equal 1 [r SISMEMBER s $all]
    assert_equal 1 [r SISMEMBER s ""]
    assert_sorted_equal [list $all ""] [r SMEMBERS s]
}

test "SMEMBERS is a set in RESP3 and an array in RESP2" {
    r SADD s a b 1
    assert_sorted_equal {1 a b} [r SMEMBERS s]
    assert_reply_type array set
    assert_equal {} [r SMEMBERS none]
    assert_reply_type array set
    r SADD i 3 1 2
    assert_equal {1 2 3} [r SMEMBERS i]
}

test "SMISMEMBER" {
    r SADD s a b 1
    assert_equal {array {{int 1} {int 0} {int 1}}} [r -typed SMISMEMBER s a x 1]
    assert_equal {0 0} [r SMISMEMBER none a b]
    assert_error "ERR wrong number of arguments for 'smismember' command" {r SMISMEMBER s}
}

test "SREM removes members, and the key with the last" {
    r SADD s a b c
    assert_equal 1 [r SREM s a]
    assert_equal 0 [r SREM s a]
    assert_equal 2 [r SREM s b c d]
    assert_equal 0 [r EXISTS s]
    assert_equal 0 [r SREM none a]
    r SADD s 1 2 3
    assert_equal 2 [r SREM s 1 1 x 3]
    assert_equal 2 [r SMEMBERS s]
    assert_equal 1 [r SREM s 2 2]
    assert_equal 0 [r EXISTS s]
}

test "A set is an intset while it can be, and never again" {
    r SADD i 1 -2 9223372036854775807 -9223372036854775808
    assert_encoding intset i
    assert_equal {-9223372036854775808 -2 1 9223372036854775807} [r SMEMBERS i]
    foreach odd {01 +1 1.0 9223372036854775808 " 1" "" a} {
        r DEL s
        r SADD s 5
        assert_encoding intset s
        r SADD s $odd
        assert_encoding hashtable s
        r SREM s $odd
        assert_encoding hashtable s
        assert_equal 5 [r SMEMBERS s]
    }
    r SADD w word
    assert_encoding hashtable w
    for {set k 0} {$k < 512} {incr k} {r SADD big $k}
    assert_encoding intset big
    r SADD big 511
    assert_encoding intset big
    r SADD big 512
    assert_encoding hashtable big
    assert_equal 513 [r SCARD big]
    r SREM big 512 511 510
    assert_encoding hashtable big
    with_config {set-max-intset-entries 2} {
        r SADD small 1 2
        assert_encoding intset small
        r SADD small 3
        assert_encoding hashtable small
        r SADD big2 4 5 6 7
        assert_encoding hashtable big2
    }
}

test "SMOVE" {
    r SADD a 1 2 word
    r SADD b 2 3
    assert_equal 1 [r SMOVE a b word]
    assert_equal 0 [r SMOVE a b word]
    assert_equal 0 [r SMOVE none b 1]
    assert_equal 1 [r SMOVE a b 2]
    assert_equal 1 [r SMEMBERS a]
    assert_sorted_equal {2 3 word} [r SMEMBERS b]
    assert_equal 1 [r SMOVE b b 3]
    assert_equal 0 [r SMOVE b b 9]
    assert_equal 1 [r SMOVE a new 1]
    assert_equal 0 [r EXISTS a]
    assert_equal 1 [r SMEMBERS new]
    assert_encoding intset new
    r SET str x
    assert_error [wrongtype] {r SMOVE b str 2}
    assert_error [wrongtype] {r SMOVE b str nomember}
    assert_error [wrongtype] {r SMOVE str b 2}
    assert_equal 0 [r SMOVE none str 2]
    assert_equal 1 [r SISMEMBER b 2]
}

test "SINTER, SUNION, SDIFF" {
    r SADD a 1 2 3 x y
    r SADD b 2 3 4 y z
    r SADD c 3 y
    assert_sorted_equal {2 3 y} [r SINTER a b]
    assert_reply_type array set
    assert_sorted_equal {3 y} [r SINTER a b c]
    assert_sorted_equal {1 2 3 4 x y z} [r SUNION a b c none]
    assert_reply_type array set
    assert_sorted_equal {1 2 x} [r SDIFF a c]
    assert_reply_type array set
    assert_sorted_equal {1 x} [r SDIFF a b c]
    assert_sorted_equal {1 2 3 x y} [r SDIFF a none]
    assert_equal {} [r SDIFF a a]
    assert_equal {} [r SDIFF none a]
    assert_equal {} [r SINTER a none]
    assert_reply_type array set
    assert_equal {} [r SUNION none other]
    assert_reply_type array set
    assert_sorted_equal {1 2 3 x y} [r SINTER a a]
    assert_sorted_equal {1 2 3 x y} [r SUNION a a]
    r SET s x
    foreach command {SINTER SUNION SDIFF} {
        assert_error [wrongtype] {r $command a s}
        assert_error [wrongtype] {r $command s a}
        assert_error [wrongtype] {r $command none s}
        assert_error "ERR wrong number of arguments for '[string tolower $command]' command" {r $command}
    }
}

test "SINTERCARD" {
    r SADD a 1 2 3 x y
    r SADD b 2 3 4 y z
    assert_equal 3 [r SINTERCARD 2 a b]
    assert_equal int [r -type]
    assert_equal 5 [r SINTERCARD 1 a]
    assert_equal 2 [r SINTERCARD 2 a b LIMIT 2]
    assert_equal 3 [r SINTERCARD 2 a b limit 10]
    assert_equal 3 [r SINTERCARD 2 a b LIMIT 0]
    assert_equal 0 [r SINTERCARD 2 a none]
    assert_equal 0 [r SINTERCARD 3 a b none LIMIT 1]
    foreach bad {0 -1 x} {
        assert_error "ERR numkeys should be greater than 0" {r SINTERCARD $bad a b}
    }
    assert_error "ERR Number of keys can't be greater than number of args" {r SINTERCARD 3 a b}
    assert_error "ERR LIMIT can't be negative" {r SINTERCARD 1 a LIMIT -1}
    assert_error "ERR LIMIT can't be negative" {r SINTERCARD 1 a LIMIT x}
    assert_error "ERR syntax error" {r SINTERCARD 1 a LIMIT}
    assert_error "ERR syntax error" {r SINTERCARD 1 a b}
    assert_error "ERR syntax error" {r SINTERCARD 1 a bar 5}
    r SET s x
    assert_error [wrongtype] {r SINTERCARD 2 a s}
    assert_equal {a b} [r COMMAND GETKEYS SINTERCARD 2 a b LIMIT 3]
}

test "SINTERSTORE, SUNIONSTORE, SDIFFSTORE" {
    r SADD a 1 2 3
    r SADD b 2 3 4
    r SADD w x 2
    assert_equal 2 [r SINTERSTORE d a b]
    assert_equal int [r -type]
    assert_equal {2 3} [r SMEMBERS d]
    assert_encoding intset d
    assert_equal 5 [r SUNIONSTORE d a b w]
    assert_sorted_equal {1 2 3 4 x} [r SMEMBERS d]
    assert_encoding hashtable d
    assert_equal 1 [r SDIFFSTORE d a b w none]
    assert_equal 1 [r SMEMBERS d]
}

test "Stores replace what was there, its type and its expiry" {
    r SADD a 1 2 3
    r SADD w x 2
    r SET d string EX 100
    assert_equal 2 [r SDIFFSTORE d a w]
    assert_equal set [r TYPE d]
    assert_equal -1 [r TTL d]
    assert_equal {1 3} [r SMEMBERS d]
    assert_equal 0 [r SINTERSTORE d a none]
    assert_equal 0 [r EXISTS d]
    r SET d string
    assert_equal 0 [r SUNIONSTORE d none other]
    assert_equal 0 [r EXISTS d]
    assert_equal 4 [r SUNIONSTORE a a w]
    assert_sorted_equal {1 2 3 x} [r SMEMBERS a]
    assert_equal 0 [r SDIFFSTORE a a a]
    assert_equal 0 [r EXISTS a]
    r SET s x
    r SADD d keep
    foreach command {SINTERSTORE SUNIONSTORE SDIFFSTORE} {
        assert_error [wrongtype] {r $command d w s}
        assert_error [wrongtype] {r $command d s w}
        assert_error [wrongtype] {r $command d none s}
        assert_error "ERR wrong number of arguments for '[string tolower $command]' command" {r $command d}
    }
    assert_equal keep [r SMEMBERS d]
    for {set i 0} {$i < 600} {incr i} {r SADD big $i}
    assert_equal 600 [r SUNIONSTORE d big]
    assert_encoding hashtable d
}

test "An expired key is an empty set to all of them" {
    r SADD gone 1 2 3
    r SADD a 1 2
    r SADD b 2 3
    r PEXPIRE gone 1
    after 20
    assert_sorted_equal {1 2 3} [r SUNION a gone b]
    r SADD gone 1 2 3
    r PEXPIRE gone 1
    after 20
    assert_equal 3 [r SUNIONSTORE d a b gone]
    assert_equal 0 [r SMOVE gone a 1]
    r SADD gone 1
    r PEXPIRE gone 1
    after 20
    assert_equal 1 [r SMOVE a gone 2]
    assert_equal 2 [r SMEMBERS gone]
    assert_equal -1 [r TTL gone]
}

test "SPOP of one" {
    assert_nil [r SPOP none]
    r SADD s a b c 1
    set seen {}
    for {set i 0} {$i < 4} {incr i} {
        lappend seen [r SPOP s]
        assert_equal bulk [r -type]
    }
    assert_sorted_equal {1 a b c} $seen
    assert_equal 0 [r EXISTS s]
    r SADD i 1 2 3
    set one [r SPOP i]
    assert {$one in {1 2 3}}
    assert_equal 0 [r SISMEMBER i $one]
    assert_encoding intset i
}

test "SPOP with a count" {
    assert_equal {} [r SPOP none 3]
    assert_reply_type array set
    foreach {members counts} {
        {1 2 3 4 5 6 7 8 9 10} {0 1 4 5 9}
        {a b c d e f g h i j} {0 1 4 5 9}
    } {
        foreach n $counts {
            r DEL s
            r SADD s {*}$members
            r EXPIRE s 100
            set got [r SPOP s $n]
            assert_reply_type array set
            assert_equal $n [llength [lsort -unique $got]]
            assert_sorted_equal $members [concat $got [r SMEMBERS s]]
            assert_range [r TTL s] 99 100
        }
        r DEL s
        r SADD s {*}$members
        assert_sorted_equal $members [r SPOP s 10]
        assert_reply_type array set
        assert_equal 0 [r EXISTS s]
        r SADD s {*}$members
        assert_sorted_equal $members [r SPOP s 9223372036854775807]
        assert_equal 0 [r EXISTS s]
    }
    r SADD s a
    foreach bad {-1 x 1.5 9223372036854775808 -9223372036854775808} {
        assert_error "ERR value is out of range, must be positive" {r SPOP s $bad}
        assert_error "ERR value is out of range, must be positive" {r SPOP none $bad}
    }
    assert_error "ERR syntax error" {r SPOP s 1 2}
}

test "SPOP of nearly all of a table of integers leaves an intset" {
    set all {}
    for {set i 0} {$i < 600} {incr i} {lappend all $i}
    r SADD s {*}$all
    assert_encoding hashtable s
    set got [r SPOP s 300]
    assert_encoding hashtable s
    lappend got {*}[r SPOP s 290]
    assert_encoding intset s
    assert_sorted_equal $all [concat $got [r SMEMBERS s]]
}

test "SRANDMEMBER: one, distinct, with repeats" {
    assert_nil [r SRANDMEMBER none]
    assert_equal {} [r SRANDMEMBER none 5]
    assert_equal array [r -type]
    r SADD s a b c
    assert {[r SRANDMEMBER s] in {a b c}}
    assert_equal bulk [r -type]
    assert_sorted_equal {a b c} [r SRANDMEMBER s 10]
    assert_equal array [r -type]
    assert_equal 2 [llength [lsort -unique [r SRANDMEMBER s 2]]]
    assert_equal array [r -type]
    assert_equal {} [r SRANDMEMBER s 0]
    set many [r SRANDMEMBER s -100]
    assert_equal array [r -type]
    assert_equal 100 [llength $many]
    assert_sorted_equal {a b c} [lsort -unique $many]
    assert_sorted_equal {a b c} [r SRANDMEMBER s 9223372036854775807]
    assert_error "ERR value is not an integer or out of range" {r SRANDMEMBER s x}
    assert_error "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807" \
        {r SRANDMEMBER s -9223372036854775808}
    assert_error "ERR syntax error" {r SRANDMEMBER s 1 2}
    assert_equal 3 [r SCARD s]
}

test "SRANDMEMBER reaches every member of a large set" {
    set all {}
    for {set i 0} {$i < 3000} {incr i} {lappend all member:$i}
    r SADD s {*}$all
    assert_equal 3000 [llength [lsort -unique [r SRANDMEMBER s 3000]]]
    assert_equal 2900 [llength [lsort -unique [r SRANDMEMBER s 2900]]]
    assert_equal 10 [llength [lsort -unique [r SRANDMEMBER s 10]]]
    set seen [dict create]
    for {set i 0} {$i < 100 && [dict size $seen] < 3000} {incr i} {
        foreach m [r SRANDMEMBER s -1000] {dict set seen $m 1}
    }
    assert_range [dict size $seen] 2980 3000
}

foreach {kind members} {small 20 large 2000} {
    test "SSCAN of a $kind set gives every member once its cursor is back at 0" {
        set want {}
        for {set i 0} {$i < $members} {incr i} {lappend want member:$i}
        r SADD s {*}$want
        set cursor 0
        set got {}
        set calls 0
        while 1 {
            lassign [r SSCAN s $cursor COUNT 50] cursor some
            lappend got {*}$some
            if {$cursor == 0} break
            assert {[incr calls] < 10000}
        }
        assert_sorted_equal $want [lsort -unique $got]
        set cursor 0
        set got {}
        while 1 {
            lassign [r SSCAN s $cursor MATCH member:1? COUNT 1000] cursor some
            lappend got {*}$some
            if {$cursor == 0} break
        }
        assert_equal 10 [llength [lsort -unique $got]]
    }
}

test "SSCAN of integers and of nothing, and its errors" {
    r SADD i 2 1
    assert_equal {array {{bulk 0} {array {{bulk 1} {bulk 2}}}}} [r -typed SSCAN i 0]
    assert_equal {0 {}} [r SSCAN none 0]
    assert_error "ERR invalid cursor" {r SSCAN i x}
    assert_error "ERR syntax error" {r SSCAN i 0 COUNT 0}
    assert_error "ERR value is not an integer or out of range" {r SSCAN i 0 COUNT x}
    assert_error "ERR syntax error" {r SSCAN i 0 NOVALUES}
    assert_error "ERR syntax error" {r SSCAN i 0 MATCH}
}

test "Every set command refuses a string, and changes nothing" {
    r SET s v
    foreach command {
        {SADD s a} {SREM s a} {SCARD s} {SISMEMBER s a} {SMISMEMBER s a} {SMEMBERS s} {SPOP s}
        {SPOP s 2} {SRANDMEMBER s} {SRANDMEMBER s 2} {SSCAN s 0} {SMOVE s t a}
    } {
        assert_error [wrongtype] {r {*}$command}
    }
    assert_equal v [r GET s]
}

test "DUMP and RESTORE keep sets and their encodings" {
    foreach {key members} {i {1 2 300 -70000} w {a b 12} l {}} {
        if {$key eq "l"} {for {set k 0} {$k < 1000} {incr k} {lappend members m$k}}
        r SADD $key {*}$members
        set payload [r DUMP $key]
        assert_equal [expr {$key eq "i" ? 11 : 2}] [scan [string index $payload 0] %c]
        r RESTORE copy 0 $payload REPLACE
        assert_sorted_equal $members [r SMEMBERS copy]
        assert_encoding [r OBJECT ENCODING $key] copy
        assert_equal [r DEBUG DIGEST-VALUE $key] [r DEBUG DIGEST-VALUE copy]
    }
}

test "The payload of an intset is that of Redis, byte for byte" {
    r SADD i 1 2 3
    assert_equal "0b0e02000000030000000100020003000a00" [string range [binary encode hex [r DUMP i]] 0 35]
}

test "Writing to a set keeps its expiry, COPY and RENAME take it along" {
    r SADD s a b 1
    r EXPIRE s 100
    r SADD s c
    r SREM s a
    assert_range [r TTL s] 99 100
    r COPY s t
    r SADD t only
    r RENAME s u
    assert_sorted_equal {1 b c} [r SMEMBERS u]
    assert_sorted_equal {1 b c only} [r SMEMBERS t]
}

foreach {kind members prefix} {small 30 {} integer 700 {} word 1500 m} {
    test "Random operations on a $kind set against a model" {
        set model [dict create]
        for {set i 0} {$i < 3000} {incr i} {
            set m $prefix[random_int $members]
            switch [random_int 6] {
                0 - 1 - 2 {
                    assert_equal [expr {![dict exists $model $m]}] [r SADD s $m]
                    dict set model $m 1
                }
                3 {
                    assert_equal [dict exists $model $m] [r SREM s $m]
                    dict unset model $m
                }
                4 {assert_equal [dict exists $model $m] [r SISMEMBER s $m]}
                5 {
                    assert_equal [dict size $model] [r SCARD s]
                    if {[random_int 10] == 0 && [dict size $model] > 0} {
                        set got [r SPOP s]
                        assert {[dict exists $model $got]}
                        dict unset model $got
                    }
                }
            }
        }
        assert_sorted_equal [dict keys $model] [r SMEMBERS s]
    }
}

test -tags {cove} "Set commands answer from pages that are not in memory" {
    lassign {} all odd numbers
    for {set i 0} {$i < 4000} {incr i} {
        lappend all member:$i
        if {$i % 2} {lappend odd member:$i}
    }
    r SADD s {*}$all
    r SADD odd {*}$odd
    for {set i 0} {$i < 400} {incr i} {lappend numbers [expr {$i * 100000}]}
    r SADD i {*}$numbers
    foreach command {
        {assert_equal 1 [r SISMEMBER s member:77]}
        {assert_sorted_equal $all [r SMEMBERS s]}
        {assert_equal $numbers [r SMEMBERS i]}
        {assert_equal 1 [r SISMEMBER i 100000]}
        {assert_equal {1 0 1} [r SMISMEMBER s member:1 none member:3999]}
        {assert_equal 4000 [r SCARD s]}
        {assert {[r SRANDMEMBER s] in $all}}
        {assert_equal 100 [llength [lsort -unique [r SRANDMEMBER s 100]]]}
        {assert_equal 3900 [llength [lsort -unique [r SRANDMEMBER s 3900]]]}
        {assert_equal 300 [llength [r SRANDMEMBER s -300]]}
        {assert_sorted_equal $odd [r SINTER s odd]}
        {assert_equal 2000 [r SINTERCARD 2 s odd]}
        {assert_equal 7 [r SINTERCARD 2 s odd LIMIT 7]}
        {assert_equal 2000 [llength [r SDIFF s odd]]}
        {assert_sorted_equal $all [r SUNION odd s]}
        {assert_equal 4400 [r SUNIONSTORE d odd s i]}
        {assert_equal 2000 [r SDIFFSTORE d s odd]}
        {assert_equal 0 [r SINTERSTORE d s i]}
        {assert_equal 1 [r SADD s extra]; assert_equal 1 [r SREM s extra none]}
        {assert_equal 1 [r SADD i 5]; assert_equal 1 [r SREM i 5]}
        {assert_equal 1 [r SMOVE s odd member:0]; assert_equal 1 [r SMOVE odd s member:0]}
        {set one [r SPOP s]; assert_equal 1 [r SADD s $one]}
        {set some [r SPOP s 50]; assert_equal 50 [r SADD s {*}$some]}
        {set some [r SPOP s 3900]; assert_equal 100 [r SCARD s]; assert_equal 3900 [r SADD s {*}$some]}
        {assert_equal 2 [llength [r DEBUG DIGEST-VALUE s i]]}
        {r RESTORE copy 0 [r DUMP s] REPLACE; assert_sorted_equal $all [r SMEMBERS copy]}
    } {
        assert_equal OK [r SAVE]
        r DEBUG DROP-CLEAN
        eval $command
    }
}
