package aggregation_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"apichain/internal/aggregation"
	"apichain/internal/request"
)

// FuzzNormalQuery: a query is sent on as net/url writes what it reads of it.
func FuzzNormalQuery(f *testing.F) {
	for _, s := range []string{"", "a=b", "b=1&a=2", "a", "a=", "=b", "a=b&", "a=%20", "a=+", "a=b;c=d", "a=%zz&b=c", "a=b&a=a", "&&", "limit=500&watch=true", "a.b=c~d_e-f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, _ := url.ParseQuery(s)
		if got, want := aggregation.NormalQuery(s), q.Encode(); got != want {
			t.Errorf("%q is sent as %q, want %q", s, got, want)
		}
	})
}

// TestRootOf: which version a path is of.
func TestRootOf(t *testing.T) {
	for path, want := range map[string]string{
		"/apis/foo/v1": "/apis/foo/v1", "/apis/foo/v1/": "/apis/foo/v1", "/apis/foo/v1/x/y": "/apis/foo/v1", "/api": "/api", "/api/": "/api", "/api/v1/pods": "/api",
		"/apis": "", "/apis/": "", "/apis/foo": "", "/apis/foo/": "", "/apis//v1": "", "/apis/foo//x": "", "/apix/foo/v1": "", "/apiary": "", "": "", "/": "",
	} {
		if got, ok := aggregation.RootOf(path); ok != (want != "") || ok && got != want {
			t.Errorf("%q is of %q (%t), want %q", path, got, ok, want)
		}
	}
}

// FuzzRootOf: the root of a path is where it begins, and the root of itself.
func FuzzRootOf(f *testing.F) {
	f.Add("/apis/foo/v1/x")
	f.Add("/api/v1/pods")
	f.Fuzz(func(t *testing.T, path string) {
		root, ok := aggregation.RootOf(path)
		if !ok {
			return
		}
		again, ok := aggregation.RootOf(root)
		if !ok || again != root || !strings.HasPrefix(path, root) || path != root && path[len(root)] != '/' {
			t.Errorf("the root of %q is %q, whose root is %q", path, root, again)
		}
	})
}

// TestIsDiscovery: which requests have five seconds: those of three segments that are for no resource.
func TestIsDiscovery(t *testing.T) {
	for path, want := range map[string]bool{
		"/apis/foo/v1": true, "/apis/foo/v1/": true, "/openapi/v3/x": true, "/apis/foo": false, "/apis": false, "/apis/foo/v1/things": false, "/api/v1/pods": false, "/a/b/c/d": false,
	} {
		var info request.Info
		if err := info.Resolve("GET", path, ""); err != nil {
			t.Fatal(err)
		}
		if got := aggregation.IsDiscovery(&info); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

// FuzzEscapeKey: any key makes the name of a header, from which it can be read again.
func FuzzEscapeKey(f *testing.F) {
	for _, s := range []string{"", "scopes", "a/b", "100%", "é", "a b", "A:\r\nB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := aggregation.EscapeKey(s)
		if back, err := url.PathUnescape(got); err != nil || back != s {
			t.Errorf("%q is written %q, and read %q (%v)", s, got, back, err)
		}
		if h := http.CanonicalHeaderKey("X-" + got); strings.ContainsAny(h, " \r\n:") {
			t.Errorf("%q makes %q", s, h)
		}
	})
}

// FuzzParseTag: a tag can be taken apart, whatever is in it.
func FuzzParseTag(f *testing.F) {
	for _, s := range []string{"<a>", `<a href="/b" c='d' e=f g/>`, "<a =>", "<a==b>", "<a '>", `<a b="`, "<a/>", "<A\nB\t=\fC>", "<a b=c/>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) < 3 || s[0] != '<' || s[len(s)-1] != '>' {
			return
		}
		if name, _, _ := aggregation.ParseTag(s); strings.ContainsAny(name, " \t\r\n\f/") {
			t.Errorf("%q has the name %q", s, name)
		}
	})
}

// FuzzPage: what a page has beside URLs comes through, however it is read.
func FuzzPage(f *testing.F) {
	for _, s := range []string{"", "<", "<a", "a<b>c", `<a href="b">`, "<!-- <a href=/x> -->", "<!-", "<script><a href=/b></script>", "<a b='>'>", "</a><A HREF=x>", "<title>a</titl", "<>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Nothing is another here: then every byte must be as it was.
		if got, err := aggregation.RewritePage(s, func(u *url.URL) string { return u.String() }); err != nil || got != s && !changes(s) {
			t.Errorf("%q became %q (%v)", s, got, err)
		}
	})
}

// changes reports whether a URL of a page may be written in another way than it was.
func changes(s string) bool { return strings.ContainsAny(s, "=") }
