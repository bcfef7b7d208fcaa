package main

import (
	"sync"
	"time"
)

// timeline is what has happened to the process, in order of time, for the admin page: the steps of
// start and stop, signals, hooks, certificates that were read again, controls that were switched. It
// may be used concurrently.
type timeline struct {
	// mu is a leaf but for publish.
	mu     sync.Mutex
	origin time.Time
	// phase is start, run or stop.
	phase  string
	events []*event
	// changed is called before each new event.
	changed func()
	// publish is told of each event, and of a step or hook again at its end. It is called under the
	// lock, so that its calls are in order; it must not come back.
	publish func(event)
}

// event is one line of the timeline. A step or hook is written down when it begins; over, took and
// err are filled in when it ends.
type event struct {
	// id counts from 1, without gaps but for those that were dropped.
	id int
	// phase is that of the process when it began.
	phase string
	// kind is step, signal, hook, certificate, control or os-signal.
	kind string
	name string
	at   time.Time
	took time.Duration
	// instant says that it takes no time.
	instant bool
	// over says that a step or hook has ended.
	over bool
	// err is "" for none.
	err    string
	detail string
}

// timelineMost is the most events that are kept: what repeats (certificates, signals from outside)
// must not fill the memory of a process that runs for a year.
const timelineMost = 1000

// newTimeline makes an empty timeline in the phase start. changed is called before each event is
// noted, and grows the generation of what the admin endpoint shows.
func newTimeline(origin time.Time, changed func()) *timeline {
	return &timeline{origin: origin, phase: "start", changed: changed, publish: func(event) {}}
}

// add notes an instant: something that takes no time.
func (t *timeline) add(kind, name, detail string) { t.note(kind, name, detail, true) }

// step notes the begin of something that takes time; the returned function notes its end, and must be
// called once. The name hook is for hooks, whose name is the detail.
func (t *timeline) step(name, detail string) func(error) {
	kind := "step"
	if name == "hook" {
		kind, name, detail = "hook", detail, ""
	}
	e := t.note(kind, name, detail, false)
	return func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		e.over, e.took, e.err = true, time.Since(e.at), errText(err)
		t.publish(*e)
	}
}

// note appends an event. The signals that begin a phase of the process are events of it.
func (t *timeline) note(kind, name, detail string, instant bool) *event {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Before the event: who sees it must not find the generation of before.
	t.changed()
	switch name {
	case "HasBeenReady":
		t.phase = "run"
	case "ShutdownInitiated":
		t.phase = "stop"
	}
	id := 1
	if n := len(t.events); n > 0 {
		id = t.events[n-1].id + 1
	}
	e := &event{id: id, phase: t.phase, kind: kind, name: name, at: time.Now(), detail: detail, instant: instant}
	// Out of the middle: the start and the newest stay.
	if len(t.events) == timelineMost {
		t.events = append(t.events[:timelineMost/2], t.events[timelineMost/2+1:]...)
	}
	t.events = append(t.events, e)
	t.publish(*e)
	return e
}

// list returns a copy of the events, in order, and the phase of the process.
func (t *timeline) list() (events []event, phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.events {
		events = append(events, *e)
	}
	return events, t.phase
}
