package strategy

import (
	"apichain/internal/selector"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Roles and their bindings. They are judged as wholes, since what a rule or a subject may be depends on
// whether the object is one of a namespace or of the cluster, and upstream tells what lacks a name or
// verbs behind all else.
//
//	{"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]}
//	{"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"reader"},
//	 "subjects":[{"kind":"User","name":"jane","apiGroup":"rbac.authorization.k8s.io"}]}
//
// Whether the writer may give away what a role allows is not judged here but by the authorizer. A
// reference is judged by its form; the role may come later.

// rbacGroup is the group of roles, and of users and groups as subjects.
const rbacGroup = "rbac.authorization.k8s.io"

// rbacRules are the rules of the types of these kinds.
func rbacRules() kinds.Rules {
	return kinds.Rules{
		"rbac.Subject":            {Default: subjectDefaults},
		"rbac.Role":               {Check: checkRole},
		"rbac.ClusterRole":        {Check: checkRole},
		"rbac.RoleBinding":        {Check: checkRoleBinding},
		"rbac.ClusterRoleBinding": {Check: checkRoleBinding},
	}
}

// subjectDefaults says which group users and groups are of.
// A service account is of the core group, whose name is empty.
func subjectDefaults(subject map[string]any) {
	if kind := subject["kind"]; tree.Text(subject, "apiGroup") == "" && (kind == "User" || kind == "Group") {
		subject["apiGroup"] = rbacGroup
	}
}

// checkRole is about the rules, and from where a role of the cluster collects some.
func checkRole(v *kinds.Visit) {
	namespaced := v.Type.Name == "rbac.Role"
	// The lack of verbs is a rule that upstream declares at the type, and is told behind those written in
	// Go.
	for i, rule := range each(v.Obj["rules"]) {
		v.Add(policyRuleErrors(v.Path("rules", i), rule, namespaced)...)
	}
	// A role of a namespace has no such field: pruning has taken it away.
	if sum, ok := v.Obj["aggregationRule"].(map[string]any); ok && !namespaced {
		selectors := tree.List(sum, "clusterRoleSelectors")
		if len(selectors) == 0 {
			v.Add(field.Required("aggregationRule.clusterRoleSelectors",
				"at least one clusterRoleSelector required if aggregationRule is non-nil"))
		}
		// Labels that are none are let be where they were so before.
		tolerated := func() bool { return hadBadRoleLabels(v.Old) }
		for i, s := range each(selectors) {
			at := v.Path("aggregationRule", "clusterRoleSelectors", i)
			v.Add(below(at, labelSelectorErrors(s, tolerated))...)
			// Upstream asks a second time by making a selector of it, and shows no value.
			if _, err := selector.FromObject(s); err != nil {
				v.Add(field.Invalid(at, nil, "invalid label selector."))
			}
		}
	}
	for i, rule := range each(v.Obj["rules"]) {
		if len(tree.List(rule, "verbs")) == 0 {
			v.Add(field.Required(v.Path("rules", i, "verbs"), ""))
		}
	}
}

// hadBadRoleLabels reports whether a role selects others by what is no label.
func hadBadRoleLabels(role map[string]any) bool {
	for _, s := range each(tree.At(role, "aggregationRule", "clusterRoleSelectors")) {
		if len(labelSelectorErrors(s, never)) > 0 {
			return true
		}
	}
	return false
}

// policyRuleErrors returns what is wrong with a rule but for its verbs: it is about resources, or about
// paths that are none, of which there are none in a namespace.
func policyRuleErrors(at string, rule map[string]any, namespaced bool) (errs []field.Error) {
	groups, resources := tree.List(rule, "apiGroups"), tree.List(rule, "resources")
	// One rule is about one sort. What else the resources lack is not told then (upstream).
	if urls := tree.List(rule, "nonResourceURLs"); len(urls) > 0 {
		if namespaced {
			errs = append(errs, field.Invalid(at+".nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"))
		}
		if len(groups)+len(resources)+len(tree.List(rule, "resourceNames")) > 0 {
			errs = append(errs, field.Invalid(at+".nonResourceURLs", urls, "rules cannot apply to both regular resources and non-resource URLs"))
		}
		return errs
	}
	// The core group is the empty text, which is an element: no group at all is a mistake.
	if len(groups) == 0 {
		errs = append(errs, field.Required(at+".apiGroups", "resource rules must supply at least one api group"))
	}
	if len(resources) == 0 {
		errs = append(errs, field.Required(at+".resources", "resource rules must supply at least one resource"))
	}
	return errs
}

// checkRoleBinding is about the role, which never changes, and who has it.
func checkRoleBinding(v *kinds.Visit) {
	namespaced, ref := v.Type.Name == "rbac.RoleBinding", tree.Object(v.Obj, "roleRef")
	group, kind, name := tree.Text(ref, "apiGroup"), tree.Text(ref, "kind"), tree.Text(ref, "name")
	if group != rbacGroup {
		v.Add(field.NotSupported("roleRef.apiGroup", group, rbacGroup))
	}
	// A binding in a namespace may give a role of the cluster, for that namespace only.
	switch {
	case kind == "ClusterRole", namespaced && kind == "Role":
	case namespaced:
		v.Add(field.NotSupported("roleRef.kind", kind, "Role", "ClusterRole"))
	default:
		v.Add(field.NotSupported("roleRef.kind", kind, "ClusterRole"))
	}
	if name == "" {
		v.Add(field.Required("roleRef.name", ""))
	}
	for _, why := range field.PathSegmentErrors(name) {
		v.Add(field.Invalid("roleRef.name", name, why))
	}
	for i, subject := range each(v.Obj["subjects"]) {
		v.Add(subjectErrors(v.Path("subjects", i), subject, namespaced)...)
	}
	// Who has a role may change; which one it is would be another grant under an old name. The value is
	// upstream's struct, whose fields have capital letters.
	if v.Update() && !tree.Equal(ref, tree.Object(v.Old, "roleRef")) {
		shown := map[string]any{"APIGroup": group, "Kind": kind, "Name": name}
		v.Add(field.Invalid("roleRef", shown, "field is immutable"))
	}
	// Names are declared at the type, and told last, like the verbs of a role.
	for i, subject := range each(v.Obj["subjects"]) {
		if tree.Text(subject, "name") == "" {
			v.Add(field.Required(v.Path("subjects", i, "name"), ""))
		}
	}
}

// subjectErrors returns what is wrong with a subject but for the lack of a name. A service account is in
// a namespace, which is the binding's own if none is given.
func subjectErrors(at string, subject map[string]any, namespaced bool) (errs []field.Error) {
	kind, name, group := tree.Text(subject, "kind"), tree.Text(subject, "name"), tree.Text(subject, "apiGroup")
	switch kind {
	case "ServiceAccount":
		if name != "" {
			errs = append(errs, invalidAll(at+".name", name, field.DNSSubdomainErrors(name))...)
		}
		// The supported value is the empty one, and is shown as such.
		if group != "" {
			errs = append(errs, field.NotSupported(at+".apiGroup", group, ""))
		}
		if !namespaced && tree.Text(subject, "namespace") == "" {
			errs = append(errs, field.Required(at+".namespace", ""))
		}
	case "User", "Group":
		if group != rbacGroup {
			errs = append(errs, field.NotSupported(at+".apiGroup", group, rbacGroup))
		}
	default:
		errs = append(errs, field.NotSupported(at+".kind", kind, "ServiceAccount", "User", "Group"))
	}
	return errs
}
