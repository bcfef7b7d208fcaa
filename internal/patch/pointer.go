package patch

import (
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// JSON pointers (RFC 6901), as operations of a JSON patch use them. A pointer leads from the
// document down, a step for each slash; ~1 in a step is a slash and ~0 a tilde. What a step
// means depends on what it is taken in:
//
//	/items/0       the first element, where items is a list
//	/items/0       the member called 0, where it is an object
//	/items/-       behind the last element: a place to add at, with nothing there
//
// Operations need the place rather than the value, since the last step may name something
// that is not there yet.

// jsonPlace is where a pointer leads: a member of an object or an element of a list, which
// need not be there.
type jsonPlace struct {
	key    string
	object map[string]any // nil: in list
	list   []any
	// setList puts a list of another length where list is. Objects change in place, but a
	// slice that grows may be another, and whoever holds it must be told.
	setList func([]any)
}

// locate follows a pointer to its last step. All but what the last step names must be there.
// The whole document, whose pointer is "", is no place in one.
func (r *jsonPatchRun) locate(pointer string) (jsonPlace, error) {
	if pointer == "" || pointer[0] != '/' {
		return jsonPlace{}, errPatchPointer
	}
	v, set := r.doc, func(l []any) { r.doc = l }
	for {
		step, rest, more := strings.Cut(pointer[1:], "/")
		at := jsonPlace{key: unescapePointer(step), setList: set}
		switch v := v.(type) {
		case map[string]any:
			at.object = v
		case []any:
			at.list = v
		default:
			return jsonPlace{}, errPatchMissing
		}
		if !more {
			return at, nil
		}
		var err error
		if v, err = at.value(); err != nil {
			return jsonPlace{}, err
		}
		// A part that is kept as text is changed as what it says.
		if _, isRaw := v.(tree.Raw); isRaw {
			v = tree.Expand(v)
			at.object[at.key] = v
		}
		// Setters are made only for lists: most steps are through objects, and a closure
		// for each would be most of what a patch allocates.
		if _, ok := v.([]any); ok {
			set = at.setter()
		}
		// The rest is a pointer again, with its slash.
		pointer = pointer[len(pointer)-len(rest)-1:]
	}
}

// setter returns a function that puts a list at the place, where there is one now.
func (at jsonPlace) setter() func([]any) {
	if at.object != nil {
		return func(l []any) { at.object[at.key] = l }
	}
	return func(l []any) {
		if i, err := at.index(len(at.list)); err == nil {
			at.list[i] = l
		}
	}
}

// value returns what is at the place: nil for an absent member, as upstream has it, and an
// error for an absent element.
func (at jsonPlace) value() (any, error) {
	if at.object != nil {
		return at.object[at.key], nil
	}
	if at.key == "-" {
		return nil, errPatchIndex
	}
	i, err := at.index(len(at.list))
	if err != nil {
		return nil, err
	}
	return at.list[i], nil
}

// index returns the key as an index below n, which is the length of the list or, to insert,
// one more. A negative key counts from n. - is the end of the list, behind its elements, and
// so an index only for inserting.
func (at jsonPlace) index(n int) (int, error) {
	if at.key == "-" && n > len(at.list) {
		return len(at.list), nil
	}
	// Atoi would take a plus sign and leading zeros, which the RFC excludes so that every
	// place has but one pointer.
	digits := strings.TrimPrefix(at.key, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(digits) > 1 {
		return 0, errPatchIndex
	}
	i, err := strconv.Atoi(at.key)
	if err != nil || i >= n || i < -n {
		return 0, errPatchIndex
	}
	if i < 0 {
		i += n
	}
	return i, nil
}

// unescapePointer returns the key that a step of a pointer names.
func unescapePointer(step string) string {
	if !strings.Contains(step, "~") {
		return step
	}
	// Slashes first: ~01 is a tilde and a 1 (RFC 6901, section 4).
	return strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
}
