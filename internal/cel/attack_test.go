//go:build linux && !race

package cel_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// attacks are expressions that do as much as they can for what they cost, over an object of three megabytes: s is a long string,
// n long digits, l a long list of ints, t one of strings, m a long map, b and bs long bytes in base64, d a duration of many words, t2 a
// list of one long string, set a set of texts, keyed a map list.
var attacks = []string{
	// What costs 1, over and over.
	"self.l.all(x, size(self.s) > 0)",
	"self.l.all(x, self.s != self.t[0])",
	"self.l.all(x, self.s == self.s2 || true)",
	"self.l.all(x, double(self.n) > 0.0 || true)",
	"self.l.all(x, int(self.n) > 0 || true)",
	"self.l.all(x, duration(self.n) > duration('1s') || true)",
	"self.l.all(x, timestamp(self.s) > timestamp('2020-01-01T00:00:00Z') || true)",
	"self.l.all(x, self.l == self.l2)",
	"self.l.all(x, self.m == self.m2)",
	"self.l.all(x, x in self.l2 || true)",
	"self.l.all(x, timestamp(x).getHours(self.s) == 1 || true)",
	"self.l.all(x, timestamp(x).getHours('Nowhere/' + string(x)) == 1 || true)",
	"self.l.all(x, size(self.m) > 0)",
	"self.l.all(x, self.m.exists(k, true))",
	"self.l.all(x, self.m.all(k, k == ''))",
	"self.l.all(x, bytes(self.s) == b'' || true)",
	"self.l.all(x, dyn(self.l) == dyn(self.l2))",
	"self.l.all(x, self.s.startsWith(self.s2))",
	"self.l.all(x, self.s.contains('b'))",
	"self.l.all(x, self.s.matches('(a|a|a|a|a|a|a|a)*b'))",
	"self.l.all(x, self.s.matches('((a{0,10}){0,10}){0,9}b'))",
	"self.l.all(x, 'a'.matches('((((a{1,9}){1,9}){1,9}))' + string(x)))",
	"self.t.all(x, self.s.matches(x + '.*'))",
	"self.l.all(x, 'a'.matches(string(x) + '(?:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa){1000}') || true)",
	"self.l.all(x, self.s.substring(0, 10000).matches('(a?){1000}a') || true)",
	"self.l.all(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a?){1000}b') || true)",
	"self.l.all(x, self.t.all(y, y.matches('((t|e|x|t){0,100} ?){0,10}z') || true))",
	// Structures that are larger than their cost.
	"[0].map(x, self.l + self.l).map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).all(x, x == x)",
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 50) + ".all(x, x == x)",
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 50) + ".all(x, 5 in x)",
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 70) + ".all(x, 5 in x)",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 60) + ".all(x, x == x)",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 60) + "[0] == []",
	"[0].map(x, {'a': 0})" + strings.Repeat(".map(x, {'a': x, 'b': x})", 60) + ".all(x, x == x)",
	"[0].map(x, 'a')" + strings.Repeat(".map(x, x + x)", 60) + ".all(x, x == x)",
	"self.l.map(x, self.l.map(y, self.l))",
	"self.l.map(x, self.s)",
	"self.l.map(x, self.s + string(x))",
	"self.t.map(x, self.t.map(y, x + y))",
	"self.l.map(x, {'a': x, 'b': [x], 'c': {'d': x}})",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, sets.contains([x], [x])))",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, [x, x].distinct().size() > 0))",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, [x].indexOf(x) == 0))",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, x in [x]))",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, [x, x].flatten().size() > 0))",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, {'a': x} == {'a': x}))",
	"optional.of(lists.range(100))" + strings.Repeat(".optMap(l, [l, l, l, l, l, l, l, l, l, l])", 8) + ".optMap(l, l == l)",
	// Texts that are read, hashed or printed at each look.
	"self.l.all(x, self.b != b'')",
	"self.l.all(x, self.bs[0] != b'')",
	"self.l.all(x, self.bs.all(y, y != b''))",
	"self.l.all(x, self.d > duration('1s'))",
	"self.l.all(x, self.m[self.s] == 1 || true)",
	"self.l.all(x, self.s in self.m || true)",
	"self.l.all(x, self.s in ['a', 'b'] || true)",
	"self.l.all(x, self.t2 == self.t3)",
	"self.l.all(x, self.s in self.t2)",
	"self.l.all(x, [?dyn(self.s)] == [] || true)",
	"self.l.all(x, [?dyn(self.l)] == [] || true)",
	"self.l.all(x, {self.s: x, 1: x}[self.s2] == x)",
	// Sets and map lists, which are merged and compared by keys.
	"self.l.all(x, size(self.set + self.set) > 0)",
	"self.l.all(x, self.set == self.set2)",
	"self.l.all(x, self.keyed == self.keyed2)",
	"self.l.all(x, size(self.keyed + self.keyed2) > 0)",
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 21) + ".all(x, size(self.set + dyn(x)) > 0)",
	"[[0]]" + strings.Repeat(".map(x, x + x)", 39) + ".all(x, x == x)",
	"[[0]]" + strings.Repeat(".map(x, x + x)", 39) + ".all(x, x.all(y, y == 0))",
	"[[0]]" + strings.Repeat(".map(x, x + x)", 39) + ".all(x, 1 in x)",
	// Lists that are longer than memory, and values that are deeper than the first item says.
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 9) + ".all(x, x.reverse() == [])",
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 9) + ".all(x, x.slice(0, 100000000) == [])",
	"[0].map(x, self.l + self.l)" + strings.Repeat(".map(x, x + x)", 21) + ".all(x, google.protobuf.ListValue{values: x} == [])",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 60) + ".all(x, google.protobuf.ListValue{values: x} == [])",
	"[0].map(x, {'a': 0})" + strings.Repeat(".map(x, {'a': x, 'b': x})", 60) + ".all(x, google.protobuf.Struct{fields: x} == {})",
	"[0].map(x, [[]])" + strings.Repeat(".map(x, x + x)", 38) + ".all(x, '%s%s'.format([dyn(0), x]) == '')",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, [dyn(0), x, x].distinct().size() > 0))",
	"[0].map(x, [0])" + strings.Repeat(".map(x, [x, x])", 18) + ".all(x, self.l.all(y, sets.contains([dyn(0), x], [dyn(0), x])))",
	// The libraries.
	"self.l.all(x, self.s.replace('a', self.s2) == '')",
	"self.l.all(x, self.s.replace('', self.s2) == '')",
	"[0].map(x, self.s.replace('a', 'aaaaaaaaaa'))" + strings.Repeat(".map(x, x.replace('a', 'aaaaaaaaaa'))", 9) + ".all(x, x == '')",
	"self.l.all(x, size(self.s.split('')) > 0)",
	"self.t.all(x, self.t.join(self.s) == '')",
	"self.l.all(x, '%s%s%s%s'.format([self.s, self.s, self.s, self.s]) == '')",
	"'%.1000000000f'.format([1.0]) == ''",
	"'%.999999f'.format([1.0]) == ''",
	"self.l.all(x, '%.900f'.format([1.0]) == '')",
	"self.l.all(x, self.l.distinct() == [])",
	"self.l.map(x, self.t).distinct() == []",
	"self.l.all(x, self.l.sort() == [])",
	"self.l.all(x, self.l.sortBy(y, -y) == [])",
	"self.l.all(x, self.l.reverse() == [])",
	"self.l.all(x, [self.l, self.l].flatten() == [])",
	"[self.l].map(x, [x, x]).map(x, [x, x]).map(x, [x, x]).map(x, [x, x])" + strings.Repeat(".map(x, [x, x])", 20) + ".flatten(100) == []",
	"self.l.all(x, lists.range(100000000) == [])",
	"self.l.all(x, size(lists.range(1000000)) > 0)",
	"self.l.all(x, quantity(self.n) == quantity('1') || true)",
	"self.l.all(x, isQuantity(self.n))",
	"self.l.all(x, semver(self.n + '.1.1') == semver('1.1.1') || true)",
	"self.l.all(x, isIP(self.s))",
	"self.l.all(x, isURL('http://' + self.s))",
	"self.l.all(x, self.s.findAll('a').size() > 0)",
	"self.l.all(x, self.s.lowerAscii() == '')",
	"self.l.all(x, self.s.indexOf('b') == 0)",
	"self.l.all(x, self.s.indexOf(self.s2 + 'b') == 0)",
	"self.l.all(x, self.s.lastIndexOf('b') == 0)",
	"self.l.all(x, self.s.charAt(100) == '')",
	"self.l.all(x, self.s.substring(1) == '')",
	"self.l.all(x, self.s.reverse() == '' || true)",
	"self.l.all(x, strings.quote(self.s) == '')",
	"self.l.all(x, self.s.trim() == '')",
	"self.l.all(x, self.l.sum() == 0)",
	"self.l.all(x, self.l.isSorted())",
	"self.l.all(x, self.l.max() == 0)",
	"self.l.all(x, self.l.indexOf(-1) == 0)",
	"self.l.all(x, self.t.includes('nothing'))",
	"self.l.all(x, sets.contains(self.l, self.l2))",
	"self.l.all(x, sets.equivalent(self.l, self.l2))",
	"self.l.all(x, sets.intersects(self.l, [-1]))",
	"self.l.transformMap(i, v, self.s)",
	"self.l.transformMapEntry(i, v, {string(i): self.l})",
	"self.l.all(x, self.l.transformMap(i, v, v) == {})",
	"self.l.all(x, format.dns1123Label().validate(self.s).hasValue())",
}

// attacked is the object.
func attacked() (*cel.Type, map[string]any) {
	field := func(key string, t *cel.Type) *cel.Field { return &cel.Field{Key: key, Type: t} }
	t := &cel.Type{Kind: cel.Object, Name: "Self", Fields: map[string]*cel.Field{
		"s": field("s", cel.StringType), "s2": field("s2", cel.StringType), "n": field("n", cel.StringType),
		"l": field("l", cel.ListOf(cel.IntType)), "l2": field("l2", cel.ListOf(cel.IntType)), "t": field("t", cel.ListOf(cel.StringType)),
		"m": field("m", cel.MapOf(cel.StringType, cel.IntType)), "m2": field("m2", cel.MapOf(cel.StringType, cel.IntType)),
	}}
	set, keyed := cel.ListOf(cel.StringType), cel.ListOf(&cel.Type{Kind: cel.Object, Name: "Item", Fields: map[string]*cel.Field{
		"k": field("k", cel.StringType)}})
	set.Listing, keyed.Listing, keyed.Keys = cel.Set, cel.Keyed, []string{"k"}
	for name, typ := range map[string]*cel.Type{"b": cel.BytesType, "bs": cel.ListOf(cel.BytesType), "d": cel.DurationType,
		"t2": cel.ListOf(cel.StringType), "t3": cel.ListOf(cel.StringType), "set": set, "set2": set, "keyed": keyed, "keyed2": keyed} {
		t.Fields[name] = field(name, typ)
	}
	list := func() []any {
		l := make([]any, 200000)
		for i := range l {
			l[i] = int64(i)
		}
		return l
	}
	m := func() map[string]any {
		m := map[string]any{}
		for i := range 50000 {
			m[fmt.Sprint(i)] = int64(i)
		}
		return m
	}
	texts := make([]any, 50000)
	for i := range texts {
		texts[i] = fmt.Sprint("text ", i)
	}
	items := make([]any, len(texts))
	for i, text := range texts {
		items[i] = map[string]any{"k": text}
	}
	return t, map[string]any{
		"b": strings.Repeat("aaaa", 3<<18), "bs": []any{strings.Repeat("aaaa", 3<<18)}, "d": strings.Repeat("1 day ", 3<<17),
		"t2": []any{strings.Repeat("a", 3<<20)}, "t3": []any{strings.Repeat("a", 3<<20)},
		"set": texts, "set2": slices.Clone(texts), "keyed": items, "keyed2": slices.Clone(items),
		"s": strings.Repeat("a", 3<<20), "s2": strings.Repeat("a", 3<<20), "n": strings.Repeat("0", 3<<20) + "1",
		"l": list(), "l2": list(), "t": texts, "m": m(), "m2": m(),
	}
}

// processor returns the time that this thread has had.
func processor() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(1, &u) // RUSAGE_THREAD
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a budget is worth at most: perCost of processor for each unit and four kilobytes made, most of it garbage, beside what the
// first steps of an evaluation are worth. The figures leave room for machines that are busy: by themselves the worst of the attacks
// take 3 µs for a unit.
const (
	base    = 2 * time.Second
	perCost = 10 * time.Microsecond
)

// TestProportion shows that no expression takes more than that, whatever it does, and none panics. CEL_BUDGET is the budget;
// kube-apiserver's is 1,000,000. CEL_ATTACK is a part of the attacks to make.
func TestProportion(t *testing.T) {
	budget := uint64(20000)
	if s := os.Getenv("CEL_BUDGET"); s != "" {
		var err error
		if budget, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	typ, tree := attacked()
	env := cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true, Variables: []cel.Variable{{Name: "self", Type: typ}}})
	vars := []cel.Value{cel.Of(tree, typ)}
	for _, e := range attacks {
		if !strings.Contains(e, os.Getenv("CEL_ATTACK")) {
			continue
		}
		checked, err := env.Check(e)
		if err != nil {
			if !strings.Contains(e, ".reverse() == ''") {
				t.Errorf("%.100s: %v", e, err)
			}
			continue
		}
		p, err := checked.Program()
		if err != nil {
			t.Errorf("%.100s: %v", e, err)
			continue
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := processor()
		v, cost := p.Eval(vars, cel.Limit{Cost: budget})
		took := processor() - start
		runtime.ReadMemStats(&after)
		made := after.TotalAlloc - before.TotalAlloc
		t.Logf("%8v %6d MiB cost %8d %.40s  %.110s", took.Round(time.Millisecond), made>>20, cost, v, e)
		if took > base+time.Duration(budget)*perCost {
			t.Errorf("%v of processor for %.110s", took, e)
		}
		if made > 256<<20+budget*4096 {
			t.Errorf("%d MiB for %.110s", made>>20, e)
		}
	}
}
