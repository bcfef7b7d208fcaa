package tree

import (
	"slices"
	"strconv"
)

// JSONType is what is known of the Go type into which upstream decodes an object. It knows two
// kinds: structs, which have certain fields, and maps, which have any key.
type JSONType interface {
	// Member returns the type of the value at key, or of the elements of a list there, nil for what
	// is no object or is decoded without looking for problems. known is false for a field that a
	// struct has not. merges says that an object that comes again at key is decoded into the one
	// that is there, as Go does with structs and maps in structs.
	Member(key string) (member JSONType, known, merges bool)
}

// ParseJSONTyped reads a text that ParseJSON has read as upstream decodes it into a Go type. Where
// a key comes again its objects are merged as the type says. problems has what strict decoding
// says, in the order of the text and each once, the first hundred: duplicate field "spec.size",
// unknown field "spec.sise".
func ParseJSONTyped(text string, typ JSONType) (v any, problems []string) {
	r := jsonReader{src: text, keepPaths: true, typed: true, typ: typ}
	v, _ = r.document()
	return v, r.repeated
}

// enterTyped notes what is wrong with key, which is about to be read into o. The path has it, and
// typ becomes that of its value.
func (r *jsonReader) enterTyped(o map[string]any, key string) {
	if r.typ == nil {
		return
	}
	member, known, _ := r.typ.Member(key)
	r.typ = member
	problem := "unknown field "
	if known {
		if _, again := o[key]; !again {
			return
		}
		problem = "duplicate field "
	}
	if problem += strconv.Quote(string(r.path)); len(r.repeated) < maxRepeated && !slices.Contains(r.repeated, problem) {
		r.repeated = append(r.repeated, problem)
	}
}

// mergedMember returns what is at key of o, an object of type typ, after v came there.
func mergedMember(typ JSONType, o map[string]any, key string, v any) any {
	old, ok := o[key].(map[string]any)
	if !ok || typ == nil {
		return v
	}
	more, ok := v.(map[string]any)
	member, _, merges := typ.Member(key)
	if !ok || !merges {
		return v
	}
	for k, e := range more {
		old[k] = mergedMember(member, old, k, e)
	}
	return old
}
