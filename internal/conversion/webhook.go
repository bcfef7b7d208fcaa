// Package conversion asks the webhooks of definitions to convert their objects from one version to another.
//
// In come definitions, as objects of the API are, and objects of one version; out go objects of another, which have
// passed upstream's checks: a webhook may change what it likes of an object, but of metadata only labels and
// annotations. Errors are texts, upstream's; what they are to a client is said by who asked.
//
//	w := conversion.New(backends)
//	c := w.Converter(crd)
//	converted, _, err := c.Convert(ctx, []map[string]any{obj}, "example.com/v2")
//	w.Drop("widgets.example.com")
//
// Webhooks and the converters that they return may be used by any number of goroutines. Nothing is kept between
// two calls but counts: what was converted is kept by who asked. The package is internal to this program and
// promises no compatibility.
package conversion

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// A question, and what becomes of the answer. What can be wrong is of five sorts, in this order, which are counted apart:
//
//	objects ──> review ──> webhook ──> code, media type       call failure
//	                                   a review at all        garbage, counted as a call failure
//	                                   version, uid, status   malformed response
//	                                   as many objects        partial response
//	                                   each object            invalid converted object
//	                                   └──> objects of the other version
//
// After the first sort alone the webhook has not answered, as api.Converter has it. Any other may be about some of the
// objects, so who asks may find out which, by asking about fewer; a webhook that is away would be asked for nothing.

// Webhooks are those of all definitions. It implements api.Converters.
type Webhooks struct {
	set    func() *backend.Set
	counts counts
}

var _ api.Converters = (*Webhooks)(nil)

// New returns Webhooks that are found and dialled by a set, which is asked for when the first definition names one.
func New(set func() *backend.Set) *Webhooks { return &Webhooks{set: set} }

// Converter returns what converts the objects of a definition. It asks nobody.
func (w *Webhooks) Converter(crd map[string]any) api.Converter {
	webhook := tree.Object(crd, "spec", "conversion", "webhook")
	name := tree.Name(crd)
	// A definition that is written again, with the same webhook, keeps its connections.
	to := w.set().Use(backend.ConversionWebhook, name, target(tree.Object(webhook, "clientConfig")))
	c := &converter{counts: &w.counts, name: name, target: to}
	// The first that is known counts. The definition's check sees to it that one is.
	for _, v := range tree.List(webhook, "conversionReviewVersions") {
		if v == "v1" || v == "v1beta1" {
			c.version = v.(string)
			break
		}
	}
	return c
}

// Drop forgets the webhook of a definition.
func (w *Webhooks) Drop(name string) {
	w.set().Drop(backend.ConversionWebhook, name)
	w.counts.drop(name)
}

// target returns where a clientConfig leads. What is not base64 has not passed the definition's check, and is no
// certificate here either.
func target(config map[string]any) backend.Target {
	t := backend.Target{URL: tree.Text(config, "url")}
	t.CABundle, _ = base64.StdEncoding.DecodeString(tree.Text(config, "caBundle"))
	if len(bytes.TrimSpace(t.CABundle)) == 0 { // upstream
		t.CABundle = nil
	}
	if s := tree.Object(config, "service"); s != nil {
		port, _ := s["port"].(int64)
		t.Service = backend.Service{Namespace: tree.Text(s, "namespace"), Name: tree.Text(s, "name"), Port: port, Path: tree.Text(s, "path")}
	}
	return t
}

// converter is the webhook of one definition.
type converter struct {
	name    string
	target  *backend.Backend
	version string // of reviews
	counts  *counts
}

// patience is how long a webhook may take, all its answers that ask for another try together (upstream).
const patience = 30 * time.Second

// mostTries is how often a webhook is asked anew that asks for it (upstream).
const mostTries = 10

// Convert is as api.Converter has it.
func (c *converter) Convert(ctx context.Context, objs []map[string]any, apiVersion string) ([]map[string]any, bool, error) {
	begun := time.Now()
	// Of each question its own, so that an answer to another one is told from it.
	uid := request.NewUUID()
	// There is one at least, and all are of one kind and version.
	kind := kindText(objs[0])
	converted, failure, err := c.convert(ctx, objs, apiVersion, uid, kind)
	_, from, _ := strings.Cut(tree.Text(objs[0], "apiVersion"), "/")
	_, to, _ := strings.Cut(apiVersion, "/")
	// Whatever came of it, so that a webhook which only fails is seen.
	c.counts.count(seriesKey{c.name, from, to, err == nil}, failure, time.Since(begun))
	if err != nil {
		c.target.FailedClosed()
	}
	// What is told of an object may be all of it, and of many objects as often.
	return converted, failure != callFailure, backend.Short(err)
}

// convert is Convert without the counts; failure says which kind of failure an error is.
func (c *converter) convert(
	ctx context.Context, objs []map[string]any, apiVersion, uid, kind string,
) (_ []map[string]any, failure string, err error) {
	failed := func(err error) error { return fmt.Errorf("conversion webhook for %s failed: %w", kind, err) }
	body := c.review(objs, apiVersion, uid)
	// Objects may grow a little on their way; an answer that is much larger is not one to them.
	code, h, answer, err := c.ask(ctx, body, 2*int64(len(body))+4<<20)
	if err == nil {
		_, err = backend.CheckAnswer(code, h, answer)
	}
	if err != nil {
		return nil, callFailure, failed(err)
	}
	r, err := c.readAnswer(answer)
	if err != nil {
		// Upstream counts what it cannot decode so; that the webhook is there is known all the same.
		return nil, garbageFailure, failed(err)
	}
	// The review as a whole before any object: what it says of a failure is why there are none.
	if err := r.check(c.version, uid); err != nil {
		return nil, malformedFailure, failed(err)
	}
	// By their places objects are told from each other, so there must be as many.
	if len(r.objects) != len(objs) {
		return nil, partialFailure, fmt.Errorf("conversion webhook for %s returned %d objects, expected %d", kind, len(r.objects), len(objs))
	}
	// All or nothing: a list with a hole is no answer to anybody.
	converted := make([]map[string]any, len(objs))
	for i, o := range objs {
		if converted[i], err = checked(o, r.objects[i], apiVersion, place{kind, i, len(objs) > 1}); err != nil {
			return nil, invalidFailure, err
		}
	}
	return converted, "", nil
}

// review returns the body of a question, in which fields stand as upstream has them.
func (c *converter) review(objs []map[string]any, apiVersion, uid string) []byte {
	// By hand, since objects are most of it and would be copied into a tree first.
	b := append([]byte(`{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/`), c.version...)
	b = append(append(b, `","request":{"uid":"`...), uid...)
	b = tree.AppendJSONString(append(b, `","desiredAPIVersion":`...), apiVersion)
	b = append(b, `,"objects":[`...)
	for i, o := range objs {
		if i > 0 {
			b = append(b, ',')
		}
		b = tree.AppendJSON(b, o)
	}
	return append(b, `]},"response":{"uid":"","convertedObjects":null,"result":{"metadata":{}}}}`+"\n"...)
}

// ask sends a question, and again for as long as the answer says when.
func (c *converter) ask(ctx context.Context, body []byte, most int64) (code int, h http.Header, answer []byte, err error) {
	// For all tries together, and within what the request has left.
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for try := 0; ; try++ {
		// Each try reads the body from its beginning.
		r, err := http.NewRequest(http.MethodPost, c.target.BaseURL()+"?timeout="+patience.String(), bytes.NewReader(body))
		if err != nil {
			return 0, nil, nil, err
		}
		r.Header["Accept"], r.Header["Content-Type"] = []string{"application/json, */*"}, []string{"application/json"}
		code, h, answer, err = c.target.Ask(bounded, r, most)
		if err != nil {
			return code, h, nil, asClient(code, err, bounded.Err() != nil && ctx.Err() == nil)
		}
		wait, again := backend.RetryAfter(code, h)
		// The last answer counts then, and its code says what was wrong.
		if !again || try == mostTries {
			return code, h, answer, nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		// Nobody waits any more: what it answered is the error, which says more than that the time is over.
		case <-bounded.Done():
			t.Stop()
			return code, h, answer, nil
		}
	}
}

// asClient returns the error of a call in the words of net/http's client, whose limits upstream uses; code is not 0 if
// the header of the answer was there, and late says that the time was over.
func asClient(code int, err error, late bool) error {
	switch {
	case code == 0 && late:
		return fmt.Errorf("%w (Client.Timeout exceeded while awaiting headers)", err)
	case code == 0:
		return err
	case late:
		err = errors.New("context deadline exceeded (Client.Timeout or context cancellation while reading body)")
	}
	return fmt.Errorf("unexpected error when reading response body. Please retry. Original error: %w", err)
}

// kindText returns what an object says it is, as upstream's errors name it.
func kindText(obj map[string]any) string {
	// Of the core group there is only the version; upstream writes the slash all the same.
	group, version, ok := strings.Cut(tree.Text(obj, "apiVersion"), "/")
	if !ok {
		group, version = "", group
	}
	return group + "/" + version + ", Kind=" + tree.Text(obj, "kind")
}
