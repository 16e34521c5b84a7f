# multi.tcl -- MULTI, EXEC, DISCARD, WATCH and UNWATCH.

test "MULTI queues, EXEC answers all, in order" {
    assert_equal OK [r MULTI]
    assert_equal QUEUED [r SET a 1]
    assert_equal status [r -type]
    assert_equal QUEUED [r INCR a]
    assert_equal QUEUED [r GET a]
    assert_equal QUEUED [r GET none]
    assert_equal {array {{status OK} {int 2} {bulk 2} {nil {}}}} [r -typed EXEC]
    assert_equal 2 [r GET a]
}

test "Nothing happens before EXEC, and others see nothing" {
    set c [connect]
    r SET k before
    r MULTI
    r SET k after
    assert_equal before [$c GET k]
    r EXEC
    assert_equal after [$c GET k]
    $c -close
}

test "An empty transaction" {
    r MULTI
    assert_equal {array {}} [r -typed EXEC]
}

test "DISCARD forgets the queue" {
    r SET k v
    r MULTI
    r SET k w
    assert_equal OK [r DISCARD]
    assert_equal v [r GET k]
    assert_error "ERR EXEC without MULTI" {r EXEC}
}

test "Out of order: nested MULTI, EXEC and DISCARD without MULTI, WATCH inside" {
    assert_error "ERR EXEC without MULTI" {r EXEC}
    assert_error "ERR DISCARD without MULTI" {r DISCARD}
    r MULTI
    assert_error "ERR MULTI calls can not be nested" {r MULTI}
    assert_error "ERR WATCH inside MULTI is not allowed" {r WATCH k}
    assert_equal QUEUED [r SET k v]
    # Neither of the two spoils the transaction.
    assert_equal OK [r EXEC]
    assert_equal v [r GET k]
    assert_error "ERR wrong number of arguments for 'multi' command" {r MULTI x}
    assert_error "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command" \
        {r EXEC x}
    assert_error "ERR wrong number of arguments for 'watch' command" {r WATCH}
}

test "A command that cannot be queued spoils the transaction" {
    foreach bad {{NOSUCH x} {SET k} {GET a b} {CLIENT NOSUCH} {SELECT}} {
        r SET k v
        r MULTI
        r SET k w
        assert_error "ERR *" {r {*}$bad}
        assert_equal QUEUED [r SET k x]
        assert_error "EXECABORT Transaction discarded because of previous errors." {r EXEC}
        assert_equal v [r GET k]
        assert_error "ERR EXEC without MULTI" {r EXEC}
    }
    r MULTI
    catch {r NOSUCH}
    assert_equal OK [r DISCARD]
}

test "A command that fails in EXEC does not stop the others" {
    r HSET h f v
    r MULTI
    r SET a 1
    r INCR h
    r HGET h f
    r INCRBY a x
    r SET b 2
    assert_equal {array {{status OK} {error {WRONGTYPE Operation against a key holding the wrong kind of value}} {bulk v} {error {ERR value is not an integer or out of range}} {status OK}}} \
        [r -typed EXEC]
    assert_equal {1 2} [r MGET a b]
}

test "WATCH lets EXEC fail once the key has changed" {
    set c [connect]
    foreach change {
        {SET k other} {APPEND k x} {DEL k} {EXPIRE k 100} {HSET h f changed} {HDEL h f} {RENAME k z}
        {FLUSHALL} {FLUSHDB} {SET none v} {PERSIST t} {COPY t k REPLACE} {MOVE k 1} {GETDEL k} {INCR n} {SETRANGE k 0 x}
    } {
        r FLUSHALL
        r MSET k v n 1
        r SET t v EX 100
        r HSET h f v
        assert_equal OK [r WATCH k h none n t]
        $c {*}$change
        r MULTI
        r SET result yes
        assert_nil [r EXEC]
        assert_equal 0 [r EXISTS result] $change
    }
    $c -close
}

test "WATCH does not mind reads, failed writes and other keys" {
    set c [connect]
    foreach harmless {
        {GET k} {SET other v} {HGETALL h} {SETNX k x} {HDEL h none} {DEL none} {TTL k} {PERSIST k} {TOUCH k}
        {RENAMENX k h} {EXPIRE none 1} {HINCRBY k f 1} {SET k v XX GET NOSUCH}
    } {
        r SET k v
        r HSET h f v
        r WATCH k h none
        catch {$c {*}$harmless}
        r MULTI
        r PING
        assert_equal PONG [r EXEC] $harmless
    }
    $c -close
}

test "WATCH minds the client's own writes before MULTI, not those inside" {
    r SET k v
    r WATCH k
    r SET k w
    r MULTI
    r PING
    assert_nil [r EXEC]
    r WATCH k
    r MULTI
    r SET k x
    assert_equal OK [r EXEC]
    r MULTI
    r PING
    assert_equal PONG [r EXEC]
}

test "EXEC, DISCARD, UNWATCH and RESET forget what is watched" {
    set c [connect]
    foreach forget {{UNWATCH} {MULTI DISCARD} {MULTI EXEC}} {
        r SET k v
        r WATCH k
        foreach word $forget {r $word}
        $c SET k w
        r MULTI
        r PING
        assert_equal PONG [r EXEC] $forget
    }
    assert_equal OK [r UNWATCH]
    set d [connect 2]
    $d WATCH k
    $d RESET
    $c SET k z
    $d MULTI
    $d PING
    assert_equal PONG [$d EXEC]
    $c -close
    $d -close
}

test "WATCH is of a key in its database" {
    set c [connect]
    r SET k v
    r WATCH k
    $c SELECT 1
    $c SET k v
    r MULTI
    r PING
    assert_equal PONG [r EXEC]
    r WATCH k
    $c SELECT 0
    $c SET k x
    r SELECT 1
    r MULTI
    r PING
    assert_nil [r EXEC]
    r SELECT 0
    $c -close
}

test "SWAPDB changes the watched keys of both databases" {
    r SET k v
    r WATCH k
    set c [connect]
    $c SWAPDB 0 1
    r MULTI
    r PING
    assert_nil [r EXEC]
    $c SWAPDB 0 1
    $c -close
}

test "A watched key that expires makes EXEC fail" {
    r SET k v PX 400
    r WATCH k
    after 500
    r MULTI
    r PING
    assert_nil [r EXEC]
}

test "A key that had expired already when it was watched" {
    r DEBUG SET-ACTIVE-EXPIRE 0
    r SET k v PX 1
    after 30
    r WATCH k
    r MULTI
    r PING
    assert_equal PONG [r EXEC]
    r DEBUG SET-ACTIVE-EXPIRE 1
}

test "FLUSHDB, FLUSHALL and SWAPDB leave keys alone that are not there before and after" {
    foreach change {FLUSHDB FLUSHALL {SWAPDB 0 1}} {
        r SET other v
        r WATCH none
        r {*}$change
        r MULTI
        r PING
        assert_equal PONG [r EXEC] $change
    }
    r WATCH none
    r SELECT 1
    r FLUSHDB
    r SELECT 0
    r MULTI
    r PING
    assert_equal PONG [r EXEC]
}

test "A watched key that had expired may go with its database, or be exchanged for none" {
    r DEBUG SET-ACTIVE-EXPIRE 0
    foreach change {FLUSHDB FLUSHALL {SWAPDB 0 1}} {
        r SET stale v PX 1
        after 20
        r WATCH stale
        r {*}$change
        r MULTI
        r PING
        assert_equal PONG [r EXEC] $change
    }
    r DEBUG SET-ACTIVE-EXPIRE 1
}

test "An exchange that brings a watched key, also one watched before a FLUSHDB" {
    r SELECT 1
    r SET k v
    r SELECT 0
    r WATCH k
    r SWAPDB 0 1
    r MULTI
    r PING
    assert_nil [r EXEC]
    r DEL k
    r WATCH k
    r FLUSHDB
    r SET k again
    r MULTI
    r PING
    assert_nil [r EXEC]
}

test "SAVE has no place in a transaction" {
    r MULTI
    assert_error "ERR Command not allowed inside a transaction" {r SAVE}
    assert_error "EXECABORT *" {r EXEC}
}

test "A command over maxmemory is refused when it is queued, and DISCARD works" {
    with_config {maxmemory 1 maxmemory-policy noeviction} {
        r MULTI
        assert_error "OOM *" {r SET k v}
        assert_equal QUEUED [r GET k]
        assert_error "EXECABORT *" {r EXEC}
        r MULTI
        assert_error "OOM *" {r SET k v}
        assert_equal OK [r DISCARD]
    }
}

test "SELECT inside MULTI counts for what follows" {
    r MULTI
    r SELECT 5
    r SET k five
    r SELECT 0
    r SET k zero
    assert_equal {OK OK OK OK} [r EXEC]
    assert_equal zero [r GET k]
    r SELECT 5
    assert_equal five [r GET k]
    r SELECT 0
}

test "WATCH again and again of the same keys, and of many" {
    for {set i 0} {$i < 1000} {incr i} {lappend keys key:$i}
    for {set i 0} {$i < 3} {incr i} {assert_equal OK [r WATCH {*}$keys]}
    set c [connect]
    $c SET key:999 v
    $c -close
    r MULTI
    r PING
    assert_nil [r EXEC]
}

test "A transaction of thousands of commands, pipelined" {
    r -send MULTI
    for {set i 0} {$i < 5000} {incr i} {r -send INCR n}
    r -send EXEC
    assert_equal OK [r -read]
    for {set i 0} {$i < 5000} {incr i} {assert_equal QUEUED [r -read]}
    set replies [r -read]
    assert_equal 5000 [llength $replies]
    assert_equal 5000 [lindex $replies end]
}

test "A client that leaves inside MULTI or while watching leaves nothing" {
    set c [connect]
    $c WATCH k
    $c MULTI
    $c SET k lost
    $c -close
    after 20
    assert_equal 0 [r EXISTS k]
    assert_equal OK [r SET k v]
}

test "Two clients that compete with WATCH lose no increment" {
    set clients [list [connect] [connect] [connect]]
    r SET n 0
    set done 0
    while {$done < 60} {
        foreach c $clients {
            $c WATCH n
            dict set seen $c [$c GET n]
        }
        foreach c $clients {
            $c MULTI
            $c SET n [expr {[dict get $seen $c] + 1}]
            $c EXEC
            incr done [expr {[$c -type] ne "nil"}]
        }
    }
    assert_equal $done [r GET n]
    foreach c $clients {$c -close}
}

test "CLIENT LIST tells the length of a transaction" {
    assert_match "* multi=-1 *" [r CLIENT INFO]
    set c [connect]
    $c CLIENT SETNAME queueing
    $c MULTI
    $c PING
    $c PING
    assert_match "*name=queueing*flags=x * multi=2 *" [r CLIENT LIST]
    $c -close
}

test -tags {cove} "A transaction is whole or absent after kill -9" {
    for {set round 0} {$round < 5} {incr round} {
        set clients {}
        for {set i 0} {$i < 4} {incr i} {
            set c [connect]
            lappend clients $c
            for {set j 0} {$j < 100} {incr j} {
                $c -send MULTI
                $c -send SET a:$i $round.$j
                $c -send HSET b:$i f $round.$j
                $c -send EXEC
            }
        }
        after [random_int 60]
        kill_server
        set i 0
        foreach c $clients {
            set last($i) -1
            catch {
                for {set j 0} {$j < 100} {incr j} {
                    for {set k 0} {$k < 4} {incr k} {$c -read}
                    set last($i) $j
                }
            }
            $c -close
            incr i
        }
        revive_server
        for {set i 0} {$i < 4} {incr i} {
            assert_equal [r GET a:$i] [r HGET b:$i f]
            if {$last($i) >= 0} {
                lassign [split [r GET a:$i] .] in number
                assert_equal $round $in
                assert {$number >= $last($i)}
            }
        }
    }
}

test -tags {cove} "A client that is to be closed leaves while its transaction waits for pages" {
    r SET reply [string repeat x 8000000]
    r SET cold [string repeat y 16000000]
    r SET n 0
    for {set round 1} {$round <= 8} {incr round} {
        assert_equal OK [r SAVE]
        assert {[r DEBUG DROP-CLEAN] > 0}
        set c [connect]
        set id [$c CLIENT ID]
        $c -send GET reply ;# It is not read, so the server still has some of it to send.
        $c -send MULTI
        $c -send INCR n
        $c -send CLIENT KILL ID $id SKIPME NO
        for {set at 0} {$at < 16000000} {incr at 16000} {$c -send GETRANGE cold $at $at}
        $c -send INCR n
        $c -send EXEC
        after [expr {20 * $round}] ;# Nobody is answered while a transaction is open.
        $c -close
        wait_for_condition 500 10 {![string match "*id=$id *" [r CLIENT LIST]]} {fail "it stays"}
        assert {[r GET n] % 2 == 0}
    }
}
