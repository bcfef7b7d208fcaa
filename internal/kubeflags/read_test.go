package kubeflags

import (
	"slices"
	"strings"
	"testing"
)

// TestRead: the forms of arguments, one after another, and what is made of them. The expectations of known
// flags were asked of the real program.
func TestRead(t *testing.T) {
	for _, tt := range []struct{ args, options, without, problems string }{
		{"--v=3", "--v=3", "", ""},
		{"--v 3", "--v=3", "", ""},
		{"-v=3", "--v=3", "", ""},
		{"-v 3", "--v=3", "", ""},
		{"-v3", "--v=3", "", ""},
		{"-v", "", "", "--v: needs a value"},
		{"--token-auth-file a --token-auth-file=b", "--token-auth-file=a --token-auth-file=b", "", ""},
		{"--token-auth-file --v=3", "--token-auth-file=--v=3", "", ""},
		{"--token_auth_file=a", "--token-auth-file=a", "", ""},
		{"-token-auth-file a", "--token-auth-file=a", "", ""},
		{"-token-auth-file=a", "--token-auth-file=a", "", ""},
		{"--anonymous-auth", "--anonymous-auth=true", "", ""},
		{"--anonymous-auth=false", "--anonymous-auth=false", "", ""},
		{"--anonymous-auth false", "--anonymous-auth=true", "", `"false": unexpected argument`},
		{"--anonymous-auth=maybe", "", "", `--anonymous-auth: invalid value "maybe": invalid syntax`},
		{"--requestheader-allowed-names=a,b --requestheader-allowed-names c", "--requestheader-allowed-names=a,b,c", "", ""},
		{"--tls-sni-cert-key=a,b --tls-sni-cert-key=c,d:e,f", "--tls-sni-cert-key=a,b --tls-sni-cert-key=c,d:e,f", "", ""},
		{"--enable-logs-handler --external-hostname 5m", "", "enable-logs-handler external-hostname", ""},
		{"--event-ttl=5", "", "", `--event-ttl: invalid value "5": time: missing unit in duration "5"`},
		{"--bogus --bogus=1 --other word -x -y=1 -z w --v=1", "--v=1", "bogus other x y z", ""},
		{"--bogus -- --v=1", "", "bogus", `"--v=1": unexpected argument`},
		{"word --v=1 more", "--v=1", "", `"word": unexpected argument|"more": unexpected argument`},
		{"--oidc-issuer-url=a --oidc-issuer-url=b", "", "", "--oidc-issuer-url: no OpenID Connect: use --token-auth-file or --client-ca-file"},
		{"--=1 ---v=1 -", "", "", `"--=1": is no flag|"---v=1": is no flag|"-": unexpected argument`},
		{"--allow-privileged", "", "", ""},
		// Letters, of which pflag knows two: -v takes what is behind it, and -h is a switch.
		{"-v --help", "", "", `--v: invalid value "--help": invalid syntax`},
		{"-vv", "", "", `--v: invalid value "v": invalid syntax`},
		{"-v=", "", "", `--v: invalid value "": invalid syntax`},
		{"-v -1", "", "", `--v: invalid value "-1": invalid syntax`},
		{"-h --v=1", "--v=1", "", ""},
		{"--help=maybe", "", "", `--help: invalid value "maybe": invalid syntax`},
		{"--version --bogus", "", "bogus", ""},
		{"--version raw", "", "", `"raw": unexpected argument`},
		// Underscores are dashes in names and stay in values; capitals are other names.
		{"--service_account_issuer=a_b", "--service-account-issuer=a_b", "", ""},
		{"--V=1 --Anonymous-auth", "", "Anonymous-auth V", ""},
		// Only the first = ends the name.
		{"--token-auth-file=a=b", "--token-auth-file=a=b", "", ""},
		{"--token-auth-file=", "--token-auth-file=", "", ""},
		{"--token-auth-file", "", "", "--token-auth-file: needs a value"},
		{"--token-auth-file -- --v=1", "--token-auth-file=-- --v=1", "", ""},
		// Each use of an array is one item, whatever is in it; those of a list are taken together.
		{"--service-account-issuer=a,b --service-account-issuer=c", "--service-account-issuer=a,b --service-account-issuer=c", "", ""},
		{"--api-audiences=a, --api-audiences=", "--api-audiences=a,", "", ""},
		{"--runtime-config=apps/v1 --runtime-config=api/all=false,v1=", "--runtime-config=apps/v1,api/all=false,v1=", "", ""},
		// The table's order, not that of the arguments.
		{"--v=1 --profiling --goaway-chance=0", "--goaway-chance=0 --profiling=true --v=1", "", ""},
		// What is wrong does not end the reading, and is said once.
		{"--v=a --v=a --v=b --v=1", "--v=1", "", `--v: invalid value "a": invalid syntax|--v: invalid value "b": invalid syntax`},
		{"--oidc-required-claim=a", "", "", "--oidc-required-claim: no OpenID Connect: use --token-auth-file or --client-ca-file"},
		{"--feature-gates=kube:AllAlpha=true --feature-gates=AllBeta=true", "", "",
			"--feature-gates: set kube feature gates with default empty prefix or kube: prefix consistently, do not mix use"},
		{"--enable-admission-plugins=PodSecurity --disable-admission-plugins=ServiceAccount --enable-admission-plugins=Priority",
			"--disable-admission-plugins=ServiceAccount --enable-admission-plugins=PodSecurity,Priority", "", ""},
	} {
		l := Load().Read(strings.Fields(tt.args))
		if got := strings.Join(l.Options(), " "); got != tt.options {
			t.Errorf("%s: options %q, want %q", tt.args, got, tt.options)
		}
		if got := strings.Join(l.Without, " "); got != tt.without {
			t.Errorf("%s: without effect %q, want %q", tt.args, got, tt.without)
		}
		if got := strings.Join(l.Problems, "|"); got != tt.problems {
			t.Errorf("%s: problems %q, want %q", tt.args, got, tt.problems)
		}
	}
	if l := Load().Read([]string{"", "--v=1"}); len(l.Problems) > 0 {
		t.Errorf("an empty argument: %q", l.Problems)
	}
}

// TestEveryFlag: each row of the table with what its type takes, in all forms, and with what it does not.
func TestEveryFlag(t *testing.T) {
	values := map[string]struct{ right, wrong []string }{
		"string":   {[]string{"", "a", "a=b,c"}, nil},
		"array":    {[]string{"", "a", "a,b"}, nil},
		"pair":     {[]string{"a,b"}, nil},
		"bool":     {[]string{"true", "false", "1", "T"}, []string{"", "yes", "2"}},
		"int":      {[]string{"0", "-1", "0x10"}, []string{"", "a", "1.5", "99999999999999999999"}},
		"float":    {[]string{"0", "0.1", "1e-3"}, []string{"", "a"}},
		"duration": {[]string{"0", "1h0m0s", "5ms"}, []string{"", "5", "a"}},
		"ip":       {[]string{"", "10.0.0.1", "::1", " 10.0.0.1 "}, []string{"a", "10.0.0", "fe80::1%eth0"}},
		"strings":  {[]string{"", "a", "a,b", `"a,b",c`}, []string{`a"b`, `"a`}},
		"ints":     {[]string{"1", "1,2"}, []string{"", "a", "1,"}},
		"map":      {[]string{"", "a=b", "a=b,c=d,", "a=", "a"}, nil},
		"labels":   {[]string{"a=b", "a=b,c=d", "a="}, []string{"", "a", "a=b,,c=d"}},
		"level":    {[]string{"0", "10"}, []string{"", "-1", "0x1", "a"}},
		"gates": {[]string{"", "AllAlpha=true", "kube:APIServerIdentity=true,kube:AllBeta=false", "AllBeta=1,"},
			[]string{"A", "A=true", "AllAlpha", "AllAlpha=maybe", "other:AllAlpha=true", "=true", "gate=true"}},
		"plugins": {[]string{"", "ServiceAccount", "PodSecurity,ServiceAccount"}, []string{"serviceaccount", "Foo", "ServiceAccount,",
			"plugin", `a"`}},
		"ports":    {[]string{"", "30000-32767", "30000+10", "80"}, []string{"a", "a-b", "2-1", "1-70000", "-1"}},
		"pattern":  {[]string{"", "a=1", "a*=1,b=2"}, []string{"a", "a=b", "=1", "a=-1"}},
		"quantity": {[]string{"0", "64Ki", "1.5M", "1e3"}, []string{"", "a", "1K i"}},
		"version":  {[]string{"true", "raw", "false"}, []string{"", "v1.36.0", "a"}},
	}
	table := Load()
	for _, f := range table.All() {
		v, ok := values[f.Type]
		if !ok {
			t.Errorf("--%s: nothing is tested for its type %s", f.Name, f.Type)
			continue
		}
		for _, right := range v.right {
			for _, args := range [][]string{{"--" + f.Name + "=" + right}, {"-" + f.Name + "=" + right}, {"--" + f.Name, right}, {"-" + f.Name,
				right}} {
				if len(args) == 2 && (f.Type == "bool" || f.Type == "version") {
					continue // its value cannot be another word
				}
				l := table.Read(args)
				switch {
				case f.Action == Refused:
					if len(l.Problems) != 1 || l.Problems[0] != "--"+f.Name+": "+f.Note {
						t.Errorf("%q is refused with %q", args, l.Problems)
					}
				case len(l.Problems) > 0 || l.Last(f.Name, "none") != right:
					t.Errorf("%q: got %q %q", args, l.Given[f.Name], l.Problems)
				case f.Action == Taken && len(l.Options()) != 1, f.Action != Taken && len(l.Options()) != 0:
					t.Errorf("%q: options %q", args, l.Options())
				case (f.Action == Unused) != slices.Contains(l.Without, f.Name):
					t.Errorf("%q: without effect %q", args, l.Without)
				}
			}
		}
		for _, wrong := range v.wrong {
			l := table.Read([]string{"--" + f.Name + "=" + wrong})
			if len(l.Problems) != 1 || !strings.HasPrefix(l.Problems[0], "--"+f.Name+": ") || len(l.Given) > 0 {
				t.Errorf("--%s=%s: got %q, problems %q", f.Name, wrong, l.Given, l.Problems)
			}
		}
		if l := table.Read([]string{"--" + f.Name}); f.Type != "bool" && f.Type != "version" && len(l.Problems) != 1 {
			t.Errorf("--%s without a value: %q", f.Name, l.Problems)
		}
	}
}

// TestLine: what the caller reads of flags by name, given once, several times, or not at all.
func TestLine(t *testing.T) {
	l := Load().Read(strings.Fields("--secure-port=1 --secure-port=2 --profiling --profiling=false --anonymous-auth=T --cert-dir= --v=x " +
		"--api-audiences=\"a,b\",c --api-audiences d"))
	for _, tt := range []struct{ name, want string }{
		{"secure-port", "2"},
		{"cert-dir", ""},
		{"bind-address", "otherwise"},
		// A value that is wrong was not given.
		{"v", "otherwise"},
		{"bogus", "otherwise"},
	} {
		if got := l.Last(tt.name, "otherwise"); got != tt.want {
			t.Errorf("--%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for name, want := range map[string]bool{"profiling": false, "anonymous-auth": true, "enable-aggregator-routing": false,
		"cert-dir": false, "bogus": false} {
		if got := l.Is(name); got != want {
			t.Errorf("--%s is %t", name, got)
		}
	}
	if got := l.list("api-audiences"); !slices.Equal(got, []string{"a,b", "c", "d"}) {
		t.Errorf("a list in two parts: %q", got)
	}
	if got := l.list("bogus"); got != nil {
		t.Errorf("a list that was not given: %q", got)
	}
	if got := l.Given["secure-port"]; !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("in which order they came: %q", got)
	}
}

// TestReadKeeps: a table may be read by many, and no line changes it or another one.
func TestReadKeeps(t *testing.T) {
	table := Load()
	args := []string{"--v=1", "--bogus", "x", "--api-audiences=a"}
	first := table.Read(args)
	second := table.Read([]string{"--v=2", "--api-audiences=b"})
	if first.Last("v", "") != "1" || second.Last("v", "") != "2" || len(second.Without) > 0 || len(second.Problems) > 0 {
		t.Errorf("%+v, %+v", first, second)
	}
	if !slices.Equal(args, []string{"--v=1", "--bogus", "x", "--api-audiences=a"}) {
		t.Errorf("the arguments became %q", args)
	}
	empty := table.Read(nil)
	if len(empty.Given)+len(empty.Without)+len(empty.Problems)+len(empty.Options()) > 0 {
		t.Errorf("of nothing: %+v", empty)
	}
}

// FuzzRead: any arguments come to an end with a line whose parts agree with each other, and what comes
// out as options reads as the same again.
func FuzzRead(f *testing.F) {
	for _, line := range []string{"", "--v=1", "-v\x001", "--cert-dir\x00--v", "-cert-dir=a", "--\x00x", "---", "-", "--a_b=c",
		"--api-audiences=\"a,b\",c\x00--api-audiences=d",
		"--feature-gates=kube:AllBeta=true\x00--feature-gates=AllAlpha=1", "--oidc-issuer-url", "-h",
		"--runtime-config=,a\x00--runtime-config="} {
		f.Add(line)
	}
	table := Load()
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		l := table.Read(args)
		if len(l.Problems) > len(args)+len(line) || len(l.Without) > len(args) || !slices.IsSorted(l.Without) {
			t.Errorf("%q: problems %q, without %q", args, l.Problems, l.Without)
		}
		for name, values := range l.Given {
			row := table.byName[name]
			if row == nil || row.Action == Refused || len(values) == 0 {
				t.Fatalf("%q: --%s was given %q", args, name, values)
			}
			for _, v := range values {
				if err := valueForms[row.Type](v); err != nil {
					t.Errorf("%q: --%s was given %q: %v", args, name, v, err)
				}
			}
		}
		// What is handed on must mean there what it means here, but that quotes have done their work.
		if strings.Contains(line, `"`) {
			return
		}
		options := l.Options()
		again := table.Read(options)
		if got := again.Options(); len(again.Without) > 0 || !slices.Equal(got, options) {
			t.Errorf("%q: options %q, read again %q", args, options, got)
		}
	})
}
