package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

// checkWrite holds AppendJSON to json.Marshal.
func checkWrite(t *testing.T, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if got := AppendJSON(nil, v); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("wrote %s, encoding/json has %s (%v)", got, want, err)
	}
}

// TestJSONRoundTrip: random trees are written as json.Marshal writes them, read back as the
// same tree, and are written the same again.
func TestJSONRoundTrip(t *testing.T) {
	r := newTrees(11)
	for range 500 {
		v := r.tree(4)
		checkWrite(t, v)
		text := AppendJSON(nil, v)
		again, repeated, err := ParseJSON(text)
		if err != nil || repeated != nil || !Equal(again, v) {
			t.Fatalf("%s reads as %v, %q (%v)", text, again, repeated, err)
		}
		if second := AppendJSON(nil, again); !bytes.Equal(second, text) {
			t.Fatalf("%s is written again as %s", text, second)
		}
		// White space between the tokens changes nothing.
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "\t", " \t"); err != nil {
			t.Fatal(err)
		}
		if loose, _, err := ParseJSON(indented.Bytes()); err != nil || !reflect.DeepEqual(loose, again) {
			t.Fatalf("%s reads as %v (%v)", indented.Bytes(), loose, err)
		}
	}
}

// TestJSONWriteBytes: each byte at each place in strings of up to 20 bytes.
func TestJSONWriteBytes(t *testing.T) {
	for length := range 20 {
		for place := range length {
			for c := range 256 {
				s := bytes.Repeat([]byte("x"), length)
				s[place] = byte(c)
				checkWrite(t, string(s))
			}
		}
	}
	for _, pair := range []string{"<>", "&\"", "\\<", "é<", "\u2028", "\u2029\u2028", "\xe2\x80", "\x80<", "🎉", "\ufffd"} {
		for length := range 20 {
			checkWrite(t, strings.Repeat("x", length)+pair)
			checkWrite(t, strings.Repeat("x", length)+pair+"yyyyyyyyy")
			checkWrite(t, strings.Repeat("é", length)+pair)
		}
	}
}

// TestJSONWriteFloats: the form of a float changes at 1e-6 and 1e21.
func TestJSONWriteFloats(t *testing.T) {
	for _, tc := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {-2.5, "-2.5"}, {100, "100"}, {0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"},
		{1e-6, "0.000001"}, {9.99e-7, "9.99e-7"}, {1e-7, "1e-7"}, {-1e-10, "-1e-10"}, {1e-100, "1e-100"},
		{1e20, "100000000000000000000"}, {1e21, "1e+21"}, {-1e21, "-1e+21"}, {1e100, "1e+100"}, {999999999999999900000, "999999999999999900000"},
		{math.MaxFloat64, "1.7976931348623157e+308"}, {math.SmallestNonzeroFloat64, "5e-324"}, {9007199254740992, "9007199254740992"},
	} {
		if got := string(AppendJSON(nil, tc.f)); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.f, got, tc.want)
		}
		checkWrite(t, tc.f)
	}
	r := newTrees(12)
	for range 5000 {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			checkWrite(t, f)
			if got := asFloat(mustJSON(t, string(AppendJSON(nil, f)))); got != f {
				t.Fatalf("%v reads back as %v", f, got)
			}
		}
		checkWrite(t, float64(r.IntN(1e6))/math.Pow(10, float64(r.IntN(12))))
	}
}

// TestJSONWriteSorted: members are in order on both sides of the number that is sorted
// without a call, however the map gives them.
func TestJSONWriteSorted(t *testing.T) {
	for n := range 40 {
		o := map[string]any{}
		var want []string
		for i := range n {
			key := fmt.Sprintf("%c%c", 'a'+i%7, 'z'-i/7)
			o[key] = int64(i)
		}
		for _, k := range SortedKeys(o) {
			want = append(want, fmt.Sprintf("%q:%d", k, o[k]))
		}
		for range 5 {
			if got := string(AppendJSON(nil, o)); got != "{"+strings.Join(want, ",")+"}" {
				t.Fatalf("%d members: %s", n, got)
			}
		}
	}
	few := map[string]any{}
	for _, c := range "lkjihgfedcba" {
		few[string(c)] = true
	}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = AppendJSON(buf[:0], few) }); n != 0 {
		t.Errorf("%v allocations to write %d members", n, len(few))
	}
}

// TestJSONWriteAppends: what is in the slice stays, and values that no tree has become null
// inside of one as well.
func TestJSONWriteAppends(t *testing.T) {
	b := append(make([]byte, 0, 100), "data: "...)
	b = AppendJSON(b, []any{int64(1), map[string]any{"a": nil}})
	b = AppendJSONString(append(b, ' '), `"`)
	if string(b) != `data: [1,{"a":null}] "\""` {
		t.Errorf("%s", b)
	}
	v := []any{uint8(1), int32(2), []int{3}, struct{}{}, map[string]string{"a": "b"}, math.Inf(-1), func() {}}
	if got := string(AppendJSON(nil, v)); got != "[null,null,null,null,null,null,null]" {
		t.Error(got)
	}
	o := map[string]any{"list": []string{"<", ""}, "n": 7, "none": []string(nil), "o": map[string]any(nil)}
	if got := string(AppendJSON(nil, o)); got != `{"list":["\u003c",""],"n":7,"none":[],"o":{}}` {
		t.Error(got)
	}
}

// FuzzJSONString: a string is quoted as encoding/json quotes it and reads back as itself, but
// for bytes that are not UTF-8.
func FuzzJSONString(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s)
	}
	f.Add("\xff\xc0\xaf\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		checkWrite(t, s)
		if got := mustJSON(t, string(AppendJSONString(nil, s))); got != JSONUTF8(s) {
			t.Fatalf("%q reads back as %q", s, got)
		}
		checkWrite(t, map[string]any{s: []any{s}})
	})
}
