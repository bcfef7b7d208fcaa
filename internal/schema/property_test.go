package schema

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/patch"
	"apichain/internal/tree"
)

// What holds of every schema and every object, and the rules for CRDs that are seldom met.

// withDefaults puts defaults into a schema, in fields only: one is of its own type as often
// as not.
func withDefaults(r *rand.Rand, s map[string]any) map[string]any {
	for _, p := range tree.Object(s, "properties") {
		p := withDefaults(r, p.(map[string]any))
		if r.IntN(2) == 0 {
			p["default"] = randomValue(r, 2)
		}
	}
	if items := tree.Object(s, "items"); items != nil {
		withDefaults(r, items)
	}
	if extra := tree.Object(s, "additionalProperties"); extra != nil {
		withDefaults(r, extra)
	}
	return s
}

// TestSchemaWalksSettle: pruning and defaulting are done after one time, pruning tells just
// what goes, and what an object was before is tolerated of it afterwards.
func TestSchemaWalksSettle(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	pruned, defaulted, invalid := 0, 0, 0
	for range 4000 {
		raw := map[string]any{"type": "object", "properties": map[string]any{"spec": withDefaults(r, randomSchema(r, 3, false))}}
		s, err := Compile(raw)
		if err != nil {
			t.Fatal(err)
		}
		obj := map[string]any{"spec": randomValue(r, 3)}
		text := func() string {
			return string(tree.AppendJSON(nil, any(obj))) + " of " + string(tree.AppendJSON(nil, any(raw)))
		}

		size := CountValues(obj)
		unknown, err := s.Prune(obj)
		if err != nil || (len(unknown) > 0) != (CountValues(obj) < size) {
			t.Fatalf("%s: %d values less, told of %q (%v)", text(), size-CountValues(obj), unknown, err)
		}
		for _, path := range unknown {
			pruned++
			if !strings.HasPrefix(path, "spec") {
				t.Fatalf("%s: told of %q", text(), path)
			}
		}
		if again, _ := s.Prune(obj); again != nil {
			t.Fatalf("%s: pruned again: %q", text(), again)
		}

		before := tree.Copy(obj)
		s.SetDefaults(obj)
		if !tree.Equal(before, obj) {
			defaulted++
		}
		once := tree.Copy(obj)
		if s.SetDefaults(obj); !tree.Equal(once, obj) {
			t.Fatalf("%s: defaulted again from %s", text(), tree.AppendJSON(nil, once))
		}

		errs := s.Validate(obj, nil)
		if len(errs) > 0 {
			invalid++
		}
		if !tree.Equal(once, obj) {
			t.Fatalf("%s: validate changed it", text())
		}
		// Alternatives and preserved fields are not tolerated, even unchanged; no more is wrong with them.
		for _, e := range s.Validate(obj, tree.Copy(obj).(map[string]any)) {
			if !slices.Contains(errs, e) {
				t.Fatalf("%s: only against itself: %s", text(), e)
			}
		}
		// An old object tolerates, and never adds.
		if got := s.Validate(obj, map[string]any{"spec": randomValue(r, 3)}); len(errs) == 0 && got != nil {
			t.Fatalf("%s: only with an old one: %s", text(), shown(got))
		}
	}
	if pruned < 300 || defaulted < 100 || invalid < 300 {
		t.Errorf("%d fields pruned, %d objects defaulted, %d invalid", pruned, defaulted, invalid)
	}
}

// TestSchemaBounds: each bound on both sides of it, where digits could be lost.
func TestSchemaBounds(t *testing.T) {
	for _, row := range []struct {
		rules      string
		good, bad  string // values with blanks between
		badMessage string // of the first
	}{
		{`"type":"integer","minimum":-5`, `-5 0 9223372036854775807`, `-6 -9223372036854775808`, `should be greater than or equal to -5`},
		{`"type":"integer","minimum":-5,"exclusiveMinimum":true`, `-4`, `-5 -6`, `should be greater than -5`},
		{`"type":"integer","maximum":9223372036854775807`, ``, `9223372036854775807 -1`, ``}, // to upstream it is 2^63, which is no integer
		{`"type":"integer","maximum":9007199254740993`, `9007199254740992`, `9007199254740994`, ``},
		{`"type":"number","maximum":0.1`, `0.1 0 -1 0.09999999999`, `0.11 1 0.10000000001`, `should be less than or equal to 0.1`},
		{`"type":"number","minimum":1.5`, `1.5 2 1.6 1`, `1.4999 -2`, `should be greater than or equal to 1.5`},
		{`"type":"number","minimum":-1.5`, `-1.5 -1 0`, `-2 -1.51`, ``},
		{`"type":"number","maximum":-1.5,"exclusiveMaximum":true`, `-2 -1.51`, `-1.5 -1 0`, `should be less than -1.5`},
		{`"type":"integer","multipleOf":4`, `0 4 -8 9223372036854775804`, `1 -6 9223372036854775807`, `should be a multiple of 4`},
		// No integer is a multiple of 0.01, which is cut off to 0; of 2.5 those of 2 are.
		{`"type":"number","multipleOf":0.01`, `0.0 0.01 0.07 1.13 -2.5 19.99 0.29 2.0`, `0.001 0.015 19.999 1e-14 -1e-14 0 1`, `should be a multiple of 0.01`},
		{`"type":"number","multipleOf":2.5`, `0 2.5 5.0 4 -10`, `1 5 3.5`, ``},
		{`"type":"integer","format":"int32"`, `2147483647 -2147483648`, `2147483648 -2147483649`, ``},
		{`"type":"integer","format":"int64"`, `9223372036854775807 -9223372036854775808 1.0`, `9223372036854775808 1.5 1e30`, ``},
		{`"type":"string","minLength":2,"maxLength":3`, `"ab" "abc" "äö" "äöü" "日本語"`, `"a" "abcd" "ä" "" "日本語x"`, ``},
		{`"type":"string","minLength":0,"maxLength":0`, `""`, `"a"`, ``},
		{`"type":"string","pattern":"b"`, `"b" "abc"`, `"" "B"`, `should match 'b'`},
		{`"type":"string","pattern":"^a$"`, `"a"`, `"a\n" "ba" "aa"`, ``},
		{`"type":"string","enum":["a","B",""]`, `"a" "B" ""`, `"b" "A" "ab"`, ``},
		{`"type":"integer","enum":[1,3]`, `1 3 1.0`, `0 2`, ``},
		// A number is converted to the type of the value that it is compared with.
		{`"type":"number","enum":[1,2.5]`, `1 1.0 1.9 2.5`, `2 2.4 0.9`, ``},
		{`"x-kubernetes-int-or-string":true,"enum":["a",5]`, `"a" 5 5.0 97`, `"b" 98 4294967393`, ``},
		{`"type":"array","items":{"type":"number"},"enum":[[1],[2.5]]`, `[1] [2.5]`, `[1.0] [2]`, ``},
		{`"type":"array","items":{"type":"number"},"x-kubernetes-list-type":"set"`, `[1,1.0] [1,2] [2.5,1]`, `[1,1] [1.0,1.0] [0.0,-0.0] [2.5,2.5]`, ``},
		{`"type":"string","format":"hostname"`, `"a" []`, `"-" 5`, ``},
		{`"x-kubernetes-int-or-string":true,"format":"hostname"`, `"a" 5`, `[]`, ``},
		{`"type":"boolean","enum":[true]`, `true`, `false`, ``},
		{`"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2`, `[1] [1,2]`, `[] [1,2,3]`, ``},
		{`"type":"object","additionalProperties":{"type":"integer"},"minProperties":1,"maxProperties":2`, `{"a":1} {"a":1,"b":2}`, `{} {"a":1,"b":2,"c":3}`, ``},
		{`"x-kubernetes-int-or-string":true,"maximum":3`, `1 3 "9" "a"`, `4 true [] {}`, ``},
		{`"x-kubernetes-int-or-string":true,"maxLength":2`, `1 300 "99"`, `"abc"`, ``},
		{`"type":"integer","not":{"enum":[1,2]}`, `0 3`, `1 2`, ``},
		{`"type":"integer","oneOf":[{"minimum":5},{"maximum":7}]`, `4 8`, `5 6 7`, ``},
		{`"type":"integer","anyOf":[{"minimum":5},{"maximum":3}]`, `3 5`, `4`, ``},
		{`"type":"integer","allOf":[{"minimum":5},{"maximum":7}]`, `5 7`, `4 8`, ``},
	} {
		s := schemaOf(t, specSchema(`"a":{`+row.rules+`}`))
		validate := func(value string) string {
			return shown(s.Validate(objectOf(t, `{"spec":{"a":`+value+`}}`), nil))
		}
		for value := range strings.FieldsSeq(row.good) {
			if got := validate(value); got != "" {
				t.Errorf("{%s} of %s: %s", row.rules, value, got)
			}
		}
		for i, value := range strings.Fields(row.bad) {
			got := validate(value)
			if want := "spec.a in body " + row.badMessage; got == "" || i == 0 && row.badMessage != "" && !strings.HasSuffix(got, want) {
				t.Errorf("{%s} of %s: got %q, want one that ends with %q", row.rules, value, got, want)
			}
		}
	}
}

// TestCheckCRDSeldom: rules of CRDs that other tests do not meet.
func TestCheckCRDSeldom(t *testing.T) {
	version := func(text string) func(map[string]any) {
		return func(crd map[string]any) {
			for k, e := range objectOf(t, text) {
				tree.List(crd, "spec", "versions")[0].(map[string]any)[k] = e
			}
		}
	}
	conversion := func(text string) func(map[string]any) {
		return func(crd map[string]any) { tree.Set(crd, objectOf(t, text), "spec", "conversion") }
	}
	approved := func(value string) func(map[string]any) {
		return func(crd map[string]any) {
			tree.Set(crd, "x.kubernetes.io", "spec", "group")
			tree.Set(crd, "widgets.x.kubernetes.io", "metadata", "name")
			tree.Set(crd, value, "metadata", "annotations", approvedAnnotation)
		}
	}
	badApproval := func(value string) string {
		return `metadata.annotations[api-approved.kubernetes.io]: Invalid value: "` + value + `": protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`
	}
	long := strings.Repeat("w", 257)
	for _, row := range []struct {
		name   string
		change func(map[string]any)
		want   string
	}{
		{"a warning of the longest", version(`{"deprecated":true,"deprecationWarning":"` + long[1:] + `"}`), ""},
		{"a longer warning", version(`{"deprecated":true,"deprecationWarning":"` + long + `"}`), `spec.versions[0].deprecationWarning: Invalid value: "` + long + `": must be <= 256 characters long`},
		{"a warning with a tab", version(`{"deprecated":true,"deprecationWarning":"ä\tb"}`),
			`spec.versions[0].deprecationWarning: Invalid value: "ä\tb": must only contain printable UTF-8 characters; non-printable character found at index 2`},

		{"scale without a dot", version(`{"subresources":{"scale":{"specReplicasPath":"spec.replicas","statusReplicasPath":".status.replicas"}}}`),
			`spec.subresources.scale.specReplicasPath: Invalid value: "spec.replicas": must be a simple json path starting with .`},
		{"scale of nothing below", version(`{"subresources":{"scale":{"specReplicasPath":".spec","statusReplicasPath":".status"}}}`),
			"spec.subresources.scale.specReplicasPath: Invalid value: \".spec\": should be a json path under .spec\n" +
				"spec.subresources.scale.statusReplicasPath: Invalid value: \".status\": should be a json path under .status"},
		{"scale selects in the spec", version(`{"subresources":{"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n","labelSelectorPath":".spec.sel"}}}`), ""},

		{"a selectable field without a path", version(`{"selectableFields":[{}]}`), "spec.selectableFields[0].jsonPath: Required value"},
		{"a selectable field by brackets", version(`{"selectableFields":[{"jsonPath":"['spec']"}]}`),
			`spec.selectableFields[0].jsonPath: Invalid value: "['spec']": is an invalid path: array notation is not allowed`},
		{"a selectable field that ends in a dot", version(`{"selectableFields":[{"jsonPath":".spec."}]}`),
			`spec.selectableFields[0].jsonPath: Invalid value: ".spec.": is an invalid path: unexpected end of JSON path`},

		{"no strategy", conversion(`{}`), "spec.conversion.strategy: Required value"},
		{"versions without a webhook", conversion(`{"strategy":"None","webhook":{"conversionReviewVersions":["v1"]}}`),
			`spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook`},
		{"a webhook", conversion(`{"strategy":"Webhook","webhook":{"clientConfig":{"service":{"name":"s","namespace":"n"}},"conversionReviewVersions":["v1","v1beta1"]}}`), ""},
		{"a webhook of neither", conversion(`{"strategy":"Webhook","webhook":{"clientConfig":{},"conversionReviewVersions":["v1"]}}`),
			`spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required`},
		{"a webhook of both", conversion(`{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://x","service":{}},"conversionReviewVersions":["v1"]}}`),
			`spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required`},
		{"a version of a webhook", conversion(`{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://x"},"conversionReviewVersions":["v1","V2"]}}`),
			`spec.conversion.conversionReviewVersions[1]: Invalid value: "V2": ` + LabelWords("V2")},

		{"approved by a URL", approved("https://github.com/x/pull/1"), ""},
		{"approved by a path", approved("/x/pull/1"), badApproval("/x/pull/1")},
		{"approved by a word", approved("yes"), badApproval("yes")},
		{"unapproved", approved("unapproved, experimental"), ""},

		{"a storage version that is not stored", func(crd map[string]any) { tree.Set(crd, []any{"v0"}, "status", "storedVersions") },
			"status.storedVersions: Invalid value: [\"v0\"]: must have the storage version v1\n" +
				"status.storedVersions[0]: Invalid value: \"v0\": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions"},
		{"long names", func(crd map[string]any) { tree.Set(crd, "k"+strings.Repeat("x", 63), "spec", "names", "singular") },
			`spec.names.singular: Invalid value: "k` + strings.Repeat("x", 63) + `": must be no more than 63 characters`},
		{"a group of capitals", func(crd map[string]any) {
			tree.Set(crd, "Example.com", "spec", "group")
			tree.Set(crd, "widgets.Example.com", "metadata", "name")
		}, `spec.group: Invalid value: "Example.com": ` + SubdomainWords("Example.com")},
	} {
		if got := shown(CheckCRD(crdOf(t, plainSchema, row.change), nil)); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, row.want)
		}
	}

	// An approval that was missing before stays so without an error, and may not change for
	// the worse.
	missing, bad, good := crdOf(t, plainSchema, approved("")), crdOf(t, plainSchema, approved("yes")), crdOf(t, plainSchema, approved("unapproved"))
	for _, row := range []struct {
		crd, old map[string]any
		want     string
	}{{missing, missing, ""}, {bad, bad, ""}, {good, missing, ""}, {good, bad, ""}, {bad, good, badApproval("yes")}, {bad, missing, badApproval("yes")}} {
		if got := shown(CheckCRD(row.crd, row.old)); got != row.want {
			t.Errorf("approval %v after %v: %s", tree.At(row.crd, "metadata", "annotations"), tree.At(row.old, "metadata", "annotations"), got)
		}
	}
}

// TestCRDErrorsEnd: a CRD that is wrong at a great many places is refused with a bounded
// number of errors, of bounded length.
func TestCRDErrorsEnd(t *testing.T) {
	props := map[string]any{}
	for i := range 1500 {
		props["p"+strconv.Itoa(i)] = map[string]any{"type": strings.Repeat("x", 2000), "pattern": "(" + strings.Repeat("y", 2000)}
	}
	schema := string(tree.AppendJSON(nil, any(map[string]any{"type": "object", "properties": props})))
	errs := CheckCRD(crdOf(t, schema, nil), nil)
	size := 0
	for _, e := range errs {
		size += len(e.Field) + len(e.Message)
	}
	if len(errs) == 0 || len(errs) > maxCRDErrors || size > 2*maxCRDErrorBytes {
		t.Errorf("%d errors of %d bytes", len(errs), size)
	}
}

// patchOps makes a JSON patch that turns a into b.
func patchOps(path string, a, b any, ops []any) []any {
	op := func(name, at string, v any) {
		o := map[string]any{"op": name, "path": at}
		if name != "remove" {
			o["value"] = v
		}
		ops = append(ops, o)
	}
	x, isObject := a.(map[string]any)
	y, both := b.(map[string]any)
	l, isList := a.([]any)
	m, lists := b.([]any)
	switch {
	case isObject && both:
		for _, k := range tree.SortedKeys(x) {
			at := path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
			if v, there := y[k]; there {
				ops = patchOps(at, x[k], v, ops)
			} else {
				op("remove", at, nil)
			}
		}
		for _, k := range tree.SortedKeys(y) {
			if _, there := x[k]; !there {
				op("add", path+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(k), y[k])
			}
		}
	case isList && lists:
		for i := len(l) - 1; i >= len(m); i-- {
			op("remove", path+"/"+strconv.Itoa(i), nil)
		}
		for i := range min(len(l), len(m)) {
			ops = patchOps(path+"/"+strconv.Itoa(i), l[i], m[i], ops)
		}
		for i := len(l); i < len(m); i++ {
			op("add", path+"/"+[]string{"-", strconv.Itoa(i)}[i%2], m[i])
		}
	case !tree.Equal(a, b):
		op("replace", path, b)
	}
	return ops
}

// TestJSONPatchThereAndBack: the patch between two random documents leads from one to the
// other, a test at its end agrees, and the patch back leads back.
func TestJSONPatchThereAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	keys := []string{"a", "b/c", "d~e", "~1", "", "-", "0", "é", " "}
	var value func(depth int) any
	value = func(depth int) any {
		switch n := r.IntN(8); {
		case depth > 0 && n < 3:
			o := map[string]any{}
			for range r.IntN(4) {
				o[keys[r.IntN(len(keys))]] = value(depth - 1)
			}
			return o
		case depth > 0 && n < 5:
			list := make([]any, r.IntN(4))
			for i := range list {
				list[i] = value(depth - 1)
			}
			return list
		}
		return []any{nil, true, int64(r.IntN(3)), 1.5, "x", "", []any{}, map[string]any{}}[r.IntN(8)]
	}
	root := func() any { return map[string]any{"root": value(4)} }
	changed := 0
	for range 1000 {
		a, b := root(), root()
		for _, way := range [][2]any{{a, b}, {b, a}, {a, a}} {
			ops := patchOps("", way[0], way[1], nil)
			changed += len(ops)
			ops = append(ops, map[string]any{"op": "test", "path": "", "value": way[1]})
			text := tree.AppendJSON(nil, ops)
			got, _, err := patch.JSON(tree.Copy(way[0]), text)
			if err != nil || !tree.Equal(got, way[1]) {
				t.Fatalf("%s with %s: got %s (%v), want %s", tree.AppendJSON(nil, way[0]), text, tree.AppendJSON(nil, got), err, tree.AppendJSON(nil, way[1]))
			}
			ops[len(ops)-1].(map[string]any)["value"] = map[string]any{"other": way[1]}
			if _, _, err := patch.JSON(tree.Copy(way[0]), tree.AppendJSON(nil, ops)); err == nil {
				t.Fatalf("%s: a test of something else agrees", text)
			}
		}
	}
	if changed < 2000 {
		t.Errorf("only %d operations", changed)
	}
}
