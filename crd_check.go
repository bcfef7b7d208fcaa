package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a CustomResourceDefinition has to obey, and its defaults. Upstream moves what is the
// same in all versions (schema, subresources, columns, selectable fields) to the top of the
// spec before it looks; the paths of errors show that, and so do ours.

// defaultCRD fills in what a CRD may leave out, in place: names, conversion, and as the
// first stored version the one that is stored.
func defaultCRD(crd map[string]any) {
	names := objectAt(crd, "spec", "names")
	if kind := textAt(names, "kind"); names != nil {
		if textAt(names, "singular") == "" {
			names["singular"] = strings.ToLower(kind)
		}
		if textAt(names, "listKind") == "" && kind != "" {
			names["listKind"] = kind + "List"
		}
	}
	spec := objectAt(crd, "spec")
	if spec == nil {
		return
	}
	if spec["conversion"] == nil {
		spec["conversion"] = map[string]any{"strategy": "None"}
	}
	if service := objectAt(spec, "conversion", "webhook", "clientConfig", "service"); service != nil && service["port"] == nil {
		service["port"] = int64(443)
	}
	if len(listAt(crd, "status", "storedVersions")) > 0 {
		return
	}
	for _, v := range listAt(spec, "versions") {
		if isTrue(member(v, "storage")) {
			setMember(crd, []any{textAt(v, "name")}, "status", "storedVersions")
			return
		}
	}
}

// checkCRD says what is wrong with a CRD that has its defaults, in upstream's words; old is
// nil on create. metadata is checked only for what a CRD adds to the rules of all objects.
func checkCRD(crd, old map[string]any) []fieldError {
	c := crdCheck{spec: objectAt(crd, "spec"), old: objectAt(old, "spec")}
	if old == nil {
		c.name(crd)
	}
	c.group()
	if scope := textAt(c.spec, "scope"); scope == "" {
		c.required(specPath("scope"), "")
	} else if scope != "Cluster" && scope != "Namespaced" {
		c.notSupported(specPath("scope"), scope, "Cluster", "Namespaced")
	}
	c.versions()
	c.names(specPath("names"), objectAt(c.spec, "names"), true)
	c.hoistedParts()
	c.conversion()
	if old != nil {
		c.unchanged(old)
	}
	c.names(rootPath("status").child("acceptedNames"), objectAt(crd, "status", "acceptedNames"), false)
	c.storedVersions(crd)
	c.approval(crd, old)
	if isTrue(c.spec["preserveUnknownFields"]) && !isTrue(c.old["preserveUnknownFields"]) {
		c.invalid(specPath("preserveUnknownFields"), true, "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead")
	}
	return c.errs
}

func specPath(name string) *fieldPath { return rootPath("spec").child(name) }

type crdCheck struct {
	crdErrors
	spec, old map[string]any
}

func (c *crdCheck) name(crd map[string]any) {
	name := textAt(crd, "metadata", "name")
	if want := textAt(c.spec, "names", "plural") + "." + textAt(c.spec, "group"); name != want {
		c.invalid(rootPath("metadata").child("name"), name, `must be spec.names.plural+"."+spec.group`)
	}
}

func (c *crdCheck) group() {
	p, group := specPath("group"), textAt(c.spec, "group")
	if group == "" {
		c.required(p, "")
	} else if words := subdomainWords(group); words != "" {
		c.invalid(p, group, words)
	} else if !strings.Contains(group, ".") {
		c.invalid(p, group, "should be a domain with at least one dot")
	}
}

// same says whether all versions have the same value in a field.
func (c *crdCheck) same(field string) bool {
	versions := listAt(c.spec, "versions")
	for i := 1; i < len(versions); i++ {
		a, b := member(versions[i], field), member(versions[0], field)
		if !deepEqual(a, b) && !(isZeroValue(a) && isZeroValue(b)) {
			return false
		}
	}
	return true
}

func (c *crdCheck) versions() {
	p, versions := specPath("versions"), listAt(c.spec, "versions")
	hoisted := map[string]bool{}
	for _, f := range []string{"schema", "subresources", "additionalPrinterColumns", "selectableFields"} {
		hoisted[f] = c.same(f)
	}
	for i, v := range versions {
		if objectAt(v, "schema", "openAPIV3Schema") == nil && member(v, "schema", "openAPIV3Schema") == nil {
			c.required(p.index(i).child("schema").child("openAPIV3Schema"), "")
		}
	}
	stored, names, unique := 0, map[string]bool{}, true
	for i, v := range versions {
		name := textAt(v, "name")
		if isTrue(member(v, "storage")) {
			stored++
		}
		unique = unique && !names[name]
		names[name] = true
		if words := labelWords(name); words != "" {
			c.invalid(p.index(i).child("name"), name, words)
		}
		c.deprecation(p.index(i).child("deprecationWarning"), v)
		if !hoisted["schema"] {
			c.schema(p.index(i).child("schema"), member(v, "schema"), hasStatus(v))
		}
		if !hoisted["subresources"] {
			c.subresources(p.index(i).child("subresources"), objectAt(v, "subresources"))
		}
		if !hoisted["additionalPrinterColumns"] {
			c.columns(p.index(i).child("additionalPrinterColumns"), listAt(v, "additionalPrinterColumns"))
		}
		if !hoisted["selectableFields"] {
			c.selectable(p.index(i).child("selectableFields"), listAt(v, "selectableFields"), objectAt(v, "schema", "openAPIV3Schema"), c.oldVersion(name))
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
	versions := listAt(c.spec, "versions")
	if len(versions) == 0 {
		return
	}
	first := versions[0]
	if c.same("schema") {
		c.schema(specPath("validation"), member(first, "schema"), slices.ContainsFunc(versions, hasStatus))
	}
	if c.same("subresources") {
		c.subresources(specPath("subresources"), objectAt(first, "subresources"))
	}
	if c.same("additionalPrinterColumns") {
		c.columns(specPath("additionalPrinterColumns"), listAt(first, "additionalPrinterColumns"))
	}
	if c.same("selectableFields") {
		c.selectable(specPath("selectableFields"), listAt(first, "selectableFields"), objectAt(first, "schema", "openAPIV3Schema"), c.oldVersion(textAt(first, "name")))
	}
}

func (c *crdCheck) oldVersion(name string) any {
	for _, v := range listAt(c.old, "versions") {
		if textAt(v, "name") == name {
			return v
		}
	}
	return nil
}

func hasStatus(version any) bool { return member(version, "subresources", "status") != nil }

// shownVersions is the versions as an error shows them: without their schemas.
func shownVersions(versions []any) []any {
	shown := []any{}
	for _, v := range versions {
		shown = append(shown, map[string]any{"name": textAt(v, "name"), "served": isTrue(member(v, "served")), "storage": isTrue(member(v, "storage"))})
	}
	return shown
}

func (c *crdCheck) deprecation(p *fieldPath, version any) {
	v := member(version, "deprecationWarning")
	warning, _ := v.(string)
	switch {
	case v == nil:
	case !isTrue(member(version, "deprecated")):
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
func (c *crdCheck) schema(p *fieldPath, container any, status bool) {
	raw := member(container, "openAPIV3Schema")
	if raw == nil {
		return
	}
	p = p.child("openAPIV3Schema")
	before := len(c.errs)
	if c.shape(p, raw); len(c.errs) > before {
		return
	}
	s := raw.(map[string]any)
	if status {
		c.statusRoot(p, s)
	}
	if isTrue(s["nullable"]) {
		c.forbidden(p.child("nullable"), "nullable cannot be true at the root")
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
		if _, err := compileSchema(s, status); err != nil {
			c.invalid(p, "", "error building validator: "+err.Error())
		}
	}
}

func (c *crdErrors) addAll(errs []fieldError) {
	for _, e := range errs {
		c.add(e)
	}
}

func (c *crdCheck) statusRoot(p *fieldPath, s map[string]any) {
	if typ := textAt(s, "type"); typ != "" && typ != "object" {
		c.invalid(p.child("type"), typ, `only "object" is allowed as the type at the root of the schema if the status subresource is enabled`)
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
	walkSchema(nil, s, func(_ *fieldPath, s map[string]any) {
		for _, k := range unsupportedKeywords {
			found = found || s[k] != nil && !isZeroValue(s[k])
		}
		found = found || len(listAt(s, "items")) > 0 || s["x-kubernetes-preserve-unknown-fields"] == false
	})
	return found
}

func (c *crdCheck) subresources(p *fieldPath, sub map[string]any) {
	scale := objectAt(sub, "scale")
	if scale == nil {
		return
	}
	c.scalePath(p, scale, "specReplicasPath", true, "should be a json path under .spec", ".spec.")
	c.scalePath(p, scale, "statusReplicasPath", true, "should be a json path under .status", ".status.")
	c.scalePath(p, scale, "labelSelectorPath", false, "should be a json path under either .spec or .status", ".spec.", ".status.")
}

func (c *crdCheck) scalePath(p *fieldPath, scale map[string]any, name string, required bool, detail string, prefixes ...string) {
	p = p.child("scale").child(name)
	path := textAt(scale, name)
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

func (c *crdCheck) columns(p *fieldPath, columns []any) {
	types := []string{"boolean", "date", "integer", "number", "string"}
	formats := []string{"byte", "date", "date-time", "double", "float", "int32", "int64", "password"}
	for i, col := range columns {
		at := p.index(i)
		if textAt(col, "name") == "" {
			c.required(at.child("name"), "")
		}
		if typ := textAt(col, "type"); typ == "" {
			c.required(at.child("type"), "must be one of "+strings.Join(types, ","))
		} else if !slices.Contains(types, typ) {
			c.invalid(at.child("type"), typ, "must be one of "+strings.Join(types, ","))
		}
		if format := textAt(col, "format"); format != "" && !slices.Contains(formats, format) {
			c.invalid(at.child("format"), format, "must be one of "+strings.Join(formats, ","))
		}
		if path := textAt(col, "jsonPath"); path == "" {
			c.required(at.child("JSONPath"), "")
		} else if path[0] != '.' {
			c.invalid(at.child("JSONPath"), path, "must be a simple json path starting with .")
		}
	}
}

const maxSelectableFields = 8

func (c *crdCheck) selectable(p *fieldPath, fields []any, s map[string]any, old any) {
	if len(fields) == 0 || s == nil {
		return
	}
	unique := map[string]bool{}
	for i, f := range fields {
		at, path := p.index(i).child("jsonPath"), textAt(f, "jsonPath")
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
		if typ := textAt(found, "type"); typ != "string" && typ != "boolean" && typ != "integer" {
			c.invalid(at, path, "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.")
		}
		if id := strings.Join(steps, "."); unique[id] {
			c.add(fieldDuplicate(at.String(), path))
		} else {
			unique[id] = true
		}
	}
	if n := len(unique); n > maxSelectableFields && !deepEqual(member(old, "selectableFields"), fields) {
		c.add(fieldTooMany(p.String(), n, maxSelectableFields))
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
		if props := objectAt(s, "properties"); props != nil {
			s = objectAt(props, step)
		} else {
			s = objectAt(s, "additionalProperties")
		}
		if s == nil || step == "" {
			return nil, nil, "does not refer to a valid field"
		}
		steps = append(steps, step)
	}
	return steps, s, ""
}

func (c *crdCheck) conversion() {
	p, conversion := specPath("conversion"), objectAt(c.spec, "conversion")
	if conversion == nil {
		return
	}
	strategy := textAt(conversion, "strategy")
	switch strategy {
	case "":
		c.required(p.child("strategy"), "")
	case "None":
	case "Webhook":
		c.webhook(p, conversion)
		return
	default:
		c.notSupported(p.child("strategy"), strategy, "None", "Webhook")
	}
	if member(conversion, "webhook", "clientConfig") != nil {
		c.forbidden(p.child("webhookClientConfig"), "should not be set when strategy is not set to Webhook")
	}
	if len(listAt(conversion, "webhook", "conversionReviewVersions")) > 0 {
		c.forbidden(p.child("conversionReviewVersions"), "should not be set when strategy is not set to Webhook")
	}
}

func (c *crdCheck) webhook(p *fieldPath, conversion map[string]any) {
	config := objectAt(conversion, "webhook", "clientConfig")
	if at := p.child("webhookClientConfig"); config == nil {
		c.required(at, "required when strategy is set to Webhook")
	} else if (config["url"] == nil) == (config["service"] == nil) {
		c.required(at, "exactly one of url or service is required")
	}
	at, versions := p.child("conversionReviewVersions"), textItems(listAt(conversion, "webhook", "conversionReviewVersions"))
	if len(versions) == 0 {
		c.required(at, "")
		return
	}
	if !slices.Contains(versions, "v1") && !slices.Contains(versions, "v1beta1") {
		c.invalid(at, listAt(conversion, "webhook", "conversionReviewVersions"), "must include at least one of v1, v1beta1")
	}
	for i, v := range versions {
		if slices.Contains(versions[:min(i, 100)], v) {
			c.invalid(at.index(i), v, "duplicate version")
		} else if words := labelWords(v); words != "" {
			c.invalid(at.index(i), v, words)
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
		if v := textAt(c.spec, path...); v != textAt(c.old, path...) {
			c.invalid(specPath(strings.Join(path, ".")), v, "field is immutable")
		}
	}
}

func (c *crdCheck) storedVersions(crd map[string]any) {
	p, stored := rootPath("status").child("storedVersions"), textItems(listAt(crd, "status", "storedVersions"))
	if len(stored) == 0 {
		c.invalid(p, []any{}, "must have at least one stored version")
		return
	}
	served := map[string]bool{}
	for _, v := range listAt(c.spec, "versions") {
		name := textAt(v, "name")
		served[name] = true
		if isTrue(member(v, "storage")) && !slices.Contains(stored, name) {
			c.invalid(p, listAt(crd, "status", "storedVersions"), "must have the storage version "+name)
		}
	}
	for i, name := range stored {
		if !served[name] {
			c.invalid(p.index(i), name, fmt.Sprintf("missing from spec.versions; %[1]s was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in %[1]s and removes %[1]s from status.storedVersions", name))
		}
	}
}

const approvedAnnotation = "api-approved.kubernetes.io"

// approval checks that a group of the Kubernetes project is used with its consent, or that
// the CRD says otherwise.
func (c *crdCheck) approval(crd, old map[string]any) {
	group := "." + textAt(c.spec, "group")
	if !strings.HasSuffix(group, ".k8s.io") && !strings.HasSuffix(group, ".kubernetes.io") {
		return
	}
	const seeAlso = ", see https://github.com/kubernetes/enhancements/pull/1111"
	approval := func(crd map[string]any) string {
		v := textAt(crd, "metadata", "annotations", approvedAnnotation)
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
	at := rootPath("metadata").child("annotations").key(approvedAnnotation)
	switch state {
	case "missing":
		c.required(at, fmt.Sprintf("protected groups must have approval annotation %q", approvedAnnotation)+seeAlso)
	case "invalid":
		c.invalid(at, textAt(crd, "metadata", "annotations", approvedAnnotation),
			fmt.Sprintf("protected groups must have approval annotation %q with either a URL or a reason starting with \"unapproved\"", approvedAnnotation)+seeAlso)
	}
}
