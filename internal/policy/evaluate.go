package policy

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/tree"
)

// What one policy says of one question. Its lists of expressions are evaluated one after another, each with variables of its own, and what
// they cost counts as upstream counts it:
//
//	conditions     2,500,000 together; one that is false ends the matter
//	validations    10,000,000 together with the messages, which upstream evaluates all: here those that are wanted, unless the others
//	               could spend what is left, by which upstream refuses even what passes
//	annotations    10,000,000 of their own

// evaluation is a policy with one binding and one object of parameters.
type evaluation struct {
	*question
	*policy
	program *program
	form    *form
	params  map[string]any
}

// failed returns the decision that an error is, which the failure policy may forgive.
func (e *evaluation) failed(err error) decision {
	return decision{denies: !e.failsOpen, isError: true, message: err.Error()}
}

// judge returns what the policy decides, and adds to the audit annotations.
func (e *evaluation) judge(ctx context.Context, notes *annotations) []decision {
	x := e.program
	if matches, err := e.matches(ctx); err != nil {
		return []decision{e.failed(err)}
	} else if !matches {
		return nil
	}
	in := e.input(e.form, e.params)
	run, budget := x.unit.Run(ctx, in), uint64(expression.Budget)
	results := make([]expression.Result, len(x.validations))
	fails := false
	var err error
	for i := range x.validations {
		if results[i], budget, err = run.Evaluate(x.validations[i].rule, budget); err != nil {
			return []decision{e.failed(err)}
		}
		fails = fails || results[i].Err != nil || !results[i].Value.Bool()
	}
	decisions := e.decide(ctx, in, results, fails, budget)
	more, err := e.note(ctx, in, notes)
	if err != nil {
		// What the validations say counts for nothing then (upstream).
		return []decision{e.failed(err)}
	}
	return append(decisions, more...)
}

// matches reports whether the conditions hold.
func (e *evaluation) matches(ctx context.Context) (bool, error) {
	x := e.program
	if x.conditions == nil {
		return true, nil
	}
	labels := expression.Labels{Name: e.policy.name, Kind: "policy", Type: "validate", Operation: e.Operation}
	matches, err := x.conditions.Match(ctx, e.conditionsInput(e.form, e.params), e.p.config.Counts, labels)
	return matches && err == nil, err
}

// decide returns what comes of the results of the validations. Messages are of those that fail, but where their expressions could spend
// the budget all are evaluated, as then even what does not fail is refused (upstream).
func (e *evaluation) decide(ctx context.Context, in *expression.Input, results []expression.Result, fails bool, budget uint64) []decision {
	x := e.program
	messages, spent := make([]expression.Result, len(results)), error(nil)
	// A call may cost a little more than it may, since it ends behind what was too much.
	isSafe := uint64(len(results)+x.unit.Len())*2*expression.PerCall <= budget
	if fails || !isSafe {
		run := x.unit.Run(ctx, in)
		for i := range results {
			if isSafe && results[i].Err == nil && results[i].Value.Bool() {
				continue
			}
			if messages[i], budget, spent = run.Evaluate(x.validations[i].message, budget); spent != nil {
				break
			}
		}
	}
	if !fails && spent == nil {
		return nil
	}
	decisions := make([]decision, len(results))
	for i, r := range results {
		d := &decisions[i]
		switch {
		case r.Err != nil:
			*d = e.failed(r.Err)
		case spent != nil:
			*d = decision{denies: !e.failsOpen, isError: true, message: "failed messageExpression: " + spent.Error()}
		case !r.Value.Bool():
			*d = decision{denies: true, message: x.validations[i].says(&messages[i]), reason: x.validations[i].reason}
		}
		d.index, d.took = i, r.Took
	}
	return decisions
}

// says returns the message of a validation that fails: what its expression says, if that is one line of not too many, or its text, or
// else the rule.
func (x *validation) says(message *expression.Result) string {
	const most = 5 << 10
	if message.Err == nil && message.Value.Kind() == cel.String {
		if text := strings.TrimSpace(message.Value.Str()); text != "" && len(text) <= most && !strings.Contains(text, "\n") {
			return text
		}
	}
	if x.text != "" {
		return x.text
	}
	return "failed expression: " + strings.TrimSpace(x.rule.Text)
}

// note adds what the audit annotations are to notes. An annotation that cannot be evaluated refuses the write, unless the policy may
// fail. err says that none could be.
func (e *evaluation) note(ctx context.Context, in *expression.Input, notes *annotations) (decisions []decision, err error) {
	x := e.program
	if len(x.annotations) == 0 {
		return nil, nil
	}
	own := *in
	// They may name the authorizer, but there is none (upstream).
	own.Authorizer, own.Resource = cel.Failf("no such attribute(s): authorizer"), cel.Failf("no such attribute(s): authorizer.requestResource")
	run, budget := x.unit.Run(ctx, &own), uint64(expression.Budget)
	for i := range x.annotations {
		a := &x.annotations[i]
		var r expression.Result
		if r, budget, err = run.Evaluate(a.value, budget); err != nil {
			return nil, err
		}
		switch {
		case r.Err != nil && !e.failsOpen:
			decisions = append(decisions, decision{isFinal: true, isError: true, message: r.Err.Error(), took: r.Took})
		case r.Err == nil && r.Value.Kind() == cel.String:
			notes.add(a.key, strings.TrimSpace(r.Value.Str()))
		}
	}
	return decisions, nil
}

// annotations are those of a policy, by key, with what its bindings and their parameters make of them. The zero value has none.
type annotations struct{ all map[string][]string }

// add adds a value, once, unless it is empty.
func (n *annotations) add(key, value string) {
	const most = 10 << 10
	if value = value[:min(most, len(value))]; value != "" && !slices.Contains(n.all[key], value) {
		if n.all == nil {
			n.all = map[string][]string{}
		}
		n.all[key] = append(n.all[key], value)
	}
}

// publish puts them into the audit event.
func (n *annotations) publish(q *question, policy string) {
	if n.all == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(n.all)) {
		q.Scope.Annotate(policy+"/"+key, strings.Join(n.all[key], ", "), false)
	}
}

// failure is a decision that a binding wants in the audit event.
type failure struct {
	decision
	policy  *policy
	binding *binding
}

// append appends it as JSON, in upstream's order.
func (f *failure) append(b []byte) []byte {
	b = tree.AppendJSONString(append(b, `{"message":`...), f.message)
	b = tree.AppendJSONString(append(b, `,"policy":`...), f.policy.name)
	b = tree.AppendJSONString(append(b, `,"binding":`...), f.binding.name)
	b = strconv.AppendInt(append(b, `,"expressionIndex":`...), int64(f.index), 10)
	b = append(b, `,"validationActions":[`...)
	for i, a := range f.binding.actions {
		if i > 0 {
			b = append(b, ',')
		}
		b = tree.AppendJSONString(b, a)
	}
	return append(b, "]}"...)
}
