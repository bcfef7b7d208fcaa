package kinds

import (
	_ "embed"
	"strings"
	"testing"

	"apichain/internal/tree"
)

//go:embed testdata/scalers.txt
var scalerAnswers string

// TestScalerAnswers: what the real server shows of objects of one version in the other, to the letter of the
// annotations.
func TestScalerAnswers(t *testing.T) {
	table, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	row := table.Kind("autoscaling", "v1", "HorizontalPodAutoscaler")
	given, pairs := "", 0
	for line := range strings.Lines(scalerAnswers) {
		line = strings.TrimSuffix(line, "\n")
		convert := row.FromStored
		switch line[:2] {
		case "# ":
			continue
		case "< ":
			convert = row.ToStored
		case "> ":
		default:
			given = line
			continue
		}
		obj, want := parsedScaler(t, given), parsedScaler(t, line[2:])
		if convert(obj); !tree.Equal(obj, want) {
			t.Errorf("%s\n got %s\nwant %s", given, tree.AppendJSON(nil, obj), line[2:])
		}
		pairs++
	}
	if to, from := table.Kind("events.k8s.io", "v1", "Event").conversion(); to != nil || from != nil {
		t.Error("events are converted")
	}
	if pairs < 14 {
		t.Errorf("%d pairs", pairs)
	}
}

// parsedScaler returns the tree of an object, with a status as every object has one.
func parsedScaler(t *testing.T, text string) map[string]any {
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if obj["status"] == nil {
		obj["status"] = map[string]any{"currentReplicas": int64(0), "desiredReplicas": int64(0)}
	}
	return obj
}

// TestScalerRoundTrip: what v1 shows of the spec of an object of v2 is enough to have the same spec again.
func TestScalerRoundTrip(t *testing.T) {
	table, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	row, n := table.Kind("autoscaling", "v1", "HorizontalPodAutoscaler"), 0
	for line := range strings.Lines(scalerAnswers) {
		if !strings.Contains(line[:2], "{") || !strings.Contains(line, `"autoscaling/v2"`) || strings.Contains(line, `"averageUtilization":3}}}]`) {
			continue // two metrics of one sort change places
		}
		obj, want := parsedScaler(t, line), parsedScaler(t, line)
		row.FromStored(obj)
		row.ToStored(obj)
		sortMetrics(obj)
		if sortMetrics(want); !tree.Equal(obj["spec"], want["spec"]) || !tree.Equal(obj["metadata"], want["metadata"]) {
			t.Errorf("%s\n got %s", line, tree.AppendJSON(nil, obj))
		}
		n++
	}
	if n < 3 {
		t.Errorf("%d objects", n)
	}
}

// sortMetrics puts the metric of the processor's use behind the others, where a write in v1 puts it.
func sortMetrics(obj map[string]any) {
	var others, own []any
	for _, m := range tree.List(obj, "spec", "metrics") {
		if cpuUse(m, "target") != nil {
			own = append(own, m)
		} else {
			others = append(others, m)
		}
	}
	tree.Set(obj, append(others, own...), "spec", "metrics")
}
