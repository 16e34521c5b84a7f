# reading.tcl -- commands that answer so many elements that they are read in steps, while others go on.

set many 5000
proc fill {n} {
    r CLIENT ACK memory
    for {set i 0} {$i < $n} {incr i 1000} {
        set list {}; set pairs {}; set scores {}; set numbers {}
        for {set k $i} {$k < min($n, $i + 1000)} {incr k} {
            lappend list e$k
            lappend pairs f$k [expr {$k % 3 ? $k : "value $k"}]
            lappend scores [expr {($k * 7919) % 10007}] m$k
            lappend numbers [expr {$k * 3}]
        }
        r RPUSH l {*}$list
        r SADD s {*}$list
        r SADD i {*}$numbers
        r HSET h {*}$pairs
        r ZADD z {*}$scores
    }
    for {set i 1} {$i <= $n} {incr i} {lappend entries [list XADD x $i-1 f $i g [expr {$i % 5}]]}
    for {set i 0} {$i < $n} {incr i 1000} {
        r MULTI
        foreach e [lrange $entries $i [expr {$i + 999}]] {r {*}$e}
        r EXEC
    }
}
proc blocked {} {info_field blocked_clients clients}

test -tags {cove} "What is read in steps is what is read in one turn" {
    fill $many
    foreach command {
        {LRANGE l 0 -1} {LRANGE l 100 -2} {LRANGE l 300 4800}
        {SMEMBERS s} {SMEMBERS i} {HGETALL h} {HKEYS h} {HVALS h}
        {HSCAN h 0 MATCH f*7 COUNT 20000} {HSCAN h 0 COUNT 20000 NOVALUES}
        {SSCAN s 0 COUNT 10000} {SSCAN i 0 MATCH none COUNT 20000}
        {ZRANGE z 0 -1} {ZRANGE z 10 -10 WITHSCORES} {ZRANGE z 0 -1 REV WITHSCORES} {ZREVRANGE z 5 4800}
        {ZRANGE z (5 +inf BYSCORE LIMIT 10 4900} {ZREVRANGEBYSCORE z 10006 10 WITHSCORES LIMIT 7 4500}
        {ZRANGEBYLEX z - +} {XRANGE x - +} {XREVRANGE x + -} {XRANGE x 100 4900} {XREVRANGE x 4990 100 COUNT 4500}
        {XRANGE x - + COUNT 4096} {XRANGE x - + COUNT 4097} {XRANGE x 905 +} {XRANGE x 906 +}
        {XREAD STREAMS x 0} {XREAD COUNT 4500 STREAMS x x none 0 4000 0} {XREAD STREAMS x x 4990-1 0} {XREAD STREAMS x x 5000-1 0}
    } {in_one_turn {*}$command}
    assert_equal $many [llength [r LRANGE l 0 -1]]
    assert_equal $many [llength [lsort -unique [r SMEMBERS s]]]
    assert_equal [lsort [r HKEYS h]] [lsort [dict keys [r HGETALL h]]]
    # In whatever order.
    lassign [r ZSCAN z 0 COUNT 100000] cursor some
    assert_equal 0 $cursor
    set scores [r ZRANGE z 0 -1 WITHSCORES]
    if {[llength $scores] == $many} {set scores [concat {*}$scores]} ;# RESP3
    foreach {m score} $scores {assert_equal $score [dict get $some $m]}
    assert_equal [llength $scores] [llength $some]
    # Very many that are asked for by name.
    for {set k 3000} {$k < 6000} {incr k} {lappend members e$k; lappend fields f$k; lappend scored m$k}
    foreach command {{SMISMEMBER s {*}$members} {SMISMEMBER none {*}$members} {HMGET h {*}$fields} {ZMSCORE z {*}$scored}} {
        in_one_turn {*}[subst [string map {\{*\} {}} $command]]
    }
    assert_equal 2000 [tcl::mathop::+ {*}[r SMISMEMBER s {*}$members]]
    # Where it goes on from its cursor all are met.
    set cursor 0; set seen {}
    while 1 {
        lassign [r SSCAN s $cursor COUNT 4200] cursor some
        lappend seen {*}$some
        if {$cursor == 0} break
    }
    assert_equal $many [llength [lsort -unique $seen]]
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Unions, intersections and differences are told in steps as in one turn" {
    fill $many
    for {set k 2000} {$k < 9000} {incr k} {lappend members e$k}
    r SADD t {*}$members
    r ZADD y {*}[join [lmap m $members {list [expr {[incr at] % 100}] $m}]]
    r ZUNIONSTORE z 2 z s WEIGHTS 1 0
    r SADD empty x
    r SREM empty x
    foreach command {
        {SINTER s t} {SUNION s t none i} {SDIFF s t} {SDIFF t none s} {SINTER s none} {SUNION s}
        {ZUNION 2 y z WITHSCORES} {ZUNION 3 y s none AGGREGATE MIN} {ZINTER 2 z s} {ZINTER 3 z y s WITHSCORES WEIGHTS 2 3 -1}
        {ZINTER 2 y t AGGREGATE MAX WITHSCORES} {ZDIFF 2 z t WITHSCORES} {ZDIFF 3 y none z} {ZDIFF 2 s s} {ZINTER 2 s none}
    } {in_one_turn {*}$command}
    assert_equal [expr {$many - 2000}] [llength [r SINTER s t]]
    assert_equal [lsort -unique [concat [r SMEMBERS s] [r SMEMBERS t]]] [lsort [r SUNION s t]]
    r SET text x
    assert_error "WRONGTYPE*" {r SUNION s t text}
}

test -tags {cove} "Long elements are read in steps, however few" {
    r CLIENT ACK memory
    for {set i 0} {$i < 60} {incr i} {
        set text [string repeat [format %c [expr {65 + $i % 26}]] [expr {$i % 4 ? 20000 : 200000}]]
        r RPUSH l $text
        r HSET h f$i $text
        r SADD s [string range $text$i end-20000 end]
        r ZADD z $i [string range $text$i end-20000 end]
        r XADD x [expr {$i + 1}] f $text
    }
    foreach command {{LRANGE l 0 -1} {LRANGE l 3 -3} {HGETALL h} {HVALS h} {SMEMBERS s} {ZRANGE z 0 -1 WITHSCORES}
                     {ZRANGE z 0 -1 REV} {XRANGE x - +} {XREVRANGE x + - COUNT 50} {XREAD STREAMS x x 0 30} {HSCAN h 0 COUNT 100}} {
        in_one_turn {*}$command
    }
    # They leave at once when they are popped.
    set all [lsort [r SMEMBERS s]]
    assert_equal $all [lsort [r SPOP s 100]]
    assert_equal 0 [r EXISTS s]
}

test -tags {cove} "Long strings are read in steps" {
    for {set i 0} {$i < 90000} {incr i} {append text "word $i, "}
    r SET s $text
    r SETRANGE s 3000000 end
    r SETRANGE t 400000 $text
    set whole [r GET s]
    assert_equal 3000003 [string length $whole]
    assert_equal $text [string range $whole 0 [string length $text]-1]
    assert_equal "\0end" [string range $whole end-3 end]
    assert_equal [string range $whole 100 2999999] [r GETRANGE s 100 2999999]
    assert_equal [string range $whole 1000000 end] [r GETRANGE s 1000000 -1]
    r SET u short
    r RPUSH l no string
    foreach command {{GET s} {GETRANGE t 1000 -2} {MGET u s none l t u} {MGET t} {GETRANGE u 0 -1}} {in_one_turn {*}$command}
}

test -tags {cove} "Fields that expire are not read in steps either" {
    fill 6000
    r HPEXPIRE h 100000 FIELDS 2 f1 f2
    assert_equal {1 1} [r HPEXPIRE h 1 FIELDS 2 f3 f5]
    after 5
    set all [r HGETALL h]
    assert_equal 5998 [dict size $all]
    assert {![dict exists $all f3] && [dict exists $all f1]}
    assert_equal 5998 [llength [r HKEYS h]]
}

# Sends a command that takes steps, and runs others until it is answered.
proc beside {command body} {
    upvar i i
    set c [connect]
    $c -send {*}$command
    for {set i 0} {$i < 200 && [blocked] == 0} {incr i} {} ;# Or it is very quick.
    for {set i 0} {[blocked] == 1} {incr i} {uplevel 1 $body}
    set reply [$c -read]
    $c -close
    return $reply
}

test -tags {cove} "What is read in steps is of one moment, and holds nobody up" {
    r CLIENT ACK memory
    set n 60000
    for {set k 0} {$k < $n} {incr k} {lappend elements e$k}
    for {set k 0} {$k < $n} {incr k 1000} {r RPUSH l {*}[lrange $elements $k [expr {$k + 999}]]}
    for {set k 0} {$k < $n} {incr k 500} {r HSET h {*}[lrange $elements $k [expr {$k + 999}]]}
    set all [beside {LRANGE l 0 -1} {r RPOPLPUSH l l}]
        set at [lsearch -exact $all e0]
    assert {$at >= 0 && $at <= $i}
    assert_equal $elements [concat [lrange $all $at end] [lrange $all 0 [expr {$at - 1}]]]
    # Two fields that always have the same value.
    r HSET h e0 begun e[expr {$n - 2}] begun
    set all [beside {HGETALL h} {r HSET h e0 v$i e[expr {$n - 2}] v$i}]
    assert_equal [dict get $all e0] [dict get $all e[expr {$n - 2}]]
    # It is something else before the end, or has gone.
    set fields [llength $all]
    assert_equal $fields [llength [beside {HGETALL h} {r DEL h; r SET h text}]]
    assert_equal $n [llength [beside {LRANGE l 0 -1} {r FLUSHALL}]]
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "What is read in steps comes in its turn, or not at all" {
    fill $many
    r SET t text
    set c [connect]
    foreach command {{GET t} {LRANGE l 0 -1} {STRLEN t} {HGETALL h} {XRANGE x - +} {GET t}} {$c -send {*}$command}
    assert_equal text [$c -read]
    assert_equal [r LRANGE l 0 -1] [$c -read]
    assert_equal 4 [$c -read]
    assert_equal [r HGETALL h] [$c -read]
    assert_equal [r XRANGE x - +] [$c -read]
    assert_equal text [$c -read]
    $c -send CLIENT REPLY SKIP
    $c -send LRANGE l 0 -1
    $c -send STRLEN t
    assert_equal 4 [$c -read]
    $c -send STRLEN t
    $c -send CLIENT REPLY OFF
    $c -send SMEMBERS s
    $c -send CLIENT REPLY ON
    assert_equal 4 [$c -read]
    assert_equal OK [$c -read]
    assert_equal [r ZRANGE z 0 -1] [$c ZRANGE z 0 -1]
    # Its client goes away.
    $c -send SMEMBERS s
    $c -close
    wait_for_condition 100 50 {[blocked] == 0}
    assert_equal OK [r DEBUG CHECK]
}
