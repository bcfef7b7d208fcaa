// Package request holds what a request asks for and who asks: Info is made of its method,
// path and query, User of its credentials, and Clause of its Accept header.
//
// These are the facts that every later step goes by. Filters decide with them, handlers find
// their object with them, the audit log writes them down. The package only reads what the
// client sent. It opens nothing, asks nobody and does not know which resources exist, so a
// path of a resource that nobody serves has an Info like any other. It also says what of a
// client's text may be shown to others (Shown).
//
// Info and User are made once for a request, before anything else may see them, and are only
// read afterwards, by any goroutine. The functions have no state. The package is internal
// and promises no compatibility. In short:
//
//	var info request.Info
//	if err := info.Resolve("GET", "/api/v1/namespaces/a/pods", "watch=1"); err != nil {
//		return err
//	}
//	// info.Verb is "watch", info.Namespace "a", info.Resource "pods"
package request

import (
	"net/http"
	"net/url"
	"strings"

	"apichain/internal/selector"
	"apichain/internal/status"
)

// Info is what method, path and query say of a request, with upstream's names of the
// fields. It is resolved once, in front of every filter that decides something, and only
// read afterwards. A request that is not for a resource has Path and Verb and at most
// APIPrefix.
type Info struct {
	// IsResourceRequest says that the fields from APIGroup on mean something.
	IsResourceRequest bool

	// Path is the canonical path, as it was given to Resolve.
	Path string

	// Verb is get, list, watch, create, update, patch, delete, deletecollection or proxy, and
	// "" for a method that no resource has. Outside of resources it is the method in lower
	// case, whatever the client wrote.
	Verb string

	// APIPrefix is api or apis.
	APIPrefix string

	// APIGroup is "" for the core group, which is under api.
	APIGroup   string
	APIVersion string

	// Namespace is "" for a resource of the cluster and for one of all namespaces. Of a
	// namespace itself it is its own name, so that rights in a namespace cover it.
	Namespace   string
	Resource    string
	Subresource string

	// Name is from the path, or from fieldSelector=metadata.name=NAME.
	Name string

	// FieldSelector and LabelSelector are decoded, not parsed, and may be malformed. They are
	// read for list, watch and deletecollection only.
	FieldSelector string
	LabelSelector string
}

// Resolve overwrites ri with what the request asks for. path is canonical (decoded, no
// dot segments); every field but those from the query is a part of it. An ordinary
// request costs no allocation. The error is for the client, a 500 as upstream's, and leaves
// ri without a resource.
//
// The segments are upstream's:
//
//	/api/VERSION/...  /apis/GROUP/VERSION/...            then
//	[watch|proxy/] [namespaces/NAMESPACE/] RESOURCE [/NAME [/SUBRESOURCE [/anything]]]
//
// Unlike upstream, which would make an empty segment a resource without a name, a path
// with an empty segment among those that are interpreted is no resource request.
func (ri *Info) Resolve(method, path, rawQuery string) error {
	*ri = Info{Path: path, Verb: lowerMethod(method)}
	// The resource is collected apart: what turns out to be no resource request must not
	// keep half of one.
	r := Info{IsResourceRequest: true, Path: path}
	s := segments{rest: strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), more: true}

	found := r.prefix(&s)
	// Upstream keeps the prefix of a group's path whatever comes behind it, and drops that
	// of the core group.
	if r.APIPrefix == "apis" {
		ri.APIPrefix = r.APIPrefix
	}
	if !found {
		return nil
	}
	if !r.verb(&s, method) {
		uri := (&url.URL{Path: path, RawQuery: rawQuery}).String()
		return status.InternalText(uri, "failed to create RequestInfo: unable to determine kind and namespace from url, "+uri)
	}
	if !r.resource(&s) {
		return nil
	}
	// The verb in the path is deprecated and upstream reads no selectors with it.
	if r.Name == "" {
		switch r.Verb {
		case "get":
			r.list(rawQuery)
		case "delete":
			r.Verb = "deletecollection"
			r.selectors(rawQuery)
		}
	}
	*ri = r
	return nil
}

// segments is a position in a path: the segments that were not read yet.
type segments struct {
	rest string

	// more says that a segment comes, be it an empty one. It tells the end of a path from an
	// empty segment there.
	more bool
}

// next returns the next segment and moves behind it. At the end it returns "".
func (s *segments) next() string {
	var segment string
	segment, s.rest, s.more = strings.Cut(s.rest, "/")
	return segment
}

// at reports whether the next segment is word, without moving.
func (s *segments) at(word string) bool {
	return strings.HasPrefix(s.rest, word) && (len(s.rest) == len(word) || s.rest[len(word)] == '/')
}

// prefix reads api/VERSION or apis/GROUP/VERSION. It returns false for what is neither, and
// if nothing comes behind it: such paths are discovery's, or anybody's.
func (ri *Info) prefix(s *segments) bool {
	prefix := s.next()
	// Two segments must follow even where three are needed, as upstream looks for them before
	// it knows the prefix.
	if prefix != "api" && prefix != "apis" || !strings.Contains(s.rest, "/") {
		return false
	}
	ri.APIPrefix = prefix
	if prefix == "apis" {
		if ri.APIGroup = s.next(); ri.APIGroup == "" {
			return false
		}
	}
	ri.APIVersion = s.next()
	return ri.APIVersion != "" && s.more
}

// verb reads the deprecated watch or proxy if one is there; otherwise the verb comes from the
// method. It returns false if nothing follows that could be watched or proxied.
func (ri *Info) verb(s *segments, method string) bool {
	if s.at("watch") || s.at("proxy") {
		ri.Verb = s.next()
		return s.more
	}
	ri.Verb = resourceVerb(method)
	return true
}

// resource reads [namespaces/NAMESPACE/] RESOURCE and what is behind it. Like the two methods
// that it calls, it returns false at an empty segment.
func (ri *Info) resource(s *segments) bool {
	ri.Resource = s.next()
	if ri.Resource == "namespaces" && s.more {
		return ri.namespace(s)
	}
	return ri.Resource != "" && ri.object(s)
}

// namespace reads NAMESPACE, and either a subresource of it or a resource that lives in it.
func (ri *Info) namespace(s *segments) bool {
	if ri.Namespace = s.next(); ri.Namespace == "" {
		return false
	}
	if !s.more {
		ri.Name = ri.Namespace
		return true
	}
	// Of a namespace there are but these two subresources: anything else is a resource. So
	// no resource can have one of these names, and nothing behind them is looked at.
	switch segment := s.next(); segment {
	case "status", "finalize":
		ri.Name = ri.Namespace
		if ri.Verb != "proxy" {
			ri.Subresource = segment
		}
		return true
	default:
		ri.Resource = segment
		return segment != "" && ri.object(s)
	}
}

// object reads [/NAME [/SUBRESOURCE]]. What comes behind belongs to the subresource: the
// path of pods/web/proxy/index.html.
func (ri *Info) object(s *segments) bool {
	if !s.more {
		return true
	}
	if ri.Name = s.next(); ri.Name == "" {
		return false
	}
	// With the verb proxy in front there is no subresource: all behind the name is the
	// backend's path, which may have empty segments.
	if !s.more || ri.Verb == "proxy" {
		return true
	}
	ri.Subresource = s.next()
	return ri.Subresource != ""
}

// list turns a get without a name into list or watch. Upstream decodes the parameter
// leniently: present and not false or 0 is a watch. A selector for one name makes it a
// request for that name, which a rule about single objects can then allow; an invalid
// selector does not (the handler refuses it later).
func (ri *Info) list(rawQuery string) {
	ri.Verb = "list"
	if v, ok := queryValue(rawQuery, "watch"); ok && v != "0" && !strings.EqualFold(v, "false") {
		ri.Verb = "watch"
	}
	ri.selectors(rawQuery)
	// A name that no path could have must not become one: rules are made for names of paths.
	name, ok := selector.SelectedName(ri.FieldSelector)
	if ok && name != "." && name != ".." && !strings.ContainsAny(name, "/%") {
		ri.Name = name
	}
}

// selectors reads the two parameters that every request for a collection may have.
func (ri *Info) selectors(rawQuery string) {
	ri.FieldSelector, _ = queryValue(rawQuery, "fieldSelector")
	ri.LabelSelector, _ = queryValue(rawQuery, "labelSelector")
}

// lowerMethod returns the method in lower case. The known ones are constants, which spare
// the allocation.
func lowerMethod(method string) string {
	switch method {
	case http.MethodGet:
		return "get"
	case http.MethodHead:
		return "head"
	case http.MethodPost:
		return "post"
	case http.MethodPut:
		return "put"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	case http.MethodOptions:
		return "options"
	}
	return strings.ToLower(method)
}

// resourceVerb returns the verb that a method means for a resource, and "" for one that
// means nothing there. Methods are case-sensitive (RFC 9110, 9.1), so "get" is unknown.
func resourceVerb(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return "get"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return ""
}

// queryValue returns the first value of key, as url.Values.Get would give it: a pair with a
// semicolon or a wrong escape does not count. Only escaped text is copied, which is why the
// query is not parsed as a whole.
func queryValue(rawQuery, key string) (value string, ok bool) {
	for rawQuery != "" {
		var pair string
		pair, rawQuery, _ = strings.Cut(rawQuery, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k != key {
			// An escape makes a key longer, so a shorter one cannot mean this key.
			if len(k) <= len(key) || strings.IndexByte(k, '%') < 0 {
				continue
			}
			if k, err := url.QueryUnescape(k); err != nil || k != key {
				continue
			}
		}
		if strings.IndexByte(pair, ';') >= 0 {
			continue
		}
		if v, err := url.QueryUnescape(v); err == nil {
			return v, true
		}
	}
	return "", false
}

// IsLongRunning reports whether a request may last: it then has no time limit, no place
// among the requests in flight, and at shutdown is ended instead of waited for. The
// table is kube-apiserver's. The verbs count for resources only: there they stand in
// the path or the query, elsewhere the verb is the method, and a client that invents
// the method WATCH must not get around the limits.
func IsLongRunning(ri *Info) bool {
	if !ri.IsResourceRequest {
		return strings.HasPrefix(ri.Path, "/debug/pprof/")
	}
	switch ri.Verb {
	case "watch", "proxy":
		return true
	}
	// These connect the client with a container. A log may be followed without an end.
	switch ri.Subresource {
	case "attach", "exec", "proxy", "log", "portforward":
		return true
	}
	return false
}
