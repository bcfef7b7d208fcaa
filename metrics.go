package main

import (
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/auth"
	"apichain/internal/metrics"
	"apichain/internal/request"
	"apichain/internal/store"
)

// What the program counts of requests, and the page /metrics, with upstream's names. A label that
// would always be empty (dry_run, for one) is left out: to Prometheus that is the same.
//
// Counting takes no lock and allocates nothing once a series exists. Series are made for
// registered routes and for verbs that the program knows, never for what a client invents: a
// request finds its series through its route, whose few verbs are a list that only grows. What
// reaches no route is counted in one series, and mostSeries bounds what is left.
//
// Gauges are read when somebody asks. Those of the store stand at the end of this file, since the
// store knows no metrics; other families (connections, health checks, audit) are written by the files
// that own the numbers. writeMetrics is the page, and their order on it.

// counters is what is counted of requests by all listeners together. Gauges are read when they are
// asked for.
type counters struct {
	started time.Time

	// Answers that a handler broke off.
	aborts metrics.Counter
	// Panics of handlers after their time limit.
	postTimeout metrics.Counter
	// Failed handshakes.
	tlsErrors metrics.Counter

	// Requests refused because every place of their kind was taken.
	droppedReadOnly, droppedMutating metrics.Counter
	// Decisions of the authorizer.
	allowed, denied, undecided metrics.Counter
	// Authenticated requests, by the label of the user.
	users [len(userLabels)]metrics.Counter

	// Requests that reached no route.
	noRoute *requestSeries

	mu     sync.Mutex
	series map[seriesKey]*requestSeries
}

// mostSeries is how many label sets of requests there may be, however much is
// registered. What comes later is counted in one series, whose resource is "other".
const mostSeries = 10_000

// newCounters makes counters that are all zero, of a process that starts now.
func newCounters() *counters {
	m := &counters{started: time.Now(), series: map[seriesKey]*requestSeries{}}
	m.noRoute = m.of(seriesKey{component: "apiserver"})
	return m
}

// userLabels are upstream's few labels for who was authenticated: names that every
// cluster has, mail addresses, and the rest.
var userLabels = [...]string{
	"admin", "client", "email_id", "kube_proxy", "kubelet", "other", "system:serviceaccount:kube-system:default",
}

// authenticated counts a request whose user is known. A name is not a label: there would be as many
// series as users.
func (m *counters) authenticated(name string) {
	label := "other"
	switch name {
	case "admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default":
		label = name
	default:
		if strings.Contains(name, "@") {
			label = "email_id"
		}
	}
	m.users[slices.Index(userLabels[:], label)].Inc()
}

// authorized counts a decision of the authorizer.
func (m *counters) authorized(v auth.Verdict) {
	switch v {
	case auth.Allow:
		m.allowed.Inc()
	case auth.Deny:
		m.denied.Inc()
	default:
		m.undecided.Inc()
	}
}

// dropped counts a request that got 429 since every place of its kind was taken.
func (m *counters) dropped(mutating bool) {
	if mutating {
		m.droppedMutating.Inc()
	} else {
		m.droppedReadOnly.Inc()
	}
}

// seriesKey is the labels of a request but its code, as upstream has them.
type seriesKey struct{ verb, group, version, resource, subresource, scope, component string }

// durationBounds are upstream's buckets of durations, in nanoseconds.
var durationBounds = []int64{
	5 * milli, 25 * milli, 50 * milli, 100 * milli, 200 * milli, 400 * milli, 600 * milli, 800 * milli,
	1000 * milli, 1250 * milli, 1500 * milli, 2000 * milli, 3000 * milli, 4000 * milli, 5000 * milli, 6000 * milli,
	8000 * milli, 10_000 * milli, 15_000 * milli, 20_000 * milli, 30_000 * milli, 45_000 * milli, 60_000 * milli,
}

const milli = int64(time.Millisecond)

// sizeBounds are upstream's buckets of sizes, in bytes.
var sizeBounds = []int64{1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// requestSeries counts the requests of one set of labels.
type requestSeries struct {
	seriesKey
	// codes are by hundreds; a page is made at its first code.
	codes [6]atomic.Pointer[codeCounts]
	// terminated are those that the time limit answered.
	terminated metrics.Counter
	// took is in nanoseconds, and written in seconds.
	took *metrics.Histogram
	// size is the bytes of the body.
	size *metrics.Histogram
}

// newRequestSeries makes a series in which nothing was counted yet.
func newRequestSeries(k seriesKey) *requestSeries {
	return &requestSeries{
		seriesKey: k,
		took:      metrics.NewHistogram(durationBounds, func(n int64) float64 { return time.Duration(n).Seconds() }),
		size:      metrics.NewHistogram(sizeBounds, func(n int64) float64 { return float64(n) }),
	}
}

// codeCounts are the codes of one hundred.
type codeCounts [100]metrics.Counter

// observe counts one finished request. A code that HTTP does not have counts as 500: handlers invent
// some, and clients must not make series. It takes no lock and allocates nothing, but for a page at
// the first code of a hundred.
func (s *requestSeries) observe(code int, took time.Duration, bytes int64) {
	if code < 100 || code > 599 {
		code = 500
	}
	page := s.codes[code/100].Load()
	if page == nil {
		// Two first requests may meet here: the page of one of them is dropped, so that neither
		// counts in a page that nobody reads.
		s.codes[code/100].CompareAndSwap(nil, new(codeCounts))
		page = s.codes[code/100].Load()
	}
	page[code%100].Inc()
	s.took.Observe(int64(took))
	s.size.Observe(bytes)
}

// of returns the series of a key, made at its first use. Beyond mostSeries it is that of all others.
func (m *counters) of(k seriesKey) *requestSeries {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[k]
	// The last place is for the series of all others.
	if s == nil && len(m.series) >= mostSeries-1 {
		k = seriesKey{verb: "OTHER", resource: "other", component: "apiserver"}
		s = m.series[k]
	}
	if s == nil {
		s = newRequestSeries(k)
		m.series[k] = s
	}
	return s
}

// verbSeries is the series of a route for one verb, and those of its other verbs. The
// list only grows, by one for each known verb at most.
type verbSeries struct {
	verb   string
	series *requestSeries
	next   *verbSeries
}

// find returns the series of a verb, nil if there is none. A nil list has none.
func (v *verbSeries) find(verb string) *requestSeries {
	for ; v != nil; v = v.next {
		if v.verb == verb {
			return v.series
		}
	}
	return nil
}

// observe counts a finished exchange under its route, or under none. Labels come from
// the route's pattern, so that a client cannot make series.
func (p *program) observe(x *exchange, how ending, status int, took time.Duration) {
	// Only what reached the handler counts for the route: a request that a filter refused (401, 403,
	// 429) has no series of its own.
	s := p.metrics.noRoute
	if r := x.target.route; r != nil && x.at.Load() >= int32(len(x.chain.rows)) {
		if s = r.series.Load().find(x.info.Verb); s == nil {
			s = p.metrics.newVerbSeries(r, x.info.Verb)
		}
	}
	s.observe(status, took, x.bytesOut.Load())
	if how == endTimedOut && status == http.StatusGatewayTimeout {
		s.terminated.Inc()
	}
}

// newVerbSeries returns the series of a route for a verb that it has none for yet: at the first
// request with it, or at each whose verb is no label and counts as OTHER. It may be called
// concurrently.
func (m *counters) newVerbSeries(r *route, verb string) *requestSeries {
	if !slices.Contains(knownVerbs[:], verb) {
		verb = "other"
		if s := r.series.Load().find(verb); s != nil {
			return s
		}
	}
	s := m.of(labels(r, strings.ToUpper(verb)))
	// Two first requests may meet: each tries until the verb is on the list, by whichever of them.
	// Both have the same series.
	for head := r.series.Load(); head.find(verb) == nil; head = r.series.Load() {
		r.series.CompareAndSwap(head, &verbSeries{verb, s, head})
	}
	return s
}

// knownVerbs are the verbs that may be a label; others are OTHER (upstream).
var knownVerbs = [...]string{
	"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", "post", "put", "head", "options",
}

// labels returns the labels of a route for a verb. A route that is of no resource is known by its
// pattern, under the label subresource (upstream).
func labels(r *route, verb string) seriesKey {
	k := seriesKey{verb: verb, component: "apiserver"}
	if r.resource == "" {
		k.subresource = r.pattern
		return k
	}
	var info request.Info
	_ = info.Resolve(http.MethodGet, r.pattern, "") // resource is not empty, so it has worked
	k.group, k.version, k.resource, k.subresource = info.APIGroup, info.APIVersion, info.Resource, info.Subresource
	switch {
	case info.Name != "":
		k.scope = "resource"
	case info.Namespace != "":
		k.scope = "namespace"
	default:
		k.scope = "cluster"
	}
	return k
}

// writeMetrics writes the page to w: each family once, series in order.
func (p *program) writeMetrics(w io.Writer) error {
	m, e := p.metrics, metrics.NewWriter(w)
	m.writeRequests(e)
	p.writeInFlight(e)
	writeLongRunning(e, p.chains)
	m.writeDropped(e)
	e.Single("apiserver_request_aborts_total", "counter", "Answers that a handler broke off.", m.aborts.Value())
	e.Family("apiserver_request_post_timeout_total", "counter", "Handlers that panicked after their time limit.")
	e.Number(m.postTimeout.Value(), "source", "rest-handler", "status", "panic")
	e.Single("apiserver_tls_handshake_errors_total", "counter", "TLS handshakes that failed.", m.tlsErrors.Value())
	m.writeDecisions(e)
	p.writeAuthentication(e)
	p.backends.WriteMetrics(e)
	p.admission.WriteMetrics(e)
	p.policies.WriteMetrics(e)
	p.webhooks.WriteMetrics(e)
	p.conditions.WriteMetrics(e)
	writeAuditing(e, p.auditing)
	p.conversions.WriteMetrics(e)
	writeStored(e, p.store)
	p.writeKept(e)
	p.aggregation.WriteMetrics(e)
	writeHealth(e, p.healthz, p.livez, p.readyz)
	p.conns.writeMetrics(e)
	e.Single("apichain_abandoned_handlers", "gauge", "Handlers that go on after their time limit.", float64(p.abandoned()))
	p.faults.writeMetrics(e)
	writeControls(e, p.everyControl())
	writeBuild(e)
	e.Process(m.started)
	return e.Flush()
}

// writeInFlight writes how many requests hold a place now. Each chain has places of its own.
func (p *program) writeInFlight(e *metrics.Writer) {
	var readOnly, mutating int64
	for _, c := range p.chains {
		readOnly += c.inFlight.readOnly.Load()
		mutating += c.inFlight.mutating.Load()
	}
	e.Family("apiserver_current_inflight_requests", "gauge", "Requests that hold a place now, by kind.")
	e.Number(float64(mutating), "request_kind", "mutating")
	e.Number(float64(readOnly), "request_kind", "readOnly")
}

// writeDropped writes how many requests were refused for want of a place.
func (m *counters) writeDropped(e *metrics.Writer) {
	e.Family("apiserver_dropped_requests_total", "counter", "Requests refused because every place was taken, by kind.")
	e.Number(m.droppedMutating.Value(), "request_kind", "mutating")
	e.Number(m.droppedReadOnly.Value(), "request_kind", "readOnly")
}

// writeDecisions writes how the authorizer has decided.
func (m *counters) writeDecisions(e *metrics.Writer) {
	e.Family("apiserver_authorization_decisions_total", "counter", "Decisions of the authorizer.")
	e.Number(m.allowed.Value(), "decision", "allowed")
	e.Number(m.denied.Value(), "decision", "denied")
	e.Number(m.undecided.Value(), "decision", "no-opinion")
}

// writeAuthentication writes how attempts to find out who a client is have ended, and of whom
// those were that succeeded. Tests run programs without an authenticator.
func (p *program) writeAuthentication(e *metrics.Writer) {
	if a := p.authn; a != nil {
		e.Family("authentication_attempts", "counter", "Attempts to find out who a client is, by result.")
		success, failure, failed := a.Attempts()
		e.Number(float64(failed), "result", "error")
		e.Number(float64(failure), "result", "failure")
		e.Number(float64(success), "result", "success")
	}
	e.Family("authenticated_user_requests", "counter", "Authenticated requests, by a few kinds of names.")
	for i, label := range userLabels {
		e.Number(p.metrics.users[i].Value(), "username", label)
	}
}

// abandoned returns how many handlers go on after their time limit.
func (p *program) abandoned() (n int64) {
	for _, c := range p.chains {
		n += c.abandoned.Load()
	}
	return n
}

// writeRequests writes the families that have a series for each route.
func (m *counters) writeRequests(e *metrics.Writer) {
	// Only the list is copied under the lock, which the first request of a route waits for.
	m.mu.Lock()
	all := make([]*requestSeries, 0, len(m.series))
	for _, s := range m.series {
		all = append(all, s)
	}
	m.mu.Unlock()
	sort.Slice(all, func(i, j int) bool { return slices.Compare(all[i].labels(), all[j].labels()) < 0 })
	e.Family("apiserver_request_total", "counter", "Requests, by verb, resource and code.")
	for _, s := range all {
		for h := range s.codes {
			page := s.codes[h].Load()
			for i := 0; page != nil && i < len(page); i++ {
				if page[i].Load() > 0 {
					e.Number(page[i].Value(), append(s.labels(), "code", strconv.Itoa(h*100+i))...)
				}
			}
		}
	}
	e.Family("apiserver_request_duration_seconds", "histogram", "Time from the first to the last filter, by verb and resource.")
	for _, s := range all {
		e.Histogram(s.took, s.labels()...)
	}
	// Upstream measures the sizes of reads alone.
	e.Family("apiserver_response_sizes", "histogram", "Body bytes of answers to reads, by resource.")
	for _, s := range all {
		if s.verb == "GET" || s.verb == "LIST" {
			e.Histogram(s.size, s.labels()...)
		}
	}
	e.Family("apiserver_request_terminations_total", "counter",
		"Requests that the server ended: 504 by the time limit, 429 for want of a place.")
	for _, s := range all {
		if s.terminated.Load() > 0 {
			e.Number(s.terminated.Value(), append(s.labels(), "code", "504")...)
		}
	}
	// A request is refused before its route is known.
	if n := m.droppedReadOnly.Value() + m.droppedMutating.Value(); n > 0 {
		e.Number(n, append(m.noRoute.labels(), "code", "429")...)
	}
}

// labels returns names and values in turn, by name. The slice is the caller's, to append to.
func (k *seriesKey) labels() []string {
	return []string{
		"component", k.component, "group", k.group, "resource", k.resource, "scope", k.scope,
		"subresource", k.subresource, "verb", k.verb, "version", k.version,
	}
}

// writeLongRunning writes how many long-running requests are with their handlers now: watches, and
// what else has no time limit. There are no series of zero, as there is none for a route before its
// first request.
func writeLongRunning(e *metrics.Writer, chains []*chain) {
	counts := map[seriesKey]int{}
	for _, c := range chains {
		c.table.each(func(x *exchange) {
			// at first: before the handler is reached, what the others say may still be written.
			if x.at.Load() <= int32(len(c.rows)) || !x.longRunning || x.target.route == nil {
				return
			}
			verb := x.info.Verb
			if !slices.Contains(knownVerbs[:], verb) {
				verb = "other"
			}
			counts[labels(x.target.route, strings.ToUpper(verb))]++
		})
	}
	all := make([]*seriesKey, 0, len(counts))
	for k := range counts {
		all = append(all, &k)
	}
	slices.SortFunc(all, func(a, b *seriesKey) int { return slices.Compare(a.labels(), b.labels()) })
	e.Family("apiserver_longrunning_requests", "gauge", "Long-running requests now, by verb and resource.")
	for _, k := range all {
		e.Number(float64(counts[*k]), k.labels()...)
	}
}

// writeStored writes what the store holds, all of one moment, and how far back a watch may begin.
func writeStored(e *metrics.Writer, s *store.Store) {
	revision, all := s.Snapshots()
	// Upstream's old name of the count, which dashboards know, and the new one.
	e.Family("apiserver_storage_objects", "gauge", "Stored objects, by resource.")
	for _, h := range all {
		e.Number(float64(h.Now.Count()), "resource", h.Bucket.Name)
	}
	e.Family("apiserver_resource_objects", "gauge", "Stored objects, by group and resource.")
	for _, h := range all {
		e.Number(float64(h.Now.Count()), groupLabels(h.Bucket.Name)...)
	}
	e.Family("apiserver_resource_size_estimate_bytes", "gauge", "Bytes of stored objects, by group and resource.")
	for _, h := range all {
		e.Number(float64(h.Now.Bytes()), groupLabels(h.Bucket.Name)...)
	}
	// The window is bounded by events and by bytes, and both can be near their bound.
	events, bytes, oldest := s.Window()
	e.Single("apichain_store_revision", "gauge", "Revision of the last write.", float64(revision))
	e.Single("apichain_store_window_events", "gauge", "Events that watches can begin at.", float64(events))
	e.Single("apichain_store_window_bytes", "gauge", "Bytes of those events.", float64(bytes))
	e.Single("apichain_store_window_oldest_revision", "gauge", "The oldest revision that a watch can begin at.", float64(oldest))
}

// groupLabels returns the labels of a stored resource: its name, plural[.group], taken apart.
func groupLabels(name string) []string {
	resource, group, _ := strings.Cut(name, ".")
	return []string{"group", group, "resource", resource}
}
