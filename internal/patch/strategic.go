package patch

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/status"
)

// Strategic merge patch: a merge patch that knows the types. A list whose field has the
// strategy merge is merged element by element, objects by their merge key, scalars as a
// set; all other lists are replaced. Members of the patch that begin with $ are directives:
//
//	$patch: replace             the object is the rest of this one; as a list's element: the list is the other elements
//	$patch: delete              the object is empty; as a list's element: the one with this merge key goes
//	$retainKeys: [k]            the object keeps only these members
//	$setElementOrder/x: [...]   the order of list x, as elements or objects with the merge key
//	$deleteFromPrimitiveList/x  the elements that go from list x of scalars
//
// A merged list has the patch's elements in the order of $setElementOrder, or else of the
// patch. The others keep their order, each before the first of the patch's elements that
// it stood before, or at the end. So a new element comes first where nothing else is said;
// all this is upstream's.

const (
	patchDirective      = "$patch"
	retainKeysDirective = "$retainKeys"
	elementOrderPrefix  = "$setElementOrder"
	deleteFromPrefix    = "$deleteFromPrimitiveList"
)

// Strategic is doc, an object of type t, with a strategic merge patch applied.
// doc is consumed: it is changed, also where the patch fails, and it is part of the result.
// patch is neither changed nor are parts of it in the result, so it can be applied again.
// The result nests no deeper than the deeper of both. The error is a *status.Error: 400 for
// a patch that does not fit its types or directives, with upstream's text.
func Strategic(doc, patch map[string]any, t *kinds.Type) (map[string]any, error) {
	return patchFields{def: t}.merge(doc, patch)
}

// patchFields is how the members of an object are merged: as the fields of a type, or in
// a map[string]T all as one. With neither, nothing is known and it is a plain merge.
type patchFields struct {
	def    *kinds.Type
	values *kinds.Field
}

// field is nil where the type has no such field. An embedded type's fields are its own.
func (p patchFields) field(name string) *kinds.Field {
	if p.def == nil {
		return p.values
	}
	if f := p.def.ByName[name]; f != nil && !f.Inline {
		return f
	}
	for _, f := range p.def.Fields {
		if f.Inline && f.Message != nil {
			if g := (patchFields{def: f.Message}).field(name); g != nil {
				return g
			}
		}
	}
	return nil
}

// patchInside is patchFields of an object that is a field's value, or an element of it
// where the field is a list.
func patchInside(f *kinds.Field) patchFields {
	switch {
	case f == nil:
		return patchFields{}
	case f.IsMap:
		e := kinds.Field{Kind: f.Kind, IsList: f.IsList, Message: f.Message}
		return patchFields{values: &e}
	}
	return patchFields{def: f.Message}
}

// strategyOf is merge, replace or "". retainKeys tells clients what to send and nothing
// to us, who find $retainKeys or do not.
func strategyOf(f *kinds.Field) string {
	switch {
	case f == nil:
		return ""
	case strings.Contains(f.Strategy, "merge"):
		return "merge"
	case strings.Contains(f.Strategy, "replace"):
		return "replace"
	}
	return ""
}

// patchSteps is what the $ members of a patch ask for.
type patchSteps struct {
	retain   any
	retains  bool
	ordered  []string // lists with $setElementOrder
	shrunken []string // lists with $deleteFromPrimitiveList
}

// readPatchSteps finds the directives of a patch, except $patch.
func readPatchSteps(patch map[string]any) (s patchSteps, err error) {
	for k, v := range patch {
		if k == "" || k[0] != '$' {
			continue
		}
		prefix, field, slash := strings.Cut(k, "/")
		switch {
		case k == retainKeysDirective:
			s.retain, s.retains = v, true
		case strings.HasPrefix(k, elementOrderPrefix):
			if prefix != elementOrderPrefix || !slash {
				return s, status.BadRequest("invalid patch format of setElementOrder list")
			}
			s.ordered = append(s.ordered, field)
		case strings.HasPrefix(k, deleteFromPrefix):
			if prefix != deleteFromPrefix || !slash {
				return s, status.BadRequest("invalid patch format of primitive list")
			}
			s.shrunken = append(s.shrunken, field)
		}
	}
	// orders looks them up, and which of several errors is told must not depend on a map's order.
	slices.Sort(s.ordered)
	slices.Sort(s.shrunken)
	return s, nil
}

// orders reports whether the list k is one of ordered.
func (s patchSteps) orders(k string) bool {
	if len(s.ordered) == 0 {
		return false
	}
	_, ok := slices.BinarySearch(s.ordered, k)
	return ok
}

// isDirective reports whether a member is one of patchSteps.
func isDirective(key string) bool {
	return key != "" && key[0] == '$' && (key == retainKeysDirective || strings.HasPrefix(key, elementOrderPrefix) || strings.HasPrefix(key, deleteFromPrefix))
}

func (p patchFields) merge(doc, patch map[string]any) (map[string]any, error) {
	switch d, ok := patch[patchDirective]; {
	case !ok:
	case d == "replace":
		return patchedMembers(patch), nil
	case d == "delete":
		return map[string]any{}, nil
	default:
		return nil, status.BadRequest(shownPart(fmt.Sprintf("unknown patch type: %v in map: %v", d, patch)))
	}
	steps, err := readPatchSteps(patch)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		doc = make(map[string]any, len(patch))
	}
	if steps.retains {
		if err := retainKeys(doc, patch, steps.retain); err != nil {
			return nil, err
		}
	}
	for _, k := range steps.ordered {
		if err := p.mergeOrdered(doc, patch, k); err != nil {
			return nil, err
		}
	}
	for k, v := range patch {
		if isDirective(k) || steps.orders(k) {
			continue
		}
		if err := p.mergeMember(doc, k, v); err != nil {
			return nil, err
		}
	}
	for _, k := range steps.shrunken {
		if err := deleteScalars(doc, k, patch[deleteFromPrefix+"/"+k]); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// mergeMember merges one member of a patch into doc.
func (p patchFields) mergeMember(doc map[string]any, k string, v any) error {
	var err error
	switch v := v.(type) {
	case nil:
		delete(doc, k)
		return nil
	case map[string]any:
		if o, ok := doc[k].(map[string]any); ok {
			doc[k], err = mergeObjectField(o, v, p.field(k))
			return err
		}
	case []any:
		if l, ok := doc[k].([]any); ok {
			doc[k], err = mergeListField(l, v, p.field(k))
			return err
		}
	}
	if v, ok := patchedValue(v); ok {
		doc[k] = v
	} else {
		delete(doc, k) // the value is a directive, and there is nothing to do it to
	}
	return nil
}

func mergeObjectField(doc, patch map[string]any, f *kinds.Field) (map[string]any, error) {
	switch {
	case strategyOf(f) == "replace":
		return patchedMembers(patch), nil
	case f != nil && f.Kind == kinds.FieldRaw && !f.IsMap:
		return Merge(doc, patch), nil // what is in there has no types
	}
	return patchInside(f).merge(doc, patch)
}

func mergeListField(doc, patch []any, f *kinds.Field) ([]any, error) {
	if strategyOf(f) != "merge" {
		return patchedList(patch), nil
	}
	return mergeList(doc, patch, f)
}

// retainKeys takes away the members of doc that are not in the list. What the patch sets
// must be in it.
func retainKeys(doc, patch map[string]any, retain any) error {
	bad := status.BadRequest("invalid patch format of retainKeys")
	list, ok := retain.([]any)
	if !ok {
		return bad
	}
	keep := make(map[string]bool, len(list))
	for _, v := range list {
		k, ok := v.(string)
		if !ok {
			return bad
		}
		keep[k] = true
	}
	for k, v := range patch {
		if v != nil && !keep[k] && !isDirective(k) {
			return bad
		}
	}
	for k := range doc {
		if !keep[k] {
			delete(doc, k)
		}
	}
	return nil
}

// What a patch brings that was not there: a copy of it without its directives and nulls.

// patchedValue is false for an object with $patch, which brings nothing.
func patchedValue(v any) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[patchDirective]; ok {
			return nil, false
		}
		return patchedMembers(v), true
	case []any:
		return patchedList(v), true
	}
	return v, true
}

func patchedMembers(o map[string]any) map[string]any {
	out := make(map[string]any, len(o))
	for k, v := range o {
		if v == nil || k == patchDirective || isDirective(k) {
			continue
		}
		if v, ok := patchedValue(v); ok {
			out[k] = v
		}
	}
	return out
}

func patchedList(l []any) []any {
	out := make([]any, 0, len(l))
	for _, v := range l {
		if v, ok := patchedValue(v); ok {
			out = append(out, v)
		}
	}
	return out
}
