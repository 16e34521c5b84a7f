// The tour with go-redis, unchanged: its own methods where it has them, else Do.
// Arguments: port, protocol.
package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()
var count int

var words = []struct {
	name string
	seed float64
}{{"king", 1.0}, {"queen", 1.01}, {"prince", 1.02}, {"castle", 1.5}, {"tea", 2.5}, {"river", 4.0}}

func check(sentence string, got, want interface{}) {
	count++
	if reflect.DeepEqual(got, want) {
		fmt.Printf("ok %d - %s\n", count, sentence)
	} else {
		fmt.Printf("not ok %d - %s: got %#v, want %#v\n", count, sentence, got, want)
	}
}

func vector(seed float64) []float64 {
	v := make([]float64, 100)
	for i := range v {
		v[i] = math.Round(1e6*math.Sin(seed*float64(i+1))) / 1e6
	}
	return v
}

// pairs is a map of a reply, which RESP2 has as a flat array.
func pairs(reply interface{}) map[string]interface{} {
	m := map[string]interface{}{}
	switch r := reply.(type) {
	case map[interface{}]interface{}:
		for k, v := range r {
			m[fmt.Sprint(k)] = v
		}
	case []interface{}:
		for i := 0; i+1 < len(r); i += 2 {
			m[fmt.Sprint(r[i])] = r[i+1]
		}
	}
	return m
}

func list(reply interface{}) []interface{} {
	l, _ := reply.([]interface{})
	return l
}

// doer is what a client, a connection of its own and a transaction have in common.
type doer interface {
	redis.Cmdable
	Do(ctx context.Context, args ...interface{}) *redis.Cmd
}

func do(r doer, args ...interface{}) interface{} {
	v, err := r.Do(ctx, args...).Result()
	if err != nil {
		return err.Error()
	}
	return v
}

func fill(r *redis.Client) {
	check("SET answers OK", r.Set(ctx, "greeting", "hello", 0).Val(), "OK")
	check("GET reads it", r.Get(ctx, "greeting").Val(), "hello")
	check("bytes go through as they are", r.Set(ctx, "raw", "\x00\xff\r\n", 0).Val()+r.Get(ctx, "raw").Val(),
		"OK\x00\xff\r\n")
	check("HSET counts new fields", r.HSet(ctx, "user:1", "name", "Ada", "lang", "C").Val(), int64(2))
	check("HGETALL is a map", r.HGetAll(ctx, "user:1").Val(), map[string]string{"name": "Ada", "lang": "C"})
	for _, w := range words {
		added, err := r.VAddWithArgs(ctx, "words", w.name, &redis.VectorValues{Val: vector(w.seed)},
			&redis.VAddArgs{SetAttr: fmt.Sprintf(`{"len":%d}`, len(w.name))}).Result()
		check("VADD "+w.name, []interface{}{added, err}, []interface{}{true, error(nil)})
	}
}

func nearest(r doer, n int64) (names []string, scores []float64) {
	found, err := r.VSimWithArgsWithScores(ctx, "words", &redis.VectorRef{Name: "king"},
		&redis.VSimArgs{Count: n}).Result()
	if err != nil {
		return []string{err.Error()}, nil
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Score > found[j].Score })
	for _, f := range found {
		names, scores = append(names, f.Name), append(scores, f.Score)
	}
	return names, scores
}

func search(r *redis.Client) {
	names, scores := nearest(r, 5)
	check("VSIM finds five", len(names), 5)
	check("VSIM ranks", names[:3], []string{"king", "queen", "prince"})
	check("the score of the element itself is 1", math.Abs(scores[0]-1) < 0.01, true)
	reply := do(r, "VSEARCH", "words", "K", 5, "ELE", "king", "FILTER", ".len < 6", "WITHSCORES", "WITHATTRIBS")
	found := map[string][]interface{}{}
	if l, flat := reply.([]interface{}); flat {
		for i := 0; i+2 < len(l); i += 3 {
			found[l[i].(string)] = l[i+1 : i+3]
		}
	} else {
		for k, v := range pairs(reply) {
			found[k] = list(v)
		}
	}
	short := []string{}
	for k := range found {
		short = append(short, k)
	}
	sort.Strings(short)
	check("VSEARCH filters", short, []string{"king", "queen", "river", "tea"})
	check("VSEARCH tells the attribute", found["king"][1], interface{}(`{"len":4}`))
	score, err := strconv.ParseFloat(fmt.Sprint(found["king"][0]), 64)
	check("VSEARCH tells the score", err == nil && math.Abs(score-1) < 0.01, true)
}

func files(r *redis.Client) {
	wrote := list(do(r, "FS.WRITE", "agent1", "/src/main.c", "int main(){}", "PARENTS"))
	check("FS.WRITE answers version and size", len(wrote) == 2 && wrote[1] == int64(12), true)
	check("FS.READ", do(r, "FS.READ", "agent1", "/src/main.c"), "int main(){}")
	entries := list(list(do(r, "FS.LS", "agent1", "/src", "WITHSTAT"))[1])
	if row := list(entries[0]); row != nil {
		entries = row
	}
	stat := pairs(entries[1])
	check("FS.LS WITHSTAT", []interface{}{entries[0], stat["size"], stat["type"]},
		[]interface{}{"main.c", int64(12), "file"})
	check("a missing file is an error", strings.Contains(do(r, "FS.READ", "agent1", "/none").(string), "ENOENT"), true)
}

func change(r *redis.Client) {
	check("SET again", r.Set(ctx, "greeting", "bye", 0).Val(), "OK")
	check("HSET again", r.HSet(ctx, "user:1", "lang", "Rust").Val(), int64(0))
	check("VREM", r.VRem(ctx, "words", "queen").Val(), true)
	check("VADD another", r.VAdd(ctx, "words", "emperor", &redis.VectorValues{Val: vector(1.005)}).Val(), true)
	check("FS.WRITE again", list(do(r, "FS.WRITE", "agent1", "/src/main.c", "changed"))[1], interface{}(int64(7)))
	check("FS.WRITE another", list(do(r, "FS.WRITE", "agent1", "/new", "new"))[1], interface{}(int64(3)))
	var n *redis.IntCmd
	_, err := r.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "a", 1, 0)
		n = p.IncrBy(ctx, "a", 41)
		return nil
	})
	check("MULTI and EXEC", []interface{}{err, n.Val()}, []interface{}{error(nil), int64(42)})
}

func state(r doer) []interface{} {
	names, _ := nearest(r, 3)
	sort.Strings(names)
	entries := list(do(r, "FS.LS", "agent1", "/"))
	return []interface{}{r.Get(ctx, "greeting").Val(), r.HGet(ctx, "user:1", "lang").Val(), strings.Join(names, " "),
		do(r, "FS.READ", "agent1", "/src/main.c"), fmt.Sprint(entries[1]), r.Get(ctx, "a").Val()}
}

var before = []interface{}{"hello", "C", "king prince queen", "int main(){}", "[src]", ""}
var after = []interface{}{"bye", "Rust", "emperor king prince", "changed", "[new src]", "42"}

func branches(r *redis.Client) {
	check("SNAPSHOT FORK", do(r, "SNAPSHOT", "FORK", "before", "branch"), "OK")
	one := r.Conn()
	check("SELECT of a fork", do(one, "SELECT", "branch"), "OK")
	check("the fork has what was there", state(one), before)
	one.Set(ctx, "greeting", "from the branch", 0)
	check("the fork can be written", one.Get(ctx, "greeting").Val(), "from the branch")
	check("back in database 0", do(one, "SELECT", 0), "OK")
	one.Close()
	check("the fork is apart", state(r), after)
	safety := do(r, "SNAPSHOT", "RESTORE", "before")
	check("SNAPSHOT RESTORE names a safety snapshot", strings.HasPrefix(safety.(string), "before"), true)
	check("all is back", state(r), before)
	names := []interface{}{}
	for _, s := range list(do(r, "SNAPSHOT", "LIST")) {
		names = append(names, pairs(s)["name"])
	}
	check("SNAPSHOT LIST", names, []interface{}{"before", safety})
}

func rest(r *redis.Client) {
	check("an error is the client's error", strings.HasPrefix(r.HGet(ctx, "greeting", "x").Err().Error(), "WRONGTYPE"), true)
	cmds, err := r.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := 0; i < 500; i++ {
			p.Set(ctx, fmt.Sprintf("key:%d", i), i, 0)
		}
		return nil
	})
	check("a pipeline", []interface{}{len(cmds), err}, []interface{}{500, error(nil)})
	seen := map[string]bool{}
	for i := r.Scan(ctx, 0, "key:*", 50).Iterator(); i.Next(ctx); {
		seen[i.Val()] = true
	}
	check("SCAN sees every key", len(seen), 500)
	check("CLIENT ACK", do(r, "CLIENT", "ACK", "memory"), "OK")
}

func main() {
	protocol, _ := strconv.Atoi(os.Args[2])
	r := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1], Protocol: protocol,
		UnstableResp3: protocol == 3})
	fill(r)
	search(r)
	files(r)
	check("SNAPSHOT CREATE", pairs(do(r, "SNAPSHOT", "CREATE", "before"))["name"], interface{}("before"))
	change(r)
	check("all is changed", state(r), after)
	fmt.Println("KILL")
	bufio.NewReader(os.Stdin).ReadString('\n')
	check("every acknowledged change is there after kill -9", state(r), after)
	branches(r)
	rest(r)
	fmt.Printf("1..%d\n", count)
}
