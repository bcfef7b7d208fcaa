package main

import (
	"apichain/internal/backend"
	"apichain/internal/webhook"
)

// Admission webhooks as a part of the program: who is asked is made with the resources, follows the store as long as the program
// lives, and is asked about the program's own writes when those are done that it begins with.

// programObjects are the objects of the API, which is made after whoever looks things up in it.
type programObjects struct{ p *program }

func (o programObjects) Get(resource, namespace, name string) map[string]any {
	return o.p.api.Get(resource, namespace, name)
}

func (o programObjects) List(resource, namespace string) []map[string]any {
	return o.p.api.List(resource, namespace)
}

// newWebhooks makes those who ask admission webhooks.
func (p *program) newWebhooks() *webhook.Webhooks {
	if p.backends == nil {
		p.backends = backend.New(backend.Config{Objects: programObjects{p}})
	}
	return webhook.New(webhook.Config{Backends: p.backends, Log: p.log})
}

// followWebhooks is called when the program has written the objects that it begins with.
func (p *program) followWebhooks() {
	p.webhooks.Bootstrapped()
	p.owned.Go(func() { p.webhooks.Run(p.background) })
}
