package main

import (
	"context"
	"log/slog"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// requestInfoFilter resolves what the request is about and, by the director, where it
// will go. The route is found once, here, because a route may be long-running, which
// the time limit and the wait group must know; the director takes it from the exchange.
func requestInfoFilter(p *program) filter {
	return filter{step: func(x *exchange, next handler) error {
		if err := x.info.Resolve(x.req.Method, x.req.URL.Path, x.req.URL.RawQuery); err != nil {
			x.because("the path names no resource behind its verb", "")
			return err
		}
		// After Resolve: custom resources are found by what it says, not by the path.
		x.target = p.outermost.find(&x.req, x.dry)
		x.longRunning = request.IsLongRunning(&x.info) || x.target.route != nil && (x.target.route.longRunning || isPipe(x.target.route, &x.req))
		if x.dry != nil {
			x.because(x.about(), "")
		}
		return next(x)
	}}
}

// about says what the request asks for, in a few words.
func (x *exchange) about() string {
	what, last := "path "+request.Shown(x.info.Path), ""
	if x.info.IsResourceRequest {
		what = "resource " + request.Shown(resourceName(&x.info))
	}
	if x.longRunning {
		last = ", long-running"
	}
	return request.Shown(x.info.Verb) + " of " + what + last
}

// latencies are the times of the steps that upstream reports apart.
type latencies struct{ authentication, authorization time.Duration }

// latencyTracking switches on the measuring of steps where something reports it: the
// audit annotations of slow requests.
func latencyTracking(p *program) filter {
	f := filter{brief: true, flags: []string{"audit-policy-file"}}
	if p.auditing == nil {
		f.off = "no audit policy asks for it"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		x.latency = &latencies{}
		x.because("its steps are timed", "")
		return next(x)
	}
	return f
}

// clock returns the time now where latencies are tracked, and zero elsewhere.
func (l *latencies) clock() time.Time {
	if l != nil {
		return time.Now()
	}
	return time.Time{}
}

// accessRecord is one structured line for each request, written when it has finished,
// with the fields of upstream's HTTP log. The chain writes it as it closes the books, so the row
// has no step.
func accessRecord(p *program) filter {
	return filter{flags: []string{"v", "logging-format"}, idle: func() string {
		if p.logLevel.highest() >= accessVerbosity {
			return ""
		}
		return "-v is below 3, and so is every rule of the log level"
	}}
}

// logAccess writes the access record of x, which ended so. What a filter did not come to set is
// left empty, by the position: a handler that goes on may be setting it.
func logAccess(x *exchange, how ending, code int, took time.Duration) {
	c, at := x.chain, int(x.at.Load())
	name := ""
	if u := x.shownUser(); u != nil {
		name = u.Name
	}
	verb := x.req.Method
	if at > c.infoRow {
		verb = x.info.Verb
	}
	c.log.LogAttrs(context.Background(), slog.LevelInfo, "HTTP",
		slog.String("verb", verb),
		slog.String("URI", status.Shorten(request.ShownURI(x.req.URL), 2048)),
		slog.Duration("latency", took),
		slog.String("userAgent", status.Shorten(x.req.UserAgent(), 256)),
		slog.String("audit-ID", status.Shorten(x.auditID[0], 64)),
		slog.String("srcIP", x.req.RemoteAddr),
		slog.String("user", name),
		slog.String("listener", c.listener),
		slog.String("proto", x.req.Proto),
		slog.Int("resp", code),
		slog.Int64("bytes", x.bytesOut.Load()),
		slog.String("ended", string(how)),
		slog.String("in", c.place(at)))
}

// shownUser returns who the request acts as, for readers that have loaded at: nil before the
// filter that finds it out has gone on.
func (x *exchange) shownUser() *request.User {
	switch at := int(x.at.Load()); {
	case at > x.chain.actingRow:
		return x.acting
	case at > x.chain.userRow:
		return x.user
	}
	return nil
}
