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

// The query of all lists. A query names fields of the items by their JSON keys, so what
// can be selected is what is seen: every field that is a scalar (text, number, truth, time,
// or null in place of one) is a parameter, and nothing else is. Source: the contract,
// Choosing rows.
//
//	?server=core&hits=0          both conditions must hold
//	?verb=list&verb=watch        either value
//	?path=/apis/*                a prefix; * alone is whatever is neither null nor empty
//	?status=5xx                  a class, of the field status alone
//	?minMs=100                   of ageMs or, where items have none, of durationMs
//	?sort=-hits&limit=20         falling, the first twenty
//
// Values are compared as text, the way JSON shows them, so that hits=0 and hits=00 differ.
// Only sort and minMs know numbers. There is no negation and no "or" over fields: whoever
// needs more has JSON and jq.

// rowQuery is the query of one list, parsed.
type rowQuery struct {
	conditions []condition

	// sortField is the index of the field to sort by, nil for the list's own order;
	// descending turns it round.
	sortField  []int
	descending bool

	// limit is the most rows shown; -1 shows all.
	limit int
}

// condition is about one field: a row must have one of the values, or at least min.
type condition struct {
	field []int

	// values are texts, prefixes or, with classes, such as 5xx.
	values  []string
	classes bool

	// min is the least number; nil for a condition on values.
	min *float64
}

// parseRowQuery parses the query of a list whose items are like item. An unknown
// parameter, a value that cannot be and a repeated parameter that is no field are 400; the
// message names what is known. The parameters in also are the caller's to read.
func parseRowQuery(query url.Values, item any, also ...string) (rowQuery, *Error) {
	q := rowQuery{limit: -1}
	fields, names := scalarFields(reflect.TypeOf(item))
	known := append(append(slices.Clone(names), also...), "sort", "limit")
	// What is under way has an age, what has ended a duration; no shape has both.
	age := fields["ageMs"]
	if age == nil {
		age = fields["durationMs"]
	}
	if age != nil {
		known = append(known, "minMs")
	}
	if err := checkQuery(query, append(known, "pretty", "wide")...); err != nil {
		return q, err
	}
	for name, values := range query {
		field, isField := fields[name]
		// Of a field several values mean any of them; of sort or limit they would contradict.
		if !isField && len(values) > 1 {
			return q, badValue(name, strings.Join(values, ", "), "one value")
		}
		switch value := values[0]; {
		case isField:
			// A field wins over a parameter of the same name; no shape has one called sort, limit
			// or minMs.
			q.conditions = append(q.conditions, condition{field: field, classes: name == "status", values: values})
		case name == "sort":
			key, descending := strings.CutPrefix(value, "-")
			if q.sortField, q.descending = fields[key], descending; q.sortField == nil {
				return q, badValue(name, value, "one of "+strings.Join(names, ", ")+", with - in front for falling order")
			}
		case name == "limit":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return q, badValue(name, value, "a number from 0 on")
			}
			q.limit = n
		case name == "minMs":
			f, err := strconv.ParseFloat(value, 64)
			// NaN is a float to ParseFloat, and no number would be at least NaN.
			if err != nil || f != f {
				return q, badValue(name, value, "a number of milliseconds")
			}
			q.conditions = append(q.conditions, condition{field: age, min: &f})
		}
	}
	return q, nil
}

// checkQuery refuses with 400 parameters that are not known, and switches that are neither
// true nor false. Parameters are looked at in order, so that one query has one message.
func checkQuery(query url.Values, known ...string) *Error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, name):
			message := fmt.Sprintf("unknown query parameter %q: there are none here", truncate(name, 64))
			if len(known) > 0 {
				message = fmt.Sprintf("unknown query parameter %q: known are %s", truncate(name, 64), strings.Join(known, ", "))
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

// badValue returns a 400 for the value of a parameter; want says what it should have been.
func badValue(name, value, want string) *Error {
	return badRequest(fmt.Sprintf("query parameter %s: %q is not %s", name, truncate(value, 64), want))
}

// matching returns the rows that meet every condition, in their own order.
func (q *rowQuery) matching(rows []any) []any {
	kept := make([]any, 0, len(rows))
	for _, row := range rows {
		v := reflect.ValueOf(row)
		fails := func(c condition) bool { return !c.met(scalarOf(v.FieldByIndex(c.field))) }
		if !slices.ContainsFunc(q.conditions, fails) {
			kept = append(kept, row)
		}
	}
	return kept
}

// page sorts rows in place and returns as many as the limit allows. Rows that are equal
// keep their own order, in falling order too, so that a list that is sorted twice does not
// jump.
func (q *rowQuery) page(rows []any) []any {
	if q.sortField != nil {
		field := func(row any) scalar { return scalarOf(reflect.ValueOf(row).FieldByIndex(q.sortField)) }
		slices.SortStableFunc(rows, func(a, b any) int {
			// The operands change places; the result of a stable sort must not be reversed instead.
			if q.descending {
				a, b = b, a
			}
			return field(a).compare(field(b))
		})
	}
	if q.limit >= 0 && q.limit < len(rows) {
		rows = rows[:q.limit]
	}
	return rows
}

// met reports whether a value meets the condition. Null meets no minimum.
func (c *condition) met(have scalar) bool {
	if c.min != nil {
		return have.isNumber && have.number >= *c.min
	}
	if MatchesAny(c.values, have.text) {
		return true
	}
	return c.classes && len(have.text) == 3 && slices.Contains(c.values, have.text[:1]+"xx")
}

// MatchesAny reports whether have is one of some values, in a query or a Match: x* is a
// prefix, * alone whatever is not empty; null is the empty text. It keeps neither argument.
// Source: the contract, Choosing rows.
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

// scalar is one value as a query writes it. Null has null set and the text "".
type scalar struct {
	text           string
	number         float64
	null, isNumber bool
}

// compare orders values of one field: null first, numbers by size, all else by its text.
// False comes before true, and times in their form sort as text.
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

// scalarOf returns the value of a field. What is no scalar, such as a list, is null.
func scalarOf(v reflect.Value) scalar {
	// Before the kinds, of which a Time is a struct.
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
		// Never an exponent: JSON shows none for numbers of this size.
		return scalar{text: strconv.FormatFloat(v.Float(), 'f', -1, 64), number: v.Float(), isNumber: true}
	}
	return scalar{null: true}
}

// scalarFields returns the fields of t that a query may name, by JSON key, and their keys
// in the order of the struct. Fields of embedded structs are among them.
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
