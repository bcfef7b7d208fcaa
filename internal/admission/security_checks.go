package admission

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// The pod security standards, as rows: what a pod must not do in the levels baseline and restricted,
// each rule from a minor version of Kubernetes on. Restricted has the rules of baseline too, but for
// those that a stricter one of its own replaces. The messages are upstream's.

// podCheck is a rule: what is wrong with a pod by it, and the details; "" for nothing.
// A rule changes nothing and keeps nothing, so that any number of pods may be judged at once.
type podCheck func(p *securedPod) (reason, detail string)

// securityCheck is a row: a rule in its versions, the oldest first.
type securityCheck struct {
	id         string
	restricted bool
	// replaces is the rule of baseline that counts no longer where this one does.
	replaces string
	versions []checkVersion
}

// checkVersion is a rule from a minor version on.
type checkVersion struct {
	minor int
	check podCheck
}

// newestSecurity is the latest minor version that changed a rule; later ones are as this.
const newestSecurity = 37

// securityChecks are sorted by level and id, which is the order of what is said.
var securityChecks = [...]securityCheck{
	{id: "appArmorProfile", versions: []checkVersion{{0, checkAppArmor}}},
	{id: "capabilities_baseline", versions: []checkVersion{{0, checkCapabilities}}},
	{id: "hostNamespaces", versions: []checkVersion{{0, checkHostNamespaces}}},
	{id: "hostPathVolumes", versions: []checkVersion{{0, checkHostPaths}}},
	{id: "hostPorts", versions: []checkVersion{{0, checkHostPorts}}},
	{id: "hostProbesAndHostLifecycle", versions: []checkVersion{{34, checkProbeHosts}}},
	{id: "privileged", versions: []checkVersion{{0, checkPrivileged}}},
	{id: "procMount", versions: []checkVersion{{0, checkProcMount}, {35, unlessUserNamespace(checkProcMount)}}},
	{id: "seLinuxOptions", versions: []checkVersion{{0, seLinuxCheck()}, {31, seLinuxCheck("container_engine_t")}}},
	{id: "seccompProfile_baseline", versions: []checkVersion{{0, checkSeccompNotes}, {19, checkSeccomp}}},
	{id: "sysctls", versions: []checkVersion{
		{0, sysctlCheck(0)}, {27, sysctlCheck(1)}, {29, sysctlCheck(5)}, {32, sysctlCheck(7)}, {37, sysctlCheck(9)},
	}},
	{id: "windowsHostProcess", versions: []checkVersion{{0, checkHostProcess}}},

	{id: "allowPrivilegeEscalation", restricted: true, versions: []checkVersion{{8, checkEscalation}, {25, unlessWindows(checkEscalation)}}},
	{id: "capabilities_restricted", restricted: true, replaces: "capabilities_baseline",
		versions: []checkVersion{{22, checkDroppedCapabilities}, {25, unlessWindows(checkDroppedCapabilities)}}},
	{id: "procMount_restricted", restricted: true, replaces: "procMount", versions: []checkVersion{{35, checkProcMount}}},
	{id: "restrictedVolumes", restricted: true, replaces: "hostPathVolumes", versions: []checkVersion{{0, checkVolumeTypes}}},
	{id: "runAsNonRoot", restricted: true, versions: []checkVersion{{0, checkNonRoot}, {35, unlessUserNamespace(checkNonRoot)}}},
	{id: "runAsUser", restricted: true, versions: []checkVersion{{23, checkUser}, {35, unlessUserNamespace(checkUser)}}},
	{id: "seccompProfile_restricted", restricted: true, replaces: "seccompProfile_baseline",
		versions: []checkVersion{{19, checkSeccompSet}, {25, unlessWindows(checkSeccompSet)}}},
}

// at returns the rule in a minor version, nil where it did not exist yet.
func (s *securityCheck) at(minor int) (check podCheck) {
	for _, v := range s.versions {
		if v.minor <= minor {
			check = v.check
		}
	}
	return check
}

// violations returns what is wrong with a pod in a level and a minor version: reasons, and each with its
// details.
func violations(p *securedPod, level string, minor int) (reasons, details []string) {
	if level == levelPrivileged {
		return nil, nil
	}
	replaced := map[string]bool{}
	for i := range securityChecks {
		if s := &securityChecks[i]; level == levelRestricted && s.restricted && s.at(minor) != nil {
			replaced[s.replaces] = true
		}
	}
	for i := range securityChecks {
		s := &securityChecks[i]
		check := s.at(minor)
		if check == nil || replaced[s.id] || s.restricted && level != levelRestricted {
			continue
		}
		if reason, detail := check(p); reason != "" {
			if detail != "" {
				detail = reason + " (" + detail + ")"
			}
			reasons, details = append(reasons, reason), append(details, max(detail, reason))
		}
	}
	return reasons, details
}

// securedPod is what the rules look at: a pod, or the template of one.
type securedPod struct {
	notes map[string]any // annotations
	spec  map[string]any
	// containers are of all three sorts, in upstream's order.
	containers []any
}

// newSecuredPod reads a pod, or the template of one, from its metadata and its spec, either of which
// may be nil. It shares what it reads.
func newSecuredPod(meta, spec map[string]any) *securedPod {
	return &securedPod{tree.Object(meta, "annotations"), spec,
		slices.Concat(tree.List(spec, "initContainers"), tree.List(spec, "containers"), tree.List(spec, "ephemeralContainers"))}
}

// unlessWindows is a rule that does not hold of pods for Windows.
// What these rules ask for does not exist there.
func unlessWindows(check podCheck) podCheck {
	return func(p *securedPod) (string, string) {
		if tree.Text(p.spec, "os", "name") == "windows" {
			return "", ""
		}
		return check(p)
	}
}

// unlessUserNamespace is a rule that does not hold of pods whose users are not the node's.
// Root in such a pod is nobody on the node.
func unlessUserNamespace(check podCheck) podCheck {
	return func(p *securedPod) (string, string) {
		if p.spec["hostUsers"] == false {
			return "", ""
		}
		return check(p)
	}
}

// containersWhere returns the names of the containers of which bad holds.
// They are in the order of the containers. A container is what stands in the list, which is an object
// in all that was pruned.
func (p *securedPod) containersWhere(bad func(c any) bool) (names []string) {
	for _, c := range p.containers {
		if bad(c) {
			names = append(names, tree.Text(c, "name"))
		}
	}
	return names
}

// setters returns who sets something bad in a security context: the pod and the containers, in words;
// "" if nobody does. bad is asked about each security context that is there.
//
//	pod and containers "a", "b"
func (p *securedPod) setters(bad func(context map[string]any) bool) string {
	var who []string
	if c := tree.Object(p.spec, "securityContext"); c != nil && bad(c) {
		who = append(who, "pod")
	}
	// Containers are asked even if the pod sets it already: all of them are named.
	if names := p.containersWhere(func(c any) bool {
		context := tree.Object(c, "securityContext")
		return context != nil && bad(context)
	}); len(names) > 0 {
		who = append(who, nounOf("container", names))
	}
	return strings.Join(who, " and ")
}

// plural returns a noun for so many things.
// Anything but 1 is more than one.
func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// verb returns a verb for so many things.
func verb(n int) string {
	if n == 1 {
		return "uses"
	}
	return "use"
}

// nounOf returns a noun with names behind it.
func nounOf(noun string, names []string) string {
	return plural(noun, len(names)) + " " + quoted(names)
}

// quoted lists names in quotes.
// Names are those of containers, volumes and the like, in which nothing needs escaping.
func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return `"` + strings.Join(names, `", "`) + `"`
}

// set collects different texts.
// It says each once, in a message that is the same for the same pod.
type set map[string]bool

// add puts a text into the set.
func (s set) add(text string) { s[text] = true }

// sorted returns the texts in order, as upstream's sets list themselves.
func (s set) sorted() []string {
	var all []string
	for text := range s {
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// checkAppArmor refuses profiles that take the confinement off: the field allows RuntimeDefault and
// Localhost, and so does the annotation of before, under the names that it has for them. Both are told
// in one sentence.
func checkAppArmor(p *securedPod) (string, string) {
	values := set{}
	var who []string
	if s := p.setters(func(context map[string]any) bool {
		// A security context that names no profile gets the node's default.
		profile := tree.Object(context, "appArmorProfile")
		kind := tree.Text(profile, "type")
		if profile == nil || kind == "RuntimeDefault" || kind == "Localhost" {
			return false
		}
		values.add(kind)
		return true
	}); s != "" {
		who = append(who, s)
	}
	// Values of the field first, sorted, then the annotations, with their keys.
	bad := values.sorted()
	notes := 0
	for _, key := range tree.SortedKeys(p.notes) {
		v, _ := p.notes[key].(string)
		if strings.HasPrefix(key, "container.apparmor.security.beta.kubernetes.io/") &&
			v != "" && v != "runtime/default" && !strings.HasPrefix(v, "localhost/") {
			bad = append(bad, fmt.Sprintf("%s=%q", key, v))
			notes++
		}
	}
	if notes > 0 {
		who = append(who, plural("annotation", notes))
	}
	if len(who) == 0 {
		return "", ""
	}
	return plural("forbidden AppArmor profile", len(bad)),
		strings.Join(who, " and ") + " must not set AppArmor profile type to " + quoted(bad)
}

// baselineCapabilities may be added in baseline.
var baselineCapabilities = [...]any{"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
	"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}

// checkCapabilities refuses to add any capability beyond those that runtimes give by themselves.
func checkCapabilities(p *securedPod) (string, string) {
	added := set{}
	names := p.containersWhere(func(c any) (bad bool) {
		for _, v := range tree.List(c, "securityContext", "capabilities", "add") {
			if !slices.Contains(baselineCapabilities[:], v) {
				added.add(v.(string))
				bad = true
			}
		}
		return bad
	})
	if len(names) == 0 {
		return "", ""
	}
	return "non-default capabilities", nounOf("container", names) + " must not include " + quoted(added.sorted()) +
		" in securityContext.capabilities.add"
}

// checkDroppedCapabilities is the stricter rule, in two parts that are told together: every container
// drops all, and adds at most the right to bind low ports.
func checkDroppedCapabilities(p *securedPod) (string, string) {
	// Ephemeral containers are asked too; they must say it as the others do.
	added := set{}
	var details []string
	if names := p.containersWhere(func(c any) bool {
		return !slices.Contains(tree.List(c, "securityContext", "capabilities", "drop"), any("ALL"))
	}); len(names) > 0 {
		details = append(details, nounOf("container", names)+` must set securityContext.capabilities.drop=["ALL"]`)
	}
	if names := p.containersWhere(func(c any) (bad bool) {
		for _, v := range tree.List(c, "securityContext", "capabilities", "add") {
			// The one that may come back: without it low ports need root.
			if v != "NET_BIND_SERVICE" {
				added.add(v.(string))
				bad = true
			}
		}
		return bad
	}); len(names) > 0 {
		details = append(details, nounOf("container", names)+" must not include "+quoted(added.sorted())+
			" in securityContext.capabilities.add")
	}
	if len(details) == 0 {
		return "", ""
	}
	return "unrestricted capabilities", strings.Join(details, "; ")
}

// checkHostNamespaces refuses pods that share the node's network, processes or memory of processes.
func checkHostNamespaces(p *securedPod) (string, string) {
	var set []string
	for _, f := range [...]string{"hostNetwork", "hostPID", "hostIPC"} {
		if tree.True(p.spec[f]) {
			set = append(set, f+"=true")
		}
	}
	if set == nil {
		return "", ""
	}
	return "host namespaces", strings.Join(set, ", ")
}

// checkHostPaths refuses volumes that are directories of the node.
func checkHostPaths(p *securedPod) (string, string) {
	var names []string
	for _, v := range tree.List(p.spec, "volumes") {
		if tree.At(v, "hostPath") != nil {
			names = append(names, tree.Text(v, "name"))
		}
	}
	if names == nil {
		return "", ""
	}
	return "hostPath volumes", nounOf("volume", names)
}

// checkHostPorts refuses ports that are opened on the node itself. 0 means none.
func checkHostPorts(p *securedPod) (string, string) {
	ports := set{}
	names := p.containersWhere(func(c any) (bad bool) {
		for _, port := range tree.List(c, "ports") {
			if n, _ := tree.At(port, "hostPort").(int64); n != 0 {
				ports.add(strconv.FormatInt(n, 10))
				bad = true
			}
		}
		return bad
	})
	if len(names) == 0 {
		return "", ""
	}
	// Ports are sorted as texts, which is as upstream lists them.
	return "hostPort", nounOf("container", names) + " " + verb(len(names)) + " " + plural("hostPort", len(ports)) + " " +
		strings.Join(ports.sorted(), ", ")
}

// checkProbeHosts refuses probes and hooks that go to another host than the pod, since the kubelet
// would send them from the node's network, where a pod may not reach.
func checkProbeHosts(p *securedPod) (string, string) {
	hosts, names := set{}, set{}
	for _, c := range p.containers {
		for _, path := range [...][]string{{"livenessProbe"}, {"readinessProbe"}, {"startupProbe"}, {"lifecycle", "postStart"},
			{"lifecycle", "preStop"}} {
			// Commands and gRPC name no host.
			for _, by := range [...]string{"httpGet", "tcpSocket"} {
				if host := tree.Text(tree.Object(c, path...), by, "host"); host != "" {
					hosts.add(host)
					names.add(tree.Text(c, "name"))
				}
			}
		}
	}
	if len(names) == 0 {
		return "", ""
	}
	return "probe or lifecycle host", nounOf("container", names.sorted()) + " " + verb(len(names)) + " " +
		nounOf("probe or lifecycle host", hosts.sorted())
}

// checkPrivileged refuses containers that have every right on the node.
func checkPrivileged(p *securedPod) (string, string) {
	names := p.containersWhere(func(c any) bool { return tree.True(tree.At(c, "securityContext", "privileged")) })
	if len(names) == 0 {
		return "", ""
	}
	return "privileged", nounOf("container", names) + " must not set securityContext.privileged=true"
}

// checkProcMount refuses to take the mask off /proc. A field that is there and empty is not the default
// either.
func checkProcMount(p *securedPod) (string, string) {
	values := set{}
	names := p.containersWhere(func(c any) bool {
		v, ok := tree.At(c, "securityContext", "procMount").(string)
		if ok = ok && v != "Default"; ok {
			values.add(v)
		}
		return ok
	})
	if len(names) == 0 {
		return "", ""
	}
	return "procMount", nounOf("container", names) + " must not set securityContext.procMount to " + quoted(values.sorted())
}
