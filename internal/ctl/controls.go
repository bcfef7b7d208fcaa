package ctl

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Controls switch something on in a running program for a time: the drain, faults, the verbosity
// of the log. All three have the same grammar over one endpoint each, which is called as the
// subcommand is:
//
//	drain               GET       shows it; -w, -o and --interval as for lists
//	drain on ...        PUT       replaces what was set before, for everybody
//	drain off           DELETE    nothing to undo is no error
//
// Only the word that sets it differs (on, set), and what it says. A control undoes itself when
// its time is over, so --for has a default at the endpoint and cannot be switched off.

// controlFlags declares the flags that go with every control.
func (inv *invocation) controlFlags(f *flag.FlagSet) {
	f.StringVar(&inv.note, "note", "", "what others should know of it")
	f.DurationVar(&inv.lasts, "for", 0, "time after which it undoes itself (default 10m, at most 24h)")
}

// control shows, sets or clears the control of the subcommand's name. on is the word that sets
// it; body returns then what is to be sent, and may read inv.args, which no longer have the word.
func (inv *invocation) control(on string, body func() (map[string]any, error)) error {
	path, word := "/admin/v1/"+inv.name, ""
	if len(inv.args) > 0 {
		word, inv.args = inv.args[0], inv.args[1:]
	}
	var answer []byte
	var err error
	switch {
	case word == "" && len(inv.args) == 0:
		return inv.show(func() ([]byte, error) { return inv.get(path, nil) })
	case word == on:
		answer, err = inv.set(path, body)
	// What follows off would be dropped: whoever wrote it meant something else.
	case word != "off" || len(inv.args) > 0:
		return usageError(fmt.Sprintf("%q is not %s or off", strings.Join(append([]string{word}, inv.args...), " "), on))
	case inv.ownFlag() != "":
		return usageError(fmt.Sprintf("--%s goes with %s, not with off", inv.ownFlag(), on))
	default:
		answer, err = inv.client.change(inv.ctx, http.MethodDelete, path, inv.accept(), nil)
	}
	if err != nil {
		return err
	}
	_, err = inv.out.Write(answer)
	return err
}

// set sends what body returns, with the note and the time of the flags, and returns the answer.
func (inv *invocation) set(path string, body func() (map[string]any, error)) ([]byte, error) {
	m, err := body()
	if err != nil {
		return nil, err
	}
	// A flag wins over the file of faults -f, which may have both as well.
	if inv.note != "" {
		m["note"] = inv.note
	}
	if inv.lasts != 0 {
		m["expiresIn"] = inv.lasts.String()
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return inv.client.change(inv.ctx, http.MethodPut, path, inv.accept(), b)
}

// ownFlag returns the name of a flag that was given and not every subcommand has, so that it says
// how to set a control; "" without one.
func (inv *invocation) ownFlag() (name string) {
	inv.given.Visit(func(f *flag.Flag) {
		if !slices.Contains(inv.common, f.Name) {
			name = f.Name
		}
	})
	return name
}

// drainFlags declares the flags of drain.
func (inv *invocation) drainFlags(f *flag.FlagSet) {
	inv.controlFlags(f)
	f.BoolVar(&inv.endWatches, "end-watches", false, "end long-running requests too")
	f.BoolVar(&inv.wait, "wait", false, "wait until nothing remains")
}

// drain shows and sets the reversible drain, and with --wait waits for its end.
func (inv *invocation) drain() error {
	// Before anything is sent: it is too late to complain when the server is draining.
	if inv.wait && (len(inv.args) == 0 || inv.args[0] != "on") {
		return usageError("--wait goes with drain on")
	}
	err := inv.control("on", func() (map[string]any, error) {
		if len(inv.args) > 0 {
			return nil, usageError(fmt.Sprintf("%q: drain on takes flags only", inv.args[0]))
		}
		return map[string]any{"endWatches": inv.endWatches}, nil
	})
	if err != nil || !inv.wait {
		return err
	}
	return inv.awaitIdle()
}

// awaitIdle asks for the drain, once each interval, until nothing remains. It says what remains
// each time that has changed, in the form of a table alone: a reader of JSON expects one
// document. If the drain is over first, by its time or by somebody's off, the answer is a
// negative: the server takes requests again and may never be idle.
func (inv *invocation) awaitIdle() error {
	for told := ""; ; {
		var d struct {
			Active, Idle bool
			Remaining    struct{ Requests, Watches, Connections int }
		}
		if err := inv.getJSON("/admin/v1/drain", &d); err != nil {
			return err
		}
		// Active first: a server without load is idle as well when the drain is off.
		if !d.Active {
			return negative("the drain ended before the server was idle")
		}
		if d.Idle {
			return nil
		}
		text := fmt.Sprintf("waiting for %d requests, %d watches, %d connections\n",
			d.Remaining.Requests, d.Remaining.Watches, d.Remaining.Connections)
		if text != told && inv.form != "json" {
			told = text
			if _, err := io.WriteString(inv.out, text); err != nil {
				return err
			}
		}
		if !pause(inv.ctx.Done(), inv.interval) {
			return inv.ctx.Err()
		}
	}
}

// loglevel shows and sets the verbosity of the log. The words after the number say for which
// requests; without any it holds for all.
func (inv *invocation) loglevel() error {
	return inv.control("set", func() (map[string]any, error) {
		if len(inv.args) == 0 {
			return nil, usageError("loglevel set takes a verbosity from 0 to 10")
		}
		n, err := strconv.Atoi(inv.args[0])
		if err != nil {
			return nil, usageError(fmt.Sprintf("%q is no verbosity from 0 to 10", inv.args[0]))
		}
		match, err := pairs(inv.args[1:])
		if err != nil {
			return nil, err
		}
		return map[string]any{"rules": []any{map[string]any{"match": match, "verbosity": n}}}, nil
	})
}

// faultFlags declares the flags of faults: a file of rules, or one rule.
func (inv *invocation) faultFlags(f *flag.FlagSet) {
	inv.controlFlags(f)
	f.StringVar(&inv.file, "f", "", "`FILE` with rules as JSON, as the endpoint takes them; -: standard input")
	f.StringVar(&inv.do, "do", "",
		"`ACTION` of one rule: delay, answer, cut, drop-watch, expired or conflict, with its fields as FIELD=VALUE")
	f.Func("match",
		"`KEY=VALUE` that requests must have: verb, resource, namespace, name, user, group, ..., or backend, for calls of webhooks and aggregated servers; may be repeated", collect(&inv.match))
	f.Float64Var(&inv.percent, "percent", 100, "part of the requests that match, in percent")
	f.Int64Var(&inv.count, "count", 0, "most hits; 0: no limit")
	f.Int64Var(&inv.seed, "seed", 0, "what decides which requests are hit; 0: chosen")
}

// faults shows and sets the rules of fault injection: those of a file, or one rule of flags.
func (inv *invocation) faults() error {
	return inv.control("set", func() (map[string]any, error) {
		var body map[string]any
		var err error
		switch {
		case inv.file != "" && inv.do == "" && len(inv.args) == 0:
			body, err = inv.faultFile()
		case inv.do != "" && inv.file == "":
			body, err = inv.faultRule()
		default:
			return nil, usageError("faults set takes either -f FILE or --do ACTION with its fields")
		}
		// The seed is one for all rules, so it goes with a file as well.
		if err == nil && inv.seed != 0 {
			body["seed"] = inv.seed
		}
		return body, err
	})
}

// faultFile returns the object in the file of rules, or on standard input. The endpoint checks
// what is in it; here it need only be an object, so that flags can be put into it.
func (inv *invocation) faultFile() (map[string]any, error) {
	var b []byte
	var err error
	if inv.file == "-" {
		b, err = io.ReadAll(inv.stdin)
	} else {
		b, err = os.ReadFile(inv.file)
	}
	if err != nil {
		return nil, usageError("-f: " + err.Error())
	}
	var body map[string]any
	if err := json.Unmarshal(b, &body); err != nil {
		return nil, usageError(fmt.Sprintf("-f: %s is no JSON object: %v", inv.file, err))
	}
	// null is read into a map without complaint, and leaves none.
	if body == nil {
		return nil, usageError(fmt.Sprintf("-f: %s is no JSON object: it is null", inv.file))
	}
	return body, nil
}

// faultRule returns the one rule of flags. A field's value is what it is as JSON, a number or a
// truth, and else a string; a field that comes twice has its last value:
//
//	--do answer status=503 message=503      {"do": "answer", "status": 503, "message": "503"}
func (inv *invocation) faultRule() (map[string]any, error) {
	fields, err := pairs(inv.args)
	if err != nil {
		return nil, err
	}
	match, err := pairs(inv.match)
	if err != nil {
		return nil, err
	}
	action := map[string]any{"do": inv.do}
	for key, values := range fields {
		text := values[len(values)-1]
		action[key] = text
		// These two are texts whatever they look like; the endpoint refuses a number there.
		if key == "reason" || key == "message" {
			continue
		}
		var typed any
		if json.Unmarshal([]byte(text), &typed) == nil {
			action[key] = typed
		}
	}
	rule := map[string]any{"match": match, "action": action, "percent": inv.percent}
	if inv.count > 0 {
		rule["count"] = inv.count
	}
	return map[string]any{"rules": []any{rule}}, nil
}
