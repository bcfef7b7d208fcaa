package kubectl

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// api answers as an API server that has some namespaces, widgets and gadgets. What it was asked with
// stands in seen.
type api struct {
	seen []*http.Request
}

// documents are its answers by path and, for tables, by the form that is asked for.
var documents = map[string]string{
	"/api": `{"items":[{"metadata":{},"versions":[{"version":"v1","resources":[
		{"resource":"namespaces","responseKind":{"kind":"Namespace"},"scope":"Cluster","singularResource":"namespace","shortNames":["ns"]},
		{"resource":"configmaps","responseKind":{"kind":"ConfigMap"},"scope":"Namespaced","singularResource":"configmap",
			"shortNames":["cm"]}]}]}]}`,
	"/apis": `{"items":[
		{"metadata":{"name":"a.example.com"},"versions":[
			{"version":"v2","resources":[{"resource":"widgets","responseKind":{"kind":"Widget"},"scope":"Namespaced",
				"singularResource":"widget","shortNames":["w","ns"]}]},
			{"version":"v1","resources":[{"resource":"widgets","responseKind":{"kind":"Widget"},"scope":"Namespaced",
				"singularResource":"widget"}]}]},
		{"metadata":{"name":"b.example.com"},"versions":[
			{"version":"v1","resources":[{"resource":"widgets","responseKind":{"kind":"Widget"},"scope":"Cluster","singularResource":"widget"},
				{"resource":"w","responseKind":{"kind":"Double"},"scope":"Cluster"}]}]}]}`,
	"/version":                   `{"major":"1","gitVersion":"v1.37.2+x"}`,
	"/api/v1/namespaces/default": `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default","managedFields":[{"manager":"m"}]}}`,
	"/api/v1/namespaces/default table": `{"kind":"Table","columnDefinitions":[{"name":"Name","priority":0},{"name":"Status","priority":0},
		{"name":"Age","priority":0},{"name":"Note","priority":1}],
		"rows":[{"cells":["default","Active","5s","a\tb\nc"],"object":{"metadata":{"name":"default"}}}]}`,
	"/apis/a.example.com/v2/namespaces/default/widgets": `{"kind":"WidgetList","items":[{"metadata":{"name":"one"}},
		{"metadata":{"name":"two","managedFields":[]}}]}`,
	"/apis/a.example.com/v2/namespaces/default/widgets table": `{"columnDefinitions":[{"name":"Name"}],"rows":[]}`,
	"/apis/a.example.com/v1/namespaces/n/widgets":             `{"kind":"WidgetList","items":[{"metadata":{"name":"old"}}]}`,
	"/apis/b.example.com/v1/widgets":                          `{"kind":"WidgetList","items":[{"metadata":{"name":"third"}}]}`,
	"/apis/b.example.com/v1/w table":                          `{"columnDefinitions":[],"rows":null}`,
	"/apis/a.example.com/v2/widgets table": `{"columnDefinitions":[{"name":"Name"},{"name":"Size"}],
		"rows":[{"cells":["one",7],"object":{"metadata":{"namespace":"default"}}},{"cells":["longer name",null],
			"object":{"metadata":{"namespace":"n"}}},{"cells":["short"]}]}`,
	"/api/v1/namespaces/default/configmaps": `{"kind":"ConfigMapList"}`,
}

// ServeHTTP answers with a document or with a 404 of an API server; at /broken with none.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.seen = append(a.seen, r)
	key := strings.TrimPrefix(r.URL.Path, "/prefix")
	if strings.Contains(r.Header.Get("Accept"), "as=Table") {
		key += " table"
	}
	if text, ok := documents[key]; ok {
		_, _ = w.Write([]byte(text))
		return
	}
	if strings.HasSuffix(r.URL.Path, "/broken") {
		http.Error(w, "not a Status", http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"kind":"Status","reason":"NotFound","message":"namespaces \"%s\" not found"}`,
		r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
}

// outcome is what a run left behind.
type outcome struct {
	code      int
	out, errs string
}

// run runs it with an environment that has nothing but what env says.
func run(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var out, errs strings.Builder
	code := Main(t.Context(), "v1.37.2", args, func(name string) string { return env[name] }, &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

// TestGet: what each form of asking prints, as the real kubectl prints it.
func TestGet(t *testing.T) {
	s := httptest.NewServer(&api{})
	defer s.Close()
	const table = "NAME      STATUS   AGE\ndefault   Active   5s\n"
	const notOne = `" is not TYPE, TYPE NAME or TYPE/NAME: ` + elsewhere + "\n"
	for args, want := range map[string]outcome{
		"get ns default":              {0, table, ""},
		"get namespaces default":      {0, table, ""},
		"get Namespace/default":       {0, table, ""},
		"get namespace default -n n":  {0, table, ""},
		"-n n get ns -A default":      {0, table, ""},
		"get ns default --no-headers": {0, "default   Active   5s\n", ""},
		"get ns default -o wide":      {0, "NAME      STATUS   AGE   NOTE\ndefault   Active   5s    a     b...\n", ""},
		"get ns default -o=name":      {0, "namespace/default\n", ""},
		"get ns default --output json": {0, "{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"Namespace\",\n    \"metadata\": {\n" +
			"        \"name\": \"default\"\n    }\n}\n", ""},
		"get ns default -o yaml": {0, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: default\n", ""},
		"get widgets":            {0, "", "No resources found in default namespace.\n"},
		"get w":                  {0, "", "No resources found\n"},
		"get widget -o name":     {0, "widget.a.example.com/one\nwidget.a.example.com/two\n", ""},
		"get widgets.v1.a.example.com -n n -o name": {0, "widget.a.example.com/old\n", ""},
		"get widgets.b.example.com -o name":         {0, "widget.b.example.com/third\n", ""},
		"get widgets -A": {0, "NAMESPACE   NAME          SIZE\ndefault     one           7\n" +
			"n           longer name   \n            short         \n", ""},
		"get widgets -o yaml": {0, "apiVersion: v1\nitems:\n- apiVersion: a.example.com/v2\n  kind: Widget\n  metadata:\n    name: one\n" +
			"- apiVersion: a.example.com/v2\n  kind: Widget\n  metadata:\n    name: two\nkind: List\nmetadata:\n  resourceVersion: \"\"\n", ""},
		"get cm -o yaml":       {0, "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n", ""},
		"get cm -o name":       {0, "", ""},
		"get ns nope":          {1, "", "Error from server (NotFound): namespaces \"nope\" not found\n"},
		"get ns broken":        {1, "", "Error from server: " + s.URL + " answers 502 Bad Gateway\n"},
		"get things":           {1, "", "error: the server doesn't have a resource type \"things\"\n"},
		"get widgets.c":        {1, "", "error: the server doesn't have a resource type \"widgets\" in group \"c\"\n"},
		"get cm x -A":          {1, "", "error: a resource cannot be retrieved by name across all namespaces\n"},
		"get":                  {1, "", `error: "` + notOne},
		"get ns,cm":            {1, "", `error: "ns,cm` + notOne},
		"get ns/":              {1, "", `error: "ns/` + notOne},
		"get ns a b":           {1, "", `error: "ns a b` + notOne},
		"get ns -o jsonpath=x": {1, "", `error: --output "jsonpath=x": ` + elsewhere + "\n"},
		"get ns -w":            {1, "", "error: --w: unknown flag; " + elsewhere + "\n"},
		"apply":                {1, "", `error: "apply": ` + elsewhere + "\n"},
		"":                     {1, "", `error: "": ` + elsewhere + "\n"},
		"--help":               {0, elsewhere + "\n", ""},
	} {
		if got := run(t, nil, append(strings.Fields(args), "--server="+s.URL)...); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", args, got, want)
		}
	}
}

// TestVersion: of the client, and of the server unless it is not asked for.
func TestVersion(t *testing.T) {
	s := httptest.NewServer(&api{})
	defer s.Close()
	for args, want := range map[string]outcome{
		"version":                  {0, "Client Version: v1.37.2\nServer Version: v1.37.2+x\n", ""},
		"version --client":         {0, "Client Version: v1.37.2\n", ""},
		"version --client -o yaml": {0, "clientVersion:\n  gitVersion: v1.37.2\n", ""},
		"version -o yaml":          {0, "clientVersion:\n  gitVersion: v1.37.2\nserverVersion:\n  gitVersion: v1.37.2+x\n  major: \"1\"\n", ""},
		"version -o name":          {1, "", "error: --output must be 'yaml' or 'json'\n"},
		"version now":              {1, "", `error: "version now": ` + elsewhere + "\n"},
	} {
		if got := run(t, nil, append(strings.Fields(args), "-s", s.URL)...); got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", args, got, want)
		}
	}
}

// kubeconfig writes one and returns its path.
func kubeconfig(t *testing.T, server, namespace, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u, namespace: %q}}]\n"+
		"clusters: [{name: c, cluster: {server: %q}}]\nusers: [{name: u, user: {token: %q}}]\n", namespace, server, token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWhichServer: flags, then the file of a flag, then those of the environment, then that of the home
// directory; and what the server is shown.
func TestWhichServer(t *testing.T) {
	a := &api{}
	s := httptest.NewServer(a)
	defer s.Close()
	file := kubeconfig(t, s.URL, "n", "t1")
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kubeconfig(t, s.URL+"/prefix/", "", "t2"), filepath.Join(home, ".kube", "config")); err != nil {
		t.Fatal(err)
	}
	elsewhere := kubeconfig(t, "http://127.0.0.1:1", "", "")
	none := filepath.Join(home, "none")
	for name, c := range map[string]struct {
		env         map[string]string
		args        []string
		path, token string
	}{
		"a flag": {nil, []string{"--kubeconfig", file}, "/apis/a.example.com/v1/namespaces/n/widgets", "Bearer t1"},
		"flags over the file": {nil, []string{"--kubeconfig", elsewhere, "--server", s.URL, "--token=t3", "-n", "n"},
			"/apis/a.example.com/v1/namespaces/n/widgets", "Bearer t3"},
		"the environment": {map[string]string{"KUBECONFIG": none + string(filepath.ListSeparator) + file, "HOME": home}, nil,
			"/apis/a.example.com/v1/namespaces/n/widgets", "Bearer t1"},
		"home": {map[string]string{"HOME": home}, []string{"--namespace=n"},
			"/prefix/apis/a.example.com/v1/namespaces/n/widgets", "Bearer t2"},
		"none, and a flag": {map[string]string{"KUBECONFIG": none, "HOME": home},
			[]string{"--server", strings.TrimPrefix(s.URL, "http://"), "-n=n"}, "/apis/a.example.com/v1/namespaces/n/widgets", ""},
	} {
		a.seen = nil
		got := run(t, c.env, append([]string{"get", "widgets.v1.a.example.com", "-o", "name"}, c.args...)...)
		if got != (outcome{0, "widget.a.example.com/old\n", ""}) || len(a.seen) != 3 {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if r := a.seen[2]; r.URL.Path != c.path || r.Header.Get("Authorization") != c.token ||
			!strings.HasPrefix(r.UserAgent(), "kubectl/v1.37.2") {
			t.Errorf("%s: %s %v", name, r.URL.Path, r.Header)
		}
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no file": {[]string{"--kubeconfig", none}, "error: open " + none},
		"no URL":  {[]string{"--server", "://"}, `error: --server: "://" is no URL of a server`},
		"another": {[]string{"--server", "ftp://h"}, `error: --server: "ftp://h" is no URL of a server`},
		"nobody":  {[]string{"--server", "http://127.0.0.1:1"}, "Unable to connect to the server: dial tcp 127.0.0.1:1: "},
		"a wrong limit": {[]string{"--server", s.URL, "--request-timeout=soon"},
			`error: --request-timeout: "soon" is no time such as 1s, 2m or 3`},
		"before now": {[]string{"--server", s.URL, "--request-timeout=-1s"}, `error: --request-timeout: "-1s" is no time`},
	} {
		if got := run(t, nil, append([]string{"get", "ns"}, c.args...)...); got.code != 1 || !strings.HasPrefix(got.errs, c.want) ||
			strings.Count(got.errs, "\n") != 1 {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// TestTLS: an authority of a flag, none, and one that is not asked.
func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(&api{})
	defer s.Close()
	dir := t.TempDir()
	ca, text := filepath.Join(dir, "ca"), filepath.Join(dir, "text")
	for path, content := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
		text: []byte("text")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{
		"--certificate-authority=" + ca:   "",
		"--insecure-skip-tls-verify":      "",
		"":                                "Unable to connect to the server: tls: failed to verify certificate",
		"--certificate-authority=" + text: "error: --certificate-authority: holds no certificate",
		"--certificate-authority=" + dir + "/none":                                  "error: --certificate-authority: open ",
		"--insecure-skip-tls-verify --client-key=" + text:                           "error: --client-certificate, --client-key: open ",
		"--insecure-skip-tls-verify --client-certificate=" + ca + " --client-key=x": "error: --client-certificate, --client-key: open x",
	} {
		got := run(t, nil, append(strings.Fields(args), "--server="+s.URL, "get", "ns", "default", "-o", "name")...)
		if want == "" && got != (outcome{0, "namespace/default\n", ""}) || want != "" && (got.code != 1 || !strings.HasPrefix(got.errs, want)) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
}

// TestRequestTimeout: a server that does not answer is left.
func TestRequestTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-ctx.Done() }))
	defer s.Close()
	defer cancel()
	if got := run(t, nil, "get", "ns", "--server", s.URL, "--request-timeout", "20ms"); got.code != 1 ||
		!strings.HasPrefix(got.errs, "Unable to connect to the server: ") {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "5": 5 * time.Second, "5s": 5 * time.Second, "1m30s": 90 * time.Second} {
		if got, err := limit(text); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

// TestCalled: by which words a resource is found, and which of several.
func TestCalled(t *testing.T) {
	s := httptest.NewServer(&api{})
	defer s.Close()
	c := &command{ctx: t.Context(), server: s.URL}
	if err := c.connect(func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"ns": "/v1/namespaces", "NS": "", "NameSpaces": "/v1/namespaces", "widgets.A.example.com": "", "namespace": "/v1/namespaces",
		"cm":      "/v1/configmaps",
		"widgets": "a.example.com/v2/widgets", "Widget": "a.example.com/v2/widgets", "widgets.a.example.com": "a.example.com/v2/widgets",
		"widget.v1.a.example.com": "a.example.com/v1/widgets", "widgets.b.example.com": "b.example.com/v1/widgets",
		"ns.a.example.com": "a.example.com/v2/widgets",
		// A name counts before a short name of another group.
		"w": "b.example.com/v1/w", "double": "b.example.com/v1/w", "w.a.example.com": "a.example.com/v2/widgets",
		"namespaces.v1.": "/v1/namespaces", "widgets.v3.a.example.com": "", "namespaces.core": "", "": "", ".": "",
	} {
		r, err := c.find(word)
		got := r.group + "/" + r.version + "/" + r.name
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q is %q (%v), want %q", word, got, err, want)
		}
	}
}

// FuzzGet: whatever a server answers, a run ends with 0 or with one that says why, and prints nothing
// that it was not sent.
func FuzzGet(f *testing.F) {
	for path, text := range documents {
		f.Add(path, text, "wide")
	}
	f.Add("/api", `{"items":[{"versions":[{"version":1,"resources":[{"resource":"x","shortNames":["x",{}]}]}]},null,[]]}`, "name")
	f.Add("/apis/g/v/x table", `{"columnDefinitions":[1,{"priority":"a"}],"rows":[{"cells":[[{}],"a\tb",1.5e300]},3]}`, "")
	f.Fuzz(func(t *testing.T, path, text, form string) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == strings.TrimSuffix(path, " table"):
				_, _ = w.Write([]byte(text))
			case r.URL.Path == "/api" || r.URL.Path == "/apis":
				_, _ = w.Write([]byte(`{"items":[{"metadata":{"name":"g"},"versions":[{"version":"v","resources":[{"resource":"x",
					"responseKind":{"kind":"X"}}]}]}]}`))
			default:
				_, _ = w.Write([]byte(text))
			}
		}))
		defer s.Close()
		var out, errs strings.Builder
		code := Main(t.Context(), "v1.37.2", []string{"get", "x", "-A", "-o", form, "--server", s.URL}, func(string) string { return "" },
			&out, &errs)
		if code != 0 && (code != 1 || errs.Len() == 0) {
			t.Errorf("code %d, %q, stderr %q", code, out.String(), errs.String())
		}
		if out.Len() > 100*(len(text)+100) {
			t.Errorf("%d bytes of %d", out.Len(), len(text))
		}
	})
}
