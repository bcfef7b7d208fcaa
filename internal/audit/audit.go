// Package audit records who asked for what and how it ended, as upstream's audit log does
// (audit.k8s.io/v1): a policy says how much of a request is recorded, a trail collects it
// while the request goes through the filters, and a log appends the events, one JSON line
// each, to a file that turns over.
//
// What comes in are facts: a request as it arrived, its user, what it is about, and how it
// ended. What goes out are lines; nobody asks this package anything that changes an answer.
//
//	policy, err := audit.ReadPolicy("policy.yaml")
//	log, err := audit.OpenLog(audit.Config{Path: "audit.log"}, slog.Default(), os.Stdout)
//	a := audit.NewRecorder(policy, log)
//	if t := a.Open(&audit.Facts{Request: r, ID: id, Received: now, User: u, Info: info}); t != nil {
//		t.Received()
//		defer func() { t.Complete(audit.End{Code: code, Took: time.Since(now)}) }()
//	}
//
// Up to four moments of a request give an event: it was received, a long-running one began
// to be answered, it was complete, it panicked. An event holds all that is known by then, so
// that the last one tells the whole story and the first ones can be left out by the policy.
//
// A Recorder is used by all requests at once. A Trail belongs to one request, of which two
// goroutines may tell it something at a time. There is no promise of compatibility: the
// package serves this program alone.
package audit

import (
	"net/http"
	"strings"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// Recorder puts a policy in front of the log it fills. Its methods may be called
// concurrently; Close is called after the last trail is complete.
type Recorder struct {
	policy *Policy
	log    *Log
}

// NewRecorder returns a recorder of what policy asks for, which owns the log from now on.
func NewRecorder(policy *Policy, log *Log) *Recorder { return &Recorder{policy, log} }

// LevelOf returns the level at which the policy records a request, without recording
// anything: it is for whoever explains what would happen.
func (a *Recorder) LevelOf(u *request.User, info *request.Info) Level {
	return a.policy.decide(u, info).level
}

// Written returns how many events of a level have reached the log since the start.
func (a *Recorder) Written(level Level) uint64 { return a.log.events[level].Load() }

// Lost returns how many events could not be encoded or written since the start.
func (a *Recorder) Lost() uint64 { return a.log.errors.Load() }

// Close makes sure that what was written is on disk, and closes the log. Events after it
// are lost, and counted.
func (a *Recorder) Close() error { return a.log.close() }

// Action holds the facts of a request that no filter chain has seen: one to the admin
// listener, which is recorded when it has ended.
type Action struct {
	// ID is the audit ID, as the client was told.
	ID string
	// Method and Path are the request's. There is no query: it may hold what must not be kept.
	Method, Path string
	// User is who asked, nil for nobody.
	User *request.User
	// RemoteAddr is the address of the connection; headers that name others are not asked.
	RemoteAddr string
	UserAgent  string
	// Code is the HTTP status of the answer, and Failure what it said; nil when all went well.
	Code    int
	Failure *status.Error
}

// Record writes the one event of an action, with the level Metadata and the stage
// ResponseComplete. The policy is not asked: who administers a server has no say in
// whether that is recorded.
func (a *Recorder) Record(act Action) {
	// An action is recorded at its end and nobody has noted when it came.
	now := Time(time.Now())
	a.log.write(&Event{
		Kind:       "Event",
		APIVersion: "audit.k8s.io/v1",
		Level:      LevelMetadata,
		AuditID:    act.ID,
		Stage:      StageResponseComplete,
		RequestURI: act.Path,
		// A verb of the admin listener is its method, in the spelling of non-resource requests.
		Verb:           strings.ToLower(act.Method),
		User:           newUser(act.User),
		SourceIPs:      sourceIPs(&http.Request{RemoteAddr: act.RemoteAddr}),
		UserAgent:      cutUserAgent(act.UserAgent),
		ResponseStatus: statusOf(act.Code, act.Failure),
		Received:       now,
		StageTime:      now,
	})
}
