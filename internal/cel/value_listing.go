package cel

import (
	"strconv"
	"strings"
)

// A schema may call a list a set or a map: items of a set are told apart by their values, those of a map list by the fields that the
// schema names as its keys. Then == takes no notice of the order, and + puts together what is the same: an item of the right
// side takes the place of the one on the left, and what is only on the right follows. Both come from upstream's unstructuredSetList
// and unstructuredMapList (k8s.io/apiserver/pkg/cel/common/valuesunstructured.go), and both keep to them where an item is not formed
// as its schema says.

// listing returns what a schema says of a list: of one in a tree, or of one that was added to such a list.
func (v Value) listing() Listing {
	if v.kind != List || v.typ == nil {
		return Atomic
	}
	return v.typ.Listing
}

// setKey returns the key of an item of a set.
func setKey(item Value) (string, Value) {
	switch item.kind {
	case List, Map:
		return "", Failf("listSet operations are only supported on lists of scalar values")
	case Error:
		return "", item
	}
	return keyText(item), Value{}
}

// keyText returns a text that tells scalars apart, those of different types too.
func keyText(v Value) string {
	k, ok := scalarOf(v)
	if !ok {
		return ""
	}
	return string(rune(k.kind)) + strconv.FormatUint(k.num, 36) + " " + k.text
}

// sameSets compares lists of the same length without regard to order.
func sameSets(a, b Value, steps *int64) Value {
	if *steps -= a.mergeSteps() + b.mergeSteps(); *steps < 0 {
		return Fail(ErrBudget)
	}
	set := map[string]bool{}
	for i, n := 0, a.Len(); i < n; i++ {
		key, failed := setKey(a.At(i))
		if failed.ref != nil {
			return failed
		}
		set[key] = true
	}
	seen := map[string]bool{}
	for i, n := 0, b.Len(); i < n; i++ {
		key, failed := setKey(b.At(i))
		if failed.ref != nil {
			return failed
		}
		if !set[key] {
			return False
		}
		seen[key] = true
	}
	return BoolOf(len(seen) == len(set))
}

// keyedKey returns the text of the keys of an item of a map list. It looks them up by their names in CEL, as upstream does: in a
// tree too, so that a key whose name is escaped is found nowhere, and all items have the same.
func keyedKey(item Value, t *Type) (key string, ok bool) {
	tree, ok := item.ref.(map[string]any)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for _, k := range t.Keys {
		b.WriteString(keyText(untyped(tree[t.escaped(k)])))
		b.WriteByte(0)
	}
	return b.String(), true
}

// escaped returns the name in CEL of a key of the items of a list.
func (t *Type) escaped(key string) string {
	if item := t.item(); item != nil {
		if f := item.Fields[key]; f != nil && f.Key == key {
			return key
		}
		for name, f := range item.Fields {
			if f.Key == key {
				return name
			}
		}
	}
	return key
}

// sameKeyed compares map lists of the same length without regard to order.
func sameKeyed(a, b Value, steps *int64) Value {
	if *steps -= a.mergeSteps() + b.mergeSteps(); *steps < 0 {
		return Fail(ErrBudget)
	}
	items := map[string]Value{}
	for i, n := 0, a.Len(); i < n; i++ {
		key, _ := mergeKey(a.At(i), a)
		items[key] = a.At(i)
	}
	seen := map[string]bool{}
	for i, n := 0, b.Len(); i < n; i++ {
		item := b.At(i)
		key, ok := mergeKey(item, a)
		have, found := items[key]
		if !ok || !found {
			return False
		}
		if e := same(have, item, steps); e != True {
			return e
		}
		seen[key] = true
	}
	return BoolOf(len(seen) == len(items))
}

// mergeKey returns the key of an item for a list: one of a tree reads trees, one that was added to reads values.
func mergeKey(item, list Value) (string, bool) {
	if list.typed() {
		return keyedKey(item, list.typ)
	}
	return valueKey(item, list.typ), true
}

// valueKey returns the text of the keys of an item that may be any map.
func valueKey(item Value, t *Type) string {
	var b strings.Builder
	for _, k := range t.Keys {
		if v, ok := item.Field(t.escaped(k)); ok && v.kind != Error {
			b.WriteString(keyText(v))
		}
		b.WriteByte(0)
	}
	return b.String()
}

// mergeSteps returns how many steps it takes to have the key of each item of a set or a map list: some for the key, and one for eight
// bytes of a text that is an item of a set. It is asked before anything is made; a list that is longer than any budget is not looked at.
func (v Value) mergeSteps() int64 {
	n := v.Len()
	steps := int64(4 * n)
	if n > mostItems {
		return steps
	}
	for i := range n {
		if item := v.At(i); item.kind == String {
			steps += int64(len(item.Str()) / 8)
		}
	}
	return steps
}

// merge returns what + makes of a set or a map list and another list: what is in both stays where it is, of a map list as the
// other has it, and what is new comes behind.
func (a Value) merge(b Value) Value {
	key := func(item Value) (string, Value) { return valueKey(item, a.typ), Value{} }
	if a.typ.Listing == Set {
		key = setKey
	}
	items, places := make([]Value, 0, a.Len()+b.Len()), map[string]int{}
	for i, n := 0, a.Len(); i < n; i++ {
		k, failed := key(a.At(i))
		if failed.ref != nil {
			return failed
		}
		places[k] = i
		items = append(items, a.At(i))
	}
	for i, n := 0, b.Len(); i < n; i++ {
		item := b.At(i)
		k, failed := key(item)
		if failed.ref != nil {
			return failed
		}
		at, found := places[k]
		switch {
		case !found:
			if a.typ.Listing == Set {
				places[k] = len(items)
			}
			items = append(items, item)
		case a.typ.Listing == Keyed:
			items[at] = item
		}
	}
	return Value{kind: List, ref: items, typ: a.typ}
}
