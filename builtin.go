package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"apichain/internal/discovery"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The resources of the built-in kinds: rows of the kind table, served by the containers of
// their servers.

// newRest makes the resources of all built-in kinds, and serves no custom one yet.
func newRest(c apiConfig) *rest {
	s := &rest{config: c, store: c.store, kinds: c.kinds, meta: c.kinds.Types["meta.ObjectMeta"], builtin: map[kinds.Key]*resource{}, byBucket: map[*store.Bucket]*resource{}}
	s.spaces = s.store.Bucket("namespaces")
	for _, row := range c.kinds.Kinds {
		r := s.newBuiltin(row)
		s.builtin[kinds.NewKey(row.Group, row.Version, row.Kind)] = r
		if row.StoredAs == "" && r.bucket != nil {
			s.byBucket[r.bucket] = r
		}
	}
	s.customs = newCustoms(s, c.catalog, c.strictCRDs)
	for key, h := range s.hookTable() {
		s.builtin[key].kindHooks = h
	}
	definitions := s.builtin[kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition")]
	definitions.shape = crdShape{definitions.shape}
	return s
}

// hookTable returns what built-in kinds do that no table can say. Custom resources have no hooks.
func (s *rest) hookTable() map[kinds.Key]kindHooks {
	return map[kinds.Key]kindHooks{
		kinds.NewKey("", "v1", "Namespace"): {
			beforeDelete: holdNamespace,
			special:      map[string]func(q *call) error{"finalize": finalizeNamespace},
		},
		kinds.NewKey("", "v1", "ServiceAccount"): {
			special: map[string]func(q *call) error{"token": (*call).requestToken},
		},
		kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition"): {
			prepare:      s.customs.prepareCRD,
			serial:       new(sync.Mutex), // two that want one name must see each other
			beforeDelete: keepCRD,
			afterWrite:   func(*store.Object) { s.customs.follow() },
		},
		kinds.NewKey("authentication.k8s.io", "v1", "TokenReview"):             {review: reviewToken},
		kinds.NewKey("authentication.k8s.io", "v1", "SelfSubjectReview"):       {review: reviewSelf},
		kinds.NewKey("authorization.k8s.io", "v1", "SubjectAccessReview"):      {review: reviewAccess},
		kinds.NewKey("authorization.k8s.io", "v1", "LocalSubjectAccessReview"): {review: reviewLocalAccess},
		kinds.NewKey("authorization.k8s.io", "v1", "SelfSubjectAccessReview"):  {review: reviewSelfAccess},
		kinds.NewKey("authorization.k8s.io", "v1", "SelfSubjectRulesReview"):   {review: reviewSelfRules},
	}
}

// resourceName is plural[.group].
func qualifiedName(group, plural string) string {
	if group == "" {
		return plural
	}
	return plural + "." + group
}

// newBuiltin is the resource of a row.
func (s *rest) newBuiltin(row *kinds.Row) *resource {
	r := &resource{Row: row, rest: s, shape: kinds.Shape{Row: row}, fields: row.Fields}
	r.nameErrors = map[string]func(string) []string{"label": field.DNSLabelErrors, "label1035": field.DNS1035LabelErrors, "subdomain": field.DNSSubdomainErrors, "segment": field.PathSegmentErrors}[row.NameRule]
	if row.ReviewOnly {
		return r
	}
	r.initialize = kinds.Shape{Row: row}.Initialize
	name := qualifiedName(row.Group, row.Plural)
	if row.StoredAs != "" {
		name = row.StoredAs
		r.toStored, r.fromStored = row.ToStored, row.FromStored
		r.stored = s.byBucket[s.store.Bucket(name)].fields
		r.fields = make([]kinds.Selectable, len(r.stored)) // each where the stored kind has its value
		for _, f := range row.Fields {
			r.fields[f.Index] = f
		}
	}
	r.bucket = s.store.Bucket(name)
	return r
}

// resourceOf is the resource that serves a kind, nil if none does.
func (s *rest) resourceOf(apiVersion, kind string) *resource {
	group, version := splitAPIVersion(apiVersion)
	if r := s.builtin[kinds.NewKey(group, version, kind)]; r != nil {
		return r
	}
	return s.customs.kind(group, version, kind)
}

// resourceFor is a resource of the objects in a bucket, nil if nobody serves them now.
func (s *rest) resourceFor(b *store.Bucket) *resource {
	if r := s.byBucket[b]; r != nil {
		return r
	}
	s.customs.mu.RLock()
	defer s.customs.mu.RUnlock()
	return s.customs.byBucket[b.Name]
}

func splitAPIVersion(apiVersion string) (group, version string) {
	if group, version, ok := strings.Cut(apiVersion, "/"); ok {
		return group, version
	}
	return "", apiVersion
}

// servedForm is one method on one form of a resource's paths.
type servedForm struct {
	verb, method string
	form         pathForm
	operation    string // the verb in the names of operations
	doc          string
}

// pathForm is one of the paths of a resource.
type pathForm int

// The paths that a resource can have. A resource of the cluster has no All forms: its collection is
// the only one.
const (
	formAll        pathForm = iota // of all namespaces
	formCollection                 // of one namespace, or of the cluster
	formItem
	formWatchAll // and the deprecated ones of watches
	formWatchCollection
	formWatchItem
)

// servedForms is every method and path that a resource can have. HEAD is GET everywhere.
var servedForms = []servedForm{
	{"list", http.MethodGet, formCollection, "list", "list or watch"},
	{"create", http.MethodPost, formCollection, "create", "create"},
	{"deletecollection", http.MethodDelete, formCollection, "deletecollection", "delete several"},
	{"get", http.MethodGet, formItem, "read", "read"},
	{"update", http.MethodPut, formItem, "replace", "replace"},
	{"patch", http.MethodPatch, formItem, "patch", "change"},
	{"delete", http.MethodDelete, formItem, "delete", "delete"},
	{"list", http.MethodGet, formAll, "list", "list or watch in all namespaces"},
	{"watch", http.MethodGet, formWatchAll, "watch", "watch in all namespaces"},
	{"watch", http.MethodGet, formWatchCollection, "watch", "watch"},
	{"watch", http.MethodGet, formWatchItem, "watch", "watch one"},
}

// path returns a form's path below the group version.
func (r *resource) path(form pathForm) string {
	p := "/" + r.Plural
	if r.Namespaced && form != formAll && form != formWatchAll {
		p = "/namespaces/{namespace}" + p
	}
	if form >= formWatchAll {
		p = "/watch" + p
	}
	if form == formItem || form == formWatchItem {
		p += "/{name}"
	}
	return p
}

// operation is one method on one path of a resource, as data from which a container makes a
// route. The resource is the handler of all of them.
type operation struct {
	method      string
	path        string // below the group version
	form        pathForm
	subresource string              // "" for the object itself
	name        string              // in OpenAPI, as upstream makes them
	doc         string              // a few words
	media       *request.MediaTypes // what the handler takes and gives; it refuses the rest in words of its own
}

// operations returns all operations of the resource. HEAD follows each GET.
func (r *resource) operations() []operation {
	var out []operation
	add := func(f servedForm, o operation) {
		o.method, o.doc, o.media = f.method, f.doc+" "+r.Kind, r.mediaTypes(f.verb)
		out = append(out, o)
		if o.method == http.MethodGet {
			o.method, o.name = http.MethodHead, "head"+strings.ToUpper(o.name[:1])+o.name[1:]
			out = append(out, o)
		}
	}
	for _, f := range servedForms {
		all := f.form == formAll || f.form == formWatchAll
		if all && !r.Namespaced || !slices.Contains(r.Verbs, f.verb) {
			continue
		}
		add(f, operation{path: r.path(f.form), form: f.form, name: r.operationName(f)})
	}
	for _, sub := range r.Subresources {
		for _, f := range servedForms {
			// A subresource is created below its object, as a token is.
			if f.form == formCollection && f.verb == "create" {
				f.form = formItem
			}
			if f.form == formItem && slices.Contains(sub.Verbs, f.verb) {
				add(f, operation{path: r.path(formItem) + "/" + sub.Name, form: formItem, subresource: sub.Name, name: r.operationName(f) + strings.ToUpper(sub.Name[:1]) + sub.Name[1:]})
			}
		}
	}
	return out
}

// mediaTypes returns what a verb takes and gives.
func (r *resource) mediaTypes(verb string) *request.MediaTypes {
	switch {
	case verb == "get" || verb == "list":
		return &readMedia
	case verb == "watch":
		return &watchMedia
	case verb == "patch" && r.custom:
		return &customPatchMedia
	case verb == "patch":
		return &patchMedia
	case r.custom:
		return &customWriteMedia
	}
	return &writeMedia
}

// Nobody changes these.
var (
	objectMedia      = []string{"application/json", "application/yaml", "text/yaml"}
	readMedia        = request.MediaTypes{Produces: objectMedia}
	watchMedia       = request.MediaTypes{Produces: []string{"application/json"}}
	writeMedia       = request.MediaTypes{Consumes: append(slices.Clone(objectMedia), protobufMedia), Produces: objectMedia}
	patchMedia       = request.MediaTypes{Consumes: []string{jsonPatchType, mergePatchType, strategicPatchType}, Produces: objectMedia}
	customWriteMedia = request.MediaTypes{Consumes: objectMedia, Produces: objectMedia}
	customPatchMedia = request.MediaTypes{Consumes: patchMedia.Consumes[:2], Produces: objectMedia}
)

// operationName returns the name of an operation, as upstream makes them.
func (r *resource) operationName(f servedForm) string {
	group, _, _ := strings.Cut(r.Group, ".")
	if group == "" {
		group = "core"
	}
	gv, scope := discovery.OperationName(group)+discovery.OperationName(r.Version), ""
	if r.Namespaced {
		scope = "Namespaced"
	}
	switch {
	case f.verb == "deletecollection":
		return "delete" + gv + "Collection" + scope + r.Kind
	case f.form == formAll:
		return f.operation + gv + r.Kind + "ForAllNamespaces"
	case f.form == formWatchAll:
		return f.operation + gv + r.Kind + "ListForAllNamespaces"
	case f.form == formWatchCollection:
		return f.operation + gv + scope + r.Kind + "List"
	}
	return f.operation + gv + scope + r.Kind
}

// internal is a call of the program itself: no request stands behind it. It acts without
// authorization.
func (s *rest) internal(r *resource, verb, namespace, name, subresource string) *call {
	info := &request.Info{IsResourceRequest: true, Verb: verb, APIGroup: r.Group, APIVersion: r.Version, Namespace: namespace, Resource: r.Plural, Name: name, Subresource: subresource}
	q := &call{resource: r, req: &http.Request{}, scope: request.From(context.Background()), info: info, name: name, strict: "Ignore"}
	if r.Namespaced {
		q.namespace = namespace
	}
	return q
}

// modify changes the object of an internal call until nobody else does meanwhile. change
// gets a tree of its own each time; false leaves the object as it is. The result is nil when
// there is no such object, or it has gone with the change.
func (q *call) modify(ctx context.Context, change func(obj map[string]any) bool) (*store.Object, error) {
	for ctx.Err() == nil {
		sn := q.bucket.Now()
		old := sn.Get(q.resource.key(q.namespace, q.name))
		if old == nil {
			return nil, nil
		}
		next := q.decode(old)
		if !change(next) {
			return old, nil
		}
		done, err := q.replace(old, q.decode(old), next)
		var raced *store.Conflict
		if !errors.As(err, &raced) {
			return done, err
		}
	}
	return nil, ctx.Err()
}

// apply creates obj, or puts it in the place of the object of its name, with all checks that
// a request would meet but for authorization. created says which.
func (s *rest) apply(ctx context.Context, obj map[string]any) (o *store.Object, created bool, err error) {
	apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
	r := s.resourceOf(apiVersion, kind)
	if r == nil || r.bucket == nil {
		return nil, false, fmt.Errorf("no kind %q is served in version %q", kind, apiVersion)
	}
	namespace, name := tree.Text(obj, "metadata", "namespace"), tree.Name(obj)
	if r.Namespaced && namespace == "" {
		namespace = "default"
	}
	q := s.internal(r, "create", namespace, name, "")
	q.strict = "Strict"
	if err := q.prune(obj, nil); err != nil {
		return nil, false, err
	}
	sent, hasStatus := obj["status"]
	o, err = q.insertObject(tree.Copy(obj).(map[string]any))
	var e *status.Error
	if errors.As(err, &e) && e.Reason == "AlreadyExists" {
		o, err = s.internal(r, "update", namespace, name, "").modify(ctx, func(old map[string]any) bool {
			rev, kept := tree.At(old, "metadata", "resourceVersion"), old["status"]
			clear(old)
			for k, v := range tree.Copy(obj).(map[string]any) {
				old[k] = v
			}
			tree.Metadata(old)["resourceVersion"] = rev
			if kept != nil {
				old["status"] = kept
			}
			return true
		})
	} else {
		created = true
	}
	if err == nil && hasStatus && r.HasStatus {
		o, err = s.internal(r, "update", namespace, name, "status").modify(ctx, func(old map[string]any) bool {
			old["status"] = tree.Copy(sent)
			return true
		})
	}
	return o, created, err
}
