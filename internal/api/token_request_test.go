package api_test

import (
	"strings"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/tree"
)

const accountsPath = spacesPath + "/default/serviceaccounts"

// token asks for one.
func (c *clients) token(account, spec string) string {
	c.T.Helper()
	got := c.Must(201, "POST", accountsPath+"/"+account+"/token", `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":`+spec+`}`)
	token := tree.Text(got, "status", "token")
	if strings.Count(token, ".") != 2 || tree.Text(got, "status", "expirationTimestamp") == "" {
		c.T.Fatalf("%v", got)
	}
	return token
}

// whoami is the answer to a SelfSubjectReview with a token.
func (c *clients) whoami(token string) (int, map[string]any) {
	code, obj := c.Try("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}`, "Authorization: Bearer "+token)
	return code, tree.Object(obj, "status", "userInfo")
}

// review is the status of a TokenReview.
func (c *clients) review(token string, audiences ...string) map[string]any {
	c.T.Helper()
	spec := map[string]any{"token": token}
	if len(audiences) > 0 {
		spec["audiences"] = anyOf(audiences)
	}
	return tree.Object(c.Must(201, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": spec}), "status")
}

// anyOf is a list as a tree has it.
func anyOf(list []string) (out []any) {
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func knownToken(status map[string]any) bool { return status["authenticated"] == true }

// TestTokenLife: a token is its account's until that goes; one of the same name is another.
func TestTokenLife(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", accountsPath, `{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"robot"}}`)
	token := c.token("robot", `{}`)
	code, user := c.whoami(token)
	want := []any{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + "default", request.GroupAuthenticated}
	if code != 201 || user["username"] != "system:serviceaccount:default:robot" || !tree.Equal(user["groups"], want) || len(tree.List(user, "extra", "authentication.kubernetes.io/credential-id")) != 1 {
		t.Errorf("%d %v", code, user)
	}
	if s := c.review(token); !knownToken(s) || tree.Text(s, "user", "username") != "system:serviceaccount:default:robot" || !tree.Equal(s["audiences"], []any{auth.ServerAudience}) {
		t.Errorf("reviewed: %v", s)
	}
	for _, wrong := range []string{token + "x", token[:len(token)-2], "a.b.c", strings.Replace(token, ".", ".x", 1), ".." + token} {
		if code, _ := c.whoami(wrong); code != 401 {
			t.Errorf("%.20s…: %d, want 401", wrong, code)
		}
		if s := c.review(wrong); knownToken(s) || tree.Text(s, "error") == "" {
			t.Errorf("reviewed: %v", s)
		}
	}
	other := startClients(t)
	if code, _ := other.whoami(token); code != 401 {
		t.Errorf("in another program: %d, want 401", code)
	}
	c.Must(200, "DELETE", accountsPath+"/robot", nil)
	if code, _ := c.whoami(token); code != 401 {
		t.Errorf("without the account: %d, want 401", code)
	}
	c.Must(201, "POST", accountsPath, `{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"robot"}}`)
	if code, _ := c.whoami(token); code != 401 || knownToken(c.review(token)) {
		t.Errorf("with another account of the name: %d, want 401", code)
	}
	if code, _ := c.whoami(c.token("robot", `{}`)); code != 201 {
		t.Errorf("a new token: %d", code)
	}
}

// TestTokenAudiences: a token for others is none here, and counts for those it names.
func TestTokenAudiences(t *testing.T) {
	c := startClients(t)
	elsewhere, both := c.token("default", `{"audiences":["vault"]}`), c.token("default", `{"audiences":["vault","`+auth.ServerAudience+`"]}`)
	if code, _ := c.whoami(elsewhere); code != 401 {
		t.Errorf("for others: %d, want 401", code)
	}
	if code, _ := c.whoami(both); code != 201 {
		t.Errorf("for both: %d, want 201", code)
	}
	for _, row := range []struct {
		token     string
		asked     []string
		audiences []any // nil: no
	}{
		{elsewhere, nil, nil}, {elsewhere, []string{"vault"}, []any{"vault"}}, {elsewhere, []string{"x"}, nil},
		{both, nil, []any{auth.ServerAudience}}, {both, []string{"x", "vault"}, []any{"vault"}},
		{"admin-token", nil, []any{auth.ServerAudience}}, {"admin-token", []string{"vault"}, nil},
	} {
		if s := c.review(row.token, row.asked...); knownToken(s) != (row.audiences != nil) || row.audiences != nil && !tree.Equal(s["audiences"], row.audiences) {
			t.Errorf("%.12s… for %v: %v, want %v", row.token, row.asked, s, row.audiences)
		}
	}
}

// TestBoundToken: it ends with the secret it is bound to, though another of its name comes.
func TestBoundToken(t *testing.T) {
	c := startClients(t)
	const secrets = spacesPath + "/default/secrets"
	secret := `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"}}`
	uid := tree.Text(c.Must(201, "POST", secrets, secret), "metadata", "uid")
	bind := func(uid string) string {
		return `{"boundObjectRef":{"kind":"Secret","apiVersion":"v1","name":"s","uid":"` + uid + `"}}`
	}
	token, free := c.token("default", bind(uid)), c.token("default", `{}`)
	loose := c.token("default", `{"boundObjectRef":{"kind":"Secret","apiVersion":"v1","name":"s"}}`)
	path := accountsPath + "/default/token"
	request := func(spec string) string {
		return `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":` + spec + `}`
	}
	c.Must(409, "POST", path, request(bind("another")))
	c.Must(404, "POST", path, request(`{"boundObjectRef":{"kind":"Secret","apiVersion":"v1","name":"none"}}`))
	c.Must(400, "POST", path, request(`{"boundObjectRef":{"kind":"Nothing","apiVersion":"v1","name":"s"}}`))
	for _, token := range []string{token, free, loose} {
		if code, _ := c.whoami(token); code != 201 {
			t.Errorf("at first: %d", code)
		}
	}
	c.Must(200, "DELETE", secrets+"/s", nil)
	c.Must(201, "POST", secrets, secret)
	for token, want := range map[string]int{token: 401, loose: 401, free: 201} {
		if code, _ := c.whoami(token); code != want || knownToken(c.review(token)) != (want == 201) {
			t.Errorf("at the end: %d, want %d", code, want)
		}
	}
}

// TestPodToken: it tells its pod and the node, and ends with the pod, not with the node; one of a node ends with
// that. The metadata of a request may say whose token is meant.
func TestPodToken(t *testing.T) {
	c := startClients(t)
	const pods = spacesPath + "/default/pods"
	node := tree.Text(c.Must(201, "POST", "/api/v1/nodes", `{"metadata":{"name":"n"}}`), "metadata", "uid")
	pod := tree.Text(c.Must(201, "POST", pods, `{"metadata":{"name":"p"},"spec":{"serviceAccountName":"default","nodeName":"n","containers":[{"name":"c","image":"i"}]}}`),
		"metadata", "uid")
	ofPod, ofNode := c.token("default", `{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p"}}`), c.token("default", `{"boundObjectRef":{"kind":"Node","apiVersion":"v1","name":"n"}}`)
	_, user := c.whoami(ofPod)
	for key, want := range map[string]string{"pod-name": "p", "pod-uid": pod, "node-name": "n", "node-uid": node} {
		if got := tree.Strings(tree.List(user, "extra", "authentication.kubernetes.io/"+key)); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	c.Must(200, "DELETE", "/api/v1/nodes/n", nil)
	if code, _ := c.whoami(ofPod); code != 201 {
		t.Errorf("without the node: %d", code)
	}
	if code, _ := c.whoami(ofNode); code != 401 {
		t.Errorf("of the node: %d, want 401", code)
	}
	c.Must(200, "DELETE", pods+"/p?gracePeriodSeconds=0", nil)
	if code, _ := c.whoami(ofPod); code != 401 {
		t.Errorf("without the pod: %d, want 401", code)
	}
	for body, want := range map[string]int{
		`{"metadata":{"name":"default"},"spec":{}}`: 201, `{"metadata":{"name":"other"},"spec":{}}`: 422, `{"metadata":{"namespace":"other"},"spec":{}}`: 400,
		`{"metadata":{"uid":"other"},"spec":{}}`: 409, `{"spec":{"attestations":{"a":["b"]}}}`: 422,
	} {
		c.Must(want, "POST", accountsPath+"/default/token", body)
	}
}

// TestTokenRequests that are refused, and what is not.
func TestTokenRequests(t *testing.T) {
	c := startClients(t)
	path := accountsPath + "/default/token"
	for seconds, want := range map[string]int{"599": 422, "600": 201, "4294967296": 201, "4294967297": 422, "-1": 422} {
		c.Must(want, "POST", path, `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{"expirationSeconds":`+seconds+`}}`)
	}
	c.Must(404, "POST", accountsPath+"/none/token", `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}`)
	c.Must(400, "POST", path, `{"kind":"ConfigMap","apiVersion":"v1","spec":{}}`)
	c.Must(405, "GET", path, nil)
}
