package strategy

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What says who is asked, or what holds, before an object is stored: configurations of
// webhooks, policies in CEL and their bindings. Most is words of the rows; here is what one
// field demands of another (upstream's pkg/apis/admissionregistration/validation).
//
// A configuration has webhooks, each with a name of its own, a server, and rules that say
// which requests it is asked about. A policy has such rules too, and expressions in place of
// the server; a binding puts it into force, with parameters perhaps. For example, the rule
// {operations: [CREATE], apiGroups: [apps], apiVersions: ["*"], resources:
// ["deployments/*"]} is of all subresources of deployments, and would be wrong with
// deployments/scale beside it.
//
// Expressions must be there and compile, which is in admission_expressions.go.

// admissionRules returns the rules of the types of these kinds. Rules that types share, such
// as those of MatchCondition, stand once and hold for webhooks and policies.
func admissionRules() kinds.Rules {
	const group = "admissionregistration."
	return kinds.Rules{
		group + "ValidatingWebhookConfiguration":       {Check: checkWebhookNames},
		group + "MutatingWebhookConfiguration":         {Check: checkWebhookNames},
		group + "ValidatingAdmissionPolicyBinding":     {Check: checkReservedName},
		group + "MutatingAdmissionPolicy":              {Check: checkReservedName},
		group + "MutatingAdmissionPolicyBinding":       {Check: checkReservedName},
		group + "ValidatingWebhook":                    {Check: checkWebhook},
		group + "MutatingWebhook":                      {Check: checkWebhook},
		group + "RuleWithOperations":                   {Check: checkRequestRule},
		group + "MatchResources":                       {Check: checkSelectors},
		group + "MatchCondition":                       {Check: checkMatchCondition},
		group + "ValidatingAdmissionPolicy":            {Check: checkReservedName, Status: checkPolicyStatus},
		group + "ValidatingAdmissionPolicySpec":        {Check: checkValidatingPolicy},
		group + "MutatingAdmissionPolicySpec":          {Check: checkMutatingPolicy},
		group + "ParamKind":                            {Check: checkParamKind},
		group + "Variable":                             {Check: checkVariable},
		group + "Validation":                           {Check: checkValidation},
		group + "AuditAnnotation":                      {Check: checkAuditAnnotation},
		group + "Mutation":                             {Check: checkMutation},
		group + "ParamRef":                             {Check: checkParamRef},
		group + "ValidatingAdmissionPolicyBindingSpec": {Check: checkValidationActions},
		group + "MutatingAdmissionPolicyBindingSpec":   {Check: func(v *kinds.Visit) { checkMutatingOperations(v, "matchResources") }},
	}
}

// checkWebhookNames demands that no two webhooks of a configuration have the same name,
// which is what errors and metrics know them by.
func checkWebhookNames(v *kinds.Visit) {
	checkDistinct(v, "webhooks", "name")
	checkReservedName(v)
}

// checkReservedName refuses new objects with names that upstream keeps for those that a server reads
// from files of its own.
func checkReservedName(v *kinds.Visit) {
	const suffix = ".static.k8s.io"
	if name := tree.Name(v.Root); !v.Update() && strings.HasSuffix(name, suffix) {
		v.Add(field.Invalid("metadata.name", name,
			`names ending with "`+suffix+`" are reserved for static manifest-based configurations and cannot be managed via the API`))
	}
}

// checkDistinct demands that no two elements of a list have the same text in a field. Those
// that have none are for others to judge: that it is missing is an error already, and twice
// the same would be a second one for it.
func checkDistinct(v *kinds.Visit, list, name string) {
	var seen set[string]
	for i, e := range each(v.Obj[list]) {
		if s := tree.Text(e, name); s != "" && seen.add(s) {
			v.Add(field.Duplicate(v.Path(list, i, name), s))
		}
	}
}

// checkWebhook checks a webhook of either kind, in the order of upstream
// (validateValidatingWebhook and its twin): name, effects, time, selectors, server,
// conditions and versions of reviews.
func checkWebhook(v *kinds.Visit) {
	// The name must be a full one, as in check.example.com, so that webhooks of different
	// makers do not meet.
	switch name := tree.Text(v.Obj, "name"); {
	case name == "":
		v.Add(field.Required(v.Path("name"), ""))
	case !field.IsDNSSubdomain(name):
		v.Add(field.Invalid(v.Path("name"), name, strings.Join(field.DNSSubdomainErrors(name), ",")))
	case strings.Count(name, ".") < 2:
		v.Add(field.Invalid(v.Path("name"), name, "should be a domain with at least three segments separated by dots"))
	}
	// A webhook in v1 must say what else it does. Those that have effects on a dry run too are
	// of older versions, and none can say so now.
	if v.Obj["sideEffects"] == nil {
		v.Add(field.Required(v.Path("sideEffects"), "must specify one of None, NoneOnDryRun"))
	}
	checkChoice(v, "sideEffects", "None", "NoneOnDryRun")
	if n, ok := v.Obj["timeoutSeconds"].(int64); ok && (n < 1 || n > 30) {
		v.Add(field.Invalid(v.Path("timeoutSeconds"), n, "the timeout value must be between 1 and 30 seconds"))
	}
	checkSelectors(v)
	v.Add(field.WebhookErrors(v.Path("clientConfig"), tree.Object(v.Obj, "clientConfig"))...)
	v.Now("matchConditions")
	checkDistinct(v, "matchConditions", "name")
	at := v.Path("admissionReviewVersions")
	// No version at all is one error; that none of them is known to the server is another.
	if versions := tree.List(v.Obj, "admissionReviewVersions"); len(versions) == 0 {
		v.Add(field.Required(at, "must specify one of v1, v1beta1"))
	} else {
		v.Add(field.ReviewVersionErrors(at, versions)...)
	}
}

// checkSelectors checks the two selectors that say which objects a webhook or a policy is
// about. They have defaults, so they are there.
func checkSelectors(v *kinds.Visit) {
	for _, name := range [...]string{"namespaceSelector", "objectSelector"} {
		v.Add(below(v.Path(name), labelSelectorErrors(tree.Object(v.Obj, name), never))...)
	}
}

// checkRequestRule checks which requests a rule means: a star is all, and stands alone,
// since what is beside it could only be there by mistake.
func checkRequestRule(v *kinds.Visit) {
	for _, list := range [...][2]string{{"operations", "operations"}, {"apiGroups", "API groups"}, {"apiVersions", "API versions"}} {
		if l := tree.List(v.Obj, list[0]); len(l) > 1 && slices.Contains(l, any("*")) {
			v.Add(field.Invalid(v.Path(list[0]), l, "if '*' is present, must not specify other "+list[1]))
		}
	}
	for i, version := range tree.List(v.Obj, "apiVersions") {
		if version == "" {
			v.Add(field.Required(v.Path("apiVersions", i), ""))
		}
	}
	checkRuleResources(v)
}

// checkRuleResources checks the resources of a rule and their subresources: pods,
// pods/status, pods/*, */scale, * for all without subresources, and */* for all. What one
// that is before in the list covers must not be said again; the order counts, as it does
// upstream, so pods/status before pods/* is good.
func checkRuleResources(v *kinds.Visit) {
	resources := tree.List(v.Obj, "resources")
	var starred set[string] // pods/* and */scale that there were before
	all, plain := false, false
	for i, r := range resources {
		at, r := v.Path("resources", i), text(r)
		if r == "" {
			v.Add(field.Required(at, ""))
			continue
		}
		resource, sub, ok := strings.Cut(r, "/")
		if !ok {
			// Only the last one without a subresource counts (upstream).
			all, plain = all || r == "*", r != "*"
			continue
		}
		// Both stars could cover it, and then upstream has an error for each.
		for _, star := range [...]string{resource + "/*", "*/" + sub} {
			if starred.has(star) {
				v.Add(field.Invalid(at, r, "if '"+star+"' is present, must not specify "+r))
			}
		}
		if resource == "*" || sub == "*" {
			starred.add(r)
		}
	}
	if len(resources) > 1 && slices.Contains(resources, any("*/*")) {
		v.Add(field.Invalid(v.Path("resources"), resources, "if '*/*' is present, must not specify other resources"))
	}
	if all && plain {
		v.Add(field.Invalid(v.Path("resources"), resources, "if '*' is present, must not specify other resources without subresources"))
	}
}

// needText demands a text that is more than spaces, and reports whether it is there. why is
// what the error says, as some of upstream's have a reason and some none.
func needText(v *kinds.Visit, name, why string) bool {
	if strings.TrimSpace(tree.Text(v.Obj, name)) != "" {
		return true
	}
	v.Add(field.Required(v.Path(name), why))
	return false
}

// checkPolicyConstraints demands what is common to both kinds of policies: rules that say
// what it is about, and conditions with names of their own. That there are constraints is
// for a row to say.
func checkPolicyConstraints(v *kinds.Visit) {
	if v.Obj["matchConstraints"] != nil && len(tree.List(v.Obj, "matchConstraints", "resourceRules")) == 0 {
		v.Add(field.Required(v.Path("matchConstraints", "resourceRules"), ""))
	}
	v.Now("matchConditions")
	checkDistinct(v, "matchConditions", "name")
}

// maxAuditAnnotations is how many annotations of the audit log a policy may have, upstream's
// number.
const maxAuditAnnotations = 20

// checkValidatingPolicy demands that a policy says something: a rule, or an annotation of
// the audit log. If it has neither, there is an error for both fields, for either would do.
func checkValidatingPolicy(v *kinds.Visit) {
	checkPolicyConstraints(v)
	annotations := tree.List(v.Obj, "auditAnnotations")
	if len(annotations)+len(tree.List(v.Obj, "validations")) == 0 {
		for _, name := range [...]string{"validations", "auditAnnotations"} {
			v.Add(field.Required(v.Path(name), "validations or auditAnnotations must contain at least one item"))
		}
	}
	if len(annotations) > maxAuditAnnotations {
		shown := make([]any, len(annotations)) // under the names of Go, as upstream's type has no others
		for i, a := range annotations {
			shown[i] = map[string]any{"Key": tree.Text(a, "key"), "ValueExpression": tree.Text(a, "valueExpression")}
		}
		v.Add(field.Invalid(v.Path("auditAnnotations"), shown, "must not have more than 20 auditAnnotations"))
	}
	checkDistinct(v, "auditAnnotations", "key")
	checkPolicyExpressions(v)
}

// checkMutatingPolicy demands that a policy changes something, of requests that have an
// object.
func checkMutatingPolicy(v *kinds.Visit) {
	checkPolicyConstraints(v)
	checkMutatingOperations(v, "matchConstraints")
	if len(tree.List(v.Obj, "mutations")) == 0 {
		v.Add(field.Required(v.Path("mutations"), "mutations must contain at least one item"))
	}
	checkMutatingExpressions(v)
}

// checkMutatingOperations refuses the operations of which there is nothing to change: a
// delete brings no object. name is the field with the rules, which is another in a policy
// than in a binding. The path says no index (upstream).
func checkMutatingOperations(v *kinds.Visit, name string) {
	for _, rule := range each(tree.At(v.Obj, name, "resourceRules")) {
		for _, o := range tree.Strings(tree.List(rule, "operations")) {
			switch o {
			case "*", "CONNECT", "CREATE", "UPDATE":
			default:
				v.Add(field.NotSupported(v.Path(name, "resourceRules", "operations"), o, "*", "CONNECT", "CREATE", "UPDATE"))
			}
		}
	}
}

// checkParamKind checks the kind of a policy's parameters: a group and version, and a kind
// that could be one. That both are there is for their row to say, and whether there is such
// a kind is not asked, since it may be defined later.
func checkParamKind(v *kinds.Visit) {
	at, whole := v.Path("apiVersion"), tree.Text(v.Obj, "apiVersion")
	group, version, ok := strings.Cut(whole, "/")
	// A version alone is of the core group, which has no name.
	if !ok {
		group, version = "", group
	}
	if strings.Count(whole, "/") > 1 {
		v.Add(field.Invalid(at, whole, "unexpected GroupVersion string: "+whole))
	} else if whole != "" {
		if group != "" && !field.IsDNSSubdomain(group) {
			v.Add(field.Invalid(at, group, strings.Join(field.DNSSubdomainErrors(group), ",")))
		}
		if version == "" {
			v.Add(field.Invalid(at, whole, "version must be specified"))
		} else if why := field.DNS1035LabelErrors(version); len(why) > 0 {
			v.Add(field.Invalid(at, version, strings.Join(why, ",")))
		}
	}
	kind := tree.Text(v.Obj, "kind")
	if why := field.DNS1035LabelErrors(strings.ToLower(kind)); kind != "" && len(why) > 0 {
		v.Add(field.Invalid(v.Path("kind"), kind, "may have mixed case, but should otherwise match: "+strings.Join(why, ",")))
	}
}

// reservedWords are those that no variable of CEL can be called, with spaces about each to
// find whole ones.
const reservedWords = " true false null in as break const continue else for function if import let loop package namespace return " +
	"var void while "

// checkVariable checks a value that the expressions of a policy can use by its name, as in
// variables.replicas, so the name must be one that CEL can read.
func checkVariable(v *kinds.Visit) {
	if name := tree.Text(v.Obj, "name"); needText(v, "name", "name is not specified") {
		if !isIdentifier(name) || strings.Contains(reservedWords, " "+name+" ") {
			v.Add(field.Invalid(v.Path("name"), name, "must be a valid CEL identifier"))
		}
	}
	needText(v, "expression", "expression is not specified")
}

// checkValidation checks a rule of a policy, and what is said where it does not hold. A
// message is one line, as it is part of one that the client sees.
func checkValidation(v *kinds.Visit) {
	needText(v, "expression", "expression is not specified")
	for _, name := range [...]string{"messageExpression", "message"} {
		s := tree.Text(v.Obj, name)
		trimmed := strings.TrimSpace(s)
		switch {
		case s != "" && trimmed == "":
			v.Add(field.Invalid(v.Path(name), s, "must be non-empty if specified"))
		case name == "message" && strings.ContainsAny(trimmed, "\n\r"):
			v.Add(field.Invalid(v.Path(name), s, "must not contain line breaks"))
		}
	}
}

// maxAuditExpression is how many bytes the expression of an annotation may have.
const maxAuditExpression = 5 << 10

// checkAuditAnnotation checks one annotation of the audit log. Its key begins with the name
// of the policy, so it is judged with that in front, and so shown.
func checkAuditAnnotation(v *kinds.Visit) {
	name := tree.Name(v.Root) + "/" + tree.Text(v.Obj, "key")
	v.Add(invalids(v.Path("key"), name, field.LabelKeyErrors)...)
	expression := strings.TrimSpace(tree.Text(v.Obj, "valueExpression"))
	// That a long expression is "required" is upstream's error for it.
	if needText(v, "valueExpression", "valueExpression is not specified") && len(expression) > maxAuditExpression {
		v.Add(field.Required(v.Path("valueExpression"), "must not exceed 5120 bytes in length"))
	}
}

// checkMutation demands the expression that the type of the patch names, and no other. A
// type that is unknown is an error of its row, and then neither is judged.
func checkMutation(v *kinds.Visit) {
	typ := tree.Text(v.Obj, "patchType")
	for _, m := range [...][2]string{{"JSONPatch", "jsonPatch"}, {"ApplyConfiguration", "applyConfiguration"}} {
		o := tree.Object(v.Obj, m[1])
		switch {
		case typ != "JSONPatch" && typ != "ApplyConfiguration":
		case typ != m[0] && o != nil:
			v.Add(field.Invalid(v.Path(m[1]), "{"+m[1]+"}", "must not be specified when patchType is "+typ))
		case typ == m[0] && o == nil:
			v.Add(field.Required(v.Path(m[1]), "must be specified when patchType is "+typ))
		case typ == m[0] && strings.TrimSpace(tree.Text(o, "expression")) == "":
			v.Add(field.Required(v.Path(m[1], "expression"), ""))
		}
	}
}

// checkParamRef demands the name of the parameters, or a selector of them, and what is to
// happen if there are none.
func checkParamRef(v *kinds.Visit) {
	name, selector := tree.Text(v.Obj, "name"), tree.Object(v.Obj, "selector")
	if selector != nil {
		v.Add(below(v.Path("selector"), labelSelectorErrors(selector, never))...)
	}
	switch {
	case name != "" && selector != nil:
		for _, name := range [...]string{"name", "selector"} {
			v.Add(field.Forbidden(v.Path(name), "name and selector are mutually exclusive"))
		}
	case name == "" && selector == nil:
		v.Add(field.Required(v.Path(), "one of name or selector must be specified"))
	}
	if tree.Text(v.Obj, "parameterNotFoundAction") == "" {
		v.Add(field.Required(v.Path("parameterNotFoundAction"), ""))
	} else {
		checkChoice(v, "parameterNotFoundAction", "Deny", "Allow")
	}
}

// checkValidationActions refuses two ways to tell a client the same: an error, and a warning
// beside it.
func checkValidationActions(v *kinds.Visit) {
	actions := tree.List(v.Obj, "validationActions")
	if slices.Contains(actions, any("Deny")) && slices.Contains(actions, any("Warn")) {
		v.Add(field.Invalid(v.Path("validationActions"), actions, "must not contain both Deny and Warn "+
			"(repeating the same validation failure information in the API response and headers serves no purpose)"))
	}
}

// checkPolicyStatus checks the conditions, and the warnings about expressions, each of which
// must say what it warns of and where.
func checkPolicyStatus(v *kinds.Visit) {
	v.Add(conditionErrors("status.conditions", tree.List(v.Root, "status", "conditions"))...)
	for i, w := range each(tree.At(v.Root, "status", "typeChecking", "expressionWarnings")) {
		for _, name := range [...]string{"warning", "fieldRef"} {
			if strings.TrimSpace(tree.Text(w, name)) == "" {
				v.Add(field.Required(v.Path("status", "typeChecking", "expressionWarnings", i, name), ""))
			}
		}
	}
}
