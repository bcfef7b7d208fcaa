//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// gatewayRules are five rules of the Gateway API, for listeners and addresses.
const (
	listenerRules = `"x-kubernetes-validations":[
 {"message":"tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']","rule":"self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)"},
 {"message":"hostname must not be specified for protocols ['TCP', 'UDP']","rule":"self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)"},
 {"message":"Listener name must be unique within the Gateway","rule":"self.all(l1, self.exists_one(l2, l1.name == l2.name))"},
 {"message":"Combination of port, protocol and hostname must be unique for each listener","rule":"self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))"}],`
	addressRules = `"x-kubernetes-validations":[{"message":"IPAddress values must be unique",
 "rule":"self.all(a1, a1.type == 'IPAddress' ? self.exists_one(a2, a2.type == a1.type && a2.value == a1.value) : true )"}],`
)

// fieldRules are five rules that look at fields alone, as most rules do.
const fieldRules = `"x-kubernetes-validations":[{"rule":"self.gatewayClassName != ''"},{"rule":"!has(self.addresses) || self.addresses.size() <= 16"},
 {"rule":"self.listeners.size() > 0"},{"rule":"self.gatewayClassName.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"},{"rule":"self.listeners[0].port > 0 && self.listeners[0].name != ''"}],`

// gatewayDefinition is of a kind like the Gateway, with rules or without.
func gatewayDefinition(plural, kind, spec, listeners, addresses string) string {
	return `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"` + plural + `.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
 "names":{"plural":"` + plural + `","kind":"` + kind + `"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{` + spec + `"type":"object",
 "required":["listeners"],"properties":{"gatewayClassName":{"type":"string","maxLength":253},
 "addresses":{` + addresses + `"type":"array","maxItems":16,"items":{"type":"object","properties":{"type":{"type":"string","maxLength":253},"value":{"type":"string","maxLength":253}}}},
 "listeners":{` + listeners + `"type":"array","maxItems":64,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name","port","protocol"],"properties":{
 "name":{"type":"string","maxLength":253},"hostname":{"type":"string","maxLength":253},"port":{"type":"integer","maximum":65535},"protocol":{"type":"string","maxLength":255},
 "tls":{"type":"object","properties":{"mode":{"type":"string"}}},"allowedRoutes":{"type":"object","properties":{"namespaces":{"type":"object","properties":{"from":{"type":"string"}}}}}}}}}}}}}}]}}`
}

// gatewayOf is a gateway with two listeners and two addresses.
func gatewayOf(kind, name string) string {
	return fmt.Sprintf(`{"apiVersion":"example.com/v1","kind":%q,"metadata":{"name":%q,"labels":{"app":"bench"},"annotations":{"note":%q}},"spec":{"gatewayClassName":"c",
 "addresses":[{"type":"IPAddress","value":"10.0.0.1"},{"type":"IPAddress","value":"10.0.0.2"}],
 "listeners":[{"name":"http","hostname":"a.example.com","port":80,"protocol":"HTTP","allowedRoutes":{"namespaces":{"from":"Same"}}},
 {"name":"https","hostname":"a.example.com","port":443,"protocol":"HTTPS","tls":{"mode":"Terminate"},"allowedRoutes":{"namespaces":{"from":"Same"}}}]}}`, kind, name, strings.Repeat("x", 512))
}

// BenchmarkRules creates objects of a kind with five rules and of one without, in turn, and reports what the rules cost.
func BenchmarkRules(b *testing.B) {
	p, w := benchServer(b), &sink{h: http.Header{}}
	for _, k := range []struct{ plural, kind, spec, listeners, addresses string }{
		{"plains", "Plain", "", "", ""}, {"fields", "Field", fieldRules, "", ""}, {"gateways", "Gateway", "", listenerRules, addressRules},
	} {
		body := gatewayDefinition(k.plural, k.kind, k.spec, k.listeners, k.addresses)
		if code := p.ask(w, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", body); code != 201 {
			b.Fatal(code)
		}
	}
	// Of the processor, since others may be at work; of many at once, since the clock is coarse.
	processor := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano() + u.Stime.Nano())
	}
	create := func(b *testing.B, plural, kind, names string) float64 {
		before := processor()
		for n := range 100 {
			if code := p.ask(w, "POST", "/apis/example.com/v1/namespaces/default/"+plural, "application/json", gatewayOf(kind, fmt.Sprint(names, n))); code != 201 {
				b.Fatal(code)
			}
		}
		return processor() - before
	}
	n := 0
	for _, k := range [][2]string{{"fields", "Field"}, {"gateways", "Gateway"}} {
		b.Run(k[0], func(b *testing.B) {
			var with, without float64
			for b.Loop() {
				// By lot: in turns, collections of garbage fall into step with one of the two.
				n++
				names := fmt.Sprint("g-", n, "-")
				if rand.IntN(2) == 0 {
					without += create(b, "plains", "Plain", names)
					with += create(b, k[0], k[1], names)
				} else {
					with += create(b, k[0], k[1], names)
					without += create(b, "plains", "Plain", names)
				}
			}
			b.ReportMetric(with/without, "with/without")
		})
	}
}
