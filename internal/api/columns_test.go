package api

import (
	"reflect"
	"testing"
	"time"

	"apichain/internal/tree"
)

func TestPrinterColumns(t *testing.T) {
	obj := parsed(t, `{"metadata":{"name":"w","creationTimestamp":"`+time.Now().Add(-5*time.Minute-2*time.Second).UTC().Format(time.RFC3339)+`"},
"spec":{"s":"text","i":3,"f":2.5,"b":true,"l":[1,"x"],"o":{"k":1},"d":"2020-01-01"}}`)
	version := parsed(t, `{"additionalPrinterColumns":[
{"name":"S","type":"string","jsonPath":".spec.s","priority":1,"description":"a text"},{"name":"I","type":"integer","jsonPath":".spec.i","format":"int32"},
{"name":"F","type":"integer","jsonPath":".spec.f"},{"name":"N","type":"number","jsonPath":".spec.i"},{"name":"B","type":"boolean","jsonPath":".spec.b"},
{"name":"SI","type":"string","jsonPath":".spec.i"},{"name":"SB","type":"string","jsonPath":".spec.b"},{"name":"SL","type":"string","jsonPath":".spec.l"},{"name":"SO","type":"string","jsonPath":".spec.o"},
{"name":"IS","type":"integer","jsonPath":".spec.s"},{"name":"BS","type":"boolean","jsonPath":".spec.s"},{"name":"NS","type":"number","jsonPath":".spec.s"},
{"name":"D","type":"date","jsonPath":".spec.d"},{"name":"Gone","type":"string","jsonPath":".spec.gone"},{"name":"U","type":"string","jsonPath":".spec['b','i']"},{"name":"R","type":"integer","jsonPath":"..i"},
{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"},{"name":"Bad","type":"string","jsonPath":".spec["},{"name":"Behind","type":"string","jsonPath":".spec.s"}]}`)
	columns := printerColumns(version)
	want := []any{"w", "text", int64(3), int64(2), float64(3), true, "3", "true", `[1,"x"]`, `{"k":1}`, nil, nil, nil, "<invalid>", nil, "true", int64(3), "5m2s"}
	var got []any
	for _, c := range columns {
		got = append(got, c.Cell(obj))
	}
	// The second may have turned since.
	if last := len(got) - 1; got[last] == "5m3s" {
		got[last] = "5m2s"
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if c := columns[1]; c.Name != "S" || c.Priority != 1 || c.Description != "a text" || c.Type != "string" {
		t.Errorf("got %+v", c)
	}
	if c := columns[2]; c.Description != "Custom resource definition column (in JSONPath format): .spec.i" || c.Format != "int32" {
		t.Errorf("got %+v", c)
	}

	columns = printerColumns(map[string]any{})
	if len(columns) != 2 || columns[0].Name != "Name" || columns[0].Format != "name" || columns[1].Name != "Age" || columns[1].Type != "date" {
		t.Errorf("without any: %+v", columns)
	}
}

func TestColumnAge(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"2026-01-01T11:59:00Z": "60s", "": "<unknown>", "null": "<unknown>", "yesterday": "<invalid>", "2027-01-01T00:00:00Z": "<invalid>"} {
		if got := columnAge(text, now); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	o, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestColumnValues: each type of a column with each type of a value.
func TestColumnValues(t *testing.T) {
	values := []any{nil, "text", "", int64(3), 2.75, true, []any{int64(1)}, map[string]any{"k": "v"}}
	for typ, want := range map[string][]any{
		"string":  {"<no value>", "text", "", "3", "2.75", "true", "[1]", `{"k":"v"}`},
		"integer": {nil, nil, nil, int64(3), int64(2), nil, nil, nil},
		"number":  {nil, nil, nil, 3.0, 2.75, nil, nil, nil},
		"boolean": {nil, nil, nil, nil, nil, true, nil, nil},
		"date":    {nil, "<invalid>", "<unknown>", nil, nil, nil, nil, nil},
		"strange": {nil, nil, nil, nil, nil, nil, nil, nil},
	} {
		column := printerColumns(map[string]any{"additionalPrinterColumns": []any{map[string]any{"name": "C", "type": typ, "jsonPath": ".v"}}})[1]
		for i, v := range values {
			if got := column.Cell(map[string]any{"v": v}); got != want[i] {
				t.Errorf("%s of %v: got %#v, want %#v", typ, v, got, want[i])
			}
		}
		if got := column.Cell(map[string]any{}); got != nil {
			t.Errorf("%s of nothing: %#v", typ, got)
		}
	}
}
