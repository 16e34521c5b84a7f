# steps.tcl -- commands that write so many elements that they are done in steps, while others go on.

set many 15000
proc fill_set {key n {from 0}} {
    r CLIENT ACK memory
    for {set i 0} {$i < $n} {incr i 1000} {
        set members {}
        for {set k $i} {$k < min($n, $i + 1000)} {incr k} {lappend members m[expr {$from + $k}]}
        r SADD $key {*}$members
    }
}
proc fill_zset {key n {from 0}} {
    r CLIENT ACK memory
    for {set i 0} {$i < $n} {incr i 1000} {
        set pairs {}
        for {set k $i} {$k < min($n, $i + 1000)} {incr k} {lappend pairs [expr {($k * 7919) % 10007}] m[expr {$from + $k}]}
        r ZADD $key {*}$pairs
    }
}
proc sound {} {assert_equal OK [r DEBUG CHECK]}
# What is made in steps is what is made in one turn, inside of a transaction.
proc same_in_one_turn {dest args} {
    r {*}[string map [list DEST $dest] $args]
    set n [expr {[r TYPE $dest] eq "zset" ? [r ZCARD $dest] : [r SCARD $dest]}]
    r MULTI
    r {*}[string map {DEST one} $args]
    assert_equal $n [lindex [r EXEC] 0]
    assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE $dest]
    return $n
}

test -tags {cove} "Sets stored in steps are those stored in one turn" {
    fill_set a $many
    fill_set b $many 5000
    assert_equal 20000 [same_in_one_turn d SUNIONSTORE DEST a b none a]
    assert_equal 10000 [same_in_one_turn d SINTERSTORE DEST a b]
    assert_equal 5000 [same_in_one_turn d SDIFFSTORE DEST a b none]
    assert_equal $many [same_in_one_turn d SUNIONSTORE DEST a]
    # It may be its own source, and hold anything before.
    r SET d text
    assert_equal $many [r SUNIONSTORE d a]
    assert_equal 20000 [r SUNIONSTORE d d b]
    assert_equal [lsort [r SUNION a b]] [lsort [r SMEMBERS d]]
    assert_equal 0 [r SDIFFSTORE d a a]
    assert_equal 0 [r EXISTS d]
    r EXPIRE b 1000
    assert_equal $many [r SUNIONSTORE d b]
    assert_equal -1 [r TTL d]
    sound
}

test -tags {cove} "Sorted sets stored in steps are those stored in one turn" {
    fill_zset a $many
    fill_zset b $many 5000
    fill_set s $many 2000
    assert_equal 20000 [same_in_one_turn d ZUNIONSTORE DEST 3 b a s WEIGHTS 2 3 0.5]
    assert_equal 20000 [same_in_one_turn d ZUNIONSTORE DEST 2 a b AGGREGATE MIN]
    assert_equal 10000 [same_in_one_turn d ZINTERSTORE DEST 3 a s b AGGREGATE MAX WEIGHTS 1 5000 1]
    assert_equal 5000 [same_in_one_turn d ZDIFFSTORE DEST 2 a b]
    assert_equal $many [same_in_one_turn d ZUNIONSTORE DEST 2 s none WEIGHTS 3 1]
    assert_equal 12000 [same_in_one_turn d ZRANGESTORE DEST a 1000 12999]
    assert_equal 11000 [same_in_one_turn d ZRANGESTORE DEST a +inf -inf BYSCORE REV LIMIT 500 11000]
    assert_equal 20000 [r ZUNIONSTORE a 2 a b]
    assert_equal 20000 [r ZCARD a]
    assert_equal 12000 [r ZRANGESTORE a a 0 11999]
    assert_equal 12000 [r ZCARD a]
    sound
}

test -tags {cove} "Ranges removed in steps are those removed in one turn" {
    foreach command {{ZREMRANGEBYRANK DEST 500 -1001} {ZREMRANGEBYSCORE DEST (100 9800}} {
        fill_zset a $many
        r EXPIRE a 1000
        r COPY a d REPLACE
        r COPY a one REPLACE
        set n [r {*}[string map {DEST d} $command]]
        assert {$n > 10000 && $n < $many}
        r MULTI
        r {*}[string map {DEST one} $command]
        assert_equal $n [lindex [r EXEC] 0]
        assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE d]
        assert_equal $many [r ZCARD a]
        assert {[r TTL d] > 900}
        sound
    }
}

proc blocked {} {info_field blocked_clients clients}

# Sends a command that takes steps, waits until it has begun, and runs other commands until it is answered.
proc begun {args} {
    set c [connect]
    $c -send {*}$args
    for {set i 0} {$i < 200 && [blocked] == 0} {incr i} {} ;# Or it is very quick.
    return $c
}
proc ended {c} {
    set reply [$c -read]
    $c -close
    return $reply
}
proc beside {command body} {
    upvar i i
    set c [begun {*}$command]
    for {set i 0} {[blocked] == 1} {incr i} {uplevel 1 $body}
    return [ended $c]
}

test -tags {cove} "What is counted in steps is what is counted in one turn" {
    fill_set a $many
    fill_set b $many 2000
    fill_zset z $many 1000
    assert_equal 13000 [r SINTERCARD 2 a b]
    assert_equal 12500 [r SINTERCARD 2 a b LIMIT 12500]
    assert_equal 13000 [r SINTERCARD 2 b a LIMIT 14000]
    assert_equal 13000 [r ZINTERCARD 3 a z b]
    assert_equal 11000 [r ZINTERCARD 2 z a LIMIT 11000]
    assert_equal 0 [r ZINTERCARD 2 z none]
    foreach command {{SINTERCARD 2 a b} {ZINTERCARD 3 a z b}} {
        set n [r {*}$command]
        r MULTI
        r {*}$command
        assert_equal $n [lindex [r EXEC] 0]
    }
    r SET s text
    assert_error "WRONGTYPE*" {r SINTERCARD 3 a b s}
    sound
}

# A dump with other bytes in it, and the checksum that they have: CRC-64 of Jones, bit by bit from the right.
proc crc64_table {} {
    for {set i 0} {$i < 256} {incr i} {
        set crc $i
        for {set k 0} {$k < 8} {incr k} {set crc [expr {$crc & 1 ? ($crc >> 1) ^ 0x95ac9329ac4bc9b5 : $crc >> 1}]}
        lappend table $crc
    }
    return $table
}
proc redumped {dump from to} {
    set body [string range [string map [list $from $to] $dump] 0 end-8]
    set table [crc64_table]
    set crc 0
    binary scan $body cu* bytes
    foreach b $bytes {set crc [expr {[lindex $table [expr {($crc ^ $b) & 255}]] ^ ($crc >> 8)}]}
    return $body[binary format w $crc]
}

proc fill_list {key n} {
    r CLIENT ACK memory
    for {set i 0} {$i < $n} {incr i 1000} {
        set elements {}
        for {set k $i} {$k < min($n, $i + 1000)} {incr k} {lappend elements [expr {($k * 7919) % 10007}]}
        r RPUSH $key {*}$elements
    }
}

test -tags {cove} "Many elements are sorted in steps as in one turn" {
    fill_list l $many
    fill_set t $many
    fill_zset z $many
    assert_equal [lsort -integer [r LRANGE l 0 -1]] [in_one_turn SORT l]
    in_one_turn SORT l DESC ALPHA LIMIT 100 12000
    assert_equal [lsort [r SMEMBERS t]] [in_one_turn SORT_RO t ALPHA]
    in_one_turn SORT z ALPHA DESC LIMIT 0 10
    in_one_turn SORT z BY nosort DESC LIMIT 5 14000
    assert_equal [r LRANGE l 0 -1] [in_one_turn SORT l BY nosort GET #]
    assert_equal [lsort [r SMEMBERS t]] [lsort [r SORT t BY nosort]]
    for {set i 0} {$i < 10007} {incr i 3} {r MSET w$i [expr {$i % 100}] n$i "name $i"}
    in_one_turn SORT l BY w*
    in_one_turn SORT l BY w* ALPHA DESC GET # GET n* LIMIT 0 11000
    assert_error "ERR One or more scores can't be converted into double" {r SORT t}
    assert_error "ERR One or more scores can't be converted into double" {r SORT l BY n*}
    sound
}

test -tags {cove} "What is sorted in steps and stored is what is in one turn" {
    fill_list l $many
    fill_set t $many
    for {set i 0} {$i < 10007} {incr i 3} {r MSET w$i [expr {$i % 100}] n$i "name $i"}
    foreach how {{l} {l DESC LIMIT 100 12000} {l BY w* GET n* GET #} {t BY nosort} {l LIMIT 20000 1}} {
        r SET d before
        set n [r SORT {*}$how STORE d]
        r MULTI
        r SORT {*}$how STORE one
        assert_equal $n [lindex [r EXEC] 0]
        assert_equal [r LRANGE one 0 -1] [r LRANGE d 0 -1]
        assert_equal -1 [expr {$n == 0 ? -1 - [r EXISTS d] : [r TTL d]}]
    }
    r SET d before
    r SET n0 [string repeat x [expr {1 << 22}]]
    assert_error "ERR element exceeds*" {r SORT l GET n* STORE d}
    assert_equal before [r GET d]
    assert_equal $many [r SORT l STORE l ALPHA]
    assert_equal [lsort [r LRANGE l 0 -1]] [r LRANGE l 0 -1]
    sound
}

test -tags {cove} "What is sorted in steps is of one moment" {
    fill_list l 40000
    # Its list changes all the time.
    set all [beside {SORT l ALPHA} {r RPUSH l x$i}]
    set last [lindex $all end]
    assert {[llength $all] >= 40000}
    for {set k 0} {$k < [llength $all] - 40000} {incr k} {assert {"x$k" in [lrange $all 39000 end]}}
    # Two keys that are read are always the same.
    r DEL l
    fill_list l 40000
    r MSET w1 0 w10006 0
    assert_equal 80000 [beside {SORT l BY nosort GET # GET w* STORE d} {r MSET w1 $i w10006 $i}]
    set seen {}
    foreach {element w} [r LRANGE d 0 -1] {if {$element in {1 10006}} {lappend seen $w}}
    assert_equal 8 [llength $seen]
    assert_equal 1 [llength [lsort -unique $seen]]
    sound
}

test -tags {cove} "A client that goes while a worker sorts for it leaves nothing behind" {
    fill_list l 40000
    for {set i 0} {$i < 10} {incr i} {
        set c [begun SORT l ALPHA STORE d]
        after $i
        $c -close
    }
    wait_for_condition 100 50 {[blocked] == 0}
    r DEL d
    assert_equal 40000 [r SORT l STORE d]
    assert_equal [lsort -integer [r LRANGE l 0 -1]] [r LRANGE d 0 -1]
    sound
}

test -tags {cove} "RESTORE of many elements takes steps, and believes nothing" {
    fill_set s $many
    fill_zset z $many
    for {set i 0} {$i < $many} {incr i 1000} {
        set pairs {}
        for {set k $i} {$k < $i + 1000} {incr k} {lappend pairs f$k [expr {$k % 3 ? $k : "value $k"}]}
        r HSET h {*}$pairs
    }
    foreach key {s z h} {
        set dump [r DUMP $key]
        assert_equal OK [r RESTORE d 0 $dump REPLACE]
        assert_equal [r DEBUG DIGEST-VALUE $key] [r DEBUG DIGEST-VALUE d]
        assert_equal [r OBJECT ENCODING $key] [r OBJECT ENCODING d]
        assert_equal $dump [redumped $dump {} {}]
        assert_error "BUSYKEY *" {r RESTORE d 0 $dump}
        assert_equal OK [r RESTORE d 100000 $dump REPLACE]
        assert_range [r PTTL d] 1 100000
        assert_equal OK [r RESTORE d 1 $dump REPLACE ABSTTL]
        assert_equal 0 [r EXISTS d]
        r SET d before
        assert_error "ERR DUMP payload version or checksum are wrong" {r RESTORE d 0 [string replace $dump 100 100 x] REPLACE}
        # An element twice; one that goes past the end; one more than there are.
        set prefix [expr {$key eq "h" ? "f" : "m"}]
        assert_error "ERR Bad data format" {r RESTORE d 0 [redumped $dump ${prefix}14999 ${prefix}14998] REPLACE}
        assert_error "ERR Bad data format" {r RESTORE d 0 [redumped $dump \x06${prefix}14999 \x86${prefix}14999] REPLACE}
        set more [string index $dump 0][binary format S [expr {0x4000 | 15001}]][string range $dump 3 end]
        assert_error "ERR Bad data format" {r RESTORE d 0 [redumped $more {} {}] REPLACE}
        assert_equal before [r GET d]
    }
    sound
}

test -tags {cove} "While it takes its steps others go on, and what it reads is of one moment" {
    fill_set a 40000
    r SET d before
    set seen {}
    set n [beside {SUNIONSTORE d a} {
        lappend seen [r TYPE d] [r DBSIZE]
        if {$i % 20 == 3} {r SADD a new$i}
    }]
    assert {$::server::cold || $i > 0} ;# There, everything waits for everything.
    # Nothing of it was to be seen before its end.
    assert {[lsort -unique $seen] in {{} {2 string} {2 set string}}}
    # Of what was added meanwhile it has the first ones, and none behind one that it has not.
    set gone 0
    for {set k 3} {$k < $i} {incr k 20} {
        if {![r SISMEMBER d new$k]} {set gone 1} elseif {$gone} {error "new$k is there, one before it is not"}
    }
    assert_equal $n [r SCARD d]
    sound
}

test -tags {cove} "A source that never stands still does not hold it up for ever" {
    fill_zset a 30000
    set n [beside {ZUNIONSTORE d 1 a} {r ZADD a $i changing}]
    assert {$n in {30000 30001}}
    assert_equal $n [r ZCARD d]
    set before [r ZCARD a]
    assert_equal 20001 [beside {ZREMRANGEBYRANK a 0 20000} {r ZADD a -1 x$i}]
    assert_equal [expr {$before + $i - 20001}] [r ZCARD a]
    sound
}

test -tags {cove} "A client that is killed leaves nothing behind" {
    fill_set a 40000
    r SET d before
    set digest [r DEBUG DIGEST]
    set c [connect]
    set id [$c CLIENT ID]
    $c -send SUNIONSTORE d a
    for {set i 0} {$i < 200 && [blocked] == 0} {incr i} {}
    assert_equal 1 [r CLIENT KILL ID $id]
    $c -close
    if {[r TYPE d] eq "set"} {r SET d before}
    wait_for_condition 100 50 {[r DEBUG DIGEST] eq $digest}
    assert_equal before [r GET d]
    # Another's transaction goes first, and is not seen through.
    set c [begun SUNIONSTORE d a]
    r MULTI
    r SADD a last
    r SREM a m1
    r EXEC
    assert_equal 40000 [ended $c]
    assert {[list [r SISMEMBER d last] [r SISMEMBER d m1]] in {{1 0} {0 1}}} ;# The second: it was quicker.
    sound
}

test -tags {cove} "After a crash in the middle of it nothing of it is there" {
    fill_set a 40000
    r SAVE
    set digest [r DEBUG DIGEST]
    set c [begun SUNIONSTORE d a]
    restart_server -9
    catch {$c -close}
    if {[r EXISTS d]} {r DEL d} ;# It was quicker.
    wait_for_condition 100 50 {[r DEBUG DIGEST] eq $digest}
    sound
}

test -tags {cove} "CLIENT PAUSE holds its steps up" {
    fill_set a 40000
    set c [begun SUNIONSTORE d a]
    r CLIENT PAUSE 60000 WRITE
    after 300
    assert {[r EXISTS d] != [blocked]}
    assert {$::server::cold || [blocked]}
    r CLIENT UNPAUSE
    assert_equal 40000 [ended $c]
    sound
}

test -tags {cove} "Elements that are far away are found, and removed, in steps as in one turn" {
    r CLIENT ACK memory
    for {set i 0} {$i < 70} {incr i} {
        set elements {}
        for {set k 0} {$k < 1000} {incr k} {lappend elements [expr {$i < 50 ? $k % 2 : $i * 1000 + $k}]}
        r RPUSH l {*}$elements
    }
    r EXPIRE l 1000
    foreach command {{LPOS l 69999} {LPOS l 69000 RANK -40000} {LPOS l none} {LPOS l 1 RANK 20000 COUNT 3}
                     {LPOS l 0 RANK -24000 COUNT 0} {LPOS l 69999 MAXLEN 60000} {LPOS l none COUNT 0}} {
        in_one_turn {*}$command
    }
    foreach command {{LINSERT KEY BEFORE 69999 x} {LINSERT KEY AFTER 69990 y} {LINSERT KEY AFTER none y}
                     {LREM KEY 0 none} {LREM KEY 1 69995} {LREM KEY 10000 1} {LREM KEY -10000 0}} {
        r COPY l one REPLACE
        set reply [r {*}[string map {KEY l} $command]]
        r MULTI
        r {*}[string map {KEY one} $command]
        assert_equal [lindex [r EXEC] 0] $reply
        assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE l]
    }
    assert_equal 50001 [r LLEN l]
    assert {[r TTL l] > 900}
    sound
    assert_equal 15000 [beside {LREM l 0 1} {r LPUSH l new$i}]
    assert_equal [expr {35001 + $i}] [r LLEN l]
    assert_error "WRONGTYPE*" {r SET s text; r LREM s 0 x}
}

# What is chosen are so many different members, and what stays are the others.
proc popped {command all} {
    set taken [r {*}$command]
    set n [expr {min([lindex $command 2], [llength $all])}]
    assert_equal $n [llength [lsort -unique $taken]]
    assert_equal [expr {[llength $all] - $n}] [r SCARD t]
    assert_equal $all [lsort [concat $taken [r SMEMBERS t]]]
    assert {[r TTL t] > 900 || ![r EXISTS t]}
}

test -tags {cove} "Very many members of a set are answered, chosen and popped in steps" {
    fill_set a 20000
    set all {}
    for {set i 0} {$i < 20000} {incr i} {lappend all m$i}
    set all [lsort $all]
    assert_equal $all [lsort [r SMEMBERS a]]
    assert_equal $all [lsort [r SRANDMEMBER a 30000]]
    set some [r SRANDMEMBER a 15000]
    assert_equal 15000 [llength [lsort -unique $some]]
    foreach m [lrange $some 0 100] {assert_equal 1 [r SISMEMBER a $m]}
    r EXPIRE a 1000
    foreach n {2000 9000 15000 19999 20000 30000} {
        r COPY a t REPLACE
        popped "SPOP t $n" $all
        sound
    }
    # By chance, and each time another one.
    r COPY a t REPLACE
    assert {[lsort [r SPOP t 2000]] ne [lrange $all 0 1999]}
    r COPY a u
    assert {[lsort [r SPOP t 2000]] ne [lsort [r SPOP u 2000]]}
    r DEBUG RELOAD
    assert_equal 16000 [r SCARD t]
}

test -tags {cove} "What is popped in steps is popped once" {
    fill_set a 20000
    set taken [beside {SPOP a 5000} {lappend others [r SPOP a]; r SADD a new$i}]
    if {![info exists others]} {set others {}}
    set left [r SMEMBERS a]
    set all [lsort -unique [concat $taken $others $left]]
    assert_equal [expr {20000 + $i}] [llength $all]
    assert_equal [expr {20000 - 5000}] [llength $left]
    sound
}

# ---- streams ----------------------------------------------------------------------------------------

proc fill_stream {key n {from 0}} {
    r CLIENT ACK memory
    for {set i 1} {$i <= $n} {incr i 500} {
        for {set k $i} {$k < min($n + 1, $i + 500)} {incr k} {r -send XADD $key [expr {$from + $k}]-1 f v$k}
        for {set k $i} {$k < min($n + 1, $i + 500)} {incr k} {r -read}
    }
}
proc ids {from to} {
    for {set i $from} {$i <= $to} {incr i} {lappend ids $i-1}
    return $ids
}
# In RESP3 the keys of a reply stand beside their entries.
proc delivered {reply} {return [llength [expr {[llength $reply] == 2 ? [lindex $reply 1] : [lindex $reply 0 1]}]]}
# All of a group but its times.
proc group_state {key} {
    set rows {}
    foreach row [r XPENDING $key g - + 100000] {lappend rows [lreplace $row 2 2]}
    set consumers {}
    foreach c [r XINFO CONSUMERS $key g] {lappend consumers [lrange $c 0 3]}
    return [list [r XLEN $key] [r XPENDING $key g] $rows [r XINFO GROUPS $key] $consumers]
}
# On `s` in steps, and on its copy in one turn.
proc same_on_copy {args} {
    r COPY s one REPLACE
    set reply [r {*}[string map {KEY s} $args]]
    r MULTI
    r {*}[string map {KEY one} $args]
    set other [lindex [r EXEC] 0]
    assert_equal [string map {one s} $other] $reply
    assert_equal [group_state one] [group_state s]
    return $reply
}

test -tags {cove} "Very many entries are delivered, claimed, acknowledged and deleted in steps as in one turn" {
    fill_stream s 6000
    r EXPIRE s 1000
    r XGROUP CREATE s g 0
    assert_equal 6000 [delivered [same_on_copy XREADGROUP GROUP g c STREAMS KEY >]]
    assert_equal 6000 [delivered [same_on_copy XREADGROUP GROUP g c STREAMS KEY 0]]
    assert_equal 2500 [delivered [same_on_copy XREADGROUP GROUP g c COUNT 2500 STREAMS KEY 1000-1]]
    r XDEL s {*}[ids 100 150]
    set reply [same_on_copy XAUTOCLAIM KEY g d 0 50-0 COUNT 3000]
    assert_equal {3050-1 2949 51} [list [lindex $reply 0] [llength [lindex $reply 1]] [llength [lindex $reply 2]]]
    assert_equal 0-0 [lindex [same_on_copy XAUTOCLAIM KEY g e 0 5000 COUNT 100000 JUSTID] 0]
    assert_equal {0-0 {} {}} [same_on_copy XAUTOCLAIM KEY g e 10000000 0 COUNT 100000]
    r COPY s before
    r COPY s t
    r XDEL t {*}[ids 160 170]
    foreach how [expr {$::server::cold ? "FORCE" : {{} JUSTID FORCE {RETRYCOUNT 7} {IDLE 10}}}] {
        r COPY t s REPLACE
        same_on_copy XCLAIM KEY g f 0 3000-1 {*}[ids 10 800] 3000-1 {*}[ids 20 30] 7000-1 {*}$how
    }
    assert_equal {} [same_on_copy XCLAIM KEY g f 10000000 {*}[ids 10 800]]
    foreach how {KEEPREF DELREF ACKED} {
        r COPY t s REPLACE
        set some [concat 2000-1 [ids 120 600] 2000-1 [ids 300 350] 9999-1]
        same_on_copy XDELEX KEY $how IDS [llength $some] {*}$some
        same_on_copy XACKDEL KEY g $how IDS [llength $some] {*}$some
    }
    r COPY before s REPLACE
    assert_equal 5949 [llength [r XPENDING s g - + 100000]]
    assert_equal 2949 [llength [r XPENDING s g - + 100000 d]]
    assert_equal {} [r XPENDING s g IDLE 10000000 - + 100000]
    assert_equal 3949 [same_on_copy XACK KEY g {*}[ids 1 4000] 1-1 9999-9]
    assert_equal 4949 [same_on_copy XDEL KEY {*}[ids 1 5000] 7000-0 1-1]
    assert_equal 0 [same_on_copy XDEL KEY {*}[ids 1 5000]]
    assert {[r TTL s] > 900}
    r XGROUP CREATE s h 0
    assert_equal 1000 [delivered [r XREADGROUP GROUP h c NOACK STREAMS s >]]
    assert_equal 0 [lindex [r XPENDING s h] 0]
    sound
    r DEBUG RELOAD
    assert_equal 2000 [lindex [r XPENDING s g] 0]
}

test -tags {cove} "What is delivered in steps is delivered once, while entries are added" {
    fill_stream s 20000
    r XGROUP CREATE s g 0
    set first [beside {XREADGROUP GROUP g c STREAMS s >} {
        if {$i % 3 == 0} {r XADD s [expr {30000 + $i}]-1 f v}
        if {$i % 3 == 1} {r XREADGROUP GROUP g d COUNT 5 STREAMS s >}
    }]
    set rest [r XREADGROUP GROUP g c STREAMS s >]
    assert_equal [r XLEN s] [lindex [r XPENDING s g] 0]
    set n [expr {[delivered $first] + [delivered $rest]}]
    assert_equal $n [llength [r XPENDING s g - + 100000 c]]
    sound
}

test -tags {cove} "A group that goes meanwhile, and a client that does" {
    fill_stream s 20000
    r XGROUP CREATE s g 0
    set c [begun XREADGROUP GROUP g c BLOCK 0 STREAMS s >]
    r XGROUP DESTROY s g
    set failed [catch {ended $c} message]
    assert {$failed ? [string match NOGROUP* $message] : [delivered $message] == 20000}
    r XGROUP CREATE s g 0
    set c [begun XREADGROUP GROUP g c BLOCK 0 STREAMS s >]
    $c -close
    wait_for_condition 100 50 {[blocked] == 0}
    assert {[lindex [r XPENDING s g] 0] in {0 20000}}
    set n [lindex [r XPENDING s g] 0]
    # It begins again, and waits as if nothing had been.
    set c [begun XREADGROUP GROUP g c BLOCK 0 STREAMS s >]
    r XGROUP SETID s g $
    r XADD s * f last
    assert {[delivered [ended $c]] in {1 20000 20001}}
    sound
}

test -tags {cove} "Long strings are set, and appended to others, in steps as in one turn" {
    for {set i 0} {$i < 110000} {incr i} {append text "word $i, "}
    set text [string range $text 0 1100000]
    r RPUSH s a list
    assert_equal OK [r SET s $text]
    assert_equal $text [r GET s]
    assert_equal -1 [r TTL s]
    assert_equal OK [r SET s $text EX 1000]
    assert_range [r TTL s] 990 1000
    assert_equal [string length $text$text] [r APPEND s $text]
    assert_equal $text$text [r GET s]
    assert_range [r TTL s] 990 1000
    assert_equal OK [r SET s $text]
    assert_equal -1 [r TTL s]
    assert_equal [string length $text] [r APPEND new $text]
    assert_equal OK [r SETEX e 1000 $text]
    assert_range [r TTL e] 990 1000
    assert_equal OK [r SET e $text PXAT 1]
    assert_equal 0 [r EXISTS e]
    assert_error "WRONGTYPE*" {r RPUSH l x; r APPEND l $text}
    r MULTI
    r SET one $text
    r APPEND one $text
    r EXEC
    r SET s $text
    r APPEND s $text
    assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE s]
    # What others append meanwhile comes before, or behind, all of it.
    r SET s ""
    assert {[beside [list APPEND s $text] {r APPEND s .}] >= [string length $text]}
    assert_equal [expr {[string length $text] + $i}] [r STRLEN s]
    assert_equal $text [string trim [r GET s] .]
    sound
    r DEBUG RELOAD
    assert_equal $text [string trim [r GET s] .]
}

# A command of very many arguments does to `d` in steps what it does to `one`, the same before, in one turn.
proc same_arguments {args} {
    set reply [r {*}[string map {KEY d} $args]]
    r MULTI
    r {*}[string map {KEY one} $args]
    assert_equal [lindex [r EXEC] 0] $reply
    assert_equal [r EXISTS one] [r EXISTS d]
    if {[r EXISTS d]} {
        assert_equal [r DEBUG DIGEST-VALUE one] [r DEBUG DIGEST-VALUE d]
        assert_equal [r OBJECT ENCODING one] [r OBJECT ENCODING d]
        assert_equal [expr {[r TTL one] > 0}] [expr {[r TTL d] > 0}]
    }
    return $reply
}

test -tags {cove} "Very many arguments are added, and removed, in steps as in one turn" {
    foreach list {some twice pairs others scored} {set $list {}}
    for {set i 0} {$i < 5000} {incr i} {
        lappend some m$i
        lappend twice m[expr {$i / 2 + 3000}]
        lappend pairs m$i $i
        lappend others m[expr {$i / 3 + 4000}] x$i
        lappend scored [expr {$i % 100}] m[expr {$i / 2}]
    }
    # A command, and which arguments.
    foreach commands {
        {{SADD some} {SADD twice} {SADD twice} {SREM twice} {SREM twice} {SREM some}}
        {{RPUSH some} {LPUSH some} {RPUSHX twice}}
        {{HSET pairs} {HSET pairs} {HMSET others} {HDEL twice} {HDEL twice} {HDEL some}}
        {{ZADD scored} {ZADD NX scored} {ZADD GT CH scored} {ZADD XX LT CH scored} {ZREM twice} {ZREM twice} {ZREM some}}
    } {
        r DEL d one
        foreach command $commands {
            same_arguments [lindex $command 0] KEY {*}[lrange $command 1 end-1] {*}[set [lindex $command end]]
            r EXPIRE d 1000
            r EXPIRE one 1000
        }
        sound
    }
    r DEL d one
    assert_equal 0 [same_arguments ZADD KEY XX {*}$scored]
    assert_error "ERR value is not a valid float" {r ZADD d {*}$scored 1 a x b}
    assert_equal 0 [r EXISTS d]
    r SET s text
    foreach {command arguments} {SADD some RPUSH some HSET pairs ZADD scored ZREM some} {
        assert_error "WRONGTYPE*" {r $command s {*}[set $arguments]}
    }
    # What others do meanwhile is not lost, and seen before or behind all of it.
    assert_equal 5000 [beside [list SADD s2 {*}$some] {lappend seen [r SCARD s2]; r SADD s2 new$i}]
    assert_equal [expr {5000 + $i}] [r SCARD s2]
    sound
}
