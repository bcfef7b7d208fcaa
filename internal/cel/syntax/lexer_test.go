package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// TestTokens cuts texts into tokens: each as long as it can be, and of two kinds of a length the first.
func TestTokens(t *testing.T) {
	for _, c := range [][2]string{
		{"a+b", "IDENTIFIER:a '+':+ IDENTIFIER:b"},
		{"== != <= >= && || < > !", "'==':== '!=':!= '<=':<= '>=':>= '&&':&& '||':|| '<':< '>':> '!':!"},
		{"===", "'==':== bad:="},
		{"1.5.5", "NUM_FLOAT:1.5 NUM_FLOAT:.5"},
		{"a.5", "IDENTIFIER:a NUM_FLOAT:.5"},
		{"1.e5", "NUM_INT:1 '.':. IDENTIFIER:e5"},
		{"1e+ 1E-2", "NUM_INT:1 IDENTIFIER:e '+':+ NUM_FLOAT:1E-2"},
		{"0x 0X1 0xfFu 0xg", "NUM_INT:0 IDENTIFIER:x NUM_INT:0 IDENTIFIER:X1 NUM_UINT:0xfFu NUM_INT:0 IDENTIFIER:xg"},
		{"1uu 1.5u", "NUM_UINT:1u IDENTIFIER:u NUM_FLOAT:1.5 IDENTIFIER:u"},
		{"in true falsey null _x", "'in':in 'true':true IDENTIFIER:falsey 'null':null IDENTIFIER:_x"},
		{`r"\" R'\n' b"x" Br'x' rb"x"`, `STRING:r"\" STRING:R'\n' BYTES:b"x" BYTES:Br'x' IDENTIFIER:rb STRING:"x"`},
		{`"""a"b""" """ `, `STRING:"""a"b""" STRING:"" bad:" `},
		{`'''a\'''' '`, `STRING:'''a\'''' bad:'`},
		{`r'''\'''`, `STRING:r'''\'''`},
		{`"\x4g"`, `bad:"\x4g bad:"`},
		{`"\u12"`, `bad:"\u12"`},
		{`"\377\400"`, `bad:"\377\4 NUM_INT:00 bad:"`},
		{`"\?\` + "`" + `"`, `STRING:"\?\` + "`" + `"`},
		{"'a\nb'", "bad:'a\n IDENTIFIER:b bad:'"},
		{"b'", "IDENTIFIER:b bad:'"},
		{"`a-b./ c` `` `é`", "ESC_IDENTIFIER:`a-b./ c` bad:`` bad:`é bad:`"},
		{"& |x =", "bad:&  bad:|x bad:="},
		{"é#", "bad:é bad:#"},
		{"a//b\n/c", "IDENTIFIER:a COMMENT://b '/':/ IDENTIFIER:c"},
	} {
		l := lexer{[]rune(c[0])}
		var got []string
		for at := int32(0); ; {
			k := l.next(at)
			if k.kind == end {
				break
			}
			if k.end <= at {
				t.Fatalf("%q: stands still at %d", c[0], at)
			}
			at = k.end
			name := "bad"
			if k.kind != bad {
				name = names[k.kind]
			}
			if k.kind != space {
				got = append(got, fmt.Sprintf("%s:%s", name, string(l.text[k.start:k.end])))
			}
		}
		if s := strings.Join(got, " "); s != c[1] {
			t.Errorf("%q:\n%s, want\n%s", c[0], s, c[1])
		}
	}
}

// TestReserved has no variable of a reserved name, but fields.
func TestReserved(t *testing.T) {
	for _, name := range reserved {
		_, err := Parse(name, Options{})
		_, field := Parse("a."+name, Options{})
		word := name == "in" || name == "true" || name == "false" || name == "null"
		if (err == nil) != (word && name != "in") || (field == nil) == word {
			t.Errorf("%s: %v, %v", name, err, field)
		}
	}
}
