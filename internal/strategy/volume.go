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
	if firstSource(volume, podSources) == "" {
		volume["emptyDir"] = map[string]any{}
	}
	if image := tree.Object(volume, "image"); image != nil && tree.Text(image, "pullPolicy") == "" {
		image["pullPolicy"] = pullPolicy(tree.Text(image, "reference"))
	}
}

// hostPathDefaults makes a path one of any type, which is told by an empty text.
func hostPathDefaults(source map[string]any) {
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
	spec := tree.Object(volume, "spec")
	roundUp(tree.Object(spec, "capacity"))
	if tree.Text(spec, "persistentVolumeReclaimPolicy") == "" {
		tree.Set(volume, "Retain", "spec", "persistentVolumeReclaimPolicy")
	}
	if spec["volumeMode"] == nil {
		tree.Set(volume, "Filesystem", "spec", "volumeMode")
	}
}

// firstSource returns the name of the first source that obj has, in the order given.
func firstSource(obj map[string]any, order string) string {
	for entry := range strings.FieldsSeq(order) {
		name, _, _ := strings.Cut(entry, ":")
		if obj[name] != nil {
			return name
		}
	}
	return ""
}

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
	if disk := tree.Object(v.Obj, "gcePersistentDisk"); first == "gcePersistentDisk" {
		if tree.Text(disk, "pdName") == "" {
			v.Add(field.Required(v.Path("persistentDisk", "pdName"), ""))
		}
		v.Add(partitionErrors(v.Path("persistentDisk", "partition"), disk)...)
	}
}

// checkVolume is about the source of a pod's volume, and about names that are made of the volume's.
func checkVolume(v *kinds.Visit) {
	name := tree.Text(v.Obj, "name")
	iscsi := tree.Object(v.Obj, "iscsi")
	if _, ok := iscsi["initiatorName"]; ok && len(name)+1+len(tree.Text(iscsi, "targetPortal")) > maxPortal {
		v.Add(field.Invalid(v.Path("name"), name, portalTooLong))
	}
	// Only a pod has a name of which the claim's is made; a template does not know it.
	pod := tree.Name(v.Root)
	if v.Type.Name != "Pod" || pod == "" {
		return
	}
	if claim := pod + "-" + name; firstSource(v.Obj, podSources) == "ephemeral" && name != "" {
		for _, why := range field.DNSSubdomainErrors(claim) {
			v.Add(field.Invalid(v.Path("name"), name, fmt.Sprintf("PVC name %q: %v", claim, why)))
		}
	}
	if claim := tree.Text(v.Obj, "persistentVolumeClaim", "claimName"); claimsOf(v.Root)[claim] {
		v.Add(field.Invalid(v.Path("persistentVolumeClaim", "claimName"), claim,
			"must not reference a PVC that gets created for an ephemeral volume"))
	}
}

// claimsOf returns the names of the claims that are made for a pod's ephemeral volumes.
func claimsOf(pod map[string]any) map[string]bool {
	claims := map[string]bool{}
	for _, volume := range tree.List(pod, "spec", "volumes") {
		if tree.Object(volume, "ephemeral") != nil {
			claims[tree.Name(pod)+"-"+tree.Text(volume, "name")] = true
		}
	}
	return claims
}
