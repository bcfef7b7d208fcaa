package controller_test

import (
	"testing"

	"apichain/internal/tree"
)

// TestConditionsOfTheServer: a flow schema is told whether its level is there, and an API service whether its
// Service is, whenever that changes; a message is upstream's.
func TestConditionsOfTheServer(t *testing.T) {
	const (
		flow    = "/apis/flowcontrol.apiserver.k8s.io/v1/"
		schema  = flow + "flowschemas/s"
		service = "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com"
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

	c.Must(201, "POST", "/apis/apiregistration.k8s.io/v1/apiservices", `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService",
		"metadata":{"name":"v1.example.com"},"spec":{"group":"example.com","version":"v1","groupPriorityMinimum":1,"versionPriority":1,
		"service":{"name":"s","namespace":"default"}}}`)
	becomes(service, "False", "ServiceNotFound")
	if got, want := first(service)["message"], `service/s in "default" is not present`; got != want {
		t.Errorf("the message is %v, want %s", got, want)
	}
	c.Must(200, "PATCH", service, `{"spec":{"service":null}}`)
	becomes(service, "True", "Local")
}
