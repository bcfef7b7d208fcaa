package strategy

import (
	_ "embed"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// serviceAnswers are specs of services, what was sent to replace them, and what the real server stored: the
// head of the file describes the form.
//
//go:embed testdata/services.txt
var serviceAnswers string

// TestServiceChanges: an update keeps what the server has given away, and drops what the new type has no use
// for, as the real server does before it gives away anything else.
func TestServiceChanges(t *testing.T) {
	shape := shapeForTest(t, tableForTest(t), "v1 Service")
	prepare := All()[kinds.NewKey("", "v1", "Service")].Prepare
	var stored, sent string
	cases := 0
	for line := range strings.Lines(serviceAnswers) {
		line = strings.TrimSpace(line)
		mark, spec, _ := strings.Cut(line, " ")
		switch mark {
		case "=":
			stored = spec
		case "~":
			sent = spec
		case ">":
			cases++
			old := map[string]any{"spec": objectForTest(t, stored)}
			obj := map[string]any{"spec": objectForTest(t, sent)}
			if _, err := shape.Prune(obj); err != nil {
				t.Fatalf("%s: %v", sent, err)
			}
			shape.SetDefaults(obj)
			prepare(obj, old)
			if want := objectForTest(t, spec); !tree.Equal(obj["spec"], want) {
				t.Errorf("%s\nafter %s\n got %s\nwant %s", sent, stored, tree.AppendJSON(nil, obj["spec"]), spec)
			}
			if !tree.Equal(old["spec"], objectForTest(t, stored)) {
				t.Errorf("%s has changed what was stored: %s", sent, tree.AppendJSON(nil, old))
			}
		}
	}
	if cases < 15 {
		t.Errorf("%d cases", cases)
	}
}

// TestNetworkWarnings: what the real server told the writers of such objects, as it would be on one line.
func TestNetworkWarnings(t *testing.T) {
	table := tableForTest(t)
	for _, c := range []struct{ kind, obj, want string }{
		{"v1 Service", `{"spec":{"ports":[{"port":80}]}}`, ``},
		{"v1 Service", `{"spec":{"externalIPs":["1.2.3.4"],"ports":[{"port":80}]}}`, `spec.externalIPs is deprecated and may no longer be implemented in some clusters`},
		{"v1 Service", `{"spec":{"clusterIP":"None","externalIPs":["1.2.3.4"],"loadBalancerIP":"1.2.3.4","sessionAffinity":"ClientIP","ports":[{"port":80}]}}`, `spec.loadBalancerIP is ignored for headless services|spec.externalIPs is ignored for headless services|spec.SessionAffinity is ignored for headless services`},
		{"v1 Service", `{"spec":{"type":"ExternalName","externalName":"a.b","externalIPs":["1.2.3.4"]}}`, `spec.externalIPs is ignored when spec.type is "ExternalName"`},
		{"v1 Service", `{"spec":{"externalName":"a.b","trafficDistribution":"PreferClose","ports":[{"port":80}]}}`, `spec.externalName is ignored when spec.type is not "ExternalName"|spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"`},
		{"v1 Service", `{"spec":{"type":"LoadBalancer","loadBalancerIP":"::ffff:1.2.3.4","loadBalancerSourceRanges":["FD00::/8"],"ports":[{"port":80}]}}`, `spec.loadBalancerIP: non-standard IP address "::ffff:1.2.3.4" is invalid: use "1.2.3.4"|spec.loadBalancerSourceRanges[0]: IPv6 CIDR value "FD00::/8" should be in RFC 5952 canonical format ("fd00::/8")`},
		{"v1 Service", `{"metadata":{"annotations":{"service.kubernetes.io/topology-aware-hints":"auto"}},"spec":{"ports":[{"port":80}]}}`, `annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead`},
		{"networking.k8s.io/v1 Ingress", `{"metadata":{"annotations":{"kubernetes.io/ingress.class":"a"}},"spec":{"defaultBackend":{"resource":{"kind":"a","name":"b"}}}}`, `annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`},
		{"networking.k8s.io/v1 Ingress", `{"metadata":{"annotations":{"kubernetes.io/ingress.class":"a"}},"spec":{"ingressClassName":"a","defaultBackend":{"resource":{"kind":"a","name":"b"}}}}`, ``},
		{"networking.k8s.io/v1 NetworkPolicy", `{"spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"FD00::/8","except":["fd00:0::/64"]}}]}],"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}]}}`, `spec.ingress[0].from[0].ipBlock.cidr: IPv6 CIDR value "FD00::/8" should be in RFC 5952 canonical format ("fd00::/8")|spec.ingress[0].from[0].ipBlock.except[0]: IPv6 CIDR value "fd00:0::/64" should be in RFC 5952 canonical format ("fd00::/64")`},
		{"v1 Endpoints", `{"subsets":[{"addresses":[{"ip":"1.2.3.4"},{"ip":"FD00::1"}],"notReadyAddresses":[{"ip":"fd00:0::1"}]}]}`, `subsets[0].addresses[1].ip: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")|subsets[0].notReadyAddresses[0].ip: IPv6 address "fd00:0::1" should be in RFC 5952 canonical format ("fd00::1")`},
		{"v1 Endpoints", `{"metadata":{"labels":{"endpoints.kubernetes.io/managed-by":"endpoint-controller"}},"subsets":[{"addresses":[{"ip":"FD00::1"}]}]}`, ``},
		{"discovery.k8s.io/v1 EndpointSlice", `{"addressType":"IPv4","endpoints":[{"addresses":["1.2.3.4"]}]}`, ``},
		{"discovery.k8s.io/v1 EndpointSlice", `{"addressType":"FQDN","endpoints":[{"addresses":["a.b"]}]}`, `spec.addressType: FQDN endpoints are deprecated`},
	} {
		gv, name, _ := strings.Cut(c.kind, " ")
		group, version := kinds.SplitAPIVersion(gv)
		obj := objectForTest(t, c.obj)
		shapeForTest(t, table, c.kind).SetDefaults(obj)
		got := strings.Join(All()[kinds.NewKey(group, version, name)].Warnings(obj, nil), "|")
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.obj, got, c.want)
		}
	}
}
