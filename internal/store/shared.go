package store

import (
	"context"
	"errors"
	"time"
)

// Commits over a Shared backend, which orders those of several stores. This store follows all of them, and
// what it shows may be older than what there is. So a commit is checked twice: here, which makes the
// transaction (what each object must be at), and by the backend, which makes it or says that another write was
// first; then all is looked at again once this store has that write.
//
//	check at 7 → transaction: object at 5? → overtaken at 9 → await 9 → check again → ...
//	                                       → written at 10  → await 10 → done
//
// A conflict that is found here may be of the past: it counts when it is still there in a state that is
// as new as the question.

// followLimit is how long a write that was made waits for this store to show it. Beyond, the connection to the
// backend is broken, and the writer is told of its write nevertheless.
const followLimit = 5 * time.Second

// transact is CommitFunc over a Shared backend.
func (s *Store) transact(ctx context.Context, changes func() []Change) ([]*Object, error) {
	s.writing.RLock()
	defer s.writing.RUnlock()
	for confirmed := false; ; {
		writes, before, err := s.prepare(changes)
		if conflict := new(Conflict); errors.As(err, &conflict) && !confirmed {
			if err := s.Consistent(ctx); err != nil {
				return nil, err
			}
			confirmed = true
			continue
		}
		if err != nil || len(writes) == 0 {
			return nil, err
		}
		rev, err := s.shared.Transact(ctx, writes)
		if overtaken := new(Overtaken); errors.As(err, &overtaken) {
			if err := s.Await(ctx, overtaken.Rev); err != nil {
				return nil, err
			}
			// It was asked just now, so that a conflict that is found next is none of the past.
			confirmed = true
			continue
		}
		if err != nil {
			return nil, err
		}
		// It is written. Who has written it reads it, here as everywhere; and no end of the caller's
		// patience makes it unwritten.
		shown, cancel := context.WithTimeout(context.WithoutCancel(ctx), followLimit)
		defer cancel()
		_ = s.Await(shown, rev)
		return s.written(writes, before, rev), nil
	}
}

// prepare asks for the changes and checks them against what this store shows. It returns them with the revisions
// that they expect, and the objects they are of, nil for none.
func (s *Store) prepare(changes func() []Change) (writes []Change, before []*Object, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cs := changes()
	if err := checkChanges(cs); err != nil {
		return nil, nil, err
	}
	// A copy, since the caller's may come again.
	writes, before = append(writes, cs...), make([]*Object, len(cs))
	for i := range writes {
		c := &writes[i]
		c.Expect = 0
		if before[i] = c.Bucket.tree.Load().root.get(c.Key); before[i] != nil {
			c.Expect = before[i].Rev
		}
	}
	return writes, before, nil
}

// written returns what a transaction has written. They are the very objects of the trees, unless those
// have newer ones by now or are not there yet.
func (s *Store) written(writes []Change, before []*Object, rev int64) []*Object {
	objs := make([]*Object, len(writes))
	for i, c := range writes {
		switch o := c.Bucket.tree.Load().root.get(c.Key); {
		case o != nil && o.Rev == rev:
			objs[i] = o
		case c.Next == nil:
			head, tail := before[i].SplitAtRevision()
			objs[i] = newObject(Deleted, before[i].Key, rev, head, tail, before[i].Meta)
		default:
			kind := byte(Added)
			if before[i] != nil {
				kind = Modified
			}
			objs[i] = newObject(kind, c.Key, rev, c.Next.JSON[:c.Next.RevisionAt], c.Next.JSON[c.Next.RevisionAt:], c.Next.Meta)
		}
	}
	return objs
}

// IsShared reports whether others write to what keeps the objects, so that the store may be behind: then who refuses
// because of what it shows asks Consistent first. It never changes after Open.
func (s *Store) IsShared() bool { return s.shared != nil }

// Consistent waits until the store shows everything that was written, by whomever, when it was called. That
// is so at once but over a Shared backend, which is asked. The error is the backend's or that of ctx.
func (s *Store) Consistent(ctx context.Context) error {
	if s.shared == nil {
		return nil
	}
	rev, err := s.shared.Newest(ctx)
	if err != nil {
		return err
	}
	return s.Await(ctx, rev)
}

// Follow takes over what others write to a Shared backend, until ctx ends; over any other it returns at once. It is
// called once, in a goroutine of its own whose end the caller waits for, and nothing is committed before.
func (s *Store) Follow(ctx context.Context) {
	if s.shared != nil {
		s.shared.Follow(ctx, &Feed{s: s})
	}
}
