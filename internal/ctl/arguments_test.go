package ctl

import (
	"errors"
	"flag"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// parsed is an invocation of a subcommand that has read its arguments.
func parsed(t *testing.T, args ...string) (*invocation, error) {
	t.Helper()
	s := findSubcommand(args)
	if s == nil {
		t.Fatalf("%q is no subcommand", args)
	}
	inv := &invocation{subcommand: *s, ctx: t.Context(), out: io.Discard, stdin: strings.NewReader("")}
	return inv, inv.parse(args[1:])
}

// TestArgumentsDefaults: what holds without flags, which --help promises.
func TestArgumentsDefaults(t *testing.T) {
	for _, s := range subcommands() {
		inv, err := parsed(t, s.name)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if inv.form != "table" || inv.interval != time.Second || inv.watch || inv.where != (location{}) || inv.args != nil || inv.ownFlag() != "" {
			t.Errorf("%s: %+v", s.name, inv)
		}
		for _, name := range []string{"admin", "ready-file", "kubeconfig", "o", "w", "watch", "interval"} {
			if !slices.Contains(inv.common, name) {
				t.Errorf("%s has no --%s", s.name, name)
			}
		}
		if len(inv.common) != 7 {
			t.Errorf("%s: all have %q", s.name, inv.common)
		}
	}
	if inv, _ := parsed(t, "faults"); inv.percent != 100 {
		t.Errorf("a fault hits %v percent", inv.percent)
	}
}

// TestArgumentsInAnyOrder: flags and words mean the same however they are mixed, as long as each
// kind keeps its own order.
func TestArgumentsInAnyOrder(t *testing.T) {
	flags := [][]string{{"--as", "bob"}, {"--as-group=a"}, {"--as-group", "b"}, {"-H", "Accept: a/b"}, {"-o=json"}, {"-w"}, {"--interval", "2s"}}
	words := []string{"GET", "/api?x=1"}
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		args := []string{"explain"}
		f, w := flags, words
		for len(f)+len(w) > 0 {
			if len(w) == 0 || len(f) > 0 && r.IntN(2) == 0 {
				args, f = append(args, f[0]...), f[1:]
			} else {
				args, w = append(args, w[0]), w[1:]
			}
		}
		inv, err := parsed(t, args...)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		if !slices.Equal(inv.args, words) || inv.user != "bob" || !slices.Equal(inv.groups, []string{"a", "b"}) ||
			!slices.Equal(inv.headers, []string{"Accept: a/b"}) || inv.form != "json" || !inv.watch || inv.interval != 2*time.Second {
			t.Fatalf("%q: %+v", args, inv)
		}
	}
}

// TestArgumentsAreWrong: the first thing that is wrong is said, as wrong usage; help wins over
// what stands behind it, and not over what stands before.
func TestArgumentsAreWrong(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"routes -o", "--o: needs a value"},
		{"routes -o xml", `-o: "xml" is not table, wide or json`},
		{"routes -o=", `-o: "" is not table, wide or json`},
		{"routes -o JSON", `-o: "JSON" is not table, wide or json`},
		{"routes --interval 99ms", "--interval: must be at least 100ms, is 99ms"},
		{"routes --interval=-1s", "--interval: must be at least 100ms, is -1s"},
		{"routes --interval 100", `--interval: invalid value "100": parse error`},
		{"top -n x", `--n: invalid value "x": parse error`},
		{"routes -n 1", "--n: unknown flag"},
		{"drain --seed 1", "--seed: unknown flag"},
		{"routes a=b --c d=e", "--c: unknown flag"},
		{"routes --colour --help", "--colour: unknown flag"},
		{"routes -o xml --help", ""},
		{"routes a=b --help --colour", ""},
		{"routes -h", ""},
	} {
		_, err := parsed(t, strings.Fields(c.args)...)
		var wrong usageError
		switch {
		case c.want == "" && !errors.Is(err, flag.ErrHelp):
			t.Errorf("%s: %v, want help", c.args, err)
		case c.want != "" && (!errors.As(err, &wrong) || err.Error() != c.want):
			t.Errorf("%s: %v, want %s", c.args, err, c.want)
		}
	}
}

// TestArgumentsWithDashes: what follows -- is a word, even with dashes; only the next word, since
// flags may stand between words.
func TestArgumentsWithDashes(t *testing.T) {
	inv, err := parsed(t, "routes", "a=b", "--", "--c=d", "-w", "e=f")
	if want := []string{"a=b", "--c=d", "e=f"}; err != nil || !slices.Equal(inv.args, want) || !inv.watch {
		t.Errorf("words %q, watch %v, %v; want %q", inv.args, inv.watch, err, want)
	}
}

// TestOwnFlag: a flag of all subcommands does not set a control, each other one does.
func TestOwnFlag(t *testing.T) {
	for args, want := range map[string]string{
		"drain off":                              "",
		"drain off -o json --admin=http://a:1":   "",
		"drain off --note x":                     "note",
		"drain off --end-watches=false":          "end-watches",
		"faults off --percent 100":               "percent",
		"loglevel off --for=0s --interval=5s -w": "for",
	} {
		inv, err := parsed(t, strings.Fields(args)...)
		if got := inv.ownFlag(); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", args, got, err, want)
		}
	}
}

// TestHelp: help of each subcommand says its usage and documents every flag, with defaults but
// for those that are nothing.
func TestHelp(t *testing.T) {
	for _, s := range subcommands() {
		got := inspect(t, t.Context(), "", s.name, "--help")
		begin := "apichain " + s.name + ": " + s.summary + ", of a running program.\n\nUsage:\n  apichain " + s.name + " " + s.usage + " [flags]\n\nFlags:\n"
		end := `
Exit codes:
  0    done
  1    the endpoint refused
  2    wrong usage
  4    nothing answered
  5    explain: no handler would be reached; drain on --wait: not idle before it expired
  130  interrupted
`
		if got.code != exitDone || got.errs != "" || !strings.HasPrefix(got.out, begin) || !strings.HasSuffix(got.out, end) {
			t.Errorf("%s: %+v", s.name, got)
		}
		for _, want := range []string{
			"  --admin string\n        address of the admin endpoint: ",
			"  --interval duration\n        time between two (default 1s)\n",
			"  --ready-file FILE\n        ready FILE of the program",
			"  -o FORM\n        FORM of the output: table, wide or json (default table)\n",
			"  -w \n        repeat: ",
		} {
			if !strings.Contains(got.out, want) {
				t.Errorf("%s: no %q in\n%s", s.name, want, got.out)
			}
		}
		for line := range strings.SplitSeq(got.out, "\n") {
			if strings.Contains(line, "(default )") || strings.Contains(line, "(default 0") || strings.Contains(line, "(default false)") || strings.Contains(line, "`") {
				t.Errorf("%s: %s", s.name, line)
			}
		}
		inv, _ := parsed(t, s.name)
		inv.given.VisitAll(func(f *flag.Flag) {
			if f.Usage == "" || !strings.Contains(got.out, "-"+f.Name+" ") {
				t.Errorf("%s does not document -%s", s.name, f.Name)
			}
			// The usage of what has flags of its own names each of them.
			if !slices.Contains(inv.common, f.Name) && !strings.Contains(s.usage, "-"+f.Name+" ") && !strings.Contains(s.usage, "-"+f.Name+"]") {
				t.Errorf("%s: the usage %q lacks -%s", s.name, s.usage, f.Name)
			}
		})
	}
}

// TestUsage: one line for each subcommand, names and summaries in two columns.
func TestUsage(t *testing.T) {
	var b strings.Builder
	Usage(&b)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	all := subcommands()
	if len(lines) != len(all) {
		t.Fatalf("%d lines for %d subcommands", len(lines), len(all))
	}
	for i, s := range all {
		if len(lines[i]) < 14 || strings.TrimSpace(lines[i][:13]) != s.name || lines[i][13:] != s.summary || s.summary == "" {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
}

// TestMainIsNotOurs: flags, nothing and unknown words are left to the program, and not even help
// is printed.
func TestMainIsNotOurs(t *testing.T) {
	for _, args := range [][]string{nil, {}, {""}, {"--help"}, {"--v=3", "routes"}, {"serve"}, {"Routes"}, {"routes "}, {"-w", "routes"}} {
		var out, errs strings.Builder
		if code, mine := Main(t.Context(), "v9", args, nil, &out, &errs); code != 0 || mine || out.Len() > 0 || errs.Len() > 0 {
			t.Errorf("%q: %d %v, %q %q", args, code, mine, &out, &errs)
		}
	}
}

// TestPairs: words as a query. The endpoint decodes what is sent to what was written.
func TestPairs(t *testing.T) {
	for _, c := range []struct {
		args  []string
		want  url.Values
		wrong string
	}{
		{nil, url.Values{}, ""},
		{[]string{"a=b"}, url.Values{"a": {"b"}}, ""},
		{[]string{"a=b", "c=d", "a=e"}, url.Values{"a": {"b", "e"}, "c": {"d"}}, ""},
		{[]string{"a="}, url.Values{"a": {""}}, ""},
		{[]string{"a=b=c", "d=e&f=g"}, url.Values{"a": {"b=c"}, "d": {"e&f=g"}}, ""},
		{[]string{"a b=c d"}, url.Values{"a b": {"c d"}}, ""},
		{[]string{"a"}, nil, `"a" is not KEY=VALUE`},
		{[]string{"=b"}, nil, `"=b" is not KEY=VALUE`},
		{[]string{"a=b", ""}, nil, `"" is not KEY=VALUE`},
		{[]string{"a\nb", "c"}, nil, `"a\nb" is not KEY=VALUE`},
	} {
		got, err := pairs(c.args)
		if c.wrong != "" {
			if err == nil || err.Error() != c.wrong {
				t.Errorf("%q: %v, want %s", c.args, err, c.wrong)
			}
			continue
		}
		if err != nil || !maps.EqualFunc(got, c.want, slices.Equal) {
			t.Errorf("%q: %v %v, want %v", c.args, got, err, c.want)
		}
	}
}

// FuzzQuery: whatever KEY=VALUE is, the endpoint reads it as it was written.
func FuzzQuery(f *testing.F) {
	f.Add("user", "a b")
	f.Add("x&y", "1=2;3")
	f.Add("\xff", "\x00")
	f.Add("=", "\"")
	var got url.Values
	at, _ := fakeAdmin(f, func(_ int, r *http.Request) (int, string) {
		got = r.URL.Query()
		return http.StatusOK, "ok\n"
	})
	f.Fuzz(func(t *testing.T, key, value string) {
		q, err := pairs([]string{key + "=" + value})
		if err != nil {
			// The first "=" ends the key, wherever it was meant to stand.
			if key != "" && key[0] != '=' {
				t.Fatalf("%q=%q: %v", key, value, err)
			}
			return
		}
		inv := &invocation{form: "table", ctx: t.Context()}
		if inv.client, err = newAdminClient(location{admin: at}, "v9"); err != nil {
			t.Fatal(err)
		}
		if _, err := inv.get("/admin/v1/routes", q); err != nil || !maps.EqualFunc(got, q, slices.Equal) {
			t.Fatalf("%q=%q: the endpoint got %v, %v; want %v", key, value, got, err, q)
		}
	})
}
