# string_compare.tcl -- what came to strings with Redis 8.4 and Valkey: conditions of SET, DELEX, DELIFEQ, DIGEST,
# MSETEX. Replies are those of the documentation and of Redis's own tests.

proc wrongtype {} {return "WRONGTYPE Operation against a key holding the wrong kind of value"}

test "DIGEST is the XXH3 of the string, in 16 digits" {
    # The value of an issue of Redis: its digest begins with zeros.
    r SET k v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd
    assert_equal 00006c38adf31777 [r DIGEST k]
    assert_equal bulk [r -type]
    r SET k ""
    assert_equal 2d06800538d394c2 [r DIGEST k]
    assert_nil [r DIGEST none]
    r RPUSH l x
    assert_error [wrongtype] {r DIGEST l}
    assert_error "ERR wrong number of arguments for 'digest' command" {r DIGEST a b}
}

test "DIGEST is of the bytes, however they are kept" {
    r SET int 12345
    r SET raw 123
    r APPEND raw 45
    assert_encoding int int
    assert_encoding raw raw
    assert_equal [r DIGEST int] [r DIGEST raw]
    set long [random_bytes 200000]
    r SET a $long
    r SET b [string range $long 0 99999]
    r APPEND b [string range $long 100000 end]
    assert_equal [r DIGEST a] [r DIGEST b]
    r SETRANGE b 150000 [expr {[string index $long 150000] eq "x" ? "y" : "x"}]
    assert {[r DIGEST a] ne [r DIGEST b]}
}

test "SET IFEQ and IFNE compare the value" {
    r SET k hello
    assert_nil [r SET k world IFEQ other]
    assert_equal hello [r GET k]
    assert_equal OK [r SET k world IFEQ hello]
    assert_equal world [r GET k]
    assert_nil [r SET k again ifne world]
    assert_equal OK [r SET k again IfNe hello]
    assert_equal again [r GET k]
    r SET n 12345
    assert_equal OK [r SET n "" IFEQ 12345]
    assert_equal OK [r SET n 1 IFEQ ""]
}

test "SET IFDEQ and IFDNE compare the digest, in any case" {
    r SET k hello
    set digest [r DIGEST k]
    assert_nil [r SET k world IFDEQ 0123456789abcdef]
    assert_nil [r SET k world IFDEQ xxxxxxxxxxxxxxxx]
    assert_nil [r SET k world IFDNE $digest]
    assert_equal OK [r SET k world IFDEQ [string toupper $digest]]
    assert_equal world [r GET k]
    assert_equal OK [r SET k again IFDNE $digest]
    assert_equal again [r GET k]
    assert_error "ERR must be exactly 16 hexadecimal characters" {r SET k x IFDEQ abc}
    assert_error "ERR must be exactly 16 hexadecimal characters" {r SET k x IFDNE 0123456789abcdef0}
    assert_equal again [r GET k]
}

test "SET with a condition, of a key that is not there" {
    assert_nil [r SET k v IFEQ x]
    assert_nil [r SET k v IFDEQ 123]
    assert_equal 0 [r EXISTS k]
    assert_equal OK [r SET k v IFNE x]
    r DEL k
    assert_equal OK [r SET k v IFDNE 123]
    assert_equal v [r GET k]
    r PEXPIRE k 1
    after 5
    assert_nil [r SET k w IFEQ v]
}

test "SET with a condition and GET, times, other types and other conditions" {
    r SET k hello
    assert_equal hello [r SET k world IFEQ other GET]
    assert_equal hello [r SET k world IFEQ hello GET]
    assert_nil [r SET none v IFNE x GET]
    assert_equal v [r GET none]
    assert_equal OK [r SET k v IFEQ world EX 100]
    assert_range [r TTL k] 99 100
    assert_equal OK [r SET k w IFEQ v KEEPTTL]
    assert_range [r TTL k] 99 100
    r RPUSH l v
    foreach condition {IFEQ IFNE IFDEQ IFDNE} {
        assert_error [wrongtype] {r SET l v $condition v}
        assert_error "ERR syntax error" {r SET k v $condition}
        assert_error "ERR syntax error" {r SET k v NX $condition w}
        assert_error "ERR syntax error" {r SET k v $condition w XX}
        assert_error "ERR syntax error" {r SET k v IFEQ w $condition w}
        assert_error "ERR syntax error" {r GETEX k $condition w}
    }
    assert_equal list [r TYPE l]
    assert_equal w [r GET k]
}

test "SET IFEQ compares long values page by page" {
    set long [random_bytes 200000]
    r SET k $long
    assert_nil [r SET k v IFEQ [string range $long 0 end-1]]
    assert_nil [r SET k v IFEQ [string replace $long end end [expr {[string index $long end] eq "x" ? "y" : "x"}]]]
    assert_nil [r SET k v IFEQ [string replace $long 0 0 [expr {[string index $long 0] eq "x" ? "y" : "x"}]]]
    assert_equal OK [r SET k v IFEQ $long]
    assert_equal v [r GET k]
}

test "DELEX removes a key, on a condition if there is one" {
    r SET k hello
    r HSET h f v
    assert_equal 1 [r DELEX h]
    assert_equal 0 [r DELEX k IFEQ world]
    assert_equal 0 [r DELEX k IFNE hello]
    assert_equal 0 [r DELEX k IFDEQ 0123456789abcdef]
    assert_equal 0 [r DELEX k IFDNE [r DIGEST k]]
    assert_equal hello [r GET k]
    assert_equal 1 [r DELEX k IFDEQ [r DIGEST k]]
    assert_equal 0 [r EXISTS k]
    foreach condition {{IFEQ 12345} {IFNE x} {IFDNE 0123456789abcdef}} {
        r SET k 12345
        assert_equal 1 [r DELEX k {*}$condition]
        assert_equal 0 [r EXISTS k]
    }
}

test "DELEX's errors, which a key that is not there does not bring about" {
    assert_equal 0 [r DELEX none]
    assert_equal 0 [r DELEX none IFEQ]
    assert_equal 0 [r DELEX none IFDEQ 123]
    r SET k v
    r SADD s x
    assert_error "ERR wrong number of arguments for 'delex' command" {r DELEX}
    assert_error "ERR wrong number of arguments for 'delex' command" {r DELEX k IFEQ}
    assert_error "ERR wrong number of arguments for 'delex' command" {r DELEX k IFEQ v w}
    assert_error "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE" {r DELEX k IF v}
    assert_error "ERR Key should be of string type if conditions are specified" {r DELEX s IFEQ x}
    assert_error "ERR must be exactly 16 hexadecimal characters" {r DELEX k IFDEQ 123}
    assert_equal v [r GET k]
}

test "DELIFEQ removes a key that holds this string" {
    r SET k v
    r RPUSH l v
    assert_equal 0 [r DELIFEQ k w]
    assert_equal 1 [r DELIFEQ k v]
    assert_equal 0 [r DELIFEQ k v]
    assert_error [wrongtype] {r DELIFEQ l v}
    assert_error "ERR wrong number of arguments for 'delifeq' command" {r DELIFEQ k}
}

test "MSETEX sets all keys with one expiry" {
    assert_equal 1 [r MSETEX 2 a 1 b 2]
    assert_equal {1 2} [r MGET a b]
    assert_equal -1 [r TTL a]
    assert_equal 1 [r MSETEX 2 a 3 b 4 EX 100]
    assert_range [r TTL a] 99 100
    assert_range [r TTL b] 99 100
    assert_equal 1 [r MSETEX 2 a 5 c 6 KEEPTTL]
    assert_equal {5 4 6} [r MGET a b c]
    assert_range [r TTL a] 99 100
    assert_equal -1 [r TTL c]
    assert_equal 1 [r MSETEX 1 a 7 PXAT [expr {[clock milliseconds] + 50000}]]
    assert_range [r PTTL a] 40000 50000
    assert_equal 1 [r MSETEX 1 a 7 PX 60000 xx]
    assert_range [r PTTL a] 50000 60000
    assert_equal 1 [r MSETEX 2 a 8 b 8 EXAT 1]
    assert_equal 0 [r EXISTS a b]
}

test "MSETEX NX and XX look at all keys before the first is set" {
    r SET a 1
    assert_equal 0 [r MSETEX 2 b 2 a 2 NX]
    assert_equal 0 [r EXISTS b]
    assert_equal 0 [r MSETEX 2 a 2 b 2 XX]
    assert_equal 1 [r GET a]
    assert_equal 1 [r MSETEX 2 b 2 c 2 EX 100 NX]
    assert_equal 1 [r MSETEX 3 a 3 b 3 c 3 XX]
    assert_equal {3 3 3} [r MGET a b c]
    assert_equal -1 [r TTL b]
}

test "MSETEX's errors" {
    assert_error "ERR wrong number of arguments for 'msetex' command" {r MSETEX 1 a}
    foreach n {0 -1 x 2147483648} {assert_error "ERR invalid numkeys value" {r MSETEX $n a 1}}
    assert_error "ERR wrong number of key-value pairs" {r MSETEX 2 a 1 b}
    assert_error "ERR wrong number of key-value pairs" {r MSETEX 2147483647 a 1}
    foreach options {{NX XX} {EX 10 PX 10} {KEEPTTL EX 10} EX foo {IFEQ v} GET {b 2}} {
        assert_error "ERR syntax error" {r MSETEX 1 a 1 {*}$options}
    }
    assert_error "ERR invalid expire time in 'msetex' command" {r MSETEX 1 a 1 EX 0}
    assert_error "ERR value is not an integer or out of range" {r MSETEX 1 a 1 EX x}
    assert_equal 0 [r EXISTS a]
}

test "The tables say where the keys are and what becomes of them" {
    assert_equal {a b} [r COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 10]
    assert_equal {{k {RW access update}}} [r COMMAND GETKEYSANDFLAGS SET k v IFEQ w]
    assert_equal {{k {OW update}}} [r COMMAND GETKEYSANDFLAGS SET k v EX 10]
    assert_equal {{k {RM delete}}} [r COMMAND GETKEYSANDFLAGS DELEX k]
    assert_equal {{k {RW access delete}}} [r COMMAND GETKEYSANDFLAGS DELEX k IFEQ v]
}

test "What was compared and set is there after a restart" {
    r SET a hello
    r SET a world IFEQ hello EX 1000
    r MSETEX 2 b 1 c 2 EX 1000
    r SET d v
    r DELEX d IFEQ v
    restart_server
    assert_equal {world 1 2} [r MGET a b c]
    assert_range [r TTL a] 900 1000
    assert_range [r TTL c] 900 1000
    assert_equal 0 [r EXISTS d]
}
