package webhook

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/admission"
	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/auth"
	"apichain/internal/backend"
	"apichain/internal/expression"
	"apichain/internal/request"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// served is a server whose writes are asked about, and the webhooks that it asks: one listener on TLS with a path for each.
type served struct {
	*apitest.Server
	w     *Webhooks
	hooks *httptest.Server

	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	// asked are the paths that were asked since the last look, and reviews what they were sent.
	asked   []string
	reviews []map[string]any
	notes   map[string]string // annotations, those with the body too
	spent   time.Duration
	judging time.Duration // conditions
}

// start makes a server without webhooks; intercept, which may be nil, is the backends'. Its namespace default has the label runlevel 0.
func start(t testing.TB, intercept func(context.Context, *backend.Backend) error) *served {
	t.Helper()
	s := &served{answers: map[string]http.HandlerFunc{}, notes: map[string]string{}}
	s.hooks = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.hooks.EnableHTTP2 = true
	s.hooks.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.hooks.StartTLS()
	t.Cleanup(s.hooks.Close)
	backends := backend.New(backend.Config{Intercept: intercept})
	s.w = New(Config{
		Backends: backends, Authorizer: auth.DefaultAuthorizer(), Counts: &expression.Counts{}, Log: slog.New(slog.DiscardHandler),
	})
	chain, err := admission.New(admission.Config{Webhooks: s.w, Disabled: []string{"ServiceAccount"}})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = apitest.Start(t, apitest.Config{
		Admit: chain.For, AfterWrite: s.w.AfterWrite(),
		Annotated: func(key, value string, _ bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.notes[key] = value
		},
		Spent: func(in request.Part, took time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			switch in {
			case request.InWebhooks:
				s.spent += took
			case request.InRules:
				s.judging += took
			}
		},
		Extend: func(a *api.API) {
			chain.Look(a)
			s.w.Look(a, a.Store)
		},
	})
	s.Must(200, "PATCH", apitest.NamespacesPath+"/default", `{"metadata":{"labels":{"runlevel":"0"}}}`)
	return s
}

// serve keeps what is asked and answers as the path says.
func (s *served) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	review, _, _ := tree.ParseJSONObject(body)
	path := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	s.asked, s.reviews = append(s.asked, path), append(s.reviews, review)
	f := s.answers[path]
	s.mu.Unlock()
	if f == nil {
		http.NotFound(w, r)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	f(w, r)
}

// look returns what was asked since the last look, in order of names, and the reviews.
func (s *served) look() (asked []string, reviews []map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, reviews = s.asked, s.reviews
	s.asked, s.reviews, s.notes = nil, nil, map[string]string{}
	slices.Sort(asked)
	return asked, reviews
}

// noted returns the annotations since the last look.
func (s *served) noted() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for k, v := range s.notes {
		out[k] = v
	}
	return out
}

// says has a path answer a response, in the version of the review and with its uid; more is JSON in the response.
func (s *served) says(path, more string) {
	s.does(path, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		review, _, _ := tree.ParseJSONObject(body)
		response, _, err := tree.ParseJSONObject([]byte(more))
		if err != nil {
			panic(more + ": " + err.Error())
		}
		response["uid"] = tree.At(review, "request", "uid")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(tree.AppendJSON(nil, map[string]any{"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response}))
	})
}

// does has a path answer by f.
func (s *served) does(path string, f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = f
}

// patches has a path answer a JSON patch.
func (s *served) patches(path, patch string) {
	s.says(path, `{"allowed":true,"patchType":"JSONPatch","patch":"`+base64.StdEncoding.EncodeToString([]byte(patch))+`"}`)
}

// everything is a rule for all requests.
const everything = `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}`

// hookOf returns a webhook of the configuration: name NAME.example.com, asked at the path; more is JSON that goes over it.
func (s *served) hookOf(name, path, more string) map[string]any {
	s.T.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.hooks.Certificate().Raw})
	h, _, err := tree.ParseJSONObject([]byte(`{"name":"` + name + `.example.com","rules":[` + everything + `],"sideEffects":"None","admissionReviewVersions":["v1"],
	"timeoutSeconds":5,"clientConfig":{"url":"` + s.hooks.URL + "/" + path + `","caBundle":"` + base64.StdEncoding.EncodeToString(ca) + `"}}`))
	if err != nil {
		s.T.Fatal(err)
	}
	over, _, err := tree.ParseJSONObject([]byte("{" + more + "}"))
	if err != nil {
		s.T.Fatalf("%s: %v", more, err)
	}
	for k, v := range over {
		h[k] = v
	}
	return h
}

// configurationOf returns what of a kind is sent.
func configurationOf(kind, name string, hooks ...any) map[string]any {
	return map[string]any{"kind": kind + "WebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1",
		"metadata": map[string]any{"name": name}, "webhooks": hooks}
}

// pathOf returns where configurations of a kind, Mutating or Validating, are.
func pathOf(kind string) string {
	return "/apis/admissionregistration.k8s.io/v1/" + strings.ToLower(kind) + "webhookconfigurations"
}

// configure creates a configuration.
func (s *served) configure(kind, name string, hooks ...any) {
	s.T.Helper()
	s.Must(201, "POST", pathOf(kind), configurationOf(kind, name, hooks...))
}

// keep puts a configuration into the store past all checks, as an older server could have left it.
func (s *served) keep(kind, name string, hooks ...any) {
	s.T.Helper()
	obj := configurationOf(kind, name, hooks...)
	tree.Set(obj, "u-"+name, "metadata", "uid")
	phase := api.Mutating
	if kind == "Validating" {
		phase = api.Validating
	}
	draft := store.Encode(obj, nil)
	if _, err := s.Store.Commit(context.Background(), store.Change{Bucket: s.Store.Bucket(buckets[phase]), Key: name, Next: &draft}); err != nil {
		s.T.Fatal(err)
	}
	s.w.Follow()
}

// unconfigure removes all configurations.
func (s *served) unconfigure() {
	s.T.Helper()
	for _, kind := range []string{"Mutating", "Validating"} {
		s.Must(200, "DELETE", pathOf(kind), nil)
	}
	s.look()
}

// message returns what a Status says.
func message(obj map[string]any) string { return tree.Text(obj, "message") }
