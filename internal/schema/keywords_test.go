package schema_test

import (
	"fmt"
	"strings"
	"testing"
)

// keywordRow is a value of the field spec.a, the schema of the field, and what is wrong: ""
// is nothing. In want an @ stands for spec.a and %V for the value as errors show it.
type keywordRow struct{ rules, value, want string }

// keywordTable checks the rows; each is one object against one schema.
func keywordTable(t *testing.T, rows []keywordRow) {
	t.Helper()
	for _, row := range rows {
		want := strings.NewReplacer("@", "spec.a", "%V", row.value).Replace(row.want)
		if got := validate(t, withSpec(`"a":{`+row.rules+`}`), `{"spec":{"a":`+row.value+`}}`, ""); got != want {
			t.Errorf("{%s} of %s:\ngot  %s\nwant %s", row.rules, row.value, got, want)
		}
	}
}

// TestKeywordType goes through every type and every kind of JSON value. The error names the
// type of the value in place of the value, and integer is the word for what has no fraction.
func TestKeywordType(t *testing.T) {
	values := []struct{ json, name, types string }{
		{`null`, "null", ""},
		{`true`, "boolean", "boolean"},
		{`false`, "boolean", "boolean"},
		{`0`, "integer", "integer number int-or-string"},
		{`-9007199254740993`, "integer", "integer number int-or-string"},
		{`1.5`, "number", "number"},
		{`3.0`, "number", "integer number int-or-string"},
		{`""`, "string", "string int-or-string"},
		{`"1"`, "string", "string int-or-string"},
		{`[]`, "array", "array"},
		{`[1]`, "array", "array"},
		{`{}`, "object", "object"},
	}
	for _, typ := range []string{"boolean", "integer", "number", "string", "array", "object", "int-or-string"} {
		rules, shown := `"type":"`+typ+`"`, typ
		switch typ {
		case "array":
			rules += `,"items":{"type":"integer"}`
		case "int-or-string":
			rules, shown = `"x-kubernetes-int-or-string":true`, "integer,string"
		}
		for _, v := range values {
			want := ""
			if !strings.Contains(" "+v.types+" ", " "+typ+" ") {
				want = fmt.Sprintf(`TypeInvalid @: Invalid value: %q: @ in body must be of type %s: %q`, v.name, shown, v.name)
				if typ == "integer" && v.name == "number" {
					// The number is looked at besides its type.
					want += "\n" + `Invalid <nil>: Invalid value: "": Checked value must be of type integer (default format) in @`
				}
			}
			keywordTable(t, []keywordRow{{rules, v.json, want}})
		}
	}
}

// TestKeywordNullable: null is of a type only where the schema says nullable, and then no
// other keyword but enum is asked.
func TestKeywordNullable(t *testing.T) {
	var rows []keywordRow
	for _, typ := range []string{"boolean", "integer", "number", "string", "object"} {
		refused := `TypeInvalid @: Invalid value: "null": @ in body must be of type ` + typ + `: "null"`
		rows = append(rows,
			keywordRow{`"type":"` + typ + `"`, `null`, refused},
			keywordRow{`"type":"` + typ + `","nullable":false`, `null`, refused},
			keywordRow{`"type":"` + typ + `","nullable":true`, `null`, ""})
	}
	keywordTable(t, append(rows,
		keywordRow{`"type":"string","nullable":true,"minLength":1,"pattern":"^a"`, `null`, ""},
		keywordRow{`"type":"string","nullable":true,"format":"date"`, `null`, ""},
		keywordRow{`"type":"integer","nullable":true,"minimum":1,"multipleOf":2`, `null`, ""},
		keywordRow{`"type":"object","nullable":true,"required":["x"],"minProperties":1`, `null`, ""},
		keywordRow{`"type":"array","nullable":true,"minItems":1,"items":{"type":"string"}`, `null`, ""},
		keywordRow{`"type":"array","items":{"type":"string"}`, `[null]`, `TypeInvalid @[0]: Invalid value: "null": @[0] in body must be of type string: "null"`},
		keywordRow{`"type":"array","items":{"type":"string","nullable":true}`, `[null,"x"]`, ""},
		keywordRow{`"type":"object","additionalProperties":{"type":"string"}`, `{"k":null}`, `TypeInvalid @.k: Invalid value: "null": @.k in body must be of type string: "null"`},
		keywordRow{`"type":"object","additionalProperties":{"type":"string","nullable":true}`, `{"k":null}`, ""},
		keywordRow{`"type":"string","nullable":true,"enum":["x"]`, `null`, `NotSupported @: Unsupported value: null: supported values: "x"`},
		keywordRow{`"type":"integer","nullable":true,"enum":[1]`, `null`, `NotSupported @: Unsupported value: null: supported values: "1"`},
		keywordRow{`"x-kubernetes-int-or-string":true`, `null`, `TypeInvalid @: Invalid value: "null": @ in body must be of type integer,string: "null"`},
		keywordRow{`"x-kubernetes-int-or-string":true,"nullable":true`, `null`, ""},
		keywordRow{`"x-kubernetes-preserve-unknown-fields":true`, `null`, ""},
	))
}

// TestKeywordNumbers: bounds on both sides of each, and values that a float64 cannot tell
// apart.
func TestKeywordNumbers(t *testing.T) {
	const (
		max10     = `Invalid @: Invalid value: %V: @ in body should be less than or equal to 10`
		below10   = `Invalid @: Invalid value: %V: @ in body should be less than 10`
		min1      = `Invalid @: Invalid value: %V: @ in body should be greater than or equal to 1`
		above1    = `Invalid @: Invalid value: %V: @ in body should be greater than 1`
		times3    = `Invalid @: Invalid value: %V: @ in body should be a multiple of 3`
		half      = `Invalid @: Invalid value: %V: @ in body should be a multiple of 0.5`
		notInt    = `Invalid <nil>: Invalid value: "": Checked value must be of type integer (default format) in @`
		notInt32  = `Invalid <nil>: Invalid value: "": Checked value must be of type integer with format int32 in @`
		notFloat  = `Invalid <nil>: Invalid value: "": Checked value must be of type number with format float in @`
		wrongType = `TypeInvalid @: Invalid value: "number": @ in body must be of type integer: "number"`
	)
	keywordTable(t, []keywordRow{
		{`"type":"integer","maximum":10`, `10`, ""},
		{`"type":"integer","maximum":10`, `10.0`, ""},
		{`"type":"integer","maximum":10`, `11`, max10},
		{`"type":"integer","maximum":10`, `-9223372036854775808`, ""},
		{`"type":"integer","maximum":10`, `9223372036854775807`, max10},
		{`"type":"integer","maximum":10,"exclusiveMaximum":false`, `10`, ""},
		{`"type":"integer","maximum":10,"exclusiveMaximum":true`, `9`, ""},
		{`"type":"integer","maximum":10,"exclusiveMaximum":true`, `10`, below10},
		{`"type":"integer","maximum":10,"exclusiveMaximum":true`, `11`, below10},
		{`"type":"integer","minimum":1`, `1`, ""},
		{`"type":"integer","minimum":1`, `0`, min1},
		{`"type":"integer","minimum":1`, `-1`, min1},
		{`"type":"integer","minimum":1,"exclusiveMinimum":true`, `2`, ""},
		{`"type":"integer","minimum":1,"exclusiveMinimum":true`, `1`, above1},
		{`"type":"integer","exclusiveMinimum":true,"exclusiveMaximum":true`, `5`, ""}, // without bounds they say nothing
		{`"type":"integer","minimum":1,"maximum":10`, `0`, min1},
		{`"type":"integer","minimum":1,"maximum":10`, `11`, max10},
		{`"type":"integer","minimum":0`, `-1`, `Invalid @: Invalid value: -1: @ in body should be greater than or equal to 0`},
		{`"type":"integer","maximum":0`, `1`, `Invalid @: Invalid value: 1: @ in body should be less than or equal to 0`},
		{`"type":"integer","maximum":-1`, `0`, `Invalid @: Invalid value: 0: @ in body should be less than or equal to -1`},
		{`"type":"integer","minimum":-9007199254740991`, `-9007199254740992`, `Invalid @: Invalid value: -9007199254740992: @ in body should be greater than or equal to -9007199254740991`},

		{`"type":"number","maximum":10`, `10`, ""},
		{`"type":"number","maximum":10`, `10.25`, max10},
		{`"type":"number","minimum":1,"exclusiveMinimum":true`, `1.0000001`, ""},
		{`"type":"number","maximum":0.1`, `0.1`, ""},
		{`"type":"number","maximum":0.1`, `0.2`, `Invalid @: Invalid value: 0.2: @ in body should be less than or equal to 0.1`},
		{`"type":"number","minimum":1e10`, `5`, `Invalid @: Invalid value: 5: @ in body should be greater than or equal to 10000000000`},
		{`"type":"number","minimum":1e300`, `1e299`, `Invalid @: Invalid value: 1e+299: @ in body should be greater than or equal to 1e+300`},

		{`"type":"integer","multipleOf":3`, `9`, ""},
		{`"type":"integer","multipleOf":3`, `0`, ""},
		{`"type":"integer","multipleOf":3`, `-6`, ""},
		{`"type":"integer","multipleOf":3`, `8`, times3},
		{`"type":"integer","multipleOf":3`, `-7`, times3},
		{`"type":"number","multipleOf":0.5`, `2.5`, ""},
		{`"type":"number","multipleOf":0.5`, `2.0`, ""},
		{`"type":"number","multipleOf":0.5`, `2.25`, half},
		{`"type":"number","multipleOf":3`, `4.5`, times3},
		{`"type":"integer","multipleOf":3,"maximum":10`, `11`, times3 + "\n" + max10},
		{`"type":"integer","multipleOf":3,"minimum":1,"maximum":10`, `-1`, times3 + "\n" + min1},

		{`"type":"integer","format":"int32"`, `2147483647`, ""},
		{`"type":"integer","format":"int32"`, `-2147483648`, ""},
		{`"type":"integer","format":"int32"`, `2147483648`, notInt32},
		{`"type":"integer","format":"int32"`, `-2147483649`, notInt32},
		{`"type":"integer","format":"int64"`, `9223372036854775807`, ""},
		{`"type":"integer","format":"int64"`, `9223372036854775808`, `TypeInvalid @: Invalid value: "float64": @ in body must be of type int64: "float64"` + "\n" +
			`Invalid <nil>: Invalid value: "": Checked value must be of type integer with format int64 in @`},
		{`"type":"integer"`, `9223372036854775808`, wrongType + "\n" + notInt},
		{`"type":"integer"`, `1e3`, ""},
		{`"type":"integer"`, `0.5`, wrongType + "\n" + notInt},
		{`"type":"number","format":"float"`, `3.4e38`, ""},
		{`"type":"number","format":"float"`, `3.5e38`, notFloat},
		{`"type":"number","format":"float"`, `-3.5e38`, notFloat},
		{`"type":"number","format":"double"`, `1.7e308`, ""},
		{`"type":"number","format":"int32"`, `1e30`, ""}, // a format of another type means nothing

		{`"type":"string","maximum":1,"minimum":5,"multipleOf":2`, `"x"`, ""},
		{`"x-kubernetes-int-or-string":true,"maximum":10`, `"11"`, ""},
		{`"x-kubernetes-int-or-string":true,"maximum":10`, `11`, max10},
	})
}

// TestKeywordStrings: lengths count characters and not bytes, though the text of the error
// says bytes; pattern is searched, not matched; of the three only the first is reported.
func TestKeywordStrings(t *testing.T) {
	const (
		long3  = `TooLong @: Too long: may not be more than 3 bytes`
		short2 = `Invalid @: Invalid value: %V: @ in body should be at least 2 chars long`
	)
	keywordTable(t, []keywordRow{
		{`"type":"string","maxLength":3`, `"abc"`, ""},
		{`"type":"string","maxLength":3`, `"äöü"`, ""},
		{`"type":"string","maxLength":3`, `"日本語"`, ""},
		{`"type":"string","maxLength":3`, `"😀😀😀"`, ""},
		{`"type":"string","maxLength":3`, `"abcd"`, long3},
		{`"type":"string","maxLength":3`, `"日本語x"`, long3},
		{`"type":"string","maxLength":0`, `""`, ""},
		{`"type":"string","maxLength":0`, `"a"`, `TooLong @: Too long: may not be more than 0 bytes`},
		{`"type":"string","maxLength":1`, `"ab"`, `TooLong @: Too long: may not be more than 1 byte`},
		{`"type":"string","minLength":2`, `"ab"`, ""},
		{`"type":"string","minLength":2`, `"äö"`, ""},
		{`"type":"string","minLength":2`, `"a"`, short2},
		{`"type":"string","minLength":2`, `"語"`, short2}, // three bytes, one character
		{`"type":"string","minLength":2`, `""`, short2},
		{`"type":"string","minLength":0`, `""`, ""},
		{`"type":"string","pattern":"b"`, `"abc"`, ""},
		{`"type":"string","pattern":"^b"`, `"abc"`, `Invalid @: Invalid value: "abc": @ in body should match '^b'`},
		{`"type":"string","pattern":"^[a-z]+$"`, `"abc"`, ""},
		{`"type":"string","pattern":"^[a-z]+$"`, `"aBc"`, `Invalid @: Invalid value: "aBc": @ in body should match '^[a-z]+$'`},
		{`"type":"string","pattern":"^\\d{2}$"`, `"42"`, ""},
		{`"type":"string","pattern":"^\\d{2}$"`, `"4x"`, `Invalid @: Invalid value: "4x": @ in body should match '^\d{2}$'`},
		{`"type":"string","pattern":"^\\p{Lu}"`, `"Äb"`, ""},
		{`"type":"string","pattern":"(?i)^ab"`, `"AB"`, ""},
		{`"type":"string","pattern":""`, `"x"`, ""},
		{`"type":"string","maxLength":3,"pattern":"^b"`, `"aaaa"`, long3},
		{`"type":"string","minLength":2,"pattern":"^b"`, `"a"`, short2},
		{`"type":"string","minLength":2,"maxLength":3,"pattern":"^b"`, `"bcd"`, ""},
		{`"type":"string","pattern":"^b","enum":["a","b"]`, `"c"`, `Invalid @: Invalid value: "c": @ in body should match '^b'` + "\n" + `NotSupported @: Unsupported value: "c": supported values: "a", "b"`},
		{`"type":"string","pattern":"^b","format":"date"`, `"c"`, `Invalid @: Invalid value: "c": @ in body should match '^b'` + "\n" +
			`TypeInvalid @: Invalid value: "c": @ in body must be of type date: "c"`},
		{`"type":"integer","maxLength":1,"minLength":5,"pattern":"x"`, `42`, ""},
		{`"x-kubernetes-int-or-string":true,"maxLength":2`, `"abc"`, `TooLong @: Too long: may not be more than 2 bytes`},
		{`"x-kubernetes-int-or-string":true,"pattern":"^[0-9]+%$"`, `"80%"`, ""},
		{`"x-kubernetes-int-or-string":true,"pattern":"^[0-9]+%$"`, `"80"`, `Invalid @: Invalid value: "80": @ in body should match '^[0-9]+%$'`},
		{`"x-kubernetes-int-or-string":true,"pattern":"^[0-9]+%$"`, `80`, ""},
	})
}

// TestKeywordEnum: members are compared as JSON values; what the error lists is their JSON,
// strings without a second pair of quotes.
func TestKeywordEnum(t *testing.T) {
	keywordTable(t, []keywordRow{
		{`"type":"string","enum":["a","b"]`, `"b"`, ""},
		{`"type":"string","enum":["a","b"]`, `"c"`, `NotSupported @: Unsupported value: "c": supported values: "a", "b"`},
		{`"type":"string","enum":["a","b"]`, `"A"`, `NotSupported @: Unsupported value: "A": supported values: "a", "b"`},
		{`"type":"string","enum":[""]`, `""`, ""},
		{`"type":"string","enum":[]`, `"x"`, ""}, // an empty one is none
		{`"type":"integer","enum":[1,2]`, `2`, ""},
		{`"type":"integer","enum":[1,2]`, `3`, `NotSupported @: Unsupported value: 3: supported values: "1", "2"`},
		{`"type":"number","enum":[1.5,3.25]`, `1.5`, ""},
		{`"type":"number","enum":[1.5,3.25]`, `2.5`, `NotSupported @: Unsupported value: 2.5: supported values: "1.5", "3.25"`},
		{`"type":"boolean","enum":[true]`, `true`, ""},
		{`"type":"boolean","enum":[true]`, `false`, `NotSupported @: Unsupported value: false: supported values: "true"`},
		{`"type":"array","items":{"type":"integer"},"enum":[[1,2],[]]`, `[1,2]`, ""},
		{`"type":"array","items":{"type":"integer"},"enum":[[1,2],[]]`, `[]`, ""},
		{`"type":"array","items":{"type":"integer"},"enum":[[1,2],[]]`, `[2,1]`, `NotSupported @: Unsupported value: [2,1]: supported values: "[1,2]", "[]"`},
		{`"type":"object","additionalProperties":{"type":"integer"},"enum":[{"x":1,"y":2}]`, `{"y":2,"x":1}`, ""},
		{`"type":"object","additionalProperties":{"type":"integer"},"enum":[{"x":1}]`, `{"x":2}`, `NotSupported @: Unsupported value: {"x":2}: supported values: "{\"x\":1}"`},
		{`"x-kubernetes-int-or-string":true,"enum":[1,"1"]`, `"1"`, ""},
		{`"x-kubernetes-int-or-string":true,"enum":[1,"a"]`, `"1"`, `NotSupported @: Unsupported value: "1": supported values: "1", "a"`},
		{`"type":"string","enum":["a"]`, `1`, `TypeInvalid @: Invalid value: "integer": @ in body must be of type string: "integer"` + "\n" + `NotSupported @: Unsupported value: 1: supported values: "a"`},
	})
}

// TestKeywordLists: items first, then how many there are.
func TestKeywordLists(t *testing.T) {
	const ints = `"type":"array","items":{"type":"integer"}`
	badItem := func(i int, is string) string {
		at := fmt.Sprintf("@[%d]", i)
		return `TypeInvalid ` + at + `: Invalid value: "` + is + `": ` + at + ` in body must be of type integer: "` + is + `"`
	}
	keywordTable(t, []keywordRow{
		{ints, `[]`, ""},
		{ints, `[1,2,3]`, ""},
		{ints, `[1,"x",3]`, badItem(1, "string")},
		{ints, `["x",2,{}]`, badItem(0, "string") + "\n" + badItem(2, "object")},
		{ints + `,"minItems":2`, `[1,2]`, ""},
		{ints + `,"minItems":2`, `[1]`, `Invalid @: Invalid value: 1: @ in body should have at least 2 items`},
		{ints + `,"minItems":1`, `[]`, `Invalid @: Invalid value: 0: @ in body should have at least 1 items`},
		{ints + `,"minItems":0`, `[]`, ""},
		{ints + `,"maxItems":2`, `[1,2]`, ""},
		{ints + `,"maxItems":2`, `[1,2,3]`, `TooMany @: Too many: 3: must have at most 2 items`},
		{ints + `,"maxItems":1`, `[1,2]`, `TooMany @: Too many: 2: must have at most 1 item`},
		{ints + `,"maxItems":0`, `[]`, ""},
		{ints + `,"maxItems":0`, `[1]`, `TooMany @: Too many: 1: must have at most 0 items`},
		{ints + `,"maxItems":1`, `["x",2]`, badItem(0, "string") + "\nTooMany @: Too many: 2: must have at most 1 item"},
		{`"type":"array","items":{` + ints + `}`, `[[1],[2,true]]`, `TypeInvalid @[1][1]: Invalid value: "boolean": @[1][1] in body must be of type integer: "boolean"`},
		{`"type":"object","minItems":3,"maxItems":0`, `{}`, ""},
		{`"type":"string","minItems":3`, `"x"`, ""},
	})
}

// TestKeywordObjects: how many properties, what the properties say, what is missing; in this
// order.
func TestKeywordObjects(t *testing.T) {
	const open = `"type":"object","additionalProperties":{"type":"integer"}`
	keywordTable(t, []keywordRow{
		{open + `,"minProperties":1`, `{"x":1}`, ""},
		{open + `,"minProperties":1`, `{}`, `Invalid @: Invalid value: 0: @ in body should have at least 1 properties`},
		{open + `,"maxProperties":1`, `{"x":1}`, ""},
		{open + `,"maxProperties":1`, `{"x":1,"y":2}`, `TooMany @: Too many: 2: must have at most 1 item`},
		{open + `,"maxProperties":0`, `{"x":1}`, `TooMany @: Too many: 1: must have at most 0 items`},
		{open, `{"x":"1"}`, `TypeInvalid @.x: Invalid value: "string": @.x in body must be of type integer: "string"`},
		{open, `{"a.b/c d":true}`, `TypeInvalid @.a.b/c d: Invalid value: "boolean": @.a.b/c d in body must be of type integer: "boolean"`},
		{open + `,"maxProperties":1`, `{"x":1,"y":{}}`, "TooMany @: Too many: 2: must have at most 1 item\n" +
			`TypeInvalid @.y: Invalid value: "object": @.y in body must be of type integer: "object"`},
		{`"type":"object","additionalProperties":true`, `{"x":"1","y":{"z":[]}}`, ""},
		{`"type":"object","additionalProperties":false`, `{}`, ""},
		{`"type":"object","additionalProperties":false`, `{"x":1}`, `Invalid @: Invalid value: "x": @.x in body is a forbidden property`},
		{`"type":"object","additionalProperties":{"type":"object","additionalProperties":{"type":"boolean"}}`, `{"x":{"y":1}}`,
			`TypeInvalid @.x.y: Invalid value: "integer": @.x.y in body must be of type boolean: "integer"`},

		{`"type":"object","properties":{"x":{"type":"integer"}}`, `{"x":1,"y":"unknown"}`, ""}, // unknown fields are pruned, not refused
		{`"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]`, `{"x":0}`, ""},
		{`"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]`, `{}`, `Required @.x: Required value`},
		{`"type":"object","properties":{"x":{"type":"string","nullable":true}},"required":["x"]`, `{"x":null}`, ""},
		{`"type":"object","properties":{"x":{"type":"integer"}},"required":["y","x"]`, `{}`, "Required @.y: Required value\nRequired @.x: Required value"},
		{`"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"required":["x"]`, `{"y":"1"}`,
			`TypeInvalid @.y: Invalid value: "string": @.y in body must be of type integer: "string"` + "\nRequired @.x: Required value"},
		{`"type":"object","properties":{"x":{"type":"object","properties":{"y":{"type":"integer"}},"required":["y"]}}`, `{"x":{}}`, `Required @.x.y: Required value`},
		{`"type":"object","properties":{"x":{"type":"object","properties":{"y":{"type":"integer"}},"required":["y"]}}`, `{}`, ""},
		{`"type":"object","required":[]`, `{}`, ""},
		{`"type":"array","items":{"type":"string"},"required":["x"],"minProperties":2`, `[]`, ""},
		{`"type":"string","required":["x"],"minProperties":2`, `"x"`, ""},
	})
}

// TestKeywordAlternatives: allOf, anyOf, oneOf and not speak of the value besides its own
// keywords; where alternatives fail, the errors of the one that came furthest follow.
func TestKeywordAlternatives(t *testing.T) {
	const (
		xy     = `"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}}`
		anyOf  = `Invalid <nil>: Invalid value: "": "@" must validate at least one schema (anyOf)`
		oneOf0 = `Invalid <nil>: Invalid value: "": "@" must validate one and only one schema (oneOf). Found none valid`
		oneOf2 = `Invalid <nil>: Invalid value: "": "@" must validate one and only one schema (oneOf). Found 2 valid alternatives`
		allOf  = `Invalid <nil>: Invalid value: "": "@" must validate all the schemas (allOf)`
		not    = `Invalid <nil>: Invalid value: "": "@" must not validate the schema (not)`
	)
	atLeast := func(n string) string {
		return `Invalid @: Invalid value: %V: @ in body should be greater than or equal to ` + n
	}
	atMost := func(n string) string {
		return `Invalid @: Invalid value: %V: @ in body should be less than or equal to ` + n
	}
	keywordTable(t, []keywordRow{
		{`"type":"integer","anyOf":[{"minimum":5},{"maximum":1}]`, `5`, ""},
		{`"type":"integer","anyOf":[{"minimum":5},{"maximum":1}]`, `1`, ""},
		{`"type":"integer","anyOf":[{"minimum":5},{"maximum":1}]`, `3`, anyOf + "\n" + atLeast("5")},
		{`"type":"integer","anyOf":[{"minimum":5}]`, `3`, anyOf + "\n" + atLeast("5")},
		{`"type":"integer","anyOf":[{}]`, `3`, ""},
		{xy + `,"anyOf":[{"required":["x"]},{"required":["y"]}]`, `{"y":1}`, ""},
		{xy + `,"anyOf":[{"required":["x"]},{"required":["y"]}]`, `{}`, anyOf + "\nRequired @.x: Required value"},
		{xy + `,"anyOf":[{"properties":{"x":{"minimum":5}}},{"required":["y"]}]`, `{"x":1}`, anyOf + "\n" +
			`Invalid @.x: Invalid value: 1: @.x in body should be greater than or equal to 5`},

		{`"type":"integer","oneOf":[{"minimum":5},{"maximum":7}]`, `8`, ""},
		{`"type":"integer","oneOf":[{"minimum":5},{"maximum":7}]`, `4`, ""},
		{`"type":"integer","oneOf":[{"minimum":5},{"maximum":7}]`, `6`, oneOf2},
		{`"type":"integer","oneOf":[{"minimum":5},{"minimum":7}]`, `4`, oneOf0 + "\n" + atLeast("5")},
		{`"type":"integer","oneOf":[{},{},{"minimum":100}]`, `4`, oneOf2},
		{xy + `,"oneOf":[{"required":["x"]},{"required":["y"]}]`, `{"x":1}`, ""},
		{xy + `,"oneOf":[{"required":["x"]},{"required":["y"]}]`, `{"x":1,"y":1}`, oneOf2},

		{`"type":"integer","allOf":[{"minimum":5},{"maximum":7}]`, `6`, ""},
		{`"type":"integer","allOf":[{"minimum":5},{"maximum":7}]`, `4`, atLeast("5") + "\n" + allOf},
		{`"type":"integer","allOf":[{"minimum":5},{"maximum":7}]`, `8`, atMost("7") + "\n" + allOf},
		{`"type":"integer","allOf":[{"minimum":5},{"minimum":6}]`, `4`, atLeast("5") + "\n" + atLeast("6") + "\n" + allOf + ". None validated"},
		{`"type":"integer","allOf":[{"minimum":5}]`, `4`, atLeast("5") + "\n" + allOf + ". None validated"},

		{`"type":"integer","not":{"minimum":5}`, `4`, ""},
		{`"type":"integer","not":{"minimum":5}`, `5`, not},
		{`"type":"string","not":{"enum":["x","y"]}`, `"z"`, ""},
		{`"type":"string","not":{"enum":["x","y"]}`, `"y"`, not},
		{`"type":"string","not":{"pattern":"^-"}`, `"-x"`, not},
		{xy + `,"not":{"required":["x","y"]}`, `{"x":1}`, ""},
		{xy + `,"not":{"required":["x","y"]}`, `{"x":1,"y":1}`, not},
		{`"type":"integer","not":{"not":{"minimum":5}}`, `5`, ""},
		{`"type":"integer","not":{"not":{"minimum":5}}`, `4`, not},

		{`"type":"integer","maximum":10,"anyOf":[{"minimum":5}]`, `4`, anyOf + "\n" + atLeast("5")},
		{`"type":"integer","maximum":10,"anyOf":[{"minimum":20}]`, `11`, anyOf + "\n" + atLeast("20") + "\n" + atMost("10")},
		{`"type":"integer","allOf":[{"anyOf":[{"minimum":5},{"maximum":1}]}]`, `3`, anyOf + "\n" + atLeast("5") + "\n" + allOf + ". None validated"},
		{`"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]`, `"x"`, ""},
		{`"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]`, `1`, ""},
		{`"x-kubernetes-int-or-string":true,"oneOf":[{"maximum":10},{"pattern":"%$"}]`, `"80%"`, oneOf2}, // maximum says nothing of texts
	})
}

// TestKeywordPreserve: what is preserved is not looked at, beyond the properties that are
// given beside.
func TestKeywordPreserve(t *testing.T) {
	const open = `"x-kubernetes-preserve-unknown-fields":true`
	keywordTable(t, []keywordRow{
		{open, `{"b":[1,"x",null,{"c":1.5}]}`, ""},
		{open, `"text"`, ""},
		{open, `[1,[2]]`, ""},
		{`"type":"object",` + open, `{"b":1}`, ""},
		{`"type":"object",` + open, `1`, `TypeInvalid @: Invalid value: "integer": @ in body must be of type object: "integer"`},
		{`"type":"object","properties":{"x":{"type":"integer"}},` + open, `{"x":1,"y":"any"}`, ""},
		{`"type":"object","properties":{"x":{"type":"integer"}},` + open, `{"x":"1","y":"any"}`, `TypeInvalid @.x: Invalid value: "string": @.x in body must be of type integer: "string"`},
		{open + `,"enum":["x",1]`, `1`, ""},
		{open + `,"enum":["x",1]`, `2`, `NotSupported @: Unsupported value: 2: supported values: "x", "1"`},
		{`"type":"array","items":{"type":"object"},` + open, `[{"x":1}]`, ""},
		{`"type":"array","items":{"type":"object"},` + open, `[1]`, `TypeInvalid @[0]: Invalid value: "integer": @[0] in body must be of type object: "integer"`},
	})
}

// TestKeywordEmbedded: an embedded resource needs apiVersion and kind, both well formed; its
// metadata is looked at if it is there.
func TestKeywordEmbedded(t *testing.T) {
	const (
		embedded = `"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true`
		label    = `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character ` +
			`(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`
		badKind = `Invalid @.kind: Invalid value: %K: may have mixed case, but should otherwise match: `
	)
	kind := func(k string) string { return strings.Replace(badKind, "%K", `"`+k+`"`, 1) }
	keywordTable(t, []keywordRow{
		{embedded, `{"apiVersion":"v1","kind":"Pod"}`, ""},
		{embedded, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"},"spec":{}}`, ""},
		{embedded, `{"apiVersion":"v1","kind":"Pod","metadata":{}}`, ""},
		{embedded, `{}`, "Required @.apiVersion: Required value\nRequired @.kind: Required value"},
		{embedded, `{"kind":"Pod"}`, "Required @.apiVersion: Required value"},
		{embedded, `{"apiVersion":"v1"}`, "Required @.kind: Required value"},
		{embedded, `{"apiVersion":"","kind":"Pod"}`, `Invalid @.apiVersion: Invalid value: "": must not be empty`},
		{embedded, `{"apiVersion":"v1","kind":""}`, `Invalid @.kind: Invalid value: "": must not be empty`},
		{embedded, `{"apiVersion":1,"kind":"Pod"}`, `Invalid @.apiVersion: Invalid value: 1: must be a string`},
		{embedded, `{"apiVersion":"v1","kind":true}`, `Invalid @.kind: Invalid value: true: must be a string`},
		{embedded, `{"apiVersion":"a/b/c","kind":"Pod"}`, `Invalid @.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c`},
		{embedded, `{"apiVersion":"v1","kind":"4x"}`, kind("4x") + label},
		{embedded, `{"apiVersion":"v1","kind":"a_b"}`, kind("a_b") + label},
		{embedded, `{"apiVersion":"v1","kind":"A-"}`, kind("A-") + label},
		{embedded, `{"apiVersion":"v1","kind":"A-1"}`, ""},
		{embedded, `{"apiVersion":"v1","kind":"` + strings.Repeat("k", 63) + `"}`, ""},
		{`"type":"array","items":{` + embedded + `}`, `[{"apiVersion":"v1","kind":"Pod"},{"kind":"Pod"}]`, "Required @[1].apiVersion: Required value"},
		{embedded, `"text"`, `TypeInvalid @: Invalid value: "string": @ in body must be of type object: "string"`},
		{embedded + `,"nullable":true`, `null`, ""},
		{embedded + `,"required":["spec"]`, `{"apiVersion":"v1","kind":"Pod"}`, "Required @.spec: Required value"},
	})

	long := strings.Repeat("k", 64)
	got := validate(t, withSpec(`"a":{`+embedded+`}`), `{"spec":{"a":{"apiVersion":"v1","kind":"`+long+`"}}}`, "")
	if want := strings.Replace(kind(long), "@", "spec.a", 1) + "must be no more than 63 "; !strings.HasPrefix(got, want) {
		t.Errorf("a kind of 64 letters:\ngot  %s\nwant %s...", got, want)
	}
}

// TestKeywordListType: members of a set are there once, items of a map differ in their keys.
// Of a member that repeats the second is reported, whatever follows.
func TestKeywordListType(t *testing.T) {
	const (
		set      = `"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}`
		setOpen  = `"type":"array","x-kubernetes-list-type":"set","items":{"x-kubernetes-preserve-unknown-fields":true}`
		item     = `"items":{"type":"object","properties":{"k":{"type":"string"},"n":{"type":"integer"},"v":{"type":"integer"}}}`
		oneKey   = `"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],` + item
		twoKeys  = `"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k","n"],` + item
		mapArray = `"type":"array","items":{` + oneKey + `}`
	)
	keywordTable(t, []keywordRow{
		{`"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"string"}`, `["x","x"]`, ""},
		{`"type":"array","items":{"type":"string"}`, `["x","x"]`, ""},
		{set, `[]`, ""},
		{set, `["x"]`, ""},
		{set, `["x","y","X"]`, ""},
		{set, `["x","y","x"]`, `Duplicate @[2]: Duplicate value: "x"`},
		{set, `["x","x","x","x"]`, `Duplicate @[1]: Duplicate value: "x"`},
		{set, `["y","x","y","x"]`, `Duplicate @[2]: Duplicate value: "y"` + "\n" + `Duplicate @[3]: Duplicate value: "x"`},
		{set, `["","a",""]`, `Duplicate @[2]: Duplicate value: ""`},
		{set + `,"maxItems":1`, `["x","x"]`, "TooMany @: Too many: 2: must have at most 1 item\n" + `Duplicate @[1]: Duplicate value: "x"`},
		{set, `["1","2","3","4","5","6","7","8","9","10","11","12","13","14","7"]`, `Duplicate @[14]: Duplicate value: "7"`},
		{setOpen, `[1,"1",true,[1],{"a":1}]`, ""},
		{setOpen, `[{"a":1,"b":2},{"b":2,"a":1}]`, `Duplicate @[1]: Duplicate value: {"a":1,"b":2}`},
		{setOpen, `[[1,2],[2,1]]`, ""},
		{setOpen, `[[1,2],[1,2]]`, `Duplicate @[1]: Duplicate value: [1,2]`},
		{setOpen, `[true,false,true]`, `Duplicate @[2]: Duplicate value: true`},

		{oneKey, `[]`, ""},
		{oneKey, `[{"k":"x"},{"k":"y"}]`, ""},
		{oneKey, `[{"k":"x","v":1},{"k":"x","v":2}]`, `Duplicate @[1]: Duplicate value: {"k":"x"}`},
		{oneKey, `[{"k":"x"},{},{"v":1}]`, `Duplicate @[2]: Duplicate value: {}`}, // a key that is not there is a key, too
		{oneKey, `[{"k":"x"},{"k":"y"},{"k":"y"},{"k":"x"}]`, `Duplicate @[2]: Duplicate value: {"k":"y"}` + "\n" + `Duplicate @[3]: Duplicate value: {"k":"x"}`},
		{twoKeys, `[{"k":"x","n":1},{"k":"x","n":2},{"k":"y","n":1}]`, ""},
		{twoKeys, `[{"k":"x","n":1},{"k":"x","n":1}]`, `Duplicate @[1]: Duplicate value: {"k":"x","n":1}`},
		{twoKeys, `[{"k":"x"},{"n":1},{"k":"x"}]`, `Duplicate @[2]: Duplicate value: {"k":"x"}`},
		{twoKeys, `[{},{"v":1}]`, `Duplicate @[1]: Duplicate value: {}`},
		{oneKey, `["x"]`, `TypeInvalid @[0]: Invalid value: "string": @[0] in body must be of type object: "string"` + "\n" +
			`Invalid @[0]: Invalid value: "x": must be an object for an array of list-type map`},
		{mapArray, `[[{"k":"x"}],[{"k":"x"},{"k":"x"}]]`, `Duplicate @[1][1]: Duplicate value: {"k":"x"}`},
		{`"type":"object","additionalProperties":{` + set + `}`, `{"l":["x","x"]}`, `Duplicate @[l][1]: Duplicate value: "x"`},
		{`"type":"object","properties":{"l":{` + set + `}}`, `{"l":["x","x"]}`, `Duplicate @.l[1]: Duplicate value: "x"`},
		{`"type":"array","items":{"type":"object","properties":{"l":{` + set + `}}}`, `[{},{"l":["x","x"]}]`, `Duplicate @[1].l[1]: Duplicate value: "x"`},
	})
}

// TestKeywordPlaces: how a place is called in the field of an error and in its text, from the
// root on.
func TestKeywordPlaces(t *testing.T) {
	atLeast1 := func(at string) string {
		return "Invalid " + at + ": Invalid value: 0: " + at + " in body should be greater than or equal to 1"
	}
	const number = `{"type":"integer","minimum":1}`
	for _, row := range []struct{ schema, obj, want string }{
		{`{"type":"object","properties":{"a":` + number + `}}`, `{"a":0}`, atLeast1("a")},
		{`{"type":"object","properties":{"a":{"type":"object","properties":{"b":` + number + `}}}}`, `{"a":{"b":0}}`, atLeast1("a.b")},
		{`{"type":"object","properties":{"a":{"type":"array","items":` + number + `}}}`, `{"a":[1,0]}`, atLeast1("a[1]")},
		{`{"type":"object","properties":{"a":{"type":"object","additionalProperties":` + number + `}}}`, `{"a":{"k":0}}`, atLeast1("a.k")},
		{`{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{"b":` + number + `}}}}}`, `{"a":[{"b":0}]}`, atLeast1("a[0].b")},
		{`{"type":"object","properties":{"a":{"type":"array","items":{"type":"array","items":` + number + `}}}}`, `{"a":[[],[1,1,0]]}`, atLeast1("a[1][2]")},
		{`{"type":"object","required":["spec"]}`, `{}`, "Required spec: Required value"},
		{`{"type":"object","minProperties":1}`, `{}`, `Invalid <nil>: Invalid value: 0:  in body should have at least 1 properties`},
		{`{"type":"object","maxProperties":1}`, `{"a":1,"b":1}`, `TooMany <nil>: Too many: 2: must have at most 1 item`},
		{`{"type":"object","oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1,"b":1}`,
			`Invalid <nil>: Invalid value: "": "" must validate one and only one schema (oneOf). Found 2 valid alternatives`},
		{`{"type":"object","not":{"required":["a"]}}`, `{"a":1}`, `Invalid <nil>: Invalid value: "": "" must not validate the schema (not)`},
		{`{"type":"object","properties":{"a":` + number + `,"b":` + number + `}}`, `{"b":0,"a":0}`, atLeast1("a") + "\n" + atLeast1("b")},
		{`{"type":"object","properties":{"metadata":{"type":"object","properties":{"name":{"type":"string","maxLength":3}}}}}`, `{"metadata":{"name":"abcd"}}`,
			`TooLong metadata.name: Too long: may not be more than 3 bytes`},
	} {
		if got := validate(t, row.schema, row.obj, ""); got != row.want {
			t.Errorf("%s of %s:\ngot  %s\nwant %s", row.schema, row.obj, got, row.want)
		}
	}
}

// TestKeywordBadBounds: a bound that the type itself cannot have is an error of every value.
func TestKeywordBadBounds(t *testing.T) {
	bound := func(what, typ string) string {
		return `Invalid <nil>: Invalid value: "": ` + what + ` value must be of type ` + typ + ` in @`
	}
	keywordTable(t, []keywordRow{
		{`"type":"integer","maximum":1.5`, `1`, bound("Maximum boundary", "integer (default format)")},
		{`"type":"integer","minimum":0.5`, `1`, bound("Minimum boundary", "integer (default format)")},
		{`"type":"integer","multipleOf":0.5`, `1`, bound("MultipleOf", "integer (default format)")},
		{`"type":"integer","format":"int32","maximum":3000000000`, `1`, bound("Maximum boundary", "integer with format int32")},
		{`"type":"number","format":"float","minimum":-1e39`, `1`, bound("Minimum boundary", "number with format float")},
		{`"type":"integer","minimum":0.5,"maximum":9.5`, `1`, bound("Minimum boundary", "integer (default format)") + "\n" + bound("Maximum boundary", "integer (default format)")},
		{`"type":"integer","multipleOf":0`, `1`, `Invalid @: Invalid value: 0: factor MultipleOf declared for @ must be positive: 0`},
		{`"type":"number","multipleOf":-1`, `1`, `Invalid @: Invalid value: -1: factor MultipleOf declared for @ must be positive: -1`},
	})
}
