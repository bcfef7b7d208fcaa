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

// Standard returns the standard library: operators, conversions, strings, times, and the names of types.
func Standard() *Library {
	a, b := ParamOf("A"), ParamOf("B")
	listOfA, mapOfAB := ListOf(a), MapOf(a, b)
	typeOfA := &Type{Kind: TypeKind, Name: "type", Params: []*Type{a}, Max: Unbounded}
	var functions []Function
	functions = append(functions, logic(a)...)
	functions = append(functions, arithmetic(listOfA)...)
	functions = append(functions, comparisons()...)
	functions = append(functions, containers(a, b, listOfA, mapOfAB)...)
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

// to is the row of a conversion.
func to(id string, arg, result *Type) Overload {
	o := one(id, arg, result)
	o.Unary = func(v Value) Value { return Convert(v, result) }
	return o
}

// costing is a row whose calls do not cost 1.
func costing(o Overload, cost func(args []Value, result Value) uint64) Overload {
	o.Cost = cost
	return o
}

// notStrictlyFalse is what comprehensions go on for: everything but false, errors included.
func notStrictlyFalse(v Value) Value {
	if v.kind == Bool {
		return v
	}
	return True
}

// The costs of calls that look at more than one place, in units of ten bytes, code points or items.

// Tenth returns the cost of going through a size once: a tenth of it, rounded up.
func Tenth(n uint64) uint64 { return uint64(math.Ceil(float64(n) * TextFactor)) }

// Traversal returns the cost of going through a value once.
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
func arithmetic(listOfA *Type) []Function {
	return []Function{
		{Name: "_+_", Binary: operand("_+_", add, Bytes, Double, Duration, Int, String, Timestamp, Uint, List), Overloads: []Overload{
			costing(two("add_bytes", BytesType, BytesType, BytesType), bothSizes),
			two("add_double", DoubleType, DoubleType, DoubleType),
			two("add_duration_duration", DurationType, DurationType, DurationType),
			two("add_duration_timestamp", DurationType, TimestampType, TimestampType),
			two("add_timestamp_duration", TimestampType, DurationType, TimestampType),
			two("add_int64", IntType, IntType, IntType),
			two("add_list", listOfA, listOfA, listOfA),
			costing(two("add_string", StringType, StringType, StringType), bothSizes),
			two("add_uint64", UintType, UintType, UintType),
		}},
		{Name: "_/_", Binary: operand("_/_", divide, Double, Int, Uint), Overloads: []Overload{
			two("divide_double", DoubleType, DoubleType, DoubleType),
			two("divide_int64", IntType, IntType, IntType),
			two("divide_uint64", UintType, UintType, UintType),
		}},
		{Name: "_%_", Binary: operand("_%_", modulo, Int, Uint), Overloads: []Overload{
			two("modulo_int64", IntType, IntType, IntType),
			two("modulo_uint64", UintType, UintType, UintType),
		}},
		{Name: "_*_", Binary: operand("_*_", multiply, Double, Int, Uint), Overloads: []Overload{
			two("multiply_double", DoubleType, DoubleType, DoubleType),
			two("multiply_int64", IntType, IntType, IntType),
			two("multiply_uint64", UintType, UintType, UintType),
		}},
		{Name: "-_", Unary: negate, Overloads: []Overload{
			one("negate_double", DoubleType, DoubleType),
			one("negate_int64", IntType, IntType),
		}},
		{Name: "_-_", Binary: operand("_-_", subtract, Double, Duration, Int, Timestamp, Uint), Overloads: []Overload{
			two("subtract_double", DoubleType, DoubleType, DoubleType),
			two("subtract_duration_duration", DurationType, DurationType, DurationType),
			two("subtract_int64", IntType, IntType, IntType),
			two("subtract_timestamp_duration", TimestampType, DurationType, TimestampType),
			two("subtract_timestamp_timestamp", TimestampType, TimestampType, DurationType),
			two("subtract_uint64", UintType, UintType, UintType),
		}},
	}
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
		functions = append(functions, Function{Name: f.name, Binary: compare, Overloads: []Overload{
			two(f.id+"bool", BoolType, BoolType, BoolType),
			two(f.id+"int64", IntType, IntType, BoolType),
			two(f.id+"int64_double", IntType, DoubleType, BoolType),
			two(f.id+"int64_uint64", IntType, UintType, BoolType),
			two(f.id+"uint64", UintType, UintType, BoolType),
			two(f.id+"uint64_double", UintType, DoubleType, BoolType),
			two(f.id+"uint64_int64", UintType, IntType, BoolType),
			two(f.id+"double", DoubleType, DoubleType, BoolType),
			two(f.id+"double_int64", DoubleType, IntType, BoolType),
			two(f.id+"double_uint64", DoubleType, UintType, BoolType),
			costing(two(f.id+"string", StringType, StringType, BoolType), lesserSize),
			costing(two(f.id+"bytes", BytesType, BytesType, BoolType), lesserSize),
			two(f.id+"timestamp", TimestampType, TimestampType, BoolType),
			two(f.id+"duration", DurationType, DurationType, BoolType),
		}})
	}
	return functions
}

// containers are [], in and size.
func containers(a, b, listOfA, mapOfAB *Type) []Function {
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
	return []Function{
		{Name: "type", Unary: func(v Value) Value { return TypeValue(v.Type()) }, Overloads: []Overload{one("type", a, typeOfA)}},
		{Name: "dyn", Unary: func(v Value) Value { return v }, Overloads: []Overload{one("to_dyn", a, DynType)}},
		{Name: "bool", Overloads: []Overload{
			to("bool_to_bool", BoolType, BoolType),
			to("string_to_bool", StringType, BoolType),
		}},
		{Name: "bytes", Overloads: []Overload{
			to("bytes_to_bytes", BytesType, BytesType),
			costing(to("string_to_bytes", StringType, BytesType), firstSize),
		}},
		{Name: "double", Overloads: []Overload{
			to("double_to_double", DoubleType, DoubleType),
			to("int64_to_double", IntType, DoubleType),
			to("string_to_double", StringType, DoubleType),
			to("uint64_to_double", UintType, DoubleType),
		}},
		{Name: "duration", Overloads: []Overload{
			to("duration_to_duration", DurationType, DurationType),
			to("string_to_duration", StringType, DurationType),
		}},
		{Name: "int", Overloads: []Overload{
			to("int64_to_int64", IntType, IntType),
			to("double_to_int64", DoubleType, IntType),
			to("duration_to_int64", DurationType, IntType),
			to("string_to_int64", StringType, IntType),
			to("timestamp_to_int64", TimestampType, IntType),
			to("uint64_to_int64", UintType, IntType),
		}},
		{Name: "string", Overloads: []Overload{
			to("string_to_string", StringType, StringType),
			to("bool_to_string", BoolType, StringType),
			costing(to("bytes_to_string", BytesType, StringType), firstSize),
			to("double_to_string", DoubleType, StringType),
			to("duration_to_string", DurationType, StringType),
			to("int64_to_string", IntType, StringType),
			to("timestamp_to_string", TimestampType, StringType),
			to("uint64_to_string", UintType, StringType),
		}},
		{Name: "timestamp", Overloads: []Overload{
			to("timestamp_to_timestamp", TimestampType, TimestampType),
			to("int64_to_timestamp", IntType, TimestampType),
			to("string_to_timestamp", StringType, TimestampType),
		}},
		{Name: "uint", Overloads: []Overload{
			to("uint64_to_uint64", UintType, UintType),
			to("double_to_uint64", DoubleType, UintType),
			to("int64_to_uint64", IntType, UintType),
			to("string_to_uint64", StringType, UintType),
		}},
	}
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
