package tree

// Some values are carried along and nearly never looked at: metadata.managedFields is the largest part of many objects, and most
// of those who read an object want nothing of it. Such a value may stand in a tree as the text that it is.

// Raw is a value of a tree as its JSON, in the form that AppendJSON writes. It stands for what that says: Copy shares it, Equal
// takes it for the same as the value, and the writers write it. Who looks into a tree where one may be asks Expand. The text must
// be JSON: it is never checked.
type Raw string

// Expand returns what a Raw stands for, as a tree of its own, and any other value as it is. A text that is no JSON becomes null.
func Expand(v any) any {
	raw, ok := v.(Raw)
	if !ok {
		return v
	}
	r := jsonReader{src: string(raw)}
	v, err := r.document()
	if err != nil {
		return nil
	}
	return v
}

// Expand returns what r stands for, each time anew.
func (r Raw) Expand() any { return Expand(r) }

// ParseJSONObjectAround is ParseJSONObject for a text of which the bytes from to to are one value: that becomes a Raw and is not
// looked at. With to 0 there is no such value. Repeated keys are not told: it is for texts that were written here.
func ParseJSONObjectAround(data []byte, from, to int) (map[string]any, error) {
	r := jsonReader{src: string(data), rawFrom: from, rawTo: to}
	v, err := r.document()
	if err != nil {
		return nil, err
	}
	o, _ := v.(map[string]any)
	return o, nil
}
