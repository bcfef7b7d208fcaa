package discovery

import (
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"slices"
	"time"

	"apichain/internal/request"
	"apichain/internal/tree"
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
	// The bytes in both forms.
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
	serveCompressed(w, r, document.made, body)
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

// serveCompressed answers with a body that became what it is at a time: compressed to clients that take
// gzip, and else as net/http does, which knows of parts and of what clients have already.
func serveCompressed(w http.ResponseWriter, r *http.Request, made time.Time, body []byte) {
	if !request.TakesGzip(r.Header["Accept-Encoding"]) || r.Header["Range"] != nil {
		http.ServeContent(w, r, "", made, bytes.NewReader(body))
		return
	}
	h := w.Header()
	h["Content-Encoding"], h["Last-Modified"] = []string{"gzip"}, []string{made.UTC().Format(http.TimeFormat)}
	// The level is one there is, and a client that has gone is noticed by the server.
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
	_, _ = z.Write(body)
	_ = z.Close()
}

// buildOpenAPI2 returns the document as it is now, without its bytes.
func (c *Catalog) buildOpenAPI2() *openAPI2Document {
	return &openAPI2Document{tag: upperHash([]byte("2.0 " + c.index().etag)), made: time.Now()}
}

// openAPI2Parts is the document in one form while it is made. Each part is encoded as soon as it is
// there, so that its tree is garbage by the time of the next.
type openAPI2Parts interface {
	addPath(path string, item map[string]any)
	addDefinition(name string, schema map[string]any)
	// document ends it, given all that is neither.
	document(head map[string]any) []byte
}

// renderOpenAPI2 makes the document of what there is now, in the form of parts.
func (c *Catalog) renderOpenAPI2(parts openAPI2Parts) []byte {
	groups := c.ordered()
	c.mu.Lock()
	table, builtin := c.table, c.builtin
	c.mu.Unlock()
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
			if builtin[groupVersionKey(g.Name, v.Version)] != nil {
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

// jsonParts is OpenAPI v2 as JSON while it is made.
type jsonParts struct {
	paths, definitions []byte
}

func (p *jsonParts) addPath(path string, item map[string]any) {
	p.paths = appendMember(p.paths, path, item)
}

func (p *jsonParts) addDefinition(name string, schema map[string]any) {
	p.definitions = appendMember(p.definitions, name, schema)
}

func (p *jsonParts) document(head map[string]any) []byte {
	b := tree.AppendJSON(nil, head)
	out := make([]byte, 0, len(b)+len(p.paths)+len(p.definitions)+64)
	out = append(out, b[:len(b)-1]...)
	out = append(append(out, `,"paths":{`...), p.paths...)
	out = append(append(out, `},"definitions":{`...), p.definitions...)
	return append(out, "}}"...)
}

// appendMember appends a member of an object to those that are there.
func appendMember(b []byte, name string, value map[string]any) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return tree.AppendJSON(append(tree.AppendJSONString(b, name), ':'), value)
}
