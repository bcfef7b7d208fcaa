package ctl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// celRun is what one run of the subcommand cel has done.
type celRun struct {
	code      int
	out, errs string
}

// runCEL runs it in a directory of files, whose names are words that begin with @.
func runCEL(t *testing.T, files map[string]string, stdin string, words ...string) celRun {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = strings.ReplaceAll(w, "@", dir+string(filepath.Separator))
	}
	var out, errs strings.Builder
	code := CEL(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return celRun{code, out.String(), strings.ReplaceAll(errs.String(), dir+string(filepath.Separator), "")}
}

// printed returns JSON that was printed, on one line.
func printed(t *testing.T, text string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil || strings.Count(text, "\n") != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return obj
}

// TestCELValues: a value is printed as YAML that another program can read, and with --json as JSON in which its type stands beside it. What
// neither of them has is a text.
func TestCELValues(t *testing.T) {
	for _, c := range []struct{ text, yaml, json, typ string }{
		{`1`, "1", `1`, "int"},
		{`2u`, "2", `2`, "uint"},
		{`1.5`, "1.5", `1.5`, "double"},
		{`'5'`, `"5"`, `"5"`, "string"},
		{`'true'`, `"true"`, `"true"`, "string"},
		{`''`, `""`, `""`, "string"},
		{`null`, "null", `null`, "null"},
		{`[]`, "[]", `[]`, "list(dyn)"},
		{`{}`, "{}", `{}`, "map(dyn, dyn)"},
		{`[1, 2]`, "- 1\n- 2", `[1,2]`, "list(int)"},
		{`{'b': [1], 'a': [2, 3]}`, "a:\n- 2\n- 3\nb:\n- 1", `{"a":[2,3],"b":[1]}`, "map(string, list(int))"},
		{`type(1)`, "int", `"int"`, "type(int)"},
	} {
		got := runCEL(t, nil, "", c.text)
		value, rest, _ := strings.Cut(got.out, "\n# ")
		if got.code != 0 || got.errs != "" || value != c.yaml || !strings.HasPrefix(rest, c.typ+", static cost ") {
			t.Errorf("%s: %d %q %q, want %q of %s", c.text, got.code, got.out, got.errs, c.yaml, c.typ)
		}
		got = runCEL(t, nil, "", c.text, "--json")
		obj := printed(t, got.out)
		if value := string(tree.AppendJSON(nil, obj["value"])); got.code != 0 || value != c.json || obj["type"] != c.typ ||
			obj["error"] != nil {
			t.Errorf("%s --json: %d %s", c.text, got.code, got.out)
		}
	}
}

// TestCELFlags: what each flag gives to an expression; flags may stand before it, behind it, and with their values apart or not.
func TestCELFlags(t *testing.T) {
	files := map[string]string{
		"new.yaml": "spec: {replicas: 3}\n", "old.json": `{"spec":{"replicas":1}}`, "limit.yaml": "most: 2\n",
		"space.yaml":   "metadata: {name: n, labels: {tier: gold}}\n",
		"request.json": `{"operation":"UPDATE","userInfo":{"username":"alice"}}`, "number.yaml": "7\n", "list.json": `[1,2]`,
		"text.yaml": "abc\n",
	}
	for _, c := range []struct {
		words []string
		want  string // the value
	}{
		{[]string{"self.spec.replicas", "--self", "@new.yaml"}, "3"},
		{[]string{"--self", "@new.yaml", "self.spec.replicas"}, "3"},
		{[]string{"--self=@new.yaml", "self.spec.replicas"}, "3"},
		{[]string{"self.spec.replicas - oldSelf.spec.replicas", "--old=@old.json", "--self=@new.yaml"}, "2"},
		{[]string{"oldSelf.spec.replicas", "--old=@old.json"}, "1"},
		{[]string{"self + 1", "--self=@number.yaml"}, "8"},
		{[]string{"self.size()", "--self=@list.json"}, "2"},
		{[]string{"self.size()", "--self=@text.yaml"}, "3"},
		{[]string{"object.spec.replicas", "--object=@new.yaml"}, "3"},
		{[]string{"object.spec.replicas > oldObject.spec.replicas", "--object=@new.yaml", "--old=@old.json"}, "true"},
		{[]string{"object.spec.replicas <= params.most", "--object=@new.yaml", "--params=@limit.yaml"}, "false"},
		{[]string{"namespaceObject.metadata.labels.tier", "--namespace-object=@space.yaml"}, "gold"},
		{[]string{"request.userInfo.username + ' ' + request.operation", "--request=@request.json"}, "alice UPDATE"},
		{[]string{"[object, oldObject, dyn(namespaceObject)].map(o, o == null)", "--params=@limit.yaml"}, "- true\n- true\n- true"},
		{[]string{"[JSONPatch{op: 'add', path: '/spec/' + jsonpatch.escapeKey('a/b'), value: 1}].map(p, p.path)", "--object=@new.yaml"}, "- /spec/a~1b"},
		{[]string{"Object{spec: Object.spec{replicas: object.spec.replicas + 1}}", "--object=@new.yaml"}, "spec:\n  replicas: 4"},
	} {
		got := runCEL(t, files, "", c.words...)
		if value, _, _ := strings.Cut(got.out, "\n# "); got.code != 0 || value != c.want || got.errs != "" {
			t.Errorf("%q: %d %q %q, want %s", c.words, got.code, got.out, got.errs, c.want)
		}
	}
}

// TestCELWrongFiles: what cannot be read is wrong usage, told on one line that names the file.
func TestCELWrongFiles(t *testing.T) {
	files := map[string]string{
		"torn.yaml": "a: [1", "list.yaml": "- 1\n", "text.yaml": "abc\n", "pod.yaml": "kind: Pod\n", "object.yaml": "a: 1\n",
		"empty.yaml": "kind: CustomResourceDefinition\n", "crd.yaml": definitionText,
	}
	for _, c := range []struct{ words, says string }{
		{"1 --self @none.yaml", "none.yaml: no such file"},
		{"1 --old @none.yaml", "none.yaml: no such file"},
		{"1 --schema @none.yaml#v1", "none.yaml: no such file"},
		{"1 --params @none.yaml", "none.yaml: no such file"},
		{"1 --request @none.yaml", "none.yaml: no such file"},
		{"1 --namespace-object @none.yaml", "none.yaml: no such file"},
		{"1 --self @torn.yaml", "torn.yaml: "},
		{"1 --object @torn.yaml", "torn.yaml: "},
		{"1 --object @list.yaml", "list.yaml has no object"},
		{"1 --object @object.yaml --old @text.yaml", "text.yaml has no object"},
		{"1 --request @list.yaml", "list.yaml has no object"},
		{"1 --schema @list.yaml", "list.yaml has no object"},
		{"1 --schema @pod.yaml", `pod.yaml: "Pod" is no CustomResourceDefinition`},
		{"1 --schema @empty.yaml", `empty.yaml: there is no version ""`},
		{"1 --schema @crd.yaml#v9", `crd.yaml: there is no version "v9"`},
		{"--schema @crd.yaml#v2 --self @list.yaml", "list.yaml has no object"},
		{"--schema @crd.yaml#v2 --self @object.yaml --old @none.yaml", "none.yaml: no such file"},
		{"1 --self", "--self"},
		{"1 --json=maybe", "--json"},
		{"1 --schema @crd.yaml --params @object.yaml", "--self and --schema are of rules"},
		{"--object @object.yaml", "an expression or --schema is missing"},
		{"--self @object.yaml", "an expression or --schema is missing"},
	} {
		got := runCEL(t, files, "", strings.Fields(c.words)...)
		if got.code != exitUsage || got.out != "" || strings.Count(got.errs, "\n") != 1 ||
			!strings.HasPrefix(got.errs, "apichain: cel: ") ||
			!strings.Contains(got.errs, c.says) || !strings.HasSuffix(got.errs, "; see apichain cel --help\n") {
			t.Errorf("%s: %d %q %q, want %s", c.words, got.code, got.out, got.errs, c.says)
		}
	}
}

// TestCELInput: - is an expression that is read, of several lines where it is told by line and column.
func TestCELInput(t *testing.T) {
	files := map[string]string{"o.yaml": "a: 1\n"}
	for _, c := range []struct {
		stdin     string
		code      int
		out, errs string // what they begin with
	}{
		{"self.a +\n  1\n", 0, "2\n# ", ""},
		{"self.a", 0, "1\n# ", ""},
		{"self.a == 1 // it is\n", 0, "true\n# ", ""},
		{"self.a +\n  nope\n", 1, "", "ERROR: <input>:2:3: undeclared reference to 'nope' (in container '')\n |   nope\n | ..^\n"},
		{"self.a +\n", 1, "", "ERROR: <input>:1:9: Syntax error"},
		{"", 1, "", "ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting"},
	} {
		got := runCEL(t, files, c.stdin, "-", "--self", "@o.yaml")
		if got.code != c.code || !strings.HasPrefix(got.out, c.out) || !strings.HasPrefix(got.errs, c.errs) || c.out == "" &&
			got.out != "" || c.errs == "" && got.errs != "" {
			t.Errorf("%q: %d %q %q", c.stdin, got.code, got.out, got.errs)
		}
	}
	// What cannot be read is no expression.
	var out, errs strings.Builder
	if code := CEL(t.Context(), []string{"-"}, torn{}, &out, &errs); code != exitRefused || errs.String() != "broken\n" {
		t.Errorf("%d %q", code, errs.String())
	}
	// Nor is more read than there may be.
	if got := runCEL(t, nil, strings.Repeat(" ", mostRead)+"nope", "-"); strings.Contains(got.errs, "nope") {
		t.Errorf("%d %.100q", got.code, got.errs)
	}
}

type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestCELErrors: with --json an error is a part of what is printed, with the costs if the expression was evaluated; the exit code is the
// same, and nothing is said beside.
func TestCELErrors(t *testing.T) {
	files := map[string]string{"o.yaml": "a: 1\n"}
	for _, c := range []struct {
		text, says string
		evaluated  bool
	}{
		{"self.", "ERROR: <input>:1:6: Syntax error: ", false},
		{"nope", "ERROR: <input>:1:1: undeclared reference to 'nope'", false},
		{"1 + 'a'", "found no matching overload for '_+_' applied to '(int, string)'", false},
		{"'a'.matches('(')", "<input>:1:13: invalid matches argument", false},
		{"self.b", "no such key: b", true},
		{"1 / (self.a - 1)", "division by zero", true},
		{"oldSelf.a", "--old is not given", true},
		{"lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))", "cost limit exceeded", true},
	} {
		plain := runCEL(t, files, "", c.text, "--self", "@o.yaml")
		if plain.code != exitRefused || plain.out != "" || !strings.Contains(plain.errs, c.says) {
			t.Errorf("%s: %d %q %q, want %s", c.text, plain.code, plain.out, plain.errs, c.says)
		}
		got := runCEL(t, files, "", c.text, "--self", "@o.yaml", "--json")
		obj := printed(t, got.out)
		if got.code != exitRefused || got.errs != "" || !strings.Contains(tree.Text(obj, "error"), c.says) ||
			tree.Text(obj, "error")+"\n" != plain.errs {
			t.Errorf("%s --json: %d %s", c.text, got.code, got.out)
		}
		if _, costs := obj["cost"]; costs != c.evaluated || obj["value"] != nil {
			t.Errorf("%s --json: %s", c.text, got.out)
		}
	}
}

// TestCELRules: without an expression the rules of a definition are judged, and with an object what they say of it. The exit code says
// whether all is well, in JSON as in text.
func TestCELRules(t *testing.T) {
	files := map[string]string{
		"crd.yaml": definitionText, "two.yaml": "size: 2\n", "three.yaml": "size: 3\n", "none.yaml": "{}\n",
	}
	for _, c := range []struct {
		words string
		code  int
		// rules as path and whether each holds or is good, and how many errors there are
		rules  string
		errors int
	}{
		{"@crd.yaml#v2", 0, "size", 0},
		{"@crd.yaml#v1", 1, "spec spec spec!", 4},
		{"@crd.yaml", 1, "spec spec spec! size", 4}, // all versions
		{"@crd.yaml#v2 --self @three.yaml --old @two.yaml", 0, "size", 0},
		{"@crd.yaml#v2 --self @two.yaml --old @three.yaml", 1, "size!", 1},
		{"@crd.yaml#v2 --self @three.yaml", 0, "", 0}, // there is nothing that it replaces
		{"@crd.yaml#v2 --self @none.yaml --old @two.yaml", 0, "", 0},
	} {
		words := append([]string{"--schema"}, strings.Fields(c.words)...)
		plain, got := runCEL(t, files, "", words...), runCEL(t, files, "", append(words, "--json")...)
		obj := printed(t, got.out)
		var rules []string
		for _, r := range tree.List(obj, "rules") {
			path := tree.Text(r, "path")
			if _, last, ok := strings.Cut(path, "properties["); ok { // of a definition
				path, _, _ = strings.Cut(last, "]")
			}
			if holds, judged := tree.At(r, "holds").(bool); tree.Text(r, "error") != "" || judged && !holds {
				path += "!"
			}
			rules = append(rules, path)
		}
		if errs := len(tree.List(obj, "errors")); got.code != c.code || plain.code != c.code || errs != c.errors ||
			strings.Join(rules, " ") != c.rules {
			t.Errorf("%s: %d and %d, rules %q, %d errors\n%s\n%s", c.words, plain.code, got.code, rules, errs, plain.out, got.out)
		}
		if plain.errs != "" || got.errs != "" {
			t.Errorf("%s: %q %q", c.words, plain.errs, got.errs)
		}
	}
}
