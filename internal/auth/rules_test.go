package auth

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/request"
)

// listed is an item of a rules review.
type listed struct{ Verbs, APIGroups, Resources, NonResourceURLs []string }

// rulesFor are what Rules lists for u, read as a client would.
func rulesFor(t testing.TB, a Authorizer, u *request.User) (resources, paths []listed, complete bool) {
	t.Helper()
	r, p, complete := Rules(a, u, "default")
	if r == nil || p == nil {
		t.Error("a list is null in the answer")
	}
	for _, part := range []struct {
		from []any
		to   *[]listed
	}{{r, &resources}, {p, &paths}} {
		b, err := json.Marshal(part.from)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, part.to); err != nil {
			t.Fatal(err)
		}
	}
	return resources, paths, complete
}

// matches reports whether a list has s, * or a prefix of s that ends in *.
func matches(list []string, s string) bool {
	return slices.ContainsFunc(list, func(item string) bool {
		prefix, ok := strings.CutSuffix(item, "*")
		return item == s || ok && strings.HasPrefix(s, prefix)
	})
}

// covered reports whether one of the rules listed is about a request.
func covered(resources, paths []listed, i *request.Info) bool {
	if i.IsResourceRequest {
		name := i.Resource
		if i.Subresource != "" {
			name += "/" + i.Subresource
		}
		return slices.ContainsFunc(resources, func(l listed) bool {
			return matches(l.Verbs, i.Verb) && matches(l.APIGroups, i.APIGroup) && matches(l.Resources, name)
		})
	}
	return slices.ContainsFunc(paths, func(l listed) bool { return matches(l.Verbs, i.Verb) && matches(l.NonResourceURLs, i.Path) })
}

// TestRulesSayWhatIsAllowed: a rules review and the authorizer are two views of one thing.
// Whatever is allowed is listed, and whatever is listed is allowed, but for paths with empty
// segments, which the form of the list cannot except.
func TestRulesSayWhatIsAllowed(t *testing.T) {
	const seed = 20261129
	rng := rand.New(rand.NewPCG(seed, 0))
	one := func(words ...string) string { return words[rng.IntN(len(words))] }
	authz := DefaultAuthorizer()
	allowed := 0
	for range 5000 {
		u := &request.User{Name: "u"}
		for range rng.IntN(4) {
			u.Groups = append(u.Groups, one(request.GroupMasters, request.GroupAuthenticated, request.GroupAuthenticated, request.GroupUnauthenticated, GroupView, GroupOperate, GroupDangerous, "dev"))
		}
		i := &request.Info{
			Verb: one("get", "list", "create", "head", RoleView, RoleOperate, RoleDangerous),
			Path: one("/healthz", "/healthz/ping", "/livez", "/readyz", "/version", "/api", "/api/", "/apis", "/apis/g/v", "/api//v1", "/openapi", "/openapi/v3",
				"/metrics", "/metrics/x", "/admin", "/admin/", "/admin/v1/drain", "/debug/pprof/", "/debug/pprof/heap", "/x"),
		}
		if rng.IntN(2) == 0 {
			i.IsResourceRequest, i.Namespace = true, one("", "default")
			i.APIGroup, i.Subresource = one("", "authentication.k8s.io", "authorization.k8s.io"), one("", "", "status")
			i.Resource = one("pods", "selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews")
		}
		d := authz.Authorize(t.Context(), u, i)
		resources, paths, complete := rulesFor(t, authz, u)
		if got := covered(resources, paths, i); got != (d.Verdict == Allow) && !strings.Contains(i.Path, "//") || !complete {
			t.Fatalf("%+v of %v: %v, listed %t, complete %t (seed %d)", i, u.Groups, d.Verdict, got, complete, seed)
		}
		if d.Verdict == Allow {
			allowed++
		}
	}
	if allowed < 750 {
		t.Errorf("%d requests were allowed: the others prove little", allowed)
	}
}

// TestRulesOfRoles: in which order and how often roles are listed.
func TestRulesOfRoles(t *testing.T) {
	for groups, want := range map[string]string{
		"":             "",
		"dev":          "",
		GroupView:      "view",
		GroupOperate:   "view operate",
		GroupDangerous: "view dangerous",
		GroupDangerous + "," + GroupOperate + "," + GroupView: "view operate dangerous",
	} {
		_, paths, complete := rulesFor(t, Authorizers{roleRules{}}, &request.User{Groups: strings.Split(groups, ",")})
		got := ""
		if len(paths) == 1 {
			got = strings.Join(paths[0].Verbs, " ")
		}
		if got != want || !complete || len(paths) > 1 {
			t.Errorf("%s: %q %v, want %q", groups, got, paths, want)
		}
	}
}

// TestRulesAreIncomplete as soon as one authorizer cannot list, however deep.
func TestRulesAreIncomplete(t *testing.T) {
	silent := always(NoOpinion, "", nil)
	u := &request.User{Groups: []string{request.GroupMasters}}
	for _, c := range []struct {
		a        Authorizer
		complete bool
		listed   int
	}{
		{Authorizers{}, true, 0}, {mastersRule{}, true, 1}, {silent, false, 0}, {Authorizers{silent, mastersRule{}}, false, 1},
		{Authorizers{mastersRule{}, Authorizers{mastersRule{}, silent}}, false, 2}, {Authorizers{Authorizers{mastersRule{}}}, true, 1},
	} {
		resources, paths, complete := rulesFor(t, c.a, u)
		if complete != c.complete || len(resources) != c.listed || len(paths) != c.listed {
			t.Errorf("%T: complete %t with %v and %v", c.a, complete, resources, paths)
		}
	}
	// Nobody at all is no member of anything.
	if resources, _, _ := rulesFor(t, DefaultAuthorizer(), nil); len(resources) != 0 {
		t.Errorf("nobody has %v", resources)
	}
}

// TestDecisionNamesItsRule: the rule that an operator is shown, and the reason beside it.
func TestDecisionNamesItsRule(t *testing.T) {
	authed := []string{request.GroupAuthenticated}
	for _, c := range []struct {
		groups       []string
		method, path string
		rule, reason string
	}{
		{nil, "GET", "/version", "get /version", "everybody may read health and version"},
		{authed, "GET", "/livez", "get /livez", "everybody may read health and version"},
		{authed, "GET", "/api", "get /api", "authenticated users may read the discovery documents"},
		{authed, "GET", "/api/v1", "get /api/", "authenticated users may read the discovery documents"},
		{authed, "GET", "/apis/apps/v1", "get /apis/", "authenticated users may read the discovery documents"},
		{authed, "GET", "/openapi/v3", "get /openapi/", "authenticated users may read the discovery documents"},
		{authed, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "create selfsubjectrulesreviews.authorization.k8s.io", "authenticated users may ask who they are and what they may do"},
		{authed, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "create selfsubjectreviews.authentication.k8s.io", "authenticated users may ask who they are and what they may do"},
		{[]string{request.GroupMasters, request.GroupAuthenticated}, "GET", "/version", "group system:masters", "system:masters may do everything"},
		{authed, "GET", "/api/v1/pods", "", ""},
	} {
		d := DefaultAuthorizer().Authorize(t.Context(), &request.User{Name: "u", Groups: c.groups}, mustResolve(t, c.method, c.path, ""))
		if d.Rule != c.rule || d.Reason != c.reason || (d.Verdict == Allow) != (c.rule != "") {
			t.Errorf("%s %s of %v: %+v, want the rule %q and %q", c.method, c.path, c.groups, d, c.rule, c.reason)
		}
	}
}

// TestRoleDecisions: the first group of the table is the reason, and no rule is named.
func TestRoleDecisions(t *testing.T) {
	for _, c := range []struct{ groups, verb, reason string }{
		{GroupView, RoleView, "apichain:view holds the role view"},
		{GroupDangerous + "," + GroupOperate, RoleView, "apichain:operate holds the role view"},
		{GroupOperate, RoleOperate, "apichain:operate holds the role operate"},
		{GroupDangerous, RoleDangerous, "apichain:dangerous holds the role dangerous"},
		{GroupView, RoleOperate, ""},
	} {
		u := &request.User{Groups: strings.Split(c.groups, ",")}
		i := &request.Info{Verb: c.verb, Path: "/admin/v1/routes"}
		d := DefaultAuthorizer().Authorize(t.Context(), u, i)
		if d.Reason != c.reason || d.Rule != "" || (d.Verdict == Allow) != (c.reason != "") {
			t.Errorf("%s of %s: %+v", c.verb, c.groups, d)
		}
	}
}
