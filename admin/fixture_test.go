package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The examples of the admin contract, one file for each endpoint, are what the fake
// program shows. They are read into the shapes, so that what comes out must be what went in.

// fake is a Source of fixed data.
type fake struct {
	generation func() int64
	status     Status
	servers    []Server
	chain      []Chain
	routes     []Route
	hooks      []Hook
	requests   []Request
	places     []Places
	timeline   Timeline
	listeners  []Listener
	backends   []Backend
	build      Build
	options    []Option
	watches    []Watch
	store      Store
	finished   []FinishedRequest
	metrics    error
	*fakeControls
	*fakeFaults

	explanation      Explanation
	asked            ExplainRequest
	refusesToExplain *Error

	owners        Owners
	askedOwners   OwnersRequest
	refusesOwners *Error

	streams  fakeStreams
	snapshot string // what Snapshot gives
	written  Written
	fails    *Error // what Snapshot, Reset and LoadSnapshot fail with

	mu       sync.Mutex
	refusals []Refusal
	changes  []Change
	loaded   []string // bodies of LoadSnapshot; "reset" of Reset
}

func (f *fake) Generation() int64 { return f.generation() }
func (f *fake) Status() Status    { return f.status }
func (f *fake) Servers() []Server { return f.servers }
func (f *fake) Chain() []Chain    { return f.chain }
func (f *fake) Routes() []Route   { return f.routes }
func (f *fake) Hooks() []Hook     { return f.hooks }
func (f *fake) InFlight() ([]Request, []Places) {
	return append([]Request(nil), f.requests...), append([]Places(nil), f.places...)
}
func (f *fake) Timeline() Timeline    { return f.timeline }
func (f *fake) Listeners() []Listener { return f.listeners }
func (f *fake) Backends() []Backend   { return f.backends }
func (f *fake) Build() Build          { return f.build }
func (f *fake) Options() []Option     { return f.options }
func (f *fake) Admission() []Plugin {
	return []Plugin{{ID: "Priority", Position: 1, Name: "Priority", Enabled: true, Does: "sets the priority of pods"},
		{ID: "AlwaysDeny", Position: 2, Name: "AlwaysDeny", Idle: "not here"}}
}
func (f *fake) Watches() []Watch { return f.watches }
func (f *fake) Store() Store     { return f.store }
func (f *fake) Snapshot() (Snapshot, *Error) {
	return Snapshot{int64(len(f.snapshot)), func(w io.Writer) error { _, err := io.WriteString(w, f.snapshot); return err }}, f.fails
}
func (f *fake) Backup(w io.Writer) error {
	_, err := io.WriteString(w, "the backup")
	return errors.Join(err, f.metrics)
}
func (f *fake) Reset(ctx context.Context) (Written, *Error) {
	return f.LoadSnapshot(ctx, []byte("reset"))
}
func (f *fake) LoadSnapshot(_ context.Context, body []byte) (Written, *Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded = append(f.loaded, string(body))
	return f.written, f.fails
}
func (f *fake) Changed(c Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, c)
}
func (f *fake) WriteMetrics(w io.Writer) error {
	_, err := io.WriteString(w, "up 1\n")
	return errors.Join(err, f.metrics)
}
func (f *fake) Refused(r Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals = append(f.refusals, r)
}

// refused are the refusals reported since the last call.
func (f *fake) refused() []Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.refusals
	f.refusals = nil
	return out
}

// UnmarshalJSON lets the examples be read. The program itself reads no times.
func (t *Time) UnmarshalJSON(b []byte) error { return (*time.Time)(t).UnmarshalJSON(b) }

const (
	exampleGeneration = 1795411387412
	exampleAt         = "2026-11-23T05:23:07.412Z"
)

func exampleTime() time.Time {
	at, _ := time.Parse(time.RFC3339, exampleAt)
	return at
}

// example reads the example of an endpoint into v.
func example(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func exampleItems[T any](t testing.TB, name string) []T {
	t.Helper()
	var l struct{ Items []T }
	example(t, name, &l)
	return l.Items
}

// newFake shows the examples of the contract.
func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{
		generation: func() int64 { return exampleGeneration },
		status:     Status{Version: "v0.3.0", Phase: "run", Ready: true},
		servers:    exampleItems[Server](t, "servers"),
		chain:      exampleItems[Chain](t, "chain"),
		routes:     exampleItems[Route](t, "routes"),
		hooks:      exampleItems[Hook](t, "hooks"),
		requests:   exampleItems[Request](t, "inflight"),
		listeners:  exampleItems[Listener](t, "listeners"),
		backends:   exampleItems[Backend](t, "backends"),
		options:    exampleItems[Option](t, "options"),
		watches:    exampleItems[Watch](t, "watches"),
		finished:   exampleItems[FinishedRequest](t, "requests"),
		snapshot:   `{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"1042"},"items":[]}` + "\n",
		written:    Written{Revision: 1050, Created: 1, Updated: 2, Deleted: 3, Unchanged: 4},
	}
	f.fakeControls = newFakeControls(t)
	f.fakeFaults = newFakeFaults(t)
	example(t, "store", &f.store)
	example(t, "inflight", &struct{ Counts *[]Places }{&f.places})
	example(t, "timeline", &f.timeline)
	f.timeline.Events = exampleItems[Event](t, "timeline")
	example(t, "build", &f.build)
	f.explanation = exampleExplanation(t)
	example(t, "owners", &f.owners)
	f.owners.Fields = exampleItems[Owner](t, "owners")
	return f
}

// controlled is a fake of which one control is on, as in the example.
func controlled(t testing.TB) *fake {
	t.Helper()
	f := newFake(t)
	example(t, "index", &struct{ Controls *List[Control] }{&f.status.Controls})
	return f
}

// handlerOf is the API over src as the program would set it up: Host localhost, paths
// with /../ refused, and a request over a unix socket and its user known by headers.
func handlerOf(t testing.TB, src Source) http.Handler {
	t.Helper()
	return New(src, Options{
		CheckPath: func(r *http.Request) *Error {
			if strings.Contains(r.URL.Path, "/../") {
				return &Error{Code: 400, Reason: "BadRequest", Message: "the path has a dot segment", Close: true}
			}
			return nil
		},
		HostAllowed: func(hostport string) bool { return hostport == "localhost" || hostport == "localhost:8081" },
		UnixSocket:  func(r *http.Request) bool { return r.Header.Get("Test-Unix") != "" },
		Identify:    identifyTest,
		Authorize:   authorizeTest,
		Profiling:   true,
		AuditID:     func(*http.Request) string { return "the-audit-id" },
		Now:         exampleTime,
	})
}

// unsecured is who everybody is on a listener that asks for no identity.
var unsecured = Identity{User: "system:unsecured", Groups: []string{"system:masters", "system:authenticated"}}

// identifyTest is the user of "Test-User: NAME/GROUP,GROUP", without a name 401, and
// without the line everybody's master.
func identifyTest(r *http.Request) (Identity, *Error) {
	name, groups, sent := strings.Cut(r.Header.Get("Test-User"), "/")
	switch {
	case !sent:
		return unsecured, nil
	case name == "":
		return Identity{}, &Error{Code: 401, Reason: "Unauthorized", Message: "nobody", Private: "no name"}
	}
	return Identity{User: name, Groups: strings.Split(groups, ",")}, nil
}

// authorizeTest lets a group hold the role of its name, at every path or at the one behind
// it: view, view/admin/v1/routes. Of the group broken nobody can tell.
func authorizeTest(_ context.Context, who Identity, role, path string) (bool, error) {
	if slices.Contains(who.Groups, "broken") {
		return false, errors.New("the rules are broken")
	}
	return slices.ContainsFunc(who.Groups, func(g string) bool { return g == "system:masters" || g == role || g == role+path }), nil
}

// ask sends one request: "METHOD target" or a target alone, which is GET, with header
// lines "Name: value".
func ask(t testing.TB, h http.Handler, request string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return askWith(t, h, request, nil, header...)
}

// askWith is ask with a body.
func askWith(t testing.TB, h http.Handler, request string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, ok := strings.Cut(request, " ")
	if !ok {
		method, target = http.MethodGet, request
	}
	r := httptest.NewRequest(method, target, body)
	r.Host = "localhost:8081"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// decode is a JSON answer, or a failure.
func decode(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %q", err, w.Body)
	}
	return v
}

// ids are the ids of a list's items, in order.
func ids(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var l struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, item := range l.Items {
		out = append(out, item.ID)
	}
	return strings.Join(out, " ")
}

func nowZero() time.Time { return time.Time{} }
