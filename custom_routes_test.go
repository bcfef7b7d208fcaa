package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// TestCustomRoutes: the admin pages list the routes of a custom resource as soon as its
// definition is there, count what each takes, and forget them with the definition.
func TestCustomRoutes(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	routes := func() map[string]map[string]any {
		var page struct{ Items []map[string]any }
		r.look("/admin/v1/routes?server=extensions", &page)
		found := map[string]map[string]any{}
		last := ""
		for _, row := range page.Items {
			if at := fmt.Sprint(row["pattern"], " ", row["method"]); at <= last {
				t.Errorf("%q stands behind %q", at, last)
			} else {
				last = at
			}
			found[fmt.Sprint(row["method"], " ", row["pattern"])] = row
		}
		return found
	}
	server := func() (groups []any, container, prefix, taken float64) {
		var page struct{ Items []map[string]any }
		r.look("/admin/v1/servers?id=extensions", &page)
		row := page.Items[0]
		counts := row["routes"].(map[string]any)
		return row["groups"].([]any), counts["container"].(float64), counts["prefix"].(float64), row["taken"].(float64)
	}
	const item, list = "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", "/apis/example.com/v1/namespaces/{namespace}/widgets"
	before := routes()
	_, few, prefix, _ := server()
	if before["GET "+item] != nil || prefix != 1 || before["* /apis/"] == nil {
		t.Errorf("before there is a definition: %v %v %v", before["GET "+item], prefix, before["* /apis/"])
	}
	r.applied(t, widgetCRD)
	r.api.Customs.Follow()
	for _, q := range []struct {
		method, path, body string
		code               int
	}{
		{"POST", "/apis/example.com/v1/namespaces/default/widgets", widget("default", "w", "1"), 201},
		{"GET", "/apis/example.com/v1/namespaces/default/widgets/w", "", 200},
		{"GET", "/apis/example.com/v1/namespaces/default/widgets/none", "", 404},
		{"GET", "/apis/example.com/v1/widgets", "", 200},
		{"PUT", "/apis/example.com/v1/namespaces/default/widgets", widget("default", "w", "1"), 400}, // as upstream says it for custom kinds
		{"GET", "/apis/example.com/v1", "", 200},
		{"GET", "/apis/example.com", "", 200},
	} {
		got, err := r.send(r.client("http"), "http", q.method, q.path, strings.NewReader(q.body), "Content-Type: application/json")
		if err != nil || got.status != q.code {
			t.Errorf("%s %s: %v %d %s, want %d", q.method, q.path, err, got.status, got.body, q.code)
		}
	}
	after := routes()
	for at, want := range map[string]float64{"POST " + list: 1, "GET " + list: 0, "GET " + item: 2, "GET /apis/example.com/v1/widgets": 1, "* /apis/example.com/v1/widgets": 1, "DELETE " + item: 0, "* /apis/": 2} {
		row := after[at]
		if row == nil {
			t.Errorf("%s is not listed", at)
			continue
		}
		resource := "widgets.example.com"
		if at == "* /apis/" {
			resource = ""
		}
		if row["hits"] != want || row["server"] != "extensions" || !strings.HasPrefix(fmt.Sprint(row["registeredAt"]), "resources_custom.go:") || row["resource"] != resource || (row["lastHit"] != nil) != (want > 0) {
			t.Errorf("%s: %s, want %v hits", at, rowText(row), want)
		}
	}
	groups, many, _, taken := server()
	if !slices.Contains(groups, any("example.com")) || int(many-few) != len(after)-len(before) || taken != 7 {
		t.Errorf("server: groups %v, %v routes after %v, taken %v", groups, many, few, taken)
	}
	r.removed(t, apitest.DefinitionsBucket, "widgets.example.com")
	r.api.Customs.Follow()
	if got := routes(); len(got) != len(before) {
		t.Errorf("%d routes when the definition is gone, want %d", len(got), len(before))
	}
	if groups, _, _, _ := server(); slices.Contains(groups, any("example.com")) {
		t.Errorf("groups %v when the definition is gone", groups)
	}
}

// TestRoutesOfManyDefinitions: with 10,000 custom resources the routes can still be looked
// at, and looking makes none that would stay.
func TestRoutesOfManyDefinitions(t *testing.T) {
	p := newTestProgram(t)
	const many = 10_000
	serveWidgets(t, p, many, func(i int) (plural, group string) {
		return fmt.Sprintf("widgets%d", i), fmt.Sprintf("g%d.example.com", i%100)
	})
	h := p.adminHandler()
	look := func(path string, into any) time.Duration {
		began := time.Now()
		w, req := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
		req.Host = "localhost"
		h.ServeHTTP(w, req)
		took := time.Since(began)
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v %.300s", path, w.Code, err, w.Body)
		}
		t.Logf("%s: %v", path, took)
		return took
	}
	var page struct {
		Total int
		Items []struct{ Pattern string }
	}
	for path, total := range map[string]int{"/admin/v1/routes?limit=100": 17 * many, "/admin/v1/routes?sort=-hits&limit=10": 17 * many, "/admin/v1/routes?resource=widgets77.g77.example.com": 17, "/admin/v1/servers": 3} {
		if took := look(path, &page); took > 2*time.Minute || page.Total < total {
			t.Errorf("%s: %d rows after %v, want %d", path, page.Total, took, total)
		}
	}
	for r := range p.api.Customs.All {
		if r.Routes.Load() != nil {
			t.Fatalf("the routes of %s are kept", r.Plural)
		}
	}
}

// serveWidgets serves n definitions like widgetCRD, under names of their own. They are put into
// the store at once, established, as a snapshot's would be.
func serveWidgets(t testing.TB, p *program, n int, name func(i int) (plural, group string)) {
	t.Helper()
	bucket := p.store.Bucket("customresourcedefinitions.apiextensions.k8s.io")
	var changes []store.Change
	for i := range n {
		crd := decoded(t, widgetCRD)
		plural, group := name(i)
		tree.Set(crd, group, "spec", "group")
		tree.Set(crd, plural, "spec", "names", "plural")
		tree.Set(crd, plural+"."+group, "metadata", "name")
		tree.Set(crd, tree.Copy(tree.Object(crd, "spec", "names")), "status", "acceptedNames")
		tree.Set(crd, []any{map[string]any{"type": "NamesAccepted", "status": "True"}, map[string]any{"type": "Established", "status": "True"}}, "status", "conditions")
		d := store.Encode(crd, nil)
		changes = append(changes, store.Change{Bucket: bucket, Key: plural + "." + group, Next: &d})
	}
	if _, err := p.store.Commit(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
	p.api.Customs.Follow()
}
