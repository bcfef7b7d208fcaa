package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// api asks a server what any client could, and reads answers as they are. Its methods may be called concurrently.
type api struct {
	name, url, token string
	http             *http.Client
}

// object is a JSON object, with its numbers as they were written.
type object = map[string]any

// ask is how tests ask an instance.
func (i *instance) ask(name string) *api {
	return &api{name: name, url: i.url, token: i.token, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 10,
	}}}
}

// do sends a request, whose body is JSON of anything, or nothing.
func (a *api) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, sent)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", map[bool]string{true: "application/merge-patch+json", false: "application/json"}[method == "PATCH"])
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.http.Do(req)
}

// send sends a request and reads its answer.
func (a *api) send(ctx context.Context, method, path string, body any) (status int, out object, err error) {
	answer, err := a.do(ctx, method, path, body)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	d := json.NewDecoder(answer.Body)
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return 0, nil, fmt.Errorf("%s: %s %s: %s: %w", a.name, method, path, answer.Status, err)
	}
	return answer.StatusCode, out, nil
}

// must sends a request and wants an answer of success.
func (a *api) must(ctx context.Context, method, path string, body any) (object, error) {
	status, out, err := a.send(ctx, method, path, body)
	if err == nil && status >= 300 {
		err = fmt.Errorf("%s: %s %s: %d %v", a.name, method, path, status, out["message"])
	}
	return out, err
}

// at is the value at a path of an object, nil if there is none.
func at(o any, path ...string) any {
	for _, name := range path {
		m, ok := o.(object)
		if !ok {
			return nil
		}
		o = m[name]
	}
	return o
}

// textAt is the text at a path, or "".
func textAt(o any, path ...string) string {
	s, _ := at(o, path...).(string)
	return s
}

// collection is where the objects of a kind are.
type collection struct {
	version, kind, plural string
	namespaced            bool
	verbs                 []string
}

// path is the path of all objects, or of one.
func (c collection) path(namespace, name string) string {
	path := "/apis/" + c.version
	if !strings.Contains(c.version, "/") {
		path = "/api/" + c.version
	}
	if c.namespaced && namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + c.plural
	if name != "" {
		path += "/" + name
	}
	return path
}

// collections are all that a server lists, of all versions, by discovery.
func (a *api) collections(ctx context.Context) ([]collection, error) {
	versions := []string{"v1"}
	groups, err := a.must(ctx, "GET", "/apis", nil)
	if err != nil {
		return nil, err
	}
	for _, group := range groups["groups"].([]any) {
		for _, v := range at(group, "versions").([]any) {
			versions = append(versions, textAt(v, "groupVersion"))
		}
	}
	var all []collection
	for _, version := range versions {
		list, err := a.must(ctx, "GET", strings.TrimSuffix(collection{version: version}.path("", ""), "/"), nil)
		if err != nil {
			return nil, err
		}
		for _, r := range list["resources"].([]any) {
			c := collection{version: version, kind: textAt(r, "kind"), plural: textAt(r, "name"), namespaced: at(r, "namespaced").(bool)}
			for _, verb := range at(r, "verbs").([]any) {
				c.verbs = append(c.verbs, verb.(string))
			}
			// Component statuses are kept nowhere.
			if slices.Contains(c.verbs, "list") && c.plural != "componentstatuses" {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

// everyKind is an object of every kind that is kept, in the namespace "every".
func everyKind(t *testing.T) (all []object) {
	t.Helper()
	b, err := os.ReadFile("testdata/kinds.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		d.UseNumber()
		var o object
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
}

// shown is all that a server lists of a collection, by key. What all objects of a list are is left out: kube-apiserver does not say it.
func (a *api) shown(ctx context.Context, c collection) (map[string]object, error) {
	list, err := a.must(ctx, "GET", c.path("", ""), nil)
	if err != nil {
		return nil, err
	}
	out := map[string]object{}
	items, _ := list["items"].([]any)
	for _, item := range items {
		o := item.(object)
		delete(o, "apiVersion")
		delete(o, "kind")
		out[textAt(o, "metadata", "namespace")+"/"+textAt(o, "metadata", "name")] = o
	}
	return out, nil
}

// differences says where two lists differ.
func differences(a, b map[string]object) string {
	one, other := object{}, object{}
	for key, o := range a {
		one[key] = o
	}
	for key, o := range b {
		other[key] = o
	}
	return difference("", one, other)
}

// difference says where two values of JSON differ, one line a place, "" if nowhere.
func difference(path string, a, b any) string {
	one, isObject := a.(object)
	other, both := b.(object)
	if !isObject || !both {
		x, err1 := json.Marshal(a)
		y, err2 := json.Marshal(b)
		if err := errors.Join(err1, err2); err != nil || string(x) != string(y) {
			return fmt.Sprintf("%s: %.300s and %.300s\n", path, x, y)
		}
		return ""
	}
	names := map[string]bool{}
	for name := range one {
		names[name] = true
	}
	for name := range other {
		names[name] = true
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out.WriteString(difference(path+" "+name, one[name], other[name]))
	}
	return out.String()
}
