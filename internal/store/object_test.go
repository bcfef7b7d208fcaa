package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// The line of an object has its revision in it, and its parts are found without reading it.
func TestObjectLine(t *testing.T) {
	tests := []struct {
		kind                     byte
		key, namespace, name     string
		rev                      int64
		line, before, after, raw string
	}{
		{Added, "ns/a", "ns", "a", 1, `{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"1"}}`},
		{Modified, "a", "", "a", 1234567890123, `{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"1234567890123"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"1234567890123"}}`},
		{Deleted, "ns/", "ns", "", 10, `{"type":"DELETED","object":{"metadata":{"resourceVersion":"10"}}}`, `{"metadata":{"resourceVersion":"`, `"}}`, `{"metadata":{"resourceVersion":"10"}}`},
	}
	d := Encode(map[string]any{}, nil)
	for _, tt := range tests {
		o := newObject(tt.kind, tt.key, tt.rev, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
		before, after := o.SplitAtRevision()
		got := []string{o.Namespace(), o.Name(), string(o.Line), string(before), string(after), string(o.Raw())}
		want := []string{tt.namespace, tt.name, tt.line + "\n", tt.before, tt.after, tt.raw}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%c %s\n got %q\nwant %q", tt.kind, tt.key, got, want)
		}
		if o.EventKind() != tt.kind || !strings.HasPrefix(tt.line, EventHead(tt.kind)) {
			t.Errorf("%c: its kind is %c, and a line begins with %s", tt.kind, o.EventKind(), EventHead(tt.kind))
		}
		if cap(o.Line) != len(o.Line) {
			t.Errorf("%c: a line of %d bytes takes %d", tt.kind, len(o.Line), cap(o.Line))
		}
		if got := tree.Text(o.Decode(), "metadata", "resourceVersion"); got != fmt.Sprint(tt.rev) {
			t.Errorf("%c: decoded, the revision is %q", tt.kind, got)
		}
	}
}
