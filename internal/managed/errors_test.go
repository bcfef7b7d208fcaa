package managed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"apichain/internal/fieldset"
	"apichain/internal/fieldset/fieldsettest"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// kind is a kind of several versions whose fields are declared, one of which is converted with an error.
type kind struct {
	schema fieldset.Schema
	served []string
	fails  string // the version that nothing is converted to
	reset  *fieldset.Filter
}

func (k kind) Schema(version string) (fieldset.Schema, bool) {
	return k.schema, slices.Contains(k.served, version)
}
func (k kind) Convert(obj map[string]any, _, to string) (map[string]any, error) {
	if to == k.fails {
		return nil, errors.New("no way to " + to)
	}
	return obj, nil
}
func (k kind) Reset(string) *fieldset.Filter { return k.reset }

// kindOf returns a kind that is served in versions: replicas is a number, labels a map, list a set, ports have keys, and whole is atomic.
func kindOf(t testing.TB, served ...string) kind {
	t.Helper()
	schema, _, err := tree.ParseYAMLObject([]byte(`
types:
- name: t
  map:
    fields:
    - {name: kind, type: {scalar: string}}
    - {name: apiVersion, type: {scalar: string}}
    - {name: metadata, type: {namedType: meta}}
    - {name: replicas, type: {scalar: numeric}}
    - {name: data, type: {map: {elementType: {scalar: string}}}}
    - {name: whole, type: {map: {elementType: {scalar: string}, elementRelationship: atomic}}}
    - {name: list, type: {list: {elementType: {scalar: string}, elementRelationship: associative}}}
    - {name: ports, type: {list: {elementType: {namedType: port}, elementRelationship: associative, keys: [port]}}}
- name: port
  map:
    fields:
    - {name: port, type: {scalar: numeric}}
    - {name: name, type: {scalar: string}}
- name: meta
  map:
    fields:
    - {name: name, type: {scalar: string}}
    - {name: namespace, type: {scalar: string}}
    - {name: uid, type: {scalar: string}}
    - {name: annotations, type: {map: {elementType: {scalar: string}}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := fieldsettest.Schema(tree.Object(schema), "t")
	if err != nil {
		t.Fatal(err)
	}
	return kind{schema: s, served: served}
}

// storedAs returns an object as it is stored, with a list of these entries.
func storedAs(t testing.TB, object string, entries ...string) map[string]any {
	t.Helper()
	obj := parsed(t, object)
	tree.Set(obj, "u", "metadata", "uid")
	if len(entries) > 0 {
		put(obj, tree.Raw("["+strings.Join(entries, ",")+"]"))
	}
	return obj
}

// TestApplyErrors: each fault of what is applied or stored in upstream's words, whole, and the stored object with its list as it was.
func TestApplyErrors(t *testing.T) {
	const named = `"kind":"T","apiVersion":"v1","metadata":{"name":"a","namespace":"n"}`
	yours := entryText("you", "Update", "v1", old, `{"f:replicas":{}}`)
	for _, tt := range []struct {
		name, config, live string
		stored             []string
		served             []string
		fails              string
		foreign            error
		want               string
	}{
		{name: "a field that is not declared", config: `{` + named + `,"foo":1}`,
			want: "failed to create typed patch object (n/a; /v1, Kind=T): .foo: field not declared in schema"},
		{name: "two faults", config: `{` + named + `,"replicas":"x","list":{}}`,
			want: "failed to create typed patch object (n/a; /v1, Kind=T): errors:\n  .list: expected list, got &{map[]}\n  .replicas: expected numeric (int or float), got string"},
		{name: "twins in what is applied", config: `{` + named + `,"ports":[{"port":1},{"port":1}]}`,
			want: "failed to create typed patch object (n/a; /v1, Kind=T): .ports: duplicate entries for key [port=1]"},
		{name: "no namespace", config: `{"kind":"T","apiVersion":"v1","metadata":{"name":"a"},"foo":1}`,
			want: "failed to create typed patch object (/a; /v1, Kind=T): .foo: field not declared in schema"},
		{name: "a live object of another time", config: `{` + named + `}`, live: `{` + named + `,"foo":1}`, stored: []string{yours},
			want: "failed to create typed live object (n/a; /v1, Kind=T): .foo: field not declared in schema"},
		{name: "a version that is not served", config: `{` + named + `}`, served: []string{"v2"}, want: "the version of the object is not served"},
		{name: "nobody owns what is in a version that is not served", config: `{` + named + `}`, live: `{` + named + `,"replicas":1}`, served: []string{"v2"},
			want: "failed to create manager for existing fields: the version is not served"},
		{name: "an owner in a version that nothing is converted to", config: `{` + named + `}`, live: `{` + named + `}`, served: []string{"v1", "v2"}, fails: "v2",
			stored: []string{entryText("you", "Update", "v2", old, `{"f:replicas":{}}`)}, want: "no way to v2"},
		{name: "nobody owns what cannot be told apart", config: `{` + named + `}`, live: `{` + named + `,"ports":[{"name":"x"}]}`,
			want: "failed to create manager for existing fields: .ports: element 0: associative list with keys has an element that omits all key fields [\"port\"] (and doesn't have default values for any key fields)"},
		{name: "a foreign kind that changes", config: `{` + named + `,"replicas":1}`, foreign: errors.New("no kind"),
			want: "failed to convert new object (n/a; /v1, Kind=T) to proper version: no kind"},
		{name: "a foreign kind that nobody owns", config: `{` + named + `}`, live: `{` + named + `,"replicas":1}`, foreign: errors.New("no kind"),
			want: "failed to create manager for existing fields: failed to convert live object (/; /v1, Kind=T) to proper version: no kind"},
		{name: "a bad list is told before a bad configuration", config: `{}`, live: `{}`, stored: []string{`{"operation":"Update"}`},
			want: "failed to decode managed fields: apiVersion must not be empty"},
		{name: "a conflict", config: `{` + named + `,"replicas":2}`, live: `{` + named + `,"replicas":1}`, stored: []string{yours},
			want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "a conflict with who applies", config: `{` + named + `,"replicas":2}`, live: `{` + named + `,"replicas":1}`,
			stored: []string{entryText("you", "Apply", "v1", old, `{"f:replicas":{}}`)}, want: `Apply failed with 1 conflict: conflict with "you": .replicas`},
		{name: "a conflict in a list", config: `{` + named + `,"ports":[{"port":1,"name":"b"}]}`, live: `{` + named + `,"ports":[{"port":1,"name":"a"}]}`,
			stored: []string{entryText("you", "Apply", "v1", old, `{"f:ports":{"k:{\"port\":1}":{".":{},"f:name":{},"f:port":{}}}}`)},
			want:   `Apply failed with 1 conflict: conflict with "you": .ports[port=1].name`},
		{name: "a conflict of what is owned as a whole", config: `{` + named + `,"whole":{"b":"1"}}`, live: `{` + named + `,"whole":{"a":"1"}}`,
			stored: []string{entryText("you", "Apply", "v1", old, `{"f:whole":{}}`)}, want: `Apply failed with 1 conflict: conflict with "you": .whole`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			served := tt.served
			if served == nil {
				served = []string{"v1"}
			}
			k := kindOf(t, served...)
			k.fails = tt.fails
			w := &Writer{Manager: "me", Version: "v1", Kind: "T", Versions: k, Foreign: tt.foreign}
			var live map[string]any
			if tt.live != "" {
				live = storedAs(t, tt.live, tt.stored...)
			}
			before := textOf(live)
			got, err := w.Apply(live, parsed(t, tt.config), false)
			if got != nil || err == nil || err.Error() != tt.want {
				t.Errorf("\n got %v\nwant %s", err, tt.want)
			}
			if after := textOf(live); after != before {
				t.Errorf("the stored object has become %s, and was %s", after, before)
			}
		})
	}
}

// TestErrorSorts: the three sorts of errors of an apply are told apart, since each has a status of its own.
func TestErrorSorts(t *testing.T) {
	w := &Writer{Manager: "me", Version: "v1", Kind: "T", Versions: kindOf(t, "v1")}
	live := storedAs(t, `{"replicas":1}`, entryText("you", "Update", "v1", old, `{"f:replicas":{}}`))
	sort := func(err error) string {
		var refused Refusal
		var conflict *Conflict
		switch {
		case errors.As(err, &refused):
			return "refused"
		case errors.As(err, &conflict):
			return "conflict"
		case err != nil:
			return "fault"
		}
		return "none"
	}
	for config, want := range map[string]string{
		`{"kind":"T","apiVersion":"v2"}`:                                 "refused",
		`{"kind":"t","apiVersion":"v1"}`:                                 "refused",
		`{"kind":"T","apiVersion":"v1","metadata":{"managedFields":[]}}`: "refused",
		`{"kind":"T","apiVersion":"v1","replicas":2}`:                    "conflict",
		`{"kind":"T","apiVersion":"v1","foo":2}`:                         "fault",
		`{"kind":"T","apiVersion":"v1","replicas":1}`:                    "none",
	} {
		if _, err := w.Apply(live, parsed(t, config), false); sort(err) != want {
			t.Errorf("%s: %v is %s, want %s", config, err, sort(err), want)
		}
	}
	want := "failed to convert new object (n/a; apps/v1, Kind=T) to proper version: unable to convert unstructured object to apps/v1, Kind=T: why"
	w.Version = "apps/v1"
	if got := w.Unconverted(parsed(t, `{"metadata":{"name":"a","namespace":"n"}}`), errors.New("why")); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestManagerText: each sort of manager as conflicts show it.
func TestManagerText(t *testing.T) {
	for _, tt := range []struct {
		of   entry
		want string
	}{
		{entry{manager: "a", operation: opApply, version: "v1"}, `"a"`},
		{entry{manager: "a", operation: opUpdate, version: "apps/v1"}, `"a" using apps/v1`},
		{entry{manager: "a", operation: opUpdate, version: "v1", subresource: "status"}, `"a" with subresource "status" using v1`},
		{entry{manager: "a", operation: opApply, version: "v1", subresource: "scale"}, `"a" with subresource "scale"`},
		{entry{manager: `q"<ü`, operation: opApply, version: "v1"}, `"q\"<ü"`},
		{entry{operation: opUpdate, version: "v1"}, `"" using v1`},
	} {
		if tt.of.identify(); managerText(tt.of.id) != tt.want {
			t.Errorf("%s: %s, want %s", tt.of.id, managerText(tt.of.id), tt.want)
		}
	}
	if got := managerText(`no "identity"`); got != `"no \"identity\""` {
		t.Error(got)
	}
}

// TestIdentity: the identity of an entry is the text by which upstream sorts managers, and says who is the same.
func TestIdentity(t *testing.T) {
	one := entry{manager: "a", operation: opUpdate, version: "v1"}
	for _, tt := range []struct {
		other entry
		same  bool
		id    string
	}{
		{entry{manager: "a", operation: opUpdate, version: "v1", time: old}, true, `{"manager":"a","operation":"Update","apiVersion":"v1"}`},
		{entry{manager: "a", operation: opUpdate, version: "v2"}, false, `{"manager":"a","operation":"Update","apiVersion":"v2"}`},
		{entry{manager: "b", operation: opUpdate, version: "v1"}, false, `{"manager":"b","operation":"Update","apiVersion":"v1"}`},
		{entry{manager: "a", operation: opApply, version: "v1"}, false, `{"manager":"a","operation":"Apply"}`},
		{entry{manager: "a", operation: opUpdate, version: "v1", subresource: "status"}, false, `{"manager":"a","operation":"Update","apiVersion":"v1","subresource":"status"}`},
		{entry{operation: opUpdate, version: "v1"}, false, `{"operation":"Update","apiVersion":"v1"}`},
		{entry{}, false, `{}`},
	} {
		if tt.other.identify(); tt.other.id != tt.id || one.is(tt.other) != tt.same || tt.other.is(one) != tt.same {
			t.Errorf("%s, want %s; the same: %v", tt.other.id, tt.id, one.is(tt.other))
		}
	}
	v1, v2 := entry{manager: "a", operation: opApply, version: "v1"}, entry{manager: "a", operation: opApply, version: "v2"}
	if v1.identify(); !v1.is(v2) {
		t.Error("who applies is another one in another version")
	}
}

// TestLastApplied: what kubectl has noted covers a conflict only where it can be read, is of this version and still true.
func TestLastApplied(t *testing.T) {
	const config = `{"kind":"T","apiVersion":"v1","replicas":2,"list":["a"]}`
	long := strings.Repeat("x", maxAnnotations)
	for _, tt := range []struct {
		name, note, live, want string
	}{
		{name: "no note", live: `{"replicas":1}`, want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "no JSON", note: `{`, live: `{"replicas":1}`, want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "no version", note: `{"replicas":1}`, live: `{"replicas":1}`, want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "another version", note: `{"apiVersion":"v2","replicas":1}`, live: `{"replicas":1}`, want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "a field that is not declared", note: `{"apiVersion":"v1","replicas":1,"foo":1}`, live: `{"replicas":1}`,
			want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "twins", note: `{"apiVersion":"v1","replicas":1,"list":["a","a"]}`, live: `{"replicas":1}`,
			want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "changed since", note: `{"apiVersion":"v1","replicas":7}`, live: `{"replicas":1}`, want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "gone since", note: `{"apiVersion":"v1","list":["a"]}`, live: `{"replicas":1}`, want: `Apply failed with 1 conflict: conflict with "you" using v1: .replicas`},
		{name: "still true", note: `{"apiVersion":"v1","replicas":1}`, live: `{"replicas":1}`},
		{name: "still true of a float", note: `{"apiVersion":"v1","replicas":1.0}`, live: `{"replicas":1}`},
		{name: "too long afterwards", note: `{"apiVersion":"v1","replicas":1}`, live: `{"replicas":1,"metadata":{"annotations":{"x":"` + long + `"}}}`, want: "gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := storedAs(t, tt.live, entryText("you", "Update", "v1", old, `{"f:replicas":{}}`))
			if tt.note != "" {
				tree.Set(live, tt.note, "metadata", "annotations", lastApplied)
			}
			for _, manager := range []string{kubectl, "me"} {
				w := &Writer{Manager: manager, Version: "v1", Kind: "T", Versions: kindOf(t, "v1")}
				got, err := w.Apply(live, parsed(t, config), false)
				if manager != kubectl {
					if c := new(Conflict); !errors.As(err, &c) {
						t.Errorf("%s has no conflict: %v", manager, err)
					}
					continue
				}
				if tt.want != "" && tt.want != "gone" {
					if err == nil || err.Error() != tt.want {
						t.Errorf("\n got %v\nwant %s", err, tt.want)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				note, has := tree.Object(got, "metadata", "annotations")[lastApplied].(string)
				if has == (tt.want == "gone") || has && note != `{"apiVersion":"v1","kind":"T","list":["a"],"replicas":2}`+"\n" {
					t.Errorf("the note is %q", note)
				}
			}
		})
	}
}

// TestPartlyCovered: of several conflicts kubectl is told those that its note does not cover, each manager of them once.
func TestPartlyCovered(t *testing.T) {
	live := storedAs(t, `{"replicas":1,"data":{"a":"1","b":"1"}}`, entryText("x", "Update", "v1", old, `{"f:replicas":{},"f:data":{"f:b":{}}}`),
		entryText("y", "Update", "v1", old, `{"f:data":{"f:a":{}}}`))
	tree.Set(live, `{"apiVersion":"v1","replicas":1,"data":{"a":"1"}}`, "metadata", "annotations", lastApplied)
	w := &Writer{Manager: kubectl, Version: "v1", Kind: "T", Versions: kindOf(t, "v1")}
	_, err := w.Apply(live, parsed(t, `{"kind":"T","apiVersion":"v1","replicas":2,"data":{"a":"2","b":"2"}}`), false)
	if want := `Apply failed with 1 conflict: conflict with "x" using v1: .data.b`; err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

// TestConflictBound: messages of conflicts stop behind the first field that is beyond the bound, and one field is always told whole.
func TestConflictBound(t *testing.T) {
	field := func(name string, n int) fieldset.Path { return fieldset.Fields(strings.Repeat(name, n)) }
	for _, tt := range []struct {
		name   string
		of     []patch.Conflict
		causes int
		begins string
	}{
		{"one that is too long", []patch.Conflict{{Manager: `{"manager":"a"}`, Set: fieldset.New(field("x", mostText+1))}}, 1, `Apply failed with 1 conflict: conflict with "a": .xx`},
		{"one behind it", []patch.Conflict{{Manager: `{"manager":"a"}`, Set: fieldset.New(field("x", mostText+1), field("y", 1))}}, 1, "Apply failed with 2 conflicts: conflicts with \"a\":\n- .xx"},
		{"one before it", []patch.Conflict{{Manager: `{"manager":"a"}`, Set: fieldset.New(field("x", mostText+1), field("a", 1))}}, 2, "Apply failed with 2 conflicts: conflicts with \"a\":\n- .a\n- .xx"},
		{"another manager behind it", []patch.Conflict{{Manager: `{"manager":"a"}`, Set: fieldset.New(field("x", mostText+1))}, {Manager: `{"manager":"b"}`, Set: fieldset.New(field("y", 1))}},
			1, "Apply failed with 2 conflicts: conflicts with \"a\":\n- .xx"},
		{"just enough", []patch.Conflict{{Manager: `{"manager":"a"}`, Set: fieldset.New(field("x", mostText-10))}, {Manager: `{"manager":"b"}`, Set: fieldset.New(field("y", 1))}},
			2, "Apply failed with 2 conflicts: conflicts with \"a\":\n- .xx"},
	} {
		c := conflict(tt.of)
		if len(c.Causes) != tt.causes || !strings.HasPrefix(c.Message, tt.begins) || strings.Contains(c.Message, `"b"`) != (tt.name == "just enough") {
			t.Errorf("%s: %d causes, %.80q", tt.name, len(c.Causes), c.Message)
		}
	}
}

// TestUpdateKeeps: where owners cannot be counted an update goes through, and the list stays as it was.
func TestUpdateKeeps(t *testing.T) {
	mine, other := entryText("me", "Update", "v1", old, `{"f:replicas":{}}`), entryText("you", "Update", "v2", old, `{"f:data":{}}`)
	for _, tt := range []struct {
		name, next string
		served     []string
		fails      string
		stored     []string
		want       string
	}{
		{"a version that nothing is converted to", `{"replicas":2}`, []string{"v1", "v2"}, "v2", []string{mine, other}, `[` + mine + `,` + other + `]`},
		{"elements that cannot be told apart", `{"replicas":1,"ports":[{"name":"x"}]}`, []string{"v1"}, "", []string{mine}, `[` + mine + `]`},
		{"a version that is not served", `{"replicas":2}`, []string{"v2"}, "", []string{mine}, `[` + mine + `]`},
		{"an owner in a version that is gone", `{"replicas":2}`, []string{"v1"}, "", []string{mine, other}, `[` + entryText("me", "Update", "v1", "NOW", `{"f:replicas":{}}`) + `]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := kindOf(t, tt.served...)
			k.fails = tt.fails
			live, next := storedAs(t, `{"replicas":1}`, tt.stored...), storedAs(t, tt.next)
			(&Writer{Manager: "me", Version: "v1", Kind: "T", Versions: k}).Update(live, next)
			if got := masked(tree.Expand(listOf(next))); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
	next := parsed(t, `{"replicas":2}`)
	if (&Writer{Version: "v1", Kind: "T", Versions: kindOf(t, "v2")}).Update(nil, next); listOf(next) != nil {
		t.Errorf("a create in a version that is not served has %v", listOf(next))
	}
}

// TestResets: what a write never changes it never owns, in a create, an update and an apply, and it conflicts with nobody there.
func TestResets(t *testing.T) {
	k := kindOf(t, "v1")
	k.reset = fieldset.Exclude(fieldset.New(fieldset.Fields("replicas")))
	w := &Writer{Manager: "me", Version: "v1", Kind: "T", Versions: k}
	next := parsed(t, `{"replicas":1,"data":{"a":"1"}}`)
	w.Update(nil, next)
	if got, want := masked(listOf(next)), `[`+entryText("me", "Update", "v1", "NOW", `{"f:data":{".":{},"f:a":{}}}`)+`]`; got != want {
		t.Errorf("create:\n got %s\nwant %s", got, want)
	}
	yours := entryText("you", "Update", "v1", old, `{"f:replicas":{}}`)
	next = storedAs(t, `{"replicas":2}`)
	w.Update(storedAs(t, `{"replicas":1}`, yours), next)
	if got, want := masked(listOf(next)), `[`+yours+`]`; got != want {
		t.Errorf("update:\n got %s\nwant %s", got, want)
	}
	applied, err := w.Apply(storedAs(t, `{"replicas":1}`, yours), parsed(t, `{"kind":"T","apiVersion":"v1","replicas":2,"list":["a"]}`), false)
	want := `[` + entryText("me", "Apply", "v1", "NOW", `{"f:list":{"v:\"a\"":{}}}`) + `,` + yours + `]`
	if got := masked(listOf(applied)); err != nil || got != want {
		t.Errorf("apply: %v\n got %s\nwant %s", err, got, want)
	}
}

// TestCheck: what admission may leave in the place of a list, and what it may not.
func TestCheck(t *testing.T) {
	for list, want := range map[string]string{
		`null`: "<nil>", `[]`: "<nil>", `"x"`: "<nil>",
		`[` + entryText("a", "Update", "v1", old, `{}`) + `]`:                                        "<nil>",
		`[{"manager":"a","operation":"update","apiVersion":"v1"}]`:                                   "operation must be `Apply` or `Update`",
		`[` + entryText("a", "Update", "", old, `{}`) + `]`:                                          "apiVersion must not be empty",
		`[` + entryText("a", "Apply", "v1", old, `{}`) + `,{"operation":"Apply"}]`:                   "apiVersion must not be empty",
		`[` + entryText("a", "Apply", "v1", old, `{}`) + `,{"operation":"Apply","apiVersion":"v1"}]`: "missing fieldsType in managed fields entry 1",
		`[` + entryText("a", "Apply", "v1", "", `{"x":{}}`) + `]`: `error decoding versioned set from {a Apply v1 <nil> FieldsV1 {"x":{}} }: ` +
			`error decoding set: key must be 2 characters long`,
		`[` + entryText("a", "Apply", "v1", "2020-01-01T02:00:00+02:00", `{"fx":{}}`) + `]`: `error decoding versioned set from ` +
			`{a Apply v1 2020-01-01 00:00:00 +0000 UTC FieldsV1 {"fx":{}} }: error decoding set: missing colon: fx`,
	} {
		v, _, err := tree.ParseJSON([]byte(list))
		if err != nil {
			t.Fatal(list, err)
		}
		if got := fmt.Sprint(Check(map[string]any{"metadata": map[string]any{"managedFields": v}})); got != want {
			t.Errorf("%s:\n got %s\nwant %s", list, got, want)
		}
	}
	if err := Check(map[string]any{}); err != nil {
		t.Error(err)
	}
}

// TestScanRefuses: what has not the very form of a stored list is left to the reader of trees, from each end on.
func TestScanRefuses(t *testing.T) {
	good := `[` + entryText("a", "Update", "v1", old, `{"f:a":{"k:{\"b\":\"}\"}":{}}}`) + `,` + entryText("b", "Apply", "v1", "", `{}`) + `]`
	if entries, ok := scan(nil, good); !ok || len(entries) != 2 || `[`+entries[0].text+`,`+entries[1].text+`]` != good {
		t.Fatalf("%v %v", entries, ok)
	}
	for n := range len(good) {
		if _, ok := scan(nil, good[:n]); ok {
			t.Errorf("%s is taken", good[:n])
		}
	}
	for _, change := range [][2]string{
		{`"v1"`, `""`}, {`"v1"`, `1`}, {`"Update"`, `"Get"`}, {`FieldsV1"`, `FieldsV2"`}, {`"f:a"`, `"a"`}, {`"manager":"a"`, `"manager":"\u0061"`},
		{`"manager":"a"`, `"manager":1`}, {`,"manager":"a","operation":"Update"`, `,"operation":"Update","manager":"a"`}, {`}]`, `} ]`}, {`}]`, `}]]`}, {`[{`, `[ {`},
		{`},{`, `}{`}, {`"time"`, `"more":"","time"`}, {`"a"`, "\"\xff\""},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if _, ok := scan(nil, text); ok || text == good {
			t.Errorf("%s is taken", text)
		}
	}
}

// TestIsReset: which lists ask that nobody owns anything.
func TestIsReset(t *testing.T) {
	for list, want := range map[string]bool{
		`[]`: true, `[{}]`: true, `[{"manager":"","time":""}]`: true,
		`null`: false, `{}`: false, `""`: false, `[{},{}]`: false, `[{"manager":"a"}]`: false, `[{"manager":" "}]`: false, `[{"fieldsV1":{}}]`: false, `[{"time":null}]`: false,
	} {
		v, _, _ := tree.ParseJSON([]byte(list))
		if isReset(v) != want || v != nil && isReset(tree.Raw(list)) != want {
			t.Errorf("%s: %v", list, isReset(v))
		}
	}
}
