package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTarget: the query in the order of its keys, and wide=true for that form alone.
func TestTarget(t *testing.T) {
	for _, c := range []struct {
		form string
		q    url.Values
		want string
	}{
		{"table", nil, "/p"},
		{"json", url.Values{}, "/p"},
		{"wide", nil, "/p?wide=true"},
		{"wide", url.Values{"a": {"1"}, "z": {"2"}}, "/p?a=1&wide=true&z=2"},
		{"wide", url.Values{"wide": {"false"}}, "/p?wide=true"},
		{"table", url.Values{"b": {"2", "1"}, "a": {"x y/&"}}, "/p?a=x+y%2F%26&b=2&b=1"},
	} {
		inv := &invocation{form: c.form}
		if got := inv.target("/p", c.q); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.form, c.q, got, c.want)
		}
	}
}

// TestListAsks: what each list asks for, which is its name and its words.
func TestListAsks(t *testing.T) {
	for args, want := range map[string]sentToAdmin{
		"routes":                            {target: "/admin/v1/routes", accept: "text/plain"},
		"inflight -o wide verb=list":        {target: "/admin/v1/inflight?verb=list&wide=true", accept: "text/plain"},
		"requests -o json verb=a verb=b":    {target: "/admin/v1/requests?verb=a&verb=b", accept: "application/json"},
		"watches user=system:a,b":           {target: "/admin/v1/watches?user=system%3Aa%2Cb", accept: "text/plain"},
		"chain listener=https":              {target: "/admin/v1/chain?listener=https", accept: "text/plain"},
		"timeline kind=control -o=json a=b": {target: "/admin/v1/timeline?a=b&kind=control", accept: "application/json"},
		"hooks -o wide":                     {target: "/admin/v1/hooks?wide=true", accept: "text/plain"},
	} {
		want.method = "GET"
		at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "a\x00b\r\n" })
		// The answer is copied as it is, whatever it holds.
		o := inspect(t, t.Context(), "", append(strings.Fields(args), "--admin="+at)...)
		if all := got(); o != (outcome{exitDone, "a\x00b\r\n", ""}) || len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, asked %+v, want %+v", args, o, all, want)
		}
	}
}

// TestOwnersAsks: the object as kubectl names it, and a field with all that is in it.
func TestOwnersAsks(t *testing.T) {
	for args, want := range map[string]sentToAdmin{
		"cm/x":                            {target: "/admin/v1/owners?name=x&resource=cm", accept: "text/plain"},
		"deploy.apps/a/b -n shop -o json": {target: "/admin/v1/owners?name=a%2Fb&namespace=shop&resource=deploy.apps", accept: "application/json"},
		"cm/x --force helm manager=a operation=b": {target: "/admin/v1/owners?force=helm&manager=a&name=x&operation=b&resource=cm", accept: "text/plain"},
		"--path data cm/x --path=.b[0] -o wide": {
			target: "/admin/v1/owners?name=x&path=.data&path=.data.%2A&path=.data%5B%2A&path=.b%5B0%5D&path=.b%5B0%5D.%2A&path=.b%5B0%5D%5B%2A&resource=cm&wide=true",
			accept: "text/plain",
		},
	} {
		want.method = "GET"
		at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "rows\n" })
		o := inspect(t, t.Context(), "", append(append([]string{"owners"}, strings.Fields(args)...), "--admin="+at)...)
		if all := got(); o != (outcome{exitDone, "rows\n", ""}) || len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, asked %+v, want %+v", args, o, all, want)
		}
	}
	at, _ := fakeAdmin(t, func(int, *http.Request) (int, string) {
		return 404, `{"kind":"Status","message":"configmaps \"x\" not found","code":404}`
	})
	if o := inspect(t, t.Context(), "", "owners", "cm/x", "--admin="+at); o.code != exitRefused || !strings.Contains(o.errs, `configmaps "x" not found`) {
		t.Errorf("an object that is not there: %+v", o)
	}
}

// TestShow: what is printed by several readings, to the byte, on a terminal and elsewhere.
func TestShow(t *testing.T) {
	const clear = "\x1b[H\x1b[2J"
	no := negative("no")
	bad := errors.New("bad")
	for name, c := range map[string]struct {
		form            string
		watch, terminal bool
		readings        []error // what comes with a, b, c...; the context ends after the last
		want            string
		err             error
	}{
		"once":                      {"table", false, false, []error{nil}, "a\n", nil},
		"once, on a terminal":       {"table", false, true, []error{nil}, "a\n", nil},
		"once, no":                  {"table", false, false, []error{no}, "a\n", no},
		"once, bad":                 {"table", false, false, []error{bad}, "", bad},
		"again":                     {"table", true, false, []error{nil, nil, nil}, "a\n\nb\n\nc\n", context.Canceled},
		"again, wide":               {"wide", true, false, []error{nil, nil}, "a\n\nb\n", context.Canceled},
		"again, JSON":               {"json", true, false, []error{nil, nil, nil}, "a\nb\nc\n", context.Canceled},
		"again, on a terminal":      {"table", true, true, []error{nil, nil}, clear + "a\n" + clear + "b\n", context.Canceled},
		"no does not end it":        {"table", true, false, []error{no, nil, no}, "a\n\nb\n\nc\n", context.Canceled},
		"what is bad does":          {"table", true, false, []error{nil, bad, nil}, "a\n", bad},
		"a wrapped no is one":       {"table", false, false, []error{fmt.Errorf("x: %w", no)}, "a\n", no},
		"on a terminal, JSON again": {"json", true, true, []error{nil, nil}, clear + "a\n" + clear + "b\n", context.Canceled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		inv := &invocation{form: c.form, watch: c.watch, terminal: c.terminal, out: &out, ctx: ctx, interval: time.Millisecond}
		n := 0
		err := inv.show(func() ([]byte, error) {
			b, err := []byte(string(rune('a'+n))+"\n"), c.readings[n]
			if n++; n == len(c.readings) {
				cancel()
			}
			return b, err
		})
		cancel()
		if out.String() != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q %v, want %q %v", name, &out, err, c.want, c.err)
		}
	}
}

// TestShowBrokenPipe: output that cannot be written ends a repetition, with code 1, or with that
// of a no that would have been printed.
func TestShowBrokenPipe(t *testing.T) {
	at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "{}" })
	for args, want := range map[string]int{"routes -w": exitRefused, "top": exitRefused, "drain on": exitRefused, "drain off": exitRefused, "explain GET / -w": exitNot} {
		var errs bytes.Buffer
		code, _ := Main(t.Context(), "v9", append(strings.Fields(args), "--admin="+at), nil, broken{}, &errs)
		if code != want || errs.String() != "apichain: broken\n" {
			t.Errorf("%s: %d %q, want %d", args, code, &errs, want)
		}
	}
	// One for routes, four for top, two for each change, two for explain: nothing is repeated.
	if n := len(got()); n != 11 {
		t.Errorf("%d requests, want 11", n)
	}
}

// TestPause: an interval passes, or an end cuts it short.
func TestPause(t *testing.T) {
	done := make(chan struct{})
	if !pause(done, time.Millisecond) {
		t.Error("an interval was cut short")
	}
	close(done)
	if pause(done, time.Hour) {
		t.Error("an end was slept through")
	}
}

// TestGetJSON: keys that are not known are skipped, and what is no JSON is named with where it is
// from.
func TestGetJSON(t *testing.T) {
	body := `{"a":1,"new":{"b":[2]}}`
	at, _ := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, body })
	inv := &invocation{form: "wide", ctx: t.Context()}
	var err error
	if inv.client, err = newAdminClient(location{admin: at}, "v9"); err != nil {
		t.Fatal(err)
	}
	var v struct{ A int }
	if err := inv.getJSON("/admin/v1/x?y=z", &v); err != nil || v.A != 1 {
		t.Errorf("%+v %v", v, err)
	}
	for body, want := range map[string]string{"": "unexpected end of JSON input", "[]": "json: cannot unmarshal array", `{"a":"x"}`: "json: cannot unmarshal string"} {
		at, _ := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, body })
		inv.client, _ = newAdminClient(location{admin: at}, "v9")
		if err := inv.getJSON("/admin/v1/x?y=z", &v); err == nil || !strings.HasPrefix(err.Error(), "the answer of /admin/v1/x?y=z cannot be read: "+want) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestExplainAsks: what is not given is not sent, so that the endpoint's defaults hold.
func TestExplainAsks(t *testing.T) {
	for args, want := range map[string]string{
		"explain GET /":                        "method=GET&path=%2F",
		"explain get /a%2Fb?c=d&e=f":           "method=get&path=%2Fa%252Fb%3Fc%3Dd%26e%3Df",
		"explain GET / --as=":                  "method=GET&path=%2F",
		"explain GET / --as-group a":           "group=a&method=GET&path=%2F",
		"explain GET / --as bob -H A:1 -H A:2": "header=A%3A1&header=A%3A2&method=GET&path=%2F&user=bob",
		"explain GET / --listener http":        "listener=http&method=GET&path=%2F",
	} {
		at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, `{"reachesHandler":true}` })
		o := inspect(t, t.Context(), "", append(strings.Fields(args), "-o=wide", "--admin="+at)...)
		all := got()
		if o.code != exitDone || len(all) != 2 || all[0].target != "/admin/v1/explain?"+want || all[0].accept != "application/json" {
			t.Errorf("%s: %+v, asked %+v", args, o, all)
			continue
		}
		// wide=true is for the text alone.
		if q, err := url.ParseQuery(strings.TrimPrefix(all[1].target, "/admin/v1/explain?")); err != nil || q.Get("wide") != "true" || all[1].accept != "text/plain" {
			t.Errorf("%s: then asked %+v", args, all[1])
		}
	}
	for _, args := range []string{"explain", "explain GET", "explain GET / extra"} {
		if o := inspect(t, t.Context(), "", append(strings.Fields(args), "--admin=http://127.0.0.1:1")...); o != (outcome{exitUsage, "", "apichain: explain takes a method and a path; see apichain explain --help\n"}) {
			t.Errorf("%s: %+v", args, o)
		}
	}
}

// TestFail: the exit code of each error and its one line.
func TestFail(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		code int
		line string
	}{
		"refused":               {t.Context(), &refusal{403, "no role"}, exitRefused, "no role"},
		"anything":              {t.Context(), errors.New("x"), exitRefused, "x"},
		"usage":                 {t.Context(), usageError("-o: wrong"), exitUsage, "-o: wrong; see apichain hooks --help"},
		"usage, wrapped":        {t.Context(), fmt.Errorf("a: %w", usageError("b")), exitUsage, "a: b; see apichain hooks --help"},
		"nobody":                {t.Context(), &unreachable{errors.New("x")}, exitNoAnswer, "x"},
		"no":                    {t.Context(), negative("not so"), exitNot, "not so"},
		"no, silent":            {t.Context(), negative(""), exitNot, ""},
		"lines":                 {t.Context(), errors.New("a\n\tb  c\r\n"), exitRefused, "a b c"},
		"interrupted":           {over, context.Canceled, exitInterrupted, ""},
		"interrupted otherwise": {over, usageError("x"), exitInterrupted, ""},
		"no and broken":         {t.Context(), errors.Join(negative(""), errBroken), exitNot, "broken"},
	} {
		var errs strings.Builder
		inv := &invocation{subcommand: subcommand{name: "hooks"}, ctx: c.ctx}
		want := ""
		if c.line != "" {
			want = "apichain: " + c.line + "\n"
		}
		if code := inv.fail(c.err, &errs); code != c.code || errs.String() != want {
			t.Errorf("%s: %d %q, want %d %q", name, code, &errs, c.code, want)
		}
	}
}

// TestIsTerminal: buffers, files, pipes and /dev/null are none.
func TestIsTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	closed, err := os.Create(filepath.Join(t.TempDir(), "g"))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, f := range map[string]*os.File{"a file": file, "nowhere": null, "a pipe": w, "what is closed": closed} {
		if isTerminal(f) {
			t.Errorf("%s is a terminal", name)
		}
	}
	if isTerminal(&bytes.Buffer{}) {
		t.Error("a buffer is a terminal")
	}
}
