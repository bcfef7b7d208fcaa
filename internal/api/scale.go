package api

import (
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The scale subresource shows an object of any kind as an autoscaling/v1 Scale, so that an
// autoscaler needs to know no kind but that one. The definition of a custom resource says by
// three paths where its objects keep the replicas that are wanted, those that there are, and a
// selector.
//
// A Scale is not stored: it is a view of the object. A read shows the object through it; a write
// patches or replaces what is shown, takes the replicas out of the result, puts them into the
// object, and goes on as an update of that:
//
//	object ──read──► Scale ──body──► Scale ──write──► object ──► replace

const scaleType = "autoscaling.Scale"

// scaleView is the view of one resource's objects as Scales. It holds nothing but the call, and
// has the two ways through it.
type scaleView struct{ *Call }

// serveScale serves GET, PUT and PATCH of the scale of an object.
func (q *Call) serveScale() error {
	if q.info.Verb != "get" && q.info.Verb != "update" && q.info.Verb != "patch" {
		return q.unsupported(q.info.Verb)
	}
	// A write too is refused for a missing object before anything is read of its request.
	sn := q.Bucket.Now()
	old := sn.Get(q.Resource.Key(q.namespace, q.name))
	if old == nil {
		return q.notFound(q.name)
	}
	v := scaleView{q}
	if q.info.Verb != "get" {
		return v.serveWrite()
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
		w := write{Call: v.Call, old: old, was: v.decode(old), next: v.decode(old)}
		shown, err := v.read(w.next)
		// An object without replicas has no scale to patch, but may be given one by a PUT.
		if err != nil && v.info.Verb == "patch" {
			return err
		}
		scale, problems, err := p.apply(shown)
		if err != nil {
			return err
		}
		typ := v.api.Kinds.Types[scaleType]
		prune := func(obj map[string]any) ([]string, error) { return kinds.Prune(typ, obj) }
		if err := v.prunePatched(&p, scale, problems, prune); err != nil {
			return err
		}
		if err := v.write(old, w.next, scale); err != nil {
			return err
		}
		if err := w.replace(); err != nil {
			return err
		}
		return v.answerScale(&w)
	})
}

// readChange reads the options and the body. What it returns makes of the Scale that is shown
// the one that is wanted: by a patch, or in a PUT by taking the body in its place.
func (v scaleView) readChange() (p patcher, err error) {
	if v.info.Verb == "patch" {
		if err := v.writeOptions("PatchOptions"); err != nil {
			return p, err
		}
		return v.readPatch(v.patchType())
	}
	if err := v.writeOptions("UpdateOptions"); err != nil {
		return p, err
	}
	obj, err := v.readTyped(v.api.Kinds.Types[scaleType], "Scale")
	if err != nil {
		return p, err
	}
	if obj == nil {
		return p, unrecognized("Scale", noJSON+"unexpected end of JSON input", nil)
	}
	if name := tree.Name(obj); name != "" && name != v.name {
		return p, v.wrongName(name)
	}
	p.apply = func(map[string]any) (map[string]any, []string, error) { return obj, nil, nil }
	return p, nil
}

// read returns the Scale of an object, which shares nothing with it but immutable values. It is
// upstream's 500 where the object does not say how many replicas are wanted.
func (v scaleView) read(obj map[string]any) (map[string]any, error) {
	paths := v.Resource.scale
	replicas, ok := tree.At(obj, paths.spec...).(int64)
	if !ok {
		why := "the spec replicas field " + strconv.Quote("."+strings.Join(paths.spec, ".")) + " does not exist"
		return nil, &status.Error{
			Code:    http.StatusInternalServerError,
			Reason:  "InternalError",
			Message: "Internal error occurred: " + why,
			Details: &status.Details{Causes: []field.Error{{Message: why}}},
		}
	}
	m := map[string]any{}
	for _, f := range [...]string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} {
		if v := tree.At(obj, "metadata", f); v != nil {
			m[f] = v
		}
	}
	// That nothing is known of the replicas that there are is shown as none of them.
	observed := map[string]any{"replicas": int64(0)}
	if n, ok := tree.At(obj, paths.status...).(int64); ok {
		observed["replicas"] = n
	}
	if paths.selector != nil {
		if s := tree.Text(obj, paths.selector...); s != "" {
			observed["selector"] = s
		}
	}
	return map[string]any{
		"kind": "Scale", "apiVersion": "autoscaling/v1",
		"metadata": m, "spec": map[string]any{"replicas": replicas}, "status": observed,
	}, nil
}

// write puts the replicas of a Scale into the tree of old. The Scale is checked first: its
// fields, what its metadata say of old, and the number.
func (v scaleView) write(old *store.Object, obj, scale map[string]any) error {
	// A resource version of 0 is no wildcard here, and it is looked at before the uid: both
	// unlike an update.
	given := preconditions{
		uid:      tree.Text(scale, "metadata", "uid"),
		revision: tree.Text(scale, "metadata", "resourceVersion"),
	}
	if err := given.checkRevision(v.Call, old); err != nil {
		return err
	}
	if err := given.checkUID(v.Call, old.Meta.UID); err != nil {
		return err
	}
	replicas, _ := tree.At(scale, "spec", "replicas").(int64) // 0 is left out
	if replicas < 0 {
		return status.Invalid("autoscaling", "Scale", v.name, []field.Error{
			field.Invalid("spec.replicas", replicas, "should be a non-negative integer"),
		})
	}
	tree.Set(obj, replicas, v.Resource.scale.spec...)
	return nil
}

// answerScale answers a write with the Scale of the object as it is now.
func (v scaleView) answerScale(w *write) error {
	obj := w.next
	if w.done != nil {
		obj = v.decode(w.done) // next has been encoded, and has not the new resource version
	}
	scale, err := v.read(obj)
	if err != nil {
		return err
	}
	return v.answerTree(http.StatusOK, scale)
}
