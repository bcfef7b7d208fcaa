package policy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"apichain/internal/cel"
)

// A value of an expression becomes a tree in two ways, as upstream's does. In a configuration everything stays what Go has for it, and
// what no field can be is a leaf that the schema refuses, in the words of who cannot read it; in a JSON patch all is JSON:
//
//	                      configuration                      JSON patch
//	null                  refused                            null
//	timestamp, duration   refused                            a string
//	bytes                 refused                            base64
//	uint                  refused                            a number
//	list in a literal     refused if a literal itself        a list
//	type                  its name                           refused
//	optional.none()       null                               refused
//
// Below an Object in a JSON patch the rules are those of a configuration.

// mostBytes is how much a value may be as a tree. Lists may be made of the same item many times at hardly any cost.
const mostBytes = 8 << 20

var errTooLarge = errors.New("the value of the expression is too large")

// Leaves that no schema takes. They print as upstream's do in messages.
type (
	// nullLeaf is null: %v is NULL_VALUE, and %#v is 0.
	nullLeaf int32
	// literalLeaf is a list or a map that an expression has put together where upstream does not look into it.
	literalLeaf struct{ cel.Value }
	// opaqueLeaf is a value of a library.
	opaqueLeaf struct{ cel.Value }
)

func (nullLeaf) String() string   { return "NULL_VALUE" }
func (nullLeaf) GoString() string { return "0" }

// GoString does not show what is in a literal.
func (l literalLeaf) GoString() string {
	if l.Kind() == cel.Map {
		return "map[ref.Val]ref.Val{...}"
	}
	return "[]ref.Val{...}"
}

// GoString names the type.
func (l opaqueLeaf) GoString() string { return l.Type().TypeName() }

// String shows a literal as Go shows its list or map.
func (l literalLeaf) String() string {
	var b strings.Builder
	first := true
	sep := func() {
		if !first {
			b.WriteByte(' ')
		}
		first = false
	}
	isMap := l.Kind() == cel.Map
	if b.WriteString("["); isMap {
		b.Reset()
		b.WriteString("map[")
	}
	l.Entries(func(k, v cel.Value) bool {
		sep()
		if isMap {
			b.WriteString(k.String() + ":")
		}
		b.WriteString(v.String())
		return b.Len() < 512
	})
	return b.String() + "]"
}

// configurationOf returns an Object as a tree with leaves.
func configurationOf(v cel.Value) (map[string]any, error) {
	w := converter{}
	m, err := w.object(v)
	if err == nil {
		return m, w.err()
	}
	return nil, errors.New("invalid return type: *dynamic.ObjectVal")
}

// converter makes trees of values, as long as they are not too large.
type converter struct{ bytes int }

// take counts n bytes more, and reports whether there is room for them.
func (w *converter) take(n int) bool {
	w.bytes += n + 1
	return w.bytes <= mostBytes
}

// err returns the error of a value that was too large.
func (w *converter) err() error {
	if w.bytes > mostBytes {
		return errTooLarge
	}
	return nil
}

// object returns an Object, or why a field of it is none.
func (w *converter) object(v cel.Value) (m map[string]any, err error) {
	m = map[string]any{}
	v.Members(func(name string, f cel.Value) bool {
		var t any
		if t, err = w.field(f, false); err != nil {
			err = fmt.Errorf("fail to convert field %q: %w", name, err)
			return false
		}
		m[name] = t
		return w.take(len(name))
	})
	return m, err
}

// field returns the value of a field. inLiteral says that it is one of a literal.
func (w *converter) field(v cel.Value, inLiteral bool) (any, error) {
	if !w.take(0) {
		return nil, nil
	}
	switch v.Kind() {
	case cel.Null:
		return nullLeaf(0), nil
	case cel.Bool:
		return v.Bool(), nil
	case cel.Int:
		return v.Int(), nil
	case cel.Uint:
		return v.Uint(), nil
	case cel.Double:
		return number(v.Double()), nil
	case cel.String:
		w.take(len(v.Str()))
		return v.Str(), nil
	case cel.Bytes:
		return v.Bytes(), nil
	case cel.Timestamp:
		return v.Time(), nil
	case cel.Duration:
		return v.Duration(), nil
	case cel.TypeKind:
		return v.String(), nil
	case cel.List, cel.Map:
		if inLiteral && v.IsLiteral() {
			return literalLeaf{v}, nil
		}
		return w.container(v)
	case cel.Object:
		if m, err := w.object(v); err != nil {
			return err, nil // a leaf: upstream takes the error for the value
		} else if len(m) > 0 || isBuilt(v) {
			return m, nil
		}
		return w.container(v)
	}
	if v.IsOptional() {
		o, ok := v.Optional()
		if !ok {
			return nil, nil
		}
		return w.field(o, inLiteral)
	}
	return opaqueLeaf{v}, nil
}

// isBuilt reports whether an object is a message that the expression has built.
func isBuilt(v cel.Value) bool {
	name := v.Type().Name
	return name == "Object" || strings.HasPrefix(name, "Object.")
}

// container returns a list or a map, or what is like one. The error says that a key is no string.
func (w *converter) container(v cel.Value) (any, error) {
	isLiteral := v.IsLiteral()
	if v.Kind() == cel.List {
		list := []any{}
		var err error
		v.Entries(func(_, item cel.Value) bool {
			var t any
			t, err = w.field(item, isLiteral)
			list = append(list, t)
			return err == nil && w.take(0)
		})
		return list, err
	}
	m := map[string]any{}
	var err error
	v.Entries(func(key, value cel.Value) bool {
		if key.Kind() != cel.String {
			err = errors.New("map key " + quotedKey(key) + ", not string")
			return false
		}
		m[key.Str()], err = w.field(value, isLiteral)
		return err == nil && w.take(len(key.Str()))
	})
	return m, err
}

// quotedKey shows a key that is no string, and its type, as upstream's %q and %T do.
func quotedKey(key cel.Value) string {
	name := key.Type().TypeName()
	name = "types." + strings.ToUpper(name[:1]) + name[1:]
	switch key.Kind() {
	case cel.Int:
		return strconv.QuoteRune(rune(key.Int())) + " is of type " + name
	case cel.Uint:
		return strconv.QuoteRune(rune(key.Uint())) + " is of type " + name
	}
	return "%!q(" + name + "=" + key.String() + ") is of type " + name
}

// number returns a float as JSON has it: one without a fraction is an integer.
func number(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return int64(f)
	}
	return f
}

// jsonOf returns a value as JSON.
func jsonOf(v cel.Value) (any, error) {
	w := converter{}
	t, err := w.json(v)
	if err == nil {
		err = w.err()
	}
	return t, err
}

// safe is the greatest integer that a float has without rounding: greater ones are strings in JSON.
const safe = 1<<53 - 1

// json returns a value as JSON, or why it is none.
func (w *converter) json(v cel.Value) (any, error) {
	if !w.take(0) {
		return nil, errTooLarge
	}
	switch v.Kind() {
	case cel.Null:
		return nil, nil
	case cel.Bool:
		return v.Bool(), nil
	case cel.Int:
		if n := v.Int(); n >= -safe && n <= safe {
			return n, nil
		}
		return v.String(), nil
	case cel.Uint:
		if n := v.Uint(); n <= safe {
			return int64(n), nil
		}
		return v.String(), nil
	case cel.Double:
		if f := v.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("json: error calling MarshalJSON for type *structpb.Value: proto:\u00a0google.protobuf.Value.number_value: "+
				"invalid %v value", f)
		}
		return number(v.Double()), nil
	case cel.String:
		w.take(len(v.Str()))
		return v.Str(), nil
	case cel.Bytes:
		w.take(len(v.Bytes()))
		return base64.StdEncoding.EncodeToString(v.Bytes()), nil
	case cel.Timestamp, cel.Duration:
		return cel.Convert(v, cel.StringType).Str(), nil
	case cel.List:
		return w.jsonList(v)
	case cel.Map:
		return w.jsonMap(v)
	case cel.Object:
		if isBuilt(v) {
			return w.jsonObject(v)
		}
		return w.jsonMap(v)
	case cel.TypeKind:
		return nil, errors.New("type conversion not supported for 'type'")
	}
	if v.IsOptional() {
		o, ok := v.Optional()
		if !ok {
			return nil, errors.New("optional.none() dereference")
		}
		return w.json(o)
	}
	name := v.Type().TypeName()
	return nil, errors.New("type conversion error from '" + name[strings.LastIndexByte(name, '.')+1:] + "' to '*structpb.Value'")
}

func (w *converter) jsonList(v cel.Value) (list []any, err error) {
	list = []any{}
	v.Entries(func(_, item cel.Value) bool {
		var t any
		t, err = w.json(item)
		list = append(list, t)
		return err == nil
	})
	return list, err
}

func (w *converter) jsonMap(v cel.Value) (m map[string]any, err error) {
	m = map[string]any{}
	v.Entries(func(key, value cel.Value) bool {
		if key.Kind() != cel.String {
			err = errors.New("unsupported type conversion from '" + key.Type().TypeName() + "' to string")
			return false
		}
		w.take(len(key.Str()))
		m[key.Str()], err = w.json(value)
		return err == nil
	})
	return m, err
}

// jsonObject returns an Object, in which only what a configuration may have is JSON.
func (w *converter) jsonObject(v cel.Value) (any, error) {
	m, err := w.object(v)
	if err == nil {
		err = leafError(m)
	}
	return m, err
}

// leafError says that there is a leaf in a tree.
func leafError(t any) error {
	name := ""
	switch t := t.(type) {
	case nil, bool, int64, float64, string:
		return nil
	case []any:
		for _, item := range t {
			if err := leafError(item); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for _, value := range t {
			if err := leafError(value); err != nil {
				return err
			}
		}
		return nil
	case nullLeaf:
		name = "structpb.NullValue"
	case literalLeaf:
		if name = "[]ref.Val"; t.Kind() == cel.Map {
			name = "map[ref.Val]ref.Val"
		}
	case error:
		name = "*types.Err"
	case time.Time, time.Duration, uint64, []byte:
		name = fmt.Sprintf("%T", t)
	default:
		name = "interface {}"
	}
	return errors.New("proto:\u00a0invalid type: " + name)
}

// checkTypeNames says where an Object has another type than its place in the one around it: the type of a field is called by the path to
// it, and lists and maps in between count for nothing.
func checkTypeNames(v cel.Value) error {
	var c typeNames
	c.check(v, v.Type().Name)
	return errors.Join(c.errs...)
}

// typeNames collects what is wrong with the names of types, in the order of fields.
type typeNames struct {
	errs []error
	seen int
}

// mostLooked bounds how many values are looked at, and mostTypeErrors how many are told.
const (
	mostLooked     = 1 << 20
	mostTypeErrors = 100
)

func (c *typeNames) check(v cel.Value, path string) {
	if c.seen++; c.seen > mostLooked || len(c.errs) >= mostTypeErrors {
		return
	}
	switch v.Kind() {
	case cel.Object:
		if name := v.Type().Name; name != path {
			c.errs = append(c.errs, fmt.Errorf("unexpected type name %q, expected %q, which matches field name path from root Object type",
				name, path))
		}
		v.Members(func(name string, f cel.Value) bool {
			c.check(f, path+"."+name)
			return true
		})
	case cel.List, cel.Map:
		// What comes from an object of the cluster has no such types in it.
		v.Entries(func(_, item cel.Value) bool {
			c.check(item, path)
			return c.seen <= mostLooked
		})
	}
}
