package schema

import (
	"strings"

	"apichain/internal/cel"
	"apichain/internal/field"
)

// What a writer of rules wants to see of them, which a server tells only where something is wrong: what each may cost, and what each says
// of an object.

// RuleReport is a rule of a CRD as it was checked.
type RuleReport struct {
	// Path is where it stands in the CRD, Rule its text, and Fault why it does not compile, "" if it does.
	Path, Rule, Fault string
	// Cost is the most that one evaluation may cost, and Times how many there may be in an object.
	Cost, Times uint64
}

// ExplainCRD returns the rules of a CRD that has its defaults, in the order of its versions and in each from the inside out, and what
// CheckCRD says of it. A version whose schema is not good has none.
func ExplainCRD(crd map[string]any) (rules []RuleReport, errs []field.Error) {
	errs = checkCRD(crd, nil, func(at *field.Path, r *compiledRule, times uint64) {
		fault := r.failure
		if fault == "" {
			fault = r.messageFailure
		}
		rules = append(rules, RuleReport{at.String(), strings.TrimSpace(r.rule.rule), fault, r.cost, times})
	})
	return rules, errs
}

// RuleVerdict is what a rule has said of a value.
type RuleVerdict struct {
	// Path is where the value is, "" for the object; Rule is the text; Error why it could not be evaluated, "" if it could.
	Path, Rule, Error string
	Holds             bool
	Cost              uint64
}

// ExplainRules returns what each rule says of obj and its parts, in the order in which they are asked, and what CheckRules would add
// and warn of. old is the object that obj replaces, nil for none.
func (s *Schema) ExplainRules(obj, old map[string]any) (asked []RuleVerdict, errs []field.Error, warnings []string) {
	note := func(p *field.Path, r *compiledRule, v cel.Value, cost uint64) {
		said := RuleVerdict{Rule: strings.TrimSpace(r.rule.rule), Holds: v.Bool(), Cost: cost}
		if p != nil {
			said.Path = p.String()
		}
		if err := v.Err(); err != nil {
			said.Error = err.Error()
		}
		asked = append(asked, said)
	}
	errs = s.checkRules(obj, old, nil, nil, func(text string) { warnings = append(warnings, text) }, note)
	return asked, errs, warnings
}

// RuleEnv returns what a new rule at the root of a schema is compiled against, with the type of self and oldSelf; nil is a schema that
// says nothing.
func RuleEnv(s *Schema) (*cel.Env, *cel.Type) {
	if s == nil {
		return newRules().With([]cel.Variable{{Name: "self", Type: cel.DynType}, {Name: "oldSelf", Type: cel.DynType}}, nil), nil
	}
	root := &ruleScope{node: s.root, resource: true}
	return root.env(false, false), root.celType()
}

// Rules returns the rules of the schema, at most as many as given, each behind its place: spec.items[*]: self != "". None is compiled.
func (s *Schema) Rules(most int) []string {
	var all []string
	s.root.eachRule("", func(place, rule string) bool {
		all = append(all, strings.TrimPrefix(place+": ", ": ")+strings.Join(strings.Fields(rule), " "))
		return len(all) < most
	})
	return all
}

// eachRule calls f with the rules of a place and of all below it, until f returns false, which it then returns too.
func (n *schemaNode) eachRule(place string, f func(place, rule string) bool) bool {
	if n == nil || !n.ruled {
		return true
	}
	if n.rules != nil {
		for i := range n.rules.validations {
			if !f(place, n.rules.validations[i].rule) {
				return false
			}
		}
		for _, branch := range n.rules.allOf {
			if !branch.eachRule(place, f) {
				return false
			}
		}
	}
	for _, x := range n.order {
		if !x.node.eachRule(strings.TrimPrefix(place+"."+x.name, "."), f) {
			return false
		}
	}
	return n.items.eachRule(place+"[*]", f) && n.additional.eachRule(place+"[*]", f)
}
