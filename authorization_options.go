package main

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/auth"
	"apichain/internal/flags"
)

// authorizationOptions choose who decides what a user may do; what each mode means says package auth.
type authorizationOptions struct {
	modes []string
	// configuration is a file that has the modes; "": none.
	configuration string
}

// Register declares the flags of the modes.
func (o *authorizationOptions) Register(f *flags.Set) {
	f.In("authorization")
	f.List(&o.modes, "authorization-mode", nil,
		"who decides, in this order: AlwaysAllow, AlwaysDeny, RBAC, Node (roles are not evaluated: with RBAC every authenticated "+
			"user may do everything); none: system:masters everything, others what needs no role")
	f.Text(&o.configuration, "authorization-config", "",
		"file of kind AuthorizationConfiguration that has the modes instead; authorizers that ask somebody else are refused")
}

// Check reports modes that are not there, and doubles (upstream).
func (o *authorizationOptions) Check(p *flags.Problems) {
	p.When(o.configuration != "" && len(o.modes) > 0, "authorization-config", "cannot be given beside --authorization-mode")
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

// read returns the modes, those of the file where one is named.
func (o *authorizationOptions) read() ([]string, error) {
	if o.configuration == "" {
		return o.modes, nil
	}
	modes, err := auth.ReadModes(o.configuration)
	if err != nil {
		return nil, fmt.Errorf("--authorization-config: %w", err)
	}
	return modes, nil
}

// modeWarning says which modes are not evaluated as upstream does, and what that means; "" where all are.
func modeWarning(modes []string) string {
	var out []string
	for _, m := range modes {
		switch m {
		case auth.ModeRBAC:
			out = append(out, "RBAC is not enforced: every authenticated user may do everything")
		case auth.ModeNode:
			out = append(out, "Node is not enforced: every member of system:nodes may do everything")
		}
	}
	return strings.Join(out, "; ")
}
