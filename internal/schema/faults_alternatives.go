package schema

import "apichain/internal/field"

// Errors of allOf, anyOf, oneOf and not. Each alternative is tried on its own, with a collector that
// shares the path and the remaining steps, and only then is it decided which of its errors the
// client sees: of allOf those of every failed one, of anyOf and oneOf those of the alternative with
// the highest count, of not none. For
//
//	anyOf: [{required: [b]}, {properties: {a: {minimum: 5}}}]
//
// and the value {"a": 3} the second alternative has the higher count, because it looked into a: the
// client reads that no schema of anyOf holds, and that a should be at least 5; not that b is missing.
// Alternatives are not told of old values: nothing is tolerated inside of them (upstream).

// junctors adds the errors of what joins schemas and returns upstream's count for it.
func (f *faults) junctors(r *schemaRules, v any) (good int) {
	if r.anyOf != nil {
		valid, best, count := f.alternatives(r.anyOf, v, true)
		if valid == 0 {
			f.plain("%q must validate at least one schema (anyOf)", f.path)
			f.addAll(best)
		}
		good += count
	}
	if r.oneOf != nil {
		good += f.exactlyOne(r.oneOf, v)
	}
	good += f.all(r.allOf, v)
	if r.not != nil {
		// No errors are wanted of not, so the quick walk will do, with the steps that are left.
		q := schemaCheck{left: f.left}
		if q.node(r.not, v) {
			f.plain("%q must not validate the schema (not)", f.path)
		}
		f.left = q.left
	}
	return good
}

// exactlyOne adds the errors of oneOf.
func (f *faults) exactlyOne(nodes []*schemaNode, v any) (good int) {
	valid, best, count := f.alternatives(nodes, v, false)
	switch {
	case valid == 0:
		f.plain("%q must validate one and only one schema (oneOf). Found none valid", f.path)
		f.addAll(best)
	case valid > 1:
		f.plain("%q must validate one and only one schema (oneOf). Found %d valid alternatives", f.path, valid)
		return 0
	}
	return count
}

// all adds the errors of allOf: those of every schema that fails, and then that one did.
func (f *faults) all(nodes []*schemaNode, v any) (good int) {
	failed := 0
	for _, n := range nodes {
		errs, count := f.branch(n, v)
		good += count
		if len(errs) > 0 {
			failed++
			f.addAll(errs)
		}
	}
	if failed > 0 {
		none := ""
		if failed == len(nodes) {
			none = ". None validated"
		}
		f.plain("%q must validate all the schemas (allOf)%s", f.path, none)
	}
	return good
}

// alternatives tries each schema. It returns how many hold (at most one where one is enough),
// the errors of the failed one with the highest count, and upstream's count for the whole: that
// of the first that holds, else that highest one.
func (f *faults) alternatives(nodes []*schemaNode, v any, enough bool) (valid int, best []field.Error, count int) {
	furthest := -1
	for _, n := range nodes {
		errs, good := f.branch(n, v)
		switch {
		case len(errs) == 0 && f.left >= 0:
			// Without steps left a branch has no errors either, and is not valid.
			if valid++; valid == 1 {
				best, count = nil, good
			}
			if enough {
				return valid, nil, count
			}
		case valid == 0 && good > furthest:
			furthest, best, count = good, errs, good
		}
	}
	return valid, best, count
}

// branch returns the errors of one alternative, which are not added, and its count. The steps that
// it takes are taken from f. Its path is f's own: it is cut back before branch returns.
func (f *faults) branch(n *schemaNode, v any) (errs []field.Error, good int) {
	b := faults{base: f.base, path: f.path, left: f.left, bytes: f.bytes}
	good = b.value(n, v, nil, false)
	f.left = b.left
	return b.errs, good
}
