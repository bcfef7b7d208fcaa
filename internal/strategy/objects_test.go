package strategy

import (
	"apichain/internal/kinds"
	"apichain/internal/tree"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestRules: what upstream's validation says of the values of each kind, in its words.
func TestRules(t *testing.T) {
	const badKey = `"Bad Key!": ` + configKey
	const plain = `"x": name is neither a standard finalizer name nor is it fully qualified`
	full := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", maxData)))
	over := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", maxData+1)))
	table := tableForTest(t)
	for _, c := range []struct{ kind, old, obj, want string }{
		{"v1 ConfigMap", "", `{"data":{"a":"1","_x-1.y":""},"binaryData":{"b":"AA=="}}`, ""},
		{"v1 ConfigMap", "", `{"data":{"b":"","Bad Key!":"","a":""},"binaryData":{"b":"","a":"","Bad Key!":""}}`,
			"data[Bad Key!]: Invalid value: " + badKey + `|data[Bad Key!]: Invalid value: "Bad Key!": duplicate of key present in binaryData` +
				`|data[a]: Invalid value: "a": duplicate of key present in binaryData|data[b]: Invalid value: "b": duplicate of key present in binaryData` +
				"|binaryData[Bad Key!]: Invalid value: " + badKey},
		{"v1 ConfigMap", "", `{"data":{"a":"` + strings.Repeat("x", maxData) + `"}}`, ""},
		{"v1 ConfigMap", "", `{"data":{"a":"x"},"binaryData":{"b":"` + full + `"}}`, "[]: Too long: may not be more than 1048576 bytes"},
		{"v1 ConfigMap", `{"immutable":true,"data":{"a":"1"}}`, `{"immutable":true,"data":{"Bad Key!":"1"}}`,
			"data: Forbidden: field is immutable when `immutable` is set|data[Bad Key!]: Invalid value: " + badKey},

		{"v1 Secret", "", `{"type":"Opaque","data":{"a":"` + full + `"}}`, ""},
		{"v1 Secret", "", `{"type":"Opaque","data":{"a":"` + over + `"}}`, "data: Too long: may not be more than 1048576 bytes"},
		{"v1 Secret", `{"type":"a"}`, `{"type":"b"}`, `type: Invalid value: "b": field is immutable`},
		{"v1 Secret", `{"type":"a"}`, `{"type":"a"}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/service-account-token"}`, "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/service-account-token","metadata":{"annotations":{"kubernetes.io/service-account.name":"a"}}}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockercfg"}`, "data[.dockercfg]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockercfg","data":{".dockercfg":"e30="}}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":""}}`,
			`data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input`},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"W10="}}`,
			`data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}`},
		{"v1 Secret", "", `{"type":"kubernetes.io/basic-auth"}`, "data[username]: Required value|data[password]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/basic-auth","data":{"password":""}}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/ssh-auth","data":{"ssh-privatekey":""}}`, "data[ssh-privatekey]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/ssh-auth"}`, "data[ssh-privatekey]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/tls","data":{"tls.key":""}}`, "data[tls.crt]: Required value"},

		{"v1 Namespace", "", `{"spec":{"finalizers":["kubernetes","x","a/b"]}}`, "spec.finalizers: Invalid value: " + plain},
		{"v1 Namespace", `{"spec":{"finalizers":["x"]}}`, `{"spec":{"finalizers":["x"]},"status":{"phase":"Active"}}`, ""},
		{"v1 Namespace", `{"status":{"phase":"Active"}}`, `{"metadata":{"deletionTimestamp":"t"},"status":{"phase":"Active"}}`, ""},
		{"v1 Namespace", `{"spec":{}}`, `{"spec":{"finalizers":["kubernetes","x"]},"status":{"phase":"Active"}}`, "spec.finalizers[1]: Invalid value: " + plain},
		{"v1 Namespace", `{}`, `{"status":{"phase":"Gone"}}`, "status.Phase: Invalid value: \"Gone\": may only be 'Active' if `deletionTimestamp` is empty"},
		{"v1 Namespace", `{"status":{"phase":"Terminating"}}`, `{"metadata":{"deletionTimestamp":"t"},"status":{"phase":"Active"}}`,
			"status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"},

		{"coordination.k8s.io/v1 Lease", "", `{"spec":{"leaseDurationSeconds":1,"leaseTransitions":0}}`, ""},
		{"coordination.k8s.io/v1 Lease", "", `{"spec":{"leaseDurationSeconds":0,"leaseTransitions":-1}}`,
			"spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0|spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"},
		{"v1 ServiceAccount", "", `{}`, ""},
	} {
		checkRule(t, table, c.kind, c.old, c.obj, c.want)
	}
}

// TestSliceRule: the errors of upstream's two validations, one behind the other.
func TestSliceRule(t *testing.T) {
	const value = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
		"alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
	const immutable = "addressType: Invalid value: null: field is immutable"
	many := func(n int, of string) string { return strings.TrimSuffix(strings.Repeat(of+",", n), ",") }
	at := func(i int, value, why string) string {
		return fmt.Sprintf("endpoints[0].addresses[%d]: Invalid value: %q: %s", i, value, why)
	}
	// The body of a slice of a type with one endpoint.
	one := func(typ, endpoint string) string {
		return `{"addressType":"` + typ + `","endpoints":[{` + endpoint + `}]}`
	}
	table := tableForTest(t)
	for _, c := range []struct{ old, obj, want string }{
		{"", `{"addressType":"IPv4"}`, ""},
		{"", `{"addressType":"IPv4","ports":[{},{"name":"x","port":80,"protocol":"UDP","appProtocol":"kubernetes.io/ws"}]}`, ""},
		{"", `{"ports":[{"name":"A"}],"endpoints":[{},{"addresses":["q"]}]}`,
			`ports[0].name: Invalid value: "A": ` + dnsLabel + "|addressType: Required value|endpoints[0].addresses: Required value"},
		{"", `{"addressType":"IPv5"}`, `addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"`},
		{"", `{"addressType":"IPv4","ports":[{"name":"a","protocol":""},{"appProtocol":"a b"},{"name":null}]}`,
			`ports[0].protocol: Unsupported value: "": supported values: "SCTP", "TCP", "UDP"|ports[1].appProtocol: Invalid value: "a b": ` +
				namePart + `|ports[2].name: Duplicate value: ""`},

		{"", one("IPv4", `"addresses":["10.0.0.1","10.0.0.2"],"hostname":"a","nodeName":"a.b","hints":{"forZones":[{"name":"A"}]}`), ""},
		{"", one("IPv4", `"addresses":["x","fd00::1"],"hostname":"A_"`), at(0, "x", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)") +
			`|endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address|endpoints[0].hostname: Invalid value: "A_": ` + dnsLabel},
		{"", one("IPv4", `"addresses":["01.2.3.4","000.0.0.1","0.0.0.0","169.254.0.1","224.0.0.1","::ffff:1.2.3.4"]`),
			strings.Join([]string{at(0, "01.2.3.4", "must not have leading 0s"), at(1, "000.0.0.1", "must not have leading 0s"),
				at(2, "0.0.0.0", "may not be unspecified (0.0.0.0)"),
				at(3, "169.254.0.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
				at(4, "224.0.0.1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
				at(5, "::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address")}, "|")},
		{"", one("IPv6", `"addresses":["2001:db8::1"]`), ""},
		{"", one("IPv6", `"addresses":["2001:DB8::1","::","10.0.0.1","fe80::1%lo"],"nodeName":"A_"`),
			at(0, "2001:DB8::1", `must be in canonical form ("2001:db8::1")`) + "|" + at(1, "::", "may not be unspecified (::)") +
				`|endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address|` +
				at(3, "fe80::1%lo", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)") +
				`|endpoints[0].nodeName: Invalid value: "A_": ` + dnsSubdomain},
		// A dot at the end is not shown, and only one may be there.
		{"", one("FQDN", `"addresses":["A.b.","a.",".","a.b..","1.2.3.4"]`),
			strings.Join([]string{at(0, "A.b", dnsSubdomain), at(1, "a", "should be a domain with at least two segments separated by dots"),
				at(2, "", dnsSubdomain), at(3, "a.b.", dnsSubdomain)}, "|")},
		{"", one("FQDN", `"addresses":["a.b","a.b.","x","A.b",""]`),
			at(2, "x", "should be a domain with at least two segments separated by dots") + "|" + at(3, "A.b", dnsSubdomain) +
				"|endpoints[0].addresses[4]: Required value"},
		{"", one("IPv4", `"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a b"},{"name":"a"},{"name":"a"}],"forNodes":[{"name":"a b"}]}`),
			`endpoints[0].hints.forZones[0].name: Invalid value: "a b": ` + value + `|endpoints[0].hints.forZones[2].name: Duplicate value: "a"` +
				`|endpoints[0].hints.forNodes[0].name: Invalid value: "a b": ` + dnsSubdomain},

		{"", one("IPv4", `"addresses":["10.0.0.1"],"hints":{"forZones":[`+many(9, `{}`)+`],"forNodes":[{}]}`),
			"endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"},
		{"", one("IPv4", `"addresses":[`+many(101, `"10.0.0.1"`)+`]`), "endpoints[0].addresses: Too many: 101: must have at most 100 items"},
		{"", `{"addressType":"IPv4","endpoints":[` + many(1001, `{"addresses":["x"]}`) + `]}`, "endpoints: Too many: 1001: must have at most 1000 items"},
		{"", `{"addressType":"IPv4","ports":[` + many(20001, `{}`) + `]}`, "ports: Too many: 20001: must have at most 20000 items"},

		{`{"addressType":"IPv6"}`, `{}`, "addressType: Required value|" + immutable},
		{`{"addressType":"IPv6"}`, `{"addressType":"IPv9"}`, `addressType: Unsupported value: "IPv9": supported values: "FQDN", "IPv4", "IPv6"|` + immutable},
		{`{"addressType":"IPv6"}`, one("IPv4", ""), immutable + "|endpoints[0].addresses: Required value"},
		{one("IPv4", `"addresses":["x"]`), one("IPv4", `"addresses":["x"]`), ""},
	} {
		checkRule(t, table, "discovery.k8s.io/v1 EndpointSlice", c.old, c.obj, c.want)
	}
}

// checkRule compares what a kind says of an object, which gets its defaults first, with texts that
// have a bar between them. An old object of "" is none.
func checkRule(t *testing.T, table *kinds.Table, kind, oldText, objText, want string) {
	t.Helper()
	shape := shapeForTest(t, table, kind)
	obj := objectForTest(t, objText)
	shape.SetDefaults(obj)
	var old map[string]any
	if oldText != "" {
		old = objectForTest(t, oldText)
		shape.SetDefaults(old)
	}
	var said []string
	for _, e := range shape.Validate(obj, old, false) {
		said = append(said, e.String())
	}
	if got := strings.Join(said, "|"); got != want {
		t.Errorf("%s %.80s after %s\n got %s\nwant %s", kind, objText, oldText, got, want)
	}
}

// tableForTest is the table of kinds with the rules, all of which has been read.
func tableForTest(t testing.TB) *kinds.Table {
	t.Helper()
	table, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Check(); err != nil {
		t.Fatal(err)
	}
	return table
}

// shapeForTest is the shape of a kind, by "group/version kind".
func shapeForTest(t testing.TB, table *kinds.Table, name string) kinds.Shape {
	t.Helper()
	gv, kind, _ := strings.Cut(name, " ")
	group, version := kinds.SplitAPIVersion(gv)
	row := table.Kind(group, version, kind)
	if row == nil {
		t.Fatalf("there is no %s", name)
	}
	return kinds.Shape{Row: row}
}

func objectForTest(t testing.TB, text string) map[string]any {
	t.Helper()
	o, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}
