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
	"unicode"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// What a request says in its body and in its options.

// jsonTypes are the media types of bodies, as messages list them.
const bodyTypes = "application/json, application/yaml, application/vnd.kubernetes.protobuf"

const ProtobufMedia = "application/vnd.kubernetes.protobuf"

// readBody reads the whole body, at most maxBody bytes. The slice is the caller's until it
// gives it back with putBody.
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
	if req.Body == nil {
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
		case len(b) > maxBody:
			return nil, bodyTooLarge()
		case errors.Is(err, io.EOF):
			*buffer = b
			return buffer, nil
		case err != nil:
			var e *status.Error
			if errors.As(err, &e) {
				return nil, e
			}
			return nil, status.BadRequest("the body could not be read: " + err.Error())
		}
	}
}

func (s *API) putBody(b *[]byte) {
	if cap(*b) <= 64<<10 {
		s.bodies.Put(b)
	}
}

func bodyTooLarge() *status.Error {
	return &status.Error{Code: http.StatusRequestEntityTooLarge, Reason: "RequestEntityTooLarge", Message: "Request entity too large: limit is " + strconv.Itoa(maxBody)}
}

func unsupportedType(accepted string) *status.Error {
	return &status.Error{Code: http.StatusUnsupportedMediaType, Reason: "UnsupportedMediaType", Message: "the body of the request was in an unknown format - accepted media types include: " + accepted}
}

// readObject reads the object in the body. problems is what strict checking found in the
// text itself: keys that come twice.
func (q *Call) readObject(typ *kinds.Type, kind string) (obj map[string]any, problems []string, err error) {
	body, err := q.api.readBody(q.req)
	if err != nil {
		return nil, nil, err
	}
	defer q.api.putBody(body)
	contentType := "application/json"
	if v := q.req.Header["Content-Type"]; len(v) > 0 && v[0] != "" {
		contentType = request.MediaType(v[0])
	}
	const noJSON = "couldn't get version/kind; json parse error: "
	unreadable := func(what string, err error) error { return unrecognized(kind, what+err.Error(), *body) }
	switch {
	case len(bytes.TrimSpace(*body)) == 0:
		return nil, nil, nil
	case contentType == "application/json":
		obj, problems, err = tree.ParseJSONObject(*body)
		for i := range problems {
			problems[i] = "duplicate field " + strconv.Quote(problems[i])
		}
		if err != nil {
			return nil, nil, unreadable(noJSON, err)
		}
	case contentType == "application/yaml" || contentType == "text/yaml":
		v, repeated, err := tree.ParseYAMLObject(*body)
		if err != nil {
			return nil, nil, unreadable("error converting YAML to JSON: ", err)
		}
		o, ok := v.(map[string]any)
		if !ok {
			return nil, nil, unreadable(noJSON, errors.New("json: cannot unmarshal "+tree.TypeName(v)+" into Go value of type map[string]interface {}"))
		}
		obj, problems = o, repeated
	case contentType == ProtobufMedia && typ != nil:
		if obj, err = decodeObjectProtobuf(*body, typ); err != nil {
			return nil, nil, unreadable("", err)
		}
	case contentType == ProtobufMedia:
		e := unsupportedType("application/json, application/yaml")
		e.Message += "; " + protobufAdvice
		return nil, nil, e
	default:
		return nil, nil, unsupportedType(bodyTypes)
	}
	return obj, problems, nil
}

// readTyped reads a body that is no object of the resource: options, or what a subresource
// takes. The result is nil where there is no body. A value of a wrong type is refused, since
// nothing here may be taken for what it is not.
func (q *Call) readTyped(typ *kinds.Type, kind string) (map[string]any, error) {
	obj, problems, err := q.readObject(typ, kind)
	if obj == nil {
		return nil, err
	}
	for _, f := range [...]string{"kind", "apiVersion"} {
		if err := wantText(obj, f); err != nil {
			return nil, err
		}
	}
	version := tree.Text(obj, "apiVersion")
	if given := tree.Text(obj, "kind"); given != "" && given != kind {
		return nil, status.BadRequest("no kind " + strconv.Quote(given) + " is registered for version " + strconv.Quote(version) + " in scheme")
	}
	_, version, _ = strings.Cut(version, "/")
	unknown, err := kinds.Prune(typ, obj)
	return obj, q.pruned(kind, cmp.Or(version, "v1"), problems, unknown, err)
}

// wantText refuses what is no string where one must be, or nothing.
func wantText(obj map[string]any, field string) error {
	switch v := obj[field].(type) {
	case nil, string:
		return nil
	default:
		return status.BadRequest("couldn't get version/kind; json parse error: json: cannot unmarshal " + tree.TypeName(v) + " into Go struct field ." + field + " of type string")
	}
}

// unrecognized is the 400 for a body that is no object at all.
func unrecognized(kind, why string, body []byte) error {
	const most = 30 // bytes of the body that are shown
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

const protobufAdvice = `this kind is not read from protobuf: set rest.Config.ContentConfig.ContentType = "application/json"`

// decodeObjectProtobuf reads upstream's envelope and the object in it.
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

// writeOptions reads what every write may say: options names the kind in messages.
func (q *Call) writeOptions(options string) error {
	q.strict = "Warn"
	if q.query == nil {
		return nil
	}
	var errs []field.Error
	if v := q.query["dryRun"]; len(v) > 0 {
		for _, s := range v {
			if s != "All" {
				errs = append(errs, field.NotSupported("dryRun", v, "All"))
				break
			}
		}
		q.dryRun = true
	}
	errs = append(errs, managerErrors(q.param("fieldManager"))...)
	if v := q.param("fieldValidation"); v != "" {
		if !slices.Contains([]string{"Ignore", "Warn", "Strict"}, v) {
			errs = append(errs, field.NotSupported("fieldValidation", v, "Ignore", "Strict", "Warn"))
		}
		q.strict = v
	}
	if options == "PatchOptions" && q.query.Has("force") {
		errs = append(errs, field.Forbidden("force", "may not be specified for non-apply patch"))
	}
	if len(errs) > 0 {
		return status.Invalid("meta.k8s.io", options, "", errs)
	}
	return nil
}

func managerErrors(manager string) (errs []field.Error) {
	if len(manager) > 128 {
		errs = append(errs, field.TooLong("fieldManager", 128))
	}
	for i, c := range manager {
		if !unicode.IsPrint(c) {
			errs = append(errs, field.Invalid("fieldManager", manager, "should only contain printable characters (at "+strconv.Itoa(i)+")"))
			break
		}
	}
	return errs
}

// readNew reads and checks the object of a create or an update as far as it concerns the
// body alone: its kind, unknown fields, repeated keys.
func (q *Call) readNew() (map[string]any, error) {
	obj, problems, err := q.readObject(q.Type, q.Kind)
	if err != nil {
		return nil, err
	}
	if obj == nil {
		return nil, unrecognized(q.Kind, "couldn't get version/kind; json parse error: unexpected end of JSON input", nil)
	}
	if err := q.checkKind(obj); err != nil {
		return nil, err
	}
	return obj, q.prune(obj, problems)
}

// checkKind sees to it that obj says the kind and version of the path. A built-in kind may
// leave them out.
func (q *Call) checkKind(obj map[string]any) error {
	if err := cmp.Or(wantText(obj, "kind"), wantText(obj, "apiVersion")); err != nil {
		return err
	}
	kind, version := tree.Text(obj, "kind"), tree.Text(obj, "apiVersion")
	switch {
	case kind == "" && q.custom:
		text := string(tree.AppendJSON(nil, obj))
		if len(text) > 200 {
			text = text[:200]
		}
		return status.BadRequest("the object provided is unrecognized (must be of type " + q.Kind + "): Object 'Kind' is missing in '" + text + "'")
	case version != "" && version != q.apiVersion() && !q.custom && q.api.ForKind(version, cmp.Or(kind, q.Kind)) == nil:
		kind = cmp.Or(kind, q.Kind)
		_, v := kinds.SplitAPIVersion(version)
		return status.BadRequest(kind + " in version " + strconv.Quote(v) + " cannot be handled as a " + q.Kind + ": no kind " + strconv.Quote(kind) + " is registered for version " + strconv.Quote(version))
	case version != "" && version != q.apiVersion():
		return status.BadRequest("the API version in the data (" + version + ") does not match the expected API version (" + q.apiVersion() + ")")
	case kind != "" && kind != q.Kind && q.custom:
		return status.Invalid(q.Group, kind, tree.Name(obj), []field.Error{field.Invalid("kind", kind, "must be "+q.Kind)})
	case kind != "" && kind != q.Kind:
		return status.BadRequest(kind + " in version " + strconv.Quote(q.Version) + " cannot be handled as a " + q.Kind + ": the kind of the object is not the one of the path")
	}
	obj["kind"], obj["apiVersion"] = q.Kind, q.apiVersion()
	return nil
}

// prune takes out what the type does not have and says so, as fieldValidation asks.
func (q *Call) prune(obj map[string]any, problems []string) error {
	unknown, err := q.shape.Prune(obj)
	return q.pruned(q.Kind, q.Version, problems, unknown, err)
}

// pruned says what strict reading of an object of a kind has found.
func (q *Call) pruned(kind, version string, problems, unknown []string, err error) error {
	unfit := func(why string) error {
		if kind != deleteOptionsKind { // of which upstream says the rest alone
			why = kind + " in version " + strconv.Quote(version) + " cannot be handled as a " + kind + ": " + why
		}
		return status.BadRequest(why)
	}
	if err != nil {
		return unfit(err.Error())
	}
	for _, path := range unknown {
		problems = append(problems, "unknown field "+strconv.Quote(path))
	}
	if len(problems) == 0 {
		return nil
	}
	switch q.strict {
	case "Strict":
		return unfit("strict decoding error: " + strings.Join(problems, ", "))
	case "Warn":
		for _, p := range problems {
			q.scope.Warn("", p)
		}
	}
	return nil
}
