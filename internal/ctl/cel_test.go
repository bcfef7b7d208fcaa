package ctl

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// definitionText is a CRD with a rule that is good, one that costs too much, and one that does not compile.
const definitionText = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, singular: foo, kind: Foo, listKind: FooList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {min: {type: integer}, max: {type: integer}, list: {type: array, items: {type: string}}}
            x-kubernetes-validations:
            - {rule: self.min <= self.max, message: min is above max}
            - {rule: "self.list.all(x, self.list.all(y, x == y))"}
            - {rule: self.foo}
  - name: v2
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, properties: {size: {type: integer, x-kubernetes-validations: [{rule: self > oldSelf}]}}}}
`

// TestCEL: what the subcommand prints and its exit codes. In arguments, @name is a file of the test.
func TestCEL(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"o.json": `{"spec":{"min":3,"max":2}}`, "good.yaml": "size: 3\n", "less.yaml": "size: 2\n", "crd.yaml": definitionText, "list.yaml": "- a\n- b\n", "bad.yaml": "a: [", "pod.yaml": "kind: Pod\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args  []string
		stdin string
		code  int
		want  string // of both streams, each line in it a part in this order
	}{
		{[]string{"1 + 2"}, "", 0, "3\n# int, static cost 1 of 10000000, cost 1 of 1000000"},
		{[]string{"-"}, "'a' + 'b'\n", 0, "ab\n# string"},
		{[]string{"self.spec.min <= self.spec.max", "--self", "@o.json"}, "", 0, "false\n# bool"},
		{[]string{"self", "--self=@list.yaml"}, "", 0, "- a\n- b\n# dyn"},
		{[]string{"self.size > oldSelf.size", "--self", "@good.yaml", "--old", "@less.yaml"}, "", 0, "true\n"},
		{[]string{"self.size > oldSelf.size", "--self", "@good.yaml", "--json"}, "", 1, `"error":"--old is not given"`},
		{[]string{"self.spec.min <= "}, "", 1, "ERROR: <input>:1:18: Syntax error\n | .................^"},
		{[]string{"self.spec.nope", "--schema", "@crd.yaml"}, "", 1, "undefined field 'nope'\n | .........^"},
		{[]string{"self.spec.nope", "--self", "@o.json"}, "", 1, "no such key: nope"},
		{[]string{"self.spec", "--schema", "@crd.yaml#v1", "--self", "@o.json"}, "", 0, "max: 2\nmin: 3\n# selfType1.spec"},
		{[]string{"self.size", "--schema", "@crd.yaml#v2", "--self", "@good.yaml", "--json"}, "", 0, `{"cost":2,"staticCost":{"max":2,"min":2},"type":"int","value":3}`},
		{[]string{"x", "--json"}, "", 1, `{"error":"ERROR: \u003cinput\u003e:1:1: undeclared reference to 'x'`},
		{[]string{"Object{a: object.spec.min}", "--object", "@o.json"}, "", 0, "a: 3\n# Object"},
		{[]string{"params.spec.max == oldObject.size", "--params", "@o.json", "--old", "@less.yaml"}, "", 0, "true"},
		{[]string{"params == object", "--params", "@o.json", "--object", "@o.json"}, "", 0, "true"},
		{[]string{"request.operation", "--request", "@o.json"}, "", 1, "no such key: operation"},
		{[]string{"authorizer.path('/').check('get').allowed()", "--object", "@o.json"}, "", 1, "there is nobody to ask"},
		{[]string{"lists.range(1000).all(a, lists.range(1000).all(b, a + b >= 0))"}, "", 1, "cost limit exceeded"},
		{[]string{"--schema", "@crd.yaml"}, "", 1, "COST\n 5 \nself.min <= self.max\nself.foo\nmore than 100x\nundefined field 'foo'"},
		{[]string{"--schema", "@crd.yaml#v2"}, "", 0, "self > oldSelf"},
		{[]string{"--schema", "@crd.yaml#v2", "--json"}, "", 0, `"errors":[],"rules":[{"cost":`},
		{[]string{"--schema", "@crd.yaml", "--self", "@o.json"}, "", 1, "fails\nspec: self.min <= self.max\nerror\nmin is above max"},
		{[]string{"--schema", "@crd.yaml#v2", "--self", "@good.yaml", "--old", "@less.yaml"}, "", 0, "holds\n3  size: self > oldSelf"},
		{[]string{"--schema", "@crd.yaml#v2", "--self", "@less.yaml", "--old", "@good.yaml", "--json"}, "", 1, `failed rule: self \u003e oldSelf` + "\n" + `"holds":false`},
		{[]string{"--schema", "@crd.yaml#v3"}, "", 2, `there is no version "v3"`},
		{[]string{"--schema", "@pod.yaml"}, "", 2, `"Pod" is no CustomResourceDefinition`},
		{[]string{"1", "--self", "@bad.yaml"}, "", 2, "bad.yaml: "},
		{[]string{"1", "--self", "@none.yaml"}, "", 2, "no such file"},
		{[]string{"1", "--object", "@list.yaml"}, "", 2, "has no object"},
		{nil, "", 2, "an expression or --schema is missing; see apichain cel --help"},
		{[]string{"1", "+", "2"}, "", 2, `"+" is a word too many`},
		{[]string{"1", "--nope"}, "", 2, "--nope: unknown flag"},
		{[]string{"1", "--self", "@o.json", "--object", "@o.json"}, "", 2, "of policies"},
		{[]string{"--help"}, "", 0, "apichain cel:\n--schema CRD.yaml[#VERSION]\nExit codes:"},
	} {
		var args []string
		for _, a := range c.args {
			args = append(args, strings.ReplaceAll(a, "@", dir+string(filepath.Separator)))
		}
		var out, errOut strings.Builder
		code := CEL(context.Background(), args, strings.NewReader(c.stdin), &out, &errOut)
		if code != c.code {
			t.Errorf("%q: %d, want %d", c.args, code, c.code)
		}
		rest := out.String() + errOut.String()
		for part := range strings.SplitSeq(c.want, "\n") {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("%q: no %q in\n%s%s", c.args, part, out.String(), errOut.String())
				break
			}
			rest = after
		}
		if code == 2 && strings.Count(errOut.String(), "\n") != 1 {
			t.Errorf("%q: %q is not one line", c.args, errOut.String())
		}
	}
}

// TestCELEnds: an interrupt ends the evaluation, and a value that is a list of itself many times is refused.
func TestCELEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errOut strings.Builder
	if code := CEL(ctx, []string{"lists.range(900).all(a, lists.range(900).all(b, true))"}, strings.NewReader(""), &out, &errOut); code != exitInterrupted {
		t.Errorf("%d %s", code, errOut.String())
	}
	text := "[1]"
	for range 40 {
		text = "[" + text + "].map(l, l + l)[0]"
	}
	if code := CEL(context.Background(), []string{text}, strings.NewReader(""), &out, &errOut); code > 1 || out.Len() > 10<<20 {
		t.Errorf("%d, %d bytes", code, out.Len())
	}
}
