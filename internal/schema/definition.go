package schema

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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

// DefaultCRD fills in, in place, what a CRD may leave out: the names in singular and of lists, the
// conversion, the port of its webhook, and as the only stored version the one that is stored
// now. It accepts any tree; what is not formed like a CRD is left as it is.
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
	for _, v := range tree.List(spec, "versions") {
		if tree.True(tree.At(v, "storage")) {
			tree.Set(crd, []any{tree.Text(v, "name")}, "status", "storedVersions")
			return
		}
	}
}

// CheckCRD returns what is wrong with a CRD that has its defaults, in upstream's words and order.
// old is the CRD that it replaces, nil on create; both are only read. metadata is checked only for
// what a CRD adds to the rules of all objects. The number of errors is bounded.
func CheckCRD(crd, old map[string]any) []field.Error {
	c := crdCheck{spec: tree.Object(crd, "spec"), old: tree.Object(old, "spec")}
	if old == nil {
		// An update cannot change the name; all of its parts are compared by unchanged.
		c.name(crd)
	}
	c.group()
	c.scope()
	c.versions()
	c.names(specPath("names"), tree.Object(c.spec, "names"), true)
	c.hoistedParts()
	c.conversion()
	if old != nil {
		c.unchanged(old)
	}
	c.names(field.Root("status").Child("acceptedNames"), tree.Object(crd, "status", "acceptedNames"), false)
	c.storedVersions(crd)
	c.approval(crd, old)
	// What was true before v1 may stay so.
	if tree.True(c.spec["preserveUnknownFields"]) && !tree.True(c.old["preserveUnknownFields"]) {
		c.invalid(specPath("preserveUnknownFields"), true,
			"cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead")
	}
	return c.errs
}

// specPath returns the path of a field of the spec.
func specPath(name string) *field.Path { return field.Root("spec").Child(name) }

// crdCheck checks one CRD: spec is the new one's, old the spec that it replaces or nil.
type crdCheck struct {
	crdErrors
	spec, old map[string]any
}

// name checks that a CRD is named for what it defines, so that no two define the same resource.
func (c *crdCheck) name(crd map[string]any) {
	name := tree.Text(crd, "metadata", "name")
	if want := tree.Text(c.spec, "names", "plural") + "." + tree.Text(c.spec, "group"); name != want {
		c.invalid(field.Root("metadata").Child("name"), name, `must be spec.names.plural+"."+spec.group`)
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

// same reports whether all versions have the same value in a field, which hoists it. Values that
// upstream takes for absent are the same.
func (c *crdCheck) same(part string) bool {
	versions := tree.List(c.spec, "versions")
	for i := 1; i < len(versions); i++ {
		a, b := tree.At(versions[i], part), tree.At(versions[0], part)
		if !tree.Equal(a, b) && !(isZeroValue(a) && isZeroValue(b)) {
			return false
		}
	}
	return true
}

// versions checks each version, that exactly one is the storage version, and that no two have the same
// name.
func (c *crdCheck) versions() {
	p, versions := specPath("versions"), tree.List(c.spec, "versions")
	// Asked once: comparing schemas is not cheap, and there may be many versions.
	hoisted := map[string]bool{}
	for _, part := range []string{"schema", "subresources", "additionalPrinterColumns", "selectableFields"} {
		hoisted[part] = c.same(part)
	}
	// In a loop of its own, since upstream reports it before all else about versions.
	for i, v := range versions {
		if tree.Object(v, "schema", "openAPIV3Schema") == nil && tree.At(v, "schema", "openAPIV3Schema") == nil {
			c.required(p.Index(i).Child("schema").Child("openAPIV3Schema"), "")
		}
	}
	stored, names, unique := 0, map[string]bool{}, true
	for i, v := range versions {
		name := tree.Text(v, "name")
		if tree.True(tree.At(v, "storage")) {
			stored++
		}
		unique = unique && !names[name]
		names[name] = true
		c.version(p.Index(i), v, hoisted)
	}
	if !unique {
		c.invalid(p, shownVersions(versions), "must contain unique version names")
	}
	if stored != 1 {
		c.invalid(p, shownVersions(versions), "must have exactly one version marked as storage version")
	}
}

// version checks one version but for its hoisted parts.
func (c *crdCheck) version(p *field.Path, v any, hoisted map[string]bool) {
	name := tree.Text(v, "name")
	if words := LabelWords(name); words != "" {
		c.invalid(p.Child("name"), name, words)
	}
	c.deprecation(p.Child("deprecationWarning"), v)
	if !hoisted["schema"] {
		c.schema(p.Child("schema"), tree.At(v, "schema"), hasStatus(v))
	}
	if !hoisted["subresources"] {
		c.subresources(p.Child("subresources"), tree.Object(v, "subresources"))
	}
	if !hoisted["additionalPrinterColumns"] {
		c.columns(p.Child("additionalPrinterColumns"), tree.List(v, "additionalPrinterColumns"))
	}
	if !hoisted["selectableFields"] {
		c.selectable(p.Child("selectableFields"), v)
	}
}

// hoistedParts checks what all versions have in common, at the paths of the older form.
func (c *crdCheck) hoistedParts() {
	versions := tree.List(c.spec, "versions")
	if len(versions) == 0 {
		return
	}
	first := versions[0]
	if c.same("schema") {
		// A common schema has to do for each version, so that one with a status is enough.
		c.schema(specPath("validation"), tree.At(first, "schema"), slices.ContainsFunc(versions, hasStatus))
	}
	if c.same("subresources") {
		c.subresources(specPath("subresources"), tree.Object(first, "subresources"))
	}
	if c.same("additionalPrinterColumns") {
		c.columns(specPath("additionalPrinterColumns"), tree.List(first, "additionalPrinterColumns"))
	}
	if c.same("selectableFields") {
		c.selectable(specPath("selectableFields"), first)
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

// shownVersions returns the versions as an error shows them: without their schemas.
func shownVersions(versions []any) []any {
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
	// These two come on top of the others.
	if !utf8.ValidString(warning) {
		c.invalid(p, v, "must only contain printable UTF-8 characters")
	}
	if i := strings.IndexFunc(warning, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		c.invalid(p, v, fmt.Sprintf("must only contain printable UTF-8 characters; non-printable character found at index %d", i))
	}
}

// conversion checks how objects of one version become objects of another. Webhooks are checked as
// upstream checks them, and not called.
func (c *crdCheck) conversion() {
	p, conversion := specPath("conversion"), tree.Object(c.spec, "conversion")
	if conversion == nil {
		return
	}
	strategy := tree.Text(conversion, "strategy")
	switch strategy {
	case "":
		c.required(p.Child("strategy"), "")
	case "None":
	case "Webhook":
		c.webhook(p, conversion)
		return
	default:
		c.notSupported(p.Child("strategy"), strategy, "None", "Webhook")
	}
	// The paths are those of the older form, which has no field "webhook" between.
	const unwanted = "should not be set when strategy is not set to Webhook"
	if tree.At(conversion, "webhook", "clientConfig") != nil {
		c.forbidden(p.Child("webhookClientConfig"), unwanted)
	}
	if len(tree.List(conversion, "webhook", "conversionReviewVersions")) > 0 {
		c.forbidden(p.Child("conversionReviewVersions"), unwanted)
	}
}

// maxCompared is how many review versions before it a version is compared with.
const maxCompared = 100

// webhook checks a conversion webhook: where it is, and which versions of ConversionReview it
// understands.
func (c *crdCheck) webhook(p *field.Path, conversion map[string]any) {
	config := tree.Object(conversion, "webhook", "clientConfig")
	if at := p.Child("webhookClientConfig"); config == nil {
		c.required(at, "required when strategy is set to Webhook")
	} else if (config["url"] == nil) == (config["service"] == nil) {
		c.required(at, "exactly one of url or service is required")
	}
	at, given := p.Child("conversionReviewVersions"), tree.List(conversion, "webhook", "conversionReviewVersions")
	versions := tree.Strings(given)
	if len(versions) == 0 {
		c.required(at, "")
		return
	}
	if !slices.Contains(versions, "v1") && !slices.Contains(versions, "v1beta1") {
		c.invalid(at, given, "must include at least one of v1, v1beta1")
	}
	for i, v := range versions {
		// Bounded, or a long list would cost the square of its length.
		if slices.Contains(versions[:min(i, maxCompared)], v) {
			c.invalid(at.Index(i), v, "duplicate version")
		} else if words := LabelWords(v); words != "" {
			c.invalid(at.Index(i), v, words)
		}
	}
}

// unchanged checks what an update may not change: always what the stored objects' keys are made of,
// and once the CRD is established also what clients have relied on.
func (c *crdCheck) unchanged(old map[string]any) {
	paths := [][]string{{"group"}, {"names", "plural"}}
	if conditionIs(old, "Established", "True") {
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
		c.invalid(p, []any{}, "must have at least one stored version")
		return
	}
	known := map[string]bool{}
	for _, v := range tree.List(c.spec, "versions") {
		name := tree.Text(v, "name")
		known[name] = true
		if tree.True(tree.At(v, "storage")) && !slices.Contains(stored, name) {
			c.invalid(p, given, "must have the storage version "+name)
		}
	}
	for i, name := range stored {
		if !known[name] {
			c.invalid(p.Index(i), name, fmt.Sprintf("missing from spec.versions; %[1]s was previously a storage version, "+
				"and must remain in spec.versions until a storage migration ensures no data remains persisted in %[1]s "+
				"and removes %[1]s from status.storedVersions", name))
		}
	}
}

// approvedAnnotation says who has approved that a CRD uses a group of the Kubernetes project.
const approvedAnnotation = "api-approved.kubernetes.io"

// approval checks that a group of the Kubernetes project is used with its consent, or that the CRD
// says otherwise. An update is refused only if it makes the state of the approval another one that
// is not good.
func (c *crdCheck) approval(crd, old map[string]any) {
	group := "." + tree.Text(c.spec, "group")
	if !strings.HasSuffix(group, ".k8s.io") && !strings.HasSuffix(group, ".kubernetes.io") {
		return
	}
	state := approvalState(crd)
	if old != nil && approvalState(old) == state {
		return
	}
	const seeAlso = ", see https://github.com/kubernetes/enhancements/pull/1111"
	at := field.Root("metadata").Child("annotations").Key(approvedAnnotation)
	detail := fmt.Sprintf("protected groups must have approval annotation %q", approvedAnnotation)
	switch state {
	case "missing":
		c.required(at, detail+seeAlso)
	case "invalid":
		c.invalid(at, tree.Text(crd, "metadata", "annotations", approvedAnnotation),
			detail+` with either a URL or a reason starting with "unapproved"`+seeAlso)
	}
}

// approvalState returns "missing", "invalid" or, for a good annotation, "". Good is the URL of the
// approval and any text that begins with "unapproved".
func approvalState(crd map[string]any) string {
	v := tree.Text(crd, "metadata", "annotations", approvedAnnotation)
	u, err := url.ParseRequestURI(v)
	switch {
	case v == "":
		return "missing"
	case strings.HasPrefix(v, "unapproved"), err == nil && u.Host != "" && u.Scheme != "":
		return ""
	}
	return "invalid"
}
