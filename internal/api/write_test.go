package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// steps is a resource whose objects have any fields, with a store behind it and no server in
// front: namespaced widgets in the namespace default. A test changes the resource before it
// writes.
type steps struct {
	*Resource
	t        testing.TB
	api      *API
	warnings []string
	// calls are the names of the seams that were called, in their order; several writes may be under way.
	calls []string
	mu    sync.Mutex
	// defaults and errs are what the shape does.
	defaults func(obj map[string]any)
	errs     []field.Error
}

// newSteps returns widgets with the counts and subresources that custom resources have.
func newSteps(t testing.TB) *steps {
	t.Helper()
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	a := &API{Store: s, Namespaces: s.Bucket("namespaces"), Customs: &Customs{Bucket: s.Bucket("customresourcedefinitions.apiextensions.k8s.io")}}
	row := &kinds.Row{
		Group: "example.com", Version: "v1", Kind: "Widget", Plural: "widgets",
		Namespaced: true, HasGeneration: true, HasStatus: true, UnconditionalUpdate: true,
	}
	p := &steps{t: t, api: a}
	p.Resource = &Resource{Row: row, api: a, shape: p, nameErrors: nameRules["subdomain"], Bucket: s.Bucket("widgets.example.com")}
	a.Customs.api = a
	p.put(a.Namespaces, "default", `{"metadata":{"name":"default"}}`)
	return p
}

// called notes that a seam was called.
func (p *steps) called(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, name)
}

func (p *steps) Prune(obj map[string]any) (unknown []string, err error) {
	if _, has := obj["unknown"]; has {
		delete(obj, "unknown")
		unknown = []string{"unknown"}
	}
	if obj["unfit"] != nil {
		err = errors.New("unfit is unfit")
	}
	return unknown, err
}

func (p *steps) SetDefaults(obj map[string]any) {
	p.called("defaults")
	if p.defaults != nil {
		p.defaults(obj)
	}
}

func (p *steps) Validate(_, _ map[string]any, _ bool) []field.Error {
	p.called("validate")
	return slices.Clone(p.errs)
}

func (p *steps) RequestInfo() *request.Info { return nil }
func (p *steps) ActingUser() *request.User  { return &request.User{Name: "alice"} }
func (p *steps) Warn(_, text string)        { p.warnings = append(p.warnings, text) }

func (p *steps) Annotate(_, _ string, _ bool)          {}
func (p *steps) Spend(_ request.Part, _ time.Duration) {}

// put stores an object as it is, whatever is there.
func (p *steps) put(b *store.Bucket, key, text string) *store.Object {
	p.t.Helper()
	d := store.Encode(parsed(p.t, text), nil)
	objs, err := p.api.Store.Commit(context.Background(), store.Change{Bucket: b, Key: key, Expect: -1, Next: &d})
	if err != nil {
		p.t.Fatal(err)
	}
	return objs[0]
}

// call returns a call as the program itself makes it, with warnings that the test sees.
func (p *steps) call(verb, name, subresource string) *Call {
	q := p.api.Internal(p.Resource, verb, "default", name, subresource)
	q.scope = p
	return q
}

// request returns a call with a query and a body, and where it answers.
func (p *steps) request(verb, name, subresource, query, contentType, body string) (*Call, *httptest.ResponseRecorder) {
	q, w := p.call(verb, name, subresource), httptest.NewRecorder()
	q.req = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if contentType != "" {
		q.req.Header.Set("Content-Type", contentType)
	}
	if query != "" {
		q.query, _ = url.ParseQuery(query)
	}
	q.w = w
	return q, w
}

// stored returns the tree of the object a, nil if there is none.
func (p *steps) stored() map[string]any {
	sn := p.Bucket.Now()
	if o := sn.Get("default/a"); o != nil {
		return o.Decode()
	}
	return nil
}

// change returns a write that replaces what is stored as a by next.
func (p *steps) change(subresource, next string) *write {
	q := p.call("update", "a", subresource)
	sn := p.Bucket.Now()
	old := sn.Get("default/a")
	return &write{Call: q, old: old, was: q.decode(old), next: parsed(p.t, next)}
}

// brief returns an error as a test shows it: for a client's failure code, reason and message.
func brief(err error) string {
	var e *status.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return strings.TrimSuffix(strconv.Itoa(e.Code)+" "+e.Reason, " ") + ": " + e.Message
}

// text returns a tree as JSON with its keys sorted.
func text(v any) string { return string(tree.AppendJSON(nil, v)) }

const widgetA = `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a","namespace":"default","uid":"u","generation":3},"spec":{"n":1},"status":{"s":1}}`

// TestRetry: conflicts are tried again as often as the call may, each time with the object as it
// is then; all else ends it.
func TestRetry(t *testing.T) {
	raced := &store.Conflict{}
	other := errors.New("other")
	const gaveUp = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": ` + status.ChangedMeanwhile
	for _, c := range []struct {
		tries, conflicts, attempts int
		last                       error
		want                       string
	}{
		{forever, 0, 1, nil, "<nil>"},
		{forever, 100, 101, nil, "<nil>"},
		{forever, 100, 101, other, "other"},
		{0, 0, 1, nil, "<nil>"},
		{0, 1, 1, nil, gaveUp},
		{0, 0, 1, other, "other"},
		{patchTries, 5, 6, nil, "<nil>"},
		{patchTries, 6, 6, nil, gaveUp},
		{patchTries, 5, 6, other, "other"},
	} {
		p := newSteps(t)
		attempts, rev := 0, int64(0)
		err := p.call("update", "a", "").retry(c.tries, func(old *store.Object) error {
			if attempts++; attempts > 1 && (old == nil || old.Rev != rev) {
				t.Fatalf("attempt %d got %v, want revision %d", attempts, old, rev)
			}
			if attempts > c.conflicts {
				return c.last
			}
			rev = p.put(p.Bucket, "default/a", widgetA).Rev
			return fmt.Errorf("wrapped: %w", raced)
		})
		if brief(err) != c.want || attempts != c.attempts {
			t.Errorf("%+v: %d attempts, %s", c, attempts, brief(err))
		}
	}
}

// TestMergeSubresource: what of an object a path writes.
func TestMergeSubresource(t *testing.T) {
	const was = `{"kind":"W","spec":1,"status":{"s":1}}`
	for _, c := range []struct {
		subresource string
		hasStatus   bool
		was, next   string
		want        string
	}{
		{"", true, was, `{"spec":2,"status":{"s":2}}`, `{"spec":2,"status":{"s":1}}`},
		{"", true, was, `{"spec":2}`, `{"spec":2,"status":{"s":1}}`},
		{"", true, `{"spec":1}`, `{"spec":2,"status":{"s":2}}`, `{"spec":2}`},
		{"", true, `{"status":null}`, `{"spec":2,"status":{"s":2}}`, `{"spec":2,"status":null}`},
		// Without the subresource a status is a field like others.
		{"", false, was, `{"spec":2,"status":{"s":2}}`, `{"spec":2,"status":{"s":2}}`},
		{"", false, was, `{"spec":2}`, `{"spec":2}`},
		{"status", true, was, `{"kind":"X","metadata":{"m":1},"spec":2,"status":{"s":2}}`, `{"kind":"W","metadata":{"m":1},"spec":1,"status":{"s":2}}`},
		{"status", true, was, `{"spec":2}`, `{"kind":"W","spec":1}`},
		{"status", true, was, `{"status":null}`, `{"kind":"W","spec":1,"status":null}`},
		// Scale and finalize have done so themselves, on a copy of what is stored.
		{"scale", true, was, `{"spec":2,"status":{"s":2}}`, `{"spec":2,"status":{"s":2}}`},
		{"finalize", true, was, `{"spec":2}`, `{"spec":2}`},
	} {
		p := newSteps(t)
		p.HasStatus = c.hasStatus
		w := write{Call: p.call("update", "a", c.subresource), was: parsed(t, c.was), next: parsed(t, c.next)}
		same := w.next
		for range 2 {
			w.mergeSubresource()
			if text(w.next) != c.want || text(w.was) != c.was {
				t.Errorf("%q of %s, sent %s\n got %s\nwant %s", c.subresource, c.was, c.next, text(w.next), c.want)
			}
		}
		// The caller answers from the map it has.
		if same["probe"] = true; w.next["probe"] != true {
			t.Error("next is another map")
		}
		// A status that came from the body must not become shared with what was, nor the rest.
		w.was["spec"] = "changed"
		if s, ok := w.next["spec"]; ok && s == "changed" {
			t.Error("next shares was")
		}
	}
}

// TestMergedStatusIsApart: what is taken over from the stored object below /status is a copy: the
// steps after it write into next, and compare it with what was.
func TestMergedStatusIsApart(t *testing.T) {
	p := newSteps(t)
	p.put(p.Bucket, "default/a", widgetA)
	w := p.change("status", `{"status":{"s":2}}`)
	before := text(w.was)
	w.mergeSubresource()
	tree.Set(w.next, "x", "metadata", "labels", "probe")
	tree.Set(w.next, "x", "spec", "probe")
	if text(w.was) != before {
		t.Errorf("next shares %s", text(w.was))
	}
}

// TestInherit: an update changes neither identity, nor system fields, nor the paths that the kind
// keeps.
func TestInherit(t *testing.T) {
	const sent = `{"metadata":{"name":"b","namespace":"other","generation":99,"selfLink":"s","labels":{"a":"b"}},"spec":{"n":2,"kept":"mine"}}`
	const meta = `"metadata":{"generation":3,"labels":{"a":"b"},"name":"a","namespace":"default","uid":"u"}`
	for subresource, spec := range map[string]string{
		"":         `{"kept":"server","n":2}`,
		"status":   `{"kept":"server","n":2}`,
		"finalize": `{"kept":"mine","n":2}`,
	} {
		p := newSteps(t)
		p.Kept = [][]string{{"spec", "kept"}, {"spec", "absent"}}
		p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u","generation":3,"generateName":"g-"},"spec":{"n":1,"kept":"server"}}`)
		w := p.change(subresource, sent)
		w.inherit()
		if got, want := text(w.next), `{`+meta+`,"spec":`+spec+`}`; got != want {
			t.Errorf("below %q\n got %s\nwant %s", subresource, got, want)
		}
	}
}

// TestCarryOverAgain: to do it twice is to do it once, whatever was sent and stored.
func TestCarryOverAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	object := func(kinds int) map[string]any {
		m := map[string]any{"name": "a"}
		for _, f := range append(SystemFields[:], "labels", "resourceVersion", "generateName") {
			if random.IntN(3) == 0 {
				m[f] = "v" + strconv.Itoa(random.IntN(3))
			}
		}
		owners := []any{}
		for j := range random.IntN(4) {
			owners = append(owners, map[string]any{"uid": "o" + strconv.Itoa(j%kinds)})
		}
		m["ownerReferences"] = owners
		obj := map[string]any{"metadata": m}
		for _, f := range []string{"spec", "status", "data"} {
			if random.IntN(2) == 0 {
				obj[f] = map[string]any{"x": int64(random.IntN(3))}
			}
		}
		return obj
	}
	for i := range 500 {
		p := newSteps(t)
		p.HasStatus, p.Kept = random.IntN(2) == 0, [][]string{{"spec", "x"}}
		p.initialize = func(obj map[string]any) { obj["phase"] = "Active" }
		w := write{Call: p.call("update", "a", []string{"", "status", "scale"}[random.IntN(3)]), next: object(2), uid: "new"}
		if i%2 == 0 {
			w.old = p.put(p.Bucket, "default/a", text(object(9))) // stored owners are no doubles
			w.was = w.decode(w.old)
		}
		w.carryOver()
		once, warned := text(w.next), len(p.warnings)
		w.carryOver()
		if got := text(w.next); got != once || len(p.warnings) != warned {
			t.Fatalf("round %d\n once %s\ntwice %s %q", i, once, got, p.warnings)
		}
	}
}

// TestBegin: what the server puts into a new object, and what of a client's it takes out.
func TestBegin(t *testing.T) {
	const sent = `{"metadata":{"name":"a","uid":"x","creationTimestamp":"c","generation":9,"deletionTimestamp":"d","deletionGracePeriodSeconds":1,
"selfLink":"/s","namespace":"default","labels":{"l":"v"}},"status":{"s":1}}`
	for _, c := range []struct {
		change func(*steps)
		want   string
	}{
		{func(*steps) {}, `{"metadata":{"generation":1,"labels":{"l":"v"},"name":"a","namespace":"default","uid":"u"}}`},
		// What its creator says of a generation stays where nobody counts (upstream).
		{func(p *steps) { p.HasGeneration = false }, `{"metadata":{"generation":9,"labels":{"l":"v"},"name":"a","namespace":"default","uid":"u"}}`},
		{func(p *steps) { p.Namespaced = false }, `{"metadata":{"generation":1,"labels":{"l":"v"},"name":"a","uid":"u"}}`},
		{func(p *steps) { p.KeepsGivenStatus = true }, `{"metadata":{"generation":1,"labels":{"l":"v"},"name":"a","namespace":"default","uid":"u"},"status":{"s":1}}`},
		{func(p *steps) { p.HasStatus = false }, `{"metadata":{"generation":1,"labels":{"l":"v"},"name":"a","namespace":"default","uid":"u"},"status":{"s":1}}`},
		// A phase that the kind begins with survives, although a status that is sent does not.
		{func(p *steps) {
			p.initialize = func(obj map[string]any) { tree.Set(obj, "Active", "status", "phase") }
		}, `{"metadata":{"generation":1,"labels":{"l":"v"},"name":"a","namespace":"default","uid":"u"},"status":{"phase":"Active"}}`},
	} {
		p := newSteps(t)
		c.change(p)
		w := write{Call: p.call("create", "", ""), next: parsed(t, sent), uid: "u"}
		w.begin()
		created := tree.Text(w.next, "metadata", "creationTimestamp")
		if len(created) != len("2026-01-01T00:00:00Z") || !strings.HasSuffix(created, "Z") {
			t.Errorf("creationTimestamp %q", created)
		}
		delete(tree.Metadata(w.next), "creationTimestamp")
		if got := text(w.next); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// TestBump: the generation counts changes of anything but metadata, and of status only where
// that is no subresource.
func TestBump(t *testing.T) {
	for _, c := range []struct {
		next string
		// whole is the generation where status is a field, apart where it is a subresource.
		whole, apart int64
	}{
		{next: `"spec":{"n":1},"status":{"s":1}`, whole: 3, apart: 3},
		{next: `"spec":{"n":2},"status":{"s":1}`, whole: 4, apart: 4},
		{next: `"spec":{"n":1},"status":{"s":2}`, whole: 4, apart: 3},
		{next: `"spec":{"n":1}`, whole: 4, apart: 3},
		{next: `"status":{"s":1}`, whole: 4, apart: 4},
		{next: `"spec":{"n":1},"status":{"s":1},"data":{}`, whole: 4, apart: 4},
	} {
		for hasStatus, want := range map[bool]int64{false: c.whole, true: c.apart} {
			p := newSteps(t)
			p.HasStatus = hasStatus
			old := p.put(p.Bucket, "default/a", widgetA)
			w := p.change("", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a","generation":3,"labels":{"x":"y"}},`+c.next+`}`)
			w.bump()
			rev := strconv.FormatInt(old.Rev, 10)
			if got := tree.At(w.next, "metadata", "generation"); got != want {
				t.Errorf("%s with status apart %v: generation %v, want %d", c.next, hasStatus, got, want)
			}
			if tree.Text(w.next, "metadata", "resourceVersion") != rev || tree.Text(w.was, "metadata", "resourceVersion") != rev {
				t.Errorf("resource versions %s and %s, want %s", text(w.next), text(w.was), rev)
			}
		}
	}
	p := newSteps(t)
	p.HasGeneration = false
	p.put(p.Bucket, "default/a", widgetA)
	w := p.change("", `{"metadata":{"name":"a","generation":3},"spec":{"n":2}}`)
	if w.bump(); tree.At(w.next, "metadata", "generation") != int64(3) {
		t.Errorf("a kind that does not count: %s", text(w.next))
	}
}

// TestSameGeneration: it is symmetric, and ignores just what it says.
func TestSameGeneration(t *testing.T) {
	objects := []string{`{}`, `{"metadata":{"a":1}}`, `{"spec":1}`, `{"spec":2}`, `{"spec":null}`, `{"status":1}`, `{"spec":1,"status":1}`, `{"spec":1,"status":2,"metadata":{}}`, `{"spec":1,"x":1}`}
	for _, hasStatus := range []bool{false, true} {
		r := &Resource{Row: &kinds.Row{HasStatus: hasStatus}}
		reduced := func(s string) map[string]any {
			obj := parsed(t, s)
			delete(obj, "metadata")
			if hasStatus {
				delete(obj, "status")
			}
			return obj
		}
		for _, a := range objects {
			for _, b := range objects {
				if got, want := r.sameGeneration(parsed(t, a), parsed(t, b)), reflect.DeepEqual(reduced(a), reduced(b)); got != want {
					t.Errorf("%s and %s, status apart %v: got %v", a, b, hasStatus, got)
				}
			}
		}
	}
}

// TestSetName: who has a name keeps it; a generated one begins with its base, is the name that
// defaults are made of, and is a valid name as long as the base is.
func TestSetName(t *testing.T) {
	label := func(obj map[string]any) {
		if name := tree.Name(obj); name != "" {
			tree.Set(obj, name, "metadata", "labels", "name")
		}
	}
	for _, c := range []struct {
		meta      string
		base      string
		generated bool
	}{
		{`{"name":"a"}`, "a", false},
		{`{"name":"a","generateName":"b-"}`, "a", false},
		{`{}`, "", false},
		{`{"generateName":"b-"}`, "b-", true},
		{`{"name":"","generateName":"b"}`, "b", true},
		{`{"generateName":"` + strings.Repeat("x", 58) + `"}`, strings.Repeat("x", 58), true},
		{`{"generateName":"` + strings.Repeat("x", 59) + `"}`, strings.Repeat("x", 58), true},
		{`{"generateName":"` + strings.Repeat("x", 300) + `"}`, strings.Repeat("x", 58), true},
	} {
		p := newSteps(t)
		p.defaults = label
		w := write{Call: p.call("create", "", ""), next: map[string]any{"metadata": parsed(t, c.meta)}}
		w.setDefaults()
		w.setName()
		name := tree.Name(w.next)
		want := len(c.base)
		if c.generated {
			want += 5
		}
		if w.generated != c.generated || !strings.HasPrefix(name, c.base) || len(name) != want || tree.Text(w.next, "metadata", "labels", "name") != name {
			t.Errorf("%s: %s, generated %v", c.meta, text(w.next), w.generated)
		}
		if suffix := strings.TrimPrefix(name, c.base); strings.Trim(suffix, generatedLetters) != "" {
			t.Errorf("%s: the letters %q", c.meta, suffix)
		}
		if c.generated && len(field.DNSLabelErrors(name)) > 0 {
			t.Errorf("%q is no label", name)
		}
	}
}

// TestGeneratedNamesDiffer: all letters come, and names do not repeat soon. Among two thousand
// of the 27^5 names one comes twice in about 13 of 100 runs, and ten do in none.
func TestGeneratedNamesDiffer(t *testing.T) {
	names, letters := map[string]bool{}, map[rune]bool{}
	for range 2000 {
		name := generatedName("")
		names[name] = true
		for _, c := range name {
			letters[c] = true
		}
	}
	if len(names) < 1990 || len(letters) != len(generatedLetters) {
		t.Errorf("%d names of %d letters", len(names), len(letters))
	}
}

// TestCheck: the kind's hook comes first and alone; then metadata, what may not change, and the
// schema, in one answer.
func TestCheck(t *testing.T) {
	schemaError := []field.Error{field.Required("spec.size", "")}
	const deleting = `{"metadata":{"name":"a","deletionTimestamp":"t","finalizers":["x/y"]}}`
	for _, c := range []struct {
		what, old, next string
		prepare         error
		errs            []field.Error
		want            string
	}{
		{"all well", widgetA, widgetA, nil, nil, "<nil>"},
		{"the hook", widgetA, `{"metadata":{"name":"-"}}`, status.BadRequest("hook"), schemaError, "400 BadRequest: hook"},
		{"the schema", widgetA, widgetA, nil, schemaError, `422 Invalid: Widget.example.com "a" is invalid: spec.size: Required value`},
		{"in order", deleting, `{"metadata":{"name":"a","deletionTimestamp":"t","labels":{"a":"/"},"finalizers":["x/y","x/z"]}}`, nil, schemaError,
			`422 Invalid: Widget.example.com "a" is invalid: [metadata.labels: Invalid value: "/": ` + field.LabelValueErrors("/")[0] +
				`, metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/z"}, spec.size: Required value]`},
		{"a new one", "", `{"metadata":{"name":"b"}}`, nil, schemaError, `422 Invalid: Widget.example.com "b" is invalid: spec.size: Required value`},
		{"a new one without a name", "", `{}`, nil, nil, `422 Invalid: Widget.example.com "" is invalid: metadata.name: Required value: name or generateName is required`},
		{"new and finalizers", "", `{"metadata":{"name":"b","deletionTimestamp":"t","finalizers":["x/z"]}}`, nil, nil, "<nil>"},
	} {
		p := newSteps(t)
		p.errs = c.errs
		p.prepare = func(*Call, map[string]any, map[string]any) error { return c.prepare }
		w := &write{Call: p.call("create", "", ""), next: parsed(t, c.next)}
		if c.old != "" {
			p.put(p.Bucket, "default/a", c.old)
			w = p.change("", c.next)
		}
		if got := brief(w.check()); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

// TestSeamsInOrder: what is called when. Another order would let a hook see an object without
// defaults, or admission refuse one that has not been checked.
func TestSeamsInOrder(t *testing.T) {
	for _, c := range []struct {
		admission bool
		write     func(p *steps) error
		want      string
	}{
		{false, func(p *steps) error {
			_, err := p.call("create", "", "").Insert(parsed(p.t, `{"metadata":{"name":"b"}}`))
			return err
		}, "defaults defaults prepare validate written"},
		{true, func(p *steps) error {
			_, err := p.call("create", "", "").Insert(parsed(p.t, `{"metadata":{"name":"b"}}`))
			return err
		}, "defaults mutate defaults prepare validate admit written"},
		{true, func(p *steps) error {
			_, err := p.call("create", "", "").Insert(parsed(p.t, `{"metadata":{"generateName":"b"}}`))
			return err
		}, "defaults mutate defaults defaults prepare validate admit written"},
		{false, func(p *steps) error { return p.change("", `{"metadata":{"name":"a"}}`).replace() }, "defaults defaults prepare validate written"},
		{true, func(p *steps) error { return p.change("", `{"metadata":{"name":"a"}}`).replace() }, "defaults mutate defaults prepare validate admit written"},
		// What changes nothing is checked and admitted, but not written.
		{true, func(p *steps) error { return p.change("", widgetA).replace() }, "defaults mutate defaults prepare validate admit"},
		{true, func(p *steps) error {
			_, _, err := p.call("delete", "a", "").Delete(&DeleteOptions{})
			return err
		}, "mutate admit before written"},
	} {
		p := newSteps(t)
		p.put(p.Bucket, "default/a", widgetA)
		seam := p.called
		p.prepare = func(*Call, map[string]any, map[string]any) error { seam("prepare"); return nil }
		p.beforeDelete = func(*Call, map[string]any) (bool, error) { seam("before"); return false, nil }
		p.afterWrite = func(*store.Object) { seam("written") }
		if c.admission {
			p.admitting(func(_ context.Context, a Admission) error {
				seam(map[Phase]string{Mutating: "mutate", Validating: "admit"}[a.Phase])
				return nil
			})
		}
		if err := c.write(p); err != nil {
			t.Error(err)
		}
		if got := strings.Join(p.calls, " "); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// TestSerial: of a kind that asks for it one write is settled and committed at a time.
func TestSerial(t *testing.T) {
	p := newSteps(t)
	p.serial = make(chan struct{}, 1)
	var inside, most atomic.Int32
	p.settle = func(*Call, map[string]any, map[string]any) error {
		most.Store(max(most.Load(), inside.Add(1)))
		return nil
	}
	p.afterWrite = func(*store.Object) { inside.Add(-1) }
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			obj := map[string]any{"metadata": map[string]any{"name": "o-" + strconv.Itoa(i)}}
			if _, err := p.call("create", "", "").Insert(obj); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d writes at once", most.Load())
	}
}
