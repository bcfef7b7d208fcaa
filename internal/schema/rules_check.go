package schema

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/cel"
	"apichain/internal/field"
	"apichain/internal/tree"
)

// The check of an object by the rules of its schema. Only the places that have rules in them are visited: the rules of a place
// first, then those below allOf, then what is in the value, fields and keys by name where upstream takes the order of a map.
//
//	spec.min: 5 ──► self.min <= self.max        true: nothing
//	                                            false: an error in the words of the rule
//	                                            false, and the value is what it was: a warning
//	                                            an error: an error in the words of CEL
//
// Each rule may cost ruleCallCost, and all of one check together ruleBudget: what a hostile object or definition can do ends there.
// Errors and the comparisons with the old object are bounded as those of the schema.

// The most that one expression, and all of an object, may cost.
const (
	ruleCallCost = 1_000_000
	ruleBudget   = 10_000_000
	// maxRuleMessage is the most bytes of what a messageExpression returns.
	maxRuleMessage = 5 << 10
)

// HasRules reports whether CheckRules has any to ask.
func (s *Schema) HasRules() bool { return s.root.ruled }

// CheckRules returns errs, which Validate has found and whatever else is wrong, and behind them what the rules have against obj. old
// is the object that obj replaces, nil on a create; both are only read. Where an error is one that keeps rules from being asked
// (upstream), it says so in their place. warn gets what rules have against parts that are as they were. A rule that runs when done
// is closed ends with an error; nil is never.
func (s *Schema) CheckRules(obj, old map[string]any, errs []field.Error, done <-chan struct{}, warn func(string)) []field.Error {
	if !s.root.ruled {
		return errs
	}
	if slices.ContainsFunc(errs, func(e field.Error) bool { return slices.Contains(blockingReasons, e.Reason) }) {
		const unchecked = "some validation rules were not checked because the object was invalid; " +
			"correct the existing errors to complete validation"
		return append(errs, field.Invalid(field.None, nil, unchecked))
	}
	c := ruleCheck{budget: ruleBudget, call: ruleCallCost, left: schemaMaxSteps, done: done, warn: warn}
	var was any
	var at *unchangedPart
	if old != nil {
		was, at = old, &unchangedPart{node: s.root, value: obj, old: old}
	}
	c.node(s.programs(), nil, obj, was, at, nil)
	return append(errs, c.errs...)
}

// blockingReasons are those of errors that keep rules from being asked: they may be of types or sizes that rules rely on.
var blockingReasons = []string{
	"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid",
}

// ruleCheck checks one object.
type ruleCheck struct {
	crdErrors
	// budget is what is left of ruleBudget; below 0 nothing more is asked. call is the most for one expression.
	budget int64
	call   uint64
	left   int // steps of comparisons
	done   <-chan struct{}
	warn   func(string)
	// vars are self and oldSelf of the rule that is asked.
	vars [2]cel.Value
}

// end makes this the last that is asked.
func (c *ruleCheck) end() { c.budget = -1 }

// unchangedPart is a part of the object that corresponds to one of the old object. nil is a part that corresponds to none.
type unchangedPart struct {
	node        *schemaNode
	value, old  any
	asked, same bool
}

// field returns the part of a field.
func (p *unchangedPart) field(name string) *unchangedPart {
	value, _ := p.value.(map[string]any)
	old, _ := p.old.(map[string]any)
	v, there := value[name]
	before, was := old[name]
	if child, _ := p.node.child(name); there && was && child != nil {
		return &unchangedPart{node: child, value: v, old: before}
	}
	return nil
}

// isSame reports whether it is as it was. It compares once.
func (p *unchangedPart) isSame(left *int) bool {
	if p == nil {
		return false
	}
	if !p.asked {
		p.asked, p.same = true, p.node.equal(p.value, p.old, left)
	}
	return p.same
}

// node checks v by n and by all below it. old is the value that v replaces, nil if there is none or if nothing can tell. part is
// v as a part that may be unchanged, outer the nearest such part around it.
func (c *ruleCheck) node(n *ruleNode, p *field.Path, v, old any, part, outer *unchangedPart) {
	if n == nil || v == nil { // null is for the rules around it
		return
	}
	c.rules(n, p, v, old, part, outer)
	for _, branch := range n.allOf {
		if c.budget < 0 {
			return
		}
		c.node(branch, p, v, old, nil, outer)
	}
	switch v := v.(type) {
	case []any:
		if n.items != nil {
			c.list(n, p, v, old, part, outer)
		}
	case map[string]any:
		was, _ := old.(map[string]any)
		if n.additional != nil {
			for _, key := range tree.SortedKeys(v) {
				c.member(n.additional, p.Key(key), key, v[key], was[key], part, outer)
			}
		}
		for _, f := range n.fields {
			if e := v[f.name]; e != nil {
				c.member(f.node, p.Child(f.name), f.name, e, was[f.name], part, outer)
			}
		}
	}
}

// member checks a field or a value of a map.
func (c *ruleCheck) member(n *ruleNode, p *field.Path, name string, v, old any, part, outer *unchangedPart) {
	switch {
	case c.budget < 0 || c.full():
		return
	case part == nil:
	case outer == nil && (name == "apiVersion" || name == "kind"):
		// They say what both objects have been converted to, not what was written.
		part = nil
	default:
		part, outer = part.field(name), part
	}
	c.node(n, p, v, old, part, outer)
}

// list checks the items of a list. Only those of a list of type map correspond to old ones, by their keys.
func (c *ruleCheck) list(n *ruleNode, p *field.Path, list []any, old any, part, outer *unchangedPart) {
	was, _ := old.([]any)
	find := n.schema.finder(was, old != nil)
	if part != nil {
		outer = part
	}
	for i, e := range list {
		if c.budget < 0 || c.full() {
			return
		}
		before, found := find(e)
		var item *unchangedPart
		if found && part != nil {
			item = &unchangedPart{node: n.schema.items, value: e, old: before}
		}
		c.node(n.items, p.Index(i), e, before, item, outer)
	}
}

// rules asks the rules of one place.
func (c *ruleCheck) rules(n *ruleNode, p *field.Path, v, old any, part, outer *unchangedPart) {
	switch {
	case n.failure != "":
		c.refuse(n, p, "rule compiler initialization error: "+n.failure)
		return
	case len(n.rules) == 0:
		return
	case c.budget <= 0:
		c.refuse(n, p, outOfBudget)
		c.end()
		return
	}
	c.vars[0] = cel.Of(v, n.typ)
	for i := range n.rules {
		r := &n.rules[i]
		switch {
		case r.failure != "":
			c.refuse(n, p, "rule compile error: "+r.failure)
			continue
		case r.program == nil, r.usesOld && old == nil && !r.optional:
			continue
		}
		c.setOld(n, r, old)
		settled := c.ask(n, r, p)
		if c.budget < 0 {
			return
		}
		if settled {
			continue
		}
		e, ok := c.broken(n, r, p, v)
		tolerated := part
		if part == nil {
			tolerated = outer
		}
		switch {
		case !ok:
			return
		case !r.usesOld && tolerated.isSame(&c.left):
			c.warn(e.String())
		default:
			c.add(e)
		}
	}
}

// setOld sets oldSelf for a rule.
func (c *ruleCheck) setOld(n *ruleNode, r *compiledRule, old any) {
	switch {
	case !r.usesOld:
	case !r.optional:
		c.vars[1] = cel.Of(old, n.typ)
	case old == nil:
		c.vars[1] = cel.None
	default:
		c.vars[1] = cel.Some(cel.Of(old, n.typ))
	}
}

// outOfBudget is told where the rules of an object have cost too much.
const outOfBudget = "validation failed due to running out of cost budget, no further validation rules will be run"

// refuse adds an error of the rules of a place; it shows the type of the place in the place of a value (upstream).
func (c *ruleCheck) refuse(n *ruleNode, p *field.Path, detail string) {
	if !c.full() {
		c.add(field.Invalid(p.String(), n.schema.typeText(), detail))
	}
}

// typeText returns the type of a place as the schema says it, "" where it says none.
func (n *schemaNode) typeText() string {
	if n.intOrString {
		return ""
	}
	return n.types.String()
}

// ask evaluates a rule, and reports whether there is nothing more to say about it: it is true, or it has failed and the error is
// added.
func (c *ruleCheck) ask(n *ruleNode, r *compiledRule, p *field.Path) (settled bool) {
	result, cost := r.program.Eval(c.vars[:], cel.Limit{Cost: c.call, Done: c.done})
	if c.budget -= int64(min(cost, ruleBudget+1)); c.budget < 0 {
		c.refuse(n, p, outOfBudget)
		return true
	}
	err := result.Err()
	if err == nil {
		return result.Bool()
	}
	switch text := err.Error(); {
	case strings.HasPrefix(text, "no such overload"):
		c.refuse(n, p, "'"+text+"': call arguments did not match a supported operator, function or macro signature for rule: "+r.shown())
	case errors.Is(err, cel.ErrBudget):
		c.refuse(n, p, "'"+text+"': no further validation rules will be run due to call cost exceeds limit for rule: "+r.shown())
		c.end()
	default:
		c.refuse(n, p, text+" evaluating rule: "+r.shown())
	}
	return true
}

// broken returns the error of a rule that is false of v. ok is false where its message has used up what there was: that is added,
// and nothing more is asked.
func (c *ruleCheck) broken(n *ruleNode, r *compiledRule, p *field.Path, v any) (e field.Error, ok bool) {
	if r.path != "" {
		p = p.Child(r.path)
	}
	detail := r.failed()
	if r.message != nil {
		text, failure := c.say(r)
		if failure != "" {
			c.refuse(n, p, failure)
			c.end()
			return e, false
		}
		if text != "" {
			detail = text
		}
	}
	at := p.String()
	isWhole := n.schema.types == typeObject || n.schema.types == typeArray
	switch {
	case r.reason == "FieldValueForbidden":
		return field.Forbidden(at, detail), true
	case r.reason == "FieldValueRequired":
		return field.Required(at, detail), true
	case r.reason == "FieldValueDuplicate" && isWhole:
		return field.Error{Reason: r.reason, Message: "Duplicate value", Field: at}, true
	case r.reason == "FieldValueDuplicate":
		return field.Duplicate(at, v), true
	case isWhole:
		return field.Error{Reason: "FieldValueInvalid", Message: "Invalid value: " + detail, Field: at}, true
	}
	return field.Invalid(at, v, detail), true
}

// say evaluates the messageExpression of a rule. It returns "" for one that fails or says nothing that can be shown: the client gets
// the message of the rule then. failure is what the client is told where it costs too much.
func (c *ruleCheck) say(r *compiledRule) (text, failure string) {
	result, cost := r.message.Eval(c.vars[:], cel.Limit{Cost: c.call, Done: c.done})
	if cost > uint64(c.budget) {
		return "", "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
	}
	if errors.Is(result.Err(), cel.ErrBudget) {
		const exceeded = "no further validation rules will be run due to call cost exceeds limit for messageExpression: "
		return "", exceeded + strconv.Quote(r.messageExpression)
	}
	c.budget -= int64(cost)
	text = strings.TrimSpace(result.Str())
	if result.Kind() != cel.String || len(text) > maxRuleMessage || strings.Contains(text, "\n") {
		return "", ""
	}
	return text, ""
}
