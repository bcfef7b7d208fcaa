package kinds

// Zero returns an object of the type as upstream's encoder writes one in which nobody has set anything: what has no omitempty, and
// structs, which are never left out. It is what a new object is compared with to see who has set what. Each call makes another one.
func (t *Type) Zero() map[string]any {
	obj := map[string]any{}
	for _, f := range t.Fields {
		switch {
		case f.Inline:
			for name, v := range f.Message.Zero() {
				obj[name] = v
			}
		case !f.alwaysWritten():
		case f.Kind == FieldMessage && f.Alternative == "" && !f.pointer && !f.IsList && !f.IsMap:
			obj[f.Name] = f.Message.Zero()
		default:
			obj[f.Name] = f.empty()
		}
	}
	return obj
}
