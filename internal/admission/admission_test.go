package admission

import (
	"context"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api"
)

// TestNew: what upstream's flags name is on or off, and what it does not know is an error.
func TestNew(t *testing.T) {
	for _, c := range []struct {
		enabled, disabled string
		on, off, wrong    string
	}{
		{on: "Priority ResourceQuota PodSecurity NamespaceLifecycle MutatingAdmissionWebhook", off: "AlwaysDeny NodeRestriction"},
		{enabled: "NodeRestriction Priority", on: "NodeRestriction Priority"},
		{disabled: "Priority AlwaysDeny", on: "ServiceAccount", off: "Priority AlwaysDeny"},
		{enabled: "Priorities", wrong: "admission plugin Priorities is unknown"},
		{disabled: "priority", wrong: "admission plugin priority is unknown"},
		{enabled: "Priority", disabled: "Priority", wrong: "admission plugin Priority is both enabled and disabled"},
	} {
		chain, err := New(Config{Enabled: strings.Fields(c.enabled), Disabled: strings.Fields(c.disabled)})
		if c.wrong != "" {
			if err == nil || err.Error() != c.wrong {
				t.Errorf("+%s -%s: %v, want %s", c.enabled, c.disabled, err, c.wrong)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(c.on) {
			if !chain.On(name) {
				t.Errorf("+%s -%s: %s is off", c.enabled, c.disabled, name)
			}
		}
		for name := range strings.FieldsSeq(c.off) {
			if chain.On(name) {
				t.Errorf("+%s -%s: %s is on", c.enabled, c.disabled, name)
			}
		}
	}
}

// TestRows: each row says what it does or why it does nothing, and its acts can be read.
func TestRows(t *testing.T) {
	for _, p := range plugins {
		if (p.does == "") == (p.why == "") || (p.does == "") != (len(p.acts) == 0) {
			t.Errorf("%s does %q, or not: %q, in %d acts", p.name, p.does, p.why, len(p.acts))
		}
		for _, x := range p.acts {
			for op := range strings.FieldsSeq(x.operations) {
				if !slices.Contains([]string{"CREATE", "UPDATE", "DELETE"}, op) {
					t.Errorf("%s: operation %q", p.name, op)
				}
			}
			if (x.resources == "" || x.operations == "") && p.party == nil {
				t.Errorf("%s: an act on %q at %q", p.name, x.resources, x.operations)
			}
		}
	}
	if got := Idle([]string{"Priority", "NodeRestriction", "MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ResourceQuota"}); !slices.Equal(got, []string{"NodeRestriction"}) {
		t.Errorf("idle are %q", got)
	}
	if names := Names(); len(names) != len(plugins) || names[2] != "NamespaceLifecycle" || names[len(names)-1] != "AlwaysDeny" {
		t.Errorf("%q", names)
	}
}

// TestActing: who would be asked about a write, in upstream's order.
func TestActing(t *testing.T) {
	chain, err := New(Config{Disabled: []string{"RuntimeClass"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ resource, subresource, operation, want string }{
		{"pods", "", "CREATE", "NamespaceLifecycle LimitRanger ServiceAccount PodSecurity Priority DefaultTolerationSeconds PodTopologyLabels ResourceQuota"},
		{"pods", "", "UPDATE", "PodSecurity Priority DefaultTolerationSeconds ResourceQuota"},
		{"pods", "status", "UPDATE", ""},
		{"pods", "resize", "UPDATE", "LimitRanger PodSecurity PodResizeValidator ResourceQuota"},
		{"pods", "", "DELETE", ""},
		{"configmaps", "", "CREATE", "NamespaceLifecycle ResourceQuota"},
		{"configmaps", "", "UPDATE", ""},
		{"nodes", "", "CREATE", "TaintNodesByCondition"},
		{"namespaces", "", "CREATE", "PodSecurity"},
		{"namespaces", "", "DELETE", "NamespaceLifecycle"},
		{"deployments.apps", "", "UPDATE", "PodSecurity"},
		{"deployments.example.com", "", "UPDATE", ""},
	} {
		if got := strings.Join(chain.Acting(resourceOf(c.resource).Row, c.subresource, c.operation), " "); got != c.want {
			t.Errorf("%s of %s/%s: %s, want %s", c.operation, c.resource, c.subresource, got, c.want)
		}
	}
	states := chain.States()
	if len(states) != len(plugins) || states[2].Name != "NamespaceLifecycle" || !states[2].On || states[0].On || states[0].Why == "" {
		t.Errorf("%+v", states)
	}
}

// TestUnasked: a resource that no plugin names has nobody in either phase, and most have nobody who
// changes them.
func TestUnasked(t *testing.T) {
	chain, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if who := chain.For(resourceOf("clusterthings.example.com")); who.Wants(api.Mutating, "", api.OperationCreate) {
		t.Error("somebody changes a thing")
	}
	who := chain.For(resourceOf("configmaps"))
	for _, op := range []string{api.OperationCreate, api.OperationUpdate, api.OperationDelete} {
		if who.Wants(api.Mutating, "", op) || who.Wants(api.Validating, "", op) != (op == api.OperationCreate) || who.Wants(api.Validating, "status", op) {
			t.Errorf("asked about a %s of a config map", op)
		}
	}
	cluster := resourceOf("nodes")
	cluster.Plural = "things"
	if who := chain.For(cluster); who.Wants != nil || who.Ask != nil {
		t.Error("asked about a thing of the cluster")
	}
}

// BenchmarkUnlimited: what the quota costs a new config map in a namespace without one.
func BenchmarkUnlimited(b *testing.B) {
	k := newAsked(b, Config{})
	ask := k.chain.For(resourceOf("configmaps")).Ask
	a := api.Admission{Phase: api.Validating, Operation: api.OperationCreate, Resource: resourceOf("configmaps"), Namespace: "ns", Object: map[string]any{}}
	b.ReportAllocs()
	for b.Loop() {
		if err := ask(context.Background(), a); err != nil {
			b.Fatal(err)
		}
	}
}
