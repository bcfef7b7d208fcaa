package audit

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

// Recorder is a policy with the log it fills. It may be used concurrently.
type Recorder struct {
	policy *Policy
	log    *Log
}

// NewRecorder opens the log that c names and puts it behind policy.
func NewRecorder(policy *Policy, c Config, log *slog.Logger, stdout io.Writer) (*Recorder, error) {
	l, err := OpenLog(c, log, stdout)
	if err != nil {
		return nil, err
	}
	return &Recorder{policy, l}, nil
}

// LevelOf is the level at which the policy records a request.
func (a *Recorder) LevelOf(u *request.User, info *request.Info) Level {
	return a.policy.decide(u, info).level
}

// Written is how many events of a level the log has.
func (a *Recorder) Written(level Level) uint64 { return a.log.events[level].Load() }

// Lost is how many events could not be encoded or written.
func (a *Recorder) Lost() uint64 { return a.log.errors.Load() }

// Close ends the log, after the last request has.
func (a *Recorder) Close() error { return a.log.close() }

// Facts are what a trail is told of its request when it is opened. Nothing of it is
// changed; the user's slices and map are shared until the last event is written.
type Facts struct {
	Request  *http.Request // for its URI, user agent and addresses
	ID       string        // the audit ID
	Received time.Time
	User     *request.User // nil: the request was refused before it had one
	Info     *request.Info
	HasBody  bool
	Refused  bool // in front of the audit filter: the trail has one event
}

// Trail is what is collected of one request for its events. The chain's goroutine
// fills it, and the time limit may close it at the same time.
type Trail struct {
	log      *Log
	decision decision
	base     *Event // what all its events have in common
	refusal  bool   // refused before the audit filter: one event

	requestBody, responseBody *Body // nil: not wanted

	mu        sync.Mutex
	failure   *status.Error
	effective *User
	notes     map[string]string // annotations
	closed    bool
}

// Open begins a trail, or returns nil when the policy says none. Only the bodies that
// the level asks for are kept.
func (a *Recorder) Open(f *Facts) *Trail {
	d := a.policy.decide(f.User, f.Info)
	if d.level == LevelNone {
		return nil
	}
	t := &Trail{log: a.log, decision: d, base: newEvent(f.Request, f.ID, d.level, f.Received), refusal: f.Refused}
	t.base.Verb, t.base.User, t.base.ObjectRef = f.Info.Verb, newUser(f.User), newObjectRef(f.Info)
	if d.level >= LevelRequest && f.Info.IsResourceRequest && f.HasBody {
		t.requestBody = &Body{}
	}
	if d.level >= LevelRequestResponse && f.Info.IsResourceRequest {
		t.responseBody = &Body{}
	}
	return t
}

// Bodies are where the bodies of the request and of its answer are kept; nil for one that
// the policy does not want.
func (t *Trail) Bodies() (request, response *Body) { return t.requestBody, t.responseBody }

// Received writes the first event.
func (t *Trail) Received() { t.write(StageRequestReceived, 0) }

// Refused keeps the Status of the answer.
func (t *Trail) Refused(e *status.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = e
}

// Impersonated keeps whom the request acts as.
func (t *Trail) Impersonated(u *request.User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := newUser(u)
	t.effective = &a
}

// Decided keeps what the authorizer said.
func (t *Trail) Decided(allowed bool, reason string) {
	decision := "forbid"
	if allowed {
		decision = "allow"
	}
	t.note("authorization.k8s.io/decision", decision)
	t.note("authorization.k8s.io/reason", reason)
}

func (t *Trail) note(key, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notes == nil {
		t.notes = map[string]string{}
	}
	t.notes[key] = value
}

// Started is told when the header of a long-running request's answer is written, which
// has an event then.
func (t *Trail) Started(code int) { t.write(StageResponseStarted, code) }

// End is how a request ended.
type End struct {
	Code        int           // 0: nothing was answered
	Failure     *status.Error // the answer of the time limit, which the trail was not told; nil: another
	Took        time.Duration
	Panicked    bool
	Panic       any  // what it panicked with
	HandlerRuns bool // the handler goes on: neither bodies nor parts of the time are known

	Authentication, Authorization time.Duration // parts of took
}

// Complete writes the last event. Nothing is written after it.
func (t *Trail) Complete(end End) {
	stage, code := StageResponseComplete, end.Code
	switch {
	case t.refusal:
		stage = StageResponseStarted
	case end.Panicked:
		stage = StagePanic
		t.Refused(&status.Error{Code: 500, Reason: "InternalError", Message: fmt.Sprintf("APIServer panic'd: %v", end.Panic)})
		code = 500
	case end.Failure != nil:
		t.Refused(end.Failure)
	}
	if end.Took > 500*time.Millisecond {
		t.note("apiserver.latency.k8s.io/total", end.Took.String())
		if !end.HandlerRuns { // else the handler may still be measuring
			t.note("apiserver.latency.k8s.io/authentication", end.Authentication.String())
			t.note("apiserver.latency.k8s.io/authorization", end.Authorization.String())
		}
	}
	if !end.HandlerRuns {
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
func (t *Trail) write(stage Stage, code int) {
	if t.decision.omit&stage != 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	e := *t.base
	e.Stage, e.StageTime = stage, Time(time.Now())
	e.ImpersonatedUser, e.Annotations = t.effective, t.notes
	if code > 0 {
		e.ResponseStatus = statusOf(code, t.failure)
	}
	t.log.write(&e)
}

// Action is a request that no filter chain has seen: one to the admin listener.
type Action struct {
	ID, Method, Path      string        // the query is left out: it may hold what must not be kept
	User                  *request.User // nil: nobody
	RemoteAddr, UserAgent string
	Code                  int
	Failure               *status.Error // nil: there was none
}

// Record writes the one event of an action at the level Metadata, whatever the policy.
func (a *Recorder) Record(act Action) {
	now := Time(time.Now())
	a.log.write(&Event{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: LevelMetadata, AuditID: act.ID, Stage: StageResponseComplete, RequestURI: act.Path, Verb: strings.ToLower(act.Method),
		User: newUser(act.User), SourceIPs: sourceIPs(&http.Request{RemoteAddr: act.RemoteAddr}), UserAgent: cutUserAgent(act.UserAgent), ResponseStatus: statusOf(act.Code, act.Failure), Received: now, StageTime: now,
	})
}

// mostBody is the most of a body that is kept for an event, upstream's limit of a
// request body; a longer one is left out.
const mostBody = 3 << 20

// Body is the beginning of a body, for an audit event.
type Body struct {
	b    []byte
	over bool
}

// Add keeps a part, in the order of the body.
func (c *Body) Add(b []byte) {
	if c.over || len(c.b)+len(b) > mostBody {
		c.over, c.b = true, nil
		return
	}
	c.b = append(c.b, b...)
}

// object is the body if it is whole and JSON.
func (c *Body) object() json.RawMessage {
	if c == nil || c.over || !json.Valid(c.b) {
		return nil
	}
	return c.b
}
