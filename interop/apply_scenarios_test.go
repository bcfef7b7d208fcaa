package interop

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// The scenarios of structured-merge-diff's merge tests are played over HTTP: a definition made of each schema, applies and
// updates of its objects, and after each step the object, its owners or the conflicts. The file of steps is that of
// internal/patch, whose scenarios_test.go says how it is read. What cannot be said over HTTP is left out, and counted by its
// reason; the rest must come to the same on both servers.

// mergeScenarios are the lines of each scenario by its name, and the schemas.
func mergeScenarios(t *testing.T) (map[string][]string, map[string]map[string]any) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "internal", "patch", "testdata", "merge.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	schemas, tests := map[string]map[string]any{}, map[string][]string{}
	name, lines := "", bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "#":
		case "schema":
			id, text, _ := strings.Cut(rest, " ")
			if schemas[id], _, err = tree.ParseJSONObject([]byte(text)); err != nil {
				t.Fatal(err)
			}
		case "test":
			name = rest
		default:
			tests[name] = append(tests[name], lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return tests, schemas
}

// errUnsaid is why something cannot be said over HTTP.
type errUnsaid string

func (e errUnsaid) Error() string { return string(e) }

// structural returns a type of structured-merge-diff as the schema of a definition.
func structural(types []any, ref any, depth int) (map[string]any, error) {
	t := ref
	if name := tree.Text(ref, "namedType"); name != "" {
		i := slices.IndexFunc(types, func(t any) bool { return tree.Text(t, "name") == name })
		t = types[i]
	}
	relationship := cmp.Or(tree.Text(ref, "elementRelationship"), tree.Text(t, "map", "elementRelationship"),
		tree.Text(t, "list", "elementRelationship"))
	out := map[string]any{"nullable": true}
	m, list := tree.Object(t, "map"), tree.Object(t, "list")
	switch scalar := tree.Text(t, "scalar"); {
	case depth == 0 || scalar == "untyped":
		out["x-kubernetes-preserve-unknown-fields"] = true
	case scalar != "":
		out["type"] = map[string]string{"numeric": "number", "string": "string", "boolean": "boolean"}[scalar]
	case list != nil:
		items, err := structural(types, list["elementType"], depth-1)
		if err != nil {
			return nil, err
		}
		delete(items, "nullable")
		out["type"], out["items"], out["x-kubernetes-list-type"] = "array", items, "atomic"
		if relationship == "associative" {
			out["x-kubernetes-list-type"] = "set"
		}
		if keys := tree.List(list, "keys"); keys != nil && relationship == "associative" {
			out["x-kubernetes-list-type"], out["x-kubernetes-list-map-keys"] = "map", keys
			var required []any
			for _, k := range keys {
				field := tree.Object(items, "properties", k.(string))
				delete(field, "nullable")
				if field["default"] == nil {
					required = append(required, k)
				}
			}
			items["required"] = required
		}
	default:
		out["type"] = "object"
		if relationship == "atomic" {
			out["x-kubernetes-map-type"] = "atomic"
		}
		element := tree.Object(m, "elementType")
		if m["fields"] != nil && element != nil {
			return nil, errUnsaid("a schema has no properties beside additionalProperties")
		}
		if element != nil {
			additional, err := structural(types, element, depth-1)
			out["additionalProperties"] = additional
			return out, err
		}
		properties := map[string]any{}
		for _, f := range tree.List(m, "fields") {
			p, err := structural(types, tree.At(f, "type"), depth-1)
			if err != nil {
				return nil, err
			}
			if value := tree.At(f, "default"); value != nil {
				p["default"] = value
			}
			properties[tree.Text(f, "name")] = p
		}
		out["properties"] = properties
	}
	return out, nil
}

// mergePlayer plays scenarios on one server.
type mergePlayer struct {
	*owned
	t       *testing.T
	schemas map[string]map[string]any
	hooks   string // where objects are converted
	trust   []byte
	defined map[string]string         // plurals by what they are defined with
	roots   map[string]map[string]any // the schemas of the versions that were defined last
}

// defaulted puts the defaults of a schema into an object that is wanted, as definitions do and structured-merge-diff does not.
func defaulted(v, schema any) {
	switch v := v.(type) {
	case object:
		for name, p := range tree.Object(schema, "properties") {
			if value := tree.At(p, "default"); value != nil && v[name] == nil {
				v[name] = value
			}
			defaulted(v[name], p)
		}
	case []any:
		for _, item := range v {
			defaulted(item, tree.At(schema, "items"))
		}
	}
}

// unsaid says why a scenario cannot be said over HTTP, "" if it can be tried.
func unsaid(lines []string) string {
	hows := map[string]string{}
	kinds := map[string]int{}
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		kinds[word]++
		fields := strings.Fields(rest)
		switch word {
		case "type":
			if strings.HasPrefix(fields[1], "s14:") {
				kinds["renaming"]++
			}
		case "update":
			if how := hows[fields[0]]; how != "" && how != fields[1] {
				return "a manager is one owner here, and two over HTTP: it applies and updates, or updates in two versions"
			}
			hows[fields[0]] = fields[1]
		case "apply", "force":
			if how := hows[fields[0]]; how != "" && how != "apply" {
				return "a manager is one owner here, and two over HTTP: it applies and updates, or updates in two versions"
			}
			hows[fields[0]] = "apply"
		}
	}
	switch {
	case kinds["reset"] > 0:
		return "fields that nobody owns are of no definition"
	case kinds["gone"]+kinds["served"] > 0:
		return "a version is gone that objects are still written in"
	case kinds["convert"] > 0 && kinds["renaming"] == 0:
		return "conversion loses fields or fails"
	}
	return ""
}

// define makes the definition of these versions, or changes it, and returns its plural.
func (p *mergePlayer) define(ctx context.Context, types map[string]string, plural string) (string, error) {
	versions := slices.Sorted(maps.Keys(types))
	spec := map[string]any{"group": "smd.example.com", "scope": "Cluster"}
	var list []any
	for i, v := range versions {
		root := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
		if id, name, ok := strings.Cut(types[v], ":"); ok {
			var err error
			if root, err = structural(tree.List(p.schemas[id], "types"), map[string]any{"namedType": name}, 8); err != nil {
				return "", err
			}
			delete(root, "nullable")
		}
		p.roots[v] = root
		list = append(list, map[string]any{"name": v, "served": true, "storage": i == 0, "schema": map[string]any{"openAPIV3Schema": root}})
		if strings.HasPrefix(types[v], "s14:") {
			spec["conversion"] = map[string]any{"strategy": "Webhook", "webhook": map[string]any{
				"conversionReviewVersions": []any{"v1"}, "clientConfig": map[string]any{"url": p.hooks, "caBundle": p.trust}}}
		}
	}
	spec["versions"] = list
	change := plural != ""
	if !change {
		if plural = p.defined[fmt.Sprint(types)]; plural != "" {
			return plural, nil
		}
		plural = fmt.Sprintf("k%ds", len(p.defined))
		p.defined[fmt.Sprint(types)] = plural
	}
	spec["names"] = map[string]any{"plural": plural, "kind": strings.ToUpper(plural)}
	body, _ := json.Marshal(map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": plural + ".smd.example.com"}, "spec": spec})
	path := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + plural + ".smd.example.com?fieldManager=m&force=true"
	r, err := p.send(ctx, ask{method: "PATCH", path: path, kind: "apply", body: string(body)})
	if err != nil || r.code >= 300 {
		return "", fmt.Errorf("definition: %v %s\n%s", err, r.body, body)
	}
	for deadline := time.Now().Add(patience); ; {
		r, err := p.send(ctx, ask{method: "GET", path: "/apis/smd.example.com/" + versions[len(versions)-1] + "/" + plural})
		if err == nil && r.code == 200 {
			return plural, nil
		}
		if time.Now().After(deadline) {
			return "", errors.New("the definition is not served")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// play plays one scenario; name is that of its object. An errUnsaid says why it cannot be played.
func (p *mergePlayer) play(ctx context.Context, name string, lines []string) error {
	types, changed := map[string]string{}, false
	for _, line := range lines {
		if fields := strings.Fields(line); fields[0] == "type" {
			if fields[1] == "-" {
				fields[1] = "v1"
			}
			if was := types[fields[1]]; was != "" && was != fields[2] {
				changed = true
				continue
			}
			types[fields[1]] = fields[2]
		}
	}
	if changed {
		types["v9"+name[len("scene-"):]] = types["v1"] // of its own
	}
	plural, err := p.define(ctx, types, "")
	if err != nil {
		return err
	}
	for i := 0; i < len(lines); {
		line := lines[i]
		i++
		word, rest, _ := strings.Cut(line, " ")
		first, last, _ := strings.Cut(rest, " ")
		if word == "type" && first != "-" && types[first] != last {
			types = maps.Clone(types)
			types[first] = last
			if _, err := p.define(ctx, types, plural); err != nil {
				return err
			}
		}
		if word != "apply" && word != "force" && word != "update" {
			continue
		}
		var want []string
		for ; i < len(lines) && slices.Contains([]string{"result", "noop", "owner", "conflict", "invalid"}, strings.Fields(lines[i])[0]); i++ {
			if !strings.HasPrefix(lines[i], "noop") {
				want = append(want, lines[i])
			}
		}
		version, body, _ := strings.Cut(last, " ")
		if first == "-" {
			first, version = "m", "v1"
		}
		// A schema takes effect some time after it is written.
		for deadline := time.Now().Add(patience); ; {
			got, err := p.step(ctx, name, plural, word, first, version, body, changed && time.Now().Before(deadline), want)
			if err != nil {
				return err
			}
			if got == "" {
				break
			}
			if !changed || time.Now().After(deadline) {
				return fmt.Errorf("%s\ngot  %s\nwant %s", line, got, strings.Join(want, "\n     "))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// step does one step, and says what came of it if that is not what is wanted. One that may be too early is tried before.
func (p *mergePlayer) step(
	ctx context.Context, name, plural, op, manager, version, body string, early bool, want []string,
) (string, error) {
	obj := object{}
	if body != "null" {
		if err := json.Unmarshal([]byte(body), &obj); err != nil {
			return "", err
		}
	}
	path := "/apis/smd.example.com/" + version + "/" + plural
	live, err := p.live(ctx, path+"/"+name)
	if err != nil {
		return "", err
	}
	m := object{"name": name}
	obj["apiVersion"], obj["kind"], obj["metadata"] = "smd.example.com/"+version, strings.ToUpper(plural), m
	q := ask{method: "PATCH", kind: "apply", path: path + "/" + name + "?fieldManager=" + manager}
	switch {
	case op == "force":
		q.path += "&force=true"
	case op == "update" && live == nil:
		q = ask{method: "POST", path: path + "?fieldManager=" + manager}
	case op == "update":
		q.method, q.kind = "PUT", ""
		m["resourceVersion"] = at(live, "metadata", "resourceVersion")
	}
	b, _ := json.Marshal(obj)
	q.body = string(b)
	if early {
		dry := q
		dry.path += "&dryRun=All"
		r, err := p.send(ctx, dry)
		if err != nil {
			return "", err
		}
		if got, err := p.came(r, version, want); err != nil || got != "" {
			return got, err
		}
	}
	r, err := p.send(ctx, q)
	if err != nil {
		return "", err
	}
	return p.came(r, version, want)
}

// came says what an answer is, if that is not what is wanted.
func (p *mergePlayer) came(r *reply, version string, want []string) (string, error) {
	o := r.object()
	switch message := textAt(o, "message"); {
	case r.code == http.StatusUnprocessableEntity:
		return "", errUnsaid("what is written must be valid: " + strings.Join(strings.Fields(message)[3:], " "))
	case r.code == http.StatusConflict:
		var got []string
		causes, _ := at(o, "details", "causes").([]any)
		for _, c := range causes {
			manager := strings.Split(textAt(c, "message"), `"`)[1]
			got = append(got, "conflict "+manager+" "+textAt(c, "field"))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return strings.Join(got, "\n     "), nil
		}
		return "", nil
	case r.code >= 300:
		if text, ok := strings.CutPrefix(want[0], "invalid "); ok && strings.HasSuffix(message, text) {
			return "", nil
		}
		return message, nil
	}
	var got []string
	entries, _ := at(o, "metadata", "managedFields").([]any)
	for _, e := range entries {
		fields, _ := json.Marshal(at(e, "fieldsV1"))
		_, version, _ := strings.Cut(textAt(e, "apiVersion"), "/")
		got = append(got, fmt.Sprintf("owner %s %s %s %s", textAt(e, "manager"), version, textAt(e, "operation"), fields))
	}
	slices.Sort(got)
	for _, name := range []string{"apiVersion", "kind", "metadata"} {
		delete(o, name)
	}
	b, _ := json.Marshal(o)
	compare := slices.Clone(want)
	if len(want) > 0 && strings.HasPrefix(want[0], "result ") {
		compare = compare[1:]
		var expected object
		_ = json.Unmarshal([]byte(strings.TrimPrefix(want[0], "result ")), &expected)
		defaulted(expected, p.roots[version])
		if e, _ := json.Marshal(expected); string(e) != string(b) && (len(expected) > 0 || len(o) > 0) {
			return "result " + string(b), nil
		}
	}
	for i, line := range compare {
		fields := strings.SplitN(line, " ", 5)
		var set any
		_ = json.Unmarshal([]byte(fields[4]), &set)
		text, _ := json.Marshal(set)
		compare[i] = strings.Join(fields[:4], " ") + " " + string(text)
	}
	slices.Sort(compare)
	if !slices.Equal(got, compare) {
		return "result " + string(b) + "\n     " + strings.Join(got, "\n     "), nil
	}
	return "", nil
}

// startRenaming serves the conversion of the scenarios in which fields are named by their version.
func startRenaming(t *testing.T, trust *authority) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Request struct {
				UID               string
				DesiredAPIVersion string
				Objects           []json.RawMessage
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		_, to, _ := strings.Cut(asked.Request.DesiredAPIVersion, "/")
		converted := []any{}
		for _, raw := range asked.Request.Objects {
			var o object
			_ = json.Unmarshal(raw, &o)
			_, from, _ := strings.Cut(textAt(o, "apiVersion"), "/")
			m := o["metadata"]
			delete(o, "metadata")
			b, _ := json.Marshal(o)
			_ = json.Unmarshal([]byte(strings.ReplaceAll(string(b), "_"+from+`":`, "_"+to+`":`)), &o)
			for name := range o {
				if strings.HasSuffix(name, "_"+from) {
					delete(o, name)
				}
			}
			o["apiVersion"], o["metadata"] = asked.Request.DesiredAPIVersion, m
			converted = append(converted, o)
		}
		_ = json.NewEncoder(w).Encode(object{"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": object{
			"uid": asked.Request.UID, "result": object{"status": "Success"}, "convertedObjects": converted}})
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{trust.pair(t, "hooks", "127.0.0.1")}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// TestMergeScenarios plays the scenarios, and tells how many pass and why others cannot be said.
func TestMergeScenarios(t *testing.T) {
	tests, schemas := mergeScenarios(t)
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers(), "--disable-admission-plugins=ServiceAccount")
		trust := newAuthority(t, "hooks")
		p := &mergePlayer{
			owned: newOwned(f.ask("the server")), t: t, schemas: schemas, hooks: startRenaming(t, trust), trust: trust.pem,
			defined: map[string]string{}, roots: map[string]map[string]any{},
		}
		passed, left := 0, map[string][]string{}
		for i, name := range slices.Sorted(maps.Keys(tests)) {
			reason := unsaid(tests[name])
			if reason == "" {
				err := p.play(t.Context(), fmt.Sprintf("scene-%d", i), tests[name])
				var cannot errUnsaid
				switch {
				case errors.As(err, &cannot):
					reason, _, _ = strings.Cut(string(cannot), ":")
				case err != nil:
					t.Errorf("%s: %v", name, err)
				default:
					passed++
				}
			}
			if reason != "" {
				left[reason] = append(left[reason], name)
			}
		}
		t.Logf("%d of %d scenarios pass", passed, len(tests))
		for _, reason := range slices.Sorted(maps.Keys(left)) {
			t.Logf("%d left out: %s: %s", len(left[reason]), reason, strings.Join(left[reason], ", "))
		}
	})
}
