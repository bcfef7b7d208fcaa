package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"apichain/internal/api"
	"apichain/internal/expression"
	"apichain/internal/field"
	"apichain/internal/matching"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// A mutating policy changes the object once for each of its bindings and each object of parameters of that, by its mutations one after
// another, each of which sees what those before have made of it. Who is about the write is found before the first change:
//
//	policies, bindings, params ─► invocations ─► conditions ─► mutation ─► mutation ─► ... ─► the object, with its defaults
//
// An invocation that fails is passed over, and refuses the write in the end unless its policy may fail. If anything was changed, all
// mutating plugins are asked once more, and of policies those that want to be and were invoked before a change. As a round ends with
// the changes of all, that is every one of them, its own change included (upstream).
//
// Upstream applies each policy to the form of the object that its rule names, and keeps what the last one has made of it; here the
// forms are made of each other, so that no change is lost. And it has the policies in no order, here that is of their names.

// mutations are those of a mutating policy.
type mutations struct {
	list []mutation
	// again says that the policy wants to be invoked again if the object changes after it.
	again bool
}

// mutation is one of them: an expression that is a configuration to be applied, or else operations of a JSON patch.
type mutation struct {
	applies bool
	*expression.Expression
}

// newMutations compiles the mutations of a policy.
func newMutations(u *expression.Unit, spec map[string]any, d expression.Declared) mutations {
	d.Patches = true
	m := mutations{again: tree.Text(spec, "reinvocationPolicy") == "IfNeeded"}
	for _, v := range tree.List(spec, "mutations") {
		place, result := "jsonPatch", expression.PatchResult
		applies := tree.Text(v, "patchType") == "ApplyConfiguration"
		if applies {
			place, result = "applyConfiguration", expression.ConfigurationResult
		}
		m.list = append(m.list, mutation{applies, u.Compile(tree.Text(v, place, "expression"), d, true, result)})
	}
	return m
}

// rounds is one attempt to write on its way through the mutating policies. It belongs to the goroutine of the write.
type rounds struct {
	policies *Policies
	// table is that of the first round: the second one invokes no other policies.
	table *table
	// invoked are those that want to be invoked again if the object changes now, and again those that will be.
	invoked, again map[invoked]bool
}

// invoked names an invocation.
type invoked struct{ policy, binding, param string }

// invocation is a policy with a binding and an object of parameters, nil for none, that is about the write.
type invocation struct {
	*policy
	binding *binding
	into    *api.Resource
	param   map[string]any
}

// key returns what names it in both rounds.
func (i *invocation) key() invoked {
	return invoked{i.policy.name, i.binding.name, tree.Text(i.param, "metadata", "namespace") + "/" + tree.Name(i.param)}
}

// Mutate implements admission.Party.
func (p *Policies) Mutate(ctx context.Context, a api.Admission) (again api.Admit, changed bool, err error) {
	t := p.now.Load()
	if t == nil || p.isOwn(&a) {
		return nil, false, nil
	}
	r := &rounds{policies: p, table: t, invoked: map[invoked]bool{}, again: map[invoked]bool{}}
	if changed, err = r.round(ctx, &a, false); err != nil {
		return nil, false, err
	}
	// The object as it is handed back, to see what others make of it in between. Who is not to be invoked again may still fail to find
	// its parameters then, or its conditions (upstream).
	var left any
	if len(r.invoked) > 0 {
		left = tree.Copy(a.Object)
	}
	return func(ctx context.Context, a api.Admission) error {
		if len(r.invoked) > 0 && !tree.Equal(left, a.Object) {
			r.require()
		}
		_, err := r.round(ctx, &a, true)
		return err
	}, changed, nil
}

// require has those invoked again that want to be.
func (r *rounds) require() {
	maps.Copy(r.again, r.invoked)
	clear(r.invoked)
}

// mutator invokes the policies of a round.
type mutator struct {
	*question
	*rounds
	// form is the question as the last mutation has left it, nil before the first invocation.
	form *form
	// isChanged says that a mutation was applied, whether it made a difference or not.
	isChanged bool
	// refusal collects what has failed.
	refusal *status.Error
}

// round invokes all policies that are about the write, in the second round those that are to be. The object is changed in place at
// the end; after an error it is as it was. changed says that a mutation was applied. The error is the client's.
func (r *rounds) round(ctx context.Context, a *api.Admission, again bool) (changed bool, err error) {
	own := a.Object
	m := &mutator{question: r.policies.ask(ctx, a, r.table), rounds: r}
	all := m.collect(ctx)
	if len(all) > 0 {
		if err := m.findNamespace(ctx); err != nil {
			return false, err
		}
	}
	for i := range all {
		if err := m.invoke(ctx, &all[i], again); err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			return false, errTimeout
		}
	}
	if m.refusal != nil {
		return false, m.refusal
	}
	if !m.isChanged {
		return false, nil
	}
	r.require()
	if err := m.Settle(ctx, own, m.form.Form); err != nil {
		return false, clientError(fmt.Errorf("failed to convert object: %w", err))
	}
	return true, nil
}

// collect returns the invocations of the policies that are about the question.
func (m *mutator) collect(ctx context.Context) (all []invocation) {
	plan := m.plan()
	for i := range plan {
		x := &plan[i]
		into, err := m.match(&x.ways)
		if err == nil && into == nil {
			continue
		}
		var resource *api.Resource
		if err == nil {
			resource, err = m.p.paramResource(x.policy)
		}
		if err != nil {
			m.fail(x.policy, nil, fmt.Errorf("failed to configure policy: %w", err), "")
			continue
		}
		for j := range x.bindings {
			b := &x.bindings[j]
			of, err := m.match(&b.ways)
			if err == nil && of == nil {
				continue
			}
			var params []map[string]any
			if err == nil {
				params, err = m.p.params(ctx, resource, b.params, m.Within)
			}
			if err != nil {
				m.fail(x.policy, b.binding, fmt.Errorf("failed to configure binding: %w", err), "")
				continue
			}
			for _, param := range params {
				all = append(all, invocation{x.policy, b.binding, into, param})
			}
		}
	}
	return all
}

// invoke applies a policy with one object of parameters. What fails is kept for the end of the round; the error is one that no failure
// policy forgives.
func (m *mutator) invoke(ctx context.Context, i *invocation, again bool) error {
	if err := m.move(ctx, i.into); err != nil {
		return err
	}
	start := time.Now()
	defer func() { m.Scope.Spend(request.InRules, time.Since(start)) }()
	e := evaluation{m.question, i.policy, i.program(), m.form, i.param}
	if matches, err := e.matches(ctx); err != nil {
		m.fail(i.policy, i.binding, err, "Invalid")
		return nil
	} else if !matches || again && !m.again[i.key()] {
		return nil
	}
	before := m.form.Object
	for _, x := range e.program.mutations.list {
		// Of what has no object nothing is changed.
		if m.form.Object == nil {
			continue
		}
		begun := time.Now()
		next, err := m.mutated(ctx, &e, x)
		said := labels{policy: i.policy.name, binding: i.binding.name, errorType: mutationError(err)}
		m.p.counts[api.Mutating].observe(said, time.Since(begun))
		var final *status.Error
		switch {
		case errors.As(err, &final):
			return final
		case err != nil:
			m.fail(i.policy, i.binding, err, "Invalid")
			continue
		}
		// The form that was is the input of what was evaluated before: it is left as it is.
		m.form, m.isChanged = &form{Form: matching.Form{Resource: m.form.Resource, Object: next, Old: m.form.Old}}, true
		m.Changed(next)
		e.form = m.form
	}
	if !tree.Equal(before, m.form.Object) {
		m.require()
	}
	// Behind its own change, which is no reason to be invoked again before the round is over.
	if e.program.mutations.again {
		m.invoked[i.key()] = true
	}
	return nil
}

// move brings the question into the form that the next policy wants, from that which the last one has left.
func (m *mutator) move(ctx context.Context, r *api.Resource) error {
	switch {
	case m.form != nil && (m.form.Resource == r || !m.IsObject):
	// As long as nothing has changed, each form is made of what the client sent: two conversions in a row could lose more.
	case !m.isChanged:
		f, err := m.as(ctx, r)
		if err != nil {
			return clientError(err)
		}
		m.form = f
	default:
		f, err := m.Move(ctx, m.form.Form, r)
		if err != nil {
			return clientError(err)
		}
		m.form = &form{Form: f}
	}
	return nil
}

// fail notes that a policy, or with b a binding, has failed, for a reason of a Status. The first one that may not is what the client is
// told, and all of them are causes.
func (m *mutator) fail(x *policy, b *binding, err error, reason string) {
	if x.failsOpen {
		return
	}
	why := fmt.Sprintf("policy %q denied request: %s", x.name, err)
	if b != nil {
		why = "policy '" + x.name + "' with binding '" + b.name + "' denied request: " + err.Error()
	}
	if m.refusal == nil {
		m.refusal = m.Forbidden("")
		m.refusal.Message = why
		if reason != "" {
			m.refusal.Reason = reason
		}
	}
	// A thousand policies may fail, each with a long story.
	const most = 100
	if len(m.refusal.Details.Causes) < most {
		m.refusal.Details.Causes = append(m.refusal.Details.Causes, field.Error{Message: why})
	}
}

// mutated returns what a mutation makes of the form, which is left as it is. A *status.Error is the answer to the client, whatever the
// failure policy is.
func (m *mutator) mutated(ctx context.Context, e *evaluation, x mutation) (map[string]any, error) {
	if x.Fault != nil {
		return nil, x.Fault
	}
	// Each mutation has a budget of its own, and computes variables anew: the object is another one.
	result, _, err := e.program.unit.Run(ctx, e.input(e.form, e.params)).Evaluate(x.Expression, expression.Budget)
	if err == nil {
		err = result.Err
	}
	if err != nil {
		return nil, err
	}
	if x.applies {
		return m.configured(result.Value)
	}
	return m.patched(result.Value)
}

// mutationError returns what metrics call an error of a mutation.
func mutationError(err error) string {
	if err == nil {
		return "no_error"
	}
	return errorType(&decision{isError: true, message: err.Error()})
}

// clientError returns an error as the client gets it: a *status.Error is one already.
func clientError(err error) error {
	var e *status.Error
	if errors.As(err, &e) {
		return e
	}
	return internalError(err)
}
