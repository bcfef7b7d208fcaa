package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Metrics in Prometheus's text form (exposition format 0.0.4), with upstream's names.
// Counting takes no lock once a series exists. Series are made for registered routes
// and for names that the program knows, never for what a client invents, so their
// number is bounded by what is registered.

// counter is one number that grows.
type counter struct{ atomic.Uint64 }

func (c *counter) inc() { c.Add(1) }

// metrics is every counter of the program. Gauges are read when they are asked for.
type metrics struct {
	started                          time.Time
	aborts, postTimeout, tlsErrors   counter
	droppedReadOnly, droppedMutating counter
	allowed, denied, undecided       counter

	mu      sync.Mutex
	series  map[seriesKey]*requestSeries
	noRoute atomic.Pointer[requestSeries]
}

func newMetrics() *metrics {
	return &metrics{started: time.Now(), series: map[seriesKey]*requestSeries{}}
}

func (m *metrics) authorized(d decision) {
	switch d {
	case allow:
		m.allowed.inc()
	case deny:
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

// requestSeries counts the requests of one set of labels.
type requestSeries struct {
	seriesKey
	of      string                        // the verb as requests have it
	codes   [6]atomic.Pointer[codeCounts] // by hundreds
	buckets [len(durationBuckets) + 1]atomic.Uint64
	seconds atomic.Uint64 // nanoseconds, in fact: an integer can be added to without a lock
	bytes   atomic.Uint64
}

type codeCounts [100]atomic.Uint64

// observe counts one finished request.
func (s *requestSeries) observe(code int, took time.Duration, bytes int64) {
	if code < 100 || code > 599 {
		code = 500
	}
	page := s.codes[code/100].Load()
	if page == nil {
		s.codes[code/100].CompareAndSwap(nil, new(codeCounts))
		page = s.codes[code/100].Load()
	}
	page[code%100].Add(1)
	seconds, i := took.Seconds(), 0
	for i < len(durationBuckets) && seconds > durationBuckets[i] {
		i++
	}
	s.buckets[i].Add(1)
	s.seconds.Add(uint64(max(0, took)))
	s.bytes.Add(uint64(bytes))
}

// of is the series of a key, made at its first use.
func (m *metrics) of(k seriesKey, verb string) *requestSeries {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[k]
	if s == nil {
		s = &requestSeries{seriesKey: k, of: verb}
		m.series[k] = s
	}
	return s
}

// observe counts a finished exchange under its route, or under none. Labels come from
// the route's pattern, so that a client cannot make series.
func (p *program) observe(x *exchange, how ending, status int, took time.Duration) {
	var s *requestSeries
	if r := x.target.route; r != nil && x.at.Load() >= int32(len(x.chain.rows)) {
		if s = r.series.Load(); s == nil || s.of != x.info.Verb {
			s = p.metrics.of(p.labels(x, r), x.info.Verb)
			r.series.Store(s)
		}
	} else if s = p.metrics.noRoute.Load(); s == nil {
		s = p.metrics.of(seriesKey{component: "apiserver"}, "")
		p.metrics.noRoute.Store(s)
	}
	s.observe(status, took, x.bytesOut.Load())
}

// knownVerbs are the verbs that may be a label; others are OTHER (upstream).
var knownVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", "post", "put", "head", "options"}

func (p *program) labels(x *exchange, r *route) seriesKey {
	k := seriesKey{verb: "OTHER", component: "apiserver"}
	if slices.Contains(knownVerbs, x.info.Verb) {
		k.verb = strings.ToUpper(x.info.Verb)
	}
	if r.resource == "" {
		k.subresource = r.pattern
		return k
	}
	k.group, k.version, k.resource, k.subresource = x.info.APIGroup, x.info.APIVersion, x.info.Resource, x.info.Subresource
	switch {
	case x.info.Name != "":
		k.scope = "resource"
	case x.info.Namespace != "":
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
	e.single("apiserver_longrunning_requests", "gauge", "Long-running requests now.", float64(p.watches.count()))
	e.family("apiserver_dropped_requests_total", "counter", "Requests refused because every place was taken, by kind.")
	e.number(float64(m.droppedMutating.Load()), "request_kind", "mutating")
	e.number(float64(m.droppedReadOnly.Load()), "request_kind", "readOnly")
	e.single("apiserver_request_aborts_total", "counter", "Answers that a handler broke off.", float64(m.aborts.Load()))
	e.single("apiserver_request_post_timeout_total", "counter", "Handlers that panicked after their time limit.", float64(m.postTimeout.Load()))
	e.single("apiserver_tls_handshake_errors_total", "counter", "TLS handshakes that failed.", float64(m.tlsErrors.Load()))
	e.family("apiserver_authorization_decisions_total", "counter", "Decisions of the authorizer.")
	e.number(float64(m.allowed.Load()), "decision", "allowed")
	e.number(float64(m.denied.Load()), "decision", "denied")
	e.number(float64(m.undecided.Load()), "decision", "no-opinion")
	if a := p.authn; a != nil {
		e.family("authentication_attempts", "counter", "Attempts to find out who a client is, by result.")
		e.number(float64(a.attempts.failed.Load()), "result", "error")
		e.number(float64(a.attempts.failure.Load()), "result", "failure")
		e.number(float64(a.attempts.success.Load()), "result", "success")
	}
	p.auditing.writeMetrics(e)
	e.family("apichain_connections", "gauge", "Open connections, by listener.")
	open := map[string]int{}
	for _, c := range p.conns.list() {
		open[c.listener.role]++
	}
	for _, role := range []string{"admin", "http", "https"} {
		e.number(float64(open[role]), "listener", role)
	}
	e.single("apichain_abandoned_handlers", "gauge", "Handlers that go on after their time limit.", float64(p.abandoned()))
	e.family("kubernetes_build_info", "gauge", "What is running; always 1.")
	e.number(1, "git_version", kubernetesVersion+"+apichain."+programVersion, "go_version", runtime.Version(), "platform", runtime.GOOS+"/"+runtime.GOARCH)
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
	slices.SortFunc(all, func(a, b *requestSeries) int {
		return strings.Compare(fmt.Sprint(a.seriesKey), fmt.Sprint(b.seriesKey))
	})
	e.family("apiserver_request_total", "counter", "Requests, by verb, resource and code.")
	for _, s := range all {
		for h := range s.codes {
			page := s.codes[h].Load()
			for i := 0; page != nil && i < len(page); i++ {
				if n := page[i].Load(); n > 0 {
					e.number(float64(n), append(s.labels(), "code", strconv.Itoa(h*100+i))...)
				}
			}
		}
	}
	e.family("apiserver_request_duration_seconds", "histogram", "Time from the first to the last filter, by verb and resource.")
	for _, s := range all {
		var sum uint64
		for i := range s.buckets {
			sum += s.buckets[i].Load()
			le := "+Inf"
			if i < len(durationBuckets) {
				le = strconv.FormatFloat(durationBuckets[i], 'g', -1, 64)
			}
			e.sample("_bucket", float64(sum), append(s.labels(), "le", le)...)
		}
		e.sample("_sum", time.Duration(s.seconds.Load()).Seconds(), s.labels()...)
		e.sample("_count", float64(sum), s.labels()...)
	}
	e.family("apichain_response_bytes_total", "counter", "Body bytes sent, by verb and resource.")
	for _, s := range all {
		e.number(float64(s.bytes.Load()), s.labels()...)
	}
}

func (k *seriesKey) labels() []string {
	return []string{"component", k.component, "group", k.group, "resource", k.resource, "scope", k.scope, "subresource", k.subresource, "verb", k.verb, "version", k.version}
}

// process writes what is known of the process itself.
func (e *exposition) process(started time.Time) {
	e.single("process_start_time_seconds", "gauge", "Start of the process, Unix time.", float64(started.UnixMilli())/1000)
	if n := residentBytes(); n > 0 {
		e.single("process_resident_memory_bytes", "gauge", "Memory in RAM.", float64(n))
	}
	e.single("go_goroutines", "gauge", "Goroutines now.", float64(runtime.NumGoroutine()))
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
