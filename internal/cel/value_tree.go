package cel

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trees become values where an expression looks at them, one node at a time, through the type that the schema gives the place.
// What does not fit the type is an error as a value, with upstream's text: an expression that never looks there never sees it.
// Formats are read at each look, as upstream does; a date that is compared a thousand times is parsed a thousand times, and that
// is what the costs of comprehensions are for.

// The rules are those of UnstructuredToVal (apiserver/pkg/cel/common/valuesunstructured.go), texts included, which
// convert a whole level when upstream looks at it; here each look converts one node. Trees are as encoding/json
// and the codecs of this house leave them: whole numbers are int64, others float64.

// Of returns a view of a tree: nil, bool, int64, float64, string, []any, map[string]any, and values with a method
// Expand() any. With a type it is what Kubernetes makes of the place: see the types of CEL in a schema. A nil type is dyn.
// It allocates nothing for maps, lists, texts, numbers and bools. The tree is not written to, and must not be
// while the value is in use.
func Of(tree any, t *Type) Value {
	if t == nil {
		return untyped(tree)
	}
	// Three kinds of places take null in their own way; all others share the rule below.
	switch t.Kind {
	case Dyn, Any, Param:
		if t.Format == "int-or-string" {
			return intOrString(tree)
		}
		return untyped(tree)
	case Wrapper:
		if tree == nil {
			return NullValue
		}
		return Of(tree, t.Params[0])
	}
	if tree == nil {
		// In a schema a null that is not allowed is dropped or refused before; that it is an error here too is for those who
		// look at what was stored under another schema.
		if t.Nullable || t.Kind == Null {
			return NullValue
		}
		return Failf("invalid data, got null for schema with nullable=false")
	}
	return fitted(tree, t)
}

// fitted is Of for what is not null, at a place that has a type.
func fitted(tree any, t *Type) Value {
	switch x := tree.(type) {
	case map[string]any:
		if t.Kind == Object || t.Kind == Map {
			return Value{kind: Map, ref: tree, typ: t}
		}
	case []any:
		if t.Kind == List {
			return Value{kind: List, ref: tree, typ: t}
		}
	case string:
		if t.Kind == String {
			// tree, not x: the interface is there already, and a new one would be an allocation.
			return Value{kind: String, ref: tree}
		}
		return formatted(x, t)
	// A double may be written without a fraction, as 3; an int that was written as 3.0 is none.
	case int64:
		switch t.Kind {
		case Int:
			return IntOf(x)
		case Double:
			return DoubleOf(float64(x))
		case Uint:
			return UintOf(uint64(x))
		}
	// A float64 is no int, even if it is whole.
	case float64:
		if t.Kind == Double {
			return DoubleOf(x)
		}
	case bool:
		if t.Kind == Bool {
			return BoolOf(x)
		}
	case interface{ Expand() any }:
		return Of(x.Expand(), t)
	case int:
		return Of(int64(x), t)
	case int32:
		return Of(int64(x), t)
	// A tree may have values in it already, where a policy has computed a part.
	case Value:
		return x
	}
	return mismatch(tree, t)
}

// untyped returns what JSON says.
func untyped(tree any) Value {
	switch x := tree.(type) {
	case nil:
		return NullValue
	case bool:
		return BoolOf(x)
	case int64:
		return IntOf(x)
	case float64:
		return DoubleOf(x)
	case string:
		return Value{kind: String, ref: tree}
	case []any:
		return Value{kind: List, ref: tree}
	case map[string]any:
		return Value{kind: Map, ref: tree}
	case int:
		return IntOf(int64(x))
	case int32:
		return IntOf(int64(x))
	case uint64:
		return UintOf(x)
	case []byte:
		return BytesOf(x)
	case time.Time:
		return TimestampOf(x)
	case Value:
		return x
	case interface{ Expand() any }:
		return untyped(x.Expand())
	}
	// Go code has put something in that no codec makes; upstream's adapter says so in these words.
	return Failf("unsupported conversion to ref.Val: (%T)%v", tree, tree)
}

// intOrString returns a string or a number of a place that may have both.
func intOrString(tree any) Value {
	switch v := untyped(tree); v.kind {
	case Int, String:
		return v
	case Null:
		return Failf("invalid data, got null for schema with nullable=false")
	}
	return Failf("invalid data, expected XIntOrString value to be either a string or integer")
}

// mismatch returns the error of a tree that its type does not allow.
func mismatch(tree any, t *Type) Value {
	switch t.Kind {
	case Object, Map:
		return Failf("invalid data, expected a map for the provided schema with type=object")
	case List:
		return Failf("invalid data, expected an array for the provided schema with type=array")
	case String, Bytes, Timestamp, Duration:
		return Failf("invalid data, expected string, got %T", tree)
	case Double:
		return Failf("invalid data, expected float, got %T", tree)
	case Int:
		return Failf("invalid data, expected int, got %T", tree)
	case Bool:
		return Failf("invalid data, expected bool, got %T", tree)
	}
	return untyped(tree)
}

// formatted reads a string whose format gives it another type.
// The three formats whose places are no strings in CEL: date and date-time, duration, byte.
func formatted(s string, t *Type) Value {
	switch t.Kind {
	case Timestamp:
		// A date is the first instant of its day, in UTC.
		if t.Format == "date" {
			d, err := time.Parse(time.DateOnly, s)
			if err != nil {
				return Failf("Invalid date formatted string %s: %v", s, err)
			}
			return TimestampOf(d)
		}
		return dateTime(s)
	case Duration:
		d, err := wordyDuration(s)
		if err != nil {
			return Failf("Invalid duration %s: %v", s, err)
		}
		return DurationOf(d)
	case Bytes:
		// Values of the format byte are written in the alphabet of RFC 4648, 5, where upstream reads them.
		b, err := base64.URLEncoding.DecodeString(s)
		if err != nil {
			return Failf("Invalid byte formatted string %s: %v", s, err)
		}
		return BytesOf(b)
	}
	return mismatch(s, t)
}

// dateTime reads RFC 3339, with or without a zone. The empty string is 1970.
func dateTime(s string) Value {
	if s == "" {
		return TimestampOf(time.Unix(0, 0).UTC())
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	// With a zone, or else without, which is UTC then.
	if err == nil {
		return TimestampOf(t)
	}
	t, err = time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		return Failf("Invalid date-time formatted string %s: %v", s, err)
	}
	return TimestampOf(t)
}

// durationWord matches a number with a unit in words.
var durationWord = regexp.MustCompile(`((\d+)\s*([A-Za-zµ]+))`)

// durationUnits are the units in words; the last of each is a beginning of what may be written. They are those of
// kube-openapi's strfmt, by which Kubernetes reads the format: "3 days 4 hours" is one, and so is "3d".
var durationUnits = []struct {
	unit  time.Duration
	names []string
}{
	{time.Nanosecond, []string{"ns", "nano"}},
	{time.Microsecond, []string{"us", "µs", "micro"}},
	{time.Millisecond, []string{"ms", "milli"}},
	{time.Second, []string{"s", "sec"}},
	{time.Minute, []string{"m", "min"}},
	{time.Hour, []string{"h", "hr", "hour"}},
	{24 * time.Hour, []string{"d", "day"}},
	{7 * 24 * time.Hour, []string{"w", "wk", "week"}},
}

// wordyDuration reads a value of the format duration: what Go reads, and "3 days 4 hours".
func wordyDuration(s string) (time.Duration, error) {
	// Most are written as Go writes them.
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	var sum time.Duration
	found := false
	// Words between the numbers are skipped, so that "3 days and 4 hours" is read; one number with a unit is
	// enough.
	for _, word := range durationWord.FindAllStringSubmatch(s, -1) {
		n, err := strconv.Atoi(word[2])
		if err != nil {
			return 0, err
		}
		unit := strings.ToLower(word[3])
		for _, u := range durationUnits {
			// The last name of a unit may go on: sec is second and seconds.
			for i, name := range u.names {
				if unit == name || i == len(u.names)-1 && strings.HasPrefix(unit, name) {
					sum, found = sum+time.Duration(n)*u.unit, true
				}
			}
		}
	}
	if !found {
		return 0, fmt.Errorf("unable to parse %s as duration", s)
	}
	return sum, nil
}

// Tree returns v as a tree. Bytes, timestamps and durations become the strings that JSON has for them; maps need keys that are
// strings; an optional is its value. Types and other values of libraries have no tree.
//
// A value may be far larger than its cost, and a tree has no parts in common: one of more than mostItems parts is an error.
// What is of a tree is returned as it is, without a copy: whoever writes to the result copies it first.
func (v Value) Tree() (any, error) {
	left := mostItems
	return v.tree(&left)
}

// mostItems is how many parts a tree may have that an expression makes: items, entries, and each sixteen bytes of a text.
const mostItems = 1 << 20

// take takes n parts of those that are left, or returns the error that there are not so many.
func take(left *int, n int) error {
	if *left -= n; *left < 0 {
		return errors.New("a value of more than " + strconv.Itoa(mostItems) + " parts is too large")
	}
	return nil
}

// weigh takes the parts of a tree from left, and stops below 0.
// Once below 0 the rest need not be looked at, so that a tree takes no longer than it may.
func weigh(tree any, left *int) {
	if *left--; *left < 0 {
		return
	}
	switch x := tree.(type) {
	case string:
		*left -= len(x) / 16
	case []any:
		for i := 0; i < len(x) && *left >= 0; i++ {
			weigh(x[i], left)
		}
	case map[string]any:
		for k, item := range x {
			if *left -= len(k) / 16; *left < 0 {
				return
			}
			weigh(item, left)
		}
	}
}

// tree is Tree with the parts that are left.
func (v Value) tree(left *int) (any, error) {
	// Before anything is made of it.
	if err := take(left, 1); err != nil {
		return nil, err
	}
	switch v.kind {
	case Null:
		return nil, nil
	case Bool:
		return v.Bool(), nil
	case Int:
		return v.Int(), nil
	case Uint:
		return int64(v.num), nil
	case Double:
		return v.Double(), nil
	case String:
		return v.Str(), take(left, len(v.Str())/16)
	case Bytes:
		return base64.StdEncoding.EncodeToString(v.Bytes()), take(left, len(v.Bytes())/16)
	case Timestamp, Duration:
		return Convert(v, StringType).Str(), nil
	case Error:
		return nil, v.Err()
	case List, Map:
		switch ref := v.ref.(type) {
		case []any, map[string]any:
			// The tree is returned as it is, but what it weighs counts: the whole may be copied or written later.
			weigh(ref, left)
			return ref, take(left, 0)
		}
		return v.containerTree(left)
	case Object:
		return v.containerTree(left)
	}
	if o, ok := v.Optional(); ok {
		return o.tree(left)
	}
	return nil, fmt.Errorf("a value of type %s has no tree", v.Type().TypeName())
}

// containerTree returns the tree of what an expression has put together.
func (v Value) containerTree(left *int) (any, error) {
	var err error
	if v.kind == List {
		// Two lists may be added to one of any size for the price of one: only what is left has room.
		// A list that is longer than what is left will be an error before it is full.
		list := make([]any, 0, min(v.Len(), *left))
		v.Entries(func(_, item Value) bool {
			var t any
			t, err = item.tree(left)
			list = append(list, t)
			return err == nil
		})
		return list, err
	}
	m := map[string]any{}
	put := func(key, value Value) bool {
		// JSON has no other keys.
		if key.kind != String {
			err = fmt.Errorf("map key %q is of type %s, not string", key.String(), key.Type().TypeName())
			return false
		}
		m[key.Str()], err = value.tree(left)
		return err == nil
	}
	if v.kind == Map {
		v.Entries(put)
		return m, err
	}
	if _, ok := v.ref.(*built); !ok {
		return nil, fmt.Errorf("a value of type %s has no tree", v.Type().TypeName())
	}
	v.Members(func(name string, value Value) bool { return put(StringOf(name), value) })
	return m, err
}

// sortedKeys returns the keys of a tree in order.
func sortedKeys(m map[string]any) []string {
	// Not slices.Sorted of maps.Keys: this is on the way of each comprehension over a map.
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
