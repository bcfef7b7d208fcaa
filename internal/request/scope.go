package request

import "context"

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
}

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
