package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Containers of the three sorts. All share most rules; then init containers may not have probes
// unless they are sidecars, which run on beside the others (restartPolicy Always), and
// ephemeral ones, which come late and must not hold up anything, may have little:
//
//	containers            probes, hooks, ports, restart rules
//	initContainers        the same as sidecars, else no probes and no hooks
//	ephemeralContainers   ephemeralFields, and a container that is looked into
//
// Names are unique over all three, since status, logs and exec go by name alone.

// container checks what containers of all sorts share (upstream's validateContainerCommon).
func (p *podSpec) containers() {
	var regular, names set[string]
	for i, c := range each(p.spec["containers"]) {
		at := container{"containers", i, c, tree.Text(c, "name")}
		// regular is of this list alone; names goes on to the other lists.
		if names.add(at.name); regular.add(at.name) {
			p.Add(field.Duplicate(p.Path("containers", i, "name"), at.name))
		}
		p.container(&at)
		p.handlers(&at)
		p.restartRules(&at)
	}
	// Ports are compared when all containers have been checked: upstream's errors are in that
	// order.
	var ports set[hostPort]
	for i, c := range each(p.spec["containers"]) {
		p.addHostPorts(&ports, c, "containers", i)
	}
	for i, c := range each(p.spec["initContainers"]) {
		at := container{"initContainers", i, c, tree.Text(c, "name")}
		p.container(&at)
		p.restartRules(&at)
		// A missing name is told by its rule, and is not one that another has.
		switch {
		case names.has(at.name):
			p.Add(field.Duplicate(p.Path("initContainers", i, "name"), at.name))
		case at.name != "":
			names.add(at.name)
		}
		// Init containers run one after the other, so each is alone with its ports; the path counts from 0.
		var ports set[hostPort]
		p.addHostPorts(&ports, c, "initContainers", 0)
		if c["restartPolicy"] == "Always" {
			p.handlers(&at)
			continue
		}
		// An init container ends before anybody could ask it how it is.
		for _, f := range [...]string{"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"} {
			if c[f] != nil {
				p.Add(field.Forbidden(p.Path("initContainers", i, f), "may not be set for init containers without restartPolicy=Always"))
			}
		}
		for j, policy := range each(c["resizePolicy"]) {
			// It was taken once; where an old spec has it, others may.
			if policy["restartPolicy"] == "RestartContainer" && !restartsInit(p.old) {
				p.Add(field.Invalid(p.Path("initContainers", i, "resizePolicy", j, "restartPolicy"), "RestartContainer",
					"must not be set to 'RestartContainer' for non-sidecar initContainers"))
			}
		}
	}
	p.ephemeralContainers(&names)
}

// restartsInit reports whether an init container of spec that is no sidecar restarts when it is
// resized. It is asked of old specs.
func restartsInit(spec map[string]any) bool {
	for _, c := range each(spec["initContainers"]) {
		for _, policy := range each(c["resizePolicy"]) {
			if c["restartPolicy"] != "Always" && policy["restartPolicy"] == "RestartContainer" {
				return true
			}
		}
	}
	return false
}

// ephemeralFields are the fields of a container that an ephemeral one may have, beside the
// container that it looks into (upstream's allowedEphemeralContainerFields).
var ephemeralFields = [...]string{"name", "image", "command", "args", "workingDir", "envFrom", "env", "volumeMounts", "volumeDevices",
	"terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "securityContext", "stdin", "stdinOnce", "tty",
	"targetContainerName"}

// ephemeralContainers checks the containers that were added to a running pod. names are those
// of the others, and gets theirs.
func (p *podSpec) ephemeralContainers(names *set[string]) {
	// A container looks into one that was there before; another ephemeral one is none.
	others := *names
	for i, c := range each(p.spec["ephemeralContainers"]) {
		at := container{"ephemeralContainers", i, c, tree.Text(c, "name")}
		p.container(&at)
		// In templates too, though no template may have any.
		p.paddedImage(&at)
		if names.add(at.name) {
			p.Add(field.Duplicate(p.Path(at.list, i, "name"), at.name))
		}
		if target := tree.Text(c, "targetContainerName"); target != "" && !others.has(target) {
			p.Add(notFound(p.Path(at.list, i, "targetContainerName"), target))
		}
		for _, f := range tree.SortedKeys(c) {
			// Resources are always there upstream, since they are no pointer; empty ones say
			// nothing.
			if slices.Contains(ephemeralFields[:], f) || f == "resources" && len(tree.Object(c, f)) == 0 {
				continue
			}
			p.Add(field.Forbidden(p.Path(at.list, i, f), "cannot be set for an Ephemeral Container"))
		}
		for j, mount := range each(c["volumeMounts"]) {
			// Their mounts are of whole volumes (upstream).
			for _, f := range [...]string{"subPath", "subPathExpr"} {
				if tree.Text(mount, f) != "" {
					p.Add(field.Forbidden(p.Path(at.list, i, "volumeMounts", j, f), "cannot be set for an Ephemeral Container"))
				}
			}
		}
	}
}

// notFound is the error for a name that nothing has: upstream's field.NotFound.
func notFound(path, name string) field.Error {
	e := field.Duplicate(path, name)
	e.Reason, e.Message = "FieldValueNotFound", "Not found"+strings.TrimPrefix(e.Message, "Duplicate value")
	return e
}

// paddedImage checks that the image of a container of a pod has no white space around it;
// templates may have, since they are older than this rule and could not be updated any more.
func (p *podSpec) paddedImage(c *container) {
	if image := tree.Text(c.obj, "image"); image != strings.TrimSpace(image) {
		p.Add(field.Invalid(p.Path(c.list, c.i, "image"), image, "must not have leading or trailing whitespace"))
	}
}

// container checks what containers of all sorts share (upstream's validateContainerCommon), but
// for what a word of its row says, which is judged where the walk comes to the container
// itself.
func (p *podSpec) container(c *container) {
	if p.pod && c.list != "ephemeralContainers" {
		p.paddedImage(c)
	}
	p.env(c)
	p.envFrom(c)
	p.mounts(c)
	p.devices(c)
	if r, ok := c.obj["resources"].(map[string]any); ok {
		p.resources(r, containerResource, c.list, c.i, "resources")
	}
	p.resizePolicy(c)
	if sc, ok := c.obj["securityContext"].(map[string]any); ok {
		p.securityContext(c, sc)
	}
}

// resizePolicy checks that a resource comes once, and what is done when it changes. The paths
// of errors about values are those of the list (upstream).
func (p *podSpec) resizePolicy(c *container) {
	var names set[string]
	for i, policy := range each(c.obj["resizePolicy"]) {
		name, restart := tree.Text(policy, "resourceName"), tree.Text(policy, "restartPolicy")
		if names.add(name) {
			p.Add(field.Duplicate(p.Path(c.list, c.i, "resizePolicy", i), name))
		}
		p.oneOf(name, []string{"cpu", "memory"}, c.list, c.i, "resizePolicy")
		p.oneOf(restart, []string{"NotRequired", "RestartContainer"}, c.list, c.i, "resizePolicy")
		// What is never started again cannot be restarted for its resources.
		if p.spec["restartPolicy"] == "Never" && restart != "NotRequired" {
			p.Add(field.Invalid(p.Path(c.list, c.i, "resizePolicy"), restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
		}
	}
}

// oneOf adds an error unless value is one of a few, with the path at. An empty value is
// missing.
func (p *podSpec) oneOf(value string, values []string, at ...any) {
	switch {
	case slices.Contains(values, value):
	case value == "":
		p.Add(field.Required(p.Path(at...), ""))
	default:
		p.Add(field.NotSupported(p.Path(at...), value, values...))
	}
}

// restartRules checks that rules of a container come with a policy, and each rule with exit
// codes.
func (p *podSpec) restartRules(c *container) {
	rules := tree.List(c.obj, "restartPolicyRules")
	if _, ok := c.obj["restartPolicy"]; !ok {
		if len(rules) > 0 {
			p.Add(field.Required(p.Path(c.list, c.i, "restartPolicy"), "must specify restartPolicy when restart rules are used"))
		}
		// Upstream looks no further at an init container without a policy.
		if c.list == "initContainers" {
			return
		}
	}
	// Both bounds are upstream's; 255 is how many codes there are but 0.
	if len(rules) > 20 {
		p.Add(field.TooMany(p.Path(c.list, c.i, "restartPolicyRules"), len(rules), 20))
	}
	for i, rule := range each(c.obj["restartPolicyRules"]) {
		if action := tree.Text(rule, "action"); action != "Restart" && action != "RestartAllContainers" {
			p.Add(field.NotSupported(p.Path(c.list, c.i, "restartPolicyRules", i, "action"), action, "Restart", "RestartAllContainers"))
		}
		codes, ok := rule["exitCodes"].(map[string]any)
		if !ok {
			p.Add(field.Required(p.Path(c.list, c.i, "restartPolicyRules", i, "exitCodes"), "must be specified"))
			continue
		}
		if op := tree.Text(codes, "operator"); op != "In" && op != "NotIn" {
			p.Add(field.NotSupported(p.Path(c.list, c.i, "restartPolicyRules", i, "exitCodes", "operator"), op, "In", "NotIn"))
		}
		if n := len(tree.List(codes, "values")); n > 255 {
			p.Add(field.TooMany(p.Path(c.list, c.i, "restartPolicyRules", i, "exitCodes", "values"), n, 255))
		}
	}
}

// hostPort is a port of the host that a container takes.
type hostPort struct {
	protocol, ip string
	port         int64
}

// addHostPorts adds the ports of the host that c takes to those taken before, and an error for
// each that is taken already. list and i are where errors say that c is.
func (p *podSpec) addHostPorts(taken *set[hostPort], c map[string]any, list string, i int) {
	for j, port := range each(c["ports"]) {
		at := hostPort{tree.Text(port, "protocol"), tree.Text(port, "hostIP"), number(port["hostPort"])}
		if at.port != 0 && taken.add(at) {
			p.Add(field.Duplicate(p.Path(list, i, "ports", j, "hostPort"), fmt.Sprintf("%s/%s/%d", at.protocol, at.ip, at.port)))
		}
	}
}
