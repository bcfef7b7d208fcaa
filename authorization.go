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

// decision is what an authorizer says of a request. Only allow lets it pass; the zero
// value does not.
type decision int

const (
	noOpinion decision = iota // another authorizer may know
	allow
	deny // nobody further is asked
)

func (d decision) String() string {
	switch d {
	case allow:
		return "allow"
	case deny:
		return "deny"
	}
	return "no opinion"
}

// authorizer decides whether u may do what ri says. reason tells a person by which rule;
// with anything but allow the client gets to see it, so it must not name secrets. Whoever
// decides names the rule to dryExchange(ctx) too, if there is one. err
// says that a rule could not be evaluated, and makes the answer a 500 unless somebody
// allows. Both arguments are only read. It may be called concurrently.
type authorizer interface {
	authorize(ctx context.Context, u *request.User, ri *request.Info) (d decision, reason string, err error)
}

// authorizers asks one after another; the first allow or deny counts. Without one the
// reasons stand below each other and the errors are joined (upstream).
type authorizers []authorizer

func (as authorizers) authorize(ctx context.Context, u *request.User, ri *request.Info) (decision, string, error) {
	var reasons string
	var errs error
	for _, a := range as {
		d, reason, err := a.authorize(ctx, u, ri)
		if d != noOpinion {
			return d, reason, err
		}
		if reasons != "" && reason != "" {
			reasons += "\n"
		}
		reasons += reason
		if err != nil {
			errs = errors.Join(errs, err)
		}
	}
	return noOpinion, reasons, errs
}

// defaultAuthorizer holds what is allowed without any rule configured.
func defaultAuthorizer() authorizer {
	const health, discovery = "everybody may read health and version", "authenticated users may read the discovery documents"
	const self = "authenticated users may ask who they are and what they may do"
	return authorizers{mastersRule{}, roleRules{}, pathRules{
		{path: "/healthz", reason: health},
		{path: "/livez", reason: health},
		{path: "/readyz", reason: health},
		{path: "/version", reason: health},
		{path: "/api", group: request.GroupAuthenticated, reason: discovery},
		{path: "/apis", group: request.GroupAuthenticated, reason: discovery},
		{path: "/api/", below: true, group: request.GroupAuthenticated, reason: discovery},
		{path: "/apis/", below: true, group: request.GroupAuthenticated, reason: discovery},
		{path: "/openapi/", below: true, group: request.GroupAuthenticated, reason: discovery},
	}, resourceRules{
		{verb: "create", apiGroup: "authentication.k8s.io", resources: []string{"selfsubjectreviews"}, group: request.GroupAuthenticated, reason: self},
		{verb: "create", apiGroup: "authorization.k8s.io", resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}, group: request.GroupAuthenticated, reason: self},
	}}
}

// dryExchange is the exchange whose context ctx is, if it is only explained; else nil.
func dryExchange(ctx context.Context) *exchange {
	if x, _ := ctx.(*exchange); x != nil && x.dry != nil {
		return x
	}
	return nil
}

// mastersRule allows everything to the members of system:masters.
type mastersRule struct{}

func (mastersRule) authorize(ctx context.Context, u *request.User, _ *request.Info) (decision, string, error) {
	if u.In(request.GroupMasters) {
		if x := dryExchange(ctx); x != nil {
			x.because(request.GroupMasters+" may do everything", "group "+request.GroupMasters)
		}
		return allow, request.GroupMasters + " may do everything", nil
	}
	return noOpinion, "", nil
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
}

func (rules pathRules) authorize(ctx context.Context, u *request.User, ri *request.Info) (decision, string, error) {
	if ri.IsResourceRequest || ri.Verb != "get" {
		return noOpinion, "", nil
	}
	for i := range rules {
		r := &rules[i]
		match := ri.Path == r.path || r.below && strings.HasPrefix(ri.Path, r.path) && !strings.Contains(ri.Path, "//")
		if match && (r.group == "" || u.In(r.group)) {
			if x := dryExchange(ctx); x != nil {
				x.because(r.reason, "get "+r.path)
			}
			return allow, r.reason, nil
		}
	}
	return noOpinion, "", nil
}

// resourceRules allow a verb on resources, wherever they are (upstream's role for basic
// users). A subresource is another resource.
type resourceRules []resourceRule

type resourceRule struct {
	verb, apiGroup string
	resources      []string
	group          string // who
	reason         string
}

func (rules resourceRules) authorize(ctx context.Context, u *request.User, ri *request.Info) (decision, string, error) {
	if !ri.IsResourceRequest || ri.Subresource != "" {
		return noOpinion, "", nil
	}
	for i := range rules {
		r := &rules[i]
		if ri.Verb == r.verb && ri.APIGroup == r.apiGroup && slices.Contains(r.resources, ri.Resource) && u.In(r.group) {
			if x := dryExchange(ctx); x != nil {
				x.because(r.reason, r.verb+" "+qualifiedName(r.apiGroup, ri.Resource))
			}
			return allow, r.reason, nil
		}
	}
	return noOpinion, "", nil
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
