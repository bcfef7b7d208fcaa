package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// healthCheck is one thing that must be well. An empty name or a nil function is a
// mistake of who registers it.
type healthCheck struct {
	name  string
	check func(context.Context) error
}

// healthChecks is one endpoint, healthz, livez or readyz, with its checks in order. Its
// answers are upstream's to the byte: 200 "ok"; with ?verbose a line for each check;
// 500 with the list as soon as one fails. Why one failed goes to the log, and to the
// answer of the check's own path alone.
type healthChecks struct {
	endpoint string                       // without slash
	failed   func(name string, err error) // told of every failed check
	mu       sync.Mutex
	sealed   bool
	list     atomic.Pointer[[]healthCheck]
}

func newHealthChecks(endpoint string, failed func(string, error)) *healthChecks {
	h := &healthChecks{endpoint: endpoint, failed: failed}
	h.list.Store(&[]healthCheck{})
	return h
}

// add appends a check. After seal it is too late.
func (h *healthChecks) add(c healthCheck) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sealed {
		return fmt.Errorf("unable to add %q because the /%s endpoint has already been created", c.name, h.endpoint)
	}
	list := h.checks()
	if slices.ContainsFunc(list, func(o healthCheck) bool { return o.name == c.name }) {
		return fmt.Errorf("the /%s endpoint already has a check %q", h.endpoint, c.name)
	}
	list = append(slices.Clone(list), c)
	h.list.Store(&list)
	return nil
}

func (h *healthChecks) checks() []healthCheck { return *h.list.Load() }

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

// passes reports whether every check passes now.
func (h *healthChecks) passes(ctx context.Context) bool {
	for _, c := range h.checks() {
		if c.check(ctx) != nil {
			return false
		}
	}
	return true
}

var (
	textPlain = []string{"text/plain; charset=utf-8"}
	nosniff   = []string{"nosniff"}
	okBody    = []byte("ok")
)

func healthHeader(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = textPlain[:1:1]
	h["X-Content-Type-Options"] = nosniff[:1:1]
}

// serveAll answers for all checks. ?exclude=NAME leaves one out, or all below NAME/.
func (h *healthChecks) serveAll(w http.ResponseWriter, r *http.Request) {
	var exclude []string
	verbose := false
	if r.URL.RawQuery != "" {
		q := r.URL.Query()
		_, verbose = q["verbose"]
		for _, e := range q["exclude"] {
			if e != "" && !slices.Contains(exclude, e) {
				exclude = append(exclude, e)
			}
		}
	}
	var b strings.Builder
	used := map[string]bool{}
	bad := false
	for _, c := range h.checks() {
		if by := excludedBy(exclude, c.name); by != "" {
			used[by] = true
			if by == c.name {
				fmt.Fprintf(&b, "[+]%s excluded: ok\n", c.name)
			} else {
				fmt.Fprintf(&b, "[+]%s excluded with %s: ok\n", c.name, by)
			}
			continue
		}
		if err := c.check(r.Context()); err != nil {
			bad = true
			fmt.Fprintf(&b, "[-]%s failed: reason withheld\n", c.name)
			h.failed(h.endpoint+"/"+c.name, err)
		} else {
			b.WriteString("[+]" + c.name + " ok\n")
		}
	}
	var unknown []string
	for _, e := range exclude {
		if !used[e] {
			unknown = append(unknown, fmt.Sprintf("%q", e))
		}
	}
	if len(unknown) > 0 {
		fmt.Fprintf(&b, "warn: some health checks cannot be excluded: no matches for %s\n", strings.Join(unknown, ","))
	}
	healthHeader(w)
	switch {
	case bad:
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "%s%s check failed\n", b.String(), h.endpoint)
	case verbose:
		fmt.Fprintf(w, "%s%s check passed\n", b.String(), h.endpoint)
	default:
		_, _ = w.Write(okBody)
	}
}

// excludedBy is the exclusion that takes a check: its name, or a group above it.
func excludedBy(exclude []string, name string) string {
	group := ""
	for _, e := range exclude {
		if e == name {
			return e
		}
		if strings.HasPrefix(name, strings.TrimSuffix(e, "/")+"/") {
			group = e
		}
	}
	return group
}

// serveOne answers for one check, with the error's text.
func (h *healthChecks) serveOne(w http.ResponseWriter, r *http.Request, c healthCheck) {
	healthHeader(w)
	if err := c.check(r.Context()); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "internal server error: %v\n", err)
		return
	}
	_, _ = w.Write(okBody)
}

// delayed lets a check pass until its time has come: livez and --livez-grace-period.
func delayed(c healthCheck, until time.Time, now func() time.Time) healthCheck {
	check := c.check
	c.check = func(ctx context.Context) error {
		if now().Before(until) {
			return nil
		}
		return check(ctx)
	}
	return c
}

// newHealth makes the three endpoints with the check that every server has.
func (p *program) newHealth() {
	failed := func(name string, err error) { p.log.Info("health check failed", "check", name, "err", err) }
	p.healthz, p.livez, p.readyz = newHealthChecks("healthz", failed), newHealthChecks("livez", failed), newHealthChecks("readyz", failed)
	ping := healthCheck{"ping", func(context.Context) error { return nil }}
	for _, h := range []*healthChecks{p.healthz, p.livez, p.readyz} {
		_ = h.add(ping)
	}
}

// installHealth adds the checks of the hooks and of the stop, and opens the endpoints.
// Nothing can be added afterwards.
func (p *program) installHealth(s *Server) {
	for _, o := range p.hooks.all() {
		if o.phase != postStart {
			continue
		}
		c := healthCheck{"poststarthook/" + o.name, o.check}
		live := c
		if g := p.opt.shutdown.livezGrace; g > 0 {
			live = delayed(c, p.started.Add(g), time.Now)
		}
		_ = s.keep(p.healthz.add(c))
		_ = s.keep(p.livez.add(live))
		_ = s.keep(p.readyz.add(c))
	}
	_ = s.keep(p.readyz.add(healthCheck{"shutdown", func(context.Context) error {
		if p.signals.shutdownInitiated.fired() {
			return errShuttingDown
		}
		return nil
	}}))
	for _, h := range []*healthChecks{p.healthz, p.livez, p.readyz} {
		h.seal(s)
	}
}

var errShuttingDown = errors.New("process is shutting down")
