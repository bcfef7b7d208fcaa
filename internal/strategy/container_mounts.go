package strategy

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What containers mount: file systems by volumeMounts, block devices by volumeDevices. Both
// name volumes of the pod, and no name and no path may be in both: a volume is one or the
// other, and a path of the container is a folder or a device.
//
//	volumes: [{name: v, emptyDir: {}}]     volumeMounts: [{name: v, mountPath: /v}]
//
// A volume with a fault is not there for mounts, so that who sends one is told of both;
// upstream collects names from the volumes that it has found good.

// fewVolumes is up to how many volumes are looked through for a name; more are put into a map,
// since the time would grow with mounts times volumes.
const fewVolumes = 16

// goodVolumes judges the volumes, and notes those with which something is wrong: upstream finds
// none of those.
func (p *podSpec) goodVolumes() {
	// The walk would come to the volumes after the spec; mounts need the verdict here.
	p.Now("volumes")
	if !p.Failed() {
		return
	}
	// Which volume an error is of is read from its path: volumes[3].emptyDir is of the fourth.
	path := p.Path("volumes")
	for _, e := range p.Errors(path) {
		at, _, _ := strings.Cut(e.Field[len(path):], "]")
		if i, err := strconv.Atoi(strings.TrimPrefix(at, "[")); err == nil {
			if p.badVolumes == nil {
				p.badVolumes = map[int]bool{}
			}
			p.badVolumes[i] = true
		}
	}
}

// volume returns the first good volume of a name, nil for none.
func (p *podSpec) volume(name string) map[string]any {
	volumes := tree.List(p.spec, "volumes")
	if len(volumes) > fewVolumes {
		if p.volumes == nil {
			p.volumes = make(map[string]map[string]any, len(volumes))
			// From the back, so that of two of one name the first is what stays.
			for i, v := range slices.Backward(volumes) {
				if !p.badVolumes[i] {
					p.volumes[tree.Text(v, "name")], _ = v.(map[string]any)
				}
			}
		}
		return p.volumes[name]
	}
	for i, v := range volumes {
		if v, ok := v.(map[string]any); ok && v["name"] == name && !p.badVolumes[i] {
			return v
		}
	}
	return nil
}

// mounts checks the volumeMounts of a container (upstream's ValidateVolumeMounts). The paths of
// what is wrong below a mount are mostly those of the list: upstream hands on the path of the
// list where it should be that of the mount.
func (p *podSpec) mounts(c *container) {
	// Names and paths of devices are collected first: a mount that is one of these is told
	// here, and the device in turn by devices.
	var points, devices, devicePaths set[string]
	for _, d := range each(c.obj["volumeDevices"]) {
		devices.add(tree.Text(d, "name"))
		devicePaths.add(tree.Text(d, "devicePath"))
	}
	for i, m := range each(c.obj["volumeMounts"]) {
		name, point := tree.Text(m, "name"), tree.Text(m, "mountPath")
		// A missing name is told twice, as missing and as one that no volume has (upstream).
		if p.volume(name) == nil || name == "" {
			p.Add(notFound(p.Path(c.list, c.i, "volumeMounts", i, "name"), name))
		}
		if name == "" {
			p.Add(field.Required(p.Path(c.list, c.i, "volumeMounts", i, "name"), ""))
		}
		if point == "" {
			p.Add(field.Required(p.Path(c.list, c.i, "volumeMounts", i, "mountPath"), ""))
		}
		// Two empty paths are not unique either, and are told as such beside being missing.
		if points.add(point) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeMounts", i, "mountPath"), point, "must be unique"))
		}
		if devices.has(name) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeMounts", i, "name"), name, "must not already exist in volumeDevices"))
		}
		if devicePaths.has(point) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeMounts", i, "mountPath"), point,
				"must not already exist as a path in volumeDevices"))
		}
		p.subPaths(c, i, m)
		p.propagation(c, m)
	}
}

// subPaths checks that a path below the volume is relative, goes down, and is given in one of
// two ways: as it is, or with variables, which the kubelet fills in and checks again.
func (p *podSpec) subPaths(c *container, i int, m map[string]any) {
	sub, expr := tree.Text(m, "subPath"), tree.Text(m, "subPathExpr")
	// An empty path is none, and descends.
	for _, why := range descendingErrors(sub) {
		p.Add(field.Invalid(p.Path(c.list, c.i, "volumeMounts", "subPath"), sub, why))
	}
	if expr != "" && sub != "" {
		p.Add(field.Invalid(p.Path(c.list, c.i, "volumeMounts", i, "subPathExpr"), expr, "subPathExpr and subPath are mutually exclusive"))
	}
	for _, why := range descendingErrors(expr) {
		p.Add(field.Invalid(p.Path(c.list, c.i, "volumeMounts", "subPathExpr"), expr, why))
	}
}

// propagation checks what mounts below a mount do: whether one that the host makes shows in the
// container (HostToContainer), and the other way round (Bidirectional).
func (p *podSpec) propagation(c *container, m map[string]any) {
	propagation, given := m["mountPropagation"].(string)
	if given && propagation != "Bidirectional" && propagation != "HostToContainer" && propagation != "None" {
		p.Add(field.NotSupported(p.Path(c.list, c.i, "volumeMounts", "mountPropagation"), propagation, "Bidirectional", "HostToContainer",
			"None"))
	}
	// What such a container mounts shows on the host, and stays there when it has gone.
	if propagation == "Bidirectional" && !tree.True(tree.At(c.obj, "securityContext", "privileged")) {
		p.Add(field.Forbidden(p.Path(c.list, c.i, "volumeMounts", "mountPropagation"),
			"Bidirectional mount propagation is available only to privileged containers"))
	}
	// Mounts below can be read-only only if the mount is, and if no other comes later.
	readOnly, ok := m["recursiveReadOnly"].(string)
	if !ok {
		return
	}
	switch readOnly {
	case "Disabled":
	case "Enabled", "IfPossible":
		if !tree.True(m["readOnly"]) {
			p.Add(field.Forbidden(p.Path(c.list, c.i, "volumeMounts", "recursiveReadOnly"), "may only be specified when readOnly is true"))
		}
		if given && propagation != "None" {
			p.Add(field.Forbidden(p.Path(c.list, c.i, "volumeMounts", "recursiveReadOnly"),
				"may only be specified when mountPropagation is None or not specified"))
		}
	default:
		p.Add(field.NotSupported(p.Path(c.list, c.i, "volumeMounts", "recursiveReadOnly"), readOnly, "Disabled", "Enabled", "IfPossible"))
	}
}

// devices checks the volumeDevices of a container, which are of claims (upstream's
// ValidateVolumeDevices): a claim may be for a device as such, and no other volume can be one.
func (p *podSpec) devices(c *container) {
	devices := tree.List(c.obj, "volumeDevices")
	if len(devices) == 0 {
		return
	}
	var names, paths, mounts, mountPaths set[string]
	for _, m := range each(c.obj["volumeMounts"]) {
		mounts.add(tree.Text(m, "name"))
		mountPaths.add(tree.Text(m, "mountPath"))
	}
	// Devices are not mapped to the users of the pod, so that they would not work.
	// Upstream tells of it for each container with devices, at the list.
	if !p.hostUsers && !p.hadDevices() {
		p.Add(field.Forbidden(p.Path(c.list, c.i, "volumeDevices"), "when `hostUsers` is false"))
	}
	for i, d := range each(c.obj["volumeDevices"]) {
		name, at := tree.Text(d, "name"), tree.Text(d, "devicePath")
		if name == "" {
			p.Add(field.Required(p.Path(c.list, c.i, "volumeDevices", i, "name"), ""))
		}
		if at == "" {
			p.Add(field.Required(p.Path(c.list, c.i, "volumeDevices", i, "devicePath"), ""))
		}
		// A missing name is told above, and does not count as one that comes twice.
		if name != "" && names.add(name) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeDevices", i, "name"), name, "must be unique"))
		}
		switch volume := p.volume(name); {
		case volume == nil || name == "":
			p.Add(notFound(p.Path(c.list, c.i, "volumeDevices", i, "name"), name))
		case volume["persistentVolumeClaim"] == nil && volume["ephemeral"] == nil:
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeDevices", i, "name"), name,
				"can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"))
		}
		// A path that goes up is not noted, so that it is told of once for what it is.
		if paths.has(at) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeDevices", i, "devicePath"), at, "must be unique"))
		}
		if hasBackstep(at) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeDevices", i, "devicePath"), at, "can not contain backsteps ('..')"))
		} else {
			paths.add(at)
		}
		if mounts.has(name) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeDevices", i, "name"), name, "must not already exist in volumeMounts"))
		}
		if mountPaths.has(at) {
			p.Add(field.Invalid(p.Path(c.list, c.i, "volumeDevices", i, "devicePath"), at,
				"must not already exist as a path in volumeMounts"))
		}
	}
}

// hadDevices reports whether the old spec has devices in a pod with users of its own, where
// they do not work. Such a pod could be made once, and may be updated.
func (p *podSpec) hadDevices() bool {
	if p.old["hostUsers"] != false {
		return false
	}
	for c := range containersOf(p.old) {
		if len(tree.List(c.obj, "volumeDevices")) > 0 {
			return true
		}
	}
	return false
}

// descendingErrors returns what is wrong with a path that must lead down from where it begins
// (upstream's validateLocalDescendingPath): a path that starts at the root may also go up, and
// is told of both.
func descendingErrors(s string) (errs []string) {
	if path.IsAbs(s) {
		errs = append(errs, "must be a relative path")
	}
	if hasBackstep(s) {
		errs = append(errs, "must not contain '..'")
	}
	return errs
}

// hasBackstep reports whether a path goes up anywhere, be it by as much as it went down before.
// A name with two dots in it does not.
func hasBackstep(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}
