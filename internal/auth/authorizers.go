package auth

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

// Verdict is what an authorizer has to say. Only allow lets a request pass; the zero
// value does not.
type Verdict int

const (
	NoOpinion Verdict = iota // another authorizer may know
	Allow
	Deny // nobody further is asked
)

func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	}
	return "no opinion"
}

// Decision is what an authorizer says of a request.
type Decision struct {
	Verdict Verdict
	Reason  string // tells a person by which rule; with anything but allow the client gets to see it, so it must not name secrets
	Rule    string // the rule that decided, for the operator; "" when there is none to name
	Err     error  // a rule could not be evaluated: the answer is a 500 unless somebody allows
}

// Authorizer decides whether u may do what ri says. Both are only read. It may be called
// concurrently.
type Authorizer interface {
	Authorize(ctx context.Context, u *request.User, ri *request.Info) Decision
}

// Authorizers asks one after another; the first allow or deny counts. Without one the
// reasons stand below each other and the errors are joined (upstream).
type Authorizers []Authorizer

func (as Authorizers) Authorize(ctx context.Context, u *request.User, ri *request.Info) Decision {
	var none Decision
	for _, a := range as {
		d := a.Authorize(ctx, u, ri)
		if d.Verdict != NoOpinion {
			return d
		}
		if none.Reason != "" && d.Reason != "" {
			none.Reason += "\n"
		}
		none.Reason += d.Reason
		if d.Err != nil {
			none.Err = errors.Join(none.Err, d.Err)
		}
	}
	return none
}

// DefaultAuthorizer holds what is allowed without any rule configured.
func DefaultAuthorizer() Authorizer {
	const health, discovery = "everybody may read health and version", "authenticated users may read the discovery documents"
	const self = "authenticated users may ask who they are and what they may do"
	return Authorizers{mastersRule{}, roleRules{}, newPathRules([]pathRule{
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

func (mastersRule) Authorize(_ context.Context, u *request.User, _ *request.Info) Decision {
	if u.In(request.GroupMasters) {
		return Decision{Verdict: Allow, Reason: request.GroupMasters + " may do everything", Rule: "group " + request.GroupMasters}
	}
	return Decision{}
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

func (rules pathRules) Authorize(_ context.Context, u *request.User, ri *request.Info) Decision {
	if ri.IsResourceRequest || ri.Verb != "get" {
		return Decision{}
	}
	for i := range rules {
		r := &rules[i]
		match := ri.Path == r.path || r.below && strings.HasPrefix(ri.Path, r.path) && !strings.Contains(ri.Path, "//")
		if match && (r.group == "" || u.In(r.group)) {
			return Decision{Verdict: Allow, Reason: r.reason, Rule: r.rule}
		}
	}
	return Decision{}
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

func (rules resourceRules) Authorize(_ context.Context, u *request.User, ri *request.Info) Decision {
	if !ri.IsResourceRequest || ri.Subresource != "" {
		return Decision{}
	}
	for i := range rules {
		r := &rules[i]
		if ri.Verb != r.verb || ri.APIGroup != r.apiGroup || !u.In(r.group) {
			continue
		}
		if n := slices.Index(r.resources, ri.Resource); n >= 0 {
			return Decision{Verdict: Allow, Reason: r.reason, Rule: r.rules[n]}
		}
	}
	return Decision{}
}

// The roles of the admin listener, as the verbs that it asks about.
const (
	RoleView      = "view"
	RoleOperate   = "operate"
	RoleDangerous = "dangerous"
)

// Without rules these groups hold the roles.
const (
	GroupView      = "apichain:view"
	GroupOperate   = "apichain:operate"
	groupDangerous = "apichain:dangerous"
)

// roleRules allow the roles of the admin listener, which are verbs on the paths of its
// endpoints. No other path is theirs: a client may send a method of any name.
type roleRules struct{}

func (roleRules) Authorize(_ context.Context, u *request.User, ri *request.Info) Decision {
	if ri.IsResourceRequest || ri.Path != "/metrics" && !strings.HasPrefix(ri.Path, "/admin/") && !strings.HasPrefix(ri.Path, "/debug/pprof/") {
		return Decision{}
	}
	var groups []string
	switch ri.Verb {
	case RoleView:
		groups = []string{GroupView, GroupOperate, groupDangerous}
	case RoleOperate:
		groups = []string{GroupOperate}
	case RoleDangerous:
		groups = []string{groupDangerous}
	}
	for _, group := range groups {
		if u.In(group) {
			return Decision{Verdict: Allow, Reason: group + " holds the role " + ri.Verb}
		}
	}
	return Decision{}
}

// Forbidden is the 403 for a request that nobody allowed, in upstream's words. reason is
// the authorizers'; "" adds nothing.
func Forbidden(u *request.User, ri *request.Info, reason string) *status.Error {
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
