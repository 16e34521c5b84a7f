# stream.tcl -- streams: entries, groups, what is pending, and who waits.

# The same with few large blocks and with many small ones.
proc each_block {body} {
    foreach entries {100 3 1} {
        with_config [list stream-node-max-entries $entries] {uplevel 1 $body}
    }
}
proc fill {key n} {
    r MULTI
    for {set i 1} {$i <= $n} {incr i} {r XADD $key $i-0 f $i}
    r EXEC
}
proc ids {entries} {lmap e $entries {lindex $e 0}}
# XREAD and XREADGROUP answer a map, which is a list of pairs in RESP2.
proc streams {args} {
    set reply [r {*}$args]
    if {[resp] == 2} {return $reply}
    return [lmap {key entries} $reply {list $key $entries}]
}
proc sound {} {assert_equal OK [r DEBUG CHECK]}

# A connection that has sent a command and waits for its reply.
proc waiting {args} {
    set before [blocked]
    set c [connect]
    $c -send {*}$args
    wait_for_condition 200 10 {[blocked] == $before + 1}
    return $c
}
proc blocked {} {info_field blocked_clients clients}
proc ended {c} {
    set reply [$c -readtyped]
    $c -close
    return $reply
}
proc delivered {id} {
    set entry [list array [list [list bulk $id] {array {{bulk f} {bulk v}}}]]
    set pair [list {bulk x} [list array [list $entry]]]
    return [expr {[resp] == 2 ? [list array [list [list array $pair]]] : [list map $pair]}]
}

test "XADD answers the id, and ids rise" {
    assert_equal 1-1 [r XADD x 1-1 f v]
    assert_equal 1-2 [r XADD x 1-* f v]
    assert_equal 5-0 [r XADD x 5 f v g w]
    assert_match {*-0} [r XADD x * f v]
    assert_error "ERR The ID specified in XADD is equal or smaller than the target stream top item" {r XADD x 5-0 f v}
    assert_error "ERR The ID specified in XADD must be greater than 0-0" {r XADD y 0-0 f v}
    assert_error "ERR Invalid stream ID specified as stream command argument" {r XADD x a-b f v}
    assert_error "ERR wrong number of arguments for 'xadd' command" {r XADD x * f}
    assert_error "ERR wrong number of arguments for 'xadd' command" {r XADD x * f v g}
    assert_nil [r XADD y NOMKSTREAM 1-1 f v]
    assert_equal 0 [r EXISTS y]
    assert_equal 4 [r XLEN x]
    assert_equal stream [r TYPE x]
    assert_encoding stream x
    r XADD z 18446744073709551615-18446744073709551615 f v
    assert_error "ERR The stream has exhausted the last possible ID, unable to add more items" {r XADD z * f v}
    assert_equal 1 [r XTRIM z MAXLEN 0]
    sound
}

test "Elements too large to be stored are refused, others keep every byte" {
    set large [string repeat x 4000000]
    r XADD x 1-0 f $large "" \x00\xff
    assert_equal [list [list 1-0 [list f $large "" \x00\xff]]] [r XRANGE x - +]
    assert_error "ERR Elements are too large to be stored" {r XADD x 2-0 f [string repeat x 4300000]}
    assert_equal 1 [r XLEN x]
    sound
}

test "XRANGE and XREVRANGE take ends, exclusive ends and counts" {
    each_block {
        r DEL x
        fill x 250
        assert_equal 250 [llength [r XRANGE x - +]]
        assert_equal {100-0 101-0 102-0} [ids [r XRANGE x 100 102]]
        assert_equal {101-0 102-0} [ids [r XRANGE x (100 102]]
        assert_equal {102-0 101-0} [ids [r XREVRANGE x (103-0 101]]
        assert_equal {250-0 249-0} [ids [r XREVRANGE x + - COUNT 2]]
        assert_equal {1-0 2-0} [ids [r XRANGE x - + COUNT 2]]
        assert_equal {} [r XRANGE x 300 +]
        assert_equal {} [r XRANGE x 5 4]
        r XDEL x 100 101-0 101-0 400
        assert_equal {99-0 102-0} [ids [r XRANGE x 99 102]]
        assert_equal {102-0 99-0} [ids [r XREVRANGE x 102 99]]
        assert_equal 248 [r XLEN x]
        sound
    }
    assert_error "ERR invalid start ID for the interval" {r XRANGE x (18446744073709551615-18446744073709551615 +}
    assert_error "ERR invalid end ID for the interval" {r XRANGE x - (0-0}
    assert_error "ERR syntax error" {r XRANGE x - + COUNT}
    assert_error "ERR Invalid stream ID*" {r XRANGE x (- +}
}

test "XTRIM and XADD cut the head off, whole blocks with ~" {
    each_block {
        r DEL x
        fill x 120
        assert_equal 20 [r XTRIM x MAXLEN 100]
        assert_equal 21-0 [lindex [r XRANGE x - + COUNT 1] 0 0]
        assert_equal 9 [r XTRIM x MINID = 30]
        assert_equal 91 [r XLEN x]
        r XADD x MAXLEN 10 121-0 f v
        assert_equal 10 [r XLEN x]
        assert_equal 112-0 [lindex [r XRANGE x - + COUNT 1] 0 0]
        sound
        r XADD x MAXLEN 0 122-0 f v
        assert_equal 0 [r XLEN x]
        assert_equal 1 [r EXISTS x]
        sound
    }
    with_config {stream-node-max-entries 10} {
        r DEL x
        fill x 105
        assert_equal 60 [r XTRIM x MAXLEN ~ 41]
        assert_equal 10 [r XTRIM x MINID ~ 79 LIMIT 15]
        assert_equal 0 [r XTRIM x MINID ~ 79]
        assert_equal 35 [r XLEN x]
    }
    assert_error "ERR syntax error, LIMIT cannot be used without the special ~ option" {r XTRIM x MAXLEN 1 LIMIT 1}
    assert_error "ERR syntax error, MAXLEN and MINID options at the same time are not compatible" {r XTRIM x MAXLEN 1 MINID 1}
    assert_error "ERR The MAXLEN argument must be >= 0." {r XADD x MAXLEN -1 * f v}
    assert_error "ERR syntax error" {r XTRIM x ODD 1}
}

test "XREAD answers what is behind an id" {
    fill x 5
    fill y 2
    assert_equal {{x {{5-0 {f 5}}}}} [streams XREAD STREAMS x 4]
    assert_equal {{x {{4-0 {f 4}}}} {y {{2-0 {f 2}}}}} [streams XREAD COUNT 1 STREAMS x y 3 1]
    assert_nil [r XREAD STREAMS x y 5 $]
    assert_nil [r XREAD BLOCK 1 STREAMS x $]
    assert_error "ERR Unbalanced XREAD list of streams*" {r XREAD STREAMS x y 1}
    assert_error "ERR The > ID can be specified only*" {r XREAD STREAMS x >}
    assert_error "ERR timeout is negative" {r XREAD BLOCK -1 STREAMS x 0}
    r SET s v
    assert_error "WRONGTYPE*" {r XREAD STREAMS s 0}
}

test "A group delivers each entry once, and keeps it pending until XACK" {
    each_block {
        r DEL x
        fill x 10
        r XGROUP CREATE x g 0
        assert_equal {1-0 2-0 3-0} [ids [lindex [streams XREADGROUP GROUP g alice COUNT 3 STREAMS x >] 0 1]]
        assert_equal {4-0 5-0} [ids [lindex [streams XREADGROUP GROUP g bob COUNT 2 STREAMS x >] 0 1]]
        assert_equal {5 1-0 5-0 {{alice 3} {bob 2}}} [r XPENDING x g]
        assert_equal {2-0 3-0} [ids [lindex [streams XREADGROUP GROUP g alice STREAMS x 1] 0 1]]
        assert_equal 2 [lindex [r XPENDING x g - + 10 alice] 1 3]
        assert_equal 2 [r XACK x g 1 2 2 9]
        r XDEL x 3
        assert_equal {{x {{3-0 {}}}}} [streams XREADGROUP GROUP g alice STREAMS x 0]
        assert_equal {3 3-0 5-0 {{alice 1} {bob 2}}} [r XPENDING x g]
        assert_equal {6-0 7-0 8-0 9-0 10-0} [ids [lindex [streams XREADGROUP GROUP g carol NOACK STREAMS x >] 0 1]]
        assert_equal 3 [lindex [r XPENDING x g] 0]
        assert_nil [r XREADGROUP GROUP g alice STREAMS x >]
        assert_equal 2 [r XGROUP DELCONSUMER x g bob]
        assert_equal 1 [lindex [r XPENDING x g] 0]
        sound
        assert_equal 1 [r XGROUP DESTROY x g]
        assert_equal 0 [r XGROUP DESTROY x g]
        sound
    }
    assert_error "NOGROUP No such key 'x' or consumer group 'g' in XREADGROUP with GROUP option" {r XREADGROUP GROUP g a STREAMS x >}
    assert_error "NOGROUP No such key 'x' or consumer group 'g'" {r XPENDING x g}
    assert_error "NOGROUP No such consumer group 'g' for key name 'x'" {r XGROUP SETID x g 0}
    assert_error "ERR The XGROUP subcommand requires the key to exist.*" {r XGROUP CREATE none g 0}
    assert_error "ERR the name exceeds*" {r XGROUP CREATE x [string repeat n 1001] 0}
    r XGROUP CREATE x g $
    assert_error "BUSYGROUP Consumer Group name already exists" {r XGROUP CREATE x g 0}
    assert_error "ERR the name exceeds*" {r XREADGROUP GROUP g [string repeat n 1001] STREAMS x >}
}

test "A stream that XREADGROUP names twice goes on" {
    fill x 5
    r XGROUP CREATE x g 0
    set reply [r -typed XREADGROUP GROUP g alice COUNT 2 STREAMS x x > >]
    assert_equal {1-0 2-0 3-0 4-0} [regexp -all -inline {\d+-0} $reply]
    assert_equal {4 1-0 4-0 {{alice 4}}} [r XPENDING x g]
    assert_equal 4-0 [dict get [lindex [r XINFO GROUPS x] 0] last-delivered-id]
    sound
}

test "XCLAIM and XAUTOCLAIM move what is pending" {
    each_block {
        r DEL x
        fill x 6
        r XGROUP CREATE x g 0
        r XREADGROUP GROUP g alice STREAMS x >
        assert_equal {} [r XCLAIM x g bob 100000 1 2]
        assert_equal {{1-0 {f 1}} {2-0 {f 2}}} [r XCLAIM x g bob 0 1 2]
        assert_equal {1-0} [r XCLAIM x g bob 0 1 JUSTID RETRYCOUNT 7]
        assert_equal {{1-0 bob 0 7}} [lmap p [r XPENDING x g 1 1 1] {lreplace $p 2 2 0}]
        r XDEL x 3
        assert_equal {} [r XCLAIM x g bob 0 3]
        assert_equal {5 1-0 6-0 {{alice 3} {bob 2}}} [r XPENDING x g]
        r XDEL x 5
        assert_equal {6-0 {1-0 2-0 4-0} 5-0} [r XAUTOCLAIM x g carol 0 - COUNT 4 JUSTID]
        assert_equal {0-0 {{6-0 {f 6}}} {}} [r XAUTOCLAIM x g carol 0 6]
        assert_equal {4 1-0 6-0 {{carol 4}}} [r XPENDING x g]
        r XGROUP CREATE x h 0
        assert_equal {2-0} [r XCLAIM x h dave 0 2 FORCE JUSTID]
        assert_equal 1 [lindex [r XPENDING x h] 0]
        sound
    }
}

test "XINFO tells streams, groups and consumers" {
    fill x 4
    r XGROUP CREATE x g 2-0 ENTRIESREAD 2
    r XREADGROUP GROUP g alice COUNT 1 STREAMS x >
    set info [r XINFO STREAM x]
    assert_equal {4 1 4-0 0-0 4 1-0 1} [lmap f {length radix-tree-keys last-generated-id max-deleted-entry-id
        entries-added recorded-first-entry-id groups} {dict get $info $f}]
    assert_equal {1-0 {f 1}} [dict get $info first-entry]
    assert_equal {4-0 {f 4}} [dict get $info last-entry]
    assert_equal {{name g consumers 1 pending 1 last-delivered-id 3-0 entries-read 3 lag 1}} [r XINFO GROUPS x]
    assert_equal {name alice pending 1} [lrange [lindex [r XINFO CONSUMERS x g] 0] 0 3]
    r XDEL x 4
    assert_equal {} [dict get [lindex [r XINFO GROUPS x] 0] lag]
    set full [r XINFO STREAM x FULL COUNT 2]
    assert_equal {{1-0 {f 1}} {2-0 {f 2}}} [dict get $full entries]
    assert_equal {3-0 alice} [lrange [lindex [dict get [lindex [dict get $full groups] 0] pending] 0] 0 1]
    assert_error "ERR no such key" {r XINFO STREAM none}
    assert_error "NOGROUP*" {r XINFO CONSUMERS x none}
    assert_error "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP." {r XINFO STREAM x ODD}
}

test "DUMP and RESTORE keep a stream with its groups, COPY and RENAME too" {
    each_block {
        r FLUSHDB
        fill x 30
        r XDEL x 4 7
        r XGROUP CREATE x g 0
        r XREADGROUP GROUP g alice COUNT 12 STREAMS x >
        r XREADGROUP GROUP g bob COUNT 2 STREAMS x >
        set dump [r DUMP x]
        r RESTORE y 0 $dump
        assert_equal $dump [r DUMP y]
        assert_equal [r DEBUG DIGEST-VALUE x] [r DEBUG DIGEST-VALUE y]
        assert_equal [r XPENDING x g] [r XPENDING y g]
        r COPY x z
        r XADD z * f v
        assert_equal 28 [r XLEN x]
        assert_equal 29 [r XLEN z]
        r RENAME z w
        assert_equal [r XPENDING x g] [r XPENDING w g]
        assert {[r MEMORY USAGE w] > 100}
        sound
    }
}

test "What a stream and its groups were is there after a restart" {
    fill x 300
    r XGROUP CREATE x g 0
    r XREADGROUP GROUP g alice COUNT 150 STREAMS x >
    r XACK x g 3 4 5
    r XDEL x 299 300
    r XTRIM x MAXLEN 200
    set before [list [r DEBUG DIGEST] [r XPENDING x g] [r XINFO GROUPS x] [r XLEN x]]
    restart_server -9
    assert_equal $before [list [r DEBUG DIGEST] [r XPENDING x g] [r XINFO GROUPS x] [r XLEN x]]
    r DEBUG DROP-CLEAN
    assert_equal 301-0 [r XADD x 301-0 f v]
    assert_equal $before [list [lindex $before 0] [r XPENDING x g] [lindex $before 2] [expr {[r XLEN x] - 1}]]
    sound
}

test "XREAD waits for an id above its own" {
    r XADD x 1-0 f v
    set one [waiting XREAD BLOCK 0 STREAMS x $]
    set two [waiting XREAD BLOCK 0 COUNT 1 STREAMS x y 2 0]
    r XADD x 2-0 f v
    assert_equal [delivered 2-0] [ended $one]
    assert_equal 1 [blocked]
    r MULTI
    r XADD x 3-0 f v
    r XADD x 4-0 f v
    r EXEC
    assert_equal [delivered 3-0] [ended $two]
    assert_equal 0 [blocked]
    # Not by a key that goes, nor by one of another type.
    set one [waiting XREAD BLOCK 0 STREAMS x $]
    r DEL x
    r SET x v
    r DEL x
    assert_equal 1 [blocked]
    r XADD x 5-0 f v
    assert_equal [delivered 5-0] [ended $one]
}

test "XREADGROUP waits: the first in line is served, and a group or a key that goes ends it" {
    r XGROUP CREATE x g $ MKSTREAM
    set one [waiting XREADGROUP GROUP g alice BLOCK 0 STREAMS x >]
    set two [waiting XREADGROUP GROUP g bob BLOCK 0 STREAMS x >]
    r XADD x 1-0 f v
    assert_equal [delivered 1-0] [ended $one]
    assert_equal 1 [blocked]
    assert_equal {1 1-0 1-0 {{alice 1}}} [r XPENDING x g]
    r XGROUP DESTROY x g
    assert_equal {error {NOGROUP the consumer group this client was blocked on no longer exists}} [ended $two]
    r XGROUP CREATE x g $
    foreach gone {{DEL x} {SET x v} FLUSHALL} {
        set one [waiting XREADGROUP GROUP g alice BLOCK 0 STREAMS x >]
        r {*}$gone
        assert_equal {error {UNBLOCKED the stream key no longer exists}} [ended $one]
        r DEL x
        r XGROUP CREATE x g $ MKSTREAM
    }
    assert_equal {} [r XINFO CONSUMERS x g]
}

test "XSETID moves the last id, and never below what is there" {
    r DEL s
    assert_error "ERR no such key" {r XSETID s 1-1}
    r XADD s 5-1 a 1
    r XADD s 6-1 a 2
    assert_equal OK [r XSETID s 7-0]
    assert_error "ERR The ID specified in XADD is equal or smaller*" {r XADD s 7-0 a 3}
    assert_equal 7-1 [r XADD s 7-* a 3]
    assert_error "ERR The ID specified in XSETID is smaller than the target stream top item" {r XSETID s 7-0}
    assert_error "ERR The entries_added specified in XSETID is smaller than the target stream length" {
        r XSETID s 9-0 ENTRIESADDED 2 MAXDELETEDID 0-0
    }
    assert_equal OK [r XSETID s 9-0 ENTRIESADDED 10 MAXDELETEDID 8-0]
    set info [r XINFO STREAM s]
    assert_equal {9-0 10 8-0} [list [dict get $info last-generated-id] [dict get $info entries-added] \
                                  [dict get $info max-deleted-entry-id]]
    assert_equal 3 [r XLEN s]
}
