package main

import (
	"maps"

	"apichain/internal/api"
	"apichain/internal/expression"
	"apichain/internal/policy"
)

// Admission policies as a part of the program: they are made with the resources, follow the store as long as the program lives, and judge
// the program's own writes when those are done that it begins with.

// newPolicies makes those who evaluate policies, and what counts conditions, of policies and of webhooks.
func (p *program) newPolicies() *policy.Policies {
	p.conditions = &expression.Counts{}
	return policy.New(policy.Config{Authorizer: p.authz, Counts: p.conditions, Log: p.log})
}

// followPolicies is called when the program has written the objects that it begins with.
func (p *program) followPolicies() {
	p.policies.Bootstrapped()
	p.owned.Go(func() { p.policies.Run(p.background) })
}

// afterAdmission returns what is to be called after writes of what says who is asked about writes.
func (p *program) afterAdmission() map[string]func() {
	all := p.webhooks.AfterWrite()
	maps.Copy(all, p.policies.AfterWrite())
	return all
}

// policiesOf returns in words which policies a write would meet, mutating ones first, as far as their plugins are on.
func (p *program) policiesOf(r *api.Resource, subresource, operation string) (names []string) {
	for phase, plugin := range [...]string{api.Mutating: "MutatingAdmissionPolicy", api.Validating: "ValidatingAdmissionPolicy"} {
		if p.admission.On(plugin) {
			names = append(names, p.policies.Matching(api.Phase(phase), r, subresource, operation)...)
		}
	}
	return names
}
