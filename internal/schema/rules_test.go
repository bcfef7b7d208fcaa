package schema

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/cel"
	"apichain/internal/field"
	"apichain/internal/tree"
)

// told checks an object by the rules of a schema and returns what comes of it: errors, then warnings behind a "!".
func told(t *testing.T, s *Schema, obj, old string, before ...field.Error) string {
	t.Helper()
	var was map[string]any
	if old != "" {
		was = objectOf(t, old)
	}
	var out []string
	var warnings []string
	for _, e := range s.CheckRules(objectOf(t, obj), was, before, nil, func(text string) { warnings = append(warnings, "!"+text) }) {
		out = append(out, e.String())
	}
	return strings.Join(append(out, warnings...), "\n")
}

// ruled returns a schema whose field spec is as given.
func ruled(t testing.TB, spec string) *Schema {
	t.Helper()
	return schemaOf(t, `{"type":"object","properties":{"spec":{`+spec+`}}}`)
}

// rulesSaying returns the keyword with rules, each of which is given with its quotes and other members.
func rulesSaying(rules ...string) string {
	return `"x-kubernetes-validations":[{"rule":` + strings.Join(rules, `},{"rule":`) + `}]`
}

// TestRuleErrors: the place, the reason, the value and the words of an error.
func TestRuleErrors(t *testing.T) {
	object := `"type":"object","properties":{"n":{"type":"integer"},"m":{"type":"object","properties":{"x":{"type":"string"}}}},`
	for _, row := range []struct{ spec, obj, want string }{
		{`"type":"integer",` + rulesSaying(`"self > 5"`), `{"spec":6}`, ""},
		{`"type":"integer",` + rulesSaying(`"self > 5"`), `{"spec":5}`, "spec: Invalid value: 5: failed rule: self > 5"},
		{`"type":"integer",` + rulesSaying(`"self > 5"`), `{}`, ""},
		{`"type":"integer","nullable":true,` + rulesSaying(`"self > 5"`), `{"spec":null}`, ""},
		{`"type":"integer",` + rulesSaying(`" self > 5 "`), `{"spec":5}`, "spec: Invalid value: 5: failed rule: self > 5"},
		{`"type":"integer",` + rulesSaying(`"self > 5","message":" too few "`), `{"spec":5}`, "spec: Invalid value: 5: too few"},
		{`"type":"number",` + rulesSaying(`"self > 5.0"`), `{"spec":1.5}`, "spec: Invalid value: 1.5: failed rule: self > 5.0"},
		{`"type":"string",` + rulesSaying(`"self == 'a'","reason":"FieldValueDuplicate","message":"m"`), `{"spec":"b"}`, `spec: Duplicate value: "b"`},
		{`"type":"string",` + rulesSaying(`"self == 'a'","reason":"FieldValueRequired"`), `{"spec":"b"}`, "spec: Required value: failed rule: self == 'a'"},
		{object + rulesSaying(`"has(self.n)","reason":"FieldValueDuplicate"`), `{"spec":{}}`, "spec: Duplicate value"},
		{object + rulesSaying(`"has(self.n)","reason":"FieldValueForbidden","fieldPath":".m.x"`), `{"spec":{}}`, "spec.m.x: Forbidden: failed rule: has(self.n)"},
		{object + rulesSaying(`"self.n > 1","message":"m"`), `{"spec":{}}`, `spec: Invalid value: "object": no such key: n evaluating rule: m`},
		{object + rulesSaying(`"1 / self.n > 1"`, `"self.n > 1"`), `{"spec":{"n":0}}`,
			"spec: Invalid value: \"object\": division by zero evaluating rule: 1 / self.n > 1\nspec: Invalid value: failed rule: self.n > 1"},
		{`"type":"integer",` + rulesSaying(`"self > 5","messageExpression":"'it is ' + string(self)"`), `{"spec":5}`, "spec: Invalid value: 5: it is 5"},
		{`"type":"integer",` + rulesSaying(`"self > 5","messageExpression":"string(1 / (self - 5))","message":"m"`), `{"spec":5}`, "spec: Invalid value: 5: m"},
		{`"type":"integer",` + rulesSaying(`"self > 5","messageExpression":"'a\\nb'"`), `{"spec":5}`, "spec: Invalid value: 5: failed rule: self > 5"},
		{`"type":"array","items":{"type":"integer",` + rulesSaying(`"self > 5"`) + `}`, `{"spec":[6,5,4]}`,
			"spec[1]: Invalid value: 5: failed rule: self > 5\nspec[2]: Invalid value: 4: failed rule: self > 5"},
		{`"type":"object","additionalProperties":{"type":"integer",` + rulesSaying(`"self > 5"`) + `}`, `{"spec":{"b":1,"a":2,"c":9}}`,
			"spec[a]: Invalid value: 2: failed rule: self > 5\nspec[b]: Invalid value: 1: failed rule: self > 5"},
	} {
		if got := told(t, ruled(t, row.spec), row.obj, ""); got != row.want {
			t.Errorf("%s of %s:\n got %s\nwant %s", row.spec, row.obj, got, row.want)
		}
	}
}

// TestRulesAfterErrors: errors of some reasons keep rules from being asked, of others not.
func TestRulesAfterErrors(t *testing.T) {
	s := ruled(t, `"type":"integer",`+rulesSaying(`"self > 5"`))
	const unchecked = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
	for _, e := range []field.Error{
		field.NotSupported("a", "b", "c"), field.Required("a", ""), field.TooLong("a", 1), field.TooMany("a", 2, 1), {Reason: "FieldValueTypeInvalid", Field: "a"},
	} {
		if got := told(t, s, `{"spec":1}`, "", e); got != e.String()+"\n<nil>: Invalid value: null: "+unchecked {
			t.Errorf("after %s: %s", e.Reason, got)
		}
		if got := s.CheckRules(nil, nil, []field.Error{e}, nil, nil); len(got) != 2 {
			t.Errorf("after %s: %v", e.Reason, got)
		}
	}
	for _, e := range []field.Error{field.Invalid("a", 1, "x"), field.Forbidden("a", "x"), field.Duplicate("a", 1)} {
		if got := told(t, s, `{"spec":1}`, "", e); got != e.String()+"\nspec: Invalid value: 1: failed rule: self > 5" {
			t.Errorf("after %s: %s", e.Reason, got)
		}
	}
	plain := ruled(t, `"type":"integer"`)
	if e := field.Required("a", ""); plain.HasRules() || told(t, plain, `{"spec":1}`, "", e) != e.String() {
		t.Error("a schema without rules says something")
	}
}

// TestRulesOldSelf: which rules are asked on an update, and which old value they see.
func TestRulesOldSelf(t *testing.T) {
	grows := rulesSaying(`"self >= oldSelf","message":"shrinks"`)
	once := rulesSaying(`"oldSelf.hasValue() ? self == oldSelf.value() : self > 0","optionalOldSelf":true,"message":"once"`)
	keyed := `"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"},"n":{"type":"integer",` + grows + `}}}`
	for _, row := range []struct{ spec, old, obj, want string }{
		{`"type":"integer",` + grows, "", `{"spec":1}`, ""},
		{`"type":"integer",` + grows, `{}`, `{"spec":1}`, ""},
		{`"type":"integer",` + grows, `{"spec":null}`, `{"spec":1}`, ""},
		{`"type":"integer",` + grows, `{"spec":2}`, `{"spec":1}`, "spec: Invalid value: 1: shrinks"},
		{`"type":"integer",` + grows, `{"spec":2}`, `{"spec":2}`, ""},
		{`"type":"integer",` + once, "", `{"spec":0}`, "spec: Invalid value: 0: once"},
		{`"type":"integer",` + once, `{}`, `{"spec":1}`, ""},
		{`"type":"integer",` + once, `{"spec":1}`, `{"spec":2}`, "spec: Invalid value: 2: once"},
		{`"type":"object","additionalProperties":{"type":"integer",` + grows + `}`, `{"spec":{"a":2}}`, `{"spec":{"a":1,"b":0}}`, "spec[a]: Invalid value: 1: shrinks"},
		{`"type":"object","x-kubernetes-map-type":"atomic","properties":{"a":{"type":"integer",` + grows + `}}`, `{"spec":{"a":2}}`, `{"spec":{"a":1}}`, "spec.a: Invalid value: 1: shrinks"},
		{keyed, `{"spec":[{"k":"a","n":1},{"k":"b","n":2}]}`, `{"spec":[{"k":"b","n":1},{"k":"a","n":1},{"k":"c","n":0}]}`, "spec[0].n: Invalid value: 1: shrinks"},
		{`"type":"array","items":{"type":"integer",` + grows + `}`, `{"spec":[2]}`, `{"spec":[1]}`, ""},
	} {
		if got := told(t, ruled(t, row.spec), row.obj, row.old); got != row.want {
			t.Errorf("%s: from %s to %s:\n got %s\nwant %s", row.spec, row.old, row.obj, got, row.want)
		}
	}
}

// TestRulesUnchanged: what has not changed is warned of, but for rules with oldSelf.
func TestRulesUnchanged(t *testing.T) {
	bad := rulesSaying(`"self > 5"`)
	const failed = ": failed rule: self > 5"
	list := `"type":"object","properties":{"l":{"type":"array","items":{"type":"integer",` + bad + `}},"o":{"type":"integer"}}`
	for _, row := range []struct{ spec, old, obj, want string }{
		{`"type":"integer",` + bad, `{"spec":1}`, `{"spec":1}`, "!spec: Invalid value: 1" + failed},
		{`"type":"integer",` + bad, `{"spec":1}`, `{"spec":2}`, "spec: Invalid value: 2" + failed},
		{`"type":"integer",` + rulesSaying(`"self > oldSelf"`), `{"spec":1}`, `{"spec":1}`, "spec: Invalid value: 1: failed rule: self > oldSelf"},
		// An item of a list corresponds to nothing, but the list does.
		{list, `{"spec":{"l":[1],"o":1}}`, `{"spec":{"l":[1],"o":2}}`, "!spec.l[0]: Invalid value: 1" + failed},
		{list, `{"spec":{"l":[1],"o":1}}`, `{"spec":{"l":[1,9],"o":1}}`, "spec.l[0]: Invalid value: 1" + failed},
		{`"type":"object","additionalProperties":{"type":"integer",` + bad + `}`, `{"spec":{"a":1}}`, `{"spec":{"a":1,"b":2}}`, "spec[b]: Invalid value: 2" + failed + "\n!spec[a]: Invalid value: 1" + failed},
		{`"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"n":{"type":"integer"}},` + rulesSaying(`"self.n > 5"`),
			`{"spec":{"n":1,"unknown":1}}`, `{"spec":{"n":1,"unknown":1}}`, "spec: Invalid value: failed rule: self.n > 5"},
	} {
		if got := told(t, ruled(t, row.spec), row.obj, row.old); got != row.want {
			t.Errorf("%s: from %s to %s:\n got %s\nwant %s", row.spec, row.old, row.obj, got, row.want)
		}
	}
	// What both versions have been converted to is never unchanged.
	s := schemaOf(t, `{"type":"object","properties":{"kind":{"type":"string",`+rulesSaying(`"self == 'X'"`)+`}}}`)
	if got := told(t, s, `{"kind":"K"}`, `{"kind":"K"}`); got != `kind: Invalid value: "K": failed rule: self == 'X'` {
		t.Error(got)
	}
}

// TestRulesBudget: a check ends where its budget does, with one error, and a rule that costs too much by itself ends it too.
func TestRulesBudget(t *testing.T) {
	s := ruled(t, `"type":"array","items":{"type":"integer"},`+rulesSaying(`"self.all(a, self.all(b, a <= b || b <= a))"`, `"self.size() > 5000"`))
	items := `{"spec":[` + strings.Repeat("1,", 999) + `1]}`
	if got := told(t, s, items, ""); !strings.Contains(got, "'operation cancelled: actual cost limit exceeded': no further validation rules will be run") || strings.Count(got, "spec: ") != 1 {
		t.Errorf("a rule that costs too much: %s", got)
	}
	s = ruled(t, `"type":"array","items":{"type":"object","properties":{"l":{"type":"array","items":{"type":"integer"},`+rulesSaying(`"self.all(a, self.all(b, a <= b))"`)+`}}}`)
	inner := `{"l":[` + strings.Repeat("1,", 300) + `1]}`
	got := told(t, s, `{"spec":[`+strings.Repeat(inner+",", 50)+inner+`]}`, "")
	if !strings.HasSuffix(got, `.l: Invalid value: "array": validation failed due to running out of cost budget, no further validation rules will be run`) || strings.Contains(got, "\n") {
		t.Errorf("rules that cost too much together: %s", got)
	}
	done := make(chan struct{})
	close(done)
	long := ruled(t, `"type":"array","items":{"type":"integer"},`+rulesSaying(`"self.all(a, a < 5)"`))
	errs := long.CheckRules(objectOf(t, items), nil, nil, done, nil)
	if len(errs) != 1 || !strings.Contains(errs[0].Message, "operation interrupted evaluating rule") {
		t.Errorf("a check that is called off: %v", errs)
	}
}

// TestRulesNames: in errors the types of a place have its names, whether a place around it has rules or not.
func TestRulesNames(t *testing.T) {
	at := `"type":"object","properties":{"b-c":{"type":"object","properties":{"x":{"type":"integer"}}},"d":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer"}}}}},` +
		rulesSaying(`"self.b__dash__c == 1"`, `"self.d[0] == 1"`, `"self == 1"`)
	for _, around := range []string{"", rulesSaying(`"true"`) + ","} {
		c := crdCheck{}
		c.schema(field.Root("s"), map[string]any{"openAPIV3Schema": objectOf(t, `{"type":"object",`+around+`"properties":{"a":{`+at+`}}}`)}, false, "v1")
		var types []string
		for _, e := range c.errs {
			_, text, _ := strings.Cut(e.Message, "applied to '(")
			text, _, _ = strings.Cut(text, ",")
			types = append(types, text)
		}
		if want := []string{"selfType1.b__dash__c", "selfType1.d.@idx", "selfType1"}; !slices.Equal(types, want) {
			t.Errorf("with %q: %q", around, types)
		}
	}
}

// TestRulesStored: what a definition had already is read as it was then, what is new is not, and costs that stay may stay.
func TestRulesStored(t *testing.T) {
	crd := func(rules string) map[string]any {
		return objectOf(t, `{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"type":"object","properties":{"l":{"type":"array","items":{"type":"integer"},`+rules+`}}}}}]}}`)
	}
	check := func(now, before map[string]any) (out []string) {
		c := crdCheck{spec: tree.Object(now, "spec"), old: tree.Object(before, "spec")}
		c.schema(field.Root("s"), tree.At(tree.List(now, "spec", "versions")[0], "schema"), false, "v1")
		for _, e := range c.errs {
			out = append(out, e.Message)
		}
		return out
	}
	// indexOf of lists is of 1.37, which new expressions do not know yet.
	newest, dear := rulesSaying(`"self.indexOf(1) == 0 && 'a'.indexOf('a') == 0"`), rulesSaying(`"self.all(a, self.all(b, self.all(c, a == b)))"`)
	stored := storedExpressions(tree.Object(crd(newest), "spec"))
	if !stored("self.indexOf(1) == 0 && 'a'.indexOf('a') == 0", false) || stored("self.indexOf(1) == 0", false) || storedExpressions(nil)("", true) {
		t.Error("other expressions are stored than those of the definition")
	}
	if got := check(crd(dear), nil); len(got) != 3 {
		t.Errorf("a dear rule: %q", got)
	}
	// All rules together are counted always (upstream).
	if got := check(crd(dear), crd(dear)); len(got) != 2 || strings.Contains(strings.Join(got, ""), "estimated rule cost exceeds") {
		t.Errorf("a dear rule that was there: %q", got)
	}
	if got := check(crd(dear), crd(newest)); len(got) != 3 {
		t.Errorf("a dear rule in the place of another: %q", got)
	}
}

// TestEscapeName: names of fields as expressions write them.
func TestEscapeName(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "_": "_", "a1": "a1", "a-b.c/d": "a__dash__b__dot__c__slash__d", "a__b": "a__underscores__b", "___": "__underscores___",
		"namespace": "__namespace__", "if": "__if__", "iff": "iff", "self": "self",
		"": "", "1a": "", "a b": "", "ä": "", "a@": "", "-1": "__dash__1",
	} {
		if got, ok := escapeName(name); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v, want %q", name, got, ok, want)
		}
	}
}

// TestRulesConcurrent: the first checks of a schema may come at once.
func TestRulesConcurrent(t *testing.T) {
	s := ruled(t, `"type":"object","properties":{"a":{"type":"integer",`+rulesSaying(`"self > 5","messageExpression":"string(self)"`)+`}}`)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if got, want := told(t, s, fmt.Sprintf(`{"spec":{"a":%d}}`, i-4), ""), fmt.Sprintf("spec.a: Invalid value: %d: %d", i-4, i-4); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
	all.Wait()
}

// TestTypeNamesEnd: names of types do not grow with the depth of a schema.
func TestTypeNamesEnd(t *testing.T) {
	s := schemaOf(t, deepSchema(300, ""))
	for typ := s.root.celType(selfType, true); typ != nil && typ.Kind == cel.Object; typ = typ.Fields["a"].Type {
		if len(typ.Name) > maxTypeName {
			t.Fatalf("a name of %d bytes", len(typ.Name))
		}
	}
}
