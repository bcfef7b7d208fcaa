package kinds

import (
	"strings"

	"apichain/internal/fieldset"
)

// How objects of built-in kinds are owned: a type and its fields as a fieldset.Schema. Upstream makes that of OpenAPI v3,
// whose extensions and defaults the rows hold as well, so each row is read here a second time and nothing is kept.
//
//	row     ports 6 []ContainerPort merge:containerPort keys:containerPort,protocol
//	gives   Atom{List: Keyed, Keys: [containerPort protocol]}; its items are those of the type ContainerPort
//	row     protocol 4 string ==TCP
//	gives   Atom{Scalar: Text}, with the default TCP
//
// A view is a pointer to a row and no more, or a number of one byte: it goes into an interface without allocating.

// Owned says how objects of the type are owned. Any number of goroutines may use it.
func (t *Type) Owned() fieldset.Schema { return ownedType{t} }

// Resets returns what a write to a subresource may own, "" for one of the object: not what the write sets back to what it was
// before. It is nil where a write owns all that it sets.
func (k *Row) Resets(subresource string) *fieldset.Filter {
	filter, own := k.resets[subresource]
	switch {
	case own:
		return filter
	case subresource == "" && k.HasStatus:
		return resetStatus
	case subresource != "status":
		return nil
	case k.StatusAlone || k.Body == nil:
		return resetObject
	}
	return resetSpec
}

// The filters of most kinds: of the object, of a status that may come with metadata, and of one that may not, as those of
// custom resources. Nobody changes them.
var (
	resetStatus = fieldset.Exclude(fieldset.New(fieldset.Fields("status")))
	resetSpec   = fieldset.Exclude(fieldset.New(fieldset.Fields("spec")))
	resetObject = fieldset.Exclude(fieldset.New(fieldset.Fields("spec"), fieldset.Fields("metadata")))
)

// ownedType is how an object of a type is owned.
type ownedType struct{ *Type }

// Atom implements fieldset.Schema. Of a type without fields upstream's OpenAPI says nothing but that it is an object.
func (t ownedType) Atom() fieldset.Atom {
	a := fieldset.Atom{Map: fieldset.Granular, Untold: len(t.Fields) == 0}
	if t.Atomic {
		a.Map = fieldset.Atomic
	}
	return a
}

// Field implements fieldset.Schema.
func (t ownedType) Field(name string) (fieldset.Schema, bool) {
	if f := t.ByName[name]; f != nil {
		return ownedField{f}, true
	}
	if len(t.Fields) == 0 {
		return fieldset.Deduced(), false
	}
	return nil, false
}

// Items and Default implement fieldset.Schema.
func (t ownedType) Items() fieldset.Schema { return nil }
func (t ownedType) Default() any           { return nil }

// ownedField is how the value of a field is owned, which is all of a list or a map.
type ownedField struct{ of *Field }

// Atom implements fieldset.Schema. What a row says of an object goes before what the object's type says.
func (f ownedField) Atom() fieldset.Atom {
	switch {
	case f.of.IsMap:
		return fieldset.Atom{Map: mapOwned(f.of.ListType, fieldset.Granular)}
	case f.of.IsList && f.of.ListType == "set":
		return fieldset.Atom{List: fieldset.SetList}
	case f.of.IsList && f.of.ListType == "map":
		return fieldset.Atom{List: fieldset.Keyed, Keys: f.of.ListKeys}
	case f.of.IsList:
		return fieldset.Atom{List: fieldset.AtomicList}
	}
	a := f.of.element().Atom()
	if a.Map != fieldset.NoMap {
		a.Map = mapOwned(f.of.ListType, a.Map)
	}
	return a
}

// mapOwned returns how a map is owned of which a row says said, and otherwise where it says nothing.
func mapOwned(said string, otherwise fieldset.Map) fieldset.Map {
	switch said {
	case "atomic":
		return fieldset.Atomic
	case "granular":
		return fieldset.Granular
	}
	return otherwise
}

// Field implements fieldset.Schema.
func (f ownedField) Field(name string) (fieldset.Schema, bool) {
	switch {
	case f.of.IsMap && f.of.IsList:
		return ownedList(f), false
	case f.of.IsMap:
		return f.of.element(), false
	case f.of.IsList:
		return nil, false
	}
	return f.of.element().Field(name)
}

// Items implements fieldset.Schema.
func (f ownedField) Items() fieldset.Schema {
	switch {
	case f.of.IsMap:
		return nil
	case f.of.IsList:
		return f.of.element()
	}
	return f.of.element().Items()
}

// Default implements fieldset.Schema.
func (f ownedField) Default() any { return f.of.OpenAPIDefault() }

// OpenAPIDefault returns the default that OpenAPI tells, nil for none, which nobody may change. A scalar that has to be
// there is empty if it is not, and an object is.
func (f *Field) OpenAPIDefault() any {
	switch {
	case f.IsList || f.IsMap || f.Alternative != "":
		// The default of a list or map is that of its elements, which upstream does not show.
		return nil
	case f.ShownDefault != nil:
		return f.ShownDefault
	case f.pointer:
		return nil
	case f.Kind == FieldMessage:
		return map[string]any{}
	case !f.Required:
		return nil
	}
	switch f.Kind {
	case FieldString:
		return ""
	case FieldBool:
		return false
	case FieldInt32, FieldInt64, FieldDouble:
		return int64(0)
	}
	return nil
}

// element returns how a value of the field is owned, each one of a list or a map.
func (f *Field) element() fieldset.Schema {
	switch f.Kind {
	case FieldMessage:
		if f.Alternative == "" {
			return f.Message.Owned()
		}
	case FieldRaw:
		switch component, isObject := strings.CutSuffix(f.Component, "{}"); {
		case component == runtimeSchemas+"runtime.RawExtension":
			return ownedWhole
		case isObject:
			return ownedObject
		}
	case FieldString, FieldBytes:
		return ownedText
	case FieldBool:
		return ownedBool
	case FieldInt32, FieldInt64, FieldDouble:
		return ownedNumber
	case FieldTime, FieldMicroTime, FieldQuantity:
		return ownedScalar
	}
	// What may be one of several things has a component that names no type.
	return fieldset.Deduced()
}

// ownedList is how a list is owned that a map of lists holds: as a whole.
type ownedList struct{ of *Field }

// Atom, Field, Items and Default implement fieldset.Schema.
func (f ownedList) Atom() fieldset.Atom                  { return fieldset.Atom{List: fieldset.AtomicList} }
func (f ownedList) Field(string) (fieldset.Schema, bool) { return nil, false }
func (f ownedList) Items() fieldset.Schema               { return f.of.element() }
func (f ownedList) Default() any                         { return nil }

// ownedValue is how a value is owned that has no row of its own.
type ownedValue uint8

// The values. Upstream knows a RawExtension, ownedWhole, by its name and owns all of it as one.
const (
	ownedText ownedValue = iota
	ownedNumber
	ownedBool
	ownedScalar
	ownedObject
	ownedWhole
)

// Atom implements fieldset.Schema.
func (v ownedValue) Atom() fieldset.Atom {
	switch v {
	case ownedText:
		return fieldset.Atom{Scalar: fieldset.Text}
	case ownedNumber:
		return fieldset.Atom{Scalar: fieldset.Number}
	case ownedBool:
		return fieldset.Atom{Scalar: fieldset.Bool}
	case ownedScalar:
		return fieldset.Atom{Scalar: fieldset.AnyScalar}
	case ownedObject:
		return fieldset.Atom{Map: fieldset.Granular, Untold: true}
	}
	return fieldset.Atom{Scalar: fieldset.AnyScalar, List: fieldset.AtomicList, Map: fieldset.Atomic}
}

// Field implements fieldset.Schema.
func (v ownedValue) Field(string) (fieldset.Schema, bool) {
	switch v {
	case ownedObject:
		return fieldset.Deduced(), false
	case ownedWhole:
		return ownedWhole, false
	}
	return nil, false
}

// Items and Default implement fieldset.Schema.
func (v ownedValue) Items() fieldset.Schema {
	if v == ownedWhole {
		return ownedWhole
	}
	return nil
}
func (v ownedValue) Default() any { return nil }
