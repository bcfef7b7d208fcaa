// Package library holds the functions that kube-apiserver adds to CEL: each library in a file, as rows of a table with upstream's
// names, ids of overloads, texts of errors and costs.
//
//	env := cel.NewEnv(cel.Options{Libraries: library.New(), Optionals: true, Homogeneous: true, Literals: true})
//	checked, err := env.Check("quantity('1.5Gi').isGreaterThan(quantity('1Gi')) && '10.0.0.1'.matches('^10')")
//
// In go values of package cel, out come values; what an expression is told is an error as a value, and no input panics. New has what
// an expression may use that is written today, Stored what one may use that is stored already. Everything here is made once, is
// immutable then, and may be used by any number of expressions at once; an Authorizer has to stand that too.
//
// The libraries, and what their functions cost beyond their arguments: n is the length of the receiver or first argument, "walk" a
// tenth of it rounded up, and everything that is not named 1.
//
//	optional           optional.of none ofNonZeroValue unwrap, value hasValue or orValue first last unwrapOpt, optMap optFlatMap
//	strings            charAt indexOf lastIndexOf lowerAscii upperAscii replace split substring trim join format strings.quote
//	                   a walk; replace, split and join (by the result) two; charAt 1
//	lists              isSorted sum min max indexOf lastIndexOf, includes: a walk over all that is in the list
//	extended lists     slice reverse lists.range: 11 + items; flatten 11 + n times the levels;
//	                   sort sortBy distinct: 11 + 2n², of strings and bytes 2.1n²
//	comprehensions     all exists existsOne transformList transformMap transformMapEntry with two variables
//	sets               sets.contains intersects: 1 + n·m; equivalent: 1 + 2n·m
//	regex              find findAll: a walk over 1+n times a quarter of the pattern
//	urls               url: a walk; isURL, getScheme getHost getHostname getPort getEscapedPath getQuery
//	ip, cidr           ip isIP cidr isCIDR: a walk; ip.isCanonical two; containsIP containsCIDR by bytes, and a walk over a string;
//	                   family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast, ip masked prefixLength
//	quantity           quantity isQuantity: a walk; sign isGreaterThan isLessThan compareTo asInteger isInteger asApproximateFloat add sub
//	semver             semver isSemver: a walk; isGreaterThan isLessThan compareTo major minor patch
//	format             format.named format.dns1123Label … : 1; validate: as a regular expression of its length
//	authz              authorizer.path group resource subresource namespace name serviceAccount; check: 350,000;
//	                   fieldSelector labelSelector: 10 + a walk + 25n; allowed reason errored error
//	jsonpatch          jsonpatch.escapeKey: a walk
//
// Memory and time of a call are bounded by its arguments, whose costs were paid, or by a limit of its own: see longest, mostRange and
// mostCompared. Beyond it a call is out of budget, as it would be if it had been done.
//
// What can be refused is refused at one of three times, and functions_test.go has an example of each for every library:
//
//	checked     a type that no overload takes, an argument of a macro that is no name, a format that its literals do not fit
//	program     a regular expression that is a literal and does not compile
//	run         everything that only values tell: an index out of range, a text that is no address. The error is a value, which
//	            || and && may outweigh; being out of budget is none that anything outweighs
//
// Upstream has the libraries of Kubernetes in k8s.io/apiserver/pkg/cel/library, a file each, and their costs in cost.go there; those of
// the language in cel-go's ext, optionals in cel/library.go. Which of them an environment has is in pkg/cel/environment/base.go.
package library

import "apichain/internal/cel"

// New returns the libraries for expressions that are new. A server of version 1.37 lets them use what one of 1.36 knows, which it may
// be replaced by.
func New() []*cel.Library { return libraries(false) }

// Stored returns the libraries for expressions that are stored, of which a newer server may have taken some.
func Stored() []*cel.Library { return libraries(true) }

// libraries are in upstream's order, which is that in which overloads of one name are tried: isLessThan, for one, is of quantities and of
// versions, and indexOf of lists and of strings.
func libraries(newest bool) []*cel.Library {
	l := []*cel.Library{cel.Standard(), URLs(), Regex()}
	if !newest {
		l = append(l, Lists(false))
	}
	l = append(l, Authz(), Optionals(), Quantity(), Strings(), Sets(), IP(), CIDR(), Format(), AuthzSelectors(), Comprehensions(), Semver(),
		ExtLists())
	if newest {
		l = append(l, Lists(true))
	}
	return l
}
