package schema

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Validate says what the schema has against obj, in upstream's words; nil is nothing.
// Where old is not nil, what is wrong with a part of obj that is equal to the same part of
// old is tolerated: fields correspond by name, items of a list that is a map by their keys,
// other items and the fields of atomic maps not at all.
func (s *Schema) Validate(obj, old map[string]any) []field.Error {
	return s.root.faults("", obj, old, old != nil)
}

// validateStatus is validate of the part that a write of the status subresource can
// change.
func (s *Schema) validateStatus(obj, old map[string]any) []field.Error {
	status, there := obj["status"]
	n, _ := s.root.child("status")
	if !there || n == nil {
		return nil
	}
	was, had := old["status"]
	return n.faults("status", status, was, had)
}

// faults is what is wrong with v, which is at base in its object.
func (n *schemaNode) faults(base string, v, old any, had bool) []field.Error {
	q := schemaCheck{left: schemaMaxSteps}
	switch {
	case q.node(n, v):
		return nil
	case q.left < 0:
		return []field.Error{tooComplex()}
	}
	f := newFaults()
	f.base = base
	f.whole(n, v, old, had)
	switch {
	case len(f.errs) > 0:
		return f.errs
	case f.left < 0:
		return []field.Error{tooComplex()}
	}
	return nil
}

func tooComplex() field.Error {
	return field.Invalid(field.None, "", "the object is too complex to be validated: it and the alternatives of its schema multiply")
}

// schemaCheck answers whether values obey: no paths, no messages, nothing allocated.
type schemaCheck struct{ left int }

func (q *schemaCheck) node(n *schemaNode, v any) bool {
	if q.left--; q.left < 0 {
		return false
	}
	r := n.rules
	if v == nil {
		// Null has a type and may be in no enum; nothing else is asked of it.
		return (n.types == 0 || n.nullable) && (r == nil || r.enum == nil)
	}
	if !n.typeOK(v) {
		return false
	}
	switch v := v.(type) {
	case string:
		if r != nil && !r.textOK(v) {
			return false
		}
	case int64:
		if r != nil && !r.intOK(v, n.types) {
			return false
		}
	case float64:
		if !r.floatOK(v, n.types) {
			return false
		}
	case []any:
		if !q.list(n, v) {
			return false
		}
	case map[string]any:
		if !q.object(n, v) {
			return false
		}
	}
	return r == nil || (r.enum == nil || r.inEnum(v)) && q.junctors(r, v)
}

// typeOK says whether v, which is not null, has a type of n.
func (n *schemaNode) typeOK(v any) bool {
	var t schemaTypes
	switch v := v.(type) {
	case string:
		t = typeString
	case int64:
		t = typeInteger | typeNumber
	case float64:
		if t = typeNumber; isWhole(v) {
			t |= typeInteger
		}
	case bool:
		t = typeBoolean
	case []any:
		t = typeArray
	case map[string]any:
		t = typeObject
	default:
		return false
	}
	if n.types != 0 {
		return n.types&t != 0
	}
	// A format implies that the value is a string.
	return n.rules == nil || n.rules.format == "" || t == typeString || t == typeArray
}

func (r *schemaRules) textOK(s string) bool {
	return !r.tooLong(s) && !r.tooShort(s) && (r.pattern == nil || r.pattern.MatchString(s)) && (r.formatOK == nil || r.formatOK(s))
}

// tooLong and tooShort count characters, and only where the bytes leave it open.
func (r *schemaRules) tooLong(s string) bool {
	return r.maxLength >= 0 && int64(len(s)) > r.maxLength && int64(utf8.RuneCountInString(s)) > r.maxLength
}

func (r *schemaRules) tooShort(s string) bool {
	return int64(len(s)) < r.minLength || int64(len(s)) < r.minLength*utf8.UTFMax && int64(utf8.RuneCountInString(s)) < r.minLength
}

func (r *schemaRules) intOK(i int64, types schemaTypes) bool {
	return r.badBounds == nil && intInRange(i, types, r.format) && r.aboveMinimum(i) && r.belowMaximum(i) && r.isMultiple(i)
}

func (r *schemaRules) floatOK(f float64, types schemaTypes) bool {
	if r == nil {
		return numberInRange(f, types, "")
	}
	return r.badBounds == nil && numberInRange(f, types, r.format) && r.aboveMinimum(f) && r.belowMaximum(f) && r.isMultiple(f)
}

func (r *schemaRules) aboveMinimum(v any) bool {
	if r.minimum == nil {
		return true
	}
	c := compareNumber(v, *r.minimum)
	return c > 0 || c == 0 && !r.above
}

func (r *schemaRules) belowMaximum(v any) bool {
	if r.maximum == nil {
		return true
	}
	c := compareNumber(v, *r.maximum)
	return c < 0 || c == 0 && !r.below
}

// compareNumber compares an int64 or a float64 with a bound, without losing digits.
func compareNumber(v any, bound float64) int {
	i, whole := v.(int64)
	if !whole {
		switch f, _ := v.(float64); {
		case f < bound:
			return -1
		case f > bound:
			return 1
		}
		return 0
	}
	switch {
	case bound >= 1<<63:
		return -1
	case bound < -1<<63:
		return 1
	}
	switch b := int64(bound); {
	case i < b:
		return -1
	case i > b:
		return 1
	}
	switch fraction := bound - math.Trunc(bound); {
	case fraction > 0:
		return -1
	case fraction < 0:
		return 1
	}
	return 0
}

func (r *schemaRules) isMultiple(v any) bool {
	if r.multiple == nil {
		return true
	}
	factor := *r.multiple
	if factor <= 0 {
		return false
	}
	if i, ok := v.(int64); ok && isWhole(factor) {
		return i%int64(factor) == 0
	}
	f, _ := tree.Float(v)
	if factor < 1 {
		return nearlyWhole(1 / factor * f)
	}
	return nearlyWhole(f / factor)
}

// nearlyWhole forgives what dividing costs.
func nearlyWhole(f float64) bool {
	if math.IsNaN(f) || math.Abs(f) > 1<<53-1 {
		return false
	}
	diff := math.Abs(f - math.Round(f))
	return diff == 0 || diff < 1e-9*math.Max(1, math.Abs(f))
}

func intInRange(i int64, types schemaTypes, format string) bool {
	return types != typeInteger || format != "int32" || i == int64(int32(i))
}

// numberInRange says whether a type and its format have the number.
func numberInRange(f float64, types schemaTypes, format string) bool {
	switch {
	case types == typeInteger && format == "int32":
		return f == math.Trunc(f) && math.Abs(f) <= 1<<31 && f != 1<<31
	case types == typeInteger:
		return f == math.Trunc(f) && f >= -1<<63 && f < 1<<63
	case types == typeNumber && format == "float":
		return math.Abs(f) <= math.MaxFloat32
	}
	return true
}

func (r *schemaRules) inEnum(v any) bool {
	if s, ok := v.(string); ok {
		for _, e := range r.enum {
			if t, ok := e.(string); ok && t == s {
				return true
			}
		}
		return false
	}
	for _, e := range r.enum {
		if tree.Equal(v, e) {
			return true
		}
	}
	return false
}

func (q *schemaCheck) list(n *schemaNode, list []any) bool {
	if r := n.rules; r != nil {
		if size := int64(len(list)); size < r.minItems || r.maxItems >= 0 && size > r.maxItems {
			return false
		}
	}
	if n.items != nil {
		for _, e := range list {
			if !q.node(n.items, e) {
				return false
			}
		}
	}
	return n.list == listAtomic || !n.hasDuplicates(list)
}

func (q *schemaCheck) object(n *schemaNode, o map[string]any) bool {
	r := n.rules
	if r != nil {
		if size := int64(len(o)); size < r.minProperties || r.maxProperties >= 0 && size > r.maxProperties {
			return false
		}
		for _, name := range r.required {
			if _, there := o[name]; !there {
				return false
			}
		}
	}
	if n.embedded && !embeddedOK(o) {
		return false
	}
	if n.fields == nil && n.additional == nil && n.extra != extraForbidden {
		return true
	}
	if n.additional == nil && !n.sparse(len(o)) {
		found := 0
		for i := range n.order {
			f := &n.order[i]
			e, there := o[f.name]
			if !there {
				continue
			}
			if found++; !q.node(f.node, e) {
				return false
			}
		}
		return found == len(o) || n.extra != extraForbidden
	}
	for name, e := range o {
		child := n.fields[name]
		if child == nil {
			if n.extra == extraForbidden {
				return false
			}
			if child = n.additional; child == nil {
				continue
			}
		}
		if !q.node(child, e) {
			return false
		}
	}
	return true
}

func (q *schemaCheck) junctors(r *schemaRules, v any) bool {
	for _, n := range r.all {
		if !q.node(n, v) {
			return false
		}
	}
	if r.any != nil && !slices.ContainsFunc(r.any, func(n *schemaNode) bool { return q.node(n, v) }) {
		return false
	}
	if r.one != nil {
		valid := 0
		for _, n := range r.one {
			if q.node(n, v) {
				valid++
			}
		}
		if valid != 1 {
			return false
		}
	}
	return (r.not == nil || !q.node(r.not, v)) && q.left >= 0
}

// hasDuplicates says whether a list that is a set or a map breaks that.
func (n *schemaNode) hasDuplicates(list []any) bool {
	if n.list == listMap {
		for _, e := range list {
			if _, ok := e.(map[string]any); !ok && e != nil {
				return true
			}
		}
	}
	if len(list) <= 12 {
		for i, e := range list {
			for _, before := range list[:i] {
				if n.same(e, before) {
					return true
				}
			}
		}
		return false
	}
	return len(n.duplicates(list)) > 0
}

// same says whether two items are the same member of a set or a map.
func (n *schemaNode) same(a, b any) bool {
	if n.list == listSet {
		return tree.Equal(a, b)
	}
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	for _, k := range n.keys {
		v, inX := x[k]
		w, inY := y[k]
		if inX != inY || !tree.Equal(v, w) {
			return false
		}
	}
	return true
}

// identity is a text that two items share only if they are the same.
func (n *schemaNode) identity(b []byte, e any) []byte {
	if n.list == listSet {
		return tree.AppendJSON(b, e)
	}
	o, _ := e.(map[string]any)
	for _, k := range n.keys {
		if v, there := o[k]; there {
			b = tree.AppendJSON(b, v)
		}
		b = append(b, ',')
	}
	return b
}

// duplicates is the indexes of items that were there before, of each item the first such.
func (n *schemaNode) duplicates(list []any) (indexes []int) {
	if len(list) < 2 {
		return nil
	}
	seen := make(map[string]int, len(list))
	var id []byte
	for i, e := range list {
		id = n.identity(id[:0], e)
		times := seen[string(id)]
		seen[string(id)] = times + 1
		if times == 1 {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// embeddedOK says whether o can be a resource inside another.
func embeddedOK(o map[string]any) bool {
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	if version == "" || strings.Count(version, "/") > 1 || !isKindName(kind) {
		return false
	}
	metadata, there := o["metadata"]
	_, isObject := metadata.(map[string]any)
	return !there || isObject
}

// isKindName says whether s, in lower case, is a DNS label of RFC 1035.
func isKindName(s string) bool {
	for i := range len(s) {
		switch c := s[i] | 0x20; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '-' && i < len(s)-1):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 63
}
