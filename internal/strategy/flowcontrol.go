package strategy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Flow schemas and priority levels: who waits for whom when there is too much to do. Two of each, exempt and
// catch-all, are always as they are. What upstream declares for these types it tells behind all else,
// and so do the functions here whose names say declared.
//
//	schema   requests of system:nodes → level "system", served in turn by user
//	level    "system": Limited, 30 shares, others wait in 64 queues
//
// Shares are of the server's seats, and levels lend each other what they do not use. The objects are
// stored and judged; this server has no queues that would follow them.

// flowRules are the rules of the types of these kinds. Defaults are words of the rows.
// The conditions have rules for both kinds; the specs have one each.
func flowRules() kinds.Rules {
	return kinds.Rules{
		"flowcontrol.FlowSchema":                 {Check: checkFlowSchema, Status: checkFlowConditions},
		"flowcontrol.PriorityLevelConfiguration": {Check: checkPriorityLevel, Status: checkFlowConditions},
	}
}

// checkFlowConditions is about the conditions of either kind, of which there is one of each type.
func checkFlowConditions(v *kinds.Visit) {
	var seen set[string]
	for i, c := range each(tree.At(v.Root, "status", "conditions")) {
		at, typ := fmt.Sprintf("status.conditions[%d].type", i), tree.Text(c, "type")
		if seen.add(typ) {
			v.Add(field.Duplicate(at, typ))
		}
		if typ == "" {
			v.Add(field.Required(at, ""))
		}
	}
}

// fixedFlowSchemas are the specs that two schemas always have.
// They are compared as they are stored, with all defaults in them.
// The first serves system:masters whatever happens, the second everybody else last of all.
var fixedFlowSchemas = [...]struct{ name, spec string }{
	{"exempt", `{"priorityLevelConfiguration":{"name":"exempt"},"matchingPrecedence":1,"rules":[{"subjects":[
		{"kind":"Group","group":{"name":"system:masters"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],
		"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}`},
	{"catch-all", `{"priorityLevelConfiguration":{"name":"catch-all"},"matchingPrecedence":10000,"distinguisherMethod":{"type":"ByUser"},
		"rules":[{"subjects":[{"kind":"Group","group":{"name":"system:unauthenticated"}},
		{"kind":"Group","group":{"name":"system:authenticated"}}],
		"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}],
		"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}`},
}

// checkFlowSchema is about which requests are meant, and their priority level.
// A schema matches a request if one of its rules does: one of the rule's subjects made it, and it is for
// one of the rule's resources or paths. Errors come in that order, as the fields stand.
func checkFlowSchema(v *kinds.Visit) {
	name, spec := tree.Name(v.Obj), tree.Object(v.Obj, "spec")
	// The least number is the first schema that is asked; 1 is left to the one that must come before all
	// others.
	switch n := numberAt(spec, "matchingPrecedence"); {
	case n <= 0:
		v.Add(field.Invalid("spec.matchingPrecedence", n, "must be a positive value"))
	case n > 10000:
		v.Add(field.Invalid("spec.matchingPrecedence", n, "must not be greater than 10000"))
	case n == 1 && name != "exempt":
		v.Add(field.Invalid("spec.matchingPrecedence", n, "only the schema named 'exempt' may have matchingPrecedence 1"))
	}
	// The value shown is the struct, in which the wrong type is (upstream).
	if method, ok := spec["distinguisherMethod"].(map[string]any); ok && !listed("ByNamespace ByUser", tree.Text(method, "type")) {
		v.Add(field.NotSupported("spec.distinguisherMethod.type", structJSON(method, "Type", "type"), "ByNamespace", "ByUser"))
	}
	// It need not exist: a schema of a level that is missing is told so by its conditions.
	if level := tree.Text(spec, "priorityLevelConfiguration", "name"); level == "" {
		v.Add(field.Required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
	} else {
		v.Add(invalidAll("spec.priorityLevelConfiguration.name", level, field.DNSSubdomainErrors(level))...)
	}
	for i, rule := range each(spec["rules"]) {
		at := v.Path("spec", "rules", i)
		if len(tree.List(rule, "subjects")) == 0 {
			v.Add(field.Required(at+".subjects", "subjects must contain at least one value"))
		}
		// Each subject is judged even where another one is wrong, and so is each rule.
		for j, subject := range each(rule["subjects"]) {
			v.Add(flowSubjectErrors(fmt.Sprintf("%s.subjects[%d]", at, j), subject)...)
		}
		if len(tree.List(rule, "resourceRules"))+len(tree.List(rule, "nonResourceRules")) == 0 {
			v.Add(field.Required(at, "at least one of resourceRules and nonResourceRules has to be non-empty"))
		}
		for j, r := range each(rule["resourceRules"]) {
			v.Add(flowResourceErrors(fmt.Sprintf("%s.resourceRules[%d]", at, j), r)...)
		}
		for j, r := range each(rule["nonResourceRules"]) {
			v.Add(flowPathErrors(fmt.Sprintf("%s.nonResourceRules[%d]", at, j), r)...)
		}
	}
	// An administrator may send them again as they are, and change their labels. Both sides are trees, so
	// that the order of fields makes no difference.
	for _, fixed := range fixedFlowSchemas {
		if want, _, err := tree.ParseJSONObject([]byte(fixed.spec)); fixed.name == name && err == nil && !tree.Equal(spec, want) {
			v.Add(field.Invalid("spec", spec, "spec of '"+name+"' must equal the fixed value"))
		}
	}
}

// flowSubjectErrors returns what is wrong with a subject, which has the field that its kind names and no other.
// For example {"kind":"User","user":{"name":"*"}}, where a star is everybody of the kind.
func flowSubjectErrors(at string, subject map[string]any) (errs []field.Error) {
	sorts := [...]struct{ kind, field string }{{"ServiceAccount", "serviceAccount"}, {"User", "user"}, {"Group", "group"}}
	kind := tree.Text(subject, "kind")
	// Which field is wanted is not known then.
	if !listed("ServiceAccount User Group", kind) {
		return []field.Error{field.NotSupported(at+".kind", kind, "Group", "ServiceAccount", "User")}
	}
	for _, sort := range sorts {
		who, ok := subject[sort.field].(map[string]any)
		at := at + "." + sort.field
		switch {
		case sort.kind != kind:
		case !ok:
			errs = append(errs, field.Required(at, sort.field+" is required when subject kind is '"+kind+"'"))
		case tree.Text(who, "name") == "":
			errs = append(errs, field.Required(at+".name", ""))
		// A star is any account of the namespace.
		case kind == "ServiceAccount" && tree.Text(who, "name") != "*":
			errs = append(errs, invalidAll(at+".name", tree.Text(who, "name"), field.DNSSubdomainErrors(tree.Text(who, "name")))...)
		}
		if namespace := tree.Text(who, "namespace"); sort.kind == kind && kind == "ServiceAccount" && ok {
			if namespace == "" {
				errs = append(errs, field.Required(at+".namespace", "must specify namespace for service account"))
			} else {
				errs = append(errs, invalidAll(at+".namespace", namespace, field.DNSLabelErrors(namespace))...)
			}
		}
	}
	// Upstream tells what is too much behind what is wrong with what is wanted.
	for _, sort := range sorts {
		if _, ok := subject[sort.field]; ok && sort.kind != kind {
			errs = append(errs, field.Forbidden(at+"."+sort.field, sort.field+" is forbidden when subject kind is not '"+sort.kind+"'"))
		}
	}
	return errs
}

// flowVerbs are those that a rule can name.
var flowVerbs = [...]string{"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"}

// flowVerbErrors returns what is wrong with the verbs of a rule.
func flowVerbErrors(at string, verbs []any) []field.Error {
	errs := starErrors(at, verbs, "verbs must contain at least one value", "verbs")
	// One unknown verb is an error of the whole list, which is shown.
	known := func(v any) bool { return slices.Contains(flowVerbs[:], text(v)) }
	if len(verbs) > 0 && !slices.Contains(verbs, any("*")) && slices.ContainsFunc(verbs, func(v any) bool { return !known(v) }) {
		errs = append(errs, field.NotSupported(at, verbs, flowVerbs[:]...))
	}
	return errs
}

// starErrors demands that a list has something, and nothing beside a star. Without a text for what it
// lacks it may be empty.
// others is what the list has, for the text. The list itself is shown.
func starErrors(at string, list []any, lacks, others string) (errs []field.Error) {
	if len(list) == 0 && lacks != "" {
		errs = append(errs, field.Required(at, lacks))
	}
	if len(list) > 1 && slices.Contains(list, any("*")) {
		errs = append(errs, field.Invalid(at, list, "if '*' is present, must not specify other "+others))
	}
	return errs
}

// flowResourceErrors returns what is wrong with a rule about resources.
// Four lists, each with a star for all: what matches is the product of them.
func flowResourceErrors(at string, rule map[string]any) []field.Error {
	errs := flowVerbErrors(at+".verbs", tree.List(rule, "verbs"))
	errs = append(errs, starErrors(at+".apiGroups", tree.List(rule, "apiGroups"),
		"resource rules must supply at least one api group", "api groups")...)
	errs = append(errs, starErrors(at+".resources", tree.List(rule, "resources"),
		"resource rules must supply at least one resource", "resources")...)
	// A rule for objects of the cluster may name no namespace; any other would match nothing.
	lacks, namespaces := "", tree.List(rule, "namespaces")
	if !tree.True(rule["clusterScope"]) {
		lacks = "resource rules that are not cluster scoped must supply at least one namespace"
	}
	errs = append(errs, starErrors(at+".namespaces", namespaces, lacks, "namespaces")...)
	if slices.Contains(namespaces, any("*")) {
		return errs
	}
	// A star among others was told above, and the others are not judged beside it.
	for i, s := range tree.Strings(namespaces) {
		for _, why := range field.DNSLabelErrors(s) {
			errs = append(errs, field.Invalid(fmt.Sprintf("%s.namespaces[%d]", at, i), s,
				"each member of this list must be '*' or a DNS-1123 label; "+why))
		}
	}
	return errs
}

// flowPathErrors returns what is wrong with a rule about paths.
// These have no groups and no namespaces: /healthz, /metrics, /version/*.
func flowPathErrors(at string, rule map[string]any) []field.Error {
	errs, paths := flowVerbErrors(at+".verbs", tree.List(rule, "verbs")), tree.List(rule, "nonResourceURLs")
	errs = append(errs, starErrors(at+".nonResourceURLs", paths,
		"nonResourceURLs must contain at least one value", "non-resource URLs")...)
	if slices.Contains(paths, any("*")) {
		return errs
	}
	for i, path := range tree.Strings(paths) {
		if why := flowPathError(path); why != "" {
			errs = append(errs, field.Invalid(fmt.Sprintf("%s.nonResourceURLs[%d]", at, i), path, why))
		}
	}
	return errs
}

// flowPathError returns why a path is none of a rule, "" for one that is.
// The reasons are in the order in which upstream looks for them; it tells the first one.
func flowPathError(path string) string {
	stars := strings.Count(path, "*")
	switch {
	case path == "":
		return "must not be empty"
	case path[0] != '/':
		return "must start with slash"
	case strings.Contains(path, " "):
		return "must not contain white-space"
	case strings.Contains(path, "//"):
		return "must not contain double slash"
	case stars > 1, stars == 1 && !strings.HasSuffix(path, "/*"):
		return "wildcard can only do suffix matching"
	}
	return ""
}

// checkPriorityLevel is about how many requests are served at a time.
// The two types are a union of their own sort: the field of the other type is refused by what is declared,
// and is not looked into.
func checkPriorityLevel(v *kinds.Visit) {
	name, spec := tree.Name(v.Obj), tree.Object(v.Obj, "spec")
	typ := tree.Text(spec, "type")
	// What is exempt never waits, so that only the one level for it may be.
	if (name == "exempt") != (typ == "Exempt") {
		v.Add(field.Invalid("spec.type", typ, "must be 'Exempt' if and only if `name` is 'exempt'"))
	}
	limited, isLimited := spec["limited"].(map[string]any)
	exempt, isExempt := spec["exempt"].(map[string]any)
	switch {
	case typ == "Exempt" && isExempt:
		v.Add(sharesErrors("spec.exempt", exempt)...)
	case typ == "Limited" && isLimited:
		v.Add(limitedErrors(limited)...)
	// An absent type is told by what is declared, below.
	case typ != "" && typ != "Exempt" && typ != "Limited":
		v.Add(field.NotSupported("spec.type", typ, "Exempt", "Limited"))
	}
	if why := fixedLevelError(name, spec); why != "" {
		v.Add(field.Invalid("spec", spec, why))
	}
	v.Add(declaredLevelErrors(typ, limited, isLimited, isExempt)...)
}

// fixedLevelError returns why a level cannot have a spec, since it is one of the two that do not change.
func fixedLevelError(name string, spec map[string]any) string {
	switch name {
	case "exempt":
		// Only the shares that it lends may change.
		if len(spec) > 2 || spec["limited"] != nil || spec["type"] != "Exempt" {
			return "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"
		}
	// All of it is fixed but the metadata, so that some level is there for requests that no other takes.
	case "catch-all":
		want := map[string]any{"type": "Limited", "limited": map[string]any{"nominalConcurrencyShares": int64(5), "lendablePercent": int64(0),
			"limitResponse": map[string]any{"type": "Reject"}}}
		if !tree.Equal(spec, want) {
			return "spec of 'catch-all' must equal the fixed value"
		}
	}
	return ""
}

// sharesErrors returns what is wrong with the shares of a level.
// Both sorts of levels have these two fields, with one rule.
// at is the path of the level's field, without a dot at its end.
func sharesErrors(at string, level map[string]any) (errs []field.Error) {
	if n := numberAt(level, "nominalConcurrencyShares"); n < 0 {
		errs = append(errs, field.Invalid(at+".nominalConcurrencyShares", n, "must be a non-negative integer"))
	}
	if n := numberAt(level, "lendablePercent"); n < 0 || n > 100 {
		errs = append(errs, field.Invalid(at+".lendablePercent", n, "must be between 0 and 100, inclusive"))
	}
	return errs
}

// limitedErrors returns what is wrong with a level that has limits.
// Errors are told in the order of upstream's function: shares, response, what may be lent and borrowed.
func limitedErrors(limited map[string]any) (errs []field.Error) {
	const at = "spec.limited"
	response := tree.Object(limited, "limitResponse")
	typ := tree.Text(response, "type")
	queuing, ok := response["queuing"].(map[string]any)
	// That the response has what its type needs is declared, and is told later.
	switch {
	case typ == "Queue" && ok:
		errs = queuingErrors(at+".limitResponse.queuing.", queuing)
	case typ != "" && typ != "Queue" && typ != "Reject":
		errs = append(errs, field.NotSupported(at+".limitResponse.type", typ, "Queue", "Reject"))
	}
	shares := sharesErrors(at, limited)
	if n := numberAt(limited, "nominalConcurrencyShares"); n < 0 { // before those of the response
		errs = append(shares[:1:1], errs...)
		shares = shares[1:]
	}
	errs = append(errs, shares...)
	if n := numberAt(limited, "borrowingLimitPercent"); n < 0 {
		errs = append(errs, field.Invalid(at+".borrowingLimitPercent", n, "if specified, must be a non-negative integer"))
	}
	return errs
}

const (
	// maxQueues is the most queues that a level may have.
	maxQueues = 10_000_000
	// maxHashBits is how many bits of a hash may choose the queues of a flow.
	maxHashBits = 60
)

// queuingErrors returns what is wrong with the queues of a level. at ends with a dot.
func queuingErrors(at string, queuing map[string]any) (errs []field.Error) {
	queues, hand, length := numberAt(queuing, "queues"), numberAt(queuing, "handSize"), numberAt(queuing, "queueLengthLimit")
	if length <= 0 {
		errs = append(errs, field.Invalid(at+"queueLengthLimit", length, "must be positive"))
	}
	if queues <= 0 {
		errs = append(errs, field.Invalid(at+"queues", queues, "must be positive"))
	} else if queues > maxQueues {
		errs = append(errs, field.Invalid(at+"queues", queues, fmt.Sprintf("must not be greater than %d", maxQueues)))
	}
	// A flow's hand of queues is dealt from the bits of one hash: too many cards of too large a deck would
	// need more than it has.
	switch {
	case hand <= 0:
		errs = append(errs, field.Invalid(at+"handSize", hand, "must be positive"))
	case hand > queues:
		errs = append(errs, field.Invalid(at+"handSize", hand, fmt.Sprintf("should not be greater than queues (%d)", queues)))
	case math.Ceil(math.Log2(float64(queues))*float64(hand)) > maxHashBits:
		errs = append(errs, field.Invalid(at+"handSize", hand, fmt.Sprintf(
			"required entropy bits of deckSize %d and handSize %d should not be greater than %d", queues, hand, maxHashBits)))
	}
	return errs
}

// declaredLevelErrors returns what a level may not have, and must, by its type and that of its response.
// typ is the level's, limited its field of that name. isLimited and isExempt say whether the two fields
// are there, empty ones included.
func declaredLevelErrors(typ string, limited map[string]any, isLimited, isExempt bool) (errs []field.Error) {
	if isExempt && typ != "Exempt" {
		errs = append(errs, field.Forbidden("spec.exempt", ""))
	}
	switch {
	case isLimited && typ != "Limited":
		errs = append(errs, field.Forbidden("spec.limited", ""))
	case !isLimited && typ == "Limited":
		errs = append(errs, field.Required("spec.limited", ""))
	}
	if typ == "" {
		errs = append(errs, field.Required("spec.type", ""))
	}
	if !isLimited {
		return errs
	}
	const at = "spec.limited.limitResponse"
	response := tree.Object(limited, "limitResponse")
	_, queuing := response["queuing"]
	switch how := tree.Text(response, "type"); {
	case queuing && how != "Queue":
		errs = append(errs, field.Forbidden(at+".queuing", ""))
	case !queuing && how == "Queue":
		errs = append(errs, field.Required(at+".queuing", ""))
	}
	if tree.Text(response, "type") == "" {
		errs = append(errs, field.Required(at+".type", ""))
	}
	return errs
}
