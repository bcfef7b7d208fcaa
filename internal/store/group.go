package store

import "runtime"

// Group commit. A journal is on a disk, and a disk takes as long to keep one write as to keep a hundred.
// So commits do not wait for it one after the other: each is checked against the newest state, changes
// that, and is queued; whoever finds nobody at it syncs the journal for all that are queued by then, and
// shows them. For example, of three writers whose disk takes 1 ms:
//
//	a  commit 5, sync 5 ..............│ show 5
//	b     commit 6, wait .............│ sync 6 and 7 ............│ show 6, 7
//	c           commit 7, wait .......│ wait ....................│
//
// So there are two states of a bucket: what readers see, which is kept, and what the next commit
// meets (Bucket.ahead). What was committed and then not kept was never seen by anybody: after a
// failure of the journal the commits that waited get its error, as does every one after them, and readers go
// on with what is kept.

// group is the queue of commits that a journal has not kept yet. It is guarded by Store.mu.
type group struct {
	queue []queued
	// synced is closed when the sync under way has ended; nil: there is none.
	synced chan struct{}
	// failed is why the journal keeps nothing any more, nil while it does.
	failed error
}

// queued is a commit that waits for the journal.
type queued struct {
	entries []Entry
	// parts are the buckets of it, and what each is after it.
	parts []part
}

// part is what a commit has made of a bucket.
type part struct {
	bucket *Bucket
	to     *state
}

// rev returns the revision that the store has with the commit.
func (q *queued) rev() int64 { return q.entries[len(q.entries)-1].Event.Rev }

// enqueue hands the commit under way to the journal and queues it. Its error is that of Append; nothing has
// changed then. The caller holds s.mu.
func (s *Store) enqueue(cs []Change, touched []*Bucket, objs []*Object, rev int64) error {
	q := queued{entries: make([]Entry, 0, len(cs)), parts: make([]part, 0, len(touched))}
	if len(cs) == 1 {
		q.entries = append(q.entries, Entry{cs[0].Bucket, cs[0].Bucket.pending[0]})
	} else {
		at := make(map[*Bucket]int, len(touched))
		for i := range cs {
			b := cs[i].Bucket
			q.entries = append(q.entries, Entry{b, b.pending[at[b]]})
			at[b]++
		}
	}
	err := s.journal.Append(q.entries)
	for _, b := range touched {
		if err == nil {
			b.ahead = b.edited()
			q.parts = append(q.parts, part{b, b.ahead})
		}
		b.end()
	}
	if err != nil {
		return err
	}
	s.head = rev
	s.group.queue = append(s.group.queue, q)
	return nil
}

// yields is how often who syncs lets others run before.
const yields = 4

// keep returns when the journal has kept everything up to a revision and it is shown, or has failed, with its
// error.
func (s *Store) keep(rev int64) error {
	for s.rev.Load() < rev {
		wait, err := s.lead(rev)
		if err != nil {
			return err
		}
		if wait != nil {
			<-wait
			continue
		}
		// Those who are about to commit come first: a sync for all of them costs as much as one for this commit
		// alone. When there is nobody, this is nothing.
		for range yields {
			runtime.Gosched()
		}
		kept, err := s.journal.Sync()
		s.endSync(kept, err)
	}
	return nil
}

// lead makes the caller the one that syncs, unless somebody else does: then it returns what is closed when
// that has ended. With neither, the revision has been reached meanwhile, or the journal has failed.
func (s *Store) lead(rev int64) (wait <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch g := &s.group; {
	case s.rev.Load() >= rev:
		// Closed: there is nothing to wait for, and nothing to sync.
		done := make(chan struct{})
		close(done)
		return done, nil
	case g.synced != nil:
		return g.synced, nil
	case g.failed != nil:
		return nil, g.failed
	default:
		g.synced = make(chan struct{})
		return nil, nil
	}
}

// endSync shows what a sync has kept, or takes back what it has not, and lets the next one begin.
func (s *Store) endSync(kept int64, err error) {
	s.mu.Lock()
	touched := s.showLocked(kept)
	if err != nil {
		s.giveUpLocked(err)
	}
	ended := s.group.synced
	s.group.synced = nil
	s.mu.Unlock()
	s.wakeAll(touched, len(touched) > 0)
	close(ended)
}

// showLocked publishes the queued commits up to a revision, and returns the buckets to wake.
func (s *Store) showLocked(kept int64) (touched []*Bucket) {
	g, n := &s.group, 0
	for n < len(g.queue) && g.queue[n].rev() <= kept {
		q := &g.queue[n]
		n++
		for _, e := range q.entries {
			s.record(e.Bucket, e.Event)
			e.Bucket.pending = append(e.Bucket.pending, e.Event)
		}
		for _, p := range q.parts {
			// A commit that is under way never is here: it holds s.mu from begin to end.
			p.bucket.publish(p.to)
			if p.bucket.ahead == p.to {
				p.bucket.ahead = nil
			}
			touched = append(touched, p.bucket)
		}
		s.rev.Store(q.rev())
	}
	if n > 0 {
		// The queue keeps its room, but none of what was in it.
		left := copy(g.queue, g.queue[n:])
		clear(g.queue[left:])
		g.queue = g.queue[:left]
		s.trim(0, 0)
	}
	return touched
}

// giveUpLocked takes back what is not kept, and refuses all commits from now on with err.
func (s *Store) giveUpLocked(err error) {
	g := &s.group
	g.failed = err
	for i := range g.queue {
		for _, p := range g.queue[i].parts {
			p.bucket.ahead = nil
		}
	}
	g.queue = nil
	s.head = s.rev.Load()
}

// Checkpoint returns the state of all buckets at the newest revision, and calls rotate with that while nobody
// commits: everything up to it is kept, and nothing after it was appended. Commits wait for rotate, which must be
// quick. The error is that of rotate or of the journal. It is for the Journal itself, from a goroutine of its own.
func (s *Store) Checkpoint(rotate func(rev int64) error) (rev int64, all []Holding, err error) {
	// Nearly all is kept before anybody has to wait.
	if s.Settled(); s.journal == nil {
		return 0, nil, nil
	}
	for {
		s.mu.Lock()
		if s.group.synced == nil {
			break
		}
		wait := s.group.synced
		s.mu.Unlock()
		<-wait
	}
	defer s.mu.Unlock()
	if s.group.failed != nil {
		return 0, nil, s.group.failed
	}
	if len(s.group.queue) > 0 {
		kept, err := s.journal.Sync()
		// Those who wait have not begun to: they look at the revision when they get the lock.
		s.wakeAll(s.showLocked(kept), true)
		if err != nil {
			s.giveUpLocked(err)
			return 0, nil, err
		}
	}
	if err := rotate(s.head); err != nil {
		return 0, nil, err
	}
	for _, b := range s.Buckets() {
		all = append(all, Holding{b, b.Latest()})
	}
	return s.head, all, nil
}
