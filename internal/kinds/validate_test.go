package kinds

import (
	"strings"
	"testing"

	"apichain/internal/field"
)

// wordsTable has a type for each sort of rule.
const wordsTable = `group core 1 1
kind v1 A as - - namespaced label core -
  sub status get,patch,update
package core s
type A
  spec 1 Spec, status 2 Status
type Status
  state 1 string in:Up|Down
type Spec
  name 1 string req format:label, mode 2 string values:On|Off in, n 3 int32 range:1-9, low 4 int64* min:0, high 5 int32 max:5
  text 6 string maxlen:3, items 7 []Item unique:key maxitems:3 minitems:1, names 8 []string unique format:label, tags 9 {}string labels
  class 10 string fixed, local 11 string req?mode=On forbid?mode!=On, by 12 {}Item, alone 13 []Item keys:key, h 14 Handler*
type Item
  key 1 string req, sub 2 Leaf*
type Leaf
  v 1 string req
type Handler one:handler
  exec 1 Leaf* member, get 2 Leaf* member, note 3 string
`

// checkWords compares what is wrong with an object of the table with texts that have a bar between them.
func checkWords(t *testing.T, table *Table, old, obj string, status bool, want string) {
	t.Helper()
	shape := shapeForTest(t, table, "v1 A")
	var was map[string]any
	if old != "" {
		was = objectForTest(t, old)
	}
	var said []string
	for _, e := range shape.Validate(objectForTest(t, obj), was, status) {
		said = append(said, e.Field+" "+strings.TrimPrefix(e.Reason, "FieldValue"))
	}
	if got := strings.Join(said, "|"); got != want {
		t.Errorf("%s after %s\n got %s\nwant %s", obj, old, got, want)
	}
}

// TestRuleWords: each word refuses what it is about, at its path, and nothing else.
func TestRuleWords(t *testing.T) {
	table, err := parseKinds(wordsTable)
	if err != nil {
		t.Fatal(err)
	}
	spec := func(text string) string { return `{"spec":{"name":"a",` + text + `}}` }
	for _, c := range []struct{ old, obj, want string }{
		{"", `{}`, ""},
		{"", `{"spec":{"mode":"On","local":"x"}}`, "spec.name Required"},
		{"", `{"spec":{"name":"A_"}}`, "spec.name Invalid"},
		{"", spec(`"mode":"Off","n":1,"low":0,"high":5,"text":"abc","items":[{"key":"a"},{"key":"b"}],"names":["a","b"],"tags":{"a":"b"}`), ""},
		{"", spec(`"mode":"Half"`), "spec.mode NotSupported"},
		{"", spec(`"n":10,"low":-1,"high":6`), "spec.n Invalid|spec.low Invalid|spec.high Invalid"},
		{"", spec(`"text":"abcd"`), "spec.text TooLong"},
		{"", spec(`"items":[{"key":"a"},{"key":"b"},{"key":"a"},{}]`), "spec.items[2].key Duplicate|spec.items TooMany|spec.items[3].key Required"},
		{"", spec(`"items":[]`), "spec.items Required"},
		{"", spec(`"names":["a","B","a"]`), "spec.names[2] Duplicate|spec.names[1] Invalid"},
		{"", spec(`"tags":{"a b":"c","d":"e f"}`), "spec.tags Invalid|spec.tags Invalid"},
		{"", spec(`"mode":"On"`), "spec.local Required"},
		{"", spec(`"local":"x"`), "spec.local Forbidden"},
		{"", spec(`"by":{"k":{"key":"a","sub":{}},"j":{}}`), "spec.by[j].key Required|spec.by[k].sub.v Required"},
		{"", spec(`"h":{"note":"x"}`), "spec.h Required"},
		{"", spec(`"h":{"exec":{"v":"x"}}`), ""},
		{"", spec(`"h":{"exec":{"v":"x"},"get":{}}`), "spec.h.get Forbidden|spec.h.get.v Required"},
		{spec(`"class":"x"`), spec(`"class":"y"`), "spec.class Invalid"},
		{spec(`"class":"x"`), spec(`"n":1`), "spec.class Invalid"},
		{spec(`"n":1`), spec(`"class":"x"`), "spec.class Invalid"},
		{spec(`"class":"x"`), spec(`"class":"x"`), ""},
		{`{}`, spec(`"class":"x"`), ""},
		// The status is judged where it is written, and then alone.
		{"", `{"status":{"state":"Half"}}`, ""},
	} {
		checkWords(t, table, c.old, c.obj, false, c.want)
	}
	checkWords(t, table, `{}`, `{"spec":{},"status":{"state":"Half"}}`, true, "status.state NotSupported")
	checkWords(t, table, `{}`, `{"spec":{},"status":{"state":"Up"}}`, true, "")
}

// TestRulesOfTypes: a rule in Go sees each object of its type with its path, and what was there before
// where elements have keys; its defaults come before those below.
func TestRulesOfTypes(t *testing.T) {
	var seen []string
	rules := Rules{
		"Item": {
			Default: func(obj map[string]any) {
				if obj["sub"] == nil {
					obj["sub"] = map[string]any{}
				}
			},
			Check: func(v *Visit) {
				old := "-"
				if v.Old != nil {
					old = cellText(v.Old["key"])
				}
				seen = append(seen, v.Path("key")+"="+cellText(v.Obj["key"])+"/"+old)
				v.Add(field.Forbidden(v.Path("x", 1, MapKey("k")), "no"))
			},
		},
		"Leaf": {Default: func(obj map[string]any) { obj["v"] = "set" }},
		"A":    {Status: func(v *Visit) { v.Add(field.Forbidden(v.Path(), "status")) }},
	}
	table, err := load([]source{{"kinds.txt", wordsTable}}, rules)
	if err != nil {
		t.Fatal(err)
	}
	shape := shapeForTest(t, table, "v1 A")
	const text = `{"spec":{"name":"a","items":[{"key":"i"}],"alone":[{"key":"b"},{"key":"a"}],"by":{"k":{"key":"m"}}}}`
	obj, old := objectForTest(t, text), objectForTest(t, `{"spec":{"alone":[{"key":"a"}],"items":[{"key":"i"}],"by":{"k":{"key":"was"}}}}`)
	shape.SetDefaults(obj)
	sameJSON(t, "defaults", obj["spec"], `{"name":"a","items":[{"key":"i","sub":{"v":"set"}}],
		"alone":[{"key":"b","sub":{"v":"set"}},{"key":"a","sub":{"v":"set"}}],"by":{"k":{"key":"m","sub":{"v":"set"}}}}`)
	errs := shape.Validate(obj, old, false)
	if got, want := strings.Join(seen, " "), "spec.items[0].key=i/- spec.by[k].key=m/was spec.alone[0].key=b/- spec.alone[1].key=a/a"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if len(errs) != 4 || errs[1].Field != "spec.by[k].x[1][k]" {
		t.Errorf("%v", errs)
	}
	if errs := shape.Validate(obj, old, true); len(errs) != 1 || errs[0].Message != "Forbidden: status" {
		t.Errorf("%v", errs)
	}
}

// TestRuleWordErrors: a rule that cannot be read is told with its line.
func TestRuleWordErrors(t *testing.T) {
	for field, want := range map[string]string{
		"x 1 string in": "no values", "x 1 int32 min:a": "no number", "x 1 int32 range:1": "no number", "x 1 int32 range:a-b": "no number",
		"x 1 string format:none": "no format", "x 1 []string maxitems": "no number", "x 1 string req?y": "no condition",
		"x 1 int32 range:-1": "no number", "x 1 string wished": "merge strategy",
	} {
		_, err := parseKinds("package p s\ntype A\n  " + field + "\n")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", field, err, want)
		}
	}
	if _, err := parseKinds("package p s\ntype A fast\n  x 1 string\n"); err == nil || !strings.Contains(err.Error(), "nothing that is said of a type") {
		t.Error(err)
	}
}
