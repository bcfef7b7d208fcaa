package cel

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"apichain/internal/cel/syntax"
)

// petType is the schema of the tests: an object with a field of each sort.
func petType() *Type {
	tag := &Type{Kind: Object, Name: "Pet.tags.@idx", Fields: map[string]*Field{
		"key":   {Key: "key", Type: bounded(StringType, 63), Required: true},
		"count": {Key: "count", Type: bounded(IntType, 0)},
	}}
	return &Type{Kind: Object, Name: "Pet", Fields: map[string]*Field{
		"name":   {Key: "name", Type: bounded(StringType, 100)},
		"age":    {Key: "age", Type: bounded(IntType, 0)},
		"weight": {Key: "weight", Type: bounded(DoubleType, 0)},
		"born":   {Key: "born", Type: bounded(TimestampType, 32)},
		"tags":   {Key: "tags", Type: bounded(ListOf(tag), 10)},
		"labels": {Key: "labels", Type: bounded(MapOf(bounded(StringType, 0), bounded(StringType, 20)), 8)},
		"names":  {Key: "names", Type: ListOf(bounded(StringType, 50))},
		"any":    {Key: "any", Type: bounded(DynType, 0)},
	}}
}

func bounded(t *Type, most uint64) *Type {
	n := *t
	n.Max = most
	return &n
}

// petEnv has two pets, one of which may not be there, and messages to build.
func petEnv(t testing.TB) *Env {
	pet := petType()
	variables := []Variable{{"self", pet}, {"oldSelf", OptionalOf(pet)}, {"d", DynType}, {"a.b", IntType}, {"a", MapOf(StringType, BoolType)}}
	return standardEnv(t).With(variables, []*Type{pet, {Kind: Object, Name: "Object", Open: true}})
}

// standardEnv has the standard library and all that is refused.
func standardEnv(t testing.TB) *Env {
	return NewEnv(Options{Libraries: []*Library{Standard()}, Optionals: true, Homogeneous: true, Literals: true})
}

// brief returns the places and messages of faults, one a line.
func brief(err error) string {
	var faults *syntax.Faults
	if !errors.As(err, &faults) {
		return ""
	}
	var kept []string
	for line := range strings.SplitSeq(faults.Error(), "\n") {
		if s, ok := strings.CutPrefix(line, "ERROR: <input>:"); ok {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "\n")
}

func TestCheckFindsTypes(t *testing.T) {
	env := petEnv(t)
	for text, want := range map[string]string{
		// Literals, and what they have in common.
		"1": "int", "1u": "uint", "1.5": "double", "'a'": "string", "b'a'": "bytes", "null": "null", "[]": "list(dyn)", "{}": "map(dyn, dyn)",
		"[1, 2]": "list(int)", "[[], [1]]": "list(list(int))", "[dyn(1), d]": "list(dyn)", "{'a': [1.5]}": "map(string, list(double))",
		"[?self.?age]": "list(int)", "{?'a': self.?name}": "map(string, string)",
		// Names: the longest wins, a leading dot passes by the variables of comprehensions, types are values.
		"self": "Pet", "a.b": "int", "a.c": "bool", "a": "map(string, bool)", "[true].all(a, .a.b == 1)": "bool", "[{'b': 'x'}].map(a, a.b)": "list(string)",
		"int": "type(int)", "list": "type(list(dyn))", "type(1)": "type(int)", "type(self) == Pet": "bool", "google.protobuf.Timestamp": "type(timestamp)",
		"google.protobuf.NullValue.NULL_VALUE": "int", "duration": "type(duration)",
		// Fields, of messages, maps, anything and optionals.
		"self.age": "int", "self.labels.x": "string", "has(self.name)": "bool", "self.any.x.y": "dyn", "d.x": "dyn", "self.?age": "optional_type(int)",
		"oldSelf.tags": "optional_type(list(Pet.tags.@idx))", "oldSelf.?name": "optional_type(string)", "self.tags[0].key": "string",
		// Calls: the first overload that fits, all of them for what is not known.
		"1 + 2": "int", "d + 1": "int", "d + d": "dyn", "1 < 2.5": "bool", "self.born - duration('1h')": "timestamp", "'a'.size()": "int",
		"true ? 1 : d": "dyn", "true ? d : 1": "dyn", "[] + [1]": "list(int)", "1 in [1]": "bool", "null == self": "bool", "null == self.born": "bool",
		"true ? null : self": "null", "{'a': 1}['a']": "int", "d[0]": "dyn", "dyn(1)": "dyn",
		// Comprehensions.
		"self.tags.map(t, t.key)": "list(string)", "self.tags.filter(t, t.count > 1)": "list(Pet.tags.@idx)", "self.labels.all(k, k != '')": "bool",
		"d.map(x, x)": "list(dyn)", "[].map(x, x)": "list(dyn)", "[1].map(x, [x]).map(y, y[0])": "list(int)",
		// Messages.
		"Pet{name: 'a', age: 1}": "Pet", "Object{spec: Object.spec{replicas: 1}}": "Object", "Object.spec{}": "Object.spec", ".Object{}": "Object",
		"google.protobuf.Int32Value{value: 1}": "wrapper(int)", "google.protobuf.Value{number_value: 1.0}": "dyn",
		"google.protobuf.Duration{seconds: 1}": "duration", "google.protobuf.Struct{fields: {'a': 1}}": "map(string, dyn)",
		"google.protobuf.UInt64Value{value: 1u} == null": "bool", "google.protobuf.Empty{}": "google.protobuf.Empty",
	} {
		c, err := env.Check(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := c.Type().String(); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
}

func TestCheckReportsFaults(t *testing.T) {
	env := petEnv(t)
	for text, want := range map[string]string{
		"foo":              "1:1: undeclared reference to 'foo' (in container '')",
		".foo":             "1:2: undeclared reference to '.foo' (in container '')",
		"foo + bar":        "1:1: undeclared reference to 'foo' (in container '')\n1:7: undeclared reference to 'bar' (in container '')",
		"'a'.foo(1)":       "1:8: undeclared reference to 'foo' (in container '')",
		"foo.bar('x')":     "1:1: undeclared reference to 'foo' (in container '')\n1:8: undeclared reference to 'bar' (in container '')",
		"self.nome":        "1:5: undefined field 'nome'",
		"self.age.x":       "1:9: type 'int' does not support field selection",
		"has(self.nome)":   "1:4: undefined field 'nome'",
		"self.?nome":       "1:5: undefined field 'nome'",
		"oldSelf.nome":     "1:8: undefined field 'nome'",
		"1 + 'a'":          "1:3: found no matching overload for '_+_' applied to '(int, string)'",
		"'a'.size(1)":      "1:9: found no matching overload for 'size' applied to 'string.(int)'",
		"[1] + ['a']":      "1:5: found no matching overload for '_+_' applied to '(list(int), list(string))'",
		"[] == {}":         "1:4: found no matching overload for '_==_' applied to '(list(dyn), map(dyn, dyn))'",
		"self == 1":        "1:6: found no matching overload for '_==_' applied to '(Pet, int)'",
		"null == 1":        "1:6: found no matching overload for '_==_' applied to '(null, int)'",
		"1 && 'a' || true": "1:1: expected type 'bool' but found 'int'\n1:6: expected type 'bool' but found 'string'",
		"true ? 1 : 'a'":   "1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'",
		"self.age.all(x, true)": "1:5: expression of type 'int' cannot be range of a comprehension " +
			"(must be list, map, or dynamic)",
		"[1].all(x, x)": "1:12: expected type 'bool' but found 'int'",
		"[?1]":          "1:3: expected type 'optional_type(int)' but found 'int'",
		"{?'a': 1}":     "1:8: expected type 'optional_type(int)' but found 'int'",
		"Nobody{}":      "1:7: undeclared reference to 'Nobody' (in container '')",
		".Nobody{}":     "1:8: undeclared reference to '.Nobody' (in container '')",
		"self{}":        "1:5: undeclared reference to 'self' (in container '')",
		"int{}":         "1:4: 'int' is not a message type",
		"Pet{nome: 1}":  "1:9: undefined field 'nome'",
		"Pet{age: 'a'}": "1:8: expected type of field 'age' is 'int' but provided type is 'string'",
		"Pet{?age: 1}":  "1:11: expected type 'optional_type(int)' but found 'int'",
		"foo.all(x, x.y == bar)\n+1": "1:1: undeclared reference to 'foo' (in container '')\n1:19: undeclared reference to 'bar' (in container '')\n" +
			"2:1: found no matching overload for '_+_' applied to '(bool, int)'",
		// Validators.
		"[1, 'a', 2.5]":           "1:5: expected type 'int' but found 'string'",
		"{1: 'a', 'b': 2}":        "1:10: expected type 'int' but found 'string'\n1:15: expected type 'string' but found 'int'",
		"[null, 1]":               "1:8: expected type 'null' but found 'int'",
		"duration('1 hour')":      "1:10: invalid duration argument",
		"timestamp('yesterday')":  "1:11: invalid timestamp argument",
		"'a'.matches('[')":        "1:13: invalid matches argument",
		"matches('[', '[')":       "1:9: invalid matches argument",
		"foo == duration('hour')": "1:1: undeclared reference to 'foo' (in container '')",
	} {
		if _, err := env.Check(text); brief(err) != want {
			t.Errorf("%s:\n%s\nnot\n%s", text, brief(err), want)
		}
	}
}

// TestCheckCountsFaults shows that of many faults a hundred are reported, and that they are in the order of their places.
func TestCheckCountsFaults(t *testing.T) {
	_, err := petEnv(t).Check("[" + strings.Repeat("x, ", 130) + "y]")
	if lines := strings.Split(brief(err), "\n"); len(lines) != 100 || !strings.HasPrefix(lines[99], "1:299:") {
		t.Errorf("%d faults, the last %s", len(lines), lines[len(lines)-1])
	}
	if !strings.HasSuffix(err.Error(), "\n31 more errors were truncated") {
		t.Errorf("no word on those that are left out: %s", err.Error()[len(err.Error())-80:])
	}
	// A call's arguments are checked before its receiver, but stand behind it.
	if _, err = petEnv(t).Check("x.size(y)"); !strings.HasPrefix(brief(err), "1:1: undeclared reference to 'x'") {
		t.Error(err)
	}
}

// TestCheckResolvesNames shows what the evaluator gets: slots of variables, constants, names that are one, and overloads.
func TestCheckResolvesNames(t *testing.T) {
	env := petEnv(t)
	c, err := env.Check("a.b == 1 && [true].all(a, a == .a.c && type(a) == bool)")
	if err != nil {
		t.Fatal(err)
	}
	slots := map[string]int{}
	var constants, overloads []string
	for _, r := range c.Refs {
		switch {
		case r == nil:
		case r.Constant != nil:
			constants = append(constants, r.Name)
		case r.Overloads != nil:
			overloads = append(overloads, r.Overloads[0].ID)
		case r.Slot >= 0:
			slots[r.Name] = r.Slot
		}
	}
	if slots["a.b"] != 3 || slots["a"] != 4 || len(slots) != 2 {
		t.Errorf("slots %v", slots)
	}
	if strings.Join(constants, " ") != "bool" {
		t.Errorf("constants %v", constants)
	}
	if !strings.Contains(strings.Join(overloads, " "), "equals") {
		t.Errorf("overloads %v", overloads)
	}
	if e := c.AST.Root.Args[0].Args[0]; e.Kind != syntax.Ident || e.Name != "a.b" || e.Operand != nil {
		t.Errorf("a.b is %+v", e)
	}
}

// TestWithShadows shows that what is added later is found first, that slots go on, and that the Env before does not see it.
func TestWithShadows(t *testing.T) {
	base := standardEnv(t).With([]Variable{{"x", IntType}}, nil)
	env := base.With([]Variable{{"y", IntType}, {"x", StringType}}, []*Type{{Kind: Object, Name: "M", Fields: map[string]*Field{}}})
	c, err := env.Check("x")
	if err != nil || c.Type() != StringType || c.Refs[c.AST.Root.ID].Slot != 2 {
		t.Errorf("%v %v", c, err)
	}
	if c, err = base.Check("x"); err != nil || c.Type() != IntType {
		t.Errorf("%v %v", c, err)
	}
	if _, err = base.Check("M{}"); err == nil {
		t.Error("a message that was added later is known before")
	}
}

// TestNesting shows that comprehensions over nothing do not count.
func TestNesting(t *testing.T) {
	env := NewEnv(Options{Libraries: []*Library{Standard()}, Nesting: 2})
	if _, err := env.Check("[1].all(x, [1].all(y, [].all(z, true)))"); err != nil {
		t.Error(err)
	}
	_, err := env.Check("[1].all(x, [1].all(y, [1].all(z, true)))")
	if want := "1:30: comprehension exceeds nesting limit"; brief(err) != want {
		t.Errorf("%s, not %s", brief(err), want)
	}
}

// TestLibrariesSayMore shows what a library adds: overloads of a known function, functions whose calls may mix types, validators.
func TestLibrariesSayMore(t *testing.T) {
	l := &Library{
		Name: "test", Mixed: []string{"show"},
		Functions: []Function{
			{Name: "size", Overloads: []Overload{{ID: "size_bool", Args: []*Type{BoolType}, Result: IntType}}},
			{Name: "ns.show", Overloads: []Overload{{ID: "ns_show", Args: []*Type{ListOf(DynType)}, Result: StringType}}},
			{Name: "show", Overloads: []Overload{{ID: "show", Args: []*Type{ListOf(DynType)}, Result: StringType}}},
		},
		Validate: func(c *Checked, call *syntax.Expr, report func(int32, string)) {
			if call.Name == "show" && len(call.Args[0].Args) > 2 {
				report(call.Args[0].Args[2].ID, "too many things to show")
			}
		},
	}
	env := NewEnv(Options{Libraries: []*Library{Standard(), l}, Homogeneous: true})
	for text, want := range map[string]string{
		"size(true) + size('a')":      "",
		"show([1, 'a'])":              "",
		"ns.show([1, 2])":             "",
		"ns.show([1, 'a'])":           "1:13: expected type 'int' but found 'string'",
		"show([1, 'a', 2])":           "1:15: too many things to show",
		"size(1)":                     "1:5: found no matching overload for 'size' applied to '(int)'",
		"show([1, 'a']) == show([2])": "",
	} {
		if _, err := env.Check(text); brief(err) != want {
			t.Errorf("%s:\n%s\nnot\n%s", text, brief(err), want)
		}
	}
}

// TestEnvIsShared checks from many goroutines at once, for the race detector.
func TestEnvIsShared(t *testing.T) {
	base := standardEnv(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			env := base.With([]Variable{{"self", petType()}}, nil)
			for text := range strings.SplitSeq("self.tags.all(t, t.key != '');self.name + 'a';nothing;[1, 'a'];'a'.matches('[')", ";") {
				if c, err := env.Check(text); err == nil {
					c.Estimate()
				}
			}
		})
	}
	all.Wait()
}

func FuzzCheck(f *testing.F) {
	for _, text := range []string{
		"self.tags.all(t1, self.tags.exists_one(t2, t1.key == t2.key && t1.count == t2.count))",
		"self.names.filter(n, n == 'TLS').map(n, n).all(m, size(m) > 0 && !m.startsWith('kube-'))",
		"self.tags.map(t, {t.key: t.count})", "oldSelf.?tags[?0].key", "[?d, [1], {?'a': d}]", "Object.a{b: 1}.b", "type(type(d)) == .int",
		"google.protobuf.Value{}", "d.all(x, d.map(y, [x, y]) == [])", "[].map(a, {a: a}).map(a, {a: a})", "a.b.c.d(1)", "[1, 'a', {[]: {}}]",
	} {
		f.Add(text)
	}
	env := petEnv(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := env.Check(text)
		if err != nil {
			if brief(err) == "" {
				t.Errorf("%q: an error without a fault: %v", text, err)
			}
			return
		}
		// Every node has a type without variables, every name and call says what it stands for.
		var walk func(e *syntax.Expr)
		walk = func(e *syntax.Expr) {
			if typ := c.Types[e.ID]; typ == nil || typ.generic() {
				t.Errorf("%q: node %d has the type %v", text, e.ID, typ)
			}
			if (e.Kind == syntax.Ident || e.Kind == syntax.Call) && c.Refs[e.ID] == nil {
				t.Errorf("%q: %s stands for nothing", text, e.Name)
			}
			Children(e, walk)
		}
		walk(c.AST.Root)
		if cost := c.Estimate(); cost.Min > cost.Max {
			t.Errorf("%q: costs at least %d and at most %d", text, cost.Min, cost.Max)
		}
	})
}
