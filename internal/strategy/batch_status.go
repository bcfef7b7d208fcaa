package strategy

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The status of a Job, which controllers of others may write too (spec.managedBy): it must end as the
// Job controller's own does.
//
//	        ┌─► SuccessCriteriaMet ─► Complete   with completionTime
//	running ┤
//	        └─► FailureTarget ──────► Failed     and neither becomes the other
//
// A rule about a field is asked only where the write changes the field, so that a status which was
// wrong, or has become so by a change of the spec, does not stand in the way of other writes.

// jobIs reports whether a Job has a condition that is true.
// jobIs asks the object as it is in a write or in the store, which may have no status at all.
//
//go:noinline
func jobIs(job map[string]any, condition string) bool {
	return conditionStatus(job, condition) == "True"
}

// conditionStatus returns the status of a condition of an object, "" for one that it has not.
// Of several conditions of one type, which a status may have, one that is true counts.
func conditionStatus(obj map[string]any, condition string) string {
	found := ""
	for _, c := range tree.List(obj, "status", "conditions") {
		if tree.Text(c, "type") == condition && found != "True" {
			found = tree.Text(c, "status")
		}
	}
	return found
}

// jobFinished reports whether a Job is done, well or not.
func jobFinished(job map[string]any) bool { return jobIs(job, "Complete") || jobIs(job, "Failed") }

// jobStatus is a write of a Job's status, with what its rules ask again and again.
type jobStatus struct {
	*kinds.Visit
	now, was map[string]any // the statuses

	finished, complete, failed, failing, succeeding bool
	// Which of them the write changes.
	finishedChanged, completeChanged, failedChanged, failingChanged, succeedingChanged bool
}

// checkJobStatus is about a whole status.
// Upstream has a switch for each rule, all of which are computed from what the write changes; here each
// rule asks for itself. Errors come in upstream's order.
func checkJobStatus(v *kinds.Visit) {
	s := jobStatus{Visit: v, now: tree.Object(v.Root, "status"), was: tree.Object(v.OldRoot, "status")}
	s.finished, s.complete, s.failed = jobFinished(v.Root), jobIs(v.Root, "Complete"), jobIs(v.Root, "Failed")
	s.failing, s.succeeding = jobIs(v.Root, "FailureTarget"), jobIs(v.Root, "SuccessCriteriaMet")
	s.finishedChanged = s.finished != jobFinished(v.OldRoot)
	s.completeChanged, s.failedChanged = s.complete != jobIs(v.OldRoot, "Complete"), s.failed != jobIs(v.OldRoot, "Failed")
	s.failingChanged = s.failing != jobIs(v.OldRoot, "FailureTarget")
	s.succeedingChanged = s.succeeding != jobIs(v.OldRoot, "SuccessCriteriaMet")
	// Without conditions first: these must hold of any status.
	s.checkUncounted()
	s.checkConditions()
	s.checkTimes()
	s.checkCounters()
	s.checkIndexes()
	s.checkNoReturn()
}

// changed reports whether the write changes a field of the status.
// Absent and empty differ, as they do in what is stored.
//
//go:noinline
func (s *jobStatus) changed(name string) bool { return !tree.Equal(s.now[name], s.was[name]) }

// refuse adds an error about a field that shows its value, and refuseAll one about the conditions.
func (s *jobStatus) refuse(name, why string) { s.Add(field.Invalid("status."+name, s.now[name], why)) }

// Conditions are not shown, which are long and of which several are meant.
//
//go:noinline
func (s *jobStatus) refuseAll(why string) { s.Add(withoutValue("status.conditions", why)) }

// checkUncounted is about the pods that are done and not counted yet, each of which is named once.
// A uid that is in both lists is there twice as well: a pod ends in one way.
func (s *jobStatus) checkUncounted() {
	seen := map[string]bool{}
	for _, list := range [...]string{"succeeded", "failed"} {
		for i, uid := range tree.Strings(tree.List(s.now, "uncountedTerminatedPods", list)) {
			switch at := s.Path("status", "uncountedTerminatedPods", list, i); {
			case uid == "":
				s.Add(field.Invalid(at, uid, "must not be empty"))
			case seen[uid]:
				s.Add(field.Duplicate(at, uid))
			}
			seen[uid] = true
		}
	}
	// Once the end is said, nothing is left to be counted. Shown as Go's fields are named, which is how
	// upstream prints a type of its own.
	pods := tree.Object(s.now, "uncountedTerminatedPods")
	if (s.finishedChanged || s.changed("uncountedTerminatedPods")) && s.finished && len(pods) > 0 {
		shown := fmt.Sprintf(`{"Succeeded":%s,"Failed":%s}`, tree.AppendJSON(nil, pods["succeeded"]), tree.AppendJSON(nil, pods["failed"]))
		s.Add(field.Invalid("status.uncountedTerminatedPods", field.JSON(shown), "must be empty for finished job"))
	}
}

// checkConditions is about which conditions there may be together.
// Well and badly never go together, and each end is announced before it comes: first SuccessCriteriaMet
// or FailureTarget, while pods are still going, then Complete or Failed.
func (s *jobStatus) checkConditions() {
	if (s.completeChanged || s.failedChanged) && s.complete && s.failed {
		s.refuseAll("cannot set Complete=True and Failed=true conditions")
	}
	if (s.completeChanged || s.failingChanged) && s.complete && s.failing {
		s.refuseAll("cannot set Complete=True and FailureTarget=true conditions")
	}
	if (s.failedChanged || s.changed("failedIndexes")) && s.failed && !s.failing {
		s.refuseAll("cannot set Failed=True condition without the FailureTarget=true condition")
	}
	if (s.completeChanged || s.succeedingChanged) && s.complete && !s.succeeding {
		s.refuseAll("cannot set Complete=True condition without the SuccessCriteriaMet=true condition")
	}
	// Asked of every write, unlike those before.
	if s.succeeding && s.failed {
		s.refuseAll("cannot set SuccessCriteriaMet=True and Failed=true conditions")
	}
	if s.succeeding && s.failing {
		s.refuseAll("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
	}
	if tree.At(s.Root, "spec", "successPolicy") != nil && !s.succeeding && s.complete {
		s.refuseAll("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")
	}
}

// checkTimes is about when it began and ended.
// Only a Job that did its work has a time of completion; both times stay once they are set, but for one
// that was suspended and begins again.
func (s *jobStatus) checkTimes() {
	start, end := tree.Text(s.now, "startTime"), tree.Text(s.now, "completionTime")
	if s.completeChanged || s.changed("completionTime") {
		if end != "" && !s.complete {
			s.refuse("completionTime", "cannot set completionTime when there is no Complete=True condition")
		}
		if end == "" && s.complete {
			s.Add(field.Required("status.completionTime", "completionTime is required for Complete jobs"))
		}
	}
	// Times are texts of one form, which sort as they are.
	if (s.changed("startTime") || s.changed("completionTime")) && start != "" && end != "" && end < start {
		s.refuse("completionTime", "must be equal to or after `startTime`")
	}
	spec := tree.Object(s.Root, "spec")
	// Nothing to do, and suspended: it is done without ever having begun.
	idle := spec["suspend"] == true && spec["completions"] == int64(0)
	if (s.finishedChanged || s.changed("startTime")) && !idle && start == "" && s.finished {
		s.Add(field.Required("status.startTime", "startTime is required for finished job"))
	}
	if was := tree.Text(s.was, "completionTime"); end != "" && was != "" && end != was {
		s.refuse("completionTime", "field is immutable")
	}
	// Its time begins anew with its deadline.
	resumes := jobIs(s.OldRoot, "Suspended") && conditionStatus(s.Root, "Suspended") == "False"
	if s.changed("startTime") && !resumes && tree.Text(s.was, "startTime") != "" && spec["suspend"] != true {
		s.refuse("startTime", "field is immutable for unsuspended job once set")
	}
}

// checkCounters is about how many pods there are, and have been.
// What has ended has ended: these two counters never fall.
func (s *jobStatus) checkCounters() {
	active := numberAt(s.now, "active")
	if (s.finishedChanged || s.changed("active")) && active > 0 && s.finished {
		s.refuse("active", "active>0 is invalid for finished job")
	}
	if (s.finishedChanged || s.changed("terminating")) && numberAt(s.now, "terminating") > 0 && s.finished {
		s.refuse("terminating", "terminating>0 is invalid for finished job")
	}
	// An older controller does not count them.
	if (s.changed("ready") || s.changed("active")) && s.now["ready"] != nil && numberAt(s.now, "ready") > active {
		s.refuse("ready", "cannot set more ready pods than active")
	}
	if numberAt(s.now, "failed") < numberAt(s.was, "failed") {
		s.refuse("failed", "cannot decrease the failed counter")
	}
	// An indexed Job all of which runs at once may be scaled down.
	spec := tree.Object(s.Root, "spec")
	scalable := spec["completionMode"] == indexedCompletion && tree.Equal(spec["completions"], spec["parallelism"])
	if !scalable && numberAt(s.now, "succeeded") < numberAt(s.was, "succeeded") {
		s.refuse("succeeded", "cannot decrease the succeeded counter")
	}
}

// checkIndexes is about which pods of an indexed Job are done.
// Both lists are texts like 0,2-5. No index is in both of them.
func (s *jobStatus) checkIndexes() {
	spec := tree.Object(s.Root, "spec")
	completions, counted := spec["completions"].(int64)
	completed := tree.Text(s.now, "completedIndexes")
	failed, hasFailed := s.now["failedIndexes"].(string)
	if s.changed("completedIndexes") {
		if _, err := countIndexes(completed, completions); err != nil && counted {
			s.refuse("completedIndexes", "error parsing completedIndexes: "+err.Error())
		}
		if completed != "" && spec["completionMode"] != indexedCompletion {
			s.refuse("completedIndexes", "cannot set non-empty completedIndexes when non-indexed completion mode")
		}
	}
	// Without a limit by index none fails by itself.
	limited := spec["backoffLimitPerIndex"] != nil
	if s.changed("failedIndexes") && hasFailed {
		if _, err := countIndexes(failed, completions); err != nil && counted && limited {
			s.refuse("failedIndexes", "error parsing failedIndexes: "+err.Error())
		}
		if !limited {
			s.refuse("failedIndexes", "cannot set non-null failedIndexes when backoffLimitPerIndex is null")
		}
	}
	// Of a list that cannot be read what can be counts here.
	if (s.changed("failedIndexes") || s.changed("completedIndexes")) && counted && hasFailed {
		if at, ok := overlap(intervals(completed, completions), intervals(failed, completions)); ok {
			s.refuse("failedIndexes", "failedIndexes and completedIndexes overlap at index: "+strconv.FormatInt(at, 10))
		}
	}
}

// intervals returns the intervals of a text, but for those that cannot be read.
func intervals(text string, completions int64) (list [][2]int64) {
	for part := range strings.SplitSeq(text, ",") {
		if first, last, err := readInterval(part, completions); err == nil {
			list = append(list, [2]int64{first, last})
		}
	}
	return list
}

// overlap returns the first index that two lists of intervals, which rise, have in common.
// It goes through both once.
func overlap(a, b [][2]int64) (int64, bool) {
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0], b[0]; {
		case x[0] <= y[1] && y[0] <= x[1]:
			return max(x[0], y[0]), true
		case x[0] <= y[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return 0, false
}

// checkNoReturn refuses to take back what was said of the end.
func (s *jobStatus) checkNoReturn() {
	for _, c := range [...]string{"Failed", "Complete", "FailureTarget"} {
		if jobIs(s.OldRoot, c) && !jobIs(s.Root, c) {
			s.refuseAll("cannot disable the terminal " + c + "=True condition")
		}
	}
	// Nor may it be said afterwards how a Job came to be complete.
	met := jobIs(s.OldRoot, "SuccessCriteriaMet")
	if met && !s.succeeding {
		s.refuseAll("cannot disable the SuccessCriteriaMet=True condition")
	}
	if jobIs(s.OldRoot, "Complete") && !met && s.succeeding {
		s.refuseAll("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")
	}
}
