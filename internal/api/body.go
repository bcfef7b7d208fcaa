package api

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The body of a write becomes a tree in three layers, each of which may refuse it:
//
//	bytes     at most maxBody of them, whatever Content-Length says          readBody
//	a tree    JSON, YAML, or protobuf of a kind whose types are known        readObject
//	an object of the right kind, without fields that its type does not have  readNew, readTyped
//
// Fields that the type does not have are no reason to refuse an object, unless the client asks
// for that with fieldValidation; keys that come twice are treated like them. Upstream counts
// both as decoding: that is why their messages say that the object "cannot be handled as" what
// it is. A field with a value of a wrong type is always refused.
//
// A body that is empty, or white space, is no object: whether one must be there is for the
// reader to say.

// protobufMedia is the media type of protobuf in upstream's envelope. It is read for built-in
// kinds, and never written.
const protobufMedia = "application/vnd.kubernetes.protobuf"

// bodyTypes lists the media types of bodies, as messages do.
const bodyTypes = "application/json, application/yaml, application/vnd.kubernetes.protobuf"

// noJSON begins upstream's reason for a body in which it cannot even look for the kind.
const noJSON = "couldn't get version/kind; json parse error: "

// kindFields is the type into which upstream decodes the kind of a body, as its messages show it.
const kindFields = `struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`

// missingKind begins the reason for an object of a custom kind that does not say it.
const missingKind = "Object 'Kind' is missing in '"

// protobufAdvice tells a Go client that sends protobuf of a custom resource what to do.
const protobufAdvice = `this kind is not read from protobuf: set rest.Config.ContentConfig.ContentType = "application/json"`

// maxKeptBody is the capacity, in bytes, up to which the buffer of a body is used again.
const maxKeptBody = 64 << 10

// readBody reads the whole body, at most maxBody bytes. The slice is the caller's until it
// gives it back with putBody, which it need not do.
func (s *API) readBody(req *http.Request) (*[]byte, error) {
	if req.ContentLength > maxBody {
		return nil, bodyTooLarge()
	}
	buffer, _ := s.bodies.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	b := (*buffer)[:0]
	if n := int(req.ContentLength) + 1; n > cap(b) { // one more, so that the end is seen without growing
		b = make([]byte, 0, n)
	}
	if req.Body == nil { // a call of the program itself
		*buffer = b
		return buffer, nil
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := req.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > maxBody: // a chunked body, which says no length
			return nil, bodyTooLarge()
		case errors.Is(err, io.EOF):
			*buffer = b
			return buffer, nil
		case err != nil:
			// The chain may have put a reader in front that fails in its own words, as when
			// the request's time is over.
			var e *status.Error
			if errors.As(err, &e) {
				return nil, e
			}
			return nil, status.BadRequest("the body could not be read: " + err.Error())
		}
	}
}

// putBody gives a buffer of readBody back. Nothing may refer to its bytes any more. A large one
// is left to the garbage collector, so that a few large bodies do not stay for ever.
func (s *API) putBody(b *[]byte) {
	if cap(*b) <= maxKeptBody {
		s.bodies.Put(b)
	}
}

// bodyTooLarge returns the 413 for a body of more than maxBody bytes.
func bodyTooLarge() *status.Error {
	return &status.Error{
		Code:    http.StatusRequestEntityTooLarge,
		Reason:  "RequestEntityTooLarge",
		Message: "Request entity too large: limit is " + strconv.Itoa(maxBody),
	}
}

// unsupportedType returns the 415 for a body of another media type than the accepted ones, which
// are a list as the message shows it.
func unsupportedType(accepted string) *status.Error {
	return &status.Error{
		Code:    http.StatusUnsupportedMediaType,
		Reason:  "UnsupportedMediaType",
		Message: "the body of the request was in an unknown format - accepted media types include: " + accepted,
	}
}

// bodyNotes is what strict checking finds in the text of a body, and needs to find more.
type bodyNotes struct {
	// problems are the keys that come twice, each in the words that the client gets.
	problems []string
	// text is that of a body in JSON that is read as into a Go struct, nil of any other: the order of
	// its keys is that of the problems. It is good until the buffer is given back.
	text []byte
	// buffer is given back by done, once nothing refers to text.
	buffer *[]byte
}

// done ends the use of the notes.
func (q *Call) done(n *bodyNotes) {
	if n.buffer != nil {
		q.api.putBody(n.buffer)
	}
}

// readObject reads the tree in the body, nil if the body is empty. typ is nil for kinds that have
// none: it is needed for protobuf, and says that JSON is read as into a Go struct. kind is for
// messages. The caller ends the notes with done, also after an error.
func (q *Call) readObject(typ *kinds.Type, kind string) (obj map[string]any, notes bodyNotes, err error) {
	body, err := q.api.readBody(q.req)
	if err != nil {
		return nil, notes, err
	}
	notes.buffer = body
	// Before the type is looked at: a DELETE often says a type and sends nothing.
	if len(*body) == 0 {
		return nil, notes, nil
	}
	contentType, err := q.bodyType(typ)
	if err != nil {
		return nil, notes, err
	}
	var v any
	switch contentType {
	case "application/json":
		if typ != nil {
			notes.text = *body
		}
		if v, notes.problems, err = parseJSONBody(*body, typ != nil); err != nil {
			return nil, notes, unrecognized(kind, noJSON+err.Error(), *body)
		}
	case protobufMedia:
		if obj, err = decodeObjectProtobuf(*body, typ); err != nil {
			err = unrecognized(kind, err.Error(), *body)
		}
		return obj, notes, err
	default:
		if v, notes.problems, err = tree.ParseYAMLObject(*body); err != nil {
			return nil, notes, unrecognized(kind, err.Error(), *body)
		}
		// Upstream's strict reader tells all of them in one error of several lines.
		if len(notes.problems) > 0 && q.strict == "Strict" {
			notes.problems = []string{"yaml: unmarshal errors:\n  " + strings.Join(notes.problems, "\n  ")}
		}
	}
	obj, err = q.interpret(v, typ, kind, *body, contentType == "application/json")
	return obj, notes, err
}

// bodyType returns the media type of the body, or the 415 for one that is not read: protobuf is
// where typ is not nil.
func (q *Call) bodyType(typ *kinds.Type) (string, error) {
	contentType := "application/json" // unless the client says otherwise (upstream)
	if v := q.req.Header["Content-Type"]; len(v) > 0 && v[0] != "" {
		contentType = request.ContentType(v[0])
	}
	switch {
	case contentType == "application/json", contentType == "application/yaml", contentType == protobufMedia && typ != nil:
		return contentType, nil
	case contentType == protobufMedia:
		e := unsupportedType("application/json, application/yaml")
		e.Message += "; " + protobufAdvice
		return "", e
	}
	return "", unsupportedType(bodyTypes)
}

// interpret returns v, which is what a body says, as an object of a kind, as far as the kind can be
// looked for; isJSON says that the body is JSON. Null is an object without fields, which a built-in
// kind may be.
func (q *Call) interpret(v any, typ *kinds.Type, kind string, body []byte, isJSON bool) (map[string]any, error) {
	obj, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, unrecognized(kind, noJSON+"json: cannot unmarshal "+tree.TypeName(v)+" into Go value of type "+kindFields, body)
	}
	if obj == nil {
		obj = map[string]any{}
	}
	for _, name := range []string{"apiVersion", "kind"} {
		switch v := obj[name].(type) {
		case nil, string:
		default:
			why := "json: cannot unmarshal " + tree.TypeName(v) + " into Go struct field ." + name + " of type string"
			return nil, unrecognized(kind, noJSON+why, body)
		}
	}
	if typ != nil || tree.Text(obj, "kind") != "" {
		return obj, nil
	}
	// A custom kind must be said. Where nothing is strict upstream shows the JSON that it makes of YAML.
	const most = 2000 // bytes that are shown
	if q.strict == "Ignore" {
		text := body
		if !isJSON {
			text = tree.AppendJSON(nil, v)
		}
		return nil, cannotDecode(kind, q.Version, missingKind+string(text[:min(len(text), most)])+"'")
	}
	return nil, unrecognized(kind, missingKind+string(body[:min(len(body), most)])+"'", body)
}

// parseJSONBody parses a body that says it is JSON; typed says that it is as for a Go struct. YAML's
// parser says where a key comes twice, JSON's gives the path alone.
func parseJSONBody(body []byte, typed bool) (v any, problems []string, err error) {
	parse := tree.ParseJSON
	if typed {
		parse = tree.ParseJSONMerged
	}
	v, problems, err = parse(body)
	for i := range problems {
		problems[i] = duplicateField(problems[i])
	}
	return v, problems, err
}

// duplicateField and unknownField are what clients are told of a path.
func duplicateField(path string) string { return "duplicate field " + strconv.Quote(path) }
func unknownField(path string) string   { return "unknown field " + strconv.Quote(path) }

// decodeObjectProtobuf reads upstream's envelope and the object in it, which may be JSON: some
// clients wrap it so. Kind and apiVersion are those of the envelope, since a message has none.
func decodeObjectProtobuf(b []byte, typ *kinds.Type) (map[string]any, error) {
	apiVersion, kind, raw, contentType, err := kinds.DecodeEnvelope(b)
	if err != nil {
		return nil, err
	}
	if contentType == "application/json" {
		obj, _, err := tree.ParseJSONObject(raw)
		return obj, err
	}
	obj, err := kinds.DecodeProtobuf(raw, typ)
	if err != nil {
		return nil, err
	}
	obj["apiVersion"], obj["kind"] = apiVersion, kind
	return obj, nil
}

// readNew reads the object of a create or an update and checks it as far as it concerns the
// body alone: its kind, its types, unknown fields, repeated keys. After it, obj is pruned and
// says the kind and version of the path.
func (q *Call) readNew() (map[string]any, error) {
	// A type that is not read is refused before the client is asked for the body, and without one.
	if _, err := q.bodyType(q.Type()); err != nil {
		return nil, err
	}
	obj, notes, err := q.readObject(q.Type(), q.Kind)
	defer q.done(&notes)
	if err != nil {
		return nil, err
	}
	if obj == nil {
		return nil, unrecognized(q.Kind, noJSON+"unexpected end of JSON input", nil)
	}
	if err := q.checkKind(obj); err != nil {
		return nil, err
	}
	unknown, err := q.shape.Prune(obj)
	return obj, q.reportProblems(q.Kind, q.Version, &notes, unknown, err)
}

// readTyped reads a body that is no object of the resource: options, or what a subresource
// takes. The result is nil where there is no body. It may leave out kind and apiVersion, which is
// then the given one.
func (q *Call) readTyped(typ *kinds.Type, apiVersion, kind string) (map[string]any, error) {
	obj, notes, err := q.readObject(typ, kind)
	defer q.done(&notes)
	if obj == nil {
		return nil, err
	}
	version := tree.Text(obj, "apiVersion")
	if given := tree.Text(obj, "kind"); given != "" && given != kind {
		version = cmp.Or(version, apiVersion)
		_, short := kinds.SplitAPIVersion(version)
		return nil, cannotHandle(given, short, kind, notRegistered(given, version))
	}
	// Messages show the version alone. Any group will do, as upstream has options in all of them.
	_, version, _ = strings.Cut(version, "/")
	unknown, err := kinds.Prune(typ, obj)
	return obj, q.reportProblems(kind, cmp.Or(version, "v1"), &notes, unknown, err)
}

// notRegistered returns upstream's reason for a kind that its registry of types has not.
func notRegistered(kind, version string) string {
	return "no kind " + strconv.Quote(kind) + " is registered for version " +
		strconv.Quote(version) + ` in scheme "pkg/runtime/scheme.go:111"`
}

// unrecognized returns the 400 for a body that is no object at all. It shows the beginning of
// the body, in hex unless that looks like JSON; of options upstream says the reason alone.
func unrecognized(kind, why string, body []byte) error {
	if kind == deleteOptionsKind {
		return status.BadRequest(why)
	}
	const most = 30 // bytes that are shown
	shown, more := body, ""
	if len(body) > most {
		shown, more = body[:most], " ..."
	}
	text := string(shown)
	switch {
	case len(body) == 0:
		text = "<empty>"
	case body[0] != '{':
		text = hex.EncodeToString(shown)
	}
	return status.BadRequest("the object provided is unrecognized (must be of type " + kind + "): " + why + " (" + text + more + ")")
}

// checkKind refuses an object of another kind or version than the path's, and makes obj say
// both. A built-in kind may leave them out; a custom one must say its kind. The texts differ
// between the two because upstream decodes built-in kinds by a registry of types, and says
// first what is not in that.
func (q *Call) checkKind(obj map[string]any) error {
	kind, version := tree.Text(obj, "kind"), tree.Text(obj, "apiVersion")
	if !q.custom {
		kind, version = cmp.Or(foldedText(obj, "kind"), q.Kind), cmp.Or(foldedText(obj, "apiVersion"), q.apiVersion())
		if why, r := q.otherKind(version, kind); why != "" {
			_, v := kinds.SplitAPIVersion(version)
			return cannotHandle(kind, v, q.Kind, why)
		} else if r != q.Resource {
			return q.wrongVersion(version)
		}
	}
	switch {
	// A custom object has to say its version as it has to say its kind.
	case version != q.apiVersion():
		return q.wrongVersion(version)
	case kind != "" && kind != q.Kind:
		return status.Invalid(q.Group, kind, tree.Name(obj), []field.Error{field.Invalid("kind", kind, "must be "+q.Kind)})
	}
	// Stored objects say both, whatever the client left out.
	obj["kind"], obj["apiVersion"] = q.Kind, q.apiVersion()
	return nil
}

// otherKind returns why upstream cannot take an object of that kind for one of this built-in kind,
// "" if it can: it knows its own kinds and those that are stored as the same. r is the resource of
// the kind then.
func (q *Call) otherKind(version, kind string) (why string, r *Resource) {
	if kind == q.Kind && version == q.apiVersion() {
		return "", q.Resource
	}
	switch r = q.api.ForKind(version, kind); {
	case r == nil || r.custom:
		return notRegistered(kind, version), nil
	case r.Bucket != q.Bucket:
		_, v := kinds.SplitAPIVersion(version)
		return "converting (" + v + "." + kind + ") to (" + q.goType() + "): unknown conversion", nil
	}
	return "", r
}

// goType returns the name of upstream's internal type of the objects, as its messages have it.
func (r *Resource) goType() string {
	if r.custom {
		return "unstructured.Unstructured"
	}
	group := r.Group
	if r.StoredAs != "" {
		_, group, _ = strings.Cut(r.StoredAs, ".")
	}
	group, _, _ = strings.Cut(cmp.Or(group, "core"), ".")
	return group + "." + r.Kind
}

// foldedText returns the string at a key, or at one that differs from it in case only: upstream
// looks for the kind of built-in kinds so, though for no other field.
func foldedText(obj map[string]any, key string) string {
	if text := tree.Text(obj, key); text != "" {
		return text
	}
	for _, k := range tree.SortedKeys(obj) {
		if strings.EqualFold(k, key) {
			return tree.Text(obj, k)
		}
	}
	return ""
}

// wrongVersion returns the 400 for an object of a known kind in another version than the path's.
func (q *Call) wrongVersion(version string) error {
	why := "does not match the expected API version (" + q.apiVersion() + ")"
	return status.BadRequest("the API version in the data (" + version + ") " + why)
}

// reportProblems does what fieldValidation asks about the problems in the notes and about unknown
// fields, which are paths. err says that a value does not fit its type, and goes before all of them.
func (q *Call) reportProblems(kind, version string, notes *bodyNotes, unknown []string, err error) error {
	if err != nil {
		return cannotDecode(kind, version, err.Error())
	}
	problems := notes.all(unknown)
	if len(problems) > 0 && q.strict == "Strict" {
		return cannotDecode(kind, version, "strict decoding error: "+strings.Join(problems, ", "))
	}
	q.warnOf(problems)
	return nil
}

// all returns the problems and the unknown fields, each in the words that the client gets. For a
// text that is read as into a Go struct they are in its order, each unknown field once and without
// what comes twice in it; else the unknown fields come last (upstream).
func (n *bodyNotes) all(unknown []string) []string {
	problems := n.problems
	if len(unknown) > 0 && n.text != nil {
		problems = nil
		var inside []byte // an unknown field
		left := slices.Clone(unknown)
		tree.JSONKeys(n.text, func(path []byte, repeated bool) {
			if rest, ok := bytes.CutPrefix(path, inside); ok && inside != nil && (len(rest) == 0 || rest[0] == '.' || rest[0] == '[') {
				return
			}
			if slices.Contains(unknown, string(path)) {
				inside = slices.Clone(path)
				if i := slices.Index(left, string(path)); i >= 0 {
					problems = append(problems, unknownField(left[i]))
					left = slices.Delete(left, i, i+1)
				}
			} else if repeated {
				problems = append(problems, duplicateField(string(path)))
			}
		})
		unknown = left
	}
	for _, path := range unknown {
		problems = append(problems, unknownField(path))
	}
	return problems[:min(len(problems), maxProblems)]
}

// maxProblems bounds how many problems of one body are told: each becomes a warning.
const maxProblems = 200

// cannotDecode returns the 400 for an object whose fields do not fit its kind.
func cannotDecode(kind, version, why string) error { return cannotHandle(kind, version, kind, why) }

// cannotHandle returns the 400 for an object of one kind where another is wanted.
func cannotHandle(kind, version, wanted, why string) error {
	if wanted != deleteOptionsKind { // of which upstream says the rest alone
		why = kind + " in version " + strconv.Quote(version) + " cannot be handled as a " + wanted + ": " + why
	}
	return status.BadRequest(why)
}

// warnOf sends a warning for each problem, if fieldValidation is Warn.
func (q *Call) warnOf(problems []string) {
	if q.strict != "Warn" {
		return
	}
	for _, p := range problems {
		q.scope.Warn("", p)
	}
}
