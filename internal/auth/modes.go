package auth

import (
	"context"

	"apichain/internal/request"
)

// The authorization modes of kube-apiserver, of which one or several are chosen and asked in their order:
//
//	AlwaysAllow   everybody may do everything
//	AlwaysDeny    nobody may do anything
//	RBAC          what is allowed without any rule (defaults.go); the roles that are stored are not
//	              evaluated, so every authenticated user may do everything
//	Node          members of system:nodes may do everything, where upstream looks at their pods
//
// Members of system:masters may do everything in all of them, as upstream has it.

// The modes by upstream's names. ABAC and Webhook are upstream's too, and are not here.
const (
	ModeAlwaysAllow = "AlwaysAllow"
	ModeAlwaysDeny  = "AlwaysDeny"
	ModeRBAC        = "RBAC"
	ModeNode        = "Node"
)

// ForModes returns the authorizer of modes, which must be of those above. Without one it is
// DefaultAuthorizer.
func ForModes(modes []string) Authorizer {
	if len(modes) == 0 {
		return DefaultAuthorizer()
	}
	all := Authorizers{mastersRule{}, roleRules{}}
	for _, m := range modes {
		switch m {
		case ModeAlwaysAllow:
			all = append(all, everythingRule{rule: "mode " + m})
		case ModeAlwaysDeny:
			all = append(all, denyRule{})
		case ModeRBAC:
			all = append(all, DefaultAuthorizer(), everythingRule{group: request.GroupAuthenticated, rule: "mode " + m + ", not evaluated"})
		case ModeNode:
			all = append(all, everythingRule{group: request.GroupNodes, rule: "mode " + m + ", not evaluated"})
		}
	}
	return all
}

// everythingRule allows everything to the members of a group, "" for everybody.
type everythingRule struct{ group, rule string }

// Authorize implements Authorizer.
func (r everythingRule) Authorize(_ context.Context, u *request.User, _ *request.Info) Decision {
	if r.group == "" || u.In(r.group) {
		return Decision{Verdict: Allow, Rule: r.rule}
	}
	return Decision{}
}

// rules lists everything, or nothing.
func (r everythingRule) rules(u *request.User, _ string) (resources, paths []any) {
	if r.group == "" || u.In(r.group) {
		return everything()
	}
	return nil, nil
}

// denyRule allows nothing and says so, in upstream's words. It leaves others their say, as there.
type denyRule struct{}

// Authorize implements Authorizer.
func (denyRule) Authorize(context.Context, *request.User, *request.Info) Decision {
	return Decision{Reason: "alwaysdeny: Everything is forbidden."}
}

// rules lists nothing.
func (denyRule) rules(*request.User, string) (resources, paths []any) { return nil, nil }
