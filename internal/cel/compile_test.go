package cel_test

import (
	"fmt"
	"runtime"
	"testing"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// gatewayRules are rules in the style of Gateway API's.
var gatewayRules = []string{
	"self.f0.f1 <= self.f2.f1",
	"!has(self.f0.f3) || self.f0.f3.size() <= 16",
	"self.f4.all(l, l.f3 in ['HTTP', 'HTTPS'] ? has(l.f5) : true)",
	"self.f4.all(l1, self.f4.exists_one(l2, l1.f3 == l2.f3 && l1.f1 == l2.f1))",
	"self.f0.f3 == 'ExactMatch' ? self.f0.f6.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') : true",
	"(has(self.f0.f3) && has(self.f0.f6)) ? self.f0.f3 != self.f0.f6 : !has(self.f2.f6)",
	"self.f4.filter(l, l.f3 == 'TLS').map(l, l.f6).all(m, size(m) > 0 && !m.startsWith('kube-'))",
	"oldSelf.f0.f1 == self.f0.f1",
}

// gatewayType is a schema of three hundred fields.
func gatewayType() *cel.Type {
	text, number := *cel.StringType, *cel.IntType
	text.Max, number.Max = 253, 0
	leaf := func(name string) *cel.Type {
		t := &cel.Type{Kind: cel.Object, Name: name, Fields: map[string]*cel.Field{}}
		for i := range 30 {
			field := fmt.Sprintf("f%d", i)
			t.Fields[field] = &cel.Field{Type: &text, Key: field}
		}
		t.Fields["f1"] = &cel.Field{Type: &number, Key: "f1"}
		return t
	}
	root := &cel.Type{Kind: cel.Object, Name: "root", Fields: map[string]*cel.Field{}}
	for i := range 10 {
		field := fmt.Sprintf("f%d", i)
		root.Fields[field] = &cel.Field{Type: leaf("root." + field), Key: field}
	}
	list := *cel.ListOf(leaf("root.f4.@idx"))
	list.Max = 64
	root.Fields["f4"] = &cel.Field{Type: &list, Key: "f4"}
	return root
}

// compile300 reads, checks, estimates and plans the rules of a definition as large as Gateway API's.
func compile300(t testing.TB, base *cel.Env, root *cel.Type) {
	for i := range 300 {
		env := base.With([]cel.Variable{{Name: "self", Type: root}, {Name: "oldSelf", Type: root}}, nil)
		c, err := env.Check(gatewayRules[i%len(gatewayRules)])
		if err != nil {
			t.Fatal(err)
		}
		c.Estimate()
		if _, err := c.Program(); err != nil {
			t.Fatal(err)
		}
	}
}

func kubernetes() *cel.Env {
	return cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true, Homogeneous: true, Literals: true})
}

// TestCompileIsSmall holds the memory of a definition's rules at 5 MiB, with a quarter for what other tests allocate meanwhile.
func TestCompileIsSmall(t *testing.T) {
	base, root := kubernetes(), gatewayType()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	compile300(t, base, root)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 25<<18 {
		t.Errorf("300 rules allocate %d bytes", got)
	}
}

func BenchmarkCompile300(b *testing.B) {
	base, root := kubernetes(), gatewayType()
	b.ReportAllocs()
	for b.Loop() {
		compile300(b, base, root)
	}
}

// BenchmarkNewEnv is what the environment costs that all rules share.
func BenchmarkNewEnv(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		kubernetes()
	}
}
