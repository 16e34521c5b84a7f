# acl.tcl -- users, their passwords and permissions, and where they are kept.

# A connection that is this user.
proc login {name password} {
    set c [connect]
    assert_equal OK [$c AUTH $name $password]
    return $c
}

# Files of a test, in a folder of its own; the folder.
proc folder {args} {
    set dir [srv dir]/acl[incr ::folders]
    file mkdir $dir/data
    foreach {name text} $args {
        set f [open $dir/$name w]
        puts $f $text
        close $f
    }
    return $dir
}

proc read_file {path} {
    set f [open $path]
    set text [read $f]
    close $f
    return $text
}

# Runs code against a server started with these words; their port is in `port`. It may want a password,
# so nobody says HELLO there: connections are of RESP2.
proc with_server {dir words code} {
    set port [server::free_port]
    set pid [exec $::server::path {*}$words {*}[server::options $dir/data $port] >& $dir/output </dev/null &]
    upvar 1 port their_port
    set their_port $port
    set failure [catch {
        wait_for_condition 300 10 {![catch {[redis connect 127.0.0.1 $port 2] -close}]}
        uplevel 1 $code
    } message options]
    exec kill -KILL $pid
    if {$failure} {return -options $options $message}
}

proc refused_start {words} {
    set dir [folder]
    set status [catch {
        exec timeout 30 $::server::path {*}$words {*}[server::options $dir/data [server::free_port]] </dev/null 2>@1
    } output options]
    assert_equal 1 $status
    assert_equal 1 [lindex [dict get $options -errorcode] 2]
    return $output
}

test "There is one user at first, who may do everything" {
    assert_equal default [r ACL WHOAMI]
    assert_equal default [r ACL USERS]
    assert_equal {{user default on nopass ~* &* +@all}} [r ACL LIST]
    assert_equal {flags {on nopass} passwords {} commands +@all keys ~* channels &* selectors {}} \
        [r ACL GETUSER default]
    assert_nil [r ACL GETUSER nobody]
}

test "A user may do what the rules allow, and is told what it may not" {
    assert_equal OK [r ACL SETUSER bob on >pw ~b:* %R~shared +@string -getdel +config|get +multi +exec]
    set c [login bob pw]
    assert_equal OK [$c SET b:name bob]
    assert_equal bob [$c GET b:name]
    set command "NOPERM this user has no permissions to run the '%s' command"
    set key "NOPERM this user has no permissions to access one of the keys used as arguments"
    assert_error [format $command getdel] {$c GETDEL b:name}
    assert_error [format $command lpush] {$c LPUSH b:l x}
    assert_error [format $command acl|whoami] {$c ACL WHOAMI}
    assert_error [format $command config|set] {$c CONFIG SET hz 10}
    assert_error [format $command ping] {$c PING}
    assert_equal {hz 10} [$c CONFIG GET hz]
    assert_error $key {$c GET a}
    assert_error $key {$c MGET b:name a}
    assert_error $key {$c SET shared x}
    assert_equal {} [$c GET shared]
    assert_error $key {$c MSET b:1 x shared y}
    assert_error "ERR wrong number of arguments for 'get' command" {$c GET}
    assert_error "ERR unknown command 'NOSUCH'*" {$c NOSUCH}
    assert_equal 0 [r EXISTS b:1]
    $c -close
}

test "Changed rules hold at once, also for who is connected" {
    r SET b:name bob
    set c [login bob pw]
    assert_equal bob [$c GET b:name]
    r ACL SETUSER bob -get
    assert_error "NOPERM*'get' command" {$c GET b:name}
    r ACL SETUSER bob +get resetkeys
    assert_error "NOPERM*keys*" {$c GET b:name}
    r ACL SETUSER bob ~b:*
    assert_equal bob [$c GET b:name]
    $c -close
}

test "In MULTI: refused when it is queued, and again when EXEC comes to it" {
    set c [login bob pw]
    $c MULTI
    assert_error "NOPERM*keys*" {$c SET a x}
    assert_equal QUEUED [$c SET b:a x]
    assert_error "EXECABORT Transaction discarded because of previous errors." {$c EXEC}
    assert_equal 0 [r EXISTS b:a]
    $c MULTI
    $c SET b:1 x
    $c APPEND b:1 y
    $c GET b:2
    r ACL SETUSER bob -append resetkeys ~b:1
    set changed "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to"
    set got [$c -typed EXEC]
    assert_equal {status OK} [lindex $got 1 0]
    assert_equal "error {$changed execute the command or subcommand}" [lindex $got 1 1]
    assert_equal "error {$changed touch the specified keys}" [lindex $got 1 2]
    assert_equal x [r GET b:1]
    r ACL SETUSER bob +append ~b:*
    $c -close
}

test "AUTH and HELLO: the name counts, the password, and whether the user is on" {
    set c [connect]
    foreach {name password} {bob wrong bob "" nobody pw BOB pw} {
        assert_error "WRONGPASS invalid username-password pair or user is disabled." {$c AUTH $name $password}
        assert_error "WRONGPASS*" {$c HELLO [resp] AUTH $name $password}
    }
    assert_equal default [$c ACL WHOAMI]
    $c HELLO [resp] AUTH bob pw SETNAME bobs
    assert_error "NOPERM*" {$c ACL WHOAMI}
    assert_match "*name=bobs *user=bob *" [r CLIENT LIST]
    r ACL SETUSER bob off
    assert_error "WRONGPASS*" {$c AUTH bob pw}
    r ACL SETUSER bob on nopass
    assert_equal OK [$c AUTH bob anything]
    r ACL SETUSER bob resetpass >pw
    assert_equal RESET [$c RESET]
    assert_equal default [$c ACL WHOAMI]
    $c -close
}

test "CLIENT KILL USER, and ACL DELUSER closes who it was" {
    set c [login bob pw]
    assert_error "ERR No such user 'nobody'" {r CLIENT KILL USER nobody}
    assert_equal 1 [r CLIENT KILL USER bob]
    assert_error * {$c GET b:1}
    catch {$c -close}
    r ACL SETUSER eve on nopass +@all
    set e [login eve x]
    set self [login eve x]
    assert_error "ERR The 'default' user cannot be removed" {r ACL DELUSER eve default}
    assert_equal {bob default eve} [r ACL USERS]
    assert_equal 1 [$self ACL DELUSER eve nobody]
    assert_error * {$self PING}
    assert_error * {$e PING}
    catch {$e -close}
    catch {$self -close}
    assert_equal PONG [r PING]
    assert_equal {bob default} [r ACL USERS]
}

test "ACL SETUSER: all rules or none" {
    set before [r ACL LIST]
    assert_error "ERR Error in ACL SETUSER modifier 'zap': Syntax error" {r ACL SETUSER bob off zap}
    assert_error "ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL" \
        {r ACL SETUSER eve on +nosuch}
    assert_error "ERR Unmatched parenthesis in acl selector starting at '(+get'." {r ACL SETUSER bob off (+get ~a}
    assert_error "ERR Usernames can't contain spaces or null characters" {r ACL SETUSER "a b"}
    assert_equal $before [r ACL LIST]
}

test "ACL DRYRUN: existence and type of a key need any right to it" {
    r ACL SETUSER dry +@all %R~read* %W~write*
    foreach command {EXISTS TOUCH TYPE STRLEN HLEN LLEN SCARD {MEMORY USAGE}} {
        foreach key {read write} {assert_equal OK [r ACL DRYRUN dry {*}$command $key]}
        assert_equal "This user has no permissions to access the 'no' key" [r ACL DRYRUN dry {*}$command no]
    }
    foreach command {HEXISTS HSTRLEN SISMEMBER} {
        foreach key {read write} {assert_equal OK [r ACL DRYRUN dry $command $key x]}
    }
    assert_equal "This user has no permissions to access the 'write' key" [r ACL DRYRUN dry SINTERCARD 2 read write]
    assert_equal "This user has no permissions to access the 'read' key" [r ACL DRYRUN dry LPUSH read x]
    assert_equal "This user has no permissions to access the 'write1' key" [r ACL DRYRUN dry RENAME write1 write2]
    assert_equal OK [r ACL DRYRUN dry BITFIELD read GET u4 0]
    assert_equal "This user has no permissions to access the 'read' key" [r ACL DRYRUN dry BITFIELD read SET u4 0 1]
    r ACL SETUSER dry -@all
    assert_equal "This user has no permissions to run the 'get' command" [r ACL DRYRUN dry GET read]
    assert_error "ERR User 'nobody' not found" {r ACL DRYRUN nobody GET x}
    assert_error "ERR Command 'nosuch' not found" {r ACL DRYRUN dry nosuch}
    assert_error "ERR wrong number of arguments for 'get' command" {r ACL DRYRUN dry GET}
    r ACL DELUSER dry
}

test -tags {cove} "ACL DRYRUN: keys of modules' commands" {
    r ACL SETUSER dry +@all %R~read* %W~write*
    assert_equal OK [r ACL DRYRUN dry VDIM read]
    assert_equal "This user has no permissions to access the 'other' key" [r ACL DRYRUN dry VADD other VALUES 1 1 e]
    assert_equal "This user has no permissions to access the 'read' key" [r ACL DRYRUN dry FS.WRITE read /f 0 x]
    assert_equal "This user has no permissions to access the 'write' key" [r ACL DRYRUN dry FS.READ write /f]
    r ACL DELUSER dry
}

test "ACL LOG: what was refused, where, and how often" {
    r ACL LOG RESET
    r ACL SETUSER bob +discard
    set c [login bob pw]
    for {set i 0} {$i < 3} {incr i} {catch {$c GET secret}}
    catch {$c CONFIG SET hz 10}
    catch {$c AUTH bob no}
    $c MULTI
    catch {$c LPUSH b:l x}
    set log [r ACL LOG]
    assert_equal 4 [llength $log]
    set told {}
    foreach e $log {lappend told [list [dict get $e count] [dict get $e reason] [dict get $e context] [dict get $e object] [dict get $e username]]}
    assert_equal {1 command multi lpush bob} [lindex $told 0]
    assert_equal {1 command toplevel config|set bob} [lindex $told 2]
    assert_equal {3 key toplevel secret bob} [lindex $told 3]
    assert_equal {1 auth toplevel AUTH bob} [lindex $told 1]
    assert_match "id=* user=bob *" [dict get [lindex $log 0] client-info]
    assert {[dict get [lindex $log 3] age-seconds] >= 0}
    assert_equal 2 [llength [r ACL LOG 2]]
    r CONFIG SET acllog-max-len 1
    $c DISCARD
    catch {$c GET secret2}
    assert_equal 1 [llength [r ACL LOG]]
    r CONFIG SET acllog-max-len 128
    assert_equal OK [r ACL LOG RESET]
    assert_equal {} [r ACL LOG]
    if {!$::server::redis} {assert {[info_field acl_access_denied_key] >= 4}}
    $c -close
}

test "ACL CAT and GENPASS" {
    assert {"dangerous" in [r ACL CAT]}
    assert {"get" in [r ACL CAT string]}
    assert {"config|set" in [r ACL CAT DANGEROUS]}
    assert {"get" ni [r ACL CAT keyspace]}
    assert_error "ERR Unknown category 'nosuch'" {r ACL CAT nosuch}
    assert_equal 64 [string length [r ACL GENPASS]]
    assert_match {[0-9a-f][0-9a-f]} [r ACL GENPASS 5]
    assert_not_equal [r ACL GENPASS 4096] [r ACL GENPASS 4096]
    foreach bits {0 -1 4097} {assert_error "ERR ACL GENPASS argument must be the number of bits*" {r ACL GENPASS $bits}}
}

test "A password of a user stays out of the slow log" {
    r CONFIG SET slowlog-log-slower-than 0
    r ACL SETUSER hidden >topsecret
    assert_no_match "*topsecret*" [r SLOWLOG GET]
    assert_match "*ACL SETUSER*redacted*" [r SLOWLOG GET]
    r CONFIG SET slowlog-log-slower-than 10000
    r ACL DELUSER hidden
}

test "requirepass is the password of the default user" {
    start_server {} {
        set c [connect 2]
        assert_error "ERR AUTH <password> called without any password configured*" {$c AUTH x}
        r CONFIG SET requirepass first
        assert_equal PONG [$c PING] "who was there stays"
        set d [connect 2]
        assert_error "NOAUTH Authentication required." {$d PING}
        assert_error "NOAUTH*" {$d ACL WHOAMI}
        assert_error "WRONGPASS*" {$d AUTH wrong}
        assert_equal OK [$d AUTH first]
        r ACL SETUSER default >second
        assert_equal OK [[connect 2] AUTH second]
        r CONFIG SET requirepass ""
        assert_equal PONG [[connect 2] PING]
        r ACL SETUSER default off
        set e [connect 2]
        assert_error "NOAUTH*" {$e PING}
        r ACL SETUSER default on
        assert_equal PONG [$e PING] "needs no password now"
    }
}

test "Users of the configuration file; CONFIG REWRITE keeps those that are there now" {
    set dir [folder redis.conf "acl-pubsub-default allchannels
user default off
user \"bob\" on >pw ~b:* +@all -flushall (+get ~c:*)
# the end"]
    with_server $dir [list $dir/redis.conf] {
        set c [redis connect 127.0.0.1 $port 2]
        assert_error "NOAUTH*" {$c PING}
        assert_error "WRONGPASS*" {$c AUTH default ""}
        assert_equal OK [$c AUTH bob pw]
        wait_for_condition 300 10 {![catch {$c SET b:1 x}]}
        assert_error "NOPERM*" {$c SET a x}
        assert_error "NOPERM*flushall*" {$c FLUSHALL}
        assert_equal {} [$c GET c:1]
        $c ACL SETUSER ann on >other +get ~*
        $c ACL SETUSER bob -flushdb
        assert_equal OK [$c CONFIG REWRITE]
    }
    set text [read_file $dir/redis.conf]
    foreach line {"acl-pubsub-default allchannels" "# the end" "user ann on #* ~\\* &\\* -@all +get"
                  "user bob on #* ~b:\\* &\\* +@all *-flush*(~c:\\* &\\* -@all +get)" "user default off * -@all"} {
        assert_equal 1 [llength [lsearch -all [split $text \n] $line]] $line
    }
    assert_no_match "*>pw*" $text
    with_server $dir [list $dir/redis.conf] {
        set c [redis connect 127.0.0.1 $port 2]
        assert_error "NOAUTH*" {$c PING}
        assert_equal OK [$c AUTH ann other]
        assert_error "NOPERM*" {$c SET a x}
        assert_equal OK [$c AUTH bob pw]
        assert_error "NOPERM*flushdb*" {$c FLUSHDB}
    }
}

test -tags {cove} "requirepass and users that do not name default: the password holds" {
    set dir [folder redis.conf "requirepass topsecret\nuser bob on nopass +get ~*" users "user bob on nopass +get ~*"]
    foreach words [list $dir/redis.conf [list --requirepass topsecret --aclfile $dir/users]] {
        with_server $dir $words {
            set c [redis connect 127.0.0.1 $port 2]
            assert_error "NOAUTH*" {$c GET x}
            assert_equal OK [$c AUTH bob any]
            assert_error "NOPERM*" {$c SET x y}
            assert_equal OK [$c AUTH topsecret]
            wait_for_condition 300 10 {![catch {$c SET x y}]}
        }
    }
}

test "An ACL file: read at start, saved, loaded again; a bad one changes nothing" {
    set dir [folder users.acl "user alice on allcommands allkeys &* >alice\n\nuser bob on -@all +@set +acl ~set* >bob"]
    with_server $dir [list --aclfile $dir/users.acl] {
        set c [redis connect 127.0.0.1 $port 2]
        set d [redis connect 127.0.0.1 $port 2]
        assert_equal {alice bob default} [$c ACL USERS]
        assert_equal OK [$d AUTH bob bob]
        wait_for_condition 300 10 {![catch {$d SADD set x}]}
        assert_error "NOPERM*" {$d SADD other x}
        $c ACL SETUSER eve on >eve +get ~*
        assert_equal OK [$c ACL SAVE]
        $c ACL SETUSER mallory on nopass +@all
        set before [$c ACL LIST]
        # Who is a user of the file is closed; the default user goes on.
        assert_equal OK [$c ACL LOAD]
        assert_error * {$d PING}
        assert_equal {alice bob default eve} [$c ACL USERS]
        set f [open $dir/users.acl a]
        puts $f "user alice on nopass\nuser zoe +nosuch"
        close $f
        assert_error "ERR *Duplicate user 'alice' found on line 5*Unknown command or category name in ACL*no change*" \
            {$c ACL LOAD}
        assert_equal {alice bob default eve} [$c ACL USERS]
    }
    assert_match "*line 5*" [refused_start [list --aclfile $dir/users.acl]]
    assert_match "*opening file*" [refused_start [list --aclfile $dir/nosuch]]
    assert_error "ERR This Redis instance is not configured to use an ACL file.*" {r ACL LOAD}
    assert_error "ERR This Redis instance is not configured to use an ACL file.*" {r ACL SAVE}
}

foreach {lines complaint} {
    {"user bob on +nosuch"}       "*at line 1*Error in user declaration '+nosuch': Unknown command or category name in ACL*"
    {"hz 10" "user bob" "user bob on"} "*at line 3*Duplicate user found. A user can only be defined once in config files*"
    {"user \"a b\" on"}           "*at line 1*Usernames can't contain spaces or null characters*"
    {"user bob (+get"}            "*at line 1*Unmatched parenthesis in acl selector*"
    {"user"}                      "*at line 1*Bad directive or wrong number of arguments*"
    {"aclfile users" "user bob"}  "*not both*"
} {
    test -tags {cove} "The server does not start with $lines" {
        set dir [folder redis.conf [join $lines \n]]
        assert_match $complaint [refused_start [list $dir/redis.conf]]
    }
}
