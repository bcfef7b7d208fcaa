package api

import (
	"hash/maphash"
	"sync"
	"time"
)

// warned remembers who has been told what, so that a warning which would come with each of a
// controller's writes comes once in warnedFor. A client is a user with a User-Agent. The zero value is
// ready for use. Its methods may be called concurrently.
type warned struct {
	mu   sync.Mutex
	seed maphash.Seed
	// at has the time of each warning by the hash of its client: a header may be long, and a hash
	// that two share costs no more than a warning.
	at map[uint64]time.Time
}

// warnedClient is who is told, and about what: a pointer that stays the same for as long as it does.
type warnedClient struct {
	user, agent string
	about       *string
}

const (
	// warnedFor is how long a warning is not repeated.
	warnedFor = time.Minute
	// warnedMost is how many warnings are remembered. When there are more, all are forgotten, and
	// come once more.
	warnedMost = 4096
)

// first reports whether a client has not been told within warnedFor before now, and remembers that it
// is told now.
func (w *warned) first(c warnedClient, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == nil {
		w.seed, w.at = maphash.MakeSeed(), map[uint64]time.Time{}
	}
	key := maphash.Comparable(w.seed, c)
	if at, ok := w.at[key]; ok && now.Sub(at) < warnedFor {
		return false
	}
	if len(w.at) >= warnedMost {
		clear(w.at)
	}
	w.at[key] = now
	return true
}
