package kinds

import (
	"encoding/base64"
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What a row says of whole objects, done to objects: defaults, initial values, immutable
// fields, and the two shapes of a kind that is stored as another.
//
// A write calls these in the order in which upstream's decoding, defaulting, strategy and
// storage would act on a struct: Prune, SetDefaults, Initialize (creates only), Validate
// (updates only), ToStored. Defaults are set again after a patch, so setting them twice must
// be the same as once.
//
//	Service {"spec":{"ports":[{"port":80}]}}
//	becomes {"spec":{"type":"ClusterIP","sessionAffinity":"None",
//	         "ports":[{"port":80,"protocol":"TCP","targetPort":80}]}}
//
// Defaults that depend on more than one other field (cluster IPs, IP families) are not in
// the table.

// Shape checks and completes objects of one built-in kind. Its methods change only the
// object they are given, so one Shape serves all requests at once.
type Shape struct{ Row *Row }

// Prune removes the fields of obj that the kind does not have and returns their paths, at
// most a hundred, in order. A value of a wrong type is an error, in the words of
// encoding/json; obj is then of no use. An object without either is walked once, and
// nothing is allocated.
func (s Shape) Prune(obj map[string]any) (unknown []string, err error) {
	return Prune(s.Row.Type(), obj)
}

// SetDefaults sets the fields that obj leaves out and the table has defaults for, or upstream
// writes even if they are empty; moves write-only fields (stringData of a Secret) to where they are
// kept, and sets the label that holds the name, all in place. obj must
// have been pruned.
func (s Shape) SetDefaults(obj map[string]any) {
	if label := s.Row.nameLabel; label != "" {
		// A name that is still to be generated is not there yet; this is called again
		// when it is.
		if name := tree.Text(obj, "metadata", "name"); name != "" {
			tree.Set(obj, name, "metadata", "labels", label)
		}
	}
	if s.Row.Type().defaults {
		setTypeDefaults(s.Row.Type(), obj)
	}
}

// Reduce drops what is never kept of obj, and makes lists null that are empty and written as null then, in place. Prune and SetDefaults
// leave both, since upstream counts who owns what before it does so: to it a list that somebody sends is another thing than none.
func (s Shape) Reduce(obj map[string]any) {
	for _, d := range s.Row.dropped {
		v := tree.At(obj, d.path...)
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, e := range list {
			if e, ok := e.(map[string]any); ok {
				for _, name := range d.fields {
					delete(e, name)
				}
			}
		}
	}
	for _, f := range s.Row.Type().Fields {
		if f.nullable && f.IsList {
			if list, ok := obj[f.Name].([]any); ok && len(list) == 0 {
				obj[f.Name] = nil
			}
		}
	}
}

// Initialize sets what a new object begins with, whatever the client sent: the phase and the
// finalizer of a Namespace. Lists are added to, without repeating an element. obj shares
// nothing with the table afterwards.
func (s Shape) Initialize(obj map[string]any) {
	for _, i := range s.Row.initial {
		value := tree.Copy(i.value)
		if add, ok := value.([]any); ok {
			have := tree.List(obj, i.path...)
			for _, v := range add {
				if !slices.ContainsFunc(have, func(h any) bool { return tree.Equal(h, v) }) {
					have = append(have, v)
				}
			}
			value = have
		}
		tree.Set(obj, value, i.path...)
	}
}

// Validate returns what is wrong with obj, metadata aside, in upstream's words. old is the object
// before, nil for a create: of its fixed fields none may change, nor any that is immutable since old's
// flag was set, nor that flag. Where only the status is written (status), only that is judged.
func (s Shape) Validate(obj, old map[string]any, status bool) []field.Error {
	errs := s.changeErrors(obj, old)
	if to, _ := s.Row.conversion(); to != nil {
		return append(errs, s.Row.stored.check(s.Row.asStored(obj), s.Row.asStored(old), status)...)
	}
	return append(errs, s.Row.check(obj, old, status)...)
}

// changeErrors returns what obj changes of old that may not change.
func (s Shape) changeErrors(obj, old map[string]any) (errs []field.Error) {
	if old == nil {
		return nil
	}
	for _, name := range s.Row.fixed {
		if !tree.Equal(obj[name], old[name]) {
			errs = append(errs, field.Invalid(name, obj[name], "field is immutable"))
		}
	}
	flag := s.Row.immutableFlag
	if flag == "" || old[flag] != true {
		return errs
	}
	if obj[flag] != true {
		errs = append(errs, field.Forbidden(flag, "field is immutable when `"+flag+"` is set"))
	}
	for _, name := range s.Row.immutableFields {
		// Both have been pruned, so an empty map and none are both absent here.
		if !tree.Equal(obj[name], old[name]) {
			errs = append(errs, field.Forbidden(name, "field is immutable when `"+flag+"` is set"))
		}
	}
	return errs
}

// ToStored brings an object of the kind into the shape in which it is stored, in place:
// another apiVersion and kind, the other kind's names of the top-level fields, and those that it
// writes even if they are empty. It does nothing to kinds that are stored as they are. FromStored
// is the way back.
func (k *Row) ToStored(obj map[string]any) {
	if k.stored != k {
		k.stored.identify(obj)
		for _, names := range k.renames {
			renameMember(obj, names[0], names[1])
		}
		if to, _ := k.conversion(); to != nil {
			to(obj)
		}
		Shape{k.stored}.SetDefaults(obj)
	}
}

// asStored returns obj, which may be nil, in the shape in which it is stored, and leaves it alone.
func (k *Row) asStored(obj map[string]any) map[string]any {
	if obj != nil {
		obj = tree.Copy(obj).(map[string]any)
		k.ToStored(obj)
	}
	return obj
}

// FromStored brings a stored object into the shape of the kind, in place. It undoes
// ToStored, and makes of any object that the stored kind's clients wrote one of this kind.
func (k *Row) FromStored(obj map[string]any) {
	if k.stored != k {
		k.identify(obj)
		for _, names := range k.renames {
			renameMember(obj, names[1], names[0])
		}
		if _, from := k.conversion(); from != nil {
			from(obj)
		}
	}
}

// identify sets the kind and apiVersion of obj.
func (k *Row) identify(obj map[string]any) {
	obj["kind"] = k.Kind
	if k.Group == "" {
		obj["apiVersion"] = k.Version
	} else {
		obj["apiVersion"] = k.Group + "/" + k.Version
	}
}

// renameMember moves a member of obj to another name; an absent one stays absent.
func renameMember(obj map[string]any, from, to string) {
	if v, ok := obj[from]; ok {
		delete(obj, from)
		obj[to] = v
	}
}

// setTypeDefaults sets the defaults of an object of type t, and then those of the objects below it,
// as upstream does. The fields are visited in the order of the file, so a default that is taken from
// another field sees that field's own default only if it stands further up; the type's rule sees all
// of them.
func setTypeDefaults(t *Type, obj map[string]any) {
	for _, f := range t.Fields {
		v := obj[f.Name]
		switch {
		case f.Inline:
			// The fields of an embedded type are members of the same object.
			if f.Message.defaults {
				setTypeDefaults(f.Message, obj)
			}
		case f.MovesInto != "":
			// The field goes even when it is empty: it is never stored.
			if values, ok := v.(map[string]any); ok {
				encodeInto(obj, values, f.MovesInto)
			}
			delete(obj, f.Name)
		case f.Default != nil:
			if v == nil || f.Required && !f.pointer && isEmpty(v) {
				// A default may be a list or an object, which this object must not share.
				obj[f.Name] = tree.Copy(f.Default)
			}
		case f.DefaultFrom != "":
			// Zero counts as absent: targetPort is no pointer upstream, so that a 0 and
			// nothing are the same to its defaulting.
			if other := obj[f.DefaultFrom]; other != nil && (v == nil || v == "" || v == int64(0)) {
				obj[f.Name] = other
			} else if v == nil && f.alwaysWritten() {
				obj[f.Name] = f.empty()
			}
		case v == nil && f.alwaysWritten():
			obj[f.Name] = f.empty()
		}
	}
	if t.rule.Default != nil {
		t.rule.Default(obj)
	}
	for _, f := range t.Fields {
		if f.Kind == FieldMessage && !f.Inline && f.Message.defaults {
			setFieldDefaults(f, obj[f.Name])
		}
	}
}

// alwaysWritten reports whether upstream's encoder writes f even if nobody has set it: because it
// has no omitempty, or because its Go type is a struct, which that does not leave out.
func (f *Field) alwaysWritten() bool {
	if f.Required || f.pointer || f.IsList || f.IsMap || f.Inline {
		return f.Required || f.nullable
	}
	switch f.Kind {
	case FieldMessage, FieldTime, FieldMicroTime, FieldIntOrString, FieldQuantity:
		return true
	}
	return false
}

// empty returns what is written for f where nobody has set it: the zero value of its Go type, a
// struct without its own defaults.
func (f *Field) empty() any {
	if f.pointer || f.IsList || f.IsMap || f.Kind == FieldBytes {
		return nil
	}
	v, _ := zeroOf(f.Kind)
	return v
}

// setFieldDefaults sets the defaults in the objects of f's value v: one object, or those of a list
// or a map.
func setFieldDefaults(f *Field, v any) {
	switch v := v.(type) {
	case map[string]any:
		if !f.IsMap {
			setTypeDefaults(f.Message, v)
			return
		}
		for _, e := range v {
			if e, ok := e.(map[string]any); ok {
				setTypeDefaults(f.Message, e)
			}
		}
	case []any:
		for _, e := range v {
			if e, ok := e.(map[string]any); ok {
				setTypeDefaults(f.Message, e)
			}
		}
	}
}

// encodeInto puts values, encoded in base64, into the map of bytes that obj has under the name
// into, over what is there. Without values no map is made.
func encodeInto(obj, values map[string]any, into string) {
	if len(values) == 0 {
		return
	}
	data, ok := obj[into].(map[string]any)
	if !ok {
		data = make(map[string]any, len(values))
		obj[into] = data
	}
	for k, v := range values {
		s, _ := v.(string)
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
}
