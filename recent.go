package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"apichain/admin"
)

// recentOptions says how many requests that have ended are kept.
type recentOptions struct{ requests, slowest int }

func (o *recentOptions) register(f *flags) {
	f.in("admin")
	f.int(&o.requests, "recent-requests", 1000, "requests that have ended, and the time each spent where, that are kept for /admin/v1/requests; 0: none, and no time is taken")
	f.int(&o.slowest, "slowest-per-route", 5, "slowest requests of each route that are kept besides; 0: none")
}

func (o *recentOptions) check(p *problems) {
	if o.requests < 0 || o.requests > 100_000 {
		p.add("recent-requests", "must be from 0 to 100000, is %d", o.requests)
	}
	if o.slowest < 0 || o.slowest > 100 {
		p.add("slowest-per-route", "must be from 0 to 100, is %d", o.slowest)
	}
}

// recentRequests is the ring of requests that have ended and the slowest of each route.
// init makes it ready. Its memory is bounded: a record keeps at most some 20 KiB
// of text and mostly less than 1, the slowest are kept of at most mostSlowRoutes
// routes. A record owns its text: nothing that a request allocated is held by it.
type recentRequests struct {
	slots []slot // none: nothing is recorded
	next  atomic.Uint64

	perRoute int
	mu       sync.Mutex
	routes   map[string]*slowRoute // by id
	changes  uint64                // of routes
}

// slot is one place of the ring. Who comes later has the larger turn and wins, should
// the ring run past a slow writer.
type slot struct {
	mu   sync.Mutex
	turn uint64
	record
}

// mostSlowRoutes is how many routes the slowest are kept of. For a further one, the one
// that has had no slow request for longest is given up.
const mostSlowRoutes = 1000

// slowRoute is the slowest requests of one route. least is what a request must exceed to
// be looked at: -1 while there is room, or when the route was given up. All else is under
// recentRequests.mu.
type slowRoute struct {
	least   atomic.Int64
	gone    bool
	changed uint64
	kept    []*record
}

func (r *recentRequests) init(o *recentOptions) {
	if o.requests > 0 {
		r.slots, r.perRoute, r.routes = make([]slot, o.requests), o.slowest, map[string]*slowRoute{}
	}
}

func (r *recentRequests) on() bool { return len(r.slots) > 0 }

// add keeps an exchange that ends.
func (r *recentRequests) add(x *exchange, how ending, took time.Duration) {
	turn := r.next.Add(1)
	s := &r.slots[turn%uint64(len(r.slots))]
	s.mu.Lock()
	if turn > s.turn {
		s.turn = turn
		s.fill(x, how, took)
	}
	s.mu.Unlock()
	if t := x.recording; t.sampled {
		s := t.spent(x, int(x.at.Load()), how, took)
		s.each(x.chain.timeoutRow, took, func(place int, own time.Duration) { x.chain.times[place].add(own) })
	}
	// A long-running request lasts as long as its client likes, so it is not slow.
	if t := x.target.route; t != nil && r.perRoute > 0 && !x.longRunning && int(x.at.Load()) >= len(x.chain.rows) {
		if slow := t.slow.Load(); slow == nil || int64(took) > slow.least.Load() {
			r.addSlow(t, x, how, took)
		}
	}
}

func (r *recentRequests) addSlow(t *route, x *exchange, how ending, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slow := t.slow.Load()
	if slow == nil || slow.gone {
		slow = r.routeLocked(t.id())
		t.slow.Store(slow)
	}
	k := &record{}
	if len(slow.kept) == r.perRoute {
		i := slow.fastestLocked()
		if k = slow.kept[i]; took <= k.took {
			return
		}
	} else {
		slow.kept = append(slow.kept, k)
	}
	k.fill(x, how, took)
	r.changes++
	slow.changed = r.changes
	if len(slow.kept) == r.perRoute {
		slow.least.Store(int64(slow.kept[slow.fastestLocked()].took))
	}
}

func (s *slowRoute) fastestLocked() int {
	fastest := 0
	for i, k := range s.kept {
		if k.took < s.kept[fastest].took {
			fastest = i
		}
	}
	return fastest
}

// routeLocked is the slowest of the route called id, made at its first use.
func (r *recentRequests) routeLocked(id string) *slowRoute {
	if s := r.routes[id]; s != nil {
		return s
	}
	if len(r.routes) >= mostSlowRoutes {
		var oldest string
		for id, s := range r.routes {
			if oldest == "" || s.changed < r.routes[oldest].changed {
				oldest = id
			}
		}
		r.routes[oldest].gone = true
		r.routes[oldest].least.Store(-1)
		delete(r.routes, oldest)
	}
	s := &slowRoute{}
	s.least.Store(-1)
	r.routes[id] = s
	return s
}

// record is one request that has ended. Its text is in one buffer, in the order of the
// constants, then the groups; ends says where each ends.
type record struct {
	id          uint64
	chain       *chain
	received    time.Time
	took        time.Duration
	at          int
	how         ending
	status      int
	in, out     int64
	longRunning bool
	timed       bool
	spent       spent
	stack       []string
	text        []byte
	ends        []int
}

const (
	textMethod = iota
	textAuditID
	textPath
	textQuery
	textVerb
	textResource
	textNamespace
	textName
	textUser
	textImpersonatedBy
	textRemoteAddr
	textUserAgent
	textServer
	textRoute
	textReason
	textGroups
)

// mostText is how long the groups of a record may make its text, and how much room for
// text it keeps for the next request, in bytes.
const mostText = 16 << 10

// fill makes k the record of an exchange that ends, in the goroutine that closes its
// books. It allocates only while k's buffers grow, and for a panic.
func (k *record) fill(x *exchange, how ending, took time.Duration) {
	c, at := x.chain, int(x.at.Load())
	text, ends := k.text[:0], k.ends[:0]
	if cap(text) > mostText {
		text = nil
	}
	*k = record{id: x.id, chain: c, received: x.received, took: took, at: at, how: how, status: int(x.status.Load()), in: x.bytesIn.Load(), out: x.bytesOut.Load()}
	var info *RequestInfo
	if at > c.infoRow {
		info, k.longRunning = &x.info, x.longRunning
	} else {
		info = &RequestInfo{}
	}
	if x.recording != nil {
		k.timed = true
		k.spent = x.recording.spent(x, at, how, took)
	}
	if how == endPanicked {
		k.stack = frames(string(x.panicked.stack))
	}
	user, real := x.shownUser(), ""
	if user == nil {
		user = &User{}
	} else if user != x.user {
		real = x.user.Name
	}
	end := func() { ends = append(ends, len(text)) }
	add := func(s string, most int) {
		text = appendShown(text, s, most)
		end()
	}
	add(x.req.Method, 32)
	add(x.auditID[0], 2048)
	add(x.path, 2048)
	text = appendShownQuery(text, x.query)
	end()
	add(info.Verb, 32)
	if info.IsResourceRequest {
		text = appendResourceName(text, info)
	}
	end()
	add(info.Namespace, 2048)
	add(info.Name, 2048)
	add(user.Name, 2048)
	add(real, 2048)
	add(x.req.RemoteAddr, 256)
	add(x.userAgent, 256)
	var t target
	if at >= len(c.rows) {
		t = x.target
	}
	if t.server != nil {
		text = append(text, t.server.name...)
	}
	end()
	if t.route != nil {
		text = t.route.appendID(text)
	}
	end()
	add(x.sentReason(how), 256)
	for _, g := range user.Groups {
		if len(text)+len(g) > mostText {
			add("…", 3)
			break
		}
		add(g, 2048)
	}
	k.text, k.ends = text, ends
}

// appendShown appends a client's text as valid UTF-8, cut at most bytes.
func appendShown(b []byte, s string, most int) []byte {
	if len(s) > most || !utf8.ValidString(s) {
		s = strings.ToValidUTF8(shorten(s, most), "\uFFFD")
	}
	return append(b, s...)
}

// sentReason is the reason of the Status that was sent. Where the time limit answers, a
// handler that goes on may still be failing.
func (x *exchange) sentReason(how ending) string {
	if how == endTimedOut && x.state.Load() == stateExpired {
		return errTimeout.reason
	}
	if x.refusal == nil {
		return ""
	}
	return x.refusal.reason
}

// finishedRow is the exchange that ends now as /admin/v1/requests shows it. It is for the
// goroutine that closes the books, in finish.
func (x *exchange) finishedRow(how ending, took time.Duration) admin.FinishedRequest {
	var k record
	k.fill(x, how, took)
	return k.shown()
}

// shown is the record for the admin endpoint. It shares nothing with k that changes.
func (k *record) shown() admin.FinishedRequest {
	all := string(k.text)
	text := func(i int) string {
		if i == 0 {
			return all[:k.ends[0]]
		}
		return all[k.ends[i-1]:k.ends[i]]
	}
	a := admin.FinishedRequest{
		ID: fmt.Sprint(k.id), AuditID: text(textAuditID), Listener: k.chain.listener, Method: text(textMethod), Path: text(textPath), Query: text(textQuery),
		Verb: text(textVerb), Resource: text(textResource), Namespace: text(textNamespace), Name: text(textName), User: text(textUser), Groups: []string{}, ImpersonatedBy: text(textImpersonatedBy),
		RemoteAddr: text(textRemoteAddr), UserAgent: text(textUserAgent), ReceivedAt: admin.Time(k.received), DurationMs: exactMs(k.took), Reason: text(textReason),
		Ended: string(k.how), EndedIn: k.chain.place(k.at), BytesIn: k.in, BytesOut: k.out, LongRunning: k.longRunning, Filters: []admin.FilterTime{}, Stack: noNil(k.stack),
	}
	for i := textGroups; i < len(k.ends); i++ {
		a.Groups = append(a.Groups, text(i))
	}
	if s := text(textServer); s != "" {
		a.Server = &s
	}
	if s := text(textRoute); s != "" {
		a.Route = &s
	}
	if status := k.status; status > 0 {
		a.Status = &status
	}
	if k.timed {
		a.WriteMs = exactMs(k.spent.write)
		k.spent.each(k.chain.timeoutRow, k.took, func(place int, own time.Duration) {
			if place == len(k.chain.rows) {
				a.HandlerMs = exactMs(own)
				return
			}
			a.Filters = append(a.Filters, admin.FilterTime{Name: k.chain.rows[place].name, OwnNs: int64(own)})
		})
	}
	return a
}

// exactMs is a duration in milliseconds, to the nanosecond: most filters take less than
// a microsecond.
func exactMs(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Requests is what is kept: the ring, newest first, or the slowest of each route.
func (s source) Requests(slowest bool) admin.Requests {
	r := &s.p.recent
	out := admin.Requests{Recording: r.on(), Capacity: len(r.slots), Finished: []admin.FinishedRequest{}}
	if slowest {
		out.Finished = append(out.Finished, r.slowest()...)
		return out
	}
	newest := r.next.Load()
	for i := range min(newest, uint64(len(r.slots))) {
		k := &r.slots[(newest-i)%uint64(len(r.slots))]
		k.mu.Lock()
		if k.turn == newest-i { // else it is being written, or was overwritten
			out.Finished = append(out.Finished, k.shown())
		}
		k.mu.Unlock()
	}
	return out
}

// slowest is the slowest of each route, by route, then slowest first.
func (r *recentRequests) slowest() (out []admin.FinishedRequest) {
	r.mu.Lock()
	for _, slow := range r.routes {
		for _, k := range slow.kept {
			out = append(out, k.shown())
		}
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b admin.FinishedRequest) int {
		return cmp.Or(strings.Compare(*a.Route, *b.Route), cmp.Compare(b.DurationMs, a.DurationMs))
	})
	return out
}
