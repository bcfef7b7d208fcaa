package request

import (
	"net/http"
	"net/url"
	"strings"

	"apichain/internal/selector"
	"apichain/internal/status"
)

// Info is what method, path and query say of a request, with upstream's names.
// It is resolved once, in front of every filter that decides something, and only read
// afterwards. A request that is not for a resource has Path and Verb (the method in
// lower case) and at most APIPrefix.
type Info struct {
	IsResourceRequest bool
	Path              string
	Verb              string // get, list, watch, create, ...; "" for a method no resource has
	APIPrefix         string // api or apis
	APIGroup          string // "" is the core group
	APIVersion        string
	Namespace         string // of a namespace itself its own name
	Resource          string
	Subresource       string
	Name              string // from the path, or from ?selector.Fields=metadata.name=
	FieldSelector     string // decoded, not parsed; only for list, watch and deletecollection
	LabelSelector     string
}

// Resolve overwrites ri with what the request asks for. path is canonical (decoded, no
// dot segments); every field but those from the query is a part of it. An ordinary
// request costs no allocation. The error is for the client.
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
	rest, more := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), true
	next := func() string {
		var s string
		s, rest, more = strings.Cut(rest, "/")
		return s
	}

	r := Info{IsResourceRequest: true, Path: path, APIPrefix: next()}
	switch {
	case r.APIPrefix == "api" && strings.Count(rest, "/") >= 1:
	case r.APIPrefix == "apis" && strings.Count(rest, "/") >= 1:
		ri.APIPrefix = r.APIPrefix
		if r.APIGroup = next(); r.APIGroup == "" {
			return nil
		}
	default:
		return nil
	}
	if r.APIVersion = next(); r.APIVersion == "" || !more {
		return nil
	}

	r.Resource = next()
	if r.Resource == "watch" || r.Resource == "proxy" {
		if !more {
			uri := (&url.URL{Path: path, RawQuery: rawQuery}).String()
			return status.InternalText(uri, "failed to create RequestInfo: unable to determine kind and namespace from url, "+uri)
		}
		r.Verb = r.Resource
		r.Resource = next()
	} else {
		r.Verb = resourceVerb(method)
	}

	if r.Resource == "namespaces" && more {
		r.Namespace = next()
		r.Name = r.Namespace
		if r.Namespace == "" {
			return nil
		}
		if more {
			// Of a namespace there are but these two subresources: anything else is a
			// resource that lives in it.
			if s := next(); s == "status" || s == "finalize" {
				if r.Verb != "proxy" {
					r.Subresource = s
				}
				more = false
			} else {
				r.Resource, r.Name = s, ""
			}
		}
	}
	if r.Resource == "" {
		return nil
	}
	if more && r.Name == "" {
		if r.Name = next(); r.Name == "" {
			return nil
		}
		if more && r.Verb != "proxy" {
			if r.Subresource = next(); r.Subresource == "" {
				return nil
			}
		}
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
	if name, ok := selector.SelectedName(ri.FieldSelector); ok && name != "." && name != ".." && !strings.ContainsAny(name, "/%") {
		ri.Name = name
	}
}

func (ri *Info) selectors(rawQuery string) {
	ri.FieldSelector, _ = queryValue(rawQuery, "fieldSelector")
	ri.LabelSelector, _ = queryValue(rawQuery, "labelSelector")
}

func lowerMethod(method string) string {
	switch method { // spare the allocation
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

// queryValue is the first value of key, as url.Values.Get would give it: a pair with a
// semicolon or a wrong escape does not count. Only escaped text is copied.
func queryValue(rawQuery, key string) (value string, ok bool) {
	for rawQuery != "" {
		var pair string
		pair, rawQuery, _ = strings.Cut(rawQuery, "&")
		k, v, _ := strings.Cut(pair, "=")
		if k != key {
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
	switch ri.Subresource {
	case "attach", "exec", "proxy", "log", "portforward":
		return true
	}
	return false
}
