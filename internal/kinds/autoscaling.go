package kinds

import "apichain/internal/tree"

// The two shapes of a HorizontalPodAutoscaler. It is stored as that of autoscaling/v2, which scales by
// any number of metrics; that of v1 knows one, the use of the processor, by a number of its own:
//
//	v1  {"spec":{"targetCPUUtilizationPercentage":80}}
//	v2  {"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu",
//	    "target":{"type":"Utilization","averageUtilization":80}}}]}}
//
// and the same for what is measured, in status.

// conversion returns what brings objects of a kind into the shape in which they are stored beyond
// other names of fields, and back; nil for a kind that needs no more.
func (k *Row) conversion() (to, from func(map[string]any)) {
	if k.Group == "autoscaling" && k.StoredAs != "" {
		return scalerToV2, scalerToV1
	}
	return nil, nil
}

// scalerToV2 makes metrics of the numbers of a v1 scaler. One without a number scales at 80 % (upstream).
func scalerToV2(obj map[string]any) {
	if spec, ok := obj["spec"].(map[string]any); ok {
		n := takeMember(spec, "targetCPUUtilizationPercentage")
		if n == nil {
			n = int64(80)
		}
		target := map[string]any{"type": "Utilization", "averageUtilization": n}
		spec["metrics"] = []any{map[string]any{"type": "Resource", "resource": map[string]any{"name": "cpu", "target": target}}}
	}
	if status, ok := obj["status"].(map[string]any); ok {
		if n := takeMember(status, "currentCPUUtilizationPercentage"); n != nil {
			current := map[string]any{"averageUtilization": n}
			status["currentMetrics"] = []any{map[string]any{"type": "Resource", "resource": map[string]any{"name": "cpu", "current": current}}}
		}
	}
}

// scalerToV1 makes numbers of the metrics of a v2 scaler, and leaves out what v1 does not have.
func scalerToV1(obj map[string]any) {
	if spec, ok := obj["spec"].(map[string]any); ok {
		moveCPU(spec, "metrics", "target", "targetCPUUtilizationPercentage")
		delete(spec, "behavior")
	}
	if status, ok := obj["status"].(map[string]any); ok {
		moveCPU(status, "currentMetrics", "current", "currentCPUUtilizationPercentage")
		delete(status, "conditions")
	}
}

// moveCPU moves the use of the processor, which is among the metrics under part, to a number.
func moveCPU(obj map[string]any, metrics, part, number string) {
	for _, m := range tree.List(obj, metrics) {
		n := tree.At(m, "resource", part, "averageUtilization")
		if tree.Text(m, "type") == "Resource" && tree.Text(m, "resource", "name") == "cpu" && n != nil {
			obj[number] = n
			break
		}
	}
	delete(obj, metrics)
}

// takeMember removes a member of obj and returns its value, nil if it is not there.
func takeMember(obj map[string]any, name string) any {
	v := obj[name]
	delete(obj, name)
	return v
}
