package kinds

import (
	"apichain/internal/quantity"

	"encoding/base64"
	"strings"
	"time"
)

// Values that are strings in JSON and something else to upstream: times, quantities and
// bytes. A Go struct reads such a string into a value and writes it from the value again, so
// what a client gets back need not be what it sent. Here the trees of objects are kept, and
// canonical brings the string into the form that upstream would write:
//
//	2024-01-01T02:00:00+02:00   2024-01-01T00:00:00Z
//	Y\nQ==                      YQ==
//	1024Ki                      1Mi

// canonical returns the text of a value of the given kind in upstream's form, or the error
// that upstream's decoder gives for a text that has no such value. Strings of kinds without
// a form are returned as they are. The common case, a text in its form, allocates nothing.
func canonical(kind FieldKind, s string) (string, error) {
	switch kind {
	case FieldBytes:
		if isCanonicalBase64(s) {
			return s, nil
		}
		b, err := base64.StdEncoding.DecodeString(s)
		return base64.StdEncoding.EncodeToString(b), err
	case FieldTime:
		return inUTC(s, time.RFC3339)
	case FieldMicroTime:
		return inUTC(s, "2006-01-02T15:04:05.000000Z07:00")
	case FieldQuantity:
		if err := quantity.Check(s); err != nil {
			return s, err
		}
		return quantity.Canonical(s), nil
	}
	return s, nil
}

// inUTC returns the time s, which layout describes, in UTC in that layout. Digits of a second
// that the layout does not have are dropped, as upstream drops them.
func inUTC(s, layout string) (string, error) {
	t, err := time.Parse(layout, s)
	// Parse takes a fraction of a second that the layout does not mention, so the length
	// must be compared too before s can be kept.
	if err != nil || strings.HasSuffix(s, "Z") && len(s) == len(layout)-len("07:00") {
		return s, err
	}
	return t.UTC().Format(layout), nil
}

// isCanonicalBase64 reports whether s is base64 as an encoder would write it: without the
// line ends that decoders skip, and with zeros in the bits that the last bytes do not need.
func isCanonicalBase64(s string) bool {
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
	// A character has six bits; each = stands for two of the last one's that carry nothing.
	return last&(1<<(2*pad)-1) == 0
}

// jsonError is an error whose text is that of encoding/json or of an unmarshaller that it
// calls. Clients compare such texts, so nothing is put around it.
type jsonError string

// Error returns the text.
func (e jsonError) Error() string { return string(e) }
