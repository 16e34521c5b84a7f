# protocol.tcl -- RESP as bytes: inline commands, malformed requests, limits, shapes of replies.

proc raw_connection {} {connect 2}

test "Inline commands, with quotes and escapes" {
    set c [raw_connection]
    $c -raw "PING\r\n"
    assert_equal +PONG [$c -line]
    $c -raw "PING\n"
    assert_equal +PONG [$c -line]
    $c -raw "SET k \"a \\x41\\n\\\"b\\\"\"\r\n"
    assert_equal +OK [$c -line]
    assert_equal "a A\n\"b\"" [$c GET k]
    $c -raw "SET k 'single \\' quoted \\n'\r\n"
    assert_equal +OK [$c -line]
    assert_equal "single ' quoted \\n" [$c GET k]
    $c -raw "  SET   k   v  \r\n"
    assert_equal +OK [$c -line]
    assert_equal v [$c GET k]
    $c -raw "SET k \"\"\r\n"
    assert_equal +OK [$c -line]
    assert_equal "" [$c GET k]
    $c -close
}

test "Empty lines and empty arrays are nothing" {
    set c [raw_connection]
    $c -raw "\r\n\r\n*0\r\n*-1\r\n\r\nPING\r\n*0\r\n*1\r\n\$4\r\nPING\r\n"
    assert_equal +PONG [$c -line]
    assert_equal +PONG [$c -line]
    $c -close
}

foreach {name bytes text} {
    "unbalanced quotes"           "SET k \"v\r\n"                "ERR Protocol error: unbalanced quotes in request"
    "a count that is no number"   "*abc\r\n"                      "ERR Protocol error: invalid multibulk length"
    "a count that is too large"   "*3000000000\r\n"               "ERR Protocol error: invalid multibulk length"
    "a count with a space"        "* 1\r\n"                       "ERR Protocol error: invalid multibulk length"
    "a wrong type of argument"    "*1\r\n:1\r\n"                  "ERR Protocol error: expected '$', got ':'"
    "a missing bulk header"       "*2\r\n$4\r\nPING\r\nfoo\r\n"  "ERR Protocol error: expected '$', got 'f'"
    "a negative bulk length"      "*1\r\n$-1\r\n"                 "ERR Protocol error: invalid bulk length"
    "a bulk length of letters"    "*1\r\n$blabla\r\n"             "ERR Protocol error: invalid bulk length"
    "a bulk length over 512 MB"   "*1\r\n$536870913\r\n"          "ERR Protocol error: invalid bulk length"
    "a bulk length over 64 bits"  "*1\r\n$99999999999999999999\r\n" "ERR Protocol error: invalid bulk length"
} {
    test "$name: an error, then the connection is closed" {
        set c [raw_connection]
        $c -raw [subst -nocommands -novariables $bytes]
        assert_error $text {$c -read}
        assert [$c -eof]
        $c -close
        assert_equal PONG [r PING]
    }
}

test "What came before a protocol error is answered" {
    set c [raw_connection]
    $c -raw "*1\r\n\$4\r\nPING\r\n*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$1\r\nv\r\n*x\r\nPING\r\n"
    assert_equal +PONG [$c -line]
    assert_equal +OK [$c -line]
    assert_error "ERR Protocol error: invalid multibulk length" {$c -read}
    assert [$c -eof]
    $c -close
    assert_equal v [r GET k]
}

test "A line of more than 64 KB without an end is refused" {
    set c [raw_connection]
    $c -raw [string repeat a 70000]
    assert_error "ERR Protocol error: too big inline request" {$c -read}
    assert [$c -eof]
    $c -close
    foreach {start text} {* "too big mbulk count string" "*1\r\n$" "too big bulk count string"} {
        set c [raw_connection]
        $c -raw $start[string repeat 1 70000]
        assert_error "ERR Protocol error: $text" {$c -read}
        assert [$c -eof]
        $c -close
    }
}

test "A request may arrive byte by byte" {
    set c [raw_connection]
    set request "*3\r\n\$3\r\nSET\r\n\$3\r\nkey\r\n\$5\r\nv\r\nal\r\n*2\r\n\$3\r\nGET\r\n\$3\r\nkey\r\nPING\r\n"
    foreach byte [split $request ""] {
        $c -raw $byte
        after 1
    }
    assert_equal OK [$c -read]
    assert_equal "v\r\nal" [$c -read]
    assert_equal PONG [$c -read]
    $c -close
}

test "Random cuts of a pipeline change nothing" {
    set request ""
    set want {}
    for {set i 0} {$i < 300} {incr i} {
        set v [random_bytes [random_int 400]]
        append request "*3\r\n\$3\r\nSET\r\n\$[string length k$i]\r\nk$i\r\n\$[string length $v]\r\n$v\r\n"
        append request "*2\r\n\$3\r\nGET\r\n\$[string length k$i]\r\nk$i\r\n"
        lappend want OK $v
    }
    set c [raw_connection]
    set at 0
    while {$at < [string length $request]} {
        set n [expr {1 + [random_int 700]}]
        $c -raw [string range $request $at [expr {$at + $n - 1}]]
        incr at $n
    }
    foreach w $want {assert_equal $w [$c -read]}
    $c -close
}

test "Bytes at random end in an error or a closed connection, and the server lives" {
    for {set i 0} {$i < 60} {incr i} {
        set c [raw_connection]
        catch {
            $c -raw [random_bytes [expr {1 + [random_int 3000]}]]
            $c -raw "\r\n"
        }
        $c -close
    }
    assert_equal PONG [r PING]
}

test "A command of thousands of arguments" {
    set words {}
    for {set i 0} {$i < 20000} {incr i} {lappend words k$i v$i}
    assert_equal OK [r MSET {*}$words]
    assert_equal 20000 [r DBSIZE]
    assert_equal v19999 [r GET k19999]
    set keys [dict keys $words]
    assert_equal [dict values $words] [r MGET {*}$keys]
}

test "A client that hangs up in the middle of a request leaves nothing behind" {
    set c [raw_connection]
    $c -raw "*3\r\n\$3\r\nSET\r\n\$4\r\nhalf\r\n\$100\r\nonly this"
    $c -close
    after 20
    assert_equal 0 [r EXISTS half]
}

test "A client that does not read for a while gets all its replies" {
    set v [random_bytes 100000]
    r SET big $v
    set c [raw_connection]
    for {set i 0} {$i < 200} {incr i} {$c -send GET big}
    after 200
    assert_equal PONG [r PING]
    for {set i 0} {$i < 200} {incr i} {assert_equal $v [$c -read]}
    $c -close
}

test "proto-max-bulk-len is a limit of its own" {
    with_config {proto-max-bulk-len 1048576} {
        set c [raw_connection]
        $c -raw "*3\r\n\$3\r\nSET\r\n\$1\r\nk\r\n\$1048577\r\n"
        assert_error "ERR Protocol error: invalid bulk length" {$c -read}
        assert [$c -eof]
        $c -close
        set v [string repeat x 1048576]
        assert_equal OK [r SET k $v]
        assert_equal 1048576 [r STRLEN k]
    }
}

test "DEBUG PROTOCOL shows every shape of reply" {
    foreach {kind two three} {
        string   {bulk {Hello World}}              {bulk {Hello World}}
        integer  {int 12345}                       {int 12345}
        double   {bulk 3.141}                      {double 3.141}
        null     {nil {}}                          {nil {}}
        array    {array {{int 0} {int 1} {int 2}}} {array {{int 0} {int 1} {int 2}}}
        set      {array {{int 0} {int 1} {int 2}}} {set {{int 0} {int 1} {int 2}}}
        map      {array {{int 0} {int 0} {int 1} {int 1} {int 2} {int 0}}}
                 {map {{int 0} {bool 0} {int 1} {bool 1} {int 2} {bool 0}}}
        true     {int 1}                           {bool 1}
        false    {int 0}                           {bool 0}
        verbatim "bulk {This is a verbatim\nstring}" "verbatim {This is a verbatim\nstring}"
    } {
        assert_equal [expr {[resp] == 2 ? $two : $three}] [r -typed DEBUG PROTOCOL $kind] $kind
    }
}

test -tags {resp3} "RESP3 attributes come before the reply, big numbers and pushes as themselves" {
    assert_equal {bulk {Some real reply following the attribute}} [r -typed DEBUG PROTOCOL attrib]
    assert_equal {{bulk key-popularity} {array {{bulk key:123} {int 90}}}} [r -attribute]
    assert_equal {bignum 1234567999999999999999999999999999999} [r -typed DEBUG PROTOCOL bignum]
    r -send DEBUG PROTOCOL push
    assert_equal {server-cpu-usage 42} [r -push]
    assert_equal {Some real reply following the push reply} [r -read]
}

test "Nil is *-1 or \$-1 under RESP2 and _ under RESP3" {
    r -raw "*2\r\n\$3\r\nGET\r\n\$4\r\nnone\r\n"
    assert_equal [expr {[resp] == 2 ? "\$-1" : "_"}] [r -line]
    set c [connect]
    $c WATCH k
    r SET k v
    $c MULTI
    $c GET k
    $c -raw "*1\r\n\$4\r\nEXEC\r\n"
    assert_equal [expr {[resp] == 2 ? "*-1" : "_"}] [$c -line]
    $c -close
}

test "Errors that quote what the client sent cannot forge replies" {
    r -raw "*1\r\n\$13\r\nno\r\n+OK\r\nsuch\r\n"
    set line [r -line]
    assert_match "-ERR unknown command*" $line
    r -raw "*4\r\n\$6\r\nEXPIRE\r\n\$1\r\nk\r\n\$1\r\n1\r\n\$4\r\na\r\n\n\r\n"
    assert_equal "-ERR Unsupported option a" [r -line]
    assert_equal PONG [r PING]
}

test "Who ends its side still gets what it is owed" {
    foreach pause {0 20} {
        set c [raw_connection]
        $c -raw "SET k $pause\r\nGET k\r\nPING\r\n"
        after $pause
        $c -end
        assert_equal +OK [$c -line]
        assert_equal "\$[string length $pause]" [$c -line]
        assert_equal $pause [$c -line]
        assert_equal +PONG [$c -line]
        assert [$c -eof]
        $c -close
    }
}

# Each read holds more than a turn of the loop has time for: the rest of it goes on in later ones.
test "A pipeline of costly requests is answered in order, each once, beside other clients" {
    r SETBIT big 8000000 1
    set a [connect]
    set b [connect]
    foreach c [list $a $b] n {x y} {
        for {set i 0} {$i < 1000} {incr i} {
            $c -send INCR $n
            $c -send BITCOUNT big
        }
    }
    for {set i 1} {$i <= 1000} {incr i} {
        foreach c [list $a $b] {
            assert_equal $i [$c -read]
            assert_equal 1 [$c -read]
        }
        if {$i % 100 == 0} {assert_equal PONG [r PING]}
    }
    assert_equal {1000 1000} [r MGET x y]
    # One that leaves in the middle of it, and one that says so.
    for {set i 0} {$i < 500} {incr i} {$a -send BITCOUNT big}
    $a -close
    for {set i 0} {$i < 300} {incr i} {$b -send BITCOUNT big}
    $b -send QUIT
    $b -send SET late v
    for {set i 0} {$i < 300} {incr i} {assert_equal 1 [$b -read]}
    assert_equal OK [$b -read]
    assert [$b -eof]
    $b -close
    assert_equal 0 [r EXISTS late]
}

# They come all at once, as the loop has slept: more than a turn of it has time for.
test "Replies to the pipelines of many clients leave together, not one by one" {
    r SETBIT some 200000 1
    set clients {}
    for {set i 0} {$i < 40} {incr i} {lappend clients [connect]}
    set before [info_field total_writes_processed]
    set slow [connect]
    $slow -send DEBUG SLEEP 0.3
    after 50
    foreach c $clients {
        for {set i 0} {$i < 16} {incr i} {$c -send BITCOUNT some}
    }
    foreach c $clients {
        for {set i 0} {$i < 16} {incr i} {assert_equal 1 [$c -read]}
    }
    set writes [expr {[info_field total_writes_processed] - $before}]
    assert {$writes >= 41 && $writes < 16 * 40 / 4}
    assert {[info_field total_reads_processed] > 41}
    foreach c $clients {$c -close}
    $slow -close
}

# Read one after the other, they are looked up ahead together, and then run.
test "Requests of many clients that come at once run in the order of each, also when one ends another" {
    set clients {}
    for {set i 0} {$i < 100} {incr i} {lappend clients [connect]}
    set victim [lindex $clients 50]
    set id [$victim CLIENT ID]
    set slow [connect]
    $slow -send DEBUG SLEEP 0.3
    after 50
    [lindex $clients 0] -send CLIENT KILL ID $id
    for {set i 0} {$i < 100} {incr i} {
        set c [lindex $clients $i]
        for {set k 0} {$k <= $i % 7} {incr k} {
            $c -send SELECT [expr {$k % 2 ? 9 : 8}]
            $c -send INCR c:$i
        }
        $c -send ZADD z $i m$i
        $c -send HGET h f
        if {$i % 10 == 9} {$c -raw "*2\r\n\$3\r\nGET\r\n\$"}
    }
    assert_equal 1 [[lindex $clients 0] -read]
    for {set i 0} {$i < 100} {incr i} {
        if {$i == 50} continue
        set c [lindex $clients $i]
        for {set k 0} {$k <= $i % 7} {incr k} {
            assert_equal OK [$c -read]
            assert_equal [expr {$k / 2 + 1}] [$c -read]
        }
        assert_equal 1 [$c -read]
        assert_equal "" [$c -read]
        if {$i % 10 == 9} {
            $c -raw "1\r\nx\r\n"
            assert_equal "" [$c -read]
        }
        $c -close
    }
    while {![$victim -eof]} {catch {$victim -read}}
    $victim -close
    $slow -close
    r SELECT 8
    assert_range [r ZCARD z] 57 58
    r SELECT 9
    assert_equal 42 [r ZCARD z]
    r SELECT 0
}

test "An HTTP request ends the connection, and nothing in it is run" {
    foreach head {"POST / HTTP/1.1" "Host: example.org" "host: x"} {
        set c [raw_connection]
        $c -raw "$head\r\nSET forged v\r\n"
        assert [$c -eof]
        $c -close
    }
    assert_equal 0 [r EXISTS forged]
}

test "redis-cli and redis-benchmark work" {
    assert_equal OK [exec redis-cli -p [srv port] SET k v]
    assert_equal v [exec redis-cli -p [srv port] -3 GET k]
    set out [exec redis-benchmark -p [srv port] -n 2000 -q -t set,get,incr -P 16 2>@1]
    assert_match "*SET: *requests per second*" $out
    assert_match "*GET: *requests per second*" $out
}
