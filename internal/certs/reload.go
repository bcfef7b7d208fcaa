package certs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Files are polled: twice a second their stat is compared with that of the last load. That needs
// no notification of the kernel, and it works through the symbolic links by which Kubernetes
// mounts a secret, since stat follows them. A changed stat makes the file load again, whether or
// not the content differs. While a certificate is renewed its two files do not fit each other for
// a moment; that load fails and is reported, and the next one, half a second later, succeeds.
// Content that was refused once is not reported again until it changes, so that a wrong file
// which somebody touches does not fill the log.

// pollEvery is how often the files are looked at.
const pollEvery = 500 * time.Millisecond

// Event is a certificate file that was read again, or could not be.
type Event struct {
	// File is the first of those loaded together: a certificate, or a file of CAs.
	File string
	// Detail names all of them.
	Detail string
	// Err is nil where what they hold is in use.
	Err error
}

// Failure is why the files of a certificate, as they are now, are not in use.
type Failure struct {
	Text string
	At   time.Time
}

// source is files that are loaded together, and what was last seen of them.
type source struct {
	// first is the first of names, which never changes.
	first string
	names []string
	// load reads the files and puts what they hold into use, or changes nothing.
	load func() error
	// files returns the names after a load, which may have found others; nil: they stay.
	files func() []string

	// seen is the files when they were last loaded; nil for one that was not there.
	seen []os.FileInfo
	// refused is the digest of the content that was not taken; "": it was.
	refused string
	failure atomic.Pointer[Failure]
}

// follow looks from now on at the files that the last load has named.
func (s *source) follow() {
	if s.files == nil {
		return
	}
	if names := s.files(); !slices.Equal(names, s.names) {
		s.names = names
		s.seen = s.look()
	}
}

// digest stands for what the files hold, or for why they cannot be read.
func (s *source) digest() string {
	h := sha256.New()
	for _, name := range s.names {
		b, err := os.ReadFile(name)
		// The length keeps the contents of two files apart from each other.
		fmt.Fprintf(h, "%d %v\n%s", len(b), err, b)
	}
	return string(h.Sum(nil))
}

// look returns the files as they are; nil for one that is not there.
func (s *source) look() []os.FileInfo {
	out := make([]os.FileInfo, len(s.names))
	for i, name := range s.names {
		out[i], _ = os.Stat(name)
	}
	return out
}

// same reports whether nothing has changed since the last load: file, size and time.
func (s *source) same(now []os.FileInfo) bool {
	for i, n := range now {
		o := s.seen[i]
		if n == nil || o == nil {
			if n != o {
				return false
			}
			continue
		}
		if !os.SameFile(n, o) || n.Size() != o.Size() || !n.ModTime().Equal(o.ModTime()) {
			return false
		}
	}
	return true
}

// OnReload sets the function that is told of every reload, failed ones too. Set it before Watch
// and Reload. It is called under the lock of reloads: one call at a time, and it must not reload.
func (l *Loader) OnReload(f func(Event)) { l.onReload = f }

// Watch reads files again when they have changed, until ctx ends.
func (l *Loader) Watch(ctx context.Context) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			l.check(false)
		}
	}
}

// Reload reads every file again now, changed or not: for SIGHUP. Failures are reported as for
// Watch, those that were reported before once more, since somebody asks.
func (l *Loader) Reload() { l.check(true) }

// check reads the files that have changed, or all, and reports each: to the log, to OnReload and
// as the source's failure.
func (l *Loader) check(all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.files {
		now := s.look()
		if s.same(now) && !all {
			continue
		}
		// As in New: looked at first, so that a change during the load is not missed.
		s.seen = now
		err, before := s.load(), s.refused
		s.follow()
		if s.refused = ""; err != nil {
			if s.refused = s.digest(); s.refused == before && !all {
				continue
			}
			s.failure.Store(&Failure{err.Error(), time.Now()})
			l.log.Error("a certificate file is wrong; the certificate before it stays in use", "file", s.first, "err", err)
		} else {
			s.failure.Store(nil)
			l.log.Info("certificate reloaded", "file", s.first)
		}
		l.onReload(Event{File: s.first, Detail: strings.Join(s.names, ", "), Err: err})
	}
}

// Failure returns why a file of Pair.Source or CAs.Source is not in use as it is now; nil: it is,
// or was not read since it changed, or is none of ours.
func (l *Loader) Failure(file string) *Failure {
	for _, s := range l.files {
		if s.first == file {
			return s.failure.Load()
		}
	}
	return nil
}
