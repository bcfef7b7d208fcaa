package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/patch"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// A patch says how an object changes, in one of three languages that the Content-Type names.
// The body is read once, into a patcher; from there on a patch is an update whose new object is
// made of the stored one, in each attempt anew. That is why it can be tried again after a
// conflict without asking the client, unless the patch itself sets metadata.resourceVersion: a
// result with another one than the stored object's is a conflict.
//
// What comes out is checked as a body would be, but in other words: where a field does not fit,
// the client is told of its "patch", because that is all that it has sent.
//
// Server-side apply will be a fourth patcher here, with two differences: it may create the
// object, and it reads and writes the managed fields.

// The media types of patches. applyPatchType is known, and refused.
const (
	jsonPatchType      = "application/json-patch+json"
	mergePatchType     = "application/merge-patch+json"
	strategicPatchType = "application/strategic-merge-patch+json"
	applyPatchType     = "application/apply-patch+yaml"
)

// patchTries is how often a patch is tried anew when somebody else writes the object
// between its read and its write (upstream).
const patchTries = 5

// patcher makes of an object in the version of the request what a patch wants it to be. doc is
// consumed. An error is for the client.
type patcher func(doc map[string]any) (map[string]any, error)

// patch serves PATCH of an object or of its status.
func (q *Call) patch() error {
	if q.name == "" {
		return status.BadRequest("name must be provided")
	}
	contentType := q.patchType()
	// Options of an apply follow other rules (force is one of them), so its type is refused
	// first.
	if contentType != applyPatchType {
		if err := q.writeOptions("PatchOptions"); err != nil {
			return err
		}
	}
	apply, err := q.readPatch(contentType)
	if err != nil {
		return err
	}
	return q.retry(patchTries, func(old *store.Object) error {
		if old == nil {
			return q.notFound(q.name)
		}
		w := write{Call: q, old: old, was: q.decode(old)}
		if err := w.applyPatch(apply); err != nil {
			return err
		}
		if err := w.replace(); err != nil {
			return err
		}
		return w.answer(http.StatusOK)
	})
}

// applyPatch sets next to what the patch makes of old, and checks what it did to the identity
// of the object. After it, next is pruned and has the kind, name and uid that it had.
func (w *write) applyPatch(apply patcher) (err error) {
	// On a copy: was is compared with the result later, and a patch may share what it leaves.
	if w.next, err = apply(tree.Copy(w.was).(map[string]any)); err != nil {
		return err
	}
	if err := w.checkPatched(); err != nil {
		return err
	}
	// A patch that sets the resource version sets a condition. One that leaves it alone has the
	// stored one here.
	given := tree.Text(w.next, "metadata", "resourceVersion")
	isNone := given == "" || given == "0"
	if isNone && !w.UnconditionalUpdate {
		return w.revisionRequired()
	}
	if isNone || given == strconv.FormatInt(w.old.Rev, 10) {
		return nil
	}
	if _, err := strconv.ParseUint(given, 10, 63); err != nil {
		return status.Unexplained(err.Error())
	}
	return w.conflict(w.name, status.ChangedMeanwhile)
}

// checkPatched refuses what a patch may not do to an object, and takes out of next what the type
// does not have. Kind and apiVersion may be missing from the result: they are put back.
func (w *write) checkPatched() error {
	next := w.next
	if m := next["metadata"]; m != nil && tree.Object(next, "metadata") == nil {
		why := "json: cannot unmarshal " + tree.TypeName(m) + " into Go struct field " + w.Kind + ".metadata of type v1.ObjectMeta"
		return invalidPatch(next, why)
	}
	// These two before anything else: the rest is read by the rules of this kind.
	for _, f := range [...]string{"kind", "apiVersion"} {
		if v, given := next[f]; given && v != w.was[f] {
			return w.changedType(f, v)
		}
		next[f] = w.was[f]
	}
	if err := w.checkTarget(next); err != nil {
		return err
	}
	if uid := tree.Text(next, "metadata", "uid"); uid != "" && uid != tree.Text(w.was, "metadata", "uid") {
		// Upstream finds this in two places, and says it twice.
		e := field.Invalid("metadata.uid", uid, "field is immutable")
		return status.Invalid(w.Group, w.Kind, w.name, []field.Error{e, e})
	}
	return w.prunePatched(next, w.shape.Prune)
}

// changedType returns the failure of a patch that has set kind or apiVersion, the field f, to
// another value v. Upstream decodes built-in objects by what they say they are, and custom ones
// by what they should be, hence the three texts.
func (w *write) changedType(f string, v any) error {
	switch {
	case !w.custom:
		return invalidPatch(w.next, "the object is no longer a "+w.Kind+" of "+w.apiVersion())
	case f == "apiVersion":
		return w.wrongVersion(fmt.Sprint(v))
	default:
		return status.Invalid(w.Group, w.Kind, w.name, []field.Error{field.Invalid("kind", v, "must be "+w.Kind)})
	}
}

// prunePatched takes out of a patched object what prune finds that its type does not have, and
// says so as fieldValidation asks. It is given prune because a scale has a type of its own.
func (q *Call) prunePatched(next map[string]any, prune func(map[string]any) ([]string, error)) error {
	shown := next
	if q.strict == "Strict" {
		shown = tree.Copy(next).(map[string]any) // the message shows it as it was patched
	}
	unknown, err := prune(next)
	if err != nil {
		return invalidPatch(shown, err.Error())
	}
	if len(unknown) == 0 {
		return nil
	}
	for i := range unknown {
		unknown[i] = "unknown field " + strconv.Quote(unknown[i])
	}
	if q.strict == "Strict" {
		return invalidPatch(shown, "strict decoding error: "+strings.Join(unknown, ", "))
	}
	q.warnOf(unknown)
	return nil
}

// invalidPatch returns the 422 for a patch that makes of an object what it cannot be. It names
// neither kind nor object (upstream), but shows all of next.
func invalidPatch(next map[string]any, why string) error {
	return status.Invalid("", "", "", []field.Error{field.Invalid("patch", string(tree.AppendJSON(nil, next)), why)})
}

// patchType returns the media type of the patch, "" when the request does not say. Unlike other
// bodies a patch is never taken for JSON on trust.
func (q *Call) patchType() string {
	if v := q.req.Header["Content-Type"]; len(v) > 0 {
		t, _, _ := strings.Cut(v[0], ";") // white space before it counts (upstream)
		return t
	}
	return ""
}

// checkPatchType returns the 415 for a type of patch that the resource does not take. Of custom
// resources nothing says how lists merge, so they have no strategic patch.
func (q *Call) checkPatchType(contentType string) error {
	accepted := jsonPatchType + ", " + mergePatchType
	if q.Type != nil {
		accepted += ", " + strategicPatchType
	}
	switch contentType {
	case jsonPatchType, mergePatchType:
		return nil
	case strategicPatchType:
		if q.Type != nil {
			return nil
		}
	case applyPatchType:
		e := unsupportedType(accepted)
		e.Message += "; server-side apply (" + applyPatchType + ") is not served yet"
		return e
	}
	return unsupportedType(accepted)
}

// readPatch reads the body as a patch of that type. Whether it fits an object is seen when the
// patcher is called, and it may be called again for each attempt.
func (q *Call) readPatch(contentType string) (patcher, error) {
	if err := q.checkPatchType(contentType); err != nil {
		return nil, err
	}
	body, err := q.api.readBody(q.req)
	if err != nil {
		return nil, err
	}
	if contentType == jsonPatchType {
		// The operations are decoded for each attempt, so the body is not given back.
		return jsonPatcher(*body), nil
	}
	defer q.api.putBody(body)
	changes, repeated, err := tree.ParseJSONObject(*body)
	if err != nil {
		return nil, status.BadRequest("error decoding patch: " + err.Error())
	}
	if err := q.repeatedKeys(repeated); err != nil {
		return nil, err
	}
	if contentType == strategicPatchType {
		return func(doc map[string]any) (map[string]any, error) { return patch.Strategic(doc, changes, q.Type) }, nil
	}
	return func(doc map[string]any) (map[string]any, error) { return patch.Merge(doc, changes), nil }, nil
}

// jsonPatcher returns the patcher for the operations in body (RFC 6902). They may replace the
// whole document, so that no object is left; upstream's answer to that explains nothing.
func jsonPatcher(body []byte) patcher {
	return func(doc map[string]any) (map[string]any, error) {
		v, err := patch.JSON(doc, body)
		if err != nil {
			return nil, err
		}
		next, ok := v.(map[string]any)
		if !ok {
			return nil, &status.Error{
				Code:    http.StatusUnprocessableEntity,
				Reason:  "Invalid",
				Message: "the server rejected our request due to an error in our request",
				Details: &status.Details{},
			}
		}
		return next, nil
	}
}

// repeatedKeys says of keys that come twice in a patch what fieldValidation asks. Strict
// validation names the first one only.
func (q *Call) repeatedKeys(paths []string) error {
	for _, p := range paths {
		problem := "duplicate field " + strconv.Quote(p)
		switch q.strict {
		case "Strict":
			return status.Invalid("", "", "", []field.Error{field.Invalid("patch", p, "strict decoding error: "+problem)})
		case "Warn":
			q.scope.Warn("", problem)
		}
	}
	return nil
}
