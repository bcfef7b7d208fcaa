package syntax

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostile reads texts that are made to take long: as long as a text may be, nested, or ambiguous up to their ends.
func TestHostile(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, (sizeLimit-1)/len(s)) }
	for _, c := range []struct{ name, text, want string }{
		{"too long", strings.Repeat("(", 1<<20), "expression code point size exceeds limit: size: 1048576, limit 100000"},
		{"parentheses", fill("("), "expression recursion limit exceeded: 250"},
		{"brackets", fill("["), "expression recursion limit exceeded: 250"},
		{"braces", fill("{a:"), "expression recursion limit exceeded: 250"},
		{"messages", fill("a{b:"), "expression recursion limit exceeded: 250"},
		{"calls", fill("f("), "expression recursion limit exceeded: 250"},
		{"macros", fill("a.all(b,"), "expression recursion limit exceeded: 250"},
		{"indices", fill("a["), "expression recursion limit exceeded: 250"},
		{"conditions", fill("a?b:"), "expression recursion limit exceeded: 250"},
		{"relations", strings.Repeat("1<(", 200) + "1" + strings.Repeat(")", 200), "expression recursion limit exceeded: 250"},
		{"sum", fill("a+") + "a", "max recursion depth exceeded"},
		{"selection", fill("a.") + "a", "max recursion depth exceeded"},
		{"negations", fill("!"), "extraneous input '<EOF>' expecting"},
		{"signs", fill("-"), "no viable alternative at input '-'"},
		{"points", fill("."), "error recovery token lookahead limit exceeded: 256"},
		{"questions", fill("a?"), "error recovery token lookahead limit exceeded: 256"},
		{"commas", fill(","), "error recovery token lookahead limit exceeded: 256"},
		{"words", fill("a "), "error recovery token lookahead limit exceeded: 256"},
		{"ends", "[" + strings.Repeat("a,", 40_000) + "])", "extraneous input ')' expecting <EOF>"},
		{"terms", strings.Repeat("a||", 30_000), "mismatched input '<EOF>' expecting"},
		{"no tokens", fill("#"), "\n1 more errors were truncated"},
		{"open strings", fill(`"a\`), "token recognition error"},
		{"ambiguous", strings.Repeat("-1.a(", 200) + strings.Repeat("-1.b.c(d),", 9000) + "@", "error recovery"},
		{"ambiguous to its end", strings.Repeat("-1.a(", 200) + strings.Repeat("--1.b,", 15_000) + "b" + strings.Repeat(")", 200) + " x",
			"extraneous input 'x' expecting <EOF>"},
		{"name or message", strings.Repeat("a.b.c.", 16_000) + "d", "max recursion depth exceeded"},
	} {
		begun := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(c.text, Options{Macros: Standard, Optionals: true})
		runtime.ReadMemStats(&after)
		took, used := time.Since(begun), (after.TotalAlloc-before.TotalAlloc)>>20
		t.Logf("%s: %v, %d MiB", c.name, took, used)
		if took > 10*time.Second || used > 400 {
			t.Errorf("%s: took %v and allocated %d MiB", c.name, took, used)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.500v, want %s", c.name, err, c.want)
		}
	}
	// A macro that copies what it is called on.
	twice := Macro{"twice", true, 0, func(x *Expander, operand *Expr, _ []*Expr) (*Expr, *Fault) {
		return x.Call("f", operand, x.Copy(operand)), nil
	}}
	_, err := Parse("a"+strings.Repeat(".twice()", 200), Options{Macros: []Macro{twice}})
	if err == nil || err.Error() != "ERROR: <input>:-1:0: expression expands to more than 200000 nodes" {
		t.Errorf("copies of copies: %.500v", err)
	}
	if _, err := Parse("a"+strings.Repeat(".twice()", 10), Options{Macros: []Macro{twice}}); err != nil {
		t.Errorf("a few copies: %v", err)
	}
	// As long, but sound.
	for _, text := range []string{"[" + strings.Repeat("a,", 45_000) + "]", strings.Repeat("a.b&&", 19_000) + "a",
		strings.Repeat(" ", 99_999) + "a"} {
		if _, err := Parse(text, Options{}); err != nil {
			t.Errorf("%.20s: %.500v", text, err)
		}
	}
}
