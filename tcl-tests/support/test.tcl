# test.tcl -- tests and assertions.
#
#   test "SET with NX does not overwrite" {
#       r SET k a
#       assert_nil [r SET k b NX]
#       assert_equal a [r GET k]
#   }
#
# Every test begins with empty databases and the connection in database 0. `test -tags {cove}`
# names what a test needs: "cove" is left out against Redis, "resp2" and "resp3" against the
# other protocol. `test -keep` leaves the data of the test before in place.

namespace eval tests {
    variable passed 0
    variable failed 0
    variable skipped 0
    variable number 0
    variable file ""
    variable only ""
}

proc tests::line {ok name {note ""}} {
    variable number
    variable file
    incr number
    puts "[expr {$ok ? "" : "not "}]ok $number - $file, RESP$::server::proto: $name$note"
    flush stdout
}

proc test {args} {
    set tags {}
    set keep 0
    while {[string match -* [lindex $args 0]]} {
        switch -- [lindex $args 0] {
            -tags {
                set tags [lindex $args 1]
                set args [lrange $args 2 end]
            }
            -keep {
                set keep 1
                set args [lrange $args 1 end]
            }
            default {error "test: unknown option [lindex $args 0]"}
        }
    }
    lassign $args name body
    if {$::tests::only ne "" && ![string match -nocase *$::tests::only* $name]} return
    if {("resp2" in $tags && [resp] != 2) || ("resp3" in $tags && [resp] != 3)} return
    if {"cove" in $tags && $::server::redis} {
        incr ::tests::skipped
        return
    }
    set failure [catch {
        if {!$keep} {r FLUSHALL}
        uplevel 1 $body
    } message options]
    if {$failure == 0 || $failure == 2} {
        incr ::tests::passed
        tests::line 1 $name
        return
    }
    incr ::tests::failed
    puts "# [string map {\n "\n# "} [tests::printable $message]]"
    if {[lindex [dict get $options -errorcode] 0] ni {ASSERT REDIS}} {
        puts "# [string map {\n "\n# "} [dict get $options -errorinfo]]"
    }
    if {[catch {server::alive} up] || !$up} {
        catch {puts "# the server has ended: [server::tail]"}
    }
    tests::line 0 $name
    # The connection may be in the middle of anything.
    catch {server::forget_client}
    catch {if {![server::alive]} {server::wait; server::launch}}
}

proc tests::printable {text} {
    if {[string length $text] > 2000} {set text "[string range $text 0 2000]..."}
    regsub -all {[^\x20-\x7e\n]} $text . text
    return $text
}

proc fail {message} {return -code error -errorcode ASSERT $message}

proc assert {condition} {
    if {![uplevel 1 [list expr $condition]]} {
        fail "not true: $condition"
    }
}
proc assert_equal {expected got {what ""}} {
    if {$expected ne $got} {fail "expected '$expected', got '$got'[expr {$what ne "" ? " ($what)" : ""}]"}
}
proc assert_not_equal {unexpected got} {
    if {$unexpected eq $got} {fail "got '$got'"}
}
proc assert_match {pattern got} {
    if {![string match $pattern $got]} {fail "'$got' does not match '$pattern'"}
}
proc assert_no_match {pattern got} {
    if {[string match $pattern $got]} {fail "'$got' matches '$pattern'"}
}
proc assert_range {got low high} {
    if {![string is double -strict $got] || $got < $low || $got > $high} {
        fail "'$got' is not in $low..$high"
    }
}
# The code must end in an error reply, and its text must match.
proc assert_error {pattern code} {
    if {![catch {uplevel 1 $code} message]} {fail "no error, but '$message'"}
    if {![string match $pattern $message]} {fail "the error '$message' does not match '$pattern'"}
}
# The reply, just read over `r`, was nil and not an empty string.
proc assert_nil {got} {
    if {$got ne "" || [r -type] ne "nil"} {fail "expected nil, got [r -type] '$got'"}
}
# The last reply over `r` was of this type: the first word under RESP2, the second under RESP3.
proc assert_reply_type {two three} {
    set want [expr {[resp] == 2 ? $two : $three}]
    if {[r -type] ne $want} {fail "expected a reply of type $want, got [r -type]"}
}
proc assert_sorted_equal {expected got} {
    assert_equal [lsort $expected] [lsort $got]
}
# Both flat lists of pairs hold the same pairs, in any order.
proc assert_pairs {expected got} {
    assert_equal [pairs_sorted $expected] [pairs_sorted $got]
}
proc pairs_sorted {flat} {
    set pairs {}
    foreach {a b} $flat {lappend pairs [list $a $b]}
    return [lsort $pairs]
}
# Pairs as RESP3 nests them, flat as RESP2 sends them.
proc flat {reply} {
    if {[resp] == 2} {return $reply}
    return [concat {*}$reply]
}
proc assert_encoding {encoding key} {assert_equal $encoding [r OBJECT ENCODING $key]}

proc wait_for_condition {tries delay_ms condition {otherwise ""}} {
    for {set i 0} {$i < $tries} {incr i} {
        if {[uplevel 1 [list expr $condition]]} return
        after $delay_ms
    }
    if {$otherwise ne ""} {uplevel 1 $otherwise}
    fail "did not come true within [expr {$tries * $delay_ms}] ms: $condition"
}

# Sets options for the time of the code.
proc with_config {settings code} {
    set before {}
    foreach {name value} $settings {
        lappend before $name [lindex [r CONFIG GET $name] 1]
    }
    r CONFIG SET {*}$settings
    set failure [catch {uplevel 1 $code} message options]
    r CONFIG SET {*}$before
    if {$failure} {return -options $options $message}
}

proc random_int {below} {expr {int(rand() * $below)}}

# A key's value in a model, or "". Not by expr: that would make a number of what looks like one.
proc model_get {model key} {
    if {[dict exists $model $key]} {return [dict get $model $key]}
    return ""
}

# Bytes of any value, or printable ones.
proc random_bytes {count} {
    set out ""
    while {$count >= 4} {
        append out [binary format i [expr {int(rand() * 4294967296)}]]
        incr count -4
    }
    while {[incr count -1] >= 0} {append out [binary format c [random_int 256]]}
    return $out
}
