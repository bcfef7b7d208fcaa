package patch

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/status"
	"apichain/internal/tree"
)

// JSON patch (RFC 6902). Where upstream's library is wider than the RFC, so is this,
// because clients have come to rely on it: an index may count from the end (-1 is the
// last), replace sets a member that is not there, test takes an absent member for null,
// and an operation without a value has the value null. In one thing it is narrower: the
// whole document can only be replaced or tested.

const (
	jsonPatchMaxOps   = 10000    // operations in one patch, as upstream
	jsonPatchMaxCopy  = 3 << 20  // bytes of JSON that the copy operations of one patch may add, as upstream
	jsonPatchMaxMoved = 32 << 20 // list elements that one patch may shift by inserting and removing before them
)

// jsonPatch is a patch, read.
type jsonPatch []jsonPatchOp

type jsonPatchOp struct {
	op, path, from string
	hasPath        bool
	hasFrom        bool
	value          any
}

// The refusals of an operation. Clients get one text for all of them; these are for the log.
var (
	errPatchMissing = errors.New("nothing is there")
	errPatchIndex   = errors.New("the list has no such index")
	errPatchPointer = errors.New("no JSON pointer to a part of the document")
	errPatchTest    = errors.New("the value is another")
	errPatchLimit   = errors.New("the patch copies or shifts too much")
	errPatchDepth   = errors.New("the result nests too deep")
)

// JSON is doc with the operations of patch done in order. doc is consumed: it
// is changed, also where the patch fails, and parts of it are in the result. The error is
// a *status.Error: 400 for what is no JSON patch, 413 for too many operations, 422 for an
// operation that cannot be done, a failed test, and a patch that would take too much.
func JSON(doc any, patch []byte) (any, error) {
	p, _, err := readJSONPatch(patch)
	if err != nil {
		return nil, err
	}
	return p.apply(doc)
}

// readJSONPatch reads a patch. odd is what a strict reader says of it, in order:
// `json patch unknown field "[0].foo"`, `json patch duplicate field "[1].path"`. The error
// is a *status.Error, 400 or 413.
func readJSONPatch(patch []byte) (p jsonPatch, odd []string, err error) {
	v, repeated, err := tree.ParseJSON(patch)
	if err != nil {
		return nil, nil, status.BadRequest("invalid JSON patch: " + err.Error())
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, nil, status.BadRequest("error decoding patch: json: cannot unmarshal " + tree.TypeName(v) + " into Go value of type []handlers.jsonPatchOp")
	}
	if len(list) > jsonPatchMaxOps {
		return nil, nil, &status.Error{Code: http.StatusRequestEntityTooLarge, Reason: "RequestEntityTooLarge",
			Message: fmt.Sprintf("Request entity too large: The allowed maximum operations in a JSON patch is %d, got %d", jsonPatchMaxOps, len(list))}
	}
	p = make(jsonPatch, len(list))
	for i, e := range list {
		unknown, err := p[i].read(e)
		if err != nil {
			return nil, nil, status.BadRequest("error decoding patch: " + err.Error())
		}
		at := "[" + strconv.Itoa(i) + "]."
		for len(repeated) > 0 && strings.HasPrefix(repeated[0], at) {
			odd = append(odd, `json patch duplicate field "`+repeated[0]+`"`)
			repeated = repeated[1:]
		}
		for _, key := range unknown {
			odd = append(odd, `json patch unknown field "`+at+key+`"`)
		}
	}
	return p, odd, nil
}

// read takes one operation from JSON and returns its members that mean nothing, sorted.
// A null stands for an absent one (encoding/json).
func (o *jsonPatchOp) read(v any) (unknown []string, err error) {
	members, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("json: cannot unmarshal %s into Go value of type handlers.jsonPatchOp", tree.TypeName(v))
	}
	text := func(key string, into *string) bool {
		s, ok := members[key].(string)
		if !ok && members[key] != nil && err == nil {
			err = fmt.Errorf("json: cannot unmarshal %s into Go struct field jsonPatchOp.%s of type string", tree.TypeName(members[key]), key)
		}
		*into = s
		return ok
	}
	text("op", &o.op)
	o.hasPath = text("path", &o.path)
	o.hasFrom = text("from", &o.from)
	o.value = members["value"]
	for key := range members {
		switch key {
		case "op", "path", "from", "value":
		default:
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	return unknown, err
}

// apply does the operations. It consumes doc and p: the values of p become parts of the
// result.
func (p jsonPatch) apply(doc any) (any, error) {
	run := jsonPatchRun{doc: doc}
	for i, o := range p {
		if err := run.do(o); err != nil {
			return nil, patchRefused(fmt.Errorf("operation %d, %q at %q: %w", i, shownPart(o.op), shownPart(o.path), err))
		}
	}
	// What is stored must be read again, so its depth is that of any document.
	if !nestsWithin(run.doc, tree.MaxDepth) {
		return nil, patchRefused(errPatchDepth)
	}
	return run.doc, nil
}

// patchRefused is the answer to a patch that cannot be applied; upstream gives no reason
// to the client.
func patchRefused(cause error) *status.Error {
	return &status.Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Details: &status.Details{},
		Message: "the server rejected our request due to an error in our request", Cause: cause}
}

// shownPart is s cut for a log line or a message.
func shownPart(s string) string {
	const most = 512
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// jsonPatchRun is a document in work, and what the patch has cost so far.
type jsonPatchRun struct {
	doc    any
	copied int // bytes
	moved  int // list elements
}

func (r *jsonPatchRun) do(o jsonPatchOp) error {
	if !o.hasPath {
		return errPatchPointer
	}
	switch o.op {
	case "add":
		return r.add(o.path, o.value)
	case "remove":
		_, err := r.remove(o.path)
		return err
	case "replace":
		return r.replace(o.path, o.value)
	case "move":
		if !o.hasFrom {
			return errPatchPointer
		}
		v, err := r.remove(o.from)
		if err != nil {
			return err
		}
		return r.add(o.path, v)
	case "copy":
		if !o.hasFrom {
			return errPatchPointer
		}
		return r.copy(o.from, o.path)
	case "test":
		return r.test(o.path, o.value)
	}
	return errors.New("no such operation")
}

func (r *jsonPatchRun) add(path string, v any) error {
	at, err := r.place(path)
	if err != nil {
		return err
	}
	if at.object != nil {
		at.object[at.key] = v
		return nil
	}
	// An index from the end counts the new element too: -1 appends.
	i, err := at.index(len(at.list) + 1)
	if err != nil {
		return err
	}
	if err := r.shift(len(at.list) - i); err != nil {
		return err
	}
	at.setList(slices.Insert(at.list, i, v))
	return nil
}

func (r *jsonPatchRun) remove(path string) (any, error) {
	at, err := r.place(path)
	if err != nil {
		return nil, err
	}
	if at.object != nil {
		v, ok := at.object[at.key]
		if !ok {
			return nil, errPatchMissing
		}
		delete(at.object, at.key)
		return v, nil
	}
	i, err := at.index(len(at.list))
	if err != nil {
		return nil, err
	}
	if err := r.shift(len(at.list) - i); err != nil {
		return nil, err
	}
	v := at.list[i]
	at.setList(slices.Delete(at.list, i, i+1))
	return v, nil
}

func (r *jsonPatchRun) replace(path string, v any) error {
	if path == "" {
		switch v.(type) {
		case map[string]any, []any:
			r.doc = v
			return nil
		}
		return errPatchPointer
	}
	at, err := r.place(path)
	if err != nil {
		return err
	}
	if at.object != nil {
		at.object[at.key] = v
		return nil
	}
	i, err := at.index(len(at.list))
	if err != nil {
		return err
	}
	at.list[i] = v
	return nil
}

func (r *jsonPatchRun) copy(from, path string) error {
	at, err := r.place(from)
	if err != nil {
		return err
	}
	v, err := at.value()
	if err != nil {
		return err
	}
	c := jsonCopier{left: jsonPatchMaxCopy - r.copied}
	v = c.copy(v, 0)
	if c.left < 0 {
		return errPatchLimit
	}
	r.copied = jsonPatchMaxCopy - c.left
	return r.add(path, v)
}

func (r *jsonPatchRun) test(path string, want any) error {
	v := r.doc
	if path != "" {
		at, err := r.place(path)
		if err != nil {
			return err
		}
		if v, err = at.value(); err != nil {
			return err
		}
	}
	if !tree.Equal(v, want) {
		return errPatchTest
	}
	return nil
}

// shift counts list elements that a step moves: ten thousand insertions at the front of a
// list of a million would take a minute.
func (r *jsonPatchRun) shift(n int) error {
	if r.moved += n; r.moved > jsonPatchMaxMoved {
		return errPatchLimit
	}
	return nil
}

// jsonPlace is where a pointer leads: a member of an object or an element of a list,
// which need not be there.
type jsonPlace struct {
	key     string
	object  map[string]any // nil: in list
	list    []any
	setList func([]any) // puts a list of another length where list is
}

// place follows a pointer (RFC 6901) to its last step. All but what the last step names
// must be there.
func (r *jsonPatchRun) place(pointer string) (jsonPlace, error) {
	if pointer == "" || pointer[0] != '/' {
		return jsonPlace{}, errPatchPointer
	}
	v, set := r.doc, func(l []any) { r.doc = l }
	for {
		step, rest, more := strings.Cut(pointer[1:], "/")
		at := jsonPlace{key: unescapePointer(step), setList: set}
		switch v := v.(type) {
		case map[string]any:
			at.object = v
		case []any:
			at.list = v
		default:
			return jsonPlace{}, errPatchMissing
		}
		if !more {
			return at, nil
		}
		var err error
		if v, err = at.value(); err != nil {
			return jsonPlace{}, err
		}
		// An object changes in place; only a list is put back where it was, by its outer.
		if _, ok := v.([]any); ok {
			set = at.setter()
		}
		pointer = pointer[len(pointer)-len(rest)-1:]
	}
}

// setter puts a list at the place, which is there.
func (at jsonPlace) setter() func([]any) {
	if at.object != nil {
		return func(l []any) { at.object[at.key] = l }
	}
	return func(l []any) {
		if i, err := at.index(len(at.list)); err == nil {
			at.list[i] = l
		}
	}
}

// value is what is there: nil for an absent member, an error for an absent element.
func (at jsonPlace) value() (any, error) {
	if at.object != nil {
		return at.object[at.key], nil
	}
	if at.key == "-" {
		return nil, errPatchIndex
	}
	i, err := at.index(len(at.list))
	if err != nil {
		return nil, err
	}
	return at.list[i], nil
}

// index is the key as an index below n. - is the end of a list, behind its elements; so
// it is one only where n counts the element to come.
func (at jsonPlace) index(n int) (int, error) {
	if at.key == "-" && n > len(at.list) {
		return len(at.list), nil
	}
	digits := strings.TrimPrefix(at.key, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(digits) > 1 {
		return 0, errPatchIndex
	}
	i, err := strconv.Atoi(at.key)
	if err != nil || i >= n || i < -n {
		return 0, errPatchIndex
	}
	if i < 0 {
		i += n
	}
	return i, nil
}

// unescapePointer is a pointer's step as a key: ~1 is a slash and ~0 a tilde.
func unescapePointer(step string) string {
	if !strings.Contains(step, "~") {
		return step
	}
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}

// jsonCopier copies a value while left, in bytes of JSON, is not below zero. What it
// returns after that is no copy. An object counts for more than its text, as it takes
// many times as much memory where it is small.
type jsonCopier struct{ left int }

func (c *jsonCopier) copy(v any, depth int) any {
	if depth > tree.MaxDepth {
		c.left = -1
	}
	if c.left < 0 {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any)
		c.left -= 26
		for k, e := range v {
			if c.left -= len(k) + 4; c.left < 0 {
				return nil
			}
			o[k] = c.copy(e, depth+1)
		}
		return o
	case []any:
		c.left -= 2 + len(v)
		if c.left < 0 {
			return nil
		}
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = c.copy(e, depth+1)
		}
		return a
	case string:
		c.left -= len(v) + 2
	default:
		c.left -= 4 // about what a number or a word takes
	}
	return v
}

// nestsWithin reports whether the collections of v nest at most depth deep. It looks no
// deeper, so it may be asked of any value.
func nestsWithin(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		if depth == 0 {
			return false
		}
		for _, e := range v {
			if !nestsWithin(e, depth-1) {
				return false
			}
		}
	case []any:
		if depth == 0 {
			return false
		}
		for _, e := range v {
			if !nestsWithin(e, depth-1) {
				return false
			}
		}
	}
	return true
}
