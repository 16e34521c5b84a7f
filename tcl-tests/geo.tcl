# geo.tcl -- the GEO commands. Redis's own unit says more; here are the forms of replies, cold pages, and a search
# compared with what each point's distance says.

proc cold {} {
    if {$::server::redis} return
    r SAVE
    r DEBUG DROP-CLEAN
}
proc sicily {} {r GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania}
proc near {got want} {
    foreach a $got b $want {assert_range $a [expr {$b - 0.00001}] [expr {$b + 0.00001}]}
}

test "GEOADD counts points, GEOPOS, GEOHASH and GEODIST tell of them" {
    assert_equal 2 [sicily]
    assert_equal 0 [sicily]
    assert_equal zset [r TYPE g]
    assert_equal 1 [r GEOADD g XX CH 13.4 38.1 Palermo 1 1 none]
    assert_equal 0 [r GEOADD g NX 1 1 Palermo]
    sicily
    cold
    near [lindex [r GEOPOS g Palermo none] 0] {13.361389 38.115556}
    assert_equal [list array [list [list nil {}]]] [r -typed GEOPOS g none]
    assert_equal {sqc8b49rny0 sqdtr74hyu0} [lrange [r GEOHASH g Palermo Catania none] 0 1]
    assert_equal {bulk 166274.1516} [r -typed GEODIST g Palermo Catania]
    assert_equal 166.2742 [r GEODIST g Palermo Catania KM]
    assert_equal 0.0000 [r GEODIST g Palermo Palermo]
    assert_nil [r GEODIST g Palermo none]
    assert_nil [r GEODIST none a b]
    assert_error "ERR unsupported unit provided. please use M, KM, FT, MI" {r GEODIST g Palermo Catania x}
    assert_error "ERR invalid longitude,latitude pair 181.000000,0.000000" {r GEOADD g 181 0 x}
    assert_error "ERR value is not a valid float" {r GEOADD g x 0 x}
    assert_error "ERR syntax error" {r GEOADD g 1 2 x 3}
    r SET s x
    assert_error "WRONGTYPE *" {r GEOSEARCH s FROMMEMBER a BYRADIUS 1 m}
}

test "A search's replies, with each thing that it may tell" {
    sicily
    assert_equal {array {{bulk Catania} {bulk Palermo}}} [r -typed GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC]
    assert_equal {Palermo Catania} [r GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC]
    assert_equal Catania [r GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1]
    assert_equal 1 [llength [r GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY]]
    set told [lindex [r GEORADIUS g 15 37 200 km WITHDIST WITHHASH WITHCOORD ASC] 0]
    assert_equal {Catania 56.4413 3479447370796909} [lrange $told 0 2]
    near [lindex $told 3] {15.087269 37.502669}
    assert_equal {{Palermo 0.0000}} [r GEORADIUSBYMEMBER g Palermo 10 km WITHDIST]
    assert_equal Palermo [r GEORADIUSBYMEMBER_RO g Palermo 10 km]
    assert_equal {} [r GEORADIUS_RO g 0 0 10 km]
    assert_equal {} [r GEOSEARCH none FROMMEMBER x BYRADIUS 1 m]
}

test "What is found is stored, by its point or by its distance" {
    sicily
    assert_equal 2 [r GEOSEARCHSTORE to g FROMLONLAT 15 37 BYRADIUS 200 km]
    assert_equal 166274.1516 [r GEODIST to Palermo Catania]
    assert_equal 2 [r GEOSEARCHSTORE to g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST]
    assert_range [r ZSCORE to Catania] 56.44 56.45
    assert_equal 1 [r GEORADIUS g 15 37 100 km STORE to]
    assert_equal Catania [r ZRANGE to 0 -1]
    assert_equal 1 [r GEORADIUSBYMEMBER g Palermo 1 km STOREDIST to]
    assert_equal 0 [r GEOSEARCHSTORE to g FROMLONLAT 0 0 BYRADIUS 1 km]
    assert_equal 0 [r EXISTS to]
}

test "Searches that ask for too little or too much" {
    sicily
    foreach {error command} {
        "ERR COUNT must be > 0" {GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0}
        "ERR the ANY argument requires COUNT argument" {GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m ANY}
        "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH" {GEOSEARCH g BYRADIUS 1 m ASC COUNT 1}
        "ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch" {geosearch g FROMLONLAT 1 1 ASC COUNT 1}
        "ERR syntax error" {GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER Palermo BYRADIUS 1 m}
        "ERR syntax error" {GEORADIUS_RO g 1 1 1 m STORE to}
        "ERR could not decode requested zset member" {GEOSEARCH g FROMMEMBER x BYRADIUS 1 m}
        "ERR need numeric radius" {GEOSEARCH g FROMLONLAT 1 1 BYRADIUS x m}
        "ERR radius cannot be negative" {GEORADIUS g 1 1 -1 m}
        "ERR need numeric width" {GEOSEARCH g FROMLONLAT 1 1 BYBOX x 1 m}
        "ERR need numeric height" {GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 x m}
        "ERR height or width cannot be negative" {GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 -1 m}
        "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            {GEORADIUS g 1 1 1 m WITHDIST STORE to}
        "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            {GEOSEARCHSTORE to g FROMLONLAT 1 1 BYRADIUS 1 m WITHDIST}
    } {assert_error $error {r {*}$command}}
}

test "A search of many points finds those whose distance says so, hot and cold" {
    set points {}
    expr {srand(7)}
    for {set i 0} {$i < 3000} {incr i} {lappend points [expr {rand() * 40 - 20}] [expr {rand() * 40 + 30}] p:$i}
    assert_equal 3000 [r GEOADD g {*}$points]
    r GEOADD g 1 45 here
    set all [r GEOSEARCH g FROMMEMBER here BYRADIUS 30000 km WITHDIST ASC]
    assert_equal 3001 [llength $all]
    foreach km {1 50 200 900 2500} {
        cold
        set want {}
        foreach pair $all {if {[lindex $pair 1] <= $km} {lappend want [lindex $pair 0]}}
        assert_equal $want [r GEOSEARCH g FROMMEMBER here BYRADIUS $km km ASC]
        assert_equal [llength $want] [r GEORADIUS g 1 45 $km km STORE to]
    }
}
