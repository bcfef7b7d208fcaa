// Package webhook asks admission webhooks: servers that may change or refuse a write before it is stored, which
// MutatingWebhookConfigurations and ValidatingWebhookConfigurations name.
//
// In come questions of admission (api.Admission), in the places that package admission has for the two plugins of upstream;
// and configurations, which are followed in the store. Out goes the question as an AdmissionReview to those whose rules and
// selectors are about it (package backend is how they are reached), and back comes nil or the error that the client gets; a
// mutating webhook's patch changes the object in place.
//
//	w := webhook.New(webhook.Config{Backends: backends, Authorizer: authz, Counts: counts, Log: log})
//	chain, err := admission.New(admission.Config{Webhooks: w, ...})
//	a := api.New(api.Config{Admit: chain.For, AfterWrite: w.AfterWrite(), ...})
//	w.Look(a, s)                                   // what is written from here on is asked about
//	go w.Run(ctx)
//	w.Matching(api.Validating, r, "", "CREATE")    // [check/check.example.com ...]
//
// All methods may be called concurrently, and writes are asked about by any number of goroutines at once. A write that no
// configuration is about costs an atomic load. The package is internal to this program and promises no compatibility.
package webhook

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/backend"
	"apichain/internal/expression"
	"apichain/internal/matching"
	"apichain/internal/store"
)

// Configurations are compiled into one table that never changes, and a new one takes its place when one of them is written:
//
//	write of a configuration ─► store ─► Follow ─► table ◄─ one atomic load ─ write of anything else
//
// Follow is called by the write itself, before its answer, so that what a client writes next is asked about; and by Run, for
// configurations that another server has written or a reset has brought back. A request works with the table that it has
// begun with.

// The buckets of the configurations, by phase.
var buckets = [2]string{
	api.Mutating:   "mutatingwebhookconfigurations.admissionregistration.k8s.io",
	api.Validating: "validatingwebhookconfigurations.admissionregistration.k8s.io",
}

// Config is what a Webhooks needs. All must be set.
type Config struct {
	Backends *backend.Set
	// Authorizer answers what conditions ask it, and Counts counts them.
	Authorizer auth.Authorizer
	Counts     *expression.Counts
	Log        *slog.Logger
}

// Webhooks are those of all configurations. Make one with New.
type Webhooks struct {
	config  Config
	objects matching.Objects
	store   *store.Store
	counts  counts

	// now is nil as long as there is no configuration.
	now          atomic.Pointer[table]
	bootstrapped atomic.Bool

	// mu is held by who makes the table, and guards made.
	mu sync.Mutex
	// made are the configurations of the table by phase and name.
	made [2]map[string]*configuration
}

// New returns a Webhooks that asks nobody before Look.
func New(c Config) *Webhooks { return &Webhooks{config: c} }

// Look gives it the objects that selectors are about, and puts the configurations into force that are in the store. It is called
// once, before the first write: the API that has the objects is itself made with admission.
func (w *Webhooks) Look(o matching.Objects, s *store.Store) {
	w.objects, w.store = o, s
	w.Follow()
}

// Bootstrapped says that the program has written what it begins with: from here on its own writes are asked about as those of
// clients are. Before that none is, so that a webhook which cannot be reached does not keep the server from starting.
func (w *Webhooks) Bootstrapped() { w.bootstrapped.Store(true) }

// isOwn reports whether a question is about a write of the program itself that nobody is asked about.
func (w *Webhooks) isOwn(a *api.Admission) bool {
	return !w.bootstrapped.Load() && a.Scope.ActingUser().Name == ""
}

// AfterWrite returns what is to be called after writes of configurations, by bucket (api.Config.AfterWrite).
func (w *Webhooks) AfterWrite() map[string]func() {
	return map[string]func(){buckets[0]: w.Follow, buckets[1]: w.Follow}
}

// Follow puts the configurations into force that are in the store. When it returns, all are in force that were there when it was
// called, and none that was not. Only those that have changed are compiled, but the table is made of all.
func (w *Webhooks) Follow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A look at both buckets, also where only one was written: they are small, and one table is made of them.
	isSame := true
	var made [2]map[string]*configuration
	for phase, name := range buckets {
		made[phase] = map[string]*configuration{}
		sn := w.store.Bucket(name).Now()
		for o := range sn.Scan("", "") {
			c := w.made[phase][o.Key]
			// By its revision, and not by what is in it: a label that changes compiles it anew, and keeps its backends.
			if c == nil || c.rev != o.Rev {
				c = w.compile(api.Phase(phase), o)
				isSame = false
			}
			made[phase][o.Key] = c
		}
		isSame = isSame && len(made[phase]) == len(w.made[phase])
	}
	// Who comes second, the request or Run, finds nothing left to do.
	if isSame && w.made[0] != nil {
		return
	}
	// The new table first: a write that begins now must not find a backend that is gone.
	was := w.made
	w.made = made
	w.now.Store(newTable(made))
	w.drop(was)
}

// drop lets go of the backends of webhooks that are no more. The caller holds mu.
func (w *Webhooks) drop(was [2]map[string]*configuration) {
	for phase := range was {
		for _, c := range was[phase] {
			for _, h := range c.hooks {
				if w.hook(api.Phase(phase), h) == nil {
					w.config.Backends.Drop(h.backend.Kind, h.backend.Name)
				}
			}
		}
	}
}

// hook returns the webhook that has the name of h in a configuration of its name now, nil if there is none: backends go by names, so
// one whose webhook has another target is another's already. The caller holds mu.
func (w *Webhooks) hook(phase api.Phase, h *hook) *hook {
	if c := w.made[phase][h.configuration]; c != nil {
		for _, o := range c.hooks {
			if o.name == h.name {
				return o
			}
		}
	}
	return nil
}

// Run follows configurations that are written otherwise than by a request here, until ctx ends.
func (w *Webhooks) Run(ctx context.Context) { w.store.WhenWritten(ctx, buckets[:], w.Follow) }
