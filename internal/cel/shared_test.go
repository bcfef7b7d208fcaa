package cel_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"apichain/internal/cel"
)

// What many goroutines may use at once is shown here, for the race detector too: an Env, a Checked, a Program, a Value over a tree.
// The expressions go through whatever keeps something from one call to the next: frames of a pool, sorted keys of large maps, time
// zones of the machine, accumulators that are appended to in place, regular expressions, errors that make their text late.
var shared = []string{
	"self.ports.map(p, p.name + string(self.count)).filter(n, n.size() > 2).size()",
	"self.labels.map(k, self.labels[k])",
	"self.big.map(k, self.big.exists(j, j >= 'k000')).size()",
	"self.big.transformMap(k, v, v + self.count).size()",
	"timestamp('2024-07-01T00:00:00Z').getHours(self.zone) + timestamp('2024-07-01T00:00:00Z').getHours('+02:00')",
	"self.name.matches('^' + self.name + '$') && self.name.find('[a-z]+') == self.name.findAll('.')[0] + self.name.substring(1)",
	"self.set + ['a', 'e']",
	"'%s has %d of %v'.size() + '%s %d'.format([self.name, self.count]).size()",
	"url('https://h/p?b=2&a=1&c=' + self.name).getQuery()",
	"quantity('1Gi').add(quantity(string(self.count))).asInteger() + semver('1.2.' + string(self.count)).patch()",
	"self.labels.nope == self.name || self.count > 0",
	"self.nope.a",
	"[1, 2, 3].map(x, [x].map(y, x + y + self.count))",
	"optional.of(self.count).optMap(x, x * x).orValue(0)",
}

// sharedObject is the object of one goroutine, which differs by its number.
func sharedObject(i int) map[string]any {
	big := map[string]any{}
	for j := range 300 {
		big[fmt.Sprintf("k%03d", j)] = int64(j * i)
	}
	return map[string]any{
		"name": strings.Repeat(string(rune('b'+i)), 3), "count": int64(i), "zone": "UTC", "set": []any{"a", "c", "d"}, "big": big,
		"ports": []any{map[string]any{"name": fmt.Sprint("p", i)}, map[string]any{"name": "x"}}, "labels": map[string]any{"app": "web"},
	}
}

// TestShared evaluates each expression on many goroutines over objects of their own, and over one that all of them have, and compares
// with what it is when nobody else evaluates it. It is what go test -race is for.
func TestShared(t *testing.T) {
	const workers, rounds = 8, 5
	base := everything().With([]cel.Variable{{Name: "self", Type: cel.DynType}, {Name: "all", Type: cel.DynType}}, nil)
	for _, text := range shared {
		checked, err := base.Check(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		p, err := checked.Program()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		common := cel.Of(sharedObject(workers), nil)
		answer := func(self cel.Value) string {
			v, cost := p.Eval([]cel.Value{cel.NullValue, self, common}, cel.Limit{Cost: 10_000_000})
			return fmt.Sprint(valueText(v), " for ", cost)
		}
		want := make([]string, workers)
		for i := range want {
			want[i] = answer(cel.Of(sharedObject(i), nil))
		}
		ofAll := answer(common)
		var group sync.WaitGroup
		for i := range workers {
			group.Go(func() {
				self := cel.Of(sharedObject(i), nil)
				for range rounds {
					if got := answer(self); got != want[i] {
						t.Errorf("%s: %d: %s, want %s", text, i, got, want[i])
						return
					}
					if got := answer(common); got != ofAll {
						t.Errorf("%s: of all: %s, want %s", text, got, ofAll)
						return
					}
				}
			})
		}
		group.Wait()
	}
}

// TestSharedCompile reads, estimates and plans expressions against one Env on many goroutines.
func TestSharedCompile(t *testing.T) {
	env := everything()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, l := range lessons {
				for _, line := range l.lines {
					if got := answerOf(env, line[0]); got != line[1] {
						t.Errorf("%s: %s, want %s", line[0], got, line[1])
						return
					}
				}
			}
		})
	}
	group.Wait()
}

// TestStable evaluates what is gathered from maps many times: nothing of it may depend on the order in which Go goes through them.
func TestStable(t *testing.T) {
	tree := sharedObject(3)
	vars := []cel.Value{cel.Of(tree, cel.DynType)}
	for text, want := range map[string]string{
		"{'b': 1, 'a': 2, 'c': 3}.map(k, k)":                                      `["b", "a", "c"]`,
		"url('/?z=1&y=2&x=3&w=4&v=5').getQuery().map(k, k)":                       `["v", "w", "x", "y", "z"]`,
		"self.big.map(k, k).slice(0, 3)":                                          `["k000", "k001", "k002"]`,
		"self.map(k, k)":                                                          `["big", "count", "labels", "name", "ports", "set", "zone"]`,
		"self.transformList(k, v, k + '!').filter(x, x.endsWith('s!')).join(',')": `"labels!,ports!"`,
		"'%s'.format([{'b': 1, 'a': 2, 'c': 3}])":                                 `"{\"a\":2, \"b\":1, \"c\":3}"`,
	} {
		p := program(t, text, cel.Variable{Name: "self", Type: cel.DynType})
		for range 20 {
			v, _ := p.Eval(vars, cel.Limit{Cost: 1_000_000})
			if got := valueText(v); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
				break
			}
		}
	}
}

// TestBeyondMemory has values that are larger than any memory, though an expression makes them for little: what would copy or print
// them is out of budget, or says so, and takes no more memory than it may.
func TestBeyondMemory(t *testing.T) {
	twice := strings.Repeat(".map(l, l + l)", 40) // a list of 2^40 items
	deep := strings.Repeat(".map(l, [l, l])", 40) // one of 2^40 leaves
	wide := strings.Repeat(".map(m, {'a': m, 'b': m})", 40)
	for text, want := range map[string]string{
		"[[0]]" + twice + ".map(l, google.protobuf.ListValue{values: l})":  "operation cancelled: actual cost limit exceeded",
		"[[0]]" + deep + ".map(l, google.protobuf.ListValue{values: l})":   "operation cancelled: actual cost limit exceeded",
		"[{'a': 0}]" + wide + ".map(m, google.protobuf.Struct{fields: m})": "operation cancelled: actual cost limit exceeded",
		"[[0]]" + twice + ".map(l, l.reverse())":                           "operation cancelled: actual cost limit exceeded",
		"[[0]]" + twice + ".map(l, l.slice(0, 1000000000))":                "operation cancelled: actual cost limit exceeded",
		"[[[]]]" + twice + ".map(l, '%s%s'.format([dyn(0), l]))":           "operation cancelled: actual cost limit exceeded",
		"[[0]]" + deep + ".map(l, [dyn(0), l, l].distinct())":              "operation cancelled: actual cost limit exceeded",
		"[[0]]" + twice + ".map(l, l + l)":                                 "operation cancelled: actual cost limit exceeded",
		"[[0]]" + twice + ".map(l, l.size())[0]":                           "1099511627776",
		"[[0]]" + twice + ".map(l, l[1000000000000])[0]":                   "0",
		"[[0]]" + twice + ".map(l, l == l)[0]":                             "operation cancelled: actual cost limit exceeded",
	} {
		v, _ := program(t, text).Eval(nil, cel.Limit{Cost: 20_000})
		if got := v.String(); got != want {
			t.Errorf("%.60s: %.100s, want %s", text[max(0, len(text)-60):], got, want)
		}
	}
	// A tree has no parts in common, so that it is counted.
	for _, text := range []string{"[[0]]" + twice, "[[0]]" + deep, "[{'a': 0}]" + wide, "['aaaaaaaaaaaaaaaa']" + twice} {
		v, _ := program(t, text).Eval(nil, cel.Limit{Cost: 20_000})
		if v.Err() != nil {
			continue // a sum of strings costs what it is long
		}
		if _, err := v.Tree(); err == nil || err.Error() != "a value of more than 1048576 parts is too large" {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}
