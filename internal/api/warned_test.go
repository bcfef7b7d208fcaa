package api

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestWarned: a user with a User-Agent is told once in a minute about the same, which is a place and
// not a text.
func TestWarned(t *testing.T) {
	var w warned
	texts := []string{"x", "x"}
	x, y := &texts[0], &texts[1]
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		user, agent string
		about       *string
		after       time.Duration
		want        bool
	}{
		{"a", "kubectl", x, 0, true},
		{"a", "kubectl", x, 0, false},
		{"a", "kubectl", x, 59 * time.Second, false},
		{"a", "kubectl", y, 59 * time.Second, true},
		{"a", "manager", x, 59 * time.Second, true},
		{"b", "kubectl", x, 59 * time.Second, true},
		{"ak", "ubectl", x, 59 * time.Second, true},
		{"a", "kubectl", x, 60 * time.Second, true},
		{"a", "kubectl", x, 119 * time.Second, false},
		{"a", "kubectl", y, 118 * time.Second, false},
		{"", "", nil, 119 * time.Second, true},
	} {
		if got := w.first(warnedClient{c.user, c.agent, c.about}, start.Add(c.after)); got != c.want {
			t.Errorf("%d: %+v: %t", i, c, got)
		}
	}
}

// TestWarnedIsBounded: however many clients come, at once or one by one, no more than warnedMost are
// remembered, and each is told at least once.
func TestWarnedIsBounded(t *testing.T) {
	var w warned
	text := "x"
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range warnedMost {
				if !w.first(warnedClient{"user", strconv.Itoa(i*warnedMost + n), &text}, time.Now()) {
					t.Errorf("%d was not told", n)
				}
			}
		})
	}
	all.Wait()
	if n := len(w.at); n > warnedMost || n == 0 {
		t.Errorf("%d are remembered", n)
	}
}
