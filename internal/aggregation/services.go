// Package aggregation sends API groups to other servers. Which those are say objects of the kind APIService: one for
// each version of a group, with the Service of the server that has it, or without one for what is served here. The
// package keeps the objects of what is served here, finds out which of the other servers can be used, and is the
// proxy to those.
//
// In come an api.API and a backend.Set; out go Remotes, which are http.Handlers.
//
//	s := aggregation.New(aggregation.Config{API: a, Backends: b})
//	s.Follow()                                    // knows what is stored
//	run := s.Start(ctx)                           // registers what is served here
//	go run(ctx)                                   // keeps it so, probes; the caller waits for its end
//	s.Find("/apis/metrics.k8s.io/v1beta1/nodes")  // the Remote, nil: served here
//
// Everything here may be called concurrently, but Start and what it returns, which are called once. The package knows
// nothing of listeners and of who may do what: whoever calls a Remote has authorized the request. It is internal to this
// program and promises no compatibility.
package aggregation

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/kinds"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Which path is whose. A request must know that before anything else, so it asks a table that never changes and is
// replaced whole, by whoever comes first after an APIService was written:
//
//	write ──> bucket.Head grows        request ──> Find ──> is table.head that? ── yes ──> byRoot
//	                                                          └─ no ──> events since ──> remotes ──> another table
//
// So a write counts for each request that begins after it, with no goroutine in between that could be behind, and a
// request costs a comparison where nothing was written. Events are taken from the log where that reaches back, and
// else the store is read as a whole.
//
// The object is the truth of whether a remote can be used, since several servers may share it; only where nothing may
// be written is it what this one has found (probe.go).

// What is known of APIServices, as they are stored. The store is the only truth: Follow takes what has been written since
// the last call, and every request for a route calls it, which costs two atomic loads where nothing has. So whoever has
// written an APIService finds its routes in the next request, as upstream's clients do a moment later.
//
//	store ── events ──> Follow ──> table: remotes by root ──> Find, Remotes
//	                      │
//	                      └──> Changed is closed ──> whoever merges discovery and OpenAPI
//
// A Remote is made anew when the spec of its object changes. A change of its status alone changes whether it is
// available, in place, so that what others keep for a Remote stays.

// resourceName is the bucket of APIServices.
const resourceName = "apiservices.apiregistration.k8s.io"

// Config is what a Services needs of the program.
type Config struct {
	API      *api.API
	Backends *backend.Set
	// Kinds are the built-in kinds that are served.
	Kinds *kinds.Table
	// Given are groups of other servers that need no Service.
	Given []Given
	// HasAddress reports whether the address of a Service is known without looking it up, so that it need not be there.
	HasAddress func(namespace, name string) bool
	Log        *slog.Logger
}

// Services are the APIServices there are. Make one with New.
type Services struct {
	Config
	bucket *store.Bucket
	table  atomic.Pointer[table]
	// buffers are those of the proxy.
	buffers buffers
	// again has a token when everything is to be registered again.
	again chan struct{}

	// mu is held by whoever follows, and guards what comes below.
	mu sync.Mutex
	// cursor is where the event log was left; nil before the first Follow.
	cursor  *store.Cursor
	remotes map[string]*Remote
	// missing are the objects of built-in groups that were not seen available yet.
	missing map[string]bool
	// states are what the last looks have found, by name.
	states map[string]state
	// turned counts how often a remote has become unavailable, by name and reason.
	turned map[[2]string]int
	// changed is closed with the next change.
	changed chan struct{}
}

// table is all remotes at one time. It never changes.
type table struct {
	// head is the revision of the newest APIService that it knows.
	head int64
	// byRoot has the remotes by the path above theirs: /apis/GROUP/VERSION, or /api.
	byRoot map[string]*Remote
	// sorted are those by name.
	sorted []*Remote
}

// New returns Services that know of nothing before the first Follow.
func New(c Config) *Services {
	s := &Services{
		Config: c, bucket: c.API.Store.Bucket(resourceName), remotes: map[string]*Remote{},
		changed: make(chan struct{}), again: make(chan struct{}, 1),
	}
	s.states, s.turned = map[string]state{}, map[[2]string]int{}
	// No store has this head, so the first Follow looks.
	s.table.Store(&table{head: -1})
	return s
}

// Remotes returns the remotes there are, by name. Nobody may change the slice.
func (s *Services) Remotes() []*Remote { return s.Follow().sorted }

// Find returns the remote that a path belongs to, nil for one that is served here.
func (s *Services) Find(path string) *Remote {
	t := s.Follow()
	// Most clusters have none, and pay nothing.
	if len(t.byRoot) == 0 {
		return nil
	}
	root, ok := rootOf(path)
	if !ok {
		return nil
	}
	return t.byRoot[root]
}

// rootOf returns the path of the version that a path is of, false for a path of none: /apis/GROUP/VERSION, or /api,
// which the core group has as a whole.
func rootOf(path string) (string, bool) {
	if path == "/api" || strings.HasPrefix(path, "/api/") {
		return "/api", true
	}
	rest, ok := strings.CutPrefix(path, "/apis/")
	group := strings.IndexByte(rest, '/')
	if !ok || group < 1 {
		return "", false
	}
	// A version without a name belongs to nobody: /apis/GROUP/ is a document of the group, which is ours.
	version := strings.IndexByte(rest[group+1:], '/')
	if version < 0 {
		return path, group+1 < len(rest)
	}
	return path[:len("/apis/")+group+1+version], version > 0
}

// Changed returns a channel that is closed when a remote has come, gone, changed or become available or not, after the
// call. Who is woken calls it again before Remotes.
func (s *Services) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Follow knows all APIServices that were in the store when it was called, and returns their table.
func (s *Services) Follow() *table {
	// Each request comes through here, and most find that nothing was written: two loads, and no lock.
	if t := s.table.Load(); t.head == s.bucket.Head() {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Read before the events: what is written meanwhile may be taken now and once more next time, and is not lost.
	t, isOther := s.table.Load(), false
	head := s.bucket.Head()
	if t.head == head {
		return t
	}
	// The first one reads the store, since the log need not reach back to the first object.
	if s.cursor == nil {
		isOther = s.reset()
	}
	var room [64]*store.Event
	for {
		events, _, err := s.cursor.Next(room[:0], len(room))
		if err != nil {
			// The log has dropped events before they were taken, but the state has them all.
			isOther = s.reset() || isOther
			continue
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			head = max(head, e.Rev)
			isOther = s.take(e.Object, e.Kind == store.Deleted) || isOther
		}
	}
	// Most writes change nothing that routes depend on: then the maps are those of before.
	next := &table{head: head, byRoot: t.byRoot, sorted: t.sorted}
	if isOther {
		next.byRoot = make(map[string]*Remote, len(s.remotes))
		for _, r := range s.remotes {
			next.byRoot[r.Root()] = r
		}
		next.sorted = slices.SortedFunc(maps.Values(s.remotes), func(a, b *Remote) int { return strings.Compare(a.Name, b.Name) })
	}
	s.table.Store(next)
	return next
}

// reset takes what is in the store and nothing else, and sets the cursor behind it. It reports whether remotes are
// others than before. The caller holds mu.
func (s *Services) reset() (isOther bool) {
	for {
		sn := s.bucket.Now()
		for name, r := range s.remotes {
			// It went while nobody looked, and no event tells.
			if sn.Get(r.key) == nil {
				isOther = s.drop(name) || isOther
			}
		}
		for o := range sn.Scan("", "") {
			isOther = s.take(o, false) || isOther
		}
		// If the whole window of the log has been written during the scan, it no longer reaches back to the snapshot.
		if s.cursor, _ = s.bucket.Watch(sn.Rev); s.cursor != nil {
			return isOther
		}
	}
}

// take makes the remote of an object what the object says now, and reports whether it is another than before. The
// caller holds mu.
func (s *Services) take(o *store.Object, gone bool) (isOther bool) {
	name := o.Name()
	obj := o.Decode()
	spec := tree.Object(obj, "spec")
	// What the last look has found is about an object; one that comes later under the name is another.
	if gone {
		delete(s.states, name)
	} else if s.missing[name] && isAvailable(obj) {
		delete(s.missing, name)
	}
	if gone || spec["service"] == nil {
		return s.drop(name)
	}
	was := s.remotes[name]
	// Only the spec makes another remote: a status may be written at any time, and connections must outlive it.
	if was == nil || !tree.Equal(was.spec, spec) {
		r := s.newRemote(o, spec)
		r.available.Store(isAvailable(obj))
		s.remotes[name] = r
		s.wake()
		return true
	}
	// Where nothing may be written the object says what another server has found, or nothing: the look counts.
	if now := isAvailable(obj); s.API.Config.ReadOnly == "" && was.available.Swap(now) != now {
		s.wake()
	}
	return false
}

// drop forgets a remote, if there is one. The caller holds mu.
func (s *Services) drop(name string) bool {
	if s.remotes[name] == nil {
		return false
	}
	delete(s.remotes, name)
	// Its connections end with it; what is under way goes on.
	s.Backends.Drop(backend.APIServer, name)
	s.wake()
	return true
}

// wake tells those who wait for a change. The caller holds mu.
func (s *Services) wake() {
	// Closed and not sent to: there are any number of waiters.
	close(s.changed)
	s.changed = make(chan struct{})
}
