package main

import (
	"context"
	"net/http"
	"slices"
)

// Reviews: questions that the program's own authenticators and authorizer answer. They are
// created and never stored.

// review answers a review: it fills in obj's status, or refuses.
type review func(q *call, obj map[string]any) error

// reviews are the answers by kind.
func reviews() map[string]review {
	return map[string]review{
		"TokenReview":              reviewToken,
		"SelfSubjectReview":        reviewSelf,
		"SubjectAccessReview":      reviewAccess,
		"LocalSubjectAccessReview": reviewLocalAccess,
		"SelfSubjectAccessReview":  reviewSelfAccess,
		"SelfSubjectRulesReview":   reviewSelfRules,
	}
}

// answerReview is create for a kind that is only reviewed.
func (q *call) answerReview() error {
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	if err := q.checkNamespace(metadataOf(obj)); err != nil {
		return err
	}
	if err := q.reviewed(q, obj); err != nil {
		return err
	}
	return q.answerTree(http.StatusCreated, obj)
}

// userInfo is a user as upstream's authentication.k8s.io/v1 UserInfo.
func userInfo(u *User) map[string]any {
	info := map[string]any{"username": u.Name}
	if u.UID != "" {
		info["uid"] = u.UID
	}
	if len(u.Groups) > 0 {
		info["groups"] = anyStrings(u.Groups)
	}
	if len(u.Extra) > 0 {
		extra := map[string]any{}
		for k, v := range u.Extra {
			extra[k] = anyStrings(v)
		}
		info["extra"] = extra
	}
	return info
}

func anyStrings(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func reviewToken(q *call, obj map[string]any) error {
	token := textAt(obj, "spec", "token")
	if token == "" {
		return badRequest("token is required for TokenReview in authentication")
	}
	status := map[string]any{"user": map[string]any{}}
	obj["status"] = status
	u, audiences := q.rest.program.authn.byToken(token)
	if u == nil {
		status["error"] = errInvalidToken.Error()
		return nil
	}
	if wanted := textsOf(listAt(obj, "spec", "audiences")); len(wanted) > 0 {
		audiences = slices.DeleteFunc(slices.Clone(audiences), func(a string) bool { return !slices.Contains(wanted, a) })
		if len(audiences) == 0 {
			status["error"] = "the token is for none of the audiences"
			return nil
		}
	} else if !slices.Contains(audiences, serverAudience) {
		status["error"] = "the token is not for this server"
		return nil
	}
	status["authenticated"], status["user"], status["audiences"] = true, userInfo(u), anyStrings(audiences)
	return nil
}

func reviewSelf(q *call, obj map[string]any) error {
	obj["status"] = map[string]any{"userInfo": userInfo(UserFrom(q.req.Context()))}
	return nil
}

func reviewAccess(q *call, obj map[string]any) error {
	spec := objectAt(obj, "spec")
	u := &User{Name: textAt(spec, "user"), UID: textAt(spec, "uid"), Groups: textsOf(listAt(spec, "groups"))}
	errs := accessErrors(spec)
	if u.Name == "" && len(u.Groups) == 0 {
		errs = append(errs, fieldInvalid("spec.user", "", "at least one of user or group must be specified"))
	}
	if len(errs) > 0 {
		return invalid(q.group, q.kind, "", errs)
	}
	for k, v := range objectAt(spec, "extra") {
		if u.Extra == nil {
			u.Extra = map[string][]string{}
		}
		list, _ := v.([]any)
		u.Extra[k] = textsOf(list)
	}
	q.decide(obj, u)
	return nil
}

func reviewLocalAccess(q *call, obj map[string]any) error {
	var errs []fieldError
	if textAt(obj, "spec", "resourceAttributes", "namespace") != q.namespace {
		errs = append(errs, fieldInvalid("spec.resourceAttributes.namespace", textAt(obj, "spec", "resourceAttributes", "namespace"), "must match metadata.namespace"))
	}
	if objectAt(obj, "spec", "nonResourceAttributes") != nil {
		errs = append(errs, fieldInvalid("spec.nonResourceAttributes", objectAt(obj, "spec", "nonResourceAttributes"), "disallowed on this kind of request"))
	}
	if len(errs) > 0 {
		return invalid(q.group, q.kind, "", errs)
	}
	return reviewAccess(q, obj)
}

func reviewSelfAccess(q *call, obj map[string]any) error {
	if errs := accessErrors(objectAt(obj, "spec")); len(errs) > 0 {
		return invalid(q.group, q.kind, "", errs)
	}
	q.decide(obj, UserFrom(q.req.Context()))
	return nil
}

// accessErrors sees to it that the question is about a resource or about a path.
func accessErrors(spec map[string]any) []fieldError {
	resource, path := objectAt(spec, "resourceAttributes"), objectAt(spec, "nonResourceAttributes")
	switch {
	case resource != nil && path != nil:
		return []fieldError{fieldInvalid("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes")}
	case resource == nil && path == nil:
		return []fieldError{fieldInvalid("spec.resourceAttributes", nil, "exactly one of nonResourceAttributes or resourceAttributes must be specified")}
	}
	return nil
}

// decide asks the authorizer in force. Nothing asks it on the plain listener, whose only
// user is a superuser.
func (q *call) decide(obj map[string]any, u *User) {
	ri := &RequestInfo{Verb: textAt(obj, "spec", "nonResourceAttributes", "verb"), Path: textAt(obj, "spec", "nonResourceAttributes", "path")}
	if a := objectAt(obj, "spec", "resourceAttributes"); a != nil {
		ri = &RequestInfo{IsResourceRequest: true, APIPrefix: "apis", Verb: textAt(a, "verb"), APIGroup: textAt(a, "group"), APIVersion: textAt(a, "version"), Namespace: textAt(a, "namespace"), Resource: textAt(a, "resource"), Subresource: textAt(a, "subresource"), Name: textAt(a, "name")}
		if ri.APIGroup == "" {
			ri.APIPrefix = "api"
		}
	}
	d, reason, err := q.rest.program.authz.authorize(q.req.Context(), u, ri)
	status := map[string]any{"allowed": d == allow}
	if d == deny {
		status["denied"] = true
	}
	if reason != "" {
		status["reason"] = reason
	}
	if err != nil {
		status["evaluationError"] = err.Error()
	}
	obj["status"] = status
}

// ruler is an authorizer that can say all that a user may do. Others make the answer of a
// rules review incomplete.
type ruler interface {
	rules(u *User, namespace string) (resources, paths []any)
}

func reviewSelfRules(q *call, obj map[string]any) error {
	namespace := textAt(obj, "spec", "namespace")
	if namespace == "" {
		return badRequest("no namespace on request")
	}
	resources, paths, complete := rulesOf(q.req.Context(), q.rest.program.authz, UserFrom(q.req.Context()), namespace)
	obj["status"] = map[string]any{"resourceRules": resources, "nonResourceRules": paths, "incomplete": !complete}
	return nil
}

func rulesOf(ctx context.Context, a authorizer, u *User, namespace string) (resources, paths []any, complete bool) {
	resources, paths, complete = []any{}, []any{}, true
	switch a := a.(type) {
	case authorizers:
		for _, one := range a {
			r, p, ok := rulesOf(ctx, one, u, namespace)
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

func (mastersRule) rules(u *User, _ string) (resources, paths []any) {
	if !u.in(groupMasters) {
		return nil, nil
	}
	all := []any{"*"}
	return []any{map[string]any{"verbs": all, "apiGroups": all, "resources": all}}, []any{map[string]any{"verbs": all, "nonResourceURLs": all}}
}

func (rules pathRules) rules(u *User, _ string) (resources, paths []any) {
	for i := range rules {
		if r := &rules[i]; r.group == "" || u.in(r.group) {
			path := r.path
			if r.below {
				path += "*"
			}
			paths = append(paths, map[string]any{"verbs": []any{"get"}, "nonResourceURLs": []any{path}})
		}
	}
	return nil, paths
}

func (rules resourceRules) rules(u *User, _ string) (resources, paths []any) {
	for i := range rules {
		if r := &rules[i]; u.in(r.group) {
			resources = append(resources, map[string]any{"verbs": []any{r.verb}, "apiGroups": []any{r.apiGroup}, "resources": anyStrings(r.resources)})
		}
	}
	return resources, nil
}
