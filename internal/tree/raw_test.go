package tree

import "testing"

const rawText = `[{"fieldsV1":{"f:a":{".":{},"k:{\"b\":1}":{}}},"manager":"x"}]`

// TestRawIsWhatItSays: a Raw is written, compared and copied as the value that it stands for.
func TestRawIsWhatItSays(t *testing.T) {
	v, _, _ := ParseJSON([]byte(rawText))
	raw, plain := map[string]any{"a": Raw(rawText), "b": "c"}, map[string]any{"a": v, "b": "c"}
	if got, want := string(AppendJSON(nil, raw)), string(AppendJSON(nil, plain)); got != want {
		t.Errorf("JSON %s, want %s", got, want)
	}
	if got, want := string(AppendYAML(nil, raw)), string(AppendYAML(nil, plain)); got != want {
		t.Errorf("YAML\n%s, want\n%s", got, want)
	}
	if got, want := string(AppendYAML(nil, Raw(rawText))), string(AppendYAML(nil, v)); got != want {
		t.Errorf("YAML of itself\n%s, want\n%s", got, want)
	}
	for _, pair := range [][2]any{{raw, plain}, {plain, raw}, {raw, Copy(raw)}, {Raw(`1`), int64(1)}, {Raw(`1.0`), Raw(`1`)}} {
		if !Equal(pair[0], pair[1]) {
			t.Errorf("%v differs from %v", pair[0], pair[1])
		}
	}
	other := map[string]any{"a": Raw(`[]`), "b": "c"}
	if Equal(raw, other) || Equal(other, plain) || Identical(Raw(`1.0`), int64(1)) {
		t.Error("different values are equal")
	}
	if got := TypeName(Raw(rawText)); got != "array" {
		t.Errorf("the type of a list is %s", got)
	}
	if got := List(raw, "a"); !Equal(got, v) {
		t.Errorf("the list is %v", got)
	}
	if got := Expand(Raw(`{`)); got != nil {
		t.Errorf("no JSON is %v", got)
	}
}

// TestParseAround: the one value is taken as it is, and what is around it is read.
func TestParseAround(t *testing.T) {
	head, tail := `{"a":`, `,"b":{"c":[1]}}`
	text := []byte(head + rawText + tail)
	obj, err := ParseJSONObjectAround(text, len(head), len(head)+len(rawText))
	if err != nil || obj["a"] != Raw(rawText) || !Equal(obj["b"], map[string]any{"c": []any{int64(1)}}) {
		t.Errorf("%v, %v", obj, err)
	}
	obj, err = ParseJSONObjectAround(text, 0, 0)
	if _, isList := obj["a"].([]any); err != nil || !isList {
		t.Errorf("%v, %v", obj, err)
	}
	if _, err := ParseJSONObjectAround([]byte(`{`), 0, 0); err == nil {
		t.Error("half an object is read")
	}
}
