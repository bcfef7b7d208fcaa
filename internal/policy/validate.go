package policy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/cel"
	"apichain/internal/expression"
	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// A validating policy is evaluated once for each of its bindings and each object of parameters of that. All policies are evaluated, and the
// first refusal is the answer; what others would refuse is seen in warnings and the audit log, as far as their bindings say so.
//
//	policy that is about the write ─► binding that is ─► params ─► conditions ─► validations ─► decisions ─► Deny: the answer
//	                                                                             messages                    Warn: a warning
//	                                                                             audit annotations           Audit: an annotation

// validation is a rule that must hold.
type validation struct {
	rule, message *expression.Expression
	// text is the message where there is no expression of one, or none that can be said.
	text   string
	reason string
}

// annotation is one of the audit event.
type annotation struct {
	key   string
	value *expression.Expression
}

// newValidation compiles a validation.
func newValidation(u *expression.Unit, v any, d expression.Declared) validation {
	x := validation{text: strings.TrimSpace(tree.Text(v, "message")), reason: tree.Text(v, "reason")}
	x.rule = u.Compile(tree.Text(v, "expression"), d, true, cel.BoolType)
	if text := tree.Text(v, "messageExpression"); text != "" {
		x.message = u.Compile(text, expression.Declared{Params: d.Params}, true, cel.StringType)
	}
	return x
}

// decision is what came of a validation with one object of parameters.
type decision struct {
	// index is the place of the validation in the policy.
	index int
	// denies says that it is a failure for the actions of the binding; isError that an expression could not be evaluated; isFinal that
	// it refuses the write whatever the actions are.
	denies, isError, isFinal bool
	message, reason          string
	took                     time.Duration
}

// denial is a decision for which a binding wants the write refused. binding is "" for what is wrong with the policy itself.
type denial struct {
	policy, binding, message, reason string
}

// verdict collects what the policies say of one question.
type verdict struct {
	*question
	first    *denial
	failures []failure // for the annotation
}

// Validate implements admission.Party.
func (p *Policies) Validate(ctx context.Context, a api.Admission) error {
	t := p.now.Load()
	if t == nil || p.isOwn(&a) {
		return nil
	}
	v := verdict{question: p.ask(ctx, &a, t)}
	plan := v.plan()
	for i := range plan {
		if err := v.judge(ctx, &plan[i]); err != nil {
			return err
		}
		// A hundred policies that burn what they may would take as many seconds.
		if ctx.Err() != nil {
			return errTimeout
		}
	}
	v.annotate()
	if v.first == nil {
		return nil
	}
	return v.first.refusal(&a)
}

// judge evaluates a policy with all its bindings. The error is the client's.
func (v *verdict) judge(ctx context.Context, x *planned) error {
	into, err := v.match(&x.ways)
	if err == nil && into == nil {
		return nil
	}
	var resource *api.Resource
	if err == nil {
		resource, err = v.p.paramResource(x.policy)
	}
	if err != nil {
		v.misconfigured(x.policy, nil, err)
		return nil
	}
	var notes annotations
	for i := range x.bindings {
		b := &x.bindings[i]
		of, err := v.match(&b.ways)
		if err == nil && of == nil {
			continue
		}
		var params []map[string]any
		if err == nil {
			params, err = v.p.params(ctx, resource, b.params, v.Within)
		}
		if err != nil {
			v.misconfigured(x.policy, b.binding, err)
			continue
		}
		var f *form
		if len(params) > 0 {
			if f, err = v.as(ctx, into); err != nil {
				v.misconfigured(x.policy, b.binding, errors.New("failed to convert object version: "+err.Error()))
				continue
			}
		}
		// A namespace that is gone fails the write, whatever the policy is about.
		if err := v.findNamespace(ctx); err != nil {
			return err
		}
		for _, param := range params {
			v.evaluate(ctx, b.binding, &evaluation{v.question, x.policy, x.program(), f, param}, &notes)
			if ctx.Err() != nil {
				return errTimeout
			}
		}
	}
	notes.publish(v.question, x.name)
	return nil
}

// evaluate evaluates a policy with a binding and one object of parameters.
func (v *verdict) evaluate(ctx context.Context, b *binding, e *evaluation, notes *annotations) {
	begun := time.Now()
	decisions := e.judge(ctx, notes)
	v.Scope.Spend(request.InRules, time.Since(begun))
	for i := range decisions {
		v.decide(e.policy, b, &decisions[i])
	}
}

// decide does about a decision what the binding says.
func (v *verdict) decide(x *policy, b *binding, d *decision) {
	switch {
	case d.isFinal:
		v.deny(x, b, d)
		return
	case !d.denies:
		if d.isError {
			v.p.counts[api.Validating].count(x.name, b.name, "allow", d)
		}
		return
	}
	for _, action := range b.actions {
		switch action {
		case "Deny":
			v.deny(x, b, d)
		case "Audit":
			v.p.counts[api.Validating].count(x.name, b.name, "audit", d)
			v.failures = append(v.failures, failure{*d, x, b})
		case "Warn":
			v.p.counts[api.Validating].count(x.name, b.name, "warn", d)
			v.Scope.Warn("", "Validation failed for ValidatingAdmissionPolicy '"+x.name+"' with binding '"+b.name+"': "+d.message)
		}
	}
}

// deny refuses the write, unless it is refused already.
func (v *verdict) deny(x *policy, b *binding, d *decision) {
	v.p.counts[api.Validating].count(x.name, b.name, "deny", d)
	if v.first == nil {
		v.first = &denial{x.name, b.name, d.message, d.reason}
	}
}

// misconfigured refuses the write because a policy, or with b a binding, cannot be used, unless it may fail.
func (v *verdict) misconfigured(x *policy, b *binding, err error) {
	if x.failsOpen || v.first != nil {
		return
	}
	v.first = &denial{policy: x.name, message: "failed to configure policy: " + err.Error()}
	if b != nil {
		v.first.binding, v.first.message = b.name, "failed to configure binding: "+err.Error()
	}
}

// refusal returns the answer to the client.
func (d *denial) refusal(a *api.Admission) *status.Error {
	why := "ValidatingAdmissionPolicy '" + d.policy + "' "
	if d.binding != "" {
		why += "with binding '" + d.binding + "' "
	}
	why += "denied request: " + d.message
	e := a.Forbidden(why)
	e.Reason, e.Code = "Invalid", http.StatusUnprocessableEntity
	switch d.reason {
	case "Forbidden":
		e.Reason, e.Code = d.reason, http.StatusForbidden
	case "Unauthorized":
		e.Reason, e.Code = d.reason, http.StatusUnauthorized
	case "RequestEntityTooLarge":
		e.Reason, e.Code = d.reason, http.StatusRequestEntityTooLarge
	case "":
	default:
		e.Reason = d.reason
	}
	e.Details.Causes = append(e.Details.Causes, field.Error{Message: why})
	return e
}

// annotate puts the failures into the audit event that bindings want there.
func (v *verdict) annotate() {
	// More would make events of any size (upstream).
	const most = 50
	if len(v.failures) == 0 {
		return
	}
	b := []byte("[")
	for i, f := range v.failures[:min(most, len(v.failures))] {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.append(b)
	}
	v.Scope.Annotate("validation.policy.admission.k8s.io/validation_failure", string(append(b, ']')), false)
}

// internalError returns upstream's 500 for what goes wrong in the server itself.
func internalError(why error) *status.Error {
	return &status.Error{
		Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + why.Error(),
		Details: &status.Details{Causes: []field.Error{{Message: why.Error()}}},
	}
}
