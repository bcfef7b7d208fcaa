package fieldset

import "slices"

// A Set is the paths that somebody owns, and its form is the whole of this package: one slice that has the elements of
// all paths as a tree would be read aloud. Each node is followed by those below it, which is as many as its size says,
// without itself; nodes beside each other are sorted. A path is a member or only the way to some.
//
//	FieldsV1                              text                size  member
//	{"f:metadata":{"f:labels":{           f metadata             4
//	                ".":{},               f   labels             3  *
//	                "f:app":{},           f     app              1  *
//	                "f:tier":{}}},        f     tier             1  *
//	 "f:spec":{"f:ports":{                f spec                 4
//	            "k:{\"port\":80}":{       f   ports              3
//	              ".":{},                 k     {"port":80}      2  *
//	              "f:port":{}}}}}         f       port           1  *
//
// From that follows what is cheap:
//
//   - What is below a node is a slice of the slice, and a Set itself: below copies nothing.
//   - Union, intersection and both differences are one function, which merges two sorted sequences into a third, with
//     one allocation (algebra.go).
//   - FieldsV1 is read and written from front to back (json.go).
//   - A set's texts are parts of the text that it was read from, or of the object that it was made of.
//
// A node that is no member has one below it. So a set is empty where it has no node, and a node without others below it
// is a member.

// Set is a set of paths. The zero value is the empty one. A Set does not change, and its parts may be shared.
type Set struct{ nodes []node }

// node is an element of one path or of several that have the same beginning.
type node struct {
	text string
	size int32 // nodes in its subtree, itself included
	kind Kind
	mark mark
}

// mark is not zero for a member. Only while two objects are compared it says more.
type mark uint8

const member mark = 1

// marked returns member if it is so.
func marked(so bool) mark {
	if so {
		return member
	}
	return 0
}

func (n *node) element() Element { return Element{n.text, n.kind} }

// New returns the set of these paths. A path without elements is no member of any set.
func New(paths ...Path) Set {
	var s Set
	for _, p := range paths {
		one := make([]node, len(p))
		for i, e := range p {
			one[i] = node{e.text, int32(len(p) - i), e.kind, marked(i == len(p)-1)}
		}
		s = s.Union(Set{one})
	}
	return s
}

// IsEmpty reports whether nothing is in s.
func (s Set) IsEmpty() bool { return len(s.nodes) == 0 }

// Equal reports whether s and o have the same members.
func (s Set) Equal(o Set) bool { return slices.Equal(s.nodes, o.nodes) }

// Len returns the number of members.
func (s Set) Len() int {
	n := 0
	for i := range s.nodes {
		if s.nodes[i].mark != 0 {
			n++
		}
	}
	return n
}

// Has reports whether path is a member of s.
func (s Set) Has(path []Element) bool {
	for i, e := range path {
		at := s.find(e)
		if at < 0 {
			return false
		}
		if i == len(path)-1 {
			return s.nodes[at].mark != 0
		}
		s = s.below(at)
	}
	return false
}

// find returns the index of the node for e among the outermost ones, -1 for none.
func (s Set) find(e Element) int {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		if s.nodes[i].kind == e.kind && s.nodes[i].text == e.text {
			return i
		}
	}
	return -1
}

// below returns what is below the node at index i.
func (s Set) below(i int) Set {
	end := i + int(s.nodes[i].size)
	return Set{s.nodes[i+1 : end : end]}
}

// Each calls f for each member of s, in the order of FieldsV1: a path before those below it. f must copy the path
// if it keeps it.
func (s Set) Each(f func(path Path)) { s.each(make(Path, 0, 16), f) }

func (s Set) each(prefix Path, f func(Path)) {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		path := append(prefix, s.nodes[i].element())
		if s.nodes[i].mark != 0 {
			f(path)
		}
		s.below(i).each(path, f)
	}
}

// Elements calls f for each outermost element of s, in order: whether it is a member, and what is below it.
func (s Set) Elements(f func(e Element, member bool, below Set)) {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		f(s.nodes[i].element(), s.nodes[i].mark != 0, s.below(i))
	}
}

// String returns the members one a line, as messages have them.
func (s Set) String() string {
	var b []byte
	s.Each(func(p Path) { b = append(append(b, p.String()...), '\n') })
	return string(b)
}
