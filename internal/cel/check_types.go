package cel

import (
	"slices"
	"strconv"
	"strings"
)

// Two types agree if one is assignable to the other. Type parameters make that a search: each call of a generic function gets
// variables of its own for them (_var0, _var1 …), and where a variable meets a type it is bound to it for the rest of the
// expression, so that [] + [1] is a list of int. What is bound is undone if the rest of an overload's arguments do not agree.

// That is all of Hindley and Milner's algorithm that CEL needs: there are no functions as values, and no declarations to generalize. What
// it adds is dyn, which agrees with everything, and that a variable which met int and then dyn stands for dyn from there on.

// In [] + [1], for example, the list of [] is list(_var0) and the A of + is _var1; the first argument binds _var1
// to _var0, the second _var0 to int, and the sum, list(_var1), is resolved to list(int).
//
// Undoing is by a trail, as in Prolog, since most overloads of + do not fit and may have bound something before
// that shows. Upstream copies its whole map of bindings for each try (isAssignable in checker/types.go), with the
// same answers.

// bindings are what the type variables of an expression stand for, by their number: nil as long as a variable is free.
type bindings struct {
	of    []*Type
	trail []binding // what to undo, oldest first
	steps int       // how many types were looked at
}

// mostSteps is how many types the checker looks at for one expression. What variables are bound to may be large by being the same in
// many places; an expression that is not made for it needs some ten for each of its nodes.
const mostSteps = 1 << 24

// weary counts a step, and says whether there were too many: then all answers are quick ones, and the expression is refused.
func (b *bindings) weary() bool {
	b.steps++
	return b.steps > mostSteps
}

// binding is what a variable was before it was bound.
type binding struct {
	variable int32
	before   *Type
}

// fresh returns a new type variable. Its name is part of upstream's texts of errors.
func (b *bindings) fresh() *Type {
	b.of = append(b.of, nil)
	n := len(b.of)
	return &Type{Kind: Param, Name: "_var" + strconv.Itoa(n-1), variable: int32(n), Max: Unbounded}
}

// find returns what t is bound to, nil for everything but a bound variable.
// It goes one step: what is found may be a bound variable again. Those that want the end of the way call resolve.
func (b *bindings) find(t *Type) *Type {
	if t.Kind != Param || t.variable == 0 {
		return nil
	}
	return b.of[t.variable-1]
}

// bind makes a variable stand for t. The type parameter of a declared variable stands only for itself.
func (b *bindings) bind(v, t *Type) {
	if v.variable > 0 {
		b.trail = append(b.trail, binding{v.variable - 1, b.of[v.variable-1]})
		b.of[v.variable-1] = t
	}
}

// agree says whether t1 is assignable to t2, and keeps what was bound if it is.
// Its order is not idle: of two free variables t2 comes to stand for t1.
func (b *bindings) agree(t1, t2 *Type) bool {
	mark := len(b.trail)
	if b.assignable(t1, t2) {
		return true
	}
	b.undo(mark)
	return false
}

// agreeAll is agree for the arguments of a call, all of them or none.
func (b *bindings) agreeAll(types1, types2 []*Type) bool {
	mark := len(b.trail)
	if b.assignableAll(types1, types2) {
		return true
	}
	b.undo(mark)
	return false
}

// undo takes back everything that was bound since the trail was as long as mark.
// It goes backwards, since one variable may have been bound twice since then.
func (b *bindings) undo(mark int) {
	for len(b.trail) > mark {
		last := b.trail[len(b.trail)-1]
		b.of[last.variable] = last.before
		b.trail = b.trail[:len(b.trail)-1]
	}
}

// count takes the parts of t, with what its variables are bound to, from left, and stops below 0.
func (b *bindings) count(t *Type, left *int) {
	if *left--; *left < 0 {
		return
	}
	if bound := b.find(t); bound != nil {
		b.count(bound, left)
	}
	for _, p := range t.Params {
		b.count(p, left)
	}
}

// assignable is agree without undoing. It is symmetric but for variables, where it matters which of two is bound to the other.
func (b *bindings) assignable(t1, t2 *Type) bool {
	if b.weary() {
		return true
	}
	// Variables come first: whatever they meet is what they are from now on.
	// t2 is asked first, which makes argument and parameter of a call different: the parameter is bound to the
	// argument.
	if t2.Kind == Param {
		valid, bound := b.stand(t1, t2)
		if valid || bound {
			return valid
		}
	}
	if t1.Kind == Param {
		valid, _ := b.stand(t2, t1)
		return valid
	}

	// What is not known, or is wrong already, agrees with everything.
	if t1.dynamic() || t1.Kind == Error || t2.dynamic() || t2.Kind == Error {
		return true
	}
	// Null is no value of scalars, lists and maps: null == 1 is a fault, null == self.born is not.
	if t1.Kind == Null {
		return t2.nullable()
	}
	if t2.Kind == Null {
		return t1.nullable()
	}

	// Types with parts agree if their parts do; what a type as a value is the type of does not matter; scalars and messages have to
	// be the same.
	switch k := t1.plain(); k {
	case List, Map, Opaque:
		return t2.Kind == k && t1.Name == t2.Name && b.assignableAll(t1.Params, t2.Params)
	case TypeKind:
		return t2.Kind == TypeKind
	default:
		return k == t2.plain() && (k != Object || t1.Name == t2.Name)
	}
}

// assignableAll is assignable for the parts of two types, or the arguments of a call.
func (b *bindings) assignableAll(types1, types2 []*Type) bool {
	if len(types1) != len(types2) {
		return false
	}
	for i, t := range types1 {
		if !b.assignable(t, types2[i]) {
			return false
		}
	}
	return true
}

// stand says whether the variable v may stand for t, and whether it had a type before. If both agree, v becomes the more general
// of the two.
// A false and false means that v cannot stand for t, and that t, if it is a variable, may yet stand for v
// (isValidTypeSubstitution in checker/types.go).
func (b *bindings) stand(t, v *Type) (valid, bound bool) {
	if t.exactly(v) {
		return true, true
	}
	// A free variable becomes t, if t has no part that is that variable.
	// Only one step: what a variable stands for may be a variable, and the comparison below goes on through it.
	before := b.find(v)
	if before == nil {
		if !b.apart(v, t) {
			return false, false
		}
		b.bind(v, t)
		return true, false
	}
	if t.plain() == before.plain() && t.exactly(before) {
		return true, true
	}
	// One that was bound has to agree with t, and takes what is more general: after int and dyn it is dyn.
	// What this binds on the way stays if it succeeds, and is undone by agree if it does not.
	if !b.assignable(t, before) {
		return false, true
	}
	if general := moreGeneral(t, before); b.apart(v, general) {
		b.bind(v, general)
	}
	return true, true
}

// apart says whether v is no part of within: a type cannot be a list of itself.
// Without this [l, [l]] could bind a variable to a list of itself, and resolve would not end (notReferencedIn).
func (b *bindings) apart(v, within *Type) bool {
	if b.weary() || v.exactly(within) {
		return false
	}
	switch within.Kind {
	// A parameter of another name is another type for exactly, and the same for Equivalent: list(A) and list(B) of
	// two declarations.
	case Param:
		bound := b.find(within)
		return bound == nil || b.apart(v, bound)
	case Opaque, List, Map, TypeKind:
		for _, p := range within.Params {
			if !b.apart(v, p) {
				return false
			}
		}
	}
	return true
}

// resolve returns t with what its variables are bound to; free ones stay, or become dyn, as at the end, when nothing can bind them any
// more. A type that has no variables is returned as it is.
// A wrapper, a message or a scalar has no variables: only what is listed below is gone into (substitute).
func (b *bindings) resolve(t *Type, dyn bool) *Type {
	if b.weary() {
		return t
	}
	if bound := b.find(t); bound != nil {
		return b.resolve(bound, dyn)
	}
	switch t.Kind {
	case Param:
		if dyn {
			return DynType
		}
	case Opaque, List, Map, TypeKind:
		return t.replace(func(p *Type) *Type { return b.resolve(p, dyn) })
	}
	return t
}

// replace returns t with other parameters, t itself if they are the same: what schemas say of a place stays.
func (t *Type) replace(with func(*Type) *Type) *Type {
	for i, p := range t.Params {
		q := with(p)
		if q == p {
			continue
		}
		// A copy, and only now: types are shared between expressions, and most are not changed at all.
		n := *t
		n.Params = slices.Clone(t.Params)
		n.Params[i] = q
		for j := i + 1; j < len(n.Params); j++ {
			n.Params[j] = with(n.Params[j])
		}
		return &n
	}
	return t
}

// generic says whether t has type parameters.
func (t *Type) generic() bool {
	return t.Kind == Param || slices.ContainsFunc(t.Params, (*Type).generic)
}

// dynamic says whether t can be anything.
func (t *Type) dynamic() bool { return t.Kind == Dyn || t.Kind == Any }

// plain returns the kind of t, of a wrapper that of what it wraps: int and a wrapper of int differ only in null.
func (t *Type) plain() Kind {
	if t.Kind == Wrapper {
		return t.Params[0].Kind
	}
	return t.Kind
}

// nullable says whether null is assignable to t: messages and all that looks like one.
func (t *Type) nullable() bool {
	switch t.Kind {
	case Opaque, Object, Any, Duration, Timestamp, Wrapper, Null, Dyn:
		return true
	}
	return false
}

// optional says whether t is an optional_type.
func (t *Type) optional() bool { return t.Kind == Opaque && t.Name == "optional_type" }

// inner returns what an optional may hold, and whether t is one; otherwise t.
func (t *Type) inner() (*Type, bool) {
	if t.optional() {
		return t.Params[0], true
	}
	return t, false
}

// exactly says whether two types are the same: of kind, name and parameters.
func (t *Type) exactly(u *Type) bool { return identical(t, u, true) }

// Equivalent says whether two types are the same but for the names of type parameters.
func (t *Type) Equivalent(u *Type) bool { return identical(t, u, false) }

// identical is exactly, or Equivalent if names of parameters do not matter. Bounds of places and fields of messages are not compared:
// a message is its name.
func identical(t, u *Type, names bool) bool {
	if t == u {
		return true
	}
	k := t.plain()
	if k != u.plain() {
		return false
	}
	switch k {
	case Param:
		return !names || t.Name == u.Name
	case Object:
		return t.Name == u.Name
	case List, Map, Opaque, TypeKind:
		if t.Name != u.Name || len(t.Params) != len(u.Params) {
			return false
		}
		for i, p := range t.Params {
			if !identical(p, u.Params[i], names) {
				return false
			}
		}
	}
	return true
}

// moreGeneral returns the more general of two types that agree: the one that has dyn where the other has a type.
func moreGeneral(t, u *Type) *Type {
	if noMoreSpecific(t, u) {
		return t
	}
	return u
}

// noMoreSpecific says whether t is as general as u, or more: it has dyn, or a variable, wherever they differ.
// (isEqualOrLessSpecific in checker/types.go.) It is asked of types that agree, so that a difference is one of
// dyn.
func noMoreSpecific(t, u *Type) bool {
	if t.dynamic() || t.Kind == Param {
		return true
	}
	if u.dynamic() || u.Kind == Param || t.plain() != u.plain() {
		return false
	}
	switch t.Kind {
	case TypeKind:
		return true
	case Opaque, List, Map:
		if t.Name != u.Name || len(t.Params) != len(u.Params) {
			return false
		}
		for i, p := range t.Params {
			if !noMoreSpecific(p, u.Params[i]) {
				return false
			}
		}
		return true
	}
	return t.exactly(u)
}

// String returns t as upstream prints types: list(int), map(string, dyn), optional_type(int), wrapper(int), type(int).
func (t *Type) String() string {
	switch {
	// A wrapper prints the name that an expression has for what it wraps, everything else the checker's: null, not null_type
	// (FormatCELType in checker/format.go).
	case t.Kind == Wrapper:
		return "wrapper(" + t.Params[0].TypeName() + ")"
	case t.Kind == Error || t.Kind == Null || t.Kind == Any || len(t.Params) == 0:
		return t.Name
	}
	var b strings.Builder
	b.WriteString(t.Name + "(")
	for i, p := range t.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	b.WriteByte(')')
	return b.String()
}

// signature returns the types of the arguments of a call as upstream prints them: (int, string), and string.(int) for a member.
func signature(types []*Type, member bool) string {
	var b strings.Builder
	if member {
		b.WriteString(types[0].String() + ".")
		types = types[1:]
	}
	b.WriteByte('(')
	for i, t := range types {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
	}
	b.WriteByte(')')
	return b.String()
}
