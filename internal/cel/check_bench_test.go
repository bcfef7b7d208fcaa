package cel

import (
	"fmt"
	"testing"

	"apichain/internal/cel/syntax"
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

// gatewayType is a schema of a few hundred fields.
func gatewayType() *Type {
	text := *StringType
	text.Max = 253
	number := *IntType
	number.Max = 0
	leaf := func(name string) *Type {
		t := &Type{Kind: Object, Name: name, Fields: map[string]*Field{}}
		for i := range 30 {
			field := fmt.Sprintf("f%d", i)
			t.Fields[field] = &Field{Type: &text, Key: field}
		}
		t.Fields["f1"] = &Field{Type: &number, Key: "f1"}
		return t
	}
	root := &Type{Kind: Object, Name: "root", Fields: map[string]*Field{}}
	for i := range 10 {
		field := fmt.Sprintf("f%d", i)
		root.Fields[field] = &Field{Type: leaf("root." + field), Key: field}
	}
	list := *ListOf(leaf("root.f4.@idx"))
	list.Max = 64
	root.Fields["f4"] = &Field{Type: &list, Key: "f4"}
	return root
}

func standardEnv(t testing.TB) *Env {
	standard := Standard()
	standard.Macros = syntax.Standard
	return NewEnv(Options{Libraries: []*Library{standard}, Optionals: true, Homogeneous: true, Literals: true})
}

// BenchmarkCompile300 reads, checks, estimates and plans the rules of a definition as large as Gateway API's.
func BenchmarkCompile300(b *testing.B) {
	base, root := standardEnv(b), gatewayType()
	b.ReportAllocs()
	for b.Loop() {
		for i := range 300 {
			env := base.With([]Variable{{"self", root}, {"oldSelf", root}}, nil)
			c, err := env.Check(gatewayRules[i%len(gatewayRules)])
			if err != nil {
				b.Fatal(err)
			}
			c.Estimate()
			if _, err := c.Program(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkParse300 is the part of it that reads.
func BenchmarkParse300(b *testing.B) {
	env := standardEnv(b)
	b.ReportAllocs()
	for b.Loop() {
		for i := range 300 {
			if _, err := syntax.Parse(gatewayRules[i%len(gatewayRules)], env.syntax); err != nil {
				b.Fatal(err)
			}
		}
	}
}
