package cel

import (
	"testing"

	"apichain/internal/cel/syntax"
)

// base is an Env of the standard library with variables.
func base(vars ...Variable) *Env {
	std := Standard()
	std.Macros = syntax.Standard
	return NewEnv(Options{Libraries: []*Library{std}, Variables: vars, Homogeneous: true, Optionals: true})
}

// TestValues evaluates what needs no variables.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		text, want string
		cost       uint64
	}{
		{"1 + 2 * 3", "7", 2},
		{"[1, 2, 3].map(x, x * 2)", "[2, 4, 6]", 43},
		{"[1, 2, 3].all(x, x > 0) && 'a' in {'a': 1}", "true", 17},
		{"1 / 0 == 1 || true", "true", 2},
		{"{'a': 1}.b", "no such key: b", 2},
		{"[1][3]", "index out of bounds: 3", 2},
		{"9223372036854775807 + 1", "integer overflow", 1},
		{"'abc'.size() == 3 ? 'yes' : 'no'", "yes", 2},
		{"type(1) == int", "true", 1},
		{"timestamp('2020-01-01T00:00:00Z') + duration('1h')", "2020-01-01 01:00:00 +0000 UTC", 1},
		{"timestamp('2020-01-01T00:00:00Z').getHours('+02:00')", "2", 1},
		{"'abc'.matches('a.c')", "true", 1},
		{"2 in [1, 2]", "true", 0},
	} {
		checked, err := base().Check(c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		p, err := checked.Program()
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		v, cost := p.Eval(nil, Limit{Cost: 1000})
		if v.String() != c.want || cost != c.cost {
			t.Errorf("%s: %s for %d, want %s for %d", c.text, v, cost, c.want, c.cost)
		}
	}
}

// replicas is the type of an object with two numbers.
func replicas() *Type {
	return &Type{Kind: Object, Name: "self", Fields: map[string]*Field{
		"minReplicas": {Type: IntType, Key: "minReplicas"}, "maxReplicas": {Type: IntType, Key: "maxReplicas"},
	}}
}

// BenchmarkCompare is the rule that the figures are about: two fields of an object.
func BenchmarkCompare(b *testing.B) {
	self := replicas()
	checked, err := base(Variable{"self", self}).Check("self.minReplicas <= self.maxReplicas")
	if err != nil {
		b.Fatal(err)
	}
	p, err := checked.Program()
	if err != nil {
		b.Fatal(err)
	}
	vars := []Value{Of(map[string]any{"minReplicas": int64(3), "maxReplicas": int64(7)}, self)}
	b.ReportAllocs()
	for b.Loop() {
		if v, _ := p.Eval(vars, Limit{Cost: 1000000}); v != True {
			b.Fatal(v)
		}
	}
}
