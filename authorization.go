package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"apichain/internal/request"
	"apichain/internal/status"
)

// authVerdict is what an authorizer has to say. Only allow lets a request pass; the zero
// value does not.
type authVerdict int

const (
	noOpinion authVerdict = iota // another authorizer may know
	allow
	deny // nobody further is asked
)

func (v authVerdict) String() string {
	switch v {
	case allow:
		return "allow"
	case deny:
		return "deny"
	}
	return "no opinion"
}

// decision is what an authorizer says of a request.
type decision struct {
	verdict authVerdict
	reason  string // tells a person by which rule; with anything but allow the client gets to see it, so it must not name secrets
	rule    string // the rule that decided, for the operator; "" when there is none to name
	err     error  // a rule could not be evaluated: the answer is a 500 unless somebody allows
}

// authorizer decides whether u may do what ri says. Both are only read. It may be called
// concurrently.
type authorizer interface {
	authorize(ctx context.Context, u *request.User, ri *request.Info) decision
}

// authorizers asks one after another; the first allow or deny counts. Without one the
// reasons stand below each other and the errors are joined (upstream).
type authorizers []authorizer

func (as authorizers) authorize(ctx context.Context, u *request.User, ri *request.Info) decision {
	var none decision
	for _, a := range as {
		d := a.authorize(ctx, u, ri)
		if d.verdict != noOpinion {
			return d
		}
		if none.reason != "" && d.reason != "" {
			none.reason += "\n"
		}
		none.reason += d.reason
		if d.err != nil {
			none.err = errors.Join(none.err, d.err)
		}
	}
	return none
}

// defaultAuthorizer holds what is allowed without any rule configured.
func defaultAuthorizer() authorizer {
	const health, discovery = "everybody may read health and version", "authenticated users may read the discovery documents"
	const self = "authenticated users may ask who they are and what they may do"
	return authorizers{mastersRule{}, roleRules{}, newPathRules([]pathRule{
		{path: "/healthz", reason: health},
		{path: "/livez", reason: health},
		{path: "/readyz", reason: health},
		{path: "/version", reason: health},
		{path: "/api", group: request.GroupAuthenticated, reason: discovery},
		{path: "/apis", group: request.GroupAuthenticated, reason: discovery},
		{path: "/api/", below: true, group: request.GroupAuthenticated, reason: discovery},
		{path: "/apis/", below: true, group: request.GroupAuthenticated, reason: discovery},
		{path: "/openapi/", below: true, group: request.GroupAuthenticated, reason: discovery},
	}), newResourceRules([]resourceRule{
		{verb: "create", apiGroup: "authentication.k8s.io", resources: []string{"selfsubjectreviews"}, group: request.GroupAuthenticated, reason: self},
		{verb: "create", apiGroup: "authorization.k8s.io", resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}, group: request.GroupAuthenticated, reason: self},
	})}
}

// mastersRule allows everything to the members of system:masters.
type mastersRule struct{}

func (mastersRule) authorize(_ context.Context, u *request.User, _ *request.Info) decision {
	if u.In(request.GroupMasters) {
		return decision{verdict: allow, reason: request.GroupMasters + " may do everything", rule: "group " + request.GroupMasters}
	}
	return decision{}
}

// pathRules allow get, and not even head, of paths that are no resources (upstream's
// discovery roles). Without below a path is exact: /readyz does not open /readyz/ping.
// Below a path an empty segment is never allowed, because it is what makes a path no
// resource request that would else be one.
type pathRules []pathRule

type pathRule struct {
	path   string
	below  bool
	group  string // who; "" is everybody
	reason string
	rule   string // how a decision names it: made once, so that deciding allocates nothing
}

func newPathRules(rules []pathRule) pathRules {
	for i := range rules {
		rules[i].rule = "get " + rules[i].path
	}
	return rules
}

func (rules pathRules) authorize(_ context.Context, u *request.User, ri *request.Info) decision {
	if ri.IsResourceRequest || ri.Verb != "get" {
		return decision{}
	}
	for i := range rules {
		r := &rules[i]
		match := ri.Path == r.path || r.below && strings.HasPrefix(ri.Path, r.path) && !strings.Contains(ri.Path, "//")
		if match && (r.group == "" || u.In(r.group)) {
			return decision{verdict: allow, reason: r.reason, rule: r.rule}
		}
	}
	return decision{}
}

// resourceRules allow a verb on resources, wherever they are (upstream's role for basic
// users). A subresource is another resource.
type resourceRules []resourceRule

type resourceRule struct {
	verb, apiGroup string // a named group, not the core
	resources      []string
	group          string // who
	reason         string
	rules          []string // how a decision names each of the resources
}

func newResourceRules(rules []resourceRule) resourceRules {
	for i := range rules {
		for _, resource := range rules[i].resources {
			rules[i].rules = append(rules[i].rules, rules[i].verb+" "+resource+"."+rules[i].apiGroup)
		}
	}
	return rules
}

func (rules resourceRules) authorize(_ context.Context, u *request.User, ri *request.Info) decision {
	if !ri.IsResourceRequest || ri.Subresource != "" {
		return decision{}
	}
	for i := range rules {
		r := &rules[i]
		if ri.Verb != r.verb || ri.APIGroup != r.apiGroup || !u.In(r.group) {
			continue
		}
		if n := slices.Index(r.resources, ri.Resource); n >= 0 {
			return decision{verdict: allow, reason: r.reason, rule: r.rules[n]}
		}
	}
	return decision{}
}

// The roles of the admin listener, as the verbs that it asks about.
const (
	roleView      = "view"
	roleOperate   = "operate"
	roleDangerous = "dangerous"
)

// Without rules these groups hold the roles.
const (
	groupView      = "apichain:view"
	groupOperate   = "apichain:operate"
	groupDangerous = "apichain:dangerous"
)

// roleRules allow the roles of the admin listener, which are verbs on the paths of its
// endpoints. No other path is theirs: a client may send a method of any name.
type roleRules struct{}

func (roleRules) authorize(_ context.Context, u *request.User, ri *request.Info) decision {
	if ri.IsResourceRequest || ri.Path != "/metrics" && !strings.HasPrefix(ri.Path, "/admin/") && !strings.HasPrefix(ri.Path, "/debug/pprof/") {
		return decision{}
	}
	var groups []string
	switch ri.Verb {
	case roleView:
		groups = []string{groupView, groupOperate, groupDangerous}
	case roleOperate:
		groups = []string{groupOperate}
	case roleDangerous:
		groups = []string{groupDangerous}
	}
	for _, group := range groups {
		if u.In(group) {
			return decision{verdict: allow, reason: group + " holds the role " + ri.Verb}
		}
	}
	return decision{}
}

// forbidden is the 403 for a request that nobody allowed, in upstream's words. reason is
// the authorizers'; "" adds nothing.
func forbidden(u *request.User, ri *request.Info, reason string) *status.Error {
	name := ""
	if u != nil {
		name = u.Name
	}
	e := &status.Error{Code: http.StatusForbidden, Reason: "Forbidden", NoSniff: true}
	what := fmt.Sprintf("User %q cannot %s path %q", name, ri.Verb, ri.Path)
	subject := "forbidden"
	if ri.IsResourceRequest {
		e.Details = &status.Details{Name: ri.Name, Group: ri.APIGroup, Kind: ri.Resource}
		resource, scope := ri.Resource, "at the cluster scope"
		if ri.Subresource != "" {
			resource += "/" + ri.Subresource
		}
		if ri.Namespace != "" {
			scope = fmt.Sprintf("in the namespace %q", ri.Namespace)
		}
		what = fmt.Sprintf("User %q cannot %s resource %q in API group %q %s", name, ri.Verb, resource, ri.APIGroup, scope)
		subject = ri.Resource
		if ri.APIGroup != "" {
			subject += "." + ri.APIGroup
		}
		if ri.Name != "" {
			subject += fmt.Sprintf(" %q", ri.Name)
		}
		subject += " is forbidden"
	} else {
		e.Details = &status.Details{}
	}
	e.Message = subject + ": " + status.EscapeMarkup(what)
	if reason != "" {
		e.Message += ": " + reason
	}
	return e
}
