package api_test

import (
	"context"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/auth"
	"apichain/internal/controller"
	"apichain/internal/request"
	"apichain/internal/tree"
)

const (
	authorization = "/apis/authorization.k8s.io/v1/"
	asAlice       = "Authorization: Bearer alice-token"
)

// accessReview is one to send.
func accessReview(kind, spec string) string {
	return `{"kind":"` + kind + `","apiVersion":"authorization.k8s.io/v1","spec":` + spec + `}`
}

const (
	aboutMaps    = `"resourceAttributes":{"verb":"get","resource":"configmaps","version":"v1","namespace":"default"}`
	aboutVersion = `"nonResourceAttributes":{"verb":"get","path":"/version"}`
	aboutMetrics = `"nonResourceAttributes":{"verb":"get","path":"/metrics"}`
)

// TestAccessReviews: they say what the authorizer does, for whoever asks and for others.
func TestAccessReviews(t *testing.T) {
	c := startClients(t, withLimited)
	type row struct {
		kind, spec, who string
		allowed         bool
	}
	self := "selfsubjectaccessreviews"
	for _, row := range []row{
		{self, `{` + aboutMaps + `}`, "", true},
		{self, `{` + aboutMaps + `}`, asAlice, true},
		{self, `{"resourceAttributes":{"verb":"delete","resource":"configmaps","namespace":"default"}}`, asAlice, false},
		{self, `{"resourceAttributes":{"verb":"get","resource":"configmaps","namespace":"kube-system"}}`, asAlice, false},
		{self, `{` + aboutVersion + `}`, asAlice, true},
		{self, `{` + aboutMetrics + `}`, asAlice, false},
		{self, `{` + aboutMetrics + `}`, "", true},
		{"subjectaccessreviews", `{"user":"alice",` + aboutMaps + `}`, "", true},
		{"subjectaccessreviews", `{"user":"bob",` + aboutMaps + `}`, "", false},
		{"subjectaccessreviews", `{"groups":["system:masters"],` + aboutMetrics + `}`, "", true},
	} {
		kind := map[string]string{self: "SelfSubjectAccessReview", "subjectaccessreviews": "SubjectAccessReview"}[row.kind]
		header := []string{}
		if row.who != "" {
			header = append(header, row.who)
		}
		got := c.Must(201, "POST", authorization+row.kind, accessReview(kind, row.spec), header...)
		if tree.At(got, "status", "allowed") != row.allowed || revision(got) != "" {
			t.Errorf("%s %s as %q: %v, want allowed %v", row.kind, row.spec, row.who, got["status"], row.allowed)
		}
		if row.who == asAlice && strings.Contains(row.spec, "configmaps") && strings.Contains(row.spec, `"get"`) { // and so it is
			code, _ := c.Try("GET", spacesPath+"/"+tree.Text(got, "spec", "resourceAttributes", "namespace")+"/configmaps/"+controller.RootCAName, nil, asAlice)
			if (code == 200) != row.allowed || code != 200 && code != 403 {
				t.Errorf("%s: allowed %v, answered %d", row.spec, row.allowed, code)
			}
		}
	}
	local := c.Must(201, "POST", "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews", `{"kind":"LocalSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{"namespace":"default"},"spec":{"user":"alice",`+aboutMaps+`}}`)
	if tree.At(local, "status", "allowed") != true {
		t.Errorf("local: %v", local)
	}
	for path, body := range map[string]string{
		self: accessReview("SelfSubjectAccessReview", `{}`), "subjectaccessreviews": accessReview("SubjectAccessReview", `{`+aboutMaps+`}`),
		self + "?both": accessReview("SelfSubjectAccessReview", `{`+aboutMaps+`,`+aboutVersion+`}`),
		"namespaces/kube-system/localsubjectaccessreviews": accessReview("LocalSubjectAccessReview", `{"user":"alice",`+aboutMaps+`}`),
		"namespaces/default/localsubjectaccessreviews":     accessReview("LocalSubjectAccessReview", `{"user":"alice",`+aboutVersion+`}`),
	} {
		if e := c.Must(422, "POST", authorization+path, body); tree.Text(e, "reason") != "Invalid" {
			t.Errorf("%s: %v", path, e)
		}
	}
	// Nobody may ask who may not: alice asks for herself alone.
	c.Must(403, "POST", authorization+"subjectaccessreviews", accessReview("SubjectAccessReview", `{"user":"bob",`+aboutMaps+`}`), asAlice)
}

// TestRulesReview: all that a user may do, or that this is not all.
func TestRulesReview(t *testing.T) {
	c := startClients(t)
	body := accessReview("SelfSubjectRulesReview", `{"namespace":"default"}`)
	all := c.Must(201, "POST", authorization+"selfsubjectrulesreviews", body)
	rules := tree.List(all, "status", "resourceRules")
	if tree.At(all, "status", "incomplete") != false || len(rules) != 3 || !tree.Equal(tree.List(rules[0], "verbs"), []any{"*"}) {
		t.Errorf("of an administrator: %v", all["status"])
	}
	c.Must(400, "POST", authorization+"selfsubjectrulesreviews", accessReview("SelfSubjectRulesReview", `{}`))

	few := startClients(t, withLimited).Must(201, "POST", authorization+"selfsubjectrulesreviews", body, asAlice)
	if tree.At(few, "status", "incomplete") != true || len(tree.List(few, "status", "resourceRules")) != 2 || len(tree.List(few, "status", "nonResourceRules")) == 0 {
		t.Errorf("beside an authorizer that cannot say: %v", few["status"])
	}
}

// withLimited has limited asked first.
func withLimited(c *apitest.Config) { c.Authorizer = limited{} }

// limited lets alice read the config maps of the default namespace.
type limited struct{}

func (limited) Authorize(_ context.Context, u *request.User, ri *request.Info) auth.Decision {
	if u.Name == "alice" && ri.IsResourceRequest && ri.Verb == "get" && ri.Resource == "configmaps" && ri.Namespace == "default" {
		return auth.Decision{Verdict: auth.Allow, Reason: "alice reads"}
	}
	return auth.Decision{}
}
