package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"apichain/internal/controller"
)

// fixtureDir is a directory with these files.
func fixtureDir(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Whatever the order in the files, what others need comes first; lists and documents in
// YAML and JSON are taken apart; a directory's files are its manifests alone.
func TestFixtures(t *testing.T) {
	dir := fixtureDir(t, map[string]string{
		"10-objects.yaml": "# first\n---\n" + widget("shop", "w", "1") + "\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {k: v}\n...\n",
		"20-list.yml":     "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - " + configMap("shop", "inner", "2") + "\n- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n",
		"90-crd.json":     widgetCRD,
		"empty.yaml":      "# nothing\n",
		"README.md":       "no: [manifest",
		"below/x.yaml":    "no: [manifest",
	})
	exported := filepath.Join(fixtureDir(t, map[string]string{"exported": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"exported","namespace":"shop","uid":"old","resourceVersion":"77","creationTimestamp":"2001-01-01T00:00:00Z","generation":9,"managedFields":[],"selfLink":"/x"}}`}), "exported")
	p := newTestProgram(t, "--fixtures="+dir+","+exported)
	if err := p.bootstrap(context.Background()); err != nil {
		t.Fatal(err)
	}
	for resource, keys := range map[string]string{"namespaces": "shop", controller.CrdResource: "widgets.example.com", "widgets.example.com": "shop/w", "configmaps": "default/plain shop/inner shop/exported"} {
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
	if err := controller.LoadFixtures(context.Background(), p.api, p.opt.fixtures.paths); err != nil {
		t.Fatal(err)
	}
	if o := p.stored("configmaps", "shop/inner"); o.Meta.UID != uid || !strings.Contains(string(o.Raw()), `"value":"2"`) {
		t.Errorf("applied again: %s", o.Raw())
	}
}

// Every problem is said, with its file and place; files that cannot be read keep the
// rest from being applied.
func TestFixturesThatAreWrong(t *testing.T) {
	read := fixtureDir(t, map[string]string{
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine}\n---\nkind: ConfigMap\n---\n- 1\n---\napiVersion: v1\nkind: List\nitems: [{apiVersion: v1, metadata: {name: x}}, 7]\n",
		"b.yaml": "a: 1\nb: &anchor x\n",
		"c.json": `{"apiVersion":"v1","kind":"ConfigMap","kind":"Secret"}`,
	})
	missing, empty := filepath.Join(read, "none.yaml"), fixtureDir(t, map[string]string{"notes.txt": ""})
	p := newTestProgram(t, "--fixtures="+strings.Join([]string{missing, read, empty}, ","))
	wantLines(t, controller.LoadFixtures(context.Background(), p.api, p.opt.fixtures.paths), []string{
		missing + ": no such file",
		"a.yaml: document 2 has no apiVersion", "a.yaml: document 2 has no metadata.name", "a.yaml: document 3 is no object", "a.yaml: document 4, item 1 has no kind", "a.yaml: document 4, item 2 is no object",
		"b.yaml: yaml: line 2: ", "c.json: yaml: line 1: ", empty + ": no *.yaml",
	})
	if p.stored("configmaps", "default/fine") != nil {
		t.Error("something was applied")
	}

	// What is refused is said in the order of the files, though definitions come first, and
	// what is fine is applied.
	applied := fixtureDir(t, map[string]string{"a.yaml": configMap("nowhere", "x", "") + "\n---\napiVersion: v9\nkind: Nothing\nmetadata: {name: n}\n---\n" + configMap("default", "fine", "") +
		"\n---\n" + strings.Replace(widgetCRD, `"scope":"Namespaced"`, `"scope":"a\nb"`, 1)})
	p = newTestProgram(t, "--fixtures="+applied)
	wantLines(t, p.bootstrap(context.Background()), []string{`a.yaml: document 1: ConfigMap nowhere/x: namespaces "nowhere" not found`, "a.yaml: document 2: Nothing n: ", "a.yaml: document 4: CustomResourceDefinition widgets.example.com: "})
	if p.stored("configmaps", "default/fine") == nil {
		t.Error("what is fine was not applied")
	}
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

func TestFixturesNamedTwice(t *testing.T) {
	o, f := newOptions()
	wrong, err := o.parse(f, []string{"--fixtures=a,./a,b"})
	if err != nil || len(wrong) != 1 || !strings.HasPrefix(wrong[0], `--fixtures: "./a" is named twice`) {
		t.Errorf("%v %q", err, wrong)
	}
}

// A program with fixtures has them before it is ready, and reset goes back to them; one
// whose fixtures are wrong exits with 1 and says each.
func TestFixturesAtStart(t *testing.T) {
	dir := fixtureDir(t, map[string]string{"a.yaml": configMap("default", "x", "1")})
	r := startProgram(t, nil, "--fixtures="+dir)
	if r.stored("configmaps", "default/x") == nil {
		t.Error("ready without the fixture")
	}
	r.removed(t, "configmaps", "default/x")
	if _, refused := r.restorer.Reset(context.Background()); refused != nil || r.stored("configmaps", "default/x") == nil {
		t.Errorf("reset: %+v", refused)
	}

	wrong := fixtureDir(t, map[string]string{"a.yaml": "kind: X\n---\n[", "b.yaml": "7"})
	r = launchProgram(t, nil, "--fixtures="+wrong)
	select {
	case code := <-r.code:
		if r.exited = true; code != exitFailed {
			t.Errorf("exited with %d", code)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still running")
	}
	for _, want := range []string{filepath.Join(wrong, "a.yaml") + ": yaml: line ", filepath.Join(wrong, "b.yaml") + ": document 1 is no object"} {
		if n := strings.Count(r.err.String(), "\napichain: --fixtures: "+want); n != 1 {
			t.Errorf("%d lines with %q in:\n%s", n, want, r.err)
		}
	}
}
