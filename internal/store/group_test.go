package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowJournal is a journal whose disk takes some time for everything that was appended, and fails when it is
// told to. It notes what each sync has kept.
type slowJournal struct {
	disk   time.Duration
	mu     sync.Mutex
	queued []string
	last   int64
	syncs  []string
	fail   error
}

func (j *slowJournal) Load(context.Context, *Feed) error { return nil }

func (j *slowJournal) Append(commit []Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var keys []string
	for _, e := range commit {
		keys = append(keys, fmt.Sprintf("%s/%s@%d", e.Bucket.Name, e.Event.Object.Key, e.Event.Rev))
		j.last = e.Event.Rev
	}
	j.queued = append(j.queued, strings.Join(keys, "+"))
	return nil
}

func (j *slowJournal) Sync() (int64, error) {
	j.mu.Lock()
	text, kept, err := strings.Join(j.queued, " "), j.last, j.fail
	j.queued = nil
	j.mu.Unlock()
	time.Sleep(j.disk) // on the clock of the bubble
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.syncs = append(j.syncs, text)
	return kept, nil
}

func (j *slowJournal) Close() error { return nil }

// overSlow runs a test in a bubble, over a slow journal.
func overSlow(t *testing.T, run func(t *testing.T, s *Store, j *slowJournal)) {
	synctest.Test(t, func(t *testing.T) {
		j := &slowJournal{disk: time.Millisecond}
		run(t, openOf(t, Window{Events: 1000, Bytes: 1 << 20}, j), j)
	})
}

// TestGroupCommit: nobody sees a commit before it is kept, and those that wait together share a sync.
func TestGroupCommit(t *testing.T) {
	overSlow(t, func(t *testing.T, s *Store, j *slowJournal) {
		b := s.Bucket("things")
		watch, err := b.Watch(1)
		if err != nil {
			t.Fatal(err)
		}
		_, wait, _ := watch.Next(nil, 10)
		began := time.Now()
		var writers sync.WaitGroup
		for i := range 64 {
			writers.Go(func() {
				objs, err := s.Commit(t.Context(), Change{Bucket: b, Key: fmt.Sprint("k", i), Next: numbered(i)})
				if err != nil || s.Revision() < objs[0].Rev {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		// All are on their way, and none is to be seen.
		if sn := b.Now(); sn.Count() != 0 || s.Revision() != 1 || b.Head() != 0 {
			t.Errorf("%d objects are shown at %d", sn.Count(), s.Revision())
		}
		select {
		case <-wait:
			t.Error("a watcher was woken")
		default:
		}
		if events, _, ok := s.After(1, 10); len(events) > 0 || !ok {
			t.Errorf("%d events are shown", len(events))
		}
		writers.Wait()
		if sn := b.Now(); sn.Count() != 64 || s.Revision() != 65 {
			t.Errorf("%d objects at %d", sn.Count(), s.Revision())
		}
		// The first may have gone alone; all others came while it did.
		if took := time.Since(began); took > 2*time.Millisecond || len(j.syncs) > 2 {
			t.Errorf("it took %v and %d syncs", took, len(j.syncs))
		}
		events, _, err := watch.Next(nil, 100)
		if err != nil || len(events) != 64 || !slices.IsSortedFunc(events, func(a, b *Event) int { return int(a.Rev - b.Rev) }) {
			t.Errorf("%d events: %v", len(events), err)
		}
	})
}

// TestCommitMeetsWhatIsQueued: a commit is checked against those before it, kept or not, and a refusal
// waits for what it rests on.
func TestCommitMeetsWhatIsQueued(t *testing.T) {
	overSlow(t, func(t *testing.T, s *Store, j *slowJournal) {
		a, b := s.Bucket("a"), s.Bucket("b")
		mustCommit(t, s, Change{Bucket: a, Key: "old", Next: numbered(1)})
		var all sync.WaitGroup
		all.Go(func() {
			mustCommit(t, s, Change{Bucket: a, Key: "x", Next: numbered(1)}, Change{Bucket: a, Key: "old", Expect: 2})
		})
		synctest.Wait()
		all.Go(func() {
			_, err := s.Commit(t.Context(), Change{Bucket: a, Key: "x", Next: numbered(2)})
			conflict := new(Conflict)
			if !errors.As(err, &conflict) || conflict.Current.Rev != 3 || s.Revision() < 4 {
				t.Errorf("%v while the store is at %d", err, s.Revision())
			}
		})
		synctest.Wait() // each meets those before it
		all.Go(func() {
			_, err := s.CommitFunc(t.Context(), func() []Change {
				now, shown := a.Latest(), a.Now()
				if now.Get("old") != nil || now.Get("x") == nil || now.Rev < 4 || shown.Get("old") == nil || shown.Get("x") != nil {
					t.Errorf("latest has %s, and now %s", stateOf(now), stateOf(shown))
				}
				return nil
			})
			if err != nil || s.Revision() < 4 {
				t.Errorf("%v while the store is at %d", err, s.Revision())
			}
		})
		synctest.Wait() // each meets those before it
		all.Go(func() {
			objs, err := s.Commit(t.Context(), Change{Bucket: a, Key: "x", Expect: 3, Next: numbered(3)}, Change{Bucket: b, Key: "y", Next: numbered(3)})
			if err != nil || objs[0].EventKind() != Modified {
				t.Errorf("%v %v", objs, err)
			}
		})
		synctest.Wait()
		if got := stateOf(a.Now()); got != "old=1@2" {
			t.Errorf("shown is %s", got)
		}
		all.Wait()
		if got := stateOf(a.Now()) + " " + stateOf(b.Now()); got != "x=3@5 y=3@6" {
			t.Errorf("in the end %s", got)
		}
		if got := strings.Join(j.syncs, " | "); got != "a/old@2 | a/x@3+a/old@4 | a/x@5+b/y@6" {
			t.Errorf("synced %s", got)
		}
		if a.ahead != nil || b.ahead != nil || len(s.group.queue) != 0 {
			t.Error("something is ahead still")
		}
	})
}

// TestJournalFails: those that wait get its error, as do all that come later; nothing of theirs is ever seen, and
// reads go on.
func TestJournalFails(t *testing.T) {
	overSlow(t, func(t *testing.T, s *Store, j *slowJournal) {
		b := s.Bucket("things")
		mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(1)})
		full := errors.New("no space left on device")
		j.fail = full
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, err := s.Commit(t.Context(), Change{Bucket: b, Key: fmt.Sprint("k", i), Next: numbered(1)}); !errors.Is(err, full) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		all.Wait()
		j.fail = nil
		if got := stateOf(b.Now()); got != "a=1@2" || s.Revision() != 2 || s.Settled() != 2 {
			t.Errorf("shown is %s at %d", got, s.Revision())
		}
		if _, err := s.Commit(t.Context(), Change{Bucket: b, Key: "later", Next: numbered(1)}); !errors.Is(err, full) {
			t.Errorf("later: %v", err)
		}
		// What is refused anyway is refused for its own reason.
		conflict := new(Conflict)
		if _, err := s.Commit(t.Context(), Change{Bucket: b, Key: "a", Next: numbered(1)}); !errors.As(err, &conflict) || conflict.Current.Rev != 2 {
			t.Errorf("a conflict: %v", err)
		}
		if _, _, err := s.Checkpoint(func(int64) error { t.Error("a checkpoint of a broken journal"); return nil }); !errors.Is(err, full) {
			t.Errorf("a checkpoint: %v", err)
		}
	})
}

// TestCheckpoint: its state is all that is kept when rotate is called, nobody commits meanwhile, and nothing is lost.
func TestCheckpoint(t *testing.T) {
	j := &slowJournal{}
	s := openOf(t, Window{Events: 1000, Bytes: 1 << 20}, j)
	b := s.Bucket("things")
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 100 {
				mustCommit(t, s, Change{Bucket: b, Key: fmt.Sprintf("%d-%d", w, i), Next: numbered(i)})
			}
		})
	}
	for before := int64(0); before < 401; {
		var at int64
		rev, all, err := s.Checkpoint(func(rev int64) error {
			if at = rev; len(j.queued) > 0 || s.rev.Load() != rev || rev > 1 && j.last != rev {
				t.Errorf("at %d: %v are queued, %d is kept and %d shown", rev, j.queued, j.last, s.rev.Load())
			}
			return nil
		})
		if err != nil || rev != at || len(all) != 1 || int64(all[0].Now.Count()) != rev-1 || rev < before {
			t.Fatalf("at %d of %d: %d objects, %v", rev, at, all[0].Now.Count(), err)
		}
		before = rev
	}
	writers.Wait()
	if sn := b.Now(); sn.Count() != 400 || s.Revision() != 401 {
		t.Errorf("%d objects at %d", sn.Count(), s.Revision())
	}
	refused := errors.New("not now")
	if _, _, err := s.Checkpoint(func(int64) error { return refused }); err != refused {
		t.Errorf("the error of rotate: %v", err)
	}
	if rev, all, err := storeOf(10).Checkpoint(nil); rev != 0 || all != nil || err != nil {
		t.Error("a checkpoint of memory")
	}
}
