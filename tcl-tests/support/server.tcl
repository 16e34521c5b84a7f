# server.tcl -- starts, stops, kills and restarts the server under test.
#
# Each file of tests has a server of its own on a free port of 127.0.0.1, in a temporary folder
# that holds its store. `start_server {option value ...} {code}` runs code against another one
# with these options, fresh as well; inside, `r` and the rest mean that one.

namespace eval server {
    variable stack {}       ;# dicts of running servers, the current one last
    variable path build/cove-server
    variable redis 0        ;# the program is Redis itself: leave out what only Cove knows
    variable cold 0
    variable proto 2
    variable count 0
    variable root ""
}

# Below the ports that the system hands out: while nobody listens yet, connecting to one of those
# may end in a connection to itself, which then holds the port.
proc server::free_port {} {
    while 1 {
        set port [expr {12000 + int(rand() * 20000)}]
        if {![catch {socket -server {apply {{args} {}}} -myaddr 127.0.0.1 $port} s]} {
            close $s
            return $port
        }
    }
}

# Options that every server of the tests has; those of start_server come after them and win.
proc server::options {dir port} {
    variable redis
    set o [list --bind 127.0.0.1 --port $port --dir $dir --enable-debug-command yes \
               --enable-protected-configs yes]
    if {$redis} {
        lappend o --save "" --appendonly no
    } else {
        lappend o --store file:$dir/store
    }
    return $o
}

proc server::start {overrides} {
    variable stack
    variable root
    variable count
    if {$root eq ""} {set root [exec mktemp -d /tmp/cove-tcl.XXXXXX]}
    set dir $root/[incr count]
    file mkdir $dir
    set s [dict create dir $dir port [free_port] overrides $overrides client "" log $dir/output]
    lappend stack $s
    if {[catch launch message options]} {
        set stack [lrange $stack 0 end-1]
        return -options $options $message
    }
}

# Runs the program of the current server and waits until it answers.
proc server::launch {} {
    variable path
    set s [current]
    set dir [dict get $s dir]
    set words [list $path {*}[options $dir [dict get $s port]]]
    foreach {name value} [dict get $s overrides] {
        # `save` and the like take several words in one value.
        lappend words --$name {*}[expr {[llength $value] > 1 ? $value : [list $value]}]
    }
    set channel [open |[list {*}$words >>[dict get $s log] 2>@1] w]
    update_current channel $channel pid [pid $channel]
    set deadline [expr {[clock milliseconds] + 30000}]
    while 1 {
        if {![alive]} {error "the server ended: [tail]"}
        if {[clock milliseconds] > $deadline} {error "the server does not answer: [tail]"}
        if {![catch {socket 127.0.0.1 [dict get $s port]} fd]} {
            set c [redis::attach $fd]
            set refused [catch {$c PING} message]
            variable cold
            # Where that is a matter of the test itself, it is refused.
            if {$cold && $message eq "PONG"} {catch {$c DEBUG EVICT-ALWAYS yes}}
            $c -close
            # NOAUTH and the like are answers too.
            if {$refused ? ![string match {LOADING*} $message] &&
                ![string match {*closed the connection*} $message] : $message eq "PONG"} break
        }
        after 10
    }
}

proc server::current {} {
    variable stack
    if {![llength $stack]} {error "no server is running"}
    return [lindex $stack end]
}

proc server::update_current {args} {
    variable stack
    lset stack end [dict replace [lindex $stack end] {*}$args]
}

# A process that has ended stays as a zombie until its channel is closed.
proc server::alive {} {
    set pid [dict get [current] pid]
    if {[catch {open /proc/$pid/stat} f]} {return 0}
    set text [read $f]
    close $f
    return [expr {![regexp {\) [ZX] } $text]}]
}

proc server::tail {} {
    if {[catch {open [dict get [current] log]} f]} {return "(no output)"}
    set lines [split [string trimright [read $f]] \n]
    close $f
    return [join [lrange $lines end-15 end] "\n#   "]
}

# Waits for the end of the process: its exit status, or "killed SIGNAL".
proc server::wait {{timeout_ms 20000}} {
    set s [current]
    set deadline [expr {[clock milliseconds] + $timeout_ms}]
    while {[alive]} {
        if {[clock milliseconds] > $deadline} {error "the server does not end"}
        after 5
    }
    forget_client
    if {[catch {close [dict get $s channel]} message options]} {
        set code [dict get $options -errorcode]
        switch [lindex $code 0] {
            CHILDSTATUS {return [lindex $code 2]}
            CHILDKILLED {return "killed [lindex $code 2]"}
        }
        error "cannot tell how the server ended: $message"
    }
    return 0
}

proc server::forget_client {} {
    set c [dict get [current] client]
    if {$c ne ""} {
        catch {$c -close}
        update_current client ""
    }
}

proc server::client {} {
    variable proto
    set s [current]
    if {[dict get $s client] eq ""} {
        update_current client [redis connect 127.0.0.1 [dict get $s port] $proto]
    }
    return [dict get [current] client]
}

# Ends the current server and takes it from the stack. What a sanitizer or an assertion had to
# say is an error, and so is an end that nobody asked for.
proc server::stop {} {
    variable stack
    set problem ""
    if {[catch {
        if {[alive]} {
            exec kill -TERM [dict get [current] pid]
            if {[catch {wait 30000} status]} {
                exec kill -KILL [dict get [current] pid]
                wait
                set problem "the server did not end on SIGTERM"
            } elseif {$status ne "0"} {
                set problem "the server ended with status $status: [tail]"
            }
        } else {
            set problem "the server ended by itself ([wait]): [tail]"
        }
        set f [open [dict get [current] log]]
        set output [read $f]
        close $f
        if {[regexp -line {^.*(AddressSanitizer|runtime error:|LeakSanitizer|Assertion .* failed).*$} \
                 $output found]} {
            append problem " $found"
        }
    } message]} {
        append problem " $message"
    }
    set dir [dict get [current] dir]
    set stack [lrange $stack 0 end-1]
    if {$problem eq "" && ![info exists ::env(TCL_TESTS_KEEP)]} {file delete -force $dir}
    if {$problem ne ""} {error $problem}
}

proc server::cleanup {} {
    variable stack
    variable root
    while {[llength $stack]} {
        catch {exec kill -KILL [dict get [current] pid]}
        catch wait
        set stack [lrange $stack 0 end-1]
    }
    if {$root ne "" && ![llength [glob -nocomplain $root/*]]} {file delete -force $root}
}

# --- What tests use ---

# A command to the current server over the file's own connection.
proc r {args} {
    if {![llength $args]} {return [server::client]}
    [server::client] {*}$args
}

# Another connection to the current server; the caller closes it. proto: 2, 3, or the run's.
proc connect {{proto ""}} {
    if {$proto eq ""} {set proto $::server::proto}
    redis connect 127.0.0.1 [srv port] $proto
}

# 2 or 3: which protocol this run speaks.
proc resp {} {return $::server::proto}

# dir, port, pid, log of the current server.
proc srv {field} {dict get [server::current] $field}

proc start_server {overrides code} {
    server::start $overrides
    set failure [catch {uplevel 1 $code} message options]
    set ending [catch {server::stop} problem]
    if {$failure && $failure != 2} {return -options $options $message}
    if {$ending} {error $problem}
}

# Ends the process at once, as a crash would, and forgets the connection.
proc kill_server {} {
    exec kill -KILL [srv pid]
    server::wait
}

# Starts it again over the same folder, with other options if given.
proc revive_server {{overrides ""}} {
    if {$overrides ne ""} {
        server::update_current overrides [dict merge [srv overrides] $overrides]
    }
    server::launch
}

# how: -9 kills, TERM asks politely, SHUTDOWN sends the command.
proc restart_server {{how -9} {overrides ""}} {
    switch -- $how {
        -9 {kill_server}
        TERM {
            exec kill -TERM [srv pid]
            server::wait
        }
        SHUTDOWN {
            catch {r SHUTDOWN}
            server::wait
        }
        default {error "restart_server: -9, TERM or SHUTDOWN"}
    }
    revive_server $overrides
}

# The value of a line of INFO.
proc info_field {name {section everything}} {
    foreach line [split [r INFO $section] \n] {
        if {[string match "$name:*" $line]} {
            return [string trimright [string range $line [string length $name:] end]]
        }
    }
    error "INFO has no $name"
}

# What a command answers in steps is what it answers in one turn, as in a transaction.
proc in_one_turn {args} {
    set reply [r {*}$args]
    r MULTI
    r {*}$args
    assert_equal [lindex [r EXEC] 0] $reply
    return $reply
}
