package controller

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// TestCheckStored: each field of the metadata with each way to be wrong, by its path and words.
func TestCheckStored(t *testing.T) {
	const right = "name: a, namespace: 'n', uid: u, creationTimestamp: '2026-11-28T12:00:00Z'"
	for _, c := range []struct{ meta, want string }{
		{right, ""},
		{right + ", generateName: 7, managedFields: x", ""}, // nobody relies on these
		{right + ", labels: null, annotations: null, finalizers: null, ownerReferences: null, deletionTimestamp: null", ""},
		{right + ", labels: {a: b, c: ''}, annotations: {}, finalizers: [], ownerReferences: []", ""},
		{right + ", deletionTimestamp: '2026-11-28T12:00:00.5+01:00'", ""},
		{right + ", ownerReferences: [{kind: K, name: 'n', uid: u}]", ""},

		{strings.Replace(right, "name: a", "name: ''", 1), "m.name: Required value: a snapshot has it of every object"},
		{strings.Replace(right, "name: a", "x: a", 1), "m.name: Required value: a snapshot has it of every object"},
		{strings.Replace(right, "name: a", "name: null", 1), "m.name: Required value: a snapshot has it of every object"},
		{strings.Replace(right, "name: a", "name: 7", 1), "m.name: Invalid value: 7: must be a string"},
		{strings.Replace(right, "name: a", "name: a/b", 1), `m.name: Invalid value: "a/b": may not contain '/'`},
		{strings.Replace(right, "namespace: 'n'", "namespace: n/m", 1), `m.namespace: Invalid value: "n/m": may not contain '/'`},
		{strings.Replace(right, "namespace: 'n'", "x: 'n'", 1), "m.namespace: Required value: a snapshot has it of every object"},
		{strings.Replace(right, "namespace: 'n'", "namespace: ['n']", 1), `m.namespace: Invalid value: ["n"]: must be a string`},
		{strings.Replace(right, "uid: u", "uid: ''", 1), "m.uid: Required value: a snapshot has it of every object"},
		{strings.Replace(right, "uid: u", "uid: true", 1), "m.uid: Invalid value: true: must be a string"},
		{"name: a, namespace: 'n', uid: u", "m.creationTimestamp: Required value: a snapshot has it of every object"},
		{"name: a, namespace: 'n', uid: u, creationTimestamp: 7", "m.creationTimestamp: Invalid value: 7: must be a string"},
		{"name: a, namespace: 'n', uid: u, creationTimestamp: today", `m.creationTimestamp: Invalid value: "today": must be a time of RFC 3339`},
		{"name: a, namespace: 'n', uid: u, creationTimestamp: '2026-11-28 12:00:00'", `m.creationTimestamp: Invalid value: "2026-11-28 12:00:00": must be a time of RFC 3339`},
		{right + ", deletionTimestamp: soon", `m.deletionTimestamp: Invalid value: "soon": must be a time of RFC 3339`},
		{right + ", deletionTimestamp: {}", "m.deletionTimestamp: Invalid value: {}: must be a string"},
		{right + ", labels: [a]", `m.labels: Invalid value: ["a"]: must be an object`},
		{right + ", labels: {b: 1, a: true, c: x}", "m.labels[a]: Invalid value: true: must be a string; m.labels[b]: Invalid value: 1: must be a string"},
		{right + ", annotations: {a: {}}", "m.annotations[a]: Invalid value: {}: must be a string"},
		{right + ", finalizers: x", `m.finalizers: Invalid value: "x": must be a list`},
		{right + ", finalizers: [a, '', 7]", `m.finalizers[1]: Invalid value: "": is not complete; m.finalizers[2]: Invalid value: 7: is not complete`},
		{right + ", ownerReferences: {}", "m.ownerReferences: Invalid value: {}: must be a list"},
		{right + ", ownerReferences: [{kind: K, name: 'n'}, {kind: K, uid: u}, {name: 'n', uid: u}, x]", "m.ownerReferences[0]: ...; m.ownerReferences[1]: ...; m.ownerReferences[2]: ...; m.ownerReferences[3]: ..."},
		// All at once, in the order of the table.
		{"name: 7, labels: x, finalizers: [7]", "m.name: ...; m.namespace: ...; m.uid: ...; m.creationTimestamp: ...; m.labels: ...; m.finalizers[0]: ..."},
	} {
		checkOne(t, object(t, "{metadata: {%s}}", c.meta), true, c.want)
	}
	const cluster = "name: a, uid: u, creationTimestamp: '2026-11-28T12:00:00Z'"
	checkOne(t, object(t, "{metadata: {%s}}", cluster), false, "")
	checkOne(t, object(t, "{metadata: {%s, namespace: ''}}", cluster), false, "")
	checkOne(t, object(t, "{metadata: {%s, namespace: 'n'}}", cluster), false, "m.namespace: Forbidden: the resource has no namespaces")
	checkOne(t, object(t, "{metadata: {%s, namespace: n/m}}", cluster), false, "m.namespace: Forbidden: the resource has no namespaces")
	checkOne(t, object(t, "{metadata: x}"), false, "m.name: ...; m.uid: ...; m.creationTimestamp: ...")
	checkOne(t, object(t, "{kind: x}"), false, "m.name: ...; m.uid: ...; m.creationTimestamp: ...")
}

// checkOne compares what is wrong with an object with its texts; ... stands for any words.
func checkOne(t *testing.T, obj map[string]any, namespaced bool, want string) {
	t.Helper()
	var got []string
	for _, e := range checkStored(obj, "m", namespaced) {
		got = append(got, e.String())
	}
	parts := strings.Split(want, "; ")
	if want == "" {
		parts = nil
	}
	ok := len(parts) == len(got)
	for i := 0; ok && i < len(got); i++ {
		begin, any := strings.CutSuffix(parts[i], "...")
		ok = got[i] == parts[i] || any && strings.HasPrefix(got[i], begin)
	}
	if !ok {
		t.Errorf("%v: %q, want %q", obj, got, parts)
	}
}

// TestNotASnapshot: the first problem and how many more; the causes are the first hundred.
func TestNotASnapshot(t *testing.T) {
	for n, want := range map[int]string{1: "", 2: ", and 1 more", 100: ", and 99 more", 101: ", and 100 more", 250: ", and 249 more"} {
		var wrong []field.Error
		for i := range n {
			wrong = append(wrong, field.Required(fmt.Sprintf("items[%d]", i), "x"))
		}
		e := notASnapshot(wrong)
		if e.Code != 422 || e.Reason != "Invalid" || e.Message != "the snapshot is invalid: items[0]: Required value: x"+want || len(e.Details.Causes) != min(n, 100) {
			t.Errorf("%d: %+v with %d causes", n, e, len(e.Details.Causes))
		}
	}
}

// TestRanks: objects and their resources have the same ranks, and nothing comes before what it
// needs.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		resource, manifest string
		want               int
	}{
		{crdResource, "{kind: CustomResourceDefinition, apiVersion: apiextensions.k8s.io/v1}", 0},
		{"namespaces", "{kind: Namespace, apiVersion: v1}", 1},
		{"configmaps", "{kind: ConfigMap, apiVersion: v1}", 2},
		{"namespaces.example.com", "{kind: Namespace, apiVersion: example.com/v1}", 2},
		{"customresourcedefinitions.example.com", "{kind: CustomResourceDefinition, apiVersion: example.com/v1}", 2},
	} {
		if a, b := resourceRank(c.resource), fixtureRank(object(t, "%s", c.manifest)); a != c.want || b != c.want {
			t.Errorf("%s: %d, %s: %d; want %d", c.resource, a, c.manifest, b, c.want)
		}
	}
}

// TestListWrites: the size is that of what is written, in pieces of which none is small but the
// last; the text is a list in the order of ranks, and a writer that fails ends it.
func TestListWrites(t *testing.T) {
	r := newRoom(t, 100_000)
	var empty bytes.Buffer
	want := fmt.Sprintf(`{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"%d"},"items":[]}`+"\n", r.api.Store.Revision())
	if err := NewList(r.api.Store).Write(&empty); err != nil || empty.String() != want {
		t.Errorf("an empty store: %q %v", &empty, err)
	}
	r.apply("{kind: Namespace, apiVersion: v1, metadata: {name: default}}")
	for _, objects := range []int{0, 1, 2, 300} {
		for i := range objects {
			r.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: c%d, namespace: default}, data: {a: %s}}", i, strings.Repeat("x", 1000))
		}
		l := NewList(r.api.Store)
		var w pieces
		if err := l.Write(&w); err != nil || int64(w.Len()) != l.Size() {
			t.Errorf("%d objects: %d bytes, want %d, %v", objects, w.Len(), l.Size(), err)
		}
		for _, n := range w.sizes[:len(w.sizes)-1] {
			if n < 64<<10 || n > 80<<10 {
				t.Errorf("%d objects: a piece of %d bytes", objects, n)
			}
		}
		list, _, err := tree.ParseJSONObject(w.Bytes())
		if err != nil || tree.Text(list, "metadata", "resourceVersion") != fmt.Sprint(r.api.Store.Revision()) {
			t.Fatalf("%d objects: %v", objects, err)
		}
		items := tree.List(list, "items")
		if len(items) != objects+1 || tree.Text(items[0], "kind") != "Namespace" {
			t.Errorf("%d objects: %d items, the first a %v", objects, len(items), tree.At(items[0], "kind"))
		}
		for failAt := range w.sizes {
			w := pieces{failAt: failAt + 1}
			if err := l.Write(&w); err != errFull || len(w.sizes) != failAt {
				t.Errorf("%d objects: failing at piece %d: %v after %d", objects, failAt, err, len(w.sizes))
			}
		}
	}
}

var errFull = errors.New("full")

// pieces keeps what is written and how large each piece was; it fails at the piece failAt, if that
// is not 0.
type pieces struct {
	bytes.Buffer
	sizes  []int
	failAt int
}

func (p *pieces) Write(b []byte) (int, error) {
	if len(p.sizes)+1 == p.failAt {
		return 0, errFull
	}
	p.sizes = append(p.sizes, len(b))
	return p.Buffer.Write(b)
}

// TestSnapshotOrderOfItems: a definition may stand behind its objects, and items in any order make
// the same contents.
func TestSnapshotOrderOfItems(t *testing.T) {
	meta := `"metadata":{"name":"%s","uid":"u-%s","creationTimestamp":"2026-11-28T12:00:00Z"%s}`
	m := func(name, more string) string { return fmt.Sprintf(meta, name, name, more) }
	items := []string{
		`{"kind":"Pet","apiVersion":"example.com/v1",` + m("rex", `,"namespace":"default"`) + `,"size":"L"}`,
		`{"kind":"Namespace","apiVersion":"v1",` + m("default", "") + `}`,
		`{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1",` + m("pets.example.com", "") + `,"spec":{"group":"example.com","scope":"Namespaced",` +
			`"names":{"plural":"pets","singular":"pet","kind":"Pet","listKind":"PetList"},"versions":[{"name":"v1","served":true,"storage":true,` +
			`"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}],"conversion":{"strategy":"None"}},` +
			`"status":{"storedVersions":["v1"],"acceptedNames":{"plural":"pets","kind":"Pet"},"conditions":[]}}`,
	}
	r := newRoom(t, 1000)
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var texts []string
		for _, i := range order {
			texts = append(texts, items[i])
		}
		got, err := readSnapshot(r.api, []byte(`{"kind":"List","apiVersion":"v1","items":[`+strings.Join(texts, ",")+`]}`))
		if err != nil {
			t.Fatalf("%v: %v", order, err)
		}
		keys := map[string]bool{}
		for b, of := range got {
			for key, w := range of {
				keys[b.Name+" "+key] = w.Draft != nil && w.Object == nil
			}
		}
		if len(keys) != 3 || !keys["pets.example.com default/rex"] || !keys["namespaces default"] || !keys[crdResource+" pets.example.com"] {
			t.Errorf("%v: %v", order, keys)
		}
	}
	// Without its definition an object is of no kind, though one was there when it was saved.
	_, err := readSnapshot(r.api, []byte(`{"kind":"List","apiVersion":"v1","items":[`+items[0]+`]}`))
	if err == nil || len(err.Details.Causes) != 1 || err.Details.Causes[0].Field != "items[0].kind" {
		t.Errorf("%v", err)
	}
}

// TestBaselineIsNotTouched: what Keep has kept stays as it was while the store goes on.
func TestBaselineIsNotTouched(t *testing.T) {
	r := ready(t)
	res := NewRestorer(r.api)
	res.Keep()
	var want bytes.Buffer
	if err := NewList(r.api.Store).Write(&want); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for i := range 20 {
			r.owned(fmt.Sprintf("r%d-%d", round, i), "x.io/hold")
		}
		r.erase("ServiceAccount", "default", "default", "")
		got, err := res.Reset(t.Context())
		if want := (store.Written{Revision: r.api.Store.Revision(), Created: 1, Deleted: 20, Unchanged: 2}); err != nil || got != want {
			t.Errorf("round %d: %+v %v, want %+v", round, got, err, want)
		}
		r.follow()
		if rows := r.api.Store.Bucket("configmaps").Now(); rows.Count() != 1 {
			t.Errorf("round %d: %d ConfigMaps", round, rows.Count())
		}
	}
}

// TestSnapshotNamesOneObjectTwice: the second is a duplicate, whatever its uid.
func TestSnapshotNamesOneObjectTwice(t *testing.T) {
	const item = `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a","uid":"%s","creationTimestamp":"2026-11-28T12:00:00Z"}}`
	_, err := readSnapshot(newRoom(t, 100).api, fmt.Appendf(nil, `{"kind":"List","apiVersion":"v1","items":[`+item+`,`+item+`]}`, "u1", "u2"))
	if want := `the snapshot is invalid: items[1]: Duplicate value: "namespaces a"`; err == nil || err.Message != want {
		t.Errorf("%v, want %s", err, want)
	}
}
