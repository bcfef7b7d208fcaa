package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/request"
)

// judged remembers which path was authorised for each request, by audit ID.
type judged struct {
	auth.Authorizer
	mu    sync.Mutex
	paths map[string]string
}

func (j *judged) Authorize(ctx context.Context, u *request.User, ri *request.Info) auth.Decision {
	j.mu.Lock()
	j.paths[exchangeFrom(ctx).auditID[0]] = ri.Path
	j.mu.Unlock()
	return j.Authorizer.Authorize(ctx, u, ri)
}

func (j *judged) path(id string) (string, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	path, ok := j.paths[id]
	return path, ok
}

// oracle is what must become of a request target: "" with the reason why it is refused,
// or the one string that is authorised and routed. It reads a path byte by byte, unlike
// the filter, which leans on net/url.
func oracle(target string) (path, refused string) {
	var b strings.Builder
	for i := 0; i < len(target); i++ {
		c := target[i]
		if c == '%' {
			var v byte
			fmt.Sscanf(target[i+1:i+3], "%02x", &v)
			if v == '/' {
				return "", "encoded slash"
			}
			c = v
			i += 2
		}
		switch {
		case c == '\\':
			return "", "backslash"
		case c < 0x20 || c == 0x7f:
			return "", "control character"
		}
		b.WriteByte(c)
	}
	path = b.String()
	for _, segment := range strings.Split(path, "/") {
		if segment == "." || segment == ".." {
			return "", "dot segment"
		}
	}
	return path, ""
}

// mayRead is who may get a path without rules, from the words of the README: health and
// version everybody, discovery documents whoever is authenticated, all the masters.
func mayRead(who, path string) bool {
	switch path {
	case "/healthz", "/livez", "/readyz", "/version":
		return true
	}
	switch who {
	case "admin":
		return true
	case "alice":
		segments := strings.Split(strings.Trim(path, "/"), "/")
		document := segments[0] == "api" && len(segments) <= 2 || segments[0] == "apis" && len(segments) <= 3
		return document && path[0] == '/' && !strings.Contains(path, "//")
	}
	return false
}

// TestPathsEverywhere sends each spelling to each listener in each protocol as each kind
// of user: what has two readings is refused before anybody is asked; what passes is
// authorised, shown to the handler and named in a refusal as one and the same string.
func TestPathsEverywhere(t *testing.T) {
	j := &judged{paths: map[string]string{}}
	r := startProgram(t, func(s *Server) {
		j.Authorizer, s.program.authz = s.program.authz, j
		_ = s.HandlePrefix("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s\n%s", r.URL.Path, RequestInfoFrom(r.Context()).Path)
		}))
	})
	bases := []string{"/healthz", "/p", "/p/q", "/apis/example.com", "/apis/example.com/v1", "/apis/example.com/v1/things/a"}
	changes := []func(string) string{
		func(p string) string { return p },
		func(p string) string { return p + "/" },
		func(p string) string { return p + "//" },
		func(p string) string { return "/" + p },
		func(p string) string { return p + "/." },
		func(p string) string { return p + "/./" },
		func(p string) string { return p + "/../healthz" },
		func(p string) string { return "/healthz/.." + p },
		func(p string) string { return "/healthz/%2e%2e" + p },
		func(p string) string { return "/healthz/.%2E" + p },
		func(p string) string { return "/healthz%2f.." + p },
		func(p string) string { return "/healthz%2F%2e%2e" + p },
		func(p string) string { return "/healthz/..%5c" + p[1:] },
		func(p string) string { return "/healthz%5C.." + p },
		func(p string) string { return "/healthz;" + p },
		func(p string) string { return "/healthz/..;" + p },
		func(p string) string { return p + ";/../../healthz" },
		func(p string) string { return p + ";a=b" },
		func(p string) string { return p + "%3Ba=b" },
		func(p string) string { return p + "%00" },
		func(p string) string { return p + "%0d%0aX-Forged:%201" },
		func(p string) string { return p + "%7f" },
		func(p string) string { return p + "%20" },
		func(p string) string { return p + "%252e%252e" },
		func(p string) string { return p + "%252f.." },
		func(p string) string { return p + "/.hidden" },
		func(p string) string { return p + "/..." },
		func(p string) string { return p + "%3fwatch=1" },
		func(p string) string { return p + "%23x" },
		func(p string) string { return p[:1] + "%" + fmt.Sprintf("%02x", p[1]) + p[2:] },
		func(p string) string { return p + "/%C3%A9" },
		func(p string) string { return strings.ToUpper(p) },
	}
	users := map[string]string{"anonymous": "Authorization:", "alice": "Authorization: Bearer alice-token", "admin": "Authorization: Bearer admin-token"}
	matrix(t, func(t *testing.T, kind string) {
		c := r.client(kind)
		var refusals, passed, forbidden int
		for who, auth := range users {
			for _, base := range bases {
				for n, change := range changes {
					target := change(base)
					path, refused := oracle(target)
					id := fmt.Sprint(kind, "-", who, "-", base, "-", n)
					got, err := r.sendTarget(c, kind, target, auth, id)
					if err != nil {
						t.Fatalf("%s %s: %v", who, target, err)
					}
					asked, wasAsked := j.path(id)
					switch plain := kind == "http" || kind == "h2c"; {
					case refused != "":
						refusals++
						if got.status != 400 || !strings.Contains(got.body, refused) || wasAsked {
							t.Errorf("%s %s: got %d %q, authorised %v; want 400 with %q before anybody is asked", who, target, got.status, got.body, wasAsked, refused)
						}
					case plain && wasAsked:
						t.Errorf("%s %s: the plain listener asked an authorizer", who, target)
					case !plain && asked != path:
						t.Errorf("%s %s: authorised %q, want %q", who, target, asked, path)
					case !plain && !mayRead(who, path):
						forbidden++
						if got.status != 403 {
							t.Errorf("%s %s: got %d %q, want 403", who, target, got.status, got.body)
						}
					default:
						passed++
						want := path + "\n" + path
						if path == "/healthz" {
							want = "ok"
						}
						if got.status != 200 || got.body != want {
							t.Errorf("%s %s: got %d %q, want 200 %q", who, target, got.status, got.body, want)
						}
					}
					if got.header.Get("Audit-Id") != id || got.header.Get("X-Forged") != "" {
						t.Errorf("%s %s: header %v", who, target, got.header)
					}
				}
			}
		}
		if refusals == 0 || passed == 0 || forbidden == 0 && strings.HasPrefix(kind, "https") {
			t.Errorf("%d refused, %d passed, %d forbidden: the matrix has lost a part", refusals, passed, forbidden)
		}
	})
}

// sendTarget is send with a target that no client may spell anew.
func (r *running) sendTarget(c *http.Client, kind, target, auth, id string) (reply, error) {
	req, err := http.NewRequest("GET", r.url(kind, "/"), nil)
	if err != nil {
		return reply{}, err
	}
	// An opaque URL goes out as it is, in HTTP/1 with a host in absolute form. That is
	// the one way for a client to send two slashes in front.
	req.URL.Opaque = "//" + req.URL.Host + target
	if (kind == "http" || kind == "https") && !strings.HasPrefix(target, "//") {
		req.URL = &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Opaque: target}
	}
	if name, value, _ := strings.Cut(auth, ": "); value != "" {
		req.Header.Set(name, value)
	}
	req.Header.Set("Audit-ID", id)
	resp, err := c.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}, err
}

// TestQueryIsNotThePath: nothing in a query, a fragment or a header changes what is
// authorised and routed.
func TestQueryIsNotThePath(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.HandlePrefix("/p/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			i := RequestInfoFrom(r.Context())
			fmt.Fprint(w, r.Method, " ", i.Verb, " ", r.URL.Path, " ", i.Path)
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		c := r.client(kind)
		for _, h := range []string{"X-Original-Url: /healthz", "X-Rewrite-Url: /healthz", "X-Forwarded-Prefix: /healthz", "X-Http-Method-Override: DELETE", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: ftp"} {
			for _, query := range []string{"", "?/../healthz", "?a=%2e%2e%2f", "?%2f", "?path=/healthz"} {
				got, err := r.send(c, kind, "GET", "/p/x"+query, nil, h)
				if err != nil || got.status != 200 || got.body != "GET get /p/x /p/x" {
					t.Errorf("%s, %s: got %d %q %v", h, query, got.status, got.body, err)
				}
			}
		}
		if strings.HasPrefix(kind, "https") || kind == "h2" {
			got, err := r.send(c, kind, "GET", "/p/x?/healthz", nil, "Authorization: Bearer alice-token", "X-Original-Url: /healthz")
			if err != nil || got.status != 403 || !strings.Contains(got.body, `cannot get path \"/p/x\"`) {
				t.Errorf("a header opened a path: %d %q %v", got.status, got.body, err)
			}
		}
	})
}
