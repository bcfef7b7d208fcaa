package field

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// Error is one thing wrong with one field of an object, as upstream's
// field.Error: reason is the cause's (FieldValueInvalid, FieldValueRequired, ...), message
// what stands behind the field's path.
type Error struct{ Reason, Field, Message string }

func (e Error) String() string { return e.Field + ": " + e.Message }

// The constructors of the errors that many checks give; value is shown as upstream
// shows it: strings quoted, all else as it prints.

func Invalid(field string, value any, detail string) Error {
	return Error{"FieldValueInvalid", field, "Invalid value: " + shownValue(value) + ": " + detail}
}

func Required(field, detail string) Error {
	message := "Required value"
	if detail != "" {
		message += ": " + detail
	}
	return Error{"FieldValueRequired", field, message}
}

func Forbidden(field, detail string) Error {
	return Error{"FieldValueForbidden", field, "Forbidden: " + detail}
}

func Duplicate(field string, value any) Error {
	return Error{"FieldValueDuplicate", field, "Duplicate value: " + shownValue(value)}
}

func NotSupported(field string, value any, supported ...string) Error {
	quoted := make([]string, len(supported))
	for i, s := range supported {
		quoted[i] = strconv.Quote(s)
	}
	return Error{"FieldValueNotSupported", field, "Unsupported value: " + shownValue(value) + ": supported values: " + strings.Join(quoted, ", ")}
}

func TooLong(field string, limit int) Error {
	return Error{"FieldValueTooLong", field, "Too long: may not be more than " + counted(limit, "byte")}
}

func TooMany(field string, size, limit int) Error {
	return Error{"FieldValueTooMany", field, fmt.Sprintf("Too many: %d: must have at most %s", size, counted(limit, "item"))}
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

func shownValue(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case nil:
		return "null"
	case map[string]any, []any:
		return string(tree.AppendJSON(nil, v))
	}
	if list, ok := v.([]string); ok {
		return fmt.Sprintf("%#v", list)
	}
	return fmt.Sprint(v)
}
