package schema

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The rules of a CRD when it is written: each has to compile, and none may cost too much. What an evaluation costs at most is known
// from the schema, whose lists, maps and texts have limits or are as large as a request may be; a rule below a list is evaluated as
// often as the list may have items.
//
//	spec: {type: array, items: {type: string, x-kubernetes-validations: [{rule: self.contains('x')}]}}
//
//	  one evaluation    a text of 3 MiB, read once      314,574
//	  as often as       items of 2 bytes fit into 3 MiB 1,048,576
//	  together          more than 100 times maxRuleCost: refused, until maxItems and maxLength are there
//
// A schema that an update leaves as it was keeps rules that cost too much, and an expression that the CRD had already is read as it
// was read then (upstream), so that a CRD stays writable when a later version of the program knows better.

const (
	// maxRuleCost is the most that one rule of a schema may cost, at all of its places in an object, and maxRulesCost all together.
	maxRuleCost  = 10_000_000
	maxRulesCost = 100_000_000
	// maxExpensive is how many rules are named where all together cost too much: those that make up a hundredth of maxRulesCost.
	maxExpensive = 4
)

// rulesCheck checks the rules of one schema of a CRD.
type rulesCheck struct {
	crdErrors
	// stored reports whether the CRD had an expression before.
	stored func(text string, message bool) bool
	// unchanged reports whether the schema is as it was.
	unchanged func() bool
	// note, if it is not nil, is told of each rule and how often it may be asked in one object.
	note func(at *field.Path, r *compiledRule, times uint64)

	total     uint64
	expensive []expensiveRule // the most expensive first
}

// expensiveRule is where an expression stands that costs much.
type expensiveRule struct {
	at   string
	cost uint64
}

// placeTimes is how often there may be values of a place in one object; unbounded says that the schema leaves that open.
type placeTimes struct {
	times     uint64
	unbounded bool
}

// rulePlace is a place of the schema of a CRD on the way of the keyword check. nil is a place where no rules are compiled: below
// not, allOf, anyOf and oneOf, and in a schema that is not good.
type rulePlace struct {
	*ruleScope
	placeTimes
}

// field returns the place of a field.
func (p *rulePlace) field(name string) *rulePlace {
	if p == nil || p.node.fields[name] == nil {
		return nil
	}
	return &rulePlace{p.ruleScope.field(name, p.node.fields[name]), p.below()}
}

// element returns the place of items or of additional properties, whose schema is n.
func (p *rulePlace) element(n *schemaNode) *rulePlace {
	if n == nil {
		return nil
	}
	return &rulePlace{p.ruleScope.element(n), p.below()}
}

// items and additional return the places of what is in a list or a map.
func (p *rulePlace) items() *rulePlace {
	if p == nil {
		return nil
	}
	return p.element(p.node.items)
}

func (p *rulePlace) additional() *rulePlace {
	if p == nil {
		return nil
	}
	return p.element(p.node.additional)
}

// below returns how often there may be what is in the place.
func (p *rulePlace) below() placeTimes {
	limit, r := int64(1), p.node.rules
	if r == nil {
		r = noRules()
	}
	switch {
	case p.node.types == typeArray:
		limit = r.maxItems
	case p.node.types == typeObject && p.node.extra != extraUnknown:
		limit = r.maxProperties
	}
	if p.unbounded || limit < 0 {
		return placeTimes{unbounded: true}
	}
	return placeTimes{times: timesOrMost(p.times, uint64(limit))}
}

// timesOrMost multiplies; what does not fit is the most there is.
func timesOrMost(a, b uint64) uint64 {
	if a != 0 && math.MaxUint64/a < b {
		return math.MaxUint64
	}
	return a * b
}

// check compiles the rules of one place, whose list is at p and given as the CRD has it. uncorrelated is the outermost place around
// it whose parts cannot be told apart from one object to the next, nil if there is none.
func (c *rulesCheck) check(p *field.Path, place *rulePlace, given []any, uncorrelated *field.Path) {
	if !place.node.hasRules() || c.full() {
		return
	}
	self := place.celType()
	if self == nil {
		c.add(field.Error{Reason: "InternalError", Field: p.String(), Message: "Internal error: internal error: failed to construct type " +
			"information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations"})
		return
	}
	times := place.times
	if place.unbounded {
		// As many as fit into a request, with a comma between them.
		times = maxRequestSize / (self.Min + 1)
	}
	for i := range place.node.rules.validations {
		r, at := place.compile(&place.node.rules.validations[i], c.stored), p.Index(i)
		if c.note != nil {
			c.note(at, &r, times)
		}
		c.cost(at.Child("rule"), "estimated rule cost", timesOrMost(r.cost, times))
		if r.failure != "" {
			c.add(field.Invalid(at.Child("rule").String(), shownRule(given[i]), r.failure))
		}
		switch {
		case r.messageFailure != "":
			c.add(field.Invalid(at.Child("messageExpression").String(), shownRule(given[i]), r.messageFailure))
		case r.message != nil:
			c.cost(at.Child("messageExpression"), "estimated messageExpression cost", r.messageCost)
		}
		optional := tree.At(given[i], "optionalOldSelf")
		switch {
		case r.usesOld && uncorrelated != nil:
			detail := "oldSelf cannot be used on the uncorrelatable portion of the schema within " + uncorrelated.String()
			c.invalid(at.Child("rule"), r.rule.rule, detail)
		case !r.usesOld && optional != nil:
			c.invalid(at.Child("optionalOldSelf"), optional, "may not be set if oldSelf is not used in rule")
		}
	}
}

// cost counts what an expression costs at most, and refuses it if that is too much.
func (c *rulesCheck) cost(at *field.Path, what string, cost uint64) {
	if cost > maxRuleCost && !c.unchanged() {
		c.forbidden(at, tooExpensive(what, cost, maxRuleCost))
	}
	if c.total += cost; c.total < cost {
		c.total = math.MaxUint64
	}
	if cost < maxRulesCost/100 {
		return
	}
	c.expensive = append(c.expensive, expensiveRule{at.String(), cost})
	sort.SliceStable(c.expensive, func(i, j int) bool { return c.expensive[i].cost > c.expensive[j].cost })
	c.expensive = c.expensive[:min(len(c.expensive), maxExpensive)]
}

// all refuses the rules of the schema at p if they cost too much together.
func (c *rulesCheck) all(p *field.Path) {
	if c.total <= maxRulesCost {
		return
	}
	for _, e := range c.expensive {
		c.add(field.Forbidden(e.at, "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"))
	}
	c.forbidden(p, tooExpensive("x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema", c.total, maxRulesCost))
}

// tooExpensive says by how much something costs more than it may.
func tooExpensive(what string, cost, limit uint64) string {
	factor := float64(cost) / float64(limit)
	text := fmt.Sprintf("%.1fx", factor)
	switch {
	case factor > 100:
		text = "more than 100x"
	case factor < 1.5: // or it would look like 1.0
		text = fmt.Sprintf("%fx", factor)
	}
	return what + " exceeds budget by factor of " + text + " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength " +
		"where arrays, maps, and strings are declared)"
}

// shownRule returns a rule as upstream's errors show it, which is its internal form.
func shownRule(r any) field.JSON {
	b := []byte("{")
	for i, name := range [...]string{"Rule", "Message", "MessageExpression", "Reason", "FieldPath", "OptionalOldSelf"} {
		v := tree.At(r, strings.ToLower(name[:1])+name[1:])
		if v == nil && name != "Reason" && name != "OptionalOldSelf" {
			v = ""
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
		b = tree.AppendJSON(b, v)
	}
	return field.JSON(strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(string(append(b, '}'))))
}

// storedExpressions returns a function that reports whether a spec has an expression of a message, or of a rule, anywhere in its schemas.
// They are collected when it is called first.
func storedExpressions(spec map[string]any) func(text string, message bool) bool {
	collect := sync.OnceValue(func() map[bool]map[string]bool {
		found := map[bool]map[string]bool{false: {}, true: {}}
		for _, v := range tree.List(spec, "versions") {
			walkSchema(tree.Object(v, "schema", "openAPIV3Schema"), func(s map[string]any) {
				for _, r := range tree.List(s, "x-kubernetes-validations") {
					found[false][tree.Text(r, "rule")] = true
					found[true][tree.Text(r, "messageExpression")] = true
				}
			})
		}
		return found
	})
	return func(text string, message bool) bool { return spec != nil && collect()[message][text] }
}

// hasSameSchema reports whether the version of a name has the same schema in the CRD that is replaced.
func (c *crdCheck) hasSameSchema(name string) bool {
	of := func(v any) any { return tree.At(v, "schema") }
	i := slices.IndexFunc(tree.List(c.spec, "versions"), func(v any) bool { return tree.Text(v, "name") == name })
	old := c.oldVersion(name)
	return old != nil && i >= 0 && tree.Equal(of(tree.List(c.spec, "versions")[i]), of(old))
}

// byRules adds what the rules of n, the schema at p, have against a default that is good otherwise. It is looked at as what is
// new and as what replaces itself, since rules may tell these apart.
func (c *defaultCheck) byRules(p *field.Path, n *schemaNode, def any) {
	if !n.ruled || c.budget < 0 {
		return
	}
	node, known := c.compiled[n]
	if !known {
		node = newRuleNode(&ruleScope{node: n, resource: n.embedded})
		c.compiled[n] = node
	}
	left := c.budget
	for _, old := range []any{def, nil} {
		q := ruleCheck{budget: c.budget, call: ruleCallCost}
		q.node(node, p, def, old, nil, nil)
		c.addAll(q.errs)
		if left = min(left, q.budget); len(q.errs) > 0 {
			break
		}
	}
	c.budget = left
}
