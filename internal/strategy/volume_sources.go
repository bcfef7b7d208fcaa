package strategy

import (
	"net"
	"regexp"
	"strings"
	"sync"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// What no word says of single sources of volumes, each a check of its type.
//
// The words of a row say what must be there and within which bounds; what is left is what depends on a
// second field, on the form of a text, or is shown at a path that is not the field's:
//
//	iscsi     a name of three forms, and a secret where CHAP is on
//	fc        targetWWNs with a lun, or wwids
//	quobyte   a registry of host:port pairs
//	csi       the name of a driver, and secrets that are whole
//
// The sources that a pod has and those that a persistent volume has are types of their own: a secret is in
// the pod's namespace for one, and in any for the other, so that it needs its namespace, too. Most of
// these sources can no longer be mounted (volume_warnings.go), but are stored and judged all the same.

// checkEmptyDir is about the size. The message is upstream's, although it is a quantity.
func checkEmptyDir(v *kinds.Visit) {
	if size, ok := v.Obj["sizeLimit"].(string); ok && quantity.Sign(size) < 0 {
		v.Add(field.Forbidden(v.Path("sizeLimit"), "SizeLimit field must be a valid resource quantity"))
	}
}

// checkPartition is about the partition of a disk, of which zero is none.
func checkPartition(v *kinds.Visit) { v.Add(partitionErrors(v.Path("partition"), v.Obj)...) }

// partitionErrors returns what is wrong with the partition of a disk. The message begins at 1 although 0
// is good (upstream): that is what an absent one is stored as.
func partitionErrors(path string, disk map[string]any) []field.Error {
	if n, _ := disk["partition"].(int64); n < 0 || n > 255 {
		return []field.Error{field.Invalid(path, n, "must be between 1 and 255, inclusive")}
	}
	return nil
}

// A device of an initiator is called by the volume's name and its portal, which the kernel cuts.
const (
	maxPortal     = 64
	portalTooLong = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
)

// initiatorForms returns the forms that a qualified name of iSCSI can have, by their prefixes.
// They are upstream's patterns to the letter: the first has no anchor at its beginning, and the dots
// behind eui and naa stand for any character.
var initiatorForms = sync.OnceValue(func() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"iqn": regexp.MustCompile(`iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$`),
		"eui": regexp.MustCompile(`^eui.[[:alnum:]]{16}$`),
		"naa": regexp.MustCompile(`^naa.[[:alnum:]]{32}$`),
	}
})

// checkISCSI is about the names of target and initiator, and the secret that CHAP needs.
func checkISCSI(v *kinds.Visit) {
	const prefixes = " starting with iqn, eui, or naa"
	if v.Obj["iqn"] != "" { // required, which its row says
		checkInitiator(v, "iqn", "iqn", prefixes)
	}
	// The name of the initiator is shown in lower case, that of the target as the field has it (upstream).
	checkInitiator(v, "initiatorName", "initiatorname", prefixes)
	checkCHAP(v)
}

// checkPersistentISCSI is checkISCSI in fewer words, with a secret that has a name, if there is one.
// Its secret may be in another namespace than any pod, and its name is then required.
func checkPersistentISCSI(v *kinds.Visit) {
	if v.Obj["iqn"] != "" {
		checkInitiator(v, "iqn", "iqn", "")
	}
	checkInitiator(v, "initiatorName", "initiatorname", "")
	checkCHAP(v)
	needsSecretName(v)
}

// checkCHAP demands a secret where one is used.
func checkCHAP(v *kinds.Visit) {
	// Discovery and session are switched on apart; the secret has the passwords of both.
	if (tree.True(v.Obj["chapAuthDiscovery"]) || tree.True(v.Obj["chapAuthSession"])) && v.Obj["secretRef"] == nil {
		v.Add(field.Required(v.Path("secretRef"), ""))
	}
}

// checkInitiator is about a name of iSCSI that is there, whose errors are shown at the path shown. more is
// said of one that begins as none does.
func checkInitiator(v *kinds.Visit, name, shown, more string) {
	s, ok := v.Obj[name].(string)
	if !ok {
		return
	}
	// The first three letters choose the form; a shorter text has none.
	form := initiatorForms()[s[:min(3, len(s))]]
	if form == nil {
		v.Add(field.Invalid(v.Path(shown), s, "must be valid format"+more))
	} else if !form.MatchString(s) {
		v.Add(field.Invalid(v.Path(shown), s, "must be valid format"))
	}
}

// checkFC is about the two ways to name a disk, and the unit that one of them needs.
// Errors of the number need targets: with wwids alone it is not looked at.
func checkFC(v *kinds.Visit) {
	targets, ids := tree.List(v.Obj, "targetWWNs"), tree.List(v.Obj, "wwids")
	if len(targets) == 0 && len(ids) == 0 {
		v.Add(field.Required(v.Path("targetWWNs"), "must specify either targetWWNs or wwids, but not both"))
	}
	if len(targets) == 0 {
		return
	}
	if len(ids) != 0 {
		v.Add(field.Invalid(v.Path("targetWWNs"), targets, "targetWWNs and wwids can not be specified simultaneously"))
	}
	// Zero is a unit, so that the number must be told from its absence.
	if n, ok := v.Obj["lun"].(int64); !ok {
		v.Add(field.Required(v.Path("lun"), "lun is required if targetWWNs is specified"))
	} else if n < 0 || n > 255 {
		v.Add(field.Invalid(v.Path("lun"), n, "must be between 0 and 255, inclusive"))
	}
}

// checkQuobyte is about the registry, a list of host:port, and the tenant.
func checkQuobyte(v *kinds.Visit) {
	const pairs = "must be a host:port pair or multiple pairs separated by commas"
	registry := tree.Text(v.Obj, "registry")
	switch {
	case registry == "":
		v.Add(field.Required(v.Path("registry"), pairs))
	// Upstream says that it is required, of a text that is too long, and leaves the registry alone then.
	case len(tree.Text(v.Obj, "tenant")) > 64:
		v.Add(field.Required(v.Path("tenant"), "must be a UUID and may not exceed a length of 64 characters"))
	default:
		for pair := range strings.SplitSeq(registry, ",") {
			if _, _, err := net.SplitHostPort(pair); err != nil {
				v.Add(field.Invalid(v.Path("registry"), registry, pairs))
			}
		}
	}
}

// checkGlusterfs is about the namespace of the endpoints, which may be absent but not empty.
// A pod's own source has no such field: there it is the pod's namespace.
func checkGlusterfs(v *kinds.Visit) {
	namespace, ok := v.Obj["endpointsNamespace"].(string)
	if ok && namespace == "" {
		v.Add(field.Invalid(v.Path("endpointsNamespace"), namespace, "if the endpointnamespace is set, it must be a valid namespace name"))
	} else if ok {
		v.Add(invalids(v.Path("endpointsNamespace"), namespace, field.DNSLabelErrors)...)
	}
}

// checkFlocker is about the two ways to name a dataset.
// A dataset has a name, which is looked up, or an identifier. Both errors of the pair are shown at the
// source.
func checkFlocker(v *kinds.Visit) {
	name, id := tree.Text(v.Obj, "datasetName"), tree.Text(v.Obj, "datasetUUID")
	if name == "" && id == "" {
		v.Add(field.Required(v.Path(), "one of datasetName and datasetUUID is required"))
	}
	if name != "" && id != "" {
		v.Add(field.Invalid(v.Path(), "resource", "datasetName and datasetUUID can not be specified simultaneously"))
	}
	// It is the name of a directory below one of Flocker's.
	if strings.Contains(name, "/") {
		v.Add(field.Invalid(v.Path("datasetName"), name, "must not contain '/'"))
	}
}

// checkFlex keeps the options from the namespaces of Kubernetes itself.
func checkFlex(v *kinds.Visit) {
	options := tree.Object(v.Obj, "options")
	for _, key := range tree.SortedKeys(options) {
		// With a dot in front the bare domain ends with the same text as those below it.
		namespace, _, _ := strings.Cut("."+strings.ToLower(key), "/")
		if strings.HasSuffix(namespace, ".kubernetes.io") || strings.HasSuffix(namespace, ".k8s.io") {
			v.Add(field.Invalid(v.Path("options", kinds.MapKey(key)), key, "kubernetes.io and k8s.io namespaces are reserved"))
		}
	}
}

// checkMode is about the permissions of files.
// The types of this rule have one of the two names for it; the other one is absent, which is good.
func checkMode(v *kinds.Visit) {
	for _, name := range []string{"defaultMode", "mode"} {
		v.Add(modeErrors(v.Path(name), v.Obj[name])...)
	}
}

// modeErrors returns what is wrong with the permissions of files; what is no number is absent.
func modeErrors(path string, v any) []field.Error {
	if n, ok := v.(int64); ok && (n < 0 || n > 0o777) {
		return []field.Error{field.Invalid(path, n, "must be a number between 0 and 0777 (octal), both inclusive")}
	}
	return nil
}

// checkConfigMapVolume is about the name, which has no row of its own, and the permissions.
func checkConfigMapVolume(v *kinds.Visit) {
	needsName(v)
	checkMode(v)
}

// needsName is about a source that refers to an object by a name beside its other fields.
// The type is shared with references that may be empty, so the row of the name cannot require it.
func needsName(v *kinds.Visit) {
	if tree.Text(v.Obj, "name") == "" {
		v.Add(field.Required(v.Path("name"), ""))
	}
}

// checkNFS is about the path, which is refused twice where it is empty.
func checkNFS(v *kinds.Visit) {
	path := tree.Text(v.Obj, "path")
	if path == "" {
		v.Add(field.Required(v.Path("path"), ""))
	}
	if !strings.HasPrefix(path, "/") {
		v.Add(field.Invalid(v.Path("path"), path, "must be an absolute path"))
	}
}

// needsSecretName and needsSecret are about a reference to a secret that may be absent, but not half.
func needsSecretName(v *kinds.Visit) { needs(v, "secretRef", "name") }
func needsSecret(v *kinds.Visit)     { needs(v, "secretRef", "name", "namespace") }

// needs requires fields of an object that may be absent.
func needs(v *kinds.Visit, name string, fields ...string) {
	obj := tree.Object(v.Obj, name)
	for _, f := range fields {
		if obj != nil && tree.Text(obj, f) == "" {
			v.Add(field.Required(v.Path(name, f), ""))
		}
	}
}

// checkAzureDisk is about the address of the disk, whose form depends on where it is kept.
func checkAzureDisk(v *kinds.Visit) {
	kind, uri := tree.Text(v.Obj, "kind"), tree.Text(v.Obj, "diskURI")
	if kind == "Managed" && !strings.HasPrefix(uri, "/subscriptions/") {
		v.Add(field.NotSupported(v.Path("diskURI"), uri,
			"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"))
	}
	// Only a kind that is told is held to this form: both that are no managed disks are blobs with an
	// address.
	if _, ok := v.Obj["kind"]; ok && kind != "Managed" && !strings.HasPrefix(uri, "https://") {
		v.Add(field.NotSupported(v.Path("diskURI"), uri, "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"))
	}
}

// checkAzureFile is about the namespace of the secret, which may be absent but not empty.
func checkAzureFile(v *kinds.Visit) {
	if namespace, ok := v.Obj["secretNamespace"]; ok && namespace == "" {
		v.Add(field.Required(v.Path("secretNamespace"), ""))
	}
}

// driverErrors returns what is wrong with the name of a CSI driver, whose case does not matter.
func driverErrors(path, name string) (errs []field.Error) {
	// Nothing is said of the form of what is not there.
	if name == "" {
		return []field.Error{field.Required(path, "")}
	}
	if len(name) > 63 {
		errs = append(errs, field.TooLong(path, 63))
	}
	for _, why := range field.DNSSubdomainErrors(strings.ToLower(name)) {
		errs = append(errs, field.Invalid(path, name, why))
	}
	return errs
}

// checkCSI is about the driver of a pod's volume and its secret. A wrong name of the secret is shown
// beside the driver, as upstream does.
func checkCSI(v *kinds.Visit) {
	v.Add(driverErrors(v.Path("driver"), tree.Text(v.Obj, "driver"))...)
	if ref := tree.Object(v.Obj, "nodePublishSecretRef"); ref != nil {
		name := tree.Text(ref, "name")
		if name == "" {
			v.Add(field.Required(v.Path("nodePublishSecretRef", "name"), ""))
		} else {
			v.Add(invalids(v.Path("name"), name, field.DNSSubdomainErrors)...)
		}
	}
}

// checkPersistentCSI is about the driver and the secrets, of which upstream checks all but one.
func checkPersistentCSI(v *kinds.Visit) {
	v.Add(driverErrors(v.Path("driver"), tree.Text(v.Obj, "driver"))...)
	// nodeStageSecretRef is the one that is missing from upstream's list.
	for _, name := range []string{"controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"} {
		ref := tree.Object(v.Obj, name)
		if ref == nil {
			continue
		}
		needs(v, name, "name", "namespace")
		if s := tree.Text(ref, "name"); s != "" {
			v.Add(invalids(v.Path(name, "name"), s, field.DNSSubdomainErrors)...)
		}
		if s := tree.Text(ref, "namespace"); s != "" {
			v.Add(invalids(v.Path(name, "namespace"), s, field.DNSLabelErrors)...)
		}
	}
}
