package admin

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// fakeStreams gives every stream what a test puts in, from the first event on.
type fakeStreams struct {
	mu      sync.Mutex
	events  []StreamEvent
	oldest  *int64
	asked   []string // topics of each stream, with the id to resume after
	open    []*fakeStream
	opened  chan struct{} // where a test waits for streams
	stopped context.Context
}

type fakeStream struct {
	f     *fakeStreams
	next  int
	ready chan struct{}
}

func (f *fake) Stream(topics []string, after *int64) Stream {
	s := &f.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := fmt.Sprint(topics)
	if after != nil {
		asked += fmt.Sprintf(" after %d", *after)
	}
	s.asked = append(s.asked, asked)
	one := &fakeStream{f: s, ready: make(chan struct{}, 1)}
	s.open = append(s.open, one)
	if s.opened != nil {
		s.opened <- struct{}{}
	}
	return one
}

// add puts events in.
func (f *fakeStreams) add(events ...StreamEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, events...)
	for _, s := range f.open {
		select {
		case s.ready <- struct{}{}:
		default:
		}
	}
}

// count is how many streams are open.
func (f *fakeStreams) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

func (s *fakeStream) OldestID() *int64       { return s.f.oldest }
func (s *fakeStream) Ready() <-chan struct{} { return s.ready }

func (s *fakeStream) Stopped() context.Context {
	if s.f.stopped == nil {
		return context.Background()
	}
	return s.f.stopped
}

func (s *fakeStream) Next() (StreamEvent, bool) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.next == len(s.f.events) {
		return StreamEvent{}, false
	}
	s.next++
	return s.f.events[s.next-1], true
}

func (s *fakeStream) Close() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	for i, o := range s.f.open {
		if o == s {
			s.f.open = append(s.f.open[:i:i], s.f.open[i+1:]...)
			return
		}
	}
}

// happened is an event of a topic, a second after the examples' moment for each id.
func happened(t testing.TB, id int64, name string, item any) StreamEvent {
	t.Helper()
	at, err := time.Parse(time.RFC3339, exampleAt)
	if err != nil {
		t.Fatal(err)
	}
	return StreamEvent{ID: id, Name: name, Generation: exampleGeneration, At: at.Add(time.Duration(id) * time.Second), Item: item}
}
