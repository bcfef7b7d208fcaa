package main

// dryRun is the explanation of a request that no client has sent; nil on a real one.
type dryRun struct{}

// because says, in a dry run, why the filter that x is in lets it pass or answers it,
// and by which flag, rule or pattern. On a real request it does nothing.
func (x *exchange) because(why, rule string) {
	if x.dry == nil {
		return
	}
}
