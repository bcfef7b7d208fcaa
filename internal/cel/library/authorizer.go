package library

import (
	"strings"

	"apichain/internal/cel"
)

// An expression of admission asks whether somebody may do something: the user of the request, or a service account.
//
//	authorizer.group("apps").resource("deployments").namespace("default").name("web").check("update").allowed()
//	authorizer.serviceAccount("kube-system", "default").path("/healthz").check("get").reason()
//
// Each step is a value that is copied and filled, and check asks. Who answers is an Authorizer, which knows the user. A check costs so
// much that an expression has two of them. Values of these types can be called on and nothing else: even == of two is an error.
//
// Refused are a path or a resource that is blank, and names of service accounts that no account could have. A group, a name, a namespace
// may be "", which means the core group, all names, all namespaces. What the authorizer says is no refusal: not allowed, with a reason,
// or an error, which the decision has, so that an expression can decide what it means. Steps cost 1, a selector
// what parsing it may take. Upstream is authz.go of the library of Kubernetes.

// The types of the steps. Upstream has them for messages.
var (
	AuthorizerType    = cel.ObjectOf("kubernetes.authorization.Authorizer")
	PathCheckType     = cel.ObjectOf("kubernetes.authorization.PathCheck")
	GroupCheckType    = cel.ObjectOf("kubernetes.authorization.GroupCheck")
	ResourceCheckType = cel.ObjectOf("kubernetes.authorization.ResourceCheck")
	DecisionType      = cel.ObjectOf("kubernetes.authorization.Decision")
)

// Attributes are what is asked.
type Attributes struct {
	// ServiceAccount is whom it is about, with its Namespace, instead of the user of the request. "" is the user.
	AccountNamespace, ServiceAccount string

	Verb string
	// Path is that of a question about no resource; "" is one about a resource.
	Path string

	Group, Resource, Subresource, Namespace, Name string
	// FieldSelector and LabelSelector are as they are written, and may be wrong. Who authorizes decides what that means.
	FieldSelector, LabelSelector string
}

// Authorizer answers for the user of a request.
type Authorizer interface {
	// Authorize reports whether it is allowed, why, and what went wrong while that was asked. It is called by several at once.
	Authorize(a Attributes) (allowed bool, reason string, err error)
}

// question is the value of all steps before a decision.
type question struct {
	Attributes
	who Authorizer
}

// decision is the answer.
type decision struct {
	allowed bool
	reason  string
	err     error
}

// Equal is an error.
func (q question) Equal(cel.Value) cel.Value { return cel.NoSuchOverload() }

// Size is 1: questions have no length.
func (q question) Size() uint64 { return 1 }

// Equal is an error.
func (d decision) Equal(cel.Value) cel.Value { return cel.NoSuchOverload() }

// Size is 1.
func (d decision) Size() uint64 { return 1 }

// AuthorizerValue returns the value of the variable authorizer.
func AuthorizerValue(who Authorizer) cel.Value {
	return cel.OpaqueValue(AuthorizerType, question{who: who})
}

// ResourceValue returns the value of authorizer.requestResource: a question about a resource, of which all but the verb is known.
func ResourceValue(who Authorizer, a Attributes) cel.Value {
	return cel.OpaqueValue(ResourceCheckType, question{Attributes: a, who: who})
}

// step makes a function that fills something of a question and may refuse. A part that is set twice has what was set last. What one type
// of step lacks, the types do not let anybody call: there is no check without a path or a resource.
func step(name, id string, from, to *cel.Type, fill func(q *question, text string) (wrong string)) cel.Function {
	return cel.Function{Name: name, Overloads: []cel.Overload{two(member(id, to, from, cel.StringType), func(a, b cel.Value) cel.Value {
		// The question is a copy: steps of one may go on in several ways.
		q, ok := a.Ref().(question)
		if !ok {
			return cel.NoSuchOverload()
		}
		if wrong := fill(&q, b.Str()); wrong != "" {
			return cel.Failf("%s", wrong)
		}
		return cel.OpaqueValue(to, q)
	})}}
}

// blank returns an error for a text that says nothing.
func blank(what, text string) string {
	if strings.TrimSpace(text) == "" {
		return what + " must not be empty"
	}
	return ""
}

// ask is check: of a path or of a resource. Each call asks anew; an authorizer that is slow is bounded by its price, of which an expression
// can pay two.
func ask(a, verb cel.Value) cel.Value {
	q, ok := a.Ref().(question)
	if !ok {
		return cel.NoSuchOverload()
	}
	q.Verb = verb.Str()
	// An error of the authorizer is a part of the answer, and none of the expression.
	var d decision
	d.allowed, d.reason, d.err = q.who.Authorize(q.Attributes)
	return cel.OpaqueValue(DecisionType, d)
}

// answer makes a function of a decision.
func answer(name, id string, result *cel.Type, f func(decision) cel.Value) cel.Function {
	return cel.Function{Name: name, Overloads: []cel.Overload{one(member(id, result, DecisionType), func(v cel.Value) cel.Value {
		d, ok := v.Ref().(decision)
		if !ok {
			return cel.NoSuchOverload()
		}
		return f(d)
	})}}
}

// checkCost is what a check costs.
const checkCost = 350_000

// serviceAccount changes whom a question is about.
//
//go:noinline
func serviceAccount(n names) func(args []cel.Value) cel.Value {
	return func(args []cel.Value) cel.Value {
		q, ok := args[0].Ref().(question)
		if !ok {
			return cel.NoSuchOverload()
		}
		// Names are checked here already, since an authorizer would make a user of anything.
		if len(n.subdomain(args[2].Str())) > 0 {
			return cel.Failf("Invalid service account name")
		}
		if len(n.label(args[1].Str())) > 0 {
			return cel.Failf("Invalid service account namespace")
		}
		q.AccountNamespace, q.ServiceAccount = args[1].Str(), args[2].Str()
		return cel.OpaqueValue(AuthorizerType, q)
	}
}

// Authz has all steps but selectors.
func Authz() *cel.Library {
	a, r, s := AuthorizerType, ResourceCheckType, cel.StringType
	return &cel.Library{
		Name:     "kubernetes.authz",
		Equality: equality(AuthorizerType, PathCheckType, GroupCheckType, ResourceCheckType, DecisionType),
		Functions: []cel.Function{
			step("path", "authorizer_path", a, PathCheckType, func(q *question, text string) string {
				q.Path = text
				return blank("path", text)
			}),
			step("group", "authorizer_group", a, GroupCheckType, func(q *question, text string) string {
				q.Group = text
				return ""
			}),
			{Name: "serviceAccount", Overloads: []cel.Overload{
				more(member("authorizer_serviceaccount", a, a, s, s), serviceAccount(newNames())),
			}},
			step("resource", "groupcheck_resource", GroupCheckType, r, func(q *question, text string) string {
				q.Resource = text
				return blank("resource", text)
			}),
			step("subresource", "resourcecheck_subresource", r, r, func(q *question, text string) string {
				q.Subresource = text
				return ""
			}),
			step("namespace", "resourcecheck_namespace", r, r, func(q *question, text string) string {
				q.Namespace = text
				return ""
			}),
			step("name", "resourcecheck_name", r, r, func(q *question, text string) string {
				q.Name = text
				return ""
			}),
			{Name: "check", Cost: func([]cel.Value, cel.Value) uint64 { return checkCost },
				Estimate: func([]cel.Node) (cel.Range, *cel.Range) { return cel.Exactly(checkCost), nil },
				Overloads: []cel.Overload{
					two(member("pathcheck_check", DecisionType, PathCheckType, s), ask),
					two(member("resourcecheck_check", DecisionType, r, s), ask),
				}},
			answer("errored", "decision_errored", cel.BoolType, func(d decision) cel.Value { return cel.BoolOf(d.err != nil) }),
			answer("error", "decision_error", s, func(d decision) cel.Value {
				if d.err == nil {
					return cel.StringOf("")
				}
				return cel.StringOf(d.err.Error())
			}),
			answer("allowed", "decision_allowed", cel.BoolType, func(d decision) cel.Value { return cel.BoolOf(d.allowed) }),
			answer("reason", "decision_reason", s, func(d decision) cel.Value { return cel.StringOf(d.reason) }),
		},
	}
}

// AuthzSelectors has the selectors of a question.
func AuthzSelectors() *cel.Library {
	selector := func(name, id string, set func(q *question, text string)) cel.Function {
		f := step(name, id, ResourceCheckType, ResourceCheckType, func(q *question, text string) string {
			set(q, text)
			return ""
		})
		f.Cost = func(args []cel.Value, _ cel.Value) uint64 { return selectorCost(cel.Exactly(args[1].Size())).Max }
		f.Estimate = func(args []cel.Node) (cel.Range, *cel.Range) { return selectorCost(args[1].Size()), nil }
		return f
	}
	return &cel.Library{Name: "kubernetes.authzSelectors", Functions: []cel.Function{
		selector("fieldSelector", "authorizer_fieldselector", func(q *question, text string) { q.FieldSelector = text }),
		selector("labelSelector", "authorizer_labelselector", func(q *question, text string) { q.LabelSelector = text }),
	}}
}

// selectorCost is that of a list, and for each two characters, the shortest requirement, of a message and a list.
func selectorCost(length cel.Range) cel.Range {
	return cel.Exactly(newList).Plus(length.Scale(perByte)).Plus(length.Scale(0.5).Scale(newList + newStruct))
}
