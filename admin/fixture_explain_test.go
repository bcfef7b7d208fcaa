package admin

import "testing"

// reached is a path of the fake program whose request reaches a handler.
const reached = "/version"

// Explain gives the contract's example, whatever is asked, but for reached. The question
// is kept.
func (f *fake) Explain(q ExplainRequest) (Explanation, *Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = q
	e := f.explanation
	if q.Path == reached {
		server := "aggregator"
		e.Server, e.ReachesHandler, e.WouldAnswer, e.NearMisses = &server, true, nil, nil
		e.Steps = append(e.Steps[:2:2], Step{Stage: "container", Name: server, Decision: "passed", Why: "registered at core.go:20", Rule: reached})
		e.Route = &RouteRef{"aggregator:container:GET:/version", "core.go:20", "main.versionService.func1", "getCodeVersion"}
	}
	return e, f.refusesToExplain
}

// exampleExplanation reads the example.
func exampleExplanation(t testing.TB) (e Explanation) {
	t.Helper()
	example(t, "explain", &e)
	return e
}
