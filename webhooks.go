package main

import (
	"apichain/internal/api"
	"apichain/internal/webhook"
)

// Admission webhooks as a part of the program: who is asked is made with the resources, follows the store as long as the program
// lives, and is asked about the program's own writes when those are done that it begins with.

// newWebhooks makes those who ask admission webhooks.
func (p *program) newWebhooks() *webhook.Webhooks {
	return webhook.New(webhook.Config{Backends: p.backends, Authorizer: p.authz, Counts: p.conditions, Log: p.log})
}

// followWebhooks is called when the program has written the objects that it begins with.
func (p *program) followWebhooks() {
	p.webhooks.Bootstrapped()
	p.owned.Go(func() { p.webhooks.Run(p.background) })
}

// webhooksOf returns in words which webhooks a write would meet, mutating ones first, as far as their plugins are on.
func (p *program) webhooksOf(r *api.Resource, subresource, operation string) (names []string) {
	for phase, plugin := range [...]string{api.Mutating: "MutatingAdmissionWebhook", api.Validating: "ValidatingAdmissionWebhook"} {
		if p.admission.On(plugin) {
			names = append(names, p.webhooks.Matching(api.Phase(phase), r, subresource, operation)...)
		}
	}
	return names
}
