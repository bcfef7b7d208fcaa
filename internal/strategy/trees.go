package strategy

import (
	"iter"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What more than one area needs: to go through lists of objects without asking at each step whether
// they are there, to see what comes twice, and to say each reason why a text is wrong.

// each returns the objects of a list with their places. What is no list has none, and an
// element that is no object is nil, which reads as an empty one.
func each(list any) iter.Seq2[int, map[string]any] {
	return func(yield func(int, map[string]any) bool) {
		l, _ := list.([]any)
		for i, e := range l {
			if o, _ := e.(map[string]any); !yield(i, o) {
				return
			}
		}
	}
}

// text returns a string of a tree, "" for anything else.
//
//go:noinline
func text(v any) string {
	s, _ := v.(string)
	return s
}

// nameOf returns the key of what has a name.
//
//go:noinline
func nameOf(e any) string { return tree.Text(e, "name") }

// listed reports whether a word is in a list of words with spaces between them. It allocates
// nothing; the lists are short.
func listed(list, word string) bool {
	for w := range strings.SplitSeq(list, " ") {
		if w == word {
			return true
		}
	}
	return false
}

// set is a set of few values, which cost no memory, or of many. The zero value is empty. A copy
// of one with many shares them.
type set[T comparable] struct {
	few  [8]T
	n    int
	more map[T]bool
}

// has reports whether v was added before.
func (s *set[T]) has(v T) bool {
	return slices.Contains(s.few[:s.n], v) || s.more[v]
}

// add adds v, and reports whether it was there already: a caller needs to look and to add in
// one.
func (s *set[T]) add(v T) bool {
	switch {
	case s.has(v):
		return true
	// The array is a part of the set itself, so that a set on the stack costs nothing.
	case s.n < len(s.few):
		s.few[s.n] = v
		s.n++
	case s.more == nil:
		s.more = map[T]bool{v: true}
	default:
		s.more[v] = true
	}
	return false
}

// invalidAll returns an error for each reason why a value is wrong.
//
//go:noinline
func invalidAll(at string, value any, reasons []string) (errs []field.Error) {
	for _, why := range reasons {
		errs = append(errs, field.Invalid(at, value, why))
	}
	return errs
}

// invalids returns an error for each thing that a rule for names says of a value.
func invalids(path, value string, rule func(string) []string) []field.Error {
	return invalidAll(path, value, rule(value))
}
