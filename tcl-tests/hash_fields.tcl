# hash_fields.tcl -- hash commands that count their fields. Replies recorded from Redis 8.2.3.

proc wrongtype {} {return "WRONGTYPE Operation against a key holding the wrong kind of value"}

set fields_missing "ERR Mandatory argument FIELDS is missing or not at the right position"
set fields_count "ERR Number of fields must be a positive integer"
set fields_match "ERR The `numfields` parameter must match the number of arguments"

test "HGETDEL gives values and removes their fields, the key with the last" {
    r HSET h f1 v1 f2 v2 f3 3
    assert_equal {v1} [r HGETDEL h FIELDS 1 f1]
    assert_equal {{} 3} [r HGETDEL h fields 2 f1 f3]
    assert_equal {f2 v2} [r HGETALL h]
    assert_equal {v2 {} {}} [r HGETDEL h FIELDS 3 f2 f2 none]
    assert_equal 0 [r EXISTS h]
    assert_equal {{} {}} [r HGETDEL h FIELDS 2 f1 f2]
}

test "HGETDEL of a table that spans pages" {
    for {set i 0} {$i < 3000} {incr i} {lappend pairs f$i [string repeat $i 20]}
    r HSET h {*}$pairs
    assert_equal [list [string repeat 7 20] {} [string repeat 2999 20]] [r HGETDEL h FIELDS 3 f7 x f2999]
    assert_equal 2998 [r HLEN h]
    restart_server
    assert_equal 2998 [r HLEN h]
    assert_equal 0 [r HEXISTS h f7]
}

test "HGETDEL's errors: another type comes first" {
    r SET s x
    assert_error [wrongtype] {r HGETDEL s FIELD 1 f}
    assert_error $fields_missing {r HGETDEL h FIELD 1 f}
    foreach n {0 -1 x} {assert_error $fields_count {r HGETDEL h FIELDS $n f}}
    assert_error $fields_match {r HGETDEL h FIELDS 3 f1 f2}
    assert_error $fields_match {r HGETDEL h FIELDS 1 f1 f2}
    assert_error "ERR wrong number of arguments for 'hgetdel' command" {r HGETDEL h FIELDS 1}
}

test "HSCAN NOVALUES gives the fields alone" {
    r HSET h a 1 b 2
    assert_equal {0 {a b}} [r HSCAN h 0 NOVALUES]
    assert_equal {0 b} [r HSCAN h 0 MATCH b novalues COUNT 10]
    for {set i 0} {$i < 1000} {incr i} {r HSET big f$i v}
    set cursor 0
    set seen {}
    while 1 {
        lassign [r HSCAN big $cursor COUNT 100 NOVALUES] cursor some
        lappend seen {*}$some
        if {$cursor == 0} break
    }
    assert_equal 1000 [llength [lsort -unique $seen]]
    assert_equal 1000 [llength $seen]
}
