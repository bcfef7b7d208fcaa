package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"apichain/admin"
)

// controlBodies are what each control can be set to.
var controlBodies = map[string]string{"drain": `{"endWatches":true}`, "loglevel": `{"rules":[{"match":{"user":["nobody"]},"verbosity":0}]}`}

// setters switch each control on, as the admin API does.
var setters = map[string]func(p *program, s admin.Setting) *admin.Error{
	"drain": func(p *program, s admin.Setting) *admin.Error { return source{p}.SetDrain(s, true) },
	"loglevel": func(p *program, s admin.Setting) *admin.Error {
		return source{p}.SetLogLevel(s, []admin.LogRule{{ID: "1", Verbosity: 5}})
	},
	"faults": func(p *program, s admin.Setting) *admin.Error {
		return source{p}.SetFaults(s, admin.FaultSet{Rules: []admin.FaultRule{{ID: "1", Action: admin.FaultAction{Do: "cut"}, Percent: 100}}})
	},
}

// effects tell whether a control does anything.
var effects = map[string]func(p *program) bool{
	"drain":    func(p *program) bool { return p.draining.on.Load() && p.draining.check(context.Background()) != nil },
	"loglevel": func(p *program) bool { return p.logLevel.highest() == 5 && p.logLevel.of(nil, false) == 5 },
	"faults":   func(p *program) bool { return p.faults.rules.Load() != nil },
}

func (p *program) control(name string) *control {
	for _, c := range p.everyControl() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// A control undoes itself when its time is over, and not before; set again, the new time
// counts; cleared, nothing comes later. Each change is one generation, one event of the
// timeline and one line of the log.
func TestControlsUndoThemselves(t *testing.T) {
	for name, set := range setters {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lines{}
				p := newTestProgramLog(t, log)
				c, works := p.control(name), effects[name]
				generation, changes := p.generation.Load(), int64(0)
				want := func(on bool, changed int64, event string) {
					t.Helper()
					synctest.Wait()
					changes += changed
					events, _ := p.timeline.list()
					said := strings.Count(log.String(), "msg=control ")
					if s := c.shown(); s.Active != on || works(p) != on || len(p.controls()) > 0 != on || s.SetAt.IsZero() == on {
						t.Errorf("%+v, works %v, controls %v, want on %v", s, works(p), p.controls(), on)
					}
					if got := p.generation.Load() - generation; got != changes || int64(said) != changes {
						t.Errorf("%d generations and %d lines, want %d of each:\n%s", got, said, changes, log)
					}
					if event == "" {
						return
					}
					if last := events[len(events)-1]; last.kind != "control" || last.name != name || last.detail != event || !last.instant {
						t.Errorf("the last event is %+v, want %q", last, event)
					}
				}
				must := func(err *admin.Error) {
					t.Helper()
					if err != nil {
						t.Error(err)
					}
				}
				want(false, 0, "")
				c.clear("bob")
				want(false, 0, "")

				must(set(p, admin.Setting{By: "alice", For: 10 * time.Minute, Note: "a note"}))
				want(true, 1, "on: alice")
				if s := c.shown(); s.SetBy != "alice" || s.Note != "a note" || time.Time(s.ExpiresAt).Sub(time.Time(s.SetAt)) != 10*time.Minute || !time.Time(s.SetAt).Equal(time.Now()) {
					t.Errorf("%+v", s)
				}
				time.Sleep(10*time.Minute - 1)
				want(true, 0, "")
				time.Sleep(time.Nanosecond)
				want(false, 1, "off: its time is over")

				must(set(p, admin.Setting{By: "alice", For: 10 * time.Minute}))
				time.Sleep(9 * time.Minute)
				must(set(p, admin.Setting{By: "bob", For: 5 * time.Minute}))
				want(true, 2, "on: bob")
				time.Sleep(5*time.Minute - 1) // over the end of the first
				want(true, 0, "")
				time.Sleep(time.Nanosecond)
				want(false, 1, "off: its time is over")

				must(set(p, admin.Setting{By: "alice", For: time.Minute}))
				c.clear("carol")
				want(false, 2, "off: carol")
				time.Sleep(time.Hour)
				want(false, 0, "")

				must(set(p, admin.Setting{By: "alice", For: 24 * time.Hour}))
				want(true, 1, "on: alice")
				p.endBackground() // the process ends: nothing waits for tomorrow
				p.owned.Wait()
				want(true, 0, "")
				if !log.has(`msg=control control=`+name+` state=on by=alice until=20`) || !log.has(`note="a note"`) {
					t.Errorf("log:\n%s", log)
				}
			})
		})
	}
}

// From ShutdownInitiated on nothing can be switched on; what is on stays, and can be
// switched off.
func TestControlsWhileStopping(t *testing.T) {
	for name, set := range setters {
		p := newTestProgram(t)
		if err := set(p, admin.Setting{By: "alice", For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		p.fire(p.signals.shutdownInitiated, "")
		err := set(p, admin.Setting{By: "bob", For: time.Hour})
		if err == nil || err.Code != http.StatusConflict || err.Reason != "Conflict" || !strings.Contains(err.Message, name) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		if c := p.control(name); c.shown().SetBy != "alice" || !effects[name](p) {
			t.Errorf("%s: %+v", name, c.shown())
		}
		if p.control(name).clear("bob"); effects[name](p) {
			t.Errorf("%s is not cleared", name)
		}
	}
}

// Whatever is set, cleared and over at the same time, each change is told once, and what a
// control does is what it shows.
func TestControlsRace(t *testing.T) {
	for name, set := range setters {
		p := newTestProgram(t)
		c := p.control(name)
		before := p.generation.Load()
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := range 200 {
					switch (n + i) % 3 {
					case 0:
						_ = set(p, admin.Setting{By: "alice", For: time.Duration(1+n) * 10 * time.Microsecond})
					case 1:
						c.clear("bob")
					case 2:
						_ = c.item()
						_ = p.controls()
					}
				}
			})
		}
		all.Wait()
		_ = set(p, admin.Setting{By: "last", For: time.Hour})
		if c.shown().SetBy != "last" || !effects[name](p) {
			t.Errorf("%s: %+v", name, c.shown())
		}
		c.clear("last")
		if c.shown() != (admin.ControlState{}) || effects[name](p) {
			t.Errorf("%s: %+v after it was cleared", name, c.shown())
		}
		// Events beyond the timeline's bound are dropped: their ids still count them.
		events, _ := p.timeline.list()
		if got := p.generation.Load() - before; got != int64(events[len(events)-1].id) {
			t.Errorf("%s: %d generations for %d events", name, got, events[len(events)-1].id)
		}
	}
}

// tagged is the ETag of an admin page.
func (r *running) tagged(path string) string { return r.look(path, nil).header.Get("ETag") }

// setControl switches a control on, which must work.
func (r *running) setControl(name, body string) map[string]any {
	r.t.Helper()
	got := r.change("PUT", "/admin/v1/"+name, body, "If-Match: *")
	var v map[string]any
	if err := json.Unmarshal([]byte(got.body), &v); err != nil || got.status != 200 || v["active"] != true {
		r.t.Fatalf("PUT %s: %d %s", name, got.status, got.body)
	}
	return v
}

func (r *running) clearControl(name string) {
	r.t.Helper()
	if got := r.change("DELETE", "/admin/v1/"+name, "", "If-Match: *"); got.status != 200 || !strings.Contains(got.body, `"active":false,"setBy":"","setAt":null,"expiresAt":null,"note":""`) {
		r.t.Fatalf("DELETE %s: %d %s", name, got.status, got.body)
	}
}

// A control over HTTP, from nothing to nothing: who changes it must have seen what there
// is, everything says that it is on, each change is audited with its user whatever the
// policy, and so is each refusal.
func TestControlsOverHTTP(t *testing.T) {
	args, log := auditFiles(t, "rules:\n- level: None\n")
	r := startProgram(t, nil, append(args, "--listen-admin=127.0.0.1:0")...)
	for name, body := range controlBodies {
		path := "/admin/v1/" + name
		gauge := func(on string) {
			t.Helper()
			if got := r.look("/metrics", nil).body; !strings.Contains(got, fmt.Sprintf("apichain_control_active{control=%q} %s\n", name, on)) {
				t.Errorf("%s: not %s in\n%s", name, on, got[strings.Index(got, "apichain_control"):][:300])
			}
		}
		gauge("0")
		tag := r.tagged(path)
		off := r.change("DELETE", path, "", "If-Match: "+tag, "Audit-ID: "+name+" off")
		if off.status != 200 || off.header.Get("ETag") != tag {
			t.Errorf("%s: DELETE of one that is off: %d, ETag %s after %s", name, off.status, off.header.Get("ETag"), tag)
		}
		for _, c := range []struct {
			id, method, body string
			header           []string
			code             int
		}{
			{"none", "PUT", body, nil, 428},
			{"old", "PUT", body, []string{`If-Match: "1"`}, 412},
			{"form", "PUT", body, []string{"If-Match: *", "Content-Type: application/x-www-form-urlencoded"}, 415},
			{"method", "POST", body, nil, 405},
			{"origin", "PUT", body, []string{"If-Match: *", "Origin: null"}, 403},
			{"body", "PUT", `{"expiresIn":"25h"}`, []string{"If-Match: *"}, 422},
			{"on", "PUT", strings.Replace(body, "{", `{"note":"why","expiresIn":"1h",`, 1), []string{"If-Match: " + tag}, 200},
			{"again", "PUT", body, []string{"If-Match: " + tag}, 412},
			{"any", "PUT", strings.Replace(body, "{", `{"note":"why","expiresIn":"1h",`, 1), []string{"If-Match: *"}, 200},
		} {
			if got := r.change(c.method, path, c.body, append(c.header, "Audit-ID: "+name+" "+c.id)...); got.status != c.code {
				t.Errorf("%s %s: %d %s, want %d", name, c.id, got.status, got.body, c.code)
			}
		}
		gauge("1")
		req, err := http.NewRequest("GET", r.url("admin", "/admin/v1/build"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/plain")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "control " + name + " is on: set by system:unsecured, 59m5"; !strings.HasPrefix(string(text), want) || !strings.Contains(string(text), " left (why)\n") {
			t.Errorf("text begins with %.100q", text)
		}
		got := r.look("/admin/", nil)
		if !strings.Contains(got.body, `"controls":[{"control":"`+name+`","setBy":"system:unsecured","setAt":"2`) || !strings.Contains(got.body, `"note":"why","href":"`+path+`"}]`) || strings.Contains(got.body, `"ready":true`) != (name != "drain") {
			t.Errorf("%s: index %.400s", name, got.body)
		}
		if got := r.change("DELETE", path, "", "If-Match: "+r.tagged("/admin/v1/servers"), "Audit-ID: "+name+" over"); got.status != 200 {
			t.Errorf("DELETE: %d %s", got.status, got.body)
		}
		gauge("0")
		if got := r.look("/admin/", nil).body; !strings.Contains(got, `"ready":true,"controls":[]`) {
			t.Errorf("index %.300s", got)
		}
	}
	r.stopAndLook()
	events := readAudit(t, log)
	for name := range controlBodies {
		for id, want := range map[string]string{
			"off": "ResponseComplete system:unsecured 200", "none": "ResponseComplete system:unsecured 428 PreconditionRequired", "old": "ResponseComplete system:unsecured 412 PreconditionFailed",
			"form": "ResponseComplete system:unsecured 415 UnsupportedMediaType", "method": "ResponseComplete system:unsecured 405 MethodNotAllowed", "origin": "ResponseComplete 403 Forbidden",
			"body": "", "on": "ResponseComplete system:unsecured 200", "again": "ResponseComplete system:unsecured 412 PreconditionFailed", "over": "ResponseComplete system:unsecured 200",
		} {
			if got := texts(events[name+" "+id]); got != want {
				t.Errorf("%s %s: recorded %q, want %q", name, id, got, want)
			}
			if n := strings.Count(r.err.String(), `auditID="`+name+" "+id+`"`); n != len(events[name+" "+id]) {
				t.Errorf("%s %s: %d lines in the log", name, id, n)
			}
		}
	}
}

// Two clients that have seen the same: one of them changes the control, the other is told.
func TestOneOfTwoPutsWins(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	for range 10 {
		tag := r.tagged("/admin/v1/drain")
		codes := make([]int, 8)
		var all sync.WaitGroup
		for i := range codes {
			name := []string{"drain", "loglevel"}[i%2]
			all.Go(func() { codes[i] = r.change("PUT", "/admin/v1/"+name, controlBodies[name], "If-Match: "+tag).status })
		}
		all.Wait()
		count := map[int]int{}
		for _, code := range codes {
			count[code]++
		}
		if count[200] != 1 || count[412] != len(codes)-1 {
			t.Errorf("answers %v", count)
		}
	}
}
