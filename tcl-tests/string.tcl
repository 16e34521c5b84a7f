# string.tcl -- every string command of Redis 7.0, except the bit commands' families of their own.

test "SET and GET, replacing whatever was there" {
    assert_equal OK [r SET k v]
    assert_equal status [r -type]
    assert_equal v [r GET k]
    assert_equal bulk [r -type]
    assert_nil [r GET nokey]
    r HSET h f v
    assert_equal OK [r SET h string]
    assert_equal string [r GET h]
    assert_error "ERR wrong number of arguments for 'set' command" {r SET k}
    assert_error "ERR wrong number of arguments for 'get' command" {r GET}
    assert_error "ERR wrong number of arguments for 'get' command" {r GET a b}
}

test "Keys and values are bytes, empty ones included" {
    set all ""
    for {set i 0} {$i < 256} {incr i} {append all [binary format c $i]}
    r SET $all $all
    assert_equal $all [r GET $all]
    r SET "" ""
    assert_equal "" [r GET ""]
    assert_equal bulk [r -type]
    assert_equal 1 [r EXISTS ""]
}

foreach size {1 43 44 45 63 64 65 127 128 1000 4096 65536 1000000} {
    test "A value of $size bytes comes back whole, and so does its neighbour" {
        set v [random_bytes $size]
        r SET big $v
        r SET other x
        assert_equal $v [r GET big]
        assert_equal $size [r STRLEN big]
        r SET big y
        assert_equal y [r GET big]
        assert_equal x [r GET other]
    }
}

test "SET NX and XX" {
    assert_nil [r SET k v XX]
    assert_equal 0 [r EXISTS k]
    assert_equal OK [r SET k v NX]
    assert_nil [r SET k w NX]
    assert_equal v [r GET k]
    assert_equal OK [r SET k w XX]
    assert_equal w [r GET k]
    assert_error "ERR syntax error" {r SET k v NX XX}
}

test "SET GET gives the old value, with NX and XX as well" {
    assert_nil [r SET k a GET]
    assert_equal a [r SET k b GET]
    assert_equal b [r SET k c NX GET]
    assert_equal b [r GET k]
    assert_equal b [r SET k c XX GET]
    assert_equal c [r GET k]
    assert_nil [r SET none c XX GET]
    assert_equal 0 [r EXISTS none]
    assert_nil [r SET new c NX GET]
    assert_equal c [r GET new]
    r HSET h f v
    assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r SET h v GET}
    assert_equal hash [r TYPE h]
}

test "SET with EX, PX, EXAT, PXAT and KEEPTTL" {
    r SET k v EX 100
    assert_range [r TTL k] 99 100
    r SET k v PX 100000
    assert_range [r PTTL k] 99000 100000
    r SET k v EXAT [expr {[clock seconds] + 200}]
    assert_range [r TTL k] 198 200
    r SET k v PXAT [expr {[clock milliseconds] + 300000}]
    assert_range [r PTTL k] 298000 300000
    r SET k w KEEPTTL
    assert_range [r TTL k] 297 300
    assert_equal w [r GET k]
    r SET k w
    assert_equal -1 [r TTL k]
    assert_equal OK [r SET gone v EXAT 1]
    assert_equal 0 [r EXISTS gone]
}

test "SET refuses bad expiry times and options that exclude each other" {
    foreach bad {0 -1} {
        assert_error "ERR invalid expire time in 'set' command" {r SET k v EX $bad}
        assert_error "ERR invalid expire time in 'set' command" {r SET k v PX $bad}
    }
    assert_error "ERR invalid expire time in 'set' command" {r SET k v EX 9223372036854775807}
    assert_error "ERR invalid expire time in 'set' command" {r SET k v EX 9223372036854770}
    assert_error "ERR value is not an integer or out of range" {r SET k v EX abc}
    assert_error "ERR value is not an integer or out of range" {r SET k v EX 9223372036854775808}
    foreach words {{EX} {EX 10 PX 10} {EX 10 KEEPTTL} {KEEPTTL EX 10} {EXAT 10 PXAT 10} {NOSUCH} {EX 0 NOSUCH}
        {EX abc NX XX} {PERSIST}} {
        assert_error "ERR syntax error" {r SET k v {*}$words}
    }
    assert_equal 0 [r EXISTS k]
    assert_equal OK [r SET k v EX 100 EX 200]
    assert_range [r TTL k] 190 200
}

test "SETNX, SETEX, PSETEX and GETSET" {
    assert_equal 1 [r SETNX k a]
    assert_equal int [r -type]
    assert_equal 0 [r SETNX k b]
    assert_equal a [r GETSET k c]
    assert_equal c [r GET k]
    assert_nil [r GETSET new x]
    assert_equal OK [r SETEX k 100 d]
    assert_range [r TTL k] 99 100
    assert_equal OK [r PSETEX k 100000 e]
    assert_range [r PTTL k] 99000 100000
    r GETSET k f
    assert_equal -1 [r TTL k]
    assert_error "ERR invalid expire time in 'setex' command" {r SETEX k 0 v}
    assert_error "ERR invalid expire time in 'setex' command" {r SETEX k -5 v}
    assert_error "ERR invalid expire time in 'psetex' command" {r PSETEX k 0 v}
    assert_error "ERR value is not an integer or out of range" {r SETEX k x v}
}

test "GETDEL reads and deletes" {
    r SET k v
    assert_equal v [r GETDEL k]
    assert_nil [r GETDEL k]
    r HSET h f v
    assert_error "WRONGTYPE*" {r GETDEL h}
    assert_equal 1 [r EXISTS h]
}

test "GETEX reads and changes the expiry" {
    r SET k v
    assert_equal v [r GETEX k]
    assert_equal -1 [r TTL k]
    assert_equal v [r GETEX k EX 100]
    assert_range [r TTL k] 99 100
    assert_equal v [r GETEX k PX 200000]
    assert_range [r TTL k] 199 200
    assert_equal v [r GETEX k EXAT [expr {[clock seconds] + 50}]]
    assert_range [r TTL k] 48 50
    assert_equal v [r GETEX k]
    assert_range [r TTL k] 48 50
    assert_equal v [r GETEX k PERSIST]
    assert_equal -1 [r TTL k]
    assert_equal v [r GETEX k PXAT 1]
    assert_equal 0 [r EXISTS k]
    assert_nil [r GETEX k EX 10]
    r SET k v
    assert_error "ERR syntax error" {r GETEX k EX 10 PERSIST}
    assert_error "ERR syntax error" {r GETEX k KEEPTTL}
    assert_error "ERR syntax error" {r GETEX k EX}
    assert_error "ERR invalid expire time in 'getex' command" {r GETEX k EX 0}
    assert_error "ERR wrong number of arguments for 'getex' command" {r GETEX}
}

test "MSET, MGET and MSETNX" {
    assert_equal OK [r MSET a 1 b 2 c 3]
    assert_equal {1 2 3} [r MGET a b c]
    assert_equal {array {{bulk 1} {nil {}} {bulk 3}}} [r -typed MGET a none c]
    r HSET h f v
    assert_equal {array {{nil {}} {bulk 2}}} [r -typed MGET h b]
    assert_equal OK [r MSET a x a y]
    assert_equal y [r GET a]
    assert_error "ERR wrong number of arguments for 'mset' command" {r MSET a 1 b}
    assert_error "ERR wrong number of arguments for 'mset' command" {r MSET a}
    assert_error "ERR wrong number of arguments for 'msetnx' command" {r MSETNX a 1 b}
    assert_equal 0 [r MSETNX new 1 a 2]
    assert_equal 0 [r EXISTS new]
    assert_equal 1 [r MSETNX new 1 newer 2]
    assert_equal {1 2} [r MGET new newer]
    assert_equal 1 [r MSETNX twice 1 twice 2]
    assert_equal 2 [r GET twice]
    r SET ttl v EX 100
    r MSET ttl w
    assert_equal -1 [r TTL ttl]
}

test "APPEND and STRLEN" {
    assert_equal 3 [r APPEND k foo]
    assert_equal 6 [r APPEND k bar]
    assert_equal foobar [r GET k]
    assert_equal 6 [r STRLEN k]
    assert_equal 0 [r STRLEN none]
    assert_equal 0 [r APPEND empty ""]
    assert_equal 1 [r EXISTS empty]
    r SET n 12
    assert_equal 4 [r APPEND n 34]
    assert_equal 1234 [r GET n]
    assert_equal 1235 [r INCR n]
    r EXPIRE k 100
    r APPEND k x
    assert_range [r TTL k] 99 100
    r HSET h f v
    assert_error "WRONGTYPE*" {r APPEND h x}
    assert_error "WRONGTYPE*" {r STRLEN h}
}

test "APPEND again and again against a model" {
    set model ""
    for {set i 0} {$i < 300} {incr i} {
        set more [random_bytes [random_int 200]]
        append model $more
        assert_equal [string length $model] [r APPEND k $more]
    }
    assert_equal $model [r GET k]
}

test "SETRANGE pads with zero bytes and keeps bounds" {
    assert_equal 0 [r SETRANGE k 0 ""]
    assert_equal 0 [r EXISTS k]
    assert_equal 4 [r SETRANGE k 1 foo]
    assert_equal "\0foo" [r GET k]
    assert_equal 4 [r SETRANGE k 0 b]
    assert_equal bfoo [r GET k]
    assert_equal 4 [r SETRANGE k 10 ""]
    assert_equal 11 [r SETRANGE k 8 xyz]
    assert_equal "bfoo\0\0\0\0xyz" [r GET k]
    r SET n 1234
    assert_equal 4 [r SETRANGE n 2 99]
    assert_equal 1299 [r GET n]
    assert_error "ERR offset is out of range" {r SETRANGE k -1 x}
    assert_error "ERR string exceeds maximum allowed size (proto-max-bulk-len)" {r SETRANGE k 536870909 long!}
    assert_error "ERR string exceeds maximum allowed size (proto-max-bulk-len)" {r SETRANGE k 9223372036854775807 x}
    assert_error "ERR value is not an integer or out of range" {r SETRANGE k x y}
    assert_equal "bfoo\0\0\0\0xyz" [r GET k]
    r HSET h f v
    assert_error "WRONGTYPE*" {r SETRANGE h 0 x}
}

test "GETRANGE and SUBSTR with every kind of bound" {
    r SET k "Hello World"
    foreach {from to want} {
        0 4 Hello   0 -1 "Hello World"   -5 -1 World   -100 100 "Hello World"   5 5 " "
        5 3 ""   11 20 ""   10 20 d   -3 -5 ""   -50 -100 ""   -100 -50 H   0 -100 H   -1 -1 d
    } {
        set got [r GETRANGE k $from $to]
        assert_equal $want $got "GETRANGE $from $to"
        assert_equal bulk [r -type]
    }
    assert_equal "" [r GETRANGE none 0 -1]
    assert_equal bulk [r -type]
    assert_equal World [r SUBSTR k 6 -1]
    r SET n 12345
    assert_equal 234 [r GETRANGE n 1 3]
    assert_error "ERR value is not an integer or out of range" {r GETRANGE k a 1}
    r HSET h f v
    assert_error "WRONGTYPE*" {r GETRANGE h 0 1}
}

test "INCR, DECR, INCRBY and DECRBY" {
    assert_equal 1 [r INCR n]
    assert_equal int [r -type]
    assert_equal 2 [r INCR n]
    assert_equal 12 [r INCRBY n 10]
    assert_equal 11 [r DECR n]
    assert_equal 1 [r DECRBY n 10]
    assert_equal 6 [r DECRBY n -5]
    assert_equal -1 [r DECR fresh]
    assert_equal bulk [lindex [r -typed GET n] 0]
    r SET n 10 EX 100
    r INCR n
    assert_range [r TTL n] 99 100
    r SET max 9223372036854775806
    assert_equal 9223372036854775807 [r INCR max]
    assert_error "ERR increment or decrement would overflow" {r INCR max}
    assert_equal 9223372036854775807 [r GET max]
    r SET min -9223372036854775808
    assert_error "ERR increment or decrement would overflow" {r DECR min}
    assert_error "ERR increment or decrement would overflow" {r INCRBY min -1}
    assert_error "ERR decrement would overflow" {r DECRBY n -9223372036854775808}
}

test "INCR refuses what is not exactly an integer" {
    foreach bad {abc "" " 1" "1 " 1.0 +1 01 -0 0x10 9223372036854775808 -9223372036854775809 1e3} {
        r SET n $bad
        assert_error "ERR value is not an integer or out of range" {r INCR n}
        assert_error "ERR value is not an integer or out of range" {r INCRBY fresh $bad}
        assert_equal $bad [r GET n]
    }
    assert_equal 0 [r EXISTS fresh]
    r HSET h f v
    foreach command {{INCR h} {DECR h} {INCRBY h 1} {DECRBY h 1} {INCRBYFLOAT h 1}} {
        assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r {*}$command}
    }
}

test "INCRBYFLOAT prints the shortest form with up to 17 digits" {
    assert_equal 1.5 [r INCRBYFLOAT f 1.5]
    assert_equal bulk [r -type]
    assert_equal 3 [r INCRBYFLOAT f 1.5]
    assert_equal 3 [r GET f]
    assert_equal 5003 [r INCRBYFLOAT f 5.0e3]
    assert_equal 5002.5 [r INCRBYFLOAT f -0.5]
    r SET f 10.50
    assert_equal 10.6 [r INCRBYFLOAT f 0.1]
    r SET f 3.0
    assert_equal 3 [r INCRBYFLOAT f 0]
    r SET i 11
    assert_equal 12.25 [r INCRBYFLOAT i 1.25]
    r DEL f
    assert_equal 0.00000001 [r INCRBYFLOAT f 1e-8]
    r SET f v
    assert_error "ERR value is not a valid float" {r INCRBYFLOAT f 1}
    r SET f 1
    foreach bad {abc "" " 1" "1 " 1x} {
        assert_error "ERR value is not a valid float" {r INCRBYFLOAT f $bad}
    }
    foreach bad {inf -inf +inf} {
        assert_error "ERR increment would produce NaN or Infinity" {r INCRBYFLOAT f $bad}
    }
    assert_error "ERR value is not a valid float" {r INCRBYFLOAT f nan}
    r SET f 1 EX 100
    r INCRBYFLOAT f 1
    assert_range [r TTL f] 99 100
}

test "LCS finds the longest common subsequence" {
    r MSET a ohmytext b mynewtext
    assert_equal mytext [r LCS a b]
    assert_equal 6 [r LCS a b LEN]
    assert_equal {matches {{{4 7} {5 8}} {{2 3} {0 1}}} len 6} [r LCS a b IDX]
    assert_reply_type array map
    assert_equal {matches {{{4 7} {5 8} 4}} len 6} [r LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN]
    assert_equal {matches {{{4 7} {5 8} 4} {{2 3} {0 1} 2}} len 6} [r LCS a b IDX WITHMATCHLEN]
    assert_equal "" [r LCS a none]
    assert_equal bulk [r -type]
    assert_equal 0 [r LCS none other LEN]
    assert_error "ERR If you want both the length and indexes, please just use IDX." {r LCS a b LEN IDX}
    assert_error "ERR syntax error" {r LCS a b NOSUCH}
    r HSET h f v
    assert_error "ERR The specified keys must contain string values" {r LCS a h}
}

test "Encodings of strings: int, embstr, raw" {
    r SET n 12345
    assert_encoding int n
    r SET n -9223372036854775808
    assert_encoding int n
    r SET s short
    assert_encoding embstr s
    r SET s [string repeat x 44]
    assert_encoding embstr s
    r SET s [string repeat x 45]
    assert_encoding raw s
    r SET s 012
    assert_encoding embstr s
    r SET s 9223372036854775808
    assert_encoding embstr s
    r SET s a
    r APPEND s b
    assert_encoding raw s
    r SET n 1
    r INCR n
    assert_encoding int n
}

test "Every string command refuses a hash, and changes nothing" {
    r HSET h f v
    foreach command {
        {GET h} {GETDEL h} {GETEX h} {GETSET h v} {APPEND h v} {STRLEN h} {SETRANGE h 0 v} {GETRANGE h 0 1}
        {INCR h} {DECR h} {INCRBY h 1} {DECRBY h 1} {INCRBYFLOAT h 1} {SUBSTR h 0 1}
    } {
        assert_error "WRONGTYPE Operation against a key holding the wrong kind of value" {r {*}$command}
    }
    assert_equal {f v} [r HGETALL h]
}

test "A pipeline of thousands is answered in order" {
    for {set i 0} {$i < 5000} {incr i} {
        r -send SET key:$i value:$i
        r -send GET key:$i
    }
    for {set i 0} {$i < 5000} {incr i} {
        assert_equal OK [r -read]
        assert_equal value:$i [r -read]
    }
    assert_equal 5000 [r DBSIZE]
}

test "Random writes against a model" {
    set model [dict create]
    for {set i 0} {$i < 3000} {incr i} {
        set k key:[random_int 200]
        switch [random_int 6] {
            0 - 1 {
                set v [random_bytes [random_int 300]]
                r SET $k $v
                dict set model $k $v
            }
            2 {
                set had [dict exists $model $k]
                assert_equal $had [r DEL $k]
                dict unset model $k
            }
            3 {
                set v [random_bytes [random_int 20]]
                r APPEND $k $v
                dict append model $k $v
            }
            4 {
                set v [random_bytes 5]
                set at [random_int 50]
                r SETRANGE $k $at $v
                set old [model_get $model $k]
                if {[string length $old] < $at} {
                    append old [string repeat \0 [expr {$at - [string length $old]}]]
                }
                dict set model $k [string range $old 0 $at-1]$v[string range $old $at+5 end]
            }
            5 {
                set want [model_get $model $k]
                assert_equal $want [r GET $k]
            }
        }
    }
    assert_equal [dict size $model] [r DBSIZE]
    dict for {k v} $model {assert_equal $v [r GET $k]}
}

test "GETEX judges its options, then the key, then the time" {
    foreach words {{EX 0 NOSUCH} {EX 10 PERSIST} {PERSIST EX 10} {KEEPTTL} {EX}} {
        assert_error "ERR syntax error" {r GETEX none {*}$words}
    }
    assert_nil [r GETEX none EX 0]
    assert_nil [r GETEX none PX abc]
    r RPUSH l x
    assert_error "WRONGTYPE*" {r GETEX l EX 0}
    r SET k v
    assert_error "ERR invalid expire time in 'getex' command" {r GETEX k EX 0}
    assert_equal v [r GETEX k PERSIST PERSIST]
    assert_equal v [r GETEX k EX 100 EX 200]
    assert_range [r TTL k] 190 200
}

test "LCS looks at the keys before it looks at its options" {
    r RPUSH l x
    assert_error "ERR The specified keys must contain string values" {r LCS l none LEN IDX}
    assert_error "ERR If you want both the length and indexes, please just use IDX." {r LCS none none LEN IDX}
    assert_error "ERR syntax error" {r LCS none none NOSUCH}
}

test "INCRBYFLOAT goes on with a number of thousands of digits" {
    r INCRBYFLOAT k 1e4932
    set long [r GET k]
    assert_equal 4933 [string length $long]
    assert_equal $long [r INCRBYFLOAT k 1]
    assert_error "ERR increment would produce NaN or Infinity" {r INCRBYFLOAT k inf}
    r SET k [string repeat 1 6000]
    assert_error "ERR value is not a valid float" {r INCRBYFLOAT k 1}
}
