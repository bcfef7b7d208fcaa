package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/status"
)

// TestContinue: a token reads back as what it says, and what is none is 400.
func TestContinue(t *testing.T) {
	for _, want := range []api.ContinueToken{
		{Version: api.ContinueVersion, Revision: 30, Start: "/d2\x00"}, {Version: api.ContinueVersion, Revision: -1, Start: "/ns/name\x00"}, {Version: api.ContinueVersion, Revision: 1 << 62, Start: "/"}, {Version: api.ContinueVersion, Revision: 7, Start: "/<&>\u2028\x00"},
	} {
		got, err := api.ParseContinue(want.String())
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
		"no version":     api.ContinueToken{Version: "", Revision: 30, Start: "/a\x00"}.String(),
		"later version":  api.ContinueToken{Version: "meta.k8s.io/v2", Revision: 30, Start: "/a\x00"}.String(),
		"no revision":    api.ContinueToken{Version: api.ContinueVersion, Revision: 0, Start: "/a\x00"}.String(),
		"below the last": api.ContinueToken{Version: api.ContinueVersion, Revision: -2, Start: "/a\x00"}.String(),
		"no slash":       api.ContinueToken{Version: api.ContinueVersion, Revision: 30, Start: "a\x00"}.String(),
	} {
		_, err := api.ParseContinue(token)
		var e *status.Error
		if !errors.As(err, &e) || e.Code != http.StatusBadRequest || e.Reason != "BadRequest" || !strings.HasPrefix(e.Message, "invalid continue token: ") && !strings.Contains(e.Message, "continue key is not valid") {
			t.Errorf("%s: got %v, want 400", name, err)
		}
	}
}

// FuzzContinue: no token of a client breaks a list, and none shows another namespace.
func FuzzContinue(f *testing.F) {
	c := startClients(f)
	for _, ns := range []string{"default", "kube-public"} {
		c.Must(201, "POST", "/api/v1/namespaces/"+ns+"/configmaps", mapObject("a"))
	}
	revision := c.Store.Revision()
	f.Add(api.ContinueToken{Version: api.ContinueVersion, Revision: revision, Start: "/a\x00"}.String())
	f.Add(api.ContinueToken{Version: api.ContinueVersion, Revision: -1, Start: "/../kube-public/\x00"}.String())
	f.Add("e30")
	maps := c.API.ForKind("v1", "ConfigMap")
	f.Fuzz(func(t *testing.T, token string) {
		parsed, err := api.ParseContinue(token)
		if err != nil {
			return
		}
		q := c.API.Internal(maps, "list", "default", "", "")
		sn, err := q.Snapshot(&api.ListOptions{From: parsed, Revision: -1})
		if err != nil {
			return
		}
		for o := range sn.Scan(q.Prefix(), q.Prefix()+parsed.Start[1:]) {
			if o.Namespace() != "default" {
				t.Fatalf("%q shows %s", parsed.Start, o.Key)
			}
		}
	})
}
