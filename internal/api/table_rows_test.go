package api_test

import (
	"testing"

	"apichain/internal/tree"
)

// TestTableRows: what a row has besides the cells of its columns, and cells that depend on the list,
// as v1.37.2 answers them.
func TestTableRows(t *testing.T) {
	a := asker{startClients(t), t}
	const asTable = "Accept: application/json;as=Table;v=v1;g=meta.k8s.io"
	rows := func(path string) []any {
		return tree.List(a.ask("GET", path+"?includeObject=None", "", 200, asTable), "rows")
	}
	text := func(v any) string { return string(tree.AppendJSON(nil, v)) }

	// A pod that has ended says so, and how, in lists too; one that runs says nothing.
	const pods = "/api/v1/namespaces/default/pods"
	for name, want := range map[string]string{
		"a": "", "b": `[{"message":"The pod has completed successfully.","reason":"Succeeded","status":"True","type":"Completed"}]`,
		"c": `[{"message":"The pod failed.","reason":"Failed","status":"True","type":"Completed"}]`,
	} {
		phase := map[string]string{"a": "Running", "b": "Succeeded", "c": "Failed"}[name]
		pod := a.ask("POST", pods, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"`+name+`"},"spec":{"containers":[{"name":"c","image":"i"}]}}`, 201)
		tree.Set(pod, phase, "status", "phase")
		a.ask("PUT", pods+"/"+name+"/status", text(pod), 200)
		row := tree.Object(rows(pods + "/" + name)[0])
		if got, has := row["conditions"]; has != (want != "") || has && text(got) != want {
			t.Errorf("pod %s: %s, want %s", name, text(row), want)
		}
		if cells := tree.List(row, "cells"); cells[2] != phase {
			t.Errorf("pod %s: %v", name, cells)
		}
	}
	if list := rows(pods); len(list) != 3 || tree.At(list[0], "conditions") != nil || len(tree.List(list[2], "conditions")) != 1 {
		t.Errorf("pods: %s", text(list))
	}

	// The default class is told in a list alone.
	const classes = "/apis/storage.k8s.io/v1/storageclasses"
	for _, name := range []string{"x", "y"} {
		a.ask("POST", classes, `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"`+name+`","annotations":{"storageclass.kubernetes.io/is-default-class":"`+
			map[string]string{"x": "false", "y": "true"}[name]+`"}},"provisioner":"p.example.com"}`, 201)
	}
	names := func(list []any) (names []any) {
		for _, row := range list {
			names = append(names, tree.List(row, "cells")[0])
		}
		return names
	}
	if got := text([]any{names(rows(classes)), names(rows(classes + "/y"))}); got != `[["x","y (default)"],["y"]]` {
		t.Errorf("classes: %s", got)
	}

	// A scale has columns of its own.
	const sets = "/apis/apps/v1/namespaces/default/replicasets"
	a.ask("POST", sets, `{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"r"},"spec":{"replicas":3,"selector":{"matchLabels":{"a":"b"}},
		"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`, 201)
	scale := a.ask("GET", sets+"/r/scale", "", 200, asTable)
	var titles []any
	for _, c := range tree.List(scale, "columnDefinitions") {
		titles = append(titles, tree.Text(c, "name")+" "+tree.Text(c, "type")+tree.Text(c, "format"))
	}
	if got := text([]any{titles, tree.List(tree.List(scale, "rows")[0], "cells")[:3]}); got != `[["Name string","Desired integer","Available integer","Age string"],["r",3,0]]` {
		t.Errorf("scale: %s", got)
	}

	// Addresses have an age in a cell that no column is defined for.
	const addresses = "/apis/networking.k8s.io/v1/ipaddresses"
	a.ask("POST", addresses, `{"apiVersion":"networking.k8s.io/v1","kind":"IPAddress","metadata":{"name":"192.168.1.5"},"spec":{"parentRef":{"resource":"services","namespace":"n","name":"s"}}}`, 201)
	table := a.ask("GET", addresses+"/192.168.1.5", "", 200, asTable)
	cells, columns := tree.List(tree.List(table, "rows")[0], "cells"), tree.List(table, "columnDefinitions")
	if len(columns) != 2 || len(cells) != 3 || cells[1] != "services/n/s" || cells[2] == "<unknown>" {
		t.Errorf("address: %s", text(table))
	}
}

// TestNamespaceSelector: kinds of the cluster that have fields of their own have no namespace to select
// by, and others of the cluster do, which is that of none of them.
func TestNamespaceSelector(t *testing.T) {
	a := asker{startClients(t), t}
	a.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.example.com"},
		"spec":{"group":"example.com","scope":"Cluster","names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`, 201)
	for path, code := range map[string]int{
		"/api/v1/nodes": 400, "/api/v1/namespaces": 400, "/apis/certificates.k8s.io/v1/certificatesigningrequests": 400, "/apis/example.com/v1/things": 400,
		"/api/v1/pods": 200, "/api/v1/configmaps": 200, "/api/v1/persistentvolumes": 200, "/apis/storage.k8s.io/v1/storageclasses": 200,
	} {
		answer := a.ask("GET", path+"?fieldSelector=metadata.namespace%3Dx", "", code)
		if code == 400 {
			a.want(answer, `"field label not supported: metadata.namespace"`, "message")
		}
	}
}
