package kinds

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/tree"
)

// The columns of tables: what kinds.txt says of a column, made into a function that gives
// the cell of an object. Texts are upstream's.

// parseColumn reads what follows "col": NAME: TYPE[/FORMAT] [PRIORITY] = CELL -- what it
// shows, or the name of a common column.
func parseColumn(text string) (Column, error) {
	head, cell, ok := strings.Cut(text, " = ")
	if !ok {
		for _, c := range commonColumns() {
			if c.Name == text {
				return c, nil
			}
		}
		return Column{}, fmt.Errorf("there is no common column %q", text)
	}
	name, typ, _ := strings.Cut(head, ": ")
	c := Column{Name: name}
	cell, c.Description, _ = strings.Cut(cell, " -- ")
	typ, priority, more := strings.Cut(typ, " ")
	c.Type, c.Format, _ = strings.Cut(typ, "/")
	var err error
	if more {
		c.Priority, err = strconv.Atoi(priority)
	}
	if name == "" || c.Type == "" || err != nil {
		return c, fmt.Errorf("the column %q has no name, type or a priority that is no number", head)
	}
	c.Cell, err = parseCell(cell)
	return c, err
}

// commonColumns are the columns that are alike for many kinds.
func commonColumns() []Column {
	created := []string{"metadata", "creationTimestamp"}
	return []Column{
		{Name: "Name", Type: "string", Format: "name", Description: "name of the object", Cell: pathCell([]string{"metadata", "name"}, "")},
		{Name: "Created At", Type: "date", Description: "when the object was created", Cell: dateCell(created)},
		{Name: "Age", Type: "string", Description: "how long ago the object was created", Cell: ageCell(created)},
	}
}

// defaultColumns are those of a kind that has none.
func defaultColumns() []Column { return commonColumns()[:2] }

// parseCell reads the expression of a cell.
func parseCell(text string) (func(map[string]any) any, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("a column has no cell")
	}
	if name, list, ok := strings.Cut(text, "("); ok {
		list, ok = strings.CutSuffix(list, ")")
		var paths [][]string
		for _, p := range strings.Split(list, ",") {
			paths = append(paths, strings.Split(p, "."))
		}
		switch {
		case ok && name == "count":
			return countCell(paths), nil
		case ok && len(paths) == 1 && name == "age":
			return ageCell(paths[0]), nil
		case ok && len(paths) == 1 && name == "date":
			return dateCell(paths[0]), nil
		case ok && len(paths) == 1 && name == "labels":
			return labelsCell(paths[0]), nil
		}
		return nil, fmt.Errorf("%q is no cell", text)
	}
	if f := namedCell(text); f != nil {
		return f, nil
	}
	path, empty, _ := strings.Cut(text, "|")
	return pathCell(strings.Split(path, "."), empty), nil
}

// pathCell shows the value of a field, empty where it has none.
func pathCell(path []string, empty string) func(map[string]any) any {
	return func(obj map[string]any) any {
		if s := cellText(tree.At(obj, path...)); s != "" {
			return s
		}
		return empty
	}
}

// cellText is a scalar as text, "" of nothing and of collections.
func cellText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

// countCell is how many members the objects and lists at paths have.
func countCell(paths [][]string) func(map[string]any) any {
	return func(obj map[string]any) any {
		n := 0
		for _, p := range paths {
			switch v := tree.At(obj, p...).(type) {
			case map[string]any:
				n += len(v)
			case []any:
				n += len(v)
			}
		}
		return int64(n)
	}
}

func ageCell(path []string) func(map[string]any) any {
	return func(obj map[string]any) any { return ageText(tree.At(obj, path...), time.Now()) }
}

// ageText is how long before now the time v was, as upstream shows it.
func ageText(v any, now time.Time) string {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() {
		return "<unknown>"
	}
	return HumanDuration(now.Sub(t))
}

func dateCell(path []string) func(map[string]any) any {
	return func(obj map[string]any) any {
		t, _ := time.Parse(time.RFC3339, tree.Text(obj, path...))
		return t.UTC().Format(time.RFC3339)
	}
}

// labelsCell is a map as a selector.
func labelsCell(path []string) func(map[string]any) any {
	return func(obj map[string]any) any {
		var pairs []string
		for k, v := range tree.Object(obj, path...) {
			pairs = append(pairs, k+"="+cellText(v))
		}
		slices.Sort(pairs)
		return commaList(pairs, "<none>")
	}
}

// commaList is a list with commas, empty where it has nothing.
func commaList(list []string, empty string) string {
	if len(list) == 0 {
		return empty
	}
	return strings.Join(list, ",")
}

// HumanDuration is a duration in at most two units, the finer the shorter it is: 119s,
// 5m30s, 3d4h, 2y10d. A time up to a second ahead is now; more is <invalid>.
func HumanDuration(d time.Duration) string {
	two := func(n int, unit string, rest int, small string) string {
		if rest == 0 {
			return strconv.Itoa(n) + unit
		}
		return strconv.Itoa(n) + unit + strconv.Itoa(rest) + small
	}
	seconds, minutes, hours := int(d/time.Second), int(d/time.Minute), int(d/time.Hour)
	days := hours / 24
	switch {
	case seconds < -1:
		return "<invalid>"
	case seconds < 0:
		return "0s"
	case seconds < 120:
		return strconv.Itoa(seconds) + "s"
	case minutes < 10:
		return two(minutes, "m", seconds%60, "s")
	case minutes < 180:
		return strconv.Itoa(minutes) + "m"
	case hours < 8:
		return two(hours, "h", minutes%60, "m")
	case hours < 48:
		return strconv.Itoa(hours) + "h"
	case days < 8:
		return two(days, "d", hours%24, "h")
	case days < 2*365:
		return strconv.Itoa(days) + "d"
	case days < 8*365:
		return two(days/365, "y", days%365, "d")
	}
	return strconv.Itoa(days/365) + "y"
}

// namedCell is the function of a cell that no expression says, nil if name is none.
func namedCell(name string) func(map[string]any) any {
	switch name {
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
	case "nodeStatus":
		return nodeStatus
	case "nodeRoles":
		return nodeRoles
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
			return commaList(TextsOf(tree.List(obj, "spec", "names", "shortNames")), "")
		}
	case "crdEstablished":
		return func(obj map[string]any) any {
			return tree.Text(statusCondition(obj, "Established"), "status") == "True"
		}
	case "apiService":
		return apiServiceCell
	case "apiAvailable":
		return apiAvailable
	}
	return nil
}

// TextsOf is the strings of a list.
func TextsOf(list []any) []string {
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// statusCondition is the one of status.conditions of a type, or nil.
func statusCondition(obj map[string]any, typ string) map[string]any {
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == typ {
			c, _ := c.(map[string]any)
			return c
		}
	}
	return nil
}

// Events tell their times in two ways: an old client's first and last, a new one's time
// and series.

func eventFirst(obj map[string]any, now time.Time) string {
	if tree.Text(obj, "firstTimestamp") == "" {
		return ageText(obj["eventTime"], now)
	}
	return ageText(obj["firstTimestamp"], now)
}

func eventLast(obj map[string]any, now time.Time) string {
	if obj["series"] != nil {
		return ageText(tree.At(obj, "series", "lastObservedTime"), now)
	}
	if tree.Text(obj, "lastTimestamp") == "" {
		return eventFirst(obj, now)
	}
	return ageText(obj["lastTimestamp"], now)
}

func eventCount(obj map[string]any) any {
	n, _ := obj["count"].(int64)
	if obj["series"] != nil {
		n, _ = tree.At(obj, "series", "count").(int64)
	} else if n == 0 {
		n = 1
	}
	return n
}

func eventObject(obj map[string]any) any {
	kind, name := strings.ToLower(tree.Text(obj, "involvedObject", "kind")), tree.Text(obj, "involvedObject", "name")
	if name != "" {
		return kind + "/" + name
	}
	return kind
}

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

func serviceExternal(obj map[string]any) any {
	addresses := TextsOf(tree.List(obj, "spec", "externalIPs"))
	switch tree.Text(obj, "spec", "type") {
	case "ClusterIP", "NodePort":
		return commaList(addresses, "<none>")
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
		slices.Sort(balancer)
		return commaList(append(slices.Compact(balancer), addresses...), "<pending>")
	case "ExternalName":
		return tree.Text(obj, "spec", "externalName")
	}
	return "<unknown>"
}

func servicePorts(obj map[string]any) any {
	var ports []string
	for _, p := range tree.List(obj, "spec", "ports") {
		port := cellText(tree.At(p, "port"))
		if node, _ := tree.At(p, "nodePort").(int64); node > 0 {
			port += ":" + strconv.FormatInt(node, 10)
		}
		ports = append(ports, port+"/"+tree.Text(p, "protocol"))
	}
	return commaList(ports, "<none>")
}

// endpointsCell shows the first three pairs of address and port.
func endpointsCell(obj map[string]any) any {
	subsets := tree.List(obj, "subsets")
	if len(subsets) == 0 {
		return "<none>"
	}
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
		if len(ports) == 0 { // of a service without an address of its own
			add(addresses, "")
		}
		for _, p := range ports {
			add(addresses, cellText(tree.At(p, "port")))
		}
	}
	if shown := strings.Join(list, ","); count > most {
		return fmt.Sprintf("%s + %d more...", shown, count-most)
	} else {
		return shown
	}
}

func nodeStatus(obj map[string]any) any {
	status := "Unknown"
	if c := statusCondition(obj, "Ready"); c != nil {
		status = "Ready"
		if tree.Text(c, "status") != "True" {
			status = "NotReady"
		}
	}
	if tree.At(obj, "spec", "unschedulable") == true {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(obj map[string]any) any {
	var roles []string
	for label, value := range tree.Object(obj, "metadata", "labels") {
		if role, ok := strings.CutPrefix(label, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		} else if role, _ := value.(string); label == "kubernetes.io/role" && role != "" {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return commaList(slices.Compact(roles), "<none>")
}

func nodeAddress(obj map[string]any, typ string) any {
	for _, a := range tree.List(obj, "status", "addresses") {
		if tree.Text(a, "type") == typ {
			return tree.Text(a, "address")
		}
	}
	return "<none>"
}

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

// crdVersions are the versions that are served; the stored one says so.
func crdVersions(obj map[string]any) any {
	var versions []string
	for _, v := range tree.List(obj, "spec", "versions") {
		if tree.At(v, "served") == true {
			name := tree.Text(v, "name")
			if tree.At(v, "storage") == true {
				name += "(storage)"
			}
			versions = append(versions, name)
		}
	}
	slices.Sort(versions)
	return commaList(versions, "")
}

func apiServiceCell(obj map[string]any) any {
	if tree.At(obj, "spec", "service") == nil {
		return "Local"
	}
	return tree.Text(obj, "spec", "service", "namespace") + "/" + tree.Text(obj, "spec", "service", "name")
}

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
