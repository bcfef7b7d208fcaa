package auth

import (
	"context"
	"slices"
	"strings"

	"apichain/internal/request"
)

// What is allowed without any rule configured, as upstream's bootstrap roles have it:
//
//	system:masters         everything
//	apichain:view etc.     the roles of the admin listener, which upstream does not have
//	everybody              get of health and version
//	authenticated users    get of the discovery documents
//	service accounts       get of the keys that verify their tokens
//	authenticated users    to ask who they are and what they may do
//
// Each line is a type of its own below, which decides about one request (Authorize) and
// lists what it allows (rules). None of them ever denies.

// DefaultAuthorizer returns an authorizer that allows what is listed above.
func DefaultAuthorizer() Authorizer {
	const health = "everybody may read health and version"
	const discovery = "authenticated users may read the discovery documents"
	const issuer = "service accounts may read by which keys their tokens are verified"
	const self = "authenticated users may ask who they are and what they may do"
	const authed = request.GroupAuthenticated
	return Authorizers{
		mastersRule{},
		roleRules{},
		newPathRules([]pathRule{
			{path: "/healthz", reason: health},
			{path: "/livez", reason: health},
			{path: "/readyz", reason: health},
			{path: "/version", reason: health},
			{path: "/version/", reason: health},
			{path: "/api", group: authed, reason: discovery},
			{path: "/apis", group: authed, reason: discovery},
			{path: "/api/", below: true, group: authed, reason: discovery},
			{path: "/apis/", below: true, group: authed, reason: discovery},
			{path: "/openapi/", below: true, group: authed, reason: discovery},
			{path: "/openid/v1/jwks", group: request.GroupServiceAccounts, reason: issuer},
			{path: "/.well-known/openid-configuration", group: request.GroupServiceAccounts, reason: issuer},
		}),
		newResourceRules([]resourceRule{
			{verb: "create", apiGroup: "authentication.k8s.io", group: authed, reason: self,
				resources: []string{"selfsubjectreviews"}},
			{verb: "create", apiGroup: "authorization.k8s.io", group: authed, reason: self,
				resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}},
		}),
	}
}

// mastersRule allows everything to the members of system:masters.
type mastersRule struct{}

// Authorize implements Authorizer.
func (mastersRule) Authorize(_ context.Context, u *request.User, _ *request.Info) Decision {
	if u.In(request.GroupMasters) {
		return Decision{Verdict: Allow, Reason: request.GroupMasters + " may do everything", Rule: "group " + request.GroupMasters}
	}
	return Decision{}
}

// rules lists everything, or nothing.
func (mastersRule) rules(u *request.User, _ string) (resources, paths []any) {
	if !u.In(request.GroupMasters) {
		return nil, nil
	}
	return everything()
}

// everything is the items of a rules review for somebody who may do everything.
func everything() (resources, paths []any) {
	all := []any{"*"}
	resources = []any{map[string]any{"verbs": all, "apiGroups": all, "resources": all}}
	return resources, []any{map[string]any{"verbs": all, "nonResourceURLs": all}}
}

// pathRules allow get, and not even head, of paths that are no resources (upstream's
// discovery roles). Without below a path is exact: /readyz does not open /readyz/ping.
//
// Below a path an empty segment is never allowed, because it is what makes a path no
// resource request that would else be one: /api//pods is no resource, and must not be read
// as part of the discovery documents either.
type pathRules []pathRule

// pathRule is one path, or all below it.
type pathRule struct {
	path   string // with below it ends in /
	below  bool
	group  string // who; "" is everybody
	reason string
	rule   string // how a decision names it
}

// newPathRules names the rules, once: deciding then allocates nothing.
func newPathRules(rules []pathRule) pathRules {
	for i := range rules {
		rules[i].rule = "get " + rules[i].path
	}
	return rules
}

// Authorize implements Authorizer.
func (rules pathRules) Authorize(_ context.Context, u *request.User, i *request.Info) Decision {
	if i.IsResourceRequest || i.Verb != "get" {
		return Decision{}
	}
	for n := range rules {
		r := &rules[n]
		match := i.Path == r.path || r.below && strings.HasPrefix(i.Path, r.path) && !strings.Contains(i.Path, "//")
		if match && (r.group == "" || u.In(r.group)) {
			return Decision{Verdict: Allow, Reason: r.reason, Rule: r.rule}
		}
	}
	return Decision{}
}

// rules lists the paths, with a * for what is below one.
func (rules pathRules) rules(u *request.User, _ string) (resources, paths []any) {
	for n := range rules {
		if r := &rules[n]; r.group == "" || u.In(r.group) {
			path := r.path
			if r.below {
				path += "*"
			}
			paths = append(paths, map[string]any{"verbs": []any{"get"}, "nonResourceURLs": []any{path}})
		}
	}
	return nil, paths
}

// resourceRules allow a verb on resources, in every version and wherever they are
// (upstream's role for basic users). A subresource is another resource.
type resourceRules []resourceRule

// resourceRule is one verb on resources of one group, which is not the core group.
type resourceRule struct {
	verb, apiGroup string
	resources      []string
	group          string // who
	reason         string
	rules          []string // how a decision names each of the resources
}

// newResourceRules names the rules, once: deciding then allocates nothing.
func newResourceRules(rules []resourceRule) resourceRules {
	for n := range rules {
		r := &rules[n]
		for _, resource := range r.resources {
			r.rules = append(r.rules, r.verb+" "+resource+"."+r.apiGroup)
		}
	}
	return rules
}

// Authorize implements Authorizer.
func (rules resourceRules) Authorize(_ context.Context, u *request.User, i *request.Info) Decision {
	if !i.IsResourceRequest || i.Subresource != "" {
		return Decision{}
	}
	for n := range rules {
		r := &rules[n]
		if i.Verb != r.verb || i.APIGroup != r.apiGroup || !u.In(r.group) {
			continue
		}
		if at := slices.Index(r.resources, i.Resource); at >= 0 {
			return Decision{Verdict: Allow, Reason: r.reason, Rule: r.rules[at]}
		}
	}
	return Decision{}
}

// rules lists the verbs with their resources; a namespace makes no difference.
func (rules resourceRules) rules(u *request.User, _ string) (resources, paths []any) {
	for n := range rules {
		r := &rules[n]
		if !u.In(r.group) {
			continue
		}
		var names []any
		for _, name := range r.resources {
			names = append(names, name)
		}
		resources = append(resources, map[string]any{"verbs": []any{r.verb}, "apiGroups": []any{r.apiGroup}, "resources": names})
	}
	return resources, nil
}

// The roles of the admin listener, as the verbs that it asks about on the paths of its
// endpoints. The names are the admin package's, which this one does not import.
const (
	RoleView      = "view"      // reads
	RoleOperate   = "operate"   // changes
	RoleDangerous = "dangerous" // reads what may hold secrets
)

// GroupView, GroupOperate and GroupDangerous hold the roles, where no rule says otherwise.
const (
	GroupView      = "apichain:view"
	GroupOperate   = "apichain:operate"
	GroupDangerous = "apichain:dangerous"
)

// roleHolders says which groups hold which role: all of them view, and beyond that each its
// own. Of two groups that a user is in the first one is the reason.
var roleHolders = [...]struct{ role, group, reason string }{
	{RoleView, GroupView, GroupView + " holds the role " + RoleView},
	{RoleView, GroupOperate, GroupOperate + " holds the role " + RoleView},
	{RoleView, GroupDangerous, GroupDangerous + " holds the role " + RoleView},
	{RoleOperate, GroupOperate, GroupOperate + " holds the role " + RoleOperate},
	{RoleDangerous, GroupDangerous, GroupDangerous + " holds the role " + RoleDangerous},
}

// roleRules allow the roles of the admin listener on the paths of its endpoints. No other
// path is theirs: a client may send a method of any name to the serving listeners, and VIEW
// of a handler's path must not be a way around its rules.
type roleRules struct{}

// Authorize implements Authorizer.
func (roleRules) Authorize(_ context.Context, u *request.User, i *request.Info) Decision {
	if i.IsResourceRequest || i.Path != "/metrics" && !strings.HasPrefix(i.Path, "/admin/") && !strings.HasPrefix(i.Path, "/debug/pprof/") {
		return Decision{}
	}
	for n := range roleHolders {
		if h := &roleHolders[n]; h.role == i.Verb && u.In(h.group) {
			return Decision{Verdict: Allow, Reason: h.reason}
		}
	}
	return Decision{}
}

// rules lists the roles of u as verbs on the endpoints.
func (roleRules) rules(u *request.User, _ string) (resources, paths []any) {
	var verbs []any
	for n := range roleHolders {
		// Roles stand together in the table: a second holder of one adds nothing.
		h := &roleHolders[n]
		if u.In(h.group) && (len(verbs) == 0 || verbs[len(verbs)-1] != h.role) {
			verbs = append(verbs, h.role)
		}
	}
	if verbs != nil {
		paths = []any{map[string]any{"verbs": verbs, "nonResourceURLs": []any{"/admin/*", "/debug/pprof/*", "/metrics"}}}
	}
	return nil, paths
}
