package aggregation_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/request"
)

// fronted is a server behind a front, which is asked in each of three ways.
type fronted struct {
	*world
	target  string
	front   *httptest.Server
	clients map[string]*http.Client
	urls    map[string]string
}

// root is the path of the version that tests proxy.
const root = "/apis/foo/v1"

// newFronted serves h behind a front, over plain HTTP, TLS and HTTP/2.
func newFronted(t testing.TB, h http.Handler) *fronted {
	t.Helper()
	ca := newAuthority(t)
	f := &fronted{target: serveTLS(t, h, ca.certificate(t, "api.test-ns.svc")), clients: map[string]*http.Client{}, urls: map[string]string{}}
	f.world = newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": f.target})
	f.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "True")
	f.front = f.world.front(request.User{Name: "alice"})
	f.clients["plain"], f.urls["plain"] = &http.Client{Transport: &http.Transport{DisableCompression: true}}, f.front.URL+root
	for _, mode := range []string{"TLS", "h2"} {
		s := httptest.NewUnstartedServer(f.handler(request.User{Name: "alice"}))
		s.EnableHTTP2 = mode == "h2"
		s.StartTLS()
		t.Cleanup(s.Close)
		f.urls[mode] = s.URL + root
		f.clients[mode] = &http.Client{Transport: &http.Transport{
			DisableCompression: true, ForceAttemptHTTP2: mode == "h2", TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}}
	}
	for _, c := range f.clients {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		t.Cleanup(c.CloseIdleConnections)
	}
	return f
}

// each runs a test once for each way.
func (f *fronted) each(t *testing.T, test func(t *testing.T, c *http.Client, url string)) {
	for mode, c := range f.clients {
		t.Run(mode, func(t *testing.T) { test(t, c, f.urls[mode]) })
	}
}

// TestRewriting: what becomes of answers that say where things are. Most rows are of upstream's TestProxyTransport, whose
// prefix is another.
func TestRewriting(t *testing.T) {
	const pre, post = `<pre><a href="kubelet.log">kubelet.log</a><a href="`, `">google.log</a></pre>`
	type row struct {
		name, contentType, body, want string
		location, wantLocation        string
	}
	rows := []row{
		{name: "normal", contentType: "text/html", body: pre + "/google.log" + post, want: pre + "https://HOST/google.log" + post},
		{name: "full document", contentType: "text/html", body: "<html><header></header><body>" + pre + "/google.log" + post + "</body></html>",
			want: "<html><header></header><body>" + pre + "https://HOST/google.log" + post + "</body></html>"},
		{name: "trailing slash", contentType: "text/html", body: pre + "/google.log/" + post, want: pre + "https://HOST/google.log/" + post},
		{name: "charset", contentType: "text/html; charset=utf-8", body: pre + "/google.log" + post, want: pre + "https://HOST/google.log" + post},
		{name: "other type", contentType: "text/plain", body: pre + "/google.log" + post, want: pre + "/google.log" + post},
		{name: "image", contentType: "text/html", body: `<pre><img src="kubernetes.jpg"/><img src="/kubernetes_abs.jpg"/></pre>`,
			want: `<pre><img src="kubernetes.jpg"/><img src="https://HOST/kubernetes_abs.jpg"/></pre>`},
		{name: "other host", contentType: "text/html", body: `<script src="http://google.com/kubernetes.js"/>`, want: `<script src="http://google.com/kubernetes.js"/>`},
		{name: "same host", contentType: "text/html", body: `<script src="http://HOST/kubernetes.js"/>`, want: `<script src="https://HOST/kubernetes.js"/>`},
		{name: "nothing", contentType: "text/html", body: "<html></html>", want: "<html></html>"},
		{name: "unquoted", contentType: "text/html", body: `<A HREF=/b X='"'>z</A>`, want: `<a href="https://HOST/b" x="&#34;">z</A>`},
		{name: "escaped", contentType: "text/html", body: `<a href="/b?x=1&amp;y=2">`, want: `<a href="https://HOST/b?x=1&amp;y=2">`},
		{name: "comment", contentType: "text/html", body: `<!-- <a href="/c"> --><a href="/d">`, want: `<!-- <a href="/c"> --><a href="https://HOST/d">`},
		{name: "script", contentType: "text/html", body: `<script>"<a href='/c'>"</script><a href="/d">`, want: `<script>"<a href='/c'>"</script><a href="https://HOST/d">`},
		{name: "broken", contentType: "text/html", body: `a < b <a href="/x`, want: `a < b <a href="/x`},
		{name: "no URL", contentType: "text/html", body: `<a href="/%zz">`, want: `<a href="/%zz">`},
		{name: "long", contentType: "text/html", body: strings.Repeat("long body test", 4097) + `<a href="/d">`, want: strings.Repeat("long body test", 4097) + `<a href="https://HOST/d">`},
		{name: "long tag", contentType: "text/html", body: `<a x="` + strings.Repeat("x", 70<<10) + `" href="/d">`, want: `<a x="` + strings.Repeat("x", 70<<10) + `" href="/d">`},
		{name: "created", location: "/made/target/", wantLocation: "https://HOST/made/target/"},
		{name: "created here", location: "http://HOST/made/target/", wantLocation: "https://HOST/made/target/"},
		{name: "created elsewhere", location: "http://example.com/made/", wantLocation: "http://example.com/made/"},
		{name: "created beside", location: "target", wantLocation: "target"},
		{name: "created, escaped", location: "/made/%00<script>alert(1)</script>/", wantLocation: "https://HOST/made/%00%3Cscript%3Ealert%281%29%3C/script%3E/"},
	}
	var answer row
	var encoding string
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fill := func(s string) string { return strings.ReplaceAll(s, "HOST", r.Host) }
		if answer.location != "" {
			w.Header().Set("Location", fill(answer.location))
			w.WriteHeader(http.StatusCreated)
			return
		}
		w.Header().Set("Content-Type", answer.contentType)
		w.Header().Set("X-Frame-Options", "DENY")
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		_, _ = w.Write(compressed(t, encoding, fill(answer.body)))
	}))
	for _, encoding = range []string{"", "gzip", "deflate"} {
		for _, answer = range rows {
			f.each(t, func(t *testing.T, c *http.Client, url string) {
				resp, err := c.Get(url + "/x")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				fill := func(s string) string { return strings.ReplaceAll(s, "HOST", f.target) }
				b, err := io.ReadAll(resp.Body)
				if got := decompressed(t, resp.Header.Get("Content-Encoding"), b); err != nil || got != fill(answer.want) {
					t.Errorf("%s %s: body\n%.200s (%v), want\n%.200s", encoding, answer.name, got, err, fill(answer.want))
				}
				if got := resp.Header.Get("Location"); got != fill(answer.wantLocation) {
					t.Errorf("%s: Location %q, want %q", answer.name, got, fill(answer.wantLocation))
				}
			})
		}
	}
	// What is compressed in another way passes.
	answer, encoding = rows[0], "br"
	resp, err := f.clients["plain"].Get(f.urls["plain"] + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if b, _ := io.ReadAll(resp.Body); string(b) != rows[0].body {
		t.Errorf("br: %s", b)
	}
}

// compressed returns s in an encoding.
func compressed(t testing.TB, encoding, s string) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w, _ = flate.NewWriter(&b, 1)
	default:
		return []byte(s)
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	return b.Bytes()
}

// decompressed returns what was compressed.
func decompressed(t testing.TB, encoding string, b []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(b)
	var err error
	switch encoding {
	case "gzip":
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	case "deflate":
		r = flate.NewReader(r)
	}
	b, err = io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestAnswers: codes, headers, trailers and what comes before an answer.
func TestAnswers(t *testing.T) {
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, root) {
		case "/cors":
			for _, k := range []string{"Allow-Credentials", "Allow-Headers", "Allow-Methods", "Allow-Origin", "Expose-Headers", "Max-Age"} {
				w.Header().Set("Access-Control-"+k, "x")
			}
		case "/hops":
			w.Header().Set("Keep-Alive", "5")
			w.Header().Set("X-Two", "b")
			w.Header()["Connection"] = []string{"X-Two"}
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/no-location":
			w.WriteHeader(http.StatusFound)
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "4")
		case "/late-trailers":
			_, _ = io.WriteString(w, "body")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Late", "5")
		case "/early":
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			w.WriteHeader(http.StatusNoContent)
		case "/status":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Warning", `299 - "deprecated"`)
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"kind":"Status"}`)
		}
	}))
	f.each(t, func(t *testing.T, c *http.Client, url string) {
		get := func(path string) (*http.Response, string) {
			t.Helper()
			resp, err := c.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp, string(b)
		}
		if resp, _ := get("/cors"); len(resp.Header["Access-Control-Expose-Headers"]) != 1 || resp.Header.Get("Access-Control-Allow-Origin") != "" ||
			resp.Header.Get("Access-Control-Allow-Methods") != "" || resp.Header.Get("Access-Control-Max-Age") == "" {
			t.Errorf("cors: %v", resp.Header)
		}
		if resp, _ := get("/hops"); resp.Header.Get("Keep-Alive") != "" || resp.Header.Get("X-Two") != "" {
			t.Errorf("hops: %v", resp.Header)
		}
		if resp, b := get("/redirect"); resp.StatusCode != 502 || b != "the backend attempted to redirect this request, which is not permitted" || resp.Header.Get("Location") != "" {
			t.Errorf("redirect: %d %q %v", resp.StatusCode, b, resp.Header)
		}
		if resp, _ := get("/no-location"); resp.StatusCode != 302 {
			t.Errorf("no location: %d", resp.StatusCode)
		}
		if resp, b := get("/trailers"); b != "body" || resp.Trailer.Get("X-Sum") != "4" {
			t.Errorf("trailers: %q %v", b, resp.Trailer)
		}
		if resp, b := get("/late-trailers"); b != "body" || resp.Trailer.Get("X-Late") != "5" {
			t.Errorf("late trailers: %q %v", b, resp.Trailer)
		}
		if resp, b := get("/status"); resp.StatusCode != 409 || b != `{"kind":"Status"}` || resp.Header.Get("Warning") != `299 - "deprecated"` {
			t.Errorf("status: %d %q", resp.StatusCode, b)
		}
		early := ""
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			early += fmt.Sprint(code, h.Get("Link"))
			return nil
		}})
		req, _ := http.NewRequestWithContext(ctx, "GET", url+"/early", nil)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if early != "103</style.css>" || resp.StatusCode != 204 || resp.Header.Get("Link") != "" {
			t.Errorf("early %q, then %d %v", early, resp.StatusCode, resp.Header)
		}
	})
}

// TestRequestsAsSent: query, path, body and trailers come to the server as upstream sends them.
func TestRequestsAsSent(t *testing.T) {
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %v %q %v %v", r.Method, r.RequestURI, r.ContentLength, r.TransferEncoding, b, r.Trailer, err)
		fmt.Fprintf(w, " told %s", r.Header.Get("X-Forwarded-Uri"))
	}))
	f.each(t, func(t *testing.T, c *http.Client, url string) {
		for _, row := range []struct {
			method, path string
			body         io.Reader
			trailer      http.Header
			want         string
		}{
			{"GET", "/x?b=2&a=1&a=0", nil, nil, "GET /x?a=1&a=0&b=2 0"},
			{"GET", "/x?watch", nil, nil, "GET /x?watch= 0"},
			{"GET", "/x?a=b+c&d=%20&e=%zz&f;g=h", nil, nil, "GET /x?a=b+c&d=+ 0"},
			{"GET", "/x?fieldSelector=a%3Db", nil, nil, "GET /x?fieldSelector=a%3Db 0"},
			{"GET", "/a%20b/%C3%A9", nil, nil, "GET /a%20b/%C3%A9 0"},
			{"GET", "/x/", nil, nil, "GET /x/ 0"},
			{"GET", "/x%20y", nil, nil, "told " + root + "/x%20y"},
			{"GET", "//x///y", nil, nil, "told " + root + "/x/y"},
			{"GET", "/x/y//", nil, nil, "told " + root + "/x/y/"},
			{"POST", "/x", strings.NewReader("hello"), nil, `POST /x 5 [] "hello"`},
			{"POST", "/x", strings.NewReader(""), nil, `POST /x 0 [] ""`},
			{"PATCH", "/x", io.MultiReader(strings.NewReader("chun"), strings.NewReader("ked")), nil, `PATCH /x -1 `},
			{"PUT", "/x", io.MultiReader(strings.NewReader("with")), http.Header{"X-T": {"v"}}, `"with" map[X-T:[v]]`},
			{"DELETE", "/x", strings.NewReader("{}"), nil, `DELETE /x 2 [] "{}"`},
			{"HEAD", "/x", nil, nil, ""},
		} {
			req, _ := http.NewRequest(row.method, url+row.path, row.body)
			req.Trailer = row.trailer
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			got := strings.Replace(string(b), root, "", 1)
			if err != nil || !strings.Contains(got, row.want) {
				t.Errorf("%s %s: sent %s (%v), want %s", row.method, row.path, got, err, row.want)
			}
		}
	})
}

// TestStreams: what has come is sent on at once, of an answer of unknown length and of one that trickles.
func TestStreams(t *testing.T) {
	next := make(chan string)
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := r.URL.Query().Get("length"); n != "" {
			w.Header().Set("Content-Length", n)
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for {
			select {
			case s := <-next:
				if s == "" {
					return
				}
				_, _ = io.WriteString(w, s)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	f.each(t, func(t *testing.T, c *http.Client, url string) {
		for _, query := range []string{"?watch=1", "?length=9"} {
			// An answer that has a length begins with its first bytes, as upstream's.
			first := put(next, "one")
			resp, err := c.Get(url + "/x" + query)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{"one", "two", "six"} {
				if s != "one" {
					first = put(next, s)
				}
				apitest.Await(t, "room", first)
				var got [3]byte
				if _, err := io.ReadFull(resp.Body, got[:]); err != nil || string(got[:]) != s {
					t.Fatalf("%s: read %q (%v), want %q", query, got, err, s)
				}
			}
			apitest.Await(t, "the end", put(next, ""))
			if b, err := io.ReadAll(resp.Body); err != nil || len(b) > 0 {
				t.Errorf("%s: %q (%v) at the end", query, b, err)
			}
			_ = resp.Body.Close()
		}
	})
}

// put sends s and closes what it returns then.
func put(to chan<- string, s string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case to <- s:
		case <-time.After(time.Minute):
		}
	}()
	return done
}

// TestClientLeaves: a client that goes ends the request of the server behind.
func TestClientLeaves(t *testing.T) {
	left := make(chan struct{})
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	}))
	f.each(t, func(t *testing.T, c *http.Client, url string) {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", url+"/x?watch=1", nil)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		apitest.Await(t, "the end of the server's request", left)
		_ = resp.Body.Close()
	})
}
