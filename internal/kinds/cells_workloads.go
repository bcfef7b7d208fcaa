package kinds

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"apichain/internal/tree"
)

// The cells of jobs, cron jobs, revisions and autoscalers, in upstream's words.
//
//	job        STATUS  Complete   COMPLETIONS  3/3       DURATION  12s
//	job        STATUS  Running    COMPLETIONS  0/1 of 4  DURATION  3s
//	autoscaler TARGETS cpu: 63%/80%, 12k/10k (avg) + 1 more...

// workloadCell returns the cell of that name, or nil if there is none.
func workloadCell(name string) func(map[string]any) any {
	switch name {
	case "jobStatus":
		return jobStatus
	case "jobCompletions":
		return jobCompletions
	case "jobDuration":
		return func(obj map[string]any) any { return jobDuration(obj, time.Now()) }
	case "cronSuspend":
		return cronSuspend
	case "revisionController":
		return revisionController
	case "scaleMetrics":
		return scaleMetrics
	}
	return nil
}

// jobStatus returns how a job is, in a word. That it is going away counts for less than its end, and
// for more than what it is about to do.
func jobStatus(obj map[string]any) any {
	is := func(typ string) bool { return tree.Text(statusCondition(obj, typ), "status") == "True" }
	switch {
	case is("Complete"):
		return "Complete"
	case is("Failed"):
		return "Failed"
	case tree.At(obj, "metadata", "deletionTimestamp") != nil:
		return "Terminating"
	}
	// At most one of these is of interest: what is suspended does nothing, and the others are about to
	// end.
	for _, typ := range []string{"Suspended", "FailureTarget", "SuccessCriteriaMet"} {
		if is(typ) {
			return typ
		}
	}
	return "Running"
}

// jobCompletions returns how many pods have succeeded, of how many: of one where any will do, with
// the number of those that run at a time.
func jobCompletions(obj map[string]any) any {
	done, wanted := number(obj, "status", "succeeded"), tree.At(obj, "spec", "completions")
	if n, ok := wanted.(int64); ok {
		return ratio(done, n)
	}
	// Several pods work on one queue, and the success of any of them is the job's.
	if parallel := number(obj, "spec", "parallelism"); parallel > 1 {
		return ratio(done, 1) + " of " + strconv.FormatInt(parallel, 10)
	}
	return ratio(done, 1)
}

// jobDuration returns how long a job took, or has taken until now; "" for one that has not begun.
// now is a parameter so that a test can choose it.
func jobDuration(obj map[string]any, now time.Time) any {
	begin, err := time.Parse(time.RFC3339, tree.Text(obj, "status", "startTime"))
	if err != nil {
		return ""
	}
	// A job that has failed has no time of completion, and its duration goes on (upstream).
	if end, err := time.Parse(time.RFC3339, tree.Text(obj, "status", "completionTime")); err == nil {
		now = end
	}
	return HumanDuration(now.Sub(begin))
}

// cronSuspend returns whether a cron job is suspended, as text although the column is of booleans.
func cronSuspend(obj map[string]any) any {
	switch tree.At(obj, "spec", "suspend") {
	case true:
		return "True"
	case false:
		return "False"
	}
	return "<unset>"
}

// revisionController returns the kind and name of the object that controls a revision.
// It is that of a stateful set or a daemon set; one whose owner is gone has none.
func revisionController(obj map[string]any) any {
	for _, owner := range tree.List(obj, "metadata", "ownerReferences") {
		if !tree.True(tree.At(owner, "controller")) {
			continue
		}
		// The core group has no slash in its version, and adds nothing.
		kind := tree.Text(owner, "kind")
		if group, _, ok := strings.Cut(tree.Text(owner, "apiVersion"), "/"); ok {
			kind += "." + group
		}
		return strings.ToLower(kind) + "/" + tree.Text(owner, "name")
	}
	return "<none>"
}

// scaleMetrics returns the first metrics of an autoscaler, each with what it is and what it should be.
func scaleMetrics(obj map[string]any) any {
	const shown = 2
	specs, measured := tree.List(obj, "spec", "metrics"), tree.List(obj, "status", "currentMetrics")
	var list []string
	for i, spec := range specs[:min(len(specs), shown)] {
		// Measurements are matched by place, as the controller writes them; there may be none yet.
		var now any
		if i < len(measured) {
			now = measured[i]
		}
		list = append(list, metricText(spec, now))
	}
	if len(list) == 0 {
		return "<none>"
	}
	text := strings.Join(list, ", ")
	if len(specs) > shown {
		text = fmt.Sprintf("%s + %d more...", text, len(specs)-shown)
	}
	return text
}

// metricText returns a metric as measured, and as it should be.
// measured is nil for a metric that nobody has measured yet.
func metricText(spec, measured any) string {
	typ := tree.Text(spec, "type")
	switch typ {
	case "External", "Object", "Pods", "Resource", "ContainerResource":
	default:
		return "<unknown type>"
	}
	// The source is in the field that has the name of the type.
	source := strings.ToLower(typ[:1]) + typ[1:]
	target, now := tree.Object(spec, source, "target"), tree.Object(measured, source, "current")
	of, average, name := "value", target["averageValue"] != nil, tree.Text(spec, source, "name")
	// Pods are always averaged; the others may be, and then the field is another one.
	if average || typ == "Pods" {
		of = "averageValue"
	}
	current := "<unknown>"
	if tree.Object(measured, source) != nil {
		current = quantityText(now[of])
	}
	switch {
	case name != "" && !average:
		return name + ": " + percent(now, "<unknown>") + "/" + percent(target, "<auto>")
	case name != "":
		return name + ": " + current + "/" + quantityText(target[of])
	case average && typ != "Pods":
		// Only these two do not ask for an average that was not measured.
		if now["averageValue"] == nil {
			current = "<unknown>"
		}
		return current + "/" + quantityText(target[of]) + " (avg)"
	}
	return current + "/" + quantityText(target[of])
}

// quantityText returns a quantity, which may be absent in what was measured.
// The text for nothing is that of Go's for a nil pointer, which upstream prints as it is.
func quantityText(v any) string {
	if v == nil {
		return "<nil>"
	}
	return cellText(v)
}

// percent returns the utilization of a target or a measurement, or absent where it has none.
func percent(of map[string]any, absent string) string {
	if n, ok := of["averageUtilization"].(int64); ok {
		return strconv.FormatInt(n, 10) + "%"
	}
	return absent
}
