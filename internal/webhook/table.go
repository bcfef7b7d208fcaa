package webhook

import (
	"encoding/base64"
	"path"
	"slices"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/selector"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The table of all webhooks, in the order in which upstream asks them: by the names of the configurations, and within one in
// the order of its list. A webhook is found by the parts of a request that its rules name, where * is a name like any other:
//
//	rule {CREATE UPDATE} of apps/v1 deployments, deployments/scale      keys  apps deployments CREATE
//	                                                                          apps deployments UPDATE
//	question CREATE of apps/v1 deployments                              looks for all eight of  apps|*  deployments|*  CREATE|*
//
// Versions, subresources and scope are looked at in the rules of those that are found (match.go).

// table is the webhooks of a moment. It never changes.
type table struct {
	// hooks are by phase, in order.
	hooks [2][]*hook
	// found has the positions of hooks in order, by what their rules name.
	found [2]map[key][]int32
}

// key is what a rule names, each part perhaps *. resource is without its subresource.
type key struct{ group, resource, operation string }

// configuration is what was made of an object.
type configuration struct {
	rev   int64
	hooks []*hook
}

// hook is one webhook. It never changes.
type hook struct {
	configuration, name string
	backend             *backend.Backend
	// url is where it is asked, without the query.
	url   string
	rules []rule
	// exact says that only the resource that a rule names is meant, and no other form of the same objects.
	exact               bool
	namespaces, objects selector.Labels
	// conditional says that it has conditions in CEL, which are not evaluated: a configuration of before they were refused.
	conditional bool
	failsOpen   bool
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

// rule is which requests a webhook is about. Lists may have a *.
type rule struct {
	operations, groups, versions []string
	// resources are with their subresources: pods "", pods status, pods *.
	resources [][2]string
	// scope is "*", "Cluster" or "Namespaced".
	scope string
}

// compile makes what is asked of the object of a configuration. What cannot be read there was checked when it was written, and
// means nothing. The caller holds mu.
func (w *Webhooks) compile(phase api.Phase, o *store.Object) *configuration {
	obj := o.Decode()
	c := &configuration{rev: o.Rev}
	for _, v := range tree.List(obj, "webhooks") {
		h := &hook{
			configuration: tree.Name(obj), name: tree.Text(v, "name"),
			exact:       tree.Text(v, "matchPolicy") == "Exact",
			conditional: len(tree.List(v, "matchConditions")) > 0,
			failsOpen:   tree.Text(v, "failurePolicy") == "Ignore",
			dry:         strings.HasPrefix(tree.Text(v, "sideEffects"), "None"),
			again:       tree.Text(v, "reinvocationPolicy") == "IfNeeded",
		}
		h.namespaces, _ = selector.FromObject(tree.Object(v, "namespaceSelector"))
		h.objects, _ = selector.FromObject(tree.Object(v, "objectSelector"))
		if n, ok := tree.At(v, "timeoutSeconds").(int64); ok {
			h.timeout = time.Duration(n) * time.Second
		}
		// The first one that is known.
		versions := tree.Strings(tree.List(v, "admissionReviewVersions"))
		if i := slices.IndexFunc(versions, func(s string) bool { return s == "v1" || s == "v1beta1" }); i >= 0 {
			h.version = versions[i]
		}
		for _, r := range tree.List(v, "rules") {
			h.rules = append(h.rules, newRule(r))
		}
		kind := [...]backend.Kind{api.Mutating: backend.MutatingWebhook, api.Validating: backend.ValidatingWebhook}[phase]
		h.backend = w.config.Backends.Use(kind, h.configuration+"/"+h.name, targetOf(tree.Object(v, "clientConfig")))
		h.url = cleaned(h.backend.BaseURL())
		c.hooks = append(c.hooks, h)
	}
	return c
}

// cleaned returns a URL with the path that upstream's client makes of it: at least a slash, and none at the end.
func cleaned(url string) string {
	host := strings.Index(url, "://") + 3
	at := strings.IndexByte(url[host:], '/')
	if at < 0 {
		return url + "/"
	}
	return url[:host+at] + path.Clean(url[host+at:])
}

// targetOf returns where a webhook is.
func targetOf(config map[string]any) backend.Target {
	t := backend.Target{URL: tree.Text(config, "url")}
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

// newRule returns a rule as it is matched.
func newRule(v any) rule {
	list := func(name string) []string { return tree.Strings(tree.List(v, name)) }
	r := rule{operations: list("operations"), groups: list("apiGroups"), versions: list("apiVersions"), scope: "*"}
	if s := tree.Text(v, "scope"); s != "" {
		r.scope = s
	}
	for _, s := range list("resources") {
		resource, sub, _ := strings.Cut(s, "/")
		r.resources = append(r.resources, [2]string{resource, sub})
	}
	return r
}

// newTable returns the table of all configurations, nil for none.
func newTable(made [2]map[string]*configuration) *table {
	if len(made[0])+len(made[1]) == 0 {
		return nil
	}
	t := &table{}
	for phase := range made {
		t.found[phase] = map[key][]int32{}
		var names []string
		for name := range made[phase] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, h := range made[phase][name].hooks {
				// A hook that is kept from before has another place now, and another table may still be in use.
				placed := *h
				placed.position = int32(len(t.hooks[phase]))
				t.hooks[phase] = append(t.hooks[phase], &placed)
				t.index(phase, &placed)
			}
		}
	}
	return t
}

// index puts a hook under all that its rules name.
func (t *table) index(phase int, h *hook) {
	for i := range h.rules {
		r := &h.rules[i]
		for _, group := range r.groups {
			for _, resource := range r.resources {
				for _, operation := range r.operations {
					k := key{group, resource[0], operation}
					if list := t.found[phase][k]; len(list) == 0 || list[len(list)-1] != h.position {
						t.found[phase][k] = append(list, h.position)
					}
				}
			}
		}
	}
}

// lists yields the positions of hooks by each key under which those for an operation of a resource are, until it returns false.
func (t *table) lists(phase api.Phase, group, resource, operation string, yield func([]int32) bool) bool {
	for _, g := range [...]string{group, "*"} {
		for _, r := range [...]string{resource, "*"} {
			for _, o := range [...]string{operation, "*"} {
				if list := t.found[phase][key{g, r, o}]; len(list) > 0 && !yield(list) {
					return false
				}
			}
		}
	}
	return true
}

// candidates returns the hooks, in order, one of whose rules names the operation and the resource or another form of it.
func (t *table) candidates(phase api.Phase, r *api.Resource, operation string) []*hook {
	var all []int32
	lists := 0
	add := func(list []int32) bool {
		if lists++; lists == 1 {
			all = list
		} else {
			all = append(all[:len(all):len(all)], list...)
		}
		return true
	}
	t.lists(phase, r.Group, r.Plural, operation, add)
	for _, f := range r.Forms() {
		if f.Group != r.Group {
			t.lists(phase, f.Group, f.Plural, operation, add)
		}
	}
	if lists > 1 {
		// Each list is in order. What was appended to is a copy.
		slices.Sort(all)
		all = slices.Compact(all)
	}
	hooks := make([]*hook, len(all))
	for i, n := range all {
		hooks[i] = t.hooks[phase][n]
	}
	return hooks
}

// Wants implements admission.Webhooks: it reports whether a rule names the operation and the resource, or another form of it.
func (w *Webhooks) Wants(phase api.Phase, r *api.Resource, _, operation string) bool {
	t := w.now.Load()
	if t == nil || len(t.hooks[phase]) == 0 || isExempt(r.Group, r.Kind) {
		return false
	}
	none := func([]int32) bool { return false }
	if !t.lists(phase, r.Group, r.Plural, operation, none) {
		return true
	}
	for _, f := range r.Forms() {
		if f.Group != r.Group && !t.lists(phase, f.Group, f.Plural, operation, none) {
			return true
		}
	}
	return false
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
