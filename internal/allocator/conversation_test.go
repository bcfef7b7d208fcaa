package allocator_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// exchange is a write of a service in the namespace default, and what kube-apiserver 1.37.2 has answered to it.
//
// do is create, update or delete and the name; dry and drydate are the first two as dry runs. want is what
// has been chosen, in short (policy, families, addresses, node ports), or the code and the message. What was
// chosen at random has the name that it got where it was first seen: v4-1 is always one address.
type exchange struct{ do, spec, want string }

// oneRange is with one range, of IPv4.
var oneRange = []exchange{
	{"create a", `{"ports":[{"port":80}]}`,
		`SingleStack IPv4 v4-1`},
	{"create named", `{"ports":[{"port":80}],"clusterIP":"10.0.0.9"}`,
		`SingleStack IPv4 10.0.0.9`},
	{"create again", `{"ports":[{"port":80}],"clusterIP":"10.0.0.9"}`,
		`422 Service "again" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.9"]: failed to allocate IP 10.0.0.9: provided IP is already allocated`},
	{"create out", `{"ports":[{"port":80}],"clusterIP":"10.1.0.9"}`,
		`422 Service "out" is invalid: spec.clusterIPs: Invalid value: ["10.1.0.9"]: failed to allocate IP 10.1.0.9: the provided network does not match the current range`},
	{"create net", `{"ports":[{"port":80}],"clusterIP":"10.0.0.0"}`,
		`422 Service "net" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.0"]: failed to allocate IP 10.0.0.0: the provided network does not match the current range`},
	{"create cast", `{"ports":[{"port":80}],"clusterIP":"10.0.0.255"}`,
		`422 Service "cast" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.255"]: failed to allocate IP 10.0.0.255: the provided network does not match the current range`},
	{"create six", `{"ports":[{"port":80}],"clusterIP":"fd00::9"}`,
		`422 Service "six" is invalid: spec.clusterIPs[0]: Invalid value: ["fd00::9"]: IPv6 is not configured on this cluster`},
	{"create fam", `{"ports":[{"port":80}],"ipFamilies":["IPv6"]}`,
		`422 Service "fam" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster`},
	{"create two", `{"ports":[{"port":80}],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack"}`,
		`422 Service "two" is invalid: [spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services, spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster]`},
	{"create require", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack"}`,
		`422 Service "require" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services`},
	{"create prefer", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4 v4-2`},
	{"update prefer", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4 v4-2`},
	{"update prefer", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack"}`,
		`SingleStack IPv4 v4-2`},
	{"create less", `{"ports":[{"port":80}],"clusterIP":"None","selector":{"a":"b"}}`,
		`SingleStack IPv4 None`},
	{"create bare", `{"ports":[{"port":80}],"clusterIP":"None"}`,
		`RequireDualStack IPv4+IPv6 None`},
	{"create ext", `{"type":"ExternalName","externalName":"x.example.com"}`,
		`- - -`},
	{"update ext", `{"ports":[{"port":80}],"type":"ClusterIP"}`,
		`SingleStack IPv4 v4-3`},
	{"update ext", `{"type":"ExternalName","externalName":"x.example.com"}`,
		`- - -`},
	{"update ext", `{"ports":[{"port":80}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-4 nodes port-1`},
	{"create both", `{"ports":[{"port":80}],"clusterIP":"10.0.0.10","clusterIPs":["10.0.0.10","fd00::5"]}`,
		`422 Service "both" is invalid: [spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified, spec.clusterIPs[1]: Invalid value: ["10.0.0.10","fd00::5"]: IPv6 is not configured on this cluster]`},
	{"create len", `{"ports":[{"port":80}],"clusterIPs":["10.0.0.10","10.0.0.11"],"clusterIP":"10.0.0.10"}`,
		`422 Service "len" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.10","10.0.0.11"]: may specify no more than one IP for each IP family`},
	{"dry d", `{"ports":[{"port":80}]}`,
		`SingleStack IPv4 10.0.0.0`},
	{"dry d", `{"ports":[{"port":80}],"clusterIP":"10.0.0.9"}`,
		`SingleStack IPv4 10.0.0.9`},
	{"dry d", `{"ports":[{"port":80}],"clusterIP":"10.1.0.9"}`,
		`422 Service "d" is invalid: spec.clusterIPs: Invalid value: ["10.1.0.9"]: failed to allocate IP 10.1.0.9: the provided IP (10.1.0.9) is not in the valid range. The range of valid IPs is 10.0.0.0/24`},
	{"dry d", `{"ports":[{"port":80}],"clusterIP":"fd00::9"}`,
		`422 Service "d" is invalid: spec.clusterIPs[0]: Invalid value: ["fd00::9"]: IPv6 is not configured on this cluster`},
	{"dry d", `{"ports":[{"port":80}],"type":"NodePort"}`,
		`SingleStack IPv4 10.0.0.0 nodes 32769`},
	{"dry d", `{"ports":[{"port":80,"name":"p0"},{"port":81,"name":"p1"},{"port":82,"name":"p2"}],"type":"NodePort"}`,
		`SingleStack IPv4 10.0.0.0 nodes 32769,32770,32771`},
	{"dry d", `{"ports":[{"port":80,"nodePort":5,"name":"p0"},{"port":81,"name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 10.0.0.0 nodes 5,6`},
	{"dry d", `{"ports":[{"port":80,"nodePort":30001,"name":"p0"},{"port":81,"name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 10.0.0.0 nodes 30001,30002`},
	{"dry d", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local"}`,
		`SingleStack IPv4 10.0.0.0 nodes 32769 health 32770`},
	{"dry d", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30011}`,
		`SingleStack IPv4 10.0.0.0 nodes 32769 health 30011`},
	{"dry d", `{"ports":[{"port":80,"nodePort":30002,"name":"p0"},{"port":81,"nodePort":30002,"name":"p1"}],"type":"NodePort"}`,
		`422 Service "d" is invalid: spec.ports[1].nodePort: Invalid value: 30002: provided port is already allocated`},
	{"delete named", ``,
		``},
	{"create again", `{"ports":[{"port":80}],"clusterIP":"10.0.0.9"}`,
		`SingleStack IPv4 10.0.0.9`},
}

// nodePorts is about ports on the nodes, which are those from 30000 to 32767.
var nodePorts = []exchange{
	{"create a", `{"ports":[{"port":80}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes port-1`},
	{"create b", `{"ports":[{"port":80,"nodePort":30001,"name":"p0"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-2 nodes 30001`},
	{"create c", `{"ports":[{"port":80,"nodePort":30001,"name":"p0"}],"type":"NodePort"}`,
		`422 Service "c" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated`},
	{"create c", `{"ports":[{"port":80,"nodePort":29999,"name":"p0"}],"type":"NodePort"}`,
		`422 Service "c" is invalid: spec.ports[0].nodePort: Invalid value: 29999: provided port is not in the valid range. The range of valid ports is 30000-32767`},
	{"create dns", `{"ports":[{"port":53,"protocol":"UDP","name":"p0"},{"port":53,"protocol":"TCP","name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-3 nodes port-2,port-2`},
	{"create dns2", `{"ports":[{"port":53,"protocol":"UDP","name":"p0"},{"port":53,"nodePort":30053,"protocol":"TCP","name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-4 nodes 30053,30053`},
	{"create dns3", `{"ports":[{"port":53,"nodePort":30054,"protocol":"UDP","name":"p0"},{"port":53,"nodePort":30055,"protocol":"TCP","name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-5 nodes 30054,30055`},
	{"create dns4", `{"ports":[{"port":53,"nodePort":30060,"protocol":"UDP","name":"p0"},{"port":54,"nodePort":30060,"protocol":"TCP","name":"p1"}],"type":"NodePort"}`,
		`422 Service "dns4" is invalid: spec.ports[1].nodePort: Invalid value: 30060: provided port is already allocated`},
	{"create dns5", `{"ports":[{"port":53,"nodePort":30061,"name":"p0"},{"port":54,"nodePort":30061,"name":"p1"}],"type":"NodePort"}`,
		`422 Service "dns5" is invalid: spec.ports[1].nodePort: Invalid value: 30061: provided port is already allocated`},
	{"create lb", `{"ports":[{"port":80}],"type":"LoadBalancer"}`,
		`SingleStack IPv4 v4-6 nodes port-3`},
	{"create lbn", `{"ports":[{"port":80}],"type":"LoadBalancer","allocateLoadBalancerNodePorts":false}`,
		`SingleStack IPv4 v4-7`},
	{"create lbm", `{"ports":[{"port":80,"nodePort":30070,"name":"p0"},{"port":81,"name":"p1"}],"type":"LoadBalancer","allocateLoadBalancerNodePorts":false}`,
		`SingleStack IPv4 v4-8 nodes 30070`},
	{"update lbn", `{"ports":[{"port":80}],"type":"LoadBalancer","allocateLoadBalancerNodePorts":true}`,
		`SingleStack IPv4 v4-7 nodes port-4`},
	{"create local", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local"}`,
		`SingleStack IPv4 v4-9 nodes port-5 health port-6`},
	{"update local", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Cluster"}`,
		`SingleStack IPv4 v4-9 nodes port-5`},
	{"update local", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30080}`,
		`SingleStack IPv4 v4-9 nodes port-5 health 30080`},
	{"create local2", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30080}`,
		`500 Internal error occurred: failed to allocate requested HealthCheck NodePort 30080: provided port is already allocated`},
	{"create local2", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30081}`,
		`SingleStack IPv4 v4-10 nodes port-7 health 30081`},
	{"create local3", `{"ports":[{"port":80}],"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":29000}`,
		`500 Internal error occurred: failed to allocate requested HealthCheck NodePort 29000: provided port is not in the valid range. The range of valid ports is 30000-32767`},
	{"update a", `{"ports":[{"port":80}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes port-1`},
	{"update a", `{"ports":[{"port":80,"nodePort":30082,"name":"p0"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes 30082`},
	{"update a", `{"ports":[{"port":80,"nodePort":30082,"name":"p0"},{"port":81,"name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes 30082,port-8`},
	{"update a", `{"ports":[{"port":80,"nodePort":30001,"name":"p0"}],"type":"NodePort"}`,
		`422 Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated`},
	{"update a", `{"ports":[{"port":80,"nodePort":30083,"protocol":"TCP","name":"p0"},{"port":80,"nodePort":30083,"protocol":"UDP","name":"p1"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes 30083,30083`},
	{"update a", `{"ports":[{"port":80,"nodePort":30084,"protocol":"TCP","name":"p0"},{"port":81,"nodePort":30084,"protocol":"TCP","name":"p1"}],"type":"NodePort"}`,
		`500 duplicate nodePort: {TCP 30084}`},
	{"update a", `{"ports":[{"port":80}],"type":"ClusterIP"}`,
		`SingleStack IPv4 v4-1`},
	{"update a", `{"ports":[{"port":80,"nodePort":30083,"name":"p0"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes 30083`},
	{"update a", `{"ports":[{"port":80,"nodePort":29000,"name":"p0"}],"type":"NodePort"}`,
		`422 Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 29000: provided port is not in the valid range. The range of valid ports is 30000-32767`},
	{"drydate a", `{"ports":[{"port":80,"nodePort":29000,"name":"p0"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-1 nodes 29000`},
	{"update b", `{"ports":[{"port":80}],"type":"ClusterIP"}`,
		`SingleStack IPv4 v4-2`},
	{"create c", `{"ports":[{"port":80,"nodePort":30001,"name":"p0"}],"type":"NodePort"}`,
		`SingleStack IPv4 v4-11 nodes 30001`},
}

// twoRanges is with a range of each family, IPv4 first.
var twoRanges = []exchange{
	{"create a", `{"ports":[{"port":80}]}`,
		`SingleStack IPv4 v4-1`},
	{"create p", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4+IPv6 v4-2+v6-1`},
	{"create r", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack"}`,
		`RequireDualStack IPv4+IPv6 v4-3+v6-2`},
	{"create r6", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","ipFamilies":["IPv6"]}`,
		`RequireDualStack IPv6+IPv4 v6-3+v4-4`},
	{"create six", `{"ports":[{"port":80}],"ipFamilies":["IPv6"]}`,
		`SingleStack IPv6 v6-4`},
	{"create ip6", `{"ports":[{"port":80}],"clusterIP":"fd00::9"}`,
		`SingleStack IPv6 fd00::9`},
	{"create ip46", `{"ports":[{"port":80}],"clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9","fd00::8"]}`,
		`422 Service "ip46" is invalid: spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified`},
	{"create ip46", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9","fd00::8"]}`,
		`PreferDualStack IPv4+IPv6 10.0.0.9+fd00::8`},
	{"create half", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","clusterIP":"fd00::7"}`,
		`RequireDualStack IPv6+IPv4 fd00::7+v4-5`},
	{"create taken", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","clusterIP":"10.0.0.12","clusterIPs":["10.0.0.12","fd00::8"]}`,
		`422 Service "taken" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.12","fd00::8"]: failed to allocate IP fd00::8: provided IP is already allocated`},
	{"create wrong", `{"ports":[{"port":80}],"clusterIP":"10.0.0.13","ipFamilies":["IPv6"]}`,
		"422 Service \"wrong\" is invalid: spec.clusterIPs[0]: Invalid value: \"10.0.0.13\": expected an IPv6 value as indicated by `ipFamilies[0]`"},
	{"create sfam", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4","IPv6"]}`,
		`422 Service "sfam" is invalid: spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`},
	{"create fam", `{"ports":[{"port":80}],"ipFamilies":["IPv6","IPv4"]}`,
		`422 Service "fam" is invalid: spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`},
	{"create less", `{"ports":[{"port":80}],"clusterIP":"None","selector":{"a":"b"}}`,
		`SingleStack IPv4 None`},
	{"create lessp", `{"ports":[{"port":80}],"clusterIP":"None","selector":{"a":"b"},"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4+IPv6 None`},
	{"create bare", `{"ports":[{"port":80}],"clusterIP":"None"}`,
		`RequireDualStack IPv4+IPv6 None`},
	{"create bares", `{"ports":[{"port":80}],"clusterIP":"None","ipFamilyPolicy":"SingleStack"}`,
		`SingleStack IPv4 None`},
	{"create bare6", `{"ports":[{"port":80}],"clusterIP":"None","ipFamilies":["IPv6"]}`,
		`RequireDualStack IPv6+IPv4 None`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4+IPv6 v4-1+v6-5`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv4"]}`,
		`422 Service "a" is invalid: spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be 'SingleStack' to release the secondary IP family`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","ipFamilies":["IPv4"]}`,
		`422 Service "a" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary IP family`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack"}`,
		`SingleStack IPv4 v4-1`},
	{"update a", `{"ports":[{"port":80}]}`,
		`SingleStack IPv4 v4-1`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack"}`,
		`RequireDualStack IPv4+IPv6 v4-1+v6-6`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4"]}`,
		`SingleStack IPv4 v4-1`},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack","ipFamilies":["IPv6"]}`,
		"422 Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: \"v4-1\": expected an IPv6 value as indicated by `ipFamilies[0]`"},
	{"update a", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv4","IPv6"]}`,
		`PreferDualStack IPv4+IPv6 v4-1+v6-7`},
	{"update six", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6","IPv4"]}`,
		`PreferDualStack IPv6+IPv4 v6-4+v4-6`},
	{"update six", `{"ports":[{"port":80}],"type":"NodePort"}`,
		`PreferDualStack IPv6+IPv4 v6-4+v4-6 nodes port-1`},
	{"update six", `{"type":"ExternalName","externalName":"x.example.com"}`,
		`- - -`},
	{"update six", `{"ports":[{"port":80}],"type":"ClusterIP","ipFamilyPolicy":"RequireDualStack"}`,
		`RequireDualStack IPv4+IPv6 v4-7+v6-8`},
	{"update less", `{"ports":[{"port":80}],"clusterIP":"None","selector":{"a":"b"},"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4+IPv6 None`},
	{"update p", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6","IPv4"]}`,
		"422 Service \"p\" is invalid: [spec.clusterIPs[0]: Invalid value: \"v4-2\": expected an IPv6 value as indicated by `ipFamilies[0]`, spec.clusterIPs[1]: Invalid value: \"v6-1\": expected an IPv4 value as indicated by `ipFamilies[1]`]"},
	{"dry d", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack"}`,
		`PreferDualStack IPv4+IPv6 10.0.0.0+fd00::`},
	{"dry d", `{"ports":[{"port":80}],"ipFamilies":["IPv6"]}`,
		`SingleStack IPv6 fd00::`},
	{"dry d", `{"ports":[{"port":80}],"clusterIP":"fd00::8"}`,
		`SingleStack IPv6 fd00::8`},
	{"dry d", `{"ports":[{"port":80}],"clusterIP":"fd01::8"}`,
		`422 Service "d" is invalid: spec.clusterIPs: Invalid value: ["fd01::8"]: failed to allocate IP fd01::8: the provided IP (fd01::8) is not in the valid range. The range of valid IPs is fd00::/112`},
	{"drydate a", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack"}`,
		`SingleStack IPv4 v4-1`},
	{"drydate p", `{"ports":[{"port":80}],"ipFamilyPolicy":"SingleStack"}`,
		`SingleStack IPv4 v4-2`},
	{"delete p", ``,
		``},
	{"create p", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6","IPv4"],"type":"LoadBalancer","externalTrafficPolicy":"Local"}`,
		`PreferDualStack IPv6+IPv4 v6-9+v4-8 nodes port-2 health port-3`},
	{"update p", `{"ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","type":"ClusterIP"}`,
		`PreferDualStack IPv6+IPv4 v6-9+v4-8`},
}

// TestConversations: services get what the real server gives them, and are refused as it does.
func TestConversations(t *testing.T) {
	for _, c := range []struct {
		name, cidrs string
		exchanges   []exchange
	}{
		{"one range", "10.0.0.0/24", oneRange},
		{"node ports", "10.0.0.0/24", nodePorts},
		{"two ranges", "10.0.0.0/24 fd00::/112", twoRanges},
	} {
		t.Run(c.name, func(t *testing.T) {
			var network api.ServiceNetwork
			for cidr := range strings.FieldsSeq(c.cidrs) {
				network.Ranges = append(network.Ranges, netip.MustParsePrefix(cidr))
			}
			s := apitest.Start(t, apitest.Config{Services: network})
			names := labels{}
			for i, x := range c.exchanges {
				if got := x.play(t, s, names); got != x.want {
					t.Errorf("%d: %s %s\n got %s\nwant %s", i, x.do, x.spec, got, x.want)
				}
			}
		})
	}
}

// play sends the write and returns the answer in short.
func (x *exchange) play(t *testing.T, s *apitest.Server, names labels) string {
	t.Helper()
	verb, name, _ := strings.Cut(x.do, " ")
	method, path := "POST", "/api/v1/namespaces/default/services"
	switch verb {
	case "update", "drydate":
		method, path = "PUT", path+"/"+name
	case "delete":
		method, path = "DELETE", path+"/"+name
	}
	if strings.HasPrefix(verb, "dry") {
		path += "?dryRun=All"
	}
	body := ""
	if x.spec != "" {
		body = `{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + name + `"},"spec":` + x.spec + `}`
	}
	answer, err := s.Send(t.Context(), method, path, strings.NewReader(body), "Content-Type: application/json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var obj map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&obj); err != nil {
		t.Fatal(err)
	}
	names.keep(x.spec)
	switch {
	case answer.StatusCode >= 300:
		return names.in(fmt.Sprintf("%d %s", answer.StatusCode, obj["message"]))
	case verb == "delete":
		return ""
	case verb == "dry":
		// Upstream's guesses are always the same.
		return chosen(obj)
	}
	return names.in(chosen(obj))
}

// chosen returns what a service has been given.
func chosen(service map[string]any) string {
	spec := tree.Object(service, "spec")
	list := func(name string) string {
		if all := tree.Strings(tree.List(spec, name)); len(all) > 0 {
			return strings.Join(all, "+")
		}
		return "-"
	}
	policy := tree.Text(spec, "ipFamilyPolicy")
	if policy == "" {
		policy = "-"
	}
	parts := []string{policy, list("ipFamilies"), list("clusterIPs")}
	var ports []string
	for _, p := range tree.List(spec, "ports") {
		if n, ok := tree.At(p, "nodePort").(float64); ok {
			ports = append(ports, fmt.Sprint(n))
		}
	}
	if ports != nil {
		parts = append(parts, "nodes "+strings.Join(ports, ","))
	}
	if n, ok := spec["healthCheckNodePort"].(float64); ok {
		parts = append(parts, fmt.Sprint("health ", n))
	}
	return strings.Join(parts, " ")
}

// labels are the names of what was chosen at random, and of what somebody has named, which keeps its own.
type labels map[string]string

// random is what may be chosen; ranges are read along, to be left alone.
var random = regexp.MustCompile(`10\.0\.0\.\d+(/24)?|fd00::[0-9a-f]*(/112)?|\b3[0-2]\d{3}\b`)

// keep leaves what a client names as it is from now on.
func (l labels) keep(spec string) {
	for _, s := range random.FindAllString(spec, -1) {
		l[s] = s
	}
}

// in puts the names into a text.
func (l labels) in(text string) string {
	return random.ReplaceAllStringFunc(text, func(s string) string {
		if l[s] == "" && s != "30000" && s != "32767" && !strings.Contains(s, "/") {
			kind := "port"
			switch {
			case strings.Contains(s, ":"):
				kind = "v6"
			case strings.Contains(s, "."):
				kind = "v4"
			}
			n := 1
			for _, name := range l {
				if strings.HasPrefix(name, kind+"-") {
					n++
				}
			}
			l[s] = fmt.Sprint(kind, "-", n)
		}
		if name := l[s]; name != "" {
			return name
		}
		return s
	})
}
