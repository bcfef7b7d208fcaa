package fieldset

import "strings"

// Path is where a value is in an object, from the outside in.
type Path []Element

// Fields returns the path through fields of these names.
func Fields(names ...string) Path {
	p := make(Path, len(names))
	for i, name := range names {
		p[i] = Field(name)
	}
	return p
}

// String returns p as messages show it: .spec.ports[port=80].name
func (p Path) String() string {
	var b strings.Builder
	for _, e := range p {
		b.WriteString(e.String())
	}
	return b.String()
}
