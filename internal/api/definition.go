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

// CustomResourceDefinition as a kind: what its hooks do when one is written. In upstream these are
// the work of controllers, a moment after the write; here they are done in the write itself, so
// that its answer says already whether the names are accepted and the resource is served:
//
//	POST {"spec":{…}}
//	201  {…,"status":{"acceptedNames":{…},"storedVersions":["v1"],
//	      "conditions":[{"type":"NamesAccepted","status":"True",…},{"type":"Established","status":"True",…}]}}
//
// Writes of definitions come one after another (the hook serial), since two that ask for the same
// name must see each other.
//
// Two conditions are our own. Upstream evaluates validation rules (x-kubernetes-validations) and
// converts by webhooks, and this server does not; ValidationRulesEvaluated and ConversionServed,
// with status False, say so to whoever looks at the definition.

// prepareDefinition completes a definition that is about to be written: defaults, the names it is
// given, and the rest of its status. It warns the client of what is accepted and not done, or with
// --strict-crds returns a 422 for it. old is nil on create.
func (c *Customs) prepareDefinition(q *Call, crd, _ map[string]any) error {
	// Defaults first, since names are compared as they will be stored.
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
	// A copy: after an update that leaves the status alone, it is a part of the old object.
	status, _ := tree.Copy(crd["status"]).(map[string]any)
	if status == nil {
		status = map[string]any{}
	}
	crd["status"] = status
	status["acceptedNames"], status["conditions"] = schema.NameConflicts(crd, c.conflicting(crd), time.Now())
	reportUnsupported(status, crd, rules)
	status["storedVersions"] = storedVersions(status, crd)
	return nil
}

// storedVersions returns the versions in which there may be objects: those that the status has,
// and the one that is stored from now on. Only clients take versions out, once they have migrated
// the objects.
func storedVersions(status, crd map[string]any) []any {
	stored := tree.List(status, "storedVersions")
	for _, v := range tree.List(crd, "spec", "versions") {
		if tree.At(v, "storage") == true && !slices.Contains(stored, tree.At(v, "name")) {
			stored = append(stored, tree.At(v, "name"))
		}
	}
	return stored
}

// reportUnsupported says in conditions of a status what of the definition is not done, and takes
// them back if the definition no longer asks for it.
func reportUnsupported(status, crd map[string]any, rules []schema.Rule) {
	if len(rules) > 0 {
		paths := make([]string, len(rules))
		for i := range rules {
			paths[i] = rules[i].Path
		}
		putCondition(status, "ValidationRulesEvaluated", "False", "NotSupported", "not evaluated: "+strings.Join(paths, ", "))
	} else {
		dropCondition(status, "ValidationRulesEvaluated")
	}
	if convertsByWebhook(crd) {
		const message = "conversion by webhook is not served: only the storage version is"
		putCondition(status, "ConversionServed", "False", "NotSupported", message)
	} else {
		dropCondition(status, "ConversionServed")
	}
}

// convertsByWebhook reports whether a definition wants its objects converted by a webhook. The
// other strategy, None, only rewrites apiVersion.
func convertsByWebhook(crd map[string]any) bool {
	return tree.Text(crd, "spec", "conversion", "strategy") == "Webhook"
}

// DefinitionFinalizer is in the metadata of a definition that is being deleted until its objects
// are gone. The name is upstream's.
const DefinitionFinalizer = "customresourcecleanup.apiextensions.k8s.io"

// holdDefinition lets a deleted definition stay until its objects are gone, which a controller sees
// to. It is called for each DELETE, also of one that is being deleted already: then the finalizer
// is not put back.
func holdDefinition(_ *Call, crd map[string]any) (stays bool, err error) {
	m := tree.Metadata(crd)
	if m["deletionTimestamp"] != nil {
		return true, nil
	}
	if list := tree.List(m, "finalizers"); !slices.Contains(list, any(DefinitionFinalizer)) {
		m["finalizers"] = append(list, DefinitionFinalizer)
	}
	status := tree.Object(crd, "status")
	if status == nil {
		status = map[string]any{}
		crd["status"] = status
	}
	putCondition(status, "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
	return true, nil
}

// definitionShape is the shape of definitions: that of the kind table, and the rules for schemas.
type definitionShape struct{ shape }

// Validate returns what is wrong with a definition, first by its type.
func (s definitionShape) Validate(obj, old map[string]any) []field.Error {
	return append(s.shape.Validate(obj, old), schema.CheckCRD(obj, old)...)
}
