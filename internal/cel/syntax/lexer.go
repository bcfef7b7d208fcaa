package syntax

import "slices"

// The idea: a token is the longest piece of text that the grammar knows at a place, and of two kinds of the same length the one
// that stands first here. Every kind begins in its own way, so one switch on the first rune finds it. What begins no token, or
// begins one and does not go on as one, is a bad piece: up to and with the rune that does not fit. Reading goes on behind it.
//
//	a.5       a and .5: a point before a digit begins a number, as that is longer than the point
//	1.e5      1, a point, e5: a number has digits behind its point, so that 1.size() is a call
//	inner     a name: in is a token, but the name is longer
//	=!        a bad piece of two runes, since = begins == alone. The sign is lost, and what follows is read without it
//	'a        bad up to the end of the text; 'a and a line feed up to and with the line feed
//	"""a       an empty string and the bad piece "a: three quotes without an end are no beginning, and two are a string
//
// The tokens are those of CEL.g4; what happens to bad pieces is of ANTLR's Lexer, which skips the rune at which it got stuck.

// kind is the kind of a token. The order is that of upstream's grammar, since sets of kinds are printed in it. Operators come first,
// then words, and then what has a form; the parsers count on comparisons being together, from equals to greater.
type kind int8

const (
	end kind = iota // behind the last rune
	equals
	notEquals
	in
	less
	lessEquals
	greaterEquals
	greater
	and
	or
	openBracket
	closeBracket
	openBrace
	closeBrace
	openParen
	closeParen
	dot
	comma
	minus
	exclam
	question
	colon
	plus
	starSign
	slash
	percent
	kTrue
	kFalse
	kNull
	space // white space and comments, which stand between tokens
	comment
	float
	integer
	unsigned
	text
	binary
	identifier
	escaped // an identifier in back quotes
	bad     // no token
)

// token is a piece of the text, by offsets in runes.
type token struct {
	kind       kind
	start, end int32
}

// symbols are the tokens that are one rune and begin no other one.
var symbols = [128]kind{'[': openBracket, ']': closeBracket, '{': openBrace, '}': closeBrace, '(': openParen, ')': closeParen,
	',': comma, '-': minus, '?': question, ':': colon, '+': plus, '*': starSign, '%': percent}

// lexer reads tokens out of a text.
type lexer struct{ text []rune }

// at returns the rune at an offset, -1 behind the text.
func (l *lexer) at(i int32) rune {
	if int(i) < len(l.text) {
		return l.text[i]
	}
	return -1
}

// next returns the token at an offset: of kind end behind the text. A token is never empty but at the end, so whoever goes on behind
// each of them comes to the end.
func (l *lexer) next(start int32) token {
	k, stop := l.scan(start)
	return token{k, start, stop}
}

// scan returns the kind of a token, and where it ends. Two runes tell the kinds apart, but for strings, whose prefix may be two
// letters, and for words, which are looked up once they were read.
func (l *lexer) scan(i int32) (kind, int32) {
	c, then := l.at(i), l.at(i+1)
	switch {
	case c == -1:
		return end, i
	case isSpace(c):
		return space, l.while(i, isSpace)
	case c == '/' && then == '/':
		return comment, l.while(i, func(r rune) bool { return r != '\n' })
	case c == '/':
		return slash, i + 1
	case isDigit(c), c == '.' && isDigit(then):
		return l.number(i)
	case c == '.':
		return dot, i + 1
	case c == '"' || c == '\'':
		return l.quoted(text, i, i, false)
	case isLetter(c):
		return l.word(i)
	case c == '`':
		return l.backquoted(i)
	case c < 128 && symbols[c] != 0:
		return symbols[c], i + 1
	}
	return l.operator(i, c, then)
}

// operator reads the tokens that are made of one rune or of two. Of = & and | one rune alone is no token, so that a = b says of the
// sign that it is none; of ! < and > it is one.
func (l *lexer) operator(i int32, c, then rune) (kind, int32) {
	one, two, second := bad, bad, '='
	switch c {
	case '=':
		two = equals
	case '!':
		one, two = exclam, notEquals
	case '<':
		one, two = less, lessEquals
	case '>':
		one, two = greater, greaterEquals
	case '&':
		two, second = and, '&'
	case '|':
		two, second = or, '|'
	default:
		return bad, i + 1
	}
	if then == second {
		return two, i + 2
	}
	if one == bad {
		return bad, l.upTo(i + 1)
	}
	return one, i + 1
}

// upTo returns the end of a bad piece that does not go on at an offset: behind the rune there, if there is one. That rune is part of
// the piece since upstream's lexer had taken it when it found no rule that goes on.
func (l *lexer) upTo(i int32) int32 { return min(i+1, int32(len(l.text))) }

// while returns the offset of the first rune from i on that does not fulfil a condition.
func (l *lexer) while(i int32, fits func(rune) bool) int32 {
	for int(i) < len(l.text) && fits(l.text[i]) {
		i++
	}
	return i
}

// number reads 1, 0x1f, 1u, 0x1fu, 1.5, .5, 1e3. A point or an exponent without digits is no part of it. A sign is a token of its own:
// whether a minus belongs to a number is for the parsers, since a-1 is a difference. The range is looked at by number in literal.go.
func (l *lexer) number(i int32) (kind, int32) {
	k, stop := integer, l.while(i, isDigit)
	// 0x without a digit behind it is a zero and a name.
	if l.at(i) == '0' && l.at(i+1) == 'x' && isHex(l.at(i+2)) {
		stop = l.while(i+2, isHex)
		if c := l.at(stop); c == 'u' || c == 'U' {
			return unsigned, stop + 1
		}
		return integer, stop
	}
	if c := l.at(stop); c == 'u' || c == 'U' {
		return unsigned, stop + 1
	}
	if l.at(stop) == '.' && isDigit(l.at(stop+1)) {
		k, stop = float, l.while(stop+1, isDigit)
	}
	// Of 1e+ only the 1 is a number.
	if c := l.at(stop); c == 'e' || c == 'E' {
		digits := stop + 1
		if s := l.at(digits); s == '+' || s == '-' {
			digits++
		}
		if isDigit(l.at(digits)) {
			k, stop = float, l.while(digits, isDigit)
		}
	}
	return k, stop
}

// word reads an identifier, a keyword, or a string with a prefix: r, b, br. Reserved words such as while are identifiers here, for a
// field may have such a name: a.while is sound, and while alone is told when the tree is built.
func (l *lexer) word(i int32) (kind, int32) {
	// r, b or br before a quote, in either case of letters, begin a string.
	quote, k, raw := i, text, false
	if c := l.at(quote); c == 'b' || c == 'B' {
		quote, k = quote+1, binary
	}
	if c := l.at(quote); c == 'r' || c == 'R' {
		quote, raw = quote+1, true
	}
	if c := l.at(quote); quote > i && (c == '"' || c == '\'') {
		// A prefix before a string that has no end is an identifier.
		if k, stop := l.quoted(k, i, quote, raw); k != bad {
			return k, stop
		}
	}
	// Only a whole word is a keyword: inner is a name.
	stop := l.while(i, func(r rune) bool { return isLetter(r) || isDigit(r) })
	switch string(l.text[i:min(stop, i+6)]) {
	case "in":
		return in, stop
	case "true":
		return kTrue, stop
	case "false":
		return kFalse, stop
	case "null":
		return kNull, stop
	}
	return identifier, stop
}

// backquoted reads `an.identifier`: a name of a field that has points, dashes, slashes or blanks, as labels have. Nothing is escaped
// in it, and it stands behind a point or before the colon of a message's field only.
func (l *lexer) backquoted(i int32) (kind, int32) {
	stop := l.while(i+1, func(r rune) bool {
		return isLetter(r) || isDigit(r) || r == '.' || r == '-' || r == '/' || r == ' '
	})
	if stop > i+1 && l.at(stop) == '`' {
		return escaped, stop + 1
	}
	return bad, l.upTo(stop)
}

// quoted reads a string whose first quote is at an offset. Three quotes begin a string of several lines; if it has no end, the
// first two are an empty string.
func (l *lexer) quoted(k kind, start, quote int32, raw bool) (kind, int32) {
	q := l.at(quote)
	// A string of several lines ends with the first three quotes, whatever stands behind them.
	if l.at(quote+1) == q && l.at(quote+2) == q {
		if stop, ok := l.body(quote+3, q, 3, raw); ok {
			return k, stop
		}
	}
	if stop, ok := l.body(quote+1, q, 1, raw); ok {
		return k, stop
	} else {
		return bad, l.upTo(stop)
	}
}

// body reads a string up to its n quotes, and returns where it ends; or the offset of the rune that cannot stand in it.
func (l *lexer) body(i int32, q rune, n int, raw bool) (int32, bool) {
	for {
		c := l.at(i)
		switch {
		case c == -1, n == 1 && (c == '\n' || c == '\r'):
			return i, false // a string of one quote ends on its line
		case c == q && n == 1:
			return i + 1, true
		case c == q && l.at(i+1) == q && l.at(i+2) == q:
			return i + 3, true
		case c == '\\' && !raw:
			// A quote behind a backslash ends nothing, but in a raw string.
			stop, ok := l.escape(i + 1)
			if !ok {
				return stop, false
			}
			i = stop
		default:
			i++
		}
	}
}

// escape reads what stands behind a backslash: one rune, or digits. It returns the offset behind it, or of what does not fit. Here
// only the form is looked at: that \ud800 is no rune is found by unquote, with another text.
func (l *lexer) escape(i int32) (int32, bool) {
	n, fits := 0, isHex
	switch c := l.at(i); c {
	case 'a', 'b', 'f', 'n', 'r', 't', 'v', '"', '\'', '\\', '?', '`':
	case 'x', 'X':
		n = 2
	case 'u':
		n = 4
	case 'U':
		n = 8
	case '0', '1', '2', '3':
		n, fits = 2, func(r rune) bool { return r >= '0' && r <= '7' }
	default:
		return i, false
	}
	for range n {
		if i++; !fits(l.at(i)) {
			return i, false
		}
	}
	return i + 1, true
}

// The classes of runes. All of them are of ASCII: other runes stand in strings and comments only.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' || r == '\f' }
func isDigit(r rune) bool { return r >= '0' && r <= '9' }
func isHex(r rune) bool   { return isDigit(r) || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' }

// isLetter reports whether a name may begin with a rune.
func isLetter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
}

// reserved are the names of IsReserved.
var reserved = []string{"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
	"package", "namespace", "null", "return", "true", "var", "void", "while"}

// IsReserved reports whether a name is one that no variable and no function may have.
func IsReserved(name string) bool { return slices.Contains(reserved, name) }
