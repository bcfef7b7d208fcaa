// Package cel compares our CEL with cel-go in the environment that kube-apiserver gives it, by expressions and types that are made
// at random from a seed, and by upstream's own tables. It is a small package of its own, so that it builds quickly.
package cel

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	ours "apichain/internal/cel"
)

// Generator makes types, trees that have them, and expressions over variables of them. Everything it makes follows from its seed.
type Generator struct {
	*rand.Rand
	// Wrong is how often, of a thousand, a part of an expression has a type that does not fit, or a name that nobody knows.
	Wrong int
	// Rows are what expressions are made of.
	Rows []Row

	scope []ours.Variable
	names int
}

// Row is a form of expression of a type. In the text, {string} is an expression of a type, {list(T)} of a type with the T of the
// result, or of any T if the result has none, and {x:T} declares a variable for the holes behind it.
type Row struct{ Type, Text string }

// NewGenerator returns one.
func NewGenerator(seed uint64) *Generator {
	return &Generator{Rand: rand.New(rand.NewPCG(seed, 16)), Wrong: 5, Rows: Standard}
}

// Standard are the rows of the standard library and of what every environment of kube-apiserver has.
var Standard = []Row{
	{"bool", "{bool} && {bool}"}, {"bool", "{bool} || {bool}"}, {"bool", "!{bool}"}, {"bool", "{T} == {T}"}, {"bool", "{T} != {T}"},
	{"bool", "{int} < {int}"}, {"bool", "{int} <= {uint}"}, {"bool", "{double} > {int}"}, {"bool", "{string} >= {string}"},
	{"bool", "{timestamp} < {timestamp}"}, {"bool", "{duration} > {duration}"}, {"bool", "{bytes} < {bytes}"},
	{"bool", "{T} in {list(T)}"}, {"bool", "{string} in {map(string,T)}"}, {"bool", "{string}.startsWith({string})"},
	{"bool", "{string}.endsWith({string})"}, {"bool", "{string}.contains({string})"}, {"bool", "{string}.matches('^[a-z]+$')"},
	{"bool", "matches({string}, 'a*')"}, {"bool", "{list(T)}.all({x:T}, {bool})"}, {"bool", "{list(T)}.exists({x:T}, {bool})"},
	{"bool", "{list(T)}.exists_one({x:T}, {bool})"}, {"bool", "{map(string,T)}.all({k:string}, {bool})"},
	{"bool", "{map(string,T)}.exists({k:string}, {bool})"}, {"bool", "type({T}) == type({T})"}, {"bool", "type({T}) == string"},
	{"bool", "bool({string})"}, {"bool", "dyn({T}) == {T}"}, {"bool", "{int} > 0"}, {"bool", "size({list(T)}) > {int}"},
	{"int", "{int} + {int}"}, {"int", "{int} - {int}"}, {"int", "{int} * {int}"}, {"int", "{int} / {int}"}, {"int", "{int} % {int}"},
	{"int", "-{int}"}, {"int", "size({string})"}, {"int", "{string}.size()"}, {"int", "size({list(T)})"}, {"int", "{list(T)}.size()"},
	{"int", "size({map(string,T)})"}, {"int", "{bytes}.size()"}, {"int", "int({string})"}, {"int", "int({double})"},
	{"int", "int({timestamp})"}, {"int", "{timestamp}.getFullYear()"}, {"int", "{timestamp}.getHours('Europe/Berlin')"},
	{"int", "{duration}.getSeconds()"}, {"uint", "{uint} + {uint}"}, {"uint", "uint({int})"}, {"uint", "{uint} * {uint}"},
	{"double", "{double} + {double}"}, {"double", "{double} / {double}"}, {"double", "double({int})"}, {"double", "-{double}"},
	{"string", "{string} + {string}"}, {"string", "string({int})"}, {"string", "string({bytes})"}, {"string", "string({bool})"},
	{"string", "string({timestamp})"}, {"string", "string({double})"}, {"bytes", "{bytes} + {bytes}"}, {"bytes", "bytes({string})"},
	{"timestamp", "{timestamp} + {duration}"}, {"timestamp", "timestamp({string})"}, {"timestamp", "timestamp({int})"},
	{"duration", "{timestamp} - {timestamp}"}, {"duration", "duration({string})"}, {"duration", "{duration} + {duration}"},
	{"T", "{bool} ? {T} : {T}"}, {"T", "{list(T)}[{int}]"}, {"T", "{map(string,T)}[{string}]"}, {"T", "{map(string,T)}.key"},
	{"list(T)", "{list(T)} + {list(T)}"}, {"list(T)", "{list(T)}.filter({x:T}, {bool})"}, {"list(T)", "{list(U)}.map({x:U}, {T})"},
	{"list(T)", "{list(U)}.map({x:U}, {bool}, {T})"}, {"list(string)", "{map(string,T)}.map({k:string}, {string})"},
	{"list(T)", "[{T}]"}, {"list(T)", "[{T}, {T}]"}, {"map(string,T)", "{'a': {T}}"}, {"map(string,T)", "{{string}: {T}, 'b': {T}}"},
	{"dyn", "dyn({T})"}, {"dyn", "[dyn({T}), {dyn}][0]"},
}

// Optionals are the rows of optional types and comprehensions of two variables.
var Optionals = []Row{
	{"optional(T)", "optional.of({T})"}, {"optional(T)", "optional.none()"}, {"optional(T)", "{list(T)}[?{int}]"},
	{"optional(T)", "{map(string,T)}.?key"}, {"optional(T)", "{map(string,T)}[?{string}]"}, {"optional(T)", "optional.ofNonZeroValue({T})"},
	{"optional(T)", "{optional(U)}.optMap({x:U}, {T})"}, {"optional(T)", "{optional(U)}.optFlatMap({x:U}, {optional(T)})"},
	{"optional(T)", "{optional(T)}.or({optional(T)})"}, {"T", "{optional(T)}.orValue({T})"}, {"T", "{optional(T)}.value()"},
	{"bool", "{optional(T)}.hasValue()"}, {"list(T)", "[{T}, ?{optional(T)}]"}, {"map(string,T)", "{'a': {T}, ?'b': {optional(T)}}"},
	{"bool", "{list(T)}.all({i:int}, {x:T}, {bool})"}, {"bool", "{map(string,T)}.exists({k:string}, {x:T}, {bool})"},
	{"bool", "{list(T)}.existsOne({i:int}, {x:T}, {bool})"}, {"list(T)", "{list(U)}.transformList({i:int}, {x:U}, {T})"},
	{"list(T)", "{map(string,U)}.transformList({k:string}, {x:U}, {bool}, {T})"},
	{"map(string,T)", "{map(string,U)}.transformMap({k:string}, {x:U}, {T})"},
	{"map(string,T)", "{list(U)}.transformMapEntry({i:int}, {x:U}, {{string}: {T}})"},
}

// Libraries are the rows of kube-apiserver's own libraries and of cel-go's extensions.
var Libraries = []Row{
	{"string", "{string}.lowerAscii()"}, {"string", "{string}.upperAscii()"}, {"string", "{string}.trim()"}, {"string", "{string}.charAt({int})"},
	{"string", "{string}.substring({int})"}, {"string", "{string}.substring({int}, {int})"}, {"string", "{string}.replace({string}, {string})"},
	{"string", "{string}.replace({string}, {string}, {int})"}, {"list(string)", "{string}.split({string})"},
	{"list(string)", "{string}.split({string}, 3)"}, {"string", "{list(string)}.join()"}, {"string", "{list(string)}.join({string})"},
	{"int", "{string}.indexOf({string})"}, {"int", "{string}.lastIndexOf({string})"}, {"string", "strings.quote({string})"},
	{"string", "'%s of %d'.format([{string}, {int}])"}, {"bool", "{list(int)}.isSorted()"}, {"bool", "{list(string)}.isSorted()"},
	{"int", "{list(int)}.sum()"}, {"double", "{list(double)}.max()"}, {"string", "{list(string)}.min()"}, {"int", "{list(string)}.indexOf({string})"},
	{"int", "{list(int)}.lastIndexOf({int})"}, {"list(T)", "{list(T)}.slice({int}, {int})"}, {"list(T)", "{list(T)}.distinct()"},
	{"list(T)", "{list(T)}.reverse()"}, {"list(int)", "{list(int)}.sort()"}, {"list(T)", "{list(T)}.sortBy({x:T}, {int})"},
	{"list(T)", "[{list(T)}].flatten()"}, {"list(int)", "lists.range({int})"}, {"string", "{string}.find('[a-z]+')"},
	{"list(string)", "{string}.findAll('[a-z]+')"}, {"list(string)", "{string}.findAll({string}, {int})"},
	{"string", "url('https://example.com:80/a?b=c').getHost()"}, {"bool", "isURL({string})"}, {"string", "url({string}).getScheme()"},
	{"bool", "quantity({string}).isLessThan(quantity('1Gi'))"}, {"bool", "isQuantity({string})"}, {"int", "quantity('50M').compareTo(quantity({string}))"},
	{"bool", "quantity('1') == quantity({string})"}, {"int", "quantity('20').add({int}).asInteger()"}, {"bool", "isIP({string})"},
	{"bool", "ip({string}).isLoopback()"}, {"bool", "ip('::1') == ip({string})"}, {"int", "ip({string}).family()"}, {"bool", "isCIDR({string})"},
	{"bool", "cidr({string}).containsIP({string})"}, {"bool", "cidr('10.0.0.0/8').containsIP(ip({string}))"},
	{"bool", "cidr('10.0.0.0/8').containsCIDR(cidr({string}))"}, {"int", "cidr({string}).prefixLength()"}, {"bool", "ip.isCanonical({string})"},
	{"bool", "format.dns1123Label().validate({string}).hasValue()"}, {"bool", "isSemver({string})"}, {"bool", "semver({string}).isLessThan(semver('1.2.3'))"},
	{"int", "semver('1.2.3').major()"}, {"bool", "sets.contains({list(T)}, {list(T)})"}, {"bool", "sets.equivalent({list(T)}, {list(T)})"},
	{"bool", "sets.intersects({list(T)}, {list(T)})"},
}

// simple are the types without parts, in the order in which the generator knows them.
var simple = []*ours.Type{
	ours.BoolType, ours.IntType, ours.StringType, ours.DoubleType, ours.BytesType, ours.TimestampType, ours.DurationType, ours.DynType,
}

// Schema returns a type as a schema of a custom resource gives one: an object with fields, lists, maps and objects below, some of them
// with bounds. name is that of the object, from which those below have theirs.
func (g *Generator) Schema(name string, depth int) *ours.Type {
	t := &ours.Type{Kind: ours.Object, Name: name, Fields: map[string]*ours.Field{}, Min: 2}
	for i := range 3 + g.IntN(6) {
		field := string(rune('a' + i))
		t.Fields[field] = &ours.Field{Key: field, Type: g.place(name+"."+field, depth-1), Required: g.IntN(2) == 0}
	}
	return t
}

// place is the type of a field of a schema.
func (g *Generator) place(name string, depth int) *ours.Type {
	bound := uint64(ours.Unbounded)
	if g.IntN(3) > 0 {
		bound = uint64(g.IntN(200))
	}
	kind := g.IntN(10)
	if depth <= 0 {
		kind = 0
	}
	switch {
	case kind < 5:
		t := *simple[g.IntN(len(simple))]
		switch t.Max = 0; t.Kind {
		case ours.String, ours.Bytes, ours.Dyn:
			t.Max = uint64(g.IntN(1000))
		case ours.Timestamp, ours.Duration:
			t.Max = 32
		}
		return &t
	case kind < 7:
		t := *ours.ListOf(g.place(name+".@idx", depth-1))
		t.Max = bound
		return &t
	case kind < 8:
		key := *ours.StringType
		key.Max = 0
		t := *ours.MapOf(&key, g.place(name+".@elem", depth-1))
		t.Max = bound
		return &t
	}
	return g.Schema(name, depth-1)
}

// Tree returns what a value of a type may be in an object: at times a field that is not required is missing.
func (g *Generator) Tree(t *ours.Type) any {
	switch t.Kind {
	case ours.Bool:
		return g.IntN(2) == 0
	case ours.Int:
		return int64(g.IntN(20) - 5)
	case ours.Double:
		return float64(g.IntN(40))/4 - 2
	case ours.Timestamp:
		return fmt.Sprintf("20%02d-0%d-%02dT%02d:00:00Z", g.IntN(30), 1+g.IntN(9), 1+g.IntN(28), g.IntN(24))
	case ours.Duration:
		return fmt.Sprintf("%dm%ds", g.IntN(100), g.IntN(60))
	case ours.Bytes:
		return []string{"", "YWJj", "aGVsbG8="}[g.IntN(3)]
	case ours.List:
		items := make([]any, g.IntN(4))
		for i := range items {
			items[i] = g.Tree(t.Params[0])
		}
		return items
	case ours.Map:
		m := map[string]any{}
		for range g.IntN(4) {
			m[g.word()] = g.Tree(t.Params[1])
		}
		return m
	case ours.Object:
		m := map[string]any{}
		for _, name := range sortedFields(t) {
			if f := t.Fields[name]; f.Required || g.IntN(3) > 0 {
				m[f.Key] = g.Tree(f.Type)
			}
		}
		return m
	case ours.Dyn:
		return g.Tree(simple[g.IntN(4)])
	}
	return g.word()
}

func (g *Generator) word() string {
	words := []string{"", "a", "abc", "key", "hello world", "ümläut", "10.0.0.1", "1.2.3", "5Gi", "x,y,z"}
	return words[g.IntN(len(words))]
}

func sortedFields(t *ours.Type) []string {
	names := make([]string, 0, len(t.Fields))
	for c := 'a'; c <= 'z'; c++ {
		if t.Fields[string(c)] != nil {
			names = append(names, string(c))
		}
	}
	return names
}

// Expression returns an expression of a type over variables; nil is any type.
func (g *Generator) Expression(variables []ours.Variable, t *ours.Type, depth int) string {
	g.scope, g.names = append([]ours.Variable(nil), variables...), 0
	if t == nil {
		t = g.any(2)
	}
	return g.expression(t, depth)
}

// any returns a type.
func (g *Generator) any(depth int) *ours.Type {
	switch n := g.IntN(14); {
	case n < 8 || depth == 0:
		return simple[g.IntN(len(simple))]
	case n < 9:
		return ours.UintType
	case n < 11:
		return ours.ListOf(g.any(depth - 1))
	case n < 12:
		return ours.MapOf(ours.StringType, g.any(depth-1))
	case n < 13:
		// Whatever a variable has.
		if paths := g.paths(nil); len(paths) > 0 {
			return paths[g.IntN(len(paths))].Type
		}
	}
	return ours.StringType
}

// expression returns one of a type, or now and then of another.
func (g *Generator) expression(t *ours.Type, depth int) string {
	if g.IntN(1000) < g.Wrong {
		switch g.IntN(4) {
		case 0:
			return "missing"
		case 1:
			return "(" + g.expression(t, depth-1) + ").missing"
		default:
			t = g.any(2)
		}
	}
	if depth <= 0 || g.IntN(5) == 0 {
		return g.leaf(t, depth)
	}
	for range 20 {
		row := g.Rows[g.IntN(len(g.Rows))]
		bound := map[string]*ours.Type{}
		if fits(row.Type, t, bound) {
			return "(" + g.fill(row.Text, bound, depth) + ")"
		}
	}
	return g.leaf(t, depth)
}

// fill replaces the holes of a row.
func (g *Generator) fill(text string, bound map[string]*ours.Type, depth int) string {
	var b strings.Builder
	scope := len(g.scope)
	for {
		from := strings.IndexByte(text, '{')
		if from < 0 {
			b.WriteString(text)
			break
		}
		to := hole(text[from:])
		b.WriteString(text[:from])
		if to < 0 {
			b.WriteByte('{')
			text = text[from+1:]
			continue
		}
		name := text[from+1 : from+to]
		text = text[from+to+1:]
		if v, typ, ok := strings.Cut(name, ":"); ok {
			g.names++
			v += strconv.Itoa(g.names)
			g.scope = append(g.scope, ours.Variable{Name: v, Type: g.typeOf(typ, bound)})
			b.WriteString(v)
			continue
		}
		b.WriteString(g.expression(g.typeOf(name, bound), depth-1))
	}
	g.scope = g.scope[:scope]
	return b.String()
}

// hole returns where the hole ends that a text begins with, -1 if the brace is one of a literal.
func hole(text string) int {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ(),:"
	end := strings.IndexByte(text, '}')
	for i := 1; i < end; i++ {
		c := text[i]
		if !strings.ContainsRune(letters, rune(c)) || c == ':' && i+1 < end && text[i+1] == ' ' {
			return -1
		}
	}
	return end
}

// fits says whether a row of a type is of use where t is wanted, and binds T.
func fits(pattern string, t *ours.Type, bound map[string]*ours.Type) bool {
	switch {
	case pattern == "T":
		bound["T"] = t
		return true
	case pattern == "list(T)" && t.Kind == ours.List:
		bound["T"] = t.Params[0]
		return true
	case pattern == "map(string,T)" && t.Kind == ours.Map:
		bound["T"] = t.Params[1]
		return true
	case pattern == "optional(T)" && t.Kind == ours.Opaque:
		bound["T"] = t.Params[0]
		return true
	case strings.HasPrefix(pattern, "list(") && t.Kind == ours.List:
		return strings.TrimSuffix(pattern[5:], ")") == t.Params[0].String()
	}
	return pattern == t.String()
}

// typeOf returns the type that a hole names.
func (g *Generator) typeOf(name string, bound map[string]*ours.Type) *ours.Type {
	if part, ok := strings.CutPrefix(name, "list("); ok {
		return ours.ListOf(g.typeOf(strings.TrimSuffix(part, ")"), bound))
	}
	if part, ok := strings.CutPrefix(name, "map(string,"); ok {
		return ours.MapOf(ours.StringType, g.typeOf(strings.TrimSuffix(part, ")"), bound))
	}
	if part, ok := strings.CutPrefix(name, "optional("); ok {
		return ours.OptionalOf(g.typeOf(strings.TrimSuffix(part, ")"), bound))
	}
	if name == "T" || name == "U" {
		if bound[name] == nil {
			bound[name] = g.any(1)
		}
		return bound[name]
	}
	if name == "uint" {
		return ours.UintType
	}
	for _, t := range simple {
		if t.String() == name {
			return t
		}
	}
	panic("no type " + name)
}

// paths returns what variables lead to, of a type; nil is any.
func (g *Generator) paths(t *ours.Type) []ours.Variable {
	var found []ours.Variable
	var walk func(path string, at *ours.Type, depth int)
	walk = func(path string, at *ours.Type, depth int) {
		if t == nil || at.Equivalent(t) {
			found = append(found, ours.Variable{Name: path, Type: at})
		}
		if at.Kind == ours.Object && depth < 4 {
			for _, name := range sortedFields(at) {
				walk(path+"."+name, at.Fields[name].Type, depth+1)
			}
		}
	}
	for _, v := range g.scope {
		walk(v.Name, v.Type, 0)
	}
	return found
}

// leaf returns a path or a literal.
func (g *Generator) leaf(t *ours.Type, depth int) string {
	if paths := g.paths(t); len(paths) > 0 && g.IntN(4) > 0 {
		path := paths[g.IntN(len(paths))].Name
		if t.Kind == ours.Bool && strings.Contains(path, ".") && g.IntN(3) == 0 {
			return "has(" + path + ")"
		}
		return path
	}
	if t.Kind == ours.Bool && g.IntN(3) == 0 {
		if paths := g.paths(nil); len(paths) > 0 {
			if path := paths[g.IntN(len(paths))].Name; strings.Contains(path, ".") {
				return "has(" + path + ")"
			}
		}
	}
	return g.literal(t, depth)
}

func (g *Generator) literal(t *ours.Type, depth int) string {
	switch t.Kind {
	case ours.Bool:
		return strconv.FormatBool(g.IntN(2) == 0)
	case ours.Int:
		return strconv.Itoa(g.IntN(12))
	case ours.Uint:
		return strconv.Itoa(g.IntN(12)) + "u"
	case ours.Double:
		return strconv.Itoa(g.IntN(12)) + ".5"
	case ours.String:
		return "'" + g.word() + "'"
	case ours.Bytes:
		return "b'" + g.word() + "'"
	case ours.Timestamp:
		return "timestamp('2024-02-03T04:05:06Z')"
	case ours.Duration:
		return []string{"duration('1h')", "duration('90s')", "duration('1')"}[g.IntN(100)/49]
	case ours.List:
		if g.IntN(3) == 0 {
			return "[]"
		}
		return "[" + g.expression(t.Params[0], depth-1) + "]"
	case ours.Map:
		if g.IntN(3) == 0 {
			return "{}"
		}
		return "{'k': " + g.expression(t.Params[1], depth-1) + "}"
	case ours.Opaque:
		return "optional.of(" + g.expression(t.Params[0], depth-1) + ")"
	case ours.Dyn:
		return "dyn(" + g.literal(simple[g.IntN(4)], depth) + ")"
	}
	return "null"
}
