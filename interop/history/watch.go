package history

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// change is a version of any object of a namespace.
type change struct {
	*object
	i int // the version
}

func (c change) version() *version { return &c.versions[c.i] }

// watches checks all watches against the changes that there were.
func (c *checker) watches() {
	changes := map[string][]change{} // by namespace, in the order of revisions
	deletions := map[string][]unseenDeletion{}
	for _, w := range c.Watches {
		if _, ok := changes[w.Scope]; !ok {
			changes[w.Scope], deletions[w.Scope] = c.changesOf(w.Scope)
		}
		c.watch(w, changes[w.Scope])
		if len(w.Events) > 0 {
			c.missesDeletions(w, deletions[w.Scope])
		}
	}
}

// unseenDeletion is one that has happened, was told by no watch, and was made after one revision and before another.
type unseenDeletion struct {
	change
	after, before int64
}

// changesOf returns the changes of a namespace in order, and the deletions of no known revision.
func (c *checker) changesOf(namespace string) (all []change, unseen []unseenDeletion) {
	for _, key := range c.keysOf(namespace) {
		o := c.objects[key]
		for i := range o.versions {
			v := &o.versions[i]
			switch {
			case v.by == nil && i == 0:
			case !v.unseen():
				all = append(all, change{o, i})
			case i+1 < len(o.versions):
				unseen = append(unseen, unseenDeletion{change{o, i}, v.from, o.versions[i+1].rev})
			case v.by.Outcome == OK:
				if before := c.firstAfter(v.by.End); before != 0 {
					unseen = append(unseen, unseenDeletion{change{o, i}, v.from, before})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Compare(a.version().rev, b.version().rev) })
	return all, unseen
}

// firstAfter is the lowest revision of a write that began after a time, or 0.
func (c *checker) firstAfter(at time.Duration) (rev int64) {
	for _, op := range c.Ops {
		if op.Outcome == OK && op.Start > at && (op.Verb == Create || op.Verb == Update) && (rev == 0 || op.Rev < rev) {
			rev = op.Rev
		}
	}
	return rev
}

// missesDeletions: a watch that goes on beyond a deletion that no watch has told has missed it.
func (c *checker) missesDeletions(w *Watch, all []unseenDeletion) {
	last := w.Events[len(w.Events)-1].Rev
	for _, d := range all {
		if w.From <= d.after && last >= d.before {
			c.fault(Missed, "%v: a deletion of %s between %d and %d", w, d.key, d.after, d.before)
		}
	}
}

// watch checks one watch: each event is newer than the one before and is a change that there was, and between two
// events, and before a bookmark, there was none.
func (c *checker) watch(w *Watch, all []change) {
	if w.Expired && c.Resumable {
		c.fault(Expired, "%v", w)
	}
	next, _ := slices.BinarySearchFunc(all, w.From+1, func(a change, rev int64) int { return cmp.Compare(a.version().rev, rev) })
	last := w.From
	// miss says which changes up to before a revision have not come.
	miss := func(before int64, kind Kind) {
		for ; next < len(all) && all[next].version().rev < before; next++ {
			v := all[next].version()
			c.fault(kind, "%v: %s at %d, after %d and before %d, by %v", w, all[next].key, v.rev, last, before, v.by)
		}
	}
	for _, e := range w.Events {
		if e.Rev < last || e.Type != Bookmark && e.Rev == last {
			c.fault(Unordered, "%v: %v comes after %d", w, e, last)
			continue
		}
		if e.Type == Bookmark {
			miss(e.Rev+1, Missed)
			last = e.Rev
			continue
		}
		if !strings.HasPrefix(e.Key, w.Scope+"/") {
			c.fault(Phantom, "%v: %v is of another namespace", w, e)
			continue
		}
		miss(e.Rev, Missed)
		last = e.Rev
		if next < len(all) && all[next].version().rev == e.Rev && all[next].key == e.Key {
			if was := all[next].versions[all[next].i-1]; typeOf(was, *all[next].version()) != e.Type {
				c.fault(Unordered, "%v: %v follows %q (gone: %v) at %d", w, e, was.value, was.gone, was.rev)
			}
			next++
		}
	}
	if w.Through > last {
		miss(w.Through+1, Late)
	}
}

// typeOf is the type of the event of a version that follows another one.
func typeOf(was, is version) string {
	switch {
	case is.gone:
		return Deleted
	case was.gone:
		return Added
	}
	return Modified
}
