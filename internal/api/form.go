package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The forms of an answer: the object itself, a row of a table, or its metadata; as JSON or
// YAML. A client names one in Accept, as upstream has it.

type formKind int

const (
	formObject formKind = iota
	formTable
	formPartial     // PartialObjectMetadata
	formPartialList // PartialObjectMetadataList
)

// form is what the client wants.
type form struct {
	kind    formKind
	version string // of meta.k8s.io, for all but objects
	yaml    bool
	pretty  bool
	include string // what a table's rows hold: Metadata, Object or None
}

func (f *form) contentType() string {
	if f.yaml {
		return "application/yaml"
	}
	return "application/json"
}

// negotiate reads Accept. Protobuf is never given: clients that ask for it first take
// JSON next.
func (q *Call) negotiate() (form, error) {
	f := form{}
	accept := q.req.Header["Accept"]
	if q.query != nil {
		f.pretty = status.WantsPretty(q.req)
	}
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "application/json" || accept[0] == "*/*") {
		return f, nil
	}
	watching := q.info.Verb == "watch"
	for _, c := range request.ParseAccept(accept) {
		switch {
		case c.Takes("application/json"):
		case (c.Takes("application/yaml") || c.MediaType == "text/yaml") && !watching:
			f.yaml = true
		default:
			continue
		}
		if c.As != "" || c.Group != "" || c.Version != "" {
			kind, ok := map[string]formKind{"Table": formTable, "PartialObjectMetadata": formPartial, "PartialObjectMetadataList": formPartialList}[c.As]
			if !ok || c.Group != "meta.k8s.io" || c.Version != "v1" && c.Version != "v1beta1" {
				f.yaml = false
				continue
			}
			f.kind, f.version = kind, c.Version
		}
		if f.kind == formTable {
			switch f.include = q.param("includeObject"); f.include {
			case "":
				f.include = "Metadata"
			case "Metadata", "Object", "None":
			default:
				e := status.BadRequest("Unable to convert to Table as requested: includeObject: Invalid value: " + strconv.Quote(f.include) + ": must be 'Metadata', 'Object', 'None', or empty")
				e.Pretty = true
				return f, e
			}
		}
		return f, nil
	}
	types := "application/json, application/yaml"
	if watching {
		types = "application/json, application/json;stream=watch"
	}
	return f, &status.Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: "only the following media types are accepted: " + types, Pretty: true}
}

// answer writes one object as it is stored.
func (q *Call) answer(code int, o *store.Object) error {
	if q.form == (form{}) && q.asStored(o) {
		return q.send(code, o.Raw())
	}
	if q.form.kind == formObject && !q.form.yaml {
		return q.send(code, q.view(o))
	}
	return q.answerTree(code, q.decode(o))
}

// answerTree writes one object that is no stored one, or is wanted in another form.
func (q *Call) answerTree(code int, obj map[string]any) error {
	switch q.form.kind {
	case formTable:
		obj = q.asTable([]map[string]any{obj}, map[string]any{"resourceVersion": tree.Text(obj, "metadata", "resourceVersion")}, true)
	case formPartial:
		obj = q.partial(obj)
	case formPartialList:
		return status.Unexplained("content is not a list")
	}
	return q.sendTree(code, obj)
}

func (q *Call) sendTree(code int, obj map[string]any) error {
	if q.form.yaml {
		return q.send(code, tree.AppendYAML(nil, obj))
	}
	return q.send(code, tree.AppendJSON(nil, obj))
}

// send writes a whole body, and a line end behind JSON as upstream does.
func (q *Call) send(code int, b []byte) error {
	if q.form.pretty && !q.form.yaml {
		var out bytes.Buffer
		if json.Indent(&out, b, "", "  ") == nil {
			b = out.Bytes()
		}
	}
	tail := "\n"
	if q.form.yaml {
		tail = ""
	}
	h := q.w.Header()
	h["Content-Type"] = []string{q.form.contentType()}
	if len(b) > gzipAbove && q.takesGzip() {
		h["Content-Encoding"], h["Vary"] = []string{"gzip"}, append(h["Vary"], "Accept-Encoding")
		q.w.WriteHeader(code)
		z := q.api.gzipTo(q.w)
		_, _ = z.Write(b)
		_, _ = io.WriteString(z, tail)
		_ = z.Close()
		q.api.gzips.Put(z)
		return nil
	}
	h["Content-Length"] = []string{strconv.Itoa(len(b) + len(tail))}
	q.w.WriteHeader(code)
	if _, err := q.w.Write(b); err == nil && tail != "" {
		_, _ = io.WriteString(q.w, tail)
	}
	return nil
}

// gzipAbove is the size in bytes from which an answer is compressed, upstream's.
const gzipAbove = 128 << 10

func (q *Call) takesGzip() bool {
	for _, line := range q.req.Header["Accept-Encoding"] {
		for part := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") && !refuses(weight) {
				return true
			}
		}
	}
	return false
}

// refuses reports whether a coding's weight is 0, in any of its spellings: q=0, q=0.000.
func refuses(weight string) bool {
	name, value, _ := strings.Cut(strings.TrimSpace(weight), "=")
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return strings.EqualFold(strings.TrimSpace(name), "q") && err == nil && q == 0
}

func (s *API) gzipTo(w http.ResponseWriter) *gzip.Writer {
	if z, ok := s.gzips.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return z
	}
	z, _ := gzip.NewWriterLevel(w, 1)
	return z
}

// asTable is objects as a Table. header is the metadata of the list; columns are defined in
// it unless an earlier event of the same watch did.
func (q *Call) asTable(objs []map[string]any, header map[string]any, define bool) map[string]any {
	rows := make([]any, len(objs))
	for i, obj := range objs {
		row := map[string]any{"cells": q.cells(obj)}
		switch q.form.include {
		case "Object":
			row["object"] = obj
		case "None":
			row["object"] = nil
		default:
			row["object"] = q.partial(obj)
		}
		rows[i] = row
	}
	t := map[string]any{"kind": "Table", "apiVersion": "meta.k8s.io/" + q.form.version, "metadata": header, "rows": rows}
	var defs any // upstream has null in later events of a watch
	if define {
		list := make([]any, 0, len(q.Columns))
		for _, c := range q.Columns {
			list = append(list, map[string]any{"name": c.Name, "type": c.Type, "format": c.Format, "description": c.Description, "priority": int64(c.Priority)})
		}
		defs = list
	}
	t["columnDefinitions"] = defs
	return t
}

// cells are what the columns show of an object, which stays as it is.
func (q *Call) cells(obj map[string]any) []any {
	if q.ToStored != nil { // columns are those of the stored shape
		obj = maps.Clone(obj)
		q.ToStored(obj)
	}
	cells := make([]any, len(q.Columns))
	for i := range q.Columns {
		cells[i] = q.Columns[i].Cell(obj)
	}
	return cells
}

// partial is the metadata of an object.
func (q *Call) partial(obj map[string]any) map[string]any {
	version := q.form.version
	if version == "" {
		version = "v1"
	}
	return map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/" + version, "metadata": obj["metadata"]}
}
