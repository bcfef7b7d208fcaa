package fieldset

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

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

// ParsePath reads a path as messages show it, and as people write it: the first dot may be left out, and so may the quotes of
// a text that is no JSON. A dot or bracket in a name has a backslash before it, which messages do not have. A star stands
// for each element. The error says what is wrong, and where; it is fit for who has written the path.
//
//	.spec.ports[port=80,protocol="TCP"]   spec.containers[name=a].image   .metadata.finalizers[="x"]
//	.metadata.annotations.example\.com/x  spec.containers[*].image        .spec.args[0]
func ParsePath(text string) (Path, error) {
	var p Path
	text = tree.JSONUTF8(text)
	for rest := text; rest != ""; {
		var e Element
		n, err := 0, error(nil)
		if rest[0] == '[' {
			e, n, err = parseItem(rest)
		} else {
			e, n, err = parseName(rest)
		}
		if err != nil {
			return nil, fmt.Errorf("path %q, at byte %d: %w", text, len(text)-len(rest), err)
		}
		if rest = rest[n:]; rest != "" && rest[0] != '[' && rest[0] != '.' {
			return nil, fmt.Errorf("path %q, at byte %d: expected a dot or a bracket", text, len(text)-len(rest))
		}
		p = append(p, e)
	}
	return p, nil
}

// parseName reads the name of a field, with its dot, from the beginning of s, and returns how long it is there.
func parseName(s string) (Element, int, error) {
	i := 0
	if s[0] == '.' {
		i++
	}
	var name []byte
	for ; i < len(s) && s[i] != '.' && s[i] != '['; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		name = append(name, s[i])
	}
	switch string(name) {
	case "":
		return Element{}, 0, fmt.Errorf("expected the name of a field")
	case "*":
		return Element{}, i, nil
	}
	return Field(string(name)), i, nil
}

// parseItem reads the element of a list, which is in brackets, from the beginning of s, and returns how long it is there.
func parseItem(s string) (Element, int, error) {
	inside, _, closed := cut(s[1:], ']')
	if !closed {
		return Element{}, 0, fmt.Errorf("expected a bracket that ends what begins here")
	}
	n := len(inside) + 2
	if inside == "*" {
		return Element{}, n, nil
	}
	if strings.HasPrefix(inside, "=") {
		return Value(parseScalar(inside[1:])), n, nil
	}
	if i, err := strconv.Atoi(inside); err == nil {
		return Index(i), n, nil
	}
	fields := map[string]any{}
	for more := true; more; {
		var field string
		field, inside, more = cut(inside, ',')
		name, value, ok := strings.Cut(field, "=")
		if !ok || name == "" || strings.Contains(name, `"`) {
			return Element{}, 0, fmt.Errorf("expected an index, =value, * or name=value in the brackets")
		}
		fields[name] = parseScalar(value)
	}
	return Key(keyText(fields)), n, nil
}

// cut cuts s at the first stop that is not in quotes.
func cut(s string, stop byte) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			i += valueEnd(s[i:]) - 1
		case stop:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// parseScalar returns what the JSON is, or the text that messages have in Go's quotes, or the text itself.
func parseScalar(text string) any {
	if v, _, err := tree.ParseJSON([]byte(text)); err == nil {
		return v
	}
	if s, err := strconv.Unquote(text); err == nil && text[0] == '"' {
		return tree.JSONUTF8(s)
	}
	return text
}
