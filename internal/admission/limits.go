package admission

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// LimitRanger holds new pods and claims, and pods that are resized, within the LimitRanges of their
// namespace: containers that say nothing get the default of the range, and what is less than a minimum,
// more than a maximum, or limited to more than a multiple of what is asked for is refused. All that is
// wrong by one range is one refusal.

// limitNote is the annotation that says what was set.
const limitNote = "kubernetes.io/limit-ranger"

// setLimits is the mutating act of LimitRanger. The next range sees what the one before has set.
// It changes containers and init containers alone, as ephemeral ones have no resources of their own,
// and says what it did in an annotation.
func (c *Chain) setLimits(_ context.Context, a api.Admission) error {
	// What is on its way out may be changed as its finalizers need it.
	if tree.Text(a.Old, "metadata", "deletionTimestamp") != "" {
		return nil
	}
	for _, r := range c.limitRanges.of(c.objects, a.Namespace) {
		// Of several items for containers in one range the later one wins, name by name.
		requests, limits := map[string]any{}, map[string]any{}
		for _, item := range tree.List(r, "spec", "limits") {
			if tree.Text(item, "type") == "Container" {
				overlay(requests, tree.Object(item, "defaultRequest"), true)
				overlay(limits, tree.Object(item, "default"), true)
			}
		}
		var said []string
		// Containers before init containers, though they start later: the text shows that order.
		for _, sort := range [...][2]string{{"containers", "container"}, {"initContainers", "init container"}} {
			for _, v := range tree.List(a.Object, "spec", sort[0]) {
				if container := tree.Object(v); container != nil {
					said = append(said, setContainer(container, sort[1], "requests", "request", requests)...)
					said = append(said, setContainer(container, sort[1], "limits", "limit", limits)...)
				}
			}
		}
		// The last range that sets something is the one whose text stays.
		if len(said) > 0 {
			tree.Set(a.Object, "LimitRanger plugin set: "+strings.Join(said, "; "), "metadata", "annotations", limitNote)
		}
	}
	return nil
}

// overlay puts the entries of from into m: all of them, or those that m has not. It returns the names of
// those that it put, sorted.
// Names of the result are for the text that the user reads.
func overlay(m, from map[string]any, all bool) (names []string) {
	for _, name := range tree.SortedKeys(from) {
		if _, has := m[name]; all || !has {
			m[name] = from[name]
			names = append(names, name)
		}
	}
	return names
}

// setContainer gives a container the defaults of its requests or limits that it lacks, and says so.
// field is the field of its resources, noun what upstream calls one of them, and sort what it calls the
// container. The list is replaced by a new one, as the old one may be shared; nothing is written if
// nothing is missing.
func setContainer(container map[string]any, sort, field, noun string, defaults map[string]any) []string {
	list := tree.Copy(tree.Object(container, "resources", field)).(map[string]any)
	if list == nil {
		list = map[string]any{}
	}
	names := overlay(list, defaults, false)
	if len(names) == 0 {
		return nil
	}
	tree.Set(container, list, "resources", field)
	return []string{strings.Join(names, ", ") + " " + noun + " for " + sort + " " + tree.Text(container, "name")}
}

// checkLimits is the validating act of LimitRanger.
// All that one range has against the object is one 403; the next range is not asked then.
func (c *Chain) checkLimits(_ context.Context, a api.Admission) error {
	if tree.Text(a.Old, "metadata", "deletionTimestamp") != "" {
		return nil
	}
	for _, r := range c.limitRanges.of(c.objects, a.Namespace) {
		var wrong []string
		for _, item := range tree.List(r, "spec", "limits") {
			// Resizing is asked about with the whole pod as well.
			if a.Resource.Plural == "pods" {
				wrong = append(wrong, podBeyond(item, a.Object)...)
			} else if tree.Text(item, "type") == "PersistentVolumeClaim" {
				// A claim asks and has no limits, so its maximum is held against the request.
				b := bounded{item: item, requests: amountsOf(tree.Object(a.Object, "spec", "resources", "requests"))}
				wrong = append(wrong, slices.Concat(b.each("min", b.below), b.each("max", b.above))...)
			}
		}
		if len(wrong) > 0 {
			return a.Forbidden(joined(wrong))
		}
	}
	return nil
}

// podBeyond returns in what a pod is beyond an item of a range.
// An item for containers is held against each one, an item for pods against what they are in all.
// Ephemeral containers are not counted (upstream).
func podBeyond(item any, pod map[string]any) (wrong []string) {
	// The three sorts of bounds in upstream's order, which is that of the messages.
	all := func(requests, limits amounts) {
		b := bounded{item, requests, limits}
		wrong = append(wrong, b.each("min", b.below)...)
		wrong = append(wrong, b.each("max", b.beyond)...)
		wrong = append(wrong, b.each("maxLimitRequestRatio", b.stretched)...)
	}
	switch tree.Text(item, "type") {
	case "Container":
		for _, list := range [...]string{"containers", "initContainers"} {
			for _, c := range tree.List(pod, "spec", list) {
				all(amountsOf(tree.Object(c, "resources", "requests")), amountsOf(tree.Object(c, "resources", "limits")))
			}
		}
	// Without the overhead: the user who is bounded here does not choose it.
	case "Pod":
		all(podTotal(pod, "requests", podSums{}), podTotal(pod, "limits", podSums{}))
	}
	return wrong
}

// bounded is what is held within an item of a range.
type bounded struct {
	item             any
	requests, limits amounts
}

// each asks a rule about each bound of a sort, and returns what it says.
// Bounds are asked in the order of their names; a rule that returns "" is kept.
func (b *bounded) each(sort string, rule func(name string, bound amount) string) (wrong []string) {
	list := tree.Object(b.item, sort)
	for _, name := range tree.SortedKeys(list) {
		if why := rule(name, amountOf(list[name])); why != "" {
			wrong = append(wrong, why)
		}
	}
	return wrong
}

// comparable returns three amounts as whole numbers: of thousandths where all are small enough
// (upstream).
// One unit for all three is what makes them comparable. A value of more than 2^63 thousandths would not
// fit, so such are compared as whole numbers.
func comparable(a, b, c amount) (x, y, z int64) {
	const small = math.MaxInt64 / 1000
	if a.value() <= small && b.value() <= small && c.value() <= small {
		return a.milli(), b.milli(), c.milli()
	}
	return a.value(), b.value(), c.value()
}

// below is the rule of a minimum.
// The request counts, and a limit that is set must not be below it either. The two blanks in the first
// message are upstream's.
func (b *bounded) below(name string, bound amount) string {
	request, asked := b.requests[name]
	limit, limited := b.limits[name]
	r, l, least := comparable(request, limit, bound)
	say := "minimum " + name + " usage per " + tree.Text(b.item, "type") + " is " + bound.String()
	switch {
	case !asked:
		return say + ".  No request is specified"
	case r < least:
		return say + ", but request is " + request.String()
	case limited && l < least:
		return say + ", but limit is " + limit.String()
	}
	return ""
}

// above is the rule of a maximum of what has no limits, as claims.
// What asks for nothing could take anything, so that is refused as well.
func (b *bounded) above(name string, bound amount) string {
	request, asked := b.requests[name]
	r, _, most := comparable(request, amount(""), bound)
	say := "maximum " + name + " usage per " + tree.Text(b.item, "type") + " is " + bound.String()
	switch {
	case !asked:
		return say + ".  No request is specified"
	case r > most:
		return say + ", but request is " + request.String()
	}
	return ""
}

// beyond is the rule of a maximum of what has limits.
// A limit must be there; the request is compared only if it is there too.
func (b *bounded) beyond(name string, bound amount) string {
	request, asked := b.requests[name]
	limit, limited := b.limits[name]
	r, l, most := comparable(request, limit, bound)
	say := "maximum " + name + " usage per " + tree.Text(b.item, "type") + " is " + bound.String()
	switch {
	case !limited:
		return say + ".  No limit is specified"
	case l > most:
		return say + ", but limit is " + limit.String()
	case asked && r > most:
		return say + ", but request is " + request.String()
	}
	return ""
}

// stretched is the rule of how many times the request a limit may be.
// The ratio is a floating-point number with six digits, as upstream has it, and compared in
// thousandths, since a bound may be 1500m.
func (b *bounded) stretched(name string, bound amount) string {
	request, limit := b.requests[name], b.limits[name]
	r, l, _ := comparable(request, limit, bound)
	say := name + " max limit to request ratio per " + tree.Text(b.item, "type") + " is " + bound.String() + ", but "
	switch {
	// A ratio to nothing is none.
	case r == 0:
		return say + "no request is specified or request is 0"
	case l == 0:
		return say + "no limit is specified or limit is 0"
	}
	ratio := float64(l) / float64(r)
	if ratio*1000 > float64(bound.milli()) {
		return say + fmt.Sprintf("provided ratio is %f", ratio)
	}
	return ""
}
