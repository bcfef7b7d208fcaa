package interop

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// echo is an aggregated server that does what the query asks for and keeps what it was asked.
type echo struct {
	*httptest.Server
	port int

	mu   sync.Mutex
	seen []string
}

// startEcho starts an echo with a certificate for echo.aside.svc.
func startEcho(t *testing.T, trust *authority) *echo {
	t.Helper()
	e := &echo{}
	e.Server = httptest.NewUnstartedServer(e)
	e.TLS = &tls.Config{Certificates: []tls.Certificate{trust.pair(t, "echo", "echo.aside.svc")}, ClientAuth: tls.RequestClientCert}
	e.EnableHTTP2 = true
	e.Config.ErrorLog = log.New(io.Discard, "", 0)
	e.StartTLS()
	t.Cleanup(e.Close)
	e.port = e.Listener.Addr().(*net.TCPAddr).Port
	return e
}

// take returns what was asked since the last call but for what the front asks by itself.
func (e *echo) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seen
	e.seen = nil
	return seen
}

const echoed = "/apis/echo.example.com/v1"

// documents are what an aggregated server has besides its resources.
var documents = map[string]string{
	"/apis":                                `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"echo.example.com","versions":[{"groupVersion":"echo.example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"echo.example.com/v1","version":"v1"}}]}`,
	"/apis/echo.example.com":               `{"kind":"APIGroup","apiVersion":"v1","name":"echo.example.com","versions":[{"groupVersion":"echo.example.com/v1","version":"v1"}],"preferredVersion":{"groupVersion":"echo.example.com/v1","version":"v1"}}`,
	echoed:                                 `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"echo.example.com/v1","resources":[{"name":"echoes","singularName":"echo","namespaced":true,"kind":"Echo","verbs":["get","list","create"],"shortNames":["ec"],"categories":["all"],"storageVersionHash":"abc="},{"name":"echoes/status","singularName":"","namespaced":true,"kind":"Echo","verbs":["get"]}]}`,
	"/openapi/v2":                          `{"swagger":"2.0","info":{"title":"Echo","version":"v1"},"paths":{"/apis/echo.example.com/v1/echoes":{"get":{"operationId":"listEchoes","responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/com.example.Echo"}}}}},"/apis/other.example.com/v1/others":{"get":{"responses":{"200":{"description":"OK"}}}}},"definitions":{"com.example.Echo":{"type":"object","properties":{"said":{"type":"string"}},"x-kubernetes-group-version-kind":[{"group":"echo.example.com","version":"v1","kind":"Echo"}]}}}`,
	"/openapi/v3":                          `{"paths":{"apis/echo.example.com/v1":{"serverRelativeURL":"/openapi/v3/apis/echo.example.com/v1?hash=AB"}}}`,
	"/openapi/v3/apis/echo.example.com/v1": `{"openapi":"3.0.0","info":{"title":"Echo","version":"v1"},"paths":{},"components":{"schemas":{"com.example.Echo":{"type":"object"}}}}`,
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d, ok := documents[r.URL.Path]; ok && r.URL.RawQuery == "" {
		if strings.Contains(r.Header.Get("Accept"), "as=APIGroupDiscoveryList") {
			http.NotFound(w, r) // it is asked for each version then
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Etag", `"1"`)
		_, _ = io.WriteString(w, d)
		return
	}
	body, _ := io.ReadAll(r.Body)
	seen := []string{fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, r.Proto), "Host: " + r.Host}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		seen = append(seen, "as "+r.TLS.PeerCertificates[0].Subject.CommonName+" to "+r.TLS.ServerName)
	}
	seen = append(seen, slices.DeleteFunc(headerLines(r.Header), ownFields.MatchString)...)
	if len(body) > 0 {
		seen = append(seen, fmt.Sprintf("%d %q: %s", r.ContentLength, r.TransferEncoding, body))
	}
	e.mu.Lock()
	e.seen = append(e.seen, seen...)
	e.mu.Unlock()
	e.answer(w, r)
}

// answer does what the parameter do asks for.
func (e *echo) answer(w http.ResponseWriter, r *http.Request) {
	q, h := r.URL.Query(), w.Header()
	if q.Get("type") != "" {
		h.Set("Content-Type", q.Get("type"))
	}
	for _, pair := range q["header"] {
		name, value, _ := strings.Cut(pair, ":")
		h.Add(name, strings.ReplaceAll(value, "HERE", r.Host))
	}
	text := q.Get("text")
	switch q.Get("do") {
	case "status":
		h.Set("Content-Type", "application/json")
		code := http.StatusTeapot
		_, _ = fmt.Sscan(q.Get("code"), &code)
		w.WriteHeader(code)
		if code != 304 && code != 204 {
			_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"of the backend","code":%d}`, code)
		}
		return
	case "stream":
		for _, part := range strings.Split(text, ",") {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
		return
	case "trailer":
		h.Set("Trailer", "X-After")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush() // it is of unknown length
		h.Set("X-After", "late")
		h.Set(http.TrailerPrefix+"X-Unsaid", "later")
		return
	case "hints":
		h.Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("Link")
	case "gzip":
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes())
		return
	case "abort":
		panic(http.ErrAbortHandler)
	case "short":
		h.Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
		return
	case "upgrade":
		e.upgrade(w, q)
		return
	}
	if text == "" {
		text = "fine"
	}
	_, _ = io.WriteString(w, text)
}

// upgrade answers on the connection itself, and echoes after 101.
func (e *echo) upgrade(w http.ResponseWriter, q url.Values) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, strings.ReplaceAll(q.Get("text"), "\n", "\r\n"))
	if strings.Contains(q.Get("text"), " 101 ") {
		_, _ = io.CopyN(conn, rw, 4)
	}
}

// headerLines are the fields of a header in the order of their names.
func headerLines(h http.Header) (lines []string) {
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}
