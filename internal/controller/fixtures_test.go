package controller_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/controller"
)

// Whatever the order in the files, what others need comes first; lists and documents in
// YAML and JSON are taken apart; a directory's files are its manifests alone.
func TestFixtures(t *testing.T) {
	dir := apitest.Files(t, map[string]string{
		"10-objects.yaml": "# first\n---\n" + widget("shop", "w", "1") + "\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {k: v}\n...\n",
		"20-list.yml":     "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - " + configMap("shop", "inner", "2") + "\n- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n",
		"90-crd.json":     widgetCRD,
		"empty.yaml":      "# nothing\n",
		"README.md":       "no: [manifest",
		"below/x.yaml":    "no: [manifest",
	})
	exported := filepath.Join(apitest.Files(t, map[string]string{"exported": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"exported","namespace":"shop","uid":"old","resourceVersion":"77","creationTimestamp":"2001-01-01T00:00:00Z","generation":9,"managedFields":[],"selfLink":"/x"}}`}), "exported")
	p, paths := newEmptyServer(t), []string{dir, exported}
	if _, err := controller.Start(context.Background(), p.API, controller.Own{Fixtures: paths}); err != nil {
		t.Fatal(err)
	}
	for resource, keys := range map[string]string{"namespaces": "shop", apitest.DefinitionsBucket: "widgets.example.com", "widgets.example.com": "shop/w", "configmaps": "default/plain shop/inner shop/exported"} {
		for key := range strings.SplitSeq(keys, " ") {
			if p.stored(resource, key) == nil {
				t.Errorf("%s %s is not there", resource, key)
			}
		}
	}
	if o := p.stored("configmaps", "shop/exported"); o.Meta.UID == "old" || strings.Contains(string(o.Raw()), "2001") {
		t.Errorf("exported fields are kept: %s", o.Raw())
	}
	// A second time they replace what is there.
	uid := p.stored("configmaps", "shop/inner").Meta.UID
	p.applied(t, configMap("shop", "inner", "changed"))
	if err := controller.LoadFixtures(context.Background(), p.API, paths); err != nil {
		t.Fatal(err)
	}
	if o := p.stored("configmaps", "shop/inner"); o.Meta.UID != uid || !strings.Contains(string(o.Raw()), `"value":"2"`) {
		t.Errorf("applied again: %s", o.Raw())
	}
}

// What a namespace of the fixtures gets is there before anything comes into it: whoever needs its
// service account finds that.
func TestFixturesFindTheirAccounts(t *testing.T) {
	dir := apitest.Files(t, map[string]string{"a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" + configMap("shop", "m", "1") + "\n"})
	found := false
	var s *apitest.Server
	s = apitest.Start(t, apitest.Config{Empty: true, Admit: func(r *api.Resource) (who api.Admitters) {
		if r.Plural == "configmaps" {
			who.Wants = func(phase api.Phase, _, _ string) bool { return phase == api.Mutating }
			who.Ask = func(_ context.Context, a api.Admission) error {
				if a.Name == "m" {
					found = apitest.Stored(s.Store, "serviceaccounts", "shop/default") != nil
				}
				return nil
			}
		}
		return who
	}})
	if _, err := controller.Start(context.Background(), s.API, controller.Own{Fixtures: []string{dir}}); err != nil || !found {
		t.Errorf("%v, with an account: %v", err, found)
	}
}

// Every problem is said, with its file and place; files that cannot be read keep the
// rest from being applied.
func TestFixturesThatAreWrong(t *testing.T) {
	read := apitest.Files(t, map[string]string{
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine}\n---\nkind: ConfigMap\n---\n- 1\n---\napiVersion: v1\nkind: List\nitems: [{apiVersion: v1, metadata: {name: x}}, 7]\n",
		"b.yaml": "a: 1\nb: c: d\n",
		"c.json": `{"apiVersion":"v1" "kind":"ConfigMap"}`,
	})
	missing, empty := filepath.Join(read, "none.yaml"), apitest.Files(t, map[string]string{"notes.txt": ""})
	p := newEmptyServer(t)
	wantLines(t, controller.LoadFixtures(context.Background(), p.API, []string{missing, read, empty}), []string{
		missing + ": no such file",
		"a.yaml: document 2 has no apiVersion", "a.yaml: document 2 has no metadata.name", "a.yaml: document 3 is no object", "a.yaml: document 4, item 1 has no kind", "a.yaml: document 4, item 2 is no object",
		"b.yaml: yaml: line 2: ", "c.json: yaml: did not find expected ',' or '}'", empty + ": no *.yaml",
	})
	if p.stored("configmaps", "default/fine") != nil {
		t.Error("something was applied")
	}

	// What is refused is said in the order of the files, though definitions come first, and
	// what is fine is applied.
	applied := apitest.Files(t, map[string]string{"a.yaml": configMap("nowhere", "x", "") + "\n---\napiVersion: v9\nkind: Nothing\nmetadata: {name: 'n'}\n---\n" + configMap("default", "fine", "") +
		"\n---\n" + strings.Replace(widgetCRD, `"scope":"Namespaced"`, `"scope":"a\nb"`, 1)})
	p = newEmptyServer(t)
	_, err := controller.Start(context.Background(), p.API, controller.Own{Fixtures: []string{applied}})
	wantLines(t, err, []string{`a.yaml: document 1: ConfigMap nowhere/x: namespaces "nowhere" not found`, "a.yaml: document 2: Nothing n: ", "a.yaml: document 4: CustomResourceDefinition widgets.example.com: "})
	if p.stored("configmaps", "default/fine") == nil {
		t.Error("what is fine was not applied")
	}
}

// TestFixturesAsKubectlTakesThem: marks, JSON objects in a row, lists of one kind, lists in lists, and
// YAML as people write it.
func TestFixturesAsKubectlTakesThem(t *testing.T) {
	const named = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
	for name, text := range map[string]string{
		"a mark in the stream": fmt.Sprintf(named, "a") + "---\n\ufeff" + fmt.Sprintf(named, "b"),
		"marks everywhere":     "\ufeff---\r\n" + strings.ReplaceAll(fmt.Sprintf(named, "a"), "\n", "\r\n") + "--- # next\r\n\ufeff" + fmt.Sprintf(named, "b"),
		"JSON in a row":        `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}`,
		"JSON on lines":        "\n" + `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}` + "\n\n" + `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}` + "\n",
		"JSON, then YAML":      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}` + "\n---\n" + fmt.Sprintf(named, "b"),
		"a list of one kind":   "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n",
		"lists in lists":       "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [" + `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}` + "]}\n- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: b}}]}\n",
		"UTF-16":               "\xff\xfe" + utf16Text("# é\n"+fmt.Sprintf(named, "a")+"---\n"+fmt.Sprintf(named, "b")),
		"anchors":              "apiVersion: v1\nkind: List\nitems:\n- &a\n  apiVersion: v1\n  kind: ConfigMap\n  metadata: &meta {name: a, labels: {on: \"yes\"}}\n- <<: *a\n  metadata: {<<: *meta, name: b}\n",
	} {
		p := newEmptyServer(t)
		dir := apitest.Files(t, map[string]string{"a.yaml": text})
		if _, err := controller.Start(context.Background(), p.API, controller.Own{Fixtures: []string{dir}}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.stored("configmaps", "default/a") == nil || p.stored("configmaps", "default/b") == nil {
			t.Errorf("%s: not both are there", name)
		}
	}
}

// utf16Text returns s in UTF-16, little end first.
func utf16Text(s string) string {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return string(b)
}

func wantLines(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if i < len(want) && (!strings.HasPrefix(line, "--fixtures: ") || !strings.Contains(line, want[i])) {
			t.Errorf("line %d is %q, want %q in it", i, line, want[i])
		}
	}
}
