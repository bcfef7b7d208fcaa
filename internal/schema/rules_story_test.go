package schema

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/cel"
)

// These tests tell what rules say as an object goes from one state to the next: each write that is accepted is the old object of the
// following one, as it is of a server's. Compare rules_test.go, whose rows are single checks.

// write is one state of an object, and what is said of it: errors, then warnings behind "!". One with errors is not kept.
type write struct{ what, spec, says string }

// live plays the writes of an object by the rules of a schema.
func live(t *testing.T, s *Schema, writes []write) {
	t.Helper()
	old := ""
	for _, w := range writes {
		obj := `{"spec":` + w.spec + `}`
		got := told(t, s, obj, old)
		if got != w.says {
			t.Errorf("%s: from %s to %s:\n got %s\nwant %s", w.what, old, obj, got, w.says)
		}
		if got == "" || got[0] == '!' {
			old = obj
		}
	}
}

// TestLifeOfListener: transition rules in a list that is a map correspond by the keys of its items, wherever these stand, as in a gateway
// whose listeners may not change their protocol, and may be added and removed.
func TestLifeOfListener(t *testing.T) {
	s := ruled(t, `"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name","port"],"items":{"type":"object",
		"required":["name","port"],"properties":{"name":{"type":"string"},"port":{"type":"integer","default":80},
		"protocol":{"type":"string",`+rulesSaying(`"self == oldSelf","message":"protocol is immutable"`)+`},"weight":{"type":"integer"}},`+
		rulesSaying(`"!has(oldSelf.weight) || has(self.weight) && self.weight >= oldSelf.weight","message":"weight may only grow"`)+`}`)
	live(t, s, []write{
		{"one is made", `[{"name":"a","port":80,"protocol":"HTTP"}]`, ""},
		{"another one", `[{"name":"a","port":80,"protocol":"HTTP"},{"name":"b","port":80,"protocol":"TCP","weight":2}]`, ""},
		{"in another order", `[{"name":"b","port":80,"protocol":"TCP","weight":2},{"name":"a","port":80,"protocol":"HTTP"}]`, ""},
		{"one changes", `[{"name":"b","port":80,"protocol":"UDP","weight":2},{"name":"a","port":80,"protocol":"HTTP"}]`,
			`spec[0].protocol: Invalid value: "UDP": protocol is immutable`},
		{"both change", `[{"name":"b","port":80,"protocol":"UDP","weight":1},{"name":"a","port":80,"protocol":"TLS"}]`,
			`spec[0]: Invalid value: weight may only grow` + "\n" +
				`spec[0].protocol: Invalid value: "UDP": protocol is immutable` + "\n" + `spec[1].protocol: Invalid value: "TLS": protocol is immutable`},
		{"of another port it is another one", `[{"name":"b","port":81,"protocol":"UDP","weight":1},{"name":"a","port":80,"protocol":"HTTP"}]`, ""},
		{"a weight grows", `[{"name":"b","port":81,"protocol":"UDP","weight":5}]`, ""},
		{"it does not shrink", `[{"name":"b","port":81,"protocol":"UDP","weight":4}]`, "spec[0]: Invalid value: weight may only grow"},
		{"nor go", `[{"name":"b","port":81,"protocol":"UDP"}]`, "spec[0]: Invalid value: weight may only grow"},
		{"but the whole item may", `[]`, ""},
		{"and come back as it likes", `[{"name":"b","port":81,"protocol":"TCP","weight":1}]`, ""},
	})
}

// TestLifeOfAtomic: in lists whose items have no keys nothing corresponds but the list itself, so rules of items about what was are not
// asked, and those of the list are.
func TestLifeOfAtomic(t *testing.T) {
	never := rulesSaying(`"self == oldSelf","message":"immutable"`)
	for kind, says := range map[string]string{"atomic": "", "set": ""} {
		s := ruled(t, `"type":"array","x-kubernetes-list-type":"`+kind+`","items":{"type":"string",`+never+`}`)
		live(t, s, []write{{kind, `["a"]`, ""}, {kind + " with another item", `["b"]`, says}})
	}
	s := ruled(t, `"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"},`+rulesSaying(`"oldSelf.all(x, x in self)","message":"nothing goes"`))
	live(t, s, []write{
		{"two", `["a","b"]`, ""},
		{"three in another order", `["c","b","a"]`, ""},
		{"one goes", `["c","b"]`, `spec: Invalid value: nothing goes`},
	})
	// Sets are equal whatever their order is, lists are not.
	for kind, says := range map[string]string{"atomic": `spec: Invalid value: same`, "set": ""} {
		s := ruled(t, `"type":"array","x-kubernetes-list-type":"`+kind+`","items":{"type":"string"},`+rulesSaying(`"self == oldSelf","message":"same"`))
		live(t, s, []write{{kind, `["a","b"]`, ""}, {kind + " in another order", `["b","a"]`, says}})
	}
}

// TestLifeOfTightened: a rule that comes later than an object leaves alone what the object has already, with a warning, as long as that
// part of it is not touched; so controllers can go on writing the rest. A part that was mended may not be spoilt again.
func TestLifeOfTightened(t *testing.T) {
	const parts = `"type":"object","properties":{"image":{"type":"string"%s},"replicas":{"type":"integer"},
		"ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["n"],"items":{"type":"object","properties":{"n":{"type":"integer"%s},"name":{"type":"string"}}}}}`
	loose := ruled(t, fmt.Sprintf(parts, "", ""))
	live(t, loose, []write{{"before the rules", `{"image":"x","ports":[{"n":1}]}`, ""}})
	tight := ruled(t, fmt.Sprintf(parts, ","+rulesSaying(`"self.contains(':')","message":"no tag"`), ","+rulesSaying(`"self > 1024","message":"privileged"`)))
	const image, port = `spec.image: Invalid value: "x": no tag`, `spec.ports[0].n: Invalid value: 1: privileged`
	old := `{"spec":{"image":"x","ports":[{"n":1}]}}`
	for _, w := range []write{
		{"nothing changes", `{"image":"x","ports":[{"n":1}]}`, "!" + image + "\n!" + port},
		{"something else changes", `{"image":"x","replicas":3,"ports":[{"n":1}]}`, "!" + image + "\n!" + port},
		{"the image changes and is still wrong", `{"image":"y","ports":[{"n":1}]}`, `spec.image: Invalid value: "y": no tag` + "\n!" + port},
		{"the image is mended", `{"image":"x:1","ports":[{"n":1}]}`, "!" + port},
		{"another field of the port", `{"image":"x:1","ports":[{"n":1,"name":"a"}]}`, "!" + port},
		{"another port before it", `{"image":"x:1","ports":[{"n":2},{"n":1}]}`, "spec.ports[0].n: Invalid value: 2: privileged\n!spec.ports[1].n: Invalid value: 1: privileged"},
		{"a port that is allowed before it", `{"image":"x:1","ports":[{"n":2000},{"n":1}]}`, "!spec.ports[1].n: Invalid value: 1: privileged"},
		{"the port is gone", `{"image":"x:1"}`, ""},
	} {
		if got := told(t, tight, `{"spec":`+w.spec+`}`, old); got != w.says {
			t.Errorf("%s:\n got %s\nwant %s", w.what, got, w.says)
		}
	}
	// As a new object it is wrong altogether.
	if got := told(t, tight, old, ""); got != image+"\n"+port {
		t.Error(got)
	}
	live(t, tight, []write{
		{"a good one", `{"image":"x:1"}`, ""},
		{"spoilt", `{"image":"x"}`, image},
		{"still the good one", `{"image":"x:1","replicas":1}`, ""},
	})
}

// TestLifeOfOptionalOld: a rule with optionalOldSelf is asked when a value appears too, and when it changes, but not when it goes.
func TestLifeOfOptionalOld(t *testing.T) {
	s := ruled(t, `"type":"object","properties":{"id":{"type":"string",`+
		rulesSaying(`"oldSelf.optMap(o, o == self).orValue(self != '')","optionalOldSelf":true,"messageExpression":"oldSelf.hasValue() ? 'was ' + oldSelf.value() : 'must not be empty'"`)+`}}`)
	live(t, s, []write{
		{"none", `{}`, ""},
		{"it is empty", `{"id":""}`, `spec.id: Invalid value: "": must not be empty`},
		{"it appears", `{"id":"a"}`, ""},
		{"it changes", `{"id":"b"}`, `spec.id: Invalid value: "b": was a`},
		{"it goes", `{}`, ""},
		{"it is another one then", `{"id":"b"}`, ""},
	})
}

// TestLifeOfNullable: null is a value of its own where a schema allows it, and no value where a default is.
func TestLifeOfNullable(t *testing.T) {
	s := ruled(t, `"type":"object","properties":{"n":{"type":"integer","nullable":true,`+rulesSaying(`"self > 0"`)+`}},`+
		rulesSaying(`"!has(self.n) || self.n < 10"`))
	live(t, s, []write{
		{"none", `{}`, ""},
		{"null is not there", `{"n":null}`, ""},
		{"a number", `{"n":5}`, ""},
		{"too large", `{"n":10}`, "spec: Invalid value: failed rule: !has(self.n) || self.n < 10"},
		{"too small", `{"n":0}`, "spec.n: Invalid value: 0: failed rule: self > 0"},
		{"null again", `{"n":null}`, ""},
	})
}

// TestPaths: a rule's error is at the field that it names, as it is called in the schema, and never beyond.
func TestPaths(t *testing.T) {
	const within = `"type":"object","properties":{"a-b":{"type":"string"},"m":{"type":"object","additionalProperties":{"type":"string"}},"o":{"type":"object","properties":{"p.q":{"type":"integer"}}}},`
	for path, want := range map[string]string{
		"":              "spec",
		".a-b":          "spec.a-b",
		"['a-b']":       "spec.a-b",
		".o":            "spec.o",
		".o['p.q']":     "spec.o.p.q",
		".m['any']":     "spec.m[any]",
		".m.any":        "spec.m[any]",
		".m['a\\\\'b']": `spec.m[a'b]`,
	} {
		rule := `"false","message":"no"`
		if path != "" {
			rule += `,"fieldPath":"` + path + `"`
		}
		if got := told(t, ruled(t, within+rulesSaying(rule)), `{"spec":{}}`, ""); got != want+": Invalid value: no" &&
			got != want+`: Invalid value: "object": no` {
			t.Errorf("%q: %s, want it at %s", path, got, want)
		}
	}
}

// TestSeen: what rules see of the values of schemas that are not plain: formats, quantities of two types, embedded objects, names that are
// no identifiers, and what is preserved.
func TestSeen(t *testing.T) {
	for _, c := range []struct{ what, spec, rule, value string }{
		{"a date", `"type":"string","format":"date-time"`, "self < timestamp('2021-01-01T00:00:00Z') && self.getFullYear() == 2020", `"2020-05-01T00:00:00Z"`},
		{"a day", `"type":"string","format":"date"`, "self.getDayOfWeek() == 5", `"2020-05-01"`},
		{"a duration", `"type":"string","format":"duration"`, "self.getMinutes() == 90", `"1h30m"`},
		{"bytes", `"type":"string","format":"byte"`, "self == b'abc' && self.size() == 3", `"YWJj"`},
		{"any other format", `"type":"string","format":"uri"`, "self.startsWith('http') && url(self).getHost() == 'x'", `"http://x/y"`},
		{"a number or text, a number", `"x-kubernetes-int-or-string":true`, "type(self) == int ? self == 5 : self == '50%'", `5`},
		{"a number or text, a text", `"x-kubernetes-int-or-string":true`, "type(self) == int ? self == 5 : self == '50%'", `"50%"`},
		{"a double that is whole", `"type":"number"`, "self == 3.0 && string(self) == '3'", `3`},
		{"a name that is none", `"type":"object","properties":{"a.b/c-d":{"type":"integer"},"if":{"type":"integer"},"x__y":{"type":"integer"}}`,
			"self.a__dot__b__slash__c__dash__d + self.x__underscores__y == 3 && has(self.__if__) == false", `{"a.b/c-d":1,"x__y":2}`},
		{"a map", `"type":"object","additionalProperties":{"type":"integer"}`, "self['a.b'] == 1 && self.all(k, self[k] > 0) && 'if' in self", `{"a.b":1,"if":2}`},
		{"an embedded object", `"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true`,
			"self.kind == 'Pod' && self.metadata.name == 'p'", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{}}`},
		{"what is preserved is not seen", `"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"integer"}}`, "self.a == 1", `{"a":1,"b":2}`},
		{"an enum", `"type":"string","enum":["A","B"]`, "self in ['A', 'B'] && self != 'B'", `"A"`},
		{"a list of lists", `"type":"array","items":{"type":"array","items":{"type":"integer"}}`, "self.map(l, l.size()) == [2, 1]", `[[1,2],[3]]`},
		{"equal numbers of two types", `"type":"object","properties":{"i":{"type":"integer"},"d":{"type":"number"}}`, "double(self.i) == self.d && self.i < self.d + 1.0", `{"i":1,"d":1.0}`},
	} {
		s := ruled(t, c.spec+","+rulesSaying(`"`+c.rule+`"`))
		if got := told(t, s, `{"spec":`+c.value+`}`, ""); got != "" {
			t.Errorf("%s: %s", c.what, got)
		}
		// And it is asked: its contrary fails.
		s = ruled(t, c.spec+","+rulesSaying(`"!(`+c.rule+`)"`))
		if got := told(t, s, `{"spec":`+c.value+`}`, ""); !strings.Contains(got, "failed rule: !(") {
			t.Errorf("%s: the contrary holds too: %s", c.what, got)
		}
	}
}

// TestSpentTogether: what one object may cost is shared by all its rules, wherever they are: 100,000,000 units upstream gives to a check.
// What is asked first is told, and of what comes behind nothing.
func TestSpentTogether(t *testing.T) {
	item := `{"type":"array","items":{"type":"integer"},` + rulesSaying(`"self.all(a, self.all(b, a <= b || b < a))"`) + `}`
	s := ruled(t, `"type":"object","properties":{"few":{"type":"integer",`+rulesSaying(`"self > 5"`)+`},"l":{"type":"array","items":`+item+`},"z":{"type":"integer",`+rulesSaying(`"self > 5"`)+`}}`)
	list := func(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }
	for _, c := range []struct {
		lists int
		spent bool
	}{{1, false}, {5, false}, {60, true}} {
		got := told(t, s, `{"spec":{"few":1,"l":[`+strings.Repeat(list(300)+",", c.lists-1)+list(300)+`],"z":1}}`, "")
		const out = "validation failed due to running out of cost budget, no further validation rules will be run"
		if strings.Contains(got, out) != c.spent || !strings.HasPrefix(got, "spec.few: ") || strings.Contains(got, "spec.z: ") == c.spent {
			t.Errorf("%d lists: %s", c.lists, got)
		}
	}
	// An environment by hand has no limit of its own, so the same rule can be tried on as much.
	env, typ := RuleEnv(nil)
	checked, err := env.Check("self.all(a, self.all(b, a <= b || b < a))")
	if err != nil {
		t.Fatal(err)
	}
	program, err := checked.Program()
	if err != nil {
		t.Fatal(err)
	}
	long := make([]any, 300)
	for i := range long {
		long[i] = int64(i)
	}
	v, cost := program.Eval([]cel.Value{cel.Of(long, typ), cel.Failf("no old value")}, cel.Limit{Cost: cel.NoLimit})
	if v.Err() != nil || !v.Bool() || cost < 300*300 {
		t.Errorf("%v, %d", v.Err(), cost)
	}
}
