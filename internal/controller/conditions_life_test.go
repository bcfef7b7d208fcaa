package controller_test

import (
	"testing"

	"apichain/internal/tree"
)

// TestConditionsOfTheServer: a flow schema is told whether its level is there, whenever that changes; a message is
// upstream's.
func TestConditionsOfTheServer(t *testing.T) {
	const (
		flow   = "/apis/flowcontrol.apiserver.k8s.io/v1/"
		schema = flow + "flowschemas/s"
	)
	c := startClients(t)
	first := func(path string) map[string]any {
		_, obj := c.Try("GET", path, nil)
		conditions := tree.List(obj, "status", "conditions")
		if len(conditions) != 1 {
			return nil
		}
		return conditions[0].(map[string]any)
	}
	becomes := func(path, status, reason string) {
		t.Helper()
		c.Soon(reason, func() bool { return is(first(path), status, reason) })
	}
	c.Must(201, "POST", flow+"flowschemas", `{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema","metadata":{"name":"s"},
		"spec":{"priorityLevelConfiguration":{"name":"l"}}}`)
	becomes(schema, "True", "NotFound")
	if got, want := first(schema)["message"], `This FlowSchema references the PriorityLevelConfiguration object named "l" but there is no such object`; got != want {
		t.Errorf("the message is %v, want %s", got, want)
	}
	c.Must(201, "POST", flow+"prioritylevelconfigurations", `{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration",
		"metadata":{"name":"l"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}}`)
	becomes(schema, "False", "Found")
	c.Must(200, "DELETE", flow+"prioritylevelconfigurations/l", nil)
	becomes(schema, "True", "NotFound")
}
