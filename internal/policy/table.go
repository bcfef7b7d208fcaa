package policy

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"apichain/internal/api"
	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/matching"
	"apichain/internal/selector"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The table of all policies that have bindings, in the order of their names, and so are their bindings (upstream has none, so that of
// several refusals another one is told each time). Whose rules are about requests of a shape is found once, when the first one
// comes, and kept as a plan until a policy or a binding changes:
//
//	CREATE of pods    ──► policy a   with bindings x and z        y is of nodes alone
//	                      policy c   as pods.v2, with binding u
//
// A request then looks at the names, the selectors and the conditions, in the order in which upstream does.

// table is the policies of a moment. Of it only plans change.
type table struct {
	policies [2][]placed
	// selectors are all that there are.
	selectors matching.Selectors
	plans     matching.Plans[planned]
}

// placed is a policy or a binding in a table, which gives numbers to its selectors.
type placed struct {
	*policy
	numbers  numbers
	bindings []bound
}

// bound is a binding of a policy.
type bound struct {
	*binding
	numbers numbers
}

// numbers are those of the selectors of a place.
type numbers struct{ namespaces, objects int32 }

// planned is a policy whose rules are about a shape, with those of its bindings whose rules are.
type planned struct {
	*policy
	ways
	bindings []plannedBinding
}

// plannedBinding is a binding whose rules are about a shape.
type plannedBinding struct {
	*binding
	ways
}

// ways is how constraints are about the requests of a shape.
type ways struct {
	numbers
	// isAll says that there are no rules, and so all requests are meant, as they are.
	isAll          bool
	into, excluded []matching.Way
}

// policy is what was made of an object. It never changes.
type policy struct {
	name string
	rev  int64
	constraints
	// paramVersion and paramKind name the kind of its parameters, "" for none.
	paramVersion, paramKind string
	// failsOpen lets a write pass if an expression cannot be evaluated.
	failsOpen bool
	// program is what its expressions are, compiled when the first request comes that needs them.
	program func() *program
}

// program is the expressions of a policy. It never changes.
type program struct {
	unit        *expression.Unit
	conditions  *expression.Conditions
	validations []validation
	annotations []annotation
	// mutations are those of a mutating policy.
	mutations mutations
}

// binding is what was made of an object. It never changes.
type binding struct {
	name, policy string
	rev          int64
	constraints
	params *paramRef
	// actions are what is done about a failure, as they stand in the object: Deny, Warn, Audit.
	actions []string
}

// constraints say which requests a policy or a binding is about.
type constraints struct {
	rules, excluded matching.Rules
	// selects are the selectors of the namespace and of the object.
	selects [2]selector.Labels
}

func (p *policy) revision() int64  { return p.rev }
func (b *binding) revision() int64 { return b.rev }

// newPolicy makes what is asked of the object of a policy. What cannot be read there was checked when it was written.
func newPolicy(phase api.Phase, o *store.Object) *policy {
	obj := o.Decode()
	spec := tree.Object(obj, "spec")
	p := &policy{
		name: tree.Name(obj), rev: o.Rev, constraints: newConstraints(tree.Object(spec, "matchConstraints")),
		paramVersion: tree.Text(spec, "paramKind", "apiVersion"), paramKind: tree.Text(spec, "paramKind", "kind"),
		failsOpen: tree.Text(spec, "failurePolicy") == "Ignore",
	}
	p.program = sync.OnceValue(func() *program { return p.compile(phase, spec) })
	return p
}

// compile compiles the expressions of a policy.
func (p *policy) compile(phase api.Phase, spec map[string]any) *program {
	x := &program{unit: expression.NewUnit(true)}
	d := expression.Declared{Params: p.paramKind != "", Authorizer: true}
	for _, v := range tree.List(spec, "variables") {
		x.unit.Variable(tree.Text(v, "name"), tree.Text(v, "expression"), d, true)
	}
	x.conditions = expression.NewConditions(x.unit, tree.List(spec, "matchConditions"), d)
	if phase == api.Mutating {
		x.mutations = newMutations(x.unit, spec, d)
		return x
	}
	for _, v := range tree.List(spec, "validations") {
		x.validations = append(x.validations, newValidation(x.unit, v, d))
	}
	for _, v := range tree.List(spec, "auditAnnotations") {
		text := tree.Text(v, "valueExpression")
		value := x.unit.Compile(text, d, true, cel.StringType, cel.NullType)
		x.annotations = append(x.annotations, annotation{tree.Text(v, "key"), value})
	}
	return x
}

// newBinding makes what is asked of the object of a binding.
func newBinding(o *store.Object) *binding {
	obj := o.Decode()
	spec := tree.Object(obj, "spec")
	return &binding{
		name: tree.Name(obj), rev: o.Rev, policy: tree.Text(spec, "policyName"),
		constraints: newConstraints(tree.Object(spec, "matchResources")),
		params:      newParamRef(tree.Object(spec, "paramRef")), actions: tree.Strings(tree.List(spec, "validationActions")),
	}
}

// newConstraints reads constraints, nil for those of a binding that has none.
func newConstraints(obj map[string]any) (c constraints) {
	exact := tree.Text(obj, "matchPolicy") != "Equivalent"
	c.rules = matching.NewRules(tree.List(obj, "resourceRules"), exact)
	c.excluded = matching.NewRules(tree.List(obj, "excludeResourceRules"), exact)
	c.selects[0], _ = selector.FromObject(tree.Object(obj, "namespaceSelector"))
	c.selects[1], _ = selector.FromObject(tree.Object(obj, "objectSelector"))
	return c
}

// number gives the selectors of constraints numbers.
func (c *constraints) number(s *matching.Selectors) numbers {
	return numbers{s.Number(c.selects[0]), s.Number(c.selects[1])}
}

// newTable returns the table of all policies that have a binding, nil for none, which is what a write then finds at once.
func newTable(policies [2]map[string]*policy, bindings [2]map[string]*binding) *table {
	t := &table{}
	for phase := range policies {
		of := map[string][]bound{}
		for _, name := range slices.Sorted(maps.Keys(bindings[phase])) {
			b := bindings[phase][name]
			if policies[phase][b.policy] != nil {
				of[b.policy] = append(of[b.policy], bound{b, b.number(&t.selectors)})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(of)) {
			p := policies[phase][name]
			t.policies[phase] = append(t.policies[phase], placed{p, p.number(&t.selectors), of[name]})
		}
	}
	if len(t.policies[0])+len(t.policies[1]) == 0 {
		return nil
	}
	return t
}

// plan returns the policies whose rules are about a shape, in order. Nobody may change it.
func (t *table) plan(s matching.Shape) []planned { return t.plans.Of(s, t.newPlan) }

// newPlan looks at all rules.
func (t *table) newPlan(s matching.Shape) (plan []planned) {
	for _, p := range t.policies[s.Phase] {
		into, ok := p.policy.ways(s, p.numbers)
		if !ok || into.isAll { // a policy without rules is none
			continue
		}
		of := planned{policy: p.policy, ways: into}
		for _, b := range p.bindings {
			if into, ok := b.ways(s, b.numbers); ok {
				of.bindings = append(of.bindings, plannedBinding{b.binding, into})
			}
		}
		plan = append(plan, of)
	}
	return plan
}

// ways returns how constraints are about requests of a shape; ok is whether they are about any.
func (c *constraints) ways(s matching.Shape, n numbers) (w ways, ok bool) {
	w = ways{numbers: n, isAll: len(c.rules.List) == 0, into: c.rules.Ways(s), excluded: c.excluded.Ways(s)}
	isNone := slices.ContainsFunc(w.excluded, func(w matching.Way) bool { return len(w.Names) == 0 })
	return w, (w.isAll || len(w.into) > 0) && !isNone
}

// Wants implements admission.Party: it reports whether the rules of a policy are about the operation and the resource, or another form of
// it.
func (p *Policies) Wants(phase api.Phase, r *api.Resource, subresource, operation string) bool {
	t := p.now.Load()
	// In the order of their cost, and of how many writes each of them ends.
	if t == nil || len(t.policies[phase]) == 0 || isExempt(r) {
		return false
	}
	// A delete brings nothing to change.
	if phase == api.Mutating && operation == api.OperationDelete {
		return false
	}
	return len(t.plan(matching.Shape{Phase: phase, Resource: r, Subresource: subresource, Operation: operation})) > 0
}

// isExempt reports whether no policy is about a resource: those that are policies, so that one cannot keep itself from being mended.
// Reviews, which upstream exempts too, are not asked about at all.
func isExempt(r *api.Resource) bool {
	return r.Group == "admissionregistration.k8s.io" && strings.Contains(r.Plural, "admissionpolic")
}
