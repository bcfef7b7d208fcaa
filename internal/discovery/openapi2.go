package discovery

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"apichain/internal/request"
)

// OpenAPI v2: one document of all groups, at /openapi/v2, as JSON or in protobuf. Helm, kubectl's
// explain with plaintext-openapiv2, and generators of clients read it; kubectl reads v3 else.
//
// It says of built-in kinds what v3 says, in other places (openapi_operation.go), and less of
// schemas: reduce and reduceCustom.
//
// With all kinds it has a megabyte, with many definitions ten, and few ever ask for it. So both
// forms are made when they are asked for, version by version and without a tree of the whole, and
// kept for a while (kept). Its entity tag is made from the addresses of the documents of v3, which say the
// same: a client that has the document costs nothing.

// OpenAPI2Path is the path of the document.
const OpenAPI2Path = "/openapi/v2"

// openAPI2Document is the document at one time. Its methods may be called concurrently.
type openAPI2Document struct {
	// tag is its name among all that there ever were, and made the time when it became that.
	tag  string
	made time.Time
	// Both forms, compressed.
	json, protobuf kept
}

// openAPI2Types are the media types that can be asked for, each with that of the answer, in the order
// in which wildcards choose.
var openAPI2Types = [][2]string{
	{"application/json", "application/json"},
	{"application/com.github.proto-openapi.spec.v2@v1.0+protobuf", protobufOpenAPI2},
	{protobufOpenAPI2, protobufOpenAPI2},
}

// protobufOpenAPI2 is the media type of the form in protobuf.
const protobufOpenAPI2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

// ServeOpenAPI2 answers with OpenAPI v2, at OpenAPI2Path, in the form that the client likes best: 406
// without a body if it takes none, and 304 if it has the document.
func (c *Catalog) ServeOpenAPI2(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Vary"] = []string{"Accept-Encoding", "Accept"}
	mediaType := chooseOpenAPI2(r.Header["Accept"])
	if mediaType == "" {
		w.WriteHeader(http.StatusNotAcceptable)
		return
	}
	document := c.v2Cache.get(c, (*Catalog).buildOpenAPI2)
	tag := `"` + document.tag + `"`
	h["Etag"] = []string{tag}
	if isKnown(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{mediaType}
	var body []byte
	if mediaType == protobufOpenAPI2 {
		body = document.protobuf.get(func() []byte { return c.renderOpenAPI2(&protobufParts{}) })
	} else {
		body = document.json.get(func() []byte { return c.renderOpenAPI2(&jsonParts{}) })
	}
	h["Last-Modified"] = []string{document.made.UTC().Format(http.TimeFormat)}
	serveCompressed(w, r, body)
}

// chooseOpenAPI2 returns the media type of the answer to a client that sends these lines of Accept,
// or "".
func chooseOpenAPI2(accept []string) string {
	for _, clause := range request.ParseAccept(accept) {
		for _, t := range openAPI2Types {
			// Parameters mean nothing here (upstream).
			if clause.Takes(t[0]) {
				return t[1]
			}
		}
	}
	return ""
}

// buildOpenAPI2 returns the document as it is now, without its bytes.
func (c *Catalog) buildOpenAPI2() *openAPI2Document {
	all := []byte("2.0 " + c.index().etag)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.remoteOpenAPI {
		all = append(all, r.Definitions...)
	}
	return &openAPI2Document{tag: upperHash(all), made: time.Now()}
}

// renderOpenAPI2 makes the document of what there is now, in the form of parts, compressed.
func (c *Catalog) renderOpenAPI2(parts openAPI2Parts) []byte {
	groups := c.ordered()
	c.mu.Lock()
	table, builtin, remote := c.table, c.builtin, c.remoteOpenAPI
	c.mu.Unlock()
	if len(remote) > 0 {
		parts = newMergedParts(parts, remote)
	}
	r := openAPI2Renderer{parts, newSchemaWriter(table, openAPI2, registeredVersions(false)...), map[string]bool{}}
	for _, key := range slices.Sorted(maps.Keys(builtin)) {
		w := newOpenAPIWriter(r.schemas, "", "")
		if w.addRoot(key) {
			r.take(w)
		}
	}
	for _, g := range groups {
		for _, v := range g.Versions {
			w := newOpenAPIWriter(r.schemas, g.Name, v.Version)
			if v.remote == nil && builtin[groupVersionKey(g.Name, v.Version)] != nil {
				w.addKinds()
				r.take(w)
			}
			for _, d := range v.custom {
				w.addCustom(d)
				r.take(w)
			}
		}
	}
	return parts.document(map[string]any{
		"swagger": "2.0", "info": information(), "parameters": openAPI2.components(r.used),
		"securityDefinitions": securitySchemes(), "security": []any{map[string]any{"BearerToken": []any{}}},
	})
}

// openAPI2Renderer makes the parts of a document.
type openAPI2Renderer struct {
	parts   openAPI2Parts
	schemas *schemaWriter
	// used has the parameters that operations refer to.
	used map[string]bool
}

// take encodes what a writer has, and takes it away from there. The order is always the same.
func (r *openAPI2Renderer) take(w *openAPIWriter) {
	for _, path := range slices.Sorted(maps.Keys(w.paths)) {
		item := w.paths[path].item(openAPI2, r.used)
		renameReferences(item)
		r.parts.addPath(path, item)
	}
	for _, name := range slices.Sorted(maps.Keys(r.schemas.out)) {
		schema := r.schemas.out[name].(map[string]any)
		reduce(schema)
		renameReferences(schema)
		r.parts.addDefinition(name, schema)
		r.schemas.written[name] = true
	}
	clear(w.paths)
	clear(r.schemas.out)
}
