# files.tcl -- volumes: FS.WRITE, READ, APPEND, STAT, LS, MKDIR, RM, MV, CP, TRUNCATE, INFO.

proc fs {name body} {uplevel 1 [list test -tags cove $name $body]}
proc fs_stat {vol path field} {dict get [r FS.STAT $vol $path] $field}
proc fs_names {vol path args} {lindex [r FS.LS $vol $path {*}$args] 1}
proc fs_version {vol} {dict get [r FS.INFO $vol] version}

# --- WRITE and READ ---

fs "FS.WRITE makes the volume and a file, FS.READ gives it back" {
    assert_equal {1 13} [r FS.WRITE v /a "int main(){}\n"]
    assert_equal array [r -type]
    assert_equal "int main(){}\n" [r FS.READ v /a]
    assert_equal bulk [r -type]
    assert_equal volume [r TYPE v]
    assert_equal volume [r OBJECT ENCODING v]
    assert_error "ERR wrong number of arguments for 'fs.write' command" {r FS.WRITE v /a}
    assert_error "ERR wrong number of arguments for 'fs.read' command" {r FS.READ v}
}

fs "FS.WRITE replaces the content, with TRUNC as well" {
    r FS.WRITE v /a "a long line"
    assert_equal {2 3} [r FS.WRITE v /a abc]
    assert_equal abc [r FS.READ v /a]
    assert_equal {3 1} [r FS.WRITE v /a x TRUNC]
    assert_equal x [r FS.READ v /a]
    assert_equal {4 0} [r FS.WRITE v /a ""]
    assert_equal "" [r FS.READ v /a]
    assert_equal bulk [r -type]
}

foreach size {1 4095 4096 4097 65535 65536 65537 131072 300000} {
    fs "A file of $size bytes comes back whole, in parts, and replaced by a small one" {
        set data [random_bytes $size]
        assert_equal [list 1 $size] [r FS.WRITE v /f $data]
        assert_equal $data [r FS.READ v /f]
        foreach {offset len} {0 1 1 5000 4090 20 65530 20 100000 70000 299999 5} {
            assert_equal [string range $data $offset [expr {$offset + $len - 1}]] \
                [r FS.READ v /f OFFSET $offset LEN $len]
        }
        r FS.WRITE v /f small
        assert_equal small [r FS.READ v /f]
        assert_equal 5 [dict get [r FS.INFO v] bytes]
    }
}

fs "FS.WRITE OFFSET writes inside, past the end, and leaves a hole of zeros" {
    r FS.WRITE v /f 0123456789
    assert_equal {2 10} [r FS.WRITE v /f abc OFFSET 2]
    assert_equal 01abc56789 [r FS.READ v /f]
    assert_equal {3 14} [r FS.WRITE v /f xx OFFSET 12]
    assert_equal "01abc56789\0\0xx" [r FS.READ v /f]
    assert_equal {4 200003} [r FS.WRITE v /f end OFFSET 200000]
    assert_equal "01abc56789\0\0xx\0\0" [r FS.READ v /f LEN 16]
    assert_equal [string repeat \0 100] [r FS.READ v /f OFFSET 100000 LEN 100]
    assert_equal "\0end" [r FS.READ v /f OFFSET 199999]
    # Nothing written makes nothing longer.
    assert_equal {5 200003} [r FS.WRITE v /f "" OFFSET 300000]
    # A new file may start with a hole.
    assert_equal {6 7} [r FS.WRITE v /new ab OFFSET 5]
    assert_equal "\0\0\0\0\0ab" [r FS.READ v /new]
}

fs "FS.READ past the end is empty, and OFFSET and LEN may be alone" {
    r FS.WRITE v /f 0123456789
    assert_equal "" [r FS.READ v /f OFFSET 10]
    assert_equal "" [r FS.READ v /f OFFSET 1000 LEN 10]
    assert_equal "" [r FS.READ v /f LEN 0]
    assert_equal 012 [r FS.READ v /f LEN 3]
    assert_equal 789 [r FS.READ v /f OFFSET 7]
    assert_equal 789 [r FS.READ v /f OFFSET 7 LEN 100]
    assert_error "EINVAL *" {r FS.READ v /f OFFSET -1}
    assert_error "EINVAL *" {r FS.READ v /f LEN -1}
    assert_error "ERR value is not an integer or out of range" {r FS.READ v /f LEN x}
}

fs "FS.READ LINES counts from 1 and includes both" {
    r FS.WRITE v /f "one\ntwo\nthree\nfour"
    assert_equal "one\n" [r FS.READ v /f LINES 1 1]
    assert_equal "two\nthree\n" [r FS.READ v /f LINES 2 3]
    assert_equal "four" [r FS.READ v /f LINES 4 4]
    assert_equal "three\nfour" [r FS.READ v /f LINES 3 100]
    assert_equal "" [r FS.READ v /f LINES 5 6]
    assert_equal "one\ntwo\nthree\nfour" [r FS.READ v /f LINES 1 9223372036854775807]
    assert_error "EINVAL *" {r FS.READ v /f LINES 0 1}
    assert_error "EINVAL *" {r FS.READ v /f LINES 3 2}
    assert_error "ERR syntax error" {r FS.READ v /f LINES 1}
    assert_error "ERR syntax error" {r FS.READ v /f LINES 1 2 OFFSET 3}
}

fs "FS.READ LINES of a large file, lines over the borders of chunks" {
    set lines {}
    for {set i 0} {$i < 20000} {incr i} {lappend lines "line number $i"}
    r FS.WRITE v /f [join $lines \n]\n
    foreach i {1 2 3500 4681 4682 9999 19999 20000} {
        assert_equal "line number [expr {$i - 1}]\n" [r FS.READ v /f LINES $i $i]
    }
    assert_equal [join [lrange $lines 3000 8999] \n]\n [r FS.READ v /f LINES 3001 9000]
    assert_equal "" [r FS.READ v /f LINES 20001 20002]
}

fs "FS.READ WITHMETA adds version and size" {
    r FS.WRITE v /f 0123456789
    r FS.WRITE v /other x
    assert_equal {1 10 0123456789} [r FS.READ v /f WITHMETA]
    assert_equal array [r -type]
    assert_equal {1 10 34} [r FS.READ v /f OFFSET 3 LEN 2 WITHMETA]
    r FS.WRITE v /f "a\nb\nc\n"
    assert_equal [list 3 6 "b\n"] [r FS.READ v /f LINES 2 2 WITHMETA]
}

fs "FS.WRITE NX, XX and IFVER" {
    assert_error "ENOENT *" {r FS.WRITE v /f x XX}
    assert_equal 0 [r EXISTS v]
    assert_equal {1 1} [r FS.WRITE v /f x NX]
    assert_error "EEXIST *" {r FS.WRITE v /f y NX}
    assert_equal {2 1} [r FS.WRITE v /f y XX]
    assert_error "EVERSION cur=2" {r FS.WRITE v /f z IFVER 1}
    assert_equal y [r FS.READ v /f]
    assert_equal {3 1} [r FS.WRITE v /f z IFVER 2]
    assert_error "EVERSION cur=0" {r FS.WRITE v /none z IFVER 7}
    assert_equal {4 1} [r FS.WRITE v /none z IFVER 0]
    foreach both {{NX XX} {NX IFVER 1} {XX IFVER 1} {OFFSET 1 TRUNC}} {
        assert_error "ERR syntax error" {r FS.WRITE v /f x {*}$both}
    }
    assert_error "ERR syntax error" {r FS.WRITE v /f x NOPE}
    assert_error "ERR syntax error" {r FS.WRITE v /f x OFFSET}
    assert_error "ERR value is not an integer or out of range" {r FS.WRITE v /f x IFVER abc}
    assert_error "ERR value is not an integer or out of range" {r FS.WRITE v /f x OFFSET abc}
    assert_error "EINVAL *" {r FS.WRITE v /f x OFFSET -1}
    assert_error "EINVAL *" {r FS.WRITE v /f x OFFSET 9223372036854775807}
}

fs "FS.WRITE PARENTS makes the folders, without it they must be there" {
    assert_error "ENOENT *" {r FS.WRITE v /a/b/c x}
    assert_equal 0 [r EXISTS v]
    assert_equal {1 1} [r FS.WRITE v /a/b/c x PARENTS]
    assert_equal x [r FS.READ v /a/b/c]
    assert_equal dir [fs_stat v /a/b type]
    assert_equal 0755 [fs_stat v /a mode]
    assert_equal {2 1} [r FS.WRITE v /a/d y]
    assert_equal {3 1} [r FS.WRITE v /a/b/c z PARENTS]
    assert_error "ENOTDIR *" {r FS.WRITE v /a/d/e x PARENTS}
    assert_error "EISDIR *" {r FS.WRITE v /a x}
    assert_error "EISDIR *" {r FS.WRITE v / x}
    assert_error "EISDIR *" {r FS.WRITE v /new/ x}
    assert_error "ENOTDIR *" {r FS.WRITE v /a/d/ x}
}

fs "FS.WRITE MODE is octal, as STAT shows it" {
    r FS.WRITE v /f x
    assert_equal 0644 [fs_stat v /f mode]
    r FS.WRITE v /f x MODE 755
    assert_equal 0755 [fs_stat v /f mode]
    r FS.WRITE v /f x
    assert_equal 0755 [fs_stat v /f mode]
    r FS.WRITE v /g x MODE 0600
    assert_equal 0600 [fs_stat v /g mode]
    foreach bad {888 77777 "" -1 rwx} {assert_error "EINVAL *" {r FS.WRITE v /f x MODE $bad}}
}

# --- paths ---

fs "Paths are absolute; double slashes count once; a slash at the end asks for a folder" {
    r FS.WRITE v /a/b x PARENTS
    assert_equal x [r FS.READ v //a///b]
    assert_equal dir [fs_stat v /a/ type]
    assert_equal dir [fs_stat v // type]
    assert_error "ENOTDIR *" {r FS.READ v /a/b/}
    assert_error "ENOTDIR *" {r FS.STAT v /a/b/}
    foreach bad {"" a a/b ./a /. /.. /a/./b /a/../b "/a\0b"} {
        assert_error "EINVAL *" {r FS.READ v $bad}
        assert_error "EINVAL *" {r FS.WRITE v $bad x}
    }
    r FS.WRITE v /... x
    assert_equal x [r FS.READ v /...]
    r FS.WRITE v /.hidden y
    assert_equal y [r FS.READ v /.hidden]
}

fs "A name has at most 255 bytes, a path 4096" {
    set name [string repeat n 255]
    r FS.WRITE v /$name x
    assert_equal x [r FS.READ v /$name]
    assert_error "ENAMETOOLONG *" {r FS.WRITE v /${name}n x}
    assert_error "ENAMETOOLONG *" {r FS.STAT v /${name}n}
    assert_error "ENAMETOOLONG *" {r FS.STAT v /[string repeat a/ 2048]}
    set deep [string repeat /d 2048]
    assert_equal {2 1} [r FS.WRITE v $deep x PARENTS]
    assert_equal x [r FS.READ v $deep]
    # The root, the file of the long name, 2,047 folders, the file at their end.
    assert_equal 2050 [dict get [r FS.INFO v] inodes]
}

fs "Names are bytes" {
    set name ""
    for {set i 1} {$i < 256} {incr i} {
        if {$i != 47} {append name [binary format c $i]}
    }
    r FS.WRITE v /$name x
    assert_equal x [r FS.READ v /$name]
    assert_equal [list $name] [fs_names v /]
}

# --- APPEND, TRUNCATE ---

fs "FS.APPEND makes and extends, and says where" {
    assert_equal {0 1} [r FS.APPEND v /log one]
    assert_equal {3 2} [r FS.APPEND v /log two]
    assert_equal onetwo [r FS.READ v /log]
    assert_error "ENOENT *" {r FS.APPEND v /no/log x}
    assert_error "ENOENT *" {r FS.APPEND w /no/log x}
    assert_equal 0 [r EXISTS w]
    r FS.MKDIR v /d
    assert_error "EISDIR *" {r FS.APPEND v /d x}
    assert_error "ENOTDIR *" {r FS.APPEND v /log/x x}
    assert_error "ERR syntax error" {r FS.APPEND v /log x y}
}

fs "FS.APPEND IFSIZE appends only where it was expected" {
    assert_error "EVERSION cur=0 size=0" {r FS.APPEND v /log x IFSIZE 5}
    assert_equal 0 [r EXISTS v]
    assert_equal {0 1} [r FS.APPEND v /log abc IFSIZE 0]
    assert_equal {3 2} [r FS.APPEND v /log def IFSIZE 3]
    assert_error "EVERSION cur=2 size=6" {r FS.APPEND v /log ghi IFSIZE 3}
    assert_equal abcdef [r FS.READ v /log]
    assert_error "EINVAL *" {r FS.APPEND v /log x IFSIZE -1}
    assert_error "ERR value is not an integer or out of range" {r FS.APPEND v /log x IFSIZE a}
}

fs "FS.APPEND of many small pieces grows over all the borders" {
    set all ""
    for {set i 0} {$i < 1500} {incr i} {
        set piece "[string repeat [format %c [expr {97 + $i % 26}]] [expr {$i % 190}]]\n"
        assert_equal [list [string length $all] [expr {$i + 1}]] [r FS.APPEND v /log $piece]
        append all $piece
    }
    assert_equal $all [r FS.READ v /log]
    assert_equal [string length $all] [fs_stat v /log size]
}

fs "FS.TRUNCATE cuts and extends with zeros" {
    set data [random_bytes 200000]
    r FS.WRITE v /f $data
    set version 1
    foreach size {199999 131072 131071 70000 65536 65535 5000 4097 4096 4095 10 0} {
        assert_equal [incr version] [r FS.TRUNCATE v /f $size]
        assert_equal int [r -type]
        assert_equal [string range $data 0 [expr {$size - 1}]] [r FS.READ v /f]
        assert_equal $size [dict get [r FS.INFO v] bytes]
        # What was cut off does not come back.
        r FS.TRUNCATE v /f 200000
        incr version
        assert_equal [string repeat \0 [expr {200000 - $size}]] [r FS.READ v /f OFFSET $size]
        r FS.TRUNCATE v /f $size
        incr version
        r FS.WRITE v /f [string range $data 0 [expr {$size - 1}]]
        incr version
    }
    assert_error "ENOENT *" {r FS.TRUNCATE v /none 1}
    assert_error "ENOENT *" {r FS.TRUNCATE none /f 1}
    assert_equal 0 [r EXISTS none]
    assert_error "EISDIR *" {r FS.TRUNCATE v / 1}
    assert_error "ENOTDIR *" {r FS.TRUNCATE v /f/x 1}
    assert_error "EINVAL *" {r FS.TRUNCATE v /f -1}
    assert_error "EINVAL *" {r FS.TRUNCATE v /f 100000000000000}
    assert_error "ERR value is not an integer or out of range" {r FS.TRUNCATE v /f x}
}

fs "A hole of a terabyte takes no memory" {
    r FS.WRITE v /f x
    r FS.TRUNCATE v /f 1099511627776
    r FS.APPEND v /f end
    assert_equal 1099511627779 [fs_stat v /f size]
    assert_equal "\0end" [r FS.READ v /f OFFSET 1099511627775]
    assert_equal "x\0\0" [r FS.READ v /f LEN 3]
    assert_error "EINVAL *512 MiB*" {r FS.READ v /f}
    assert_range [r MEMORY USAGE v] 1 200000
}

# --- STAT, INFO ---

fs "FS.STAT tells what there is, or null" {
    assert_nil [r FS.STAT v /]
    r FS.WRITE v /d/f 12345 PARENTS MODE 640
    set s [r FS.STAT v /d/f]
    assert_reply_type array map
    assert_equal {ino type mode uid gid size nlink mtime_ns ctime_ns version} [dict keys $s]
    assert_equal file [dict get $s type]
    assert_equal 0640 [dict get $s mode]
    assert_equal {0 0} [list [dict get $s uid] [dict get $s gid]]
    assert_equal 5 [dict get $s size]
    assert_equal 1 [dict get $s nlink]
    assert_equal 1 [dict get $s version]
    set now [clock milliseconds]
    assert_range [expr {[dict get $s mtime_ns] / 1000000}] [expr {$now - 60000}] [expr {$now + 60000}]
    assert_equal [dict get $s mtime_ns] [dict get $s ctime_ns]
    assert_equal $s [r FS.STAT v /d/f NOFOLLOW]
    assert_nil [r FS.STAT v /d/none]
    assert_nil [r FS.STAT v /no/such/path]
    assert_error "ENOTDIR *" {r FS.STAT v /d/f/g}
    assert_error "ERR syntax error" {r FS.STAT v /d/f NOPE}
}

fs "A folder's size is its entries, its nlink 2 and one for each folder in it" {
    r FS.MKDIR v /d/e PARENTS
    r FS.MKDIR v /d/f
    r FS.WRITE v /d/g x
    assert_equal 3 [fs_stat v /d size]
    assert_equal 4 [fs_stat v /d nlink]
    assert_equal 3 [fs_stat v / nlink]
    assert_equal 1 [fs_stat v / ino]
}

fs "A change gives its version to what it changed, and to nothing else" {
    r FS.WRITE v /d/f x PARENTS
    r FS.WRITE v /other x
    r FS.WRITE v /d/f y
    assert_equal 3 [fs_stat v /d/f version]
    assert_equal 1 [fs_stat v /d version]
    assert_equal 2 [fs_stat v /other version]
    assert_equal 2 [fs_stat v / version]
    r FS.MV v /d/f /g
    assert_equal {4 4 4 2} [list [fs_stat v /g version] [fs_stat v /d version] [fs_stat v / version] \
        [fs_stat v /other version]]
    assert_equal 4 [fs_version v]
}

fs "FS.INFO counts inodes and bytes" {
    assert_error "ENOENT *" {r FS.INFO v}
    r FS.WRITE v /a/b 12345 PARENTS
    assert_equal {inodes 3 bytes 5 version 1} [r FS.INFO v]
    assert_reply_type array map
    r FS.WRITE v /a/c [string repeat x 100000]
    assert_equal {inodes 4 bytes 100005 version 2} [r FS.INFO v]
    r FS.RM v /a RECURSIVE
    assert_equal {inodes 1 bytes 0 version 3} [r FS.INFO v]
    assert_error "ERR wrong number of arguments for 'fs.info' command" {r FS.INFO v /a}
}

# --- LS ---

fs "FS.LS lists in the order of names" {
    foreach name {b a c10 c9 B _} {r FS.WRITE v /$name x}
    r FS.MKDIR v /dir
    r FS.WRITE v /dir/inside x
    assert_equal {0 {B _ a b c10 c9 dir}} [r FS.LS v /]
    assert_equal array [r -type]
    assert_equal {0 inside} [r FS.LS v /dir]
    assert_equal {0 inside} [r FS.LS v /dir/]
    r FS.MKDIR v /empty
    assert_equal {0 {}} [r FS.LS v /empty]
    assert_error "ENOENT *" {r FS.LS v /none}
    assert_error "ENOENT *" {r FS.LS none /}
    assert_error "ENOTDIR *" {r FS.LS v /a}
    assert_error "ENOTDIR *" {r FS.LS v /a/b}
}

fs "FS.LS WITHSTAT gives each name with its STAT" {
    r FS.WRITE v /a 123
    r FS.MKDIR v /b
    lassign [r FS.LS v / WITHSTAT] cursor entries
    assert_equal 0 $cursor
    assert_equal [list [list a [r FS.STAT v /a]] [list b [r FS.STAT v /b]]] $entries
    set typed [r -typed FS.LS v / WITHSTAT]
    set first [lindex $typed 1 1 1 0 1]
    assert_equal [expr {[resp] == 2 ? "array" : "map"}] [lindex $first 1 0]
}

fs "FS.LS goes on at its cursor, also when the name has gone meanwhile" {
    for {set i 0} {$i < 2500} {incr i} {
        r -send FS.WRITE v /[format f%04d $i] x
        lappend want [format f%04d $i]
    }
    for {set i 0} {$i < 2500} {incr i} {r -read}
    assert_equal 1000 [llength [fs_names v /]]
    foreach count {1 7 999 1000 2499 2500 1000000} {
        set cursor 0
        set got {}
        set turns 0
        while 1 {
            lassign [r FS.LS v / CURSOR $cursor COUNT $count] cursor names
            lappend got {*}$names
            incr turns
            if {$cursor eq "0" || $turns > 2600} break
            if {$count == 1 && $turns > 20} break
        }
        assert_equal [lrange $want 0 [expr {$count == 1 ? 20 : "end"}]] $got
    }
    lassign [r FS.LS v / COUNT 3] cursor names
    assert_equal {f0000 f0001 f0002} $names
    r FS.RM v /f0002
    r FS.RM v /f0003
    assert_equal {f0004 f0005} [fs_names v / COUNT 2 CURSOR $cursor]
    assert_error "ERR syntax error" {r FS.LS v / COUNT 0}
    assert_error "ERR syntax error" {r FS.LS v / COUNT}
    assert_error "ERR syntax error" {r FS.LS v / NOPE}
    assert_error "ERR value is not an integer or out of range" {r FS.LS v / COUNT x}
    foreach bad {1 x "" .} {assert_error "ERR invalid cursor" {r FS.LS v / CURSOR $bad}}
}

fs "FS.LS GLOB shows the names that match; COUNT is of those looked at" {
    foreach name {main.c main.h util.c util.h README} {r FS.WRITE v /$name x}
    assert_equal {main.c util.c} [fs_names v / GLOB *.c]
    assert_equal {main.c main.h} [fs_names v / GLOB {main.[ch]}]
    assert_equal {} [fs_names v / GLOB nothing]
    assert_equal {README main.c} [fs_names v / COUNT 2]
    assert_equal {main.c} [fs_names v / COUNT 2 GLOB *.c]
}

# --- MKDIR, RM ---

fs "FS.MKDIR makes one folder, or all with PARENTS" {
    assert_error "ENOENT *" {r FS.MKDIR v /a/b}
    assert_equal 0 [r EXISTS v]
    assert_equal 1 [r FS.MKDIR v /a]
    assert_equal int [r -type]
    assert_error "EEXIST *" {r FS.MKDIR v /a}
    assert_equal 2 [r FS.MKDIR v /a/b/c/d PARENTS]
    assert_equal 2 [r FS.MKDIR v /a/b/c/d PARENTS]
    assert_equal 2 [fs_version v]
    assert_equal 3 [r FS.MKDIR v /m/ MODE 700]
    assert_equal 0700 [fs_stat v /m mode]
    r FS.WRITE v /f x
    assert_error "EEXIST *" {r FS.MKDIR v /f}
    assert_error "EEXIST *" {r FS.MKDIR v /f PARENTS}
    assert_error "ENOTDIR *" {r FS.MKDIR v /f/g PARENTS}
    assert_error "EEXIST *" {r FS.MKDIR v /}
    assert_error "ERR syntax error" {r FS.MKDIR v /x NOPE}
    assert_error "EINVAL *" {r FS.MKDIR v /x MODE 9}
}

fs "FS.MKDIR of / makes an empty volume" {
    assert_equal 1 [r FS.MKDIR v /]
    assert_equal {inodes 1 bytes 0 version 1} [r FS.INFO v]
    assert_equal {0 {}} [r FS.LS v /]
    assert_equal {2 1} [r FS.WRITE v /f x]
}

fs "FS.RM removes a file, an empty folder, and more with RECURSIVE" {
    r FS.WRITE v /a/b/c x PARENTS
    r FS.WRITE v /a/d x
    r FS.WRITE v /e x
    assert_error "ENOTEMPTY *" {r FS.RM v /a}
    assert_equal 1 [r FS.RM v /a/b/c]
    assert_equal int [r -type]
    assert_equal 1 [r FS.RM v /a/b]
    assert_error "ENOENT *" {r FS.RM v /a/b}
    assert_error "ENOTDIR *" {r FS.RM v /e/x}
    assert_error "ENOTDIR *" {r FS.RM v /e/}
    assert_equal 2 [r FS.RM v /a RECURSIVE]
    assert_equal e [fs_names v /]
    assert_equal 1 [r FS.RM v /e RECURSIVE]
    # The last entry has gone, the volume stays.
    assert_equal volume [r TYPE v]
    assert_equal {0 {}} [r FS.LS v /]
    assert_error "EINVAL *" {r FS.RM v /}
    assert_error "ENOENT *" {r FS.RM none /x}
    assert_error "ENOENT *" {r FS.RM none / RECURSIVE}
    assert_error "ERR syntax error" {r FS.RM v /x NOPE}
    assert_equal 0 [r EXISTS none]
}

fs "FS.RM / RECURSIVE empties a volume of thousands of files" {
    for {set i 0} {$i < 3000} {incr i} {
        r -send FS.WRITE v /d[expr {$i % 50}]/s[expr {$i % 7}]/f$i [string repeat $i 30] PARENTS
    }
    for {set i 0} {$i < 3000} {incr i} {r -read}
    assert_error "ENOTEMPTY *" {r FS.RM v /}
    set inodes [dict get [r FS.INFO v] inodes]
    assert_equal [expr {$inodes - 1}] [r FS.RM v / RECURSIVE]
    assert_equal {1 0} [list [dict get [r FS.INFO v] inodes] [dict get [r FS.INFO v] bytes]]
    assert_equal {0 {}} [r FS.LS v /]
}

# --- MV, CP ---

fs "FS.MV moves files and folders, and replaces as rename does" {
    r FS.WRITE v /a 1
    r FS.WRITE v /d/f 22 PARENTS
    set ino [fs_stat v /a ino]
    assert_equal 3 [r FS.MV v /a /d/a]
    assert_equal int [r -type]
    assert_equal $ino [fs_stat v /d/a ino]
    assert_equal {a f} [fs_names v /d]
    assert_equal 4 [r FS.MV v /d/a /d/f]
    assert_equal 1 [r FS.READ v /d/f]
    assert_equal {inodes 3 bytes 1 version 4} [r FS.INFO v]
    assert_equal 5 [r FS.MV v /d /e]
    assert_equal 1 [r FS.READ v /e/f]
    assert_nil [r FS.STAT v /d]
    r FS.MKDIR v /e2
    r FS.MV v /e /e2
    assert_equal e2 [fs_names v /]
    assert_equal f [fs_names v /e2]
    # Onto itself: nothing changes.
    set version [fs_version v]
    r FS.MV v /e2 /e2/
    assert_equal $version [fs_version v]
}

fs "FS.MV refuses what rename refuses" {
    r FS.WRITE v /f x
    r FS.WRITE v /g y
    r FS.WRITE v /d/x x PARENTS
    r FS.MKDIR v /e
    set before [fs_version v]
    assert_error "ENOENT *" {r FS.MV v /none /x}
    assert_error "ENOENT *" {r FS.MV none /a /b}
    assert_error "ENOENT *" {r FS.MV v /f /no/x}
    assert_error "ENOTDIR *" {r FS.MV v /f/x /y}
    assert_error "ENOTDIR *" {r FS.MV v /f /g/x}
    assert_error "ENOTDIR *" {r FS.MV v /f /new/}
    assert_error "ENOTDIR *" {r FS.MV v /d /f}
    assert_error "EISDIR *" {r FS.MV v /f /d}
    assert_error "EISDIR *" {r FS.MV v /f /}
    assert_error "ENOTEMPTY *" {r FS.MV v /e /d}
    assert_error "ENOTEMPTY *" {r FS.MV v /d /}
    assert_error "EINVAL *" {r FS.MV v / /x}
    assert_error "EINVAL *" {r FS.MV v /d /d/x}
    assert_error "EINVAL *" {r FS.MV v /d /d/new}
    assert_error "EEXIST *" {r FS.MV v /f /g NX}
    assert_error "ERR syntax error" {r FS.MV v /f /g NOPE}
    assert_error "ERR syntax error" {r FS.MV v /f /g NX EXCHANGE}
    assert_equal $before [fs_version v]
    r FS.MV v /f /h NX
    assert_equal {d e g h} [fs_names v /]
}

fs "FS.MV EXCHANGE swaps two names" {
    r FS.WRITE v /a one
    r FS.WRITE v /d/b/c two PARENTS
    assert_equal 3 [r FS.MV v /a /d/b EXCHANGE]
    assert_equal one [r FS.READ v /d/b]
    assert_equal two [r FS.READ v /a/c]
    assert_equal {4 2} [list [fs_stat v / nlink] [fs_stat v /d nlink]]
    assert_error "ENOENT *" {r FS.MV v /a /none EXCHANGE}
    assert_error "EINVAL *" {r FS.MV v /d/b /d EXCHANGE}
    assert_error "EINVAL *" {r FS.MV v /d /d/b EXCHANGE}
    assert_error "EINVAL *" {r FS.MV v /a / EXCHANGE}
    r FS.MV v /d/b /d/b EXCHANGE
    assert_equal 3 [fs_version v]
}

fs "FS.CP copies a file; writing one leaves the other" {
    foreach size {0 10 5000 200000} {
        set data [random_bytes $size]
        r FS.WRITE v /a$size $data MODE 750
        r FS.CP v /a$size /b$size
        assert_equal $data [r FS.READ v /b$size]
        assert_equal 0750 [fs_stat v /b$size mode]
        assert_not_equal [fs_stat v /a$size ino] [fs_stat v /b$size ino]
        r FS.WRITE v /b$size XYZ OFFSET 3
        assert_equal $data [r FS.READ v /a$size]
        r FS.WRITE v /a$size abc OFFSET 70000
        assert_equal XYZ [r FS.READ v /b$size OFFSET 3 LEN 3]
        r FS.RM v /a$size
        assert_equal [expr {$size > 6 ? $size : 6}] [string length [r FS.READ v /b$size]]
    }
    # Over a file: its content alone is replaced.
    set ino [fs_stat v /b10 ino]
    r FS.WRITE v /src new
    r FS.CP v /src /b10
    assert_equal new [r FS.READ v /b10]
    assert_equal $ino [fs_stat v /b10 ino]
}

fs "FS.CP RECURSIVE copies a tree, and content is shared until it is written" {
    set data [random_bytes 1000000]
    r FS.WRITE v /d/e/f $data PARENTS
    r FS.WRITE v /d/g small
    set before [r MEMORY USAGE v]
    assert_equal 3 [r FS.CP v /d /copy RECURSIVE]
    assert_equal int [r -type]
    assert_range [r MEMORY USAGE v] 1 [expr {$before + 100000}]
    assert_equal $data [r FS.READ v /copy/e/f]
    assert_equal small [r FS.READ v /copy/g]
    assert_equal {inodes 9 bytes 2000010 version 3} [r FS.INFO v]
    r FS.WRITE v /d/e/f changed OFFSET 500000
    assert_equal $data [r FS.READ v /copy/e/f]
    r FS.RM v /d RECURSIVE
    assert_equal $data [r FS.READ v /copy/e/f]
    assert_equal {inodes 5 bytes 1000005 version 5} [r FS.INFO v]
}

fs "FS.CP refuses what cannot be" {
    r FS.WRITE v /f x
    r FS.WRITE v /d/x x PARENTS
    r FS.MKDIR v /e
    set before [fs_version v]
    assert_error "ENOENT *" {r FS.CP v /none /x}
    assert_error "ENOENT *" {r FS.CP none /a /b}
    assert_error "ENOENT *" {r FS.CP v /f /no/x}
    assert_error "ENOTDIR *" {r FS.CP v /f /f/x}
    assert_error "ENOTDIR *" {r FS.CP v /f /new/}
    assert_error "EISDIR *" {r FS.CP v /d /x}
    assert_error "EISDIR *" {r FS.CP v /f /d}
    assert_error "EEXIST *" {r FS.CP v /d /e RECURSIVE}
    assert_error "ENOTDIR *" {r FS.CP v /d /f RECURSIVE}
    assert_error "EINVAL *" {r FS.CP v /f /f}
    assert_error "EINVAL *" {r FS.CP v /d /d/new RECURSIVE}
    assert_error "EINVAL *" {r FS.CP v / /new RECURSIVE}
    assert_error "ERR syntax error" {r FS.CP v /f /g NOPE}
    assert_equal $before [fs_version v]
}

# --- the volume as a key ---

fs "Other types and volumes do not mix" {
    r SET s x
    r FS.WRITE v /f x
    set wrong "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert_error $wrong {r FS.WRITE s /f x}
    assert_error $wrong {r FS.APPEND s /f x}
    assert_error $wrong {r FS.TRUNCATE s /f 1}
    assert_error $wrong {r FS.READ s /f}
    assert_error $wrong {r FS.STAT s /f}
    assert_error $wrong {r FS.LS s /}
    assert_error $wrong {r FS.MKDIR s /d}
    assert_error $wrong {r FS.RM s /f}
    assert_error $wrong {r FS.MV s /f /g}
    assert_error $wrong {r FS.CP s /f /g}
    assert_error $wrong {r FS.INFO s}
    assert_error $wrong {r GET v}
    assert_error $wrong {r HGET v f}
}

fs "COPY of a volume is a volume of its own; RENAME and DEL take it whole" {
    set data [random_bytes 100000]
    r FS.WRITE v /d/f $data PARENTS
    r FS.WRITE v /g x
    assert_equal 1 [r COPY v w]
    r FS.WRITE w /d/f y OFFSET 50000
    r FS.RM w /g
    assert_equal $data [r FS.READ v /d/f]
    assert_equal {d g} [fs_names v /]
    assert_equal d [fs_names w /]
    r FS.WRITE v /d/f z
    assert_equal 100000 [fs_stat w /d/f size]
    r RENAME v u
    assert_equal z [r FS.READ u /d/f]
    assert_equal 1 [r DEL u]
    assert_error "ENOENT *" {r FS.READ u /d/f}
    assert_equal y [r FS.READ w /d/f OFFSET 50000 LEN 1]
}

fs "MULTI edits several files at once" {
    r MULTI
    r FS.WRITE v /a 1
    r FS.MV v /a /b
    r FS.WRITE v /a 2
    r FS.READ v /b
    assert_equal {{1 1} 2 {3 1} 1} [r EXEC]
}

fs "A volume expires as other keys do" {
    r FS.WRITE v /f x
    r PEXPIRE v 30
    wait_for_condition 100 10 {[r EXISTS v] == 0}
    assert_equal {1 1} [r FS.WRITE v /f y]
    assert_equal -1 [r TTL v]
}

fs "Volumes survive a crash and a restart, byte for byte" {
    set data [random_bytes 150000]
    r FS.WRITE v /d/e/large $data PARENTS
    for {set i 0} {$i < 300} {incr i} {r FS.WRITE v /d/f$i "content $i"}
    r FS.CP v /d /copy RECURSIVE
    r FS.RM v /d/e RECURSIVE
    r FS.MV v /d/f7 /moved
    r FS.TRUNCATE v /d/f8 3
    r FS.APPEND v /d/f9 more
    set info [r FS.INFO v]
    set ls [r FS.LS v /d WITHSTAT]
    foreach how {-9 TERM} {
        restart_server $how
        assert_equal $info [r FS.INFO v]
        assert_equal $ls [r FS.LS v /d WITHSTAT]
        assert_equal $data [r FS.READ v /copy/e/large]
        assert_equal "content 7" [r FS.READ v /moved]
        assert_equal con [r FS.READ v /d/f8]
        assert_equal "content 9more" [r FS.READ v /d/f9]
        assert_equal "content 9" [r FS.READ v /copy/f9]
    }
}
