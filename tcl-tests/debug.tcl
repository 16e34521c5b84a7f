# debug.tcl -- the DEBUG subcommands that test suites use, and SHUTDOWN.

test "DEBUG subcommands that answer OK" {
    r HSET h f v
    foreach words {
        {LOG "a line for the log"} {QUICKLIST-PACKED-THRESHOLD 100b} {QUICKLIST-PACKED-THRESHOLD 0}
        {REPLYBUFFER PEAK-RESET-TIME NEVER} {REPLYBUFFER PEAK-RESET-TIME RESET}
        {REPLYBUFFER RESIZING 0} {REPLYBUFFER RESIZING 1} {PAUSE-CRON 1} {PAUSE-CRON 0}
        {SET-ACTIVE-EXPIRE 0} {SET-ACTIVE-EXPIRE 1} {LISTPACK h} {RELOAD} {SLEEP 0.001}
    } {
        r -send DEBUG {*}$words
        set v [r -readtyped]
        assert_equal status [lindex $v 0] $words
    }
    assert_equal v [r HGET h f]
}

# Redis has a file to load only with appendonly.
test -tags {cove} "DEBUG LOADAOF brings everything back" {
    r SET k v EX 1000
    r HSET h f v
    set digest [r DEBUG DIGEST]
    assert_equal OK [r DEBUG LOADAOF]
    assert_equal $digest [r DEBUG DIGEST]
    assert_range [r TTL k] 990 1000
}

test "DEBUG LOG writes into the log" {
    r DEBUG LOG "mark 4711 of the tests"
    set f [open [srv log]]
    set text [read $f]
    close $f
    assert_match "*mark 4711 of the tests*" $text
}

test "DEBUG SLEEP holds everybody up" {
    set c [connect]
    set began [clock milliseconds]
    $c -send DEBUG SLEEP 0.3
    after 50
    assert_equal PONG [r PING]
    assert {[clock milliseconds] - $began >= 290}
    assert_equal OK [$c -read]
    $c -close
}

test "DEBUG PAUSE-CRON keeps expired keys from being collected" {
    r DEBUG PAUSE-CRON 1
    r SET k v PX 10
    after 300
    assert_equal 1 [r DBSIZE]
    r DEBUG PAUSE-CRON 0
    wait_for_condition 100 50 {[r DBSIZE] == 0}
}

test "DEBUG OBJECT and DIGEST-VALUE of keys that are not there" {
    assert_error "ERR no such key" {r DEBUG OBJECT none}
    assert_equal [string repeat 0 40] [r DEBUG DIGEST-VALUE none]
    assert_error "ERR no such key" {r DEBUG LISTPACK none}
    assert_error "ERR Not a listpack encoded object." {
        r SET s v
        r DEBUG LISTPACK s
    }
}

test "DEBUG HELP" {
    set typed [r -typed DEBUG HELP]
    assert_equal array [lindex $typed 0]
    assert_equal {status {DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:}} [lindex $typed 1 0]
}

test "SHUTDOWN with options that do not go together is refused" {
    foreach words {{NOSUCH} {SAVE NOSAVE} {ABORT SAVE} {NOW ABORT}} {
        assert_error "ERR syntax error" {r SHUTDOWN {*}$words}
    }
    assert_error "ERR No shutdown in progress." {r SHUTDOWN ABORT}
    assert_equal PONG [r PING]
}

test "SHUTDOWN ends the server with status 0 and closes connections" {
    foreach words {{} {NOSAVE} {SAVE} {NOW FORCE}} {
        server::start {}
        set failure [catch {
            set c [connect]
            r SET k v
            $c -send SHUTDOWN {*}$words
            assert [$c -eof]
            $c -close
            assert_equal 0 [server::wait]
            # So that the end is not a surprise to those who take it from the stack.
            server::launch
            r PING
        } message options]
        server::stop
        if {$failure} {return -options $options $message}
    }
}

test "SIGTERM and SIGINT end the server with status 0" {
    foreach signal {TERM INT} {
        server::start {}
        set failure [catch {
            r SET k v
            exec kill -$signal [srv pid]
            assert_equal 0 [server::wait]
            server::launch
        } message options]
        server::stop
        if {$failure} {return -options $options $message}
    }
}

test -tags {cove} "DEBUG CHECK, DROP-CLEAN, ERROR, STRINGMATCH-LEN, CHANGE-REPL-ID" {
    for {set i 0} {$i < 1000} {incr i} {r HSET h f$i $i}
    assert_equal OK [r DEBUG CHECK]
    r SAVE
    assert {[r DEBUG DROP-CLEAN] > 0}
    assert_equal 0 [r DEBUG DROP-CLEAN]
    assert_equal 999 [r HGET h f999]
    assert_equal OK [r DEBUG CHECK]
    assert_error "MYERR with words" {r DEBUG ERROR "MYERR with words"}
    assert_equal 1 [r DEBUG STRINGMATCH-LEN a*c abbbc]
    assert_equal 0 [r DEBUG STRINGMATCH-LEN a*c abbb]
    set before [info_field master_replid]
    assert_equal OK [r DEBUG CHANGE-REPL-ID]
    assert_not_equal $before [info_field master_replid]
    assert_error "ERR Wrong protocol type name. Please use one of the following: *" {r DEBUG PROTOCOL odd}
    assert_error "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options." {r DEBUG RELOAD odd}
    assert_error "ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP." {r DEBUG SLEEP}
}

test -tags {cove} "DEBUG POPULATE of many keys leaves room for others" {
    set c [connect]
    $c -send DEBUG POPULATE 20000 many 100
    set served 0
    for {set i 0} {$i < 20} {incr i} {r PING; incr served}
    assert_equal OK [$c -read]
    $c -close
    assert_equal 20000 [r DBSIZE]
    assert_equal 100 [r STRLEN many:19999]
}

# Two writes that come at once are one segment; its buffer is kept for the next one, for a second or two.
test -tags {cove} "What a load has taken for the log is given back when it is over" {
    set before [info_field used_memory]
    for {set i 0} {$i < 8} {incr i} {
        r -send SET big:$i [string repeat [format %08d $i] 40000]
    }
    for {set i 0} {$i < 8} {incr i} {assert_equal OK [r -read]}
    r FLUSHALL
    wait_for_condition 100 100 {[info_field used_memory] < $before + 4000000}
}
