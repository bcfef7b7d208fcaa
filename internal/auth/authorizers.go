package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"apichain/internal/request"
	"apichain/internal/status"
)

// An authorizer says allow, deny, or that it has no opinion; then the next one is asked, and
// what nobody has allowed is forbidden. So rules can only add permissions, unless somebody
// denies. An error is no verdict: a rule that could not be evaluated might have allowed, so
// the others are still asked, and only where nobody allows it becomes the answer, a 500.
//
// A decision carries the rule that made it as data. Who explains a request shows the rule to
// an operator; everybody else ignores it, and since rules are named when they are made,
// deciding allocates nothing.
//
// New authorizers (RBAC) implement Authorizer, and ruler where they can list what somebody
// may do.

// Verdict is what an authorizer has to say. Only Allow lets a request pass; the zero
// value does not.
type Verdict int

// The verdicts.
const (
	NoOpinion Verdict = iota // another authorizer may know
	Allow
	Deny // nobody further is asked
)

// String names the verdict for people.
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	}
	return "no opinion"
}

// Decision holds what an authorizer says of a request. The zero value has no opinion.
type Decision struct {
	Verdict Verdict
	// Reason tells a person why. With anything but Allow the client gets to see it, so it
	// must not name secrets.
	Reason string
	// Rule names the rule that decided, for the operator; "" when there is none to name.
	Rule string
	// Err says that a rule could not be evaluated.
	Err error
}

// Authorizer decides whether u may do what i says. u is nil for nobody. Both are only read.
// It may be called concurrently, and must be done before ctx is.
type Authorizer interface {
	Authorize(ctx context.Context, u *request.User, i *request.Info) Decision
}

// Authorizers asks one after another; the first Allow or Deny counts. Without one the
// reasons stand below each other and the errors are joined (upstream).
type Authorizers []Authorizer

// Authorize implements Authorizer. It allocates only where several have no opinion but
// something to say.
func (as Authorizers) Authorize(ctx context.Context, u *request.User, i *request.Info) Decision {
	var none Decision
	for _, a := range as {
		d := a.Authorize(ctx, u, i)
		if d.Verdict != NoOpinion {
			// What the ones before had to say is dropped: they did not decide.
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

// ruler is an authorizer that can list what a user may do. Others make the answer of a
// rules review incomplete.
type ruler interface {
	rules(u *request.User, namespace string) (resources, paths []any)
}

// Rules lists what a may allow u in a namespace, as the items of resourceRules and
// nonResourceRules in a SelfSubjectRulesReview; neither is nil. complete says that there is
// nothing else. The lists are the caller's.
func Rules(a Authorizer, u *request.User, namespace string) (resources, paths []any, complete bool) {
	resources, paths, complete = []any{}, []any{}, true
	switch a := a.(type) {
	case Authorizers:
		for _, one := range a {
			r, p, ok := Rules(one, u, namespace)
			resources, paths, complete = append(resources, r...), append(paths, p...), complete && ok
		}
	case ruler:
		r, p := a.rules(u, namespace)
		resources, paths = append(resources, r...), append(paths, p...)
	default:
		complete = false
	}
	return resources, paths, complete
}

// Forbidden returns the 403 for a request that nobody allowed, in upstream's words. reason is
// the authorizers'; "" adds nothing. u is nil for nobody.
func Forbidden(u *request.User, i *request.Info, reason string) *status.Error {
	name := ""
	if u != nil {
		name = u.Name
	}
	e := &status.Error{Code: http.StatusForbidden, Reason: "Forbidden", NoSniff: true, Details: &status.Details{}}
	what := fmt.Sprintf("User %q cannot %s path %q", name, i.Verb, i.Path)
	subject := "forbidden"
	if i.IsResourceRequest {
		e.Details = &status.Details{Name: i.Name, Group: i.APIGroup, Kind: i.Resource}
		what = fmt.Sprintf("User %q cannot %s %s", name, i.Verb, resourceInWords(i))
		// Upstream names the object here as the API machinery's other errors do, without
		// its subresource.
		subject = i.Resource
		if i.APIGroup != "" {
			subject += "." + i.APIGroup
		}
		if i.Name != "" {
			subject += fmt.Sprintf(" %q", i.Name)
		}
		subject += " is forbidden"
	}
	// Name, verb and path are the client's, and a browser may show the text.
	e.Message = subject + ": " + status.EscapeMarkup(what)
	if reason != "" {
		e.Message += ": " + reason
	}
	return e
}

// resourceInWords says what a resource request is about, and where.
func resourceInWords(i *request.Info) string {
	resource, scope := i.Resource, "at the cluster scope"
	if i.Subresource != "" {
		resource += "/" + i.Subresource
	}
	if i.Namespace != "" {
		scope = fmt.Sprintf("in the namespace %q", i.Namespace)
	}
	return fmt.Sprintf("resource %q in API group %q %s", resource, i.APIGroup, scope)
}
