package schema

import (
	"apichain/internal/field"
	"apichain/internal/tree"
)

// The check of the defaults in a CRD: each has to obey its own schema and may have no unknown
// fields, since SetDefaults puts it into objects that have been pruned already. What is looked at is
// each default as the CRD has it; those of its parts are looked at on their own.

// defaultErrors returns what is wrong with the defaults of s, the structural schema at p.
func defaultErrors(p *field.Path, s map[string]any) []field.Error {
	c := defaultCheck{left: schemaMaxSteps, budget: ruleBudget, compiled: map[*schemaNode]*ruleNode{}}
	n, err := (&schemaCompiler{bare: true}).node(s, "")
	if err != nil {
		// It does not compile after all, which other checks say better.
		return nil
	}
	// The root is a resource like those inside of it: a default of the whole has to say its kind.
	n.embedded, n.embeds = true, true
	c.node(p, s, n, false, true)
	return c.errs
}

// defaultCheck checks defaults; left is what is left of the steps for all of them together.
type defaultCheck struct {
	crdErrors
	left int

	// budget is what is left for their rules; below 0 no default is looked at any more. compiled has the rules of places that were
	// asked, nil for one without.
	budget   int64
	compiled map[*schemaNode]*ruleNode
}

// node checks the default of s, whose compiled form is n, and those below it. inMeta says that this
// is inside of the apiVersion, kind or metadata of a resource, and resource that s is one.
func (c *defaultCheck) node(p *field.Path, s map[string]any, n *schemaNode, inMeta, resource bool) {
	if c.full() || c.budget < 0 {
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
	// Not into additionalProperties, as upstream does not either: a bad default there shows only
	// when an object that got it is refused.
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		at := p.Child("properties").Key(name)
		c.node(at, tree.Object(props, name), n.fields[name], inMeta || resource && isTypeOrMeta(name), false)
	}
}

// value checks one default. Metadata is spared the question for unknown fields: its schema in the
// CRD names only a few of the fields that it has.
func (c *defaultCheck) value(p *field.Path, n *schemaNode, def any, inMeta bool) {
	if !inMeta && n.hasUnknown(def, false) {
		c.invalid(p, def, "must not have unknown fields")
	}
	q := schemaCheck{left: c.left}
	ok := q.node(n, def)
	if c.left = q.left; ok {
		c.byRules(p, n, def)
		return
	}
	if c.left < 0 {
		c.add(field.Error{Reason: "FieldValueInvalid", Field: p.String(), Message: tooComplex().Message})
		return
	}
	// The same two walks as for objects, but for the base: the errors' fields begin with the
	// place of the default in the CRD, and their messages with the place in the default.
	f := newFaults()
	f.base, f.left = p.String(), c.left
	// Here what is no resource is not asked for more.
	if f.embedded(n, def); len(f.errs) == 0 {
		f.whole(n, def, nil, false)
	}
	c.left = f.left
	c.addAll(f.errs)
}
