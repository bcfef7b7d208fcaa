package api

import (
	"slices"
	"time"

	"apichain/internal/field"
	"apichain/internal/schema"
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

// prepareDefinition completes a definition that is about to be checked: as much of its status as upstream's strategy
// writes. What clients say is checked with the names that the status has already, not with those that it may get below.
// old is nil on create.
func (c *Customs) prepareDefinition(_ *Call, crd, _ map[string]any) error {
	if stored := schema.StoredVersions(crd); len(stored) > 0 {
		// A copy: after an update that leaves the status alone, it is a part of the old object.
		status, _ := tree.Copy(crd["status"]).(map[string]any)
		if status == nil {
			status = map[string]any{}
		}
		crd["status"], status["storedVersions"] = status, stored
	}
	return nil
}

// settleDefinition completes the status of a definition that has been found good: the names it is
// given, and the conditions. It warns the client of what is accepted and not done. old is nil on create.
func (c *Customs) settleDefinition(q *Call, crd, old map[string]any) error {
	// Who changes a definition hears only of what is new in it.
	known := schema.Warnings(old)
	for _, w := range schema.Warnings(crd) {
		if !slices.Contains(known, w) {
			q.scope.Warn("", w)
		}
	}
	was := tree.Copy(crd).(map[string]any)
	status, _ := tree.Copy(crd["status"]).(map[string]any)
	if status == nil {
		status = map[string]any{}
	}
	crd["status"] = status
	now := time.Now()
	accepted, conditions := schema.NameConflicts(crd, c.conflicting(crd), now)
	status["acceptedNames"], status["conditions"] = accepted, schema.SetApproval(conditions, crd, now)
	dropOutdated(status)
	// Upstream stores a status with empty names first, and writes these afterwards.
	if tree.At(was, "status", "acceptedNames") == nil {
		tree.Set(was, map[string]any{"kind": "", "plural": ""}, "status", "acceptedNames")
		tree.Set(was, []any{}, "status", "conditions")
	}
	q.ownAside("status", was, crd)
	return nil
}

// dropOutdated takes conditions out of a status that say what an older version of this program did not do: evaluate rules, and ask
// webhooks for conversion.
func dropOutdated(status map[string]any) {
	dropCondition(status, "ValidationRulesEvaluated")
	dropCondition(status, "ConversionServed")
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
	const message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
	putCondition(status, "Terminating", "True", "InstanceDeletionPending", message)
	return true, nil
}

// definitionShape is the shape of definitions: that of the kind table, and the rules for schemas.
type definitionShape struct{ shape }

// Validate returns what is wrong with a definition, first by its type.
func (s definitionShape) Validate(obj, old map[string]any, status bool) []field.Error {
	return append(s.shape.Validate(obj, old, status), schema.CheckCRD(obj, old)...)
}
