package main

import (
	"cmp"
	"container/list"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/admin"
	"apichain/internal/flags"
	"apichain/internal/request"
	"apichain/internal/status"
)

// Requests that have ended: the newest of all, and the slowest of each route, for the admin endpoint.
//
// Every request is kept when it ends, on the serving path, so keeping one must cost next to nothing: a
// slot of the ring is taken by one atomic addition, its lock is one that hardly anybody else wants, and
// its record is filled in place, into buffers that stay. Nothing is made to be shown before somebody
// looks. What a client sent is kept as bytes, cut to a length, and what the path says (resource, name) is
// read from it again when it is shown.
//
// The slowest are kept apart, by route: a request is compared with the least of its route, one atomic
// load, and nearly every request is not slow. Only one that is takes the lock of all of them.
//
// Locks: a slot's comes before mu of the slowest, which a record may ask for at the first request of a
// route (record.fill, route).

// recentOptions says how many requests that have ended are kept.
type recentOptions struct{ requests, slowest int }

// Register declares the flags.
func (o *recentOptions) Register(f *flags.Set) {
	f.In("admin")
	f.Int(&o.requests, "recent-requests", 1000, "requests that have ended, and the time each spent where, "+
		"that are kept for /admin/v1/requests; 0: none, and no time is taken")
	f.Int(&o.slowest, "slowest-per-route", 5, "slowest requests of each route that are kept besides; 0: none")
}

// Check bounds what the memory for it can be: some 20 KiB for each request at the worst.
func (o *recentOptions) Check(p *flags.Problems) {
	p.When(o.requests < 0 || o.requests > 100_000, "recent-requests", "must be from 0 to 100000, is %d", o.requests)
	p.When(o.slowest < 0 || o.slowest > 100, "slowest-per-route", "must be from 0 to 100, is %d", o.slowest)
}

// recentRequests is the ring of requests that have ended and the slowest of each route;
// init makes it ready. Its memory is bounded: a record keeps at most some 20 KiB of text
// and mostly less than half a KiB, and the slowest are kept of mostSlowRoutes routes.
// A record owns its text: it holds nothing of a request but the address of its client.
type recentRequests struct {
	// slots are the ring; none: nothing is recorded.
	slots []slot
	// next counts the turns that were given out.
	next atomic.Uint64

	// perRoute is how many of the slowest are kept; 0: none.
	perRoute int

	// mu guards what follows.
	mu sync.Mutex
	// routes are by id.
	routes map[string]*slowRoute
	// order is theirs: the one with the latest slow request is last.
	order list.List
}

// slot is one place of the ring. Who comes later has the larger turn and wins, should
// the ring run past a slow writer.
type slot struct {
	mu sync.Mutex
	// turn is that of the record; 0: none yet.
	turn uint64
	record
}

// mostSlowRoutes is how many routes the slowest are kept of. For a further one, the one
// that has had no slow request for longest is given up.
const mostSlowRoutes = 1000

// slowRoute is the slowest requests of one route. least is what a request must exceed to
// be looked at: -1 while there is room. All else but id is under recentRequests.mu.
type slowRoute struct {
	id    string
	least atomic.Int64
	// gone says that it was given up.
	gone atomic.Bool
	// place is its element of recentRequests.order.
	place *list.Element
	kept  []*record
}

// init makes room for as many requests as the options say. It is called once, before the first. What a
// slot keeps text in is made when it is first used: most processes end before all are.
func (r *recentRequests) init(o *recentOptions) {
	r.slots, r.perRoute, r.routes = make([]slot, o.requests), o.slowest, map[string]*slowRoute{}
}

// on reports whether requests are recorded at all.
func (r *recentRequests) on() bool { return len(r.slots) > 0 }

// add keeps an exchange that ends. Its own times go to the chain's page if it is sampled.
func (r *recentRequests) add(x *exchange, how ending, took time.Duration, sampled bool) {
	turn := r.next.Add(1)
	s := &r.slots[turn%uint64(len(r.slots))]
	s.mu.Lock()
	// A whole round may have gone by since this turn was given out.
	if turn > s.turn {
		if s.turn == 0 {
			s.text, s.ends = make([]byte, 0, usualText), make([]uint16, 0, usualTexts)
		}
		s.turn = turn
		s.fill(x, how, took)
	}
	s.mu.Unlock()
	at := int(x.at.Load())
	if sampled {
		s := x.spent(at, how, took)
		s.each(x.chain, at, took, func(place int, own time.Duration, measured bool) {
			if measured {
				x.chain.times[place].Add(own)
			}
		})
	}
	// A long-running request lasts as long as its client likes: that is not slow.
	if t := x.target.route; at >= len(x.chain.rows) && t != nil && r.perRoute > 0 && !x.longRunning {
		if slow := r.route(t); int64(took) > slow.least.Load() {
			r.addSlow(slow, x, how, took)
		}
	}
}

// route returns the slowest of a route, made at its first use. The route remembers it, but routes of
// custom resources come and go: what counts is the id, and a route that comes back finds what was kept.
func (r *recentRequests) route(t *route) *slowRoute {
	if s := t.slow.Load(); s != nil && !s.gone.Load() {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := t.id()
	s := r.routes[id]
	if s == nil {
		if len(r.routes) >= mostSlowRoutes {
			oldest := r.order.Remove(r.order.Front()).(*slowRoute)
			oldest.gone.Store(true)
			delete(r.routes, oldest.id)
		}
		s = &slowRoute{id: id}
		s.least.Store(-1)
		r.routes[id], s.place = s, r.order.PushBack(s)
	}
	t.slow.Store(s)
	return s
}

// addSlow keeps an exchange among the slowest of its route. That s is not given up, which
// only changes under the lock, means that fill finds it without asking for the lock.
func (r *recentRequests) addSlow(s *slowRoute, x *exchange, how ending, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.gone.Load() {
		return
	}
	// The least has been looked at without the lock, and may have grown since.
	k := &record{}
	if len(s.kept) < r.perRoute {
		s.kept = append(s.kept, k)
	} else if k = s.fastestLocked(); took <= k.took {
		return
	}
	k.fill(x, how, took)
	r.order.MoveToBack(s.place)
	// While there is room every request is looked at.
	if len(s.kept) == r.perRoute {
		s.least.Store(int64(s.fastestLocked().took))
	}
}

// fastestLocked returns the fastest of those that are kept, which must be one at least.
func (s *slowRoute) fastestLocked() *record {
	return slices.MinFunc(s.kept, func(a, b *record) int { return cmp.Compare(a.took, b.took) })
}

// record is one request that has ended. Its text is in one buffer, in the order of the
// constants, then the groups; ends says where each ends. What the path says is read from
// it again when it is shown.
type record struct {
	// Which request, and how it ended.
	id       uint64
	chain    *chain
	received time.Time
	took     time.Duration
	// at is the last row of the chain that it was in; status is 0 where no header was sent.
	at, status int32
	// Bytes of the bodies.
	in, out int64
	how     ending
	// reason is that of the Status that was sent, "" for none.
	reason string
	// stack is of a panic.
	stack []string

	// What it was about, as far as it was known.

	// resolved says that the path was read.
	resolved    bool
	verb        string
	longRunning bool
	remoteAddr  string
	// server and route are nil where it got to none.
	server *Server
	route  *slowRoute // nil: it got to none

	// Where its time went.
	timed bool
	spent spent

	text []byte
	ends []uint16
}

// The texts of a record, in order. The groups of the user come last, however many.
const (
	textMethod = iota
	textAuditID
	textPath
	textQuery
	textUserAgent
	textUser
	textImpersonatedBy
	textGroups
)

// mostText is how long the groups of a record may make its text, and how much room for
// text it keeps for the next request, in bytes.
const mostText = 16 << 10

// usualText and usualTexts are the room, in bytes and in texts, that a slot begins with:
// enough for nearly every request.
const (
	usualText  = 512
	usualTexts = 16
)

// fill makes k the record of an exchange that ends, in the goroutine that closes its
// books. It allocates only while k's buffers grow, and for a panic.
func (k *record) fill(x *exchange, how ending, took time.Duration) {
	c, at := x.chain, int(x.at.Load())
	k.id, k.chain, k.received, k.took, k.how = x.id, c, x.received, took, how
	k.at, k.status, k.in, k.out = int32(at), x.status.Load(), x.bytesIn.Load(), x.bytesOut.Load()
	k.remoteAddr, k.reason = x.req.RemoteAddr, status.Shorten(x.sentReason(how), 256)
	// The slot has been another request's: everything is set, also to nothing.
	k.resolved, k.verb, k.longRunning, k.server, k.route, k.stack = at > c.infoRow, "", false, nil, nil, nil
	k.timed = x.recording != nil
	if k.resolved {
		k.verb, k.longRunning = request.ShownShort(x.info.Verb, 32), x.longRunning
	}
	if at >= len(c.rows) {
		if k.server = x.target.server; x.target.route != nil {
			k.route = c.program.recent.route(x.target.route)
		}
	}
	if k.timed {
		k.spent = x.spent(at, how, took)
	}
	if how == endPanicked {
		k.stack = frames(string(x.panicked.stack))
	}
	// One request with many groups is not to make the slot large for ever.
	if k.text, k.ends = k.text[:0], k.ends[:0]; cap(k.text) > mostText {
		k.text = nil
	}
	k.add(x.req.Method, 32)
	k.add(x.auditID[0], 2048)
	k.add(x.path, 2048)
	// Redacted before it is kept, and not only where it is shown.
	k.text = request.AppendShownQuery(k.text, x.query)
	k.end()
	k.add(x.userAgent, 256)
	u := x.shownUser()
	if u == nil {
		k.end()
		k.end()
		return
	}
	k.add(u.Name, 2048)
	// Acting as another: who it really was.
	if u != x.user {
		k.text = append(k.text, request.Shown(x.user.Name)...)
	}
	k.end()
	for _, g := range u.Groups {
		if len(k.text)+len(g) > mostText {
			k.add("…", 3)
			break
		}
		k.add(g, 2048)
	}
}

// add appends a client's text, cut at most bytes. It is made valid UTF-8 when it is shown.
func (k *record) add(s string, most int) {
	if len(s) > most {
		s = status.Shorten(s, most)
	}
	k.text = append(k.text, s...)
	k.end()
}

// end closes the text that was appended last.
func (k *record) end() { k.ends = append(k.ends, uint16(len(k.text))) }

// sentReason returns the reason of the Status that was sent, "" for none. Where the time limit answers,
// a handler that goes on may still be failing, so its refusal is not looked at.
func (x *exchange) sentReason(how ending) string {
	switch {
	case how == endTimedOut && x.state.Load() == stateExpired:
		return errTimeout.Reason
	case x.refusal == nil:
		return ""
	}
	return x.refusal.Reason
}

// shown returns the record as the admin endpoint has it. It shares nothing with k that changes.
func (k *record) shown() admin.FinishedRequest {
	// One copy, of which all texts are parts.
	all, begin := string(k.text), 0
	text := make([]string, len(k.ends))
	for i, end := range k.ends {
		text[i], begin = request.Shown(all[begin:end]), int(end)
	}
	a := admin.FinishedRequest{
		RequestFacts: admin.RequestFacts{
			ID: strconv.FormatUint(k.id, 10), AuditID: text[textAuditID], Listener: k.chain.listener,
			Method: text[textMethod], Path: text[textPath], Query: text[textQuery], Verb: k.verb,
		},
		User: text[textUser], Groups: text[textGroups:], ImpersonatedBy: text[textImpersonatedBy], RemoteAddr: k.remoteAddr,
		UserAgent: request.ShownShort(text[textUserAgent], 256), ReceivedAt: admin.Time(k.received), DurationMs: exactMs(k.took),
		Reason: k.reason, Ended: string(k.how), EndedIn: k.chain.place(int(k.at)), BytesIn: k.in, BytesOut: k.out,
		LongRunning: k.longRunning, Filters: []admin.FilterTime{}, Stack: noNil(k.stack),
	}
	var info request.Info
	if k.resolved && info.Resolve(a.Method, a.Path, a.Query) == nil && info.IsResourceRequest {
		a.Resource, a.Namespace, a.Name = resourceName(&info), info.Namespace, info.Name
	}
	if k.server != nil {
		a.Server = &k.server.name
	}
	if k.route != nil {
		a.Route = &k.route.id
	}
	if status := int(k.status); status > 0 {
		a.Status = &status
	}
	if k.timed {
		a.WriteMs = exactMs(k.spent.write)
		a.Filters = slices.Grow(a.Filters, len(k.chain.rows))
		k.spent.each(k.chain, int(k.at), k.took, func(place int, own time.Duration, _ bool) {
			if place == len(k.chain.rows) {
				parts, rest := k.spent.others(own)
				a.HandlerMs, a.WebhooksMs, a.ConversionMs = exactMs(rest), exactMs(parts[request.InWebhooks]), exactMs(parts[request.InConversion])
				a.RulesMs, a.ProxyMs = exactMs(parts[request.InRules]), exactMs(parts[request.InProxy])
				return
			}
			a.Filters = append(a.Filters, admin.FilterTime{Name: k.chain.rows[place].name, OwnNs: int64(own)})
		})
	}
	return a
}

// exactMs returns a duration in milliseconds, to the nanosecond: most filters take less than
// a microsecond.
func exactMs(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Requests returns what is kept: the ring, newest first, or the slowest of each route.
func (s source) Requests(slowest bool) admin.Requests {
	r := &s.p.recent
	out := admin.Requests{Recording: r.on(), Capacity: len(r.slots), Finished: []admin.FinishedRequest{}}
	if slowest {
		out.Finished = append(out.Finished, r.slowest()...)
		return out
	}
	// Slot by slot, so that no request waits for the whole page.
	newest := r.next.Load()
	for i := range min(newest, uint64(len(r.slots))) {
		k := &r.slots[(newest-i)%uint64(len(r.slots))]
		k.mu.Lock()
		// Else it is being written, or was overwritten.
		if k.turn == newest-i {
			out.Finished = append(out.Finished, k.shown())
		}
		k.mu.Unlock()
	}
	return out
}

// slowest returns the slowest of each route, by route, then slowest first.
func (r *recentRequests) slowest() (out []admin.FinishedRequest) {
	r.mu.Lock()
	for _, slow := range r.routes {
		for _, k := range slow.kept {
			out = append(out, k.shown())
		}
	}
	r.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		a, b := &out[i], &out[j]
		return cmp.Or(strings.Compare(*a.Route, *b.Route), cmp.Compare(b.DurationMs, a.DurationMs)) < 0
	})
	return out
}
