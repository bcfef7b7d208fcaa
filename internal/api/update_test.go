package api

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// TestReadPreconditions: which object a body means. 0 is any version, as everywhere.
func TestReadPreconditions(t *testing.T) {
	const odd = `500: strconv.ParseUint: parsing `
	for _, c := range []struct {
		meta string
		want preconditions
		err  string
	}{
		{`{}`, preconditions{}, "<nil>"},
		{`{"uid":"u"}`, preconditions{uid: "u"}, "<nil>"},
		{`{"uid":"u","resourceVersion":"12"}`, preconditions{"u", "12"}, "<nil>"},
		{`{"resourceVersion":"0"}`, preconditions{}, "<nil>"},
		{`{"resourceVersion":""}`, preconditions{}, "<nil>"},
		// It is compared as text, so this one is nobody's.
		{`{"resourceVersion":"012"}`, preconditions{revision: "012"}, "<nil>"},
		{`{"resourceVersion":"9223372036854775807"}`, preconditions{revision: "9223372036854775807"}, "<nil>"},
		{`{"resourceVersion":"9223372036854775808"}`, preconditions{}, odd + `"9223372036854775808": value out of range`},
		{`{"resourceVersion":"-1"}`, preconditions{}, odd + `"-1": invalid syntax`},
		{`{"resourceVersion":"1\n"}`, preconditions{}, odd + `"1\n": invalid syntax`},
	} {
		got, err := readPreconditions(map[string]any{"metadata": parsed(t, c.meta)})
		if brief(err) != c.err || err == nil && got != c.want {
			t.Errorf("%s: %+v, %s", c.meta, got, brief(err))
		}
	}
}

// TestPreconditions: the uid goes before the resource version.
func TestPreconditions(t *testing.T) {
	p := newSteps(t)
	old := p.put(p.Bucket, "default/a", widgetA)
	rev := strconv.FormatInt(old.Rev, 10)
	const stale = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again`
	const other = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": StorageError: invalid object, Code: 4, Key: /registry/example.com/widgets/default/a, ResourceVersion: 0, ` +
		`AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: u`
	for given, want := range map[preconditions]string{
		{}:                                 "<nil>",
		{uid: "u"}:                         "<nil>",
		{uid: "u", revision: rev}:          "<nil>",
		{revision: "1"}:                    stale,
		{revision: "0" + rev}:              stale,
		{uid: "x"}:                         other,
		{uid: "x", revision: "1"}:          other,
		{uid: "u", revision: rev + "0000"}: stale,
	} {
		if got := brief(given.check(p.call("update", "a", ""), old)); got != want {
			t.Errorf("%+v\n got %s\nwant %s", given, got, want)
		}
	}
}

// TestCheckTarget: an update must say the name of the path, and may leave out the namespace.
func TestCheckTarget(t *testing.T) {
	for meta, want := range map[string]string{
		`{"name":"a"}`:                         "<nil>",
		`{"name":"a","namespace":"default"}`:   "<nil>",
		`{}`:                                   "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided",
		`{"generateName":"a"}`:                 "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided",
		`{"name":"b"}`:                         "400 BadRequest: the name of the object (b) does not match the name on the URL (a)",
		`{"name":"b","namespace":"elsewhere"}`: "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request",
		`{"name":"a","namespace":"elsewhere"}`: "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request",
		`{"name":"a","namespace":"Default"}`:   "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request",
	} {
		q := newSteps(t).call("update", "a", "")
		if got := brief(q.checkTarget(map[string]any{"metadata": parsed(t, meta)})); got != want {
			t.Errorf("%s\n got %s\nwant %s", meta, got, want)
		}
	}
}

// TestUpdate: what is asked first, and what a client that says no version, or one, gets when
// others write in between.
func TestUpdate(t *testing.T) {
	body := func(meta string) string {
		return `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"` + meta + `},"spec":{"n":2}}`
	}
	const stale = `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": the object has been modified; please apply your changes to the latest version and try again`
	const missing = `404 NotFound: widgets.example.com "a" not found`
	for _, c := range []struct {
		what                  string
		stored                bool
		meta                  string
		change                func(p *steps)
		overtakings, attempts int
		want                  string
	}{
		{what: "blind", stored: true, attempts: 1, want: "<nil>"},
		{what: "blind, overtaken", stored: true, overtakings: 20, attempts: 21, want: "<nil>"},
		{what: "at the version", stored: true, meta: `,"resourceVersion":"REV"`, attempts: 1, want: "<nil>"},
		{what: "at the version, overtaken", stored: true, meta: `,"resourceVersion":"REV"`, overtakings: 1, attempts: 1, want: stale},
		{what: "at another version", stored: true, meta: `,"resourceVersion":"1"`, want: stale},
		{what: "at version 0", stored: true, meta: `,"resourceVersion":"0"`, overtakings: 3, attempts: 4, want: "<nil>"},
		{what: "blind, where that is not allowed", stored: true, change: func(p *steps) { p.UnconditionalUpdate = false },
			want: `422 Invalid: widgets.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`},
		{what: "blind and missing, where that is not allowed", change: func(p *steps) { p.UnconditionalUpdate = false }, want: missing},
		{what: "missing", want: missing},
		{what: "missing, may be created", change: func(p *steps) { p.CreateOnUpdate = true }, attempts: 1, want: "<nil>"},
		{what: "missing, may be created, with a uid", meta: `,"uid":"u"`, change: func(p *steps) { p.CreateOnUpdate = true },
			want: `409 Conflict: Operation cannot be fulfilled on widgets.example.com "a": StorageError: invalid object, Code: 4, Key: /registry/example.com/widgets/default/a, ` +
				`ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: u, UID in object meta: `},
		{what: "missing, may be created, at a version", meta: `,"resourceVersion":"7"`, change: func(p *steps) { p.CreateOnUpdate = true }, attempts: 1, want: "<nil>"},
		// Another client creates it first: the second attempt updates that one.
		{what: "missing, created by another", change: func(p *steps) { p.CreateOnUpdate = true }, overtakings: 1, attempts: 2, want: "<nil>"},
	} {
		p := newSteps(t)
		if c.change != nil {
			c.change(p)
		}
		meta := c.meta
		if c.stored {
			meta = strings.Replace(meta, "REV", strconv.FormatInt(p.put(p.Bucket, "default/a", widgetA).Rev, 10), 1)
		}
		attempts := 0
		p.prepare = func(*Call, map[string]any, map[string]any) error {
			if attempts++; attempts <= c.overtakings {
				p.put(p.Bucket, "default/a", widgetA)
			}
			return nil
		}
		q, w := p.request("update", "a", "", "", "", body(meta))
		err := q.update()
		if brief(err) != c.want || attempts != c.attempts {
			t.Errorf("%s: %d attempts\n got %s\nwant %s", c.what, attempts, brief(err), c.want)
		}
		if err != nil {
			continue
		}
		wantCode := 200
		if !c.stored && c.overtakings == 0 {
			wantCode = 201
		}
		if n := tree.At(p.stored(), "spec", "n"); w.Code != wantCode || n != int64(2) {
			t.Errorf("%s: %d %s, stored %v", c.what, w.Code, w.Body, n)
		}
		if got := parsed(t, w.Body.String()); text(got) != text(p.stored()) {
			t.Errorf("%s: answered %s, stored %s", c.what, text(got), text(p.stored()))
		}
	}
}

// TestUpdateBeginsAgain: an attempt that was overtaken leaves nothing of itself in the next one:
// neither what it carried over, nor what it had as a new object.
func TestUpdateBeginsAgain(t *testing.T) {
	const body = `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"},"spec":{"n":2}}`
	for _, missing := range []bool{false, true} {
		p := newSteps(t)
		p.CreateOnUpdate, p.Kept = true, [][]string{{"spec", "kept"}}
		p.initialize = func(obj map[string]any) { tree.Set(obj, true, "spec", "begun") }
		if !missing {
			p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u"},"spec":{"kept":true}}`)
		}
		overtaken := false
		p.prepare = func(*Call, map[string]any, map[string]any) error {
			if !overtaken {
				overtaken = true
				p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"v"},"spec":{}}`)
			}
			return nil
		}
		q, w := p.request("update", "a", "", "", "", body)
		if err := q.update(); err != nil || w.Code != 200 || text(p.stored()["spec"]) != `{"n":2}` || tree.Text(p.stored(), "metadata", "uid") != "v" {
			t.Errorf("missing at first %v: %v, %d, stored %s", missing, err, w.Code, text(p.stored()))
		}
	}
}

// TestUpdateDry: the answer is what would be stored, and nothing is.
func TestUpdateDry(t *testing.T) {
	p := newSteps(t)
	old := p.put(p.Bucket, "default/a", widgetA)
	q, w := p.request("update", "a", "", "dryRun=All", "", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"},"spec":{"n":5}}`)
	if err := q.update(); err != nil {
		t.Fatal(err)
	}
	got := parsed(t, w.Body.String())
	if tree.At(got, "spec", "n") != int64(5) || tree.At(got, "metadata", "generation") != int64(4) || tree.Text(got, "metadata", "resourceVersion") != strconv.FormatInt(old.Rev, 10) {
		t.Errorf("answered %s", w.Body)
	}
	if rev := p.api.Store.Revision(); rev != old.Rev {
		t.Errorf("revision %d after %d", rev, old.Rev)
	}
}

// TestModify: the program's own writes end with its context, with the object, or with success,
// and never with a conflict.
func TestModify(t *testing.T) {
	p := newSteps(t)
	q := p.call("update", "a", "")
	set := func(obj map[string]any) bool { tree.Set(obj, int64(7), "spec", "n"); return true }
	if o, err := q.Modify(t.Context(), set); o != nil || err != nil {
		t.Errorf("a missing object: %v, %v", o, err)
	}
	old := p.put(p.Bucket, "default/a", widgetA)
	if o, err := q.Modify(t.Context(), func(obj map[string]any) bool { set(obj); return false }); o != old || err != nil {
		t.Errorf("left alone: %v, %v", o, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if o, err := q.Modify(ended, set); o != nil || err != context.Canceled {
		t.Errorf("after the end: %v, %v", o, err)
	}
	tries := 0
	o, err := q.Modify(t.Context(), func(obj map[string]any) bool {
		if tries++; tries < 10 {
			p.put(p.Bucket, "default/a", widgetA)
		}
		return set(obj)
	})
	if err != nil || o == nil || tries != 10 || tree.At(p.stored(), "spec", "n") != int64(7) {
		t.Errorf("%d tries: %v, %v", tries, o, err)
	}
	// Others go on for ever, the context does not.
	bounded, end := context.WithCancel(t.Context())
	tries = 0
	_, err = q.Modify(bounded, func(obj map[string]any) bool {
		if tries++; tries == 50 {
			end()
		}
		p.put(p.Bucket, "default/a", widgetA)
		tree.Set(obj, int64(100+tries), "spec", "n")
		return true
	})
	if err != context.Canceled || tries != 50 {
		t.Errorf("%d tries: %v", tries, err)
	}
	// It goes with the change: nothing is returned, as of a missing one.
	p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u","deletionTimestamp":"t","finalizers":["x/y"]}}`)
	o, err = q.Modify(t.Context(), func(obj map[string]any) bool { delete(tree.Metadata(obj), "finalizers"); return true })
	if sn := p.Bucket.Now(); o != nil || err != nil || sn.Get("default/a") != (*store.Object)(nil) {
		t.Errorf("the last finalizer: %v, %v", o, err)
	}
}
