package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"apichain/internal/store"
)

// One journal has a folder at a time, and who comes second is told who has it.
func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	j := opened(t, dir, Options{})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	want := fmt.Sprintf("data folder %s is in use by process %d: end that, or use another folder", dir, os.Getpid())
	if _, err := Open(dir, Options{}); err == nil || err.Error() != want {
		t.Errorf("the second one gets %v", err)
	}
	if _, err := Check(dir); err == nil || err.Error() != want {
		t.Errorf("who checks it gets %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := opened(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
}

// The lock is of the process: another one is refused, and gets the folder when this one has been killed.
func TestLockOfAnotherProcess(t *testing.T) {
	dir := os.Getenv("JOURNAL_TEST_DIR")
	if dir != "" {
		// This is the other one, until it is killed: nobody ever writes to it.
		j := opened(t, dir, Options{})
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = j.Close()
		return
	}
	dir = t.TempDir()
	other := exec.Command(os.Args[0], "-test.run=^TestLockOfAnotherProcess$")
	other.Env = append(os.Environ(), "JOURNAL_TEST_DIR="+dir)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("locked"))
	if _, err := out.Read(line); err != nil || string(line) != "locked" {
		t.Errorf("the other process says %q, %v", line, err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("by process ", other.Process.Pid)) {
		t.Errorf("while the other process lives: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	if err := opened(t, dir, Options{}).Close(); err != nil {
		t.Error(err)
	}
}

// A torn tail on a disk is cut, and what is written next goes on there, without a hole.
func TestGoesOnWhereItWasCut(t *testing.T) {
	dir := t.TempDir()
	s := storeOf(t, opened(t, dir, Options{}))
	put(t, s, "things", "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, journalName(1)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half of a record"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		s = storeOf(t, opened(t, dir, Options{}))
		put(t, s, "things", "b", fmt.Sprint(i))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if report, err := Check(dir); err != nil || !report.Whole() || report.Revision != int64(3+i) || report.Objects != 2 {
			t.Errorf("there is (%v)\n%s", err, report)
		}
	}
}

// A folder that cannot be used is named.
func TestUnusableFolders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "x")} {
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for what, err := range map[string]error{
		"check":  second(Check(missing)),
		"repair": second(Repair(missing)),
		"copy":   second(Copy(missing, filepath.Join(t.TempDir(), "f"))),
		"dump":   Dump(missing, &bytes.Buffer{}),
	} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s of a folder that is not there: %v", what, err)
		}
	}
	empty := t.TempDir()
	if _, err := Check(empty); err == nil || err.Error() != empty+": there are no files of a journal" {
		t.Errorf("check of an empty folder: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// What a newer program has written is refused before anything is touched, and says what to do.
func TestNewerVersion(t *testing.T) {
	for i := range 2 {
		d, snapshot, journal, _ := small(t, true)
		name := []string{snapshot, journal}[i]
		line := []byte("apichain anything 7 of another form ")
		d.names[name].content = fmt.Appendf(line, "%08x\nand so on", crc32.Checksum(line, castagnoli))
		d.names["x"+unfinished] = &inode{}
		d.calls = nil
		want := "double/" + name + ": its format is version 7, and this program reads up to 1: use the newer apichain that wrote it"
		if _, err := Open("double", Options{FS: d}); err == nil || err.Error() != want {
			t.Errorf("the error is\n%v\nnot\n%s", err, want)
		}
		if len(d.calls) > 0 {
			t.Errorf("it has done %q", d.calls)
		}
		if _, err := d.check(); err == nil || err.Error() != want {
			t.Errorf("check says %v", err)
		}
	}
}

// What was not finished goes, and what is not ours stays and is of no matter.
func TestOtherFiles(t *testing.T) {
	d, _, _, states := small(t, true)
	others := []string{
		"service-account.key", "00000000000000000009.snapshot.tmp", "next.journal.tmp", "7.snapshot", "a.cut", "+0000000000000000009.journal",
	}
	for _, name := range others {
		d.names[name] = &inode{content: []byte("apichain")}
	}
	if shown, _, err := load(d); err != nil || shown != states[3] {
		t.Errorf("%v, %s", err, shown)
	}
	for _, name := range others {
		if _, there := d.names[name]; there == strings.HasSuffix(name, unfinished) {
			t.Errorf("%s is there: %t", name, there)
		}
	}
}

// A backup of a store that runs opens under any name, if it is alone.
func TestBackup(t *testing.T) {
	s := store.New(store.Window{First: 41, Events: 10, Bytes: 1 << 20})
	for i := range 300 {
		put(t, s, "things", fmt.Sprint("ns/", i), strings.Repeat("v", 2000))
	}
	var file bytes.Buffer
	rev, err := Backup(s, &file)
	if err != nil || rev != 341 {
		t.Fatal(rev, err)
	}
	if line, _, _ := strings.Cut(file.String(), "\n"); !strings.HasPrefix(line, "apichain backup 1 341 ") {
		t.Errorf("its first line is %q", line)
	}
	d := newDouble()
	d.names["monday"] = &inode{content: file.Bytes()}
	d.names["sa.key"] = &inode{content: []byte("a")}
	shown, logged, err := load(d)
	// All objects of a snapshot are added ones, of however many versions.
	if err != nil || shown != show(s) || logged != "" {
		t.Errorf("%v, %s, %s", err, logged, shown)
	}
	if names, _ := d.List(); !slices.Equal(names, []string{journalName(341), snapshotName(341), "sa.key"}) {
		t.Errorf("the folder has %q", names)
	}
	if shown, err := find(d.mount()); err != nil || shown != show(s) {
		t.Errorf("and then %v, %s", err, shown)
	}
	d = newDouble()
	d.names["monday"], d.names["tuesday"] = &inode{content: file.Bytes()}, &inode{content: file.Bytes()}
	if _, _, err := load(d); err == nil || !strings.Contains(err.Error(), "more than one backup (monday, tuesday)") {
		t.Errorf("two backups: %v", err)
	}
	// Its end is missing.
	d = newDouble()
	d.names["monday"] = &inode{content: file.Bytes()[:file.Len()-headerBytes-2]}
	if _, _, err := load(d); err == nil || !strings.Contains(err.Error(), "its end is missing") {
		t.Errorf("a backup that was cut: %v", err)
	}
}

// A writer that fails is the error of a backup.
func TestBackupToFullDisk(t *testing.T) {
	s := store.New(store.Window{Events: 10, Bytes: 1 << 20})
	put(t, s, "things", "a", "1")
	for n := 1; n <= 3; n++ {
		d := newDouble()
		d.fail = failAt(n+1, errCrash)
		f, err := d.Create("b")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Backup(s, f); !errors.Is(err, errCrash) {
			t.Errorf("write %d fails, and the error is %v", n, err)
		}
	}
}

// A copy of a folder that nobody has is a backup of what it would load.
func TestCopy(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	s := storeOf(t, opened(t, dir, Options{}))
	for i := 1; i < 30; i++ {
		if err := oddOnes(s, i); err != nil {
			t.Fatal(err)
		}
	}
	want := show(s)
	if _, err := Copy(dir, file); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a folder that is in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Copy(dir, file)
	if err != nil || !report.Whole() || report.Revision != s.Revision() {
		t.Fatal(report, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	restored := t.TempDir()
	if err := os.Rename(file, filepath.Join(restored, "b")); err != nil {
		t.Fatal(err)
	}
	s = storeOf(t, opened(t, restored, Options{}))
	defer s.Close()
	if got := show(s); got != want {
		t.Errorf("the copy has\n%s\nnot\n%s", got, want)
	}
	if err := second(Copy(dir, filepath.Join(file, "no", "such"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in no folder: %v", err)
	}
}

// A dump is a line for each object of the oldest snapshot and for each change since.
func TestDump(t *testing.T) {
	dir := t.TempDir()
	s := storeOf(t, opened(t, dir, Options{}))
	d := store.Encode(map[string]any{"metadata": map[string]any{"name": "a"}, "x": "<\u2028>"}, nil)
	put := func(key string) {
		if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: key, Expect: -1, Next: &d}); err != nil {
			t.Fatal(err)
		}
	}
	put("ns/a")
	put("ns/a")
	remove(t, s, "things", "ns/a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Dump(dir, &out); err != nil {
		t.Fatal(err)
	}
	text := string(d.JSON[:d.RevisionAt]) + "%d" + string(d.JSON[d.RevisionAt:])
	want := fmt.Sprintf(`{"revision":2,"type":"ADDED","bucket":"things","key":"ns/a","object":`+text+`}
{"revision":3,"type":"MODIFIED","bucket":"things","key":"ns/a","object":`+text+`}
{"revision":4,"type":"DELETED","bucket":"things","key":"ns/a"}
`, 2, 3)
	if out.String() != want {
		t.Errorf("the dump is\n%s\nnot\n%s", out.String(), want)
	}
	small, _, _, _ := small(t, false)
	out.Reset()
	if err := withFS(small, "double", func(f *folder) error { return f.dump(&out) }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), `"type":"SNAPSHOT"`); got != 3 || strings.Count(out.String(), "\n") != 7 {
		t.Errorf("there are %d objects of the snapshot in\n%s", got, out.String())
	}
	if err := Dump(dir, full{}); !errors.Is(err, errCrash) {
		t.Errorf("a writer that fails: %v", err)
	}
}

// full is a writer that fails.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errCrash }
