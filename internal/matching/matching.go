// Package matching decides whether a question of admission is one that a webhook, a policy or a binding wants to hear of: by its
// rules, and by the labels of the object and of its namespace.
//
// In come rules and selectors as configurations have them, and questions (api.Admission); out goes the form of the resource in which
// the question is to be shown, or nil.
//
//	r := matching.Rules{List: []matching.Rule{matching.NewRule(rule)}}
//	ways := r.Ways(shape)                      // once for all requests of a shape
//	form := matching.Choose(ways, a.Name)      // for one of them
//	q := matching.Ask(&a, objects, selectors)
//	q.ObjectMatches(n) && q.NamespaceMatches(m)
//
// What webhooks and policies have in common beyond that is here too: plans that are kept for each shape, what expressions see of a
// question, the answers of failures, and what people are told. Rules and ways never change, and may be used concurrently; a Question belongs to one
// goroutine. The package is internal to this program and promises no compatibility.
package matching

import (
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// Whether rules are about a request depends on little: the resource, the subresource, the operation, and where a rule names objects,
// the name. So what all requests of a shape have in common is found once, when the first one comes:
//
//	CREATE of pods.v1  ──► rule 2: as it is, if it is called a or b      the first of them whose names have that
//	                       rule 1: as pods.v2                            of the object is the form that is shown

// Shape is what rules look at in a request, but for the name.
type Shape struct {
	Phase       api.Phase
	Resource    *api.Resource
	Subresource string
	Operation   string
}

// Rule is which requests something is about. Lists may have a *.
type Rule struct {
	operations, groups, versions []string
	// resources are with their subresources: pods "", pods status, pods *.
	resources [][2]string
	// scope is "*", "Cluster" or "Namespaced".
	scope string
	// names are those of the objects that are meant; none is all.
	names []string
}

// NewRule returns a rule of an object as it is matched. A resource without a slash is one without a subresource; a scope that is not
// there, as in an object that was stored before there was one, is all.
func NewRule(v any) Rule {
	list := func(name string) []string { return tree.Strings(tree.List(v, name)) }
	r := Rule{
		operations: list("operations"), groups: list("apiGroups"), versions: list("apiVersions"), scope: "*", names: list("resourceNames"),
	}
	if s := tree.Text(v, "scope"); s != "" {
		r.scope = s
	}
	for _, s := range list("resources") {
		resource, sub, _ := strings.Cut(s, "/")
		r.resources = append(r.resources, [2]string{resource, sub})
	}
	return r
}

// NewRules returns the rules of a list of an object.
func NewRules(list []any, exact bool) Rules {
	r := Rules{Exact: exact}
	for _, v := range list {
		r.List = append(r.List, NewRule(v))
	}
	return r
}

// Rules are those of a webhook, a policy or a binding, any of which will do. The zero value is about nothing.
type Rules struct {
	List []Rule
	// Exact says that only the resource that a rule names is meant, and no other form of the same objects.
	Exact bool
}

// Way is one way in which rules are about requests of a shape.
type Way struct {
	// Form is the resource that the rule names: that of the request, or another form of it.
	Form *api.Resource
	// Names are those of the objects that the rule is about; none is all.
	Names []string
}

// Ways returns in which forms the rules are about requests of a shape, the one that counts first: the form of the request before any
// other, and of those the one of the first rule. Behind one that is about all names there is nothing.
func (r *Rules) Ways(s Shape) (ways []Way) {
	add := func(x *Rule, form *api.Resource) (isAll bool) {
		if x.matches(s, form) {
			ways = append(ways, Way{form, x.names})
			return len(x.names) == 0
		}
		return false
	}
	// All rules are asked about the request itself before any is about another form of it, so that nothing is converted
	// without need.
	for i := range r.List {
		if add(&r.List[i], s.Resource) {
			return ways
		}
	}
	if r.Exact {
		return ways
	}
	// Earlier rules are honored first, then the order of forms.
	for i := range r.List {
		for _, f := range s.Resource.Forms() {
			if f != s.Resource && add(&r.List[i], f) {
				return ways
			}
		}
	}
	return ways
}

// Choose returns the form in which an object of a name is shown, nil where no way is about it. An object that has no name yet is
// called "", which no rule says.
func Choose(ways []Way, name string) *api.Resource {
	for i := range ways {
		if w := &ways[i]; len(w.Names) == 0 || slices.Contains(w.Names, name) {
			return w.Form
		}
	}
	return nil
}

// matches reports whether a rule is about a shape as one of the resource r. A Namespace is of the cluster.
func (x *Rule) matches(s Shape, r *api.Resource) bool {
	return (x.scope == "*" || (x.scope == "Namespaced") == r.Namespaced) && named(x.operations, s.Operation) && named(x.groups, r.Group) &&
		named(x.versions, r.Version) && x.matchesResource(r.Plural, s.Subresource)
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
func (x *Rule) matchesResource(plural, sub string) bool {
	for _, n := range x.resources {
		if (n[0] == "*" || n[0] == plural) && (n[1] == "*" || n[1] == sub) {
			return true
		}
	}
	return false
}

// Selectors are all of a table, but for those that select everything. Those that are the same text are one, and are tried once for a
// question. The zero value is ready; it is made by one goroutine, and only read afterwards.
type Selectors struct {
	list    []selector.Labels
	numbers map[string]int32
}

// Number returns the number of a selector, -1 for one that selects everything.
func (s *Selectors) Number(l selector.Labels) int32 {
	if l.Empty() {
		return -1
	}
	text := l.String()
	n, ok := s.numbers[text]
	if !ok {
		n = int32(len(s.list))
		if s.numbers == nil {
			s.numbers = map[string]int32{}
		}
		s.numbers[text], s.list = n, append(s.list, l)
	}
	return n
}
