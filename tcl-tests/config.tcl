# config.tcl -- CONFIG, INFO, COMMAND, and how the server is started.

test "CONFIG GET of a name, of several, and of patterns" {
    assert_equal {maxmemory-policy noeviction} [r CONFIG GET maxmemory-policy]
    assert_reply_type array map
    assert_equal {MAXMEMORY-POLICY noeviction} [r CONFIG GET MAXMEMORY-POLICY]
    assert_equal {maxmemory-policy noeviction} [r CONFIG GET MAXMEMORY-POL*]
    assert_equal {} [r CONFIG GET nosuch]
    set two [r CONFIG GET hash-max-listpack-entries hash-max-listpack-value]
    assert_pairs {hash-max-listpack-entries 512 hash-max-listpack-value 64} $two
    set some [r CONFIG GET hash-max-*]
    assert_equal 512 [dict get $some hash-max-listpack-entries]
    # Once each, however many patterns match.
    assert_equal 1 [llength [lsearch -all [r CONFIG GET maxmemory maxmem* maxmemory] maxmemory]]
    assert_error "ERR wrong number of arguments for 'config|get' command" {r CONFIG GET}
}

test "Older names are still known" {
    r CONFIG SET hash-max-ziplist-entries 100
    assert_equal 100 [dict get [r CONFIG GET hash-max-listpack-entries] hash-max-listpack-entries]
    assert_equal {hash-max-ziplist-entries 100} [r CONFIG GET hash-max-ziplist-entries]
    r CONFIG SET hash-max-listpack-entries 512
}

test "Every option of Redis 7.0 is there, with its default" {
    foreach {name value} {
        acllog-max-len 128            active-defrag-cycle-max 25      active-expire-effort 1
        activerehashing yes           aof-load-truncated yes          aof-rewrite-incremental-fsync yes
        aof-use-rdb-preamble yes      appendfilename appendonly.aof   appenddirname appendonlydir
        appendfsync everysec          auto-aof-rewrite-min-size 67108864 auto-aof-rewrite-percentage 100
        busy-reply-threshold 5000     client-query-buffer-limit 1073741824 databases 16
        client-output-buffer-limit "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        daemonize no                  dbfilename dump.rdb             disable-thp yes
        dynamic-hz yes                hash-max-listpack-entries 512   hash-max-listpack-value 64
        hll-sparse-max-bytes 3000     hz 10                           io-threads 1
        latency-monitor-threshold 0   latency-tracking yes            latency-tracking-info-percentiles "50 99 99.9"
        lazyfree-lazy-eviction no     lazyfree-lazy-user-del no       lfu-decay-time 1
        lfu-log-factor 10             list-compress-depth 0           list-max-listpack-size -2
        maxclients 10000              maxmemory 0                     maxmemory-clients 0
        maxmemory-policy noeviction   maxmemory-samples 5             maxmemory-eviction-tenacity 10
        min-replicas-to-write 0       notify-keyspace-events ""       oom-score-adj no
        proc-title-template "{title} {listen-addr} {server-mode}"     proto-max-bulk-len 536870912
        protected-mode yes            rdbchecksum yes                 rdbcompression yes
        repl-backlog-size 1048576     repl-timeout 60                 replica-priority 100
        requirepass ""                sanitize-dump-payload no        set-max-intset-entries 512
        slowlog-log-slower-than 10000 slowlog-max-len 128             stop-writes-on-bgsave-error yes
        stream-node-max-bytes 4096    stream-node-max-entries 100     supervised no
        syslog-enabled no             syslog-facility local0          tcp-backlog 511
        tcp-keepalive 300             timeout 0                       tls-port 0
        tracking-table-max-keys 1000000 zset-max-listpack-entries 128 zset-max-listpack-value 64
        loglevel notice               always-show-logo no             crash-log-enabled yes
        cluster-enabled no            replica-read-only yes           lua-time-limit 5000
        enable-module-command no      shutdown-timeout 10             unixsocketperm 0
    } {
        assert_equal [list $name $value] [r CONFIG GET $name]
    }
    assert {[llength [r CONFIG GET *]] / 2 >= 180}
}

test "CONFIG SET of each kind of option" {
    foreach {name given kept} {
        maxmemory 100mb 104857600  maxmemory 1GB 1073741824  maxmemory 1k 1000  maxmemory 1kb 1024  maxmemory 0 0
        maxmemory-policy allkeys-lru allkeys-lru  maxmemory-policy NOEVICTION noeviction
        lazyfree-lazy-expire yes yes  lazyfree-lazy-expire NO no
        hz 50 50  hz 10 10
        notify-keyspace-events KEA AKE  notify-keyspace-events "" ""
        save "900 1 300 10" "900 1 300 10"  save "" ""
        client-output-buffer-limit "pubsub 64mb 16mb 30"
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 67108864 16777216 30"
        slowlog-log-slower-than -1 -1
        maxmemory-clients 5% 5%  maxmemory-clients 0 0
        appendonly no no  appendfsync always always
    } {
        assert_equal OK [r CONFIG SET $name $given]
        assert_equal [list $name $kept] [r CONFIG GET $name]
    }
}

test "CONFIG SET refuses, with the reason, and changes nothing" {
    foreach {name bad reason} {
        maxmemory abc            "argument must be a memory value"
        maxmemory -1             "argument must be a memory value"
        maxmemory-policy odd     "argument(s) must be one of the following: volatile-lru, *"
        lazyfree-lazy-expire maybe "argument must be 'yes' or 'no'"
        timeout -1               "argument must be between 0 and 2147483647 inclusive"
        timeout abc              "argument couldn't be parsed into an integer"
        maxmemory-samples 0      "argument must be between 1 and *"
        save "a b"               "Invalid save parameters"
        notify-keyspace-events Q! "Invalid event class character. Use 'Ag\$lshzxeKEtmdn'."
        databases 4              "can't set immutable config"
        daemonize yes            "can't set immutable config"
    } {
        set before [r CONFIG GET $name]
        assert_error "ERR CONFIG SET failed (possibly related to argument '$name') - $reason" \
            {r CONFIG SET $name $bad}
        assert_equal $before [r CONFIG GET $name]
    }
    assert_error "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'" {r CONFIG SET nosuch 1}
    assert_error "ERR wrong number of arguments for 'config|set' command" {r CONFIG SET timeout}
    assert_error "ERR syntax error" {r CONFIG SET timeout 1 hz}
}

test "CONFIG SET of several is all or nothing" {
    r CONFIG SET hz 10 timeout 0
    assert_equal OK [r CONFIG SET hz 20 timeout 100]
    assert_pairs {hz 20 timeout 100} [r CONFIG GET hz timeout]
    assert_error "ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - *" \
        {r CONFIG SET hz 30 maxmemory-policy odd}
    assert_error "ERR Unknown option*" {r CONFIG SET hz 30 nosuch 1}
    assert_error "ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter" \
        {r CONFIG SET hz 30 hz 40}
    assert_equal {hz 20} [r CONFIG GET hz]
    r CONFIG SET hz 10 timeout 0
}

test "CONFIG RESETSTAT sets counters back" {
    r GET none
    assert {[info_field keyspace_misses] > 0}
    assert_equal OK [r CONFIG RESETSTAT]
    assert_equal 0 [info_field keyspace_misses]
    assert_equal 0 [info_field expired_keys]
}

test "CONFIG REWRITE without a file says so" {
    assert_error "ERR The server is running without a config file" {r CONFIG REWRITE}
}

test "INFO has the sections and lines that clients parse" {
    set all [r INFO]
    foreach section {Server Clients Memory Persistence Stats Replication CPU Errorstats Cluster Keyspace} {
        assert_match "*# $section\r\n*" "\r\n$all"
    }
    foreach field {
        redis_version redis_git_sha1 redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds hz
        executable config_file connected_clients maxclients blocked_clients used_memory used_memory_human
        used_memory_rss used_memory_peak maxmemory maxmemory_policy mem_fragmentation_ratio loading
        rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status aof_enabled
        total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes
        rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses pubsub_channels role
        connected_slaves master_replid master_repl_offset used_cpu_sys used_cpu_user cluster_enabled
    } {
        assert_match "*\n$field:*" $all
    }
    # Without maxmemory clean pages leave before the machine's memory is full.
    assert_equal 0 [info_field maxmemory]
    assert {[info_field cache_limit] > 0 && [info_field cache_limit] < [info_field total_system_memory]}
    assert_equal [srv port] [info_field tcp_port]
    assert_equal [srv pid] [info_field process_id]
    assert_equal master [info_field role]
    assert_equal 40 [string length [info_field run_id]]
    assert {[r -type] in {bulk verbatim}}
}

test "INFO of sections" {
    set server [r INFO server]
    assert_match "# Server\r\n*" $server
    assert_no_match "*# Clients*" $server
    assert_match "# Server\r\n*" [r INFO SERVER]
    set two [r INFO clients cpu]
    assert_match "*# Clients*" $two
    assert_match "*# CPU*" $two
    assert_no_match "*# Server*" $two
    assert_equal "" [r INFO nosuch]
    r GET x
    assert_match "*cmdstat_get:calls=*,usec=*,usec_per_call=*,rejected_calls=*,failed_calls=*" [r INFO commandstats]
    assert_match "*# Commandstats*" [r INFO all]
    assert_match "*# Commandstats*" [r INFO everything]
    assert_match "*db0:*" "[r SET k v][r INFO keyspace]"
}

test "INFO counts hits, misses, commands and errors" {
    r CONFIG RESETSTAT
    r SET k v
    r GET k
    r GET none
    r MGET k none
    assert_equal 2 [info_field keyspace_hits]
    assert_equal 2 [info_field keyspace_misses]
    catch {r INCR}
    catch {r NOSUCH}
    r HSET h f v
    catch {r GET h}
    assert_match "*errorstat_WRONGTYPE:count=1*" [r INFO errorstats]
    assert_match "*errorstat_ERR:count=2*" [r INFO errorstats]
    assert_match "*cmdstat_incr:calls=0,*rejected_calls=1,failed_calls=0*" [r INFO commandstats]
    assert_match "*cmdstat_get:calls=3,*rejected_calls=0,failed_calls=1*" [r INFO commandstats]
    assert_match "*cmdstat_config|resetstat:calls=1,*" [r INFO commandstats]
}

test "COMMAND, COUNT and LIST agree" {
    set all [r COMMAND]
    set count [r COMMAND COUNT]
    assert_equal $count [llength $all]
    assert_sorted_equal [lmap c $all {lindex $c 0}] \
        [lsearch -all -inline -not [r COMMAND LIST] *|*]
    foreach name {get client|list} {assert {$name in [r COMMAND LIST]}}
    assert_sorted_equal {get getdel getex getrange getset getbit} \
        [lsearch -all -inline -not [lsort -unique [concat getbit [r COMMAND LIST FILTERBY PATTERN get*]]] *|*]
    assert {"get" in [r COMMAND LIST FILTERBY ACLCAT string]}
    assert_equal {} [r COMMAND LIST FILTERBY ACLCAT nosuch]
    assert_equal {} [r COMMAND LIST FILTERBY MODULE nosuch]
    assert_error "ERR syntax error" {r COMMAND LIST FILTERBY nosuch x}
}

test "COMMAND INFO: arity, flags, keys, categories" {
    foreach {name arity first last step flags categories} {
        get 2 1 1 1 {readonly fast} {@read @string @fast}
        set -3 1 1 1 {write denyoom} {@write @string @slow}
        mset -3 1 -1 2 {write denyoom} {@write @string @slow}
        del -2 1 -1 1 {write} {@keyspace @write @slow}
        hset -4 1 1 1 {write denyoom fast} {@write @hash @fast}
        ping -1 0 0 0 {fast} {@fast @connection}
        rename 3 1 2 1 {write} {@keyspace @write @slow}
        multi 1 0 0 0 {noscript loading stale fast allow_busy} {@fast @transaction}
    } {
        set c [lindex [r COMMAND INFO $name] 0]
        assert_equal $name [lindex $c 0]
        assert_equal [list $arity $first $last $step] [list [lindex $c 1] {*}[lrange $c 3 5]] $name
        assert_sorted_equal $flags [lindex $c 2]
        assert_sorted_equal $categories [lindex $c 6]
        assert_equal 10 [llength $c]
    }
    assert_equal {array {{nil {}}}} [r -typed COMMAND INFO nosuch]
    assert_equal client|id [lindex [r COMMAND INFO client|id] 0 0]
    assert_equal [expr {[resp] == 2 ? "array" : "set"}] [lindex [r -typed COMMAND INFO get] 1 0 1 2 0]
}

test "COMMAND INFO: key specifications" {
    assert_equal {{flags {RO access} begin_search {type index spec {index 1}} find_keys {type range spec {lastkey 0 keystep 1 limit 0}}}} \
        [lindex [r COMMAND INFO get] 0 8]
    assert_equal {{flags {OW update} begin_search {type index spec {index 1}} find_keys {type range spec {lastkey -1 keystep 2 limit 0}}}} \
        [lindex [r COMMAND INFO mset] 0 8]
}

test "COMMAND DOCS" {
    set docs [r COMMAND DOCS get hset]
    assert_reply_type array map
    assert_sorted_equal {get hset} [dict keys $docs]
    set get [dict get $docs get]
    assert_equal 1.0.0 [dict get $get since]
    assert_equal string [dict get $get group]
    assert {[string length [dict get $get summary]] > 5}
    assert_match {*name key*type key*} [lindex [dict get $get arguments] 0]
    assert_equal {} [r COMMAND DOCS nosuch]
    assert_equal [r COMMAND COUNT] [expr {[llength [r COMMAND DOCS]] / 2}]
}

test "Thresholds in bytes take units" {
    foreach name {hash-max-listpack-value zset-max-listpack-value hash-max-ziplist-value} {
        with_config [list $name 1kb] {assert_equal [list $name 1024] [r CONFIG GET $name]}
        assert_error "ERR CONFIG SET failed*$name*argument must be a memory value" {r CONFIG SET $name -1}
    }
}

test "COMMAND GETKEYS and GETKEYSANDFLAGS" {
    assert_equal k [r COMMAND GETKEYS GET k]
    assert_equal {a b} [r COMMAND GETKEYS MSET a 1 b 2]
    assert_equal {a b} [r COMMAND GETKEYS RENAME a b]
    assert_equal {a b c} [r COMMAND GETKEYS DEL a b c]
    assert_equal h [r COMMAND GETKEYS HSET h f v]
    assert_equal {{k {RO access}}} [r COMMAND GETKEYSANDFLAGS GET k]
    assert_equal {{k {RW access update}}} [r COMMAND GETKEYSANDFLAGS SET k v GET]
    assert_equal {{k {RO access}}} [r COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0]
    assert_equal {{k {RW access update}}} [r COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 SET u8 0 1]
    assert_equal {{k {RW access update}}} [r COMMAND GETKEYSANDFLAGS MOVE k 1]
    assert_error "ERR The command has no key arguments" {r COMMAND GETKEYS PING x}
    assert_error "ERR wrong number of arguments for 'command|getkeys' command" {r COMMAND GETKEYS PING}
    assert_error "ERR wrong number of arguments for 'command|getkeysandflags' command" {r COMMAND GETKEYSANDFLAGS PING}
    assert_error "ERR Invalid command specified" {r COMMAND GETKEYS CLIENT NOSUCH}
    assert_error "ERR Invalid command specified" {r COMMAND GETKEYS NOSUCH k}
    assert_error "ERR Invalid number of arguments specified for command" {r COMMAND GETKEYS GET k x}
}

test -tags {cove} "A configuration that cannot be read ends the start, and says why" {
    set dir [srv dir]/unreadable
    file mkdir $dir
    foreach {words text} [list $dir "*can't read config file '$dir': Is a directory*" \
                              $dir/none "*can't open config file '$dir/none'*" \
                              {--nosuch 1} "*'nosuch'*Bad directive*"] {
        assert [catch {exec timeout 10 $::server::path {*}$words </dev/null 2>@1} out]
        assert_match $text $out
    }
}

test -tags {cove} "A directive whose effect would be missed is warned of" {
    set log [srv dir]/warned
    catch {exec timeout 2 $::server::path --bind 127.0.0.1 --port [server::free_port] --store file:[srv dir]/warned-data \
        --tls-port 7 --cluster-enabled yes >& $log </dev/null}
    set f [open $log]
    set text [read $f]
    close $f
    assert_match "*tls-port is set to 7 and has no effect*" $text
    assert_match "*cluster-enabled is set to yes and has no effect*" $text
    assert_no_match "*replicaof is set*" $text
}

test "A configuration file, with quotes, comments and include; the command line wins" {
    set dir [srv dir]/conf
    file mkdir $dir
    set f [open $dir/more.conf w]
    puts $f "timeout 77\nhz 33"
    close $f
    set f [open $dir/main.conf w]
    puts $f "# a comment\n\nmaxmemory-policy \"allkeys-lru\"\nrequirepass \"\\x73ecret word\"\nHZ 22\ninclude $dir/more.conf"
    puts $f "client-output-buffer-limit pubsub 1mb 1mb 1\nsave 900 1\nsave 300 10"
    close $f
    # The file is the first word of the command line.
    set path $::server::path
    set port [server::free_port]
    file mkdir $dir/data
    set pid [exec $path $dir/main.conf {*}[server::options $dir/data $port] --maxmemory 50mb \
                 >& $dir/output </dev/null &]
    set failure [catch {
        wait_for_condition 300 10 {![catch {set c [redis connect 127.0.0.1 $port 2]}]}
        assert_error "NOAUTH*" {$c PING}
        assert_equal OK [$c AUTH "secret word"]
        assert_equal {timeout 77} [$c CONFIG GET timeout]
        assert_equal {hz 33} [$c CONFIG GET hz]
        assert_equal {maxmemory 52428800} [$c CONFIG GET maxmemory]
        assert_equal {maxmemory-policy allkeys-lru} [$c CONFIG GET maxmemory-policy]
        assert_match {*pubsub 1048576 1048576 1} [lindex [$c CONFIG GET client-output-buffer-limit] 1]
        $c -close
    } message options]
    exec kill -KILL $pid
    if {$failure} {return -options $options $message}
}

# Runs code against a server that has a configuration file of these lines. The file comes first on the
# command line, as Redis has it; conf_path is its name.
proc with_config_file {lines code} {
    set dir [srv dir]/conf[incr ::config_files]
    file mkdir $dir/data
    set f [open $dir/redis.conf w]
    puts $f [join $lines \n]
    close $f
    set port [server::free_port]
    set pid [exec $::server::path $dir/redis.conf {*}[server::options $dir/data $port] >& $dir/output </dev/null &]
    upvar 1 c c conf_path conf_path port conf_port
    set conf_path $dir/redis.conf
    set conf_port $port
    set failure [catch {
        wait_for_condition 300 10 {![catch {set c [redis connect 127.0.0.1 $port [resp]]}]}
        wait_for_condition 300 10 {![catch {$c DBSIZE} answer] || ![string match {LOADING*} $answer]}
        uplevel 1 $code
        $c -close
    } message options]
    exec kill -KILL $pid
    if {$failure} {return -options $options $message}
}

# What a server says that refuses to start with these lines in its configuration file.
proc refused_config {lines} {
    set dir [srv dir]/conf[incr ::config_files]
    file mkdir $dir/data
    set f [open $dir/redis.conf w]
    puts $f [join $lines \n]
    close $f
    set status [catch {
        exec timeout 30 $::server::path $dir/redis.conf {*}[server::options $dir/data [server::free_port]] \
            </dev/null 2>@1
    } output options]
    assert_equal 1 $status
    assert_equal 1 [lindex [dict get $options -errorcode] 2]
    return $output
}

test -tags {cove} "rename-command: the old name is unknown, the new one does it, and what it wrote is there after a kill" {
    start_server {rename-command {SET b840f}} {
        assert_equal OK [r b840f k v]
        assert_equal OK [r B840F k2 v NX]
        assert_error "ERR unknown command 'SET', with args beginning with: 'k' 'w' " {r SET k w}
        assert_error "ERR wrong number of arguments for 'b840f' command" {r b840f k}
        restart_server
        assert_equal {v v} [list [r GET k] [r GET k2]]
        assert_error "ERR unknown command 'SET'*" {r SET k w}
    }
}

test -tags {cove} "rename-command in a file: removed, renamed with its subcommands, in MULTI, COMMAND and INFO" {
    with_config_file {
        {rename-command FLUSHALL ""}
        {RENAME-COMMAND config "b 840f"}
        {rename-command incr plus}
        {rename-command plus more}
        {rename-command get incr}
    } {
        foreach name {FLUSHALL CONFIG plus get} {assert_error "ERR unknown command '$name'*" {$c $name}}
        assert_equal {hz 10} [$c "B 840f" GET hz]
        assert_error "ERR unknown subcommand 'nosuch'. Try B 840F HELP." {$c "b 840f" nosuch}
        assert_error "ERR wrong number of arguments for 'b 840f|get' command" {$c "b 840f" get}
        assert_equal 1 [$c more n]
        assert_equal 1 [$c incr n]
        assert_equal OK [$c MULTI]
        assert_equal QUEUED [$c more n]
        assert_equal 2 [$c EXEC]
        assert_equal OK [$c MULTI]
        assert_error "ERR unknown command 'flushall'*" {$c flushall}
        assert_error "EXECABORT Transaction discarded because of previous errors." {$c EXEC}
        set all [$c COMMAND LIST]
        assert_equal [lsort -unique $all] [lsort $all]
        foreach name {more incr "b 840f" "b 840f|set"} {assert {$name in $all}}
        foreach name {get flushall config config|set plus} {assert {$name ni $all}}
        assert_equal [$c COMMAND COUNT] [llength [$c COMMAND]]
        assert_equal [expr {[r COMMAND COUNT] - 1}] [$c COMMAND COUNT]
        assert_equal more [lindex [$c COMMAND INFO more] 0 0]
        assert_equal {array {{nil {}}}} [$c -typed COMMAND INFO flushall]
        assert_equal k [$c COMMAND GETKEYS more k]
        assert_match {*arguments*} [$c COMMAND DOCS more]
        assert_match "*cmdstat_more:calls=2*" [$c INFO commandstats]
    }
}

test -tags {cove} "rename-command of a module's command, and a password stays out of the slow log" {
    with_config_file {
        {rename-command FS.WRITE fswrite}
        {rename-command config conf}
        {slowlog-log-slower-than 0}
    } {
        assert_error "ERR unknown command 'FS.WRITE'*" {$c FS.WRITE v /f x}
        assert_error "ERR wrong number of arguments for 'fswrite' command" {$c fswrite}
        $c conf SET requirepass verysecret
        assert_match "*conf SET requirepass (redacted)*" [$c SLOWLOG GET]
        assert_no_match "*verysecret*" [$c SLOWLOG GET]
        assert_equal OK [$c conf REWRITE]
        set f [open $conf_path]
        set text [read $f]
        close $f
        assert_match "*rename-command FS.WRITE fswrite\n*" $text
    }
}

foreach {line complaint} {
    "rename-command nosuch x"   "No such command in rename-command"
    "rename-command GET set"    "Target command name already exists"
    "rename-command GET"        "Bad directive or wrong number of arguments"
} {
    test "The server does not start with $line, and names the line" {
        set output [refused_config [list "# first" "hz 10" $line]]
        assert_match "*at line 3\n>>> '$line'\n$complaint*" $output
    }
}

foreach {name words complaint} {
    "an unknown option"       {--nosuch-option 1}        "*Bad directive or wrong number of arguments*"
    "a bad value"             {--maxmemory-policy odd}   "*argument(s) must be one of the following*"
    "a bad number"            {--port 99999}             "*argument must be between 0 and 65535 inclusive*"
    "a file that is not there" {/nonexistent/redis.conf} "*"
} {
    test "The server does not start with $name, says why, and exits 1" {
        set status [catch {exec timeout 30 $::server::path {*}$words </dev/null 2>@1} output options]
        assert_equal 1 $status
        assert_equal 1 [lindex [dict get $options -errorcode] 2]
        assert_match $complaint $output
    }
}

test "A port that is taken: the server says so and exits 1" {
    set dir [srv dir]/second
    file mkdir $dir
    set status [catch {exec timeout 30 $::server::path {*}[server::options $dir [srv port]] </dev/null 2>@1} output options]
    assert_equal 1 $status
    assert_equal 1 [lindex [dict get $options -errorcode] 2]
    assert_match "*[srv port]*" $output
    assert_match "*in use*" [string tolower $output]
}

test "Without enable-protected-configs and enable-debug-command both are refused" {
    start_server {enable-protected-configs no enable-debug-command no} {
        assert_error "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config" \
            {r CONFIG SET dir /tmp}
        assert_error "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server." \
            {r DEBUG SLEEP 0}
    }
    start_server {enable-debug-command local} {
        assert_equal OK [r DEBUG SLEEP 0]
    }
}

test "The log file gets what is logged, and a pid file holds the process" {
    start_server {logfile server.log pidfile server.pid loglevel verbose} {
        assert {[file size [srv dir]/server.log] > 0}
        r PING
        set f [open [srv dir]/server.log]
        set text [read $f]
        close $f
        assert_match "*[srv pid]:*" $text
    }
}

test -tags {cove} "Options that only Cove has, and their defaults" {
    foreach {name value} {
        store-endpoint "" store-region us-east-1 store-path-style auto store-ca-file "" read-lease 0 ack store cache-dir ""
        cache-size 1073741824 tiering yes commit-spacing 0
    } {
        assert_equal [list $name $value] [r CONFIG GET $name]
    }
    assert_equal file:[srv dir]/store [lindex [r CONFIG GET store] 1]
}

test -tags {cove} "ack disk without a cache-dir is refused at start" {
    set dir [srv dir]/refused
    file mkdir $dir
    set status [catch {exec timeout 30 $::server::path {*}[server::options $dir [server::free_port]] --ack disk \
                           </dev/null 2>@1} output options]
    assert_equal 1 $status
    assert_equal 1 [lindex [dict get $options -errorcode] 2]
    assert_match "*cache-dir*" $output
}

test -tags {cove} "The distribution's redis.conf starts the server unchanged" {
    exec tools/peers.sh redis-server 2>@1
    set conf build/peers/etc/redis/redis.conf
    assert {[file exists $conf]}
    # Only where it listens and writes is changed, as the folders of the distribution are not there.
    set dir [srv dir]/distribution
    file mkdir $dir
    set port [server::free_port]
    set pid [exec $::server::path [file normalize $conf] --daemonize no --port $port --bind 127.0.0.1 --dir $dir \
                 --logfile $dir/log --pidfile $dir/pid --store file:$dir/store >& $dir/output </dev/null &]
    set failure [catch {
        wait_for_condition 300 10 {![catch {set c [redis connect 127.0.0.1 $port [resp]]}]}
        wait_for_condition 300 10 {![catch {$c SET k v}]}
        assert_equal OK [$c SET k v]
        assert_equal {save {3600 1 300 100 60 10000}} [$c CONFIG GET save]
        assert_equal {lua-time-limit 5000} [$c CONFIG GET lua-time-limit]
        $c -close
    } message options]
    catch {exec kill -KILL $pid}
    if {$failure} {return -options $options $message}
}

test -tags {cove} "Every command is used by some test" {
    set text ""
    foreach f [glob tcl-tests/*.tcl] {
        set file [open $f]
        append text [string toupper [read $file]]
        close $file
    }
    set unused {}
    foreach name [lsearch -all -inline -not [r COMMAND LIST] *|*] {
        set words [string map {| { } . \\.} [string toupper $name]]
        if {![regexp "\\m$words\\M" $text]} {lappend unused $name}
    }
    assert_equal {} $unused
}
