package kinds

import (
	"bytes"
	"maps"
	"strings"

	"apichain/internal/tree"
)

// The two shapes of a HorizontalPodAutoscaler. It is stored as that of autoscaling/v2, which scales by
// any number of metrics; that of v1 knows one, the use of the processor, by a number of its own:
//
//	v1  {"spec":{"targetCPUUtilizationPercentage":80}}
//	v2  {"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu",
//	    "target":{"type":"Utilization","averageUtilization":80}}}]}}
//
// and the same for what is measured, in status. All else that v2 has, a client of v1 sees as JSON in
// annotations, in shapes that v2 once had, and sends back in them; an annotation that is no such JSON
// is dropped. The text of an annotation is upstream's to the letter, down to the order of the fields.
//
// The way there and back is not without loss: what v1 writes in its number and v2 in a metric of the
// processor is one and the same, so a second such metric is gone once a client of v1 has written.

// conversion returns what brings objects of a kind into the shape in which they are stored beyond
// other names of fields, and back; nil for a kind that needs no more.
func (k *Row) conversion() (to, from func(map[string]any)) {
	// v1 is the one version of the group that is stored as another.
	if k.Group == "autoscaling" && k.StoredAs != "" {
		return k.scalerToV2, scalerToV1
	}
	return nil, nil
}

// The annotations, and two that only older versions wrote.
const (
	scalerPrefix     = "autoscaling.alpha.kubernetes.io/"
	scalerMetrics    = scalerPrefix + "metrics"
	scalerCurrent    = scalerPrefix + "current-metrics"
	scalerConditions = scalerPrefix + "conditions"
	scalerBehavior   = scalerPrefix + "behavior"
)

// ScalerAnnotations are the annotations that a client of v1 has fields of v2 in, by the part of the object that
// has the fields; objects of v2 have none of them.
func ScalerAnnotations() (spec, status []string) {
	return []string{scalerMetrics, scalerBehavior, scalerPrefix + "scale-down-tolerance", scalerPrefix + "scale-up-tolerance"},
		[]string{scalerCurrent, scalerConditions}
}

// DropScalerAnnotations takes them out of an object.
func DropScalerAnnotations(obj map[string]any) {
	annotations := tree.Object(obj, "metadata", "annotations")
	if annotations == nil {
		return
	}
	spec, status := ScalerAnnotations()
	for _, name := range append(spec, status...) {
		delete(annotations, name)
	}
	// An empty map is absent in upstream's JSON.
	if len(annotations) == 0 {
		delete(tree.Metadata(obj), "annotations")
	}
}

// metricField is a field of a metric in its older shape, the path that has it in v2, and what upstream
// writes where it is not there, nil for nothing.
type metricField struct {
	name string
	path []string
	zero any
}

// metricSource is a member of a metric, and its fields in their order.
type metricSource struct {
	source string
	fields []metricField
}

// olderMetrics are the fields of the sources of metrics in their older shape, in their order.
// It is data, like the rows of the kinds; nothing writes to it.
var olderMetrics = []metricSource{
	{"object", []metricField{{"target", []string{"describedObject"}, nil}, metricName, {"targetValue", []string{"target", "value"}, "0"},
		{"selector", metricSelector, nil}, {"averageValue", []string{"target", "averageValue"}, nil}}},
	{"pods", []metricField{metricName, {"targetAverageValue", []string{"target", "averageValue"}, "0"}, {"selector", metricSelector, nil}}},
	{"resource", resourceMetric},
	{"containerResource", append(resourceMetric[:3:3], metricField{"container", []string{"container"}, ""})},
	{"external", []metricField{metricName, {"metricSelector", metricSelector, nil}, {"targetValue", []string{"target", "value"}, nil},
		{"targetAverageValue", []string{"target", "averageValue"}, nil}}},
}

// olderStatuses are the same of what is measured.
var olderStatuses = []metricSource{
	{"object", []metricField{{"target", []string{"describedObject"}, nil}, metricName, {"currentValue", []string{"current", "value"}, "0"},
		{"selector", metricSelector, nil}, {"averageValue", []string{"current", "averageValue"}, nil}}},
	{"pods", []metricField{metricName, {"currentAverageValue", []string{"current", "averageValue"}, "0"}, {"selector", metricSelector, nil}}},
	{"resource", resourceStatus},
	{"containerResource", append(resourceStatus[:3:3], metricField{"container", []string{"container"}, ""})},
	{"external", []metricField{metricName, {"metricSelector", metricSelector, nil}, {"currentValue", []string{"current", "value"}, "0"},
		{"currentAverageValue", []string{"current", "averageValue"}, nil}}},
}

// The fields that several sources have.
var (
	metricSelector = []string{"metric", "selector"}
	metricName     = metricField{"metricName", []string{"metric", "name"}, ""}
	resourceMetric = []metricField{{"name", []string{"name"}, ""},
		{"targetAverageUtilization", []string{"target", "averageUtilization"}, nil},
		{"targetAverageValue", []string{"target", "averageValue"}, nil}}
	resourceStatus = []metricField{{"name", []string{"name"}, ""},
		{"currentAverageUtilization", []string{"current", "averageUtilization"}, nil},
		{"currentAverageValue", []string{"current", "averageValue"}, "0"}}
)

// scalerToV2 makes metrics of the number of a v1 scaler and of its annotations. One without either scales
// at 80 % (upstream).
func (k *Row) scalerToV2(obj map[string]any) {
	annotations := tree.Object(obj, "metadata", "annotations")
	// What is no JSON is nil, in which nothing is found.
	read := func(name string) any {
		v, _, _ := tree.ParseJSON([]byte(tree.Text(annotations, name)))
		return v
	}
	stored := k.stored.Type()
	// The number comes last: upstream appends it to those of the annotation, and clients see that order in
	// v2.
	if spec, ok := obj["spec"].(map[string]any); ok {
		var metrics []any
		for _, m := range tree.List(read(scalerMetrics)) {
			metrics = append(metrics, newerMetric(m))
		}
		if n := takeMember(spec, "targetCPUUtilizationPercentage"); n != nil {
			metrics = append(metrics, cpuMetric("target", n))
		}
		setParsed(stored, spec, "spec", "metrics", metrics)
		// Upstream sets this default in the conversion, where it has the metrics of the annotation, too.
		if len(tree.List(spec, "metrics")) == 0 {
			spec["metrics"] = []any{cpuMetric("target", int64(80))}
		}
		if b, ok := lowerNames(read(scalerBehavior)).(map[string]any); ok && len(b) > 0 {
			setParsed(stored, spec, "spec", "behavior", b)
		}
	}
	if status, ok := obj["status"].(map[string]any); ok {
		if status["currentReplicas"] == int64(0) { // which v2 leaves out
			delete(status, "currentReplicas")
		}
		n := takeMember(status, "currentCPUUtilizationPercentage")
		var current []any
		for _, m := range tree.List(read(scalerCurrent)) {
			current = append(current, newerShape(m, olderStatuses))
		}
		// The annotation has all that was measured, the processor's use among it, so that the number would
		// be a second one.
		if current == nil && n != nil {
			current = []any{cpuMetric("current", n)}
		}
		setParsed(stored, status, "status", "currentMetrics", current)
		if list := tree.List(read(scalerConditions)); list != nil {
			setParsed(stored, status, "status", "conditions", list)
		}
	}
	DropScalerAnnotations(obj)
}

// setParsed sets a field of obj, which is the part of a stored scaler, to a value that came as text, if the
// type of the field allows it, and nothing otherwise.
// The annotation is text from a client, and may hold anything: what its type does not allow is left out.
func setParsed(stored *Type, obj map[string]any, part, name string, value any) {
	if list, ok := value.([]any); ok && len(list) == 0 {
		return
	}
	typ := stored.ByName[part].Message
	// Pruning a part by its type is what a request's body goes through, too.
	trial := map[string]any{name: value}
	if _, err := Prune(typ, trial); err == nil && trial[name] != nil {
		obj[name] = trial[name]
	}
}

// cpuMetric returns the metric, or what is measured of it, that v1 has a number for.
func cpuMetric(part string, n any) map[string]any {
	values := map[string]any{"averageUtilization": n}
	if part == "target" {
		values["type"] = "Utilization"
	}
	return map[string]any{"type": "Resource", "resource": map[string]any{"name": "cpu", part: values}}
}

// newerMetric returns a metric of the older shape in that of v2, which says what sort of value it aims at.
// A target of an object or of external numbers is a value unless it is an average; pods have averages
// only.
func newerMetric(m any) any {
	newer := newerShape(m, olderMetrics)
	for _, s := range olderMetrics {
		source := tree.Object(newer, s.source)
		target := tree.Object(source, "target")
		// Nothing is made of a source that is not there.
		if source == nil {
			continue
		}
		// The older shape had no types of targets; which field has the number says it.
		typ := "AverageValue"
		switch {
		case s.source == "object" && target["averageValue"] == nil, s.source == "external" && target["value"] != nil:
			typ = "Value"
		case s.source == "object" && target["value"] == "0":
			delete(target, "value")
		case (s.source == "resource" || s.source == "containerResource") && target["averageUtilization"] != nil:
			typ = "Utilization"
		}
		tree.Set(source, typ, "target", "type")
	}
	return newer
}

// newerShape returns a metric with its fields where v2 has them.
// shapes are those of metrics, or of what is measured. A source that v2 does not know is left out.
func newerShape(m any, shapes []metricSource) any {
	newer := map[string]any{"type": tree.At(m, "type")}
	for _, s := range shapes {
		if old, ok := tree.At(m, s.source).(map[string]any); ok {
			source := map[string]any{}
			for _, f := range s.fields {
				v := old[f.name]
				// Fields of the older shape that are no pointers have their zero value when they are
				// absent.
				if v == nil {
					v = f.zero
				}
				if v != nil {
					tree.Set(source, v, f.path...)
				}
			}
			newer[s.source] = source
		}
	}
	return newer
}

// scalerToV1 makes a number of the metrics of a v2 scaler, and annotations of all that v1 does not have.
func scalerToV1(obj map[string]any) {
	notes := map[string]any{}
	note := func(name string, value any) { notes[name] = string(escapeHTML(appendOrdered(nil, value))) }
	if spec, ok := obj["spec"].(map[string]any); ok {
		var others []any
		for _, m := range tree.List(takeMember(spec, "metrics")) {
			// The first one becomes the number. Another one has no place: upstream drops it.
			n := cpuUse(m, "target")
			if n != nil && spec["targetCPUUtilizationPercentage"] == nil {
				spec["targetCPUUtilizationPercentage"] = n
			}
			if n == nil {
				others = append(others, olderShape(m, olderMetrics))
			}
		}
		if others != nil {
			note(scalerMetrics, others)
		}
		if b := takeMember(spec, "behavior"); b != nil {
			note(scalerBehavior, internalBehavior(b))
		}
	}
	if status, ok := obj["status"].(map[string]any); ok {
		var current []any
		for _, m := range tree.List(takeMember(status, "currentMetrics")) {
			// Of what is measured the number is one more copy: the annotation has it, too.
			if n := cpuUse(m, "current"); n != nil {
				status["currentCPUUtilizationPercentage"] = n
			}
			current = append(current, olderShape(m, olderStatuses))
		}
		if current != nil {
			note(scalerCurrent, current)
		}
		var conditions []any
		for _, c := range tree.List(takeMember(status, "conditions")) {
			conditions = append(conditions, inOrder(c, "type", "status", "lastTransitionTime!", "reason", "message", "observedGeneration"))
		}
		if conditions != nil {
			note(scalerConditions, conditions)
		}
		if status["currentReplicas"] == nil { // which v2 leaves out
			status["currentReplicas"] = int64(0)
		}
	}
	if len(notes) > 0 {
		// A copy: the map may be that of a stored object, which is not to change.
		all := maps.Clone(tree.Object(obj, "metadata", "annotations"))
		maps.Copy(notes, all)
		tree.Set(obj, notes, "metadata", "annotations")
	}
}

// cpuUse returns the use of the processor that a metric aims at, or that was measured, nil for another one.
// The name of the resource and the field both count: cpu by averageValue is not what v1 has a number for.
func cpuUse(m any, part string) any {
	if tree.Text(m, "type") != "Resource" || tree.Text(m, "resource", "name") != "cpu" {
		return nil
	}
	return tree.At(m, "resource", part, "averageUtilization")
}

// olderShape returns a metric of v2 in its older shape.
// It is newerShape the other way, with the members in upstream's order of fields.
func olderShape(m any, shapes []metricSource) ordered {
	older := ordered{{"type", tree.At(m, "type")}}
	for _, s := range shapes {
		source, ok := tree.At(m, s.source).(map[string]any)
		if !ok {
			continue
		}
		var fields ordered
		for _, f := range s.fields {
			v := tree.At(source, f.path...)
			// A reference and a selector are structs with an order of fields of their own.
			switch {
			case f.name == "target":
				v = inOrder(v, "kind!", "name!", "apiVersion")
			case v == nil:
				v = f.zero
			case strings.EqualFold(f.path[len(f.path)-1], "selector"):
				v = inOrder(v, "matchLabels", "matchExpressions")
			}
			if v != nil {
				fields = append(fields, member{f.name, v})
			}
		}
		older = append(older, member{s.source, fields})
	}
	return older
}

// internalBehavior returns a behavior as upstream's own type without names for JSON is written.
// Upstream marshals its internal type here, and stays with it since annotations have been stored so; a
// direction that is absent is null.
func internalBehavior(b any) ordered {
	var all ordered
	for _, direction := range [...]string{"scaleUp", "scaleDown"} {
		rules, ok := tree.At(b, direction).(map[string]any)
		// A pointer to nothing is written as null, under its name.
		if !ok {
			all = append(all, member{upperName(direction), nil})
			continue
		}
		var policies []any
		for _, p := range tree.List(rules, "policies") {
			policies = append(policies, ordered{
				{"Type", tree.At(p, "type")}, {"Value", tree.At(p, "value")}, {"PeriodSeconds", tree.At(p, "periodSeconds")},
			})
		}
		// A list in an interface is not nil even if it has none; null is what Go writes of a nil one.
		list := any(policies)
		if policies == nil {
			list = nil
		}
		all = append(all, member{upperName(direction), ordered{
			{"StabilizationWindowSeconds", rules["stabilizationWindowSeconds"]}, {"SelectPolicy", rules["selectPolicy"]},
			{"Policies", list}, {"Tolerance", rules["tolerance"]},
		}})
	}
	return all
}

// upperName returns a name with a capital letter.
func upperName(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// lowerNames returns a value with the names of all fields in it in lower case at their beginning.
// Upstream reads names in any case, so that a behavior written by hand may have either; here both become
// the one.
func lowerNames(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for name, e := range v {
			if name != "" && e != nil {
				o[strings.ToLower(name[:1])+name[1:]] = lowerNames(e)
			}
		}
		return o
	case []any:
		for i := range v {
			v[i] = lowerNames(v[i])
		}
	}
	return v
}

// ordered is an object whose members have an order.
// Go writes structs in the order of their fields, and annotations are compared as texts.
type ordered []member

// member is a member of an object.
type member struct {
	name  string
	value any
}

// inOrder returns an object with the members of the names, in their order. One with a ! behind its name is
// there in any case, as null or an empty text.
// v may be nil, of which every member is absent.
func inOrder(v any, names ...string) ordered {
	o := ordered{}
	for _, name := range names {
		name, always := strings.CutSuffix(name, "!")
		value := tree.At(v, name)
		// A time that is absent is null in Go's JSON, a text is empty.
		if value == nil && always && name != "lastTransitionTime" {
			value = ""
		}
		if value != nil || always {
			o = append(o, member{name, value})
		}
	}
	return o
}

// appendOrdered appends a value as JSON.
// tree.AppendJSON sorts the members of maps, which is what encoding/json does with maps, too.
func appendOrdered(b []byte, v any) []byte {
	switch v := v.(type) {
	case ordered:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(tree.AppendJSON(b, m.name), ':')
			b = appendOrdered(b, m.value)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendOrdered(b, e)
		}
		return append(b, ']')
	}
	return tree.AppendJSON(b, v)
}

// escapeHTML escapes what encoding/json does.
// The signs can be in texts only, so that replacing them in the whole is enough.
func escapeHTML(b []byte) []byte {
	for _, c := range [...][2]string{{"<", `\u003c`}, {">", `\u003e`}, {"&", `\u0026`}} {
		b = bytes.ReplaceAll(b, []byte(c[0]), []byte(c[1]))
	}
	return b
}

// takeMember removes a member of obj and returns its value, nil if it is not there.
func takeMember(obj map[string]any, name string) any {
	v := obj[name]
	delete(obj, name)
	return v
}
