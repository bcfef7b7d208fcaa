package kinds

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The checking of values: one walk over an object by its types. At each object on the way the
// words of its type's fields are checked, and then the type's rule in Go is asked, which says what no
// word can; so a pod template is judged alike wherever it stands. Types below which nothing is to be
// checked are not walked, and where all is well the walk allocates nothing but what old costs.
//
// The status of a kind that has it as a subresource is judged only where it is written, and then
// alone. Metadata are not judged here.
//
//	kind   Pod          metadata (elsewhere), spec (PodSpec), status (only by /status)
//	type   PodSpec      words of its fields, then Rules["PodSpec"].Check, then what is below
//	type   Container    the same at each element of containers
//
// Ratcheting is a rule's own matter: the walk brings the object that was at the same place before, found
// by the keys of a list where it has some, and a rule decides whether what was wrong already is let be.

// Rules are what no row can say of types, by their names: PodSpec, apps.DeploymentSpec.
type Rules map[string]Rule

// Rule is what no row can say of a type. Each may be nil, and is called concurrently.
type Rule struct {
	// Default sets what upstream's defaulting function of the type does, after the defaults of the
	// rows of its own fields and before those of what is below. The object may have been defaulted
	// before.
	Default func(obj map[string]any)
	// Judge returns what is judged in place of an object of the type, which is obj or another that may
	// share with it; obj is not changed. It is called for what was there before too.
	Judge func(obj map[string]any) map[string]any
	// Check says what is wrong with an object of the type. It changes nothing.
	Check func(v *Visit)
	// Status says what is wrong with an object of a kind whose status alone is written. It is
	// called for the type of a kind, after the words and the rules below its status.
	Status func(v *Visit)
}

// Visit is one object on the walk, as a rule sees it. It and what it holds may not be kept.
type Visit struct {
	// Obj is the object. Old is the one that was at the same place before, nil in a create, where
	// there was none, and in a list whose elements have no key.
	Obj, Old map[string]any
	// Root and OldRoot are the whole objects; OldRoot is nil in a create. Type is that of Root.
	Root, OldRoot map[string]any
	Type          *Type
	// Part says that a subresource writes a part of the object, and has its own rule of what may change.
	Part bool

	at   fieldPath
	errs []field.Error
	// of is the type of Obj.
	of *Type
	// skipped are fields of Obj that are not judged.
	skipped []string
}

// Update reports whether there was an object before.
func (v *Visit) Update() bool { return v.OldRoot != nil }

// Add says what is wrong. It is for errors, which are many and rare: no place needs a copy of it.
//
//go:noinline
func (v *Visit) Add(errs ...field.Error) { v.errs = append(v.errs, errs...) }

// Failed reports whether anything is wrong so far.
func (v *Visit) Failed() bool { return len(v.errs) > 0 }

// Errors returns what is wrong so far with what is at a path or below it.
func (v *Visit) Errors(path string) (errs []field.Error) {
	for _, e := range v.errs {
		if rest, ok := strings.CutPrefix(e.Field, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			errs = append(errs, e)
		}
	}
	return errs
}

// Now judges what is in a field of the object at once, and not behind the Check as all else, for a Check that
// depends on it.
// The field must be one of the type whose Check calls it, and is not judged a second time.
func (v *Visit) Now(name string) {
	f, t, skipped := v.of.ByName[name], v.of, v.skipped
	v.skipped = nil
	v.field(f)
	v.of, v.skipped = t, append(skipped, name)
}

// Skip leaves fields of the object out of the rest of the walk: a Check has judged what they have, or
// refuses that they are there at all. Those of an embedded type are for a Check of that type to skip.
func (v *Visit) Skip(fields ...string) { v.skipped = append(v.skipped, fields...) }

// MapKey is a step of a path that is a key of a map: [cpu].
type MapKey string

// Path returns the path of the object, or of what is below it by the steps: a text is a field, an int
// an element of a list, and a MapKey a key of a map.
func (v *Visit) Path(steps ...any) string {
	// The walk keeps steps, and makes a text of them only where somebody asks for one.
	b := v.at.appendPath(nil)
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			b = appendField(b, s)
		case int:
			b = append(strconv.AppendInt(append(b, '['), int64(s), 10), ']')
		case MapKey:
			b = append(append(append(b, '['), s...), ']')
		}
	}
	return string(b)
}

// appendField appends a field to a path.
func appendField(b []byte, name string) []byte {
	if len(b) > 0 {
		b = append(b, '.')
	}
	return append(b, name...)
}

// appendPath appends the path as upstream's validation writes it: keys of maps are in brackets.
func (at *fieldPath) appendPath(b []byte) []byte {
	for i := range at.depth {
		switch s := at.step(i); {
		case s.index >= 0:
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		case s.index == stepKey:
			b = append(append(append(b, '['), s.name...), ']')
		default:
			b = appendField(b, s.name)
		}
	}
	return b
}

// check returns what is wrong with an object of the kind. Errors come in the order of the fields in
// the files, those of an object before those below it.
func (k *Row) check(obj, old map[string]any, status bool) []field.Error {
	t := k.Type()
	if !t.checks {
		return nil
	}
	v := &Visit{Obj: obj, Old: old, Root: obj, OldRoot: old, Type: t}
	// The kind's own rule for its status is about the whole object, which it may compare with.
	if status {
		if f := t.ByName["status"]; f != nil {
			v.field(f)
		}
		if t.rule.Status != nil {
			t.rule.Status(v)
		}
		return v.errs
	}
	v.object(t, k.HasStatus)
	return v.errs
}

// CheckPart returns what is wrong with an object of the kind of which a subresource has written a part.
// The rules hold as for a write of the whole, and rule, which says what may change, is asked last.
func (k *Row) CheckPart(obj, old map[string]any, rule func(*Visit)) []field.Error {
	v := &Visit{Obj: obj, Old: old, Root: obj, OldRoot: old, Type: k.Type(), Part: true}
	v.object(v.Type, k.HasStatus)
	rule(v)
	return v.errs
}

// object judges Obj, an object of type t, and what is below it. Without the status, that of a whole
// object is left out.
func (v *Visit) object(t *Type, withoutStatus bool) {
	if t.union != "" {
		v.union(t)
	}
	for _, f := range t.Fields {
		for i := range f.rules {
			// What is behind an unmet rule would say of an absent value that it is wrong, too.
			if !v.rule(f, &f.rules[i]) {
				break
			}
		}
	}
	if t.rule.Check != nil {
		v.of = t
		t.rule.Check(v)
	}
	// What a Check has skipped holds for this object, and not for those below it.
	skipped := v.skipped
	v.skipped = nil
	for _, f := range t.Fields {
		if (!withoutStatus || f.Name != "status") && !slices.Contains(skipped, f.Name) {
			v.field(f)
		}
	}
}

// union demands exactly one of the type's members.
// Errors of the members that are too many come in their order in the file, which is upstream's.
func (v *Visit) union(t *Type) {
	n := 0
	for _, f := range t.Fields {
		if !f.member || v.Obj[f.Name] == nil {
			continue
		}
		if n++; n > 1 {
			v.Add(field.Forbidden(v.Path(f.Name), "may not specify more than 1 "+t.union+" type"))
		}
	}
	if n == 0 {
		v.Add(field.Required(v.Path(), "must specify a "+t.union+" type"))
	}
}

// rule judges the field's value by one rule, and reports whether those behind it are to be asked.
func (v *Visit) rule(f *Field, rule *fieldRule) bool {
	if !rule.holds(v.Obj) {
		return true
	}
	value := v.Obj[f.Name]
	// req and forbid are about absence. A number is absent at 0 where upstream's field is no pointer, and
	// a text at "" in any case; false is a value.
	if rule.check == nil {
		absent := value == nil || f.Kind == FieldString && value == "" || value == int64(0) && !f.pointer ||
			(f.IsList || f.IsMap) && isEmpty(value)
		switch {
		case rule.word == "req" && absent:
			v.Add(field.Required(v.Path(f.Name), ""))
			return false
		case rule.word == "forbid" && !absent:
			v.Add(field.Forbidden(v.Path(f.Name), "may not be set here"))
			return false
		}
		return true
	}
	// Only what stays must be told where it has gone.
	if value == nil && rule.word != "fixed" {
		return true
	}
	v.at.push(f.Name, stepField)
	if list, ok := value.([]any); ok && !rule.whole {
		for i, e := range list {
			v.at.push("", i)
			rule.check(v, f, e)
			v.at.pop()
		}
	} else {
		rule.check(v, f, value)
	}
	v.at.pop()
	return true
}

// field judges the objects in a field.
func (v *Visit) field(f *Field) {
	if f.Kind != FieldMessage || !f.Message.checks {
		return
	}
	// An embedded type has its fields in the object itself: no step is added to the path.
	if f.Inline {
		v.object(f.Message, false)
		return
	}
	if value := v.Obj[f.Name]; value != nil {
		var old any
		if v.Old != nil {
			old = v.Old[f.Name]
		}
		v.at.push(f.Name, stepField)
		v.value(f, value, old)
		v.at.pop()
	}
}

// value judges the object, or those of the list or the map, that a field has. old is what it had.
func (v *Visit) value(f *Field, value, old any) {
	switch value := value.(type) {
	case map[string]any:
		was, _ := old.(map[string]any)
		if !f.IsMap {
			v.below(f.Message, value, was)
			return
		}
		// A map has no order, and answers are to be alike each time.
		for _, k := range slices.Sorted(maps.Keys(value)) {
			if e, ok := value[k].(map[string]any); ok {
				w, _ := was[k].(map[string]any)
				v.at.push(k, stepKey)
				v.below(f.Message, e, w)
				v.at.pop()
			}
		}
	case []any:
		was, _ := old.([]any)
		for i, e := range value {
			if e, ok := e.(map[string]any); ok {
				v.at.push("", i)
				v.below(f.Message, e, f.sameElement(was, e))
				v.at.pop()
			}
		}
	}
}

// below judges an object of type t below the present one.
func (v *Visit) below(t *Type, obj, old map[string]any) {
	if t.rule.Judge != nil {
		obj = t.rule.Judge(obj)
		if old != nil {
			old = t.rule.Judge(old)
		}
	}
	// One Visit serves the whole walk; its place in it is put back on the way up.
	outer, outerOld := v.Obj, v.Old
	v.Obj, v.Old = obj, old
	v.object(t, false)
	v.Obj, v.Old = outer, outerOld
}

// sameElement returns the element of a list that has the keys of e, nil if there is none, or if the
// elements of the field have no keys.
func (f *Field) sameElement(list []any, e map[string]any) map[string]any {
	keys := f.ListKeys
	// A key for strategic merges tells elements apart as well.
	if len(keys) == 0 && f.MergeKey != "" {
		keys = []string{f.MergeKey}
	}
	if len(keys) == 0 {
		return nil
	}
	// Lists with keys are short, most of them: an index would cost more than it saves.
	for _, other := range list {
		o, ok := other.(map[string]any)
		if ok && !slices.ContainsFunc(keys, func(k string) bool { return !tree.Equal(o[k], e[k]) }) {
			return o
		}
	}
	return nil
}

// needsChecking reports whether a field of t has a rule, or t has one of its own, or holds a type
// that is marked already.
// Types may hold one another in a circle, so the marks are set in rounds until none is new.
func (t *Type) needsChecking() bool {
	if t.rule.Check != nil || t.rule.Status != nil || t.union != "" {
		return true
	}
	return slices.ContainsFunc(t.Fields, func(f *Field) bool {
		return len(f.rules) > 0 || f.Kind == FieldMessage && f.Message != nil && f.Message.checks && f.Message.Name != "meta.ObjectMeta"
	})
}
