package library

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"apichain/internal/cel"
)

// URLType is the type of a URL. Upstream has it for a message.
var URLType = cel.ObjectOf("kubernetes.URL")

// location is the value of that type.
type location struct{ *url.URL }

// Equal reports whether two are written the same, once they were read and written again: http://a and HTTP://a are, as a scheme is
// written in small letters, and http://a and http://A are not.
func (l location) Equal(other cel.Value) cel.Value {
	if o, ok := other.Ref().(location); ok {
		return cel.BoolOf(l.String() == o.String())
	}
	return cel.NoSuchOverload()
}

// Size is 1: URLs have no length.
func (l location) Size() uint64 { return 1 }

// Weight returns how long it takes to take it apart.
func (l location) Weight() int64 {
	return int64(len(l.Host)+len(l.Path)+len(l.RawPath)+len(l.RawQuery)+len(l.Fragment)) / 8
}

// parseURL takes absolute URLs and absolute paths, as the line of a request has them. A # of such a line is a part of the path, but
// what is returned has a fragment.
func parseURL(s string) (*url.URL, error) {
	if _, err := requestURL(s); err != nil {
		return nil, err
	}
	return url.Parse(s)
}

// requestURL is url.ParseRequestURI as it is since Go 1.26, which kube-apiserver is built with: a host of http or https has one
// colon at most. What it does here depends on the Go of this module.
func requestURL(s string) (*url.URL, error) {
	u, err := url.ParseRequestURI(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || strings.HasPrefix(u.Host, "[") {
		return u, err
	}
	if first := strings.IndexByte(u.Host, ':'); first != strings.LastIndexByte(u.Host, ':') {
		return nil, &url.Error{Op: "parse", URL: s, Err: fmt.Errorf("invalid port %q after host", u.Host[first:])}
	}
	return u, nil
}

// isURL asks the first of the two alone.
func isURL(v cel.Value) cel.Value {
	_, err := requestURL(v.Str())
	return cel.BoolOf(err == nil)
}

// stringToURL is url(string).
func stringToURL(v cel.Value) cel.Value {
	u, err := parseURL(v.Str())
	if err != nil {
		return cel.Failf("URL parse error during conversion from string: %v", err)
	}
	return cel.OpaqueValue(URLType, location{u})
}

// query returns the parameters: a list of values for each.
func query(u *url.URL) cel.Value {
	values := u.Query()
	// Parameters that cannot be read are left out, as the library does.
	// They are in the order of their names, so that what an expression makes of them is the same each time.
	keys, lists := make([]cel.Value, 0, len(values)), make([]cel.Value, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		keys, lists = append(keys, cel.StringOf(name)), append(lists, texts(values[name]))
	}
	return cel.MapValue(keys, lists)
}

// URLs has url(string) and the parts of a URL:
//
//	url('https://h:80/a%20b?q=1').getHost()       'h:80'        getHostname() 'h', getPort() '80', getScheme() 'https'
//	url('/a%20b').getEscapedPath()                '/a%20b'
//	url('/p?q=1&q=2').getQuery()                  {'q': ['1', '2']}
//	isURL('../relative')                          false
//
// What is refused is what the line of a request could not have: an empty text, and one that is relative. A part that is not there is
// "". getQuery is a map of lists, since a parameter may be there many times; it drops what cannot be read. url costs a walk over its
// text, isURL 1 although it reads the same, and each part 1. Upstream is urls.go of the library of Kubernetes.
func URLs() *cel.Library {
	// part makes a function that returns a part.
	part := func(name, id string, f func(*url.URL) string) cel.Function {
		return cel.Function{Name: name, Overloads: []cel.Overload{one(member(id, cel.StringType, URLType), func(v cel.Value) cel.Value {
			l, ok := v.Ref().(location)
			if !ok {
				return cel.NoSuchOverload()
			}
			return cel.StringOf(f(l.URL))
		})}}
	}
	return &cel.Library{
		Name: "kubernetes.urls",
		// Two URLs are compared as texts, which are as long as what they were read from.
		Equality: func(t *cel.Type, _, b cel.Node) (cel.Range, bool) {
			size := cel.Exactly(1)
			if b.Known() {
				size = b.Size()
			}
			return cel.Range{Min: 1, Max: size.Max}.Scale(perByte), t == URLType
		},
		Functions: []cel.Function{
			{Name: "url", Cost: walked, Estimate: mayCopy,
				Overloads: []cel.Overload{one(global("string_to_url", URLType, cel.StringType), stringToURL)}},
			{Name: "isURL", Overloads: []cel.Overload{one(global("is_url_string", cel.BoolType, cel.StringType), isURL)}},
			part("getScheme", "url_get_scheme", func(u *url.URL) string { return u.Scheme }),
			part("getHost", "url_get_host", func(u *url.URL) string { return u.Host }),
			part("getHostname", "url_get_hostname", (*url.URL).Hostname),
			part("getPort", "url_get_port", (*url.URL).Port),
			part("getEscapedPath", "url_get_escaped_path", (*url.URL).EscapedPath),
			{Name: "getQuery", Overloads: []cel.Overload{one(
				member("url_get_query", cel.MapOf(cel.StringType, cel.ListOf(cel.StringType)), URLType), func(v cel.Value) cel.Value {
					l, ok := v.Ref().(location)
					if !ok {
						return cel.NoSuchOverload()
					}
					return query(l.URL)
				})}},
		},
	}
}
