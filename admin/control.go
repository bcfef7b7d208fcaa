package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Controls are switched on for a time. Source: the contract, Controls.
type Controls interface {
	DrainControl
	LogLevelControl
	FaultControl
}

// ControlState begins what GET of every control answers. While it is not active SetBy and
// Note are empty, SetAt and ExpiresAt null.
type ControlState struct {
	Active    bool   `json:"active" doc:"whether it is on"`
	SetBy     string `json:"setBy" doc:"user who switched it on"`
	SetAt     Time   `json:"setAt" doc:"when"`
	ExpiresAt Time   `json:"expiresAt" doc:"when it undoes itself"`
	Note      string `json:"note" doc:"what the user said of it"`
}

// Setting is what every PUT of a control says: who, for how long (above 0, at most 24 h)
// and why (at most 200 characters).
type Setting struct {
	By   string
	For  time.Duration
	Note string
}

// Match chooses requests: every key must match, with any of its values; without keys it
// matches all. Keys are listener, server, route, method, path, verb, resource, namespace,
// name, user and group; x* is a prefix, * alone what is not empty. Source: the contract,
// Choosing rows.
type Match map[string]List[string]

// MarshalJSON never fails; no keys are {}.
func (m Match) MarshalJSON() ([]byte, error) { return Map[List[string]](m).MarshalJSON() }

// matchKeys are the keys of a Match.
var matchKeys = []string{"listener", "server", "route", "method", "path", "verb", "resource", "namespace", "name", "user", "group"}

// String is the match as the command line takes it: user=alice,bob verb=list; all for one
// without keys.
func (m Match) String() string {
	var terms []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		terms = append(terms, k+"="+strings.Join(m[k], ","))
	}
	return cmp.Or(strings.Join(terms, " "), "all")
}

// The bounds of what a PUT says. Source: the contract, Controls; the last is ours: every
// rule is tried for every request.
const (
	usualTime = 10 * time.Minute
	mostTime  = 24 * time.Hour
	mostNote  = 200 // characters
	mostRules = 100
)

// control is the endpoint of one: GET shows it, PUT switches it on or replaces it, DELETE
// undoes it, and all three answer with what GET shows. T is that, without the envelope; S
// is what its PUT says beside expiresIn and note.
type control[T, S any] struct {
	keys  []string // of the body, beside expiresIn and note
	shown func(Source) T
	whole func(envelope, T) any           // the JSON answer
	rows  func(T) (columns, []any)        // as text, a table below the scalars, if there are any
	read  func(values) S                  // the body; what is wrong goes to the values
	set   func(Source, Setting, S) *Error // 409 while the program stops
	clear func(src Source, by string)     // does nothing to one that is off
}

var controlRoles = map[string]string{http.MethodGet: "view", http.MethodPut: "operate", http.MethodDelete: "operate"}

// row is the control's endpoint.
func (c *control[T, S]) row(path, summary string) endpoint {
	var zero T
	return endpoint{path, controlRoles, summary, []string{formJSON, formText}, c.whole(envelope{}, zero), nil, c.serve, changer{serve: c.change}}
}

func (c *control[T, S]) serve(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	return c.reply(a, ans)
}

func (c *control[T, S]) reply(a *api, ans *answer) *Error {
	var v T
	env := a.moment(ans, func() { v = c.shown(a.src) })
	if ans.form != formText {
		return ans.reply(http.StatusOK, c.whole(env, v))
	}
	var b bytes.Buffer
	ans.pairs(&b, "", reflect.ValueOf(v))
	if cols, rows := c.rows(v); len(rows) > 0 {
		b.WriteByte('\n')
		ans.table(&b, cols, rows)
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

// change is PUT and DELETE. One change of a control is made at a time, and If-Match is
// asked again then: of two with the same generation one wins.
func (c *control[T, S]) change(a *api, ans *answer, body []byte) *Error {
	a.controlling.Lock()
	defer a.controlling.Unlock()
	if err := a.checkMatch(ans); err != nil {
		return err
	}
	if ans.r.Method == http.MethodDelete {
		c.clear(a.src, ans.who.User)
		return c.reply(a, ans)
	}
	v, err := readBody(body, append(slices.Clone(c.keys), "expiresIn", "note")...)
	if err != nil {
		return err
	}
	setting, s := Setting{ans.who.User, v.lifetime("expiresIn"), v.text("note", mostNote)}, c.read(v)
	if err := v.err(); err != nil {
		return err
	}
	if err := c.set(a.src, setting, s); err != nil {
		return err
	}
	return c.reply(a, ans)
}

// values are those of one object of a body, taken by their keys; null is as none. What is
// wrong with any of them is gathered, so that one answer tells it all.
type values struct {
	path  string // in front of the keys: "" or such as rules[0].
	of    map[string]json.RawMessage
	found *findings
}

// findings are what is wrong with a body. A key that is not known is 400, and comes
// before every wrong value, which is 422.
type findings struct {
	unknown *Error
	causes  []Cause
}

// readBody is the object that the body is, with none but the known keys.
func readBody(body []byte, known ...string) (values, *Error) {
	v := values{found: &findings{}}
	if err := checkObject(body, known...); err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v.of); err != nil {
		return v, notJSON(err)
	}
	return v, nil
}

// err is what is wrong with the whole body, nil for nothing.
func (v values) err() *Error {
	switch causes := v.found.causes; {
	case v.found.unknown != nil:
		return v.found.unknown
	case len(causes) > 0:
		var texts []string
		for _, c := range causes {
			texts = append(texts, c.Field+": "+c.Message)
		}
		return &Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: cut("the body is invalid: "+strings.Join(texts, "; "), 1024), Causes: causes}
	}
	return nil
}

// The reasons of causes, by their names in Kubernetes.
const (
	fieldInvalid      = "FieldValueInvalid"
	fieldRequired     = "FieldValueRequired"
	fieldNotSupported = "FieldValueNotSupported"
	fieldTooLong      = "FieldValueTooLong"
	fieldTooMany      = "FieldValueTooMany"
	fieldTypeInvalid  = "FieldValueTypeInvalid"
	fieldForbidden    = "FieldValueForbidden"
	fieldDuplicate    = "FieldValueDuplicate"
)

// wrong notes what is wrong with the value of a key.
func (v values) wrong(key, reason, format string, args ...any) {
	v.found.causes = append(v.found.causes, Cause{reason, fmt.Sprintf(format, args...), cut(v.path+key, 256)})
}

// has reports whether the key has a value.
func (v values) has(key string) bool {
	raw := v.of[key]
	return len(raw) > 0 && raw[0] != 'n' // null
}

// into reads the value of a key, if there is one; kind is what it must be.
func (v values) into(key string, p any, kind string) (ok bool) {
	if !v.has(key) {
		return false
	}
	if err := json.Unmarshal(v.of[key], p); err != nil {
		v.wrong(key, fieldTypeInvalid, "must be %s", kind)
		return false
	}
	return true
}

// yes is a truth; none is false.
func (v values) yes(key string) (b bool) {
	v.into(key, &b, "true or false")
	return b
}

// text is a text of at most most characters; none is "".
func (v values) text(key string, most int) (s string) {
	v.into(key, &s, "a text")
	if utf8.RuneCountInString(s) > most {
		v.wrong(key, fieldTooLong, "must be of at most %d characters", most)
	}
	return s
}

// number is a number within bounds, both included; ok is false for none and a wrong one.
func (v values) number(key string, least, most float64) (n float64, ok bool) {
	if !v.into(key, &n, "a number") {
		return 0, false
	}
	if n < least || n > most {
		v.wrong(key, fieldInvalid, "must be from %v to %v, is %v", least, most, n)
		return 0, false
	}
	return n, true
}

// whole is number without fractions.
func (v values) whole(key string, least, most int64) (n int64, ok bool) {
	if !v.into(key, &n, "a whole number") {
		return 0, false
	}
	if n < least || n > most {
		v.wrong(key, fieldInvalid, "must be from %d to %d, is %d", least, most, n)
		return 0, false
	}
	return n, true
}

// lifetime is how long a control is to be on.
func (v values) lifetime(key string) time.Duration {
	if !v.has(key) {
		return usualTime
	}
	var s string
	if !v.into(key, &s, `a duration, such as "10m"`) {
		return 0
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		v.wrong(key, fieldInvalid, `must be a duration, such as "10m", is %q`, cut(s, 64))
	case d <= 0 || d > mostTime:
		v.wrong(key, fieldInvalid, "must be above 0 and at most %v, is %v", mostTime, d)
	}
	return d
}

// object is an object with none but the known keys; none is empty.
func (v values) object(key string, known ...string) values {
	in := values{v.path + key + ".", nil, v.found}
	if v.has(key) {
		in.of = v.fields(key, v.of[key], known)
	}
	return in
}

// objects are those of a list, at least one and at most mostRules.
func (v values) objects(key string, known ...string) []values {
	var raw []json.RawMessage
	if !v.has(key) {
		v.wrong(key, fieldRequired, "must have at least one")
		return nil
	}
	if !v.into(key, &raw, "a list of objects") {
		return nil
	}
	switch {
	case len(raw) == 0:
		v.wrong(key, fieldRequired, "must have at least one")
	case len(raw) > mostRules:
		v.wrong(key, fieldTooMany, "must have at most %d, has %d", mostRules, len(raw))
		return nil
	}
	var out []values
	for i, r := range raw {
		at := fmt.Sprintf("%s[%d]", key, i)
		if of := v.fields(at, r, known); of != nil {
			out = append(out, values{v.path + at + ".", of, v.found})
		}
	}
	return out
}

// fields are those of an object; nil is none.
func (v values) fields(key string, raw json.RawMessage, known []string) (of map[string]json.RawMessage) {
	if raw[0] != '{' {
		v.wrong(key, fieldTypeInvalid, "must be an object")
		return nil
	}
	_ = json.Unmarshal(raw, &of) // it is part of what was read
	for _, k := range slices.Sorted(maps.Keys(of)) {
		if !slices.Contains(known, k) {
			v.found.unknown = cmp.Or(v.found.unknown, badRequest(fmt.Sprintf("unknown key %q: known are %s", cut(v.path+key+"."+k, 128), strings.Join(known, ", "))))
		}
	}
	return of
}

// mostValues is the most values of a key of a match: every request is compared with them.
const mostValues = 100

// match chooses requests; none matches all.
func (v values) match(key string) Match {
	m, in := Match{}, v.object(key, matchKeys...)
	for _, k := range slices.Sorted(maps.Keys(in.of)) {
		var any []*string
		switch ok := in.into(k, &any, "a list of texts"); {
		case slices.Contains(any, nil):
			in.wrong(k, fieldTypeInvalid, "must be a list of texts")
			continue
		case len(any) == 0 && (ok || !in.has(k)):
			in.wrong(k, fieldRequired, "must have at least one value")
		case len(any) > mostValues:
			in.wrong(k, fieldTooMany, "must have at most %d values, has %d", mostValues, len(any))
			continue
		}
		for _, s := range any {
			m[k] = append(m[k], *s)
		}
	}
	return m
}
