package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"

	"apichain/internal/auth"
	"apichain/internal/request"

	rtmetrics "runtime/metrics"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Metrics in Prometheus's text form (exposition format 0.0.4), with upstream's names. A
// label that would always be empty (dry_run, for one) is left out: to Prometheus that is
// the same. Counting takes no lock and allocates nothing once a series exists. Series
// are made for registered routes and for verbs that the program knows, never for what a
// client invents.

// counter is one number that grows.
type counter struct{ atomic.Uint64 }

func (c *counter) inc() { c.Add(1) }

func (c *counter) value() float64 { return float64(c.Load()) }

// metrics is every counter of the program. Gauges are read when they are asked for.
type metrics struct {
	started                          time.Time
	aborts, postTimeout, tlsErrors   counter
	droppedReadOnly, droppedMutating counter
	allowed, denied, undecided       counter
	users                            [len(userLabels)]counter // authenticated requests

	noRoute *requestSeries // requests that reached no route

	mu     sync.Mutex
	series map[seriesKey]*requestSeries
}

// mostSeries is how many label sets of requests there may be, however much is
// registered. What comes later is counted in one series, whose resource is "other".
const mostSeries = 10_000

func newMetrics() *metrics {
	m := &metrics{started: time.Now(), series: map[seriesKey]*requestSeries{}}
	m.noRoute = m.of(seriesKey{component: "apiserver"})
	return m
}

// userLabels are upstream's few labels for who was authenticated: names that every
// cluster has, mail addresses, and the rest.
var userLabels = [...]string{"admin", "client", "email_id", "kube_proxy", "kubelet", "other", "system:serviceaccount:kube-system:default"}

func (m *metrics) authenticated(name string) {
	label := "other"
	switch name {
	case "admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default":
		label = name
	default:
		if strings.Contains(name, "@") {
			label = "email_id"
		}
	}
	m.users[slices.Index(userLabels[:], label)].inc()
}

func (m *metrics) authorized(v auth.Verdict) {
	switch v {
	case auth.Allow:
		m.allowed.inc()
	case auth.Deny:
		m.denied.inc()
	default:
		m.undecided.inc()
	}
}

func (m *metrics) dropped(mutating bool) {
	if mutating {
		m.droppedMutating.inc()
	} else {
		m.droppedReadOnly.inc()
	}
}

// seriesKey is the labels of a request but its code, as upstream has them.
type seriesKey struct{ verb, group, version, resource, subresource, scope, component string }

// durationBuckets are upstream's, in seconds.
var durationBuckets = [...]float64{0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60}

// sizeBuckets are upstream's, in bytes.
var sizeBuckets = [...]int64{1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// requestSeries counts the requests of one set of labels.
type requestSeries struct {
	seriesKey
	codes      [6]atomic.Pointer[codeCounts] // by hundreds
	terminated counter                       // answered by the time limit
	buckets    [len(durationBuckets) + 1]counter
	took       counter // in nanoseconds: an integer can be added to without a lock
	sizes      [len(sizeBuckets) + 1]counter
	bytes      counter
}

type codeCounts [100]counter

// observe counts one finished request. A code that HTTP does not have counts as 500.
func (s *requestSeries) observe(code int, took time.Duration, bytes int64) {
	if code < 100 || code > 599 {
		code = 500
	}
	page := s.codes[code/100].Load()
	if page == nil {
		s.codes[code/100].CompareAndSwap(nil, new(codeCounts))
		page = s.codes[code/100].Load()
	}
	page[code%100].inc()
	took, i := max(0, took), 0
	for seconds := took.Seconds(); i < len(durationBuckets) && seconds > durationBuckets[i]; i++ {
	}
	s.buckets[i].inc()
	s.took.Add(uint64(took))
	bytes, i = max(0, bytes), 0
	for ; i < len(sizeBuckets) && bytes > sizeBuckets[i]; i++ {
	}
	s.sizes[i].inc()
	s.bytes.Add(uint64(bytes))
}

// of is the series of a key, made at its first use.
func (m *metrics) of(k seriesKey) *requestSeries {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[k]
	if s == nil && len(m.series) >= mostSeries-1 {
		k = seriesKey{verb: "OTHER", resource: "other", component: "apiserver"}
		s = m.series[k]
	}
	if s == nil {
		s = &requestSeries{seriesKey: k}
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
	s := p.metrics.noRoute
	if r := x.target.route; r != nil && x.at.Load() >= int32(len(x.chain.rows)) {
		if s = r.series.Load().find(x.info.Verb); s == nil {
			s = p.metrics.newVerbSeries(r, x.info.Verb)
		}
	}
	s.observe(status, took, x.bytesOut.Load())
	if how == endTimedOut && status == http.StatusGatewayTimeout {
		s.terminated.inc()
	}
}

// newVerbSeries is the first request of a route with a verb, or one of a verb that is
// no label.
func (m *metrics) newVerbSeries(r *route, verb string) *requestSeries {
	if !slices.Contains(knownVerbs[:], verb) {
		verb = "other"
		if s := r.series.Load().find(verb); s != nil {
			return s
		}
	}
	s := m.of(labels(r, strings.ToUpper(verb)))
	for head := r.series.Load(); head.find(verb) == nil; head = r.series.Load() {
		r.series.CompareAndSwap(head, &verbSeries{verb, s, head})
	}
	return s
}

// knownVerbs are the verbs that may be a label; others are OTHER (upstream).
var knownVerbs = [...]string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", "post", "put", "head", "options"}

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

// writeMetrics writes everything, each family once, series in order.
func (p *program) writeMetrics(w io.Writer) error {
	m := p.metrics
	e := &exposition{w: bufio.NewWriter(w)}
	e.requests(m)
	var readOnly, mutating int64
	for _, c := range p.chains {
		readOnly += c.inFlight.readOnly.Load()
		mutating += c.inFlight.mutating.Load()
	}
	e.family("apiserver_current_inflight_requests", "gauge", "Requests that hold a place now, by kind.")
	e.number(float64(mutating), "request_kind", "mutating")
	e.number(float64(readOnly), "request_kind", "readOnly")
	e.longRunning(p.chains)
	e.family("apiserver_dropped_requests_total", "counter", "Requests refused because every place was taken, by kind.")
	e.number(m.droppedMutating.value(), "request_kind", "mutating")
	e.number(m.droppedReadOnly.value(), "request_kind", "readOnly")
	e.single("apiserver_request_aborts_total", "counter", "Answers that a handler broke off.", m.aborts.value())
	e.family("apiserver_request_post_timeout_total", "counter", "Handlers that panicked after their time limit.")
	e.number(m.postTimeout.value(), "source", "rest-handler", "status", "panic")
	e.single("apiserver_tls_handshake_errors_total", "counter", "TLS handshakes that failed.", m.tlsErrors.value())
	e.family("apiserver_authorization_decisions_total", "counter", "Decisions of the authorizer.")
	e.number(m.allowed.value(), "decision", "allowed")
	e.number(m.denied.value(), "decision", "denied")
	e.number(m.undecided.value(), "decision", "no-opinion")
	if a := p.authn; a != nil {
		e.family("authentication_attempts", "counter", "Attempts to find out who a client is, by result.")
		success, failure, failed := a.Attempts()
		e.number(float64(failed), "result", "error")
		e.number(float64(failure), "result", "failure")
		e.number(float64(success), "result", "success")
	}
	e.family("authenticated_user_requests", "counter", "Authenticated requests, by a few kinds of names.")
	for i, label := range userLabels {
		e.number(m.users[i].value(), "username", label)
	}
	e.auditing(p.auditing)
	e.stored(p.store)
	e.health(p.healthz, p.livez, p.readyz)
	e.family("apichain_connections", "gauge", "Open connections, by listener.")
	open := map[string]int{}
	for _, c := range p.conns.list() {
		open[c.listener.role]++
	}
	for _, role := range []string{"admin", "http", "https"} {
		e.number(float64(open[role]), "listener", role)
	}
	e.single("apichain_abandoned_handlers", "gauge", "Handlers that go on after their time limit.", float64(p.abandoned()))
	p.faults.writeMetrics(e)
	e.controls(p.everyControl())
	e.build()
	e.process(m.started)
	return e.w.Flush()
}

func (p *program) abandoned() (n int64) {
	for _, c := range p.chains {
		n += c.abandoned.Load()
	}
	return n
}

// exposition writes the text form.
type exposition struct {
	w    *bufio.Writer
	name string // of the family
}

func (e *exposition) family(name, kind, help string) {
	e.name = name
	fmt.Fprintf(e.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// number writes one series of the family; labels are names and values in turn.
func (e *exposition) number(v float64, labels ...string) { e.sample("", v, labels...) }

func (e *exposition) sample(suffix string, v float64, labels ...string) {
	e.w.WriteString(e.name + suffix)
	for i := 0; i < len(labels); i += 2 {
		if i == 0 {
			e.w.WriteByte('{')
		} else {
			e.w.WriteByte(',')
		}
		e.w.WriteString(labels[i] + `="` + labelEscaper.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		e.w.WriteByte('}')
	}
	e.w.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (e *exposition) single(name, kind, help string, v float64) {
	e.family(name, kind, help)
	e.number(v)
}

// requests writes the families that have a series for each route.
func (e *exposition) requests(m *metrics) {
	m.mu.Lock()
	all := make([]*requestSeries, 0, len(m.series))
	for _, s := range m.series {
		all = append(all, s)
	}
	m.mu.Unlock()
	sort.Slice(all, func(i, j int) bool { return slices.Compare(all[i].labels(), all[j].labels()) < 0 })
	e.family("apiserver_request_total", "counter", "Requests, by verb, resource and code.")
	for _, s := range all {
		for h := range s.codes {
			page := s.codes[h].Load()
			for i := 0; page != nil && i < len(page); i++ {
				if page[i].Load() > 0 {
					e.number(page[i].value(), append(s.labels(), "code", strconv.Itoa(h*100+i))...)
				}
			}
		}
	}
	e.family("apiserver_request_duration_seconds", "histogram", "Time from the first to the last filter, by verb and resource.")
	for _, s := range all {
		e.histogram(s, s.buckets[:], func(i int) float64 { return durationBuckets[i] }, time.Duration(s.took.Load()).Seconds())
	}
	e.family("apiserver_response_sizes", "histogram", "Body bytes of answers to reads, by resource.")
	for _, s := range all {
		if s.verb == "GET" || s.verb == "LIST" {
			e.histogram(s, s.sizes[:], func(i int) float64 { return float64(sizeBuckets[i]) }, s.bytes.value())
		}
	}
	e.family("apiserver_request_terminations_total", "counter", "Requests that the server ended: 504 by the time limit, 429 for want of a place.")
	for _, s := range all {
		if s.terminated.Load() > 0 {
			e.number(s.terminated.value(), append(s.labels(), "code", "504")...)
		}
	}
	if n := m.droppedReadOnly.value() + m.droppedMutating.value(); n > 0 {
		e.number(n, append(m.noRoute.labels(), "code", "429")...)
	}
}

// histogram writes one series of a histogram. The last of counts is beyond all bounds.
func (e *exposition) histogram(s *requestSeries, counts []counter, bound func(int) float64, sum float64) {
	var n uint64
	for i := range counts {
		n += counts[i].Load()
		le := "+Inf"
		if i < len(counts)-1 {
			le = strconv.FormatFloat(bound(i), 'g', -1, 64)
		}
		e.sample("_bucket", float64(n), append(s.labels(), "le", le)...)
	}
	e.sample("_sum", sum, s.labels()...)
	e.sample("_count", float64(n), s.labels()...)
}

func (k *seriesKey) labels() []string {
	return []string{"component", k.component, "group", k.group, "resource", k.resource, "scope", k.scope, "subresource", k.subresource, "verb", k.verb, "version", k.version}
}

// health writes what the roots of the health endpoints have seen of each check.
func (e *exposition) health(endpoints ...*healthChecks) {
	e.family("kubernetes_healthcheck", "gauge", "The last result of a health check, 1 or 0, by name and endpoint.")
	for _, h := range endpoints {
		for _, c := range h.checks() {
			if state := c.state.Load(); state != checkNotRun {
				e.number(float64(checkFailed-state), "name", c.name, "type", h.endpoint)
			}
		}
	}
	e.family("kubernetes_healthchecks_total", "counter", "Results of health checks, by name, endpoint and status.")
	for _, h := range endpoints {
		for _, c := range h.checks() {
			e.number(c.failed.value(), "name", c.name, "type", h.endpoint, "status", "error")
			e.number(c.passed.value(), "name", c.name, "type", h.endpoint, "status", "success")
		}
	}
}

// build writes what is running, as labels of a constant.
func (e *exposition) build() {
	v := newVersionInfo(readBuild())
	e.family("kubernetes_build_info", "gauge", "The Kubernetes release whose behaviour this is; always 1.")
	e.number(1, "build_date", v.BuildDate, "compiler", v.Compiler, "git_commit", v.GitCommit, "git_tree_state", v.GitTreeState, "git_version", v.GitVersion,
		"go_version", v.GoVersion, "major", v.Major, "minor", v.Minor, "platform", v.Platform)
	e.family("apichain_build_info", "gauge", "What is running; always 1.")
	e.number(1, "go_version", v.GoVersion, "revision", v.GitCommit, "version", programVersion)
}

// process writes what is known of the process itself. Systems without /proc do not
// tell their share.
func (e *exposition) process(started time.Time) {
	e.single("process_start_time_seconds", "gauge", "Start of the process, Unix time.", float64(started.UnixMilli())/1000)
	if n := residentBytes(); n > 0 {
		e.single("process_resident_memory_bytes", "gauge", "Memory in RAM.", float64(n))
	}
	if stat, err := os.ReadFile("/proc/self/stat"); err == nil {
		e.single("process_cpu_seconds_total", "counter", "Time on a processor, user and system.", cpuSeconds(string(stat)))
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		e.single("process_open_fds", "gauge", "Open file descriptors.", float64(len(fds)))
	}
	heap := []rtmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	rtmetrics.Read(heap)
	if heap[0].Value.Kind() == rtmetrics.KindUint64 {
		e.single("go_memstats_heap_alloc_bytes", "gauge", "Bytes in heap objects.", float64(heap[0].Value.Uint64()))
	}
	if heap[1].Value.Kind() == rtmetrics.KindUint64 {
		e.single("apichain_gc_cycles_total", "counter", "Garbage collections.", float64(heap[1].Value.Uint64()))
	}
	e.single("go_goroutines", "gauge", "Goroutines now.", float64(runtime.NumGoroutine()))
	e.family("go_info", "gauge", "The Go release; always 1.")
	e.number(1, "version", runtime.Version())
}

// cpuSeconds reads utime and stime of proc_pid_stat(5). The second field is the name of
// the program, which may hold anything; they count hundredths of a second.
func cpuSeconds(stat string) float64 {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseUint(f[11], 10, 64)
	system, _ := strconv.ParseUint(f[12], 10, 64)
	return float64(user+system) / 100
}

// residentBytes is the memory in RAM, 0 where the system does not say.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
