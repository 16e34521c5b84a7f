# vector_index.tcl -- the index of large vector sets, and the commands that are Cove's own: VMADD, VRECALL, VINFO
# key FULL, and what VSEARCH's RECALL, PROBES and EXACT ask for.

if {$::server::redis} {
    puts "# these are not Redis's"
    return
}

set ::dim 24
set ::centres {}
expr {srand(17)}
proc gauss {} {expr {rand() + rand() + rand() + rand() - 2.0}}

# Centres, and vectors about them: as flat lists of floats.
proc make_centres {n} {
    global dim centres
    set centres {}
    for {set i 0} {$i < $n} {incr i} {
        set c {}
        for {set d 0} {$d < $dim} {incr d} {lappend c [expr {4 * [gauss]}]}
        lappend centres $c
    }
}
proc near {i} {
    global centres
    set v {}
    foreach x [lindex $centres [expr {$i % [llength $centres]}]] {lappend v [expr {$x + [gauss]}]}
    binary format r* $v
}
# Elements e<from> .. e<to - 1>.
proc add_many {key from to args} {
    global dim
    set added 0
    for {set i $from} {$i < $to} {} {
        set words {}
        for {set n 0} {$n < 500 && $i < $to} {incr n; incr i} {lappend words e$i [near $i]}
        incr added [r VMADD $key {*}$args FP32 $dim $n {*}$words]
    }
    return $added
}
proc info_full {key field} {dict get [r VINFO $key FULL] $field}
proc settle {key} {
    wait_for_condition 600 50 {[info_full $key index] eq "ready" && [info_full $key probes] > 0} {fail "no index"}
    wait_for_condition 600 50 {[info_full $key settled]} {fail "no rest"}
}
proc names {reply} {dict keys $reply}
# How many of the true 10 nearest searches find, in the mean of n.
proc found {key n args} {
    set hits 0
    for {set i 0} {$i < $n} {incr i} {
        set q [near $i]
        set true [r VSEARCH $key K 10 FP32 $q EXACT]
        foreach name [r VSEARCH $key K 10 FP32 $q {*}$args] {incr hits [expr {$name in $true}]}
    }
    expr {$hits / (10.0 * $n)}
}
proc sound {} {r DEBUG CHECK}

# ---- VMADD -------------------------------------------------------------------------------------------

test "VMADD puts many elements in, and says how many were new" {
    set a [binary format r2 {1 0}]
    set b [binary format r2 {0 1}]
    assert_equal 2 [r VMADD v FP32 2 2 a $a b $b]
    assert_equal int [r -type]
    assert_equal 1 [r VMADD v FP32 2 2 a $b c $a]
    assert_equal 3 [r VCARD v]
    assert_equal {b a} [lsort -decreasing [r VSIM v FP32 $b COUNT 2]]
    assert_equal 1 [r VMADD w NOQUANT XDISTANCE_METRIC L2 SETATTR {{"y":1}} REDUCE 1 FP32 2 1 x $a]
    assert_equal f32 [dict get [r VINFO w] quant-type]
    assert_equal {{"y":1}} [r VGETATTR w x]
    assert_equal 1 [r VDIM w]
    assert_equal 2 [r VMADD twice FP32 2 3 a $a b $b a $b]
    assert_equal 2 [r VCARD twice]
}

test "VMADD refuses all or takes all" {
    set a [binary format r2 {1 0}]
    set syntax "ERR syntax error in VMADD command"
    set bad "ERR invalid vector specification"
    assert_error "ERR wrong number of arguments for 'VMADD' command" {r VMADD v FP32 2 1 a}
    assert_error $syntax {r VMADD v VALUES 2 1 a $a}
    assert_error $syntax {r VMADD v BOGUS FP32 2 1 a $a}
    assert_error $bad {r VMADD v FP32 0 1 a $a}
    assert_error $bad {r VMADD v FP32 65537 1 a $a}
    assert_error $bad {r VMADD v FP32 x 1 a $a}
    assert_error $bad {r VMADD v REDUCE 3 FP32 2 1 a $a}
    assert_error $bad {r VMADD v FP32 2 2 a $a b short}
    assert_error "ERR invalid number of elements" {r VMADD v FP32 2 0 a $a}
    assert_error "ERR number of elements does not match the arguments" {r VMADD v FP32 2 2 a $a b}
    assert_error "ERR number of elements does not match the arguments" {r VMADD v FP32 2 3 a $a b $a}
    assert_error "ERR number of elements does not match the arguments" {r VMADD v FP32 2 9223372036854775807 a $a}
    assert_error "ERR element name or attribute too large" {r VMADD v FP32 2 2 a $a [string repeat x 65536] $a}
    assert_equal 0 [r EXISTS v]
    r VMADD v FP32 2 1 a $a
    assert_error "ERR asked quantization mismatch with existing vector set" {r VMADD v BIN FP32 2 1 b $a}
    assert_error "ERR Vector dimension mismatch - got 3 but set has 2" {r VMADD v FP32 3 1 b [binary format r3 {1 2 3}]}
    assert_equal 1 [r VCARD v]
    r SET s x
    assert_error "WRONGTYPE*" {r VMADD s FP32 2 1 a $a}
}

test "VMADD inside of MULTI is one step" {
    set a [binary format r2 {1 0}]
    r MULTI
    r VMADD v FP32 2 2 a $a b $a
    r VCARD v
    assert_equal {2 2} [r EXEC]
}

# ---- small sets ---------------------------------------------------------------------------------------

test "A small set has no index, and is searched exactly" {
    make_centres 3
    add_many v 0 50
    assert_equal none [info_full v index]
    assert_equal 0 [info_full v clusters]
    set got [r VRECALL v]
    assert_equal {recall samples k probes} [names $got]
    assert_equal 1 [expr {[dict get $got recall] == 1.0}]
    assert_equal 25 [dict get $got samples]
    assert_equal 10 [dict get $got k]
    assert_error "ERR wrong number of arguments for 'VINFO' command" {r VINFO v BOGUS}
    assert_equal 18 [llength [flat [r VINFO v]]]
}

test "VRECALL refuses what makes no sense" {
    add_many v 0 10
    assert_error "ERR invalid SAMPLES" {r VRECALL v SAMPLES 0}
    assert_error "ERR invalid SAMPLES" {r VRECALL v SAMPLES x}
    assert_error "ERR invalid K" {r VRECALL v K -1}
    assert_error "ERR syntax error in VRECALL command" {r VRECALL v K}
    assert_error "ERR syntax error in VRECALL command" {r VRECALL v BOGUS 1}
    assert_error "ERR key does not exist" {r VRECALL none}
}

# ---- a large set ------------------------------------------------------------------------------------------

test "A set that grows large gets an index, whose recall follows what is asked for" {
    make_centres 60
    assert_equal 12000 [add_many v 0 12000 XDISTANCE_METRIC L2]
    settle v
    assert {[info_full v clusters] > 60}
    assert_equal OK [sound]
    set low [found v 40 RECALL 0.8]
    set high [found v 40 RECALL 0.99]
    assert {$low > 0.7}
    assert {$high > 0.95}
    assert_equal 1 [expr {[found v 10 RECALL 1] == 1.0}]
    set got [r VRECALL v SAMPLES 20 K 10]
    assert_equal 20 [dict get $got samples]
    assert {[dict get $got probes] > 0}
    assert {[dict get $got recall] > 0.8}
    set q [near 1]
    set few [lindex [r VSEARCH v FP32 $q RECALL 0.8 PROFILE] 1]
    set many [lindex [r VSEARCH v FP32 $q RECALL 0.99 PROFILE] 1]
    assert {[dict get $few scanned] <= [dict get $many scanned]}
    assert {[dict get $many scanned] < 12000}
    assert_equal 3 [dict get [lindex [r VSEARCH v FP32 [near 1] PROBES 3 PROFILE] 1] probes]
}

test -keep "Every element finds itself, also after updates and removals" {
    for {set i 0} {$i < 12000} {incr i 3} {r -send VREM v e$i}
    for {set i 0} {$i < 12000} {incr i 3} {assert_equal 1 [expr {[r -read] ? 1 : 0}]}
    for {set i 1} {$i < 12000} {incr i 30} {assert_equal 0 [expr {[r VADD v FP32 [near [expr {$i + 7}]] e$i XDISTANCE_METRIC L2] ? 1 : 0}]}
    settle v
    assert_equal OK [sound]
    assert_equal 8000 [r VCARD v]
    set lost 0
    for {set i 1} {$i < 12000} {incr i 97} {
        if {$i % 3 == 0} continue
        if {[lindex [r VSEARCH v K 1 ELE e$i] 0] ne "e$i"} {incr lost}
    }
    assert {$lost <= 1}
    assert {[found v 30 RECALL 0.95] > 0.88}
    assert {[lsearch [r VSEARCH v K 50 FP32 [near 0]] e0] < 0}
}

test -keep "The vectors leave memory before the index" {
    if {$::server::cold} {r DEBUG EVICT-ALWAYS no}
    r VSEARCH v FP32 [near 5] PROBES 1000
    r SAVE
    assert {[info_full v resident-vectors] > 0}
    assert {[r DEBUG DROP-CLEAN FIRST] > 0}
    assert_equal 0 [info_full v resident-vectors]
    set index [info_full v resident-index]
    assert {$index > 0 && $index <= [info_full v resident-bytes]}
    assert_equal 0 [r VISMEMBER v nobody]
    assert_equal 1 [dict get [lindex [r VSEARCH v FP32 [near 5] PROFILE] 1] store-rounds]
    assert {[info_full v resident-vectors] > 0}
    assert_equal $index [info_full v resident-index]
    assert_equal OK [sound]
    assert_error "ERR syntax error" {r DEBUG DROP-CLEAN LAST}
    if {$::server::cold} {r DEBUG EVICT-ALWAYS yes}
}

test -keep "It survives a kill, is read back when it is cold, and travels with a copy" {
    restart_server
    assert_equal ready [info_full v index]
    assert_equal OK [sound]
    assert {[found v 10 RECALL 0.95] > 0.8}
    r SAVE
    r DEBUG DROP-CLEAN
    if {$::server::cold} {r DEBUG EVICT-ALWAYS no}
    # The key, its page table with the centroids, clusters, vectors.
    set cold [lindex [r VSEARCH v FP32 [near 5] PROFILE] 1]
    assert_equal 4 [dict get $cold store-rounds]
    r DEBUG DROP-CLEAN
    assert_equal 0 [r VISMEMBER v nobody]
    set cold [lindex [r VSEARCH v FP32 [near 5] PROFILE] 1]
    assert_equal 2 [dict get $cold store-rounds]
    if {$::server::cold} {r DEBUG EVICT-ALWAYS yes}
    assert {[found v 10 RECALL 0.95] > 0.8}
    assert_equal 1 [r COPY v w]
    r VREM v e1
    assert_equal 8000 [r VCARD w]
    assert_equal e1 [lindex [r VSEARCH w K 1 ELE e1] 0]
    assert_equal OK [sound]
    set payload [r DUMP v]
    r RESTORE back 0 $payload
    assert_equal 7999 [r VCARD back]
    assert_equal OK [sound]
}

test -keep "A filter fills what is asked for, however rare it is" {
    r DEL w back
    for {set i 1} {$i < 12000} {incr i} {
        if {$i % 3 == 0 || $i == 1} continue
        r -send VSETATTR v e$i "{\"i\":$i}"
    }
    for {set i 1} {$i < 12000} {incr i} {if {$i % 3 != 0 && $i != 1} {r -read}}
    foreach {filter n} {{.i < 3} 1 {.i < 13} 7 {.i > 11900} 20 {.i in [4, 8, 10000]} 3 {.i < 0} 0} {
        set got [r VSEARCH v K 20 FP32 [near 3] FILTER $filter]
        assert_equal $n [llength $got] $filter
        set q [near 3]
        set got [lsort [r VSEARCH v K 20 FP32 $q FILTER $filter RECALL 0.99]]
        if {$n < 20} {assert_equal [lsort [r VSEARCH v K 20 FP32 $q FILTER $filter EXACT]] $got}
    }
}

test -keep "A filter that comes again sees what has changed meanwhile" {
    for {set round 0} {$round < 6} {incr round} {
        assert_equal {e10000 e4 e8} [lsort [r VSEARCH v K 20 FP32 [near 3] FILTER {.i in [4, 8, 10000]}]]
        set read [dict get [lindex [r VSEARCH v K 20 FP32 [near 3] FILTER {.i in [4, 8, 10000]} PROFILE] 1] filtered]
        if {!$::server::cold} {assert {$read < 100}}
        switch $round {
            0 {r VSETATTR v e4 {{"i":5}}; r VSETATTR v e5 {{"i":4}}}
            1 {r SAVE; r VREM v e5}
            2 {r VADD v FP32 [near 9] e5 SETATTR {{"i":4}} XDISTANCE_METRIC L2}
            3 {r SAVE; r DEBUG DROP-CLEAN; r VSETATTR v e8 [string cat {{"i":9,"text":"} [string repeat x 3000] {"}}]}
            4 {r VSETATTR v e8 [string cat {{"i":8,"text":"} [string repeat x 3000] {"}}]}
        }
        set want [lindex {{e10000 e5 e8} {e10000 e4 e8} {e10000 e4 e5 e8} {e10000 e4} {e10000 e4 e8}} $round]
        if {$round < 5} {
            assert_equal $want [lsort [r VSEARCH v K 20 FP32 [near 3] FILTER {.i in [4, 8, 10000]}]]
            r VSETATTR v e4 {{"i":4}}
            if {$round != 1} {r VSETATTR v e5 {{"i":5}}}
            r VSETATTR v e8 {{"i":8}}
        }
    }
}

test -keep "A filter that lets all through has no more clusters scanned" {
    for {set i 0} {$i < 12000} {incr i} {if {$i % 3 != 0 && $i != 1} {r -send VSETATTR v e$i {{"i":1}}}}
    for {set i 0} {$i < 12000} {incr i} {if {$i % 3 != 0 && $i != 1} {r -read}}
    settle v
    foreach target {0.8 0.95} {
        set q [near 7]
        set all [r VSEARCH v FP32 $q RECALL $target PROFILE]
        set got [r VSEARCH v FP32 $q RECALL $target FILTER {.i == 1} PROFILE]
        assert_equal [dict get [lindex $all 1] probes] [dict get [lindex $got 1] probes]
        assert_equal [lindex $all 0] [lindex $got 0]
    }
}

test "WATCH sees no change of the index" {
    make_centres 20
    add_many v 0 10100
    r WATCH v
    wait_for_condition 600 50 {[info_full v index] eq "ready"} {fail "no index"}
    r MULTI
    r PING
    assert_equal PONG [lindex [r EXEC] 0]
}

test "A set that has grown by a third is made ready again when it rests" {
    make_centres 20
    add_many v 0 12000
    settle v
    # Whoever is slow to add more lets it rest in between; a quarter more makes it old.
    assert {[info_full v measured-size] >= 9600}
    add_many v 12000 16000
    settle v
    assert {[info_full v measured-size] >= 12800}
    assert_equal OK [sound]
}

test -keep "What a server had left undone is done after a restart, also when only VINFO asks" {
    add_many v 16000 22000
    restart_server
    settle v
    assert {[info_full v measured-size] > 20000}
    assert_equal OK [sound]
}

test -keep "Attributes do not make the index old" {
    for {set i 0} {$i < 12000} {incr i} {r -send VSETATTR v e$i {{"a":1}}}
    for {set i 0} {$i < 12000} {incr i} {r -read}
    assert_equal 1 [info_full v settled]
}

test "Vectors far from all that the index was made of are found" {
    make_centres 20
    add_many v 0 10100 XDISTANCE_METRIC L2
    settle v
    set moved {}
    foreach c $::centres {
        set m {}
        foreach x $c {lappend m [expr {$x + 400}]}
        lappend moved $m
    }
    set ::centres $moved
    add_many v 10100 16100 XDISTANCE_METRIC L2
    settle v
    assert {[found v 30 RECALL 0.95] > 0.9}
    assert_equal OK [sound]
}

proc add_equal {key blob n} {
    for {set i 0} {$i < $n} {} {
        set words {}
        for {set k 0} {$k < 600} {incr k; incr i} {lappend words e$i $blob}
        r VMADD $key XDISTANCE_METRIC L2 FP32 4 600 {*}$words
    }
}

test "Among equal vectors each other one is found" {
    set same [binary format r4 {1 2 3 4}]
    add_equal v $same 10200
    r VADD v FP32 [binary format r4 {0 0 0 0}] zero XDISTANCE_METRIC L2
    settle v
    for {set i 0} {$i < 10} {incr i} {r VADD v FP32 [binary format r4 "0 0 -$i -4"] out$i XDISTANCE_METRIC L2}
    assert_equal zero [lindex [r VSEARCH v K 1 FP32 [binary format r4 {0 0 0 0}]] 0]
    assert_equal 100 [llength [r VSEARCH v K 100 FP32 $same]]
    for {set i 0} {$i < 10} {incr i} {
        assert_equal out$i [lindex [r VSEARCH v K 1 FP32 [binary format r4 "0 0 -$i -4"]] 0]
    }
}

test "Vectors that are very far off hide no others" {
    set same [binary format r4 {1 2 3 4}]
    add_equal v $same 10200
    r VADD v FP32 [binary format r4 {0 0 0 0}] zero XDISTANCE_METRIC L2
    r VADD v FP32 [binary format r4 {1e18 0 0 0}] far XDISTANCE_METRIC L2
    r VADD v FP32 [binary format r4 {3e38 3e38 0 0}] farther XDISTANCE_METRIC L2
    settle v
    assert_equal OK [sound]
    foreach {name x} {zero {0 0 0 0} far {1e18 0 0 0}} {
        assert_equal $name [lindex [r VSEARCH v K 1 FP32 [binary format r4 $x] PROBES 1000] 0]
    }
    for {set i 0} {$i < 10200} {incr i} {r -send VREM v e$i}
    for {set i 0} {$i < 10200} {incr i} {r -read}
    wait_for_condition 600 50 {[info_full v clusters] <= 3} {fail "[info_full v clusters] clusters stay"}
    assert_equal OK [sound]
    assert_equal 3 [r VCARD v]
    foreach {name x} {zero {0 0 0 0} far {1e18 0 0 0}} {
        assert_equal $name [lindex [r VSEARCH v K 1 FP32 [binary format r4 $x] PROBES 1000] 0]
    }
}
