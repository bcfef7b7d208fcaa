package aggregation

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"

	"apichain/internal/backend"
	"apichain/internal/request"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Remote is a version of a group that another server has. Its fields do not change.
type Remote struct {
	// Name is that of the APIService.
	Name, Group, Version string
	// GroupPriority and VersionPriority say where discovery lists it: higher ones come first.
	GroupPriority, VersionPriority int64
	// Service is where the server is. Several remotes may have the same.
	Service backend.Service
	Backend *backend.Backend
	// Route is whoever routes to it's own: what was made for this remote, so that it is not made for each request, and
	// goes with the remote.
	Route atomic.Value

	services  *Services
	key       string
	spec      map[string]any
	available atomic.Bool
}

// newRemote makes the remote of an object with a Service. The caller holds mu.
func (s *Services) newRemote(o *store.Object, spec map[string]any) *Remote {
	number := func(name string) int64 { n, _ := spec[name].(int64); return n }
	service := tree.Object(spec, "service")
	r := &Remote{
		Name: o.Name(), Group: tree.Text(spec, "group"), Version: tree.Text(spec, "version"),
		GroupPriority: number("groupPriorityMinimum"), VersionPriority: number("versionPriority"),
		Service:  backend.Service{Namespace: tree.Text(service, "namespace"), Name: tree.Text(service, "name"), Port: 443},
		services: s, key: o.Key, spec: spec,
	}
	// Stored by a server that does not fill in defaults, an object may be without.
	if port, ok := service["port"].(int64); ok {
		r.Service.Port = port
	}
	// What is not base64 was refused when it was written, and is no certificate here either.
	bundle, _ := base64.StdEncoding.DecodeString(tree.Text(spec, "caBundle"))
	target := backend.Target{CABundle: bundle, InsecureSkipTLSVerify: tree.True(spec["insecureSkipTLSVerify"])}
	// By its URL then: no Service leads there, and the certificate has the name of the host.
	if g := s.given(&r.Service); g != nil {
		target.URL = g.URL
	} else {
		target.Service = r.Service
	}
	// With the same target it is the backend of before, with its connections and counts.
	r.Backend = s.Backends.Use(backend.APIServer, r.Name, target)
	return r
}

// Root returns the path that its paths begin with, without a slash behind.
func (r *Remote) Root() string {
	if r.Group == "" {
		return "/api"
	}
	return "/apis/" + r.Group + "/" + r.Version
}

// Available reports whether requests are sent to it.
func (r *Remote) Available() bool { return r.available.Load() }

// isAvailable reports whether the condition Available of an APIService is True.
func isAvailable(obj map[string]any) bool {
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == "Available" {
			return tree.Text(c, "status") == "True"
		}
	}
	return false
}

// mostAsked is how large an answer to Ask may be.
const mostAsked = 64 << 20

// Ask sends the server a GET of the program's own, as a user in groups, and returns its answer whatever its code.
// header is what else the request has, which may be nil. Whether the server is available does not count.
func (r *Remote) Ask(ctx context.Context, path string, header http.Header, user string, groups []string) (
	code int, h http.Header, body []byte, err error,
) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Backend.BaseURL()+path, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	// Before identity, so that no caller can say that it is somebody else.
	for k, v := range header {
		req.Header[k] = v
	}
	setIdentity(req.Header, &request.User{Name: user, Groups: groups})
	return r.Backend.Ask(ctx, req, mostAsked)
}

// The headers by which a server behind this one learns who asks.
const (
	headerUser        = "X-Remote-User"
	headerUID         = "X-Remote-Uid"
	headerGroup       = "X-Remote-Group"
	headerExtraPrefix = "X-Remote-Extra-"
)

// setIdentity says who asks. What h said of that must have been removed.
func setIdentity(h http.Header, u *request.User) {
	h[headerUser] = []string{u.Name}
	if u.UID != "" {
		h[headerUID] = []string{u.UID}
	}
	if len(u.Groups) > 0 {
		h[headerGroup] = u.Groups
	}
	for k, v := range u.Extra {
		// Two keys that differ in case are one header: both lists are sent.
		k = http.CanonicalHeaderKey(headerExtraPrefix + escapeKey(k))
		h[k] = append(h[k], v...)
	}
}

// escapeKey makes a key fit for the name of a header: bytes that none may have, and %, are written %XX.
func escapeKey(key string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; c == '%' || !isToken(c) {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isToken reports whether the name of a header may have a byte (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
