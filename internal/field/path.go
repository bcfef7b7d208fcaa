package field

import "strconv"

// Path is the path of a place in an object, made step by step and written only when
// an error needs it. A nil path is the place that has no name yet.
type Path struct {
	outer *Path
	step  string // .name, [key] or [0]; the first one without its dot
}

func Root(name string) *Path { return &Path{nil, name} }

func (p *Path) Child(name string) *Path {
	if p == nil {
		return Root(name)
	}
	return &Path{p, "." + name}
}

func (p *Path) Key(key string) *Path { return &Path{p, "[" + key + "]"} }

func (p *Path) Index(i int) *Path { return &Path{p, "[" + strconv.Itoa(i) + "]"} }

func (p *Path) String() string {
	if p == nil {
		return None
	}
	size := 0
	for q := p; q != nil; q = q.outer {
		size += len(q.step)
	}
	b := make([]byte, size)
	for q := p; q != nil; q = q.outer {
		size -= len(q.step)
		copy(b[size:], q.step)
	}
	return string(b)
}

// None is how upstream names the field of an error that knows none.
const None = "<nil>"
