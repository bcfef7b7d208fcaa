package api

import (
	"net/http"
	"slices"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Reviews: questions that the program's own authenticators and authorizer answer. They are
// created and never stored.

// review answers a review: it fills in obj's status, or refuses.
type review func(q *Call, obj map[string]any) error

// answerReview is create for a kind that is only reviewed.
func (q *Call) answerReview() error {
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	if err := q.checkNamespace(tree.Metadata(obj)); err != nil {
		return err
	}
	if err := q.review(q, obj); err != nil {
		return err
	}
	return q.answerTree(http.StatusCreated, obj)
}

// userInfo is a user as upstream's authentication.k8s.io/v1 UserInfo.
func userInfo(u *request.User) map[string]any {
	info := map[string]any{"username": u.Name}
	if u.UID != "" {
		info["uid"] = u.UID
	}
	if len(u.Groups) > 0 {
		info["groups"] = AnyStrings(u.Groups)
	}
	if len(u.Extra) > 0 {
		extra := map[string]any{}
		for k, v := range u.Extra {
			extra[k] = AnyStrings(v)
		}
		info["extra"] = extra
	}
	return info
}

func AnyStrings(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func reviewToken(q *Call, obj map[string]any) error {
	token := tree.Text(obj, "spec", "token")
	if token == "" {
		return status.BadRequest("token is required for TokenReview in authentication")
	}
	status := map[string]any{"user": map[string]any{}}
	obj["status"] = status
	u, audiences := q.api.Config.WhoseToken(token)
	if u == nil {
		status["error"] = auth.ErrInvalidToken.Error()
		return nil
	}
	if wanted := tree.Strings(tree.List(obj, "spec", "audiences")); len(wanted) > 0 {
		audiences = slices.DeleteFunc(slices.Clone(audiences), func(a string) bool { return !slices.Contains(wanted, a) })
		if len(audiences) == 0 {
			status["error"] = "the token is for none of the audiences"
			return nil
		}
	} else if !slices.Contains(audiences, auth.ServerAudience) {
		status["error"] = "the token is not for this server"
		return nil
	}
	status["authenticated"], status["user"], status["audiences"] = true, userInfo(u), AnyStrings(audiences)
	return nil
}

func reviewSelf(q *Call, obj map[string]any) error {
	obj["status"] = map[string]any{"userInfo": userInfo(q.scope.ActingUser())}
	return nil
}

func reviewAccess(q *Call, obj map[string]any) error {
	spec := tree.Object(obj, "spec")
	u := &request.User{Name: tree.Text(spec, "user"), UID: tree.Text(spec, "uid"), Groups: tree.Strings(tree.List(spec, "groups"))}
	errs := accessErrors(spec)
	if u.Name == "" && len(u.Groups) == 0 {
		errs = append(errs, field.Invalid("spec.user", "", "at least one of user or group must be specified"))
	}
	if len(errs) > 0 {
		return status.Invalid(q.Group, q.Kind, "", errs)
	}
	for k, v := range tree.Object(spec, "extra") {
		if u.Extra == nil {
			u.Extra = map[string][]string{}
		}
		list, _ := v.([]any)
		u.Extra[k] = tree.Strings(list)
	}
	q.decide(obj, u)
	return nil
}

func reviewLocalAccess(q *Call, obj map[string]any) error {
	var errs []field.Error
	if tree.Text(obj, "spec", "resourceAttributes", "namespace") != q.namespace {
		errs = append(errs, field.Invalid("spec.resourceAttributes.namespace", tree.Text(obj, "spec", "resourceAttributes", "namespace"), "must match metadata.namespace"))
	}
	if tree.Object(obj, "spec", "nonResourceAttributes") != nil {
		errs = append(errs, field.Invalid("spec.nonResourceAttributes", tree.Object(obj, "spec", "nonResourceAttributes"), "disallowed on this kind of request"))
	}
	if len(errs) > 0 {
		return status.Invalid(q.Group, q.Kind, "", errs)
	}
	return reviewAccess(q, obj)
}

func reviewSelfAccess(q *Call, obj map[string]any) error {
	if errs := accessErrors(tree.Object(obj, "spec")); len(errs) > 0 {
		return status.Invalid(q.Group, q.Kind, "", errs)
	}
	q.decide(obj, q.scope.ActingUser())
	return nil
}

// accessErrors sees to it that the question is about a resource or about a path.
func accessErrors(spec map[string]any) []field.Error {
	resource, path := tree.Object(spec, "resourceAttributes"), tree.Object(spec, "nonResourceAttributes")
	switch {
	case resource != nil && path != nil:
		return []field.Error{field.Invalid("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes")}
	case resource == nil && path == nil:
		return []field.Error{field.Invalid("spec.resourceAttributes", nil, "exactly one of nonResourceAttributes or resourceAttributes must be specified")}
	}
	return nil
}

// decide asks the authorizer in force. Nothing asks it on the plain listener, whose only
// user is a superuser.
func (q *Call) decide(obj map[string]any, u *request.User) {
	ri := &request.Info{Verb: tree.Text(obj, "spec", "nonResourceAttributes", "verb"), Path: tree.Text(obj, "spec", "nonResourceAttributes", "path")}
	if a := tree.Object(obj, "spec", "resourceAttributes"); a != nil {
		ri = &request.Info{IsResourceRequest: true, APIPrefix: "apis", Verb: tree.Text(a, "verb"), APIGroup: tree.Text(a, "group"), APIVersion: tree.Text(a, "version"), Namespace: tree.Text(a, "namespace"), Resource: tree.Text(a, "resource"), Subresource: tree.Text(a, "subresource"), Name: tree.Text(a, "name")}
		if ri.APIGroup == "" {
			ri.APIPrefix = "api"
		}
	}
	d := q.api.Config.Authorizer.Authorize(q.req.Context(), u, ri)
	status := map[string]any{"allowed": d.Verdict == auth.Allow}
	if d.Verdict == auth.Deny {
		status["denied"] = true
	}
	if d.Reason != "" {
		status["reason"] = d.Reason
	}
	if d.Err != nil {
		status["evaluationError"] = d.Err.Error()
	}
	obj["status"] = status
}

func reviewSelfRules(q *Call, obj map[string]any) error {
	namespace := tree.Text(obj, "spec", "namespace")
	if namespace == "" {
		return status.BadRequest("no namespace on request")
	}
	resources, paths, complete := auth.Rules(q.api.Config.Authorizer, q.scope.ActingUser(), namespace)
	obj["status"] = map[string]any{"resourceRules": resources, "nonResourceRules": paths, "incomplete": !complete}
	return nil
}
