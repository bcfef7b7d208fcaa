package expression

import (
	"context"

	"apichain/internal/auth"
	"apichain/internal/cel"
	"apichain/internal/cel/library"
	"apichain/internal/request"
	"apichain/internal/selector"
)

// Authority answers what expressions ask about rights, for one question of admission: what is asked twice is decided once. It belongs to
// one goroutine.
type Authority struct {
	ctx     context.Context
	decides auth.Authorizer
	user    *request.User
	decided map[library.Attributes]auth.Decision
	// authorizer and asked are the values of the two names, made when they are first needed.
	authorizer, asked cel.Value
}

// NewAuthority returns the authority for a user.
func NewAuthority(ctx context.Context, a auth.Authorizer, u *request.User) *Authority {
	return &Authority{ctx: ctx, decides: a, user: u}
}

// Values returns what authorizer is, and authorizer.requestResource for what is asked about, which is the same each time.
func (a *Authority) Values(group, resource, subresource, namespace, name string) (authorizer, asked cel.Value) {
	if a.asked.Kind() == cel.Opaque {
		return a.authorizer, a.asked
	}
	on := library.Attributes{Group: group, Resource: resource, Subresource: subresource, Namespace: namespace, Name: name}
	a.authorizer, a.asked = library.AuthorizerValue(a), library.ResourceValue(a, on)
	return a.authorizer, a.asked
}

// Authorize implements library.Authorizer.
func (a *Authority) Authorize(c library.Attributes) (allowed bool, reason string, err error) {
	d, ok := a.decided[c]
	if !ok {
		d = a.decides.Authorize(a.ctx, a.subject(c), infoOf(c))
		if a.decided == nil {
			a.decided = map[library.Attributes]auth.Decision{}
		}
		a.decided[c] = d
	}
	return d.Verdict == auth.Allow, d.Reason, d.Err
}

// subject returns who is asked about.
func (a *Authority) subject(c library.Attributes) *request.User {
	namespace, name := c.AccountNamespace, c.ServiceAccount
	if name == "" {
		return a.user
	}
	return &request.User{
		Name:   request.ServiceAccountUserPrefix + namespace + ":" + name,
		Groups: []string{request.GroupServiceAccounts, request.ServiceAccountGroupPrefix + namespace},
	}
}

// infoOf returns a check as a request. A selector that cannot be read counts as none (upstream).
func infoOf(c library.Attributes) *request.Info {
	if c.Path != "" {
		return &request.Info{Path: c.Path, Verb: c.Verb}
	}
	if _, err := selector.ParseFields(c.FieldSelector); err != nil {
		c.FieldSelector = ""
	}
	if _, err := selector.ParseLabels(c.LabelSelector); err != nil {
		c.LabelSelector = ""
	}
	return &request.Info{
		IsResourceRequest: true, Verb: c.Verb, APIPrefix: "apis", APIGroup: c.Group, APIVersion: "*", Resource: c.Resource,
		Subresource: c.Subresource, Namespace: c.Namespace, Name: c.Name, FieldSelector: c.FieldSelector, LabelSelector: c.LabelSelector,
	}
}
