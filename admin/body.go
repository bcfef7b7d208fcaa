package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bodies of changes, check 11 of the contract. A body is read in three steps, which are
// told apart by their answers:
//
//   - readBody: all of it, up to a limit (413);
//   - checkObject: one JSON object whose keys are each there once and, at its top, known
//     (400). encoding/json would take the last of two equal keys and skip what it does not
//     know, so that a mistyped "expriesIn" would silently last ten minutes;
//   - values: what each key says, taken by its name with its bounds (422). All that is
//     wrong is gathered, with the path of each field, so that one answer tells it all.
//
// An unknown key further in, in a rule, is a 400 too and comes before every 422.

// bodyLimit is the most bytes of a body, unless the endpoint has a limit of its own.
const bodyLimit = 1 << 20

// readBody returns the whole body, at most limit bytes. It returns a 413 for a longer one
// and a 400 for one that breaks off; both end the connection, since the rest of the body
// is still on it.
func (ans *answer) readBody(e *endpoint, limit int64) ([]byte, *Error) {
	tooLarge := &Error{
		Code:    http.StatusRequestEntityTooLarge,
		Reason:  "RequestEntityTooLarge",
		Message: fmt.Sprintf("the body of %s %s is larger than %d MiB", ans.r.Method, e.path, limit>>20),
		Close:   true,
	}
	if ans.r.ContentLength > limit {
		return nil, tooLarge
	}
	var b bytes.Buffer
	if n := ans.r.ContentLength; n > 0 {
		// The length is only what the client says: for a snapshot that is announced with 256 MiB
		// no more than a usual body's room is made, and more as it comes.
		b.Grow(int(min(n, bodyLimit)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(ans.w, ans.r.Body, limit))
	if tooMany := (*http.MaxBytesError)(nil); errors.As(err, &tooMany) {
		return nil, tooLarge
	}
	if err != nil {
		message := "the body cannot be read: " + truncate(err.Error(), 128)
		return nil, &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: message, Close: true}
	}
	return b.Bytes(), nil
}

// checkObject refuses with 400 a body that is not one JSON object with each key at most
// once, at every depth, and at its top none but the known ones.
func checkObject(body []byte, known ...string) *Error {
	c := objectChecker{d: json.NewDecoder(bytes.NewReader(body)), known: known}
	if t, err := c.d.Token(); err != nil || t != json.Delim('{') {
		return badRequest("the body is not a JSON object")
	}
	if err := c.keys(""); err != nil {
		return err
	}
	if _, err := c.d.Token(); err != io.EOF {
		return badRequest("the body goes on after its JSON object")
	}
	return nil
}

// maxBodyDepth bounds how deep a body may nest, and with it the stack and the paths in
// messages.
const maxBodyDepth = 100

// objectChecker walks over the tokens of one JSON object.
type objectChecker struct {
	d     *json.Decoder
	known []string

	// depth counts the objects and lists around the position, but for the outermost.
	depth int
}

// keys reads an object, whose { was read, up to and with its }. path is "" for the
// outermost object, else it ends with a dot.
func (c *objectChecker) keys(path string) *Error {
	seen := map[string]bool{}
	for {
		t, err := c.d.Token()
		if err != nil {
			return notJSON(err)
		}
		key, isKey := t.(string)
		if !isKey {
			return nil // the decoder gives nothing but } where a key may stand
		}
		at := path + key
		switch {
		case seen[key]:
			return badRequest(fmt.Sprintf("the key %q is there twice", truncate(at, 128)))
		case path == "" && !slices.Contains(c.known, key):
			return badRequest(fmt.Sprintf("unknown key %q: known are %s",
				truncate(at, 128), cmp.Or(strings.Join(c.known, ", "), "none")))
		}
		seen[key] = true
		if err := c.value(at); err != nil {
			return err
		}
	}
}

// value reads one value, of whatever type, with all that is in it. path is its own, for
// messages.
func (c *objectChecker) value(path string) *Error {
	t, err := c.d.Token()
	if err != nil {
		return notJSON(err)
	}
	delim, nests := t.(json.Delim)
	if !nests {
		return nil
	}
	if c.depth++; c.depth > maxBodyDepth {
		return badRequest(fmt.Sprintf("the body nests deeper than %d", maxBodyDepth))
	}
	defer func() { c.depth-- }()
	if delim == '{' {
		return c.keys(path + ".")
	}
	for i := 0; c.d.More(); i++ {
		if err := c.value(fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	// More is false at the ] and at the end of a body that breaks off as well.
	if _, err := c.d.Token(); err != nil {
		return notJSON(err)
	}
	return nil
}

// notJSON returns the 400 for a body that is no JSON, or breaks off.
func notJSON(err error) *Error {
	if err == io.EOF {
		// Inside an object the end is never expected; "EOF" alone would read like success.
		err = io.ErrUnexpectedEOF
	}
	return badRequest("the body is not JSON: " + truncate(err.Error(), 128))
}

// values are the values of one object of a body, taken by their keys; null counts as no
// value. What is wrong with any of them is noted in problems, which all objects of a body
// share, and the taker goes on with a zero value: problems.refusal says in the end whether
// the body holds.
type values struct {
	// path stands in front of the keys in messages: "", or such as rules[0].
	path     string
	byKey    map[string]json.RawMessage
	problems *problems
}

// problems gathers what is wrong with a body. The first key that is not known is a 400 and
// comes before every wrong value, which are one 422.
type problems struct {
	unknown *Error
	causes  []Cause
}

// parseBody returns the values of the object that the body is. It refuses with 400 what
// checkObject refuses.
func parseBody(body []byte, known ...string) (values, *Error) {
	v := values{problems: &problems{}}
	if err := checkObject(body, known...); err != nil {
		return v, err
	}
	if err := json.Unmarshal(body, &v.byKey); err != nil {
		return v, notJSON(err)
	}
	return v, nil
}

// refusal returns what is wrong with the whole body, and nil for nothing. The message of a
// 422 has all its causes, as far as they fit.
func (p *problems) refusal() *Error {
	if p.unknown != nil || len(p.causes) == 0 {
		return p.unknown
	}
	var texts []string
	for _, c := range p.causes {
		texts = append(texts, c.Field+": "+c.Message)
	}
	message := truncate("the body is invalid: "+strings.Join(texts, "; "), 1024)
	return &Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: message, Causes: p.causes}
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

// report notes what is wrong with the value of a key. A message begins with "must" or
// "is", so that it can follow the name of the field.
func (v values) report(key, reason, format string, args ...any) {
	v.problems.causes = append(v.problems.causes, Cause{reason, fmt.Sprintf(format, args...), truncate(v.path+key, 256)})
}

// has reports whether the key has a value.
func (v values) has(key string) bool {
	raw := v.byKey[key]
	return len(raw) > 0 && raw[0] != 'n' // of JSON's values only null begins with n
}

// decode reads the value of a key into p. It reports false for a key without a value,
// which is no problem, and for a value of another type; wanted names the type that the
// value must have.
func (v values) decode(key string, p any, wanted string) (ok bool) {
	if !v.has(key) {
		return false
	}
	if err := json.Unmarshal(v.byKey[key], p); err != nil {
		v.report(key, fieldTypeInvalid, "must be %s", wanted)
		return false
	}
	return true
}

// boolean returns true or false; no value is false.
func (v values) boolean(key string) (b bool) {
	v.decode(key, &b, "true or false")
	return b
}

// text returns a text of at most limit characters; no value is "".
func (v values) text(key string, limit int) (s string) {
	v.decode(key, &s, "a text")
	if utf8.RuneCountInString(s) > limit {
		v.report(key, fieldTooLong, "must be of at most %d characters", limit)
	}
	return s
}

// number returns a number from lowest to highest, both included. ok is false for no value
// and for one that is wrong.
func (v values) number(key string, lowest, highest float64) (n float64, ok bool) {
	if !v.decode(key, &n, "a number") {
		return 0, false
	}
	if n < lowest || n > highest {
		v.report(key, fieldInvalid, "must be from %v to %v, is %v", lowest, highest, n)
		return 0, false
	}
	return n, true
}

// integer is number for numbers without a fraction.
func (v values) integer(key string, lowest, highest int64) (n int64, ok bool) {
	if !v.decode(key, &n, "a whole number") {
		return 0, false
	}
	if n < lowest || n > highest {
		v.report(key, fieldInvalid, "must be from %d to %d, is %d", lowest, highest, n)
		return 0, false
	}
	return n, true
}

// lifetime returns how long a control is to be on, above 0 and at most maxLifetime; no
// value is defaultLifetime.
func (v values) lifetime(key string) time.Duration {
	if !v.has(key) {
		return defaultLifetime
	}
	var s string
	if !v.decode(key, &s, `a duration, such as "10m"`) {
		return 0
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		v.report(key, fieldInvalid, `must be a duration, such as "10m", is %q`, truncate(s, 64))
	case d <= 0 || d > maxLifetime:
		// A longer one is refused and not cut: whoever asked for a week would rely on it.
		v.report(key, fieldInvalid, "must be above 0 and at most %v, is %v", maxLifetime, d)
	}
	return d
}

// object returns the values of an object with none but the known keys; no value is an
// object without keys.
func (v values) object(key string, known ...string) values {
	in := values{v.path + key + ".", nil, v.problems}
	if v.has(key) {
		in.byKey = v.fields(key, v.byKey[key], known)
	}
	return in
}

// objects returns the values of each object of a list, which must have at least one and at
// most maxRules. Items that are no objects are left out of the result.
func (v values) objects(key string, known ...string) []values {
	var items []json.RawMessage
	if !v.has(key) {
		v.report(key, fieldRequired, "must have at least one")
		return nil
	}
	if !v.decode(key, &items, "a list of objects") {
		return nil
	}
	switch {
	case len(items) == 0:
		v.report(key, fieldRequired, "must have at least one")
	case len(items) > maxRules:
		// Not one of them is read: a megabyte of wrong rules would be as many causes.
		v.report(key, fieldTooMany, "must have at most %d, has %d", maxRules, len(items))
		return nil
	}
	var out []values
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", key, i)
		if byKey := v.fields(at, item, known); byKey != nil {
			out = append(out, values{v.path + at + ".", byKey, v.problems})
		}
	}
	return out
}

// fields returns the values of one object by their keys, and nil for what is no object. It
// notes the first key of the body that is not known, by the order of the objects and then
// of the keys.
func (v values) fields(key string, raw json.RawMessage, known []string) (byKey map[string]json.RawMessage) {
	if raw[0] != '{' {
		v.report(key, fieldTypeInvalid, "must be an object")
		return nil
	}
	_ = json.Unmarshal(raw, &byKey) // it is part of a body that was read
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		if v.problems.unknown == nil && !slices.Contains(known, k) {
			v.problems.unknown = badRequest(fmt.Sprintf("unknown key %q: known are %s",
				truncate(v.path+key+"."+k, 128), strings.Join(known, ", ")))
		}
	}
	return byKey
}

// match returns the Match that an object is; no value matches all. Its keys are matchKeys and those in also; each must
// have a list of at least one text and at most maxMatchValues.
func (v values) match(key string, also ...string) Match {
	m, in := Match{}, v.object(key, append(slices.Clone(matchKeys), also...)...)
	for _, k := range slices.Sorted(maps.Keys(in.byKey)) {
		// Pointers, so that a null in the list is told from an empty text, which matches
		// requests that have nothing there.
		var texts []*string
		switch ok := in.decode(k, &texts, "a list of texts"); {
		case slices.Contains(texts, nil):
			in.report(k, fieldTypeInvalid, "must be a list of texts")
			continue
		case len(texts) == 0 && (ok || !in.has(k)):
			// A key with no values could match nothing; it is likelier a mistake than meant.
			in.report(k, fieldRequired, "must have at least one value")
		case len(texts) > maxMatchValues:
			in.report(k, fieldTooMany, "must have at most %d values, has %d", maxMatchValues, len(texts))
			continue
		}
		for _, s := range texts {
			m[k] = append(m[k], *s)
		}
	}
	return m
}
