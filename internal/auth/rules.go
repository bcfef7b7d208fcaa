package auth

import (
	"context"

	"apichain/internal/request"
)

// ruler is an authorizer that can say all that a user may do. Others make the answer of a
// rules review incomplete.
type ruler interface {
	rules(u *request.User, namespace string) (resources, paths []any)
}

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

func (mastersRule) rules(u *request.User, _ string) (resources, paths []any) {
	if !u.In(request.GroupMasters) {
		return nil, nil
	}
	all := []any{"*"}
	return []any{map[string]any{"verbs": all, "apiGroups": all, "resources": all}}, []any{map[string]any{"verbs": all, "nonResourceURLs": all}}
}

func (rules pathRules) rules(u *request.User, _ string) (resources, paths []any) {
	for i := range rules {
		if r := &rules[i]; r.group == "" || u.In(r.group) {
			path := r.path
			if r.below {
				path += "*"
			}
			paths = append(paths, map[string]any{"verbs": []any{"get"}, "nonResourceURLs": []any{path}})
		}
	}
	return nil, paths
}

func (rules resourceRules) rules(u *request.User, _ string) (resources, paths []any) {
	for i := range rules {
		if r := &rules[i]; u.In(r.group) {
			var names []any
			for _, name := range r.resources {
				names = append(names, name)
			}
			resources = append(resources, map[string]any{"verbs": []any{r.verb}, "apiGroups": []any{r.apiGroup}, "resources": names})
		}
	}
	return resources, nil
}

// rules are what roleRules allow, for a review of rules.
func (roleRules) rules(u *request.User, _ string) (resources, paths []any) {
	var verbs []any
	for _, role := range []string{RoleView, RoleOperate, RoleDangerous} {
		if d := (roleRules{}).Authorize(context.Background(), u, &request.Info{Verb: role, Path: "/metrics"}); d.Verdict == Allow {
			verbs = append(verbs, role)
		}
	}
	if verbs != nil {
		paths = []any{map[string]any{"verbs": verbs, "nonResourceURLs": []any{"/admin/*", "/debug/pprof/*", "/metrics"}}}
	}
	return nil, paths
}
