package storage

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// decoded returns the JSON of what is read of a value, without resourceVersion.
func decoded(t testing.TB, c *Codec, bucket, value string) string {
	t.Helper()
	d, err := c.Decode(bucket, "", []byte(value))
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	before, after := aroundRevision(&d)
	return string(before) + string(after)
}

// TestDecode: values of other versions and shapes, with unknown fields and without defaults, are read as
// upstream's decoding reads them.
func TestDecode(t *testing.T) {
	c := New(table(t), Options{})
	for _, row := range []struct{ what, bucket, value, want string }{
		{"unknown fields go", "configmaps", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","x":1},"data":{"a":"b"},"y":2}`,
			`{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"a"}}`},
		{"a revision that was stored goes", "configmaps", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"7"}}`,
			`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`},
		{"defaults are set", "services", `{"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}}`,
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":80}],` +
				`"sessionAffinity":"None","type":"ClusterIP","internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{}}}`},
		{"an Event of the other group", "events", `{"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"a","namespace":"b"},"note":"n","regarding":{"kind":"Pod"}}`,
			`{"apiVersion":"v1","eventTime":null,"firstTimestamp":null,"involvedObject":{"kind":"Pod"},"kind":"Event","lastTimestamp":null,"message":"n",` +
				`"metadata":{"name":"a","namespace":"b"},"reportingComponent":"","reportingInstance":"","source":{}}`},
		{"a scaler of v1", "horizontalpodautoscalers.autoscaling",
			`{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v1","metadata":{"name":"a"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"x"},"maxReplicas":3,"targetCPUUtilizationPercentage":50},"status":{"currentReplicas":0,"desiredReplicas":0}}`,
			`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"a"},"spec":{"maxReplicas":3,"metrics":[{"resource":{"name":"cpu",` +
				`"target":{"averageUtilization":50,"type":"Utilization"}},"type":"Resource"}],"minReplicas":1,"scaleTargetRef":{"kind":"Deployment","name":"x"}},` +
				`"status":{"currentMetrics":null,"desiredReplicas":0}}`},
		{"an earlier version", "devicetaintrules.resource.k8s.io", `{"kind":"DeviceTaintRule","apiVersion":"resource.k8s.io/v1beta2","metadata":{"name":"a"},"spec":{"taint":{"key":"k","effect":"NoExecute"}}}`, ""},
		{"a custom resource is what it is", "widgets.example.com", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a","x":1},"spec":{"z":null,"a":1.50}}`,
			`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","x":1},"spec":{"a":1.5,"z":null}}`},
		{"without metadata", "widgets.example.com", `{}`, `{"metadata":{}}`},
	} {
		got := object(t, []byte(decoded(t, c, row.bucket, row.value)))
		if row.want == "" {
			if v := got["apiVersion"]; v != "resource.k8s.io/v1" {
				t.Errorf("%s: it is %v", row.what, v)
			}
		} else if want := object(t, []byte(row.want)); !tree.Identical(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", row.what, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	}
}

// TestOldVersions: an object is the same in whichever version of its shape it was stored, in both media types.
func TestOldVersions(t *testing.T) {
	c := New(table(t), Options{})
	tried := 0
	for _, r := range recordings(t, c) {
		k := c.kinds[r.bucket]
		if k == nil || r.bucket == definitions {
			continue
		}
		want, err := c.Decode(r.bucket, r.key, r.json)
		if err != nil {
			t.Fatal(err)
		}
		for version, form := range k.forms {
			if form != k.row || version == k.apiVersion {
				continue
			}
			tried++
			obj := object(t, r.json)
			obj["apiVersion"] = version
			inProtobuf := new(kinds.ProtobufEncoder).Object(k.row.Type(), version, k.row.Kind, want.JSON)
			for _, value := range [][]byte{tree.AppendJSON(nil, obj), inProtobuf} {
				if d, err := c.Decode(r.bucket, r.key, value); err != nil || !bytes.Equal(d.JSON, want.JSON) {
					t.Errorf("%s of %s is\n%s\nwant\n%s\n%v", r.path, version, d.JSON, want.JSON, err)
				}
			}
		}
	}
	if tried < 80 {
		t.Errorf("only %d objects of other versions", tried)
	}
}

// TestUnreadable: what is encrypted, of another kind or broken is told from each other.
func TestUnreadable(t *testing.T) {
	c := New(table(t), Options{})
	envelope := func(apiVersion, kind, text string) string {
		return string(new(kinds.ProtobufEncoder).Object(c.kinds["configmaps"].row.Type(), apiVersion, kind, []byte(text)))
	}
	good := envelope("v1", "ConfigMap", `{"metadata":{"name":"a"}}`)
	for _, row := range []struct{ bucket, value, reason string }{
		{"secrets", "k8s:enc:aescbc:v1:key1:\x00\x01", "encrypted"},
		{"widgets.example.com", "k8s:enc:kms:v2:x:", "encrypted"},
		{"configmaps", `{"apiVersion":"v1","kind":"Secret"}`, "unknown kind"},
		{"configmaps", `{"apiVersion":"v2","kind":"ConfigMap"}`, "unknown kind"},
		{"configmaps", `{"kind":"ConfigMap"}`, "unknown kind"},
		{"configmaps", envelope("v1", "Secret", `{}`), "unknown kind"},
		{"ingresses.networking.k8s.io", `{"apiVersion":"extensions/v1beta1","kind":"Ingress"}`, "unknown kind"},
		{"configmaps", ``, "broken"}, {"configmaps", `{`, "broken"}, {"configmaps", `[]`, "broken"}, {"configmaps", `null`, "broken"},
		{"configmaps", `{"apiVersion":"v1","kind":"ConfigMap","data":[]}`, "broken"},
		{"configmaps", good[:len(good)-8], "broken"}, {"configmaps", "k8s\x00\xff", "broken"},
		{"configmaps", good[:len(good)-2] + "\x22\x10application/json", "broken"},
		{"configmaps", "k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x01\xff", "broken"},
		{"widgets.example.com", `[]`, "broken"}, {"widgets.example.com", "k8s\x00", "broken"},
	} {
		_, err := c.Decode(row.bucket, "", []byte(row.value))
		reason := "broken"
		var u interface{ Reason() string }
		if errors.As(err, &u) {
			reason = u.Reason()
		}
		if err == nil || reason != row.reason || reason != "broken" && !strings.Contains(err.Error(), reason) {
			t.Errorf("%s %q: %v, want %s", row.bucket, row.value, err, row.reason)
		}
	}
	if _, err := c.Decode("configmaps", "", []byte(good)); err != nil {
		t.Error(err)
	}
}

// TestMeta: what selectors and the collector of garbage ask for is there, of the shape that is stored.
func TestMeta(t *testing.T) {
	c := New(table(t), Options{})
	for _, row := range []struct {
		bucket, value string
		fields        []string
	}{
		{"secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}`, []string{"Opaque"}},
		{"nodes", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"},"spec":{"unschedulable":true}}`, []string{"true"}},
		{"nodes", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}`, []string{"false"}},
		{"configmaps", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`, nil},
	} {
		if d, err := c.Decode(row.bucket, "a", []byte(row.value)); err != nil || !slices.Equal(d.Meta.Fields, row.fields) {
			t.Errorf("%s: %v, want %v, %v", row.value, d.Meta, row.fields, err)
		}
	}
	d, err := c.Decode("widgets.example.com", "b/a", []byte(`{"metadata":{"name":"a","uid":"u","labels":{"x":"y"},`+
		`"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["f"],"ownerReferences":[{"kind":"K","name":"n","uid":"o"}]}}`))
	want := &store.Meta{UID: "u", Labels: map[string]string{"x": "y"}, Deleting: true, Finalizers: 1, Owners: []store.Owner{{Kind: "K", Name: "n", UID: "o"}}}
	if err != nil || !reflect.DeepEqual(d.Meta, want) {
		t.Errorf("the object has %+v, want %+v, %v", d.Meta, want, err)
	}
}

// TestEncode: a value is the draft without its revision, wherever that stands.
func TestEncode(t *testing.T) {
	c := New(table(t), Options{})
	for _, row := range []struct{ obj, want string }{
		{`{"metadata":{"name":"a","uid":"u"}}`, `{"metadata":{"name":"a","uid":"u"}}`},
		{`{"metadata":{"name":"a"}}`, `{"metadata":{"name":"a"}}`},
		{`{"metadata":{"resourceVersion":"17","uid":"u"}}`, `{"metadata":{"uid":"u"}}`},
		{`{"a":"\"resourceVersion\":\"\"","spec":[]}`, `{"a":"\"resourceVersion\":\"\"","metadata":{},"spec":[]}`},
	} {
		d := store.Encode(object(t, []byte(row.obj)), nil)
		if got, err := c.Encode("widgets.example.com", "a", &d); err != nil || string(got) != row.want+"\n" {
			t.Errorf("%s is written as %q, %v", row.obj, got, err)
		}
	}
	d := store.Encode(map[string]any{}, nil)
	if got, err := c.Encode("carps", "a", &d); err == nil {
		t.Errorf("a kind that nobody knows is written as %q", got)
	}
}

// TestConcurrent: many goroutines read and write while definitions change.
func TestConcurrent(t *testing.T) {
	c := New(table(t), Options{Protobuf: true})
	all := recordings(t, c)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, r := range all {
				d, err := c.Decode(r.bucket, r.key, r.json)
				if err != nil {
					t.Error(err)
					return
				}
				value, err := c.Encode(r.bucket, r.key, &d)
				if err != nil {
					t.Error(err)
				}
				if again, err := c.Decode(r.bucket, r.key, value); err != nil || !bytes.Equal(again.JSON, d.JSON) {
					t.Errorf("%s is read again as %s, %v", r.path, again.JSON, err)
				}
			}
		})
	}
	group.Wait()
}

// FuzzDecode: no value is more than an error, and what was read is read again as the same, from both media
// types.
func FuzzDecode(f *testing.F) {
	inJSON, inProtobuf := New(table(f), Options{}), New(table(f), Options{Protobuf: true})
	for _, r := range recordings(f, inJSON) {
		if len(r.json) < 1500 {
			f.Add(r.bucket, r.json)
			f.Add(r.bucket, r.protobuf)
		}
	}
	f.Add("secrets", []byte(encryptedPrefix))
	f.Add("configmaps", []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"ownerReferences":[{"kind":"K"}]}}`))
	f.Fuzz(func(t *testing.T, bucket string, value []byte) {
		if inJSON.kinds[bucket] == nil && !strings.Contains(bucket, ".") {
			return
		}
		d, err := inJSON.Decode(bucket, "", value)
		if err != nil {
			return
		}
		for _, c := range []*Codec{inJSON, inProtobuf} {
			value, err := c.Encode(bucket, "", &d)
			if err != nil {
				t.Fatal(err)
			}
			again, err := c.Decode(bucket, "", value)
			if err != nil || !bytes.Equal(again.JSON, d.JSON) {
				t.Errorf("%s\nis written as %q and read again as\n%s\n%v", d.JSON, value, again.JSON, err)
			}
		}
	})
}

// BenchmarkCodec measures what a write costs, and what following one does.
func BenchmarkCodec(b *testing.B) {
	inJSON, inProtobuf := New(table(b), Options{}), New(table(b), Options{Protobuf: true})
	measured := []string{"/configmaps/kinddiff/kd-min", "/deployments/kinddiff/kd-rich", "/pods/kinddiff/kd-min", "/pods/kinddiff/kd-rich"}
	for _, r := range recordings(b, inJSON) {
		if !slices.Contains(measured, r.path) {
			continue
		}
		d, err := inJSON.Decode(r.bucket, r.key, r.json)
		if err != nil {
			b.Fatal(err)
		}
		name := strings.ReplaceAll(strings.TrimPrefix(r.path, "/"), "/kinddiff/", "-")
		for form, c := range map[string]*Codec{"json": inJSON, "protobuf": inProtobuf} {
			value, err := c.Encode(r.bucket, r.key, &d)
			if err != nil {
				b.Fatal(err)
			}
			run := func(what string, f func() error) {
				b.Run(fmt.Sprintf("%s/%s/%s", what, name, form), func(b *testing.B) {
					b.SetBytes(int64(len(value)))
					b.ReportAllocs()
					for b.Loop() {
						if err := f(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			run("encode", func() error { _, err := c.Encode(r.bucket, r.key, &d); return err })
			run("decode", func() error { _, err := c.Decode(r.bucket, r.key, value); return err })
		}
	}
}
