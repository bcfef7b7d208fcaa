package api

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"apichain/internal/fieldset"
	"apichain/internal/kinds"
	"apichain/internal/managed"
	"apichain/internal/tree"
)

// The versions of an object, as package patch asks for them to count owners: each owner has written in a version of its own, and
// whether a write touches what it owns is found in that version.
//
//	live, next (request's version) ──► Convert ──► compared by the Schema of the owner's version, less Reset
//
// Upstream's two servers differ. For a built-in kind an owner in a version that is not served is dropped. An event is served
// in two groups, whose servers know nothing of each other, so that each drops the owners of the other. For a custom resource no
// owner is ever dropped: one in a version that the definition has not any more makes the count fail, be that version served
// or not. Conversion without a webhook changes apiVersion alone, so that a field that the other version does not have is
// there and fits no schema: the count fails as well. A count that fails refuses an apply, and an update leaves the owners as
// they were.

// versions are the versions of a resource's objects for a write to a subresource, "" for one of the object. It implements
// patch.Versions.
type versions struct {
	*Resource
	subresource string
	ctx         context.Context
}

// of returns the resource of a built-in kind in a version, nil for one that is not served beside it.
func (v versions) of(apiVersion string) *Resource {
	if apiVersion == v.apiVersion() {
		return v.Resource
	}
	// Forms of another group are other servers' business, see the head of the file.
	for _, r := range v.forms {
		if r.Group == v.Group && r.apiVersion() == apiVersion {
			return r
		}
	}
	return nil
}

// shapeOf returns the shape of a custom resource in a version that its definition has, nil for another.
func (v versions) shapeOf(apiVersion string) *customShape {
	version, ok := strings.CutPrefix(apiVersion, v.Group+"/")
	if !ok {
		return nil
	}
	return v.shapes[version]
}

// Schema implements patch.Versions.
func (v versions) Schema(version string) (fieldset.Schema, bool) {
	if v.custom {
		if s := v.shapeOf(version); s != nil {
			return s.schema().Owned(), true
		}
		// Convert says what is wrong.
		return fieldset.Deduced(), true
	}
	// A version that nobody could parse must not drop its owner in silence: Convert makes the count fail.
	if strings.Count(version, "/") > 1 {
		return fieldset.Deduced(), true
	}
	r := v.of(version)
	switch {
	case r == nil:
		return nil, false
	case r.Type() == nil: // that of a resource that is made for a test
		return fieldset.Deduced(), true
	}
	return r.Type().Owned(), true
}

// Convert implements patch.Versions. A webhook is asked on the time of the request. Errors are in upstream's words.
func (v versions) Convert(obj map[string]any, from, to string) (map[string]any, error) {
	switch {
	case strings.Count(to, "/") > 1:
		return nil, fmt.Errorf("unexpected GroupVersion string: %s", to)
	case !v.custom:
		return convertBuiltin(obj, v.of(from), v.of(to)), nil
	case v.shapeOf(to) == nil && !strings.HasPrefix(to, v.Group+"/"):
		return nil, fmt.Errorf("%s, Kind=%s is unstructured and is not suitable for converting to %s", from, v.Kind, strconv.Quote(to))
	case v.shapeOf(to) == nil:
		return nil, fmt.Errorf("request to convert CR to an invalid group/version: %s", to)
	case v.webhook != nil:
		converted, _, err := v.ask(v.ctx, []map[string]any{obj}, to)
		if err != nil {
			return nil, err
		}
		return converted[0], nil
	}
	// One level is enough: nothing below the version changes.
	out := maps.Clone(obj)
	out["apiVersion"] = to
	return out, nil
}

// convertBuiltin returns an object of one resource as one of another of the same group. On the way it is a struct: nulls and what is empty
// are gone, and what is always written is there, which without a default is empty.
func convertBuiltin(obj map[string]any, from, to *Resource) map[string]any {
	// Both conversions work in place.
	obj = tree.Copy(obj).(map[string]any)
	if from.ToStored != nil {
		from.ToStored(obj)
	}
	if to.fromStored != nil {
		to.fromStored(obj)
	}
	obj["apiVersion"], obj["kind"] = to.apiVersion(), to.Kind
	if typ := to.Type(); typ != nil {
		if _, err := kinds.Prune(typ, obj); err == nil { // which it is not of what has been merged
			typ.Complete(obj)
		}
	}
	return obj
}

// Reset implements patch.Versions. A write of a custom object says of its own version alone that it leaves the status as it is, and a
// write of the status says of each version that has one what it leaves (upstream).
func (v versions) Reset(version string) *fieldset.Filter {
	if v.custom && version != v.apiVersion() {
		if s := v.shapeOf(version); v.subresource != "status" || s == nil || !s.status {
			return nil
		}
	}
	return v.Row.Resets(v.subresource)
}

// ownedReplicas returns where the replicas of the objects are that a scale shows, by the apiVersion of each version that is known; nil
// for a version without a scale.
// The map is the caller's.
func (r *Resource) ownedReplicas() managed.ScalePaths {
	paths := managed.ScalePaths{}
	for version, s := range r.shapes {
		paths[r.Group+"/"+version] = s.scale.replicas()
	}
	if !r.custom {
		for _, version := range r.Row.Versions() {
			paths[strings.TrimPrefix(r.Group+"/"+version, "/")] = r.scale.replicas()
		}
	}
	return paths
}

// replicas returns where the wanted number of replicas is, nil for no scale.
func (s *scalePaths) replicas() []string {
	if s == nil {
		return nil
	}
	return s.spec
}
