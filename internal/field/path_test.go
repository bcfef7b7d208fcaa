package field

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
)

func TestPath(t *testing.T) {
	var none *Path
	spec := Root("spec")
	for _, tc := range []struct {
		p    *Path
		want string
	}{
		{none, "<nil>"},
		{none.Child("a"), "a"}, // as a root: nothing stands before it
		{none.Key("a"), "[a]"},
		{none.Index(0), "[0]"},
		{none.Index(2).Child("a"), "[2].a"},
		{Root(""), ""},
		{spec, "spec"},
		{spec.Child("a"), "spec.a"},
		{spec.Child("a").Child("b"), "spec.a.b"},
		{spec.Child("list").Index(12).Child("x"), "spec.list[12].x"},
		{spec.Index(-1), "spec[-1]"},
		{Root("metadata").Child("labels").Key("example.com/a"), "metadata.labels[example.com/a]"},
		{spec.Key(""), "spec[]"},
		{spec.Key("a]b").Key("c.d"), "spec[a]b][c.d]"}, // keys are not quoted
		{spec.Child("x.y"), "spec.x.y"},
	} {
		if got := tc.p.String(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// TestPathModel: random steps from any path made before give the text that grows step by
// step, and leave the path that they began at as it was.
func TestPathModel(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	type made struct {
		p    *Path
		text string
	}
	paths := []made{{Root("spec"), "spec"}, {nil, ""}}
	for range 2000 {
		from := paths[r.IntN(len(paths))]
		var next made
		switch name, i := "f"+strconv.Itoa(r.IntN(30)), r.IntN(200); r.IntN(3) {
		case 0:
			next = made{from.p.Child(name), from.text + "." + name}
			if from.p == nil {
				next.text = name
			}
		case 1:
			next = made{from.p.Key(name), from.text + "[" + name + "]"}
		case 2:
			next = made{from.p.Index(i), from.text + "[" + strconv.Itoa(i) + "]"}
		}
		paths = append(paths, next)
	}
	// From several goroutines: the race detector sees a path that changes.
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for _, m := range paths {
				if m.p != nil && m.p.String() != m.text {
					t.Errorf("got %q, want %q", m.p, m.text)
				}
			}
		})
	}
	wg.Wait()
}

// TestPathAllocations: a step costs its place, and its text where it has to be made; only
// writing costs the length of the path.
func TestPathAllocations(t *testing.T) {
	p := Root("spec").Child("template").Child("spec").Child("containers")
	var sink *Path
	if n := testing.AllocsPerRun(100, func() { sink = p.Index(1) }); n > 2 {
		t.Errorf("%v allocations for a step", n)
	}
	var text string
	if n := testing.AllocsPerRun(100, func() { text = sink.String() }); n > 2 {
		t.Errorf("%v allocations for the text of a path", n)
	}
	if text != "spec.template.spec.containers[1]" {
		t.Error(text)
	}
}
