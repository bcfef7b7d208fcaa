package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// readChain returns an overview with the chains that text has as JSON.
func readChain(t *testing.T, text string) *overview {
	t.Helper()
	var o overview
	if err := json.Unmarshal([]byte(text), &o.chain); err != nil {
		t.Fatal(err)
	}
	return &o
}

// TestOverviewRequests: each listener's first filter sees all of its requests; refusals are of
// every filter.
func TestOverviewRequests(t *testing.T) {
	for text, want := range map[string][2]uint64{
		`{}`:                                     {0, 0},
		`{"items":[{"filters":[]}]}`:             {0, 0},
		`{"items":[{"filters":[{"passed":5}]}]}`: {5, 0},
		`{"items":[{"filters":[{"passed":5,"rejected":2,"answered":{"400":2,"200":1}}]}]}`:                                   {8, 2},
		`{"items":[{"filters":[{"passed":5},{"passed":3,"rejected":2,"answered":{"403":2}}]}]}`:                              {5, 2},
		`{"items":[{"filters":[{"passed":5},{"rejected":1}]},{"filters":[{"passed":7,"answered":{"429":1},"rejected":1}]}]}`: {13, 2},
	} {
		if total, refused := readChain(t, text).requests(); [2]uint64{total, refused} != want {
			t.Errorf("%s: %d and %d, want %v", text, total, refused, want)
		}
	}
}

// TestPrintFilters: the slowest first, by both percentiles, twelve at most; those that are off or
// not timed are left out, and equal ones stay in their order.
func TestPrintFilters(t *testing.T) {
	names := func(o *overview) (got []string) {
		var b strings.Builder
		o.printFilters(&b)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if strings.Join(strings.Fields(lines[0]), " ") != "P99 P50 LISTENER FILTER PASSED REJECTED" {
			t.Errorf("the head is %q", lines[0])
		}
		for _, l := range lines[1:] {
			got = append(got, strings.Fields(l)[3])
		}
		return got
	}
	row := func(name string, p50, p99 int) string {
		return fmt.Sprintf(`{"name":%q,"enabled":true,"timeNs":{"p50":%d,"p99":%d}}`, name, p50, p99)
	}
	of := func(rows ...string) *overview {
		return readChain(t, `{"items":[{"listener":"https","filters":[`+strings.Join(rows, ",")+`]}]}`)
	}
	for want, rows := range map[string][]string{
		"":      nil,
		"b a":   {row("a", 9, 1), row("b", 1, 2)},
		"b c a": {row("a", 1, 5), row("b", 3, 5), row("c", 2, 5)},
		"a b c": {row("a", 1, 5), row("b", 1, 5), row("c", 1, 5)},
		"on":    {row("on", 1, 1), `{"name":"off","timeNs":{"p50":1,"p99":1}}`, `{"name":"new","enabled":true}`, `{"name":"null","enabled":true,"timeNs":null}`},
		"1 2 3 4 5 6 7 8 9 10 11 12": {row("13", 1, 1), row("12", 1, 2), row("11", 1, 3), row("10", 1, 4), row("9", 1, 5), row("8", 1, 6), row("7", 1, 7),
			row("6", 1, 8), row("5", 1, 9), row("4", 1, 10), row("3", 1, 11), row("2", 1, 12), row("1", 1, 13)},
	} {
		if got := strings.Join(names(of(rows...)), " "); got != want {
			t.Errorf("%q: %q, want %q", rows, got, want)
		}
	}
}

// TestPrintState: readiness, and one line for each control that is on, with what its user wrote.
func TestPrintState(t *testing.T) {
	at := time.Date(2026, 11, 27, 5, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		`{}`:                              "apichain   phase , not ready  up 0s\n",
		`{"version":"v1","phase":"stop"}`: "apichain v1  phase stop, not ready  up 0s\n",
		`{"version":"v1","phase":"run","ready":true,"controls":[{"control":"drain","setBy":"","expiresAt":"2026-11-27T06:00:00Z"}]}`: "apichain v1  phase run, ready  up 0s\n" +
			"! drain is on: set by -, 1h0m left\n",
		// A control that is over undoes itself: until then none is left.
		`{"phase":"run","controls":[{"control":"faults","setBy":"a\u202eb","expiresAt":"2026-11-27T04:00:00Z","note":"\u001b[2J"}]}`: "apichain   phase run, not ready  up 0s\n" +
			"! faults is on: set by a\\u202eb, 0s left (\\x1b[2J)\n",
	} {
		o := overview{at: at}
		if err := json.Unmarshal([]byte(text), &o.index); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if o.printState(&b); b.String() != want {
			t.Errorf("%s:\n%swant\n%s", text, &b, want)
		}
	}
}

// TestPrintRate: requests a second, of the whole time at first and of the interval then; and of the
// whole time again when the program was started anew meanwhile, whose counts begin at nothing.
func TestPrintRate(t *testing.T) {
	at := time.Date(2026, 11, 27, 5, 0, 0, 0, time.UTC)
	after := func(total int, seconds float64) *overview {
		o := readChain(t, fmt.Sprintf(`{"items":[{"filters":[{"passed":%d}]}]}`, total))
		o.at = at.Add(time.Duration(seconds * float64(time.Second)))
		o.build.Process.UptimeSeconds = seconds
		return o
	}
	anew := after(4, 2)
	anew.build.Process.StartedAt = at
	for name, c := range map[string]struct {
		now, last *overview
		want      string
	}{
		"just begun":      {after(0, 0), nil, "0.0 requests/s since the start  0 in all"},
		"since the start": {after(30, 20), nil, "1.5 requests/s since the start  30 in all"},
		"in an interval":  {after(30, 20), after(10, 15), "4.0 requests/s now  30 in all"},
		"nothing new":     {after(30, 20), after(30, 19), "0.0 requests/s now  30 in all"},
		"less than one":   {after(31, 20), after(30, 10), "0.1 requests/s now  31 in all"},
		"started anew":    {anew, after(30, 20), "2.0 requests/s since the start  4 in all"},
	} {
		var b strings.Builder
		if c.now.printRate(&b, c.last); b.String() != c.want+", 0 refused by a filter  0 in flight\n" {
			t.Errorf("%s: %q", name, &b)
		}
	}
}

// TestCell: clients' texts in a table: none is -, what is not printable is escaped, and the cut is
// between characters.
func TestCell(t *testing.T) {
	x := strings.Repeat("x", 100)
	for s, want := range map[string]string{
		"":              "-",
		"-":             "-",
		"a b":           "a b",
		x[:60]:          x[:60],
		x[:61]:          x[:60] + "…",
		x[:59] + "é":    x[:59] + "…",
		x[:58] + "é":    x[:58] + "é",
		x[:58] + "éx":   x[:58] + "é…",
		"a\tb\nc":       `a\tb\nc`,
		"\x1b[31mred":   `\x1b[31mred`,
		"a\u2028b":      `a\u2028b`,
		"\xff":          "\uFFFD",
		x[:57] + "\n\n": x[:57] + `\n\…`,
	} {
		if got := cell(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// FuzzCell: a cell is one printable line of at most 60 bytes and the mark, never empty.
func FuzzCell(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("é", 40))
	f.Add("\xff\x00\u202e\U0001F600")
	f.Fuzz(func(t *testing.T, s string) {
		got := cell(s)
		if got == "" || !utf8.ValidString(got) || len(strings.TrimSuffix(got, "…")) > 60 || strings.ContainsAny(got, "\t\n\r\x1b") {
			t.Fatalf("%q: %q", s, got)
		}
		if begin, cut := strings.CutSuffix(got, "…"); cut && !strings.HasSuffix(s, "…") && len(begin) < 57 {
			t.Fatalf("%q is cut to %q, which is short", s, got)
		}
	})
}

// TestOfLimit: no limit is not a limit of 0.
func TestOfLimit(t *testing.T) {
	for _, c := range []struct {
		n, limit int64
		want     string
	}{{0, 0, "0"}, {7, 0, "7"}, {0, 400, "0 of 400"}, {401, 400, "401 of 400"}} {
		if got := ofLimit(c.n, c.limit); got != c.want {
			t.Errorf("%d of %d: %q", c.n, c.limit, got)
		}
	}
}

// TestTopAsks: four endpoints each time, in order; the first that refuses ends it. -n says how
// often, and between two there is an empty line.
func TestTopAsks(t *testing.T) {
	round := []string{"/admin/", "/admin/v1/inflight?sort=-ageMs&limit=12", "/admin/v1/chain", "/admin/v1/build"}
	at, got := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "{}" })
	o := inspect(t, t.Context(), "", "top", "-n", "2", "--interval=100ms", "--admin="+at)
	if o.code != exitDone || o.errs != "" || strings.Count(o.out, "apichain ") != 2 || !strings.HasPrefix(o.out, "apichain ") || !strings.Contains(o.out, "\n\napichain ") {
		t.Errorf("%+v", o)
	}
	if all := got(); len(all) != 2*len(round) {
		t.Errorf("asked %d times", len(all))
	} else {
		for i, s := range all {
			if want := (sentToAdmin{method: "GET", target: round[i%len(round)], accept: "application/json"}); s != want {
				t.Errorf("request %d is %+v, want %+v", i, s, want)
			}
		}
	}
	for i := range round {
		at, got := fakeAdmin(t, func(n int, _ *http.Request) (int, string) {
			if n == i+1 {
				return 403, `{"message":"no role"}`
			}
			return 200, "{}"
		})
		if o := inspect(t, t.Context(), "", "top", "--admin="+at); o != (outcome{exitRefused, "", "apichain: no role\n"}) || len(got()) != i+1 {
			t.Errorf("refused at %s: %+v after %d", round[i], o, len(got()))
		}
	}
}

// TestTopInterrupted: what is interrupted while it waits has code 130, however long the interval.
func TestTopInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	at, _ := fakeAdmin(t, func(int, *http.Request) (int, string) { return 200, "{}" })
	out, code := paced{make(chan string)}, make(chan int, 1)
	go func() {
		n, _ := Main(ctx, "v9", []string{"top", "--interval=1h", "--admin=" + at}, nil, out, &strings.Builder{})
		code <- n
	}()
	await(t, out.wrote)
	cancel()
	if got := await(t, code); got != exitInterrupted {
		t.Errorf("code %d", got)
	}
}

// TestTopWithoutTerminal: keys are read from a terminal alone; there is nothing to put back else.
func TestTopWithoutTerminal(t *testing.T) {
	inv := &invocation{stdin: strings.NewReader("q")}
	inv.quitOnKey(func() { t.Error("a stream that is no terminal ends top") })()
}
