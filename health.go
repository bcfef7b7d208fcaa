package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/metrics"
)

// The health endpoints: /healthz, /livez and /readyz, each with a list of checks and a path for each
// check below it. Who asks is a kubelet or a load balancer, several times a second and for years, so
// the answer that all is well is made without building a report.
//
// The texts are upstream's to the byte, since scripts read them. Upstream also withholds from the
// lists why a check failed; the path of the check itself says it, and so does the log.
//
//	/readyz            200 ok                    500 [+]ping ok\n[-]drain failed: reason withheld\n…
//	/readyz?verbose    200 [+]ping ok\n…\nreadyz check passed
//	/readyz/drain      200 ok                    500 internal server error: the server is being drained
//
// A check is run anew for each request, in the request's goroutine: it must be quick. What the checks
// of an endpoint have said last is counted for the metrics, of its root alone, as upstream does.

// healthCheck is one thing that must be well.
type healthCheck struct {
	name string
	// check returns what is wrong. Its context is the request's. A panic in it is a failure.
	check func(context.Context) error
	// group is a name by which several checks can be excluded at once; "" is none.
	group string
}

// run calls the check, with a panic as an error: who waits for ready runs it too, outside any filter
// that would contain it.
func (c *healthCheck) run(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return c.check(ctx)
}

// installedCheck is a check of one endpoint, with what the root of the endpoint saw of it.
type installedCheck struct {
	healthCheck
	// state is how the last run ended: one of the states below.
	state          atomic.Int32
	passed, failed metrics.Counter
}

// The states of an installed check. Passed and failed are in this order so that their difference is
// the gauge.
const (
	checkNotRun = iota
	checkPassed
	checkFailed
)

// observe runs the check and counts how it ended.
func (c *installedCheck) observe(ctx context.Context) error {
	err := c.run(ctx)
	if err != nil {
		c.state.Store(checkFailed)
		c.failed.Inc()
	} else {
		c.state.Store(checkPassed)
		c.passed.Inc()
	}
	return err
}

// healthChecks is one endpoint with its checks in order. Its methods may be called concurrently.
type healthChecks struct {
	// endpoint is healthz, livez or readyz.
	endpoint string
	// failed is told of every failed check.
	failed func(name string, err error)

	// mu is for one add at a time.
	mu     sync.Mutex
	sealed bool
	// list is replaced whole by add, so that requests take no lock.
	list atomic.Pointer[[]*installedCheck]

	// Header values that every answer shares, which saves their allocation.
	contentType, nosniff []string
}

// newHealthChecks makes an endpoint without checks.
func newHealthChecks(endpoint string, failed func(string, error)) *healthChecks {
	h := &healthChecks{
		endpoint: endpoint, failed: failed,
		contentType: []string{"text/plain; charset=utf-8"}, nosniff: []string{"nosniff"},
	}
	h.list.Store(&[]*installedCheck{})
	return h
}

// add appends a check. A name that is taken is an error, and after seal it is too late: the paths of
// the checks are registered then. The words of that are upstream's.
func (h *healthChecks) add(c healthCheck) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sealed {
		return fmt.Errorf("health check %q: unable to add because the /%s endpoint has already been created", c.name, h.endpoint)
	}
	list := h.checks()
	if slices.ContainsFunc(list, func(o *installedCheck) bool { return o.name == c.name }) {
		return fmt.Errorf("the /%s endpoint already has a check %q", h.endpoint, c.name)
	}
	list = append(slices.Clone(list), &installedCheck{healthCheck: c})
	h.list.Store(&list)
	return nil
}

// checks returns the checks in order. The slice must not be changed.
func (h *healthChecks) checks() []*installedCheck { return *h.list.Load() }

// seal closes the list and installs the endpoint: its root, and a path for each check.
func (h *healthChecks) seal(s *Server) {
	h.mu.Lock()
	h.sealed = true
	h.mu.Unlock()
	_ = s.Handle("/"+h.endpoint, http.HandlerFunc(h.serveAll))
	for _, c := range h.checks() {
		_ = s.Handle("/"+h.endpoint+"/"+c.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.serveOne(w, r, c) }))
	}
}

// passes reports whether every check passes now. It stops at the first that does not, and counts
// nothing: nobody has asked from outside.
func (h *healthChecks) passes(ctx context.Context) bool {
	for _, c := range h.checks() {
		if c.run(ctx) != nil {
			return false
		}
	}
	return true
}

// serveAll answers for all checks. ?exclude=NAME leaves out a check or a group, and may
// be repeated. The lines are made only where they are sent: with ?verbose, or from the
// first failure on.
func (h *healthChecks) serveAll(w http.ResponseWriter, r *http.Request) {
	// Parsing a query allocates, and nearly nobody sends one.
	q := healthQuery{}
	if r.URL.RawQuery != "" {
		q = readHealthQuery(r.URL.Query())
	}
	var report []byte
	bad, list := false, h.checks()
	for i, c := range list {
		var err error
		if !q.excludes(&c.healthCheck) {
			err = c.observe(r.Context())
		}
		if err != nil {
			h.failed(h.endpoint+"/"+c.name, err)
			// The first failure: the lines of those before it are missing.
			if !bad && !q.verbose {
				for _, before := range list[:i] {
					report = q.line(report, &before.healthCheck, nil)
				}
			}
			bad = true
		}
		if bad || q.verbose {
			report = q.line(report, &c.healthCheck, err)
		}
	}
	h.header(w)
	switch {
	case bad:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "%s%s%s check failed\n", report, q.warning(list), h.endpoint)
	case q.verbose:
		_, _ = fmt.Fprintf(w, "%s%s%s check passed\n", report, q.warning(list), h.endpoint)
	default:
		_, _ = io.WriteString(w, "ok")
	}
}

// serveOne answers for one check, with the error's text. It is not counted (upstream).
func (h *healthChecks) serveOne(w http.ResponseWriter, r *http.Request, c *installedCheck) {
	err := c.run(r.Context())
	h.header(w)
	if err != nil {
		h.failed(h.endpoint+"/"+c.name, err)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "internal server error: %v\n", err)
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// header sets the header lines that all answers have.
func (h *healthChecks) header(w http.ResponseWriter) {
	header := w.Header()
	// Clipped: whoever appends a value gets an array of its own.
	header["Content-Type"] = h.contentType[:1:1]
	header["X-Content-Type-Options"] = h.nosniff[:1:1]
}

// healthQuery is what a request wants of the root of an endpoint.
type healthQuery struct {
	verbose bool
	// exclude is in order, each once.
	exclude []string
}

// readHealthQuery reads ?verbose, which needs no value, and ?exclude, which may be repeated.
func readHealthQuery(values url.Values) healthQuery {
	return healthQuery{verbose: values.Has("verbose"), exclude: sorted(values["exclude"])}
}

// excludes reports whether the query leaves the check out, by its name or its group's.
func (q *healthQuery) excludes(c *healthCheck) bool {
	return len(q.exclude) > 0 && (q.has(c.name) || c.group != "" && q.has(c.group))
}

// has reports whether ?exclude has the name.
func (q *healthQuery) has(name string) bool {
	_, found := slices.BinarySearch(q.exclude, name)
	return found
}

// line appends what the report says of a check, in upstream's words.
func (q *healthQuery) line(b []byte, c *healthCheck, err error) []byte {
	switch {
	case err != nil:
		return fmt.Appendf(b, "[-]%s failed: reason withheld\n", c.name)
	case !q.excludes(c):
		return fmt.Appendf(b, "[+]%s ok\n", c.name)
	case q.has(c.name):
		return fmt.Appendf(b, "[+]%s excluded: ok\n", c.name)
	}
	return fmt.Appendf(b, "[+]%s excluded with %s: ok\n", c.name, c.group)
}

// warning names the exclusions that are neither a check nor a group, "" where all are. A group whose
// checks are all excluded by name counts as unknown (upstream).
func (q *healthQuery) warning(list []*installedCheck) string {
	var unknown []string
	for _, e := range q.exclude {
		known := func(c *installedCheck) bool { return c.name == e || c.group != "" && c.group == e && !q.has(c.name) }
		if !slices.ContainsFunc(list, known) {
			unknown = append(unknown, strconv.Quote(e))
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	return "warn: some health checks cannot be excluded: no matches for " + strings.Join(unknown, ",") + "\n"
}

// delayed returns the check so that it passes until then: for livez and --livez-grace-period, so that
// a slow start does not get the process killed.
func delayed(c healthCheck, until time.Time, now func() time.Time) healthCheck {
	check := c.check
	c.check = func(ctx context.Context) error {
		if !now().After(until) {
			return nil
		}
		return check(ctx)
	}
	return c
}

// newHealth makes the three endpoints with the checks that every server has: that it answers, and,
// as upstream's lists have it, that its log can be written. A line goes out as it is made here, so
// who answers has no log that is held up.
func (p *program) newHealth() {
	failed := func(name string, err error) { p.log.Info("health check failed", "check", name, "err", err) }
	p.healthz, p.livez, p.readyz = newHealthChecks("healthz", failed), newHealthChecks("livez", failed), newHealthChecks("readyz", failed)
	well := func(context.Context) error { return nil }
	for _, h := range []*healthChecks{p.healthz, p.livez, p.readyz} {
		_ = h.add(healthCheck{name: "ping", check: well})
		_ = h.add(healthCheck{name: "log", check: well})
	}
}

// addBootCheck adds the check of a part of the start. The grace period is livez's alone: healthz fails until the part is
// done (upstream).
func (p *program) addBootCheck(s *Server, c healthCheck) {
	live := c
	if g := p.opt.shutdown.livezGrace; g > 0 {
		live = delayed(c, p.started.Add(g), time.Now)
	}
	_ = s.keep(p.healthz.add(c))
	_ = s.keep(p.livez.add(live))
	_ = s.keep(p.readyz.add(c))
}

// installHealth adds the checks of the hooks and of the stop, and opens the endpoints on s. Nothing
// can be added afterwards. Errors are the server's to keep (Server.keep).
func (p *program) installHealth(s *Server) {
	for _, o := range p.hooks.all() {
		if o.phase != postStart {
			continue
		}
		p.addBootCheck(s, healthCheck{name: "poststarthook/" + o.name, check: o.check})
	}
	// readyz alone: a server that stops or is drained is alive, and must not be restarted.
	_ = s.keep(p.readyz.add(healthCheck{name: "shutdown", check: func(context.Context) error {
		if p.signals.shutdownInitiated.fired() {
			return errShuttingDown
		}
		return nil
	}}))
	_ = s.keep(p.readyz.add(healthCheck{name: "drain", check: p.draining.check}))
	for _, h := range []*healthChecks{p.healthz, p.livez, p.readyz} {
		h.seal(s)
	}
}

// writeHealth writes what the roots of the health endpoints have seen of each check.
func writeHealth(e *metrics.Writer, endpoints ...*healthChecks) {
	e.Family("kubernetes_healthcheck", "gauge", "The last result of a health check, 1 or 0, by name and endpoint.")
	for _, h := range endpoints {
		for _, c := range h.checks() {
			// A check that never ran has no result, and no series: neither 1 nor 0 would be true.
			if state := c.state.Load(); state != checkNotRun {
				e.Number(float64(checkFailed-state), "name", c.name, "type", h.endpoint)
			}
		}
	}
	e.Family("kubernetes_healthchecks_total", "counter", "Results of health checks, by name, endpoint and status.")
	for _, h := range endpoints {
		for _, c := range h.checks() {
			e.Number(c.failed.Value(), "name", c.name, "type", h.endpoint, "status", "error")
			e.Number(c.passed.Value(), "name", c.name, "type", h.endpoint, "status", "success")
		}
	}
}

// errShuttingDown is why readyz fails in a stop.
var errShuttingDown = errors.New("process is shutting down")
