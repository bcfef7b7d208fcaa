package fieldset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// An Element is one step of a path: the field of a map, or an element of a list, which is told apart by some of its
// fields, by what it is, or by its place. It is held as FieldsV1 writes it, without the letter before the colon; what is
// equal is therefore written alike, and == compares.
//
//	FieldsV1                     Element                  in messages
//	f:spec                       Field(`spec`)            .spec
//	k:{"port":80,"name":"a"}     Key(`{"name":"a","p...`) [name="a",port=80]
//	v:"x"                        Value(`"x"`)             [="x"]
//	i:0                          Index(0)                 [0]
//
// Numbers are the one thing that has several texts. Upstream reads each of FieldsV1 as a float64, and so do we: 1.0 is
// written 1, and -0 is 0.

// Kind is the sort of an Element. The zero value is Any, which stands in patterns alone and is met by each element.
type Kind uint8

// The kinds, in the order that elements have beside each other.
const (
	Any Kind = iota
	FieldKind
	KeyKind
	ValueKind
	IndexKind
)

// Element is one step of a path. Two are the same if they are ==.
type Element struct {
	text string
	kind Kind
}

// Field returns the step into the field of that name.
func Field(name string) Element { return Element{name, FieldKind} }

// Key returns the step into the element of a list that has the fields of key, which is JSON in the form that FieldsV1
// has: sorted, without white space.
func Key(key string) Element { return Element{key, KeyKind} }

// Value returns the step into the element of a list that is v, a scalar.
func Value(v any) Element {
	if s, ok := v.(string); ok {
		return Element{string(tree.AppendJSONString(make([]byte, 0, len(s)+8), s)), ValueKind}
	}
	return Element{string(appendValue(nil, v)), ValueKind}
}

// Index returns the step into the element of a list at that place.
func Index(i int) Element { return Element{strconv.Itoa(i), IndexKind} }

// Kind returns the sort of e.
func (e Element) Kind() Kind { return e.kind }

// Text returns what e says: the name of a field, the JSON of a key or a value, the digits of an index.
func (e Element) Text() string { return e.text }

// Compare orders elements as FieldsV1 has them: by kind, then names by their bytes, keys field by field, values numbers
// first, then texts, booleans, and what no schema allows in such a place.
func (e Element) Compare(o Element) int {
	if e.kind != o.kind {
		return cmp.Compare(e.kind, o.kind)
	}
	if e.text == o.text {
		return 0
	}
	switch e.kind {
	case KeyKind:
		return compareKeys(e.text, o.text)
	case ValueKind, IndexKind:
		return compareValues(e.text, o.text)
	}
	return strings.Compare(e.text, o.text)
}

// String returns e as messages show it.
func (e Element) String() string {
	switch e.kind {
	case FieldKind:
		return "." + e.text
	case IndexKind:
		return "[" + e.text + "]"
	case ValueKind:
		return "[=" + showValue(e.text) + "]"
	case KeyKind:
		var b strings.Builder
		sep := byte('[')
		eachField(e.text, func(name, value string) {
			b.WriteByte(sep)
			b.WriteString(unquote(name) + "=" + showValue(value))
			sep = ','
		})
		if sep == '[' {
			b.WriteByte('[')
		}
		return b.String() + "]"
	}
	return "*"
}

// KeyOf returns the step to item among the elements of a list which are told apart by the fields keys, or as a whole
// where there are none. A field that is absent counts as what items, the place of the elements, has for a default, and
// does not count where there is none. The error is upstream's, and fit for the client.
func KeyOf(item any, keys []string, items Schema) (Element, error) {
	if len(keys) == 0 {
		switch item.(type) {
		case map[string]any:
			return Element{}, errors.New("associative list without keys has an element that's a map type")
		case []any:
			return Element{}, errors.New("not supported: associative list with lists as elements")
		case nil:
			return Element{}, errors.New("associative list without keys has an element that's an explicit null")
		}
		return Value(item), nil
	}
	m, ok := item.(map[string]any)
	if item == nil {
		return Element{}, errors.New("associative list with keys may not have a null element")
	} else if !ok {
		return Element{}, errors.New("associative list with keys may not have non-map elements")
	}
	// A key has its fields in the order of their names.
	var room [4]string
	// The schema's own slice is shared by all, and never sorted in place.
	names := append(room[:0], keys...)
	slices.Sort(names)
	buf := make([]byte, 0, 64)
	for _, name := range names {
		v, ok := m[name]
		if !ok {
			def, err := defaultOf(items, name)
			if err != nil {
				return Element{}, fmt.Errorf("couldn't find default value for %v: %v", name, err)
			}
			// Upstream leaves out such a field, so an element is known by the keys that it has, as long as there is one.
			if v = def; v == nil {
				continue
			}
		}
		buf = appendField(buf, name, v)
	}
	if len(buf) == 0 {
		return Element{}, fmt.Errorf("associative list with keys has an element that omits all key fields %q "+
			"(and doesn't have default values for any key fields)", keys)
	}
	return Key(string(append(buf, '}'))), nil
}

// defaultOf returns the default of a field of the elements of a list, nil for none.
func defaultOf(items Schema, name string) (any, error) {
	if items == nil || items.Atom().Map == NoMap {
		return nil, errors.New("associative list may not have non-map types")
	}
	if field, named := items.Field(name); named {
		return field.Default(), nil
	}
	return nil, nil
}
