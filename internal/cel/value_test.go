package cel_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"apichain/internal/cel"
)

// expanding is a tree that is made when it is asked for.
type expanding struct{ tree any }

func (e expanding) Expand() any { return e.tree }

// TestOf looks at trees through types, those that fit and those that do not.
func TestOf(t *testing.T) {
	with := func(t *cel.Type, format string, nullable bool) *cel.Type {
		c := *t
		c.Format, c.Nullable = format, nullable
		return &c
	}
	list, dict := cel.ListOf(cel.IntType), cel.MapOf(cel.StringType, cel.StringType)
	either := with(cel.DynType, "int-or-string", false)
	for _, c := range []struct {
		tree any
		typ  *cel.Type
		want string
	}{
		{nil, nil, "null"},
		{true, nil, "true"},
		{int64(1), nil, "1"},
		{1, nil, "1"},
		{int32(1), nil, "1"},
		{uint64(1), nil, "1u"},
		{1.5, nil, "1.5e+00"},
		{"a", nil, `"a"`},
		{[]byte("a"), nil, `b"a"`},
		{time.Unix(0, 0), nil, "1970-01-01T00:00:00Z"},
		{[]any{int64(1), nil, "a"}, nil, `[1, null, "a"]`},
		{map[string]any{"b": nil, "a": []any{}}, nil, `{"a": [], "b": null}`},
		{expanding{map[string]any{"a": int64(1)}}, nil, `{"a": 1}`},
		{cel.IntOf(3), nil, "3"},
		{struct{}{}, nil, "error: unsupported conversion to ref.Val: (struct {}){}"},
		{nil, cel.IntType, "error: invalid data, got null for schema with nullable=false"},
		{nil, with(cel.IntType, "", true), "null"},
		{nil, cel.WrapperOf(cel.IntType), "null"},
		{int64(4), cel.WrapperOf(cel.IntType), "4"},
		{int64(4), cel.IntType, "4"},
		{4, cel.IntType, "4"},
		{4.5, cel.IntType, "error: invalid data, expected int, got float64"},
		{"4", cel.IntType, "error: invalid data, expected int, got string"},
		{int64(4), cel.DoubleType, "4e+00"},
		{4.5, cel.DoubleType, "4.5e+00"},
		{"4", cel.DoubleType, "error: invalid data, expected float, got string"},
		{int64(4), cel.UintType, "4u"},
		{true, cel.BoolType, "true"},
		{"true", cel.BoolType, "error: invalid data, expected bool, got string"},
		{"a", cel.StringType, `"a"`},
		{int64(1), cel.StringType, "error: invalid data, expected string, got int64"},
		{"YWJj", cel.BytesType, `b"abc"`},
		{"_-==", cel.BytesType, `b"\xff"`},
		{"+++", cel.BytesType, "error: Invalid byte formatted string +++: illegal base64 data at input byte 0"},
		{"2020-01-02T03:04:05Z", cel.TimestampType, "2020-01-02T03:04:05Z"},
		{"2020-01-02T03:04:05.123456789+01:00", cel.TimestampType, "2020-01-02T02:04:05.123456789Z"},
		{"2020-01-02T03:04:05", cel.TimestampType, "2020-01-02T03:04:05Z"},
		{"", cel.TimestampType, "1970-01-01T00:00:00Z"},
		{"2020", cel.TimestampType, `error: Invalid date-time formatted string 2020: parsing time "2020" as "2006-01-02T15:04:05": cannot parse "" as "-"`},
		{"2020-01-02", with(cel.TimestampType, "date", false), "2020-01-02T00:00:00Z"},
		{"x", with(cel.TimestampType, "date", false), `error: Invalid date formatted string x: parsing time "x" as "2006-01-02": cannot parse "x" as "2006"`},
		{int64(1), cel.TimestampType, "error: invalid data, expected string, got int64"},
		{"1h30m", cel.DurationType, "1h30m0s"},
		{"2 days 3 hours", cel.DurationType, "51h0m0s"},
		{"1w", cel.DurationType, "168h0m0s"},
		{"5 minutes", cel.DurationType, "5m0s"},
		{"3 milliseconds", cel.DurationType, "3ms"},
		{"soon", cel.DurationType, "error: Invalid duration soon: unable to parse soon as duration"},
		{"99999999999999999999 s", cel.DurationType,
			`error: Invalid duration 99999999999999999999 s: strconv.Atoi: parsing "99999999999999999999": value out of range`},
		{[]any{int64(1)}, list, "[1]"},
		{[]any{"a"}, list, "[error: invalid data, expected int, got string]"},
		{map[string]any{}, list, "error: invalid data, expected an array for the provided schema with type=array"},
		{map[string]any{"a": "b"}, dict, `{"a": "b"}`},
		{[]any{}, dict, "error: invalid data, expected a map for the provided schema with type=object"},
		{int64(1), either, "1"},
		{"a", either, `"a"`},
		{1.5, either, "error: invalid data, expected XIntOrString value to be either a string or integer"},
		{nil, either, "error: invalid data, got null for schema with nullable=false"},
		{expanding{int64(1)}, cel.IntType, "1"},
		{[]any{}, cel.AnyType, "[]"},
	} {
		if got := valueText(cel.Of(c.tree, c.typ)); got != c.want {
			t.Errorf("%v as %v: %s, want %s", c.tree, c.typ, got, c.want)
		}
	}
}

// TestTree makes trees of values.
func TestTree(t *testing.T) {
	tree := map[string]any{"a": []any{int64(1), "b", nil, true, 1.5}, "c": map[string]any{}}
	for _, c := range []struct {
		value cel.Value
		want  any
		err   string
	}{
		{cel.Of(tree, nil), tree, ""},
		{cel.ListValue([]cel.Value{cel.IntOf(1), cel.NullValue}), []any{int64(1), nil}, ""},
		{cel.MapValue([]cel.Value{cel.StringOf("a")}, []cel.Value{cel.True}), map[string]any{"a": true}, ""},
		{cel.MapValue([]cel.Value{cel.IntOf(1)}, []cel.Value{cel.True}), nil, `map key "1" is of type int, not string`},
		{cel.UintOf(7), int64(7), ""},
		{cel.DoubleOf(1.5), 1.5, ""},
		{cel.BytesOf([]byte("abc")), "YWJj", ""},
		{cel.DurationOf(90 * time.Second), "90s", ""},
		{cel.TimestampOf(time.Unix(0, 0).UTC()), "1970-01-01T00:00:00Z", ""},
		{cel.Some(cel.StringOf("a")), "a", ""},
		{cel.None, nil, "a value of type optional_type has no tree"},
		{cel.TypeValue(cel.IntType), nil, "a value of type type has no tree"},
		{cel.Failf("it broke"), nil, "it broke"},
		{cel.ListValue([]cel.Value{cel.Failf("it broke")}), nil, "it broke"},
		{cel.ObjectValue(cel.ObjectOf("request"), &computed{}), nil, "a value of type request has no tree"},
		{cel.BuildObject(cel.ObjectOf("Object"), []string{"b", "a"}, []cel.Value{cel.IntOf(1), cel.IntOf(2)}),
			map[string]any{"a": int64(2), "b": int64(1)}, ""},
	} {
		got, err := c.value.Tree()
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%v: %v, want %s", c.value, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, %v, want %v", c.value, got, err, c.want)
		}
	}
}

// TestContainers looks at lists and maps of every form.
func TestContainers(t *testing.T) {
	tree := cel.Of([]any{int64(1), int64(2)}, cel.ListOf(cel.IntType))
	built := cel.ListValue([]cel.Value{cel.IntOf(3)})
	rope := cel.Add(cel.Add(built, tree), built)
	for _, c := range []struct {
		value cel.Value
		want  string
	}{{tree, "[1, 2]"}, {built, "[3]"}, {rope, "[3, 1, 2, 3]"}, {cel.Add(tree, built), "[1, 2, 3]"}} {
		if c.value.String() != c.want || c.value.Len() != strings.Count(c.want, ",")+1 {
			t.Errorf("%v of %d, want %s", c.value, c.value.Len(), c.want)
		}
		var items []string
		c.value.Entries(func(i, v cel.Value) bool {
			if c.value.At(int(i.Int())) != v {
				t.Errorf("%v: item %v is %v", c.want, i, v)
			}
			items = append(items, v.String())
			return len(items) < 2
		})
		if want := min(2, c.value.Len()); len(items) != want {
			t.Errorf("%s: %d items, want %d", c.want, len(items), want)
		}
	}
	if v := rope.Get(cel.IntOf(2)); v.Int() != 2 {
		t.Errorf("%v", v)
	}
	for key, want := range map[cel.Value]string{
		cel.IntOf(4): "index out of bounds: 4", cel.IntOf(-1): "index out of bounds: -1", cel.StringOf("a"): "unsupported index type 'string' in list",
		cel.DoubleOf(0.5): "unsupported index value 0.5 in list", cel.UintOf(math.MaxUint64): "unsupported index value 18446744073709551615 in list",
		cel.Failf("it broke"): "it broke",
	} {
		if v := rope.Get(key); v.Err() == nil || v.Err().Error() != want {
			t.Errorf("[%v]: %v, want %s", key, v, want)
		}
	}
	if v := tree.Get(cel.DoubleOf(1)); v.String() != "unsupported index: 1" {
		t.Errorf("%v", v)
	}
}

// TestMaps puts maps together and looks for keys in them, few and many.
func TestMaps(t *testing.T) {
	for _, n := range []int{1, 8, 9, 100} {
		var keys, values []cel.Value
		for i := range n {
			keys, values = append(keys, cel.IntOf(int64(i))), append(values, cel.StringOf(fmt.Sprint(i)))
		}
		m := cel.MapValue(keys, values)
		for i := range n {
			for _, key := range []cel.Value{cel.IntOf(int64(i)), cel.UintOf(uint64(i)), cel.DoubleOf(float64(i))} {
				if v, ok := m.Find(key); !ok || v.Str() != fmt.Sprint(i) {
					t.Errorf("%d: [%v] is %v, %v", n, key, v, ok)
				}
			}
		}
		for _, key := range []cel.Value{cel.IntOf(-1), cel.IntOf(int64(n)), cel.DoubleOf(0.5), cel.StringOf("0"), cel.ListValue(nil), cel.NullValue} {
			if v, ok := m.Find(key); ok {
				t.Errorf("%d: [%v] is %v", n, key, v)
			}
		}
		more := cel.MapInsert(m, cel.StringOf("new"), cel.True)
		if m.Len() != n || more.Len() != n+1 || more.Get(cel.StringOf("new")) != cel.True {
			t.Errorf("%d: %d, %d", n, m.Len(), more.Len())
		}
		if v := cel.MapInsert(more, cel.IntOf(0), cel.True); v.String() != "insert failed: key 0 already exists" {
			t.Errorf("%v", v)
		}
	}
	if v := cel.MapInsert(cel.IntOf(1), cel.IntOf(0), cel.True); v.String() != "no such overload" {
		t.Errorf("%v", v)
	}
	twice := cel.MapValue([]cel.Value{cel.IntOf(1), cel.IntOf(1)}, []cel.Value{cel.False, cel.True})
	if twice.Len() != 1 || twice.Get(cel.IntOf(1)) != cel.True {
		t.Errorf("%v", twice)
	}
	typed := cel.Of(map[string]any{"a": "b"}, cel.MapOf(cel.StringType, cel.StringType))
	if v, ok := typed.Find(cel.IntOf(1)); !ok || v.String() != "no such overload" {
		t.Errorf("%v, %v", v, ok)
	}
}

// TestZero asks for the zero values of types.
func TestZero(t *testing.T) {
	for _, v := range []cel.Value{
		cel.NullValue, cel.False, cel.IntOf(0), cel.UintOf(0), cel.DoubleOf(0), cel.StringOf(""), cel.BytesOf(nil), cel.DurationOf(0),
		cel.TimestampOf(time.Time{}), cel.ListValue(nil), cel.MapValue(nil, nil), cel.Of([]any{}, nil), cel.Of(map[string]any{}, nil),
		cel.BuildObject(cel.ObjectOf("Object"), nil, nil),
	} {
		if !v.IsZero() {
			t.Errorf("%v of %v is not zero", v, v.Type().TypeName())
		}
	}
	for _, v := range []cel.Value{
		cel.True, cel.IntOf(1), cel.UintOf(1), cel.DoubleOf(-1), cel.StringOf(" "), cel.BytesOf([]byte{0}), cel.DurationOf(1),
		cel.TimestampOf(time.Unix(0, 0)), cel.ListValue([]cel.Value{cel.False}), cel.None, cel.Some(cel.IntOf(0)), cel.TypeValue(cel.IntType),
		cel.Of([]any{}, cel.ListOf(cel.IntType)), cel.ObjectValue(cel.ObjectOf("request"), &computed{}), cel.Failf(""),
	} {
		if v.IsZero() {
			t.Errorf("%v of %v is zero", v, v.Type().TypeName())
		}
	}
}

// TestSizes are those that costs go by.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		value cel.Value
		want  uint64
	}{
		{cel.StringOf("aé😀"), 3}, {cel.BytesOf([]byte("é")), 2}, {cel.Of([]any{nil, nil}, nil), 2}, {cel.IntOf(5), 1}, {cel.NullValue, 1},
		{cel.Some(cel.StringOf("abc")), 3}, {cel.None, 1}, {cel.Failf("it broke"), 1}, {cel.TypeValue(cel.IntType), 1},
		{cel.Of(map[string]any{"a": nil}, nil), 1}, {cel.StringOf("\xff\xff"), 2},
	} {
		if got := c.value.Size(); got != c.want {
			t.Errorf("%v: %d, want %d", c.value, got, c.want)
		}
	}
}

// TestText prints values as messages have them.
func TestText(t *testing.T) {
	for want, v := range map[string]cel.Value{
		"0": cel.NullValue, "1e+06": cel.DoubleOf(1e6), "[97 98]": cel.BytesOf([]byte("ab")), "optional(1)": cel.Some(cel.IntOf(1)),
		"optional.none()": cel.None, "int": cel.TypeValue(cel.IntType), "google.protobuf.Timestamp": cel.TypeValue(cel.TimestampType),
		"{a: [1, b]}": cel.Of(map[string]any{"a": []any{int64(1), "b"}}, nil), "1m0s": cel.DurationOf(time.Minute),
		"request{}": cel.ObjectValue(cel.ObjectOf("request"), &computed{}),
	} {
		if got := v.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// A list that is larger than memory has a text that is not.
	l := cel.ListValue([]cel.Value{cel.StringOf(strings.Repeat("a", 100))})
	for range 35 {
		l = cel.Add(l, l)
	}
	if n := len(l.String()); n < 1000 || n > 1<<17 {
		t.Errorf("a list of %d items has a text of %d", l.Len(), n)
	}
}

// TestZones asks for hours where there are zones, and where there are none.
func TestZones(t *testing.T) {
	t.Setenv("ZONEINFO", "/nowhere")
	p := program(t, "timestamp('2024-07-01T12:00:00Z').getHours(zone)", cel.Variable{Name: "zone", Type: cel.StringType})
	hours := func(zone string) string {
		v, _ := p.Eval([]cel.Value{cel.StringOf(zone)}, cel.Limit{Cost: 1000})
		return v.String()
	}
	for zone, want := range map[string]string{
		"": "12", "UTC": "12", "+02:00": "14", "-03:30": "8", "02:00": "14", "No/Such": "unknown time zone No/Such",
		"+x:00": `strconv.Atoi: parsing "+x": invalid syntax`, "1:": `strconv.Atoi: parsing "": invalid syntax`,
		"../etc/passwd": "time: invalid location name", ":": `strconv.Atoi: parsing "": invalid syntax`,
	} {
		if got := hours(zone); got != want {
			t.Errorf("%q: %s, want %s", zone, got, want)
		}
	}
	// The data of the machine, or an error that names the zone.
	if _, err := time.LoadLocation("Europe/Berlin"); err == nil {
		if got := hours("Europe/Berlin"); got != "14" {
			t.Errorf("Europe/Berlin: %s", got)
		}
	} else if got := hours("Europe/Berlin"); got != "unknown time zone Europe/Berlin" {
		t.Errorf("Europe/Berlin: %s", got)
	}
	if got := hours(strings.Repeat("a", 1000)); !strings.HasPrefix(got, "unknown time zone a") || len(got) > 200 {
		t.Errorf("%s", got)
	}
}

// TestCompare orders values, and refuses what has no order.
func TestCompare(t *testing.T) {
	ordered := []cel.Value{
		cel.DoubleOf(math.Inf(-1)), cel.IntOf(math.MinInt64), cel.DoubleOf(-1.5), cel.IntOf(-1), cel.UintOf(0), cel.DoubleOf(0.5),
		cel.IntOf(1), cel.UintOf(2), cel.DoubleOf(2.5), cel.IntOf(math.MaxInt64 - 1000), cel.UintOf(math.MaxUint64 - 5000), cel.DoubleOf(1e300),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got, err := cel.Compare(a, b); err != nil || got != want {
				t.Errorf("%v and %v: %d, %v", a, b, got, err)
			}
			if e := cel.Equal(a, b); e != cel.BoolOf(want == 0) {
				t.Errorf("%v and %v: equal is %v", a, b, e)
			}
		}
	}
	nan := cel.DoubleOf(math.NaN())
	for _, c := range [][2]cel.Value{{nan, nan}, {nan, cel.IntOf(1)}, {cel.UintOf(1), nan}, {cel.IntOf(1), nan}} {
		if _, err := cel.Compare(c[0], c[1]); err == nil || err.Error() != "NaN values cannot be ordered" {
			t.Errorf("%v and %v: %v", c[0], c[1], err)
		}
		if cel.Equal(c[0], c[1]) != cel.False {
			t.Errorf("%v and %v are equal", c[0], c[1])
		}
	}
	for _, c := range [][2]cel.Value{
		{cel.StringOf("a"), cel.IntOf(1)}, {cel.IntOf(1), cel.StringOf("a")}, {cel.ListValue(nil), cel.ListValue(nil)}, {cel.NullValue, cel.NullValue},
		{cel.True, cel.IntOf(1)}, {cel.DurationOf(1), cel.TimestampOf(time.Time{})},
	} {
		if _, err := cel.Compare(c[0], c[1]); err == nil || err.Error() != "no such overload" {
			t.Errorf("%v and %v: %v", c[0], c[1], err)
		}
	}
	if _, err := cel.Compare(cel.IntOf(1), cel.Failf("it broke")); err == nil || err.Error() != "it broke" {
		t.Errorf("%v", err)
	}
}
