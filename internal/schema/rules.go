package schema

import (
	"strings"
	"sync"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
	"apichain/internal/tree"
)

// Rules in CEL, x-kubernetes-validations: expressions at a place of a schema that have to be true of each value there. self is the
// value; oldSelf is what it replaces, and a rule that names it is asked only where there is such a value.
//
//	type: object
//	properties: {min: {type: integer}, max: {type: integer}}
//	x-kubernetes-validations:
//	- {rule: self.min <= self.max, message: min is above max, fieldPath: .min}
//	- {rule: self.min >= oldSelf.min, messageExpression: "'was ' + string(oldSelf.min)", reason: FieldValueForbidden}
//
// In four parts: the type that a place has for its rules (rules_type.go); compiling, in this file; the checks of the rules in a
// CRD, with what they may cost (rules_definition.go); the check of an object (rules_check.go). What is said to be upstream's here
// is k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel.
//
// Rules are compiled twice: for nobody's use when a CRD is written, which is how their errors are found, and when the first object
// is checked. A schema without rules has none of this.

// rule is one rule as the CRD says it.
type rule struct {
	rule, message, messageExpression, reason string

	// path is fieldPath as errors show it, "" for the place of the rule.
	path string
	// optional makes oldSelf a value that may be missing.
	optional bool
}

// rulesOf returns the rules of a schema.
func rulesOf(s map[string]any) (rules []rule) {
	for _, r := range tree.List(s, "x-kubernetes-validations") {
		out := rule{
			rule: tree.Text(r, "rule"), message: tree.Text(r, "message"), messageExpression: tree.Text(r, "messageExpression"),
			reason: tree.Text(r, "reason"), optional: tree.True(tree.At(r, "optionalOldSelf")),
		}
		if f := tree.Text(r, "fieldPath"); f != "" {
			steps, _, problem := schemaAtPath(f, s, true)
			for _, step := range steps {
				if problem == "" && out.path != "" && step[0] != '[' {
					out.path += "."
				}
				out.path += step
			}
		}
		rules = append(rules, out)
	}
	return rules
}

// shown returns what errors about an object call the rule.
func (r *rule) shown() string {
	if r.message != "" {
		return strings.TrimSpace(r.message)
	}
	return strings.TrimSpace(r.rule)
}

// failed returns what an object is told that breaks the rule, unless an expression says it.
func (r *rule) failed() string {
	if r.message != "" {
		return strings.TrimSpace(r.message)
	}
	return "failed rule: " + r.shown()
}

// What expressions are compiled against. The names of variables are upstream's. What a CRD had already is compiled as it was when
// it came, and so are the rules of all that is stored.
var (
	newRules    = sync.OnceValue(func() *cel.Env { return ruleEnv(library.New()) })
	storedRules = sync.OnceValue(func() *cel.Env { return ruleEnv(library.Stored()) })
)

// ruleEnv returns an Env of libraries without variables.
func ruleEnv(libraries []*cel.Library) *cel.Env {
	return cel.NewEnv(cel.Options{Libraries: libraries, Optionals: true, Homogeneous: true, Literals: true})
}

// ruleScope is a place in a schema as its rules see it. The zero value with a node is the root of a schema. It is not safe for
// concurrent use: what rules ask for is made when they do.
type ruleScope struct {
	node     *schemaNode
	outer    *ruleScope
	name     string // the field of outer that it is, "" for its items or values
	resource bool   // it is the place of a whole object
	within   bool   // a place around it has rules, which have to know its type

	// What celType has found.
	typ   *cel.Type
	typed bool
	names string // of the types of objects: this, and it with .field behind it

	// envs are those of rules: stored ones, and with an optional oldSelf.
	envs [2][2]*cel.Env
}

// field returns the scope of a field.
func (s *ruleScope) field(name string, n *schemaNode) *ruleScope {
	return &ruleScope{node: n, outer: s, name: name, resource: n.embedded, within: s.within || s.node.hasRules()}
}

// element returns the scope of the items of a list, or of the values of a map.
func (s *ruleScope) element(n *schemaNode) *ruleScope {
	return &ruleScope{node: n, outer: s, resource: n.embedded, within: s.within || s.node.hasRules()}
}

// hasRules reports whether the place itself has rules.
func (n *schemaNode) hasRules() bool { return n.rules != nil && len(n.rules.validations) > 0 }

// selfType is how the type of self is called. Upstream appends a number that nobody can know, so that nobody writes it.
const selfType = "selfType1"

// celType returns the type of the place, a part of the one around it where that has rules too, and nil for a place that rules do
// not see.
func (s *ruleScope) celType() *cel.Type {
	if s.typed {
		return s.typ
	}
	s.typed = true
	if s.within {
		t := s.outer.celType()
		escaped, ok := escapeName(s.name)
		switch {
		case t == nil:
			return nil
		case s.name == "" && len(t.Params) > 0:
			s.typ, s.names = t.Params[len(t.Params)-1], below(s.outer.names, map[cel.Kind]string{cel.List: ".@idx", cel.Map: ".@elem"}[t.Kind])
			return s.typ
		case s.name != "" && ok && t.Fields[escaped] != nil:
			s.typ, s.names = t.Fields[escaped].Type, below(s.outer.names, "."+escaped)
			return s.typ
		}
	}
	s.names = selfType
	s.typ = s.node.celType(selfType, s.resource)
	return s.typ
}

// env returns what a rule of the place is compiled against.
func (s *ruleScope) env(stored, optional bool) *cel.Env {
	index := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	e := &s.envs[index(stored)][index(optional)]
	if *e == nil {
		base, self := newRules, s.celType()
		if stored {
			base = storedRules
		}
		old := self
		if optional {
			old = cel.OptionalOf(self)
		}
		*e = base().With([]cel.Variable{{Name: "self", Type: self}, {Name: "oldSelf", Type: old}}, nil)
	}
	return *e
}

// compiledRule is a rule that may be asked, or why it may not.
type compiledRule struct {
	*rule
	program *cel.Program // nil for an empty rule, and one with an error
	message *cel.Program // nil where there is none, or it has an error
	usesOld bool

	// failure and messageFailure say what keeps the expressions from being asked, "" for nothing.
	failure, messageFailure string
	// cost and messageCost are the most that one evaluation may cost.
	cost, messageCost uint64
}

// compile compiles a rule of the place. stored reports whether an expression, that of a message or that of a rule, was there before;
// nil is for rules of a CRD that is stored, whose costs nobody asks for.
func (s *ruleScope) compile(r *rule, stored func(text string, message bool) bool) (c compiledRule) {
	c.rule = r
	if strings.TrimSpace(r.rule) == "" {
		return c
	}
	var checked *cel.Checked
	isStored := func(text string, message bool) bool { return stored == nil || stored(text, message) }
	c.program, checked, c.failure = s.program(r.rule, isStored(r.rule, false), r.optional, cel.Bool, [...]string{
		"compilation failed: ", "cel expression must evaluate to a bool", "program instantiation failed: "})
	if c.failure != "" {
		return c
	}
	if stored != nil {
		c.cost = checked.Estimate().Max
	}
	for _, ref := range checked.Refs {
		c.usesOld = c.usesOld || ref != nil && ref.Name == "oldSelf"
	}
	if r.messageExpression == "" {
		return c
	}
	text := r.messageExpression
	c.message, checked, c.messageFailure = s.program(text, isStored(text, true), r.optional, cel.String, [...]string{
		"messageExpression compilation failed: ", "messageExpression must evaluate to a string", "messageExpression instantiation failed: "})
	if c.messageFailure == "" && stored != nil {
		c.messageCost = checked.Estimate().Max
	}
	return c
}

// program compiles one expression, whose result has to be of a kind. failure is "", or one of three texts: that it cannot be read,
// which the reason follows, that its result is of another kind, and that no program can be made of it, which the reason follows.
func (s *ruleScope) program(text string, stored, optional bool, want cel.Kind, texts [3]string) (
	p *cel.Program, c *cel.Checked, failure string,
) {
	c, err := s.env(stored, optional).Check(text)
	switch {
	case err != nil:
		// The types of a place have names of their own where it is the first that has rules.
		return nil, nil, texts[0] + strings.ReplaceAll(err.Error(), s.names, selfType)
	case c.Type().Kind != want:
		return nil, nil, texts[1]
	}
	if p, err = c.Program(); err != nil {
		return nil, nil, texts[2] + err.Error()
	}
	return p, c, ""
}

// ruleNode is a place of a schema with the rules that are asked there: those of the place, then below allOf, then of what is in the
// value. Places without rules in them have no node. It never changes.
type ruleNode struct {
	schema *schemaNode
	typ    *cel.Type
	rules  []compiledRule
	// failure says why the rules of the place cannot be asked at all, "" if they can.
	failure string

	allOf      []*ruleNode
	items      *ruleNode
	additional *ruleNode
	fields     []ruleField
}

// ruleField is a field with rules in it.
type ruleField struct {
	name string
	node *ruleNode
}

// newRuleNode compiles the rules in a place, which come from a CRD that was stored; nil if there are none.
func newRuleNode(s *ruleScope) *ruleNode {
	if s.node == nil || !s.node.ruled {
		return nil
	}
	return s.newRuleNode(s.node)
}

// newRuleNode compiles the rules of v: the node of s itself, or a schema of the same place below allOf. A place in it that s does
// not have is left out.
func (s *ruleScope) newRuleNode(v *schemaNode) *ruleNode {
	n := &ruleNode{schema: s.node}
	if v.hasRules() {
		// Rules of the branch are of this place, which may have none of its own.
		if n.typ = s.celType(); n.typ == nil {
			n.failure = "failed to convert to declType for CEL validation rules"
		} else {
			for i := range v.rules.validations {
				n.rules = append(n.rules, s.compile(&v.rules.validations[i], nil))
			}
		}
	}
	if v.items != nil && s.node.items != nil {
		n.items = s.element(s.node.items).newRuleNode(v.items)
	}
	if v.additional != nil && s.node.additional != nil {
		n.additional = s.element(s.node.additional).newRuleNode(v.additional)
	}
	for _, f := range v.order {
		if own := s.node.fields[f.name]; own != nil {
			if below := s.field(f.name, own).newRuleNode(f.node); below != nil {
				n.fields = append(n.fields, ruleField{f.name, below})
			}
		}
	}
	if v.rules != nil {
		for _, branch := range v.rules.allOf {
			if below := s.newRuleNode(branch); below != nil {
				n.allOf = append(n.allOf, below)
			}
		}
	}
	if n.rules == nil && n.failure == "" && n.allOf == nil && n.items == nil && n.additional == nil && n.fields == nil {
		return nil
	}
	return n
}
