package webhook

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestHostileWebhooks: whatever a webhook does, the write ends in time with an error that names it, and its answer costs bounded memory.
func TestHostileWebhooks(t *testing.T) {
	s := start(t, nil)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}
	zeros := func(w io.Writer) {
		chunk := make([]byte, 1<<20)
		for range 10_000 { // 10 GB
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	answers := map[string]http.HandlerFunc{
		"hang": hang,
		"trickle": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-over:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		},
		"reset":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x00\xff\x1b[2J{{{")) },
		"huge":    func(w http.ResponseWriter, _ *http.Request) { zeros(w) },
		"said huge": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000000000")
			zeros(w)
		},
		"bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros(z)
			_ = z.Close()
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/reset", http.StatusTemporaryRedirect)
		},
		"deep": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"response":`+strings.Repeat(`[`, 1<<20))
		},
		"later": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1000000")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"at once": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"header": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 20<<20)) },
	}
	for path, want := range map[string]string{
		"hang": "context deadline exceeded", "trickle": "context deadline exceeded", "reset": "failed to call webhook: Post ", "garbage": "json parse error",
		"huge": "the answer has more than 8388608 bytes", "said huge": "the answer has more than 8388608 bytes", "bomb": "the answer has more than 8388608 bytes",
		"redirect": "the server responded with the status code 307", "deep": "json parse error", "later": "context deadline exceeded",
		"at once": "the server is currently unable to handle the request", "header": "failed to call webhook: ",
	} {
		s.does(strings.ReplaceAll(path, " ", "-"), answers[path])
		seconds := "30" // by which a busy machine has read what there is to read
		if strings.Contains(want, "deadline") {
			seconds = "1"
		}
		s.configure("Validating", "hostile", s.hookOf("h", strings.ReplaceAll(path, " ", "-"), `"timeoutSeconds":`+seconds))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		code, got := s.Try("POST", apitest.MapsPath, apitest.MapObject("a"))
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		if code != 500 || !strings.HasPrefix(message(got), `Internal error occurred: failed calling webhook "h.example.com": `) || !strings.Contains(message(got), want) {
			t.Errorf("%s: %d %.300s", path, code, message(got))
		}
		if took > 25*time.Second {
			t.Errorf("%s took %v", path, took)
		}
		// What the webhook itself allocates is counted here too.
		if grown := after.HeapInuse - min(before.HeapInuse, after.HeapInuse); grown > 256<<20 {
			t.Errorf("%s: %d MB more in use", path, grown>>20)
		}
		s.unconfigure()
	}
}

// TestManyPatchOperations: a hundred thousand operations are done or refused, in bounded time.
func TestManyPatchOperations(t *testing.T) {
	s := start(t, nil)
	for _, c := range []struct {
		one  string
		code int
		want string
	}{
		{`{"op":"replace","path":"/data/k","value":"%d"}`, 201, ""},
		{`{"op":"add","path":"/metadata/finalizers/0","value":"%d"}`, 500, "the patch copies or shifts too much"},
	} {
		var b strings.Builder
		b.WriteString(`[{"op":"add","path":"/metadata/finalizers","value":[]}`)
		for i := range 100_000 {
			fmt.Fprintf(&b, ","+c.one, i)
		}
		s.patches("many", b.String()+`]`)
		s.configure("Mutating", "many", s.hookOf("m", "many", `"timeoutSeconds":30`))
		begun := time.Now()
		code, got := s.Try("POST", apitest.MapsPath, `{"metadata":{"name":"m"},"data":{"k":"v"}}`)
		if code != c.code || !strings.Contains(message(got), c.want) || time.Since(begun) > 30*time.Second {
			t.Errorf("%s: %d %s after %v", c.one, code, message(got), time.Since(begun))
		}
		s.unconfigure()
	}
}

// TestWritesWithinWrites: a webhook that is asked about a definition may write definitions before it answers, and while one hangs others are
// written: nothing is locked while somebody is asked.
func TestWritesWithinWrites(t *testing.T) {
	s := start(t, nil)
	const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	definition := func(plural, kind string) string {
		return `{"metadata":{"name":"` + plural + `.example.org"},"spec":{"group":"example.org","scope":"Cluster","names":{"plural":"` + plural + `","kind":"` + kind + `"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`
	}
	s.does("within", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if review, _, _ := tree.ParseJSONObject(body); tree.Text(review, "request", "name") == "outers.example.org" {
			if code, got := s.Try("POST", path, definition("inners", "Same")); code != 201 {
				t.Errorf("within: %d %s", code, message(got))
			}
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.answers["ok"](w, r)
	})
	s.says("ok", `{"allowed":true}`)
	for _, kind := range []string{"Mutating", "Validating"} {
		s.configure(kind, "within", s.hookOf("w", "within", `"timeoutSeconds":5,"rules":[{"operations":["CREATE"],"apiGroups":["apiextensions.k8s.io"],"apiVersions":["*"],"resources":["*"]}]`))
		code, got := s.Try("POST", path, definition("outers", "Same"))
		if code != 201 {
			t.Fatalf("%s: %d %s", kind, code, message(got))
		}
		// The one within was first, and has the name that both want.
		accepted := ""
		for _, c := range tree.List(got, "status", "conditions") {
			if tree.Text(c, "type") == "NamesAccepted" {
				accepted = tree.Text(c, "status") + " " + tree.Text(c, "reason")
			}
		}
		if !strings.HasPrefix(accepted, "False ") {
			t.Errorf("%s: NamesAccepted is %q", kind, accepted)
		}
		s.unconfigure()
		for _, name := range []string{"outers", "inners"} {
			s.Must(200, "DELETE", path+"/"+name+".example.org", nil)
		}
	}
}

// TestUntrustedWebhooks: who has a certificate of another CA, or of another name, is told nothing.
func TestUntrustedWebhooks(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	ca := newCA(t)
	for _, c := range []struct{ what, config, want string }{
		{"another CA", `{"url":"` + s.hooks.URL + `/ok","caBundle":"` + ca + `"}`, "x509: certificate signed by unknown authority"},
		{"another name", `{"url":"` + strings.Replace(s.hooks.URL, "127.0.0.1", "localhost", 1) + `/ok","caBundle":"` + s.ca() + `"}`, "x509: certificate is valid for"},
		{"the system's CAs", `{"url":"` + s.hooks.URL + `/ok"}`, "x509: certificate signed by unknown authority"},
		{"nobody there", `{"url":"https://127.0.0.1:1/ok"}`, "connection refused"},
	} {
		s.configure("Validating", "untrusted", s.hookOf("u", "ok", `"clientConfig":`+c.config))
		code, got := s.Try("POST", apitest.MapsPath, apitest.MapObject("a"))
		if code != 500 || !strings.Contains(message(got), c.want) {
			t.Errorf("%s: %d %s", c.what, code, message(got))
		}
		if asked, _ := s.look(); len(asked) > 0 {
			t.Errorf("%s: was told of the write", c.what)
		}
		s.unconfigure()
	}
}

// newCA returns a CA that has signed nothing, as configurations have it.
func newCA(t *testing.T) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// ca returns the CA of the webhooks as configurations have it.
func (s *served) ca() string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.hooks.Certificate().Raw}))
}
