package schema_test

// The tests of this package see the room as the server does: through what it exports, with
// schemas, objects and definitions as JSON. Expected texts are those of a Kubernetes 1.37 API
// server, so a table's row can be compared with the real one by hand.
//
// An error is written in one line as its reason without FieldValue, its field and its message:
//
//	Invalid spec.a: Invalid value: 11: spec.a in body should be less than or equal to 10

import (
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/field"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// parse reads the JSON object in text.
func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	o, repeated, err := tree.ParseJSONObject([]byte(text))
	if err != nil || repeated != nil {
		t.Fatalf("%.500s: %v, repeated %q", text, err, repeated)
	}
	return o
}

// compile compiles a schema that has to compile.
func compile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(parse(t, text))
	if err != nil {
		t.Fatalf("%.500s: %v", text, err)
	}
	return s
}

// withSpec makes the schema of a kind whose spec has the properties in the text.
func withSpec(properties string) string {
	return `{"type":"object","properties":{"spec":{"type":"object","properties":{` + properties + `}}}}`
}

// lines writes one error a line, as the comment at the top of the file says.
func lines(errs []field.Error) string {
	var out []string
	for _, e := range errs {
		out = append(out, strings.TrimPrefix(e.Reason, "FieldValue")+" "+e.String())
	}
	return strings.Join(out, "\n")
}

// validate validates an object that is created or, where old is not "", updated.
func validate(t testing.TB, schemaText, obj, old string) string {
	t.Helper()
	var before map[string]any
	if old != "" {
		before = parse(t, old)
	}
	return lines(compile(t, schemaText).Validate(parse(t, obj), before))
}

// prune gives what pruning leaves of an object, and the paths of what went.
func prune(t testing.TB, schemaText, obj string) (left string, unknown []string) {
	t.Helper()
	o := parse(t, obj)
	unknown, err := compile(t, schemaText).Prune(o)
	if err != nil {
		t.Fatalf("%s: %v", obj, err)
	}
	return string(tree.AppendJSON(nil, o)), unknown
}

// setDefaults gives an object with its defaults.
func setDefaults(t testing.TB, schemaText, obj string) string {
	t.Helper()
	o := parse(t, obj)
	compile(t, schemaText).SetDefaults(o)
	return string(tree.AppendJSON(nil, o))
}

// definition makes a definition with its defaults, of one version with this schema. Each
// change is done to it before the defaults.
func definition(t testing.TB, schemaText string, changes ...func(crd map[string]any)) map[string]any {
	t.Helper()
	crd := parse(t, `{"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",`+
		`"names":{"plural":"widgets","kind":"Widget"},"versions":[`+
		`{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":`+schemaText+`}}]}}`)
	for _, change := range changes {
		change(crd)
	}
	schema.DefaultCRD(crd)
	return crd
}

// check gives the errors of a definition that is created or, where old is not nil, updated.
func check(t testing.TB, crd, old map[string]any) string {
	t.Helper()
	return lines(schema.CheckCRD(crd, old))
}

// sortLines puts lines in an order that does not depend on the walk, for rows whose errors
// come from several places.
func sortLines(text string) string {
	list := strings.Split(text, "\n")
	slices.Sort(list)
	return strings.Join(list, "\n")
}

// within fails the test if do takes longer than a limit that only work which grows out of
// proportion can reach. The limit is generous: the machine may be slow and watched for races.
func within(t *testing.T, name string, do func()) {
	t.Helper()
	const limit = 20 * time.Second
	start := time.Now()
	do()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %v", name, took)
	}
}

// versionOf is version i of a definition, to be changed.
func versionOf(crd map[string]any, i int) map[string]any {
	return tree.List(crd, "spec", "versions")[i].(map[string]any)
}
