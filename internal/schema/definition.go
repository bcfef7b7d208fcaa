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

// What a CustomResourceDefinition has to obey, and its defaults. Upstream moves what is the
// same in all versions (schema, subresources, columns, selectable fields) to the top of the
// spec before it looks; the paths of errors show that, and so do ours.

// DefaultCRD fills in what a CRD may leave out, in place: names, conversion, and as the
// first stored version the one that is stored.
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

// CheckCRD says what is wrong with a CRD that has its defaults, in upstream's words; old is
// nil on create. metadata is checked only for what a CRD adds to the rules of all objects.
func CheckCRD(crd, old map[string]any) []field.Error {
	c := crdCheck{spec: tree.Object(crd, "spec"), old: tree.Object(old, "spec")}
	if old == nil {
		c.name(crd)
	}
	c.group()
	if scope := tree.Text(c.spec, "scope"); scope == "" {
		c.required(specPath("scope"), "")
	} else if scope != "Cluster" && scope != "Namespaced" {
		c.notSupported(specPath("scope"), scope, "Cluster", "Namespaced")
	}
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
	if tree.True(c.spec["preserveUnknownFields"]) && !tree.True(c.old["preserveUnknownFields"]) {
		c.invalid(specPath("preserveUnknownFields"), true, "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead")
	}
	return c.errs
}

func specPath(name string) *field.Path { return field.Root("spec").Child(name) }

type crdCheck struct {
	crdErrors
	spec, old map[string]any
}

func (c *crdCheck) name(crd map[string]any) {
	name := tree.Text(crd, "metadata", "name")
	if want := tree.Text(c.spec, "names", "plural") + "." + tree.Text(c.spec, "group"); name != want {
		c.invalid(field.Root("metadata").Child("name"), name, `must be spec.names.plural+"."+spec.group`)
	}
}

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

// same says whether all versions have the same value in a field.
func (c *crdCheck) same(field string) bool {
	versions := tree.List(c.spec, "versions")
	for i := 1; i < len(versions); i++ {
		a, b := tree.At(versions[i], field), tree.At(versions[0], field)
		if !tree.Equal(a, b) && !(isZeroValue(a) && isZeroValue(b)) {
			return false
		}
	}
	return true
}

func (c *crdCheck) versions() {
	p, versions := specPath("versions"), tree.List(c.spec, "versions")
	hoisted := map[string]bool{}
	for _, f := range []string{"schema", "subresources", "additionalPrinterColumns", "selectableFields"} {
		hoisted[f] = c.same(f)
	}
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
		if words := LabelWords(name); words != "" {
			c.invalid(p.Index(i).Child("name"), name, words)
		}
		c.deprecation(p.Index(i).Child("deprecationWarning"), v)
		if !hoisted["schema"] {
			c.schema(p.Index(i).Child("schema"), tree.At(v, "schema"), hasStatus(v))
		}
		if !hoisted["subresources"] {
			c.subresources(p.Index(i).Child("subresources"), tree.Object(v, "subresources"))
		}
		if !hoisted["additionalPrinterColumns"] {
			c.columns(p.Index(i).Child("additionalPrinterColumns"), tree.List(v, "additionalPrinterColumns"))
		}
		if !hoisted["selectableFields"] {
			c.selectable(p.Index(i).Child("selectableFields"), tree.List(v, "selectableFields"), tree.Object(v, "schema", "openAPIV3Schema"), c.oldVersion(name))
		}
	}
	if !unique {
		c.invalid(p, shownVersions(versions), "must contain unique version names")
	}
	if stored != 1 {
		c.invalid(p, shownVersions(versions), "must have exactly one version marked as storage version")
	}
}

// hoistedParts checks what all versions have in common.
func (c *crdCheck) hoistedParts() {
	versions := tree.List(c.spec, "versions")
	if len(versions) == 0 {
		return
	}
	first := versions[0]
	if c.same("schema") {
		c.schema(specPath("validation"), tree.At(first, "schema"), slices.ContainsFunc(versions, hasStatus))
	}
	if c.same("subresources") {
		c.subresources(specPath("subresources"), tree.Object(first, "subresources"))
	}
	if c.same("additionalPrinterColumns") {
		c.columns(specPath("additionalPrinterColumns"), tree.List(first, "additionalPrinterColumns"))
	}
	if c.same("selectableFields") {
		c.selectable(specPath("selectableFields"), tree.List(first, "selectableFields"), tree.Object(first, "schema", "openAPIV3Schema"), c.oldVersion(tree.Text(first, "name")))
	}
}

func (c *crdCheck) oldVersion(name string) any {
	for _, v := range tree.List(c.old, "versions") {
		if tree.Text(v, "name") == name {
			return v
		}
	}
	return nil
}

func hasStatus(version any) bool { return tree.At(version, "subresources", "status") != nil }

// shownVersions is the versions as an error shows them: without their schemas.
func shownVersions(versions []any) []any {
	shown := []any{}
	for _, v := range versions {
		shown = append(shown, map[string]any{"name": tree.Text(v, "name"), "served": tree.True(tree.At(v, "served")), "storage": tree.True(tree.At(v, "storage"))})
	}
	return shown
}

func (c *crdCheck) deprecation(p *field.Path, version any) {
	v := tree.At(version, "deprecationWarning")
	warning, _ := v.(string)
	switch {
	case v == nil:
	case !tree.True(tree.At(version, "deprecated")):
		c.invalid(p, v, "can only be set for deprecated versions")
	case warning == "":
		c.invalid(p, v, "must not be an empty string")
	case len(warning) > 256:
		c.invalid(p, v, "must be <= 256 characters long")
	}
	if !utf8.ValidString(warning) {
		c.invalid(p, v, "must only contain printable UTF-8 characters")
	}
	if i := strings.IndexFunc(warning, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		c.invalid(p, v, fmt.Sprintf("must only contain printable UTF-8 characters; non-printable character found at index %d", i))
	}
}

// rootKeywords is what the root of a schema may say where status is a subresource: what
// holds of the whole object would not be seen by a write of the status. In upstream's
// words, which the message repeats, the keywords are its field names.
var rootKeywords = []string{"description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems",
	"minItems", "uniqueItems", "multipleOf", "required", "items", "properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"}

const rootKeywordsShown = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]"

// schema checks the schema of a version or of all.
func (c *crdCheck) schema(p *field.Path, container any, status bool) {
	raw := tree.At(container, "openAPIV3Schema")
	if raw == nil {
		return
	}
	p = p.Child("openAPIV3Schema")
	before := len(c.errs)
	if c.shape(p, raw); len(c.errs) > before {
		return
	}
	s := raw.(map[string]any)
	if status {
		c.statusRoot(p, s)
	}
	if tree.True(s["nullable"]) {
		c.forbidden(p.Child("nullable"), "nullable cannot be true at the root")
	}
	if !hasUnsupported(s) {
		errs := structuralErrors(p, s)
		if len(errs) == 0 {
			errs = defaultErrors(p, s)
		}
		c.addAll(errs)
	}
	keywords := keywordCheck{}
	keywords.node(p, s, true, keywordScope{})
	c.addAll(keywords.errs)
	if len(c.errs) == before {
		if _, err := Compile(s, status); err != nil {
			c.invalid(p, "", "error building validator: "+err.Error())
		}
	}
}

func (c *crdErrors) addAll(errs []field.Error) {
	for _, e := range errs {
		c.add(e)
	}
}

func (c *crdCheck) statusRoot(p *field.Path, s map[string]any) {
	if typ := tree.Text(s, "type"); typ != "" && typ != "object" {
		c.invalid(p.Child("type"), typ, `only "object" is allowed as the type at the root of the schema if the status subresource is enabled`)
		return
	}
	for k, v := range s {
		if _, known := schemaKeywords[k]; known && !isZeroValue(v) && !slices.Contains(rootKeywords, k) {
			c.invalid(p, s, "only "+rootKeywordsShown+" fields are allowed at the root of the schema if the status subresource is enabled")
			return
		}
	}
}

// hasUnsupported says whether a schema has what no structural schema can be made of; the
// rules for keywords then say so.
func hasUnsupported(s map[string]any) (found bool) {
	walkSchema(nil, s, func(_ *field.Path, s map[string]any) {
		for _, k := range unsupportedKeywords {
			found = found || s[k] != nil && !isZeroValue(s[k])
		}
		found = found || len(tree.List(s, "items")) > 0 || s["x-kubernetes-preserve-unknown-fields"] == false
	})
	return found
}

func (c *crdCheck) subresources(p *field.Path, sub map[string]any) {
	scale := tree.Object(sub, "scale")
	if scale == nil {
		return
	}
	c.scalePath(p, scale, "specReplicasPath", true, "should be a json path under .spec", ".spec.")
	c.scalePath(p, scale, "statusReplicasPath", true, "should be a json path under .status", ".status.")
	c.scalePath(p, scale, "labelSelectorPath", false, "should be a json path under either .spec or .status", ".spec.", ".status.")
}

func (c *crdCheck) scalePath(p *field.Path, scale map[string]any, name string, required bool, detail string, prefixes ...string) {
	p = p.Child("scale").Child(name)
	path := tree.Text(scale, name)
	switch {
	case path == "" && required:
		c.required(p, "")
	case path == "":
	case path[0] != '.':
		c.invalid(p, path, "must be a simple json path starting with .")
	case !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) }):
		c.invalid(p, path, detail)
	}
}

func (c *crdCheck) columns(p *field.Path, columns []any) {
	types := []string{"boolean", "date", "integer", "number", "string"}
	formats := []string{"byte", "date", "date-time", "double", "float", "int32", "int64", "password"}
	for i, col := range columns {
		at := p.Index(i)
		if tree.Text(col, "name") == "" {
			c.required(at.Child("name"), "")
		}
		if typ := tree.Text(col, "type"); typ == "" {
			c.required(at.Child("type"), "must be one of "+strings.Join(types, ","))
		} else if !slices.Contains(types, typ) {
			c.invalid(at.Child("type"), typ, "must be one of "+strings.Join(types, ","))
		}
		if format := tree.Text(col, "format"); format != "" && !slices.Contains(formats, format) {
			c.invalid(at.Child("format"), format, "must be one of "+strings.Join(formats, ","))
		}
		if path := tree.Text(col, "jsonPath"); path == "" {
			c.required(at.Child("JSONPath"), "")
		} else if path[0] != '.' {
			c.invalid(at.Child("JSONPath"), path, "must be a simple json path starting with .")
		}
	}
}

const maxSelectableFields = 8

func (c *crdCheck) selectable(p *field.Path, fields []any, s map[string]any, old any) {
	if len(fields) == 0 || s == nil {
		return
	}
	unique := map[string]bool{}
	for i, f := range fields {
		at, path := p.Index(i).Child("jsonPath"), tree.Text(f, "jsonPath")
		if path == "" {
			c.required(at, "")
			continue
		}
		steps, found, problem := schemaAtPath(path, s)
		if problem != "" {
			c.invalid(at, path, "is an invalid path: "+problem)
			continue
		}
		if steps[0] == "metadata" {
			c.invalid(at, path, "must not point to fields in metadata")
		}
		if typ := tree.Text(found, "type"); typ != "string" && typ != "boolean" && typ != "integer" {
			c.invalid(at, path, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.")
		}
		if id := strings.Join(steps, "."); unique[id] {
			c.add(field.Duplicate(at.String(), path))
		} else {
			unique[id] = true
		}
	}
	if n := len(unique); n > maxSelectableFields && !tree.Equal(tree.At(old, "selectableFields"), fields) {
		c.add(field.TooMany(p.String(), n, maxSelectableFields))
	}
}

// schemaAtPath finds the schema of the field at .a.b; the problem is "" where it is found.
func schemaAtPath(path string, s map[string]any) (steps []string, found map[string]any, problem string) {
	if path[0] != '.' {
		first, _, _ := strings.Cut(path, ".")
		if path[0] == '[' {
			return nil, nil, "array notation is not allowed"
		}
		return nil, nil, "expected [ or . but got: " + first
	}
	for step := range strings.SplitSeq(path[1:], ".") {
		if strings.Contains(step, "[") {
			return nil, nil, "array notation is not allowed"
		}
		if props := tree.Object(s, "properties"); props != nil {
			s = tree.Object(props, step)
		} else {
			s = tree.Object(s, "additionalProperties")
		}
		if s == nil || step == "" {
			return nil, nil, "does not refer to a valid field"
		}
		steps = append(steps, step)
	}
	return steps, s, ""
}

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
	if tree.At(conversion, "webhook", "clientConfig") != nil {
		c.forbidden(p.Child("webhookClientConfig"), "should not be set when strategy is not set to Webhook")
	}
	if len(tree.List(conversion, "webhook", "conversionReviewVersions")) > 0 {
		c.forbidden(p.Child("conversionReviewVersions"), "should not be set when strategy is not set to Webhook")
	}
}

func (c *crdCheck) webhook(p *field.Path, conversion map[string]any) {
	config := tree.Object(conversion, "webhook", "clientConfig")
	if at := p.Child("webhookClientConfig"); config == nil {
		c.required(at, "required when strategy is set to Webhook")
	} else if (config["url"] == nil) == (config["service"] == nil) {
		c.required(at, "exactly one of url or service is required")
	}
	at, versions := p.Child("conversionReviewVersions"), tree.Strings(tree.List(conversion, "webhook", "conversionReviewVersions"))
	if len(versions) == 0 {
		c.required(at, "")
		return
	}
	if !slices.Contains(versions, "v1") && !slices.Contains(versions, "v1beta1") {
		c.invalid(at, tree.List(conversion, "webhook", "conversionReviewVersions"), "must include at least one of v1, v1beta1")
	}
	for i, v := range versions {
		if slices.Contains(versions[:min(i, 100)], v) {
			c.invalid(at.Index(i), v, "duplicate version")
		} else if words := LabelWords(v); words != "" {
			c.invalid(at.Index(i), v, words)
		}
	}
}

// unchanged checks what an update may not change.
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

func (c *crdCheck) storedVersions(crd map[string]any) {
	p, stored := field.Root("status").Child("storedVersions"), tree.Strings(tree.List(crd, "status", "storedVersions"))
	if len(stored) == 0 {
		c.invalid(p, []any{}, "must have at least one stored version")
		return
	}
	served := map[string]bool{}
	for _, v := range tree.List(c.spec, "versions") {
		name := tree.Text(v, "name")
		served[name] = true
		if tree.True(tree.At(v, "storage")) && !slices.Contains(stored, name) {
			c.invalid(p, tree.List(crd, "status", "storedVersions"), "must have the storage version "+name)
		}
	}
	for i, name := range stored {
		if !served[name] {
			c.invalid(p.Index(i), name, fmt.Sprintf("missing from spec.versions; %[1]s was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in %[1]s and removes %[1]s from status.storedVersions", name))
		}
	}
}

const approvedAnnotation = "api-approved.kubernetes.io"

// approval checks that a group of the Kubernetes project is used with its consent, or that
// the CRD says otherwise.
func (c *crdCheck) approval(crd, old map[string]any) {
	group := "." + tree.Text(c.spec, "group")
	if !strings.HasSuffix(group, ".k8s.io") && !strings.HasSuffix(group, ".kubernetes.io") {
		return
	}
	const seeAlso = ", see https://github.com/kubernetes/enhancements/pull/1111"
	approval := func(crd map[string]any) string {
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
	state := approval(crd)
	if old != nil && approval(old) == state {
		return
	}
	at := field.Root("metadata").Child("annotations").Key(approvedAnnotation)
	switch state {
	case "missing":
		c.required(at, fmt.Sprintf("protected groups must have approval annotation %q", approvedAnnotation)+seeAlso)
	case "invalid":
		c.invalid(at, tree.Text(crd, "metadata", "annotations", approvedAnnotation),
			fmt.Sprintf("protected groups must have approval annotation %q with either a URL or a reason starting with \"unapproved\"", approvedAnnotation)+seeAlso)
	}
}
