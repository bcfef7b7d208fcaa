package cel

import "testing"

func TestCheckSmoke(t *testing.T) {
	env := NewEnv(Options{Libraries: []*Library{Standard()}, Optionals: true, Homogeneous: true, Literals: true,
		Variables: []Variable{{"x", IntType}, {"l", ListOf(StringType)}}})
	for _, s := range []string{"x + 1", "l.size() > x", "foo", "x + 'a'", "[1, 'a']", "x.y", "l[0].startsWith('a') ? 1 : 'b'", "type(x) == int"} {
		c, err := env.Check(s)
		if err != nil {
			t.Log(s, err)
			continue
		}
		t.Log(s, c.Type(), c.Estimate())
	}
}
