package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"apichain/internal/request"
)

// decide is an authorizer as a function.
type decide func(u *request.User, ri *request.Info) Decision

func (f decide) Authorize(_ context.Context, u *request.User, ri *request.Info) Decision {
	return f(u, ri)
}

func always(v Verdict, reason string, err error) Authorizer {
	return decide(func(*request.User, *request.Info) Decision {
		return Decision{Verdict: v, Reason: reason, Err: err}
	})
}

func mustResolve(t testing.TB, method, path, query string) *request.Info {
	t.Helper()
	ri := new(request.Info)
	if err := ri.Resolve(method, path, query); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return ri
}

func TestDefaultAuthorizer(t *testing.T) {
	anonymous := &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}
	user := &request.User{Name: "bob", Groups: []string{"dev", request.GroupAuthenticated}}
	master := &request.User{Name: "root", Groups: []string{request.GroupMasters}}
	const all, authed, masters = 0, 1, 2
	for _, tc := range []struct {
		method, path string
		from         int
	}{
		{"GET", "/healthz", all},
		{"GET", "/livez", all},
		{"GET", "/readyz", all},
		{"GET", "/version", all},
		{"GET", "/api", authed},
		{"GET", "/api/", authed},
		{"GET", "/api/v1", authed},
		{"GET", "/api/v1/", authed},
		{"GET", "/apis", authed},
		{"GET", "/apis/g", authed},
		{"GET", "/apis/g/v", authed},
		{"HEAD", "/healthz", masters},
		{"POST", "/healthz", masters},
		{"GET", "/readyz/ping", masters},
		{"GET", "/readyz/", masters},
		{"GET", "//readyz", masters},
		{"GET", "/readyzz", masters},
		{"GET", "/version/", all},
		{"GET", "/", masters},
		{"GET", "/metrics", masters},
		{"GET", "/apisx", masters},
		{"GET", "/openapi/v3", authed},
		{"GET", "/openapi/v3/apis/g/v", authed},
		{"GET", "/openapi", masters},
		{"GET", "/openapi//v3", masters},
		{"GET", "/debug/pprof/", masters},
		{"HEAD", "/api", masters},
		{"OPTIONS", "/apis", masters},
		{"DELETE", "/apis/g/v", masters},
		{"GET", "/api/v1/pods", masters},
		{"GET", "/apis/g/v/r", masters},
		{"GET", "/api//pods", masters},
		{"GET", "/api/v1/pods//", masters},
		{"GET", "/apis//v/r", masters},
		{"GET", "/apis/g/v/namespaces//r", masters},
		{"GET", "//apis", masters},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", authed},
		{"POST", "/apis/authorization.k8s.io/v1beta1/selfsubjectrulesreviews", authed},
		{"POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", authed},
		{"POST", "/apis/authentication.k8s.io/v1/selfsubjectaccessreviews", masters},
		{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", masters},
		{"POST", "/apis/authorization.k8s.io/v1/namespaces/ns/selfsubjectaccessreviews", authed},
		{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x/status", masters},
		{"GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", masters},
		{"PUT", "/apis/authentication.k8s.io/v1/selfsubjectreviews/x", masters},
	} {
		ri := mustResolve(t, tc.method, tc.path, "")
		for i, u := range []*request.User{anonymous, user, master, nil} {
			want := NoOpinion
			if i >= tc.from && u != nil || tc.from == all {
				want = Allow
			}
			d := DefaultAuthorizer().Authorize(t.Context(), u, ri)
			if d.Verdict != want || d.Err != nil || (d.Reason != "") != (want == Allow) {
				t.Errorf("%s %s by %+v: %+v; want %v", tc.method, tc.path, u, d, want)
			}
		}
	}
}

func TestAuthorizersOrder(t *testing.T) {
	e1, e2 := errors.New("one"), errors.New("two")
	for _, tc := range []struct {
		name   string
		as     Authorizers
		want   Verdict
		reason string
		err    string
	}{
		{"none", nil, NoOpinion, "", ""},
		{"allow first", Authorizers{always(Allow, "a", nil), always(Deny, "b", nil)}, Allow, "a", ""},
		{"deny first", Authorizers{always(Deny, "a", nil), always(Allow, "b", nil)}, Deny, "a", ""},
		{"goes on", Authorizers{always(NoOpinion, "a", nil), always(Allow, "b", nil)}, Allow, "b", ""},
		{"goes on after an error", Authorizers{always(NoOpinion, "", e1), always(Allow, "b", nil)}, Allow, "b", ""},
		{"reasons", Authorizers{always(NoOpinion, "a", nil), always(NoOpinion, "", nil), always(NoOpinion, "b", nil)}, NoOpinion, "a\nb", ""},
		{"errors", Authorizers{always(NoOpinion, "", e1), always(NoOpinion, "", e2)}, NoOpinion, "", "one\ntwo"},
		{"nested", Authorizers{Authorizers{always(NoOpinion, "a", e1)}, always(Deny, "d", nil)}, Deny, "d", ""},
	} {
		d := tc.as.Authorize(t.Context(), nil, nil)
		text := ""
		if d.Err != nil {
			text = d.Err.Error()
		}
		if d.Verdict != tc.want || d.Reason != tc.reason || text != tc.err {
			t.Errorf("%s: %v, %q, %q; want %v, %q, %q", tc.name, d.Verdict, d.Reason, text, tc.want, tc.reason, tc.err)
		}
	}
}

// TestVerdictNames: as they stand in logs and metrics; the zero value allows nothing.
func TestVerdictNames(t *testing.T) {
	for d, want := range map[Verdict]string{Allow: "allow", Deny: "deny", NoOpinion: "no opinion"} {
		if got := d.String(); got != want {
			t.Errorf("%d is %q, want %q", int(d), got, want)
		}
	}
	var zero Decision
	if zero.Verdict == Allow {
		t.Error("the zero decision allows")
	}
}

// TestRoleRules: which group holds which role, on which paths.
func TestRoleRules(t *testing.T) {
	authz := DefaultAuthorizer()
	for _, c := range []struct {
		groups, verb, path string
		want               bool
	}{
		{GroupView, "view", "/admin/", true},
		{GroupView, "view", "/metrics", true},
		{GroupView, "operate", "/admin/v1/drain", false},
		{GroupView, "dangerous", "/debug/pprof/", false},
		{GroupOperate, "view", "/admin/v1/routes", true},
		{GroupOperate, "operate", "/admin/v1/drain", true},
		{GroupOperate, "dangerous", "/admin/v1/snapshot", false},
		{GroupDangerous, "view", "/admin/v1/routes", true},
		{GroupDangerous, "dangerous", "/debug/pprof/", true},
		{GroupDangerous, "operate", "/admin/v1/snapshot", false},
		{GroupDangerous + "," + GroupOperate, "operate", "/admin/v1/snapshot", true},
		{request.GroupMasters, "operate", "/admin/v1/snapshot", true},
		{request.GroupAuthenticated, "view", "/admin/", false},
		{"", "view", "/admin/", false},
		{"APICHAIN:VIEW", "view", "/admin/", false},
		{GroupOperate, "get", "/admin/", false},
		{GroupOperate, "VIEW", "/admin/", false},
		// A client may send a method of any name to the serving side.
		{GroupOperate, "operate", "/healthz/ping", false},
		{GroupOperate, "view", "/admin", false},
		{GroupOperate, "view", "/metrics/slis", false},
		{GroupOperate, "view", "/", false},
	} {
		d := authz.Authorize(t.Context(), &request.User{Name: "u", Groups: strings.Split(c.groups, ",")}, &request.Info{Path: c.path, Verb: c.verb})
		if (d.Verdict == Allow) != c.want || d.Err != nil || c.want && d.Reason == "" {
			t.Errorf("%s, %s %s: %+v", c.groups, c.verb, c.path, d)
		}
	}
	if d := authz.Authorize(t.Context(), &request.User{Groups: []string{GroupOperate}}, &request.Info{IsResourceRequest: true, Path: "/admin/", Verb: "view", Resource: "secrets"}); d.Verdict == Allow {
		t.Error("a role opens a resource")
	}
}

func TestForbidden(t *testing.T) {
	u := &request.User{Name: "NAME"}
	for _, tc := range []struct {
		u      *request.User
		ri     request.Info
		reason string
		want   string
	}{
		{u, request.Info{Verb: "GET", Path: "/whatever"}, "",
			`"message":"forbidden: User \"NAME\" cannot GET path \"/whatever\"","reason":"Forbidden","details":{},"code":403}`},
		{u, request.Info{Verb: "GET", Path: "/<script>"}, "",
			`"message":"forbidden: User \"NAME\" cannot GET path \"/\u0026lt;script\u0026gt;\"","reason":"Forbidden","details":{},"code":403}`},
		{&request.User{Name: "<b>\n&"}, request.Info{Verb: "get", Path: "/"}, "",
			`"message":"forbidden: User \"\u0026lt;b\u0026gt;\\n\u0026amp;\" cannot get path \"/\"","reason":"Forbidden","details":{},"code":403}`},
		{nil, request.Info{Verb: "get", Path: "/"}, "",
			`"message":"forbidden: User \"\" cannot get path \"/\"","reason":"Forbidden","details":{},"code":403}`},
		{u, request.Info{IsResourceRequest: true, Verb: "get", Resource: "pod"}, "",
			`"message":"pod is forbidden: User \"NAME\" cannot get resource \"pod\" in API group \"\" at the cluster scope","reason":"Forbidden","details":{"kind":"pod"},"code":403}`},
		{u, request.Info{IsResourceRequest: true, Verb: "get", Resource: "pod", Name: "mypod"}, "",
			`"message":"pod \"mypod\" is forbidden: User \"NAME\" cannot get resource \"pod\" in API group \"\" at the cluster scope","reason":"Forbidden","details":{"name":"mypod","kind":"pod"},"code":403}`},
		{u, request.Info{IsResourceRequest: true, Verb: "get", Namespace: "test", APIGroup: "v2", Resource: "pod", Subresource: "quota"}, "",
			`"message":"pod.v2 is forbidden: User \"NAME\" cannot get resource \"pod/quota\" in API group \"v2\" in the namespace \"test\"","reason":"Forbidden","details":{"group":"v2","kind":"pod"},"code":403}`},
		{u, request.Info{IsResourceRequest: true, Verb: "get", Namespace: "ns1", APIGroup: "example.com", Resource: "widgets", Name: "w1"}, "no rule matched",
			`"message":"widgets.example.com \"w1\" is forbidden: User \"NAME\" cannot get resource \"widgets\" in API group \"example.com\" in the namespace \"ns1\": no rule matched","reason":"Forbidden","details":{"name":"w1","group":"example.com","kind":"widgets"},"code":403}`},
	} {
		e := Forbidden(tc.u, &tc.ri, tc.reason)
		contentType, body := e.Body(false)
		want := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",` + tc.want + "\n"
		if string(body) != want || contentType != "application/json" || !e.NoSniff || e.Code != 403 {
			t.Errorf("code %d, %s, nosniff %t\n got %swant %s", e.Code, contentType, e.NoSniff, body, want)
		}
	}
}

func BenchmarkAuthorize(b *testing.B) {
	authz := DefaultAuthorizer()
	for _, tc := range []struct {
		name, path string
		u          *request.User
	}{
		{"master", "/api/v1/namespaces/default/pods", &request.User{Name: "root", Groups: []string{request.GroupMasters, request.GroupAuthenticated}}},
		{"discovery", "/apis/example.com/v1", &request.User{Name: "bob", Groups: []string{"dev", request.GroupAuthenticated}}},
		{"nobody", "/metrics", &request.User{Name: "bob", Groups: []string{"dev", request.GroupAuthenticated}}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			ri := mustResolve(b, "GET", tc.path, "")
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = authz.Authorize(ctx, tc.u, ri)
			}
		})
	}
}

func TestAuthorizeAllocations(t *testing.T) {
	authz, ctx := DefaultAuthorizer(), t.Context()
	u := &request.User{Name: "bob", Groups: []string{request.GroupAuthenticated}}
	for _, path := range []string{"/healthz", "/apis/g/v", "/metrics", "/api/v1/pods"} {
		ri := mustResolve(t, "GET", path, "")
		if n := testing.AllocsPerRun(100, func() { _ = authz.Authorize(ctx, u, ri) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", path, n)
		}
	}
}
