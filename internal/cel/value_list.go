package cel

import (
	"slices"
	"sort"
)

// Lists and maps come in more forms than two, since an expression must be able to add two lists of a million items for the price
// that upstream asks, which is 1: + makes a rope that points at both. What a comprehension gathers is appended in place while
// nobody else can see it. All the forms are looked at through the functions below.

// Who sees what, in short: what is of a tree is shared with everybody who has the object, and never written to. A
// []Value, a rope, a mapping that is not open belong to whoever has the Value, any number of goroutines included,
// and are not written to either. Only growing and an open mapping are written to, by the comprehension that
// gathers into them, in one goroutine, until closed says that it is done.
//
// An expression cannot tell the forms apart, but for one thing: upstream has a type of its own for lists that were
// added, and its texts and its treatment of errors in == show it. That is what plain and IsLiteral are for.

// rope is two lists. plain says that upstream has a list of its own here, and not two: they compare errors in another way.
type rope struct {
	head, tail Value
	size       int
	plain      bool
}

// maxRope is more items than any program may go through. A rope may have more items than memory has bytes, for its halves may be
// one list: l + l.
const maxRope = 1 << 40

// growing is the list that a comprehension gathers. Until it is done it is seen by the comprehension alone, and added to in place.
type growing struct {
	items []Value
	done  bool
	few   [2]Value // room for the first items
}

// mapping is a map that an expression has put together, in the order in which it did. Its keys are scalars; where they are few
// they are searched from one to the next, where they are many there is an index.
type mapping struct {
	keys, values []Value
	index        map[scalar]int
	open         bool // it is the accumulator of a comprehension: MapInsert puts into it
}

// fewKeys is how many keys are searched without an index.
const fewKeys = 8

// scalar is a value as a key of a Go map.
type scalar struct {
	kind Kind
	num  uint64
	text string
}

// built is a message that an expression has put together.
type built struct {
	names  []string
	values []Value
}

// scalarOf returns the key for a value, and whether it can be one.
// A NaN can be none: it is not even equal to itself, and would be found by nobody.
func scalarOf(v Value) (scalar, bool) {
	switch v.kind {
	case Bool, Int, Uint, Duration:
		return scalar{kind: v.kind, num: v.num}, true
	case Double:
		if v.Double() == 0 {
			return scalar{kind: Double}, true // -0.0 is 0.0
		}
		return scalar{kind: Double, num: v.num}, v.Double() == v.Double()
	case String:
		return scalar{kind: String, text: v.Str()}, true
	case Bytes:
		return scalar{kind: Bytes, text: string(v.Bytes())}, true
	case Timestamp:
		return scalar{kind: Timestamp, text: v.Time().UTC().String()}, true
	case Null:
		return scalar{kind: Null}, true
	case TypeKind:
		return scalar{kind: TypeKind, text: v.ref.(*Type).TypeName()}, true
	}
	return scalar{}, false
}

// place returns where a key is, -1 where it is not. Only what is exactly the key is found: 1 is not 1u.
func (m *mapping) place(key Value) int {
	// The index holds places, not values: put overwrites the value where it is, and the order of the keys stays.
	k, ok := scalarOf(key)
	if !ok {
		return -1
	}
	if m.index != nil {
		if i, ok := m.index[k]; ok {
			return i
		}
		return -1
	}
	for i := range m.keys {
		if have, ok := scalarOf(m.keys[i]); ok && have == k {
			return i
		}
	}
	return -1
}

// put sets a key, over the value that it may have.
func (m *mapping) put(key, value Value) {
	if i := m.place(key); i >= 0 {
		m.values[i] = value
		return
	}
	m.keys, m.values = append(m.keys, key), append(m.values, value)
	if m.index == nil && len(m.keys) > fewKeys {
		m.index = make(map[scalar]int, 2*len(m.keys))
		for i, have := range m.keys {
			if k, ok := scalarOf(have); ok {
				m.index[k] = i
			}
		}
	} else if m.index != nil {
		if k, ok := scalarOf(key); ok {
			m.index[k] = len(m.keys) - 1
		}
	}
}

// remove takes a key out.
func (m *mapping) remove(key Value) {
	i := m.place(key)
	if i < 0 {
		return
	}
	m.keys, m.values = slices.Delete(m.keys, i, i+1), slices.Delete(m.values, i, i+1)
	if m.index != nil {
		// Places behind the one that was taken out have moved. It happens only for {a: b, ?a: optional.none()}, so
		// that nobody waits for it.
		m.index = nil
		m.index = make(map[scalar]int, len(m.keys))
		for i, have := range m.keys {
			if k, ok := scalarOf(have); ok {
				m.index[k] = i
			}
		}
	}
}

// find returns the value of a key; numbers of another type that are the same number are the same key.
// (baseMap.Find in common/types/map.go.)
func (m *mapping) find(key Value) (Value, bool) {
	if i := m.place(key); i >= 0 {
		return m.values[i], true
	}
	for _, same := range sameNumbers(key) {
		if i := m.place(same); i >= 0 {
			return m.values[i], true
		}
	}
	return Value{}, false
}

// sameNumbers returns the numbers of other types that a key of a map may also be; a double is never the key for a whole number.
func sameNumbers(key Value) []Value {
	switch key.kind {
	case Double:
		var same []Value
		if n, err := doubleToInt(key.Double()); err == nil && float64(n) == key.Double() {
			same = append(same, IntOf(n))
		}
		if n, err := doubleToUint(key.Double()); err == nil && float64(n) == key.Double() {
			same = append(same, UintOf(n))
		}
		return same
	case Int:
		if key.Int() >= 0 {
			return []Value{UintOf(key.num)}
		}
	case Uint:
		if key.Int() >= 0 {
			return []Value{IntOf(key.Int())}
		}
	}
	return nil
}

// MapValue returns a map of keys and values, as many of the one as of the other; of a key that is there twice the last value counts.
func MapValue(keys, values []Value) Value {
	m := &mapping{keys: make([]Value, 0, len(keys)), values: make([]Value, 0, len(keys))}
	for i := range keys {
		m.put(keys[i], values[i])
	}
	return Value{kind: Map, ref: m}
}

// MapInsert returns m with one more key. If m is what a comprehension gathers, it is m itself; if not, a copy.
// It is what transformMap and transformMapEntry do in each round (cel.@mapInsert).
func MapInsert(m, key, value Value) Value {
	if m.kind != Map {
		return NoSuchOverload(m)
	}
	if _, found := m.Find(key); found {
		return Failf("insert failed: key %v already exists", key)
	}
	// The accumulator is written to in place; n rounds would copy n maps otherwise.
	own, ok := m.ref.(*mapping)
	if !ok || !own.open {
		own = &mapping{}
		m.Entries(func(k, v Value) bool { own.put(k, v); return true })
	}
	own.put(key, value)
	return Value{kind: Map, ref: own}
}

// BuildObject returns a message of a type with fields that are set, in the order of names.
func BuildObject(t *Type, names []string, values []Value) Value {
	return Value{kind: Object, ref: &built{names, values}, typ: t}
}

// At returns an item of a list, whose index is in range. An item of a rope is found in as many steps as additions made it.
// It does not look whether there is such an item: Get does, and returns the error.
func (v Value) At(i int) Value {
	for {
		switch ref := v.ref.(type) {
		case []any:
			if v.typ == nil {
				return untyped(ref[i])
			}
			return Of(ref[i], v.typ.item())
		case []Value:
			return ref[i]
		case *growing:
			return ref.items[i]
		case *rope:
			// The loop goes down without calling itself, since a rope is as deep as additions made it.
			if n := ref.head.Len(); i < n {
				v = ref.head
			} else {
				v, i = ref.tail, i-n
			}
		default:
			return Value{}
		}
	}
}

// cursor goes through the items of a list from the first to the last. At each item of a rope At would begin at the top again, which
// takes forty steps for a list that was added to itself forty times; a cursor takes two, however deep the rope is.
type cursor struct {
	leaf Value
	i, n int     // the next item of leaf, and how many it has
	rest []Value // what comes behind leaf, the next last
}

// cursor returns a cursor before the first item of a list. It allocates for ropes alone.
func (v Value) cursor() (c cursor) {
	c.enter(v)
	return c
}

// enter goes down to the first list in v that is no rope.
func (c *cursor) enter(v Value) {
	for {
		r, ok := v.ref.(*rope)
		if !ok {
			c.leaf, c.i, c.n = v, 0, v.Len()
			return
		}
		c.rest, v = append(c.rest, r.tail), r.head
	}
}

// next returns the next item; the caller knows how many there are.
func (c *cursor) next() Value {
	// A part may be empty, so that one step need not be enough.
	for c.i == c.n && len(c.rest) > 0 {
		last := len(c.rest) - 1
		v := c.rest[last]
		c.rest = c.rest[:last]
		c.enter(v)
	}
	c.i++
	return c.leaf.At(c.i - 1)
}

// item returns the type of the items of a list, or the values of a map; nil where it is not known.
func (t *Type) item() *Type {
	if t == nil || len(t.Params) == 0 {
		return nil
	}
	return t.Params[len(t.Params)-1]
}

// Entries calls f with each index and item of a list, or each key and value of a map, until it returns false, and reports whether
// it came to the end. Maps of trees are in the order of their keys, those of expressions as they were written. Keys of an object
// of a schema are its fields' names in CEL; what the schema does not know is left out.
// The order is what results, texts of errors and costs depend on, so that it never is Go's order of maps.
// Upstream's is, which is why its answers differ from one evaluation to the next where ours do not.
func (v Value) Entries(f func(key, value Value) bool) bool {
	switch ref := v.ref.(type) {
	case map[string]any:
		// An object is gone through by the names that CEL has for its fields.
		if v.typ != nil && v.typ.Kind == Object {
			return v.fieldEntries(ref, f)
		}
		for _, k := range sortedKeys(ref) {
			if !f(StringOf(k), Of(ref[k], v.typ.item())) {
				return false
			}
		}
	case *mapping:
		for i := range ref.keys {
			if !f(ref.keys[i], ref.values[i]) {
				return false
			}
		}
	default:
		if v.kind != List {
			return true
		}
		c := v.cursor()
		for i, n := 0, v.Len(); i < n; i++ {
			if !f(IntOf(int64(i)), c.next()) {
				return false
			}
		}
	}
	return true
}

// fieldEntries goes through the fields of an object that are there.
func (v Value) fieldEntries(tree map[string]any, f func(key, value Value) bool) bool {
	// By the fields of the schema and not by the keys of the tree, which may have more.
	names := make([]string, 0, len(tree))
	for name, field := range v.typ.Fields {
		if _, ok := tree[field.Key]; ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		field := v.typ.Fields[name]
		if !f(StringOf(name), Of(tree[field.Key], field.Type)) {
			return false
		}
	}
	return true
}

// Members calls f with each field that an expression has set in a message that it built, in the order of their names, until f
// returns false.
func (v Value) Members(f func(name string, value Value) bool) {
	b, ok := v.ref.(*built)
	if !ok {
		return
	}
	order := make([]int, len(b.names))
	for i := range order {
		order[i] = i
	}
	// The order of names, whatever order they were written in: results do not depend on it.
	sort.Slice(order, func(i, j int) bool { return b.names[order[i]] < b.names[order[j]] })
	for _, i := range order {
		if !f(b.names[i], b.values[i]) {
			return
		}
	}
}

// IsLiteral reports whether a list or a map was put together by an expression, item by item: it is no view of a tree, and no sum of lists.
func (v Value) IsLiteral() bool {
	switch v.ref.(type) {
	case []Value, *growing, *mapping:
		return true
	}
	return false
}

// Find returns the value of a key of a map, or of a field of an object. A key of the wrong type is an error as a value that is
// found, in a map of a schema; elsewhere it is not there.
// (Find of traits.Mapper.) Numbers find keys of other types of numbers, in maps that expressions wrote; trees have
// keys of strings alone.
func (v Value) Find(key Value) (Value, bool) {
	switch ref := v.ref.(type) {
	case map[string]any:
		if key.kind != String {
			if v.typ != nil {
				return NoSuchOverload(key), true
			}
			return Value{}, false
		}
		return v.Field(key.Str())
	case *mapping:
		return ref.find(key)
	}
	if key.kind == String {
		return v.Field(key.Str())
	}
	return Value{}, false
}

// Field returns the value of a field or of a key that is a string. ok is false where it is absent; a null in an object of a schema
// is absent.
func (v Value) Field(name string) (field Value, ok bool) {
	switch ref := v.ref.(type) {
	case map[string]any:
		if v.typ == nil {
			x, ok := ref[name]
			return untyped(x), ok
		}
		if v.typ.Kind != Object {
			x, ok := ref[name]
			if !ok {
				return Value{}, false
			}
			return Of(x, v.typ.item()), true
		}
		f := v.typ.fieldNamed(name)
		if f == nil {
			return Value{}, false
		}
		// By the key of the tree, which may be another than the name: __if__ is if.
		x := ref[f.Key]
		if x == nil {
			return Value{}, false
		}
		return Of(x, f.Type), true
	case *mapping:
		return ref.find(StringOf(name))
	case *built:
		// From the end: a field that was set twice has the value that was set last.
		for i := len(ref.names) - 1; i >= 0; i-- {
			if ref.names[i] == name {
				return ref.values[i], true
			}
		}
	case Fields:
		return ref.Field(name)
	}
	return Value{}, false
}

// Get returns an item of a list, the value of a key, or a field, or the error that it is not there.
func (v Value) Get(key Value) Value {
	switch v.kind {
	case List:
		// What is no index, what is out of range, and what a schema's list does not take, in this order.
		i, err := listIndex(key)
		switch {
		case err != nil:
			return Fail(err)
		case i < 0 || i >= int64(v.Len()):
			return Failf("index out of bounds: %v", key)
		// A list of a schema takes ints and nothing else (apiserver/pkg/cel/common/valuesunstructured.go), but the
		// range is looked at first.
		case v.typed() && key.kind != Int:
			return Failf("unsupported index: %v", key)
		}
		return v.At(int(i))
	case Error:
		return v
	}
	if found, ok := v.Find(key); ok {
		return found
	}
	return Failf("no such key: %v", key)
}

// concat returns two lists in a row; a and b are lists.
func concat(a, b Value) Value {
	// Before anything else is asked of a: it is a list of no schema, and not finished.
	if g, ok := a.ref.(*growing); ok && !g.done {
		// The accumulator of a comprehension: nobody else has seen it.
		b.Entries(func(_, item Value) bool { g.items = append(g.items, item); return true })
		return a
	}
	if a.listing() != Atomic {
		return a.merge(b)
	}
	// An empty list adds nothing, unless it is one of a schema, whose sum is a list that is strict in ==.
	m, n := a.Len(), b.Len()
	switch {
	case m == 0 && !a.typed():
		return b
	case n == 0 && !a.typed():
		return a
	case m+n > maxRope:
		return Fail(ErrBudget)
	}
	return Value{kind: List, ref: &rope{a, b, m + n, a.typed()}}
}
