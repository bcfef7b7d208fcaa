package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/backend"
	"apichain/internal/metrics"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// TestTargetOf: where a clientConfig leads.
func TestTargetOf(t *testing.T) {
	for text, want := range map[string]backend.Target{
		`{"url":"https://a/b","caBundle":"eA=="}`:                          {URL: "https://a/b", CABundle: []byte("x")},
		`{"service":{"namespace":"n","name":"s"}}`:                         {Service: backend.Service{Namespace: "n", Name: "s", Port: 443}},
		`{"service":{"namespace":"n","name":"s","path":"c"}}`:              {Service: backend.Service{Namespace: "n", Name: "s", Port: 443, Path: "/c"}},
		`{"service":{"namespace":"n","name":"s","port":8443,"path":"/c"}}`: {Service: backend.Service{Namespace: "n", Name: "s", Port: 8443, Path: "/c"}},
		`{}`: {},
	} {
		config, _, err := tree.ParseJSONObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := targetOf(config); got.URL != want.URL || got.Service != want.Service || string(got.CABundle) != string(want.CABundle) {
			t.Errorf("%s leads to %+v, want %+v", text, got, want)
		}
	}
}

// TestCleaned: the URL that upstream's client makes of one.
func TestCleaned(t *testing.T) {
	for url, want := range map[string]string{
		"https://a": "https://a/", "https://a/": "https://a/", "https://a:8443": "https://a:8443/", "https://a/b/": "https://a/b", "https://a//b/../c/./": "https://a/c",
		"https://[::1]:1/x//y": "https://[::1]:1/x/y", "https://s.n.svc:443/..": "https://s.n.svc:443/",
	} {
		if got := cleaned(url); got != want {
			t.Errorf("%s is asked at %s, want %s", url, got, want)
		}
	}
}

// TestTimeoutQuery: a webhook is told whole seconds, of which a part is one; and nothing where there is no end, or none left.
func TestTimeoutQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := timeoutQuery(t.Context()); got != "" {
			t.Errorf("without an end %q", got)
		}
		for left, want := range map[time.Duration]string{
			time.Second: "?timeout=1s", time.Millisecond: "?timeout=1s", 1500 * time.Millisecond: "?timeout=2s", 30 * time.Second: "?timeout=30s",
			time.Minute + time.Nanosecond: "?timeout=1m1s", 0: "", -time.Second: "",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			if got := timeoutQuery(ctx); got != want {
				t.Errorf("%v left: %q, want %q", left, got, want)
			}
			cancel()
		}
	})
}

// TestBodyError: what is said of an answer that breaks off, and of none.
func TestBodyError(t *testing.T) {
	broken := errors.New("unexpected EOF")
	if err := bodyError(0, broken); err != broken {
		t.Errorf("without an answer %v", err)
	}
	for _, c := range []struct{ err, want string }{
		{"unexpected EOF", "unexpected error when reading response body. Please retry. Original error: unexpected EOF"},
		{"stream error: stream ID 1; CANCEL", "stream error when reading response body, may be caused by closed connection. Please retry. Original error: stream error: stream ID 1; CANCEL"},
	} {
		if err := bodyError(200, errors.New(c.err)); err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestReadPatch: what is a list of operations, as far as it is looked at before it is applied.
func TestReadPatch(t *testing.T) {
	for text, want := range map[string]string{
		``: "0", `null`: "0", `[]`: "0", `[{},null]`: "2", `[{"op":"add","path":"/a","value":1}]`: "1",
		`{}`: "json: cannot unmarshal object into Go value of type jsonpatch.Patch", `"x"`: "json: cannot unmarshal string into Go value of type jsonpatch.Patch",
		`[1]`: "json: cannot unmarshal number into Go value of type jsonpatch.Operation", `[{},[]]`: "json: cannot unmarshal array into Go value of type jsonpatch.Operation",
	} {
		list, err := readPatch([]byte(text))
		got := fmt.Sprint(len(list))
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{`[`, `[{}]x`, `- op: add`, strings.Repeat("[", 20_000)} {
		if list, err := readPatch([]byte(text)); err == nil || list != nil {
			t.Errorf("%.20s is a patch of %d", text, len(list))
		}
	}
}

// TestAppendUser: who writes, without what is empty; and the server itself by the name that webhooks let pass.
func TestAppendUser(t *testing.T) {
	const own = `{"groups":["system:authenticated","system:masters"],"username":"system:apiserver"}`
	for want, u := range map[string]request.User{
		own: {}, `{"username":"a"}`: {Name: "a"}, `{"groups":["g"]}`: {Groups: []string{"g"}},
		`{"extra":{"k":["1","2"],"l":[]},"groups":["g","h"],"uid":"u","username":"a\"b"}`: {
			Name: `a"b`, UID: "u", Groups: []string{"g", "h"}, Extra: map[string][]string{"k": {"1", "2"}, "l": nil},
		},
	} {
		if got := string(appendUser(nil, &u)); got != want {
			t.Errorf("%+v: %s, want %s", u, got, want)
		}
	}
}

// TestSeriesAreBounded: however many names there are, what is kept of them is bounded, and each is counted somewhere.
func TestSeriesAreBounded(t *testing.T) {
	var all map[seriesKey]*metrics.Counter
	for i := range 2 * mostSeries {
		of(&all, seriesKey{name: fmt.Sprint(i), typ: "admit"}, newCounter).Inc()
	}
	total := 0.0
	for _, c := range all {
		total += float64(c.Value())
	}
	if len(all) != mostSeries+1 || total != 2*mostSeries {
		t.Errorf("%d series with %v", len(all), total)
	}
	// A name that is known stays itself.
	of(&all, seriesKey{name: "0", typ: "admit"}, newCounter).Inc()
	if got := all[seriesKey{name: "0", typ: "admit"}].Value(); got != 2 {
		t.Errorf("the first one has %v", got)
	}
}
