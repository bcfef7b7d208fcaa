package cel

import (
	"math"
	"strings"
	"time"

	"apichain/internal/cel/syntax"
)

// The standard library of the language is a table like those of the other libraries: names and ids of overloads are upstream's,
// since costs and references go by them. Operators have an implementation for all of their overloads together, which looks at what
// its arguments are; conversions and the functions of times have one for each. &&, ||, ?:, ==, !=, and [] have none: the planner
// makes closures of them, for they are lazy, or look into trees.

// To read a row: {"_+_", "add_int64", int, int, int, nil} says that there is a + of two ints, which makes an int and costs 1;
// a function in place of nil says what a call of that overload costs by its arguments. The rows of one function are in
// upstream's order (common/stdlib/standard.go), since overloads are tried in order, and those that are first may bind type
// variables. What a call may cost is beside, in estimate_calls.go, because upstream estimates the standard library apart from
// all others.
//
// These are the functions of the language alone; those that Kubernetes adds are in package library.

// Standard returns the standard library: operators, conversions, strings, times, and the names of types.
func Standard() *Library {
	a, b := listOfA.Params[0], ParamOf("B")
	mapOfAB := MapOf(a, b)
	typeOfA := &Type{Kind: TypeKind, Name: "type", Params: []*Type{a}, Max: Unbounded}
	var functions []Function
	functions = append(functions, logic(a)...)
	functions = append(functions, arithmetic()...)
	functions = append(functions, comparisons()...)
	functions = append(functions, containers(a, b, mapOfAB)...)
	functions = append(functions, conversions(a, typeOfA)...)
	functions = append(functions, texts()...)
	functions = append(functions, moments()...)
	constants := map[string]Value{"list": TypeValue(ListOf(DynType)), "map": TypeValue(MapOf(DynType, DynType))}
	for _, t := range []*Type{
		BoolType, BytesType, DoubleType, IntType, NullType, StringType, TypeType, UintType, DurationType, TimestampType,
	} {
		constants[t.TypeName()] = TypeValue(t)
	}
	return &Library{Name: "stdlib", Functions: functions, Macros: syntax.Standard, Constants: constants}
}

// TypeName returns the name by which expressions know a type: null_type, google.protobuf.Timestamp, int, list.
//
//go:noinline
func (t *Type) TypeName() string {
	switch t.Kind {
	case Null:
		return "null_type"
	case Timestamp:
		return "google.protobuf.Timestamp"
	case Duration:
		return "google.protobuf.Duration"
	}
	return t.Name
}

// one, two and member make the rows: an overload of one argument, of two, and one that is called on its first argument.
// They are not inlined: there are hundreds of rows, and each would be half a KiB of program.
//
//go:noinline
func one(id string, arg, result *Type) Overload {
	return Overload{ID: id, Args: []*Type{arg}, Result: result}
}

//go:noinline
func two(id string, a, b, result *Type) Overload {
	return Overload{ID: id, Args: []*Type{a, b}, Result: result}
}

//go:noinline
func member(o Overload) Overload {
	o.Member = true
	return o
}

// costing is a row whose calls do not cost 1.
//
//go:noinline
func costing(o Overload, cost func(args []Value, result Value) uint64) Overload {
	o.Cost = cost
	return o
}

// notStrictlyFalse is what comprehensions go on for: everything but false, errors included.
// all() goes on while the accumulator is not strictly false; an error is not, since a later item may be false and
// decide.
func notStrictlyFalse(v Value) Value {
	if v.kind == Bool {
		return v
	}
	return True
}

// The costs of calls that look at more than one place, in units of ten bytes, code points or items.

// Tenth returns the cost of going through a size once: a tenth of it, rounded up.
// Rounded up: one byte costs as much as ten, and nothing costs nothing.
func Tenth(n uint64) uint64 { return uint64(math.Ceil(float64(n) * TextFactor)) }

// Traversal returns the cost of going through a value once.
// Of a string these are its code points, which takes a walk through it to know.
func Traversal(v Value) uint64 { return Tenth(v.Size()) }

// firstSize is the cost of a call that goes through its first argument, secondSize of one that goes through its second.
func firstSize(args []Value, _ Value) uint64  { return Traversal(args[0]) }
func secondSize(args []Value, _ Value) uint64 { return Traversal(args[1]) }

// listSize is the cost of in: each item of the list is compared, whatever that takes.
func listSize(args []Value, _ Value) uint64 { return args[1].Size() }

// bothSizes is the cost of a text that is made of two, rounded once.
func bothSizes(args []Value, _ Value) uint64 { return Tenth(args[0].Size() + args[1].Size()) }

// productOfSizes is the cost of a search for one text in another, as if it were tried at every place.
func productOfSizes(args []Value, _ Value) uint64 { return Traversal(args[0]) * Traversal(args[1]) }

// lesserSize is the cost of a comparison, which ends with the shorter of its arguments.
func lesserSize(args []Value, _ Value) uint64 { return Tenth(sizeUpTo(args[0], args[1])) }

// sizeUpTo returns the lesser size of two values, without counting the code points of a string that is longer in any case.
func sizeUpTo(a, b Value) uint64 {
	if a.kind == String && b.kind == String {
		s, t := a.Str(), b.Str()
		if len(s) > len(t) {
			a, b, t = b, a, s
		}
		// A code point has four bytes at most.
		// The shorter is counted; the longer need not be, if even code points of four bytes make more of it.
		if n := a.Size(); uint64(len(t)/4) >= n {
			return n
		}
	}
	return min(a.Size(), b.Size())
}

// RegexCost is the cost of a match: the text times the expression, which is args[1].
func RegexCost(args []Value, _ Value) uint64 { return MatchCost(args[0].Size(), args[1].Size()) }

// MatchCost returns the cost of a regular expression of some length over a text of some length: the longer the one is, the more each
// step over the other costs, and an empty text is as one of one code point.
// (The case of matches in runtimecost.go.) Both factors are rounded up before they are multiplied.
func MatchCost(text, pattern uint64) uint64 {
	return uint64(math.Ceil((1+float64(text))*TextFactor)) * uint64(math.Ceil(float64(pattern)*PatternFactor))
}

// logic are the operators that may not need all of their arguments, and equality, which takes any.
func logic(a *Type) []Function {
	return []Function{
		{Name: "_?_:_", Overloads: []Overload{{ID: "conditional", Args: []*Type{BoolType, a, a}, Result: a}}},
		{Name: "_&&_", Overloads: []Overload{two("logical_and", BoolType, BoolType, BoolType)}},
		{Name: "_||_", Overloads: []Overload{two("logical_or", BoolType, BoolType, BoolType)}},
		{Name: "!_", Unary: not, Overloads: []Overload{one("logical_not", BoolType, BoolType)}},
		{Name: "@not_strictly_false", Unary: notStrictlyFalse, Overloads: []Overload{one("not_strictly_false", BoolType, BoolType)}},
		{Name: "_==_", Overloads: []Overload{costing(two("equals", a, a, BoolType), lesserSize)}},
		{Name: "_!=_", Overloads: []Overload{costing(two("not_equals", a, a, BoolType), lesserSize)}},
	}
}

// arithmetic are the operators on numbers, and + of everything that has it.
func arithmetic() []Function {
	functions := []Function{
		{Name: "_+_", Binary: operand("_+_", add, Bytes, Double, Duration, Int, String, Timestamp, Uint, List)},
		{Name: "_/_", Binary: operand("_/_", divide, Double, Int, Uint)},
		{Name: "_%_", Binary: operand("_%_", modulo, Int, Uint)},
		{Name: "_*_", Binary: operand("_*_", multiply, Double, Int, Uint)},
		{Name: "_-_", Binary: operand("_-_", subtract, Double, Duration, Int, Timestamp, Uint)},
	}
	// The rows are in one table for all operators, which is data; functions are given theirs by name.
	for i := range functions {
		for _, r := range arithmeticRows {
			if r.name == functions[i].Name {
				functions[i].Overloads = append(functions[i].Overloads, costing(two(r.id, r.a, r.b, r.result), r.cost))
			}
		}
	}
	return append(functions, Function{Name: "-_", Unary: negate, Overloads: []Overload{
		one("negate_double", DoubleType, DoubleType),
		one("negate_int64", IntType, IntType),
	}})
}

// listOfA is the type of lists of anything.
var listOfA = &Type{Kind: List, Name: "list", Params: []*Type{{Kind: Param, Name: "A", Max: Unbounded}}, Max: Unbounded}

// arithmeticRows are the overloads of operators on two values.
var arithmeticRows = []struct {
	name, id     string
	a, b, result *Type
	cost         func(args []Value, result Value) uint64
}{
	{"_+_", "add_bytes", BytesType, BytesType, BytesType, bothSizes},
	{"_+_", "add_double", DoubleType, DoubleType, DoubleType, nil},
	{"_+_", "add_duration_duration", DurationType, DurationType, DurationType, nil},
	{"_+_", "add_duration_timestamp", DurationType, TimestampType, TimestampType, nil},
	{"_+_", "add_timestamp_duration", TimestampType, DurationType, TimestampType, nil},
	{"_+_", "add_int64", IntType, IntType, IntType, nil},
	{"_+_", "add_list", listOfA, listOfA, listOfA, nil},
	{"_+_", "add_string", StringType, StringType, StringType, bothSizes},
	{"_+_", "add_uint64", UintType, UintType, UintType, nil},
	{"_/_", "divide_double", DoubleType, DoubleType, DoubleType, nil},
	{"_/_", "divide_int64", IntType, IntType, IntType, nil},
	{"_/_", "divide_uint64", UintType, UintType, UintType, nil},
	{"_%_", "modulo_int64", IntType, IntType, IntType, nil},
	{"_%_", "modulo_uint64", UintType, UintType, UintType, nil},
	{"_*_", "multiply_double", DoubleType, DoubleType, DoubleType, nil},
	{"_*_", "multiply_int64", IntType, IntType, IntType, nil},
	{"_*_", "multiply_uint64", UintType, UintType, UintType, nil},
	{"_-_", "subtract_double", DoubleType, DoubleType, DoubleType, nil},
	{"_-_", "subtract_duration_duration", DurationType, DurationType, DurationType, nil},
	{"_-_", "subtract_int64", IntType, IntType, IntType, nil},
	{"_-_", "subtract_timestamp_duration", TimestampType, DurationType, TimestampType, nil},
	{"_-_", "subtract_timestamp_timestamp", TimestampType, TimestampType, DurationType, nil},
	{"_-_", "subtract_uint64", UintType, UintType, UintType, nil},
}

// comparisons are <, <=, > and >=, which all have the same overloads: those of two types only if both are numbers.
func comparisons() []Function {
	var functions []Function
	for _, f := range []struct {
		name, id string
		holds    func(c int) bool
	}{
		{"_<_", "less_", func(c int) bool { return c < 0 }},
		{"_<=_", "less_equals_", func(c int) bool { return c <= 0 }},
		{"_>_", "greater_", func(c int) bool { return c > 0 }},
		{"_>=_", "greater_equals_", func(c int) bool { return c >= 0 }},
	} {
		compare := operand(f.name, ordered(f.holds), Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint)
		function := Function{Name: f.name, Binary: compare}
		for _, r := range comparisonRows {
			function.Overloads = append(function.Overloads, costing(two(f.id+r.id, r.a, r.b, BoolType), r.cost))
		}
		functions = append(functions, function)
	}
	return functions
}

// comparisonRows are the overloads of all comparisons, with the ends of their ids.
var comparisonRows = []struct {
	id   string
	a, b *Type
	cost func(args []Value, result Value) uint64
}{
	{"bool", BoolType, BoolType, nil},
	{"int64", IntType, IntType, nil},
	{"int64_double", IntType, DoubleType, nil},
	{"int64_uint64", IntType, UintType, nil},
	{"uint64", UintType, UintType, nil},
	{"uint64_double", UintType, DoubleType, nil},
	{"uint64_int64", UintType, IntType, nil},
	{"double", DoubleType, DoubleType, nil},
	{"double_int64", DoubleType, IntType, nil},
	{"double_uint64", DoubleType, UintType, nil},
	{"string", StringType, StringType, lesserSize},
	{"bytes", BytesType, BytesType, lesserSize},
	{"timestamp", TimestampType, TimestampType, nil},
	{"duration", DurationType, DurationType, nil},
}

// containers are [], in and size.
func containers(a, b, mapOfAB *Type) []Function {
	return []Function{
		{Name: "_[_]", Overloads: []Overload{
			two("index_list", listOfA, IntType, a),
			two("index_map", mapOfAB, a, b),
		}},
		{Name: "@in", Overloads: []Overload{
			costing(two("in_list", a, listOfA, BoolType), listSize),
			two("in_map", a, mapOfAB, BoolType),
		}},
		{Name: "size", Unary: length, Overloads: []Overload{
			one("size_bytes", BytesType, IntType),
			member(one("bytes_size", BytesType, IntType)),
			one("size_list", listOfA, IntType),
			member(one("list_size", listOfA, IntType)),
			one("size_map", mapOfAB, IntType),
			member(one("map_size", mapOfAB, IntType)),
			one("size_string", StringType, IntType),
			member(one("string_size", StringType, IntType)),
		}},
	}
}

// conversions are the functions that have the name of a type, and type itself.
func conversions(a, typeOfA *Type) []Function {
	functions := []Function{
		{Name: "type", Unary: func(v Value) Value { return TypeValue(v.Type()) }, Overloads: []Overload{one("type", a, typeOfA)}},
		{Name: "dyn", Unary: func(v Value) Value { return v }, Overloads: []Overload{one("to_dyn", a, DynType)}},
	}
	for _, r := range conversionRows {
		o := one(r.id, r.arg, r.result)
		o.Unary, o.Cost = func(v Value) Value { return Convert(v, r.result) }, r.cost
		// Rows of one result are together, so that the last function is the one to add to.
		if last := &functions[len(functions)-1]; last.Name == r.result.Name {
			last.Overloads = append(last.Overloads, o)
		} else {
			functions = append(functions, Function{Name: r.result.Name, Overloads: []Overload{o}})
		}
	}
	return functions
}

// conversionRows are the conversions by the types that they make, whose names are theirs. These are variables, as the operators'
// below: a row that a function makes is four times as large as data, for it is code.
var conversionRows = []struct {
	id          string
	arg, result *Type
	cost        func(args []Value, result Value) uint64
}{
	{"bool_to_bool", BoolType, BoolType, nil},
	{"string_to_bool", StringType, BoolType, nil},
	{"bytes_to_bytes", BytesType, BytesType, nil},
	{"string_to_bytes", StringType, BytesType, firstSize},
	{"double_to_double", DoubleType, DoubleType, nil},
	{"int64_to_double", IntType, DoubleType, nil},
	{"string_to_double", StringType, DoubleType, nil},
	{"uint64_to_double", UintType, DoubleType, nil},
	{"duration_to_duration", DurationType, DurationType, nil},
	{"string_to_duration", StringType, DurationType, nil},
	{"int64_to_int64", IntType, IntType, nil},
	{"double_to_int64", DoubleType, IntType, nil},
	{"duration_to_int64", DurationType, IntType, nil},
	{"string_to_int64", StringType, IntType, nil},
	{"timestamp_to_int64", TimestampType, IntType, nil},
	{"uint64_to_int64", UintType, IntType, nil},
	{"string_to_string", StringType, StringType, nil},
	{"bool_to_string", BoolType, StringType, nil},
	{"bytes_to_string", BytesType, StringType, firstSize},
	{"double_to_string", DoubleType, StringType, nil},
	{"duration_to_string", DurationType, StringType, nil},
	{"int64_to_string", IntType, StringType, nil},
	{"timestamp_to_string", TimestampType, StringType, nil},
	{"uint64_to_string", UintType, StringType, nil},
	{"timestamp_to_timestamp", TimestampType, TimestampType, nil},
	{"int64_to_timestamp", IntType, TimestampType, nil},
	{"string_to_timestamp", StringType, TimestampType, nil},
	{"uint64_to_uint64", UintType, UintType, nil},
	{"double_to_uint64", DoubleType, UintType, nil},
	{"int64_to_uint64", IntType, UintType, nil},
	{"string_to_uint64", StringType, UintType, nil},
}

// texts are the functions of strings.
func texts() []Function {
	return []Function{
		{Name: "contains", Binary: ofStrings(strings.Contains), Overloads: []Overload{
			member(costing(two("contains_string", StringType, StringType, BoolType), productOfSizes)),
		}},
		{Name: "endsWith", Binary: ofStrings(strings.HasSuffix), Overloads: []Overload{
			member(costing(two("ends_with_string", StringType, StringType, BoolType), secondSize)),
		}},
		{Name: "startsWith", Binary: ofStrings(strings.HasPrefix), Overloads: []Overload{
			member(costing(two("starts_with_string", StringType, StringType, BoolType), secondSize)),
		}},
		{Name: "matches", Binary: operand("matches", matches, String), Regex: matchesRegex, Overloads: []Overload{
			costing(two("matches", StringType, StringType, BoolType), RegexCost),
			member(costing(two("matches_string", StringType, StringType, BoolType), RegexCost)),
		}},
	}
}

// moments are the parts of timestamps, in UTC or in a zone, and the units of durations.
func moments() []Function {
	var functions []Function
	z := &zones{}
	for _, f := range []struct {
		name, id, zoned string
		part            func(time.Time) int
		duration        string
		whole           func(time.Duration) float64
	}{
		{"getFullYear", "timestamp_to_year", "timestamp_to_year_with_tz", time.Time.Year, "", nil},
		{"getMonth", "timestamp_to_month", "timestamp_to_month_with_tz", func(t time.Time) int { return int(t.Month()) - 1 }, "", nil},
		{"getDayOfYear", "timestamp_to_day_of_year", "timestamp_to_day_of_year_with_tz", func(t time.Time) int { return t.YearDay() - 1 }, "", nil},
		{"getDayOfMonth", "timestamp_to_day_of_month", "timestamp_to_day_of_month_with_tz", func(t time.Time) int { return t.Day() - 1 }, "", nil},
		{"getDate", "timestamp_to_day_of_month_1_based", "timestamp_to_day_of_month_1_based_with_tz", time.Time.Day, "", nil},
		{"getDayOfWeek", "timestamp_to_day_of_week", "timestamp_to_day_of_week_with_tz",
			func(t time.Time) int { return int(t.Weekday()) }, "", nil},
		{"getHours", "timestamp_to_hours", "timestamp_to_hours_with_tz", time.Time.Hour, "duration_to_hours", time.Duration.Hours},
		{"getMinutes", "timestamp_to_minutes", "timestamp_to_minutes_with_tz", time.Time.Minute, "duration_to_minutes", time.Duration.Minutes},
		{"getSeconds", "timestamp_to_seconds", "timestamp_to_seconds_tz", time.Time.Second, "duration_to_seconds", time.Duration.Seconds},
		{"getMilliseconds", "timestamp_to_milliseconds", "timestamp_to_milliseconds_with_tz",
			func(t time.Time) int { return t.Nanosecond() / 1e6 }, "duration_to_milliseconds",
			func(d time.Duration) float64 { return float64(d.Milliseconds()) }},
	} {
		inUTC := member(one(f.id, TimestampType, IntType))
		inUTC.Unary = func(v Value) Value { return IntOf(int64(f.part(v.Time().UTC()))) }
		inZone := member(two(f.zoned, TimestampType, StringType, IntType))
		inZone.Binary = z.zoned(f.part)
		overloads := []Overload{inUTC, inZone}
		if f.duration != "" {
			whole := member(one(f.duration, DurationType, IntType))
			// Through a double, as upstream: the last nanosecond of a long hour may count as the next.
			whole.Unary = func(v Value) Value { return IntOf(int64(f.whole(v.Duration()))) }
			overloads = append(overloads, whole)
		}
		functions = append(functions, Function{Name: f.name, Overloads: overloads})
	}
	return functions
}
