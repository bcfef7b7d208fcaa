package admin

import (
	"context"
	"io"
)

// This file is the seam to the program: what the package asks of it, and what it tells it.
// The methods that belong to one endpoint are declared beside that endpoint (Explainer,
// OwnerLookup, Recorder, Streamer, DrainControl and so on) and embedded here.

// Source is what the package asks of the program it shows. Every method may be called
// concurrently, by several requests at once, and must not wait for the serving side: the
// contract promises an answer within 250 ms whatever that does. A method returns the state
// of one moment, in the order of the contract, in slices and maps that the package may keep
// and change. It cannot fail unless it returns an error.
type Source interface {
	// Generation grows by one with every change of structure; it starts at the start of
	// the process in Unix milliseconds, so that it grows over restarts too.
	Generation() int64

	// Status returns what the index says of the process.
	Status() Status

	// Servers are in delegation order, chains one for each listener that has filters, plugins
	// in the order in which they are asked, backends by kind, then name,
	// routes by server in delegation order, then pattern, then method, hooks by phase,
	// then order, and options by group, then name.
	Servers() []Server
	Chain() []Chain
	Admission() []Plugin
	Backends() []Backend
	Routes() []Route
	Hooks() []Hook
	Listeners() []Listener
	Build() Build
	Options() []Option

	// InFlight returns the requests under way, oldest first, and the places of each
	// listener with their limits; the package counts what takes those places.
	InFlight() ([]Request, []Places)

	// RequestStacks returns where the handlers of requests are, by the id of the request:
	// "function file:line", the innermost first. Some requests have none.
	RequestStacks() map[string][]string

	// Timeline returns the events of the process in order of time.
	Timeline() Timeline

	// Watches are oldest first. Store has its resources by name.
	Watches() []Watch
	Store() Store

	// Snapshot returns the whole store of one moment. Its error is a 409 or a 500.
	Snapshot() (Snapshot, *Error)

	// Backup writes the whole store of one moment as --data-dir takes it. Its error is the writer's, or a defect.
	Backup(io.Writer) error

	// Reset makes the store what it was at ready, and LoadSnapshot makes it hold exactly
	// what the body, a snapshot, has. Both change all or nothing and return when the last
	// event is in the log. They are refused with 409 while one of them runs, and a body
	// with 400 or 422.
	Reset(context.Context) (Written, *Error)
	LoadSnapshot(ctx context.Context, body []byte) (Written, *Error)

	Explainer
	OwnerLookup
	Recorder
	Streamer
	Controls

	// WriteMetrics writes Prometheus text; its error is the writer's, or a defect.
	WriteMetrics(io.Writer) error

	// Refused is told of every answer 401, 403, 405, 412, 415 and 428, after it was
	// sent, for the audit log and the log.
	Refused(Refusal)

	// Changed is told of every PUT, POST and DELETE that was answered 200, after the
	// answer, for the audit log and the log.
	Changed(Change)
}

// Refusal reports a request that was turned away. Its text is the client's, cut (method 32,
// path 2,048, user agent 256 bytes) and made valid UTF-8, but it may hold control
// characters: whoever logs it must escape them.
type Refusal struct {
	AuditID, Method, Path, RemoteAddr, UserAgent string

	// By is the zero value for a request that was refused before check 4.
	By Identity

	// Code is the HTTP status; Reason and Message are as the client got them.
	Code            int
	Reason, Message string

	// Private says what the client did not learn, or is empty.
	Private string
}

// Change reports a request that changed something. Its text is as a Refusal's.
type Change struct {
	AuditID, Method, Path, RemoteAddr, UserAgent string
	By                                           Identity
}
