package patch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// A JSON patch may also be the answer of a webhook. Its author is told why it cannot be applied, which a client is not, in the
// words of upstream's library; and its size is bounded by that of the answer, so that the number of operations need not be.

// Operations returns doc with operations done in order, which were read as JSON: as JSON does, without a bound for their number.
// doc and the operations are consumed. The error says which one failed and why; the document is of no use then.
func Operations(doc any, operations []any) (any, error) {
	run := jsonPatchRun{doc: doc}
	for _, v := range operations {
		var o jsonPatchOp
		if _, err := o.read(v); err != nil {
			return nil, err
		}
		if err := run.do(o); err != nil {
			return nil, failure(o, err)
		}
	}
	if !nestsWithin(run.doc, tree.MaxDepth) {
		return nil, errPatchDepth
	}
	return run.doc, nil
}

// ErrTestFailed is the error of a test operation whose value is another.
var ErrTestFailed = errors.New("test failed")

// fromError is why the value that is copied or moved is not there.
type fromError struct{ error }

func (e fromError) Unwrap() error { return e.error }

// failure returns what upstream's library says of an operation that failed, as far as it is known here why. Which text is of which
// operation has no system: they are its own.
func failure(o jsonPatchOp, why error) error {
	op, path := truncated(o.op), truncated(o.path)
	switch o.op {
	case "add", "remove", "replace", "move", "copy", "test":
	default:
		if !o.hasOp {
			op = "unknown"
		}
		return errors.New("Unexpected kind: " + op)
	}
	const missing = ": missing value"
	isFrom := errors.As(why, new(fromError))
	switch {
	case errors.Is(why, errPatchTest):
		return fmt.Errorf("testing value %s failed: %w", path, ErrTestFailed)
	case (o.op == "copy" || o.op == "move") && !o.hasFrom:
		return errors.New(op + " operation failed to decode from: operation, missing from field" + missing)
	case !o.hasPath:
		return errors.New(op + " operation failed to decode path" + missing)
	case o.op == "replace" && o.path == "":
		return errors.New("replace operation value must be object or array: %!w(<nil>)")
	case errors.Is(why, errPatchIndex) && o.op == "replace":
		return errors.New("replace operation does not apply: doc is missing key: " + path + missing)
	case errors.Is(why, errPatchIndex), errors.Is(why, errPatchKey):
		return errors.New(placed(o, isFrom) + reason(o, isFrom, why))
	case !errors.Is(why, errPatchMissing) && !errors.Is(why, errPatchPointer):
		return fmt.Errorf("%s operation at %q does not apply: %w", op, path, why)
	case isFrom:
		return errors.New(op + " operation does not apply: doc is missing from path: " + truncated(o.from) + missing)
	case o.op == "add" || o.op == "remove":
		return errors.New(op + " operation does not apply: doc is missing path: \"" + path + "\"" + missing)
	}
	what := map[string]string{"replace": "doc is missing path: ", "test": "is missing path: "}[o.op]
	if what == "" {
		what = "doc is missing destination path: "
	}
	return errors.New(op + " operation does not apply: " + what + path + missing)
}

// lastStep returns the last step of a pointer.
func lastStep(pointer string) string {
	return truncated(pointer[strings.LastIndexByte(pointer, '/')+1:])
}

// placed begins the text of an operation whose place is there, but not the member or the index.
func placed(o jsonPatchOp, isFrom bool) string {
	switch {
	case o.op == "copy" && isFrom:
		return "error in copy for from: '" + truncated(o.from) + "': "
	case o.op == "copy":
		return "error while adding value during copy: "
	case o.op == "move" && isFrom:
		return "error in move for path: '" + lastStep(o.from) + "': "
	}
	return "error in " + truncated(o.op) + " for path: '" + truncated(o.path) + "': "
}

// reason says what is wrong with a member or an index.
func reason(o jsonPatchOp, isFrom bool, why error) string {
	key := lastStep(o.path)
	if isFrom {
		key = lastStep(o.from)
	}
	if errors.Is(why, errPatchKey) {
		return "Unable to remove nonexistent key: " + key + ": missing value"
	}
	i, err := strconv.Atoi(key)
	switch {
	case err == nil:
		return "Unable to access invalid index: " + strconv.Itoa(i) + ": invalid index referenced"
	case !isFrom && o.op != "remove" && o.op != "test":
		return "value was not a proper array index: '" + key + "': " + err.Error()
	}
	return err.Error()
}
