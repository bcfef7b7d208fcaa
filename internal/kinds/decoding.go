package kinds

import "apichain/internal/tree"

// Decoding returns t as upstream's decoder of JSON sees it, for tree.ParseJSONTyped.
func (t *Type) Decoding() tree.JSONType { return decodedStruct{t} }

// decodedStruct is a type as a Go struct.
type decodedStruct struct{ t *Type }

// Member returns what the decoder knows of a field.
func (d decodedStruct) Member(key string) (member tree.JSONType, known, merges bool) {
	f := d.t.ByName[key]
	if f == nil {
		return nil, false, false
	}
	// What may be of two forms decodes itself, without looking for problems.
	isMessage := f.Kind == FieldMessage && f.Alternative == ""
	if isMessage {
		member = decodedStruct{f.Message}
	}
	if f.IsMap {
		member = decodedMap{member}
	}
	return member, true, f.IsMap || isMessage && !f.IsList
}

// decodedMap is a Go map with values of a type. A value that comes again replaces the one before.
type decodedMap struct{ values tree.JSONType }

// Member returns the type of the values: a map has any key.
func (d decodedMap) Member(string) (member tree.JSONType, known, merges bool) {
	return d.values, true, false
}
