package workload

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"apichain/interop/history"
)

// What a client sends and how an answer becomes an outcome. A status of the 200s is OK, one of the 400s says that nothing was
// done, and everything else, above all no answer, leaves a write unknown. net/http sends a request again by itself only
// if it is a read or if not a byte of it was sent.

// client is one client with connections of its own. It is of one goroutine.
type client struct {
	*Workload
	name   string
	server int // which of Servers it asks
	http   *http.Client
	failed error // the last failure
}

func (w *Workload) client(name string, n int) *client {
	return &client{Workload: w, name: name, server: n % len(w.Servers), http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // whoever it is: it is a server of the test
		DialContext:     (&net.Dialer{Timeout: time.Second}).DialContext,
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// wait waits for a time, and says whether ctx goes on.
func (c *client) wait(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	return ctx.Err() == nil
}

// object is as much as is read of a config map, a list of them, a Status and the object of a bookmark.
type object struct {
	Metadata struct {
		Name, Namespace, ResourceVersion, Continue string
		Annotations                                map[string]string
	}
	Data   map[string]string
	Items  []object
	Reason string
	Code   int
}

func (o *object) rev() int64 {
	rev, _ := strconv.ParseInt(o.Metadata.ResourceVersion, 10, 64) // what has none has 0
	return rev
}

func (o *object) key() string { return o.Metadata.Namespace + "/" + o.Metadata.Name }

// value is what a writer of a workload has written, "" for an object of somebody else.
func (o *object) value() string { return o.Data["value"] }

// send sends a request and returns the answer, whose body is open. A server that does not answer, or with one
// of the 500s, is a failure, and the next request goes to the next one.
func (c *client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(b)
	}
	server := c.Servers[c.server]
	req, err := http.NewRequestWithContext(ctx, method, server+path, sent)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	began := time.Now()
	answer, err := c.http.Do(req)
	if err == nil && answer.StatusCode >= 500 {
		b, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		_ = answer.Body.Close()
		err = fmt.Errorf("%s: %s", answer.Status, b)
	}
	if err != nil {
		c.fail(method+" "+path, server, began, err)
		return nil, err
	}
	return answer, nil
}

// fail notes a failure and goes on to the next server.
func (c *client) fail(what, server string, began time.Time, err error) {
	c.failed = err
	c.server = (c.server + 1) % len(c.Servers)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, Failure{Client: c.name, Server: server, What: what, Start: began, End: time.Now(), Err: err})
}

// ask sends a request and reads its answer. The status is 0 if there is none.
func (c *client) ask(ctx context.Context, method, path string, body any) (status int, out object) {
	// A request that is under way when the work ends is waited for, so that little is unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Patience)
	defer cancel()
	server, began := c.Servers[c.server], time.Now()
	answer, err := c.send(ctx, method, path, body)
	if err != nil {
		// One that is away is not asked as fast as it refuses.
		c.wait(ctx, 5*time.Millisecond)
		return 0, out
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		c.fail(method+" "+path, server, began, fmt.Errorf("the answer %s: %w", answer.Status, err))
		return 0, object{}
	}
	return answer.StatusCode, out
}

// makeNamespace makes a namespace that may be there.
func (c *client) makeNamespace(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		status, _ := c.ask(ctx, "POST", "/api/v1/namespaces", map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
		})
		if status == http.StatusCreated || status == http.StatusConflict {
			return nil
		}
		if !c.wait(ctx, 10*time.Millisecond) {
			return fmt.Errorf("making namespace %s: %d %w", name, status, errors.Join(c.failed, ctx.Err()))
		}
	}
}

// pathOf is where an object is, or those of its namespace.
func pathOf(key string) (collection, one string) {
	namespace, name, _ := strings.Cut(key, "/")
	collection = "/api/v1/namespaces/" + namespace + "/configmaps"
	return collection, collection + "/" + name
}

// begin begins an operation.
func (c *client) begin(op history.Op) history.Op {
	op.Client, op.Start, op.Outcome = c.name, c.recorder.Now(), history.Unknown
	return op
}

// end ends an operation with the status of its answer, and records it.
func (c *client) end(op history.Op, status int, answer *object) history.Op {
	op.End = c.recorder.Now()
	switch {
	case status == 0 || status >= 500:
	case status < 300:
		op.Outcome = history.OK
	default:
		op.Outcome = history.Refused
		switch answer.Reason {
		case "NotFound":
			op.Reason = history.Absent
		case "AlreadyExists":
			op.Reason = history.Exists
		case "Conflict":
			op.Reason = history.Conflict
		}
	}
	c.recorder.Add(op)
	return op
}

// get reads an object.
func (c *client) get(ctx context.Context, key string) history.Op {
	_, path := pathOf(key)
	op := c.begin(history.Op{Verb: history.Get, Key: key})
	status, answer := c.ask(ctx, "GET", path, nil)
	if status == http.StatusOK {
		op.Value, op.Rev = answer.value(), answer.rev()
	}
	return c.end(op, status, &answer)
}

// write creates, updates or deletes an object, as the operation says.
func (c *client) write(ctx context.Context, op history.Op) history.Op {
	collection, path := pathOf(op.Key)
	namespace, name, _ := strings.Cut(op.Key, "/")
	expect := strconv.FormatInt(op.Expect, 10)
	meta := map[string]any{"name": name, "namespace": namespace}
	data := map[string]any{"value": op.Value, "padding": strings.Repeat("x", c.Padding)}
	body := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
	method := "PUT"
	switch op.Verb {
	case history.Create:
		method, path = "POST", collection
	case history.Update:
		meta["resourceVersion"] = expect
	default:
		method = "DELETE"
		body = map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": map[string]any{"resourceVersion": expect}}
	}
	op = c.begin(op)
	status, answer := c.ask(ctx, method, path, body)
	if status < 300 && op.Verb != history.Delete {
		op.Rev = answer.rev()
	}
	return c.end(op, status, &answer)
}

// list lists a namespace, with the query. One with pages is one operation, and is not recorded when its pages are
// too old before it has ended.
func (c *client) list(ctx context.Context, namespace, query string) history.Op {
	path, _ := pathOf(namespace + "/")
	op := c.begin(history.Op{Verb: history.List, Key: namespace, MayBeOld: query == "resourceVersion=0", Items: map[string]history.Item{}})
	page := query
	for {
		status, answer := c.ask(ctx, "GET", path+"?"+page, nil)
		if status == http.StatusGone {
			return op
		}
		if status != http.StatusOK {
			return c.end(op, status, &answer)
		}
		op.Rev = answer.rev() // the same for each page
		for i := range answer.Items {
			o := &answer.Items[i]
			if o.Metadata.Namespace = namespace; o.value() != "" {
				op.Items[o.key()] = history.Item{Value: o.value(), Rev: o.rev()}
			}
		}
		if answer.Metadata.Continue == "" {
			return c.end(op, status, &answer)
		}
		page = query + "&continue=" + url.QueryEscape(answer.Metadata.Continue)
	}
}

// watchList lists a namespace by the events that a watch may begin with.
func (c *client) watchList(ctx context.Context, namespace string) history.Op {
	path, _ := pathOf(namespace + "/")
	path += "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=10"
	op := c.begin(history.Op{Verb: history.List, Key: namespace, Items: map[string]history.Item{}})
	// As with every request, one that is under way when the work ends is waited for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Patience)
	defer cancel()
	server, began := c.Servers[c.server], time.Now()
	answer, err := c.send(ctx, "GET", path, nil)
	if err != nil {
		return c.end(op, 0, nil)
	}
	defer answer.Body.Close()
	for d := json.NewDecoder(answer.Body); ; {
		var e event
		if err := d.Decode(&e); err != nil {
			c.fail("watch "+path, server, began, err)
			return c.end(op, 0, nil)
		}
		o := &e.Object
		switch {
		case e.Type == history.Bookmark && o.Metadata.Annotations["k8s.io/initial-events-end"] == "true":
			op.Rev = o.rev()
			return c.end(op, http.StatusOK, o)
		case e.Type != history.Added: // an error, or what must not come before the end
			op.Outcome = history.Unknown
			return op
		case o.value() != "":
			op.Items[o.key()] = history.Item{Value: o.value(), Rev: o.rev()}
		}
	}
}

// event is an event as it comes.
type event struct {
	Type   string
	Object object
}

// watch watches a namespace from a revision until it ends, or until the last write has been seen, which Through says then. The
// error is why it ended before its time, if it did.
func (c *client) watch(ctx context.Context, of int, rev int64) (w history.Watch, err error) {
	w = history.Watch{Client: c.name, Scope: c.namespace(of), From: rev, Start: c.recorder.Now()}
	defer func() { w.End = c.recorder.Now() }()
	collection, _ := pathOf(w.Scope + "/")
	path := fmt.Sprintf("%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%d", collection, 3+rand.IntN(10), rev)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A server that is paused or cut off keeps its watches open in silence.
	silence := time.AfterFunc(c.Patience+15*time.Second, cancel)
	defer silence.Stop()
	server, began := c.Servers[c.server], time.Now()
	answer, err := c.send(ctx, "GET", path, nil)
	if err != nil {
		return w, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.Expired = answer.StatusCode == http.StatusGone
		return w, errors.New(answer.Status)
	}
	d := json.NewDecoder(answer.Body)
	for {
		var e event
		if err := d.Decode(&e); err == io.EOF {
			return w, nil
		} else if err != nil {
			c.fail("watch "+path, server, began, err)
			return w, err
		}
		silence.Reset(c.Patience + 15*time.Second)
		o := &e.Object
		if e.Type == "ERROR" {
			w.Expired = o.Code == http.StatusGone
			return w, fmt.Errorf("the watch ended with %d %s", o.Code, o.Reason)
		}
		told := history.Event{Type: e.Type, Rev: o.rev(), At: c.recorder.Now()}
		if e.Type != history.Bookmark {
			if o.value() == "" {
				continue // somebody else's
			}
			told.Key, told.Value = o.key(), o.value()
		}
		w.Events = append(w.Events, told)
		select {
		case <-c.settled[of]:
			if told.Rev >= c.marks[of] {
				w.Through = c.marks[of]
				return w, nil
			}
		default:
		}
	}
}
