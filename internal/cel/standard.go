package cel

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
	return &Library{Name: "stdlib", Functions: functions, Constants: constants}
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
func one(id string, arg, result *Type) Overload {
	return Overload{ID: id, Args: []*Type{arg}, Result: result}
}

func two(id string, a, b, result *Type) Overload {
	return Overload{ID: id, Args: []*Type{a, b}, Result: result}
}

func member(o Overload) Overload {
	o.Member = true
	return o
}

// logic are the operators that may not need all of their arguments, and equality, which takes any.
func logic(a *Type) []Function {
	return []Function{
		{Name: "_?_:_", Overloads: []Overload{{ID: "conditional", Args: []*Type{BoolType, a, a}, Result: a}}},
		{Name: "_&&_", Overloads: []Overload{two("logical_and", BoolType, BoolType, BoolType)}},
		{Name: "_||_", Overloads: []Overload{two("logical_or", BoolType, BoolType, BoolType)}},
		{Name: "!_", Overloads: []Overload{one("logical_not", BoolType, BoolType)}},
		{Name: "@not_strictly_false", Overloads: []Overload{one("not_strictly_false", BoolType, BoolType)}},
		{Name: "_==_", Overloads: []Overload{two("equals", a, a, BoolType)}},
		{Name: "_!=_", Overloads: []Overload{two("not_equals", a, a, BoolType)}},
	}
}

// arithmetic are the operators on numbers, and + of everything that has it.
func arithmetic(listOfA *Type) []Function {
	return []Function{
		{Name: "_+_", Overloads: []Overload{
			two("add_bytes", BytesType, BytesType, BytesType),
			two("add_double", DoubleType, DoubleType, DoubleType),
			two("add_duration_duration", DurationType, DurationType, DurationType),
			two("add_duration_timestamp", DurationType, TimestampType, TimestampType),
			two("add_timestamp_duration", TimestampType, DurationType, TimestampType),
			two("add_int64", IntType, IntType, IntType),
			two("add_list", listOfA, listOfA, listOfA),
			two("add_string", StringType, StringType, StringType),
			two("add_uint64", UintType, UintType, UintType),
		}},
		{Name: "_/_", Overloads: []Overload{
			two("divide_double", DoubleType, DoubleType, DoubleType),
			two("divide_int64", IntType, IntType, IntType),
			two("divide_uint64", UintType, UintType, UintType),
		}},
		{Name: "_%_", Overloads: []Overload{
			two("modulo_int64", IntType, IntType, IntType),
			two("modulo_uint64", UintType, UintType, UintType),
		}},
		{Name: "_*_", Overloads: []Overload{
			two("multiply_double", DoubleType, DoubleType, DoubleType),
			two("multiply_int64", IntType, IntType, IntType),
			two("multiply_uint64", UintType, UintType, UintType),
		}},
		{Name: "-_", Overloads: []Overload{
			one("negate_double", DoubleType, DoubleType),
			one("negate_int64", IntType, IntType),
		}},
		{Name: "_-_", Overloads: []Overload{
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
	for _, f := range []struct{ name, id string }{
		{"_<_", "less_"}, {"_<=_", "less_equals_"}, {"_>_", "greater_"}, {"_>=_", "greater_equals_"},
	} {
		functions = append(functions, Function{Name: f.name, Overloads: []Overload{
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
			two(f.id+"string", StringType, StringType, BoolType),
			two(f.id+"bytes", BytesType, BytesType, BoolType),
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
			two("in_list", a, listOfA, BoolType),
			two("in_map", a, mapOfAB, BoolType),
		}},
		{Name: "size", Overloads: []Overload{
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
		{Name: "type", Overloads: []Overload{one("type", a, typeOfA)}},
		{Name: "dyn", Overloads: []Overload{one("to_dyn", a, DynType)}},
		{Name: "bool", Overloads: []Overload{
			one("bool_to_bool", BoolType, BoolType),
			one("string_to_bool", StringType, BoolType),
		}},
		{Name: "bytes", Overloads: []Overload{
			one("bytes_to_bytes", BytesType, BytesType),
			one("string_to_bytes", StringType, BytesType),
		}},
		{Name: "double", Overloads: []Overload{
			one("double_to_double", DoubleType, DoubleType),
			one("int64_to_double", IntType, DoubleType),
			one("string_to_double", StringType, DoubleType),
			one("uint64_to_double", UintType, DoubleType),
		}},
		{Name: "duration", Overloads: []Overload{
			one("duration_to_duration", DurationType, DurationType),
			one("string_to_duration", StringType, DurationType),
		}},
		{Name: "int", Overloads: []Overload{
			one("int64_to_int64", IntType, IntType),
			one("double_to_int64", DoubleType, IntType),
			one("duration_to_int64", DurationType, IntType),
			one("string_to_int64", StringType, IntType),
			one("timestamp_to_int64", TimestampType, IntType),
			one("uint64_to_int64", UintType, IntType),
		}},
		{Name: "string", Overloads: []Overload{
			one("string_to_string", StringType, StringType),
			one("bool_to_string", BoolType, StringType),
			one("bytes_to_string", BytesType, StringType),
			one("double_to_string", DoubleType, StringType),
			one("duration_to_string", DurationType, StringType),
			one("int64_to_string", IntType, StringType),
			one("timestamp_to_string", TimestampType, StringType),
			one("uint64_to_string", UintType, StringType),
		}},
		{Name: "timestamp", Overloads: []Overload{
			one("timestamp_to_timestamp", TimestampType, TimestampType),
			one("int64_to_timestamp", IntType, TimestampType),
			one("string_to_timestamp", StringType, TimestampType),
		}},
		{Name: "uint", Overloads: []Overload{
			one("uint64_to_uint64", UintType, UintType),
			one("double_to_uint64", DoubleType, UintType),
			one("int64_to_uint64", IntType, UintType),
			one("string_to_uint64", StringType, UintType),
		}},
	}
}

// texts are the functions of strings.
func texts() []Function {
	return []Function{
		{Name: "contains", Overloads: []Overload{member(two("contains_string", StringType, StringType, BoolType))}},
		{Name: "endsWith", Overloads: []Overload{member(two("ends_with_string", StringType, StringType, BoolType))}},
		{Name: "startsWith", Overloads: []Overload{member(two("starts_with_string", StringType, StringType, BoolType))}},
		{Name: "matches", Overloads: []Overload{
			two("matches", StringType, StringType, BoolType),
			member(two("matches_string", StringType, StringType, BoolType)),
		}},
	}
}

// moments are the parts of timestamps, in UTC or in a zone, and the units of durations.
func moments() []Function {
	var functions []Function
	for _, f := range []struct{ name, id, zoned, duration string }{
		{"getFullYear", "timestamp_to_year", "timestamp_to_year_with_tz", ""},
		{"getMonth", "timestamp_to_month", "timestamp_to_month_with_tz", ""},
		{"getDayOfYear", "timestamp_to_day_of_year", "timestamp_to_day_of_year_with_tz", ""},
		{"getDayOfMonth", "timestamp_to_day_of_month", "timestamp_to_day_of_month_with_tz", ""},
		{"getDate", "timestamp_to_day_of_month_1_based", "timestamp_to_day_of_month_1_based_with_tz", ""},
		{"getDayOfWeek", "timestamp_to_day_of_week", "timestamp_to_day_of_week_with_tz", ""},
		{"getHours", "timestamp_to_hours", "timestamp_to_hours_with_tz", "duration_to_hours"},
		{"getMinutes", "timestamp_to_minutes", "timestamp_to_minutes_with_tz", "duration_to_minutes"},
		{"getSeconds", "timestamp_to_seconds", "timestamp_to_seconds_tz", "duration_to_seconds"},
		{"getMilliseconds", "timestamp_to_milliseconds", "timestamp_to_milliseconds_with_tz", "duration_to_milliseconds"},
	} {
		overloads := []Overload{
			member(one(f.id, TimestampType, IntType)),
			member(two(f.zoned, TimestampType, StringType, IntType)),
		}
		if f.duration != "" {
			overloads = append(overloads, member(one(f.duration, DurationType, IntType)))
		}
		functions = append(functions, Function{Name: f.name, Overloads: overloads})
	}
	return functions
}
