# redis.tcl -- a RESP2 and RESP3 client in plain Tcl.
#
#   set c [redis connect 127.0.0.1 6379 3]    a connection that has said HELLO 3
#   $c SET k v                                sends a command, waits, returns the reply
#   catch {$c GET list} message               an error reply is a Tcl error with its text
#   $c -type                                  what the last reply was: status bulk int nil array
#                                             map set double bool verbatim bignum error
#   $c -typed HGETALL h                       the reply with the type of each of its parts
#   $c -send SET k v; $c -send GET k          sends only
#   $c -read                                  the next reply
#   $c -raw bytes; $c -bytes 5; $c -line      below the protocol
#   $c -push                                  waits for the next push message, RESP3
#   $c -pushes                                those that have come meanwhile, and forgets them
#   $c -eof                                   waits; true once the server has closed
#   $c -end                                   this side has nothing more to say; replies still come
#   $c -close
#
# Replies are shaped so that a test reads the same under both protocols: nil is the empty
# string (ask -type), a map is a flat list, a double its text, a bool 1 or 0, a verbatim string
# without its prefix. Everything is bytes: encode what is not ASCII before sending it.

namespace eval redis {
    variable count 0
    variable timeout_ms 20000
    array set state {}
    namespace export connect
    namespace ensemble create
}

proc redis::connect {host port {proto 2}} {
    set fd [socket $host $port]
    set c [attach $fd]
    if {$proto == 3} {$c HELLO 3}
    return $c
}

# Makes a client of an open channel.
proc redis::attach {fd} {
    variable count
    variable state
    chan configure $fd -blocking 0 -translation binary -buffering none
    set c redis_client[incr count]
    array set state [list $c,fd $fd $c,in "" $c,at 0 $c,type nil $c,pushes {} $c,attribute {}]
    interp alias {} ::$c {} ::redis::call $c
    return $c
}

proc redis::call {c word args} {
    variable state
    switch -- $word {
        -send {send $c $args}
        -read {return [reply $c]}
        -typed {
            send $c $args
            return [typed_reply $c]
        }
        -readtyped {return [typed_reply $c]}
        -raw {write $c [lindex $args 0]}
        -bytes {return [take $c [lindex $args 0]]}
        -line {return [line $c]}
        -type {return $state($c,type)}
        -push {return [next_push $c]}
        -pushes {
            # A turn of the loop, so that what has arrived is seen.
            drain $c
            set got $state($c,pushes)
            set state($c,pushes) {}
            return $got
        }
        -attribute {return $state($c,attribute)}
        -eof {return [at_end $c]}
        -fd {return $state($c,fd)}
        -end {close $state($c,fd) write}
        -close {
            catch {close $state($c,fd)}
            array unset state $c,*
            catch {rename ::$c {}}
        }
        default {
            send $c [linsert $args 0 $word]
            return [reply $c]
        }
    }
    return
}

proc redis::send {c words} {
    set out "*[llength $words]\r\n"
    foreach w $words {
        append out "\$[string length $w]\r\n$w\r\n"
    }
    write $c $out
}

# A pipeline may be larger than the socket's buffers, and the server stops reading when its
# replies are not read: puts queues, the event loop writes.
proc redis::write {c bytes} {
    variable state
    puts -nonewline $state($c,fd) $bytes
    flush $state($c,fd)
}

# More bytes, or an error when none come in time or the server has closed.
proc redis::fill {c} {
    variable state
    variable timeout_ms
    variable wake
    set fd $state($c,fd)
    if {$state($c,at) > 65536} {
        set state($c,in) [string range $state($c,in) $state($c,at) end]
        set state($c,at) 0
    }
    set more [read $fd]
    if {$more eq "" && ![eof $fd]} {
        set wake($c) waiting
        set timer [after $timeout_ms [list set ::redis::wake($c) late]]
        chan event $fd readable [list set ::redis::wake($c) ready]
        while {$wake($c) eq "waiting"} {vwait ::redis::wake($c)}
        after cancel $timer
        chan event $fd readable {}
        if {$wake($c) eq "late"} {
            return -code error -errorcode {REDIS TIMEOUT} "no reply within $timeout_ms ms"
        }
        set more [read $fd]
    }
    if {$more eq "" && [eof $fd]} {
        return -code error -errorcode {REDIS CLOSED} "the server closed the connection"
    }
    append state($c,in) $more
}

proc redis::line {c} {
    variable state
    while {[set end [string first "\r\n" $state($c,in) $state($c,at)]] < 0} {fill $c}
    set text [string range $state($c,in) $state($c,at) [expr {$end - 1}]]
    set state($c,at) [expr {$end + 2}]
    return $text
}

proc redis::take {c bytes} {
    variable state
    while {[string length $state($c,in)] - $state($c,at) < $bytes} {fill $c}
    set from $state($c,at)
    incr state($c,at) $bytes
    return [string range $state($c,in) $from [expr {$from + $bytes - 1}]]
}

# One value with its type: {bulk text}, {array {value ...}}, {map {key value ...}}.
proc redis::value {c} {
    variable state
    set head [line $c]
    set rest [string range $head 1 end]
    switch -- [string index $head 0] {
        + {return [list status $rest]}
        - {return [list error $rest]}
        : {return [list int $rest]}
        , {return [list double $rest]}
        ( {return [list bignum $rest]}
        _ {return [list nil {}]}
        # {return [list bool [expr {$rest eq "t"}]]}
        $ - = - ! {
            if {$rest == -1} {return [list nil {}]}
            set text [take $c $rest]
            if {[take $c 2] ne "\r\n"} {error "protocol: a bulk string ends without CRLF"}
            switch -- [string index $head 0] {
                = {return [list verbatim [string range $text 4 end]]}
                ! {return [list error $text]}
            }
            return [list bulk $text]
        }
        * - ~ - > - % - | {
            if {$rest == -1} {return [list nil {}]}
            set kind [dict get {* array ~ set > push % map | attribute} [string index $head 0]]
            set items {}
            set n [expr {$kind in {map attribute} ? 2 * $rest : $rest}]
            for {set i 0} {$i < $n} {incr i} {lappend items [value $c]}
            if {$kind eq "attribute"} {
                set state($c,attribute) $items
                return [value $c]
            }
            return [list $kind $items]
        }
    }
    error "protocol: a reply cannot start with \"$head\""
}

# The next reply that is not a push.
proc redis::typed_reply {c} {
    variable state
    while 1 {
        set v [value $c]
        if {[lindex $v 0] ne "push"} break
        lappend state($c,pushes) [plain $v]
    }
    set state($c,type) [lindex $v 0]
    return $v
}

# Without the types. An error inside an array (EXEC) stays as its text.
proc redis::plain {v} {
    lassign $v type inside
    if {$type in {array set map push}} {
        set items {}
        foreach item $inside {lappend items [plain $item]}
        return $items
    }
    return $inside
}

proc redis::reply {c} {
    set v [typed_reply $c]
    if {[lindex $v 0] eq "error"} {
        return -code error -errorcode {REDIS REPLY} [lindex $v 1]
    }
    return [plain $v]
}

# Takes the pushes that have come and are whole; leaves the beginning of a reply alone.
proc redis::drain {c} {
    variable state
    catch {append state($c,in) [read $state($c,fd)]}
    while {[string index $state($c,in) $state($c,at)] eq ">"} {
        lappend state($c,pushes) [plain [value $c]]
    }
}

proc redis::next_push {c} {
    variable state
    if {[llength $state($c,pushes)]} {
        set first [lindex $state($c,pushes) 0]
        set state($c,pushes) [lrange $state($c,pushes) 1 end]
        return $first
    }
    set v [value $c]
    if {[lindex $v 0] ne "push"} {error "expected a push, got [lindex $v 0]: [plain $v]"}
    return [plain $v]
}

proc redis::at_end {c} {
    variable state
    if {[string length $state($c,in)] > $state($c,at)} {return 0}
    if {[catch {fill $c} message options]} {
        if {[dict get $options -errorcode] eq {REDIS TIMEOUT}} {return 0}
        # Closed, or reset: either way there is nothing more.
        return 1
    }
    return 0
}
