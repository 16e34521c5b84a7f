# list_block.tcl -- the list commands that wait.

# A connection that has sent a command and waits for its reply.
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

test "What is there is popped at once" {
    r RPUSH a 1 2 3 4
    assert_equal {array {{bulk a} {bulk 1}}} [r -typed BLPOP none a 1]
    assert_equal {array {{bulk a} {bulk 4}}} [r -typed BRPOP a none 0]
    assert_equal {array {{bulk a} {array {{bulk 2}}}}} [r -typed BLMPOP 0 2 none a LEFT]
    assert_equal {bulk 3} [r -typed BLMOVE a b LEFT RIGHT 0]
    assert_equal {bulk 3} [r -typed BRPOPLPUSH b a 0]
    r RPUSH b x y z
    assert_equal {b {z y}} [r BLMPOP 1 1 b RIGHT COUNT 2]
    assert_equal {a 3} [r BLPOP a b 1]
    assert_equal 0 [blocked]
}

test "A push wakes who waits" {
    foreach {command push reply left} {
        {BLPOP l 0} {RPUSH l a b c} {array {{bulk l} {bulk a}}} {b c}
        {BRPOP l 0} {RPUSH l a b c} {array {{bulk l} {bulk c}}} {a b}
        {BLPOP l 0} {LPUSH l a b c} {array {{bulk l} {bulk c}}} {b a}
        {BLPOP x l y 0} {LPUSH l a} {array {{bulk l} {bulk a}}} {}
        {BLMPOP 0 2 x l LEFT} {RPUSH l a b} {array {{bulk l} {array {{bulk a}}}}} {b}
        {BLMPOP 0 2 x l RIGHT COUNT 10} {RPUSH l a b} {array {{bulk l} {array {{bulk b} {bulk a}}}}} {}
        {BLMOVE l m LEFT LEFT 0} {RPUSH l a b} {bulk a} {b}
        {BRPOPLPUSH l m 0} {RPUSH l a b} {bulk b} {a}
    } {
        r DEL l m
        set c [waiting {*}$command]
        set n [r {*}$push]
        assert_equal [expr {[llength $push] - 2}] $n
        assert_equal $left [r LRANGE l 0 -1]
        assert_equal 0 [blocked]
        assert_equal $reply [ended $c]
    }
    assert_equal b [r LRANGE m 0 -1]
}

test "Timeouts, with fractions" {
    foreach {command} {{BLPOP l 0.05} {BRPOP l 0.05} {BLMPOP 0.05 1 l LEFT} {BLMOVE l m LEFT LEFT 0.05}
                       {BRPOPLPUSH l m 0.05} {BLPOP l 0.0001}} {
        set began [clock milliseconds]
        assert_nil [r {*}$command]
        assert_range [expr {[clock milliseconds] - $began}] [expr {[string match *0001 $command] ? 0 : 49}] 5000
    }
    assert_error "ERR timeout is not a float or out of range" {r BLPOP l x}
    assert_error "ERR timeout is negative" {r BLPOP l -1}
    assert_error "ERR timeout is negative" {r BLMOVE l m LEFT LEFT -1}
    assert_error "ERR timeout is not a float or out of range" {r BLMPOP x 1 l LEFT}
    assert_error "ERR timeout is negative" {r BLPOP l 0x7FFFFFFFFFFFFFFF}
    assert_error "ERR timeout is negative" {r BRPOPLPUSH l m 9223372036854775807}
    assert_equal 0 [blocked]
}

test "Replies of a timeout, byte for byte" {
    foreach command {{BLPOP l 0.01} {BLMPOP 0.01 1 l LEFT} {BLMOVE l m LEFT LEFT 0.01} {BRPOPLPUSH l m 0.01}} {
        r -send {*}$command
        assert_equal [expr {[resp] == 2 ? "*-1" : "_"}] [r -line] $command
    }
}

test "First come, first served" {
    set a [waiting BLPOP l 0]
    set b [waiting BRPOP l 0]
    set c [waiting BLPOP l 0]
    r RPUSH l 1
    assert_equal {array {{bulk l} {bulk 1}}} [ended $a]
    assert_equal 2 [blocked]
    r RPUSH l 2 3 4
    assert_equal {array {{bulk l} {bulk 4}}} [ended $b]
    assert_equal {array {{bulk l} {bulk 2}}} [ended $c]
    assert_equal 3 [r LRANGE l 0 -1]
}

test "Who is served finds the whole of EXEC done" {
    set c [waiting BLPOP l 0]
    r MULTI
    r LPUSH l a
    r DEL l
    r LPUSH l b
    r LPUSH l c
    r EXEC
    assert_equal {array {{bulk l} {bulk c}}} [ended $c]
    r DEL l
    set c [waiting BLPOP l 0]
    r MULTI
    r LPUSH l x
    r DEL l
    r EXEC
    assert_equal 1 [blocked]
    r LPUSH l y
    assert_equal {array {{bulk l} {bulk y}}} [ended $c]
}

test "The key that was pushed to first counts" {
    set c [waiting BLPOP a b 0]
    r MULTI
    r RPUSH b 1
    r RPUSH a 2
    r EXEC
    assert_equal {array {{bulk b} {bulk 1}}} [ended $c]
    assert_equal 2 [r LRANGE a 0 -1]
}

test "Requests of one pipeline: who waits is served before the next" {
    set c [waiting BLPOP l 0]
    r -send RPUSH l a
    r -send LLEN l
    r -send RPUSH l b
    assert_equal {1 0 1} [list [r -read] [r -read] [r -read]]
    assert_equal {array {{bulk l} {bulk a}}} [ended $c]
}

test "What stands behind a waiting command runs after it" {
    set c [connect]
    $c -send BLPOP l 0
    $c -send RPUSH m 1
    $c -send BLPOP l 0
    $c -send RPUSH m 2
    $c -send PING
    wait_for_condition 200 10 {[blocked] == 1}
    assert_equal 0 [r EXISTS m]
    r RPUSH l a
    wait_for_condition 200 10 {[r LLEN m] == 1}
    wait_for_condition 200 10 {[blocked] == 1}
    r RPUSH l b
    assert_equal {l a} [$c -read]
    assert_equal 1 [$c -read]
    assert_equal {l b} [$c -read]
    assert_equal 2 [$c -read]
    assert_equal PONG [$c -read]
    $c -close
}

test "Another type does not wake, or end, who waits" {
    set c [waiting BLPOP l 0]
    r SET l x
    assert_equal 1 [blocked]
    r DEL l
    r HSET l a b
    assert_equal 1 [blocked]
    r DEL l
    r RPUSH l a
    assert_equal {array {{bulk l} {bulk a}}} [ended $c]
    r SET l x
    assert_error "WRONGTYPE *" {r BLPOP l 0}
    assert_error "WRONGTYPE *" {r BLPOP none l 0}
    assert_error "WRONGTYPE *" {r BLMOVE l m LEFT LEFT 0}
    assert_error "WRONGTYPE *" {r BLMPOP 0 1 l LEFT}
}

test "BLMOVE to a key of another type" {
    r SET s x
    set c [waiting BLMOVE l s LEFT LEFT 0]
    r RPUSH l a b
    assert_error "WRONGTYPE *" {$c -read}
    $c -close
    assert_equal {a b} [r LRANGE l 0 -1]
}

test "One move wakes the next, around in a circle" {
    set a [waiting BRPOPLPUSH l1 l2 0]
    set b [waiting BLMOVE l2 l3 LEFT RIGHT 0]
    set c [waiting BLPOP l3 0]
    r RPUSH l1 x
    assert_equal {bulk x} [ended $a]
    assert_equal {bulk x} [ended $b]
    assert_equal {array {{bulk l3} {bulk x}}} [ended $c]
    set a [waiting BRPOPLPUSH l1 l2 0]
    set b [waiting BRPOPLPUSH l2 l1 0]
    r RPUSH l1 y
    ended $a
    ended $b
    assert_equal {y} [r LRANGE l1 0 -1]
    assert_equal 0 [r EXISTS l2]
    set a [waiting BRPOPLPUSH l l 0]
    r RPUSH l z
    assert_equal {bulk z} [ended $a]
    assert_equal z [r LRANGE l 0 -1]
}

test "Inside MULTI nothing waits" {
    r MULTI
    r BLPOP l 0
    r BRPOP l 0
    r BLMOVE l m LEFT LEFT 0
    r BRPOPLPUSH l m 0
    r BLMPOP 0 1 l LEFT
    r RPUSH l a
    r BLPOP l 0
    r -send EXEC
    set nils [expr {[resp] == 2 ? {*-1 *-1 $-1 $-1 *-1} : {_ _ _ _ _}}]
    assert_equal "*7" [r -line]
    foreach n $nils {assert_equal $n [r -line]}
    assert_equal ":1" [r -line]
    assert_equal {l a} [r -read]
}

test "CLIENT UNBLOCK" {
    set c [connect]
    set id [$c CLIENT ID]
    foreach {how want} {"" timeout TIMEOUT timeout ERROR error} {
        $c -send BLPOP l 0
        wait_for_condition 200 10 {[blocked] == 1}
        assert_equal 1 [r CLIENT UNBLOCK $id {*}$how]
        if {$want eq "error"} {
            assert_error "UNBLOCKED client unblocked via CLIENT UNBLOCK" {$c -read}
        } else {
            assert_equal {} [$c -read]
            assert_equal nil [$c -type]
        }
    }
    assert_equal 0 [blocked]
    assert_equal 0 [r CLIENT UNBLOCK $id]
    r RPUSH l a
    assert_equal 1 [r LLEN l]
    assert_equal PONG [$c PING]
    $c -close
}

test "RENAME, RESTORE, COPY, SWAPDB, and MOVE wake, too" {
    foreach make {RENAME COPY RESTORE} {
        r DEL l src
        r RPUSH src a
        set payload [r DUMP src]
        set c [waiting BLPOP l 0]
        switch $make {
            RENAME {r RENAME src l}
            COPY {r COPY src l}
            RESTORE {r RESTORE l 0 $payload}
        }
        assert_equal {array {{bulk l} {bulk a}}} [ended $c]
    }
    r DEL l src
    set c [waiting BLPOP l 0]
    r SELECT 10
    r RPUSH l a
    r MOVE l 0
    r SELECT 0
    assert_equal {array {{bulk l} {bulk a}}} [ended $c]
    set c [waiting BLPOP l 0]
    r SELECT 10
    r RPUSH l b
    assert_equal 1 [blocked]
    r SWAPDB 0 10
    r SELECT 0
    assert_equal {array {{bulk l} {bulk b}}} [ended $c]
}

test "A client that went away takes nothing" {
    set c [waiting BLPOP l 0]
    $c -close
    wait_for_condition 200 10 {[blocked] == 0}
    r RPUSH l a
    assert_equal a [r LRANGE l 0 -1]
    set c [waiting BLPOP gone 0]
    set d [waiting BLPOP l2 0]
    assert_equal 2 [blocked]
    r CLIENT KILL TYPE normal SKIPME yes
    wait_for_condition 200 10 {[blocked] == 0}
    $c -close
    $d -close
}

test "The same key named twice" {
    set c [waiting BLPOP l l m l 0]
    r RPUSH l a b
    assert_equal {array {{bulk l} {bulk a}}} [ended $c]
    assert_equal b [r LRANGE l 0 -1]
}

test "A hundred wait, and are served in order" {
    set clients {}
    for {set i 0} {$i < 100} {incr i} {
        set c [connect]
        $c -send BLPOP l 0
        lappend clients $c
        wait_for_condition 200 5 {[blocked] == $i + 1}
    }
    for {set i 0} {$i < 100} {incr i 4} {r RPUSH l $i [expr {$i + 1}] [expr {$i + 2}] [expr {$i + 3}]}
    set i 0
    foreach c $clients {
        assert_equal "l $i" [$c -read]
        $c -close
        incr i
    }
    assert_equal 0 [blocked]
}

test "Much that is sent while a client waits is taken in order" {
    set c [waiting BLPOP l 0]
    set big [string repeat x 10000]
    for {set i 0} {$i < 50} {incr i} {$c -send RPUSH m $i:$big}
    $c -send BLPOP l 0
    $c -send LLEN m
    r RPUSH l a
    wait_for_condition 200 10 {[r LLEN m] == 50}
    wait_for_condition 200 10 {[blocked] == 1}
    for {set i 0} {$i < 50} {incr i} {assert_equal $i:$big [r LINDEX m $i]}
    r RPUSH l b
    assert_equal {l a} [$c -read]
    for {set i 1} {$i <= 50} {incr i} {assert_equal $i [$c -read]}
    assert_equal {l b} [$c -read]
    assert_equal 50 [$c -read]
    $c -close
}

test "BLMPOP judges its timeout last, LMPOP its count before what follows" {
    assert_error "ERR count should be greater than 0" {r BLMPOP abc 1 l LEFT COUNT 0}
    assert_error "ERR count should be greater than 0" {r BLMPOP abc 1 l LEFT COUNT -1 more}
    assert_error "ERR count should be greater than 0" {r LMPOP 1 l LEFT COUNT 0 more}
    assert_error "ERR syntax error" {r LMPOP 1 l LEFT COUNT 1 more}
    assert_error "ERR syntax error" {r BLMPOP abc 1 l LEFT COUNT}
    assert_error "ERR timeout is not a float or out of range" {r BLMPOP abc 1 l LEFT COUNT 1}
}

test "Clients that wait for thousands of keys at once are served, each by its own key" {
    # More keys than the server has slots for those who wait: some of one client share a slot.
    set keys {}
    for {set i 0} {$i < 3000} {incr i} {lappend keys wait:$i}
    set one [connect]
    set other [connect]
    for {set i 0} {$i < 40} {incr i} {
        $one -send BLPOP {*}$keys 0
        $other -send BLPOP {*}$keys 0
        wait_for_condition 200 10 {[blocked] == 2}
        set key wait:[expr {$i * 73}]
        assert_equal 2 [r RPUSH $key a b]
        assert_equal [list [list $key a] [list $key b]] [lsort [list [$one -read] [$other -read]]]
        assert_equal 0 [r EXISTS $key]
    }
    assert_equal 0 [blocked]
    $one -close
    $other -close
}
