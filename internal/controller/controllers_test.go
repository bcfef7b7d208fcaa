package controller_test

import (
	"strconv"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestFollowersOfTheLog: who acts on the log of events does all it should, however fast that goes on.
func TestFollowersOfTheLog(t *testing.T) {
	// A log of few events goes on without the controllers, and without who follows the
	// definitions: they look at everything again.
	c := startClients(t, windowOf(8))
	owner := c.Must(201, "POST", mapsPath, mapObject("owner"))
	done := make(chan struct{})
	for w := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 50 {
				c.Try("POST", mapsPath, mapObject("d-"+strconv.Itoa(w)+"-"+strconv.Itoa(i), ownedBy(ref(owner))))
			}
		}()
	}
	for range 4 {
		apitest.Await(t, "a writer", done)
	}
	c.Must(201, "POST", "/api/v1/namespaces", map[string]any{"kind": "Namespace", "apiVersion": "v1", "metadata": map[string]any{"name": "late"}})
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(200, "DELETE", mapsPath+"/owner", nil)
	c.Soon("the dependents are collected", func() bool {
		return len(tree.List(c.Must(200, "GET", mapsPath, nil), "items")) == 1 // the CA
	})
	c.Soon("the namespace is furnished", c.There("/api/v1/namespaces/late/serviceaccounts/default"))
	c.Must(201, "POST", "/apis/example.com/v1/namespaces/late/widgets", custom("Widget", "w"))
}
