package admin

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTimeInJSON: UTC, milliseconds that are cut and not rounded, null for never.
func TestTimeInJSON(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, `null`},
		{time.Date(2026, 11, 23, 5, 23, 7, 412e6, time.UTC), `"2026-11-23T05:23:07.412Z"`},
		{time.Date(2026, 11, 23, 6, 23, 7, 412e6, berlin), `"2026-11-23T05:23:07.412Z"`},
		{time.Date(2026, 11, 23, 0, 30, 0, 0, berlin), `"2026-11-22T23:30:00.000Z"`},
		{time.Date(2026, 11, 23, 5, 23, 7, 999999999, time.UTC), `"2026-11-23T05:23:07.999Z"`},
		{time.Date(2026, 11, 23, 5, 23, 7, 1e6, time.UTC), `"2026-11-23T05:23:07.001Z"`},
		{time.Unix(0, 0), `"1970-01-01T00:00:00.000Z"`},
		{time.Time{}.In(berlin), `null`},
	} {
		b, err := json.Marshal(Time(c.at))
		if err != nil || string(b) != c.want {
			t.Errorf("%v: %s %v, want %s", c.at, b, err, c.want)
		}
		if text := Time(c.at).String(); text != strings.Trim(strings.TrimPrefix(c.want, "null"), `"`) {
			t.Errorf("%v as text: %q", c.at, text)
		}
	}
}

// TestNoneIsEmpty: lists and maps that are nil are [] and {}, at any depth, and what is in
// them is encoded as by themselves. What cannot be encoded is an error.
func TestNoneIsEmpty(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{List[string](nil), `[]`},
		{List[string]{}, `[]`},
		{List[string]{""}, `[""]`},
		{List[List[int]]{nil, {1, 2}}, `[[],[1,2]]`},
		{List[Time]{Time{}}, `[null]`},
		{Map[int](nil), `{}`},
		{Map[int]{"b": 2, "a": 1, "": 0}, `{"":0,"a":1,"b":2}`},
		{Map[List[string]]{"none": nil}, `{"none":[]}`},
		{Match(nil), `{}`},
		{Match{"user": {"alice"}}, `{"user":["alice"]}`},
		{struct{ Matches List[Match] }{List[Match]{nil}}, `{"Matches":[{}]}`},
	} {
		if b, err := json.Marshal(c.value); err != nil || string(b) != c.want {
			t.Errorf("%#v: %s %v, want %s", c.value, b, err, c.want)
		}
	}
	for _, v := range []any{List[any]{make(chan int)}, Map[any]{"a": func() {}}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T is encoded as %s", v, b)
		}
	}
}

// keysOf returns the keys of a JSON object in their order.
func keysOf(t *testing.T, object []byte) (keys []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(object)))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatalf("%v %v: %s", open, err, object)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// TestKeysOfRequests: the keys of a request stand where the contract's examples have them,
// though the two shapes share an embedded struct, and parameters are listed in that order.
func TestKeysOfRequests(t *testing.T) {
	for _, c := range []struct {
		row  any
		keys string
	}{
		{Request{}, "id auditID listener method path query verb resource namespace name user groups impersonatedBy remoteAddr userAgent " +
			"server route filter receivedAt ageMs bytesIn bytesOut longRunning status stack"},
		{FinishedRequest{}, "id auditID listener method path query verb resource namespace name user groups impersonatedBy remoteAddr userAgent " +
			"server route receivedAt durationMs status reason ended endedIn bytesIn bytesOut longRunning queueMs handlerMs webhooksMs conversionMs rulesMs proxyMs writeMs filters stack"},
	} {
		b, err := json.Marshal(c.row)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(c.keys)
		if got := keysOf(t, b); !slices.Equal(got, want) {
			t.Errorf("%T has the keys\n%q, want\n%q", c.row, got, want)
		}
		_, names := scalarFields(reflect.TypeOf(c.row))
		want = slices.DeleteFunc(want, func(key string) bool { return slices.Contains([]string{"groups", "filters", "stack"}, key) })
		if !slices.Equal(names, want) {
			t.Errorf("%T is chosen by\n%q, want\n%q", c.row, names, want)
		}
	}
}

// TestZeroShapesHaveEveryKey: a row that the program left at its zero value has every key
// that its tags describe, with null where only one value could be unknown, and never null
// in place of a list.
func TestZeroShapesHaveEveryKey(t *testing.T) {
	for _, e := range endpoints(true) {
		for _, v := range []any{e.response, e.item} {
			if v == nil || e.path == "/admin/v1/stream" { // its keys are of several events
				continue
			}
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var byKey map[string]any
			if err := json.Unmarshal(b, &byKey); err != nil {
				t.Fatal(err)
			}
			for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
				key := f.Tag.Get("json")
				if key == "" || key == "-" {
					continue
				}
				value, there := byKey[key]
				if !there {
					t.Errorf("%s: %T has no %q when it is empty", e.path, v, key)
				}
				mayBeNull := f.Type.Kind() == reflect.Pointer || f.Type == reflect.TypeFor[Time]()
				if (value == nil) != mayBeNull {
					t.Errorf("%s: %s of an empty %T is %v", e.path, key, v, value)
				}
			}
		}
	}
}
