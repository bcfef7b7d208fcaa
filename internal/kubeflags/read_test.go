package kubeflags

import (
	"slices"
	"strings"
	"testing"
)

// TestTable: every row can be read, and the table has all of them.
func TestTable(t *testing.T) {
	table, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, f := range table.All() {
		if f.Section != Hidden && f.Section != Own {
			shown++
		}
	}
	// kube-apiserver --help of v1.37.2 lists so many.
	if shown != 172 {
		t.Errorf("%d flags in help, want 172", shown)
	}
}

// TestTableRefuses: a row that does not say what becomes of its flag is a mistake.
func TestTableRefuses(t *testing.T) {
	for _, row := range []string{"a", "a bool", "a bool gone", "a thing moot", "a bool refused", "a bool moot why", "a bool start", "a bool moot\na bool moot"} {
		if _, err := parse(row); err == nil {
			t.Errorf("%q was taken", row)
		}
	}
}

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
		{"--enable-logs-handler --event-ttl 5m", "", "enable-logs-handler event-ttl", ""},
		{"--event-ttl=5", "", "", `--event-ttl: invalid value "5": time: missing unit in duration "5"`},
		{"--bogus --bogus=1 --other word -x -y=1 -z w --v=1", "--v=1", "bogus other x y z", ""},
		{"--bogus -- --v=1", "", "bogus", `"--v=1": unexpected argument`},
		{"word --v=1 more", "--v=1", "", `"word": unexpected argument|"more": unexpected argument`},
		{"--oidc-issuer-url=a --oidc-issuer-url=b", "", "", "--oidc-issuer-url: no OpenID Connect: use --token-auth-file or --client-ca-file"},
		{"--=1 ---v=1 -", "", "", `"--=1": is no flag|"---v=1": is no flag|"-": unexpected argument`},
		{"--allow-privileged", "", "", ""},
		{"--enable-admission-plugins=PodSecurity --disable-admission-plugins=ServiceAccount,PodSecurity", "--disable-admission-plugins=ServiceAccount,PodSecurity", "enable-admission-plugins",
			"--enable-admission-plugins: PodSecurity is in --disable-admission-plugins too"},
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
		"map":      {[]string{"", "a=b", "a=b,c=d,", "a="}, []string{"a", "a=b,c"}},
		"gates": {[]string{"", "AllAlpha=true", "kube:APIServerIdentity=true,AllBeta=false", "AllBeta=1,"},
			[]string{"A", "A=true", "AllAlpha", "AllAlpha=maybe", "other:AllAlpha=true", "=true", "gate=true"}},
		"plugins":  {[]string{"", "ServiceAccount", "PodSecurity,ServiceAccount"}, []string{"serviceaccount", "Foo", "ServiceAccount,", "plugin", `a"`}},
		"ports":    {[]string{"", "30000-32767", "30000+10", "80"}, []string{"a", "a-b", "2-1", "1-70000", "-1"}},
		"pattern":  {[]string{"", "a=1", "a*=1,b=2"}, []string{"a", "a=b", "=1", "a=-1"}},
		"quantity": {[]string{"0", "64Ki", "1.5M", "1e3"}, []string{"", "a", "1K i", "Ki"}},
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
			for _, args := range [][]string{{"--" + f.Name + "=" + right}, {"-" + f.Name + "=" + right}, {"--" + f.Name, right}, {"-" + f.Name, right}} {
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
