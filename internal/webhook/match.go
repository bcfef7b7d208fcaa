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

// question is one question of admission on its way to the webhooks of a phase. It belongs to one goroutine.
type question struct {
	*api.Admission
	w *Webhooks
	t *table
	// namespace is that of the object; a Namespace is in itself.
	namespace string
	// isObject says that what is asked about is of the resource's kind, and so has other forms.
	isObject bool

	// What selectors look at, found when the first one does.

	labelsKnown        bool
	labels, old        map[string]string
	hasLabels, hasOld  bool
	namespaceKnown     bool
	namespaceLabels    map[string]string
	namespaceIsMissing bool
}

// ask begins a question.
func (w *Webhooks) ask(a *api.Admission, t *table) *question {
	q := &question{Admission: a, w: w, t: t, namespace: a.Namespace}
	if a.Resource.Group == "" && a.Resource.Plural == "namespaces" {
		q.namespace = a.Name
	}
	group, _, kind := a.Kind()
	q.isObject = group == a.Resource.Group && kind == a.Resource.Kind
	return q
}

// match returns the form in which a webhook wants to see the question, nil if it does not want to. The error is the client's.
func (q *question) match(h *hook) (form *api.Resource, err error) {
	if form = q.byRules(h); form == nil || !q.objectMatches(h) {
		return nil, nil
	}
	if matches, err := q.namespaceMatches(h); !matches || err != nil {
		return nil, err
	}
	// Upstream's answer where a condition cannot be evaluated.
	if h.conditional {
		if h.failsOpen {
			return nil, nil
		}
		r := q.Resource
		return nil, status.Forbidden(r.Group, r.Plural, q.Name, "matchConditions of webhook "+strconv.Quote(h.name)+" are not evaluated by this server")
	}
	return form, nil
}

// byRules returns the resource that a rule of the webhook names: that of the request before any other form of it, and of those
// the one of the first rule.
func (q *question) byRules(h *hook) *api.Resource {
	for i := range h.rules {
		if h.rules[i].matches(q, q.Resource) {
			return q.Resource
		}
	}
	if h.exact {
		return nil
	}
	for i := range h.rules {
		for _, f := range q.Resource.Forms() {
			if f != q.Resource && h.rules[i].matches(q, f) {
				return f
			}
		}
	}
	return nil
}

// matches reports whether a rule is about the question as one of the resource r.
func (x *rule) matches(q *question, r *api.Resource) bool {
	return x.matchesScope(q, r) && named(x.operations, q.Operation) && named(x.groups, r.Group) && named(x.versions, r.Version) &&
		x.matchesResource(r.Plural, q.Subresource)
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

// matchesScope reports whether the rule's scope is that of the object. A Namespace is of the cluster.
func (x *rule) matchesScope(q *question, r *api.Resource) bool {
	if x.scope == "*" {
		return true
	}
	ofCluster := q.namespace == "" || r.Group == "" && r.Version == "v1" && r.Plural == "namespaces"
	return x.scope == "Cluster" && ofCluster || x.scope == "Namespaced" && !ofCluster
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

// objectMatches reports whether the labels of the object are selected, those that it is to have or those that it had.
func (q *question) objectMatches(h *hook) bool {
	if h.objects.Empty() {
		return true
	}
	if !q.labelsKnown {
		q.labels, q.hasLabels = labelsOf(q.Object)
		q.old, q.hasOld = labelsOf(q.Old)
		q.labelsKnown = true
	}
	return q.hasLabels && h.objects.Matches(q.labels) || q.hasOld && h.objects.Matches(q.old)
}

// labelsOf returns the labels of an object, and whether it is one that may have some: the options of a connection are not.
func labelsOf(obj map[string]any) (labels map[string]string, ok bool) {
	m := tree.Object(obj, "metadata")
	if m == nil {
		return nil, false
	}
	given := tree.Object(m, "labels")
	labels = make(map[string]string, len(given))
	for k, v := range given {
		labels[k], _ = v.(string)
	}
	return labels, true
}

// namespaceMatches reports whether the labels of the namespace are selected. What is of the cluster and no namespace always is.
// The error is a 404 for a namespace that is not there.
func (q *question) namespaceMatches(h *hook) (bool, error) {
	if h.namespaces.Empty() || q.namespace == "" && q.Resource.Plural != "namespaces" {
		return true, nil
	}
	if !q.namespaceKnown {
		if q.Resource.Plural == "namespaces" && q.Subresource == "" && (q.Operation == api.OperationCreate || q.Operation == api.OperationUpdate) {
			q.namespaceLabels, _ = labelsOf(q.Object)
		} else {
			var ok bool
			q.namespaceLabels, ok = q.w.objects.Labels("namespaces", "", q.namespace)
			q.namespaceIsMissing = !ok
		}
		q.namespaceKnown = true
	}
	if q.namespaceIsMissing {
		return false, &status.Error{Code: http.StatusNotFound, Reason: "NotFound", Message: "namespaces " + strconv.Quote(q.namespace) + " not found",
			Details: &status.Details{Name: q.namespace, Kind: "namespaces"}}
	}
	return h.namespaces.Matches(q.namespaceLabels), nil
}

// Matching returns the webhooks, CONFIGURATION/WEBHOOK in the order of asking, that would be asked about a write, mutating ones
// first. What depends on the object or its namespace stands behind the name in words. Nobody is asked.
func (w *Webhooks) Matching(r *api.Resource, subresource, operation string) (names []string) {
	t := w.now.Load()
	if t == nil || isExempt(r.Group, r.Kind) {
		return nil
	}
	for _, phase := range [...]api.Phase{api.Mutating, api.Validating} {
		a := api.Admission{Phase: phase, Operation: operation, Resource: r, Subresource: subresource}
		if r.Namespaced {
			a.Namespace = "any"
		}
		q := &question{Admission: &a, w: w, t: t, namespace: a.Namespace}
		for _, h := range t.candidates(phase, r, operation) {
			form := q.byRules(h)
			if form == nil {
				continue
			}
			names = append(names, h.configuration+"/"+h.name+h.provisos(r, form))
		}
	}
	return names
}

// provisos returns in words on what it depends whether a webhook is asked whose rules match, and how it sees the object.
func (h *hook) provisos(r, form *api.Resource) (text string) {
	add := func(s string) {
		if text == "" {
			text = " "
		} else {
			text += ", "
		}
		text += s
	}
	if !h.namespaces.Empty() && (r.Namespaced || r.Plural == "namespaces") {
		add("if the namespace has labels " + h.namespaces.String())
	}
	if !h.objects.Empty() {
		add("if the object has labels " + h.objects.String())
	}
	if form != r {
		add("as " + qualified(form.Row))
	}
	return text
}

// qualified returns a resource with its version: horizontalpodautoscalers.v2.autoscaling.
func qualified(row *kinds.Row) string {
	parts := slices.DeleteFunc([]string{row.Plural, row.Version, row.Group}, func(s string) bool { return s == "" })
	text := parts[0]
	for _, p := range parts[1:] {
		text += "." + p
	}
	return text
}
