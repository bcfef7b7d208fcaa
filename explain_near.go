package main

import (
	"cmp"
	"net/http"
	"sort"
	"strings"

	"apichain/admin"
	"apichain/internal/request"
)

// Near misses: the routes that would take a request but for exactly one thing, which is its method,
// its media types, a segment of its path that differs, one that is missing or one too many. Whoever
// asks why a request is 404 or 405 has mostly mistyped one thing, and the route says which. With two
// things wrong everything would be near.
//
// All registered routes are compared with the request, which costs a few segments each. Custom
// resources may be ten thousand, with ten routes each, so a server's finder offers only those of the
// nearest resources: see customRoutes.near.
//
// Misses are sorted by distance: what a client is surest to have meant comes first. 0 is a type that
// the negotiation refuses, on the very path and method; 1 a method, or a slash missing at the end; 2 a segment
// too many or missing; a segment that differs counts its bytes that differ. So /api/v2/pods is near
// /api/v1/pods by 1, and configmap near configmaps by 1 as well.

const (
	maxNearMisses    = 5 // shown in an explanation
	maxNearResources = 8 // custom resources whose routes are compared
)

// nearMiss is a route with the one thing that a request lacks for it.
type nearMiss struct {
	route    *route
	lack     admin.Lack
	distance int // how much differs; less is nearer
}

// nearMisses returns the nearest routes of a dry run that no route takes, or whose route refuses it
// in its own words. The nearest comes first, and equally near ones have an order of their own.
func (p *program) nearMisses(x *exchange) []admin.NearMiss {
	var found []nearMiss
	for _, r := range p.nearCandidates(x) {
		// The route of methods that a custom resource has not takes every request in order to
		// refuse it: nothing can be near it.
		if r.refusesMethods() {
			continue
		}
		if m, ok := r.near(&x.req, x.req.URL.Path); ok {
			found = append(found, m)
		}
	}
	sort.Slice(found, func(i, j int) bool {
		a, b := &found[i], &found[j]
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.route.pattern, b.route.pattern),
			strings.Compare(a.route.id(), b.route.id())) < 0
	})
	var out []admin.NearMiss
	for _, m := range found[:min(len(found), maxNearMisses)] {
		m.lack.Got = request.Shown(m.lack.Got)
		out = append(out, admin.NearMiss{Route: m.route.id(), Lacks: m.lack, RegisteredAt: m.route.at})
	}
	return out
}

// nearCandidates returns the routes that x is compared with. A request that has a route lacks at most
// what this route's handler asks for, so others are not looked at. Requests for no path (OPTIONS *)
// are near nothing.
func (p *program) nearCandidates(x *exchange) []*route {
	path := x.req.URL.Path
	if path == "" || path[0] != '/' {
		return nil
	}
	if rt := x.target.route; rt != nil && !rt.refusesMethods() {
		return []*route{rt}
	}
	var out []*route
	for _, s := range p.servers {
		out = append(append(out, s.container.routes()...), s.mux.routes()...)
		if s.more != nil {
			out = append(out, s.more.near(path)...)
		}
	}
	return out
}

// refusesMethods reports whether the route is a resource's answer to methods that it has not.
func (r *route) refusesMethods() bool { return r.kind == kindContainer && r.method == "*" }

// near returns what the request lacks for the route. It is not ok when that is nothing, or more than
// one thing.
func (r *route) near(req *http.Request, path string) (m nearMiss, ok bool) {
	lack, distance, ok := r.nearPath(path)
	if !ok {
		return m, false
	}
	lacking := 0
	if lack.What != "" {
		lacking++
	}
	// From here on the path fits, or is the one thing: what overwrites it makes a second.
	types := r.types()
	if r.method != "*" && r.method != req.Method {
		lacking++
		lack, distance = admin.Lack{What: "method", Want: r.method, Got: req.Method}, 1
	}
	if len(types.Consumes) > 0 && !takesType(types.Consumes, req) {
		lacking++
		want := strings.Join(types.Consumes, ", ")
		lack, distance = admin.Lack{What: "content-type", Want: want, Got: req.Header.Get("Content-Type")}, 0
	}
	if accept := req.Header["Accept"]; len(types.Produces) > 0 && len(accept) > 0 && !givesType(types.Produces, accept) {
		lacking++
		want := strings.Join(types.Produces, ", ")
		lack, distance = admin.Lack{What: "accept", Want: want, Got: strings.Join(accept, ", ")}, 0
	}
	return nearMiss{r, lack, distance}, lacking == 1
}

// nearPath compares a path with the route's pattern. It is ok if the pattern takes the path, with a
// lack that says nothing, or would with one segment replaced, added or taken away, which lack names.
func (r *route) nearPath(path string) (lack admin.Lack, distance int, ok bool) {
	pattern := r.pattern
	// A container does not count a slash at the end; to the mux it is a segment, which is empty.
	if r.kind == kindContainer {
		path, pattern = trimSlash(path), trimSlash(pattern)
	}
	// Most routes are ruled out by their length, before anything is split. Only a tail may take more
	// than one segment beyond the pattern. "/" is left out, as the whole of any path is the lack.
	longer := strings.Count(path, "/") - strings.Count(pattern, "/")
	if longer < -1 || longer > 1 && !r.hasTail() || pattern == "/" {
		return lack, 0, false
	}
	have, want := strings.Split(path[1:], "/"), strings.Split(pattern[1:], "/")
	if r.kind == kindPrefix {
		// Its pattern ends in a slash, behind which anything may follow: as a container's tail.
		want[len(want)-1] = "{:*}"
	}
	if n := len(want); r.hasTail() && len(have) > n {
		have = have[:n] // the tail takes what follows
	}
	switch len(have) - len(want) {
	case 0:
		return r.nearSegment(have, want)
	case -1:
		i := extraSegment(want, have)
		if i < 0 {
			return lack, 0, false
		}
		if lack = asSlash(admin.Lack{What: "segment", Want: want[i]}); lack.Want == "/" {
			return lack, 1, true
		}
		return lack, 2, true
	default:
		i := extraSegment(have, want)
		if i < 0 {
			return lack, 0, false
		}
		return admin.Lack{What: "segment", Got: cmp.Or(have[i], "/")}, 2, true
	}
}

// nearSegment compares a path with a pattern of as many segments, as nearPath does. The one that
// differs must not be all that there is: of a mux route /readyz and a path /version nothing is the
// same but the length. So a literal segment must be common to both or, where the pattern takes
// anything behind a few segments, the segment that differs must be half the same.
func (r *route) nearSegment(have, want []string) (lack admin.Lack, distance int, ok bool) {
	differing, sameLiterals := -1, 0
	for i, s := range want {
		switch {
		case s == have[i]:
			sameLiterals++
		case segmentMatches(s, have[i]):
		case differing >= 0:
			return lack, 0, false
		default:
			differing = i
		}
	}
	if differing < 0 {
		return lack, 0, true
	}
	lack = admin.Lack{What: "segment", Want: want[differing], Got: have[differing]}
	// v1, v2beta1: an API version, which is the likeliest thing to be wrong in a path.
	if w := lack.Want; len(w) > 1 && w[0] == 'v' && w[1] >= '0' && w[1] <= '9' {
		lack.What = "version"
	}
	distance = byteDistance(lack.Want, lack.Got)
	return asSlash(lack), distance, sameLiterals > 0 && !r.hasTail() || 2*distance <= len(lack.Want)
}

// hasTail reports whether the route takes whatever follows its pattern.
func (r *route) hasTail() bool { return r.kind == kindPrefix || strings.HasSuffix(r.pattern, ":*}") }

// asSlash shows a lack that is a trailing slash alone as "/". In segments it is one without a name,
// or the tail, which a client that has left the slash off knows nothing of.
func asSlash(l admin.Lack) admin.Lack {
	if l.Want == "{:*}" || l.Want == "" && l.Got == "" {
		l.Want = "/"
	}
	return l
}

// extraSegment returns which segment of long has to go so that the rest matches short, -1 for none.
// One is of a pattern and the other of a path, whichever is longer. Of several it is the one that
// leaves most segments equal, since a parameter matches anything, and of those the last: in
// /things/a/part/part the second part is too many.
func extraSegment(long, short []string) int {
	best, most := -1, 0
	for i := range long {
		equal := 1 // one more than there are, so that 0 is no match
		for j, s := range short {
			// long without its segment i.
			other := long[j]
			if j >= i {
				other = long[j+1]
			}
			if s == other {
				equal++
			} else if !segmentMatches(s, other) && !segmentMatches(other, s) {
				equal = 0
				break
			}
		}
		if equal > 0 && equal >= most {
			best, most = i, equal
		}
	}
	return best
}

// segmentMatches reports whether one segment of a pattern takes one of a path. A parameter takes
// any that is not empty, a tail the empty one too.
func segmentMatches(want, have string) bool {
	switch {
	case want == "{:*}":
		return true
	case want != "" && want[0] == '{':
		return have != ""
	}
	return want == have
}

// byteDistance returns how many bytes are left of the longer text without what both begin and end
// with: 0 for equal ones, 1 for a letter that was changed, left out or added, and at most the longer
// length. Other than an edit distance it costs one pass, and it counts what lies between two typos.
func byteDistance(a, b string) int {
	i, j, most := 0, 0, min(len(a), len(b))
	for i < most && a[i] == b[i] {
		i++
	}
	// The common end must not reach into the common beginning: "aa" and "a" differ by one.
	for j < most-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	return max(len(a), len(b)) - i - j
}
