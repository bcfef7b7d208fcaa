package api

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/managed"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Server-side apply: the client sends what it wants an object to say, and the server merges that into the object as it is, or makes
// one. Who owns what decides what goes and what conflicts (package managed); the rest is the row of steps of any write, a create where
// there is no object. The body is YAML, which JSON is too, and is read once; each attempt applies it anew.

// configuration is what is applied.
type configuration struct {
	object map[string]any
	// problems are the keys that come twice, in the words of a strict reader.
	problems []string
}

// readConfiguration reads what is applied. What is no object is refused when it is applied (upstream).
func readConfiguration(body []byte) (*configuration, error) {
	v, problems, err := parseConfiguration(body)
	if err != nil {
		// Upstream takes what begins like JSON for JSON first.
		why := "error encoding patch: "
		if bytes.HasPrefix(bytes.TrimLeftFunc(body, unicode.IsSpace), []byte("{")) {
			why = "error decoding patch: error converting YAML to JSON: "
		}
		return nil, status.BadRequest(why + err.Error())
	}
	c := &configuration{problems: problems}
	switch v := v.(type) {
	case map[string]any:
		c.object = v
	case nil:
		c.object = map[string]any{}
	default:
		return nil, status.BadRequest("error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal " +
			tree.TypeName(v) + " into Go value of type map[string]interface {}")
	}
	return c, nil
}

// parseConfiguration parses YAML. Most of it is JSON, which is read faster as that; what is wrong with it is told as of YAML.
func parseConfiguration(body []byte) (v any, problems []string, err error) {
	if bothWays(body) {
		if v, problems, err = tree.ParseJSON(body); err == nil && len(problems) == 0 {
			return v, nil, nil
		}
	}
	return tree.ParseYAMLObject(body)
}

// bothWays reports whether a body that is JSON is the same as YAML, which has other escapes and control characters: no escaped slash or
// surrogate, and ASCII alone.
func bothWays(body []byte) bool {
	for i, c := range body {
		if c >= 0x7f {
			return false
		}
		if c == '\\' && i+2 < len(body) && (body[i+1] == '/' || body[i+1] == 'u' && body[i+2]|0x20 == 'd') {
			return false
		}
	}
	return true
}

// applyTo applies a configuration to the object old, or creates one where that is nil, and answers.
func (q *Call) applyTo(old *store.Object, c *configuration) error {
	if old == nil && q.info.Subresource != "" {
		return q.notFound(q.name)
	}
	w := write{Call: q, old: old, owned: true}
	if old != nil {
		w.was = q.decode(old)
	}
	var err error
	by := q.writer()
	if w.next, err = q.applied(&by, w.was, c); err != nil {
		return err
	}
	// Nothing is unknown in what comes out, since the schema has been asked, which does not know what a quantity is.
	if _, err := w.shape.Prune(w.next); err != nil {
		return status.Unexplained(by.Unconverted(c.object, err))
	}
	if old == nil {
		return w.insertApplied()
	}
	if err := w.checkTarget(w.next); err != nil {
		return err
	}
	if err := w.checkPatchedRevision(); err != nil {
		return err
	}
	if err := w.replace(); err != nil {
		return err
	}
	return w.answer(http.StatusOK)
}

// applied returns what comes of applying a configuration to a tree, which is nil for a new one.
func (q *Call) applied(by *managed.Writer, was map[string]any, c *configuration) (map[string]any, error) {
	by.Manager = q.manager
	next, err := by.Apply(was, c.object, q.force)
	var refused managed.Refusal
	var conflict *managed.Conflict
	switch {
	case errors.As(err, &refused):
		return nil, status.BadRequest(refused.Error())
	case errors.As(err, &conflict):
		return nil, applyConflict(conflict)
	case err != nil:
		return nil, status.Unexplained(err.Error())
	}
	if len(c.problems) > 0 && q.strict == "Strict" {
		// Upstream's reader tells all of them in one error of several lines.
		return nil, status.BadRequest("error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  " +
			strings.Join(c.problems, "\n  "))
	}
	q.warnOf(c.problems)
	return next, nil
}

// applyConflict returns the 409 of conflicts between managers. It names no object (upstream).
func applyConflict(c *managed.Conflict) error {
	e := &status.Error{Code: http.StatusConflict, Reason: "Conflict", Message: c.Message, Details: &status.Details{}}
	for _, cause := range c.Causes {
		e.Details.Causes = append(e.Details.Causes, field.Error{Reason: "FieldManagerConflict", Message: cause.Message, Field: cause.Field})
	}
	return e
}

// insertApplied creates next, an object that was applied and is not there, and answers. Who may patch need not be allowed to create.
func (w *write) insertApplied() error {
	q := w.Call
	if uid := tree.Text(w.next, "metadata", "uid"); uid != "" {
		return q.conflict(q.name, "uid mismatch: the provided object specified uid "+uid+", and no existing object was found")
	}
	if err := q.checkTarget(w.next); err != nil {
		return err
	}
	delete(tree.Metadata(w.next), "resourceVersion") // there is nothing that it could be of
	if err := q.mayCreate(); err != nil {
		return err
	}
	err := w.insert()
	var e *status.Error
	if errors.As(err, &e) && e.Reason == "AlreadyExists" {
		return &store.Conflict{Bucket: q.Bucket, Key: q.Resource.Key(q.namespace, q.name)}
	}
	if err != nil {
		return err
	}
	return w.answer(http.StatusCreated)
}

// mayCreate returns the 403 for who may update or patch objects of the resource but not create them, by a request that would.
func (q *Call) mayCreate() error {
	if q.api.Config.Authorizer == nil || q.w == nil { // a call of the program itself
		return nil
	}
	info := *q.info
	info.Verb = "create"
	d := q.api.Config.Authorizer.Authorize(q.req.Context(), q.scope.ActingUser(), &info)
	if d.Verdict == auth.Allow {
		return nil
	}
	return auth.Forbidden(q.scope.ActingUser(), &info, d.Reason)
}
