package patch

import (
	"errors"
	"fmt"
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

// failure returns what upstream's library says of an operation that failed, as far as it is known here why.
func failure(o jsonPatchOp, why error) error {
	switch {
	case errors.Is(why, errPatchOperation):
		op := o.op
		if op == "" {
			op = "unknown"
		}
		return errors.New("Unexpected kind: " + truncated(op))
	case errors.Is(why, errPatchTest):
		return fmt.Errorf("testing value %s failed: %w", truncated(o.path), ErrTestFailed)
	case !errors.Is(why, errPatchMissing) && !errors.Is(why, errPatchPointer):
		return fmt.Errorf("%s operation at %q does not apply: %w", truncated(o.op), truncated(o.path), why)
	case errors.Is(why, errPatchKey):
		key := o.path[strings.LastIndexByte(o.path, '/')+1:]
		const nonexistent = "error in remove for path: '%s': Unable to remove nonexistent key: %s: missing value"
		return fmt.Errorf(nonexistent, truncated(o.path), truncated(key))
	}
	return fmt.Errorf("%s operation does not apply: doc is missing path: %q: missing value", o.op, truncated(o.path))
}
