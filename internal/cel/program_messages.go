package cel

import (
	"encoding/base64"
	"math"
	"strings"
	"time"
)

// Kubernetes' expressions know a few messages of protocol buffers, for every environment of cel-go does: wrappers of scalars, JSON,
// timestamps and durations. google.protobuf.Int64Value{value: 1} is 1, google.protobuf.Value{} is null.

// What they are is upstream's (common/types/pb and the native conversions of common/types): a message is made, and
// at once converted to the value that it stands for, so that google.protobuf.Int64Value{value: 1} + 1 is 2. There
// is no protocol buffer here, only the conversions, field by field.

// wellKnownValue returns what a message is of which the fields in b are set; ok is false for a message that stays one. JSON is copied,
// for which it takes steps.
func wellKnownValue(name string, b *built, steps *int64) (v Value, ok bool) {
	short, ok := strings.CutPrefix(strings.TrimPrefix(name, "."), "google.protobuf.")
	if !ok {
		return Value{}, false
	}
	// What is not set has the zero value of its field, as in protocol buffers.
	set := func(field string, unset Value) Value {
		for i, name := range b.names {
			if name == field {
				return b.values[i]
			}
		}
		return unset
	}
	switch short {
	case "BoolValue":
		return set("value", False), true
	case "BytesValue":
		return set("value", BytesOf(nil)), true
	case "StringValue":
		return set("value", StringOf("")), true
	case "DoubleValue":
		return set("value", DoubleOf(0)), true
	// A float has 32 bits, and becomes a double with what is left of the number.
	case "FloatValue":
		return DoubleOf(float64(float32(set("value", DoubleOf(0)).Double()))), true
	case "Int64Value":
		return set("value", IntOf(0)), true
	case "UInt64Value":
		return set("value", UintOf(0)), true
	// 32 bits are refused by what does not come back from them.
	case "Int32Value":
		if v := set("value", IntOf(0)); v.Int() == int64(int32(v.Int())) {
			return v, true
		}
		return outOfRange(short, errInt), true
	case "UInt32Value":
		if v := set("value", UintOf(0)); v.num == uint64(uint32(v.num)) {
			return v, true
		}
		return outOfRange(short, errUint), true
	// The range is checked after nanoseconds have been added, which may be more than a second.
	case "Timestamp":
		return timestampInRange(time.Unix(set("seconds", IntOf(0)).Int(), set("nanos", IntOf(0)).Int()).UTC()), true
	case "Duration":
		// Through the operators on ints, which find out what a duration has no room for.
		d := multiply(set("seconds", IntOf(0)), IntOf(int64(time.Second)))
		if d.kind == Int {
			d = add(d, set("nanos", IntOf(0)))
		}
		if d.kind == Int {
			d.kind = Duration
		}
		return d, true
	}
	return wellKnownJSON(short, b, set, steps)
}

// outOfRange returns the error of a number that a wrapper has no room for.
func outOfRange(short string, err error) Value {
	return Failf("field type conversion error for google.protobuf.%s.value value type: %v", short, err)
}

// wellKnownJSON is wellKnownValue for JSON, and for Any, which holds no message that there is.
func wellKnownJSON(short string, b *built, set func(field string, unset Value) Value, steps *int64) (v Value, ok bool) {
	switch short {
	case "ListValue":
		return toJSON(set("values", ListValue(nil)), steps), true
	case "Struct":
		return toJSON(set("fields", MapValue(nil, nil)), steps), true
	case "Value":
		if len(b.names) == 0 || b.names[0] == "null_value" {
			return NullValue, true
		}
		// Its fields are alternatives: the last that is set counts.
		return toJSON(b.values[len(b.values)-1], steps), true
	case "Any":
		// The name of the message is what is behind the last slash.
		url := set("type_url", StringOf("")).Str()
		if url == "" {
			return Failf("unsupported conversion to ref.Val: (*dynamicpb.Message)"), true
		}
		return Failf("unknown type: '%s'", url[strings.LastIndexByte(url, '/')+1:]), true
	}
	return Value{}, false
}

// maxExact is the greatest whole number that JSON's numbers have exactly.
// Above it an int becomes a string, as JSON of protocol buffers has int64.
const maxExact = 1<<53 - 1

// jsonSteps is how many steps a part of JSON takes that is copied, for the memory that it needs.
const jsonSteps = 8

// toJSON returns v as JSON has it: all numbers are doubles, and what JSON does not have is a string. It is ErrBudget where no steps are
// left, for a list may be longer than memory.
func toJSON(v Value, steps *int64) Value {
	if *steps -= jsonSteps; *steps < 0 {
		return Fail(ErrBudget)
	}
	switch v.kind {
	case Int:
		if v.Int() <= maxExact && v.Int() >= -maxExact {
			return DoubleOf(float64(v.Int()))
		}
		return Convert(v, StringType)
	case Uint:
		if v.num <= maxExact {
			return DoubleOf(float64(v.num))
		}
		return Convert(v, StringType)
	// What is no number stays, though JSON has no text for it.
	case Double:
		if math.IsNaN(v.Double()) || math.IsInf(v.Double(), 0) {
			return v
		}
	case Bytes:
		*steps -= int64(len(v.Bytes()) / 8)
		return StringOf(base64.StdEncoding.EncodeToString(v.Bytes()))
	case Timestamp, Duration:
		return Convert(v, StringType)
	case List:
		// The list is not made as long as it says it is: it may be longer than memory.
		var items []Value
		whole := v.Entries(func(_, item Value) bool {
			items = append(items, toJSON(item, steps))
			return *steps >= 0
		})
		if !whole {
			return Fail(ErrBudget)
		}
		return ListValue(items)
	case Map:
		var keys, values []Value
		v.Entries(func(key, value Value) bool {
			keys, values = append(keys, Convert(key, StringType)), append(values, toJSON(value, steps))
			return *steps >= 0
		})
		if *steps < 0 {
			return Fail(ErrBudget)
		}
		return MapValue(keys, values)
	}
	return v
}
