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

// Complete fills in, in place, what upstream's encoder writes of an object of the type even if nobody has set it, at every depth, and no
// defaults. obj must have been pruned.
func (t *Type) Complete(obj map[string]any) {
	for _, f := range t.Fields {
		v, there := obj[f.Name]
		switch {
		case f.Inline:
			f.Message.Complete(obj)
		case !there && f.alwaysWritten() && f.Kind == FieldMessage && f.Alternative == "" && !f.pointer && !f.IsList && !f.IsMap:
			obj[f.Name] = f.Message.Zero()
		case !there && f.alwaysWritten():
			obj[f.Name] = f.empty()
		case f.Kind == FieldMessage && f.Alternative == "":
			f.completeEach(v)
		}
	}
}

// completeEach is Complete for the objects that a value of the field has.
func (f *Field) completeEach(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			f.completeEach(e)
		}
	case map[string]any:
		if !f.IsMap {
			f.Message.Complete(v)
			return
		}
		for _, e := range v {
			if o, ok := e.(map[string]any); ok {
				f.Message.Complete(o)
			}
		}
	}
}
