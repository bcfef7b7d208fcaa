package strategy

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The status of a claim of devices: what the scheduler has given, who uses it, and what drivers say
// of it; and the taints of devices, which tell when they took effect. A device is known by its driver,
// its pool and its name, so that {driver: gpu.example.com, pool: node-1, device: gpu-0} in one list is the
// same one in another.

// deviceKey returns the key of a device that was given: where it is, and which share of it,
// for a device of which several claims can have a part may be given more than once.
func deviceKey(e any) string {
	key := tree.Text(e, "driver") + "/" + tree.Text(e, "pool") + "/" + tree.Text(e, "device")
	if share := tree.Text(e, "shareID"); share != "" {
		key += "/" + share
	}
	return key
}

// uidOf returns the key of who uses a claim. It is the uid, as a name may come again.
func uidOf(e any) string { return tree.Text(e, "uid") }

// checkGiven checks what was given, which never changes but goes as a whole, and who uses it
// (validateResourceClaimStatusUpdate). A claim that has been given nothing cannot be used,
// and one that is going away gets no new users, or it would never be gone.
func checkGiven(v *kinds.Visit) {
	users, given := tree.List(v.Obj, "reservedFor"), tree.Object(v.Obj, "allocation")
	if atMost(v, "reservedFor", 256) {
		checkUnlike(v, v.Path("reservedFor"), users, uidOf)
	}
	checkUnlike(v, v.Path("devices"), tree.List(v.Obj, "devices"), deviceKey)
	switch {
	case len(users) == 0:
	case given == nil:
		v.Add(field.Forbidden(v.Path("reservedFor"), "may not be specified when `allocated` is not set"))
	case tree.Text(v.Root, "metadata", "deletionTimestamp") != "":
		// Users that were there may stay until they are done, and one error tells of all new ones.
		old := tree.List(v.Old, "reservedFor")
		for _, user := range users {
			if !slices.ContainsFunc(old, func(o any) bool { return tree.Equal(o, user) }) {
				v.Add(field.Forbidden(v.Path("reservedFor"),
					"new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"))
				break
			}
		}
	}
	// What was given already is not judged again; it was when it was written.
	if given != nil && v.Old["allocation"] != nil {
		immutable(v, "allocation")
		v.Skip("allocation")
	} else if selector := tree.Object(given, "nodeSelector"); selector != nil {
		checkNodeSelector(v, selector, never, "allocation", "nodeSelector")
	}
}

// checkGivenDevice checks one device that was given for a request, which must be one of the
// claim's.
func checkGivenDevice(v *kinds.Visit) {
	checkRequestName(v, v.Path("request"), tree.Text(v.Obj, "request"), requestNames(tree.Object(v.Root, "spec", "devices")))
	v.Add(declaredDriverErrors(v.Path("driver"), tree.Text(v.Obj, "driver"))...)
	v.Add(poolErrors(v.Path("pool"), tree.Text(v.Obj, "pool"), true)...)
	checkShare(v)
	checkBindings(v)
}

// checkShare checks the id of the share of a device, where there is one: a UUID as it is
// usually written, in lower case, so that one id has one form.
func checkShare(v *kinds.Visit) {
	id, ok := v.Obj["shareID"].(string)
	good := len(id) == 36
	for i := range len(id) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			good = good && id[i] == '-'
		} else {
			good = good && strings.IndexByte("0123456789abcdef", id[i]) >= 0
		}
	}
	if ok && !good {
		v.Add(field.Invalid(v.Path("shareID"), id, "must be a lowercase UUID in 8-4-4-4-12 format"))
	}
}

// checkBindings checks conditions of a claim's status that say when a pod can use a device,
// or that it never can (validateDeviceBindingParameters). The scheduler waits until all of
// the first are true or one of the second is, so either list without the other is of no use,
// and no condition can be in both.
func checkBindings(v *kinds.Visit) {
	const good, bad = "bindingConditions", "bindingFailureConditions"
	for _, name := range [...]string{good, bad} {
		list := tree.List(v.Obj, name)
		if !atMost(v, name, 4) {
			continue
		}
		for i, c := range list {
			v.Add(invalids(v.Path(name, i), text(c), field.LabelKeyErrors)...)
			if name == bad && slices.Contains(tree.List(v.Obj, good), c) {
				v.Add(field.Invalid(v.Path(name, i), c, bad+" must not overlap with "+good))
			}
		}
		checkUnlike(v, v.Path(name), list, text)
	}
	for _, pair := range [...][2]string{{good, bad}, {bad, good}} {
		if list := tree.List(v.Obj, pair[0]); len(list) == 0 && len(tree.List(v.Obj, pair[1])) > 0 {
			v.Add(field.Invalid(v.Path(pair[0]), list, pair[0]+" are required to use "+pair[1]))
		}
	}
}

// checkDeviceStatus checks what a driver says of a device that was given: that it was, its
// conditions, its data of any kind, and its addresses in a network.
func checkDeviceStatus(v *kinds.Visit) {
	checkPlace(v)
	checkShare(v)
	id := deviceKey(v.Obj)
	// The results are searched only if they are not too many, which is an error of its own.
	given := tree.List(v.Root, "status", "allocation", "devices", "results")
	if len(given) <= maxRequests && !slices.ContainsFunc(given, func(e any) bool { return deviceKey(e) == id }) {
		v.Add(field.Invalid(v.Path(), v.Obj, "must be an allocated device in the claim"))
	}
	checkConditions(v, v.Path("conditions"), tree.List(v.Obj, "conditions"))
	if v.Obj["data"] != nil {
		v.Add(opaqueErrors(v.Path("data"), v.Obj["data"])...)
	}
	if list := tree.List(v.Obj, "networkData", "ips"); len(list) > 16 {
		v.Add(field.TooMany(v.Path("networkData", "ips"), len(list), 16))
	} else {
		for i, ip := range list {
			if _, ok := field.LooseCIDR(text(ip)); !ok {
				v.Add(field.Invalid(v.Path("networkData", "ips", i), ip,
					"must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"))
			}
		}
		checkUnlike(v, v.Path("networkData", "ips"), list, text)
	}
}

// checkConditions checks conditions at a path, of which there are eight at most. Those of a
// list that is too long are judged nevertheless, as upstream has it.
func checkConditions(v *kinds.Visit, path string, list []any) {
	if len(list) > 8 {
		v.Add(field.TooMany(path, len(list), 8))
	}
	v.Add(conditionErrors(path, list)...)
}

// checkTaintStatus checks the status of a rule of taints, which has nothing but conditions.
func checkTaintStatus(v *kinds.Visit) {
	checkConditions(v, "status.conditions", tree.List(v.Root, "status", "conditions"))
}

// prepareTaintRule says when the effect of a taint became what it is, unless the client says
// another time: a toleration that lasts for some seconds counts from there.
func prepareTaintRule(obj, old map[string]any) {
	is, was := tree.Object(obj, "spec", "taint"), tree.Object(old, "spec", "taint")
	if is != nil && was != nil && is["effect"] != was["effect"] && is["timeAdded"] == was["timeAdded"] {
		is["timeAdded"] = now()
	}
}

// prepareGiven forgets what drivers said of devices that are given no more, so whoever takes
// back what was given need not know of it. What is said of a device that never was given
// stays, for checkDeviceStatus to refuse.
func prepareGiven(obj, old map[string]any) {
	given := func(claim map[string]any) (keys map[string]bool) {
		keys = map[string]bool{}
		for _, e := range tree.List(claim, "status", "allocation", "devices", "results") {
			keys[deviceKey(e)] = true
		}
		return keys
	}
	was, is, status := given(old), given(obj), tree.Object(obj, "status")
	if list := tree.List(status, "devices"); len(list) > 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(e any) bool { return was[deviceKey(e)] && !is[deviceKey(e)] })
		if status["devices"] = list; len(list) == 0 {
			delete(status, "devices")
		}
	}
}
