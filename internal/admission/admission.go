// Package admission has the admission plugins of kube-apiserver: parts that change or refuse a write
// by a rule of the cluster, not of the object's kind. A plugin is a row of one table, with the name by
// which --enable-admission-plugins and --disable-admission-plugins know it, in upstream's order.
//
// In come questions of package api, one for each phase of a write (api.Admission); out goes nil or the
// error that the client gets, and a mutating plugin changes the object in place. What else there is in
// the cluster a plugin looks up by Objects.
//
//	c, err := admission.New(admission.Config{Disabled: []string{"ServiceAccount"}, Authorizer: authz})
//	a := api.New(api.Config{Admit: c.For, ...})
//	c.Look(a)                                  // before the first write
//	c.Acting("pods", "", "CREATE")             // [LimitRanger ServiceAccount Priority ...]
//
// Which plugins a resource has is found once, when the resource is made: one that no plugin names
// costs nothing. A Chain is used by any number of writes at once. The package is internal to this
// program and promises no compatibility.
package admission

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/auth"
	"apichain/internal/kinds"
	"apichain/internal/metrics"
)

// Objects is what plugins see of the cluster, and write in it. Resources are named plural.group, and
// what is not served has no objects. Package api has it.
type Objects interface {
	// Get returns an object, which the caller owns, or nil. namespace is "" for one of the cluster.
	Get(resource, namespace, name string) map[string]any
	// List returns the objects of a namespace, or with "" of all, sorted; the caller owns them.
	List(resource, namespace string) []map[string]any
	// Labels returns the labels of an object, which nobody may change, and whether there is one.
	Labels(resource, namespace, name string) (labels map[string]string, ok bool)
	// Change returns a number that grows with each change of a resource's objects.
	Change(resource string) int64
	// Write changes an object or a subresource of it; change returns false to leave it.
	Write(ctx context.Context, resource, namespace, name, subresource string, change func(obj map[string]any) bool) error
}

// Config says which plugins are on, and what they need to know.
// The zero value is upstream's choice of plugins, with pods that leave a node at once that is not
// ready, and nobody to ask about certificates: those plugins need the Authorizer.
type Config struct {
	// Enabled and Disabled are names: upstream's two flags. A plugin that is in neither is on as
	// upstream has it.
	Enabled, Disabled []string
	// Authorizer decides who may approve and sign certificates.
	Authorizer auth.Authorizer
	// NotReadySeconds and UnreachableSeconds are how long pods stay on a node that is not ready or
	// cannot be reached: those of the tolerations that every pod gets.
	NotReadySeconds, UnreachableSeconds int64
	// Policies are asked in the places of the plugins MutatingAdmissionPolicy and ValidatingAdmissionPolicy, and Webhooks in those of
	// MutatingAdmissionWebhook and ValidatingAdmissionWebhook; nil is nobody.
	Policies, Webhooks Party
}

// Party is who is asked about every write of every resource, beside the plugins: packages policy and webhook have one each. Its methods
// are called concurrently.
type Party interface {
	// Wants reports whether somebody may have something to say about an operation, without waiting or allocating.
	Wants(phase api.Phase, r *api.Resource, subresource, operation string) bool
	// Mutate asks those who may change the object, and says whether one of them has. If anybody of any party has, all mutating plugins
	// are asked once more, and again, unless it is nil, is called for the same object in the place of the party among them.
	Mutate(ctx context.Context, a api.Admission) (again api.Admit, changed bool, err error)
	// Validate asks those who may refuse it.
	Validate(ctx context.Context, a api.Admission) error
}

// Chain is the plugins that are on, in upstream's order. Make one with New.
type Chain struct {
	config  Config
	objects Objects
	on      []*plugin
	// durations are how long questions took: by phase, operation in the order of operations, and whether they were refused.
	durations [2][len(operations)][2]*metrics.Histogram

	// What plugins keep between two questions.

	priorities, storageClasses, ingressClasses, limitRanges, quotas decoded
	// quotaTurns are had while a namespace's quotas are compared and counted up, by its name.
	quotaTurns turns
}

// New returns the plugins that are on. The error names what upstream does not know, and what is both
// enabled and disabled.
// The chain asks nobody before Look has been called, but may be asked already which plugins it has.
func New(c Config) (*Chain, error) {
	chain := &Chain{config: c}
	chain.startCounting()
	// Each of these is read whole at the first question after a change, and not before.
	chain.priorities.resource = "priorityclasses.scheduling.k8s.io"
	chain.storageClasses.resource = "storageclasses.storage.k8s.io"
	chain.ingressClasses.resource = "ingressclasses.networking.k8s.io"
	chain.limitRanges.resource = "limitranges"
	chain.quotas.resource = "resourcequotas"
	for _, name := range slices.Concat(c.Enabled, c.Disabled) {
		// A name that is wrong would be a plugin that is silently off.
		if row(name) == nil {
			return nil, errors.New("admission plugin " + name + " is unknown")
		}
		if slices.Contains(c.Enabled, name) && slices.Contains(c.Disabled, name) {
			return nil, errors.New("admission plugin " + name + " is both enabled and disabled")
		}
	}
	// The order of the flags does not count: plugins are asked in that of the table.
	for i := range plugins {
		if p := &plugins[i]; p.isOn(&c) {
			chain.on = append(chain.on, p)
		}
	}
	return chain, nil
}

// Look gives the plugins the cluster. It is called once, before the first write.
// Objects must not be nil, and stays the same for the life of the chain. It comes after New because the
// API that has the objects is itself made with the chain.
func (c *Chain) Look(o Objects) { c.objects = o }

// plugin is a row of the table. One without acts has nothing to do here: why says so.
type plugin struct {
	name string
	// on is whether upstream has it on without a flag.
	on   bool
	does string
	why  string
	acts []act
	// party is who of the Config is asked in its place, if anybody.
	party func(*Config) Party
}

// act is what a plugin does in one phase of the writes of some resources.
type act struct {
	phase api.Phase
	// resources are plural.group with a subresource behind a slash, separated by blanks; * is every
	// namespaced resource. operations are upstream's names.
	resources, operations string
	// do answers; nil is what package api does itself.
	do func(c *Chain, ctx context.Context, a api.Admission) error
}

// isOn reports whether a plugin is on.
// Disabled wins, though New admits no name in both lists.
func (p *plugin) isOn(c *Config) bool {
	return (p.on || slices.Contains(c.Enabled, p.name)) && !slices.Contains(c.Disabled, p.name)
}

// row returns the row of a name, nil if there is none.
// Names are compared as they are, upper and lower case told apart (upstream).
func row(name string) *plugin {
	i := slices.IndexFunc(plugins[:], func(p plugin) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return &plugins[i]
}

// For returns who is asked about a resource, nobody where neither a plugin acts nor a party is asked.
// It is called once for each resource, when that is made. What it returns may be called at once by any
// number of writers, and returns the first refusal: later plugins are not asked (upstream).
func (c *Chain) For(r *api.Resource) (who api.Admitters) {
	var all [2]steps
	for phase := range all {
		for _, p := range c.on {
			all[phase].add(c, p, api.Phase(phase), r)
		}
	}
	// Nobody, and not somebody who wants nothing: package api then prepares no question.
	if len(all[0])+len(all[1]) == 0 {
		return who
	}
	who.Wants = func(phase api.Phase, subresource, operation string) bool {
		return all[phase].wants(phase, r, subresource, operation)
	}
	who.Ask = func(ctx context.Context, a api.Admission) (err error) {
		begun := time.Now()
		defer func() { c.took(a.Phase, a.Operation, err != nil).Observe(int64(time.Since(begun))) }()
		if a.Phase == api.Validating {
			return all[a.Phase].ask(ctx, c, a, func(p Party, _ int) error { return p.Validate(ctx, a) })
		}
		// What a party has changed may change what the plugins, and those of other parties, make of it (upstream).
		again, isChanged := [mostParties]api.Admit{}, false
		err = all[a.Phase].ask(ctx, c, a, func(p Party, i int) error {
			next, changed, err := p.Mutate(ctx, a)
			again[i], isChanged = next, isChanged || changed
			return err
		})
		if err != nil || !isChanged {
			return err
		}
		return all[a.Phase].ask(ctx, c, a, func(_ Party, i int) error {
			if again[i] == nil {
				return nil
			}
			return again[i](ctx, a)
		})
	}
	return who
}

// mostParties is how many parties may be asked in one phase.
const mostParties = 2

// steps is who is asked about the writes of a resource in one phase, in order.
type steps []step

// step is a party, or what is done by plugins between two of them: acts by subresource and operation, since a question is about one of
// each.
type step struct {
	party Party
	acts  map[[2]string][]*act
}

// add adds what a plugin does in a phase of the writes of r.
func (s *steps) add(c *Chain, p *plugin, phase api.Phase, r *api.Resource) {
	if p.party != nil {
		if party := p.party(&c.config); party != nil && p.acts[0].phase == phase {
			*s = append(*s, step{party: party})
		}
		return
	}
	for i := range p.acts {
		x := &p.acts[i]
		if x.phase != phase || x.do == nil {
			continue
		}
		acts := map[[2]string][]*act{}
		if x.index(acts, r.Qualified(), r.Namespaced); len(acts) == 0 {
			continue
		}
		// Behind a party begins a new step.
		if n := len(*s); n == 0 || (*s)[n-1].party != nil {
			*s = append(*s, step{acts: map[[2]string][]*act{}})
		}
		into := (*s)[len(*s)-1].acts
		for key, more := range acts {
			into[key] = append(into[key], more...)
		}
	}
}

// wants reports whether anybody is to be asked.
func (s steps) wants(phase api.Phase, r *api.Resource, subresource, operation string) bool {
	for i := range s {
		if x := &s[i]; x.party != nil && x.party.Wants(phase, r, subresource, operation) ||
			x.party == nil && len(x.acts[[2]string{subresource, operation}]) > 0 {
			return true
		}
	}
	return false
}

// ask asks one question of all, and of parties by the function given, which gets their places among parties. It returns the first
// refusal.
func (s steps) ask(ctx context.Context, c *Chain, a api.Admission, party func(p Party, i int) error) error {
	parties := 0
	for i := range s {
		if p := s[i].party; p != nil {
			if err := party(p, parties); err != nil {
				return err
			}
			parties++
			continue
		}
		for _, x := range s[i].acts[[2]string{a.Subresource, a.Operation}] {
			if err := x.do(c, ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// index adds the act to those of each subresource and operation of the resource with that name that it
// names.
// Only resources of a namespace are meant by the star, for what it stands for are plugins that ask
// about the namespace.
func (x *act) index(acts map[[2]string][]*act, name string, namespaced bool) {
	for named := range strings.FieldsSeq(x.resources) {
		resource, subresource, _ := strings.Cut(named, "/")
		if resource != name && !(resource == "*" && namespaced) {
			continue
		}
		for op := range strings.FieldsSeq(x.operations) {
			key := [2]string{subresource, op}
			acts[key] = append(acts[key], x)
		}
	}
}

// State is what a page shows of a plugin.
type State struct {
	Name string
	On   bool
	// Does is what it does, and Why is why it does nothing: one of the two.
	Does, Why string
}

// States returns all plugins that upstream knows, in its order.
// The slice is the caller's.
func (c *Chain) States() (all []State) {
	for i := range plugins {
		p := &plugins[i]
		all = append(all, State{p.name, slices.Contains(c.on, p), p.does, p.why})
	}
	return all
}

// On reports whether the plugin of a name is on.
// A name that upstream does not know is off.
func (c *Chain) On(name string) bool {
	return slices.ContainsFunc(c.on, func(p *plugin) bool { return p.name == name })
}

// Acting returns the names of the plugins that are asked about a write of a resource, in their order.
// It tells an operator whom a write will pass, and so counts what package api does in place of a plugin
// too; operation is upstream's name of it, CREATE, UPDATE or DELETE.
func (c *Chain) Acting(r *kinds.Row, subresource, operation string) (names []string) {
	for _, p := range c.on {
		if p.party != nil {
			continue
		}
		acts := map[[2]string][]*act{}
		for i := range p.acts {
			p.acts[i].index(acts, r.Qualified(), r.Namespaced)
		}
		if len(acts[[2]string{subresource, operation}]) > 0 {
			names = append(names, p.name)
		}
	}
	return names
}

// Idle returns those of the names that have no effect when they are enabled: they do nothing here.
// They are what a start warns of: the flag is taken, as command lines are copied from real clusters,
// but what it is to protect is not protected. Unknown names are left out, which New refuses.
func Idle(names []string) (idle []string) {
	for _, name := range names {
		if p := row(name); p != nil && p.does == "" {
			idle = append(idle, name)
		}
	}
	return idle
}

// Names returns all names that upstream knows, in the order in which plugins are asked.
func Names() (names []string) {
	for i := range plugins {
		names = append(names, plugins[i].name)
	}
	return names
}

// joined returns several reasons as one, as upstream's aggregate of errors is written; "" for none.
// Each reason is told once, where it was first.
func joined(reasons []string) string {
	var once []string
	for _, r := range reasons {
		if !slices.Contains(once, r) {
			once = append(once, r)
		}
	}
	if len(once) > 1 {
		return "[" + strings.Join(once, ", ") + "]"
	}
	return strings.Join(once, "")
}
