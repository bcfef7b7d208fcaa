package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

// prepareCRD completes a definition: defaults, and in its status whether its names are
// its own and it is served, so that the answer of a POST says so already.
func (c *customs) prepareCRD(q *call, crd, old map[string]any) error {
	defaultCRD(crd)
	rules := celRules(crd)
	if c.strict && len(rules) > 0 {
		var errs []fieldError
		for _, rule := range rules {
			errs = append(errs, fieldForbidden(rule.path, "validation rules are not evaluated here, and --strict-crds refuses them"))
		}
		return invalid(q.group, q.kind, objectName(crd), errs)
	}
	if len(rules) > 0 {
		AddWarning(q.req.Context(), "", ruleWarning(objectName(crd), rules))
	}
	for _, w := range schemaWarnings(crd) {
		AddWarning(q.req.Context(), "", w)
	}
	status, _ := deepCopy(crd["status"]).(map[string]any) // what is there may be old's
	if status == nil {
		status = map[string]any{}
	}
	crd["status"] = status
	accepted, conditions := nameConflicts(crd, c.rivals(crd), time.Now())
	status["acceptedNames"], status["conditions"] = accepted, conditions
	c.honest(status, crd, rules)
	stored := listAt(status, "storedVersions")
	for _, v := range listAt(crd, "spec", "versions") {
		if member(v, "storage") == true && !slices.Contains(stored, member(v, "name")) {
			stored = append(stored, member(v, "name"))
		}
	}
	status["storedVersions"] = stored
	return nil
}

// honest says in conditions what of a definition is not done.
func (c *customs) honest(status, crd map[string]any, rules []celRule) {
	if len(rules) > 0 {
		paths := make([]string, len(rules))
		for i := range rules {
			paths[i] = rules[i].path
		}
		putCondition(status, "ValidationRulesEvaluated", "False", "NotSupported", "not evaluated: "+strings.Join(paths, ", "))
	} else {
		dropCondition(status, "ValidationRulesEvaluated")
	}
	if textAt(crd, "spec", "conversion", "strategy") == "Webhook" {
		putCondition(status, "ConversionServed", "False", "NotSupported", "conversion by webhook is not served: only the storage version is")
	} else {
		dropCondition(status, "ConversionServed")
	}
}

func putCondition(status map[string]any, typ, is, reason, message string) {
	status["conditions"] = setCondition(listAt(status, "conditions"), typ, is, reason, message, time.Now())
}

func dropCondition(status map[string]any, typ string) {
	if list := listAt(status, "conditions"); list != nil {
		status["conditions"] = slices.DeleteFunc(list, func(c any) bool { return textAt(c, "type") == typ })
	}
}

const crdFinalizer = "customresourcecleanup.apiextensions.k8s.io"

// keepCRD holds a deleted definition until its objects are gone.
func keepCRD(_ *call, crd map[string]any) (stays bool, err error) {
	m := metadataOf(crd)
	if list := listAt(m, "finalizers"); m["deletionTimestamp"] == nil && !slices.Contains(list, any(crdFinalizer)) {
		m["finalizers"] = append(list, crdFinalizer)
	}
	if m["deletionTimestamp"] == nil {
		status := objectAt(crd, "status")
		if status == nil {
			status = map[string]any{}
			crd["status"] = status
		}
		putCondition(status, "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
	}
	return true, nil
}

// crdShape is the shape of definitions: the kind table's, and the rules for schemas.
type crdShape struct{ shape }

func (s crdShape) validate(obj, old map[string]any) []fieldError {
	return append(s.shape.validate(obj, old), checkCRD(obj, old)...)
}

// customResource is the resource that a definition makes in a version, whether it is
// served or not; nil when it has no such version.
func (p *program) customResource(crd map[string]any, version string) *resource {
	shown := deepCopy(crd).(map[string]any)
	for _, v := range listAt(shown, "spec", "versions") {
		v.(map[string]any)["served"] = true
	}
	setMember(shown, objectAt(shown, "spec", "names"), "status", "acceptedNames")
	for _, r := range p.rest.customs.resources(shown) {
		if r.version == version {
			return r
		}
	}
	return nil
}

// awaitServed returns when the definitions of a revision are served.
func (p *program) awaitServed(context.Context, int64) { p.rest.customs.follow() }

// resourceWarnings is what a resource accepts and does not do.
func (p *program) resourceWarnings(name string) []string {
	c := p.rest.customs
	c.mu.RLock()
	defer c.mu.RUnlock()
	if r := c.byBucket[name]; r != nil {
		return r.unchecked
	}
	return nil
}
