package webhook

import (
	"context"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/expression"
	"apichain/internal/matching"
	"apichain/internal/request"
	"apichain/internal/status"
)

// Which webhooks a question is for. Upstream looks at the namespace's labels, the object's, the rules, and in the rules at the
// other forms of the resource, and says what went wrong with the namespace only to a request that all others match. Here the
// rules come first, since they cost least; what is said is the same.

// question is one question of admission on its way to the webhooks of a phase. It belongs to one goroutine, but for its forms, which
// those who ask only read.
type question struct {
	matching.Question
	w *Webhooks
	// t is the table of all its webhooks, whatever is configured meanwhile.
	t *table
	// authority is what conditions ask about rights, nil before the first one.
	authority *expression.Authority
}

// ask begins a question.
func (w *Webhooks) ask(a *api.Admission, t *table) *question {
	return &question{Question: matching.Ask(a, w.objects, &t.selectors), w: w, t: t}
}

// plan returns the webhooks whose rules are about the question.
func (q *question) plan() []planned {
	return q.t.plan(matching.Shape{Phase: q.Phase, Resource: q.Resource, Subresource: q.Subresource, Operation: q.Operation})
}

// match reports whether a webhook whose rules are about the question selects its labels. The error is the client's.
func (q *question) match(h *hook) (bool, error) {
	// The object before its namespace: to what the object rules out, a missing namespace is no error.
	if !q.ObjectMatches(h.objects) {
		return false, nil
	}
	return q.NamespaceMatches(h.namespaces)
}

// holds reports whether the conditions of a webhook hold in the form in which it is shown the question. The error, for the client, is
// that of a condition that cannot be evaluated, unless the webhook may fail.
func (q *question) holds(ctx context.Context, h *hook, f *form, phase string) (bool, error) {
	if h.conditions == nil {
		return true, nil
	}
	if q.authority == nil {
		q.authority = expression.NewAuthority(ctx, q.w.config.Authorizer, matching.User(q.Admission))
	}
	labels := expression.Labels{Name: h.name, Kind: "webhook", Type: phase, Operation: q.Operation}
	begun := time.Now()
	matches, err := h.conditions().Match(ctx, q.Input(&f.Form, q.Resource, q.authority), q.w.config.Counts, labels)
	q.Scope.Spend(request.InRules, time.Since(begun))
	switch {
	case err == nil:
		if !matches {
			q.w.config.Counts.Excluded(labels)
		}
		return matches, nil
	case ctx.Err() != nil:
		return false, matching.ErrTimeout
	case h.failsOpen:
		q.w.config.Counts.Excluded(labels)
		return false, nil
	}
	q.w.config.Log.Warn("conditions of a webhook cannot be evaluated, failing closed", "webhook", h.name,
		"configuration", h.configuration, "err", err)
	return false, status.Forbidden(q.Resource.Group, q.Resource.Plural, q.Name, err.Error())
}

// Matching returns the webhooks of a phase, CONFIGURATION/WEBHOOK in the order of asking, that would be asked about a write. What
// depends on the object or its namespace stands behind the name in words. Nobody is asked.
func (w *Webhooks) Matching(phase api.Phase, r *api.Resource, subresource, operation string) (names []string) {
	t := w.now.Load()
	if t == nil || isExempt(r.Group, r.Kind) {
		return nil
	}
	// The plan is what a write would go by; selectors are told in words, since there is no object.
	for _, p := range t.plan(matching.Shape{Phase: phase, Resource: r, Subresource: subresource, Operation: operation}) {
		name := p.configuration + "/" + p.name + " " + strings.Join(p.provisos(r), ", ")
		names = append(names, strings.TrimSuffix(name, " "))
	}
	return names
}

// provisos says, for people, on what it depends whether a webhook is asked whose rules match, and how it sees the object.
func (p *planned) provisos(r *api.Resource) []string {
	all := matching.Provisos(r, p.selects)
	if p.conditions != nil {
		all = append(all, "if its conditions hold")
	}
	if p.form != r {
		all = append(all, matching.As(p.form))
	}
	return all
}
