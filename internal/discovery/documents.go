package discovery

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"apichain/internal/tree"
)

// The bytes of the discovery documents. A group is encoded once in its life, in all forms that it
// appears in; the lists of all groups are then put together from encoded pieces, since with ten
// thousand custom resources they have megabytes.
//
//	/api                 the versions of the core group         APIVersions
//	/apis                all other groups and their versions    APIGroupList
//	/apis/GROUP          one group                              APIGroup
//	/api/VERSION         the resources of a core version        APIResourceList
//	/apis/GROUP/VERSION  the resources of any other version     APIResourceList
//
// The first two also have the aggregated form (apidiscovery.k8s.io/v2), which holds the
// resources of all groups and so saves a client the other requests. All documents end with a
// newline, as upstream's encoder ends them. The types below are the wire forms, with the keys in
// upstream's order.

// AggregatedType is the media type of the aggregated form. Clients compare it as a whole, so its
// parameters stand in upstream's order.
const AggregatedType = "application/json" + aggregatedParameters

const aggregatedParameters = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

// The plain forms. Kind and APIVersion of a groupDoc are left out where it is in a list.
type (
	groupVersionDoc struct {
		GroupVersion string `json:"groupVersion"`
		Version      string `json:"version"`
	}
	groupDoc struct {
		Kind             string            `json:"kind,omitempty"`
		APIVersion       string            `json:"apiVersion,omitempty"`
		Name             string            `json:"name"`
		Versions         []groupVersionDoc `json:"versions"`
		PreferredVersion groupVersionDoc   `json:"preferredVersion"`
	}
	groupListDoc struct {
		Kind       string     `json:"kind"`
		APIVersion string     `json:"apiVersion"`
		Groups     []groupDoc `json:"groups"`
	}
	versionsDoc struct {
		Kind     string          `json:"kind"`
		Versions []string        `json:"versions"`
		Servers  []serverAddress `json:"serverAddressByClientCIDRs"`
	}
	serverAddress struct {
		ClientCIDR string `json:"clientCIDR"`
		Address    string `json:"serverAddress"`
	}
	resourceListDoc struct {
		Kind         string     `json:"kind"`
		APIVersion   string     `json:"apiVersion,omitempty"`
		GroupVersion string     `json:"groupVersion"`
		Resources    []resource `json:"resources"`
	}
)

// The aggregated form, where subresources are parts of their resource.
type (
	kindDoc struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	}
	aggregatedSubresource struct {
		Subresource  string   `json:"subresource"`
		ResponseKind *kindDoc `json:"responseKind,omitempty"`
		Verbs        []string `json:"verbs"`
	}
	aggregatedResource struct {
		Resource     string                  `json:"resource"`
		ResponseKind *kindDoc                `json:"responseKind"`
		Scope        string                  `json:"scope"`
		Singular     string                  `json:"singularResource"`
		Verbs        []string                `json:"verbs"`
		ShortNames   []string                `json:"shortNames,omitempty"`
		Categories   []string                `json:"categories,omitempty"`
		Subresources []aggregatedSubresource `json:"subresources,omitempty"`
	}
)

// groupDocuments are the documents of a group, and its elements in the lists of all groups. The
// core group has no element in the plain list, and one of which nothing is known none in the aggregated one.
type groupDocuments struct {
	byPath            map[string][]byte
	entry, aggregated []byte
}

// rootDocuments are the lists of all groups by their paths, /api and /apis, and the entity tags
// of the aggregated ones.
type rootDocuments struct {
	plain, aggregated map[string][]byte
	etags             map[string]string
}

// encoded returns the documents of a group, which it encodes when it is called first.
func (g *catalogGroup) encoded() *groupDocuments {
	g.once.Do(func() { g.documents = g.encode() })
	return g.documents
}

// encode encodes a group. It has at least one version.
func (g *catalogGroup) encode() *groupDocuments {
	docs := &groupDocuments{byPath: map[string][]byte{}}
	doc := groupDoc{Name: g.Name}
	aggregated := tree.AppendJSONString([]byte(`{"metadata":{"name":`), g.Name)
	if g.Name == "" {
		// The core group has no name to show.
		aggregated = []byte(`{"metadata":{`)
	}
	aggregated = append(aggregated, `},"versions":[`...)
	for _, v := range g.Versions {
		key := groupVersionKey(g.Name, v.Version)
		// Behind the first segment, the path is the apiVersion: v1, apps/v1.
		gv := key[strings.Index(key, "/")+1:]
		doc.Versions = append(doc.Versions, groupVersionDoc{gv, v.Version})
		if v.remote == nil {
			docs.byPath["/"+key] = append(v.list(gv, g.Name), '\n')
		}
		if v.remote == nil || !v.remote.Unknown {
			aggregated = v.appendAggregated(appendComma(aggregated))
			docs.aggregated = aggregated
		}
	}
	if docs.aggregated != nil {
		docs.aggregated = append(docs.aggregated, "]}"...)
	}
	if g.Name != "" {
		doc.PreferredVersion = doc.Versions[0]
		docs.entry = appendDocument(nil, doc)
		doc.Kind, doc.APIVersion = "APIGroup", "v1"
		docs.byPath["/apis/"+g.Name] = append(appendDocument(nil, doc), '\n')
	}
	return docs
}

// appendDocument appends one of the wire forms, which can all be encoded.
func appendDocument(b []byte, doc any) []byte {
	text, _ := json.Marshal(doc)
	return append(b, text...)
}

// roots returns the lists of all groups as they are now.
func (c *Catalog) roots() *rootDocuments { return c.rootCache.get(c, (*Catalog).buildRoots) }

// buildRoots encodes the lists of all groups.
func (c *Catalog) buildRoots() *rootDocuments {
	groups := c.ordered()
	c.mu.Lock()
	address := c.address
	c.mu.Unlock()
	return encodeRoots(groups, address)
}

// encodeRoots puts the lists together from the groups, in their order. The core group is alone
// below /api, all others are below /apis.
func encodeRoots(groups []*catalogGroup, address string) *rootDocuments {
	r := &rootDocuments{plain: map[string][]byte{}, aggregated: map[string][]byte{}, etags: map[string]string{}}
	// There may be no core group, but there is always a list of its versions.
	api := versionsDoc{Kind: "APIVersions", Versions: []string{}, Servers: []serverAddress{{"0.0.0.0/0", address}}}
	list := []byte(`{"kind":"APIGroupList","apiVersion":"v1","groups":[`)
	const head = `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[`
	// The size is known beforehand: growing to megabytes step by step would copy them twice.
	size := len(head) + len("]}\n")
	for _, g := range groups {
		size += len(g.encoded().aggregated) + len(",")
	}
	r.aggregated["/api"], r.aggregated["/apis"] = []byte(head), append(make([]byte, 0, size), head...)
	for _, g := range groups {
		docs, root := g.encoded(), "/apis"
		if g.Name == "" {
			root = "/api"
			for _, v := range g.Versions {
				api.Versions = append(api.Versions, v.Version)
			}
		} else {
			list = append(appendComma(list), docs.entry...)
		}
		if docs.aggregated != nil {
			r.aggregated[root] = append(appendComma(r.aggregated[root]), docs.aggregated...)
		}
	}
	r.plain["/api"] = append(appendDocument(nil, api), '\n')
	r.plain["/apis"] = append(list, "]}\n"...)
	for root, b := range r.aggregated {
		b = append(b, "]}\n"...)
		// A strong tag: the hash of the very bytes that are sent.
		r.aggregated[root], r.etags[root] = b, `"`+upperHash(b)+`"`
	}
	return r
}

// appendComma appends what comes before the next element of a list: nothing before the first.
func appendComma(b []byte) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	return b
}

// list returns the plain document of a version, without the newline at the end. The core group's
// has no apiVersion (upstream: it is older than the field).
func (v *Version) list(gv, group string) []byte {
	b := []byte(`{"kind":"APIResourceList",`)
	if group != "" {
		b = append(b, `"apiVersion":"v1",`...)
	}
	b = append(tree.AppendJSONString(append(b, `"groupVersion":`...), gv), `,"resources":[`...)
	b = appendResources(b, v.resources)
	for i, d := range v.custom {
		if i > 0 || len(v.resources) > 0 {
			b = append(b, ',')
		}
		b = append(b, d.encoded(v.Version).plain...)
	}
	return append(b, "]}"...)
}

// appendResources appends resources in the plain form, with commas between.
func appendResources(b []byte, resources []resource) []byte {
	for i := range resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDocument(b, &resources[i])
	}
	return b
}

// appendAggregated appends the version in the aggregated form. Without resources it has no list
// of them, rather than an empty one. Like the plain form it says group and version of a built-in kind
// only where they differ from its own; of a custom one it always does (upstream).
func (v *Version) appendAggregated(b []byte) []byte {
	b = tree.AppendJSONString(append(b, `{"version":`...), v.Version)
	if v.remote != nil {
		return v.remote.appendAggregated(b)
	}
	next := `,"resources":[`
	for _, r := range v.aggregated("", "") {
		b = appendDocument(append(b, next...), r)
		next = ","
	}
	for _, d := range v.custom {
		b = append(append(b, next...), d.encoded(v.Version).aggregated...)
		next = ","
	}
	if next == "," {
		b = append(b, ']')
	}
	return append(b, `,"freshness":"Current"}`...)
}

// aggregated returns the resources, but for custom ones, in the aggregated form, with subresources
// below their resources. A subresource without its resource gets one that has nothing else
// (upstream). group and version are what is said of kinds that are of the version's own.
func (v *Version) aggregated(group, version string) []aggregatedResource {
	var out []aggregatedResource
	for _, r := range v.resources {
		name, sub, isSub := strings.Cut(r.Name, "/")
		i := slices.IndexFunc(out, func(o aggregatedResource) bool { return o.Resource == name })
		if i < 0 {
			i = len(out)
			out = append(out, aggregatedResource{Resource: name, ResponseKind: &kindDoc{}, Scope: "Cluster"})
		}
		at := &out[i]
		if r.Namespaced {
			at.Scope = "Namespaced"
		}
		kind := &kindDoc{cmp.Or(r.Group, group), cmp.Or(r.Version, version), r.Kind}
		if isSub {
			at.Subresources = append(at.Subresources, aggregatedSubresource{sub, kind, r.Verbs})
			continue
		}
		at.ResponseKind, at.Singular, at.Verbs = kind, r.SingularName, r.Verbs
		at.ShortNames, at.Categories = r.ShortNames, r.Categories
	}
	return out
}
