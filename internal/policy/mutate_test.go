package policy

import (
	"context"
	"strings"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/tree"
)

// mutate makes a policy with a mutation, and binds it.
func (s *judged) mutate(name, rest, mutations string) {
	s.Must(201, "POST", mutatingPath, `{"metadata":{"name":"`+name+`"},"spec":{"reinvocationPolicy":"Never",`+rest+
		`"matchConstraints":{"resourceRules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]},"mutations":[`+mutations+`]}}`)
	s.Must(201, "POST", boundPath, `{"metadata":{"name":"`+name+`"},"spec":{"policyName":"`+name+`"}}`)
}

// applied is a mutation that is an Object, as JSON.
func applied(expression string) string {
	return `{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":` + string(tree.AppendJSON(nil, expression)) + `}}`
}

// patched is a mutation that is a JSON patch.
func patched(expression string) string {
	return `{"patchType":"JSONPatch","jsonPatch":{"expression":` + string(tree.AppendJSON(nil, expression)) + `}}`
}

// TestMutateAlways: updates and patches are changed too, what is stored is what was answered, a change holds for who applies, and a
// delete passes.
func TestMutateAlways(t *testing.T) {
	s := start(t)
	s.mutate("p", "", applied(`Object{metadata: Object.metadata{labels: {"by": request.operation}}}`))
	one := apitest.MapsPath + "/m"
	labelOf := func(obj map[string]any) string { return tree.Text(obj, "metadata", "labels", "by") }
	if got := labelOf(s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))); got != "CREATE" {
		t.Error(got)
	}
	if got := labelOf(s.Must(200, "GET", one, nil)); got != "CREATE" {
		t.Errorf("%s is stored", got)
	}
	if got := labelOf(s.Must(200, "PATCH", one, `{"data":{"a":"b"}}`)); got != "UPDATE" {
		t.Error(got)
	}
	obj := s.Must(200, "PATCH", one+"?fieldManager=me&force=true", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"by":"me"}}}`, "Content-Type: application/apply-patch+yaml")
	if got := labelOf(obj); got != "UPDATE" {
		t.Error(got)
	}
	s.Must(200, "DELETE", one, nil)
}

// TestMutateHostile: values that are small to write and huge to read end in an error, in bounded time and memory.
func TestMutateHostile(t *testing.T) {
	s := start(t)
	long := `"` + strings.Repeat("x", 4000) + `"`
	for name, x := range map[string]string{
		"rope":    patched(`[JSONPatch{op: "add", path: "/data", value: {"a": string([[1]].map(l, l + l).map(l, l + l).map(l, l + l).size())}}]`),
		"many":    patched(`[JSONPatch{op: "add", path: "/data", value: {"a": "b", "c": lists.range(900).map(a, lists.range(900).map(b, ` + long + `)).size() > 0 ? "d" : "e"}}]`),
		"repeat":  applied(`Object{metadata: Object.metadata{finalizers: lists.range(900).map(a, lists.range(100).map(b, ` + long + `)).flatten()}}`),
		"objects": applied(`Object{metadata: Object.metadata{finalizers: lists.range(1000).map(a, Object.x{y: a})}}`),
	} {
		s.mutate(name, "", x)
		begun := time.Now()
		code, got := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if message := tree.Text(got, "message"); code >= 500 || len(message) > 1<<20 {
			t.Errorf("%s: %d, %d bytes", name, code, len(message))
		}
		s.Must(200, "DELETE", boundPath+"/"+name, nil)
	}
}

// TestConverter: what values become, in a configuration and as JSON.
func TestConverter(t *testing.T) {
	env, values := expression.ByHand(&expression.Input{Object: map[string]any{"l": []any{map[string]any{"a": nil}}}})
	for _, c := range []struct{ text, object, json string }{
		{`1`, `1`, `1`}, {`1.0`, `1`, `1`}, {`1.5`, `1.5`, `1.5`}, {`true`, `true`, `true`}, {`"a"`, `"a"`, `"a"`},
		{`null`, "!structpb.NullValue", `null`}, {`2u`, "!uint64", `2`}, {`b"abc"`, "![]uint8", `"YWJj"`},
		{`9007199254740993`, `9007199254740993`, `"9007199254740993"`}, {`timestamp("2020-01-01T00:00:00Z")`, "!time.Time", `"2020-01-01T00:00:00Z"`},
		{`duration("90m")`, "!time.Duration", `"5400s"`}, {`type(1)`, `"int"`, "!type conversion not supported for 'type'"},
		{`[[1], [2]]`, "![]ref.Val", `[[1],[2]]`}, {`[{"a": 1}]`, "!map[ref.Val]ref.Val", `[{"a":1}]`}, {`[[1]] + [[2]]`, `[[1],[2]]`, `[[1],[2]]`},
		{`object.l`, "!structpb.NullValue", `[{"a":null}]`}, {`optional.of("a")`, `"a"`, `"a"`}, {`optional.none()`, `null`, "!optional.none() dereference"},
		{`{"a": Object{b: 1}}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`}, {`{1: 2}`, "!map key '\\x01' is of type types.Int, not string", "!unsupported type conversion from 'int' to string"},
		{`quantity("1k")`, "!interface {}", "!type conversion error from 'Quantity' to '*structpb.Value'"}, {`[1].map(x, x + 1)`, `[2]`, `[2]`},
	} {
		checked, err := env.Check(c.text)
		if err != nil {
			t.Fatal(err)
		}
		program, err := checked.Program()
		if err != nil {
			t.Fatal(err)
		}
		v, _ := program.Eval(values, cel.Limit{Cost: cel.NoLimit})
		w := converter{}
		tr, err := w.field(v, false)
		if err == nil {
			err = leafError(tr)
		}
		if got := shown(tr, err); got != strings.Replace(c.object, "!", "!"+prefixOf(c.object), 1) {
			t.Errorf("%s: %s, want %s", c.text, got, c.object)
		}
		tr, err = jsonOf(v)
		if got := shown(tr, err); got != c.json {
			t.Errorf("%s as JSON: %s, want %s", c.text, got, c.json)
		}
	}
}

// prefixOf returns what begins the error of a leaf.
func prefixOf(want string) string {
	if strings.HasPrefix(want, "!") && !strings.HasPrefix(want, "!map key") {
		return "proto:\u00a0invalid type: "
	}
	return ""
}

// shown returns a tree as JSON, or the error behind an exclamation mark.
func shown(t any, err error) string {
	if err != nil {
		return "!" + err.Error()
	}
	return string(tree.AppendJSON(nil, t))
}

// TestMutateTimeout: a request whose time is over is answered as such.
func TestMutateTimeout(t *testing.T) {
	s := start(t)
	s.mutate("p", "", applied(`Object{}`))
	s.p.Bootstrapped()
	r := s.API.Builtin("", "v1", "ConfigMap")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	a := s.asked(r, "CREATE", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}}, nil)
	a.Phase, a.Namespace = 0, "default"
	if _, _, err := s.p.Mutate(ctx, a); err == nil || !strings.Contains(err.Error(), "did not complete") {
		t.Error(err)
	}
}
