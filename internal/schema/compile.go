package schema

import (
	"fmt"
	"regexp"
	"slices"
	"sync"

	"apichain/internal/tree"
)

// From the JSON of an openAPIV3Schema to nodes. Compiling is done once for a version of a CRD
// and pays for what each request would otherwise pay: patterns are compiled, keywords become
// fields, and a default is completed with the defaults of its own parts, so that using it is
// copying it.
//
// The compiler is lenient where CheckCRD is strict. A CRD that CheckCRD accepts always compiles;
// of others (a schema that was stored by an older program, a test) the compiler ignores keywords
// whose values have the wrong type and fails only where it cannot make sense of what is there:
// a type that does not exist, a pattern that is no regular expression, a subschema that is no
// object, defaults that multiply. For example {"type":"string","maxLength":"3"} compiles to a
// text without a limit.

// Compile compiles an openAPIV3Schema. The error, a *schemaError, names the first thing that
// cannot be compiled and its path from the root of s: properties[spec].type. s is neither
// changed nor kept.
func Compile(s map[string]any) (*Schema, error) {
	c := schemaCompiler{of: &Schema{}}
	root, err := c.node(s, "")
	if err != nil {
		return nil, err
	}
	// The root is a resource whatever the schema says. Its apiVersion, kind and metadata
	// belong to the rules of all objects; as an embedded resource they would be checked here
	// again, and metadata would lose fields.
	root.embedded = false
	if c.of.root, root.resource = root, c.of; len(s) == 0 {
		// Nothing is said of the objects, nor of who owns their metadata.
		root.types, root.resource = typeObject, nil
	}
	c.of.programs = sync.OnceValue(func() *ruleNode { return newRuleNode(&ruleScope{node: root, resource: true}) })
	return c.of, nil
}

// schemaCompiler compiles one schema. Its zero value is ready for use.
type schemaCompiler struct {
	// of is what comes of it, which embedded resources refer to.
	of *Schema
	// open says that the node, or one around it, keeps unknown fields.
	open bool
	// bare leaves the defaults out, takes types that do not exist, and has none for an int-or-string.
	// The check of the defaults themselves asks for that: it looks at each as the CRD writes it, not as
	// the defaults of its parts complete it, beside what else is wrong, and by what the schema says of
	// types in so many words (upstream).
	bare bool
	// patterns holds the compiled ones by their text. Generated CRDs repeat a few patterns
	// hundreds of times, and a compiled pattern is large.
	patterns map[string]*regexp.Regexp
}

// schemaError says what is wrong with a schema that cannot be compiled, and where.
type schemaError struct{ path, detail string }

// Error returns the path and the detail; the path of the root itself is not shown.
func (e *schemaError) Error() string {
	if e.path == "" {
		return e.detail
	}
	return e.path + ": " + e.detail
}

// node compiles the schema s at path, and everything below it.
func (c *schemaCompiler) node(s map[string]any, path string) (*schemaNode, error) {
	n := &schemaNode{}
	if err := c.structure(n, s, path); err != nil {
		return nil, err
	}
	n.embeds = n.embedded || n.additional != nil && n.additional.embeds || n.items != nil && n.items.embeds ||
		slices.ContainsFunc(n.order, func(f schemaField) bool { return f.node.embeds })
	r := noRules()
	used, err := c.values(r, n.types, s, path)
	if err != nil {
		return nil, err
	}
	r.validations = rulesOf(s)
	n.ruled = len(r.validations) > 0 || n.additional != nil && n.additional.ruled || n.items != nil && n.items.ruled ||
		slices.ContainsFunc(n.order, func(f schemaField) bool { return f.node.ruled })
	joined, err := c.junctors(r, s, path)
	if err != nil {
		return nil, err
	}
	if used || joined || len(r.validations) > 0 {
		n.rules = r
	}
	// The default comes last: completing it needs the nodes of the fields.
	return n, c.defaultValue(n, s["default"], path)
}

// defaultValue completes the default of n with the defaults of its parts. Doing so here makes a
// default of {} for an object whose fields have defaults into the whole object, and SetDefaults
// need not look into what it has copied.
func (c *schemaCompiler) defaultValue(n *schemaNode, def any, path string) error {
	if def == nil || c.bare {
		return nil
	}
	n.def = tree.Copy(def)
	d := defaulter{left: schemaMaxDefault - CountValues(n.def)}
	n.def = d.fill(n.def, n)
	if d.left < 0 {
		detail := fmt.Sprintf("has more than %d values with the defaults of its parts", schemaMaxDefault)
		return &schemaError{joinSchemaPath(path, "default"), detail}
	}
	n.defValues = CountValues(n.def)
	return nil
}

// joinSchemaPath appends a keyword to the path of a schema.
func joinSchemaPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// structure compiles the keywords that say which values and which fields there are. Only they
// decide what is pruned and defaulted; they stand outside of allOf, anyOf, oneOf and not.
func (c *schemaCompiler) structure(n *schemaNode, s map[string]any, path string) (err error) {
	if typ := tree.Text(s, "type"); typ != "" {
		i := slices.Index(schemaTypeNames, typ)
		if i < 0 && !c.bare {
			return &schemaError{joinSchemaPath(path, "type"), fmt.Sprintf("%q is no type", typ)}
		}
		if n.types = typeOther; i >= 0 {
			n.types = 1 << i
		}
	}
	// It says more than a type that stands beside it, and replaces it.
	if n.intOrString = tree.True(s["x-kubernetes-int-or-string"]); n.intOrString && !c.bare {
		n.types = typeInteger | typeString
	}
	n.nullable = tree.True(s["nullable"])
	n.preserve = tree.True(s["x-kubernetes-preserve-unknown-fields"])
	if n.embedded = tree.True(s["x-kubernetes-embedded-resource"]); n.embedded {
		n.resource = c.of
	}
	c.owned(n, s)
	defer func(outer bool) { c.open = outer }(c.open)
	c.open = n.open
	switch tree.Text(s, "x-kubernetes-list-type") {
	case "set":
		n.list = listSet
	case "map":
		n.list, n.keys = listMap, tree.Strings(tree.List(s, "x-kubernetes-list-map-keys"))
	}
	if err := c.properties(n, tree.Object(s, "properties"), path); err != nil {
		return err
	}
	if err := c.additional(n, s["additionalProperties"], path); err != nil {
		return err
	}
	// A list of schemas, one for each item, is not structural and is left out.
	if items, ok := s["items"].(map[string]any); ok {
		n.items, err = c.node(items, joinSchemaPath(path, "items"))
	}
	return err
}

// properties compiles the fields that are named, in the order of their names: errors then do not
// depend on the order of a map, and every walk meets the fields in the order of their paths.
func (c *schemaCompiler) properties(n *schemaNode, props map[string]any, path string) error {
	if len(props) == 0 {
		// fields stays nil, by which the walks know that there is nothing to look up.
		return nil
	}
	n.fields = make(map[string]*schemaNode, len(props))
	n.order = make([]schemaField, 0, len(props))
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
	return nil
}

// additional compiles additionalProperties: false, true or a schema. Left out, it makes the
// other fields unknown, which is what differs most from plain JSON Schema.
func (c *schemaCompiler) additional(n *schemaNode, extra any, path string) (err error) {
	switch extra := extra.(type) {
	case bool:
		n.extra = extraForbidden
		if extra {
			n.extra = extraAllowed
		}
	case map[string]any:
		n.extra = extraAllowed
		n.additional, err = c.node(extra, joinSchemaPath(path, "additionalProperties"))
	}
	return err
}

// values compiles the constraints on the value itself; used reports whether there is any. types
// are those of the schema, on which formats and the range of bounds depend.
func (c *schemaCompiler) values(r *schemaRules, types schemaTypes, s map[string]any, path string) (used bool, err error) {
	if enum := tree.List(s, "enum"); len(enum) > 0 {
		// Copied, since the CRD belongs to the caller.
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
	// They are no rules by themselves: without a bound they exclude nothing. That is how OpenAPI 3.0
	// has them; later JSON Schema makes them bounds of their own, which no CRD may use.
	r.exclusiveMin, r.exclusiveMax = tree.True(s["exclusiveMinimum"]), tree.True(s["exclusiveMaximum"])
	// CheckCRD accepts only integers here. A float64 is cut off, as everything is taken that can
	// be made sense of.
	for name, to := range map[string]*int64{
		"minLength": &r.minLength, "maxLength": &r.maxLength, "minItems": &r.minItems, "maxItems": &r.maxItems,
		"minProperties": &r.minProperties, "maxProperties": &r.maxProperties,
	} {
		if f, ok := tree.Float(s[name]); ok {
			*to, used = int64(f), true
		}
	}
	// A format that is not known is a note to the reader and restricts nothing.
	if format := tree.Text(s, "format"); format != "" && formatKnown(types, format) {
		r.format, r.formatOK, used = format, stringFormat(types, format), true
	}
	if types == typeOther {
		r.typeName, used = tree.Text(s, "type"), true
	}
	if format := tree.Text(s, "format"); c.bare && format != "" && (types == typeOther || types == 0) {
		// Only of objects does upstream leave out formats that it does not know.
		r.format, used = format, true
	}
	// Last, because it looks at the bounds and the format that were just read.
	r.badBounds = r.bounds(types)
	return used, nil
}

// pattern compiles a regular expression, or returns the compiled one of the same text.
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

// bounds names the bounds that lie outside of the type: 1.5 as the maximum of an integer, or
// 1e40 as the minimum of a float. The words are those with which upstream's messages begin.
func (r *schemaRules) bounds(types schemaTypes) (bad []string) {
	for _, b := range []struct {
		name  string
		value *float64
	}{{boundMultiple, r.multiple}, {boundMinimum, r.minimum}, {boundMaximum, r.maximum}} {
		if b.value != nil && !numberInRange(*b.value, types, r.format) {
			bad = append(bad, b.name)
		}
	}
	return bad
}

// junctors compiles allOf, anyOf, oneOf and not, which join schemas into one rule; used reports
// whether there is any.
func (c *schemaCompiler) junctors(r *schemaRules, s map[string]any, path string) (used bool, err error) {
	for _, j := range []struct {
		name string
		to   *[]*schemaNode
	}{{"allOf", &r.allOf}, {"anyOf", &r.anyOf}, {"oneOf", &r.oneOf}} {
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
