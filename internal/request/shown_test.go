package request

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestShownQuery: of parameters that Kubernetes defines the values are shown, of others the names alone.
func TestShownQuery(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                   "",
		"watch=true":                         "watch=true",
		"watch":                              "watch",
		"token=secret":                       "token=REDACTED",
		"token":                              "token",
		"token=":                             "token=REDACTED",
		"labelSelector=a%3Db&pw=x":           "labelSelector=a%3Db&pw=REDACTED",
		"Watch=1":                            "Watch=REDACTED",
		"w%61tch=1":                          "w%61tch=1",
		"a=b=c":                              "a=REDACTED",
		"%zz=secret":                         "%zz=REDACTED",
		"&&":                                 "&&",
		"=secret":                            "=REDACTED",
		"limit=5&limit=6":                    "limit=5&limit=6",
		"limit=5;token=secret":               "limit=REDACTED", // who knows what a semicolon is to whom
		"pretty=\xff":                        "pretty=\ufffd",
		"timeout=1s&access_token=abc":        "timeout=1s&access_token=REDACTED",
		"watch=1&timeoutSeconds=5":           "watch=1&timeoutSeconds=5",
		"access_token=x&watch=1&x":           "access_token=REDACTED&watch=1&x",
		"wa%74ch=1":                          "wa%74ch=1",
		"%zz=1":                              "%zz=REDACTED",
		"=x":                                 "=REDACTED",
		"token=a=b=c":                        "token=REDACTED",
		"watch=1;token=x":                    "watch=REDACTED",
		"\xff=1":                             "\uFFFD=REDACTED",
		"limit=" + strings.Repeat("1", 3000): "limit=" + strings.Repeat("1", 2042) + "…",
	} {
		if got := ShownQuery(raw); got != want {
			t.Errorf("%.60q: got %.80q, want %.80q", raw, got, want)
		}
	}
	if !slices.IsSorted(shownParameters) {
		t.Error("the parameters are out of order")
	}
	for _, name := range []string{"token", "access_token", "password", "as-group"} {
		if slices.Contains(shownParameters, name) {
			t.Errorf("%s is shown", name)
		}
	}
	long := ShownURI(&url.URL{Path: strings.Repeat("/x", 1<<16), RawQuery: "watch=" + strings.Repeat("y", 1<<16)})
	if len(long) > 2*2100 || !strings.HasPrefix(long, "/x/x") || !strings.Contains(long, "?watch=y") {
		t.Errorf("a long URI takes %d bytes", len(long))
	}
	// What is no UTF-8 takes three bytes for one, and is cut after that.
	if got := ShownQuery(strings.Repeat("\xffa", 1500)); len(got) > 2200 || !utf8.ValidString(got) {
		t.Errorf("a query that is no UTF-8 takes %d bytes", len(got))
	}
	if got := ShownURI(&url.URL{Path: "/a"}); got != "/a" {
		t.Errorf("got %q", got)
	}
	if got := ShownURI(&url.URL{Path: "/\xff", RawQuery: "t=1"}); got != "/\ufffd?t=REDACTED" {
		t.Errorf("got %q", got)
	}
}

// TestShown: text is made valid first, then cut at the start of a character.
func TestShown(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abc", 2, "ab…"},
		{"a\xffb", 8, "a\ufffdb"},
		{"\xff\xfe\xff", 3, "\ufffd"},              // a run of what is invalid is one character
		{"a\xffb\xff", 5, "a\ufffdb…"},             // five bytes once it is valid, and one that does not fit
		{"\xffé", 4, "\ufffd…"},                    // é begins at the fourth byte, and would end behind it
		{"line\nbreak\x00", 16, "line\nbreak\x00"}, // whoever writes it quotes it
	} {
		if got := ShownShort(c.in, c.most); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.in, c.most, got, c.want)
		}
	}
	for n, want := range map[int]int{2047: 2047, 2048: 2048, 2049: 2048 + len("…")} {
		if got := Shown(strings.Repeat("x", n)); len(got) != want {
			t.Errorf("of %d bytes %d are shown, want %d", n, len(got), want)
		}
	}
}

// TestAppendShownQuery: what was there before stays as it is, valid or not, and is not counted; what
// is shown as it came costs no allocation.
func TestAppendShownQuery(t *testing.T) {
	before := strings.Repeat("\xff", 3000)
	for _, raw := range []string{"", "watch=1", "a=b", "pretty=\xff", "limit=" + strings.Repeat("1", 3000)} {
		if got, want := string(AppendShownQuery([]byte(before), raw)), before+ShownQuery(raw); got != want {
			t.Errorf("%.20q: got %d bytes, want %d", raw, len(got), len(want))
		}
	}
	b := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() { b = AppendShownQuery(b[:0], "watch=true&limit=5&token=x") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzShownQuery: no value of a parameter that is not shown gets through, and what is shown
// is valid UTF-8.
func FuzzShownQuery(f *testing.F) {
	for _, s := range []string{"a=b", "watch=1&b=c", "%77atch=x", "a=b;c=d", "=", "&=&", "\xff=\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := ShownQuery(raw)
		if !utf8.ValidString(got) || len(got) > 2200 {
			t.Errorf("%q: %q", raw, got)
		}
		values, err := url.ParseQuery(raw)
		if err != nil || len(raw) > 1000 || !utf8.ValidString(raw) {
			return
		}
		shown, err := url.ParseQuery(got)
		if err != nil {
			t.Fatalf("%q: %q: %v", raw, got, err)
		}
		for name := range values {
			for _, v := range shown[name] {
				if !slices.Contains(shownParameters, name) && v != "" && v != "REDACTED" {
					t.Errorf("%q: %s is shown as %q", raw, name, v)
				}
			}
		}
	})
}
