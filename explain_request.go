package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"apichain/admin"
	"apichain/internal/auth"
	"apichain/internal/request"
)

// The request that is explained: made of the parameters of GET /admin/v1/explain, as net/http's
// server would hand it over. It is written down as text and read by net/http's own parser, which so
// refuses here what it would refuse there, and hands over the same fields.
//
// What net/http's server checks around its parser, and what would make the text mean something else
// than was asked (a line break in a header), is checked here; each is a 400 that names the parameter.
// The first problem is told. Nothing of it is a rule of the filters: those speak for themselves.

// Explain is the admin package's question: what would become of a request? Its errors are 400 and
// name the parameter. The answer shows of the request what holds no secret.
func (s source) Explain(q admin.ExplainRequest) (admin.Explanation, *admin.Error) {
	p := s.p
	c, err := p.askedChain(q.Listener)
	if err != nil {
		return admin.Explanation{}, err
	}
	r, err := p.dryRequest(c.listener, &q)
	if err != nil {
		return admin.Explanation{}, err
	}
	u, err := p.dryUser(c.listener, &q)
	if err != nil {
		return admin.Explanation{}, err
	}
	// As it was asked: the filters share r's header, and take the credentials out of it.
	shown := admin.ExplainedRequest{Method: r.Method, Path: redactURI(r.URL), Listener: c.listener, Headers: shownHeaders(q.Headers)}
	if u != nil {
		shown.User, shown.Groups = shownText(u.Name), u.Groups
	}
	e := c.explain(r, u)
	e.Request = shown
	return e, nil
}

// askedChain returns the chain of a listener that is on: the one named or, for "", that of https and
// where that is off of http.
func (p *program) askedChain(named string) (*chain, *admin.Error) {
	listener := cmp.Or(named, "https")
	if named == "" && off(p.opt.listen.https) {
		listener = "http"
	}
	i := slices.IndexFunc(p.chains, func(c *chain) bool { return c.listener == listener })
	switch {
	case i < 0:
		return nil, unexplained("listener", "is http or https, not "+quotedText(listener))
	case !slices.Contains(p.serving(), p.chains[i]):
		return nil, unexplained("listener", listener+" is off: see --listen-"+listener)
	}
	return p.chains[i], nil
}

// unexplained returns the 400 for a parameter.
func unexplained(parameter, problem string) *admin.Error {
	return &admin.Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: "query parameter " + parameter + ": " + problem}
}

// quotedText returns a client's text as it may be shown, in quotes.
func quotedText(s string) string { return strconv.Quote(shownText(s)) }

// dryUser returns who the request is from, with the groups that nobody has to ask for, as if its
// credentials had been accepted; nil where the headers are to say.
func (p *program) dryUser(listener string, q *admin.ExplainRequest) (*request.User, *admin.Error) {
	switch {
	case q.User == "" && len(q.Groups) > 0:
		return nil, unexplained("group", "is of no use without user")
	case q.User == "":
		return nil, nil
	case listener == "http":
		return nil, unexplained("user", "everybody on the plain listener is "+request.UserUnsecured+": ask for listener=https")
	}
	// A copy, since the groups are completed.
	u := &request.User{Name: q.User, Groups: slices.Clone(q.Groups)}
	auth.CompleteGroups(u, len(q.Groups) > 0)
	return u, nil
}

// parameterCheck is a row of a table of checks: a problem of a parameter, and whether it is there.
type parameterCheck struct {
	failed             bool
	parameter, problem string
}

// firstProblem returns the 400 for the first check that failed, nil for none. All rows of a table are
// evaluated, so each must be safe whatever the others find.
func firstProblem(checks ...parameterCheck) *admin.Error {
	for _, c := range checks {
		if c.failed {
			return unexplained(c.parameter, c.problem)
		}
	}
	return nil
}

// maxHead is the most bytes of a request's head that net/http reads.
const maxHead = 1<<20 + 4096

// dryRequest returns the request as net/http's server would hand it to the chain of listener, or a
// 400 for what that would refuse.
func (p *program) dryRequest(listener string, q *admin.ExplainRequest) (*http.Request, *admin.Error) {
	method := cmp.Or(q.Method, http.MethodGet)
	// A space or line break in either would begin another part of the request line, or a header.
	if err := firstProblem(
		parameterCheck{!isHeaderName(method), "method", quotedText(method) + " is no method of HTTP"},
		parameterCheck{q.Path == "" || strings.ContainsFunc(q.Path, func(c rune) bool { return c <= ' ' || c == 0x7f }), "path",
			quotedText(q.Path) + " is no request target: it begins with / and has neither spaces nor control characters"},
	); err != nil {
		return nil, err
	}
	lines, unix, err := p.dryHeader(listener, method, q.Headers)
	if err != nil {
		return nil, err
	}
	head := method + " " + q.Path + " HTTP/1.1\r\n" + lines + "\r\n"
	if len(head) > maxHead {
		return nil, unexplained("header", "the request's head is larger than 1 MiB, which is refused before the first filter")
	}
	r, refused := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if refused != nil {
		return nil, unexplained("path", "the request is refused before the first filter: "+shownText(refused.Error()))
	}
	// net/http's server answers 417 itself, after the parser.
	if expect := r.Header.Get("Expect"); expect != "" && !strings.EqualFold(expect, "100-continue") {
		return nil, unexplained("header", "Expect is refused before the first filter")
	}
	// What a connection adds: the state of TLS without a client certificate, and for a socket in the
	// file system that no browser can be behind it.
	if listener == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	}
	ctx := context.Background()
	if unix {
		ctx = context.WithValue(ctx, connKey{}, &conn{unix: true})
	}
	return r.WithContext(ctx), nil
}

// dryHeader returns the header of the request as it is sent, each line with its end: the lines asked
// for, and those that every client adds. unix is whether it would come over a socket in the file
// system. Without a Host line, Host is that of the listener's own address.
func (p *program) dryHeader(listener, method string, asked []string) (lines string, unix bool, err *admin.Error) {
	host, unix := p.ownHost(listener)
	given := map[string]int{}
	for _, line := range asked {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		kind := http.CanonicalHeaderKey(name)
		if err := firstProblem(
			parameterCheck{!ok || !isHeaderName(name), "header", "wants Name: value, with a name of letters, digits and -"},
			parameterCheck{strings.ContainsFunc(value, isControl), "header", kind + " has a control character in its value"},
			parameterCheck{listener == "http" && p.authn.IsCredential(kind), "header",
				kind + " carries credentials, which the plain listener does not look at: ask for listener=https"},
		); err != nil {
			return "", false, err
		}
		if kind == "Host" {
			host = value
		}
		given[kind]++
		lines += kind + ": " + value + "\r\n"
	}
	if err := firstProblem(
		parameterCheck{given["Host"] > 1, "header", "Host comes twice"},
		parameterCheck{strings.ContainsFunc(host, isNoHost), "header", "Host " + quotedText(host) + " is no host name"},
	); err != nil {
		return "", false, err
	}
	if given["Host"] == 0 {
		lines += "Host: " + host + "\r\n"
	}
	// As Go's client sends it with the methods that usually have a body: an explanation has none.
	if given["Content-Length"]+given["Transfer-Encoding"] == 0 &&
		slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method) {
		lines += "Content-Length: 0\r\n"
	}
	return lines, unix, nil
}

// isControl reports whether c is a character that no header value may have (RFC 9110, 5.5).
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// isNoHost reports whether net/http's server refuses a Host header for c.
func isNoHost(c rune) bool {
	return !isHeaderName(string(c)) && !strings.ContainsRune("(),:;=[]", c) || c == '#' || c == '^' || c == '`' || c == '|'
}

// ownHost returns the Host that a client of the listener would send, and whether it would come over a
// socket in the file system. Where the listener is not bound yet it is localhost.
func (p *program) ownHost(listener string) (host string, unix bool) {
	for _, l := range p.listeners {
		if l.role == listener {
			if l.network == "unix" {
				return "localhost", true
			}
			_, host, _ = strings.Cut(l.url(), "://")
			return host, false
		}
	}
	return "localhost", false
}

// shownHeaders returns the lines asked for. Only the values of headers that are known to hold no
// secret are shown: a client may well put a token into a header of its own.
func shownHeaders(lines []string) (out []string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		if name = http.CanonicalHeaderKey(name); !slices.Contains(openHeaders[:], name) && !auth.IsImpersonationHeader(name) {
			value = "REDACTED"
		}
		out = append(out, shownText(name+": "+strings.Trim(value, " \t")))
	}
	return out
}

// openHeaders are the headers, beside those of impersonation, whose values are shown.
var openHeaders = [...]string{
	"Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method", "Content-Length", "Content-Type",
	"Host", "Origin", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Transfer-Encoding", "User-Agent",
}
