package admin

import "testing"

// fakeControls are controls that show what was last set, as from the clock of handlerOf.
type fakeControls struct {
	drain    Drain
	logLevel LogLevel
	stopping *Error // what setting one fails with
	changed  func() // called by every change; nil: nothing
	log      []string
}

func newFakeControls(t testing.TB) *fakeControls {
	t.Helper()
	f := &fakeControls{}
	example(t, "drain", &f.drain)
	example(t, "loglevel", &f.logLevel)
	return f
}

func (f *fakeControls) state(s Setting) ControlState {
	if f.changed != nil {
		f.changed()
	}
	now := exampleTime()
	return ControlState{true, s.By, Time(now), Time(now.Add(s.For)), s.Note}
}

func (f *fakeControls) Drain() Drain { return f.drain }

func (f *fakeControls) SetDrain(s Setting, endWatches bool) *Error {
	if f.stopping == nil {
		f.drain.ControlState, f.drain.EndWatches = f.state(s), endWatches
	}
	return f.stopping
}

func (f *fakeControls) ClearDrain(by string) {
	f.drain.ControlState, f.drain.EndWatches = ControlState{}, false
	f.log = append(f.log, "drain cleared by "+by)
}

func (f *fakeControls) LogLevel() LogLevel { return f.logLevel }

func (f *fakeControls) SetLogLevel(s Setting, rules []LogRule) *Error {
	if f.stopping == nil {
		f.logLevel.ControlState, f.logLevel.Rules = f.state(s), rules
	}
	return f.stopping
}

func (f *fakeControls) ClearLogLevel(by string) {
	f.logLevel.ControlState, f.logLevel.Rules = ControlState{}, nil
	f.log = append(f.log, "loglevel cleared by "+by)
}
