package audit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/request"
)

func TestPolicyDecide(t *testing.T) {
	p, err := ReadPolicy("../../testdata/audit-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	prober := &request.User{Name: "system:prober", Groups: []string{"system:authenticated"}}
	bob := &request.User{Name: "bob", Groups: []string{"system:authenticated"}}
	eve := &request.User{Name: "eve", Groups: []string{"x", "auditors"}}
	const received, started = StageRequestReceived, StageRequestReceived | StageResponseStarted
	// resource is [group:]resource[/subresource], namespace and name; a path begins with /.
	for _, tc := range []struct {
		name                              string
		user                              *request.User
		verb, group, resource, ns, object string
		want                              decision
	}{
		{"first rule", prober, "get", "", "secrets", "", "", decision{LevelNone, received, true}},
		{"another verb", prober, "delete", "", "secrets", "", "", decision{LevelMetadata, received, true}},
		{"another user", bob, "get", "", "secrets", "", "", decision{LevelMetadata, received, true}},
		{"no user", nil, "get", "", "secrets", "", "", decision{LevelMetadata, received, true}},
		{"subresource by name", bob, "create", "", "serviceaccounts/token", "a", "b", decision{LevelMetadata, received, true}},
		{"named object", bob, "update", "", "configmaps", "kube-system", "controller-leader", decision{LevelNone, received, true}},
		{"other name", bob, "update", "", "configmaps", "kube-system", "x", decision{LevelMetadata, received, true}},
		{"other namespace", bob, "update", "", "configmaps", "default", "controller-leader", decision{LevelMetadata, received, true}},
		{"rule keeps managed fields", bob, "get", "", "pods/log", "a", "b", decision{LevelRequest, received, false}},
		{"subresource not named", bob, "get", "", "pods/exec", "a", "b", decision{LevelMetadata, received, true}},
		{"any subresource", bob, "get", "apps", "deployments/status", "a", "b", decision{LevelRequest, received, false}},
		{"any subresource, and none", bob, "get", "apps", "deployments", "a", "b", decision{LevelRequest, received, false}},
		{"scale of anything", bob, "get", "apps", "statefulsets/scale", "a", "b", decision{LevelRequest, received, false}},
		{"anything but scale", bob, "get", "apps", "statefulsets", "a", "b", decision{LevelNone, received, true}},
		{"scale in another group", bob, "get", "x.io", "statefulsets/scale", "a", "b", decision{LevelNone, received, true}},
		{"group, cluster scope", eve, "get", "", "nodes", "", "n", decision{LevelRequestResponse, started, true}},
		{"group, namespace", eve, "get", "x.io", "widgets", "prod", "n", decision{LevelRequestResponse, started, true}},
		{"group, other namespace", eve, "get", "x.io", "widgets", "dev", "n", decision{LevelNone, received, true}},
		{"namespaces are for resources only", eve, "get", "", "/version", "", "", decision{LevelNone, received, true}},
		{"whole group", bob, "get", "batch", "jobs/status", "a", "b", decision{LevelRequest, received, true}},
		{"everything of core", bob, "get", "", "pods", "a", "b", decision{LevelMetadata, received, true}},
		{"path prefix", bob, "get", "", "/healthz/ping", "", "", decision{LevelNone, received, true}},
		{"no match", bob, "get", "", "/metrics", "", "", decision{LevelNone, received, true}},
	} {
		info := &request.Info{Verb: tc.verb, Path: tc.resource}
		if !strings.HasPrefix(tc.resource, "/") {
			res, sub, _ := strings.Cut(tc.resource, "/")
			info = &request.Info{IsResourceRequest: true, Verb: tc.verb, APIGroup: tc.group, Resource: res, Subresource: sub, Namespace: tc.ns, Name: tc.object}
		}
		if got := p.decide(tc.user, info); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
		if n := testing.AllocsPerRun(10, func() { p.decide(tc.user, info) }); n != 0 {
			t.Errorf("%s: %v allocations, want none", tc.name, n)
		}
	}
}

func TestURLForms(t *testing.T) {
	for _, tc := range []struct {
		form, path string
		want       bool
	}{
		{"*", "/x", true}, {"/*", "/x", true}, {"/a", "/a", true}, {"/a", "/a/", false}, {"/a", "/ab", false},
		{"/a*", "/a", true}, {"/a*", "/ab", true}, {"/a/*", "/a/b/c", true}, {"/a/*", "/a", false},
	} {
		if got := matchesURL([]string{"/other", tc.form}, tc.path); got != tc.want {
			t.Errorf("%s on %s: got %v, want %v", tc.form, tc.path, got, tc.want)
		}
	}
}

func TestURLRuleMissesResources(t *testing.T) {
	p := mustParse(t, `{"level":"Metadata","nonResourceURLs":["*"]}`)
	if got := p.decide(nil, &request.Info{Path: "/x"}).level; got != LevelMetadata {
		t.Errorf("a path: got %v, want Metadata", got)
	}
	if got := p.decide(nil, &request.Info{IsResourceRequest: true, Path: "/api/v1/pods", Resource: "pods"}).level; got != LevelNone {
		t.Errorf("a resource: got %v, want None", got)
	}
}

func TestUserRulesNeedAUser(t *testing.T) {
	for _, condition := range []string{`"users":["bob"]`, `"userGroups":["g"]`} {
		p := mustParse(t, `{"level":"Request",`+condition+`}`, `{"level":"Metadata"}`)
		if got := p.decide(nil, &request.Info{}).level; got != LevelMetadata {
			t.Errorf("%s: got %v for no user, want the next rule", condition, got)
		}
		if got := p.decide(&request.User{Name: "bob", Groups: []string{"f", "g"}}, &request.Info{}).level; got != LevelRequest {
			t.Errorf("%s: got %v for bob in g, want Request", condition, got)
		}
	}
}

// mustParse is a policy in JSON with these rules.
func mustParse(t *testing.T, rules ...string) *Policy {
	t.Helper()
	p, err := parsePolicy([]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[` + strings.Join(rules, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPolicyBehindComments: what is commented out before the first marker is no document.
func TestPolicyBehindComments(t *testing.T) {
	p, err := parsePolicy([]byte("# a licence\n---\napiVersion: audit.k8s.io/v1\nkind: Policy\nomitManagedFields: yes\nrules: [&r {level: None, users: [a]}, {<<: *r, users: [b]}]\n---\n"))
	if err != nil || len(p.rules) != 2 {
		t.Errorf("%+v (%v)", p, err)
	}
}

func TestPolicyProblems(t *testing.T) {
	const head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "want one document, not 0"},
		{"two", head + "---\n" + head, "want one document, not 2"},
		{"broken", head + "rules: [", "yaml: line 3: did not find expected node content"},
		{"list", "- a", "policy: must be an object"},
		{"no rules", head, "rules: at least one rule is needed"},
		{"empty rules", head + "rules: []", "rules: at least one rule is needed"},
		{"null rule", head + "rules: [~]", "rules[0]: must be an object"},
		{"other kind", "apiVersion: audit.k8s.io/v1beta1\nkind: List\nrules: [{level: None}]", `apiVersion: want audit.k8s.io/v1, not "audit.k8s.io/v1beta1"; kind: want Policy, not "List"`},
		{"no level", head + "rules: [{users: [a]}]", `rules[0].level: want one of None, Metadata, Request, RequestResponse, not ""`},
		{"mixed", head + "rules: [{level: None, namespaces: [a], nonResourceURLs: [/a]}]", "rules[0].nonResourceURLs: a rule cannot have both these and resources or namespaces"},
		{"names alone", head + "rules: [{level: None, resources: [{resourceNames: [a]}]}]", "rules[0].resources[0].resourceNames: needs at least one entry in resources"},
		{"group with version", head + "rules: [{level: None, resources: [{group: apps/v1}]}]", `rules[0].resources[0].group: "apps/v1" is not a group: want a DNS name in lower case without a version, or ""`},
		{"URLs", head + "rules: [{level: None, nonResourceURLs: [a, /*/b]}]", `rules[0].nonResourceURLs[0]: "a" must begin with / or be *; rules[0].nonResourceURLs[1]: in "/*/b" * must be the last character`},
		{"types", head + "rules: [{level: None, users: bob, verbs: [get, 1], omitManagedFields: 'yes', resources: [a]}]",
			"rules[0].omitManagedFields: must be true or false; rules[0].users: must be a list; rules[0].verbs[1]: must be a string; rules[0].resources[0]: must be an object"},
		{"everything at once", head + "extra: 1\nomitStages: [Started]\nrules:\n- level: Some\n- level: None\n  user: [a]\n  \"x\\ny\": 1\n  resources:\n  - grp: a\n",
			`extra: unknown field; omitStages[0]: want one of RequestReceived, ResponseStarted, ResponseComplete, Panic, not "Started"; ` +
				`rules[0].level: want one of None, Metadata, Request, RequestResponse, not "Some"; rules[1].user: unknown field; rules[1]."x\ny": unknown field; rules[1].resources[0].grp: unknown field`},
	} {
		_, err := parsePolicy([]byte(tc.in))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s:\n got %v\nwant %s", tc.name, err, tc.want)
		}
	}
}

func TestReadPolicyNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	if _, err := ReadPolicy(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("no file: got %v, want its path", err)
	}
	if err := os.WriteFile(file, []byte("kind: x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPolicy(file); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "kind: ") {
		t.Errorf("wrong file: got %v, want its path and the field", err)
	}
}

// FuzzAuditPolicy: no file panics, an error is one line, and what is accepted decides.
func FuzzPolicy(f *testing.F) {
	example, err := os.ReadFile("../../testdata/audit-policy.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example, "pods", "log", "/healthz")
	f.Add([]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"None","resources":[{"resources":["*/","/*","a/*"]}]}]}`), "a", "", "/")
	f.Fuzz(func(t *testing.T, data []byte, resource, sub, path string) {
		p, err := parsePolicy(data)
		if err != nil {
			if p != nil || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("policy %v with error %q", p, err)
			}
			return
		}
		if len(p.rules) == 0 {
			t.Fatal("a policy without rules was accepted")
		}
		for _, info := range []request.Info{{IsResourceRequest: true, Resource: resource, Subresource: sub}, {Path: path}} {
			if d := p.decide(nil, &info); d.omit&p.otherwise.omit != p.otherwise.omit {
				t.Fatalf("stages %b, less than the policy omits (%b)", d.omit, p.otherwise.omit)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p, err := ReadPolicy("../../testdata/audit-policy.yaml")
	if err != nil {
		b.Fatal(err)
	}
	user := &request.User{Name: "bob", Groups: []string{"system:authenticated"}}
	info := &request.Info{IsResourceRequest: true, Verb: "get", Resource: "pods", Namespace: "a"}
	b.ReportAllocs()
	for b.Loop() {
		p.decide(user, info)
	}
}
