package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"apichain/internal/request"
)

// frontProxies lets a proxy that shows a certificate of the request-header CA name the
// user in headers. Anybody may send the headers; the certificate is what makes them count.
// It may be used concurrently.
type frontProxies struct {
	certs certVerifier
	names []string // common names of the proxies; empty: any

	userHeaders, uidHeaders, groupHeaders []string // canonical
	extraPrefixes                         []string
}

// authenticate returns the user that the proxy names. nil without an error means that
// there is no request-header CA, or that the proxy speaks for itself. r must have a
// client certificate.
func (p *frontProxies) authenticate(r *http.Request) (*request.User, error) {
	verified, err := p.certs.verify(r.TLS.PeerCertificates)
	if verified == nil {
		return nil, err
	}
	if name := r.TLS.PeerCertificates[0].Subject.CommonName; len(p.names) > 0 && !slices.Contains(p.names, name) {
		return nil, fmt.Errorf("common name %q is not among the front proxies", name)
	}
	u := &request.User{Name: firstValue(r.Header, p.userHeaders)}
	// Groups without a user name nobody.
	if u.Name == "" {
		return nil, nil
	}
	u.UID = firstValue(r.Header, p.uidHeaders)
	for _, name := range p.groupHeaders {
		for _, group := range r.Header[name] {
			if group != "" {
				u.Groups = append(u.Groups, group)
			}
		}
	}
	u.Extra = p.extra(r.Header)
	return authenticated(u), nil
}

// firstValue returns the first line of the first header whose first line is not empty, in
// the order of names; "" when none is.
func firstValue(h http.Header, names []string) string {
	for _, name := range names {
		if values := h[name]; len(values) > 0 && values[0] != "" {
			return values[0]
		}
	}
	return ""
}

// extra collects the values by key, in the order of the prefixes and, below one, of the
// names; nil when there is none.
func (p *frontProxies) extra(h http.Header) map[string][]string {
	var extra map[string][]string
	for _, prefix := range p.extraPrefixes {
		var names []string
		for name := range h {
			if hasPrefixFold(name, prefix) {
				names = append(names, name)
			}
		}
		// Two names may stand for one key, and a map has no order.
		slices.Sort(names)
		for _, name := range names {
			if extra == nil {
				extra = map[string][]string{}
			}
			key := extraKey(name[len(prefix):])
			extra[key] = append(extra[key], h[name]...)
		}
	}
	return extra
}

// extraKey returns the key that the tail of a header's name stands for: lower case, since
// the case of a header's name means nothing, with its percent escapes decoded, so that a
// key may have characters that a name may not, as in X-Remote-Extra-Example.com%2fscopes.
// A wrong escape is kept as it is (upstream).
func extraKey(tail string) string {
	tail = strings.ToLower(tail)
	if key, err := url.PathUnescape(tail); err == nil {
		return key
	}
	return tail
}
