package aggregation_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
)

// TestBodies: what is said of a request's body is sent on as upstream's TestProxyRequestContentLengthAndTransferEncoding has it.
func TestBodies(t *testing.T) {
	chunked := func(b []byte) string {
		var out bytes.Buffer
		w := httputil.NewChunkedWriter(&out)
		for i := range b {
			_, _ = w.Write(b[i : i+1])
		}
		_ = w.Close()
		return out.String() + "\r\n"
	}
	plain, zipped := []byte("abcde"), compressed(t, "gzip", "abcde")
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %q %q %q %v", r.Header["Content-Length"], r.Header["Content-Encoding"], r.Header["Transfer-Encoding"], b, err)
	}))
	for _, c := range []struct {
		header, body string
		want         string
	}{
		{"Content-Length: 5", string(plain), fmt.Sprintf(`["5"] [] [] %q <nil>`, plain)},
		{fmt.Sprintf("Content-Length: %d\r\nContent-Encoding: gzip", len(zipped)), string(zipped), fmt.Sprintf(`["%d"] ["gzip"] [] %q <nil>`, len(zipped), zipped)},
		{"Transfer-Encoding: chunked", chunked(plain), fmt.Sprintf(`[] [] [] %q <nil>`, plain)},
		{"Transfer-Encoding: chunked\r\nContent-Encoding: gzip", chunked(zipped), fmt.Sprintf(`[] ["gzip"] [] %q <nil>`, zipped)},
	} {
		resp := exchangeRaw(t, f.front.Listener.Addr().String(), "POST "+root+"/x HTTP/1.1\r\nHost: front\r\nConnection: close\r\n"+c.header+"\r\n\r\n"+c.body)
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != c.want {
			t.Errorf("%s: the server was sent %s (%v), want %s", c.header, b, err, c.want)
		}
	}
}

// TestTrailers: trailers go on, but for those that as headers would not: a server may make one of both. That somebody has announced them
// does not matter.
func TestTrailers(t *testing.T) {
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		_ = r.Trailer.Write(w)
		fmt.Fprint(w, err)
	}))
	const trailers = "X_Remote_User: root\r\nX-Remote-Group: system:masters\r\nImpersonate-User: root\r\nAuthorization: x\r\nApichain-Hops: 0\r\n"
	for _, announced := range []string{"Sum", "Sum, X_Remote_User, Authorization", "X-Remote-User, Apichain-Hops, Sum"} {
		resp := exchangeRaw(t, f.front.Listener.Addr().String(), "POST "+root+"/x HTTP/1.1\r\nHost: front\r\nConnection: close\r\n"+
			"Transfer-Encoding: chunked\r\nTrailer: "+announced+"\r\n\r\n1\r\na\r\n0\r\nSum: 1\r\n"+trailers+"\r\n")
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Sum: 1\r\n<nil>" {
			t.Errorf("announcing %s: the server was sent %q (%v)", announced, b, err)
		}
	}
	f.each(t, func(t *testing.T, c *http.Client, url string) {
		req, _ := http.NewRequest("POST", url+"/x", io.LimitReader(zeros{}, 1<<20))
		req.Trailer = http.Header{"Sum": {"1"}, "X-Remote-Group": {"system:masters"}}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "Sum: 1\r\n<nil>" {
			t.Errorf("the server was sent %q (%v)", b, err)
		}
	})
}

// TestEarlyAnswer: a server may answer before it has read the body, and the client learns of it; a body that is larger than any
// buffer passes whole.
func TestEarlyAnswer(t *testing.T) {
	const size = 8 << 20
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/early") {
			w.Header().Set("Connection", "close")
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	f.each(t, func(t *testing.T, c *http.Client, url string) {
		resp, err := c.Post(url+"/whole", "application/octet-stream", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprint(size, nil) {
			t.Errorf("the server has read %s", b)
		}
		_ = resp.Body.Close()
		// A client of HTTP/1 may see its connection break before it sees the answer.
		if resp, err = c.Post(url+"/early", "application/octet-stream", io.LimitReader(zeros{}, size)); err == nil {
			if resp.StatusCode != http.StatusRequestEntityTooLarge && resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("early: %d", resp.StatusCode)
			}
			_ = resp.Body.Close()
		}
		if resp, err = c.Get(url + "/whole"); err != nil || resp.StatusCode != 200 {
			t.Fatalf("afterwards: %v %v", resp, err)
		}
		_ = resp.Body.Close()
	})
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFindCosts: a request for what is served here costs no allocation, with other servers or without.
func TestFindCosts(t *testing.T) {
	w := newWorld(t, apitest.Config{}, nil)
	find := func() { w.services.Find("/apis/apps/v1/namespaces/a/deployments/d") }
	if n := testing.AllocsPerRun(100, find); n > 0 {
		t.Errorf("%v allocations without other servers", n)
	}
	w.add(apiService("foo", "v1", "api", nil), "True")
	if n := testing.AllocsPerRun(100, find); n > 0 {
		t.Errorf("%v allocations beside another server", n)
	}
}

// BenchmarkFind is the cost of asking whether a request is for another server.
func BenchmarkFind(b *testing.B) {
	w := newWorld(b, apitest.Config{}, nil)
	b.Run("none", func(b *testing.B) {
		for b.Loop() {
			w.services.Find("/apis/apps/v1/namespaces/a/deployments/d")
		}
	})
	w.add(apiService("foo", "v1", "api", nil), "True")
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			w.services.Find("/apis/apps/v1/namespaces/a/deployments/d")
		}
	})
}
