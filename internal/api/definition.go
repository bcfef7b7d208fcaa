package api

import (
	"slices"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/schema"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// prepareDefinition completes a definition: defaults, and in its status whether its names are
// its own and it is served, so that the answer of a POST says so already.
func (c *Customs) prepareDefinition(q *Call, crd, old map[string]any) error {
	schema.DefaultCRD(crd)
	rules := schema.Rules(crd)
	if c.strict && len(rules) > 0 {
		var errs []field.Error
		for _, rule := range rules {
			errs = append(errs, field.Forbidden(rule.Path, "validation rules are not evaluated here, and --strict-crds refuses them"))
		}
		return status.Invalid(q.Group, q.Kind, tree.Name(crd), errs)
	}
	if len(rules) > 0 {
		q.scope.Warn("", ruleWarning(tree.Name(crd), rules))
	}
	for _, w := range schema.Warnings(crd) {
		q.scope.Warn("", w)
	}
	status, _ := tree.Copy(crd["status"]).(map[string]any) // what is there may be old's
	if status == nil {
		status = map[string]any{}
	}
	crd["status"] = status
	accepted, conditions := schema.NameConflicts(crd, c.conflicting(crd), time.Now())
	status["acceptedNames"], status["conditions"] = accepted, conditions
	c.reportUnsupported(status, crd, rules)
	stored := tree.List(status, "storedVersions")
	for _, v := range tree.List(crd, "spec", "versions") {
		if tree.At(v, "storage") == true && !slices.Contains(stored, tree.At(v, "name")) {
			stored = append(stored, tree.At(v, "name"))
		}
	}
	status["storedVersions"] = stored
	return nil
}

// reportUnsupported says in conditions what of a definition is not done.
func (c *Customs) reportUnsupported(status, crd map[string]any, rules []schema.Rule) {
	if len(rules) > 0 {
		paths := make([]string, len(rules))
		for i := range rules {
			paths[i] = rules[i].Path
		}
		putCondition(status, "ValidationRulesEvaluated", "False", "NotSupported", "not evaluated: "+strings.Join(paths, ", "))
	} else {
		dropCondition(status, "ValidationRulesEvaluated")
	}
	if tree.Text(crd, "spec", "conversion", "strategy") == "Webhook" {
		putCondition(status, "ConversionServed", "False", "NotSupported", "conversion by webhook is not served: only the storage version is")
	} else {
		dropCondition(status, "ConversionServed")
	}
}

func putCondition(status map[string]any, typ, is, reason, message string) {
	status["conditions"] = schema.SetCondition(tree.List(status, "conditions"), typ, is, reason, message, time.Now())
}

func dropCondition(status map[string]any, typ string) {
	if list := tree.List(status, "conditions"); list != nil {
		status["conditions"] = slices.DeleteFunc(list, func(c any) bool { return tree.Text(c, "type") == typ })
	}
}

const DefinitionFinalizer = "customresourcecleanup.apiextensions.k8s.io"

// holdDefinition holds a deleted definition until its objects are gone.
func holdDefinition(_ *Call, crd map[string]any) (stays bool, err error) {
	m := tree.Metadata(crd)
	if list := tree.List(m, "finalizers"); m["deletionTimestamp"] == nil && !slices.Contains(list, any(DefinitionFinalizer)) {
		m["finalizers"] = append(list, DefinitionFinalizer)
	}
	if m["deletionTimestamp"] == nil {
		status := tree.Object(crd, "status")
		if status == nil {
			status = map[string]any{}
			crd["status"] = status
		}
		putCondition(status, "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
	}
	return true, nil
}

// definitionShape is the shape of definitions: the kind table's, and the rules for schemas.
type definitionShape struct{ shape }

func (s definitionShape) Validate(obj, old map[string]any) []field.Error {
	return append(s.shape.Validate(obj, old), schema.CheckCRD(obj, old)...)
}

// OfDefinition returns the resource that a definition makes in a version, whether it is served or
// stored or not; nil when it has no such version.
func (c *Customs) OfDefinition(crd map[string]any, version string) *Resource {
	shown := tree.Copy(crd).(map[string]any)
	for _, v := range tree.List(shown, "spec", "versions") {
		v.(map[string]any)["served"] = true
	}
	tree.Set(shown, tree.Object(shown, "spec", "names"), "status", "acceptedNames")
	for _, r := range c.resources(shown) {
		if r.Version == version {
			return r
		}
	}
	return nil
}

// Warnings returns what a resource, by the name of its bucket, accepts and does not do.
func (c *Customs) Warnings(name string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if r := c.byBucket[name]; r != nil {
		return r.unchecked
	}
	return nil
}
