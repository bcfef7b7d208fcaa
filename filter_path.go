package main

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"apichain/internal/flags"
	"apichain/internal/status"
)

// The first filter of both chains: one reading of a request, or none. What decides on a request
// and what serves it must see the same path, the same end of the body and the same server, so a
// request on which two programs could differ is refused before anybody decides anything:
//
//	/api/v1/pods/..%2fsecrets    400: an encoded slash
//	/api/v1/pods/../secrets      400: a dot segment; nothing is cleaned or redirected
//	GET http://evil.org/ HTTP/1.1    421: the target names another server
//
// net/http refuses what HTTP/1.1 itself forbids (two lengths, a bad chunk); here is what it lets
// pass. It also bounds how much there is to read: net/http bounds the header by bytes alone.

// frontOptions bound what is read of a request before anything decides on it.
type frontOptions struct {
	maxHeaderLines, maxCookies, maxQueryKeys int
	allowedHosts                             []string
}

func (o *frontOptions) Register(f *flags.Set) {
	f.In("bounds")
	f.Int(&o.maxHeaderLines, "max-header-lines", 256, "most header lines of a request; more is 431")
	f.Int(&o.maxCookies, "max-cookies", 128, "most cookies of a request; more is 431")
	f.Int(&o.maxQueryKeys, "max-query-keys", 1000, "most parameters of a query; more is 400")
	f.List(&o.allowedHosts, "allowed-hosts", nil, "further host names that requests to the plain and admin listeners may name in Host")
}

func (o *frontOptions) Check(p *flags.Problems) {
	p.When(o.maxHeaderLines < 1, "max-header-lines", "must be at least 1, is %d", o.maxHeaderLines)
	p.When(o.maxCookies < 1, "max-cookies", "must be at least 1, is %d", o.maxCookies)
	p.When(o.maxQueryKeys < 1, "max-query-keys", "must be at least 1, is %d", o.maxQueryKeys)
}

// canonicalPath refuses a request whose path has two readings, whose framing is in
// doubt, or which is larger than the bounds. Nothing is cleaned or redirected: what
// passes is routed and authorised as it was sent.
func canonicalPath(p *program) filter {
	return filter{flags: []string{"max-header-lines", "max-cookies", "max-query-keys"}, step: func(x *exchange, next handler) error {
		// The framing first: where it is in doubt, the rest of the request may be another's.
		if err := checkFraming(&x.req, x.conn, p.hosts); err != nil {
			x.because(err.Message, "")
			return err
		}
		if flag, err := p.opt.front.checkBounds(&x.req); err != nil {
			x.because(err.Message, flag)
			return err
		}
		if err := checkPath(&x.req); err != nil {
			x.because(err.Message, "")
			return err
		}
		x.because("nothing to refuse", "")
		return next(x)
	}}
}

// checkFraming refuses what makes it unclear whom a request is for or where it ends. The
// connection is closed each time, because what follows on it is in doubt too.
func checkFraming(r *http.Request, c *conn, hosts *hostSet) *status.Error {
	if r.Method == http.MethodConnect {
		return &status.Error{
			Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed", Message: "CONNECT is not supported: this server is no proxy",
			Details: &status.Details{}, Allow: "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT", Close: true,
		}
	}
	if r.ProtoMajor == 1 && c.cameEarly() {
		return closing(status.BadRequest(
			"the request came before the answer to the one before it, whose body was chunked: its beginning is in doubt"))
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		// net/http drops the line before we see the request: on the plain listener the
		// connection has noticed it, and everywhere a body that is not counted by
		// Content-Length cannot be one of HTTP/1.0 (RFC 1945, 7.2.2).
		if c.sawTransferEncoding() {
			return closing(status.BadRequest("Transfer-Encoding is not part of HTTP/1.0: send the request as HTTP/1.1"))
		}
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch:
			if len(r.Header["Content-Length"]) == 0 {
				return closing(status.BadRequest(
					"an HTTP/1.0 request with a body needs Content-Length (Transfer-Encoding is not part of HTTP/1.0)"))
			}
		}
	}
	// An absolute target (RFC 9112, 3.2.2) overrules Host. A proxy in front of us may have gone by
	// the one and we by the other, so it must name us, or the server that TLS was set up with.
	if r.URL.Host != "" && r.ProtoMajor == 1 && !hosts.allows(r.URL.Host) &&
		(r.TLS == nil || !strings.EqualFold(r.TLS.ServerName, r.URL.Hostname()) || r.TLS.ServerName == "") {
		e := status.BadRequest("the request target names the host " + strconv.Quote(r.URL.Host) + ", which is not this server")
		e.Code, e.Reason, e.Close = http.StatusMisdirectedRequest, "", true
		return e
	}
	return nil
}

// doubtfulEnd reports whether another program may have found another end of a chunked body than we,
// so that what follows on the connection could be its and not the client's (request smuggling): the
// body was not read to its end, a length was given too, or a proxy is in between, whose reading we do
// not know.
func doubtfulEnd(x *exchange) bool {
	h := x.req.Header
	return !x.in.ended.Load() || x.conn.sawTwoLengths() || h["Via"] != nil || h["Forwarded"] != nil || h["X-Forwarded-For"] != nil
}

// closing makes an error end the connection, and returns it.
func closing(e *status.Error) *status.Error {
	e.Close = true
	return e
}

// checkBounds counts header lines, cookies and query parameters. With an error it names
// the flag that sets the bound.
func (o *frontOptions) checkBounds(r *http.Request) (flag string, err *status.Error) {
	lines := 0
	for _, v := range r.Header {
		lines += len(v)
	}
	if lines > o.maxHeaderLines {
		return "max-header-lines", tooLarge("header lines", lines, o.maxHeaderLines)
	}
	// Counted, not parsed: the bound is there because parsing them costs.
	if c := r.Header["Cookie"]; len(c) > 0 {
		n := 0
		for _, line := range c {
			n += strings.Count(line, ";") + 1
		}
		if n > o.maxCookies {
			return "max-cookies", tooLarge("cookies", n, o.maxCookies)
		}
	}
	if q := r.URL.RawQuery; len(q) > o.maxQueryKeys && strings.Count(q, "&") >= o.maxQueryKeys {
		return "max-query-keys", status.BadRequest("the query has more than " + strconv.Itoa(o.maxQueryKeys) + " parameters")
	}
	return "", nil
}

// tooLarge returns the 431 (RFC 6585, section 5) of a request that has n of what, more than most.
func tooLarge(what string, n, most int) *status.Error {
	return &status.Error{
		Code: http.StatusRequestHeaderFieldsTooLarge, Reason: "RequestHeaderFieldsTooLarge",
		Message: "the request has " + strconv.Itoa(n) + " " + what + ", more than " + strconv.Itoa(most),
	}
}

// checkPath refuses a path with more than one reading: encoded slashes and backslashes,
// dot segments in any spelling, control characters, bytes that are not UTF-8. Other
// encodings are decoded once, by net/http; "//" and ";" pass as they are.
func checkPath(r *http.Request) *status.Error {
	path := r.URL.Path
	if path == "" || path[0] != '/' {
		return badPath(path, "must begin with /")
	}
	raw := r.URL.RawPath // set only where the default encoding of Path differs from what was sent
	if raw == "" {
		raw = path
	} else if what := doubtful(raw); what != "" {
		return badPath(raw, what)
	}
	// A raw path that net/http took for the default encoding can still hold %5C, %00 and
	// the like: they are in Path decoded.
	ascii := true
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c < 0x20 || c == 0x7f:
			return badPath(raw, "holds a control character")
		case c == '\\':
			return badPath(raw, "holds a backslash")
		case c == '.' && i > 0 && path[i-1] == '/' && dotSegment(path[i:]):
			return badPath(raw, "holds a dot segment")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(path) {
		return badPath(raw, "is not UTF-8")
	}
	return nil
}

// doubtful says what is wrong with the spelling of a raw path: a decoded Path no longer
// shows whether a slash was encoded. "" is nothing.
func doubtful(raw string) string {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] == '%' && raw[i+1] == '2' && raw[i+2]|0x20 == 'f' {
			return "holds an encoded slash"
		}
	}
	return ""
}

// dotSegment reports whether s, which begins with a dot, begins with the segment "." or "..".
func dotSegment(s string) bool {
	s = strings.TrimPrefix(s[1:], ".")
	return s == "" || s[0] == '/'
}

// badPath returns the 400 of a path.
func badPath(path, what string) *status.Error {
	return status.BadRequest("the path " + strconv.Quote(status.Shorten(path, 256)) + " " + what)
}
