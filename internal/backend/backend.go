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
// this package: requests go out with the headers that they are given. The package is internal to this
// program and promises no compatibility.
package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"sync"

	"apichain/internal/tree"
)

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
	Port            int64
	// Path begins with a slash, or is "".
	Path string
}

// host returns what the server is called, in its certificate and in Host.
func (s *Service) host() string { return s.Name + "." + s.Namespace + ".svc" }

// Objects is what is looked up: services and endpointslices.discovery.k8s.io. Package api has it.
type Objects interface {
	Get(resource, namespace, name string) map[string]any
	List(resource, namespace string) []map[string]any
}

// Config is what a Set needs of the program. The zero value finds URLs alone.
type Config struct {
	Objects Objects
	// Resolve has host:port by SERVICE.NAMESPACE, and goes before Objects (--resolve).
	Resolve map[string]string
	// EndpointRouting sends requests to ready endpoints even where a service has an address.
	EndpointRouting bool
	// ClientCertificate returns what the server shows who it is with, nil for nothing.
	ClientCertificate func() *tls.Certificate
	// Refuse returns why an address must not be dialled, nil for one that may.
	Refuse func(netip.AddrPort) error
	// Intercept is asked before each call: it may wait, or let the call fail. nil lets all pass.
	Intercept func(ctx context.Context, b *Backend) error
	// Changed is called when what pages show of a backend has changed, its counts aside. nil: nobody wants to know.
	Changed func(*Backend)
}

// Set is all backends there are. Make one with New.
type Set struct {
	config   Config
	mu       sync.Mutex
	backends map[key]*Backend
}

type key struct {
	kind Kind
	name string
}

// New makes an empty set.
func New(c Config) *Set { return &Set{config: c, backends: map[key]*Backend{}} }

// Use returns the backend of a kind and a name, with that target. One whose target is the same is kept, with its
// connections and its counts; else its connections are let go.
func (s *Set) Use(kind Kind, name string, t Target) *Backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{kind, name}
	if b := s.backends[k]; b != nil && reflect.DeepEqual(b.Target, t) {
		return b
	} else if b != nil {
		b.close()
	}
	b := &Backend{Kind: kind, Name: name, Target: t, set: s}
	b.transport, b.wrong = b.newTransport()
	s.backends[k] = b
	return b
}

// Drop forgets a backend and closes its connections that nobody uses.
func (s *Set) Drop(kind Kind, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.backends[key{kind, name}]; b != nil {
		b.close()
		delete(s.backends, key{kind, name})
	}
}

// Backend is one target, and what is known of it. Its fields do not change.
type Backend struct {
	Kind Kind
	// Name is CONFIGURATION/WEBHOOK, the name of a definition, or that of an APIService.
	Name   string
	Target Target

	set       *Set
	transport *http.Transport
	wrong     error // why there is no transport
}

// BaseURL returns the URL that requests to the backend begin with, without a slash behind.
func (b *Backend) BaseURL() string {
	if b.Target.URL != "" {
		return b.Target.URL
	}
	s := &b.Target.Service
	return "https://" + net.JoinHostPort(s.host(), strconv.FormatInt(s.Port, 10)) + s.Path
}

// RoundTrip sends a request whose URL begins with BaseURL. It is counted as a call.
func (b *Backend) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.wrong != nil {
		return nil, b.wrong
	}
	if f := b.set.config.Intercept; f != nil {
		if err := f(r.Context(), b); err != nil {
			return nil, err
		}
	}
	return b.transport.RoundTrip(r)
}

// Ask sends a request and reads its answer, of most bytes at most. A redirect is an answer like any other.
func (b *Backend) Ask(ctx context.Context, r *http.Request, most int64) (code int, h http.Header, body []byte, err error) {
	res, err := b.RoundTrip(r.WithContext(ctx))
	if err != nil {
		// As net/http's client has it.
		return 0, nil, nil, &url.Error{Op: r.Method[:1] + string(lower(r.Method[1:])), URL: r.URL.String(), Err: err}
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil && int64(len(body)) > most {
		err = fmt.Errorf("the answer has more than %d bytes", most)
	}
	return res.StatusCode, res.Header, body, err
}

func lower(s string) []byte {
	b := []byte(s)
	for i := range b {
		b[i] |= 0x20
	}
	return b
}

// Dial returns a connection to the target over which HTTP/1.1 is spoken, behind TLS, for a request that is an
// upgrade. It is the caller's, who closes it. ctx bounds the dial and the handshake, and nothing after them.
func (b *Backend) Dial(ctx context.Context) (net.Conn, error) {
	if b.wrong != nil {
		return nil, b.wrong
	}
	u, err := url.Parse(b.BaseURL())
	if err != nil {
		return nil, err
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	raw, err := b.transport.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conf := b.transport.TLSClientConfig.Clone()
	conf.NextProtos = []string{"http/1.1"}
	if conf.ServerName == "" {
		conf.ServerName = u.Hostname()
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// Refused counts an answer that said no; FailedOpen and FailedClosed count failures that let a write pass, or not.
func (b *Backend) Refused()      {}
func (b *Backend) FailedOpen()   {}
func (b *Backend) FailedClosed() {}

func (b *Backend) close() {
	if b.transport != nil {
		b.transport.CloseIdleConnections()
	}
}

// newTransport returns what dials the target and nothing else.
func (b *Backend) newTransport() (*http.Transport, error) {
	conf := &tls.Config{InsecureSkipVerify: b.Target.InsecureSkipTLSVerify}
	if b.Target.URL == "" {
		conf.ServerName = b.Target.Service.host()
	}
	if len(b.Target.CABundle) > 0 {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(b.Target.CABundle) {
			return nil, errors.New("unable to load root certificates: unable to parse bytes as PEM block")
		}
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if f := b.set.config.ClientCertificate; f != nil {
			if c := f(); c != nil {
				return c, nil
			}
		}
		return &tls.Certificate{}, nil
	}
	return &http.Transport{
		TLSClientConfig: conf, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			address, err := b.resolve(address)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}, nil
}

// resolve returns the address that is dialled.
func (b *Backend) resolve(address string) (string, error) {
	s := &b.Target.Service
	if b.Target.URL != "" {
		return address, nil
	}
	if to, ok := b.set.config.Resolve[s.Name+"."+s.Namespace]; ok {
		return to, nil
	}
	o := b.set.config.Objects.Get("services", s.Namespace, s.Name)
	if o == nil {
		return "", fmt.Errorf("service %q not found", s.Name)
	}
	return net.JoinHostPort(tree.Text(o, "spec", "clusterIP"), strconv.FormatInt(s.Port, 10)), nil
}
