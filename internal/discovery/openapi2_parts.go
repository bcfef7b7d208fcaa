package discovery

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"

	"apichain/internal/request"
	"apichain/internal/tree"
)

// OpenAPI v2 is made and kept compressed: with many definitions it has tens of megabytes, of which a
// twentieth is left, and most clients take it so. Its two large parts are written at once, so each is
// compressed for itself, and they are put together at the end.

// openAPI2Parts is the document in one form while it is made. Each path and definition is encoded as soon
// as it is there, so that its tree is garbage by the time of the next.
type openAPI2Parts interface {
	addPath(path string, item map[string]any)
	addDefinition(name string, schema map[string]any)
	// document ends it, given all that is neither, and returns it compressed.
	document(head map[string]any) []byte
}

// section is compressed while it is written. The zero value is empty. Writing does not fail.
type section struct {
	packed bytes.Buffer
	z      *gzip.Writer
	// size is how much was written.
	size int
}

// Write adds bytes.
func (s *section) Write(b []byte) (int, error) {
	if s.z == nil {
		s.z, _ = gzip.NewWriterLevel(&s.packed, gzip.BestSpeed) // there is such a level
	}
	s.size += len(b)
	return s.z.Write(b)
}

// end returns all in the form of gzip. Nothing may be written after.
func (s *section) end() []byte {
	if s.z != nil {
		_ = s.z.Close() // a buffer takes everything
	}
	return s.packed.Bytes()
}

// addTo writes all that was written to another section. Nothing may be written to this one after.
func (s *section) addTo(out *section) {
	// What is empty has no head to read, and what is there we have written.
	if r, err := gzip.NewReader(bytes.NewReader(s.end())); err == nil {
		_, _ = io.Copy(out, r)
	}
}

// jsonParts is OpenAPI v2 as JSON while it is made.
type jsonParts struct {
	paths, definitions section
	member             []byte
}

func (p *jsonParts) addPath(path string, item map[string]any) { p.add(&p.paths, path, item) }

func (p *jsonParts) addDefinition(name string, schema map[string]any) {
	p.add(&p.definitions, name, schema)
}

// add writes a member of an object.
func (p *jsonParts) add(object *section, name string, value map[string]any) {
	b := p.member[:0]
	if object.size > 0 {
		b = append(b, ',')
	}
	p.member = tree.AppendJSON(append(tree.AppendJSONString(b, name), ':'), value)
	_, _ = object.Write(p.member)
}

func (p *jsonParts) document(head map[string]any) []byte {
	var out section
	b := tree.AppendJSON(nil, head)
	_, _ = out.Write(append(b[:len(b)-1], `,"paths":{`...))
	p.paths.addTo(&out)
	_, _ = out.Write([]byte(`},"definitions":{`))
	p.definitions.addTo(&out)
	_, _ = out.Write([]byte("}}"))
	return out.end()
}

// protobufParts is OpenAPI v2 in protobuf while it is made.
type protobufParts struct {
	paths, definitions section
	entry              []byte
}

func (p *protobufParts) addPath(path string, item map[string]any) {
	p.entry = appendEntry(p.entry[:0], 2, path, "path", item)
	_, _ = p.paths.Write(p.entry)
}

func (p *protobufParts) addDefinition(name string, schema map[string]any) {
	p.entry = appendEntry(p.entry[:0], 1, name, "schema", schema)
	_, _ = p.definitions.Write(p.entry)
}

func (p *protobufParts) document(head map[string]any) []byte {
	var out section
	_, _ = out.Write(appendMessage(nil, messageForms["document"], head))
	_, _ = out.Write(appendHeader(nil, 8, p.paths.size))
	p.paths.addTo(&out)
	_, _ = out.Write(appendHeader(nil, 9, p.definitions.size))
	p.definitions.addTo(&out)
	return out.end()
}

// serveCompressed answers with a compressed body, to clients that do not take gzip with what it was.
func serveCompressed(w http.ResponseWriter, r *http.Request, packed []byte) {
	h := w.Header()
	if request.TakesGzip(r.Header["Accept-Encoding"]) {
		h["Content-Encoding"], h["Content-Length"] = []string{"gzip"}, []string{strconv.Itoa(len(packed))}
		// A client that has gone is noticed by the server, here and below.
		_, _ = w.Write(packed)
		return
	}
	// Its length is at the end (RFC 1952, ISIZE).
	h["Content-Length"] = []string{strconv.Itoa(int(binary.LittleEndian.Uint32(packed[len(packed)-4:])))}
	if body, err := gzip.NewReader(bytes.NewReader(packed)); err == nil && r.Method != http.MethodHead {
		_, _ = io.Copy(w, body)
	}
}
