package schema_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// A second validator, which reads the JSON of a schema as it stands and takes its time: numbers
// are fractions, patterns are compiled at each value, lists are compared pair by pair. It was
// written from the meaning of the keywords and shares nothing with the compiled one, which it
// is compared with over random schemas and values: whether there is an error at all and, for
// schemas without alternatives, the reason and the field of each.

// reference collects what is wrong with a value as "Reason field", in any order.
type reference struct{ wrong []string }

func (r *reference) add(reason, path string) {
	if path == "" {
		path = "<nil>"
	}
	r.wrong = append(r.wrong, reason+" "+path)
}

// referenceFaults gives what is wrong with v, sorted and each once.
func referenceFaults(s map[string]any, v any) []string {
	r := &reference{}
	r.value(s, v, "")
	r.members(s, v, "")
	slices.Sort(r.wrong)
	return slices.Compact(r.wrong)
}

func ratio(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case float64:
		return new(big.Rat).SetFloat64(v)
	}
	return nil
}

// value looks at v without the members of lists, which are looked at apart.
func (r *reference) value(s map[string]any, v any, path string) {
	enum, hasEnum := s["enum"].([]any)
	if v == nil {
		if refTypes(s) != nil && s["nullable"] != true {
			r.add("TypeInvalid", path)
		}
		if hasEnum {
			r.add("NotSupported", path)
		}
		return
	}
	types := refTypes(s)
	if _, isList := v.([]any); isList && s["format"] == "date" && s["type"] == "string" {
		types = nil // where a text of a format is wanted, a list is taken too
	}
	if types != nil && !slices.ContainsFunc(types, func(typ string) bool { return refIs(v, typ) }) {
		r.add("TypeInvalid", path)
		if n := ratio(v); n != nil && !n.IsInt() && slices.Equal(types, []string{"integer"}) {
			r.add("Invalid", "")
		}
	}
	if hasEnum && !slices.ContainsFunc(enum, func(e any) bool { return refMember(v, e) }) {
		r.add("NotSupported", path)
	}
	r.alternatives(s, v, path)
	switch v := v.(type) {
	case string:
		r.text(s, v, path)
	case int64, float64:
		r.number(s, ratio(v), path)
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, e := range v {
			if items != nil {
				r.value(items, e, fmt.Sprintf("%s[%d]", path, i))
			}
		}
		r.count(s, "Items", len(v), path)
	case map[string]any:
		r.object(s, v, path)
	}
}

func refTypes(s map[string]any) []string {
	if s["x-kubernetes-int-or-string"] == true {
		return []string{"integer", "string"}
	}
	if typ, ok := s["type"].(string); ok {
		return []string{typ}
	}
	return nil
}

func refIs(v any, typ string) bool {
	switch v.(type) {
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	}
	return typ == "number" || typ == "integer" && ratio(v).IsInt()
}

// refEqual compares two JSON values, numbers by what they are and not by how they are held.
func refEqual(a, b any) bool {
	x, y := ratio(a), ratio(b)
	if x != nil && y != nil {
		return x.Cmp(y) == 0
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !refEqual(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if _, there := b[k]; !there || !refEqual(a[k], b[k]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

// refSame is the equality of members, for which 1 and 1.0 are two, but not inside of others.
func refSame(a, b any) bool {
	_, isFloat := a.(float64)
	_, areFloats := b.(float64)
	return isFloat == areFloats && refEqual(a, b)
}

// refMember is the equality of an enum, whose numbers here are integers: of a fraction the whole part
// counts.
func refMember(v, e any) bool {
	if n, isInt := e.(int64); isInt {
		if f := ratio(v); f != nil {
			return new(big.Int).Quo(f.Num(), f.Denom()).Cmp(big.NewInt(n)) == 0
		}
	}
	return refEqual(v, e)
}

// text reports one of length and pattern, and the format.
func (r *reference) text(s map[string]any, v, path string) {
	size := int64(utf8.RuneCountInString(v))
	limit, limited := s["maxLength"].(int64)
	least, _ := s["minLength"].(int64)
	pattern, _ := s["pattern"].(string)
	switch {
	case limited && size > limit:
		r.add("TooLong", path)
	case size < least, pattern != "" && !regexp.MustCompile(pattern).MatchString(v):
		r.add("Invalid", path)
	}
	if s["format"] == "date" {
		if _, err := time.Parse("2006-01-02", v); err != nil {
			r.add("TypeInvalid", path)
		}
	}
}

func (r *reference) number(s map[string]any, v *big.Rat, path string) {
	if least := ratio(s["minimum"]); least != nil {
		if c := v.Cmp(least); c < 0 || c == 0 && s["exclusiveMinimum"] == true {
			r.add("Invalid", path)
		}
	}
	if most := ratio(s["maximum"]); most != nil {
		if c := v.Cmp(most); c > 0 || c == 0 && s["exclusiveMaximum"] == true {
			r.add("Invalid", path)
		}
	}
	if unit := ratio(s["multipleOf"]); unit != nil && !new(big.Rat).Quo(v, unit).IsInt() {
		r.add("Invalid", path)
	}
}

func (r *reference) count(s map[string]any, what string, n int, path string) {
	if least, ok := s["min"+what].(int64); ok && int64(n) < least {
		r.add("Invalid", path)
	}
	if most, ok := s["max"+what].(int64); ok && int64(n) > most {
		r.add("TooMany", path)
	}
}

func refChild(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

func (r *reference) object(s map[string]any, o map[string]any, path string) {
	properties, _ := s["properties"].(map[string]any)
	for name, e := range o {
		if p, known := properties[name].(map[string]any); known {
			r.value(p, e, refChild(path, name))
		} else if extra, ok := s["additionalProperties"].(map[string]any); ok {
			r.value(extra, e, refChild(path, name))
		} else if s["additionalProperties"] == false {
			r.add("Invalid", path)
		}
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, there := o[name.(string)]; !there {
			r.add("Required", refChild(path, name.(string)))
		}
	}
	r.count(s, "Properties", len(o), path)
	if s["x-kubernetes-embedded-resource"] == true {
		for _, name := range []string{"apiVersion", "kind"} {
			switch text, ok := o[name].(string); {
			case o[name] == nil && !slices.Contains(tree.SortedKeys(o), name):
				r.add("Required", refChild(path, name))
			case !ok || !regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]*$`).MatchString(text):
				r.add("Invalid", refChild(path, name))
			}
		}
	}
}

// alternatives adds one mark for each junctor that fails; what failed inside of it is not told.
func (r *reference) alternatives(s map[string]any, v any, path string) {
	holding := func(list []any) (n int) {
		for _, sub := range list {
			if referenceFaultsValue(sub.(map[string]any), v) == nil {
				n++
			}
		}
		return n
	}
	if list, ok := s["allOf"].([]any); ok && holding(list) < len(list) {
		r.add("allOf", path)
	}
	if list, ok := s["anyOf"].([]any); ok && holding(list) == 0 {
		r.add("anyOf", path)
	}
	if list, ok := s["oneOf"].([]any); ok && holding(list) != 1 {
		r.add("oneOf", path)
	}
	if sub, ok := s["not"].(map[string]any); ok && referenceFaultsValue(sub, v) == nil {
		r.add("not", path)
	}
}

func referenceFaultsValue(s map[string]any, v any) []string {
	r := &reference{}
	r.value(s, v, "")
	return r.wrong
}

// members looks for members of sets and maps that are there twice. The path of a value of a
// map is written with brackets here, as upstream does.
func (r *reference) members(s map[string]any, v any, path string) {
	switch v := v.(type) {
	case []any:
		if kind := s["x-kubernetes-list-type"]; kind == "set" || kind == "map" {
			keys, _ := s["x-kubernetes-list-map-keys"].([]any)
			same := func(a, b any) bool {
				if kind == "set" {
					return refSame(a, b)
				}
				x, _ := a.(map[string]any)
				y, _ := b.(map[string]any)
				for _, k := range keys {
					e, inX := x[k.(string)]
					f, inY := y[k.(string)]
					if inX != inY || len(keys) == 1 && !refSame(e, f) || !refEqual(e, f) {
						return false
					}
				}
				return true
			}
			for i, e := range v {
				if _, isObject := e.(map[string]any); kind == "map" && !isObject && e != nil {
					r.add("Invalid", fmt.Sprintf("%s[%d]", path, i))
					return
				}
			}
			for i := range v {
				before := 0
				for j := range i {
					if same(v[i], v[j]) {
						before++
					}
				}
				if before == 1 {
					r.add("Duplicate", fmt.Sprintf("%s[%d]", path, i))
				}
			}
		}
		if items, ok := s["items"].(map[string]any); ok {
			for i, e := range v {
				r.members(items, e, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		extra, _ := s["additionalProperties"].(map[string]any)
		for name, e := range v {
			if p, known := properties[name].(map[string]any); known {
				r.members(p, e, refChild(path, name))
			} else if extra != nil {
				r.members(extra, e, path+"["+name+"]")
			}
		}
	}
}

// referenceSchema grows a structural schema of few names and small bounds.
func referenceSchema(r *rand.Rand, depth int, alternatives bool) map[string]any {
	kinds := []string{"string", "integer", "number", "boolean", "int-or-string", "object", "object", "array", "map", "embedded"}
	if depth == 0 {
		kinds = kinds[:5]
	}
	kind := kinds[r.IntN(len(kinds))]
	s := map[string]any{"type": kind}
	switch kind {
	case "int-or-string":
		s = map[string]any{"x-kubernetes-int-or-string": true}
	case "map":
		s["type"], s["additionalProperties"] = "object", referencePlain(referenceSchema(r, depth-1, alternatives))
	case "embedded":
		s["type"], s["x-kubernetes-embedded-resource"], s["x-kubernetes-preserve-unknown-fields"] = "object", true, true
	case "object":
		properties := map[string]any{}
		for _, name := range []string{"a", "b", "c"} {
			if r.IntN(3) > 0 {
				properties[name] = referenceSchema(r, depth-1, alternatives)
			}
		}
		s["properties"] = properties
		if len(properties) == 0 && r.IntN(2) == 0 {
			s["additionalProperties"] = false
		}
	case "array":
		items := referenceSchema(r, depth-1, alternatives)
		switch r.IntN(4) {
		case 0:
			s["x-kubernetes-list-type"] = "set"
		case 1:
			items = map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "integer"},
				"b": referenceSchema(r, depth-1, alternatives)}}
			s["x-kubernetes-list-type"], s["x-kubernetes-list-map-keys"] = "map", [][]any{{"a"}, {"a", "b"}}[r.IntN(2)]
		}
		s["items"] = items
	}
	if r.IntN(4) == 0 {
		s["nullable"] = true
	}
	referenceRules(r, s, kind)
	if alternatives && r.IntN(3) == 0 {
		nested := func() map[string]any {
			n := map[string]any{}
			referenceRules(r, n, kind)
			return n
		}
		switch r.IntN(4) {
		case 0:
			s["not"] = nested()
		default:
			s[[]string{"allOf", "anyOf", "oneOf"}[r.IntN(3)]] = []any{nested(), nested()}
		}
	}
	return s
}

// referencePlain takes out of a schema what names its places differently below a map.
func referencePlain(s map[string]any) map[string]any {
	if s["x-kubernetes-embedded-resource"] == true {
		return map[string]any{"type": "string"}
	}
	for _, keyword := range []string{"items", "additionalProperties"} {
		if sub, ok := s[keyword].(map[string]any); ok {
			s[keyword] = referencePlain(sub)
		}
	}
	for name := range tree.Object(s, "properties") {
		s["properties"].(map[string]any)[name] = referencePlain(tree.Object(s, "properties", name))
	}
	return s
}

// referenceRules adds rules that say something of values of a kind.
func referenceRules(r *rand.Rand, s map[string]any, kind string) {
	maybe := func(keyword string, v any) {
		if r.IntN(4) == 0 {
			s[keyword] = v
		}
	}
	small := func() any { return int64(r.IntN(3)) }
	switch kind {
	case "string":
		maybe("minLength", small())
		maybe("maxLength", int64(1+r.IntN(3)))
		maybe("pattern", []any{"^[a-c]", "b$", "ä"}[r.IntN(3)])
		maybe("enum", []any{"a", "äö", "2026-01-01"})
		if s["type"] == "string" {
			maybe("format", "date")
		}
	case "integer", "number":
		maybe("minimum", small())
		maybe("maximum", int64(r.IntN(4)))
		maybe("exclusiveMinimum", r.IntN(2) == 0)
		maybe("exclusiveMaximum", r.IntN(2) == 0)
		maybe("multipleOf", int64(2))
		maybe("enum", []any{int64(0), int64(1), int64(3)})
	case "int-or-string":
		maybe("maximum", int64(r.IntN(4)))
		maybe("maxLength", int64(1+r.IntN(2)))
	case "boolean":
		maybe("enum", []any{true})
	case "array":
		maybe("minItems", small())
		maybe("maxItems", int64(r.IntN(4)))
	case "object", "map", "embedded":
		maybe("required", []any{"a"})
		maybe("minProperties", small())
		maybe("maxProperties", int64(r.IntN(4)))
	}
}

// referenceValue grows a value for a schema, which it mostly obeys in its types.
func referenceValue(r *rand.Rand, s map[string]any, depth int) any {
	if r.IntN(12) == 0 {
		return []any{nil, true, int64(1), 1.5, "x", []any{}, []any{int64(1), int64(1)}, map[string]any{},
			map[string]any{"a": int64(1)}}[r.IntN(9)]
	}
	typ, _ := s["type"].(string)
	if s["x-kubernetes-int-or-string"] == true {
		typ = []string{"integer", "string"}[r.IntN(2)]
	}
	switch typ {
	case "string":
		return []any{"", "a", "ab", "abc", "äö", "äöü", "2026-01-01", "2026-02-30", "x"}[r.IntN(9)]
	case "integer":
		return []any{int64(-1), int64(0), int64(1), int64(2), int64(3), 2.0, int64(1) << 53}[r.IntN(7)]
	case "number":
		return []any{int64(0), int64(1), int64(2), 0.5, 1.0, 2.5, -1.5, 3.0}[r.IntN(8)]
	case "boolean":
		return r.IntN(2) == 0
	case "array":
		list := []any{}
		items, _ := s["items"].(map[string]any)
		for range r.IntN(5) {
			list = append(list, referenceValue(r, items, depth-1))
		}
		return list
	}
	o := map[string]any{}
	if s["x-kubernetes-embedded-resource"] == true {
		o["apiVersion"], o["kind"] = []any{"v1", "v1", "", int64(1)}[r.IntN(4)], []any{"Pod", "Pod", "4", "A-b"}[r.IntN(4)]
		for _, name := range []string{"apiVersion", "kind"} {
			if r.IntN(6) == 0 {
				delete(o, name)
			}
		}
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		p := tree.Object(s, "properties", name)
		if p == nil {
			p, _ = s["additionalProperties"].(map[string]any)
		}
		if p != nil && r.IntN(3) > 0 {
			o[name] = referenceValue(r, p, depth-1)
		} else if p == nil && r.IntN(8) == 0 {
			o[name] = int64(1)
		}
	}
	return o
}

// TestAgainstReference compares the two validators. Half of the schemas have alternatives, of
// which only whether they hold is compared.
func TestAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	valid, wrong := 0, 0
	for range 3000 {
		alternatives := r.IntN(2) == 0
		raw := map[string]any{"type": "object", "properties": map[string]any{"spec": referenceSchema(r, 3, alternatives)}}
		s, err := schema.Compile(raw)
		if err != nil {
			t.Fatalf("%s: %v", tree.AppendJSON(nil, raw), err)
		}
		for range 6 {
			obj := map[string]any{"spec": referenceValue(r, tree.Object(raw, "properties", "spec"), 3)}
			want := referenceFaults(raw, obj)
			errs := s.Validate(obj, nil)
			text := func() string {
				return fmt.Sprintf("%s\nof %s:\ngot  %s\nwant %q", tree.AppendJSON(nil, raw), tree.AppendJSON(nil, obj), lines(errs), want)
			}
			if (errs == nil) != (want == nil) {
				t.Fatalf("%s", text())
			}
			if want == nil {
				valid++
				continue
			}
			wrong++
			if alternatives {
				continue
			}
			var got []string
			for _, e := range errs {
				got = append(got, strings.TrimPrefix(e.Reason, "FieldValue")+" "+e.Field)
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Fatalf("%s", text())
			}
		}
	}
	if valid < 2000 || wrong < 2000 {
		t.Errorf("%d values are valid, %d are not: too few of one sort", valid, wrong)
	}
}

// TestReferenceItself: the slow validator is right about a few values that can be judged by
// eye, so that the comparison means something.
func TestReferenceItself(t *testing.T) {
	for _, row := range []struct{ schema, value, want string }{
		{`{"type":"integer","maximum":3}`, `3`, ""},
		{`{"type":"integer","maximum":3}`, `4`, "Invalid <nil>"},
		{`{"type":"integer"}`, `"x"`, "TypeInvalid <nil>"},
		{`{"type":"string","nullable":true}`, `null`, ""},
		{`{"type":"string","maxLength":1}`, `"ab"`, "TooLong <nil>"},
		{`{"type":"object","required":["x"],"properties":{"y":{"type":"string","enum":["a"]}}}`, `{"y":"b"}`, "NotSupported y|Required x"},
		{`{"type":"array","items":{"type":"integer"},"x-kubernetes-list-type":"set"}`, `[1,2,1,1]`, "Duplicate [2]"},
		{`{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"]}`, `[{"k":1},{"k":1}]`, "Duplicate [1]"},
		{`{"type":"integer","not":{"minimum":5}}`, `6`, "not <nil>"},
		{`{"type":"integer","oneOf":[{"minimum":5},{"maximum":7}]}`, `6`, "oneOf <nil>"},
		{`{"type":"object","additionalProperties":{"type":"integer"}}`, `{"k":"x"}`, "TypeInvalid k"},
	} {
		v, _, err := tree.ParseJSON([]byte(row.value))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(referenceFaults(parse(t, row.schema), v), "|"); got != row.want {
			t.Errorf("%s of %s: got %q, want %q", row.schema, row.value, got, row.want)
		}
	}
}
