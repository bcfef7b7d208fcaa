package api

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// said returns errors as the message of a Status has them, one a line.
func said(errs []field.Error) string {
	lines := make([]string, len(errs))
	for i, e := range errs {
		lines[i] = e.String()
	}
	return strings.Join(lines, "\n")
}

// TestMetadataErrors: each rule by itself, in upstream's words.
func TestMetadataErrors(t *testing.T) {
	noKey := field.LabelKeyErrors("a b")[0]
	noName := field.DNSSubdomainErrors("A")[0]
	for _, c := range []struct {
		meta string
		want []string
	}{
		{`{"name":"a"}`, nil},
		{`{"name":"a.b-c"}`, nil},
		{`{}`, []string{"metadata.name: Required value: name or generateName is required"}},
		{`{"name":"A"}`, []string{`metadata.name: Invalid value: "A": ` + noName}},
		// Names are made before they are checked, so one is always there with a generateName.
		{`{"name":"a-bbbbb","generateName":"a-"}`, nil},
		{`{"name":"a","generateName":"A-"}`, nil}, // the letter of the name takes the place of both (upstream)
		{`{"name":"a","generateName":"AB-"}`, []string{`metadata.generateName: Invalid value: "AB-": ` + noName}},
		{`{"name":"a","generateName":"a--"}`, nil},
		{`{"name":"a","generateName":"-"}`, []string{`metadata.generateName: Invalid value: "-": ` + noName}},
		{`{"name":"a","generateName":"-a"}`, []string{`metadata.generateName: Invalid value: "-a": ` + noName}},
		{`{"name":"a","generateName":"a."}`, []string{`metadata.generateName: Invalid value: "a.": ` + noName}},
		{`{"name":"a","generateName":"` + strings.Repeat("a", 253) + `"}`, nil},
		{`{"name":"a","generation":-1}`, []string{`metadata.generation: Invalid value: -1: must be greater than or equal to 0`}},

		{`{"name":"a","labels":{"a":"","b.c/d":"E_1"}}`, nil},
		{`{"name":"a","labels":{"z":"a b","a b":"x","b":"-"}}`, []string{
			`metadata.labels: Invalid value: "a b": ` + noKey,
			`metadata.labels: Invalid value: "-": ` + field.LabelValueErrors("-")[0],
			`metadata.labels: Invalid value: "a b": ` + field.LabelValueErrors("a b")[0],
		}},
		{`{"name":"a","annotations":{"Some.Prefix/Name":"any text at all: {}\n"}}`, nil},
		{`{"name":"a","annotations":{"a b":"x"}}`, []string{`metadata.annotations: Invalid value: "a b": ` + noKey}},
		// 256 KiB of keys and values together.
		{`{"name":"a","annotations":{"k":"` + strings.Repeat("x", 256<<10-1) + `"}}`, nil},
		{`{"name":"a","annotations":{"k":"` + strings.Repeat("x", 256<<10) + `"}}`, []string{"metadata.annotations: Too long: may not be more than 262144 bytes"}},
		{`{"name":"a","annotations":{"k":"` + strings.Repeat("x", 128<<10) + `","l":"` + strings.Repeat("x", 128<<10-1) + `"}}`,
			[]string{"metadata.annotations: Too long: may not be more than 262144 bytes"}},

		{`{"name":"a","finalizers":["orphan","a/b","foregroundDeletion"]}`, []string{
			`metadata.finalizers: Invalid value: ["orphan","a/b","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set`}},
		{`{"name":"a","finalizers":["kubernetes","a/b","plain"]}`, []string{
			`metadata.finalizers[2]: Invalid value: "plain": name is neither a standard finalizer name nor is it fully qualified`}},
		{`{"name":"a","finalizers":["a b/c"]}`, []string{`metadata.finalizers: Invalid value: "a b/c": ` + field.LabelKeyErrors("a b/c")[0]}},
	} {
		r := &Resource{Row: &kinds.Row{QualifiedFinalizers: true}, nameErrors: nameRules["subdomain"]}
		obj := map[string]any{"metadata": parsed(t, c.meta)}
		before := text(obj)
		if got := said(r.metadataErrors(obj)); got != strings.Join(c.want, "\n") {
			t.Errorf("%.80s\n got %.400s\nwant %.400s", c.meta, got, strings.Join(c.want, "\n"))
		}
		if text(obj) != before {
			t.Errorf("%.80s was changed", c.meta)
		}
	}
	// Finalizers of other kinds need no prefix.
	r := &Resource{Row: &kinds.Row{}, nameErrors: nameRules["subdomain"]}
	if errs := r.metadataErrors(parsed(t, `{"metadata":{"name":"a","finalizers":["plain"]}}`)); len(errs) > 0 {
		t.Error(said(errs))
	}
}

// TestOwnerErrors: each field of an owner must be there, and one owner at most is the controller.
func TestOwnerErrors(t *testing.T) {
	for _, c := range []struct {
		owners string
		want   []string
	}{
		{`[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u","controller":true},{"apiVersion":"a/v1","kind":"K","name":"n","uid":"u","controller":false}]`, nil},
		{`[{}]`, []string{
			`metadata.ownerReferences[0].apiVersion: Required value: must not be empty`,
			`metadata.ownerReferences[0].kind: Required value: must not be empty`,
			`metadata.ownerReferences[0].name: Required value: must not be empty`,
			`metadata.ownerReferences[0].uid: Required value: must not be empty`,
		}},
		{`[{"apiVersion":"a/","kind":"K","name":"n","uid":"u"},{"apiVersion":"a/b/c","kind":"K","name":"n","uid":"u"}]`, []string{
			`metadata.ownerReferences[0].apiVersion: Invalid value: "a/": must be <group>/<version> or <version>`,
			`metadata.ownerReferences[1].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>`,
		}},
		{`[{"apiVersion":"v1","kind":"Event","name":"n","uid":"u"}]`, []string{
			`metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"n","uid":"u"}: /v1, Kind=Event is disallowed from being an owner`}},
		{`[{"apiVersion":"events.k8s.io/v1","kind":"Event","name":"n","uid":"u"}]`, nil},
		{`[{"apiVersion":"v1","kind":"A","name":"a","uid":"u","controller":true},{"apiVersion":"v1","kind":"B","name":"b","uid":"u","controller":true}]`, []string{
			`metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"A","name":"a","uid":"u","controller":true},{"apiVersion":"v1","kind":"B","name":"b","uid":"u","controller":true}]: ` +
				`Only one reference can have Controller set to true. Found "true" in references for A/a and B/b`}},
	} {
		obj := parsed(t, `{"o":`+c.owners+`}`)
		if got := said(ownerErrors(tree.List(obj, "o"))); got != strings.Join(c.want, "\n") {
			t.Errorf("%s\n got %s\nwant %s", c.owners, got, strings.Join(c.want, "\n"))
		}
	}
	// Of three controllers each but the first is one too many.
	three := parsed(t, `{"o":[{"apiVersion":"v1","kind":"A","name":"a","uid":"u","controller":true},{"apiVersion":"v1","kind":"B","name":"b","uid":"u","controller":true},{"apiVersion":"v1","kind":"C","name":"c","uid":"u","controller":true}]}`)
	errs := ownerErrors(tree.List(three, "o"))
	if len(errs) != 2 || !strings.HasSuffix(errs[0].Message, "for A/a and B/b") || !strings.HasSuffix(errs[1].Message, "for A/a and C/c") {
		t.Error(said(errs))
	}
}

// TestImmutableErrors: finalizers may be added until the object is being deleted, and taken off
// at any time.
func TestImmutableErrors(t *testing.T) {
	const no = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
	for _, c := range []struct{ was, now, alive, deleting string }{
		{`[]`, `[]`, "", ""},
		{`["a/a"]`, `["a/a"]`, "", ""},
		{`["a/a","a/b"]`, `["a/b","a/a"]`, "", ""},
		{`["a/a"]`, `[]`, "", ""},
		{`[]`, `["a/b"]`, "", no + `[]string{"a/b"}`},
		{`["a/a"]`, `["a/b","a/a","a/c"]`, "", no + `[]string{"a/b", "a/c"}`},
		{`["a/a"]`, `["a/\""]`, "", no + `[]string{"a/\""}`},
	} {
		was, now := parsed(t, `{"metadata":{"finalizers":`+c.was+`}}`), parsed(t, `{"metadata":{"finalizers":`+c.now+`}}`)
		if got := said(immutableErrors(now, was)); got != c.alive {
			t.Errorf("%s after %s: %s", c.now, c.was, got)
		}
		tree.Set(was, "2026-01-01T00:00:00Z", "metadata", "deletionTimestamp")
		keepSystemFields(now, was)
		if got := said(immutableErrors(now, was)); got != c.deleting {
			t.Errorf("%s after %s, deleting: %s", c.now, c.was, got)
		}
	}
}

// TestDeletionIsNoUpdate: an update can neither begin a deletion nor change how long one lasts.
func TestDeletionIsNoUpdate(t *testing.T) {
	const fixed = ": field is immutable"
	for _, c := range []struct{ was, sent, want string }{
		{`{}`, `{"deletionTimestamp":"2026-01-01T00:00:00Z"}`, `metadata.deletionTimestamp: Invalid value: "2026-01-01T00:00:00Z"` + fixed},
		{`{}`, `{"deletionGracePeriodSeconds":5}`, `metadata.deletionGracePeriodSeconds: Invalid value: 5` + fixed},
		{`{"deletionTimestamp":"t","deletionGracePeriodSeconds":0}`, `{}`, ""},
		{`{"deletionTimestamp":"t","deletionGracePeriodSeconds":0}`, `{"deletionTimestamp":"u","deletionGracePeriodSeconds":0}`, ""},
		{`{"deletionTimestamp":"t","deletionGracePeriodSeconds":0}`, `{"deletionGracePeriodSeconds":1}`,
			`metadata.deletionGracePeriodSeconds: Invalid value: 1` + fixed},
	} {
		old, obj := parsed(t, `{"metadata":`+c.was+`}`), parsed(t, `{"metadata":`+c.sent+`}`)
		keepSystemFields(obj, old)
		if got := said(immutableErrors(obj, old)); got != c.want {
			t.Errorf("%s after %s: %s", c.sent, c.was, got)
		}
	}
}

// TestMetadataUpdateErrors: the order of the errors of an update, and that a name that was good
// once is looked at again for some kinds only.
func TestMetadataUpdateErrors(t *testing.T) {
	old := parsed(t, `{"metadata":{"name":"A"}}`)
	obj := parsed(t, `{"metadata":{"name":"A","generateName":"B","labels":{"a":"b c"},"deletionGracePeriodSeconds":1,"finalizers":["plain"]}}`)
	rules := []field.Error{field.Forbidden("data", "rule")}
	fields := func(errs []field.Error) (list []string) {
		for _, e := range errs {
			list = append(list, strings.TrimPrefix(e.Field, "metadata."))
		}
		return list
	}
	r := &Resource{Row: &kinds.Row{}, nameErrors: nameRules["subdomain"]}
	if got := fmt.Sprint(fields(r.metadataUpdateErrors(obj, old, rules))); got != "[labels deletionGracePeriodSeconds data]" {
		t.Error(got)
	}
	// Of a custom resource upstream asks three times, twice by the rules of all updates.
	r.custom = true
	if got := fmt.Sprint(fields(r.metadataUpdateErrors(obj, old, rules))); got !=
		"[labels deletionGracePeriodSeconds labels deletionGracePeriodSeconds labels data]" {
		t.Error(got)
	}
	r.custom = false
	r.Row = &kinds.Row{RechecksNames: true, QualifiedFinalizers: true}
	if got := fmt.Sprint(fields(r.metadataUpdateErrors(obj, old, rules))); got != "[labels deletionGracePeriodSeconds finalizers[0] data generateName name]" {
		t.Error(got)
	}
}

// TestWarnFinalizers: finalizers that are added without a prefix are named, each once, sorted.
func TestWarnFinalizers(t *testing.T) {
	p := newSteps(t)
	p.call("update", "a", "").warnFinalizers(parsed(t, `{"metadata":{"finalizers":["foo","b.example.com","x/y","orphan","old","foo"]}}`),
		parsed(t, `{"metadata":{"finalizers":["old"]}}`))
	const tail = " to avoid accidental conflicts with other finalizer writers"
	want := []string{`metadata.finalizers: "b.example.com": prefer a domain-qualified finalizer name including a path (/)` + tail,
		`metadata.finalizers: "foo": prefer a domain-qualified finalizer name` + tail}
	if !slices.Equal(p.warnings, want) {
		t.Errorf("%q", p.warnings)
	}
}

// TestDedupeOwners compares with the simplest way to say it, and reads the warning.
func TestDedupeOwners(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		p := newSteps(t)
		verb := []string{"create", "update", "patch"}[random.IntN(3)]
		var owners, want []any
		var twice []string
		seen := map[string]bool{}
		for range random.IntN(6) {
			o := map[string]any{"uid": "u" + strconv.Itoa(random.IntN(3)), "controller": random.IntN(2) == 0}
			owners = append(owners, o)
			if key := text(o); seen[key] {
				twice = append(twice, tree.Text(o, "uid"))
			} else {
				seen[key] = true
				want = append(want, o)
			}
		}
		obj := map[string]any{"metadata": map[string]any{"ownerReferences": owners}}
		(&write{Call: p.call(verb, "a", "")}).dedupeOwners(obj)
		if got := text(tree.List(obj, "metadata", "ownerReferences")); got != text(append([]any{}, want...)) {
			t.Fatalf("of %s\n got %s\nwant %s", text(owners), got, text(want))
		}
		var warnings []string
		if twice != nil {
			when := map[string]string{"patch": " after mutating admission happens"}[verb]
			warnings = []string{".metadata.ownerReferences contains duplicate entries" + when + "; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: " + strings.Join(twice, ", ")}
		}
		if !slices.Equal(p.warnings, warnings) {
			t.Fatalf("of %s by %s\n got %q\nwant %q", text(owners), verb, p.warnings, warnings)
		}
	}
	// What has no owners gets no list of them.
	obj := map[string]any{"metadata": map[string]any{"name": "a"}}
	if (&write{Call: newSteps(t).call("update", "a", "")}).dedupeOwners(obj); text(obj) != `{"metadata":{"name":"a"}}` {
		t.Error(text(obj))
	}
}

// TestKeepSystemFields: afterwards the system fields are those of before, all of them but for what
// is said of a deletion, and no other field is touched.
func TestKeepSystemFields(t *testing.T) {
	for mask := range 1 << (2 * len(SystemFields)) {
		sent, was := map[string]any{"name": "sent", "labels": "l"}, map[string]any{"name": "was", "annotations": "a"}
		for i, f := range SystemFields {
			if mask>>i&1 == 1 {
				sent[f] = "sent"
			}
			if mask>>(i+len(SystemFields))&1 == 1 {
				was[f] = "was"
			}
		}
		obj := map[string]any{"metadata": sent}
		keepSystemFields(obj, map[string]any{"metadata": was})
		for i, f := range SystemFields {
			if f == "managedFields" { // own has the last word of them
				continue
			}
			if mask>>i&1 == 1 && (f == "uid" || f == "deletionGracePeriodSeconds" || f == "deletionTimestamp" && was[f] == nil) {
				if sent[f] != "sent" {
					t.Fatalf("%s is %v", f, sent[f])
				}
				continue
			}
			if fmt.Sprint(sent[f]) != fmt.Sprint(was[f]) {
				t.Fatalf("%s is %v, was %v", f, sent[f], was[f])
			}
		}
		if sent["name"] != "sent" || sent["labels"] != "l" || sent["annotations"] != nil {
			t.Fatalf("%v", sent)
		}
	}
}

// TestTimeText: UTC, whole seconds, never rounded up.
func TestTimeText(t *testing.T) {
	east := time.FixedZone("east", 3*3600)
	for want, at := range map[string]time.Time{
		"2026-01-01T00:00:00Z": time.Date(2026, 1, 1, 3, 0, 0, 999_999_999, east),
		"2025-12-31T23:59:59Z": time.Date(2025, 12, 31, 23, 59, 59, 1, time.UTC),
	} {
		if got := timeText(at); got != want {
			t.Errorf("%v is %s", at, got)
		}
	}
}
