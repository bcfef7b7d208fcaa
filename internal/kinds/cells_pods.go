package kinds

import (
	"strconv"
	"time"

	"apichain/internal/tree"
)

// The cells of pods. What a pod is doing, in a word, is told by its containers: the first init
// container that has not ended says so while the pod starts, and afterwards the containers from the
// last to the first, each outdoing the one before. A sidecar is an init container that is always
// started again; it counts as a container for readiness and restarts.
//
//	NAME    READY   STATUS             RESTARTS      AGE
//	web-0   1/2     CrashLoopBackOff   3 (2m ago)    9m
//	web-1   0/1     Init:0/2           0             5s
//
// The word in STATUS is neither the phase nor a condition; scripts wait for it all the same, and it is
// made in upstream's order of steps, in which a later one outdoes all before.

// podCell returns the cell of that name, or nil if there is none.
func podCell(name string) func(map[string]any) any {
	switch name {
	// Three columns are of one summary, which is made for each: a row is shown once, and nothing is kept.
	case "podReady":
		return func(obj map[string]any) any { p := summarizePod(obj); return ratio(p.ready, p.total) }
	case "podStatus":
		return func(obj map[string]any) any { return summarizePod(obj).word }
	case "podRestarts":
		return func(obj map[string]any) any { return summarizePod(obj).restarts.text(time.Now()) }
	case "podIP":
		return podIP
	case "podGates":
		return podGates
	}
	return nil
}

// RowConditions returns what the row of an object in a table says besides its cells: that a pod has
// ended, and how. It is nil for any other object.
// Clients that follow pods leave the rows out that have the condition.
func (r *Row) RowConditions(obj map[string]any) []any {
	if r.Group != "" || r.Kind != "Pod" {
		return nil
	}
	phase, message := tree.Text(obj, "status", "phase"), ""
	switch phase {
	case "Succeeded":
		message = "The pod has completed successfully."
	case "Failed":
		message = "The pod failed."
	default:
		return nil
	}
	return []any{map[string]any{"type": "Completed", "status": "True", "reason": phase, "message": message}}
}

// A podSummary is what the containers of a pod say together.
type podSummary struct {
	ready, total int64
	word         string
	restarts     restarts
}

// restarts counts how often containers were started again, and has the time when the last of them
// had ended before, the zero time if that is not known.
type restarts struct {
	count int64
	last  time.Time
}

// add adds those of a container, given by its status.
func (r *restarts) add(container any) {
	r.count += number(container, "restartCount")
	// What cannot be read is the zero time, which is after none.
	if t, _ := time.Parse(time.RFC3339, tree.Text(container, "lastState", "terminated", "finishedAt")); t.After(r.last) {
		r.last = t
	}
}

// text returns the number, and how long before now the last one was.
func (r restarts) text(now time.Time) string {
	s := strconv.FormatInt(r.count, 10)
	if r.count != 0 && !r.last.IsZero() {
		s += " (" + HumanDuration(now.Sub(r.last)) + " ago)"
	}
	return s
}

// summarizePod returns what a pod says of itself.
// Each step may replace the word: phase, reason, gate, init containers, containers, deletion.
func summarizePod(obj map[string]any) podSummary {
	phase, reason := tree.Text(obj, "status", "phase"), tree.Text(obj, "status", "reason")
	p := podSummary{total: int64(len(tree.List(obj, "spec", "containers"))), word: phase}
	// Evicted, NodeLost: whoever has ended the pod says why.
	if reason != "" {
		p.word = reason
	}
	if tree.Text(statusCondition(obj, "PodScheduled"), "reason") == "SchedulingGated" {
		p.word = "SchedulingGated"
	}
	// The status of a container does not say what sort it is; the spec does, by the name.
	sidecars := map[string]bool{}
	for _, c := range tree.List(obj, "spec", "initContainers") {
		if tree.Text(c, "restartPolicy") == "Always" {
			sidecars[tree.Text(c, "name")] = true
			p.total++
		}
	}
	// The containers count as soon as the pod is said to be initialized, even if the status of an init
	// container is not as new.
	started, ofSidecars := p.addInit(obj, sidecars)
	if started || tree.Text(statusCondition(obj, "Initialized"), "status") == "True" {
		p.restarts = ofSidecars
		p.addContainers(obj)
	}
	// A pod that has ended before it was deleted keeps its end; one of a lost node may run for all anybody
	// knows.
	if tree.At(obj, "metadata", "deletionTimestamp") != nil {
		switch {
		case reason == "NodeLost":
			p.word = "Unknown"
		case phase != "Failed" && phase != "Succeeded":
			p.word = "Terminating"
		}
	}
	return p
}

// addInit adds what the init containers say, up to the first that the others wait for. It returns
// whether there is none, and the restarts of the sidecars alone.
func (p *podSummary) addInit(obj map[string]any, sidecars map[string]bool) (started bool, ofSidecars restarts) {
	for i, c := range tree.List(obj, "status", "initContainerStatuses") {
		p.restarts.add(c)
		sidecar := sidecars[tree.Text(c, "name")]
		if sidecar {
			ofSidecars.add(c)
		}
		ended, waits := tree.Object(c, "state", "terminated"), tree.Text(c, "state", "waiting", "reason")
		// A sidecar that has started lets the next one begin, although it does not end.
		switch {
		case ended != nil && number(ended, "exitCode") == 0:
			continue
		case sidecar && tree.True(tree.At(c, "started")):
			if tree.True(tree.At(c, "ready")) {
				p.ready++
			}
			continue
		case ended != nil:
			p.word = "Init:" + endWord(ended)
		case waits != "" && waits != "PodInitializing":
			p.word = "Init:" + waits
		// How many have ended, of all: those before this one have, or the loop would have stopped there.
		default:
			p.word = "Init:" + ratio(int64(i), int64(len(tree.List(obj, "spec", "initContainers"))))
		}
		return false, ofSidecars
	}
	return true, ofSidecars
}

// addContainers adds what the containers say.
func (p *podSummary) addContainers(obj map[string]any) {
	list := tree.List(obj, "status", "containerStatuses")
	running, failed := false, ""
	// From the last to the first, so that the first one's word stands in the end (upstream).
	for i := len(list) - 1; i >= 0; i-- {
		c := list[i]
		p.restarts.add(c)
		ended := tree.Object(c, "state", "terminated")
		if waits := tree.Text(c, "state", "waiting", "reason"); waits != "" {
			p.word = waits
		} else if ended != nil {
			p.word = endWord(ended)
			if number(ended, "exitCode") != 0 {
				failed = p.word
			}
		} else if tree.True(tree.At(c, "ready")) && tree.Object(c, "state", "running") != nil {
			running = true
			p.ready++
		}
	}
	// A container that has ended well says nothing about the others.
	if p.word != "Completed" {
		return
	}
	switch {
	case running && tree.Text(statusCondition(obj, "Ready"), "status") == "True":
		p.word = "Running"
	case failed != "":
		p.word = failed
	case running:
		p.word = "NotReady"
	}
}

// endWord returns why a container has ended: the reason, else the signal, else the exit code.
// Upstream asks for the signal before the code, since a code is there with either.
func endWord(ended map[string]any) string {
	if reason := tree.Text(ended, "reason"); reason != "" {
		return reason
	}
	if signal := number(ended, "signal"); signal != 0 {
		return "Signal:" + strconv.FormatInt(signal, 10)
	}
	return "ExitCode:" + strconv.FormatInt(number(ended, "exitCode"), 10)
}

// podIP returns the first address of a pod. The older field counts where the two differ.
func podIP(obj map[string]any) any {
	if ip := tree.Text(obj, "status", "podIP"); ip != "" {
		return ip
	}
	if list := tree.List(obj, "status", "podIPs"); len(list) > 0 && tree.Text(list[0], "ip") != "" {
		return tree.Text(list[0], "ip")
	}
	return "<none>"
}

// podGates returns how many of a pod's readiness gates are open.
// A gate is open where the pod has a true condition of its name; one that nobody has written yet is shut.
func podGates(obj map[string]any) any {
	gates := tree.List(obj, "spec", "readinessGates")
	if len(gates) == 0 {
		return "<none>"
	}
	open := int64(0)
	for _, gate := range gates {
		if tree.Text(statusCondition(obj, tree.Text(gate, "conditionType")), "status") == "True" {
			open++
		}
	}
	return ratio(open, int64(len(gates)))
}
