package store

import (
	"slices"
	"strings"
)

// A B-tree of objects by key, whose objects are in its leaves. Nodes that readers can see never
// change: an edit copies the nodes from the root to what it changes and shares all others, so
// that a root is a snapshot and readers take no lock.
//
// A commit may change many objects. So that it copies each node once, and not once for every
// change, an edit has an id, and so has every node that it made: those are seen by nobody else
// until the root is published, and are changed in place. Ids are never used again, so that a
// published node is nobody's.
//
//	before:  root(1) → leaf A(1), leaf B(1)
//	edit 2 sets a key of B:      root(2) → leaf A(1), leaf B(2)     A is shared, B was copied
//	edit 2 sets another one:     the same nodes, changed in place
//
// Leaves are not balanced as in a textbook. One that has become thin is joined with its
// neighbour if both together leave room; two full neighbours of a thin one leave it thin. No
// node is ever empty, and all leaves are equally deep.

// treeWidth is the most objects of a leaf, and the most children of an inner node. A
// write copies a leaf and the inner nodes above it; wider nodes make more of that, and
// narrower ones a deeper tree.
const treeWidth = 32

// treeNode is a leaf, which has objs, or an inner node, which has kids. A nil node is the
// empty tree.
type treeNode struct {
	// edit is the id of the edit that made it, which may change it until it is published.
	edit uint64
	// count is how many objects are in and below it.
	count int
	// objs are a leaf's objects, sorted by key.
	objs []*Object
	// keys are between the kids: keys[i] is above every key of kids[i], and not above any of
	// kids[i+1]. Copies of a node share them, so that they are replaced, never changed.
	keys []string
	kids []*treeNode
}

// size returns how many entries the node itself has.
func (n *treeNode) size() int { return len(n.objs) + len(n.kids) }

// find returns where key is in a leaf, or where it would be, and whether it is there.
func (n *treeNode) find(key string) (int, bool) {
	lo, hi := 0, len(n.objs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.objs[mid].Key < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(n.objs) && n.objs[lo].Key == key
}

// childFor returns the index of the child of an inner node that has key, if any has.
func (n *treeNode) childFor(key string) int {
	lo, hi := 0, len(n.keys)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.keys[mid] <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// get returns the object of a key, nil for none.
func (n *treeNode) get(key string) *Object {
	if n == nil {
		return nil
	}
	for n.kids != nil {
		n = n.kids[n.childFor(key)]
	}
	if i, ok := n.find(key); ok {
		return n.objs[i]
	}
	return nil
}

// walk yields the objects from start on, in order, while they have the prefix. It
// returns whether to go on behind the node: not when an object without the prefix was met, or
// yield wants no more.
func (n *treeNode) walk(start, prefix string, yield func(*Object) bool) bool {
	if n == nil {
		return true
	}
	if n.kids != nil {
		i := n.childFor(start)
		for ; i < len(n.kids); i++ {
			if !n.kids[i].walk(start, prefix, yield) {
				return false
			}
			start = "" // what is further right is above it
		}
		return true
	}
	i := 0
	if start != "" {
		i, _ = n.find(start)
	}
	// Where the last key has the prefix all from start on do, and a long walk need not touch
	// every key.
	last := len(n.objs) - 1
	all := last >= 0 && strings.HasPrefix(n.objs[last].Key, prefix)
	for _, o := range n.objs[i:] {
		if !all && !strings.HasPrefix(o.Key, prefix) || !yield(o) {
			return false
		}
	}
	return true
}

// rank returns how many keys are below key, by the counts of the nodes beside the way to it.
func (n *treeNode) rank(key string) int {
	if n == nil {
		return 0
	}
	below := 0
	for n.kids != nil {
		i := n.childFor(key)
		for _, kid := range n.kids[:i] {
			below += kid.count
		}
		n = n.kids[i]
	}
	i, _ := n.find(key)
	return below + i
}

// treeEdit is a tree that is being changed, by one goroutine. Its id is its own among all
// edits: nodes that have it were made by this edit, and are changed in place.
type treeEdit struct {
	id   uint64
	root *treeNode
	// bytes is how much JSON all objects are.
	bytes int64
}

// set puts o in place of the object of its key, which it returns; nil for none.
func (t *treeEdit) set(o *Object) *Object {
	t.bytes += int64(len(o.Raw()))
	if t.root == nil {
		t.root = &treeNode{edit: t.id, count: 1, objs: []*Object{o}}
		return nil
	}
	root, right, sep, prev := t.put(t.root, o)
	if right != nil { // the only way for the tree to grow deeper
		root = &treeNode{edit: t.id, count: root.count + right.count, keys: []string{sep}, kids: []*treeNode{root, right}}
	}
	if t.root = root; prev != nil {
		t.bytes -= int64(len(prev.Raw()))
	}
	return prev
}

// remove takes the object of a key out and returns it; nil for none.
func (t *treeEdit) remove(key string) *Object {
	if t.root == nil {
		return nil
	}
	root, prev := t.drop(t.root, key)
	if prev == nil {
		return nil
	}
	t.bytes -= int64(len(prev.Raw()))
	// An inner node of one child says nothing: the tree gets less deep, for all leaves alike.
	for len(root.kids) == 1 {
		root = root.kids[0]
	}
	if t.root = root; root.count == 0 {
		t.root = nil
	}
	return prev
}

// own returns n if this edit made it, else a copy with room for more entries. Copies share
// the keys, which most writes leave as they are.
func (t *treeEdit) own(n *treeNode, more int) *treeNode {
	if n.edit == t.id {
		return n
	}
	c := &treeNode{edit: t.id, count: n.count, keys: n.keys}
	if n.kids == nil {
		c.objs = append(make([]*Object, 0, len(n.objs)+more), n.objs...)
		return c
	}
	c.kids = append(make([]*treeNode, 0, len(n.kids)+more), n.kids...)
	return c
}

// put sets o below n. It returns what takes the place of n, and when that had to be split
// its right part with a key between the two.
func (t *treeEdit) put(n *treeNode, o *Object) (_, right *treeNode, sep string, prev *Object) {
	if n.kids == nil {
		i, found := n.find(o.Key)
		if found {
			c := t.own(n, 0)
			prev, c.objs[i] = c.objs[i], o
			return c, nil, "", prev
		}
		c := t.own(n, 1)
		c.objs = slices.Insert(c.objs, i, o)
		if c.count++; len(c.objs) > treeWidth {
			right, sep = t.split(c, i)
		}
		return c, right, sep, nil
	}
	i := n.childFor(o.Key)
	kid, right, sep, prev := t.put(n.kids[i], o)
	if right == nil {
		c := t.own(n, 0)
		if c.kids[i] = kid; prev == nil {
			c.count++
		}
		return c, nil, "", prev
	}
	c := t.own(n, 1)
	c.kids[i] = kid
	c.kids = slices.Insert(c.kids, i+1, right)
	// Other nodes may have these keys: the new ones are a slice of their own.
	c.keys = slices.Concat(c.keys[:i], []string{sep}, c.keys[i:])
	right, sep = nil, ""
	if c.count++; len(c.kids) > treeWidth {
		right, sep = t.split(c, i+1)
	}
	return c, right, sep, prev
}

// split takes the right part off n, which the edit owns and which grew at i. It returns that
// part and the key between the two.
func (t *treeEdit) split(n *treeNode, i int) (right *treeNode, sep string) {
	at := n.size() / 2
	// Keys that come in order, as the objects of a test often do, grow a node at its end: they
	// leave full nodes behind, not half ones.
	if i == n.size()-1 {
		at = n.size() - 2
	}
	right = &treeNode{edit: t.id}
	if n.kids == nil {
		right.objs = slices.Clone(n.objs[at:])
		right.count = len(right.objs)
		sep = right.objs[0].Key
		// Delete clears what it cuts off, else n would hold objects that are no longer its own.
		n.objs = slices.Delete(n.objs, at, len(n.objs))
		n.count = len(n.objs)
		return right, sep
	}
	sep = n.keys[at-1]
	right.kids, right.keys = slices.Clone(n.kids[at:]), slices.Clone(n.keys[at:])
	for _, kid := range right.kids {
		right.count += kid.count
	}
	n.kids, n.keys = slices.Delete(n.kids, at, len(n.kids)), slices.Clone(n.keys[:at-1])
	n.count -= right.count
	return right, sep
}

// drop removes a key below n. It returns what takes the place of n, which may be empty, and the
// object; without one the tree is as before, and nothing was copied.
func (t *treeEdit) drop(n *treeNode, key string) (_ *treeNode, prev *Object) {
	if n.kids == nil {
		i, found := n.find(key)
		if !found {
			return n, nil
		}
		c := t.own(n, 0)
		prev = c.objs[i]
		c.objs = slices.Delete(c.objs, i, i+1)
		c.count--
		return c, prev
	}
	i := n.childFor(key)
	kid, prev := t.drop(n.kids[i], key)
	if prev == nil {
		return n, nil
	}
	c := t.own(n, 0)
	c.kids[i] = kid
	c.count--
	switch {
	case kid.count == 0:
		c.kids = slices.Delete(c.kids, i, i+1)
		// One of the two keys beside it goes; the first child has none to its left.
		if k := max(i-1, 0); k < len(c.keys) {
			c.keys = slices.Concat(c.keys[:k], c.keys[k+1:])
		}
	case kid.size() < treeWidth/4:
		t.merge(c, i)
	}
	return c, prev
}

// merge joins the thin child i of n, which the edit owns, with a neighbour, unless they would
// soon have to be split again.
func (t *treeEdit) merge(n *treeNode, i int) {
	if i == len(n.kids)-1 {
		i-- // the last one has its neighbour to the left
	}
	if i < 0 || n.kids[i].size()+n.kids[i+1].size() > treeWidth*3/4 {
		return
	}
	// The right one is only read and stays as it is: older roots may have it.
	right := n.kids[i+1]
	left := t.own(n.kids[i], right.size())
	if left.kids == nil {
		left.objs = append(left.objs, right.objs...)
	} else {
		// The key between the two comes down to stand between their children.
		left.keys = slices.Concat(left.keys, n.keys[i:i+1], right.keys)
		left.kids = append(left.kids, right.kids...)
	}
	left.count += right.count
	n.kids[i] = left
	n.kids = slices.Delete(n.kids, i+1, i+2)
	n.keys = slices.Concat(n.keys[:i], n.keys[i+1:])
}
