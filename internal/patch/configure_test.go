package patch

import (
	"strings"
	"testing"
	"time"

	"apichain/internal/fieldset/fieldsettest"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// TestConfigure: a configuration is merged by the schema; what does not fit it, or would replace what is owned as a whole, is refused.
func TestConfigure(t *testing.T) {
	s := schemaOf(t, workload)
	for name, c := range map[string]struct{ live, config, want string }{
		"fields":         {`{replicas: 1, labels: {a: "1"}}`, `{replicas: 2, labels: {b: "2"}}`, `{"labels":{"a":"1","b":"2"},"replicas":2}`},
		"nothing":        {`{replicas: 1}`, `{}`, `{"replicas":1}`},
		"into nothing":   {`{}`, `{labels: {a: "1"}}`, `{"labels":{"a":"1"}}`},
		"a set":          {`{finalizers: [a, b]}`, `{finalizers: [c]}`, `{"finalizers":["a","b","c"]}`},
		"a keyed list":   {`{ports: [{port: 1, protocol: TCP}]}`, `{ports: [{port: 2, protocol: TCP}]}`, `{"ports":[{"port":1,"protocol":"TCP"},{"port":2,"protocol":"TCP"}]}`},
		"twins that are": {`{replicas: 1, ports: [{port: 1, protocol: TCP}, {port: 1, protocol: TCP}]}`, `{replicas: 2}`, `{"ports":[{"port":1,"protocol":"TCP"},{"port":1,"protocol":"TCP"}],"replicas":2}`},
		"twins given":    {`{}`, `{finalizers: [a, a]}`, `failed to convert patch object to typed object: .finalizers: duplicate entries for key [="a"]`},
		"unknown":        {`{}`, `{foo: 1}`, `failed to convert patch object to typed object: .foo: field not declared in schema`},
		"atomic map":     {`{selector: {a: b}}`, `{selector: {c: d}}`, `invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .selector`},
		"two atomics":    {`{}`, `{selector: {c: d}, args: [x]}`, `invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .args, .selector`},
		"empty atomic":   {`{args: [x]}`, `{args: []}`, `invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .args`},
		"a null":         {`{args: [x]}`, `{args: null}`, `{"args":null}`},
		"wrong live":     {`{replicas: x}`, `{image: a}`, `failed to convert original object to typed object: .replicas: expected numeric (int or float), got string`},
	} {
		live, config := parsed(t, c.live), parsed(t, c.config)
		was := string(tree.AppendJSON(nil, live))
		got, err := Configure(live, config, s)
		text := string(tree.AppendJSON(nil, got))
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, c.want)
		}
		if now := string(tree.AppendJSON(nil, live)); now != was {
			t.Errorf("%s: live was changed: %s", name, now)
		}
	}
}

// TestConfigureKinds: upstream's scenarios of deployments (policy/mutating/patch/smd_test.go), whose types are ours.
func TestConfigureKinds(t *testing.T) {
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := table.Kind("apps", "v1", "Deployment").Type().Owned()
	for name, c := range map[string]struct{ live, config, want string }{
		"add to a list": {`{spec: {template: {spec: {volumes: [{name: x}]}}}}`, `{spec: {template: {spec: {volumes: [{name: "y"}]}}}}`,
			`{"spec":{"template":{"spec":{"volumes":[{"name":"x"},{"name":"y"}]}}}}`},
		"an item of a list": {`{spec: {template: {spec: {volumes: [{name: x}, {name: "y"}]}}}}`, `{spec: {template: {spec: {volumes: [{name: "y", hostPath: {path: a}}]}}}}`,
			`{"spec":{"template":{"spec":{"volumes":[{"name":"x"},{"hostPath":{"path":"a"},"name":"y"}]}}}}`},
		"a whole": {`{spec: {}}`, `{spec: {replicas: 1, template: {metadata: {labels: {app: nginx}}, spec: {containers: [{name: nginx, image: "nginx:1", ports: [{containerPort: 80}], resources: {limits: {cpu: 128M}}}]}}}}`,
			`{"spec":{"replicas":1,"template":{"metadata":{"labels":{"app":"nginx"}},"spec":{"containers":[{"image":"nginx:1","name":"nginx","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"128M"}}}]}}}}`},
		"atomic": {`{spec: {replicas: 1}}`, `{spec: {selector: {matchLabels: {l: v}}}}`,
			`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector`},
		"atomic in a list": {`{}`, `{spec: {template: {spec: {containers: [{name: a, args: [x]}]}}}}`,
			`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.containers[0].args`},
		"unknown": {`{spec: {replicas: 1}}`, `{spec: {replicasx: 1}}`,
			`failed to convert patch object to typed object: .spec.replicasx: field not declared in schema`},
		"twins that stay": {`{spec: {replicas: 1, template: {spec: {containers: [{name: nginx, env: [{name: test, value: a}, {name: test, value: b}]}]}}}}`, `{spec: {replicas: 3}}`,
			`{"spec":{"replicas":3,"template":{"spec":{"containers":[{"env":[{"name":"test","value":"a"},{"name":"test","value":"b"}],"name":"nginx"}]}}}}`},
		"twins that go": {`{spec: {template: {spec: {containers: [{name: nginx, env: [{name: test, value: a}, {name: test, value: b}, {name: foo, value: bar}]}]}}}}`,
			`{spec: {template: {spec: {containers: [{name: nginx, env: [{name: test, value: c}]}]}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"test","value":"c"},{"name":"foo","value":"bar"}],"name":"nginx"}]}}}}`},
	} {
		got, err := Configure(parsed(t, c.live), parsed(t, c.config), s)
		text := string(tree.AppendJSON(nil, got))
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, c.want)
		}
	}
}

// TestConfigureBound: a long name above many atomic values does not make an answer of gigabytes.
func TestConfigureBound(t *testing.T) {
	long := strings.Repeat("x", 1<<19)
	text := "types:\n- name: t\n  map: {fields: [{name: " + long + ", type: {list: {elementRelationship: atomic, elementType: {list: {elementRelationship: atomic, elementType: {scalar: string}}}}}}]}\n"
	schema, err := fieldsettest.Schema(parsed(t, text), "t")
	if err != nil {
		t.Fatal(err)
	}
	items := make([]any, 100_000)
	for i := range items {
		items[i] = []any{}
	}
	begun := time.Now()
	_, err = Configure(map[string]any{}, map[string]any{long: items}, schema)
	if err == nil || len(err.Error()) > 4<<20 {
		t.Errorf("%d bytes", len(err.Error()))
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Error(took)
	}
}
