package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"apichain/internal/store"
)

// small returns a folder with a snapshot of three objects, and a journal behind it with two commits that were synced one
// after the other, and a third one with two changes. It is as a process leaves it that was killed, or closed if that is
// wanted. states are what the store has shown after each commit.
func small(t testing.TB, closed bool) (d *double, snapshot, journal string, states []string) {
	t.Helper()
	d = newDouble()
	j := opened(t, "double", Options{FS: d, SegmentBytes: 1})
	s := storeOf(t, j)
	for _, key := range []string{"ns/a", "ns/b", "c"} {
		put(t, s, "things", key, "1")
	}
	j.checkpoint(t.Context(), s)
	states = append(states, show(s))
	put(t, s, "things", "ns/a", "2")
	states = append(states, show(s))
	remove(t, s, "things", "ns/b")
	states = append(states, show(s))
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("x"), Key: "x", Next: draftOf("x", "1")},
		store.Change{Bucket: s.Bucket("x"), Key: "y", Next: draftOf("y", "1")}); err != nil {
		t.Fatal(err)
	}
	states = append(states, show(s))
	if closed {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d = d.mount()
	// What is before the snapshot would only give watches their past.
	delete(d.names, snapshotName(1))
	delete(d.names, journalName(1))
	return d, snapshotName(4), journalName(4), states
}

// load opens a folder, and returns what it shows and what it logs.
func load(d *double) (shown, logged string, err error) {
	var log bytes.Buffer
	j, err := Open("double", Options{FS: d, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		return "", "", err
	}
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	if err := s.Open(context.Background(), j); err != nil {
		return "", log.String(), errors.Join(err, j.Close())
	}
	return show(s), log.String(), nil
}

// recordsOf returns where the records of a file begin, and where the last one ends.
func recordsOf(t *testing.T, d *double, name string) (at []int64) {
	t.Helper()
	r, err := open(d, "double", name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for at = []int64{r.at}; r.at < r.size; at = append(at, r.at) {
		if _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

// A journal that ends anywhere in its last record is cut at the one before, with one line that says so.
func TestTornAtEveryByte(t *testing.T) {
	d, _, journal, states := small(t, false)
	at := recordsOf(t, d, journal)
	content := d.names[journal].content
	for end := at[2]; end <= at[3]; end++ {
		for _, filler := range []int{0, 1, 300} {
			left := d.mount()
			left.names[journal].content = append(bytes.Clone(content[:end]), make([]byte, filler)...)
			shown, logged, err := load(left)
			want, cut := states[2], int64(filler)+end-at[2]
			place := at[2]
			if end == at[3] {
				want, cut, place = states[3], int64(filler), at[3]
			}
			if err != nil || shown != want {
				t.Fatalf("cut at %d and %d zeros behind: %v, %s", end, filler, err, shown)
			}
			says := fmt.Sprintf("file=double/%s offset=%d bytes=%d", journal, place, cut)
			if (cut > 0) != strings.Contains(logged, says) || strings.Count(logged, "\n") > 1 {
				t.Errorf("cut at %d and %d zeros behind: logged %q, not %q", end, filler, logged, says)
			}
			if size := int64(len(left.names[journal].content)); size != place {
				t.Errorf("cut at %d and %d zeros behind: the file has %d bytes", end, filler, size)
			}
		}
	}
}

// A bit that has changed anywhere is found: the folder is refused, or, where the end of a journal may have been torn, it
// is cut there.
func TestFlippedBits(t *testing.T) {
	for _, closed := range []bool{false, true} {
		d, snapshot, journal, states := small(t, closed)
		at := recordsOf(t, d, journal)
		for _, name := range []string{snapshot, journal} {
			for i := range d.names[name].content {
				for bit := range 8 {
					// All bits of a first line and of a header, one of each byte behind.
					if i > 120 && bit != i%8 {
						continue
					}
					left := d.mount()
					left.names[name].content[i] ^= 1 << bit
					shown, _, err := load(left)
					// In a journal that was closed the end says that everything was synced. In the other one, the last
					// commit may have been torn.
					want := ""
					if name == journal && int64(i) >= at[2] && !closed {
						want = states[2]
					} else if name == journal && int64(i) >= at[3] {
						want = states[3]
					}
					if shown != want || (err != nil) != (want == "") {
						t.Fatalf("closed %t, bit %d of byte %d of %s: %v, %s\nrecords at %d", closed, bit, i, name, err, shown, at)
					}
					var damage *Damage
					if err != nil && (!errors.As(err, &damage) || !strings.Contains(err.Error(), "double/"+name)) {
						t.Fatalf("bit %d of byte %d of %s: the error is %v", bit, i, name, err)
					}
				}
			}
		}
	}
}

// The error says where the damage is and what to do, and changes nothing.
func TestDamageIsSaid(t *testing.T) {
	d, snapshot, journal, _ := small(t, false)
	at := recordsOf(t, d, journal)
	d.names[journal].content[at[0]+30] ^= 1
	before := string(d.names[journal].content)
	_, _, err := load(d)
	want := fmt.Sprintf("double/%s: offset %d: a record is not what was written: its checksum differs, "+
		"and all before offset %d had been synced (see apichain data check double; apichain data repair double cuts what cannot be read)", journal, at[0], at[1])
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nnot\n%s", err, want)
	}
	if string(d.names[journal].content) != before || d.locked {
		t.Error("something has changed, or the folder is still locked")
	}
	d.names[snapshot].content[3] ^= 1
	if _, err := Open("double", Options{FS: d}); err == nil || !strings.Contains(err.Error(), snapshot+": offset 0: the first line is not") {
		t.Errorf("a first line that is not one: %v", err)
	}
}

// Files that are missing, of other places, or do not go together are found by their names and revisions alone.
func TestFilesThatDoNotFit(t *testing.T) {
	whole := newDouble()
	if st := tell(whole, Always); st.err != nil {
		t.Fatal(st.err)
	}
	names := slices.Sorted(maps.Keys(whole.names))
	want, _, err := load(whole.mount())
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	oldest := names[1]
	for i, name := range names {
		left := whole.mount()
		delete(left.names, name)
		shown, _, err := load(left)
		// Without a snapshot that is not the oldest, reading goes another way.
		if strings.HasSuffix(name, kindSnapshot) && name != oldest {
			if err != nil || shown != want {
				t.Errorf("without %s: %v", name, err)
			}
		} else if name != oldest && err == nil || shown != want && err == nil {
			t.Errorf("without %s of %q it is loaded", name, names)
		}
		for _, other := range names[i+1:] {
			left := whole.mount()
			left.names[name], left.names[other] = left.names[other], left.names[name]
			if shown, _, err := load(left); err == nil && shown != want {
				t.Errorf("with %s and %s the one for the other there is %s", name, other, shown)
			}
		}
	}
}

// An empty file is none of a journal.
func TestEmptyFile(t *testing.T) {
	for i := range 2 {
		d, snapshot, journal, _ := small(t, false)
		name := []string{snapshot, journal}[i]
		d.names[name].content = nil
		if _, _, err := load(d); err == nil || !strings.Contains(err.Error(), "the first line has no end") {
			t.Errorf("an empty %s: %v", name, err)
		}
	}
}
