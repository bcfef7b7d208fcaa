// Package backend is the server as a client of others: of admission webhooks, of conversion webhooks and of
// aggregated API servers. All of them share how a target is found and dialled, by what it is trusted, what bounds
// a call, and what is counted and shown of it.
//
// In come targets, as objects of the API have them: a URL, or a Service that is looked up in the objects of
// this server. Out goes a Backend, which is an http.RoundTripper to exactly that target.
//
//	s := backend.New(backend.Config{Objects: a})
//	b := s.Use(backend.ValidatingWebhook, "policy/check.example.com", backend.Target{URL: "https://127.0.0.1:9443/check", CABundle: pem})
//	code, _, body, err := b.Ask(ctx, req, 3<<20)
//	b.Refused()
//	s.Drop(backend.ValidatingWebhook, "policy/check.example.com")
//
// A Set and its Backends may be used by any number of goroutines. No credential of a caller is ever passed on by
// this package: requests go out with the headers that they are given, and those of the server's own user for that
// target. The package is internal to this program and promises no compatibility.
package backend

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/metrics"
)

// The way of a call, by the files of the package:
//
//	Use ── target ──> Backend ── RoundTrip, Ask, Dial (call.go) ── which address? (resolve.go) ── connection (dial.go)
//	                      │                                             which trust, which certificate? (trust.go, users.go)
//	                      └── what became of it (count.go) ──> All, for the pages
//
// Backends are kept by kind and name. One lives as long as its target is the same: what owns it says Use again
// with every change of its object, and nothing happens unless the target is another one.

// Kind says what a backend is asked for.
type Kind string

// The kinds of backends, by the names that pages show.
const (
	MutatingWebhook   Kind = "mutating-webhook"
	ValidatingWebhook Kind = "validating-webhook"
	ConversionWebhook Kind = "conversion-webhook"
	APIServer         Kind = "api-server"
)

// Target is where a backend is and how it is trusted. Either URL or Service is set.
type Target struct {
	// URL is https://host[:port][/path]; "" for a service.
	URL     string
	Service Service
	// CABundle are certificates in PEM; empty: those of the system.
	CABundle []byte
	// InsecureSkipTLSVerify trusts whoever answers.
	InsecureSkipTLSVerify bool
}

// Service is a target that is looked up.
type Service struct {
	Namespace, Name string
	// Port is that of the service; 0 is 443.
	Port int64
	// Path begins with a slash, or is "".
	Path string
}

// host returns what the server is called, in its certificate and in Host.
func (s *Service) host() string { return s.Name + "." + s.Namespace + ".svc" }

// port returns Port, or the one that stands for none.
func (s *Service) port() int64 { return cmp.Or(s.Port, 443) }

// hostPort returns host:port.
func (s *Service) hostPort() string {
	return net.JoinHostPort(s.host(), strconv.FormatInt(s.port(), 10))
}

// isSelf says that the service is the one by which a cluster knows its API server.
func (s *Service) isSelf() bool {
	return s.Namespace == "default" && s.Name == "kubernetes" && s.port() == 443
}

// Objects is what is looked up: services and endpointslices.discovery.k8s.io. Package api has it.
type Objects interface {
	Get(resource, namespace, name string) map[string]any
	List(resource, namespace string) []map[string]any
	// Change returns a number that grows with every change of a resource's objects.
	Change(resource string) int64
}

// Config is what a Set needs of the program. The zero value finds URLs alone.
type Config struct {
	Objects Objects
	// Resolve has host:port by SERVICE.NAMESPACE, and goes before Objects (--resolve).
	Resolve map[string]string
	// EndpointRouting sends requests to ready endpoints even where a service has an address.
	EndpointRouting bool
	// ClientCertificate returns what the server shows aggregated servers who it is with, nil for nothing.
	ClientCertificate func() *tls.Certificate
	// Users returns who the server is to webhooks of a kind; nil, or a nil result: nobody.
	Users func(Kind) *Users
	// Self returns the address of this server's own TLS listener, which default/kubernetes:443 stands for; nil, or
	// "": none, and it is looked up as every other service.
	Self func() string
	// Refuse returns why an address must not be dialled, nil for one that may. Link-local, multicast and unspecified ones
	// are refused in any case.
	Refuse func(netip.AddrPort) error
	// Intercept is asked before each call: it may wait, or let the call fail. nil lets all pass.
	Intercept func(ctx context.Context, b *Backend) error
	// Changed is called when what pages show of a backend has changed, its counts aside, and with every backend that comes
	// and goes. nil: nobody wants to know.
	Changed func(*Backend)
}

// There is one Set in a program. Who owns objects with targets calls Use with every change of one and Drop at its end;
// who makes calls keeps the Backend that Use has returned, and may use it also after its end.

// Set is all backends there are. Make one with New.
type Set struct {
	config   Config
	resolver *net.Resolver // nil: Go's
	proxy    string        // host:port of the environment's proxy; "": none
	webhooks certificateCounts
	servers  certificateCounts

	mu       sync.Mutex
	backends map[key]*Backend
}

// key names a backend: a webhook and an APIService may have one name.
type key struct {
	kind Kind
	name string
}

// New makes an empty set.
func New(c Config) *Set {
	return &Set{config: c, proxy: environmentProxy(), backends: map[key]*Backend{}}
}

// Use returns the backend of a kind and a name, with that target. One whose target is the same is kept, with its
// connections and its counts; else its connections are let go.
func (s *Set) Use(kind Kind, name string, t Target) *Backend {
	s.mu.Lock()
	k := key{kind, name}
	old := s.backends[k]
	// The common case: an object was written again, and says the same of its target.
	if old != nil && reflect.DeepEqual(old.Target, t) {
		s.mu.Unlock()
		return old
	}
	b := &Backend{Kind: kind, Name: name, Target: t, Since: time.Now(), set: s}
	// Under the lock, and without a byte sent: making a link reads a file at most.
	b.link.Store(b.newLink())
	s.backends[k] = b
	s.mu.Unlock()
	// Without the lock: both may write, to a socket or to whoever reads a stream.
	if old != nil {
		old.close()
	}
	b.changed()
	return b
}

// Drop forgets a backend and closes its connections that nobody uses.
func (s *Set) Drop(kind Kind, name string) {
	s.mu.Lock()
	b := s.backends[key{kind, name}]
	delete(s.backends, key{kind, name})
	s.mu.Unlock()
	if b != nil {
		// Before changed, so that who is told can see why.
		b.gone.Store(true)
		b.close()
		b.changed()
	}
}

// All returns the backends there are, by kind and name.
func (s *Set) All() []*Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Backend, 0, len(s.backends))
	for _, b := range s.backends {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *Backend) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name, b.Name))
	})
	return all
}

// Renew lets every backend show the certificate and the user of now, which have changed. Connections that are in
// use end with their requests; no other request is sent over them.
func (s *Set) Renew() {
	for _, b := range s.All() {
		// Swapped and then closed: a call that has the old one in its hand ends with it.
		old := b.link.Swap(b.newLink())
		old.close()
	}
}

// Backend is one target, and what is known of it. Its exported fields do not change.
type Backend struct {
	Kind Kind
	// Name is CONFIGURATION/WEBHOOK, the name of a definition, or that of an APIService.
	Name   string
	Target Target
	// Since is when this target was first used.
	Since time.Time

	set *Set
	// link is replaced as a whole, so that a call has the identity of one moment.
	link  atomic.Pointer[link]
	found atomic.Pointer[found] // what was looked up last
	gone  atomic.Bool

	counts counts
}

// BaseURL returns the URL that requests to the backend begin with, without a slash behind.
func (b *Backend) BaseURL() string {
	if b.Target.URL != "" {
		return b.Target.URL
	}
	return "https://" + b.Target.Service.hostPort() + b.Target.Service.Path
}

// Unusable returns why nothing can be sent to the target whatever it answers, as for a CA bundle without a
// certificate; nil: something can.
func (b *Backend) Unusable() error { return b.link.Load().wrong }

// isWebhook says that the backend is asked as upstream asks webhooks.
func (b *Backend) isWebhook() bool { return b.Kind != APIServer }

// hostPort returns what the target is called, with its port.
func (b *Backend) hostPort() string {
	if b.Target.URL == "" {
		return b.Target.Service.hostPort()
	}
	u, err := url.Parse(b.Target.URL)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443"))
}

// changed tells that what pages show has changed.
func (b *Backend) changed() {
	if f := b.set.config.Changed; f != nil {
		f(b)
	}
}

// close lets go of the connections that nobody uses.
func (b *Backend) close() { b.link.Load().close() }

// certificateCounts counts what upstream counts of serving certificates.
type certificateCounts struct{ missingSAN, sha1 metrics.Counter }
