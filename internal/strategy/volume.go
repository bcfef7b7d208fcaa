package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Volumes, as pods and persistent volumes have them: a name and one source of thirty. What a source
// must have is words of its type's row; what is here is the union, which upstream reads in an order
// of its own, and what no word says of a source.
//
// Of two sources the second one is refused and not looked at any further, so the walk skips it. A
// few paths are not where the field is (persistentDisk, downwarAPI, the items of a downward API):
// clients have seen them for years, and they are upstream's to the letter.
//
// A volume of two sources is refused at the second of them, in upstream's order and not in that of the
// sender, and one without any is an empty directory in a pod but refused in a persistent volume:
//
//	{"name":"a","secret":{…},"configMap":{…}}   spec.volumes[0].configMap: Forbidden
//	{"name":"a"}                                → {"name":"a","emptyDir":{}}

// The sources in the order in which upstream looks at them. Behind a colon is how the refusal of a
// second source calls the field, if otherwise; nothing where it is not refused.
const (
	podSources = "emptyDir hostPath gitRepo gcePersistentDisk awsElasticBlockStore secret nfs iscsi glusterfs flocker " +
		"persistentVolumeClaim rbd cinder cephfs:cephFS quobyte downwardAPI:downwarAPI fc flexVolume configMap azureFile " +
		"vsphereVolume photonPersistentDisk portworxVolume azureDisk storageos projected scaleIO csi ephemeral image"
	persistentSources = "hostPath gcePersistentDisk awsElasticBlockStore glusterfs flocker nfs rbd quobyte cephfs:cephFS iscsi " +
		"cinder fc flexVolume: azureFile vsphereVolume photonPersistentDisk portworxVolume azureDisk scaleIO local storageos csi"
)

// volumeRules are the rules of volumes and their sources, wherever they stand.
func volumeRules() kinds.Rules {
	return kinds.Rules{
		"Volume":                           {Default: volumeDefaults, Check: checkVolume},
		"VolumeSource":                     {Check: checkPodSources},
		"PersistentVolumeSource":           {Check: checkPersistentSources},
		"EmptyDirVolumeSource":             {Default: drops("mode"), Check: checkEmptyDir},
		"AWSElasticBlockStoreVolumeSource": {Check: checkPartition},
		"NFSVolumeSource":                  {Check: checkNFS},
		"ISCSIVolumeSource":                {Check: checkISCSI},
		"ISCSIPersistentVolumeSource":      {Check: checkPersistentISCSI},
		"FCVolumeSource":                   {Check: checkFC},
		"QuobyteVolumeSource":              {Check: checkQuobyte},
		"GlusterfsPersistentVolumeSource":  {Check: checkGlusterfs},
		"FlockerVolumeSource":              {Check: checkFlocker},
		"FlexVolumeSource":                 {Check: checkFlex},
		"FlexPersistentVolumeSource":       {Check: checkFlex},
		"CinderVolumeSource":               {Check: needsSecretName},
		"CinderPersistentVolumeSource":     {Check: needsSecret},
		"StorageOSVolumeSource":            {Check: needsSecretName},
		"StorageOSPersistentVolumeSource":  {Check: needsSecret},
		"AzureDiskVolumeSource":            {Check: checkAzureDisk},
		"AzureFilePersistentVolumeSource":  {Check: checkAzureFile},
		"CSIVolumeSource":                  {Check: checkCSI},
		"CSIPersistentVolumeSource":        {Check: checkPersistentCSI},

		"SecretVolumeSource":            {Default: drops("defaultUser"), Check: checkMode},
		"ConfigMapVolumeSource":         {Default: drops("defaultUser"), Check: checkConfigMapVolume},
		"ConfigMapProjection":           {Check: needsName},
		"SecretProjection":              {Check: needsName},
		"KeyToPath":                     {Default: drops("user"), Check: checkMode},
		"DownwardAPIVolumeFile":         {Default: drops("user")},
		"ServiceAccountTokenProjection": {Default: drops("user")},
		"ClusterTrustBundleProjection":  {Default: drops("user")},
		"PodCertificateProjection":      {Default: drops("user")},
		"DownwardAPIVolumeSource":       {Default: drops("defaultUser"), Check: checkDownwardAPI},
		"ProjectedVolumeSource":         {Default: drops("defaultUser"), Check: checkProjected},

		"PersistentVolume":              {Default: persistentDefaults, Check: checkVolumeObject},
		"PersistentVolumeClaim":         {Default: pending, Check: checkClaim, Status: checkClaimStatus},
		"PersistentVolumeClaimStatus":   {Default: claimStatusDefaults},
		"VolumeResourceRequirements":    {Default: resourceDefaults},
		"HostPathVolumeSource":          {Default: hostPathDefaults},
		"PersistentVolumeSpec":          {Check: checkPersistentVolume},
		"PersistentVolumeClaimSpec":     {Check: checkClaimSpec},
		"PersistentVolumeClaimTemplate": {Check: checkClaimTemplate},
	}
}

// drops returns a default that leaves fields out: those of features that are off.
func drops(fields ...string) func(map[string]any) {
	return func(obj map[string]any) {
		for _, name := range fields {
			delete(obj, name)
		}
	}
}

// volumeDefaults makes a volume without a source an empty directory, and says when an image is pulled.
func volumeDefaults(volume map[string]any) {
	// Upstream asks whether the whole source is the zero one. That is so exactly where it has no member,
	// since the members are pointers.
	if firstSource(volume, podSources) == "" {
		volume["emptyDir"] = map[string]any{}
	}
	// What a tag says of an image as a volume it says as it does of a container's: latest, or none at all,
	// is pulled each time.
	if image := tree.Object(volume, "image"); image != nil && tree.Text(image, "pullPolicy") == "" {
		image["pullPolicy"] = pullPolicy(tree.Text(image, "reference"))
	}
}

// hostPathDefaults makes a path one of any type, which is told by an empty text.
func hostPathDefaults(source map[string]any) {
	// The default is the type that is called unset upstream, and not the absence of one: clients read it
	// back.
	if source["type"] == nil {
		source["type"] = ""
	}
}

// pending is the first phase of volumes and claims.
func pending(obj map[string]any) {
	if tree.Text(obj, "status", "phase") == "" {
		tree.Set(obj, "Pending", "status", "phase")
	}
}

// persistentDefaults are those of a persistent volume of its own: one that an attachment brings along
// has none.
func persistentDefaults(volume map[string]any) {
	pending(volume)
	// Upstream rounds each amount up to a thousandth where it defaults a list of resources, and what is
	// stored has it so.
	spec := tree.Object(volume, "spec")
	roundUp(tree.Object(spec, "capacity"))
	if tree.Text(spec, "persistentVolumeReclaimPolicy") == "" {
		tree.Set(volume, "Retain", "spec", "persistentVolumeReclaimPolicy")
	}
	// Set here and not by a word: the same type is in an attachment, where upstream has no defaults.
	if spec["volumeMode"] == nil {
		tree.Set(volume, "Filesystem", "spec", "volumeMode")
	}
}

// firstSource returns the name of the first source that obj has, in the order given.
// Behind a colon in the order is how errors call the source; the object has it by its own name.
func firstSource(obj map[string]any, order string) string {
	for entry := range strings.FieldsSeq(order) {
		name, _, _ := strings.Cut(entry, ":")
		if obj[name] != nil {
			return name
		}
	}
	return ""
}

// checkPodSources and checkPersistentSources are checkSources for the two unions.
func checkPodSources(v *kinds.Visit)        { checkSources(v, podSources) }
func checkPersistentSources(v *kinds.Visit) { checkSources(v, persistentSources) }

// checkSources refuses all sources but the first one in the order given.
func checkSources(v *kinds.Visit, order string) {
	first := ""
	for entry := range strings.FieldsSeq(order) {
		name, shown, renamed := strings.Cut(entry, ":")
		if v.Obj[name] == nil {
			continue
		}
		if first == "" {
			first = name
			continue
		}
		// A source that has nothing behind its colon is not refused when it is the second one: upstream
		// counts it, and looks at it as if it were alone (flexVolume in a persistent volume).
		if !renamed {
			shown = name
		}
		if shown != "" {
			v.Add(field.Forbidden(v.Path(shown), "may not specify more than 1 volume type"))
			v.Skip(name)
		}
	}
	if first == "" {
		v.Add(field.Required(v.Path(), "must specify a volume type"))
	}
	// The one source whose errors upstream shows at a path that is not its field, so that no rule of its
	// type could: the walk makes paths of fields.
	if disk := tree.Object(v.Obj, "gcePersistentDisk"); first == "gcePersistentDisk" {
		if tree.Text(disk, "pdName") == "" {
			v.Add(field.Required(v.Path("persistentDisk", "pdName"), ""))
		}
		v.Add(partitionErrors(v.Path("persistentDisk", "partition"), disk)...)
	}
}

// checkVolume is about the source of a pod's volume, and about names that are made of the volume's.
// The claim of an ephemeral volume is called POD-VOLUME, so that a volume of the longest good name can be
// a wrong one in a pod whose name is long.
func checkVolume(v *kinds.Visit) {
	name := tree.Text(v.Obj, "name")
	// Only a volume with an initiator of its own has a device of that name.
	iscsi := tree.Object(v.Obj, "iscsi")
	if _, ok := iscsi["initiatorName"]; ok && len(name)+1+len(tree.Text(iscsi, "targetPortal")) > maxPortal {
		v.Add(field.Invalid(v.Path("name"), name, portalTooLong))
	}
	// Only a pod has a name of which the claim's is made; a template does not know it.
	pod := tree.Name(v.Root)
	if v.Type.Name != "Pod" || pod == "" {
		return
	}
	// A volume without a name is refused by its row already, and would make a claim's name that ends with
	// a dash.
	if claim := pod + "-" + name; firstSource(v.Obj, podSources) == "ephemeral" && name != "" {
		for _, why := range field.DNSSubdomainErrors(claim) {
			v.Add(field.Invalid(v.Path("name"), name, fmt.Sprintf("PVC name %q: %v", claim, why)))
		}
	}
	// Such a claim goes with the pod, and two volumes of one pod would own it.
	if claim := tree.Text(v.Obj, "persistentVolumeClaim", "claimName"); claimsOf(v.Root)[claim] {
		v.Add(field.Invalid(v.Path("persistentVolumeClaim", "claimName"), claim,
			"must not reference a PVC that gets created for an ephemeral volume"))
	}
}

// claimsOf returns the names of the claims that are made for a pod's ephemeral volumes.
// It is asked for each volume that mounts a claim; a pod has few, and a set kept on the walk would be
// state that no other rule needs.
func claimsOf(pod map[string]any) map[string]bool {
	claims := map[string]bool{}
	for _, volume := range tree.List(pod, "spec", "volumes") {
		if tree.Object(volume, "ephemeral") != nil {
			claims[tree.Name(pod)+"-"+tree.Text(volume, "name")] = true
		}
	}
	return claims
}
