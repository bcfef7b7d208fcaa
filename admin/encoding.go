package admin

import (
	"encoding/json"
	"strconv"
	"time"
)

// The contract says that unknown and never are null, that none is [] or {}, and that a key
// which is documented is always there. These types say so in JSON, so that a Source may
// leave a field at its zero value.

// Time is a moment, in JSON as RFC 3339 in UTC with milliseconds. The zero time stands for
// never and unknown; it is null in JSON and comes before all others when rows are sorted.
type Time time.Time

// IsZero reports whether t is null.
func (t Time) IsZero() bool { return time.Time(t).IsZero() }

// String returns t in the contract's form. It returns "" for null, which is also what a
// query compares null with.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z")
}

// MarshalJSON never fails.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, t.String()), nil
}

// List is a list that is [] in JSON when it is nil, never null.
type List[T any] []T

// MarshalJSON fails as T's encoding does.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Map has keys that are data, not names of the contract. It is {} in JSON when it is nil,
// never null; its keys come in order.
type Map[T any] map[string]T

// MarshalJSON fails as T's encoding does.
func (m Map[T]) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]T(m))
}
