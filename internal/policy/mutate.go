package policy

import (
	"context"

	"apichain/internal/api"
	"apichain/internal/expression"
)

// mutations are those of a mutating policy, in order.
type mutations struct{}

// newMutations compiles the mutations of a policy.
func newMutations(*expression.Unit, map[string]any, expression.Declared) mutations {
	return mutations{}
}

// Mutate implements admission.Party.
func (p *Policies) Mutate(context.Context, api.Admission) (again api.Admit, changed bool, err error) {
	return nil, false, nil
}
