package syntax

// The idea: a text is read twice at most. The quick parser reads a text without faults into a tree of nodes; if it meets anything
// that it does not expect, it gives up, and the thorough parser, which finds the places and texts of faults as upstream does,
// reads it again into the same tree, with holes. The builder then makes expressions of either.

// form says what a node is: a rule of the grammar, or one alternative of a rule.
type form uint8

// The forms. Those up to formPrimary are levels of the grammar, the others what stands at the bottom.
const (
	formNone form = iota
	formStart
	formExpr // a ? b : c
	formOr
	formAnd
	formRelation
	formCalc
	formUnary
	formNot
	formNegate
	formMember // its only child is a primary
	formSelect
	formMemberCall
	formIndex
	formPrimary // its only child is what it is
	formIdent
	formCall
	formNested
	formList
	formMap
	formMessage
	formExprList
	formListInit
	formFieldInits
	formField
	formMapInits
	formEscapeIdent
	formOptExpr
	formLiteral
	formInt
	formUint
	formDouble
	formString
	formBytes
	formTrue
	formFalse
	formNull
)

// node is a piece of text that a rule of the grammar matched. Tokens are indices; 0 is none. For x[0].f(y) ? -1 : z:
//
//	expr, op ?          three children: the condition, and what it chooses from
//	  member call       id f, op its parenthesis; children: what it is called on, and the list of arguments
//	    index           op its bracket; children: x and 0
//	    list            child: y
//	  int               id 1, dot its minus
//	  ident             id z
//
// Children are linked, as most nodes have none or two, and slices would take more memory than the nodes.
type node struct {
	form  form
	start int32 // the first token
	op    int32 // the operator, the point, the opening parenthesis, bracket or brace; the first of several
	count int32 // how many operators an unary has
	id    int32 // a name, or the token of a literal
	dot   int32 // the point before a name, or the sign of a number
	opt   int32 // the question mark
	sep   int32 // what stands before the node in a list: || && :
	// The children, in the order of the text.
	first, last, next *node
}

// add adds a child behind the others.
func (n *node) add(child *node) {
	if n.first == nil {
		n.first = child
	} else {
		n.last.next = child
	}
	n.last = child
}

// child returns the nth child, nil where there is none.
func (n *node) child(i int) *node {
	c := n.first
	for ; c != nil && i > 0; i-- {
		c = c.next
	}
	return c
}
