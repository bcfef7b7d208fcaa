package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/store"
	"apichain/internal/store/storetest"
)

// A journal does what every backend does.
func TestBehaviours(t *testing.T) {
	for name, mode := range map[string]Sync{"always": Always, "interval": Sync(time.Millisecond), "never": Never} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.World {
				dir := t.TempDir()
				return storetest.World{Keeps: true, Resumes: true, Open: func(t *testing.T) (*store.Store, func()) {
					j := opened(t, dir, Options{Sync: mode, SegmentBytes: 20_000})
					s := store.New(store.Window{Events: 10_000, Bytes: 1 << 30})
					if err := s.Open(t.Context(), j); err != nil {
						t.Fatal(err)
					}
					// With snapshots beside, as many as there can be.
					ctx, stop := context.WithCancel(context.Background())
					var run sync.WaitGroup
					run.Go(func() { j.Run(ctx, s) })
					return s, func() {
						stop()
						run.Wait()
						if err := s.Close(); err != nil {
							t.Error(err)
						}
					}
				}}
			})
		})
	}
}

// entryOf returns an event of a store of its own: the one that creates key at revision rev.
func entryOf(tb testing.TB, rev int64, key string) store.Entry {
	tb.Helper()
	s := store.New(store.Window{First: rev - 1, Events: 10, Bytes: 1 << 20})
	put(tb, s, "things", key, "1")
	events, _, _ := s.After(rev-1, 1)
	return events[0]
}

// nothingLoaded is a target that wants nothing.
type nothingLoaded struct{}

func (nothingLoaded) Object(store.Write)         {}
func (nothingLoaded) Complete(int64)             {}
func (nothingLoaded) Apply(int64, []store.Write) {}

// loaded returns a journal whose load is over, without a store: commits are appended by the test.
func loaded(tb testing.TB, fs FS, o Options) *Journal {
	tb.Helper()
	o.FS = fs
	j := opened(tb, "double", o)
	if err := j.load(tb.Context(), nothingLoaded{}); err != nil {
		tb.Fatal(err)
	}
	return j
}

// appendTo appends a commit of one change.
func appendTo(tb testing.TB, j *Journal, rev int64) {
	tb.Helper()
	if err := j.Append([]store.Entry{entryOf(tb, rev, "a")}); err != nil {
		tb.Fatal(err)
	}
}

// All that was appended is one write and one flush, and what is appended meanwhile is for the next.
func TestSyncIsOneWrite(t *testing.T) {
	d := newDouble()
	j := loaded(t, d, Options{})
	d.calls = nil
	for rev := int64(2); rev <= 5; rev++ {
		appendTo(t, j, rev)
	}
	if len(d.calls) > 0 {
		t.Errorf("Append has done %q", d.calls)
	}
	if st := j.Stats(); st.QueuedRecords != 4 || st.QueuedBytes == 0 || st.Revision != 1 {
		t.Errorf("four are queued: %+v", st)
	}
	d.fail = func(_ int, call string) error {
		if strings.HasPrefix(call, "Write") {
			appendTo(t, j, 6)
		}
		return nil
	}
	name := journalName(1)
	if kept, err := j.Sync(); kept != 5 || err != nil || !slices.Equal(d.calls, []string{"Write " + name, "Sync " + name}) {
		t.Errorf("it keeps up to %d, %v, by %q", kept, err, d.calls)
	}
	if st := j.Stats(); st.QueuedRecords != 1 || st.DurableRevision != 5 || st.Fsyncs != 1 {
		t.Errorf("one is queued: %+v", st)
	}
	d.fail = nil
	if kept, err := j.Sync(); kept != 6 || err != nil {
		t.Errorf("then it keeps up to %d, %v", kept, err)
	}
	d.calls = nil
	if kept, err := j.Sync(); kept != 6 || err != nil || len(d.calls) > 0 {
		t.Errorf("without anything new it does %q: %d, %v", d.calls, kept, err)
	}
}

// The first record of each write says that all before it is on the disk, and only that; in the other modes only if it is.
func TestSyncedFlag(t *testing.T) {
	for _, test := range []struct {
		mode Sync
		want []bool
	}{
		// Of 2 and 3, 4, 5 and 6, where "flush" is before 6, and of the end.
		{Always, []bool{true, false, true, true, false, true}},
		{Never, []bool{true, false, false, true, false, true}},
	} {
		d := newDouble()
		j := loaded(t, d, Options{Sync: test.mode})
		for _, step := range []string{"2", "3", "sync", "4", "sync", "flush", "5", "6", "sync"} {
			var err error
			switch step {
			case "sync":
				_, err = j.Sync()
			case "flush":
				err = j.flush()
			default:
				appendTo(t, j, int64(step[0]-'0'))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := open(d, "double", journalName(1))
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for rec, err := r.next(); err == nil; rec, err = r.next() {
			got = append(got, rec.flags&flagSynced != 0)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("mode %d: the flags are %t, not %t", test.mode, got, test.want)
		}
	}
}

// A commit that does not follow is refused alone; a store that goes on as it should is served.
func TestAppendRefuses(t *testing.T) {
	j := loaded(t, newDouble(), Options{First: 5})
	for _, rev := range []int64{3, 5, 7} {
		want := fmt.Sprintf("journal: revision %d cannot come after 5", rev)
		if err := j.Append([]store.Entry{entryOf(t, rev, "a")}); err == nil || err.Error() != want {
			t.Errorf("revision %d: %v", rev, err)
		}
	}
	appendTo(t, j, 6)
	if kept, err := j.Sync(); kept != 6 || err != nil {
		t.Errorf("it keeps up to %d, %v", kept, err)
	}
}

// After an error everything fails with it, and nothing is written any more; the next process finds what was acknowledged.
func TestErrorStays(t *testing.T) {
	for _, op := range []string{"Write", "Sync"} {
		d := newDouble()
		j := loaded(t, d, Options{})
		appendTo(t, j, 2)
		if _, err := j.Sync(); err != nil {
			t.Fatal(err)
		}
		d.torn = true
		d.fail = func(_ int, call string) error {
			if strings.HasPrefix(call, op+" 0") {
				d.fail = nil
				return syscall.ENOSPC
			}
			return nil
		}
		appendTo(t, j, 3)
		appendTo(t, j, 4)
		_, first := j.Sync()
		if !errors.Is(first, syscall.ENOSPC) || !strings.HasPrefix(first.Error(), "journal: nothing is kept any more: ") {
			t.Errorf("%s: the error is %v", op, first)
		}
		calls := len(d.calls)
		_, again := j.Sync()
		for _, err := range []error{again, j.Append([]store.Entry{entryOf(t, 5, "a")}), j.Err(), j.Close()} {
			if !errors.Is(err, first) || err.Error() != first.Error() {
				t.Errorf("%s: afterwards the error is %v", op, err)
			}
		}
		if j.Stats().Error != first.Error() || len(d.calls) > calls {
			t.Errorf("%s: afterwards it does %q", op, d.calls[calls:])
		}
		if report, err := d.check(); err != nil || !report.Whole() || report.Revision != 2 {
			t.Errorf("%s: there is (%v)\n%s", op, err, report)
		}
	}
}

// A closed journal takes nothing, and gives the folder free; so does one that was never loaded.
func TestClose(t *testing.T) {
	d := newDouble()
	j := loaded(t, d, Options{})
	appendTo(t, j, 2)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]store.Entry{entryOf(t, 3, "a")}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed journal says %v", err)
	}
	if _, err := j.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed journal says %v", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	// What was only appended is there.
	if report, err := d.check(); err != nil || report.Revision != 2 {
		t.Errorf("there is (%v)\n%s", err, report)
	}
	j = opened(t, "double", Options{FS: d})
	if err := j.Close(); err != nil || d.locked {
		t.Error(err, d.locked)
	}
	// Without a commit, a restart writes nothing.
	size := len(d.names[journalName(1)].content)
	if err := loaded(t, d, Options{}).Close(); err != nil || len(d.names[journalName(1)].content) != size {
		t.Errorf("%v: it has grown to %d from %d", err, len(d.names[journalName(1)].content), size)
	}
}

// With an interval, what was acknowledged is flushed once it is over, and not before; nothing new is no flush.
func TestSyncAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDouble()
		j := loaded(t, d, Options{Sync: Sync(100 * time.Millisecond)})
		appendTo(t, j, 2)
		if kept, err := j.Sync(); kept != 2 || err != nil {
			t.Fatal(kept, err)
		}
		if st := j.Stats(); st.Revision != 2 || st.DurableRevision != 1 {
			t.Errorf("at once: %+v", st)
		}
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		if st := j.Stats(); st.DurableRevision != 2 || st.Fsyncs != 1 {
			t.Errorf("after the interval: %+v", st)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st := j.Stats(); st.Fsyncs != 1 {
			t.Errorf("%d flushes without anything new", st.Fsyncs)
		}
		appendTo(t, j, 3)
		if _, err := j.Sync(); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		d.fail = func(int, string) error { return syscall.EIO }
		d.mu.Unlock()
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		// What was acknowledged stays in the file all the same.
		cut := func(call string) bool { return strings.HasPrefix(call, "Truncate") }
		if _, err := j.Sync(); !errors.Is(err, syscall.EIO) || slices.ContainsFunc(d.calls, cut) {
			t.Errorf("after a flush that has failed: %v, %q", err, d.calls)
		}
		if err := j.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("the end is %v", err)
		}
		if shown, _, err := load(d.mount()); err != nil || revisionOf(shown) != 3 {
			t.Errorf("there is (%v) %s", err, shown)
		}
	})
}

// The median and the rare ones of the newest flushes.
func TestQuantiles(t *testing.T) {
	var d durations
	if p50, p99 := d.quantiles(); p50 != 0 || p99 != 0 {
		t.Error(p50, p99)
	}
	for i := range 2 * fsyncsKept {
		d.add(time.Duration(i))
	}
	if p50, p99 := d.quantiles(); p50 != fsyncsKept+fsyncsKept/2 || p99 != fsyncsKept+fsyncsKept*99/100 {
		t.Error(p50, p99)
	}
}

// Run makes a snapshot when the journal is larger than both the least and what there is, and removes what no watch
// reaches; while it fails, it is tried again after more was written.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDouble()
		var log bytes.Buffer
		j := opened(t, "double", Options{FS: d, SegmentBytes: 10_000, Log: slog.New(slog.NewTextHandler(&log, nil))})
		s := store.New(store.Window{Events: 4, Bytes: 1 << 20})
		if err := s.Open(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { j.Run(ctx, s) })
		write := func(bytes int) {
			for range bytes / 1000 {
				put(t, s, "things", "ns/a", strings.Repeat("v", 800))
			}
			synctest.Wait()
		}
		write(8000)
		if st := j.Stats(); st.SnapshotRevision != 1 || st.JournalBytes < 8000 || st.JournalBytes > 10_000 {
			t.Errorf("below the least: %+v", st)
		}
		write(4000)
		st := j.Stats()
		if st.SnapshotRevision < 10 || st.SegmentRevision != st.SnapshotRevision || st.JournalBytes > 4000 ||
			st.SnapshotBytes < 1000 || st.SnapshotTime.IsZero() {
			t.Errorf("above the least: %+v", st)
		}
		want := fmt.Sprintf(`level=INFO msg="Wrote a snapshot" revision=%d bytes=%d`, st.SnapshotRevision, st.SnapshotBytes)
		if !strings.Contains(log.String(), want) {
			t.Errorf("logged is %s, not %s", log.String(), want)
		}
		// The window has left the first generation behind after some more commits.
		write(5000)
		time.Sleep(pruneInterval)
		synctest.Wait()
		if names, _ := d.List(); len(names) != 2 || names[0] != journalName(st.SegmentRevision) {
			t.Errorf("there are %q", names)
		}
		// A disk that refuses snapshots.
		d.mu.Lock()
		d.fail = func(_ int, call string) error {
			if strings.HasPrefix(call, "Create") && strings.Contains(call, kindSnapshot) {
				return syscall.ENOSPC
			}
			return nil
		}
		d.mu.Unlock()
		log.Reset()
		write(25_000)
		n := strings.Count(log.String(), "No snapshot was made")
		if n < 1 || n > 3 || j.Err() != nil || j.Stats().SnapshotRevision != st.SnapshotRevision {
			t.Errorf("%d times there was none: %s", n, log.String())
		}
		d.mu.Lock()
		d.fail = nil
		d.mu.Unlock()
		write(12_000)
		if j.Stats().SnapshotRevision == st.SnapshotRevision {
			t.Errorf("it is not tried again: %s", log.String())
		}
		stop()
		run.Wait()
		want = show(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if shown, _, err := load(d.mount()); err != nil || shown != want {
			t.Errorf("there is (%v)\n%s", err, shown)
		}
	})
}
