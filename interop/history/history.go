// Package history says whether what clients have seen of a Kubernetes-style API is what one correct server could
// have shown them: each object is a linearizable register with versions, revisions never go back, a list is the state
// at its revision, and a watch is ordered, unique, reliable and tells the truth with its bookmarks.
//
// In goes a History: the operations of concurrent clients, with when each began and ended and what came of it, and
// the watches with what came when. Out come the faults, each with the operations that contradict each other. A
// Recorder collects a history; it may be used concurrently, everything else is of one goroutine.
//
//	r := history.NewRecorder()
//	began := r.Now()
//	... // send the request
//	r.Add(history.Op{Client: "w1", Verb: history.Create, Key: "ns/a", Value: "v1", Outcome: history.OK, Rev: 7, Start: began, End: r.Now()})
//	for _, f := range history.Check(r.History()) { t.Error(f) }
package history

import (
	"fmt"
	"sync"
	"time"
)

// Two things that clients keep to make the check exact and cheap. Each write writes a value that no other one writes, so
// that whoever sees a value tells which write was made, and at which revision. And each update and deletion expects
// the revision of the version that it replaces, so that the place of a write in the order is known even when its own
// answer was lost. No search is needed then: the order of the writes of an object is the order of their
// revisions, and what remains are comparisons of times.

// Verb is what an operation does.
type Verb string

// The verbs.
const (
	Create Verb = "create"
	Update Verb = "update"
	Delete Verb = "delete"
	Get    Verb = "get"
	List   Verb = "list"
)

// Outcome is what the client knows of an operation when it has ended.
type Outcome string

// The outcomes. A read of an object that is not there is Refused because it is Absent.
const (
	// OK was answered with success.
	OK Outcome = "ok"
	// Refused was answered with an error that says that nothing was done.
	Refused Outcome = "refused"
	// Unknown got no answer, or one that says neither. A write of this kind may have happened, at any time after its start.
	Unknown Outcome = "unknown"
)

// Reason is why an operation was refused.
type Reason string

// The reasons that say something of the object.
const (
	Conflict Reason = "conflict" // it is not at the revision that was expected
	Exists   Reason = "exists"
	Absent   Reason = "absent"
)

// Item is an object in a list.
type Item struct {
	Value string
	Rev   int64
}

// Op is one operation of a client.
type Op struct {
	Client string
	Verb   Verb
	// Key is NAMESPACE/NAME; of a list it is NAMESPACE.
	Key string
	// Value is what a create or an update writes, or what a get has seen.
	Value string
	// Expect is the revision that an update or a deletion demands of the object. It is never 0 there.
	Expect int64
	// MayBeOld says of a get or a list that it did not ask for the newest.
	MayBeOld bool

	Start, End time.Duration

	Outcome Outcome
	// Reason is "" unless the operation was refused for what the object is.
	Reason Reason
	// Rev is, if the outcome is OK, the revision of the version written or seen, or of the list. A
	// deletion whose answer does not tell has 0.
	Rev int64
	// Items are the objects of a list by their keys.
	Items map[string]Item
}

// String is the operation in a line.
func (o *Op) String() string {
	s := fmt.Sprintf("%s %s %s", o.Client, o.Verb, o.Key)
	if o.Value != "" {
		s += fmt.Sprintf(" %q", o.Value)
	}
	if o.Expect != 0 {
		s += fmt.Sprintf(" if at %d", o.Expect)
	}
	if o.MayBeOld {
		s += " (may be old)"
	}
	s += fmt.Sprintf(" [%v, %v] %s", o.Start, o.End, o.Outcome)
	if o.Reason != "" {
		s += ": " + string(o.Reason)
	}
	if o.Rev != 0 {
		s += fmt.Sprintf(" at %d", o.Rev)
	}
	return s
}

// The types of events.
const (
	Added    = "ADDED"
	Modified = "MODIFIED"
	Deleted  = "DELETED"
	Bookmark = "BOOKMARK"
)

// Event is what a watch has told, at the time At. A bookmark has no key and no value; a deletion has the last value.
type Event struct {
	Type, Key, Value string
	Rev              int64
	At               time.Duration
}

// Watch is one watch, from its request to its end.
type Watch struct {
	Client string
	// Scope is the namespace.
	Scope string
	// From is the revision after which it was to begin.
	From       int64
	Start, End time.Duration
	Events     []Event
	// Expired says that it ended with 410: the revision is not known any more.
	Expired bool
	// Through is a revision that the client waited for in vain or not before it ended the watch; 0 is none. All up to
	// it must have come.
	Through int64
}

// String is the watch in a line.
func (w *Watch) String() string {
	return fmt.Sprintf("%s watch %s from %d [%v, %v] %d events", w.Client, w.Scope, w.From, w.Start, w.End, len(w.Events))
}

// History is what clients did and saw. Times count from its beginning, by one clock.
type History struct {
	Ops     []*Op
	Watches []*Watch
	// Resumable says that no watch had a reason to expire: all revisions were within reach.
	Resumable bool
}

// Recorder collects a history. It may be used concurrently.
type Recorder struct {
	began time.Time
	mu    sync.Mutex
	h     History
}

// NewRecorder returns a recorder whose history begins now.
func NewRecorder() *Recorder { return &Recorder{began: time.Now()} }

// Now is the time in the history.
func (r *Recorder) Now() time.Duration { return time.Since(r.began) }

// Add adds an operation that has ended.
func (r *Recorder) Add(o Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Ops = append(r.h.Ops, &o)
}

// AddWatch adds a watch that has ended.
func (r *Recorder) AddWatch(w Watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Watches = append(r.h.Watches, &w)
}

// History returns what was recorded.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.h
}
