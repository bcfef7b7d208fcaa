package kinds

import (
	"fmt"
	"strings"
	"testing"
)

// TestStorageCells: what v1.37.2 prints for the same objects.
func TestStorageCells(t *testing.T) {
	const gone = `"metadata":{"name":"a","deletionTimestamp":"2024-01-01T00:00:00Z"}`
	for _, c := range []struct{ cell, obj, want string }{
		{"volumePhase", `{"status":{"phase":"Bound"}}`, "Bound"},
		{"volumePhase", `{` + gone + `,"status":{"phase":"Bound"}}`, "Terminating"},
		{"volumePhase", `{}`, ""},
		{"modes(spec.accessModes)", `{}`, ""},
		{"modes(spec.accessModes)", `{"spec":{"accessModes":["ReadWriteMany","ReadOnlyMany","ReadWriteOnce","ReadWriteOnce"]}}`, "RWO,ROX,RWX"},
		{"modes(spec.accessModes)", `{"spec":{"accessModes":["ReadWriteOncePod"]}}`, "RWOP"},
		{"pair(spec.claimRef,namespace,name)", `{}`, ""},
		{"pair(spec.claimRef,namespace,name)", `{"spec":{"claimRef":{"namespace":"n","name":"a"}}}`, "n/a"},
		{"pair(spec.claimRef,namespace,name)", `{"spec":{"claimRef":{"name":"a"}}}`, "/a"},
		{"storageClass", `{"spec":{"storageClassName":"c"}}`, "c"},
		{"storageClass", `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"b"}},"spec":{"storageClassName":"c"}}`, "b"},
		{"storageClass", `{}`, ""},
		{"claimCapacity", `{"status":{"capacity":{"storage":"1Gi"}}}`, ""},
		{"claimCapacity", `{"spec":{"volumeName":"v"},"status":{"capacity":{"storage":"1Gi"}}}`, "1Gi"},
		{"claimCapacity", `{"spec":{"volumeName":"v"}}`, "0"},
		{"claimModes", `{"spec":{"accessModes":["ReadWriteOnce"]}}`, ""},
		{"claimModes", `{"spec":{"volumeName":"v"},"status":{"accessModes":["ReadWriteOnce"]}}`, "RWO"},
		{"each(spec.tokenRequests,audience|<unset>)", `{"spec":{}}`, "<unset>"},
		{"each(spec.tokenRequests,audience|<unset>)", `{"spec":{"tokenRequests":[{"audience":""},{"audience":"vault"}]}}`, ",vault"},
		{"migrationResource", `{"spec":{"resource":{"resource":"pods"}}}`, "pods"},
		{"migrationResource", `{"spec":{"resource":{"group":"apps","resource":"deployments"}}}`, "deployments.apps"},
		{"migrationStatus", `{}`, "Unknown"},
		{"migrationStatus", `{"status":{"conditions":[{"type":"Running","status":"False"},{"type":"Succeeded","status":"True"},{"type":"X","status":"True"}]}}`, "Succeeded"},
	} {
		cell, err := parseCell(c.cell)
		if err != nil {
			t.Fatal(err)
		}
		if got := cell(objectForTest(t, c.obj)); got != c.want {
			t.Errorf("%s of %s: got %q, want %q", c.cell, c.obj, got, c.want)
		}
	}
	if namedCell("volume") != nil {
		t.Error("there is a cell of no name")
	}
}

// TestDefaultClass: a list marks the youngest class that claims to be the default, one object does not.
func TestDefaultClass(t *testing.T) {
	class := func(name, second, key, value string) string {
		return `{"metadata":{"name":"` + name + `","creationTimestamp":"2024-01-01T00:00:0` + second + `Z","annotations":{"` + key + `":"` + value + `"}}}`
	}
	const key, beta = "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"
	columns := shapeForTest(t, kindsForTest(t), "storage.k8s.io/v1 StorageClass").Row.Columns
	for _, c := range []struct {
		in   []string
		want string
	}{
		{nil, ""},
		{[]string{class("a", "1", key, "false"), class("b", "2", key, "yes")}, "a b"},
		{[]string{class("a", "1", key, "true")}, "a (default)"},
		{[]string{class("a", "1", key, "true"), class("b", "2", beta, "true"), class("c", "3", key, "false")}, "a b (default) c"},
		{[]string{class("b", "1", key, "true"), class("a", "1", key, "true"), class("c", "0", key, "true")}, "b a (default) c"},
	} {
		var objs []map[string]any
		for _, in := range c.in {
			objs = append(objs, objectForTest(t, in))
		}
		var got, alone []string
		for _, obj := range objs {
			got = append(got, fmt.Sprint(ListColumns(columns, objs)[0].Cell(obj)))
			alone = append(alone, fmt.Sprint(columns[0].Cell(obj)))
		}
		if strings.Join(got, " ") != c.want || strings.Join(alone, " ") != strings.ReplaceAll(c.want, " (default)", "") {
			t.Errorf("%v: got %q, alone %q", c.in, got, alone)
		}
	}
}
