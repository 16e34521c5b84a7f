# vector.tcl -- vector sets: the V* commands of Redis 8, and VSEARCH.
#
# What is expected was recorded from Redis on the wire; where newer sources know more (WITHATTRIBS,
# VRANGE, `in` for strings), it is theirs.

if {$::server::redis && [lindex [r COMMAND INFO VADD] 0] eq ""} {
    puts "# this Redis has no vector sets"
    return
}

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"

proc fp32 {args} {binary format r* $args}
proc yes {} {expr {[resp] == 2 ? "int" : "bool"}}
# Four vectors of which a and c have attributes.
proc small_set {key args} {
    r VADD $key VALUES 4 1 0 0 0 a {*}$args SETATTR {{"y":1950}}
    r VADD $key VALUES 4 0 1 0 0 b {*}$args
    r VADD $key FP32 [fp32 0.5 0.5 0 0] c {*}$args SETATTR {{"y":1960}}
    r VADD $key VALUES 4 1 0.1 0 0 a {*}$args
}
proc info_of {key field} {dict get [r VINFO $key] $field}

# ---- VADD ----------------------------------------------------------------------------------------

test "VADD adds and updates, and says which" {
    assert_equal 1 [r VADD v VALUES 4 1 0 0 0 a]
    assert_equal [yes] [r -type]
    assert_equal 0 [r VADD v VALUES 4 1 0.1 0 0 a]
    assert_equal [yes] [r -type]
    assert_equal 1 [r VADD v FP32 [fp32 0.5 0.5 0 0] b]
    assert_equal 2 [r VCARD v]
    assert_equal 4 [r VDIM v]
    assert_equal vectorset [r TYPE v]
    assert_equal raw [r OBJECT ENCODING v]
}

test "VADD refuses bad vectors before anything else" {
    set bad "ERR invalid vector specification"
    r SET s x
    foreach words {
        {VALUES 4 1 0 0 d} {VALUES 4 1 0 0 x d} {VALUES 0 d x} {VALUES -1 d x} {FP32 abc d}
        {FP32 "" d} {GARB x d} {VALUES 02 1 1 e} {VALUES +2 1 1 e} {VALUES " 2" 1 1 e}
        {VALUES 2.0 1 1 e} {VALUES 0x2 1 1 e} {VALUES 65537 1 e} {REDUCE 0 VALUES 2 1 0 d}
        {REDUCE abc VALUES 2 1 0 z} {REDUCE -1 VALUES 2 1 0 z} {REDUCE 2 GARB x z}
        {REDUCE 3 VALUES 2 1 0 z} {VALUES 9223372036854775807 1 e} {REDUCE 2 VALUES 2}
    } {
        assert_error $bad {r VADD s {*}$words}
    }
    foreach number {" 1" "1 " 1e "" nan 1e400 1_0 x} {
        assert_error $bad {r VADD s VALUES 2 $number 1 e}
    }
}

test "VADD takes every way of writing a number" {
    foreach {number vector} {
        0x10 {16 1} +1 {0.9999999403953552 0.9999999403953552} .5 {0.5 1} 5. {5 1}
        Infinity {nan nan} -inf {nan nan}
    } {
        r DEL g
        assert_equal 1 [r VADD g VALUES 2 $number 1 e NOQUANT]
        assert_equal $vector [r VEMB g e] $number
    }
}

test "VADD checks its options after the vector, and before the key" {
    r SET s x
    assert_error "ERR wrong number of arguments for 'VADD' command" {r VADD s VALUES 2 1 0}
    assert_error "ERR wrong number of arguments for 'VADD' command" {r VADD s}
    assert_error "ERR wrong number of arguments for 'VADD' command" {r vadd}
    foreach ef {0 -1 x 1.5 1000001} {
        assert_error "ERR invalid EF" {r VADD s VALUES 2 1 0 d EF $ef}
    }
    foreach m {3 0 -1 x 4097} {
        assert_error "ERR invalid M" {r VADD s VALUES 2 1 0 d M $m}
    }
    foreach words {WHAT EF M SETATTR {CAS WHAT} XDISTANCE_METRIC} {
        assert_error "ERR invalid option after element" {r VADD s VALUES 2 1 0 d {*}$words}
    }
    assert_error $wrongtype {r VADD s VALUES 2 1 0 d}
    assert_error $wrongtype {r VADD s REDUCE 1 VALUES 2 1 0 d CAS EF 1000000 M 4096 BIN}
}

test "VADD compares what is asked with what the set is, in Redis's order" {
    small_set v
    assert_error "ERR asked quantization mismatch with existing vector set" {r VADD v VALUES 3 1 0 0 d BIN M 5}
    assert_error "ERR asked quantization mismatch with existing vector set" {r VADD v VALUES 4 1 0 0 0 d NOQUANT}
    assert_error "ERR asked M value mismatch with existing vector set" {r VADD v VALUES 3 1 0 0 d M 32}
    assert_error "ERR Vector dimension mismatch - got 3 but set has 4" {r VADD v VALUES 3 1 0 0 d}
    assert_error "ERR cannot add projection to existing set without projection" \
        {r VADD v REDUCE 2 VALUES 4 1 0 0 0 d}
    assert_equal 3 [r VCARD v]
    r VADD bin VALUES 2 1 0 z NOQUANT Q8 BIN
    assert_equal bin [info_of bin quant-type]
    assert_error "ERR asked quantization mismatch with existing vector set" {r VADD bin VALUES 2 1 0 z}
    assert_equal 0 [r VADD bin VALUES 2 1 0 z BIN CAS]
    assert_equal 0 [r vadd bin values 2 1 0 z bin m 16 ef 100]
}

test "VADD REDUCE projects" {
    assert_equal 1 [r VADD r REDUCE 2 VALUES 4 1 0 0 0 d]
    assert_equal 2 [r VDIM r]
    assert_equal 4 [info_of r projection-input-dim]
    assert_equal 2 [info_of r vector-dim]
    assert_error "ERR Vector dimension mismatch - got 4 but set has 2" {r VADD r VALUES 4 1 0 0 0 e}
    assert_error "ERR Vector dimension mismatch - got 2 but set has 2" {r VADD r VALUES 2 1 0 e}
    assert_error "ERR Vector dimension mismatch - got 4 but set has 2" {r VADD r REDUCE 3 VALUES 4 1 0 0 0 e}
    assert_error "ERR Input dimension mismatch for projection - got 3 but projection expects 4" \
        {r VADD r REDUCE 2 VALUES 3 1 0 0 e}
    assert_equal d [r VSIM r VALUES 4 1 0 0 0]
    assert_equal d [r VSIM r VALUES 2 1 0]
    assert_error "ERR Input dimension mismatch for projection - got 3 but projection expects 4" \
        {r VSIM r VALUES 3 1 0 0}
    # Rows of the matrix: ++++ and +-+-, over 2.
    r VADD q REDUCE 2 VALUES 4 1 2 3 4 d NOQUANT
    set got [r VEMB q d]
    assert_range [lindex $got 0] 4.99999 5.00001
    assert_range [lindex $got 1] -1.00001 -0.99999
}

test "Names are bytes, the empty one included" {
    assert_equal 1 [r VADD h VALUES 2 1 0 ""]
    assert_equal 1 [r VADD h VALUES 2 0 1 "bin\x00\xff"]
    assert_equal [list "" "bin\x00\xff"] [r VSIM h ELE ""]
    assert_equal {1 0} [r VEMB h ""]
    assert_equal 1 [r VISMEMBER h "bin\x00\xff"]
    assert_equal 1 [r VREM h ""]
    assert_equal 1 [r VCARD h]
    assert_error "ERR element name or attribute too large" {r VADD h VALUES 2 1 0 [string repeat x 65536]}
    assert_equal 1 [r VADD h VALUES 2 1 0 [string repeat x 65535]]
}

test "An attribute stays over an update, and an empty one removes it" {
    r VADD h VALUES 2 1 0 e SETATTR {{"a":1}} SETATTR {{"a":2}}
    assert_equal {{"a":2}} [r VGETATTR h e]
    assert_equal bulk [r -type]
    r VADD h VALUES 2 0 1 e
    assert_equal {{"a":2}} [r VGETATTR h e]
    assert_equal 1 [info_of h attributes-count]
    r VADD h VALUES 2 0 1 e SETATTR ""
    assert_nil [r VGETATTR h e]
    assert_equal 0 [info_of h attributes-count]
    # A new element keeps even an empty one.
    r VADD h VALUES 2 1 0 e2 SETATTR ""
    assert_equal "" [r VGETATTR h e2]
    assert_equal bulk [r -type]
    assert_equal 1 [info_of h attributes-count]
}

# ---- one element, or the set as a whole ----------------------------------------------------------

test "VSETATTR and VGETATTR" {
    small_set v
    assert_equal {{"y":1950}} [r VGETATTR v a]
    assert_nil [r VGETATTR v b]
    assert_nil [r VGETATTR v zz]
    assert_nil [r VGETATTR nokey b]
    assert_equal 1 [r VSETATTR v b {{"q":1}}]
    assert_equal [yes] [r -type]
    assert_equal {{"q":1}} [r VGETATTR v b]
    assert_equal 3 [info_of v attributes-count]
    assert_equal 1 [r VSETATTR v b "not json"]
    assert_equal "not json" [r VGETATTR v b]
    assert_equal 1 [r VSETATTR v b ""]
    assert_nil [r VGETATTR v b]
    assert_equal 1 [r VSETATTR v b ""]
    assert_equal 2 [info_of v attributes-count]
    assert_equal 0 [r VSETATTR v nope {{}}]
    assert_equal 0 [r VSETATTR nokey b {{}}]
    assert_equal 0 [r EXISTS nokey]
    assert_error "ERR wrong number of arguments for 'VSETATTR' command" {r VSETATTR v b}
    assert_error "ERR wrong number of arguments for 'VGETATTR' command" {r VGETATTR v}
}

test "VREM removes, and the key with the last element" {
    small_set v
    assert_equal 0 [r VREM v zz]
    assert_equal [yes] [r -type]
    assert_equal 0 [r VREM nokey zz]
    foreach e {a b c} {assert_equal 1 [r VREM v $e]}
    assert_equal 0 [r EXISTS v]
    assert_equal 0 [r VCARD v]
    assert_error "ERR wrong number of arguments for 'VREM' command" {r VREM v}
    assert_error "ERR wrong number of arguments for 'VREM' command" {r VREM v a b}
    # What comes after is a set of its own.
    assert_equal 1 [r VADD v VALUES 2 1 0 x BIN M 32]
    assert_equal 2 [r VDIM v]
}

test "VCARD, VDIM, VISMEMBER and VINFO" {
    small_set v
    assert_equal 3 [r VCARD v]
    assert_equal 0 [r VCARD nokey]
    assert_error "ERR key does not exist" {r VDIM nokey}
    assert_equal 1 [r VISMEMBER v a]
    assert_equal [yes] [r -type]
    assert_equal 0 [r VISMEMBER v z]
    assert_equal 0 [r VISMEMBER nokey z]
    assert_nil [r VINFO nokey]
    set info [r VINFO v]
    assert_reply_type array map
    assert_equal [list quant-type hnsw-m vector-dim projection-input-dim size max-level attributes-count \
                       vset-uid hnsw-max-node-uid] [dict keys $info]
    assert_equal {int8 16 4 0 3 2 4} [lmap k {quant-type hnsw-m vector-dim projection-input-dim size
                                              attributes-count hnsw-max-node-uid} {dict get $info $k}]
    lassign [r -typed VINFO v] kind items
    assert_equal {status quant-type} [lindex $items 0]
    assert_equal {status int8} [lindex $items 1]
    assert_equal {status hnsw-m} [lindex $items 2]
    assert_equal {int 16} [lindex $items 3]
    r VADD other VALUES 4 1 0 0 0 a NOQUANT M 40
    assert_equal f32 [info_of other quant-type]
    assert_equal 40 [info_of other hnsw-m]
    assert_not_equal [info_of v vset-uid] [info_of other vset-uid]
}

test "VEMB gives the vector back, as exactly as it is stored" {
    small_set v
    assert_equal {1 0.10236220806837082 0 0} [r VEMB v a]
    assert_equal [expr {[resp] == 2 ? "bulk" : "double"}] [lindex [r -typed VEMB v a] 1 0 0]
    assert_nil [r VEMB v zz]
    assert_nil [r VEMB nokey a]
    assert_error "ERR invalid option" {r VEMB v a bogus}
    assert_error "ERR invalid option" {r VEMB nokey a bogus}
    assert_error "ERR wrong number of arguments for 'VEMB' command" {r VEMB v}
    assert_error "ERR wrong number of arguments for 'VEMB' command" {r VEMB v a RAW RAW}
    assert_equal [list int8 [binary format c4 {127 13 0 0}] 1.0049875974655151 0.9950371384620667] \
        [r VEMB v a raw]
    lassign [r -typed VEMB v a RAW] kind parts
    assert_equal {status bulk} [lmap p [lrange $parts 0 1] {lindex $p 0}]
}

test "VEMB of each kind of quantisation, and of the zero vector" {
    foreach {q name e zero} {
        NOQUANT f32 {1.262184977531433 1.958230972290039} {0 0}
        Q8 int8 {1.2643694877624512 1.958230972290039} {0 0}
        BIN bin {1 1} {-1 -1}
    } {
        r VADD $q VALUES 2 1.262185 1.958231 e $q
        r VADD $q VALUES 2 0 0 zero $q
        assert_equal $e [r VEMB $q e]
        assert_equal $zero [r VEMB $q zero]
        assert_equal $name [lindex [r VEMB $q e RAW] 0]
        assert_equal 2.3297595977783203 [lindex [r VEMB $q e RAW] 2]
        assert_equal 1 [lindex [r VEMB $q zero RAW] 2]
        assert_equal [expr {$q eq "Q8" ? 4 : 3}] [llength [r VEMB $q e RAW]]
    }
    assert_equal 0.840529203414917 [lindex [r VEMB Q8 e RAW] 3]
    assert_equal 0 [lindex [r VEMB Q8 zero RAW] 3]
    assert_equal [binary format w 3] [lindex [r VEMB BIN e RAW] 1]
    assert_equal [binary format w 0] [lindex [r VEMB BIN zero RAW] 1]
    binary scan [lindex [r VEMB NOQUANT e RAW] 1] r2 floats
    assert_range [lindex $floats 0] 0.5417 0.5418
}

test "Doubles are printed as Redis prints them" {
    foreach {given shown} {
        1e-5 9.999999747378752e-6 1e-7 1.0000000116860974e-7 1e-10 1.000000013351432e-10
        1e15 999999986991104 1e17 99999998430674944 1e20 nan 0.1 0.10000000149011612 3 3 -0 -0 0 0
        123456.789 1.234567890625e+5 16777217 16777216 3.4e38 nan -2.5 -2.5 1e-45 1.401298464324817e-45
        1e-46 0
    } {
        r DEL f
        r VADD f VALUES 1 $given e NOQUANT
        assert_equal $shown [r VEMB f e] $given
    }
}

# ---- VSIM ----------------------------------------------------------------------------------------

test "VSIM by element and by vector, in all its columns" {
    small_set v
    assert_equal {a c b} [r VSIM v ELE a]
    assert_equal array [r -type]
    assert_equal {a 1 c 0.887717992067337 b 0.5509150624275208} [r VSIM v ELE a WITHSCORES]
    assert_reply_type array map
    assert_equal {a {{"y":1950}} c {{"y":1960}} b {}} [r VSIM v ELE a WITHATTRIBS]
    assert_reply_type array map
    assert_equal nil [lindex [r -typed VSIM v ELE a WITHATTRIBS] 1 5 0]
    set both [r VSIM v ELE a WITHATTRIBS WITHSCORES]
    if {[resp] == 2} {
        assert_equal {a 1 {{"y":1950}} c 0.887717992067337 {{"y":1960}} b 0.5509150624275208 {}} $both
    } else {
        assert_equal {a {1 {{"y":1950}}} c {0.887717992067337 {{"y":1960}}} b {0.5509150624275208 {}}} $both
        assert_equal map [r -type]
    }
    assert_equal {c 1} [r VSIM v VALUES 4 3 3 0 0 COUNT 1 WITHSCORES]
    assert_equal {c 1} [r vsim v fp32 [fp32 3 3 0 0] count 1 withscores]
    assert_equal 2 [llength [r VSIM v ELE a COUNT 2]]
    assert_equal 1 [llength [r VSIM v ELE a COUNT 2 COUNT 1]]
}

test "VSIM of a key that is not there is empty, whatever follows" {
    foreach words {{ELE a} {GARBAGE a} {VALUES 3 1} {ELE a COUNT 0} {ELE a WITHSCORES}} {
        assert_equal {} [r VSIM nokey {*}$words]
        assert_equal array [r -type]
    }
    assert_error "ERR wrong number of arguments for 'VSIM' command" {r VSIM nokey ELE}
}

test "VSIM refuses what it does not understand" {
    small_set v
    assert_error "ERR element not found in set" {r VSIM v ELE zz COUNT 0}
    assert_error "ERR invalid vector specification" {r VSIM v GARB a}
    assert_error "ERR invalid vector specification" {r VSIM v VALUES 2 nan 1}
    assert_error "ERR Vector dimension mismatch - got 3 but set has 4" {r VSIM v VALUES 3 1 0 0 COUNT 0}
    foreach {option values} {COUNT {0 -1 x 1.5} EPSILON {0 -1 abc nan} EF {0 x 1000001} FILTER-EF {0 -1 x}} {
        foreach value $values {
            assert_error "ERR invalid $option" {r VSIM v ELE a $option $value}
        }
        assert_error "ERR syntax error in VSIM command" {r VSIM v ELE a $option}
    }
    foreach words {BOGUS {VALUES 2 1 0} {REDUCE 2} FILTER} {
        assert_error "ERR syntax error in VSIM command" {r VSIM v ELE a {*}$words}
    }
    assert_error "ERR syntax error in FILTER expression near: .y >" {r VSIM v ELE a FILTER ".y >"}
    assert_error "ERR syntax error in FILTER expression near: @ 3" {r VSIM v ELE a FILTER ".y @ 3"}
    assert_error "ERR syntax error in FILTER expression near:  == 1984" {r VSIM v ELE a FILTER "year == 1984"}
}

test "VSIM accepts what it does not need, and caps COUNT to the set" {
    small_set v
    assert_equal {a c b} [r VSIM v ELE a COUNT 9223372036854775807]
    assert_equal {a c b} [r VSIM v ELE a EF 1000000 FILTER-EF 9223372036854775807 TRUTH NOTHREAD EPSILON inf]
    assert_equal {a c} [r VSIM v ELE a EPSILON 0.2]
    assert_equal {a} [r VSIM v ELE a EPSILON 0.1]
}

test "VSIM's scores for each kind of quantisation" {
    foreach {q scores zero} {
        NOQUANT {e 0.9887152314186096 zero 0.5 f 0.26295006275177} {e 0.5 f 0.5 zero 0.5}
        Q8 {e 0.9890467524528503 zero 0.5 f 0.2626834511756897} {e 0.5 f 0.5 zero 0.5}
        BIN {e 1 f 0.5 zero 0} {zero 1 f 0.5 e 0}
    } {
        r VADD $q VALUES 2 1.262185 1.958231 e $q
        r VADD $q VALUES 2 -1 0.3 f $q
        r VADD $q VALUES 2 0 0 zero $q
        assert_equal $scores [r VSIM $q VALUES 2 1 1 WITHSCORES] $q
        assert_equal $zero [r VSIM $q VALUES 2 0 0 WITHSCORES] $q
        assert_equal $zero [r VSIM $q ELE zero WITHSCORES] $q
    }
}

test "Equally near elements come in the order in which they were put in" {
    foreach e {d a c b} {r VADD v VALUES 2 1 1 $e}
    assert_equal {d a c b} [r VSIM v VALUES 2 1 1]
    r VADD v VALUES 2 1 1 d
    assert_equal {a c b d} [r VSIM v VALUES 2 1 1]
    assert_equal {a c} [r VSIM v VALUES 2 1 1 COUNT 2]
}

test "FILTER chooses by attributes, and never costs a result" {
    for {set i 0} {$i < 30} {incr i} {r VADD m VALUES 2 [expr {$i - 15}] 1 e$i SETATTR "{\"n\":$i}"}
    r VADD m VALUES 2 0 1 bare
    assert_equal {e28 e29} [r VSIM m VALUES 2 0 1 COUNT 100 FILTER ".n > 27"]
    assert_equal {e0} [r VSIM m VALUES 2 0 1 COUNT 1 FILTER ".n == 0" FILTER-EF 1 EF 1]
    assert_equal 30 [llength [r VSIM m VALUES 2 0 1 COUNT 100 FILTER "1"]]
    assert_equal 31 [llength [r VSIM m VALUES 2 0 1 COUNT 100]]
    assert_equal {} [r VSIM m VALUES 2 0 1 FILTER ".missing or 1"]
    assert_equal {e3} [r VSIM m VALUES 2 0 1 FILTER ".n==2" FILTER ".n==3"]
    assert_equal {e3} [r VSIM m VALUES 2 0 1 FILTER ".n == 3\x00garbage ("]
    assert_equal {e15 e14 e16} [r VSIM m VALUES 2 0 1 FILTER ".n in \[14,15,16\] and '1' in '21'"]
}

test "VSIM in a transaction" {
    r MULTI
    r VADD mm VALUES 1 1 a
    r VSIM mm ELE a WITHSCORES
    r VREM mm a
    assert_equal {1 {a 1} 1} [r EXEC]
    assert_equal 0 [r EXISTS mm]
}

# ---- VLINKS, VRANDMEMBER, VRANGE -----------------------------------------------------------------

test "VLINKS gives the nearest others, in one level" {
    small_set v
    assert_equal {{c b}} [r VLINKS v a]
    set links [r VLINKS v a WITHSCORES]
    assert_equal 1 [llength $links]
    assert_equal {c b} [dict keys [lindex $links 0]]
    assert_range [dict get [lindex $links 0] c] 0.88780 0.88782
    assert_equal 0.5509271025657654 [dict get [lindex $links 0] b]
    assert_equal [expr {[resp] == 2 ? "array" : "map"}] [lindex [r -typed VLINKS v a WITHSCORES] 1 0 0]
    assert_nil [r VLINKS v zz]
    assert_nil [r VLINKS nokey a]
    assert_error "ERR wrong number of arguments for 'VLINKS' command" {r VLINKS v a BOGUS}
    assert_error "ERR wrong number of arguments for 'VLINKS' command" {r VLINKS v a WITHSCORES x}
    for {set i 0} {$i < 20} {incr i} {r VADD m4 VALUES 2 $i 1 e$i M 4}
    assert_equal 8 [llength [lindex [r VLINKS m4 e0] 0]]
}

test "VRANDMEMBER without a count" {
    small_set v
    for {set i 0} {$i < 20} {incr i} {assert {[r VRANDMEMBER v] in {a b c}}}
    assert_equal bulk [r -type]
    assert_nil [r VRANDMEMBER nokey]
}

test "VRANDMEMBER with a count: distinct, or with repeats" {
    small_set v
    foreach {count want} {0 0 1 1 2 2 3 3 4 3 9223372036854775807 3} {
        set got [r VRANDMEMBER v $count]
        assert_equal array [r -type]
        assert_equal $want [llength $got] $count
        assert_equal $want [llength [lsort -unique $got]] $count
    }
    set got [r VRANDMEMBER v -100]
    assert_equal 100 [llength $got]
    assert_equal {a b c} [lsort -unique $got]
    assert_equal {} [r VRANDMEMBER nokey 2]
    assert_equal array [r -type]
    assert_error "ERR COUNT value is not an integer" {r VRANDMEMBER v x}
    assert_error "ERR COUNT value is not an integer" {r VRANDMEMBER nokey 1.5}
    assert_error "ERR wrong number of arguments for 'VRANDMEMBER' command" {r VRANDMEMBER v 1 2}
}

test "VRANDMEMBER takes few of many, and most of many" {
    for {set i 0} {$i < 1000} {incr i} {r -send VADD m VALUES 2 $i 1 e$i}
    for {set i 0} {$i < 1000} {incr i} {r -read}
    foreach count {1 10 200 240 260 999 1000 2000} {
        set got [lsort -unique [r VRANDMEMBER m $count]]
        assert_equal [expr {min($count, 1000)}] [llength $got] $count
    }
    set seen {}
    for {set i 0} {$i < 30} {incr i} {lappend seen {*}[r VRANDMEMBER m 300]}
    assert {[llength [lsort -unique $seen]] > 980}
    assert_equal 5000 [llength [r VRANDMEMBER m -5000]]
}

test "VRANGE walks names in byte order" {
    foreach e {b a d c "" bb "\xff"} {r VADD v VALUES 2 1 0 $e}
    assert_equal [list "" a b bb c d "\xff"] [r VRANGE v - +]
    assert_equal array [r -type]
    assert_equal {b bb c} [r VRANGE v {[b} {[c}]
    assert_equal {bb} [r VRANGE v (b (c]
    assert_equal [list c d "\xff"] [r VRANGE v (bb +]
    assert_equal {{} a} [r VRANGE v - (b]
    assert_equal {a b} [r VRANGE v {[a} + 2]
    assert_equal {} [r VRANGE v - + 0]
    assert_equal 7 [llength [r VRANGE v - + -1]]
    assert_equal {} [r VRANGE v {[d} {[a}]
    assert_equal {} [r VRANGE nokey - +]
}

test "VRANGE refuses bad ranges, in Redis's order, before it looks at the key" {
    r SET s x
    assert_error "ERR wrong number of arguments for 'VRANGE' command" {r VRANGE s -}
    assert_error "ERR wrong number of arguments for 'VRANGE' command" {r VRANGE s - + 1 2}
    assert_error "ERR invalid COUNT value" {r VRANGE s bad bad x}
    foreach bad {"" "\[" "(" a -a} {
        assert_error "ERR invalid start range format" {r VRANGE s $bad bad}
        assert_error "ERR invalid end range format" {r VRANGE s + $bad}
    }
    set sides "ERR '-' can only be used as first argument, '+' only as second"
    assert_error $sides {r VRANGE s + +}
    assert_error $sides {r VRANGE s - -}
    assert_error $wrongtype {r VRANGE s - +}
}

test "VRANGE pages through a large set" {
    for {set i 0} {$i < 3000} {incr i} {r -send VADD m VALUES 2 $i 1 [format %05d $i]}
    for {set i 0} {$i < 3000} {incr i} {r -read}
    set from -
    set all {}
    while 1 {
        set page [r VRANGE m $from + 700]
        if {![llength $page]} break
        lappend all {*}$page
        set from "([lindex $page end]"
    }
    assert_equal 3000 [llength $all]
    assert_equal [lsort -unique $all] $all
}

# ---- keys, types, the module ---------------------------------------------------------------------

test "Other types are refused, and vector sets by other commands" {
    r SET s x
    r VADD v VALUES 1 1 a
    foreach words {
        {VADD s VALUES 1 1 a} {VSIM s ELE a} {VCARD s} {VDIM s} {VREM s a} {VEMB s a} {VINFO s} {VLINKS s a}
        {VRANDMEMBER s} {VISMEMBER s a} {VGETATTR s a} {VSETATTR s a b} {VRANGE s - +} {GET v} {HSET v a b}
        {APPEND v x}
    } {
        assert_error $wrongtype {r {*}$words}
    }
}

test "Keys of vector sets are renamed, expire, are found by SCAN, and deleted" {
    small_set v
    assert_equal OK [r RENAME v w]
    assert_equal {a c b} [r VSIM w ELE a]
    assert_equal 1 [r EXPIRE w 1000]
    assert_range [r TTL w] 999 1000
    assert_equal w [lindex [r SCAN 0 TYPE vectorset] 1]
    assert {[r MEMORY USAGE w] > 0}
    assert_equal 1 [r DEL w]
    assert_equal 0 [r VCARD w]
}

test -tags {cove} "COPY makes a set of its own" {
    small_set v
    assert_equal 1 [r COPY v w]
    r VADD w VALUES 4 0 0 0 1 d
    r VREM w a
    r VSETATTR v b changed
    assert_equal {a b c} [r VRANGE v - +]
    assert_equal {b c d} [r VRANGE w - +]
    assert_nil [r VGETATTR w b]
}

test "DUMP and RESTORE bring a set back" {
    foreach q {NOQUANT Q8 BIN} {
        small_set $q $q
        r RESTORE copy$q 0 [r DUMP $q]
        foreach words {{VRANGE K - +} {VSIM K ELE a WITHSCORES WITHATTRIBS} {VEMB K c RAW} {VCARD K}} {
            assert_equal [r {*}[string map [list K $q] $words]] [r {*}[string map [list K copy$q] $words]]
        }
        assert_equal 1 [r VADD copy$q VALUES 4 0 0 0 1 d $q]
    }
    r VADD r REDUCE 2 VALUES 4 1 2 3 4 d
    r RESTORE r2 0 [r DUMP r]
    assert_equal 4 [info_of r2 projection-input-dim]
    assert_equal [r VEMB r d] [r VEMB r2 d]
    assert_equal 1 [r VADD r2 REDUCE 2 VALUES 4 4 3 2 1 e]
}

test "A dump made by Redis 8 is restored" {
    r RESTORE v 0 [binary decode hex [string cat \
        0781bde72da2bb1eb40002020203025000020005047a65726f050800000000000000000207020302000202022002 \
        02020102803f80000005016605081a3475bf431f933e020702020200020202200201020302803f85a2cc05016505 \
        0830b10a3fec2c573f0207020102000202022002020203028040151ac8000c00b36298f155522a08]]
    assert_equal {e f zero} [r VRANGE v - +]
    assert_equal {1.262184977531433 1.958230972290039} [r VEMB v e]
    assert_equal {e 0.9887152314186096 zero 0.5 f 0.26295006275177} [r VSIM v VALUES 2 1 1 WITHSCORES]
    assert_equal f32 [info_of v quant-type]
}

test "The commands describe themselves" {
    lassign [lindex [r COMMAND INFO VADD] 0] name arity flags first last step
    assert_equal {VADD -5 1 1 1} [list $name $arity $first $last $step]
    assert_equal {denyoom module write} [lsort $flags]
    lassign [lindex [r COMMAND INFO vcard] 0] name arity flags
    assert_equal {VCARD 2} [list $name $arity]
    assert_equal {fast module readonly} [lsort $flags]
    assert_equal k [r COMMAND GETKEYS VADD k VALUES 1 1 a]
    assert_equal k [r COMMAND GETKEYS VSIM k ELE x]
    assert_match "*vectorset*" [r MODULE LIST]
}

# ---- VSEARCH and metrics -------------------------------------------------------------------------

test -tags {cove} "VSEARCH answers as VSIM does, with K for COUNT" {
    small_set v
    assert_equal {a c b} [r VSEARCH v ELE a]
    assert_equal [r VSIM v ELE a WITHSCORES] [r VSEARCH v ELE a WITHSCORES]
    assert_equal [r VSIM v ELE a WITHATTRIBS WITHSCORES] [r VSEARCH v ELE a WITHATTRIBS WITHSCORES]
    assert_equal {a c} [r VSEARCH v ELE a K 2]
    assert_equal {a c} [r VSEARCH v K 2 ELE a]
    assert_equal {a} [r VSEARCH v K 1 VALUES 4 1 0 0 0 EXACT]
    assert_error "ERR invalid K" {r VSEARCH v K 0 ELE a}
    assert_error "ERR invalid vector specification" {r VSEARCH v K 2 nothing}
    assert_error "ERR invalid vector specification" {r VSEARCH v K 2}
    assert_equal {a} [r VSEARCH v VALUES 4 1 0 0 0 K 1 EXACT]
    assert_equal {a c b} [r VSEARCH v FP32 [fp32 1 0 0 0] RECALL 0.9]
    assert_equal {a c b} [r VSEARCH v ELE a PROBES 3 K 9223372036854775807]
    assert_equal {c} [r VSEARCH v ELE a FILTER ".y == 1960"]
    assert_equal {} [r VSEARCH nokey GARBAGE x]
    assert_equal {c b} [r VSEARCH v ELE a OFFSET 1]
    assert_equal {c} [r VSEARCH v ELE a K 1 OFFSET 1]
    assert_equal {} [r VSEARCH v ELE a OFFSET 9223372036854775807]
    assert_equal {a c} [r VSEARCH v ELE a RADIUS 0.8]
    assert_equal {a c b} [r VSEARCH v ELE a TIMEOUT 60000]
}

test -tags {cove} "VSEARCH WITHVECTORS gives vectors after the other columns" {
    small_set v
    assert_equal [list a [r VEMB v a]] [r VSEARCH v ELE a K 1 WITHVECTORS]
    set got [r VSEARCH v ELE a K 1 WITHVECTORS WITHSCORES WITHATTRIBS]
    set want [list 1 {{"y":1950}} [r VEMB v a]]
    assert_equal [expr {[resp] == 2 ? [list a {*}$want] : [list a $want]}] $got
}

test -tags {cove} "VSEARCH PROFILE tells what was done" {
    small_set v
    lassign [r VSEARCH v ELE a K 2 PROFILE] results profile
    assert_equal {a c} $results
    assert_equal 3 [dict get $profile scanned]
    foreach field {probes reranked store-rounds microseconds} {assert {[dict get $profile $field] >= 0}}
}

test -tags {cove} "VSEARCH refuses what it does not understand" {
    small_set v
    foreach {option values} {
        K {0 -1 x} RECALL {0 1.1 x nan} PROBES {0 x} RADIUS {x nan} OFFSET {-1 x} TIMEOUT {0 -1 x}
    } {
        foreach value $values {
            assert_error "ERR invalid $option" {r VSEARCH v ELE a $option $value}
        }
        assert_error "ERR syntax error in VSEARCH command" {r VSEARCH v ELE a $option}
    }
    foreach words {{EXACT PROBES 1} {RECALL 0.9 EXACT} {PROBES 1 PROBES 2} {RECALL 0.9 PROBES 1 RECALL 0.8} {COUNT 3} BOGUS} {
        assert_error "ERR syntax error in VSEARCH command" {r VSEARCH v ELE a {*}$words}
    }
    assert_error "ERR element not found in set" {r VSEARCH v ELE zz}
    assert_error "ERR syntax error in FILTER expression near: @" {r VSEARCH v ELE a FILTER @}
    assert_error "ERR wrong number of arguments for 'VSEARCH' command" {r VSEARCH v ELE}
    r SET s x
    assert_error $wrongtype {r VSEARCH s ELE a}
}

test -tags {cove} "XDISTANCE_METRIC L2 and IP rank by distance and by product" {
    foreach q {NOQUANT Q8} {
        foreach metric {L2 IP} {
            r VADD $q$metric VALUES 2 1 0 near $q XDISTANCE_METRIC $metric
            r VADD $q$metric VALUES 2 10 0 far $q
            r VADD $q$metric VALUES 2 0 2 side $q
        }
        assert_equal {near side far} [r VSEARCH ${q}L2 VALUES 2 1 1]
        assert_equal {far near side} [r VSEARCH ${q}L2 VALUES 2 9 -1 K 3]
        foreach {name score} [r VSEARCH ${q}L2 VALUES 2 4 4 WITHSCORES] {set score_of($name) $score}
        assert_range $score_of(near) 4.9 5.1
        assert_range $score_of(far) 7.1 7.3
        assert_equal {far} [r VSEARCH ${q}L2 VALUES 2 9 0 RADIUS 1.5]
        assert_equal {near 0} [r VSEARCH ${q}L2 ELE near K 1 WITHSCORES]
        assert_equal {far near side} [r VSEARCH ${q}IP VALUES 2 1 0]
        foreach {name score} [r VSIM ${q}IP VALUES 2 3 1 WITHSCORES] {set score_of($name) $score}
        assert_range $score_of(far) 29.8 30.2
        assert_range $score_of(side) 1.9 2.1
        assert_equal {far} [r VSEARCH ${q}IP VALUES 2 3 1 RADIUS 10]
    }
    assert_error "ERR asked distance metric mismatch with existing vector set" \
        {r VADD Q8L2 VALUES 2 1 0 x XDISTANCE_METRIC COSINE}
    assert_equal 1 [r VADD Q8L2 VALUES 2 1 0 x XDISTANCE_METRIC l2]
    assert_error "ERR invalid XDISTANCE_METRIC" {r VADD new VALUES 2 1 0 x XDISTANCE_METRIC L3}
    r RESTORE again 0 [r DUMP Q8L2]
    assert_equal [r VSEARCH Q8L2 VALUES 2 4 4 WITHSCORES] [r VSEARCH again VALUES 2 4 4 WITHSCORES]
}

# ---- durability, cold pages, long walks ----------------------------------------------------------

# 4,000 vectors of 32 components, in pipelines.
proc large_set {key args} {
    expr {srand(7)}
    for {set i 0} {$i < 4000} {} {
        for {set k 0} {$k < 500} {incr k; incr i} {
            set x {}
            for {set j 0} {$j < 32} {incr j} {lappend x [expr {rand() - 0.5}]}
            r -send VADD $key FP32 [fp32 {*}$x] e$i {*}$args SETATTR "{\"n\":$i}"
        }
        for {set k 0} {$k < 500} {incr k} {r -read}
    }
}

test -tags {cove} "A set comes back after a restart, the same to the last digit" {
    large_set v
    r VREM v e17
    r VADD v FP32 [fp32 {*}[lrepeat 32 1]] e18
    r VSETATTR v e19 changed
    set before [list [r VSIM v ELE e20 COUNT 50 WITHSCORES WITHATTRIBS] [r VINFO v] [r DEBUG DIGEST-VALUE v]]
    restart_server
    set after [list [r VSIM v ELE e20 COUNT 50 WITHSCORES WITHATTRIBS] [r VINFO v] [r DEBUG DIGEST-VALUE v]]
    assert_equal $before $after
    assert_equal changed [r VGETATTR v e19]
}

test -tags {cove} -keep "Searches find what has left memory" {
    set want [r VSIM v ELE e20 COUNT 50 WITHSCORES]
    set names [r VRANGE v - +]
    r SAVE
    foreach words {
        {VSIM v ELE e20 COUNT 50 WITHSCORES} {VSEARCH v ELE e20 K 50 WITHSCORES}
    } {
        assert {[r DEBUG DROP-CLEAN] > 0}
        assert_equal $want [r {*}$words]
    }
    assert {[r DEBUG DROP-CLEAN] > 0}
    assert_equal $names [r VRANGE v - +]
    assert {[r DEBUG DROP-CLEAN] > 0}
    assert_equal 100 [llength [lsort -unique [r VRANDMEMBER v 100]]]
    assert {[r DEBUG DROP-CLEAN] > 0}
    assert_equal 3999 [llength [r VRANDMEMBER v 5000]]
    assert {[r DEBUG DROP-CLEAN] > 0}
    assert_equal {e21 e22} [r VSIM v ELE e20 FILTER ".n in \[21,22\]" COUNT 5 TRUTH] 
}

test -tags {cove} "Draws find what is left of a set, and nothing else" {
    large_set v
    for {set i 0} {$i < 4000} {incr i} {
        if {$i % 2} {r -send VREM v e$i}
    }
    for {set i 0} {$i < 2000} {incr i} {r -read}
    set drawn [r VRANDMEMBER v -20000]
    assert_equal 20000 [llength $drawn]
    foreach e $drawn {assert {[string range $e 1 end] % 2 == 0}}
    # Each is missed by chance once in 22,000 times.
    assert_range [llength [lsort -unique $drawn]] 1990 2000
    set some [lsort -unique [r VRANDMEMBER v 300]]
    assert_equal 300 [llength $some]
    foreach e $some {assert_equal 1 [r VISMEMBER v $e]}
    # Of the last ten, among slots that are free, each is still found by one draw.
    for {set i 20} {$i < 4000} {incr i 2} {r -send VREM v e$i}
    for {set i 20} {$i < 4000} {incr i 2} {r -read}
    assert_equal 10 [r VCARD v]
    set left [lsort {e0 e2 e4 e6 e8 e10 e12 e14 e16 e18}]
    assert_equal $left [lsort [r VRANDMEMBER v 10]]
    assert_equal $left [lsort [r VRANDMEMBER v 5000]]
    set some [r VRANDMEMBER v 5]
    assert_equal 5 [llength [lsort -unique $some]]
    assert_equal $left [lsort -unique [r VRANDMEMBER v -500]]
    assert_equal 500 [llength [r VRANDMEMBER v -500]]
    foreach e [list {*}$some [r VRANDMEMBER v]] {assert {$e in $left}}
    assert_equal $left [r VRANGE v - +]
    r SAVE
    assert {[r DEBUG DROP-CLEAN] > 0}
    assert {[r VRANDMEMBER v] in $left}
    assert_equal $left [lsort [r VRANDMEMBER v 10]]
}

test -tags {cove} "Long names and attributes of any length come back, and filters find them" {
    set long [string repeat x 60000]
    foreach n {10 1000 1020 1040 5000 100000 1000000} {
        set attribute($n) "{\"n\":$n,\"text\":\"[string repeat a $n]\"}"
        assert_equal 1 [r VADD v VALUES 4 1 $n 0 0 $long$n SETATTR $attribute($n)]
        assert_equal 1 [r VADD v VALUES 4 1 $n 1 0 plain$n]
    }
    set digest [r DEBUG DIGEST-VALUE v]
    r SAVE
    foreach n [array names attribute] {
        r DEBUG DROP-CLEAN
        assert_equal $attribute($n) [r VGETATTR v $long$n]
        r DEBUG DROP-CLEAN
        assert_equal [list $long$n $attribute($n)] \
            [r VSEARCH v VALUES 4 1 0 0 0 FILTER ".n == $n" WITHATTRIBS EXACT]
    }
    # Longer ones become short, and short ones long; an update keeps them.
    foreach {n to} {10 1000000 1000000 10 1020 1040 1040 1020} {
        r DEBUG DROP-CLEAN
        assert_equal 1 [r VSETATTR v $long$n $attribute($to)]
    }
    r DEBUG DROP-CLEAN
    assert_equal 0 [r VADD v VALUES 4 1 10 0 0 ${long}10]
    assert_equal $attribute(1000000) [r VGETATTR v ${long}10]
    foreach {n to} {10 10 1000000 1000000 1020 1020 1040 1040} {
        assert_equal 0 [r VADD v VALUES 4 1 $n 0 0 $long$n SETATTR $attribute($to)]
    }
    assert_equal $digest [r DEBUG DIGEST-VALUE v]
    restart_server
    assert_equal $digest [r DEBUG DIGEST-VALUE v]
    assert_equal $attribute(5000) [r VGETATTR v ${long}5000]
    foreach n [array names attribute] {assert_equal 1 [r VREM v $long$n]}
    assert_equal 0 [info_of v attributes-count]
    assert_equal 7 [r VCARD v]
}

# 3,000 vectors of 1,024 components: windows that slide over one run of numbers.
proc wide_set {key} {
    set numbers {}
    for {set j 0} {$j < 4100} {incr j} {lappend numbers [expr {rand() - 0.5}]}
    set run [fp32 {*}$numbers]
    for {set i 0} {$i < 3000} {} {
        for {set k 0} {$k < 300} {incr k; incr i} {
            r -send VADD $key FP32 [string range $run [expr {4 * $i}] [expr {4 * $i + 4095}]] e$i NOQUANT
        }
        for {set k 0} {$k < 300} {incr k} {r -read}
    }
}

test -tags {cove} "A search that takes long is cut into steps, the same in a transaction" {
    wide_set v
    lassign [r VSEARCH v ELE e1 K 20 WITHSCORES PROFILE] found profile
    assert {[dict get $profile steps] >= 2}
    assert_equal 3000 [dict get $profile scanned]
    r MULTI
    r VSEARCH v ELE e1 K 20 WITHSCORES PROFILE
    lassign [lindex [r EXEC] 0] again profile
    # Each wait for a page begins another step.
    if {!$::server::cold} {assert_equal 1 [dict get $profile steps]}
    assert_equal $found $again
}

test -tags {cove} -keep "Others change the set between the steps, and no element is lost or seen twice" {
    set c [connect]
    set n 12
    set expected [r VRANGE v - +]
    for {set i 0} {$i < $n} {incr i} {
        r -send VSIM v ELE e1 COUNT 3000 WITHSCORES
        r -send VRANGE v - +
        r -send VRANDMEMBER v 2000
    }
    for {set i 0} {$i < 50} {incr i} {
        assert_equal 0 [$c VADD v FP32 [fp32 {*}[lrepeat 1024 $i]] e5 NOQUANT]
        assert_equal 3000 [$c VCARD v]
    }
    for {set i 0} {$i < $n} {incr i} {
        assert_equal $expected [lsort [dict keys [r -read]]]
        assert_equal $expected [r -read]
        assert_equal 2000 [llength [lsort -unique [r -read]]]
    }
    $c -close
}

test -tags {cove} -keep "A set may go away, or become another, while it is searched" {
    set c [connect]
    for {set i 0} {$i < 10} {incr i} {r -send VSIM v ELE e1 COUNT 3000}
    $c DEL v
    $c VADD v VALUES 2 1 0 e1 BIN
    for {set i 0} {$i < 10} {incr i} {
        if {[catch {r -read} got]} {
            fail "an error: $got"
        }
        assert {[llength $got] in {0 1 3000}}
    }
    $c -close
}

test -tags {cove} "A search that takes longer than its TIMEOUT says so" {
    wide_set v
    set c [connect]
    # Each waits for those before it, and its time runs from its own beginning.
    for {set i 0} {$i < 30} {incr i} {$c -send VSIM v ELE e1 COUNT 3000}
    for {set i 0} {$i < 60} {incr i} {r -send VSEARCH v ELE e1 TIMEOUT 1}
    set late 0
    for {set i 0} {$i < 60} {incr i} {
        if {[catch {r -read} got]} {
            assert_match "TIMEOUT *" $got
            incr late
        } else {
            assert_equal 10 [llength $got]
        }
    }
    for {set i 0} {$i < 30} {incr i} {$c -read}
    assert {$late > 0}
    $c -close
}
