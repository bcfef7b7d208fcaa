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

// configuration is what is applied. It is read once for each request, and does not change however often it is applied.
type configuration struct {
	object map[string]any
	// problems are the keys that come twice, in the words of a strict reader.
	problems []string
}

// readConfiguration reads what is applied. What is no object is refused when it is applied (upstream).
// The error is a 400 in the words of upstream's two readers. The object is the caller's, and shared by all attempts: none
// may change it.
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
	// An empty body is an empty object, which is refused for its kind and not for its form.
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
	// A JSON body with a fault is read again as YAML only for the words, and for the keys that come twice.
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
		// YAML knows no pairs of surrogates, and JSON no other way to write what is beyond the first plane.
		if c == '\\' && i+2 < len(body) && (body[i+1] == '/' || body[i+1] == 'u' && body[i+2]|0x20 == 'd') {
			return false
		}
	}
	return true
}

// applyTo applies a configuration to the object old, or creates one where that is nil, and answers. A lost race comes back as a
// *store.Conflict, with which the caller reads the object again and repeats all of this.
func (q *Call) applyTo(old *store.Object, c *configuration) error {
	// Only the object itself can be created by an apply: of one that is not there nothing can be written to a part.
	if old == nil && q.info.Subresource != "" {
		return q.notFound(q.name)
	}
	w := write{Call: q, old: old, owned: true}
	if old != nil {
		w.was = q.decode(old)
	}
	var err error
	// Errors of the merge come before all checks of the object, since there is no object before it.
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
	// From here on it is a patch like any other: name and version of what came out have to be those of the path.
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

// applied returns what comes of applying a configuration to a tree, which is nil for a new one. What is refused is a 400, a conflict
// a 409, and any other error a 500 as upstream has for what its field manager does not explain. Neither tree is changed.
func (q *Call) applied(by *managed.Writer, was map[string]any, c *configuration) (map[string]any, error) {
	// Who applies has to say so itself; a User-Agent is never enough.
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
	// Keys that come twice are told only of what could be applied at all: conflicts come first, as upstream has it.
	if len(c.problems) > 0 && q.strict == "Strict" {
		// Upstream's reader tells all of them in one error of several lines.
		return nil, status.BadRequest("error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  " +
			strings.Join(c.problems, "\n  "))
	}
	q.warnOf(c.problems)
	return next, nil
}

// applyConflict returns the 409 of conflicts between managers. It names no object (upstream), and the details have a cause for each field
// that the message has room for.
func applyConflict(c *managed.Conflict) error {
	// The details are there even without a name in them, for the sake of the causes.
	e := &status.Error{Code: http.StatusConflict, Reason: "Conflict", Message: c.Message, Details: &status.Details{}}
	// Causes are in the order of the message.
	for _, cause := range c.Causes {
		e.Details.Causes = append(e.Details.Causes, field.Error{Reason: "FieldManagerConflict", Message: cause.Message, Field: cause.Field})
	}
	return e
}

// insertApplied creates next, an object that was applied and is not there, and answers with 201. Who may patch need not be allowed to
// create. The uid is looked at first, then name and namespace, then the right to create.
func (w *write) insertApplied() error {
	q := w.Call
	// A uid names an object that has been there: making another one in its place is never what was meant.
	if uid := tree.Text(w.next, "metadata", "uid"); uid != "" {
		return q.conflict(q.name, "uid mismatch: the provided object specified uid "+uid+", and no existing object was found")
	}
	if err := q.checkTarget(w.next); err != nil {
		return err
	}
	delete(tree.Metadata(w.next), "resourceVersion") // there is nothing that it could be of
	// The request was authorized as a patch; that it creates shows only here.
	if err := q.mayCreate(); err != nil {
		return err
	}
	err := w.insert()
	var e *status.Error
	// Somebody was faster: as a lost race it is tried again, and then applied to the object that is there now.
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
	// Who may patch an object that is there has said nothing yet of making one (upstream asks its authorizer again as well).
	if q.api.Config.Authorizer == nil || q.w == nil { // a call of the program itself
		return nil
	}
	// A copy, since the audit and the metrics of the request keep its own verb.
	info := *q.info
	info.Verb = "create"
	d := q.api.Config.Authorizer.Authorize(q.req.Context(), q.scope.ActingUser(), &info)
	if d.Verdict == auth.Allow {
		return nil
	}
	return auth.Forbidden(q.scope.ActingUser(), &info, d.Reason)
}
