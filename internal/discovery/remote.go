package discovery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"apichain/internal/openapi"
	"apichain/internal/tree"
)

// What other servers have, whose groups this one shows as its own. The catalog does not ask them: whoever does
// tells it what they have said.
//
// Versions and OpenAPI are told apart, because they come at different times: a version is there as soon as an
// APIService says so, and listed, if without resources, before anybody has reached its server.

// RemoteVersion is a version of a group that another server has. It never changes.
type RemoteVersion struct {
	Version string
	// GroupPriority and VersionPriority are those of the APIService: higher ones come first.
	GroupPriority, VersionPriority int
	// Resources is what the server last said it has, a list in the aggregated form; nil if that is not known.
	Resources []byte
	// Stale says that it could not be asked when it should have been, and Unknown that nobody has tried yet: then the
	// aggregated form says nothing of the version, which would be a reason for clients to complain.
	Stale, Unknown bool
}

// appendAggregated appends the rest of the version in the aggregated form, from behind its name.
func (v *RemoteVersion) appendAggregated(b []byte) []byte {
	if len(v.Resources) > 0 {
		b = append(append(b, `,"resources":`...), v.Resources...)
	}
	if v.Stale {
		return append(b, `,"freshness":"Stale"}`...)
	}
	return append(b, `,"freshness":"Current"}`...)
}

// equal reports whether two versions show the same.
func (v *RemoteVersion) equal(o *RemoteVersion) bool {
	return v.Version == o.Version && v.GroupPriority == o.GroupPriority && v.VersionPriority == o.VersionPriority &&
		v.Stale == o.Stale && v.Unknown == o.Unknown && string(v.Resources) == string(o.Resources)
}

// SetRemote says which versions of a group other servers have, instead of those there were; none takes them away.
// They are shown in place of versions of the same name that the chain has. The core group is none that others can
// have. The catalog keeps the slice.
func (c *Catalog) SetRemote(group string, versions []*RemoteVersion) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.remote[group]
	same := func(v Version, r *RemoteVersion) bool { return v.remote.equal(r) }
	if group == "" || slices.EqualFunc(old.Versions, versions, same) {
		return
	}
	c.catchUpLocked()
	definitions := c.definitionsLocked(group)
	if c.remote == nil {
		c.remote = map[string]Group{}
	}
	g := Group{Name: group}
	for _, v := range versions {
		g.priority = max(g.priority, v.GroupPriority)
		g.Versions = append(g.Versions, Version{Version: v.Version, priority: v.VersionPriority, remote: v})
	}
	c.remote[group] = g
	if len(versions) == 0 {
		delete(c.remote, group)
	}
	c.putLocked(group, definitions)
	c.changes.Add(1)
}

// ReadRemote reads the answer of a server to a request for the aggregated form of discovery, and returns the
// resources of each version, as RemoteVersion has them, by GROUP/VERSION.
func ReadRemote(body []byte) (map[string][]byte, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Versions []struct {
				Version   string
				Resources []aggregatedResource
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, g := range list.Items {
		for _, v := range g.Versions {
			out[g.Metadata.Name+"/"+v.Version] = encodeRemote(v.Resources)
		}
	}
	return out, nil
}

// ReadRemoteVersion reads the answer of a server to a request for the plain document of one version, and returns
// its resources as RemoteVersion has them.
func ReadRemoteVersion(body []byte) ([]byte, error) {
	var list struct{ Resources []resource }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	resources, err := aggregate(list.Resources)
	return encodeRemote(resources), err
}

// aggregate returns the resources of another server's plain document in the aggregated form, as upstream does: those
// first that are there themselves, then those of which there are subresources alone. A subresource whose resource is
// of another scope is an error.
func aggregate(resources []resource) (out []aggregatedResource, err error) {
	at := map[string]int{}
	add := func(a aggregatedResource, r *resource) {
		a.Scope = scopeOf(r)
		out = append(out, a)
		at[a.Resource] = len(out) - 1
	}
	for i := range resources {
		if r := &resources[i]; !strings.Contains(r.Name, "/") {
			add(aggregatedResource{
				Resource: r.Name, ResponseKind: &kindDoc{r.Group, r.Version, r.Kind}, Singular: r.SingularName, Verbs: r.Verbs,
				ShortNames: r.ShortNames, Categories: r.Categories,
			}, r)
		}
	}
	for i := range resources {
		r := &resources[i]
		name, sub, isSub := strings.Cut(r.Name, "/")
		if !isSub {
			continue
		}
		if _, ok := at[name]; !ok {
			add(aggregatedResource{Resource: name}, r)
		}
		of := &out[at[name]]
		if of.Scope != scopeOf(r) {
			return nil, fmt.Errorf("%q is of another scope than %q", r.Name, name)
		}
		kind := &kindDoc{}
		if r.Kind != "" {
			kind = &kindDoc{r.Group, r.Version, r.Kind}
		}
		of.Subresources = append(of.Subresources, aggregatedSubresource{sub, kind, r.Verbs})
	}
	return out, nil
}

// scopeOf returns the scope of a resource as the aggregated form has it.
func scopeOf(r *resource) string {
	if r.Namespaced {
		return "Namespaced"
	}
	return "Cluster"
}

// encodeRemote encodes resources in the aggregated form; nil if there are none. Kinds that are missing are empty,
// since there are clients that would break (kubernetes/kubernetes#118361).
func encodeRemote(resources []aggregatedResource) []byte {
	if len(resources) == 0 {
		return nil
	}
	for i := range resources {
		r := &resources[i]
		if r.ResponseKind == nil {
			r.ResponseKind = &kindDoc{}
		}
		for j := range r.Subresources {
			if r.Subresources[j].ResponseKind == nil {
				r.Subresources[j].ResponseKind = &kindDoc{}
			}
		}
	}
	return appendDocument(nil, resources)
}

// RemoteOpenAPI is what another server says of its versions in OpenAPI. It never changes.
type RemoteOpenAPI struct {
	// Addresses has where each of its documents of v3 is, by key, and Serve asks the server for them.
	Addresses map[string]string
	Serve     http.Handler
	// Converted has documents of v3 by key that were made here, of a server that has none.
	Converted map[string][]byte
	// Definitions is what v2 has of it: a document of OpenAPI v2 with its own paths alone, which openapi.Read takes;
	// nil for none.
	Definitions []byte
}

// SetRemoteOpenAPI says what other servers say of theirs, instead of what they said. Of documents of the same key,
// those of the chain count before all others, and then the first.
func (c *Catalog) SetRemoteOpenAPI(all []*RemoteOpenAPI) {
	documents := map[string]*openAPIDocument{}
	for _, r := range slices.Backward(all) {
		for key, address := range r.Addresses {
			documents[key] = &openAPIDocument{key: key, address: address, serve: r.Serve}
		}
		for key, body := range r.Converted {
			documents[key] = &openAPIDocument{key: key, render: func() []byte { return body }}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remoteOpenAPI, c.remoteDocuments = all, documents
	c.changes.Add(1)
}

// mergedParts is OpenAPI v2 while it is made, with what other servers have. What is of this server goes on to the
// parts at once, but for definitions that another server may have too: those wait for the end, since they may have
// to be of more kinds then.
type mergedParts struct {
	openAPI2Parts
	remote []openapi.Document
	// names are those that other servers have, and own the paths and the waiting definitions of this one.
	names map[string]bool
	own   openapi.Document
	// sent are the paths that the parts have got.
	sent map[string]bool
}

// newMergedParts returns parts to which all of remote is added at the end. What cannot be read is left out.
func newMergedParts(parts openAPI2Parts, remote []*RemoteOpenAPI) *mergedParts {
	m := &mergedParts{openAPI2Parts: parts, names: map[string]bool{}, sent: map[string]bool{}}
	m.own = openapi.Document{"paths": map[string]any{}, "definitions": map[string]any{}}
	for _, r := range remote {
		d, err := openapi.Read(r.Definitions)
		if err != nil {
			continue
		}
		m.remote = append(m.remote, d)
		for name := range tree.Object(map[string]any(d), "definitions") {
			m.names[name] = true
		}
	}
	return m
}

func (m *mergedParts) addPath(path string, item map[string]any) {
	m.sent[path] = true
	m.own["paths"].(map[string]any)[path] = map[string]any{}
	m.openAPI2Parts.addPath(path, item)
}

func (m *mergedParts) addDefinition(name string, schema map[string]any) {
	// Also one that has the name which another server's would get.
	base := name
	if i := strings.LastIndex(name, "_v"); i > 0 {
		base = name[:i]
	}
	if m.names[name] || m.names[base] {
		m.own["definitions"].(map[string]any)[name] = schema
		return
	}
	m.openAPI2Parts.addDefinition(name, schema)
}

func (m *mergedParts) document(head map[string]any) []byte {
	m.own["parameters"] = head["parameters"]
	// Read as the others are, so that what is equal looks equal. It is our own, and can be read.
	own, _ := openapi.Read(tree.AppendJSON(nil, map[string]any(m.own)))
	for _, d := range m.remote {
		own.Merge(d)
	}
	all := map[string]any(own)
	if parameters := tree.Object(all, "parameters"); parameters != nil {
		head["parameters"] = parameters
	}
	paths := tree.Object(all, "paths")
	for _, path := range tree.SortedKeys(paths) {
		if item, ok := paths[path].(map[string]any); ok && !m.sent[path] {
			m.openAPI2Parts.addPath(path, item)
		}
	}
	definitions := tree.Object(all, "definitions")
	for _, name := range tree.SortedKeys(definitions) {
		if schema, ok := definitions[name].(map[string]any); ok {
			m.openAPI2Parts.addDefinition(name, schema)
		}
	}
	return m.openAPI2Parts.document(head)
}
