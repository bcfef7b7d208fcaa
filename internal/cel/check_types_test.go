package cel

import "testing"

// a and b are free variables of a set of bindings.
func variables() (b *bindings, v, w *Type) {
	b = &bindings{}
	return b, b.fresh(), b.fresh()
}

func TestTypesPrint(t *testing.T) {
	for want, typ := range map[string]*Type{
		"list(map(string, dyn))":         ListOf(MapOf(StringType, DynType)),
		"optional_type(int)":             OptionalOf(IntType),
		"wrapper(int)":                   WrapperOf(IntType),
		"list(wrapper(string))":          ListOf(WrapperOf(StringType)),
		"type":                           TypeType,
		"type(list(int))":                TypeOf(ListOf(IntType)),
		"type(wrapper(bytes))":           TypeOf(WrapperOf(BytesType)),
		"!error!":                        ErrorType,
		"null":                           NullType,
		"any":                            AnyType,
		"A":                              ParamOf("A"),
		"kubernetes.Quantity":            ObjectOf("kubernetes.Quantity"),
		"net.IP":                         OpaqueOf("net.IP"),
		"tuple(int, list(A), timestamp)": OpaqueOf("tuple", IntType, ListOf(ParamOf("A")), TimestampType),
	} {
		if got := typ.String(); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	types := []*Type{ListOf(IntType), StringType, DynType}
	if got := signature(types, false); got != "(list(int), string, dyn)" {
		t.Error(got)
	}
	if got := signature(types, true); got != "list(int).(string, dyn)" {
		t.Error(got)
	}
}

func TestTypesAreTheSame(t *testing.T) {
	for _, c := range []struct {
		a, b                *Type
		exactly, equivalent bool
	}{
		{IntType, bounded(IntType, 7), true, true},
		{IntType, UintType, false, false},
		{IntType, WrapperOf(IntType), true, true},
		{StringType, BytesType, false, false},
		{ListOf(IntType), ListOf(IntType), true, true},
		{ListOf(IntType), ListOf(DynType), false, false},
		{MapOf(StringType, IntType), MapOf(StringType, UintType), false, false},
		{OptionalOf(IntType), OpaqueOf("other", IntType), false, false},
		{OptionalOf(IntType), OptionalOf(IntType), true, true},
		{OpaqueOf("x"), OpaqueOf("x", IntType), false, false},
		{ObjectOf("A"), ObjectOf("A"), true, true},
		{ObjectOf("A"), ObjectOf("B"), false, false},
		{ObjectOf("A"), OpaqueOf("A"), false, false},
		{ParamOf("A"), ParamOf("A"), true, true},
		{ParamOf("A"), ParamOf("B"), false, true},
		{ListOf(ParamOf("A")), ListOf(ParamOf("B")), false, true},
		{TypeOf(IntType), TypeOf(StringType), false, false},
		{TypeOf(IntType), TypeType, false, false},
		{DynType, AnyType, false, false},
	} {
		if got := c.a.exactly(c.b); got != c.exactly {
			t.Errorf("%s is exactly %s: %t", c.a, c.b, got)
		}
		if got := c.b.exactly(c.a); got != c.exactly {
			t.Errorf("%s is exactly %s: %t", c.b, c.a, got)
		}
		if got := c.a.Equivalent(c.b); got != c.equivalent {
			t.Errorf("%s is equivalent to %s: %t", c.a, c.b, got)
		}
	}
}

func TestTypesAgree(t *testing.T) {
	for _, c := range []struct {
		a, b *Type
		want bool
	}{
		{IntType, IntType, true},
		{IntType, DoubleType, false},
		{IntType, DynType, true},
		{AnyType, IntType, true},
		{ErrorType, ObjectOf("A"), true},
		{ListOf(ErrorType), ListOf(IntType), true},
		{NullType, IntType, false},
		{NullType, NullType, true},
		{NullType, WrapperOf(IntType), true},
		{WrapperOf(IntType), IntType, true},
		{IntType, WrapperOf(IntType), true},
		{WrapperOf(IntType), WrapperOf(UintType), false},
		{ObjectOf("A"), NullType, true},
		{TimestampType, NullType, true},
		{OptionalOf(IntType), NullType, true},
		{ListOf(IntType), NullType, false},
		{ObjectOf("A"), ObjectOf("B"), false},
		{ObjectOf("A"), MapOf(StringType, DynType), false},
		{ListOf(IntType), ListOf(DynType), true},
		{ListOf(IntType), ListOf(StringType), false},
		{MapOf(StringType, IntType), MapOf(DynType, IntType), true},
		{TypeOf(IntType), TypeOf(StringType), true},
		{TypeOf(IntType), TypeType, true},
		{TypeOf(IntType), IntType, false},
		{OptionalOf(IntType), OptionalOf(DynType), true},
		{OptionalOf(IntType), IntType, false},
		{OpaqueOf("x", IntType), OpaqueOf("x"), false},
		{TimestampType, DurationType, false},
	} {
		b := &bindings{}
		if got := b.agree(c.a, c.b); got != c.want {
			t.Errorf("%s is assignable to %s: %t", c.a, c.b, got)
		}
		// Without variables it is the same from both sides.
		if got := b.agree(c.b, c.a); got != c.want {
			t.Errorf("%s is assignable to %s: %t", c.b, c.a, got)
		}
		if len(b.trail) > 0 {
			t.Errorf("%s and %s have bound something", c.a, c.b)
		}
	}
}

// TestVariablesAreBound shows what a variable stands for after it met types.
func TestVariablesAreBound(t *testing.T) {
	b, v, w := variables()
	if v.Name != "_var0" || w.Name != "_var1" {
		t.Errorf("%s, %s", v, w)
	}
	if !b.agree(ListOf(IntType), ListOf(v)) || b.find(v) != IntType {
		t.Errorf("a list of int made v %v", b.find(v))
	}
	if b.agree(StringType, v) {
		t.Error("v is int and string")
	}
	// The more general type wins, whichever comes first.
	if !b.agree(DynType, v) || b.find(v) != DynType {
		t.Errorf("with dyn v is %v", b.find(v))
	}
	if !b.agree(v, StringType) || b.find(v) != DynType {
		t.Errorf("with dyn and string v is %v", b.find(v))
	}
	// One variable may stand for another.
	b, v, w = variables()
	if !b.agree(v, w) || !b.agree(w, IntType) || b.resolve(v, false) != IntType || b.resolve(w, false) != IntType {
		t.Errorf("v is %v, w is %v", b.resolve(v, false), b.resolve(w, false))
	}
	// What is free stays so, or is dyn in the end.
	b, v, w = variables()
	b.agree(v, ListOf(w))
	if got := b.resolve(MapOf(StringType, v), false).String(); got != "map(string, list(_var1))" {
		t.Error(got)
	}
	if got := b.resolve(MapOf(StringType, v), true).String(); got != "map(string, list(dyn))" {
		t.Error(got)
	}
}

// TestNothingContainsItself is the occurs check: a variable is never a list of itself, by whatever way round.
func TestNothingContainsItself(t *testing.T) {
	b, v, w := variables()
	if b.agree(ListOf(v), v) || b.find(v) != nil {
		t.Errorf("v is %v", b.find(v))
	}
	if !b.agree(v, MapOf(StringType, w)) || b.agree(w, OptionalOf(v)) {
		t.Errorf("v is %v, w is %v", b.find(v), b.find(w))
	}
	if got := b.resolve(v, true).String(); got != "map(string, dyn)" {
		t.Error(got)
	}
}

// TestBindingsAreUndone shows that a call whose arguments do not all agree leaves nothing behind.
func TestBindingsAreUndone(t *testing.T) {
	b, v, w := variables()
	if b.agreeAll([]*Type{IntType, StringType, IntType}, []*Type{v, w, BoolType}) {
		t.Fatal("int is a bool")
	}
	if b.find(v) != nil || b.find(w) != nil || len(b.trail) != 0 {
		t.Errorf("v is %v, w is %v", b.find(v), b.find(w))
	}
	if b.agreeAll([]*Type{IntType}, []*Type{v, w}) {
		t.Error("one argument is two")
	}
	if !b.agreeAll([]*Type{IntType, ListOf(IntType)}, []*Type{v, ListOf(v)}) {
		t.Error("int and list(int) are not A and list(A)")
	}
}

func TestMoreGeneral(t *testing.T) {
	for _, c := range []struct{ a, b, want *Type }{
		{IntType, DynType, DynType},
		{DynType, IntType, DynType},
		{ListOf(IntType), ListOf(DynType), ListOf(DynType)},
		{MapOf(DynType, IntType), MapOf(StringType, IntType), MapOf(DynType, IntType)},
		{NullType, ObjectOf("A"), ObjectOf("A")},
		{ErrorType, StringType, StringType},
		{OptionalOf(DynType), OptionalOf(IntType), OptionalOf(DynType)},
		{TypeOf(IntType), TypeOf(StringType), TypeOf(IntType)},
		{IntType, WrapperOf(IntType), IntType},
	} {
		if got := moreGeneral(c.a, c.b); got.String() != c.want.String() {
			t.Errorf("of %s and %s the more general is %s", c.a, c.b, got)
		}
	}
}

// TestPlacesKeepWhatSchemasSay shows that a type keeps its bounds when its parameters are replaced, and that one without parameters is
// not copied.
func TestPlacesKeepWhatSchemasSay(t *testing.T) {
	b, v, _ := variables()
	b.bind(v, IntType)
	list := bounded(ListOf(v), 12)
	if got := b.resolve(list, false); got.Max != 12 || got.Params[0] != IntType || list.Params[0] != v {
		t.Errorf("%+v", got)
	}
	known := bounded(ListOf(StringType), 3)
	if got := b.resolve(known, true); got != known {
		t.Errorf("%p, not %p", got, known)
	}
}

// TestLooksEnd shows that what cannot be compared in reasonable time is not.
func TestLooksEnd(t *testing.T) {
	b := &bindings{}
	deep := func() *Type {
		typ := IntType
		for range 40 {
			typ = MapOf(typ, typ)
		}
		return typ
	}
	one, two := deep(), deep()
	b.agree(one, two)
	if b.steps <= mostSteps {
		t.Errorf("%d steps", b.steps)
	}
	left := 1000
	if b.count(one, &left); left >= 0 {
		t.Errorf("%d are left", left)
	}
}
