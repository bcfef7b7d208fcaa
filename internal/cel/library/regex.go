package library

import (
	"regexp"

	"apichain/internal/cel"
)

// Regex has find and findAll, which return what a regular expression (RE2) matches:
//
//	'abc 123'.find('[0-9]+')          '123'      '' for nothing
//	'1 2 3'.findAll('[0-9]', 2)       ['1', '2']
//
// A pattern that is a literal is compiled with the program, any other at each call, which its cost pays. One that does not compile is
// refused at the same time, with other words: "error parsing regexp" by the program, "Illegal regex" by the call. A number of matches
// below 0 means all, 0 none. The cost is a tenth of a length one more than the text's, times a quarter of the pattern's, each rounded
// up; what is found does not matter. Upstream is regex.go of the library of Kubernetes.
func Regex() *cel.Library {
	s := cel.StringType
	return &cel.Library{Name: "kubernetes.regex", Functions: []cel.Function{
		{Name: "find", Cost: searched, Estimate: maySearch, Regex: find, Overloads: []cel.Overload{
			more(member("string_find_string", s, s, s), compiled(find)),
		}},
		{Name: "findAll", Makes: 20, Cost: searched, Estimate: maySearch, Regex: findAll, Overloads: []cel.Overload{
			more(member("string_find_all_string", cel.ListOf(s), s, s), compiled(findAll)),
			more(member("string_find_all_string_int", cel.ListOf(s), s, s, cel.IntType), compiled(findAll)),
		}},
	}}
}

// compiled compiles the pattern, the second argument, for a function that has it compiled.
//
//go:noinline
func compiled(f func(re *regexp.Regexp, args []cel.Value) cel.Value) func(args []cel.Value) cel.Value {
	return func(args []cel.Value) cel.Value {
		re, err := cel.CompileRegex(args[1].Str())
		if err == cel.ErrBudget {
			return cel.Fail(err)
		}
		if err != nil {
			return cel.Failf("Illegal regex: %v", err)
		}
		return f(re, args)
	}
}

// find returns the first match.
func find(re *regexp.Regexp, args []cel.Value) cel.Value {
	if args[0].Kind() != cel.String {
		return cel.NoSuchOverload()
	}
	return cel.StringOf(re.FindString(args[0].Str()))
}

// findAll returns all, or the first of as many as the third argument says.
func findAll(re *regexp.Regexp, args []cel.Value) cel.Value {
	n := -1
	if len(args) == 3 {
		n = int(args[2].Int())
	}
	if args[0].Kind() != cel.String || len(args) == 3 && args[2].Kind() != cel.Int {
		return cel.NoSuchOverload()
	}
	return texts(re.FindAllString(args[0].Str(), n))
}

// searched and maySearch are the costs of a regular expression over a string. What is found may be each of its characters.
func searched(args []cel.Value, _ cel.Value) uint64 {
	return cel.MatchCost(args[0].Size(), args[1].Size())
}

// maySearch is the estimate of searched; as much may be found as there is text.
func maySearch(args []cel.Node) (cel.Range, *cel.Range) {
	text := args[0].Size()
	found := cel.Range{Max: text.Max}
	return text.Plus(cel.Exactly(1)).Scale(perByte).Times(args[1].Size().Scale(perRegex)), &found
}
