package controller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/controller"
	"apichain/internal/tree"
)

// What is there at a server's start, however often it starts and whatever is there already.

// keys is what a store holds, as "resource key", sorted.
func keys(p *emptyServer) []string { return slices.Sorted(maps.Keys(p.held())) }

// startOn starts the controllers on a store until the test ends; the returned function ends them.
func startOn(t testing.TB, p *emptyServer, own controller.Own) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	run, err := controller.Start(ctx, p.API, own)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { run(ctx) })
	end = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(end)
	return end
}

// TestObjectsOfTheStart: four namespaces with what each namespace gets, and where the server
// listens on TCP the service that leads to it. All of it is there when Start returns.
func TestObjectsOfTheStart(t *testing.T) {
	var want []string
	for _, ns := range []string{"default", "kube-node-lease", "kube-public", "kube-system"} {
		want = append(want, "namespaces "+ns, "serviceaccounts "+ns+"/default", "configmaps "+ns+"/"+apitest.RootCAName)
	}
	ranges := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	for _, own := range []controller.Own{{CA: "some PEM"}, {CA: "some PEM", Host: "10.1.2.3", Port: 6443, Services: ranges}, {CA: "some PEM", Host: "fd00::1", Port: 1, Services: ranges}} {
		p := newEmptyServer(t)
		if _, err := controller.Start(context.Background(), p.API, own); err != nil {
			t.Fatal(err)
		}
		all := slices.Clone(want)
		if own.Host != "" {
			all = append(all, "servicecidrs.networking.k8s.io kubernetes", "ipaddresses.networking.k8s.io 10.0.0.1",
				"services default/kubernetes", "endpoints default/kubernetes", "endpointslices.discovery.k8s.io default/kubernetes")
		}
		slices.Sort(all)
		if got := keys(p); !slices.Equal(got, all) {
			t.Errorf("with %+v:\n got %q\nwant %q", own, got, all)
		}
		for _, ns := range []string{"default", "kube-system"} {
			if ca := tree.Text(p.stored("configmaps", ns+"/"+apitest.RootCAName).Decode(), "data", "ca.crt"); ca != own.CA {
				t.Errorf("%s: the CA is %q", ns, ca)
			}
			if phase := tree.Text(p.stored("namespaces", ns).Decode(), "status", "phase"); phase != "Active" {
				t.Errorf("%s is %s", ns, phase)
			}
		}
		if own.Host != "" {
			service := p.stored("services", "default/kubernetes").Decode()
			ends := p.stored("endpoints", "default/kubernetes").Decode()
			if tree.Text(service, "spec", "clusterIP") != "10.0.0.1" || tree.At(tree.List(service, "spec", "ports")[0], "targetPort") != own.Port {
				t.Errorf("the service: %v", service["spec"])
			}
			subset := tree.List(ends, "subsets")[0]
			if tree.Text(tree.List(subset, "addresses")[0], "ip") != own.Host || tree.At(tree.List(subset, "ports")[0], "port") != own.Port {
				t.Errorf("the endpoints: %v", ends["subsets"])
			}
			// As a real server has it, but for what a client or the metadata add.
			slice := p.stored("endpointslices.discovery.k8s.io", "default/kubernetes").Decode()
			family := map[bool]string{true: "IPv6", false: "IPv4"}[strings.Contains(own.Host, ":")]
			want := fmt.Sprintf(`{"addressType":%q,"apiVersion":"discovery.k8s.io/v1","endpoints":[{"addresses":[%q],"conditions":{"ready":true}}],`+
				`"kind":"EndpointSlice","metadata":{"generation":1,"labels":{"kubernetes.io/service-name":"kubernetes"}},`+
				`"ports":[{"name":"https","port":%d,"protocol":"TCP"}]}`, family, own.Host, own.Port)
			m := tree.Metadata(slice)
			for _, name := range []string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields"} {
				delete(m, name)
			}
			if got, err := json.Marshal(slice); err != nil || string(got) != want {
				t.Errorf("the slice:\n got %s\nwant %s", got, want)
			}
		}
		// A second start, as of a store that was kept, writes nothing.
		before, held := p.Store.Revision(), p.held()
		if _, err := controller.Start(context.Background(), p.API, own); err != nil {
			t.Fatal(err)
		}
		if now := p.Store.Revision(); now != before {
			t.Errorf("a second start made %d writes", now-before)
		}
		sameHeld(t, p.held(), held)
	}
}

// TestStartPutsRight: what has changed while nobody worked on the store is put right by the next
// start: objects that are gone, owners that are gone, namespaces and definitions that were
// deleted meanwhile.
func TestStartPutsRight(t *testing.T) {
	p := newEmptyServer(t)
	own := controller.Own{CA: apitest.CA, Host: "127.0.0.1", Port: 6443}
	end := startOn(t, p, own)
	for _, manifest := range []string{
		widgetCRD, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}`, configMap("a", "in", "1"), widget("a", "w", "1"), widget("default", "w", "1"), configMap("default", "owner", "1"),
	} {
		p.applied(t, manifest)
	}
	owner := ref(p.stored("configmaps", "default/owner").Decode())
	p.Must(201, "POST", mapsPath, mapObject("dependent", ownedBy(owner)))
	p.Must(201, "POST", mapsPath, mapObject("orphan", ownedBy(owner)))
	end()

	p.Must(200, "DELETE", spacesPath+"/a", nil)
	p.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	p.Must(200, "DELETE", mapsPath+"/owner", nil)
	p.Must(200, "PATCH", mapsPath+"/orphan", `{"metadata":{"ownerReferences":null}}`)
	p.Must(200, "DELETE", mapsPath+"/"+apitest.RootCAName, nil)
	p.Must(200, "PATCH", spacesPath+"/kube-system/configmaps/"+apitest.RootCAName, `{"data":{"ca.crt":"spoiled"}}`)
	p.Must(200, "DELETE", spacesPath+"/kube-public/serviceaccounts/default", nil)
	for _, path := range []string{spacesPath + "/a", spacesPath + "/a/configmaps/in", definitionsPath + "/widgets.example.com", mapsPath + "/dependent"} {
		p.Must(200, "GET", path, nil) // nobody has worked
	}
	startOn(t, p, own)
	for _, path := range []string{spacesPath + "/a", spacesPath + "/a/configmaps/in", definitionsPath + "/widgets.example.com", mapsPath + "/dependent"} {
		p.Soon(path+" has gone", p.Missing(path))
	}
	p.Must(200, "GET", mapsPath+"/orphan", nil)
	for _, ns := range []string{"default", "kube-system"} {
		p.Soon("the CA of "+ns, func() bool {
			_, obj := p.Try("GET", spacesPath+"/"+ns+"/configmaps/"+apitest.RootCAName, nil)
			return tree.Text(obj, "data", "ca.crt") == apitest.CA
		})
	}
	p.Soon("the account", p.There(spacesPath+"/kube-public/serviceaccounts/default"))
	if left := apitest.Stored(p.Store, "widgets.example.com", "default/w"); left != nil {
		t.Errorf("an object of a definition that has gone: %s", left.Raw())
	}
}

// TestControllersEnd: they end with their context, whatever is left to do, and what they were at
// is as it was or done.
func TestControllersEnd(t *testing.T) {
	for range 20 {
		p := newEmptyServer(t)
		end := startOn(t, p, controller.Own{CA: apitest.CA})
		p.Must(201, "POST", spacesPath, space("a"))
		for i := range 30 {
			p.Must(201, "POST", spacesPath+"/a/configmaps", mapObject("m"+itoa(i)))
		}
		p.Must(200, "DELETE", spacesPath+"/a", nil)
		end()
		before := p.Store.Revision()
		left := 0
		for _, key := range keys(p) {
			if strings.HasPrefix(key, "configmaps a/") {
				left++
			}
		}
		if code, _ := p.Try("GET", spacesPath+"/a", nil); code == 404 && left > 0 {
			t.Errorf("the namespace has gone before %d of its objects", left)
		}
		if now := p.Store.Revision(); now != before {
			t.Errorf("%d writes after the end", now-before)
		}
	}
}

// TestSpoiltFollowers: a log so short that the controllers always miss some of it keeps them from
// nothing: they look at everything then.
func TestSpoiltFollowers(t *testing.T) {
	c := startClients(t, windowOf(2))
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	for round := range 5 {
		ns := "n" + itoa(round)
		c.Must(201, "POST", spacesPath, space(ns))
		owner := c.Must(201, "POST", spacesPath+"/"+ns+"/configmaps", mapObject("owner"))
		for i := range 10 {
			c.Must(201, "POST", spacesPath+"/"+ns+"/configmaps", mapObject("d"+itoa(i), ownedBy(ref(owner))))
			c.Must(201, "POST", "/apis/example.com/v1/namespaces/"+ns+"/widgets", custom("Widget", "w"+itoa(i), ownedBy(ref(owner))))
		}
		c.Must(200, "DELETE", spacesPath+"/"+ns+"/configmaps/owner?propagationPolicy=Foreground", nil)
		c.Soon("the owner has gone", c.Missing(spacesPath+"/"+ns+"/configmaps/owner"))
		c.Soon("the dependents too", func() bool {
			return len(tree.List(c.Must(200, "GET", "/apis/example.com/v1/namespaces/"+ns+"/widgets", nil), "items")) == 0
		})
		c.Must(200, "DELETE", spacesPath+"/"+ns, nil)
		c.Soon("the namespace has gone", c.Missing(spacesPath+"/"+ns))
	}
	c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.Soon("the definition has gone", c.Missing(definitionsPath+"/widgets.example.com"))
}
