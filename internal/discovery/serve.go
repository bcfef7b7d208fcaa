package discovery

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// How the documents of discovery are answered: which form a client gets by its Accept header,
// and when it gets none because it has it already. OpenAPI's documents are answered by openapi.go,
// with the parts of this file that are alike.
//
// The two differ in how they compare If-None-Match, because upstream's two differ. Its handler of
// the aggregated form compares the header with the tag as texts: a list, a weak tag or * never
// match. Its handler of OpenAPI ends in http.ServeContent, which follows RFC 9110. Clients send
// what they were given, for which both are the same, so each does here what it does there.

// Serve returns the handler of the document at path, which is one of Documents or GroupList. The
// client gets the plain form or, at /api and /apis, where it asks for it, the aggregated one with
// its ETag. A group or version that is gone since is a 404.
func (c *Catalog) Serve(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path == "/api" || path == "/apis" {
			roots := c.roots()
			c.serveDiscovery(w, r, roots.plain[path], roots.aggregated[path], roots.etags[path])
			return
		}
		plain := c.plainDocument(path)
		if plain == nil {
			status.Write(w, r, status.PlainText(http.StatusNotFound, "404 page not found"))
			return
		}
		c.serveDiscovery(w, r, plain, nil, "")
	})
}

// Document returns the handler of a document that is there only by custom resources or other servers:
// /apis/GROUP of a group that no server of the chain has, and /apis/GROUP/VERSION of a version with custom
// resources, with or without a slash at the end. It returns false for any other path. The handler serves the
// document as it is now, even if what it is there by goes before it is called.
func (c *Catalog) Document(path string) (serve http.HandlerFunc, ok bool) {
	path = strings.TrimSuffix(path, "/")
	g := c.groupOf(path)
	if g == nil {
		return nil, false
	}
	_, version, isVersion := strings.Cut(strings.TrimPrefix(path, "/apis/"), "/")
	// What a server has it serves itself.
	isCustom := !isVersion && !g.isRouted
	for _, v := range g.Versions {
		isCustom = isCustom || v.Version == version && len(v.custom) > 0
	}
	if !isCustom {
		return nil, false
	}
	plain := g.encoded().byPath[path]
	return func(w http.ResponseWriter, r *http.Request) { c.serveDiscovery(w, r, plain, nil, "") }, true
}

// groupOf returns the group that a path is in, or nil if there is none or it is in no group.
func (c *Catalog) groupOf(path string) *catalogGroup {
	if strings.HasPrefix(path, "/api/") {
		return c.group("")
	}
	name, ok := strings.CutPrefix(path, "/apis/")
	name, _, _ = strings.Cut(name, "/")
	// The core group is not below /apis, not even under its empty name.
	if !ok || name == "" {
		return nil
	}
	return c.group(name)
}

// plainDocument returns the document of a group or version by its path, or nil.
func (c *Catalog) plainDocument(path string) []byte {
	if g := c.groupOf(path); g != nil {
		return g.encoded().byPath[path]
	}
	return nil
}

// serveDiscovery answers with the form of a document that the client likes best, in JSON, YAML
// or protobuf. aggregated is nil where there is only the plain form, and etag is of the aggregated one:
// upstream gives the plain form none. A client that takes neither gets a 406.
func (c *Catalog) serveDiscovery(w http.ResponseWriter, r *http.Request, plain, aggregated []byte, etag string) {
	hasForms := aggregated != nil
	for _, clause := range request.ParseAccept(r.Header["Accept"]) {
		i := slices.IndexFunc(documentTypes, clause.Takes)
		if i < 0 || documentTypes[i] == request.Protobuf && c.types() == nil {
			continue
		}
		contentType := documentTypes[i]
		// Caches must know that the answer depends on Accept, also when it is a refusal.
		if hasForms {
			w.Header()["Vary"] = []string{"Accept"}
		}
		switch {
		case clause.As == "" && clause.Group == "" && clause.Version == "":
			c.writeDocument(w, r, contentType, plain)
			return
		case hasForms && clause.As == "APIGroupDiscoveryList" && clause.Group == "apidiscovery.k8s.io" && clause.Version == "v2":
			h := w.Header()
			h["Etag"] = []string{etag}
			h["Cache-Control"] = []string{"public"}
			// Compared as a text: see the head of this file.
			if r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			c.writeDocument(w, r, contentType+aggregatedParameters, aggregated)
			return
		}
	}
	status.Write(w, r, takesNone(documentTypes...))
}

// documentTypes are the media types of discovery, of which a client that takes several gets the first.
var documentTypes = []string{"application/json", "application/yaml", request.Protobuf}

// takesNone returns the 406 for a client that takes none of types. It is indented whoever asks, as
// upstream writes it.
func takesNone(types ...string) *status.Error {
	return &status.Error{
		Code: http.StatusNotAcceptable, Reason: "NotAcceptable",
		Message: "only the following media types are accepted: " + strings.Join(types, ", "), Pretty: true,
	}
}

// writeDocument answers with b, in protobuf or YAML where contentType says so, else as it is, or indented
// for whom status.WantsPretty tells. The ETag of a document is that of its JSON in any form: all say the
// same.
func (c *Catalog) writeDocument(w http.ResponseWriter, r *http.Request, contentType string, b []byte) {
	switch {
	case strings.HasPrefix(contentType, request.Protobuf):
		b = c.message(b)
	case strings.HasPrefix(contentType, "application/yaml"):
		v, _, _ := tree.ParseJSON(b) // it is our own
		b = tree.AppendYAML(nil, v)
	case status.WantsPretty(r):
		var out bytes.Buffer
		if json.Indent(&out, b, "", "  ") == nil {
			b = out.Bytes()
		}
	}
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = []string{contentType}, []string{strconv.Itoa(len(b))}
	// A client that has gone is noticed by the server.
	_, _ = w.Write(b)
}

// types returns the table of kinds, which has the types of documents too; nil for none, and then there
// is no protobuf.
func (c *Catalog) types() *kinds.Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table
}

// message returns a document in protobuf. It is encoded each time: clients of discovery keep what they
// were told.
func (c *Catalog) message(document []byte) []byte {
	var named struct{ Kind, APIVersion string }
	_ = json.Unmarshal(document, &named) // it is our own
	group, version := kinds.SplitAPIVersion(named.APIVersion)
	var e kinds.ProtobufEncoder
	return e.Object(c.types().Answer(group, version, named.Kind), named.APIVersion, named.Kind, document)
}

// writeTagged answers with b under a strong entity tag, or with 304 to a client that has it. tag
// has no quotes.
func writeTagged(w http.ResponseWriter, r *http.Request, tag string, b []byte) {
	tag = `"` + tag + `"`
	w.Header()["Etag"] = []string{tag}
	if isKnown(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(b)
}

// isKnown reports whether the lines of an If-None-Match header have a tag, by the weak comparison
// of RFC 9110, section 13.1.2: W/ before a tag does not count, and * has every tag. A tag with a
// comma in it would be misread, but ours are hashes.
func isKnown(lines []string, tag string) bool {
	for _, line := range lines {
		for known := range strings.SplitSeq(line, ",") {
			known = strings.TrimPrefix(strings.TrimSpace(known), "W/")
			if known == tag || known == "*" {
				return true
			}
		}
	}
	return false
}

// upperHash returns SHA-512 of b in upper-case hexadecimal, as upstream has it in entity tags and
// in the addresses of OpenAPI documents.
func upperHash(b []byte) string {
	sum := sha512.Sum512(b)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
