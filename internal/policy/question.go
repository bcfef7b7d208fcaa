package policy

import (
	"context"

	"apichain/internal/api"
	"apichain/internal/expression"
	"apichain/internal/matching"
)

// What is the same for policies of both kinds: whether one is about a question, in which form it sees the object, and what its
// expressions are given.

// question is one question of admission on its way to the policies of a phase. It belongs to one goroutine.
type question struct {
	matching.Question
	p *Policies
	// t is the table of all policies, whatever is configured meanwhile.
	t *table
	// forms are those that were needed.
	forms []*form
	// namespace is the Namespace of the object, nil before it is looked for and where there is none to look for.
	namespace map[string]any
	authority *expression.Authority
}

// form is the question in a form of its resource, with what expressions see of it but for parameters, and what conditions do.
type form struct {
	matching.Form
	in, conditions *expression.Input
}

// ask begins a question.
func (p *Policies) ask(ctx context.Context, a *api.Admission, t *table) *question {
	authority := expression.NewAuthority(ctx, p.config.Authorizer, matching.User(a))
	return &question{Question: matching.Ask(a, p.api, &t.selectors), p: p, t: t, authority: authority}
}

// plan returns the policies whose rules are about the question.
func (q *question) plan() []planned {
	return q.t.plan(matching.Shape{Phase: q.Phase, Resource: q.Resource, Subresource: q.Subresource, Operation: q.Operation})
}

// match returns the form in which constraints want to see the question, nil where they are not about it. The error is of a namespace that
// is not there; it is not said to what the object or its name rules out.
func (q *question) match(w *ways) (*api.Resource, error) {
	// What a policy before has tried the same selectors for costs nothing.
	if q.RulesOut(w.objects, w.namespaces) {
		return nil, nil
	}
	if !q.ObjectMatches(w.objects) || matching.Choose(w.excluded, q.Name) != nil {
		return nil, nil
	}
	into := q.Resource
	if !w.isAll {
		if into = matching.Choose(w.into, q.Name); into == nil {
			return nil, nil
		}
	}
	if matches, err := q.NamespaceMatches(w.namespaces); !matches || err != nil {
		return nil, err
	}
	return into, nil
}

// as returns the question in a form, which all policies share that want it. The error is of what cannot be converted.
func (q *question) as(ctx context.Context, r *api.Resource) (*form, error) {
	for _, f := range q.forms {
		if f.Resource == r {
			return f, nil
		}
	}
	of, err := q.In(ctx, r)
	if err != nil {
		return nil, err
	}
	f := &form{Form: of}
	q.forms = append(q.forms, f)
	return f, nil
}

// findNamespace finds the Namespace of the object. The error is the client's.
func (q *question) findNamespace(ctx context.Context) error {
	// A Namespace has none, also where one of its subresources is asked about.
	if q.namespace != nil || q.Admission.Namespace == "" || q.isNamespace() {
		return nil
	}
	r := q.p.api.Builtin("", "v1", "Namespace")
	sn := r.Bucket.Now()
	o := sn.Get(r.Key("", q.Admission.Namespace))
	if o == nil {
		return matching.NoNamespace(q.Admission.Namespace)
	}
	obj, err := q.p.seen.of(ctx, r, o)
	if err != nil {
		return matching.InternalError(err)
	}
	q.namespace = obj
	return nil
}

func (q *question) isNamespace() bool {
	group, version, kind := q.Kind()
	return kind == "Namespace" && version == "v1" && group == ""
}

// input returns what expressions see of the question in a form. The namespace must have been looked for.
func (q *question) input(f *form, params map[string]any) *expression.Input {
	if f.in == nil {
		f.in = q.Input(&f.Form, f.Resource, q.authority)
		f.in.Namespace = q.namespace
	}
	return with(f.in, params)
}

// conditionsInput is input for conditions, which see no namespaceObject, and in request.resource what was asked for (upstream).
func (q *question) conditionsInput(f *form, params map[string]any) *expression.Input {
	if f.conditions == nil {
		f.conditions = q.Input(&f.Form, q.Resource, q.authority)
	}
	return with(f.conditions, params)
}

// with returns an input with parameters.
func with(in *expression.Input, params map[string]any) *expression.Input {
	if params == nil {
		return in
	}
	other := *in
	other.Params = params
	return &other
}
