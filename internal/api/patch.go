package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
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
// Server-side apply is the fourth language (apply.go), with two differences: it may create the object, and it makes of the
// stored object not only another one but its owners as well.

// The media types of patches.
const (
	jsonPatchType      = "application/json-patch+json"
	mergePatchType     = "application/merge-patch+json"
	strategicPatchType = "application/strategic-merge-patch+json"
	applyPatchType     = "application/apply-patch+yaml"
)

// patchTries is how often a patch is tried anew when somebody else writes the object
// between its read and its write (upstream).
const patchTries = 5

// patcher is a patch that was read.
type patcher struct {
	// apply makes of an object in the version of the request what the patch wants it to be. doc is
	// consumed. problems are what strict checking finds in the patch. An error is for the client.
	apply func(doc map[string]any) (next map[string]any, problems []string, err error)
	// strategic is the patch itself, if it is a strategic one: messages show it in place of what it
	// makes of an object, and what it says of kind and apiVersion does not count (upstream).
	strategic map[string]any
	// configuration is what is applied, nil of the other languages.
	configuration *configuration
}

// patch serves PATCH of an object or of its status.
func (q *Call) patch() error {
	if q.name == "" {
		return status.BadRequest("name must be provided")
	}
	p, err := q.readPatch()
	if err != nil {
		return err
	}
	return q.retry(patchTries, func(old *store.Object) error {
		if p.configuration != nil {
			return q.applyTo(old, p.configuration)
		}
		if old == nil {
			return q.notFound(q.name)
		}
		w := write{Call: q, old: old, was: q.decode(old)}
		if err := w.applyPatch(&p); err != nil {
			return err
		}
		if err := w.replace(); err != nil {
			return err
		}
		return w.answer(http.StatusOK)
	})
}

// applyPatch sets next to what the patch makes of old, and checks what it did to the identity
// of the object. After it, next is pruned and has the kind and name that it had.
func (w *write) applyPatch(p *patcher) error {
	// On a copy: was is compared with the result later, and a patch may share what it leaves.
	next, problems, err := p.apply(tree.Copy(w.was).(map[string]any))
	if err != nil {
		return err
	}
	w.next = next
	changed := w.changedType()
	if err := w.checkPatched(p, problems); err != nil {
		return err
	}
	if err := w.checkPatchedRevision(); err != nil {
		return err
	}
	return changed
}

// checkPatchedRevision returns the 409 for a patch of another state than the stored one, and what
// upstream says of a resource version that is none.
func (w *write) checkPatchedRevision() error {
	// A patch that sets the resource version sets a condition. One that leaves it alone has the
	// stored one here.
	switch given := tree.Text(w.next, "metadata", "resourceVersion"); {
	case given == strconv.FormatInt(w.old.Rev, 10):
		return nil
	case given == "" || given == "0":
		if w.UnconditionalUpdate {
			return nil
		}
		return w.revisionRequired()
	default:
		if _, err := strconv.ParseUint(given, 10, 63); err != nil {
			return status.Unexplained(err.Error())
		}
		return w.conflict(w.name, status.ChangedMeanwhile)
	}
}

// changedType returns the 422 for a patch that makes of a custom object one of another kind or
// version, nil for any other object and where only a part of it counts. It names the object as what
// it says it is (upstream).
func (w *write) changedType() error {
	kind, version := tree.Text(w.next, "kind"), tree.Text(w.next, "apiVersion")
	if !w.custom || w.info.Subresource != "" {
		return nil
	}
	var errs []field.Error
	if kind != w.Kind {
		errs = append(errs, field.Invalid("kind", kind, "must be "+w.Kind))
	}
	if want := w.apiVersion(); version != want {
		errs = append(errs, field.Invalid("apiVersion", version, "must be "+want))
	}
	if len(errs) == 0 {
		return nil
	}
	group, _ := kinds.SplitAPIVersion(version)
	return status.Invalid(group, kind, w.name, errs)
}

// checkPatched refuses what a patch may not do to an object, and takes out of next what the type
// does not have. It has the kind and apiVersion of before then.
func (w *write) checkPatched(p *patcher, problems []string) error {
	next := w.next
	// Kind and version before anything else: the rest is read by the rules of this kind.
	if err := w.checkPatchedType(p, problems); err != nil {
		return err
	}
	if m := next["metadata"]; w.custom && m != nil && tree.Object(next, "metadata") == nil {
		return p.invalid(next, "json: cannot unmarshal "+tree.TypeName(m)+" into Go value of type v1.ObjectMeta")
	}
	versionless := w.custom && tree.Text(next, "apiVersion") == ""
	next["kind"], next["apiVersion"] = w.was["kind"], w.was["apiVersion"]
	if err := w.prunePatched(p, next, problems, w.shape.Prune); err != nil {
		return err
	}
	if err := w.checkTarget(next); err != nil || !versionless {
		return err
	}
	return internalError("Object 'apiVersion' is missing in 'object has no apiVersion field'")
}

// checkPatchedType refuses what is no kind or apiVersion, and for a built-in object another one:
// upstream decodes these by what they say they are. Of a custom object changedType says it later.
func (w *write) checkPatchedType(p *patcher, problems []string) error {
	if p.strategic != nil {
		return nil
	}
	for _, f := range [...]string{"kind", "apiVersion"} {
		if v := w.next[f]; v != nil && tree.TypeName(v) != "string" {
			why := "json: cannot unmarshal " + tree.TypeName(v) + " into Go struct field ." + f + " of type string"
			return p.invalid(w.next, noJSON+why)
		}
	}
	kind, version := tree.Text(w.next, "kind"), tree.Text(w.next, "apiVersion")
	switch {
	case w.custom && kind == "":
		return p.invalid(w.next, "Object 'Kind' is missing in '"+string(tree.AppendJSON(nil, w.next))+"'")
	case w.custom:
		return nil
	case version == "":
		return w.versionLost(p, problems)
	}
	why, r := w.otherKind(version, cmp.Or(kind, w.Kind))
	if why == "" && r != w.Resource {
		why = "converting (" + version + "." + r.Kind + ") to (" + w.goType() + "): unknown conversion"
	}
	if why != "" {
		return p.invalid(w.next, why)
	}
	return nil
}

// versionLost refuses a patch that takes the apiVersion away. Without one upstream reads the object
// as what it has inside of itself, which has none of the fields of any version: so they are all
// unknown, and the name is not found.
func (w *write) versionLost(p *patcher, problems []string) error {
	prune := func(obj map[string]any) (unknown []string, err error) {
		for _, k := range tree.SortedKeys(obj) {
			if k != "kind" && k != "apiVersion" {
				unknown = append(unknown, k)
			}
		}
		return unknown, nil
	}
	if err := w.prunePatched(p, w.next, problems, prune); err != nil {
		return err
	}
	return w.nameUndeterminable()
}

// prunePatched takes out of a patched object what prune finds that its type does not have, and
// says so, and the problems of the patch itself, as fieldValidation asks. It is given prune because
// a scale has a type of its own.
func (q *Call) prunePatched(p *patcher, next map[string]any, problems []string, prune func(map[string]any) ([]string, error)) error {
	shown := next
	if q.strict == "Strict" {
		shown = tree.Copy(next).(map[string]any) // the message shows it as it was patched
	}
	unknown, err := prune(next)
	var typed *kinds.TypeError
	switch {
	case p.strategic != nil && errors.As(err, &typed):
		return p.invalid(shown, typed.Converted())
	case err != nil:
		return p.invalid(shown, err.Error())
	}
	problems = (&bodyNotes{problems: problems}).all(unknown)
	if len(problems) > 0 && q.strict == "Strict" {
		return p.invalid(shown, "strict decoding error: "+strings.Join(problems, ", "))
	}
	q.warnOf(problems)
	return nil
}

// invalid returns the 422 for a patch that makes of an object what it cannot be. It names neither
// kind nor object (upstream), but shows all of next, or of a strategic patch the patch.
func (p *patcher) invalid(next map[string]any, why string) error {
	shown := string(tree.AppendJSON(nil, next))
	if p.strategic != nil {
		shown = fmt.Sprintf("%+v", p.strategic)
	}
	return status.Invalid("", "", "", []field.Error{field.Invalid("patch", shown, why)})
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
// resources nothing says how lists merge, so they have no strategic patch. The routes of built-in
// kinds refuse a list of types, none of which is a patch, in words of their own (upstream).
func (q *Call) checkPatchType(contentType string) error {
	isPatch := func(s string) bool {
		return slices.Contains([]string{jsonPatchType, mergePatchType, strategicPatchType, applyPatchType}, strings.TrimSpace(s))
	}
	if q.Type() != nil && !slices.ContainsFunc(strings.Split(contentType, ","), isPatch) {
		e := unsupportedType("")
		e.Message, e.Details = "415: Unsupported Media Type", &status.Details{}
		return e
	}
	accepted := jsonPatchType + ", " + mergePatchType
	if q.Type() != nil {
		accepted += ", " + strategicPatchType
	}
	if !q.api.Config.NoManagedFields {
		accepted += ", " + applyPatchType
	}
	if slices.Contains(strings.Split(accepted, ", "), contentType) {
		return nil
	}
	return unsupportedType(accepted)
}

// readPatch reads the media type, the options and the body of a patch, in this order. A body that
// is no JSON is refused at once. What else is wrong with it is told when the patcher is called, after
// a missing object (upstream), and it may be called again for each attempt.
func (q *Call) readPatch() (p patcher, err error) {
	contentType := q.patchType()
	if err := q.checkPatchType(contentType); err != nil {
		return p, err
	}
	q.applies = contentType == applyPatchType
	if err := q.writeOptions("PatchOptions"); err != nil {
		return p, err
	}
	body, err := q.api.readBody(q.req)
	if err != nil {
		return p, err
	}
	if q.applies {
		defer q.api.putBody(body)
		p.configuration, err = readConfiguration(*body)
		return p, err
	}
	v, problems, err := tree.ParseJSON(*body)
	if err != nil {
		return p, status.BadRequest("invalid JSON patch")
	}
	if contentType == jsonPatchType {
		// The operations are decoded for each attempt, so the body is not given back.
		p.apply = jsonPatcher(*body)
		return p, nil
	}
	defer q.api.putBody(body)
	changes, ok := v.(map[string]any)
	if !ok && (v != nil || contentType == mergePatchType) {
		err := noPatch(v, contentType)
		p.apply = func(map[string]any) (map[string]any, []string, error) { return nil, nil, err }
		return p, nil
	}
	if changes == nil { // a strategic patch that is null changes nothing
		changes = map[string]any{}
	}
	for i := range problems {
		problems[i] = duplicateField(problems[i])
	}
	if contentType == strategicPatchType {
		p.strategic = changes
		p.apply = func(doc map[string]any) (map[string]any, []string, error) {
			next, err := patch.Strategic(doc, changes, q.Type())
			return next, problems, err
		}
		return p, nil
	}
	p.apply = func(doc map[string]any) (map[string]any, []string, error) {
		return patch.Merge(doc, changes), problems, nil
	}
	return p, nil
}

// noPatch returns the 400 for a value that is no patch of a type which wants an object.
func noPatch(v any, contentType string) error {
	why := "json: cannot unmarshal " + tree.TypeName(v) + " into Go value of type map[string]interface {}"
	switch {
	case v == nil:
		why = "Invalid JSON Patch"
	case contentType == mergePatchType:
		why = "error decoding patch: " + why
	}
	return status.BadRequest(why)
}

// jsonPatcher returns the patcher for the operations in body (RFC 6902). They may replace the
// whole document, so that no object is left; upstream's answer to that explains nothing.
func jsonPatcher(body []byte) func(doc map[string]any) (map[string]any, []string, error) {
	return func(doc map[string]any) (map[string]any, []string, error) {
		v, problems, err := patch.JSON(doc, body)
		if err != nil {
			return nil, nil, err
		}
		next, ok := v.(map[string]any)
		if !ok {
			return nil, nil, &status.Error{
				Code:    http.StatusUnprocessableEntity,
				Reason:  "Invalid",
				Message: "the server rejected our request due to an error in our request",
				Details: &status.Details{},
			}
		}
		return next, problems, nil
	}
}
