package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/expression"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Claims of devices: what is wanted, in claims, their templates and classes. What was given is
// in resource_given.go, and what drivers offer in resource_slices.go.
//
// A claim says in its spec which devices it wants, and the scheduler writes into its status
// which it has. The spec never changes; the status is given once and taken back as a whole.
// For example, a claim with requests: [{name: gpu, exactly: {deviceClassName: gpus}}] may
// have the result {request: gpu, driver: gpu.example.com, pool: node-1, device: gpu-0}.
// Driver, pool and device say where it is, and request is a reference to what was asked for,
// which checkRequestName follows.
//
// The expressions that select devices are compiled; the scheduler evaluates them. Where upstream has both validation that is written and one that its types declare, the
// texts are those of the one whose error a client sees.

// deviceRules returns the rules of the types of these kinds and of slices. Fields that
// upstream has behind gates that are closed by default are dropped as the defaults are set.
func deviceRules() kinds.Rules {
	const group = "resource."
	// When a taint began counts for how long a toleration lasts, so the server says it if the
	// client does not.
	taint := kinds.Rule{Default: func(taint map[string]any) {
		if taint["timeAdded"] == nil {
			taint["timeAdded"] = now()
		}
	}}
	return kinds.Rules{
		group + "ResourceClaim":             {Check: unchangedSpec},
		group + "ResourceClaimTemplateSpec": {Check: checkClaimTemplate},
		group + "DeviceClaim":               {Check: checkDeviceClaim},
		group + "DeviceRequest":             {Check: checkDeviceRequest},
		group + "ExactDeviceRequest":        {Default: requestDefaults, Check: checkExactRequest},
		group + "DeviceSubRequest":          {Default: requestDefaults, Check: checkExactRequest},
		group + "DeviceToleration":          {Check: checkDeviceToleration},
		group + "DeviceConstraint":          {Check: checkDeviceConstraint},
		group + "OpaqueDeviceConfiguration": {Check: checkOpaque},
		group + "CELDeviceSelector":         {Check: checkDeviceSelector},
		group + "DeviceClassSpec":           {Check: checkDeviceClass},
		group + "ResourceClaimStatus":       {Check: checkGiven},
		group + "AllocatedDeviceStatus":     {Check: checkDeviceStatus},
		group + "DeviceAllocationResult": {Check: func(v *kinds.Visit) {
			atMost(v, "results", maxRequests)
			atMost(v, "config", 64)
		}},
		group + "DeviceRequestAllocationResult": {Default: drops("skipNodeOperations"), Check: checkGivenDevice},
		group + "DeviceAllocationConfiguration": {Check: func(v *kinds.Visit) {
			checkRequests(v, v.Path("requests"), tree.List(v.Obj, "requests"), requestNames(tree.Object(v.Root, "spec", "devices")))
		}},
		group + "DeviceTaint":         taint,
		group + "DeviceTaintSelector": {Check: checkPlace},
		group + "DeviceTaintRule":     {Status: checkTaintStatus},
		group + "ResourceSliceSpec":   {Default: drops("partitionTypeAttribute", "skipNodeOperations"), Check: checkSlice},
		group + "CounterSet":          {Check: checkCounters},
		group + "DeviceCounterConsumption": {Default: drops("compatibilityGroups"),
			Check: checkCounters},
		group + "Device":          {Default: drops("nodeAllocatableResources"), Check: checkDevice},
		group + "DeviceAttribute": {Default: drops("ints", "bools", "strings", "versions"), Check: checkAttribute},
	}
}

// deviceStrategies returns the strategies of the kinds here. Only three have something to do
// beside the rules of their types.
func deviceStrategies() map[kinds.Key]Strategy {
	const group, version = "resource.k8s.io", "v1"
	return map[kinds.Key]Strategy{
		kinds.NewKey(group, version, "ResourceSlice"):   {Warnings: deviceDriverWarnings},
		kinds.NewKey(group, version, "DeviceTaintRule"): {Prepare: prepareTaintRule},
		kinds.NewKey(group, version, "ResourceClaim"):   {PrepareStatus: prepareGiven},
	}
}

// maxRequests is how many requests a claim has at most, and references to them one list. It
// also bounds the devices that a claim is given.
const maxRequests = 32

// unchangedSpec demands that a spec never changes, which is upstream's rule for claims
// (ValidateResourceClaimUpdate): what was given is an answer to it. What was good once is
// not judged again, so a stored claim outlives a stricter rule.
func unchangedSpec(v *kinds.Visit) {
	if v.Update() {
		immutable(v, "spec")
		v.Skip("spec")
	}
}

// atMost demands that a list is no longer than most, and reports whether it is not. One that
// is longer is judged no further, neither here nor by the rules of its elements, so that a
// client cannot make the server write an error for each of a million.
func atMost(v *kinds.Visit, name string, most int) bool {
	n := len(tree.List(v.Obj, name))
	if n > most {
		v.Add(field.TooMany(v.Path(name), n, most))
		v.Skip(name)
	}
	return n <= most
}

// checkUnlike demands that no two elements of a list at a path have the same key. The error
// is that of the later element, whose place it names.
func checkUnlike(v *kinds.Visit, path string, list []any, key func(any) string) {
	var seen set[string]
	for i, e := range list {
		if k := key(e); seen.add(k) {
			v.Add(field.Duplicate(fmt.Sprintf("%s[%d]", path, i), e))
		}
	}
}

// requestDefaults says how many devices are wanted, if an exact number is and none is said:
// one.
func requestDefaults(request map[string]any) {
	delete(request, "derivedAttributes") // upstream has them behind a gate that is closed
	if n, _ := request["count"].(int64); n == 0 && request["allocationMode"] == "ExactCount" {
		request["count"] = int64(1)
	}
}

// requestNames returns what the requests of a claim can be called: by the name of one, and
// for one of several alternatives also by both names. For example, request gpu with the
// alternatives big and small can be called gpu, gpu/big and gpu/small.
func requestNames(claim map[string]any) map[string]bool {
	names := map[string]bool{}
	for _, r := range each(claim["requests"]) {
		names[nameOf(r)] = true
		for _, alternative := range each(r["firstAvailable"]) {
			names[nameOf(r)+"/"+nameOf(alternative)] = true
		}
	}
	return names
}

// checkDeviceClaim checks the requests of a claim, and that constraints and configurations
// refer to requests that are there. The requests themselves are for the rules of their
// types.
func checkDeviceClaim(v *kinds.Visit) {
	if atMost(v, "requests", maxRequests) {
		checkUnlike(v, v.Path("requests"), tree.List(v.Obj, "requests"), nameOf)
	}
	// References are judged even if there are too many requests, as upstream gathers the names
	// of all.
	names := requestNames(v.Obj)
	for _, list := range [...]string{"constraints", "config"} {
		if atMost(v, list, 32) {
			for i, e := range each(v.Obj[list]) {
				checkRequests(v, v.Path(list, i, "requests"), tree.List(e, "requests"), names)
			}
		}
	}
}

// checkRequests demands that a list at a path has names of requests, each once. An empty
// list is good, and means all requests.
func checkRequests(v *kinds.Visit, path string, list []any, names map[string]bool) {
	if len(list) > maxRequests {
		v.Add(field.TooMany(path, len(list), maxRequests))
		return
	}
	for i, name := range list {
		checkRequestName(v, fmt.Sprintf("%s[%d]", path, i), text(name), names)
	}
	checkUnlike(v, path, list, text)
}

// checkRequestName demands the name of a request, or of a request and its alternative with a
// slash between (validateRequestNameRef).
func checkRequestName(v *kinds.Visit, path, name string, names map[string]bool) {
	request, alternative, ok := strings.Cut(name, "/")
	deep := strings.Contains(alternative, "/")
	// A name with two slashes has no parts to judge by themselves.
	if !deep {
		v.Add(invalids(path, request, field.DNSLabelErrors)...)
		if ok {
			v.Add(invalids(path, alternative, field.DNSLabelErrors)...)
		}
	}
	if deep || !names[name] {
		v.Add(field.Invalid(path, name,
			"must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"))
	}
}

// checkDeviceRequest demands that a request says what is wanted in exactly one way: a number
// of devices, or a list of alternatives of which the first that can be had is taken.
func checkDeviceRequest(v *kinds.Visit) {
	const why = "exactly one of `exactly` or `firstAvailable` is required"
	alternatives, exactly := tree.List(v.Obj, "firstAvailable"), v.Obj["exactly"] != nil
	switch {
	case len(alternatives) == 0 && !exactly:
		v.Add(field.Required(v.Path(), why))
	case len(alternatives) > 0 && exactly:
		v.Add(field.Invalid(v.Path(), nil, why+", but multiple fields are set"))
		// With both there, errors within one would be noise: it may be the one that the client
		// takes out.
		v.Skip("firstAvailable", "exactly")
	case atMost(v, "firstAvailable", 8):
		checkUnlike(v, v.Path("firstAvailable"), alternatives, nameOf)
	}
}

// checkExactRequest checks the number of devices that are wanted, in a request or an
// alternative of one. Whoever wants all devices says no number
// (validateDeviceAllocationMode).
func checkExactRequest(v *kinds.Visit) {
	atMost(v, "selectors", 32)
	n := numberAt(v.Obj, "count")
	switch mode := v.Obj["allocationMode"]; {
	case mode == "All" && n != 0:
		v.Add(field.Invalid(v.Path("count"), n, "must not be specified when allocationMode is 'All'"))
	case mode == "ExactCount" && n <= 0:
		v.Add(field.Invalid(v.Path("count"), n, "must be greater than zero"))
	}
}

// checkDeviceToleration refuses a value in a toleration that is of all values: Exists does
// not look at it, so it would only mislead.
func checkDeviceToleration(v *kinds.Visit) {
	if value := tree.Text(v.Obj, "value"); value != "" && v.Obj["operator"] == "Exists" {
		v.Add(field.Invalid(v.Path("value"), value, "must be empty for operator `Exists`"))
	}
}

// checkDeviceConstraint demands an attribute that all devices have alike, or that none has
// like another. Its name must have a domain, as devices of different drivers are compared.
func checkDeviceConstraint(v *kinds.Visit) {
	found := false
	for _, name := range [...]string{"matchAttribute", "distinctAttribute"} {
		if attribute, ok := v.Obj[name].(string); ok {
			found = true
			v.Add(attributeNameErrors(v.Path(name), attribute, "prefix", "name", "prefix: ")...)
			if !strings.Contains(attribute, "/") {
				v.Add(field.Invalid(v.Path(name), attribute, "a fully qualified name must be a domain and a name separated by a slash"))
			}
		}
	}
	// The text speaks of many fields though there is none; it is upstream's.
	if !found {
		v.Add(field.Required(v.Path(), `exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set`))
	}
}

// attributeNameErrors returns what is wrong with the name of an attribute or a capacity,
// which may begin with the domain of the driver whose it is: gpu.example.com/model, or model
// alone. domain and id are what its two parts are called, and about is in front of what is
// said of the first; both differ between upstream's written and declared validation.
func attributeNameErrors(path, name, domain, id, about string) (errs []field.Error) {
	parts := strings.Split(name, "/")
	if len(parts) > 2 {
		return nil // upstream judges no other
	}
	if len(parts) == 2 {
		if parts[0] == "" {
			errs = append(errs, field.Invalid(path, "", domain+" must not be empty"))
		} else if len(parts[0]) > 63 {
			errs = append(errs, field.TooLong(path, 63))
		}
		prefix := parts[0]
		if about == "" {
			prefix = strings.ToLower(prefix) // upstream's written validation alone
		}
		for _, why := range field.DNSSubdomainErrors(prefix) {
			if parts[0] != "" {
				errs = append(errs, field.Invalid(path, parts[0], about+why))
			}
		}
		if parts[1] == "" {
			return append(errs, field.Invalid(path, "", id+" must not be empty"))
		}
	}
	return append(errs, identifierErrors(path, parts[len(parts)-1])...)
}

// identifierErrors returns what is wrong with a name as C has them, which those of
// attributes are so that expressions can use them behind a dot.
func identifierErrors(path, name string) (errs []field.Error) {
	const most, why = 32, "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric " +
		"characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
	if len(name) > most {
		errs = append(errs, field.TooLong(path, most))
	}
	if !isIdentifier(name) {
		errs = append(errs, field.Invalid(path, name, why))
	}
	return errs
}

// isIdentifier reports whether a name is one as C has them: letters, digits and underscores,
// and no digit first. The first test knows that digits come before letters in ASCII.
func isIdentifier(name string) bool {
	good := name != "" && name[0] > '9'
	for i := range len(name) {
		good = good && (isLetterOrDigit(name[i]) || name[i] == '_')
	}
	return good
}

// maxParameterText is how many bytes the parameters of a driver, and what it says of a
// device, may have: upstream's 10 Ki.
const maxParameterText = 10 << 10

// checkOpaque checks parameters for a driver, which are an object of any kind: only the
// driver can read them, so nothing is asked of them but that they are an object, and not too
// large.
func checkOpaque(v *kinds.Visit) {
	v.Add(declaredDriverErrors(v.Path("driver"), tree.Text(v.Obj, "driver"))...)
	v.Add(opaqueErrors(v.Path("parameters"), v.Obj["parameters"])...)
}

// declaredDriverErrors is driverErrors in the words of upstream's declared validation, which
// speaks of characters where the written one speaks of bytes.
func declaredDriverErrors(path, name string) (errs []field.Error) {
	const most = 63
	const why = "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric " +
		"character (e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
	if name == "" {
		return []field.Error{field.Required(path, "")}
	}
	if !field.IsDNSSubdomain(strings.ToLower(name)) {
		errs = append(errs, field.Invalid(path, name, why))
	}
	if len(name) > most {
		e := field.TooLong(path, most)
		e.Message = strings.Replace(e.Message, "bytes", "characters", 1)
		errs = append(errs, e)
	}
	return errs
}

// opaqueErrors returns what is wrong with an object of any kind that must be there. Its size
// is that of its JSON, and its value is in no message (validateRawExtension).
func opaqueErrors(path string, value any) []field.Error {
	if value == nil {
		return []field.Error{field.Required(path, "")}
	}
	if len(tree.AppendJSON(nil, value)) > maxParameterText {
		return []field.Error{field.TooLong(path, maxParameterText)}
	}
	if _, ok := value.(map[string]any); !ok {
		return []field.Error{field.Invalid(path, "<value omitted>", "must be a valid JSON object")}
	}
	return nil
}

// checkDeviceClass checks how many there are of each in a class, and the resource by which
// pods can ask for its devices as for any other, in resources.requests.
func checkDeviceClass(v *kinds.Visit) {
	atMost(v, "selectors", 32)
	atMost(v, "config", 32)
	name, ok := v.Obj["extendedResourceName"].(string)
	if !ok || isExtendedResource(name) {
		return
	}
	// The name is good already if it is one of an extended resource; what follows only finds
	// out why it is not, rule by rule as upstream does.
	whys := field.LabelKeyErrors("requests." + name) // as a quota names it
	switch {
	case !strings.Contains(name, "/"):
		whys = append(whys, "a name must be a domain-prefixed path, such as 'example.com/my-prop'")
	case strings.Contains(name, "kubernetes.io/"):
		whys = append(whys, `must not have "kubernetes.io/" domain`)
	}
	if strings.HasPrefix(name, "requests.") {
		whys = append(whys, `must not have "requests." prefix`)
	}
	for _, why := range whys {
		v.Add(field.Invalid(v.Path("extendedResourceName"), name, why))
	}
}

// checkDeviceSelector compiles the expression of a selector, and refuses one that could cost too
// much. One that is too long is not read.
func checkDeviceSelector(v *kinds.Visit) {
	const most = 10 << 10
	text := tree.Text(v.Obj, "expression")
	if len(text) > most || isStoredSelector(v) {
		return
	}
	at := v.Path("expression")
	fault, cost := expression.CompileDevice(text)
	if addFault(v, at, text, fault); fault == nil && cost > expression.DeviceBudget {
		v.Add(field.Forbidden(at, "too complex, exceeds cost limit"))
	}
}

// isStoredSelector reports whether a selector is one of a class whose selectors are all as they
// were: what was good when it was stored stays good. Claims and templates never change.
func isStoredSelector(v *kinds.Visit) bool {
	return v.Update() && tree.Equal(tree.At(v.Root, "spec", "selectors"), tree.At(v.OldRoot, "spec", "selectors"))
}

// checkPlace checks the driver and the pool that a device is of, where they are said: a
// selector of taints may leave out either, and means all then.
func checkPlace(v *kinds.Visit) {
	if driver, ok := v.Obj["driver"].(string); ok {
		v.Add(driverErrors(v.Path("driver"), driver)...)
	}
	if pool, ok := v.Obj["pool"].(string); ok {
		v.Add(poolErrors(v.Path("pool"), pool, false)...)
	}
}

// poolErrors returns what is wrong with the name of a pool: domains with slashes between, as
// in rack-1/example.com. declared says that it is upstream's declared validation that says
// so, which names the segment.
func poolErrors(path, name string, declared bool) (errs []field.Error) {
	const most = 253
	if name == "" {
		return []field.Error{field.Required(path, "")}
	}
	if len(name) > most {
		errs = append(errs, field.TooLong(path, most))
	}
	if len(name) > maxParameterText { // one error for each slash is too much then
		return errs
	}
	for i, part := range strings.Split(name, "/") {
		if declared && part == "" {
			errs = append(errs, field.Invalid(path, name, fmt.Sprintf("segment %d: must not be empty", i)))
			continue
		}
		for _, why := range field.DNSSubdomainErrors(part) {
			if declared {
				why = fmt.Sprintf("segment %d: %s", i, strings.Replace(why, "253 characters", "253 bytes", 1))
			}
			errs = append(errs, field.Invalid(path, part, why))
		}
	}
	return errs
}
