package aggregation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/backend"
	"apichain/internal/discovery"
	"apichain/internal/tree"
)

// Servers behind a merger, as handlers: in a bubble of testing/synctest nothing can come over a network, and a minute
// costs nothing.

// world is some APIServices, the servers that have them, and the merger between these and a catalog.
type world struct {
	*testing.T
	m       *Merger
	catalog discovery.Catalog
	said    strings.Builder

	mu      sync.Mutex
	changed chan struct{}
	remotes []*Remote
	servers map[string]http.Handler
	// asked has METHOD PATH USER GROUPS TAG of each question, by the server's name.
	asked map[string][]string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, changed: make(chan struct{}), servers: map[string]http.Handler{}, asked: map[string][]string{}}
	w.m = &Merger{
		services: w, catalog: &w.catalog, hop: func(r *Remote) http.Handler { return r }, log: slog.New(slog.NewTextHandler(&w.said, nil)), ask: w.ask,
		parsing: make(chan struct{}, 1), known: map[string]*knowledge{}, groups: map[string]bool{},
	}
	w.m.init()
	w.catalog.SetServers([]discovery.Group{}, "", nil)
	return w
}

func (w *world) Remotes() []*Remote {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.remotes
}

func (w *world) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *world) ask(r *Remote, ctx context.Context, path string, header http.Header, user string,
	groups []string) (int, http.Header, []byte, error) {
	w.mu.Lock()
	server := w.servers[r.Service.Name]
	line := strings.TrimSpace(fmt.Sprintln(path, user, groups, header.Get("If-None-Match")))
	w.asked[r.Service.Name] = append(w.asked[r.Service.Name], line)
	w.mu.Unlock()
	if server == nil {
		return 0, nil, nil, fmt.Errorf("nobody is at %s", r.Service.Name)
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	req.Header = header
	rec := httptest.NewRecorder()
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.ServeHTTP(rec, req)
	}()
	select {
	case <-served:
	case <-ctx.Done():
		return 0, nil, nil, ctx.Err()
	}
	return rec.Code, rec.Result().Header, rec.Body.Bytes(), nil
}

// questions returns what a server was asked since the last call.
func (w *world) questions(server string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked[server]
	delete(w.asked, server)
	return asked
}

// have makes the APIServices those of lines: NAME GROUP-PRIORITY VERSION-PRIORITY SERVER. One whose line has not
// changed stays as it is; one with a ! behind is not available.
func (w *world) have(lines ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := map[string]*Remote{}
	for _, r := range w.remotes {
		old[r.key] = r
	}
	w.remotes = nil
	for _, line := range lines {
		plain, unavailable := strings.CutSuffix(line, "!")
		r := old[plain]
		if r == nil {
			var server string
			r = &Remote{key: plain}
			if _, err := fmt.Sscan(plain, &r.Name, &r.GroupPriority, &r.VersionPriority, &server); err != nil {
				w.Fatal(err)
			}
			r.Version, r.Group, _ = strings.Cut(r.Name, ".")
			r.Service = backend.Service{Namespace: "ns", Name: server, Port: 443}
			r.Backend = &backend.Backend{Name: r.Name, Target: backend.Target{Service: r.Service}}
		}
		r.available.Store(!unavailable)
		w.remotes = append(w.remotes, r)
	}
	slices.SortFunc(w.remotes, func(a, b *Remote) int { return strings.Compare(a.Name, b.Name) })
	close(w.changed)
	w.changed = make(chan struct{})
}

// serve puts a server in the place of the one of its name.
func (w *world) serve(name string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[name] = h
}

// run runs followers until the test ends, and returns when they have all tried.
func (w *world) run(followers ...*Follower) {
	ctx, cancel := context.WithCancel(context.Background())
	var running, tried sync.WaitGroup
	for _, f := range followers {
		tried.Add(1)
		running.Go(func() { f.Run(ctx, tried.Done) })
	}
	w.Cleanup(func() {
		cancel()
		running.Wait()
	})
	tried.Wait()
}

// get returns what the catalog answers.
func (w *world) get(serve http.HandlerFunc, path, accept string) (int, http.Header, map[string]any) {
	w.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	serve(rec, r)
	body, _, err := tree.ParseJSONObject(rec.Body.Bytes())
	if err != nil && rec.Code == http.StatusOK {
		w.Fatalf("%s: %v in %.200q", path, err, rec.Body)
	}
	return rec.Code, rec.Result().Header, body
}

// groups returns what the aggregated form shows, a line a version: GROUP VERSION FRESHNESS RESOURCE(SUBRESOURCE …) ….
func (w *world) groups() string {
	w.Helper()
	_, _, doc := w.get(w.catalog.Serve("/apis").ServeHTTP, "/apis", discovery.AggregatedType)
	var out strings.Builder
	for _, g := range tree.List(doc, "items") {
		for _, v := range tree.List(g, "versions") {
			fmt.Fprint(&out, tree.Text(g, "metadata", "name"), " ", tree.Text(v, "version"), " ", tree.Text(v, "freshness"))
			for _, r := range tree.List(v, "resources") {
				fmt.Fprint(&out, " ", tree.Text(r, "resource"))
				for _, s := range tree.List(r, "subresources") {
					fmt.Fprintf(&out, "(%s)", tree.Text(s, "subresource"))
				}
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

func (w *world) want(want string) {
	w.Helper()
	synctest.Wait()
	if got := w.groups(); got != strings.ReplaceAll(strings.TrimPrefix(want, "\n"), "\t", "") {
		w.Errorf("groups are\n%swant%s", got, want)
	}
}

// apis is a server with the aggregated form of discovery: its groups as GROUP/VERSION with resources, separated by spaces.
func apis(tag string, versions map[string]string) http.Handler {
	var items []any
	for _, gv := range slices.Sorted(maps.Keys(versions)) {
		group, version, _ := strings.Cut(gv, "/")
		var resources []any
		for name := range strings.FieldsSeq(versions[gv]) {
			resources = append(resources, map[string]any{
				"resource": name, "scope": "Namespaced", "singularResource": "", "verbs": []any{"get"},
				"subresources": []any{map[string]any{"subresource": "status", "verbs": []any{"get"}}},
			})
		}
		items = append(items, map[string]any{"metadata": map[string]any{"name": group}, "versions": []any{
			map[string]any{"version": version, "resources": resources, "freshness": "Current"},
		}})
	}
	body := tree.AppendJSON(nil, map[string]any{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items})
	return tagged(tag, discovery.AggregatedType, body)
}

// tagged is a server that always answers the same.
func tagged(tag, contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tag != "" {
			w.Header().Set("Etag", tag)
		}
		if tag != "" && r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	})
}

// failing is a server that answers with a code.
func failing(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

// hanging is a server that answers when the client has gone.
var hanging = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// bubble runs a test where time is not real.
func bubble(t *testing.T, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t)) })
}

// TestDiscoveryOfServers: TestBasic, TestInitialRunHasAllAPIServices and TestWaitForSync upstream.
func TestDiscoveryOfServers(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", apis("", map[string]string{"a.example/v1": "apples", "a.example/v2": "apples pears", "b.example/v1": "bananas"}))
		w.serve("two", apis("", map[string]string{"c.example/v1": "cherries", "not.asked/v1": "lies", "a.example/v1": "lies"}))
		w.have("v1.a.example 10 1 one", "v2.a.example 10 2 one", "v1.b.example 20 1 one", "v1.c.example 20 1 two", "v3.c.example 1 1 two")
		w.run(&w.m.Discovery)
		// v3 of the last is not said by its server.
		w.want(`
			b.example v1 Current bananas(status)
			c.example v3 Current
			c.example v1 Current cherries(status)
			a.example v2 Current apples(status) pears(status)
			a.example v1 Current apples(status)
		`)
		// One question for each server, whatever it has.
		want := []string{"/apis system:kube-aggregator [system:masters]"}
		for _, server := range []string{"one", "two"} {
			if got := w.questions(server); !slices.Equal(got, want) {
				t.Errorf("%s was asked %q", server, got)
			}
		}
		// Kinds that are missing are empty.
		_, _, doc := w.get(w.catalog.Serve("/apis").ServeHTTP, "/apis", discovery.AggregatedType)
		r := tree.List(tree.List(tree.List(doc, "items")[0], "versions")[0], "resources")[0]
		for _, of := range []any{r, tree.List(r, "subresources")[0]} {
			if kind, ok := tree.At(of, "responseKind").(map[string]any); !ok || kind["kind"] != "" {
				t.Errorf("kind is %v", tree.At(of, "responseKind"))
			}
		}
	})
}

// TestDiscoveryOfServiceThatComesAndGoes: TestDirty, TestServiceGC and TestRemoveAPIService upstream.
func TestDiscoveryOfServiceThatComesAndGoes(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", apis("", map[string]string{"a.example/v1": "apples", "a.example/v2": "apples"}))
		w.run(&w.m.Discovery)
		w.want("\n")
		w.have("v1.a.example 10 1 one")
		w.want(`
			a.example v1 Current apples(status)
		`)
		w.have("v1.a.example 10 1 one", "v2.a.example 10 1 one")
		w.want(`
			a.example v2 Current apples(status)
			a.example v1 Current apples(status)
		`)
		if got := w.questions("one"); len(got) != 2 {
			t.Errorf("asked %q", got)
		}
		w.have("v2.a.example 10 1 one")
		w.want(`
			a.example v2 Current apples(status)
		`)
		w.have()
		w.want("\n")
		if w.m.Discovery.servers["one"] != nil || len(w.m.known) > 0 || len(w.m.groups) > 0 {
			t.Error("what is gone is remembered")
		}
		w.questions("one")
		time.Sleep(time.Hour)
		if got := w.questions("one"); got != nil {
			t.Errorf("a server without an APIService was asked %q", got)
		}
	})
}

// TestDiscoveryPlain: TestLegacyFallback, TestLegacyFallbackNoCache and TestLegacyFallback404 upstream.
func TestDiscoveryPlain(t *testing.T) {
	plain := func(root http.Handler) http.Handler {
		list := func(names ...string) http.Handler {
			resources := []any{}
			for _, name := range names {
				resources = append(resources, map[string]any{"name": name, "singularName": "", "namespaced": true, "kind": "K", "verbs": []any{"get"}})
			}
			return tagged("", "application/json", mustJSON(map[string]any{"kind": "APIResourceList", "groupVersion": "?", "resources": resources}))
		}
		mux := http.NewServeMux()
		mux.Handle("/apis", root)
		mux.Handle("/apis/a.example/v1", list("apples", "apples/status"))
		mux.Handle("/apis/a.example/v2", list("pears/scale"))
		return mux
	}
	for name, root := range map[string]http.Handler{
		"406": failing(http.StatusNotAcceptable), "404": failing(http.StatusNotFound), "500": failing(http.StatusInternalServerError),
		"302": http.RedirectHandler("/apis/", http.StatusFound), "plain list": tagged("", "application/json", []byte(`{"kind":"APIGroupList"}`)),
		"older form": tagged("", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", []byte("{}")),
		"no type":    tagged("", "", []byte("{}")),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.serve("one", plain(root))
				w.have("v1.a.example 10 1 one", "v2.a.example 10 1 one", "v3.a.example 10 1 one")
				w.run(&w.m.Discovery)
				w.want(`
					a.example v3 Stale
					a.example v2 Current pears(scale)
					a.example v1 Current apples(status)
				`)
				want := []string{
					"/apis system:kube-aggregator [system:masters]", "/apis/a.example/v1 system:kube-aggregator []",
					"/apis/a.example/v2 system:kube-aggregator []", "/apis/a.example/v3 system:kube-aggregator []",
				}
				if got := w.questions("one"); !slices.Equal(got, want) {
					t.Errorf("asked %q", got)
				}
			})
		})
	}
}

// TestDiscoveryStale: TestAPIServiceStale upstream, and how often a server is asked that does not answer.
func TestDiscoveryStale(t *testing.T) {
	for name, server := range map[string]http.Handler{
		"503": failing(http.StatusServiceUnavailable), "nobody": nil, "hangs": hanging,
		"garbage": tagged("", discovery.AggregatedType, []byte(`{"items":[{"metadata":`)),
		"list":    tagged("", discovery.AggregatedType, []byte(`[]`)),
		"deep":    tagged("", discovery.AggregatedType, []byte(strings.Repeat(`{"items":[`, 100_000))),
		"large":   tagged("", discovery.AggregatedType, slices.Repeat([]byte(" "), discoveryMostBytes+1)),
		"many":    tagged("", discovery.AggregatedType, []byte(`{"items":[`+strings.Repeat(`{},`, mostValues)+`{}]}`)),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.serve("one", server)
				w.have("v1.a.example 10 1 one!")
				w.run(&w.m.Discovery)
				stale := `
					a.example v1 Stale
				`
				w.want(stale)
				w.questions("one")
				// After half a second, one, two, … and then each minute; who hangs takes five seconds each time.
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if got := len(w.questions("one")); got < 7 || got > 9 {
					t.Errorf("asked %d times in three minutes", got)
				}
				if said := strings.Count(w.said.String(), "level=WARN"); said != 1 {
					t.Errorf("logged %d times:\n%s", said, &w.said)
				}
				w.serve("one", apis("", map[string]string{"a.example/v1": "apples"}))
				time.Sleep(time.Minute + askTime)
				w.want(`
					a.example v1 Current apples(status)
				`)
				w.serve("one", server)
				time.Sleep(time.Minute + askTime)
				w.want(stale)
			})
		})
	}
}

// TestDiscoveryNotModified: TestNotModified upstream.
func TestDiscoveryNotModified(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", apis(`"1"`, map[string]string{"a.example/v1": "apples", "a.example/v2": "apples"}))
		w.have("v1.a.example 10 1 one")
		w.run(&w.m.Discovery)
		w.have("v1.a.example 10 1 one", "v2.a.example 10 1 one")
		w.want(`
			a.example v2 Current apples(status)
			a.example v1 Current apples(status)
		`)
		time.Sleep(61 * time.Second)
		w.serve("one", apis(`"2"`, map[string]string{"a.example/v2": "pears"}))
		time.Sleep(time.Minute)
		w.want(`
			a.example v2 Current pears(status)
			a.example v1 Current
		`)
		const who = "/apis system:kube-aggregator [system:masters]"
		want := []string{who, who + ` "1"`, who + ` "1"`, who + ` "1"`}
		if got := w.questions("one"); !slices.Equal(got, want) {
			t.Errorf("asked %q", got)
		}
	})
}

// TestDiscoveryOfOneThatHangs: a server that hangs keeps nobody else waiting, and the start for one try.
func TestDiscoveryOfOneThatHangs(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", hanging)
		w.serve("two", apis("", map[string]string{"b.example/v1": "bananas"}))
		w.have("v1.a.example 10 1 one", "v1.b.example 10 1 two")
		started := time.Now()
		w.run(&w.m.Discovery)
		if took := time.Since(started); took != askTime {
			t.Errorf("the first try took %v", took)
		}
		w.want(`
			a.example v1 Stale
			b.example v1 Current bananas(status)
		`)
	})
}
