package storage

import (
	"apichain/internal/schema"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Definitions of custom resources. Upstream serves them as apiextensions.k8s.io/v1 and still stores
// them as v1beta1, in which what all versions have alike stands once, for all of them:
//
//	v1       spec: {versions: [{name: v1, schema: S}, {name: v2, schema: S}], conversion: {webhook: {clientConfig: C}}}
//	v1beta1  spec: {versions: [{name: v1}, {name: v2}], version: v1, validation: S, conversion: {webhookClientConfig: C},
//	         preserveUnknownFields: false}
//
// and where columns have JSONPath for jsonPath.

// definitions is the bucket of the definitions.
const definitions = "customresourcedefinitions.apiextensions.k8s.io"

// hoistedParts are the fields of a version that may stand in the spec, and their names there.
var hoistedParts = [...]struct{ version, spec string }{
	{"schema", "validation"}, {"subresources", "subresources"}, {"additionalPrinterColumns", "additionalPrinterColumns"},
	{"selectableFields", "selectableFields"},
}

// Seen tells the codec of a draft that is kept now and was not decoded, since it was at hand: it may be a
// definition. Whoever follows what is written calls it or Decode for each object, in the order of the writes.
func (c *Codec) Seen(bucket string, d *store.Draft) {
	if bucket != definitions {
		return
	}
	if crd, _, err := tree.ParseJSONObject(d.JSON); err == nil {
		c.learn(crd)
	}
}

// completeDefinition sets the defaults of a definition that was decoded, and learns from it.
func (c *Codec) completeDefinition(crd map[string]any) {
	schema.DefaultCRD(crd)
	c.learn(crd)
}

// learn keeps what a definition says of the fields of its objects.
func (c *Codec) learn(crd map[string]any) {
	bucket := tree.Text(crd, "spec", "names", "plural") + "." + tree.Text(crd, "spec", "group")
	fields := AllSelectableFields(tree.List(crd, "spec", "versions"))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(fields) == 0 {
		delete(c.selectable, bucket)
	} else {
		c.selectable[bucket] = fields
	}
}

// definitionToStored brings a definition that is good into the shape of v1beta1, in place.
func definitionToStored(crd map[string]any) {
	spec := tree.Object(crd, "spec")
	versions := tree.List(spec, "versions")
	if spec == nil || len(versions) == 0 {
		return
	}
	spec["version"] = tree.At(versions[0], "name")
	if spec["preserveUnknownFields"] == nil {
		spec["preserveUnknownFields"] = false
	}
	for _, v := range versions {
		renameEach(tree.List(v, "additionalPrinterColumns"), "jsonPath", "JSONPath")
	}
	for _, part := range hoistedParts {
		if first := tree.At(versions[0], part.version); first != nil && allEqual(versions, part.version) {
			spec[part.spec] = first
			for _, v := range versions {
				delete(tree.Object(v), part.version)
			}
		}
	}
	conversion := tree.Object(spec, "conversion")
	if webhook := tree.Object(conversion, "webhook"); webhook != nil {
		move(webhook, "clientConfig", conversion, "webhookClientConfig")
		move(webhook, "conversionReviewVersions", conversion, "conversionReviewVersions")
		delete(conversion, "webhook")
	}
}

// definitionFromStored brings a definition into the shape of v1, in place. One that is v1 already stays as
// it is. Its fields may have any values: what they ought to be is checked later.
func definitionFromStored(crd map[string]any) {
	spec := tree.Object(crd, "spec")
	if spec == nil || tree.Text(crd, "apiVersion") != "apiextensions.k8s.io/v1beta1" {
		return
	}
	if v := tree.Text(spec, "version"); v != "" && len(tree.List(spec, "versions")) == 0 {
		spec["versions"] = []any{map[string]any{"name": v, "served": true, "storage": true}}
	}
	// The defaults of v1beta1 that v1 has not.
	for name, v := range map[string]any{"preserveUnknownFields": true, "scope": "Namespaced"} {
		if spec[name] == nil {
			spec[name] = v
		}
	}
	versions := tree.List(spec, "versions")
	for _, part := range hoistedParts {
		for _, v := range versions {
			if v := tree.Object(v); v != nil && spec[part.spec] != nil {
				v[part.version] = tree.Copy(spec[part.spec])
			}
		}
	}
	for _, v := range versions {
		renameEach(tree.List(v, "additionalPrinterColumns"), "JSONPath", "jsonPath")
	}
	conversion := tree.Object(spec, "conversion")
	if conversion["strategy"] == "Webhook" && conversion["conversionReviewVersions"] == nil {
		conversion["conversionReviewVersions"] = []any{"v1beta1"}
	}
	if conversion["webhookClientConfig"] != nil || conversion["conversionReviewVersions"] != nil {
		webhook := map[string]any{}
		move(conversion, "webhookClientConfig", webhook, "clientConfig")
		move(conversion, "conversionReviewVersions", webhook, "conversionReviewVersions")
		conversion["webhook"] = webhook
	}
}

// allEqual reports whether all objects have the same value of a field.
func allEqual(objs []any, name string) bool {
	for _, o := range objs[1:] {
		if !tree.Equal(tree.At(o, name), tree.At(objs[0], name)) {
			return false
		}
	}
	return true
}

// renameEach renames a field of each object of a list.
func renameEach(list []any, from, to string) {
	for _, o := range list {
		if o := tree.Object(o); o != nil {
			move(o, from, o, to)
		}
	}
}

// move takes a field out of an object and puts it into another one, if it is there.
func move(from map[string]any, name string, to map[string]any, newName string) {
	if v, ok := from[name]; ok {
		delete(from, name)
		to[newName] = v
	}
}
