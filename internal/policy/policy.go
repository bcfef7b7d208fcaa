// Package policy evaluates admission policies: rules in CEL that may change or refuse a write before it is stored.
//
// In come questions of admission (api.Admission), in the places that package admission has for the two plugins of upstream; policies and
// bindings, which are followed in the store; and the objects that bindings name as parameters. Out goes nil or the error that the client
// gets; a mutating policy changes the object in place.
//
//	p := policy.New(policy.Config{Authorizer: authz, Log: log})
//	chain, err := admission.New(admission.Config{Policies: p, ...})
//	a := api.New(api.Config{Admit: chain.For, AfterWrite: p.AfterWrite(), ...})
//	p.Look(a)                                  // what is written from here on is asked about
//	go p.Run(ctx)
//
// All methods may be called concurrently, and writes are asked about by any number of goroutines at once. A write that no policy is about
// costs an atomic load and a lookup. The package is internal to this program and promises no compatibility.
package policy

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/expression"
	"apichain/internal/store"
)

// Policies and their bindings are put into one table that never changes, and a new one takes its place when one of them is written:
//
//	write of a policy or binding ─► store ─► Follow ─► table ◄─ one atomic load ─ write of anything else
//
// Follow is called by the write itself, before its answer, so that what a client writes next is judged by it (upstream's is, within a
// second or so). A request works with the table that it has begun with. Parameters are read when they are needed, from the store as it is
// then.

// The buckets of policies and bindings, by phase.
var buckets = [2][2]string{
	api.Mutating: {
		"mutatingadmissionpolicies.admissionregistration.k8s.io", "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
	},
	api.Validating: {
		"validatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io",
	},
}

// Config is what a Policies needs. All must be set.
type Config struct {
	// Authorizer answers what expressions ask it.
	Authorizer auth.Authorizer
	// Counts counts conditions.
	Counts *expression.Counts
	Log    *slog.Logger
}

// Policies are all admission policies with their bindings. Make one with New.
type Policies struct {
	config Config
	api    *api.API
	// counts are of what came of expressions, by phase.
	counts [2]counts
	seen   objects

	// now is nil as long as no policy has a binding.
	now          atomic.Pointer[table]
	bootstrapped atomic.Bool

	// mu is held by who makes the table, and guards what follows.
	mu sync.Mutex
	// policies and bindings are those that the table was made of, by phase and name.
	policies [2]map[string]*policy
	bindings [2]map[string]*binding
}

// New returns a Policies that has none before Look.
func New(c Config) *Policies { return &Policies{config: c} }

// Look gives it the objects that policies are about, and puts the policies into force that are in the store. It is called once, before
// the first write: the API that has the objects is itself made with admission.
func (p *Policies) Look(a *api.API) {
	p.api = a
	p.Follow()
}

// Bootstrapped says that the program has written what it begins with: from here on its own writes are judged as those of clients are.
// Before that none is, so that a policy does not keep the server from starting.
func (p *Policies) Bootstrapped() { p.bootstrapped.Store(true) }

// isOwn reports whether a question is about a write of the program itself that nobody judges.
func (p *Policies) isOwn(a *api.Admission) bool {
	return !p.bootstrapped.Load() && a.Scope.ActingUser().Name == ""
}

// AfterWrite returns what is to be called after writes of policies and bindings, by bucket (api.Config.AfterWrite).
func (p *Policies) AfterWrite() map[string]func() {
	all := map[string]func(){}
	for _, name := range names() {
		all[name] = p.Follow
	}
	return all
}

// names returns all buckets.
func names() []string { return append(buckets[api.Mutating][:], buckets[api.Validating][:]...) }

// Run follows what is written otherwise than by a request here, until ctx ends.
func (p *Policies) Run(ctx context.Context) { p.api.Store.WhenWritten(ctx, names(), p.Follow) }

// Follow puts the policies into force that are in the store. When it returns, all are in force that were there when it was called, and
// none that was not. What has not changed is kept, with all that was compiled of it.
func (p *Policies) Follow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	isSame := p.policies[0] != nil
	for phase := range buckets {
		s := p.api.Store
		read := func(o *store.Object) *policy { return newPolicy(api.Phase(phase), o) }
		same := keep(&p.policies[phase], s.Bucket(buckets[phase][0]), read)
		isSame = keep(&p.bindings[phase], s.Bucket(buckets[phase][1]), newBinding) && same && isSame
	}
	// Who comes second, the request or Run, finds nothing left to do.
	if !isSame {
		p.now.Store(newTable(p.policies, p.bindings))
	}
}

// keep makes all what read makes of the objects of a bucket: what is there of the same revision is kept. It reports whether nothing else
// has come or gone.
func keep[T interface{ revision() int64 }](all *map[string]T, b *store.Bucket, read func(*store.Object) T) (isSame bool) {
	made := map[string]T{}
	isSame = true
	sn := b.Now()
	for o := range sn.Scan("", "") {
		v, ok := (*all)[o.Key]
		if !ok || v.revision() != o.Rev {
			v, isSame = read(o), false
		}
		made[o.Key] = v
	}
	isSame = isSame && len(made) == len(*all)
	*all = made
	return isSame
}
