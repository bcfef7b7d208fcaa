package main

import (
	"time"

	"apichain/internal/audit"
	"apichain/internal/metrics"
	"apichain/internal/request"
)

// auditOptions are the options of auditing. Without a policy nothing is recorded.
type auditOptions struct {
	policyFile string
	log        audit.Config
}

// register declares the flags of the policy and of the log.
func (o *auditOptions) register(f *flags) {
	f.in("audit")
	f.text(&o.policyFile, "audit-policy-file", "",
		"The audit policy (kind Policy, audit.k8s.io/v1) in YAML or JSON. Needs --audit-log-path.")
	f.text(&o.log.Path, "audit-log-path", "",
		"The file that audit events are appended to, one JSON line each; - is standard output. Needs --audit-policy-file.")
	f.int(&o.log.MaxSize, "audit-log-maxsize", 0, "Megabytes after which the audit log is rotated; 0 means 100.")
	f.int(&o.log.MaxBackups, "audit-log-maxbackup", 0, "The number of rotated audit logs to keep; 0 keeps all.")
	f.int(&o.log.MaxAge, "audit-log-maxage", 0, "Days to keep rotated audit logs, counted from the time in their names; 0 keeps all.")
}

// check also refuses a policy without a log and a log without a policy. Upstream starts
// and records nothing; whoever gives one of the two expects records.
func (o *auditOptions) check(p *problems) {
	p.when(o.policyFile != "" && o.log.Path == "", "audit-policy-file", "records nothing without --audit-log-path")
	p.when(o.log.Path != "" && o.policyFile == "", "audit-log-path", "records nothing without --audit-policy-file")
	p.when(o.log.MaxSize < 0, "audit-log-maxsize", "%d is negative", o.log.MaxSize)
	p.when(o.log.MaxBackups < 0, "audit-log-maxbackup", "%d is negative", o.log.MaxBackups)
	p.when(o.log.MaxAge < 0, "audit-log-maxage", "%d is negative", o.log.MaxAge)
}

// auditFilter opens the trail of a request that the policy records, and writes its
// first event.
func auditFilter(p *program) filter {
	f := filter{flags: []string{"audit-policy-file", "audit-log-path"}}
	a := p.auditing
	if a == nil {
		f.off = "no audit policy is given"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		if x.dry != nil {
			x.because("the policy has level "+a.LevelOf(x.user, &x.info).String()+" for it", "audit-policy-file")
		} else if t := x.openTrail(a, x.user, false); t != nil {
			t.Received()
		}
		return next(x)
	}
	return f
}

// openTrail opens the trail of x, and lets the bodies that it wants be kept. It returns
// nil when the policy records nothing of the request.
func (x *exchange) openTrail(a *audit.Recorder, u *request.User, refused bool) *audit.Trail {
	t := a.Open(&audit.Facts{
		Request: &x.req, ID: x.auditID[0], Received: x.received,
		User: u, Info: &x.info, HasBody: x.in.rc != nil, Refused: refused,
	})
	if t == nil {
		return nil
	}
	x.in.capture, x.capture = t.Bodies()
	x.mu.Lock() // whoever ends the exchange at the time limit reads it
	x.audit = t
	x.mu.Unlock()
	return t
}

// auditRefusal opens the trail of a request that is refused before the audit filter:
// wrong credentials, a wrong time limit. It has one event, and no user (upstream).
func (p *program) auditRefusal(x *exchange) {
	if p.auditing != nil && x.dry == nil {
		x.openTrail(p.auditing, nil, true)
	}
}

// completeTrail hands over to the trail how x ended.
func (x *exchange) completeTrail(t *audit.Trail, how ending, code int, took time.Duration) {
	end := audit.End{Code: code, Took: took, HandlerRuns: how == endTimedOut}
	switch {
	case how == endPanicked:
		end.Panicked, end.Panic = true, x.panicked.value
	// A cut at the limit has the code of the answer that had begun, and no Status.
	case how == endTimedOut && code == errTimeout.Code:
		end.Failure = &errTimeout
	}
	// The plain listener measures none, and a handler that goes on may be measuring still.
	if l := x.latency; l != nil && !end.HandlerRuns {
		end.Authentication, end.Authorization = l.authentication, l.authorization
	}
	t.Complete(end)
}

// closeAudit ends the log, after the last request has. It may be called again.
func (p *program) closeAudit() {
	if p.auditing == nil {
		return
	}
	if err := p.auditing.Close(); err != nil {
		p.log.Error("the audit log did not close well", "err", err)
	}
}

// writeAuditing writes the counters of auditing, for /metrics; none without a policy.
func writeAuditing(e *metrics.Writer, a *audit.Recorder) {
	if a == nil {
		return
	}
	levels := []audit.Level{audit.LevelNone, audit.LevelMetadata, audit.LevelRequest, audit.LevelRequestResponse}
	var all uint64
	for _, level := range levels {
		all += a.Written(level)
	}
	e.Single("apiserver_audit_event_total", "counter", "Audit events written.", float64(all))
	e.Family("apiserver_audit_level_total", "counter", "Audit events written, by level.")
	for _, level := range levels {
		e.Number(float64(a.Written(level)), "level", level.String())
	}
	e.Single("apiserver_audit_error_total", "counter", "Audit events that could not be written.", float64(a.Lost()))
}
