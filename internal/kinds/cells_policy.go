package kinds

import (
	"fmt"
	"strings"
	"time"

	"apichain/internal/tree"
)

// The cells of what says who may do what and how much of it: quotas, admission policies, bindings
// and certificates; and of the state of the cluster itself. The words are upstream's.
//
//	quota     REQUEST  pods: 3/10, requests.cpu: 1/4      LIMIT  limits.cpu: 2/8
//	csr       CONDITION  Approved,Issued
//	binding   PARAMREF   default/limits, or */limits
//
// Certificates and migrations have conditions that come one after another, and a cell shows how far that
// is.

// policyCell returns the cell of that name, or nil if there is none.
func policyCell(name string) func(map[string]any) any {
	switch name {
	case "quotaRequests":
		return func(obj map[string]any) any { return quotaText(obj, false) }
	case "quotaLimits":
		return func(obj map[string]any) any { return quotaText(obj, true) }
	case "policyParamRef":
		return policyParamRef
	case "csrDuration":
		return csrDuration
	case "csrCondition":
		return csrCondition
	case "podCertificateState":
		return podCertificateState
	case "componentStatus":
		return componentStatus
	case "componentMessage":
		return func(obj map[string]any) any { return tree.Text(componentCondition(obj), "message") }
	case "componentError":
		return func(obj map[string]any) any { return tree.Text(componentCondition(obj), "error") }
	case "migrationResource":
		return migrationResource
	case "migrationStatus":
		return migrationStatus
	}
	return nil
}

// quotaText returns what is used of what may be, for the resources that are limits or for the others,
// by their names.
func quotaText(obj map[string]any, limits bool) string {
	hard := tree.Object(obj, "status", "hard")
	var list []string
	for _, name := range tree.SortedKeys(hard) {
		// One map has both columns' resources, told apart by their names alone.
		if strings.HasPrefix(name, "limits.") != limits {
			continue
		}
		used := tree.Text(obj, "status", "used", name)
		// A resource that the controller has not counted yet is shown as unused.
		if used == "" {
			used = "0"
		}
		list = append(list, name+": "+used+"/"+cellText(hard[name]))
	}
	return strings.Join(list, ", ")
}

// policyParamRef returns the object that has the parameters of a binding of an admission policy, or
// the selector of several in the form in which Go prints it.
func policyParamRef(obj map[string]any) any {
	ref := tree.Object(obj, "spec", "paramRef")
	if name := tree.Text(ref, "name"); name != "" {
		// Nobody knows here whether the parameters are in namespaces.
		if namespace := tree.Text(ref, "namespace"); namespace != "" {
			return namespace + "/" + name
		}
		return "*/" + name
	}
	selector := tree.Object(ref, "selector")
	if selector == nil {
		return "<unset>"
	}
	var b strings.Builder
	// The text is that of the String method of upstream's generated type, with its commas at the ends.
	b.WriteString("&LabelSelector{MatchLabels:map[string]string{")
	labels := tree.Object(selector, "matchLabels")
	for _, k := range tree.SortedKeys(labels) {
		fmt.Fprintf(&b, "%s: %s,", k, cellText(labels[k]))
	}
	b.WriteString("},MatchExpressions:[]LabelSelectorRequirement{")
	for _, e := range tree.List(selector, "matchExpressions") {
		fmt.Fprintf(&b, "LabelSelectorRequirement{Key:%s,Operator:%s,Values:%v,},",
			tree.Text(e, "key"), tree.Text(e, "operator"), tree.Strings(tree.List(e, "values")))
	}
	b.WriteString("},}")
	return b.String()
}

// subjectsCell returns a cell that shows the subjects of a kind of a binding.
// It is behind the word subjects(KIND) of a column.
func subjectsCell(kind string) func(map[string]any) any {
	return func(obj map[string]any) any {
		var names []string
		for _, s := range tree.List(obj, "subjects") {
			name := tree.Text(s, "name")
			// A service account is the only one that is in a namespace.
			if kind == "ServiceAccount" {
				name = tree.Text(s, "namespace") + "/" + name
			}
			if tree.Text(s, "kind") == kind {
				names = append(names, name)
			}
		}
		return strings.Join(names, ", ")
	}
}

// csrDuration returns how long the certificate should be good that is asked for.
// The signer may make it shorter; the request is what is shown.
func csrDuration(obj map[string]any) any {
	if seconds, ok := tree.At(obj, "spec", "expirationSeconds").(int64); ok {
		return HumanDuration(time.Duration(seconds) * time.Second)
	}
	return "<none>"
}

// csrCondition returns what was decided of a certificate, and what became of it. That a condition is
// there is enough, whatever its status.
func csrCondition(obj map[string]any) any {
	word := "Pending"
	if statusCondition(obj, "Denied") != nil {
		word = "Denied"
	} else if statusCondition(obj, "Approved") != nil {
		word = "Approved"
	}
	// What became of it is told behind the decision: an approved request may fail.
	if statusCondition(obj, "Failed") != nil {
		word += ",Failed"
	}
	if tree.Text(obj, "status", "certificate") != "" {
		word += ",Issued"
	}
	return word
}

// podCertificateState returns what became of a certificate for a pod: the last condition that says it.
func podCertificateState(obj map[string]any) any {
	state := "Pending"
	for _, c := range tree.List(obj, "status", "conditions") {
		switch typ := tree.Text(c, "type"); typ {
		case "Issued", "Denied", "Failed":
			state = typ
		}
	}
	return state
}

// componentCondition returns what is known of the health of a component, or nil.
// The kind has its conditions at its root, since it has no status.
// The kind is deprecated, and still served.
func componentCondition(obj map[string]any) any {
	for _, c := range tree.List(obj, "conditions") {
		if tree.Text(c, "type") == "Healthy" {
			return c
		}
	}
	return nil
}

// componentStatus returns whether a component is healthy.
func componentStatus(obj map[string]any) any {
	switch c := componentCondition(obj); {
	case c == nil:
		return "Unknown"
	case tree.Text(c, "status") == "True":
		return "Healthy"
	}
	return "Unhealthy"
}

// migrationResource returns the resource whose objects are written again, with its group.
func migrationResource(obj map[string]any) any {
	resource, group := tree.Text(obj, "spec", "resource", "resource"), tree.Text(obj, "spec", "resource", "group")
	if group == "" {
		return resource
	}
	return resource + "." + group
}

// migrationStatus returns how far a migration is: the last condition that holds.
func migrationStatus(obj map[string]any) any {
	state := "Unknown"
	for _, c := range tree.List(obj, "status", "conditions") {
		switch typ := tree.Text(c, "type"); typ {
		case "Running", "Failed", "Succeeded":
			// Running stays among the conditions, as False, when the end has come.
			if tree.Text(c, "status") == "True" {
				state = typ
			}
		}
	}
	return state
}
