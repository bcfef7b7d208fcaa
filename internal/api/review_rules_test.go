package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// asked is an authorizer that answers what it is told to, and keeps what it was asked.
type asked struct {
	answer auth.Decision
	user   *request.User
	info   *request.Info
}

func (a *asked) Authorize(_ context.Context, u *request.User, info *request.Info) auth.Decision {
	a.user, a.info = u, info
	return a.answer
}

// acting is the scope of a request that acts as a user.
type acting struct {
	request.Scope
	user *request.User
}

func (a acting) ActingUser() *request.User { return a.user }

// reviewCall returns a call of a review in a namespace, "" for none, by alice.
func reviewCall(s *API, group, kind, namespace string) *Call {
	q := s.Internal(s.Builtin(group, "v1", kind), "create", namespace, "", "")
	q.req = &http.Request{}
	q.scope = acting{q.scope, &request.User{Name: "alice", Groups: []string{"dev"}}}
	return q
}

// TestAskedAuthorizer: what each review asks the authorizer, and what it makes of the answer.
func TestAskedAuthorizer(t *testing.T) {
	s, _ := testAPI(t, nil)
	a := &asked{}
	s.Config.Authorizer = a
	const pods = `"resourceAttributes":{"namespace":"ns","verb":"get","group":"apps","version":"v1","resource":"pods","subresource":"log","name":"n"}`
	for _, c := range []struct {
		kind, namespace, spec string
		answer                auth.Decision
		user                  request.User
		info                  request.Info
		status                string
	}{
		{"SubjectAccessReview", "", `{"user":"bob","uid":"7","groups":["x"],"extra":{"k":["v","w"],"l":null},` + pods + `}`,
			auth.Decision{Verdict: auth.Allow, Reason: "why"},
			request.User{Name: "bob", UID: "7", Groups: []string{"x"}, Extra: map[string][]string{"k": {"v", "w"}, "l": nil}},
			request.Info{IsResourceRequest: true, APIPrefix: "apis", Verb: "get", APIGroup: "apps", APIVersion: "v1", Namespace: "ns", Resource: "pods", Subresource: "log", Name: "n"},
			`{"allowed":true,"reason":"why"}`},
		{"SubjectAccessReview", "", `{"groups":["x"],"nonResourceAttributes":{"path":"/healthz","verb":"get"}}`,
			auth.Decision{Verdict: auth.Deny, Err: errors.New("broken")},
			request.User{Groups: []string{"x"}}, request.Info{Verb: "get", Path: "/healthz"},
			`{"allowed":false,"denied":true,"evaluationError":"broken"}`},
		{"SelfSubjectAccessReview", "", `{"user":"bob","resourceAttributes":{"verb":"list","resource":"nodes"}}`,
			auth.Decision{},
			request.User{Name: "alice", Groups: []string{"dev"}}, request.Info{IsResourceRequest: true, APIPrefix: "api", Verb: "list", Resource: "nodes"},
			`{"allowed":false}`},
		{"LocalSubjectAccessReview", "ns", `{"user":"bob",` + pods + `}`,
			auth.Decision{Verdict: auth.Allow},
			request.User{Name: "bob"},
			request.Info{IsResourceRequest: true, APIPrefix: "apis", Verb: "get", APIGroup: "apps", APIVersion: "v1", Namespace: "ns", Resource: "pods", Subresource: "log", Name: "n"},
			`{"allowed":true}`},
	} {
		a.answer, a.user, a.info = c.answer, nil, nil
		q := reviewCall(s, "authorization.k8s.io", c.kind, c.namespace)
		obj := map[string]any{"spec": parsed(t, c.spec), "status": map[string]any{"allowed": "said so"}}
		if err := q.review(q, obj); err != nil {
			t.Errorf("%s %s: %v", c.kind, c.spec, err)
			continue
		}
		if !tree.Equal(UserInfo(a.user), UserInfo(&c.user)) || *a.info != c.info {
			t.Errorf("%s %s: asked about %+v, %+v", c.kind, c.spec, a.user, a.info)
		}
		if !tree.Equal(obj["status"], parsed(t, c.status)) {
			t.Errorf("%s %s: %v, want %s", c.kind, c.spec, obj["status"], c.status)
		}
	}
}

// TestRefusedReviews: a question that does not ask one thing is refused in upstream's words, and
// nobody is asked.
func TestRefusedReviews(t *testing.T) {
	s, _ := testAPI(t, nil)
	a := &asked{}
	s.Config.Authorizer = a
	const none = `spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified`
	for _, c := range []struct{ kind, spec, want string }{
		{"SubjectAccessReview", `{"user":"bob"}`, `SubjectAccessReview.authorization.k8s.io "" is invalid: ` + none},
		{"SubjectAccessReview", `{"resourceAttributes":{}}`,
			`SubjectAccessReview.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified`},
		{"SubjectAccessReview", `{}`, `SubjectAccessReview.authorization.k8s.io "" is invalid: [` + none +
			`, spec.user: Invalid value: "": at least one of user or group must be specified]`},
		{"SelfSubjectAccessReview", `{"resourceAttributes":{},"nonResourceAttributes":{}}`,
			`SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec: Invalid value: {"Path":"","Verb":""}: exactly one of nonResourceAttributes or resourceAttributes must be specified`},
		{"SelfSubjectAccessReview", `{}`, `SelfSubjectAccessReview.authorization.k8s.io "" is invalid: ` + none},
		{"LocalSubjectAccessReview", `{"user":"bob","resourceAttributes":{"namespace":"other"}}`,
			`LocalSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace`},
		// What is wrong with the place is said last.
		{"LocalSubjectAccessReview", `{"nonResourceAttributes":{"path":"/x"}}`,
			`LocalSubjectAccessReview.authorization.k8s.io "" is invalid: [spec.user: Invalid value: "": at least one of user or group must be specified, ` +
				`spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":""}: disallowed on this kind of request]`},
		{"SelfSubjectRulesReview", `{}`, `no namespace on request`},
	} {
		q := reviewCall(s, "authorization.k8s.io", c.kind, "ns")
		err := q.review(q, map[string]any{"spec": parsed(t, c.spec)})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %s:\n got %v\nwant %s", c.kind, c.spec, err, c.want)
		}
	}
	if a.info != nil {
		t.Errorf("asked about %+v", a.info)
	}
}

// TestTokenReviewAnswers: by the token's audiences and those that are asked for.
func TestTokenReviewAnswers(t *testing.T) {
	s, _ := testAPI(t, nil)
	tokens := map[string][]string{"here": {auth.ServerAudience, "a", "b"}, "elsewhere": {"a"}}
	s.Config.WhoseToken = func(token string) (*request.User, []string) {
		if audiences := tokens[token]; audiences != nil {
			return &request.User{Name: "bob", UID: "7", Extra: map[string][]string{"k": {"v"}}}, audiences
		}
		return nil, nil
	}
	const bob = `"authenticated":true,"user":{"username":"bob","uid":"7","extra":{"k":["v"]}}`
	for _, c := range []struct{ spec, want string }{
		{`{"token":"here"}`, `{` + bob + `,"audiences":["` + auth.ServerAudience + `"]}`},
		{`{"token":"here","audiences":["b","c"]}`, `{` + bob + `,"audiences":["b"]}`},
		{`{"token":"elsewhere","audiences":["a"]}`, `{` + bob + `,"audiences":["a"]}`},
		{`{"token":"elsewhere"}`, `{"user":{},"error":"[invalid bearer token, token audiences [\"a\"] is invalid for the target audiences [\"` + auth.ServerAudience + `\"]]"}`},
		{`{"token":"here","audiences":["c"]}`, `{"user":{},"error":"[invalid bearer token, token audiences [\"` + auth.ServerAudience + `\" \"a\" \"b\"] is invalid for the target audiences [\"c\"]]"}`},
		{`{"token":"nobody's"}`, `{"user":{},"error":"` + auth.ErrInvalidToken.Error() + `"}`},
	} {
		q := reviewCall(s, "authentication.k8s.io", "TokenReview", "")
		obj := map[string]any{"spec": parsed(t, c.spec)}
		if err := q.review(q, obj); err != nil || !tree.Equal(obj["status"], parsed(t, c.want)) {
			t.Errorf("%s: %v, %v, want %s", c.spec, obj["status"], err, c.want)
		}
	}
	// What the tokens' owner keeps is not changed by being asked for less.
	if !slices.Equal(tokens["here"], []string{auth.ServerAudience, "a", "b"}) {
		t.Errorf("the audiences are now %q", tokens["here"])
	}
	q := reviewCall(s, "authentication.k8s.io", "TokenReview", "")
	if err := q.review(q, map[string]any{"spec": map[string]any{}}); err == nil ||
		err.Error() != "token is required for TokenReview in authentication" {
		t.Errorf("without a token: %v", err)
	}
	q = reviewCall(s, "authentication.k8s.io", "SelfSubjectReview", "")
	obj := map[string]any{}
	if err := q.review(q, obj); err != nil || !tree.Equal(obj["status"], parsed(t, `{"userInfo":{"username":"alice","groups":["dev"]}}`)) {
		t.Errorf("who am I: %v, %v", obj, err)
	}
}

// TestTokenLifetimes: ten minutes and 2^32 seconds are the bounds, and both are allowed.
func TestTokenLifetimes(t *testing.T) {
	const short, long = "may not specify a duration less than 10 minutes", "may not specify a duration larger than 2^32 seconds"
	for seconds, want := range map[int64]string{
		math.MinInt64: short, -1: short, 0: short, 599: short, 600: "", 601: "", 3600: "", 1 << 32: "", 1<<32 + 1: long, math.MaxInt64: long,
	} {
		var got string
		for _, e := range lifetimeErrors(seconds) {
			got += e.Field + ": " + e.Message
		}
		if want != "" {
			want = fmt.Sprintf("spec.expirationSeconds: Invalid value: %d: %s", seconds, want)
		}
		if got != want {
			t.Errorf("%d: %q, want %q", seconds, got, want)
		}
	}
}

// TestBindToken: what a token is bound to, and what v1.37.2 says where it cannot be.
func TestBindToken(t *testing.T) {
	s, _ := testAPI(t, nil)
	uids := map[string]string{}
	for _, text := range []string{
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}}`,
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"ns"}}`,
		`{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"free","namespace":"ns"},"spec":{"serviceAccountName":"account","containers":[{"name":"c","image":"i"}]}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"on","namespace":"ns"},"spec":{"serviceAccountName":"account","nodeName":"n","containers":[{"name":"c","image":"i"}]}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"lost","namespace":"ns"},"spec":{"serviceAccountName":"account","nodeName":"gone","containers":[{"name":"c","image":"i"}]}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"other","namespace":"ns"},"spec":{"serviceAccountName":"another","containers":[{"name":"c","image":"i"}]}}`,
	} {
		o, _, err := s.Apply(t.Context(), parsed(t, text))
		if err != nil {
			t.Fatal(err)
		}
		uids[o.Name()] = o.Meta.UID
	}
	ref := func(name string) *auth.Ref { return &auth.Ref{Name: name, UID: uids[name]} }
	const moved = ": the UID in the bound object reference (other) does not match the UID in record. The object might have been deleted and then recreated"
	q := s.Internal(s.Builtin("", "v1", "ServiceAccount"), "create", "ns", "account", "token")
	for _, c := range []struct {
		ref  string
		want auth.Bound
		err  string
	}{
		{`{"kind":"Secret","name":"s"}`, auth.Bound{Secret: ref("s")}, ""},
		{`{"kind":"Secret","apiVersion":"v1","name":"s","uid":"` + uids["s"] + `"}`, auth.Bound{Secret: ref("s")}, ""},
		{`{"kind":"Node","apiVersion":"v1","name":"n"}`, auth.Bound{Node: ref("n")}, ""},
		{`{"kind":"Pod","apiVersion":"v1","name":"free"}`, auth.Bound{Pod: ref("free")}, ""},
		{`{"kind":"Pod","apiVersion":"v1","name":"on"}`, auth.Bound{Pod: ref("on"), Node: ref("n")}, ""},
		{`{"kind":"Pod","apiVersion":"v1","name":"lost"}`, auth.Bound{Pod: ref("lost"), Node: ref("gone")}, ""},
		{`{"kind":"Pod","apiVersion":"v1","name":"other"}`, auth.Bound{}, `cannot bind token for serviceaccount "account" to pod running with different serviceaccount name.`},
		{`{"kind":"Pod","apiVersion":"v1","name":"free","uid":"other"}`, auth.Bound{}, `Operation cannot be fulfilled on Pod "free"` + moved},
		{`{"kind":"Node","apiVersion":"v1","name":"n","uid":"other"}`, auth.Bound{}, `Operation cannot be fulfilled on Node "n"` + moved},
		{`{"kind":"Secret","apiVersion":"v1","name":"s","uid":"other"}`, auth.Bound{}, `Operation cannot be fulfilled on Secret "s"` + moved},
		{`{"kind":"Pod","apiVersion":"v1","name":"none"}`, auth.Bound{}, `pods "none" not found`},
		{`{"kind":"Node","apiVersion":"v1","name":"none"}`, auth.Bound{}, `nodes "none" not found`},
		{`{"kind":"Secret","apiVersion":"v1","name":"none"}`, auth.Bound{}, `secrets "none" not found`},
		{`{"kind":"Pod","apiVersion":"v1"}`, auth.Bound{}, "Name parameter required."},
		{`{"kind":"ConfigMap","apiVersion":"v1","name":"x"}`, auth.Bound{}, "cannot bind token to object of type /v1, Kind=ConfigMap"},
		{`{"kind":"Pod","apiVersion":"apps/v1","name":"free"}`, auth.Bound{}, "cannot bind token to object of type apps/v1, Kind=Pod"},
		{`{}`, auth.Bound{}, "cannot bind token to object of type /, Kind="},
	} {
		b, err := q.bindToken(parsed(t, c.ref))
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v\nwant %s", c.ref, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(b, c.want) {
			t.Errorf("%s: %+v, %v", c.ref, b, err)
		}
	}
}

// TestAnyStrings: it is the way back from tree.Strings.
func TestAnyStrings(t *testing.T) {
	for _, list := range [][]string{nil, {}, {"a"}, {"a", "", "b"}} {
		back := anyStrings(list)
		if back == nil || !slices.Equal(tree.Strings(back), list) {
			t.Errorf("%q: %#v", list, back)
		}
	}
}

// TestReviewSelectors: what v1.37.2 answered to selectors that have no form, and which it could not read.
func TestReviewSelectors(t *testing.T) {
	const at, key = "spec.resourceAttributes.", "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
		"alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
	for _, c := range []struct{ attributes, want, unread string }{
		{`{}`, "", ""},
		{`{"fieldSelector":{"rawSelector":"a=b"},"labelSelector":{"rawSelector":"a in (b)"}}`, "", ""},
		{`{"fieldSelector":{},"labelSelector":{}}`,
			at + "fieldSelector.requirements: Required value: when " + at + "fieldSelector is specified, requirements or rawSelector is required|" +
				at + "labelSelector.requirements: Required value: when " + at + "labelSelector is specified, requirements or rawSelector is required", ""},
		{`{"fieldSelector":{"rawSelector":"a=b","requirements":[{}]}}`,
			at + `fieldSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements|` +
				at + "fieldSelector.requirements[0].key: Required value: must be specified", "fieldSelector ignored"},
		{`{"fieldSelector":{"requirements":[{"key":"a","operator":"In"},{"key":"a","operator":"Exists","values":["b"]}]}}`,
			at + "fieldSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'|" +
				at + "fieldSelector.requirements[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
			"fieldSelector ignored"},
		{`{"labelSelector":{"requirements":[{"key":"a b","operator":"X"}]}}`,
			at + `labelSelector.requirements[0].key: Invalid value: "a b": ` + key, "labelSelector ignored"},
		{`{"labelSelector":{"rawSelector":"a in ("},"fieldSelector":{"rawSelector":"a"}}`, "", "fieldSelector ignored|labelSelector ignored"},
		{`{"fieldSelector":{"requirements":[{"key":"a","operator":"In","values":["b","c"]},{"key":"b","operator":"NotIn","values":["b"]}]},
			"labelSelector":{"requirements":[{"key":"a","operator":"X"},{"key":"a","operator":"Exists"}]}}`,
			"", "fieldSelector partially ignored|labelSelector partially ignored"},
	} {
		obj := parsed(t, `{"spec":{"resourceAttributes":`+c.attributes+`}}`)
		var said []string
		for _, e := range selectorErrors(obj) {
			said = append(said, e.String())
		}
		if got := strings.Join(said, "|"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.attributes, got, c.want)
		}
		got := strings.NewReplacer(at, "", " due to parse error", "").Replace(strings.Join(unreadSelectors(obj), "|"))
		if got != c.unread {
			t.Errorf("%s\nunread %s\n  want %s", c.attributes, got, c.unread)
		}
	}
}

// TestReviewMetadata: an access review has no metadata, and what the server says of it counts for nothing.
func TestReviewMetadata(t *testing.T) {
	s, _ := testAPI(t, nil)
	s.Config.Authorizer = &asked{}
	for _, c := range []struct{ kind, metadata, want string }{
		{"SelfSubjectAccessReview", `{"uid":"u","creationTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":3,"namespace":"x"}`, ""},
		{"SelfSubjectAccessReview", `{"name":"x"}`, `metadata: Invalid value: {"name":"x"}: must be empty`},
		{"LocalSubjectAccessReview", `{"labels":{"a":"b"}}`,
			`metadata: Invalid value: {"labels":{"a":"b"},"namespace":"ns"}: must be empty except for namespace`},
	} {
		q := reviewCall(s, "authorization.k8s.io", c.kind, "ns")
		obj := parsed(t, `{"metadata":`+c.metadata+`,"spec":{"user":"u","resourceAttributes":{"namespace":"ns"}}}`)
		q.wipeReview(obj)
		got, begin := "", c.kind+`.authorization.k8s.io "" is invalid: `
		if err := q.review(q, obj); err != nil {
			got = strings.TrimPrefix(err.Error(), begin)
		}
		if got != c.want {
			t.Errorf("%s with %s\n got %s\nwant %s", c.kind, c.metadata, got, c.want)
		}
	}
}
