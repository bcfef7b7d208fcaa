package webhook

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The answer of a webhook is an AdmissionReview with a response. It is read as upstream's decoder reads it, whose texts a webhook's
// author sees: JSON or YAML whatever its media type says, unknown fields are nothing, and a value of another type is an error.
// What the response must say beside that depends on the version of the review: v1 is strict, v1beta1 takes what it gets.
//
//	{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{
//	  "uid":"705ab4f5-…","allowed":false,            the review's own uid
//	  "status":{"code":403,"message":"…"},           what a refusal tells the client
//	  "patchType":"JSONPatch","patch":"W3sib3Ai…",   of a mutating webhook: operations in base64
//	  "warnings":["…"],"auditAnnotations":{…}}}      for the client, and for the audit log

// answer is what a webhook has said.
type answer struct {
	allowed bool
	// patch is decoded from base64, and patchType is JSONPatch where there is one, as far as v1beta1 goes.
	patch     []byte
	patchType string
	// result is the Status of a refusal, nil for none.
	result   map[string]any
	warnings []string
	// annotations are without the webhook's name in front.
	annotations map[string]string
}

// kindFields is the type into which upstream decodes the kind of an answer, as its messages show it.
const kindFields = `struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`

// noKind begins upstream's reason for an answer in which it cannot even look for the kind.
const noKind = "couldn't get version/kind; json parse error: "

// fieldType is the type of a field in upstream's Go type: the kind of JSON value that it takes, and as messages name it.
type fieldType struct{ takes, of, typ string }

// fieldTypes are the fields of an answer that are looked at, by path. [] is an element of a list or a map.
var fieldTypes = map[string]fieldType{
	"request":                                   {"object", "AdmissionReview", "v1.AdmissionRequest"},
	"response":                                  {"object", "AdmissionReview", "v1.AdmissionResponse"},
	"response.uid":                              {"string", "AdmissionResponse", "types.UID"},
	"response.allowed":                          {"bool", "AdmissionResponse", "bool"},
	"response.patch":                            {"string", "AdmissionResponse", "[]uint8"},
	"response.patchType":                        {"string", "AdmissionResponse", "v1.PatchType"},
	"response.warnings":                         {"array", "AdmissionResponse", "[]string"},
	"response.warnings[]":                       {"string", "AdmissionResponse", "string"},
	"response.auditAnnotations":                 {"object", "AdmissionResponse", "map[string]string"},
	"response.auditAnnotations[]":               {"string", "AdmissionResponse", "string"},
	"response.status":                           {"object", "AdmissionResponse", "v1.Status"},
	"response.status.status":                    {"string", "Status", "string"},
	"response.status.message":                   {"string", "Status", "string"},
	"response.status.reason":                    {"string", "Status", "v1.StatusReason"},
	"response.status.code":                      {"int32", "Status", "int32"},
	"response.status.metadata":                  {"object", "Status", "v1.ListMeta"},
	"response.status.details":                   {"object", "Status", "v1.StatusDetails"},
	"response.status.details.name":              {"string", "StatusDetails", "string"},
	"response.status.details.group":             {"string", "StatusDetails", "string"},
	"response.status.details.kind":              {"string", "StatusDetails", "string"},
	"response.status.details.uid":               {"string", "StatusDetails", "types.UID"},
	"response.status.details.retryAfterSeconds": {"int32", "StatusDetails", "int32"},
	"response.status.details.causes":            {"array", "StatusDetails", "[]v1.StatusCause"},
	"response.status.details.causes[]":          {"object", "StatusDetails", "v1.StatusCause"},
	"response.status.details.causes[].reason":   {"string", "StatusCause", "v1.CauseType"},
	"response.status.details.causes[].message":  {"string", "StatusCause", "string"},
	"response.status.details.causes[].field":    {"string", "StatusCause", "string"},
}

// readAnswer reads the answer to a review of a version ("v1", "v1beta1") and a uid. isBad says that it could be read and is
// not what was asked for. The error is in upstream's words.
func readAnswer(body []byte, version, uid string, mutating bool) (a *answer, isBad bool, err error) {
	// Reading comes before judging: an answer that cannot be read at all is told apart from one that says what it must not.
	review, err := parseReview(body, version)
	if err != nil {
		return nil, false, err
	}
	response := tree.Object(review, "response")
	if response == nil {
		return nil, true, errors.New("webhook response was absent")
	}
	a = &answer{
		allowed: tree.At(response, "allowed") == true, patchType: tree.Text(response, "patchType"),
		result: tree.Object(response, "status"), annotations: map[string]string{},
	}
	// Types were checked, so what is no string here is a null.
	for _, v := range tree.List(response, "warnings") {
		s, _ := v.(string) // a null is an empty one
		a.warnings = append(a.warnings, s)
	}
	for k, v := range tree.Object(response, "auditAnnotations") {
		a.annotations[k], _ = v.(string)
	}
	// The decoder of upstream reads bytes with the rest, so this is an error of reading as well.
	if a.patch, err = base64.StdEncoding.DecodeString(tree.Text(response, "patch")); err != nil {
		return nil, false, err
	}
	// The older version was never strict: neither the uid nor the type of the patch was looked at, and webhooks of its
	// time got both wrong.
	if version == "v1beta1" {
		if len(a.patch) > 0 {
			a.patchType = "JSONPatch"
		}
		return a, false, nil
	}
	if err := a.check(review, response, uid, mutating); err != nil {
		return nil, true, err
	}
	return a, false, nil
}

// check returns what an answer of v1 must not be.
func (a *answer) check(review, response map[string]any, uid string, mutating bool) error {
	group, version := kinds.SplitAPIVersion(tree.Text(review, "apiVersion"))
	// A type that is given and empty is another mistake than none.
	_, hasType := response["patchType"].(string)
	// In the order of upstream, which an author sees who has made several mistakes.
	switch given := tree.Text(response, "uid"); {
	case given != uid:
		return fmt.Errorf("expected response.uid=%q, got %q", uid, given)
	case tree.Text(review, "kind") != "AdmissionReview" || group != "admission.k8s.io" || version != "v1":
		return fmt.Errorf("expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got %s/%s, Kind=%s",
			group, version, tree.Text(review, "kind"))
	case !mutating && len(a.patch) > 0:
		return errors.New("validating webhook may not return response.patch")
	case !mutating && hasType:
		return errors.New("validating webhook may not return response.patchType")
	case len(a.patch) > 0 && !hasType:
		return errors.New("webhook returned response.patch but not response.patchType")
	case len(a.patch) == 0 && hasType:
		return errors.New("webhook returned response.patchType but not response.patch")
	case hasType && a.patchType == "":
		return fmt.Errorf("webhook returned invalid response.patchType of %q", a.patchType)
	}
	return nil
}

// parseReview returns the tree of an answer, which is an AdmissionReview as far as its types go, or says of itself nothing else. nil is
// an answer that says null. The error is in the words of upstream's decoder; depth and size were bounded by the parser and by
// who has read the body.
func parseReview(body []byte, version string) (map[string]any, error) {
	var v any
	var err error
	// As upstream's decoder guesses it: what begins with a brace is JSON, and all else may be YAML. JSON keys that come twice
	// are merged as into a Go struct.
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		v, _, err = tree.ParseJSONMerged(body)
	} else {
		v, _, err = tree.ParseYAMLObject(body)
	}
	if err != nil {
		return nil, errors.New(noKind + err.Error())
	}
	review, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, errors.New(noKind + "json: cannot unmarshal " + tree.TypeName(v) + " into Go value of type " + kindFields)
	}
	// These two are read on their own before anything else is, hence their own text.
	for _, name := range [...]string{"apiVersion", "kind"} {
		if v := review[name]; v != nil && tree.TypeName(v) != "string" {
			const wrong = noKind + "json: cannot unmarshal %s into Go struct field .%s of type string"
			return nil, fmt.Errorf(wrong, tree.TypeName(v), name)
		}
	}
	// The kind first: what is of another kind has other fields, of which no type would be right.
	if err := checkKind(tree.Text(review, "apiVersion"), tree.Text(review, "kind"), version); err != nil {
		return nil, err
	}
	return review, checkTypes(review, "")
}

// checkKind returns why an answer that says to be of a kind is not read as a review of the version. What says nothing is.
func checkKind(apiVersion, kind, version string) error {
	const group = "admission.k8s.io/"
	if apiVersion == "" || kind == "" {
		return nil
	}
	// Both versions of reviews and a Status are in upstream's registry, but none is converted into another one.
	switch {
	case kind == "AdmissionReview" && apiVersion == group+version:
		return nil
	case kind == "AdmissionReview" && (apiVersion == group+"v1" || apiVersion == group+"v1beta1"), kind == "Status" && apiVersion == "v1":
		_, v := kinds.SplitAPIVersion(apiVersion)
		return fmt.Errorf("converting (%s.%s) to (%s.AdmissionReview): unknown conversion", v, kind, version)
	}
	return notRegistered(kind, apiVersion)
}

// notRegistered returns upstream's reason for a kind that its registry of types has not.
func notRegistered(kind, apiVersion string) error {
	return fmt.Errorf("no kind %q is registered for version %q in scheme \"pkg/runtime/scheme.go:111\"", kind, apiVersion)
}

// checkTypes returns the first field, in the order of names, whose value has another type than upstream's. Upstream comes by them in
// the order of the text: of several wrong ones it may name another.
func checkTypes(v any, at string) error {
	switch v := v.(type) {
	case map[string]any:
		// The keys of a map are the author's own, and have no types of their own.
		_, isMap := fieldTypes[at+"[]"]
		for _, k := range tree.SortedKeys(v) {
			path := at + "[]"
			if !isMap {
				path = strings.TrimPrefix(at+"."+k, ".")
			}
			if err := checkType(v[k], path); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := checkType(e, at+"[]"); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkType is checkTypes of the value at a path. What is not looked at may be anything.
func checkType(v any, path string) error {
	want, known := fieldTypes[path]
	if !known || v == nil {
		return nil
	}
	// A number must fit, and is shown where it does not.
	is := tree.TypeName(v)
	if n, ok := v.(int64); ok && want.takes == "int32" && n >= math.MinInt32 && n <= math.MaxInt32 {
		is = "int32"
	} else if want.takes == "int32" && is == "number" {
		is += " " + string(tree.AppendJSON(nil, v))
	}
	if is != want.takes {
		path = strings.ReplaceAll(path, "[]", "")
		return fmt.Errorf("json: cannot unmarshal %s into Go struct field %s.%s of type %s", is, want.of, path, want.typ)
	}
	return checkTypes(v, path)
}

// denied returns the error of a client whose write a webhook has refused: what the webhook says, as far as it makes sense as a
// failure, with the webhook's name in front. Code, reason and details are the webhook's (below 400 the code is 400); what else a
// Status may have, metadata and a status other than Failure, is not told. result may be nil.
func denied(name string, result map[string]any) *status.Error {
	// A refusal is never a success, whatever its code says.
	code, _ := result["code"].(int64)
	e := &status.Error{Code: max(int(code), http.StatusBadRequest), Reason: tree.Text(result, "reason")}
	if e.Code > 999 { // HTTP has no such code: upstream's answer breaks off
		e.Code = http.StatusInternalServerError
	}
	e.Message = "admission webhook " + strconv.Quote(name) + " denied the request"
	switch message := tree.Text(result, "message"); {
	case message != "":
		e.Message += ": " + message
	case e.Reason != "":
		e.Message += ": " + e.Reason
	default:
		e.Message += " without explanation"
	}
	// Details are the webhook's own: causes that a client may act upon, and when to try again, which is a header too.
	if d := tree.Object(result, "details"); d != nil {
		seconds, _ := d["retryAfterSeconds"].(int64)
		e.RetryAfter = int(seconds)
		e.Details = &status.Details{
			Name: tree.Text(d, "name"), Group: tree.Text(d, "group"), Kind: tree.Text(d, "kind"), UID: tree.Text(d, "uid"),
		}
		for _, c := range tree.List(d, "causes") {
			e.Details.Causes = append(e.Details.Causes,
				field.Error{Reason: tree.Text(c, "reason"), Message: tree.Text(c, "message"), Field: tree.Text(c, "field")})
		}
	}
	return e
}
