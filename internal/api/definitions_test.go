package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/discovery"
	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/store"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// testAPI returns an API with an empty store, and what it logs. changed, if any, is called as
// Config.Changed.
func testAPI(t testing.TB, changed func()) (*API, *bytes.Buffer) {
	t.Helper()
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	if changed == nil {
		changed = func() {}
	}
	var log bytes.Buffer
	s := New(Config{
		Store: store.New(store.Window{Events: 1000, Bytes: 1 << 20}), Kinds: table, Catalog: &discovery.Catalog{},
		Authorizer: auth.DefaultAuthorizer(), Changed: changed, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	return s, &log
}

// definitionText returns a definition of the group example.com. versions are elements of
// spec.versions, whose schema may be left out: then it takes everything.
func definitionText(t testing.TB, plural, kind string, versions ...string) map[string]any {
	t.Helper()
	crd := parsed(t, `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"`+plural+`.example.com"},
"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"`+plural+`","kind":"`+kind+`"},"versions":[`+strings.Join(versions, ",")+`]}}`)
	for _, v := range tree.List(crd, "spec", "versions") {
		if tree.At(v, "schema") == nil {
			tree.Set(v.(map[string]any), parsed(t, `{"type":"object","x-kubernetes-preserve-unknown-fields":true}`), "schema", "openAPIV3Schema")
		}
	}
	return crd
}

// newDoc returns a definition as the catalog has it.
func newDoc(crd map[string]any) *discovery.Definition {
	return discovery.NewDefinition(tree.AppendJSON(nil, crd), crd)
}

// apply writes a definition, which must be taken, and returns it as stored.
func apply(t testing.TB, s *API, crd map[string]any) map[string]any {
	t.Helper()
	o, _, err := s.Apply(t.Context(), crd)
	if err != nil {
		t.Fatalf("%s: %v", tree.Name(crd), err)
	}
	return o.Decode()
}

// served returns the resources that requests can reach, sorted.
func served(s *API) []string {
	var out []string
	for r := range s.Customs.All {
		out = append(out, r.Version+" "+r.Qualified()+" "+r.Kind)
	}
	slices.Sort(out)
	return out
}

// document returns a discovery document, "" if there is none.
func document(s *API, path string) string {
	w := httptest.NewRecorder()
	s.Config.Catalog.Serve(path).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != 200 {
		return ""
	}
	return w.Body.String()
}

const (
	storedV1    = `{"name":"v1","served":true,"storage":true}`
	servedBeta  = `{"name":"v1beta1","served":true,"storage":false}`
	hiddenAlpha = `{"name":"v1alpha1","served":false,"storage":false}`
)

// TestDefinitionStates follows a definition from its POST to its end, in everything that shows it.
func TestDefinitionStates(t *testing.T) {
	changes := 0
	s, _ := testAPI(t, func() { changes++ })
	c := s.Customs
	c.Follow()
	if got := served(s); got != nil || c.Lookup("example.com", "v1", "widgets") != nil {
		t.Fatalf("before: %q", got)
	}
	apply(t, s, definitionText(t, "widgets", "Widget", storedV1, servedBeta, hiddenAlpha))
	if got, want := served(s), []string{"v1 widgets.example.com Widget", "v1beta1 widgets.example.com Widget"}; !slices.Equal(got, want) {
		t.Errorf("established: %q, want %q", got, want)
	}
	r, beta := c.Lookup("example.com", "v1", "widgets"), c.Lookup("example.com", "v1beta1", "widgets")
	if r == nil || r != c.Kind("example.com", "v1", "Widget") || r != s.ForKind("example.com/v1", "Widget") || r != s.ForBucket(r.Bucket) {
		t.Fatalf("not the same resource: %p", r)
	}
	if r.Bucket != beta.Bucket || r.storageVersion != "" || beta.storageVersion != "v1" {
		t.Errorf("stored in %q and %q", r.storageVersion, beta.storageVersion)
	}
	if c.Lookup("example.com", "v1alpha1", "widgets") != nil || c.Kind("example.com", "v1", "widgets") != nil ||
		c.Lookup("", "v1", "widgets") != nil {
		t.Error("found under a name that it does not have")
	}
	if got := document(s, "/apis/example.com/v1beta1"); !strings.Contains(got, `"name":"widgets"`) {
		t.Errorf("discovery: %s", got)
	}
	if changes != 1 {
		t.Errorf("told of %d changes, want 1", changes)
	}

	// A write that says nothing new of the resources leaves them as they are.
	labelled := definitionText(t, "widgets", "Widget", storedV1, servedBeta, hiddenAlpha)
	tree.Set(labelled, "b", "metadata", "labels", "a")
	apply(t, s, labelled)
	if c.Lookup("example.com", "v1", "widgets") != r || r.isRetired() || changes != 1 {
		t.Errorf("after a label: retired %v, %d changes", r.isRetired(), changes)
	}

	// Deletion with an object in it: the resource that is served begins to terminate, in what the
	// old one began.
	crds := s.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
	if _, _, err := s.Internal(crds, "delete", "", "widgets.example.com", "").Delete(&DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	last := c.Lookup("example.com", "v1", "widgets")
	if last == r || !last.terminating || !c.IsTerminating("widgets.example.com") || c.IsTerminating("widgets") {
		t.Errorf("terminating: %v", last.terminating)
	}
	if r.isRetired() || last.retired != r.retired {
		t.Error("what began under the resource has ended, or would never hear of its end")
	}
	if got := document(s, "/apis/example.com/v1"); strings.Contains(got, "create") || !strings.Contains(got, `"list"`) {
		t.Errorf("discovery while it is deleted: %s", got)
	}
	crd := s.Internal(crds, "update", "", "widgets.example.com", "")
	if _, err := crd.Modify(t.Context(), func(obj map[string]any) bool {
		if !hasCondition(obj, "Terminating") || !slices.Contains(tree.List(obj, "metadata", "finalizers"), any(DefinitionFinalizer)) {
			t.Errorf("held by nothing: %v", obj)
		}
		delete(tree.Metadata(obj), "finalizers")
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if got := served(s); got != nil || s.ForBucket(r.Bucket) != nil || c.IsTerminating("widgets.example.com") || !r.isRetired() {
		t.Errorf("gone: %q, retired %v", got, r.isRetired())
	}
	if got := document(s, "/apis/example.com/v1"); got != "" {
		t.Errorf("discovery of what is gone: %s", got)
	}
}

// TestDefinitionChange: another schema retires the resources, and what was stored up to then is read
// through the new one.
func TestDefinitionChange(t *testing.T) {
	s, _ := testAPI(t, nil)
	apply(t, s, definitionText(t, "widgets", "Widget", storedV1))
	old := s.Customs.Lookup("example.com", "v1", "widgets")
	if old.schemaRevision != 0 {
		t.Errorf("a new definition begins at %d", old.schemaRevision)
	}
	next := definitionText(t, "widgets", "Widget", storedV1)
	schema := parsed(t, `{"type":"object","properties":{"a":{"type":"string","default":"x"}}}`)
	tree.Set(tree.List(next, "spec", "versions")[0].(map[string]any), schema, "schema", "openAPIV3Schema")
	o, _, err := s.Apply(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Customs.Lookup("example.com", "v1", "widgets")
	if r == old || !old.isRetired() || r.isRetired() || r.schemaRevision < o.Rev {
		t.Errorf("retired %v and %v, from %d on, changed at %d", old.isRetired(), r.isRetired(), r.schemaRevision, o.Rev)
	}
	// A call that was begun under the old resource finds the new one, in every version.
	q := s.Internal(old, "create", "default", "w", "")
	if err := q.reload(); err != nil || q.Resource != r {
		t.Errorf("reload: %v", err)
	}
	q = s.Internal(old, "create", "default", "w", "")
	q.Resource = &Resource{Row: &kinds.Row{Group: "example.com", Version: "v2", Plural: "widgets"}, api: s, Bucket: old.Bucket}
	if err := q.reload(); err == nil || err.Error() != "404 page not found" {
		t.Errorf("reload of a version that is gone: %v", err)
	}
	// Unless it is for stored objects, whoever serves them.
	q.unserved = true
	if err := q.reload(); err != nil || q.Resource != r {
		t.Errorf("reload of an unserved resource: %v", err)
	}
}

// TestDefinitionsThatWereKept: objects that an earlier process has left are read through a schema that was
// changed before, as they were then; where it never was, their own bytes are sent.
func TestDefinitionsThatWereKept(t *testing.T) {
	s, _ := testAPI(t, nil)
	const widgetV1 = `{"apiVersion":"example.com/v1","kind":"%s","metadata":{"name":"%s","namespace":"default"},"old":"x"}`
	apply(t, s, parsed(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}`))
	changed := definitionText(t, "widgets", "Widget", storedV1)
	apply(t, s, changed)
	apply(t, s, definitionText(t, "gadgets", "Gadget", storedV1))
	apply(t, s, parsed(t, fmt.Sprintf(widgetV1, "Widget", "before")))
	apply(t, s, parsed(t, fmt.Sprintf(widgetV1, "Gadget", "g")))
	next := definitionText(t, "widgets", "Widget", storedV1)
	tree.Set(tree.List(next, "spec", "versions")[0].(map[string]any),
		parsed(t, `{"type":"object","properties":{"a":{"type":"string","default":"d"}}}`), "schema", "openAPIV3Schema")
	apply(t, s, next)
	apply(t, s, parsed(t, strings.Replace(fmt.Sprintf(widgetV1, "Widget", "after"), `,"old":"x"`, "", 1)))

	view := func(s *API, plural, name string) string {
		r := s.Customs.Lookup("example.com", "v1", plural)
		sn := r.Bucket.Now()
		obj := parsed(t, string(r.view(sn.Get("default/"+name))))
		return fmt.Sprint(tree.At(obj, "a"), " ", tree.At(obj, "old"))
	}
	again := New(s.Config)
	again.Customs.Follow()
	for name, want := range map[string]string{"widgets before": "d <nil>", "widgets after": "d <nil>", "gadgets g": "<nil> x"} {
		plural, name, _ := strings.Cut(name, " ")
		if was, is := view(s, plural, name), view(again, plural, name); was != want || is != want {
			t.Errorf("%s %s: %q before and %q after a restart, want %q", plural, name, was, is, want)
		}
	}
	if r := again.Customs.Lookup("example.com", "v1", "gadgets"); r.schemaRevision != 0 {
		t.Errorf("a definition that never changed reads from %d on", r.schemaRevision)
	}
	// What is written from now on is of this schema.
	o := apply(t, again, parsed(t, strings.Replace(fmt.Sprintf(widgetV1, "Widget", "new"), `,"old":"x"`, "", 1)))
	sn := again.Store.Bucket("widgets.example.com").Now()
	if r := again.Customs.Lookup("example.com", "v1", "widgets"); !r.asStored(sn.Get("default/new")) || tree.At(o, "a") != "d" {
		t.Errorf("not as stored: %v", o)
	}
}

// TestNamesPending: the second definition that wants a name waits without being served, and gets it
// when it looks again after the first has gone.
func TestNamesPending(t *testing.T) {
	s, _ := testAPI(t, nil)
	c := s.Customs
	apply(t, s, definitionText(t, "widgets", "Widget", storedV1))
	second := apply(t, s, definitionText(t, "gadgets", "Widget", storedV1))
	if hasCondition(second, "Established") || hasCondition(second, "NamesAccepted") {
		t.Errorf("the second: %v", second["status"])
	}
	if got := c.NamesPending("example.com"); !slices.Equal(got, []string{"gadgets.example.com"}) || c.NamesPending("example.org") != nil {
		t.Errorf("pending: %q", got)
	}
	if got := served(s); !slices.Equal(got, []string{"v1 widgets.example.com Widget"}) {
		t.Errorf("served: %q", got)
	}
	// It may go without ever having been served.
	crds := s.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
	drop := func(name string) {
		t.Helper()
		if _, _, err := s.Internal(crds, "delete", "", name, "").Delete(&DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Internal(crds, "update", "", name, "").Modify(t.Context(), func(obj map[string]any) bool {
			delete(tree.Metadata(obj), "finalizers")
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	drop("gadgets.example.com")
	if got := c.NamesPending("example.com"); got != nil {
		t.Errorf("pending after it has gone: %q", got)
	}
	apply(t, s, definitionText(t, "gadgets", "Widget", storedV1))
	drop("widgets.example.com")
	// The names are free, but nothing happens to a definition that nobody writes.
	if got := served(s); got != nil {
		t.Errorf("served: %q", got)
	}
	if _, err := s.Internal(crds, "update", "", "gadgets.example.com", "status").Modify(t.Context(), func(map[string]any) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if got := served(s); !slices.Equal(got, []string{"v1 gadgets.example.com Widget"}) || c.NamesPending("example.com") != nil {
		t.Errorf("served %q, pending %q", got, c.NamesPending("example.com"))
	}
}

// TestBucketsResource: of the versions that share a bucket, the one that converts nothing stands for
// it, wherever it is in the list, and whether it is served or not.
func TestBucketsResource(t *testing.T) {
	s, _ := testAPI(t, nil)
	for i, versions := range [][]string{
		{storedV1, servedBeta},
		{servedBeta, storedV1},
		{servedBeta, `{"name":"v1","served":false,"storage":true}`},
		{hiddenAlpha, servedBeta, storedV1},
	} {
		plural := fmt.Sprintf("things%d", i)
		apply(t, s, definitionText(t, plural, fmt.Sprintf("Thing%d", i), versions...))
		if r := s.ForBucket(s.Store.Bucket(plural + ".example.com")); r == nil || r.Version != "v1" || r.storageVersion != "" {
			t.Errorf("%q: %+v", versions, r)
		}
	}
}

// TestHoldDefinition: the first DELETE puts the finalizer and the condition in, and no later one
// does, or a definition that has been emptied would be held again.
func TestHoldDefinition(t *testing.T) {
	for _, c := range []struct {
		crd, finalizers string
		terminating     bool
	}{
		{`{"metadata":{}}`, `["` + DefinitionFinalizer + `"]`, true},
		{`{"metadata":{"finalizers":["x/y"]},"status":{}}`, `["x/y","` + DefinitionFinalizer + `"]`, true},
		{`{"metadata":{"finalizers":["` + DefinitionFinalizer + `"]}}`, `["` + DefinitionFinalizer + `"]`, true},
		{`{"metadata":{"deletionTimestamp":"2024-01-01T00:00:00Z","finalizers":["x/y"]}}`, `["x/y"]`, false},
	} {
		crd := parsed(t, c.crd)
		stays, err := holdDefinition(nil, crd)
		finalizers := string(tree.AppendJSON(nil, tree.At(crd, "metadata", "finalizers")))
		if !stays || err != nil || finalizers != c.finalizers || hasCondition(crd, "Terminating") != c.terminating {
			t.Errorf("%s: %v %v, %v", c.crd, stays, err, crd)
		}
	}
}

// TestPrepareDefinition: it completes a definition with defaults, and so does what settles a good one; both leave
// alone what may be a part of the old one: its status.
func TestPrepareDefinition(t *testing.T) {
	s, _ := testAPI(t, nil)
	crds := s.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
	q := s.Internal(crds, "update", "", "widgets.example.com", "")
	status := parsed(t, `{"storedVersions":["v0"],"conditions":[{"type":"Other","status":"True"},{"type":"ConversionServed","status":"False"},{"type":"ValidationRulesEvaluated","status":"False"}]}`)
	before := tree.Copy(status)
	crd := definitionText(t, "widgets", "Widget", storedV1)
	crd["status"] = status
	schema.DefaultCRD(crd)
	if err := s.Customs.prepareDefinition(q, crd, nil); err != nil || tree.At(crd, "status", "acceptedNames") != nil {
		t.Fatal(crd, err)
	}
	if err := s.Customs.settleDefinition(q, crd, nil); err != nil {
		t.Fatal(err)
	}
	if !tree.Equal(status, before) {
		t.Errorf("the old status is now %v", status)
	}
	if !hasCondition(crd, "Other") || !hasCondition(crd, "Established") ||
		!tree.Equal(tree.At(crd, "status", "storedVersions"), []any{"v0", "v1"}) ||
		tree.Text(crd, "status", "acceptedNames", "listKind") != "WidgetList" || tree.Text(crd, "spec", "names", "singular") != "widget" {
		t.Errorf("%v", crd)
	}
	if text := fmt.Sprint(crd["status"]); strings.Contains(text, "ConversionServed") || strings.Contains(text, "ValidationRulesEvaluated") {
		t.Errorf("a condition of what is no longer asked for: %v", crd["status"])
	}
}

// TestNamesOf: what a definition's names take up, plurals, singulars and short names in one set and
// kinds in another.
func TestNamesOf(t *testing.T) {
	show := func(names []groupName) (out []string) {
		for _, n := range names {
			out = append(out, fmt.Sprintf("%s/%s kind=%v", n.group, n.name, n.isKind))
		}
		return out
	}
	for text, want := range map[string][]string{
		`{}`: nil,
		`{"plural":"ws","singular":"w","shortNames":["x","y"],"kind":"W","listKind":"WList","categories":["all"]}`: {
			"g/ws kind=false", "g/w kind=false", "g/x kind=false", "g/y kind=false", "g/W kind=true", "g/WList kind=true"},
		`{"plural":"sheep","singular":"sheep","shortNames":[1,"",null]}`: {"g/sheep kind=false", "g/sheep kind=false"},
		`{"plural":1,"kind":["W"]}`:                                      nil,
	} {
		if got := show(namesOf("g", parsed(t, text))); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestFollowFromAnywhere: definitions that come by many writers, and the same ones by way of a
// snapshot, are served alike, and the catalog has the groups of them all.
func TestFollowFromAnywhere(t *testing.T) {
	s, _ := testAPI(t, nil)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 10 {
				name := fmt.Sprintf("things%d%c", i, 'a'+w)
				apply(t, s, definitionText(t, name, strings.ToUpper(name[:1])+name[1:], storedV1))
				// Served when the write has returned, whoever's turn it was to follow.
				if s.Customs.Lookup("example.com", "v1", name) == nil {
					t.Errorf("%s is not served", name)
				}
			}
		})
	}
	all.Wait()
	doc := document(s, "/apis/example.com/v1")
	if got := served(s); len(got) != 40 || strings.Count(doc, `"name":`) != 40 {
		t.Errorf("%d are served, %d listed", len(got), strings.Count(doc, `"name":`))
	}
	// Another program that finds them in the store serves the same.
	other := New(Config{Store: s.Store, Kinds: s.Kinds, Catalog: &discovery.Catalog{}, Changed: func() {}, Log: s.Config.Log})
	other.Customs.Follow()
	if got, want := served(other), served(s); !slices.Equal(got, want) {
		t.Errorf("from the state: %q, want %q", got, want)
	}
}

// TestFollowBehindTheLog: a reader that the log has left behind finds in the state what came and
// what went meanwhile.
func TestFollowBehindTheLog(t *testing.T) {
	s, _ := testAPI(t, nil)
	crds := s.Builtin("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
	late := newCustoms(s, &discovery.Catalog{})
	apply(t, s, definitionText(t, "firsts", "First", storedV1))
	late.Follow()
	if late.Lookup("example.com", "v1", "firsts") == nil {
		t.Fatal("not served at first")
	}
	old := late.Lookup("example.com", "v1", "firsts")
	for _, do := range []func() error{
		func() error {
			_, _, err := s.Internal(crds, "delete", "", "firsts.example.com", "").Delete(&DeleteOptions{})
			return err
		},
		func() error {
			_, err := s.Internal(crds, "update", "", "firsts.example.com", "").Modify(t.Context(), func(obj map[string]any) bool {
				delete(tree.Metadata(obj), "finalizers")
				return true
			})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	// The window has 1,000 events.
	seconds := definitionText(t, "seconds", "Second", storedV1)
	for i := range 1100 {
		tree.Set(seconds, fmt.Sprint(i), "metadata", "labels", "n")
		apply(t, s, seconds)
	}
	late.Follow()
	if late.Lookup("example.com", "v1", "firsts") != nil || !old.isRetired() || late.Lookup("example.com", "v1", "seconds") == nil {
		t.Errorf("served: %v", slices.Sorted(maps.Keys(late.definitions)))
	}
}

// TestOfDefinition: the resource of any version, served or not, of a definition that nobody stores.
func TestOfDefinition(t *testing.T) {
	s, log := testAPI(t, nil)
	crd := definitionText(t, "widgets", "Widget", storedV1, servedBeta, hiddenAlpha)
	before := tree.Copy(crd)
	for version, storage := range map[string]string{"v1": "", "v1beta1": "v1", "v1alpha1": "v1"} {
		r := s.Customs.OfDefinition(crd, version)
		if r == nil || r.Version != version || r.Kind != "Widget" || r.storageVersion != storage || r.Bucket.Name != "widgets.example.com" {
			t.Errorf("%s: %+v", version, r)
		}
	}
	if r := s.Customs.OfDefinition(crd, "v2"); r != nil {
		t.Errorf("a version that there is not: %+v", r)
	}
	if !tree.Equal(crd, before) || served(s) != nil {
		t.Error("asking has changed something")
	}
	bad := definitionText(t, "widgets", "Widget", `{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"a":{"type":"string","pattern":"["}}}}}`)
	if r := s.Customs.OfDefinition(bad, "v1"); r != nil {
		t.Errorf("a schema that does not compile: %+v", r)
	}
	if got := log.String(); !strings.Contains(got, `msg="a schema does not compile" definition=widgets.example.com version=v1`) {
		t.Errorf("logged %q", got)
	}
}
