package admission

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/tree"
)

// More rules of the pod security standards: those of security contexts, which a pod may set for all of
// its containers, and of its volumes and sysctls.

// seLinuxCheck is the rule of SELinux options, with more types that are allowed.
// The types that baseline knows are those of containers; a user or a role may never be set, whatever
// the type. All that is wrong by anybody is told together, behind who does it.
func seLinuxCheck(more ...string) podCheck {
	allowed := append([]string{"", "container_t", "container_init_t", "container_kvm_t"}, more...)
	return func(p *securedPod) (string, string) {
		// Collected over all who set something, as the sentence has each once.
		types, user, role := set{}, false, false
		who := p.setters(func(context map[string]any) bool {
			options := tree.Object(context, "seLinuxOptions")
			kind := tree.Text(options, "type")
			good := slices.Contains(allowed, kind)
			// One bad type is told once, however many set it.
			if !good {
				types.add(kind)
			}
			hasUser, hasRole := tree.Text(options, "user") != "", tree.Text(options, "role") != ""
			user, role = user || hasUser, role || hasRole
			return !good || hasUser || hasRole
		})
		if who == "" {
			return "", ""
		}
		var bad []string
		if len(types) > 0 {
			bad = append(bad, nounOf("type", types.sorted()))
		}
		if user {
			bad = append(bad, "user may not be set")
		}
		if role {
			bad = append(bad, "role may not be set")
		}
		return "seLinuxOptions", who + " set forbidden securityContext.seLinuxOptions: " + strings.Join(bad, "; ")
	}
}

// checkSeccompNotes is the rule from before there was a field.
// It is how versions before v1.19 are judged. The annotation of the pod, and one for each of its
// containers, may name the runtime's profile or one of the node.
func checkSeccompNotes(p *securedPod) (string, string) {
	const pod, container = "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"
	// Annotations for containers that the pod does not have do nothing, and are not looked at.
	keys := []string{pod}
	for _, c := range p.containers {
		keys = append(keys, container+tree.Text(c, "name"))
	}
	bad := set{}
	for _, key := range keys {
		if v, ok := p.notes[key].(string); ok && v != "runtime/default" && v != "docker/default" && !strings.HasPrefix(v, "localhost/") {
			bad.add(fmt.Sprintf("%s=%q", key, v))
		}
	}
	if len(bad) == 0 {
		return "", ""
	}
	return "seccompProfile", "forbidden " + plural("annotation", len(bad)) + " " + strings.Join(bad.sorted(), ", ")
}

// goodSeccomp reports whether a security context has a profile, and a good one.
// A context that is nil has none.
func goodSeccomp(context map[string]any) (has, good bool) {
	profile := tree.Object(context, "seccompProfile")
	kind := tree.Text(profile, "type")
	return profile != nil, kind == "RuntimeDefault" || kind == "Localhost"
}

// checkSeccomp refuses profiles that filter nothing. Not to say anything is allowed here.
func checkSeccomp(p *securedPod) (string, string) {
	values := set{}
	who := p.setters(func(context map[string]any) bool {
		has, good := goodSeccomp(context)
		if has && !good {
			values.add(tree.Text(context, "seccompProfile", "type"))
		}
		return has && !good
	})
	if who == "" {
		return "", ""
	}
	return "seccompProfile", who + " must not set securityContext.seccompProfile.type to " + quoted(values.sorted())
}

// checkSeccompSet demands a profile, beside that it be a good one: of the pod, which then is that of
// all its containers, or of each container.
func checkSeccompSet(p *securedPod) (string, string) {
	// A bad profile is told rather than a missing one.
	if reason, detail := checkSeccomp(p); reason != "" {
		return reason, detail
	}
	if has, _ := goodSeccomp(tree.Object(p.spec, "securityContext")); has {
		return "", ""
	}
	names := p.containersWhere(func(c any) bool {
		has, _ := goodSeccomp(tree.Object(c, "securityContext"))
		return !has
	})
	if len(names) == 0 {
		return "", ""
	}
	return "seccompProfile", "pod or " + nounOf("container", names) +
		` must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`
}

// safeSysctls may be set: the first five always, the others as they became safe.
var safeSysctls = [...]string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
	"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat",
}

// sysctlCheck is the rule of sysctls with so many that became safe later.
// The names are in the order in which they became safe, so a version is how many of them.
func sysctlCheck(later int) podCheck {
	safe := safeSysctls[:5+later]
	return func(p *securedPod) (string, string) {
		// In the order of the pod, twice if they are there twice (upstream).
		var bad []string
		for _, s := range tree.List(p.spec, "securityContext", "sysctls") {
			if name := tree.Text(s, "name"); !slices.Contains(safe, name) {
				bad = append(bad, name)
			}
		}
		if bad == nil {
			return "", ""
		}
		return "forbidden sysctls", strings.Join(bad, ", ")
	}
}

// checkHostProcess refuses containers of Windows that are processes of the node.
func checkHostProcess(p *securedPod) (string, string) {
	who := p.setters(func(context map[string]any) bool { return tree.True(tree.At(context, "windowsOptions", "hostProcess")) })
	if who == "" {
		return "", ""
	}
	return "hostProcess", who + " must not set securityContext.windowsOptions.hostProcess=true"
}

// checkEscalation demands that each container says that it gains no rights: not to say it is to allow
// it.
func checkEscalation(p *securedPod) (string, string) {
	names := p.containersWhere(func(c any) bool { return tree.At(c, "securityContext", "allowPrivilegeEscalation") != false })
	if len(names) == 0 {
		return "", ""
	}
	return "allowPrivilegeEscalation != false", nounOf("container", names) + " must set securityContext.allowPrivilegeEscalation=false"
}

// checkNonRoot demands that no container runs as root: the pod says so for all of them, or each for
// itself. Who says the contrary is told first, and then nobody is told of what he did not say.
func checkNonRoot(p *securedPod) (string, string) {
	const reason = "runAsNonRoot != true"
	if who := p.setters(func(context map[string]any) bool { return context["runAsNonRoot"] == false }); who != "" {
		return reason, who + " must not set securityContext.runAsNonRoot=false"
	}
	// No container contradicts it, as was seen above.
	if tree.True(tree.At(p.spec, "securityContext", "runAsNonRoot")) {
		return "", ""
	}
	names := p.containersWhere(func(c any) bool { return tree.At(c, "securityContext", "runAsNonRoot") == nil })
	if len(names) == 0 {
		return "", ""
	}
	return reason, "pod or " + nounOf("container", names) + " must set securityContext.runAsNonRoot=true"
}

// checkUser refuses the user 0 by number; another user, or none, is checkNonRoot's business.
func checkUser(p *securedPod) (string, string) {
	if who := p.setters(func(context map[string]any) bool { return context["runAsUser"] == int64(0) }); who != "" {
		return "runAsUser=0", who + " must not set runAsUser=0"
	}
	return "", ""
}

// allowedVolumes and restrictedVolumes are sources of volumes; of the second ones upstream tells the type.
var (
	allowedVolumes = [...]string{"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
		"projected", "secret"}

	restrictedVolumes = [...]string{"hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd",
		"flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk",
		"portworxVolume", "scaleIO", "storageos"}
)

// checkVolumeTypes refuses volumes of anything but the cluster's own objects, what the pod itself says,
// and what drivers provide.
func checkVolumeTypes(p *securedPod) (string, string) {
	var names []string
	types := set{}
	for _, v := range tree.List(p.spec, "volumes") {
		has := func(source string) bool { return tree.At(v, source) != nil }
		// Allowed ones are looked for first: a volume with two sources is refused by its kind.
		if slices.ContainsFunc(allowedVolumes[:], has) {
			continue
		}
		names = append(names, tree.Text(v, "name"))
		if i := slices.IndexFunc(restrictedVolumes[:], has); i >= 0 {
			types.add(restrictedVolumes[i])
		} else {
			// A volume without a source, or with one that is newer than the list.
			types.add("unknown")
		}
	}
	if names == nil {
		return "", ""
	}
	return "restricted volume types",
		nounOf("volume", names) + " " + verb(len(names)) + " " + nounOf("restricted volume type", types.sorted())
}
