package admin

// The reversible drain: GET, PUT and DELETE /admin/v1/drain. It makes the program unready,
// so that balancers send their clients elsewhere, while it goes on serving; undoing it makes
// the program ready again at once. A stop, which drains for good, is no control.

// DrainControl is the program's side of the drain. SetDrain replaces what was set before;
// it returns a 409 while the program stops. ClearDrain does nothing to a drain that is off;
// by is the user who asks.
type DrainControl interface {
	Drain() Drain
	SetDrain(s Setting, endWatches bool) *Error
	ClearDrain(by string)
}

// Drain is what GET /admin/v1/drain shows beside the envelope. Remaining and BlockedBy are
// measured now, whether it is active or not; BlockedBy is oldest first. Source: the
// contract, GET, PUT, DELETE /admin/v1/drain.
type Drain struct {
	ControlState
	EndWatches bool          `json:"endWatches" doc:"whether long-running requests are ended"`
	Idle       bool          `json:"idle" doc:"whether nothing remains"`
	Remaining  Remaining     `json:"remaining" doc:"what the serving listeners still have"`
	BlockedBy  List[Blocker] `json:"blockedBy" doc:"each request and watch that remains, oldest first"`
}

// Remaining counts what a drain waits for.
type Remaining struct {
	Requests    int `json:"requests" doc:"requests that are not long-running"`
	Watches     int `json:"watches" doc:"long-running requests"`
	Connections int `json:"connections" doc:"open connections of the serving listeners"`
}

// drainAnswer is the answer of /admin/v1/drain.
type drainAnswer struct {
	envelope
	Drain
}

// drainEndpoint returns the row of /admin/v1/drain. Its body has one key of its own.
func drainEndpoint() endpoint {
	c := control[Drain, bool]{
		keys:  []string{"endWatches"},
		get:   Source.Drain,
		wrap:  func(e envelope, d Drain) any { return drainAnswer{e, d} },
		rows:  func(d Drain) (columns, []any) { return blockerColumns, toRows(d.BlockedBy) },
		read:  func(v values) bool { return v.boolean("endWatches") },
		set:   Source.SetDrain,
		clear: Source.ClearDrain,
	}
	return c.endpoint("/admin/v1/drain", "reversible drain")
}
