package history

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// simulation is a correct server with its clients in one goroutine and a time of its own: it makes histories that are good,
// with everything in them that may happen to good ones. What it draws depends on the seed alone.
type simulation struct {
	*rand.Rand
	clock   time.Duration
	h       History
	state   map[string]Item
	log     []Event // At is when it happened
	flights []*flight
	watches []*follower
	values  int
}

// flight is a request that is under way.
type flight struct {
	op   *Op
	done bool // the server has done it
	late bool // the client has gone, and the server may still do it
}

// follower is a watch that is open, and how much of the log it was told.
type follower struct {
	Watch
	next int
}

// simulate makes a history of some steps.
func simulate(seed uint64, steps int) History {
	s := &simulation{Rand: rand.New(rand.NewPCG(seed, 1)), state: map[string]Item{}}
	for range steps {
		s.clock += time.Duration(1 + s.IntN(1000))
		switch n := s.IntN(100); {
		case n < 30 && len(s.flights) < 8:
			s.begin()
		case n < 60 && len(s.flights) > 0:
			s.effect(s.flights[s.IntN(len(s.flights))])
		case n < 90 && len(s.flights) > 0:
			s.end(s.IntN(len(s.flights)))
		case n < 92:
			s.watches = append(s.watches, &follower{Watch{Client: "watcher", Scope: s.namespace(), From: s.rev(), Start: s.clock}, len(s.log)})
		case n < 99 && len(s.watches) > 0:
			s.tell(s.watches[s.IntN(len(s.watches))])
		case len(s.watches) > 3:
			s.close(0)
		}
	}
	for len(s.flights) > 0 {
		s.effect(s.flights[0])
		s.end(0)
	}
	for len(s.watches) > 0 {
		w := s.watches[0]
		for w.next < len(s.log) {
			s.tell(w)
		}
		w.Through = s.rev()
		s.close(0)
	}
	s.h.Resumable = true
	return s.h
}

// Revisions begin at 1, which is before the first write.
func (s *simulation) rev() int64        { return int64(len(s.log)) + 1 }
func (s *simulation) namespace() string { return fmt.Sprintf("n%d", s.IntN(2)) }
func (s *simulation) of(namespace string) map[string]Item {
	out := map[string]Item{}
	for key, item := range s.state {
		if strings.HasPrefix(key, namespace+"/") {
			out[key] = item
		}
	}
	return out
}

// begin sends a request of any kind.
func (s *simulation) begin() {
	key := fmt.Sprintf("%s/k%d", s.namespace(), s.IntN(3))
	op := &Op{Client: fmt.Sprint("c", s.IntN(100)), Key: key, Start: s.clock}
	now, there := s.state[key]
	switch n := s.IntN(10); {
	case n == 0:
		op.Verb, op.Key = List, s.namespace()
	case n < 3:
		op.Verb = Get
	case !there || n == 3:
		op.Verb = Create
	case n < 8:
		op.Verb, op.Expect = Update, now.Rev
	default:
		op.Verb, op.Expect = Delete, now.Rev
	}
	if op.Verb == Create || op.Verb == Update {
		s.values++
		op.Value = fmt.Sprint("v", s.values)
	}
	if op.Expect != 0 { // the client has read it
		read := &Op{Client: op.Client, Verb: Get, Key: key, Start: s.clock, End: s.clock, Outcome: OK, Rev: now.Rev, Value: now.Value}
		s.h.Ops = append(s.h.Ops, read)
	}
	s.flights = append(s.flights, &flight{op: op})
}

// effect has the server do what a request asks for, if it has not.
func (s *simulation) effect(f *flight) {
	if f.done {
		return
	}
	f.done = true
	op := f.op
	if f.late {
		op = &Op{Verb: op.Verb, Key: op.Key, Value: op.Value, Expect: op.Expect} // nobody is told what came of it
	}
	now, there := s.state[op.Key]
	op.Outcome, op.Reason = OK, ""
	switch {
	case op.Verb == List:
		op.Rev, op.Items = s.rev(), s.of(op.Key)
	case op.Verb == Create && there:
		op.Outcome, op.Reason = Refused, Exists
	case op.Verb != Create && !there:
		op.Outcome, op.Reason = Refused, Absent
	case op.Verb == Get:
		op.Value, op.Rev = now.Value, now.Rev
	case op.Verb != Create && op.Expect != now.Rev:
		op.Outcome, op.Reason = Refused, Conflict
	case op.Verb == Delete:
		delete(s.state, op.Key)
		s.log = append(s.log, Event{Deleted, op.Key, now.Value, s.rev() + 1, s.clock})
	default:
		typ := Modified
		if !there {
			typ = Added
		}
		op.Rev = s.rev() + 1
		s.state[op.Key] = Item{op.Value, op.Rev}
		s.log = append(s.log, Event{typ, op.Key, op.Value, op.Rev, s.clock})
	}
}

// end answers a request, or loses its answer, before or after it was done.
func (s *simulation) end(i int) {
	f := s.flights[i]
	if f.late {
		if f.done {
			s.flights = slices.Delete(s.flights, i, i+1)
		}
		return
	}
	lost := s.IntN(10) == 0
	if !lost {
		s.effect(f)
	}
	op := f.op
	op.End = s.clock
	s.h.Ops = append(s.h.Ops, op)
	if lost {
		if op.Verb == Get {
			op.Value = ""
		}
		op.Outcome, op.Reason, op.Rev, op.Items = Unknown, "", 0, nil
		if f.late = !f.done && s.IntN(2) == 0; f.late {
			return
		}
	}
	s.flights = slices.Delete(s.flights, i, i+1)
}

// tell sends some events and perhaps a bookmark.
func (s *simulation) tell(w *follower) {
	for range 1 + s.IntN(20) {
		if w.next == len(s.log) {
			break
		}
		e := s.log[w.next]
		w.next++
		if e.At = s.clock; strings.HasPrefix(e.Key, w.Scope+"/") {
			w.Events = append(w.Events, e)
		}
	}
	if s.IntN(3) == 0 {
		w.Events = append(w.Events, Event{Type: Bookmark, Rev: int64(w.next) + 1, At: s.clock})
	}
}

func (s *simulation) close(i int) {
	s.watches[i].End = s.clock
	w := s.watches[i].Watch
	s.h.Watches = append(s.h.Watches, &w)
	s.watches = slices.Delete(s.watches, i, i+1)
}

// clone is a history that may be spoiled.
func (h History) clone() History {
	out := History{Resumable: h.Resumable}
	for _, op := range h.Ops {
		o := *op
		o.Items = maps.Clone(op.Items)
		out.Ops = append(out.Ops, &o)
	}
	for _, watch := range h.Watches {
		w := *watch
		w.Events = slices.Clone(watch.Events)
		out.Watches = append(out.Watches, &w)
	}
	return out
}
