package schema

import (
	"reflect"
	"regexp"
	"sort"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What makes a schema structural. The types and the fields of every place are said once, outside of
// allOf, anyOf, oneOf and not, so that pruning and defaulting need not ask which alternative holds.
// Upstream's three rules, and who checks them here:
//
//  1. every place that is specified has a type, unless x-kubernetes-int-or-string or
//     x-kubernetes-preserve-unknown-fields stands for it (node, typed);
//  2. a field or an item that an alternative speaks of is also specified outside of it (complete);
//  3. an alternative only restricts values: no type, no default, no additionalProperties and so on
//     (nested).
//
// The one exception is the idiom for an int-or-string, anyOf: [{type: integer}, {type: string}],
// which may stand in anyOf or in the first schema of allOf, and there name types.
//
//	type: object
//	properties: {a: {type: integer}}
//	anyOf: [{properties: {a: {minimum: 5}}}]               structural
//	anyOf: [{properties: {a: {type: integer}}}]            not: rule 3
//	anyOf: [{properties: {b: {minimum: 5}}}]               not: rule 2
//
// The schema is the JSON of a CRD whose keywords have values of their types (shape in keywords.go);
// the errors are upstream's, sorted by their text as upstream sorts these.

// schemaLevel says as what a schema stands, which decides the words for a missing type.
type schemaLevel int

const (
	levelRoot schemaLevel = iota
	levelItem
	levelField
)

// structuralErrors returns where s, the root of a version's schema, is not structural. p is its path
// in the CRD.
func structuralErrors(p *field.Path, s map[string]any) []field.Error {
	c := structuralCheck{patterns: map[string]bool{}}
	c.node(p, s, levelRoot)
	c.complete(s, s, p, p)
	sort.Slice(c.errs, func(i, j int) bool { return c.errs[i].String() < c.errs[j].String() })
	return c.errs
}

// structuralCheck checks one schema. patterns remembers the good regular expressions, which
// generated CRDs repeat; bad ones are reported at each place.
type structuralCheck struct {
	crdErrors
	patterns map[string]bool
}

// node checks a schema that is not inside of an alternative, and all below it.
func (c *structuralCheck) node(p *field.Path, s map[string]any, level schemaLevel) {
	if c.full() {
		return
	}
	typ, items := tree.Text(s, "type"), tree.Object(s, "items")
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
	c.additional(p.Child("additionalProperties"), s["additionalProperties"], level, embedded)
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
		c.required(p.Child("properties"),
			"must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields")
	}
}

// additional checks additionalProperties at p. The schema of a whole object may not have it: beside
// apiVersion, kind and metadata its fields are those that are named.
func (c *structuralCheck) additional(p *field.Path, extra any, level schemaLevel, embedded bool) {
	if extra == nil {
		return
	}
	if level == levelRoot {
		c.forbidden(p, "must not be used at the root")
	}
	if sub, ok := extra.(map[string]any); ok {
		c.node(p, sub, levelField)
	}
	if embedded {
		c.forbidden(p, "must not be used if x-kubernetes-embedded-resource is set")
	}
}

// typed checks the type of the schema at p; open means that it may be left out.
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
	// The root may leave its type out only where it is open.
	if level == levelRoot && typ != "" && typ != "object" {
		c.invalid(p, typ, "must be object at the root")
	}
}

// metadata checks what the schema says of the fields that every resource has: all of them are known
// anyway, and at the root it may say no more than how an object is named. resource says that the
// schema is of a whole object.
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

// namesOnly reports whether a schema of metadata says nothing but what name and generateName may be.
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
			if isGiven(k, v) {
				return false
			}
		}
	}
	return true
}

// isIntOrString reports whether the anyOf of s is the one that may name types: integer, then string,
// and nothing else in either.
func isIntOrString(s map[string]any) bool {
	alternatives := tree.List(s, "anyOf")
	return len(alternatives) == 2 && onlyType(alternatives[0], "integer") && onlyType(alternatives[1], "string")
}

// onlyType reports whether v is the schema {type: typ}.
func onlyType(v any, typ string) bool {
	return reflect.DeepEqual(v, map[string]any{"type": typ})
}

// firstIsIntOrString reports whether the first schema of allOf is an int-or-string in that way.
func firstIsIntOrString(s map[string]any) bool {
	all := tree.List(s, "allOf")
	if len(all) == 0 {
		return false
	}
	first, _ := all[0].(map[string]any)
	return isIntOrString(first)
}

// values checks the part of a schema that only restricts values: its alternatives, which may do
// nothing else (rule 3), and its pattern. skipAny and skipFirstAll spare the int-or-string idiom.
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

// nestedForbidden holds what a schema inside of allOf, anyOf, oneOf or not may not say, and the
// word for what it has to be instead.
var nestedForbidden = []struct{ keyword, must string }{
	{"type", "empty"},
	{"additionalProperties", "undefined"},
	{"default", "undefined"},
	{"title", "empty"},
	{"description", "empty"},
	{"nullable", "false"},
	{"x-kubernetes-preserve-unknown-fields", "false"},
	{"x-kubernetes-embedded-resource", "false"},
	{"x-kubernetes-int-or-string", "false"},
	{"x-kubernetes-list-map-keys", "empty"},
	{"x-kubernetes-list-type", "undefined"},
	{"x-kubernetes-map-type", "undefined"},
	{"x-kubernetes-validations", "empty"},
}

// nested checks a schema inside of an alternative, and all below it.
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
		// No other fields is what a schema says by itself.
		if isGiven(f.keyword, v) && !(f.keyword == "additionalProperties" && v == false) {
			c.forbidden(p.Child(f.keyword), "must be "+f.must+" to be structural")
		}
	}
	if _, there := props["metadata"]; there {
		c.forbidden(p.Child("properties").Key("metadata"), "must not be specified in a nested context")
	}
}

// complete checks that what the alternatives of v speak of is specified in s (rule 2). Both are the
// schemas of one place: s outside of all alternatives, v the same or one inside, at sPath and vPath.
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

// completeNested goes down into the alternative v and, in step with it, into s. Where s ends first,
// something is missing there.
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
		inV, inS := tree.Object(props, name), tree.Object(s, "properties", name)
		c.completeNested(inV, inS, sPath.Child("properties").Key(name), vPath.Child("properties").Key(name))
	}
}
