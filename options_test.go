package main

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/flags"
)

// parseFlags are the options of a command line, and what is wrong with it.
func parseFlags(t testing.TB, args ...string) (*options, *flags.Set, flags.Problems) {
	t.Helper()
	o, f := newOptions()
	wrong, err := o.parse(f, args)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return o, f, wrong
}

// kindOf is what values a flag takes: bool, int, float, duration, string, list, repeated or pairs.
func kindOf(f *flags.Flag) string {
	switch f.Value.(type) {
	case *sniValue:
		return "pairs"
	case *repeated:
		return "repeated"
	}
	return cmp.Or(f.Kind(), "bool")
}

// wrongFlags has every flag whose value can be wrong although it can be read, with what is
// said of it, or a part of that.
var wrongFlags = map[string][]struct{ value, want string }{
	"listen-http":  {{"0.0.0.0:0", "can be reached by others"}, {"nonsense", "is not host:port, unix:PATH or off"}},
	"listen-https": {{"127.0.0.1:65536", "has no port from 0 to 65535"}, {"unix:", "names no socket file"}},
	"listen-admin": {{"off,127.0.0.1:0", "off stands alone"}, {"0.0.0.0:http", "has no port from 0 to 65535"}},
	"data-sync": {{"sometimes", "must be always, never or a time such as 100ms"}, {"", "must be"}, {"0s", "must be"}, {"-1s", "must be"}, {"5", "must be"},
		{"never", "needs --data-dir"}, {"1s", "needs --data-dir"}},
	"read-only": {{"true", "needs --data-dir or --etcd-servers: memory has nothing to read"}},
	"etcd-servers": {{"http://127.0.0.1", "has no host and port"}, {"ftp://127.0.0.1:1", "is no URL"}, {"http://127.0.0.1:1/v3", "is no URL"}, {"http://u:p@127.0.0.1:1", "is no URL"},
		{"http://:1", "has no host"}, {"127.0.0.1", "has no host"}, {"http://127.0.0.1:0", "has no host and port from 1"}, {"http://127.0.0.1:x", "is no URL"}},
	"etcd-cafile":                      {{"ca", "needs --etcd-servers"}},
	"etcd-certfile":                    {{"c", "needs --etcd-keyfile"}},
	"etcd-keyfile":                     {{"k", "needs --etcd-certfile"}},
	"etcd-prefix":                      {{"", "must not be empty"}, {"//", "must not be empty"}},
	"storage-media-type":               {{"application/yaml", `"application/yaml" invalid, allowed values: application/json, application/vnd.kubernetes.protobuf`}},
	"etcd-compaction-interval":         {{"-1s", "must not be negative, is -1s"}},
	"event-ttl":                        {{"999ms", "must be at least 1s"}, {"-1h", "must be at least 1s"}},
	"http2-max-streams-per-connection": {{"-1", "must not be negative, is -1"}},
	"tcp-keepalive-period":             {{"-1s", "must not be negative, is -1s"}},
	"tls-cert-file":                    {{"a.crt", "needs --tls-private-key-file"}},
	"tls-private-key-file":             {{"a.key", "needs --tls-cert-file"}},
	"tls-sni-cert-key":                 {{"a", "must be cert,key"}},
	"tls-min-version":                  {{"1.2", "must be VersionTLS12 or VersionTLS13"}},
	"tls-cipher-suites":                {{"TLS_RSA_WITH_AES_128_CBC_SHA", "is not offered"}, {"TLS_AES_128_GCM_SHA256", "leaves clients of TLS 1.2 none"}},
	"tls-curve-preferences": {
		{"0", "curve preference 0 is out of range (must be 1-65535)"}, {"-1", "curve preference -1 is out of range"}, {"70000", "curve preference 70000 is out of range"},
		{"99", "curve preference 99 is not supported by the current Go version"}, {"0x17,23", "duplicate curve preference 23"},
		{"23,x", `"x" is no number of 32 bits`}, {"99999999999", "is no number"},
	},
	"disable-admission-plugins":               {{"PodSecurity,Namespacelifecycle", `plugin "Namespacelifecycle" is unknown`}},
	"enable-admission-plugins":                {{"Priority,Nodes", `plugin "Nodes" is unknown`}},
	"requestheader-username-headers":          {{"X Remote", "is no name of a header"}},
	"requestheader-uid-headers":               {{"X:", "is no name of a header"}},
	"requestheader-group-headers":             {{"ä", "is no name of a header"}},
	"requestheader-extra-headers-prefix":      {{"(", "is no name of a header"}},
	"authorization-mode":                      {{"Foo", `"Foo" is no mode`}, {"Webhook", "Webhook is refused"}, {"ABAC", "ABAC is refused"}, {"RBAC,RBAC", "RBAC stands twice"}},
	"service-account-issuer":                  {{"", "must not be empty"}, {"://", "has a colon and is no URL"}},
	"service-account-max-token-expiration":    {{"1m", "must be between 1 hour and 2^32 seconds, is 1m0s"}, {"-1h", "must be between"}},
	"service-account-jwks-uri":                {{"http://x", "is no https URL"}},
	"service-cluster-ip-range":                {{"10.0.0.0", "is no CIDR"}, {"10.0.0.0/30", "has fewer than 8 addresses"}, {"10.0.0.0/24,10.1.0.0/24", "one of each family"}},
	"service-node-port-range":                 {{"x", "is no range of ports"}, {"80-70", "is no range"}, {"1-65536", "is no range"}, {"1+65535", "is no range"}, {"1-2-3", "is no range"}, {"0-9", "is no range"}},
	"advertise-address":                       {{"host", "is no address"}},
	"managed-fields":                          {{"none", `must be on or off, is "none"`}, {"", "must be on or off"}},
	"controllers":                             {{"some", `must be all or none, is "some"`}},
	"runtime-config":                          {{"foo/v1=true", "there is no built-in group"}, {"apps=true", "is no group/version"}, {"apps/v1=on", "is not key=true or key=false"}, {"x", "is no group/version"}},
	"max-header-lines":                        {{"0", "must be"}, {"-1", "must be"}},
	"max-cookies":                             {{"0", "must be"}},
	"max-query-keys":                          {{"0", "must be"}},
	"request-timeout":                         {{"0s", "must be above 0, is 0s"}, {"-1s", "must be above 0, is -1s"}},
	"min-request-timeout":                     {{"0s", "must be above 0, is 0s"}, {"-1s", "must be above 0, is -1s"}},
	"max-requests-inflight":                   {{"-1", "must not be negative, is -1"}},
	"max-mutating-requests-inflight":          {{"-1", "must not be negative, is -1"}},
	"cors-allowed-origins":                    {{"example.com", "must hold ^ or //, and $ or :"}, {"^(", "is not a regular expression"}},
	"strict-transport-security-directives":    {{"max-age", "is not one of"}},
	"goaway-chance":                           {{"0.021", "must be from 0 to 0.02, is 0.021"}, {"-0.001", "must be"}, {"NaN", "must be from 0 to 0.02, is NaN"}},
	"read-header-timeout":                     {{"0s", "must be at least 1ms, is 0s"}, {"-1s", "must be at least 1ms, is -1s"}},
	"idle-timeout":                            {{"999us", "must be at least 1ms, is 999µs"}, {"-1s", "must be at least"}},
	"body-progress-timeout":                   {{"0s", "must be at least 1ms, is 0s"}, {"-1s", "must be at least"}},
	"write-progress-timeout":                  {{"0s", "must be at least 1ms, is 0s"}, {"-1s", "must be at least"}},
	"shutdown-delay-duration":                 {{"-1s", "must not be negative, is -1s"}},
	"shutdown-watch-termination-grace-period": {{"-1s", "must not be negative, is -1s"}},
	"shutdown-timeout":                        {{"-1s", "must not be negative, is -1s"}},
	"livez-grace-period":                      {{"-1ns", "must not be negative, is -1ns"}},
	"fixtures":                                {{"a,./a", `"./a" is named twice`}},
	"watch-window-events":                     {{"0", "must be above 0, is 0"}, {"-1", "must be"}},
	"watch-window-bytes":                      {{"0", "must be above 0, is 0"}, {"-1", "must be"}},
	"watch-window-age":                        {{"0s", "must be at least 1s, is 0s"}, {"-1s", "must be"}},
	"watch-slow-timeout":                      {{"0s", "must be"}, {"-1s", "must be"}},
	"proxy-client-cert-file":                  {{"p", "needs --proxy-client-key-file"}},
	"proxy-client-key-file":                   {{"p", "needs --proxy-client-cert-file"}},
	"aggregate":                               {{"a/v1", "must be GROUP/VERSION=https://HOST:PORT"}, {"a/v1=http://b", "is no https://HOST:PORT"}},
	"resolve":                                 {{"a=b:1", "must be SERVICE.NAMESPACE=HOST:PORT"}, {"a.b.c=d:1", "must be"}, {"a.b=c", "must be"}, {"a.b=:1", "must be"}, {"a.b=c:0", "must be"}, {"a.b=c/d:1", "must be"}},
	"audit-policy-file":                       {{"p", "records nothing without --audit-log-path"}},
	"audit-log-path":                          {{"-", "records nothing without --audit-policy-file"}},
	"audit-log-maxsize":                       {{"-1", "-1 is negative"}},
	"audit-log-maxbackup":                     {{"-1", "-1 is negative"}},
	"audit-log-maxage":                        {{"-1", "-1 is negative"}},
	"logging-format":                          {{"xml", `must be text or json, is "xml"`}, {"", `must be text or json, is ""`}},
	"v":                                       {{"11", "must be from 0 to 10, is 11"}, {"-1", "must be from 0 to 10, is -1"}},
}

// anyText are the flags that take any text or list: names of files, hosts and users.
var anyText = []string{"ready-file", "data-dir", "kubeconfig", "cert-dir", "client-ca-file", "requestheader-client-ca-file", "token-auth-file", "requestheader-allowed-names", "allowed-hosts",
	"authentication-config", "authorization-config", "admission-control-config-file", "service-account-key-file", "service-account-signing-key-file", "api-audiences"}

// TestWrongFlags: a wrong value gets one line, which names its flag; every flag is either
// here, or says itself what it cannot read, or takes anything; and all that is wrong is
// said at once.
func TestWrongFlags(t *testing.T) {
	_, f := newOptions()
	var all, want []string
	for _, r := range f.All() {
		kind := kindOf(r)
		rows := wrongFlags[r.Name]
		if unread := map[string]string{"bool": "maybe", "int": "1.5", "float": "much", "duration": "10"}[kind]; unread != "" {
			rows = append(slices.Clone(rows), struct{ value, want string }{unread, "invalid "})
		} else if rows == nil && !slices.Contains(anyText, r.Name) {
			t.Errorf("no wrong value of --%s is tested, a %s", r.Name, kind)
		}
		if kind == "duration" && !slices.ContainsFunc(rows, func(c struct{ value, want string }) bool { return strings.HasPrefix(c.value, "-") }) {
			t.Errorf("no negative --%s is tested", r.Name)
		}
		for i, c := range rows {
			_, _, got := parseFlags(t, "--"+r.Name+"="+c.value)
			if len(got) != 1 || !strings.HasPrefix(got[0], "--"+r.Name+": ") || !strings.Contains(got[0], c.want) || strings.Contains(got[0], "\n") {
				t.Errorf("--%s=%s: got %q, want one line with %q", r.Name, c.value, []string(got), c.want)
				continue
			}
			// Of two that need each other the one alone is wrong.
			if i == 0 && !strings.HasPrefix(r.Name, "tls-private-key") && r.Name != "tls-cert-file" && !strings.HasPrefix(r.Name, "audit-policy") && !strings.HasPrefix(r.Name, "etcd-") && r.Name != "read-only" && r.Name != "audit-log-path" && !strings.HasPrefix(r.Name, "proxy-client-") {
				all = append(all, "--"+r.Name+"="+c.value)
				want = append(want, got[0])
			}
		}
	}
	for name := range maps.Keys(wrongFlags) {
		if f.Lookup(name) == nil {
			t.Errorf("--%s is tested but is no flag", name)
		}
	}
	_, _, got := parseFlags(t, all...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("all at once:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// TestFlagPairs: what is wrong with two flags together, and that the pair done right is well.
func TestFlagPairs(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string // beginnings
	}{
		{"", nil},
		{"--tls-cert-file=c --tls-private-key-file=k", nil},
		{"--audit-policy-file=p --audit-log-path=-", nil},
		{"--proxy-client-cert-file=c --proxy-client-key-file=k", nil},
		{"--resolve=a.b=[::1]:1 --resolve=b.a=c:443", nil},
		{"--resolve=a.b=c:1 --resolve=a.b=d:1", []string{"--resolve: a.b is named twice"}},
		{"--ready-file=a --kubeconfig=b", nil},
		{"--ready-file=a --kubeconfig=a", []string{"--ready-file: is the same file as --kubeconfig"}},
		{"--ready-file=a --kubeconfig=./b/../a", []string{"--ready-file: is the same file as --kubeconfig"}},
		{"--ready-file= --kubeconfig=", nil},
		{"--listen-http=off --listen-https=off", []string{"--listen-http: is off and so is --listen-https"}},
		{"--listen-http= --listen-https=", []string{"--listen-http: is off and so is --listen-https"}},
		{"--listen-http=0.0.0.0:0 --insecure-allow-remote", nil},
		{"--listen-admin=0.0.0.0:0 --admin-tls=false", nil},
		{"--shutdown-timeout=5s --shutdown-delay-duration=5s", []string{"--shutdown-timeout: 5s leaves no time after --shutdown-delay-duration 5s"}},
		{"--shutdown-timeout=5s --shutdown-delay-duration=4s", nil},
		{"--shutdown-timeout=1h --shutdown-timeout=5s --shutdown-delay-duration=1m", []string{"--shutdown-timeout: 5s leaves no time"}},
		{"--tls-cipher-suites=TLS_AES_128_GCM_SHA256 --tls-min-version=VersionTLS13", nil},
		{"--tls-cipher-suites=TLS_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", nil},
		{"--tls-cipher-suites=", nil},
		{"--tls-curve-preferences=29,0x17,4588 --disable-admission-plugins=", nil},
		{"--disable-admission-plugins=NamespaceLifecycle,ServiceAccount --enable-admission-plugins=NodeRestriction", nil},
		{"--data-dir=d", nil},
		{"--data-dir=d --data-sync=never", nil},
		{"--data-dir=d --data-sync=100ms --read-only", nil},
		{"--data-dir=d --etcd-servers=http://127.0.0.1:1", []string{"--data-dir: keeps the objects of one process, and --etcd-servers keeps them in etcd: leave one out"}},
		{"--etcd-servers=https://a:1,b:2 --etcd-certfile=c --etcd-keyfile=k --etcd-cafile=a --read-only", nil},
		{"--etcd-certfile=c --etcd-keyfile=k", []string{"--etcd-certfile: needs --etcd-servers"}},
		{"--data-dir=d --read-only --fixtures=f", []string{"--fixtures: cannot be applied with --read-only"}},
		{"--disable-admission-plugins=Priority --enable-admission-plugins=Priority", []string{"--enable-admission-plugins: Priority is in --disable-admission-plugins too"}},
		{"--tls-cipher-suites=TLS_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256", []string{"--tls-cipher-suites: names suites of TLS 1.3 alone"}},
	} {
		_, _, got := parseFlags(t, strings.Fields(c.args)...)
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", c.args, []string(got), c.want)
		}
	}
}

// TestCommandLines: what the command line itself may have wrong.
func TestCommandLines(t *testing.T) {
	for _, c := range []struct {
		args, want []string
	}{
		{[]string{"--v=3"}, nil},
		{[]string{"-v", "3"}, nil},
		{[]string{"--profiling", "--v=3"}, nil},
		{[]string{"--profiling", "false"}, []string{`"false": unexpected argument`}},
		{[]string{"--profiling=false"}, nil},
		{[]string{"--bogus"}, []string{"--bogus: unknown flag"}},
		{[]string{"--bogus=1"}, []string{"--bogus: unknown flag"}},
		{[]string{"--bogus", "value", "--bogus2", "--v=99"}, []string{"--bogus: unknown flag", "--bogus2: unknown flag", "--v: must be from 0 to 10, is 99"}},
		{[]string{"--ready-file"}, []string{"--ready-file: needs a value"}},
		{[]string{"a", "--v=x", "b"}, []string{`"a": unexpected argument`, `--v: invalid value "x": parse error`, `"b": unexpected argument`}},
		{[]string{"--v=99999999999999999999"}, []string{`--v: invalid value "99999999999999999999": value out of range`}},
		{[]string{"--v="}, []string{`--v: invalid value "": parse error`}},
		{[]string{"--anonymous-auth=maybe"}, []string{`--anonymous-auth: invalid boolean value "maybe": parse error`}},
		{[]string{"--request-timeout=5"}, []string{`--request-timeout: invalid value "5": parse error`}},
		{[]string{"evil\nline"}, []string{`"evil\nline": unexpected argument`}},
		{[]string{"--", "--v=3"}, []string{`"--v=3": unexpected argument`}},
		{[]string{"--=3", "---x", "--v=99", "-="}, []string{`"--=3": is no flag`, `"---x": is no flag`, `"-=": is no flag`, "--v: must be from 0 to 10, is 99"}},
	} {
		if _, _, got := parseFlags(t, c.args...); !slices.Equal(got, c.want) {
			t.Errorf("%q:\n got %q\nwant %q", c.args, []string(got), c.want)
		}
	}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"-help"}, {"--bogus", "--help"}, {"x", "--v=99", "-h", "--bogus"}} {
		o, f := newOptions()
		if _, err := o.parse(f, args); !errors.Is(err, flags.ErrHelp) {
			t.Errorf("%q: %v, want help", args, err)
		}
	}
}

// TestLastWins: a flag given twice has its last value, lists too; only --tls-sni-cert-key, --aggregate and those of which each
// use names one add.
func TestLastWins(t *testing.T) {
	_, f := newOptions()
	for _, r := range f.All() {
		values := map[string][2]string{"bool": {"true", "false"}, "int": {"7", "8"}, "float": {"0.5", "0.01"}, "duration": {"7s", "8s"},
			"string": {"a", "b"}, "list": {"a,b", "c"}, "repeated": {"a", "b"}, "pairs": {"a,b", "c,d"}}[kindOf(r)]
		want := values[1]
		if r.Name == "tls-sni-cert-key" {
			want = "a,b c,d"
		}
		if kindOf(r) == "repeated" {
			want = "a,b"
		}
		if r.Name == "tls-curve-preferences" {
			values, want = [2]string{"23,24", "29"}, "29"
		}
		if r.Name == "aggregate" {
			values = [2]string{"a/v1=https://a:1", "b/v1=https://b:1"}
			want = values[0] + " " + values[1]
		}
		_, g, p := parseFlags(t, "--"+r.Name+"="+values[0], "--"+r.Name+"="+values[1])
		// The value may be wrong, but it was read.
		unread := slices.ContainsFunc(p, func(line string) bool { return strings.Contains(line, ": invalid ") })
		if got := g.Lookup(r.Name).Value.String(); unread || got != want || g.Lookup(r.Name).Shown() != want {
			t.Errorf("--%s: got %q (%q), want %q", r.Name, got, []string(p), want)
		}
	}
}

// TestOrigins: of each value it is known whether it was given, computed or is the default.
func TestOrigins(t *testing.T) {
	o, f, wrong := parseFlags(t, "--v=2", "--shutdown-delay-duration=5s", "--request-timeout=20s", "--requestheader-allowed-names=proxy")
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	var given, derived []string
	for _, r := range f.All() {
		if r.Given {
			given = append(given, r.Name)
		}
		if r.Derived {
			derived = append(derived, r.Name)
		}
	}
	if want := []string{"requestheader-allowed-names", "request-timeout", "shutdown-delay-duration", "v"}; !slices.Equal(sorted(given), sorted(want)) {
		t.Errorf("given %q, want %q: one with its default's value is given too", given, want)
	}
	if want := []string{"shutdown-timeout"}; !slices.Equal(derived, want) || o.shutdown.timeout != 25*time.Second || f.Lookup("shutdown-timeout").Shown() != "25s" {
		t.Errorf("derived %q as %v, want %q as 25s", derived, o.shutdown.timeout, want)
	}
	if !o.tls.proxiesNamed {
		t.Error("the proxies are named, but the TLS options do not say so")
	}
	o, f, _ = parseFlags(t, "--shutdown-timeout=3s")
	if f.Lookup("shutdown-timeout").Derived || o.shutdown.timeout != 3*time.Second || o.tls.proxiesNamed {
		t.Errorf("given 3s: %v, derived %v; proxies named %v", o.shutdown.timeout, f.Lookup("shutdown-timeout").Derived, o.tls.proxiesNamed)
	}
}

// TestUsage: --help has every flag once, in its group, with the kind of its value, its help
// and its default; the groups stand in the order in which a reader needs them.
func TestUsage(t *testing.T) {
	_, f := newOptions()
	var text strings.Builder
	f.WriteHelp(&text)
	var titles []string
	sections := map[string]string{}
	for section := range strings.SplitSeq(strings.TrimPrefix(text.String(), "\n"), "\n\n") {
		title, rest, _ := strings.Cut(section, ":\n")
		titles = append(titles, title)
		sections[strings.ToLower(title)] = rest
	}
	want := []string{"Listeners", "Files", "Storage", "TLS", "Authentication", "Authorization", "Service accounts", "Bounds", "Serving", "Slow clients", "Watches", "Custom resources", "Cluster", "Webhooks and aggregated servers", "Lifecycle", "Audit", "Logging", "Admin"}
	if !slices.Equal(titles, want) {
		t.Errorf("groups %q, want %q", titles, want)
	}
	for _, r := range f.All() {
		line := "  --" + r.Name
		if kind := r.Kind(); kind != "" {
			line += " " + kind
		}
		line += "\n        " + r.Usage
		switch d := r.DefValue; d {
		case "", "0", "0s", "false":
		default:
			line += " (default " + d + ")"
		}
		if strings.Count(text.String(), line+"\n") != 1 || !strings.Contains(sections[r.Section]+"\n", line+"\n") {
			t.Errorf("want once, below %q:\n%s", r.Section, line)
		}
		if len(r.Usage) < 10 || strings.Contains(r.Usage, "\n") {
			t.Errorf("--%s: help %q", r.Name, r.Usage)
		}
	}
	if got, want := strings.Count(text.String(), "\n  --"), len(f.All()); got != want {
		t.Errorf("%d flags are shown, of %d", got, want)
	}
}

// FuzzCommandLine: whatever is given, every problem is one line, and a line without
// problems reads the same again.
func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{"--v=3", "--bogus x", "--listen-http=off,off", "--tls-sni-cert-key=a,b:c", "-- a", "--= -", "--request-timeout=-1s --v", "--goaway-chance=NaN", "--help"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		o, f := newOptions()
		wrong, err := o.parse(f, args)
		if err != nil {
			if !errors.Is(err, flags.ErrHelp) {
				t.Errorf("%q: %v", args, err)
			}
			return
		}
		for _, w := range wrong {
			if w == "" || strings.Contains(w, "\n") && !strings.Contains(line, "\n") {
				t.Errorf("%q: problem %q", args, w)
			}
		}
		o2, f2 := newOptions()
		again, _ := o2.parse(f2, args)
		if !slices.Equal(wrong, again) {
			t.Errorf("%q: %q, and then %q", args, []string(wrong), []string(again))
		}
	})
}
