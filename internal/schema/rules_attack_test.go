package schema

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// hostileRules are schemas of about a megabyte, or objects of one, made to cost a server much. want is what comes of the definition:
// a part of an error, or "" where it is taken.
var hostileRules = []struct {
	name, schema, object, want string
}{
	{"very many rules", `{"type":"object","x-kubernetes-validations":[` + strings.Repeat(`{"rule":"true"},`, 60_000) + `{"rule":"true"}]}`, `{}`, ""},
	{"very many places with a rule", `{"type":"object","properties":{` + places(10_000) + `}}`, `{}`, ""},
	{"an expression of a megabyte", `{"type":"object","x-kubernetes-validations":[{"rule":"` + strings.Repeat("true && ", 130_000) + `true"}]}`, `{}`, "expression code point size exceeds limit"},
	{"a deep expression", `{"type":"object","x-kubernetes-validations":[{"rule":"` + strings.Repeat("(", 40_000) + `true` + strings.Repeat(")", 40_000) + `"}]}`, `{}`, "compilation failed"},
	{"rules at every depth", deepSchema(400, `"x-kubernetes-validations":[{"rule":"true"},{"rule":"self == oldSelf"}],`), `{}`, ""},
	{"long names at every depth", strings.ReplaceAll(deepSchema(400, `"x-kubernetes-validations":[{"rule":"true"}],`), `"a"`, `"`+strings.Repeat("a", 2000)+`"`), `{}`, ""},
	{"a default at every depth, with a rule at the end", deepSchema(300, `"default":{},"x-kubernetes-validations":[{"rule":"true"}],`), `{}`, "openAPIV3Schema.default.kind: Required value"},
	{"an expression of words", `{"type":"object","x-kubernetes-validations":[{"rule":"` + strings.Repeat("a.b.c.d ", 9_000) + `"}]}`, `{}`, "compilation failed"},
	{"macros in macros", `{"type":"object","x-kubernetes-validations":[{"rule":"` + strings.Repeat("[1].all(x, ", 200) + "true" + strings.Repeat(")", 200) + `"}]}`, `{}`, ""},
	{"a regular expression", `{"type":"object","properties":{"s":{"type":"string","maxLength":100000,"x-kubernetes-validations":[{"rule":"self.matches('(a*)*b')"}]}}}`,
		`{"s":"` + strings.Repeat("a", 100_000) + `"}`, ""},
	{"a large regular expression", `{"type":"object","properties":{"s":{"type":"string","maxLength":10,"x-kubernetes-validations":[{"rule":"self.matches('((((a{30}){30}){30}){30})')"}]}}}`,
		`{"s":"aaaa"}`, "invalid matches argument"},
	{"a list of pairs", `{"type":"object","properties":{"l":{"type":"array","maxItems":1000,"items":{"type":"integer"},"x-kubernetes-validations":[{"rule":"self.all(a, self.exists(b, a == b))"}]}}}`,
		`{"l":[` + strings.Repeat("1,", 999) + `2]}`, ""},
	{"many items that fail", `{"type":"object","properties":{"l":{"type":"array","maxItems":100000,"items":{"type":"integer","x-kubernetes-validations":[{"rule":"self > 5"}]}}}}`,
		`{"l":[` + strings.Repeat("1,", 90_000) + `2]}`, ""},
}

// places are so many fields, each with a rule.
func places(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"f%d":{"type":"integer","x-kubernetes-validations":[{"rule":"self > %d"}]}`, i, i)
	}
	return b.String()[1:]
}

// deepSchema is an object in an object and so on, each with what more says.
func deepSchema(depth int, more string) string {
	return strings.Repeat(`{`+more+`"type":"object","properties":{"a":`, depth) + `{"type":"string"}` + strings.Repeat("}}", depth)
}

// TestRulesHostile: whatever a definition or an object is made of, its check ends soon, and takes a bounded part of the memory.
func TestRulesHostile(t *testing.T) {
	const mostTime, mostMemory = 8 * time.Second, 1 << 30
	for _, row := range hostileRules {
		t.Run(row.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := processorTime()
			raw := objectOf(t, row.schema)
			c := crdCheck{spec: map[string]any{"versions": []any{map[string]any{"name": "v1"}}}}
			c.schema(nil, map[string]any{"openAPIV3Schema": raw}, false, "v1")
			said := ""
			for _, e := range c.errs {
				said += e.String() + "\n"
			}
			if (said == "") != (row.want == "") || !strings.Contains(said, row.want) {
				t.Errorf("%d errors, want %q: %.500s", len(c.errs), row.want, said)
			}
			if s, err := Compile(raw); err == nil {
				obj := objectOf(t, row.object)
				errs := s.CheckRules(obj, tree.Copy(obj).(map[string]any), nil, nil, func(string) {})
				if len(errs) > maxCRDErrors {
					t.Errorf("%d errors", len(errs))
				}
			}
			runtime.ReadMemStats(&after)
			used, allocated := processorTime()-begin, after.TotalAlloc-before.TotalAlloc
			t.Logf("%v, %d MiB", used.Round(time.Millisecond), allocated>>20)
			if used > mostTime || allocated > mostMemory {
				t.Errorf("it took %v and %d MiB", used, allocated>>20)
			}
		})
	}
}
