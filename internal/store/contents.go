package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Replacing everything: the reset of a server, and the load of a snapshot, say what the store
// is to hold, and one commit of the differences makes it so. The differences are worked out
// while no other commit can come between, so that the state is reached as a whole or not at
// all, and watchers see exactly what changed: an object that is already as it should be has
// no event and keeps its revision, and one that was deleted and made again under its name is
// put back in one Modified event.

// Contents says all that a store is to hold: of each bucket, the objects by key. A bucket that
// is not in it is to be empty.
type Contents map[*Bucket]map[string]Wanted

// Wanted is an object that is to be there. The zero value leaves it as it is, be it there or not; else exactly one of the
// two is set.
type Wanted struct {
	// Object is one that was there at some time. It may have another revision afterwards.
	Object *Object
	Draft  *Draft
}

// ContentsOf returns what makes a store hold the objects of the holdings and no others. It
// shares the objects.
func ContentsOf(all []Holding) Contents {
	c := make(Contents, len(all))
	for _, h := range all {
		of := make(map[string]Wanted, h.Now.Count())
		for o := range h.Now.Scan("", "") {
			of[o.Key] = Wanted{Object: o}
		}
		c[h.Bucket] = of
	}
	return c
}

// Written says what a Replace did, in numbers of objects.
type Written struct {
	// Revision is one at which the store held the contents: that of the last write, or
	// without any the one at which it was looked at.
	Revision int64
	Created  int
	Updated  int
	Deleted  int
	// Unchanged were as wanted, and were not written.
	Unchanged int
}

// Replace makes the store hold c and nothing else, in one commit. Buckets of a lower rank,
// which others need, come first and go last; those of one rank are sorted by name. rank gets a
// bucket's name. The error is that of ctx or the backend; then nothing has changed.
//
// Over a Shared backend it is one transaction an object, since those of a bucket need revisions of their own and
// transactions have limits: others can write in between, and an error leaves what was done, which the Written
// beside it counts. Who calls it sees to it that no other store does so at the same time.
//
// It does not ask what an object is: finalizers and owners hold nothing up.
func (s *Store) Replace(ctx context.Context, c Contents, rank func(bucket string) int) (w Written, err error) {
	if s.shared != nil {
		return s.replaceInSteps(ctx, c, rank)
	}
	objs, err := s.CommitFunc(ctx, func() (cs []Change) {
		cs, w = s.differenceLocked(c, rank)
		return cs
	})
	if err != nil {
		return Written{}, err
	}
	if n := len(objs); n > 0 {
		w.Revision = objs[n-1].Rev
	}
	return w, nil
}

// differenceLocked returns what makes the store hold c, in order. Without any, the state is that of now.
func (s *Store) differenceLocked(c Contents, rank func(bucket string) int) (cs []Change, w Written) {
	// Snapshots would wait for the commit under way, which is this one.
	var all []Holding
	for _, b := range s.Buckets() {
		all = append(all, Holding{b, b.Latest()})
	}
	cs, w = c.changes(ranked(all, rank))
	w.Revision = s.head
	return cs, w
}

// replaceRounds is how often replaceInSteps begins anew because others write the same objects.
const replaceRounds = 10

// replaceInSteps is Replace over a Shared backend. Another writer of an object begins a new round: there is a moment
// at which all are as wanted when a round finds no difference.
func (s *Store) replaceInSteps(ctx context.Context, c Contents, rank func(bucket string) int) (did Written, err error) {
	for range replaceRounds {
		// What others have written before the call is a part of the difference.
		if err = s.Consistent(ctx); err != nil {
			return did, err
		}
		s.mu.Lock()
		cs, w := s.differenceLocked(c, rank)
		s.mu.Unlock()
		if did.Unchanged, did.Revision = max(w.Unchanged-did.Created-did.Updated, 0), w.Revision; len(cs) == 0 {
			return did, nil
		}
		for i := range cs {
			conflict := new(Conflict)
			if _, err = s.Commit(ctx, cs[i]); errors.As(err, &conflict) {
				break
			} else if err != nil {
				return did, err
			}
			switch {
			case cs[i].Next == nil:
				did.Deleted++
			case cs[i].Expect == 0:
				did.Created++
			default:
				did.Updated++
			}
		}
	}
	return did, fmt.Errorf("others write the same objects: not as wanted after %d rounds: %w", replaceRounds, err)
}

// changes works out what makes the buckets of all, which are in the order of their ranks, hold
// c: first what comes, in that order, then what goes, the other way round. It counts them too.
func (c Contents) changes(all []Holding) (cs []Change, w Written) {
	var gone [][]Change
	for _, h := range all {
		want := c[h.Bucket]
		var going []Change
		for o := range h.Now.Scan("", "") {
			t, stays := want[o.Key]
			switch {
			case stays && t == (Wanted{}):
			case !stays:
				going = append(going, Change{Bucket: h.Bucket, Key: o.Key, Expect: o.Rev})
			case t.is(o):
				w.Unchanged++
			default:
				cs = append(cs, Change{Bucket: h.Bucket, Key: o.Key, Expect: o.Rev, Next: t.draft()})
				w.Updated++
			}
		}
		// A map has no order, and revisions are to be the same each time.
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if h.Now.Get(key) == nil && want[key] != (Wanted{}) {
				cs = append(cs, Change{Bucket: h.Bucket, Key: key, Next: want[key].draft()})
				w.Created++
			}
		}
		gone = append(gone, going)
		w.Deleted += len(going)
	}
	for _, going := range slices.Backward(gone) {
		cs = append(cs, going...)
	}
	return cs, w
}

// is reports whether o is what is wanted, but for its revision.
func (t Wanted) is(o *Object) bool {
	if t.Draft != nil {
		return t.Draft.Same(o)
	}
	// Most objects were not touched since: they are the very same, and need no look at their text.
	if t.Object == o {
		return true
	}
	before, after := t.Object.SplitAtRevision()
	isBefore, isAfter := o.SplitAtRevision()
	return bytes.Equal(before, isBefore) && bytes.Equal(after, isAfter)
}

// draft returns what is to be written. An object's text has its old revision in it, which is
// taken out.
func (t Wanted) draft() *Draft {
	if t.Draft != nil {
		return t.Draft
	}
	before, after := t.Object.SplitAtRevision()
	return &Draft{JSON: slices.Concat(before, after), RevisionAt: len(before), Meta: t.Object.Meta}
}
