package matching

import (
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/selector"
)

// Provisos says, for people, what selectors of the namespace and of the object ask of an object of r that its resource does not tell:
// "if the namespace has labels n=s", "if the object has labels k".
func Provisos(r *api.Resource, selects [2]selector.Labels) (all []string) {
	if !selects[0].Empty() && (r.Namespaced || r.Plural == "namespaces") {
		all = append(all, "if the namespace has labels "+selects[0].String())
	}
	if !selects[1].Empty() {
		all = append(all, "if the object has labels "+selects[1].String())
	}
	return all
}

// As says, for people, in which form an object is seen. The resource is called as kubectl takes it:
// horizontalpodautoscalers.v2.autoscaling, or nodes.v1 of the core group, which has no name.
func As(form *api.Resource) string {
	parts := slices.DeleteFunc([]string{form.Plural, form.Version, form.Group}, func(s string) bool { return s == "" })
	return "as " + strings.Join(parts, ".")
}
