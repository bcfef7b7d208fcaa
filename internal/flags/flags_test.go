package flags

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is a group with a flag of each kind.
type sample struct {
	number int
	truth  bool
	text   string
	rate   float64
	span   time.Duration
	items  []string
	pairs  pairs
	checks int
}

func (o *sample) Register(s *Set) {
	s.In("numbers")
	s.Int(&o.number, "number", 1, "a number")
	s.Float(&o.rate, "rate", 0, "a rate")
	s.In("tls")
	s.Text(&o.text, "text", "t", "a text")
	s.Duration(&o.span, "span", 0, "a time; 0s: none")
	s.In("numbers")
	s.Bool(&o.truth, "truth", false, "a truth")
	s.In("many")
	s.List(&o.items, "list", []string{"x", "y"}, "a list")
	s.Var(&o.pairs, "pairs", "any text but !")
}

func (o *sample) Check(p *Problems) {
	o.checks++
	p.When(o.number < 0, "number", "must not be negative, is %d", o.number)
}

// pairs is a value that reads itself: it adds what is given, and refuses an exclamation mark.
type pairs []string

func (v *pairs) String() string {
	if v == nil {
		return ""
	}
	return strings.Join(*v, " ")
}

func (v *pairs) Set(s string) error {
	if strings.Contains(s, "!") {
		return errors.New("must have no !")
	}
	*v = append(*v, s)
	return nil
}

// named is a group with one switch, which may be wrong.
type named struct {
	name  string
	wrong bool
	value bool
}

func (o *named) Register(s *Set) {
	s.In(o.name + "s")
	s.Bool(&o.value, o.name, false, "a switch")
}

func (o *named) Check(p *Problems) { p.When(o.wrong, o.name, "is wrong") }

// TestNew: groups register in their order, variables have their defaults at once, nothing is checked.
func TestNew(t *testing.T) {
	var o sample
	s := New("test", &named{name: "z"}, &o, &named{name: "a"})
	var got []string
	for _, f := range s.All() {
		got = append(got, f.Name)
		if s.Lookup(f.Name) != f {
			t.Errorf("--%s is not found by its name", f.Name)
		}
		if f.Given || f.Derived || f.Secret {
			t.Errorf("--%s is not as it is registered: %+v", f.Name, f)
		}
	}
	if want := []string{"z", "number", "rate", "text", "span", "truth", "list", "pairs", "a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if o.number != 1 || o.text != "t" || !slices.Equal(o.items, []string{"x", "y"}) || o.checks != 0 {
		t.Errorf("defaults: %+v", o)
	}
	if f := s.Lookup("bogus"); f != nil {
		t.Errorf("an unknown name finds %+v", f)
	}
}

// TestTwice: two groups with one name cannot both be right, and no start should find out which is.
func TestTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a flag was registered twice")
		}
	}()
	New("test", &named{name: "a"}, &named{name: "a"})
}

// TestKind: what help calls the values of each kind.
func TestKind(t *testing.T) {
	s := New("test", &sample{})
	for name, want := range map[string]string{"number": "int", "rate": "float", "text": "string", "span": "duration", "truth": "", "list": "list", "pairs": ""} {
		if got := s.Lookup(name).Kind(); got != want {
			t.Errorf("--%s: got %q, want %q", name, got, want)
		}
	}
}

// TestHelp: sections in the order of first registration, one that is named again is continued; a
// default that is nothing is left out.
func TestHelp(t *testing.T) {
	s := New("test", &sample{}, &named{name: "z"})
	const want = `
Numbers:
  --number int
        a number (default 1)
  --rate float
        a rate
  --truth
        a truth

TLS:
  --text string
        a text (default t)
  --span duration
        a time; 0s: none

Many:
  --list list
        a list (default x,y)
  --pairs
        any text but !

Zs:
  --z
        a switch
`
	var before, after strings.Builder
	if s.WriteHelp(&before); before.String() != want {
		t.Errorf("got:%s\nwant:%s", before.String(), want)
	}
	// Help tells of defaults, whatever was given.
	if _, err := s.Parse([]string{"--number=7", "--list=z", "--pairs=a", "--truth"}); err != nil {
		t.Fatal(err)
	}
	if s.WriteHelp(&after); after.String() != want {
		t.Errorf("after flags were given:%s", after.String())
	}
}

// TestList: spaces and empty items are dropped, and the default stays its owner's.
func TestList(t *testing.T) {
	for value, want := range map[string][]string{
		"":           nil,
		",":          nil,
		" , ,":       nil,
		"a":          {"a"},
		"a,b":        {"a", "b"},
		" a , ,b c,": {"a", "b c"},
		"a,a":        {"a", "a"},
	} {
		s := New("test")
		var got []string
		def := []string{"x", "y"}
		f := s.List(&got, "l", def, "help")
		if !slices.Equal(got, def) || f.DefValue != "x,y" {
			t.Fatalf("before it is set: %q, default %q", got, f.DefValue)
		}
		if p, err := s.Parse([]string{"--l=" + value}); err != nil || len(p) > 0 || !slices.Equal(got, want) {
			t.Errorf("%q: got %q %v %v, want %q", value, got, p, err, want)
		}
		if !slices.Equal(def, []string{"x", "y"}) {
			t.Errorf("%q: the default has become %q", value, def)
		}
		// What is shown reads as the same list.
		again := list{"z"}
		if err := again.Set(f.Shown()); err != nil || !slices.Equal(again, got) {
			t.Errorf("%q: shown as %q, which reads as %q", value, f.Shown(), again)
		}
	}
	if got := (*list)(nil).String(); got != "" {
		t.Errorf("no list is shown as %q", got)
	}
}

// TestLastWins: a flag given twice has its last value; only one that reads itself may add.
func TestLastWins(t *testing.T) {
	var o sample
	p, err := New("test", &o).Parse([]string{
		"--number=2", "--rate=0.5", "--text=a", "--span=1s", "--truth", "--list=a,b", "--pairs=a",
		"--number=3", "--rate=1e-3", "--text=", "--span=1m30s", "--truth=false", "--list=c", "--pairs=b",
	})
	if err != nil || len(p) > 0 {
		t.Fatal(err, p)
	}
	if o.number != 3 || o.rate != 0.001 || o.text != "" || o.span != 90*time.Second || o.truth ||
		!slices.Equal(o.items, []string{"c"}) || !slices.Equal(o.pairs, []string{"a", "b"}) {
		t.Errorf("got %+v", o)
	}
}

// TestShown: a secret is never shown, nor is a password in a URL.
func TestShown(t *testing.T) {
	s := New("test")
	var text string
	secret := s.Text(&text, "password", "", "help")
	secret.Secret = true
	url := s.Text(&text, "url", "", "help")
	for value, want := range map[string]string{
		"": "", "https://u:hunter2@h/p": "https://u:REDACTED@h/p", "https://u@h": "https://u@h", "//:hunter2@h": "//:REDACTED@h",
		"http://h:80/a:b@c": "http://h:80/a:b@c", "http://a:x@b,http://c:y@d": "http://a:REDACTED@b,http://c:REDACTED@d",
		"127.0.0.1:80": "127.0.0.1:80",
	} {
		for _, f := range []*Flag{url, secret} {
			if p, err := s.Parse([]string{"--" + f.Name, value}); err != nil || len(p) > 0 {
				t.Fatal(err, p)
			}
		}
		if got := url.Shown(); got != want {
			t.Errorf("%q is shown as %q, want %q", value, got, want)
		}
		if got := secret.Shown(); got != "REDACTED" || text != value {
			t.Errorf("a secret %q is shown as %q, and is %q", value, got, text)
		}
	}
}
