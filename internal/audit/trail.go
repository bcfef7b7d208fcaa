package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// A trail collects what is recorded of one request, from the audit filter on:
//
//	Open          the policy decides; nil is a request that is not recorded
//	Received      first event
//	Impersonated, Decided, Refused, and the bodies: facts, in any order
//	Started       second event, of long-running requests alone
//	Complete      last event, which holds all the facts
//
// A request that is refused in front of the audit filter, for wrong credentials or a wrong
// time limit, has a trail all the same, opened late and completed at once. It has one event
// and no user (upstream).
//
// The goroutine of the request tells the facts. At the time limit another one completes the
// trail while the handler still runs: what the handler still tells then goes nowhere, and
// what it may still be changing (bodies, parts of the time) is left out of the event.

// Facts are what a trail is told of its request when it is opened. Nothing of it is changed;
// the user's slices and map are shared until the last event is written.
type Facts struct {
	// Request is read for its URI, user agent and addresses, before Open returns.
	Request *http.Request
	// ID is the audit ID, as the client is told.
	ID       string
	Received time.Time
	// User is who the credentials name; nil when the request was refused before it had one.
	User *request.User
	// Info is what the policy and the event ask about.
	Info *request.Info
	// HasBody says that the request has a body to keep, if the policy wants it.
	HasBody bool
	// Refused says that the request is refused in front of the audit filter.
	Refused bool
}

// Trail collects the facts of one request and writes its events. Its methods may be called
// concurrently. The mutex is taken before the log's.
type Trail struct {
	log      *Log
	decision decision
	refusal  bool // the trail has one event

	// The bodies are written by the request's goroutine without a lock; nil is not wanted.
	requestBody, responseBody *Body
	sentYAML                  bool // the request's body is YAML

	// mu guards all below; an event is encoded under it, so that the annotations stand still.
	mu        sync.Mutex
	base      *Event // what all its events have in common
	failure   *status.Error
	effective *User
	notes     map[string]string // annotations
	closed    bool
}

// Open begins a trail, or returns nil when the policy records nothing of the request. Only
// the bodies that the level asks for are kept, and only those of resource requests
// (upstream): what else is sent is no object.
func (a *Recorder) Open(f *Facts) *Trail {
	d := a.policy.decide(f.User, f.Info)
	if d.level == LevelNone {
		return nil
	}
	t := &Trail{log: a.log, decision: d, base: newEvent(f.Request, f.ID, d.level, f.Received), refusal: f.Refused}
	t.base.Verb, t.base.User, t.base.ObjectRef = f.Info.Verb, newUser(f.User), newObjectRef(f.Info)
	if d.level >= LevelRequest && f.Info.IsResourceRequest && f.HasBody {
		media, _, _ := strings.Cut(f.Request.Header.Get("Content-Type"), ";")
		t.requestBody, t.sentYAML = &Body{}, strings.HasSuffix(strings.TrimSpace(media), "yaml")
	}
	if d.level >= LevelRequestResponse && f.Info.IsResourceRequest {
		t.responseBody = &Body{}
	}
	return t
}

// Bodies returns where the bodies of the request and of its answer are kept while they pass;
// nil is one that the policy does not want.
func (t *Trail) Bodies() (sent, answered *Body) { return t.requestBody, t.responseBody }

// Received writes the first event.
func (t *Trail) Received() { t.write(StageRequestReceived, 0) }

// Refused keeps the Status of the answer. The last one counts.
func (t *Trail) Refused(e *status.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = e
}

// Impersonated keeps whom the request acts as from now on.
func (t *Trail) Impersonated(u *request.User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := newUser(u)
	t.effective = &a
}

// Decided keeps what the authorizer said. Anything but allow is a "forbid" (upstream).
func (t *Trail) Decided(allowed bool, reason string) {
	said := "forbid"
	if allowed {
		said = "allow"
	}
	t.Annotate("authorization.k8s.io/decision", said, false)
	t.Annotate("authorization.k8s.io/reason", reason, false)
}

// Annotate sets an annotation of all later events. One that says what was in a body, withBody, is left out
// where the policy wants no bodies.
func (t *Trail) Annotate(key, value string, withBody bool) {
	if withBody && t.decision.level < LevelRequest {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notes == nil {
		t.notes = map[string]string{}
	}
	t.notes[key] = value
}

// Started is told when the header of a long-running request's answer is written, with its
// status: such a request may last for hours, so it has an event then.
func (t *Trail) Started(code int) { t.write(StageResponseStarted, code) }

// End holds the facts of how a request ended.
type End struct {
	// Code is the HTTP status that was sent; 0 when nothing was answered.
	Code int
	// Failure is the answer of the time limit, which comes from another goroutine and past
	// Refused; nil means that what Refused was told stands.
	Failure *status.Error
	Took    time.Duration
	// Panicked says that the handler panicked, with the value Panic. The event then has the
	// status 500, whatever was sent before.
	Panicked bool
	Panic    any
	// HandlerRuns says that the handler goes on after the end: neither the bodies nor the
	// parts of the time are known.
	HandlerRuns bool
	// Authentication and Authorization are parts of Took.
	Authentication, Authorization time.Duration
}

// slow bounds ordinary requests: one that takes longer is annotated with where the time
// went (upstream).
const slow = 500 * time.Millisecond

// Complete writes the last event. Nothing is written after it.
func (t *Trail) Complete(end End) {
	stage, code := StageResponseComplete, end.Code
	switch {
	// For upstream too a refused request has begun to be answered, and that is all.
	case t.refusal:
		stage = StageResponseStarted
	case end.Panicked:
		stage = StagePanic
		t.Refused(&status.Error{Code: 500, Reason: "InternalError", Message: fmt.Sprintf("APIServer panic'd: %v", end.Panic)})
		code = 500
	case end.Failure != nil:
		t.Refused(end.Failure)
	}
	if end.Took > slow {
		t.Annotate("apiserver.latency.k8s.io/total", end.Took.String(), false)
		if !end.HandlerRuns {
			t.Annotate("apiserver.latency.k8s.io/authentication", end.Authentication.String(), false)
			t.Annotate("apiserver.latency.k8s.io/authorization", end.Authorization.String(), false)
		}
	}
	// A handler that goes on may be writing them this moment.
	if !end.HandlerRuns {
		t.mu.Lock()
		t.base.RequestObject, t.base.ResponseObject = t.requestBody.object(t.sentYAML), t.responseBody.object(false)
		if t.decision.omitManagedFields {
			// A patch is no object: what it says of the owners is part of what was asked (upstream).
			if t.base.Verb != "patch" {
				t.base.RequestObject = withoutOwners(t.base.RequestObject)
			}
			t.base.ResponseObject = withoutOwners(t.base.ResponseObject)
		}
		t.mu.Unlock()
	}
	t.write(stage, code)
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

// write writes the event of one stage with what is known by now, unless the policy omits
// the stage or the trail is complete. Without a code it has no responseStatus.
func (t *Trail) write(stage Stage, code int) {
	if t.decision.omit&stage != 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	// A copy: base stays what all events have in common.
	e := *t.base
	e.Stage, e.StageTime = stage, Time(time.Now())
	e.ImpersonatedUser, e.Annotations = t.effective, t.notes
	if code > 0 {
		e.ResponseStatus = statusOf(code, t.failure)
	}
	// Under mu: events of a request stand in the log in the order of its stages.
	t.log.write(&e)
}

// mostBody is the most of a body, in bytes, that is kept for an event: upstream's limit of
// a request body. Half an object is of no use, so of a longer one nothing is kept.
const mostBody = 3 << 20

// Body keeps a body for an event while it passes. The zero value is an empty body. A proxy may still
// send a request's body while its event is written, so its methods may be called concurrently.
type Body struct {
	mu   sync.Mutex
	b    []byte
	over bool // it was longer than mostBody
}

// Add keeps a part. Parts come in the order of the body; b is copied.
func (c *Body) Add(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || len(c.b)+len(b) > mostBody {
		// What was kept is freed at once.
		c.over, c.b = true, nil
		return
	}
	c.b = append(c.b, b...)
}

// object returns the body if it was kept whole and is JSON, or as JSON if it is YAML and may be, else nil. It
// works on a nil Body: one that nobody wanted.
func (c *Body) object(yaml bool) json.RawMessage {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return nil
	case json.Valid(c.b):
		return c.b // what is added to it later is behind its end
	case yaml:
		if obj, _, err := tree.ParseYAMLObject(c.b); err == nil {
			return tree.AppendJSON(nil, obj)
		}
	}
	return nil
}

// ownersAt are the places of metadata.managedFields in an object, a list and a table; "*" is each element.
var ownersAt = [...][]string{
	{"metadata", "managedFields"},
	{"items", "*", "metadata", "managedFields"},
	{"rows", "*", "object", "metadata", "managedFields"},
}

// withoutOwners returns an object, a list of objects or a table without the managedFields of their metadata. Whatever
// else is in it stays as it was sent, but for the order of keys around what has gone.
func withoutOwners(object json.RawMessage) json.RawMessage {
	for _, path := range ownersAt {
		object = without(object, path)
	}
	return object
}

// without returns a JSON text without what path leads to: the same text where that is not there.
func without(text json.RawMessage, path []string) json.RawMessage {
	if path[0] == "*" {
		var list []json.RawMessage
		if json.Unmarshal(text, &list) != nil {
			return text
		}
		for i := range list {
			list[i] = without(list[i], path[1:])
		}
		return encoded(list)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members[path[0]] == nil {
		return text
	}
	was := members[path[0]]
	if delete(members, path[0]); len(path) > 1 {
		now := without(was, path[1:])
		if bytes.Equal(now, was) {
			return text
		}
		members[path[0]] = now
	}
	return encoded(members)
}

// encoded returns a value of JSON texts, which cannot fail.
func encoded(v any) json.RawMessage {
	b, _ := json.Marshal(v)
	return b
}
