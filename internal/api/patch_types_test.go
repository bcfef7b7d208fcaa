package api_test

import (
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestStrategicPatchTypes: what the real server says of a strategic merge patch by which a field gets what it cannot
// be. It reads the result by a converter of its own, and not as it reads JSON, so the texts are others.
func TestStrategicPatchTypes(t *testing.T) {
	c := apitest.Start(t, apitest.Config{})
	const deployments = "/apis/apps/v1/namespaces/default/deployments"
	c.Must(201, "POST", deployments, `{"metadata":{"name":"s"},"spec":{"selector":{"matchLabels":{"a":"b"}},`+
		`"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`)
	inPod := func(what string) string { return `{"spec":{"template":{"spec":` + what + `}}}` }
	for _, row := range []struct{ patch, shown, why string }{
		{`{"metadata":{"labels":"x"}}`, "map[metadata:map[labels:x]]", "cannot restore map from string"},
		{`{"metadata":"x"}`, "map[metadata:x]", "cannot restore struct from: string"},
		{`{"spec":{"replicas":"x"}}`, "map[spec:map[replicas:x]]", "unrecognized type: int32"},
		{`{"spec":{"replicas":1.5}}`, "map[spec:map[replicas:1.5]]", "cannot convert float64 to int32"},
		{`{"spec":{"replicas":true}}`, "map[spec:map[replicas:true]]", "unrecognized type: int32"},
		{`{"spec":{"paused":1}}`, "map[spec:map[paused:1]]", "unrecognized type: bool"},
		{`{"metadata":{"labels":{"a":1}}}`, "map[metadata:map[labels:map[a:1]]]", "cannot convert int64 to string"},
		{`{"metadata":{"labels":{"a":{}}}}`, "map[metadata:map[labels:map[a:map[]]]]", "unrecognized type: string"},
		{`{"metadata":{"finalizers":"x"}}`, "map[metadata:map[finalizers:x]]", "cannot restore slice from string"},
		{`{"metadata":{"creationTimestamp":5}}`, "map[metadata:map[creationTimestamp:5]]", "json: cannot unmarshal number into Go value of type string"},
		{inPod(`{"containers":[{"name":"c","image":1}]}`), "map[spec:map[template:map[spec:map[containers:[map[image:1 name:c]]]]]]", "cannot convert int64 to string"},
		{inPod(`{"nodeSelector":[]}`), "map[spec:map[template:map[spec:map[nodeSelector:[]]]]]", "cannot restore map from slice"},
		{`{"spec":{"strategy":{"rollingUpdate":{"maxSurge":[]}}}}`, "map[spec:map[strategy:map[rollingUpdate:map[maxSurge:[]]]]]",
			"json: cannot unmarshal array into Go value of type int32"},
	} {
		got := c.Must(422, "PATCH", deployments+"/s", row.patch, "Content-Type: "+apitest.StrategicPatch)
		want := ` "" is invalid: patch: Invalid value: "` + row.shown + `": ` + row.why
		if text := tree.Text(got, "message"); text != want {
			t.Errorf("%s\n got %s\nwant %s", row.patch, text, want)
		}
	}
}
