package strategy

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What says who is asked, or what holds, before an object is stored: configurations of webhooks, policies in
// CEL and their bindings. Most is words of the rows. Expressions must be there and are not read.

// admissionRules are the rules of the types of these kinds.
func admissionRules() kinds.Rules {
	const group = "admissionregistration."
	return kinds.Rules{
		group + "ValidatingWebhookConfiguration":       {Check: checkWebhookNames},
		group + "MutatingWebhookConfiguration":         {Check: checkWebhookNames},
		group + "ValidatingWebhook":                    {Check: checkWebhook},
		group + "MutatingWebhook":                      {Check: checkWebhook},
		group + "RuleWithOperations":                   {Check: checkRequestRule},
		group + "MatchResources":                       {Check: checkSelectors},
		group + "MatchCondition":                       {Check: func(v *kinds.Visit) { needText(v, "expression", "") }},
		group + "ValidatingAdmissionPolicy":            {Status: checkPolicyStatus},
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

// checkWebhookNames demands that no two webhooks have the same name.
func checkWebhookNames(v *kinds.Visit) { checkDistinct(v, "webhooks", "name") }

// checkDistinct demands that no two elements of a list have the same text in a field. Those that have none are
// for others to judge.
func checkDistinct(v *kinds.Visit, list, name string) {
	var seen set[string]
	for i, e := range each(v.Obj[list]) {
		if s := tree.Text(e, name); s != "" && seen.add(s) {
			v.Add(field.Duplicate(v.Path(list, i, name), s))
		}
	}
}

// checkWebhook is about a webhook of either kind.
func checkWebhook(v *kinds.Visit) {
	switch name := tree.Text(v.Obj, "name"); {
	case name == "":
		v.Add(field.Required(v.Path("name"), ""))
	case !field.IsDNSSubdomain(name):
		v.Add(field.Invalid(v.Path("name"), name, strings.Join(field.DNSSubdomainErrors(name), ",")))
	case strings.Count(name, ".") < 2:
		v.Add(field.Invalid(v.Path("name"), name, "should be a domain with at least three segments separated by dots"))
	}
	if v.Obj["sideEffects"] == nil {
		v.Add(field.Required(v.Path("sideEffects"), "must specify one of None, NoneOnDryRun"))
	}
	checkChoice(v, "sideEffects", "None", "NoneOnDryRun")
	if n, ok := v.Obj["timeoutSeconds"].(int64); ok && (n < 1 || n > 30) {
		v.Add(field.Invalid(v.Path("timeoutSeconds"), n, "the timeout value must be between 1 and 30 seconds"))
	}
	checkSelectors(v)
	v.Add(field.WebhookErrors(v.Path("clientConfig"), tree.Object(v.Obj, "clientConfig"))...)
	checkDistinct(v, "matchConditions", "name")
	at := v.Path("admissionReviewVersions")
	if versions := tree.List(v.Obj, "admissionReviewVersions"); len(versions) == 0 {
		v.Add(field.Required(at, "must specify one of v1, v1beta1"))
	} else {
		v.Add(field.ReviewVersionErrors(at, versions)...)
	}
}

// checkSelectors is about the two selectors that say which objects a webhook or a policy is about. They have
// defaults, so they are there.
func checkSelectors(v *kinds.Visit) {
	for _, name := range [...]string{"namespaceSelector", "objectSelector"} {
		v.Add(below(v.Path(name), labelSelectorErrors(tree.Object(v.Obj, name), never))...)
	}
}

// checkRequestRule is about which requests a rule means: a star is all, and stands alone.
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

// checkRuleResources is about the resources of a rule and their subresources: pods, pods/status, pods/*,
// */scale, * for all without subresources, and */* for all.
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

// needText demands a text that is more than spaces, and reports whether it is there.
func needText(v *kinds.Visit, name, why string) bool {
	if strings.TrimSpace(tree.Text(v.Obj, name)) != "" {
		return true
	}
	v.Add(field.Required(v.Path(name), why))
	return false
}

// checkPolicyConstraints demands what is common to both kinds of policies: rules that say what it is about.
func checkPolicyConstraints(v *kinds.Visit) {
	checkDistinct(v, "matchConditions", "name")
	if v.Obj["matchConstraints"] != nil && len(tree.List(v.Obj, "matchConstraints", "resourceRules")) == 0 {
		v.Add(field.Required(v.Path("matchConstraints", "resourceRules"), ""))
	}
}

// maxAuditAnnotations is how many annotations of the audit log a policy may have.
const maxAuditAnnotations = 20

// checkValidatingPolicy demands that a policy says something: a rule, or an annotation of the audit log.
func checkValidatingPolicy(v *kinds.Visit) {
	checkPolicyConstraints(v)
	annotations := tree.List(v.Obj, "auditAnnotations")
	if len(annotations)+len(tree.List(v.Obj, "validations")) == 0 {
		for _, name := range [...]string{"validations", "auditAnnotations"} {
			v.Add(field.Required(v.Path(name), "validations or auditAnnotations must contain at least one item"))
		}
	}
	if len(annotations) > maxAuditAnnotations {
		v.Add(field.Invalid(v.Path("auditAnnotations"), annotations, "must not have more than 20 auditAnnotations"))
	}
	checkDistinct(v, "auditAnnotations", "key")
}

// checkMutatingPolicy demands that a policy changes something, of requests that have an object.
func checkMutatingPolicy(v *kinds.Visit) {
	checkPolicyConstraints(v)
	checkMutatingOperations(v, "matchConstraints")
	if len(tree.List(v.Obj, "mutations")) == 0 {
		v.Add(field.Required(v.Path("mutations"), "mutations must contain at least one item"))
	}
}

// checkMutatingOperations refuses the operations of which there is nothing to change. The path says no index
// (upstream).
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

// checkParamKind is about the kind of a policy's parameters. That both are there is for their row to say.
func checkParamKind(v *kinds.Visit) {
	at, whole := v.Path("apiVersion"), tree.Text(v.Obj, "apiVersion")
	group, version, ok := strings.Cut(whole, "/")
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

// reservedWords are those that no variable of CEL can be called.
const reservedWords = " true false null in as break const continue else for function if import let loop package namespace return " +
	"var void while "

// checkVariable is about a value that the expressions of a policy can use by its name.
func checkVariable(v *kinds.Visit) {
	if name := tree.Text(v.Obj, "name"); needText(v, "name", "name is not specified") {
		if !isIdentifier(name) || strings.Contains(reservedWords, " "+name+" ") {
			v.Add(field.Invalid(v.Path("name"), name, "must be a valid CEL identifier"))
		}
	}
	needText(v, "expression", "expression is not specified")
}

// checkValidation is about a rule of a policy, and what is said where it does not hold.
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

// checkAuditAnnotation is about one annotation of the audit log, whose key begins with the name of the policy.
func checkAuditAnnotation(v *kinds.Visit) {
	const most = 5 << 10
	name := tree.Name(v.Root) + "/" + tree.Text(v.Obj, "key")
	v.Add(invalids(v.Path("key"), name, field.LabelKeyErrors)...)
	expression := strings.TrimSpace(tree.Text(v.Obj, "valueExpression"))
	if needText(v, "valueExpression", "valueExpression is not specified") && len(expression) > most {
		v.Add(field.Required(v.Path("valueExpression"), "must not exceed 5120 bytes in length"))
	}
}

// checkMutation demands the expression that the type of the patch names, and no other.
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

// checkParamRef demands the name of the parameters, or a selector of them.
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

// checkValidationActions refuses two ways to tell a client the same.
func checkValidationActions(v *kinds.Visit) {
	actions := tree.List(v.Obj, "validationActions")
	if slices.Contains(actions, any("Deny")) && slices.Contains(actions, any("Warn")) {
		v.Add(field.Invalid(v.Path("validationActions"), actions, "must not contain both Deny and Warn "+
			"(repeating the same validation failure information in the API response and headers serves no purpose)"))
	}
}

// checkPolicyStatus is about the conditions, and the warnings about expressions.
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
