package strategy

import (
	"slices"
	"strings"
	"testing"
)

// checkVolumes checks a pod's volume v, of which the cases have the source.
func checkVolumes(t *testing.T, cases []ruleCase) {
	t.Helper()
	table := tableForTest(t)
	for _, c := range cases {
		pod := `{"spec":{"serviceAccountName":"default","containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v",` + c.obj + `}]}}`
		got := strings.ReplaceAll(judge(t, table, "v1 Pod", "", pod, false), "spec.volumes[0]", "v")
		want := strings.Split(written(c.want), "|")
		slices.Sort(want)
		if got != strings.Join(want, "|") {
			t.Errorf("%.300s\n got %.900s\nwant %.900s", c.obj, got, strings.Join(want, "|"))
		}
	}
}

// TestVolumeUnion: A volume has one source. The second one is refused by upstream's name for it, and not looked at.
func TestVolumeUnion(t *testing.T) {
	checkVolumes(t, []ruleCase{
		{"", `"emptyDir":{},"hostPath":{"path":""}`,
			"v.hostPath: Forbidden: may not specify more than 1 volume type"},
		{"", `"hostPath":{"path":"/"},"gitRepo":{},"gcePersistentDisk":{},"secret":{},"nfs":{}`,
			"v.gcePersistentDisk: Forbidden: may not specify more than 1 volume type|" +
				"v.gitRepo: Forbidden: may not specify more than 1 volume type|" +
				"v.nfs: Forbidden: may not specify more than 1 volume type|" +
				"v.secret: Forbidden: may not specify more than 1 volume type"},
		{"", `"emptyDir":{},"cephfs":{},"downwardAPI":{"items":[{}]},"storageos":{},"projected":{"sources":[{"secret":{},"configMap":{}}]},"image":{}`,
			"v.cephFS: Forbidden: may not specify more than 1 volume type|" +
				"v.downwarAPI: Forbidden: may not specify more than 1 volume type|" +
				"v.image: Forbidden: may not specify more than 1 volume type|" +
				"v.projected: Forbidden: may not specify more than 1 volume type|" +
				"v.storageos: Forbidden: may not specify more than 1 volume type"},
		{"", `"configMap":{"name":"a"},"csi":{"driver":""}`,
			"v.csi: Forbidden: may not specify more than 1 volume type"},
		{"", `"iscsi":{"targetPortal":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","iqn":"iqn.2001-04.com.example:a","lun":0,"initiatorName":"iqn.2001-04.com.example:b"}`,
			"v.name: Invalid value: \"v\": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."},
		{"", `"emptyDir":{},"iscsi":{"targetPortal":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","initiatorName":"x"}`,
			"v.iscsi: Forbidden: may not specify more than 1 volume type|" +
				"v.name: Invalid value: \"v\": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."},
	})
}

// TestVolumeSources: What each source must have, and how upstream calls the place.
func TestVolumeSources(t *testing.T) {
	checkVolumes(t, []ruleCase{
		{"", `"emptyDir":{"medium":"x","sizeLimit":"1Gi"}`, ""},
		{"", `"emptyDir":{"sizeLimit":"-1"}`,
			"v.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"},
		{"", `"hostPath":{"path":"/a/../b","type":"Nonsense"}`,
			"v.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'|" +
				"v.hostPath.type: Unsupported value: \"Nonsense\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\""},
		{"", `"hostPath":{"path":"/a","type":"Socket"}`, ""},
		{"", `"gitRepo":{"repository":"","directory":"/a/.."}`,
			"v.gitRepo.directory: Invalid value: \"/a/..\": must be a relative path|" +
				"v.gitRepo.directory: Invalid value: \"/a/..\": must not contain '..'|" +
				"v.gitRepo.repository: Required value"},
		{"", `"gitRepo":{"repository":"r","directory":".."}`,
			"v.gitRepo.directory: Invalid value: \"..\": must not contain '..'"},
		{"", `"gcePersistentDisk":{"pdName":"","partition":256}`,
			"v.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive|" +
				"v.persistentDisk.pdName: Required value"},
		{"", `"gcePersistentDisk":{"pdName":"a","partition":0}`, ""},
		{"", `"awsElasticBlockStore":{"volumeID":"","partition":-1}`,
			"v.awsElasticBlockStore.partition: Invalid value: -1: must be between 1 and 255, inclusive|" +
				"v.awsElasticBlockStore.volumeID: Required value"},
		{"", `"awsElasticBlockStore":{"volumeID":"a"}`, ""},
		{"", `"nfs":{"server":"","path":""}`,
			"v.nfs.path: Invalid value: \"\": must be an absolute path|" +
				"v.nfs.path: Required value|" +
				"v.nfs.server: Required value"},
		{"", `"nfs":{"server":"a","path":"b"}`,
			"v.nfs.path: Invalid value: \"b\": must be an absolute path"},
		{"", `"nfs":{"server":"a","path":"/"}`, ""},
		{"", `"iscsi":{"targetPortal":"","iqn":"","lun":256,"chapAuthSession":true,"chapAuthDiscovery":true,"initiatorName":""}`,
			"v.iscsi.initiatorname: Invalid value: \"\": must be valid format starting with iqn, eui, or naa|" +
				"v.iscsi.iqn: Required value|" +
				"v.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive|" +
				"v.iscsi.secretRef: Required value|" +
				"v.iscsi.targetPortal: Required value"},
		{"", `"iscsi":{"targetPortal":"a","iqn":"x","lun":-1,"initiatorName":"iqn.x"}`,
			"v.iscsi.initiatorname: Invalid value: \"iqn.x\": must be valid format|" +
				"v.iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa|" +
				"v.iscsi.lun: Invalid value: -1: must be between 0 and 255, inclusive"},
		{"", `"iscsi":{"targetPortal":"a","iqn":"naa.x","lun":0,"secretRef":{},"chapAuthSession":true,"initiatorName":"eui.1"}`,
			"v.iscsi.initiatorname: Invalid value: \"eui.1\": must be valid format|" +
				"v.iscsi.iqn: Invalid value: \"naa.x\": must be valid format"},
		{"", `"iscsi":{"targetPortal":"a","iqn":"eui.aaaaaaaaaaaaaaaa","lun":255,"initiatorName":"naa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`, ""},
		{"", `"glusterfs":{"endpoints":"","path":""}`,
			"v.glusterfs.endpoints: Required value|" +
				"v.glusterfs.path: Required value"},
		{"", `"flocker":{}`,
			"v.flocker: Required value: one of datasetName and datasetUUID is required"},
		{"", `"flocker":{"datasetName":"a/b","datasetUUID":"c"}`,
			"v.flocker.datasetName: Invalid value: \"a/b\": must not contain '/'|" +
				"v.flocker: Invalid value: \"resource\": datasetName and datasetUUID can not be specified simultaneously"},
		{"", `"flocker":{"datasetName":"a"}`, ""},
		{"", `"persistentVolumeClaim":{"claimName":""}`,
			"v.persistentVolumeClaim.claimName: Required value"},
		{"", `"rbd":{"monitors":[],"image":""}`,
			"v.rbd.image: Required value|" +
				"v.rbd.monitors: Required value"},
		{"", `"rbd":{"monitors":["a"],"image":"b"}`, ""},
		{"", `"cinder":{"volumeID":"","secretRef":{}}`,
			"v.cinder.secretRef.name: Required value|" +
				"v.cinder.volumeID: Required value"},
		{"", `"cinder":{"volumeID":"a","secretRef":{"name":"b"}}`, ""},
		{"", `"cephfs":{"monitors":[]}`,
			"v.cephfs.monitors: Required value"},
		{"", `"quobyte":{"registry":"","volume":""}`,
			"v.quobyte.registry: Required value: must be a host:port pair or multiple pairs separated by commas|" +
				"v.quobyte.volume: Required value"},
		{"", `"quobyte":{"registry":"a,b:1","volume":"v"}`,
			"v.quobyte.registry: Invalid value: \"a,b:1\": must be a host:port pair or multiple pairs separated by commas"},
		{"", `"quobyte":{"registry":"a","volume":"v","tenant":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`,
			"v.quobyte.tenant: Required value: must be a UUID and may not exceed a length of 64 characters"},
		{"", `"fc":{}`,
			"v.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"},
		{"", `"fc":{"targetWWNs":["a"],"wwids":["b"]}`,
			"v.fc.lun: Required value: lun is required if targetWWNs is specified|" +
				"v.fc.targetWWNs: Invalid value: {}: targetWWNs and wwids can not be specified simultaneously"},
		{"", `"fc":{"targetWWNs":["a"],"lun":256}`,
			"v.fc.lun: Invalid value: 256: must be between 0 and 255, inclusive"},
		{"", `"fc":{"targetWWNs":["a"],"lun":0}`, ""},
		{"", `"fc":{"wwids":["a"],"lun":-1}`, ""},
		{"", `"flexVolume":{"driver":"","options":{"kubernetes.io/a":"","x.K8S.io/b":"","akubernetes.io/c":"","k8s.io":""}}`,
			"v.flexVolume.driver: Required value|" +
				"v.flexVolume.options[k8s.io]: Invalid value: \"k8s.io\": kubernetes.io and k8s.io namespaces are reserved|" +
				"v.flexVolume.options[kubernetes.io/a]: Invalid value: \"kubernetes.io/a\": kubernetes.io and k8s.io namespaces are reserved|" +
				"v.flexVolume.options[x.K8S.io/b]: Invalid value: \"x.K8S.io/b\": kubernetes.io and k8s.io namespaces are reserved"},
		{"", `"azureFile":{"secretName":"","shareName":""}`,
			"v.azureFile.secretName: Required value|" +
				"v.azureFile.shareName: Required value"},
		{"", `"vsphereVolume":{"volumePath":""}`,
			"v.vsphereVolume.volumePath: Required value"},
		{"", `"photonPersistentDisk":{"pdID":""}`,
			"v.photonPersistentDisk.pdID: Required value"},
		{"", `"portworxVolume":{"volumeID":""}`,
			"v.portworxVolume.volumeID: Required value"},
		{"", `"azureDisk":{"diskName":"","diskURI":"","kind":"X","cachingMode":"y"}`,
			"v.azureDisk.cachingMode: Unsupported value: \"y\": supported values: \"None\", \"ReadOnly\", \"ReadWrite\"|" +
				"v.azureDisk.diskName: Required value|" +
				"v.azureDisk.diskURI: Required value|" +
				"v.azureDisk.diskURI: Unsupported value: \"\": supported values: \"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd\"|" +
				"v.azureDisk.kind: Unsupported value: \"X\": supported values: \"Dedicated\", \"Managed\", \"Shared\""},
		{"", `"azureDisk":{"diskName":"a","diskURI":"https://x","kind":"Managed"}`,
			"v.azureDisk.diskURI: Unsupported value: \"https://x\": supported values: \"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}\""},
		{"", `"azureDisk":{"diskName":"a","diskURI":"/subscriptions/x","kind":"Managed"}`, ""},
		{"", `"azureDisk":{"diskName":"a","diskURI":"/subscriptions/x"}`,
			"v.azureDisk.diskURI: Unsupported value: \"/subscriptions/x\": supported values: \"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd\""},
		{"", `"storageos":{}`,
			"v.storageos.volumeName: Required value"},
		{"", `"storageos":{"volumeName":"A","volumeNamespace":"B","secretRef":{}}`,
			"v.storageos.secretRef.name: Required value|" +
				"v.storageos.volumeName: Invalid value: \"A\": {label}|" +
				"v.storageos.volumeNamespace: Invalid value: \"B\": {label}"},
		{"", `"scaleIO":{}`,
			"v.scaleIO.gateway: Required value|" +
				"v.scaleIO.system: Required value|" +
				"v.scaleIO.volumeName: Required value"},
		{"", `"csi":{"driver":""}`,
			"v.csi.driver: Required value"},
		{"", `"csi":{"driver":"A_b","nodePublishSecretRef":{"name":"A"}}`,
			"v.csi.driver: Invalid value: \"A_b\": {subdomain}|" +
				"v.csi.name: Invalid value: \"A\": {subdomain}"},
		{"", `"csi":{"driver":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","nodePublishSecretRef":{}}`,
			"v.csi.driver: Too long: may not be more than 63 bytes|" +
				"v.csi.nodePublishSecretRef.name: Required value"},
		{"", `"csi":{"driver":"A.b","nodePublishSecretRef":{"name":"a"}}`, ""},
		{"", `"image":{"pullPolicy":"x"}`,
			"v.image.pullPolicy: Unsupported value: \"x\": supported values: \"Always\", \"IfNotPresent\", \"Never\"|" +
				"v.image.reference: Required value"},
		{"", `"image":{"reference":"a","pullPolicy":"Never"}`, ""},
		{"", `"ephemeral":{}`,
			"v.ephemeral.volumeClaimTemplate: Required value"},
		{"", `"ephemeral":{"volumeClaimTemplate":{"metadata":{"name":"x","uid":"u","generateName":"g","finalizers":["a/b"],"labels":{"a b":"c d"},"annotations":{"A b":""}},"spec":{}}}`,
			"v.ephemeral.volumeClaimTemplate.metadata.annotations: Invalid value: \"A b\": {name}|" +
				"v.ephemeral.volumeClaimTemplate.metadata.finalizers: Forbidden: cannot be set|" +
				"v.ephemeral.volumeClaimTemplate.metadata.generateName: Forbidden: cannot be set|" +
				"v.ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: \"a b\": {name}|" +
				"v.ephemeral.volumeClaimTemplate.metadata.labels: Invalid value: \"c d\": {value}|" +
				"v.ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set|" +
				"v.ephemeral.volumeClaimTemplate.metadata.uID: Forbidden: cannot be set|" +
				"v.ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required|" +
				"v.ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value"},
		{"", `"ephemeral":{"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}}}`, ""},
	})
}

// TestFileVolumes: Volumes whose files the kubelet writes.
func TestFileVolumes(t *testing.T) {
	checkVolumes(t, []ruleCase{
		{"", `"secret":{"defaultMode":512,"items":[{"key":"","path":""},{"key":"a","path":"/b","mode":-1},{"key":"a","path":"b/../c"},{"key":"a","path":"..b"},{"key":"a","path":"../b"}]}`,
			"v.secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive|" +
				"v.secret.items[0].key: Required value|" +
				"v.secret.items[0].path: Required value|" +
				"v.secret.items[1].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive|" +
				"v.secret.items[1].path: Invalid value: \"/b\": must be a relative path|" +
				"v.secret.items[2].path: Invalid value: \"b/../c\": must not contain '..'|" +
				"v.secret.items[3].path: Invalid value: \"..b\": must not start with '..'|" +
				"v.secret.items[4].path: Invalid value: \"../b\": must not contain '..'|" +
				"v.secret.secretName: Required value"},
		{"", `"secret":{"secretName":"a","defaultMode":511,"items":[{"key":"a","path":"b..","mode":0}]}`, ""},
		{"", `"configMap":{"defaultMode":-1,"items":[{}]}`,
			"v.configMap.defaultMode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive|" +
				"v.configMap.items[0].key: Required value|" +
				"v.configMap.items[0].path: Required value|" +
				"v.configMap.name: Required value"},
		{"", `"configMap":{"name":"a"}`, ""},
		{"", `"downwardAPI":{"items":[{},{"path":"../a","mode":999,"fieldRef":{"fieldPath":"spec.nodeName"}}],"defaultMode":-1}`,
			"v.downwardAPI.defaultMode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive|" +
				"v.downwardAPI.fieldRef.fieldPath: Unsupported value: \"spec.nodeName\": supported values: \"metadata.annotations\", \"metadata.labels\", \"metadata.name\", \"metadata.namespace\", \"metadata.uid\"|" +
				"v.downwardAPI.mode: Invalid value: 999: must be a number between 0 and 0777 (octal), both inclusive|" +
				"v.downwardAPI.path: Invalid value: \"../a\": must not contain '..'|" +
				"v.downwardAPI.path: Required value|" +
				"v.downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"},
		{"", `"downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.labels['a b']"},"resourceFieldRef":{}},{"path":"b","resourceFieldRef":{"resource":"limits.cpu","divisor":"3"}}]}`,
			"v.downwardAPI.fieldRef: Invalid value: \"a b\": {name}|" +
				"v.downwardAPI.resourceFieldRef.containerName: Required value|" +
				"v.downwardAPI.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource|" +
				"v.downwardAPI: Invalid value: \"resource\": fieldRef and resourceFieldRef can not be specified simultaneously"},
		{"", `"downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.uid"}},{"path":"b","resourceFieldRef":{"containerName":"c","resource":"limits.cpu","divisor":"1m"}}]}`, ""},
		{"", `"projected":{"defaultMode":512}`,
			"v.projected.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"},
		{"", `"projected":{"sources":[{},{"secret":{},"configMap":{}}]}`,
			"v.projected.sources[1].configMap.name: Required value|" +
				"v.projected.sources[1].secret.name: Required value|" +
				"v.projected.sources[1]: Forbidden: may not specify more than 1 volume type per source"},
		{"", `"projected":{"sources":[{"secret":{"name":"s","items":[{"key":"a","path":"p"},{"key":"b","path":"p"}]}},{"configMap":{"name":"m","items":[{"key":"a","path":"p"}]}},{"downwardAPI":{"items":[{"path":"p","fieldRef":{"fieldPath":"metadata.name"}},{}]}}]}`,
			"v.projected.sources[2].downwardAPI.path: Required value|" +
				"v.projected.sources[2].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required|" +
				"v.projected: Invalid value: \"m\": conflicting duplicate paths|" +
				"v.projected: Invalid value: \"p\": conflicting duplicate paths|" +
				"v.projected: Invalid value: \"s\": conflicting duplicate paths"},
		{"", `"projected":{"sources":[{"serviceAccountToken":{"path":"","expirationSeconds":599}},{"serviceAccountToken":{"path":"/a","expirationSeconds":4294967297}},{"serviceAccountToken":{"path":"a"}}]}`,
			"v.projected.path: Invalid value: \"/a\": must be a relative path|" +
				"v.projected.path: Required value|" +
				"v.projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes|" +
				"v.projected.sources[1].serviceAccountToken.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"},
		{"", `"projected":{"sources":[{"clusterTrustBundle":{"path":""}},{"clusterTrustBundle":{"path":"","name":"","signerName":""}},{"clusterTrustBundle":{"path":"a","name":"","labelSelector":{}}}]}`,
			"v.projected.sources[0].clusterTrustBundle.path: Required value|" +
				"v.projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified|" +
				"v.projected.sources[1].clusterTrustBundle.path: Required value|" +
				"v.projected.sources[1].clusterTrustBundle: Invalid value: {}: only one of name and signerName may be used|" +
				"v.projected.sources[2].clusterTrustBundle.labelSelector: Invalid value: {}: labelSelector must be unset if name is specified|" +
				"v.projected.sources[2].clusterTrustBundle.name: Invalid value: \"\": not a valid clustertrustbundlename: {subdomain}|" +
				"v.projected.sources[2].clusterTrustBundle.name: Required value: must be a valid object name|" +
				"v.projected: Invalid value: \"\": conflicting duplicate paths"},
		{"", `"projected":{"sources":[{"clusterTrustBundle":{"path":"a","name":"x:y:B_"}},{"clusterTrustBundle":{"path":"a","signerName":"","labelSelector":{"matchExpressions":[{"key":"","operator":"X"}]}}},{"clusterTrustBundle":{"path":"..","signerName":"a"}},{"clusterTrustBundle":{"path":"c","name":"x:y:b"}}]}`,
			"v.projected.sources[0].clusterTrustBundle.name: Invalid value: \"x:y:B_\": not a valid clustertrustbundlename: {subdomain}|" +
				"v.projected.sources[1].clusterTrustBundle.labelSelector.matchExpressions[0].key: Invalid value: \"\": name part must be non-empty|" +
				"v.projected.sources[1].clusterTrustBundle.labelSelector.matchExpressions[0].key: Invalid value: \"\": {name}|" +
				"v.projected.sources[1].clusterTrustBundle.labelSelector.matchExpressions[0].operator: Invalid value: \"X\": not a valid selector operator|" +
				"v.projected.sources[1].clusterTrustBundle.signerName: Required value|" +
				"v.projected.sources[1].clusterTrustBundle.signerName: Required value: must be a valid signer name|" +
				"v.projected.sources[2].clusterTrustBundle.path: Invalid value: \"..\": must not contain '..'|" +
				"v.projected.sources[2].clusterTrustBundle.path: Invalid value: \"..\": must not start with '..'|" +
				"v.projected.sources[2].clusterTrustBundle.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name'|" +
				"v.projected: Invalid value: \"a\": conflicting duplicate paths"},
		{"", `"projected":{"sources":[{"podCertificate":{}},{"podCertificate":{"signerName":"A_b/c_d","keyType":"ED25519","keyPath":"/a","certificateChainPath":"a","maxExpirationSeconds":1}},{"podCertificate":{"signerName":"example.com/s","keyType":"RSA3072","credentialBundlePath":"a","maxExpirationSeconds":7862401}}]}`,
			"v.projected.sources[0].podCertificate.keyType: Unsupported value: \"\": supported values: \"RSA3072\", \"RSA4096\", \"ECDSAP256\", \"ECDSAP384\", \"ECDSAP521\", \"ED25519\"|" +
				"v.projected.sources[0].podCertificate.signerName: Required value|" +
				"v.projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath|" +
				"v.projected.sources[1].podCertificate.keyPath: Invalid value: \"/a\": must be a relative path|" +
				"v.projected.sources[1].podCertificate.maxExpirationSeconds: Invalid value: 1: if provided, maxExpirationSeconds must be >= 3600|" +
				"v.projected.sources[1].podCertificate.signerName: Invalid value: \"A_b\": should be a domain with at least two segments separated by dots|" +
				"v.projected.sources[1].podCertificate.signerName: Invalid value: \"A_b\": validating label \"A_b\": {label}|" +
				"v.projected.sources[1].podCertificate.signerName: Invalid value: \"c_d\": validating label \"c_d\": {subdomain}|" +
				"v.projected.sources[2].podCertificate.maxExpirationSeconds: Invalid value: 7862401: if provided, maxExpirationSeconds must be <= 7862400|" +
				"v.projected: Invalid value: \"a\": conflicting duplicate paths"},
		{"", `"projected":{"sources":[{"podCertificate":{"signerName":"kubernetes.io/x","keyType":"X","keyPath":"a","maxExpirationSeconds":86401,"userAnnotations":{"a":"","a b/c":"","A.io/b":""}}},{"podCertificate":{"signerName":"a.b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","keyType":"RSA4096","keyPath":"b"}}]}`,
			"v.projected.sources[0].podCertificate.keyType: Unsupported value: \"X\": supported values: \"RSA3072\", \"RSA4096\", \"ECDSAP256\", \"ECDSAP384\", \"ECDSAP521\", \"ED25519\"|" +
				"v.projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 86401: if provided, maxExpirationSeconds must be <= 86400|" +
				"v.projected.sources[0].podCertificate.userAnnotations: Invalid value: \"a b/c\": prefix part {subdomain}|" +
				"v.projected.sources[0].podCertificate.userAnnotations: Invalid value: \"a\": must be a domain-prefixed key (such as \"acme.io/foo\")|" +
				"v.projected.sources[1].podCertificate.signerName: Invalid value: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": validating label \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": must be no more than 253 characters|" +
				"v.projected.sources[1].podCertificate.signerName: Too long: may not be more than 571 bytes"},
	})
}

// TestVolumeWarnings: what the writer of a pod is told of its volumes.
func TestVolumeWarnings(t *testing.T) {
	for _, c := range []ruleCase{
		{obj: `[{"name":"v","photonPersistentDisk":{"pdID":"a"}}]`, want: `spec.volumes[0].photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+`},
		{obj: `[{"name":"v","gitRepo":{"repository":"a"}}]`, want: `spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+`},
		{obj: `[{"name":"v","scaleIO":{"gateway":"g","system":"s","volumeName":"v","secretRef":null}}]`, want: `spec.volumes[0].scaleIO: deprecated in v1.16, non-functional in v1.22+`},
		{obj: `[{"name":"v","quobyte":{"registry":"a:1","volume":"v"}}]`, want: `spec.volumes[0].quobyte: deprecated in v1.22, non-functional in v1.25+`},
		{obj: `[{"name":"v","glusterfs":{"endpoints":"a","path":"b"}}]`, want: `spec.volumes[0].glusterfs: deprecated in v1.25, non-functional in v1.26+`},
		{obj: `[{"name":"v","rbd":{"monitors":["a"],"image":"b"}}]`, want: `spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+`},
		{obj: `[{"name":"v","storageos":{"volumeName":"a"}}]`, want: `spec.volumes[0].storageOS: deprecated in v1.22, non-functional in v1.25+`},
		{obj: `[{"name":"v","ephemeral":{"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1m"}}}}}}]`, want: `spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "1m" is invalid, must be an integer`},
		{obj: `[{"name":"v","configMap":{"name":"m","items":[{"key":"a","path":"p"},{"key":"b","path":"p/q"},{"key":"c","path":"pq"},{"key":"d","path":"p/"}]}}]`, want: `volume "v" (ConfigMap "m"): overlapping paths: "p/q" with "p"|volume "v" (ConfigMap "m"): overlapping paths: "p" with "p"|volume "v" (ConfigMap "m"): overlapping paths: "p" with "p/q"`},
		{obj: `[{"name":"v","secret":{"secretName":"s","items":[{"key":"a","path":"p/q"},{"key":"b","path":"p"}]}},{"name":"w","downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.name"}},{"path":"a","fieldRef":{"fieldPath":"metadata.uid"}}]}}]`, want: `volume "v" (Secret "s"): overlapping paths: "p" with "p/q"|volume "w" (DownwardAPI): overlapping paths: "a" with "a"`},
		{obj: `[{"name":"v","projected":{"sources":[{},{"secret":{"name":"s","items":[{"key":"a","path":"p"}]}},{"configMap":{"name":"m","items":[{"key":"a","path":"p/q"}]}},{"downwardAPI":{"items":[{"path":"p/r","fieldRef":{"fieldPath":"metadata.name"}}]}},{"serviceAccountToken":{"path":"p/t"}},{"clusterTrustBundle":{"name":"n","path":"p/u"}},{"clusterTrustBundle":{"signerName":"example.com/s","path":"p/v"}},{"podCertificate":{"signerName":"example.com/s","keyType":"ED25519","keyPath":"p/w","certificateChainPath":"p/x","credentialBundlePath":"p/y"}}]}}]`, want: `volume "v" (Projected) has no sources provided|volume "v" (Projected): overlapping paths: "p/q" (ConfigMap "m") with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/r" (DownwardAPI) with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/t" (ServiceAccountToken) with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/u" (ClusterTrustBundle "n") with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/v" (ClusterTrustBundle "example.com/s") with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/x" (PodCertificate chain) with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/w" (PodCertificate key) with "p" (Secret "s")|volume "v" (Projected): overlapping paths: "p/y" (PodCertificate credential bundle) with "p" (Secret "s")`},
		{obj: `[{"name":"v","secret":{"secretName":"s"}}]`, want: ``},
	} {
		spec := objectForTest(t, `{"volumes":`+c.obj+`}`)
		if got := strings.Join(podVolumeWarnings("spec", spec), "|"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.obj, got, c.want)
		}
	}
}
