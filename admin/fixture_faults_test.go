package admin

import "testing"

// fakeFaults are faults that show what was last set. They are on from the clock of
// handlerOf, and fail to be set as fakeControls do.
type fakeFaults struct {
	faults     Faults
	set        FaultSet
	by         string // who cleared them
	faultsFail *Error // what setting them fails with
}

func newFakeFaults(t testing.TB) *fakeFaults {
	t.Helper()
	f := &fakeFaults{}
	example(t, "faults", &f.faults)
	return f
}

func (f *fakeFaults) Faults() Faults { return f.faults }

func (f *fakeFaults) SetFaults(s Setting, set FaultSet) *Error {
	if f.faultsFail != nil {
		return f.faultsFail
	}
	now := exampleTime()
	f.set = set
	f.faults = Faults{ControlState{true, s.By, Time(now), Time(now.Add(s.For)), s.Note}, set.Seed, set.Rules}
	return nil
}

func (f *fakeFaults) ClearFaults(by string) { f.by, f.faults = by, Faults{} }
