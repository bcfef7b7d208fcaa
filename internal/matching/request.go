package matching

import (
	"maps"
	"sync"

	"apichain/internal/api"
	"apichain/internal/expression"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// Request returns what the review of a form says beside the objects, as a tree: it is what request is in expressions. resource is
// the one that is named. What is empty is left out, as upstream's type has it.
func (q *Question) Request(f *Form, resource *api.Resource) map[string]any {
	group, version, kind := q.Kind()
	shown := [...]string{group, version, kind}
	// An object is called what its resource is, also in a version that the tree itself does not say.
	if q.IsObject {
		group, version, kind = q.Resource.Group, q.Resource.Version, q.Resource.Kind
		shown = [...]string{f.Resource.Group, f.Resource.Version, f.Resource.Kind}
	}
	words := func(last string, of [3]string) map[string]any {
		return map[string]any{"group": of[0], "version": of[1], last: of[2]}
	}
	r := map[string]any{
		"uid": "", "kind": words("kind", shown), "requestKind": words("kind", [...]string{group, version, kind}),
		"resource":        words("resource", [...]string{resource.Group, resource.Version, resource.Plural}),
		"requestResource": words("resource", [...]string{q.Resource.Group, q.Resource.Version, q.Resource.Plural}),
		"operation":       q.Operation, "userInfo": UserInfo(q.Admission), "dryRun": q.DryRun, "options": nil, "object": nil, "oldObject": nil,
	}
	for name, value := range map[string]string{
		"subResource": q.Subresource, "requestSubResource": q.Subresource, "name": q.Name, "namespace": q.Within,
	} {
		if value != "" {
			r[name] = value
		}
	}
	if o := q.Options(); o != nil {
		r["options"] = o
	}
	return r
}

// Input returns what expressions see of a form, but for the Namespace and parameters. resource is the one that request.resource names.
func (q *Question) Input(f *Form, resource *api.Resource, a *expression.Authority) *expression.Input {
	in := &expression.Input{
		Object: unrolled(f.Object), Old: unrolled(f.Old), Request: sync.OnceValue(func() map[string]any { return q.Request(f, resource) }),
	}
	in.Authorizer, in.Resource = a.Values(q.Resource.Group, q.Resource.Plural, q.Subresource, q.Within, q.Name)
	return in
}

// unrolled returns an object whose owners are read at most once, however often an expression looks at them: they may be long, and stand
// in trees as text.
func unrolled(obj map[string]any) map[string]any {
	m := tree.Object(obj, "metadata")
	owners, ok := m["managedFields"].(tree.Raw)
	if !ok {
		return obj
	}
	obj, m = maps.Clone(obj), maps.Clone(m)
	obj["metadata"], m["managedFields"] = m, rolled{sync.OnceValue(owners.Expand)}
	return obj
}

// rolled is a value of a tree that is read when it is first looked at.
type rolled struct{ read func() any }

// Expand returns it.
func (r rolled) Expand() any { return r.read() }

// UserInfo returns who asks, without what is empty.
func UserInfo(a *api.Admission) map[string]any { return api.UserInfo(User(a)) }

// User returns who asks. The program itself has the name that upstream's has to itself, and its groups: who lets the server pass lets
// this one pass.
func User(a *api.Admission) *request.User {
	u := a.Scope.ActingUser()
	if u.Name == "" && len(u.Groups) == 0 {
		return &request.User{Name: request.UserAPIServer, Groups: []string{request.GroupAuthenticated, request.GroupMasters}}
	}
	return u
}
