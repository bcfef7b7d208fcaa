package fieldset

// A Filter is what a write to some part of an object may own: a write to /status owns nothing of the spec, whatever it
// says of it. Upstream calls what is left out reset fields. A filter either leaves out some paths with all that is below
// them, or lets through only what some patterns allow. A pattern is a path in which Any stands for each element; what is on
// the way to it and what is below it are let through. Upstream has an odd rule for several patterns, which its own
// ones meet: of those that are the same up to an Any, the first counts. So a resize of a pod, whose patterns are
// containers.*.resources and containers.*.resizePolicy, owns no resizePolicy.

// Filter lets through a part of each set. A nil one lets through all.
type Filter struct {
	exclude Set
	include Set // the patterns
}

// Exclude returns the filter that leaves out what is in s and below it.
func Exclude(s Set) *Filter { return &Filter{exclude: s} }

// Include returns the filter that lets through what meets a pattern; without patterns, it lets through all.
func Include(patterns ...Path) *Filter {
	return &Filter{include: New(patterns...)}
}

// Apply returns what f lets through of s.
func (f *Filter) Apply(s Set) Set {
	switch {
	case f == nil:
		return s
	case !f.include.IsEmpty():
		return Set{include(make([]node, 0, len(s.nodes)), s, f.include)}
	}
	return s.RecursiveDifference(f.exclude)
}

// include appends to out what the patterns let through of s. Of several that an element meets, the first counts, which is
// the one with Any.
func include(out []node, s, patterns Set) []node {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		n := &s.nodes[i]
		for j := 0; j < len(patterns.nodes); j += int(patterns.nodes[j].size) {
			p := &patterns.nodes[j]
			if p.kind != Any && p.element() != n.element() {
				continue
			}
			if p.mark != 0 {
				out = append(out, s.nodes[i:i+int(n.size)]...)
				break
			}
			at := len(out)
			out = append(out, *n)
			out = closed(include(out, s.below(i), patterns.below(j)), at)
			break
		}
	}
	return out
}
