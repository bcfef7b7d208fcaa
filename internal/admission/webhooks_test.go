package admission

import (
	"context"
	"errors"
	"slices"
	"testing"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// hooks are a Party that says what they were asked.
type hooks struct {
	asked   []string
	wants   bool
	changes bool
	refuses error
}

func (h *hooks) Wants(api.Phase, *api.Resource, string, string) bool { return h.wants }

// class returns the priority of a pod, which a plugin sets before webhooks are asked.
func class(a api.Admission) string { return text(tree.At(a.Object, "spec", "priority")) }

func (h *hooks) Mutate(_ context.Context, a api.Admission) (api.Admit, bool, error) {
	h.asked = append(h.asked, "mutate "+class(a))
	if !h.changes || h.refuses != nil {
		return nil, false, h.refuses
	}
	delete(tree.Object(a.Object, "spec"), "priority")
	return func(_ context.Context, a api.Admission) error {
		h.asked = append(h.asked, "again "+class(a))
		return nil
	}, true, nil
}

func (h *hooks) Validate(context.Context, api.Admission) error {
	h.asked = append(h.asked, "validate")
	return h.refuses
}

// TestWebhooksAmongPlugins: webhooks are asked behind the plugins that change an object, and once more behind all of them if they
// have; before the quota, which counts for good; and not at all where they are off.
func TestWebhooksAmongPlugins(t *testing.T) {
	for _, c := range []struct {
		what     string
		hooks    hooks
		disabled []string
		want     []string
		refusal  string
	}{
		{"nobody wants to know", hooks{}, nil, nil, ""},
		{"nothing changes", hooks{wants: true}, nil, []string{"mutate 0", "validate"}, ""},
		{"they change it", hooks{wants: true, changes: true}, nil, []string{"mutate 0", "again 0", "validate"}, ""},
		{"they refuse it", hooks{wants: true, refuses: errors.New("no")}, nil, []string{"mutate 0"}, "no"},
		{"one is off", hooks{wants: true}, []string{"MutatingAdmissionWebhook"}, []string{"validate"}, ""},
		{"both are", hooks{wants: true}, []string{"MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"}, nil, ""},
	} {
		h := c.hooks
		k := newAsked(t, Config{Disabled: append(c.disabled, "ServiceAccount"), Webhooks: &h})
		k.put(t, "namespaces", `{"metadata":{"name":"ns"}}`)
		if _, refusal := k.write("pods", pod(""), ""); refusal != c.refusal {
			t.Errorf("%s: %s", c.what, refusal)
		}
		if c.what != "nobody wants to know" && !slices.Equal(h.asked, c.want) {
			t.Errorf("%s: asked %q, want %q", c.what, h.asked, c.want)
		}
	}
	// A resource without plugins has them too.
	h := hooks{wants: true}
	k := newAsked(t, Config{Webhooks: &h})
	cluster := resourceOf("nodes")
	cluster.Plural = "things"
	who := k.chain.For(cluster)
	if who.Wants == nil || !who.Wants(api.Mutating, "", api.OperationDelete) || !who.Wants(api.Validating, "x", api.OperationConnect) {
		t.Error("nobody is asked about a thing of the cluster")
	}
	if h.wants = false; who.Wants(api.Validating, "", api.OperationCreate) {
		t.Error("somebody is asked who does not want to be")
	}
}
