package journal

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"apichain/internal/store"
)

// repaired repairs a folder, and returns the report and what is loaded then.
func repaired(t *testing.T, d *double) (report *Report, shown string) {
	t.Helper()
	report, err := d.repair()
	if err != nil {
		t.Fatal(err)
	}
	if !report.Whole() {
		t.Errorf("after a repair there is\n%s", report)
	}
	shown, logged, err := load(d.mount())
	if err != nil || logged != "" {
		t.Fatalf("after a repair: %v, %s\n%s", err, logged, report)
	}
	return report, shown
}

// withoutRevision returns what a store shows but for its revision, which a repair moves on.
func withoutRevision(shown string) string { return shown[strings.IndexByte(shown, '\n'):] }

// revisionOf returns the revision of what a store shows.
func revisionOf(shown string) (rev int64) {
	_, _ = fmt.Sscanf(shown, "revision %d", &rev)
	return rev
}

// A folder that is whole is reported, and left alone.
func TestCheckOfWholeFolder(t *testing.T) {
	d, snapshot, journal, _ := small(t, true)
	d.calls = nil
	report, err := d.check()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s: 2 records, %d bytes, up to revision 4\n%s: 4 records, %d bytes, up to revision 8\n4 objects at revision 8\n",
		snapshot, len(d.names[snapshot].content), journal, len(d.names[journal].content))
	if report.String() != want || !report.Whole() {
		t.Errorf("the report is\n%s\nnot\n%s", report, want)
	}
	if report, err = d.repair(); err != nil || report.String() != want || len(d.calls) > 0 {
		t.Errorf("repair reports (%v)\n%s\nand does %q", err, report, d.calls)
	}
}

// A torn tail is what Load would cut; its bytes are kept.
func TestRepairOfTornTail(t *testing.T) {
	d, _, journal, states := small(t, false)
	content := d.names[journal].content
	d.names[journal].content = content[:len(content)-1]
	report, err := d.check()
	if err != nil || report.Whole() || report.Revision != 6 || !strings.Contains(report.String(), ": a record is cut short\n") {
		t.Errorf("%v\n%s", err, report)
	}
	report, shown := repaired(t, d)
	if shown != states[2] {
		t.Errorf("afterwards there is\n%s", shown)
	}
	left, kept := d.names[journal].content, d.names[journal+".cut"].content
	if string(left)+string(kept) != string(content[:len(content)-1]) {
		t.Errorf("%d bytes are left and %d are kept", len(left), len(kept))
	}
	if want := fmt.Sprintf("The end of %s was torn: %d bytes from offset %d on are cut, and kept in %[1]s.cut.",
		journal, len(kept), len(left)); report.Done[0] != want {
		t.Errorf("it says %q, not %q", report.Done, want)
	}
	// The next one has another name.
	d.names[journal].content = append(left[:len(left):len(left)], 1)
	if _, shown = repaired(t, d); shown != states[2] || string(d.names[journal+".2.cut"].content) != "\x01" {
		t.Errorf("the second time there is\n%s", shown)
	}
}

// What is behind a damage is lost, and said to be; the revision goes beyond all that was there.
func TestRepairInTheMiddle(t *testing.T) {
	d, snapshot, journal, states := small(t, false)
	at := recordsOf(t, d, journal)
	d.names[journal].content[at[1]+40] ^= 4
	report, shown := repaired(t, d)
	rev := revisionOf(shown)
	if withoutRevision(shown) != withoutRevision(states[1]) || rev <= 8 || rev > 8+int64(len(d.names[journal+".cut"].content)) {
		t.Errorf("afterwards there is\n%s", shown)
	}
	want := fmt.Sprintf("What was written after revision 5 is lost. %s has its 3 objects.", snapshotName(rev))
	if report.Done[0] != want || !slices.Contains(report.Done, journal+" is now "+journal+".cut.") {
		t.Errorf("it says %q", report.Done)
	}
	names, _ := d.List()
	if !slices.Equal(names, []string{journal + ".cut", snapshot + ".cut", snapshotName(rev)}) {
		t.Errorf("the folder has %q", names)
	}
}

// Of a snapshot that is damaged and the only one, what can be read is saved, and what the journal has of the rest.
func TestRepairOfOnlySnapshot(t *testing.T) {
	s := store.New(store.Window{Events: 10, Bytes: 1 << 20})
	for i := range 1000 {
		put(t, s, "things", fmt.Sprintf("ns/%03d", i), strings.Repeat("v", 1000))
	}
	rev, all := s.Snapshots()
	d := newDouble()
	f := &folder{fs: d, dir: "double"}
	if _, err := f.snapshot(t.Context(), kindBackup, rev, objectsOf(all)); err != nil {
		t.Fatal(err)
	}
	j := opened(t, "double", Options{FS: d})
	again := storeOf(t, j)
	put(t, again, "things", "ns/000", "new")
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	name := snapshotName(rev)
	at := recordsOf(t, d, name)
	if len(at) < 5 {
		t.Fatalf("there are only records at %d", at)
	}
	d.names[name].content[at[0]+1000] ^= 1
	d.names[name].content[at[2]+3] ^= 1
	report, shown := repaired(t, d)
	lost := 1000 - strings.Count(shown, "things ns/")
	if lost < 200 || lost > 600 || !strings.Contains(shown, "things ns/000 ") || revisionOf(shown) <= rev+1 {
		t.Errorf("%d are lost\n%s", lost, report)
	}
	if want := fmt.Sprintf("Of %s, %d objects could be read; the others are lost.", name, 1000-lost-1); report.Done[0] != want {
		t.Errorf("it says %q, not %q", report.Done, want)
	}
	// Without its first line, a file is nothing but bytes.
	d, name, _, _ = small(t, true)
	d.names[name].content[0]++
	if _, shown = repaired(t, d); strings.Count(shown, "\n") != 1+3 {
		t.Errorf("of the journal alone there is\n%s", shown)
	}
	// And without a snapshot.
	d, name, _, _ = small(t, true)
	delete(d.names, name)
	if _, shown = repaired(t, d); strings.Count(shown, "\n") != 1+3 {
		t.Errorf("of the journal alone there is\n%s", shown)
	}
}

// Whatever is damaged, a repaired folder is loaded; when the newest snapshot and what is behind it are whole, nothing
// is lost; and no revision comes again.
func TestRepairOfAnything(t *testing.T) {
	whole := newDouble()
	all := tell(whole, Always)
	want := all.states[len(all.states)-1]
	names := slices.Sorted(maps.Keys(whole.names))
	newest := names[len(names)-1]
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		d := whole.mount()
		hurt := map[string]bool{}
		for range 1 + rnd.IntN(3) {
			name := names[rnd.IntN(len(names))]
			n := d.names[name]
			if n == nil {
				continue
			}
			hurt[name] = true
			switch at := rnd.IntN(max(len(n.content), 1)); rnd.IntN(4) {
			case 0:
				delete(d.names, name)
				names := slices.Sorted(maps.Keys(d.names))
				if !slices.ContainsFunc(names, func(n string) bool { return !hurt[n] }) {
					d.names[name] = n
				}
			case 1:
				n.content = n.content[:at]
			case 2:
				n.content = slices.Concat(n.content[:at], make([]byte, rnd.IntN(50)), n.content[min(at+rnd.IntN(50), len(n.content)):])
			default:
				if len(n.content) > 0 {
					n.content[at] ^= byte(1 << rnd.IntN(8))
				}
			}
		}
		report, shown := repaired(t, d)
		switch lost := withoutRevision(shown) != withoutRevision(want); {
		case lost && !hurt[newest] && !hurt[strings.Replace(newest, kindSnapshot, kindJournal, 1)]:
			t.Fatalf("with %v damaged there is\n%s\n%s", hurt, shown, report)
		case revisionOf(shown) < revisionOf(want) && lost && !hurt[strings.Replace(newest, kindSnapshot, kindJournal, 1)]:
			t.Fatalf("with %v damaged the revision is %d\n%s", hurt, revisionOf(shown), report)
		}
	}
}

// A crash in the middle of a repair is repaired by the next one, as well as the first would have.
func TestCrashWhileRepairing(t *testing.T) {
	for _, hurt := range []func(d *double, snapshot, journal string, at []int64){
		func(d *double, _, journal string, at []int64) { d.names[journal].content[at[1]+40] ^= 4 },
		func(d *double, _, journal string, at []int64) {
			d.names[journal].content = d.names[journal].content[:at[3]-1]
		},
		func(d *double, snapshot, _ string, _ []int64) { d.names[snapshot].content[90] ^= 4 },
	} {
		d, snapshot, journal, _ := small(t, false)
		hurt(d, snapshot, journal, recordsOf(t, d, journal))
		whole := d.mount()
		_, want := repaired(t, whole)
		for n := 1; n <= len(whole.calls); n++ {
			for l := range losses {
				left := d.mount()
				left.fail = failFrom(n, errCrash)
				if _, err := left.repair(); err == nil {
					t.Errorf("call %d (%s) has failed, and nobody noticed", n, whole.calls[n-1])
				}
				_, shown := repaired(t, left.crashed(l, rand.New(rand.NewPCG(1, uint64(n)))))
				if withoutRevision(shown) != withoutRevision(want) || revisionOf(shown) < revisionOf(want) {
					t.Errorf("after a crash at call %d (%s), loss %d, there is\n%s\nnot\n%s", n, whole.calls[n-1], l, shown, want)
				}
			}
		}
	}
}

// All of it works on a disk, too.
func TestRepairOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := storeOf(t, opened(t, dir, Options{}))
	put(t, s, "things", "a", "1")
	want := show(s)
	put(t, s, "things", "b", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(dir, journalName(1))
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal, text[:len(text)-headerBytes-7], 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Check(dir)
	if err != nil || report.Whole() || report.Objects != 1 {
		t.Errorf("check says %v\n%s", err, report)
	}
	if report, err = Repair(dir); err != nil || !report.Whole() || len(report.Done) == 0 {
		t.Errorf("repair says %v\n%s", err, report)
	}
	s = storeOf(t, opened(t, dir, Options{}))
	defer s.Close()
	if got := show(s); got != want {
		t.Errorf("afterwards there is\n%s\nnot\n%s", got, want)
	}
}
