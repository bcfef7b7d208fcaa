package schema

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/cel"
	"apichain/internal/field"
	"apichain/internal/tree"
)

// Upstream's tables for rules, as data: what upstream's own code (k8s.io/apiextensions-apiserver v0.37.2) made of the schemas, objects
// and rules of its tests, to the text and to the unit of cost. In testdata:
//
//	rules_types.jsonl       a schema, and the type it has for rules
//	rules_compile.jsonl     a schema without its rules, and cases: rules, and of each its error, cost, times, path
//	rules_check.jsonl       a schema without its rules, an object, an old one, and cases: rules, cost, errors, warnings
//	*_scenes.jsonl          the same of the definitions of interop/testdata/rules
//	rules_definition.jsonl  a schema, and the errors of a definition that has it

// upstreamLines calls do for each line of a table.
func upstreamLines(t *testing.T, name string, do func(t *testing.T, line map[string]any)) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for i, text := range lines {
		line, _, err := tree.ParseJSONObject(text)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		t.Run(strconv.Itoa(i+1), func(t *testing.T) { do(t, line) })
	}
}

// upstreamNode compiles the schema of a line with rules in its place, as rules see it. As upstream's tests do, it takes what no
// definition may have, such as a root of any type.
func upstreamNode(t *testing.T, line map[string]any, rules any) *ruleScope {
	t.Helper()
	s := tree.Copy(tree.Object(line, "schema")).(map[string]any)
	list, ok := rules.([]any)
	if !ok {
		list = []any{rules}
	}
	for i, r := range list {
		if text, ok := r.(string); ok {
			list[i] = map[string]any{"rule": text}
		}
	}
	if len(list) > 0 {
		s["x-kubernetes-validations"] = list
	}
	root, err := (&schemaCompiler{of: &Schema{}}).node(s, "")
	if err != nil {
		t.Fatalf("%v: %v", rules, err)
	}
	return &ruleScope{node: root, resource: tree.True(line["root"])}
}

// sameNames makes texts comparable whose types upstream has numbered.
func sameNames(text string) string {
	for {
		before, after, found := strings.Cut(text, "selfType")
		digits := strings.TrimLeft(after, "0123456789")
		if !found || len(digits) == len(after) {
			return text
		}
		text = before + "self_Type" + digits
	}
}

// TestRulesUpstreamTypes: a schema has upstream's type, with upstream's sizes.
func TestRulesUpstreamTypes(t *testing.T) {
	var compare func(at string, got *cel.Type, want map[string]any)
	upstreamLines(t, "rules_types", func(t *testing.T, line map[string]any) {
		compare = func(at string, got *cel.Type, want map[string]any) {
			if got == nil || want == nil {
				if got != nil || want != nil {
					t.Errorf("%s is %v, want %v", at, got, want)
				}
				return
			}
			if got.Max != integer(want["max"]) || got.Min != integer(want["min"]) {
				t.Errorf("%s is of %d to %d, want %v", at, got.Min, got.Max, want)
			}
			if elem := tree.Object(want, "elem"); elem != nil {
				compare(at+".*", got.Params[len(got.Params)-1], elem)
			}
			fields := tree.Object(want, "fields")
			if len(fields) != len(got.Fields) {
				t.Errorf("%s has the fields %v, want %v", at, got.Fields, fields)
			}
			for name, f := range got.Fields {
				compare(at+"."+name, f.Type, tree.Object(fields, name))
				if f.Required != tree.True(tree.At(fields, name, "required")) {
					t.Errorf("%s.%s is required: %v", at, name, f.Required)
				}
			}
		}
		compare("self", upstreamNode(t, line, []any{}).celType(), tree.Object(line, "type"))
	})
}

// integer returns a number of a table: a text where no int64 holds it.
func integer(v any) uint64 {
	if text, ok := v.(string); ok {
		n, _ := strconv.ParseUint(text, 10, 64)
		return n
	}
	n, _ := v.(int64)
	return uint64(n)
}

// TestRulesUpstreamCompile: rules compile, or have upstream's errors, and cost what they cost there.
func TestRulesUpstreamCompile(t *testing.T) {
	for _, table := range []string{"rules_compile", "rules_compile_scenes"} {
		t.Run(table, func(t *testing.T) { upstreamCompile(t, table) })
	}
}

func upstreamCompile(t *testing.T, table string) {
	upstreamLines(t, table, func(t *testing.T, line map[string]any) {
		for _, c := range tree.List(line, "cases") {
			var rules []any
			for _, r := range c.([]any) {
				rules = append(rules, r.([]any)[0])
			}
			s := upstreamNode(t, line, rules)
			for i := range s.node.rules.validations {
				got, want := s.compile(&s.node.rules.validations[i], func(string, bool) bool { return false }), tree.At(c.([]any)[i].([]any)[1])
				times := uint64(0)
				if got.program != nil {
					times = maxRequestSize / (s.celType().Min + 1)
				}
				shown := func(failure, message string, old bool, cost, messageCost, times uint64, path string) string {
					return fmt.Sprintf("failure %s\nmessage failure %s\nold %v, cost %d and %d, %d times, path %s", sameNames(failure), sameNames(message), old, cost, messageCost, times, path)
				}
				path := got.path
				if got.message == nil && got.messageFailure != "" || got.failure != "" {
					path = "" // not looked at there
				}
				is := shown(got.failure, got.messageFailure, got.usesOld, got.cost, got.messageCost, times, path)
				should := shown(tree.Text(want, "error"), tree.Text(want, "messageError"), tree.True(tree.At(want, "old")), integer(tree.At(want, "cost")),
					integer(tree.At(want, "messageCost")), integer(tree.At(want, "times")), tree.Text(want, "path"))
				if is != should {
					t.Errorf("%v:\n got %s\nwant %s", rules[i], is, should)
				}
			}
		}
	})
}

// TestRulesUpstreamCheck: objects have upstream's errors and warnings, which come in any order there, at upstream's cost.
func TestRulesUpstreamCheck(t *testing.T) {
	for _, table := range []string{"rules_check", "rules_check_scenes"} {
		t.Run(table, func(t *testing.T) { upstreamCheck(t, table) })
	}
}

func upstreamCheck(t *testing.T, table string) {
	upstreamLines(t, table, func(t *testing.T, line map[string]any) {
		for _, c := range tree.List(line, "cases") {
			c := c.([]any)
			n := newUpstreamRules(upstreamNode(t, line, c[0]))
			var warnings []string
			check := ruleCheck{budget: ruleBudget, call: ruleCallCost, left: schemaMaxSteps, warn: func(text string) { warnings = append(warnings, text) }}
			if b, ok := line["budget"].(int64); ok {
				if check.budget = b; b < 0 {
					check.budget = math.MaxInt64
				}
			}
			if l, ok := line["limit"].(int64); ok {
				check.call = uint64(l)
			}
			path := field.Root("root")
			if p := tree.Text(line, "path"); p != "" {
				path = field.Root(p)
			}
			var part *unchangedPart
			if tree.True(line["ratchet"]) {
				part = &unchangedPart{node: n.schema, value: line["obj"], old: line["old"]}
			}
			before := check.budget
			check.node(n, path, line["obj"], line["old"], part, nil)
			cost := before - check.budget
			var errs []string
			for _, e := range check.errs {
				errs = append(errs, sameNames(e.String()))
			}
			slices.Sort(errs)
			slices.Sort(warnings)
			list := func(i int) (out []string) {
				if i < len(c) {
					for _, text := range tree.Strings(c[i].([]any)) {
						out = append(out, sameNames(text))
					}
				}
				slices.Sort(out)
				return out
			}
			if !slices.Equal(errs, list(2)) || !slices.Equal(warnings, list(3)) {
				t.Errorf("%v:\n got %q, warnings %q\nwant %q, warnings %q", c[0], errs, warnings, list(2), list(3))
			} else if want := c[1].(int64); cost != want {
				t.Errorf("%v: cost %d, want %d", c[0], cost, want)
			}
		}
	})
}

// newUpstreamRules compiles all rules of a place, also where they are below allOf alone.
func newUpstreamRules(s *ruleScope) *ruleNode { return s.newRuleNode(s.node) }

// TestRulesUpstreamDefinition: definitions have upstream's errors, which come in any order there.
func TestRulesUpstreamDefinition(t *testing.T) {
	upstreamLines(t, "rules_definition", func(t *testing.T, line map[string]any) {
		c := crdCheck{}
		version := map[string]any{"name": "v1", "schema": map[string]any{"openAPIV3Schema": line["schema"]}}
		c.spec = map[string]any{"versions": []any{version}}
		if tree.True(line["unchanged"]) {
			c.old = c.spec
		}
		c.schema(field.Root(tree.Text(line, "path")), version["schema"], tree.True(line["status"]), "v1")
		var got []string
		for _, e := range c.errs {
			got = append(got, sameNames(e.String()))
		}
		var want []string
		for _, text := range tree.Strings(tree.List(line, "errors")) {
			want = append(want, sameNames(text))
		}
		for _, e := range got {
			if !slices.Contains(want, e) {
				t.Error("too much: ", e)
			}
		}
		for _, e := range want {
			if !slices.Contains(got, e) {
				t.Error("missing: ", e)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d errors, want %d", len(got), len(want))
		}
	})
}
