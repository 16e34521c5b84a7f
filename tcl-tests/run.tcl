#!/usr/bin/env tclsh
# run.tcl -- the end-to-end tests: every file of tcl-tests/ under RESP2 and under RESP3; those of `once` take long, and
# the shapes of their replies are other files' subject, so they run under RESP3 alone unless they are asked for.
#
#   tclsh tcl-tests/run.tcl [--server path] [--only file]... [--resp 2|3] [--test words]
#                           [--redis] [--cold] [--seed n]
#
# --cold: every command meets data that is in the store alone (DEBUG EVICT-ALWAYS).
# --redis: the server is Redis itself; what only Cove has is left out. The tests of what both
# have must pass there: that is how they are known to be right.
# Prints TAP, and on the last line "N passed, N failed".

set here [file dirname [file normalize [info script]]]
cd [file dirname $here]
source $here/support/redis.tcl
source $here/support/server.tcl
source $here/support/test.tcl

set only {}
set protos {2 3}
set once {steps turns}
set seed [expr {[clock milliseconds] % 1000000}]
for {set i 0} {$i < [llength $argv]} {incr i} {
    set value [lindex $argv [expr {$i + 1}]]
    switch -- [lindex $argv $i] {
        --server {set server::path $value; incr i}
        --only {lappend only [file rootname [file tail $value]]; incr i}
        --resp {set protos $value; incr i}
        --test {set tests::only $value; incr i}
        --seed {set seed $value; incr i}
        --redis {set server::redis 1}
        --cold {set server::cold 1}
        default {
            puts stderr "unknown option [lindex $argv $i]"
            exit 2
        }
    }
}
expr {srand($seed)}
puts "# seed $seed"

set files {}
foreach f [lsort [glob $here/*.tcl]] {
    set name [file rootname [file tail $f]]
    if {$name eq "run"} continue
    if {[llength $only] && $name ni $only} continue
    lappend files $f
}
foreach name $only {
    if {![file exists $here/$name.tcl]} {
        puts "# there is no $name.tcl"
        incr tests::failed
    }
}

foreach f $files {
    foreach server::proto $protos {
        set tests::file [file rootname [file tail $f]]
        if {$only eq {} && $protos eq {2 3} && $server::proto == 2 && $tests::file in $once} continue
        set began [clock milliseconds]
        set stage "the file runs to its end"
        if {[catch {
            server::start {}
            apply {{file} {source $file}} $f
            set stage "the server ends cleanly"
            server::stop
        } message options]} {
            puts "# [string map {\n "\n# "} [tests::printable $message]]"
            if {$stage eq "the file runs to its end"} {
                puts "# [string map {\n "\n# "} [tests::printable [dict get $options -errorinfo]]]"
            }
            incr tests::failed
            tests::line 0 $stage
            server::cleanup
        }
        puts "# $tests::file, RESP$server::proto: [expr {[clock milliseconds] - $began}] ms"
    }
}
server::cleanup
if {$tests::skipped} {puts "# $tests::skipped tests are of Cove only, and were left out"}
puts "1..$tests::number"
puts "$tests::passed passed, $tests::failed failed"
exit [expr {$tests::failed > 0 || $tests::passed == 0}]
