# hll.tcl -- HyperLogLog: every PF command of Redis 7.0. Redis's own unit says the rest.

proc not_hll {} {return "WRONGTYPE Key is not a valid HyperLogLog string value."}
proc damaged {} {return "INVALIDOBJ Corrupted HLL object detected"}

test "PFADD answers whether a register changed, and makes the key" {
    assert_equal 1 [r PFADD p]
    assert_equal 0 [r PFADD p]
    assert_equal 1 [r PFADD p a b c]
    assert_equal 0 [r PFADD p a b c]
    assert_equal 0 [r PFADD p a]
    assert_equal int [r -type]
    assert_equal string [r TYPE p]
    assert_encoding raw p
    assert_equal 3 [r PFCOUNT p]
    assert_equal 0 [r PFCOUNT none]
}

test "A new one has Redis's bytes, and is raw" {
    r PFADD p
    assert_equal "HYLL\1\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff" [r GET p]
    assert_encoding raw p
}

test "PFADD keeps the key's expiry" {
    r PFADD p a
    r EXPIRE p 100
    r PFADD p b c d
    assert {[r TTL p] > 90}
    r PFDEBUG TODENSE p
    r PFADD p e f g
    assert {[r TTL p] > 90}
    assert_equal 7 [r PFCOUNT p]
}

test "PFCOUNT keeps its count in the string until something changes" {
    r PFADD p a b
    assert_equal "\x80" [r GETRANGE p 15 15]
    assert_equal 2 [r PFCOUNT p]
    assert_equal "\2\0\0\0\0\0\0\0" [r GETRANGE p 8 15]
    r PFADD p a
    assert_equal "\2\0\0\0\0\0\0\0" [r GETRANGE p 8 15]
    r PFADD p c
    assert_equal "\x80" [r GETRANGE p 15 15]
}

test "PFCOUNT of many keys and PFMERGE count what is in any of them" {
    r PFADD p1 a b c
    r PFADD p2 c d
    assert_equal 4 [r PFCOUNT p1 p2 none]
    assert_equal OK [r PFMERGE to p1 p2 none]
    assert_equal 4 [r PFCOUNT to]
    assert_equal OK [r PFMERGE p1 p2]
    assert_equal 4 [r PFCOUNT p1]
    assert_equal OK [r PFMERGE new]
    assert_equal 0 [r PFCOUNT new]
    r PFDEBUG TODENSE p2
    r PFMERGE to2 p1 p2
    assert_equal dense [r PFDEBUG ENCODING to2]
    assert_equal 4 [r PFCOUNT to2]
}

test "Estimates of many are close, sparse and dense" {
    set n 0
    foreach upto {100 1000 30000} {
        while {$n < $upto} {
            set args {}
            for {set i 0} {$i < 100} {incr i} {lappend args element:[incr n]}
            r PFADD p {*}$args
        }
        assert {abs([r PFCOUNT p] - $n) <= $n * 0.04}
    }
    assert_equal dense [r PFDEBUG ENCODING p]
    assert_equal 12304 [r STRLEN p]
}

test "hll-sparse-max-bytes says when one becomes dense" {
    r CONFIG SET hll-sparse-max-bytes 30
    for {set i 0} {$i < 20} {incr i} {r PFADD p $i}
    r CONFIG SET hll-sparse-max-bytes 3000
    assert_equal dense [r PFDEBUG ENCODING p]
    assert_equal 20 [r PFCOUNT p]
}

test "PFDEBUG shows the form and the registers" {
    r PFADD p a b c
    assert_equal sparse [r PFDEBUG ENCODING p]
    assert_match "Z:* v:*" [r PFDEBUG DECODE p]
    assert_equal 1 [r PFDEBUG TODENSE p]
    assert_equal 0 [r PFDEBUG TODENSE p]
    assert_error "ERR HLL encoding is not sparse" {r PFDEBUG DECODE p}
    assert_equal 16384 [llength [r PFDEBUG GETREG p]]
    assert_error "ERR Unknown PFDEBUG subcommand 'WHAT'" {r PFDEBUG WHAT p}
    assert_error "ERR The specified key does not exist" {r PFDEBUG ENCODING none}
    assert_equal OK [r PFSELFTEST]
}

test "Strings that are none, and damaged ones, are refused and stay" {
    r SET s foo
    r SET long [string repeat x 20000]
    r HSET h f v
    foreach k {s long} {
        assert_error [not_hll] {r PFADD $k a}
        assert_error [not_hll] {r PFCOUNT $k}
        assert_error [not_hll] {r PFCOUNT none $k}
        assert_error [not_hll] {r PFMERGE to $k}
    }
    assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r PFADD h a}
    r PFADD p a b c
    r APPEND p more
    set bytes [r GET p]
    assert_error [damaged] {r PFCOUNT p}
    assert_error [damaged] {r PFMERGE to p}
    assert_error [damaged] {r PFDEBUG TODENSE p}
    assert_equal $bytes [r GET p]
    assert_equal 0 [r EXISTS to]
}

test "Runs that lead to a register are read and changed, whatever is behind them" {
    r PFADD p
    r SETRANGE p 1000 xx
    assert_equal sparse [r PFDEBUG ENCODING p]
    assert_equal 0 [r PFADD p]
    assert_equal 1 [r PFADD p a b c]
    assert_equal 0 [r PFADD p a b c]
    assert_equal 1011 [r STRLEN p]
    assert_error [damaged] {r PFCOUNT p}
    assert_match "Z:8436 v:1,1 *z:1 Z:14457" [r PFDEBUG DECODE p]
}

test "What PFADD meets before the damage stays added" {
    r SET p "HYLL\1\0\0\0\0\0\0\0\0\0\0\0\x70\0"
    assert_error [damaged] {r PFADD p c a}
    assert_equal "Z:8436 v:1,1 Z:3852" [r PFDEBUG DECODE p]
    assert_equal "\x80" [r GETRANGE p 15 15]
    r DEBUG RELOAD
    assert_equal "Z:8436 v:1,1 Z:3852" [r PFDEBUG DECODE p]
}

test "A damaged one is looked at up to a length that none can need" {
    r PFADD p a
    r SETRANGE p 1048576 x
    assert_equal sparse [r PFDEBUG ENCODING p]
    assert_equal 0 [r PFADD p]
    assert_error [damaged] {r PFADD p b}
    assert_error [damaged] {r PFDEBUG DECODE p}
    assert_equal 1048577 [r STRLEN p]
}

test "What was added survives a reload" {
    r PFADD p a b c
    r PFADD d x y
    r PFDEBUG TODENSE d
    r PFADD d z
    r DEBUG RELOAD
    assert_equal 3 [r PFCOUNT p]
    assert_equal 3 [r PFCOUNT d]
}
