package fieldset

// What ownership has to know of a schema, and no more: which parts of a value are owned apart from each other, and
// how the elements of a list are told apart. Built-in kinds have it from the rows of their types, custom ones from
// the schema of their definition; each is walked where it is, and nobody makes a copy of it for this.
//
//	spec:                     Atom{Map: Granular}
//	  replicas: 3             Atom{Scalar: Number}
//	  selector: {...}         Atom{Map: Atomic}
//	  ports:                  Atom{List: Keyed, Keys: [port protocol]}
//	  - port: 80              Items(): Atom{Map: Granular}; its Field("protocol").Default() is "TCP"
//
// A value whose place says several things (int-or-string, or any JSON) is what it turns out to be: a scalar is taken by
// what is said of scalars, and so on. A null fits every place.

// Schema is what is said of one place in an object, and leads to the places below it. Two that are equal say the same.
// A Schema does not change and may be used concurrently; its methods do not allocate.
type Schema interface {
	// Atom says what values may stand here, and how they are owned.
	Atom() Atom
	// Field returns the place of a field of a map, nil where none of that name is allowed; named reports whether the schema
	// names the field, and does not only say what every field of a map is. Who owns part of a field that is not named owns
	// the field, as the key of a map that somebody has set.
	Field(name string) (place Schema, named bool)
	// Items returns the place of the elements of a list; nil where there is no list.
	Items() Schema
	// Default returns the value of the place where there is none, nil for no default. It counts for keys of lists alone.
	Default() any
}

// Atom is what values may stand in a place, by their three sorts. The zero value allows none.
type Atom struct {
	Scalar Scalar
	List   List
	Map    Map
	// Keys are the fields by which elements of a Keyed list are told apart, in the schema's order.
	Keys []string
	// Untold says of Map that the schema names no field and takes any scalar for one: what somebody owns below such a map
	// is not touched where a schema has changed.
	Untold bool
}

// Scalar is which values that are no lists and no maps are allowed.
type Scalar uint8

// The sorts of scalars. AnyScalar takes each of the others.
const (
	NoScalar Scalar = iota
	AnyScalar
	Number
	Text
	Bool
)

// List is how lists are owned.
type List uint8

// AtomicList is owned as a whole. The elements of a SetList are scalars, each of which is owned; those of a Keyed list
// are maps, which have owners of their own for what is in them.
const (
	NoList List = iota
	AtomicList
	SetList
	Keyed
)

// Map is how maps and objects are owned.
type Map uint8

// An Atomic map is owned as a whole, each field of a Granular one by itself.
const (
	NoMap Map = iota
	Atomic
	Granular
)

// Deduced returns the place of which a schema says nothing: maps are granular and have such places in them, lists are
// atomic. Upstream deduces the same from the value.
func Deduced() Schema { return deduced{} }

// deduced is Deduced.
type deduced struct{}

func (deduced) Atom() Atom {
	return Atom{Scalar: AnyScalar, List: AtomicList, Map: Granular, Untold: true}
}
func (deduced) Field(string) (Schema, bool) { return deduced{}, false }
func (deduced) Items() Schema               { return deduced{} }
func (deduced) Default() any                { return nil }
