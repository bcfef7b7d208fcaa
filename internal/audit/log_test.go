package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/request"
)

// openTestLog opens a log in a directory of its own and sets its limit in bytes.
func openTestLog(t *testing.T, c Config, limit int64) (*Log, *bytes.Buffer) {
	t.Helper()
	var logged bytes.Buffer
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "sub", "audit.log")
	}
	l, err := OpenLog(c, slog.New(slog.NewTextHandler(&logged, nil)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l.limit, l.next = limit, limit
	t.Cleanup(func() { l.close() })
	return l, &logged
}

func testEvent(id string) *Event {
	return &Event{Level: LevelMetadata, Stage: StageResponseComplete, AuditID: id}
}

// linesOf are the audit IDs in a directory's files, by file name. A torn line fails the test.
func linesOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = nil
		for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
			var e struct{ AuditID string }
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				t.Errorf("%s: torn line %q", entry.Name(), s.Text())
			}
			files[entry.Name()] = append(files[entry.Name()], e.AuditID)
		}
	}
	return files
}

func TestLogRotationUnderConcurrentWriters(t *testing.T) {
	l, logged := openTestLog(t, Config{}, 2000)
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.write(testEvent(fmt.Sprintf("%d-%04d", w, i)))
			}
		})
	}
	wg.Wait()
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	files := linesOf(t, filepath.Dir(l.path))
	for name, ids := range files {
		info, err := os.Stat(filepath.Join(filepath.Dir(l.path), name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 2000 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %v; want at most 2000, 0600", name, info.Size(), info.Mode())
		}
		for _, id := range ids {
			seen[id]++
		}
	}
	for w := range writers {
		for i := range each {
			if id := fmt.Sprintf("%d-%04d", w, i); seen[id] != 1 {
				t.Errorf("event %s is there %d times, want once", id, seen[id])
			}
		}
	}
	if len(files) < 50 || logged.Len() > 0 {
		t.Errorf("%d files, want many; logged %q", len(files), logged)
	}
	if got := l.events[LevelMetadata].Load(); got != writers*each || l.errors.Load() != 0 {
		t.Errorf("counted %d events and %d errors, want %d and none", got, l.errors.Load(), writers*each)
	}
}

func TestLogBackups(t *testing.T) {
	l, _ := openTestLog(t, Config{MaxBackups: 2, MaxAge: 1}, 1)
	dir := filepath.Dir(l.path)
	for _, other := range []string{"audit-notes.log", "audit-2020-01-01T00-00-00.000.txt", "other-2020-01-01T00-00-00.000.log", "audit-2020-01-01T00-00-00.000.log"} {
		if err := os.WriteFile(filepath.Join(dir, other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Date(2026, 11, 23, 6, 20, 0, 0, time.FixedZone("", 3600))
	now := start
	l.now = func() time.Time { return now }
	write := func(id string) { t.Helper(); l.write(testEvent(id)) }
	write("a")
	write("b") // rotates a away, and so on
	write("c") // in the same millisecond
	check := func(when string, want map[string][]string) {
		t.Helper()
		got := linesOf(t, dir)
		for _, other := range []string{"audit-notes.log", "audit-2020-01-01T00-00-00.000.txt", "other-2020-01-01T00-00-00.000.log"} {
			if _, ok := got[other]; !ok {
				t.Errorf("%s: %s was removed", when, other)
			}
			delete(got, other)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %v\nwant %v", when, got, want)
		}
	}
	check("the first two", map[string][]string{"audit-2026-11-23T05-20-00.000.log": {"a"}, "audit-2026-11-23T05-20-00.001.log": {"b"}, "audit.log": {"c"}})
	now = start.Add(time.Hour)
	write("d")
	check("one too many", map[string][]string{"audit-2026-11-23T05-20-00.001.log": {"b"}, "audit-2026-11-23T06-20-00.000.log": {"c"}, "audit.log": {"d"}})
	now = start.Add(24*time.Hour + 30*time.Minute)
	write("e")
	check("one too old", map[string][]string{"audit-2026-11-23T06-20-00.000.log": {"c"}, "audit-2026-11-24T05-50-00.000.log": {"d"}, "audit.log": {"e"}})
}

func TestLogGoesOnWithAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, []byte("{\"auditID\":\"old\"}\n{\"auditID\":\"torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, _ := openTestLog(t, Config{Path: path}, 1<<20)
	l.write(testEvent("new"))
	data, _ := os.ReadFile(path)
	got := strings.Split(string(data), "\n")
	if len(got) != 4 || got[1] != `{"auditID":"torn` || !strings.Contains(got[2], `"new"`) {
		t.Errorf("got %q, want the new event on a line of its own", got)
	}
}

// breakingWriter fails, with a part written, as often as broken says.
type breakingWriter struct {
	bytes.Buffer
	broken int
}

func (w *breakingWriter) Write(b []byte) (int, error) {
	if w.broken > 0 {
		w.broken--
		n, _ := w.Buffer.Write(b[:5])
		return n, errors.New("disk full")
	}
	return w.Buffer.Write(b)
}

func TestLogWriteError(t *testing.T) {
	out := &breakingWriter{broken: 2}
	var logged bytes.Buffer
	l, err := OpenLog(Config{Path: "-"}, slog.New(slog.NewTextHandler(&logged, nil)), out)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b\nlevel=ERROR", "c", "d"} {
		l.write(testEvent(id))
	}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	if n := len(got); n < 2 || !strings.Contains(got[n-2], `"auditID":"c"`) || !json.Valid([]byte(got[n-2])) || !json.Valid([]byte(got[n-1])) {
		t.Errorf("got %q, want whole lines for c and d at the end", got)
	}
	if l.errors.Load() != 2 || l.events[LevelMetadata].Load() != 2 {
		t.Errorf("%d errors and %d events, want 2 and 2", l.errors.Load(), l.events[LevelMetadata].Load())
	}
	if n := strings.Count(logged.String(), "disk full"); n != 1 || !strings.Contains(logged.String(), "lost=2") || strings.Count(logged.String(), "\n") != 2 {
		t.Errorf("logged %q, want the first failure and the recovery", &logged)
	}
}

func TestLogReopensAfterError(t *testing.T) {
	l, _ := openTestLog(t, Config{}, 1<<20)
	l.write(testEvent("a"))
	l.file.Close() // as if the descriptor had gone bad
	l.write(testEvent("b"))
	l.write(testEvent("c"))
	if got := linesOf(t, filepath.Dir(l.path))["audit.log"]; !slices.Equal(got, []string{"a", "c"}) || l.errors.Load() != 1 {
		t.Errorf("got %v and %d errors, want a, c and one", got, l.errors.Load())
	}
}

// A file that cannot be renamed is written on.
func TestLogRotationFails(t *testing.T) {
	l, logged := openTestLog(t, Config{}, 1)
	file := l.path
	l.write(testEvent("a"))
	l.path += "-gone"
	l.write(testEvent("b"))
	data, _ := os.ReadFile(file)
	if n := strings.Count(string(data), "\n"); n != 2 || l.errors.Load() != 0 || !strings.Contains(logged.String(), "audit log not rotated") {
		t.Errorf("%d lines, %d errors, logged %q; want 2, none and a line", n, l.errors.Load(), logged)
	}
}

func TestLogOpenAndClose(t *testing.T) {
	discard := slog.New(slog.DiscardHandler)
	if _, err := OpenLog(Config{Path: t.TempDir()}, discard, nil); err == nil {
		t.Error("a directory was opened")
	}
	// A link, so that a rename would hit the link and not the device.
	device := filepath.Join(t.TempDir(), "audit.log")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Skip(err)
	}
	pipe, err := OpenLog(Config{Path: device}, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	pipe.limit, pipe.next = 1, 1
	pipe.write(testEvent("a"))
	pipe.write(testEvent("b"))
	if _, err := os.Lstat(device); err != nil {
		t.Errorf("a device was rotated: %v", err)
	}
	if err := pipe.close(); err != nil || pipe.errors.Load() != 0 {
		t.Errorf("/dev/null: %v, %d errors", err, pipe.errors.Load())
	}
	l, _ := openTestLog(t, Config{}, 1<<20)
	if err := errors.Join(l.close(), l.close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if l.write(testEvent("late")); l.errors.Load() != 1 {
		t.Errorf("an event after close: %d errors, want 1", l.errors.Load())
	}
	zero, err := OpenLog(Config{Path: device}, discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer zero.close()
	if zero.limit != 100<<20 {
		t.Errorf("--audit-log-maxsize 0: limit %d bytes, want 100 MB", zero.limit)
	}
}

func BenchmarkWrite(b *testing.B) {
	l, err := OpenLog(Config{Path: filepath.Join(b.TempDir(), "audit.log")}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	e := testEvent("0c6a4f6e-58a5-4b0e-8a3e-0f6f1a1f2f11")
	e.User = newUser(&request.User{Name: "alice", Groups: []string{"system:authenticated"}})
	e.ResponseStatus, e.Received, e.StageTime = statusOf(200, nil), Time(time.Now()), Time(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		l.write(e)
	}
}
