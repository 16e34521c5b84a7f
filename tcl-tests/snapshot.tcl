# snapshot.tcl -- SNAPSHOT CREATE, LIST, INFO, FORK, RESTORE, DELETE, DROPDB, GC: over keys, vectors and
# files at once, before and after checkpoints and kill -9.

proc snap {name body} {uplevel 1 [list test -tags cove $name "forget_snapshots\n$body"]}
proc names {} {lmap s [r SNAPSHOT LIST] {dict get $s name}}
proc forget_snapshots {} {foreach n [names] {r SNAPSHOT DELETE $n}}

# Something of every kind, told apart by `mark`.
proc fill {mark {n 50}} {
    for {set i 0} {$i < $n} {incr i} {r SET k:$i $mark:$i}
    r HSET h mark $mark f:$mark 1
    r SET big [string repeat $mark 30000]
    r SET ttl $mark EX 10000
    for {set i 0} {$i < 20} {incr i} {r VADD vec VALUES 3 $i 1 [string length $mark] $mark-$i}
    r FS.WRITE vol /d/$mark.txt $mark PARENTS
    r FS.WRITE vol /big [string repeat $mark 40000]
}
proc looks_like {mark {n 50}} {
    for {set i 0} {$i < $n} {incr i} {assert_equal $mark:$i [r GET k:$i]}
    assert_equal $mark [r HGET h mark]
    assert_equal [string repeat $mark 30000] [r GET big]
    assert_equal $mark [r GET ttl]
    assert_range [r TTL ttl] 9000 10000
    assert_equal 1 [r VISMEMBER vec $mark-3]
    assert_equal $mark [r FS.READ vol /d/$mark.txt]
    assert_equal [string repeat $mark 40000] [r FS.READ vol /big]
}

snap "SNAPSHOT CREATE answers name, lsn, time and keys; LIST and INFO show it" {
    fill one
    set s [r SNAPSHOT CREATE before]
    assert_reply_type array map
    assert_equal {name lsn time keys} [dict keys $s]
    assert_equal before [dict get $s name]
    assert_equal [r DBSIZE] [dict get $s keys]
    assert_equal before [names]
    set i [r SNAPSHOT INFO before]
    assert_equal [dict get $s lsn] [dict get $i lsn]
    assert_equal "" [dict get $i parent]
    assert {[dict get $i databases] >= 1}
    assert_error "ERR snapshot already exists" {r SNAPSHOT CREATE before}
    assert_nil [r SNAPSHOT CREATE before NX]
    assert_error "ERR no such snapshot" {r SNAPSHOT INFO nosuch}
    assert_error "ERR syntax error" {r SNAPSHOT CREATE x y}
}

snap "A fork holds what was there then, and is written on its own" {
    fill one
    r SNAPSHOT CREATE s
    fill two
    assert_equal OK [r SNAPSHOT FORK s branch]
    assert_error "ERR database already exists" {r SNAPSHOT FORK s branch}
    assert_error "ERR no such snapshot" {r SNAPSHOT FORK nosuch other}
    looks_like two
    assert_equal OK [r SELECT branch]
    looks_like one
    r SET k:0 mine
    r DEL h
    r FS.WRITE vol /d/one.txt mine
    r VREM vec one-3
    r SELECT 0
    looks_like two
    r SELECT branch
    assert_equal mine [r GET k:0]
    assert_equal 0 [r EXISTS h]
    assert_equal mine [r FS.READ vol /d/one.txt]
    assert_equal 0 [r VISMEMBER vec one-3]
    r SELECT 0
    assert_equal OK [r SNAPSHOT DROPDB branch]
    assert_error "ERR no such database" {r SELECT branch}
    assert_error "ERR no such database" {r SNAPSHOT DROPDB branch}
}

snap "A client in a fork that is dropped is told so" {
    r SET k v
    r SNAPSHOT CREATE s
    r SNAPSHOT FORK s branch
    set c [connect]
    $c SELECT branch
    assert_equal v [$c GET k]
    r SNAPSHOT DROPDB branch
    assert_error "ERR the selected database has been dropped*" {$c GET k}
    assert_error "ERR the selected database has been dropped*" {$c SET k w}
    assert_equal OK [$c SELECT 0]
    assert_equal v [$c GET k]
    $c -close
}

snap "RESTORE puts all databases back, and answers a snapshot of what was there" {
    fill one
    r SELECT 3
    r SET third one
    r SELECT 0
    r SNAPSHOT CREATE s
    fill two
    r SELECT 3
    r SET third two
    r SELECT 5
    r SET fifth two
    r SELECT 0
    set safety [r SNAPSHOT RESTORE s]
    looks_like one
    r SELECT 3
    assert_equal one [r GET third]
    r SELECT 5
    assert_equal 0 [r DBSIZE]
    r SELECT 0
    assert {$safety in [names]}
    r SNAPSHOT RESTORE $safety
    looks_like two
    r SELECT 5
    assert_equal two [r GET fifth]
    r SELECT 0
    r FLUSHALL
}

snap "RESTORE touches watched keys" {
    r SET k v
    r SNAPSHOT CREATE s
    r WATCH k
    r SNAPSHOT RESTORE s
    r MULTI
    r GET k
    assert_nil [r EXEC]
}

snap "FORK and RESTORE are refused inside MULTI, CREATE is not" {
    r SET k v
    r MULTI
    assert_match "ERR*" [lindex [list [catch {r SNAPSHOT FORK s b} m] $m] 1]
    assert_error "EXECABORT*" {r EXEC}
    r MULTI
    r SNAPSHOT CREATE inside
    r SET k x
    r EXEC
    assert {"inside" in [names]}
    assert_equal x [r GET k]
    # A moment inside a transaction is none: half of it would be in the snapshot.
    r MULTI
    r SET k y
    r SNAPSHOT CREATE half
    assert_match "*between transactions*" [catch {r EXEC} m]$m
    assert {"half" ni [names]}
}

snap "DELETE answers 1 or 0 and leaves forks alone" {
    fill one
    r SNAPSHOT CREATE s
    r SNAPSHOT FORK s branch
    assert_equal 1 [r SNAPSHOT DELETE s]
    assert_equal 0 [r SNAPSHOT DELETE s]
    r FLUSHALL
    r SAVE
    r SNAPSHOT GC
    r SELECT branch
    looks_like one
    r SELECT 0
    r SNAPSHOT DROPDB branch
}

snap "FLUSHALL empties numbered databases only" {
    r SET k v
    r SNAPSHOT CREATE s
    r SNAPSHOT FORK s branch
    r FLUSHALL
    assert_equal 0 [r DBSIZE]
    r SELECT branch
    assert_equal v [r GET k]
    r SELECT 0
    r SNAPSHOT DROPDB branch
}

foreach {when code} {
    "at once" {}
    "after a checkpoint" {r SAVE}
    "after kill -9" {restart_server -9}
    "after kill -9, twice" {restart_server -9; r SAVE; restart_server -9}
} {
    snap "FLUSHDB of a fork empties it and nothing else: $when" "
        fill one
        r SNAPSHOT CREATE s
        r SNAPSHOT FORK s branch
        r SNAPSHOT FORK s other
        set c \[connect\]
        \$c SELECT branch
        \$c WATCH k:1
        r SELECT branch
        assert_equal OK \[r FLUSHDB\]
        \$c MULTI
        \$c GET k:1
        assert_equal {} \[\$c EXEC\]
        \$c -close
        r SET new here
        $code
        r SELECT branch
        assert_equal 1 \[r DBSIZE\]
        assert_equal here \[r GET new\]
        assert_equal {} \[r GET k:1\]
        assert_equal OK \[r FLUSHDB ASYNC\]
        $code
        r SELECT branch
        assert_equal 0 \[r DBSIZE\]
        r SELECT other
        looks_like one
        r SELECT 0
        looks_like one
        r SNAPSHOT DROPDB branch
        r SNAPSHOT FORK s branch
        r SELECT branch
        looks_like one
        r SELECT 0
        r SNAPSHOT DROPDB branch
        r SNAPSHOT DROPDB other
    "
}

snap "Names: what is taken and what is not" {
    foreach bad {"" 123 "a b" a/b "a*" "\u00e9"} {
        assert_error "ERR a name*" {r SNAPSHOT CREATE $bad}
        assert_error "ERR a name*" {r SNAPSHOT INFO $bad}
    }
    assert_error "ERR a name*" {r SNAPSHOT CREATE [string repeat x 129]}
    r SNAPSHOT CREATE [string repeat x 128]
    r SNAPSHOT CREATE a.b_c-1
    assert_error "ERR unknown subcommand 'NOSUCH'. Try SNAPSHOT HELP." {r SNAPSHOT NOSUCH}
    assert_match "SNAPSHOT <subcommand>*" [lindex [r SNAPSHOT HELP] 0]
}

foreach {when code} {
    "at once" {}
    "after a checkpoint" {r SAVE}
    "after kill -9" {restart_server -9}
    "after kill -9 and a checkpoint" {restart_server -9; r SAVE}
    "after SHUTDOWN" {restart_server SHUTDOWN}
} {
    snap "Snapshots, forks and restore $when" "
        fill one
        r SNAPSHOT CREATE s
        fill two
        r DEL k:7
        $code
        assert_equal {} \[r GET k:7\]
        r SET k:7 two:7
        looks_like two
        r SNAPSHOT FORK s branch
        r SELECT branch
        looks_like one
        r SET k:1 changed
        $code
        r SELECT branch
        assert_equal changed \[r GET k:1\]
        r SET k:1 one:1
        looks_like one
        r SELECT 0
        looks_like two
        r SNAPSHOT RESTORE s
        looks_like one
        $code
        looks_like one
        r SELECT branch
        looks_like one
        r SELECT 0
        r SNAPSHOT DROPDB branch
    "
}

snap "A fork of a fork, and a snapshot that holds both" {
    r SET k root
    r SNAPSHOT CREATE s1
    r SNAPSHOT FORK s1 f1
    r SELECT f1
    r SET k first
    r SNAPSHOT CREATE s2
    r SNAPSHOT FORK s2 f2
    r SELECT f2
    assert_equal first [r GET k]
    r SET k second
    restart_server -9
    foreach {where value} {0 root f1 first f2 second} {
        r SELECT $where
        assert_equal $value [r GET k]
    }
    r SELECT 0
    r SNAPSHOT DROPDB f1
    r SELECT f2
    assert_equal second [r GET k]
    r SELECT 0
    r SNAPSHOT DROPDB f2
}

snap "GC DRYRUN counts and removes nothing" {
    fill one
    r SAVE
    r FLUSHALL
    r SAVE
    set g [r SNAPSHOT GC DRYRUN]
    assert_equal {objects_live objects_dead bytes_dead objects_deleted} [dict keys $g]
    assert_equal 0 [dict get $g objects_deleted]
    assert_error "ERR syntax error" {r SNAPSHOT GC NOW}
}

snap "Snapshots of a database that is written all the time are whole" {
    set c [connect]
    for {set i 0} {$i < 40} {incr i} {
        for {set j 0} {$j < 20} {incr j} {
            r MULTI
            r SET a $i.$j
            r SET b $i.$j
            r EXEC
        }
        r SNAPSHOT CREATE s$i
        if {$i % 10 == 5} {r BGSAVE}
    }
    restart_server -9
    for {set i 0} {$i < 40} {incr i 3} {
        r SNAPSHOT FORK s$i f
        r SELECT f
        assert_equal $i.19 [r GET a]
        assert_equal $i.19 [r GET b]
        r SELECT 0
        r SNAPSHOT DROPDB f
    }
    catch {$c -close}
    forget_snapshots
}
