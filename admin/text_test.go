package admin

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

const asText = "Accept: text/plain"

// Text as people see it, of the contract's examples.
func TestText(t *testing.T) {
	src := newFake(t)
	mux := Route{Server: "core", Kind: "prefix", Method: "*", Pattern: "/openapi/v3/", RegisteredAt: "openapi.go:40"}
	src.routes = append(src.routes, mux)
	src.chain[0].Filters[0].TimeNs.P99 = 1_500_000
	h := handlerOf(t, src)
	for path, want := range map[string]string{
		"/admin/?id=routes": `
PATH              METHODS  SUMMARY
/admin/v1/routes  GET      every route of every server
`,
		"/admin/v1/servers": `
POS  SERVER  DELEGATE    TAKEN  DECLINED  CONTAINER  EXACT  PREFIX  GROUPS
  2  core    extensions  48210       131        214     31       4  "",coordination.k8s.io
`,
		"/admin/v1/chain": `
LISTENER  POS  NAME             ENABLED  PASSED  REJECTED  P50    P99  OFF-REASON      WHY
https      22  max-in-flight    true      48341        12  110ns  1ms  -               after impersonation, so that masters are known; before auth…
https      24  fault-injection  false         0         0  -      -    no rule is set  last, so that a fault looks like a broken handler
`,
		"/admin/v1/routes": `
SERVER  KIND       METHOD  PATTERN                                    OPERATION                      HITS  LAST  SHADOWED-BY  REGISTERED
core    container  GET     /api/v1/namespaces/{namespace}/configmaps  listCoreV1NamespacedConfigMap  1204  22ms  -            resource.go:118
core    prefix     *       /openapi/v3/                               -                                 0  -     -            openapi.go:40
`,
		"/admin/v1/hooks": `
PHASE       ORDER  NAME        SERVER  STATE    TOOK  ERROR  REGISTERED
post-start      3  warm-cache  core    running  7.3s  -      extend.go:14
`,
		"/admin/v1/inflight": `
LISTENER  VERB  RESOURCE    NAMESPACE  USER   AGE    FILTER   ROUTE-SERVER  OUT    AUDIT-ID
https     list  configmaps  default    alice  431ms  handler  core          16KiB  0c6a4f6e-58a5-4b0e-8a3e-0f6f1a1f2f11
`,
		"/admin/v1/timeline": `
SINCE-START  PHASE  KIND    NAME               TOOK   DETAIL                ERROR
4ms          start  step    listening          600µs  https 127.0.0.1:6443  -
3m7s         stop   signal  ShutdownInitiated  -      SIGTERM               -

waiting for requests, at most until 2026-11-23T05:24:07.001Z
KIND     AGE    WHAT                                       AUDIT-ID
request  431ms  GET /api/v1/namespaces/default/configmaps  0c6a4f6e-58a5-4b0e-8a3e-0f6f1a1f2f11
`,
		"/admin/v1/listeners": `
LISTENER  ADDRESS         PROTOCOLS    INHERITED  NEW  ACTIVE  IDLE  ACCEPTED  TLS
https     127.0.0.1:6443  h2,http/1.1  false        0       2     1       912  1.2
`,
		"/admin/v1/build": `
version                 v0.3.0
goVersion               go1.26.8
module                  apichain
revision                7d1dd93
revisionTime            2026-11-23T05:00:00.000Z
modified                false
platform                linux/amd64
process.pid             4711
process.startedAt       2026-11-23T05:20:00.000Z
process.uptimeSeconds   3m7s
process.goroutines      41
process.heapBytes       5MiB
process.residentBytes   14MiB
process.cpus            16
`,
		"/admin/v1/admission": `
POS  PLUGIN      ENABLED  DOES                       IDLE
  1  Priority    true     sets the priority of pods  -
  2  AlwaysDeny  false    -                          not here
`,
		"/admin/v1/options": `
GROUP    OPTION           VALUE  SOURCE
serving  request-timeout  1m0s   default
`,
		"/admin/v1/watches": `
RESOURCE             NAMESPACE  SELECTOR               USER   AGE    SENT  CURRENT  LAG  EVENTS  OUT    LAST-SEND  STATE  AUDIT-ID
widgets.example.com  default    labelSelector=app=web  alice  1m33s  1040     1042    2      38  18KiB  2.3s       live   9a0e3b0e-2f0c-4f7c-9a8e-6f4f6a1b2c3d
`,
		"/admin/v1/store": `
RESOURCE    OBJECTS  BYTES  WARNINGS
configmaps       12  9KiB   -

revision 1042; the window holds 1040 events in 793KiB, from revision 3
kept in etcd http://127.0.0.1:2379 up to revision 1042, in 0.41ms (99%: 2.10ms); 0 writes wait
the watch of http://127.0.0.1:2379 is 0 revisions behind; it was taken up again 1 times, 0 times with all there is
values that are not served: 2 encrypted
`,
		"/admin/v1/options?limit=0": `
GROUP  OPTION  VALUE  SOURCE
`,
	} {
		w := ask(t, h, path, asText)
		if got := "\n" + w.Body.String(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", path, got, want)
		}
		if ct := w.Header().Get("Content-Type"); ct != formText {
			t.Errorf("%s: Content-Type %q", path, ct)
		}
	}
}

// Unknown is - in every table and every line.
func TestTextOfUnknown(t *testing.T) {
	src := &fake{generation: func() int64 { return 1 }, routes: []Route{{}}}
	h := handlerOf(t, src)
	for path, want := range map[string]string{
		"/admin/v1/build":  "revisionTime            -\n",
		"/admin/v1/routes": "\n-       -     -       -        -             0  -     -            -\n",
	} {
		if body := ask(t, h, path, asText).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s has no %q:\n%s", path, want, body)
		}
	}
}

// What a client wrote cannot break a line, colour a terminal or push columns apart, and
// is cut unless ?wide=true.
func TestTextOfClients(t *testing.T) {
	src := newFake(t)
	src.requests[0].User = "a\x1b[31m\r\nb\u202e\x00é\\"
	src.requests[0].Namespace = strings.Repeat("ö", 61)
	src.requests[0].AuditID = "0" + strings.Repeat("a", 199)
	h := handlerOf(t, src)
	short, wide := ask(t, h, "/admin/v1/inflight", asText).Body.String(), ask(t, h, "/admin/v1/inflight?wide=true", asText).Body.String()
	for _, body := range []string{short, wide} {
		if !strings.Contains(body, `  a\x1b[31m\r\nb\u202e\x00é\  `) || strings.Count(body, "\n") != 2 {
			t.Errorf("not escaped: %q", body)
		}
	}
	if !strings.Contains(short, "  "+strings.Repeat("ö", 59)+"…  ") {
		t.Errorf("not cut at 60: %s", short)
	}
	if !strings.Contains(wide, "  "+strings.Repeat("ö", 61)+"  ") {
		t.Errorf("cut though wide: %s", wide)
	}
	if !strings.HasSuffix(wide, "  0"+strings.Repeat("a", 63)+"\n") {
		t.Errorf("the audit ID is not cut at 64: %s", wide)
	}
	lines := strings.Split(short, "\n")
	if at := strings.Index(lines[0], "AUDIT-ID"); []rune(lines[1])[at] != '0' {
		t.Errorf("columns are not aligned:\n%s", short)
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 110: "110ns", 412 * time.Microsecond: "412µs", time.Millisecond: "1ms", 999999 * time.Microsecond: "999ms", time.Second: "1.0s",
		59*time.Second + 999*time.Millisecond: "59.9s", time.Minute: "1m0s", 93 * time.Second: "1m33s", 5*time.Hour + 12*time.Minute + 59*time.Second: "5h12m", 47*time.Hour + 59*time.Minute: "47h59m", 48 * time.Hour: "2d0h", 75 * time.Hour: "3d3h",
	} {
		if got := ShortDuration(d); got != want {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
}

func TestShortSize(t *testing.T) {
	for n, want := range map[float64]string{0: "0B", 1023: "1023B", 1024: "1KiB", 18211: "18KiB", 5 << 20: "5MiB", 3 << 30: "3GiB", 2 << 50: "2048TiB"} {
		if got := shortSize(n); got != want {
			t.Errorf("%.0f: %s, want %s", n, got, want)
		}
	}
}

// Every column of every table leads to a key that its rows have.
func TestColumnsAreKeys(t *testing.T) {
	for _, c := range []struct {
		cols columns
		row  any
	}{
		{indexColumns, indexItem{}}, {serverColumns, Server{}}, {filterColumns, filterLine{Filter: Filter{TimeNs: &Percentiles{}}}}, {routeColumns, Route{}}, {hookColumns, Hook{}}, {inFlightColumns, Request{}},
		{eventColumns, Event{}}, {blockerColumns, Blocker{}}, {listenerColumns, Listener{TLS: &TLS{}}}, {optionColumns, Option{}}, {watchColumns, Watch{}}, {stockColumns, Stock{}},
	} {
		fields := Map[string]{}
		describe(fields, "", reflect.TypeOf(c.row))
		for _, col := range c.cols {
			heading, path, _ := strings.Cut(col, "=")
			if _, ok := fields[path]; !ok || heading == "" {
				t.Errorf("%T has no %q", c.row, col)
			}
		}
	}
}

// TestShortDurationIsClose: what is shown is never more than what it stands for, and less
// by under one of the smallest unit that is shown.
func TestShortDurationIsClose(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 0))
	for n := range 20000 {
		// Times of every size are as likely: up to three days, of which those from two on have
		// a unit that ParseDuration does not know.
		d := time.Duration(1) << r.IntN(48)
		d += time.Duration(r.Int64N(int64(d)))
		text, last := ShortDuration(d), time.Duration(0)
		if days, hours, isLong := strings.Cut(text, "d"); isLong {
			n, err := strconv.Atoi(days)
			if err != nil {
				t.Fatal(err)
			}
			rest, err := time.ParseDuration(hours)
			if err != nil {
				t.Fatal(err)
			}
			last = time.Duration(n)*24*time.Hour + rest
		} else {
			parsed, err := time.ParseDuration(text)
			if err != nil {
				t.Fatalf("%v is shown as %q", d, text)
			}
			last = parsed
		}
		unit := time.Hour
		switch {
		case d < time.Millisecond:
			unit = 100 * time.Nanosecond
		case d < time.Second:
			unit = time.Millisecond
		case d < time.Minute:
			unit = 100 * time.Millisecond
		case d < time.Hour:
			unit = time.Second
		case d < 48*time.Hour:
			unit = time.Minute
		}
		// Below a millisecond it is rounded, above it is cut.
		if off := d - last; off >= unit || off < 0 && d >= time.Millisecond || off < -unit {
			t.Fatalf("seed %d, %d: %v is shown as %v", seed, n, d, last)
		}
	}
}

// TestPrintable: the escapes are those of Go, what people write stays, and what was escaped
// once is not escaped again.
func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                         "",
		"plain é ü 你好 \U0001F600":  "plain é ü 你好 \U0001F600",
		"a\tb\nc\rd":               `a\tb\nc\rd`,
		"\x00\x1b[31m\x7f":         `\x00\x1b[31m\x7f`,
		"\u0085\u00a0\u2028\u202e": `\u0085\u00a0\u2028\u202e`,
		"\ufeff\u200b":             `\ufeff\u200b`,
		"\xff":                     "\ufffd",
		`"quoted" 'single' \back\`: `"quoted" 'single' \back\`,
		"\U000e0001":               `\U000e0001`,
		"a\u0301":                  "a\u0301", // a combining accent is printed
	} {
		got := Printable(s)
		if got != want {
			t.Errorf("%+q: %+q, want %+q", s, got, want)
		}
		if again := Printable(got); again != got {
			t.Errorf("%+q is escaped again: %+q", got, again)
		}
	}
}

// TestTableIsAligned: whatever cells hold, every line has each column where the heading has
// it, and no line ends with a space.
func TestTableIsAligned(t *testing.T) {
	const seed = 5
	r := rand.New(rand.NewPCG(seed, 0))
	texts := []string{"", "a", "é", "你好", "two words", strings.Repeat("ö", 70), "a\u0301", "\n", "-", "  "}
	for n := range 500 {
		var rows []any
		for range 1 + r.IntN(5) {
			rows = append(rows, Server{
				ID: texts[r.IntN(len(texts))], Position: r.IntN(1000), Taken: r.Uint64N(1e9), Groups: List[string]{texts[r.IntN(len(texts))]},
			})
		}
		cols := columns{"SERVER=id", "POS=position", "TAKEN=taken", "GROUPS=groups", "END=id"}
		var b bytes.Buffer
		ans := &answer{}
		ans.writeTable(&b, cols, rows)
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(lines) != len(rows)+1 {
			t.Fatalf("seed %d, %d: %d lines of %d rows", seed, n, len(lines), len(rows))
		}
		for i, row := range rows {
			s := row.(Server)
			line := []rune(lines[i+1])
			heading := func(name string) int { return utf8.RuneCountInString(lines[0][:strings.Index(lines[0], name)]) }
			// Text begins under its heading, counts end under its end.
			for name, text := range map[string]string{"SERVER": ans.shorten(s.ID), "END": ans.shorten(s.ID)} {
				// What is nothing but spaces at the end of a line is gone.
				if got := string(line[min(heading(name), len(line)):]); !strings.HasPrefix(got, strings.TrimRight(text, " ")) {
					t.Fatalf("seed %d, %d: under %s is %q, want %q:\n%s", seed, n, name, got, text, &b)
				}
			}
			if got := string(line[:heading("TAKEN")+5]); len("TAKEN") >= len(strconv.FormatUint(s.Taken, 10)) && !strings.HasSuffix(got, strconv.FormatUint(s.Taken, 10)) {
				t.Fatalf("seed %d, %d: %q does not end with %d:\n%s", seed, n, got, s.Taken, &b)
			}
		}
		for _, line := range lines {
			if strings.TrimRight(line, " ") != line {
				t.Fatalf("seed %d, %d: %q ends with a space", seed, n, line)
			}
		}
	}
}

// TestCells: the unit of a value is that of its key, and null has none.
func TestCells(t *testing.T) {
	type row struct {
		AgeMs         float64      `json:"ageMs"`
		NoMs          *float64     `json:"durationMs"`
		UptimeSeconds float64      `json:"uptimeSeconds"`
		BytesOut      int64        `json:"bytesOut"`
		HeapBytes     uint64       `json:"heapBytes"`
		Bytesless     string       `json:"bytesName"`
		Terms         string       `json:"terms"`
		At            Time         `json:"at"`
		Never         Time         `json:"never"`
		AuditID       string       `json:"auditID"`
		Name          string       `json:"name"`
		None          List[string] `json:"none"`
		Groups        List[string] `json:"groups"`
		On            bool         `json:"on"`
		Percent       float64      `json:"percent"`
		Match         Match        `json:"match"`
		Action        FaultAction  `json:"action"`
		TimeNs        *Percentiles `json:"timeNs"`
	}
	long := strings.Repeat("0123456789", 7)
	v := row{
		AgeMs: 93000, UptimeSeconds: 187.4, BytesOut: 18211, HeapBytes: 5 << 20, Bytesless: "12", Terms: "5Ms", At: Time(exampleTime().Add(-time.Minute)), AuditID: long, Name: long,
		Groups: List[string]{"", "apps"}, Percent: 12.5, Match: Match{"verb": {"list"}}, Action: FaultAction{Do: "answer", Status: 503, Reason: "R", AfterBytes: 9},
		TimeNs: &Percentiles{P50: 110, P99: 900_000},
	}
	ans := &answer{at: exampleTime()}
	for path, want := range map[string]string{
		"ageMs": "1m33s", "durationMs": "-", "uptimeSeconds": "3m7s", "bytesOut": "18KiB", "heapBytes": "5MiB", "bytesName": "12", "terms": "5Ms",
		"at": "1m0s", "never": "-", "auditID": long[:59] + "…", "name": long[:59] + "…", "none": "-", "groups": `"",apps`, "on": "false", "percent": "12.5",
		"match": "verb=list", "action": `answer status=503 reason="R" message=""`, "timeNs.p50": "110ns", "timeNs.p99": "900µs",
	} {
		if got := ans.cell(path, valueAt(reflect.ValueOf(v), path)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := ans.cell("timeNs.p50", valueAt(reflect.ValueOf(row{}), "timeNs.p50")); got != "-" {
		t.Errorf("behind null: %q", got)
	}
}
