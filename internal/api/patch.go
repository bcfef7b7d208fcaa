package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/patch"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

const (
	JsonPatchType      = "application/json-patch+json"
	MergePatchType     = "application/merge-patch+json"
	StrategicPatchType = "application/strategic-merge-patch+json"
	ApplyPatchType     = "application/apply-patch+yaml"
)

// PatchTries is how often a patch is tried anew when somebody else writes the object
// between its read and its write (upstream).
const PatchTries = 5

// patch changes an object by what is in the body.
func (q *Call) patch() error {
	if q.name == "" {
		return status.BadRequest("name must be provided")
	}
	contentType := ""
	if v := q.req.Header["Content-Type"]; len(v) > 0 {
		contentType = request.MediaType(v[0])
	}
	if contentType != ApplyPatchType {
		if err := q.writeOptions("PatchOptions"); err != nil {
			return err
		}
	}
	apply, err := q.readPatch(contentType)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		sn := q.Bucket.Now()
		old := sn.Get(q.Resource.Key(q.namespace, q.name))
		if old == nil {
			return q.notFound(q.name)
		}
		done, next, err := q.patchOnce(old, apply)
		var raced *store.Conflict
		if errors.As(err, &raced) {
			if try <= PatchTries {
				continue
			}
			return q.conflict(q.name, status.ChangedMeanwhile)
		}
		if err != nil {
			return err
		}
		return q.answerWritten(done, next)
	}
}

// patchOnce applies the patch to one state of the object.
func (q *Call) patchOnce(old *store.Object, apply func(doc map[string]any) (map[string]any, error)) (*store.Object, map[string]any, error) {
	was := q.decode(old)
	rev := strconv.FormatInt(old.Rev, 10)
	next, err := apply(tree.Copy(was).(map[string]any))
	if err != nil {
		return nil, nil, err
	}
	if err := q.checkPatched(next, was); err != nil {
		return nil, nil, err
	}
	if v := tree.Text(next, "metadata", "resourceVersion"); v != rev && v != "" {
		if _, err := strconv.ParseUint(v, 10, 63); err != nil {
			return nil, nil, status.Unexplained(parseUintText(v, err))
		}
		return nil, nil, q.conflict(q.name, status.ChangedMeanwhile)
	}
	done, err := q.replace(old, was, next)
	return done, next, err
}

// checkPatched is what a patch may not do to an object, and takes out what the type does not
// have.
func (q *Call) checkPatched(next, was map[string]any) error {
	if m := next["metadata"]; m != nil && tree.Object(next, "metadata") == nil {
		return invalidPatch(next, "json: cannot unmarshal "+tree.TypeName(m)+" into Go struct field "+q.Kind+".metadata of type v1.ObjectMeta")
	}
	for _, f := range []string{"kind", "apiVersion"} {
		if v, given := next[f]; given && v != was[f] {
			if !q.custom {
				return invalidPatch(next, "the object is no longer a "+q.Kind+" of "+q.apiVersion())
			}
			if f == "apiVersion" {
				return status.BadRequest("the API version in the data (" + fmt.Sprint(v) + ") does not match the expected API version (" + q.apiVersion() + ")")
			}
			return status.Invalid(q.Group, q.Kind, q.name, []field.Error{field.Invalid("kind", v, "must be "+q.Kind)})
		}
		next[f] = was[f]
	}
	m := tree.Metadata(next)
	switch name := tree.Text(m, "name"); {
	case name == "":
		return q.noName()
	case name != q.name:
		return q.wrongName(name)
	}
	if err := q.checkNamespace(m); err != nil {
		return err
	}
	if uid := tree.Text(m, "uid"); uid != "" && uid != tree.Text(was, "metadata", "uid") {
		e := field.Invalid("metadata.uid", uid, "field is immutable")
		return status.Invalid(q.Group, q.Kind, q.name, []field.Error{e, e})
	}
	return q.prunePatched(next, q.shape.Prune)
}

// prunePatched takes out of a patched object what its type does not have, and says so as
// fieldValidation asks.
func (q *Call) prunePatched(next map[string]any, prune func(map[string]any) ([]string, error)) error {
	shown := next
	if q.strict == "Strict" {
		shown = tree.Copy(next).(map[string]any) // as it was patched
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
	switch q.strict {
	case "Strict":
		return invalidPatch(shown, "strict decoding error: "+strings.Join(unknown, ", "))
	case "Warn":
		for _, p := range unknown {
			q.scope.Warn("", p)
		}
	}
	return nil
}

// invalidPatch is the 422 for a patch that makes of an object what it cannot be. It names
// neither kind nor object (upstream).
func invalidPatch(next map[string]any, why string) error {
	return status.Invalid("", "", "", []field.Error{field.Invalid("patch", string(tree.AppendJSON(nil, next)), why)})
}

// readPatch reads the body and returns what applies it to an object, which it consumes.
func (q *Call) readPatch(contentType string) (func(map[string]any) (map[string]any, error), error) {
	accepted := []string{JsonPatchType, MergePatchType}
	if q.Type != nil {
		accepted = append(accepted, StrategicPatchType)
	}
	switch contentType {
	case JsonPatchType, MergePatchType:
	case StrategicPatchType:
		if q.Type == nil {
			return nil, unsupportedType(strings.Join(accepted, ", "))
		}
	case ApplyPatchType:
		e := unsupportedType(strings.Join(accepted, ", "))
		e.Message += "; server-side apply (" + ApplyPatchType + ") is not served yet"
		return nil, e
	default:
		return nil, unsupportedType(strings.Join(accepted, ", "))
	}
	body, err := q.api.readBody(q.req)
	if err != nil {
		return nil, err
	}
	if contentType == JsonPatchType {
		b := *body // kept for a second try, so not given back
		return func(doc map[string]any) (map[string]any, error) {
			v, err := patch.JSON(doc, b)
			if err != nil {
				return nil, err
			}
			next, ok := v.(map[string]any)
			if !ok {
				return nil, &status.Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: "the server rejected our request due to an error in our request", Details: &status.Details{}}
			}
			return next, nil
		}, nil
	}
	defer q.api.putBody(body)
	changes, repeated, err := tree.ParseJSONObject(*body)
	if err != nil {
		return nil, status.BadRequest("error decoding patch: " + err.Error())
	}
	if err := q.repeatedKeys(repeated); err != nil {
		return nil, err
	}
	if contentType == StrategicPatchType {
		return func(doc map[string]any) (map[string]any, error) {
			return patch.Strategic(doc, changes, q.Type)
		}, nil
	}
	return func(doc map[string]any) (map[string]any, error) {
		return patch.Merge(doc, changes), nil
	}, nil
}

// repeatedKeys says of keys that come twice in a patch what fieldValidation asks.
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

// serveScale is the scale subresource of a custom resource: autoscaling/v1 Scale.
func (q *Call) serveScale() error {
	if q.info.Verb != "get" && q.info.Verb != "update" && q.info.Verb != "patch" {
		return q.unsupported(q.info.Verb)
	}
	sn := q.Bucket.Now()
	old := sn.Get(q.Resource.Key(q.namespace, q.name))
	if old == nil {
		return q.notFound(q.name)
	}
	if q.info.Verb == "get" {
		scale, err := q.scaleOf(q.decode(old))
		if err != nil {
			return err
		}
		return q.answerTree(http.StatusOK, scale)
	}
	return q.writeScale()
}

// scaleOf is what an object says of its scale.
func (q *Call) scaleOf(obj map[string]any) (map[string]any, error) {
	replicas, ok := tree.At(obj, q.Resource.scale.spec...).(int64)
	if !ok {
		why := "the spec replicas field " + strconv.Quote("."+strings.Join(q.Resource.scale.spec, ".")) + " does not exist"
		return nil, &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + why, Details: &status.Details{Causes: []field.Error{{Message: why}}}}
	}
	m := map[string]any{}
	for _, f := range []string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} {
		if v := tree.At(obj, "metadata", f); v != nil {
			m[f] = v
		}
	}
	status := map[string]any{"replicas": int64(0)}
	if n, ok := tree.At(obj, q.Resource.scale.status...).(int64); ok {
		status["replicas"] = n
	}
	if s := q.Resource.scale.selector; s != nil {
		if v := tree.Text(obj, s...); v != "" {
			status["selector"] = v
		}
	}
	return map[string]any{"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": m, "spec": map[string]any{"replicas": replicas}, "status": status}, nil
}

// writeScale sets the replicas of the object.
func (q *Call) writeScale() error {
	typ := q.api.Kinds.Types[scaleType]
	var apply func(map[string]any) (map[string]any, error)
	if q.info.Verb == "patch" {
		contentType := ""
		if v := q.req.Header["Content-Type"]; len(v) > 0 {
			contentType = request.MediaType(v[0])
		}
		if err := q.writeOptions("PatchOptions"); err != nil {
			return err
		}
		var err error
		if apply, err = q.readPatch(contentType); err != nil {
			return err
		}
	} else {
		if err := q.writeOptions("UpdateOptions"); err != nil {
			return err
		}
		obj, err := q.readTyped(typ, "Scale")
		if err != nil {
			return err
		}
		if obj == nil {
			return unrecognized("Scale", "couldn't get version/kind; json parse error: unexpected end of JSON input", nil)
		}
		if name := tree.Name(obj); name != "" && name != q.name {
			return q.wrongName(name)
		}
		apply = func(map[string]any) (map[string]any, error) { return obj, nil }
	}
	for try := 1; ; try++ {
		sn := q.Bucket.Now()
		old := sn.Get(q.Resource.Key(q.namespace, q.name))
		if old == nil {
			return q.notFound(q.name)
		}
		next := q.decode(old)
		shown, err := q.scaleOf(next)
		if err != nil && q.info.Verb == "patch" {
			return err
		}
		scale, err := apply(shown)
		if err != nil {
			return err
		}
		if err := q.prunePatched(scale, func(obj map[string]any) ([]string, error) { return kinds.Prune(typ, obj) }); err != nil {
			return err
		}
		if given := tree.Text(scale, "metadata", "resourceVersion"); given != "" && given != strconv.FormatInt(old.Rev, 10) {
			return q.conflict(q.name, status.ChangedMeanwhile)
		}
		if uid := tree.Text(scale, "metadata", "uid"); uid != "" && uid != old.Meta.UID {
			return q.wrongUID(old, uid)
		}
		replicas, _ := tree.At(scale, "spec", "replicas").(int64) // 0 is left out
		if replicas < 0 {
			return status.Invalid("autoscaling", "Scale", q.name, []field.Error{field.Invalid("spec.replicas", replicas, "should be a non-negative integer")})
		}
		tree.Set(next, replicas, q.Resource.scale.spec...)
		done, err := q.replace(old, q.decode(old), next)
		var raced *store.Conflict
		if errors.As(err, &raced) {
			if try <= PatchTries {
				continue
			}
			return q.conflict(q.name, status.ChangedMeanwhile)
		}
		if err != nil {
			return err
		}
		if done != nil {
			next = q.decode(done)
		}
		if scale, err = q.scaleOf(next); err != nil {
			return err
		}
		return q.answerTree(http.StatusOK, scale)
	}
}
