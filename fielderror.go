package main

import (
	"fmt"
	"strconv"
	"strings"
)

// fieldError is one thing wrong with one field of an object, as upstream's
// field.Error: reason is the cause's (FieldValueInvalid, FieldValueRequired, ...), message
// what stands behind the field's path.
type fieldError struct{ reason, field, message string }

func (e fieldError) String() string { return e.field + ": " + e.message }

// The constructors of the errors that many checks give; value is shown as upstream
// shows it: strings quoted, all else as it prints.

func fieldInvalid(field string, value any, detail string) fieldError {
	return fieldError{"FieldValueInvalid", field, "Invalid value: " + shownValue(value) + ": " + detail}
}

func fieldRequired(field, detail string) fieldError {
	message := "Required value"
	if detail != "" {
		message += ": " + detail
	}
	return fieldError{"FieldValueRequired", field, message}
}

func fieldForbidden(field, detail string) fieldError {
	return fieldError{"FieldValueForbidden", field, "Forbidden: " + detail}
}

func fieldDuplicate(field string, value any) fieldError {
	return fieldError{"FieldValueDuplicate", field, "Duplicate value: " + shownValue(value)}
}

func fieldNotSupported(field string, value any, supported ...string) fieldError {
	quoted := make([]string, len(supported))
	for i, s := range supported {
		quoted[i] = strconv.Quote(s)
	}
	return fieldError{"FieldValueNotSupported", field, "Unsupported value: " + shownValue(value) + ": supported values: " + strings.Join(quoted, ", ")}
}

func fieldTooLong(field string, limit int) fieldError {
	return fieldError{"FieldValueTooLong", field, "Too long: may not be more than " + counted(limit, "byte")}
}

func fieldTooMany(field string, size, limit int) fieldError {
	return fieldError{"FieldValueTooMany", field, fmt.Sprintf("Too many: %d: must have at most %s", size, counted(limit, "item"))}
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
		return string(appendJSON(nil, v))
	}
	if list, ok := v.([]string); ok {
		return fmt.Sprintf("%#v", list)
	}
	return fmt.Sprint(v)
}
