package kinds

import (
	"strings"

	"apichain/internal/tree"
)

// TypeError is a value that is not of its field's type.
type TypeError struct {
	// found is what it is in the words of JSON, where the field, and typ the type that it wants.
	found, where, typ string
	value             any
	// itself says that the type reads itself from JSON.
	itself bool
}

// Error returns the text of encoding/json, which reads most of what clients send.
func (e *TypeError) Error() string {
	return "json: cannot unmarshal " + e.found + " into Go struct field " + e.where + " of type " + e.typ
}

// Converted returns the text of upstream's converter of trees to objects, which reads the result of a
// strategic merge patch.
func (e *TypeError) Converted() string {
	have := goKind(e.value)
	number := have == "int64" || have == "float64"
	switch {
	case e.itself:
		return "json: cannot unmarshal " + tree.TypeName(e.value) + " into Go value of type " + e.typ
	case strings.HasPrefix(e.typ, "map["):
		return "cannot restore map from " + have
	case strings.HasPrefix(e.typ, "[]"), e.typ == ruleList:
		return "cannot restore slice from " + have
	case strings.HasPrefix(e.typ, "v1."):
		return "cannot restore struct from: " + have
	case have == "int64" && e.typ == "string", number && strings.HasPrefix(e.typ, "int"):
		return "cannot convert " + have + " to " + e.typ
	}
	return "unrecognized type: " + e.typ
}

// ruleList is the only list whose type has a name.
const ruleList = "v1.ValidationRules"

// goKind returns the kind that a value of a tree has in Go.
func goKind(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case int64:
		return "int64"
	case float64:
		return "float64"
	case bool:
		return "bool"
	case []any:
		return "slice"
	}
	return "map"
}
