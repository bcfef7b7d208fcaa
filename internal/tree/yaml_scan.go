package tree

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The scanner makes tokens of a text: scalars, properties of nodes, the indicators that are
// written, and those that only the indentation tells: where a block collection begins and ends,
// and what is a key.
//
//	size: [1, 2]       block mapping, key, scalar, value, [, scalar, comma, scalar, ], block end
//	- a                block list, entry, scalar, entry, scalar, block end
//	- b
//
// That a scalar is a key shows only at the colon behind it. So a token that may be a key is held
// back until the colon comes or cannot come any more: in another line, or 1024 characters
// later. keys has the one that is possible in each of the flow collections around; a colon
// inserts the key's tokens before it. A scalar in the column of a block mapping's keys must be
// one.
//
// What is accepted, and with which words and line the rest is refused, follows the reader that
// upstream uses (go.yaml.in/yaml/v2, of YAML 1.1); interop compares the two.

// yamlKind is the kind of a token.
type yamlKind uint8

const (
	yamlStreamEnd   yamlKind = iota
	yamlVersion              // %YAML; text is "1.1"
	yamlTagPrefix            // %TAG; text is the handle, suffix the prefix it stands for
	yamlDocument             // ---
	yamlDocumentEnd          // three dots
	yamlBlockList            // what follows is deeper, and begins with a dash
	yamlBlockMap             // what follows is deeper, and begins with a key
	yamlBlockEnd             // what follows is less deep
	yamlBlockEntry           // a dash
	yamlFlowList             // [
	yamlFlowListEnd          // ]
	yamlFlowMap              // {
	yamlFlowMapEnd           // }
	yamlFlowEntry            // a comma
	yamlKey                  // a question mark, or seen by the colon behind it
	yamlValue                // a colon
	yamlAlias                // text is the name
	yamlAnchor               // text is the name
	yamlTag                  // text is the handle, empty if suffix is the whole tag
	yamlScalarToken          // text is the value
)

// yamlToken is a token. It lies in the scanner's queue, which moves when tokens are added.
type yamlToken struct {
	kind yamlKind

	// plain says that a scalar has no quotes and is no block.
	plain bool

	// line is where the token begins, from 0.
	line int32

	// level is one more than the index in keys of the key that the token may begin, 0 for none.
	level int32

	text, suffix string
}

// yamlPossibleKey is a token that turns out to be a key if a colon follows.
type yamlPossibleKey struct {
	// possible says that there is one. Without it token still has the last one's number.
	possible bool

	// required says that the token is in the column of a block mapping's keys, so the colon must
	// come.
	required bool

	token  int // its number, from 0
	line   int
	column int
}

// yamlScanner is a position in a text, and the tokens before it that nobody has taken. After an
// error it is of no further use.
type yamlScanner struct {
	src  string // ends with yamlEnd
	pos  int
	line int // number of pos's line, from 0
	bol  int // offset of that line's first byte

	// bad is what is wrong behind src, nil if nothing is.
	bad error

	// columnAt and columnIs are an offset in this line and its column in characters.
	columnAt, columnIs int

	// oddBreaks says that src has line ends of more than one byte.
	oddBreaks bool

	// queue[head:] are the tokens that wait. taken counts those that were taken.
	queue []yamlToken
	head  int
	taken int

	// ready says that the first token that waits is what it is.
	ready bool

	// indent is the column of the block collection around, -1 outside of all; indents has those
	// of the collections around that one.
	indent  int
	indents []int

	// keys has the possible key of the block context, and of each flow collection around.
	keys []yamlPossibleKey

	// keyAllowed says that a key may begin here.
	keyAllowed bool
}

// reset moves the scanner to the beginning of text, which ends with four zero bytes and whose
// first line is the one of that number, from 0. The zero value is ready for it.
func (s *yamlScanner) reset(text string, line int) {
	// Only the memory of the lists is of the text before.
	*s = yamlScanner{
		src: text, line: line, indent: -1, keyAllowed: true,
		queue: s.queue[:0], indents: s.indents[:0], keys: append(s.keys[:0], yamlPossibleKey{}),
		oddBreaks: strings.Contains(text, "\u2028") || strings.Contains(text, "\u2029"),
	}
}

// peek returns the next token, of which the last is yamlStreamEnd. It is valid until the next call
// of peek or skip. It scans no further than it must to know that the token is no key.
func (s *yamlScanner) peek() (*yamlToken, error) {
	// A token may be given out once nothing can come before it any more.
	for !s.ready {
		if s.head < len(s.queue) {
			waits, err := s.headMayBeKey()
			if err != nil {
				return nil, err
			}
			if !waits {
				break
			}
		}
		if err := s.fetch(); err != nil {
			return nil, err
		}
	}
	s.ready = true
	return &s.queue[s.head], nil
}

// skip takes the token that peek returned. None may be taken without a look at it, nor the end.
func (s *yamlScanner) skip() {
	s.ready = false
	s.taken++
	// The queue is empty most of the time, so its memory is used from the front again.
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
}

// headMayBeKey reports whether a colon that is still to come may make the first token a key.
func (s *yamlScanner) headMayBeKey() (bool, error) {
	level := int(s.queue[s.head].level)
	// The possible key of that level may be another token by now.
	if level == 0 || level > len(s.keys) || s.keys[level-1].token != s.taken {
		return false, nil
	}
	return s.keyPossible(&s.keys[level-1])
}

// keyPossible reports whether a colon here would make k a key.
func (s *yamlScanner) keyPossible(k *yamlPossibleKey) (bool, error) {
	if k.possible && (k.line < s.line || s.column()-k.column > 1024) {
		return false, s.dropKey(k)
	}
	return k.possible, nil
}

// dropKey makes of a possible key what it is without a colon. One that is required is an error.
func (s *yamlScanner) dropKey(k *yamlPossibleKey) error {
	if k.possible && k.required {
		return s.errorf("could not find expected ':'")
	}
	k.possible = false
	return nil
}

// lastKey returns the possible key of the innermost flow collection.
func (s *yamlScanner) lastKey() *yamlPossibleKey { return &s.keys[len(s.keys)-1] }

// inFlow reports whether the position is in a flow collection.
func (s *yamlScanner) inFlow() bool { return len(s.keys) > 1 }

// saveKey notes that the token about to be added may be a key, if one may begin here.
func (s *yamlScanner) saveKey() error {
	if !s.keyAllowed {
		return nil
	}
	k := s.lastKey()
	if err := s.dropKey(k); err != nil {
		return err
	}
	column := s.column()
	*k = yamlPossibleKey{possible: true, required: !s.inFlow() && s.indent == column,
		token: s.number(), line: s.line, column: column}
	return nil
}

// number returns the number of the next token that is added.
func (s *yamlScanner) number() int { return s.taken + len(s.queue) - s.head }

// add appends a token that begins in line and returns it.
func (s *yamlScanner) add(kind yamlKind, line int) *yamlToken {
	t := yamlToken{kind: kind, line: int32(line)}
	if k := s.lastKey(); k.possible && k.token == s.number() {
		t.level = int32(len(s.keys))
	}
	s.queue = append(s.queue, t)
	return &s.queue[len(s.queue)-1]
}

// indicator adds a token for n bytes at the position. keyNext says whether a key may follow.
func (s *yamlScanner) indicator(kind yamlKind, n int, keyNext bool) {
	s.add(kind, s.line)
	s.pos += n
	s.keyAllowed = keyNext
}

// roll begins a block collection in column, unless the position is in one of that column or in a
// flow collection. Its token is inserted at queue[at].
func (s *yamlScanner) roll(kind yamlKind, column, line, at int) {
	if s.inFlow() || s.indent >= column {
		return
	}
	// Depth is bounded by the parser, which takes the token of each level.
	s.indents = append(s.indents, s.indent)
	s.indent = column
	s.queue = slices.Insert(s.queue, at, yamlToken{kind: kind, line: int32(line)})
}

// unroll ends the block collections that are deeper than column. In a flow collection columns
// mean nothing.
func (s *yamlScanner) unroll(column int) {
	for !s.inFlow() && s.indent > column {
		s.add(yamlBlockEnd, s.line)
		s.indent = s.indents[len(s.indents)-1]
		s.indents = s.indents[:len(s.indents)-1]
	}
}

// fetch adds the next token of the text, with those that the indentation tells. The first byte says
// which kind it is; for dashes, question marks and colons the one behind them does as well.
func (s *yamlScanner) fetch() error {
	s.skipToToken()
	// Upstream asks its reader for four characters in front of each token.
	if s.bad != nil && s.pos+4+len(yamlEnd) > len(s.src) {
		return s.bad
	}
	if !s.inFlow() {
		s.unroll(s.column())
	}
	c := s.src[s.pos]
	switch {
	case c == 0:
		return s.fetchStreamEnd()
	// Markers end all that is open, brackets aside: those go on to the parser, which refuses them.
	case s.pos == s.bol && (c == '%' || s.atMarker()):
		return s.fetchAtMargin(c)
	}
	switch c {
	case '[', '{':
		return s.fetchFlowStart(c)
	case ']', '}', ',':
		return s.fetchFlowPunctuation(c)
	case '-':
		if s.blankAt(s.pos + 1) {
			return s.fetchBlockEntry()
		}
		return s.fetchScalar(c)
	case '?', ':':
		if s.inFlow() || s.blankAt(s.pos+1) {
			if c == '?' {
				return s.fetchKey()
			}
			return s.fetchValue()
		}
		return s.fetchScalar(c)
	case '|', '>':
		if !s.inFlow() {
			return s.fetchBlockScalar(c)
		}
	case '*', '&', '!':
		return s.fetchProperty(c)
	// A tab that is left here stands where a key may begin.
	case ' ', '\t', '#', '%', '@', '`':
	default:
		return s.fetchScalar(c)
	}
	return s.errorf("found character that cannot start any token")
}

// fetchStreamEnd ends all that is open at the end of the text.
func (s *yamlScanner) fetchStreamEnd() error {
	// The end counts as a line of its own.
	if s.pos != s.bol {
		s.line++
		s.startLine()
	}
	if err := s.resetBlock(); err != nil {
		return err
	}
	s.add(yamlStreamEnd, s.line)
	return nil
}

// resetBlock ends the block collections of a document.
func (s *yamlScanner) resetBlock() error {
	s.unroll(-1)
	s.keyAllowed = false
	return s.dropKey(s.lastKey())
}

// fetchAtMargin adds a directive or a document's marker, which begin a line.
func (s *yamlScanner) fetchAtMargin(c byte) error {
	if err := s.resetBlock(); err != nil {
		return err
	}
	switch c {
	case '%':
		return s.directive()
	case '-':
		s.indicator(yamlDocument, 3, false)
	default:
		s.indicator(yamlDocumentEnd, 3, false)
	}
	return nil
}

// fetchFlowStart adds an opening bracket. The whole collection may be a key, as in [a]: b, and has
// possible keys of its own.
func (s *yamlScanner) fetchFlowStart(c byte) error {
	if err := s.saveKey(); err != nil {
		return err
	}
	kind := yamlFlowList
	if c == '{' {
		kind = yamlFlowMap
	}
	s.indicator(kind, 1, true)
	s.keys = append(s.keys, yamlPossibleKey{token: s.number() - 1})
	return nil
}

// fetchFlowPunctuation adds a closing bracket or a comma. Outside of all flow collections the
// parser refuses them.
func (s *yamlScanner) fetchFlowPunctuation(c byte) error {
	if err := s.dropKey(s.lastKey()); err != nil {
		return err
	}
	kind := yamlFlowEntry
	if c != ',' {
		if kind = yamlFlowListEnd; c == '}' {
			kind = yamlFlowMapEnd
		}
		if s.inFlow() {
			// What was the last possible key in the brackets does not wait any more. Where there was
			// none upstream takes the opening bracket for it, and so {}: a is no mapping.
			if waiting := s.lastKey().token - s.taken; waiting >= 0 {
				s.queue[s.head+waiting].level = 0
			}
			s.keys = s.keys[:len(s.keys)-1]
		}
	}
	s.indicator(kind, 1, c == ',')
	return nil
}

// fetchBlockEntry adds a dash, and before the first one of a column the begin of a list. In a flow
// collection the parser refuses it.
func (s *yamlScanner) fetchBlockEntry() error {
	if !s.inFlow() {
		if !s.keyAllowed {
			return s.errorf("block sequence entries are not allowed in this context")
		}
		s.roll(yamlBlockList, s.column(), s.line, len(s.queue))
	}
	if err := s.dropKey(s.lastKey()); err != nil {
		return err
	}
	s.indicator(yamlBlockEntry, 1, true)
	return nil
}

// fetchKey adds a question mark, behind which any node is the key, in any number of lines.
func (s *yamlScanner) fetchKey() error {
	if !s.inFlow() {
		if !s.keyAllowed {
			return s.errorf("mapping keys are not allowed in this context")
		}
		s.roll(yamlBlockMap, s.column(), s.line, len(s.queue))
	}
	if err := s.dropKey(s.lastKey()); err != nil {
		return err
	}
	s.indicator(yamlKey, 1, !s.inFlow())
	return nil
}

// fetchValue adds a colon, and before the key what makes it one. In block style a colon without a
// key may stand behind a question mark's node, or where a key may begin.
func (s *yamlScanner) fetchValue() error {
	k := s.lastKey()
	possible, err := s.keyPossible(k)
	if err != nil {
		return err
	}
	switch {
	case possible:
		at := s.head + k.token - s.taken
		if k.token >= s.taken {
			s.queue = slices.Insert(s.queue, at, yamlToken{kind: yamlKey, line: int32(k.line)})
		} else { // the key of {}: a is gone already
			s.add(yamlKey, k.line)
			at = len(s.queue)
		}
		s.roll(yamlBlockMap, k.column, k.line, at)
		k.possible = false
		s.indicator(yamlValue, 1, false)
		return nil
	case s.inFlow():
	case !s.keyAllowed:
		return s.errorf("mapping values are not allowed in this context")
	default:
		s.roll(yamlBlockMap, s.column(), s.line, len(s.queue))
	}
	s.indicator(yamlValue, 1, !s.inFlow())
	return nil
}

// skipToToken moves over white space, line ends and comments. A tab is white space, but not
// where a key may begin: nobody can see how deep it would be.
func (s *yamlScanner) skipToToken() {
	for {
		for s.src[s.pos] == ' ' || s.src[s.pos] == '\t' && (s.inFlow() || !s.keyAllowed) {
			s.pos++
		}
		if s.src[s.pos] == '#' {
			s.toLineEnd()
		}
		if s.breakAt(s.pos) == "" {
			return
		}
		s.newline()
		if !s.inFlow() {
			s.keyAllowed = true
		}
	}
}

// atMarker reports whether --- or three dots stand at the position.
func (s *yamlScanner) atMarker() bool {
	c := s.src[s.pos]
	return (c == '-' || c == '.') && s.src[s.pos+1] == c && s.src[s.pos+2] == c && s.blankAt(s.pos+3)
}

// blankAt reports whether white space, a line end or the end of the text is at offset i.
//
//go:noinline
func (s *yamlScanner) blankAt(i int) bool {
	switch s.src[i] {
	case ' ', '\t', '\n', 0:
		return true
	case 0xe2:
		return s.breakAt(i) != ""
	}
	return false
}

// breakAt returns the line end at offset i, and "" if there is none.
func (s *yamlScanner) breakAt(i int) string {
	switch c := s.src[i]; {
	case c == '\n':
		return "\n"
	case c == 0xe2 && s.oddBreaks && (strings.HasPrefix(s.src[i:], "\u2028") || strings.HasPrefix(s.src[i:], "\u2029")):
		return s.src[i : i+3]
	}
	return ""
}

// toLineEnd moves to the line end, or to the end of the text.
func (s *yamlScanner) toLineEnd() {
	// The zeros at the end are no part of a comment.
	rest := s.src[s.pos : len(s.src)-4]
	end := strings.IndexByte(rest, '\n')
	if end < 0 {
		end = len(rest)
	}
	if s.oddBreaks {
		if i := strings.IndexAny(rest[:end], "\u2028\u2029"); i >= 0 {
			end = i
		}
	}
	s.pos += end
}

// newline moves over the line end at the position.
func (s *yamlScanner) newline() {
	s.pos += len(s.breakAt(s.pos))
	s.line++
	s.startLine()
}

// startLine says that a line begins at the position.
func (s *yamlScanner) startLine() { s.bol, s.columnAt, s.columnIs = s.pos, s.pos, 0 }

// column returns the column of the position in characters, from 0. It counts none twice, so that
// a long line costs no more than its length. Indentation is of ASCII, and its columns are bytes.
func (s *yamlScanner) column() int {
	s.columnIs += utf8.RuneCountInString(s.src[s.columnAt:s.pos])
	s.columnAt = s.pos
	return s.columnIs
}

// skipBlanks moves over spaces and tabs.
func (s *yamlScanner) skipBlanks() {
	// The text ends with zeros, which stop every such loop.
	for s.src[s.pos] == ' ' || s.src[s.pos] == '\t' {
		s.pos++
	}
}

// errorf returns an error of the line that the position is in. Upstream names no line for an
// error in the first.
func (s *yamlScanner) errorf(problem string) error {
	if s.line == 0 {
		return yamlError(0, problem)
	}
	return yamlError(s.line+1, problem)
}

// yamlError returns the error of a line, and of no line if that is 0. The problem may quote the
// text, of which the first thousand bytes are enough.
func yamlError(line int, problem string) error {
	if len(problem) > 1000 {
		problem = JSONUTF8(problem[:1000]) + "..."
	}
	if line == 0 {
		return errors.New("yaml: " + problem)
	}
	return errors.New("yaml: line " + strconv.Itoa(line) + ": " + problem)
}
