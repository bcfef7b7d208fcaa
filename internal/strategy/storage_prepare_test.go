package strategy

import (
	"strings"
	"testing"
	"testing/synctest"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// holds reports whether an object has all of another one, as deep as that goes. Fields that are always there
// may be more.
func holds(obj, part any) bool {
	switch part := part.(type) {
	case map[string]any:
		o, ok := obj.(map[string]any)
		for k, v := range part {
			ok = ok && holds(o[k], v)
		}
		return ok
	case []any:
		l, _ := obj.([]any)
		for i := range part {
			if len(l) != len(part) || !holds(l[i], part[i]) {
				return false
			}
		}
		return true
	}
	return tree.Equal(obj, part)
}

// TestStorageDefaults: what v1.37.2 makes of the same objects.
func TestStorageDefaults(t *testing.T) {
	table := tableForTest(t)
	for _, c := range []struct{ kind, obj, want string }{
		{"v1 PersistentVolume", `{"spec":{"capacity":{"storage":"100u"},"hostPath":{"path":"/a"}}}`,
			`{"spec":{"capacity":{"storage":"1m"},"hostPath":{"path":"/a","type":""},"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},
			"status":{"phase":"Pending"}}`},
		{"v1 PersistentVolume", `{"spec":{"volumeMode":"Block","persistentVolumeReclaimPolicy":"Delete","rbd":{"monitors":["a"],"image":"b"}},"status":{"phase":"Bound"}}`,
			`{"spec":{"volumeMode":"Block","persistentVolumeReclaimPolicy":"Delete","rbd":{"monitors":["a"],"image":"b","pool":"rbd","user":"admin",
			"keyring":"/etc/ceph/keyring"}},"status":{"phase":"Bound"}}`},
		{"v1 PersistentVolumeClaim", `{"spec":{"resources":{"requests":{"storage":"1.5Gi"},"limits":{"storage":"100u"}}}}`,
			`{"spec":{"resources":{"requests":{"storage":"1.5Gi"},"limits":{"storage":"1m"}},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`},
		{"storage.k8s.io/v1 StorageClass", `{"provisioner":"a"}`, `{"provisioner":"a","reclaimPolicy":"Delete","volumeBindingMode":"Immediate"}`},
		{"storage.k8s.io/v1 CSIDriver", `{"spec":{}}`, `{"spec":{"attachRequired":true,"podInfoOnMount":false,"storageCapacity":false,"seLinuxMount":false,
			"fsGroupPolicy":"ReadWriteOnceWithFSType","volumeLifecycleModes":["Persistent"],"requiresRepublish":false,"preventPodSchedulingIfMissing":false}}`},
		{"storage.k8s.io/v1 CSIDriver", `{"spec":{"attachRequired":false,"podInfoOnMount":true,"storageCapacity":true,"seLinuxMount":true,
			"fsGroupPolicy":"None","volumeLifecycleModes":["Ephemeral"],"requiresRepublish":true,"preventPodSchedulingIfMissing":true}}`,
			`{"spec":{"attachRequired":false,"podInfoOnMount":true,"storageCapacity":true,"seLinuxMount":true,
			"fsGroupPolicy":"None","volumeLifecycleModes":["Ephemeral"],"requiresRepublish":true,"preventPodSchedulingIfMissing":true}}`},
		// The volume that an attachment brings along has the defaults of its source alone.
		{"storage.k8s.io/v1 VolumeAttachment", `{"spec":{"source":{"inlineVolumeSpec":{"hostPath":{"path":"/a"}}}}}`,
			`{"spec":{"source":{"inlineVolumeSpec":{"hostPath":{"path":"/a","type":""}}}}}`},
		{"storage.k8s.io/v1 VolumeAttachment", `{}`, `{}`},
	} {
		obj := objectForTest(t, c.obj)
		shapeForTest(t, table, c.kind).SetDefaults(obj)
		if want := objectForTest(t, c.want); !holds(obj, want) {
			t.Errorf("%s %s\n got %s\nwant %s", c.kind, c.obj, tree.AppendJSON(nil, obj), tree.AppendJSON(nil, want))
		}
	}
}

// TestVolumeDefaults: what v1.37.2 makes of the volumes of a pod, without the fields of features that are off.
func TestVolumeDefaults(t *testing.T) {
	shape := shapeForTest(t, tableForTest(t), "v1 Pod")
	for source, want := range map[string]string{
		`"name":"v"`:              `"name":"v","emptyDir":{}`,
		`"emptyDir":{"mode":448}`: `"emptyDir":{}`,
		`"secret":{"secretName":"s","defaultUser":1}`:          `"secret":{"secretName":"s","defaultMode":420}`,
		`"configMap":{"items":[{"key":"a","user":1}]}`:         `"configMap":{"items":[{"key":"a"}],"defaultMode":420}`,
		`"downwardAPI":{"items":[{"user":1,"path":"a"}]}`:      `"downwardAPI":{"items":[{"path":"a"}],"defaultMode":420}`,
		`"projected":{"sources":[{"serviceAccountToken":{}}]}`: `"projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3600}}],"defaultMode":420}`,
		`"image":{"reference":"a"}`:                            `"image":{"reference":"a","pullPolicy":"Always"}`,
		`"image":{"reference":"a:1"}`:                          `"image":{"reference":"a:1","pullPolicy":"IfNotPresent"}`,
		`"iscsi":{}`:                                           `"iscsi":{"iscsiInterface":"default"}`,
		`"scaleIO":{}`:                                         `"scaleIO":{"storageMode":"ThinProvisioned","fsType":"xfs"}`,
		`"azureDisk":{}`:                                       `"azureDisk":{"cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"}`,
		`"ephemeral":{"volumeClaimTemplate":{"spec":{}}}`:      `"ephemeral":{"volumeClaimTemplate":{"spec":{"volumeMode":"Filesystem"}}}`,
	} {
		pod := objectForTest(t, `{"spec":{"volumes":[{`+source+`}]}}`)
		shape.SetDefaults(pod)
		volume, wanted := tree.List(pod, "spec", "volumes")[0], objectForTest(t, "{"+want+"}")
		text := string(tree.AppendJSON(nil, volume))
		if !holds(volume, wanted) || strings.Contains(text, `ser":`) || strings.Contains(text, `"mode"`) {
			t.Errorf("%s\n got %s\nwant %s", source, tree.AppendJSON(nil, volume), tree.AppendJSON(nil, wanted))
		}
	}
}

// TestStoragePrepare: what a create and an update drop, and what they set.
func TestStoragePrepare(t *testing.T) {
	const made, then = "2000-01-01T00:00:00Z", "1999-01-01T00:00:00Z"
	source, ref := `{"kind":"PersistentVolumeClaim","name":"a"}`, `{"apiGroup":"a.b","kind":"X","name":"a"}`
	for _, c := range []struct{ kind, old, obj, want string }{
		{"PersistentVolume", "", `{"status":{"phase":"Pending"}}`, `{"status":{"phase":"Pending","lastPhaseTransitionTime":"` + made + `"}}`},
		{"PersistentVolume", `{"status":{}}`, `{"status":{"phase":"Pending"}}`, `{"status":{"phase":"Pending"}}`},

		{"PersistentVolumeClaim", "", `{"spec":{"dataSource":` + source + `}}`, `{"spec":{"dataSource":` + source + `,"dataSourceRef":` + source + `}}`},
		{"PersistentVolumeClaim", "", `{"spec":{"dataSourceRef":` + ref + `}}`, `{"spec":{"dataSource":` + ref + `,"dataSourceRef":` + ref + `}}`},
		{"PersistentVolumeClaim", "", `{"spec":{"dataSource":` + ref + `}}`, `{"spec":{}}`},
		{"PersistentVolumeClaim", `{"spec":{"dataSourceRef":` + ref + `}}`, `{"spec":{"dataSource":` + ref + `}}`,
			`{"spec":{"dataSource":` + ref + `,"dataSourceRef":` + ref + `}}`},
		{"PersistentVolumeClaim", "", `{"spec":{"dataSourceRef":{"kind":"X","name":"a","namespace":"n"}}}`, `{"spec":{}}`},
		{"PersistentVolumeClaim", "", `{}`, `{}`},

		{"storage.CSIDriver", "", `{"spec":{}}`, `{"spec":{}}`},
		{"storage.CSIDriver", `{"spec":{"a":1}}`, `{"spec":{"a":1}}`, `{"spec":{"a":1}}`},
		{"storage.CSIDriver", `{"spec":{"a":1}}`, `{"spec":{"a":2}}`, `{"spec":{"a":2},"metadata":{"generation":1}}`},

		{"status PersistentVolume", `{"status":{"phase":"Bound","lastPhaseTransitionTime":"` + then + `"}}`, `{"status":{"phase":"Bound"}}`,
			`{"status":{"phase":"Bound","lastPhaseTransitionTime":"` + then + `"}}`},
		{"status PersistentVolume", `{"status":{"phase":"Bound","lastPhaseTransitionTime":"` + then + `"}}`, `{"status":{"phase":"Released"}}`,
			`{"status":{"phase":"Released","lastPhaseTransitionTime":"` + made + `"}}`},
		{"status PersistentVolume", `{"status":{"phase":"Bound"}}`, `{"status":{"phase":"Released","lastPhaseTransitionTime":"` + then + `"}}`,
			`{"status":{"phase":"Released","lastPhaseTransitionTime":"` + then + `"}}`},
		{"status PersistentVolumeClaim", "{}", `{"status":{"phase":"Bound","healthStatus":{}}}`, `{"status":{"phase":"Bound"}}`},
		{"status storage.CSINode", "{}", `{"status":{"storageHealth":[]}}`, `{"status":{}}`},
	} {
		obj, old := objectForTest(t, c.obj), map[string]any(nil)
		if c.old != "" {
			old = objectForTest(t, c.old)
		}
		// The clock of the bubble stands at the beginning of 2000.
		synctest.Test(t, func(*testing.T) { prepareForTest(c.kind)(obj, old) })
		if want := objectForTest(t, c.want); !tree.Equal(obj, want) {
			t.Errorf("%s %s after %s\n got %s\nwant %s", c.kind, c.obj, c.old, tree.AppendJSON(nil, obj), tree.AppendJSON(nil, want))
		}
	}
}

// prepareForTest returns how a kind is prepared, or its status.
func prepareForTest(kind string) func(obj, old map[string]any) {
	all := storageStrategies()
	switch kind {
	case "PersistentVolume", "PersistentVolumeClaim":
		return all[kinds.NewKey("", "v1", kind)].Prepare
	case "status PersistentVolume":
		return all[kinds.NewKey("", "v1", "PersistentVolume")].PrepareStatus
	case "status PersistentVolumeClaim":
		return all[kinds.NewKey("", "v1", "PersistentVolumeClaim")].PrepareStatus
	case "status storage.CSINode":
		return all[kinds.NewKey("storage.k8s.io", "v1", "CSINode")].PrepareStatus
	}
	return all[kinds.NewKey("storage.k8s.io", "v1", "CSIDriver")].Prepare
}

// TestPodVolumeNames: names that are made of the pod's and the volume's, which only a pod has.
func TestPodVolumeNames(t *testing.T) {
	table := tableForTest(t)
	const claim = `{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}`
	for volumes, want := range map[string]string{
		`{"name":"v","ephemeral":{"volumeClaimTemplate":{"spec":` + claim + `}}},{"name":"w","persistentVolumeClaim":{"claimName":"x-v"}}`: "spec.volumes[1]." +
			`persistentVolumeClaim.claimName: Invalid value: "x-v": must not reference a PVC that gets created for an ephemeral volume`,
		`{"name":"v","ephemeral":{"volumeClaimTemplate":{"spec":` + claim + `}}},{"name":"w","persistentVolumeClaim":{"claimName":"x-w"}}`: "",
		`{"name":"v","emptyDir":{}},{"name":"v","hostPath":{"path":"/a"}}`:                                                                 `spec.volumes[1].name: Duplicate value: "v"`,
		`{"name":"","emptyDir":{}}`: "spec.volumes[0].name: Required value",
	} {
		pod := `{"spec":{"containers":[{"name":"c","image":"i"}],"volumes":[` + volumes + `]}}`
		if got := judge(t, table, "v1 Pod", "", pod, false); got != want {
			t.Errorf("%s\n got %s\nwant %s", volumes, got, want)
		}
	}
}
