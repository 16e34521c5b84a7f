# standalone.tcl -- SLOWLOG, ACL of the one user, what a server alone says to cluster clients, LOLWUT.

test "Every subcommand of CLUSTER is refused in the words that clients look for" {
    foreach words {{INFO} {NODES} {SLOTS} {SHARDS} {MYID} {KEYSLOT k} {COUNTKEYSINSLOT 0} {GETKEYSINSLOT 0 1}} {
        assert_error "ERR This instance has cluster support disabled" {r CLUSTER {*}$words}
    }
    foreach command {ASKING READONLY READWRITE} {
        assert_error "ERR This instance has cluster support disabled" {r $command}
    }
    assert_error "ERR unknown subcommand 'nosuch'. Try CLUSTER HELP." {r CLUSTER nosuch}
    assert_match "*cluster_enabled:0*" [r INFO cluster]
}

# Only named, so that the table has a test for each: they change a cluster, and are refused.
test -tags {cove} "What would change a cluster is refused as well" {
    foreach words {
        {CLUSTER ADDSLOTS 1} {CLUSTER ADDSLOTSRANGE 1 2} {CLUSTER BUMPEPOCH} {CLUSTER COUNT-FAILURE-REPORTS n}
        {CLUSTER DELSLOTS 1} {CLUSTER DELSLOTSRANGE 1 2} {CLUSTER FAILOVER} {CLUSTER FLUSHSLOTS}
        {CLUSTER FORGET n} {CLUSTER LINKS} {CLUSTER MEET h 1} {CLUSTER MYSHARDID} {CLUSTER REPLICAS n}
        {CLUSTER REPLICATE n} {CLUSTER RESET} {CLUSTER SAVECONFIG} {CLUSTER SET-CONFIG-EPOCH 1}
        {CLUSTER SETSLOT 1 STABLE} {CLUSTER SLAVES n}
    } {
        assert_error "ERR This instance has cluster support disabled" {r {*}$words}
    }
}

test "LOLWUT ends with the version" {
    assert_match "*Redis ver. *" [r LOLWUT]
    assert_match "*Redis ver. *" [r LOLWUT VERSION 1]
    assert_reply_type bulk verbatim
    assert_error "ERR value is not an integer or out of range" {r LOLWUT VERSION x}
}

test "ACL: one user, who may do everything" {
    assert_equal default [r ACL WHOAMI]
    assert_equal default [r ACL USERS]
    assert_match "user default on nopass *~* &* +@all" [lindex [r ACL LIST] 0]
    set user [r ACL GETUSER default]
    assert {"on" in [dict get $user flags]}
    assert {"nopass" in [dict get $user flags]}
    assert_equal {} [dict get $user passwords]
    assert_equal +@all [dict get $user commands]
    assert_nil [r ACL GETUSER nosuch]
    assert_equal [expr {[resp] == 2 ? "array" : "map"}] [lindex [r -typed ACL GETUSER default] 0]
    assert_error "ERR unknown subcommand 'nosuch'. Try ACL HELP." {r ACL nosuch}
}

test "ACL LIST shows the SHA-256 of the password" {
    start_server {requirepass secret} {
        set c [connect 2]
        wait_for_condition 300 10 {![catch {$c AUTH secret}] && ![catch {$c GET k}]}
        set hash 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
        assert_match "user default on *#$hash *" [lindex [$c ACL LIST] 0]
        assert_equal $hash [dict get [$c ACL GETUSER default] passwords]
        $c -close
    }
}

test "ACL CAT lists categories, and the commands of one" {
    set all [r ACL CAT]
    foreach category {keyspace read write string hash fast slow admin dangerous connection transaction} {
        assert {$category in $all}
    }
    set strings [r ACL CAT string]
    assert {"get" in $strings && "append" in $strings && "hget" ni $strings}
    assert {"config|set" in [r ACL CAT admin]}
    assert_error "ERR Unknown category 'nosuch'" {r ACL CAT nosuch}
}

test "SLOWLOG keeps commands that took longer than the limit, newest first" {
    r CONFIG SET slowlog-log-slower-than 100000
    r SLOWLOG RESET
    assert_equal 0 [r SLOWLOG LEN]
    assert_equal {} [r SLOWLOG GET]
    r PING
    assert_equal 0 [r SLOWLOG LEN]
    r DEBUG SLEEP 0.12
    assert_equal 1 [r SLOWLOG LEN]
    set entry [lindex [r SLOWLOG GET] 0]
    assert_equal 6 [llength $entry]
    assert_range [lindex $entry 2] 100000 5000000
    assert_equal {DEBUG SLEEP 0.12} [lindex $entry 3]
    assert_match "127.0.0.1:*" [lindex $entry 4]
    r CONFIG SET slowlog-log-slower-than 0
    set id [lindex $entry 0]
    r CLIENT SETNAME slow
    r SET k v
    assert {[lindex [r SLOWLOG GET 1] 0 0] > $id}
    set seen [lmap e [r SLOWLOG GET -1] {lindex $e 3}]
    assert {{SET k v} in $seen}
    assert_equal slow [lindex [r SLOWLOG GET 1] 0 5]
    assert_equal OK [r CLIENT SETNAME ""]
    assert_error "ERR count should be greater than or equal to -1" {r SLOWLOG GET -2}
    r CONFIG SET slowlog-log-slower-than 10000
    r SLOWLOG RESET
    assert_equal 0 [r SLOWLOG LEN]
}

test "SLOWLOG keeps so many, cuts what is long, and never shows a password" {
    r CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 5
    for {set i 0} {$i < 20} {incr i} {r PING $i}
    assert_equal 5 [r SLOWLOG LEN]
    r SET k [string repeat x 1000]
    assert_equal "[string repeat x 128]... (872 more bytes)" [lindex [r SLOWLOG GET 1] 0 3 2]
    for {set i 0} {$i < 100} {incr i} {lappend many m$i}
    r DEL {*}$many
    set args [lindex [r SLOWLOG GET 1] 0 3]
    assert_equal 32 [llength $args]
    assert_equal "... (70 more arguments)" [lindex $args end]
    catch {r AUTH open-sesame}
    catch {r HELLO [resp] AUTH default open-sesame}
    r CONFIG SET masterauth open-sesame
    assert_no_match "*open-sesame*" [r SLOWLOG GET -1]
    r CONFIG SET slowlog-log-slower-than 10000 slowlog-max-len 128 masterauth ""
    r SLOWLOG RESET
}

test -tags {cove} "SLOWLOG of a transaction shows its commands" {
    r CONFIG SET slowlog-log-slower-than 0
    r SLOWLOG RESET
    r MULTI
    r SET k v
    r GET k
    r EXEC
    set seen [lmap e [r SLOWLOG GET -1] {lindex $e 3}]
    assert {{SET k v} in $seen}
    assert {{GET k} in $seen}
    assert {"EXEC" ni $seen}
    r CONFIG SET slowlog-log-slower-than 10000
}

test -tags {cove} "WAITAOF counts the store as the replica" {
    r SET k v
    # What is in the store is at least as safe as on a disk.
    assert_equal {1 1} [r WAITAOF 0 1 1000]
    assert_error "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled." {r WAITAOF 1 0 10}
    assert_error "ERR timeout is negative" {r WAITAOF 0 1 -1}
}

test -tags {cove} "COMMAND DOCS: every command of the server that takes arguments tells them" {
    proc walk {docs info parts} {
        set missing {}
        foreach {name doc} $docs row $info {
            if {[dict get $doc group] eq "module"} continue
            if {[dict exists $doc subcommands]} {
                lappend missing {*}[walk [dict get $doc subcommands] [lindex $row 9] 2]
            } elseif {abs([lindex $row 1]) > $parts && ![dict exists $doc arguments]} {
                lappend missing $name
            }
        }
        return $missing
    }
    set docs [r COMMAND DOCS]
    assert_equal {} [walk $docs [r COMMAND INFO {*}[dict keys $docs]] 1]
}

test -tags {cove} "COMMAND DOCS: what came with later versions" {
    set delex [dict get [r COMMAND DOCS delex] delex]
    assert_equal {8.4.0 string} [list [dict get $delex since] [dict get $delex group]]
    set condition [lindex [dict get $delex arguments] 1]
    assert_equal {ifeq-value ifne-value ifdeq-digest ifdne-digest} [lmap a [dict get $condition arguments] {dict get $a name}]
    set msetex [dict get [r COMMAND DOCS msetex] msetex arguments]
    assert_equal {numkeys data condition expiration} [lmap a $msetex {dict get $a name}]
    set condition [lindex [dict get [r COMMAND DOCS set] set arguments] 2]
    assert_equal {NX XX IFEQ IFNE IFDEQ IFDNE} [lmap a [dict get $condition arguments] {dict get $a token}]
    assert_equal 8.4.0 [lindex [dict get [r COMMAND DOCS set] set history] end 0]
    assert_equal {6.2.0 8.2.0} [lmap h [dict get [r COMMAND DOCS xtrim] xtrim history] {lindex $h 0}]
    set ids [lindex [dict get [r COMMAND DOCS xdelex] xdelex arguments] 2]
    assert_equal {IDS block} [list [dict get $ids token] [dict get $ids type]]
    set get [lindex [dict get [r COMMAND DOCS sort] sort arguments] 3]
    assert_sorted_equal {optional multiple multiple_token} [dict get $get flags]
}

test -tags {cove} "COMMAND DOCS: arguments with tokens, choices and blocks" {
    set docs [dict get [r COMMAND DOCS set] set]
    set args [dict get $docs arguments]
    assert_equal {name key type key key_spec_index 0} [lindex $args 0]
    assert_equal {name value type string} [lindex $args 1]
    set condition [lindex $args 2]
    assert_equal oneof [dict get $condition type]
    assert_equal optional [dict get $condition flags]
    assert_equal {name nx type pure-token token NX} [lindex [dict get $condition arguments] 0]
    set expiration [lindex $args 4]
    assert_equal {name seconds type integer token EX} [lindex [dict get $expiration arguments] 0]
    set data [lindex [dict get [r COMMAND DOCS mset] mset arguments] 0]
    assert_equal block [dict get $data type]
    assert_equal multiple [dict get $data flags]
    assert_equal {key value} [lmap a [dict get $data arguments] {dict get $a name}]
    assert_equal {0 1} [lmap a [lrange [dict get [r COMMAND DOCS rename] rename arguments] 0 1] {dict get $a key_spec_index}]
}
