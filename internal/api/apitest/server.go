// Package apitest runs the resources of internal/api and the controllers of internal/controller
// for tests, behind a handler that does of the serving program's chain what a resource needs. It
// is imported by tests alone.
//
// A Server has the default namespaces and what belongs to them, like a program that has just
// become ready. A request goes through five steps: its path is resolved, its token names a user,
// the authorizer is asked, a resource is found, and the resource answers with the three facts in
// its context. There are no listeners, time limits, audit events or metrics; whoever tests
// those tests the whole program.
//
//	c := apitest.Start(t, apitest.Config{})
//	c.Must(201, "POST", apitest.MapsPath, apitest.MapObject("a"))
//
// Ordinary requests are served in process, in the goroutine of whoever sends them, and so inside
// a synctest bubble too. A watch goes over a loopback connection, because its client must be able
// to go while it runs. All that a Server starts has ended when its test has.
package apitest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/controller"
	"apichain/internal/discovery"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/strategy"
)

// Config says how a Server differs from a program without flags. The zero value does not.
type Config struct {
	// WindowEvents bounds the log of events; 0 is the program's default.
	WindowEvents int
	// Bookmarks is the time between two bookmarks of a watch; 0 is a minute.
	Bookmarks time.Duration
	// Authorizer is asked before the default one.
	Authorizer auth.Authorizer
	// Admit has the admission plugins; nil: nobody changes or refuses a write.
	Admit func(*api.Resource) api.Admitters
	// Converters has the webhooks by which definitions convert; nil: none.
	Converters api.Converters
	// AfterWrite is as in api.Config.
	AfterWrite map[string]func()
	// Annotated gets the annotations of requests' audit events, and Spent the times in others' hands; nil: nobody does.
	Annotated func(key, value string, withBody bool)
	Spent     func(in request.Part, took time.Duration)
	// Services is what services get their addresses and ports from.
	Services api.ServiceNetwork
	// Fixtures are manifests that are applied at the start.
	Fixtures []string
	// Extend may change the resources before anything is served.
	Extend func(*api.API)
	// Backend keeps the writes; nil: memory alone.
	Backend store.Backend
	// ReadOnly says why nothing may be written; "": all may be.
	ReadOnly string
	// Empty leaves the store as it is made: nothing is in it, and no controller works.
	Empty bool
}

// CA stands for the certificate by which clients would trust the server.
const CA = "-----BEGIN CERTIFICATE-----\nfor tests\n-----END CERTIFICATE-----\n"

// Tokens are the bearer tokens of users, the same as in the program's tests.
var Tokens = map[string]*request.User{
	"admin-token": {Name: "admin", UID: "1", Groups: []string{request.GroupMasters}},
	"alice-token": {Name: "alice", UID: "2", Groups: []string{"dev"}},
	"bob-token":   {Name: "bob", UID: "3"},
}

// Server is an API that serves requests, and its client, who is an administrator.
type Server struct {
	*Client
	API     *api.API
	Store   *store.Store
	Catalog *discovery.Catalog
	// Watching has the watches that are under way.
	Watching Watches

	config Config
	authn  *auth.Authenticator
	authz  auth.Authorizer
	routes *http.ServeMux // of built-in kinds and of discovery; custom resources come after it

	listening sync.Once
	listener  *httptest.Server // for watches, made for the first one
}

// Start makes a Server that ends with the test.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	window := store.Window{Events: 100_000, Bytes: 64 << 20}
	if c.WindowEvents > 0 {
		window.Events = c.WindowEvents
	}
	if c.Bookmarks == 0 {
		c.Bookmarks = time.Minute
	}
	s := &Server{config: c, Store: store.New(window), Catalog: &discovery.Catalog{}, authz: auth.DefaultAuthorizer()}
	if c.Backend != nil {
		s.open(t, c.Backend)
	}
	if c.Authorizer != nil {
		s.authz = auth.Authorizers{c.Authorizer, s.authz}
	}
	s.Client = &Client{T: t, Do: s.do, Token: "admin-token"}
	if s.authn, err = auth.NewAuthenticator(auth.Config{Anonymous: true}, nil, nil, Tokens); err != nil {
		t.Fatal(err)
	}
	s.authn.Accounts = auth.NewAccounts(api.TokenLookups(s.Store))
	s.API = api.New(api.Config{
		Store: s.Store, Kinds: table, Catalog: s.Catalog,
		Tokens: s.authn.Accounts, WhoseToken: s.authn.ByToken, Authorizer: s.authz,
		Admit: c.Admit, AfterWrite: c.AfterWrite, Observer: &s.Watching, Bookmarks: c.Bookmarks,
		Services: c.Services, Converters: c.Converters, ReadOnly: c.ReadOnly, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
	})
	if c.Extend != nil {
		c.Extend(s.API)
	}
	s.route()
	if !c.Empty {
		s.bootstrap(c)
	}
	return s
}

// open fills the store from a backend, and follows a shared one until the test ends.
func (s *Server) open(t testing.TB, b store.Backend) {
	t.Helper()
	if err := s.Store.Open(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var owned sync.WaitGroup
	owned.Go(func() { s.Store.Follow(ctx) })
	t.Cleanup(func() {
		cancel()
		owned.Wait()
		_ = s.Store.Close()
	})
}

// bootstrap makes the objects of a server's start, and sets the controllers to work until the
// test ends.
func (s *Server) bootstrap(c Config) {
	s.T.Helper()
	// Not the test's context: that ends before the test's other watches and requests have.
	ctx, cancel := context.WithCancel(context.Background())
	run, err := controller.Start(ctx, s.API, controller.Own{
		CA: CA, Host: "127.0.0.1", Port: 6443, Services: c.Services.Ranges, Fixtures: c.Fixtures,
	})
	if err != nil {
		cancel()
		s.T.Fatal(err)
	}
	var owned sync.WaitGroup
	owned.Go(func() { run(ctx) })
	owned.Go(func() { s.API.Run(ctx) })
	s.T.Cleanup(func() {
		cancel()
		owned.Wait()
	})
	s.awaitControllers()
	// The window of the watches begins where the program becomes ready.
	s.Store.ExpireHistory()
}

// awaitControllers returns when the controllers have looked at everything there is and follow
// the log: what happens before that they see as a state and not as a change. They show it by
// putting back what was taken away.
func (s *Server) awaitControllers() {
	s.T.Helper()
	const account = "kube-node-lease/default"
	Remove(s.T, s.Store, "serviceaccounts", account)
	log, err := s.Store.Bucket("serviceaccounts").Watch(s.Store.Revision())
	for err == nil && Stored(s.Store, "serviceaccounts", account) == nil {
		var events []*store.Event
		var changed <-chan struct{}
		if events, changed, err = log.Next(nil, 1); len(events) == 0 && err == nil {
			<-changed
		}
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// route makes the table of the built-in kinds and of the discovery documents.
func (s *Server) route() {
	s.routes = http.NewServeMux()
	var groups []discovery.Group
	for _, server := range []string{"aggregator", "core", "extensions"} {
		groups = append(groups, discovery.GroupsOf(s.API.Kinds, server)...)
	}
	// Before the first definition, which is put beside them.
	s.Catalog.SetServers(groups, "127.0.0.1:6443", s.API.Kinds)
	for _, d := range append(discovery.Documents(groups), discovery.GroupList()) {
		s.routes.Handle("GET "+d.Root, s.Catalog.Serve(d.Root))
	}
	for _, row := range s.API.Kinds.Kinds {
		r := s.API.Builtin(row.Group, row.Version, row.Kind)
		root := "/api/" + row.Version
		if row.Group != "" {
			root = strings.TrimSuffix(r.Root(), "/")
		}
		for _, o := range r.Operations() {
			// The mux writes a tail in its own way.
			s.routes.Handle(o.Method+" "+root+strings.Replace(o.Path, ":*}", "...}", 1), r)
		}
	}
}

// ServeHTTP serves a request. It may be called concurrently.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &scope{server: s, w: w, warned: map[string]bool{}}
	if err := s.serve(x, w, r); err != nil {
		status.Write(w, r, err)
	}
}

// serve takes the steps that are in front of a resource. An error is what the client is told.
func (s *Server) serve(x *scope, w http.ResponseWriter, r *http.Request) (err error) {
	if err = x.info.Resolve(r.Method, r.URL.Path, r.URL.RawQuery); err != nil {
		return err
	}
	// As in the program: who asks is known before what is asked is judged.
	if x.user, _, err = s.authn.Authenticate(r); err != nil {
		return err
	}
	r = r.WithContext(request.With(r.Context(), x))
	if d := s.authz.Authorize(r.Context(), x.user, &x.info); d.Verdict != auth.Allow {
		return auth.Forbidden(x.user, &x.info, d.Reason)
	}
	h, err := s.find(r, &x.info)
	if err == nil {
		h.ServeHTTP(w, r)
	}
	return err
}

// find returns who serves a request.
func (s *Server) find(r *http.Request, info *request.Info) (http.Handler, error) {
	h, pattern := s.routes.Handler(r)
	if pattern != "" {
		return h, nil
	}
	if c := s.API.Customs.Find(r.Context(), info.APIGroup, info.APIVersion, info.Resource); c != nil && info.APIPrefix == "apis" {
		// A path without a namespace is for all of them, which can only be looked at.
		everywhere := info.Verb == "list" || info.Verb == "watch"
		if c.Namespaced && (info.Namespace != "" || everywhere) || !c.Namespaced && info.Namespace == "" {
			return c, nil
		}
	}
	// Discovery of a group that only definitions have.
	if serve, ok := s.Catalog.Document(strings.TrimSuffix(r.URL.Path, "/")); ok {
		return serve, nil
	}
	// The mux knows whether the path has other methods, and says so by its answer alone.
	var none answer
	h.ServeHTTP(&none, r)
	switch {
	case none.code == http.StatusMethodNotAllowed:
		return nil, &status.Error{
			Code: none.code, Reason: "MethodNotAllowed", Message: "the server does not allow this method on the requested resource",
		}
	// A group that a server has answers for itself, any other path is nobody's.
	case info.IsResourceRequest && info.APIPrefix == "api":
		return nil, &status.Error{
			Code: http.StatusNotFound, Reason: "NotFound", Message: "the server could not find the requested resource",
		}
	}
	return nil, status.PlainText(http.StatusNotFound, "404 page not found")
}

// answer is a ResponseWriter of which only the code is wanted.
type answer struct {
	header http.Header
	code   int
}

func (a *answer) WriteHeader(code int)        { a.code = code }
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// scope is what the context of a request knows.
type scope struct {
	server *Server
	info   request.Info
	user   *request.User
	w      http.ResponseWriter
	mu     sync.Mutex // webhooks warn side by side
	warned map[string]bool
}

// RequestInfo implements request.Scope.
func (x *scope) RequestInfo() *request.Info { return &x.info }

// ActingUser implements request.Scope.
func (x *scope) ActingUser() *request.User { return x.user }

// Warn implements request.Scope: each text is said once.
func (x *scope) Warn(agent, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if text == "" || x.warned[text] {
		return
	}
	x.warned[text] = true
	if agent == "" {
		agent = "-"
	}
	x.w.Header().Add("Warning", "299 "+agent+` "`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)+`"`)
}

// Annotate implements request.Scope.
func (x *scope) Annotate(key, value string, withBody bool) {
	if f := x.server.config.Annotated; f != nil {
		f(key, value, withBody)
	}
}

// Spend implements request.Scope.
func (x *scope) Spend(in request.Part, took time.Duration) {
	if f := x.server.config.Spent; f != nil {
		f(in, took)
	}
}

// Watches is an api.Observer that keeps what it is shown. Its zero value has seen none.
type Watches struct {
	mu   sync.Mutex
	list []*api.Watch
}

// WatchBegins implements api.Observer.
func (o *Watches) WatchBegins(_ context.Context, w *api.Watch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, w)
}

// WatchEnds implements api.Observer.
func (o *Watches) WatchEnds(w *api.Watch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.list {
		if o.list[i] == w {
			o.list = append(o.list[:i:i], o.list[i+1:]...)
			return
		}
	}
}

// List returns the watches under way, the oldest first. It may be called from any goroutine.
func (o *Watches) List() []*api.Watch {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*api.Watch(nil), o.list...)
}
