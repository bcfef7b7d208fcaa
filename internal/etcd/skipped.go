package etcd

import (
	"errors"
	"maps"
	"strings"
	"sync"

	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// A cluster's etcd has more than objects that are served here: leases of masters, the state of the
// allocators of old releases, kinds of other API servers, values that are encrypted. None of it may
// get lost, so that it is never written: readers do not see it, and nobody can expect its revision.
// What is skipped is known by its path, since the next write of that path may be one that can be read.

// Why a value is skipped, beside the reasons of a Codec.
const (
	reasonPlace = "not served"
	reasonValue = "undecodable"
)

// decode returns the write that a key and its value are. Next is nil if the value is skipped, and ok is
// false if there is no object at the key at all.
func (b *Backend) decode(kv *wire.KeyValue) (w store.Write, ok bool) {
	path := strings.TrimPrefix(string(kv.Key), b.prefix)
	bucket, key, ok := b.codec.Place(path)
	if !ok {
		b.skipped.add(path, reasonPlace)
		return store.Write{}, false
	}
	w = store.Write{Bucket: bucket, Key: key, Rev: kv.ModRevision}
	if w.Next = b.own.take(path, kv.Value); w.Next == nil {
		d, err := b.codec.Decode(bucket, key, kv.Value)
		if err != nil {
			b.skip(path, err)
			return w, true
		}
		w.Next = &d
	} else {
		b.codec.Seen(bucket, w.Next)
	}
	b.skipped.remove(path)
	return w, true
}

// skip counts a value that cannot be decoded, and tells of it if it is not known why.
func (b *Backend) skip(path string, err error) {
	reason := reasonValue
	var u Unreadable
	if errors.As(err, &u) {
		reason = u.Reason()
	}
	if b.skipped.add(path, reason) && reason == reasonValue {
		b.log.Warn("an object in etcd cannot be decoded and is not served", "path", b.prefix+path, "error", err)
	}
}

// skipped are the values that there are and that nobody can read here. The zero value is ready.
type skipped struct {
	mu sync.Mutex
	// paths has the reason of each, and reasons how many have it.
	paths   map[string]string
	reasons map[string]int
}

// add counts a path, once, and reports whether it is new.
func (s *skipped) add(path, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paths == nil {
		s.paths, s.reasons = make(map[string]string), make(map[string]int)
	}
	old, there := s.paths[path]
	if there {
		s.reasons[old]--
	}
	s.paths[path] = reason
	s.reasons[reason]++
	return !there
}

// remove forgets a path that can be read, or is gone.
func (s *skipped) remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, there := s.paths[path]; there {
		s.reasons[old]--
		delete(s.paths, path)
	}
}

// reason returns why a path is skipped, "" for one that is not.
func (s *skipped) reason(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths[path]
}

// clear forgets all.
func (s *skipped) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths, s.reasons = nil, nil
}

// counts returns how many are skipped, by reason.
func (s *skipped) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := maps.Clone(s.reasons)
	maps.DeleteFunc(n, func(_ string, n int) bool { return n == 0 })
	return n
}
