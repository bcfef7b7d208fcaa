package history

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// The versions that an object has had, put together from everything that anybody has seen: the answers of
// writes, reads, lists and events. They are in the order of their revisions. Version 0 is that it is not there.
//
// A deletion is a version too, whose revision events alone tell. When nobody has seen it, its place is still known, after
// the version that it expected, and it counts as one whose revision lies anywhere up to the next. One whose outcome is
// unknown is put there as well: it is a state that may be seen from then on, and that nobody has to see.

// version is a state of an object, from its revision on.
type version struct {
	rev   int64 // of a deletion that nobody has seen, 0
	from  int64 // the same, but of such a deletion the one of the version before
	value string
	gone  bool
	by    *Op // who wrote it: nil for version 0, and for what nobody wrote
}

// unseen says that it is a deletion of which no revision is known.
func (v *version) unseen() bool { return v.gone && v.rev == 0 && v.by != nil }

// object is a key with its versions and who has seen which.
type object struct {
	key      string
	versions []version
	at       map[int64]version // while versions are collected, by revision
	index    map[int64]int     // of the version of a revision
	seen     timeline
	// unsettled are the writes that may be there after the last version: they may have happened, and nobody has seen them.
	// Nothing can have come after one of them, for who replaces it has seen it.
	unsettled []*Op
}

// timeline tells the highest number that was seen before a time.
type timeline []sighting

type sighting struct {
	at time.Duration
	n  int64
}

// add adds a sighting.
func (t *timeline) add(at time.Duration, n int64) { *t = append(*t, sighting{at, n}) }

// finish makes before usable: sightings are in order then, each with the highest number up to it.
func (t timeline) finish() {
	slices.SortFunc(t, func(a, b sighting) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(t); i++ {
		t[i].n = max(t[i].n, t[i-1].n)
	}
}

// before is the highest number that was seen before a time, or 0.
func (t timeline) before(at time.Duration) int64 {
	i, _ := slices.BinarySearchFunc(t, at, func(s sighting, at time.Duration) int { return cmp.Compare(s.at, at) })
	if i == 0 {
		return 0
	}
	return t[i-1].n
}

// object returns the object of a key, which is made if there is none.
func (c *checker) object(key string) *object {
	o := c.objects[key]
	if o == nil {
		o = &object{key: key, at: map[int64]version{}}
		c.objects[key] = o
	}
	return o
}

// collect notes that an object had a value at a revision, or was deleted with it.
func (c *checker) collect(key string, rev int64, value string, gone bool, seenBy any) {
	o := c.object(key)
	if old, ok := o.at[rev]; ok {
		if old.value != value || old.gone != gone {
			c.fault(Forked, "%s is %q at %d, and %q (gone: %v) for: %v", key, old.value, rev, value, gone, seenBy)
		}
		return
	}
	v := version{rev: rev, from: rev, value: value, gone: gone}
	if !gone {
		v.by = c.writers[value]
		switch {
		case v.by == nil || v.by.Key != key:
			c.fault(Phantom, "nobody wrote %q to %s, seen by: %v", value, key, seenBy)
			return
		case v.by.Outcome == Refused:
			c.fault(Phantom, "it was refused, and has happened: %v; seen by: %v", v.by, seenBy)
		}
		if twice, ok := c.revs[value]; ok {
			c.fault(Forked, "%s got %q twice, at %d and %d", key, value, twice, rev)
		}
		c.revs[value] = rev
	}
	o.at[rev] = v
}

// collectAll makes the objects with the versions that were seen.
func (c *checker) collectAll() {
	for _, op := range c.Ops {
		if op.Verb != List {
			c.object(op.Key)
		}
		if op.Verb != Create && op.Verb != Update {
			continue
		}
		if c.writers[op.Value] != nil {
			c.fault(Misuse, "two operations write %q", op.Value)
		}
		c.writers[op.Value] = op
	}
	for _, op := range c.Ops {
		switch {
		case op.Outcome != OK || op.Verb == Delete:
		case op.Verb == List:
			for key, item := range op.Items {
				c.collect(key, item.Rev, item.Value, false, op)
			}
		default:
			c.collect(op.Key, op.Rev, op.Value, false, op)
		}
	}
	for _, w := range c.Watches {
		for _, e := range w.Events {
			if e.Type != Bookmark {
				c.collect(e.Key, e.Rev, e.Value, e.Type == Deleted, w)
			}
		}
	}
	for _, op := range c.Ops {
		if _, seen := c.revs[op.Value]; !seen && op.Outcome == Unknown && (op.Verb == Create || op.Verb == Update) {
			o := c.objects[op.Key]
			o.unsettled = append(o.unsettled, op)
		}
	}
}

// order puts the versions of an object in order, finds who deleted it when, and says what cannot follow what.
func (c *checker) order(o *object) {
	seen := []version{{gone: true}}
	for _, v := range o.at {
		seen = append(seen, v)
	}
	slices.SortFunc(seen, func(a, b version) int { return cmp.Compare(a.rev, b.rev) })
	deletions := c.deletions[o.key]
	for i, v := range seen {
		last := len(o.versions) - 1
		if v.gone && i > 0 {
			v.by = deletions[o.versions[last].rev]
		}
		o.versions = append(o.versions, v)
		// A deletion of this version that nobody has seen stands here, if what is next allows for it.
		by := deletions[v.rev]
		if v.gone || by == nil || i+1 < len(seen) && seen[i+1].gone {
			continue
		}
		next := i+1 < len(seen)
		if by.Outcome == OK || !next || seen[i+1].by.Verb == Create {
			o.versions = append(o.versions, version{from: v.rev, gone: true, by: by})
		}
	}
	o.index = map[int64]int{}
	for i := range o.versions {
		v := &o.versions[i]
		if i > 0 {
			c.follows(o, &o.versions[i-1], v)
		}
		if !v.unseen() {
			o.index[v.rev] = i
		}
	}
	o.at = nil
}

// follows checks that a version may follow another one.
func (c *checker) follows(o *object, old, v *version) {
	switch {
	case v.gone && v.by == nil:
		c.fault(Phantom, "%s was deleted at %d by nobody who expected %d", o.key, v.rev, old.rev)
	case v.gone && (old.gone || v.rev != 0 && v.value != old.value):
		c.fault(Forked, "%s was deleted at %d as %q, after %q (gone: %v) at %d", o.key, v.rev, v.value, old.value, old.gone, old.rev)
	case v.gone:
	case v.by.Verb == Create && !old.gone:
		c.fault(Forked, "it was created while it was %q at %d: %v", old.value, old.rev, v.by)
	case v.by.Verb == Update && (old.gone || old.rev != v.by.Expect):
		c.fault(Forked, "it replaced %q (gone: %v) at %d: %v", old.value, old.gone, old.rev, v.by)
	}
}

// possible returns the versions, first to last, that may be seen by somebody who asks for the newest from start to end.
func (o *object) possible(start, end time.Duration) (first, last int) {
	first = int(o.seen.before(start))
	last = first
	for i := first + 1; i < len(o.versions); i++ {
		if by := o.versions[i].by; by != nil && by.Start > end {
			break
		}
		last = i
	}
	return first, last
}

// as returns the versions, first to last, that the object may have at a revision: two when a deletion has none.
func (o *object) as(rev int64) (first, last int) {
	last = sort.Search(len(o.versions), func(i int) bool { return o.versions[i].from > rev }) - 1
	if o.versions[last].unseen() {
		return last - 1, last
	}
	return last, last
}
