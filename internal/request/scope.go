package request

import (
	"context"
	"time"
)

// Scope is what the context of a request knows besides deadlines: what is asked for, who asks,
// and where warnings go. The serving program's record of the request implements it, and is the
// context itself, so that asking for it costs one Value call and no allocation. Its methods may
// be called from any goroutine of the request once the chain has resolved what they return.
type Scope interface {
	// RequestInfo returns what the request is about. It is never nil, and the caller must not
	// change it.
	RequestInfo() *Info
	// ActingUser returns who the request acts as. It is never nil, and has no name before
	// authentication. The caller must not change it.
	ActingUser() *User
	// Warn puts a Warning header with the agent ("-" when empty) and the text on the answer, if
	// its header is not written yet.
	Warn(agent, text string)
	// Annotate sets an annotation of the request's audit event, where one is written. One that says
	// what was in a body, withBody, is left out of events that have none.
	Annotate(key, value string, withBody bool)
	// Spend adds to the time that the request has spent in others' hands.
	Spend(in Part, took time.Duration)
}

// Part is whom a request has waited for beside its own handler.
type Part int

// The parts, in the order in which they are shown.
const (
	// InWebhooks is the time in admission webhooks: that of the slowest where several are asked at once.
	InWebhooks Part = iota
	// InConversion is the time in conversion webhooks.
	InConversion
	// InRules is the time in what the server evaluates for others: validation rules of definitions, policies, conditions of webhooks.
	InRules
	// InProxy is the time until the header of an aggregated server's answer is there.
	InProxy
	// Parts is how many there are.
	Parts
)

// scopeKey asks a context for its Scope.
type scopeKey struct{}

// IsKey reports whether a context is asked for its Scope: a record that is a context answers
// Value(key) with itself then.
func IsKey(key any) bool {
	_, ok := key.(scopeKey)
	return ok
}

// From returns the Scope of ctx. Outside of a request, as in a controller or a test, it is an
// empty one: no resource, nobody, and warnings go nowhere.
//
//go:noinline
func From(ctx context.Context) Scope {
	if s, ok := ctx.Value(scopeKey{}).(Scope); ok {
		return s
	}
	return noScope{}
}

// noScope is the Scope of what is no request.
type noScope struct{}

func (noScope) RequestInfo() *Info { return &Info{} }
func (noScope) ActingUser() *User  { return &User{} }
func (noScope) Warn(_, _ string)   {}

func (noScope) Annotate(_, _ string, _ bool) {}
func (noScope) Spend(Part, time.Duration)    {}

// With returns a context in which From finds s: for those who have no record of their own.
func With(ctx context.Context, s Scope) context.Context { return scoped{ctx, s} }

// scoped is a context that has a Scope beside what its parent knows.
type scoped struct {
	context.Context
	scope Scope
}

func (c scoped) Value(key any) any {
	if IsKey(key) {
		return c.scope
	}
	return c.Context.Value(key)
}
