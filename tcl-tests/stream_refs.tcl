# stream_refs.tcl -- entries of streams that go, and the groups that know them: XDELEX, XACKDEL, and the
# options of XADD and XTRIM.

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
proc sound {} {assert_equal OK [r DEBUG CHECK]}

test -tags {cove} "XDELEX tells of each id whether it is deleted, kept or not there" {
    each_block {
        r DEL x
        fill x 6
        assert_equal {1 1 -1} [r XDELEX x IDS 3 2-0 4 9-9]
        assert_equal {1-0 3-0 5-0 6-0} [ids [r XRANGE x - +]]
        assert_equal {1 -1 -1} [r XDELEX x KEEPREF IDS 3 5-0 5-0 4-0]
        assert_equal {1 1 1} [r XDELEX x ids 3 6-0 1-0 3-0 delref]
        assert_equal 0 [r XLEN x]
        assert_equal 1 [r EXISTS x]
        sound
    }
    assert_equal {-1 -1} [r XDELEX y IDS 2 1-1 2-2]
    assert_equal 0 [r EXISTS y]
    set many [lrepeat 300 1-1]
    assert_equal [lrepeat 300 -1] [r XDELEX x ACKED IDS 300 {*}$many]
}

test -tags {cove} "XDELEX DELREF drops what groups have pending, KEEPREF leaves it, ACKED obeys it" {
    fill x 6
    r XGROUP CREATE x g 0
    r XGROUP CREATE x h 0
    r XREADGROUP GROUP g a COUNT 4 STREAMS x >
    r XREADGROUP GROUP h b COUNT 3 STREAMS x >
    r XREADGROUP GROUP g c COUNT 1 STREAMS x >
    assert_equal {1} [r XDELEX x KEEPREF IDS 1 1-0]
    assert_equal {5 1-0 5-0 {{a 4} {c 1}}} [r XPENDING x g]
    # Its references are dangling now: DELREF still finds them.
    assert_equal {-1 1} [r XDELEX x DELREF IDS 2 1-0 2-0]
    assert_equal {3 3-0 5-0 {{a 2} {c 1}}} [r XPENDING x g]
    assert_equal {1 3-0 3-0 {{b 1}}} [r XPENDING x h]
    sound
    r XACK x g 3-0 4-0 5-0
    assert_equal {2 2 2 2 2} [r XDELEX x ACKED IDS 5 3-0 3-0 4-0 5-0 6-0]
    r XACK x h 3-0
    assert_equal {1 -1 2 2} [r XDELEX x ACKED IDS 4 3-0 3-0 4-0 8-0]
    # A new group has read nothing; one that starts at the end has no claim.
    r XREADGROUP GROUP h b NOACK STREAMS x >
    r XREADGROUP GROUP g a NOACK STREAMS x >
    r XGROUP CREATE x late 4-0
    r XGROUP CREATE x end $
    assert_equal {1 2} [r XDELEX x ACKED IDS 2 4-0 5-0]
    r XGROUP DESTROY x late
    assert_equal {1 1} [r XDELEX x ACKED IDS 2 6-0 5-0]
    assert_equal 0 [r XLEN x]
    sound
}

test -tags {cove} "XACKDEL acknowledges for its group, and deletes" {
    foreach {refs first second} {KEEPREF {1 1 -1} {2 1-0 2-0 {{b 2}}} DELREF {1 1 -1} {0 {} {} {}} ACKED {2 2 -1} {2 1-0 2-0 {{b 2}}}} {
        r DEL x
        fill x 2
        r XGROUP CREATE x g 0
        r XGROUP CREATE x h 0
        r XREADGROUP GROUP g a STREAMS x >
        r XREADGROUP GROUP h b STREAMS x >
        assert_equal $first [r XACKDEL x g $refs IDS 3 2-0 1-0 2-0]
        assert_equal {0 {} {} {}} [r XPENDING x g]
        assert_equal $second [r XPENDING x h]
        assert_equal [expr {$refs eq "ACKED" ? 2 : 0}] [r XLEN x]
        # What is gone from the stream may still be acknowledged.
        set again [expr {$refs eq "DELREF" ? {-1 -1} : {1 1}}]
        assert_equal $again [r XACKDEL x h IDS 2 1-0 2-0 $refs]
        assert_equal {0 {} {} {}} [r XPENDING x h]
        assert_equal 0 [r XLEN x]
        sound
    }
    r XADD x 9-0 f v
    r XREADGROUP GROUP g a STREAMS x >
    r XREADGROUP GROUP h b STREAMS x >
    # Not pending in this group: not touched, whoever else has it.
    r XACK x h 9-0
    assert_equal {-1} [r XACKDEL x h DELREF IDS 1 9-0]
    assert_equal 1 [r XLEN x]
    # A group that goes back will read it again.
    r XGROUP SETID x h 0
    assert_equal {2} [r XACKDEL x g ACKED IDS 1 9-0]
    assert_equal {-1 -1} [r XACKDEL x nobody IDS 2 9-0 9-1]
    assert_equal {-1} [r XACKDEL y g IDS 1 9-0]
    sound
}

test -tags {cove} "XDELEX and XACKDEL refuse what they cannot read" {
    r XADD x 1-0 f v
    r XGROUP CREATE x g 0
    r SET s v
    foreach command {{XDELEX x} {XACKDEL x g}} {
        foreach n {abc 0 -5} {
            assert_error "ERR Number of IDs must be a positive integer" {r {*}$command IDS $n 1-1}
        }
        assert_error "ERR The `numids` parameter must match the number of arguments" {r {*}$command IDS 3 1-1 2-2}
        assert_error "ERR syntax error" {r {*}$command IDS 1 1-1 2-2}
        assert_error "ERR syntax error" {r {*}$command IDS 1 1-1 IDS 1 1-1}
        assert_error "ERR syntax error" {r {*}$command KEEPREF 1 1-1}
        assert_error "ERR syntax error" {r {*}$command KEEPREF DELREF IDS 1 1-1}
        assert_error "ERR syntax error" {r {*}$command ACKED IDS 1 1-1 ACKED}
        assert_error "ERR Invalid stream ID specified as stream command argument" {r {*}$command IDS 1 x}
    }
    assert_error "WRONGTYPE *" {r XDELEX s IDS 1 1-0}
    assert_error "WRONGTYPE *" {r XACKDEL s g IDS 1 1-0}
    assert_equal 1 [r XLEN x]
}

test -tags {cove} "XADD and XTRIM with ACKED leave what a group still needs, with DELREF no reference" {
    each_block {
        r DEL x
        fill x 10
        assert_equal 2 [r XTRIM x MAXLEN 8 ACKED]
        r XGROUP CREATE x g 0
        assert_equal 0 [r XTRIM x ACKED MAXLEN 1]
        r XREADGROUP GROUP g a COUNT 6 STREAMS x >
        r XACK x g 4-0 5-0 7-0
        assert_equal 2 [r XTRIM x MINID 7 ACKED]
        assert_equal {3-0 6-0 7-0 8-0 9-0 10-0} [ids [r XRANGE x - +]]
        sound
        # 7-0 is all that can go, though more should.
        assert_equal 11-0 [r XADD x MAXLEN = 2 ACKED 11-0 f v]
        assert_equal {3-0 6-0 8-0 9-0 10-0 11-0} [ids [r XRANGE x - +]]
        r XACK x g 3-0 6-0
        assert_equal 2 [r XTRIM x MAXLEN 4 ACKED]
        r XREADGROUP GROUP g a STREAMS x >
        assert_equal 12-0 [r XADD x DELREF MAXLEN 2 12-0 f v]
        assert_equal {1 11-0 11-0 {{a 1}}} [r XPENDING x g]
        sound
        r XADD x 13-0 f v
        r XREADGROUP GROUP g a STREAMS x >
        r XDEL x 12-0
        # Deleted before, and still pending: it lies in what is cut off.
        assert_equal 2 [r XTRIM x MAXLEN 0 DELREF]
        assert_equal {0 {} {} {}} [r XPENDING x g]
        assert_equal 0 [r XTRIM x MAXLEN 0 KEEPREF]
        sound
    }
    with_config {stream-node-max-entries 5} {
        r DEL x
        fill x 30
        r XGROUP CREATE x g 0
        r XREADGROUP GROUP g a COUNT 22 STREAMS x >
        r XACK x g {*}[lmap i {1 2 3 4 5 7 8 9 10 11 12 13 14 15 16 21 22} {string cat $i -0}]
        # Of whole blocks alone, and of as many as LIMIT lets be looked at.
        assert_equal 5 [r XTRIM x MAXLEN ~ 18 LIMIT 5 ACKED]
        assert_equal 4 [r XTRIM x MINID ~ 14 ACKED]
        assert_equal 6-0 [lindex [r XRANGE x - + COUNT 1] 0 0]
        assert_equal 11-0 [lindex [r XRANGE x - + COUNT 2] 1 0]
        assert_equal 8 [r XTRIM x MAXLEN ~ 1 ACKED LIMIT 0]
        r XACK x g 6-0
        assert_equal 1 [r XTRIM x MAXLEN ~ 1 ACKED LIMIT 0]
        assert_equal 0 [r XTRIM x MAXLEN ~ 1 ACKED LIMIT 0]
        assert_equal {17-0 18-0 19-0 20-0 23-0} [lrange [ids [r XRANGE x - +]] 0 4]
        sound
    }
    assert_error "ERR syntax error" {r XTRIM x MAXLEN 1 ACKED DELREF}
    assert_error "ERR syntax error" {r XADD x ACKED MAXLEN 1 ACKED * f v}
    assert_match *-0 [r XADD x KEEPREF * f v]
}

test -tags {cove} "What XDELEX, XACKDEL and XTRIM did to groups is so after a restart" {
    fill x 12
    r XGROUP CREATE x g 0
    r XGROUP CREATE x h 0
    r XREADGROUP GROUP g a STREAMS x >
    r XREADGROUP GROUP h b STREAMS x >
    r XDELEX x DELREF IDS 2 2-0 11-0
    r XACKDEL x g ACKED IDS 2 3-0 4-0
    r XACKDEL x h ACKED IDS 1 3-0
    r XTRIM x MAXLEN 8 DELREF
    set before [list [r DEBUG DIGEST] [r XPENDING x g] [r XPENDING x h]]
    restart_server -9
    assert_equal $before [list [r DEBUG DIGEST] [r XPENDING x g] [r XPENDING x h]]
    assert_equal 8 [r XLEN x]
    assert_equal {7 5-0 12-0 {{a 7}}} [r XPENDING x g]
    assert_equal {8 4-0 12-0 {{b 8}}} [r XPENDING x h]
    sound
}
