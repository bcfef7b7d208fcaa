package cel_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// program plans an expression over the given variables.
func program(t testing.TB, text string, variables ...cel.Variable) *cel.Program {
	t.Helper()
	env := cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true, Variables: variables})
	checked, err := env.Check(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	p, err := checked.Program()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// Example shows the way from a text to a value.
func Example() {
	field := func(key string, t *cel.Type) *cel.Field { return &cel.Field{Key: key, Type: t} }
	scale := &cel.Type{Kind: cel.Object, Name: "Scale", Fields: map[string]*cel.Field{
		"min": field("min", cel.IntType), "max": field("max", cel.IntType)}}
	base := cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true})
	env := base.With([]cel.Variable{{Name: "self", Type: scale}}, nil)

	checked, err := env.Check("self.min <= self.max")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := checked.Program()
	if err != nil {
		fmt.Println(err)
		return
	}
	self := map[string]any{"min": int64(2), "max": int64(5)}
	value, cost := program.Eval([]cel.Value{cel.Of(self, scale)}, cel.Limit{Cost: 1000000})
	fmt.Println(value, cost)

	value, _ = program.Eval([]cel.Value{cel.Of(map[string]any{"min": int64(2)}, scale)}, cel.Limit{Cost: 1000000})
	fmt.Println(value.Err())

	_, err = env.Check("self.mni > 0")
	fmt.Println(err)
	// Output:
	// true 5
	// no such key: max
	// ERROR: <input>:1:5: undefined field 'mni'
	//  | self.mni > 0
	//  | ....^
}

// TestBudget evaluates with exactly what an expression costs, and with less.
func TestBudget(t *testing.T) {
	for _, text := range []string{
		"1 + 2", "[1, 2, 3].map(x, x * 2)", "self.name == 'web' && self.count > 2", "self.ports.all(p, p.port > 0)",
		"'a' + 'b' + self.name", "{'a': self.count}.a", "self.labels.map(k, self.labels[k]).join(',')", "has(self.spec.absent)",
		"self.absent == '' || true", "false || self.name.matches('^w')", "optional.of(self).name.orValue('')",
	} {
		p := program(t, text, cel.Variable{Name: "self", Type: selfType()})
		vars := []cel.Value{cel.Of(selfTree(), selfType())}
		free, cost := p.Eval(vars, cel.Limit{Cost: cel.NoLimit})
		if v, again := p.Eval(vars, cel.Limit{Cost: cost}); valueText(v) != valueText(free) || again != cost {
			t.Errorf("%s: %v for %d with a budget of %d, want %v", text, v, again, cost, free)
		}
		for limit := range cost {
			v, spent := p.Eval(vars, cel.Limit{Cost: limit})
			if !errors.Is(v.Err(), cel.ErrBudget) || v.String() != "operation cancelled: actual cost limit exceeded" {
				t.Errorf("%s: %v with a budget of %d of %d", text, v, limit, cost)
			}
			if spent <= limit {
				t.Errorf("%s: has cost %d, the budget was %d", text, spent, limit)
			}
		}
	}
}

// TestInterrupt closes Done before and while an expression runs.
func TestInterrupt(t *testing.T) {
	list := cel.Variable{Name: "l", Type: cel.ListOf(cel.IntType)}
	items := make([]any, 5000)
	for i := range items {
		items[i] = int64(i)
	}
	vars := []cel.Value{cel.Of(items, list.Type)}
	p := program(t, "l.all(x, l.all(y, x + y >= 0)) || true", list)
	done := make(chan struct{})
	close(done)
	if v, _ := p.Eval(vars, cel.Limit{Cost: cel.NoLimit, Done: done}); !errors.Is(v.Err(), cel.ErrInterrupted) {
		t.Errorf("%v", v)
	}
	done = make(chan struct{})
	timer := time.AfterFunc(10*time.Millisecond, func() { close(done) })
	defer timer.Stop()
	if v, _ := p.Eval(vars, cel.Limit{Cost: cel.NoLimit, Done: done}); v.String() != "operation interrupted" {
		t.Errorf("%v", v)
	}
	// What has no comprehension of a hundred rounds is not interrupted.
	done = make(chan struct{})
	close(done)
	if v, _ := program(t, "1 + 1 == 2").Eval(nil, cel.Limit{Cost: 10, Done: done}); v != cel.True {
		t.Errorf("%v", v)
	}
}

// TestConcurrent evaluates one program on many goroutines at once.
func TestConcurrent(t *testing.T) {
	p := program(t, "self.ports.map(p, p.name + string(self.count)).filter(n, n.size() > n0).size()",
		cel.Variable{Name: "self", Type: selfType()}, cel.Variable{Name: "n0", Type: cel.IntType})
	var group sync.WaitGroup
	for i := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			self := cel.Of(selfTree(), selfType())
			want := cel.IntOf(int64([]int{2, 2, 2, 2, 2, 1, 0, 0}[i]))
			for range 200 {
				if v, _ := p.Eval([]cel.Value{self, cel.IntOf(int64(i))}, cel.Limit{Cost: 1000}); v != want {
					t.Errorf("%d: %v, want %v", i, v, want)
					return
				}
			}
		}()
	}
	group.Wait()
}

// TestNoGarbage evaluates what may not allocate.
func TestNoGarbage(t *testing.T) {
	vars := []cel.Value{cel.Of(selfTree(), selfType())}
	for _, text := range []string{
		"self.count <= 5", "self.spec.replicas < self.count", "self.name == 'web' && has(self.spec.replicas)", "self.either == 7",
		"self.ports.all(p, p.port > 0 && p.port < 65536)", "self.labels.app == 'web'", "size(self.ports) == 2",
		"self.name in ['web', 'api']", "'app' in self.labels",
	} {
		p := program(t, text, cel.Variable{Name: "self", Type: selfType()})
		if n := testing.AllocsPerRun(100, func() { p.Eval(vars, cel.Limit{Cost: 1000}) }); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

// TestNoProgram makes programs of what cannot be evaluated, whatever the variables are.
func TestNoProgram(t *testing.T) {
	env := cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true})
	for text, want := range map[string]string{
		"'a'.matches('(')":      "error parsing regexp: missing closing ): `(`",
		"'a'.find('[')":         "error parsing regexp: missing closing ]: `[`",
		"int('x') == 1":         "type conversion error from 'string' to 'int'",
		"duration('1') > d":     "type conversion error from 'string' to 'google.protobuf.Duration'",
		"false && uint(-1) > d": "unsigned integer overflow",
		"{'a': 1}[dyn(b'a')]":   "invalid qualifier type: types.Bytes",
	} {
		checked, err := env.With([]cel.Variable{{Name: "d", Type: cel.DynType}}, nil).Check(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err := checked.Program(); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestFewVariables evaluates with less than an Env has.
func TestFewVariables(t *testing.T) {
	p := program(t, "a", cel.Variable{Name: "a", Type: cel.IntType}, cel.Variable{Name: "b", Type: cel.IntType})
	if v, cost := p.Eval([]cel.Value{cel.IntOf(1)}, cel.Limit{Cost: 10}); v.String() != "1 variables are given, 2 are needed" || cost != 0 {
		t.Errorf("%v for %d", v, cost)
	}
}

// computed is an object whose fields are computed, and counted.
type computed struct{ asked []string }

func (c *computed) Field(name string) (cel.Value, bool) {
	c.asked = append(c.asked, name)
	switch name {
	case "one":
		return cel.IntOf(1), true
	case "bad":
		return cel.Failf("it broke"), true
	case "nested":
		return cel.Of(map[string]any{"a": "b"}, nil), true
	}
	return cel.Value{}, false
}

// TestFields evaluates over an object that computes its fields when they are asked for.
func TestFields(t *testing.T) {
	variables := &cel.Type{Kind: cel.Object, Name: "variables", Fields: map[string]*cel.Field{}}
	for _, name := range []string{"one", "bad", "nested", "absent"} {
		variables.Fields[name] = &cel.Field{Key: name, Type: cel.DynType}
	}
	for text, want := range map[string]string{
		"variables.one + 1":                                    "2 asked one",
		"variables.one == 1 || variables.bad == 1":             "true asked one",
		"variables.bad":                                        "it broke asked bad",
		"variables.bad == 1 || variables.one == 1":             "true asked bad one",
		"variables.nested.a":                                   "b asked nested",
		"has(variables.one)":                                   "true asked one",
		"has(variables.absent)":                                "false asked absent",
		"variables.absent":                                     "no such key: absent asked absent",
		"[1, 2].all(x, variables.one == 1)":                    "true asked one one",
		"false && variables.one == 1":                          "false asked ",
		"variables.?absent.orValue(5)":                         "5 asked absent",
		"has(variables.nested.a) && variables.?one.hasValue()": "true asked nested one",
	} {
		c := &computed{}
		p := program(t, text, cel.Variable{Name: "variables", Type: variables})
		v, _ := p.Eval([]cel.Value{cel.ObjectValue(variables, c)}, cel.Limit{Cost: 1000})
		if got := v.String() + " asked " + strings.Join(c.asked, " "); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestBuild builds messages, and makes trees of them.
func TestBuild(t *testing.T) {
	patch := &cel.Type{Kind: cel.Object, Name: "JSONPatch", Fields: map[string]*cel.Field{}}
	for name, of := range map[string]*cel.Type{"op": cel.StringType, "path": cel.StringType, "value": cel.DynType} {
		patch.Fields[name] = &cel.Field{Key: name, Type: of}
	}
	env := cel.NewEnv(cel.Options{Libraries: library.Stored(), Optionals: true,
		Types: []*cel.Type{patch, {Kind: cel.Object, Name: "Object", Open: true}}})
	for text, want := range map[string]string{
		"Object{spec: Object.spec{replicas: 3}}":                           "map[spec:map[replicas:3]]",
		"Object{a: [1, 2], ?b: optional.none(), ?c: optional.of('x')}":     "map[a:[1 2] c:x]",
		"Object{a: {'k': Object.a{b: true}}}":                              "map[a:map[k:map[b:true]]]",
		"Object{a: 1}.a":                                                   "1",
		"Object{a: 1}.b":                                                   "<nil>",
		"has(Object{a: 1}.a) && !has(Object{a: 1}.b)":                      "true",
		"Object{a: 1} == Object{a: 1}":                                     "true",
		"Object{a: 1} == Object{a: 2}":                                     "false",
		"Object{a: 1} == Object{b: 1}":                                     "false",
		"[JSONPatch{op: 'add', path: '/a', value: 1}]":                     "[map[op:add path:/a value:1]]",
		"JSONPatch{op: 'add'}.path":                                        "",
		"Object{a: timestamp('2020-01-01T00:00:00Z'), b: duration('90s')}": "map[a:2020-01-01T00:00:00Z b:90s]",
		"Object{a: b'abc', c: null, d: 1.5, e: 7u}":                        "map[a:YWJj c:<nil> d:1.5 e:7]",
	} {
		checked, err := env.Check(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		p, err := checked.Program()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		v, _ := p.Eval(nil, cel.Limit{Cost: 1000})
		tree, err := v.Tree()
		if got := fmt.Sprint(tree); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
}

// TestMembers looks at a message that was built.
func TestMembers(t *testing.T) {
	env := cel.NewEnv(cel.Options{Libraries: library.Stored(), Types: []*cel.Type{{Kind: cel.Object, Name: "Object", Open: true}}})
	checked, err := env.Check("Object{b: 1, a: Object.a{c: 2}}")
	if err != nil {
		t.Fatal(err)
	}
	p, err := checked.Program()
	if err != nil {
		t.Fatal(err)
	}
	v, _ := p.Eval(nil, cel.Limit{Cost: 1000})
	var got []string
	v.Members(func(name string, field cel.Value) bool {
		got = append(got, name+" "+field.Type().TypeName())
		return true
	})
	if want := []string{"a Object.a", "b int"}; !slices.Equal(got, want) || v.Type().Name != "Object" {
		t.Errorf("%v of %v, want %v", got, v.Type().Name, want)
	}
}

// FuzzEvaluate evaluates any text over an object of a schema: nothing panics, a budget is kept, and a value is of the type that
// the checker said.
func FuzzEvaluate(f *testing.F) {
	for _, r := range rows(f) {
		f.Add(r.text)
	}
	env := everything()
	vars := []cel.Value{cel.Of(selfTree(), selfType())}
	f.Fuzz(func(t *testing.T, text string) {
		checked, err := env.Check(text)
		if err != nil {
			return
		}
		p, err := checked.Program()
		if err != nil {
			return
		}
		v, cost := p.Eval(vars, cel.Limit{Cost: 10000})
		if cost > 10000 && !errors.Is(v.Err(), cel.ErrBudget) {
			t.Errorf("%q costs %d: %v", text, cost, v)
		}
		switch kind := checked.Type().Kind; kind {
		case cel.Bool, cel.Int, cel.Uint, cel.Double, cel.String, cel.Bytes, cel.Timestamp, cel.Duration, cel.List:
			if v.Kind() != kind && v.Err() == nil {
				t.Errorf("%q is %v of kind %v, the checker said %v", text, v, v.Kind(), checked.Type())
			}
		}
		// It is the same again.
		if again, cost2 := p.Eval(vars, cel.Limit{Cost: 10000}); valueText(again) != valueText(v) || cost != cost2 {
			t.Errorf("%q is %v for %d, and then %v for %d", text, v, cost, again, cost2)
		}
	})
}
