package policy

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"

	"apichain/internal/admission"
	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/auth"
	"apichain/internal/backend"
	"apichain/internal/expression"
	"apichain/internal/request"
	"apichain/internal/webhook"
)

// judged is a server whose writes are judged by policies.
type judged struct {
	*apitest.Server
	p *Policies

	mu    sync.Mutex
	notes map[string]string // annotations
}

// start makes a server without policies. Its authorizer lets admin do everything, and alice what is in the set of verb and resource.
func start(t testing.TB) *judged {
	t.Helper()
	s := &judged{notes: map[string]string{}}
	s.p = New(Config{Authorizer: auth.DefaultAuthorizer(), Counts: &expression.Counts{}, Log: slog.New(slog.DiscardHandler)})
	hooks := webhook.New(webhook.Config{
		Backends: backend.New(backend.Config{}), Authorizer: s.p.config.Authorizer, Counts: s.p.config.Counts, Log: s.p.config.Log,
	})
	chain, err := admission.New(admission.Config{Policies: s.p, Webhooks: hooks, Disabled: []string{"ServiceAccount"}})
	if err != nil {
		t.Fatal(err)
	}
	after := s.p.AfterWrite()
	maps.Copy(after, hooks.AfterWrite())
	s.Server = apitest.Start(t, apitest.Config{
		Admit: chain.For, AfterWrite: after,
		Annotated: func(key, value string, _ bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.notes[key] = value
		},
		Extend: func(a *api.API) {
			chain.Look(a)
			s.p.Look(a)
			hooks.Look(a, a.Store)
		},
	})
	return s
}

// noted returns the annotations since the last look.
func (s *judged) noted() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := maps.Clone(s.notes)
	clear(s.notes)
	return out
}

// asked returns a question about a resource, as its writes ask.
func (s *judged) asked(r *api.Resource, operation string, obj, old map[string]any) api.Admission {
	return api.Admission{
		Phase: api.Validating, Operation: operation, Resource: r, Object: obj, Old: old, Scope: request.From(context.Background()),
	}
}
