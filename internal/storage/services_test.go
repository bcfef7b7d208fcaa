package storage

import (
	"testing"

	"apichain/internal/tree"
)

// TestOldServices: what services did not say once is read of what they did.
func TestOldServices(t *testing.T) {
	for _, row := range []struct {
		what, spec, want string
		ipv6             bool
	}{
		{"an address", `{"clusterIP":"10.0.0.1"}`, `{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack"}`, false},
		{"one of IPv6", `{"clusterIP":"fd00::1"}`, `{"clusterIP":"fd00::1","clusterIPs":["fd00::1"],"ipFamilies":["IPv6"],"ipFamilyPolicy":"SingleStack"}`, false},
		{"two", `{"clusterIP":"fd00::1","clusterIPs":["fd00::1","10.0.0.1"]}`,
			`{"clusterIP":"fd00::1","clusterIPs":["fd00::1","10.0.0.1"],"ipFamilies":["IPv6","IPv4"],"ipFamilyPolicy":"RequireDualStack"}`, false},
		{"none yet", `{}`, `{}`, false},
		{"without address", `{"clusterIP":"None","selector":{"a":"b"}}`,
			`{"clusterIP":"None","clusterIPs":["None"],"selector":{"a":"b"},"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack"}`, false},
		{"without address, IPv6 first", `{"clusterIP":"None","selector":{"a":"b"}}`,
			`{"clusterIP":"None","clusterIPs":["None"],"selector":{"a":"b"},"ipFamilies":["IPv6"],"ipFamilyPolicy":"SingleStack"}`, true},
		{"without pods", `{"clusterIP":"None"}`, `{"clusterIP":"None","clusterIPs":["None"],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack"}`, false},
		{"without pods, IPv6 first", `{"clusterIP":"None"}`, `{"clusterIP":"None","clusterIPs":["None"],"ipFamilies":["IPv6","IPv4"],"ipFamilyPolicy":"RequireDualStack"}`, true},
		{"all said", `{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"PreferDualStack"}`,
			`{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"PreferDualStack"}`, false},
		{"another name", `{"type":"ExternalName","externalName":"a.b","internalTrafficPolicy":"Cluster"}`, `{"type":"ExternalName","externalName":"a.b"}`, false},
	} {
		c := New(table(t), Options{IPv6: row.ipv6})
		got := tree.Object(object(t, []byte(decoded(t, c, "services", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":`+row.spec+`}`))), "spec")
		want := object(t, []byte(row.want))
		// The others are defaults.
		for name, v := range map[string]any{"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"} {
			if want[name] == nil && (name != "internalTrafficPolicy" || want["type"] != "ExternalName") {
				want[name] = v
			}
		}
		if !tree.Identical(got, want) {
			t.Errorf("%s is\n%s\nwant\n%s", row.what, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	}
	c := New(table(t), Options{})
	if got := object(t, []byte(decoded(t, c, "services", `{"apiVersion":"v1","kind":"Service"}`))); tree.Text(got, "spec", "type") != "ClusterIP" {
		t.Errorf("a service without spec is %v", got)
	}
}
