package api_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

const (
	servicesPath  = "/api/v1/namespaces/default/services"
	addressesPath = "/apis/networking.k8s.io/v1/ipaddresses"
	rangesPath    = "/apis/networking.k8s.io/v1/servicecidrs"
)

// startNetwork starts a server with ranges of addresses.
func startNetwork(t *testing.T, cidrs ...string) *apitest.Server {
	t.Helper()
	n := api.ServiceNetwork{}
	for _, s := range cidrs {
		n.Ranges = append(n.Ranges, netip.MustParsePrefix(s))
	}
	return apitest.Start(t, apitest.Config{Services: n})
}

// TestServicesNeverShare: of many who make, change and delete services at once none gets what another one
// has, everything is used up to the last address, and when all are gone all of it is free.
func TestServicesNeverShare(t *testing.T) {
	c := apitest.Start(t, apitest.Config{Services: api.ServiceNetwork{Ranges: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/27")}}})
	const writers, rounds = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("s-%d-%d", w, i)
				body := `{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + name + `"},"spec":{"type":"NodePort","ports":[{"port":80}]}}`
				code, _ := c.Try("POST", servicesPath, body)
				if code == 500 { // all addresses are taken, of the 30 less the server's own
					continue
				}
				if code != 201 {
					t.Errorf("%s: %d", name, code)
				}
				c.Try("PATCH", servicesPath+"/"+name, `{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local"}}`)
				if i%3 == 0 {
					c.Must(200, "DELETE", servicesPath+"/"+name, nil)
				}
			}
		})
	}
	wg.Wait()
	owners := takenByServices(t, c)
	addresses := 0
	for key := range owners {
		if strings.HasPrefix(key, "10.9.") {
			addresses++
		}
	}
	if addresses != 30 {
		t.Errorf("%d addresses are taken, want all 30: %v", addresses, slices.Sorted(maps.Keys(owners)))
	}
	c.Must(200, "DELETE", servicesPath, nil)
	if left := takenByServices(t, c); len(left) != 0 {
		t.Errorf("still held: %v", left)
	}
	if code, _ := c.Try("POST", servicesPath, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.9.0.1","ports":[{"port":80}]}}`); code != 201 {
		t.Errorf("an address that is free: %d", code)
	}
}

// takenByServices returns who has which addresses and ports, after checking that nobody shares any, and that each
// address has its object and no object is without a service.
func takenByServices(t *testing.T, c *apitest.Server) map[string]string {
	t.Helper()
	owners := map[string]string{}
	take := func(key, owner string) {
		if was := owners[key]; was != "" && was != owner {
			t.Errorf("%s and %s share %s", was, owner, key)
		}
		owners[key] = owner
	}
	ips := map[string]string{}
	for _, s := range tree.List(c.Must(200, "GET", servicesPath, nil), "items") {
		name := tree.Text(s, "metadata", "name")
		for _, ip := range tree.Strings(tree.List(s, "spec", "clusterIPs")) {
			take(ip, name)
			ips[ip] = name
		}
		for _, p := range tree.List(s, "spec", "ports") {
			if n := tree.At(p, "nodePort"); n != nil {
				take(fmt.Sprint(n), name)
			}
		}
		if n := tree.At(s, "spec", "healthCheckNodePort"); n != nil {
			take(fmt.Sprint(n), name)
		}
	}
	objects := map[string]string{}
	for _, a := range tree.List(c.Must(200, "GET", addressesPath, nil), "items") {
		objects[tree.Text(a, "metadata", "name")] = tree.Text(a, "spec", "parentRef", "name")
	}
	if !maps.Equal(objects, ips) {
		t.Errorf("the objects are %v, the services have %v", objects, ips)
	}
	return owners
}

// TestAddressesFollowTheStore: what a reset or a snapshot brings is taken, and what it takes away is free, for
// services whose objects are missing, too; those are made again.
func TestAddressesFollowTheStore(t *testing.T) {
	c := startNetwork(t, "10.0.0.0/24")
	service := func(name, spec string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + name + `"},"spec":{"type":"NodePort",` + spec + `}}`
	}
	const first = `"clusterIP":"10.0.0.9","ports":[{"port":80,"nodePort":30009}]`
	c.Must(201, "POST", servicesPath, service("a", first))
	c.Must(422, "POST", servicesPath, service("b", first))

	// Somebody removes the object by hand: the service has the address all the same.
	c.Must(200, "DELETE", addressesPath+"/10.0.0.9", nil)
	c.Must(422, "POST", servicesPath, service("b", first))
	c.API.RepairAddresses(context.Background())
	if got := c.Must(200, "GET", addressesPath+"/10.0.0.9", nil); tree.Text(got, "spec", "parentRef", "name") != "a" {
		t.Errorf("repaired: %v", got)
	}

	// The whole store goes back, by no write of a service.
	sn := c.Store.Bucket("services").Now()
	all, err := c.Store.Replace(context.Background(), nil, func(string) int { return 0 })
	if err != nil || all.Deleted == 0 || sn.Count() == 0 {
		t.Fatal(all, err)
	}
	c.Must(201, "POST", "/api/v1/namespaces", `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"default"}}`)
	c.Must(201, "POST", servicesPath, service("b", first))
}

// TestDeniedServiceTakesNothing: a name that is taken, a namespace that is missing.
func TestDeniedServiceTakesNothing(t *testing.T) {
	c := startNetwork(t, "10.0.0.0/24")
	const spec = `,"spec":{"type":"NodePort","clusterIP":"10.0.0.9","ports":[{"port":80,"nodePort":30009}]}}`
	for _, try := range []struct {
		path, name string
		code       int
	}{{servicesPath, "kubernetes", 409}, {"/api/v1/namespaces/missing/services", "a", 404}, {servicesPath + "?dryRun=All", "a", 201}, {servicesPath, "a", 201}} {
		c.Must(try.code, "POST", try.path, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"`+try.name+`"}`+spec)
	}
}
