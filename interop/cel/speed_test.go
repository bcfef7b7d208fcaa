//go:build unix

package cel

import (
	"syscall"
	"testing"

	"github.com/google/cel-go/common/types"

	ours "apichain/internal/cel"
)

// rules are such as public definitions have.
var rules = []string{
	"self.minReplicas <= self.maxReplicas",
	"has(self.name) && self.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
	"self.ports.all(p, p.port > 0 && p.port < 65536)",
	"self.ports.exists_one(p, p.name == 'http')",
	"self.ports.all(p, self.ports.filter(q, q.name == p.name).size() == 1)",
	"self.labels.all(k, k.size() < 64 && self.labels[k].size() < 64)",
	"self.name == 'gateway' ? self.ports.size() <= 2 : self.ports.map(p, p.port).sum() < 1000000",
	"duration(self.timeout) > duration('1s') && quantity(self.memory).isLessThan(quantity('1Gi'))",
	"self.name in ['a', 'b', 'gateway'] && self.name.startsWith('gate') && !self.name.contains('_')",
}

// speedSchema is the type of the object that they are about.
func speedSchema() *ours.Type {
	field := func(key string, t *ours.Type) *ours.Field { return &ours.Field{Key: key, Type: t} }
	port := &ours.Type{Kind: ours.Object, Name: "Self.ports.@idx", Fields: map[string]*ours.Field{
		"name": field("name", ours.StringType), "port": field("port", ours.IntType)}}
	return &ours.Type{Kind: ours.Object, Name: "Self", Fields: map[string]*ours.Field{
		"minReplicas": field("minReplicas", ours.IntType), "maxReplicas": field("maxReplicas", ours.IntType),
		"name": field("name", ours.StringType), "timeout": field("timeout", ours.StringType), "memory": field("memory", ours.StringType),
		"ports": field("ports", ours.ListOf(port)), "labels": field("labels", ours.MapOf(ours.StringType, ours.StringType)),
	}}
}

var speedSelf = map[string]any{
	"minReplicas": int64(2), "maxReplicas": int64(5), "name": "gateway", "timeout": "30s", "memory": "128Mi",
	"ports": []any{
		map[string]any{"name": "http", "port": int64(80)}, map[string]any{"name": "https", "port": int64(443)},
		map[string]any{"name": "metrics", "port": int64(9090)},
	},
	"labels": map[string]any{"app": "gateway", "tier": "front", "team": "net"},
}

// processor returns the nanoseconds of the processor that this process has had: others may be at work beside it.
func processor(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRules evaluates them by theirs and by ours, by the clock and by the processor.
func BenchmarkRules(b *testing.B) {
	schema := speedSchema()
	p := newPair(b, libraries(), schema)
	for _, rule := range rules {
		made, ok := p.programs(b, rule)
		if !ok {
			b.Fatal(rule)
		}
		// Theirs looks at the tree itself, which is faster than through the schema that kube-apiserver puts in between.
		their := map[string]any{"self": speedSelf, "oldSelf": types.OptionalNone}
		our := []ours.Value{ours.Of(speedSelf, schema), ours.None}
		if a, c := made.evalBoth(their, our); a != c {
			b.Fatalf("%s: %s, %s", rule, a, c)
		}
		b.Run(rule+"/theirs", func(b *testing.B) {
			b.ReportAllocs()
			before := processor(b)
			for b.Loop() {
				made.theirs.Eval(their)
			}
			b.ReportMetric((processor(b)-before)/float64(b.N), "cpu-ns/op")
		})
		b.Run(rule+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			before := processor(b)
			for b.Loop() {
				made.ours.Eval(our, ours.Limit{Cost: perCall})
			}
			b.ReportMetric((processor(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
