package main

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
)

// The values that have a form of their own: times, quantities, bytes, and numbers or
// strings; and the words of encoding/json for values that are none.

// formatted checks values that have a form of their own, and gives the form to have
// instead if this is not upstream's.
func formatted(kind fieldKind, v any) (any, bool, error) {
	s, text := v.(string)
	switch kind {
	case fieldIntOrString:
		if n, ok := v.(int64); text || ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return nil, false, nil
		}
		return nil, false, notInto(v, "int32")
	case fieldQuantity:
		switch v.(type) {
		case int64, float64:
			return cellText(v), true, nil
		}
		if !text {
			return nil, false, notInto(v, "string")
		}
		return nil, false, checkQuantity(s)
	}
	if !text {
		return nil, false, notInto(v, "string")
	}
	switch kind {
	case fieldBytes:
		if plainBase64(s) {
			return nil, false, nil
		}
		b, err := base64.StdEncoding.DecodeString(s)
		return base64.StdEncoding.EncodeToString(b), true, err
	case fieldMicroTime:
		const micro = "2006-01-02T15:04:05.000000Z07:00"
		t, err := time.Parse(micro, s)
		return inUTC(s, t, micro, err)
	}
	t, err := time.Parse(time.RFC3339, s)
	return inUTC(s, t, time.RFC3339, err)
}

// inUTC is the time t, read from s, as layout has it, if that is not s.
func inUTC(s string, t time.Time, layout string, err error) (any, bool, error) {
	short := strings.HasSuffix(s, "Z") && len(s) == len(layout)-len("07:00")
	if err != nil || short {
		return nil, false, err
	}
	return t.UTC().Format(layout), true, nil
}

func notInto(v any, typ string) error {
	found := jsonTypeName(v)
	if found == "number" {
		found += " " + cellText(v)
	}
	return jsonError("json: cannot unmarshal " + found + " into Go value of type " + typ)
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
	if strings.Trim(number, ".") == "" || len(s)-len(rest)-len(number) > 1 {
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
func goType(f *typeField, element bool) string {
	name := ""
	switch f.kind {
	case fieldString:
		name = "string"
	case fieldBool:
		name = "bool"
	case fieldInt32:
		name = "int32"
	case fieldInt64:
		name = "int64"
	case fieldDouble:
		name = "float64"
	case fieldBytes:
		name = "[]uint8"
	case fieldTime:
		name = "v1.Time"
	case fieldMicroTime:
		name = "v1.MicroTime"
	case fieldIntOrString:
		name = "intstr.IntOrString"
	case fieldQuantity:
		name = "resource.Quantity"
	case fieldMessage:
		parts := strings.Split(f.message.schema, ".")
		name = strings.Join(parts[len(parts)-2:], ".")
	}
	if f.list && !element {
		return "[]" + name
	}
	return name
}
