package discovery

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// OpenAPI v3 as upstream serves it: an index at /openapi/v3, and a document for each group and
// version, and for each discovery path above them.
//
//	/openapi/v3                              {"paths":{"apis/apps/v1":{"serverRelativeURL":…}}}
//	/openapi/v3/apis/apps/v1?hash=9F86D0…    the document, good for ever
//	/openapi/v3/apis/apps/v1                 the document, without such a promise
//	/openapi/v3/apis/apps/v1?hash=OLD        a redirect to the address with the present hash
//
// Clients keep a document under the hash in its address, so the hash must change whenever the
// document does, also from one version of this program to the next, and should not change
// otherwise. The index needs all hashes, however, and rendering ten thousand definitions takes
// seconds; so a hash is computed from what the document is made of: the definitions, or the rows and the text of
// the table, and a specimen that shows how this program renders any. Only the hash of built-in kinds
// of a table without a text, and of what is of no version, is that of the document.
//
// The bytes of a document are kept while it is asked for, its hash always. Upstream also serves v3 in
// protobuf, which no client that is known asks for alone.

// OpenAPIRoot is the path of the index; the documents are below it.
const OpenAPIRoot = "/openapi/v3"

// openAPIDocument is a document of OpenAPI. It never changes, and is rendered when it is first
// asked for. Its methods may be called concurrently.
type openAPIDocument struct {
	// key is the document's name in the index: api, api/v1, apis/apps/v1.
	key string
	// custom are the definitions whose schemas are in it.
	custom []*Definition
	// render makes the document.
	render func() []byte
	// address and serve are of a document that another server has: where that says it is, and what asks it.
	// Nothing else is set then.
	address string
	serve   http.Handler
	// identify returns a hash of all that render depends on. nil stands for the hash of what
	// render returns, which costs a rendering.
	identify func() string

	body     kept
	hashOnce sync.Once
	hashText string
}

// bytes returns the document. The caller must not change it.
func (d *openAPIDocument) bytes() []byte { return d.body.get(d.render) }

// hash returns the document's name among those that ever had its key, in the form of upperHash.
func (d *openAPIDocument) hash() string {
	d.hashOnce.Do(func() {
		if d.identify != nil {
			d.hashText = d.identify()
		} else {
			// The index asks for all hashes, but few of the documents are asked for then.
			d.hashText = upperHash(d.render())
		}
	})
	return d.hashText
}

// url returns the address at which the document is good for ever.
func (d *openAPIDocument) url() string {
	if d.address != "" {
		return d.address
	}
	return OpenAPIRoot + "/" + d.key + "?hash=" + d.hash()
}

// customDocument returns the document of a version that has custom resources only. Its hash is
// made of the key, of what this program does with any definition, and of the definitions.
func customDocument(key, group string, v Version, table *kinds.Table, rendererHash func() string) *openAPIDocument {
	return &openAPIDocument{
		key: key, custom: v.custom,
		render: func() []byte { return renderCustom(table, group, v.Version, v.custom) },
		identify: func() string {
			all := []byte(key + " " + rendererHash())
			for _, d := range v.custom {
				all = append(all, d.digest()...)
			}
			return upperHash(all)
		},
	}
}

// renderCustom returns the document of a version of definitions. table may be nil.
func renderCustom(table *kinds.Table, group, version string, definitions []*Definition) []byte {
	w := newOpenAPIWriter(newSchemaWriter(table, openAPI3, registeredVersions(true)...), group, version)
	for _, d := range definitions {
		w.addCustom(d)
	}
	return w.document(map[string]any{"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}, map[string]any{})
}

// specimen is a definition that uses all that renderCustom can do: status, scale, selectable fields,
// an embedded object and an int-or-string.
const specimen = `{"spec":{"group":"specimen","scope":"Namespaced","names":{"plural":"specimens","kind":"Specimen"},` +
	`"versions":[{"name":"v1","served":true,"subresources":{"status":{},"scale":{}},"selectableFields":[{"jsonPath":".b"}],` +
	`"schema":{"openAPIV3Schema":{"properties":{"a":{"x-kubernetes-embedded-resource":true},"b":{"x-kubernetes-int-or-string":true}}}}}]}}`

// rendererHash returns a hash of what this program and its table make of definitions and kinds. It differs
// between two versions of the program that would render some definition differently. The core group is the
// specimen of kinds, as it has nearly all that types and operations can be.
func rendererHash(table *kinds.Table) string {
	crd, _, _ := tree.ParseJSONObject([]byte(specimen))
	all := renderCustom(table, "specimen", "v1", []*Definition{NewDefinition([]byte(specimen), crd)})
	if table != nil && table.WasRead() {
		all = append(append(all, table.Digest()...), renderKinds(table, "", "v1")...)
	}
	return upperHash(all)
}

// renderKinds returns the document of the built-in kinds of a version.
func renderKinds(table *kinds.Table, group, version string) []byte {
	w := newOpenAPIWriter(newSchemaWriter(table, openAPI3, strings.TrimPrefix(group+"/"+version, "/")), group, version)
	w.addKinds()
	return w.document(information(), map[string]any{"securitySchemes": securitySchemes()})
}

// identifyKinds returns the hash of the document of the built-in kinds of a version: which they are, and
// what is made of any.
func identifyKinds(table *kinds.Table, key, group, version string, rendererHash func() string) string {
	all := []byte(key + " " + rendererHash())
	for _, row := range table.Kinds {
		if row.Group == group && row.Version == version {
			all = append(append(all, ' '), row.Plural...)
		}
	}
	return upperHash(all)
}

// builtinDocuments returns the documents of what the servers have: of every group and version, of
// the groups, and of the roots. groups are by name.
func builtinDocuments(groups map[string][]Group, table *kinds.Table, rendererHash func() string) []*openAPIDocument {
	var out []*openAPIDocument
	root := func(key string) {
		out = append(out, &openAPIDocument{key: key, render: func() []byte {
			w := newOpenAPIWriter(newSchemaWriter(table, openAPI3), "", "")
			w.addRoot(key)
			return w.document(information(), map[string]any{"securitySchemes": securitySchemes()})
		}})
	}
	for _, key := range rootKeys {
		root(key)
	}
	for name, parts := range groups {
		// Several servers may have parts of a group, and one of them a version of another.
		had := map[string]bool{}
		for _, g := range parts {
			for _, v := range g.Versions {
				if had[v.Version] {
					continue
				}
				had[v.Version] = true
				d := &openAPIDocument{key: groupVersionKey(name, v.Version)}
				d.render = func() []byte { return renderKinds(table, name, v.Version) }
				if table != nil && table.WasRead() {
					d.identify = func() string { return identifyKinds(table, d.key, name, v.Version, rendererHash) }
				}
				out = append(out, d)
			}
		}
		if name != "" && len(had) > 0 {
			root("apis/" + name)
		}
	}
	return out
}

// document returns the document of v3 that has all of the writer. info says what it is about, and
// components are those that are neither schemas nor parameters.
func (w *openAPIWriter) document(info, components map[string]any) []byte {
	used, paths := map[string]bool{}, map[string]any{}
	for path, operations := range w.paths {
		paths[path] = operations.item(openAPI3, used)
	}
	if len(w.schemas.out) > 0 {
		components["schemas"] = w.schemas.out
	}
	if len(used) > 0 {
		components["parameters"] = openAPI3.components(used)
	}
	return append(tree.AppendJSON(nil, map[string]any{
		"openapi": "3.0.0", "info": info, "paths": paths, "components": components,
	}), '\n')
}

// information says what the documents are about. Patches of a release change nothing in them (upstream).
func information() map[string]any {
	release := strings.TrimPrefix(kinds.KubernetesVersion, "v")
	return map[string]any{"title": "Kubernetes", "version": release[:strings.LastIndexByte(release, '.')]}
}

// securitySchemes says how clients tell who they are.
func securitySchemes() map[string]any {
	return map[string]any{"BearerToken": map[string]any{
		"type": "apiKey", "in": "header", "name": "authorization", "description": "a bearer token",
	}}
}

// openAPIIndex is the index at one time. It never changes.
type openAPIIndex struct {
	body      []byte
	etag      string
	documents map[string]*openAPIDocument
}

// index returns the index as it is now.
func (c *Catalog) index() *openAPIIndex { return c.indexCache.get(c, (*Catalog).buildIndex) }

// buildIndex encodes the index. It asks each document for its hash, which renders the built-in
// ones that nobody has asked for yet.
func (c *Catalog) buildIndex() *openAPIIndex {
	groups := c.ordered()
	documents := map[string]*openAPIDocument{}
	c.mu.Lock()
	maps.Copy(documents, c.builtin)
	remote := c.remoteDocuments
	c.mu.Unlock()
	// The groups know better: they have the documents of custom versions, and know which versions are not ours.
	for _, g := range groups {
		for _, d := range g.openapi {
			documents[d.key] = d
		}
		for _, v := range g.Versions {
			if v.remote != nil {
				delete(documents, groupVersionKey(g.Name, v.Version))
			}
		}
	}
	for key, d := range remote {
		if documents[key] == nil {
			documents[key] = d
		}
	}
	index := &openAPIIndex{documents: documents}
	keys := make([]string, 0, len(documents))
	for key := range documents {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	// An entry has some 200 bytes, most of them the hash.
	b := append(make([]byte, 0, 256*len(keys)), `{"paths":{`...)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(tree.AppendJSONString(b, key), `:{"serverRelativeURL":`...)
		b = append(tree.AppendJSONString(b, documents[key].url()), '}')
	}
	index.body = append(b, "}}\n"...)
	index.etag = upperHash(index.body)
	return index
}

// openAPIDocument returns the document of a key, or nil. It does not look into the index, so that
// a request for one document does not make the hashes of all others.
func (c *Catalog) openAPIDocument(key string) *openAPIDocument {
	parts := strings.Split(key, "/")
	var group, version string
	switch {
	case len(parts) == 2 && parts[0] == "api":
		version = parts[1]
	case len(parts) == 3 && parts[0] == "apis" && parts[1] != "":
		group, version = parts[1], parts[2]
	}
	if g := c.group(group); version != "" && g != nil && g.openapi[version] != nil {
		return g.openapi[version]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// The roots and groups of the servers. Groups of definitions have no such document.
	if d := c.builtin[key]; d != nil && version == "" {
		return d
	}
	return c.remoteDocuments[key]
}

// ServeOpenAPIIndex answers with the index of documents, at OpenAPIRoot, whatever the client takes
// (upstream).
func (c *Catalog) ServeOpenAPIIndex(w http.ResponseWriter, r *http.Request) {
	index := c.index()
	writeTagged(w, r, index.etag, index.body)
}

// ServeOpenAPI answers with the document whose key is the rest of the path below OpenAPIRoot, 404
// if there is none. At an address with its hash, caches may keep it for ever; one with another
// hash is redirected to the present address.
func (c *Catalog) ServeOpenAPI(w http.ResponseWriter, r *http.Request) {
	d := c.openAPIDocument(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, OpenAPIRoot+"/"), "/"))
	if d == nil {
		status.Write(w, r, status.PlainText(http.StatusNotFound, "404 page not found"))
		return
	}
	if d.serve != nil {
		d.serve.ServeHTTP(w, r)
		return
	}
	// The index has no such header (upstream).
	w.Header()["Vary"] = []string{"Accept"}
	takesJSON := func(clause request.Clause) bool { return clause.Takes("application/json") }
	if !slices.ContainsFunc(request.ParseAccept(r.Header["Accept"]), takesJSON) {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	if hash := r.URL.Query().Get("hash"); hash != "" {
		if hash != d.hash() {
			w.Header()["Etag"] = []string{`"` + d.hash() + `"`}
			http.Redirect(w, r, d.url(), http.StatusMovedPermanently)
			return
		}
		w.Header()["Cache-Control"] = []string{"public, immutable"}
		// For caches that do not know immutable; a year is the most that RFC 2616 allowed.
		w.Header()["Expires"] = []string{time.Now().UTC().AddDate(1, 0, 0).Format(http.TimeFormat)}
	}
	writeTagged(w, r, d.hash(), d.bytes())
}
