# turns.tcl -- commands of very many keys, and long transactions, of which each turn of the loop does a part.

proc many {} {return 6000}
proc pairs {prefix value} {
    for {set i 0} {$i < [many]} {incr i} {lappend all $prefix$i $value$i}
    return $all
}
proc keys {prefix} {
    for {set i 0} {$i < [many]} {incr i} {lappend all $prefix$i}
    return $all
}
proc values {value} {return [keys $value]}
# How many turns of the loop the code takes, at least: what asks counts too.
proc turns_of {code} {
    r CONFIG RESETSTAT
    uplevel $code
    return [info_field loop_turns]
}

test -tags {cove} "Commands of very many keys answer as those of few" {
    r SADD k7 no string
    assert_equal OK [r MSET {*}[pairs k v]]
    assert_equal [values v] [r MGET {*}[keys k]]
    assert_equal [many] [r DBSIZE]
    r DEL k11
    r DEL k13
    r SADD k13 a
    set want [lreplace [lreplace [values v] 11 11 {}] 13 13 {}]
    assert_equal $want [r MGET {*}[keys k]]
    assert_equal [expr {[many] + 1}] [r EXISTS {*}[keys k] k1 k1 k11]
    assert_equal [expr {[many] - 1}] [r TOUCH {*}[keys k]]
    assert_equal 0 [r MSETNX {*}[pairs n v] k1 x]
    assert_equal 0 [r EXISTS {*}[keys n]]
    assert_equal 1 [r MSETNX {*}[pairs n v] n1 again]
    assert_equal again [r GET n1]
    assert_equal 0 [r MSETEX [many] {*}[pairs k w] XX]
    assert_equal 0 [r MSETEX [many] {*}[pairs n w] NX]
    assert_equal 1 [r MSETEX [many] {*}[pairs n w] XX EX 1000]
    assert_equal [values w] [r MGET {*}[keys n]]
    assert_range [r TTL n[expr {[many] - 1}]] 900 1000
    assert_equal 1 [r MSETEX [many] {*}[pairs n u] KEEPTTL]
    assert_range [r TTL n5] 900 1000
    assert_equal u5 [r GET n5]
    assert_equal [expr {[many] - 1}] [r DEL {*}[keys k] k1]
    assert_equal [many] [r UNLINK {*}[keys n]]
    assert_equal 0 [r DBSIZE]
    assert_error "*wrong number of arguments*" {r MSET {*}[keys k] odd}
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Long strings among very many keys are answered as they are" {
    r MSET {*}[pairs k v]
    set long [string repeat "a long one " 50000]
    r SET k5 $long
    r SET k3000 $long
    r SET k3001 ""
    set want [lreplace [lreplace [lreplace [values v] 5 5 $long] 3000 3000 $long] 3001 3001 ""]
    assert_equal $want [r MGET {*}[keys k]]
}

# Runs the command, and meanwhile asks for its first and its last key: never is one there without the other.
proc beside_others {before after command {r r}} {
    global others
    set turns [turns_of {
        $r -send {*}$command
        for {set i 0} {$i < 10} {incr i} {
            foreach c $::others {$c -send EXISTS k0 k[expr {[many] - 1}]}
            foreach c $::others {
                set n [$c -read]
                assert {$n == $before || $n == $after}
            }
        }
        set reply [$r -read]
    }]
    assert_range $turns [expr {[many] / 600}] 1000000
    return $reply
}
proc with_others {code} {
    global others
    r CLIENT ACK memory
    set others {}
    for {set i 0} {$i < 4} {incr i} {lappend others [connect]}
    uplevel $code
    foreach c $::others {$c -close}
}

test -tags {cove} "Commands of very many keys take several turns, and nobody sees half of one" {
    with_others {
        for {set round 0} {$round < 4} {incr round} {
            assert_equal OK [beside_others 0 2 [list MSET {*}[pairs k v]]]
            assert_equal [values v] [beside_others 2 2 [list MGET {*}[keys k]]]
            assert_equal [many] [beside_others 2 2 [list EXISTS {*}[keys k]]]
            assert_equal [many] [beside_others 2 0 [list DEL {*}[keys k]]]
            assert_equal 1 [beside_others 0 2 [list MSETNX {*}[pairs k v]]]
            assert_equal [many] [beside_others 2 0 [list UNLINK {*}[keys k]]]
        }
    }
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Transactions of very many keys and commands take several turns, and nobody sees half of one" {
    with_others {
        set t [connect]
        $t MULTI
        $t MSET {*}[pairs k v]
        $t MGET {*}[keys k]
        $t INCR n
        lassign [beside_others 0 2 EXEC $t] ok read n
        assert_equal OK $ok
        assert_equal [values v] $read
        assert_equal 1 $n
        r FLUSHALL
        $t MULTI
        foreach {k v} [pairs k v] {
            $t -send SET $k $v
            $t -send APPEND all $v
            $t -send SADD set $v
            $t -send RPUSH list $k
        }
        for {set i 0} {$i < 4 * [many]} {incr i} {assert_equal QUEUED [$t -read]}
        set turns [turns_of {
            $t -send EXEC
            foreach c $::others {
                $c -send EXISTS k0 k[expr {[many] - 1}]
                set n [$c -read]
                assert {$n == 0 || $n == 2}
            }
            set replies [$t -read]
        }]
        $t -close
        assert_range $turns 10 1000000 ;# More than a turn takes of them on any machine.
        assert_equal [expr {4 * [many]}] [llength $replies]
        assert_equal [many] [lindex $replies end]
        assert_equal [join [values v] ""] [r GET all]
    }
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Two that hold databases do so one after the other" {
    with_others {
        set t [connect]
        $t CLIENT ACK memory
        $t SELECT 1
        $t MSET {*}[pairs k v]
        for {set round 0} {$round < 4} {incr round} {
            foreach {before after command} [list 0 2 [list MSET {*}[pairs k v]] 2 0 [list DEL {*}[keys k]]] {
                for {set i 0} {$i < 10} {incr i} {$t -send MGET {*}[keys k]}
                beside_others $before $after $command
                for {set i 0} {$i < 10} {incr i} {assert_equal [values v] [$t -read]}
            }
        }
        $t -close
    }
}

test -tags {cove} "A pause is before or after a command of very many keys" {
    set clients {}
    for {set i 0} {$i < 6} {incr i} {
        lappend clients [set c [connect]]
        $c CLIENT ACK memory
    }
    for {set round 1} {$round <= 8} {incr round} {
        foreach c $clients {
            for {set i 0} {$i < 4} {incr i} {
                $c -send MSET {*}[pairs $c v]
                $c -send DEL {*}[keys $c]
            }
        }
        after $round
        r CLIENT PAUSE 100000 WRITE
        set before [r DBSIZE]
        after 20
        assert_equal $before [r DBSIZE]
        assert_equal 0 [expr {$before % [many]}]
        r CLIENT UNPAUSE
        foreach c $clients {
            for {set i 0} {$i < 4} {incr i} {
                assert_equal OK [$c -read]
                assert_equal [many] [$c -read]
            }
        }
    }
    foreach c $clients {$c -close}
}

test -tags {cove} "What has begun to hold its database is finished, whoever goes away" {
    r CLIENT ACK memory
    for {set round 1} {$round <= 6} {incr round} {
        set c [connect]
        $c CLIENT ACK memory
        $c -send MSET {*}[pairs k $round]
        after $round
        $c -close
        wait_for_condition 500 10 {[info_field connected_clients] == 1} {fail "it stays"}
        set got [lsort -unique [lmap v [r MGET {*}[keys k]] {string index $v 0}]]
        assert_equal 1 [llength $got] ;# All of this round, or nothing of it.
    }
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Commands of very many keys are whole after a crash" {
    r CLIENT ACK memory
    r MSET {*}[pairs k a]
    assert_equal 1 [r WAIT 1 10000]
    for {set round 1} {$round <= 4} {incr round} {
        set c [connect]
        $c CLIENT ACK memory
        foreach v {b c d e} {$c -send MSET {*}[pairs k $v$round]}
        after [expr {5 * $round}]
        kill_server
        catch {$c -close}
        revive_server
        set got [lsort -unique [lmap v [r MGET {*}[keys k]] {string index $v 0}]]
        assert_equal 1 [llength $got]
        assert_equal OK [r DEBUG CHECK]
    }
}

# What the first command leaves behind and answers is what the second does with the other key, in a transaction: one after
# the other, few at a time, if `times` is more than 1.
proc same_as_in_turn {command key} {
    r COPY $key one REPLACE
    set reply [r {*}[string map [list KEY $key] $command]]
    r MULTI
    r {*}[string map {KEY one} $command]
    set other [lindex [r EXEC] 0]
    assert_equal [string map [list $key one] $other] [string map [list $key one] $reply]
    assert_equal [r EXISTS $key] [r EXISTS one]
    if {[r EXISTS $key]} {assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE $key]}
    r DEL one
    return $reply
}
proc in_few {n total args} {
    set all {}
    for {set i 0} {$i < $total} {incr i $n} {lappend all {*}[r {*}$args [expr {min($n, $total - $i)}]]}
    return $all
}

test -tags {cove} "Very many elements of a list are popped as few at a time" {
    foreach {side count} {LPOP 2500 RPOP 2500 LPOP 6000 RPOP 100000} {
        r DEL list copy
        r RPUSH list {*}[keys e]
        r EXPIRE list 1000
        r COPY list copy
        set n [expr {min($count, [many])}]
        set turns [turns_of {set popped [r $side list $count]}]
        assert_range $turns [expr {$n / 300}] 1000000
        assert_equal $n [llength $popped]
        assert_equal [in_few 1000 $n $side copy] $popped
        assert_equal [r LRANGE copy 0 -1] [r LRANGE list 0 -1]
        assert_equal [expr {$n < [many]}] [r EXISTS list]
    }
    r RPUSH list {*}[keys e]
    assert_equal [list list [keys e]] [r LMPOP 2 none list LEFT COUNT 6000]
    r RPUSH list {*}[keys e]
    assert_equal [list list [lreverse [lrange [keys e] 1000 end]]] [r BLMPOP 0 2 none list RIGHT COUNT 5000]
    assert_equal 1000 [r LLEN list]
    r RPUSH list {*}[keys e]
    same_as_in_turn {LPOP KEY 5000} list
    same_as_in_turn {LMPOP 1 KEY RIGHT COUNT 2000} list
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Very many members of a sorted set are popped as few at a time" {
    for {set i 0} {$i < [many]} {incr i} {lappend scored [expr {$i * 7919 % 1009}] m$i}
    foreach {command count} {ZPOPMIN 2500 ZPOPMAX 2500 ZPOPMIN 6000 ZPOPMAX 100000} {
        r DEL zset copy
        r ZADD zset {*}$scored
        r EXPIRE zset 1000
        r COPY zset copy
        set n [expr {min($count, [many])}]
        set turns [turns_of {set popped [r $command zset $count]}]
        assert_range $turns [expr {$n / 300}] 1000000
        assert_equal [in_few 1000 $n $command copy] $popped
        assert_equal [r ZRANGE copy 0 -1 WITHSCORES] [r ZRANGE zset 0 -1 WITHSCORES]
        assert_equal [expr {$n < [many]}] [r EXISTS zset]
        assert_equal OK [r DEBUG CHECK]
    }
    r ZADD zset {*}$scored
    r ZADD copy {*}$scored
    assert_equal [lreplace [r ZMPOP 1 copy MAX COUNT 6000] 0 0 zset] [r BZMPOP 0 2 none zset MAX COUNT 100000]
    r ZADD zset {*}$scored
    same_as_in_turn {ZPOPMIN KEY 2500} zset
    same_as_in_turn {ZMPOP 1 KEY MAX COUNT 3000} zset
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Who waits for a key gets very many elements, too" {
    set c [connect]
    foreach {wait fill} {
        {BLMPOP 0 1 list LEFT COUNT 100000} {RPUSH list {*}[keys e]}
        {BZMPOP 0 1 zset MIN COUNT 100000} {ZADD zset {*}[join [lmap k [keys e] {list 1 $k}]]}
    } {
        set id [$c CLIENT ID]
        $c -send {*}$wait
        wait_for_condition 500 10 {[info_field blocked_clients clients] == 1} {fail "it does not wait"}
        assert_equal [many] [r {*}[subst [string map {\{*\} {}} $fill]]]
        assert_equal [many] [llength [lindex [$c -read] 1]]
        assert_equal 0 [r EXISTS list zset]
    }
    $c -close
}

test -tags {cove} "A key whose time comes while its elements are popped is popped as a whole" {
    r CLIENT ACK memory
    for {set ms 1} {$ms < 12} {incr ms 2} {
        r DEL list
        r RPUSH list {*}[keys e]
        r PEXPIRE list $ms
        set popped [r LPOP list 6000]
        assert {[llength $popped] in [list 0 [many]]}
        assert_equal 0 [r EXISTS list]
    }
    assert_equal OK [r DEBUG CHECK]
}

test -tags {cove} "Very many draws with repeats are of what is there" {
    r SADD set {*}[keys e]
    r ZADD zset {*}[join [lmap k [keys e] {list 1 $k}]]
    r HSET hash {*}[pairs e v]
    foreach command {{SRANDMEMBER set} {ZRANDMEMBER zset} {HRANDFIELD hash}} {
        set turns [turns_of {set drawn [r {*}$command -20000]}]
        assert_range $turns 10 1000000
        assert_equal 20000 [llength $drawn]
        foreach e $drawn {assert {[string match e* $e]}}
        # Of 6,000, some 200 are not met by 20,000 draws.
        assert_range [llength [lsort -unique $drawn]] 5500 [many]
    }
    set flat [flat [r HRANDFIELD hash -5000 WITHVALUES]]
    assert_equal 10000 [llength $flat]
    foreach {f v} $flat {assert_equal v[string range $f 1 end] $v}
    set flat [flat [r ZRANDMEMBER zset -5000 WITHSCORES]]
    assert_equal 10000 [llength $flat]
    foreach {m score} $flat {assert_equal 1 $score}
}

test -tags {cove} "Long strings are combined bit by bit in steps as in one turn" {
    for {set i 0} {$i < 60000} {incr i} {append text [expr {$i * 7919}]}
    r SET a $text
    r SET b [string reverse [string range $text 0 400000]]
    r SETRANGE d 700000 end
    r SET e short
    foreach op {AND OR XOR DIFF DIFF1 ANDOR ONE} {
        foreach sources {{a b} {b a} {a b d e none} {e d a} {a a}} {
            set turns [turns_of {set n [r BITOP $op to {*}$sources]}]
            assert_range $turns 3 1000000
            r MULTI
            r BITOP $op one {*}$sources
            assert_equal $n [lindex [r EXEC] 0]
            assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE to]
            assert_equal raw [r OBJECT ENCODING to]
        }
    }
    # It may be its own source, and loses its time.
    r EXPIRE a 1000
    r COPY a copy
    assert_equal [string length $text] [r BITOP NOT a a]
    assert_equal -1 [r TTL a]
    r BITOP NOT copy copy
    assert_equal [r DEBUG DIGEST-VALUE copy] [r DEBUG DIGEST-VALUE a]
    r BITOP NOT a a
    assert_equal $text [r GET a]
    r SADD set x
    assert_error "WRONGTYPE*" {r BITOP AND to a set}
    assert_equal OK [r DEBUG CHECK]
}
