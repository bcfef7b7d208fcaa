package kinds

import "testing"

// TestStorageCells: what v1.37.2 prints for the same objects.
func TestStorageCells(t *testing.T) {
	const gone = `"metadata":{"name":"a","deletionTimestamp":"2024-01-01T00:00:00Z"}`
	for _, c := range []struct{ cell, obj, want string }{
		{"volumePhase", `{"status":{"phase":"Bound"}}`, "Bound"},
		{"volumePhase", `{` + gone + `,"status":{"phase":"Bound"}}`, "Terminating"},
		{"volumePhase", `{}`, ""},
		{"volumeModes", `{}`, ""},
		{"volumeModes", `{"spec":{"accessModes":["ReadWriteMany","ReadOnlyMany","ReadWriteOnce","ReadWriteOnce"]}}`, "RWO,ROX,RWX"},
		{"volumeModes", `{"spec":{"accessModes":["ReadWriteOncePod"]}}`, "RWOP"},
		{"volumeClaim", `{}`, ""},
		{"volumeClaim", `{"spec":{"claimRef":{"namespace":"n","name":"a"}}}`, "n/a"},
		{"volumeClaim", `{"spec":{"claimRef":{"name":"a"}}}`, "/a"},
		{"volumeClass", `{"spec":{"storageClassName":"c"}}`, "c"},
		{"claimClass", `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"b"}},"spec":{"storageClassName":"c"}}`, "b"},
		{"claimClass", `{}`, ""},
		{"claimCapacity", `{"status":{"capacity":{"storage":"1Gi"}}}`, ""},
		{"claimCapacity", `{"spec":{"volumeName":"v"},"status":{"capacity":{"storage":"1Gi"}}}`, "1Gi"},
		{"claimCapacity", `{"spec":{"volumeName":"v"}}`, "0"},
		{"claimModes", `{"spec":{"accessModes":["ReadWriteOnce"]}}`, ""},
		{"claimModes", `{"spec":{"volumeName":"v"},"status":{"accessModes":["ReadWriteOnce"]}}`, "RWO"},
		{"storageClassName", `{"metadata":{"name":"a","annotations":{"storageclass.kubernetes.io/is-default-class":"false"}}}`, "a"},
		{"storageClassName", `{"metadata":{"name":"a","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}}}`, "a (default)"},
		{"storageClassName", `{"metadata":{"name":"a","annotations":{"storageclass.beta.kubernetes.io/is-default-class":"true"}}}`, "a (default)"},
		{"driverAudiences", `{"spec":{}}`, "<unset>"},
		{"driverAudiences", `{"spec":{"tokenRequests":[{"audience":""},{"audience":"vault"}]}}`, ",vault"},
		{"migrationResource", `{"spec":{"resource":{"resource":"pods"}}}`, "pods"},
		{"migrationResource", `{"spec":{"resource":{"group":"apps","resource":"deployments"}}}`, "deployments.apps"},
		{"migrationStatus", `{}`, "Unknown"},
		{"migrationStatus", `{"status":{"conditions":[{"type":"Running","status":"False"},{"type":"Succeeded","status":"True"},{"type":"X","status":"True"}]}}`, "Succeeded"},
	} {
		if got := namedCell(c.cell)(objectForTest(t, c.obj)); got != c.want {
			t.Errorf("%s of %s: got %q, want %q", c.cell, c.obj, got, c.want)
		}
	}
	if namedCell("volume") != nil {
		t.Error("there is a cell of no name")
	}
}
