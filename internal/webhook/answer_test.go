package webhook

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// head begins an answer of v1 to the review with the uid U.
const head = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"U",`

// TestReadAnswer: what is read, and in which words what cannot be is refused. The texts are kube-apiserver's; rows of v1 with and
// without patch and type are upstream's of request's TestVerifyAdmissionResponse.
func TestReadAnswer(t *testing.T) {
	const v1, beta = "v1", "v1beta1"
	const group, struct_ = "admission.k8s.io/v1", `struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`
	for _, c := range []struct{ version, kind, body, want string }{
		// want is "allowed", "refused" with a patch behind it, or the error: bad: of the response, else of reading it.
		{v1, "VM", head + `"allowed":true}}`, "allowed"},
		{v1, "VM", head + `"allowed":false}}`, "refused"},
		{v1, "VM", head + `"allowed":null,"warnings":[null],"x":1}}`, "refused"},
		{v1, "VM", head + `"allowed":false,"allowed":true}}`, "allowed"},
		{v1, "VM", "kind: AdmissionReview\napiVersion: " + group + "\nresponse: {uid: U, allowed: true}\n", "allowed"},
		{v1, "VM", `{"kind":"AdmissionReview","apiVersion":"` + group + `"}`, "bad: webhook response was absent"},
		{v1, "VM", `null`, "bad: webhook response was absent"},
		{v1, "VM", `{"Response":{"uid":"U"}}`, "bad: webhook response was absent"},
		{v1, "VM", strings.Replace(head, `"U"`, `"V"`, 1) + `"allowed":true}}`, `bad: expected response.uid="U", got "V"`},
		{v1, "VM", strings.Replace(head, `"uid":"U",`, "", 1) + `"allowed":true}}`, `bad: expected response.uid="U", got ""`},
		{v1, "VM", `{"kind":"AdmissionReview","response":{"uid":"U"}}`, "bad: expected webhook response of " + group + ", Kind=AdmissionReview, got /, Kind=AdmissionReview"},
		{v1, "VM", `{"response":{"uid":"U"}}`, "bad: expected webhook response of " + group + ", Kind=AdmissionReview, got /, Kind="},
		{v1, "VM", `{"apiVersion":"` + group + `","response":{"uid":"U"}}`, "bad: expected webhook response of " + group + ", Kind=AdmissionReview, got " + group + ", Kind="},
		{v1, "VM", strings.Replace(head, "AdmissionReview", "Pod", 1) + `"allowed":true}}`, `no kind "Pod" is registered for version "` + group + `" in scheme "pkg/runtime/scheme.go:111"`},
		{v1, "VM", strings.Replace(head, "/v1", "/v2", 1) + `"allowed":true}}`, `no kind "AdmissionReview" is registered for version "admission.k8s.io/v2" in scheme "pkg/runtime/scheme.go:111"`},
		{v1, "VM", strings.Replace(head, "/v1", "/v1beta1", 1) + `"allowed":true}}`, "converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion"},
		{v1, "VM", `{"kind":"Status","apiVersion":"v1"}`, "converting (v1.Status) to (v1.AdmissionReview): unknown conversion"},
		{v1, "V", head + `"allowed":true,"patch":"W10="}}`, "bad: validating webhook may not return response.patch"},
		{v1, "V", head + `"allowed":true,"patchType":"JSONPatch"}}`, "bad: validating webhook may not return response.patchType"},
		{v1, "V", head + `"allowed":true,"patch":"W10=","patchType":"JSONPatch"}}`, "bad: validating webhook may not return response.patch"},
		{v1, "M", head + `"allowed":true,"patch":"W10=","patchType":"JSONPatch"}}`, "allowed [] JSONPatch"},
		{v1, "M", head + `"allowed":true,"patch":"W10="}}`, "bad: webhook returned response.patch but not response.patchType"},
		{v1, "M", head + `"allowed":true,"patchType":"JSONPatch"}}`, "bad: webhook returned response.patchType but not response.patch"},
		{v1, "M", head + `"allowed":true,"patch":"","patchType":"JSONPatch"}}`, "bad: webhook returned response.patchType but not response.patch"},
		{v1, "M", head + `"allowed":true,"patch":"W10=","patchType":""}}`, `bad: webhook returned invalid response.patchType of ""`},
		{v1, "M", head + `"allowed":true,"patch":"***","patchType":"JSONPatch"}}`, "illegal base64 data at input byte 0"},
		{beta, "VM", `{"response":{"allowed":true}}`, "allowed"},
		{beta, "VM", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","response":{"uid":"other","allowed":false}}`, "refused"},
		{beta, "VM", `{}`, "bad: webhook response was absent"},
		{beta, "M", `{"response":{"allowed":true,"patch":"W10="}}`, "allowed [] JSONPatch"},
		{beta, "M", `{"response":{"allowed":true,"patch":"W10=","patchType":"Merge"}}`, "allowed [] JSONPatch"},
		{beta, "VM", head + `"allowed":true}}`, "converting (v1.AdmissionReview) to (v1beta1.AdmissionReview): unknown conversion"},
		// Types.
		{v1, "VM", `garbage`, noKind + "json: cannot unmarshal string into Go value of type " + struct_},
		{v1, "VM", `[]`, noKind + "json: cannot unmarshal array into Go value of type " + struct_},
		{v1, "VM", `{"kind":7}`, noKind + "json: cannot unmarshal number into Go struct field .kind of type string"},
		{v1, "VM", head, noKind + "unexpected end of JSON input"},
		{v1, "VM", head + `"allowed":true}} x`, noKind + "invalid character 'x' after top-level value"},
		{v1, "VM", head + `"allowed":"yes"}}`, "json: cannot unmarshal string into Go struct field AdmissionResponse.response.allowed of type bool"},
		{v1, "VM", `{"response":{"uid":7}}`, "json: cannot unmarshal number into Go struct field AdmissionResponse.response.uid of type types.UID"},
		{v1, "VM", `{"response":[]}`, "json: cannot unmarshal array into Go struct field AdmissionReview.response of type v1.AdmissionResponse"},
		{v1, "VM", `{"request":7,"response":{}}`, "json: cannot unmarshal number into Go struct field AdmissionReview.request of type v1.AdmissionRequest"},
		{v1, "VM", head + `"status":{"code":"x"}}}`, "json: cannot unmarshal string into Go struct field Status.response.status.code of type int32"},
		{v1, "VM", head + `"status":{"code":1.5}}}`, "json: cannot unmarshal number 1.5 into Go struct field Status.response.status.code of type int32"},
		{v1, "VM", head + `"status":{"details":{"causes":[{"field":1}]}}}}`, "json: cannot unmarshal number into Go struct field StatusCause.response.status.details.causes.field of type string"},
		{v1, "VM", head + `"warnings":"x"}}`, "json: cannot unmarshal string into Go struct field AdmissionResponse.response.warnings of type []string"},
		{v1, "VM", head + `"warnings":[1]}}`, "json: cannot unmarshal number into Go struct field AdmissionResponse.response.warnings of type string"},
		{v1, "VM", head + `"auditAnnotations":{"a":1}}}`, "json: cannot unmarshal number into Go struct field AdmissionResponse.response.auditAnnotations of type string"},
		{v1, "VM", head + `"patch":7}}`, "json: cannot unmarshal number into Go struct field AdmissionResponse.response.patch of type []uint8"},
	} {
		for _, kind := range c.kind {
			a, isBad, err := readAnswer([]byte(c.body), c.version, "U", kind == 'M')
			got := ""
			switch {
			case err != nil && isBad:
				got = "bad: " + err.Error()
			case err != nil:
				got = err.Error()
			case a.allowed:
				got = "allowed"
			default:
				got = "refused"
			}
			if err == nil && len(a.patch) > 0 {
				got += " " + string(a.patch) + " " + a.patchType
			}
			if got != c.want {
				t.Errorf("%s %c %s\n got %s\nwant %s", c.version, kind, c.body, got, c.want)
			}
		}
	}
}

// TestDenied: the client's error for what a webhook says with its refusal. Rows are upstream's of errors' TestToStatusErr, and more.
func TestDenied(t *testing.T) {
	const by = `admission webhook "hook" denied the request`
	for _, c := range []struct{ result, want string }{
		{`null`, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + ` without explanation","code":400}`},
		{`{"message":"msg","reason":"rea","status":"suc","code":123}`, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + `: msg","reason":"rea","code":400}`},
		{`{"reason":"rea"}`, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + `: rea","reason":"rea","code":400}`},
		{`{"code":200,"status":"Success","message":"x"}`, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + `: x","code":400}`},
		{`{"code":403,"reason":"Forbidden","details":{"name":"n","group":"g","kind":"k","uid":"u","causes":[{"reason":"r","message":"m","field":"f"}],"retryAfterSeconds":3}}`,
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + `: Forbidden","reason":"Forbidden","details":{"name":"n","group":"g","kind":"k","uid":"u","causes":[{"reason":"r","message":"m","field":"f"}],"retryAfterSeconds":3},"code":403}`},
		{`{"code":777}`, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + ` without explanation","code":777}`},
		{`{"code":1200}`, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + by + ` without explanation","code":500}`},
	} {
		result, _, err := tree.ParseJSON([]byte(c.result))
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := tree.ParseJSON([]byte(strings.ReplaceAll(c.want, by, strings.ReplaceAll(by, `"`, `\"`))))
		if err != nil {
			t.Fatal(err)
		}
		_, body := denied("hook", tree.Object(result)).Body(false)
		if got, _, _ := tree.ParseJSON(body); !tree.Equal(got, want) {
			t.Errorf("%s\n got %s\nwant %s", c.result, body, c.want)
		}
	}
}

// FuzzReadAnswer: whatever a webhook answers is read or refused, and what is read is what was sent.
func FuzzReadAnswer(f *testing.F) {
	for _, s := range []string{head + `"allowed":true}}`, `{}`, `null`, head + `"status":{"code":1.5}}}`, "kind: AdmissionReview\nresponse: {allowed: true}", head + `"patch":"W10=","patchType":"JSONPatch"}}`, "&a [*a]", "{"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, mutating bool) {
		for _, version := range []string{"v1", "v1beta1"} {
			a, isBad, err := readAnswer(body, version, "U", mutating)
			if (a == nil) == (err == nil) || isBad && err == nil {
				t.Fatalf("%s: %v, %v, %v", version, a, isBad, err)
			}
			if err != nil {
				continue
			}
			e := denied("hook", a.result)
			if e.Code < 400 || e.Code > 999 || !strings.HasPrefix(e.Message, `admission webhook "hook" denied the request`) {
				t.Fatalf("%+v", e)
			}
			if _, err := readPatch(a.patch); err == nil && len(a.patch) > 0 && version == "v1" && !mutating {
				t.Fatal("a validating webhook has a patch")
			}
		}
	})
}
