package strategy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What v1.37.2 answered to the same objects. Its errors are told in the order of their texts here,
// and the difference that it shows of what may not change is left out.

// reasons stand for the texts that many of the errors have in common.
var reasons = strings.NewReplacer("{subdomain}", dnsSubdomain, "{label}", dnsLabel, "{name}", namePart, "{value}", "a valid label must be an empty "+
	"string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "+
	"'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")

// many stands for a letter that is there many times: {a*63}.
var many = regexp.MustCompile(`\{[aA]\*\d+\}`)

// shownObject is an object or a list that is shown, which upstream writes in Go's names.
var shownObject = regexp.MustCompile(`Invalid value: (?:\{.*\}|\[.*\]): ([^{}]*)$`)

func written(s string) string {
	return many.ReplaceAllStringFunc(reasons.Replace(s), func(m string) string {
		n, _ := strconv.Atoi(m[3 : len(m)-1])
		return strings.Repeat(m[1:2], n)
	})
}

// judge prepares an object as a write does, and returns what is wrong with it, in the order of the texts.
func judge(t *testing.T, table *kinds.Table, kind, oldText, objText string, status bool) string {
	t.Helper()
	shape := shapeForTest(t, table, kind)
	gv, name, _ := strings.Cut(kind, " ")
	group, version := kinds.SplitAPIVersion(gv)
	strategy := All()[kinds.NewKey(group, version, name)]
	read := func(text string) map[string]any {
		obj := objectForTest(t, written(text))
		obj["apiVersion"], obj["kind"] = gv, name
		tree.Set(obj, "x", "metadata", "name")
		shape.SetDefaults(obj)
		return obj
	}
	obj, old := read(objText), map[string]any(nil)
	if oldText != "" {
		old = read(oldText)
		if strategy.Prepare != nil {
			strategy.Prepare(old, nil)
		}
	}
	if strategy.Prepare != nil && !status {
		strategy.Prepare(obj, old)
	}
	var said []string
	for _, e := range shape.Validate(obj, old, status) {
		said = append(said, shownObject.ReplaceAllString(e.String(), "Invalid value: {}: $1"))
	}
	slices.Sort(said)
	return strings.Join(slices.Compact(said), "|")
}

func checkStorage(t *testing.T, kind string, cases []ruleCase) {
	t.Helper()
	table := tableForTest(t)
	for _, c := range cases {
		if got, want := judge(t, table, kind, c.old, c.obj, false), written(c.want); got != want {
			t.Errorf("%.300s after %.300s\n got %.900s\nwant %.900s", c.obj, c.old, got, want)
		}
	}
}

func checkStatuses(t *testing.T, kind string, cases []ruleCase) {
	t.Helper()
	table := tableForTest(t)
	for _, c := range cases {
		if got, want := judge(t, table, kind, c.old, c.obj, true), written(c.want); got != want {
			t.Errorf("%.300s after %.300s\n got %.900s\nwant %.900s", c.obj, c.old, got, want)
		}
	}
}

// TestPersistentVolumes: What a persistent volume must have beside its source, and what goes with what.
func TestPersistentVolumes(t *testing.T) {
	checkStorage(t, "v1 PersistentVolume", []ruleCase{
		{"", `{}`,
			"spec.accessModes: Required value|" +
				"spec.capacity: Required value|" +
				"spec.capacity: Unsupported value: null: supported values: \"storage\"|" +
				"spec: Required value: must specify a volume type"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"]}}`,
			"spec: Required value: must specify a volume type"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, ""},
		{"", `{"spec":{"capacity":{"storage":"0","cpu":"-1"},"accessModes":["X","ReadWriteOncePod","ReadOnlyMany"],"hostPath":{"path":"/a"}}}`,
			"spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes|" +
				"spec.accessModes: Unsupported value: \"X\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"|" +
				"spec.capacity: Unsupported value: {\"cpu\":\"-1\",\"storage\":\"0\"}: supported values: \"storage\"|" +
				"spec.capacity[cpu]: Invalid value: \"-1\": must be greater than zero|" +
				"spec.capacity[cpu]: Invalid value: -1: must be a valid resource quantity|" +
				"spec.capacity[storage]: Invalid value: \"0\": must be greater than zero"},
		{"", `{"spec":{"capacity":{"cpu":"1"},"accessModes":["ReadWriteOncePod"],"hostPath":{"path":"/a"}}}`,
			"spec.capacity: Unsupported value: {\"cpu\":\"1\"}: supported values: \"storage\""},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"X","volumeMode":"","storageClassName":"A","hostPath":{"path":"/a"}}}`,
			"spec.persistentVolumeReclaimPolicy: Unsupported value: \"X\": supported values: \"Delete\", \"Recycle\", \"Retain\"|" +
				"spec.storageClassName: Invalid value: \"A\": {subdomain}|" +
				"spec.volumeMode: Unsupported value: \"\": supported values: \"Block\", \"Filesystem\""},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a/../"},"persistentVolumeReclaimPolicy":"Recycle"}}`,
			"spec.hostPath.path: Invalid value: \"/a/../\": must not contain '..'|" +
				"spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"//"},"persistentVolumeReclaimPolicy":"Recycle"}}`,
			"spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{},"hostPath":{"path":"/a"}}}`,
			"spec.nodeAffinity.required: Required value: must specify required node constraints"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a b","operator":"In","values":["c d"]}],"matchFields":[{"key":"x","operator":"In","values":["a","b"]}]}]}},"hostPath":{"path":"/a"}}}`,
			"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: Invalid value: \"a b\": {name}|" +
				"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: \"c d\": {value}|" +
				"spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].key: Invalid value: \"x\": not a valid field selector key|" +
				"spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"volumeAttributesClassName":"","hostPath":{"path":"/a"}}}`,
			"spec.csi: Required value: has to be specified when using volumeAttributesClassName|" +
				"spec.volumeAttributesClassName: Required value: an empty string is disallowed"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"volumeAttributesClassName":"A","csi":{"driver":"d","volumeHandle":"h"}}}`,
			"spec.volumeAttributesClassName: Invalid value: \"A\": {subdomain}"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"local":{"path":"a/.."}}}`,
			"spec.local.path: Invalid value: \"a/..\": must not contain '..'|" +
				"spec.nodeAffinity: Required value: Local volume requires node affinity"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"local":{"path":""},"nodeAffinity":{}}}`,
			"spec.local.path: Required value|" +
				"spec.nodeAffinity.required: Required value: must specify required node constraints"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"local":{"path":"/a"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}}}}`, ""},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"flexVolume":{"driver":""},"azureFile":{},"hostPath":{"path":"/a"}}}`,
			"spec.azureFile: Forbidden: may not specify more than 1 volume type|" +
				"spec.flexVolume.driver: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"flexVolume":{"driver":"d"},"hostPath":{"path":"/a"}}}`, ""},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"local":{},"csi":{},"hostPath":{"path":"/a"}}}`,
			"spec.csi: Forbidden: may not specify more than 1 volume type|" +
				"spec.local: Forbidden: may not specify more than 1 volume type"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"glusterfs":{"endpoints":"e","path":"p","endpointsNamespace":""}}}`,
			"spec.glusterfs.endpointsNamespace: Invalid value: \"\": if the endpointnamespace is set, it must be a valid namespace name"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"glusterfs":{"endpoints":"","path":"","endpointsNamespace":"A"}}}`,
			"spec.glusterfs.endpoints: Required value|" +
				"spec.glusterfs.endpointsNamespace: Invalid value: \"A\": {label}|" +
				"spec.glusterfs.path: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"cinder":{"volumeID":"","secretRef":{}}}}`,
			"spec.cinder.secretRef.name: Required value|" +
				"spec.cinder.secretRef.namespace: Required value|" +
				"spec.cinder.volumeID: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageos":{"secretRef":{"name":"a"}}}}`,
			"spec.storageos.secretRef.namespace: Required value|" +
				"spec.storageos.volumeName: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"azureFile":{"secretName":"","shareName":"a","secretNamespace":""}}}`,
			"spec.azureFile.secretName: Required value|" +
				"spec.azureFile.secretNamespace: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"","volumeHandle":"","controllerPublishSecretRef":{},"nodeStageSecretRef":{},"controllerExpandSecretRef":{"name":"A","namespace":"a.b"},"nodePublishSecretRef":{"name":"a","namespace":"b"}}}}`,
			"spec.csi.controllerExpandSecretRef.name: Invalid value: \"A\": {subdomain}|" +
				"spec.csi.controllerExpandSecretRef.namespace: Invalid value: \"a.b\": must not contain dots|" +
				"spec.csi.controllerPublishSecretRef.name: Required value|" +
				"spec.csi.controllerPublishSecretRef.namespace: Required value|" +
				"spec.csi.driver: Required value|" +
				"spec.csi.volumeHandle: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"iscsi":{"targetPortal":"{a*63}","iqn":"iqn.2001-04.com.example:a","lun":0,"initiatorName":"iqn.2001-04.com.example:b","secretRef":{}}}}`,
			"spec.iscsi.secretRef.name: Required value|" +
				"spec.iscsi.targetportal: Invalid value: \"{a*63}\": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"iscsi":{"targetPortal":"","iqn":"","lun":256,"initiatorName":"","chapAuthSession":true}}}`,
			"spec.iscsi.initiatorname: Invalid value: \"\": must be valid format|" +
				"spec.iscsi.iqn: Required value|" +
				"spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive|" +
				"spec.iscsi.secretRef: Required value|" +
				"spec.iscsi.targetPortal: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"iscsi":{"targetPortal":"a","iqn":"x","lun":0,"initiatorName":"eui.x"}}}`,
			"spec.iscsi.initiatorname: Invalid value: \"eui.x\": must be valid format|" +
				"spec.iscsi.iqn: Invalid value: \"x\": must be valid format"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"rbd":{"monitors":[],"image":""}}}`,
			"spec.rbd.image: Required value|" +
				"spec.rbd.monitors: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"scaleIO":{"gateway":"","system":"","volumeName":"","secretRef":null}}}`,
			"spec.scaleIO.gateway: Required value|" +
				"spec.scaleIO.system: Required value|" +
				"spec.scaleIO.volumeName: Required value"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}},"metadata":{"annotations":{"volume.beta.kubernetes.io/mount-options":"ro"}}}`,
			"metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type"},
		{"", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nfs":{"server":"a","path":"/"}},"metadata":{"annotations":{"volume.beta.kubernetes.io/mount-options":"ro"}}}`, ""},
	})
}

// TestPersistentVolumeUpdates: What does not change of a persistent volume.
func TestPersistentVolumeUpdates(t *testing.T) {
	checkStorage(t, "v1 PersistentVolume", []ruleCase{
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, ""},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/b"}}}`,
			"spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}}}`,
			"spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h","controllerExpandSecretRef":{"name":"a","namespace":"b"}}}}`, ""},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h","controllerExpandSecretRef":{"name":"a","namespace":"b"}}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}}}`,
			"spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"volumeMode":"Block","hostPath":{"path":"/a"}}}`,
			"volumeMode: Invalid value: \"Block\": field is immutable"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"2Gi"},"accessModes":["ReadOnlyMany"],"storageClassName":"c","mountOptions":["a"],"persistentVolumeReclaimPolicy":"Delete","hostPath":{"path":"/a"}}}`, ""},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`,
			"nodeAffinity: Invalid value: null: field is immutable, except for updating from beta label to GA"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`, ""},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"failure-domain.beta.kubernetes.io/zone","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"topology.kubernetes.io/zone","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`, ""},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`,
			"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: Invalid value: \"\": name part must be non-empty|" +
				"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: Invalid value: \"\": {name}"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}]}]}},"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"","operator":"In","values":["a"]}]},{}]}},"hostPath":{"path":"/a"}}}`,
			"nodeAffinity: Invalid value: {}: field is immutable, except for updating from beta label to GA|" +
				"spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].key: Invalid value: \"\": not a valid field selector key"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}]}]}},"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"","operator":"In","values":["a"]}]}]}},"hostPath":{"path":"/a"}}}`,
			"spec.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].key: Invalid value: \"\": not a valid field selector key"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"beta.kubernetes.io/os","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/arch","operator":"Exists"}]}]}},"hostPath":{"path":"/a"}}}`,
			"nodeAffinity: Invalid value: {}: field is immutable, except for updating from beta label to GA"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"volumeAttributesClassName":"a","csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}}}`,
			"spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"},
		{`{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"volumeAttributesClassName":"a","csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"volumeAttributesClassName":"b","csi":{"driver":"d","volumeHandle":"h"}}}`, ""},
	})
}

// TestClaims: What a claim must have.
func TestClaims(t *testing.T) {
	checkStorage(t, "v1 PersistentVolumeClaim", []ruleCase{
		{"", `{}`,
			"spec.accessModes: Required value: at least 1 access mode is required|" +
				"spec.resources[storage]: Required value"},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, ""},
		{"", `{"spec":{"accessModes":["X","ReadWriteOncePod","ReadWriteOnce"],"resources":{"requests":{"storage":"-1"},"limits":{"storage":"-1"}}}}`,
			"spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes|" +
				"spec.accessModes: Unsupported value: \"X\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"|" +
				"spec.resources[storage]: Invalid value: \"-1\": must be greater than zero"},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"A","volumeAttributesClassName":"B","volumeMode":"X"}}`,
			"spec.storageClassName: Invalid value: \"A\": {subdomain}|" +
				"spec.volumeAttributesClassName: Invalid value: \"B\": {subdomain}|" +
				"spec.volumeMode: Unsupported value: \"X\": supported values: \"Block\", \"Filesystem\""},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"","volumeAttributesClassName":""}}`, ""},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"selector":{"matchLabels":{"a b":"c d"},"matchExpressions":[{"key":"a","operator":"In"},{"key":"a","operator":"Exists","values":["b c"]}]}}}`,
			"spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'|" +
				"spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'|" +
				"spec.selector.matchExpressions[1].values[0]: Invalid value: \"b c\": {value}|" +
				"spec.selector.matchLabels: Invalid value: \"a b\": {name}|" +
				"spec.selector.matchLabels: Invalid value: \"c d\": {value}"},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSource":{"kind":"PersistentVolumeClaim","name":""}}}`,
			"spec.dataSource.name: Required value|" +
				"spec.dataSourceRef.name: Required value"},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSource":{"kind":"X","name":"a"}}}`, ""},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"kind":"X","name":"a"}}}`,
			"spec.dataSource: Invalid value: \"X\": must be 'PersistentVolumeClaim' when referencing the default apiGroup|" +
				"spec.dataSourceRef: Invalid value: \"X\": must be 'PersistentVolumeClaim' when referencing the default apiGroup"},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"apiGroup":"A","kind":"","name":""}}}`,
			"spec.dataSource.apiGroup: Invalid value: \"A\": {subdomain}|" +
				"spec.dataSource.kind: Required value|" +
				"spec.dataSource.name: Required value|" +
				"spec.dataSourceRef.apiGroup: Invalid value: \"A\": {subdomain}|" +
				"spec.dataSourceRef.kind: Required value|" +
				"spec.dataSourceRef.name: Required value"},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"apiGroup":"a.b","kind":"X","name":"a"}}}`, ""},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"apiGroup":"a.b","kind":"X","name":"a","namespace":"n"}}}`, ""},
		{"", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSource":{"kind":"PersistentVolumeClaim","name":"a"},"dataSourceRef":{"kind":"PersistentVolumeClaim","name":"b"}}}`,
			"spec: Invalid value: {}: must match dataSourceRef"},
	})
}

// TestClaimUpdates: What does not change of a claim, and what does once it is bound.
func TestClaimUpdates(t *testing.T) {
	checkStorage(t, "v1 PersistentVolumeClaim", []ruleCase{
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeName":"v"}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeName":"v"}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeName":"w"}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"c"}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"c"}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"d"}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}}}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Mi"}}}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1024Mi"}}}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeMode":"Block"}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims|" +
				"volumeMode: Invalid value: \"Block\": field is immutable"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeAttributesClassName":"a"}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"grow"},"status":{"phase":"Bound","capacity":{"storage":"512Mi"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"2Gi"}},"storageClassName":"grow","volumeAttributesClassName":"a"},"status":{"phase":"Bound","capacity":{"storage":"512Mi"}}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound","capacity":{"storage":"512Mi"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"768Mi"}}},"status":{"phase":"Bound","capacity":{"storage":"512Mi"}}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound","capacity":{"storage":"512Mi"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"512Mi"}}},"status":{"phase":"Bound","capacity":{"storage":"512Mi"}}}`,
			"spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeAttributesClassName":"a"},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`,
			"spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeAttributesClassName":"a"},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"volumeAttributesClassName":""},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`,
			"spec.volumeAttributesClassName: Forbidden: update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"c"},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"c"}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"d"},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"d"}}}`,
			"metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: \"d\": field is immutable"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"c"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`,
			"metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: \"\": field is immutable"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSource":{"kind":"PersistentVolumeClaim","name":"a"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`,
			"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSource":{"kind":"X","name":"a"}}}`, ""},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"apiGroup":"a.b","kind":"X","name":"a"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"apiGroup":"a.b","kind":"X","name":"a","namespace":"N"},"dataSource":{"apiGroup":"a.b","kind":"X","name":"a"}}}`,
			"spec.dataSourceRef.namespace: Invalid value: \"N\": {label}|" +
				"spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims|" +
				"spec: Invalid value: {}: may not be specified when dataSourceRef.namespace is specified"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSourceRef":{"apiGroup":"a.b","kind":"X","name":"a"}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"dataSource":{"apiGroup":"a.b","kind":"X","name":"a"}}}`, ""},
	})
}

// TestStorageClasses: Classes of volumes and of attributes.
func TestStorageClasses(t *testing.T) {
	checkStorage(t, "storage.k8s.io/v1 StorageClass", []ruleCase{
		{"", `{}`,
			"provisioner: Required value"},
		{"", `{"provisioner":"a/B"}`, ""},
		{"", `{"provisioner":"a b","reclaimPolicy":"Recycle","volumeBindingMode":"X","parameters":{"":"a"}}`,
			"parameters: Invalid value: \"\": field can not be empty.|" +
				"provisioner: Invalid value: \"a b\": {name}|" +
				"reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\"|" +
				"volumeBindingMode: Unsupported value: \"X\": supported values: \"Immediate\", \"WaitForFirstConsumer\""},
		{"", `{"provisioner":"a","reclaimPolicy":"","volumeBindingMode":""}`,
			"volumeBindingMode: Unsupported value: \"\": supported values: \"Immediate\", \"WaitForFirstConsumer\""},
		{"", `{"provisioner":"a","parameters":{"a":"{a*262145}"}}`,
			"parameters: Too long: may not be more than 262144 bytes"},
		{"", `{"provisioner":"a","parameters":{"a0":"","a1":"","a2":"","a3":"","a4":"","a5":"","a6":"","a7":"","a8":"","a9":"","a10":"","a11":"","a12":"","a13":"","a14":"","a15":"","a16":"","a17":"","a18":"","a19":"","a20":"","a21":"","a22":"","a23":"","a24":"","a25":"","a26":"","a27":"","a28":"","a29":"","a30":"","a31":"","a32":"","a33":"","a34":"","a35":"","a36":"","a37":"","a38":"","a39":"","a40":"","a41":"","a42":"","a43":"","a44":"","a45":"","a46":"","a47":"","a48":"","a49":"","a50":"","a51":"","a52":"","a53":"","a54":"","a55":"","a56":"","a57":"","a58":"","a59":"","a60":"","a61":"","a62":"","a63":"","a64":"","a65":"","a66":"","a67":"","a68":"","a69":"","a70":"","a71":"","a72":"","a73":"","a74":"","a75":"","a76":"","a77":"","a78":"","a79":"","a80":"","a81":"","a82":"","a83":"","a84":"","a85":"","a86":"","a87":"","a88":"","a89":"","a90":"","a91":"","a92":"","a93":"","a94":"","a95":"","a96":"","a97":"","a98":"","a99":"","a100":"","a101":"","a102":"","a103":"","a104":"","a105":"","a106":"","a107":"","a108":"","a109":"","a110":"","a111":"","a112":"","a113":"","a114":"","a115":"","a116":"","a117":"","a118":"","a119":"","a120":"","a121":"","a122":"","a123":"","a124":"","a125":"","a126":"","a127":"","a128":"","a129":"","a130":"","a131":"","a132":"","a133":"","a134":"","a135":"","a136":"","a137":"","a138":"","a139":"","a140":"","a141":"","a142":"","a143":"","a144":"","a145":"","a146":"","a147":"","a148":"","a149":"","a150":"","a151":"","a152":"","a153":"","a154":"","a155":"","a156":"","a157":"","a158":"","a159":"","a160":"","a161":"","a162":"","a163":"","a164":"","a165":"","a166":"","a167":"","a168":"","a169":"","a170":"","a171":"","a172":"","a173":"","a174":"","a175":"","a176":"","a177":"","a178":"","a179":"","a180":"","a181":"","a182":"","a183":"","a184":"","a185":"","a186":"","a187":"","a188":"","a189":"","a190":"","a191":"","a192":"","a193":"","a194":"","a195":"","a196":"","a197":"","a198":"","a199":"","a200":"","a201":"","a202":"","a203":"","a204":"","a205":"","a206":"","a207":"","a208":"","a209":"","a210":"","a211":"","a212":"","a213":"","a214":"","a215":"","a216":"","a217":"","a218":"","a219":"","a220":"","a221":"","a222":"","a223":"","a224":"","a225":"","a226":"","a227":"","a228":"","a229":"","a230":"","a231":"","a232":"","a233":"","a234":"","a235":"","a236":"","a237":"","a238":"","a239":"","a240":"","a241":"","a242":"","a243":"","a244":"","a245":"","a246":"","a247":"","a248":"","a249":"","a250":"","a251":"","a252":"","a253":"","a254":"","a255":"","a256":"","a257":"","a258":"","a259":"","a260":"","a261":"","a262":"","a263":"","a264":"","a265":"","a266":"","a267":"","a268":"","a269":"","a270":"","a271":"","a272":"","a273":"","a274":"","a275":"","a276":"","a277":"","a278":"","a279":"","a280":"","a281":"","a282":"","a283":"","a284":"","a285":"","a286":"","a287":"","a288":"","a289":"","a290":"","a291":"","a292":"","a293":"","a294":"","a295":"","a296":"","a297":"","a298":"","a299":"","a300":"","a301":"","a302":"","a303":"","a304":"","a305":"","a306":"","a307":"","a308":"","a309":"","a310":"","a311":"","a312":"","a313":"","a314":"","a315":"","a316":"","a317":"","a318":"","a319":"","a320":"","a321":"","a322":"","a323":"","a324":"","a325":"","a326":"","a327":"","a328":"","a329":"","a330":"","a331":"","a332":"","a333":"","a334":"","a335":"","a336":"","a337":"","a338":"","a339":"","a340":"","a341":"","a342":"","a343":"","a344":"","a345":"","a346":"","a347":"","a348":"","a349":"","a350":"","a351":"","a352":"","a353":"","a354":"","a355":"","a356":"","a357":"","a358":"","a359":"","a360":"","a361":"","a362":"","a363":"","a364":"","a365":"","a366":"","a367":"","a368":"","a369":"","a370":"","a371":"","a372":"","a373":"","a374":"","a375":"","a376":"","a377":"","a378":"","a379":"","a380":"","a381":"","a382":"","a383":"","a384":"","a385":"","a386":"","a387":"","a388":"","a389":"","a390":"","a391":"","a392":"","a393":"","a394":"","a395":"","a396":"","a397":"","a398":"","a399":"","a400":"","a401":"","a402":"","a403":"","a404":"","a405":"","a406":"","a407":"","a408":"","a409":"","a410":"","a411":"","a412":"","a413":"","a414":"","a415":"","a416":"","a417":"","a418":"","a419":"","a420":"","a421":"","a422":"","a423":"","a424":"","a425":"","a426":"","a427":"","a428":"","a429":"","a430":"","a431":"","a432":"","a433":"","a434":"","a435":"","a436":"","a437":"","a438":"","a439":"","a440":"","a441":"","a442":"","a443":"","a444":"","a445":"","a446":"","a447":"","a448":"","a449":"","a450":"","a451":"","a452":"","a453":"","a454":"","a455":"","a456":"","a457":"","a458":"","a459":"","a460":"","a461":"","a462":"","a463":"","a464":"","a465":"","a466":"","a467":"","a468":"","a469":"","a470":"","a471":"","a472":"","a473":"","a474":"","a475":"","a476":"","a477":"","a478":"","a479":"","a480":"","a481":"","a482":"","a483":"","a484":"","a485":"","a486":"","a487":"","a488":"","a489":"","a490":"","a491":"","a492":"","a493":"","a494":"","a495":"","a496":"","a497":"","a498":"","a499":"","a500":"","a501":"","a502":"","a503":"","a504":"","a505":"","a506":"","a507":"","a508":"","a509":"","a510":"","a511":"","a512":""}}`,
			"parameters: Too long: may not be more than 512 bytes"},
		{"", `{"provisioner":"a","allowedTopologies":[{},{"matchLabelExpressions":[{"key":"a b","values":[]},{"key":"c","values":["d","d"]},{"key":"c","values":["e"]}]}]}`,
			"allowedTopologies[0].matchLabelExpressions: Duplicate value: \"\"|" +
				"allowedTopologies[1].matchLabelExpressions[0].key: Invalid value: \"a b\": {name}|" +
				"allowedTopologies[1].matchLabelExpressions[0].values: Required value|" +
				"allowedTopologies[1].matchLabelExpressions[1].values[1]: Duplicate value: \"d\"|" +
				"allowedTopologies[1].matchLabelExpressions[2].key: Duplicate value: \"c\""},
		{"", `{"provisioner":"a","allowedTopologies":[{"matchLabelExpressions":[{"key":"a","values":["b","c"]}]},{"matchLabelExpressions":[{"key":"a","values":["c","b"]}]},{"matchLabelExpressions":[{"key":"a","values":["c"]}]}]}`,
			"allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""},
		{`{"provisioner":"a"}`, `{"provisioner":"b","reclaimPolicy":"Retain","volumeBindingMode":"WaitForFirstConsumer","parameters":{"a":"b"}}`,
			"parameters: Invalid value: null: field is immutable|" +
				"provisioner: Invalid value: null: field is immutable|" +
				"reclaimPolicy: Invalid value: null: field is immutable|" +
				"volumeBindingMode: Invalid value: null: field is immutable"},
		{`{"provisioner":"a"}`, `{"provisioner":"a","mountOptions":["b"],"allowVolumeExpansion":true,"allowedTopologies":[{"matchLabelExpressions":[{"key":"a","values":["b"]}]}]}`, ""},
	})
}

// TestAttributesClasses: A class of attributes has some, and never others.
func TestAttributesClasses(t *testing.T) {
	checkStorage(t, "storage.k8s.io/v1 VolumeAttributesClass", []ruleCase{
		{"", `{}`,
			"driverName: Required value|" +
				"parameters: Required value: must contain at least one key/value pair"},
		{"", `{"driverName":"a","parameters":{"b":"c"}}`, ""},
		{"", `{"driverName":"a b","parameters":{"":""}}`,
			"driverName: Invalid value: \"a b\": {name}|" +
				"parameters: Invalid value: \"\": field can not be empty."},
		{`{"driverName":"a","parameters":{"b":"c"}}`, `{"driverName":"d","parameters":{"b":"e"}}`,
			"driverName: Forbidden: updates to driverName are forbidden.|" +
				"parameters: Forbidden: updates to parameters are forbidden."},
	})
}

// TestAttachments: An attachment has a driver, a node and a volume, of its own or not.
func TestAttachments(t *testing.T) {
	checkStorage(t, "storage.k8s.io/v1 VolumeAttachment", []ruleCase{
		{"", `{}`,
			"spec.attacher: Required value|" +
				"spec.nodeName: Invalid value: \"\": {subdomain}|" +
				"spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p"}}}`, ""},
		{"", `{"spec":{"attacher":"{A*64}","nodeName":"A_b","source":{"persistentVolumeName":"A"}}}`,
			"spec.attacher: Too long: may not be more than 63 characters|" +
				"spec.nodeName: Invalid value: \"A_b\": {subdomain}|" +
				"spec.source.persistentVolumeName: Invalid value: \"A\": {subdomain}"},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":""}}}`,
			"spec.source.persistentVolumeName: Invalid value: \"\": {subdomain}|" +
				"spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName"},
		{"", `{"spec":{"attacher":"a/B","nodeName":"n","source":{"persistentVolumeName":"p"}}}`,
			"spec.attacher: Invalid value: \"a/B\": an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p","inlineVolumeSpec":{}}}}`,
			"spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"accessModes":["ReadWriteOnce"]}}}}`,
			"spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec: Required value: must specify a volume type"},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"accessModes":["ReadWriteOnce"],"csi":{"driver":"d","volumeHandle":"h"}}}}}`, ""},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"accessModes":["ReadWriteOnce"],"claimRef":{},"capacity":{"storage":"1"},"nodeAffinity":{"required":{"nodeSelectorTerms":[]}},"storageClassName":"A","persistentVolumeReclaimPolicy":"Delete","volumeMode":"Block","hostPath":{"path":"/a"}}}}}`,
			"spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec.claimRef: Forbidden: may not be specified in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec.nodeAffinity: Forbidden: may not be specified in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes|" +
				"spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes"},
		{"", `{"spec":{"attacher":"a","nodeName":"n","source":{"inlineVolumeSpec":{"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem","csi":{"driver":"","volumeHandle":""}}}}}`,
			"spec.source.inlineVolumeSpec.csi.driver: Required value|" +
				"spec.source.inlineVolumeSpec.csi.volumeHandle: Required value"},
		{`{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p"}}}`, `{"spec":{"attacher":"a","nodeName":"m","source":{"persistentVolumeName":"p"}}}`,
			"spec: Invalid value: null: field is immutable"},
	})
}

// TestDrivers: What a driver says of itself, and what of it does not change.
func TestDrivers(t *testing.T) {
	checkStorage(t, "storage.k8s.io/v1 CSIDriver", []ruleCase{
		{"", `{}`, ""},
		{"", `{"spec":{"fsGroupPolicy":"X","volumeLifecycleModes":["Ephemeral","X"],"nodeAllocatableUpdatePeriodSeconds":9,"serviceAccountTokenInSecrets":false}}`,
			"spec.fsGroupPolicy: Unsupported value: \"X\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\"|" +
				"spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds|" +
				"spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no tokenRequests are specified|" +
				"spec.volumeLifecycleModes: Unsupported value: \"X\": supported values: \"Persistent\", \"Ephemeral\""},
		{"", `{"spec":{"tokenRequests":[{"audience":"a","expirationSeconds":599},{"audience":"a","expirationSeconds":1},{"audience":"","expirationSeconds":4294967297}],"serviceAccountTokenInSecrets":true}}`,
			"spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes|" +
				"spec.tokenRequests[1].audience: Duplicate value: \"a\"|" +
				"spec.tokenRequests[2].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"},
		{`{"spec":{}}`, `{"spec":{"attachRequired":false,"volumeLifecycleModes":["Ephemeral"],"podInfoOnMount":true}}`,
			"spec.attachedRequired: Invalid value: false: field is immutable|" +
				"spec.volumeLifecycleModes: Invalid value: {}: field is immutable"},
	})
}

// TestDriverNodes: The drivers of a node, and how many volumes they take.
func TestDriverNodes(t *testing.T) {
	checkStorage(t, "storage.k8s.io/v1 CSINode", []ruleCase{
		{"", `{}`, ""},
		{"", `{"spec":{"drivers":[{"name":"","nodeID":"","topologyKeys":["a","a","","b c"],"allocatable":{"count":-1}},{"name":"A_b","nodeID":"{a*257}"},{"name":"d","nodeID":"n"},{"name":"d","nodeID":"n"}]}}`,
			"spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0|" +
				"spec.drivers[0].name: Required value|" +
				"spec.drivers[0].nodeID: Required value|" +
				"spec.drivers[0]: Duplicate value: \"a\"|" +
				"spec.drivers[0]: Invalid value: \"\": name part must be non-empty|" +
				"spec.drivers[0]: Invalid value: \"\": {name}|" +
				"spec.drivers[0]: Invalid value: \"b c\": {name}|" +
				"spec.drivers[0]: Required value|" +
				"spec.drivers[1].name: Invalid value: \"A_b\": {subdomain}|" +
				"spec.drivers[1].nodeID: Invalid value: \"{a*257}\": must be 256 characters or less|" +
				"spec.drivers[3].name: Duplicate value: \"d\""},
		{`{"spec":{"drivers":[{"name":"d","nodeID":"n"}]}}`, `{"spec":{"drivers":[{"name":"d","nodeID":"m"}]}}`,
			"spec.drivers: Invalid value: {}: field is immutable"},
		{`{"spec":{"drivers":[{"name":"d","nodeID":"n"}]}}`, `{"spec":{"drivers":[{"name":"d","nodeID":"n","allocatable":{"count":1}},{"name":"e","nodeID":"n"}]}}`, ""},
	})
}

// TestStorageCapacities: How much there is of a class at a place.
func TestStorageCapacities(t *testing.T) {
	checkStorage(t, "storage.k8s.io/v1 CSIStorageCapacity", []ruleCase{
		{"", `{}`,
			"storageClassName: Invalid value: \"\": {subdomain}"},
		{"", `{"storageClassName":"C","capacity":"-1","maximumVolumeSize":"-1","nodeTopology":{"matchLabels":{"a":"b c"}}}`,
			"capacity: Invalid value: \"-1\": must be greater than or equal to 0|" +
				"nodeTopology.matchLabels: Invalid value: \"b c\": {value}|" +
				"storageClassName: Invalid value: \"C\": {subdomain}"},
		{`{"storageClassName":"c"}`, `{"storageClassName":"d","nodeTopology":{},"capacity":"1"}`,
			"nodeTopology: Invalid value: {}: field is immutable|" +
				"storageClassName: Invalid value: \"d\": field is immutable"},
	})
}

// TestMigrations: The resource whose objects are to be stored again.
func TestMigrations(t *testing.T) {
	checkStorage(t, "storagemigration.k8s.io/v1 StorageVersionMigration", []ruleCase{
		{"", `{}`,
			"spec.resource.resource: Required value: resource is required to be set"},
		{"", `{"spec":{"resource":{"group":"A","resource":"B"}}}`,
			"spec.resource.group: Invalid value: \"A\": {subdomain}|" +
				"spec.resource.resource: Invalid value: \"B\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"},
		{`{"spec":{"resource":{"group":"apps","resource":"deployments"}}}`, `{"spec":{"resource":{"group":"","resource":"pods"}}}`,
			"spec: Invalid value: {}: field is immutable"},
	})
}

// TestClaimStatus: The status of a claim: sizes, and how far growing it has come.
func TestClaimStatus(t *testing.T) {
	checkStatuses(t, "v1 PersistentVolumeClaim", []ruleCase{
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound","capacity":{"storage":"-1","cpu":"1"}}}`,
			"status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"allocatedResources":{"storage":"-1","cpu":"1","a.b/c":"1","x.kubernetes.io/y":"1","a b":"1"},"allocatedResourceStatuses":{"storage":"X","cpu":"NodeResizePending"}}}`,
			"status.allocatedResourceStatuses: Unsupported value: \"cpu\": supported values: \"storage\"|" +
				"status.allocatedResourceStatuses: Unsupported value: \"storage\": supported values: \"ControllerResizeInProgress\", \"ControllerResizeInfeasible\", \"NodeResizeInProgress\", \"NodeResizeInfeasible\", \"NodeResizePending\"|" +
				"status.allocatedResources: Invalid value: \"a b\": {name}|" +
				"status.allocatedResources: Unsupported value: \"cpu\": supported values: \"storage\"|" +
				"status.allocatedResources: Unsupported value: \"x.kubernetes.io/y\": supported values: \"storage\"|" +
				"status.allocatedResources[storage]: Invalid value: -1: must be a valid resource quantity"},
		{`{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}},"status":{"allocatedResources":{"storage":"1"},"allocatedResourceStatuses":{"storage":"NodeResizePending"}}}`, ""},
	})
}

// TestAttachmentStatus: What a driver tells of an attachment is bounded.
func TestAttachmentStatus(t *testing.T) {
	checkStatuses(t, "storage.k8s.io/v1 VolumeAttachment", []ruleCase{
		{`{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p"}}}`, `{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p"}},"status":{"attached":true,"attachmentMetadata":{"a":"{a*262144}"},"attachError":{"message":"{a*1025}","errorCode":-1},"detachError":{"message":"{a*1024}","errorCode":1}}}`,
			"status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive|" +
				"status.attachError.message: Too long: may not be more than 1024 bytes|" +
				"status.attachmentMetadata: Too long: may not be more than 262144 bytes"},
	})
}

// TestMigrationStatus: A migration ends once.
func TestMigrationStatus(t *testing.T) {
	checkStatuses(t, "storagemigration.k8s.io/v1 StorageVersionMigration", []ruleCase{
		{`{"spec":{"resource":{"resource":"pods"}}}`, `{"spec":{"resource":{"resource":"pods"}},"status":{"resourceVersion":"5","conditions":[{"type":"","status":"X","reason":"","message":""}]}}`,
			"status.conditions[0].lastTransitionTime: Required value|" +
				"status.conditions[0].reason: Required value|" +
				"status.conditions[0].status: Unsupported value: \"X\": supported values: \"False\", \"True\", \"Unknown\"|" +
				"status.conditions[0].type: Required value: is required"},
		{`{"spec":{"resource":{"resource":"pods"}},"status":{"resourceVersion":"1","conditions":[{"type":"Succeeded","status":"True","reason":"R","message":"","lastTransitionTime":"2024-01-01T00:00:00Z"}]}}`, `{"spec":{"resource":{"resource":"pods"}},"status":{"resourceVersion":"2","conditions":[{"type":"Failed","status":"True","reason":"R","message":"","lastTransitionTime":"2024-01-01T00:00:00Z"}]}}`,
			"status.conditions: Invalid value: {}: Success condition cannot be set to false once it is true|" +
				"status.resourceVersion: Invalid value: \"2\": field is immutable"},
		{`{"spec":{"resource":{"resource":"pods"}},"status":{}}`, `{"spec":{"resource":{"resource":"pods"}},"status":{"resourceVersion":"x","conditions":[{"type":"Failed","status":"True","reason":"R","message":"","lastTransitionTime":"2024-01-01T00:00:00Z"},{"type":"Succeeded","status":"True","reason":"R","message":"","lastTransitionTime":"2024-01-01T00:00:00Z"}]}}`,
			"status.conditions: Invalid value: {}: Both success and failed conditions cannot be true at the same time|" +
				"status.resourceVersion: Invalid value: \"x\": resource version is not well formed: x"},
	})
}

// TestStorageWarnings: what the writer of a good object is told.
func TestStorageWarnings(t *testing.T) {
	for _, c := range []struct{ kind, obj, want string }{
		{"v1 PersistentVolume", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Recycle","nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"beta.kubernetes.io/os","operator":"Exists"}]}]}},"nfs":{"server":"a","path":"/"}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"a","volume.beta.kubernetes.io/mount-options":"b"}}}`, `metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead|metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "mountOptions" attribute instead|spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.|spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead`},
		{"v1 PersistentVolume", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"cephfs":{"monitors":["a"]}}}`, `spec.cephfs: deprecated in v1.28, non-functional in v1.31+`},
		{"v1 PersistentVolume", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageos":{"volumeName":"a"}}}`, `spec.storageOS: deprecated in v1.22, non-functional in v1.25+`},
		{"v1 PersistentVolume", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"flocker":{"datasetName":"a"}}}`, ``},
		{"v1 PersistentVolume", `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/a"}}}`, ``},
		{"v1 PersistentVolumeClaim", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1500m"},"limits":{"storage":"2500m"}}},"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"a"}}}`, `metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead|spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer|spec.resources.limits[storage]: fractional byte value "2500m" is invalid, must be an integer`},
		{"v1 PersistentVolumeClaim", `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`, ``},
		{"storage.k8s.io/v1 StorageClass", `{"provisioner":"a","allowedTopologies":[{"matchLabelExpressions":[{"key":"failure-domain.beta.kubernetes.io/zone","values":["a"]},{"key":"node-role.kubernetes.io/master","values":["a"]}]}]}`, `allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use "topology.kubernetes.io/zone" instead|allowedTopologies[0].matchLabelExpressions[1].key: use "node-role.kubernetes.io/control-plane" instead`},
		{"storage.k8s.io/v1 CSIStorageCapacity", `{"storageClassName":"a","nodeTopology":{"matchLabels":{"beta.kubernetes.io/arch":"a"},"matchExpressions":[{"key":"app.kubernetes.io/created-by","operator":"Exists"},{"key":"scheduler.alpha.kubernetes.io/preferAvoidPods","operator":"Exists"}]}}`, `nodeTopology.matchExpressions[0].key: app.kubernetes.io/created-by is deprecated since v1.9|nodeTopology.matchExpressions[1].key: scheduler.alpha.kubernetes.io/preferAvoidPods is deprecated since v1.22; use Taints and Tolerations instead|nodeTopology.matchLabels.beta.kubernetes.io/arch: deprecated since v1.14; use "kubernetes.io/arch" instead`},
		{"storage.k8s.io/v1 CSIDriver", `{"spec":{"tokenRequests":[{"audience":"a"}]}}`, `spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes`},
		{"storage.k8s.io/v1 CSIDriver", `{"spec":{"tokenRequests":[{"audience":"a"}],"serviceAccountTokenInSecrets":true}}`, ``},
	} {
		gv, name, _ := strings.Cut(c.kind, " ")
		group, version := kinds.SplitAPIVersion(gv)
		got := strings.Join(All()[kinds.NewKey(group, version, name)].Warnings(objectForTest(t, c.obj), nil), "|")
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.obj, got, c.want)
		}
	}
}
