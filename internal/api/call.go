package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
)

// A request to a resource becomes a Call, and every verb is a method of it. What can be refused
// is refused in this order, which clients see where more than one thing is wrong:
//
//	a warning of a deprecated version, which comes with every answer
//	406, 400   no form of the answer suits the client (form.go)
//	404        there is no such subresource
//	403        nothing is written by a server that is read-only
//	405        the resource does not have the verb
//	...        what the verb itself finds: options, then the body, then the object
//
// Which verb it is the RequestInfo says, not the method: it was resolved before authorization,
// and nothing here may be done that was not authorized. Unknown paths and methods do not get
// this far; they are the router's.

// Call is one request to a resource, or one call of the program itself (Internal), which has no
// writer and answers nobody. It belongs to one goroutine.
type Call struct {
	// Resource is what the call is about. It may be replaced while a write is tried again,
	// after the definition of a custom resource has changed.
	*Resource

	// The request.

	w   http.ResponseWriter
	req *http.Request
	// scope takes warnings, and info is its RequestInfo.
	scope request.Scope
	info  *request.Info
	// query is the parsed query, nil without any.
	query url.Values

	// What it asks for.

	// namespace is "" of a cluster-scoped resource, and for all namespaces.
	namespace string
	// name is "" on the collection.
	name string
	// form is what the answer looks like.
	form form
	// options are what every write may say.
	options

	// seen is the object stored as the call shows it, where a webhook converts it.
	stored, seen *store.Object

	// versions are what owners are counted by, see writer.
	versions versions

	// admitted says that the call is a part of a request about which admission has been asked.
	admitted bool
	// confirmed says that the store has everything that was written before the call: see consistent.
	confirmed bool
}

// maxBody is the most bytes a request's body may have, upstream's limit.
const maxBody = 3 << 20

// ServeHTTP serves a request whose path is the resource's. The request.Scope in its context
// says which verb, namespace, name and subresource; the request must be authorized.
func (r *Resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	scope := request.From(req.Context())
	q := &Call{Resource: r, w: w, req: req, scope: scope, info: scope.RequestInfo()}
	if err := q.serve(); err != nil {
		var e *status.Error
		if q.form.yaml && errors.As(err, &e) {
			// An error may be shared by requests, so the one in YAML is a copy.
			told := *e
			told.YAML = true
			err = &told
		}
		status.Write(w, req, err)
	}
}

// serve fills in what the call asks for, and answers it. After an error nothing of an answer
// has been written, and the caller writes it.
func (q *Call) serve() error {
	q.target()
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
	if q.api.Config.ReadOnly != "" && q.writes() {
		return q.forbidden(q.name, q.api.Config.ReadOnly)
	}
	// The status of an object, and parts of it, are read and written by the verbs themselves.
	if sub := q.info.Subresource; sub != "" && !(sub == "status" && q.HasStatus) && q.part() == nil {
		return q.serveSubresource(sub)
	}
	return q.serveVerb()
}

// writes reports whether the request may change what is stored, be it a dry run. Reviews are asked by a
// create and change nothing, and what is asked of a pod, or of an account for a token, is not the server's to keep.
func (q *Call) writes() bool {
	switch q.info.Subresource {
	case "exec", "attach", "portforward", "proxy", "token":
		return false
	}
	switch q.info.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return q.review == nil || q.special[""] != nil
	}
	return false
}

// target takes namespace and name from the RequestInfo, which may have them where the path
// does not: a field selector for one name is a name there, for the sake of authorization.
func (q *Call) target() {
	if q.Namespaced {
		q.namespace = q.info.Namespace
	}
	if q.info.Verb != "list" && q.info.Verb != "deletecollection" {
		q.name = q.info.Name
	}
	// Only the deprecated paths of watches have a name; any other watch is of the collection,
	// and its name is the field selector's.
	if q.info.Verb == "watch" && !strings.Contains(q.req.URL.Path, "/watch/") {
		q.name = ""
	}
}

// serveSubresource answers a request for a subresource that the verbs do not serve. One that
// the resource does not have is a 404 of the object, as upstream's custom resources say it.
func (q *Call) serveSubresource(sub string) error {
	if sub == "scale" && q.scale != nil {
		return q.serveScale()
	}
	if serve := q.special[sub]; serve != nil {
		// What looks at an object looks at it as it is now (upstream); these two begin with what there is, as writes do.
		if sub != "binding" && sub != "finalize" {
			if err := q.consistent(); err != nil {
				return err
			}
		}
		if err := q.askConnect(); err != nil {
			return err
		}
		return serve(q)
	}
	return q.notFound(q.name)
}

// serveVerb answers a request for the resource, or for the status of an object, which can be
// read and changed only.
func (q *Call) serveVerb() error {
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
		if create := q.special[""]; create != nil {
			return create(q)
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

// param returns the first value of a query parameter, "" without one.
func (q *Call) param(name string) string { return q.query.Get(name) }

// flag returns a boolean query parameter by the rule of isTrue, and whether it is there at all.
func (q *Call) flag(name string) (is, given bool) {
	if !q.query.Has(name) {
		return false, false
	}
	return isTrue(q.param(name)), true
}

// isTrue reads a boolean parameter as upstream's conversion does: anything but false and 0 is
// true, and so is nothing behind the name, as in ?watch.
func isTrue(value string) bool { return value != "0" && !strings.EqualFold(value, "false") }
