package field

import "strconv"

// Path is the place of a value in an object, written spec.containers[0].name. Each step
// points to the one before it, so a walk over an object extends the path on the way down
// for the price of one small value, and writes it only where something is wrong.
//
// A nil *Path is the place of a value that has no name yet, as a default has before it is
// somewhere. It may be extended and written like any other. A Path never changes: one may
// be extended in several ways, and by several goroutines.
type Path struct {
	outer *Path
	step  string // .name, [key] or [0]; the first one without its dot
}

// None is how upstream writes the path of an error that knows none.
const None = "<nil>"

// Root returns the path of a field of the object itself.
//
//go:noinline
func Root(name string) *Path { return &Path{nil, name} }

// Child returns the path of the field name in the object at p.
//
//go:noinline
func (p *Path) Child(name string) *Path {
	if p == nil {
		return Root(name)
	}
	return &Path{p, "." + name}
}

// Key returns the path of a member of a map, whose keys are data and no field names:
// metadata.labels[app]. The key is not quoted (upstream).
//
//go:noinline
func (p *Path) Key(key string) *Path { return &Path{p, "[" + key + "]"} }

// Index returns the path of element i of the list at p.
//
//go:noinline
func (p *Path) Index(i int) *Path { return &Path{p, "[" + strconv.Itoa(i) + "]"} }

// String writes the path, and None for a nil one.
//
//go:noinline
func (p *Path) String() string {
	if p == nil {
		return None
	}
	size := 0
	for q := p; q != nil; q = q.outer {
		size += len(q.step)
	}
	// The last step is met first, so the text is filled from its end.
	b := make([]byte, size)
	for q := p; q != nil; q = q.outer {
		size -= len(q.step)
		copy(b[size:], q.step)
	}
	return string(b)
}
