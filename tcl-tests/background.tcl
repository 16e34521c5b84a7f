# background.tcl -- what workers and the server itself do beside commands, as DEBUG BACKGROUND shows it.

proc later {what key} {r DEBUG BACKGROUND LATER $what $key}
proc wait_for_value {key value} {
    wait_for_condition 200 20 {[r GET $key] eq $value} "$key is [r GET $key], not $value"
}

test -tags {cove} "A worker's result is the reply, and others go on meanwhile" {
    set c [connect]
    $c -send DEBUG BACKGROUND WORK 1000 41
    set began [clock milliseconds]
    for {set i 0} {$i < 20} {incr i} {r PING}
    assert_range [expr {[clock milliseconds] - $began}] 0 900
    assert_equal 42 [$c -read]
    assert_range [expr {[clock milliseconds] - $began}] 990 60000
    $c -close
}

test -tags {cove} "What a client sends behind work for a worker comes after it, in order" {
    r -send DEBUG BACKGROUND WORK 30 1
    r -send DEBUG BACKGROUND WORK 0 10
    r -send PING
    assert_equal 2 [r -read]
    assert_equal 11 [r -read]
    assert_equal PONG [r -read]
}

test -tags {cove} "Work for a worker is refused inside MULTI" {
    r MULTI
    r DEBUG BACKGROUND WORK 0 1
    r PING
    r -send EXEC
    set reply [r -readtyped]
    assert_match "array {{error {ERR work for a worker is not possible inside MULTI*}} {status PONG}}" $reply
}

test -tags {cove} "A client that goes away while a worker works for it harms nobody" {
    for {set i 0} {$i < 8} {incr i} {
        set c [connect]
        $c -send DEBUG BACKGROUND WORK 60 $i
        $c -close
    }
    assert_equal 8 [r DEBUG BACKGROUND WORK 0 7]
    assert_equal PONG [r PING]
}

# A large write is packed by a worker before it can be stored.
test -tags {cove} "Work for workers does not hold writes up" {
    set clients {}
    for {set i 0} {$i < 4} {incr i} {
        lappend clients [set c [connect]]
        $c -send DEBUG BACKGROUND WORK 2500 $i
    }
    wait_for_condition 100 10 {[info_field blocked_clients] == 4}
    set began [clock milliseconds]
    assert_equal OK [r SET large [string repeat x 1000000]]
    assert_range [expr {[clock milliseconds] - $began}] 0 2400
    foreach c $clients {$c -close}
}

test -tags {cove} "The server runs a command by itself, in the database of the one that asked" {
    r SET k 0
    r SELECT 3
    r SET k 10
    later COUNT k
    wait_for_value k 11
    r SELECT 0
    assert_equal 0 [r GET k]
}

test -tags {cove} "What it does is stored as any change" {
    r SET k 5
    later COUNT k
    wait_for_value k 6
    r SAVE
    restart_server -9
    assert_equal 6 [r GET k]
}

test -tags {cove} "It runs after EXEC, and the same waits once" {
    r SET k 0
    r MULTI
    for {set i 0} {$i < 5} {incr i} {later COUNT k}
    r INCRBY k 100
    r GET k
    assert_equal 100 [lindex [r EXEC] end]
    wait_for_value k 101
    after 50
    assert_equal 101 [r GET k]
}

test -tags {cove} "While one runs, one more of the same waits, and not beside it" {
    r SET k 0
    later SLOW k
    after 50
    for {set i 0} {$i < 10} {incr i} {later SLOW k}
    assert_equal 0 [r GET k]
    wait_for_value k 1
    wait_for_value k 2
    after 400
    assert_equal 2 [r GET k]
}

test -tags {cove} "It runs when the client that asked has gone" {
    r SET k 0
    set c [connect]
    $c DEBUG BACKGROUND LATER SLOW k
    $c -close
    wait_for_value k 1
}

test -tags {cove} "Many keys all get their turn" {
    for {set i 0} {$i < 500} {incr i} {r -send SET k:$i 0}
    for {set i 0} {$i < 500} {incr i} {r -send DEBUG BACKGROUND LATER COUNT k:$i}
    for {set i 0} {$i < 1000} {incr i} {r -read}
    for {set i 0} {$i < 500} {incr i} {wait_for_value k:$i 1}
}

test -tags {cove} "A key that has gone: nothing happens, and none is made" {
    later COUNT none
    r SET k 0
    later SLOW k
    after 50
    r DEL k
    after 300
    assert_equal 0 [r DBSIZE]
}

test -tags {cove} "After FLUSHALL the new data is left alone" {
    r SET k 0
    later SLOW k
    after 50
    r FLUSHALL
    r SET k 7
    after 300
    assert_equal 7 [r GET k]
}

test -tags {cove} "A run under way follows its database through SWAPDB" {
    r SET k 0
    r SELECT 1
    r SET k 50
    r SELECT 0
    later SLOW k
    after 50
    r SWAPDB 0 1
    after 300
    assert_equal 50 [r GET k]
    r SELECT 1
    assert_equal 1 [r GET k]
    r SELECT 0
}

test -tags {cove} "No client and no statistic tells of it" {
    r SET k 0
    r CONFIG RESETSTAT
    later FAIL k
    later SLOW k
    after 50
    assert_equal 1 [info_field connected_clients]
    assert_equal 0 [info_field blocked_clients]
    assert_equal 1 [llength [split [string trim [r CLIENT LIST]] \n]]
    assert_no_match "*errorstat_ERR*" [r INFO errorstats]
    assert_no_match "*debug-slow*" [r INFO commandstats]
    wait_for_value k 1
    r DEL k
}

test -tags {cove} "Its commands are unknown to clients" {
    set count [r COMMAND COUNT]
    assert_equal $count [llength [r COMMAND]]
    foreach name {debug-count debug-slow VINDEX} {
        assert_error "ERR unknown command '$name', with args beginning with: 'k' " {r $name k}
        assert_equal {{}} [r COMMAND INFO $name]
        assert {[lsearch -nocase [r COMMAND LIST] $name] < 0}
    }
}

test -tags {cove} "An error is logged, and others do not wait for it to pass" {
    r SET bad 1
    for {set i 0} {$i < 20} {incr i} {r -send SET bad:$i 1}
    for {set i 0} {$i < 20} {incr i} {r -read}
    for {set i 0} {$i < 20} {incr i} {later FAIL bad:$i}
    r SET k 0
    later COUNT k
    wait_for_condition 50 10 {[r GET k] eq 1}
    set f [open [srv log]]
    set text [read $f]
    close $f
    assert_match "*debug-fail in the background: ERR the key is still there*" $text
    r FLUSHALL
}

test -tags {cove} "What failed is tried again, once for each that is the same" {
    r SET k 1
    for {set i 0} {$i < 3} {incr i} {later FAIL k; after 20}
    r SET n 0
    r DEL k
    later COUNT n
    wait_for_value n 1
}

test -tags {cove} "CLIENT PAUSE holds it up, and loses nothing" {
    r SET k 0
    r SET s 0
    later STEPS s
    r SET w 0
    later SLOW w
    after 50
    r CLIENT PAUSE 600 WRITE
    set s [r GET s]
    assert_range $s 1 39
    later COUNT k
    after 300
    assert_equal 0 [r GET k]
    assert_equal 0 [r GET w]
    assert_range [r GET s] $s $s
    r CLIENT UNPAUSE
    wait_for_value k 1
    wait_for_value w 1
    wait_for_value s 40
}

test -tags {cove} "The server ends while work is under way" {
    start_server {} {
        r SET a 0
        r SET b 0
        r DEBUG BACKGROUND LATER STEPS a
        r DEBUG BACKGROUND LATER SLOW b
        set c [connect]
        $c -send DEBUG BACKGROUND WORK 100 1
        after 30
    }
}

# Each of the pages is fetched while the transaction stays half done. Under --cold the run would be through
# before the transaction begins.
test -tags {cove} "A run in steps takes none inside a transaction that waits for pages" {
    for {set i 0} {$i < 400} {incr i} {r -send SET page:$i [string repeat $i 10000]}
    for {set i 0} {$i < 400} {incr i} {r -read}
    r SET k 0
    if {$::server::cold} {r DEBUG EVICT-ALWAYS no}
    r DEBUG RELOAD
    r MULTI
    r GET k
    for {set i 0} {$i < 400} {incr i} {r STRLEN page:$i; r GETRANGE page:$i 0 0}
    r GET k
    set c [connect]
    $c DEBUG BACKGROUND LATER STEPS k
    $c -close
    after 30
    set reply [r EXEC]
    assert_range [lindex $reply 0] 1 39
    assert_equal [lindex $reply 0] [lindex $reply end]
    wait_for_value k 40
    if {$::server::cold} {r DEBUG EVICT-ALWAYS yes}
}
