package main

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"apichain/admin"
)

// Near misses: routes that would take a request but for exactly one thing. All registered
// routes are looked at, which costs a comparison of a few segments each. Of custom
// resources, which may be ten thousand, only those that share two of group, version and
// plural with the path, and of these the nearest.

const (
	maxNearMisses    = 5
	maxNearResources = 8
)

// nearMiss is a route with what a request lacks for it.
type nearMiss struct {
	route *route
	lack  admin.Lack
	far   int // how much differs; less is nearer
}

// nearMisses are the nearest routes of a dry run that no route takes, or whose route
// refuses it in its own words. The nearest comes first.
func (p *program) nearMisses(x *exchange) []admin.NearMiss {
	var found []nearMiss
	path := x.req.URL.Path
	consider := func(r *route) {
		if r.kind == kindContainer && r.method == "*" { // it refuses what a custom resource has not
			return
		}
		if m, ok := r.near(&x.req, path); ok {
			found = append(found, m)
		}
	}
	rt := x.target.route
	switch {
	case path == "" || path[0] != '/':
	case rt != nil && !(rt.kind == kindContainer && rt.method == "*"):
		consider(rt)
	default:
		for _, s := range p.servers {
			s.container.each(consider)
			s.mux.each(consider)
			if s.more != nil {
				for _, rt := range s.more.near(path) {
					consider(rt)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b nearMiss) int {
		return cmp.Or(cmp.Compare(a.far, b.far), strings.Compare(a.route.pattern, b.route.pattern), strings.Compare(a.route.id(), b.route.id()))
	})
	var out []admin.NearMiss
	for _, m := range found[:min(len(found), maxNearMisses)] {
		m.lack.Got = shownText(m.lack.Got)
		out = append(out, admin.NearMiss{Route: m.route.id(), Lacks: m.lack, RegisteredAt: m.route.at})
	}
	return out
}

// each calls f for every route, under the lock: f must be short.
func (c *container) each(f func(*route)) {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	for _, r := range c.taken {
		f(r)
	}
}

// each is the container's.
func (m *mux) each(f func(*route)) {
	m.table.mu.Lock()
	defer m.table.mu.Unlock()
	for _, r := range m.taken {
		f(r)
	}
}

// near is what the request lacks for the route; not ok when that is nothing, or more than
// one thing.
func (r *route) near(req *http.Request, path string) (m nearMiss, ok bool) {
	lack, far, ok := r.nearPath(path)
	if !ok {
		return m, false
	}
	n := 0
	if lack.What != "" {
		n++
	}
	types := r.types()
	if r.method != "*" && r.method != req.Method {
		n++
		lack, far = admin.Lack{What: "method", Want: r.method, Got: req.Method}, 1
	}
	if len(types.Consumes) > 0 && !takesType(types.Consumes, req) {
		n++
		lack, far = admin.Lack{What: "content-type", Want: strings.Join(types.Consumes, ", "), Got: req.Header.Get("Content-Type")}, 0
	}
	if accept := req.Header["Accept"]; len(types.Produces) > 0 && len(accept) > 0 && !givesType(types.Produces, accept) {
		n++
		lack, far = admin.Lack{What: "accept", Want: strings.Join(types.Produces, ", "), Got: strings.Join(accept, ", ")}, 0
	}
	return nearMiss{r, lack, far}, n == 1
}

// nearPath reports whether path is the route's but for at most one segment, which lack
// names. far says how much of it differs.
func (r *route) nearPath(path string) (lack admin.Lack, far int, ok bool) {
	pattern := r.pattern
	if r.kind == kindContainer {
		path, pattern = trimSlash(path), trimSlash(pattern)
	}
	if more := strings.Count(path, "/") - strings.Count(pattern, "/"); more < -1 || more > 1 && !r.open() || pattern == "/" {
		return lack, 0, false
	}
	have, want := strings.Split(path[1:], "/"), strings.Split(pattern[1:], "/")
	if r.kind == kindPrefix {
		want[len(want)-1] = "{:*}"
	}
	if n := len(want); r.open() && len(have) > n {
		have = have[:n] // it takes all that follows
	}
	same := 0 // literal segments that are the same, to tell what is near from what is merely short
	switch len(have) - len(want) {
	case 0:
		odd := -1
		for i, s := range want {
			switch {
			case !takesSegment(s, have[i]) && odd >= 0:
				return lack, 0, false
			case !takesSegment(s, have[i]):
				odd = i
			case s == have[i]:
				same++
			}
		}
		if odd < 0 {
			return lack, 0, true
		}
		lack = admin.Lack{What: "segment", Want: want[odd], Got: have[odd]}
		if w := lack.Want; len(w) > 1 && w[0] == 'v' && w[1] >= '0' && w[1] <= '9' {
			lack.What = "version"
		}
		far = apart(lack.Want, lack.Got)
		return asLack(lack), far, same > 0 && !r.open() || 2*far <= len(lack.Want)
	case -1:
		i := tooMany(want, have)
		if lack = asLack(admin.Lack{What: "segment", Want: want[max(i, 0)]}); lack.Want == "/" {
			return lack, 1, i >= 0
		}
		return lack, 2, i >= 0
	case 1:
		i := tooMany(have, want)
		return admin.Lack{What: "segment", Got: cmp.Or(have[max(i, 0)], "/")}, 2, i >= 0
	}
	return lack, 0, false
}

// open reports whether the route takes whatever follows its pattern.
func (r *route) open() bool { return r.kind == kindPrefix || strings.HasSuffix(r.pattern, ":*}") }

// asLack writes what only a trailing slash would be as what it is to a client.
func asLack(l admin.Lack) admin.Lack {
	if l.Want == "{:*}" || l.Want == "" && l.Got == "" {
		l.Want = "/"
	}
	return l
}

// tooMany is the one of long that has to go so that it fits short, of a pattern and a path
// either: the one that leaves most segments the same, and of those the last. -1 is none.
func tooMany(long, short []string) int {
	best, most := -1, 0
	for i := range long {
		same := 1
		for j, s := range short {
			other := long[j]
			if j >= i {
				other = long[j+1]
			}
			if s == other {
				same++
			} else if !takesSegment(s, other) && !takesSegment(other, s) {
				same = 0
				break
			}
		}
		if same > 0 && same >= most {
			best, most = i, same
		}
	}
	return best
}

// takesSegment reports whether one segment of a pattern takes one of a path.
func takesSegment(want, have string) bool {
	switch {
	case want == "{:*}":
		return true
	case want != "" && want[0] == '{':
		return have != ""
	}
	return want == have
}

// apart is how many bytes are left of the longer one without what both begin and end with.
func apart(a, b string) int {
	i, j, most := 0, 0, min(len(a), len(b))
	for i < most && a[i] == b[i] {
		i++
	}
	for j < most-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	return max(len(a), len(b)) - i - j
}
