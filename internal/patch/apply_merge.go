package patch

import (
	"maps"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// An applied configuration is merged into the live object by the schema: maps field by field, lists that are sets or have
// keys element by element, and everything else is a leaf of which the configuration's value is taken. Nothing is ever
// removed by that: an empty map or list, or a null for one, says nothing of what is in the live one.
//
// Elements of a merged list stand in the order of the configuration. Those that are live alone keep their place before
// or behind the ones that both have, as far as the configuration's order lets them:
//
//	live [a b], config [c]       [a b c]
//	live [a b c], config [c a]   [b c a]
//	live [a b], config [b x a]   [b x a]
//
// What does not change is not copied: the merged object shares it with the live one, and who merges nothing new into an
// object gets that object back.

// merge returns live with config merged into it, and whether it differs. Both are there; who has only one of them has the
// result. Neither is changed. Both fit the schema, apart from duplicates in live. Upstream merges twice where the two are
// of different sorts, and keeps the second result, which is the one by the configuration's sort.
// What is returned is for reading alone: it may be live or config itself, or have parts of either.
func merge(live, config any, s fieldset.Schema) (any, bool) {
	atom := s.Atom().For(config)
	switch {
	case atom.Map != fieldset.NoMap:
		l, _ := live.(map[string]any)
		c, _ := config.(map[string]any)
		if atom.Map == fieldset.Granular && len(l)+len(c) > 0 {
			return mergeFields(l, c, s)
		}
	// Where a place allows scalars too and a null is applied, the null is a scalar, and the list is no list any more.
	case atom.Scalar == fieldset.NoScalar:
		l, _ := live.([]any)
		c, _ := config.([]any)
		if atom.List > fieldset.AtomicList && len(l)+len(c) > 0 {
			return mergeItems(l, c, atom.Keys, s.Items())
		}
	}
	// Numbers are compared by value, so an integer that is applied as a float of the same value is no change.
	if tree.Equal(live, config) {
		return live, false
	}
	return config, true
}

// mergeFields merges two maps, one of which may be empty.
func mergeFields(live, config map[string]any, s fieldset.Schema) (any, bool) {
	out, changed := live, false
	for name, c := range config {
		l, ok := live[name]
		if ok {
			place, _ := s.Field(name)
			// A field that both have is merged whatever the schema says of its name; ok tells from here on whether it differs.
			if c, ok = merge(l, c, place); !ok {
				continue
			}
		}
		// The live map is copied at the first difference.
		if !changed {
			if out, changed = maps.Clone(live), true; out == nil {
				out = make(map[string]any, len(config))
			}
		}
		out[name] = c
	}
	return out, changed
}

// mergeItems merges two lists, one of which may be empty. It is upstream's walk step for step, since the order of a list is what users
// see: l and c walk along both lists, and of the elements that both have the next one in the configuration's order is
// awaited, for the sake of which others are passed over.
func mergeItems(live, config []any, keys []string, place fieldset.Schema) (any, bool) {
	if len(config) == 0 {
		return live, false
	}
	// Of the elements that both lists have, shared is the one whose turn it is in the configuration.
	m := pair(live, config, keys, place)
	l, c, shared := 0, 0, m.nextShared(-1)
	for l < len(live) || c < len(config) {
		if l < len(live) && c < len(config) {
			if m.inConfig[l] == c {
				// Both stand before the same element.
				m.takeConfig(c, place)
				l, c, shared = l+1, c+1, m.nextShared(shared)
				continue
			}
			if m.inConfig[l] >= 0 && shared >= 0 && shared != m.inConfig[l] {
				// Live has one that the configuration has elsewhere: it comes where the configuration has it.
				l++
				continue
			}
		}
		if l < len(live) {
			if at := m.inConfig[l]; at < 0 {
				m.take(live[l], l)
				l++
				continue
			} else if m.taken[at] {
				// It has been put where the configuration has it, and only its place here is left behind.
				l++
			}
		}
		if c < len(config) {
			m.takeConfig(c, place)
			if shared == c {
				shared = m.nextShared(shared)
			}
			c++
		}
	}
	// Each element is the live one in its live place, and none is missing: then live itself is the result.
	if !m.changed && len(m.out) == len(live) {
		return live, false
	}
	return m.out, true
}

// pairing is two lists while they are merged.
type pairing struct {
	live, config []any
	// inConfig has for each live element where the configuration has it, inLive the reverse, -1 for nowhere.
	inConfig, inLive []int
	// twice tells that an element of the configuration is live several times.
	taken, twice []bool
	out          []any
	changed      bool
}

// pair finds the elements that both lists have. An element without a key is in neither; validation has refused it.
func pair(live, config []any, keys []string, place fieldset.Schema) *pairing {
	n := len(live) + len(config)
	// Two allocations for four slices: lists are merged with each apply, and most are short.
	numbers, marks := make([]int, n), make([]bool, 2*len(config))
	m := &pairing{
		live: live, config: config, inConfig: numbers[:len(live)], inLive: numbers[len(live):],
		taken: marks[:len(config)], twice: marks[len(config):], out: make([]any, 0, n),
	}
	var at index
	for i, item := range config {
		e, _ := fieldset.KeyOf(item, keys, place)
		at.add(e)
		m.inLive[i] = -1
	}
	for i, item := range live {
		e, err := fieldset.KeyOf(item, keys, place)
		c := at.find(e)
		if err != nil {
			c = -1
		}
		// Of twins the last one stands for both, and twice keeps them from being merged into it.
		if m.inConfig[i] = c; c >= 0 {
			m.twice[c] = m.inLive[c] >= 0
			m.inLive[c] = i
		}
	}
	return m
}

// nextShared returns the place in the configuration of the next element that is live too, -1 where there is none.
func (m *pairing) nextShared(after int) int {
	for i := after + 1; i < len(m.inLive); i++ {
		if m.inLive[i] >= 0 {
			return i
		}
	}
	return -1
}

// take puts an element behind the others, which is unchanged that of the live list at the given place, -1 for none.
func (m *pairing) take(v any, live int) {
	m.changed = m.changed || live != len(m.out)
	m.out = append(m.out, v)
}

// takeConfig merges an element of the configuration into the live one. One that is live several times is not merged.
func (m *pairing) takeConfig(c int, place fieldset.Schema) {
	m.taken[c] = true
	l := m.inLive[c]
	if l < 0 || m.twice[c] {
		m.take(m.config[c], -1)
		return
	}
	v, changed := merge(m.live[l], m.config[c], place)
	if changed {
		l = -1
	}
	m.take(v, l)
}

// index finds elements of a list by their keys. Short lists, which most are, are searched.
type index struct {
	elements []fieldset.Element
	at       map[fieldset.Element]int
}

// searched is how many elements are searched one by one.
const searched = 16

// add puts an element at the end; of equal ones the last is found.
func (x *index) add(e fieldset.Element) {
	x.elements = append(x.elements, e)
	switch n := len(x.elements); {
	// Up to here it costs less to search than to hash; from here on the square would be felt.
	case n == searched+1:
		x.at = make(map[fieldset.Element]int, 2*n)
		for i, e := range x.elements {
			x.at[e] = i
		}
	case n > searched:
		x.at[e] = n - 1
	}
}

// find returns the place of an element, -1 where it is not there.
func (x *index) find(e fieldset.Element) int {
	if x.at != nil {
		if i, ok := x.at[e]; ok {
			return i
		}
		return -1
	}
	for i := len(x.elements) - 1; i >= 0; i-- {
		if x.elements[i] == e {
			return i
		}
	}
	return -1
}
