package audit

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLogTurnsOver compares files with a model: lines fill a file as long as they fit, and a
// line that is longer than the limit stands alone.
func TestLogTurnsOver(t *testing.T) {
	const seed = 20261129
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 20 {
		limit := int64(200 + rng.IntN(2000))
		l, _ := openTestLog(t, Config{}, limit)
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		l.now = func() time.Time { return now }
		var want [][]string
		size := int64(0)
		for i := range 60 {
			e := testEvent(fmt.Sprintf("%d-%s", i, strings.Repeat("x", rng.IntN(400))))
			line, err := encode(e)
			if err != nil {
				t.Fatal(err)
			}
			if n := int64(len(line)); len(want) == 0 || size+n > limit {
				want, size = append(want, nil), 0
			}
			want[len(want)-1] = append(want[len(want)-1], e.AuditID)
			size += int64(len(line))
			now = now.Add(time.Duration(rng.IntN(3)) * time.Millisecond)
			l.write(e)
		}
		files := linesOf(t, filepath.Dir(l.path))
		// Names sort by time, but for the file that is written to.
		last := files["audit.log"]
		delete(files, "audit.log")
		var got [][]string
		for _, name := range slices.Sorted(maps.Keys(files)) {
			got = append(got, files[name])
		}
		got = append(got, last)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d, limit %d (seed %d):\n got %v\nwant %v", round, limit, seed, got, want)
		}
	}
}

// TestBackupNames: the time goes in front of the extension, in UTC.
func TestBackupNames(t *testing.T) {
	when := time.Date(2026, 11, 23, 6, 20, 0, 7_000_000, time.UTC)
	const stamp = "-2026-11-23T06-20-00.007"
	for path, want := range map[string]string{
		"audit.log": "audit" + stamp + ".log", "/var/log/audit.log": "/var/log/audit" + stamp + ".log", "audit": "audit" + stamp,
		"a.b.log": "a.b" + stamp + ".log", "/x.d/audit": "/x.d/audit" + stamp, ".log": stamp + ".log",
	} {
		if got := (&Log{path: path}).backup(when); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestOldLogsGo: which of the renamed files stay, by number and by age, when the log is opened.
func TestOldLogsGo(t *testing.T) {
	now := time.Now().UTC()
	day := func(n int) string {
		return "audit-" + now.Add(-time.Duration(n)*24*time.Hour+time.Hour).Format(backupTime) + ".log"
	}
	all, folder := []string{day(1), day(2), day(3), day(10), day(400)}, day(500)
	others := []string{"audit.log.1", "audit-.log", "audit-latest.log", "audit-2026-11-23.log", "audit-2026-13-23T00-00-00.000.log", "my-" + all[4], all[4] + ".gz"}
	for _, c := range []struct {
		backups, age int
		stay         int // of the first ones
	}{
		{0, 0, 5}, {1, 0, 1}, {3, 0, 3}, {9, 0, 5}, {0, 1, 1}, {0, 3, 3}, {0, 9, 3}, {0, 10, 4}, {0, 1000, 5}, {2, 10, 2}, {4, 2, 2},
	} {
		dir := t.TempDir()
		for _, name := range slices.Concat(all, others) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil { // no file
			t.Fatal(err)
		}
		l, err := OpenLog(Config{Path: filepath.Join(dir, "audit.log"), MaxBackups: c.backups, MaxAge: c.age}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		want := slices.Concat(all[:c.stay], others, []string{"audit.log", folder})
		var got []string
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			got = append(got, e.Name())
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d backups, %d days:\n got %q\nwant %q", c.backups, c.age, got, want)
		}
	}
}

// TestOpenLogErrors: they name what is wrong for the operator, and no log is left.
func TestOpenLogErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "audit.log"), filepath.Dir(file), ""} {
		l, err := OpenLog(Config{Path: path}, slog.New(slog.DiscardHandler), io.Discard)
		if l != nil || err == nil || !strings.HasPrefix(err.Error(), "audit log: ") {
			t.Errorf("%q: %v, %v", path, l, err)
		}
	}
}

// TestLogIsItsOwners: neither the file nor a directory that was made for it is for others.
func TestLogIsItsOwners(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l, err := OpenLog(Config{Path: filepath.Join(dir, "audit.log")}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, l.path: 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// TestStdoutStaysOpen: a log on standard output neither turns over nor closes it.
func TestStdoutStaysOpen(t *testing.T) {
	out := &countingFile{}
	l, err := OpenLog(Config{Path: "-", MaxSize: 1, MaxBackups: 1, MaxAge: 1}, slog.New(slog.DiscardHandler), out)
	if err != nil {
		t.Fatal(err)
	}
	big := testEvent(strings.Repeat("x", 300<<10))
	for range 8 { // two megabytes and more
		l.write(big)
	}
	if err := l.close(); err != nil || out.closed || out.writes != 8 {
		t.Errorf("%v, closed %t, %d writes", err, out.closed, out.writes)
	}
	if l.write(big); out.writes != 8 || l.errors.Load() != 1 {
		t.Errorf("after close: %d writes, %d errors; want 8 and 1", out.writes, l.errors.Load())
	}
}

// countingFile is a writer that could be closed.
type countingFile struct {
	writes int
	closed bool
}

func (f *countingFile) Write(b []byte) (int, error) { f.writes++; return len(b), nil }
func (f *countingFile) Close() error                { f.closed = true; return nil }
