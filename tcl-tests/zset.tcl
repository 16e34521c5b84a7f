# zset.tcl -- the sorted set commands. Redis's own unit says more; here is what it leaves out: the forms of
# replies in both protocols, sets of every size with their pages cold, events of a restart, limits.

proc wrongtype {} {return "WRONGTYPE Operation against a key holding the wrong kind of value"}

# Each size and encoding: inline, a tree that calls itself a listpack, a tree.
proc each_size {body} {
    foreach {n entries} {10 128 100 128 3000 128 10 0} {
        with_config [list zset-max-listpack-entries $entries] {uplevel 1 [list set n $n]; uplevel 1 $body}
    }
}
# Member m:i has the score i / 2, so that pairs of members share one.
proc fill {key n} {
    set args {}
    for {set i 0} {$i < $n} {incr i} {lappend args [expr {$i / 2}] [name $i]}
    r ZADD $key {*}$args
}
proc name {i} {format m:%05d $i}
proc names {from to} {
    set all {}
    if {$from <= $to} {for {set i $from} {$i <= $to} {incr i} {lappend all [name $i]}}
    return $all
}
# A double's type, and members with scores, as the run's protocol has them.
proc double {text} {list [expr {[resp] == 3 ? "double" : "bulk"}] $text}
proc none {} {list nil {}}
proc pair {member score} {list array [list [list bulk $member] [double $score]]}
# Pairs as one flat list, whatever the protocol.
proc flat {pairs} {expr {[resp] == 3 ? [concat {*}$pairs] : $pairs}}
proc cold {} {
    if {$::server::redis} return
    r SAVE
    r DEBUG DROP-CLEAN
}

proc sound {} {expr {$::server::redis ? "OK" : [r DEBUG CHECK]}}

test "ZADD counts new members, or changed ones with CH, and ZSCORE answers a double" {
    assert_equal 2 [r ZADD z 1 a 2.5 b]
    assert_equal int [r -type]
    assert_equal 1 [r ZADD z 3 a 4 c]
    assert_equal 2 [r ZADD z CH 3 a 5 b 6 d]
    assert_equal [double 3] [r -typed ZSCORE z a]
    assert_equal [list array [list [double 3] [none] [double 5]]] [r -typed ZMSCORE z a none b]
    assert_equal [list array [list [none]]] [r -typed ZMSCORE none a]
    assert_equal [none] [r -typed ZSCORE z none]
    assert_equal [double 4] [r -typed ZADD z INCR 1 a]
    assert_equal [double 6] [r -typed ZINCRBY z 2 a]
    assert_error "ERR syntax error" {r ZINCRBY z nx a}
    assert_error "ERR value is not a valid float" {r ZINCRBY z ny a}
    assert_equal [none] [r -typed ZADD z XX INCR 1 none]
    assert_equal zset [r TYPE z]
    assert_equal 4 [r ZCARD z]
}

test "A member that comes twice in one ZADD is weighed against what came before" {
    assert_equal 1 [r ZADD z 1 a 5 a 3 a]
    assert_equal 3 [r ZSCORE z a]
    assert_equal 0 [r ZADD z GT CH 3 a 2 a]
    assert_equal 2 [r ZADD z GT CH 4 a 6 a 5 a]
    assert_equal 6 [r ZSCORE z a]
    assert_equal 1 [r ZADD z NX 1 b 2 b]
    assert_equal 1 [r ZSCORE z b]
    r ZADD z 7 a 6 a
    assert_equal 6 [r ZSCORE z a]
}

test "ZADD's options that exclude each other, and scores that are none" {
    assert_error "ERR XX and NX options at the same time are not compatible" {r ZADD z NX XX 1 a}
    assert_error "ERR GT, LT, and/or NX options at the same time are not compatible" {r ZADD z GT LT 1 a}
    assert_error "ERR INCR option supports a single increment-element pair" {r ZADD z INCR 1 a 2 b}
    assert_error "ERR syntax error" {r ZADD z 1 a 2}
    assert_error "ERR syntax error" {r ZADD z NX CH}
    assert_error "ERR value is not a valid float" {r ZADD z 1 a nan b}
    assert_equal 0 [r EXISTS z]
    r ZADD z inf a
    assert_error "ERR resulting score is not a number (NaN)" {r ZINCRBY z -inf a}
    r SET s x
    foreach c {{ZADD s 1 a} {ZCARD s} {ZRANGE s 0 -1} {ZREM s a} {ZPOPMIN s} {ZCOUNT s 0 1} {ZUNION 1 s} {ZSCAN s 0}
               {ZRANGESTORE z s 0 -1} {ZRANDMEMBER s} {ZREMRANGEBYRANK s 0 1}} {
        assert_error [wrongtype] {r {*}$c}
    }
}

test -tags cove "A member has at most 65,535 bytes" {
    set large [string repeat x 65535]
    assert_equal 1 [r ZADD z 1 $large]
    assert_equal 1 [r ZSCORE z $large]
    assert_error "ERR member exceeds the maximum size of a sorted set element" {r ZADD z 1 ${large}x}
    for {set i 0} {$i < 40} {incr i} {r ZADD z $i [string range $large [string length $i] end]$i}
    cold
    assert_equal 0 [r ZRANK z [string range $large 1 end]0]
    assert_equal 41 [r ZCARD z]
    assert_equal OK [sound]
}

test "Ranges by rank, score and bytes, forward and backward, hot and cold" {
    each_size {
        r DEL z lex
        fill z $n
        set last [expr {$n - 1}]
        foreach temperature {hot cold} {
            if {$temperature eq "cold"} cold
            assert_equal [names 0 $last] [r ZRANGE z 0 -1]
            assert_equal [lreverse [names 0 $last]] [r ZREVRANGE z 0 -1]
            assert_equal [names 3 6] [r ZRANGE z 3 6]
            assert_equal [names [expr {$n - 3}] $last] [r ZRANGE z -3 -1]
            assert_equal [lreverse [names 3 6]] [r ZRANGE z [expr {$n - 7}] [expr {$n - 4}] REV]
            assert_equal [names 4 9] [r ZRANGEBYSCORE z 2 4]
            assert_equal [names 6 7] [r ZRANGEBYSCORE z (2 (4]
            assert_equal [lreverse [names 5 8]] [r ZREVRANGEBYSCORE z 4 2 LIMIT 1 4]
            assert_equal [names 6 9] [r ZRANGE z 2 4 BYSCORE LIMIT 2 -1]
            assert_equal {} [r ZRANGEBYSCORE z 4 2]
            assert_equal 6 [r ZCOUNT z 2 4]
            assert_equal $n [r ZCOUNT z -inf +inf]
            assert_equal 7 [r ZRANK z [name 7]]
            assert_equal [expr {$n - 8}] [r ZREVRANK z [name 7]]
            assert_nil [r ZRANK z none]
        }
        set zeros {}
        foreach m [names 0 $last] {lappend zeros 0 $m}
        r ZADD lex {*}$zeros
        cold
        assert_equal [names 2 5] [r ZRANGEBYLEX lex \[[name 2] ([name 6]]
        assert_equal [lreverse [names 3 6]] [r ZREVRANGEBYLEX lex \[[name 6] ([name 2]]
        assert_equal $n [r ZLEXCOUNT lex - +]
        assert_equal 0 [r ZLEXCOUNT lex + -]
        assert_equal 4 [r ZREMRANGEBYLEX lex \[[name 2] ([name 6]]
        assert_equal 2 [r ZREMRANGEBYSCORE z 1 (2]
        assert_equal 2 [r ZREMRANGEBYRANK z 0 1]
        assert_equal [name 4] [r ZRANGE z 0 0]
        assert_equal [expr {$n - 4}] [r ZCARD z]
        assert_equal OK [sound]
        assert_equal [expr {$n - 4}] [r ZREMRANGEBYRANK z 0 -1]
        assert_equal 0 [r EXISTS z]
    }
}

test -tags cove "ZRANK and ZREVRANK tell the score with WITHSCORE, as in Redis 7.2" {
    r ZADD z 1 a 2.5 b
    assert_equal [list array [list {int 1} [double 2.5]]] [r -typed ZRANK z b WITHSCORE]
    assert_equal [list array [list {int 0} [double 2.5]]] [r -typed ZREVRANK z b withscore]
    assert_nil [r ZRANK z none WITHSCORE]
    assert_nil [r ZRANK none b WITHSCORE]
    assert_error "ERR syntax error" {r ZRANK z b x}
    assert_error "ERR wrong number of arguments for 'zrank' command" {r ZRANK z b WITHSCORE x}
}

test "Ranges with scores and pops are flat in RESP2, and pairs in RESP3" {
    r ZADD z 1 a 2.5 b
    set both [list [pair a 1] [pair b 2.5]]
    if {[resp] == 2} {set both {{bulk a} {bulk 1} {bulk b} {bulk 2.5}}}
    assert_equal [list array $both] [r -typed ZRANGE z 0 -1 WITHSCORES]
    assert_equal [list array $both] [r -typed ZUNION 1 z WITHSCORES]
    assert_equal [pair a 1] [r -typed ZPOPMIN z]
    assert_equal {array {}} [r -typed ZPOPMIN none]
    r ZADD z 1 a
    assert_equal {bulk b} [lindex [r -typed ZPOPMAX z] 1 0]
    r ZADD z 2.5 b
    assert_equal [list array $both] [r -typed ZPOPMIN z 5]
    assert_equal 0 [r EXISTS z]
    r ZADD z 1 a 2 b
    assert_equal [list array [list {bulk z} [list array [list [pair a 1]]]]] [r -typed ZMPOP 2 none z MIN]
    assert_nil [r ZMPOP 1 none MAX COUNT 3]
    assert_error "ERR numkeys should be greater than 0" {r ZMPOP 0 z MIN}
    assert_error "ERR count should be greater than 0" {r ZMPOP 1 z MIN COUNT 0}
    assert_error "ERR syntax error" {r ZMPOP 1 z LOW}
    assert_error "ERR value is out of range, must be positive" {r ZPOPMIN z -1}
}

test "Members go and come back at any score, and what is left is a sound set" {
    each_size {
        r DEL z
        fill z $n
        set gone {} ; set moved {}
        for {set i 0} {$i < $n} {incr i 3} {lappend gone [name $i] none}
        for {set i 1} {$i < $n} {incr i 3} {lappend moved [expr {$i * 31 % 1000}] [name $i]}
        assert_equal [expr {[llength $gone] / 2}] [r ZREM z {*}$gone]
        r ZADD z {*}$moved
        for {set i 2} {$i < $n} {incr i [expr {3 + $n / 100 * 3}]} {r ZINCRBY z -1000 [name $i]}
        cold
        set left 0
        for {set i 0} {$i < $n} {incr i} {incr left [expr {$i % 3 != 0}]}
        assert_equal $left [r ZCARD z]
        assert_equal OK [sound]
        set before [r DEBUG DIGEST-VALUE z]
        set payload [r DUMP z]
        assert_equal OK [r RESTORE copy 0 $payload REPLACE]
        assert_equal $before [r DEBUG DIGEST-VALUE copy]
        assert_equal [r OBJECT ENCODING z] [r OBJECT ENCODING copy]
        r DEBUG RELOAD
        assert_equal $before [r DEBUG DIGEST-VALUE z]
    }
}

test "OBJECT ENCODING follows the thresholds by either name" {
    with_config {zset-max-ziplist-entries 2 zset-max-ziplist-value 5} {
        r ZADD z 1 a 2 b
        assert_encoding listpack z
        r ZADD z 3 c
        assert_encoding skiplist z
        r ZREM z c b
        assert_encoding skiplist z
        r ZADD y 1 12345
        assert_encoding listpack y
        r ZADD y 1 123456
        assert_encoding skiplist y
        r ZUNIONSTORE x 1 y
        assert_encoding skiplist x
        r ZRANGESTORE x y 0 0
        assert_encoding listpack x
    }
}

test "ZSCAN meets every member once that stays, while scores change" {
    each_size {
        r DEL z
        fill z $n
        cold
        set seen {} ; set cursor 0 ; set rounds 0
        while 1 {
            lassign [r ZSCAN z $cursor COUNT 20] cursor pairs
            foreach {m score} $pairs {dict incr seen $m}
            r ZINCRBY z -1000 [name [expr {$rounds * 37 % $n}]]
            r ZADD z $rounds new:$rounds
            incr rounds
            if {$cursor == 0} break
        }
        foreach m [names 0 [expr {$n - 1}]] {assert_equal 1 [dict get $seen $m]}
        assert_equal 1 [expr {$n < 1000 || $rounds > $n / 100}]
    }
}

test "ZSCAN of members that all have one score ends" {
    set zeros {}
    foreach m [names 0 5999] {lappend zeros 0 $m}
    r ZADD z {*}$zeros
    set seen {} ; set cursor 0 ; set rounds 0
    while 1 {
        lassign [r ZSCAN z $cursor MATCH m:0* COUNT 5] cursor pairs
        foreach {m score} $pairs {dict incr seen $m}
        if {[incr rounds] > 3000} {error "it does not end"}
        if {$cursor == 0} break
    }
    assert_equal 6000 [dict size $seen]
    assert_equal {0 {}} [r ZSCAN none 0]
    assert_error "ERR invalid cursor" {r ZSCAN z x}
    assert_error "ERR syntax error" {r ZSCAN z 0 COUNT 0}
}

test "ZRANDMEMBER draws different members, or with repeats" {
    each_size {
        r DEL z
        fill z $n
        cold
        assert_equal 5 [llength [lsort -unique [r ZRANDMEMBER z 5]]]
        assert_equal 8 [llength [r ZRANDMEMBER z -8]]
        assert_equal $n [llength [lsort -unique [r ZRANDMEMBER z [expr {$n + 10}]]]]
        foreach {m score} [flat [r ZRANDMEMBER z 3 WITHSCORES]] {assert_equal $score [r ZSCORE z $m]}
        assert_equal 1 [string match m:* [r ZRANDMEMBER z]]
    }
    assert_nil [r ZRANDMEMBER none]
    assert_equal {} [r ZRANDMEMBER none 3]
    assert_error "ERR syntax error" {r ZRANDMEMBER z 1 WITH}
}

test "Unions, intersections and differences, of sets too, told and stored" {
    each_size {
        r DEL z y
        fill z $n
        r ZADD y 10 [name 1] 20 [name 2] 30 none
        r SADD s [name 2] [name 3]
        cold
        assert_equal [list [name 1] 10 [name 2] 21] [flat [r ZINTER 2 z y WITHSCORES]]
        assert_equal [list [name 2] 3 [name 3] 3] [flat [r ZINTER 2 z s WEIGHTS 2 1 WITHSCORES]]
        assert_equal 2 [r ZINTERCARD 2 z y]
        assert_equal 1 [r ZINTERCARD 2 z y LIMIT 1]
        assert_equal [expr {$n - 2}] [llength [r ZDIFF 2 z y]]
        assert_equal [expr {$n + 1}] [r ZUNIONSTORE to 3 z y s AGGREGATE MAX]
        assert_equal 20 [r ZSCORE to [name 2]]
        assert_equal 1 [r ZSCORE to [name 3]]
        cold
        assert_equal 1 [r ZDIFFSTORE to 2 to z]
        assert_equal 0 [r ZINTERSTORE to 2 y none]
        assert_equal 0 [r EXISTS to]
        assert_equal 4 [r ZRANGESTORE to z 1 4]
        assert_equal [names 1 4] [r ZRANGE to 0 -1]
        assert_equal 0 [r ZRANGESTORE to z 4 1]
        assert_equal 0 [r EXISTS to]
        r DEL s
    }
    assert_error "ERR at least 1 input key is needed for 'zunion' command" {r ZUNION 0 z}
    assert_error "ERR syntax error" {r ZUNION 3 z y}
    assert_error "ERR weight value is not a float" {r ZUNION 2 z y WEIGHTS 1 x}
    assert_error "ERR LIMIT can't be negative" {r ZINTERCARD 1 z LIMIT -1}
}

test "A stored union has no expiry, and replaces any type" {
    r ZADD z 1 a
    r SET to x EX 1000
    assert_equal 1 [r ZUNIONSTORE to 1 z]
    assert_equal -1 [r TTL to]
    assert_equal zset [r TYPE to]
}

proc waiting {args} {
    set before [blocked]
    set c [connect]
    $c -send {*}$args
    wait_for_condition 200 10 {[blocked] == $before + 1}
    return $c
}
proc blocked {} {
    regexp {blocked_clients:(\d+)} [r INFO clients] all n
    return $n
}
proc ended {c} {
    set reply [$c -readtyped]
    $c -close
    return $reply
}

test "BZPOPMIN, BZPOPMAX and BZMPOP wait for a member, or answer at once" {
    set c [waiting BZPOPMIN none z 0]
    r ZADD z 2 b 1 a
    assert_equal [list array [list {bulk z} {bulk a} [double 1]]] [ended $c]
    assert_equal [list array [list {bulk z} {bulk b} [double 2]]] [r -typed BZPOPMAX z 1]
    assert_equal 0 [r EXISTS z]
    set c [waiting BZMPOP 0 1 z MAX COUNT 2]
    r ZADD z 1 a 2 b 3 c
    assert_equal [list array [list {bulk z} [list array [list [pair c 3] [pair b 2]]]]] [ended $c]
    set c [waiting BZPOPMAX z2 0]
    r LPUSH z2 x
    r DEL z2
    r ZUNIONSTORE z2 1 z
    assert_equal [list array [list {bulk z2} {bulk a} [double 1]]] [ended $c]
    assert_nil [r BZPOPMIN none 0.01]
    r MULTI
    r BZPOPMIN none 0
    assert_equal {{}} [r EXEC]
}

test "SORT orders a sorted set by its members, or leaves its order" {
    r ZADD z 3 1 2 2 1 3
    assert_equal {1 2 3} [r SORT z]
    assert_equal {3 2 1} [r SORT z BY nosort]
    assert_equal {1 2} [r SORT z BY nosort DESC LIMIT 0 2]
    assert_equal 3 [r SORT z BY nosort STORE l]
    assert_equal {3 2 1} [r LRANGE l 0 -1]
}
