package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Whom containers run as and what they may do, by operating system: a Linux pod has no options
// for Windows, and a Windows pod next to none for Linux. A pod that does not say its system may
// have both, since nobody knows yet on what node it will run. Processes of a Windows host
// (hostProcess) are for whole pods. What is shared with the host (its network, processes,
// users) rules out what would reach the host by it.

// securityContext checks that of a container, sc (upstream's ValidateSecurityContext), for what
// one of its fields says of another. c says where it is; what the pod's context says does not
// count.
func (p *podSpec) securityContext(c *container, sc map[string]any) {
	// What is masked in /proc is the host's; without users of the pod's own it could be written
	// to.
	if tree.Text(sc, "procMount") == "Unmasked" && p.hostUsers {
		p.Add(field.Invalid(p.Path(c.list, c.i, "securityContext", "procMount"), "Unmasked", "`hostUsers` must be false to use `Unmasked`"))
	}
	// Both sorts of container can gain any privilege, so that to forbid it would say nothing.
	if sc["allowPrivilegeEscalation"] != false {
		return
	}
	if tree.True(sc["privileged"]) {
		p.Add(field.Invalid(p.Path(c.list, c.i, "securityContext"), sc,
			"cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
	}
	// Only the name with CAP_ in front is looked for, though runtimes take both (upstream).
	for _, capability := range tree.List(sc, "capabilities", "add") {
		if capability == "CAP_SYS_ADMIN" && !adminWithoutEscalation(p.old) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "securityContext"), sc,
				"cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
		}
	}
}

// adminWithoutEscalation reports whether a container of spec has the capability that makes it
// root, and is not said to escalate privileges. An old spec with one may keep it.
func adminWithoutEscalation(spec map[string]any) bool {
	for c := range containersOf(spec) {
		sc := tree.Object(c.obj, "securityContext")
		if sc["allowPrivilegeEscalation"] != true && slices.Contains(tree.List(sc, "capabilities", "add"), any("CAP_SYS_ADMIN")) {
			return true
		}
	}
	return false
}

// sysctls checks that names of kernel parameters come once, and that none is of a namespace
// that is shared with the host: a pod would set it for the whole node (upstream's
// validateSysctls).
func (p *podSpec) sysctls() {
	var names set[string]
	for i, s := range each(tree.At(p.spec, "securityContext", "sysctls")) {
		name := tree.Text(s, "name")
		// A name that is no name is not told as repeated.
		switch twice := names.add(name); {
		case name == "":
			p.Add(field.Required(p.Path("securityContext", "sysctls", i, "name"), ""))
		case !isSysctl(name):
			p.Add(field.Invalid(p.Path("securityContext", "sysctls", i, "name"), name, sysctlRule))
		case twice:
			p.Add(field.Duplicate(p.Path("securityContext", "sysctls", i, "name"), name))
		}
		// An old spec that has one may keep it, and have others.
		if of := sharedSysctl(p.spec, name); of != "" && !sharesSysctls(p.old) {
			p.Add(field.Invalid(p.Path("securityContext", "sysctls", i, "name"), name, "may not be specified when '"+of+"' is true"))
		}
	}
}

// sysctlRule is the rule of the names of kernel parameters, as errors tell it.
const sysctlRule = "must have at most 253 characters and match regex " +
	"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"

// isSysctl reports whether name is that of a kernel parameter: words with dots or slashes
// between. It is read by hand, so that no pattern has to be compiled for it.
func isSysctl(name string) bool {
	if len(name) > 253 {
		return false
	}
	for {
		i := strings.IndexAny(name, "./")
		part := name
		if i >= 0 {
			part = name[:i]
		}
		for j := range len(part) {
			c := part[j]
			// Hyphens and underscores are inside a word, never at its ends.
			if letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'; !letter && (c != '-' && c != '_' || j == 0 || j == len(part)-1) {
				return false
			}
		}
		if part == "" {
			return false
		}
		if i < 0 {
			return true
		}
		name = name[i+1:]
	}
}

// sharedSysctl returns the field of spec that shares the namespace of a kernel parameter with
// the host, "" for none. For example, net/ipv4/ip_forward is of the network.
func sharedSysctl(spec map[string]any, name string) string {
	// The slashes of a path are the dots of a name; which the first one is says which sort is meant.
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '/' {
		name = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, name)
	}
	// A star stands for all parameters below a name; what is before it says the namespace.
	name, _, _ = strings.Cut(name, "*")
	switch {
	case strings.HasPrefix(name, "net."):
		if tree.True(spec["hostNetwork"]) {
			return "hostNetwork"
		}
	case strings.HasPrefix(name, "fs.mqueue."), listed(ipcSysctls, name):
		if tree.True(spec["hostIPC"]) {
			return "hostIPC"
		}
	}
	return ""
}

// ipcSysctls are the kernel parameters of the namespace for communication between processes,
// which have no prefix of their own.
const ipcSysctls = "kernel.sem kernel.shmall kernel.shmmax kernel.shmmni kernel.shm_rmid_forced kernel.shm kernel.msgmax kernel.msgmnb " +
	"kernel.msgmni kernel.msg"

// sharesSysctls reports whether spec has a kernel parameter of a namespace that it shares with
// the host. It is asked of old specs, of which one such parameter is a pass for all.
func sharesSysctls(spec map[string]any) bool {
	for _, s := range each(tree.At(spec, "securityContext", "sysctls")) {
		if sharedSysctl(spec, tree.Text(s, "name")) != "" {
			return true
		}
	}
	return false
}

// hostUserNamespace checks that a pod with users of its own shares no processes with the host
// (upstream's validateHostUsers). Two of the paths begin with an upper-case letter, as no field
// does: they are upstream's.
func (p *podSpec) hostUserNamespace() {
	if p.hostUsers {
		return
	}
	for _, f := range [...][2]string{{"hostNetwork", "hostNetwork"}, {"hostPID", "HostPID"}, {"hostIPC", "HostIPC"}} {
		if tree.True(p.spec[f[0]]) {
			p.Add(field.Forbidden(p.Path(f[1]), "when `hostUsers` is false"))
		}
	}
}

// hostProcess checks that where one container is a process of a Windows host, all are, and the
// pod is in its network (upstream's validateWindowsHostProcessPod). Windows cannot mix the two.
func (p *podSpec) hostProcess() {
	// A container without a value has the pod's, so it counts whether one was given.
	of := func(obj map[string]any) (is, given bool) {
		is, given = tree.At(obj, "securityContext", "windowsOptions", "hostProcess").(bool)
		return is, given
	}
	podIs, podSays := of(p.spec)
	containers, processes := 0, 0
	for c := range containersOf(p.spec) {
		is, says := of(c.obj)
		if podSays && says && podIs != is {
			p.Add(field.Invalid(p.Path(c.list, c.i, "securityContext", "windowsOptions", "hostProcess"), is,
				fmt.Sprintf("pod hostProcess value must be identical if both are specified, was %v", podIs)))
		}
		// One that does not say is what the pod says.
		if containers++; is || !says && podIs {
			processes++
		}
	}
	if processes == 0 {
		return
	}
	// The path is the spec's, with an empty value: no single container is the wrong one.
	if processes != containers {
		p.Add(field.Invalid(p.Path(), "", "If pod contains any hostProcess containers then all containers must be HostProcess containers"))
	}
	if !tree.True(p.spec["hostNetwork"]) {
		p.Add(field.Invalid(p.Path("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers"))
	}
}

// What a Windows pod may not have: in its spec, in its security context, and in those of its
// containers. The order is upstream's.
var (
	notWindows    = [...]string{"hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"}
	notWindowsPod = [...]string{"appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls",
		"runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"}
	notWindowsContainer = [...]string{"appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem",
		"privileged", "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"}
)

// operatingSystem checks the field os, and what it rules out (upstream's validateOS,
// validateLinux and validateWindows). Without the field nothing is ruled out.
func (p *podSpec) operatingSystem() {
	switch {
	case !p.hasOS:
	case p.os == "":
		p.Add(field.Required(p.Path("os", "name"), ""))
	case p.os == "linux":
		const why = "windows options cannot be set for a linux pod"
		if tree.At(p.spec, "securityContext", "windowsOptions") != nil {
			p.Add(field.Forbidden(p.Path("securityContext", "windowsOptions"), why))
		}
		for c := range containersOf(p.spec) {
			if tree.At(c.obj, "securityContext", "windowsOptions") != nil {
				p.Add(field.Forbidden(p.Path(c.list, c.i, "securityContext", "windowsOptions"), why))
			}
		}
	case p.os == "windows":
		const why = "cannot be set for a windows pod"
		// Two of the flags are pointers upstream, where false is more than absent.
		for _, f := range notWindows {
			if v := p.spec[f]; v != nil && (v != false || f == "hostUsers" || f == "shareProcessNamespace") {
				p.Add(field.Forbidden(p.Path(f), why))
			}
		}
		for _, f := range notWindowsPod {
			if tree.At(p.spec, "securityContext", f) != nil {
				p.Add(field.Forbidden(p.Path("securityContext", f), why))
			}
		}
		for c := range containersOf(p.spec) {
			for _, f := range notWindowsContainer {
				if tree.At(c.obj, "securityContext", f) != nil {
					p.Add(field.Forbidden(p.Path(c.list, c.i, "securityContext", f), why))
				}
			}
		}
	// The path is that of os, and not of its name (upstream).
	default:
		p.Add(field.NotSupported(p.Path("os"), p.os, "linux", "windows"))
	}
}
