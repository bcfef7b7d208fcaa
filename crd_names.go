package main

import (
	"fmt"
	"strings"
	"time"
)

// The names of custom kinds: what they look like, and who may have one that two CRDs ask
// for.

const (
	label1035Pattern = `[a-z]([-a-z0-9]*[a-z0-9])?`
	label1035Words   = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '" + label1035Pattern + "')"
	subdomainText    = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '` + labelPattern + `(\.` + labelPattern + `)*')`
)

// labelWords is what is wrong with s as a DNS label of RFC 1035, "" when nothing is.
func labelWords(s string) string {
	var words []string
	if len(s) > 63 {
		words = append(words, "must be no more than 63 bytes")
	}
	if !shortName(s) || s[0] < 'a' {
		words = append(words, label1035Words)
	}
	return strings.Join(words, ",")
}

// subdomainWords is what is wrong with s as a DNS subdomain, "" when nothing is.
func subdomainWords(s string) string {
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
func (c *crdCheck) names(p *fieldPath, names map[string]any, required bool) {
	for _, name := range []string{"plural", "singular", "kind", "listKind"} {
		if required && textAt(names, name) == "" {
			c.required(p.child(name), "")
		}
	}
	kind, listKind := textAt(names, "kind"), textAt(names, "listKind")
	for _, name := range []string{"plural", "singular"} {
		if v := textAt(names, name); v != "" && labelWords(v) != "" {
			c.invalid(p.child(name), v, labelWords(v))
		}
	}
	for _, name := range []string{"kind", "listKind"} {
		v := textAt(names, name)
		if words := labelWords(strings.ToLower(v)); v != "" && words != "" {
			c.invalid(p.child(name), v, "may have mixed case, but should otherwise match: "+words)
		}
	}
	c.labels(p.child("shortNames"), listAt(names, "shortNames"))
	if kind != "" && kind == listKind {
		c.invalid(p.child("listKind"), listKind, "kind and listKind may not be the same")
	}
	c.labels(p.child("categories"), listAt(names, "categories"))
}

func (c *crdCheck) labels(p *fieldPath, names []any) {
	for i, name := range textItems(names) {
		if words := labelWords(name); words != "" {
			c.invalid(p.index(i), name, words)
		}
	}
}

// nameConflicts decides which of its names a CRD gets, beside others (of any group, itself
// excepted), who keep those they were given. accepted is the names for
// status.acceptedNames. conditions is status.conditions of the CRD with NamesAccepted and
// Established brought up to date, in their places; others in it are kept. A condition that
// does not change its status keeps its lastTransitionTime.
func nameConflicts(crd map[string]any, others []map[string]any, now time.Time) (accepted map[string]any, conditions []any) {
	resources, kinds := takenNames(textAt(crd, "spec", "group"), textAt(crd, "metadata", "name"), others)
	wanted, had := objectAt(crd, "spec", "names"), objectAt(crd, "status", "acceptedNames")
	accepted = map[string]any{}
	var reason, message string
	// The last conflict is the one that is told (upstream).
	choose := func(field, conflict string, taken map[string]bool) {
		want := textAt(wanted, field)
		if want != textAt(had, field) && taken[want] {
			reason, message = conflict, fmt.Sprintf("%q is already in use", want)
			want = textAt(had, field)
		}
		accepted[field] = want
	}
	choose("plural", "PluralConflict", resources)
	choose("singular", "SingularConflict", resources)
	shorts, conflicts := listAt(wanted, "shortNames"), takenShortNames(wanted, had, resources)
	if len(conflicts) > 0 {
		reason, message = "ShortNamesConflict", strings.Join(conflicts, ", ")
		if len(conflicts) > 1 {
			message = "[" + message + "]"
		}
		shorts = listAt(had, "shortNames")
	}
	choose("kind", "KindConflict", kinds)
	choose("listKind", "ListKindConflict", kinds)
	for field, list := range map[string][]any{"shortNames": shorts, "categories": listAt(wanted, "categories")} {
		if len(list) > 0 {
			accepted[field] = deepCopy(list)
		}
	}
	for field, v := range accepted {
		if v == "" && field != "plural" && field != "kind" {
			delete(accepted, field)
		}
	}

	conditions, _ = deepCopy(listAt(crd, "status", "conditions")).([]any)
	if reason != "" {
		conditions = setCondition(conditions, "NamesAccepted", "False", reason, message, now)
		if !conditionIs(crd, "Established", "True") {
			conditions = setCondition(conditions, "Established", "False", "NotAccepted", "not all names are accepted", now)
		}
		return accepted, conditions
	}
	conditions = setCondition(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
	if !conditionIs(crd, "Established", "True") {
		conditions = setCondition(conditions, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", now)
	}
	return accepted, conditions
}

// takenNames is the names that others were given in a group, of resources and of kinds.
func takenNames(group, self string, others []map[string]any) (resources, kinds map[string]bool) {
	resources, kinds = map[string]bool{}, map[string]bool{}
	for _, o := range others {
		if textAt(o, "spec", "group") != group || textAt(o, "metadata", "name") == self {
			continue
		}
		names := objectAt(o, "status", "acceptedNames")
		resources[textAt(names, "plural")], resources[textAt(names, "singular")] = true, true
		for _, s := range textItems(listAt(names, "shortNames")) {
			resources[s] = true
		}
		kinds[textAt(names, "kind")], kinds[textAt(names, "listKind")] = true, true
	}
	return resources, kinds
}

func takenShortNames(wanted, had map[string]any, taken map[string]bool) (conflicts []string) {
	ours := map[string]bool{}
	for _, s := range textItems(listAt(had, "shortNames")) {
		ours[s] = true
	}
	for _, s := range textItems(listAt(wanted, "shortNames")) {
		if !ours[s] && taken[s] {
			conflicts = append(conflicts, fmt.Sprintf("%q is already in use", s))
		}
	}
	return conflicts
}

// conditionIs says whether a condition of an object has a status.
func conditionIs(obj map[string]any, typ, status string) bool {
	for _, c := range listAt(obj, "status", "conditions") {
		if textAt(c, "type") == typ {
			return textAt(c, "status") == status
		}
	}
	return false
}

// setCondition puts a condition in its place, or last. conditions and the objects in it are
// the caller's own.
func setCondition(conditions []any, typ, status, reason, message string, now time.Time) []any {
	next := map[string]any{"type": typ, "status": status, "reason": reason, "message": message, "lastTransitionTime": now.UTC().Format(time.RFC3339)}
	for i, c := range conditions {
		if textAt(c, "type") != typ {
			continue
		}
		if was := textAt(c, "lastTransitionTime"); textAt(c, "status") == status && was != "" {
			next["lastTransitionTime"] = was
		}
		conditions[i] = next
		return conditions
	}
	return append(conditions, next)
}
