package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"apichain/internal/request"
)

// TestDirect: who may speak for itself, and what the log says of the others.
func TestDirect(t *testing.T) {
	clients, proxies := newAuthority(t, nil), newAuthority(t, nil)
	cert := func(ca *authority, name string) []*x509.Certificate {
		return []*x509.Certificate{ca.client(t, pkix.Name{CommonName: name}, nil)}
	}
	a := newTestAuthenticator(t, clients, proxies, map[string]*request.User{
		"good": {Name: "bob"}, "anon": {Name: request.UserAnonymous}, "unauth": {Name: "dave", Groups: []string{request.GroupUnauthenticated}},
	})
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		line  string
		want  string // the user, or what the error says, behind a !
	}{
		{"token", nil, "Authorization: Bearer good", "bob"},
		{"certificate", cert(clients, "alice"), "", "alice"},
		{"nobody", nil, "", "!no credentials"},
		{"another scheme", nil, "Authorization: Basic x", "!no credentials"},
		{"wrong token", nil, "Authorization: Bearer bad", "!attempted: bearer: invalid bearer token"},
		{"token of the anonymous user", nil, "Authorization: Bearer anon", "!attempted: system:anonymous: nobody is anonymous here"},
		{"token of an unauthenticated user", nil, "Authorization: Bearer unauth", "!attempted: dave: nobody is anonymous here"},
		{"front proxy", cert(proxies, "front"), "X-Remote-User: eve", "!attempted: front-proxy: front proxies may name nobody here"},
		{"front proxy with a token", cert(proxies, "front"), "Authorization: Bearer good", "bob"},
	} {
		r := testRequest(c.chain, c.line)
		before := r.Header.Clone()
		u, err := a.Direct(r)
		got := ""
		if err != nil {
			got = "!" + err.Error()
		} else {
			got = u.Name
		}
		if got != c.want || (u == nil) != (err != nil) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		// A refused request stays as it is; the credentials of another are gone.
		if err != nil && !maps.EqualFunc(before, r.Header, slices.Equal) || err == nil && r.Header.Get("Authorization") != "" {
			t.Errorf("%s: the header is now %v", c.name, r.Header)
		}
	}
	if success, failure, failed := a.Attempts(); success+failure+failed != 0 {
		t.Errorf("counted %d %d %d", success, failure, failed)
	}
}

// TestIdentifyCounts nothing, and finds the same as Authenticate, which counts each result.
func TestIdentifyCounts(t *testing.T) {
	tokens := map[string]*request.User{"good": {Name: "bob"}}
	for _, anonymous := range []string{"true", "false"} {
		a := newTestAuthenticator(t, nil, nil, tokens, "--anonymous-auth="+anonymous)
		for _, line := range []string{"Authorization: Bearer good", "Authorization: Bearer bad", "Accept: a/b", "Authorization: Bearer  good"} {
			u, warning, err := a.Identify(testRequest(nil, line))
			if s, n, w := a.Attempts(); s+n+w != 0 {
				t.Fatalf("%s: counted", line)
			}
			again, sameWarning, sameErr := a.Authenticate(testRequest(nil, line))
			if u != again || warning != sameWarning || (err == nil) != (sameErr == nil) {
				t.Errorf("%s: %v %q %v, then %v %q %v", line, u, warning, err, again, sameWarning, sameErr)
			}
			s, n, w := a.Attempts()
			want := [3]uint64{0, 0, 0}
			switch {
			case err == nil:
				want[0] = 1
			case strings.HasSuffix(errors.Unwrap(err).Error(), "no credentials"):
				want[1] = 1
			default:
				want[2] = 1
			}
			if got := [3]uint64{s, n, w}; got != want {
				t.Errorf("%s, anonymous %s: counted %v, want %v", line, anonymous, got, want)
			}
			a.success.Store(0)
			a.failure.Store(0)
			a.failed.Store(0)
		}
	}
}

// TestAnonymousUser: the one of requests without credentials is told from one that a token
// names so.
func TestAnonymousUser(t *testing.T) {
	a := newTestAuthenticator(t, nil, nil, map[string]*request.User{"anon": {Name: request.UserAnonymous}})
	if u, _, err := a.Identify(testRequest(nil)); err != nil || u != a.AnonymousUser() {
		t.Errorf("without credentials: %+v %v", u, err)
	}
	if u, _, err := a.Identify(testRequest(nil, "Authorization: Bearer anon")); err != nil || u == a.AnonymousUser() || u.Name != request.UserAnonymous {
		t.Errorf("by a token: %+v %v", u, err)
	}
	if u := newTestAuthenticator(t, nil, nil, nil, "--anonymous-auth=false").AnonymousUser(); u != nil {
		t.Errorf("where nobody may be: %+v", u)
	}
}

// TestAudiences: a token of an account counts where it is for this server, whoever else it is
// for, and ByToken tells of all.
func TestAudiences(t *testing.T) {
	a := newTestAuthenticator(t, nil, nil, map[string]*request.User{"good": {Name: "bob"}})
	a.Accounts = NewAccounts(Lookups{Account: there("n", "robot", "u-1")})
	for _, c := range []struct {
		audiences []string
		counts    bool
	}{{[]string{ServerAudience}, true}, {[]string{"vault", ServerAudience}, true}, {[]string{"vault"}, false}, {nil, false}, {[]string{ServerAudience + "/"}, false}} {
		token := a.Accounts.Issue(robot(func(g *Grant) { g.Audiences = c.audiences }))
		u, audiences := a.ByToken(token)
		if u == nil || !slices.Equal(audiences, c.audiences) {
			t.Errorf("%q: %v for %q", c.audiences, u, audiences)
		}
		_, _, err := a.Identify(testRequest(nil, "Authorization: Bearer "+token))
		if (err == nil) != c.counts {
			t.Errorf("%q: %v, want it to count %t", c.audiences, err, c.counts)
		}
	}
	if u, audiences := a.ByToken("good"); u == nil || !slices.Equal(audiences, []string{ServerAudience}) {
		t.Errorf("a token of the file: %v for %q", u, audiences)
	}
	if u, audiences := a.ByToken("none"); u != nil || audiences != nil {
		t.Errorf("no token: %v for %q", u, audiences)
	}
}

// TestCredentialHeaders: which headers say who somebody is, and that all that Strip removes
// are among them.
func TestCredentialHeaders(t *testing.T) {
	a := newTestAuthenticator(t, nil, nil, nil, "--requestheader-username-headers=X-Who", "--requestheader-extra-headers-prefix=X-Fact-")
	for name, want := range map[string][2]bool{ // is a credential, is stripped
		"Authorization": {true, true}, "X-Who": {true, true}, "X-Fact-A": {true, true}, "X-Fact-": {true, true}, "x-fact-b": {true, true},
		"X-Remote-User": {true, true}, "X-Remote-Group": {true, true}, "X-Remote-Uid": {true, true}, "X-Remote-Extra-A": {true, true},
		"X-Remote-Users": {true, false}, "Cookie": {true, false}, "X-Fact": {false, false}, "X-Whose": {false, false},
		"Accept": {false, false}, "Impersonate-User": {false, false}, "Proxy-Authorization": {false, false},
	} {
		h := http.Header{name: {"x"}}
		a.Strip(h)
		if got := [2]bool{a.IsCredential(name), len(h) == 0}; got != want {
			t.Errorf("%s: a credential, stripped: %v, want %v", name, got, want)
		}
	}
	// Stripping twice is stripping once.
	h := http.Header{"Authorization": {"x"}, "X-Who": {"y"}, headerWebSocketProtocol: {"v4, " + webSocketTokenPrefix + "eA", "v5"}, "Accept": {"z"}}
	a.Strip(h)
	once := h.Clone()
	if a.Strip(h); !maps.EqualFunc(once, h, slices.Equal) || len(h) != 2 {
		t.Errorf("once %v, twice %v", once, h)
	}
}

// TestExtraKeys: from the tail of a header's name. A key that was escaped by net/url comes
// back in lower case.
func TestExtraKeys(t *testing.T) {
	for tail, want := range map[string]string{
		"Scopes": "scopes", "": "", "Example.com%2fScopes": "example.com/scopes", "A%20b": "a b", "%C3%89": "É", "100%": "100%", "%zz": "%zz", "%25zz": "%zz", "A+B": "a+b",
	} {
		if got := extraKey(tail); got != want {
			t.Errorf("%q: %q, want %q", tail, got, want)
		}
	}
}

// TestAttemptsError: one line for the log, with every error findable.
func TestAttemptsError(t *testing.T) {
	one, two := errors.New("first\nand more"), errors.New("second")
	e := &attemptsError{[]string{"x509", "bearer"}, errors.Join(one, two)}
	if got, want := e.Error(), "attempted: x509, bearer: first; and more; second"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(e, one) || !errors.Is(e, two) {
		t.Error("an error is lost")
	}
	if got := (&attemptsError{}).Error(); got != "no credentials" {
		t.Errorf("%q", got)
	}
}

// TestAuthenticated: whose groups are left alone, and that a shared user stays as it is.
func TestAuthenticated(t *testing.T) {
	for _, c := range []struct {
		name, groups, want string
	}{
		{"bob", "", "system:authenticated"}, {"bob", "a b", "a b system:authenticated"}, {"bob", "system:authenticated a", "system:authenticated a"},
		{"bob", "system:unauthenticated", "system:unauthenticated"}, {request.UserAnonymous, "", ""}, {request.UserAnonymous, "a", "a"},
	} {
		groups := make([]string, 0, 8) // room that a second user could write into
		groups = append(groups, strings.Fields(c.groups)...)
		u := &request.User{Name: c.name, Groups: groups}
		got, again := authenticated(u), authenticated(u)
		if strings.Join(got.Groups, " ") != c.want || strings.Join(u.Groups, " ") != c.groups {
			t.Errorf("%s of %q: %q, want %q; it is now in %q", c.name, c.groups, got.Groups, c.want, u.Groups)
		}
		if len(got.Groups) > len(u.Groups) && &got.Groups[0] == &again.Groups[0] {
			t.Errorf("%s of %q: two users share their groups", c.name, c.groups)
		}
	}
}
