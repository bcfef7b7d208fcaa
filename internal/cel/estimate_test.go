package cel

import (
	"math"
	"testing"
)

// TestEstimate has the costs that upstream's estimator gives for the same schema.
func TestEstimate(t *testing.T) {
	env := petEnv(t)
	for text, want := range map[string]Range{
		"true":                                                      {0, 0},
		"self.age":                                                  {2, 2},
		"has(self.name)":                                            {1, 1},
		"self.age == 3":                                             {2, 2},
		"self.name == 'abc'":                                        {3, 3},
		"self.name == self.labels.x":                                {6, 15},
		"self.name != self.tags[0].key":                             {7, 13},
		"self.name < self.name":                                     {5, 14},
		"self.name + 'abc' == ''":                                   {3, 13},
		"self.name.startsWith('abc')":                               {3, 3},
		"self.name.contains('abc')":                                 {2, 12},
		"self.name.matches('^[a-z]+$')":                             {4, 24},
		"self.name.size() > 3":                                      {4, 4},
		"'a' in self.names":                                         {2, 9223372036854775810},
		"'a' in self.labels":                                        {3, 3},
		"self.names == ['a']":                                       {13, 13},
		"self.tags.all(t, t.key != '')":                             {3, 53},
		"self.tags.all(t, t.key != '' && t.count > 1)":              {3, 83},
		"self.names.all(n, n != '')":                                {3, 18446744073709551615},
		"self.labels.all(k, self.labels[k] == 'x')":                 {3, 67},
		"self.tags.map(t, t.key)":                                   {13, 153},
		"self.tags.map(t, t.key).all(k, k == 'abc')":                {14, 194},
		"self.tags.filter(t, t.count > 1).size() > 1":               {15, 175},
		"self.tags.exists_one(t, self.tags.all(u, u.key == t.key))": {4, 1454},
		"(self.age > 1 ? self.name : 'abc') == 'x'":                 {4, 6},
		"self.age > 1 || self.name == 'abcdefghijklmnopqrst'":       {3, 7},
		"[self.name, 'a'].all(x, x == 'abcdefghijklmnop')":          {19, 21},
		"{'a': self.name}['a'] == self.name":                        {36, 45},
		"[1, 2, 3]":                                                 {10, 10},
		"{'a': 1}":                                                  {30, 30},
		"Pet{name: 'a'}":                                            {40, 40},
		"bytes(self.name).size() == 1":                              {4, 14},
		"string(bytes(self.name)) == self.name":                     {5, 64},
		"dyn(self.name) == self.name":                               {6, 15},
		"self.any == self.name":                                     {4, 4},
		"self.names + self.names == self.names":                     {8, 922337203685477639},
		"(self.names + ['a']).all(x, x == '')":                      {17, 18446744073709551615},
		"self.born < timestamp('2024-01-01T00:00:00Z')":             {4, 4},
		"self.tags[0] == self.tags[1]":                              {6, 6},
	} {
		c, err := env.Check(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := c.Estimate(); got != want {
			t.Errorf("%s: %v, not %v", text, got, want)
		} else if again := c.Estimate(); again != got {
			t.Errorf("%s: %v the second time", text, again)
		}
	}
}

// TestRangesStay shows that numbers stay at the greatest.
func TestRangesStay(t *testing.T) {
	for name, c := range map[string]struct{ got, want Range }{
		"plus":    {Range{1, math.MaxUint64}.Plus(Range{2, 3}), Range{3, math.MaxUint64}},
		"times":   {Range{2, 1 << 40}.Times(Range{3, 1 << 40}), Range{6, math.MaxUint64}},
		"nothing": {Range{0, math.MaxUint64}.Times(Range{0, 0}), Range{}},
		"scale":   {Range{1, math.MaxUint64}.Scale(2), Range{2, math.MaxUint64}},
		"part":    {Range{1, 25}.Scale(TextFactor), Range{1, 3}},
		"union":   {Range{3, 5}.Union(Range{1, 4}), Range{1, 5}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, not %v", name, c.got, c.want)
		}
	}
}

// TestSizesByPath shows where sizes come from: from the root whatever a path begins with, or only from one variable; and from maps by
// the names of entries only if their type says so.
func TestSizesByPath(t *testing.T) {
	text := bounded(StringType, 1000)
	attributes := bounded(MapOf(bounded(StringType, 0), text), 5)
	named := *attributes
	named.Named = true
	root := &Type{Kind: Object, Name: "Device", Fields: map[string]*Field{
		"plain": {Type: attributes}, "named": {Type: &named}, "text": {Type: text},
	}}
	base := standardEnv(t).With([]Variable{{"device", root}, {"other", MapOf(StringType, StringType)}}, nil)
	const none = 1844674407370955264 // what nothing is known of, gone through as text
	for _, c := range []struct {
		env  *Env
		text string
		most uint64
	}{
		{base, "device.text + ''", 102},
		{base, "device.plain.x + ''", none + 3},
		{base, "device.named.x + ''", 103},
		{base, "device.plain['x'] + ''", 103},
		{base, "other.text + ''", 102},
		{base, "{'text': 'a'}.text + ''", 31},
		{base.Measured(root, "device"), "device.text + ''", 102},
		{base.Measured(root, "device"), "other.text + ''", none + 2},
		{base.Measured(nil, ""), "device.text + ''", none + 2},
	} {
		checked, err := c.env.Check(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := checked.Estimate().Max; got != c.most {
			t.Errorf("%s: %d, not %d", c.text, got, c.most)
		}
	}
}

// TestEstimatesOfLibraries shows what the estimate of an overload gets, and that a function's is that of its overloads without one.
func TestEstimatesOfLibraries(t *testing.T) {
	thing := ObjectOf("test.Thing")
	var seen []Node
	l := &Library{
		Functions: []Function{
			{Name: "longest", Overloads: []Overload{{ID: "longest", Member: true, Args: []*Type{ListOf(StringType), IntType}, Result: StringType,
				Estimate: func(nodes []Node) (Range, *Range) {
					seen = nodes
					size := nodes[0].Item().Size()
					return nodes[0].Size().Times(size), &size
				}}}},
			{Name: "thing", Overloads: []Overload{{ID: "thing", Args: []*Type{StringType}, Result: thing}},
				Estimate: func(nodes []Node) (Range, *Range) { return Exactly(7), nil }},
		},
		Equality: func(typ *Type, a, b Node) (Range, bool) { return Exactly(100), typ.Name == "test.Thing" },
	}
	names := bounded(ListOf(bounded(StringType, 30)), 4)
	env := NewEnv(Options{Libraries: []*Library{Standard(), l}}).With([]Variable{{"self", &Type{Kind: Object, Name: "S", Fields: map[string]*Field{
		"names": {Type: names}}}}}, nil)
	for text, want := range map[string]Range{
		"self.names.longest(3)":                  {2, 122},
		"self.names.longest(3) + ''":             {2, 125},
		"thing('a') == thing('b')":               {114, 114},
		"thing('a') != thing('b')":               {15, 1844674407370955278},
		"[thing('a')].all(t, t == thing('a'))":   {21, 129},
		"dyn(thing('a')) == dyn(thing('b'))":     {17, 1844674407370955280},
		"{'a': thing('b')}.a == dyn(thing('b'))": {46, 46},
	} {
		c, err := env.Check(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := c.Estimate(); got != want {
			t.Errorf("%s: %v, not %v", text, got, want)
		}
	}
	if c, err := env.Check("self.names.longest(3)"); err != nil {
		t.Error(err)
	} else {
		c.Estimate()
	}
	if v, ok := seen[1].Literal(); len(seen) != 2 || !ok || v != int64(3) {
		t.Errorf("the argument is %v", v)
	}
	if _, ok := seen[0].Literal(); ok || !seen[0].Known() || seen[0].Size().Max != 4 || seen[0].Item().Item() != nil {
		t.Errorf("the receiver is %v", seen[0])
	}
}
