package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"apichain/internal/store"
)

// What goes on beside each other: writers, snapshots, and a disk that takes its time or is gone at any moment.

// hooked is a folder that calls before with each call on a file, as "Write a.journal".
type hooked struct {
	*double
	before func(call string)
}

// Create and Append return files that are hooked, too.
func (h hooked) Create(name string) (File, error) { return h.file(h.double.Create(name)) }
func (h hooked) Append(name string) (File, error) { return h.file(h.double.Append(name)) }

func (h hooked) Rename(from, to string) error {
	h.before("Rename " + from)
	return h.double.Rename(from, to)
}

func (h hooked) file(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return hookedFile{f.(*doubleFile), h.before}, nil
}

type hookedFile struct {
	*doubleFile
	before func(call string)
}

func (f hookedFile) Write(b []byte) (int, error) {
	f.before("Write " + f.name)
	return f.doubleFile.Write(b)
}

func (f hookedFile) Sync() error {
	f.before("Sync " + f.name)
	return f.doubleFile.Sync()
}

// However long the disk takes for any call of a snapshot, commits go on meanwhile, and are kept.
func TestSnapshotHoldsNobodyUp(t *testing.T) {
	for _, mode := range []Sync{Always, Never} {
		var s *store.Store
		meanwhile := map[string]int{}
		disk := hooked{newDouble(), func(call string) {
			if s == nil || !strings.Contains(call, kindSnapshot) && !strings.Contains(call, nextName) || strings.Contains(call, "Rename next") {
				return
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				put(t, s, "others", "x", call)
			}()
			select {
			case <-done:
				meanwhile[call[:4]]++
			case <-time.After(time.Minute):
				t.Errorf("a commit waits for %s", call)
			}
		}}
		j := opened(t, "double", Options{FS: disk, Sync: mode, SegmentBytes: 1})
		s = storeOf(t, j)
		put(t, s, "things", "a", strings.Repeat("v", 2*recordBytes))
		j.checkpoint(t.Context(), s)
		if st := j.Stats(); st.SnapshotRevision == 1 || meanwhile["Writ"] < 4 || meanwhile["Sync"] < 2 || meanwhile["Rena"] != 1 {
			t.Errorf("commits have gone on beside %v, and there is %+v", meanwhile, st)
		}
		want := show(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if shown, _, err := load(disk.mount()); err != nil || shown != want {
			t.Errorf("there is (%v) %s", err, shown)
		}
	}
}

// Writers of their own keys, snapshots in between, and the power fails at some moment: each key is found as it was
// acknowledged last, or as its writer was about to make it.
func TestCrashUnderWriters(t *testing.T) {
	for round := range 30 {
		crashUnderWriters(t, round)
	}
}

func crashUnderWriters(t *testing.T, round int) {
	const writers = 4
	rnd := rand.New(rand.NewPCG(7, uint64(round)))
	d := newDouble()
	d.torn = round%2 == 0
	j := opened(t, "double", Options{FS: d, SegmentBytes: 4000})
	s := store.New(store.Window{Events: 20, Bytes: 1 << 20})
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.fail = failFrom(len(d.calls)+1+rnd.IntN(200), errCrash)
	d.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { j.Run(ctx, s) })
	var acknowledged [writers]int
	for w := range writers {
		all.Go(func() {
			for i := 1; ; i++ {
				_, err := s.Commit(context.Background(), store.Change{
					Bucket: s.Bucket("things"), Key: fmt.Sprint(w), Expect: -1, Next: draftOf("a", fmt.Sprint(i)),
				})
				if err != nil {
					if !errors.Is(err, errCrash) {
						t.Error(err)
					}
					// Run ends by itself when the journal has failed, or is waiting for more to be written.
					stop()
					return
				}
				acknowledged[w] = i
			}
		})
	}
	all.Wait()
	revision := s.Revision()
	for l := range losses {
		left, err := Open("double", Options{FS: d.crashed(l, rnd)})
		if err != nil {
			t.Fatalf("round %d, loss %d: %v", round, l, err)
		}
		again := storeOf(t, left)
		if again.Revision() < revision {
			t.Errorf("round %d, loss %d: the revision goes back from %d to %d", round, l, revision, again.Revision())
		}
		now := again.Bucket("things").Now()
		for w, last := range acknowledged {
			found := 0
			if o := now.Get(fmt.Sprint(w)); o != nil {
				_, _ = fmt.Sscan(o.Decode()["value"].(string), &found)
			}
			if found != last && found != last+1 {
				t.Errorf("round %d, loss %d: writer %d has acknowledged %d, and %d is there", round, l, w, last, found)
			}
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A snapshot that ends early, with the server, leaves nothing behind, and is no news.
func TestSnapshotIsGivenUp(t *testing.T) {
	d := newDouble()
	j := opened(t, "double", Options{FS: d, SegmentBytes: 1})
	s := storeOf(t, j)
	put(t, s, "things", "a", "1")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	j.checkpoint(ctx, s)
	if names, _ := d.List(); !slices.Equal(names, []string{journalName(1), snapshotName(1), journalName(2)}) &&
		!slices.Equal(names, []string{journalName(1), snapshotName(1), journalName(2), nextName}) {
		t.Errorf("there are %q", names)
	}
	if st := j.Stats(); st.SnapshotRevision != 1 || st.SegmentRevision != 2 || st.JournalBytes == 0 {
		t.Errorf("%+v", st)
	}
	// The next one is of the same revision, without another journal.
	j.checkpoint(t.Context(), s)
	if st := j.Stats(); st.SnapshotRevision != 2 || st.SegmentRevision != 2 {
		t.Errorf("%+v", st)
	}
	want := show(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if shown, _, err := load(d.mount()); err != nil || shown != want {
		t.Errorf("there is (%v) %s", err, shown)
	}
}

// A watch resumes after a restart from wherever it could before, and is told to list again from where it could not.
func TestWatchesResume(t *testing.T) {
	d := newDouble()
	window := store.Window{Events: 12, Bytes: 1 << 20}
	j := opened(t, "double", Options{FS: d, SegmentBytes: 1})
	s := store.New(window)
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		put(t, s, "things", fmt.Sprint(i%7), fmt.Sprint(i))
		if i%5 == 0 {
			j.checkpoint(t.Context(), s)
			if err := j.prune(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(slices.Collect(maps.Keys(d.names))); n > 10 {
		t.Errorf("%d files stay", n)
	}
	resumed := func(s *store.Store) (texts []string) {
		for rev := int64(1); rev <= s.Revision(); rev++ {
			c, err := s.Bucket("things").Watch(rev)
			if err != nil {
				continue
			}
			events, _, err := c.Next(nil, 100)
			text := fmt.Sprint("from ", rev, ": ", err)
			for _, e := range events {
				text += fmt.Sprintf(" %c%d %s", e.Kind, e.Rev, e.Object.Raw())
			}
			texts = append(texts, text)
		}
		return texts
	}
	before := resumed(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = store.New(window)
	if err := s.Open(t.Context(), opened(t, "double", Options{FS: d})); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if after := resumed(s); len(before) < 12 || !slices.Equal(before, after) {
		t.Errorf("watches begin at %d revisions before and %d after:\n%s\n%s", len(before), len(after),
			strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

// blind is a folder whose files cannot be read from some byte on.
type blind struct {
	*double
	name string
	from int
}

func (b blind) Open(name string) (File, error) {
	f, err := b.double.Open(name)
	if err != nil || name != b.name {
		return f, err
	}
	return &blindFile{f.(*doubleFile), b.from}, nil
}

type blindFile struct {
	*doubleFile
	from int
}

func (f *blindFile) Read(b []byte) (int, error) {
	if f.at >= f.from {
		return 0, syscall.EIO
	}
	return f.doubleFile.Read(b[:min(len(b), f.from-f.at)])
}

// A disk that cannot be read says nothing about what was written: the start fails, and nothing is cut or put aside.
func TestUnreadableDisk(t *testing.T) {
	d, snapshot, journal, _ := small(t, false)
	for _, name := range []string{snapshot, journal} {
		for from := range len(d.names[name].content) {
			left := d.mount()
			fs := blind{left, name, from}
			j, err := Open("double", Options{FS: fs})
			if err == nil {
				err = errors.Join(j.load(t.Context(), nothingLoaded{}), j.Close())
			}
			_, checked := withReport(fs, (*folder).checkAll)
			_, repaired := withReport(fs, (*folder).repair)
			for _, err := range []error{err, checked, repaired} {
				if !errors.Is(err, syscall.EIO) {
					t.Fatalf("%s from %d on cannot be read: %v", name, from, err)
				}
			}
			if len(left.calls) > 0 {
				t.Fatalf("%s from %d on cannot be read, and it does %q", name, from, left.calls)
			}
		}
	}
}

// withReport calls what makes a report of a folder.
func withReport(fs FS, do func(*folder) (*Report, error)) (report *Report, err error) {
	err = withFS(fs, "double", func(f *folder) error {
		report, err = do(f)
		return err
	})
	return report, err
}

// checkAll is what Check does.
func (f *folder) checkAll() (*Report, error) { return f.check(&state{}) }
