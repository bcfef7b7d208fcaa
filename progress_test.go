package main

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// TestStallScenarios: of one place where something may wait, step by step: what counts as
// progress, and when the limit has passed. Each step is one tick of a second.
func TestStallScenarios(t *testing.T) {
	const limit = 3 * time.Second
	type step struct {
		do    string // enter, leave, or "" for waiting on
		moved int64
		over  bool
	}
	for name, steps := range map[string][]step{
		"nobody waits":                  {{"", 0, false}, {"", 0, false}, {"", 0, false}, {"", 0, false}},
		"waits for ever":                {{"enter", 0, false}, {"", 0, false}, {"", 0, true}, {"", 0, true}},
		"a unit in time":                {{"enter", 0, false}, {"", 0, false}, {"", progressUnit, false}, {"", progressUnit, false}, {"", progressUnit, true}},
		"a byte less":                   {{"enter", 0, false}, {"", 0, false}, {"", progressUnit - 1, true}},
		"drop by drop is no progress":   {{"enter", 100, false}, {"leave", 200, false}, {"enter", 200, false}, {"", 300, true}},
		"time outside does not count":   {{"enter", 0, false}, {"", 0, false}, {"leave", 0, false}, {"", 0, false}, {"", 0, false}, {"enter", 0, true}},
		"much before the wait is spent": {{"", 9000, false}, {"enter", 9000, false}, {"", 9000, false}, {"", 9000, true}},
	} {
		var s stall
		for i, c := range steps {
			switch c.do {
			case "enter":
				s.enter(0)
			case "leave":
				s.leave()
			}
			if got := s.drips(c.moved, time.Second, limit); got != c.over {
				t.Errorf("%s, step %d: over %v, want %v", name, i, got, c.over)
			}
		}
	}
}

// TestSticks: one call that hangs is told by its number, once for each limit that passes;
// a call after another begins anew, however soon.
func TestSticks(t *testing.T) {
	var s stall
	tick := func() (uint32, bool) { return s.sticks(time.Second, 2*time.Second) }
	first := s.enter(5000)
	if s.size.Load() != 5000 {
		t.Errorf("size %d, want 5000", s.size.Load())
	}
	for i, want := range []bool{false, false, true, false, true} {
		if id, over := tick(); id != first || over != want {
			t.Errorf("tick %d: %d over %v, want %d over %v", i, id, over, first, want)
		}
	}
	s.leave()
	second := s.enter(0)
	if second == first || s.size.Load() != 5000 {
		t.Errorf("the second call is %d after %d, of size %d", second, first, s.size.Load())
	}
	for i := range 20 { // calls that each end in time
		if id, over := tick(); over {
			t.Errorf("call %d, number %d, sticks", i, id)
		}
		s.leave()
		s.enter(1)
	}
	s.leave()
	for range 5 {
		if _, over := tick(); over {
			t.Error("sticks although nobody waits")
		}
	}
}

// TestProgressWatchEnds: the watch lives as long as its context, and no longer.
func TestProgressWatchEnds(t *testing.T) {
	for _, args := range [][]string{nil, {"--body-progress-timeout=1ms", "--write-progress-timeout=1ms"}} { // a tick below its least
		synctest.Test(t, func(t *testing.T) {
			p := newListening(t, args...)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { p.checkProgress(ctx); close(ended) }()
			time.Sleep(10 * time.Second)
			select {
			case <-ended:
				t.Error("ended by itself")
			default:
			}
			if got := p.conns.now.Load(); time.Now().UnixNano()-got > int64(time.Second) {
				t.Errorf("the time of connections stands still: %v old", time.Duration(time.Now().UnixNano()-got))
			}
			cancel()
			<-ended
		})
	}
}

// TestStamped: what the Go tool writes into a binary, and what /version makes of it.
func TestStamped(t *testing.T) {
	set := func(pairs ...string) (out []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return out
	}
	for _, c := range []struct {
		name     string
		settings []debug.BuildSetting
		build    buildInfo
		state    string
	}{
		{"nothing", nil, buildInfo{}, ""},
		{"other things", set("GOOS", "linux", "vcs", "git"), buildInfo{}, ""},
		{"a clean tree", set("vcs.revision", "abc", "vcs.time", "2026-01-02T03:04:05Z", "vcs.modified", "false"), buildInfo{revision: "abc", time: "2026-01-02T03:04:05Z"}, "clean"},
		{"a changed tree", set("vcs.modified", "true", "vcs.revision", "abc"), buildInfo{revision: "abc", modified: true}, "dirty"},
		{"changes without a commit", set("vcs.modified", "true"), buildInfo{modified: true}, "dirty"},
	} {
		b := stamped(c.settings)
		if b != c.build {
			t.Errorf("%s: got %+v, want %+v", c.name, b, c.build)
		}
		v := newVersionInfo(b)
		if v.GitTreeState != c.state || v.GitCommit != c.build.revision || v.BuildDate != c.build.time || v.GitVersion != kubernetesVersion+"+apichain."+programVersion {
			t.Errorf("%s: got %+v, want state %q", c.name, v, c.state)
		}
	}
}
