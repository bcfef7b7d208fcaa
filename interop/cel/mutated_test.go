package cel

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestMutated compares what becomes of upstream's expressions if words of one are put into another, are left out, or stand twice:
// most have something wrong with their types, others with their syntax.
func TestMutated(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(setting(t, "CEL_SEED", 16)), 1))
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|[A-Za-z_0-9.]+|\s+|[^A-Za-z_0-9\s]`)
	var sources [][]string
	for _, path := range []string{"github.com/google/cel-go/checker", "github.com/google/cel-go/ext", "k8s.io/apiserver/pkg/cel"} {
		for _, s := range texts(t, path) {
			if words := word.FindAllString(s, -1); len(words) > 2 && len(words) < 60 && strings.ContainsAny(s, "([.=<") {
				sources = append(sources, words)
			}
		}
	}
	env := ourBase()
	g := NewGenerator(1)
	p := newPair(t, env, g.Schema("Root", 3))
	dyn := newPairOf(t, env, strings.Fields("self x y z a b c l list map object oldObject request params str m v")...)
	n, bad := count(t, 500), 0
	for range n {
		words := append([]string(nil), sources[r.IntN(len(sources))]...)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(words))
			switch r.IntN(4) {
			case 0:
				words[at] = ""
			case 1:
				words[at] += words[at]
			default:
				other := sources[r.IntN(len(sources))]
				words[at] = other[r.IntN(len(other))]
			}
		}
		e := strings.Join(words, "")
		for _, p := range []*pair{p, dyn} {
			if their, our := p.compare(t, e); their != our {
				if bad++; bad <= 20 {
					t.Errorf("%s\ntheirs: %s\nours:   %s", e, brief(their), brief(our))
				}
			}
		}
	}
	t.Logf("%d compared twice, %d differ", n, bad)
}
