package admin

// DrainControl is the reversible drain. SetDrain replaces what was set before; its error
// is 409 while the program stops. ClearDrain does nothing to one that is off; by is who
// asks.
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

type drainAnswer struct {
	envelope
	Drain
}

func drainEndpoint() endpoint {
	c := control[Drain, bool]{
		keys:  []string{"endWatches"},
		shown: Source.Drain,
		whole: func(e envelope, d Drain) any { return drainAnswer{e, d} },
		rows:  func(d Drain) (columns, []any) { return blockerColumns, boxed(d.BlockedBy) },
		read:  func(v values) bool { return v.yes("endWatches") },
		set:   Source.SetDrain,
		clear: Source.ClearDrain,
	}
	return c.row("/admin/v1/drain", "reversible drain")
}
