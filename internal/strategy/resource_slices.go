package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Slices of resources: the devices that a driver offers, on which nodes, with which
// attributes and capacities. A driver writes as many slices as its pool needs, and the
// scheduler matches the claims of resource_claims.go with the devices in them.
//
// For example, a slice with driver gpu.example.com and pool node-1 may offer device gpu-0
// with attribute model: {string: "A"} and capacity memory: {value: 40Gi}, on nodeName:
// node-1.
//
// Upstream checks slices twice: by validation that is written by hand
// (pkg/apis/resource/validation) and by what its types declare. Where both judge one field,
// a client sees one error, and its words are those of the one that counts; that is why some
// texts here differ for what seems alike. Features behind gates that are closed by default
// are not here: their fields are dropped.

// These are the most that a slice and a device may have of things. They are the constants of
// upstream's API, of which many are named ResourceSliceMax..., and bound how large a slice
// can be.
const (
	maxDevices        = 128
	maxRichDevices    = 64 // where one has taints or counters
	maxCounters       = 32
	maxDeviceFacts    = 32 // attributes and capacities
	maxAttributeText  = 64
	maxCapacityValues = 10
)

// checkSlice checks the whole of a slice's spec: who offers it, where, and how many things
// it has. Its driver, pool and node are the same for ever, since drivers and the scheduler
// find slices by them. What is in one device is for checkDevice.
func checkSlice(v *kinds.Visit) {
	v.Add(driverErrors(v.Path("driver"), tree.Text(v.Obj, "driver"))...)
	v.Add(poolErrors(v.Path("pool", "name"), tree.Text(v.Obj, "pool", "name"), false)...)
	if n := numberAt(v.Obj, "pool", "generation"); n < 0 {
		v.Add(field.Invalid(v.Path("pool", "generation"), n, "must be greater than or equal to zero"))
	}
	// A driver that wants another pool deletes the slice and makes one; its generation and its
	// devices may change.
	for _, path := range [...][]string{{"pool", "name"}, {"driver"}, {"nodeName"}} {
		if is := tree.At(v.Obj, path...); v.Update() && !tree.Equal(is, tree.At(v.Old, path...)) {
			v.Add(field.Invalid(v.Path()+"."+strings.Join(path, "."), is, "field is immutable"))
		}
	}
	// Exactly one way to say the nodes is allowed, for without one nobody could tell "none"
	// from "all", and two could disagree.
	set := checkPlacement(v, "must be either unset or set to a non-empty string", "allNodes", "perDeviceNodeSelection")
	const why = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
	if len(set) == 0 {
		v.Add(field.Required(v.Path(), why))
	} else if len(set) > 1 {
		v.Add(field.Invalid(v.Path(), "{"+strings.Join(set, ", ")+"}", why+", but multiple fields are set"))
	}
	// One term alone makes selectors of different slices easy to merge, which a claim with
	// devices of more than one needs.
	if terms := tree.List(v.Obj, "nodeSelector", "nodeSelectorTerms"); v.Obj["nodeSelector"] != nil && len(terms) != 1 {
		v.Add(field.Invalid(v.Path("nodeSelector", "nodeSelectorTerms"), terms, "must have exactly one node selector term"))
	}
	// Counters and the devices that use them stand in different slices of one pool.
	if v.Obj["sharedCounters"] != nil && v.Obj["devices"] != nil {
		v.Add(field.Invalid(v.Path(), "", "only one of `sharedCounters` or `devices` is allowed"))
	}
	// One device with taints or counters halves the limit of the whole slice, since these make
	// each device larger.
	most := maxDevices
	var names []any // which messages show, and not the devices
	for _, d := range each(v.Obj["devices"]) {
		names = append(names, nameOf(d))
		if len(tree.List(d, "taints"))+len(tree.List(d, "consumesCounters")) > 0 {
			most = maxRichDevices
		}
	}
	if atMost(v, "devices", most) {
		checkUnlike(v, v.Path("devices"), names, text)
	}
	if atMost(v, "sharedCounters", 8) {
		checkUnlike(v, v.Path("sharedCounters"), tree.List(v.Obj, "sharedCounters"), nameOf)
	}
}

// checkPlacement checks the nodes that can use a slice or a device, and returns which of the
// ways to say so are taken, as messages show them. empty is what is said of a node without a
// name, for which upstream has other words in a slice than in a device; flags are those that
// can be true, or absent. The caller counts the ways.
func checkPlacement(v *kinds.Visit, empty string, flags ...string) (set []string) {
	// An empty name is an error of its own and no way taken, as upstream has it.
	if name, ok := v.Obj["nodeName"].(string); ok && name == "" {
		v.Add(field.Invalid(v.Path("nodeName"), name, empty))
	} else if ok {
		set = append(set, "`nodeName`")
		v.Add(invalids(v.Path("nodeName"), name, field.DNSSubdomainErrors)...)
	}
	if selector := tree.Object(v.Obj, "nodeSelector"); selector != nil {
		set = append(set, "`nodeSelector`")
		checkNodeSelector(v, selector, never, "nodeSelector")
	}
	for _, flag := range flags {
		// false is refused and not read as absent, so that "set" and "true" mean the same.
		switch v.Obj[flag] {
		case true:
			set = append(set, "`"+flag+"`")
		case false:
			v.Add(field.Invalid(v.Path(flag), false, "must be either unset or set to true"))
		}
	}
	return set
}

// checkCounters checks the names of counters, of a set or of what a device takes from one.
// If there are too many, none is judged: one error for each would drown the one that
// matters.
func checkCounters(v *kinds.Visit) {
	counters := tree.Object(v.Obj, "counters")
	if len(counters) > maxCounters {
		v.Add(field.TooMany(v.Path("counters"), len(counters), maxCounters))
		return
	}
	for _, name := range tree.SortedKeys(counters) {
		v.Add(invalids(v.Path("counters"), name, field.DNSLabelErrors)...)
	}
}

// checkDevice checks one device: its facts, what it takes from counters, and which nodes can
// use it. Attributes and capacities are counted together, as upstream does (validateDevice).
func checkDevice(v *kinds.Visit) {
	attributes, capacity := tree.Object(v.Obj, "attributes"), tree.Object(v.Obj, "capacity")
	if n := len(attributes) + len(capacity); n > maxDeviceFacts {
		v.Add(field.Invalid(v.Path(), int64(n), "the total number of attributes and capacities must not exceed 32"))
	}
	if n := len(attributes); n > 48 { // each has one value
		v.Add(field.Invalid(v.Path(), int64(n), "the total number of attribute values must not exceed 48"))
	}
	// A device is the same as before if it has the same name, wherever in the list it stood.
	var old map[string]any
	for _, d := range each(tree.At(v.OldRoot, "spec", "devices")) {
		if nameOf(d) == nameOf(v.Obj) {
			old = d
		}
	}
	same := func(name string) bool { return old != nil && tree.Equal(old[name], v.Obj[name]) }
	// The errors come in the order of the keys, where upstream's come in that of a Go map,
	// which is any.
	for _, name := range tree.SortedKeys(attributes) {
		v.Add(attributeNameErrors(v.Path("attributes"), name, "the domain", "the name", "")...)
	}
	for _, name := range tree.SortedKeys(capacity) {
		if same("capacity") { // upstream judges what changes
			break
		}
		v.Add(attributeNameErrors(v.Path("capacity"), name, "the domain", "the name", "")...)
		// A policy says which parts of a capacity can be asked for, which has a meaning only if
		// more than one claim can have a part.
		at := v.Path("capacity", kinds.MapKey(name), "requestPolicy")
		if policy := tree.Object(capacity, name, "requestPolicy"); policy == nil {
			continue
		} else if !tree.True(v.Obj["allowMultipleAllocations"]) {
			v.Add(field.Forbidden(at, "allowMultipleAllocations must be true"))
		} else {
			v.Add(policyErrors(at, tree.Text(capacity, name, "value"), policy)...)
		}
	}
	// Upstream does not judge taints again that are all as they were: a slice stored under
	// another rule can still be updated.
	if same("taints") {
		v.Skip("taints")
	}
	atMost(v, "taints", 16)
	if atMost(v, "consumesCounters", 2) {
		checkUnlike(v, v.Path("consumesCounters"), tree.List(v.Obj, "consumesCounters"),
			func(e any) string { return tree.Text(e, "counterSet") })
	}
	// Conditions that a binding waits for are checked alike in a device and in the result of a
	// claim.
	checkBindings(v)
	checkNodes(v)
}

// checkNodes checks which nodes can use a device. The slice decides who says so: it, for all its
// devices, or each device for itself (validateDevice).
func checkNodes(v *kinds.Visit) {
	if !tree.True(tree.At(v.Root, "spec", "perDeviceNodeSelection")) {
		if v.Obj["nodeName"] != nil || v.Obj["nodeSelector"] != nil || v.Obj["allNodes"] != nil {
			v.Add(field.Invalid(v.Path(), nil, "`nodeName`, `nodeSelector` and `allNodes` can only be set "+
				"if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"))
		}
		return
	}
	const why = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true " +
		"in the ResourceSlice spec"
	if set := checkPlacement(v, "must not be empty", "allNodes"); len(set) == 0 {
		v.Add(field.Required(v.Path(), why))
	} else if len(set) > 1 {
		v.Add(field.Invalid(v.Path(), "{"+strings.Join(set, ", ")+"}", why))
	}
}

// checkAttribute demands exactly one value of an attribute, and that a text is short enough.
// The messages name the lists of values too, since upstream's do, though these are behind a
// gate that is closed and are dropped before.
func checkAttribute(v *kinds.Visit) {
	if version, ok := v.Obj["version"].(string); ok && !isVersion(version) {
		v.Add(field.Invalid(v.Path("version"), version, "must be a string compatible with semver.org spec 2.0.0"))
	}
	var set []string
	for _, name := range [...]string{"int", "bool", "string", "version"} {
		value := v.Obj[name]
		if value != nil {
			set = append(set, name)
		}
		// text is "" for numbers and truths, which have no length to judge.
		if len(text(value)) > maxAttributeText {
			v.Add(field.TooLong(v.Path(name), maxAttributeText))
		}
	}
	const which = "one of: `int`, `bool`, `string`, `version`, `ints`, `bools`, `strings`, `versions`"
	if len(set) == 0 {
		v.Add(field.Invalid(v.Path(), "", "must specify "+which))
	} else if len(set) > 1 {
		v.Add(field.Invalid(v.Path(), "{"+strings.Join(set, ", ")+"}", "must specify exactly "+which))
	}
}

// isVersion reports whether a text is a semantic version as semver.org (2.0.0) defines one:
// three numbers, then perhaps a part of what comes before a release, then one of a build.
// For example 1.2.3-rc.1+linux is one, and 1.2 and 01.2.3 are none.
func isVersion(s string) bool {
	// The build is cut off first, because it may have dashes, which begin no release then.
	s, build, hasBuild := strings.Cut(s, "+")
	s, before, hasBefore := strings.Cut(s, "-")
	numbers := strings.Split(s, ".")
	good := len(numbers) == 3
	for _, n := range numbers {
		good = good && isVersionPart(n, true) && strings.Trim(n, "0123456789") == ""
	}
	// A dash with nothing behind it is an error, but where there is no dash the one empty part
	// is none.
	for _, part := range strings.Split(before, ".") {
		good = good && (!hasBefore || isVersionPart(part, true))
	}
	for _, part := range strings.Split(build, ".") {
		good = good && (!hasBuild || isVersionPart(part, false))
	}
	return good
}

// isVersionPart reports whether a text is a part of a version: letters, digits and dashes.
// If strict, a number may have no zeros in front, which semver demands of all but builds,
// since numbers are compared as such.
func isVersionPart(s string, strict bool) bool {
	good := s != "" && !(strict && len(s) > 1 && s[0] == '0' && strings.Trim(s, "0123456789") == "")
	for i := range len(s) {
		good = good && (isLetterOrDigit(s[i]) || s[i] == '-')
	}
	return good
}

// policyErrors returns what is wrong with a policy of which parts of a capacity can be asked
// for: some values, or a range. A request that says no amount gets the default, so the
// default must be one of them (validateValidRequestValues). at is the path of the policy,
// and capacity all that there is.
func policyErrors(at, capacity string, policy map[string]any) (errs []field.Error) {
	values, span, usual := tree.Strings(tree.List(policy, "validValues")), tree.Object(policy, "validRange"), tree.Text(policy, "default")
	// A policy that is broken as a whole is judged no further, as upstream returns there.
	switch {
	case len(values) > 0 && span != nil:
		return []field.Error{field.Forbidden(at,
			`exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time`)}
	case len(values) > 0 && usual == "":
		return []field.Error{field.Required(at+".default", "required when validValues is defined")}
	case span != nil && usual == "":
		return []field.Error{field.Required(at+".default", "required when validRange is defined")}
	case span != nil:
		return spanErrors(at+".validRange", capacity, usual, span)
	case len(values) == 0:
		return nil
	}
	at += ".validValues"
	found := false
	if len(values) > maxCapacityValues {
		// Too many are judged no further; that the default is none of them is said nevertheless.
		errs, values = append(errs, field.TooMany(at, len(values), maxCapacityValues)), nil
	}
	for i, value := range values {
		at := fmt.Sprintf("%s[%d]", at, i)
		if i > 0 && quantity.Cmp(values[i-1], value) > 0 {
			errs = append(errs, field.Invalid(at, value, "values must be sorted in ascending order"))
		}
		if quantity.Cmp(value, capacity) > 0 {
			errs = append(errs, field.Invalid(at, value, "option is larger than capacity value: "+capacity))
		}
		// Equal is what is equal in whole numbers, rounded up: upstream counts fractions only
		// behind a gate that is closed, so 100m and 200m are both 1 and twice the same.
		for _, before := range values[:i] {
			if quantity.Units(value, 0) == quantity.Units(before, 0) { // whole numbers (upstream)
				errs = append(errs, field.Duplicate(at, value))
				break
			}
		}
		found = found || quantity.Cmp(value, usual) == 0
	}
	if !found {
		errs = append(errs, field.Invalid(at, usual, "default value is not valid according to the requestPolicy"))
	}
	return errs
}

// spanErrors returns what is wrong with a range of a capacity, in steps: its ends and the
// default must be in order and within the capacity, and the default and the upper end must
// be whole steps above the lower. at is the path of the range, and usual the default
// (validateRequestPolicyRange).
func spanErrors(at, capacity, usual string, span map[string]any) (errs []field.Error) {
	least, most, step := tree.Text(span, "min"), tree.Text(span, "max"), tree.Text(span, "step")
	if least == "" {
		return []field.Error{field.Required(at+".min", "required when validRange is defined")}
	}
	// Each row says that the first must not be above the second.
	for _, c := range [...]struct{ a, b, name, shown, why string }{
		{least, capacity, "min", least, "min is larger than capacity value: " + capacity},
		{least, usual, "default", usual, "default is less than min: " + least},
		{least, most, "max", least, "min is larger than max: " + most},
		{most, capacity, "max", most, "max is larger than capacity value: " + capacity},
		{usual, most, "default", usual, "default is more than max: " + most},
	} {
		if c.a != "" && c.b != "" && quantity.Cmp(c.a, c.b) > 0 {
			errs = append(errs, field.Invalid(at+"."+c.name, c.shown, c.why))
		}
	}
	switch {
	case step == "":
		return errs
	case quantity.Sign(step) <= 0:
		return append(errs, field.Invalid(at+".step", step, "must be greater than zero"))
	}
	// If even the first step leads beyond the capacity, nothing but the lower end could be
	// had.
	if first := quantity.Add(least, step); quantity.Cmp(first, capacity) > 0 {
		errs = append(errs, field.Invalid(at+".step", step, "one step "+first+" is larger than capacity value: "+capacity))
	}
	// Steps are counted in 64 bits, so values that do not fit are refused, and then no step is
	// counted: the result would be a number that means nothing.
	large := false
	for _, q := range [...][2]string{{"default", usual}, {"min", least}, {"max", most}, {"step", step}} {
		if q[1] != "" && quantity.Sign(q[1]) < 0 {
			errs, large = append(errs, field.Invalid(at+"."+q[0], q[1], "must be greater than or equal to 0")), true
		} else if q[1] != "" && quantity.Cmp(q[1], "9223372036854775807") > 0 {
			errs, large = append(errs, field.Invalid(at+"."+q[0], q[1], "must not be larger than 9223372036854775807")), true
		}
	}
	for _, value := range [...]string{usual, most} {
		// Whole numbers count, rounded up (upstream).
		if value != "" && !large && (quantity.Units(value, 0)-quantity.Units(least, 0))%quantity.Units(step, 0) != 0 {
			errs = append(errs, field.Invalid(at+".step", value, "value is not a multiple of a given step ("+step+") from ("+least+")"))
		}
	}
	return errs
}

// deviceDriverWarnings warns of a driver whose name is not in lower case: upstream takes
// such a name, since a driver may have it already, and only tells the client.
func deviceDriverWarnings(obj, _ map[string]any) []string {
	if driver := tree.Text(obj, "spec", "driver"); driver != strings.ToLower(driver) {
		return []string{fmt.Sprintf("spec.driver: driver names should be lowercase; %q contains uppercase characters", driver)}
	}
	return nil
}
