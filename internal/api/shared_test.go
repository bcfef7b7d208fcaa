package api_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/allocator"
	"apichain/internal/api/apitest"
	"apichain/internal/store"
	"apichain/internal/store/storetest"
	"apichain/internal/tree"
)

// Several servers over one backend (consistent.go). Each follows it with delays of its own, so that what one has
// written the other mostly does not show yet. Time is that of a bubble: the delays cost none.

// lagging makes a cluster whose members hear of each write up to most later.
func lagging(most time.Duration) *storetest.Cluster {
	return &storetest.Cluster{Lag: func(int64) { time.Sleep(rand.N(most)) }}
}

// startTwo starts two servers over a cluster.
func startTwo(t *testing.T, c *storetest.Cluster, change ...func(*apitest.Config)) (two [2]*apitest.Server) {
	t.Helper()
	for i := range two {
		config := apitest.Config{Backend: c.Member()}
		for _, f := range change {
			f(&config)
		}
		two[i] = apitest.Start(t, config)
	}
	return two
}

// step is a request to one of two servers. @ in path, body and message is the number of the round.
type step struct {
	at           int
	method, path string
	body         map[string]any
	code         int
	// message is the whole message of a refusal, or what the answer has as data.a.
	message string
}

// data returns a config map with a value; more as MapObject has it.
func data(name, a string, more ...map[string]any) map[string]any {
	m := mapObject(name, more...)
	m["data"] = map[string]any{"a": a}
	return m
}

// TestReadYourWritesElsewhere sends each verb to the server that did not make the write before it: nothing may be
// answered by what was.
func TestReadYourWritesElsewhere(t *testing.T) {
	const a = mapsPath + "/a-@"
	const changed = `Operation cannot be fulfilled on configmaps "a-@": ` +
		"the object has been modified; please apply your changes to the latest version and try again"
	none, taken := `configmaps "a-@" not found`, `configmaps "a-@" already exists`
	inNew := strings.Replace(mapsPath, "default", "s-@", 1)
	steps := []step{
		{0, "POST", mapsPath, data("a-@", "1"), 201, "1"},
		{1, "GET", a, nil, 200, "1"},
		{1, "PATCH", a, map[string]any{"data": map[string]any{"a": "2"}}, 200, "2"},
		{0, "GET", a, nil, 200, "2"},
		{0, "PUT", a, data("a-@", "1"), 200, "1"},
		// The other one still has 2: a change to that is one.
		{1, "PUT", a, data("a-@", "2"), 200, "2"},
		{0, "PUT", a, data("a-@", "2"), 200, "2"},
		{0, "PUT", a, data("a-@", "3"), 200, "3"},
		{1, "PUT", a, data("a-@", "4", map[string]any{"resourceVersion": "1"}), 409, changed},
		{1, "POST", mapsPath, data("a-@", "5"), 409, taken},
		{1, "POST", mapsPath + "?dryRun=All", data("a-@", "5"), 409, taken},
		{1, "DELETE", a + "?dryRun=All", nil, 200, ""},
		{0, "GET", a, nil, 200, "3"},
		{0, "DELETE", a, nil, 200, ""},
		{1, "GET", a, nil, 404, none},
		{0, "POST", mapsPath, data("a-@", "6"), 201, "6"},
		{1, "DELETE", a, nil, 200, ""},
		{0, "DELETE", a, nil, 404, none},
		{1, "POST", mapsPath, data("a-@", "7"), 201, "7"},
		{0, "DELETE", mapsPath, nil, 200, ""},
		{1, "PATCH", a, map[string]any{}, 404, none},
		{0, "POST", mapsPath, data("a-@", "8"), 201, "8"},
		{0, "DELETE", a, nil, 200, ""},
		{1, "PUT", a, data("a-@", "9"), 404, none},
		{0, "POST", spacesPath, apitest.Namespace("s-@"), 201, ""},
		{1, "POST", inNew, data("x", "1"), 201, "1"},
		{0, "GET", inNew + "/x", nil, 200, "1"},
		{0, "POST", strings.Replace(mapsPath, "default", "n-@", 1), data("x", "1"), 404, `namespaces "n-@" not found`},
	}
	synctest.Test(t, func(t *testing.T) {
		two := startTwo(t, lagging(50*time.Millisecond))
		for round := range 20 {
			number := func(s string) string { return strings.ReplaceAll(s, "@", fmt.Sprint(round)) }
			for i, s := range steps {
				var body any
				if s.body != nil {
					body = number(string(tree.AppendJSON(nil, s.body)))
				}
				code, got := two[s.at].Try(s.method, number(s.path), body)
				message := tree.Text(got, "data", "a")
				if code > 299 {
					message = tree.Text(got, "message")
				}
				if code != s.code || s.message != "" && message != number(s.message) {
					t.Fatalf("round %d, step %d, %s %s at %d: %d %q, want %d %q", round, i, s.method, s.path, s.at, code, message, s.code, s.message)
				}
			}
		}
	})
}

// TestPreconditionFromElsewhere updates with the resource version that the other server has just given: it is
// newer than what this one shows.
func TestPreconditionFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		two := startTwo(t, lagging(50*time.Millisecond))
		obj := two[0].Must(201, "POST", mapsPath, mapObject("a"))
		for i := range 40 {
			obj["data"] = map[string]any{"n": itoa(i)}
			obj = two[1-i%2].Must(200, "PUT", mapsPath+"/a", obj)
		}
		// A watch from a revision that is not shown here yet has nothing to end for.
		rev := tree.Text(two[0].Must(201, "POST", mapsPath, mapObject("b")), "metadata", "resourceVersion")
		w := httptest.NewRecorder()
		two[1].ServeHTTP(w, administrator(context.Background(), "GET", mapsPath+"?watch=true&timeoutSeconds=1&resourceVersion="+rev, ""))
		if got := w.Body.String(); got != "" {
			t.Errorf("a watch from a revision of the other server: %s", got)
		}
	})
}

// TestDefinitionElsewhere uses a resource on the server that did not get its definition, at once, and not any more
// when that has gone.
func TestDefinitionElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		two := startTwo(t, lagging(50*time.Millisecond))
		for i := range 10 {
			d := definitionOf("widgets", "Widget", "Namespaced")
			two[i%2].Must(201, "POST", definitionsPath, d)
			two[1-i%2].Must(201, "POST", widgetsPath, custom("Widget", "w"))
			two[i%2].Must(200, "GET", widgetsPath+"/w", nil)
			two[1-i%2].Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
			for {
				if code, _ := two[i%2].Try("GET", definitionsPath+"/widgets.example.com", nil); code == 404 {
					break
				}
				time.Sleep(time.Millisecond)
			}
		}
		// What has gone elsewhere is served until this one hears of it.
		time.Sleep(time.Second)
		two[0].Must(404, "GET", widgetsPath, nil)
	})
}

// TestWatchBeginsNow begins watches that do not say where: what the other server has written is in their state.
func TestWatchBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		two := startTwo(t, lagging(50*time.Millisecond))
		for i := range 10 {
			name := "w" + itoa(i)
			two[0].Must(201, "POST", mapsPath, mapObject(name))
			w := httptest.NewRecorder()
			two[1].ServeHTTP(w, administrator(context.Background(), "GET", mapsPath+"?watch=true&timeoutSeconds=1", ""))
			if !strings.Contains(w.Body.String(), `"name":"`+name+`"`) {
				t.Errorf("%s is not in the state: %s", name, w.Body)
			}
		}
	})
}

// TestAllocationOverServers makes services on both servers at once, all of which need an address and a port of
// few: none is given twice, and each service has its own.
func TestAllocationOverServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lagging(20 * time.Millisecond)
		two := startTwo(t, c, func(c *apitest.Config) {
			c.Services.Ranges = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/26")}
			c.Services.NodePorts = allocator.Ports{First: 30000, Last: 30031}
		})
		var all sync.WaitGroup
		var made atomic.Int32
		for i := range 32 {
			all.Go(func() {
				body := map[string]any{"kind": "Service", "apiVersion": "v1", "metadata": map[string]any{"name": "s" + itoa(i)},
					"spec": map[string]any{"type": "NodePort", "ports": []any{map[string]any{"port": int64(80), "nodePort": int64(0)}}}}
				if i >= 28 {
					// Of those that name one port one gets it.
					tree.Set(tree.List(body, "spec", "ports")[0].(map[string]any), int64(30007), "nodePort")
				}
				code, got := two[i%2].Try("POST", "/api/v1/namespaces/default/services", body)
				if code == 201 {
					made.Add(1)
				} else if i < 28 || code != 422 {
					t.Errorf("service %d: %d %v", i, code, got["message"])
				}
			})
		}
		all.Wait()
		for _, server := range two {
			seen, ports := map[string]string{}, 0
			for _, item := range tree.List(server.Must(200, "GET", "/api/v1/namespaces/default/services", nil), "items") {
				name := tree.Text(item, "metadata", "name")
				keys := []string{tree.Text(item, "spec", "clusterIP")}
				for _, p := range tree.List(item, "spec", "ports") {
					if n, _ := tree.At(p, "nodePort").(int64); n != 0 {
						keys, ports = append(keys, fmt.Sprint(n)), ports+1
					}
				}
				for _, key := range keys {
					if other, twice := seen[key]; twice {
						t.Errorf("%s and %s have %s", other, name, key)
					}
					seen[key] = name
				}
				if code, _ := server.Try("GET", "/apis/networking.k8s.io/v1/ipaddresses/"+keys[0], nil); code != 200 {
					t.Errorf("%s has no object of its address %s", name, keys[0])
				}
			}
			if want := int(made.Load()); ports != want || want < 28 {
				t.Errorf("%d ports for %d services", ports, want)
			}
		}
	})
}

// backendAnswers is what a client gets while the backend fails. The codes and texts are those of kube-apiserver
// 1.37.2 over an etcd that has no space, one that was stopped, and one without a leader.
var backendAnswers = []struct {
	name         string
	err          error
	method, path string
	body         any
	code         int
	reason       string
	message      string
}{
	{"no space, create", errors.New("etcdserver: mvcc: database space exceeded"), "POST", mapsPath, mapObject("n"), 500, "", "etcdserver: mvcc: database space exceeded"},
	{"no space, update", errors.New("etcdserver: mvcc: database space exceeded"), "PUT", mapsPath + "/x", data("x", "2"), 500, "", "etcdserver: mvcc: database space exceeded"},
	{"no space, patch", errors.New("etcdserver: mvcc: database space exceeded"), "PATCH", mapsPath + "/x", data("x", "2"), 500, "", "etcdserver: mvcc: database space exceeded"},
	{"no leader, create", errors.New("etcdserver: request timed out"), "POST", mapsPath, mapObject("n"), 500, "", "etcdserver: request timed out"},
	{"away, create", context.DeadlineExceeded, "POST", mapsPath, mapObject("n"), 504, "Timeout", timedOut},
	{"away, create of a name that is taken", context.DeadlineExceeded, "POST", mapsPath, mapObject("x"), 504, "Timeout", timedOut},
	{"away, dry run", context.DeadlineExceeded, "POST", mapsPath + "?dryRun=All", mapObject("n"), 504, "Timeout", timedOut},
	{"away, create in no namespace", context.DeadlineExceeded, "POST", strings.Replace(mapsPath, "default", "none", 1), mapObject("n"), 504, "Timeout", timedOut},
	{"away, update", context.DeadlineExceeded, "PUT", mapsPath + "/x", data("x", "2"), 504, "Timeout", timedOut},
	{"away, update of an old version", context.DeadlineExceeded, "PUT", mapsPath + "/x", data("x", "2", map[string]any{"resourceVersion": "1"}), 504, "Timeout", timedOut},
	{"away, update of nothing", context.DeadlineExceeded, "PUT", mapsPath + "/none", data("none", "2"), 504, "Timeout", timedOut},
	{"away, update that changes nothing", context.DeadlineExceeded, "PUT", mapsPath + "/x", data("x", "1"), 504, "Timeout", timedOut},
	{"away, patch of nothing", context.DeadlineExceeded, "PATCH", mapsPath + "/none", map[string]any{}, 504, "Timeout", timedOut},
	{"away, delete", context.DeadlineExceeded, "DELETE", mapsPath + "/x", nil, 504, "Timeout", timedOut},
	{"away, delete of nothing", context.DeadlineExceeded, "DELETE", mapsPath + "/none", nil, 504, "Timeout", timedOut},
	{"away, deletecollection", context.DeadlineExceeded, "DELETE", mapsPath, nil, 504, "Timeout", timedOut},
	{"away, get", context.DeadlineExceeded, "GET", mapsPath + "/x", nil, 504, "Timeout", timedOut},
	{"away, get of nothing", context.DeadlineExceeded, "GET", mapsPath + "/none", nil, 504, "Timeout", timedOut},
	{"away, list", context.DeadlineExceeded, "GET", mapsPath, nil, 504, "Timeout", timedOut},
	{"away, list with a limit", context.DeadlineExceeded, "GET", mapsPath + "?limit=1", nil, 504, "Timeout", timedOut},
	{"away, get of any version", context.DeadlineExceeded, "GET", mapsPath + "/x?resourceVersion=0", nil, 200, "", ""},
	{"away, get of a version", context.DeadlineExceeded, "GET", mapsPath + "/x?resourceVersion=1", nil, 200, "", ""},
	{"away, get of nothing in any version", context.DeadlineExceeded, "GET", mapsPath + "/none?resourceVersion=0", nil, 404, "NotFound", `configmaps "none" not found`},
	{"away, list of any version", context.DeadlineExceeded, "GET", mapsPath + "?resourceVersion=0", nil, 200, "", ""},
	{"away, list not older", context.DeadlineExceeded, "GET", mapsPath + "?resourceVersion=1&resourceVersionMatch=NotOlderThan", nil, 200, "", ""},
	{"away, access review", context.DeadlineExceeded, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		map[string]any{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": map[string]any{
			"resourceAttributes": map[string]any{"verb": "get", "resource": "pods"}}}, 201, "", ""},
	{"away, watch", context.DeadlineExceeded, "GET", mapsPath + "?watch=true&timeoutSeconds=2", nil, 200, "InternalError", "context deadline exceeded"},
}

const timedOut = "Timeout: request did not complete within requested timeout - context deadline exceeded"

// TestBackendAnswers asks a server whose backend fails.
func TestBackendAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Pointer[error]
		c := &storetest.Cluster{Ask: func(context.Context, string) error {
			if err := fail.Load(); err != nil {
				return *err
			}
			return nil
		}}
		s := apitest.Start(t, apitest.Config{Backend: c.Member()})
		s.Must(201, "POST", mapsPath, data("x", "1"))
		for _, a := range backendAnswers {
			fail.Store(&a.err)
			code, got := s.Try(a.method, a.path, a.body)
			if event := tree.Object(got, "object"); event != nil {
				got = event
			}
			reason, message := tree.Text(got, "reason"), tree.Text(got, "message")
			if code != a.code || reason != a.reason || message != a.message {
				t.Errorf("%s: %d %q %q, want %d %q %q", a.name, code, reason, message, a.code, a.reason, a.message)
			}
			fail.Store(nil)
			if a.code > 299 {
				s.Must(404, "GET", mapsPath+"/n", nil)
				s.Must(200, "GET", mapsPath+"/x", nil)
			}
		}
	})
}

// TestRevisionOfNothingHere asks for a resource version that no object of this store has: it is waited for by asking,
// and one that there will not be for a while is upstream's 504.
func TestRevisionOfNothingHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		c := lagging(50 * time.Millisecond)
		c.Ask = func(ctx context.Context, op string) error {
			if op == "newest" {
				asked.Add(1)
			}
			return ctx.Err()
		}
		two := startTwo(t, c)
		rev := two[0].Store.Revision()
		before := asked.Load()
		two[1].Must(200, "GET", mapsPath+"?resourceVersion=0", nil)
		two[1].Must(200, "GET", mapsPath+"?resourceVersion=1&resourceVersionMatch=NotOlderThan", nil)
		if n := asked.Load() - before; n != 0 {
			t.Errorf("the backend was asked %d times", n)
		}
		began := time.Now()
		e := two[1].Must(504, "GET", fmt.Sprintf("%s?resourceVersion=%d", mapsPath, rev+1000), nil)
		message, _ := strings.CutSuffix(tree.Text(e, "message"), fmt.Sprintf("%d, current: %d", rev+1000, two[1].Store.Revision()))
		if took := time.Since(began); took != 3*time.Second || asked.Load() == before || message != "Timeout: Too large resource version: " {
			t.Errorf("%v after %v", e["message"], took)
		}
	})
}

// TestLostAnswers makes writes whose answers get lost: none is said to have failed for a reason that is the
// write's own doing, and each was made once.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lose atomic.Bool
		c := &storetest.Cluster{Lose: lose.Load}
		s := apitest.Start(t, apitest.Config{Backend: c.Member()})
		try := func(method, path string, body any) {
			t.Helper()
			lose.Store(true)
			code, got := s.Try(method, path, body)
			lose.Store(false)
			if code != 500 {
				t.Errorf("%s %s: %d %v, want 500", method, path, code, got["message"])
			}
		}
		try("POST", mapsPath, data("a", "1"))
		first := s.Must(200, "GET", mapsPath+"/a", nil)
		try("PUT", mapsPath+"/a", data("a", "2"))
		if got := tree.Text(s.Must(200, "GET", mapsPath+"/a", nil), "data", "a"); got != "2" || tree.Text(first, "data", "a") != "1" {
			t.Errorf("data is %q", got)
		}
		try("DELETE", mapsPath+"/a", nil)
		s.Must(404, "GET", mapsPath+"/a", nil)
	})
}

// TestWritesEndWithTheirLimit stops a backend in the middle of a write: the client hears of it after upstream's
// 34 seconds, and reads that may be old go on.
func TestWritesEndWithTheirLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Bool
		c := &storetest.Cluster{Ask: func(ctx context.Context, _ string) error {
			if stuck.Load() {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		s := apitest.Start(t, apitest.Config{Backend: c.Member()})
		stuck.Store(true)
		defer stuck.Store(false)
		for _, method := range []string{"POST", "DELETE"} {
			began := time.Now()
			path, body := mapsPath, any(mapObject("a"))
			if method == "DELETE" {
				path, body = mapsPath+"/kube-root-ca.crt", nil
			}
			code, got := s.Try(method, path, body)
			if took := time.Since(began); code != 504 || took != 34*time.Second || tree.Text(got, "message") != timedOut {
				t.Errorf("%s: %d %v after %v", method, code, got["message"], took)
			}
		}
		s.Must(200, "GET", mapsPath+"?resourceVersion=0", nil)
		began := time.Now()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, administrator(context.Background(), "GET", mapsPath+"?watch=true&timeoutSeconds=2", ""))
		want := `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",` +
			`"message":"context deadline exceeded","reason":"InternalError","code":500}}` + "\n"
		if took := time.Since(began); w.Code != 200 || w.Body.String() != want || took != 2*time.Second {
			t.Errorf("a watch: %d %s after %v", w.Code, w.Body, took)
		}
	})
}

// brokenJournal keeps what comes until it breaks.
type brokenJournal struct{ broken atomic.Bool }

func (j *brokenJournal) Load(_ context.Context, into *store.Feed) error {
	into.Complete(1)
	return nil
}
func (j *brokenJournal) Close() error               { return nil }
func (j *brokenJournal) Append([]store.Entry) error { return nil }
func (j *brokenJournal) Sync() (int64, error) {
	if j.broken.Load() {
		return 0, errors.New("write 1.journal: no space left on device")
	}
	return math.MaxInt64, nil
}

// TestFailedJournal: after its journal has failed a server refuses writes in upstream's form, and reads go on.
func TestFailedJournal(t *testing.T) {
	var j brokenJournal
	s := apitest.Start(t, apitest.Config{Backend: &j})
	s.Must(201, "POST", mapsPath, data("a", "1"))
	j.broken.Store(true)
	const text = "write 1.journal: no space left on device"
	for _, a := range []struct {
		method, path string
		body         any
	}{{"POST", mapsPath, mapObject("b")}, {"PUT", mapsPath + "/a", data("a", "2")}, {"DELETE", mapsPath + "/a", nil}} {
		code, got := s.Try(a.method, a.path, a.body)
		causes := tree.List(got, "details", "causes")
		if code != 500 || tree.Text(got, "reason") != "InternalError" || tree.Text(got, "message") != "Internal error occurred: "+text ||
			len(causes) != 1 || tree.Text(causes[0], "message") != text {
			t.Errorf("%s: %d %v", a.method, code, got)
		}
	}
	if got := s.Must(200, "GET", mapsPath+"/a", nil); tree.Text(got, "data", "a") != "1" {
		t.Errorf("it is %v", got)
	}
	s.Must(404, "GET", mapsPath+"/b", nil)
}

// TestReadOnly asks a server that may not write, over the objects of one that may.
func TestReadOnly(t *testing.T) {
	const why = "the server is read-only"
	var c storetest.Cluster
	writer := apitest.Start(t, apitest.Config{Backend: c.Member()})
	writer.Must(201, "POST", mapsPath, data("a", "1"))
	account := mapObject("s")
	account["kind"] = "ServiceAccount"
	writer.Must(201, "POST", "/api/v1/namespaces/default/serviceaccounts", account)
	s := apitest.Start(t, apitest.Config{Backend: c.Member(), ReadOnly: why, Empty: true})
	review := map[string]any{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": map[string]any{
		"resourceAttributes": map[string]any{"verb": "get", "resource": "pods"}}}
	for _, a := range []struct {
		method, path string
		body         any
		code         int
		message      string
	}{
		{"GET", mapsPath + "/a", nil, 200, ""},
		{"GET", mapsPath, nil, 200, ""},
		{"POST", mapsPath, mapObject("n"), 403, "configmaps is forbidden: " + why},
		{"POST", mapsPath + "?dryRun=All", mapObject("n"), 403, "configmaps is forbidden: " + why},
		{"POST", mapsPath, "no object", 403, "configmaps is forbidden: " + why},
		{"PUT", mapsPath + "/a", data("a", "1"), 403, `configmaps "a" is forbidden: ` + why},
		{"PATCH", mapsPath + "/a", map[string]any{}, 403, `configmaps "a" is forbidden: ` + why},
		{"DELETE", mapsPath + "/a", nil, 403, `configmaps "a" is forbidden: ` + why},
		{"DELETE", mapsPath, nil, 403, "configmaps is forbidden: " + why},
		{"POST", "/api/v1/namespaces/default/pods/p/eviction", map[string]any{}, 403, `pods "p" is forbidden: ` + why},
		{"POST", "/api/v1/namespaces/default/bindings", map[string]any{}, 403, "bindings is forbidden: " + why},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, 201, ""},
		{"POST", "/api/v1/namespaces/default/serviceaccounts/s/token", map[string]any{"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}, 201, ""},
	} {
		code, got := s.Try(a.method, a.path, a.body)
		reason, message := tree.Text(got, "reason"), tree.Text(got, "message")
		if code != a.code || a.message != "" && (message != a.message || reason != "Forbidden") {
			t.Errorf("%s %s: %d %q, want %d %q", a.method, a.path, code, message, a.code, a.message)
		}
	}
}
