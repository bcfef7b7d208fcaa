package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// fields is an item by its JSON keys: choosing, sorting and text see what clients see.
type fields map[string]any

func fieldsOf(item any) fields {
	b, _ := json.Marshal(item)
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var f fields
	_ = d.Decode(&f)
	return f
}

// choice is what a query asks of a list.
type choice struct {
	keep  map[string][]string // by key; any of the values
	minMs *float64
	sort  string
	desc  bool
	limit int // -1: all
}

// common are the parameters that every list takes beside the keys of its items.
var common = []string{"pretty", "wide", "sort", "limit"}

// parseChoice reads a query for a list whose items have these keys. An unknown
// parameter, and a value that cannot be, is a 400 that says what is known. Source: the
// admin contract, "Choosing rows".
func parseChoice(query url.Values, keys []string) (choice, *Error) {
	c := choice{keep: map[string][]string{}, limit: -1}
	timed := slices.Contains(keys, "ageMs") || slices.Contains(keys, "durationMs")
	for name, values := range query {
		switch {
		case name == "pretty" || name == "wide":
		case name == "sort":
			c.sort, c.desc = strings.CutPrefix(values[0], "-")
			if !slices.Contains(keys, c.sort) {
				return c, badQuery("sort", values[0], "one of "+strings.Join(keys, ", ")+", or one with - in front")
			}
		case name == "limit":
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 0 {
				return c, badQuery("limit", values[0], "a number from 0")
			}
			c.limit = n
		case name == "minMs" && timed:
			f, err := strconv.ParseFloat(values[0], 64)
			if err != nil || f != f {
				return c, badQuery("minMs", values[0], "a number of milliseconds")
			}
			c.minMs = &f
		case slices.Contains(keys, name):
			c.keep[name] = values
		default:
			known := append(slices.Clone(keys), common...)
			if timed {
				known = append(known, "minMs")
			}
			return c, &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: fmt.Sprintf("unknown query parameter %q: known are %s", cut(name, 64), strings.Join(known, ", "))}
		}
	}
	return c, nil
}

func badQuery(name, value, want string) *Error {
	return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: fmt.Sprintf("query parameter %s: %q is not %s", name, cut(value, 64), want)}
}

// rows applies the choice: the items kept, sorted, and how many matched before limit.
func (c *choice) rows(items []any) (kept []any, total int) {
	type row struct {
		item any
		f    fields
	}
	plain := len(c.keep) == 0 && c.minMs == nil && c.sort == ""
	rows := make([]row, 0, len(items))
	for _, item := range items {
		r := row{item: item}
		if !plain {
			if r.f = fieldsOf(item); !c.matches(r.f) {
				continue
			}
		}
		rows = append(rows, r)
	}
	if c.sort != "" {
		slices.SortStableFunc(rows, func(a, b row) int {
			n := compare(a.f[c.sort], b.f[c.sort])
			if c.desc {
				return -n
			}
			return n
		})
	}
	total = len(rows)
	if c.limit >= 0 && c.limit < len(rows) {
		rows = rows[:c.limit]
	}
	kept = make([]any, len(rows))
	for i, r := range rows {
		kept[i] = r.item
	}
	return kept, total
}

func (c *choice) matches(f fields) bool {
	for key, wants := range c.keep {
		if !slices.ContainsFunc(wants, func(want string) bool { return fits(key, f[key], want) }) {
			return false
		}
	}
	if c.minMs != nil {
		v, ok := f["ageMs"]
		if !ok {
			v = f["durationMs"]
		}
		n, _ := v.(json.Number)
		ms, err := n.Float64()
		return err == nil && ms >= *c.minMs
	}
	return true
}

// fits compares one value: equal, x* for a prefix, * for anything there, 5xx for a
// class of status.
func fits(key string, v any, want string) bool {
	have := show(v)
	switch {
	case want == "*":
		return v != nil && have != "" && have != "[]" && have != "{}"
	case v == nil:
		return want == "null"
	case strings.HasSuffix(want, "*"):
		return strings.HasPrefix(have, want[:len(want)-1])
	case key == "status" && len(want) == 3 && strings.HasSuffix(want, "xx"):
		return len(have) == 3 && have[0] == want[0]
	}
	return have == want
}

// show is a value as it is typed in a query.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// compare orders numbers as numbers, null first, all else as text.
func compare(a, b any) int {
	x, okX := a.(json.Number)
	y, okY := b.(json.Number)
	if okX && okY {
		fx, _ := x.Float64()
		fy, _ := y.Float64()
		return cmp.Compare(fx, fy)
	}
	if a == nil || b == nil {
		return cmp.Compare(b2i(a != nil), b2i(b != nil))
	}
	return strings.Compare(show(a), show(b))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
