package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"time"

	"apichain/admin"
	"apichain/internal/controller"
	"apichain/internal/metrics"
	"apichain/internal/status"
)

// What the admin endpoint shows of the process and of its store. What it shows of routes, filters
// and requests is in inspect_requests.go.
//
// Nearly all of both files is translation: a method of source for each page, which copies what the
// program knows into the shape that package admin defines for it. The rules:
//
//   - A translation stands beside its page: the shown methods of hook, event and exchange are in
//     these two files, since serving needs none of them. What has a file of its own for the sake of
//     its page has page and translation there: recent.go, watch_table.go, stream.go, tls_options.go
//     (what is shown of certificates) and the controls.
//   - Methods of source may be called concurrently and at any time in the life of the program. They
//     change nothing, but for Reset and LoadSnapshot here and the controls.
//   - A page is a copy. It takes the lock of one table at a time and holds none when it returns, so
//     its rows may be of moments that are some microseconds apart. Package admin asks again where
//     the generation has moved meanwhile.
//   - A client's text is shown as request.Shown has it, a list without elements as [], and what is
//     unknown or has not happened as null.

// source is the program as package admin sees it.
type source struct{ p *program }

// Generation returns the number that every change of structure moves.
func (s source) Generation() int64 { return s.p.generation.Load() }

// Status returns what the index says of the process.
func (s source) Status() admin.Status {
	_, phase := s.p.timeline.list()
	ready := phase == "run" && !s.p.draining.shown().Active
	return admin.Status{Version: programVersion, Phase: phase, Ready: ready, Controls: s.p.controls()}
}

// WriteMetrics writes the page of metrics, the same as on the serving listeners.
func (s source) WriteMetrics(w io.Writer) error { return s.p.writeMetrics(w) }

// Build returns what the binary is and what its process uses.
func (s source) Build() admin.Build {
	b := readBuild()
	module := "apichain"
	// A copy that was vendored or renamed says so.
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		module = info.Main.Path
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	revised, _ := time.Parse(time.RFC3339, b.time) // zero, and so null, where nothing was stamped
	return admin.Build{
		Version: programVersion, GoVersion: runtime.Version(), Module: module, Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Revision: b.revision, RevisionTime: admin.Time(revised), Modified: b.modified,
		Process: admin.Process{
			PID: os.Getpid(), StartedAt: admin.Time(s.p.started), UptimeSeconds: time.Since(s.p.started).Seconds(),
			Goroutines: runtime.NumGoroutine(), HeapBytes: m.HeapAlloc, ResidentBytes: metrics.ResidentBytes(), CPUs: runtime.NumCPU(),
		},
	}
}

// Options returns every flag, by group and then name, with its value and where that is from.
func (s source) Options() []admin.Option {
	out := []admin.Option{}
	for _, f := range s.p.flags.All() {
		a := admin.Option{
			ID: f.Name, Name: f.Name, Group: f.Section, Help: f.Usage, Secret: f.Secret,
			Value: f.Shown(), Default: f.DefValue, Source: "default",
		}
		switch {
		// A value that was computed is no longer the one that was given.
		case f.Derived:
			a.Source = "derived"
		case f.Given:
			a.Source = "flag"
		}
		out = append(out, a)
	}
	sort.SliceStable(out, func(i, j int) bool {
		return cmp.Or(strings.Compare(out[i].Group, out[j].Group), strings.Compare(out[i].Name, out[j].Name)) < 0
	})
	return out
}

// Listeners returns the bound addresses, those of the admin listener too, with the states of
// their connections and what those with TLS serve and trust.
func (s source) Listeners() []admin.Listener {
	out := []admin.Listener{}
	open := s.p.connectionStates()
	for _, l := range s.p.listeners {
		a := admin.Listener{
			ID: l.role + "/" + l.address, Listener: l.role, Address: l.address, Network: l.network,
			Inherited: l.inherited, Protocols: s.p.opt.listen.protocols(l.role),
		}
		if n := open[l]; n != nil {
			a.Connections = *n
		}
		// Read after the states: no more connections are open than were accepted.
		a.Connections.Accepted, a.Connections.Closed = l.accepted.Load(), l.closed.Load()
		if l.tls {
			a.TLS = shownTLS(s.p.certs)
		}
		out = append(out, a)
	}
	return out
}

// connectionStates counts the open connections of each listener by their state. A listener without
// any is not in the map.
func (p *program) connectionStates() map[*listener]*admin.Connections {
	out := map[*listener]*admin.Connections{}
	for _, c := range p.conns.list() {
		n := out[c.listener]
		if n == nil {
			n = &admin.Connections{}
			out[c.listener] = n
		}
		switch http.ConnState(c.state.Load()) {
		case http.StateNew:
			n.New++
		case http.StateActive:
			n.Active++
		case http.StateIdle:
			n.Idle++
		case http.StateHijacked:
			n.Hijacked++
		}
	}
	return out
}

// Hooks returns the hooks of all servers, by phase and then in the order of registration. One that
// has run for longer than stackAfter is shown with its stack.
func (s source) Hooks() []admin.Hook {
	out := []admin.Hook{}
	for _, phase := range []string{postStart, preShutdown} {
		for _, o := range s.p.hooks.all() {
			if o.phase == phase {
				out = append(out, o.shown())
			}
		}
	}
	slow := func(h admin.Hook) bool {
		return h.State == hookRunning && *h.DurationMs > *ms(stackAfter)
	}
	// A goroutine profile stops the world for a moment, so it is taken only where it says something.
	if !slices.ContainsFunc(out, slow) {
		return out
	}
	now := stacks()
	for i := range out {
		if slow(out[i]) {
			out[i].Stack = now["hook/"+out[i].ID]
		}
	}
	return out
}

// shown returns the hook as the admin endpoint shows it. Its duration grows while it runs, and is
// null before.
func (o *hook) shown() admin.Hook {
	// One lock for all fields: a state must not be shown with the times of another.
	o.mu.Lock()
	defer o.mu.Unlock()
	a := admin.Hook{
		ID: o.phase + "/" + o.name, Phase: o.phase, Name: o.name, Server: o.server, Order: o.order, RegisteredAt: o.at,
		State: o.state, StartedAt: admin.Time(o.started), Error: errText(o.err), Stack: []string{},
	}
	if o.phase == postStart {
		a.HealthCheck = "poststarthook/" + o.name
	}
	switch o.state {
	case hookRunning:
		a.DurationMs = ms(time.Since(o.started))
	case hookDone, hookFailed, hookPanicked:
		a.DurationMs = ms(o.took)
	}
	if o.state == hookPanicked {
		a.Stack = frames(o.stack)
	}
	return a
}

// ms converts a duration to milliseconds, in microsecond steps. It is a pointer because most
// durations on a page may be null.
func ms(d time.Duration) *float64 {
	f := float64(d.Microseconds()) / 1000
	return &f
}

// Timeline returns what has happened to the process and, during a stop, what that waits for.
func (s source) Timeline() admin.Timeline {
	p := s.p
	events, phase := p.timeline.list()
	t := admin.Timeline{
		Phase: phase, StartedAt: admin.Time(p.started), BlockedBy: []admin.Blocker{}, Events: []admin.Event{},
	}
	if at := p.readyAt.Load(); at != nil {
		t.ReadyAt = admin.Time(*at)
	}
	if phase == "stop" {
		if d := p.stop.deadline.Load(); d != nil {
			t.Deadline = admin.Time(*d)
		}
		// Read once: a page must not name one thing and list what blocks the next.
		t.WaitingFor = *p.stop.waitingFor.Load()
		t.BlockedBy = p.blockers(t.WaitingFor)
	}
	for _, e := range events {
		t.Events = append(t.Events, e.shown(p.started))
	}
	return t
}

// shown returns the event as the admin endpoint shows it; origin is when the process started. The
// duration of an instant is null, and that of a step which goes on grows.
func (e *event) shown(origin time.Time) admin.Event {
	a := admin.Event{
		ID: fmt.Sprint(e.id), Phase: e.phase, Kind: e.kind, Name: e.name, Error: e.err, Detail: e.detail,
		At: admin.Time(e.at), SinceStartMs: *ms(e.at.Sub(origin)),
	}
	switch {
	case e.instant:
	case e.over:
		a.DurationMs = ms(e.took)
	default:
		a.DurationMs = ms(time.Since(e.at))
	}
	if e.kind == "hook" {
		a.Ref = &admin.Ref{Kind: "hook", ID: e.name, Href: "/admin/v1/hooks?id=" + e.name}
	}
	return a
}

// blockers returns what a stop waits for, the oldest first. waiting is the step of the stop (see
// stopState): while it is the delay, the rest of that; in every step the hooks that run, the
// requests that wait-group let in and, with a grace period for watches, the watches; and when the
// listeners close, all that is still under way.
func (p *program) blockers(waiting string) []admin.Blocker {
	out := []admin.Blocker{}
	if left := time.Until(p.delayUntil()); waiting == "delay" && left > 0 {
		out = append(out, admin.Blocker{
			Kind: "delay", ID: "delay", Href: "/admin/v1/timeline?name=delay",
			What: left.Round(100*time.Millisecond).String() + " left", AgeMs: *ms(p.opt.shutdown.delay - left),
		})
	}
	for _, o := range p.hooks.all() {
		if a := o.shown(); a.State == hookRunning {
			out = append(out, admin.Blocker{
				Kind: "hook", ID: a.ID, Href: "/admin/v1/hooks?id=" + a.ID, What: a.Name, AgeMs: *a.DurationMs,
			})
		}
	}
	for _, c := range p.chains {
		admitted := int32(c.position("wait-group"))
		c.table.each(func(x *exchange) {
			// Nobody waits for a request that has not passed wait-group, nor for one that does not
			// count there: it is a watch that is ended at once, or was let go. inWaitGroup may be read
			// only behind the row that sets it, so the position comes first.
			at := x.at.Load()
			counts := at > admitted && (x.inWaitGroup || x.longRunning && p.opt.shutdown.watchGrace != 0)
			if waiting == "listeners" || counts {
				r := x.shown()
				out = append(out, blockerOf(&r))
			}
		})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].AgeMs > out[j].AgeMs })
	return out
}

// blockerOf returns the row of a request or watch that is waited for, by a stop or by a drain.
func blockerOf(r *admin.Request) admin.Blocker {
	kind := "request"
	if r.LongRunning {
		kind = "watch"
	}
	return admin.Blocker{
		Kind: kind, ID: r.ID, Href: "/admin/v1/inflight?id=" + r.ID, AuditID: r.AuditID,
		What: r.Method + " " + r.Path, AgeMs: r.AgeMs,
	}
}

// delayUntil returns when the shutdown delay ends, and the zero time before a stop. The deadline is
// the only time of a stop that is kept; it is a whole timeout after the begin.
func (p *program) delayUntil() time.Time {
	if d := p.stop.deadline.Load(); d != nil {
		return d.Add(p.opt.shutdown.delay - p.opt.shutdown.timeout)
	}
	return time.Time{}
}

// Store returns what the store holds of each resource, all of one revision.
func (s source) Store() admin.Store {
	rev, holdings := s.p.store.Snapshots()
	out := admin.Store{Revision: rev, Resources: []admin.Stock{}, Keeping: s.p.keeping()}
	for _, h := range holdings {
		out.Resources = append(out.Resources, admin.Stock{
			Resource: h.Bucket.Name, Objects: h.Now.Count(), Bytes: h.Now.Bytes(), Warnings: []string{},
		})
	}
	out.Window.Events, out.Window.Bytes, out.Window.OldestRevision = s.p.store.Window()
	return out
}

// Watches returns the open watches, the oldest first.
func (s source) Watches() []admin.Watch { return s.p.watchTable.list() }

// Snapshot returns the whole store of one moment. It is written from that moment's tree while
// others go on writing, however slow its reader is.
func (s source) Snapshot() (admin.Snapshot, *admin.Error) {
	list := controller.NewList(s.p.store)
	return admin.Snapshot{Size: list.Size(), Write: list.Write}, nil
}

// Reset makes the store what it was at ready.
func (s source) Reset(ctx context.Context) (admin.Written, *admin.Error) {
	w, err := s.p.restorer.Reset(ctx)
	return admin.Written(w), adminError(err)
}

// LoadSnapshot makes the store hold exactly what body, a snapshot, has.
func (s source) LoadSnapshot(ctx context.Context, body []byte) (admin.Written, *admin.Error) {
	w, err := s.p.restorer.Load(ctx, body)
	// It may be of a server that had nothing registered.
	s.p.aggregation.Again()
	return admin.Written(w), adminError(err)
}

// adminError converts an error of the serving side; nil stays nil. Package admin may not import
// status, so it has an error of its own with the same words.
func adminError(e *status.Error) *admin.Error {
	if e == nil {
		return nil
	}
	out := &admin.Error{Code: e.Code, Reason: e.Reason, Message: e.Message, Close: e.Close}
	if e.Details != nil {
		for _, c := range e.Details.Causes {
			out.Causes = append(out.Causes, admin.Cause(c))
		}
	}
	return out
}
