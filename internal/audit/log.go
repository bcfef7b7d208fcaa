package audit

import (
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

// The log is a file to which whole lines are appended, or standard output. When the next
// line would make it longer than its limit, the file is renamed to
//
//	audit-2026-11-23T05-20-00.000.log     beside audit.log
//
// and a new one begins; renamed files beyond a number or an age are removed. There is no
// goroutine and no buffer: the request whose event fills the file turns it over, and an
// event that was written is in the hands of the kernel before its request goes on.
//
// A log that cannot be written must not take the server down, nor must it forget in
// silence. Each event that is lost is counted, the first of a row of them is logged, and
// each next one tries anew, with a new descriptor: the disk may have room again, or the
// directory be back. Upstream leaves the turning over to a library, which can also compress; the
// names and the rules of removal here are those of that library.

// Config says where events go, and when the file turns over.
type Config struct {
	// Path is the file; - is standard output, which never turns over.
	Path string
	// MaxSize is the size of a file in megabytes; 0 means 100.
	MaxSize int
	// MaxBackups is the number of renamed files to keep; 0 keeps all.
	MaxBackups int
	// MaxAge is the number of days to keep renamed files, by the time in their names; 0
	// keeps all.
	MaxAge int
}

// defaultSize is the size in megabytes that upstream's log takes when none is set.
const defaultSize = 100

// backupTime is the time in the name of a renamed file, in UTC, as upstream writes it. Files
// sort by it.
const backupTime = "2006-01-02T15-04-05.000"

// Log appends events to a file that it turns over, or to standard output. Its methods may
// be called concurrently, also after it was closed.
type Log struct {
	events [len(levelNames)]atomic.Uint64 // written, by level
	errors atomic.Uint64                  // events that could not be encoded or written

	path       string // "" is standard output
	limit      int64  // bytes
	maxBackups int
	maxAge     time.Duration
	log        *slog.Logger // for the operator: what happens to the log itself
	now        func() time.Time

	// mu guards all below, and makes a line follow another whole.
	mu      sync.Mutex
	out     io.Writer // nil when the file has to be opened
	file    *os.File  // out, unless that is standard output
	regular bool      // the file can be renamed and has a size
	size    int64     // of the file, in bytes
	next    int64     // the size at which it turns over
	torn    bool      // the last line has no end
	failing bool      // the last event was lost
	lost    uint64    // events lost since failing
	closed  bool
}

// OpenLog opens the file that c names, so that a path that cannot be written is known at
// start; directories on the way to it are made. A file that is there is continued. With
// the path - events go to stdout, which is never closed. What happens to the log later is
// told to log.
func OpenLog(c Config, log *slog.Logger, stdout io.Writer) (*Log, error) {
	megabytes := c.MaxSize
	if megabytes == 0 {
		megabytes = defaultSize
	}
	l := &Log{
		path:       c.Path,
		limit:      int64(megabytes) << 20,
		maxBackups: c.MaxBackups,
		maxAge:     time.Duration(c.MaxAge) * 24 * time.Hour,
		log:        log,
		now:        time.Now,
	}
	if c.Path == "-" {
		l.path, l.out = "", stdout
		return l, nil
	}
	// Events tell who does what: the directory and the file are their owner's alone.
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.openLocked(); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	// Files may have grown too old, or the numbers been lowered, while nothing ran.
	l.removeOldLocked()
	return l, nil
}

// write appends one event as a line of its own. A failure is counted and, the first of a
// row of them, logged; the request goes on as if nothing had been.
func (l *Log) write(e *Event) {
	// Outside the lock: encoding takes longer than writing, and needs nothing of l.
	line, err := encode(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.writeLocked(line)
	}
	if err != nil {
		l.errors.Add(1)
		l.lost++
		// A full disk would fill the other log with a line for each request.
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

// writeLocked writes a line, opens the file before where that is needed, and turns it over
// where the line would not fit. An error means that the line is not in the log, or only
// a part of it.
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
	// What a failed write left behind must not swallow this line.
	if l.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := l.out.Write(line)
	// A part of the line counts as well: it is in the file.
	l.size += int64(n)
	if n > 0 {
		l.torn = line[n-1] != '\n'
	}
	// Perhaps the descriptor is what is wrong, and a new one helps the next event.
	if err != nil && l.file != nil {
		l.file.Close()
		l.file, l.out = nil, nil
	}
	return err
}

// openLocked opens the file at its end, and makes it if need be. Other processes may append
// to it too, as during a takeover of the listeners: O_APPEND keeps their lines and ours
// whole, and size is then a little low.
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
	// A process that was killed may have left half a line. If the last byte cannot be read,
	// it is taken for an end.
	if l.regular && l.size > 0 {
		var last [1]byte
		n, _ := f.ReadAt(last[:], l.size-1)
		l.torn = n == 1 && last[0] != '\n'
	}
	return nil
}

// rotateLocked renames the file and begins a new one. When it cannot be renamed it is
// written on, and the next try is a whole limit later. An error means that there is no file
// to write to.
func (l *Log) rotateLocked() error {
	when := l.now().UTC()
	backup := l.backup(when)
	// A name that is taken belongs to another rotation in this millisecond, and a rename
	// would replace it.
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
	// Closed after the rename: until here the file could still be written on.
	if err := l.file.Close(); err != nil {
		l.log.Error("audit log closed badly", "file", backup, "error", err)
	}
	l.file, l.out = nil, nil
	err := l.openLocked()
	l.removeOldLocked()
	return err
}

// backup returns the name of a file that is renamed at a time: the time goes in front of
// the extension.
func (l *Log) backup(when time.Time) string {
	ext := filepath.Ext(l.path)
	return strings.TrimSuffix(l.path, ext) + "-" + when.Format(backupTime) + ext
}

// removeOldLocked removes renamed files beyond the number and the age to keep. Files whose
// names are no rotation's are left alone, and so is what is no file. A failure is logged
// and costs nothing but room.
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
	// ReadDir sorts by name, so the newest come first. The time in the name counts, not the
	// file's own: copying a directory makes everything new.
	for _, entry := range slices.Backward(entries) {
		stamp, ok := strings.CutPrefix(strings.TrimSuffix(entry.Name(), ext), prefix)
		when, err := time.Parse(backupTime, stamp)
		// Without the suffix the name was not trimmed, and is another program's.
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
	// A pipe or a device cannot be synced, which is no failure.
	if !l.regular {
		err = nil
	}
	err = errors.Join(err, l.file.Close())
	l.file, l.out = nil, nil
	return err
}
