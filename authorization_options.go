package main

import (
	"slices"
	"strings"

	"apichain/internal/auth"
	"apichain/internal/flags"
)

// authorizationOptions choose who decides what a user may do; what each mode means says package auth.
type authorizationOptions struct{ modes []string }

// Register declares the flag of the modes.
func (o *authorizationOptions) Register(f *flags.Set) {
	f.In("authorization")
	f.List(&o.modes, "authorization-mode", nil,
		"who decides, in this order: AlwaysAllow, AlwaysDeny, RBAC, Node (roles are not evaluated: with RBAC every authenticated "+
			"user may do everything); none: system:masters everything, others what needs no role")
}

// Check reports modes that are not there, and doubles (upstream).
func (o *authorizationOptions) Check(p *flags.Problems) {
	for i, m := range o.modes {
		switch m {
		case auth.ModeAlwaysAllow, auth.ModeAlwaysDeny, auth.ModeRBAC, auth.ModeNode:
			p.When(slices.Contains(o.modes[:i], m), "authorization-mode", "%s stands twice", m)
		case "ABAC", "Webhook":
			p.Add("authorization-mode", "%s is refused, since nobody would be asked: leave it out", m)
		default:
			p.Add("authorization-mode", "%q is no mode", m)
		}
	}
}

// warning says which modes are not evaluated as upstream does, and what that means; "" where all are.
func (o *authorizationOptions) warning() string {
	var out []string
	for _, m := range o.modes {
		switch m {
		case auth.ModeRBAC:
			out = append(out, "RBAC is not enforced: every authenticated user may do everything")
		case auth.ModeNode:
			out = append(out, "Node is not enforced: every member of system:nodes may do everything")
		}
	}
	return strings.Join(out, "; ")
}
