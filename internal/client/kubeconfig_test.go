package client

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestCurrentContext: which cluster and user a kubeconfig leads to, and what is missing where it
// leads nowhere.
func TestCurrentContext(t *testing.T) {
	const lists = `
contexts:
- {name: a, context: {cluster: one, user: ann}}
- {name: b, context: {cluster: two, user: bob}}
- {name: c, context: {cluster: none, user: ann}}
- {name: d, context: {cluster: one, user: none}}
- {name: e}
- {name: a, context: {cluster: two, user: bob}}
- {context: {cluster: two, user: bob}}
- text
clusters: [{name: one, cluster: {id: 1}}, {name: two, cluster: {id: 2}}]
users: [{name: ann, user: {token: t1}}, {name: bob}]
`
	for name, c := range map[string]struct{ text, cluster, token, wrong string }{
		"first":            {"current-context: a" + lists, "1", "t1", ""},
		"second":           {"current-context: b" + lists, "2", "", ""},
		"no such context":  {"current-context: z" + lists, "", "", `contexts has no entry named "z"`},
		"no current one":   {"x: y" + lists, "", "", `contexts has no entry named ""`},
		"a number":         {"current-context: 1" + lists, "", "", `contexts has no entry named ""`},
		"no such cluster":  {"current-context: c" + lists, "", "", `clusters has no entry named "none"`},
		"no such user":     {"current-context: d" + lists, "", "", `users has no entry named "none"`},
		"an empty context": {"current-context: e" + lists, "", "", `clusters has no entry named ""`},
		"JSON": {`{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"c","user":"u"}}],
			"clusters":[{"name":"c","cluster":{"id":3}}],"users":[{"name":"u","user":{"token":"t3"}}]}`, "3", "t3", ""},
		"nothing":            {"", "", "", `contexts has no entry named ""`},
		"a list":             {"[a]", "", "", `contexts has no entry named ""`},
		"lists are no lists": {"current-context: a\ncontexts: {a: b}", "", "", `contexts has no entry named "a"`},
		"no YAML":            {"a: [", "", "", "yaml: "},
	} {
		_, cluster, user, err := currentContext([]byte(c.text))
		if c.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %s", name, err, c.wrong)
			}
			continue
		}
		if err != nil || fmt.Sprint(cluster["id"]) != c.cluster || tree.Text(user, "token") != c.token {
			t.Errorf("%s: %v %v %v", name, cluster, user, err)
		}
	}
}

// TestFileOrData: data win over a file, as client-go has it; paths start at the kubeconfig.
func TestFileOrData(t *testing.T) {
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "ca"), filepath.Join(t.TempDir(), "ca")
	for path, content := range map[string]string{inside: "inside", outside: "outside"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		m           map[string]any
		want, wrong string
	}{
		"neither":       {map[string]any{"other": "x"}, "", ""},
		"nothing":       {nil, "", ""},
		"relative":      {map[string]any{"ca": "ca"}, "inside", ""},
		"above":         {map[string]any{"ca": "../" + filepath.Base(dir) + "/ca"}, "inside", ""},
		"absolute":      {map[string]any{"ca": outside}, "outside", ""},
		"data":          {map[string]any{"ca-data": "ZGF0YQ=="}, "data", ""},
		"both":          {map[string]any{"ca": "ca", "ca-data": "ZGF0YQ=="}, "data", ""},
		"empty data":    {map[string]any{"ca": "ca", "ca-data": ""}, "inside", ""},
		"no base64":     {map[string]any{"ca-data": "ZGF0YQ"}, "", "ca-data: illegal base64 data at input byte 4"},
		"no file":       {map[string]any{"ca": "none"}, "", "open " + filepath.Join(dir, "none") + ": "},
		"not a string":  {map[string]any{"ca": true}, "", ""},
		"data of lines": {map[string]any{"ca-data": "ZGF0\nYQ==\n"}, "data", ""},
	} {
		got, err := fileOrData(dir, c.m, "ca")
		if c.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %s", name, err, c.wrong)
			}
			continue
		}
		if err != nil || string(got) != c.want || (got == nil) != (c.want == "") {
			t.Errorf("%s: %q %v, want %q", name, got, err, c.want)
		}
	}
}

// FuzzKubeconfig: whatever the file holds, what it leads to is what the context named, or an error
// says what is missing.
func FuzzKubeconfig(f *testing.F) {
	f.Add("current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {x: y}}]\n" +
		"users: [{name: u, user: {token: t}}]")
	f.Add("current-context: ''\ncontexts: [{name: ''}]\nclusters: [{name: ''}]\nusers: [{name: '', user: []}]")
	f.Add("contexts: [1, [], {name: {a: b}}]")
	f.Fuzz(func(t *testing.T, text string) {
		_, cluster, user, err := currentContext([]byte(text))
		doc, _, parse := tree.ParseYAMLObject([]byte(text))
		if parse != nil {
			if err == nil {
				t.Fatalf("no error of %v", parse)
			}
			return
		}
		find := func(list, name string) (found bool, entry map[string]any) {
			for _, e := range tree.List(doc, list) {
				if m := tree.Object(e); m != nil && m["name"] == name {
					return true, m
				}
			}
			return false, nil
		}
		there, context := find("contexts", tree.Text(doc, "current-context"))
		hasCluster, c := find("clusters", tree.Text(context, "context", "cluster"))
		hasUser, u := find("users", tree.Text(context, "context", "user"))
		if (err == nil) != (there && hasCluster && hasUser) {
			t.Fatalf("%v; context %v, cluster %v, user %v", err, there, hasCluster, hasUser)
		}
		if err == nil && (!tree.Equal(cluster, tree.Object(c, "cluster")) || !tree.Equal(user, tree.Object(u, "user"))) {
			t.Fatalf("cluster %v, user %v", cluster, user)
		}
	})
}
