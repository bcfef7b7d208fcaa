package cel

import (
	"slices"
	"strings"
)

// Costs are upstream's to the unit, and leave out much: size of a megabyte is 1, and so is a number of a million digits that is read;
// a regular expression of ten letters may have a million states. What a call does beside its cost it takes from the frame's steps,
// before it is made; a call whose cost would be over the limit is not made at all.

// The two counts do not replace each other. Cost is part of the language: users see it in errors, and it has to be upstream's.
// Steps are only ours: nobody sees them unless an expression does far more work than its cost says, and then the error is that
// of the cost. A figure below is an order of magnitude: none of them is upstream's.

// pace sets how many steps a call takes. What only points at its arguments takes none; what parses them takes more.
func (c *callee) pace() {
	c.strings, c.items = 16, 8
	switch c.name {
	// These point at their arguments, and do not look into them. + of lists makes a rope; + of texts copies, and
	// its cost says how much.
	case "type", "dyn", "optional.of", "value", "hasValue", "_+_", "@in", "cel.@mapInsert", "@not_strictly_false":
		c.strings, c.items = 0, 0
	case "size", "optional.ofNonZeroValue", "first", "last":
		c.items = 0
	// These parse, which takes longer for a byte than to compare it.
	case "int", "uint", "double", "duration", "timestamp":
		c.strings = 4
	}
	// By the ends of the ids, as moments() makes them.
	if c.overload != nil && (strings.HasSuffix(c.overload.ID, "_with_tz") || strings.HasSuffix(c.overload.ID, "_seconds_tz")) {
		c.extra = 500 // a zone that nobody has asked for before is a look at the disk
	}
}

// much is the length of a string, a list or a map from which on looking at it counts.
const much = 256

// look takes the steps that a call takes to go through an argument, and reports whether there were enough.
// Short values are looked at for nothing: to count them would take longer than what they cost.
func (c *callee) look(f *frame, v Value) bool {
	switch v.kind {
	case String:
		if n := len(v.Str()); n >= much && c.strings > 0 {
			f.steps -= int64(n / c.strings)
		}
	case Bytes, List, Map:
		if c.items > 0 {
			if n := v.Len(); n >= much {
				f.steps -= int64(n / c.items)
			}
			if f.steps >= 0 && v.kind != Bytes && v.deep() {
				// The function may compare items, each of which may be larger than memory: [l, l].
				count(v, &f.steps)
			}
		}
	case Opaque:
		if w, ok := v.ref.(Weighty); ok {
			f.steps -= w.Weight()
		}
	}
	return f.steps >= 0
}

// search takes the steps of a regular expression: one that is no literal is compiled, and a text may be gone through once for each
// of its instructions, which repetition makes many of.
func (c *callee) search(f *frame, text, pattern Value) bool {
	if c.Regex == nil || text.kind != String || pattern.kind != String {
		return true
	}
	// A pattern that is a literal was compiled with the program, so that its size is known, and compiling it is
	// not paid for again.
	size := c.pattern
	if size == 0 {
		size = patternSize(pattern.Str())
		f.steps -= 3 * size
	}
	f.steps -= int64(len(text.Str())) * size / 32
	return f.steps >= 0
}

// hash takes the steps of looking for a key in a map, which goes through all of a long one, and reports whether there were enough.
func (f *frame) hash(key Value) bool {
	switch key.kind {
	case String:
		f.steps -= int64(len(key.Str()) / 32)
	case Bytes:
		f.steps -= int64(len(key.Bytes()) / 8)
	}
	return f.steps >= 0
}

// made takes the steps for a result that somebody has made, so many for an item or eight bytes, and reports whether there were enough.
// It is asked after the call, so that one call may go beyond; a function whose single call could is one that asks
// on its own while it works.
func (f *frame) made(v Value, each int64) bool {
	switch v.kind {
	case String:
		f.steps -= int64(len(v.Str())/8) * each
	case List:
		f.steps -= int64(v.Len()) * each
	}
	return f.steps >= 0
}

// deep reports whether a list or a map has lists or maps in it. A single one may be larger than memory, wherever it is, so that all
// items are looked at, unless their type says that there are none.
// Of a tree the nodes themselves are looked at, since making values of them would take longer.
func (v Value) deep() bool {
	if item := v.typ.item(); item != nil && item.scalar() || item == StringType {
		return false
	}
	switch ref := v.ref.(type) {
	case []any:
		return slices.ContainsFunc(ref, deepTree)
	case map[string]any:
		for _, x := range ref {
			if deepTree(x) {
				return true
			}
		}
		return false
	}
	return !v.Entries(func(_, item Value) bool { return item.kind != List && item.kind != Map })
}

// deepTree reports whether a tree has parts.
func deepTree(tree any) bool {
	switch tree.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// count takes a step for everything that is in a value, until there are none left.
// A list that is there twice is counted twice, which is the point: [l, l] takes as long as two lists to go
// through.
func count(v Value, steps *int64) {
	if *steps--; *steps < 0 || v.kind != List && v.kind != Map {
		return
	}
	v.Entries(func(_, item Value) bool {
		count(item, steps)
		return *steps >= 0
	})
}

// affordable reports whether a call that will cost much is within the limit, before it is made: what would be cancelled after it
// need not be done. It asks for the cost where arguments are long; costs never become less by a result.
func (c *callee) affordable(f *frame, args []Value) bool {
	if c.cost == nil {
		return true
	}
	long := 0
	for _, v := range args {
		switch v.kind {
		case String:
			long += len(v.Str())
		case Bytes, List, Map:
			long += v.Len()
		}
	}
	if long < 16*much {
		return true
	}
	cost := c.cost(args, Value{})
	return cost < much || cost <= f.limit-f.cost
}
