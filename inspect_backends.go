package main

import (
	"time"

	"apichain/admin"
	"apichain/internal/backend"
)

// What the admin endpoint shows of the servers that this one asks.

// Backends returns them by kind, then name.
func (s source) Backends() []admin.Backend {
	all := []admin.Backend{}
	for _, b := range s.p.backends.All() {
		all = append(all, shownBackend(b))
	}
	return all
}

// shownBackend returns a backend as its page has it.
func shownBackend(b *backend.Backend) admin.Backend {
	r := b.Report()
	a := admin.Backend{
		ID: string(b.Kind) + "/" + b.Name, Kind: string(b.Kind), Name: b.Name, Target: b.BaseURL(), Address: r.Address, Trust: b.Trust(),
		ShownAs: b.ShownAs(), State: string(r.State), Since: admin.Time(b.Since),
		Calls: r.Calls, Failures: r.Failures, Refused: r.Refused, FailedOpen: r.FailedOpen, FailedClosed: r.FailedClosed,
		Connections: r.Connections, LastCall: admin.Time(r.LastAt),
	}
	if !r.LastAt.IsZero() {
		a.LastMs = ms(r.LastTook)
		a.TimeNs = &admin.Percentiles{P50: int64(r.P50), P99: int64(r.P99)}
	}
	if r.LastCode != 0 {
		a.LastStatus = &r.LastCode
	}
	if f := r.LastFailure; f != nil {
		a.LastError, a.LastErrorAt = f.Text, admin.Time(f.At)
	}
	if p := r.LastProbe; p != nil {
		a.Condition, a.ProbedAt = p.Reason, admin.Time(p.At)
	}
	switch r.State {
	case backend.Broken:
		a.Detail = r.Wrong
	case backend.Unavailable:
		a.Detail = r.LastProbe.Message
	case backend.Failing:
		a.Detail = a.LastError
	}
	return a
}

// backendChanged tells the streams how a backend is now, with generation as for every change of what pages show. A
// backend that is gone has no row any more, so its last one says so.
func (p *program) backendChanged(b *backend.Backend) {
	p.generation.Add(1)
	a := shownBackend(b)
	if b.Gone() {
		a.State, a.Detail = "gone", "dropped at "+time.Now().UTC().Format(time.RFC3339)
	}
	p.publish("backends", "backend", a)
}
