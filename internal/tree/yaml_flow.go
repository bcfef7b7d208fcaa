package tree

// This file reads flow collections, [a, b] and {a: b}, of which JSON is a special case. In
// them line ends and indentation mean nothing, and only plain scalars differ from those in
// blocks: a comma or a bracket ends one. A colon needs white space, a comma or a bracket
// behind it even here, unless the key is in quotes:
//
//	{a: 1, "b":2, c:3}   # a is 1, b is 2, and "c:3" is a key whose value is null
//
// A block collection cannot stand in a flow collection, so once in brackets the reader
// stays here, and atom is all that is read.

// flow reads a flow collection up to end, its closing bracket; the position is at the
// opening one. Line ends and indentation mean nothing in it, and a comma may stand behind
// the last entry.
func (r *yamlReader) flow(end byte) (any, error) {
	if err := r.enterCollection(); err != nil {
		return nil, err
	}
	open := r.line // for the error if no bracket closes it
	list, m := []any{}, map[string]any{}
	r.inFlow++
	r.pos++
	for {
		if err := r.skipFlow(open); err != nil {
			return nil, err
		}
		if r.at(0) == end {
			break
		}
		var err error
		if end == '}' {
			err = r.flowMember(m, open)
		} else {
			list, err = r.flowElement(list, open)
		}
		if err != nil {
			return nil, err
		}
		if err := r.skipFlow(open); err != nil {
			return nil, err
		}
		// A comma must stand between two entries and may stand behind the last; none may stand
		// alone, which atom refuses.
		if c := r.at(0); c == ',' {
			r.pos++
		} else if c != end {
			return nil, r.errorf("expected ',' or '%c', not %s", end, r.here())
		}
	}
	r.pos++
	r.inFlow--
	r.depth--
	if end == '}' {
		return m, nil
	}
	return list, nil
}

// flowMember reads one entry of a flow mapping, which began in line open, into m. Unlike in
// JSON a key may stand without a value, which is null: {a, b: 1}.
func (r *yamlReader) flowMember(m map[string]any, open int) error {
	key, err := r.atom(-1)
	if err != nil {
		return err
	}
	if err := r.skipFlow(open); err != nil {
		return err
	}
	return r.flowPair(m, key, r.at(0) == ':', open)
}

// flowElement reads one entry of a flow sequence, which began in line open, and appends it.
func (r *yamlReader) flowElement(list []any, open int) ([]any, error) {
	line := r.line
	v, err := r.atom(-1)
	if err != nil {
		return nil, err
	}
	if err := r.skipFlow(open); err != nil {
		return nil, err
	}
	switch {
	case r.at(0) != ':':
		return append(list, v), nil
	case r.line != line:
		return nil, r.errorf("a key must be on one line")
	}
	// [a: b] is short for [{a: b}]. It is no collection of the text, so it adds no depth.
	one := map[string]any{}
	return append(list, one), r.flowPair(one, v, true, open)
}

// flowPair puts a flow mapping's entry into m. Its key was read; with hasValue the position
// is at the colon, without it the value is null.
func (r *yamlReader) flowPair(m map[string]any, key any, hasValue bool, open int) error {
	name, err := r.keyName(m, key)
	if err != nil {
		return err
	}
	// The entry goes in first, for a value that is left out behind its colon: {a: , b: }.
	m[name] = nil
	if !hasValue {
		return nil
	}
	// The value may stand on another line than its key.
	r.pos++
	if err := r.skipFlow(open); err != nil {
		return err
	}
	if c := r.at(0); c == ',' || c == '}' || c == ']' {
		return nil
	}
	m[name], err = r.atom(-1)
	return err
}

// skipFlow moves to the next token inside of a flow collection, which began in line open.
// The end of the document there is an error of that line: where the bracket is missing
// nobody can tell.
func (r *yamlReader) skipFlow(open int) error {
	if r.skipToToken(); r.atEnd() {
		return r.errorfAt(open, "the bracket is never closed")
	}
	return nil
}
