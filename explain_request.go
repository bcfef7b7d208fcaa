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

// Explain is the admin package's question. Its errors name the parameter.
func (s source) Explain(q admin.ExplainRequest) (admin.Explanation, *admin.Error) {
	p := s.p
	listener := cmp.Or(q.Listener, "https")
	if q.Listener == "" && off(p.opt.listen.https) {
		listener = "http"
	}
	i := slices.IndexFunc(p.chains, func(c *chain) bool { return c.listener == listener })
	switch {
	case i < 0:
		return admin.Explanation{}, unexplained("listener", "is http or https, not "+strconv.Quote(shownText(listener)))
	case !slices.Contains(p.serving(), p.chains[i]):
		return admin.Explanation{}, unexplained("listener", listener+" is off: see --listen-"+listener)
	}
	r, err := p.dryRequest(listener, &q)
	if err != nil {
		return admin.Explanation{}, err
	}
	u, err := p.dryUser(listener, &q)
	if err != nil {
		return admin.Explanation{}, err
	}
	shown := admin.ExplainedRequest{Method: r.Method, Path: redactURI(r.URL), Listener: listener, Headers: shownHeaders(q.Headers)}
	if u != nil {
		shown.User, shown.Groups = shownText(u.Name), u.Groups
	}
	e := p.chains[i].explain(r, u)
	e.Request = shown
	return e, nil
}

func unexplained(parameter, problem string) *admin.Error {
	return &admin.Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: "query parameter " + parameter + ": " + problem}
}

// dryUser is who the request is from, with the groups that nobody has to ask for; nil
// where its headers say.
func (p *program) dryUser(listener string, q *admin.ExplainRequest) (*request.User, *admin.Error) {
	switch {
	case q.User == "" && len(q.Groups) > 0:
		return nil, unexplained("group", "is of no use without user")
	case q.User == "":
		return nil, nil
	case listener == "http":
		return nil, unexplained("user", "everybody on the plain listener is "+request.UserUnsecured+": ask for listener=https")
	}
	u := &request.User{Name: q.User, Groups: slices.Clone(q.Groups)}
	auth.CompleteGroups(u, len(q.Groups) > 0)
	return u, nil
}

// maxHead is the most bytes of a request's head that net/http reads.
const maxHead = 1<<20 + 4096

// dryRequest is the request as net/http's server would hand it over, which refuses what
// it refuses: it is written down and read by the same code.
func (p *program) dryRequest(listener string, q *admin.ExplainRequest) (*http.Request, *admin.Error) {
	method := cmp.Or(q.Method, http.MethodGet)
	if !isHeaderName(method) {
		return nil, unexplained("method", strconv.Quote(shownText(method))+" is no method of HTTP")
	}
	if q.Path == "" || strings.ContainsFunc(q.Path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return nil, unexplained("path", strconv.Quote(shownText(q.Path))+" is no request target: it begins with / and has neither spaces nor control characters")
	}
	host, unix := p.ownHost(listener)
	lines, given := "", map[string]int{}
	for _, line := range q.Headers {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch kind := http.CanonicalHeaderKey(name); {
		case !ok || !isHeaderName(name):
			return nil, unexplained("header", "wants Name: value, with a name of letters, digits and -")
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
			return nil, unexplained("header", kind+" has a control character in its value")
		case listener == "http" && p.authn.IsCredential(kind):
			return nil, unexplained("header", kind+" carries credentials, which the plain listener does not look at: ask for listener=https")
		case kind == "Host":
			host = value
			fallthrough
		default:
			given[kind]++
			lines += kind + ": " + value + "\r\n"
		}
	}
	switch {
	case given["Host"] > 1:
		return nil, unexplained("header", "Host comes twice")
	case strings.ContainsFunc(host, func(c rune) bool {
		return !isHeaderName(string(c)) && !strings.ContainsRune("(),:;=[]", c) || c == '#' || c == '^' || c == '`' || c == '|'
	}):
		return nil, unexplained("header", "Host "+strconv.Quote(shownText(host))+" is no host name")
	case given["Host"] == 0:
		lines += "Host: " + host + "\r\n"
	}
	if given["Content-Length"]+given["Transfer-Encoding"] == 0 && slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method) {
		lines += "Content-Length: 0\r\n"
	}
	head := method + " " + q.Path + " HTTP/1.1\r\n" + lines + "\r\n"
	if len(head) > maxHead {
		return nil, unexplained("header", "the request's head is larger than 1 MiB, which is refused before the first filter")
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		return nil, unexplained("path", "the request is refused before the first filter: "+shownText(err.Error()))
	}
	if expect := r.Header.Get("Expect"); expect != "" && !strings.EqualFold(expect, "100-continue") {
		return nil, unexplained("header", "Expect is refused before the first filter")
	}
	if listener == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	}
	ctx := context.Background()
	if unix {
		ctx = context.WithValue(ctx, connKey{}, &conn{unix: true})
	}
	return r.WithContext(ctx), nil
}

// ownHost is the Host that a client of the listener would send, and whether it would come
// over a socket in the file system.
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

// shownHeaders are the lines asked for, with the values of those that hold no secret.
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

var openHeaders = [...]string{"Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method", "Content-Length", "Content-Type", "Host", "Origin", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Transfer-Encoding", "User-Agent"}
