package fieldset

import (
	"fmt"
	"testing"

	"apichain/internal/tree"
)

// testPlace is a schema for tests, in which the names of fields say what they are.
type testPlace struct{ atom Atom }

func (p *testPlace) Atom() Atom { return p.atom }
func (p *testPlace) Field(name string) (Schema, bool) {
	if p, ok := testPlaces[name]; ok {
		return p, true
	}
	if p == testPlaces["closed"] {
		return nil, false
	}
	return anyPlace, !p.atom.Untold
}
func (p *testPlace) Items() Schema { return anyPlace }
func (p *testPlace) Default() any  { return nil }

var (
	keyed    = Atom{List: Keyed, Keys: []string{"name"}}
	untold   = Atom{Map: Granular, Untold: true}
	anyPlace = &testPlace{Atom{Scalar: AnyScalar, List: AtomicList, Map: Granular}}
	// testPlaces are the places of fields by their names.
	testPlaces = map[string]*testPlace{
		"containers": {keyed}, "env": {keyed}, "ports": {Atom{List: Keyed, Keys: []string{"containerPort", "protocol"}}},
		"text": {Atom{Scalar: Text}}, "count": {Atom{Scalar: Number}}, "flag": {Atom{Scalar: Bool}}, "scalar": {Atom{Scalar: AnyScalar}},
		"args": {Atom{List: AtomicList}}, "closed": {Atom{Map: Granular}}, "finalizers": {Atom{List: SetList}}, "data": {untold}, "labels": {untold}, "selector": {Atom{Map: Atomic}},
	}
	// objectPlace is the place of an object.
	objectPlace Schema = &testPlace{Atom{Map: Granular}}
)

// configMap is what most tests of speed are about.
func configMap(value string) map[string]any {
	v, _, _ := tree.ParseJSON([]byte(`{"metadata":{"name":"a","namespace":"default","uid":"5a9c","labels":{"app":"x","tier":"y"}},
		"data":{"a":"1","b":"2","c":"` + value + `","d":"4"}}`))
	return v.(map[string]any)
}

// deployment has a hundred fields.
func deployment(image string) map[string]any {
	var env, ports string
	for i := range 20 {
		env += fmt.Sprintf(`{"name":"VARIABLE_%d","value":"v"},`, i)
	}
	for i := range 4 {
		ports += fmt.Sprintf(`{"containerPort":%d,"protocol":"TCP","name":"p"},`, 8080+i)
	}
	v, _, err := tree.ParseJSON([]byte(`{"metadata":{"name":"a","labels":{"app":"x","tier":"y"},"finalizers":["a","b"]},"spec":{"replicas":3,
		"paused":false,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}},"selector":{"matchLabels":{"app":"x"}},
		"template":{"metadata":{"labels":{"app":"x"}},"spec":{"dnsPolicy":"ClusterFirst","restartPolicy":"Always","containers":[
		{"name":"main","image":"` + image + `","args":["a"],"resources":{"limits":{"cpu":"1"}},"ports":[` + ports[:len(ports)-1] +
		`],"env":[` + env[:len(env)-1] + `]}]}}}}`))
	if err != nil {
		panic(err)
	}
	return v.(map[string]any)
}

func mustOf(b testing.TB, v any) Set {
	s, err := Of(v, objectPlace)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkOf(b *testing.B) {
	for name, v := range map[string]any{"configmap": configMap("3"), "deployment": deployment("a")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Of(v, objectPlace); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	for name, c := range map[string][2]any{
		"configmap/created":   {map[string]any{"metadata": map[string]any{}}, configMap("3")},
		"configmap/updated":   {configMap("3"), configMap("x")},
		"configmap/same":      {configMap("3"), configMap("3")},
		"deployment/created":  {map[string]any{"metadata": map[string]any{}}, deployment("a")},
		"deployment/updated":  {deployment("a"), deployment("b")},
		"deployment/the same": {deployment("a"), deployment("a")},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compare(c[0], c[1], objectPlace); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSet(b *testing.B) {
	for name, v := range map[string]any{"configmap": configMap("3"), "deployment": deployment("a")} {
		s := mustOf(b, v)
		text := s.AppendJSON(nil)
		other := s.Leaves()
		b.Run(name+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/append", func(b *testing.B) {
			b.ReportAllocs()
			var to []byte
			for b.Loop() {
				to = s.AppendJSON(to[:0])
			}
		})
		for op, f := range map[string]func(Set) Set{"union": s.Union, "difference": s.Difference, "intersection": s.Intersection} {
			b.Run(name+"/"+op, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f(other)
				}
			})
		}
	}
}
