package aggregation_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"apichain/internal/aggregation"
	"apichain/internal/api/apitest"
	"apichain/internal/backend"
	"apichain/internal/request"
	"apichain/internal/tree"
)

func TestMain(m *testing.M) { apitest.Main(m) }

const servicesPath = "/apis/apiregistration.k8s.io/v1/apiservices"

// world is the objects, what is known of other servers, and a client who is an administrator.
type world struct {
	*apitest.Server
	services *aggregation.Services
	backends *backend.Set
	config   aggregation.Config
	// resolve has the addresses of Services.
	resolve map[string]string
}

// newWorld makes one without servers and without a keeper. resolve has host:port by SERVICE.NAMESPACE.
func newWorld(t testing.TB, c apitest.Config, resolve map[string]string) *world {
	t.Helper()
	c.Empty = true
	w := &world{Server: apitest.Start(t, c), resolve: resolve}
	w.backends = backend.New(backend.Config{Objects: w.API, Resolve: resolve})
	w.config = aggregation.Config{
		API: w.API, Backends: w.backends, Kinds: w.API.Kinds, Log: slog.New(slog.DiscardHandler),
		HasAddress: func(namespace, name string) bool { return w.resolve[name+"."+namespace] != "" },
	}
	w.services = aggregation.New(w.config)
	// Connections of backends end with the test.
	t.Cleanup(func() {
		for _, b := range w.backends.All() {
			w.backends.Drop(b.Kind, b.Name)
		}
	})
	return w
}

// keep starts the keeper, which ends with the test.
func (w *world) keep(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	run := w.services.Start(ctx)
	var owned sync.WaitGroup
	owned.Go(func() { run(ctx) })
	t.Cleanup(func() { cancel(); owned.Wait() })
}

// apiService returns an APIService with a Service in the namespace test-ns; more is put into its spec.
func apiService(group, version, service string, more map[string]any) map[string]any {
	spec := map[string]any{"group": group, "version": version, "groupPriorityMinimum": int64(1000), "versionPriority": int64(15)}
	if service != "" {
		spec["service"] = map[string]any{"namespace": "test-ns", "name": service, "port": int64(443)}
	}
	for k, v := range more {
		spec[k] = v
	}
	return map[string]any{
		"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "metadata": map[string]any{"name": version + "." + group}, "spec": spec,
	}
}

// add stores an APIService whose condition Available has a status; "": it has none.
func (w *world) add(obj map[string]any, available string) *aggregation.Remote {
	w.T.Helper()
	w.Must(201, "POST", servicesPath, obj)
	if available != "" {
		w.setAvailable(tree.Name(obj), available)
	}
	for _, r := range w.services.Remotes() {
		if r.Name == tree.Name(obj) {
			return r
		}
	}
	return nil
}

// setAvailable writes the condition of an APIService.
func (w *world) setAvailable(name, status string) {
	w.T.Helper()
	err := w.API.Write(context.Background(), "apiservices.apiregistration.k8s.io", "", name, "status", func(obj map[string]any) bool {
		tree.Set(obj, []any{map[string]any{
			"type": "Available", "status": status, "reason": "Test", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
		}}, "status", "conditions")
		return true
	})
	if err != nil {
		w.T.Fatal(err)
	}
}

// condition returns status, reason and message of Available.
func (w *world) condition(name string) [3]string {
	obj := w.API.Get("apiservices.apiregistration.k8s.io", "", name)
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == "Available" {
			return [3]string{tree.Text(c, "status"), tree.Text(c, "reason"), tree.Text(c, "message")}
		}
	}
	return [3]string{}
}

// scope is what a request's context knows.
type scope struct {
	info request.Info
	user request.User
}

func (s *scope) RequestInfo() *request.Info            { return &s.info }
func (s *scope) ActingUser() *request.User             { return &s.user }
func (s *scope) Warn(_, _ string)                      {}
func (s *scope) Annotate(_, _ string, _ bool)          {}
func (s *scope) Spend(_ request.Part, _ time.Duration) {}

// front serves remotes to clients, all of whom are user; what is of no remote is 404.
func (w *world) front(user request.User) *httptest.Server {
	f := httptest.NewUnstartedServer(w.handler(user))
	f.Start()
	w.T.Cleanup(f.Close)
	return f
}

// handler is what a front serves.
func (w *world) handler(user request.User) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		s := &scope{user: user}
		if err := s.info.Resolve(req.Method, req.URL.Path, req.URL.RawQuery); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		if r := w.services.Find(req.URL.Path); r != nil {
			ctx := request.With(req.Context(), s)
			// The time limit of a request, which the chain sets.
			if d, err := time.ParseDuration(req.URL.Query().Get("test-timeout")); err == nil && d > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, d)
				defer cancel()
			}
			if req.URL.Query().Get("test-timeout") == untilSeen.String() {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(request.With(req.Context(), s))
				defer cancel()
				rw = &endingWriter{ResponseWriter: rw, end: cancel}
			}
			r.ServeHTTP(rw, req.WithContext(ctx))
			return
		}
		http.NotFound(rw, req)
	})
}

// untilSeen is the time limit of a request whose time is over when the client has three bytes of the body: no number is
// right for that on every machine.
const untilSeen = time.Duration(-1)

// endingWriter ends the time of a request with the third byte of its answer.
type endingWriter struct {
	http.ResponseWriter
	sent int
	end  func()
}

func (w *endingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if w.sent += n; w.sent >= 3 {
		w.Flush()
		w.end()
	}
	return n, err
}

func (w *endingWriter) Flush()                      { _ = http.NewResponseController(w.ResponseWriter).Flush() }
func (w *endingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// authority is a CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// newAuthority makes a CA.
func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// certificate makes one for a name; without names it has only a common name.
func (a *authority) certificate(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "api.test-ns.svc"}, NotAfter: time.Now().Add(time.Hour), DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// bundle returns the CA as an APIService has it.
func (a *authority) bundle() string { return base64.StdEncoding.EncodeToString(a.pem) }

// serveTLS serves h until the test ends and returns its address.
func serveTLS(t testing.TB, h http.Handler, cert tls.Certificate) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// deadAddress returns an address where nobody listens.
func deadAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
