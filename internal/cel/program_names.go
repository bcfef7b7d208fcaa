package cel

import (
	"errors"
	"slices"
	"strings"

	"apichain/internal/cel/syntax"
)

// An attribute is a value and the way from there: self.items[i].name. Upstream resolves such a way as one thing, and so do costs:
// the value at its beginning 1, each step 1, whether or not it leads anywhere. A ternary is an attribute too, whose two ends grow
// together: (c ? a : b).x looks for x in the one that was chosen. What is only resolved, as the branches of a ternary and the
// indices of other attributes, does not pay for its beginning.

// (interpreter/attributes.go: absoluteAttribute, relativeAttribute, conditionalAttribute, and the qualifiers.) An example:
// self.ports[self.count - 3].port costs 1 for self, 1 each for ports, [ ] and port, and within the index 1 for self, 1 for
// count and 1 for the difference: 7. The index is a call here. Were it self.count alone, it would be an attribute, resolved
// for the step that it is part of, and its look at self would not be paid for.
//
// While it is planned an attribute grows: planSelect and planIndex add steps to what their operand has become.
// Once somebody asks it for a closure it does not grow any more, and is read by all evaluations.

// attribute is a way to a value. One of root and choose is set.
type attribute struct {
	root   runner     // of the value where it begins
	steps  []step     // the way from there
	choose runner     // the condition of a ternary
	yes    *attribute // and its branches
	no     *attribute
	test   bool // the last step is has()
	slot   int  // of the variable that root is, -1 for anything else
	local  bool // slot is that of a comprehension's variable
	hidden bool // the steps are not paid for
}

// step is one field or index.
type step struct {
	key      Value  // if it is known
	field    *Field // of the object of a schema, if its type is known
	index    runner // if not: it is computed, and what it costs it says itself
	optional bool   // a.?b, a[?b]: what is absent is an optional without a value
	test     bool   // has(a.b): only whether it is there
	native   bool   // index is what a variable leads to, which upstream has not made a value of
}

// planIdent plans a name: of a constant, of a variable, or of a comprehension's.
func (p *planner) planIdent(e *syntax.Expr) planned {
	ref := p.checked.Refs[e.ID]
	if ref != nil && ref.Constant != nil {
		// The checker knows the name from the messages of protocol buffers; upstream's evaluator then asks its
		// registry of types, which does not have all of them.
		if ref.Constant.kind == TypeKind && unknownType(ref.Name) {
			return p.fail(errors.New("reference to undefined type: " + ref.Name))
		}
		return constantNode(*ref.Constant)
	}
	if ref != nil && ref.Slot >= 0 {
		// Variables are read when they are needed, not when an evaluation begins.
		slot := ref.Slot
		// A variable that a comprehension's hides is written .x; upstream's count loses sight of the steps from it.
		hidden := slices.ContainsFunc(p.scope, func(l bound) bool { return l.name == ref.Name })
		return planned{attribute: &attribute{root: func(f *frame) Value { return f.vars[slot] }, slot: slot, hidden: hidden}}
	}
	// The innermost of a name, as the checker found it.
	for i := len(p.scope) - 1; i >= 0; i-- {
		l := p.scope[i]
		if l.name != e.Name {
			continue
		}
		if l.begin == nil {
			return planned{attribute: &attribute{root: func(f *frame) Value { return f.locals[l.slot] }, slot: l.slot, local: true}}
		}
		return planned{attribute: &attribute{root: func(f *frame) Value {
			// Its first look evaluates what it begins with, and pays for that; all others find the value.
			if f.locals[l.slot].kind == pending {
				f.locals[l.slot] = l.begin(f)
			}
			return f.locals[l.slot]
		}, slot: -1}}
	}
	return constantNode(Failf("no such attribute(s): %s", e.Name))
}

// unknownType reports whether a name is that of a type which the checker knows and the evaluator does not, in upstream.
func unknownType(name string) bool {
	// timestamp and duration are Kubernetes' short names of types for checks; there is no such value at run time.
	switch name {
	case "google.protobuf.Timestamp", "google.protobuf.Duration":
		return false
	case "timestamp", "duration":
		return true
	}
	return strings.HasPrefix(name, "google.protobuf.")
}

// attributeOf returns n as an attribute that a step may be added to.
func (p *planner) attributeOf(n planned) *attribute {
	// The attribute itself, not a copy: the node is used up by this.
	if n.attribute != nil {
		return n.attribute
	}
	return &attribute{root: p.observed(n), slot: -1}
}

// planSelect plans a.b and has(a.b).
// The field is looked for now, by the type that the checker found, so that at run time the key of the tree is at
// hand; a map that turns up where an object was declared is asked by the name.
func (p *planner) planSelect(e *syntax.Expr) planned {
	a := p.attributeOf(p.plan(e.Operand))
	s := step{key: StringOf(e.Name), test: e.Test}
	if t := p.checked.Types[e.Operand.ID]; t != nil && t.Kind == Object {
		s.field = t.fieldNamed(e.Name)
	}
	a.add(s)
	a.test = e.Test
	return planned{attribute: a}
}

// planIndex plans a[b], and a.?b and a[?b], which are optional.
func (p *planner) planIndex(e *syntax.Expr, operand, index planned, optional bool) planned {
	a := p.attributeOf(operand)
	s := step{optional: optional}
	switch {
	case index.constant != nil:
		s.key = *index.constant
		// A literal that can be no key is an error before anything is evaluated, as upstream makes qualifiers of
		// literals when it plans.
		if name, ok := noKey(s.key); ok {
			return p.fail(errors.New("invalid qualifier type: " + name))
		}
	case index.attribute != nil:
		// The index is resolved for this step, which is what is paid for.
		s.index = index.attribute.resolve()
		// Only the text of an error depends on it; see nativeType.
		s.native = index.attribute.slot >= 0 && !index.attribute.local
	default:
		s.index = index.run
	}
	a.add(s)
	return planned{attribute: a}
}

// add makes the way one step longer.
// The branches of a ternary share nothing, so that each may grow by its own copy of the step.
func (a *attribute) add(s step) {
	if a.choose != nil {
		a.yes.add(s)
		a.no.add(s)
		return
	}
	a.steps = append(a.steps, s)
}

// observed returns the closure of an attribute that is an expression of its own.
func (a *attribute) observed() runner {
	run := a.resolve()
	// known: it begins at a variable, and each of its steps is a field that a schema declares. Then the way is a
	// few looks into maps.
	known := a.slot >= 0 && !a.hidden && !slices.ContainsFunc(a.steps, func(s step) bool { return s.field == nil || s.optional })
	switch {
	case a.choose != nil && a.test:
		// Upstream takes off what has() has not paid at the beginning, also where there was nothing to pay.
		return func(f *frame) Value {
			v := run(f)
			if f.cost == 0 {
				return f.halt(ErrBudget) // below nothing is beyond all limits, in upstream too
			}
			f.cost--
			return v
		}
	case a.test && known:
		return a.fieldTest(run)
	case a.choose != nil, a.test:
		return run
	// A variable of a comprehension by itself: x > 0 looks at it in each round.
	case known && len(a.steps) == 0 && a.local:
		slot := a.slot
		return func(f *frame) Value { return f.spend(1, f.locals[slot]) }
	case known:
		return a.fields(run)
	}
	return func(f *frame) Value { return f.spend(1, run(f)) }
}

// fields returns the closure of the most frequent of attributes: fields of a schema's objects below a variable. otherwise resolves
// it if something else turns out to be there.
//
//go:noinline
func (a *attribute) fields(otherwise runner) runner {
	slot, local, steps, cost := a.slot, a.local, a.steps, uint64(len(a.steps)+1)
	if len(steps) == 1 && local {
		return steps[0].local(slot, otherwise)
	}
	return func(f *frame) Value {
		from := f.vars
		if local {
			from = f.locals
		}
		at := from[slot]
		// By index: a step is large, and a copy of each would take longer than the look.
		for i := range steps {
			// Not a tree, or of no schema, or an error: the general way knows what to say, and begins again, which
			// costs nothing twice since nothing was counted.
			m, ok := at.ref.(map[string]any)
			if !ok || at.typ == nil || at.typ.Kind != Object {
				return f.spend(1, otherwise(f))
			}
			field := steps[i].field
			// A null is as good as absent in an object of a schema, as upstream's maps of such an object have it.
			x := m[field.Key]
			if x == nil {
				// What failed has cost the variable, and the steps up to this one.
				return f.spend(uint64(i+2), missing(steps[i].key))
			}
			at = f.read(x, field.Type)
		}
		// Counted at the end, all at once: nobody can look at the count in between.
		if f.cost += cost; f.cost > f.limit || f.steps < 0 {
			return f.halt(ErrBudget)
		}
		return at
	}
}

// local is fields of one field of a comprehension's variable.
func (s *step) local(slot int, otherwise runner) runner {
	key, t, name := s.field.Key, s.field.Type, s.key
	return func(f *frame) Value {
		// By its address: a Value is five words, and most of them are not looked at.
		at := &f.locals[slot]
		m, ok := at.ref.(map[string]any)
		if !ok || at.typ == nil || at.typ.Kind != Object {
			return f.spend(1, otherwise(f))
		}
		x := m[key]
		if x == nil {
			return f.spend(2, missing(name))
		}
		if f.cost += 2; f.cost > f.limit {
			return f.halt(ErrBudget)
		}
		return f.read(x, t)
	}
}

// read is Of for what an evaluation looks at, the most frequent first. A text that a format makes something else of is read at each
// look, for which it takes steps.
func (f *frame) read(tree any, t *Type) Value {
	if t == nil {
		return untyped(tree)
	}
	switch x := tree.(type) {
	case string:
		if t.Kind == String {
			return Value{kind: String, ref: tree}
		}
		// Short ones are read so fast that counting them would be the larger part.
		if len(x) >= much && (t.Kind == Bytes || t.Kind == Duration || t.Kind == Timestamp) {
			f.steps -= int64(len(x) / 4)
		}
	case int64:
		if t.Kind == Int {
			return Value{kind: Int, num: uint64(x)}
		}
	case map[string]any:
		if t.Kind == Object || t.Kind == Map {
			return Value{kind: Map, ref: tree, typ: t}
		}
	}
	return Of(tree, t)
}

// fieldTest is fields for has(), which does not pay for the variable.
// Only the last field may be absent: has(a.b.c) without b is the error that there is no b.
func (a *attribute) fieldTest(otherwise runner) runner {
	slot, local, steps, last := a.slot, a.local, a.steps, len(a.steps)-1
	return func(f *frame) Value {
		from := f.vars
		if local {
			from = f.locals
		}
		at := from[slot]
		for i := range steps {
			m, ok := at.ref.(map[string]any)
			if !ok || at.typ == nil || at.typ.Kind != Object {
				return otherwise(f)
			}
			field := steps[i].field
			x := m[field.Key]
			switch {
			case x == nil && i == last:
				return f.spend(uint64(i+1), Value{kind: Bool})
			case x == nil:
				return f.spend(uint64(i+1), missing(steps[i].key))
			}
			at = f.read(x, field.Type)
		}
		if at.kind != Error {
			at = Value{kind: Bool, num: 1}
		}
		return f.spend(uint64(len(steps)), at)
	}
}

// resolve returns the closure of an attribute that pays for its steps alone.
func (a *attribute) resolve() runner {
	if a.choose != nil {
		choose, yes, no := a.choose, a.yes.resolve(), a.no.resolve()
		return func(f *frame) Value {
			c := choose(f)
			switch {
			// A condition that is an error is the result, with its own text; any other value has no such overload.
			case c.kind != Bool:
				return NoSuchOverload(c)
			case c.num != 0:
				return yes(f)
			}
			return no(f)
		}
	}
	// From here on the attribute is what it is: a step that is added later is not seen by this closure.
	root, steps, hidden := a.root, a.steps, a.hidden
	if len(steps) == 0 {
		return root
	}
	return func(f *frame) Value {
		v := root(f)
		if v.kind == Error {
			return v
		}
		// The steps are taken first, and what they have cost is forgotten, so that a budget may still end them.
		cost := f.cost
		v = f.walk(v, steps)
		if hidden {
			f.cost = cost
		}
		return v
	}
}

// presence is what a step found.
type presence uint8

const (
	there presence = iota
	absent
	broken // the value is an error: the step was not possible
)

// walk goes from v the way of steps. From the first optional on, what is absent is an empty optional, and costs nothing; what is
// found at the end is an optional with a value.
func (f *frame) walk(v Value, steps []step) Value {
	// optional once is optional for the rest of the way.
	optional := false
	// An optional that an attribute begins with is gone into: optional.of({'a': 1}).a is an optional of 1.
	if v.IsOptional() {
		inner, ok := v.Optional()
		if !ok {
			if steps[len(steps)-1].test {
				return False
			}
			return v
		}
		v, optional = inner, true
	}
	for i := range steps {
		s := &steps[i]
		optional = optional || s.optional
		// First the index, then the look: an index that is an error, or cannot be an index, ends the way before
		// the look is paid for.
		key := s.key
		var found presence
		next := Value{kind: Error}
		// A computed key may be a text of any length, to look up which takes its length.
		if s.index != nil {
			key = s.index(f)
			if key.kind == Error {
				next, found = key, broken
			} else if !f.hash(key) {
				return f.halt(ErrBudget)
			} else if name, ok := noKey(key); ok {
				if s.native {
					name = nativeType(key, name)
				}
				next, found = Failf("invalid qualifier type: %s", name), broken
			}
		}
		if found == there {
			next, found = f.find(v, s.field, key)
		}
		// A look that found nothing is paid for, unless it was an optional one (the qualifiers' costs in
		// runtimecost.go).
		if found == there || !optional {
			if f.cost++; f.cost > f.limit || f.steps < 0 {
				return f.halt(ErrBudget)
			}
		}
		switch {
		case found == broken:
			return next
		// has() is the end of a way: a bool has no fields.
		case s.test:
			return BoolOf(found == there)
		case found == absent && optional:
			if steps[len(steps)-1].test {
				return False
			}
			return None
		case found == absent:
			return unset(v, key)
		}
		v = next
	}
	if optional && v.kind != Error {
		return Some(v)
	}
	return v
}

// find looks for a key in v. field is that of the key if the schema has one and v is of the schema.
func (f *frame) find(v Value, field *Field, key Value) (Value, presence) {
	switch v.kind {
	case Error:
		return v, broken
	case Map:
		if m, ok := v.ref.(map[string]any); ok && field != nil && v.typ != nil && v.typ.Kind == Object {
			x := m[field.Key]
			if x == nil {
				return Value{}, absent
			}
			return present(f.read(x, field.Type))
		}
		if found, ok := v.Find(key); ok {
			return present(found)
		}
	case List:
		// Out of range is absent, which list[?i] may be; what is no index at all is an error in any case.
		i, err := listIndex(key)
		if err != nil {
			return Fail(err), broken
		}
		if i >= 0 && i < int64(v.Len()) {
			if tree, ok := v.ref.([]any); ok && key.kind == Int {
				return f.read(tree[i], v.typ.item()), there
			}
			return v.Get(key), there
		}
	case Object:
		if found, ok := v.Find(key); ok {
			return present(found)
		}
	}
	return Value{}, absent
}

// present returns what was found, which may be what its schema does not allow.
func present(v Value) (Value, presence) {
	if v.kind == Error {
		return v, broken
	}
	return v, there
}

// unset returns what a step makes of what is absent: an error, but for a field of a message that an expression built, which is
// null, or the zero value that its type has.
// Messages have no absent fields in CEL: one that was not set has its default. Of the messages that Kubernetes'
// expressions build only strings have a default that is not null: those of a JSONPatch.
func unset(v, key Value) Value {
	switch v.kind {
	case List:
		return Failf("index out of bounds: %v", key)
	case Object:
		if _, ok := v.ref.(*built); ok {
			if f := v.typ.Fields[key.Str()]; f != nil && f.Type.Kind == String {
				return StringOf("")
			}
			return NullValue
		}
	}
	return missing(key)
}

// missing returns the error of a key that is not there.
func missing(key Value) Value { return Failf("no such key: %v", key) }

// noKey returns what upstream calls a value that no list, map or object has an index for.
func noKey(v Value) (name string, ok bool) {
	switch v.kind {
	case String, Int, Uint, Bool, Double:
		return "", false
	}
	return goType(v), true
}

// nativeType returns what upstream calls what a variable leads to, which it has not made a value of: the tree itself.
func nativeType(v Value, otherwise string) string {
	switch v.ref.(type) {
	case nil:
		if v.kind == Null {
			return "<nil>"
		}
	case []any:
		if v.typ == nil {
			return "[]interface {}"
		}
	case map[string]any:
		if v.typ == nil {
			return "map[string]interface {}"
		}
	}
	return otherwise
}

// goType returns the name of the type that upstream has for a value, which some messages show.
func goType(v Value) string {
	if v.typed() {
		if v.kind == List {
			return "*common.unstructuredList"
		}
		return "*common.unstructuredMap"
	}
	if _, ok := v.ref.(*rope); ok {
		return "*types.concatList"
	}
	// They are names of Go types of cel-go, which its errors print; they change no result.
	names := [...]string{
		Null: "types.Null", Bool: "types.Bool", Int: "types.Int", Uint: "types.Uint", Double: "types.Double", String: "types.String",
		Bytes: "types.Bytes", Timestamp: "types.Timestamp", Duration: "types.Duration", List: "*types.baseList", Map: "*types.baseMap",
		TypeKind: "*types.Type", Opaque: "*types.Optional", Object: "*dynamic.ObjectVal", Error: "*types.Err",
	}
	if int(v.kind) < len(names) {
		return names[v.kind]
	}
	return ""
}
