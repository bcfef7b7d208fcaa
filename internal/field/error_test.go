package field

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestErrors: the reason, the message and the field of each constructor, as upstream's
// clients see them.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name                   string
		got                    Error
		reason, field, message string
	}{
		{"invalid text", Invalid("spec.size", "x", "must be y"), "FieldValueInvalid", "spec.size", `Invalid value: "x": must be y`},
		{"invalid number", Invalid("spec.size", int64(99), "too large"), "FieldValueInvalid", "spec.size", "Invalid value: 99: too large"},
		{"invalid without detail", Invalid("a", 1, ""), "FieldValueInvalid", "a", "Invalid value: 1: "},
		{"required", Required("metadata.name", "name or generateName is required"), "FieldValueRequired", "metadata.name",
			"Required value: name or generateName is required"},
		{"required without detail", Required("spec", ""), "FieldValueRequired", "spec", "Required value"},
		{"forbidden without detail", Forbidden("a", ""), "FieldValueForbidden", "a", "Forbidden"},
		{"forbidden", Forbidden("force", "may not be specified for non-apply patch"), "FieldValueForbidden", "force",
			"Forbidden: may not be specified for non-apply patch"},
		{"duplicate", Duplicate("spec.ports[1]", map[string]any{"port": int64(80)}), "FieldValueDuplicate", "spec.ports[1]",
			`Duplicate value: {"port":80}`},
		{"not supported", NotSupported("dryRun", []string{"Some"}, "All"), "FieldValueNotSupported", "dryRun",
			`Unsupported value: ["Some"]: supported values: "All"`},
		{"several supported", NotSupported("type", "x", "b", "a"), "FieldValueNotSupported", "type",
			`Unsupported value: "x": supported values: "b", "a"`},
		{"none supported", NotSupported("type", "x"), "FieldValueNotSupported", "type", `Unsupported value: "x": supported values: `},
		{"too long", TooLong("a", 63), "FieldValueTooLong", "a", "Too long: may not be more than 63 bytes"},
		{"too long for one", TooLong("a", 1), "FieldValueTooLong", "a", "Too long: may not be more than 1 byte"},
		{"too long for none", TooLong("a", 0), "FieldValueTooLong", "a", "Too long: may not be more than 0 bytes"},
		{"too many", TooMany("a.b", 9, 8), "FieldValueTooMany", "a.b", "Too many: 9: must have at most 8 items"},
		{"too many for one", TooMany("a.b", 2, 1), "FieldValueTooMany", "a.b", "Too many: 2: must have at most 1 item"},
	} {
		if tc.got.Reason != tc.reason || tc.got.Field != tc.field || tc.got.Message != tc.message {
			t.Errorf("%s: got %#v", tc.name, tc.got)
		}
		if got, want := tc.got.String(), tc.field+": "+tc.message; got != want {
			t.Errorf("%s: text %q, want %q", tc.name, got, want)
		}
	}
}

// TestShownValues: how values stand in messages, whatever the constructor.
func TestShownValues(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want string
	}{
		{"", `""`},
		{"a b", `"a b"`},
		{"a\"b\\", `"a\"b\\"`},
		{"line\nend\x00", `"line\nend\x00"`}, // no client writes a line of its own
		{"é", `"é"`},
		{"\xff", `"\xff"`},
		{nil, "null"},
		{true, "true"},
		{0, "0"},
		{int64(-7), "-7"},
		{1.5, "1.5"},
		{3.0, "3"},
		{1e21, "1e+21"},
		{[]any{}, "[]"},
		{[]any{"a", int64(1), nil}, `["a",1,null]`},
		{map[string]any{"b": 1.5, "a": []any{}}, `{"a":[],"b":1.5}`},
		{[]string{"a", "b\n"}, `["a","b\n"]`},
		{JSON(`{"b":1,"a":2}`), `{"b":1,"a":2}`},
		{[]string{}, `[]`},
	} {
		if got := shownValue(tc.v); got != tc.want {
			t.Errorf("%#v is shown as %s, want %s", tc.v, got, tc.want)
		}
		if got := Invalid("f", tc.v, "d").Message; got != "Invalid value: "+tc.want+": d" {
			t.Errorf("%#v: invalid: %s", tc.v, got)
		}
		if got := Duplicate("f", tc.v).Message; got != "Duplicate value: "+tc.want {
			t.Errorf("%#v: duplicate: %s", tc.v, got)
		}
		if got := NotSupported("f", tc.v, "s").Message; !strings.HasPrefix(got, "Unsupported value: "+tc.want+": ") {
			t.Errorf("%#v: not supported: %s", tc.v, got)
		}
	}
}

// TestErrorJSON: the keys of a cause, in upstream's order, each left out when empty.
func TestErrorJSON(t *testing.T) {
	for _, tc := range []struct {
		e    Error
		want string
	}{
		{Error{}, `{}`},
		{Error{Field: "f", Message: "m", Reason: "r"}, `{"reason":"r","message":"m","field":"f"}`},
		{Error{Message: "m"}, `{"message":"m"}`},
		{Error{Field: "f"}, `{"field":"f"}`},
		{Required("a.b", ""), `{"reason":"FieldValueRequired","message":"Required value","field":"a.b"}`},
	} {
		b, err := json.Marshal(tc.e)
		if err != nil || string(b) != tc.want {
			t.Errorf("%+v: %s (%v), want %s", tc.e, b, err, tc.want)
		}
		var back Error
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, tc.e) {
			t.Errorf("%s reads as %+v (%v)", b, back, err)
		}
	}
}
