package main

import "apichain/admin"

// drainControl is the reversible drain.
type drainControl struct{ control }

func (s source) Drain() admin.Drain { return admin.Drain{ControlState: s.p.draining.shown()} }

func (s source) SetDrain(set admin.Setting, endWatches bool) *admin.Error {
	return s.p.draining.set(set, func() {}, func() {})
}

func (s source) ClearDrain(by string) { s.p.draining.clear(by) }
