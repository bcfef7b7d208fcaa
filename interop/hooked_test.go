package interop

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a client is told when webhooks answer well and badly is what kube-apiserver tells. The golden file has that, as that of
// TestProxied has, and is written in the same way.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin APICHAIN_WRITE=1 go test -run TestHooked/kube-apiserver .

// admissionAnswers are bodies of reviews, by the name of their row; UID is that of the request, PATCH<...> is in base64, and ! is in front of a whole review. Those whose name begins with
// mutating are of a mutating webhook, with ignoring of one whose failures are ignored.
var admissionAnswers = map[string]string{
	"allowed":                         `{"response":{"uid":"UID","allowed":true}}`,
	"allowed with warnings":           `{"response":{"uid":"UID","allowed":true,"warnings":["one","","two\nlines","` + strings.Repeat("w", 300) + `"]}}`,
	"allowed with annotations":        `{"response":{"uid":"UID","allowed":true,"auditAnnotations":{"a":"b","not/a/key":"c"}}}`,
	"denied":                          `{"response":{"uid":"UID","allowed":false}}`,
	"denied with a message":           `{"response":{"uid":"UID","allowed":false,"status":{"message":"no"}}}`,
	"denied with a reason":            `{"response":{"uid":"UID","allowed":false,"status":{"reason":"Because"}}}`,
	"denied with a code":              `{"response":{"uid":"UID","allowed":false,"status":{"code":429,"message":"later","reason":"TooManyRequests"}}}`,
	"denied with a code of success":   `{"response":{"uid":"UID","allowed":false,"status":{"code":201,"status":"Success","message":"odd"}}}`,
	"denied with details":             `{"response":{"uid":"UID","allowed":false,"status":{"code":422,"reason":"Invalid","message":"bad","details":{"name":"n","kind":"k","causes":[{"reason":"FieldValueInvalid","message":"m","field":"f"}]}}}}`,
	"denied with warnings":            `{"response":{"uid":"UID","allowed":false,"warnings":["mind"],"status":{"message":"no"}}}`,
	"another uid":                     `{"response":{"uid":"other","allowed":true}}`,
	"no uid":                          `{"response":{"allowed":true}}`,
	"no response":                     `{}`,
	"another kind":                    `!{"apiVersion":"admission.k8s.io/v1","kind":"Other","response":{"uid":"UID","allowed":true}}`,
	"another version":                 `!{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"UID","allowed":true}}`,
	"no kind":                         `!{"response":{"uid":"UID","allowed":true}}`,
	"garbage":                         `!garbage`,
	"nothing":                         `!`,
	"a list":                          `![]`,
	"a patch of a validating webhook": `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":"W10="}}`,
	"500":                             `500`,
	"404":                             `404`,
	"ignoring 500":                    `500`,
	"ignoring denied":                 `{"response":{"uid":"UID","allowed":false,"status":{"message":"no"}}}`,
	"ignoring another uid":            `{"response":{"uid":"other","allowed":true}}`,
	"mutating":                        `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"add","path":"/data","value":{"a":"b"}}]>}}`,
	"mutating without a type":         `{"response":{"uid":"UID","allowed":true,"patch":PATCH<[]>}}`,
	"mutating with another type":      `{"response":{"uid":"UID","allowed":true,"patchType":"MergePatch","patch":PATCH<[]>}}`,
	"mutating with a type alone":      `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch"}}`,
	"mutating with garbage":           `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<{}>}}`,
	"mutating what is not there":      `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"remove","path":"/data/x"}]>}}`,
	"mutating into what is invalid":   `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"add","path":"/data","value":{"not a key!":"b"}}]>}}`,
	"mutating a type":                 `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"add","path":"/data","value":[]}]>}}`,
	"mutating an unknown field":       `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"add","path":"/odd","value":1}]>}}`,
	"mutating its name":               `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"replace","path":"/metadata/name","value":"other"}]>}}`,
	"mutating its namespace":          `{"response":{"uid":"UID","allowed":true,"patchType":"JSONPatch","patch":PATCH<[{"op":"replace","path":"/metadata/namespace","value":"other"}]>}}`,
	"mutating and denied":             `{"response":{"uid":"UID","allowed":false,"patchType":"JSONPatch","patch":PATCH<[]>,"status":{"message":"no"}}}`,
	"mutating while its failures are ignoring garbage": `!garbage`,
}

// conversionAnswers are those of conversion webhooks; OBJECT is the object asked for, in the version asked for.
var conversionAnswers = map[string]string{
	"converted":            `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[OBJECT]}}`,
	"failed":               `{"response":{"uid":"UID","result":{"status":"Failure","message":"cannot"}}}`,
	"failed silently":      `{"response":{"uid":"UID","result":{"status":"Failure"}}}`,
	"no result":            `{"response":{"uid":"UID","convertedObjects":[OBJECT]}}`,
	"no objects":           `{"response":{"uid":"UID","result":{"status":"Success"}}}`,
	"two objects":          `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[OBJECT,OBJECT]}}`,
	"another uid":          `{"response":{"uid":"other","result":{"status":"Success"},"convertedObjects":[OBJECT]}}`,
	"another version":      `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[{"apiVersion":"hooked.example.com/v3","kind":"KIND","metadata":{"name":"a"}}]}}`,
	"no response":          `{}`,
	"another review":       `!{"apiVersion":"apiextensions.k8s.io/v1","kind":"Other"}`,
	"garbage":              `!garbage`,
	"500":                  `500`,
	"another name":         `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[{"apiVersion":"APIVERSION","kind":"KIND","metadata":{"name":"b","namespace":"NAMESPACE","uid":"OWN"}}]}}`,
	"no metadata":          `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[{"apiVersion":"APIVERSION","kind":"KIND"}]}}`,
	"another kind":         `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[{"apiVersion":"APIVERSION","kind":"Other","metadata":{"name":"a","namespace":"NAMESPACE","uid":"OWN"}}]}}`,
	"an invalid label":     `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[{"apiVersion":"APIVERSION","kind":"KIND","metadata":{"name":"a","namespace":"NAMESPACE","uid":"OWN","labels":{"a":"not a label!"}}}]}}`,
	"a field of no schema": `{"response":{"uid":"UID","result":{"status":"Success"},"convertedObjects":[{"apiVersion":"APIVERSION","kind":"KIND","metadata":{"name":"a","namespace":"NAMESPACE","uid":"OWN","annotations":{"a":"b"},"finalizers":["x.example.com/y"]},"odd":1}]}}`,
}

// patches are in base64 on the wire.
var patches = regexp.MustCompile(`PATCH<.*>`)

// startHooks serves the answers, at /admission/ROW and /conversion/ROW with - for blanks.
func startHooks(t *testing.T, trust *authority) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, row, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		row = strings.ReplaceAll(row, "-", " ")
		answer, review := admissionAnswers[row], `"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"`
		if kind == "conversion" {
			answer, review = conversionAnswers[row], `"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview"`
		}
		var asked struct {
			Request struct {
				UID               string
				DesiredAPIVersion string
				Objects           []object
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		var code int
		if n, _ := fmt.Sscan(answer, &code); n == 1 {
			http.Error(w, "of the webhook", code)
			return
		}
		answer, whole := strings.CutPrefix(answer, "!")
		if !whole {
			answer = strings.Replace(answer, "{", "{"+review+",", 1)
			answer = strings.Replace(answer, ",}", "}", 1)
		}
		answer = patches.ReplaceAllStringFunc(answer, func(p string) string { return `"` + base64Of([]byte(p[len("PATCH<"):len(p)-1])) + `"` })
		if len(asked.Request.Objects) > 0 {
			o := asked.Request.Objects[0]
			o["apiVersion"] = asked.Request.DesiredAPIVersion
			b, _ := json.Marshal(o)
			answer = strings.NewReplacer("OBJECT", string(b), "APIVERSION", asked.Request.DesiredAPIVersion, "KIND", textAt(o, "kind"),
				"NAMESPACE", textAt(o, "metadata", "namespace"), "OWN", textAt(o, "metadata", "uid")).Replace(answer)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.ReplaceAll(answer, `"UID"`, `"`+asked.Request.UID+`"`))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{trust.pair(t, "hooks", "127.0.0.1")}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// keys are those of a map in their order.
func keys[V any](m map[string]V) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// TestHooked asks for a write, or a read, of each row.
func TestHooked(t *testing.T) {
	g := openGolden[[]string](t, "hooked.json")
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		trust := newAuthority(t, "hooks")
		url := startHooks(t, trust)
		got := map[string][]string{}
		f.installHooks(t, url, trust)
		a := f.ask("the server")
		for _, row := range keys(admissionAnswers) {
			label := strings.ReplaceAll(row, " ", "-")
			got[row] = f.told(t, a, url, "POST", "/api/v1/namespaces/default/configmaps", object{
				"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": label, "labels": object{"row": label}},
			})
		}
		f.installConversions(t, url, trust)
		for _, row := range keys(conversionAnswers) {
			plural := "things" + strings.ReplaceAll(row, " ", "")
			got["conversion: "+row] = f.told(t, a, url, "GET", "/apis/hooked.example.com/v2/namespaces/default/"+plural+"/a", nil)
		}
		for _, row := range keys(got) {
			if want := g.want[row]; !g.writing && !slices.Equal(got[row], want) {
				t.Errorf("%s: told\n\t%s\nwant\n\t%s", row, strings.Join(got[row], "\n\t"), strings.Join(want, "\n\t"))
			}
		}
		g.keep(t, folder, got)
	})
}

// told is what a client is told: the code, the warnings, and the status or the data of the object.
func (f *front) told(t *testing.T, a *api, url, method, path string, body any) []string {
	t.Helper()
	answer, err := a.do(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := append([]string{answer.Status}, answer.Header["Warning"]...)
	var o object
	if err := json.NewDecoder(answer.Body).Decode(&o); err != nil {
		return append(lines, err.Error())
	}
	if m, ok := o["metadata"].(object); ok && o["kind"] != "Status" {
		for _, name := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
			delete(m, name)
		}
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return append(lines, unsteadyWords.ReplaceAllString(strings.ReplaceAll(string(b), url, "URL"), "$1..."))
}

// unsteadyWords are IDs and revisions.
var unsteadyWords = regexp.MustCompile(`(uid=\\"|revision=)[0-9a-f-]+`)

// installHooks makes a configuration for each row, and waits until they are asked.
func (f *front) installHooks(t *testing.T, url string, trust *authority) {
	t.Helper()
	var all strings.Builder
	for _, row := range keys(admissionAnswers) {
		kind, policy, label := "Validating", "Fail", strings.ReplaceAll(row, " ", "-")
		if strings.HasPrefix(row, "mutating") {
			kind = "Mutating"
		}
		if strings.Contains(row, "ignoring") {
			policy = "Ignore"
		}
		_, _ = fmt.Fprintf(&all, `---
{apiVersion: admissionregistration.k8s.io/v1, kind: %sWebhookConfiguration, metadata: {name: %q}, webhooks: [{name: hook.example.com, admissionReviewVersions: [v1],
  sideEffects: None, failurePolicy: %s, clientConfig: {url: "%s/admission/%s", caBundle: %s}, objectSelector: {matchLabels: {row: %q}},
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}]}
`, kind, "row-"+label, policy, url, label, base64Of(trust.pem), label)
	}
	f.must(t, "create -f -", all.String())
	for _, label := range []string{"denied", "mutating-without-a-type"} { // one of each kind
		eventually(t, "webhooks are asked", func() error {
			out, code := f.output(t, "create --dry-run=server -f -", fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {row: %s}}}", label))
			if code == 0 {
				return errors.New(out)
			}
			return nil
		})
	}
}

// installConversions makes a definition for each row, with an object.
func (f *front) installConversions(t *testing.T, url string, trust *authority) {
	t.Helper()
	var all, objects strings.Builder
	var names []string
	for _, row := range keys(conversionAnswers) {
		word, label := strings.ReplaceAll(row, " ", ""), strings.ReplaceAll(row, " ", "-")
		_, _ = fmt.Fprintf(&all, `---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things%[1]s.hooked.example.com}, spec: {group: hooked.example.com, scope: Namespaced,
  names: {plural: things%[1]s, kind: Thing%[1]s}, conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {url: "%[2]s/conversion/%[3]s", caBundle: %[4]s}}},
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {text: {type: string}}}}},
    {name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object, properties: {text: {type: string}}}}}]}}
`, word, url, label, base64Of(trust.pem))
		_, _ = fmt.Fprintf(&objects, "---\n{apiVersion: hooked.example.com/v1, kind: Thing%s, metadata: {name: a, namespace: default, labels: {own: label}}, text: some}\n", word)
		names = append(names, "crd/things"+word+".hooked.example.com")
	}
	f.must(t, "create -f -", all.String())
	f.must(t, "wait --for=condition=Established --timeout=30s "+strings.Join(names, " "), "")
	f.forget(t)
	f.must(t, "create -f -", objects.String())
}
