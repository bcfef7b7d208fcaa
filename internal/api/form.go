package api

import (
	"net/http"
	"strconv"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The forms of an answer: the object itself, a row of a table, or its metadata alone; as JSON,
// YAML or protobuf. A client names them in Accept, best first, and gets the first that there is:
//
//	application/json;as=Table;v=v1;g=meta.k8s.io,application/json      what kubectl get sends
//	application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io       what a metadata informer sends
//	application/vnd.kubernetes.protobuf,application/json               what typed clients send
//
// The last gets protobuf of a built-in kind and JSON of a custom resource, which has no type to
// be a message of; of its metadata alone there is a message. as is about the object and says
// nothing of the syntax, so that a table can be in YAML, though not in protobuf (upstream).
// Content-Type does not repeat it, as upstream's does not.
//
// Most requests want the object in JSON. Their form is the zero value, and where the version
// is the stored one too, answer sends the stored bytes; protobuf is made of these (protobuf.go).
// Every other form begins with a decoded object: asTable and partial change trees, and tree by
// tree the answer is encoded.

// formKind says what becomes of an object.
type formKind int

const (
	formObject formKind = iota
	formTable
	// formPartial is PartialObjectMetadata, of one object or each event of a watch.
	formPartial
	// formPartialList is PartialObjectMetadataList.
	formPartialList
)

// formKinds are the values of as that there are.
var formKinds = map[string]formKind{"Table": formTable, "PartialObjectMetadata": formPartial, "PartialObjectMetadataList": formPartialList}

// form is what the client wants. The zero value is an object in JSON.
type form struct {
	kind formKind
	// version is that of meta.k8s.io, v1 or v1beta1; "" for objects.
	version string
	// yaml and protobuf say what is written instead of JSON; not both are true.
	yaml, protobuf bool
	// pretty asks for indented JSON.
	pretty bool
	// ownerless asks for objects without metadata.managedFields. Only reads have it.
	ownerless bool
	// include is what the rows of a table hold: Metadata, Object or None. "" for other forms.
	include string
}

// contentType returns the header of an answer in this form.
func (f *form) contentType() string {
	switch {
	case f.yaml:
		return "application/yaml"
	case f.protobuf:
		return request.Protobuf
	}
	return "application/json"
}

// negotiate reads Accept, and for a table includeObject. It returns the 406 for a client that
// takes nothing of what there is, and a 400 for rows that hold what no row does; both are
// indented, as upstream's are whatever the query says.
func (q *Call) negotiate() (form, error) {
	f := form{}
	accept := q.req.Header["Accept"]
	if q.query != nil {
		f.pretty = status.WantsPretty(q.req)
		var err error
		if f.ownerless, err = q.omitsOwners(); err != nil {
			return f, err
		}
	}
	// Nearly every request is one of these, and needs no clauses.
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "application/json" || accept[0] == "*/*") {
		return f, nil
	}
	for _, c := range request.ParseAccept(accept) {
		// What is only answered, and not stored, has no columns, but for scales.
		if sub := q.info.Subresource; c.As == "Table" && (q.review != nil || q.special[sub] != nil && sub != "scale") || !f.take(&c, q.custom) {
			continue
		}
		// A stream of YAML has no lines. Upstream looks for a form first, and then whether it can
		// be streamed, so that this is no reason to try the next clause.
		if f.yaml && q.info.Verb == "watch" {
			return f, takesNone(messageStreams)
		}
		// The form goes out with an error too, which is in YAML where the answer would be.
		var err error
		if f.kind == formTable {
			err = f.takeInclude(q.param("includeObject"))
		}
		return f, err
	}
	return f, q.noForm()
}

// The media types of answers, for refusals.
const (
	messageTypes   = "application/json, application/yaml, " + request.Protobuf
	messageStreams = "application/json;stream=watch, " + request.Protobuf + ";stream=watch"
)

// takesNone returns the 406 of a client that takes none of types.
func takesNone(types string) *status.Error {
	return &status.Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Pretty: true,
		Message: "only the following media types are accepted: " + types}
}

// noForm returns the 406 of a client that takes nothing of what there is. Where it names no media
// type of a built-in kind upstream's router says so, and names those of the route; else what is
// behind it does.
func (q *Call) noForm() *status.Error {
	e := takesNone(messageTypes)
	if !q.custom && !q.namesType() {
		e.Message, e.Details = "406: Not Acceptable\n\nAvailable representations: "+messageTypes, &status.Details{}
		if q.info.Verb == "list" || q.info.Verb == "watch" {
			e.Message += ", " + messageStreams
		}
	}
	return e
}

// namesType reports whether Accept names a media type of a built-in kind, whatever its parameters
// are.
func (q *Call) namesType() bool {
	for _, c := range request.ParseAccept(q.req.Header["Accept"]) {
		switch c.MediaType {
		case "application/json", "application/yaml", request.Protobuf, "*/*":
			return true
		}
	}
	return false
}

// take makes f the form that a clause of Accept asks for, or returns false and leaves it as it is
// where there is no such form; custom says that it is about a custom resource.
func (f *form) take(c *request.Clause, custom bool) bool {
	next := form{pretty: f.pretty, ownerless: f.ownerless}
	switch {
	// A clause that takes several, as */* does, gets JSON.
	case c.Takes("application/json"):
	case c.Takes("application/yaml"):
		next.yaml = true
	case c.Takes(request.Protobuf):
		next.protobuf = true
	default:
		return false
	}
	if c.As != "" || c.Group != "" || c.Version != "" {
		// All three must fit: another version of a form is not a form.
		kind, ok := formKinds[c.As]
		if !ok || c.Group != "meta.k8s.io" || c.Version != "v1" && c.Version != "v1beta1" {
			return false
		}
		next.kind, next.version = kind, c.Version
	}
	// There are messages of the types of the table, and no other.
	if next.protobuf && (next.kind == formTable || next.kind == formObject && custom) {
		return false
	}
	*f = next
	return true
}

// takeInclude reads what the rows of a table hold. The error is a 400.
func (f *form) takeInclude(value string) error {
	switch value {
	case "":
		f.include = "Metadata"
	case "Metadata", "Object", "None":
		f.include = value
	default:
		e := status.BadRequest("Unable to convert to Table as requested: includeObject: Invalid value: " + strconv.Quote(value) +
			": must be 'Metadata', 'Object', 'None', or empty")
		e.Pretty = true
		return e
	}
	return nil
}

// answer writes one object that is stored, in the form that the client wants.
func (q *Call) answer(code int, o *store.Object) error {
	o, err := q.shown(o)
	if err != nil {
		return err
	}
	switch {
	case q.form.protobuf && q.form.kind != formPartialList:
		t, apiVersion, kind := q.messageType()
		return q.sendMessage(code, t, apiVersion, kind, q.view(o))
	case q.form.kind == formObject && !q.form.yaml:
		return q.send(code, q.view(o))
	}
	return q.answerTree(code, q.decode(o))
}

// answerTree writes one object that is not stored as it is answered, and which it consumes. Who
// wants the form of a list is refused with a 406.
func (q *Call) answerTree(code int, obj map[string]any) error {
	switch q.form.kind {
	case formTable:
		header := map[string]any{"resourceVersion": tree.Text(obj, "metadata", "resourceVersion")}
		columns := q.Columns
		if q.info.Subresource == "scale" && !q.custom {
			columns = kinds.ScaleColumns()
		}
		obj = q.asTable(columns, []map[string]any{obj}, header, true)
	case formPartial:
		obj = q.partial(obj)
	case formPartialList:
		return notAcceptable("you requested PartialObjectMetadataList, but the requested object is not a list (*" + q.goType() + ")")
	}
	return q.sendTree(code, obj)
}

// notAcceptable returns the 406 for a form that this answer does not have.
func notAcceptable(why string) *status.Error {
	return &status.Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: why}
}

// asTable returns objects as a Table of these columns, which refers to them. header is the metadata of
// the list. The columns are defined in it unless an earlier event of the same watch did that.
func (q *Call) asTable(columns []kinds.Column, objs []map[string]any, header map[string]any, define bool) map[string]any {
	rows := make([]any, len(objs))
	for i, obj := range objs {
		row := map[string]any{"cells": q.cells(columns, obj)}
		if conditions := q.RowConditions(obj); conditions != nil {
			row["conditions"] = conditions
		}
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
	// In later events of a watch the key is there and null, as upstream has it.
	var defs any
	if define {
		list := make([]any, 0, len(columns))
		for _, c := range columns {
			if c.Name == "-" {
				continue
			}
			list = append(list, map[string]any{
				"name": c.Name, "type": c.Type, "format": c.Format, "description": c.Description, "priority": int64(c.Priority)})
		}
		defs = list
	}
	t["columnDefinitions"] = defs
	return t
}

// cells returns what columns show of an object, which stays as it is. A cell with an age
// depends on the clock.
func (q *Call) cells(columns []kinds.Column, obj map[string]any) []any {
	// Columns are about the stored shape, and obj is still to be shown in its own.
	if q.ToStored != nil {
		obj, _ = tree.Copy(obj).(map[string]any)
		q.ToStored(obj)
	}
	cells := make([]any, len(columns))
	for i := range columns {
		cells[i] = columns[i].Cell(obj)
	}
	return cells
}

// partial returns the PartialObjectMetadata of an object, whose metadata it shares. The form
// is a table or partial, and says the version.
func (q *Call) partial(obj map[string]any) map[string]any {
	return map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/" + q.form.version, "metadata": obj["metadata"]}
}
