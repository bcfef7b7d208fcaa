package policy

import (
	"apichain/internal/cel"
)

// authority is what expressions ask about who may do what, for one question.
type authority struct {
	made              bool
	authorizer, asked cel.Value
}

// values returns the values of authorizer and authorizer.requestResource.
func (a *authority) values(q *question) (authorizer, asked cel.Value) {
	return a.authorizer, a.asked
}
