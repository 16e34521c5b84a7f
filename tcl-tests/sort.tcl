# sort.tcl -- SORT and SORT_RO of lists and sets. Redis's own unit says more, with sorted sets in it.

test "SORT orders numbers, and text with ALPHA" {
    r RPUSH l 3 10 -1 2.5 1e1
    assert_equal {-1 2.5 3 10 1e1} [r SORT l]
    assert_equal {1e1 10 3 2.5 -1} [r SORT l DESC]
    assert_equal {-1 10 1e1 2.5 3} [r SORT l ALPHA]
    assert_equal {3 2.5} [r SORT l DESC LIMIT 2 2]
    assert_equal {} [r SORT l LIMIT 9 2]
    assert_equal {-1 2.5 3 10 1e1} [r SORT l LIMIT -5 -1]
    assert_equal {} [r SORT none]
    r SADD t c a b
    assert_equal {a b c} [r SORT t ALPHA]
    assert_error "ERR One or more scores can't be converted into double" {r SORT t}
}

test "SORT BY and GET read other keys and hash fields" {
    r RPUSH l 1 2 3
    r MSET w1 30 w2 10 w3 20 n1 one n2 two
    r HSET h1 w 2 name uno
    r HSET h2 w 3
    r HSET h3 w 1 name tres
    assert_equal {2 3 1} [r SORT l BY w*]
    assert_equal {3 1 2} [r SORT l BY h*->w]
    assert_equal {3 {} tres 1 one uno 2 two {}} [r SORT l BY h*->w GET # GET n* GET h*->name]
    assert_equal {{} {} {}} [r SORT l GET constant]
    assert_equal {1 2 3} [r SORT l BY none*]
    assert_equal {3 2 1} [r SORT l BY none* DESC]
    r SET w2 abc
    assert_error "ERR One or more scores can't be converted into double" {r SORT l BY w*}
    assert_equal {3 1 2} [r SORT l BY w* ALPHA]
}

test "SORT BY a constant leaves a list as it is" {
    r RPUSH l 3 1 2
    assert_equal {3 1 2} [r SORT l BY nosort]
    assert_equal {2 1 3} [r SORT l BY nosort DESC]
    assert_equal {1 2} [r SORT l BY nosort LIMIT 1 5]
    assert_equal {1} [r SORT l BY nosort DESC LIMIT 1 1]
    r SADD t z y x
    assert_equal 3 [r SORT t BY nosort STORE to]
    assert_equal {x y z} [r LRANGE to 0 -1]
}

test "SORT STORE makes a list, or removes the key when there is nothing" {
    r RPUSH l 3 1 2
    r SET to old
    r EXPIRE to 100
    assert_equal 3 [r SORT l STORE to]
    assert_equal {1 2 3} [r LRANGE to 0 -1]
    assert_equal -1 [r TTL to]
    assert_equal 3 [r SORT l STORE l DESC]
    assert_equal {3 2 1} [r LRANGE l 0 -1]
    assert_equal 3 [r SORT l GET nothing* STORE to]
    assert_equal {{} {} {}} [r LRANGE to 0 -1]
    assert_equal 0 [r SORT none STORE to]
    assert_equal 0 [r EXISTS to]
    r DEBUG RELOAD
    assert_equal {3 2 1} [r LRANGE l 0 -1]
}

test "SORT refuses what it cannot read" {
    r SET s x
    r HSET h f v
    assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r SORT s}
    assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r SORT h}
    r RPUSH l 1
    foreach words {LIMIT {LIMIT 1} STORE BY GET WHAT {ASC 1}} {
        assert_error "ERR syntax error" {r SORT l {*}$words}
    }
    assert_error "ERR value is not an integer or out of range" {r SORT l LIMIT a 1}
    assert_error "ERR syntax error" {r SORT_RO l STORE to}
    assert_equal {1} [r SORT_RO l]
}

test "COMMAND GETKEYS knows the last STORE of SORT" {
    assert_equal {abc stored} [r COMMAND GETKEYS SORT abc STORE invalid STORE stored]
    assert_equal {abc def} [r COMMAND GETKEYS SORT abc STORE def]
    assert_equal {abc} [r COMMAND GETKEYS SORT_RO abc]
    assert_equal {abc} [r COMMAND GETKEYS SORT abc BY STORE]
}

test "A sort beside memory: elements, weights and answers are all cold" {
    for {set i 0} {$i < 300} {incr i} {
        r RPUSH l $i
        r SET w$i [expr {($i * 7919) % 1000}]
        r SET v$i value:$i
    }
    set warm [r SORT l BY w* GET v* GET #]
    r DEBUG RELOAD
    assert_equal $warm [r SORT l BY w* GET v* GET #]
    assert_equal 600 [llength $warm]
}
