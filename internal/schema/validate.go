package schema

import (
	"slices"
	"strings"
	"unicode/utf8"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Validation says whether an object obeys the schema, and if not, why. The two answers come from
// two walks. schemaCheck, in this file, answers yes or no and allocates nothing; nearly all
// objects are good, and for them that is all. An object that is not good is walked again by faults
// (faults.go), which makes upstream's errors in upstream's order. The walks must agree on what
// is good; a test holds them against each other on random schemas and objects.
//
// An update is judged less strictly than a create: what is wrong with a part that the update does
// not touch is tolerated (upstream calls it ratcheting), so that an object stays writable after
// its CRD became stricter. Only the second walk knows about that, because an old object matters
// only when the new one has something wrong.
//
// Both walks count their steps. Alternatives inside of alternatives multiply, and a client
// chooses both the schema and the object; one that would take too long is refused.

// Validate returns what is wrong with obj, in upstream's words and order, or nil. old is the object
// that obj replaces, nil on a create: what is wrong with a part of obj that is equal to the
// corresponding part of old is tolerated. Fields correspond by name, items of a list of type
// map by their keys; items of other lists correspond to nothing, nor does anything inside of an
// alternative.
// obj and old are only read. apiVersion, kind and metadata of obj itself are not looked at
// beyond what the schema says of them. more are errors of the caller's own checks of values, which
// stand behind those of the schema.
func (s *Schema) Validate(obj, old map[string]any, more ...field.Error) []field.Error {
	return s.validate(obj, more, func(f *faults) {
		f.value(s.root, obj, old, old != nil)
		f.addAll(more)
		f.embedded(s.root, obj)
		f.members(s.root, obj, old, old != nil)
	})
}

// ValidateStatus is Validate for a write of the status alone, of which upstream validates less: the
// status, whose path is left out of messages, and no embedded resources; but the members of all
// lists of obj, since the schema may have changed.
func (s *Schema) ValidateStatus(obj, old map[string]any, more ...field.Error) []field.Error {
	return s.validate(obj, more, func(f *faults) {
		if n, given := s.root.fields["status"], obj["status"]; n != nil && hasField(obj, "status") {
			f.base = "status"
			f.value(n, given, old["status"], hasField(old, "status"))
			f.base = ""
		}
		f.addAll(more)
		f.members(s.root, obj, old, true)
	})
}

// hasField reports whether o has a field, be it null.
func hasField(o map[string]any, name string) bool {
	_, there := o[name]
	return there
}

// validate returns more alone if nothing is wrong with obj, and else what collect finds.
func (s *Schema) validate(obj map[string]any, more []field.Error, collect func(*faults)) []field.Error {
	q := schemaCheck{left: schemaMaxSteps, metadata: s.MetadataErrors}
	switch {
	case q.node(s.root, obj):
		return more
	case q.left < 0:
		return []field.Error{tooComplex()}
	}
	f := newFaults()
	f.metadata = s.MetadataErrors
	collect(f)
	switch {
	case len(f.errs) > 0:
		return f.errs
	case f.left < 0:
		// Nothing was found before the steps ran out: that is no proof of anything.
		return []field.Error{tooComplex()}
	}
	return nil
}

// tooComplex is the error for what was not validated because it would take too long. It is ours:
// upstream has no such limit.
func tooComplex() field.Error {
	const detail = "the object is too complex to be validated: it and the alternatives of its schema multiply"
	return field.Invalid(field.None, "", detail)
}

// schemaCheck answers whether values obey schemas. It makes no paths and no messages, and
// allocates nothing but for lists whose members must differ. left counts down the pairs of a
// value and a schema; when it is negative every further answer is no, and means nothing.
type schemaCheck struct {
	left int
	// metadata is Schema.MetadataErrors; nil where metadata are not looked into.
	metadata func(string, map[string]any) []field.Error
}

// node reports whether v obeys n. The cheap questions come first: the type, then the rules for that
// type, and alternatives last.
func (q *schemaCheck) node(n *schemaNode, v any) bool {
	if q.left--; q.left < 0 {
		return false
	}
	r := n.rules
	if v == nil {
		// Upstream asks two things of null, whatever else there is: whether it is allowed, and
		// whether there is an enum, which null is never a member of.
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
		// Asked even without rules: a whole float64 may be beyond what an integer holds.
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

// typeOK reports whether v, which is not null, is of a type of n. A number without a fraction is an
// integer however it is written: 1.0 is one, and so is 1.00000000001, whose range is then wrong.
func (n *schemaNode) typeOK(v any) bool {
	var t schemaTypes
	switch v := v.(type) {
	case string:
		t = typeString
	case int64:
		t = typeInteger | typeNumber
	case float64:
		if t = typeNumber; nearlyWhole(v) {
			t |= typeInteger
		}
	case bool:
		t = typeBoolean
	case []any:
		t = typeArray
	case map[string]any:
		t = typeObject
	default:
		// Not JSON: a defaultOverflow, which is of no type.
		return false
	}
	hasFormat := n.rules != nil && n.rules.format != ""
	// Where a format of texts is wanted lists pass, whatever the type is, because upstream leaves them
	// to the check of the format, which leaves them alone.
	if t == typeArray && hasFormat && n.types&(typeInteger|typeNumber) == 0 {
		return true
	}
	if n.types != 0 && n.types != typeOther {
		return n.types&t != 0
	}
	// Without a type, or with one that does not exist, a format says that the value is a text.
	return !hasFormat && n.types == 0 || hasFormat && t == typeString
}

// textOK reports whether a text obeys the rules for texts. The lengths are asked first, so that a
// pattern or a format never sees a text that is longer than it may be.
func (r *schemaRules) textOK(s string) bool {
	return !r.tooLong(s) && !r.tooShort(s) &&
		(r.pattern == nil || r.pattern.MatchString(s)) && (r.formatOK == nil || r.formatOK(s))
}

// tooLong reports whether a text has more characters than maxLength. It counts them only where the
// number of bytes leaves it open: a text has at most as many characters as bytes.
func (r *schemaRules) tooLong(s string) bool {
	return r.maxLength >= 0 && int64(len(s)) > r.maxLength && int64(utf8.RuneCountInString(s)) > r.maxLength
}

// tooShort reports whether a text has fewer characters than minLength. It counts them only where the
// number of bytes leaves it open: no character has more than four.
func (r *schemaRules) tooShort(s string) bool {
	if int64(len(s)) < r.minLength {
		return true
	}
	return int64(len(s)) < r.minLength*utf8.UTFMax && int64(utf8.RuneCountInString(s)) < r.minLength
}

// inEnum reports whether v is a value of the enum.
func (r *schemaRules) inEnum(v any) bool {
	// Enums are nearly always of texts, which need no comparison of trees.
	if s, ok := v.(string); ok {
		for _, e := range r.enum {
			if t, ok := e.(string); ok && t == s {
				return true
			}
		}
		return false
	}
	for _, e := range r.enum {
		if isMember(v, e) {
			return true
		}
	}
	return false
}

// isMember reports whether v is the value e of an enum. A number is converted to the type of e before,
// as Go converts it (upstream): 1.9 is 1, and 97 is "a". Numbers inside of objects and lists are not.
func isMember(v, e any) bool {
	switch n := v.(type) {
	case int64:
		switch e := e.(type) {
		case float64:
			return float64(n) == e
		case string:
			return n == int64(rune(n)) && string(rune(n)) == e
		}
	case float64:
		if e, ok := e.(int64); ok {
			return int64(n) == e
		}
	}
	return tree.Identical(v, e)
}

// list reports whether a list and its items obey n.
func (q *schemaCheck) list(n *schemaNode, list []any) bool {
	// The size first: it is known without looking at the items. A minimum of -1 is below any size.
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

// object reports whether an object and its fields obey n.
func (q *schemaCheck) object(n *schemaNode, o map[string]any) bool {
	if r := n.rules; r != nil {
		if size := int64(len(o)); size < r.minProperties || r.maxProperties >= 0 && size > r.maxProperties {
			return false
		}
		for _, name := range r.required {
			if _, there := o[name]; !there {
				return false
			}
		}
	}
	if n.embedded && !(embeddedOK(o) && q.metadataOK(o)) {
		return false
	}
	if n.fields == nil && n.additional == nil && n.extra != extraForbidden {
		// Any fields are good: nothing to look at.
		return true
	}
	// The two ways are those of pruning and defaulting: through the schema's fields, if they are
	// few and no others matter, else through the object's.
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
		// More fields than were found are others, of which only "forbidden" says something.
		return found == len(o) || n.extra != extraForbidden
	}
	for name, e := range o {
		child, _ := n.child(name)
		if child == nil {
			// Unknown fields pass: pruning has removed them, or they are preserved.
			if n.extra == extraForbidden {
				return false
			}
			continue
		}
		if !q.node(child, e) {
			return false
		}
	}
	return true
}

// junctors reports whether v obeys allOf, anyOf, oneOf and not.
func (q *schemaCheck) junctors(r *schemaRules, v any) bool {
	for _, n := range r.allOf {
		if !q.node(n, v) {
			return false
		}
	}
	if r.anyOf != nil && !slices.ContainsFunc(r.anyOf, func(n *schemaNode) bool { return q.node(n, v) }) {
		return false
	}
	if r.oneOf != nil {
		// All are tried: a second one that holds is as wrong as none.
		valid := 0
		for _, n := range r.oneOf {
			if q.node(n, v) {
				valid++
			}
		}
		if valid != 1 {
			return false
		}
	}
	// When the steps run out inside of not, its no would become a yes here.
	return (r.not == nil || !q.node(r.not, v)) && q.left >= 0
}

// embeddedOK reports whether o can be a resource inside of another: it has an apiVersion of at most
// two parts, a kind that could be the name of one, and metadata, if any, that is an object.
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

// metadataOK reports whether the metadata of an embedded resource, which are an object if they are
// there, are good.
func (q *schemaCheck) metadataOK(o map[string]any) bool {
	m := tree.Object(o, "metadata")
	return len(m) == 0 || q.metadata == nil || len(q.metadata("", m)) == 0
}

// isKindName reports whether s, with its letters in lower case, is a DNS label of RFC 1035. It makes
// no copy in lower case, which is what it has ahead of the rule in package field.
func isKindName(s string) bool {
	for i := range len(s) {
		// Setting bit 0x20 makes a capital letter a small one and no other byte a letter.
		switch c := s[i] | 0x20; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '-' && i < len(s)-1):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 63
}
