package schema

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestJSONPathRanges: every range over short lists, against what upstream makes of it:
// bounds count from the end when negative, and one that is not in the list gives nothing.
func TestJSONPathRanges(t *testing.T) {
	bounds := []string{"", "-4", "-3", "-2", "-1", "0", "1", "2", "3", "4"}
	for size := range 4 {
		var list []any
		for i := range size {
			list = append(list, int64(i))
		}
		for _, from := range bounds {
			for _, to := range bounds {
				lo, hi := 0, size
				if from != "" {
					fmt.Sscan(from, &lo)
				}
				if to != "" {
					fmt.Sscan(to, &hi)
				}
				if lo < 0 {
					lo += size
				}
				if hi < 0 {
					hi += size
				}
				var want any
				inside := lo >= 0 && lo < hi && hi <= size
				if inside {
					want = list[lo]
				}
				path := ".l[" + from + ":" + to + "]"
				find, err := CompileJSONPath(path)
				if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
				if got, found := find(map[string]any{"l": list}); found != inside || got != want {
					t.Errorf("%s of %v: got %v (%v), want %v (%v)", path, list, got, found, want, inside)
				}
			}
		}
	}
}

// TestJSONPathEdges: where a step meets a value of another kind, and names that look like
// something else.
func TestJSONPathEdges(t *testing.T) {
	obj := objectOf(t, `{"a":{"0":"zero","*":"star","]":"bracket","x y":"space","\\":"back","":"empty","q\"":"double"},
"l":[{"k":"a","v":1,"b":true},{"k":"b","v":2.5,"b":false},{"v":null},7,"s",[1,2]],"n":3,"s":"text","e":[],"o":{},
"deep":[{"in":[]},{"in":[{"x":null}]},{"in":[{"y":1},{"x":5}]}]}`)
	for _, row := range []struct {
		path  string
		want  any
		found bool
	}{
		{".a.0", "zero", true},
		{".a['0']", "zero", true},
		{".a[0]", nil, false},
		{".a['*']", "star", true},
		{".a[']']", "bracket", true},
		{".a['x y']", "space", true},
		{".a.x y", "space", true},
		{`.a['\\']`, "back", true},
		{`.a["q\""]`, "double", true},
		{".a['']", "empty", true},
		{".n[0]", nil, false},
		{".n[*]", nil, false},
		{".n.*", nil, false},
		{".n[0:1]", nil, false},
		{".a[0:1]", nil, false},
		{".s[0]", nil, false},
		{".e[*]", nil, false},
		{".e[0]", nil, false},
		{".e[-1]", nil, false},
		{".o.*", nil, false},
		{".l[5][1]", int64(2), true},
		{".l[-1][-1]", int64(2), true},
		{".l[*][0]", int64(1), true},
		{".l[3]", int64(7), true},
		{".l[2].v", nil, true},
		{".l.0", nil, false},

		{".l[?(@.v)].k", "a", true},
		{".l[?(@.v==2.5)].k", "b", true},
		{".l[?(@.v<2)].k", "a", true},
		{".l[?(@.v>1)].k", "b", true},
		{".l[?(@.v!=1)].k", "b", true},
		{".l[?(@.b==true)].k", "a", true},
		{".l[?(@.b==false)].k", "b", true},
		{".l[?(@.b!=true)].k", "b", true},
		{`.l[?(@.k=="a")].v`, int64(1), true},
		{`.l[?( @.k == "a" )].v`, int64(1), true},
		{`.l[?(@.k>"a")].v`, 2.5, true},
		{`.l[?(@.k>="a")].v`, int64(1), true},
		{`.l[?(@.k<"a")].v`, nil, false},
		{`.l[?(@['k']=='b')].v`, 2.5, true},
		{`.l[?(@.k=="x")].v`, nil, false},
		{`.l[?(@.k==1)].v`, nil, false},
		{`.l[?(@.v=="1")].k`, nil, false},
		{`.l[?(@.nothing)].k`, nil, false},
		{`.l[?(@.nothing!=1)].k`, nil, false},
		{`.l[?(@[0]==1)][1]`, int64(2), true},
		{`.a[?(@=="star")]`, "star", true},
		{`.l[?(@==7)]`, int64(7), true},
		{`.l[?(@=="a)b")]`, nil, false},
		{`.l[?(@.k==-1)]`, nil, false},

		{".deep[*].in[*].x", nil, true},
		{".deep[1:].in[*].x", nil, true},
		{".deep[2:].in[*].x", int64(5), true},
		{".deep[2].in[*].y", int64(1), true},
		{".deep[*].in[1].x", int64(5), true},
		{".deep[?(@.in[1])].in[0].y", int64(1), true},
	} {
		find, err := CompileJSONPath(row.path)
		if err != nil {
			t.Errorf("%s: %v", row.path, err)
			continue
		}
		if got, found := find(obj); !reflect.DeepEqual(got, row.want) || found != row.found {
			t.Errorf("%s: got %v (%v), want %v (%v)", row.path, got, found, row.want, row.found)
		}
	}
}

// TestJSONPathErrorsPoint: the error names the path and where it goes wrong.
func TestJSONPathErrorsPoint(t *testing.T) {
	for path, want := range map[string]string{
		"":                                       `"": must begin with a dot`,
		"a.b":                                    `"a.b": must begin with a dot`,
		"..a":                                    `"..a": expected a name at byte 2`,
		".a.":                                    `".a.": expected a name at byte 4`,
		".a..b":                                  `".a..b": expected a name at byte 4`,
		".a[":                                    `".a[": expected ] at byte 4`,
		".a[0":                                   `".a[0": expected ] at byte 4`,
		".a[]":                                   `".a[]": expected a number at byte 4`,
		".a[one]":                                `".a[one]": expected a number at byte 4`,
		".a[1:b]":                                `".a[1:b]": expected a number at byte 4`,
		".a[1:2:3]":                              `".a[1:2:3]": expected a number at byte 4`,
		".a[*":                                   `".a[*": expected ] at byte 5`,
		".a['b":                                  `".a['b": the quoted text has no end at byte 6`,
		".a['b'x":                                `".a['b'x": expected ] at byte 7`,
		".a[?]":                                  `".a[?]": expected ?( outside of a filter at byte 4`,
		".a[?(b)]":                               `".a[?(b)]": expected @ at byte 6`,
		".a[?(@.b)":                              `".a[?(@.b)": expected )] at byte 9`,
		".a[?(@.b=1)]":                           `".a[?(@.b=1)]": expected )] at byte 9`,
		".a[?(@.b==)]":                           `".a[?(@.b==)]": expected a value at byte 11`,
		".a[?(@.b==":                             `".a[?(@.b==": expected a value at byte 11`,
		".a[?(@.b==x)]":                          `".a[?(@.b==x)]": expected a text, a number, true or false at byte 11`,
		".a[0]b":                                 `".a[0]b": expected . or [ at byte 6`,
		"." + strings.Repeat("a", maxPathLength): `".` + strings.Repeat("a", 99) + `...": is longer than 4096 bytes`,
	} {
		if _, err := CompileJSONPath(path); err == nil || err.Error() != want {
			t.Errorf("%.60s: got %v, want %s", path, err, want)
		}
	}
}

// TestJSONPathMadeOfSteps: a random way down a random tree, written in every style, leads to
// what is there.
func TestJSONPathMadeOfSteps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b.c", "d e", "f'g", `h"i`, `j\k`, "[l]", "*", "é", "0"}
	var grow func(depth int) any
	grow = func(depth int) any {
		switch n := r.IntN(3); {
		case depth == 0 || n == 0:
			return int64(r.IntN(1000))
		case n == 1:
			list := make([]any, 1+r.IntN(3))
			for i := range list {
				list[i] = grow(depth - 1)
			}
			return list
		}
		o := map[string]any{}
		for range 1 + r.IntN(3) {
			o[names[r.IntN(len(names))]] = grow(depth - 1)
		}
		return o
	}
	quoted := func(name, quote string) string {
		return "[" + quote + strings.NewReplacer(`\`, `\\`, quote, `\`+quote).Replace(name) + quote + "]"
	}
	for range 2000 {
		root := map[string]any{"root": grow(5)}
		path, v := ".root", root["root"]
		for {
			if o, ok := v.(map[string]any); ok {
				name := tree.SortedKeys(o)[r.IntN(len(o))]
				switch n := r.IntN(3); {
				case n == 0 && name != "*":
					path += "." + strings.NewReplacer(`\`, `\\`, ".", `\.`, "[", `\[`).Replace(name)
				case n == 1:
					path += quoted(name, `"`)
				default:
					path += quoted(name, "'")
				}
				v = o[name]
			} else if list, ok := v.([]any); ok {
				i := r.IntN(len(list))
				v = list[i]
				switch r.IntN(3) {
				case 0:
					i -= len(list)
					fallthrough
				case 1:
					path += fmt.Sprintf("[%d]", i)
				default:
					path += fmt.Sprintf("[%d:%d]", i, i+1)
				}
			} else {
				break
			}
		}
		find, err := CompileJSONPath(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got, found := find(root); !found || !reflect.DeepEqual(got, v) {
			t.Fatalf("%s in %s: got %v (%v), want %v", path, tree.AppendJSON(nil, root), got, found, v)
		}
	}
}

// TestJSONPathGarbage: whatever is asked for is found or refused, and found the same twice.
func TestJSONPathGarbage(t *testing.T) {
	obj := objectOf(t, `{"a":[{"a":1,"b":"x"},{"b":[1,2,3]}],"b":{"a":{"b":2}}}`)
	parts := []string{".", "a", "b", "[", "]", "*", "?(", "@", ")", "==", "!=", "<", ">=", "1", "-1", ":", "'", `"`, `\`, " ", "true", "é", "\x00"}
	r := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for range 50_000 {
		var b strings.Builder
		b.WriteString([]string{".", ".a", ".b", "[", ".a[?(@.b"}[r.IntN(5)])
		for range r.IntN(10) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		find, err := CompileJSONPath(b.String())
		if err != nil {
			continue
		}
		taken++
		got, found := find(obj)
		if again, foundAgain := find(obj); found != foundAgain || !reflect.DeepEqual(got, again) {
			t.Fatalf("%q: got %v, then %v", b.String(), got, again)
		}
		if !found && got != nil {
			t.Fatalf("%q: nothing is found, and it is %v", b.String(), got)
		}
	}
	if taken < 500 {
		t.Errorf("only %d paths were taken", taken)
	}
}
