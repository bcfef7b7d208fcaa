package policy

import (
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/matching"
)

// Matching returns, for people, which policies are about the requests of a shape, in order: each with its bindings, and in words on what
// it depends whether it is evaluated, since there is no object.
//
//	add-sidecar with binding all if the namespace has labels inject=yes, if its conditions hold
func (p *Policies) Matching(phase api.Phase, r *api.Resource, subresource, operation string) (names []string) {
	t := p.now.Load()
	if t == nil || !p.Wants(phase, r, subresource, operation) {
		return nil
	}
	for _, x := range t.plan(matching.Shape{Phase: phase, Resource: r, Subresource: subresource, Operation: operation}) {
		for i := range x.bindings {
			b := &x.bindings[i]
			var provisos []string
			for _, c := range [...]struct {
				*constraints
				ways
			}{{&x.policy.constraints, x.ways}, {&b.binding.constraints, b.ways}} {
				provisos = append(provisos, c.provisos(c.ways, r)...)
			}
			if x.program().conditions != nil {
				provisos = append(provisos, "if its conditions hold")
			}
			if b.params != nil {
				provisos = append(provisos, "with parameters "+x.paramKind)
			}
			if len(x.into) > 0 && x.into[0].Form != r {
				provisos = append(provisos, matching.As(x.into[0].Form))
			}
			name := x.policy.name + " with binding " + b.binding.name
			if provisos = slices.Compact(provisos); len(provisos) > 0 {
				name += " " + strings.Join(provisos, ", ")
			}
			names = append(names, name)
		}
	}
	return names
}

// provisos says what constraints ask of an object that its resource does not tell.
func (c *constraints) provisos(w ways, r *api.Resource) (all []string) {
	all = matching.Provisos(r, c.selects)
	if n := len(w.into); n > 0 && len(w.into[n-1].Names) > 0 {
		all = append(all, "for objects of some names")
	}
	return all
}
