package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/ctl"
)

// The subcommands against whole programs. What they send and print by themselves is tested in
// internal/ctl, against endpoints that answer as they are told.

// outcome is what a subcommand left behind.
type outcome struct {
	code      int
	out, errs string
}

// inspect runs a subcommand as the command line would.
func inspect(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code, mine := ctl.Main(t.Context(), programVersion, args, strings.NewReader(stdin), &out, &errs)
	if !mine {
		t.Fatalf("%q is no subcommand", args)
	}
	return outcome{code, out.String(), errs.String()}
}

// TestSubcommandLists: each list is the endpoint's text or JSON, and its arguments are the
// query, wherever flags stand.
func TestSubcommandLists(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	at := "--admin=" + r.url("admin", "")
	for _, name := range []string{"routes", "hooks", "inflight", "watches", "requests", "chain", "timeline"} {
		table := inspect(t, "", name, at)
		if table.code != 0 || table.errs != "" || !strings.HasPrefix(table.out, strings.ToUpper(table.out[:3])) || !strings.HasSuffix(table.out, "\n") {
			t.Errorf("%s: %+v", name, table)
		}
		asJSON := inspect(t, "", name, "-o", "json", at)
		var list struct {
			Generation int64
			Items      []map[string]any
		}
		if err := json.Unmarshal([]byte(asJSON.out), &list); err != nil || list.Generation == 0 || strings.Count(asJSON.out, "\n") != 1 {
			t.Errorf("%s: %v: %+v", name, err, asJSON)
		}
	}
	got := inspect(t, "", "routes", "server=core", at, "method=GET", "limit=2", "-o=json", "sort=-pattern")
	var list struct {
		Items []struct{ Server, Method, Pattern string }
	}
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Items) != 2 || list.Items[0].Server != "core" || list.Items[0].Method != "GET" || list.Items[0].Pattern < list.Items[1].Pattern {
		t.Errorf("a query with four keys: %v: %+v", err, got)
	}
	narrow, wide := inspect(t, "", "chain", at), inspect(t, "", "chain", at, "-o", "wide")
	if !strings.Contains(narrow.out, "…") || strings.Contains(wide.out, "…") {
		t.Error("wide is no wider than table")
	}
	unix := filepath.Join(t.TempDir(), "a")
	startProgram(t, nil, "--listen-admin=unix:"+unix)
	if got := inspect(t, "", "hooks", "--admin=unix:"+unix); got.code != 0 || !strings.Contains(got.out, "bootstrap-objects") {
		t.Errorf("over a socket file: %+v", got)
	}
	refused := inspect(t, "", "routes", at, "colour=red")
	if want := `unknown query parameter "colour": known are id, server`; refused.code != 1 || refused.out != "" || !strings.Contains(refused.errs, want) || strings.Count(refused.errs, "\n") != 1 {
		t.Errorf("an unknown key: want code 1 and one line with %q: %+v", want, refused)
	}
}

// TestSubcommandsOverTLS: everything that a subcommand can change and explain, of a program
// whose admin listener asks who comes: the ready file leads to CA and credentials.
func TestSubcommandsOverTLS(t *testing.T) {
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0", "--admin-tls", "--ready-file="+ready, "--kubeconfig="+filepath.Join(dir, "kc"))
	run := func(code int, args string, wants ...string) {
		t.Helper()
		got := inspect(t, `{"seed":7,"rules":[{"id":"r","match":{"verb":["list"]},"action":{"do":"answer","status":503}}]}`, append(strings.Fields(args), "--ready-file="+ready)...)
		if got.code != code || got.errs != "" {
			t.Errorf("%s: %+v", args, got)
		}
		for _, want := range wants {
			if !strings.Contains(got.out, want) {
				t.Errorf("%s: no %q in\n%s", args, want, got.out)
			}
		}
	}
	run(0, "explain GET /api/v1/namespaces --as ann --as-group system:masters", "authentication", "user ann, as asked", "core:container:GET:/api/v1/namespaces")
	run(5, "explain GET /api/v1/namespaces --as bob", "403 Forbidden by authorization: ")
	run(0, "explain GET /api/v1/namespaces -o json --as ann --as-group system:masters", `"reachesHandler":true`)
	run(0, "drain on --for 5m --note moving --wait", "control drain is on: set by cluster-admin", "(moving)")
	if got := r.get("http", "/readyz"); got.status != 500 || !strings.Contains(got.body, "[-]drain failed") {
		t.Errorf("readyz during a drain: %d %s", got.status, got.body)
	}
	run(0, "top -n 1", "! drain is on: set by cluster-admin, ", " left (moving)", "phase run, not ready")
	run(0, "drain off", "active")
	if got := r.get("http", "/readyz"); got.status != 200 {
		t.Errorf("readyz after a drain: %d %s", got.status, got.body)
	}
	run(0, "loglevel set 6 user=alice --for 1m", "alice")
	run(0, "loglevel -o json", `"verbosity":6`)
	run(0, "loglevel off")
	run(0, "faults set -f - --for 1m", "control faults is on")
	run(5, "explain GET /api/v1/namespaces --as ann --as-group system:masters", "503 Service Unavailable by fault-injection: injected fault r")
	if got := r.get("http", "/api/v1/namespaces"); got.status != 503 || got.header.Get("X-Apichain-Fault") != "r" {
		t.Errorf("a fault: %d %v", got.status, got.header)
	}
	run(0, "faults -o json", `"hits":1`)
	run(0, "faults set --do delay delayMs=1 --match path=/readyz --percent 50 --count 2 --seed 3 --for 1m", "control faults is on")
	run(0, "faults -o json", `"seed":3`, `"delayMs":1`, `"percent":50`, `"count":2`)
	run(0, "faults off")
	run(0, "requests status=503", "503")
	run(0, "timeline kind=control", "drain", "faults", "loglevel")
	run(0, "chain listener=https -o wide", "no rule is set")
	got := inspect(t, "", "faults", "set", "--do", "explode", "--ready-file="+ready)
	if got.code != 1 || !strings.Contains(got.errs, "rules[0].action.do") {
		t.Errorf("an unknown fault: %+v", got)
	}
	if got := inspect(t, "", "hooks", "--admin="+r.url("admin", "")); got.code != 4 || !strings.Contains(got.errs, "certificate") {
		t.Errorf("without the CA: %+v", got)
	}
}
