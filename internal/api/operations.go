package api

import (
	"net/http"
	"slices"
	"strings"

	"apichain/internal/discovery"
	"apichain/internal/request"
)

// The operations of a resource as data, from which a container makes routes: which methods there
// are on which paths, what they are called, and what they take and give. The resource itself is
// the handler of all of them; it finds out from the request what to do.
//
//	GET, POST, DELETE            /namespaces/{namespace}/widgets          FormCollection
//	GET, PUT, PATCH, DELETE      /namespaces/{namespace}/widgets/{name}   FormItem
//	GET                          /widgets                                 FormAll
//	GET                          /watch/widgets                           FormWatchAll
//	GET                          /watch/namespaces/{namespace}/widgets    FormWatchCollection
//	GET                          /watch/namespaces/{namespace}/widgets/{name}
//	GET, PUT, PATCH              /namespaces/{namespace}/widgets/{name}/status
//
// The paths with watch in front are deprecated in Kubernetes, and still served: a watch is a list
// with a parameter. A cluster-scoped resource has the paths without namespaces, and no All forms,
// since its collection is the only one. Verbs that a resource does not have make no operation.
//
// Names follow upstream's container, whose groups are cut at the first dot. Those in OpenAPI are
// made in package discovery by another rule (upstream): there, all of a group counts.

// PathForm is one of the paths that a resource has.
type PathForm int

// The forms. FormAll is the collection of all namespaces, FormCollection that of one namespace or of
// the cluster, and FormItem is an object; the others are the deprecated paths of their watches, in
// the same order.
const (
	FormAll PathForm = iota
	FormCollection
	FormItem
	FormWatchAll
	FormWatchCollection
	FormWatchItem
)

// Operation is one method on one path of a resource.
type Operation struct {
	// Method is an HTTP method.
	Method string
	// Path is below the group version, as /namespaces/{namespace}/widgets.
	Path string
	// Form says which of the resource's paths it is; that of a subresource is FormItem.
	Form PathForm
	// Subresource is "" for the object itself.
	Subresource string
	// Name is unique among the operations of a server: listCoreV1NamespacedConfigMap.
	Name string
	// Doc says in a few words what it does.
	Doc string
	// Media is what the handler takes and gives. It refuses anything else in words of its own, so a
	// container need not. Nobody may change it.
	Media *request.MediaTypes
}

// servedForm is a verb on one form of path.
type servedForm struct {
	verb   string
	method string
	form   PathForm
	// word is the verb in the names of operations, and doc begins their texts.
	word, doc string
}

// servedForms has every method and path that a resource can have, in the order of operations. HEAD
// is GET everywhere.
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

// Operations returns all operations of the resource, those of subresources behind those of the
// objects. Behind each GET is the HEAD of the same path.
func (r *Resource) Operations() []Operation {
	out := make([]Operation, 0, 16+8*len(r.Subresources)) // enough for all verbs
	add := func(f servedForm, o Operation) {
		o.Method, o.Doc, o.Media = f.method, f.doc+" "+r.Kind, r.mediaTypes(f.verb)
		out = append(out, o)
		if o.Method == http.MethodGet {
			o.Method, o.Name = http.MethodHead, "head"+capital(o.Name)
			out = append(out, o)
		}
	}
	for _, f := range servedForms {
		isAll := f.form == FormAll || f.form == FormWatchAll
		if isAll && !r.Namespaced || !slices.Contains(r.Verbs, f.verb) {
			continue
		}
		add(f, Operation{Path: r.path(f.form), Form: f.form, Name: r.operationName(f)})
	}
	for _, sub := range r.Subresources {
		for _, f := range servedForms {
			// A subresource is created below its object, as a token is.
			if f.form == FormCollection && f.verb == "create" {
				f.form = FormItem
			}
			if f.form == FormItem && slices.Contains(sub.Verbs, f.verb) {
				o := Operation{
					Path: r.path(FormItem) + "/" + sub.Name, Form: FormItem, Subresource: sub.Name,
					Name: r.operationName(f) + capital(sub.Name),
				}
				add(f, o)
				if sub.Name == "proxy" { // and whatever is asked of what is behind it
					o.Path, o.Name = o.Path+"/{path:*}", o.Name+"WithPath"
					add(f, o)
				}
			}
		}
	}
	return out
}

// path returns a form's path below the group version.
func (r *Resource) path(form PathForm) string {
	p := "/" + r.Plural
	if r.Namespaced && form != FormAll && form != FormWatchAll {
		p = "/namespaces/{namespace}" + p
	}
	// The forms of watches are the last ones.
	if form >= FormWatchAll {
		p = "/watch" + p
	}
	if form == FormItem || form == FormWatchItem {
		p += "/{name}"
	}
	return p
}

// capital returns s, which is not empty, with a capital letter.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// operationName returns the name of an operation on the objects, as upstream makes it.
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
		return f.word + gv + r.Kind + "ForAllNamespaces"
	case f.form == FormWatchAll:
		return f.word + gv + r.Kind + "ListForAllNamespaces"
	case f.form == FormWatchCollection:
		return f.word + gv + scope + r.Kind + "List"
	}
	return f.word + gv + scope + r.Kind
}

// mediaTypes returns what the operations of a verb take and give. Custom resources take neither
// protobuf nor strategic merge patches, both of which need Go types in upstream.
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

// The media types of operations. Nobody changes these.
var (
	objectMedia      = []string{"application/json", "application/yaml"}
	readMedia        = request.MediaTypes{Produces: objectMedia}
	watchMedia       = request.MediaTypes{Produces: []string{"application/json"}}
	writeMedia       = request.MediaTypes{Consumes: append(slices.Clone(objectMedia), protobufMedia), Produces: objectMedia}
	patchMedia       = request.MediaTypes{Consumes: []string{jsonPatchType, mergePatchType, strategicPatchType}, Produces: objectMedia}
	customWriteMedia = request.MediaTypes{Consumes: objectMedia, Produces: objectMedia}
	customPatchMedia = request.MediaTypes{Consumes: patchMedia.Consumes[:2], Produces: objectMedia}
)
