package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/auth"
	"apichain/internal/discovery"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// shape is what a resource knows of the contents of its objects: for a built-in kind the
// kind table, for a custom one its schema. All may be called concurrently.
type shape interface {
	// Prune removes the fields that the type does not have and returns their paths. An
	// error, for the client, says that a field has a value of another JSON type.
	Prune(obj map[string]any) (unknown []string, err error)
	// SetDefaults fills in what is missing, in place.
	SetDefaults(obj map[string]any)
	// Validate is what is wrong with obj. old is nil for a new object; what is wrong with
	// it already, a later write may leave so.
	Validate(obj, old map[string]any) []field.Error
}

// Resource is one resource in one version as it is served: what the REST verbs need to know of
// it. It does not change once it is served; a change of a custom resource's definition makes
// another one.
type Resource struct {
	// Identity. What its kind is: a row of the kind table, or what a definition says in its place.
	*kinds.Row
	api    *API
	custom bool // of a definition: some answers differ from those of built-in kinds (upstream)

	// How objects look.
	shape      shape
	nameErrors func(string) []string
	fields     []kinds.Selectable // in the order of store.Meta.Fields
	stored     []kinds.Selectable // how to read them from a stored object; nil: the same
	scale      *scalePaths        // nil: no such subresource

	// How they are kept.
	Bucket         *store.Bucket // nil: they are not
	storageVersion string        // of stored objects, where it is not Version
	storageShape   shape         // of that version
	schemaRevision int64         // objects up to this revision were written under another schema
	// ToStored and fromStored lead between this shape and the stored one; they change nothing but
	// the top level. Both are nil where the shapes are the same.
	ToStored, fromStored func(obj map[string]any)
	initialize           func(obj map[string]any) // what a new object has, whatever was sent; nil: nothing

	// What the kind does beyond its data.
	kindHooks

	// Serving: of custom resources.
	terminating bool          // the definition is being deleted: nothing is created
	deprecation string        // a warning with every answer, "" for none
	unchecked   []string      // rules that are accepted and not evaluated: a warning with every write
	unserved    bool          // it is there for the objects that are stored
	retired     chan struct{} // closed when the definition has changed; nil for built-in kinds
	Routes      atomic.Value  // for who routes to it: made of operations once, dropped with the resource; api never reads it
}

// kindHooks are what a kind does that its row cannot say. Each may be nil. An entry of the one
// table of hooks, hookTable, gives them to a kind.
type kindHooks struct {
	// Prepare has the last word before an object is checked and written; old is nil on create.
	Prepare func(q *Call, obj, old map[string]any) error
	// serial is held from prepare until the object is written, where what prepare sees must
	// still hold then.
	serial *sync.Mutex
	// afterWrite is called after a write, before its answer.
	afterWrite func(o *store.Object)
	// beforeDelete may change obj so that it stays for now, and returns true then.
	beforeDelete func(q *Call, obj map[string]any) (stays bool, err error)
	// review fills in the status of an object that is only answered and never stored.
	review review
	// special serves the subresources with rules of their own, by name; status and scale are
	// served for every kind that has them.
	special map[string]func(q *Call) error
}

// Config is what the resources need of the program.
type Config struct {
	Store   *store.Store
	Kinds   *kinds.Table
	Catalog *discovery.Catalog

	Tokens     *auth.Accounts                               // signs the tokens of service accounts
	WhoseToken func(token string) (*request.User, []string) // answers a TokenReview: who, for which audiences; nobody is nil
	Authorizer auth.Authorizer                              // answers access reviews

	Observer   Observer      // sees watches; nil: nobody does
	Bookmarks  time.Duration // between two bookmarks of a watch
	StrictCRDs bool          // refuse definitions with rules that are not evaluated
	Changed    func()        // is called after the resources that are served have changed
	Log        *slog.Logger
}

// API is what all resources share.
type API struct {
	Config     Config
	Store      *store.Store
	Kinds      *kinds.Table
	meta       *kinds.Type   // ObjectMeta, of every kind
	Namespaces *store.Bucket // namespaces
	builtin    map[kinds.Key]*Resource
	byBucket   map[*store.Bucket]*Resource
	Customs    *Customs

	buffers sync.Pool // *[]byte of PieceSize
	bodies  sync.Pool // *[]byte
	gzips   sync.Pool // *gzip.Writer
}

// Call is one request to a resource.
type Call struct {
	*Resource
	w         http.ResponseWriter
	req       *http.Request
	scope     request.Scope
	info      *request.Info // of the scope
	namespace string        // "" of a cluster-scoped resource, and for all namespaces
	name      string        // "" on the collection
	query     url.Values    // nil without any
	form      form
	strict    string // fieldValidation
	dryRun    bool
}

// maxBody is the most bytes a request's body may have, upstream's limit.
const maxBody = 3 << 20

// ServeHTTP serves a request whose path is the resource's.
func (r *Resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	scope := request.From(req.Context())
	q := &Call{Resource: r, w: w, req: req, scope: scope, info: scope.RequestInfo()}
	if err := q.serve(); err != nil {
		var e *status.Error
		if q.form.yaml && errors.As(err, &e) {
			told := *e
			told.YAML = true
			err = &told
		}
		status.Write(w, req, err)
	}
}

func (q *Call) serve() error {
	if q.Namespaced {
		q.namespace = q.info.Namespace
	}
	if q.info.Verb != "list" && q.info.Verb != "deletecollection" {
		q.name = q.info.Name
	}
	if q.info.Verb == "watch" && !strings.Contains(q.req.URL.Path, "/watch/") {
		q.name = "" // it is the field selector's
	}
	if q.req.URL.RawQuery != "" {
		q.query = q.req.URL.Query()
	}
	if q.deprecation != "" {
		q.scope.Warn("", q.deprecation)
	}
	var err error
	if q.form, err = q.negotiate(); err != nil {
		return err
	}
	if sub := q.info.Subresource; sub != "" && !(sub == "status" && q.HasStatus) {
		if sub == "scale" && q.scale != nil {
			return q.serveScale()
		}
		if serve := q.special[sub]; serve != nil {
			return serve(q)
		}
		return q.notFound(q.name)
	}
	switch q.info.Verb {
	case "get":
		return q.get()
	case "list":
		return q.list()
	case "watch":
		return q.watch()
	case "create":
		if q.info.Subresource != "" {
			return q.unsupported("create")
		}
		if q.review != nil {
			return q.answerReview()
		}
		return q.create()
	case "update":
		return q.update()
	case "patch":
		return q.patch()
	case "delete":
		if q.info.Subresource != "" {
			return q.unsupported("delete")
		}
		return q.delete()
	case "deletecollection":
		return q.deleteCollection()
	}
	return q.unsupported(q.info.Verb)
}

// param is the first value of a query parameter, "" without one.
func (q *Call) param(name string) string { return q.query.Get(name) }

// Key is the store's key of an object.
func (r *Resource) Key(namespace, name string) string {
	if r.Namespaced {
		return namespace + "/" + name
	}
	return name
}

// Root returns where the paths of a resource of a named group begin.
func (r *Resource) Root() string { return "/apis/" + r.Group + "/" + r.Version + "/" }

// apiVersion is what objects of the resource say.
func (r *Resource) apiVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// Draft encodes an object, which must be in the stored version, for the store.
func (r *Resource) Draft(obj map[string]any) store.Draft {
	paths := r.stored
	if paths == nil {
		paths = r.fields
	}
	return store.Encode(obj, fieldValues(obj, paths))
}

func fieldValues(obj map[string]any, fields []kinds.Selectable) []string {
	var values []string
	for i := range fields {
		values = append(values, fields[i].Value(obj))
	}
	return values
}

// asStored reports whether the bytes of o are what this version answers.
func (r *Resource) asStored(o *store.Object) bool {
	return r.storageVersion == "" && r.fromStored == nil && o.Rev > r.schemaRevision
}

// view is o as JSON in this version.
func (r *Resource) view(o *store.Object) []byte {
	if r.asStored(o) {
		return o.Raw()
	}
	return tree.AppendJSON(nil, r.decode(o))
}

// decode is o as a tree in this version. The caller owns it.
func (r *Resource) decode(o *store.Object) map[string]any {
	obj := o.Decode()
	if r.asStored(o) {
		return obj
	}
	if r.fromStored != nil {
		r.fromStored(obj)
	}
	obj["apiVersion"] = r.apiVersion()
	_, _ = r.shape.Prune(obj)
	r.shape.SetDefaults(obj)
	return obj
}

// encode is obj, which is in this version and is consumed, for the store.
func (r *Resource) encode(obj map[string]any) store.Draft {
	if r.ToStored != nil {
		r.ToStored(obj)
	}
	if r.storageVersion != "" {
		obj["apiVersion"] = r.Group + "/" + r.storageVersion
		_, _ = r.storageShape.Prune(obj)
		r.storageShape.SetDefaults(obj)
	}
	return r.Draft(obj)
}

// notFound is the 404 for an object.
func (r *Resource) notFound(name string) *status.Error {
	return &status.Error{Code: http.StatusNotFound, Reason: "NotFound", Message: r.Qualified() + " " + strconv.Quote(name) + " not found", Details: &status.Details{Name: name, Group: r.Group, Kind: r.Plural}}
}

// unsupported is the 405 of a verb that the resource has not, in the words of upstream's
// custom resources.
func (r *Resource) unsupported(verb string) *status.Error {
	return &status.Error{Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed", Message: verb + " is not supported on resources of kind " + strconv.Quote(r.Qualified()), Details: &status.Details{Group: r.Group, Kind: r.Plural}}
}

// conflict is the 409 for a write of an object that somebody else has changed.
func (r *Resource) conflict(name, why string) *status.Error {
	return status.Conflict(r.Group, r.Plural, name, why)
}

// kindConflict is the 409 of a precondition of a delete, which names the kind (upstream).
func (r *Resource) kindConflict(name, why string) *status.Error {
	kind := r.Kind
	if r.Group != "" {
		kind += "." + r.Group
	}
	return &status.Error{Code: http.StatusConflict, Reason: "Conflict", Message: "Operation cannot be fulfilled on " + kind + " " + strconv.Quote(name) + ": " + why, Details: &status.Details{Name: name, Group: r.Group, Kind: r.Kind}}
}

// scalePaths is where a custom resource keeps what its scale subresource shows.
type scalePaths struct {
	spec, status []string
	selector     []string // nil: none
}
