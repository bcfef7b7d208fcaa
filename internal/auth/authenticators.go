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

// Config says who may be who. The files with the CAs are read elsewhere, since they
// are read again when they change.
type Config struct {
	TokenFile     string   // CSV file of bearer tokens; "" is none
	Anonymous     bool     // requests without credentials pass
	ProxyNames    []string // common names of front proxies; empty: any
	UserHeaders   []string
	UIDHeaders    []string
	GroupHeaders  []string
	ExtraPrefixes []string
}

// Authenticator finds out who sent a request. It may be used concurrently.
type Authenticator struct {
	proxies   frontProxies
	clients   certVerifier
	tokens    map[string]*request.User // completed, shared by all their requests
	Accounts  *Accounts                // nil: no service account has any; set before the first request
	anonymous *request.User            // nil: nobody is anonymous
	Notes     []string                 // oddities of the token file, for the log at start

	identityHeaders  []string // names of the headers that nobody but a front proxy may set
	identityPrefixes []string // and what the other names begin with

	success, failure, failed atomic.Uint64 // attempts, see authenticator.attempts
}

// NewAuthenticator reads the token file; its errors name file and line. The functions
// give the CAs that count now, nil for none; a pool that was given must not be changed
// but replaced. extraTokens are the program's own and win over the file's.
func NewAuthenticator(c Config, clientCAs, requestHeaderCAs func() *x509.CertPool, extraTokens map[string]*request.User) (*Authenticator, error) {
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
		tokens: map[string]*request.User{},
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
	for token, u := range a.tokens {
		a.tokens[token] = authenticated(u)
	}
	a.identityHeaders = slices.Concat([]string{"X-Remote-User", "X-Remote-Uid", "X-Remote-Group"}, a.proxies.userHeaders, a.proxies.uidHeaders, a.proxies.groupHeaders)
	slices.Sort(a.identityHeaders)
	a.identityHeaders = slices.Compact(a.identityHeaders)
	a.identityPrefixes = []string{"X-Remote-Extra-"}
	for _, prefix := range c.ExtraPrefixes {
		if !strings.EqualFold(prefix, a.identityPrefixes[0]) {
			a.identityPrefixes = append(a.identityPrefixes, prefix)
		}
	}
	return a, nil
}

// Attempts counts what came of authenticate, by upstream's results: failure is nobody at
// all where nobody may be, failed (upstream's error) is wrong credentials.
func (a *Authenticator) Attempts() (success, failure, failed uint64) {
	return a.success.Load(), a.failure.Load(), a.failed.Load()
}

// AnonymousUser is the user of all requests without credentials; nil where they are refused.
func (a *Authenticator) AnonymousUser() *request.User { return a.anonymous }

func canonical(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, textproto.CanonicalMIMEHeaderKey(name))
	}
	return out
}

// attemptsError is the cause of a 401: what was tried, and how it failed. It is
// for the log and the audit event alone. It never holds a token.
type attemptsError struct {
	attempted []string // front-proxy, x509, bearer, websocket; empty without credentials
	err       error    // nil without credentials
}

func (e *attemptsError) Error() string {
	if len(e.attempted) == 0 {
		return "no credentials"
	}
	return "attempted: " + strings.Join(e.attempted, ", ") + ": " + strings.ReplaceAll(e.err.Error(), "\n", "; ")
}

func (e *attemptsError) Unwrap() error { return e.err }

// Authenticate returns who sent r: by a front proxy's headers, else the client
// certificate, else the bearer token, else the token among the websocket protocols, else
// nobody in particular. The first that succeeds counts. Wrong credentials, with no right
// ones beside them, are a 401 even where anonymous requests pass, so that a client
// notices. warning, if not empty, is for the client, also beside an error.
//
// After success the credentials are gone from r, and every header in which a front proxy
// could name a user, whoever sent it: what stands behind us may trust them.
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

// Identify is authenticate without its counts.
func (a *Authenticator) Identify(r *http.Request) (user *request.User, warning string, err error) {
	user, _, warning, failed := a.whoSent(r)
	switch {
	case user != nil:
	case failed != nil:
		return nil, warning, unauthorized(failed)
	case a.anonymous == nil:
		return nil, warning, unauthorized(&attemptsError{})
	default:
		user = a.anonymous
	}
	a.Strip(r.Header)
	return user, warning, nil
}

// Direct is authenticate for the admin listener: who is anonymous, or named by a front
// proxy, is nobody there. It counts nothing.
func (a *Authenticator) Direct(r *http.Request) (*request.User, error) {
	user, proxied, _, failed := a.whoSent(r)
	switch {
	case proxied:
		return nil, &attemptsError{[]string{"front-proxy"}, errors.New("front proxies may name nobody here")}
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
// there were credentials. proxied says that a front proxy named the user.
func (a *Authenticator) whoSent(r *http.Request) (user *request.User, proxied bool, warning string, failed *attemptsError) {
	var err error
	fail := func(kind string, err error) {
		if failed == nil {
			failed = &attemptsError{}
		}
		failed.attempted = append(failed.attempted, kind)
		failed.err = errors.Join(failed.err, err)
	}

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

// ByToken is whose bearer token it is, and for which audiences; nil for a wrong one.
func (a *Authenticator) ByToken(token string) (*request.User, []string) {
	if u := a.tokens[token]; u != nil {
		return u, ownAudience[:]
	}
	return a.Accounts.User(token)
}

// ownAudience is whom a token is for that says nothing of it. It is read by every request
// and never written.
var ownAudience = [1]string{ServerAudience}

// bearer is the user of a token that is for this server.
func (a *Authenticator) bearer(token string) *request.User {
	u, audiences := a.ByToken(token)
	if u == nil || !slices.Contains(audiences, ServerAudience) {
		return nil
	}
	return u
}

// Strip removes the credentials and what only a front proxy may say.
func (a *Authenticator) Strip(h http.Header) {
	delete(h, "Authorization")
	for _, name := range a.identityHeaders {
		delete(h, name)
	}
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

// IsCredential reports whether a header says who somebody is.
func (a *Authenticator) IsCredential(name string) bool {
	return name == "Authorization" || name == "Cookie" || slices.Contains(a.identityHeaders, name) || hasPrefixFold(name, "X-Remote-") ||
		slices.ContainsFunc(a.identityPrefixes, func(prefix string) bool { return hasPrefixFold(name, prefix) })
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// unauthorized is upstream's 401: it names no reason and, unlike RFC 9110 asks, no
// scheme.
func unauthorized(cause error) *status.Error {
	return &status.Error{Code: http.StatusUnauthorized, Reason: "Unauthorized", Message: "Unauthorized", Cause: cause}
}

// authenticated is u as a member of system:authenticated. The anonymous user, and one
// whose groups say already whether it is authenticated, stays as it is (upstream).
func authenticated(u *request.User) *request.User {
	if u.Name == request.UserAnonymous || u.In(request.GroupAuthenticated) || u.In(request.GroupUnauthenticated) {
		return u
	}
	c := *u
	c.Groups = append(slices.Clip(u.Groups), request.GroupAuthenticated)
	return &c
}
