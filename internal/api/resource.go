package api

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"sync/atomic"

	"apichain/internal/allocator"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// A resource in one version is one value, which the verbs read and never change. Built-in and
// custom resources differ in where its fields come from (a row of the kind table, or a
// definition in the store), and in few other things: where upstream's two servers answer
// differently, custom says which words to use.
//
// Several resources may share a bucket. Each then shows the objects in its own way:
//
//	apis/example.com/v1beta1/widgets   ┐ one bucket; objects are stored in the storage
//	apis/example.com/v1/widgets        ┘ version, here v1, and v1beta1 converts
//	api/v1/events                      ┐ one bucket; stored as those of the core group,
//	apis/events.k8s.io/v1/events       ┘ and the other renames top-level fields
//
// decode and encode lead between the stored form and that of the version. Conversion changes
// apiVersion and prunes what the version does not have, or asks a webhook (convert.go). Defaults of a custom
// resource are set twice, and never on a read in another version (upstream): those of the request's
// version in what a client sends, before anything else is done with it, and those of the storage
// version in what is stored. Where nothing is to convert (asStored), the stored bytes are the
// answer, and most requests never decode an object.
//
// A changed definition gives rise to new resources. Whatever still runs under an old one
// finds out by retired: watches end, and writes begin again with the new one.

// shape is what a resource knows of the contents of its objects: for a built-in kind the
// kind table, for a custom one its schema. All methods may be called concurrently; those that
// change an object need it alone.
type shape interface {
	// Prune removes the fields that the type does not have and returns their paths. An
	// error, for the client, says that a field has a value of another JSON type; what was
	// removed till then stays removed.
	Prune(obj map[string]any) (unknown []string, err error)
	// SetDefaults fills in what is missing, in place.
	SetDefaults(obj map[string]any)
	// Validate returns what is wrong with obj and changes nothing. old is nil for a new object;
	// what is wrong with it already, a later write may leave so. With status, the status alone is
	// written.
	Validate(obj, old map[string]any, status bool) []field.Error
}

// Resource is one resource in one version as it is served: what the REST verbs need to know of
// it. It does not change once it is served, and may be used by any number of requests.
type Resource struct {
	// Identity.

	// Row says what the kind is: a row of the kind table, or what a definition says in its
	// place.
	*kinds.Row
	api *API
	// custom says that a definition made it: some answers differ from those of built-in kinds,
	// as upstream's do.
	custom bool

	// How objects look.

	shape shape
	// zero returns an object in which nobody has set anything, as upstream writes it, and which nobody may change; nil of a custom
	// resource. The type is read for it, so it is made when it is first asked for.
	zero func() map[string]any
	// nameErrors returns what is wrong with a name, by the rule of the kind.
	nameErrors nameRule
	// fields are what field selectors may name, in the order of store.Meta.Fields.
	fields []kinds.Selectable
	// stored says how to read the same fields from a stored object; nil means as fields says.
	stored []kinds.Selectable
	// scale is nil for a resource without that subresource.
	scale *scalePaths

	// forms are what Forms returns.
	forms []*Resource

	// How they are kept.

	// Bucket holds the objects. It is nil for a kind that is only answered, as reviews are.
	Bucket *store.Bucket
	// storageVersion is the version of stored objects where it is not Version, else "".
	storageVersion string
	// shapes are those of all versions of a custom resource, by version. Objects are stored in any
	// of them: the storage version may have been another one when they were written.
	shapes map[string]*customShape
	// schemaRevision is the store's revision when the schema changed last: objects that were
	// written up to it may lack defaults and have fields that are gone. 0 means never.
	schemaRevision int64
	// storedHead begins the JSON of objects of this version, where there are others. A call that began before another version
	// was made the stored one may meet objects that were written after that.
	storedHead []byte
	// webhook converts objects of other versions; nil where nobody is asked.
	webhook *byWebhook
	// ToStored and fromStored lead between this shape and the stored one, for a kind that is
	// stored as another. They move top-level fields in place and leave what is below. Both are
	// nil where the shapes are the same.
	ToStored, fromStored func(obj map[string]any)
	// initialize gives a new object what it has whatever was sent; nil means nothing.
	initialize func(obj map[string]any)

	// What the kind does beyond its data: with its objects, and with requests and storage.
	strategy.Strategy
	kindHooks
	// admitters may change and refuse its writes, as Config.Admit says.
	admitters Admitters

	// Serving, of custom resources.

	// terminating says that the definition is being deleted: nothing is created.
	terminating bool
	// deprecation is a warning that comes with every answer, "" for none.
	deprecation string
	// unserved says that no path leads here: the resource exists for the objects that are
	// stored, so that they can be deleted with their namespace or their definition.
	unserved bool
	// retired is closed when the definition has changed or gone; nil for built-in kinds.
	retired chan struct{}
	// Routes is for who routes to the resource: made of its operations once, and dropped with
	// it. This package never reads it.
	Routes atomic.Value
}

// kindHooks are what a kind does that its row cannot say. Each may be nil. An entry of the one
// table of hooks, hookTable, gives them to a kind.
type kindHooks struct {
	// prepare has the last word before an object is checked, and settle before it is stored, when admission has been
	// asked: it gives what only a good object gets. They may change obj, and their errors are the client's. old is
	// nil on create.
	prepare, settle func(q *Call, obj, old map[string]any) error
	// validateStatus checks obj in place of its shape where only the status is written.
	validateStatus func(obj map[string]any) []field.Error
	// serial, with room for one, is filled from settle until the object is written, where what settle sees must still
	// hold then.
	serial chan struct{}
	// claims fills in what the server gives an object, and holds it for the write. old is nil on create. What
	// stands for it in the store is changed with the object.
	claims func(obj, old map[string]any, dryRun bool) (*allocator.Claim, error)
	// afterWrite is called after a write of o, before its answer.
	afterWrite func(o *store.Object)
	// preconditionFailed begins what is said of a delete whose preconditions do not hold, where the
	// kind's storage looks at them itself (upstream).
	preconditionFailed string
	// beforeDelete may change obj so that it stays for now, and returns true then.
	beforeDelete func(q *Call, obj map[string]any) (stays bool, err error)
	// grace returns how many seconds a deleted object has to end, 0 for none; asked is what the delete
	// says, nil for nothing.
	grace func(obj map[string]any, asked *int64) int64
	// review fills in the status of an object that is only answered and never stored.
	review review
	// special serves the subresources with rules of their own, by name, and under "" the creation of
	// what is not stored; status and scale are served for every kind that has them.
	special map[string]func(q *Call) error
}

// scalePaths is where the objects of a resource keep what its scale subresource shows.
type scalePaths struct {
	spec, status []string
	// selector is nil for a resource that names no selector.
	selector []string
	// selectorText returns the selector of an object as a text, where it is kept in fields; nil where
	// the text is at the path.
	selectorText func(obj map[string]any) (string, error)
}

// Key returns the store's key of an object. The namespace of a cluster-scoped one is ignored.
func (r *Resource) Key(namespace, name string) string {
	if r.Namespaced {
		return namespace + "/" + name
	}
	return name
}

// Root returns where the paths of a resource of a named group begin, with the slash behind.
// The core group is elsewhere, under /api.
func (r *Resource) Root() string { return "/apis/" + r.Group + "/" + r.Version + "/" }

// apiVersion returns what objects of the resource say: v1, or example.com/v1.
//
//go:noinline
func (r *Resource) apiVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// Draft encodes an object for the store. The object must be in the stored form already (see
// encode for one that is not), and may be used again afterwards.
func (r *Resource) Draft(obj map[string]any) store.Draft {
	paths := r.stored
	if paths == nil {
		paths = r.fields
	}
	return store.Encode(obj, kinds.FieldValues(obj, paths))
}

// asStored reports whether the stored bytes of o are what this version answers: it was written
// in this version, in this shape, and since the schema changed last, or is a view of this version. Only then may o.Raw and
// o.Line go to a client, and o.Meta.Fields be compared with a selector.
//
//go:noinline
func (r *Resource) asStored(o *store.Object) bool {
	return o.IsView() || r.storageVersion == "" && r.fromStored == nil && o.Rev > r.schemaRevision && bytes.HasPrefix(o.Raw(), r.storedHead)
}

// view returns o as JSON in this version. It may be the store's own bytes: nobody may change
// them.
func (r *Resource) view(o *store.Object) []byte {
	if r.asStored(o) {
		return o.Raw()
	}
	return tree.AppendJSON(nil, r.decode(o))
}

// decode returns o as a tree in this version, which the caller owns. Fields that this version
// lacks are left out of it, and stay in the store until the object is written again.
func (r *Resource) decode(o *store.Object) map[string]any {
	obj := o.Decode()
	if r.asStored(o) {
		return obj
	}
	if r.fromStored != nil {
		r.fromStored(obj)
	}
	if r.custom {
		r.convertFromStored(obj)
		return obj
	}
	obj["apiVersion"] = r.apiVersion()
	// What an older schema let in may have another type than the schema has now. There is
	// nobody to blame for it on a read: it is shown as it is.
	_, _ = r.shape.Prune(obj)
	r.shape.SetDefaults(obj)
	return obj
}

// encode returns obj, which is in this version and is consumed, for the store. It is the way
// back from decode. The error is of an object that the storage version of a custom resource cannot
// have, or of a webhook that does not convert it.
func (r *Resource) encode(ctx context.Context, obj map[string]any) (store.Draft, error) {
	if r.ToStored != nil {
		r.ToStored(obj)
	}
	if r.custom {
		var err error
		if obj, err = r.convertToStored(ctx, obj); err != nil {
			return store.Draft{}, err
		}
	}
	return r.Draft(obj), nil
}

// notFound returns the 404 for an object.
func (r *Resource) notFound(name string) *status.Error {
	return &status.Error{Code: http.StatusNotFound, Reason: "NotFound",
		Message: r.Qualified() + " " + strconv.Quote(name) + " not found",
		Details: &status.Details{Name: name, Group: r.Group, Kind: r.Plural}}
}

// unsupported returns the 405 of a verb that the resource has not, in the words of upstream's
// custom resources.
func (r *Resource) unsupported(verb string) *status.Error {
	return &status.Error{Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed",
		Message: verb + " is not supported on resources of kind " + strconv.Quote(r.Qualified()),
		Details: &status.Details{Group: r.Group, Kind: r.Plural}}
}

// conflict returns the 409 for a write of an object that somebody else has changed.
//
//go:noinline
func (r *Resource) conflict(name, why string) *status.Error {
	return status.Conflict(r.Group, r.Plural, name, why)
}

// kindConflict returns the 409 of a precondition of a delete. Upstream names the kind in it,
// where every other conflict names the resource.
func (r *Resource) kindConflict(name, why string) *status.Error {
	kind := r.Kind
	if r.Group != "" {
		kind += "." + r.Group
	}
	return &status.Error{Code: http.StatusConflict, Reason: "Conflict",
		Message: "Operation cannot be fulfilled on " + kind + " " + strconv.Quote(name) + ": " + why,
		Details: &status.Details{Name: name, Group: r.Group, Kind: r.Kind}}
}
