package kinds

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// The values that have a form of their own: times, quantities, bytes, and numbers or
// strings; and the words of encoding/json for values that are none.

// formOf checks a string of a kind that has a form, and gives it as upstream writes it.
func formOf(kind FieldKind, s string) (string, error) {
	switch kind {
	case FieldBytes:
		if plainBase64(s) {
			return s, nil
		}
		b, err := base64.StdEncoding.DecodeString(s)
		return base64.StdEncoding.EncodeToString(b), err
	case FieldTime:
		return inUTC(s, time.RFC3339)
	case FieldMicroTime:
		return inUTC(s, "2006-01-02T15:04:05.000000Z07:00")
	case FieldQuantity:
		return s, checkQuantity(s)
	}
	return s, nil
}

// inUTC is the time s as layout has it in UTC.
func inUTC(s, layout string) (string, error) {
	t, err := time.Parse(layout, s)
	if err != nil || strings.HasSuffix(s, "Z") && len(s) == len(layout)-len("07:00") {
		return s, err
	}
	return t.UTC().Format(layout), nil
}

// plainBase64 tells that s is base64 as it would be written: without line ends, and with
// nothing in the bits that the last bytes do not need.
func plainBase64(s string) bool {
	if len(s)%4 != 0 {
		return false
	}
	pad := 0
	for pad < 2 && strings.HasSuffix(s[:len(s)-pad], "=") {
		pad++
	}
	last := 0
	for i := range len(s) - pad {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z':
			last = int(c - 'A')
		case c >= 'a' && c <= 'z':
			last = int(c-'a') + 26
		case c >= '0' && c <= '9':
			last = int(c-'0') + 52
		case c == '+':
			last = 62
		case c == '/':
			last = 63
		default:
			return false
		}
	}
	return last&(1<<(2*pad)-1) == 0
}

// checkQuantity checks a quantity: a decimal number and a suffix or an exponent.
func checkQuantity(s string) error {
	s = strings.TrimSpace(s)
	rest := strings.TrimLeft(strings.TrimLeft(s, "+-"), "0123456789")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "."), "0123456789")
	number := strings.TrimLeft(s[:len(s)-len(rest)], "+-")
	if strings.Trim(number, ".") == "" || len(s)-len(rest)-len(number) > 1 || strings.Trim(rest, "eEinumkKMGTP+-0123456789") != "" {
		return jsonError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
	}
	switch rest {
	case "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei":
		return nil
	}
	if rest[0] == 'e' || rest[0] == 'E' {
		if _, err := strconv.ParseInt(rest[1:], 10, 32); err == nil {
			return nil
		}
	}
	return jsonError("unable to parse quantity's suffix")
}

// jsonError is an error in the words of encoding/json.
type jsonError string

func (e jsonError) Error() string { return string(e) }

// goType is the type of a field, or of one of its elements, as Go writes it.
func goType(f *Field, element bool) string {
	name := ""
	switch f.Kind {
	case FieldString, FieldTime, FieldMicroTime, FieldQuantity: // Go's own reading of the last three is from a string
		name = "string"
	case FieldBool:
		name = "bool"
	case FieldInt32, FieldIntOrString:
		name = "int32"
	case FieldInt64:
		name = "int64"
	case FieldDouble:
		name = "float64"
	case FieldBytes:
		name = "[]uint8"
	case FieldMessage:
		parts := strings.Split(f.Message.Schema, ".")
		name = strings.Join(parts[len(parts)-2:], ".")
	}
	if f.IsList && !element {
		return "[]" + name
	}
	return name
}
