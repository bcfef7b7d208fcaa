package policy

import (
	"context"
	"fmt"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// keep puts an object into the store past all checks, as another server could.
func (s *judged) keep(tb testing.TB, bucket, key string, obj map[string]any) {
	tb.Helper()
	tree.Set(obj, "u-"+key, "metadata", "uid")
	draft := store.Encode(obj, nil)
	if _, err := s.Store.Commit(context.Background(), store.Change{Bucket: s.Store.Bucket(bucket), Key: key, Next: &draft}); err != nil {
		tb.Fatal(err)
	}
}

// fill puts n policies with a binding each into the store past all checks, and follows them once.
func (s *judged) fill(tb testing.TB, n int, rules, spec, binding string) {
	tb.Helper()
	for i := range n {
		name := fmt.Sprintf("p%05d", i)
		s.keep(tb, buckets[api.Validating][0], name, apitest.PolicyOf(name, rules, spec))
		s.keep(tb, buckets[api.Validating][1], name, apitest.BindingOf(name, name, binding))
	}
	s.p.Follow()
}

// BenchmarkUnmatched: what 1,000 policies with bindings cost a write that they are not about, by what rules it out.
func BenchmarkUnmatched(b *testing.B) {
	const valid = `"validations":[{"expression":"false"}]`
	for _, c := range []struct{ name, rules, spec, binding string }{
		{"none", "", "", ""},
		{"rules", "CREATE:/v1/secrets", `{` + valid + `}`, `{}`},
		{"object selector", "CREATE:/v1/configmaps", `{"matchConstraints":{"objectSelector":{"matchLabels":{"a":"b"}}},` + valid + `}`, `{}`},
		{"namespace selector", "CREATE:/v1/configmaps", `{"matchConstraints":{"namespaceSelector":{"matchLabels":{"a":"b"}}},` + valid + `}`, `{}`},
		{"selector of the binding", "CREATE:/v1/configmaps", `{` + valid + `}`, `{"matchResources":{"namespaceSelector":{"matchLabels":{"a":"b"}}}}`},
		{"names", "CREATE:/v1/configmaps", `{"matchConstraints":{"resourceRules":[{"resourceNames":["other"],"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]},` + valid + `}`, `{}`},
		{"conditions", "CREATE:/v1/configmaps", `{"matchConditions":[{"name":"c","expression":"object.metadata.name == 'other'"}],` + valid + `}`, `{}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := start(b)
			if c.rules != "" {
				s.fill(b, 1000, c.rules, c.spec, c.binding)
			}
			s.p.Bootstrapped()
			a := s.asked(s.API.Builtin("", "v1", "ConfigMap"), api.OperationCreate, apitest.MapObject("m"), nil)
			a.Namespace, a.Name = "default", "m"
			b.ReportAllocs()
			for b.Loop() {
				if !s.p.Wants(api.Validating, a.Resource, "", a.Operation) {
					continue
				}
				if err := s.p.Validate(b.Context(), a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMatched: what a policy costs a write that it lets pass.
func BenchmarkMatched(b *testing.B) {
	s := start(b)
	s.fill(b, 1, "CREATE:/v1/configmaps", `{"validations":[{"expression":"object.metadata.name.size() < 10"},{"expression":"!has(object.data)","messageExpression":"'no ' + object.metadata.name"}]}`, `{}`)
	s.p.Bootstrapped()
	a := s.asked(s.API.Builtin("", "v1", "ConfigMap"), api.OperationCreate, apitest.MapObject("m"), nil)
	a.Namespace, a.Name = "default", "m"
	b.ReportAllocs()
	for b.Loop() {
		if err := s.p.Validate(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFollow: what a write of one of 1,000 policies costs beside its own.
func BenchmarkFollow(b *testing.B) {
	s := start(b)
	s.fill(b, 1000, "CREATE:/v1/secrets", `{"validations":[{"expression":"false"}]}`, `{}`)
	for b.Loop() {
		s.p.policies[api.Validating]["p00000"] = &policy{}
		s.p.Follow()
	}
}
