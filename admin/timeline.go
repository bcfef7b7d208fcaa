package admin

import (
	"bytes"
	"fmt"
	"net/http"
)

// What has happened to the process since its start, and what a stop waits for: GET
// /admin/v1/timeline. Only what has happened is listed; a step that runs is listed at its
// beginning and grows.

// Timeline shows the life of the process. Events are in order of time. Outside a stop
// Deadline is null, WaitingFor empty and BlockedBy empty. Source: the contract, GET
// /admin/v1/timeline.
type Timeline struct {
	Phase      string        `json:"phase" doc:"start until ready, run, stop from ShutdownInitiated"`
	StartedAt  Time          `json:"startedAt" doc:"when the process started"`
	ReadyAt    Time          `json:"readyAt" doc:"when /readyz first answered 200; null: not yet"`
	Deadline   Time          `json:"deadline" doc:"when --shutdown-timeout ends; null outside a stop"`
	WaitingFor string        `json:"waitingFor" doc:"what a stop waits for: delay, hooks, requests, watches, listeners or empty"`
	BlockedBy  List[Blocker] `json:"blockedBy" doc:"each thing waited for, oldest first"`
	Events     []Event       `json:"-"`
}

// Blocker shows one thing that a stop or a drain waits for.
type Blocker struct {
	Kind    string  `json:"kind" doc:"request, watch, hook or delay"`
	ID      string  `json:"id" doc:"id of the item"`
	Href    string  `json:"href" doc:"where the item is"`
	AuditID string  `json:"auditID" doc:"what a request's client has in Audit-Id, or empty"`
	What    string  `json:"what" doc:"method and path, name, or time left"`
	AgeMs   float64 `json:"ageMs" doc:"how long it has lasted, in milliseconds"`
}

// Event shows one line of the timeline. DurationMs is nil for an instant and grows while a
// step or hook runs.
type Event struct {
	ID           string   `json:"id" doc:"number of the event"`
	Phase        string   `json:"phase" doc:"start, run or stop"`
	Kind         string   `json:"kind" doc:"step, signal, hook, certificate, control or os-signal"`
	Name         string   `json:"name" doc:"its name"`
	At           Time     `json:"at" doc:"when it began"`
	SinceStartMs float64  `json:"sinceStartMs" doc:"milliseconds since the start"`
	DurationMs   *float64 `json:"durationMs" doc:"milliseconds it took, or has taken; null for an instant"`
	Error        string   `json:"error" doc:"what failed"`
	Detail       string   `json:"detail" doc:"more of it"`
	Ref          *Ref     `json:"ref" doc:"the item it is about"`
}

// Ref points to an item that another endpoint shows.
type Ref struct {
	Kind string `json:"kind" doc:"kind of the item"`
	ID   string `json:"id" doc:"its id"`
	Href string `json:"href" doc:"where it is"`
}

// timeline is the answer of /admin/v1/timeline.
type timeline struct {
	envelope
	Timeline
	items
}

// serveTimeline serves the events. The query chooses among them; what a stop waits for is
// shown whole.
func serveTimeline(a *api, ans *answer) *Error {
	q, err := parseRowQuery(ans.query, Event{})
	if err != nil {
		return err
	}
	var t Timeline
	env := a.readStable(ans, func() { t = a.src.Timeline() })
	kept := q.matching(toRows(t.Events))
	shown := q.page(kept)
	if ans.form == formText {
		return ans.replyTimeline(t, shown)
	}
	return ans.reply(http.StatusOK, timeline{env, t, items{len(kept), shown}})
}

// replyTimeline answers in text with the events and, while a stop waits, with what it waits
// for and until when.
func (ans *answer) replyTimeline(t Timeline, events []any) *Error {
	var b bytes.Buffer
	ans.writeTable(&b, eventColumns, events)
	if t.WaitingFor != "" {
		fmt.Fprintf(&b, "\nwaiting for %s, at most until %s\n", t.WaitingFor, t.Deadline)
		ans.writeTable(&b, blockerColumns, toRows(t.BlockedBy))
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}
