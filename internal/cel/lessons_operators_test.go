package cel_test

// The lessons on operators, conversions and times. They go on where language_test.go begins: by type, to the ends of what each operator
// takes, with the errors that are there. Each answer is what cel-go v0.29.2 gives with the libraries of Kubernetes, cost included.

// operatorLessons are what operators do with values of each type, and what they refuse.
var operatorLessons = []lesson{
	{"ints wrap nowhere: what does not fit is an error", [][2]string{
		{"9223372036854775807 - 1", "9223372036854775806 for 1"},
		{"9223372036854775806 + 2", "error: integer overflow for 1"},
		{"-9223372036854775807 - 2", "error: integer overflow for 1"},
		{"3037000499 * 3037000499", "9223372030926249001 for 1"},
		{"3037000500 * -3037000500", "error: integer overflow for 1"},
		{"(-9223372036854775807 - 1) / -1", "error: integer overflow for 2"}, // the only quotient that does not fit
		{"(-9223372036854775807 - 1) % -1", "error: integer overflow for 2"}, // and its remainder, which would
		{"-(-9223372036854775807) == 9223372036854775807", "true for 2"},
		{"-7 / 3", "-2 for 1"},
		{"-7 % 3", "-1 for 1"},
		{"7 % -3", "1 for 1"},
		{"5 % 0", "error: modulus by zero for 1"},
	}},
	{"uints have no minus, and their own overflow", [][2]string{
		{"18446744073709551614u + 1u", "18446744073709551615u for 1"},
		{"18446744073709551615u + 2u", "error: unsigned integer overflow for 1"},
		{"3u - 3u", "0u for 1"},
		{"0u - 1u", "error: unsigned integer overflow for 1"},
		{"4294967295u * 4294967297u", "18446744073709551615u for 1"},
		{"4294967296u * 4294967297u", "error: unsigned integer overflow for 1"},
		{"9u / 4u", "2u for 1"},
		{"9u % 4u", "1u for 1"},
		{"9u / 0u", "error: division by zero for 1"},
		{"9u % 0u", "error: modulus by zero for 1"},
		{"-(1u)", "ERROR: <input>:1:1: found no matching overload for '-_' applied to '(uint)'"},
		{"-dyn(1u)", "error: no such overload: -_ for 1"},
	}},
	{"doubles have no errors: they end in infinity, or in no number", [][2]string{
		{"1.0 / 0.0 > 1e308", "true for 2"},
		{"-1.0 / 0.0", "-Inf for 1"},
		{"0.0 / 0.0 == 0.0 / 0.0", "false for 3"}, // NaN is not even itself
		{"0.0 / 0.0 != 0.0 / 0.0", "true for 3"},
		{"0.0 / 0.0 < 1.0", "error: NaN values cannot be ordered for 2"}, // but it has no order
		{"1e308 * 10.0", "+Inf for 1"},
		{"0.1 + 0.2 == 0.3", "false for 2"},
		{"-0.0 == 0.0", "true for 1"},
		{"dyn(5.5) % 2.0", "ERROR: <input>:1:10: found no matching overload for '_%_' applied to '(dyn, double)'"},
	}},
	{"texts and bytes are joined by +, and ordered by their bytes", [][2]string{
		{"'ab' + 'cd'", `"abcd" for 1`},
		{"'' + ''", `"" for 0`},
		{"b'ab' + b'\\xff'", `b"ab\xff" for 1`},
		{"'a' + b'a'", "ERROR: <input>:1:5: found no matching overload for '_+_' applied to '(string, bytes)'"},
		{"dyn('a') + b'a'", "error: no such overload for 1"},
		{"dyn('a') + 1", "error: no such overload for 1"},
		{"'Z' < 'a'", "true for 1"},
		{"'a' < 'aa'", "true for 1"},
		{"'é' > 'z'", "true for 1"}, // by bytes of UTF-8, which is by code points
		{"b'\\x00' < b'\\x00\\x00'", "true for 1"},
		{"'a' < b'a'", "ERROR: <input>:1:5: found no matching overload for '_<_' applied to '(string, bytes)'"},
		{"dyn('a') < 1", "error: no such overload for 1"},
	}},
	{"comparison is the one operator between types of numbers", [][2]string{
		{"1 < 1.5", "true for 1"},
		{"2u >= 2", "true for 1"},
		{"-1 < 0u", "true for 1"},
		{"1.0 <= 1u", "true for 1"},
		{"9223372036854775807 < 9223372036854775808.0", "false for 1"}, // as doubles they are the same
		{"9007199254740993 == dyn(9007199254740992.0)", "true for 1"},  // equality goes by doubles, too
		{"true > false", "true for 1"},
		{"dyn(true) < 1", "error: no such overload for 1"},
		{"[1] < [2]", "ERROR: <input>:1:5: found no matching overload for '_<_' applied to '(list(int), list(int))'"},
		{"dyn([1]) < [2]", "ERROR: <input>:1:10: found no matching overload for '_<_' applied to '(dyn, list(int))'"},
		{"null < null", "error: no such overload: _<_ for 1"},
	}},
	{"what is dyn passes if some overload takes the other side; then the operator refuses by its name, unless a text or a time is first", [][2]string{
		{"dyn(true) + true", "ERROR: <input>:1:11: found no matching overload for '_+_' applied to '(dyn, bool)'"},
		{"dyn(null) + 1", "error: no such overload: _+_ for 1"},
		{"dyn([1]) - [1]", "ERROR: <input>:1:10: found no matching overload for '_-_' applied to '(dyn, list(int))'"},
		{"dyn('a') - 'b'", "ERROR: <input>:1:10: found no matching overload for '_-_' applied to '(dyn, string)'"},
		{"dyn({}) * 2", "error: no such overload: _*_ for 1"},
		{"dyn(1) / 2u", "error: no such overload for 1"},
		{"dyn(timestamp(0)) * 2", "error: no such overload for 1"},
		{"-dyn('a')", "error: no such overload for 1"},
		{"-dyn(true)", "error: no such overload for 1"},
		{"!dyn(1)", "error: no such overload for 1"},
		{"!dyn('a')", "error: no such overload for 1"},
	}},
	{"a ternary evaluates one of its ends, and an error of its condition is its own", [][2]string{
		{"true ? 1 : 1 / 0", "1 for 0"},
		{"false ? 1 / 0 : 2", "2 for 0"},
		{"1 / 0 > 0 ? 1 : 2", "error: division by zero for 2"},
		{"dyn(1) ? 1 : 2", "error: no such overload for 0"},
		{"(self.count > 2 ? self : self).name", `"web" for 4`},
		{"self.count > 2 ? self.name : self.labels.app", `"web" for 4`},
	}},
	{"and of two errors the first is told", [][2]string{
		{"1 / 0 > 0 && 1 % 0 > 0", "error: division by zero for 4"},
		{"1 % 0 > 0 || 1 / 0 > 0", "error: modulus by zero for 4"},
		{"true && 1 / 0 > 0", "error: division by zero for 2"},
		{"1 / 0 > 0 && false && 1 % 0 > 0", "false for 2"},
		{"dyn('a') || true", "true for 0"},
		{"dyn('a') || false", "error: no such overload for 0"},
		{"dyn(null) && true", "error: no such overload for 0"},
	}},
}

// conversionLessons are the functions that have the name of a type. Of a literal they are done with the program, and cost nothing.
var conversionLessons = []lesson{
	{"to int: towards zero, and only what has room", [][2]string{
		{"int(2.9)", "2 for 0"},
		{"int(-2.9)", "-2 for 0"},
		{"int(9223372036854775808.0)", "no program: integer overflow"},
		{"int(-9223372036854775808.0)", "no program: integer overflow"}, // the least int is taken for one too many
		{"int(9223372036854774784.0)", "9223372036854774784 for 0"},
		{"int(9223372036854775808u)", "no program: integer overflow"},
		{"int('-12')", "-12 for 0"},
		{"int('0x10')", "no program: type conversion error from 'string' to 'int'"},
		{"int(' 1')", "no program: type conversion error from 'string' to 'int'"},
		{"int(timestamp('1970-01-01T00:01:00Z'))", "60 for 0"},
		{"int(duration('1500ms'))", "1500000000 for 0"}, // a duration as an int is in nanoseconds
		{"int(true)", "ERROR: <input>:1:4: found no matching overload for 'int' applied to '(bool)'"},
	}},
	{"to uint: from nothing below zero", [][2]string{
		{"uint(3)", "3u for 0"},
		{"uint(-1)", "no program: unsigned integer overflow"},
		{"uint(-0.5)", "no program: unsigned integer overflow"},
		{"uint(0.9)", "0u for 0"},
		{"uint(18446744073709551616.0)", "no program: unsigned integer overflow"},
		{"uint('18446744073709551615')", "18446744073709551615u for 0"},
		{"uint('-1')", "no program: type conversion error from 'string' to 'uint'"},
		{"uint('+1')", "no program: type conversion error from 'string' to 'uint'"},
		{"uint('1u')", "no program: type conversion error from 'string' to 'uint'"},
	}},
	{"to double: whole numbers lose what a double has no room for", [][2]string{
		{"double(9007199254740993)", "9.007199254740992e+15 for 0"},
		{"double(18446744073709551615u)", "1.8446744073709552e+19 for 0"},
		{"double('1e400')", "no program: type conversion error from 'string' to 'double'"},
		{"double('NaN') == double('NaN')", "false for 1"},
		{"double('inf')", "+Inf for 0"},
		{"double('0x1p-2')", "2.5e-01 for 0"},
		{"double('1_000')", "1e+03 for 0"},
	}},
	{"to string: the shortest text that is the value", [][2]string{
		{"string(1.0)", `"1" for 0`},
		{"string(1e21)", `"1e+21" for 0`},
		{"string(0.1 + 0.2)", `"0.30000000000000004" for 2`},
		{"string(-5)", `"-5" for 0`},
		{"string(7u)", `"7" for 0`},
		{"string(true)", `"true" for 0`},
		{"string(b'abc')", `"abc" for 0`},
		{"string(b'\\xc3')", "no program: invalid UTF-8 in bytes, cannot convert to string"},
		{"string(duration('1h30m'))", `"5400s" for 0`},
		{"string(duration('1ms'))", `"0.001s" for 0`},
		{"string(timestamp('2024-05-06T07:08:09.010Z'))", `"2024-05-06T07:08:09.01Z" for 0`},
		{"string(type(1))", "ERROR: <input>:1:7: found no matching overload for 'string' applied to '(type(int))'"}, // a type has no text for a program, though it has a name
		{"string(null)", "no program: no such overload: string(null_type)"},                                         // passes as a duration or an instant, which may be null
		{"string([1])", "ERROR: <input>:1:7: found no matching overload for 'string' applied to '(list(int))'"},
	}},
	{"to bool and bytes: the words of Go, and UTF-8", [][2]string{
		{"bool('true')", "true for 0"},
		{"bool('T')", "true for 0"},
		{"bool('yes')", "no program: type conversion error from 'string' to 'bool'"},
		{"bool('TRUE')", "true for 0"},
		{"bool('tRUE')", "no program: type conversion error from 'string' to 'bool'"},
		{"bytes('ä') == b'ä'", "true for 1"},
		{"bytes('ä') == b'\\xe4'", "false for 1"},
		{"bytes(b'x')", `b"x" for 0`},
	}},
	{"to duration and timestamp: Go's units, and the years 1 to 9999", [][2]string{
		{"duration('1h2m3s4ms5us6ns')", "1h2m3.004005006s for 0"},
		{"duration('-1.5h')", "-1h30m0s for 0"},
		{"duration('1d')", "ERROR: <input>:1:10: invalid duration argument"},
		{"duration('')", "ERROR: <input>:1:10: invalid duration argument"},
		{"duration('9223372036s')", "2562047h47m16s for 0"},
		{"duration('9223372037s')", "ERROR: <input>:1:10: invalid duration argument"},
		{"timestamp('2024-02-29T00:00:00Z')", "2024-02-29T00:00:00Z for 0"},
		{"timestamp('2023-02-29T00:00:00Z')", "ERROR: <input>:1:11: invalid timestamp argument"},
		{"timestamp('2024-01-01')", "ERROR: <input>:1:11: invalid timestamp argument"},
		{"timestamp('0001-01-01T00:00:00Z')", "0001-01-01T00:00:00Z for 0"},
		{"timestamp('0000-12-31T23:59:59Z')", "ERROR: <input>:1:11: invalid timestamp argument"},
		{"timestamp(253402300799)", "9999-12-31T23:59:59Z for 0"},
		{"timestamp(253402300800)", "ERROR: <input>:1:11: invalid timestamp argument"},
		{"timestamp(-62135596800)", "0001-01-01T00:00:00Z for 0"},
		{"timestamp(-62135596801)", "ERROR: <input>:1:11: invalid timestamp argument"},
	}},
	{"type() tells what a value is, and types are values that == compares", [][2]string{
		{"type(1u) == uint", "true for 1"},
		{"type(null) == null_type", "true for 1"},
		{"type(type(1)) == type", "true for 1"},
		{"type(timestamp(0)) == google.protobuf.Timestamp", "true for 1"},
		{"type(self.when) == type(timestamp(0))", "true for 4"},
		{"type(optional.none()) == type(optional.of(1))", "true for 5"},
		{"type({}) == map", "true for 1"},
		{"dyn(1) == dyn", "ERROR: <input>:1:11: undeclared reference to 'dyn' (in container '')"},
		{"type([1]) == type(['a'])", "true for 1"},
	}},
}

// timeLessons are instants, durations, zones, and the places of a schema whose format is one of them.
var timeLessons = []lesson{
	{"sums and differences of instants are durations, and both have their ends", [][2]string{
		{"timestamp('2024-03-01T00:00:00Z') - timestamp('2024-02-28T00:00:00Z')", "48h0m0s for 1"},
		{"timestamp('2024-03-01T00:00:00Z') - duration('24h')", "2024-02-29T00:00:00Z for 1"},
		{"duration('1h') + timestamp('2024-01-01T00:00:00Z')", "2024-01-01T01:00:00Z for 1"},
		{"duration('1h') - duration('90m')", "-30m0s for 1"},
		{"duration('2562047h') + duration('1h')", "error: integer overflow for 1"},
		{"timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z')", "error: integer overflow for 1"}, // 9998 years are no duration
		{"timestamp('0001-01-01T00:00:00Z') - duration('1ns')", "error: timestamp overflow for 1"},
		{"timestamp('2024-01-01T00:00:00Z') + timestamp('2024-01-01T00:00:00Z')", "ERROR: <input>:1:35: found no matching overload for '_+_' applied to '(timestamp, timestamp)'"},
		{"-duration('1h')", "ERROR: <input>:1:1: found no matching overload for '-_' applied to '(duration)'"},
		{"-dyn(duration('1h'))", "-1h0m0s for 1"}, // no overload has it, the evaluator does
		{"duration('1h') < duration('61m')", "true for 1"},
		{"timestamp('2024-01-01T00:00:00Z') < timestamp('2024-01-01T00:00:00+01:00')", "false for 1"},
	}},
	{"parts of an instant, in UTC: some count from zero", [][2]string{
		{"timestamp('2024-12-31T23:59:58.987654321Z').getMonth()", "11 for 1"},
		{"timestamp('2024-12-31T23:59:58.987654321Z').getDayOfYear()", "365 for 1"}, // of a leap year
		{"timestamp('2024-12-31T23:59:58.987654321Z').getDayOfMonth()", "30 for 1"},
		{"timestamp('2024-12-31T23:59:58.987654321Z').getDate()", "31 for 1"},
		{"timestamp('2024-12-29T00:00:00Z').getDayOfWeek()", "0 for 1"}, // a Sunday
		{"timestamp('2024-12-31T23:59:58.987654321Z').getSeconds()", "58 for 1"},
		{"timestamp('2024-12-31T23:59:58.987654321Z').getMilliseconds()", "987 for 1"},
		{"timestamp('2024-12-31T23:59:58+05:00').getHours()", "18 for 1"}, // its own zone is forgotten
	}},
	{"zones are offsets or UTC on every machine, and names where it has their files", [][2]string{
		{"timestamp('2024-01-01T00:30:00Z').getHours('+05:30')", "6 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getMinutes('+05:30')", "0 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('-01:00')", "23 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getFullYear('-01:00')", "2023 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getDayOfYear('-01:00')", "364 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('02:00')", "2 for 1"},    // a sign is not needed
		{"timestamp('2024-01-01T00:30:00Z').getMinutes('-01:29')", "1 for 1"}, // the sign is that of the minutes, too
		{"timestamp('2024-01-01T00:30:00Z').getHours('-00:45')", "23 for 1"},  // also where the hours do not show it
		{"timestamp('2024-01-01T00:30:00Z').getHours('UTC')", "0 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('')", "0 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('No/Where')", "error: unknown time zone No/Where for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('+a:00')", `error: strconv.Atoi: parsing "+a": invalid syntax for 1`},
		{"timestamp('2024-01-01T00:30:00Z').getHours('+01:60')", "2 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('+01:-5')", "1 for 1"},
		{"timestamp('2024-01-01T00:30:00Z').getHours('+01:b')", `error: strconv.Atoi: parsing "b": invalid syntax for 1`},
	}},
	{"a duration is asked for all of it in a unit, but for its milliseconds", [][2]string{
		{"duration('3h25m45s').getHours()", "3 for 1"},
		{"duration('3h25m45s').getMinutes()", "205 for 1"},
		{"duration('3h25m45s').getSeconds()", "12345 for 1"},
		{"duration('3h25m45s678ms').getMilliseconds()", "12345678 for 1"},
		{"duration('-90m').getHours()", "-1 for 1"},
		{"duration('1h').getFullYear()", "ERROR: <input>:1:27: found no matching overload for 'getFullYear' applied to 'duration.()'"},
	}},
	{"places of a schema are read by their format at each look", [][2]string{
		{"self.when.getFullYear()", "2021 for 3"},
		{"self.day", "2021-02-03T00:00:00Z for 2"},
		{"self.when - self.day < duration('5h')", "true for 6"},
		{"self.wait + duration('30s')", "2m0s for 3"},
		{"self.wait == duration('1m30s')", "true for 3"},
		{"self.data == b'hello'", "true for 3"},
	}},
}
