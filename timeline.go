package main

import (
	"sync"
	"time"
)

// timeline is what has happened to the process, in order of time, for the admin page.
type timeline struct {
	mu      sync.Mutex
	origin  time.Time
	phase   string // start, run, stop
	events  []*event
	changed func()
	publish func(event) // told of each event, of a step or hook again at its end; under the lock, so in order
}

// event is one line of it. A step or hook is written down when it begins; took is
// filled in when it ends.
type event struct {
	id      int
	phase   string
	kind    string // step, signal, hook, certificate, control, os-signal
	name    string
	at      time.Time
	took    time.Duration
	instant bool
	over    bool
	err     string
	detail  string
}

// most events that are kept: what repeats (certificates, signals from outside) must not
// fill the memory of a process that runs for a year.
const timelineMost = 1000

func newTimeline(origin time.Time, changed func()) *timeline {
	return &timeline{origin: origin, phase: "start", changed: changed, publish: func(event) {}}
}

// add notes an instant.
func (t *timeline) add(kind, name, detail string) { t.note(kind, name, detail, true) }

// step notes the begin of something that takes time; the returned function its end.
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

func (t *timeline) note(kind, name, detail string, instant bool) *event {
	t.mu.Lock()
	defer t.mu.Unlock()
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
	if len(t.events) == timelineMost {
		t.events = append(t.events[:timelineMost/2], t.events[timelineMost/2+1:]...) // the start and the newest stay
	}
	t.events = append(t.events, e)
	t.publish(*e)
	return e
}

// list is a copy of the events, and the phase.
func (t *timeline) list() (events []event, phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.events {
		events = append(events, *e)
	}
	return events, t.phase
}
