package schema

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What makes a schema structural: the fields and their types are said once, outside of
// allOf, anyOf, oneOf and not, so that pruning and defaulting need not ask whether an
// alternative holds. The schema is the JSON of a CRD whose keywords have their types
// (schemaShape). Errors are upstream's, and in its order: by their text.

// schemaLevel is where a schema stands, which decides what it has to say.
type schemaLevel int

const (
	levelRoot schemaLevel = iota
	levelItem
	levelField
)

// crdErrors collects the errors of a CRD. It stops at some thousand: beyond that they help
// nobody, and a large schema could have one at every place.
type crdErrors struct {
	errs  []field.Error
	bytes int
}

const (
	maxCRDErrors     = 1000
	maxCRDErrorBytes = 1 << 20
)

func (c *crdErrors) full() bool { return len(c.errs) >= maxCRDErrors || c.bytes > maxCRDErrorBytes }

func (c *crdErrors) add(e field.Error) {
	if !c.full() {
		c.errs = append(c.errs, e)
		c.bytes += len(e.Field) + len(e.Message)
	}
}

func (c *crdErrors) invalid(p *field.Path, value any, detail string) {
	if !c.full() {
		c.add(field.Invalid(p.String(), cutValue(value), detail))
	}
}

func (c *crdErrors) required(p *field.Path, detail string) {
	if !c.full() {
		c.add(field.Required(p.String(), detail))
	}
}

func (c *crdErrors) forbidden(p *field.Path, detail string) {
	if !c.full() {
		c.add(field.Forbidden(p.String(), detail))
	}
}

func (c *crdErrors) notSupported(p *field.Path, value any, supported ...string) {
	if !c.full() {
		c.add(field.NotSupported(p.String(), cutValue(value), supported...))
	}
}

// cutValue keeps what an error repeats short.
func cutValue(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) > 1024 {
			return v[:1024] + "..."
		}
	case map[string]any, []any:
		if s := tree.AppendJSON(nil, v); len(s) > 1024 {
			return string(s[:1024]) + "..."
		}
	}
	return v
}

// structuralErrors says where s, the root of a version, is not structural.
func structuralErrors(p *field.Path, s map[string]any) []field.Error {
	c := structuralCheck{patterns: map[string]bool{}}
	c.node(p, s, levelRoot)
	c.complete(s, s, p, p)
	slices.SortFunc(c.errs, func(a, b field.Error) int { return strings.Compare(a.String(), b.String()) })
	return c.errs
}

type structuralCheck struct {
	crdErrors
	patterns map[string]bool // those that are good
}

func (c *structuralCheck) node(p *field.Path, s map[string]any, level schemaLevel) {
	if c.full() {
		return
	}
	typ := tree.Text(s, "type")
	items := tree.Object(s, "items")
	if typ == "array" && items == nil {
		c.required(p.Child("items"), "must be specified")
	}
	if items != nil {
		c.node(p.Child("items"), items, levelItem)
	}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		c.node(p.Child("properties").Key(name), tree.Object(props, name), levelField)
	}
	embedded, preserve := tree.True(s["x-kubernetes-embedded-resource"]), tree.True(s["x-kubernetes-preserve-unknown-fields"])
	intOrString := tree.True(s["x-kubernetes-int-or-string"])
	if extra := s["additionalProperties"]; extra != nil {
		if level == levelRoot {
			c.forbidden(p.Child("additionalProperties"), "must not be used at the root")
		}
		if sub, ok := extra.(map[string]any); ok {
			c.node(p.Child("additionalProperties"), sub, levelField)
		}
		if embedded {
			c.forbidden(p.Child("additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set")
		}
	}
	if intOrString && preserve {
		c.invalid(p.Child("x-kubernetes-preserve-unknown-fields"), true, "must be false if x-kubernetes-int-or-string is true")
	}
	if intOrString && embedded {
		c.invalid(p.Child("x-kubernetes-embedded-resource"), true, "must be false if x-kubernetes-int-or-string is true")
	}
	c.values(p, s, isIntOrString(s), firstIsIntOrString(s))
	c.typed(p, typ, level, embedded, intOrString || preserve)
	c.metadata(p, props, level, level == levelRoot || embedded)
	if embedded && !preserve && len(props) == 0 {
		c.required(p.Child("properties"), "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields")
	}
}

// typed checks the type; open means that it may be left out.
func (c *structuralCheck) typed(p *field.Path, typ string, level schemaLevel, embedded, open bool) {
	p = p.Child("type")
	switch {
	case embedded && typ == "":
		c.required(p, "must be object if x-kubernetes-embedded-resource is true")
	case embedded && typ != "object":
		c.invalid(p, typ, "must be object if x-kubernetes-embedded-resource is true")
	case typ == "" && !open:
		c.required(p, "must not be empty "+[]string{"at the root", "for specified array items", "for specified object fields"}[level])
	}
	if level == levelRoot && typ != "" && typ != "object" {
		c.invalid(p, typ, "must be object at the root")
	}
}

// metadata checks the fields that every resource has: all of them are known, and no CRD
// may say more than how an object is named.
func (c *structuralCheck) metadata(p *field.Path, props map[string]any, level schemaLevel, resource bool) {
	for _, name := range []string{"kind", "apiVersion"} {
		if _, there := props[name]; there && resource && tree.Text(props, name, "type") != "string" {
			c.invalid(p.Child("properties").Key(name).Child("type"), tree.Text(props, name, "type"), "must be string")
		}
	}
	metadata, there := props["metadata"]
	if !there {
		return
	}
	p = p.Child("properties").Key("metadata")
	if typ := tree.Text(metadata, "type"); resource && typ != "object" {
		c.invalid(p.Child("type"), typ, "must be object")
	}
	if level == levelRoot && !namesOnly(tree.Object(props, "metadata")) {
		c.forbidden(p, "must not specify anything other than name and generateName, but metadata is implicitly specified")
	}
}

func namesOnly(metadata map[string]any) bool {
	for k, v := range metadata {
		switch k {
		case "type", "default":
		case "properties":
			for name := range tree.Object(metadata, k) {
				if name != "name" && name != "generateName" {
					return false
				}
			}
		default:
			if !isZeroValue(v) {
				return false
			}
		}
	}
	return true
}

// isZeroValue says whether upstream would take a keyword with this value for absent.
func isZeroValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// isIntOrString says whether anyOf is the one that may name types: [integer, string].
func isIntOrString(s map[string]any) bool {
	any := tree.List(s, "anyOf")
	return len(any) == 2 && onlyType(any[0], "integer") && onlyType(any[1], "string")
}

func onlyType(v any, typ string) bool {
	return reflect.DeepEqual(v, map[string]any{"type": typ})
}

func firstIsIntOrString(s map[string]any) bool {
	all := tree.List(s, "allOf")
	if len(all) == 0 {
		return false
	}
	first, _ := all[0].(map[string]any)
	return isIntOrString(first)
}

// values checks the part of a schema that only looks at the value.
func (c *structuralCheck) values(p *field.Path, s map[string]any, skipAny, skipFirstAll bool) {
	for _, junctor := range []string{"anyOf", "allOf", "oneOf"} {
		if junctor == "anyOf" && skipAny {
			continue
		}
		for i, e := range tree.List(s, junctor) {
			sub, _ := e.(map[string]any)
			c.nested(p.Child(junctor).Index(i), sub, junctor == "allOf" && i == 0 && skipFirstAll)
		}
	}
	if not := tree.Object(s, "not"); not != nil {
		c.nested(p.Child("not"), not, false)
	}
	if pattern := tree.Text(s, "pattern"); pattern != "" && !c.patterns[pattern] {
		if _, err := regexp.Compile(pattern); err == nil {
			c.patterns[pattern] = true
		} else {
			c.invalid(p.Child("pattern"), pattern, "must be a valid regular expression, but isn't: "+err.Error())
		}
	}
}

// nestedForbidden is what a schema inside allOf, anyOf, oneOf or not may not say, and the
// word for what it has to be instead.
var nestedForbidden = []struct{ keyword, must string }{
	{"type", "empty"}, {"additionalProperties", "undefined"}, {"default", "undefined"}, {"title", "empty"}, {"description", "empty"}, {"nullable", "false"},
	{"x-kubernetes-preserve-unknown-fields", "false"}, {"x-kubernetes-embedded-resource", "false"}, {"x-kubernetes-int-or-string", "false"},
	{"x-kubernetes-list-map-keys", "empty"}, {"x-kubernetes-list-type", "undefined"}, {"x-kubernetes-map-type", "undefined"}, {"x-kubernetes-validations", "empty"},
}

func (c *structuralCheck) nested(p *field.Path, s map[string]any, skipAny bool) {
	if c.full() {
		return
	}
	c.values(p, s, skipAny, false)
	if items := tree.Object(s, "items"); items != nil {
		c.nested(p.Child("items"), items, false)
	}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		c.nested(p.Child("properties").Key(name), tree.Object(props, name), false)
	}
	for _, f := range nestedForbidden {
		v := s[f.keyword]
		if given := v != nil && v != false && v != ""; !given || f.must == "empty" && isZeroValue(v) {
			continue
		}
		c.forbidden(p.Child(f.keyword), "must be "+f.must+" to be structural")
	}
	if _, there := props["metadata"]; there {
		c.forbidden(p.Child("properties").Key("metadata"), "must not be specified in a nested context")
	}
}

// complete checks that what the alternatives of v speak of is specified in s.
func (c *structuralCheck) complete(v, s map[string]any, sPath, vPath *field.Path) {
	if c.full() {
		return
	}
	if not := tree.Object(v, "not"); not != nil {
		c.completeNested(not, s, sPath, vPath.Child("not"))
	}
	for _, junctor := range []string{"allOf", "anyOf", "oneOf"} {
		for i, e := range tree.List(v, junctor) {
			sub, _ := e.(map[string]any)
			c.completeNested(sub, s, sPath, vPath.Child(junctor).Index(i))
		}
	}
}

func (c *structuralCheck) completeNested(v, s map[string]any, sPath, vPath *field.Path) {
	if s == nil {
		c.required(sPath, "because it is defined in "+vPath.String())
		return
	}
	c.complete(v, s, sPath, vPath)
	if items := tree.Object(v, "items"); items != nil {
		c.completeNested(items, tree.Object(s, "items"), sPath.Child("items"), vPath.Child("items"))
	}
	props := tree.Object(v, "properties")
	for _, name := range tree.SortedKeys(props) {
		c.completeNested(tree.Object(props, name), tree.Object(s, "properties", name), sPath.Child("properties").Key(name), vPath.Child("properties").Key(name))
	}
}

// defaultErrors checks that each default obeys its own schema and has no unknown fields. s
// is structural. What is looked at is each default as the CRD has it: those of its parts
// are looked at on their own.
func defaultErrors(p *field.Path, s map[string]any) []field.Error {
	c := defaultCheck{left: schemaMaxSteps}
	n, err := (&schemaCompiler{bare: true}).node(s, "")
	if err != nil {
		// Not structural after all, which other checks say better.
		return nil
	}
	c.node(p, s, n, false, true)
	return c.errs
}

// defaultCheck is the errors, and what is left of the work for all defaults together.
type defaultCheck struct {
	crdErrors
	left int
}

func (c *defaultCheck) node(p *field.Path, s map[string]any, n *schemaNode, inMeta, resource bool) {
	if c.full() {
		return
	}
	if n.embedded {
		inMeta, resource = false, true
	}
	if def := s["default"]; def != nil {
		c.value(p.Child("default"), n, def, inMeta)
	}
	if items := tree.Object(s, "items"); items != nil {
		c.node(p.Child("items"), items, n.items, inMeta, false)
	}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		c.node(p.Child("properties").Key(name), tree.Object(props, name), n.fields[name], inMeta || resource && isTypeOrMeta(name), false)
	}
}

func (c *defaultCheck) value(p *field.Path, n *schemaNode, def any, inMeta bool) {
	if !inMeta && n.foreign(def, false) {
		c.invalid(p, def, "must not have unknown fields")
	}
	q := schemaCheck{left: c.left}
	ok := q.node(n, def)
	if c.left = q.left; ok {
		return
	}
	if c.left < 0 {
		c.add(field.Error{Reason: "FieldValueInvalid", Field: p.String(), Message: tooComplex().Message})
		return
	}
	f := newFaults()
	f.base, f.left = p.String(), c.left
	f.whole(n, def, nil, false)
	c.left = f.left
	for _, e := range f.errs {
		c.add(e)
	}
}
