package patch

import (
	"errors"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// TestStrategicUntyped: what v1.37.2 says of merging into the data of a ControllerRevision, of which no type
// tells how objects and lists in it are merged; and that a selector which replaces is taken as it is sent.
func TestStrategicUntyped(t *testing.T) {
	typ := patchType("Revision",
		&kinds.Field{Name: "data", Kind: kinds.FieldRaw, Component: "runtime.RawExtension{}"},
		&kinds.Field{Name: "selector", Kind: kinds.FieldMessage, Strategy: "replace", Message: patchType("Selector", &kinds.Field{Name: "matchLabels", IsMap: true})})
	const none = `unable to find api field in struct RawExtension for the json field "spec"`
	for _, tc := range [][3]string{
		{`{"data":{"spec":{"a":1}}}`, `{"data":{"spec":{"b":1}}}`, none},
		{`{"data":{"spec":[1]}}`, `{"data":{"spec":[2],"z":1}}`, none},
		{`{"data":{"spec":{"a":1}}}`, `{"data":{"spec":7,"b":{"c":1}}}`, `{"data":{"spec":7,"b":{"c":1}}}`},
		{`{"data":{"spec":{"a":1}}}`, `{"data":{"spec":null}}`, `{"data":{}}`},
		{`{}`, `{"data":{"spec":{"a":1}}}`, `{"data":{"spec":{"a":1}}}`},
		{`{"selector":{"matchLabels":{"a":"b"}}}`, `{"selector":{"matchLabels":{"c":null}}}`, `{"selector":{"matchLabels":{"c":null}}}`},
		{`{"selector":{"matchLabels":{"a":"b"}}}`, `{"selector":{"matchLabels":{"$patch":"delete"}}}`, `{"selector":{"matchLabels":{"$patch":"delete"}}}`},
	} {
		doc, _, _ := tree.ParseJSONObject([]byte(tc[0]))
		change, _, _ := tree.ParseJSONObject([]byte(tc[1]))
		got, err := Strategic(doc, change, typ)
		var e *status.Error
		if errors.As(err, &e) {
			if e.Code != 500 || e.Message != tc[2] {
				t.Errorf("%s with %s: %d %s", tc[0], tc[1], e.Code, e.Message)
			}
			continue
		}
		if want, _, _ := tree.ParseJSONObject([]byte(tc[2])); err != nil || !tree.Equal(got, want) {
			t.Errorf("%s with %s: %s, %v, want %s", tc[0], tc[1], tree.AppendJSON(nil, got), err, tc[2])
		}
	}
}
