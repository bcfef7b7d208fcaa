package cel_test

import (
	"errors"
	"fmt"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// ExampleChecked_Estimate has what a rule may cost at most before any object is there: the schema says how long a list may become.
func ExampleChecked_Estimate() {
	ports := cel.ListOf(cel.IntType)
	ports.Max = 10
	self := &cel.Type{Kind: cel.Object, Name: "Service", Fields: map[string]*cel.Field{"ports": {Key: "ports", Type: ports}}}
	env := cel.NewEnv(cel.Options{Libraries: library.New(), Variables: []cel.Variable{{Name: "self", Type: self}}})
	checked, err := env.Check("self.ports.all(p, p > 0)")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checked.Type(), checked.Estimate())
	// Output: bool {3 53}
}

// ExampleLimit stops an expression that costs more than it may.
func ExampleLimit() {
	env := cel.NewEnv(cel.Options{Libraries: library.New()})
	checked, err := env.Check("[1, 2, 3].all(x, [1, 2, 3].exists(y, x == y))")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := checked.Program()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, limit := range []uint64{20, 1000} {
		value, cost := program.Eval(nil, cel.Limit{Cost: limit})
		fmt.Println(errors.Is(value.Err(), cel.ErrBudget), value, cost)
	}
	// Output:
	// true operation cancelled: actual cost limit exceeded 21
	// false true 61
}

// request is an object whose fields are computed when an expression asks for them, each time that it does.
type request struct{ verb string }

// Field returns the value of a field.
func (r request) Field(name string) (cel.Value, bool) {
	if name == "verb" {
		return cel.StringOf(r.verb), true
	}
	return cel.Value{}, false
}

// ExampleFields gives an expression an object that is no tree.
func ExampleFields() {
	typ := &cel.Type{Kind: cel.Object, Name: "Request", Fields: map[string]*cel.Field{
		"verb": {Key: "verb", Type: cel.StringType}, "name": {Key: "name", Type: cel.StringType}}}
	env := cel.NewEnv(cel.Options{Libraries: library.New(), Variables: []cel.Variable{{Name: "request", Type: typ}}})
	checked, err := env.Check("has(request.name) ? request.name : 'to ' + request.verb")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := checked.Program()
	if err != nil {
		fmt.Println(err)
		return
	}
	value, _ := program.Eval([]cel.Value{cel.ObjectValue(typ, request{"delete"})}, cel.Limit{Cost: 100})
	fmt.Println(value)
	// Output: to delete
}

// ExampleOf looks at a tree through the type of its schema: what does not fit it is an error for those who look there, and only for them.
func ExampleOf() {
	typ := &cel.Type{Kind: cel.Object, Name: "Self", Fields: map[string]*cel.Field{
		"n": {Key: "n", Type: cel.IntType}, "since": {Key: "since", Type: &cel.Type{Kind: cel.Timestamp, Name: "timestamp", Format: "date"}}}}
	self := cel.Of(map[string]any{"n": "seven", "since": "2024-02-29"}, typ)
	for _, name := range []string{"n", "since", "absent"} {
		field, ok := self.Field(name)
		fmt.Println(field.Kind() == cel.Error, ok, field)
	}
	// Output:
	// true true invalid data, expected int, got string
	// false true 2024-02-29 00:00:00 +0000 UTC
	// true false <nil>
}
