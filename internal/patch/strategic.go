package patch

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
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
// it stood before, or at the end. So a new element comes first where nothing else is said:
//
//	containers [a b], patch [c]     [c a b]
//	containers [a b], patch [b c]   [a b c]
//
// All this is upstream's, also the refusals: a directive in a place where it means nothing
// is an error with the code and the text of upstream, if that refuses it, and else is left out.
// This file has the members of objects, and list.go has the elements of lists.

// The names of directives, the last two with a slash and the name of a list behind them.
const (
	patchDirective      = "$patch"
	retainKeysDirective = "$retainKeys"
	elementOrderPrefix  = "$setElementOrder"
	deleteFromPrefix    = "$deleteFromPrimitiveList"
)

// Strategic returns doc, an object of type t, with a strategic merge patch applied. doc is
// consumed: it is changed, also where the patch fails, and it is part of the result. patch is
// neither changed nor are parts of it in the result, so it can be applied again. The result
// nests no deeper than the deeper of both. Where t is nil nothing is known of the fields, and
// lists are replaced. The error is a *status.Error: 400 for directives that are not formed
// as they must be, and upstream's bare 500 for a patch that does not fit its types or directives
// otherwise, both with upstream's text.
func Strategic(doc, patch map[string]any, t *kinds.Type) (map[string]any, error) {
	return fieldRules{def: t}.merge(doc, patch)
}

// fieldRules says how the members of an object are merged. An object of a type has a rule for
// each field, in def. In a map[string]T the keys are the client's and one rule holds for all
// of them, in values: the containers of {"a":{…},"b":{…}} are merged as containers, and not
// as fields called a and b. With neither, nothing is known and it is a plain merge.
type fieldRules struct {
	def    *kinds.Type
	values *kinds.Field
}

// field returns the field of that name, nil where the type has none. The fields of an
// embedded type are members of the same object.
func (p fieldRules) field(name string) *kinds.Field {
	if p.def == nil {
		return p.values
	}
	if f := p.def.ByName[name]; f != nil && !f.Inline {
		return f
	}
	for _, f := range p.def.Fields {
		if f.Inline && f.Message != nil {
			if g := (fieldRules{def: f.Message}).field(name); g != nil {
				return g
			}
		}
	}
	return nil
}

// rulesInside returns the rules of an object that is a field's value, or an element of it
// where the field is a list.
func rulesInside(f *kinds.Field) fieldRules {
	switch {
	case f == nil:
		return fieldRules{}
	case f.IsMap:
		// A value of the map is one of the field without the map around it; strategies are
		// those of the map, and do not go on.
		e := kinds.Field{Kind: f.Kind, IsList: f.IsList, Message: f.Message}
		return fieldRules{values: &e}
	}
	return fieldRules{def: f.Message}
}

// strategyOf returns merge, replace or "". The strategy retainKeys tells clients to send
// $retainKeys, which is done wherever it is found; so it means nothing here.
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

// merge returns doc with a patch of the same object applied. The order of the steps is
// upstream's, and can be seen in results: what a list is to lose by $deleteFromPrimitiveList
// goes even where the same patch adds it.
func (p fieldRules) merge(doc, patch map[string]any) (map[string]any, error) {
	switch d, ok := patch[patchDirective]; {
	case !ok:
	case d == "replace":
		return cleanObject(patch), nil
	case d == "delete":
		return map[string]any{}, nil
	default:
		return nil, status.Unexplained(truncated(fmt.Sprintf("unknown patch type: %v in map: %v", d, patch)))
	}
	steps, err := readDirectives(patch)
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
	// Lists with an order are merged and ordered at once, and so are not among the members
	// below.
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
	for _, k := range steps.deleteFrom {
		if err := deleteScalars(doc, k, patch[deleteFromPrefix+"/"+k]); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// directives is what the $ members of a patch ask for, except $patch.
type directives struct {
	retain     any
	retains    bool
	ordered    []string // lists with $setElementOrder, sorted
	deleteFrom []string // lists with $deleteFromPrimitiveList, sorted
}

// readDirectives finds the directives of a patch. A prefix without the name of a list, or
// with more behind it than that, is an error.
func readDirectives(patch map[string]any) (s directives, err error) {
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
			s.deleteFrom = append(s.deleteFrom, field)
		}
	}
	// orders looks them up, and which of several errors is told must not depend on a map's
	// order.
	slices.Sort(s.ordered)
	slices.Sort(s.deleteFrom)
	return s, nil
}

// orders reports whether the list k has a $setElementOrder.
func (s directives) orders(k string) bool {
	if len(s.ordered) == 0 {
		return false
	}
	_, ok := slices.BinarySearch(s.ordered, k)
	return ok
}

// isDirective reports whether a member of a patch is a directive other than $patch. Other
// names with a $ are fields: a JSON schema has $ref.
func isDirective(key string) bool {
	return key != "" && key[0] == '$' &&
		(key == retainKeysDirective || strings.HasPrefix(key, elementOrderPrefix) || strings.HasPrefix(key, deleteFromPrefix))
}

// retainKeys takes away the members of doc that are not in the list retain. What the patch
// sets must be in it, so that a client does not take away what it has just sent.
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
		// A null deletes, which agrees with the member not being kept.
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

// mergeMember merges one member of a patch into doc. Where doc has a value of another sort,
// or none, the patch's replaces it.
func (p fieldRules) mergeMember(doc map[string]any, k string, v any) error {
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
	if v, ok := cleanValue(v); ok {
		doc[k] = v
	} else {
		// The value is a directive, and there is nothing to do it to.
		delete(doc, k)
	}
	return nil
}

// mergeObjectField merges an object of a patch into the one that is there; f is the field
// that holds them, nil for an unknown one.
func mergeObjectField(doc, patch map[string]any, f *kinds.Field) (map[string]any, error) {
	switch {
	case strategyOf(f) == "replace":
		// With nulls and directives, which then are what the object has (upstream).
		return tree.Copy(patch).(map[string]any), nil
	case f != nil && f.Kind == kinds.FieldRaw && !f.IsMap:
		// Nothing is known of what is in there; a $patch in it may be somebody's data.
		if name := unknownMember(doc, patch); name != "" && f.Component != "" {
			typ := strings.TrimSuffix(f.Component[strings.LastIndexByte(f.Component, '.')+1:], "{}")
			return nil, status.Unexplained("unable to find api field in struct " + typ + " for the json field " + strconv.Quote(name))
		}
		return Merge(doc, patch), nil
	}
	return rulesInside(f).merge(doc, patch)
}

// unknownMember returns the first member that would have to be merged by a type, "" for none: both have
// an object there, or a list. Upstream cannot, where nothing says what type that is.
func unknownMember(doc, patch map[string]any) string {
	for _, k := range slices.Sorted(maps.Keys(patch)) {
		_, object := patch[k].(map[string]any)
		_, wasObject := doc[k].(map[string]any)
		_, list := patch[k].([]any)
		_, wasList := doc[k].([]any)
		if object && wasObject || list && wasList {
			return k
		}
	}
	return ""
}

// mergeListField merges a list of a patch into the one that is there, or replaces that.
func mergeListField(doc, patch []any, f *kinds.Field) ([]any, error) {
	if strategyOf(f) != "merge" {
		return cleanList(patch), nil
	}
	return mergeList(doc, patch, f)
}

// What a patch brings that was not there is cleaned: it is copied, without nulls and
// directives, which speak of something to merge with.

// cleanValue returns a clean copy of v. It is false for an object with $patch: that brings
// nothing.
func cleanValue(v any) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[patchDirective]; ok {
			return nil, false
		}
		return cleanObject(v), true
	case []any:
		return cleanList(v), true
	}
	return v, true
}

// cleanObject returns a copy of o with what its members bring. A $patch of its own is left
// out: the caller has done it.
func cleanObject(o map[string]any) map[string]any {
	out := make(map[string]any, len(o))
	for k, v := range o {
		if v == nil || k == patchDirective || isDirective(k) {
			continue
		}
		if v, ok := cleanValue(v); ok {
			out[k] = v
		}
	}
	return out
}

// cleanList returns a copy of l with what its elements bring. Nulls stay: they hold the
// places of others.
func cleanList(l []any) []any {
	out := make([]any, 0, len(l))
	for _, v := range l {
		if v, ok := cleanValue(v); ok {
			out = append(out, v)
		}
	}
	return out
}
