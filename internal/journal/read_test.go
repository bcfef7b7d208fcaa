package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"apichain/internal/store"
)

// long returns a folder whose snapshot and journal are both several windows long, with objects that are longer than one,
// and what it shows.
func long(t *testing.T) (d *double, journal string, want string) {
	t.Helper()
	d = newDouble()
	j := opened(t, "double", Options{FS: d, SegmentBytes: 1 << 40})
	s := storeOf(t, j)
	sizes := []int{10, windowBytes - 300, windowBytes, 3*windowBytes + 7, 5, recordBytes, 1, 2 * windowBytes}
	for i, size := range sizes {
		put(t, s, "things", fmt.Sprint("ns/", i), strings.Repeat(string(rune('a'+i)), size))
	}
	j.checkpoint(t.Context(), s)
	for i, size := range sizes {
		put(t, s, "things", fmt.Sprint("ns/", i), strings.Repeat(string(rune('A'+i)), size))
		put(t, s, "others", fmt.Sprint(i), "1")
	}
	want = show(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d = d.mount()
	delete(d.names, snapshotName(1))
	delete(d.names, journalName(1))
	return d, journalName(1 + int64(len(sizes))), want
}

// Records of any size are read, wherever in the buffer they begin and end.
func TestLongRecords(t *testing.T) {
	d, journal, want := long(t)
	if size := len(d.names[journal].content); size < 5*windowBytes {
		t.Fatalf("the journal has %d bytes", size)
	}
	shown, logged, err := load(d.mount())
	if err != nil || shown != want || logged != "" {
		t.Errorf("%v, %s, %d bytes are shown of %d", err, logged, len(shown), len(want))
	}
	if report, err := d.check(); err != nil || !report.Whole() || report.Objects != 16 {
		t.Errorf("%v\n%s", err, report)
	}
}

// Damage is found wherever it is, and what was synced is seen however far behind it.
func TestDamageFarFromTheEnd(t *testing.T) {
	whole, journal, _ := long(t)
	at := recordsOf(t, whole, journal)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range at[:len(at)-2] {
		// Some byte of the record, of its header the first time.
		for _, n := range []int64{rnd.Int64N(headerBytes), rnd.Int64N(at[i+1] - at[i])} {
			d := whole.mount()
			d.names[journal].content[at[i]+n] ^= byte(1 << rnd.IntN(8))
			_, _, err := load(d)
			var damage *Damage
			if !errors.As(err, &damage) || damage.Tail || damage.Offset != at[i] || damage.Bytes != at[len(at)-1]-at[i] {
				t.Errorf("byte %d of the record at %d: %v", n, at[i], err)
			}
			if want := fmt.Sprintf("and all before offset %d had been synced", at[i+1]); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("byte %d of the record at %d: the error is %v, without %q", n, at[i], err, want)
			}
		}
	}
}

// A file that becomes shorter while it is read is an error, and no damage: nothing is known about what it was.
func TestShrinkingFile(t *testing.T) {
	d, journal, _ := long(t)
	r, err := open(d, "double", journal)
	if err != nil {
		t.Fatal(err)
	}
	d.names[journal].content = d.names[journal].content[:windowBytes]
	for err == nil {
		_, err = r.next()
	}
	if want := "double/" + journal + ": it has become shorter while it was read"; err.Error() != want {
		t.Errorf("the error is %v", err)
	}
}

// A start that is given up ends, and leaves the folder as it was.
func TestLoadIsGivenUp(t *testing.T) {
	d, _, _ := long(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	j := opened(t, "double", Options{FS: d})
	if err := store.New(store.Window{}).Open(ctx, j); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if err := j.Close(); err != nil || len(d.calls) > 0 || d.locked {
		t.Errorf("%v: it has done %q", err, d.calls)
	}
}

// What cannot be removed stays, is told to the log, and is removed later.
func TestOldFilesStay(t *testing.T) {
	d := newDouble()
	var log bytes.Buffer
	j := opened(t, "double", Options{FS: d, SegmentBytes: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	s := store.New(store.Window{Events: 2, Bytes: 1 << 20})
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		put(t, s, "things", "a", fmt.Sprint(i))
	}
	j.checkpoint(t.Context(), s)
	for i := range 5 {
		put(t, s, "things", "a", fmt.Sprint(i))
	}
	d.fail = func(_ int, call string) error {
		if strings.HasPrefix(call, "Remove") {
			return syscall.EIO
		}
		return nil
	}
	if err := j.prune(s); !errors.Is(err, syscall.EIO) {
		t.Errorf("the error is %v", err)
	}
	if names, _ := d.List(); len(names) != 4 || j.Err() != nil {
		t.Errorf("there are %q, %v", names, j.Err())
	}
	d.fail = nil
	if err := j.prune(s); err != nil {
		t.Error(err)
	}
	if names, _ := d.List(); len(names) != 2 {
		t.Errorf("there are %q", names)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A folder is made with those above it, also by a path that is relative or not clean.
func TestFoldersAreMade(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"a", "b/c/d", "./e//f/", "b/../g"} {
		if err := opened(t, dir, Options{}).Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, snapshotName(1))); err != nil {
			t.Error(err)
		}
	}
}
