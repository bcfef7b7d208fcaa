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

// Subcommands that change something: without a word they show it.

func (c *console) controlFlags(f *flag.FlagSet) {
	f.StringVar(&c.note, "note", "", "what others should know of it")
	f.DurationVar(&c.lasts, "for", 0, "time after which it undoes itself (default 10m, at most 24h)")
}

// control shows, sets or clears the control of the subcommand's name. on is the word that
// sets it; body is what is sent then.
func (c *console) control(on string, body func() (map[string]any, error)) error {
	path, word := "/admin/v1/"+c.name, ""
	if len(c.args) > 0 {
		word, c.args = c.args[0], c.args[1:]
	}
	var answer []byte
	var err error
	switch {
	case word == "" && len(c.args) == 0:
		return c.show(func() ([]byte, error) { return c.get(path, nil) })
	case word == "off" && len(c.args) == 0 && c.setting() != "":
		return usageError(fmt.Sprintf("--%s goes with %s, not with off", c.setting(), on))
	case word == "off" && len(c.args) == 0:
		answer, err = c.client.change(c.ctx, http.MethodDelete, path, c.accept(), nil)
	case word == on:
		var m map[string]any
		if m, err = body(); err != nil {
			return err
		}
		if c.note != "" {
			m["note"] = c.note
		}
		if c.lasts != 0 {
			m["expiresIn"] = c.lasts.String()
		}
		var b []byte
		if b, err = json.Marshal(m); err == nil {
			answer, err = c.client.change(c.ctx, http.MethodPut, path, c.accept(), b)
		}
	default:
		return usageError(fmt.Sprintf("%q is not %s or off", strings.Join(append([]string{word}, c.args...), " "), on))
	}
	if err != nil {
		return err
	}
	_, err = c.out.Write(answer)
	return err
}

// setting is a flag that was given and says how to set a control; "" without one.
func (c *console) setting() (name string) {
	c.given.Visit(func(f *flag.Flag) {
		if !slices.Contains(c.common, f.Name) {
			name = f.Name
		}
	})
	return name
}

func (c *console) drainFlags(f *flag.FlagSet) {
	c.controlFlags(f)
	f.BoolVar(&c.endWatches, "end-watches", false, "end long-running requests too")
	f.BoolVar(&c.wait, "wait", false, "wait until nothing remains")
}

// drain shows and sets the reversible drain, and with --wait waits for its end.
func (c *console) drain() error {
	set := len(c.args) > 0 && c.args[0] == "on"
	if c.wait && !set {
		return usageError("--wait goes with drain on")
	}
	err := c.control("on", func() (map[string]any, error) {
		if len(c.args) > 0 {
			return nil, usageError(fmt.Sprintf("%q: drain on takes flags only", c.args[0]))
		}
		return map[string]any{"endWatches": c.endWatches}, nil
	})
	for told := ""; err == nil && c.wait; {
		var d struct {
			Active, Idle bool
			Remaining    struct{ Requests, Watches, Connections int }
		}
		if err = c.getJSON("/admin/v1/drain", &d); err != nil {
			break
		}
		if !d.Active {
			return notSo("the drain ended before the server was idle")
		}
		if d.Idle {
			return nil
		}
		if text := fmt.Sprintf("waiting for %d requests, %d watches, %d connections\n", d.Remaining.Requests, d.Remaining.Watches, d.Remaining.Connections); text != told && c.form != "json" {
			told = text
			if _, err = io.WriteString(c.out, text); err != nil {
				break
			}
		}
		if !c.pause(c.ctx) {
			return c.ctx.Err()
		}
	}
	return err
}

// loglevel shows and sets the verbosity of the log.
func (c *console) loglevel() error {
	return c.control("set", func() (map[string]any, error) {
		if len(c.args) == 0 {
			return nil, usageError("loglevel set takes a verbosity from 0 to 10")
		}
		n, err := strconv.Atoi(c.args[0])
		if err != nil {
			return nil, usageError(fmt.Sprintf("%q is no verbosity from 0 to 10", c.args[0]))
		}
		match, err := pairs(c.args[1:])
		if err != nil {
			return nil, err
		}
		return map[string]any{"rules": []any{map[string]any{"match": match, "verbosity": n}}}, nil
	})
}

func (c *console) faultFlags(f *flag.FlagSet) {
	c.controlFlags(f)
	f.StringVar(&c.file, "f", "", "`FILE` with rules as JSON, as the endpoint takes them; -: standard input")
	f.StringVar(&c.do, "do", "", "`ACTION` of one rule: delay, answer, cut, drop-watch, expired or conflict, with its fields as FIELD=VALUE")
	f.Func("match", "`KEY=VALUE` that requests must have: verb, resource, namespace, name, user, group, ...; may be repeated", collect(&c.match))
	f.Float64Var(&c.percent, "percent", 100, "part of the requests that match, in percent")
	f.Int64Var(&c.count, "count", 0, "most hits; 0: no limit")
	f.Int64Var(&c.seed, "seed", 0, "what decides which requests are hit; 0: chosen")
}

// faults shows and sets the rules of fault injection: those of a file, or one rule of
// flags.
func (c *console) faults() error {
	return c.control("set", func() (map[string]any, error) {
		var body map[string]any
		var err error
		switch {
		case c.file != "" && c.do == "" && len(c.args) == 0:
			body, err = c.faultFile()
		case c.do != "" && c.file == "":
			body, err = c.faultRule()
		default:
			return nil, usageError("faults set takes either -f FILE or --do ACTION with its fields")
		}
		if err == nil && c.seed != 0 {
			body["seed"] = c.seed
		}
		return body, err
	})
}

// faultFile is the file of rules. The endpoint checks what is in it.
func (c *console) faultFile() (map[string]any, error) {
	var b []byte
	var err error
	if c.file == "-" {
		b, err = io.ReadAll(c.stdin)
	} else {
		b, err = os.ReadFile(c.file)
	}
	if err != nil {
		return nil, usageError("-f: " + err.Error())
	}
	var body map[string]any
	if err := json.Unmarshal(b, &body); err != nil {
		return nil, usageError(fmt.Sprintf("-f: %s is no JSON object: %v", c.file, err))
	}
	if body == nil {
		return nil, usageError(fmt.Sprintf("-f: %s is no JSON object: it is null", c.file))
	}
	return body, nil
}

// faultRule is one rule of flags: what looks like a number or a truth is one, but for the
// texts.
func (c *console) faultRule() (map[string]any, error) {
	fields, err := pairs(c.args)
	if err != nil {
		return nil, err
	}
	match, err := pairs(c.match)
	if err != nil {
		return nil, err
	}
	action := map[string]any{"do": c.do}
	for key, values := range fields {
		var v any = values[len(values)-1]
		if key != "reason" && key != "message" {
			var typed any
			if json.Unmarshal([]byte(values[len(values)-1]), &typed) == nil {
				v = typed
			}
		}
		action[key] = v
	}
	rule := map[string]any{"match": match, "action": action, "percent": c.percent}
	if c.count > 0 {
		rule["count"] = c.count
	}
	return map[string]any{"rules": []any{rule}}, nil
}
