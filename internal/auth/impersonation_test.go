package auth

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/status"
)

// impersonators is the authorizer of upstream's table: the groups of the asking user say
// what it may impersonate.
var impersonators = decide(func(u *request.User, ri *request.Info) Decision {
	group := func(i int) string {
		if i < len(u.Groups) {
			return u.Groups[i]
		}
		return ""
	}
	switch u.Name {
	case "system:admin":
		return Decision{Verdict: Allow}
	case "tester":
		return Decision{Err: errors.New("works on my machine")}
	case "deny-me":
		return Decision{Verdict: Deny, Reason: "denied"}
	}
	what := ri.APIGroup + "/" + ri.Resource
	if ri.Subresource != "" {
		what += "/" + ri.Subresource
	}
	may := false
	if ri.Verb == "impersonate" && ri.IsResourceRequest {
		switch group(0) {
		case "wheel", "regular-impersonater":
			may = what == "/users"
		case "sa-impersonater":
			may = what == "/serviceaccounts" && ri.Namespace == "foo" && ri.Name == "default"
		case "everything-impersonater":
			may = what == "/users" || what == "/groups" || what == "authentication.k8s.io/userextras/scopes" ||
				what == "authentication.k8s.io/uids" && ri.Name == "some-uid"
		}
		switch group(1) {
		case "group-impersonater":
			may = may || what == "/groups"
		case "extra-setter-scopes":
			may = may || what == "authentication.k8s.io/userextras/scopes"
		case "extra-setter-particular-scopes":
			may = may || what == "authentication.k8s.io/userextras/scopes" && ri.Name == "scope-a"
		case "extra-setter-project":
			may = may || what == "authentication.k8s.io/userextras/project"
		case "any-extra":
			may = may || ri.Resource == "userextras"
		}
	}
	if may {
		return Decision{Verdict: Allow}
	}
	return Decision{Reason: "deny by default"}
})

func TestImpersonate(t *testing.T) {
	const bad, no = http.StatusBadRequest, http.StatusForbidden
	dev := func(groups ...string) *request.User { return &request.User{Name: "dev", Groups: groups} }
	admin, tester := &request.User{Name: "system:admin"}, &request.User{Name: "tester"}
	scopes := map[string][]string{"scopes": {"scope-a", "scope-b"}}
	for _, tc := range []struct {
		name    string
		real    *request.User
		headers string // Name: value; one a line, without the prefix Impersonate-
		want    *request.User
		code    int
		message string
	}{
		{"not impersonating", tester, "", nil, 0, ""},
		{"empty user", tester, "User:", nil, 0, ""},
		{"error", tester, "User: anyone", nil, no, `users "anyone" is forbidden: User "tester" cannot impersonate resource "users" in API group "" at the cluster scope`},
		{"denied", &request.User{Name: "deny-me"}, "User: anyone", nil, no, `users "anyone" is forbidden: User "deny-me" cannot impersonate resource "users" in API group "" at the cluster scope: denied`},
		{"group without user", tester, "Group: some-group", nil, bad, `requested [{Group  some-group    }] without impersonating a user`},
		{"extra without user", tester, "Extra-Scopes: scope-a", nil, bad, `requested [{UserExtra  scope-a  authentication.k8s.io/v1  scopes}] without impersonating a user`},
		{"UID without user", tester, "Uid: some-uid", nil, bad, `requested [{UID  some-uid  authentication.k8s.io/v1  }] without impersonating a user`},
		{"all without user", admin, "User:\nUid: u\nGroup: g\nExtra-B: 2\nExtra-A: 1", nil, bad,
			`requested [{Group  g    } {UserExtra  1  authentication.k8s.io/v1  a} {UserExtra  2  authentication.k8s.io/v1  b} {UID  u  authentication.k8s.io/v1  }] without impersonating a user`},
		{"group refused", dev("wheel"), "User: system:admin\nGroup: some-group", nil, no, `groups "some-group" is forbidden: User "dev" cannot impersonate resource "groups" in API group "" at the cluster scope: deny by default`},
		{"group", dev("wheel", "group-impersonater"), "User: system:admin\nGroup: some-group", &request.User{Name: "system:admin", Groups: []string{"some-group", request.GroupAuthenticated}}, 0, ""},
		{"extra refused, group first", dev("wheel"), "User: system:admin\nGroup: some-group\nExtra-Scopes: scope-a", nil, no, `groups "some-group" is forbidden`},
		{"extra refused", dev("wheel", "extra-setter-project"), "User: system:admin\nExtra-Scopes: scope-a", nil, no,
			`userextras.authentication.k8s.io "scope-a" is forbidden: User "dev" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope: deny by default`},
		{"second extra refused", dev("wheel", "extra-setter-particular-scopes"), "User: system:admin\nExtra-Scopes: scope-a\nExtra-Scopes: scope-b", nil, no, `userextras.authentication.k8s.io "scope-b" is forbidden`},
		{"extra", dev("wheel", "extra-setter-scopes"), "User: system:admin\nExtra-Scopes: scope-a\nExtra-Scopes: scope-b", &request.User{Name: "system:admin", Groups: []string{request.GroupAuthenticated}, Extra: scopes}, 0, ""},
		{"escaped extra", dev("wheel", "any-extra"), "User: system:admin\nExtra-Example.com%2fescaped%e1%9b%84scopes: a", &request.User{Name: "system:admin", Groups: []string{request.GroupAuthenticated}, Extra: map[string][]string{"example.com/escapedᛄscopes": {"a"}}}, 0, ""},
		{"almost escaped extra", dev("wheel", "any-extra"), "User: system:admin\nExtra-Almost%Zzpercent%Xxencoded: a", &request.User{Name: "system:admin", Groups: []string{request.GroupAuthenticated}, Extra: map[string][]string{"almost%zzpercent%xxencoded": {"a"}}}, 0, ""},
		{"user", dev("regular-impersonater"), "User: tester", &request.User{Name: "tester", Groups: []string{request.GroupAuthenticated}}, 0, ""},
		{"user refused", dev("sa-impersonater"), "User: tester", nil, no, `users "tester" is forbidden`},
		{"service account", dev("sa-impersonater"), "User: system:serviceaccount:foo:default",
			&request.User{Name: "system:serviceaccount:foo:default", Groups: []string{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + "foo", request.GroupAuthenticated}}, 0, ""},
		{"service account refused", dev("wheel"), "User: system:serviceaccount:foo:default", nil, no,
			`serviceaccounts "default" is forbidden: User "dev" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "foo": deny by default`},
		{"service account with groups", admin, "User: system:serviceaccount:foo:default\nGroup: g", &request.User{Name: "system:serviceaccount:foo:default", Groups: []string{"g", request.GroupAuthenticated}}, 0, ""},
		{"no service account", admin, "User: system:serviceaccount:Foo:default", &request.User{Name: "system:serviceaccount:Foo:default", Groups: []string{request.GroupAuthenticated}}, 0, ""},
		{"anonymous", admin, "User: system:anonymous", &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}, 0, ""},
		{"anonymous with the group", admin, "User: system:anonymous\nGroup: system:unauthenticated", &request.User{Name: request.UserAnonymous, Groups: []string{request.GroupUnauthenticated}}, 0, ""},
		{"unauthenticated", admin, "User: unknown\nGroup: system:unauthenticated", &request.User{Name: "unknown", Groups: []string{request.GroupUnauthenticated}}, 0, ""},
		{"authenticated", admin, "User: unknown\nGroup: system:authenticated", &request.User{Name: "unknown", Groups: []string{request.GroupAuthenticated}}, 0, ""},
		{"group and authenticated", dev("wheel", "group-impersonater"), "User: system:admin\nGroup: some-group\nGroup: system:authenticated", &request.User{Name: "system:admin", Groups: []string{"some-group", request.GroupAuthenticated}}, 0, ""},
		{"masters by the legacy verb", dev("wheel", "group-impersonater"), "User: x\nGroup: system:masters", &request.User{Name: "x", Groups: []string{request.GroupMasters, request.GroupAuthenticated}}, 0, ""},
		{"UID", dev("everything-impersonater"), "User: tester\nUid: some-uid", &request.User{Name: "tester", UID: "some-uid", Groups: []string{request.GroupAuthenticated}}, 0, ""},
		{"UID refused", dev("everything-impersonater"), "User: tester\nUid: other", nil, no, `uids.authentication.k8s.io "other" is forbidden`},
		{"everything", dev("everything-impersonater"), "User: tester\nUid: some-uid\nGroup: system:authenticated\nExtra-Scopes: scope-a\nExtra-Scopes: scope-b",
			&request.User{Name: "tester", UID: "some-uid", Groups: []string{request.GroupAuthenticated}, Extra: scopes}, 0, ""},
	} {
		h := http.Header{"Accept": {"*/*"}}
		for line := range strings.SplitSeq(tc.headers, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				h["Impersonate-"+name] = append(h["Impersonate-"+name], strings.TrimSpace(value))
			}
		}
		got, err := Impersonate(t.Context(), impersonators, tc.real, h)
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
		var e *status.Error
		switch {
		case tc.code == 0 && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.code == 0 && len(h) != 1:
			t.Errorf("%s: headers left: %v", tc.name, h)
		case tc.code != 0 && (!errors.As(err, &e) || e.Code != tc.code || !strings.HasPrefix(e.Message, tc.message)):
			t.Errorf("%s:\n got %v\nwant %d %s", tc.name, err, tc.code, tc.message)
		}
	}
}

func TestServiceAccountNames(t *testing.T) {
	long := strings.Repeat("a", 64)
	for name, want := range map[string]string{
		"system:serviceaccount:ns:name":               "ns name",
		"system:serviceaccount:0-0:a.b-c.d":           "0-0 a.b-c.d",
		"system:serviceaccount:ns:" + long:            "ns " + long,
		"system:serviceaccount:" + long + ":name":     "",
		"system:serviceaccount:ns:a:b":                "",
		"system:serviceaccount:ns:":                   "",
		"system:serviceaccount::name":                 "",
		"system:serviceaccount:ns":                    "",
		"system:serviceaccount:n.s:name":              "",
		"system:serviceaccount:-ns:name":              "",
		"system:serviceaccount:ns-:name":              "",
		"system:serviceaccount:ns:a..b":               "",
		"system:serviceaccount:ns:.a":                 "",
		"system:serviceaccount:ns:A":                  "",
		"system:serviceaccount:ns:" + long[:60] + "é": "",
		"system:serviceaccounts:ns":                   "",
		"":                                            "",
	} {
		got := ""
		if ns, n, ok := serviceAccount(name); ok {
			got = ns + " " + n
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if field.IsDNSSubdomain(strings.Repeat("a.", 126)+"aa") || !field.IsDNSSubdomain(strings.Repeat("a.", 126)+"a") {
		t.Error("a subdomain may have 253 bytes and no more")
	}
}

func TestImpersonateAllocations(t *testing.T) {
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {"x"}, "Authorization": {"Bearer x"}, "Content-Type": {"a/b"}}
	u, ctx := &request.User{Name: "bob"}, t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = Impersonate(ctx, impersonators, u, h) }); n != 0 {
		t.Errorf("without impersonation: %v allocations, want 0", n)
	}
}

// TestImpersonationOrder: every item is asked for on its own, in one order, and nothing
// behind the first refusal. A refused request keeps its headers.
func TestImpersonationOrder(t *testing.T) {
	h := http.Header{
		"Impersonate-User": {"system:serviceaccount:n:a"}, "Impersonate-Group": {"g2", "g1"}, "Impersonate-Uid": {"7"},
		"Impersonate-Extra-B": {"2", "1"}, "Impersonate-Extra-A%2Fc": {"3"}, "Accept": {"*/*"},
	}
	order := []string{
		"serviceaccounts/ a n", "groups/ g2 ", "groups/ g1 ", "userextras/a/c 3 ", "userextras/b 2 ", "userextras/b 1 ", "uids/ 7 ",
	}
	for refuse := range len(order) + 1 {
		var asked []string
		authz := decide(func(u *request.User, i *request.Info) Decision {
			if u.Name != "asker" || i.Verb != "impersonate" || !i.IsResourceRequest || i.APIVersion != "v1" {
				t.Errorf("asked for %+v by %v", i, u)
			}
			if group := map[string]string{"userextras": "authentication.k8s.io", "uids": "authentication.k8s.io"}[i.Resource]; i.APIGroup != group {
				t.Errorf("%s in the group %q", i.Resource, i.APIGroup)
			}
			asked = append(asked, i.Resource+"/"+i.Subresource+" "+i.Name+" "+i.Namespace)
			if len(asked) == refuse+1 {
				return Decision{Verdict: Deny}
			}
			return Decision{Verdict: Allow}
		})
		sent := h.Clone()
		u, err := Impersonate(t.Context(), authz, &request.User{Name: "asker"}, sent)
		if want := order[:min(refuse+1, len(order))]; !reflect.DeepEqual(asked, want) {
			t.Errorf("refused at %d: asked %q, want %q", refuse, asked, want)
		}
		if refused := refuse < len(order); (err != nil) != refused || (u == nil) != refused || refused && !reflect.DeepEqual(sent, h) || !refused && len(sent) != 1 {
			t.Errorf("refused at %d: %v %v, left %v", refuse, u, err, sent)
		}
	}
}

// TestImpersonationNeedsAVerdict: unlike in the chain, an error is a refusal even beside an
// Allow, and its text stays with us.
func TestImpersonationNeedsAVerdict(t *testing.T) {
	secret := errors.New("the rule is broken")
	for _, d := range []Decision{{}, {Err: secret}, {Verdict: Allow, Err: secret}, {Verdict: Deny}} {
		authz := decide(func(*request.User, *request.Info) Decision { return d })
		u, err := Impersonate(t.Context(), authz, &request.User{Name: "a"}, http.Header{"Impersonate-User": {"b"}})
		var e *status.Error
		if u != nil || !errors.As(err, &e) || e.Code != 403 || strings.Contains(e.Message, "broken") || d.Err != nil && !errors.Is(err, secret) {
			t.Errorf("%+v: %v, %v", d, u, err)
		}
	}
}

// TestImpersonationHeaders: which names ask, and which only look alike.
func TestImpersonationHeaders(t *testing.T) {
	for name, want := range map[string]bool{
		"Impersonate-User": true, "Impersonate-Group": true, "Impersonate-Uid": true, "Impersonate-Extra-Scopes": true, "Impersonate-Extra-": true,
		"Impersonate-Users": false, "Impersonate-": false, "Impersonate-Extra": false, "X-Impersonate-User": false, "Impersonate-UID": false, "": false,
	} {
		if got := IsImpersonationHeader(name); got != want || Impersonates(http.Header{name: {"x"}, "Accept": {"y"}}) != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
}

// TestCompleteGroups: what is added is added once, and asking again adds nothing.
func TestCompleteGroups(t *testing.T) {
	for _, c := range []struct {
		name, groups string
		named        bool
		want         string
	}{
		{"bob", "", false, "system:authenticated"},
		{"bob", "dev", true, "dev system:authenticated"},
		{"bob", "system:authenticated", true, "system:authenticated"},
		{"bob", "system:unauthenticated", true, "system:unauthenticated"},
		{request.UserAnonymous, "", false, "system:unauthenticated"},
		{request.UserAnonymous, "system:authenticated", true, "system:authenticated system:unauthenticated"},
		{"system:serviceaccount:n:a", "", false, "system:serviceaccounts system:serviceaccounts:n system:authenticated"},
		{"system:serviceaccount:n:a", "dev", true, "dev system:authenticated"},
		{"system:serviceaccount:N:a", "", false, "system:authenticated"},
		{"system:node:a", "", false, "system:authenticated"},
	} {
		u := &request.User{Name: c.name, Groups: strings.Fields(c.groups)}
		CompleteGroups(u, c.named)
		if got := strings.Join(u.Groups, " "); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.name, c.groups, got, c.want)
		}
		if CompleteGroups(u, true); strings.Join(u.Groups, " ") != c.want {
			t.Errorf("%s of %q: then %q", c.name, c.groups, u.Groups)
		}
	}
}
