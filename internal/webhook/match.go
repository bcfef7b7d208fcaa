package webhook

import (
	"net/http"
	"slices"
	"strconv"

	"apichain/internal/api"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Which webhooks a question is for. Upstream looks at the namespace's labels, the object's, the rules, and in the rules at the
// other forms of the resource, and says what went wrong with the namespace only to a request that all others match. Here the
// rules come first, since they cost least; what is said is the same.

//	namespaceSelector   of an object in a namespace, that namespace's labels; of a Namespace, its own, the new ones of a
//	                    write and the stored ones of a delete; what else is of the cluster is always selected
//	objectSelector      the labels of the object as it is to be, or as it was
//	rules               operation, group, version, resource with its subresource, scope; any of them

// question is one question of admission on its way to the webhooks of a phase. It belongs to one goroutine, but for its forms, which
// those who ask only read.
type question struct {
	// Admission is the question as it was asked; a mutating webhook's patch changes its Object.
	*api.Admission
	w *Webhooks
	// t is the table of all its webhooks, whatever is configured meanwhile.
	t *table
	// namespace is that of the object; a Namespace is in itself.
	namespace string
	// isObject says that what is asked about is of the resource's kind, and so has other forms.
	isObject bool

	// What selectors look at, found when the first one does.

	labels, old       map[string]string
	hasLabels, hasOld bool
	namespaceLabels   map[string]string
	noNamespace       bool
	// said are the verdicts of selectors about the object, by number, and saidOf those about the namespace: 0 for none yet.
	said, saidOf []verdictOf
}

// verdictOf is what a selector says.
type verdictOf int8

const (
	selected verdictOf = iota + 1
	unselected
)

// ask begins a question.
func (w *Webhooks) ask(a *api.Admission, t *table) *question {
	q := &question{Admission: a, w: w, t: t, namespace: a.Namespace}
	// Upstream says of a Namespace that it is in itself, in reviews and to selectors.
	if a.Resource.Group == "" && a.Resource.Plural == "namespaces" {
		q.namespace = a.Name
	}
	// A Scale, a Binding or the options of a connection are the same in all forms of the resource.
	group, _, kind := a.Kind()
	q.isObject = group == a.Resource.Group && kind == a.Resource.Kind
	return q
}

// plan returns the webhooks whose rules are about the question.
func (q *question) plan() []planned {
	return q.t.plan(shape{q.Phase, q.Resource, q.Subresource, q.Operation})
}

// match reports whether a webhook whose rules are about the question wants to be asked. The error is the client's.
func (q *question) match(h *hook) (bool, error) {
	// The object before its namespace: to what the object rules out, a missing namespace is no error.
	if h.objects >= 0 && !q.objectMatches(h.objects) {
		return false, nil
	}
	if h.namespaces >= 0 {
		if matches, err := q.namespaceMatches(h.namespaces); !matches || err != nil {
			return false, err
		}
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

// byRules returns the form in which a webhook sees requests of a shape, the resource that a rule of it names: that of the request
// before any other form of it, and of those the one of the first rule. It is nil if none is about the shape.
func (h *hook) byRules(s shape) *api.Resource {
	// All rules are asked about the request itself before any is about another form of it, so that nothing is converted
	// without need.
	for i := range h.rules {
		if h.rules[i].matches(s, s.resource) {
			return s.resource
		}
	}
	if h.exact {
		return nil
	}
	// Earlier rules are honored first, then the order of forms.
	for i := range h.rules {
		for _, f := range s.resource.Forms() {
			if f != s.resource && h.rules[i].matches(s, f) {
				return f
			}
		}
	}
	return nil
}

// matches reports whether a rule is about a shape as one of the resource r. A Namespace is of the cluster.
func (x *rule) matches(s shape, r *api.Resource) bool {
	return (x.scope == "*" || (x.scope == "Namespaced") == r.Namespaced) && named(x.operations, s.operation) && named(x.groups, r.Group) &&
		named(x.versions, r.Version) && x.matchesResource(r.Plural, s.subresource)
}

// named reports whether a list has the name, or a *.
func named(list []string, name string) bool {
	for _, s := range list {
		if s == name || s == "*" {
			return true
		}
	}
	return false
}

// matchesResource reports whether the rule names the resource with that subresource: * alone is of no subresource.
func (x *rule) matchesResource(plural, sub string) bool {
	for _, n := range x.resources {
		if (n[0] == "*" || n[0] == plural) && (n[1] == "*" || n[1] == sub) {
			return true
		}
	}
	return false
}

// objectMatches reports whether a selector selects the labels of the object, those that it is to have or those that it had.
func (q *question) objectMatches(n int32) bool {
	// The labels are taken out of the tree for the first selector, and not at all where there is none.
	if q.said == nil {
		q.said = make([]verdictOf, len(q.t.selectors))
		q.labels, q.hasLabels = labelsOf(q.Object)
		q.old, q.hasOld = labelsOf(q.Old)
	}
	if q.said[n] == 0 {
		l := &q.t.selectors[n]
		q.said[n] = unselected
		// Either will do: a webhook also hears of an object that leaves what it selects.
		if q.hasLabels && l.Matches(q.labels) || q.hasOld && l.Matches(q.old) {
			q.said[n] = selected
		}
	}
	return q.said[n] == selected
}

// labelsOf returns the labels of an object, and whether it is one that may have some: the options of a connection are not.
func labelsOf(obj map[string]any) (labels map[string]string, ok bool) {
	m := tree.Object(obj, "metadata")
	if m == nil {
		return nil, false
	}
	// Metadata was decoded, so that a label is a string.
	given := tree.Object(m, "labels")
	labels = make(map[string]string, len(given))
	for k, v := range given {
		labels[k], _ = v.(string)
	}
	return labels, true
}

// namespaceMatches reports whether a selector selects the labels of the namespace. What is of the cluster and no namespace always
// is selected. The error is a 404 for a namespace that is not there.
func (q *question) namespaceMatches(n int32) (bool, error) {
	if q.namespace == "" && q.Resource.Plural != "namespaces" {
		return true, nil
	}
	// A new Namespace is not stored yet, and a changed one counts as it will be.
	if q.saidOf == nil {
		q.saidOf = make([]verdictOf, len(q.t.selectors))
		isWrite := q.Operation == api.OperationCreate || q.Operation == api.OperationUpdate
		if q.Resource.Plural == "namespaces" && q.Subresource == "" && isWrite {
			q.namespaceLabels, _ = labelsOf(q.Object)
		} else {
			var ok bool
			q.namespaceLabels, ok = q.w.objects.Labels("namespaces", "", q.namespace)
			q.noNamespace = !ok
		}
	}
	if q.noNamespace {
		return false, &status.Error{
			Code: http.StatusNotFound, Reason: "NotFound", Message: "namespaces " + strconv.Quote(q.namespace) + " not found",
			Details: &status.Details{Name: q.namespace, Kind: "namespaces"},
		}
	}
	if q.saidOf[n] == 0 {
		q.saidOf[n] = unselected
		if q.t.selectors[n].Matches(q.namespaceLabels) {
			q.saidOf[n] = selected
		}
	}
	return q.saidOf[n] == selected, nil
}

// changed says that the object has become another one.
func (q *question) changed(obj map[string]any) { q.Object, q.said, q.saidOf = obj, nil, nil }

// Matching returns the webhooks of a phase, CONFIGURATION/WEBHOOK in the order of asking, that would be asked about a write. What
// depends on the object or its namespace stands behind the name in words. Nobody is asked.
func (w *Webhooks) Matching(phase api.Phase, r *api.Resource, subresource, operation string) (names []string) {
	t := w.now.Load()
	if t == nil || isExempt(r.Group, r.Kind) {
		return nil
	}
	// The plan is what a write would go by; selectors are told in words, since there is no object.
	for _, p := range t.plan(shape{phase, r, subresource, operation}) {
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
