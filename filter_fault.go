package main

// faultControl is the rules of fault injection.
type faultControl struct{ control }

// fault is what a rule does to one exchange; nil: nothing.
type fault struct{}

// faultInjection answers, delays or cuts what a rule of /admin/v1/faults matches.
func faultInjection(p *program) filter {
	return filter{idle: func() string { return "no rule is set" }, wrap: func(next handler) handler { return next }}
}
