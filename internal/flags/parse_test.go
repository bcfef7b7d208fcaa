package flags

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestUnreadValueIsSaidOnce: what a value that could not be read lacks besides is no line.
func TestUnreadValueIsSaidOnce(t *testing.T) {
	var p Problems
	p.Add("a", "one %d", 1)
	p.Add("a", "two")
	p = append(p, `--b: invalid value "x": parse error`)
	p.Add("b", "must be above 0")
	p.Add("bb", "is another flag")
	p.When(false, "c", "is not wrong")
	p.When(true, "d", "is %q", "x")
	want := Problems{"--a: one 1", "--a: two", `--b: invalid value "x": parse error`, "--bb: is another flag", `--d: is "x"`}
	if !slices.Equal(p, want) {
		t.Errorf("got %q, want %q", []string(p), []string(want))
	}
}

// TestParse: all that is wrong is found, in the order of the arguments; what follows a mistake is
// read all the same, and checks come last.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		args, want []string
		number     int
		truth      bool
	}{
		{nil, nil, 1, false},
		{[]string{"--number=2", "--truth"}, nil, 2, true},
		{[]string{"-number", "2", "-truth=false"}, nil, 2, false},
		{[]string{"--number=0x10"}, nil, 16, false},
		{[]string{"--number=2", "--number=3"}, nil, 3, false},
		{[]string{"--truth", "false"}, []string{`"false": unexpected argument`}, 1, true},
		{[]string{"a", "--number=2", "b"}, []string{`"a": unexpected argument`, `"b": unexpected argument`}, 2, false},
		{[]string{"--", "--number=2"}, []string{`"--number=2": unexpected argument`}, 1, false},
		{[]string{"--bogus", "value", "--number=2"}, []string{"--bogus: unknown flag"}, 2, false},
		{[]string{"--bogus", "value", "word", "--number=2"}, []string{"--bogus: unknown flag", `"word": unexpected argument`}, 2, false},
		{[]string{"--bogus", "--number=2"}, []string{"--bogus: unknown flag"}, 2, false},
		{[]string{"--bogus"}, []string{"--bogus: unknown flag"}, 1, false},
		{[]string{"--=", "---x", "-=1", "--number=2"}, []string{`"--=": is no flag`, `"---x": is no flag`, `"-=1": is no flag`}, 2, false},
		{[]string{"--number"}, []string{"--number: needs a value"}, 1, false},
		{[]string{"--number=x", "--truth"}, []string{`--number: invalid value "x": parse error`}, 0, true},
		{[]string{"--number=-1", "--bogus"}, []string{"--bogus: unknown flag", "--number: must not be negative, is -1"}, -1, false},
		{[]string{"--truth=x", "--truth=y"}, []string{`--truth: invalid boolean value "x": parse error`, `--truth: invalid boolean value "y": parse error`}, 1, false},
		{[]string{"", "-"}, []string{`"": unexpected argument`, `"-": unexpected argument`}, 1, false},
		{[]string{"a\nb"}, []string{`"a\nb": unexpected argument`}, 1, false},
	} {
		var o sample
		p, err := New("test", &o).Parse(c.args)
		if err != nil || !slices.Equal(p, c.want) {
			t.Errorf("%q: %v\n got %q\nwant %q", c.args, err, []string(p), c.want)
		}
		if o.number != c.number || o.truth != c.truth {
			t.Errorf("%q: got %d and %v, want %d and %v", c.args, o.number, o.truth, c.number, c.truth)
		}
	}
}

// TestParseHelp: help wins over what is wrong, before it or behind it, and nothing is checked then;
// behind -- it is a word.
func TestParseHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"-help"}, {"--h"}, {"--help=x"}, {"--bogus", "--help"}, {"x", "--number=x", "-h", "--bogus"}} {
		var o sample
		if p, err := New("test", &o).Parse(args); err != ErrHelp || p != nil || o.checks != 0 {
			t.Errorf("%q: %q, %v, checked %d times; want help alone", args, []string(p), err, o.checks)
		}
	}
	var o sample
	p, err := New("test", &o).Parse([]string{"--", "--help"})
	if want := []string{`"--help": unexpected argument`}; err != nil || !slices.Equal(p, want) || o.checks != 1 {
		t.Errorf("behind --: %q, %v, checked %d times; want %q", []string(p), err, o.checks, want)
	}
}

// TestParseAsksEveryGroup: groups are asked in their order, one that is wrong does not hide the next.
func TestParseAsksEveryGroup(t *testing.T) {
	a, b, c := named{name: "a", wrong: true}, named{name: "b"}, named{name: "c", wrong: true}
	p, err := New("test", &c, &b, &a).Parse(nil)
	if want := []string{"--c: is wrong", "--a: is wrong"}; err != nil || !slices.Equal(p, want) {
		t.Errorf("got %q, %v; want %q", []string(p), err, want)
	}
}

// TestGiven: what was among the arguments is given, even with its default, even after a mistake.
func TestGiven(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "",
		"--number=1":                     "number",
		"--truth=false --text=":          "text truth",
		"--bogus x --rate 2 word --list": "rate",
		"--list= --span=1s --pairs=a":    "span list pairs",
		"--number=x":                     "",
	} {
		s := New("test", &sample{})
		if _, err := s.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range s.All() {
			if f.Given {
				got = append(got, f.Name)
			}
			if f.Derived {
				t.Errorf("%s: --%s is derived, which only its owner knows", args, f.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: given are %q, want %s", args, got, want)
		}
	}
}

// TestProblem: what the flag package says, of each way to be wrong, in our words. The errors
// are its own, so that a new wording of it is seen.
func TestProblem(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"--colour", "--colour: unknown flag"},
		{"-colour", "--colour: unknown flag"},
		{"--colour=red", "--colour: unknown flag"},
		{"--=x", `"--=x": is no flag`},
		{"---text", `"---text": is no flag`},
		{"--text", "--text: needs a value"},
		{"-number", "--number: needs a value"},
		{"--number=many", `--number: invalid value "many": parse error`},
		{"--number=99999999999999999999", `--number: invalid value "99999999999999999999": value out of range`},
		{"--span=long", `--span: invalid value "long": parse error`},
		{"--truth=perhaps", `--truth: invalid boolean value "perhaps": parse error`},
		{"--own=x", `--own: invalid value "x": want: y`},
		{"--truth=a for b", `--truth: invalid boolean value "a for b": parse error`},
	} {
		f := flag.NewFlagSet("test", flag.ContinueOnError)
		f.SetOutput(io.Discard)
		f.String("text", "", "")
		f.Int("number", 0, "")
		f.Duration("span", 0, "")
		f.Bool("truth", false, "")
		f.Func("own", "", func(string) error { return errors.New("want: y") })
		err := f.Parse([]string{c.arg})
		if err == nil {
			t.Errorf("%s is not wrong", c.arg)
			continue
		}
		if got := Problem(err); got != c.want {
			t.Errorf("%s: %q of %q, want %q", c.arg, got, err, c.want)
		}
	}
	if got := Problem(errors.New("something new")); got != "something new" {
		t.Errorf("an error that is not known becomes %q", got)
	}
}

// FuzzParse: any arguments come to an end, every problem is a line that names a flag or quotes an
// argument, and no argument makes another group's value wrong without a problem.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "--number=3", "--bogus x", "--=\x00---", "--\x00--help", "-h", "a\x00--truth=x\x00-number", "--list=a,b\x00--pairs=!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		var o sample
		p, err := New("test", &o).Parse(args)
		if err != nil {
			if err != ErrHelp {
				t.Fatalf("%q: %v", args, err)
			}
			return
		}
		for _, w := range p {
			if !strings.HasPrefix(w, "--") && !strings.HasPrefix(w, `"`) {
				t.Errorf("%q: problem %q", args, w)
			}
		}
		// One argument is at most one mistake, and a check may find one more.
		if len(p) > len(args)+1 {
			t.Errorf("%q: %d problems: %q", args, len(p), []string(p))
		}
		var again sample
		if q, _ := New("test", &again).Parse(args); !slices.Equal(p, q) {
			t.Errorf("%q: %q, and then %q", args, []string(p), []string(q))
		}
	})
}

// TestWords: flags count wherever they stand, and words keep their order.
func TestWords(t *testing.T) {
	for line, want := range map[string]struct{ words, text, wrong string }{
		"":                       {},
		"a b":                    {words: "a b"},
		"--text x a --truth b":   {words: "a b", text: "x"},
		"a -text=x b -truth":     {words: "a b", text: "x"},
		"a -- --text x":          {words: "a --text x"},
		"a --text=x --text y":    {words: "a", text: "y"},
		"a --help --bogus":       {wrong: ErrHelp.Error()},
		"-h":                     {wrong: ErrHelp.Error()},
		"a --bogus":              {wrong: "--bogus: unknown flag"},
		"a --text":               {wrong: "--text: needs a value"},
		"--truth=perhaps --text": {wrong: `--truth: invalid boolean value "perhaps": parse error`},
	} {
		f := flag.NewFlagSet("test", flag.ContinueOnError)
		text := f.String("text", "", "")
		f.Bool("truth", false, "")
		words, err := Words(f, strings.Fields(line))
		if err != nil || want.wrong != "" {
			if err == nil || err.Error() != want.wrong || words != nil {
				t.Errorf("%s: %q %v, want %s", line, words, err, want.wrong)
			}
			continue
		}
		if got := strings.Join(words, " "); got != want.words || *text != want.text {
			t.Errorf("%s: %q, text %q", line, got, *text)
		}
	}
}
