package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where events go, and when the file turns over.
type Config struct {
	Path       string // - is standard output
	MaxSize    int    // megabytes; 0 is defaultSize
	MaxBackups int    // 0 keeps all
	MaxAge     int    // days; 0 keeps all
}

// defaultSize is the size, in megabytes, that upstream's log takes when none is set.
const defaultSize = 100

// Log appends events to a file that it rotates, or to standard output. Its methods
// may be called concurrently. It has no goroutine: a write that fills the file rotates it.
type Log struct {
	events [len(levelNames)]atomic.Uint64 // written, by level
	errors atomic.Uint64                  // events that could not be encoded or written

	path       string
	limit      int64
	maxBackups int
	maxAge     time.Duration
	log        *slog.Logger
	now        func() time.Time

	mu      sync.Mutex // guards all below, and the order of lines
	out     io.Writer  // nil when the file has to be opened
	file    *os.File   // out, unless that is standard output
	regular bool       // the file can be rotated
	size    int64      // of the file
	next    int64      // the size to rotate at
	torn    bool       // the last line has no end
	failing bool       // the last event was lost
	lost    uint64     // events lost since failing
	closed  bool
}

// OpenLog makes the log that c names and opens its file, so that a path that cannot
// be written is known at start. stdout is used for -.
func OpenLog(c Config, log *slog.Logger, stdout io.Writer) (*Log, error) {
	megabytes := c.MaxSize
	if megabytes == 0 {
		megabytes = defaultSize
	}
	l := &Log{
		path: c.Path, limit: int64(megabytes) << 20, maxBackups: c.MaxBackups, maxAge: time.Duration(c.MaxAge) * 24 * time.Hour,
		log: log, now: time.Now,
	}
	if c.Path == "-" {
		l.path, l.out = "", stdout
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.openLocked(); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l.removeOldLocked()
	return l, nil
}

// write appends one event as a line of its own. A failure is counted and, the first of a
// row of them, logged; the next event is tried anew.
func (l *Log) write(e *Event) {
	line, err := encode(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.writeLocked(line)
	}
	if err != nil {
		l.errors.Add(1)
		l.lost++
		if !l.failing {
			l.log.Error("audit event lost", "error", err, "auditID", e.AuditID)
		}
		l.failing = true
		return
	}
	l.events[e.Level].Add(1)
	if l.failing {
		l.log.Warn("audit log works again", "lost", l.lost)
		l.failing, l.lost = false, 0
	}
}

// encode is e as a line. Objects that are no JSON are left out of it: the event
// is worth more than they are.
func encode(e *Event) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(e); err == nil {
		return b.Bytes(), nil
	}
	plain := *e
	if !json.Valid(plain.RequestObject) {
		plain.RequestObject = nil
	}
	if !json.Valid(plain.ResponseObject) {
		plain.ResponseObject = nil
	}
	b.Reset()
	err := json.NewEncoder(&b).Encode(&plain)
	return b.Bytes(), err
}

func (l *Log) writeLocked(line []byte) error {
	if l.closed {
		return fs.ErrClosed
	}
	if l.out == nil {
		if err := l.openLocked(); err != nil {
			return err
		}
	}
	// A line longer than the limit gets a file of its own.
	if l.regular && l.size > 0 && l.size+int64(len(line)) > l.next {
		if err := l.rotateLocked(); err != nil {
			return err
		}
	}
	if l.torn { // what a failed write left behind must not swallow this line
		line = append([]byte("\n"), line...)
	}
	n, err := l.out.Write(line)
	l.size += int64(n)
	if n > 0 {
		l.torn = line[n-1] != '\n'
	}
	if err != nil && l.file != nil { // perhaps a new descriptor helps
		l.file.Close()
		l.file, l.out = nil, nil
	}
	return err
}

// openLocked opens the file at its end, and makes it if need be. Other processes may
// append to it too, as during a takeover of the listeners.
func (l *Log) openLocked() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.out = f, f
	l.regular, l.size, l.next, l.torn = info.Mode().IsRegular(), info.Size(), l.limit, false
	if l.regular && l.size > 0 {
		var last [1]byte
		n, _ := f.ReadAt(last[:], l.size-1)
		l.torn = n == 1 && last[0] != '\n'
	}
	return nil
}

// backupTime is the time in the name of a rotated file, as upstream writes it:
// audit-2026-11-23T05-20-00.000.log beside audit.log.
const backupTime = "2006-01-02T15-04-05.000"

// rotateLocked renames the file and begins a new one. When it cannot be renamed it is
// written on, and the next try is a whole limit later. The error is that there is no file.
func (l *Log) rotateLocked() error {
	when := l.now().UTC()
	backup := l.backup(when)
	// A name that is taken is the one of another rotation in this millisecond.
	for {
		if _, err := os.Lstat(backup); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			l.log.Error("audit log not rotated", "error", err)
			l.next = l.size + l.limit
			return nil
		}
		when = when.Add(time.Millisecond)
		backup = l.backup(when)
	}
	if err := os.Rename(l.path, backup); err != nil {
		l.log.Error("audit log not rotated", "error", err)
		l.next = l.size + l.limit
		return nil
	}
	if err := l.file.Close(); err != nil {
		l.log.Error("audit log closed badly", "file", backup, "error", err)
	}
	l.file, l.out = nil, nil
	err := l.openLocked()
	l.removeOldLocked()
	return err
}

func (l *Log) backup(when time.Time) string {
	ext := filepath.Ext(l.path)
	return strings.TrimSuffix(l.path, ext) + "-" + when.Format(backupTime) + ext
}

// removeOldLocked removes rotated files beyond the number and the age to keep. Files whose
// names are no rotation's are left alone.
func (l *Log) removeOldLocked() {
	if l.maxBackups == 0 && l.maxAge == 0 {
		return
	}
	dir, ext := filepath.Dir(l.path), filepath.Ext(l.path)
	prefix := strings.TrimSuffix(filepath.Base(l.path), ext) + "-"
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.log.Error("old audit logs not removed", "error", err)
		return
	}
	oldest := l.now().Add(-l.maxAge)
	kept := 0
	for _, entry := range slices.Backward(entries) { // by name, so the newest first
		stamp, ok := strings.CutPrefix(strings.TrimSuffix(entry.Name(), ext), prefix)
		when, err := time.Parse(backupTime, stamp)
		if !ok || err != nil || !strings.HasSuffix(entry.Name(), ext) || !entry.Type().IsRegular() {
			continue
		}
		if (l.maxBackups == 0 || kept < l.maxBackups) && (l.maxAge == 0 || !when.Before(oldest)) {
			kept++
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			l.log.Error("old audit log not removed", "error", err)
		}
	}
}

// close makes sure that the file is on disk and closes it; standard output stays open.
// Later events are lost, and counted. Closing twice is harmless.
func (l *Log) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.file == nil {
		return nil
	}
	err := l.file.Sync()
	if !l.regular {
		err = nil // a pipe cannot be synced
	}
	err = errors.Join(err, l.file.Close())
	l.file, l.out = nil, nil
	return err
}
