package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"apichain/internal/auth"
	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Reviews: questions about users and what they may do. A client creates one, and the answer is the
// same object with its status filled in; nothing is stored. They are answered by the program's own
// authenticators and authorizer, those that requests go through, so an answer says what would
// happen to such a request:
//
//	TokenReview                whose token is this, and is it for these audiences?
//	SelfSubjectReview          who am I?
//	SubjectAccessReview        may this user do that?
//	LocalSubjectAccessReview   may this user do that, in the namespace of the path?
//	SelfSubjectAccessReview    may I do that?
//	SelfSubjectRulesReview     what may I do in this namespace?
//
// A question that cannot be answered is a 4xx; a token that nobody knows, and a user who may not,
// are answers like any other. What a client says of the status does not count.

// review answers a review: it sets the status of obj, or returns the failure of the request.
type review func(q *Call, obj map[string]any) error

// answerReview serves the create of a review.
func (q *Call) answerReview() error {
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	// Only a LocalSubjectAccessReview has a namespace, that of the path.
	if err := q.checkNamespace(tree.Metadata(obj)); err != nil {
		return err
	}
	q.wipeReview(obj)
	if !q.api.Config.NoManagedFields {
		by := q.writer()
		by.Update(nil, obj)
	}
	if err := q.review(q, obj); err != nil {
		return err
	}
	return q.answerTree(http.StatusCreated, obj)
}

// reviewToken answers whose token the spec has. The audiences in the answer are those asked for that
// the token is for; where none are asked for, this server's are.
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
	wanted := tree.Strings(tree.List(obj, "spec", "audiences"))
	if len(wanted) == 0 {
		wanted = q.api.Config.Tokens.Audiences()
	}
	// A copy, since the list belongs to who answered.
	both := slices.DeleteFunc(slices.Clone(audiences), func(a string) bool { return !slices.Contains(wanted, a) })
	if len(both) == 0 {
		status["error"] = fmt.Sprintf("[%v, token audiences %q is invalid for the target audiences %q]",
			auth.ErrInvalidToken, audiences, wanted)
		return nil
	}
	status["authenticated"], status["user"], status["audiences"] = true, UserInfo(u), anyStrings(both)
	return nil
}

// reviewSelf answers who the client acts as.
func reviewSelf(q *Call, obj map[string]any) error {
	q.answerAnew(obj, map[string]any{"userInfo": UserInfo(q.scope.ActingUser())})
	tree.Set(obj, time.Now().UTC().Format(time.RFC3339), "metadata", "creationTimestamp")
	return nil
}

// answerAnew makes of a review one that has nothing of what the client sent, but a status.
func (q *Call) answerAnew(obj, status map[string]any) {
	clear(obj)
	obj["kind"], obj["apiVersion"], obj["metadata"], obj["status"] = q.Kind, q.apiVersion(), map[string]any{}, status
}

// stampRequester says in a new request for a certificate who makes it, whatever it says itself.
func stampRequester(q *Call, obj, old map[string]any) error {
	if old != nil {
		return nil
	}
	spec, info := tree.Object(obj, "spec"), UserInfo(q.scope.ActingUser())
	for _, name := range [...]string{"username", "uid", "groups", "extra"} {
		v, has := info[name]
		setOrDelete(spec, name, v, has)
	}
	return nil
}

// UserInfo returns a user as upstream's authentication.k8s.io/v1 UserInfo, without what is empty.
func UserInfo(u *request.User) map[string]any {
	info := map[string]any{}
	if u.Name != "" {
		info["username"] = u.Name
	}
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

// anyStrings returns a list of strings as a tree has it. It is the way back from tree.Strings, and
// not nil for an empty list.
func anyStrings(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// reviewAccess answers whether the user of the spec may do what it says. It returns a 422 for a spec
// that names no user, or not exactly one thing to do.
func reviewAccess(q *Call, obj map[string]any) error {
	spec := tree.Object(obj, "spec")
	u := &request.User{
		Name: tree.Text(spec, "user"), UID: tree.Text(spec, "uid"), Groups: tree.Strings(tree.List(spec, "groups")),
	}
	var unnamed []field.Error
	if u.Name == "" && len(u.Groups) == 0 {
		unnamed = append(unnamed, field.Invalid("spec.user", "", "at least one of user or group must be specified"))
	}
	if err := q.checkAccess(obj, unnamed, strangers(q, spec)); err != nil {
		return err
	}
	// Authorizers of other programs may decide by these, so they are part of the question.
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

// strangers returns what is wrong with a question in a namespace, that of the path, which may be about nothing
// else: who may ask here may perhaps not ask about other namespaces.
func strangers(q *Call, spec map[string]any) (errs []field.Error) {
	if !q.Namespaced {
		return nil
	}
	if resource := tree.Object(spec, "resourceAttributes"); resource != nil && tree.Text(resource, "namespace") != q.namespace {
		errs = append(errs, field.Invalid("spec.resourceAttributes.namespace", tree.Text(resource, "namespace"), "must match metadata.namespace"))
	}
	if path := tree.Object(spec, "nonResourceAttributes"); path != nil {
		errs = append(errs, field.Invalid("spec.nonResourceAttributes", shownPath(path), "disallowed on this kind of request"))
	}
	return errs
}

// reviewSelfAccess answers whether the client may do what the spec says.
func reviewSelfAccess(q *Call, obj map[string]any) error {
	if err := q.checkAccess(obj, nil, nil); err != nil {
		return err
	}
	q.decide(obj, q.scope.ActingUser())
	return nil
}

// askedInfo returns the request that a spec asks about, as far as authorizers look at it.
func askedInfo(spec map[string]any) *request.Info {
	a := tree.Object(spec, "resourceAttributes")
	if a == nil {
		path := tree.Object(spec, "nonResourceAttributes")
		return &request.Info{Verb: tree.Text(path, "verb"), Path: tree.Text(path, "path")}
	}
	info := &request.Info{
		IsResourceRequest: true, APIPrefix: "apis", Verb: tree.Text(a, "verb"),
		APIGroup: tree.Text(a, "group"), APIVersion: tree.Text(a, "version"), Namespace: tree.Text(a, "namespace"),
		Resource: tree.Text(a, "resource"), Subresource: tree.Text(a, "subresource"), Name: tree.Text(a, "name"),
	}
	if info.APIGroup == "" {
		info.APIPrefix = "api"
	}
	return info
}

// reviewSelfRules answers what the client may do in a namespace, as far as the authorizer can list
// it. It returns a 400 without a namespace.
func reviewSelfRules(q *Call, obj map[string]any) error {
	namespace := tree.Text(obj, "spec", "namespace")
	if namespace == "" {
		return status.BadRequest("no namespace on request")
	}
	resources, paths, complete := auth.Rules(q.api.Config.Authorizer, q.scope.ActingUser(), namespace)
	q.answerAnew(obj, map[string]any{"resourceRules": resources, "nonResourceRules": paths, "incomplete": !complete})
	obj["spec"] = map[string]any{}
	return nil
}
