package tree

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// This file makes values of nodes. It does what upstream does in two steps, which make Go values
// of any type and then JSON of those (sigs.k8s.io/yaml):
//
//   - An alias is read anew each time, so nothing in a tree is shared. How much of a document
//     may come from aliases is bounded by upstream's ratio, and the text in it by a bound of our
//     own: upstream would send it to the store, and end there.
//   - A merge key puts the members of a mapping, or of several, the first last, where it stands:
//     it replaces what is before it, and is replaced by what follows.
//   - Keys that are no strings become strings: true, 1, 1.5. Two that become the same one are
//     not told as repeated, and the last counts.
//   - A number that is whole is an int64 however it is written, as 1.0 is written as 1 in JSON.
//   - What has no JSON form is refused at last, if nothing else is wrong: .inf, null as a key.
//
// So this text has the value {"a":{"x":1},"b":{"x":2,"z":3}}, and its x is told as repeated twice,
// in the lines of the values that replaced another:
//
//	a: &a {x: 1}
//	b: {<<: [*a, {x: 0, z: 3}], x: 2}
//
// Nodes of aliases are read through the alias each time, with entered set on it meanwhile: that is
// how one that stands in itself is found, as upstream finds it.

// yamlReader makes the values of one document. The zero value is ready; after an error it is of no
// further use.
type yamlReader struct {
	// nodes counts the nodes that were read and the document, and aliased those of them that
	// aliases stand for. A node that is read twice counts twice.
	nodes, aliased int

	// aliases counts the aliases around the next node.
	aliases int

	// aliasedText is the size of the scalars among them in bytes.
	aliasedText int

	// depth counts the nodes around the next one.
	depth int

	// repeated tells of keys that came again, the first hundred.
	repeated []string

	// odd says that somewhere in the tree is what has no JSON form.
	odd bool
}

// yamlNoJSON stands in a tree for the value of a key that has no JSON form, with what is to be said
// of it: a later key of the same name may take its place, and then nothing is wrong. No caller of
// the package sees one.
type yamlNoJSON struct{ error }

const (
	// yamlRatioLow and yamlRatioHigh are numbers of nodes: up to the first 99 % of them may come
	// from aliases, from the second on 10 %, and in between it falls with them.
	yamlRatioLow  = 400_000
	yamlRatioHigh = 4_000_000

	// yamlAliasedText bounds the text of scalars that aliases add. It is the size of the greatest
	// body, so what is written with aliases is no more than what can be written without.
	yamlAliasedText = 3 << 20

	// yamlShownNodes bounds how many nodes a message shows.
	yamlShownNodes = 100
)

// errYAMLAliases is the error of a document that is more made of aliases than written.
var errYAMLAliases = errors.New("yaml: document contains excessive aliasing")

// yamlTooDeep is the problem of a document that nests deeper than MaxDepth.
var yamlTooDeep = "exceeded max depth of " + strconv.Itoa(MaxDepth)

// document returns the value of a document's node, nil for none.
func (r *yamlReader) document(n *yamlNode) (any, error) {
	if n == nil {
		return nil, nil
	}
	r.nodes++
	v, err := r.value(n)
	if err == nil && r.odd {
		err = checkYAMLJSON(v)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// value returns the value of a node as JSON has it: a tree, but for infinities, NaN and yamlNoJSON
// where odd is set.
func (r *yamlReader) value(n *yamlNode) (any, error) {
	if err := r.count(n); err != nil {
		return nil, err
	}
	switch n.kind {
	case yamlAliasNode:
		if err := r.enterAlias(n); err != nil {
			return nil, err
		}
		v, err := r.value(n.first)
		r.leaveAlias(n)
		return v, err
	case yamlMapNode:
		// A pair is two nodes. A merge key may add to them, so the size is a guess.
		m := yamlMapping{members: make(map[string]any, n.size()/2)}
		err := r.mapping(n, &m)
		return m.members, err
	case yamlListNode:
		return r.list(n)
	}
	v, err := n.scalar()
	// JSON has one kind of number, so what upstream writes of this one is what a client would read.
	if f, ok := v.(float64); ok {
		return r.number(f), err
	}
	if u, ok := v.(uint64); ok {
		return float64(u), err
	}
	return v, err
}

// count counts a node, and refuses a document in which too many come from aliases. A few of them
// are never too many, nor is any share of a small document.
func (r *yamlReader) count(n *yamlNode) error {
	r.nodes++
	if r.aliases > 0 {
		r.aliased++
		r.aliasedText += len(n.text)
	}
	if r.aliased <= 100 {
		return nil
	}
	// Beyond the second number the line would go below 10 %, which max puts right.
	allowed := 0.99 - 0.89*(float64(max(r.nodes-yamlRatioLow, 0))/(yamlRatioHigh-yamlRatioLow))
	if r.nodes > 1000 && float64(r.aliased)/float64(r.nodes) > max(allowed, 0.1) || r.aliasedText > yamlAliasedText {
		return errYAMLAliases
	}
	return nil
}

// enterAlias begins to read what the alias n stands for, and refuses an alias that stands in
// what it stands for. The caller calls leaveAlias behind it.
func (r *yamlReader) enterAlias(n *yamlNode) error {
	if n.entered {
		return yamlError(0, "anchor '"+n.text+"' value contains itself")
	}
	n.entered = true
	r.aliases++
	return nil
}

// leaveAlias ends what enterAlias began. After an error nobody looks at n again.
func (r *yamlReader) leaveAlias(n *yamlNode) {
	r.aliases--
	n.entered = false
}

// size returns the number of the children of a collection.
func (n *yamlNode) size() int {
	size := 0
	for c := n.first; c != nil; c = c.next {
		size++
	}
	return size
}

// enter counts a collection around the next node, whose depth aliases can add to.
func (r *yamlReader) enter() error {
	if r.depth++; r.depth > MaxDepth {
		return yamlError(0, yamlTooDeep)
	}
	return nil
}

// list returns the elements of n as a []any, which is empty for none and nil with an error.
func (r *yamlReader) list(n *yamlNode) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	// The elements are counted first: a list that grows would take twice the memory.
	list := make([]any, 0, n.size())
	for c := n.first; c != nil; c = c.next {
		v, err := r.value(c)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	r.depth--
	return list, nil
}

// yamlMapping is a mapping that is being read.
type yamlMapping struct {
	members map[string]any

	// keys has all keys with their types once there is one that is no string: 1 and "1" are not
	// the same one.
	keys map[any]bool
}

// has reports whether a key is there, which becomes name, and remembers it. Names are as good as
// keys as long as all are strings.
func (m *yamlMapping) has(key any, name string) bool {
	if _, ok := key.(string); !ok && m.keys == nil {
		m.keys = make(map[any]bool, len(m.members))
		// All of them were strings until now.
		for k := range m.members {
			m.keys[k] = true
		}
	}
	if m.keys == nil {
		_, ok := m.members[name]
		return ok
	}
	before := len(m.keys)
	m.keys[key] = true
	return len(m.keys) == before
}

// mapping reads the members of n into m, which may have some already: those of the mapping that n
// is merged into. They are read in order, so the last one of a name counts.
func (r *yamlReader) mapping(n *yamlNode, m *yamlMapping) error {
	if err := r.enter(); err != nil {
		return err
	}
	for k := n.first; k != nil; k = k.next.next {
		if k.isMerge() {
			// A merge key is no member, and may come any number of times.
			if err := r.merge(k.next, m); err != nil {
				return err
			}
			continue
		}
		if err := r.member(k, m); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

// member reads the key k and its value into m.
func (r *yamlReader) member(k *yamlNode, m *yamlMapping) error {
	if k.isText() && m.keys == nil {
		return r.textMember(k, m)
	}
	key, err := r.key(k)
	if err != nil {
		return err
	}
	v, err := r.value(k.next)
	if err != nil {
		return err
	}
	// An error in the value comes before one of the key.
	name, ok := yamlKeyName(key)
	if !ok {
		r.odd = true
		name = "null"
		left := yamlShownNodes
		v = yamlNoJSON{fmt.Errorf("unsupported map key of type: %s, key: %+#v, value: %+#v", yamlTypeName(key), key, yamlGo(k.next, &left))}
	}
	if m.has(key, name) {
		r.repeat(k, key)
	}
	m.members[name] = v
	return nil
}

// textMember is member for a key that is a string at first sight, in a mapping of such keys.
// Nearly all are, and no interface value is made of them here.
func (r *yamlReader) textMember(k *yamlNode, m *yamlMapping) error {
	if err := r.count(k); err != nil {
		return err
	}
	v, err := r.value(k.next)
	if err != nil {
		return err
	}
	before := len(m.members)
	if m.members[k.text] = v; len(m.members) == before {
		r.repeat(k, k.text)
	}
	return nil
}

// repeat notes that a key came again, in the line of its value as upstream has it.
func (r *yamlReader) repeat(k *yamlNode, key any) {
	if len(r.repeated) < maxRepeated {
		r.repeated = append(r.repeated, fmt.Sprintf("line %d: key %#v already set in map", k.next.line+1, key))
	}
}

// isText reports whether n is a string as far as its quotes or its first byte and size tell.
func (n *yamlNode) isText() bool {
	return n.kind == yamlScalarNode && n.tag == "" && (!n.implicit || yamlSurelyText(n.text))
}

// key returns the value of a key, which is a scalar: nil, bool, string, int64, uint64 or float64. A
// collection is refused, with the words in which Go shows it.
func (r *yamlReader) key(k *yamlNode) (key any, err error) {
	if err := r.count(k); err != nil {
		return nil, err
	}
	switch k.kind {
	case yamlScalarNode:
		return k.scalar()
	case yamlAliasNode:
		if err := r.enterAlias(k); err != nil {
			return nil, err
		}
		key, err = r.key(k.first)
		r.leaveAlias(k)
		return key, err
	}
	// What is wrong in the key comes before that it is one.
	if _, err := r.value(k); err != nil {
		return nil, err
	}
	left := yamlShownNodes
	return nil, yamlError(0, fmt.Sprintf("invalid map key: %#v", yamlGo(k, &left)))
}

// merge reads into m the members of what stands behind a merge key: a mapping, or a list of
// them, of which the first ones count more.
func (r *yamlReader) merge(n *yamlNode, m *yamlMapping) error {
	for _, source := range n.sources() {
		if err := r.mergeOne(source, m); err != nil {
			return err
		}
	}
	return nil
}

// isMerge reports whether a key is a merge key.
func (n *yamlNode) isMerge() bool {
	return n.kind == yamlScalarNode && n.text == "<<" && (n.implicit || n.tag == yamlTagPrefixText+"merge")
}

// sources returns what the value of a merge key merges, in the order in which it does so.
func (n *yamlNode) sources() []*yamlNode {
	if n.kind != yamlListNode {
		return []*yamlNode{n}
	}
	var list []*yamlNode
	for c := n.first; c != nil; c = c.next {
		list = append(list, c)
	}
	slices.Reverse(list)
	return list
}

// mergeOne reads into m the members of n, a mapping or an alias of one. An alias of a list of
// mappings is refused, though the list itself would not be.
func (r *yamlReader) mergeOne(n *yamlNode, m *yamlMapping) error {
	target := n
	if n.kind == yamlAliasNode {
		target = n.first
	}
	if target.kind != yamlMapNode {
		return yamlError(0, "map merge requires map or sequence of maps as the value")
	}
	if err := r.count(n); err != nil || n == target {
		if err != nil {
			return err
		}
		return r.mapping(n, m)
	}
	if err := r.enterAlias(n); err != nil {
		return err
	}
	// The alias is a node and so is what it stands for: upstream counts both.
	err := r.count(target)
	if err == nil {
		err = r.mapping(target, m)
	}
	r.leaveAlias(n)
	return err
}

// number returns a float as it comes back from JSON: an int64 where its shortest text is one's.
func (r *yamlReader) number(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		r.odd = true
		return f
	}
	// From 1e21 on it is written with an exponent, which no integer has.
	if f == math.Trunc(f) && math.Abs(f) < 1e21 {
		if n, err := strconv.ParseInt(strconv.FormatFloat(f, 'f', -1, 64), 10, 64); err == nil {
			return n
		}
	}
	return f
}

// scalar returns the value of a scalar: nil, or a bool, string, int64, uint64 or float64.
func (n *yamlNode) scalar() (any, error) {
	if n.tag == "" {
		if !n.implicit {
			return n.text, nil
		}
		return yamlResolve(n.text), nil
	}
	v, err := yamlTagged(n.tag, n.text)
	if err == nil && n.tag == yamlTagPrefixText+"binary" {
		b, err := base64.StdEncoding.DecodeString(n.text)
		if err != nil {
			return nil, yamlError(0, "!!binary value contains invalid base64 data")
		}
		return JSONUTF8(string(b)), nil
	}
	return v, err
}

// yamlKeyName returns the key of JSON that a key becomes, and false if there is none: for null, and
// for a number that no int64 holds.
func yamlKeyName(key any) (string, bool) {
	switch k := key.(type) {
	case string:
		return k, true
	case bool:
		return strconv.FormatBool(k), true
	case int64:
		return strconv.FormatInt(k, 10), true
	case float64:
		switch {
		case math.IsNaN(k):
			return ".nan", true
		case math.IsInf(k, 1):
			return ".inf", true
		case math.IsInf(k, -1):
			return "-.inf", true
		}
		return strconv.FormatFloat(k, 'g', -1, 32), true // upstream has 32 bits for keys
	}
	return "", false
}

// yamlTypeName returns the type of a key that has no name, as fmt writes it.
func yamlTypeName(key any) string {
	if key == nil {
		return "%!s(<nil>)"
	}
	return fmt.Sprintf("%T", key)
}

// checkYAMLJSON returns an error if a tree has what has no JSON form: first of keys, as upstream
// makes strings of those before it writes numbers.
func checkYAMLJSON(v any) error {
	var key, number error
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case yamlNoJSON:
			key = cmp.Or(key, v.error)
		case float64:
			if math.IsInf(v, 0) || math.IsNaN(v) {
				number = cmp.Or(number, errors.New("json: unsupported value: "+strconv.FormatFloat(v, 'g', -1, 64)))
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, k := range SortedKeys(v) {
				walk(v[k])
			}
		}
	}
	walk(v)
	return cmp.Or(key, number)
}

// yamlGo returns the value of a node with the types that upstream's messages show, as far as *left
// more nodes. The node was read without an error, so no alias in it is in itself.
func yamlGo(n *yamlNode, left *int) any {
	if *left--; *left < 0 {
		return "..."
	}
	switch n.kind {
	case yamlAliasNode:
		return yamlGo(n.first, left)
	case yamlListNode:
		list := []any{}
		for c := n.first; c != nil && *left > 0; c = c.next {
			list = append(list, yamlGo(c, left))
		}
		return list
	case yamlMapNode:
		m := map[any]any{}
		yamlGoMembers(n, m, left)
		return m
	}
	v, _ := n.scalar()
	return v
}

// yamlGoMembers puts into m the members of n, a mapping or an alias of one, in the order in which
// they replace each other.
func yamlGoMembers(n *yamlNode, m map[any]any, left *int) {
	if n.kind == yamlAliasNode {
		n = n.first
	}
	for k := n.first; k != nil && *left > 0; k = k.next.next {
		if !k.isMerge() {
			m[yamlGo(k, left)] = yamlGo(k.next, left)
			continue
		}
		for _, source := range k.next.sources() {
			yamlGoMembers(source, m, left)
		}
	}
}
