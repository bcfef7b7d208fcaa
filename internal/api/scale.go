package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/managed"
	"apichain/internal/selector"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The scale subresource shows an object of any kind as an autoscaling/v1 Scale, so that an
// autoscaler needs to know no kind but that one. Three paths say where the objects keep the replicas
// that are wanted, those that there are, and a selector: those of a custom resource are in its
// definition, and those of all built-in kinds are the same, but that their selector is no text.
//
// A Scale is not stored: it is a view of the object. A read shows the object through it; a write
// patches or replaces what is shown, takes the replicas out of the result, puts them into the
// object, and goes on as an update of that:
//
//	object ──read──► Scale ──body──► Scale ──write──► object ──► replace

const scaleType = "autoscaling.Scale"

// builtinScale returns where the objects of a built-in kind keep what a scale shows. The selector of those
// in the core group is a map of labels.
func builtinScale(row *kinds.Row) *scalePaths {
	return &scalePaths{
		spec: []string{"spec", "replicas"}, status: []string{"status", "replicas"},
		selectorText: func(obj map[string]any) (string, error) {
			fields := tree.Object(obj, "spec", "selector")
			if row.Group == "" {
				fields = map[string]any{"matchLabels": fields}
			}
			l, err := selector.FromObject(fields)
			return l.String(), err
		},
	}
}

// scaleView is the view of one resource's objects as Scales. It holds nothing but the call, and
// has the two ways through it.
type scaleView struct{ *Call }

// typed reports whether it is a view of objects of a built-in kind.
func (v scaleView) typed() bool { return v.Resource.scale.selectorText != nil }

// serveScale serves GET, PUT and PATCH of the scale of an object.
func (q *Call) serveScale() error {
	if q.info.Verb != "get" && q.info.Verb != "update" && q.info.Verb != "patch" {
		return q.unsupported(q.info.Verb)
	}
	v := scaleView{q}
	if q.info.Verb != "get" {
		return v.serveWrite()
	}
	if err := q.consistent(); err != nil {
		return err
	}
	sn := q.Bucket.Now()
	old := sn.Get(q.Resource.Key(q.namespace, q.name))
	if old == nil {
		return q.notFound(q.name)
	}
	if err := q.look(old); err != nil {
		return err
	}
	scale, err := v.read(q.decode(old))
	if err != nil {
		return err
	}
	return q.answerTree(http.StatusOK, scale)
}

// serveWrite serves PUT and PATCH. Both try again as a patch does, a PUT without a resource
// version too: it says one number, which is right whatever else has changed.
func (v scaleView) serveWrite() error {
	p, err := v.readChange()
	if err != nil {
		return err
	}
	return v.retry(patchTries, func(old *store.Object) error {
		if old == nil {
			return v.notFound(v.name)
		}
		// Two trees: one is changed and one is what it is compared with.
		w := write{Call: v.Call, old: old, was: v.decode(old), next: v.decode(old), view: v.seen}
		shown, found, err := v.view(w.next)
		if err != nil {
			return err
		}
		// An object without replicas may be given some. Until then a patch finds a number that no
		// object has (upstream).
		if !found {
			tree.Set(shown, int64(noReplicas), "spec", "replicas")
		}
		owned := v.owned(w.was)
		if err := owned.show(shown); err != nil {
			return err
		}
		scale, err := v.changed(&p, shown, owned)
		if err != nil {
			return err
		}
		if scale, err = v.mutate(scale, w.was); err != nil {
			return err
		}
		if err := v.write(old, w.next, scale); err != nil {
			return err
		}
		if err := owned.take(w.next, scale); err != nil {
			return err
		}
		if err := w.replace(); err != nil {
			return err
		}
		return v.answerScale(&w)
	})
}

// changed returns the Scale that p makes of the one that is shown, with the owners of its fields.
func (v scaleView) changed(p *patcher, shown map[string]any, owned scaleOwners) (scale map[string]any, err error) {
	typ := v.api.Kinds.Type(scaleType)
	if p.configuration != nil {
		scale, err = v.applied(&owned.writer, shown, p.configuration)
		if err == nil {
			_, err = kinds.Prune(typ, scale)
		}
		if err != nil {
			return nil, err
		}
		return scale, v.checkTarget(scale)
	}
	was, _ := tree.Copy(shown).(map[string]any)
	scale, problems, err := p.apply(shown)
	if err != nil {
		return nil, err
	}
	prune := func(obj map[string]any) ([]string, error) { return kinds.Prune(typ, obj) }
	if err := v.prunePatched(p, scale, problems, prune); err != nil {
		return nil, err
	}
	if err := v.checkTarget(scale); err != nil {
		return nil, err
	}
	owned.update(was, scale)
	return scale, nil
}

// scaleOwners are the owners of an object during a write of its Scale.
type scaleOwners struct {
	off    bool // none are kept
	writer managed.Writer
	paths  managed.ScalePaths
	parent any
	// version is that of the object in the request.
	version string
}

// owned returns the owners of the object was.
func (v scaleView) owned(was map[string]any) scaleOwners {
	o := scaleOwners{
		off: v.api.Config.NoManagedFields, writer: v.writer(), paths: v.ownedReplicas(), version: v.apiVersion(),
		parent: tree.Object(was, "metadata")["managedFields"],
	}
	o.writer.Version, o.writer.Kind = managed.ScaleVersion, "Scale"
	o.writer.Versions, o.writer.Empty = scaleVersions{v.api.Kinds.Type(scaleType)}, nil
	if v.custom {
		o.writer.Foreign = errors.New("request to convert CR to an invalid group/version: " + managed.ScaleVersion)
	}
	return o
}

// show gives the Scale that is shown the owners of its field.
func (o *scaleOwners) show(scale map[string]any) error {
	if o.off {
		return nil
	}
	list, err := o.paths.ToScale(o.parent)
	if err != nil {
		return status.Unexplained(err.Error())
	}
	setOrDelete(tree.Metadata(scale), "managedFields", list, list != nil)
	return nil
}

// update gives the Scale that is to be the owners that it has after an update.
func (o *scaleOwners) update(was, scale map[string]any) {
	if !o.off {
		o.writer.Update(was, scale)
	}
}

// take gives an object the owners that it has after a write of its Scale.
func (o *scaleOwners) take(obj, scale map[string]any) error {
	if o.off {
		return nil
	}
	list, err := o.paths.FromScale(o.parent, tree.Object(scale, "metadata")["managedFields"], o.version)
	if err != nil {
		return status.Unexplained(err.Error())
	}
	setOrDelete(tree.Metadata(obj), "managedFields", list, list != nil)
	return nil
}

// seen returns what admission sees of an object: its Scale, nil of one that has none.
func (v scaleView) seen(obj map[string]any) map[string]any {
	scale, _, _ := v.view(obj)
	return scale
}

// mutate returns what mutating admission makes of a Scale that was sent for the object was. The one given may be used again.
func (v scaleView) mutate(scale, was map[string]any) (map[string]any, error) {
	if !v.wants(Mutating, OperationUpdate) {
		return scale, nil
	}
	scale = tree.Copy(scale).(map[string]any)
	scale["kind"], scale["apiVersion"] = "Scale", "autoscaling/v1"
	setOrDelete(tree.Metadata(scale), "namespace", v.namespace, v.Namespaced)
	for _, part := range [...]string{"spec", "status"} {
		if tree.Object(scale, part) == nil {
			scale[part] = map[string]any{}
		}
	}
	if tree.At(scale, "status", "replicas") == nil {
		tree.Set(scale, int64(0), "status", "replicas") // it is written always
	}
	return scale, v.ask(Mutating, OperationUpdate, scale, v.seen(was))
}

// readChange reads the options and the body. What it returns makes of the Scale that is shown
// the one that is wanted: by a patch, or in a PUT by taking the body in its place.
func (v scaleView) readChange() (p patcher, err error) {
	if v.info.Verb == "patch" {
		return v.readPatch()
	}
	if err := v.writeOptions("UpdateOptions"); err != nil {
		return p, err
	}
	obj, err := v.readTyped(v.api.Kinds.Type(scaleType), "autoscaling/v1", "Scale")
	// Whatever cannot be decoded as a Scale of this version is refused in the same words for a custom
	// resource (upstream, down to the place in its code).
	var refused *status.Error
	version := tree.Text(obj, "apiVersion")
	switch {
	case v.typed() && err == nil && version != "" && version != "autoscaling/v1":
		_, short := kinds.SplitAPIVersion(version)
		return p, cannotHandle("Scale", short, "Scale", notRegistered("Scale", version))
	case v.typed() && err != nil:
		return p, err
	case errors.As(err, &refused) && refused.Code == http.StatusBadRequest,
		err == nil && obj == nil,
		version != "" && version != "autoscaling/v1":
		return p, status.BadRequest(`no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`)
	case err != nil:
		return p, err
	}
	if err := v.checkTarget(obj); err != nil {
		return p, err
	}
	p.apply = func(map[string]any) (map[string]any, []string, error) { return obj, nil, nil }
	return p, nil
}

// noReplicas stands in the Scale that is patched for an object without replicas.
const noReplicas = math.MinInt32

// read returns the Scale of an object for a reader: that the object does not say how many replicas
// are wanted is upstream's 500 then.
func (v scaleView) read(obj map[string]any) (map[string]any, error) {
	scale, found, err := v.view(obj)
	if err == nil && !found {
		err = internalError("the spec replicas field " + strconv.Quote(dotted(v.Resource.scale.spec)) + " does not exist")
	}
	return scale, err
}

// internalError returns upstream's 500 for a request that fails because of what is stored.
func internalError(why string) error {
	return &status.Error{
		Code:    http.StatusInternalServerError,
		Reason:  "InternalError",
		Message: "Internal error occurred: " + why,
		Details: &status.Details{Causes: []field.Error{{Message: why}}},
	}
}

// view returns the Scale of an object, which shares nothing with it but immutable values, and
// whether the object says how many replicas are wanted. The error is of a value of another type,
// which no write lets in but that of a definition that moves its paths.
func (v scaleView) view(obj map[string]any) (scale map[string]any, found bool, err error) {
	paths := v.Resource.scale
	replicas, found, err := count(obj, paths.spec)
	if err != nil {
		return nil, false, status.Unexplained(err.Error())
	}
	observed, _, err := count(obj, paths.status)
	if err != nil {
		return nil, false, status.Unexplained(err.Error())
	}
	m := map[string]any{}
	for _, f := range [...]string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} {
		if v := tree.At(obj, "metadata", f); v != nil {
			m[f] = v
		}
	}
	// That nothing is known of the replicas that there are is shown as none of them.
	state := map[string]any{"replicas": observed}
	if paths.selectorText != nil {
		s, err := paths.selectorText(obj)
		if err != nil {
			return nil, false, status.BadRequest(err.Error())
		}
		if s != "" {
			state["selector"] = s
		}
	} else if paths.selector != nil {
		s, _, err := nested[string](obj, paths.selector, "string")
		if err != nil {
			return nil, false, status.Unexplained(err.Error())
		}
		if s != "" {
			state["selector"] = s
		}
	}
	// No replicas are left out of spec, though not of status, as upstream's type has it.
	spec := map[string]any{}
	if replicas != 0 {
		spec["replicas"] = replicas
	}
	return map[string]any{
		"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": m, "spec": spec, "status": state,
	}, found, nil
}

// dotted writes a path as definitions and messages do: .spec.replicas.
func dotted(path []string) string { return "." + strings.Join(path, ".") }

// count returns the integer at a path, 0 where there is none.
func count(obj map[string]any, path []string) (int64, bool, error) {
	return nested[int64](obj, path, "int64")
}

// nested returns the value at a path in an object, if it is there. What has another type than T, of
// that name, is an error in upstream's words, and so is a value on the way that has no fields; a
// null on the way is as good as nothing.
func nested[T any](obj map[string]any, path []string, typ string) (value T, found bool, err error) {
	var v any = obj
	for i, name := range path {
		if v == nil {
			return value, false, nil
		}
		o, ok := v.(map[string]any)
		if !ok {
			return value, false, accessorError(path[:i+1], v, "map[string]interface{}")
		}
		if v, ok = o[name]; !ok {
			return value, false, nil
		}
	}
	if value, found = v.(T); !found {
		err = accessorError(path, v, typ)
	}
	return value, found, err
}

// accessorError returns the error for a value at a path that has not the type which it must have.
func accessorError(path []string, v any, typ string) error {
	return fmt.Errorf("%s accessor error: %v is of the type %T, expected %s", dotted(path), v, v, typ)
}

// specErrors returns what is wrong with the replicas that an object wants, as a scale shows them.
// The paths may be nil, which is no scale and no errors.
func (p *scalePaths) specErrors(obj map[string]any) []field.Error {
	if p == nil {
		return nil
	}
	return countErrors(obj, p.spec)
}

// statusErrors returns the same of the replicas that there are, and of the selector.
func (p *scalePaths) statusErrors(obj map[string]any) []field.Error {
	if p == nil {
		return nil
	}
	errs := countErrors(obj, p.status)
	if p.selector != nil {
		if s, _, err := nested[string](obj, p.selector, "string"); err != nil {
			errs = append(errs, field.Invalid(dotted(p.selector), s, err.Error()))
		}
	}
	return errs
}

// countErrors returns what is wrong with the number at a path, which a Scale has to hold.
func countErrors(obj map[string]any, path []string) []field.Error {
	n, _, err := count(obj, path)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case n < 0:
		why = "should be a non-negative integer"
	case n > math.MaxInt32:
		why = "should be less than or equal to " + strconv.Itoa(math.MaxInt32)
	default:
		return nil
	}
	return []field.Error{field.Invalid(dotted(path), n, why)}
}

// write puts the replicas of a Scale into the tree of old. The Scale is checked first: its
// fields and what its metadata say of old. The number is checked where that of any write is, but for
// that of a built-in kind.
func (v scaleView) write(old *store.Object, obj, scale map[string]any) error {
	given, err := readPreconditions(scale)
	if err != nil {
		return err
	}
	if v.typed() {
		return v.writeBuiltin(old, obj, scale, given)
	}
	// A resource version of 0 is that of an update without one, which no custom resource takes; none at
	// all is that of the object. It is looked at before the uid, unlike in an update.
	if given.revision == "" && tree.Text(scale, "metadata", "resourceVersion") != "" {
		return v.revisionRequired()
	}
	if err := given.checkRevision(v.Call, old); err != nil {
		return err
	}
	if err := given.checkUID(v.Call, old.Meta.UID); err != nil {
		return err
	}
	replicas, _ := tree.At(scale, "spec", "replicas").(int64) // 0 is left out
	if replicas == noReplicas {
		return status.BadRequest("the spec replicas field " + strconv.Quote(dotted(v.Resource.scale.spec)) + " cannot be empty")
	}
	tree.Set(obj, replicas, v.Resource.scale.spec...)
	return nil
}

// writeBuiltin does the same for a built-in kind. Upstream's storage looks at the uid before the Scale is
// made, at the number when that is done, and at the resource version last.
func (v scaleView) writeBuiltin(old *store.Object, obj, scale map[string]any, given preconditions) error {
	if err := given.checkUID(v.Call, old.Meta.UID); err != nil {
		return err
	}
	replicas, _ := tree.At(scale, "spec", "replicas").(int64) // 0 is left out
	if replicas < 0 {
		e := field.Invalid("spec.replicas", replicas, "must be greater than or equal to 0")
		return status.Invalid("autoscaling", "Scale", v.name, []field.Error{e})
	}
	if err := given.checkRevision(v.Call, old); err != nil {
		return err
	}
	tree.Set(obj, replicas, v.Resource.scale.spec...)
	return nil
}

// answerScale answers a write with the Scale of the object as it is now.
func (v scaleView) answerScale(w *write) error {
	obj := w.next
	if w.done != nil {
		if err := v.look(w.done); err != nil {
			return err
		}
		obj = v.decode(w.done) // next has been encoded, and has not the new resource version
	}
	scale, err := v.read(obj)
	if err != nil {
		return err
	}
	return v.answerTree(http.StatusOK, scale)
}
