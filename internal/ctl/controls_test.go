package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestControlGrammar: the words of each control and what they ask for. Nothing is sent for words
// that mean nothing.
func TestControlGrammar(t *testing.T) {
	for name, on := range map[string]string{"drain": "on", "faults": "set", "loglevel": "set"} {
		words := map[string]string{"drain": "", "faults": "--do cut", "loglevel": "3"}[name]
		other := map[string]string{"on": "set", "set": "on"}[on]
		for args, asked := range map[string]string{
			"":                          "GET",
			"-o json":                   "GET",
			"off":                       "GET DELETE",
			"off -o json":               "GET DELETE",
			on + " " + words:            "GET PUT",
			words + " " + on:            map[string]string{"drain": "GET PUT", "faults": "GET PUT"}[name], // 3 is no word of loglevel
			other:                       "",
			"ON":                        "",
			"off off":                   "",
			"off " + on:                 "",
			"off a=b":                   "",
			"off --note x":              "",
			"off --for 1m":              "",
			on + " " + words + " extra": "",
		} {
			at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "x\n" })
			o := inspect(t, t.Context(), "", append(append([]string{name}, strings.Fields(args)...), "--admin="+at)...)
			var methods []string
			for _, s := range got() {
				methods = append(methods, s.method)
				if s.target != "/admin/v1/"+name {
					t.Errorf("%s %s: asked for %s", name, args, s.target)
				}
			}
			want := outcome{exitDone, "x\n", ""}
			if asked == "" {
				want = outcome{exitUsage, "", o.errs}
				if !strings.HasSuffix(o.errs, "; see apichain "+name+" --help\n") {
					t.Errorf("%s %s: says %q", name, args, o.errs)
				}
			}
			if o != want || strings.Join(methods, " ") != asked {
				t.Errorf("%s %s: asked %q, want %q: %+v", name, args, methods, asked, o)
			}
		}
	}
}

// TestControlForm: the answer to a change has the form asked for, as that to a question has.
func TestControlForm(t *testing.T) {
	for form, want := range map[string]string{"table": "text/plain", "wide": "text/plain", "json": "application/json"} {
		for _, args := range []string{"drain on", "drain off", "drain"} {
			at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "x\n" })
			inspect(t, t.Context(), "", append(strings.Fields(args), "-o", form, "--admin="+at)...)
			all := got()
			if last := all[len(all)-1]; last.accept != want {
				t.Errorf("%s -o %s accepts %s, want %s", args, form, last.accept, want)
			}
		}
	}
}

// TestFaultRule: how FIELD=VALUE becomes JSON, worked out by hand.
func TestFaultRule(t *testing.T) {
	for args, want := range map[string]string{
		"status=503":                    `{"do":"d","status":503}`,
		"abrupt=true":                   `{"do":"d","abrupt":true}`,
		"abrupt=True":                   `{"do":"d","abrupt":"True"}`,
		"delayMs=1.5":                   `{"do":"d","delayMs":1.5}`,
		"delayMs=1e3":                   `{"do":"d","delayMs":1000}`,
		"delayMs=007":                   `{"do":"d","delayMs":"007"}`,
		"x=null":                        `{"do":"d","x":null}`,
		"x=":                            `{"do":"d","x":""}`,
		"x=text":                        `{"do":"d","x":"text"}`,
		`x="7"`:                         `{"do":"d","x":"7"}`,
		"x=[1,2]":                       `{"do":"d","x":[1,2]}`,
		"x=a=b":                         `{"do":"d","x":"a=b"}`,
		"reason=503":                    `{"do":"d","reason":"503"}`,
		"message=true":                  `{"do":"d","message":"true"}`,
		"status=1 status=2":             `{"do":"d","status":2}`,
		"do=other":                      `{"do":"other"}`,
		"status=503 reason=Gone x=null": `{"do":"d","status":503,"reason":"Gone","x":null}`,
	} {
		inv := &invocation{do: "d", args: strings.Fields(args), percent: 100}
		got, err := inv.faultRule()
		var action any
		if e := json.Unmarshal([]byte(want), &action); e != nil {
			t.Fatal(e)
		}
		rule := map[string]any{"action": action, "match": map[string]any{}, "percent": 100.0}
		b, _ := json.Marshal(map[string]any{"rules": []any{rule}})
		if has, _ := json.Marshal(got); err != nil || string(has) != string(b) {
			t.Errorf("%s: %s %v, want %s", args, has, err, b)
		}
	}
	for count, want := range map[int64]any{0: nil, -1: nil, 1: int64(1), 50: int64(50)} {
		inv := &invocation{do: "d", count: count}
		got, err := inv.faultRule()
		if has := tree.At(tree.List(got, "rules")[0], "count"); err != nil || has != want {
			t.Errorf("--count %d: %v %v, want %v", count, has, err, want)
		}
	}
}

// TestFaultFile: a file need only be an object; the flags that go with it win over what it says.
func TestFaultFile(t *testing.T) {
	for name, c := range map[string]struct{ content, args, body, wrong string }{
		"as it is":    {`{"rules":[],"x":{"y":1}}`, "", `{"rules":[],"x":{"y":1}}`, ""},
		"empty":       {`{}`, "", `{}`, ""},
		"flags win":   {`{"note":"a","expiresIn":"1m","seed":1}`, "--note b --for 2m --seed 2", `{"expiresIn":"2m0s","note":"b","seed":2}`, ""},
		"no flags":    {`{"note":"a","expiresIn":"1m","seed":1}`, "", `{"expiresIn":"1m","note":"a","seed":1}`, ""},
		"null":        {`null`, "", "", "-f: - is no JSON object: it is null"},
		"a list":      {`[]`, "", "", "-f: - is no JSON object: json: cannot unmarshal array"},
		"nothing":     {``, "", "", "-f: - is no JSON object: unexpected end of JSON input"},
		"two objects": {`{} {}`, "", "", "-f: - is no JSON object: invalid character '{' after top-level value"},
		"with a word": {`{}`, "status=1", "", "faults set takes either -f FILE or --do ACTION"},
	} {
		at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "" })
		args := append([]string{"faults", "set", "-f", "-", "--admin=" + at}, strings.Fields(c.args)...)
		o := inspect(t, t.Context(), c.content, args...)
		all := got()
		switch {
		case c.wrong != "" && (o.code != exitUsage || !strings.Contains(o.errs, c.wrong) || len(all) > 0):
			t.Errorf("%s: %+v after %d requests, want %s", name, o, len(all), c.wrong)
		case c.wrong == "" && (o.code != exitDone || len(all) != 2 || all[1].body != c.body):
			t.Errorf("%s: %+v, sent %+v, want %s", name, o, all, c.body)
		}
	}
}

// broken is a stream that neither gives nor takes anything.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }
func (broken) Read([]byte) (int, error)  { return 0, errBroken }

// TestFaultStreamBreaks: standard input that cannot be read is wrong usage of -f.
func TestFaultStreamBreaks(t *testing.T) {
	inv := &invocation{file: "-", stdin: broken{}}
	if _, err := inv.faultFile(); err != usageError("-f: broken") {
		t.Errorf("%v", err)
	}
}

// TestAwaitIdle: what drain on --wait prints and how it ends, by the states that it finds.
func TestAwaitIdle(t *testing.T) {
	state := func(requests int, idle, active bool) string {
		return fmt.Sprintf(`{"active":%v,"idle":%v,"remaining":{"requests":%d,"watches":0,"connections":0}}`, active, idle, requests)
	}
	line := func(requests int) string {
		return fmt.Sprintf("waiting for %d requests, 0 watches, 0 connections\n", requests)
	}
	const over = "apichain: the drain ended before the server was idle\n"
	for name, c := range map[string]struct {
		form   string
		states []string
		want   outcome
	}{
		"idle at once":        {"table", []string{state(0, true, true)}, outcome{0, "on\n", ""}},
		"each change":         {"table", []string{state(3, false, true), state(2, false, true), state(3, false, true), state(0, true, true)}, outcome{0, "on\n" + line(3) + line(2) + line(3), ""}},
		"a change once":       {"wide", []string{state(1, false, true), state(1, false, true), state(1, false, true), state(0, true, true)}, outcome{0, "on\n" + line(1), ""}},
		"JSON tells nothing":  {"json", []string{state(1, false, true), state(0, true, true)}, outcome{0, "on\n", ""}},
		"over":                {"table", []string{state(1, false, true), state(1, false, false)}, outcome{5, "on\n" + line(1), over}},
		"over and idle":       {"table", []string{state(0, true, false)}, outcome{5, "on\n", over}},
		"over, as JSON":       {"json", []string{state(0, true, false)}, outcome{5, "on\n", over}},
		"an answer of others": {"table", []string{state(1, false, true), "<html>"}, outcome{1, "on\n" + line(1), "apichain: the answer of /admin/v1/drain cannot be read: invalid character '<' looking for beginning of value\n"}},
	} {
		at, got := fakeAdmin(t, func(n int, _ *http.Request) (int, string) {
			if n <= 2 {
				return 200, "on\n"
			}
			return 200, c.states[n-3]
		})
		if o := inspect(t, t.Context(), "", "drain", "on", "--wait", "--interval=100ms", "-o", c.form, "--admin="+at); o != c.want || len(got()) != 2+len(c.states) {
			t.Errorf("%s: %+v after %d requests, want %+v", name, o, len(got()), c.want)
		}
	}
	// A drain that could not be set is not waited for.
	at, got := fakeAdmin(t, func(n int, _ *http.Request) (int, string) {
		return map[int]int{1: 200, 2: 409}[n], `{"message":"the server stops"}`
	})
	if o := inspect(t, t.Context(), "", "drain", "on", "--wait", "--admin="+at); o != (outcome{1, "", "apichain: the server stops\n"}) || len(got()) != 2 {
		t.Errorf("refused: %+v after %d requests", o, len(got()))
	}
}

// TestAwaitIdleInterrupted: waiting for a drain ends with the context, while the drain goes on.
func TestAwaitIdleInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	at, got := fakeAdmin(t, func(n int, _ *http.Request) (int, string) {
		if n == 4 {
			cancel()
		}
		return 200, `{"active":true}`
	})
	o := inspect(t, ctx, "", "drain", "on", "--wait", "--interval=100ms", "--admin="+at)
	if o.code != exitInterrupted || o.errs != "" {
		t.Errorf("%+v", o)
	}
	for _, s := range got() {
		if s.method == "DELETE" {
			t.Error("the drain was undone")
		}
	}
}
