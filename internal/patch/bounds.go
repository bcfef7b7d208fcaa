package patch

import "apichain/internal/tree"

// The bounds of what a patch may make: how much its copies add, and how deep its result
// nests. Both are measured while walking a value that a client has shaped, so neither walk
// goes further than the bound allows: a document of a megabyte that is copied ten thousand
// times costs three copies, and a result of any depth costs a look at its first thousand
// levels.
//
// Merge patches need no bound of their own, since their results are no larger than document
// and patch together.

// jsonCopier copies values while left, in bytes of JSON, is not below zero. What it returns
// after that is no copy, and is not to be used.
type jsonCopier struct{ left int }

// copy returns a copy of v, which is at depth, and takes what it costs from left.
func (c *jsonCopier) copy(v any, depth int) any {
	// A document may already nest too deep within a patch: that is checked at its end.
	if depth > tree.MaxDepth {
		c.left = -1
	}
	if c.left < 0 {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any)
		// An object counts for more than its text: a small one takes many times as much
		// memory.
		c.left -= 26
		for k, e := range v {
			if c.left -= len(k) + 4; c.left < 0 {
				return nil
			}
			o[k] = c.copy(e, depth+1)
		}
		return o
	case []any:
		// The bound is checked before memory for the elements is taken.
		c.left -= 2 + len(v)
		if c.left < 0 {
			return nil
		}
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = c.copy(e, depth+1)
		}
		return a
	case string:
		c.left -= len(v) + 2
	case tree.Raw:
		c.left -= len(v)
	default:
		// About what a number or a word takes.
		c.left -= 4
	}
	return v
}

// nestsWithin reports whether the collections of v nest at most depth deep. It looks no
// deeper, so it may be asked of any value.
func nestsWithin(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		if depth == 0 {
			return false
		}
		for _, e := range v {
			if !nestsWithin(e, depth-1) {
				return false
			}
		}
	case []any:
		if depth == 0 {
			return false
		}
		for _, e := range v {
			if !nestsWithin(e, depth-1) {
				return false
			}
		}
	}
	return true
}
