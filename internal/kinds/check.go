package kinds

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What the table says of objects' contents, done to objects: unknown fields go, values of
// wrong types are refused, defaults come in. Values are brought to the form in which
// upstream's types would write them, so that equal objects are equal trees: nulls and
// empty values that Go's omitempty leaves out are left out, times are in UTC.

// Shape is the shape of the objects of a built-in kind.
type Shape struct{ Row *Row }

// Prune removes the fields of obj that the kind does not have and returns their paths, at
// most a hundred, in order. A value of a wrong type is an error, in the words of
// encoding/json; obj is then of no use. An object without either is walked once, and
// nothing allocated.
func (s Shape) Prune(obj map[string]any) (unknown []string, err error) {
	return Prune(s.Row.Type, obj)
}

// SetDefaults fills in what the table gives as defaults, in place, and moves write-only
// fields to where they are kept.
func (s Shape) SetDefaults(obj map[string]any) {
	if label := s.Row.nameLabel; label != "" {
		if name := tree.Text(obj, "metadata", "name"); name != "" { // else it is to be generated, and this is called again
			tree.Set(obj, name, "metadata", "labels", label)
		}
	}
	if s.Row.Type.defaults {
		setTypeDefaults(s.Row.Type, obj)
	}
}

// Initialize gives a new object what it begins with.
func (s Shape) Initialize(obj map[string]any) {
	for _, i := range s.Row.initial {
		value := tree.Copy(i.value)
		if add, ok := value.([]any); ok {
			have := tree.List(obj, i.path...)
			for _, v := range add {
				if !slices.ContainsFunc(have, func(h any) bool { return tree.Equal(h, v) }) {
					have = append(have, v)
				}
			}
			value = have
		}
		tree.Set(obj, value, i.path...)
	}
}

// Validate is what is wrong with obj as the successor of old: changes of what is frozen.
func (s Shape) Validate(obj, old map[string]any) []field.Error {
	flag := s.Row.freezer
	if flag == "" || old[flag] != true {
		return nil
	}
	var errs []field.Error
	if obj[flag] != true {
		errs = append(errs, field.Forbidden(flag, "field is immutable when `"+flag+"` is set"))
	}
	for _, name := range s.Row.frozen {
		if !tree.Equal(obj[name], old[name]) {
			errs = append(errs, field.Forbidden(name, "field is immutable when `"+flag+"` is set"))
		}
	}
	return errs
}

// ToStored brings an object of a kind into the shape in which it is stored, in place; it
// does nothing to kinds that are stored as they are. fromStored is the way back.
func (k *Row) ToStored(obj map[string]any) {
	if k.stored != k {
		k.stored.identify(obj)
		for _, names := range k.renames {
			renameMember(obj, names[0], names[1])
		}
	}
}

func (k *Row) FromStored(obj map[string]any) {
	if k.stored != k {
		k.identify(obj)
		for _, names := range k.renames {
			renameMember(obj, names[1], names[0])
		}
	}
}

// identify writes the kind into obj.
func (k *Row) identify(obj map[string]any) {
	obj["kind"] = k.Kind
	if k.Group == "" {
		obj["apiVersion"] = k.Version
	} else {
		obj["apiVersion"] = k.Group + "/" + k.Version
	}
}

func renameMember(obj map[string]any, from, to string) {
	if v, ok := obj[from]; ok {
		delete(obj, from)
		obj[to] = v
	}
}

func setTypeDefaults(t *Type, obj map[string]any) {
	for _, f := range t.Fields {
		v := obj[f.Name]
		switch {
		case f.Inline:
			if f.Message.defaults {
				setTypeDefaults(f.Message, obj)
			}
		case f.MovesInto != "":
			if values, ok := v.(map[string]any); ok {
				moveTexts(obj, values, f.MovesInto)
			}
			delete(obj, f.Name)
		case f.Default != nil:
			if v == nil {
				obj[f.Name] = tree.Copy(f.Default)
			}
		case f.DefaultFrom != "":
			if other := obj[f.DefaultFrom]; other != nil && (v == nil || v == "" || v == int64(0)) {
				obj[f.Name] = other
			}
		case f.Kind == FieldMessage && f.Message.defaults:
			setFieldDefaults(f, obj, v)
		}
	}
}

// setFieldDefaults fills in the objects of f's value v in obj. One that is not optional,
// and so always there to upstream, is made if that gives it something.
func setFieldDefaults(f *Field, obj map[string]any, v any) {
	switch v := v.(type) {
	case nil:
		if made := map[string]any{}; !f.pointer && !f.IsList && !f.IsMap {
			if setTypeDefaults(f.Message, made); len(made) > 0 {
				obj[f.Name] = made
			}
		}
	case map[string]any:
		if !f.IsMap {
			setTypeDefaults(f.Message, v)
			return
		}
		for _, e := range v {
			if e, ok := e.(map[string]any); ok {
				setTypeDefaults(f.Message, e)
			}
		}
	case []any:
		for _, e := range v {
			if e, ok := e.(map[string]any); ok {
				setTypeDefaults(f.Message, e)
			}
		}
	}
}

// moveTexts puts values into the map of bytes called into, over what is there.
func moveTexts(obj, values map[string]any, into string) {
	if len(values) == 0 {
		return
	}
	data, ok := obj[into].(map[string]any)
	if !ok {
		data = make(map[string]any, len(values))
		obj[into] = data
	}
	for k, v := range values {
		s, _ := v.(string)
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
}

// Prune is prune for an object of any type: bodies of subresources, options.
func Prune(t *Type, obj map[string]any) (unknown []string, err error) {
	var p pruner
	var at trail
	p.object(&at, t, obj)
	if len(p.unknown) > 1 {
		slices.SortFunc(p.unknown, comparePaths)
	}
	return p.unknown, p.err
}

// pruner is what a walk over an object has found.
type pruner struct {
	unknown []string
	quiet   int // above 0 where unknown fields are not told
	err     error
	errAt   string // the error kept is the one whose path comes first, as maps have no order
}

// trail is where a walk is. Its text is made only when there is something to tell. Steps
// are kept in place, and the trail is no part of the pruner, which is handed out, so that
// it stays on the stack.
type trail struct {
	steps [16]pathStep
	more  []pathStep // of those below
	depth int
}

func (at *trail) push(name string, index int) {
	if step := (pathStep{name, index}); at.depth < len(at.steps) {
		at.steps[at.depth] = step
	} else {
		at.more = append(at.more[:at.depth-len(at.steps)], step)
	}
	at.depth++
}

func (at *trail) pop() { at.depth-- }

// pathStep is a field or a key of a map by its name, or an element of a list by its index.
type pathStep struct {
	name  string
	index int // or stepField, stepKey
}

const (
	stepField = -1
	stepKey   = -2
)

const maxUnknown = 100

func (p *pruner) object(at *trail, t *Type, obj map[string]any) {
	for k, v := range obj {
		f := t.ByName[k]
		if f == nil {
			delete(obj, k)
			if p.quiet == 0 && len(p.unknown) < maxUnknown {
				at.push(k, stepField)
				p.unknown = append(p.unknown, at.text(true))
				at.pop()
			}
			continue
		}
		if v == nil {
			delete(obj, k)
			continue
		}
		if f.Kind == FieldString && !f.IsList && !f.IsMap { // most fields: no need to go in
			if s, ok := v.(string); ok && (s != "" || f.Required || f.pointer) {
				continue
			}
		}
		at.push(k, stepField)
		if n, changed := p.field(at, t, f, v); changed {
			v, obj[k] = n, n
		}
		if !f.Required && !f.pointer && isEmpty(v) && (f.Kind != FieldMessage || f.IsList || f.IsMap) {
			delete(obj, k)
		}
		at.pop()
	}
}

// isEmpty tells what omitempty leaves out.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// field checks the value of a field of t; it gives the value to have instead, if any.
func (p *pruner) field(at *trail, t *Type, f *Field, v any) (any, bool) {
	if !f.IsMap {
		return p.listed(at, t, f, v)
	}
	m, ok := v.(map[string]any)
	if !ok {
		p.wrong(at, t, f, v, "map[string]"+goType(f, false))
		return nil, false
	}
	for k, e := range m {
		if s, ok := e.(string); ok && s != "" && f.Kind == FieldString && !f.IsList {
			continue
		}
		at.push(k, stepKey)
		if n, changed := p.listed(at, t, f, e); changed {
			m[k] = n
		}
		at.pop()
	}
	return nil, false
}

// listed checks a value that is a list where f is one.
func (p *pruner) listed(at *trail, t *Type, f *Field, v any) (any, bool) {
	if !f.IsList {
		return p.one(at, t, f, v)
	}
	l, ok := v.([]any)
	if !ok {
		if v == nil { // of a map of lists
			return []any{}, true
		}
		p.wrong(at, t, f, v, goType(f, false))
		return nil, false
	}
	for i, e := range l {
		if s, ok := e.(string); ok && s != "" && f.Kind == FieldString {
			continue
		}
		at.push("", i)
		if n, changed := p.one(at, t, f, e); changed {
			l[i] = n
		}
		at.pop()
	}
	return nil, false
}

// one checks a single value. A null here is an element: upstream has it as the zero value.
func (p *pruner) one(at *trail, t *Type, f *Field, v any) (any, bool) {
	if v == nil {
		return zeroOf(f.Kind)
	}
	switch f.Kind {
	case FieldString:
		if _, ok := v.(string); ok {
			return nil, false
		}
	case FieldBool:
		if _, ok := v.(bool); ok {
			return nil, false
		}
	case FieldInt32:
		if n, ok := v.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return nil, false
		}
	case FieldInt64:
		if _, ok := v.(int64); ok {
			return nil, false
		}
	case FieldDouble:
		switch v.(type) {
		case int64, float64:
			return nil, false
		}
	case FieldRaw:
		return nil, false
	case FieldMessage:
		return p.message(at, t, f, v)
	case FieldIntOrString:
		if n, ok := v.(int64); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return nil, false
		}
		if _, ok := v.(string); ok {
			return nil, false
		}
	case FieldQuantity:
		switch v.(type) {
		case int64, float64:
			return cellText(v), true
		}
		return p.formatted(at, t, f, v)
	default:
		return p.formatted(at, t, f, v)
	}
	p.wrong(at, t, f, v, goType(f, true))
	return nil, false
}

// formatted checks a string that has a form.
func (p *pruner) formatted(at *trail, t *Type, f *Field, v any) (any, bool) {
	s, ok := v.(string)
	if !ok {
		p.wrong(at, t, f, v, goType(f, true))
		return nil, false
	}
	other, err := formOf(f.Kind, s)
	if err != nil {
		p.failed(at, err)
	}
	if other == s {
		return nil, false
	}
	return other, true
}

func zeroOf(kind FieldKind) (any, bool) {
	switch kind {
	case FieldBool:
		return false, true
	case FieldInt32, FieldInt64, FieldDouble, FieldIntOrString:
		return int64(0), true
	case FieldQuantity:
		return "0", true
	case FieldMessage:
		return map[string]any{}, true
	case FieldRaw, FieldTime, FieldMicroTime:
		return nil, false
	}
	return "", true
}

// message checks an object, or what may stand for it. Unknown fields of an object that
// something may stand for go untold, with all below: upstream's decoding of it is lenient.
func (p *pruner) message(at *trail, t *Type, f *Field, v any) (any, bool) {
	if f.Alternative != "" {
		p.quiet++
		defer func() { p.quiet-- }()
	}
	switch v := v.(type) {
	case map[string]any:
		p.object(at, f.Message, v)
		return nil, false
	case bool:
		if f.Alternative == "bool" {
			return nil, false
		}
	case []any:
		if f.Alternative == "list" || f.Alternative == "strings" {
			return p.listed(at, t, f.other(), v)
		}
	}
	p.wrong(at, t, f, v, goType(f, true))
	return nil, false
}

// wrong tells of a value that is not of a field's type.
func (p *pruner) wrong(at *trail, t *Type, f *Field, v any, typ string) {
	found := tree.TypeName(v)
	if found == "number" && (f.Kind == FieldInt32 || f.Kind == FieldInt64) && !strings.HasPrefix(typ, "[]") && !strings.HasPrefix(typ, "map") {
		found += " " + cellText(v)
	}
	p.failed(at, jsonError("json: cannot unmarshal "+found+" into Go struct field "+t.Schema[strings.LastIndexByte(t.Schema, '.')+1:]+"."+at.text(false)+" of type "+typ))
}

func (p *pruner) failed(at *trail, err error) {
	if at := at.text(true); p.err == nil || comparePaths(at, p.errAt) < 0 {
		p.err, p.errAt = err, at
	}
}

// text is the trail as messages have it: spec.ports[0].port; that of encoding/json is of
// fields alone.
func (at *trail) text(all bool) string {
	var b []byte
	for i := range at.depth {
		var s pathStep
		if i < len(at.steps) {
			s = at.steps[i]
		} else {
			s = at.more[i-len(at.steps)]
		}
		switch {
		case s.index >= 0 && all:
			b = append(strconv.AppendInt(append(b, '['), int64(s.index), 10), ']')
		case s.index == stepField || s.index == stepKey && all:
			if len(b) > 0 {
				b = append(b, '.')
			}
			b = append(b, s.name...)
		}
	}
	return string(b)
}

// comparePaths orders paths by their texts, but indices by their numbers.
func comparePaths(a, b string) int {
	for {
		i := strings.IndexByte(a, '[')
		if i < 0 || i >= len(b) || a[:i+1] != b[:i+1] {
			return strings.Compare(a, b)
		}
		a, b = a[i+1:], b[i+1:]
		i, j := strings.IndexByte(a, ']'), strings.IndexByte(b, ']')
		if i < 0 || j < 0 {
			return strings.Compare(a, b)
		}
		if i != j {
			return i - j // the one with fewer digits is less
		}
		if c := strings.Compare(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
}
