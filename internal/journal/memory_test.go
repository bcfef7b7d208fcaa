package journal

import (
	"bytes"
	"runtime"
	"testing"

	"apichain/internal/store"
)

// heap returns how many bytes are alive.
func heap() uint64 {
	// Twice, since what a finalizer holds goes with the second.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A store that was loaded takes at most a tenth more than the one that was filled, and a journal next to nothing.
func TestMemoryAfterRestart(t *testing.T) {
	const objects = 10_000
	window := store.Window{Events: 10, Bytes: 1 << 20}
	empty := heap()
	filled := store.New(window)
	fill(t, filled, objects)
	before := heap() - empty
	var file bytes.Buffer
	if _, err := Backup(filled, &file); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(filled)
	filled = nil
	d := newDouble()
	d.names["backup"] = &inode{content: file.Bytes()}
	empty = heap()
	j := opened(t, "double", Options{FS: d})
	s := store.New(window)
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	after := heap() - empty
	t.Logf("%d objects take %d bytes before and %d after a restart", objects, before, after)
	if after > before+before/10 {
		t.Errorf("they take %d bytes before and %d after a restart", before, after)
	}
	now := s.Bucket("configmaps").Now()
	if now.Count() != objects {
		t.Errorf("there are %d", now.Count())
	}
	runtime.KeepAlive(j)
}

// The room of the queue is used again, so that a commit makes no garbage; that of a large commit does not stay.
func TestQueueIsUsedAgain(t *testing.T) {
	j := loaded(t, newDouble(), Options{})
	big := store.New(store.Window{Events: 10_000, Bytes: 1 << 30})
	fill(t, big, 5000)
	all, _, _ := big.After(1, 10_000)
	next := func(n int) {
		if err := j.Append(all[:n]); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
	sync := func() {
		if _, err := j.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	// Two rooms are in use: one is written while the other is filled.
	for range 4 {
		next(20)
		sync()
	}
	if n := testing.AllocsPerRun(10, func() { next(1) }); n > 0 {
		t.Errorf("a commit is %v allocations", n)
	}
	sync()
	next(len(all))
	for range 2 {
		sync()
	}
	if room := cap(j.queue) + cap(j.spare); room > spareBytes {
		t.Errorf("a room of %d bytes stays", room)
	}
	if st := j.Stats(); st.Revision != big.Revision() {
		t.Errorf("it is at %d", st.Revision)
	}
}
