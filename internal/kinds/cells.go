package kinds

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/tree"
)

// Cells that no expression says: they choose between fields, go through lists, or read a
// condition. kinds.txt names them behind the = of a column. Each is what upstream's printer
// of the kind shows, and takes an object as it is stored.
//
// Events tell their times in two ways, and their cells know both. Old clients write
// firstTimestamp, lastTimestamp and count and keep updating them; new ones write eventTime
// once and a series for what follows:
//
//	{"firstTimestamp":"…","lastTimestamp":"…","count":4}
//	{"eventTime":"…","series":{"count":9,"lastObservedTime":"…"}}
//
// A new kind's cell is a function in the file of its group, and a case in the switch of that file.

// namedCell returns the cell of that name, or nil if there is none.
func namedCell(name string) func(map[string]any) any {
	switch name {
	// Times are told from now, which a test gives to the functions themselves.
	case "eventFirst":
		return func(obj map[string]any) any { return eventFirst(obj, time.Now()) }
	case "eventLast":
		return func(obj map[string]any) any { return eventLast(obj, time.Now()) }
	case "eventCount":
		return eventCount
	case "eventObject":
		return eventObject
	case "eventSource":
		return eventSource
	case "eventMessage":
		return func(obj map[string]any) any { return strings.TrimSpace(tree.Text(obj, "message")) }
	case "serviceExternal":
		return serviceExternal
	case "servicePorts":
		return servicePorts
	case "endpoints":
		return endpointsCell
	case "slicePorts":
		return slicePorts
	case "sliceEndpoints":
		return sliceEndpoints
	case "nodeStatus":
		return nodeStatus
	case "nodeRoles":
		return nodeRoles
	// Two columns are one function with another argument.
	case "nodeInternal":
		return func(obj map[string]any) any { return nodeAddress(obj, "InternalIP") }
	case "nodeExternal":
		return func(obj map[string]any) any { return nodeAddress(obj, "ExternalIP") }
	case "nodeKernel":
		return nodeKernel
	case "crdVersions":
		return crdVersions
	case "crdShortNames":
		return func(obj map[string]any) any {
			return joinOr(tree.Strings(tree.List(obj, "spec", "names", "shortNames")), "")
		}
	case "crdEstablished":
		return func(obj map[string]any) any {
			return tree.Text(statusCondition(obj, "Established"), "status") == "True"
		}
	case "apiAvailable":
		return apiAvailable
	}
	// A name belongs to one group, so the order is of no account.
	for _, group := range []func(string) func(map[string]any) any{podCell, workloadCell, storageCell, policyCell, networkingCell} {
		if f := group(name); f != nil {
			return f
		}
	}
	return nil
}

// statusCondition returns the condition of that type in the object's status, or nil.
// A condition of that type twice is not told apart: the first one counts, as in upstream's loops.
func statusCondition(obj map[string]any, typ string) map[string]any {
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == typ {
			c, _ := c.(map[string]any)
			return c
		}
	}
	return nil
}

// eventFirst returns how long before now an event happened first.
func eventFirst(obj map[string]any, now time.Time) string {
	// An event of the newer sort has one time, and it is the first.
	if tree.Text(obj, "firstTimestamp") == "" {
		return ageText(obj["eventTime"], now)
	}
	return ageText(obj["firstTimestamp"], now)
}

// eventLast returns how long before now an event happened last. A series counts before the
// old timestamps, which a client may have filled in for old readers.
func eventLast(obj map[string]any, now time.Time) string {
	if obj["series"] != nil {
		return ageText(tree.At(obj, "series", "lastObservedTime"), now)
	}
	if tree.Text(obj, "lastTimestamp") == "" {
		return eventFirst(obj, now)
	}
	return ageText(obj["lastTimestamp"], now)
}

// eventCount returns how often an event happened: once, if nothing says more.
func eventCount(obj map[string]any) any {
	n, _ := obj["count"].(int64)
	// A series counts from its own start; the old count is not added to it.
	if obj["series"] != nil {
		n, _ = tree.At(obj, "series", "count").(int64)
	} else if n == 0 {
		n = 1
	}
	return n
}

// eventObject returns what an event is about in kubectl's form: pod/web-0.
func eventObject(obj map[string]any) any {
	kind, name := strings.ToLower(tree.Text(obj, "involvedObject", "kind")), tree.Text(obj, "involvedObject", "name")
	// Without a name it is about all of a kind, or the client has left it out.
	if name != "" {
		return kind + "/" + name
	}
	return kind
}

// eventSource returns who reported an event, and from where if that is known. New clients
// fill in the reporting fields and leave source empty.
func eventSource(obj map[string]any) any {
	who, where := tree.Text(obj, "source", "component"), tree.Text(obj, "source", "host")
	if who == "" {
		who = tree.Text(obj, "reportingComponent")
	}
	if where == "" {
		where = tree.Text(obj, "reportingInstance")
	}
	if where == "" {
		return who
	}
	return who + ", " + where
}

// serviceExternal returns the addresses by which a Service is reached from outside, which
// depend on its type: those given in the spec, those that a load balancer got, or the name
// that it is an alias of.
// Upstream shows an address of a balancer before its name, and neither where there is neither yet.
func serviceExternal(obj map[string]any) any {
	addresses := tree.Strings(tree.List(obj, "spec", "externalIPs"))
	switch tree.Text(obj, "spec", "type") {
	case "ClusterIP", "NodePort":
		return joinOr(addresses, "<none>")
	case "LoadBalancer":
		var balancer []string
		for _, in := range tree.List(obj, "status", "loadBalancer", "ingress") {
			address := tree.Text(in, "ip")
			if address == "" {
				address = tree.Text(in, "hostname")
			}
			if address != "" {
				balancer = append(balancer, address)
			}
		}
		// Upstream collects these in a set; those of the spec follow as they are.
		slices.Sort(balancer)
		return joinOr(append(slices.Compact(balancer), addresses...), "<pending>")
	case "ExternalName":
		return tree.Text(obj, "spec", "externalName")
	}
	// No type that passes the rules ends here; upstream has a word for it all the same.
	return "<unknown>"
}

// servicePorts returns the ports of a Service, with that of the nodes behind a colon where
// there is one: 80:30080/TCP.
func servicePorts(obj map[string]any) any {
	var ports []string
	for _, p := range tree.List(obj, "spec", "ports") {
		port := cellText(tree.At(p, "port"))
		if node, _ := tree.At(p, "nodePort").(int64); node > 0 {
			port += ":" + strconv.FormatInt(node, 10)
		}
		// The protocol has a default, so it is there in whatever is stored.
		ports = append(ports, port+"/"+tree.Text(p, "protocol"))
	}
	return joinOr(ports, "<none>")
}

// endpointsCell returns the first three pairs of address and port, and how many more there
// are. Addresses that are not ready do not count.
func endpointsCell(obj map[string]any) any {
	subsets := tree.List(obj, "subsets")
	if len(subsets) == 0 {
		return "<none>"
	}
	// Upstream cuts in the middle of a subset, so that what is counted and what is shown are kept apart.
	const most = 3
	var list []string
	count := 0
	add := func(addresses []any, port string) {
		count += len(addresses)
		for _, a := range addresses[:min(len(addresses), most-len(list))] {
			if ip := tree.Text(a, "ip"); port == "" {
				list = append(list, ip)
			} else {
				list = append(list, net.JoinHostPort(ip, port))
			}
		}
	}
	for _, s := range subsets {
		addresses, ports := tree.List(s, "addresses"), tree.List(s, "ports")
		// A headless service has addresses without ports.
		if len(ports) == 0 {
			add(addresses, "")
		}
		for _, p := range ports {
			add(addresses, cellText(tree.At(p, "port")))
		}
	}
	shown := strings.Join(list, ",")
	if count > most {
		return fmt.Sprintf("%s + %d more...", shown, count-most)
	}
	return shown
}

// slicePorts returns the first ports of a slice, by name where they have no number.
// The number is nothing in a port that means all of them; then its name is all there is to show.
// Numbers are not told apart by protocol here, as they are in a service's cell.
func slicePorts(obj map[string]any) any {
	var ports []string
	for _, p := range tree.List(obj, "ports") {
		port := tree.Text(p, "name")
		if n := tree.At(p, "port"); n != nil {
			port = cellText(n)
		}
		ports = append(ports, port)
	}
	return firstThree(ports)
}

// sliceEndpoints returns the first addresses of a slice, ready or not.
func sliceEndpoints(obj map[string]any) any {
	var addresses []string
	for _, e := range tree.List(obj, "endpoints") {
		addresses = append(addresses, tree.Strings(tree.List(e, "addresses"))...)
	}
	return firstThree(addresses)
}

// firstThree joins the first three texts, and says how many more there are.
func firstThree(list []string) string {
	const most = 3
	if len(list) > most {
		return fmt.Sprintf("%s + %d more...", strings.Join(list[:most], ","), len(list)-most)
	}
	if text := strings.Join(list, ","); text != "" { // one port may have neither number nor name
		return text
	}
	return "<unset>"
}

// nodeStatus returns whether pods run on a Node, by its Ready condition, and whether new ones
// are kept off.
// The condition is written by the kubelet; a node that has never been there has none, and is Unknown.
func nodeStatus(obj map[string]any) any {
	status := "Unknown"
	if c := statusCondition(obj, "Ready"); c != nil {
		status = "Ready"
		// Unknown, which a node has that no longer reports, is not ready either.
		if tree.Text(c, "status") != "True" {
			status = "NotReady"
		}
	}
	if tree.At(obj, "spec", "unschedulable") == true {
		status += ",SchedulingDisabled"
	}
	return status
}

// nodeRoles returns what the labels say a Node is for, sorted: the ends of the labels with
// the prefix of roles, and the value of an older label.
func nodeRoles(obj map[string]any) any {
	var roles []string
	for label, value := range tree.Object(obj, "metadata", "labels") {
		if role, ok := strings.CutPrefix(label, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		} else if role, _ := value.(string); label == "kubernetes.io/role" && role != "" {
			roles = append(roles, role)
		}
	}
	// Both labels may say the same, and labels come in any order.
	slices.Sort(roles)
	return joinOr(slices.Compact(roles), "<none>")
}

// nodeAddress returns the first address of a type that a Node has.
// Nodes have two columns of it, for inside and for outside of the cluster.
func nodeAddress(obj map[string]any, typ string) any {
	for _, a := range tree.List(obj, "status", "addresses") {
		if tree.Text(a, "type") == typ {
			return tree.Text(a, "address")
		}
	}
	return "<none>"
}

// nodeKernel returns the version of a Node's kernel, and its architecture where that is known.
func nodeKernel(obj map[string]any) any {
	kernel, machine := tree.Text(obj, "status", "nodeInfo", "kernelVersion"), tree.Text(obj, "status", "nodeInfo", "architecture")
	if kernel == "" {
		kernel = "<unknown>"
	}
	if machine != "" {
		kernel += " (" + machine + ")"
	}
	return kernel
}

// crdVersions returns the versions of a definition that are served, sorted as texts; the one
// in which objects are stored has a mark.
func crdVersions(obj map[string]any) any {
	var versions []string
	for _, v := range tree.List(obj, "spec", "versions") {
		// What is only stored is of no use to who asks.
		if tree.At(v, "served") == true {
			name := tree.Text(v, "name")
			if tree.At(v, "storage") == true {
				name += "(storage)"
			}
			versions = append(versions, name)
		}
	}
	// As texts, v10 is before v2; the order by priority is for discovery.
	slices.Sort(versions)
	return joinOr(versions, "")
}

// apiAvailable returns the status of the Available condition, with the reason where it is not
// True.
func apiAvailable(obj map[string]any) any {
	c := statusCondition(obj, "Available")
	if c == nil {
		return "Unknown"
	}
	status, reason := tree.Text(c, "status"), tree.Text(c, "reason")
	if status != "True" && reason != "" {
		return status + " (" + reason + ")"
	}
	return status
}
