package webhook

import (
	"slices"
	"strconv"

	"apichain/internal/api"
	"apichain/internal/kinds"
	"apichain/internal/matching"
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
}

// ask begins a question.
func (w *Webhooks) ask(a *api.Admission, t *table) *question {
	return &question{matching.Ask(a, w.objects, &t.selectors), w, t}
}

// plan returns the webhooks whose rules are about the question.
func (q *question) plan() []planned {
	return q.t.plan(matching.Shape{Phase: q.Phase, Resource: q.Resource, Subresource: q.Subresource, Operation: q.Operation})
}

// match reports whether a webhook whose rules are about the question wants to be asked. The error is the client's.
func (q *question) match(h *hook) (bool, error) {
	// The object before its namespace: to what the object rules out, a missing namespace is no error.
	if !q.ObjectMatches(h.objects) {
		return false, nil
	}
	if matches, err := q.NamespaceMatches(h.namespaces); !matches || err != nil {
		return false, err
	}
	// Upstream's answer where a condition cannot be evaluated.
	// Such a webhook is left from a server that took conditions without a word. Whether it is meant cannot be known.
	if h.conditional {
		if h.failsOpen {
			return false, nil
		}
		r, why := q.Resource, "matchConditions of webhook "+strconv.Quote(h.name)+" are not evaluated by this server"
		return false, status.Forbidden(r.Group, r.Plural, q.Name, why)
	}
	return true, nil
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
		names = append(names, p.configuration+"/"+p.name+p.provisos(r))
	}
	return names
}

// provisos returns, for people, in words on what it depends whether a webhook is asked whose rules match, and how it sees the object.
func (p *planned) provisos(r *api.Resource) (text string) {
	add := func(s string) {
		if text == "" {
			text = " "
		} else {
			text += ", "
		}
		text += s
	}
	if p.namespaces >= 0 && (r.Namespaced || r.Plural == "namespaces") {
		add("if the namespace has labels " + p.selects[0].String())
	}
	if p.objects >= 0 {
		add("if the object has labels " + p.selects[1].String())
	}
	if p.form != r {
		add("as " + qualified(p.form.Row))
	}
	return text
}

// qualified returns a resource with its version, as kubectl takes it: horizontalpodautoscalers.v2.autoscaling, nodes.v1 of the core
// group, which has no name.
func qualified(row *kinds.Row) string {
	parts := slices.DeleteFunc([]string{row.Plural, row.Version, row.Group}, func(s string) bool { return s == "" })
	text := parts[0]
	for _, p := range parts[1:] {
		text += "." + p
	}
	return text
}
