package store

// What a backend tells its store: first all that there is, later what was written since. Nothing is checked here,
// since it has happened: a write that is of no use (a deletion of what is not there) is left out.

// Feed is how a backend fills its store. One goroutine may use it at a time.
type Feed struct {
	s *Store
	// edits are the trees of the objects that were added and are not shown yet; newest has the newest revision
	// of each.
	edits  map[*Bucket]*treeEdit
	newest map[*Bucket]int64
}

// Object adds one of the objects there are, to be shown by Complete. Objects come in any order, each once.
func (f *Feed) Object(w Write) {
	if f.edits == nil {
		f.edits, f.newest = make(map[*Bucket]*treeEdit), make(map[*Bucket]int64)
	}
	b := f.s.Bucket(w.Bucket)
	e := f.edits[b]
	if e == nil {
		e = &treeEdit{id: f.s.editID.Add(1)}
		f.edits[b] = e
	}
	f.newest[b] = max(f.newest[b], w.Rev)
	e.makeChange(&Change{Bucket: b, Key: w.Key, Next: w.Next}, w.Rev)
}

// Discard takes back what was added since the last Complete, so that a load can begin anew.
func (f *Feed) Discard() { f.edits, f.newest = nil, nil }

// Complete replaces everything that the store holds by the objects that were added, as the state of
// a revision. What was before is expired: cursors that are open end with an *Expired.
func (f *Feed) Complete(rev int64) {
	s := f.s
	s.mu.Lock()
	s.forgetAllLocked(rev)
	all := s.Buckets()
	for _, b := range all {
		to := &state{}
		if e := f.edits[b]; e != nil {
			to = &state{rev: f.newest[b], root: e.root, bytes: e.bytes}
		}
		b.tree.Store(to)
	}
	f.edits, f.newest = nil, nil
	s.head = rev
	s.rev.Store(rev)
	s.mu.Unlock()
	s.wakeAll(all, true)
}

// Apply makes writes visible, which are all that there were after the revision of the call before and up to
// rev. They are in the order of their revisions, of which one may have several writes, but no
// object twice. Without writes it says that nothing was written up to rev.
func (f *Feed) Apply(rev int64, writes []Write) {
	s := f.s
	s.mu.Lock()
	var touched []*Bucket
	// One edit for all: no tree is seen before the last of them.
	id := s.editID.Add(1)
	for i := range writes {
		w := &writes[i]
		b := s.Bucket(w.Bucket)
		cur := b.tree.Load().root
		if len(b.pending) > 0 {
			cur = b.edit.root
		}
		// What is not newer was told before.
		if now := cur.get(w.Key); now == nil && w.Next == nil || now != nil && now.Rev >= w.Rev {
			continue
		}
		if len(b.pending) == 0 {
			b.begin(id)
			touched = append(touched, b)
		}
		e := b.edit.makeChange(&Change{Bucket: b, Key: w.Key, Next: w.Next}, w.Rev)
		e.cache = &s.forms
		b.pending = append(b.pending, e)
		s.record(b, e)
	}
	for _, b := range touched {
		b.publish(b.edited())
	}
	// What begins anew may begin before: only Complete goes back.
	s.head = max(s.head, rev)
	s.rev.Store(s.head)
	s.trim(0, 0)
	s.mu.Unlock()
	// Also without an event: who awaits a revision must see that it is reached.
	s.wakeAll(touched, true)
}

// forgetAllLocked empties the log, as if everything up to rev had been in it and dropped.
func (s *Store) forgetAllLocked(rev int64) {
	s.log, s.logBytes, s.lastDropped = ring[Entry]{}, 0, rev
	s.watchFloor.Store(rev)
	for _, b := range s.Buckets() {
		l := &b.log
		l.mu.Lock()
		l.base += int64(l.events.len())
		// A cursor that has taken all of them has missed what the new state is made of.
		l.base++
		l.events = ring[*Event]{}
		l.lastDropped.Store(rev)
		l.mu.Unlock()
	}
	s.pages.prune()
}
