package rules

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	upstream "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"

	"apichain/internal/schema"
)

// speedScenes are those whose definitions are accepted and whose rules are not there to be expensive.
func speedScenes(b *testing.B) (all []*scene, objects int) {
	b.Helper()
	for _, s := range scenes(b) {
		if strings.HasPrefix(s.name, "costs/") || strings.HasPrefix(s.name, "refused/") {
			continue
		}
		if _, err := schema.Compile(tree(b, Root(s.head))); err != nil {
			continue
		}
		all = append(all, s)
		objects += len(s.objects)
	}
	return all, objects
}

// BenchmarkCheck checks every object of the definitions against its rules, by kube-apiserver's code and by ours: what an object
// costs, on the average, once its rules are compiled. The figure to look at is ns/object.
//
//	go test -run '^$' -bench Check ./rules
func BenchmarkCheck(b *testing.B) {
	all, objects := speedScenes(b)
	var theirs []*upstream.Validator
	var ours []*schema.Schema
	for _, s := range all {
		theirs = append(theirs, s.validator())
		compiled, err := schema.Compile(tree(b, Root(s.head)))
		if err != nil {
			b.Fatal(err)
		}
		ours = append(ours, compiled)
	}
	perObject := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*objects), "ns/object")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("kube-apiserver", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i, s := range all {
				for _, c := range s.objects {
					var old any
					var options []upstream.Option
					if c.old != nil {
						old, options = c.old, append(options, s.ratcheting(c))
					}
					const budget = celconfig.RuntimeCELCostBudget
					theirs[i].Validate(b.Context(), field.NewPath("root"), s.schema, c.object, old, budget, options...)
				}
			}
		}
		perObject(b)
	})
	b.Run("apichain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i, s := range all {
				for _, c := range s.objects {
					ours[i].CheckRules(c.object, c.old, nil, nil, func(string) {})
				}
			}
		}
		perObject(b)
	})
}

// BenchmarkCompile compiles the rules of each definition, by kube-apiserver's code and by ours.
func BenchmarkCompile(b *testing.B) {
	all, _ := speedScenes(b)
	perDefinition := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/definition")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("kube-apiserver", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, s := range all {
				s.validator()
			}
		}
		perDefinition(b)
	})
	b.Run("apichain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, s := range all {
				compiled, err := schema.Compile(tree(b, Root(s.head)))
				if err != nil {
					b.Fatal(err)
				}
				compiled.CheckRules(map[string]any{}, nil, nil, nil, func(string) {}) // when rules are compiled
			}
		}
		perDefinition(b)
	})
}
