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

// newRest makes the store and what all resources share.
func newRest(p *program) (*rest, error) {
	table, err := kinds.Load()
	if err != nil {
		return nil, err
	}
	o := &p.opt.watch
	s := &rest{program: p, kinds: table, limits: *o, watches: &p.watching, meta: table.Types["meta.ObjectMeta"], builtin: map[kinds.Key]*resource{}, byBucket: map[*store.Bucket]*resource{}}
	s.store = p.store
	s.spaces = s.store.Bucket("namespaces")
	for _, row := range table.Kinds {
		r := s.newBuiltin(row)
		s.builtin[kinds.NewKey(row.Group, row.Version, row.Kind)] = r
		if row.StoredAs == "" && r.bucket != nil {
			s.byBucket[r.bucket] = r
		}
	}
	s.customs = newCustoms(s, &p.catalog, p.opt.customs.strict)
	s.fit()
	return s, nil
}

// fit gives the kinds that the server itself acts upon what no table can say.
func (s *rest) fit() {
	for kind, answer := range reviews() {
		for key, r := range s.builtin {
			if key.Name == kind {
				r.reviewed = answer
			}
		}
	}
	accounts := s.builtin[kinds.NewKey("", "v1", "ServiceAccount")]
	accounts.subresources["token"] = &subresource{serve: func(q *call) error { return q.rest.program.authn.accounts.requestToken(q) }}
	spaces := s.builtin[kinds.NewKey("", "v1", "Namespace")]
	spaces.subresources["finalize"] = &subresource{serve: finalizeSpace}
	spaces.beforeDelete = holdSpace
	definitions := s.builtin[kinds.NewKey("apiextensions.k8s.io", "v1", "CustomResourceDefinition")]
	definitions.shape = crdShape{definitions.shape}
	definitions.prepare = s.customs.prepareCRD
	definitions.alone = new(sync.Mutex) // two that want one name must see each other
	definitions.beforeDelete = keepCRD
	definitions.written = func(*store.Object) { s.customs.follow() }
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
	r := &resource{
		rest: s, group: row.Group, version: row.Version, kind: row.Kind, listKind: row.Kind + "List", plural: row.Plural, singular: row.Singular,
		namespaced: row.Namespaced, shape: kinds.Shape{Row: row}, typ: row.Type, columns: row.Columns, fields: row.Fields, hasStatus: row.HasStatus, givenStatus: row.KeepsGivenStatus,
		deleteGivesObject: row.ReturnsDeleted, blindUpdate: row.UnconditionalUpdate, createOnUpdate: row.CreateOnUpdate, generation: row.HasGeneration,
		verbs: row.Verbs, subs: row.Subresources, subresources: map[string]*subresource{},
	}
	r.nameErrors = map[string]func(string) []string{"label": field.DNSLabelErrors, "label1035": field.DNS1035LabelErrors, "subdomain": field.DNSSubdomainErrors, "segment": field.PathSegmentErrors}[row.NameRule]
	if row.ReviewOnly {
		return r
	}
	r.initialize, r.keeps = kinds.Shape{Row: row}.Initialize, row.Kept
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

// resourceOf is the resource that serves a kind, nil if none does.
func (p *program) resourceOf(apiVersion, kind string) *resource {
	return p.rest.resourceOf(apiVersion, kind)
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

const (
	formAll        pathForm = iota // of all namespaces, or of the cluster
	formCollection                 // of one namespace
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

// path is a form's path below the group version.
func (r *resource) path(form pathForm) string {
	p := "/" + r.plural
	if r.namespaced && form != formAll && form != formWatchAll {
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

// routeRows is the routes of the resource below its group version.
func (r *resource) routeRows() []Route {
	var out []Route
	add := func(f servedForm, path, operation string) {
		route := Route{Method: f.method, Path: path, Handler: r, Operation: operation, Doc: f.doc + " " + r.kind, Described: r.mediaTypes(f.verb)}
		out = append(out, route)
		if f.method == http.MethodGet {
			route.Method, route.Operation = http.MethodHead, "head"+strings.ToUpper(operation[:1])+operation[1:]
			out = append(out, route)
		}
	}
	for _, f := range servedForms {
		cluster := f.form == formAll || f.form == formWatchAll
		if cluster && !r.namespaced || !slices.Contains(r.verbs, f.verb) {
			continue
		}
		add(f, r.path(f.form), r.operation(f))
	}
	for _, sub := range r.subs {
		for _, f := range servedForms {
			at := f.form
			if f.form == formCollection && f.verb == "create" {
				at = formItem
			}
			if at == formItem && slices.Contains(sub.Verbs, f.verb) {
				add(f, r.path(formItem)+"/"+sub.Name, r.operation(servedForm{verb: f.verb, form: formItem, operation: f.operation})+strings.ToUpper(sub.Name[:1])+sub.Name[1:])
			}
		}
	}
	return out
}

// mediaTypes are what a verb takes and gives. The handler refuses the rest, with a message
// of its own.
func (r *resource) mediaTypes(verb string) *MediaTypes {
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
	readMedia        = MediaTypes{nil, objectMedia}
	watchMedia       = MediaTypes{nil, []string{"application/json"}}
	writeMedia       = MediaTypes{append(slices.Clone(objectMedia), protobufMedia), objectMedia}
	patchMedia       = MediaTypes{[]string{jsonPatchType, mergePatchType, strategicPatchType}, objectMedia}
	customWriteMedia = MediaTypes{objectMedia, objectMedia}
	customPatchMedia = MediaTypes{patchMedia.Consumes[:2], objectMedia}
)

// operation is the name of an operation, as upstream makes them.
func (r *resource) operation(f servedForm) string {
	group, _, _ := strings.Cut(r.group, ".")
	if group == "" {
		group = "core"
	}
	gv, scope := discovery.OperationName(group)+discovery.OperationName(r.version), ""
	if r.namespaced {
		scope = "Namespaced"
	}
	switch {
	case f.verb == "deletecollection":
		return "delete" + gv + "Collection" + scope + r.kind
	case f.form == formAll:
		return f.operation + gv + r.kind + "ForAllNamespaces"
	case f.form == formWatchAll:
		return f.operation + gv + r.kind + "ListForAllNamespaces"
	case f.form == formWatchCollection:
		return f.operation + gv + scope + r.kind + "List"
	}
	return f.operation + gv + scope + r.kind
}

// internal is a call of the program itself: no request stands behind it. It acts without
// authorization.
func (s *rest) internal(r *resource, verb, namespace, name, subresource string) *call {
	info := &request.Info{IsResourceRequest: true, Verb: verb, APIGroup: r.group, APIVersion: r.version, Namespace: namespace, Resource: r.plural, Name: name, Subresource: subresource}
	q := &call{resource: r, req: &http.Request{}, scope: request.From(context.Background()), info: info, name: name, strict: "Ignore"}
	if r.namespaced {
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
func (p *program) apply(ctx context.Context, _ *request.User, obj map[string]any) (o *store.Object, created bool, err error) {
	apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
	r := p.resourceOf(apiVersion, kind)
	if r == nil || r.bucket == nil {
		return nil, false, fmt.Errorf("no kind %q is served in version %q", kind, apiVersion)
	}
	namespace, name := tree.Text(obj, "metadata", "namespace"), tree.Name(obj)
	if r.namespaced && namespace == "" {
		namespace = "default"
	}
	q := p.rest.internal(r, "create", namespace, name, "")
	q.strict = "Strict"
	if err := q.prune(obj, nil); err != nil {
		return nil, false, err
	}
	sent, hasStatus := obj["status"]
	o, err = q.insertObject(tree.Copy(obj).(map[string]any))
	var e *status.Error
	if errors.As(err, &e) && e.Reason == "AlreadyExists" {
		o, err = p.rest.internal(r, "update", namespace, name, "").modify(ctx, func(old map[string]any) bool {
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
	if err == nil && hasStatus && r.hasStatus {
		o, err = p.rest.internal(r, "update", namespace, name, "status").modify(ctx, func(old map[string]any) bool {
			old["status"] = tree.Copy(sent)
			return true
		})
	}
	return o, created, err
}
