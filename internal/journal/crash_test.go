package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"apichain/internal/store"
)

// story is what a server does with a folder, step by step: it starts, commits, makes snapshots and removes what they make
// needless, and stops. It goes on for as long as the disk does.
type story struct {
	// states has what the store shows after each acknowledged commit; the first is of the start.
	states []string
	// err is why it has ended early.
	err error
}

// oddOnes commits one or several changes, the i-th of a story.
func oddOnes(s *store.Store, i int) error {
	b := s.Bucket([]string{"things", "widgets.example.com"}[i%2])
	key := fmt.Sprint("ns/", i%5)
	cs := []store.Change{{Bucket: b, Key: key, Expect: -1, Next: draftOf(key, strings.Repeat("v", i*37%700))}}
	now := b.Now()
	if i%4 == 3 && now.Get(key) != nil {
		cs[0].Next = nil
	}
	if i%3 == 0 {
		cs = append(cs, store.Change{Bucket: s.Bucket("others"), Key: "b", Expect: -1, Next: draftOf("b", fmt.Sprint(i))})
	}
	_, err := s.Commit(context.Background(), cs...)
	return err
}

// tell plays the story on a folder.
func tell(fs FS, mode Sync) (st story) {
	ctx := context.Background()
	j, err := Open("double", Options{FS: fs, Sync: mode, First: 10, SegmentBytes: 1})
	if err != nil {
		return story{err: err}
	}
	s := store.New(store.Window{Events: 6, Bytes: 1 << 20})
	if err := s.Open(ctx, j); err != nil {
		return story{err: errors.Join(err, j.Close())}
	}
	st.states = []string{show(s)}
	for i := 1; i <= 20; i++ {
		if st.err = oddOnes(s, i); st.err != nil {
			break
		}
		st.states = append(st.states, show(s))
		if i%4 == 0 {
			j.checkpoint(ctx, s)
		}
		if i%5 == 0 {
			_ = j.prune(s)
		}
	}
	st.err = errors.Join(st.err, s.Close())
	return st
}

// find opens a folder as a server that starts does, and returns what it shows.
func find(fs FS) (shown string, err error) {
	j, err := Open("double", Options{FS: fs, First: 10})
	if err != nil {
		return "", err
	}
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	if err := s.Open(context.Background(), j); err != nil {
		return "", errors.Join(err, j.Close())
	}
	shown = show(s)
	// It goes on, too.
	if err := oddOnes(s, 99); err != nil {
		return shown, err
	}
	want := show(s)
	if err := s.Close(); err != nil {
		return shown, err
	}
	if j, err = Open("double", Options{FS: fs}); err != nil {
		return shown, err
	}
	s = store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	if err := errors.Join(s.Open(context.Background(), j), s.Close()); err != nil {
		return shown, err
	}
	if got := show(s); got != want {
		return shown, fmt.Errorf("what was written after the crash is\n%s\nnot\n%s", got, want)
	}
	return shown, nil
}

// crashes tells the story again and again, with the power failing at each call of the folder in turn, and returns how
// often a state was found that is none of those from the last acknowledged to the last attempted commit.
func crashes(t *testing.T, mode Sync) (runs int, wrong []string) {
	whole := newDouble()
	all := tell(whole, mode)
	if all.err != nil || len(all.states) != 21 {
		t.Fatalf("without a crash there are %d states, %v", len(all.states), all.err)
	}
	for n := 1; n <= len(whole.calls)+1; n++ {
		d := newDouble()
		d.fail, d.torn = failFrom(n, errCrash), n%2 == 0
		st := tell(d, mode)
		for l := range losses {
			for seed := range 4 {
				if l != lossRandom && seed > 0 {
					break
				}
				runs++
				left := d.crashed(l, rand.New(rand.NewPCG(uint64(n), uint64(seed))))
				shown, err := find(left)
				if !expected(shown, st.states, all.states) || err != nil {
					wrong = append(wrong, fmt.Sprintf("crash at call %d %v, loss %d, seed %d: %d acknowledged, %v, found\n%s",
						n, d.calls[len(d.calls)-1], l, seed, len(st.states)-1, err, shown))
				}
			}
		}
	}
	return runs, wrong
}

// expected reports whether a state is that of the last acknowledged commit or of the one that was under way.
func expected(shown string, acknowledged, all []string) bool {
	from := max(len(acknowledged)-1, 0)
	for i := from; i <= from+1 && i < len(all); i++ {
		if shown == all[i] {
			return true
		}
	}
	return false
}

// Whenever the power fails, and whatever the disk has lost of what was not flushed: what was acknowledged is there, and
// nothing but that and the commit that was under way.
func TestCrashes(t *testing.T) {
	runs, wrong := crashes(t, Always)
	for i, w := range wrong {
		if i < 5 {
			t.Error(w)
		}
	}
	t.Logf("%d crashes, %d of them lost or invented something", runs, len(wrong))
	if len(wrong) > 0 {
		t.Errorf("%d of %d", len(wrong), runs)
	}
}

// The test above finds a journal that acknowledges before it has flushed.
func TestCrashesFindEarlyAcknowledgement(t *testing.T) {
	if runs, wrong := crashes(t, Never); len(wrong) == 0 {
		t.Errorf("of %d crashes none was found", runs)
	}
}

// A disk that is full, or broken, at one call or from then on: whatever was acknowledged is found afterwards, and nothing
// is acknowledged after a commit has failed.
func TestErrorsOfTheDisk(t *testing.T) {
	whole := newDouble()
	all := tell(whole, Always)
	for i, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for n := 1 + i; n <= len(whole.calls); n += 2 {
			for _, fail := range []func(int, string) error{failAt(n, cause), failFrom(n, cause)} {
				d := newDouble()
				d.fail, d.torn = fail, true
				st := tell(d, Always)
				if st.err != nil && !errors.Is(st.err, cause) {
					t.Errorf("the error of call %d (%s) is %v", n, whole.calls[n-1], st.err)
				}
				for _, l := range []loss{lossNone, lossAll} {
					if shown, err := find(d.crashed(l, nil)); err != nil || !expected(shown, st.states, all.states) {
						t.Fatalf("%v at call %d (%s), loss %d: %d acknowledged, %v, found\n%s",
							cause, n, whole.calls[n-1], l, len(st.states)-1, err, shown)
					}
				}
			}
		}
	}
}

// A commit that was refused because its flush failed once does not come back: what was written of it is cut.
func TestRefusedStaysRefused(t *testing.T) {
	whole := newDouble()
	all := tell(whole, Always)
	for n, call := range whole.calls {
		if !strings.HasPrefix(call, "Sync 0") && !strings.HasPrefix(call, "Write 0") {
			continue
		}
		d := newDouble()
		d.fail, d.torn = failAt(n+1, syscall.EIO), true
		st := tell(d, Always)
		if len(st.states) == len(all.states) || len(st.states) == 0 {
			continue // it was not for a commit
		}
		if shown, err := find(d.mount()); err != nil || shown != st.states[len(st.states)-1] {
			t.Errorf("call %d (%s) failed, and afterwards there is (%v)\n%s", n+1, call, err, shown)
		}
	}
}

// A crash while a server starts after a crash is as good as one.
func TestCrashWhileStarting(t *testing.T) {
	whole := newDouble()
	all := tell(whole, Always)
	for n := 1; n <= len(whole.calls); n += 5 {
		d := newDouble()
		d.fail, d.torn = failFrom(n, errCrash), true
		st := tell(d, Always)
		if st.states == nil {
			continue // it had not begun
		}
		for again := 1; again < 10; again++ {
			left := d.crashed(lossNone, nil)
			left.fail = failFrom(again, errCrash)
			j, err := Open("double", Options{FS: left})
			if err == nil {
				s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
				_ = s.Open(context.Background(), j)
			}
			for _, l := range []loss{lossNone, lossAll, lossText, lossNames} {
				if shown, err := find(left.crashed(l, nil)); err != nil || !expected(shown, st.states, all.states) {
					t.Fatalf("crashes at %d and %d, loss %d: %v, found\n%s", n, again, l, err, shown)
				}
			}
		}
	}
}
