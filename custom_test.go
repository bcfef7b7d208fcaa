package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// TestServedAtOnce: a definition is served when its POST is answered, in all that shows it,
// and no longer when it has gone.
func TestServedAtOnce(t *testing.T) {
	c := startClients(t, "h2")
	var worst time.Duration
	for i := range 20 {
		plural := "things" + strconv.Itoa(i)
		c.Must(404, "GET", "/apis/example.com/v1/"+plural, nil)
		c.Must(201, "POST", definitionsPath, definitionOf(plural, "Thing"+strconv.Itoa(i), "Namespaced"))
		begun := time.Now()
		c.Must(201, "POST", "/apis/example.com/v1/namespaces/default/"+plural, custom("Thing"+strconv.Itoa(i), "x"))
		worst = max(worst, time.Since(begun))
		doc := c.Must(200, "GET", "/apis/example.com/v1", nil)
		if !slices.ContainsFunc(tree.List(doc, "resources"), func(r any) bool { return tree.Text(r, "name") == plural }) {
			t.Fatalf("%s is not in the discovery document", plural)
		}
		c.Must(200, "GET", "/apis/example.com", nil)
		agg := c.get(c.kind, "/apis", "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		if !strings.Contains(agg.body, `"`+plural+`"`) {
			t.Fatalf("%s is not in aggregated discovery", plural)
		}
		if doc := c.get(c.kind, "/openapi/v3/apis/example.com/v1"); !strings.Contains(doc.body, "/"+plural) {
			t.Fatalf("%s is not in the OpenAPI document", plural)
		}
	}
	t.Logf("the slowest first create took %v", worst)
	for i := range 20 {
		name := "things" + strconv.Itoa(i) + ".example.com"
		c.Must(200, "DELETE", definitionsPath+"/"+name, nil)
		c.Soon(name+" is gone", c.Missing(definitionsPath+"/"+name))
		// The definition is out of the store a moment before it is followed.
		c.Soon("things"+strconv.Itoa(i)+" are gone", c.Missing("/apis/example.com/v1/things"+strconv.Itoa(i)))
	}
	c.Must(404, "GET", "/apis/example.com", nil)
	if c.get(c.kind, "/apis").body != c.get("http", "/apis").body || strings.Contains(c.get(c.kind, "/apis").body, "example.com") {
		t.Error("/apis still has the group")
	}
}

// many adds definitions without requests; all in one group, which is the worst.
func (c *clients) many(t testing.TB, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, _, err := c.api.Apply(t.Context(), definitionOf("many"+strconv.Itoa(i), "Many"+strconv.Itoa(i), "Namespaced")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyDefinitions: they slow neither a request nor the next definition.
func TestManyDefinitions(t *testing.T) {
	c := startClients(t, "http")
	p := c.program
	fastest := func(do func()) time.Duration {
		best := time.Hour
		for range 20 {
			begun := time.Now()
			do()
			best = min(best, time.Since(begun))
		}
		return best
	}
	n := 0
	measure := func() (request, served time.Duration) {
		h := p.chain("http")
		request = fastest(func() {
			for range 50 {
				req, _ := http.NewRequest("GET", "/apis/example.com/v1/namespaces/default/many0", nil)
				h.ServeHTTP(&sink{h: http.Header{}}, req)
			}
		}) / 50
		served = fastest(func() {
			n++
			crd := definitionOf("extra"+strconv.Itoa(n), "Extra"+strconv.Itoa(n), "Namespaced")
			if _, _, err := c.api.Apply(t.Context(), crd); err != nil {
				t.Fatal(err)
			}
			if p.api.Customs.Kind("example.com", "v1", "Extra"+strconv.Itoa(n)) == nil {
				t.Fatal("not served")
			}
		})
		return request, served
	}
	c.many(t, 0, 10)
	request, served := measure()
	c.many(t, 10, 2000)
	manyRequest, manyServed := measure()
	t.Logf("a request %v, with 2,000 %v; a definition %v, with 2,000 %v", request, manyRequest, served, manyServed)
	if manyRequest > 2*request+50*time.Microsecond {
		t.Errorf("a request takes %v with 2,000 definitions, %v with 10", manyRequest, request)
	}
	if manyServed > 5*served+time.Millisecond {
		t.Errorf("a definition is served after %v", manyServed)
	}
}

// BenchmarkDefinitions is what the next definition costs, and a request, with 10,000.
func BenchmarkDefinitions(b *testing.B) {
	c := startClients(b, "http")
	c.many(b, 0, 10_000)
	b.Run("create", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			name := fmt.Sprintf("x%d-%d", b.N, i)
			if _, _, err := c.api.Apply(b.Context(), definitionOf(name, "X"+name, "Namespaced")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		req, _ := http.NewRequest("GET", "/apis/example.com/v1/namespaces/default/many5000", nil)
		for b.Loop() {
			c.chain("http").ServeHTTP(&sink{h: http.Header{}}, req)
		}
	})
}
