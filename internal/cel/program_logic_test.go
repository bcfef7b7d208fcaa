package cel

import (
	"errors"
	"strings"
	"testing"
)

// shortWays are expressions whose parts are evaluated by ways of their own, with the cost that upstream's tracker has for them.
var shortWays = []struct {
	text string
	cost uint64
}{
	{"l.all(x, x.n > 0)", 14},
	{"l.all(x, has(x.s))", 10},
	{"!l.exists(x, x.n > 9)", 17},
	{"l.exists_one(x, x.s == 'b')", 11},
	{"l.filter(x, x.n == 2).size() == 1", 23},
	{"l.map(x, x.n).size() == 2", 32},
	{"l[0].s != l[1].s", 7},
	{"l[0].s in ['a', 'c']", 3},
	{"!(l[0].s in ['b', 'c'])", 4},
	{"l[0].s == l[0].s + ''", 8},
	{"l[0].long == l[0].long", 9},
	{"l[0].long != ''", 3},
	{"l[0].n == 1 && l[1].n == 2", 8},
	{"l.all(x, l.exists_one(y, x.s == y.s))", 38},
	{"l.all(x, x.n == 1 || x.none == 'z' || x.n == 2)", 20},
	{"!has(l[0].none)", 3},
}

// shortRows are what they look at.
func shortRows() (Value, *Type) {
	field := func(key string, t *Type) *Field { return &Field{Key: key, Type: t} }
	item := &Type{Kind: Object, Name: "item", Fields: map[string]*Field{"n": field("n", IntType), "s": field("s", StringType),
		"long": field("long", StringType), "none": field("none", StringType)}}
	long := strings.Repeat("é", 25)
	return Of([]any{
		map[string]any{"n": int64(1), "s": "a", "long": long}, map[string]any{"n": int64(2), "s": "b", "long": long},
	}, ListOf(item)), ListOf(item)
}

// TestShortWays: each holds, costs what it should, is evaluated with exactly that much, and with one less is not.
func TestShortWays(t *testing.T) {
	rows, of := shortRows()
	env := NewEnv(Options{Libraries: []*Library{Standard()}}).With([]Variable{{Name: "l", Type: of}}, nil)
	for _, c := range shortWays {
		checked, err := env.Check(c.text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := checked.Program()
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []uint64{NoLimit, c.cost} {
			if v, cost := p.Eval([]Value{rows}, Limit{Cost: limit}); !v.Bool() || cost != c.cost {
				t.Errorf("%s: %v at %d of %d, want %d", c.text, v, cost, limit, c.cost)
			}
		}
		for limit := range c.cost {
			if v, cost := p.Eval([]Value{rows}, Limit{Cost: limit}); !errors.Is(v.Err(), ErrBudget) || cost <= limit {
				t.Errorf("%s: %v at %d of %d", c.text, v, cost, limit)
			}
		}
		if n := testing.AllocsPerRun(20, func() { p.Eval([]Value{rows}, Limit{Cost: NoLimit}) }); n > 5 {
			t.Errorf("%s: %v allocations", c.text, n)
		}
	}
}

// TestErrorsBesideBools: of && and || an error counts only where the other side does not decide, whichever side it is on.
func TestErrorsBesideBools(t *testing.T) {
	const fails = "[1][9] == 1"
	env := NewEnv(Options{Libraries: []*Library{Standard()}})
	for text, want := range map[string]string{
		fails + " && false": "false", "false && " + fails: "false", fails + " || true": "true", "true || " + fails: "true",
		fails + " && true": "index out of bounds: 9", "true && " + fails: "index out of bounds: 9",
		fails + " || false": "index out of bounds: 9", "false || " + fails: "index out of bounds: 9",
		"[1, 2].all(x, x == 2 || " + fails + ")":          "index out of bounds: 9",
		"[1, 2].all(x, x == 1 ? " + fails + " : false)":   "false",
		"[1, 2].exists(x, x == 1 ? " + fails + " : true)": "true",
		"[1, 2].exists_one(x, " + fails + ")":             "index out of bounds: 9",
	} {
		checked, err := env.Check(text)
		if err != nil {
			t.Fatal(err)
		}
		p, err := checked.Program()
		if err != nil {
			t.Fatal(err)
		}
		v, _ := p.Eval(nil, Limit{Cost: NoLimit})
		said := v.String()
		if err := v.Err(); err != nil {
			said = err.Error()
		}
		if said != want {
			t.Errorf("%s: %s, want %s", text, said, want)
		}
	}
}
