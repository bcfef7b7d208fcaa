package kinds

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestHumanDuration: upstream's texts, at the places where the form changes.
func TestHumanDuration(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-2 * time.Second: "<invalid>", -1500 * time.Millisecond: "0s", -time.Second: "0s", 0: "0s", 999 * time.Millisecond: "0s", 119 * time.Second: "119s", 120 * time.Second: "2m", 330 * time.Second: "5m30s", 10*time.Minute - 1: "9m59s",
		10 * time.Minute: "10m", 179*time.Minute + 59*time.Second: "179m", 180 * time.Minute: "3h", 7*time.Hour + 5*time.Minute: "7h5m", 8 * time.Hour: "8h", 47*time.Hour + 59*time.Minute: "47h", 2 * day: "2d", 3*day + 4*time.Hour: "3d4h",
		8 * day: "8d", 729 * day: "729d", 730 * day: "2y", 740 * day: "2y10d", 8*365*day - 1: "7y364d", 8 * 365 * day: "8y", 3000 * day: "8y",
	} {
		if got := HumanDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestAgeText(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[any]string{"2024-05-01T11:59:30Z": "30s", "2024-05-01T12:59:30+01:00": "30s", "2024-05-01T11:59:30.123456Z": "29s", "2024-05-01T12:00:10Z": "<invalid>", "": "<unknown>", "x": "<unknown>", nil: "<unknown>", int64(3): "<unknown>", "0001-01-01T00:00:00Z": "<unknown>"} {
		if got := ageText(v, now); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

// TestColumnNames: upstream's columns; * is one of priority 1.
func TestColumnNames(t *testing.T) {
	table := kindsForTest(t)
	for kind, want := range map[string]string{
		"v1 Namespace": "Name Status Age", "v1 ConfigMap": "Name Data Age", "v1 Secret": "Name Type Data Age", "v1 ServiceAccount": "Name Age", "v1 Endpoints": "Name Endpoints Age",
		"discovery.k8s.io/v1 EndpointSlice": "Name AddressType Ports Endpoints Age",
		"v1 Event":                          "Last-Seen Type Reason Object *Subobject *Source Message *First-Seen *Count *Name",
		"events.k8s.io/v1 Event":            "Last-Seen Type Reason Object *Subobject *Source Message *First-Seen *Count *Name",
		"v1 Service":                        "Name Type Cluster-IP External-IP Port(s) Age *Selector",
		"v1 Node":                           "Name Status Roles Age Version *Internal-IP *External-IP *OS-Image *Kernel-Version *Container-Runtime",
		"coordination.k8s.io/v1 Lease":      "Name Holder Age", "apiregistration.k8s.io/v1 APIService": "Name Service Available Age", "authentication.k8s.io/v1 TokenReview": "Name Created-At",
		"apiextensions.k8s.io/v1 CustomResourceDefinition": "Name Scope Versions Created-At *Group *Kind *ShortNames *Established",
	} {
		var got []string
		for _, c := range shapeForTest(t, table, kind).Row.Columns {
			got = append(got, strings.Repeat("*", c.Priority)+strings.ReplaceAll(c.Name, " ", "-"))
			if format := c.Format == "name"; format != (c.Name == "Name") || c.Type != "string" && (c.Type == "date") != (c.Name == "Created At") && (c.Type == "boolean") != (c.Name == "Established") {
				t.Errorf("%s: %s has type %s, format %q", kind, c.Name, c.Type, c.Format)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %s", kind, strings.Join(got, " "))
		}
	}
}

// TestCells: upstream's texts. A cell is told as Go prints it; A is an age.
func TestCells(t *testing.T) {
	table := kindsForTest(t)
	ago := func(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }
	meta := `"metadata":{"name":"a","creationTimestamp":"` + ago(50*time.Hour) + `"}`
	const missing = "<unknown>"
	for _, c := range []struct{ kind, in, want string }{
		{"v1 Namespace", `{` + meta + `,"status":{"phase":"Active"}}`, "a|Active|2d2h"},
		{"v1 Namespace", `{"metadata":{"name":"a"}}`, "a||" + missing},
		{"v1 ConfigMap", `{` + meta + `,"data":{"a":"","b":""},"binaryData":{"c":""}}`, "a|3|2d2h"},
		{"v1 Secret", `{` + meta + `,"type":"Opaque"}`, "a|Opaque|0|2d2h"},
		{"v1 ServiceAccount", `{` + meta + `}`, "a|2d2h"},
		{"v1 Event", `{` + meta + `,"type":"Normal","reason":"R","involvedObject":{"kind":"Pod","name":"p","fieldPath":"f"},"source":{"component":"c","host":"h"},"message":" m\n","firstTimestamp":"` + ago(4*time.Hour) + `","lastTimestamp":"` + ago(3*time.Hour) + `","count":4}`,
			"3h|Normal|R|pod/p|f|c, h|m|4h|4|a"},
		{"v1 Event", `{` + meta + `,"involvedObject":{"kind":"Node"},"reportingComponent":"rc","reportingInstance":"ri","eventTime":"` + ago(4*time.Hour) + `"}`, "4h|||node||rc, ri||4h|1|a"},
		{"v1 Event", `{` + meta + `,"source":{"component":"c"},"eventTime":"` + ago(4*time.Hour) + `","series":{"count":9,"lastObservedTime":"` + ago(3*time.Hour) + `"}}`, "3h|||||c||4h|9|a"},
		{"v1 Event", `{}`, missing + "|||||||" + missing + "|1|"},
		{"networking.k8s.io/v1 Ingress", `{` + meta + `,"spec":{"rules":[{"host":"a.b"},{},{"host":"c.d"},{"host":"e.f"},{"host":"g.h"}],"tls":[{}]},"status":{"loadBalancer":{"ingress":[{"ip":"2.2.2.2"},{"hostname":"x"},{"ip":"2.2.2.2"},{}]}}}`,
			"a|<none>|a.b,c.d,e.f + 2 more...|2.2.2.2,x|80, 443|2d2h"},
		{"networking.k8s.io/v1 Ingress", `{` + meta + `,"spec":{"ingressClassName":"n","rules":[{}]}}`, "a|n|*||80|2d2h"},
		{"networking.k8s.io/v1 IngressClass", `{"metadata":{"name":"a","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}},"spec":{"controller":"a.b/c","parameters":{"apiGroup":"g","kind":"K","name":"n"}}}`, "a (default)|a.b/c|K.g/n|" + missing},
		{"networking.k8s.io/v1 IngressClass", `{` + meta + `,"spec":{"parameters":{"kind":"K","name":"n"}}}`, "a||K/n|2d2h"},
		{"networking.k8s.io/v1 NetworkPolicy", `{` + meta + `,"spec":{"podSelector":{"matchLabels":{"b":"1","a":"2"},"matchExpressions":[{"key":"ab","operator":"DoesNotExist"},{"key":"c","operator":"NotIn","values":["y","x"]}]}}}`, "a|a=2,!ab,b=1,c notin (x,y)|2d2h"},
		{"v1 Service", `{` + meta + `,"spec":{"type":"ClusterIP","clusterIP":"10.0.0.1","ports":[{"port":80,"protocol":"TCP"},{"port":53,"nodePort":30053,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}}}`, "a|ClusterIP|10.0.0.1|<none>|80/TCP,53:30053/UDP|2d2h|a=1,b=2"},
		{"v1 Service", `{` + meta + `,"spec":{"type":"NodePort","externalIPs":["1.1.1.1","2.2.2.2"]}}`, "a|NodePort|<none>|1.1.1.1,2.2.2.2|<none>|2d2h|<none>"},
		{"v1 Service", `{` + meta + `,"spec":{"type":"LoadBalancer"}}`, "a|LoadBalancer|<none>|<pending>|<none>|2d2h|<none>"},
		{"v1 Service", `{` + meta + `,"spec":{"type":"LoadBalancer","externalIPs":["1.1.1.1"]},"status":{"loadBalancer":{"ingress":[{"ip":"9.9.9.9"},{"hostname":"a.example.com"},{"ip":"9.9.9.9"},{}]}}}`, "a|LoadBalancer|<none>|9.9.9.9,a.example.com,1.1.1.1|<none>|2d2h|<none>"},
		{"v1 Service", `{` + meta + `,"spec":{"type":"ExternalName","externalName":"x.example.com"}}`, "a|ExternalName|<none>|x.example.com|<none>|2d2h|<none>"},
		{"v1 Service", `{` + meta + `}`, "a||<none>|<unknown>|<none>|2d2h|<none>"},
		{"v1 Endpoints", `{` + meta + `}`, "a|<none>|2d2h"},
		{"discovery.k8s.io/v1 EndpointSlice", `{` + meta + `,"addressType":"IPv4","ports":null}`, "a|IPv4|<unset>|<unset>|2d2h"},
		{"discovery.k8s.io/v1 EndpointSlice", `{` + meta + `,"addressType":"IPv6","ports":[{"name":""}],"endpoints":[{"addresses":["::1","::2"]},{"addresses":["::3"]}]}`,
			"a|IPv6|<unset>|::1,::2,::3|2d2h"},
		{"discovery.k8s.io/v1 EndpointSlice", `{` + meta + `,"addressType":"IPv4","ports":[{"name":"a","port":1},{"name":"b"},{"name":"","port":2},{"name":"c"}],"endpoints":[{"addresses":["1.1.1.1"]},{"addresses":["2.2.2.2","3.3.3.3","4.4.4.4","5.5.5.5"]}]}`,
			"a|IPv4|1,b,2 + 1 more...|1.1.1.1,2.2.2.2,3.3.3.3 + 2 more...|2d2h"},
		{"v1 Endpoints", `{` + meta + `,"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"::1"}],"ports":[{"port":80},{"port":81}]}]}`, "a|1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...|2d2h"},
		{"v1 Endpoints", `{` + meta + `,"subsets":[{"addresses":[{"ip":"1.1.1.1"}]},{"notReadyAddresses":[{"ip":"2.2.2.2"}],"ports":[{"port":1}]}]}`, "a|1.1.1.1|2d2h"},
		{"v1 Node", `{"metadata":{"name":"n","labels":{"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/":"","kubernetes.io/role":"control"}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"X"},{"type":"Ready","status":"True"}],
			"addresses":[{"type":"Hostname","address":"h"},{"type":"InternalIP","address":"1.1.1.1"},{"type":"ExternalIP","address":"2.2.2.2"}],"nodeInfo":{"kubeletVersion":"v1","osImage":"os","kernelVersion":"6","architecture":"arm64","containerRuntimeVersion":"c://1"}}}`,
			"n|Ready,SchedulingDisabled|control,worker|" + missing + "|v1|1.1.1.1|2.2.2.2|os|6 (arm64)|c://1"},
		{"v1 Node", `{"metadata":{"name":"n"},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}`, "n|NotReady|<none>|" + missing + "||<none>|<none>|<unknown>|<unknown>|<unknown>"},
		{"v1 Node", `{}`, "|Unknown|<none>|" + missing + "||<none>|<none>|<unknown>|<unknown>|<unknown>"},
		{"coordination.k8s.io/v1 Lease", `{` + meta + `,"spec":{"holderIdentity":"me"}}`, "a|me|2d2h"},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"metadata":{"name":"a","creationTimestamp":"2024-01-01T00:00:00Z"},"spec":{"scope":"Cluster","group":"g","names":{"kind":"K","shortNames":["a","b"]},"versions":[{"name":"v2","served":true},{"name":"v1","served":true,"storage":true},{"name":"v3"}]},"status":{"conditions":[{"type":"Established","status":"True"}]}}`,
			"a|Cluster|v1(storage),v2|2024-01-01T00:00:00Z|g|K|a,b|true"},
		{"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"metadata":{"name":"a","creationTimestamp":"2024-01-01T00:00:00Z"}}`, "a|||2024-01-01T00:00:00Z||||false"},
		{"apiregistration.k8s.io/v1 APIService", `{` + meta + `}`, "a|Local|Unknown|2d2h"},
		{"apiregistration.k8s.io/v1 APIService", `{` + meta + `,"spec":{"service":{"namespace":"n","name":"s"}},"status":{"conditions":[{"type":"Available","status":"False","reason":"R"}]}}`, "a|n/s|False (R)|2d2h"},
		{"apiregistration.k8s.io/v1 APIService", `{` + meta + `,"status":{"conditions":[{"type":"Available","status":"True","reason":"R"}]}}`, "a|Local|True|2d2h"},
		{"authentication.k8s.io/v1 TokenReview", `{"metadata":{"name":"a","creationTimestamp":"2024-01-01T01:00:00+01:00"}}`, "a|2024-01-01T00:00:00Z"},
		{"authentication.k8s.io/v1 TokenReview", `{}`, "|0001-01-01T00:00:00Z"},
	} {
		var cells []string
		for _, col := range shapeForTest(t, table, c.kind).Row.Columns {
			cells = append(cells, fmt.Sprint(col.Cell(objectForTest(t, c.in))))
		}
		if got := strings.Join(cells, "|"); got != c.want {
			t.Errorf("%s %s\n got %s\nwant %s", c.kind, c.in, got, c.want)
		}
	}
}
