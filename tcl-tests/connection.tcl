# connection.tcl -- PING, ECHO, HELLO, SELECT, AUTH, RESET, QUIT and the CLIENT family.

test "PING answers PONG, or its argument" {
    assert_equal PONG [r PING]
    assert_equal status [r -type]
    assert_equal hello [r PING hello]
    assert_equal bulk [r -type]
    assert_error "ERR wrong number of arguments for 'ping' command" {r PING a b}
}

test "ECHO gives its argument back, whatever its bytes" {
    assert_equal hello [r ECHO hello]
    assert_equal "a\r\n\0b" [r ECHO "a\r\n\0b"]
    assert_equal "" [r ECHO ""]
    assert_equal bulk [r -type]
    assert_error "ERR wrong number of arguments for 'echo' command" {r ECHO}
}

test "An unknown command is named with the beginning of its arguments" {
    assert_error "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' " {r NOSUCH a b}
    assert_error "ERR unknown command 'nosuch', with args beginning with: " {r nosuch}
}

test "A long unknown command is cut in the error" {
    catch {r [string repeat x 300] y} message
    assert_equal "ERR unknown command '[string repeat x 128]', with args beginning with: 'y' " $message
    catch {r nosuch [string repeat a 300] b} message
    assert_equal "ERR unknown command 'nosuch', with args beginning with: '[string repeat a 128]' " $message
}

test "Commands are found whatever their case" {
    r set k v
    assert_equal v [r GeT k]
}

test "SELECT changes the database, within bounds" {
    r SET k zero
    assert_equal OK [r SELECT 9]
    assert_nil [r GET k]
    r SET k nine
    assert_equal OK [r SELECT 0]
    assert_equal zero [r GET k]
    assert_error "ERR DB index is out of range" {r SELECT 16}
    assert_error "ERR DB index is out of range" {r SELECT -1}
    assert_equal zero [r GET k]
}

test -tags {resp2} "HELLO without a version keeps RESP2 and describes the server" {
    set h [r HELLO]
    assert_equal array [r -type]
    assert_equal redis [dict get $h server]
    assert_equal 2 [dict get $h proto]
    assert_equal standalone [dict get $h mode]
    assert_equal master [dict get $h role]
    assert {[dict exists $h modules]}
    assert_match {*.*.*} [dict get $h version]
    assert_equal [r CLIENT ID] [dict get $h id]
    assert_equal {server version proto id mode role modules} [dict keys $h]
}

test -tags {resp3} "HELLO without a version keeps RESP3 and answers a map" {
    set h [r HELLO]
    assert_equal map [r -type]
    assert_equal 3 [dict get $h proto]
    assert_equal redis [dict get $h server]
}

test "HELLO changes the protocol both ways" {
    set c [connect 2]
    $c HELLO 3
    assert_equal map [$c -type]
    $c GET nokey
    assert_equal {nil {}} [$c -typed GET nokey]
    $c HELLO 2
    assert_equal array [$c -type]
    $c HSET h f v
    $c HGETALL h
    assert_equal array [$c -type]
    $c HELLO 3
    $c HGETALL h
    assert_equal map [$c -type]
    $c -close
}

test "HELLO takes a name, and refuses bad versions and options" {
    set c [connect 2]
    $c HELLO 3 SETNAME me
    assert_equal me [$c CLIENT GETNAME]
    foreach version {1 4 99} {
        assert_error "NOPROTO unsupported protocol version" {$c HELLO $version}
    }
    assert_error "ERR Protocol version is not an integer or out of range" {$c HELLO three}
    assert_error "ERR Syntax error in HELLO option 'nonsense'" {$c HELLO 3 nonsense}
    assert_error "ERR Syntax error in HELLO option 'SETNAME'" {$c HELLO 3 SETNAME}
    assert_error "ERR Client names cannot contain spaces, newlines or special characters." \
        {$c HELLO 3 SETNAME "a b"}
    assert_error "WRONGPASS*" {$c HELLO 3 AUTH nobody nothing}
    assert_equal me [$c CLIENT GETNAME]
    $c -close
}

test "AUTH without a password set says so" {
    assert_error "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?" \
        {r AUTH secret}
    assert_error "WRONGPASS invalid username-password pair or user is disabled." {r AUTH nobody secret}
    assert_equal OK [r AUTH default anything]
    assert_error "ERR wrong number of arguments for 'auth' command" {r AUTH}
    assert_error "ERR syntax error" {r AUTH a b c}
}

start_server {requirepass secret} {
    # Own connections: `r` would have to authenticate first.
    set c [connect 2]
    foreach command {{PING} {GET k} {SET k v} {CLIENT ID} {SELECT 1} {NOSUCH}} {
        set refused([join $command]) [catch {$c {*}$command} message]
        set texts([join $command]) $message
    }
    set wrong [catch {$c AUTH wrong} wrong_text]
    set hello3 [catch {$c HELLO 3} hello3_text]
    set right [$c AUTH secret]
    set after [$c SET k v]
    set hello [$c HELLO 3 AUTH default secret SETNAME x]
    set d [connect 2]
    catch {$d HELLO 3 AUTH default nope} nope
    set e [$d HELLO 3 AUTH default secret]
    $d -close
    $c -close
    server::update_current client [connect 2]
    r AUTH secret
    test -keep "A password is asked for before anything but AUTH and HELLO" {
        foreach command {{PING} {GET k} {SET k v} {CLIENT ID} {SELECT 1}} {
            assert_equal 1 $refused([join $command])
            assert_equal "NOAUTH Authentication required." $texts([join $command])
        }
        assert_equal 1 $wrong
        assert_equal "WRONGPASS invalid username-password pair or user is disabled." $wrong_text
        assert_equal 1 $hello3
        assert_match "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time" $hello3_text
        assert_equal OK $right
        assert_equal OK $after
        assert_equal redis [dict get $hello server]
        assert_match "WRONGPASS*" $nope
        assert_equal 3 [dict get $e proto]
    }
    test -keep "An unknown command is told as such even before the password" {
        assert_match "ERR unknown command 'NOSUCH'*" $texts(NOSUCH)
    }
    test -keep "RESET takes the authentication back" {
        set c [connect 2]
        $c AUTH secret
        assert_equal RESET [$c RESET]
        assert_error "NOAUTH Authentication required." {$c GET k}
        $c -close
    }
    test -keep "An unauthenticated client cannot announce large requests" {
        set c [connect 2]
        $c -raw "*1000\r\n"
        assert_error "ERR Protocol error: unauthenticated multibulk length" {$c -read}
        assert [$c -eof]
        $c -close
        set c [connect 2]
        $c -raw "*2\r\n\$20000\r\n"
        assert_error "ERR Protocol error: unauthenticated bulk length" {$c -read}
        assert [$c -eof]
        $c -close
    }
}

test "RESET leaves MULTI, the database, the name and RESP3" {
    set c [connect 3]
    $c SELECT 3
    $c CLIENT SETNAME me
    $c MULTI
    assert_equal QUEUED [$c SET k v]
    assert_equal RESET [$c RESET]
    assert_equal status [$c -type]
    assert_equal "" [$c CLIENT GETNAME]
    assert_error "ERR EXEC without MULTI" {$c EXEC}
    assert_equal 2 [dict get [$c HELLO] proto]
    assert_match {*db=0*} [$c CLIENT INFO]
    assert_error "ERR wrong number of arguments for 'reset' command" {$c RESET now}
    $c -close
}

test "QUIT answers and closes, and what came before it is answered" {
    set c [connect]
    $c -send SET k v
    $c -send GET k
    $c -send QUIT
    $c -send SET k lost
    assert_equal OK [$c -read]
    assert_equal v [$c -read]
    assert_equal OK [$c -read]
    assert [$c -eof]
    $c -close
    assert_equal v [r GET k]
}

test "CLIENT ID counts up" {
    set a [connect]
    set b [connect]
    assert {[$b CLIENT ID] > [$a CLIENT ID]}
    assert_equal int [$a -type]
    $a -close
    $b -close
}

test "CLIENT SETNAME and GETNAME" {
    set c [connect]
    $c CLIENT GETNAME
    assert_equal nil [$c -type]
    assert_equal OK [$c CLIENT SETNAME someone]
    assert_equal someone [$c CLIENT GETNAME]
    assert_match "*name=someone *" [$c CLIENT LIST]
    foreach bad {"a b" "a\nb" "a\tb"} {
        assert_error "ERR Client names cannot contain spaces, newlines or special characters." \
            {$c CLIENT SETNAME $bad}
    }
    assert_equal OK [$c CLIENT SETNAME ""]
    assert_equal "" [$c CLIENT GETNAME]
    assert_equal nil [$c -type]
    $c -close
}

test "CLIENT INFO and LIST describe connections" {
    set line [r CLIENT INFO]
    foreach field {id addr laddr fd name age idle flags db sub psub multi qbuf qbuf-free obl oll omem
                   tot-mem events cmd user redir resp} {
        assert_match "*$field=*" " $line"
    }
    assert_match "*cmd=client|info*" $line
    assert_match "*user=default*" $line
    assert_match "*resp=[resp]*" $line
    assert_match "*laddr=127.0.0.1:[srv port] *" $line
    set id [r CLIENT ID]
    assert_match "id=$id *" [r CLIENT LIST ID $id]
    assert_equal "" [r CLIENT LIST ID 999999999]
    assert_match "*id=$id *" [r CLIENT LIST TYPE normal]
    assert_equal "" [r CLIENT LIST TYPE replica]
    assert_error "ERR Unknown client type 'odd'" {r CLIENT LIST TYPE odd}
    assert_error "ERR syntax error" {r CLIENT LIST TYPE}
    assert_error "ERR Invalid client ID" {r CLIENT LIST ID x}
}

test "CLIENT LIST has a line for every connection" {
    set c [connect]
    $c CLIENT SETNAME second
    set lines [split [string trim [r CLIENT LIST]] \n]
    assert_equal 2 [llength $lines]
    assert_equal 1 [llength [lsearch -all $lines "*name=second*"]]
    $c -close
}

test "CLIENT KILL by address, by id, and its filters" {
    set c [connect]
    regexp {addr=(\S+)} [$c CLIENT INFO] -> address
    assert_equal OK [r CLIENT KILL $address]
    assert [$c -eof]
    $c -close
    set c [connect]
    assert_equal 1 [r CLIENT KILL ID [$c CLIENT ID]]
    assert [$c -eof]
    $c -close
    assert_equal 0 [r CLIENT KILL ID 999999999]
    assert_error "ERR No such client" {r CLIENT KILL 127.0.0.1:1}
    assert_error "ERR client-id should be greater than 0" {r CLIENT KILL ID 0}
    assert_error "ERR No such client" {r CLIENT KILL ID}
    assert_error "ERR syntax error" {r CLIENT KILL NOSUCH x}
    assert_error "ERR No such user 'nobody'" {r CLIENT KILL USER nobody}
    assert_error "ERR Unknown client type 'odd'" {r CLIENT KILL TYPE odd}
}

test "CLIENT KILL of itself answers first, and SKIPME spares it" {
    set c [connect]
    assert_equal 1 [$c CLIENT KILL ID [$c CLIENT ID] SKIPME no]
    assert [$c -eof]
    $c -close
    set c [connect]
    assert_equal 0 [$c CLIENT KILL ID [$c CLIENT ID]]
    assert_equal PONG [$c PING]
    $c -close
}

test "CLIENT REPLY OFF, SKIP and ON" {
    set c [connect]
    $c -send CLIENT REPLY OFF
    $c -send SET k 1
    $c -send PING
    assert_equal OK [$c CLIENT REPLY ON]
    $c -send CLIENT REPLY SKIP
    $c -send PING unseen
    assert_equal seen [$c PING seen]
    assert_equal 1 [$c GET k]
    assert_error "ERR syntax error" {$c CLIENT REPLY MAYBE}
    $c -close
}

test "CLIENT NO-EVICT takes ON and OFF" {
    assert_equal OK [r CLIENT NO-EVICT ON]
    assert_match "*flags=e*" [r CLIENT INFO]
    assert_equal OK [r CLIENT NO-EVICT OFF]
    assert_error "ERR syntax error" {r CLIENT NO-EVICT MAYBE}
}

test "CLIENT GETREDIR and TRACKINGINFO without tracking" {
    assert_equal -1 [r CLIENT GETREDIR]
    set t [r CLIENT TRACKINGINFO]
    assert_reply_type array map
    assert_equal off [dict get $t flags]
    assert_equal -1 [dict get $t redirect]
    assert_equal {} [dict get $t prefixes]
}

test "CLIENT PAUSE holds writers until UNPAUSE" {
    set c [connect]
    r SET k before
    assert_equal OK [r CLIENT PAUSE 60000 WRITE]
    assert_equal before [r GET k]
    $c -send SET k after
    wait_for_condition 100 10 {[info_field blocked_clients] == 1}
    assert_equal before [r GET k]
    assert_equal OK [r CLIENT UNPAUSE]
    assert_equal OK [$c -read]
    assert_equal 0 [info_field blocked_clients]
    assert_equal after [r GET k]
    assert_error "ERR timeout is not an integer or out of range" {r CLIENT PAUSE x}
    assert_error "ERR timeout is negative" {r CLIENT PAUSE -1}
    assert_error "ERR CLIENT PAUSE mode must be WRITE or ALL" {r CLIENT PAUSE 1 SOME}
    $c -close
}

test "clients that waited with long pipelines all go on, each in its own order" {
    r DEL counter
    r CLIENT PAUSE 60000 WRITE
    set pipeline [string repeat "INCR counter\r\n" 400]
    set clients {}
    for {set i 0} {$i < 20} {incr i} {
        lappend clients [connect]
        redis::write [lindex $clients end] $pipeline
    }
    wait_for_condition 100 10 {[info_field blocked_clients] == 20}
    r CLIENT UNPAUSE
    set seen {}
    foreach c $clients {
        set last 0
        for {set i 0} {$i < 400} {incr i} {
            set n [$c -read]
            assert {$n > $last}
            set last $n
            lappend seen $n
        }
        $c -close
    }
    assert_equal 8000 [llength [lsort -integer -unique $seen]]
    assert_equal 8000 [r GET counter]
    assert_equal 0 [info_field blocked_clients]
}

test "CLIENT PAUSE keeps expired keys, which nobody sees, until it ends" {
    set expired [info_field expired_keys]
    r MULTI
    r SET read v PX 10
    r SET alone v PX 10
    r CLIENT PAUSE 60000 WRITE
    r EXEC
    after 250
    assert_nil [r GET read]
    assert_equal 0 [r EXISTS read alone]
    assert_equal $expired [info_field expired_keys]
    r CLIENT UNPAUSE
    assert_nil [r GET read]
    wait_for_condition 100 10 {[info_field expired_keys] == $expired + 2}
}

test "CLIENT LIST counts the request being run as query buffer" {
    r CLIENT INFO
    assert_match "* qbuf=26 *" [r CLIENT INFO]
}

test "CLIENT UNBLOCK of a client that is not blocked" {
    assert_equal 0 [r CLIENT UNBLOCK 999999999]
    assert_equal 0 [r CLIENT UNBLOCK [r CLIENT ID] TIMEOUT]
    assert_error "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR" {r CLIENT UNBLOCK 1 WHY}
    assert_error "ERR value is not an integer or out of range" {r CLIENT UNBLOCK x}
}

test "An unknown subcommand gets the soft error that clients look for" {
    assert_error "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP." \
        {r CLIENT MAINT_NOTIFICATIONS ON}
    assert_error "ERR unknown subcommand 'nosuch'. Try CONFIG HELP." {r CONFIG nosuch}
    assert_error "ERR unknown subcommand 'nosuch'. Try COMMAND HELP." {r COMMAND nosuch}
    assert_error "ERR wrong number of arguments for 'client' command" {r CLIENT}
    assert_error "ERR wrong number of arguments for 'client|id' command" {r CLIENT ID extra}
    assert_error "ERR wrong number of arguments for 'client|setname' command" {r CLIENT SETNAME}
}

test "HELP of the containers is a list of status lines" {
    foreach container {CLIENT CONFIG COMMAND OBJECT} {
        set typed [r -typed $container HELP]
        assert_equal array [lindex $typed 0]
        assert_equal status [lindex $typed 1 0 0]
        assert_match "$container <subcommand> *" [lindex $typed 1 0 1]
        assert {[llength [lindex $typed 1]] > 4}
    }
}

test -tags {cove} "CLIENT SETINFO keeps a library's name and version" {
    set c [connect]
    assert_equal OK [$c CLIENT SETINFO LIB-NAME redis-tcl]
    assert_equal OK [$c CLIENT SETINFO lib-ver 1.2.3]
    assert_match "*lib-name=redis-tcl lib-ver=1.2.3*" [$c CLIENT INFO]
    assert_error "ERR lib-name cannot contain spaces, newlines or special characters." \
        {$c CLIENT SETINFO LIB-NAME "a b"}
    assert_error "ERR Unrecognized option 'lib-odd'" {$c CLIENT SETINFO lib-odd x}
    $c -close
}

test -tags {cove} "CLIENT NO-TOUCH takes ON and OFF" {
    assert_equal OK [r CLIENT NO-TOUCH ON]
    assert_equal OK [r CLIENT NO-TOUCH OFF]
    assert_error "ERR syntax error" {r CLIENT NO-TOUCH MAYBE}
}

test -tags {cove} "CLIENT ACK chooses what a reply waits for" {
    set c [connect]
    assert_equal OK [$c CLIENT ACK memory]
    assert_equal OK [$c SET k v]
    assert_equal OK [$c CLIENT ACK store]
    assert_equal OK [$c SET k w]
    assert_error "ERR *" {$c CLIENT ACK nowhere}
    # There is no local disk to wait for.
    assert_error "ERR *" {$c CLIENT ACK disk}
    $c -close
}

test -tags {cove} "The server says it is a Redis that clients switch features on for" {
    assert_equal 7.4.0 [dict get [r HELLO] version]
    assert_equal 7.4.0 [info_field redis_version]
    assert_match {[0-9]*.*} [info_field cove_version]
    assert_equal standalone [info_field redis_mode]
}

start_server {maxclients 4} {
    test -keep "A connection over maxclients is refused with a sentence" {
        set held {}
        r PING
        for {set i 0} {$i < 3} {incr i} {
            set c [connect 2]
            $c PING
            lappend held $c
        }
        set late [connect 2]
        assert_error "ERR max number of clients reached" {$late -read}
        assert [$late -eof]
        $late -close
        foreach c $held {$c -close}
        wait_for_condition 100 10 {[llength [split [string trim [r CLIENT LIST]] \n]] == 1}
        set c [connect 2]
        assert_equal PONG [$c PING]
        $c -close
    }
}

test "A Unix socket serves like a port" {
    # Relative to the server's folder, which keeps the path short.
    start_server {unixsocket cove.sock unixsocketperm 700} {
        set path [srv dir]/cove.sock
        assert_equal socket [file type $path]
        assert_match *700 [file attributes $path -permissions]
        set out [exec redis-cli -s $path SET k v]
        assert_equal OK $out
        assert_equal v [exec redis-cli -s $path GET k]
        assert_equal v [r GET k]
    }
}
