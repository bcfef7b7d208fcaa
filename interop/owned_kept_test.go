package interop

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// owningHooks are patches of mutating webhooks, by their names.
var owningHooks = map[string]string{
	"nothing":           `[]`,
	"adds-data":         `[{"op":"add","path":"/data/hooked","value":"yes"}]`,
	"changes-data":      `[{"op":"add","path":"/data/a","value":"hooked"}]`,
	"adds-a-label":      `[{"op":"add","path":"/metadata/labels/hooked","value":"yes"}]`,
	"adds-a-finalizer":  `[{"op":"add","path":"/metadata/finalizers","value":["example.com/hooked"]}]`,
	"removes-data":      `[{"op":"remove","path":"/data"}]`,
	"empties-owners":    `[{"op":"add","path":"/metadata/managedFields","value":[]}]`,
	"resets-owners":     `[{"op":"add","path":"/metadata/managedFields","value":[{}]}]`,
	"removes-owners":    `[{"op":"remove","path":"/metadata/managedFields"}]`,
	"renames-owners":    `[{"op":"replace","path":"/metadata/managedFields/0/manager","value":"renamed"}]`,
	"breaks-owners":     `[{"op":"add","path":"/metadata/managedFields","value":[{"manager":"x","operation":"Odd","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{}}]}]`,
	"breaks-fields":     `[{"op":"replace","path":"/metadata/managedFields/0/fieldsV1","value":{"f:data":"x","odd":{}}}]`,
	"breaks-a-version":  `[{"op":"replace","path":"/metadata/managedFields/0/apiVersion","value":""}]`,
	"breaks-all-adding": `[{"op":"add","path":"/data/hooked","value":"yes"},{"op":"add","path":"/metadata/managedFields","value":[{"manager":"x","fieldsType":"FieldsV2"}]}]`,
}

// TestOwnedByWebhooks: what a mutating webhook changes is owned by who has made the request, and it cannot break owners.
func TestOwnedByWebhooks(t *testing.T) {
	g := openGolden[[]string](t, "owned_hooks.json")
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		trust := newAuthority(t, "hooks")
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var asked struct{ Request struct{ UID string } }
			_ = json.NewDecoder(r.Body).Decode(&asked)
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":true,"patchType":"JSONPatch","patch":%q}}`,
				asked.Request.UID, base64Of([]byte(owningHooks[strings.TrimPrefix(r.URL.Path, "/")])))
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{trust.pair(t, "hooks", "127.0.0.1")}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		var all strings.Builder
		for _, name := range keys(owningHooks) {
			_, _ = fmt.Fprintf(&all, `---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: %[1]q}, webhooks: [{name: hook.example.com, admissionReviewVersions: [v1], sideEffects: None,
  clientConfig: {url: "%[2]s/%[1]s", caBundle: %[3]s}, objectSelector: {matchLabels: {hook: %[1]q}}, rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]}]}
`, name, s.URL, base64Of(trust.pem))
		}
		f.must(t, "create -f -", all.String())
		eventually(t, "webhooks are asked", func() error {
			if out, _ := f.output(t, "create --dry-run=server -o yaml -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {hook: adds-data}}, data: {a: b}}"); !strings.Contains(out, "hooked") {
				return errors.New(out)
			}
			return nil
		})
		got := map[string][]string{}
		for _, name := range keys(owningHooks) {
			w := newOwned(f.ask("the server"))
			const list = "/api/v1/namespaces/default/configmaps"
			object := func(data string) string {
				return fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"labels":{"hook":%[1]q}},"data":%s}`, name, data)
			}
			for _, q := range []ask{
				{method: "POST", path: list + "?fieldManager=creator", body: object(`{"a":"1","b":"1"}`)},
				{method: "PATCH", path: list + "/" + name + "?fieldManager=patcher", kind: "merge", body: `{"data":{"a":"2"}}`},
				{method: "PATCH", path: list + "/" + name + "?fieldManager=applier&force=true", kind: "apply", body: object(`{"a":"3"}`)},
				{method: "PATCH", path: list + "/" + name + "?fieldManager=applier&force=true", kind: "apply", body: object(`{"a":"3"}`)},
				{method: "PATCH", path: list + "/" + name + "?fieldManager=other", kind: "apply", body: object(`{"a":"4","hooked":"no"}`)},
			} {
				r, err := w.send(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				got[name] = append(got[name], w.told(list+"/"+name, r))
			}
			for i := range got[name] {
				if want := g.want[name]; !g.writing && (i >= len(want) || got[name][i] != want[i]) {
					t.Errorf("%s: request %d: %s", name, i+1, firstDifference(got[name][i], slices.Concat(want, make([]string, 5))[i]))
					break
				}
			}
		}
		g.keep(t, folder, got)
	})
}

// TestOwnersAreKept: entries are the same, with their times, when the program comes back on its journal and on etcd, and in a snapshot that is
// loaded again.
func TestOwnersAreKept(t *testing.T) {
	const path = "/api/v1/namespaces/default/configmaps/kept"
	write := func(t *testing.T, a *api) string {
		w := newOwned(a)
		for _, q := range []ask{
			{method: "POST", path: strings.TrimSuffix(path, "/kept") + "?fieldManager=creator", body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kept","finalizers":["example.com/x"]},"data":{"a":"1","b":"1"}}`},
			{method: "PATCH", path: path + "?fieldManager=applier", kind: "apply", body: `{apiVersion: v1, kind: ConfigMap, data: {c: "1"}}`},
			{method: "PATCH", path: path + "?fieldManager=patcher", kind: "merge", body: `{"data":{"a":"2"}}`},
		} {
			if r, err := w.send(t.Context(), q); err != nil || r.code >= 300 {
				t.Fatalf("%s %s: %v %s", q.method, q.path, err, r.body)
			}
		}
		return owners(t, a, path)
	}
	t.Run("journal", func(t *testing.T) {
		p := startProgram(t, "--data-dir="+t.TempDir())
		want := write(t, p.ask("the program"))
		if err := errors.Join(p.kill(), p.start()); err != nil {
			t.Fatal(err)
		}
		if got := owners(t, p.ask("the program"), path); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
	t.Run("etcd", func(t *testing.T) {
		p := startProgram(t, "--etcd-servers="+startEtcd(t, 1).servers())
		want := write(t, p.ask("the program"))
		if err := errors.Join(p.kill(), p.start()); err != nil {
			t.Fatal(err)
		}
		if got := owners(t, p.ask("the program"), path); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
	t.Run("snapshot", func(t *testing.T) {
		s := start(t)
		a := &api{name: "the program", url: s.HTTP[0], http: http.DefaultClient}
		want := write(t, a)
		admin := &api{name: "admin", url: s.Admin[0], http: http.DefaultClient}
		answer, err := admin.do(t.Context(), "GET", "/admin/v1/snapshot", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.must(t.Context(), "PATCH", path, object{"data": object{"a": "3"}}); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "PUT", s.Admin[0]+"/admin/v1/snapshot", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-Match", "*")
		loaded, err := http.DefaultClient.Do(req)
		if err != nil || loaded.StatusCode >= 300 {
			t.Fatalf("%v %v", loaded, err)
		}
		_ = loaded.Body.Close()
		if got := owners(t, a, path); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

// owners is metadata.managedFields as it was answered.
func owners(t *testing.T, a *api, path string) string {
	t.Helper()
	r, err := newOwned(a).send(t.Context(), ask{method: "GET", path: path})
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		Metadata struct{ ManagedFields json.RawMessage }
	}
	if err := json.Unmarshal(r.body, &o); err != nil || len(o.Metadata.ManagedFields) == 0 {
		t.Fatalf("no owners: %v %s", err, r.body)
	}
	return string(o.Metadata.ManagedFields)
}

// TestFixturesAreOwned: what a fixture says is owned by apichain-fixtures, so that whoever applies it is told.
func TestFixturesAreOwned(t *testing.T) {
	s := start(t, "--fixtures="+filepath.Join("testdata", "gizmos.yaml"))
	a := &api{name: "the program", url: s.HTTP[0], http: http.DefaultClient}
	got := owners(t, a, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gizmos.toys.example.com")
	if !strings.Contains(got, `"manager":"apichain-fixtures"`) || strings.Contains(got, "Go-http-client") {
		t.Errorf("owners of a fixture: %s", got)
	}
}
