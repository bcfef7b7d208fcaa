package main

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"apichain/internal/status"
)

// hostSet decides which names a request may call us by: localhost, a loopback literal,
// an address a listener is bound to, and those of --allowed-hosts; any port. A web page
// that got its own name to point at us (DNS rebinding) is not among them.
type hostSet struct {
	names atomic.Pointer[map[string]bool] // lower case, without port and brackets; replaced whole
}

// newHostSet makes the set with localhost and the allowed names.
func newHostSet(allowed []string) *hostSet {
	h := &hostSet{}
	h.names.Store(&map[string]bool{"localhost": true})
	for _, name := range allowed {
		h.add(name)
	}
	return h
}

// add allows one more name or address. It is for start-up: one caller at a time.
func (h *hostSet) add(name string) {
	names := maps.Clone(*h.names.Load())
	names[strings.ToLower(strings.Trim(name, "[]"))] = true
	h.names.Store(&names)
}

// allows reports whether hostport, as in a Host header, is one of our names.
func (h *hostSet) allows(hostport string) bool {
	// What nearly every client says, without an allocation.
	switch hostOnly(hostport) {
	case "127.0.0.1", "localhost", "::1":
		return true
	}
	host := strings.ToLower(hostOnly(hostport))
	// No name can be made to look like a literal, so all of 127.0.0.0/8 is safe.
	if a, err := netip.ParseAddr(host); err == nil && a.Unmap().IsLoopback() {
		return true
	}
	return (*h.names.Load())[host]
}

// hostOnly returns hostport without its port and without the brackets of an IPv6 literal; "" for
// what has anything else behind the host (RFC 9110, 7.2), of which another reader could make
// another name.
func hostOnly(hostport string) string {
	host, port := hostport, ""
	if strings.HasPrefix(hostport, "[") {
		end := strings.IndexByte(hostport, ']')
		if end < 0 {
			return ""
		}
		// Brackets are for IPv6 alone.
		if host, port = hostport[1:end], hostport[end+1:]; strings.IndexByte(host, ':') < 0 {
			return ""
		}
	} else if i := strings.IndexByte(hostport, ':'); i >= 0 {
		host, port = hostport[:i], hostport[i:]
	}
	if port == "" || port == ":" {
		return host
	}
	if _, err := strconv.ParseUint(port[1:], 10, 16); err != nil || port[0] != ':' {
		return ""
	}
	return host
}

// hostAndOrigin keeps web pages away from the plain listener, which knows no
// passwords: neither a page of another origin nor one whose name was made to point here
// may use it. Sockets in the file system are not reached by browsers and not checked.
func hostAndOrigin(p *program) filter {
	patterns := p.opt.cors.compiled
	return filter{brief: true, flags: []string{"allowed-hosts", "cors-allowed-origins"}, step: func(x *exchange, next handler) error {
		if x.conn != nil && x.conn.unix {
			x.because("no browser reaches a socket in the file system", "")
			return next(x)
		}
		if err := checkHost(&x.req, p.hosts); err != nil {
			x.because(err.Message, "allowed-hosts")
			return err
		}
		if err := checkOrigin(&x.req, patterns); err != nil {
			x.because(err.Message, "cors-allowed-origins")
			return err
		}
		x.because("the Host is a name of this server, and no page of another origin asks", "allowed-hosts")
		return next(x)
	}}
}

// checkHost refuses with 403 a request that calls us by a name which is not ours.
func checkHost(r *http.Request, hosts *hostSet) *status.Error {
	if hosts.allows(r.Host) {
		return nil
	}
	return hostForbidden("the Host " + strconv.Quote(status.Shorten(r.Host, 256)) +
		" is not a name of this server: use localhost or its address, or allow the name with --allowed-hosts")
}

// checkOrigin applies where a browser says which page a request is from: our own or one
// that --cors-allowed-origins allows. Without Origin, Sec-Fetch-Site says whether it is
// from elsewhere (Fetch Metadata): a link or an image of another site sends no Origin.
func checkOrigin(r *http.Request, allowed originPatterns) *status.Error {
	if o := r.Header["Origin"]; len(o) > 0 {
		scheme, host := originHost(o[0])
		own := "http"
		if r.TLS != nil {
			own = "https"
		}
		// "null" is what a page in a sandbox says, whoever wrote it: no pattern may allow it.
		if len(o) == 1 && (scheme == own && host != "" && strings.EqualFold(host, r.Host) || o[0] != "null" && allowed.match(o[0])) {
			return nil
		}
		return hostForbidden("the Origin " + strconv.Quote(status.Shorten(o[0], 256)) +
			" may not use this server: allow it with --cors-allowed-origins")
	}
	if s := r.Header["Sec-Fetch-Site"]; len(s) > 0 && s[0] == "cross-site" {
		return hostForbidden("a web page of another site may not use this server: allow its origin with --cors-allowed-origins")
	}
	return nil
}

// originHost returns the host:port of an Origin header, and its scheme; "" for null and for
// what is no origin.
func originHost(origin string) (scheme, host string) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return "", ""
	}
	return u.Scheme, u.Host
}

// hostForbidden returns the 403 for a web page that has no business here.
func hostForbidden(message string) *status.Error {
	return &status.Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: message, Details: &status.Details{}}
}

// loopbackAddress reports whether a TCP address is bound to loopback alone.
func loopbackAddress(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
