package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"apichain/internal/status"
)

// TestContinue: a token reads back as what it says, and what is none is 400.
func TestContinue(t *testing.T) {
	for _, want := range []continueToken{
		{continueVersion, 30, "/d2\x00"}, {continueVersion, -1, "/ns/name\x00"}, {continueVersion, 1 << 62, "/"}, {continueVersion, 7, "/<&>\u2028\x00"},
	} {
		got, err := parseContinue(want.String())
		if err != nil || *got != want {
			t.Errorf("%+v: got %+v, %v", want, got, err)
		}
	}
	for name, token := range map[string]string{
		"no base64":      "%%%",
		"padded":         "e30=",
		"no JSON":        "bm9wZQ",
		"another kind":   "W10",
		"empty":          "e30",
		"no version":     continueToken{"", 30, "/a\x00"}.String(),
		"later version":  continueToken{"meta.k8s.io/v2", 30, "/a\x00"}.String(),
		"no revision":    continueToken{continueVersion, 0, "/a\x00"}.String(),
		"below the last": continueToken{continueVersion, -2, "/a\x00"}.String(),
		"no slash":       continueToken{continueVersion, 30, "a\x00"}.String(),
	} {
		_, err := parseContinue(token)
		var e *status.Error
		if !errors.As(err, &e) || e.Code != http.StatusBadRequest || e.Reason != "BadRequest" || !strings.HasPrefix(e.Message, "invalid continue token: ") && !strings.Contains(e.Message, "continue key is not valid") {
			t.Errorf("%s: got %v, want 400", name, err)
		}
	}
}

// FuzzContinue: no token of a client breaks a list, and none shows another namespace.
func FuzzContinue(f *testing.F) {
	p := benchServer(f)
	w := &sink{h: http.Header{}}
	for _, ns := range []string{"default", "kube-public"} {
		if code := p.ask(w, "POST", "/api/v1/namespaces/"+ns+"/configmaps", "application/json", benchMap("a", ns)); code != 201 {
			f.Fatal(code)
		}
	}
	revision := p.store.Revision()
	f.Add(continueToken{continueVersion, revision, "/a\x00"}.String())
	f.Add(continueToken{continueVersion, -1, "/../kube-public/\x00"}.String())
	f.Add("e30")
	maps := p.rest.resourceOf("v1", "ConfigMap")
	f.Fuzz(func(t *testing.T, token string) {
		parsed, err := parseContinue(token)
		if err != nil {
			return
		}
		q := p.rest.internal(maps, "list", "default", "", "")
		sn, err := q.snapshot(&listOptions{from: parsed, revision: -1})
		if err != nil {
			return
		}
		for o := range sn.Scan(q.prefix(), q.prefix()+parsed.Start[1:]) {
			if o.Namespace() != "default" {
				t.Fatalf("%q shows %s", parsed.Start, o.Key)
			}
		}
	})
}
