package syntax

import (
	"strings"
	"testing"
)

// expression calls the parser with macros and returns what it makes of a text, or what is wrong with it.
func expression(text string, macros ...Macro) string {
	ast, err := Parse(text, Options{Macros: macros})
	if err != nil {
		return err.Error()
	}
	return show(ast.Root)
}

// TestMacros expands macros of one's own: all forms of the Expander's nodes, macros that leave a call as it is, and that refuse it.
func TestMacros(t *testing.T) {
	twice := func(x *Expander, _ *Expr, args []*Expr) (*Expr, *Fault) {
		return x.Call("_+_", args[0], x.Copy(args[0])), nil
	}
	every := func(x *Expander, operand *Expr, args []*Expr) (*Expr, *Fault) {
		item := x.Select(x.Ident("a"), "b")
		entry := x.Entry(x.Literal("k"), x.Has(x.Accumulator(), "f"), true)
		return x.Member("f", operand, x.List(item), x.Map(entry)), nil
	}
	leave := func(*Expander, *Expr, []*Expr) (*Expr, *Fault) { return nil, nil }
	name := func(x *Expander, _ *Expr, args []*Expr) (*Expr, *Fault) {
		v, fault := x.Variable(args[0], "not a name")
		if fault != nil {
			return nil, fault
		}
		return x.Literal(v), nil
	}
	macros := []Macro{{"twice", false, 1, twice}, {"every", true, -1, every}, {"leave", false, 0, leave}, {"name", false, 1, name},
		{"every", true, 1, name}}
	for _, c := range [][2]string{
		{"twice(a.b(c)[1] ? {d: [e]} : f{g: -1})",
			"(_+_ (_?_:_ (_[_] (b a / c) 1) map{d [e]} f{g -1}) (_?_:_ (_[_] (b a / c) 1) map{d [e]} f{g -1}))"},
		{"x.every()", `(f x / [a.b] map{?"k" has(@result.f)})`},
		{"x.every(y)", `"y"`},
		{"x.every(y, z)", `(f x / [a.b] map{?"k" has(@result.f)})`},
		{"leave()", "(leave )"},
		{"leave(1)", "(leave 1)"},
		{"name(name)", `"name"`},
		{"1 + name(\n 2)", "ERROR: <input>:2:2: not a name\n |  2)\n | .^"},
		{"name(twice(1))", "ERROR: <input>:1:11: not a name\n | name(twice(1))\n | ..........^"},
		{"name(__result__)", "ERROR: <input>:1:6: iteration variable overwrites accumulator variable\n | name(__result__)\n | .....^"},
		{"name(name(2)) + 3)", "ERROR: <input>:1:11: not a name\n | name(name(2)) + 3)\n | ..........^\n" +
			"ERROR: <input>:1:11: not a name\n | name(name(2)) + 3)\n | ..........^\n" +
			"ERROR: <input>:1:18: Syntax error: extraneous input ')' expecting <EOF>\n | name(name(2)) + 3)\n | .................^"},
	} {
		if got := expression(c[0], macros...); got != c[1] {
			t.Errorf("%s:\n%s, want\n%s", c[0], got, c[1])
		}
	}
}

// TestPlaces has the ID of every node in the order of upstream, and its place: of an operation that of its operator.
func TestPlaces(t *testing.T) {
	ast, err := Parse("a.b + f(-1)[2] ? {3: x} :\n y.all(z, z)", Options{Macros: Standard})
	if err != nil {
		t.Fatal(err)
	}
	cond := ast.Root
	sum := cond.Args[0]
	entry := cond.Args[1].Entries[0]
	fold := cond.Args[2]
	for _, c := range []struct {
		name       string
		id         int32
		wantID     int32
		wantOffset int32
	}{
		{"a", sum.Args[0].Operand.ID, 1, 0}, {"a.b", sum.Args[0].ID, 2, 1}, {"+", sum.ID, 3, 4}, {"f(-1)", sum.Args[1].Args[0].ID, 4, 7},
		{"-1", sum.Args[1].Args[0].Args[0].ID, 5, 8}, {"[2]", sum.Args[1].ID, 6, 11}, {"?", cond.ID, 8, 15}, {"{", cond.Args[1].ID, 9, 17},
		{":", entry.ID, 10, 19}, {"3", entry.Key.ID, 11, 18}, {"x", entry.Value.ID, 12, 21}, {"y", fold.Fold.Range.ID, 13, 27},
		{"all", fold.ID, 23, 32}, {"init", fold.Fold.Init.ID, 17, 32},
	} {
		if c.id != c.wantID || ast.Offsets[c.id] != c.wantOffset {
			t.Errorf("%s: #%d at %d, want #%d at %d", c.name, c.id, ast.Offsets[c.id], c.wantID, c.wantOffset)
		}
	}
	if line, column := ast.Source.Place(ast.Offsets[fold.ID]); line != 2 || column != 6 {
		t.Errorf("all is in line %d, column %d", line, column)
	}
}

// FuzzParse reads anything without a panic: a tree whose nodes all have an ID and a place, or faults. Reading is the same again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a.b(c)[1] + -2 * 3u", "has(a.b) && x.all(y, y > 1.5)", "{'a': b'\\xff', ?c: [?d]}", "a{b: c, ?d: e}.`f-g`",
		"1 +", "a b)",
		"\"\"\"x\"\"\" in r'\\'", "-1.a.b(c d", "&", "a ? b : c // d\n", "世", "x.map(i, i, i).exists_one(j, has(j))"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, optionals bool) {
		ast, err := Parse(text, Options{Macros: Standard, Optionals: optionals})
		if err != nil {
			if faults := err.(*Faults); len(faults.List) == 0 || !strings.HasPrefix(err.Error(), "ERROR: <input>:") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		var walk func(e *Expr)
		walk = func(e *Expr) {
			if e == nil {
				return
			}
			if e.Kind == 0 || e.ID < 1 || int(e.ID) >= len(ast.Offsets) || ast.Offsets[e.ID] < 0 {
				t.Fatalf("%q: node %+v", text, e)
			}
			walk(e.Operand)
			for _, a := range e.Args {
				walk(a)
			}
			for _, n := range e.Entries {
				walk(n.Key)
				walk(n.Value)
			}
			if c := e.Fold; c != nil {
				for _, p := range []*Expr{c.Range, c.Init, c.Condition, c.Step, c.Result} {
					walk(p)
				}
			}
		}
		walk(ast.Root)
		again, err := Parse(text, Options{Macros: Standard, Optionals: optionals})
		if err != nil || show(again.Root) != show(ast.Root) {
			t.Fatalf("%q: read twice: %v", text, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{"short": "self.minReplicas <= self.maxReplicas",
		"macros": "self.items.all(i, i.port in [80, 443] || i.name.startsWith('x'))", "faulty": "self.items.all(i, i.port in [80, 443]"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(text, Options{Macros: Standard})
			}
		})
	}
}
