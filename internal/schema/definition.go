package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What a CustomResourceDefinition has to obey, and its defaults. CheckCRD asks about everything but
// the fields that all objects have; the schemas of the versions are checked in
// definition_schema.go, what tables and subresources need in definition_parts.go, the names in
// definition_names.go.
//
// A CRD of the API version v1 says its schema, subresources, columns and selectable fields once for
// each version. Upstream works on an older form of the CRD, in which what is the same in all
// versions stands at the top of the spec, and converts before it looks. The paths of errors
// show that, and so do ours: with one version, or with equal ones, a bad type is at
//
//	spec.validation.openAPIV3Schema.properties[spec].type
//
// and only with versions that differ at
//
//	spec.versions[0].schema.openAPIV3Schema.properties[spec].type
//
// This is called hoisting below. It also decides the order of errors: those of hoisted parts come
// after those of the names.

// DefaultCRD fills in, in place, what a CRD may leave out: the names in singular and of lists, that a
// version is neither served nor stored, the conversion, the port of its webhook, and as the only
// stored version the one that is stored now. It accepts any tree; what is not formed like a CRD is left as it is.
func DefaultCRD(crd map[string]any) {
	names := tree.Object(crd, "spec", "names")
	if kind := tree.Text(names, "kind"); names != nil {
		if tree.Text(names, "singular") == "" {
			names["singular"] = strings.ToLower(kind)
		}
		if tree.Text(names, "listKind") == "" && kind != "" {
			names["listKind"] = kind + "List"
		}
	}
	spec := tree.Object(crd, "spec")
	if spec == nil {
		return
	}
	for _, v := range tree.List(spec, "versions") {
		// Upstream writes these whether they are said or not.
		for _, f := range []string{"served", "storage"} {
			if v, ok := v.(map[string]any); ok && v[f] == nil {
				v[f] = false
			}
		}
	}
	if spec["conversion"] == nil {
		spec["conversion"] = map[string]any{"strategy": "None"}
	}
	if service := tree.Object(spec, "conversion", "webhook", "clientConfig", "service"); service != nil && service["port"] == nil {
		service["port"] = int64(443)
	}
	// Stored versions are only ever added by the server: those that are there stay.
	if len(tree.List(crd, "status", "storedVersions")) > 0 {
		return
	}
	if name, ok := storageVersion(spec); ok {
		tree.Set(crd, []any{name}, "status", "storedVersions")
	}
}

// storageVersion returns the name of the first version of a spec that is to be stored; ok is false if
// there is none.
func storageVersion(spec map[string]any) (name string, ok bool) {
	for _, v := range tree.List(spec, "versions") {
		if tree.True(tree.At(v, "storage")) {
			return tree.Text(v, "name"), true
		}
	}
	return "", false
}

// StoredVersions returns the versions in which there may be objects of a CRD: those in its status, and
// the one that is stored from now on. Only clients take versions out, once they have migrated the
// objects. The list may be the one in the CRD, and must not be changed.
func StoredVersions(crd map[string]any) []any {
	stored := tree.List(crd, "status", "storedVersions")
	if name, ok := storageVersion(tree.Object(crd, "spec")); ok && !slices.Contains(stored, any(name)) {
		return append(slices.Clone(stored), name)
	}
	return stored
}

// CheckCRD returns what is wrong with a CRD that has its defaults, in upstream's words and order.
// old is the CRD that it replaces, nil on create; both are only read. metadata is checked only for
// what a CRD adds to the rules of all objects. The number of errors is bounded.
func CheckCRD(crd, old map[string]any) []field.Error { return checkCRD(crd, old, nil) }

// checkCRD is CheckCRD, and tells note of each rule, unless that is nil.
func checkCRD(crd, old map[string]any, note func(*field.Path, *compiledRule, uint64)) []field.Error {
	c := crdCheck{spec: tree.Object(crd, "spec"), old: tree.Object(old, "spec"), note: note}
	c.hoist()
	if old == nil {
		// An update cannot change the name; all of its parts are compared by unchanged.
		c.name(crd)
	}
	c.group()
	c.scope()
	c.versions()
	c.names(specPath("names"), tree.Object(c.spec, "names"), true)
	c.hoistedParts()
	c.conversion(old)
	if old != nil {
		c.unchanged(old)
	}
	c.acceptedNames(crd)
	c.storedVersions(crd)
	c.approval(crd, old)
	// What was true before v1 may stay so.
	if c.preservesAll() && !tree.True(c.old["preserveUnknownFields"]) {
		c.invalid(specPath("preserveUnknownFields"), true,
			"cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead")
	}
	return c.errs
}

// CheckCRDStatus is CheckCRD for a write of the status alone: only the names in it are looked at, in
// whatever state the spec and the stored versions are.
func CheckCRDStatus(crd map[string]any) []field.Error {
	c := crdCheck{}
	c.acceptedNames(crd)
	return c.errs
}

// acceptedNames checks the form of the names in the status.
func (c *crdCheck) acceptedNames(crd map[string]any) {
	c.names(field.Root("status").Child("acceptedNames"), tree.Object(crd, "status", "acceptedNames"), false)
}

// preservesAll reports whether the CRD asks for what v1 no longer grants: that nothing is pruned.
func (c *crdCheck) preservesAll() bool { return tree.True(c.spec["preserveUnknownFields"]) }

// specPath returns the path of a field of the spec.
func specPath(name string) *field.Path { return field.Root("spec").Child(name) }

// crdCheck checks one CRD: spec is the new one's, old the spec that it replaces or nil.
type crdCheck struct {
	crdErrors
	spec, old map[string]any
	// hoisted has the parts that are the same in all versions. They are compared once, which is not
	// cheap: there may be many versions with large schemas.
	hoisted map[string]bool
	// note is told of each rule, unless it is nil.
	note func(*field.Path, *compiledRule, uint64)
}

// hoist compares the parts of the versions. A part that no version has is the same in all.
func (c *crdCheck) hoist() {
	c.hoisted = map[string]bool{}
	versions := tree.List(c.spec, "versions")
	for _, part := range []string{"schema", "subresources", "additionalPrinterColumns", "selectableFields"} {
		c.hoisted[part] = !slices.ContainsFunc(versions, func(v any) bool {
			return !tree.Equal(tree.At(v, part), tree.At(versions[0], part))
		})
	}
}

// name checks that a CRD is named for what it defines, so that no two define the same resource. What
// a name is generated from would have to be that name already.
func (c *crdCheck) name(crd map[string]any) {
	want := tree.Text(c.spec, "names", "plural") + "." + tree.Text(c.spec, "group")
	for _, f := range []string{"generateName", "name"} {
		// That there is none is for the rules of all objects to say.
		if name := tree.Text(crd, "metadata", f); name != "" && name != want {
			c.invalid(field.Root("metadata").Child(f), name, `must be spec.names.plural+"."+spec.group`)
		}
	}
}

// group checks the group. It needs a dot: groups without one belong to Kubernetes.
func (c *crdCheck) group() {
	p, group := specPath("group"), tree.Text(c.spec, "group")
	if group == "" {
		c.required(p, "")
	} else if words := SubdomainWords(group); words != "" {
		c.invalid(p, group, words)
	} else if !strings.Contains(group, ".") {
		c.invalid(p, group, "should be a domain with at least one dot")
	}
}

// scope checks whether the objects are in namespaces or not.
func (c *crdCheck) scope() {
	if scope := tree.Text(c.spec, "scope"); scope == "" {
		c.required(specPath("scope"), "")
	} else if scope != "Cluster" && scope != "Namespaced" {
		c.notSupported(specPath("scope"), scope, "Cluster", "Namespaced")
	}
}

// versions checks each version, that exactly one is the storage version, and that no two have the same
// name.
func (c *crdCheck) versions() {
	p, versions := specPath("versions"), tree.List(c.spec, "versions")
	// In a loop of its own, since upstream reports it before all else about versions.
	for i, v := range versions {
		if tree.Object(v, "schema", "openAPIV3Schema") == nil && tree.At(v, "schema", "openAPIV3Schema") == nil {
			c.required(p.Index(i).Child("schema").Child("openAPIV3Schema"), "")
		}
	}
	if c.preservesAll() && slices.ContainsFunc(versions, hasDefaults) {
		c.invalid(specPath("preserveUnknownFields"), true, "must be false in order to use defaults in the schema")
	}
	stored, names, unique := 0, map[string]bool{}, true
	for i, v := range versions {
		name := tree.Text(v, "name")
		if tree.True(tree.At(v, "storage")) {
			stored++
		}
		unique = unique && !names[name]
		names[name] = true
		c.version(p.Index(i), v)
	}
	if !unique {
		c.invalid(p, shownVersions(versions), "must contain unique version names")
	}
	if stored != 1 {
		c.invalid(p, shownVersions(versions), "must have exactly one version marked as storage version")
	}
	// The older form has the name of the first version in a field of its own, too.
	if len(versions) > 0 {
		first := tree.Text(versions[0], "name")
		if words := LabelWords(first); first != "" && words != "" {
			c.invalid(specPath("version"), first, words)
		}
	}
}

// version checks one version but for its hoisted parts.
func (c *crdCheck) version(p *field.Path, v any) {
	name := tree.Text(v, "name")
	if words := LabelWords(name); words != "" {
		c.invalid(p.Child("name"), name, words)
	}
	c.deprecation(p.Child("deprecationWarning"), v)
	if !c.hoisted["schema"] {
		c.schema(p.Child("schema"), tree.At(v, "schema"), hasStatus(v), name)
	}
	if !c.hoisted["subresources"] {
		c.subresources(p.Child("subresources"), tree.Object(v, "subresources"))
	}
	if !c.hoisted["additionalPrinterColumns"] {
		c.columns(p.Child("additionalPrinterColumns"), tree.List(v, "additionalPrinterColumns"))
	}
	if !c.hoisted["selectableFields"] {
		// The text says the opposite of what is meant, which is upstream's.
		const unwanted = "may only be set when `version.schema.openAPIV3Schema` is not included"
		c.selectable(p, v, c.hoisted["schema"], unwanted)
	}
}

// hoistedParts checks what all versions have in common, at the paths of the older form.
func (c *crdCheck) hoistedParts() {
	versions := tree.List(c.spec, "versions")
	if len(versions) == 0 {
		return
	}
	first := versions[0]
	if c.hoisted["schema"] {
		// A common schema has to do for each version, so that one with a status is enough.
		c.schema(specPath("validation"), tree.At(first, "schema"), slices.ContainsFunc(versions, hasStatus), tree.Text(first, "name"))
	}
	if c.hoisted["subresources"] {
		c.subresources(specPath("subresources"), tree.Object(first, "subresources"))
	}
	if c.hoisted["additionalPrinterColumns"] {
		c.columns(specPath("additionalPrinterColumns"), tree.List(first, "additionalPrinterColumns"))
	}
	if c.hoisted["selectableFields"] {
		c.selectable(field.Root("spec"), first, !c.hoisted["schema"], "may only be set when validations.schema is included")
	}
}

// oldVersion returns the version of that name in the CRD that is replaced, or nil.
func (c *crdCheck) oldVersion(name string) any {
	for _, v := range tree.List(c.old, "versions") {
		if tree.Text(v, "name") == name {
			return v
		}
	}
	return nil
}

// hasStatus reports whether a version has the status subresource, which {} asks for.
func hasStatus(version any) bool { return tree.At(version, "subresources", "status") != nil }

// hasDefaults reports whether a version has a default anywhere in its schema.
func hasDefaults(version any) (found bool) {
	walkSchema(tree.Object(version, "schema", "openAPIV3Schema"), func(s map[string]any) {
		found = found || s["default"] != nil
	})
	return found
}

// shownVersions returns the versions as an error shows them: without their schemas.
func shownVersions(versions []any) any {
	if versions == nil {
		return nil
	}
	shown := []any{}
	for _, v := range versions {
		shown = append(shown, map[string]any{
			"name":    tree.Text(v, "name"),
			"served":  tree.True(tree.At(v, "served")),
			"storage": tree.True(tree.At(v, "storage")),
		})
	}
	return shown
}

// maxDeprecationWarning is the most bytes of a deprecation warning, which is sent as a header.
const maxDeprecationWarning = 256

// deprecation checks the text that clients of a deprecated version are warned with.
func (c *crdCheck) deprecation(p *field.Path, version any) {
	v := tree.At(version, "deprecationWarning")
	warning, _ := v.(string)
	switch {
	case v == nil:
	case !tree.True(tree.At(version, "deprecated")):
		c.invalid(p, v, "can only be set for deprecated versions")
	case warning == "":
		c.invalid(p, v, "must not be an empty string")
	case len(warning) > maxDeprecationWarning:
		c.invalid(p, v, "must be <= 256 characters long")
	}
	// It comes on top of the others, but for the first.
	if !tree.True(tree.At(version, "deprecated")) {
		return
	}
	if i := strings.IndexFunc(warning, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		c.invalid(p, v, fmt.Sprintf("must only contain printable UTF-8 characters; non-printable character found at index %d", i))
	}
}

// unchanged checks what an update may not change: always what the stored objects' keys are made of,
// and once the CRD is established also what clients have relied on.
func (c *crdCheck) unchanged(old map[string]any) {
	paths := [][]string{{"group"}, {"names", "plural"}}
	if isEstablished(old) {
		paths = [][]string{{"scope"}, {"names", "kind"}, {"group"}, {"names", "plural"}}
	}
	for _, path := range paths {
		if v := tree.Text(c.spec, path...); v != tree.Text(c.old, path...) {
			c.invalid(specPath(strings.Join(path, ".")), v, "field is immutable")
		}
	}
}

// storedVersions checks the list of versions in which objects may be stored: the storage version is
// one of them, and none of them is missing from the spec, since nobody could read its objects.
func (c *crdCheck) storedVersions(crd map[string]any) {
	p, given := field.Root("status").Child("storedVersions"), tree.List(crd, "status", "storedVersions")
	stored := tree.Strings(given)
	if len(stored) == 0 {
		c.invalid(p, tree.At(crd, "status", "storedVersions"), "must have at least one stored version")
		return
	}
	known := map[string]bool{}
	for _, v := range tree.List(c.spec, "versions") {
		name := tree.Text(v, "name")
		// Each of the list is good for one version: a second one of its name is not stored (upstream).
		if tree.True(tree.At(v, "storage")) && (known[name] || !slices.Contains(stored, name)) {
			c.invalid(p, given, "must have the storage version "+name)
		}
		known[name] = true
	}
	for i, name := range stored {
		if !known[name] {
			c.invalid(p.Index(i), name, fmt.Sprintf("missing from spec.versions; %[1]s was previously a storage version, "+
				"and must remain in spec.versions until a storage migration ensures no data remains persisted in %[1]s "+
				"and removes %[1]s from status.storedVersions", name))
		}
	}
}
