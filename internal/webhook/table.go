package webhook

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/expression"
	"apichain/internal/matching"
	"apichain/internal/selector"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The table of all webhooks, in the order in which upstream asks them: by the names of the configurations, and within one in
// the order of its list. Whether the rules of a webhook are about a request depends on little: the resource, the subresource and the
// operation. So who is about such requests is found once, when the first one comes, and kept as a plan until a configuration changes:
//
//	CREATE of pods         ──► a/x  b/y as v2  c/z       each with its two selectors, by number
//	UPDATE of pods/status  ──► nobody
//
// A request then looks at the selectors alone. Those that are the same text are one selector, and are tried once.

// table is the webhooks of a moment. Of it only plans change.
type table struct {
	// hooks are by phase, in order.
	hooks [2][]*hook
	// selectors are all that there are.
	selectors matching.Selectors
	plans     matching.Plans[planned]
}

// planned is a webhook whose rules are about a shape.
type planned struct {
	// hook is one of the table's.
	*hook
	// form is the resource that the rule names: that of the request, or another form of it.
	form *api.Resource
}

// configuration is what was made of an object. It never changes.
type configuration struct {
	// rev is the revision of the object: another one is another configuration.
	rev int64
	// hooks are in the order of its list, without the numbers that a table gives them.
	hooks []*hook
}

// hook is one webhook. It never changes.
type hook struct {
	// configuration and name are what errors, pages and annotations call it.
	configuration, name string
	// backend is asked, and counts what comes of it.
	backend *backend.Backend
	// url is where it is asked, without the query.
	url   string
	rules matching.Rules
	// namespaces and objects are the numbers of its selectors, below 0 for all.
	namespaces, objects int32
	selects             [2]selector.Labels // the same two
	// conditions are compiled when the first request comes that is about it otherwise.
	conditions func() *expression.Conditions
	// failsOpen lets a write pass if the webhook cannot be asked.
	failsOpen bool
	// timeout is 0 for none but that of the request.
	timeout time.Duration
	// dry says that it may be asked in a dry run.
	dry bool
	// version is that of reviews, "" if none of those that it knows is known here.
	version string
	// again says that it wants to be asked again if others have changed the object after it.
	again bool
	// position is its place among all webhooks of its phase.
	position int32
}

// compile makes what is asked of the object of a configuration. What cannot be read there was checked when it was written, and
// means nothing: a selector selects everything, a target cannot be reached. The backends of its webhooks are those of before
// where the target is the same, with their connections. The caller holds mu.
func (w *Webhooks) compile(phase api.Phase, o *store.Object) *configuration {
	obj := o.Decode()
	c := &configuration{rev: o.Rev}
	for _, v := range tree.List(obj, "webhooks") {
		h := &hook{
			configuration: tree.Name(obj), name: tree.Text(v, "name"),
			rules:     matching.NewRules(tree.List(v, "rules"), tree.Text(v, "matchPolicy") == "Exact"),
			failsOpen: tree.Text(v, "failurePolicy") == "Ignore",
			dry:       strings.HasPrefix(tree.Text(v, "sideEffects"), "None"),
			again:     tree.Text(v, "reinvocationPolicy") == "IfNeeded",
		}
		if list := tree.List(v, "matchConditions"); len(list) > 0 {
			h.conditions = sync.OnceValue(func() *expression.Conditions {
				return expression.NewConditions(expression.NewUnit(false), list, expression.Declared{Authorizer: true})
			})
		}
		h.selects[0], _ = selector.FromObject(tree.Object(v, "namespaceSelector"))
		h.selects[1], _ = selector.FromObject(tree.Object(v, "objectSelector"))
		if n, ok := tree.At(v, "timeoutSeconds").(int64); ok {
			h.timeout = time.Duration(n) * time.Second
		}
		// The first one that is known: the author has put the one first that the webhook likes best.
		versions := tree.Strings(tree.List(v, "admissionReviewVersions"))
		if i := slices.IndexFunc(versions, func(s string) bool { return s == "v1" || s == "v1beta1" }); i >= 0 {
			h.version = versions[i]
		}
		kind := [...]backend.Kind{api.Mutating: backend.MutatingWebhook, api.Validating: backend.ValidatingWebhook}[phase]
		h.backend = w.config.Backends.Use(kind, h.configuration+"/"+h.name, targetOf(tree.Object(v, "clientConfig")))
		h.url = cleaned(h.backend.BaseURL())
		c.hooks = append(c.hooks, h)
	}
	return c
}

// cleaned returns a URL with the path that upstream's client makes of it: at least a slash, and none at the end. A webhook that serves
// /check/ alone is not found, here as there.
func cleaned(url string) string {
	host := strings.Index(url, "://") + 3
	at := strings.IndexByte(url[host:], '/')
	if at < 0 {
		return url + "/"
	}
	return url[:host+at] + path.Clean(url[host+at:])
}

// targetOf returns where a webhook is, by the clientConfig of its configuration: either a URL or a service, whose port is 443 unless it
// says another one.
func targetOf(config map[string]any) backend.Target {
	t := backend.Target{URL: tree.Text(config, "url")}
	// It was decoded when it was written; a bundle without a certificate is the backend's to complain of.
	t.CABundle, _ = base64.StdEncoding.DecodeString(tree.Text(config, "caBundle"))
	if s := tree.Object(config, "service"); s != nil {
		t.Service = backend.Service{Namespace: tree.Text(s, "namespace"), Name: tree.Text(s, "name"), Path: tree.Text(s, "path"), Port: 443}
		if n, ok := tree.At(s, "port").(int64); ok {
			t.Service.Port = n
		}
		if t.Service.Path != "" && t.Service.Path[0] != '/' {
			t.Service.Path = "/" + t.Service.Path
		}
	}
	return t
}

// newTable returns the table of all configurations, nil for none, which is what a write then finds at once.
func newTable(made [2]map[string]*configuration) *table {
	if len(made[0])+len(made[1]) == 0 {
		return nil
	}
	t := &table{}
	for phase := range made {
		for _, name := range slices.Sorted(maps.Keys(made[phase])) {
			for _, h := range made[phase][name].hooks {
				// A hook that is kept from before has other numbers now, and the table before may still be in use.
				placed := *h
				placed.position = int32(len(t.hooks[phase]))
				placed.namespaces, placed.objects = t.selectors.Number(h.selects[0]), t.selectors.Number(h.selects[1])
				t.hooks[phase] = append(t.hooks[phase], &placed)
			}
		}
	}
	return t
}

// plan returns the webhooks whose rules are about a shape, in order. Nobody may change it.
func (t *table) plan(s matching.Shape) []planned { return t.plans.Of(s, t.newPlan) }

// newPlan looks at all rules.
func (t *table) newPlan(s matching.Shape) (plan []planned) {
	for _, h := range t.hooks[s.Phase] {
		// The first way will do: webhooks name no objects.
		if ways := h.rules.Ways(s); len(ways) > 0 {
			plan = append(plan, planned{h, ways[0].Form})
		}
	}
	return plan
}

// Wants implements admission.Party: it reports whether a rule names the operation and the resource, or another form of it.
func (w *Webhooks) Wants(phase api.Phase, r *api.Resource, subresource, operation string) bool {
	t := w.now.Load()
	// In the order of their cost, and of how many writes each of them ends.
	if t == nil || len(t.hooks[phase]) == 0 || isExempt(r.Group, r.Kind) {
		return false
	}
	return len(t.plan(matching.Shape{Phase: phase, Resource: r, Subresource: subresource, Operation: operation})) > 0
}

// isExempt reports whether no webhook is asked about a kind: what says who is asked must not wait for those who are.
func isExempt(group, kind string) bool {
	if group != "admissionregistration.k8s.io" {
		return false
	}
	switch kind {
	case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
		"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding":
		return true
	}
	return false
}
