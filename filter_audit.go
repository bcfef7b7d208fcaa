package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"apichain/internal/metrics"
	"apichain/internal/request"
	"apichain/internal/status"
)

// auditing is the audit policy with the log it fills.
type auditing struct {
	policy *auditPolicy
	log    *auditLog
}

// auditMostBody is the most of a body that is kept for an event, upstream's limit of a
// request body; a longer one is left out.
const auditMostBody = 3 << 20

// auditTrail is what an exchange collects for its audit events. The chain's goroutine
// fills it, and the time limit may close it at the same time.
type auditTrail struct {
	auditing *auditing
	decision auditDecision
	base     *auditEvent // what all its events have in common
	refusal  bool        // refused before the audit filter: one event

	mu        sync.Mutex
	failure   *status.Error
	effective *auditUser
	notes     map[string]string // annotations
	closed    bool
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
	f.wrap = func(next handler) handler {
		return func(x *exchange) error {
			if x.dry != nil {
				x.because("the policy has level "+a.policy.decide(x.user, &x.info).level.String()+" for it", "audit-policy-file")
			} else if t := a.open(x, x.user); t != nil {
				t.write(auditRequestReceived, 0)
			}
			return next(x)
		}
	}
	return f
}

// open begins a trail, or returns nil when the policy says none. Only the bodies that
// the level asks for are kept.
func (a *auditing) open(x *exchange, u *request.User) *auditTrail {
	d := a.policy.decide(u, &x.info)
	if d.level == auditNone {
		return nil
	}
	t := &auditTrail{auditing: a, decision: d, base: newAuditEvent(&x.req, x.auditID[0], d.level, x.received)}
	t.base.Verb, t.base.User, t.base.ObjectRef = x.info.Verb, newAuditUser(u), newAuditObjectRef(&x.info)
	if d.level >= auditRequest && x.info.IsResourceRequest && x.in.rc != nil {
		x.in.capture = &captured{}
	}
	if d.level >= auditRequestResponse && x.info.IsResourceRequest {
		x.capture = &captured{}
	}
	x.mu.Lock()
	x.audit = t
	x.mu.Unlock()
	return t
}

// auditRefusal opens the trail of a request that is refused before the audit filter:
// wrong credentials, a wrong time limit. It has one event, and no user (upstream).
func (p *program) auditRefusal(x *exchange) {
	if p.auditing != nil && x.dry == nil {
		if t := p.auditing.open(x, nil); t != nil {
			t.refusal = true
		}
	}
}

// refused keeps the Status of the answer.
func (t *auditTrail) refused(e *status.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = e
}

func (t *auditTrail) impersonated(u *request.User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := newAuditUser(u)
	t.effective = &a
}

// decided keeps what the authorizer said.
func (t *auditTrail) decided(allowed bool, reason string) {
	decision := "forbid"
	if allowed {
		decision = "allow"
	}
	t.note("authorization.k8s.io/decision", decision)
	t.note("authorization.k8s.io/reason", reason)
}

func (t *auditTrail) note(key, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notes == nil {
		t.notes = map[string]string{}
	}
	t.notes[key] = value
}

// started is told when the header is written: long-running requests have an event then.
func (t *auditTrail) started(x *exchange, code int) {
	if x.longRunning {
		t.write(auditResponseStarted, code)
	}
}

// complete writes the last event. Nothing is written after it.
func (t *auditTrail) complete(x *exchange, how ending, code int, took time.Duration) {
	stage := auditResponseComplete
	switch {
	case t.refusal:
		stage = auditResponseStarted
	case how == endPanicked:
		stage = auditPanic
		t.refused(&status.Error{Code: 500, Reason: "InternalError", Message: fmt.Sprintf("APIServer panic'd: %v", x.panicked.value)})
		code = 500
	case how == endTimedOut && code == errTimeout.Code:
		t.refused(&errTimeout)
	}
	if took > 500*time.Millisecond {
		t.note("apiserver.latency.k8s.io/total", took.String())
		if how != endTimedOut { // else the handler may still be measuring
			var l latencies // the plain listener measures none
			if x.latency != nil {
				l = *x.latency
			}
			t.note("apiserver.latency.k8s.io/authentication", l.authentication.String())
			t.note("apiserver.latency.k8s.io/authorization", l.authorization.String())
		}
	}
	if how != endTimedOut {
		t.mu.Lock()
		t.base.RequestObject, t.base.ResponseObject = x.in.capture.object(), x.capture.object()
		t.mu.Unlock()
	}
	t.write(stage, code)
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

// write writes the event of one stage, unless the policy omits it.
func (t *auditTrail) write(stage auditStage, code int) {
	if t.decision.omit&stage != 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	e := *t.base
	e.Stage, e.StageTime = stage, auditTime(time.Now())
	e.ImpersonatedUser, e.Annotations = t.effective, t.notes
	if code > 0 {
		e.ResponseStatus = auditStatus(code, t.failure)
	}
	t.auditing.log.write(&e)
}

// closeAudit ends the log, after the last request has.
func (p *program) closeAudit() {
	if p.auditing == nil {
		return
	}
	if err := p.auditing.log.close(); err != nil {
		p.log.Error("the audit log did not close well", "err", err)
	}
}

// writeMetrics writes the counters of auditing; none without a policy.
func (a *auditing) writeMetrics(e *metrics.Writer) {
	if a == nil {
		return
	}
	var all uint64
	for i := range a.log.events {
		all += a.log.events[i].Load()
	}
	e.Single("apiserver_audit_event_total", "counter", "Audit events written.", float64(all))
	e.Family("apiserver_audit_level_total", "counter", "Audit events written, by level.")
	for i := range a.log.events {
		e.Number(float64(a.log.events[i].Load()), "level", auditLevel(i).String())
	}
	e.Single("apiserver_audit_error_total", "counter", "Audit events that could not be written.", float64(a.log.errors.Load()))
}

// captured is the beginning of a body, for an audit event. A nil one keeps nothing.
type captured struct {
	b    []byte
	over bool
}

func (c *captured) write(b []byte) {
	if c.over || len(c.b)+len(b) > auditMostBody {
		c.over, c.b = true, nil
		return
	}
	c.b = append(c.b, b...)
}

// object is the body if it is whole and JSON.
func (c *captured) object() json.RawMessage {
	if c == nil || c.over || !json.Valid(c.b) {
		return nil
	}
	return c.b
}
