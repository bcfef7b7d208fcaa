// Package field says what is wrong with one field of an object: as an Error with a reason
// and a message, at a Path, by the rules for names that many fields share.
//
// Checks of objects in any package make errors with the constructors below and hand them
// over as a list; the status package makes one answer of it, a 422 with a cause for each.
// Reasons and messages are upstream's to the letter, because clients show them and some
// compare them. Nothing here knows an object or a kind.
//
// All of it is values and pure functions; any number of goroutines may use it at once. The
// package is internal and promises no compatibility. In short:
//
//	p := field.Root("spec").Child("ports").Index(2).Child("name")
//	for _, why := range field.DNSLabelErrors(name) {
//		errs = append(errs, field.Invalid(p.String(), name, why))
//	}
package field

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// Error is one thing wrong with one field of an object. It is also the wire form of a cause
// in the details of a Status, with the keys in upstream's order, where each is left out if
// it is empty. It is a value to be listed, not an error to be returned: one request can
// have hundreds.
type Error struct {
	// Reason is upstream's CauseType, such as FieldValueInvalid or FieldValueRequired.
	Reason string `json:"reason,omitempty"`

	// Message stands behind the field's path wherever both are shown. The constructors begin
	// it with upstream's words for the reason.
	Message string `json:"message,omitempty"`

	// Field is the path, as Path.String writes it, or None.
	Field string `json:"field,omitempty"`
}

// String returns the text that the message of a Status has for the error.
func (e Error) String() string { return e.Field + ": " + e.Message }

// The constructors are called from nearly a thousand places and rarely run, so none of them is in line.

// JSON is a value that is shown as it stands: one that has been written already.
type JSON string

// Invalid returns the error for a value that breaks a rule, which detail states. As in all
// constructors value is shown to the client as shownValue says.
//
//go:noinline
func Invalid(field string, value any, detail string) Error {
	return Error{"FieldValueInvalid", "Invalid value: " + shownValue(value) + ": " + detail, field}
}

// Required returns the error for a value that is missing. detail may be empty.
//
//go:noinline
func Required(field, detail string) Error {
	message := "Required value"
	if detail != "" {
		message += ": " + detail
	}
	return Error{"FieldValueRequired", message, field}
}

// Forbidden returns the error for a field that may not be set, or not be changed, here. The
// value is not shown: it may be what the client must not see. detail may be empty.
//
//go:noinline
func Forbidden(field, detail string) Error {
	return Error{"FieldValueForbidden", strings.TrimSuffix("Forbidden: "+detail, ": "), field}
}

// Duplicate returns the error for a value that an element before has already. field is the
// path of the second one.
//
//go:noinline
func Duplicate(field string, value any) Error {
	return Error{"FieldValueDuplicate", "Duplicate value: " + shownValue(value), field}
}

// NotSupported returns the error for a value that is none of a few, which are listed in the
// order given.
func NotSupported(field string, value any, supported ...string) Error {
	quoted := make([]string, len(supported))
	for i, s := range supported {
		quoted[i] = strconv.Quote(s)
	}
	message := "Unsupported value: " + shownValue(value) + ": supported values: " + strings.Join(quoted, ", ")
	return Error{"FieldValueNotSupported", message, field}
}

// TooLong returns the error for a text of more than limit bytes. The text is not shown.
func TooLong(field string, limit int) Error {
	return Error{"FieldValueTooLong", "Too long: may not be more than " + counted(limit, "byte"), field}
}

// TooMany returns the error for a list of size elements where limit are allowed.
func TooMany(field string, size, limit int) Error {
	return Error{"FieldValueTooMany", fmt.Sprintf("Too many: %d: must have at most %s", size, counted(limit, "item")), field}
}

// counted returns n with its noun, which gets an s unless n is 1.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// shownValue returns a value as upstream's messages show it: strings in double quotes with
// escapes, so that no client can forge a line; null; objects and lists as JSON, a []string too;
// all else as it prints.
func shownValue(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case nil:
		return "null"
	case map[string]any, []any:
		return string(tree.AppendJSON(nil, v))
	case []string: // the parameter dryRun is such a list; trees have none
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return string(tree.AppendJSON(nil, list))
	case JSON:
		return string(v)
	}
	return fmt.Sprint(v)
}

// Internal returns the error for what went wrong in the server while it judged a value.
func Internal(field, detail string) Error {
	return Error{"InternalError", "Internal error: " + detail, field}
}
