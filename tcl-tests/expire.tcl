# expire.tcl -- the EXPIRE family, and what becomes of a key whose time has come.

test "EXPIRE, PEXPIRE, TTL and PTTL" {
    assert_equal 0 [r EXPIRE none 100]
    r SET k v
    assert_equal -1 [r TTL k]
    assert_equal -1 [r PTTL k]
    assert_equal -2 [r TTL none]
    assert_equal -2 [r PTTL none]
    assert_equal 1 [r EXPIRE k 100]
    assert_range [r TTL k] 99 100
    assert_range [r PTTL k] 99000 100000
    assert_equal 1 [r PEXPIRE k 50000]
    assert_range [r TTL k] 49 50
    assert_equal int [r -type]
}

test "EXPIREAT, PEXPIREAT, EXPIRETIME and PEXPIRETIME" {
    r SET k v
    assert_equal -1 [r EXPIRETIME k]
    assert_equal -1 [r PEXPIRETIME k]
    assert_equal -2 [r EXPIRETIME none]
    assert_equal -2 [r PEXPIRETIME none]
    assert_equal 1 [r EXPIREAT k 33177117420]
    assert_equal 33177117420 [r EXPIRETIME k]
    assert_equal 33177117420000 [r PEXPIRETIME k]
    assert_equal 1 [r PEXPIREAT k 33177117420123]
    assert_equal 33177117420123 [r PEXPIRETIME k]
    assert_equal 33177117420 [r EXPIRETIME k]
}

test "PERSIST" {
    r SET k v EX 100
    assert_equal 1 [r PERSIST k]
    assert_equal -1 [r TTL k]
    assert_equal 0 [r PERSIST k]
    assert_equal 0 [r PERSIST none]
}

test "A time in the past deletes at once" {
    foreach command {{EXPIRE k 0} {EXPIRE k -1} {PEXPIRE k -1} {EXPIREAT k 1} {PEXPIREAT k 1} {EXPIREAT k 0}} {
        r SET k v
        assert_equal 1 [r {*}$command]
        assert_equal 0 [r EXISTS k]
    }
}

test "EXPIRE with NX, XX, GT and LT" {
    r SET k v
    assert_equal 0 [r EXPIRE k 100 XX]
    assert_equal -1 [r TTL k]
    assert_equal 0 [r EXPIRE k 100 GT]
    assert_equal 1 [r EXPIRE k 100 NX]
    assert_equal 0 [r EXPIRE k 200 NX]
    assert_range [r TTL k] 99 100
    assert_equal 1 [r EXPIRE k 200 XX]
    assert_equal 0 [r EXPIRE k 100 GT]
    assert_equal 1 [r EXPIRE k 300 GT]
    assert_equal 0 [r EXPIRE k 400 LT]
    assert_equal 1 [r EXPIRE k 50 LT]
    assert_range [r TTL k] 49 50
    assert_equal 1 [r EXPIRE k 60 XX GT]
    r PERSIST k
    assert_equal 1 [r EXPIRE k 1000 LT]
    assert_error "ERR NX and XX, GT or LT options at the same time are not compatible" {r EXPIRE k 1 NX XX}
    assert_error "ERR NX and XX, GT or LT options at the same time are not compatible" {r EXPIRE k 1 NX GT}
    assert_error "ERR GT and LT options at the same time are not compatible" {r EXPIRE k 1 GT LT}
    assert_error "ERR Unsupported option AB" {r EXPIRE k 1 AB}
    assert_error "ERR Unsupported option AB" {r EXPIRE k 1 XX AB}
    assert_range [r TTL k] 999 1000
}

test "EXPIRE refuses what is no integer or overflows, and changes nothing" {
    r SET k v
    foreach bad {abc 1.5 "" 9223372036854775808} {
        assert_error "ERR value is not an integer or out of range" {r EXPIRE k $bad}
    }
    assert_error "ERR invalid expire time in 'expire' command" {r EXPIRE k 9223372036854775807}
    assert_error "ERR invalid expire time in 'expire' command" {r EXPIRE k -9223372036854775808}
    assert_error "ERR invalid expire time in 'pexpire' command" {r PEXPIRE k 9223372036854775807}
    assert_error "ERR invalid expire time in 'expireat' command" {r EXPIREAT k 9223372036854775807}
    assert_error "ERR wrong number of arguments for 'expire' command" {r EXPIRE k}
    assert_equal -1 [r TTL k]
    assert_equal v [r GET k]
}

test "A key is gone when its time has come, for every way of looking" {
    r HSET h f v
    r SET s v
    r MULTI
    r PEXPIRE h 60
    r PEXPIRE s 60
    r EXISTS h s
    assert_equal {1 1 2} [r EXEC]
    after 100
    assert_nil [r GET s]
    assert_equal {} [r HGETALL h]
    assert_equal 0 [r EXISTS h s]
    assert_equal none [r TYPE s]
    assert_equal -2 [r TTL s]
    assert_equal {} [r KEYS *]
    assert_equal 0 [r DEL s]
    assert_error "ERR no such key" {r RENAME h x}
}

test "An expired key can be made anew, as another type" {
    r SET k v PX 30
    after 60
    assert_equal 1 [r HSET k f v]
    assert_equal hash [r TYPE k]
    assert_equal -1 [r TTL k]
    r SET n 5 PX 30
    after 60
    assert_equal 1 [r INCR n]
    assert_equal -1 [r TTL n]
    r SET a x PX 30
    after 60
    assert_equal 1 [r APPEND a y]
    assert_equal y [r GET a]
}

test "Keys that nobody looks at expire by themselves" {
    for {set i 0} {$i < 200} {incr i} {r SET key:$i v PX 100}
    r SET stays v
    wait_for_condition 100 50 {[r DBSIZE] == 1}
    assert_equal {stays} [r KEYS *]
}

test "With active expiry off a key stays counted, but cannot be seen" {
    r DEBUG SET-ACTIVE-EXPIRE 0
    r SET k v PX 20
    after 200
    assert_equal 1 [r DBSIZE]
    assert_equal 0 [r EXISTS k]
    assert_equal 0 [r DBSIZE]
    r DEBUG SET-ACTIVE-EXPIRE 1
}

test "What keeps the expiry, and what takes it away" {
    r SET k 1
    foreach command {{INCR k} {APPEND k 0} {SETRANGE k 0 5} {INCRBYFLOAT k 1} {SET k 1 KEEPTTL} {GETEX k}} {
        r EXPIRE k 100
        r {*}$command
        assert_range [r TTL k] 99 100
    }
    foreach command {{SET k 1} {GETSET k 1} {MSET k 1} {PERSIST k}} {
        r EXPIRE k 100
        r {*}$command
        assert_equal -1 [r TTL k] $command
    }
}

test "RENAME takes the expiry along and drops the old one" {
    r SET a v EX 100
    r SET b w EX 500
    r RENAME a b
    assert_range [r TTL b] 99 100
    r SET c x
    r RENAME c b
    assert_equal -1 [r TTL b]
}

test "COPY and MOVE take the expiry along" {
    r SET a v EX 100
    r COPY a b
    assert_range [r TTL b] 99 100
    r MOVE a 1
    r SELECT 1
    assert_range [r TTL a] 99 100
    r SELECT 0
}

test "An expiry inside MULTI counts from EXEC" {
    r MULTI
    r SET k v
    r PEXPIRE k 50
    r GET k
    assert_equal {OK 1 v} [r EXEC]
    after 100
    assert_nil [r GET k]
}

test "The server counts what expired" {
    set before [info_field expired_keys]
    r SET k v PX 10
    after 40
    r GET k
    assert {[info_field expired_keys] > $before}
}

test "INFO keyspace counts keys with an expiry" {
    r SET a v
    r SET b v EX 1000
    assert_match {keys=2,expires=1,avg_ttl=*} [info_field db0 keyspace]
}
