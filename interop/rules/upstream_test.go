package rules

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	upstream "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/warning"

	jsonutil "k8s.io/apimachinery/pkg/util/json"
)

// What kube-apiserver's own code makes of the definitions of testdata is written for the tests of internal/schema, in the form that
// rules_upstream_test.go has there: what a rule costs at most, and what it costs to check an object, to the unit.
//
//	APICHAIN_WRITE=1 go test -run TestTables ./rules

const tables = "../../internal/schema/testdata"

// scene is a schema that a definition has had, and the objects that were written under it.
type scene struct {
	name    string
	head    map[string]any
	text    []byte // the schema in JSON
	schema  *structural.Structural
	objects []change
	made    *upstream.Validator // by checked
}

// change is an object that is written, with its defaults, and the one that it replaces, or nil.
type change struct{ object, old map[string]any }

// scenes are those of all definitions that kube-apiserver's code takes for structural.
func scenes(t testing.TB) (all []*scene) {
	t.Helper()
	list, err := Read("../testdata/rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Head == nil {
			continue
		}
		head, now := d.Head, newScene(t, d, d.Head)
		var last map[string]any
		for _, s := range d.Steps {
			body, _ := s.Body.(map[string]any)
			switch s.Verb {
			case "define":
				head = body
				if now != nil {
					all = append(all, now)
				}
				now = newScene(t, d, head)
			case "create", "update":
				if now == nil {
					continue
				}
				p := player{d: d, head: head}
				o := p.object(nil, body)
				if m, ok := o["metadata"].(map[string]any); !ok || m["name"] == nil {
					o["metadata"] = map[string]any{"name": "o1"}
				}
				c := change{object: tree(t, o)}
				defaulting.Default(c.object, now.schema)
				if s.Verb == "update" {
					c.old = last
				}
				now.objects = append(now.objects, c)
				if o, _ := now.checked(c); len(o.errs) == 0 {
					last = c.object
				}
			}
		}
		if now != nil {
			all = append(all, now)
		}
	}
	return all
}

// tree is a copy of a value as kube-apiserver decodes it.
func tree(t testing.TB, v any) (o map[string]any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = jsonutil.Unmarshal(b, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// newScene is that of a schema, nil if it is not structural, or has no rules.
func newScene(t testing.TB, d *Definition, head map[string]any) *scene {
	t.Helper()
	s := &scene{name: d.File + "/" + d.Name, head: head}
	var err error
	if s.text, err = json.Marshal(Root(head)); err != nil {
		t.Fatal(err)
	}
	var outer v1.JSONSchemaProps
	var inner apiextensions.JSONSchemaProps
	if jsonutil.Unmarshal(s.text, &outer) != nil {
		return nil
	}
	if v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&outer, &inner, nil) != nil {
		return nil
	}
	if strings.Contains(string(s.text), `"type":"nope"`) {
		return nil // which only a definition's own check finds
	}
	if s.schema, err = structural.NewStructural(&inner); err != nil || len(structural.ValidateStructural(nil, s.schema)) > 0 {
		return nil
	}
	if !strings.Contains(string(s.text), "x-kubernetes-validations") {
		return nil
	}
	return s
}

func (s *scene) validator() *upstream.Validator {
	return upstream.NewValidator(s.schema, true, celconfig.PerCallLimit)
}

// ratcheting is the option by which rules of what a change leaves alone only warn.
func (s *scene) ratcheting(c change) upstream.Option {
	return upstream.WithRatcheting(common.NewCorrelatedObject(c.object, c.old, &model.Structural{Structural: s.schema}))
}

// checked is validate with a validator that is made once.
func (s *scene) checked(c change) (outcome, bool) {
	if s.made == nil {
		s.made = s.validator()
	}
	return s.validate(s.made, c)
}

// outcome is what a change comes to: errors and warnings in the order of their texts.
type outcome struct {
	errs, warnings []string
	cost           int64
}

// AddWarning implements warning.Recorder.
func (o *outcome) AddWarning(_, text string) { o.warnings = append(o.warnings, text) }

// validate checks a change as kube-apiserver does. ok is false if that differs from run to run, because maps have no order there, or
// if its code panics, or if the budget is used up, of which it depends on that order what comes before.
func (s *scene) validate(v *upstream.Validator, c change) (first outcome, ok bool) {
	for i := 0; i < 60 && (i < 3 || first.cost < 5000); i++ {
		o := outcome{errs: []string{}, warnings: []string{}}
		var old any
		var options []upstream.Option
		if c.old != nil {
			old, options = c.old, append(options, s.ratcheting(c))
		}
		ctx := warning.WithWarningRecorder(context.Background(), &o)
		errs, left := v.Validate(ctx, field.NewPath("root"), s.schema, c.object, old, celconfig.RuntimeCELCostBudget, options...)
		for _, e := range errs {
			o.errs = append(o.errs, typeNames.ReplaceAllString(e.Error(), "selfType0"))
		}
		slices.Sort(o.errs)
		slices.Sort(o.warnings)
		if o.cost = celconfig.RuntimeCELCostBudget - left; i == 0 {
			first = o
		} else if !reflect.DeepEqual(o, first) {
			return first, false
		}
		if left < 0 || strings.Contains(strings.Join(o.errs, ""), "internal error") {
			return first, false
		}
	}
	return first, true
}

// nodes calls do for each node that has rules.
func nodes(s *structural.Structural, root bool, do func(s *structural.Structural, root bool)) {
	if s == nil {
		return
	}
	if len(s.XValidations) > 0 {
		do(s, root)
	}
	nodes(s.Items, s.Items != nil && s.Items.XEmbeddedResource, do)
	for _, p := range s.Properties {
		nodes(&p, p.XEmbeddedResource, do)
	}
	if a := s.AdditionalProperties; a != nil && a.Structural != nil {
		nodes(a.Structural, a.Structural.XEmbeddedResource, do)
	}
}

// TestTables compares the tables with what upstream's code says, or writes them.
func TestTables(t *testing.T) {
	var compiled, checked [][]byte
	costs, objects := 0, 0
	for _, s := range scenes(t) {
		nodes(s.schema, true, func(n *structural.Structural, root bool) {
			line, rules := compileLine(t, n, root)
			if costs += rules; rules > 0 {
				compiled = append(compiled, line)
			}
		})
		for _, c := range s.objects {
			o, ok := s.checked(c)
			if !ok {
				continue
			}
			line := map[string]any{
				"schema": json.RawMessage(s.text), "obj": c.object, "root": true,
				"cases": []any{[]any{[]any{}, o.cost, o.errs, o.warnings}},
			}
			if c.old != nil {
				line["old"], line["ratchet"] = c.old, true
			}
			if b := encode(t, line); len(b) < 4<<10 { // the large ones are asked over HTTP alone
				checked = append(checked, b)
				objects++
			}
		}
	}
	t.Logf("%d rules, %d objects", costs, objects)
	slices.SortFunc(compiled, bytes.Compare)
	compiled = slices.CompactFunc(compiled, bytes.Equal)
	keepTable(t, "rules_compile_scenes.jsonl", compiled)
	keepTable(t, "rules_check_scenes.jsonl", checked)
}

// compileLine is what the rules of a node are and cost.
func compileLine(t *testing.T, n *structural.Structural, root bool) (line []byte, rules int) {
	t.Helper()
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	results, err := upstream.Compile(n, model.SchemaDeclType(n, root), celconfig.PerCallLimit, base, upstream.NewExpressionsEnvLoader())
	if err != nil {
		return nil, 0 // a value that can be anything
	}
	var cases []any
	for i, r := range results {
		var said map[string]any
		if b, err := json.Marshal(n.XValidations[i]); err != nil || json.Unmarshal(b, &said) != nil {
			t.Fatal(err)
		}
		rule := map[string]any{}
		for k, v := range said { // its names are those of Go
			if v != nil && v != "" {
				rule[strings.ToLower(k[:1])+k[1:]] = v
			}
		}
		want := map[string]any{"times": r.MaxCardinality}
		for k, v := range map[string]uint64{"cost": r.MaxCost, "messageCost": r.MessageExpressionMaxCost} {
			if v != 0 {
				want[k] = v
				if v > math.MaxInt64 {
					want[k] = strconv.FormatUint(v, 10)
				}
			}
		}
		for k, e := range map[string]*apiservercel.Error{"error": r.Error, "messageError": r.MessageExpressionError} {
			if e != nil {
				want[k] = typeNames.ReplaceAllString(e.Detail, "selfType0")
			}
		}
		if r.UsesOldSelf {
			want["old"] = true
		}
		if r.NormalizedRuleFieldPath != "" {
			want["path"] = r.NormalizedRuleFieldPath
		}
		cases = append(cases, []any{rule, want})
	}
	bare := *n
	bare.XValidations = nil
	return encode(t, map[string]any{"cases": []any{cases}, "schema": bare.ToKubeOpenAPI(), "root": root}), len(cases)
}

// encode is a line of a table.
func encode(t *testing.T, line any) []byte {
	t.Helper()
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	if err := j.Encode(line); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// keepTable writes a table, or reports that it is another.
func keepTable(t *testing.T, name string, lines [][]byte) {
	t.Helper()
	file, text := filepath.Join(tables, name), append(bytes.Join(lines, []byte("\n")), '\n')
	if os.Getenv("APICHAIN_WRITE") != "" {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if was, err := os.ReadFile(file); err != nil || !bytes.Equal(was, text) {
		t.Errorf("%s is not what upstream's code makes of the definitions now: %v", name, err)
	}
}
