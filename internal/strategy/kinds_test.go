package strategy

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What v1.37.2 answered to the same bodies, one kind to a test. Its order of the keys of a map is
// any; that of the tables is the keys' own.

// The reasons that several of the tables name.
const (
	configKey = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' " +
		"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
	namePart = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
		"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
	labelKey = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
		"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') " +
		"with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
	dnsLabel = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
		"alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
	dnsSubdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an " +
		"alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
	frozen = ": Forbidden: field is immutable when `immutable` is set"
)

// wrong is the text of an error for a value at a path.
func wrong(path, value, why string) string {
	return fmt.Sprintf("%s: Invalid value: %q: %s", path, value, why)
}

// lines joins the texts of errors as checkRule wants them.
func lines(errs ...string) string { return strings.Join(errs, "|") }

// ruleCase is an object, what it was before (or ""), and what is wrong with it.
type ruleCase struct{ old, obj, want string }

// checkRules checks the cases of a kind.
func checkRules(t *testing.T, kind string, cases []ruleCase) {
	t.Helper()
	table := tableForTest(t)
	for _, c := range cases {
		checkRule(t, table, kind, c.old, c.obj, c.want)
	}
}

// TestConfigMapRule: what a key may be, how many bytes there may be, and what no longer changes.
func TestConfigMapRule(t *testing.T) {
	long, half := strings.Repeat("a", 254), strings.Repeat("é", maxData/2)
	checkRules(t, "v1 ConfigMap", []ruleCase{
		{"", `{}`, ""},
		{"", `{"data":{"` + long[1:] + `":"","...":""}}`, wrong("data[...]", "...", "must not start with '..'")},
		{"", `{"data":{"..a":"","é":"","..":"","":"","a/b":"","` + long + `":"",".":"",".a":""}}`, lines(
			wrong("data[]", "", configKey), wrong("data[.]", ".", "must not be '.'"), wrong("data[..]", "..", "must not be '..'"),
			wrong("data[..a]", "..a", "must not start with '..'"), wrong("data[a/b]", "a/b", configKey),
			wrong("data["+long+"]", long, "must be no more than 253 characters"), wrong("data[é]", "é", configKey))},
		{"", `{"binaryData":{"..x":"","":""}}`,
			lines(wrong("binaryData[]", "", configKey), wrong("binaryData[..x]", "..x", "must not start with '..'"))},
		// Bytes count, not characters; and of base64 those that it stands for.
		{"", `{"data":{"a":"` + half + `"}}`, ""},
		{"", `{"data":{"a":"` + half + `"},"binaryData":{"b":""}}`, ""},
		{"", `{"data":{"a":"` + half + `","b":"x"}}`, "[]: Too long: may not be more than 1048576 bytes"},
		{"", `{"data":{"a":"` + half[2:] + `"},"binaryData":{"b":"eHg="}}`, ""},
		{"", `{"data":{"a":"` + half[2:] + `"},"binaryData":{"b":"eHh4"}}`, "[]: Too long: may not be more than 1048576 bytes"},

		{`{"immutable":true,"data":{"a":"1"}}`, `{"data":{"a":"1"}}`, "immutable" + frozen},
		{`{"immutable":true,"data":{"a":"1"}}`, `{"immutable":false,"data":{"a":"2"},"binaryData":{"b":"AA=="}}`,
			lines("immutable"+frozen, "data"+frozen, "binaryData"+frozen)},
		{`{"immutable":true,"data":{"a":"1"}}`, `{"immutable":true}`, "data" + frozen},
		{`{"immutable":true,"data":{"a":"1"}}`, `{"immutable":true,"data":{"a":"1"},"metadata":{"labels":{"x":"y"}}}`, ""},
		{`{"immutable":false,"data":{"a":"1"}}`, `{"immutable":true,"data":{"a":"2"}}`, ""},
	})
}

// TestSecretRule: what each type must have, and that the type never changes.
func TestSecretRule(t *testing.T) {
	// secret is one of a type with a single value.
	secret := func(typ, key, value string) string {
		return fmt.Sprintf(`{"type":%q,"data":{%q:%q}}`, "kubernetes.io/"+typ, key, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	const redacted = "<secret contents redacted>"
	const into = " into Go value of type map[string]interface {}"
	config, cfg := "data[.dockerconfigjson]", "data[.dockercfg]"
	checkRules(t, "v1 Secret", []ruleCase{
		{"", `{}`, ""},
		{"", `{"type":"example.com/any"}`, ""},
		{"", `{"type":"bootstrap.kubernetes.io/token"}`, ""},
		{"", secret("dockercfg", ".dockercfg", "null"), ""},
		{"", secret("dockercfg", ".dockercfg", `{"a":1} x`), wrong(cfg, redacted, "invalid character 'x' after top-level value")},
		{"", secret("dockercfg", ".dockerconfigjson", "{}"), cfg + ": Required value"},
		{"", secret("dockerconfigjson", ".dockercfg", "{}"), config + ": Required value"},
		{"", secret("dockerconfigjson", ".dockerconfigjson", "{}"), ""},
		{"", secret("dockerconfigjson", ".dockerconfigjson", `"s"`), wrong(config, redacted, "json: cannot unmarshal string"+into)},
		{"", secret("dockerconfigjson", ".dockerconfigjson", "5"), wrong(config, redacted, "json: cannot unmarshal number"+into)},
		{"", secret("dockerconfigjson", ".dockerconfigjson", `{"a":`), wrong(config, redacted, "unexpected end of JSON input")},
		{"", secret("basic-auth", "username", ""), ""},
		{"", secret("basic-auth", "password", "x"), ""},
		{"", secret("basic-auth", "user", "x"), "data[username]: Required value|data[password]: Required value"},
		{"", secret("ssh-auth", "ssh-privatekey", "k"), ""},
		{"", secret("ssh-auth", "a b", "k"), lines(wrong("data[a b]", "a b", configKey), "data[ssh-privatekey]: Required value")},
		{"", secret("tls", "tls.crt", ""), "data[tls.key]: Required value"},
		{"", secret("tls", "tls.key", "k"), "data[tls.crt]: Required value"},
		{"", secret("tls", "x", ""), "data[tls.crt]: Required value|data[tls.key]: Required value"},
		{"", `{"type":"kubernetes.io/tls","data":{"tls.crt":"","tls.key":""}}`, ""},
		{"", `{"type":"kubernetes.io/tls","stringData":{"tls.crt":"c","tls.key":"k"}}`, ""},
		{"", `{"type":"kubernetes.io/service-account-token","metadata":{"annotations":{"kubernetes.io/service-account.name":""}}}`,
			"metadata.annotations[kubernetes.io/service-account.name]: Required value"},
		// Texts are asked about where they go.
		{"", `{"stringData":{"":"x","..":"y","Bad Key!":"z"}}`, lines(
			wrong("data[]", "", configKey), wrong("data[..]", "..", "must not be '..'"), wrong("data[Bad Key!]", "Bad Key!", configKey))},
		{"", `{"type":"kubernetes.io/tls","stringData":{"tls.crt":"` + strings.Repeat("x", maxData) + `","tls.key":"y","a b":""}}`,
			lines(wrong("data[a b]", "a b", configKey), "data: Too long: may not be more than 1048576 bytes")},

		{`{"type":"a"}`, `{}`, wrong("type", "Opaque", "field is immutable")},
		{`{}`, `{"type":"Opaque"}`, ""},
		{`{}`, `{"type":"kubernetes.io/tls"}`,
			lines(wrong("type", "kubernetes.io/tls", "field is immutable"), "data[tls.crt]: Required value", "data[tls.key]: Required value")},
		{`{"immutable":true,"data":{"a":""}}`, `{"type":"b"}`,
			lines(wrong("type", "b", "field is immutable"), "immutable"+frozen, "data"+frozen)},
		{`{"immutable":true,"data":{"a":"AA=="}}`, `{"immutable":true,"stringData":{"a":"\u0000"}}`, ""},
		{`{"immutable":true,"data":{"a":"AA=="}}`, `{"immutable":true,"stringData":{"b":"x"}}`, "data" + frozen},
	})
}

// TestNamespaceRule: a finalizer has a prefix, or is one of those that everybody knows.
func TestNamespaceRule(t *testing.T) {
	const at, standard = "spec.finalizers", "name is neither a standard finalizer name nor is it fully qualified"
	checkRules(t, "v1 Namespace", []ruleCase{
		{"", `{"spec":{"finalizers":["kubernetes","orphan","foregroundDeletion","example.com/a"]}}`, ""},
		{"", `{"spec":{"finalizers":["metadata.finalizers"]}}`, wrong(at, "metadata.finalizers", standard)},
		{"", `{"spec":{"finalizers":["x","kubernetes","","a/b/c","A_/b"]}}`, lines(
			wrong(at, "x", standard), wrong(at, "", "name part must be non-empty"), wrong(at, "", namePart), wrong(at, "", standard),
			wrong(at, "a/b/c", labelKey), wrong(at, "A_/b", "prefix part "+dnsSubdomain))},
		{"", `{"status":{"phase":"Gone"}}`, ""}, // a create writes no status
	})
}

// TestLeaseRule: the numbers have a least value, and texts are any.
func TestLeaseRule(t *testing.T) {
	const seconds, transitions = "spec.leaseDurationSeconds: Invalid value: ", "spec.leaseTransitions: Invalid value: "
	checkRules(t, "coordination.k8s.io/v1 Lease", []ruleCase{
		{"", `{}`, ""},
		{"", `{"spec":{}}`, ""},
		{"", `{"spec":{"leaseDurationSeconds":2147483647,"leaseTransitions":2147483647}}`, ""},
		{"", `{"spec":{"leaseDurationSeconds":-1}}`, seconds + "-1: must be greater than 0"},
		{"", `{"spec":{"leaseTransitions":-2147483648}}`, transitions + "-2147483648: must be greater than or equal to 0"},
		{"", `{"spec":{"holderIdentity":"","strategy":"a b","preferredHolder":""}}`, ""},
		{`{"spec":{"leaseTransitions":5}}`, `{"spec":{"leaseTransitions":4}}`, ""}, // they may go down
		{`{"spec":{"leaseDurationSeconds":5}}`, `{"spec":{"leaseDurationSeconds":0}}`, seconds + "0: must be greater than 0"},
	})
}

// TestSlicePorts: the names of ports are labels and unique, also where there is none; a number is any.
func TestSlicePorts(t *testing.T) {
	long := strings.Repeat("a", 64)
	checkRules(t, "discovery.k8s.io/v1 EndpointSlice", []ruleCase{
		{"", `{"addressType":"IPv4","ports":[{"port":0},{"name":"a","port":65536},{"name":"b","port":-1}]}`, ""},
		{"", `{"addressType":"IPv4","ports":[{"name":"` + long + `"},{"name":"a"},{"name":"a"},{"name":""},{},{"port":1}]}`, lines(
			wrong("ports[0].name", long, "must be no more than 63 characters"), `ports[2].name: Duplicate value: "a"`,
			`ports[4].name: Duplicate value: ""`, `ports[5].name: Duplicate value: ""`)},
		{"", `{"addressType":"IPv4","ports":[{"name":"-a"},{"name":"a.b"},{"name":"b","protocol":"tcp"}]}`, lines(
			wrong("ports[0].name", "-a", dnsLabel), wrong("ports[1].name", "a.b", "must not contain dots"),
			`ports[2].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`)},
		{"", `{"addressType":"IPv4","ports":[{"appProtocol":"HTTP"},{"name":"a","appProtocol":""},` +
			`{"name":"b","appProtocol":"a/b/c"},{"name":"c","appProtocol":"` + long + `"}]}`, lines(
			wrong("ports[1].appProtocol", "", "name part must be non-empty"), wrong("ports[1].appProtocol", "", namePart),
			wrong("ports[2].appProtocol", "a/b/c", labelKey), wrong("ports[3].appProtocol", long, "name part must be no more than 63 bytes"))},
		{`{"addressType":"IPv4","ports":[{"name":"A"}]}`, `{"addressType":"IPv4","ports":[{"name":"A"}]}`,
			wrong("ports[0].name", "A", dnsLabel)}, // unlike endpoints, they are always looked at
		{"", `{"endpoints":[{}],"ports":[{"protocol":"x"}]}`, lines(`ports[0].protocol: Unsupported value: "x": supported values: "SCTP", "TCP", "UDP"`,
			"addressType: Required value", "endpoints[0].addresses: Required value")},
	})
}

// TestSliceEndpoints: addresses by their type, names, and hints.
func TestSliceEndpoints(t *testing.T) {
	const notIP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
	at := func(i int, value, why string) string {
		return wrong(fmt.Sprintf("endpoints[0].addresses[%d]", i), value, why)
	}
	slice := func(typ, endpoints string) string {
		return `{"addressType":"` + typ + `","endpoints":[` + endpoints + `]}`
	}
	hints := func(members string) string { return slice("IPv4", `{"addresses":["10.0.0.1"],"hints":{`+members+`}}`) }
	nine := strings.Repeat(`{"name":"n"},`, 8) + `{"name":"n"}`
	long, longer := strings.Repeat("a", 64), strings.Repeat("a", 254)
	const immutable = "addressType: Invalid value: null: field is immutable"
	checkRules(t, "discovery.k8s.io/v1 EndpointSlice", []ruleCase{
		{"", slice("ipv4", `{"addresses":["10.0.0.1"]}`), `addressType: Unsupported value: "ipv4": supported values: "FQDN", "IPv4", "IPv6"`},
		{"", slice("IPv4", `{"addresses":["10.0.0.1","10.0.0.1","255.255.255.255","239.0.0.1","224.0.1.1"]}`), ""},
		{"", slice("IPv4", `{"addresses":[" 10.0.0.2","10.0.0","256.0.0.1","10.0.0.1/8","","1.2.3.04"]}`), lines(
			at(0, " 10.0.0.2", notIP), at(1, "10.0.0", notIP), at(2, "256.0.0.1", notIP), at(3, "10.0.0.1/8", notIP), at(4, "", notIP),
			at(5, "1.2.3.04", "must not have leading 0s"))},
		{"", slice("IPv6", `{"addresses":["::2","ff05::1"]}`), ""},
		{"", slice("IPv6", `{"addresses":["2001:db8:0::1","fe80::1","ff02::1","::ffff:10.0.0.1","1.2.3.4","01.2.3.4","0:0:0:0:0:0:0:0"]}`), lines(
			at(0, "2001:db8:0::1", `must be in canonical form ("2001:db8::1")`),
			at(1, "fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
			at(2, "ff02::1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
			at(3, "::ffff:10.0.0.1", "must not be an IPv4-mapped IPv6 address"),
			wrong("endpoints[0].addresses", "1.2.3.4", "must be an IPv6 address"), at(5, "01.2.3.4", "must not have leading 0s"),
			at(6, "0:0:0:0:0:0:0:0", `must be in canonical form ("::")`))},
		{"", slice("FQDN", `{"addresses":[""]}`), "endpoints[0].addresses[0]: Required value"},
		// A domain has one error, with all reasons in it; a segment that is too long is shown alone.
		{"", slice("FQDN", `{"addresses":["a..b","-a.b","`+long+`.b","a.`+longer+`","A.`+longer+`"]}`), lines(
			at(0, "a..b", dnsSubdomain), at(1, "-a.b", dnsSubdomain), at(2, long, "must be no more than 63 characters"),
			at(3, "a."+longer, "must be no more than 253 characters"),
			at(4, "A."+longer, "must be no more than 253 characters,"+dnsSubdomain))},

		{"", slice("IPv4", `{"addresses":["10.0.0.1"],"hostname":"a.b"},{"addresses":["10.0.0.1"],"hostname":""},{"addresses":["10.0.0.1"],"nodeName":""},`+
			`{"addresses":["10.0.0.1"],"hostname":"`+long+`"},{"addresses":["10.0.0.1"],"zone":"a b"}`), lines(
			wrong("endpoints[0].hostname", "a.b", "must not contain dots"), wrong("endpoints[1].hostname", "", dnsLabel),
			wrong("endpoints[2].nodeName", "", dnsSubdomain), wrong("endpoints[3].hostname", long, "must be no more than 63 characters"))},
		{"", slice("IPv4", `{"hostname":"A"}`), lines(wrong("endpoints[0].hostname", "A", dnsLabel), "endpoints[0].addresses: Required value")},
		{"", hints(`"forZones":[{"name":""},{"name":"` + long + `"}],"forNodes":[{"name":""},{"name":"n"},{"name":"n"},{"name":"` + longer + `"}]`), lines(
			wrong("endpoints[0].hints.forZones[1].name", long, "must be no more than 63 bytes"),
			wrong("endpoints[0].hints.forNodes[0].name", "", dnsSubdomain), `endpoints[0].hints.forNodes[2].name: Duplicate value: "n"`,
			wrong("endpoints[0].hints.forNodes[3].name", longer, "must be no more than 253 characters"))},
		{"", hints(`"forNodes":[` + nine + `]`), "endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items"},
		{"", hints(`"forZones":[{"name":""}],"forNodes":[` + nine + `]`), "endpoints[0].hints.forNodes: Too many: 9: must have at most 8 items"},

		{slice("IPv4", `{"addresses":["10.0.0.1"]}`), slice("IPv4", `{"addresses":["x"]}`), at(0, "x", notIP)},
		{slice("IPv4", `{"addresses":["10.0.0.1"]}`), slice("IPv6", `{"addresses":["10.0.0.1"]}`), immutable}, // the endpoints are as they were
		{slice("IPv4", `{"addresses":["10.0.0.1"]}`), slice("FQDN", `{"addresses":[]}`), lines(immutable, "endpoints[0].addresses: Required value")},
	})
}

// TestDefinitionsAreDefaulted: the names of a definition have defaults before anybody counts who owns its fields.
func TestDefinitionsAreDefaulted(t *testing.T) {
	table, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	crd := map[string]any{"spec": map[string]any{"names": map[string]any{"plural": "widgets", "kind": "Widget"}}}
	kinds.Shape{Row: table.Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")}.SetDefaults(crd)
	if tree.Text(crd, "spec", "names", "listKind") != "WidgetList" || tree.Text(crd, "spec", "conversion", "strategy") != "None" {
		t.Error(crd)
	}
}
