package strategy

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Where pods may run: near which nodes and pods, and how they spread. Required terms exclude
// nodes, preferred ones have a weight; a term about nodes selects by their labels and fields,
// one about pods by the labels of pods, with a topology key that says what near means:
//
//	labelSelector: {matchLabels: {app: db}}, topologyKey: kubernetes.io/hostname
//
// is a node with a pod of app db. Values of labels that no label can have are refused, but for
// what is only preferred, and for what an object had before: upstream began to refuse them when
// objects with such values were stored already, and an update of one of these must still work.

// affinity checks the affinities of a spec (upstream's validateAffinity): nodes first, then
// pods to be near to, then pods to be away from, each with what is required before what is
// preferred.
func (p *podSpec) affinity() {
	affinity := tree.Object(p.spec, "affinity")
	if affinity == nil {
		return
	}
	node := tree.Object(affinity, "nodeAffinity")
	// The old spec is walked over only where a value is wrong, hence the function.
	if required, ok := node["requiredDuringSchedulingIgnoredDuringExecution"].(map[string]any); ok {
		checkNodeSelector(p.Visit, required, func() bool {
			return badNodeValues(tree.Object(p.old, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"))
		}, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
	}
	for i, term := range each(node["preferredDuringSchedulingIgnoredDuringExecution"]) {
		// Weights are added up over the terms that hold; none of them may drown the others.
		if w := number(term["weight"]); w <= 0 || w > 100 {
			p.Add(field.Invalid(p.Path("affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution", i, "weight"), w,
				"must be in the range 1-100"))
		}
		// What is preferred and cannot be is no harm, and was never refused; its writer is
		// warned of it.
		checkNodeSelectorTerm(p.Visit, tree.Object(term, "preference"), always,
			"affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution", i, "preference")
	}
	// The two are of one form; only the name in the path differs.
	for _, sort := range [...]string{"podAffinity", "podAntiAffinity"} {
		pods := tree.Object(affinity, sort)
		for i, term := range each(pods["requiredDuringSchedulingIgnoredDuringExecution"]) {
			p.podTerm(term, "affinity", sort, "requiredDuringSchedulingIgnoredDuringExecution", i)
		}
		for i, term := range each(pods["preferredDuringSchedulingIgnoredDuringExecution"]) {
			if w := number(term["weight"]); w <= 0 || w > 100 {
				p.Add(field.Invalid(p.Path("affinity", sort, "preferredDuringSchedulingIgnoredDuringExecution", i, "weight"), w,
					"must be in the range 1-100"))
			}
			p.podTerm(tree.Object(term, "podAffinityTerm"), "affinity", sort, "preferredDuringSchedulingIgnoredDuringExecution", i,
				"podAffinityTerm")
		}
	}
}

// always is a tolerance that is always granted: for what is only preferred.
func always() bool { return true }

// podTerm checks a term that names pods by their labels, and the places to share with them
// (upstream's validatePodAffinityTerm). at is the term's path. Both selectors may be absent,
// which means no pod, and the namespace of the pod itself.
func (p *podSpec) podTerm(term map[string]any, at ...any) {
	tolerated := func() bool { return badAffinityValues(p.old) }
	for _, f := range [...]string{"labelSelector", "namespaceSelector"} {
		if s, ok := term[f].(map[string]any); ok {
			checkLabelSelector(p.Visit, s, tolerated, f, at)
		}
	}
	// The path is upstream's, in the singular and without a number.
	for _, name := range tree.List(term, "namespaces") {
		for _, why := range field.DNSLabelErrors(text(name)) {
			p.Add(field.Invalid(p.Path(at...)+".namespace", name, why))
		}
	}
	p.labelKeys(term, at)
	// An empty key is told twice, as missing and as no name of a label: so does upstream.
	key := tree.Text(term, "topologyKey")
	if key == "" {
		p.Add(field.Required(p.Path(at...)+".topologyKey", "can not be empty"))
	}
	for _, why := range field.LabelKeyErrors(key) {
		p.Add(field.Invalid(p.Path(at...)+".topologyKey", key, why))
	}
}

// labelKeys checks matchLabelKeys and mismatchLabelKeys, which are turned into expressions of
// the selector beside them when a pod is created (selectByLabelKeys); so a key that the
// selector has more than once is in both. A template is checked by the same rule, as its own
// writer left it.
func (p *podSpec) labelKeys(term map[string]any, at []any) {
	match, mismatch := tree.List(term, "matchLabelKeys"), tree.List(term, "mismatchLabelKeys")
	if len(match) == 0 && len(mismatch) == 0 {
		return
	}
	selector, ok := term["labelSelector"].(map[string]any)
	for _, f := range [...]string{"matchLabelKeys", "mismatchLabelKeys"} {
		keys := tree.List(term, f)
		// Without a selector there is nothing to add to, and the keys are not looked at.
		if len(keys) > 0 && !ok {
			p.Add(field.Forbidden(p.Path(at...)+"."+f, "must not be specified when labelSelector is not set"))
			continue
		}
		for i, key := range keys {
			for _, why := range field.LabelKeyErrors(text(key)) {
				p.Add(field.Invalid(fmt.Sprintf("%s.%s[%d]", p.Path(at...), f, i), key, why))
			}
		}
	}
	// The path of this error has the place of the key but not the name of the list (upstream).
	for _, twice := range keysTwice(selector, match) {
		p.Add(field.Invalid(fmt.Sprintf("%s[%d]", p.Path(at...), twice), match[twice], "exists in both matchLabelKeys and labelSelector"))
	}
	// A label cannot have the pod's own value and another one. The error is told once, at the
	// key that is to match; the selector may name a key of mismatchLabelKeys, since both can
	// hold.
	var others set[any]
	for _, key := range mismatch {
		others.add(key)
	}
	for i, key := range match {
		if others.has(key) {
			p.Add(field.Invalid(fmt.Sprintf("%s.matchLabelKeys[%d]", p.Path(at...), i), key,
				"exists in both matchLabelKeys and mismatchLabelKeys"))
		}
	}
}

// keysTwice returns the places in keys of those that a selector has as a label or expression
// before another expression, once for each time. One expression alone may be the one that was
// made of the key itself.
func keysTwice(selector map[string]any, keys []any) (twice []int) {
	labels, places := tree.Object(selector, "matchLabels"), make(map[any]int, len(keys))
	for i, key := range keys {
		places[key] = i
	}
	var had set[string]
	for _, e := range each(selector["matchExpressions"]) {
		key := tree.Text(e, "key")
		_, label := labels[key]
		if before := had.add(key); before || label {
			if i, ok := places[key]; ok {
				twice = append(twice, i)
			}
		}
	}
	return twice
}

// topologySpread checks the constraints on how pods are spread (upstream's
// validateTopologySpreadConstraints). No two may have the same key and the same action.
func (p *podSpec) topologySpread() {
	var pairs set[[2]string]
	// Upstream compares each constraint with those behind it, and tells of the first of a pair;
	// from the back, it is the one that comes second.
	for i, c := range slices.Backward(tree.List(p.spec, "topologySpreadConstraints")) {
		key, action := tree.Text(c, "topologyKey"), tree.Text(c, "whenUnsatisfiable")
		if pairs.add([2]string{key, action}) {
			p.Add(field.Duplicate(p.Path("topologySpreadConstraints", i, "{topologyKey, whenUnsatisfiable}"),
				"{"+key+", "+action+"}"))
		}
	}
	for i, c := range each(p.spec["topologySpreadConstraints"]) {
		action := tree.Text(c, "whenUnsatisfiable")
		if tree.Text(c, "topologyKey") == "" {
			p.Add(field.Required(p.Path("topologySpreadConstraints", i, "topologyKey"), "can not be empty"))
		}
		if action != "DoNotSchedule" && action != "ScheduleAnyway" {
			p.Add(field.NotSupported(p.Path("topologySpreadConstraints", i, "whenUnsatisfiable"), action,
				"DoNotSchedule", "ScheduleAnyway"))
		}
		// With fewer domains than that the least one counts as empty, which means something
		// only to a constraint that keeps pods from being placed.
		if n, ok := c["minDomains"]; ok && action != "DoNotSchedule" {
			p.Add(field.Invalid(p.Path("topologySpreadConstraints", i, "minDomains"), n,
				"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not "+action))
		}
		if len(tree.List(c, "matchLabelKeys")) > 0 {
			p.spreadKeys(c, i)
		}
		// Upstream did not check this selector once; so a fault of an old one is a pass for new
		// values.
		if s, ok := c["labelSelector"].(map[string]any); ok {
			checkLabelSelector(p.Visit, s, func() bool { return badSpreadSelector(p.old) },
				"labelSelector", []any{"topologySpreadConstraints", i})
		}
	}
}

// spreadKeys checks the matchLabelKeys of a constraint. What an object had against a rule that
// came later is held to the rule before it: keys were not turned into expressions then, and a
// key was refused for being in the selector at all.
func (p *podSpec) spreadKeys(c map[string]any, i int) {
	if !badSpreadKeys(p.old) {
		p.labelKeys(c, []any{"topologySpreadConstraints", i})
		return
	}
	selector, ok := c["labelSelector"].(map[string]any)
	if !ok {
		p.Add(field.Forbidden(p.Path("topologySpreadConstraints", i, "matchLabelKeys"),
			"must not be specified when labelSelector is not set"))
	}
	labels := tree.Object(selector, "matchLabels")
	for j, key := range tree.List(c, "matchLabelKeys") {
		for _, why := range field.LabelKeyErrors(text(key)) {
			p.Add(field.Invalid(p.Path("topologySpreadConstraints", i, "matchLabelKeys", j), key, why))
		}
		_, twice := labels[text(key)]
		for _, e := range each(selector["matchExpressions"]) {
			twice = twice || e["key"] == key
		}
		if twice {
			p.Add(field.Invalid(p.Path("topologySpreadConstraints", i, "matchLabelKeys", j), key,
				"exists in both matchLabelKeys and labelSelector"))
		}
	}
}

// checkNodeSelector checks a selector of nodes, which has terms, of which one must hold;
// without any it would hold for no node. tolerated says whether values that no label can have
// may stay; it is asked where there is one.
func checkNodeSelector(v *kinds.Visit, s map[string]any, tolerated func() bool, at ...any) {
	if len(tree.List(s, "nodeSelectorTerms")) == 0 {
		v.Add(field.Required(v.Path(at...)+".nodeSelectorTerms", "must have at least one node selector term"))
	}
	for i, term := range each(s["nodeSelectorTerms"]) {
		checkNodeSelectorTerm(v, term, tolerated, append(slices.Clip(at), "nodeSelectorTerms", i)...)
	}
}

// checkNodeSelectorTerm checks one term, which is about labels and fields of nodes (upstream's
// ValidateNodeSelectorTerm). All that is in it must hold. A term without conditions is taken,
// and selects nothing.
func checkNodeSelectorTerm(v *kinds.Visit, term map[string]any, tolerated func() bool, at ...any) {
	for i, e := range each(term["matchExpressions"]) {
		// Paths are made only where something is wrong, hence the function.
		path := func(step string) string { return fmt.Sprintf("%s.matchExpressions[%d].%s", v.Path(at...), i, step) }
		values, op := tree.List(e, "values"), tree.Text(e, "operator")
		switch op {
		case "In", "NotIn":
			if len(values) == 0 {
				v.Add(field.Required(path("values"), "must be specified when `operator` is 'In' or 'NotIn'"))
			}
		case "Exists", "DoesNotExist":
			if len(values) > 0 {
				v.Add(field.Forbidden(path("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
			}
		// That the value is a number is not asked for: the scheduler finds no node then
		// (upstream).
		case "Gt", "Lt":
			if len(values) != 1 {
				v.Add(field.Required(path("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'"))
			}
		default:
			v.Add(field.Invalid(path("operator"), op, "not a valid selector operator"))
		}
		for _, why := range field.LabelKeyErrors(tree.Text(e, "key")) {
			v.Add(field.Invalid(path("key"), tree.Text(e, "key"), why))
		}
		for j, value := range values {
			for _, why := range field.LabelValueErrors(text(value)) {
				if !tolerated() {
					v.Add(field.Invalid(path(fmt.Sprintf("values[%d]", j)), value, why))
				}
			}
		}
	}
	// Of fields there is but one, the name of the node, and one value, so that the scheduler
	// need not look at any other node.
	for i, e := range each(term["matchFields"]) {
		path := func(step string) string { return fmt.Sprintf("%s.matchFields[%d].%s", v.Path(at...), i, step) }
		values, op := tree.List(e, "values"), tree.Text(e, "operator")
		switch {
		case op != "In" && op != "NotIn":
			v.Add(field.Invalid(path("operator"), op, "not a valid selector operator"))
		case len(values) != 1:
			v.Add(field.Required(path("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
		}
		// Values of an unknown field are not looked at: their form is not known.
		if e["key"] != "metadata.name" {
			v.Add(field.Invalid(path("key"), tree.Text(e, "key"), "not a valid field selector key"))
			continue
		}
		for j, value := range values {
			for _, why := range field.DNSSubdomainErrors(text(value)) {
				v.Add(field.Invalid(path(fmt.Sprintf("values[%d]", j)), value, why))
			}
		}
	}
}

// checkLabelSelector checks a selector of labels, the field f of what is at a path, with the
// tolerance of labelSelectorErrors. The path is made only where something is wrong.
func checkLabelSelector(v *kinds.Visit, s map[string]any, tolerated func() bool, f string, at []any) {
	if errs := labelSelectorErrors(s, tolerated); len(errs) > 0 {
		v.Add(below(v.Path(at...)+"."+f, errs)...)
	}
}

// labelSelectorErrors returns what is wrong with a selector of labels, with paths below it that
// begin with a dot. tolerated is as for checkNodeSelector, and asked for values of expressions
// alone: those of matchLabels were always checked.
func labelSelectorErrors(s map[string]any, tolerated func() bool) (errs []field.Error) {
	var buf [8]string
	labels := tree.Object(s, "matchLabels")
	// Errors are in the order of the keys; upstream's order is that of its map, which is any.
	for _, k := range sortedKeys(labels, buf[:]) {
		for _, why := range field.LabelKeyErrors(k) {
			errs = append(errs, field.Invalid(".matchLabels", k, why))
		}
		for _, why := range field.LabelValueErrors(text(labels[k])) {
			errs = append(errs, field.Invalid(".matchLabels", labels[k], why))
		}
	}
	for i, e := range each(s["matchExpressions"]) {
		path := func(step string) string { return fmt.Sprintf(".matchExpressions[%d].%s", i, step) }
		values, op := tree.List(e, "values"), tree.Text(e, "operator")
		switch op {
		case "In", "NotIn":
			if len(values) == 0 {
				errs = append(errs, field.Required(path("values"), "must be specified when `operator` is 'In' or 'NotIn'"))
			}
		case "Exists", "DoesNotExist":
			if len(values) > 0 {
				errs = append(errs, field.Forbidden(path("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
			}
		default:
			errs = append(errs, field.Invalid(path("operator"), op, "not a valid selector operator"))
		}
		for _, why := range field.LabelKeyErrors(tree.Text(e, "key")) {
			errs = append(errs, field.Invalid(path("key"), tree.Text(e, "key"), why))
		}
		for j, value := range values {
			for _, why := range field.LabelValueErrors(text(value)) {
				if !tolerated() {
					errs = append(errs, field.Invalid(path(fmt.Sprintf("values[%d]", j)), value, why))
				}
			}
		}
	}
	return errs
}

// never is a tolerance that is never granted: for asking whether there is anything to tolerate.
func never() bool { return false }

// badNodeValues reports whether a term of a selector of nodes has a value that no label can
// have. It is asked of old objects: what they have, an update may keep. Volumes have such a
// selector too, and the same tolerance.
func badNodeValues(selector map[string]any) bool {
	for _, term := range each(selector["nodeSelectorTerms"]) {
		for _, e := range each(term["matchExpressions"]) {
			for _, v := range tree.List(e, "values") {
				if len(field.LabelValueErrors(text(v))) > 0 {
					return true
				}
			}
		}
	}
	return false
}

// badAffinityValues reports whether a selector of pods of spec's affinities is wrong in any
// way, as upstream asks it of old specs: one fault anywhere is a pass for all.
func badAffinityValues(spec map[string]any) bool {
	for _, sort := range [...]string{"podAffinity", "podAntiAffinity"} {
		pods := tree.Object(spec, "affinity", sort)
		for _, term := range each(pods["requiredDuringSchedulingIgnoredDuringExecution"]) {
			if badTermSelectors(term) {
				return true
			}
		}
		for _, term := range each(pods["preferredDuringSchedulingIgnoredDuringExecution"]) {
			if badTermSelectors(tree.Object(term, "podAffinityTerm")) {
				return true
			}
		}
	}
	return false
}

// badTermSelectors reports whether one of the selectors of a term is wrong: in a value or in
// its form, which upstream does not tell apart when it asks what an old spec has.
func badTermSelectors(term map[string]any) bool {
	return len(labelSelectorErrors(tree.Object(term, "labelSelector"), never))+len(labelSelectorErrors(tree.Object(term,
		"namespaceSelector"), never)) > 0
}

// badSpreadSelector reports whether the selector of a constraint of spec is wrong. It is asked
// of old specs.
func badSpreadSelector(spec map[string]any) bool {
	for _, c := range each(spec["topologySpreadConstraints"]) {
		if len(labelSelectorErrors(tree.Object(c, "labelSelector"), never)) > 0 {
			return true
		}
	}
	return false
}

// badSpreadKeys reports whether a constraint of spec breaks the rule of labelKeys: it has keys
// and no selector, has a key twice, in its selector and its matchLabelKeys, or one that is no
// name of a label.
func badSpreadKeys(spec map[string]any) bool {
	for _, c := range each(spec["topologySpreadConstraints"]) {
		keys := tree.List(c, "matchLabelKeys")
		selector, ok := c["labelSelector"].(map[string]any)
		if len(keys) > 0 && !ok || len(keysTwice(selector, keys)) > 0 {
			return true
		}
		for _, key := range keys {
			if len(field.LabelKeyErrors(text(key))) > 0 {
				return true
			}
		}
	}
	return false
}
