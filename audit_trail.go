package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// auditRecorder is a policy with the log it fills. It may be used concurrently.
type auditRecorder struct {
	policy *auditPolicy
	log    *auditLog
}

// newAuditRecorder opens the log that c names and puts it behind policy.
func newAuditRecorder(policy *auditPolicy, c auditConfig, log *slog.Logger, stdout io.Writer) (*auditRecorder, error) {
	l, err := openAuditLog(c, log, stdout)
	if err != nil {
		return nil, err
	}
	return &auditRecorder{policy, l}, nil
}

// levelOf is the level at which the policy records a request.
func (a *auditRecorder) levelOf(u *request.User, info *request.Info) auditLevel {
	return a.policy.decide(u, info).level
}

// written is how many events of a level the log has.
func (a *auditRecorder) written(level auditLevel) uint64 { return a.log.events[level].Load() }

// lost is how many events could not be encoded or written.
func (a *auditRecorder) lost() uint64 { return a.log.errors.Load() }

// close ends the log, after the last request has.
func (a *auditRecorder) close() error { return a.log.close() }

// auditFacts are what a trail is told of its request when it is opened. Nothing of it is
// changed; the user's slices and map are shared until the last event is written.
type auditFacts struct {
	request  *http.Request // for its URI, user agent and addresses
	id       string        // the audit ID
	received time.Time
	user     *request.User // nil: the request was refused before it had one
	info     *request.Info
	hasBody  bool
	refused  bool // in front of the audit filter: the trail has one event
}

// auditTrail is what is collected of one request for its events. The chain's goroutine
// fills it, and the time limit may close it at the same time.
type auditTrail struct {
	log      *auditLog
	decision auditDecision
	base     *auditEvent // what all its events have in common
	refusal  bool        // refused before the audit filter: one event

	requestBody, responseBody *auditBody // nil: not wanted

	mu        sync.Mutex
	failure   *status.Error
	effective *auditUser
	notes     map[string]string // annotations
	closed    bool
}

// open begins a trail, or returns nil when the policy says none. Only the bodies that
// the level asks for are kept.
func (a *auditRecorder) open(f *auditFacts) *auditTrail {
	d := a.policy.decide(f.user, f.info)
	if d.level == auditNone {
		return nil
	}
	t := &auditTrail{log: a.log, decision: d, base: newAuditEvent(f.request, f.id, d.level, f.received), refusal: f.refused}
	t.base.Verb, t.base.User, t.base.ObjectRef = f.info.Verb, newAuditUser(f.user), newAuditObjectRef(f.info)
	if d.level >= auditRequest && f.info.IsResourceRequest && f.hasBody {
		t.requestBody = &auditBody{}
	}
	if d.level >= auditRequestResponse && f.info.IsResourceRequest {
		t.responseBody = &auditBody{}
	}
	return t
}

// bodies are where the bodies of the request and of its answer are kept; nil for one that
// the policy does not want.
func (t *auditTrail) bodies() (request, response *auditBody) { return t.requestBody, t.responseBody }

// received writes the first event.
func (t *auditTrail) received() { t.write(auditRequestReceived, 0) }

// refused keeps the Status of the answer.
func (t *auditTrail) refused(e *status.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = e
}

// impersonated keeps whom the request acts as.
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

// started is told when the header of a long-running request's answer is written, which
// has an event then.
func (t *auditTrail) started(code int) { t.write(auditResponseStarted, code) }

// auditEnd is how a request ended.
type auditEnd struct {
	code     int           // 0: nothing was answered
	failure  *status.Error // the answer of the time limit, which the trail was not told; nil: another
	took     time.Duration
	panicked bool
	panic    any  // what it panicked with
	running  bool // the handler goes on: neither bodies nor parts of the time are known

	authentication, authorization time.Duration // parts of took
}

// complete writes the last event. Nothing is written after it.
func (t *auditTrail) complete(end auditEnd) {
	stage, code := auditResponseComplete, end.code
	switch {
	case t.refusal:
		stage = auditResponseStarted
	case end.panicked:
		stage = auditPanic
		t.refused(&status.Error{Code: 500, Reason: "InternalError", Message: fmt.Sprintf("APIServer panic'd: %v", end.panic)})
		code = 500
	case end.failure != nil:
		t.refused(end.failure)
	}
	if end.took > 500*time.Millisecond {
		t.note("apiserver.latency.k8s.io/total", end.took.String())
		if !end.running { // else the handler may still be measuring
			t.note("apiserver.latency.k8s.io/authentication", end.authentication.String())
			t.note("apiserver.latency.k8s.io/authorization", end.authorization.String())
		}
	}
	if !end.running {
		t.mu.Lock()
		t.base.RequestObject, t.base.ResponseObject = t.requestBody.object(), t.responseBody.object()
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
	t.log.write(&e)
}

// auditAction is a request that no filter chain has seen: one to the admin listener.
type auditAction struct {
	id, method, path      string        // the query is left out: it may hold what must not be kept
	user                  *request.User // nil: nobody
	remoteAddr, userAgent string
	code                  int
	failure               *status.Error // nil: there was none
}

// record writes the one event of an action at the level Metadata, whatever the policy.
func (a *auditRecorder) record(act auditAction) {
	now := auditTime(time.Now())
	a.log.write(&auditEvent{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: auditMetadata, AuditID: act.id, Stage: auditResponseComplete, RequestURI: act.path, Verb: strings.ToLower(act.method),
		User: newAuditUser(act.user), SourceIPs: sourceIPs(&http.Request{RemoteAddr: act.remoteAddr}), UserAgent: auditUserAgent(act.userAgent), ResponseStatus: auditStatus(act.code, act.failure), Received: now, StageTime: now,
	})
}

// auditMostBody is the most of a body that is kept for an event, upstream's limit of a
// request body; a longer one is left out.
const auditMostBody = 3 << 20

// auditBody is the beginning of a body, for an audit event.
type auditBody struct {
	b    []byte
	over bool
}

// add keeps a part, in the order of the body.
func (c *auditBody) add(b []byte) {
	if c.over || len(c.b)+len(b) > auditMostBody {
		c.over, c.b = true, nil
		return
	}
	c.b = append(c.b, b...)
}

// object is the body if it is whole and JSON.
func (c *auditBody) object() json.RawMessage {
	if c == nil || c.over || !json.Valid(c.b) {
		return nil
	}
	return c.b
}
