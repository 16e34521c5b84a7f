# hash.tcl -- every hash command of Redis 7.0.

test "HSET counts new fields, HGET reads them" {
    assert_equal 1 [r HSET h f v]
    assert_equal int [r -type]
    assert_equal 0 [r HSET h f w]
    assert_equal w [r HGET h f]
    assert_equal 2 [r HSET h f x a 1 b 2]
    assert_equal 3 [r HLEN h]
    assert_equal 1 [r HSET h twice 1 twice 2]
    assert_equal 2 [r HGET h twice]
    assert_nil [r HGET h none]
    assert_nil [r HGET none f]
    assert_equal hash [r TYPE h]
    assert_error "ERR wrong number of arguments for 'hset' command" {r HSET h f}
    assert_error "ERR wrong number of arguments for 'hset' command" {r HSET h f v g}
    assert_error "ERR wrong number of arguments for 'hget' command" {r HGET h}
}

test "Fields and values are bytes, empty ones included" {
    set all ""
    for {set i 0} {$i < 256} {incr i} {append all [binary format c $i]}
    r HSET h $all $all "" ""
    assert_equal $all [r HGET h $all]
    assert_equal "" [r HGET h ""]
    assert_equal bulk [r -type]
    assert_pairs [list $all $all "" ""] [r HGETALL h]
}

test "HMSET, HMGET, HSETNX" {
    assert_equal OK [r HMSET h a 1 b 2]
    assert_equal {array {{bulk 1} {nil {}} {bulk 2}}} [r -typed HMGET h a none b]
    assert_equal {array {{nil {}} {nil {}}}} [r -typed HMGET none a b]
    assert_equal 1 [r HSETNX h c 3]
    assert_equal 0 [r HSETNX h c 4]
    assert_equal 3 [r HGET h c]
    assert_error "ERR wrong number of arguments for 'hmset' command" {r HMSET h a}
    assert_error "ERR wrong number of arguments for 'hmset' command" {r HMSET h a 1 b}
    assert_error "ERR wrong number of arguments for 'hmget' command" {r HMGET h}
}

test "HGETALL is a map in RESP3 and a flat array in RESP2" {
    r HSET h a 1 b 2
    assert_pairs {a 1 b 2} [r HGETALL h]
    assert_reply_type array map
    assert_equal {} [r HGETALL none]
    assert_reply_type array map
}

test "HKEYS and HVALS go together" {
    r HSET h a 1 b 2 c 3
    assert_sorted_equal {a b c} [r HKEYS h]
    assert_equal array [r -type]
    assert_sorted_equal {1 2 3} [r HVALS h]
    set pairs {}
    foreach f [r HKEYS h] v [r HVALS h] {lappend pairs $f $v}
    assert_equal [r HGETALL h] $pairs
    assert_equal {} [r HKEYS none]
    assert_equal {} [r HVALS none]
}

test "HDEL removes fields, and the key with the last" {
    r HSET h a 1 b 2 c 3
    assert_equal 1 [r HDEL h a]
    assert_equal 0 [r HDEL h a]
    assert_equal 2 [r HDEL h b c d]
    assert_equal 0 [r EXISTS h]
    assert_equal 0 [r HDEL none f]
    r HSET h a 1
    assert_equal 1 [r HDEL h a a a]
    assert_equal 0 [r EXISTS h]
}

test "HEXISTS, HLEN, HSTRLEN" {
    r HSET h f value n 12345
    assert_equal 1 [r HEXISTS h f]
    assert_equal 0 [r HEXISTS h none]
    assert_equal 0 [r HEXISTS none f]
    assert_equal 2 [r HLEN h]
    assert_equal 0 [r HLEN none]
    assert_equal 5 [r HSTRLEN h f]
    assert_equal 5 [r HSTRLEN h n]
    assert_equal 0 [r HSTRLEN h none]
    assert_equal 0 [r HSTRLEN none f]
}

test "HINCRBY counts, and refuses what overflows or is no integer" {
    assert_equal 5 [r HINCRBY h n 5]
    assert_equal 3 [r HINCRBY h n -2]
    assert_equal 3 [r HGET h n]
    r HSET h max 9223372036854775807 text abc space " 1" float 1.5 empty ""
    assert_error "ERR increment or decrement would overflow" {r HINCRBY h max 1}
    assert_error "ERR increment or decrement would overflow" {r HINCRBY h n 9223372036854775807}
    foreach f {text space float empty} {
        assert_error "ERR hash value is not an integer" {r HINCRBY h $f 1}
    }
    assert_error "ERR value is not an integer or out of range" {r HINCRBY h n 1.5}
    assert_error "ERR value is not an integer or out of range" {r HINCRBY h new abc}
    assert_equal 0 [r HEXISTS h new]
    assert_equal 0 [r HINCRBY other zero 0]
    assert_equal 1 [r EXISTS other]
}

test "HINCRBYFLOAT" {
    assert_equal 2.5 [r HINCRBYFLOAT h f 2.5]
    assert_equal bulk [r -type]
    assert_equal 5 [r HINCRBYFLOAT h f 2.5]
    assert_equal 5005 [r HINCRBYFLOAT h f 5.0e3]
    r HSET h g 10.50 text abc space "1 "
    assert_equal 10.6 [r HINCRBYFLOAT h g 0.1]
    assert_error "ERR hash value is not a float" {r HINCRBYFLOAT h text 1}
    assert_error "ERR hash value is not a float" {r HINCRBYFLOAT h space 1}
    assert_error "ERR value is not a valid float" {r HINCRBYFLOAT h g abc}
    foreach bad {inf -inf} {
        assert_error "ERR value is NaN or Infinity" {r HINCRBYFLOAT h g $bad}
    }
    assert_equal 10.6 [r HGET h g]
}

test "HRANDFIELD: one, distinct, with repeats, with values" {
    assert_nil [r HRANDFIELD none]
    assert_equal {} [r HRANDFIELD none 5]
    assert_equal array [r -type]
    r HSET h a 1 b 2 c 3
    assert {[r HRANDFIELD h] in {a b c}}
    assert_equal bulk [r -type]
    assert_sorted_equal {a b c} [r HRANDFIELD h 10]
    assert_equal 2 [llength [lsort -unique [r HRANDFIELD h 2]]]
    assert_equal 0 [llength [r HRANDFIELD h 0]]
    set many [r HRANDFIELD h -100]
    assert_equal 100 [llength $many]
    assert_sorted_equal {a b c} [lsort -unique $many]
    assert_pairs {a 1 b 2 c 3} [flat [r HRANDFIELD h 10 WITHVALUES]]
    set typed [r -typed HRANDFIELD h 3 WITHVALUES]
    assert_equal [expr {[resp] == 2 ? "bulk" : "array"}] [lindex $typed 1 0 0]
    foreach {f v} [flat [r HRANDFIELD h -50 WITHVALUES]] {
        assert_equal $v [dict get {a 1 b 2 c 3} $f]
    }
    assert_error "ERR syntax error" {r HRANDFIELD h 3 NOSUCH}
    assert_error "ERR syntax error" {r HRANDFIELD h 3 WITHVALUES more}
    assert_error "ERR value is not an integer or out of range" {r HRANDFIELD h abc}
    assert_error "ERR value is out of range" {r HRANDFIELD h -9223372036854770000 WITHVALUES}
    assert_error "ERR value is out of range*" {r HRANDFIELD h -9223372036854775808}
}

test "HRANDFIELD reaches every field of a large hash" {
    set pairs {}
    for {set i 0} {$i < 600} {incr i} {lappend pairs f$i v$i}
    r HSET h {*}$pairs
    assert_equal 600 [llength [lsort -unique [r HRANDFIELD h 600]]]
    assert_equal 590 [llength [lsort -unique [r HRANDFIELD h 590]]]
    assert_equal 10 [llength [lsort -unique [r HRANDFIELD h 10]]]
    set seen [dict create]
    for {set i 0} {$i < 60 && [dict size $seen] < 600} {incr i} {
        foreach f [r HRANDFIELD h -200] {dict set seen $f 1}
    }
    assert_range [dict size $seen] 595 600
}

foreach {kind fields} {small 20 large 2000} {
    test "HSCAN of a $kind hash gives every field once its cursor is back at 0" {
        set want [dict create]
        for {set i 0} {$i < $fields} {incr i} {
            dict set want field:$i value:$i
            r HSET h field:$i value:$i
        }
        set cursor 0
        set got [dict create]
        set calls 0
        while 1 {
            lassign [r HSCAN h $cursor COUNT 50] cursor pairs
            foreach {f v} $pairs {dict set got $f $v}
            incr calls
            if {$cursor == 0} break
            assert {$calls < 10000}
        }
        assert_equal $fields [dict size $got]
        dict for {f v} $want {assert_equal $v [dict get $got $f]}
        set cursor 0
        set got {}
        while 1 {
            lassign [r HSCAN h $cursor MATCH field:1? COUNT 1000] cursor pairs
            foreach {f v} $pairs {dict set got $f $v}
            if {$cursor == 0} break
        }
        assert_sorted_equal {field:10 field:11 field:12 field:13 field:14 field:15 field:16 field:17 field:18 field:19} \
            [dict keys $got]
    }
}

test "HSCAN of nothing, and its errors" {
    assert_equal {0 {}} [r HSCAN none 0]
    r HSET h f v
    assert_equal {array {{bulk 0} {array {{bulk f} {bulk v}}}}} [r -typed HSCAN h 0]
    assert_error "ERR invalid cursor" {r HSCAN h x}
    assert_error "ERR syntax error" {r HSCAN h 0 COUNT 0}
    assert_error "ERR value is not an integer or out of range" {r HSCAN h 0 COUNT x}
    assert_error "ERR syntax error" {r HSCAN h 0 NOSUCH}
}

test "A hash grows from listpack to hashtable at its limits" {
    with_config {hash-max-listpack-entries 4 hash-max-listpack-value 8} {
        r HSET h a 1 b 2 c 3 d 4
        assert_encoding listpack h
        r HSET h e 5
        assert_encoding hashtable h
        assert_equal 5 [r HLEN h]
        assert_pairs {a 1 b 2 c 3 d 4 e 5} [r HGETALL h]
        r HDEL h e d
        assert_encoding hashtable h
        r HSET v f 12345678
        assert_encoding listpack v
        r HSET v f 123456789
        assert_encoding hashtable v
        r HSET n 123456789 v
        assert_encoding hashtable n
        assert_equal v [r HGET n 123456789]
    }
    r HSET i f 12345
    assert_encoding listpack i
}

test "Every hash command refuses a string, and changes nothing" {
    r SET s v
    foreach command {
        {HSET s f v} {HSETNX s f v} {HMSET s f v} {HGET s f} {HMGET s f} {HGETALL s} {HKEYS s} {HVALS s}
        {HDEL s f} {HLEN s} {HSTRLEN s f} {HEXISTS s f} {HINCRBY s f 1} {HINCRBYFLOAT s f 1}
        {HRANDFIELD s} {HRANDFIELD s 2} {HSCAN s 0}
    } {
        assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r {*}$command}
    }
    assert_equal v [r GET s]
}

test "Writing to a hash keeps its expiry" {
    r HSET h f v
    r EXPIRE h 100
    r HSET h g w
    r HINCRBY h n 1
    r HDEL h f
    assert_range [r TTL h] 99 100
}

foreach {kind fields} {small 30 large 1500} {
    test "Random operations on a $kind hash against a model" {
        set model [dict create]
        for {set i 0} {$i < 4000} {incr i} {
            set f f[random_int $fields]
            switch [random_int 5] {
                0 - 1 {
                    set v [expr {[random_int 2] ? [random_int 100000] : [random_bytes [random_int 60]]}]
                    assert_equal [expr {![dict exists $model $f]}] [r HSET h $f $v]
                    dict set model $f $v
                }
                2 {
                    assert_equal [dict exists $model $f] [r HDEL h $f]
                    dict unset model $f
                }
                3 {
                    if {[dict exists $model $f]} {
                        assert_equal [dict get $model $f] [r HGET h $f]
                    } else {
                        assert_nil [r HGET h $f]
                    }
                }
                4 {assert_equal [dict size $model] [r HLEN h]}
            }
        }
        assert_pairs $model [r HGETALL h]
    }
}

test "A hash of ten thousand fields of all sizes reads back" {
    set model [dict create]
    for {set i 0} {$i < 10000} {incr i} {
        set v [string repeat [random_int 10] [random_int 100]]
        dict set model field:$i $v
        r -send HSET h field:$i $v
    }
    for {set i 0} {$i < 10000} {incr i} {assert_equal 1 [r -read]}
    assert_equal 10000 [r HLEN h]
    assert_pairs $model [r HGETALL h]
}

test -tags {cove} "Hash commands answer from pages that are not in memory" {
    set model [dict create]
    for {set i 0} {$i < 5000} {incr i} {
        dict set model f$i [string repeat v$i 20]
        r -send HSET h f$i [string repeat v$i 20]
    }
    for {set i 0} {$i < 5000} {incr i} {r -read}
    r HSET small a 1 b 2
    set cold {
        assert_equal OK [r SAVE]
        r DEBUG DROP-CLEAN
    }
    foreach command {
        {assert_equal [dict get $model f77] [r HGET h f77]}
        {assert_pairs $model [r HGETALL h]}
        {assert_equal 5000 [llength [lsort -unique [r HKEYS h]]]}
        {assert_equal [list [dict get $model f1] [dict get $model f4999]] [r HMGET h f1 f4999]}
        {assert_equal 5000 [r HLEN h]}
        {assert {[dict exists $model [r HRANDFIELD h]]}}
        {assert_equal 100 [llength [lsort -unique [r HRANDFIELD h 100]]]}
        {assert_equal 4900 [llength [lsort -unique [r HRANDFIELD h 4900]]]}
        {assert_equal 300 [llength [r HRANDFIELD h -300]]}
        {assert_equal 1 [r HSET h f12 x new y]; assert_equal x [r HGET h f12]; assert_equal 1 [r HDEL h new none]
            dict set model f12 x}
        {assert_equal 0 [r HSETNX h f13 x]}
        {assert_equal 3 [r HINCRBY small b 1]; r HINCRBY small b -1}
        {assert_equal 2 [llength [r DEBUG DIGEST-VALUE h small]]}
        {set payload [r DUMP h]; r RESTORE copy 0 $payload REPLACE; assert_pairs [r HGETALL h] [r HGETALL copy]}
    } {
        eval $cold
        eval $command
    }
}

test "A hash over a threshold that was lowered becomes a table at its next write" {
    foreach write {{HSET h a 2} {HINCRBY h a 1} {HINCRBYFLOAT h a 1}} {
        r DEL h
        r HSET h a 1 b 2
        with_config {hash-max-listpack-entries 1} {
            assert_encoding listpack h
            r {*}$write
            assert_encoding hashtable h
        }
    }
}
