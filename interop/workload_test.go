package interop

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"apichain/interop/history"
	"apichain/interop/workload"
)

// work runs a workload for a time and reports the faults of its history.
func work(t *testing.T, w *workload.Workload, length time.Duration) (*workload.Result, []history.Fault) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	result, err := w.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result)
	return result, history.Check(result.History)
}

// TestWorkload: what concurrent clients see of a server that nothing happens to is right, and nothing fails.
func TestWorkload(t *testing.T) {
	s := start(t)
	w := &workload.Workload{Servers: s.HTTP, Name: "quiet", Writers: 4, Readers: 2, Watchers: 3, Pace: time.Millisecond}
	result, faults := work(t, w, 2*time.Second)
	for _, f := range faults {
		t.Error(f)
	}
	for _, f := range result.Failures {
		t.Error(f)
	}
	if result.Count(history.OK) < 20 || result.Count(history.Refused) == 0 {
		t.Errorf("that was no work: %v", result)
	}
}

// TestWorkloadFindsLies: the same server behind a proxy that lies a single time is found out.
func TestWorkloadFindsLies(t *testing.T) {
	s := start(t)
	target, err := url.Parse(s.HTTP[0])
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	for name, tt := range map[string]struct {
		want []history.Kind
		lie  func(p *httputil.ReverseProxy)
	}{
		"an update that is acknowledged and not made": {[]history.Kind{
			history.Lost, history.Torn, history.Forked, history.Unfounded,
		}, func(p *httputil.ReverseProxy) {
			p.Transport = trips(func(r *http.Request) (*http.Response, error) {
				if r.Method == "PUT" && requests.Add(1) == 20 {
					b, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					// Its revision is one that is sure to be free.
					b = bytes.Replace(b, []byte(`"resourceVersion":"`), []byte(`"resourceVersion":"9`), 1)
					return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(b)), Request: r}, nil
				}
				return http.DefaultTransport.RoundTrip(r)
			})
		}},
		"an event that does not come": {[]history.Kind{history.Missed}, func(p *httputil.ReverseProxy) {
			var dropped atomic.Bool
			p.ModifyResponse = func(r *http.Response) error {
				if strings.Contains(r.Request.URL.RawQuery, "watch=1") {
					r.Body = &dropping{ReadCloser: r.Body, dropped: &dropped}
				}
				return nil
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := httputil.NewSingleHostReverseProxy(target)
			proxy.FlushInterval = -1
			proxy.ErrorLog = nil
			tt.lie(proxy)
			front := httptest.NewServer(proxy)
			defer front.Close()
			_, faults := work(t, &workload.Workload{
				Servers: []string{front.URL}, Name: strings.ReplaceAll(name, " ", "-"), Writers: 4, Readers: 2, Watchers: 2, Pace: 2 * time.Millisecond,
			}, 2*time.Second)
			if !slices.ContainsFunc(faults, func(f history.Fault) bool { return slices.Contains(tt.want, f.Kind) }) {
				t.Errorf("not found: %v", faults)
			}
		})
	}
}

// trips is a transport that is a function.
type trips func(*http.Request) (*http.Response, error)

func (f trips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// dropping leaves out the first MODIFIED of all watches that share dropped. Events come in writes of their own.
type dropping struct {
	io.ReadCloser
	dropped *atomic.Bool
}

func (d *dropping) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	lines := bytes.SplitAfter(p[:n], []byte("\n"))
	for i, line := range lines {
		whole := bytes.HasPrefix(line, []byte(`{"type":"MODIFIED"`)) && bytes.HasSuffix(line, []byte("\n"))
		if whole && d.dropped.CompareAndSwap(false, true) {
			return copy(p, bytes.Join(slices.Delete(lines, i, i+1), nil)), err
		}
	}
	return n, err
}
