package api

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

// New makes the resources of all built-in kinds, and serves no custom one yet.
func New(c Config) *API {
	s := &API{Config: c, Store: c.Store, Kinds: c.Kinds, meta: c.Kinds.Types["meta.ObjectMeta"], builtin: map[kinds.Key]*Resource{}, byBucket: map[*store.Bucket]*Resource{}}
	s.Namespaces = s.Store.Bucket("namespaces")
	for _, row := range c.Kinds.Kinds {
		r := s.NewBuiltin(row)
		s.builtin[kinds.NewKey(row.Group, row.Version, row.Kind)] = r
		if row.StoredAs == "" && r.Bucket != nil {
			s.byBucket[r.Bucket] = r
		}
	}
	s.Customs = newCustoms(s, c.Catalog, c.StrictCRDs)
	for key, h := range s.hookTable() {
		s.builtin[key].kindHooks = h
	}
	definitions := s.builtin[kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition")]
	definitions.shape = definitionShape{definitions.shape}
	return s
}

// hookTable returns what built-in kinds do that no table can say. Custom resources have no hooks.
func (s *API) hookTable() map[kinds.Key]kindHooks {
	return map[kinds.Key]kindHooks{
		kinds.NewKey("", "v1", "Namespace"): {
			beforeDelete: holdNamespace,
			special:      map[string]func(q *Call) error{"finalize": finalizeNamespace},
		},
		kinds.NewKey("", "v1", "ServiceAccount"): {
			special: map[string]func(q *Call) error{"token": (*Call).requestToken},
		},
		kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition"): {
			Prepare:      s.Customs.prepareDefinition,
			serial:       new(sync.Mutex), // two that want one name must see each other
			beforeDelete: holdDefinition,
			afterWrite:   func(*store.Object) { s.Customs.Follow() },
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

// NewBuiltin is the resource of a row.
func (s *API) NewBuiltin(row *kinds.Row) *Resource {
	r := &Resource{Row: row, api: s, shape: kinds.Shape{Row: row}, fields: row.Fields}
	r.nameErrors = map[string]func(string) []string{"label": field.DNSLabelErrors, "label1035": field.DNS1035LabelErrors, "subdomain": field.DNSSubdomainErrors, "segment": field.PathSegmentErrors}[row.NameRule]
	if row.ReviewOnly {
		return r
	}
	r.initialize = kinds.Shape{Row: row}.Initialize
	name := qualifiedName(row.Group, row.Plural)
	if row.StoredAs != "" {
		name = row.StoredAs
		r.ToStored, r.fromStored = row.ToStored, row.FromStored
		r.stored = s.byBucket[s.Store.Bucket(name)].fields
		r.fields = make([]kinds.Selectable, len(r.stored)) // each where the stored kind has its value
		for _, f := range row.Fields {
			r.fields[f.Index] = f
		}
	}
	r.Bucket = s.Store.Bucket(name)
	return r
}

// Builtin returns the resource of a built-in kind, nil if there is none.
func (s *API) Builtin(group, version, kind string) *Resource {
	return s.builtin[kinds.NewKey(group, version, kind)]
}

// ForKind is the resource that serves a kind, nil if none does.
func (s *API) ForKind(apiVersion, kind string) *Resource {
	group, version := splitAPIVersion(apiVersion)
	if r := s.builtin[kinds.NewKey(group, version, kind)]; r != nil {
		return r
	}
	return s.Customs.Kind(group, version, kind)
}

// ForBucket is a resource of the objects in a bucket, nil if nobody serves them now.
func (s *API) ForBucket(b *store.Bucket) *Resource {
	if r := s.byBucket[b]; r != nil {
		return r
	}
	s.Customs.mu.RLock()
	defer s.Customs.mu.RUnlock()
	return s.Customs.byBucket[b.Name]
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
	form         PathForm
	operation    string // the verb in the names of operations
	doc          string
}

// PathForm is one of the paths of a resource.
type PathForm int

// The paths that a resource can have. A resource of the cluster has no All forms: its collection is
// the only one.
const (
	FormAll        PathForm = iota // of all namespaces
	FormCollection                 // of one namespace, or of the cluster
	FormItem
	FormWatchAll // and the deprecated ones of watches
	FormWatchCollection
	FormWatchItem
)

// servedForms is every method and path that a resource can have. HEAD is GET everywhere.
var servedForms = []servedForm{
	{"list", http.MethodGet, FormCollection, "list", "list or watch"},
	{"create", http.MethodPost, FormCollection, "create", "create"},
	{"deletecollection", http.MethodDelete, FormCollection, "deletecollection", "delete several"},
	{"get", http.MethodGet, FormItem, "read", "read"},
	{"update", http.MethodPut, FormItem, "replace", "replace"},
	{"patch", http.MethodPatch, FormItem, "patch", "change"},
	{"delete", http.MethodDelete, FormItem, "delete", "delete"},
	{"list", http.MethodGet, FormAll, "list", "list or watch in all namespaces"},
	{"watch", http.MethodGet, FormWatchAll, "watch", "watch in all namespaces"},
	{"watch", http.MethodGet, FormWatchCollection, "watch", "watch"},
	{"watch", http.MethodGet, FormWatchItem, "watch", "watch one"},
}

// path returns a form's path below the group version.
func (r *Resource) path(form PathForm) string {
	p := "/" + r.Plural
	if r.Namespaced && form != FormAll && form != FormWatchAll {
		p = "/namespaces/{namespace}" + p
	}
	if form >= FormWatchAll {
		p = "/watch" + p
	}
	if form == FormItem || form == FormWatchItem {
		p += "/{name}"
	}
	return p
}

// operation is one method on one path of a resource, as data from which a container makes a
// route. The resource is the handler of all of them.
type operation struct {
	Method      string
	Path        string // below the group version
	Form        PathForm
	Subresource string              // "" for the object itself
	Name        string              // in OpenAPI, as upstream makes them
	Doc         string              // a few words
	Media       *request.MediaTypes // what the handler takes and gives; it refuses the rest in words of its own
}

// Operations returns all operations of the resource. HEAD follows each GET.
func (r *Resource) Operations() []operation {
	var out []operation
	add := func(f servedForm, o operation) {
		o.Method, o.Doc, o.Media = f.method, f.doc+" "+r.Kind, r.mediaTypes(f.verb)
		out = append(out, o)
		if o.Method == http.MethodGet {
			o.Method, o.Name = http.MethodHead, "head"+strings.ToUpper(o.Name[:1])+o.Name[1:]
			out = append(out, o)
		}
	}
	for _, f := range servedForms {
		all := f.form == FormAll || f.form == FormWatchAll
		if all && !r.Namespaced || !slices.Contains(r.Verbs, f.verb) {
			continue
		}
		add(f, operation{Path: r.path(f.form), Form: f.form, Name: r.operationName(f)})
	}
	for _, sub := range r.Subresources {
		for _, f := range servedForms {
			// A subresource is created below its object, as a token is.
			if f.form == FormCollection && f.verb == "create" {
				f.form = FormItem
			}
			if f.form == FormItem && slices.Contains(sub.Verbs, f.verb) {
				add(f, operation{Path: r.path(FormItem) + "/" + sub.Name, Form: FormItem, Subresource: sub.Name, Name: r.operationName(f) + strings.ToUpper(sub.Name[:1]) + sub.Name[1:]})
			}
		}
	}
	return out
}

// mediaTypes returns what a verb takes and gives.
func (r *Resource) mediaTypes(verb string) *request.MediaTypes {
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
	writeMedia       = request.MediaTypes{Consumes: append(slices.Clone(objectMedia), ProtobufMedia), Produces: objectMedia}
	patchMedia       = request.MediaTypes{Consumes: []string{JsonPatchType, MergePatchType, StrategicPatchType}, Produces: objectMedia}
	customWriteMedia = request.MediaTypes{Consumes: objectMedia, Produces: objectMedia}
	customPatchMedia = request.MediaTypes{Consumes: patchMedia.Consumes[:2], Produces: objectMedia}
)

// operationName returns the name of an operation, as upstream makes them.
func (r *Resource) operationName(f servedForm) string {
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
	case f.form == FormAll:
		return f.operation + gv + r.Kind + "ForAllNamespaces"
	case f.form == FormWatchAll:
		return f.operation + gv + r.Kind + "ListForAllNamespaces"
	case f.form == FormWatchCollection:
		return f.operation + gv + scope + r.Kind + "List"
	}
	return f.operation + gv + scope + r.Kind
}

// Internal is a call of the program itself: no request stands behind it. It acts without
// authorization.
func (s *API) Internal(r *Resource, verb, namespace, name, subresource string) *Call {
	info := &request.Info{IsResourceRequest: true, Verb: verb, APIGroup: r.Group, APIVersion: r.Version, Namespace: namespace, Resource: r.Plural, Name: name, Subresource: subresource}
	q := &Call{Resource: r, req: &http.Request{}, scope: request.From(context.Background()), info: info, name: name, options: options{strict: "Ignore"}}
	if r.Namespaced {
		q.namespace = namespace
	}
	return q
}

// Modify changes the object of an internal call until nobody else does meanwhile, or ctx ends.
// change gets a tree of its own each time; false leaves the object as it is. The result is nil
// when there is no such object, or it has gone with the change.
func (q *Call) Modify(ctx context.Context, change func(obj map[string]any) bool) (o *store.Object, err error) {
	err = q.retry(forever, func(old *store.Object) error {
		if o = nil; ctx.Err() != nil || old == nil {
			return ctx.Err()
		}
		w := write{Call: q, old: old, next: q.decode(old)}
		if !change(w.next) {
			o = old
			return nil
		}
		w.was = q.decode(old)
		err := w.replace()
		o = w.done
		return err
	})
	return o, err
}

// Apply creates obj, or puts it in the place of the object of its name, with all checks that
// a request would meet but for authorization. created says which.
func (s *API) Apply(ctx context.Context, obj map[string]any) (o *store.Object, created bool, err error) {
	apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
	r := s.ForKind(apiVersion, kind)
	if r == nil || r.Bucket == nil {
		return nil, false, fmt.Errorf("no kind %q is served in version %q", kind, apiVersion)
	}
	namespace, name := tree.Text(obj, "metadata", "namespace"), tree.Name(obj)
	if r.Namespaced && namespace == "" {
		namespace = "default"
	}
	q := s.Internal(r, "create", namespace, name, "")
	q.strict = "Strict"
	if err := q.prune(obj, nil); err != nil {
		return nil, false, err
	}
	sent, hasStatus := obj["status"]
	o, err = q.Insert(tree.Copy(obj).(map[string]any))
	var e *status.Error
	if errors.As(err, &e) && e.Reason == "AlreadyExists" {
		o, err = s.Internal(r, "update", namespace, name, "").Modify(ctx, func(old map[string]any) bool {
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
		o, err = s.Internal(r, "update", namespace, name, "status").Modify(ctx, func(old map[string]any) bool {
			old["status"] = tree.Copy(sent)
			return true
		})
	}
	return o, created, err
}
