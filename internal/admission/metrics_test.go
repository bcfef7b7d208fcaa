package admission

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/metrics"
)

// TestStepMetrics: how long a phase took is counted by phase, operation and outcome, where somebody was asked.
func TestStepMetrics(t *testing.T) {
	k := newAsked(t, Config{})
	k.write("pods", pod(""), "")
	k.write("pods", `{"metadata":{"name":"p","namespace":"ns"},"spec":{"priorityClassName":"none","containers":[]}}`, "")
	who := k.chain.For(resourceOf("configmaps"))
	if err := who.Ask(context.Background(), api.Admission{Phase: api.Validating, Operation: api.OperationCreate, Resource: resourceOf("configmaps"), Namespace: "ns", Object: map[string]any{}, Scope: k.writer}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := metrics.NewWriter(&out)
	k.chain.WriteMetrics(e)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.Contains(text, `apiserver_admission_step_admission_duration_seconds_count{operation="CREATE",rejected="false",type="validate"} 1`) ||
		!strings.Contains(text, `_count{operation="CREATE",rejected="true",type="admit"} 2`) || strings.Contains(text, "DELETE") {
		t.Error(text)
	}
}
