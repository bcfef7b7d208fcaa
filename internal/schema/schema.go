package schema

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The schema of a custom kind's version, compiled from the openAPIV3Schema of its
// CustomResourceDefinition. Three things are done with it, each a walk over the object and
// the schema at once: prune (schema_prune.go), SetDefaults and validate
// (schema_validate.go). Each walk first asks the question that almost always has a good
// answer, without building paths or messages, and only an object that has something wrong
// is walked again to say what. A compiled schema is not changed and may be used
// concurrently.
//
// x-kubernetes-validations are not part of it: they are not evaluated, Rules names them.

// Schema implements shape.
type Schema struct {
	root      *schemaNode
	hasStatus bool
}

// schemaNode is the schema of one place in an object.
type schemaNode struct {
	types                                schemaTypes
	nullable, preserve, embedded, atomic bool
	extra                                extraFields
	list                                 listKind

	fields     map[string]*schemaNode // properties
	order      []schemaField          // fields by name
	defaults   []schemaField          // those that have a default
	additional *schemaNode            // of the fields that are not in fields; nil: any value
	items      *schemaNode            // nil: any value
	keys       []string               // of a list that is a map
	def        any                    // the default, with the defaults of its own parts filled in; nil is none
	defValues  int                    // how many values there are in it

	rules *schemaRules // nil where the type is all
}

type schemaField struct {
	name string
	meta bool // of a resource this is one of its own
	node *schemaNode
}

// sparse says whether an object of this size has few of the fields there are: then going
// through the object's is faster than through all.
func (n *schemaNode) sparse(size int) bool { return len(n.order) > 2*size+4 }

// schemaRules is what a value has to obey besides its type.
type schemaRules struct {
	enum                       []any
	required                   []string
	all, any, one              []*schemaNode
	not                        *schemaNode
	format                     string // only a known one
	formatOK                   func(string) bool
	pattern                    *regexp.Regexp
	minimum, maximum, multiple *float64
	above, below               bool // minimum and maximum are excluded
	// Upstream reports bounds that the type cannot have at every value: the words for it.
	badBounds                                                              []string
	minLength, maxLength, minItems, maxItems, minProperties, maxProperties int64 // -1: none
}

// schemaTypes is a set of JSON types; none at all is any type.
type schemaTypes uint8

const (
	typeInteger schemaTypes = 1 << iota
	typeString
	typeNumber
	typeBoolean
	typeArray
	typeObject
)

var schemaTypeNames = []string{"integer", "string", "number", "boolean", "array", "object"}

// String is the names as upstream joins them: integer,string.
func (t schemaTypes) String() string {
	var names []string
	for i, name := range schemaTypeNames {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// extraFields is what additionalProperties says of fields that are not in properties.
type extraFields uint8

const (
	extraUnknown   extraFields = iota // nothing: they are pruned
	extraAllowed                      // true or a schema
	extraForbidden                    // false
)

// listKind is x-kubernetes-list-type.
type listKind uint8

const (
	listAtomic listKind = iota
	listSet
	listMap
)

const (
	// schemaMaxDefault bounds the values that one default can have with the defaults of
	// its parts: lists of objects that have such defaults multiply.
	schemaMaxDefault = 10_000
	// schemaMaxDefaults bounds the values that SetDefaults adds to an object.
	schemaMaxDefaults = 1 << 20
	// schemaMaxSteps bounds the pairs of a value and a schema that validate looks at. An
	// object of 3 MiB has 1.5 million values at most.
	schemaMaxSteps = 8 << 20
)

// Compile compiles an openAPIV3Schema. hasStatus says that status is a subresource.
// A schema that CheckCRD takes compiles; of another the error says what is wrong first.
// s is not kept.
func Compile(s map[string]any, hasStatus bool) (*Schema, error) {
	c := schemaCompiler{}
	root, err := c.node(s, "")
	if err != nil {
		return nil, err
	}
	// The root is a resource whatever the schema says, and its metadata is not ours.
	root.embedded = false
	return &Schema{root, hasStatus}, nil
}

// schemaCompiler remembers patterns, which are often repeated. A bare one leaves defaults
// out.
type schemaCompiler struct {
	bare     bool
	patterns map[string]*regexp.Regexp
}

type schemaError struct{ path, detail string }

func (e *schemaError) Error() string {
	if e.path == "" {
		return e.detail
	}
	return e.path + ": " + e.detail
}

func (c *schemaCompiler) node(s map[string]any, path string) (*schemaNode, error) {
	n := &schemaNode{}
	if err := c.structure(n, s, path); err != nil {
		return nil, err
	}
	r := &schemaRules{minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, minProperties: -1, maxProperties: -1}
	used, err := c.values(r, n.types, s, path)
	if err != nil {
		return nil, err
	}
	joined, err := c.junctors(r, s, path)
	if err != nil {
		return nil, err
	}
	if used || joined {
		n.rules = r
	}
	if def := s["default"]; def != nil && !c.bare {
		// A default is completed once, here; then it is only copied.
		n.def = tree.Copy(def)
		d := defaulter{left: schemaMaxDefault - CountValues(n.def)}
		n.def = d.fill(n.def, n)
		if d.left < 0 {
			return nil, &schemaError{joinSchemaPath(path, "default"), fmt.Sprintf("has more than %d values with the defaults of its parts", schemaMaxDefault)}
		}
		n.defValues = CountValues(n.def)
	}
	return n, nil
}

func joinSchemaPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// structure compiles what says which fields there are.
func (c *schemaCompiler) structure(n *schemaNode, s map[string]any, path string) (err error) {
	if typ := tree.Text(s, "type"); typ != "" {
		i := slices.Index(schemaTypeNames, typ)
		if i < 0 {
			return &schemaError{joinSchemaPath(path, "type"), fmt.Sprintf("%q is no type", typ)}
		}
		n.types = 1 << i
	}
	if tree.True(s["x-kubernetes-int-or-string"]) {
		n.types = typeInteger | typeString
	}
	n.nullable = tree.True(s["nullable"])
	n.preserve = tree.True(s["x-kubernetes-preserve-unknown-fields"])
	n.embedded = tree.True(s["x-kubernetes-embedded-resource"])
	n.atomic = tree.Text(s, "x-kubernetes-map-type") == "atomic"
	switch tree.Text(s, "x-kubernetes-list-type") {
	case "set":
		n.list = listSet
	case "map":
		n.list, n.keys = listMap, tree.Strings(tree.List(s, "x-kubernetes-list-map-keys"))
	}

	props := tree.Object(s, "properties")
	if len(props) > 0 {
		n.fields = make(map[string]*schemaNode, len(props))
		n.order = make([]schemaField, 0, len(props))
	}
	for _, name := range tree.SortedKeys(props) {
		at := joinSchemaPath(path, "properties["+name+"]")
		sub, ok := props[name].(map[string]any)
		if !ok {
			return &schemaError{at, "must be an object"}
		}
		child, err := c.node(sub, at)
		if err != nil {
			return err
		}
		n.fields[name] = child
		f := schemaField{name, isTypeOrMeta(name), child}
		n.order = append(n.order, f)
		if child.def != nil {
			n.defaults = append(n.defaults, f)
		}
	}
	switch extra := s["additionalProperties"].(type) {
	case bool:
		n.extra = extraForbidden
		if extra {
			n.extra = extraAllowed
		}
	case map[string]any:
		n.extra = extraAllowed
		if n.additional, err = c.node(extra, joinSchemaPath(path, "additionalProperties")); err != nil {
			return err
		}
	}
	if items, ok := s["items"].(map[string]any); ok {
		n.items, err = c.node(items, joinSchemaPath(path, "items"))
	}
	return err
}

// values compiles the rules for the value itself; used says whether there is any.
func (c *schemaCompiler) values(r *schemaRules, types schemaTypes, s map[string]any, path string) (used bool, err error) {
	if enum := tree.List(s, "enum"); len(enum) > 0 {
		r.enum, used = tree.Copy(enum).([]any), true
	}
	if required := tree.Strings(tree.List(s, "required")); len(required) > 0 {
		r.required, used = required, true
	}
	if p := tree.Text(s, "pattern"); p != "" {
		if r.pattern, err = c.pattern(p); err != nil {
			return false, &schemaError{joinSchemaPath(path, "pattern"), err.Error()}
		}
		used = true
	}
	for name, to := range map[string]**float64{"minimum": &r.minimum, "maximum": &r.maximum, "multipleOf": &r.multiple} {
		if f, ok := tree.Float(s[name]); ok {
			*to, used = &f, true
		}
	}
	r.above, r.below = tree.True(s["exclusiveMinimum"]), tree.True(s["exclusiveMaximum"])
	for name, to := range map[string]*int64{
		"minLength": &r.minLength, "maxLength": &r.maxLength, "minItems": &r.minItems, "maxItems": &r.maxItems,
		"minProperties": &r.minProperties, "maxProperties": &r.maxProperties,
	} {
		if f, ok := tree.Float(s[name]); ok {
			*to, used = int64(f), true
		}
	}
	if format := tree.Text(s, "format"); format != "" && formatKnown(types, format) {
		r.format, r.formatOK, used = format, stringFormat(types, format), true
	}
	r.badBounds = r.bounds(types)
	return used, nil
}

func (c *schemaCompiler) pattern(p string) (*regexp.Regexp, error) {
	if re := c.patterns[p]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(p)
	if err == nil {
		if c.patterns == nil {
			c.patterns = map[string]*regexp.Regexp{}
		}
		c.patterns[p] = re
	}
	return re, err
}

// bounds is the bounds that are outside of the type: 1.5 as the maximum of an integer.
func (r *schemaRules) bounds(types schemaTypes) (bad []string) {
	for _, b := range []struct {
		name  string
		value *float64
	}{{"MultipleOf", r.multiple}, {"Minimum boundary", r.minimum}, {"Maximum boundary", r.maximum}} {
		if b.value != nil && !numberInRange(*b.value, types, r.format) {
			bad = append(bad, b.name)
		}
	}
	return bad
}

// junctors compiles allOf, anyOf, oneOf and not.
func (c *schemaCompiler) junctors(r *schemaRules, s map[string]any, path string) (used bool, err error) {
	for _, j := range []struct {
		name string
		to   *[]*schemaNode
	}{{"allOf", &r.all}, {"anyOf", &r.any}, {"oneOf", &r.one}} {
		for i, e := range tree.List(s, j.name) {
			at := joinSchemaPath(path, fmt.Sprintf("%s[%d]", j.name, i))
			sub, ok := e.(map[string]any)
			if !ok {
				return false, &schemaError{at, "must be an object"}
			}
			n, err := c.node(sub, at)
			if err != nil {
				return false, err
			}
			*j.to, used = append(*j.to, n), true
		}
	}
	if sub, ok := s["not"].(map[string]any); ok {
		r.not, err = c.node(sub, joinSchemaPath(path, "not"))
		used = true
	}
	return used, err
}

// child is the schema of a field of an object; known is false where the schema has no
// place for it. A place without a schema of its own (additionalProperties: true) is nil.
// Of a nil node nothing is known.
func (n *schemaNode) child(name string) (child *schemaNode, known bool) {
	if n == nil {
		return nil, false
	}
	if child = n.fields[name]; child != nil {
		return child, true
	}
	return n.additional, n.extra != extraUnknown
}

// Rule is a rule of x-kubernetes-validations and its place in the CRD.
type Rule struct{ Path, rule string }

// Rules is all rules of a CRD, in order, each with its path:
// spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule
func Rules(crd map[string]any) (rules []Rule) {
	for i, v := range tree.List(crd, "spec", "versions") {
		root := field.Root("spec").Child("versions").Index(i).Child("schema").Child("openAPIV3Schema")
		walkSchema(root, tree.Object(v, "schema", "openAPIV3Schema"), func(p *field.Path, s map[string]any) {
			for j, r := range tree.List(s, "x-kubernetes-validations") {
				rules = append(rules, Rule{p.Child("x-kubernetes-validations").Index(j).Child("rule").String(), tree.Text(r, "rule")})
			}
		})
	}
	return rules
}

// Warnings is the warnings for a client that writes a CRD.
func Warnings(crd map[string]any) (warnings []string) {
	warn := func(w string) {
		if !slices.Contains(warnings, w) && len(warnings) < 100 {
			warnings = append(warnings, w)
		}
	}
	for _, v := range tree.List(crd, "spec", "versions") {
		walkSchema(nil, tree.Object(v, "schema", "openAPIV3Schema"), func(_ *field.Path, s map[string]any) {
			if item := tree.Text(s, "items", "type"); tree.Text(s, "x-kubernetes-list-type") == "set" && (item == "object" || item == "array") {
				warn(fmt.Sprintf("x-kubernetes-list-type: set for items of type %q is not supported by server-side apply or CEL validation rules", item))
			}
			format := tree.Text(s, "format")
			if format == "" {
				return
			}
			types := schemaTypes(0)
			if i := slices.Index(schemaTypeNames, tree.Text(s, "type")); i >= 0 && !tree.True(s["x-kubernetes-int-or-string"]) {
				types = 1 << i
			}
			if !formatKnown(types, format) {
				warn(fmt.Sprintf("unrecognized format %q", format))
			}
		})
	}
	return warnings
}

// walkSchema calls visit for s and each schema inside, outer ones first. With a nil path
// there are no paths.
func walkSchema(p *field.Path, s map[string]any, visit func(*field.Path, map[string]any)) {
	visit(p, s)
	sub := func(keyword string, i int, name string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			return
		}
		at := p
		if p != nil {
			switch at = p.Child(keyword); {
			case i >= 0:
				at = at.Index(i)
			case name != "":
				at = at.Key(name)
			}
		}
		walkSchema(at, o, visit)
	}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		sub("properties", -1, name, props[name])
	}
	sub("additionalProperties", -1, "", s["additionalProperties"])
	sub("items", -1, "", s["items"])
	for _, junctor := range []string{"allOf", "anyOf", "oneOf"} {
		for i, v := range tree.List(s, junctor) {
			sub(junctor, i, "", v)
		}
	}
	sub("not", -1, "", s["not"])
}

// Reading JSON trees.

// CountValues is the number of values in a tree, itself included.
func CountValues(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += CountValues(e)
		}
	case []any:
		for _, e := range v {
			n += CountValues(e)
		}
	}
	return n
}

// isWhole says whether JSON Schema takes f for an integer: no fraction, and within what a
// float64 can count.
func isWhole(f float64) bool {
	return f == math.Trunc(f) && math.Abs(f) <= 1<<53-1
}
