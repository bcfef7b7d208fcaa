package schema

import (
	"fmt"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The names of custom kinds: what they look like, and who may have one that two CRDs ask for.
//
// A CRD asks for names in spec.names; those that it was given are in status.acceptedNames, and only
// under these it is served. In one group no two CRDs may have the same name of a resource (plural,
// singular and short names are one space) nor the same name of a kind (kind and listKind are the
// other). Who has a name keeps it: a CRD that asks for a taken one keeps the name that it had, or
// none, until the other CRD is gone or gives it up. So with
//
//	widgets.example.com   spec.names: plural widgets, kind Widget   accepted first
//	gadgets.example.com   spec.names: plural gadgets, kind Widget
//
// the second has the condition NamesAccepted False and is not served, though it has accepted gadgets
// as its plural. The reason is ListKindConflict: both have WidgetList by default, and of several
// conflicts the last is told. The built-in kinds are not asked about, here as upstream.

// LabelWords returns what is wrong with s as a DNS label of RFC 1035, in upstream's words; "" when
// nothing is.
func LabelWords(s string) string { return strings.Join(field.DNS1035LabelErrors(s), ",") }

// SubdomainWords returns what is wrong with s as a DNS subdomain of RFC 1123, in upstream's words; ""
// when nothing is.
func SubdomainWords(s string) string { return strings.Join(field.DNSSubdomainErrors(s), ",") }

// names checks the form of names: those of the spec, all of which are required, or those of the
// status, which may be missing as long as they are not accepted.
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
	// The order is upstream's: short names, then the two kinds, then categories.
	c.labels(p.Child("shortNames"), tree.List(names, "shortNames"))
	if kind != "" && kind == listKind {
		c.invalid(p.Child("listKind"), listKind, "kind and listKind may not be the same")
	}
	c.labels(p.Child("categories"), tree.List(names, "categories"))
}

// labels checks a list of names.
func (c *crdCheck) labels(p *field.Path, names []any) {
	for i, name := range tree.Strings(names) {
		if words := LabelWords(name); words != "" {
			c.invalid(p.Index(i), name, words)
		}
	}
}

// NameConflicts decides which of its names a CRD gets beside others: all CRDs there are, of any group;
// itself among them does not count. It returns accepted, the object for status.acceptedNames, and
// conditions, the list for status.conditions with NamesAccepted and Established brought up to date in
// their places. Other conditions are kept, and one that does not change its status keeps its
// lastTransitionTime. Established never goes back to False. A CRD that has all names that it wants is
// not asked about them again, so that the conditions a client gives it stay (upstream). crd and others
// are only read, and what is returned shares nothing with them.
func NameConflicts(crd map[string]any, others []map[string]any, now time.Time) (accepted map[string]any, conditions []any) {
	conditions, _ = tree.Copy(tree.List(crd, "status", "conditions")).([]any)
	if had := tree.Object(crd, "status", "acceptedNames"); had != nil && tree.Equal(had, tree.Object(crd, "spec", "names")) {
		return tree.Copy(had).(map[string]any), establish(crd, conditions, now)
	}
	resources, kinds := takenNames(tree.Text(crd, "spec", "group"), tree.Text(crd, "metadata", "name"), others)
	c := nameClaim{
		wanted:   tree.Object(crd, "spec", "names"),
		had:      tree.Object(crd, "status", "acceptedNames"),
		accepted: map[string]any{},
	}
	// The last conflict is the one that is told (upstream): the order matters.
	c.choose("plural", "PluralConflict", resources)
	c.choose("singular", "SingularConflict", resources)
	c.chooseShortNames(resources)
	c.choose("kind", "KindConflict", kinds)
	c.choose("listKind", "ListKindConflict", kinds)
	// Categories are no names: any number of kinds may share one.
	c.acceptList("categories", tree.List(c.wanted, "categories"))
	if c.reason == "" {
		conditions = SetCondition(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
		return c.accepted, establish(crd, conditions, now)
	}
	conditions = SetCondition(conditions, "NamesAccepted", "False", c.reason, c.message, now)
	// Who is established stays so under its old names: objects may exist.
	if conditionStatus(conditions, "Established") == "" {
		conditions = SetCondition(conditions, "Established", "False", "NotAccepted", "not all names are accepted", now)
	}
	return c.accepted, conditions
}

// establish returns the conditions of a CRD with Established, if its names are accepted and it is not
// established yet. One whose conversion webhook could never be trusted is not.
func establish(crd map[string]any, conditions []any, now time.Time) []any {
	if conditionStatus(conditions, "NamesAccepted") != "True" || conditionStatus(conditions, "Established") == "True" {
		return conditions
	}
	if caProblem(crd) != nil {
		const message = "The conversion webhook CABundle is invalid"
		return SetCondition(conditions, "Established", "False", "InvalidCABundle", message, now)
	}
	// Upstream waits some seconds here for its other servers to notice; there are none.
	const message = "the initial names have been accepted"
	return SetCondition(conditions, "Established", "True", "InitialNamesAccepted", message, now)
}

// nameClaim is what a CRD asks for and what it gets.
type nameClaim struct {
	wanted, had     map[string]any // spec.names and status.acceptedNames
	accepted        map[string]any // becomes status.acceptedNames
	reason, message string         // of the last conflict, "" where there is none
}

// choose accepts a name that is wanted unless it is taken; then the one that the CRD had stays. A
// name that the CRD has already is its own, whoever else asks for it.
func (c *nameClaim) choose(name, conflict string, taken map[string]bool) {
	want := tree.Text(c.wanted, name)
	if want != tree.Text(c.had, name) && taken[want] {
		c.reason, c.message = conflict, fmt.Sprintf("%q is already in use", want)
		want = tree.Text(c.had, name)
	}
	// The plural and the kind are there even when they are empty: upstream always writes them.
	if want != "" || name == "plural" || name == "kind" {
		c.accepted[name] = want
	}
}

// chooseShortNames accepts all short names that are wanted, or none of them: one that is taken leaves
// the CRD with those that it had.
func (c *nameClaim) chooseShortNames(taken map[string]bool) {
	shorts, conflicts := tree.List(c.wanted, "shortNames"), takenShortNames(c.wanted, c.had, taken)
	if len(conflicts) > 0 {
		c.reason, c.message = "ShortNamesConflict", strings.Join(conflicts, ", ")
		if len(conflicts) > 1 {
			c.message = "[" + c.message + "]"
		}
		shorts = tree.List(c.had, "shortNames")
	}
	c.acceptList("shortNames", shorts)
}

// acceptList accepts a list of names, as a copy. An empty one is left out.
func (c *nameClaim) acceptList(name string, list []any) {
	if len(list) > 0 {
		c.accepted[name] = tree.Copy(list)
	}
}

// takenNames returns the names that other CRDs were given in a group, those of resources and those
// of kinds. What others only ask for is free.
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

// takenShortNames returns a text for each short name that is wanted, taken, and not the CRD's own.
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

// conditionStatus returns the status of the first condition of a type, "" if there is none.
func conditionStatus(conditions []any, typ string) string {
	for _, c := range conditions {
		if tree.Text(c, "type") == typ {
			return tree.Text(c, "status")
		}
	}
	return ""
}

// isEstablished reports whether a CRD, which may be nil, is or was served.
func isEstablished(crd map[string]any) bool {
	return conditionStatus(tree.List(crd, "status", "conditions"), "Established") == "True"
}

// SetCondition replaces the condition of a type in its place, or appends it, and returns the list. Its
// lastTransitionTime is now, in whole seconds of UTC, unless the condition had this status before: then
// it keeps its time. conditions and the objects in it must be the caller's own.
func SetCondition(conditions []any, typ, status, reason, message string, now time.Time) []any {
	next := map[string]any{
		"type": typ, "status": status, "reason": reason, "message": message,
		"lastTransitionTime": now.UTC().Format(time.RFC3339),
	}
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
