package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// conversionWebhook is a webhook that converts objects whose size is spec.size in v1, and spec.dimension in v2.
type conversionWebhook struct {
	*httptest.Server

	mu sync.Mutex
	// asked has, for each review, the version that was wanted and the objects, as "v2<v1/a,v1/b".
	asked []string
	// convert makes of an object one of another version, in place; nil: resize.
	convert func(obj map[string]any, to string) error
	// handle answers in place of the webhook; nil: it does itself.
	handle http.HandlerFunc
}

// startConversionWebhook starts one that ends with the test.
func startConversionWebhook(t testing.TB) *conversionWebhook {
	h := &conversionWebhook{}
	h.Server = httptest.NewTLSServer(h)
	t.Cleanup(h.Close)
	return h
}

// set changes how it converts, or answers.
func (h *conversionWebhook) set(convert func(obj map[string]any, to string) error, handle http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.convert, h.handle = convert, handle
}

// taken returns what it was asked since the last time, sorted.
func (h *conversionWebhook) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	slices.Sort(asked)
	return asked
}

// resize is the conversion.
func resize(obj map[string]any, to string) error {
	spec, _ := obj["spec"].(map[string]any)
	from, into := "size", "dimension"
	if strings.HasSuffix(to, "/v1") {
		from, into = into, from
	}
	if v, ok := spec[from]; ok {
		delete(spec, from)
		spec[into] = v
	}
	return nil
}

// conversionReview is a review as a webhook sees it.
type conversionReview struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Request    struct {
		UID               string           `json:"uid"`
		DesiredAPIVersion string           `json:"desiredAPIVersion"`
		Objects           []map[string]any `json:"objects"`
	} `json:"request"`
}

func (h *conversionWebhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	convert, handle := h.convert, h.handle
	h.mu.Unlock()
	if handle != nil {
		handle(w, r)
		return
	}
	if convert == nil {
		convert = resize
	}
	var review conversionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	to := review.Request.DesiredAPIVersion
	result, converted := map[string]any{"status": "Success"}, []any{}
	var objects []string
	for _, o := range review.Request.Objects {
		m, _ := o["metadata"].(map[string]any)
		objects = append(objects, fmt.Sprint(strings.TrimPrefix(fmt.Sprint(o["apiVersion"]), "example.com/"), "/", m["name"]))
		if err := convert(o, to); err != nil {
			result = map[string]any{"status": "Failure", "message": err.Error()}
		}
		o["apiVersion"] = to
		converted = append(converted, o)
	}
	h.mu.Lock()
	h.asked = append(h.asked, strings.TrimPrefix(to, "example.com/")+"<"+strings.Join(objects, ","))
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": review.Kind, "apiVersion": review.APIVersion,
		"response": map[string]any{"uid": review.Request.UID, "convertedObjects": converted, "result": result}})
}

// conversion returns spec.conversion by the webhook.
func (h *conversionWebhook) conversion(reviewVersions string) string {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	return fmt.Sprintf(`{"strategy":"Webhook","webhook":{"conversionReviewVersions":[%s],"clientConfig":{"url":"%s/convert","caBundle":"%s"}}}`,
		reviewVersions, h.URL, base64.StdEncoding.EncodeToString(ca))
}

// convertedDefinition defines gears in v1 and v2, of which one is stored, with a conversion.
func convertedDefinition(stored, conversion string) string {
	version := func(name, size string) string {
		return strings.NewReplacer("NAME", name, "SIZE", size, "STORED", fmt.Sprint(name == stored)).Replace(`{"name":"NAME","served":true,"storage":STORED,
		"subresources":{"status":{},"scale":{"specReplicasPath":".spec.SIZE","statusReplicasPath":".status.n"}},
		"selectableFields":[{"jsonPath":".spec.SIZE"}],"additionalPrinterColumns":[{"name":"N","type":"integer","jsonPath":".spec.SIZE"}],
		"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"SIZE":{"type":"integer","maximum":1000},
		"by-NAME":{"type":"string","default":"NAME"},"color":{"type":"string"},"payload":{"type":"string"}}},
		"status":{"type":"object","properties":{"n":{"type":"integer"}}}}}}}`)
	}
	return `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gears.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
	"names":{"plural":"gears","kind":"Gear"},"conversion":` + conversion + `,"versions":[` + version("v1", "size") + `,` + version("v2", "dimension") + `]}}`
}

// gear is an object in v1.
func gear(name string, size int) string {
	return fmt.Sprintf(`{"apiVersion":"example.com/v1","kind":"Gear","metadata":{"name":%q,"labels":{"app":"bench"}},"spec":{"size":%d,"color":"red","payload":%q}}`,
		name, size, strings.Repeat("x", 1024))
}

const (
	gearsV1 = "/apis/example.com/v1/namespaces/default/gears"
	gearsV2 = "/apis/example.com/v2/namespaces/default/gears"
)

// BenchmarkConvertedList is the cost of a list of 10,000 objects in the version that they are stored in, and in one that a
// webhook has converted them to before; "in turns" does both, so that what else the machine does is shared by both, and says
// how much the second costs of the first.
func BenchmarkConvertedList(b *testing.B) {
	p := benchServer(b)
	hook := startConversionWebhook(b)
	w := &sink{h: http.Header{}}
	if got := p.ask(w, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", convertedDefinition("v1", hook.conversion(`"v1"`))); got != 201 {
		b.Fatal(got)
	}
	for i := range 10_000 {
		p.ask(w, "POST", gearsV1, "application/json", gear(fmt.Sprintf("o-%05d", i), i%100))
	}
	for _, query := range []string{"", "?limit=500", "?labelSelector=app%3Dbench"} {
		for _, path := range []string{gearsV1, gearsV2} {
			b.Run(strings.Split(path, "/")[3]+query, func(b *testing.B) {
				p.ask(w, "GET", path+query, "", "") // the cache is warm
				for b.Loop() {
					w.n = 0
					if got := p.ask(w, "GET", path+query, "", ""); got != 200 {
						b.Fatal(got)
					}
				}
				b.SetBytes(int64(w.n))
			})
		}
	}
	b.Run("in turns", func(b *testing.B) {
		var took [2]time.Duration
		for b.Loop() {
			for i, path := range [...]string{gearsV1, gearsV2} {
				begun := time.Now()
				if got := p.ask(w, "GET", path, "", ""); got != 200 {
					b.Fatal(got)
				}
				took[i] += time.Since(begun)
			}
		}
		b.ReportMetric(float64(took[1])/float64(took[0]), "of-stored")
	})
}
