// Package auth finds out who a client is and what it may do.
//
// An Authenticator looks at a request's credentials and returns a user, or the 401 to answer
// with. An Authorizer is asked whether that user may do what the request is about, and says
// which rule has decided. In between a user may ask to act as another, which Impersonate
// allows or refuses. Accounts makes and reads the tokens of service accounts.
//
//	a, err := auth.NewAuthenticator(auth.Config{TokenFile: "tokens.csv"}, clientCAs, proxyCAs, nil)
//	u, warning, err := a.Authenticate(r)          // err is a 401
//	acting, err := auth.Impersonate(ctx, authz, u, r.Header)
//	d := authz.Authorize(ctx, u, &info)
//	if d.Verdict != auth.Allow {
//		return auth.Forbidden(u, &info, d.Reason)
//	}
//
// What comes in are requests, certificates that a handshake has brought but not verified,
// and what a path asks for (request.Info); what goes out are users, decisions and ready
// answers. The package knows no store and no filter: it finds accounts by functions that
// it is given, and returns why it has decided as data instead of telling anybody.
//
// Everything here may be used by all requests at once. What a client sent is only trusted
// after it was verified, and no error and no reason holds a token. There is no promise of
// compatibility: the package serves this program alone.
package auth

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"

	"apichain/internal/request"
	"apichain/internal/status"
)

// The authenticators are asked one after another, and the first that finds a user counts:
//
//	front-proxy   a certificate of the request-header CA, and headers that name the user (header.go)
//	x509          a certificate of a client CA (x509.go)
//	bearer        a token in the Authorization header (token.go)
//	websocket     a token among the protocols that a websocket offers (token.go)
//	anonymous     no credentials at all
//
// Wrong credentials do not end the search: a certificate of an unknown CA with a good token
// beside it is the token's user. But with nothing right beside them they are a 401, even
// where anonymous requests pass; a client with an expired token would else be told that
// system:anonymous may not do this, and look for the mistake in the wrong place. A client
// certificate that names nobody, and a header of another scheme (Basic), are no credentials.
//
// What could name a user leaves the request with success: Authorization, every header in
// which a front proxy may name somebody, the token among the protocols. What stands behind,
// be it a handler or another server, may then take such a header as our word.

// Config says who may be who. The CAs are not part of it: they come as functions, since
// they change while the program runs.
type Config struct {
	// TokenFile is a CSV file of bearer tokens, read once; "" is none.
	TokenFile string
	// Anonymous lets requests without credentials pass as system:anonymous.
	Anonymous bool
	// AnonymousPaths are the only paths where they do; empty: all.
	AnonymousPaths []string
	// ProxyNames are the common names that a front proxy's certificate may have; empty
	// means any of the request-header CA.
	ProxyNames []string
	// UserHeaders and UIDHeaders are the headers in which a front proxy names the user; the
	// first that has a value counts. Of GroupHeaders all count. Case does not matter.
	UserHeaders  []string
	UIDHeaders   []string
	GroupHeaders []string
	// ExtraPrefixes are what the names of headers with extra facts of the user begin with.
	ExtraPrefixes []string
}

// Authenticator finds out who sent a request. It may be used concurrently.
type Authenticator struct {
	// Accounts knows the tokens of service accounts; nil means that there are none. It is
	// set before the first request, when what it looks into exists.
	Accounts *Accounts
	// Notes are oddities of the token file, for the log at start.
	Notes []string

	proxies frontProxies
	clients certVerifier
	// tokens are the users of the file's and the program's tokens. They are complete, and
	// shared by all requests that bring the token.
	tokens    map[string]*request.User
	anonymous *request.User // nil: nobody is anonymous
	// anonymousPaths are where somebody may be; nil: everywhere.
	anonymousPaths []string

	// identityHeaders are the names of the headers that nobody but a front proxy may set,
	// and identityPrefixes what the others begin with. Upstream's own are always among
	// them, though the flags name others: a server behind us may go by the defaults.
	identityHeaders  []string
	identityPrefixes []string

	success, failure, failed atomic.Uint64 // see Attempts
}

// NewAuthenticator reads the token file; its errors name file and line. The functions
// give the CAs that count now, nil for none; a pool that was given must not be changed
// but replaced. extraTokens are the program's own and win over the file's; their users are
// not changed.
func NewAuthenticator(
	c Config, clientCAs, requestHeaderCAs func() *x509.CertPool, extraTokens map[string]*request.User,
) (*Authenticator, error) {
	a := &Authenticator{
		clients: certVerifier{pool: clientCAs, identify: certUser},
		proxies: frontProxies{
			certs:         certVerifier{pool: requestHeaderCAs},
			names:         c.ProxyNames,
			userHeaders:   canonical(c.UserHeaders),
			uidHeaders:    canonical(c.UIDHeaders),
			groupHeaders:  canonical(c.GroupHeaders),
			extraPrefixes: c.ExtraPrefixes,
		},
		tokens:         map[string]*request.User{},
		anonymousPaths: c.AnonymousPaths,
	}
	if c.Anonymous {
		a.anonymous = &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}
	}
	if c.TokenFile != "" {
		var err error
		if a.tokens, a.Notes, err = readTokenFile(c.TokenFile); err != nil {
			return nil, err
		}
	}
	for token, u := range extraTokens {
		a.tokens[token] = u
	}
	// Once, here: a request with a token then allocates nothing for its user.
	for token, u := range a.tokens {
		a.tokens[token] = authenticated(u)
	}
	a.ownHeaders(c.ExtraPrefixes)
	return a, nil
}

// ownHeaders collects the headers that are a front proxy's alone.
func (a *Authenticator) ownHeaders(prefixes []string) {
	a.identityHeaders = slices.Concat([]string{"X-Remote-User", "X-Remote-Uid", "X-Remote-Group"},
		a.proxies.userHeaders, a.proxies.uidHeaders, a.proxies.groupHeaders)
	slices.Sort(a.identityHeaders)
	a.identityHeaders = slices.Compact(a.identityHeaders)
	a.identityPrefixes = []string{"X-Remote-Extra-"}
	for _, prefix := range prefixes {
		if !strings.EqualFold(prefix, a.identityPrefixes[0]) {
			a.identityPrefixes = append(a.identityPrefixes, prefix)
		}
	}
}

// canonical returns the names as net/http spells the keys of a header.
func canonical(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, textproto.CanonicalMIMEHeaderKey(name))
	}
	return out
}

// Attempts returns what came of Authenticate since the start, by the results of upstream's
// metric: failure is nobody at all where nobody may be, failed (upstream's "error") is
// wrong credentials.
func (a *Authenticator) Attempts() (success, failure, failed uint64) {
	return a.success.Load(), a.failure.Load(), a.failed.Load()
}

// AnonymousUser returns the user of all requests without credentials, always the same one;
// nil where they are refused. A token may name system:anonymous too, and is another user.
func (a *Authenticator) AnonymousUser() *request.User { return a.anonymous }

// Authenticate returns who sent r. An error is the 401 to answer with, and wraps what was
// tried, for the log. warning, if not empty, is for the client, also beside an error.
//
// After success r's header is stripped (see Strip). A refused request is left as it is, for
// the audit event. The result is counted.
func (a *Authenticator) Authenticate(r *http.Request) (user *request.User, warning string, err error) {
	if user, warning, err = a.Identify(r); err == nil {
		a.success.Add(1)
		return user, warning, nil
	}
	if cause, _ := errors.Unwrap(err).(*attemptsError); cause != nil && len(cause.attempted) == 0 {
		a.failure.Add(1)
	} else {
		a.failed.Add(1)
	}
	return nil, warning, err
}

// Identify is Authenticate without its counts: for whoever explains what would happen.
func (a *Authenticator) Identify(r *http.Request) (user *request.User, warning string, err error) {
	user, _, warning, failed := a.whoSent(r)
	switch {
	case user != nil:
	// Before the anonymous user: wrong credentials do not make somebody nobody.
	case failed != nil:
		return nil, warning, unauthorized(failed)
	case a.anonymous == nil || a.anonymousPaths != nil && !slices.Contains(a.anonymousPaths, r.URL.Path):
		return nil, warning, unauthorized(&attemptsError{})
	default:
		user = a.anonymous
	}
	a.Strip(r.Header)
	return user, warning, nil
}

// Direct is Authenticate for a listener that wants to know its clients itself, as the admin
// listener does: who is anonymous, or named by a front proxy, is nobody there. The error is
// for the log alone. Nothing is counted.
func (a *Authenticator) Direct(r *http.Request) (*request.User, error) {
	user, proxied, _, failed := a.whoSent(r)
	switch {
	case proxied:
		return nil, &attemptsError{[]string{"front-proxy"}, errors.New("front proxies may name nobody here")}
	// A token's user may be anonymous by name or by group.
	case user != nil && (user.Name == request.UserAnonymous || user.In(request.GroupUnauthenticated)):
		return nil, &attemptsError{[]string{user.Name}, errors.New("nobody is anonymous here")}
	case user != nil:
		a.Strip(r.Header)
		return user, nil
	case failed != nil:
		return nil, failed
	}
	return nil, &attemptsError{}
}

// whoSent asks one authenticator after another; nil is nobody, with what was wrong if
// there were credentials. proxied says that a front proxy named the user. r is only read.
func (a *Authenticator) whoSent(r *http.Request) (user *request.User, proxied bool, warning string, failed *attemptsError) {
	var err error
	fail := func(kind string, err error) {
		if failed == nil {
			failed = &attemptsError{}
		}
		failed.attempted = append(failed.attempted, kind)
		failed.err = errors.Join(failed.err, err)
	}
	// A certificate of a proxy is tried as a client's own too, where it named nobody: the
	// same CA may be behind both.
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		if user, err = a.proxies.authenticate(r); err != nil {
			fail("front-proxy", err)
		}
		if proxied = user != nil; !proxied {
			if user, err = a.clients.verify(r.TLS.PeerCertificates); err != nil {
				fail("x509", err)
			}
		}
	}
	// Of several lines the first counts, as in upstream, which sees no other.
	if user == nil {
		if values := r.Header["Authorization"]; len(values) > 0 {
			token, spaced := bearerToken(values[0])
			if spaced {
				warning = "the provided Authorization header contains extra space before the bearer token, and is ignored"
			}
			if token != "" {
				if user = a.bearer(token); user == nil {
					fail("bearer", ErrInvalidToken)
				}
			}
		}
	}
	if user == nil && len(r.Header[headerWebSocketProtocol]) > 0 {
		token, err := webSocketToken(r.Header)
		if err == nil && token != "" {
			if user = a.bearer(token); user == nil {
				err = ErrInvalidToken
			}
		}
		if err != nil {
			fail("websocket", err)
		}
	}
	return user, proxied, warning, failed
}

// ByToken returns whose bearer token it is, and for which audiences; nil for one that does
// not count. The slice must not be changed.
func (a *Authenticator) ByToken(token string) (*request.User, []string) {
	if u := a.tokens[token]; u != nil {
		return u, a.Accounts.Audiences()
	}
	return a.Accounts.User(token)
}

// ownAudience is the name of a server that was given none. It is an array, read by every
// request and never written, so that no request makes a slice.
var ownAudience = [1]string{ServerAudience}

// bearer returns the user of a token that is for this server; nil for any other.
func (a *Authenticator) bearer(token string) *request.User {
	u, audiences := a.ByToken(token)
	// A token that an account has asked for on behalf of another server must not open this
	// one: whoever it was handed to could use it here.
	if u == nil || !overlap(audiences, a.Accounts.Audiences()) {
		return nil
	}
	return u
}

// overlap reports whether two lists have an item in common.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// Strip removes the credentials from a header, and what only a front proxy may say.
func (a *Authenticator) Strip(h http.Header) {
	delete(h, "Authorization")
	for _, name := range a.identityHeaders {
		delete(h, name)
	}
	// By any case: a key that net/http did not write need not be canonical.
	for name := range h {
		for _, prefix := range a.identityPrefixes {
			if hasPrefixFold(name, prefix) {
				delete(h, name)
			}
		}
	}
	if len(h[headerWebSocketProtocol]) > 0 {
		stripWebSocketToken(h)
	}
}

// IsCredential reports whether a header, by its canonical name, says who somebody is. It is
// wider than Strip: cookies, and whatever a front proxy could use by upstream's naming.
func (a *Authenticator) IsCredential(name string) bool {
	return name == "Authorization" || name == "Cookie" || slices.Contains(a.identityHeaders, name) || hasPrefixFold(name, "X-Remote-") ||
		slices.ContainsFunc(a.identityPrefixes, func(prefix string) bool { return hasPrefixFold(name, prefix) })
}

// hasPrefixFold is strings.HasPrefix without regard to the case of ASCII letters, as names of
// headers have none.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// attemptsError says what was tried, and how it failed: the cause of a 401. It is for the
// log and the audit event alone. It never holds a token.
type attemptsError struct {
	attempted []string // front-proxy, x509, bearer, websocket; empty without credentials
	err       error    // nil without credentials
}

// Error returns one line, since it is for a log: joined errors come in several.
func (e *attemptsError) Error() string {
	if len(e.attempted) == 0 {
		return "no credentials"
	}
	return "attempted: " + strings.Join(e.attempted, ", ") + ": " + strings.ReplaceAll(e.err.Error(), "\n", "; ")
}

// Unwrap gives the errors of the attempts, joined.
func (e *attemptsError) Unwrap() error { return e.err }

// unauthorized returns upstream's 401: it names no reason and, unlike RFC 9110 (section
// 15.5.2) asks, no scheme.
func unauthorized(cause error) *status.Error {
	return &status.Error{Code: http.StatusUnauthorized, Reason: "Unauthorized", Message: "Unauthorized", Cause: cause}
}

// authenticated returns u as a member of system:authenticated. The anonymous user, and one
// whose groups say already whether it is authenticated, stays as it is (upstream). u is
// not changed.
func authenticated(u *request.User) *request.User {
	if u.Name == request.UserAnonymous || u.In(request.GroupAuthenticated) || u.In(request.GroupUnauthenticated) {
		return u
	}
	c := *u
	// Clipped, so that two copies never share the room behind u's groups.
	c.Groups = append(slices.Clip(u.Groups), request.GroupAuthenticated)
	return &c
}
