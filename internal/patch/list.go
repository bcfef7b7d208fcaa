package patch

import (
	"fmt"
	"slices"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Lists of a strategic merge patch. An element is known by its identity: the value of the
// merge key of an object, or a scalar itself. Merging goes in three steps that do not know of
// each other:
//
//  1. directives among the patch's elements are done, and taken out;
//  2. elements of the patch are merged into those of the same identity, or appended;
//  3. the result is put in order, by the patch and by where elements stood before.
//
// The steps look elements up in maps by identity rather than in the lists, so that a patch of
// n elements takes time in proportion to n: both lists come from clients.
//
// Where two elements have one identity, as the ports 53/UDP and 53/TCP of a container have,
// the first is meant and the second stays as it is, also where the client thought of that.
// Upstream has the same flaw, since a merge key is one field only.

// mergeList merges the elements of patch into those of list, which is consumed. f is the
// field that holds them, whose strategy is merge.
func mergeList(list, patch []any, f *kinds.Field) ([]any, error) {
	if len(list) == 0 && len(patch) == 0 {
		return list, nil
	}
	objects, err := elementsAreObjects(list, patch)
	if err != nil {
		return nil, err
	}
	key := f.MergeKey
	switch {
	case objects && key == "":
		return nil, status.Unexplained("cannot merge lists without merge key for struct")
	case objects:
		if list, patch, err = elementDirectives(list, patch, key); err != nil {
			return nil, err
		}
	}
	// Merging changes list in place, so where elements stood is noted first.
	before, err := rankOf(list, key)
	if err != nil {
		return nil, err
	}
	var merged []any
	if objects {
		merged, err = mergeElements(list, patch, key, rulesInside(f))
	} else {
		merged, err = union(list, patch), nil
	}
	if err != nil {
		return nil, err
	}
	return arrange(merged, patch, before, key)
}

// mergeOrdered merges the list k of patch into doc's and orders the result by the patch's
// $setElementOrder, which may name elements that are in neither.
func (p fieldRules) mergeOrdered(doc, patch map[string]any, k string) error {
	order, err := asList(patch[elementOrderPrefix+"/"+k])
	if err != nil {
		return err
	}
	var old, set []any
	was, hasOld := doc[k]
	v, hasSet := patch[k]
	if hasOld {
		if old, err = asList(was); err != nil {
			return err
		}
	}
	if hasSet {
		if set, err = asList(v); err != nil {
			return err
		}
	}
	f := p.field(k)
	key := ""
	if f != nil {
		key = f.MergeKey
	}
	if err := checkElementOrder(set, order, key); err != nil {
		return err
	}
	// Merging changes old in place; the order to keep is that of before.
	before, err := rankOf(old, key)
	if err != nil {
		return err
	}
	merged := old
	switch {
	case !hasOld && !hasSet:
		// There is nothing to order, and no reason to make an empty list.
		return nil
	case !hasOld:
		merged = cleanList(set)
	case hasSet:
		if merged, err = mergeListField(old, set, f); err != nil {
			return err
		}
	}
	doc[k], err = arrange(merged, order, before, key)
	return err
}

// checkElementOrder returns an error unless the elements that the patch sets stand in order
// in the same sequence. The order may have others between them; those with a directive are
// going, and need not be in it.
func checkElementOrder(set, order []any, key string) error {
	if len(set) == 0 || len(order) == 0 {
		return nil
	}
	// Both lists are gone through once, side by side.
	at := 0
	for _, e := range set {
		if o, ok := e.(map[string]any); ok && o[patchDirective] != nil {
			continue
		}
		id, err := elementID(e, key)
		if err != nil {
			return err
		}
		for {
			if at == len(order) {
				const text = "The order in patch list:\n%v\n doesn't match $setElementOrder list:\n%v\n"
				return status.Unexplained(truncated(fmt.Sprintf(text, set, order)))
			}
			next, err := elementID(order[at], key)
			if err != nil {
				return err
			}
			if at++; next == id {
				break
			}
		}
	}
	return nil
}

// deleteScalars takes the elements of gone from the list doc[k], where there is one. Both
// must be scalars of one type.
func deleteScalars(doc map[string]any, k string, gone any) error {
	drop, ok := gone.([]any)
	if !ok {
		return status.BadRequest("invalid patch format of primitive list")
	}
	list, ok := doc[k].([]any)
	if !ok || len(list) == 0 || len(drop) == 0 {
		return nil
	}
	objects, err := elementsAreObjects(list, drop)
	if err != nil {
		return err
	}
	if objects {
		return status.BadRequest("invalid patch format of primitive list")
	}
	dropped := make(map[any]bool, len(drop))
	for _, v := range drop {
		dropped[identity(v)] = true
	}
	doc[k] = slices.DeleteFunc(list, func(v any) bool { return dropped[identity(v)] })
	return nil
}

// elementDirectives does the directives among the elements of patch, all of which are
// objects, and returns the list and the rest of the patch.
func elementDirectives(list, patch []any, key string) (left, rest []any, err error) {
	var gone map[any]bool
	replace := false
	for _, e := range patch {
		o := e.(map[string]any)
		switch d, ok := o[patchDirective]; {
		case !ok:
			rest = append(rest, e)
		case d == "replace":
			replace = true
		case d == "delete":
			id, err := elementID(e, key)
			if err != nil {
				return nil, nil, err
			}
			if gone == nil {
				gone = map[any]bool{}
			}
			gone[id] = true
		case d == "merge":
			return nil, nil, status.Unexplained("merging lists cannot yet be specified in the patch")
		default:
			return nil, nil, status.Unexplained(truncated(fmt.Sprintf("unknown patch type: %v in map: %v", d, o)))
		}
	}
	switch {
	case replace:
		// What is deleted would be of the list that is replaced.
		return cleanList(rest), nil, nil
	case gone != nil:
		// An element without the key has no identity yet that could be meant; whether that
		// is an error is seen when the list is merged.
		list = slices.DeleteFunc(list, func(e any) bool {
			v, ok := e.(map[string]any)[key]
			return ok && gone[identity(v)]
		})
	}
	return list, rest, nil
}

// mergeElements merges objects by their key, as inside says; those that list does not have
// are appended. A key that the patch has twice is merged twice.
func mergeElements(list, patch []any, key string, inside fieldRules) ([]any, error) {
	if len(patch) == 0 {
		return list, nil
	}
	at, err := rankOf(list, key)
	if err != nil {
		return nil, err
	}
	for _, e := range patch {
		id, err := elementID(e, key)
		if err != nil {
			return nil, err
		}
		i, ok := at[id]
		if !ok {
			at[id] = len(list)
			list = append(list, cleanObject(e.(map[string]any)))
			continue
		}
		if list[i], err = inside.merge(list[i].(map[string]any), e.(map[string]any)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// union returns the scalars of both lists, each value once.
func union(list, patch []any) []any {
	seen := make(map[any]bool, len(list)+len(patch))
	out := make([]any, 0, len(list)+len(patch))
	for _, l := range [][]any{list, patch} {
		for _, v := range l {
			if id := identity(v); !seen[id] {
				seen[id] = true
				out = append(out, v)
			}
		}
	}
	return out
}

// arrange returns list with the elements that order names in its order, the others in that of
// before, and each of these ahead of the first named one that it stood ahead of. before has
// the indices that elements had; those that are new are not in it.
func arrange(list, order []any, before map[any]int, key string) ([]any, error) {
	rank, err := rankOf(order, key)
	if err != nil {
		return nil, err
	}
	type element struct {
		v    any
		old  int // index before, -1: none
		rank int
	}
	var named, others []element
	for _, v := range list {
		id, err := elementID(v, key)
		if err != nil {
			return nil, err
		}
		e := element{v: v, old: -1}
		if i, ok := before[id]; ok {
			e.old = i
		}
		if i, ok := rank[id]; ok {
			e.rank = i
			named = append(named, e)
		} else {
			others = append(others, e)
		}
	}
	slices.SortStableFunc(named, func(a, b element) int { return a.rank - b.rank })
	// Others that are new can only be behind: no order was told, and they were appended.
	slices.SortStableFunc(others, func(a, b element) int {
		if a.old < 0 || b.old < 0 {
			return 0
		}
		return a.old - b.old
	})
	// The two sequences are woven together. A named one that is new stood nowhere, so that
	// nothing is put ahead of it.
	out := make([]any, 0, len(list))
	for _, n := range named {
		for len(others) > 0 && others[0].old >= 0 && others[0].old < n.old {
			out = append(out, others[0].v)
			others = others[1:]
		}
		out = append(out, n.v)
	}
	for _, o := range others {
		out = append(out, o.v)
	}
	return out, nil
}

// rankOf returns the index of each element by its identity, that of the first where several
// are the same.
func rankOf(list []any, key string) (map[any]int, error) {
	rank := make(map[any]int, len(list))
	for i, v := range list {
		id, err := elementID(v, key)
		if err != nil {
			return nil, err
		}
		if _, ok := rank[id]; !ok {
			rank[id] = i
		}
	}
	return rank, nil
}

// elementID returns the identity of a list's element: that of its merge key's value, or
// without a key its own. An element that does not have the key is an error.
func elementID(v any, key string) (any, error) {
	if key == "" {
		return identity(v), nil
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, wrongType("map[string]interface {}", v)
	}
	id, ok := o[key]
	if !ok {
		// The object may be long, but the end of the message is what the client needs.
		return nil, status.Unexplained(truncated(fmt.Sprintf("map: %v", o)) + " does not contain declared merge key: " + key)
	}
	return identity(id), nil
}

// identity returns a value that can be a map's key and is the same for equal values, and for
// those only.
func identity(v any) any {
	// A type of its own keeps the text of a collection apart from a string with that text.
	type text string
	switch v := v.(type) {
	case map[string]any, []any:
		return text(tree.AppendJSON(nil, v))
	case float64:
		// 53.0 and 53 are one number.
		if n := int64(v); float64(n) == v {
			return n
		}
	}
	return v
}

// elementsAreObjects reports whether the elements of the lists, at least one in all, are
// objects. They must all be of one type; lists of lists cannot be merged.
func elementsAreObjects(lists ...[]any) (bool, error) {
	first := ""
	for _, l := range lists {
		for _, v := range l {
			name := goTypeName(v)
			// Upstream answers this one with a 422 as well, and all the others with a 400.
			if _, ok := v.([]any); ok && first == "" {
				return false, patchRefused(fmt.Errorf("lists of lists are not supported"))
			}
			if first == "" {
				first = name
			}
			if name != first {
				return false, status.Unexplained(truncated(fmt.Sprintf("list element types are not identical: %v", lists)))
			}
		}
	}
	return first == goTypeName(map[string]any(nil)), nil
}

// asList returns v as a list, or upstream's error for what is none.
func asList(v any) ([]any, error) {
	l, ok := v.([]any)
	if !ok {
		return nil, wrongType("[]interface {}", v)
	}
	return l, nil
}

// wrongType returns upstream's error for a value of another Go type than it expects.
func wrongType(want string, v any) *status.Error {
	return status.Unexplained("expected a " + want + ", but received a " + goTypeName(v))
}

// goTypeName returns the name of a value's Go type, as upstream's texts have it.
func goTypeName(v any) string {
	switch v.(type) {
	case map[string]any:
		return "map[string]interface {}"
	case []any:
		return "[]interface {}"
	}
	return fmt.Sprintf("%T", v)
}
