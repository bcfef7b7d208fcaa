package tree

import "strings"

// The parser makes nodes of the tokens of one document: a method for each production of YAML's
// grammar that looks at one token at a time, so an error is at the first token that nothing can
// be made of. Nodes stay as they are written: aliases point to what they stand for, and merge
// keys are keys. What values they mean is yaml_value.go's question. In short, with ? for what may
// be left out:
//
//	root        = directive* "---" node? | node
//	node        = alias | property* (scalar | collection)?
//	property    = anchor | tag                                        at most one of each
//	block list  = BEGIN ("-" node?)* END
//	block map   = BEGIN (KEY node? (VALUE node?)? | VALUE node?)* END
//	flow list   = "[" (entry ("," entry)*)? ","? "]"                  an entry may be one pair
//	flow map    = "{" (pair ("," pair)*)? ","? "}"                    a pair may be a key alone
//
// Nodes are linked by their next fields, and a mapping is a list of keys and values by turns, so a
// node costs no slices. They are made in slabs, which a stream's next document uses again.

// yamlNodeKind is the kind of a node.
type yamlNodeKind uint8

const (
	// yamlScalarNode is first, as values that are left out are scalars, too.
	yamlScalarNode yamlNodeKind = iota
	yamlAliasNode
	yamlMapNode
	yamlListNode
)

// yamlNode is a node of a document. It is valid until its parser is reset.
type yamlNode struct {
	// text is the value of a scalar, or the name of an alias.
	text string

	// tag is the whole tag, empty without one.
	tag string

	// first is the first child of a collection, or what an alias stands for; next is the next
	// child of the same collection. The children of a mapping are its keys, each before its value.
	first, next *yamlNode

	// line is where the node begins, from 0.
	line int32

	kind yamlNodeKind

	// implicit says that the text of a scalar tells its type: it has no quotes, or the tag !.
	implicit bool

	// entered says that an alias is being read.
	entered bool
}

// yamlParser reads documents from a scanner. After an error it is of no further use.
type yamlParser struct {
	yamlScanner

	// anchors has the nodes of the document that have one so far; a name may come again.
	anchors map[string]*yamlNode

	// tags has what handles stand for.
	tags map[string]string

	// depth counts the nodes around the next one.
	depth int

	// slab are the nodes that were last made in one piece, spare those of them that are not used
	// yet; made is the number of all.
	slab, spare []yamlNode
	made        int
}

// reset makes the parser read data, whose first line is the one of that number, from 0. The zero
// value is ready for it. Nodes that the parser gave before are not valid any more: a stream of
// many small documents costs the memory of one.
func (p *yamlParser) reset(data []byte, line int) {
	text, bad := decodeYAML(data)
	*p = yamlParser{slab: p.slab, spare: p.slab, made: p.made, yamlScanner: p.yamlScanner}
	p.yamlScanner.reset(text, line)
	p.bad = bad
}

// document returns the first document, nil if there is none. It reads as far as the token behind
// it, and so finds what is wrong there with the scanner's rules, as upstream does, but not with
// those of the grammar: what stands behind [a] may be [b] or a bracket.
func (p *yamlParser) document() (*yamlNode, error) {
	n, err := p.root()
	// An empty text has nothing behind it.
	if err == nil && n != nil {
		_, err = p.peek()
	}
	// An error at the end of the text is one of what should be there.
	if p.bad != nil && p.pos+len(yamlEnd) >= len(p.src) {
		return nil, p.bad
	}
	return n, err
}

// root reads the directives, the marker and the node of a document: nil at the end of the text,
// and a node of nothing behind a marker that nothing follows. What stands behind the node is left
// to whoever asks for it.
func (p *yamlParser) root() (*yamlNode, error) {
	t, err := p.peek()
	if err != nil {
		return nil, err
	}
	switch t.kind {
	case yamlStreamEnd:
		return nil, nil
	case yamlVersion, yamlTagPrefix, yamlDocument:
	default:
		return p.node(true, false)
	}
	// From here on there is a document, though maybe none with anything in it.
	if err := p.directives(); err != nil {
		return nil, err
	}
	p.skip()
	return p.nodeUnless(int32(p.line), true, false, yamlVersion, yamlTagPrefix, yamlDocument, yamlDocumentEnd, yamlStreamEnd)
}

// directives reads what is before the marker of a document, which must come. Of versions only
// 1.1 is known; a handle may be declared once, those that are always there included.
func (p *yamlParser) directives() error {
	versioned := false
	for {
		t, err := p.peek()
		if err != nil {
			return err
		}
		switch t.kind {
		case yamlVersion:
			major, minor, _ := strings.Cut(t.text, ".")
			switch {
			case versioned:
				return p.unexpected(t, "found duplicate %YAML directive")
			case strings.TrimPrefix(major, "0") != "1" || strings.TrimPrefix(minor, "0") != "1":
				return p.unexpected(t, "found incompatible YAML document")
			}
			versioned = true
		case yamlTagPrefix:
			if _, ok := p.tags[t.text]; ok {
				return p.unexpected(t, "found duplicate %TAG directive")
			}
			if p.tags == nil {
				p.tags = map[string]string{}
			}
			p.tags[t.text] = t.suffix
		case yamlDocument:
			return nil
		default:
			return p.unexpected(t, "did not find expected <document start>")
		}
		p.skip()
	}
}

// unexpected returns an error of t. Upstream names the line before the one in which t begins.
func (p *yamlParser) unexpected(t *yamlToken, problem string) error {
	return yamlError(int(t.line), problem)
}

// newNode returns a node of the parser. They are made in pieces, small ones first.
func (p *yamlParser) newNode(kind yamlNodeKind, line int32) *yamlNode {
	if len(p.spare) == 0 {
		p.slab = make([]yamlNode, min(16+p.made, 512))
		p.spare = p.slab
		p.made += len(p.slab)
	}
	n := &p.spare[0]
	p.spare = p.spare[1:]
	*n = yamlNode{kind: kind, line: line} // it may have been one of the document before
	return n
}

// empty returns the node of a value that is left out.
func (p *yamlParser) empty(line int32) *yamlNode {
	n := p.newNode(yamlScalarNode, line)
	n.implicit = true
	return n
}

// nodeUnless reads a node, or takes one of line for left out if the next token is among ends. The
// tokens of ends stay.
func (p *yamlParser) nodeUnless(line int32, block, indentless bool, ends ...yamlKind) (*yamlNode, error) {
	t, err := p.peek()
	if err != nil {
		return nil, err
	}
	for _, end := range ends {
		if t.kind == end {
			return p.empty(line), nil
		}
	}
	return p.node(block, indentless)
}

// node reads a node. block says that it may be a block collection, and indentless that it may be
// a sequence in the column of its key. A node with properties may be nothing else: &a is a null
// with a name, and !!str an empty string.
func (p *yamlParser) node(block, indentless bool) (*yamlNode, error) {
	t, err := p.peek()
	if err != nil {
		return nil, err
	}
	line := t.line
	if t.kind == yamlAlias {
		// An alias has no properties, and what follows it is the next node: whoever asked for this one refuses it.
		n := p.newNode(yamlAliasNode, line)
		n.text = t.text
		if n.first = p.anchors[n.text]; n.first == nil {
			return nil, yamlError(0, "unknown anchor '"+n.text+"' referenced")
		}
		p.skip()
		return n, nil
	}
	// Most nodes have neither an anchor nor a tag.
	anchor, tag := "", ""
	if t.kind == yamlAnchor || t.kind == yamlTag {
		if anchor, tag, err = p.properties(); err != nil {
			return nil, err
		}
		if t, err = p.peek(); err != nil {
			return nil, err
		}
	}
	n := p.newNode(yamlScalarNode, line)
	n.tag = tag
	// The anchor is known inside of the node already, for what that is worth.
	if anchor != "" {
		if p.anchors == nil {
			p.anchors = map[string]*yamlNode{}
		}
		p.anchors[anchor] = n
	}
	switch {
	case t.kind == yamlScalarToken:
		// Behind the tag ! a scalar is a string, but << still is a merge key: upstream asks for implicit only.
		n.text, n.implicit = t.text, tag == "" && t.plain || tag == "!"
		p.skip()
		return n, nil
	case t.kind == yamlFlowList, t.kind == yamlFlowMap, t.kind == yamlBlockList && block, t.kind == yamlBlockMap && block,
		t.kind == yamlBlockEntry && indentless:
		return n, p.collection(n, t.kind)
	case anchor != "" || tag != "":
		n.implicit = tag == ""
		return n, nil
	}
	return nil, p.unexpected(t, "did not find expected node content")
}

// properties reads the anchor and the tag of a node, which come in either order, as far as the
// token behind them. tag is empty without one. A second one of either is not read, and nothing can
// follow the first that begins with it. An undefined handle is an error only once the properties
// are at their end.
func (p *yamlParser) properties() (anchor, tag string, err error) {
	var undefined error
	for tagged := false; ; p.skip() {
		t, err := p.peek()
		switch {
		case err != nil:
			return "", "", err
		case t.kind == yamlAnchor && anchor == "":
			anchor = t.text
		case t.kind == yamlTag && !tagged:
			tagged = true
			if tag = p.wholeTag(t); tag == "" {
				undefined = p.unexpected(t, "found undefined tag handle")
			}
		default:
			return anchor, tag, undefined
		}
	}
}

// wholeTag returns the tag of a token, and "" if its handle stands for nothing. Directives come
// before the meaning that ! and !! have without one.
func (p *yamlParser) wholeTag(t *yamlToken) string {
	prefix, ok := p.tags[t.text]
	switch {
	case t.text == "" || ok:
	case t.text == "!":
		prefix = "!"
	case t.text == "!!":
		prefix = yamlTagPrefixText
	default:
		return ""
	}
	return prefix + t.suffix
}

// collection reads the children of n, whose first token is of that kind, and makes a list or a
// mapping of n. It is where documents that nest too deep end.
func (p *yamlParser) collection(n *yamlNode, kind yamlKind) (err error) {
	// Each level is some calls on the stack of this goroutine, too.
	if p.depth++; p.depth > MaxDepth {
		return p.errorf(yamlTooDeep)
	}
	n.kind = yamlListNode
	switch kind {
	case yamlBlockEntry:
		err = p.indentlessList(n)
	case yamlBlockList:
		err = p.blockList(n)
	case yamlFlowList:
		err = p.flowList(n)
	case yamlBlockMap:
		n.kind = yamlMapNode
		err = p.blockMap(n)
	case yamlFlowMap:
		n.kind = yamlMapNode
		err = p.flowMap(n)
	}
	p.depth--
	return err
}

// blockList reads a sequence that is deeper than what is around. A dash may have nothing behind it.
func (p *yamlParser) blockList(n *yamlNode) error {
	p.skip()
	for last := &n.first; ; last = &(*last).next {
		t, err := p.peek()
		switch {
		case err != nil:
			return err
		case t.kind == yamlBlockEntry:
			line := t.line
			p.skip()
			if *last, err = p.nodeUnless(line, true, false, yamlBlockEntry, yamlBlockEnd); err != nil {
				return err
			}
		case t.kind == yamlBlockEnd:
			p.skip()
			return nil
		default:
			return p.unexpected(t, "did not find expected '-' indicator")
		}
	}
}

// indentlessList reads a sequence whose dashes are in the column of its key. It ends at the next
// key.
func (p *yamlParser) indentlessList(n *yamlNode) error {
	for last := &n.first; ; last = &(*last).next {
		t, err := p.peek()
		if err != nil || t.kind != yamlBlockEntry {
			return err
		}
		line := t.line
		p.skip()
		if *last, err = p.nodeUnless(line, true, false, yamlBlockEntry, yamlKey, yamlValue, yamlBlockEnd); err != nil {
			return err
		}
	}
}

// blockMap reads a mapping that is deeper than what is around. Its keys may be any nodes, and one
// without a colon has nothing for its value.
func (p *yamlParser) blockMap(n *yamlNode) error {
	p.skip()
	for last := &n.first; ; last = &(*last).next.next {
		t, err := p.peek()
		switch {
		case err != nil:
			return err
		case t.kind == yamlKey:
			line := t.line
			p.skip()
			if *last, err = p.nodeUnless(line, true, true, yamlKey, yamlValue, yamlBlockEnd); err != nil {
				return err
			}
			if (*last).next, err = p.mapValue(true, yamlKey, yamlValue, yamlBlockEnd); err != nil {
				return err
			}
		case t.kind == yamlBlockEnd:
			p.skip()
			return nil
		default:
			return p.unexpected(t, "did not find expected key")
		}
	}
}

// mapValue reads what belongs to a key: nothing without a colon, or if a token that is among
// ends follows it.
func (p *yamlParser) mapValue(block bool, ends ...yamlKind) (*yamlNode, error) {
	t, err := p.peek()
	switch {
	case err != nil:
		return nil, err
	case t.kind != yamlValue:
		return p.empty(t.line), nil
	}
	line := t.line
	p.skip()
	// In a flow collection the line of a value left out is that of what follows.
	if !block {
		if t, err = p.peek(); err != nil {
			return nil, err
		}
		line = t.line
	}
	return p.nodeUnless(line, block, block, ends...)
}

// flowList reads a sequence in brackets. [a: b] is short for [{a: b}].
func (p *yamlParser) flowList(n *yamlNode) error {
	p.skip()
	for last := &n.first; ; last = &(*last).next {
		t, err := p.flowEntry(last == &n.first, yamlFlowListEnd, "did not find expected ',' or ']'")
		switch {
		case err != nil:
			return err
		case t.kind == yamlFlowListEnd:
			p.skip()
			return nil
		case t.kind == yamlKey:
			*last = p.newNode(yamlMapNode, t.line)
			p.skip()
			err = p.flowPair(*last)
		default:
			*last, err = p.node(false, false)
		}
		if err != nil {
			return err
		}
	}
}

// flowEntry moves over the comma before an entry, which the first one has not, and returns the
// token behind it. The collection may end there.
func (p *yamlParser) flowEntry(first bool, end yamlKind, problem string) (*yamlToken, error) {
	t, err := p.peek()
	if err != nil || first || t.kind == end {
		return t, err
	}
	if t.kind != yamlFlowEntry {
		return nil, p.unexpected(t, problem)
	}
	p.skip()
	return p.peek()
}

// flowPair reads the one key and value of n, a mapping in a sequence.
func (p *yamlParser) flowPair(n *yamlNode) error {
	t, err := p.peek()
	if err != nil {
		return err
	}
	switch t.kind {
	case yamlValue, yamlFlowEntry, yamlFlowListEnd:
		// Upstream loses the token here, so that hardly anything without a key is accepted.
		n.first = p.empty(t.line)
		p.skip()
	default:
		if n.first, err = p.node(false, false); err != nil {
			return err
		}
	}
	n.first.next, err = p.mapValue(false, yamlFlowEntry, yamlFlowListEnd)
	return err
}

// flowMap reads a mapping in braces. A key may stand without a value: {a, b: 1}.
func (p *yamlParser) flowMap(n *yamlNode) error {
	p.skip()
	for last := &n.first; ; last = &(*last).next.next {
		t, err := p.flowEntry(last == &n.first, yamlFlowMapEnd, "did not find expected ',' or '}'")
		switch {
		case err != nil:
			return err
		case t.kind == yamlFlowMapEnd:
			p.skip()
			return nil
		case t.kind != yamlKey:
			if *last, err = p.node(false, false); err != nil {
				return err
			}
			if t, err = p.peek(); err != nil {
				return err
			}
			(*last).next = p.empty(t.line)
			continue
		}
		p.skip()
		if t, err = p.peek(); err != nil {
			return err
		}
		if *last, err = p.nodeUnless(t.line, false, false, yamlValue, yamlFlowEntry, yamlFlowMapEnd); err != nil {
			return err
		}
		if (*last).next, err = p.mapValue(false, yamlFlowEntry, yamlFlowMapEnd); err != nil {
			return err
		}
	}
}
