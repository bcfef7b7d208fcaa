package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

// Where hooks and requests are. A goroutine that runs one is labelled with its id, and the
// goroutine profile, which has labels, functions and lines but no arguments, is read for
// them when somebody asks. Profiles of the processor then have the labels too.
//
// Labels cost a request an allocation or two, so they are for long-running requests, which are few,
// and for the others with --request-stacks only. Reading the profile stops all goroutines for a moment.

// stackOptions say whose stacks can be asked for.
type stackOptions struct{ requests bool }

// register declares the flag.
func (o *stackOptions) register(f *flags) {
	f.in("admin")
	f.bool(&o.requests, "request-stacks", false,
		"let /admin/v1/inflight?stack=true show where handlers are of requests that are not long-running, too")
}

func (o *stackOptions) check(*problems) {}

// stackAfter is how long a hook must have run before its stack is shown.
const stackAfter = 5 * time.Second

// stackLabel is the key of our labels in a profile.
const stackLabel = "apichain"

// labelled runs f in this goroutine, labelled. What f begins in others has the label too,
// but not this frame below it; what labels its goroutine anew takes the label away.
func labelled(ctx context.Context, id string, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(stackLabel, id), f)
}

// serve lets the handler of the exchange's route answer, labelled if its stack may be asked for.
func (x *exchange) serve() {
	h := x.target.route.handler
	if !x.longRunning && !x.chain.program.opt.stacks.requests {
		h.ServeHTTP(x, &x.req)
		return
	}
	labelled(x, fmt.Sprint("request/", x.id), func(context.Context) { h.ServeHTTP(x, &x.req) })
}

// stacks returns the frames of the goroutines that run what is labelled now, by label.
func stacks() map[string][]string {
	var b bytes.Buffer
	// The text form: the binary one has the labels too, but its reader is not in the standard library.
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a buffer takes everything
	return labelledStacks(b.String())
}

// labelledStacks reads a goroutine profile in text form: records that are set apart by empty
// lines, each a line "N @ PROGRAM COUNTERS", perhaps "# labels: JSON", and a line of four
// columns "#", program counter, function+offset and file:line for each frame, the innermost
// first. A record that is not so is left out.
func labelledStacks(profile string) map[string][]string {
	out := map[string][]string{}
	for record := range strings.SplitSeq(profile, "\n\n") {
		lines := strings.Split(strings.TrimSpace(record), "\n")
		// The first record has the heading of the profile above it.
		for len(lines) > 0 && !strings.Contains(lines[0], " @ ") {
			lines = lines[1:]
		}
		if len(lines) < 3 {
			continue
		}
		var labels map[string]string
		text, ok := strings.CutPrefix(lines[1], "# labels: ")
		if !ok || json.Unmarshal([]byte(text), &labels) != nil || labels[stackLabel] == "" {
			continue
		}
		if frames, ok := ownFrames(lines[2:]); ok {
			out[labels[stackLabel]] = frames
		}
	}
	return out
}

// ownFrames returns the frames above labelled, as "function file:line". ok is false for a
// goroutine that does not run what is labelled itself: one that it began has the label too.
func ownFrames(lines []string) (frames []string, ok bool) {
	var functions []string
	for _, line := range lines {
		columns := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
		if len(columns) != 4 || columns[0] != "#" {
			return nil, false
		}
		at := strings.LastIndexByte(columns[2], '+')
		if at < 0 {
			return nil, false
		}
		function := columns[2][:at]
		functions = append(functions, function)
		frames = append(frames, function+" "+columns[3][strings.LastIndexByte(columns[3], '/')+1:])
	}
	// From the outside in: a hook may run labelled things of its own, whose frames are its.
	for i := len(functions) - 2; i > 0; i-- {
		if functions[i] == "runtime/pprof.Do" && strings.HasSuffix(functions[i+1], ".labelled") {
			return withoutRuntime(frames[:i-1]), true // the function that Do calls is ours
		}
	}
	return nil, false
}

// withoutRuntime leaves out the runtime's own frames, in place.
func withoutRuntime(frames []string) []string {
	out := frames[:0]
	for _, f := range frames {
		if !strings.HasPrefix(f, "runtime.") {
			out = append(out, f)
		}
	}
	return out
}
