package aggregation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"apichain/internal/backend"
	"apichain/internal/discovery"
)

// What the servers behind this one say of themselves, in discovery and OpenAPI, is asked for, kept, and put into the
// catalog, which shows one server. Nothing of it happens in a request: a client is told what is known.
//
// There are three followers, which differ in what they ask for and how often they try again:
//
//	discovery    /apis, or /apis/GROUP/VERSION   after 500 ms … 1 min    apiservice-discovery-controller
//	OpenAPI v2   /openapi/v2                     after 1 min … 1 h       apiservice-openapi-controller
//	OpenAPI v3   /openapi/v3, or v2 converted    after 1 min … 1 h       apiservice-openapiv3-controller
//
// Each has one goroutine for each server, whatever number of versions it has, so that one which hangs holds up none
// but itself. All ask again a minute after they were answered, and at once when an APIService of the server changes.
// What cannot be had leaves what was had before; only discovery says that it is stale, and then shows no resources
// (upstream), since clients would not believe them.
//
// An answer is text of somebody else's: it is bounded in bytes and time, parsed one at a time, and of its content only
// what is of the server's own versions is shown. So nobody can put words into another's mouth.

// Times between two questions to a server, as upstream has them.
const (
	refreshEvery   = time.Minute
	discoveryFirst = 500 * time.Millisecond
	discoveryMost  = time.Minute
	openAPIFirst   = time.Minute
	openAPIMost    = time.Hour
)

// mostValues is how many values an answer may have. Parsed, each takes some two hundred bytes, whatever it takes in the
// text; upstream's own OpenAPI has less than a tenth of them.
const mostValues = 1 << 20

// within returns what is wrong with an answer that is larger than may be parsed, nil for any other.
func within(body []byte, mostBytes int) error {
	if len(body) > mostBytes {
		return fmt.Errorf("the answer has more than %d bytes", mostBytes)
	}
	// What is in texts is counted as well, which is not exact and does not matter.
	values := 0
	for _, mark := range []string{",", "{", "["} {
		values += bytes.Count(body, []byte(mark))
	}
	if values > mostValues {
		return fmt.Errorf("the answer has more than %d values", mostValues)
	}
	return nil
}

// errNever ends the questions until the APIService changes.
var errNever = errors.New("the server has no such document")

// Merger puts what other servers have into a catalog. Make one with NewMerger.
type Merger struct {
	services interface {
		Remotes() []*Remote
		Changed() <-chan struct{}
	}
	catalog *discovery.Catalog
	hop     func(*Remote) http.Handler
	log     *slog.Logger
	// ask is (*Remote).Ask; others are of tests.
	ask func(
		r *Remote, ctx context.Context, path string, header http.Header, user string, groups []string,
	) (int, http.Header, []byte, error)
	// parsing has room for one: documents are many times larger as trees.
	parsing chan struct{}

	// Discovery, OpenAPI2 and OpenAPI3 are the followers.
	Discovery, OpenAPI2, OpenAPI3 Follower

	// mu guards what is known of each APIService, by its name.
	mu      sync.Mutex
	known   map[string]*knowledge
	groups  map[string]bool
	current []*Remote
}

// knowledge is what is known of an APIService.
type knowledge struct {
	remote    *Remote
	resources []byte
	// fresh says that resources is what the server last said, and asked that it has been asked.
	fresh, asked bool
	openAPI      discovery.RemoteOpenAPI
}

// NewMerger returns a merger that knows nothing yet. hop returns what sends requests of clients on to a remote, for
// documents of OpenAPI; log gets what could not be had, once each time that changes.
func NewMerger(s *Services, catalog *discovery.Catalog, hop func(*Remote) http.Handler, log *slog.Logger) *Merger {
	m := &Merger{
		services: s, catalog: catalog, hop: hop, log: log, ask: (*Remote).Ask, parsing: make(chan struct{}, 1),
		known: map[string]*knowledge{}, groups: map[string]bool{},
	}
	m.init()
	return m
}

// init makes the followers.
func (m *Merger) init() {
	m.Discovery = Follower{merger: m, what: "discovery", first: discoveryFirst, most: discoveryMost, do: m.askDiscovery}
	m.OpenAPI2 = Follower{merger: m, what: "OpenAPI v2", first: openAPIFirst, most: openAPIMost, do: m.askOpenAPI2}
	m.OpenAPI3 = Follower{merger: m, what: "OpenAPI v3", first: openAPIFirst, most: openAPIMost, do: m.askOpenAPI3}
}

// adopt makes the catalog list exactly the remotes there are now, and returns them.
func (m *Merger) adopt() []*Remote {
	m.mu.Lock()
	defer m.mu.Unlock()
	// Asked for here, so that no follower brings back what another has seen go.
	remotes := m.services.Remotes()
	// Three followers come here with each change, and the first of them has done it.
	if slices.Equal(m.current, remotes) {
		return remotes
	}
	m.current = remotes
	known := map[string]*knowledge{}
	for _, r := range remotes {
		// What was known of an APIService that has changed is as good as any, until its server has been asked.
		if k := m.known[r.Name]; k != nil && k.remote.Group == r.Group && k.remote.Version == r.Version {
			known[r.Name] = &knowledge{remote: r, resources: k.resources, fresh: k.fresh, asked: k.asked, openAPI: k.openAPI}
		} else {
			known[r.Name] = &knowledge{remote: r}
		}
		// Of the new remote in any case: the old one's connections are gone.
		known[r.Name].openAPI.Serve = m.hop(r)
	}
	m.known = known
	m.publishLocked(true)
	return remotes
}

// learn changes what is known of an APIService and shows it, unless it has gone or changed meanwhile. openAPI says
// whether that is of OpenAPI.
func (m *Merger) learn(r *Remote, openAPI bool, change func(*knowledge)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	// An answer that has come late is of a server that may no longer be asked: it is dropped.
	if k := m.known[r.Name]; k != nil && k.remote == r {
		change(k)
		m.publishLocked(openAPI)
	}
}

// ownRoot is that of APIServices themselves.
const ownRoot = "/apis/apiregistration.k8s.io/v1"

// publishLocked tells the catalog what is known. The caller holds mu.
func (m *Merger) publishLocked(openAPI bool) {
	groups := map[string][]*discovery.RemoteVersion{}
	all := make([]*knowledge, 0, len(m.known))
	for _, r := range m.current {
		// Routes to APIServices themselves come before those to remotes, and nobody else can say what they are.
		if r.Root() == ownRoot {
			continue
		}
		k := m.known[r.Name]
		all = append(all, k)
		groups[r.Group] = append(groups[r.Group], &discovery.RemoteVersion{
			Version: r.Version, GroupPriority: int(r.GroupPriority), VersionPriority: int(r.VersionPriority),
			Resources: k.resources, Stale: !k.fresh, Unknown: !k.asked,
		})
		// So that a group whose last version goes is told once to the catalog, as empty.
		m.groups[r.Group] = true
	}
	for group := range m.groups {
		m.catalog.SetRemote(group, groups[group])
		// Told once, and then forgotten.
		if groups[group] == nil {
			delete(m.groups, group)
		}
	}
	if !openAPI {
		return
	}
	// As upstream merges: by the group's priority, then by name. Those of versions do not count.
	priority := func(k *knowledge) (p int) {
		for _, v := range groups[k.remote.Group] {
			p = max(p, v.GroupPriority)
		}
		return p
	}
	slices.SortFunc(all, func(a, b *knowledge) int {
		return cmp.Or(cmp.Compare(priority(b), priority(a)), strings.Compare(a.remote.Name, b.remote.Name))
	})
	shown := make([]*discovery.RemoteOpenAPI, len(all))
	for i, k := range all {
		// A copy, which the catalog keeps and learn does not change.
		one := k.openAPI
		shown[i] = &one
	}
	m.catalog.SetRemoteOpenAPI(shown)
}

// Follower asks all servers for one thing, for as long as they are there.
type Follower struct {
	merger *Merger
	// what is asked for, and the times after the first failure and at most.
	what        string
	first, most time.Duration
	do          func(context.Context, *server) error

	servers map[string]*server
	running sync.WaitGroup
}

// server is one server as a follower knows it.
type server struct {
	// kick has a token when remotes has changed; stop ends the questions.
	kick chan struct{}
	stop context.CancelFunc

	mu      sync.Mutex
	remotes []*Remote
	// usable are which of the remotes were available.
	usable []bool

	// Of the goroutine that asks: the tag of the last answer and what it was, the remotes that it was for, and that the
	// server has no OpenAPI v3.
	tag   string
	last  map[string][]byte
	told  []*Remote
	older bool
}

// versions returns the remotes that the server has, of which there is one at least.
func (s *server) versions() []*Remote {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remotes
}

// available returns a remote by which the server can be asked now, nil if none is available.
func (s *server) available() *Remote {
	for _, r := range s.versions() {
		if r.Available() {
			return r
		}
	}
	return nil
}

// Run asks until ctx ends, and returns when nobody asks any more. tried is called once, when each server that there was
// at the start has been asked for the first time, whatever it has said.
func (f *Follower) Run(ctx context.Context, tried func()) {
	f.servers = map[string]*server{}
	var first sync.WaitGroup
	// The channel is taken before the remotes, so no change falls in between.
	for isFirst := true; ; isFirst = false {
		changed := f.merger.services.Changed()
		remotes := f.merger.adopt()
		f.follow(ctx, remotes, &first, isFirst)
		if isFirst {
			f.running.Go(func() {
				first.Wait()
				tried()
			})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			f.running.Wait()
			return
		}
	}
}

// follow begins with new servers, stops with those that are gone, and wakes those of which something has changed.
func (f *Follower) follow(ctx context.Context, remotes []*Remote, first *sync.WaitGroup, isFirst bool) {
	byServer := map[string][]*Remote{}
	for _, r := range remotes {
		// The core group has no document of its own that others could show.
		if r.Group != "" {
			// Two that trust differently are two servers: one may be reached by the one and not by the other.
			t := r.Backend.Target
			key := fmt.Sprint(t.URL, t.Service, t.InsecureSkipTLSVerify, string(t.CABundle))
			byServer[key] = append(byServer[key], r)
		}
	}
	for key, s := range f.servers {
		// Its goroutine ends by itself, and Run waits for it at the end.
		if byServer[key] == nil {
			s.stop()
			delete(f.servers, key)
		}
	}
	for key, versions := range byServer {
		usable := make([]bool, len(versions))
		for i, r := range versions {
			usable[i] = r.Available()
		}
		s := f.servers[key]
		if s != nil {
			s.update(versions, usable)
			continue
		}
		mine, stop := context.WithCancel(ctx)
		s = &server{kick: make(chan struct{}, 1), stop: stop, remotes: versions, usable: usable}
		f.servers[key] = s
		// Only the servers of the start are waited for by tried.
		done := func() {}
		if isFirst {
			first.Add(1)
			done = sync.OnceFunc(first.Done)
		}
		f.running.Go(func() {
			// Also where it ends before the first answer.
			defer done()
			f.repeat(mine, s, done)
		})
	}
}

// update says which remotes the server has now, and has it asked if they are others.
func (s *server) update(remotes []*Remote, usable []bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(s.remotes, remotes) && slices.Equal(s.usable, usable) {
		return
	}
	s.remotes, s.usable = remotes, usable
	select {
	case s.kick <- struct{}{}:
	default: // it will be asked already
	}
}

// repeat asks one server until ctx ends. tried is called after each time.
func (f *Follower) repeat(ctx context.Context, s *server, tried func()) {
	wait, said := f.first, ""
	for {
		err := f.do(ctx, s)
		if ctx.Err() != nil {
			return
		}
		tried()
		next := refreshEvery
		switch {
		case errors.Is(err, errNever):
			next = 0
		case err != nil:
			// This wait now, twice of it after the next failure.
			next, wait = wait, min(2*wait, f.most)
		default:
			wait = f.first
		}
		// That it is not available is said of the APIService.
		text := fmt.Sprint(backend.Short(err))
		if text != said && err != nil && !errors.Is(err, errUnavailable) {
			f.merger.log.Warn("an aggregated server does not say what it has", "apiservice", s.versions()[0].Name, "what", f.what, "err", text)
		}
		// After an answer as well, so that a failure that comes back is said again.
		said = text
		var again <-chan time.Time
		if next > 0 {
			again = time.After(next)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
			wait = f.first
		case <-again:
		}
	}
}
