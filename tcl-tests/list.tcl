# list.tcl -- every list command of Redis 7.0 but those that wait.

# The same at one end's small list, at a list of many nodes, and at nodes of few elements.
proc each_size {body} {
    foreach {fill large} {-2 0 -2 1 3 0} {
        with_config [list list-max-listpack-size $fill] {uplevel 1 [list set large $large]; uplevel 1 $body}
    }
}
proc fill {key n {large 0}} {
    set elements {}
    for {set i 0} {$i < $n} {incr i} {lappend elements [element $i $large]}
    r RPUSH $key {*}$elements
    return $elements
}
proc element {i large} {return [expr {$large ? "$i:[string repeat x [expr {($i * 37) % 300}]]" : $i}]}

test "LPUSH and RPUSH count what is there then" {
    assert_equal 1 [r LPUSH l a]
    assert_equal int [r -type]
    assert_equal 3 [r LPUSH l b c]
    assert_equal 5 [r RPUSH l d e]
    assert_equal {c b a d e} [r LRANGE l 0 -1]
    assert_equal array [r -type]
    assert_equal 5 [r LLEN l]
    assert_equal list [r TYPE l]
    assert_encoding quicklist l
    assert_error "ERR wrong number of arguments for 'lpush' command" {r LPUSH l}
    assert_error "ERR wrong number of arguments for 'rpush' command" {r RPUSH l}
    assert_error "ERR wrong number of arguments for 'llen' command" {r LLEN}
}

test "Elements are bytes, empty ones included" {
    set all ""
    for {set i 0} {$i < 256} {incr i} {append all [binary format c $i]}
    r RPUSH l $all "" 007 7 -0 +1 9223372036854775808 -9223372036854775808
    assert_equal [list $all "" 007 7 -0 +1 9223372036854775808 -9223372036854775808] [r LRANGE l 0 -1]
    assert_equal {bulk {}} [r -typed LINDEX l 1]
}

test "LPUSHX and RPUSHX need a list" {
    assert_equal 0 [r LPUSHX l a]
    assert_equal 0 [r RPUSHX l a]
    assert_equal 0 [r EXISTS l]
    r RPUSH l a
    assert_equal 3 [r LPUSHX l b c]
    assert_equal 5 [r RPUSHX l d e]
    assert_equal {c b a d e} [r LRANGE l 0 -1]
    assert_error "ERR wrong number of arguments for 'lpushx' command" {r LPUSHX l}
    assert_error "ERR wrong number of arguments for 'rpushx' command" {r RPUSHX l}
}

test "LPOP and RPOP, and the key goes with the last element" {
    r RPUSH l a b c
    assert_equal {bulk a} [r -typed LPOP l]
    assert_equal {bulk c} [r -typed RPOP l]
    assert_equal b [r RPOP l]
    assert_equal 0 [r EXISTS l]
    assert_nil [r LPOP l]
    assert_nil [r RPOP l]
}

test "LPOP and RPOP with a count" {
    r RPUSH l a b c d e f g
    assert_equal {array {{bulk a} {bulk b}}} [r -typed LPOP l 2]
    assert_equal {array {{bulk g} {bulk f}}} [r -typed RPOP l 2]
    assert_equal {array {}} [r -typed LPOP l 0]
    assert_equal {array {{bulk c} {bulk d} {bulk e}}} [r -typed LPOP l 100]
    assert_equal 0 [r EXISTS l]
    assert_nil [r LPOP l 2]
    assert_nil [r LPOP l 0]
    assert_nil [r RPOP l 2]
    r RPUSH l a
    assert_error "ERR value is out of range, must be positive" {r LPOP l -1}
    assert_error "ERR value is out of range, must be positive" {r LPOP l x}
    assert_error "ERR value is out of range, must be positive" {r RPOP none -1}
    assert_error "ERR wrong number of arguments for 'lpop' command" {r LPOP l 1 2}
    assert_error "ERR wrong number of arguments for 'rpop' command" {r RPOP l 1 2}
    assert_error "ERR wrong number of arguments for 'lpop' command" {r LPOP}
}

test "LRANGE takes positions from both ends, and cuts what lies outside" {
    each_size {
        r DEL l
        set all [fill l 300 $large]
        foreach {from to} {0 0 0 -1 1 -2 -100 -1 100 200 -1 -1 299 299 300 400 5 4 -1000 1000 -300 0 -5 2
                           250 1000 0 -301 -301 0} {
            set first [expr {$from < 0 ? max(0, 300 + $from) : $from}]
            set last [expr {$to < 0 ? 300 + $to : $to}]
            assert_equal [lrange $all $first $last] [r LRANGE l $from $to] "$from $to"
        }
    }
    assert_equal {array {}} [r -typed LRANGE none 0 -1]
    assert_error "ERR value is not an integer or out of range" {r LRANGE l a 1}
    assert_error "ERR value is not an integer or out of range" {r LRANGE none 1 b}
    assert_error "ERR wrong number of arguments for 'lrange' command" {r LRANGE l 1}
}

test "LINDEX counts from both ends" {
    each_size {
        r DEL l
        set all [fill l 300 $large]
        foreach i {0 1 2 7 150 298 299} {
            assert_equal [lindex $all $i] [r LINDEX l $i]
            assert_equal [lindex $all end-$i] [r LINDEX l [expr {-1 - $i}]]
        }
        assert_nil [r LINDEX l 300]
        assert_nil [r LINDEX l -301]
    }
    assert_nil [r LINDEX none 0]
    assert_nil [r LINDEX none x]
    assert_error "ERR value is not an integer or out of range" {r LINDEX l x}
}

test "LSET" {
    each_size {
        r DEL l
        set all [fill l 300 $large]
        foreach i {0 299 150 3 -1 -300} {
            assert_equal {status OK} [r -typed LSET l $i new$i]
            lset all [expr {$i < 0 ? 300 + $i : $i}] new$i
        }
        assert_equal $all [r LRANGE l 0 -1]
        set big [string repeat B 100000]
        foreach i {10 11 12 200} {
            r LSET l $i $big
            lset all $i $big
        }
        assert_equal $all [r LRANGE l 0 -1]
    }
    assert_error "ERR no such key" {r LSET none 0 x}
    assert_error "ERR no such key" {r LSET none x x}
    assert_error "ERR index out of range" {r LSET l 300 x}
    assert_error "ERR index out of range" {r LSET l -301 x}
    assert_error "ERR value is not an integer or out of range" {r LSET l x x}
}

test "LINSERT" {
    each_size {
        r DEL l
        set all [fill l 300 $large]
        foreach i {0 299 150 151 3} {
            set pivot [element $i $large]
            assert_equal [expr {[llength $all] + 1}] [r LINSERT l BEFORE $pivot before$i]
            set all [linsert $all [lsearch -exact $all $pivot] before$i]
            assert_equal [expr {[llength $all] + 1}] [r LINSERT l after $pivot after$i]
            set all [linsert $all [expr {[lsearch -exact $all $pivot] + 1}] after$i]
        }
        assert_equal $all [r LRANGE l 0 -1]
        assert_equal -1 [r LINSERT l BEFORE none x]
    }
    assert_equal 0 [r LINSERT none BEFORE a b]
    assert_equal 0 [r EXISTS none]
    assert_error "ERR syntax error" {r LINSERT l ASIDE a b}
    assert_error "ERR wrong number of arguments for 'linsert' command" {r LINSERT l BEFORE a}
}

test "LREM from the head, from the tail, and all" {
    each_size {
        r DEL l
        set all {}
        for {set i 0} {$i < 300} {incr i} {lappend all [element [expr {$i % 3}] $large]}
        r RPUSH l {*}$all
        set one [element 1 $large]
        set two [element 2 $large]
        assert_equal 2 [r LREM l 2 $one]
        set all [lreplace [lreplace $all 1 1] 3 3]
        assert_equal $all [r LRANGE l 0 -1]
        assert_equal 2 [r LREM l -2 $two]
        set all [lreplace [lreplace $all end end] end-2 end-2]
        assert_equal $all [r LRANGE l 0 -1]
        assert_equal 98 [r LREM l 0 $two]
        assert_equal 98 [r LREM l 200 $one]
        assert_equal [lrepeat 100 [element 0 $large]] [r LRANGE l 0 -1]
        assert_equal 0 [r LREM l 0 none]
        assert_equal 99 [r LREM l -99 [element 0 $large]]
        assert_equal 1 [r LREM l 1 [element 0 $large]]
        assert_equal 0 [r EXISTS l]
    }
    assert_equal 0 [r LREM none 0 x]
    assert_error "ERR value is not an integer or out of range" {r LREM none x x}
}

test "LTRIM" {
    each_size {
        foreach {from to} {0 -1 1 -2 100 200 -50 -1 0 0 -1 -1 5 4 300 400 -1000 10 -301 -300} {
            r DEL l
            set all [fill l 300 $large]
            assert_equal {status OK} [r -typed LTRIM l $from $to]
            set first [expr {$from < 0 ? max(0, 300 + $from) : $from}]
            set last [expr {$to < 0 ? 300 + $to : $to}]
            set want [lrange $all $first $last]
            assert_equal $want [r LRANGE l 0 -1] "$from $to"
            assert_equal [expr {[llength $want] > 0}] [r EXISTS l]
        }
    }
    assert_equal OK [r LTRIM none 0 -1]
    assert_error "ERR value is not an integer or out of range" {r LTRIM none x 1}
}

test "LPOS" {
    r RPUSH l a b c 1 2 3 c c
    assert_equal {int 2} [r -typed LPOS l c]
    assert_equal 0 [r LPOS l a]
    assert_nil [r LPOS l none]
    assert_equal 6 [r LPOS l c RANK 2]
    assert_equal 7 [r LPOS l c RANK -1]
    assert_equal 2 [r LPOS l c RANK -3]
    assert_nil [r LPOS l c RANK 4]
    assert_nil [r LPOS l c RANK -4]
    assert_equal {array {{int 2} {int 6}}} [r -typed LPOS l c COUNT 2]
    assert_equal {2 6 7} [r LPOS l c COUNT 0]
    assert_equal {7 6 2} [r LPOS l c COUNT 0 RANK -1]
    assert_equal {6 2} [r LPOS l c COUNT 5 RANK -2]
    assert_equal {array {}} [r -typed LPOS l none COUNT 1]
    assert_equal {array {}} [r -typed LPOS none c COUNT 1]
    assert_nil [r LPOS none c]
    assert_equal 3 [r LPOS l 1]
    assert_nil [r LPOS l c MAXLEN 2]
    assert_equal 2 [r LPOS l c MAXLEN 3]
    assert_equal {7 6} [r LPOS l c COUNT 0 MAXLEN 3 RANK -1]
    assert_equal {2 6 7} [r LPOS l c COUNT 0 MAXLEN 0]
    assert_error "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative*" {r LPOS l c RANK 0}
    assert_error "ERR COUNT can't be negative" {r LPOS l c COUNT -1}
    assert_error "ERR MAXLEN can't be negative" {r LPOS l c MAXLEN -1}
    assert_error "ERR value is not an integer or out of range" {r LPOS l c RANK x}
    assert_error "ERR syntax error" {r LPOS l c RANK}
    assert_error "ERR syntax error" {r LPOS l c NONE 1}
}

test "LMOVE between lists, and within one" {
    foreach from {LEFT RIGHT} {
        foreach to {left right} {
            r DEL a b
            set x {1 2 3}
            set y {4 5}
            r RPUSH a {*}$x
            r RPUSH b {*}$y
            set moved [lindex $x [expr {$from eq "LEFT" ? "0" : "end"}]]
            set x [expr {$from eq "LEFT" ? [lrange $x 1 end] : [lrange $x 0 end-1]}]
            set y [expr {$to eq "left" ? [linsert $y 0 $moved] : [concat $y $moved]}]
            assert_equal [list bulk $moved] [r -typed LMOVE a b $from $to]
            assert_equal $x [r LRANGE a 0 -1]
            assert_equal $y [r LRANGE b 0 -1]
            set moved [lindex $y [expr {$from eq "LEFT" ? "0" : "end"}]]
            set y [expr {$from eq "LEFT" ? [lrange $y 1 end] : [lrange $y 0 end-1]}]
            set y [expr {$to eq "left" ? [linsert $y 0 $moved] : [concat $y $moved]}]
            assert_equal $moved [r LMOVE b b $from $to]
            assert_equal $y [r LRANGE b 0 -1]
        }
    }
    assert_nil [r LMOVE none b LEFT LEFT]
    r SET s x
    assert_nil [r LMOVE none s LEFT LEFT]
    assert_error "WRONGTYPE *" {r LMOVE a s LEFT LEFT}
    assert_error "WRONGTYPE *" {r LMOVE s a LEFT LEFT}
    assert_error "ERR syntax error" {r LMOVE a b LEFT UP}
    assert_error "ERR syntax error" {r LMOVE a b UP LEFT}
    assert_error "ERR wrong number of arguments for 'lmove' command" {r LMOVE a b LEFT}
}

test "A list of one element that is moved within itself keeps its expiry" {
    r RPUSH l a
    r EXPIRE l 100
    assert_equal a [r LMOVE l l LEFT RIGHT]
    assert_range [r TTL l] 1 100
    assert_equal a [r RPOPLPUSH l l]
    assert_equal {a} [r LRANGE l 0 -1]
    assert_range [r TTL l] 1 100
}

test "Lists of many nodes are moved through each other" {
    each_size {
        r DEL a b
        set all [fill a 300 $large]
        for {set i 0} {$i < 300} {incr i} {assert_equal [element $i $large] [r LMOVE a b LEFT RIGHT]}
        assert_equal 0 [r EXISTS a]
        assert_equal $all [r LRANGE b 0 -1]
        for {set i 0} {$i < 300} {incr i} {r RPOPLPUSH b b}
        assert_equal $all [r LRANGE b 0 -1]
        for {set i 0} {$i < 300} {incr i} {r RPOPLPUSH b a}
        assert_equal $all [r LRANGE a 0 -1]
    }
}

test "RPOPLPUSH" {
    r RPUSH a 1 2
    assert_equal {bulk 2} [r -typed RPOPLPUSH a b]
    assert_equal 1 [r RPOPLPUSH a b]
    assert_equal {1 2} [r LRANGE b 0 -1]
    assert_equal 0 [r EXISTS a]
    assert_nil [r RPOPLPUSH a b]
    r SET s x
    assert_error "WRONGTYPE *" {r RPOPLPUSH b s}
    assert_error "WRONGTYPE *" {r RPOPLPUSH s b}
    assert_equal {1 2} [r LRANGE b 0 -1]
}

test "LMPOP takes from the first list that is there" {
    r RPUSH b 1 2 3 4 5
    assert_equal {array {{bulk b} {array {{bulk 1}}}}} [r -typed LMPOP 2 a b LEFT]
    assert_equal {b {5 4}} [r LMPOP 2 a b right count 2]
    r RPUSH a x
    assert_equal {a x} [r LMPOP 2 a b LEFT COUNT 10]
    assert_equal {b {2 3}} [r LMPOP 2 a b LEFT COUNT 10]
    assert_equal 0 [r EXISTS a b]
    assert_nil [r LMPOP 2 a b LEFT]
    r SET s x
    assert_error "WRONGTYPE *" {r LMPOP 2 s b LEFT}
    assert_error "ERR numkeys should be greater than 0" {r LMPOP 0 a LEFT}
    assert_error "ERR numkeys should be greater than 0" {r LMPOP x a LEFT}
    assert_error "ERR numkeys should be greater than 0" {r LMPOP -1 a LEFT}
    assert_error "ERR count should be greater than 0" {r LMPOP 1 a LEFT COUNT 0}
    assert_error "ERR count should be greater than 0" {r LMPOP 1 a LEFT COUNT x}
    assert_error "ERR syntax error" {r LMPOP 1 a UP}
    assert_error "ERR syntax error" {r LMPOP 2 a LEFT}
    assert_error "ERR syntax error" {r LMPOP 3 a LEFT COUNT}
    assert_error "ERR syntax error" {r LMPOP 1 a LEFT COUNT}
    assert_error "ERR syntax error" {r LMPOP 1 a LEFT COUNT 1 COUNT 1}
    assert_error "ERR syntax error" {r LMPOP 1 a LEFT NONE 1}
    assert_error "ERR wrong number of arguments for 'lmpop' command" {r LMPOP 1 a}
}

test "Keys of LMPOP are found" {
    assert_equal {a b} [r COMMAND GETKEYS LMPOP 2 a b LEFT COUNT 1]
    assert_equal {a b} [r COMMAND GETKEYS LMOVE a b LEFT LEFT]
}

test "Another type is refused" {
    r SET s x
    foreach command {{LPUSH s a} {RPUSH s a} {LPUSHX s a} {RPUSHX s a} {LPOP s} {RPOP s} {LPOP s 2} {LLEN s}
                     {LINDEX s 0} {LINDEX s x} {LRANGE s 0 1} {LSET s 0 a} {LINSERT s BEFORE a b} {LREM s 0 a}
                     {LTRIM s 0 1} {LPOS s a}} {
        assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r {*}$command}
    }
    r RPUSH l a
    assert_error "WRONGTYPE *" {r GET l}
    assert_error "WRONGTYPE *" {r HGET l a}
}

test "DUMP and RESTORE, COPY, RENAME" {
    each_size {
        r FLUSHALL
        set all [fill l 400 $large]
        set payload [r DUMP l]
        assert_equal OK [r RESTORE copy 0 $payload]
        assert_equal $all [r LRANGE copy 0 -1]
        assert_equal $payload [r DUMP copy]
        assert_equal 1 [r COPY l other]
        assert_equal 400 [r LLEN other]
        r LPUSH other x
        assert_equal 400 [r LLEN l]
        r RENAME other third
        assert_equal [concat x $all] [r LRANGE third 0 -1]
        assert_encoding quicklist third
    }
}

test "EXEC sees its own lists" {
    r MULTI
    r RPUSH l a b c
    r LPOP l
    r LMOVE l m LEFT RIGHT
    r LRANGE m 0 -1
    assert_equal {3 a b b} [r EXEC]
    r WATCH l
    r LSET l 0 x
    r MULTI
    r LLEN l
    assert_nil [r EXEC]
}

test "A random run against a model" {
    each_size {
        r DEL l
        set all {}
        for {set i 0} {$i < 400} {incr i} {
            set e [element $i $large]
            set n [llength $all]
            switch [expr {int(rand() * 8)}] {
                0 - 1 {r LPUSH l $e; set all [linsert $all 0 $e]}
                2 - 3 {r RPUSH l $e a; lappend all $e a}
                4 {
                    assert_equal [lindex $all 0] [r LPOP l]
                    set all [lrange $all 1 end]
                }
                5 {
                    if {$n == 0} continue
                    set at [expr {int(rand() * $n)}]
                    r LSET l $at $e
                    lset all $at $e
                }
                6 {
                    if {$n == 0} continue
                    set pivot [lindex $all [expr {int(rand() * $n)}]]
                    r LINSERT l BEFORE $pivot $e
                    set all [linsert $all [lsearch -exact $all $pivot] $e]
                }
                7 {
                    set at [expr {int(rand() * $n)}]
                    assert_equal [lindex $all $at] [r LINDEX l $at]
                    if {$i % 5 == 0 && "a" in $all} {
                        r LREM l 1 a
                        set at [lsearch -exact $all a]
                        set all [lreplace $all $at $at]
                    }
                }
            }
        }
        assert_equal $all [r LRANGE l 0 -1]
    }
}

test -tags {cove} "List commands answer from pages that are not in memory" {
    set all [fill l 2000 1]
    r RPUSH small a b c
    foreach command {
        {assert_equal [lindex $all 1000] [r LINDEX l 1000]}
        {assert_equal 2001 [r LPUSH l head]; assert_equal 2002 [r RPUSH l tail]}
        {assert_equal OK [r LSET l 1001 middle]}
        {assert_equal 2003 [r LINSERT l AFTER middle next]}
        {assert_equal {middle next} [r LRANGE l 1001 1002]}
        {assert_equal 1001 [r LPOS l middle]}
        {assert_equal 1 [r LREM l 0 middle]}
        {assert_equal tail [r LMOVE l small RIGHT LEFT]}
        {assert_equal tail [r LMOVE small l LEFT RIGHT]}
        {assert_equal tail [r RPOPLPUSH l l]}
        {assert_equal {tail head} [r LPOP l 2]}
        {assert_equal [list l [lrange $all end-1 end]] [list l [lreverse [r RPOP l 2]]]}
        {assert_equal OK [r LTRIM l 10 -11]; assert_equal 1978 [r LLEN l]}
        {set payload [r DUMP l]; r RESTORE n 0 $payload REPLACE; assert_equal 1978 [r LLEN n]}
        {assert_equal [r DEBUG DIGEST-VALUE l] [r DEBUG DIGEST-VALUE n]}
        {r MULTI; r RPUSH l x; r LMOVE l n LEFT LEFT; r LINDEX n 0
            assert_equal [list 1979 [lindex $all 10] [lindex $all 10]] [r EXEC]}
    } {
        assert_equal OK [r SAVE]
        r DEBUG DROP-CLEAN
        eval $command
    }
}
