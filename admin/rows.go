package admin

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The one mechanism of all lists: a query names fields of the items by their JSON keys,
// so what can be chosen is what is seen. Source: the contract, "Choosing rows".

// choice is what a query asks of a list.
type choice struct {
	keep  []condition
	sort  []int // index of the field; nil is the list's own order
	down  bool
	limit int // -1: all
}

// condition is one field of which a row must have any of the values, or at least min.
type condition struct {
	index []int
	class bool // 5xx in any is a class of status
	any   []string
	min   *float64
}

// parseChoice reads the query of a list of items like item. An unknown parameter, a
// value that cannot be and a repeated parameter that is no field are 400; the message
// names what is known. Those named by also are the caller's to read.
func parseChoice(query url.Values, item any, also ...string) (choice, *Error) {
	c := choice{limit: -1}
	fields, names := scalarFields(reflect.TypeOf(item))
	known := append(append(slices.Clone(names), also...), "sort", "limit")
	age := fields["ageMs"]
	if age == nil {
		age = fields["durationMs"]
	}
	if age != nil {
		known = append(known, "minMs")
	}
	if err := checkQuery(query, append(known, "pretty", "wide")...); err != nil {
		return c, err
	}
	for name, values := range query {
		index, isField := fields[name]
		if !isField && len(values) > 1 {
			return c, badValue(name, strings.Join(values, ", "), "one value")
		}
		switch value := values[0]; {
		case isField:
			c.keep = append(c.keep, condition{index: index, class: name == "status", any: values})
		case name == "sort":
			key, down := strings.CutPrefix(value, "-")
			if c.sort, c.down = fields[key], down; c.sort == nil {
				return c, badValue(name, value, "one of "+strings.Join(names, ", ")+", with - in front for falling order")
			}
		case name == "limit":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return c, badValue(name, value, "a number from 0 on")
			}
			c.limit = n
		case name == "minMs":
			f, err := strconv.ParseFloat(value, 64)
			if err != nil || f != f {
				return c, badValue(name, value, "a number of milliseconds")
			}
			c.keep = append(c.keep, condition{index: age, min: &f})
		}
	}
	return c, nil
}

// checkQuery refuses parameters that are not known and switches that are not a yes or no.
func checkQuery(query url.Values, known ...string) *Error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, name):
			message := fmt.Sprintf("unknown query parameter %q: there are none here", cut(name, 64))
			if len(known) > 0 {
				message = fmt.Sprintf("unknown query parameter %q: known are %s", cut(name, 64), strings.Join(known, ", "))
			}
			return badRequest(message)
		case name == "pretty" || name == "wide" || name == "stack":
			if _, err := strconv.ParseBool(query.Get(name)); err != nil {
				return badValue(name, query.Get(name), "true or false")
			}
		}
	}
	return nil
}

func badValue(name, value, want string) *Error {
	return badRequest(fmt.Sprintf("query parameter %s: %q is not %s", name, cut(value, 64), want))
}

// matching are the rows that meet every condition, in their own order.
func (c *choice) matching(rows []any) []any {
	kept := make([]any, 0, len(rows))
	for _, row := range rows {
		v := reflect.ValueOf(row)
		if !slices.ContainsFunc(c.keep, func(k condition) bool { return !k.met(scalarOf(v.FieldByIndex(k.index))) }) {
			kept = append(kept, row)
		}
	}
	return kept
}

// page sorts rows in place, equal ones in their own order, and cuts at the limit.
func (c *choice) page(rows []any) []any {
	if c.sort != nil {
		field := func(row any) scalar { return scalarOf(reflect.ValueOf(row).FieldByIndex(c.sort)) }
		slices.SortStableFunc(rows, func(a, b any) int {
			if c.down {
				a, b = b, a
			}
			return field(a).compare(field(b))
		})
	}
	if c.limit >= 0 && c.limit < len(rows) {
		rows = rows[:c.limit]
	}
	return rows
}

func (k *condition) met(have scalar) bool {
	if k.min != nil {
		return have.isNumber && have.number >= *k.min
	}
	return MatchesAny(k.any, have.text) || k.class && len(have.text) == 3 && slices.Contains(k.any, have.text[:1]+"xx")
}

// MatchesAny reports whether have is one of some values, in a query or a Match: x* is a
// prefix, * alone whatever is not empty; null is the empty text. It keeps neither.
// Source: the contract, "Choosing rows".
func MatchesAny(values []string, have string) bool {
	return slices.ContainsFunc(values, func(want string) bool {
		prefix, starred := strings.CutSuffix(want, "*")
		switch {
		case want == "*":
			return have != ""
		case starred:
			return strings.HasPrefix(have, prefix)
		}
		return have == want
	})
}

// scalar is one value as a query writes it; null is "" with null set.
type scalar struct {
	text           string
	number         float64
	null, isNumber bool
}

// compare puts null first, numbers by size and all else by its text.
func (s scalar) compare(o scalar) int {
	switch {
	case s.null != o.null && s.null:
		return -1
	case s.null != o.null:
		return 1
	case s.isNumber:
		return cmp.Compare(s.number, o.number)
	}
	return strings.Compare(s.text, o.text)
}

// scalarOf is a field's value. What is no scalar is null.
func scalarOf(v reflect.Value) scalar {
	if t, ok := v.Interface().(Time); ok {
		return scalar{text: t.String(), null: t.IsZero()}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return scalarOf(v.Elem())
		}
	case reflect.String:
		return scalar{text: v.String()}
	case reflect.Bool:
		return scalar{text: strconv.FormatBool(v.Bool())}
	case reflect.Int, reflect.Int64:
		return scalar{text: strconv.FormatInt(v.Int(), 10), number: float64(v.Int()), isNumber: true}
	case reflect.Uint64:
		return scalar{text: strconv.FormatUint(v.Uint(), 10), number: float64(v.Uint()), isNumber: true}
	case reflect.Float64:
		return scalar{text: strconv.FormatFloat(v.Float(), 'f', -1, 64), number: v.Float(), isNumber: true}
	}
	return scalar{null: true}
}

// scalarFields are the fields of t that a query may name, by JSON key, and their keys in
// order. Text, numbers, truth and times are scalars, and what may be null of them.
func scalarFields(t reflect.Type) (fields map[string][]int, names []string) {
	fields = map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch of.Kind() {
		case reflect.Struct:
			if of != reflect.TypeFor[Time]() {
				continue
			}
		case reflect.Slice, reflect.Map:
			continue
		}
		fields[f.Tag.Get("json")] = f.Index
		names = append(names, f.Tag.Get("json"))
	}
	return fields, names
}
