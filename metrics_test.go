package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/request"
)

// exposed is a parsed exposition: each series with its labels in order, and its value.
type exposed map[string]float64

var (
	helpLine  = regexp.MustCompile(`^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) \S.*$`)
	typeLine  = regexp.MustCompile(`^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$`)
	nameStart = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	labelHead = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="`)
)

// parseExposition reads the text form strictly: HELP and TYPE once and first, samples
// of the family they stand in, no series twice, histograms that add up.
func parseExposition(text string) (exposed, error) {
	out, families := exposed{}, map[string]string{}
	var help, family, kind string
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(format string, args ...any) (exposed, error) {
			return nil, fmt.Errorf("line %d %q: "+format, append([]any{n + 1, line}, args...)...)
		}
		if m := helpLine.FindStringSubmatch(line); m != nil {
			help = m[1]
			continue
		}
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if families[m[1]] != "" || help != m[1] {
				return fail("a family begins twice, or without HELP")
			}
			family, kind = m[1], m[2]
			families[family] = kind
			continue
		}
		name := nameStart.FindString(line)
		suffix, ok := strings.CutPrefix(name, family)
		if name == "" || !ok || kind == "histogram" != (suffix == "_bucket" || suffix == "_sum" || suffix == "_count") || kind != "histogram" && suffix != "" {
			return fail("no sample of %s %s", kind, family)
		}
		if kind == "counter" && !strings.HasSuffix(family, "_total") && !slices.Contains([]string{"authentication_attempts", "authenticated_user_requests"}, family) {
			return fail("a counter whose name does not end in _total, and that is not upstream's")
		}
		labels, rest, err := parseLabels(line[len(name):])
		if err != nil {
			return fail("%v", err)
		}
		v, err := strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64)
		if err != nil || !strings.HasPrefix(rest, " ") || kind != "gauge" && (v < 0 || math.IsNaN(v)) {
			return fail("value %q", rest)
		}
		key := name + "{" + strings.Join(labels, ",") + "}"
		if _, twice := out[key]; twice {
			return fail("twice")
		}
		out[key] = v
	}
	return out, out.checkHistograms(families)
}

// parseLabels reads {name="value",...}; values stay escaped, names are sorted.
func parseLabels(s string) (labels []string, rest string, err error) {
	if !strings.HasPrefix(s, "{") {
		return nil, s, nil
	}
	s = s[1:]
	for {
		m := labelHead.FindStringSubmatch(s)
		if m == nil {
			return nil, "", fmt.Errorf("label %q", s)
		}
		i := len(m[0])
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				if i++; i == len(s) || !strings.ContainsRune(`\n"`, rune(s[i])) {
					return nil, "", fmt.Errorf("escape in %q", s)
				}
			}
		}
		if i == len(s) {
			return nil, "", fmt.Errorf("open value %q", s)
		}
		if slices.ContainsFunc(labels, func(l string) bool { return strings.HasPrefix(l, m[0]) }) {
			return nil, "", fmt.Errorf("label %s twice", m[1])
		}
		labels = append(labels, s[:i+1])
		switch s = s[i+1:]; {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, "}"):
			slices.Sort(labels)
			return labels, s[1:], nil
		default:
			return nil, "", fmt.Errorf("after a label: %q", s)
		}
	}
}

var boundLabel = regexp.MustCompile(`,?le="([^"]*)"`)

// checkHistograms holds that buckets grow with their bounds up to +Inf, which is _count.
func (e exposed) checkHistograms(families map[string]string) error {
	type bucket struct{ bound, n float64 }
	series := map[string][]bucket{}
	for key, v := range e {
		family, labels, _ := strings.Cut(key, "_bucket{")
		if families[family] != "histogram" {
			continue
		}
		m := boundLabel.FindStringSubmatch(labels)
		if m == nil {
			return fmt.Errorf("%s has no le", key)
		}
		bound, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return err
		}
		rest := family + "_count{" + strings.TrimPrefix(boundLabel.ReplaceAllString(labels, ""), ",")
		series[rest] = append(series[rest], bucket{bound, v})
	}
	for count, buckets := range series {
		slices.SortFunc(buckets, func(a, b bucket) int { return int(math.Copysign(1, a.bound-b.bound)) })
		last := buckets[len(buckets)-1]
		if n, ok := e[count]; !ok || n != last.n || !math.IsInf(last.bound, 1) {
			return fmt.Errorf("%s is %v, the last bucket %v", count, n, last)
		}
		if !slices.IsSortedFunc(buckets, func(a, b bucket) int { return int(a.n - b.n) }) {
			return fmt.Errorf("%s: buckets shrink: %v", count, buckets)
		}
		if _, ok := e[strings.Replace(count, "_count{", "_sum{", 1)]; !ok {
			return fmt.Errorf("%s has no sum", count)
		}
	}
	return nil
}

// TestExpositionParser shows that the parser of these tests refuses what is wrong.
func TestExpositionParser(t *testing.T) {
	head := "# HELP a_total h\n# TYPE a_total counter\n"
	h := "# HELP b h\n# TYPE b histogram\n"
	for _, bad := range []string{
		"a_total 1\n", head + "b_total 1\n", head + "a_total 1", head + "a_total 1\na_total 2\n", head + head, head + "a_total{x=\"1\" 1\n",
		head + "a_total{x=\"\\q\"} 1\n", head + "a_total{x=\"1\",x=\"2\"} 1\n", head + "a_total one\n", head + "a_total -1\n", "# TYPE a_total counter\n",
		h + "b_bucket{le=\"1\"} 1\nb_sum{} 1\n", h + "b_bucket{le=\"1\"} 2\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 1\n", h + "b_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 2\n", h + "b_bucket{le=\"+Inf\"} 1\nb_count 1\n",
	} {
		if _, err := parseExposition(bad); err == nil {
			t.Errorf("taken for good:\n%s", bad)
		}
	}
	if _, err := parseExposition(head + "a_total{x=\"q\\\"\\\\\\n}\"} 1\n" + h + "b_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 2\nb_sum 1\nb_count 2\n"); err != nil {
		t.Error(err)
	}
}

// expose is what the program exposes now.
func expose(t testing.TB, p *program) exposed {
	t.Helper()
	var b bytes.Buffer
	if err := p.writeMetrics(&b); err != nil {
		t.Fatal(err)
	}
	e, err := parseExposition(b.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return e
}

// through sends a request through a chain; header lines are "Name: value".
func (p *program) through(listener, method, path string, header ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
	r.Host = "localhost"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	p.chain(listener).ServeHTTP(w, r)
	return w
}

// TestMetricsOfRequests sends requests and asks for exactly the series they must make.
func TestMetricsOfRequests(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	item := Route{Method: "GET", Path: "/namespaces/{namespace}/widgets/{name}", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 2000))
	})}
	if err := p.outermost.AddWebService(&WebService{Root: "/apis/example.com/v1", Routes: []Route{item}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		listener, method, path string
		header                 []string
		code                   int
	}{
		{"http", "GET", "/apis/example.com/v1/namespaces/a/widgets/x", nil, 200},
		{"http", "GET", "/apis/example.com/v1/namespaces/b/widgets/y?invented=1", nil, 200},
		{"http", "GET", "/version", nil, 200},
		{"http", "GET", "/healthz", nil, 500},
		{"http", "BREW", "/healthz", nil, 500},
		{"http", "STEEP", "/healthz", nil, 500},
		{"http", "GET", "/invented\"}/path", nil, 404},
		{"https", "GET", "/version", []string{"Authorization: Bearer admin-token"}, 200},
		{"https", "GET", "/version", []string{"Authorization: Bearer nobody"}, 401},
		{"https", "GET", "/apis/example.com/v1/namespaces/a/widgets/x", nil, 403},
	} {
		if got := p.through(r.listener, r.method, r.path, r.header...); got.Code != r.code {
			t.Fatalf("%s %s: %d %s", r.method, r.path, got.Code, got.Body)
		}
	}
	e := expose(t, p)
	widgets := `component="apiserver",group="example.com",resource="widgets",scope="resource",subresource="",verb="GET",version="v1"`
	path := func(path, verb string) string {
		return `component="apiserver",group="",resource="",scope="",subresource="` + path + `",verb="` + verb + `",version=""`
	}
	for series, want := range map[string]float64{
		`apiserver_request_total{code="200",` + widgets + `}`:                                                                              2,
		`apiserver_request_duration_seconds_count{` + widgets + `}`:                                                                        2,
		`apiserver_response_sizes_bucket{component="apiserver",group="example.com",le="1000",` + strings.SplitN(widgets, ",", 3)[2] + `}`:  0,
		`apiserver_response_sizes_bucket{component="apiserver",group="example.com",le="10000",` + strings.SplitN(widgets, ",", 3)[2] + `}`: 2,
		`apiserver_response_sizes_sum{` + widgets + `}`:                                                                                    4000,
		`apiserver_request_total{code="200",` + path("/version", "GET") + `}`:                                                              2,
		`apiserver_request_total{code="500",` + path("/healthz", "GET") + `}`:                                                              1,
		`apiserver_request_total{code="500",` + path("/healthz", "OTHER") + `}`:                                                            2,
		`apiserver_request_total{code="404",` + path("", "") + `}`:                                                                         1,
		`apiserver_request_total{code="401",` + path("", "") + `}`:                                                                         1,
		`apiserver_request_total{code="403",` + path("", "") + `}`:                                                                         1,
		`kubernetes_healthcheck{name="ping",type="healthz"}`:                                                                               1,
		`kubernetes_healthcheck{name="poststarthook/paths-installed",type="healthz"}`:                                                      0,
		`kubernetes_healthchecks_total{name="poststarthook/paths-installed",status="error",type="healthz"}`:                                3,
		`kubernetes_healthchecks_total{name="ping",status="success",type="healthz"}`:                                                       3,
		`kubernetes_healthchecks_total{name="ping",status="success",type="livez"}`:                                                         0,
		`authentication_attempts{result="success"}`:                                                                                        2,
		`authentication_attempts{result="error"}`:                                                                                          1,
		`authenticated_user_requests{username="admin"}`:                                                                                    1,
		`authenticated_user_requests{username="other"}`:                                                                                    1,
		`apiserver_authorization_decisions_total{decision="allowed"}`:                                                                      1,
		`apiserver_current_inflight_requests{request_kind="readOnly"}`:                                                                     0,
		`apiserver_dropped_requests_total{request_kind="mutating"}`:                                                                        0,
		`apichain_build_info{go_version="` + newVersionInfo(readBuild()).GoVersion + `",revision="` + newVersionInfo(readBuild()).GitCommit + `",version="` + programVersion + `"}`: 1,
	} {
		if got, ok := e[series]; !ok || got != want {
			t.Errorf("%s\n got %v (there: %t), want %v", series, got, ok, want)
		}
	}
	for series := range e {
		if strings.Contains(series, "invented") || strings.Contains(series, "BREW") {
			t.Errorf("a client made %s", series)
		}
		if strings.HasPrefix(series, "kubernetes_healthcheck{") && strings.Contains(series, "livez") {
			t.Errorf("%s, though nobody asked", series)
		}
	}
	for _, family := range []string{"process_start_time_seconds{}", "go_goroutines{}", "go_memstats_heap_alloc_bytes{}"} {
		if e[family] <= 0 {
			t.Errorf("%s is %v", family, e[family])
		}
	}
}

// TestMetricsServed asks both listeners, one after the other.
func TestMetricsServed(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=off", "--audit-policy-file=testdata/audit-policy.yaml", "--audit-log-path=-")
	for _, kind := range []string{"http", "h2"} {
		got := r.get(kind, "/metrics")
		if got.status != 200 || got.header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("%s: %d %v", kind, got.status, got.header)
		}
		e, err := parseExposition(got.body)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if _, ok := e["apiserver_audit_event_total{}"]; !ok {
			t.Errorf("%s: no audit events", kind)
		}
	}
}

// TestMetricsOfEndings: the time limit's 504 and the refusal for want of a place.
func TestMetricsOfEndings(t *testing.T) {
	p := newTestProgram(t)
	s := p.metrics.of(seriesKey{verb: "LIST", resource: "widgets"})
	r := &route{}
	r.series.Store(&verbSeries{"list", s, nil})
	x := &exchange{chain: p.chain("http"), target: target{route: r}, info: request.Info{Verb: "list"}}
	x.at.Store(int32(len(x.chain.rows)))
	p.observe(x, endTimedOut, http.StatusGatewayTimeout, time.Minute)
	p.observe(x, endCompleted, http.StatusOK, time.Millisecond)
	x.at.Store(0)
	p.observe(x, endTimedOut, http.StatusGatewayTimeout, time.Minute)
	p.metrics.dropped(true)
	p.metrics.dropped(false)
	e := expose(t, p)
	of := func(code, component, resource, verb string) string {
		return fmt.Sprintf(`apiserver_request_terminations_total{code=%q,component=%q,group="",resource=%q,scope="",subresource="",verb=%q,version=""}`, code, component, resource, verb)
	}
	for series, want := range map[string]float64{of("504", "", "widgets", "LIST"): 1, of("504", "apiserver", "", ""): 1, of("429", "apiserver", "", ""): 2, `apiserver_dropped_requests_total{request_kind="mutating"}`: 1} {
		if e[series] != want {
			t.Errorf("%s: %v, want %v", series, e[series], want)
		}
	}
}

func TestObserve(t *testing.T) {
	s := newCounters().noRoute
	for _, o := range []struct {
		code         int
		took         time.Duration
		bytes        int64
		bucket, size int
	}{
		{200, 0, 0, 0, 0}, {100, 5 * time.Millisecond, 1000, 0, 0}, {599, 5*time.Millisecond + 1, 1001, 1, 1}, {404, time.Minute, 1e9, 22, 6},
		{201, time.Hour, 1e9 + 1, 23, 7}, {0, -1, -1, 0, 0}, {99, 0, 0, 0, 0}, {600, 0, 0, 0, 0},
	} {
		code := o.code
		if code < 100 || code > 599 {
			code = 500
		}
		read := func() (n [3]uint64) {
			if page := s.codes[code/100].Load(); page != nil {
				n[0] = page[code%100].Load()
			}
			return [3]uint64{n[0], s.took.Count(o.bucket), s.size.Count(o.size)}
		}
		before, sum, bytes := read(), s.took.Sum(), s.size.Sum()
		s.observe(o.code, o.took, o.bytes)
		if after := read(); after != [3]uint64{before[0] + 1, before[1] + 1, before[2] + 1} {
			t.Errorf("%+v: code, bucket, size went from %v to %v", o, before, after)
		}
		if a, b := s.took.Sum()-sum, s.size.Sum()-bytes; a != int64(max(0, o.took)) || b != max(0, o.bytes) {
			t.Errorf("%+v: sums grew by %d and %d", o, a, b)
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.observe(200, time.Millisecond, 10) }); n != 0 {
		t.Errorf("observe: %v allocations", n)
	}
}

// TestMetricsSeriesAreBounded registers more than there may be series.
func TestMetricsSeriesAreBounded(t *testing.T) {
	m := newCounters()
	for i := range mostSeries + 50 {
		m.of(seriesKey{resource: strconv.Itoa(i)}).observe(200, 0, 0)
	}
	other := m.of(seriesKey{resource: "late"})
	if len(m.series) != mostSeries || other.resource != "other" {
		t.Fatalf("%d series, the last %+v", len(m.series), other.seriesKey)
	}
	if n := other.codes[2].Load()[0].Load(); n != 52 {
		t.Errorf("other has %d requests, want 52", n)
	}
	if s := m.of(seriesKey{resource: "7"}); s.resource != "7" {
		t.Errorf("an early series became %+v", s.seriesKey)
	}
}

// TestMetricsConcurrently lets many first requests of a route meet.
func TestMetricsConcurrently(t *testing.T) {
	m, r := newCounters(), &route{pattern: "/x"}
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			verb := []string{"get", "post", "brew", "steep"}[i%4]
			s := r.series.Load().find(verb)
			if s == nil {
				s = m.newVerbSeries(r, verb)
			}
			s.observe(200+i%2, time.Duration(i), 1)
		})
	}
	all.Wait()
	got := map[string]int64{}
	for v := r.series.Load(); v != nil; v = v.next {
		if got[v.verb] != 0 {
			t.Errorf("%s twice", v.verb)
		}
		got[v.verb] = v.series.size.Sum()
	}
	if want := "map[get:16 other:32 post:16]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestAuthenticatedUsers(t *testing.T) {
	m := newCounters()
	for name, label := range map[string]string{"admin": "admin", "kubelet": "kubelet", "system:serviceaccount:kube-system:default": "system:serviceaccount:kube-system:default",
		"a@b": "email_id", "email_id": "other", "": "other", "bob": "other"} {
		i := slices.Index(userLabels[:], label)
		before := m.users[i].Load()
		if m.authenticated(name); m.users[i].Load() != before+1 {
			t.Errorf("%q is not counted as %s", name, label)
		}
	}
}

// BenchmarkObserve is what metrics cost a request.
func BenchmarkObserve(b *testing.B) {
	for _, took := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Minute} {
		b.Run(took.String(), func(b *testing.B) {
			s := newCounters().noRoute
			b.ReportAllocs()
			for b.Loop() {
				s.observe(200, took, 1234)
			}
		})
	}
}
