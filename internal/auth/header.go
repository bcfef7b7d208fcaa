package auth

import (
	"fmt"
	"net/http"
	"slices"

	"apichain/internal/request"
)

// frontProxies lets a proxy that shows a certificate of the request-header CA name the
// user in headers.
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

// firstValue is the first value of the first header that has one.
func firstValue(h http.Header, names []string) string {
	for _, name := range names {
		if values := h[name]; len(values) > 0 && values[0] != "" {
			return values[0]
		}
	}
	return ""
}

// extra collects the values by key, in the order of the prefixes and of the names.
func (p *frontProxies) extra(h http.Header) map[string][]string {
	var extra map[string][]string
	for _, prefix := range p.extraPrefixes {
		var names []string
		for name := range h {
			if hasPrefixFold(name, prefix) {
				names = append(names, name)
			}
		}
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
