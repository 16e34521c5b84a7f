# bitmap.tcl -- strings as arrays of bits: every bit command of Redis 7.0.

proc wrongtype {} {return "WRONGTYPE Operation against a key holding the wrong kind of value"}
proc bad_offset {} {return "ERR bit offset is not an integer or out of range"}

# A string's bits as zeros and ones.
proc bits_of {bytes} {
    binary scan $bytes B* bits
    return $bits
}

test "SETBIT answers the old bit and makes the string as long as it has to be" {
    assert_equal 0 [r SETBIT k 1 1]
    assert_equal int [r -type]
    assert_equal "@" [r GET k]
    assert_equal 1 [r SETBIT k 1 0]
    assert_equal "\0" [r GET k]
    assert_equal 0 [r SETBIT k 23 1]
    assert_equal "\0\0\1" [r GET k]
    assert_equal 0 [r SETBIT k 100 0]
    assert_equal 13 [r STRLEN k]
    r SET n 1
    assert_equal 0 [r SETBIT n 6 1]
    assert_equal 3 [r GET n]
}

test "A string that bits are set in is raw" {
    r SET n 12345
    r SET s abc
    r SETBIT n 0 0
    r SETBIT s 0 0
    r SETBIT new 3 0
    foreach k {n s new} {assert_encoding raw $k}
    assert_equal 12345 [r GET n]
    r SET f 12345
    r BITFIELD f GET u8 0
    assert_encoding int f
    r BITFIELD f SET u8 0 49
    assert_encoding raw f
    assert_equal 12345 [r GET f]
}

test "GETBIT" {
    r SET k "\x80\x01"
    assert_equal 1 [r GETBIT k 0]
    assert_equal 0 [r GETBIT k 1]
    assert_equal 1 [r GETBIT k 15]
    assert_equal 0 [r GETBIT k 16]
    assert_equal 0 [r GETBIT k 4294967295]
    assert_equal 0 [r GETBIT none 5]
    r SET n 1
    assert_equal {0 0 1 1 0 0 0 1} [lmap i {0 1 2 3 4 5 6 7} {r GETBIT n $i}]
}

test "Offsets and bits that are none" {
    foreach bad {-1 x 1.5 4294967296 9223372036854775808 "#1" ""} {
        assert_error [bad_offset] {r SETBIT k $bad 1}
        assert_error [bad_offset] {r GETBIT k $bad}
    }
    foreach bad {-1 2 20 x ""} {
        assert_error "ERR bit is not an integer or out of range" {r SETBIT k 0 $bad}
    }
    assert_equal 0 [r EXISTS k]
    assert_error "ERR wrong number of arguments for 'setbit' command" {r SETBIT k 0}
    assert_error "ERR wrong number of arguments for 'getbit' command" {r GETBIT k}
}

test "BITCOUNT" {
    assert_equal 0 [r BITCOUNT none]
    assert_equal 0 [r BITCOUNT none 0 x]
    r SET k foobar
    assert_equal 26 [r BITCOUNT k]
    assert_equal int [r -type]
    assert_equal 4 [r BITCOUNT k 0 0]
    assert_equal 6 [r BITCOUNT k 1 1]
    assert_equal 26 [r BITCOUNT k 0 -1 BYTE]
    assert_equal 17 [r BITCOUNT k 5 30 BIT]
    assert_equal 0 [r BITCOUNT k 3 1]
    assert_equal 0 [r BITCOUNT k -1 -2]
    assert_equal 26 [r BITCOUNT k -100 100]
    assert_equal 0 [r BITCOUNT k 100 200]
    assert_error "ERR syntax error" {r BITCOUNT k 0}
    assert_error "ERR syntax error" {r BITCOUNT k 0 1 HELLO}
    assert_error "ERR syntax error" {r BITCOUNT k 0 1 BIT more}
    assert_error "ERR value is not an integer or out of range" {r BITCOUNT k a b}
    r SET n 123
    assert_equal 10 [r BITCOUNT n]
    r SET empty ""
    assert_equal 0 [r BITCOUNT empty]
    assert_equal 0 [r BITCOUNT empty 0 -1 BIT]
}

test "BITCOUNT and BITPOS of random ranges against a model" {
    foreach length {1 9 40 300} {
        for {set round 0} {$round < 60} {incr round} {
            set bytes [random_bytes $length]
            if {$round % 4 == 0} {set bytes [string repeat "\xff" $length]}
            if {$round % 4 == 1} {set bytes [string repeat "\0" $length]}
            r SET k $bytes
            set bits [bits_of $bytes]
            foreach {unit width} {BYTE 8 BIT 1} {
                set total [expr {$length * 8 / $width}]
                set from [expr {[random_int [expr {$total * 2}]] - $total / 2}]
                set to [expr {[random_int [expr {$total * 2}]] - $total / 2}]
                set lo [expr {$from < 0 ? max(0, $from + $total) : $from}]
                set hi [expr {$to < 0 ? max(0, $to + $total) : $to}]
                if {$hi >= $total} {set hi [expr {$total - 1}]}
                set part [string range $bits [expr {$lo * $width}] [expr {$hi * $width + $width - 1}]]
                if {$lo > $hi || ($from < 0 && $to < 0 && $from > $to)} {set part ""}
                assert_equal [regexp -all 1 $part] [r BITCOUNT k $from $to $unit] "$from $to $unit"
                if {$from < 0 && $to < 0 && $from > $to} continue
                foreach bit {0 1} {
                    set at [string first $bit $part]
                    if {$at >= 0} {incr at [expr {$lo * $width}]}
                    assert_equal $at [r BITPOS k $bit $from $to $unit] "$bit $from $to $unit"
                }
            }
        }
    }
}

test "BITPOS" {
    assert_equal -1 [r BITPOS none 1]
    assert_equal 0 [r BITPOS none 0]
    assert_equal 0 [r BITPOS none 0 5 6]
    r SET k "\xff\xf0\x00"
    assert_equal 12 [r BITPOS k 0]
    assert_equal 0 [r BITPOS k 1]
    assert_equal 16 [r BITPOS k 0 2]
    assert_equal -1 [r BITPOS k 1 2]
    assert_equal 8 [r BITPOS k 1 1 -1 BYTE]
    assert_equal 9 [r BITPOS k 1 9 -1 BIT]
    assert_equal 12 [r BITPOS k 0 9 -1 BIT]
    r SET ones "\xff\xff\xff"
    assert_equal 24 [r BITPOS ones 0]
    assert_equal 24 [r BITPOS ones 0 1]
    assert_equal -1 [r BITPOS ones 0 0 -1]
    assert_equal -1 [r BITPOS ones 0 5]
    assert_equal -1 [r BITPOS ones 1 2 1]
    r SET empty ""
    assert_equal -1 [r BITPOS empty 0]
    assert_equal -1 [r BITPOS empty 1]
    assert_error "ERR The bit argument must be 1 or 0." {r BITPOS k 2}
    assert_error "ERR The bit argument must be 1 or 0." {r BITPOS none 2}
    assert_error "ERR value is not an integer or out of range" {r BITPOS k x}
    assert_error "ERR value is not an integer or out of range" {r BITPOS k 1 x}
    assert_error "ERR value is not an integer or out of range" {r BITPOS k 1 0 x}
    assert_error "ERR syntax error" {r BITPOS k 1 0 1 HELLO}
    assert_error "ERR syntax error" {r BITPOS k 1 0 1 BIT more}
}

test "BITOP" {
    r SET a "\xaa\x00\xff\x55"
    r SET b "\xaa\x00\xff"
    assert_equal 4 [r BITOP AND d a b]
    assert_equal int [r -type]
    assert_equal "\xaa\x00\xff\x00" [r GET d]
    assert_equal 4 [r BITOP OR d a b]
    assert_equal "\xaa\x00\xff\x55" [r GET d]
    assert_equal 4 [r BITOP xor d a b]
    assert_equal "\x00\x00\x00\x55" [r GET d]
    assert_equal 4 [r BITOP NOT d a]
    assert_equal "\x55\xff\x00\xaa" [r GET d]
    assert_equal 4 [r BITOP AND d a none]
    assert_equal "\0\0\0\0" [r GET d]
    assert_equal 4 [r BITOP OR d none a none]
    assert_equal "\xaa\x00\xff\x55" [r GET d]
    assert_equal 4 [r BITOP NOT a a]
    assert_equal "\x55\xff\x00\xaa" [r GET a]
    r SET n 123
    assert_equal 3 [r BITOP OR d n]
    assert_equal 123 [r GET d]
    assert_encoding raw d
    assert_equal 124 [r INCR d]
}

# Replies recorded from Redis 8.2.3.
test "BITOP DIFF, DIFF1, ANDOR and ONE" {
    r SET a "\xff\x0f\x01"
    r SET b "\x0f\x01"
    r SET c "\xf0"
    foreach {op sources want} {
        DIFF {a b} "\xf0\x0e\x01"    DIFF {none a} "\x00\x00\x00"    DIFF {b a} "\x00\x00\x00"
        DIFF1 {a b c} "\x00\x00\x00" DIFF1 {none a b} "\xff\x0f\x01" DIFF1 {c a b} "\x0f\x0f\x01"
        ANDOR {a b c} "\xff\x01\x00" ANDOR {b a c} "\x0f\x01\x00"    ANDOR {none a} "\0\0\0"
        ONE {a b c} "\x00\x0e\x01"   ONE {a} "\xff\x0f\x01"          ONE {a a a} "\0\0\0"
    } {
        assert_equal 3 [r BITOP $op d {*}$sources]
        assert_equal [subst $want] [r GET d]
    }
    assert_equal 3 [r BITOP diff a a b]
    assert_equal "\xf0\x0e\x01" [r GET a]
    assert_equal 0 [r BITOP ONE a none other]
    assert_equal 0 [r EXISTS a]
}

# Several pages and a tail, against the definition of each operation in Tcl's own arithmetic.
test "BITOP's newer operations on long strings" {
    set strings {}
    foreach {key n} {a 150003 b 149999 c 70001} {
        set s [random_bytes $n]
        r SET $key $s
        binary scan $s cu* bytes
        lappend strings $bytes
    }
    lassign $strings as bs cs
    foreach op {DIFF DIFF1 ANDOR ONE} {
        assert_equal 150003 [r BITOP $op d a b c]
        binary scan [r GET d] cu* got
        set want {}
        foreach x $as y $bs z $cs {
            if {$y eq ""} {set y 0}
            if {$z eq ""} {set z 0}
            switch $op {
                DIFF {lappend want [expr {$x & ~($y | $z)}]}
                DIFF1 {lappend want [expr {($y | $z) & ~$x}]}
                ANDOR {lappend want [expr {$x & ($y | $z)}]}
                ONE {lappend want [expr {($x ^ $y ^ $z) & ~($x & $y & $z)}]}
            }
        }
        assert {$got eq $want}
    }
}

test "BITOP replaces what was there, or removes it" {
    r SET a x
    r RPUSH l 1 2
    r EXPIRE l 100
    assert_equal 1 [r BITOP OR l a]
    assert_equal x [r GET l]
    assert_equal -1 [r TTL l]
    assert_equal 0 [r BITOP OR l none other]
    assert_equal 0 [r EXISTS l]
    r SET empty ""
    assert_equal 0 [r BITOP NOT a empty]
    assert_equal 0 [r EXISTS a]
    r SADD s x
    assert_equal 0 [r BITOP XOR s none]
    assert_equal 0 [r EXISTS s]
}

test "BITOP's errors" {
    r SET a x
    r SADD s x
    assert_error "ERR syntax error" {r BITOP NAND d a}
    assert_error "ERR BITOP NOT must be called with a single source key." {r BITOP NOT d a a}
    foreach op {DIFF DIFF1 ANDOR} {
        assert_error "ERR BITOP $op must be called with at least two source keys." {r BITOP $op d a}
    }
    assert_error [wrongtype] {r BITOP OR d a s}
    assert_error [wrongtype] {r BITOP OR d none s}
    assert_error "ERR wrong number of arguments for 'bitop' command" {r BITOP OR d}
    assert_equal 0 [r EXISTS d]
}

test "BITOP of random strings against a model" {
    for {set round 0} {$round < 60} {incr round} {
        set all {}
        set keys {}
        set longest 0
        for {set k 0} {$k < 1 + $round % 5} {incr k} {
            set s [random_bytes [random_int 60]]
            lappend all [bits_of $s]
            lappend keys k$k
            r SET k$k $s
            set longest [expr {max($longest, [string length $s] * 8)}]
        }
        foreach op {AND OR XOR} {
            set want ""
            for {set i 0} {$i < $longest} {incr i} {
                set ones 0
                foreach bits $all {incr ones [expr {[string index $bits $i] eq "1"}]}
                append want [switch $op {
                    AND {expr {$ones == [llength $all]}}
                    OR {expr {$ones > 0}}
                    XOR {expr {$ones % 2}}
                }]
            }
            assert_equal [expr {$longest / 8}] [r BITOP $op d {*}$keys]
            if {$longest} {assert_equal $want [bits_of [r GET d]]}
        }
    }
}

test "BITFIELD: set, get, increment" {
    assert_equal {array {{int 0} {int 255} {int 255} {int 110}}} \
        [r -typed BITFIELD k SET u8 0 255 GET u8 0 SET u8 0 100 INCRBY u8 0 10]
    assert_equal n [r GET k]
}

test "BITFIELD: numbers of all widths, with and without a sign" {
    assert_equal {0 0 -100 101} [r BITFIELD k SET i8 0 -100 SET i8 8 101 GET i8 0 GET i8 8]
    assert_equal {156 101} [r BITFIELD k GET u8 0 GET u8 8]
    assert_equal -1 [r BITFIELD k INCRBY i5 100 -1]
    assert_equal 31 [r BITFIELD k GET u5 100]
    r DEL k
    assert_equal {0 0} [r BITFIELD k SET u8 #0 65 SET u8 #1 66]
    assert_equal AB [r GET k]
    assert_equal 16706 [r BITFIELD k GET u16 0]
    assert_equal {0 -9223372036854775808 -9223372036854775808} \
        [r BITFIELD w SET i64 3 -9223372036854775808 GET i64 3 SET i64 3 5]
    assert_equal {0 9223372036854775807} [r BITFIELD x SET u63 7 9223372036854775807 GET u63 7]
    assert_equal {0 0 1} [r BITFIELD y GET u1 5 SET u1 5 1 GET u1 5]
    assert_equal {} [r BITFIELD y]
    assert_equal {0} [r BITFIELD none GET i64 100]
    assert_equal 0 [r EXISTS none]
}

test "BITFIELD: overflow wraps, stops at the limit, or fails" {
    r BITFIELD k SET u8 0 100 SET i8 8 100
    assert_equal {101 201} [r BITFIELD k INCRBY u8 0 1 INCRBY u8 0 100]
    assert_equal {45} [r BITFIELD k INCRBY u8 0 100]
    assert_equal {255} [r BITFIELD k OVERFLOW SAT INCRBY u8 0 1000]
    assert_equal {0} [r BITFIELD k OVERFLOW SAT INCRBY u8 0 -256]
    assert_equal {-56} [r BITFIELD k INCRBY i8 8 100]
    assert_equal {-128 127} [r BITFIELD k OVERFLOW SAT INCRBY i8 8 -1000 INCRBY i8 8 1000]
    assert_equal {array {{nil {}} {int 127} {nil {}} {int 126}}} \
        [r -typed BITFIELD k OVERFLOW FAIL INCRBY i8 8 1 GET i8 8 SET i8 8 128 INCRBY i8 8 -1]
    assert_equal {126 0 0 255} [r BITFIELD k SET i8 8 384 GET u8 0 OVERFLOW SAT SET u8 0 -1 GET u8 0]
    assert_equal -128 [r BITFIELD k GET i8 8]
    assert_equal {0 0 15 -16} [r BITFIELD i SET i5 0 0 OVERFLOW SAT SET i5 0 -9223372036854775793 \
        SET i5 0 -9223372036854775792 GET i5 0]
    assert_equal {255 254} [r BITFIELD k OVERFLOW WRAP SET u8 0 -2 GET u8 0]
    assert_equal {0 -9223372036854775808} \
        [r BITFIELD m SET i64 0 9223372036854775807 INCRBY i64 0 1]
    assert_equal {9223372036854775807} [r BITFIELD m OVERFLOW WRAP INCRBY i64 0 -1]
    assert_equal {9223372036854775807} [r BITFIELD m OVERFLOW SAT INCRBY i64 0 5]
    assert_equal {0 0 9223372036854775807} \
        [r BITFIELD u SET u63 0 9223372036854775807 INCRBY u63 0 1 OVERFLOW SAT INCRBY u63 0 9223372036854775807]
    r DEL new
    assert_equal {{}} [r BITFIELD new OVERFLOW FAIL SET u4 10 16]
    assert_equal "\0\0" [r GET new]
}

test "BITFIELD's errors" {
    set type "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
    foreach bad {u64 i65 u0 i0 x8 u 8 u-1 i08 U8 ""} {
        assert_error $type {r BITFIELD k GET $bad 0}
        assert_error $type {r BITFIELD_RO k GET $bad 0}
    }
    foreach bad {-1 x 4294967296 "#" "#-1" "#536870912" "#9223372036854775807" ""} {
        assert_error [bad_offset] {r BITFIELD k GET u8 $bad}
        assert_error [bad_offset] {r BITFIELD k SET u8 $bad 1}
    }
    assert_error "ERR Invalid OVERFLOW type specified" {r BITFIELD k OVERFLOW NONE}
    foreach bad {{GET u8} {SET u8 0} {INCRBY u8 0} {NOSUCH u8 0} OVERFLOW {GET u8 0 GET}} {
        assert_error "ERR syntax error" {r BITFIELD k {*}$bad}
    }
    assert_error "ERR value is not an integer or out of range" {r BITFIELD k SET u8 0 x}
    assert_error "ERR value is not an integer or out of range" {r BITFIELD k SET u8 0 9223372036854775808}
    assert_error "ERR wrong number of arguments for 'bitfield' command" {r BITFIELD}
    assert_equal 0 [r EXISTS k]
}

test "BITFIELD_RO reads only" {
    r SET k "\x12\x34"
    assert_equal {array {{int 18} {int 52} {int 0}}} [r -typed BITFIELD_RO k GET u8 0 GET u8 #1 GET u8 #2]
    assert_equal {0} [r BITFIELD_RO none GET u8 0]
    assert_equal {18} [r BITFIELD_RO k OVERFLOW SAT GET u8 0]
    assert_error "ERR BITFIELD_RO only supports the GET subcommand" {r BITFIELD_RO k SET u8 0 1}
    assert_error "ERR BITFIELD_RO only supports the GET subcommand" {r BITFIELD_RO k GET u8 0 INCRBY u8 0 1}
}

test "BITFIELD: random fields against a model" {
    set bits [string repeat 0 400]
    for {set i 0} {$i < 600} {incr i} {
        set width [expr {1 + [random_int 63]}]
        set at [random_int [expr {400 - $width}]]
        set value [expr {int(rand() * (1 << min($width, 50)))}]
        set was 0
        scan [string range $bits $at [expr {$at + $width - 1}]] %llb was
        assert_equal $was [r BITFIELD k SET u$width $at $value] "$width $at"
        set bits [string replace $bits $at [expr {$at + $width - 1}] [format %0${width}llb $value]]
        if {$i % 50 == 0} {
            set got [bits_of [r GET k]]
            assert_equal [string range $bits 0 [expr {[string length $got] - 1}]] $got
        }
    }
}

test "Every bit command refuses a set, and changes nothing" {
    r SADD s a
    foreach command {
        {SETBIT s 0 1} {GETBIT s 0} {BITCOUNT s} {BITPOS s 1} {BITFIELD s GET u8 0} {BITFIELD s SET u8 0 1}
        {BITFIELD s} {BITFIELD_RO s GET u8 0} {BITOP NOT d s}
    } {
        assert_error [wrongtype] {r {*}$command}
    }
    assert_equal a [r SMEMBERS s]
}

test "Bits keep the key's expiry" {
    r SET k abc EX 100
    r SETBIT k 0 1
    r BITFIELD k SET u8 8 1 INCRBY u8 16 1
    assert_range [r TTL k] 99 100
}

test "Bits far apart, and a string of many pages" {
    r SETBIT k 8000000 1
    assert_equal 1000001 [r STRLEN k]
    assert_equal 1 [r BITCOUNT k]
    assert_equal 8000000 [r BITPOS k 1]
    assert_equal 0 [r BITPOS k 0]
    assert_equal 8000001 [r BITPOS k 0 -1]
    r SETBIT k 524287 1
    r SETBIT k 524288 1
    assert_equal 524287 [r BITPOS k 1]
    assert_equal {1 1 0} [list [r GETBIT k 524287] [r GETBIT k 524288] [r GETBIT k 524289]]
    assert_equal 2 [r BITCOUNT k 65535 65536]
    assert_equal {3 3} [r BITFIELD k GET u2 524287 SET i3 524286 2]
    assert_equal 1000001 [r BITOP NOT n k]
    assert_equal 8000006 [r BITCOUNT n]
    assert_equal 1000001 [r BITOP XOR x n k]
    assert_equal 8000008 [r BITCOUNT x]
    assert_equal 8000008 [r BITPOS x 0]
    assert_equal -1 [r BITPOS x 0 0 -1]
}

test -tags {cove} "Bit commands answer from pages that are not in memory" {
    r SETRANGE k 0 [string repeat "\xff" 500000]
    r SETBIT k 8000000 1
    r SET short abc
    foreach command {
        {assert_equal 1 [r GETBIT k 8000000]}
        {assert_equal 1 [r GETBIT k 77]}
        {assert_equal 4000001 [r BITCOUNT k]}
        {assert_equal 4000000 [r BITPOS k 0]}
        {assert_equal 8000000 [r BITPOS k 1 500000]}
        {assert_equal {255 1} [r BITFIELD k GET u8 0 GET u8 7999993]}
        {assert_equal {1 2} [r BITFIELD k INCRBY u8 7999993 0 INCRBY u8 7999993 1]
            r BITFIELD k SET u8 7999993 1}
        {assert_equal 1 [r SETBIT k 77 0]; assert_equal 0 [r SETBIT k 77 1]}
        {assert_equal 1000001 [r BITOP XOR d k short]; assert_equal 1000001 [r STRLEN d]}
        {assert_equal 1000001 [r BITOP NOT d k]; assert_equal [expr {1000001 * 8 - 4000001}] [r BITCOUNT d]}
    } {
        assert_equal OK [r SAVE]
        r DEBUG DROP-CLEAN
        eval $command
    }
}
