package tree

import (
	"bytes"
	"strings"
	"unicode"
)

// A reader for YAML as upstream reads it, which is sigs.k8s.io/yaml with go.yaml.in/yaml/v2 in
// it: YAML 1.1 with anchors, aliases, merge keys, tags and directives, made into what JSON can
// say. A text goes through four steps, each in a file:
//
//	bytes      UTF-8 or UTF-16, no control characters         yaml_text.go
//	tokens     scalars, indicators, indentation, keys         yaml_scan.go, and for scalars
//	                                                          yaml_scalar.go, yaml_block.go,
//	                                                          for tags yaml_property.go
//	nodes      the grammar                                    yaml_parse.go
//	values     types, aliases, merge keys, keys as strings    yaml_value.go, yaml_types.go
//
// What it accepts, with which value, and what it says about the rest, in which line, is
// upstream's: interop compares the two on thousands of texts. Only the bounds are our own: how
// deep a document may nest, and how much text aliases may add.
//
// The time is linear in the size of the text and of the values, which aliases make larger than
// the text, but by upstream's rule not without bound.
//
// There are two ways in. A body of a request is one object, and whoever sent it wants to know of
// repeated keys; a file of manifests is a stream, in which JSON may stand, and tells nothing of
// them, as kubectl's reader does not:
//
//	obj, repeated, err := tree.ParseYAMLObject(body)
//	docs, err := tree.ParseYAML(file)

// ParseYAML reads a stream of objects as kubectl does: YAML documents, each of which ends at a
// line that begins with ---, or JSON objects one behind the other. Values are map[string]any,
// []any, string, bool, int64, float64 and nil. A document that holds nothing is nil. The last
// value of a repeated key counts.
//
// Errors of YAML read "yaml: line 7: …" with the line in data, from 1. With one come the documents
// before it, so that a caller may apply what is good, as kubectl does. What a line's number means
// is upstream's: the scanner's errors name the line they are in, and none if it is the first;
// those of the grammar name the line before; those of values, like an unknown anchor, have none.
// data is not kept.
func ParseYAML(data []byte) ([]any, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		text, bad := decodeYAML(data)
		if bad != nil {
			return nil, bad
		}
		data = []byte(strings.TrimSuffix(text, yamlEnd))
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	// JSON goes first: its reader is faster, and takes keys of any length and escapes that YAML has not.
	docs, rest, err := parseJSONStream(data)
	if len(rest) == 0 {
		return docs, err
	}
	before := bytes.Count(data[:len(data)-len(rest)], []byte("\n"))
	// What is no JSON after all may be YAML, whose errors tell the line. Its last line has an end.
	if !bytes.HasSuffix(rest, []byte("\n")) {
		rest = append(rest[:len(rest):len(rest)], '\n')
	}
	more, err := parseYAMLStream(rest, before)
	return append(docs, more...), err
}

// parseJSONStream reads JSON objects one behind the other. rest is where YAML may begin instead,
// nil if nothing is left or it cannot: behind two objects or more. err says why the rest is no
// JSON.
func parseJSONStream(data []byte) (docs []any, rest []byte, err error) {
	if !bytes.HasPrefix(bytes.TrimLeftFunc(data, unicode.IsSpace), []byte("{")) {
		return nil, data, nil
	}
	r := jsonReader{src: string(data)}
	for {
		r.skipSpace()
		if r.pos == len(r.src) {
			return docs, nil, nil
		}
		// What is no value is left as it is, from its first byte on, for the reader of YAML.
		start := r.pos
		v, err := r.value()
		switch {
		case err == nil:
			docs = append(docs, v)
		case len(docs) > 1:
			return docs, nil, err
		default:
			return docs, data[start:], err
		}
	}
}

// parseYAMLStream reads documents, the first of which begins in the line of that number, from 0.
// A marker in front of a document is a part of it; one behind it ends it.
func parseYAMLStream(data []byte, line int) (docs []any, err error) {
	var p yamlParser
	// The line at data[end:next] is looked at; the document begins at begin. Nothing is scanned here, so a
	// marker counts in a literal, too.
	for begin, end, next := 0, 0, 0; begin < len(data); end = next {
		next = len(data)
		if i := bytes.IndexByte(data[end:], '\n'); i >= 0 {
			next = end + i + 1
		}
		marker := bytes.HasPrefix(data[end:next], []byte("---"))
		if marker {
			if behind := bytes.TrimSpace(data[end+3 : next]); len(behind) > 0 && behind[0] != '#' {
				number := line + bytes.Count(data[begin:end], []byte("\n")) + 1
				return docs, yamlError(number, "invalid Yaml document separator: "+string(behind))
			}
		}
		if begin == end || !marker {
			if next < len(data) {
				continue
			}
			end = next
		}
		doc, _, err := p.read(data[begin:end], line)
		if err != nil {
			return docs, err
		}
		docs = append(docs, doc)
		// The marker itself goes: what follows it is the next document.
		line += bytes.Count(data[begin:next], []byte("\n"))
		begin = next
	}
	return docs, nil
}

// ParseYAMLObject reads the first document of data for the API, and nothing behind it, as
// upstream's decoder of request bodies does; without one obj is nil. Unlike ParseYAML it tells of
// repeated keys, the first hundred in the order in which they are read: line 7: key "size" already
// set in map. They are no error, since fieldValidation decides what becomes of them. Errors are
// ParseYAML's. JSON is read as YAML here, \/ in a string is refused, and so callers whose client
// says that it is JSON use ParseJSONObject. The caller checks that obj is an object.
//
//go:noinline
func ParseYAMLObject(data []byte) (obj any, repeated []string, err error) {
	var p yamlParser
	return p.read(data, 0)
}

// read returns the value of the first document of data, whose first line is the one of that
// number, from 0, and what ParseYAMLObject tells of repeated keys.
func (p *yamlParser) read(data []byte, line int) (doc any, repeated []string, err error) {
	p.reset(data, line)
	n, err := p.document()
	if err != nil {
		return nil, nil, err
	}
	var r yamlReader
	doc, err = r.document(n)
	return doc, r.repeated, err
}
