package admin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestPreferencesOfRFC9110 takes the examples of RFC 9110, 12.5.1, and the values its text
// gives them. Parameters of a media type other than q are not told apart here, so of the
// example with format=flowed the first text/plain counts.
func TestPreferencesOfRFC9110(t *testing.T) {
	for _, c := range []struct {
		clauses, form string
		quality       float64
		exactness     int
	}{
		{"audio/*; q=0.2, audio/basic", "audio/basic", 1, 3},
		{"audio/*; q=0.2, audio/basic", "audio/ogg", 0.2, 2},
		{"audio/*; q=0.2, audio/basic", "text/plain", 0, 0},
		{"text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", "text/html", 1, 3},
		{"text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", "text/x-c", 1, 3},
		{"text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", "text/x-dvi", 0.8, 3},
		{"text/plain; q=0.5, text/html, text/x-dvi; q=0.8, text/x-c", "text/plain", 0.5, 3},
		{"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5", "text/html", 0.3, 2},
		{"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5", "image/jpeg", 0.5, 1},
		{"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5", "text/plain", 0.7, 3},
		{"application/json;charset=utf-8;q=0.1", "application/json; charset=utf-8", 0.1, 3},
		{"*/*;q=0.001", "text/plain", 0.001, 1},
		{"text/*", "texture/x", 0, 0},
		{"", "text/plain", 0, 0},
	} {
		if q, n := preference(c.clauses, c.form); q != c.quality || n != c.exactness {
			t.Errorf("%s in %q: quality %v, exactness %d; want %v, %d", c.form, c.clauses, q, n, c.quality, c.exactness)
		}
	}
}

// TestClauseQuality: what is no quality accepts nothing, and the name is in either case.
func TestClauseQuality(t *testing.T) {
	for params, want := range map[string]float64{
		"": 1, " ": 1, "q=1": 1, "q=0": 0, "q=0.5": 0.5, " Q=0.25 ": 0.25, "charset=utf-8;q=0.3": 0.3, "q=0.4;charset=utf-8": 0.4,
		"q=1.001": 0, "q=-0.1": 0, "q=NaN": 0, "q=+Inf": 0, "q=": 0, "q": 0, "q=x": 0, "qs=0.2": 1, "q=0.1;q=0.9": 0.1,
	} {
		if got := clauseQuality(params); got != want {
			t.Errorf("%q: %v, want %v", params, got, want)
		}
	}
}

// acceptModel negotiates by the rules as the RFC words them: each form takes the quality of
// the most exact range that is there; the highest quality wins, then the most exact, then
// the first. Ranges are there once each.
func acceptModel(qualities map[string]int, forms []string) (best string) {
	bestQuality, bestExact := 0, 0
	for _, form := range forms {
		kind, _, _ := strings.Cut(form, ";")
		group, _, _ := strings.Cut(kind, "/")
		for i, name := range []string{kind, group + "/*", "*/*"} {
			q, there := qualities[name]
			if !there {
				continue
			}
			if exact := 3 - i; q > bestQuality || q == bestQuality && q > 0 && exact > bestExact {
				best, bestQuality, bestExact = form, q, exact
			}
			break
		}
	}
	return best
}

// TestNegotiateAgainstModel compares with acceptModel, for clauses in any order, on one
// line or several.
func TestNegotiateAgainstModel(t *testing.T) {
	const seed = 20261129
	r := rand.New(rand.NewPCG(seed, 0))
	ranges := []string{"application/json", "text/plain", "text/html", "application/*", "text/*", "*/*", "image/png"}
	offered := [][]string{{formJSON, formText}, {formJSON, formText, formHTML}, {formText, formJSON}, {formEvents}, {formBinary, formText}}
	for n := range 20000 {
		qualities, clauses := map[string]int{}, []string{}
		for _, name := range ranges {
			if r.IntN(3) == 0 {
				// Few values, so that ties are common.
				q := []int{0, 1, 500, 999, 1000}[r.IntN(5)]
				qualities[name] = q
				clauses = append(clauses, fmt.Sprintf("%s;q=%.3f", name, float64(q)/1000))
			}
		}
		if len(clauses) == 0 {
			continue
		}
		forms := offered[r.IntN(len(offered))]
		want := acceptModel(qualities, forms)
		for range 3 {
			r.Shuffle(len(clauses), func(i, j int) { clauses[i], clauses[j] = clauses[j], clauses[i] })
			for _, accept := range [][]string{clauses, {strings.Join(clauses, ", ")}, {strings.ToUpper(strings.Join(clauses, ","))}} {
				if got, ok := negotiate(accept, forms); got != want || ok != (want != "") {
					t.Fatalf("seed %d, %d: Accept %q of %q: %q %v, want %q", seed, n, accept, forms, got, ok, want)
				}
			}
		}
	}
}

// FuzzNegotiate: the form is one of those offered, and adding a range that refuses all else
// changes nothing for one that is named exactly.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"*/*", "text/plain, */*;q=0.1", "application/json;q=0", ",;,", "text/plain;q=0.5;Q=1", "a/b;q=1e-5"} {
		f.Add(s)
	}
	forms := []string{formJSON, formText, formHTML}
	f.Fuzz(func(t *testing.T, accept string) {
		form, ok := negotiate([]string{accept}, forms)
		if ok != slices.Contains(forms, form) {
			t.Fatalf("%q: %q, %v", accept, form, ok)
		}
		if !ok {
			return
		}
		kind, _, _ := strings.Cut(form, ";")
		if again, _ := negotiate([]string{kind}, forms); again != form {
			t.Fatalf("%q alone gives %q", kind, again)
		}
		if _, exactness := preference(accept, form); exactness == 3 {
			if again, _ := negotiate([]string{accept, "*/*;q=0"}, forms); again == "" {
				t.Fatalf("%q with */*;q=0 gives nothing, without %q", accept, form)
			}
		}
	})
}
