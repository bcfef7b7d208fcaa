package schema

import (
	"fmt"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The names of custom kinds: what they look like, and who may have one that two CRDs ask
// for.

const (
	label1035Pattern = `[a-z]([-a-z0-9]*[a-z0-9])?`
	label1035Words   = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '" + label1035Pattern + "')"
	subdomainText    = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '` + labelPattern + `(\.` + labelPattern + `)*')`
)

// LabelWords is what is wrong with s as a DNS label of RFC 1035, "" when nothing is.
func LabelWords(s string) string {
	var words []string
	if len(s) > 63 {
		words = append(words, "must be no more than 63 bytes")
	}
	if !shortName(s) || s[0] < 'a' {
		words = append(words, label1035Words)
	}
	return strings.Join(words, ",")
}

// SubdomainWords is what is wrong with s as a DNS subdomain, "" when nothing is.
func SubdomainWords(s string) string {
	var words []string
	if len(s) > 253 {
		words = append(words, "must be no more than 253 bytes")
	}
	if !longName(s) {
		words = append(words, subdomainText)
	}
	return strings.Join(words, ",")
}

// names checks the names of the spec, all of them required, or of the status.
func (c *crdCheck) names(p *field.Path, names map[string]any, required bool) {
	for _, name := range []string{"plural", "singular", "kind", "listKind"} {
		if required && tree.Text(names, name) == "" {
			c.required(p.Child(name), "")
		}
	}
	kind, listKind := tree.Text(names, "kind"), tree.Text(names, "listKind")
	for _, name := range []string{"plural", "singular"} {
		if v := tree.Text(names, name); v != "" && LabelWords(v) != "" {
			c.invalid(p.Child(name), v, LabelWords(v))
		}
	}
	for _, name := range []string{"kind", "listKind"} {
		v := tree.Text(names, name)
		if words := LabelWords(strings.ToLower(v)); v != "" && words != "" {
			c.invalid(p.Child(name), v, "may have mixed case, but should otherwise match: "+words)
		}
	}
	c.labels(p.Child("shortNames"), tree.List(names, "shortNames"))
	if kind != "" && kind == listKind {
		c.invalid(p.Child("listKind"), listKind, "kind and listKind may not be the same")
	}
	c.labels(p.Child("categories"), tree.List(names, "categories"))
}

func (c *crdCheck) labels(p *field.Path, names []any) {
	for i, name := range tree.Strings(names) {
		if words := LabelWords(name); words != "" {
			c.invalid(p.Index(i), name, words)
		}
	}
}

// NameConflicts decides which of its names a CRD gets, beside others (of any group, itself
// excepted), who keep those they were given. accepted is the names for
// status.acceptedNames. conditions is status.conditions of the CRD with NamesAccepted and
// Established brought up to date, in their places; others in it are kept. A condition that
// does not change its status keeps its lastTransitionTime.
func NameConflicts(crd map[string]any, others []map[string]any, now time.Time) (accepted map[string]any, conditions []any) {
	resources, kinds := takenNames(tree.Text(crd, "spec", "group"), tree.Text(crd, "metadata", "name"), others)
	wanted, had := tree.Object(crd, "spec", "names"), tree.Object(crd, "status", "acceptedNames")
	accepted = map[string]any{}
	var reason, message string
	// The last conflict is the one that is told (upstream).
	choose := func(field, conflict string, taken map[string]bool) {
		want := tree.Text(wanted, field)
		if want != tree.Text(had, field) && taken[want] {
			reason, message = conflict, fmt.Sprintf("%q is already in use", want)
			want = tree.Text(had, field)
		}
		accepted[field] = want
	}
	choose("plural", "PluralConflict", resources)
	choose("singular", "SingularConflict", resources)
	shorts, conflicts := tree.List(wanted, "shortNames"), takenShortNames(wanted, had, resources)
	if len(conflicts) > 0 {
		reason, message = "ShortNamesConflict", strings.Join(conflicts, ", ")
		if len(conflicts) > 1 {
			message = "[" + message + "]"
		}
		shorts = tree.List(had, "shortNames")
	}
	choose("kind", "KindConflict", kinds)
	choose("listKind", "ListKindConflict", kinds)
	for field, list := range map[string][]any{"shortNames": shorts, "categories": tree.List(wanted, "categories")} {
		if len(list) > 0 {
			accepted[field] = tree.Copy(list)
		}
	}
	for field, v := range accepted {
		if v == "" && field != "plural" && field != "kind" {
			delete(accepted, field)
		}
	}

	conditions, _ = tree.Copy(tree.List(crd, "status", "conditions")).([]any)
	if reason != "" {
		conditions = SetCondition(conditions, "NamesAccepted", "False", reason, message, now)
		if !conditionIs(crd, "Established", "True") {
			conditions = SetCondition(conditions, "Established", "False", "NotAccepted", "not all names are accepted", now)
		}
		return accepted, conditions
	}
	conditions = SetCondition(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
	if !conditionIs(crd, "Established", "True") {
		conditions = SetCondition(conditions, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", now)
	}
	return accepted, conditions
}

// takenNames is the names that others were given in a group, of resources and of kinds.
func takenNames(group, self string, others []map[string]any) (resources, kinds map[string]bool) {
	resources, kinds = map[string]bool{}, map[string]bool{}
	for _, o := range others {
		if tree.Text(o, "spec", "group") != group || tree.Text(o, "metadata", "name") == self {
			continue
		}
		names := tree.Object(o, "status", "acceptedNames")
		resources[tree.Text(names, "plural")], resources[tree.Text(names, "singular")] = true, true
		for _, s := range tree.Strings(tree.List(names, "shortNames")) {
			resources[s] = true
		}
		kinds[tree.Text(names, "kind")], kinds[tree.Text(names, "listKind")] = true, true
	}
	return resources, kinds
}

func takenShortNames(wanted, had map[string]any, taken map[string]bool) (conflicts []string) {
	ours := map[string]bool{}
	for _, s := range tree.Strings(tree.List(had, "shortNames")) {
		ours[s] = true
	}
	for _, s := range tree.Strings(tree.List(wanted, "shortNames")) {
		if !ours[s] && taken[s] {
			conflicts = append(conflicts, fmt.Sprintf("%q is already in use", s))
		}
	}
	return conflicts
}

// conditionIs says whether a condition of an object has a status.
func conditionIs(obj map[string]any, typ, status string) bool {
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == typ {
			return tree.Text(c, "status") == status
		}
	}
	return false
}

// SetCondition puts a condition in its place, or last. conditions and the objects in it are
// the caller's own.
func SetCondition(conditions []any, typ, status, reason, message string, now time.Time) []any {
	next := map[string]any{"type": typ, "status": status, "reason": reason, "message": message, "lastTransitionTime": now.UTC().Format(time.RFC3339)}
	for i, c := range conditions {
		if tree.Text(c, "type") != typ {
			continue
		}
		if was := tree.Text(c, "lastTransitionTime"); tree.Text(c, "status") == status && was != "" {
			next["lastTransitionTime"] = was
		}
		conditions[i] = next
		return conditions
	}
	return append(conditions, next)
}
