package strategy

import (
	"strings"

	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The expressions of webhooks, policies and mutations, which must compile, in the environment of those that are stored already if they
// were in the object before, and else of new ones (upstream's validateCELCondition and what calls it). Those of one policy are compiled
// in order, since they may name its variables:
//
//	matchConditions     without variables, though they could name them when they are evaluated (upstream)
//	variables           each may name those before it
//	validations         a bool; messageExpression a string, without the authorizer
//	auditAnnotations    a string or null
//	mutations           an Object, or a list of JSONPatch

// checkMatchCondition checks a condition of a webhook or a policy: its expression, and then its name.
func checkMatchCondition(v *kinds.Visit) {
	// What has not changed is not judged anew: it could have become invalid by another version of the server alone.
	if v.Update() && sameConditions(v.Root, v.OldRoot) {
		return
	}
	if needText(v, "expression", "") {
		compileMatchCondition(v)
	}
	name := tree.Text(v.Obj, "name")
	if name == "" {
		v.Add(field.Required(v.Path("name"), ""))
		return
	}
	for _, why := range field.LabelKeyErrors(name) {
		v.Add(field.Invalid(v.Path("name"), name, why))
	}
}

// compileMatchCondition adds what is wrong with the expression of a condition.
func compileMatchCondition(v *kinds.Visit) {
	d := expression.Declared{Params: tree.Object(v.Root, "spec", "paramKind") != nil, Authorizer: true}
	text := strings.TrimSpace(tree.Text(v.Obj, "expression"))
	isStored := false
	for _, list := range matchConditions(v.OldRoot) {
		isStored = isStored || hasText(list, "expression", text)
	}
	addFault(v, v.Path("expression"), text, expression.NewUnit(false).Compile(text, d, isStored, cel.BoolType).Fault)
}

// matchConditions returns the lists of conditions of an object: those of each webhook, or those of the policy.
func matchConditions(root map[string]any) (all [][]any) {
	for _, h := range tree.List(root, "webhooks") {
		all = append(all, tree.List(h, "matchConditions"))
	}
	if spec := tree.Object(root, "spec"); spec != nil {
		all = append(all, tree.List(spec, "matchConditions"))
	}
	return all
}

// sameConditions reports whether two objects have the same conditions, and what these may name is the same.
func sameConditions(a, b map[string]any) bool {
	one, other := matchConditions(a), matchConditions(b)
	if len(one) != len(other) || !tree.Equal(tree.At(a, "spec", "paramKind"), tree.At(b, "spec", "paramKind")) {
		return false
	}
	for i := range one {
		if !tree.Equal(any(one[i]), any(other[i])) {
			return false
		}
	}
	return true
}

// hasText reports whether an element of a list has the text in a field.
func hasText(list []any, name, text string) bool {
	for _, e := range list {
		if tree.Text(e, name) == text {
			return true
		}
	}
	return false
}

// addFault adds why an expression does not compile, nil for one that does.
func addFault(v *kinds.Visit, path, text string, f *expression.Fault) {
	switch {
	case f == nil:
	case f.Internal:
		v.Add(field.Internal(path, f.Detail))
	default:
		v.Add(field.Invalid(path, text, f.Detail))
	}
}

// policyExpressions compiles the variables of a policy, of which v is the spec, and returns what its other expressions are compiled in.
func policyExpressions(v *kinds.Visit, composed bool) (*expression.Unit, expression.Declared) {
	u, d := expression.NewUnit(composed), expression.Declared{Params: v.Obj["paramKind"] != nil, Authorizer: true}
	for i, x := range tree.List(v.Obj, "variables") {
		text := tree.Text(x, "expression")
		if strings.TrimSpace(text) == "" {
			continue
		}
		// Whether it is stored is looked for among validations (upstream).
		stored := hasText(tree.List(v.Old, "validations"), "expression", text)
		addFault(v, v.Path("variables", i, "expression"), text, u.Variable(tree.Text(x, "name"), text, d, stored))
	}
	return u, d
}

// checkPolicyExpressions compiles the expressions of a validating policy, of which v is the spec.
func checkPolicyExpressions(v *kinds.Visit) {
	u, d := policyExpressions(v, len(tree.List(v.Obj, "variables")) > 0)
	check := func(list string, i int, name string, d expression.Declared, results ...*cel.Type) {
		text := tree.Text(tree.List(v.Obj, list)[i], name)
		// A missing one is an error already, or none; one that is too long is not read.
		trimmed := strings.TrimSpace(text)
		if trimmed == "" || list == "auditAnnotations" && len(trimmed) > maxAuditExpression {
			return
		}
		compiled := text
		if list == "auditAnnotations" { // the others show the column as it was written
			compiled = trimmed
		}
		stored := hasText(tree.List(v.Old, list), name, text)
		addFault(v, v.Path(list, i, name), text, u.Compile(compiled, d, stored, results...).Fault)
	}
	for i := range tree.List(v.Obj, "validations") {
		check("validations", i, "expression", d, cel.BoolType)
		check("validations", i, "messageExpression", expression.Declared{Params: d.Params}, cel.StringType)
	}
	for i := range tree.List(v.Obj, "auditAnnotations") {
		check("auditAnnotations", i, "valueExpression", d, cel.StringType, cel.NullType)
	}
}

// checkMutatingExpressions compiles the expressions of a mutating policy, of which v is the spec. Both sorts are looked for among
// configurations to see whether they are stored (upstream).
func checkMutatingExpressions(v *kinds.Visit) {
	u, d := policyExpressions(v, true)
	d.Patches = true
	for i, m := range each(v.Obj["mutations"]) {
		place, result := "jsonPatch", expression.PatchResult
		switch m["patchType"] {
		case "ApplyConfiguration":
			place, result = "applyConfiguration", expression.ConfigurationResult
		case "JSONPatch":
		default:
			continue
		}
		text := tree.Text(m, place, "expression")
		stored := false
		for _, old := range each(v.Old["mutations"]) {
			stored = stored || tree.Text(old, "applyConfiguration", "expression") == text
		}
		if text = strings.TrimSpace(text); text != "" {
			addFault(v, v.Path("mutations", i, place, "expression"), text, u.Compile(text, d, stored, result).Fault)
		}
	}
}
