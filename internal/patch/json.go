package patch

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"apichain/internal/status"
	"apichain/internal/tree"
)

// JSON patch (RFC 6902). A patch is a list of operations, done in order on one document;
// where one cannot be done, the patch has no effect at all.
//
// Where upstream's library is wider than the RFC, so is this, because clients have come to
// rely on it:
//
//	{"op":"remove","path":"/list/-1"}           an index may count from the end
//	{"op":"replace","path":"/new","value":1}    sets a member that is not there
//	{"op":"test","path":"/absent","value":null} an absent member is equal to null
//	{"op":"add","path":"/x"}                    an absent value is null
//
// In one thing it is narrower: the whole document, with the path "", can only be replaced by
// an object or a list, or tested.
//
// Clients are told nothing of why an operation failed; upstream answers all failures with
// one text. The reasons are kept as the cause of the error, for the log.

// What a patch may cost. The first two limits are upstream's.
const (
	// jsonPatchMaxOps is how many operations a patch may have.
	jsonPatchMaxOps = 10000
	// jsonPatchMaxCopy is how many bytes of JSON the copy operations of a patch may add.
	// Without it, twenty copies of a list into itself would make a million of it.
	jsonPatchMaxCopy = 3 << 20
	// jsonPatchMaxMoved is how many list elements a patch may shift by inserting and
	// removing before them.
	jsonPatchMaxMoved = 32 << 20
)

// The reasons for which an operation is refused.
var (
	errPatchMissing = errors.New("nothing is there")
	// errPatchKey is errPatchMissing where the object is there, but not its member.
	errPatchKey     = fmt.Errorf("%w", errPatchMissing)
	errPatchIndex   = errors.New("the list has no such index")
	errPatchPointer = errors.New("no JSON pointer to a part of the document")
	errPatchTest    = errors.New("the value is another")
	errPatchLimit   = errors.New("the patch copies or shifts too much")
	errPatchDepth   = errors.New("the result nests too deep")

	errPatchOperation = errors.New("no such operation")
)

// jsonPatch is a patch that was read: its operations in order.
type jsonPatch []jsonPatchOp

// jsonPatchOp is one operation. An empty path is the whole document, so that an absent one
// must be told apart.
type jsonPatchOp struct {
	op, path, from string
	hasOp, hasPath bool
	hasFrom        bool
	value          any
}

// JSON returns doc with the operations of patch done in order. doc is consumed: it is
// changed, also where the patch fails, and parts of it are in the result. strict has what a strict
// reader would say of the patch. The error is a *status.Error: 400 for what is no JSON patch, 413
// for too many operations, 422 for an operation that cannot be done, a failed test, and a patch that
// would take too much.
func JSON(doc any, patch []byte) (result any, strict []string, err error) {
	p, strict, err := readJSONPatch(patch)
	if err != nil {
		return nil, nil, err
	}
	result, err = p.apply(doc)
	return result, strict, err
}

// readJSONPatch reads a patch. strict has what a strict reader would say of it, in order:
// `json patch unknown field "[0].foo"`, `json patch duplicate field "[1].path"`. The error
// is a *status.Error, 400 or 413.
func readJSONPatch(patch []byte) (p jsonPatch, strict []string, err error) {
	v, repeated, err := tree.ParseJSON(patch)
	if err != nil {
		return nil, nil, status.BadRequest("invalid JSON patch")
	}
	// null is a list without operations, as it is for encoding/json.
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, nil, status.BadRequest("error decoding patch: json: cannot unmarshal " + tree.TypeName(v) +
			" into Go value of type []handlers.jsonPatchOp")
	}
	if len(list) > jsonPatchMaxOps {
		return nil, nil, tooManyOps(len(list))
	}
	p = make(jsonPatch, len(list))
	odd := false
	for i, e := range list {
		unknown, err := p[i].read(e)
		if err != nil {
			return nil, nil, status.BadRequest("error decoding patch: " + err.Error())
		}
		odd = odd || unknown
	}
	if odd || len(repeated) > 0 {
		strict = strictProblems(patch)
	}
	return p, strict, nil
}

// strictProblems returns what a strict reader says of a patch, in the order of its text. The keys of
// an operation are those behind its index; what is in a value may have any name.
func strictProblems(patch []byte) (strict []string) {
	tree.JSONKeys(patch, func(path []byte, repeated bool) {
		_, key, ok := strings.Cut(string(path), "].")
		if !ok || len(strict) == maxStrict {
			return
		}
		name, _, _ := strings.Cut(key, ".")
		name, _, _ = strings.Cut(name, "[")
		switch {
		case name == "value" || slices.Contains([]string{"op", "path", "from"}, key):
			if repeated {
				strict = append(strict, `json patch duplicate field "`+string(path)+`"`)
			}
		case !strings.ContainsAny(key, ".["):
			if !repeated { // each is told once
				strict = append(strict, `json patch unknown field "`+string(path)+`"`)
			}
		}
	})
	return strict
}

// maxStrict bounds how much is said of one patch: each becomes a warning.
const maxStrict = 100

// tooManyOps returns the 413 for a patch of n operations.
func tooManyOps(n int) *status.Error {
	return &status.Error{
		Code: http.StatusRequestEntityTooLarge, Reason: "RequestEntityTooLarge",
		Message: fmt.Sprintf("Request entity too large: The allowed maximum operations in a JSON patch is %d, got %d", jsonPatchMaxOps, n),
	}
}

// read sets o from JSON, and says whether it has members that mean nothing. A null stands for an
// absent member, and a member of a wrong type is an error, both as encoding/json has it.
func (o *jsonPatchOp) read(v any) (unknown bool, err error) {
	members, ok := v.(map[string]any)
	if !ok && v != nil {
		return false, fmt.Errorf("json: cannot unmarshal %s into Go value of type handlers.jsonPatchOp", tree.TypeName(v))
	}
	// Only the first error is kept; the order of the calls below makes it always the same.
	text := func(key string, into *string) bool {
		s, ok := members[key].(string)
		if !ok && members[key] != nil && err == nil {
			const text = "json: cannot unmarshal %s into Go struct field jsonPatchOp.%s of type string"
			err = fmt.Errorf(text, tree.TypeName(members[key]), key)
		}
		*into = s
		return ok
	}
	o.hasOp = text("op", &o.op)
	o.hasPath = text("path", &o.path)
	o.hasFrom = text("from", &o.from)
	o.value = members["value"]
	for key := range members {
		switch key {
		case "op", "path", "from", "value":
		default:
			unknown = true
		}
	}
	return unknown, err
}

// apply does the operations on doc. It consumes both: the values of p become parts of the
// result, so that p cannot be applied again.
func (p jsonPatch) apply(doc any) (any, error) {
	run := jsonPatchRun{doc: doc}
	for i, o := range p {
		if err := run.do(o); err != nil {
			return nil, patchRefused(fmt.Errorf("operation %d, %q at %q: %w", i, truncated(o.op), truncated(o.path), err))
		}
	}
	// What is stored must be read again, so its depth is bounded as that of any document.
	if !nestsWithin(run.doc, tree.MaxDepth) {
		return nil, patchRefused(errPatchDepth)
	}
	return run.doc, nil
}

// patchRefused returns the answer to a patch that cannot be applied. It tells the client
// nothing, as upstream's does not; cause is for the log.
func patchRefused(cause error) *status.Error {
	return &status.Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Details: &status.Details{},
		Message: "the server rejected our request due to an error in our request", Cause: cause}
}

// truncated returns s, cut to a length that a log line or a message can bear: it holds what
// the client sent.
//
//go:noinline
func truncated(s string) string {
	const most = 512
	if len(s) <= most {
		return s
	}
	// The cut may be in the middle of a character.
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// jsonPatchRun is a document that a patch is being applied to, and what that has cost so
// far.
type jsonPatchRun struct {
	doc    any
	copied int // bytes, as jsonPatchMaxCopy counts them
	moved  int // list elements
}

// do does one operation. After an error the document is of no use.
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
		// The value is gone before its new place is looked for, so that moving a value into
		// itself finds no place, and an index is one of the shorter list (RFC 6902, 4.4).
		v, err := r.remove(o.from)
		if err != nil {
			return fromError{err}
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
	return errPatchOperation
}

// add sets a member of an object, or inserts an element into a list before the one that has
// the index now, or at the end (RFC 6902, 4.1).
func (r *jsonPatchRun) add(path string, v any) error {
	at, err := r.locate(path)
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

// remove takes a member or an element away, which must be there, and returns it.
func (r *jsonPatchRun) remove(path string) (any, error) {
	at, err := r.locate(path)
	if err != nil {
		return nil, err
	}
	if at.object != nil {
		v, ok := at.object[at.key]
		if !ok {
			return nil, errPatchKey
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

// replace sets a member, which need not be there (upstream), or an element, which must.
func (r *jsonPatchRun) replace(path string, v any) error {
	if path == "" {
		// Upstream's document is always an object or a list.
		switch v.(type) {
		case map[string]any, []any:
			r.doc = v
			return nil
		}
		return errPatchPointer
	}
	at, err := r.locate(path)
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

// copy adds the value at from, an absent member's null included, at path.
func (r *jsonPatchRun) copy(from, path string) error {
	at, err := r.locate(from)
	if err != nil {
		return fromError{err}
	}
	v, err := at.value()
	if err != nil {
		return fromError{err}
	}
	// Later operations may change either of the two, so they must share nothing.
	c := jsonCopier{left: jsonPatchMaxCopy - r.copied}
	v = c.copy(v, 0)
	if c.left < 0 {
		return errPatchLimit
	}
	r.copied = jsonPatchMaxCopy - c.left
	return r.add(path, v)
}

// test fails unless the value at path is want. Numbers are compared by value and members in
// any order (RFC 6902, 4.6).
func (r *jsonPatchRun) test(path string, want any) error {
	v := r.doc
	if path != "" {
		at, err := r.locate(path)
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

// shift counts list elements that a step moves, and fails where there have been too many:
// ten thousand insertions at the front of a list of a million would take a minute.
func (r *jsonPatchRun) shift(n int) error {
	if r.moved += n; r.moved > jsonPatchMaxMoved {
		return errPatchLimit
	}
	return nil
}
