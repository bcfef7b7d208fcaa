package discovery

import (
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

// OpenAPI v3: an index of documents, and one document for each group and version, which
// is made when it is first asked for. Clients cache documents by the hash in the address
// that the index gives.

const OpenAPIRoot = "/openapi/v3"

// openAPIDocument is one document. It does not change, but is rendered late.
type openAPIDocument struct {
	key    string        // apis/apps/v1
	custom []*Definition // whose schemas are in it
	render func() []byte
	// identify is a hash of all that render depends on; nil: of what it gives. With it,
	// the index of many custom resources renders none of them.
	identify func() string

	once     sync.Once
	body     []byte
	hashOnce sync.Once
	hashText string
}

// openAPIIndex is the index, of when change counted at.
type openAPIIndex struct {
	at        int64
	body      []byte
	etag      string
	documents map[string]*openAPIDocument
}

func (d *openAPIDocument) bytes() []byte {
	d.once.Do(func() { d.body = d.render() })
	return d.body
}

// hash is the document's name among those that it has had: upper-case SHA-512.
func (d *openAPIDocument) hash() string {
	d.hashOnce.Do(func() {
		if d.identify != nil {
			d.hashText = d.identify()
		} else {
			d.hashText = upperHash(d.bytes())
		}
	})
	return d.hashText
}

func (d *openAPIDocument) url() string { return OpenAPIRoot + "/" + d.key + "?hash=" + d.hash() }

// customDocument is the document of a version that has only custom resources. It is told
// from others by their definitions, and by what becomes of a definition in this program.
func customDocument(key, group string, v Version, table *kinds.Table, form func() string) *openAPIDocument {
	return &openAPIDocument{
		key: key, custom: v.custom, render: func() []byte { return renderCustom(table, group, v.Version, v.custom) },
		identify: func() string {
			all := []byte(key + " " + form())
			for _, d := range v.custom {
				all = append(all, d.digest()...)
			}
			return upperHash(all)
		},
	}
}

func renderCustom(table *kinds.Table, group, version string, docs []*Definition) []byte {
	w := newOpenAPIWriter(table, group, version)
	for _, d := range docs {
		w.addCustom(d)
	}
	return w.document()
}

// rendererHash is a hash of what the program makes of definitions: of one of them.
func rendererHash(table *kinds.Table) string {
	v := &definitionVersion{name: "v1", served: true, status: true, scale: true}
	specimen := &Definition{
		group: "specimen", plural: "specimens", kind: "Specimen", listKind: "SpecimenList", namespaced: true, versions: []*definitionVersion{v},
		raw: []byte(`{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"properties":{"a":{"x-kubernetes-embedded-resource":true}}}}}]}}`),
	}
	return upperHash(renderCustom(table, specimen.group, v.name, []*Definition{specimen}))
}

// builtinDocuments is those of what the servers have: of every group and version, of the
// groups, and of the roots.
func builtinDocuments(groups map[string][]Group, table *kinds.Table) []*openAPIDocument {
	out := []*openAPIDocument{
		{key: "api", render: func() []byte { return discoveryOpenAPI("/api/", "core", "getCoreAPIVersions", "APIVersions") }},
		{key: "apis", render: func() []byte { return discoveryOpenAPI("/apis/", "apis", "getAPIVersions", "APIGroupList") }},
	}
	for name, parts := range groups {
		had := map[string]bool{}
		for _, g := range parts {
			for _, v := range g.Versions {
				if had[v.Version] {
					continue
				}
				had[v.Version] = true
				out = append(out, &openAPIDocument{key: groupVersionKey(name, v.Version), render: func() []byte {
					w := newOpenAPIWriter(table, name, v.Version)
					w.addKinds()
					return w.document()
				}})
			}
		}
		if name != "" && len(had) > 0 {
			out = append(out, &openAPIDocument{key: "apis/" + name, render: func() []byte {
				return discoveryOpenAPI("/apis/"+name+"/", tagOf(name, ""), "get"+operationGroup(name)+"APIGroup", "APIGroup")
			}})
		}
	}
	return out
}

// indexNow is the index, made anew after a change.
func (c *Catalog) indexNow() *openAPIIndex {
	if i := c.index.Load(); i != nil && i.at == c.changes.Load() {
		return i
	}
	c.building.Lock()
	defer c.building.Unlock()
	if i := c.index.Load(); i != nil && i.at == c.changes.Load() {
		return i
	}
	groups, at := c.ordered()
	documents := map[string]*openAPIDocument{}
	c.mu.Lock()
	for key, d := range c.builtin {
		documents[key] = d
	}
	c.mu.Unlock()
	for _, g := range groups {
		for _, d := range g.openapi {
			documents[d.key] = d
		}
	}
	index := &openAPIIndex{at: at, documents: documents}
	keys := make([]string, 0, len(documents))
	for key := range documents {
		keys = append(keys, key)
	}
	slices.Sort(keys)
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
	c.index.Store(index)
	return index
}

// openAPIDocument is the document of a key, nil where there is none. It does not make
// the index, so that one document costs no other.
func (c *Catalog) openAPIDocument(key string) *openAPIDocument {
	parts := strings.Split(key, "/")
	var group, version string
	switch {
	case len(parts) == 2 && parts[0] == "api":
		version = parts[1]
	case len(parts) == 3 && parts[0] == "apis" && parts[1] != "":
		group, version = parts[1], parts[2]
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.builtin[key]
	}
	if g := c.group(group); g != nil {
		return g.openapi[version]
	}
	return nil
}

// ServeOpenAPIIndex answers with the index of documents.
func (c *Catalog) ServeOpenAPIIndex(w http.ResponseWriter, r *http.Request) {
	if !takesJSON(w, r) {
		return
	}
	index := c.indexNow()
	writeTagged(w, r, index.etag, index.body)
}

// ServeOpenAPI answers with a document. An address with its hash is good for ever; one
// with the hash of an older document leads to the present one.
func (c *Catalog) ServeOpenAPI(w http.ResponseWriter, r *http.Request) {
	d := c.openAPIDocument(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, OpenAPIRoot+"/"), "/"))
	if d == nil {
		status.Write(w, r, status.PlainText(http.StatusNotFound, "404 page not found"))
		return
	}
	w.Header()["Vary"] = []string{"Accept"}
	if !takesJSON(w, r) {
		return
	}
	if hash := r.URL.Query().Get("hash"); hash != "" {
		if hash != d.hash() {
			w.Header()["Etag"] = []string{`"` + d.hash() + `"`}
			http.Redirect(w, r, d.url(), http.StatusMovedPermanently)
			return
		}
		w.Header()["Cache-Control"] = []string{"public, immutable"}
		w.Header()["Expires"] = []string{time.Now().UTC().AddDate(1, 0, 0).Format(http.TimeFormat)}
	}
	writeTagged(w, r, d.hash(), d.bytes())
}

// takesJSON reports whether the client takes JSON, which is all there is, and refuses the
// request if not. Clients that ask for protobuf alone are none that we know of.
func takesJSON(w http.ResponseWriter, r *http.Request) bool {
	for _, c := range request.ParseAccept(r.Header["Accept"]) {
		if c.Takes("application/json") {
			return true
		}
	}
	status.Write(w, r, notAcceptableJSON())
	return false
}

// writeTagged answers with a document, or 304 to a client that has it (RFC 9110, 13.1.2).
func writeTagged(w http.ResponseWriter, r *http.Request, tag string, b []byte) {
	tag = `"` + tag + `"`
	w.Header()["Etag"] = []string{tag}
	for _, line := range r.Header["If-None-Match"] {
		for known := range strings.SplitSeq(line, ",") {
			known = strings.TrimPrefix(strings.TrimSpace(known), "W/")
			if known == tag || known == "*" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(b)
}
