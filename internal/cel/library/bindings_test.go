package library

import (
	"strings"
	"testing"

	"apichain/internal/cel"
)

// TestBindings gives values a name: within the third argument it stands for the value, which is computed once, and nowhere else. The
// receiver has to be cel itself; a call on anything else is one of a function that nobody has.
func TestBindings(t *testing.T) {
	env := cel.NewEnv(cel.Options{Libraries: append(Stored(), Bindings()), Optionals: true, Homogeneous: true, Literals: true})
	for _, c := range [][2]string{
		{"cel.bind(a, 2 + 3, a * a)", "25"},
		{"cel.bind(a, 2, cel.bind(b, a + 1, a * b))", "6"},
		{"cel.bind(a, 2, cel.bind(a, a + 1, a))", "3"},
		{"[1, 2].map(i, cel.bind(a, i * 10, a + i))", "[11, 22]"},
		{"cel.bind(a, 1 / 0, true)", "true"}, // what is bound and never used is never computed
		{"cel.bind(a, 1, b)", "undeclared reference to 'b'"},
		{"cel.bind(a, 1, a) + a", "undeclared reference to 'a'"},
		{"cel.bind(a.b, 1, 2)", "cel.bind() variable names must be simple identifiers"},
		{"cel.bind('a', 1, 2)", "cel.bind() variable names must be simple identifiers"},
		{"[1].bind(a, 1, 2)", "undeclared reference to 'bind'"},
		{"cel.bind(a, 1)", "undeclared reference to 'bind'"},
	} {
		v := cel.Value{}
		if checked, err := env.Check(c[0]); err != nil {
			v = cel.Fail(err)
		} else if program, err := checked.Program(); err != nil {
			v = cel.Fail(err)
		} else {
			v, _ = program.Eval(nil, cel.Limit{Cost: budget})
		}
		if got := text(v); got != c[1] && !(v.Kind() == cel.Error && strings.Contains(got, c[1])) {
			t.Errorf("%s is %s, want %s", c[0], got, c[1])
		}
	}
}
