package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apichain/internal/store"
)

// bodyOf returns the body of the record that a commit of some objects is.
func bodyOf(tb testing.TB) []byte {
	tb.Helper()
	return appendBody(nil, entriesOf(tb))
}

// entriesOf returns events of all kinds, and objects with and without all that a meta has.
func entriesOf(tb testing.TB) []store.Entry {
	tb.Helper()
	s := store.New(store.Window{First: 300, Events: 100, Bytes: 1 << 20})
	put(tb, s, "things", "ns/a", "1")
	put(tb, s, "things", "ns/a", "2")
	bare := store.Encode(map[string]any{}, nil)
	other := store.Draft{JSON: []byte(`{"x":"\u2028","resourceVersion":""}`), RevisionAt: 33}
	for _, d := range []*store.Draft{&bare, &other} {
		if _, err := s.Commit(tb.Context(), store.Change{Bucket: s.Bucket("widgets.example.com"), Key: "c", Expect: -1, Next: d}); err != nil {
			tb.Fatal(err)
		}
	}
	remove(tb, s, "things", "ns/a")
	all, _, _ := s.After(300, 100)
	return all
}

// What was encoded is decoded: the same keys, revisions, texts and metas.
func TestChanges(t *testing.T) {
	entries := entriesOf(t)
	changes, err := parseBody(nil, bodyOf(t))
	if err != nil || len(changes) != len(entries) {
		t.Fatal(len(changes), err)
	}
	for i, e := range entries {
		c, o := &changes[i], e.Event.Object
		var draft store.Draft
		w, ok := c.write(string(c.bucket), &draft)
		if !ok || c.kind != e.Event.Kind || w.Bucket != e.Bucket.Name || w.Key != o.Key || w.Rev != o.Rev {
			t.Errorf("%d is %+v, %t", i, w, ok)
		}
		if c.kind == store.Deleted {
			if w.Next != nil || len(c.raw) > 40 {
				t.Errorf("%d: a deletion has %d bytes", i, len(c.raw))
			}
			continue
		}
		before, after := o.SplitAtRevision()
		if string(w.Next.JSON) != string(before)+string(after) || w.Next.RevisionAt != len(before) {
			t.Errorf("%d: the text is %s", i, w.Next.JSON)
		}
		if !reflect.DeepEqual(w.Next.Meta, o.Meta) {
			t.Errorf("%d: the meta is\n%+v\nnot\n%+v", i, w.Next.Meta, o.Meta)
		}
	}
}

// The texts of a meta do not keep the buffer alive that they were read from, nor change with it.
func TestMetaIsACopy(t *testing.T) {
	body := bodyOf(t)
	changes, err := parseBody(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	var draft store.Draft
	w, _ := changes[0].write("things", &draft)
	want := fmt.Sprintf("%s %+v", w.Key, w.Next.Meta)
	clear(body)
	if got := fmt.Sprintf("%s %+v", w.Key, w.Next.Meta); got != want {
		t.Errorf("it has become %s", got)
	}
}

// Bodies that have not the form of one are refused, whatever numbers they have.
func TestBodiesWithoutForm(t *testing.T) {
	whole := bodyOf(t)
	le := binary.LittleEndian.AppendUint32
	one := func(change ...byte) []byte { return append(le(le(nil, 1), uint32(len(change))), change...) }
	huge := bytes.Repeat([]byte{0xff}, 8)
	for name, body := range map[string][]byte{
		"nothing":               nil,
		"half a number":         {1, 0},
		"fewer than it says":    le(nil, 1<<31),
		"a length behind it":    le(le(nil, 1), 5),
		"an empty change":       one(),
		"a kind that is none":   one('X', 1, 0, 0, 0, 0),
		"no revision":           one('D', 0, 1, 'b', 1, 'k'),
		"half a revision":       one('D', 0x80),
		"an endless revision":   one(slices.Concat([]byte{'D'}, huge, huge)...),
		"half a bucket":         one('D', 1, 9, 'b'),
		"a deletion with more":  one('D', 1, 1, 'b', 1, 'k', 0),
		"no text":               one('A', 1, 1, 'b', 1, 'k'),
		"a revision behind it":  one('A', 1, 1, 'b', 1, 'k', 3, 2, '{', '}'),
		"a text of huge length": one(slices.Concat([]byte{'A', 1, 1, 'b', 1, 'k', 0}, huge, []byte{1})...),
		"something behind":      append(bytes.Clone(whole), 0),
	} {
		if changes, err := parseBody(nil, body); !errors.Is(err, errForm) {
			t.Errorf("%s: %v, %d changes", name, err, len(changes))
		}
	}
	for end := range whole {
		if _, err := parseBody(nil, whole[:end]); err == nil {
			t.Fatalf("%d of %d bytes are one", end, len(whole))
		}
	}
	meta := appendMeta(nil, entriesOf(t)[0].Event.Object.Meta)
	for end := 1; end < len(meta); end++ {
		if m, ok := parseMeta(string(meta[:end])); ok {
			t.Errorf("%d of %d bytes are a meta: %+v", end, len(meta), m)
		}
	}
	if _, ok := parseMeta(string(meta) + "\x00"); ok {
		t.Error("a meta with something behind it is one")
	}
}

// A number of things that cannot be there makes no room for them.
func TestCountsMakeNoRoom(t *testing.T) {
	for _, numbers := range []string{"\x00\x00\x00", "\x00\x00\x00\x00", "\x00\x00\x00\x00\x00"} {
		text := numbers + "\xff\xff\xff\xff\x07" + strings.Repeat("\x00", 10)
		if n := testing.AllocsPerRun(10, func() {
			if _, ok := parseMeta(text); ok {
				t.Error("it is a meta")
			}
		}); n > 2 {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
}

// Whatever a record's body is, reading it ends, and what is read as one is written as the same.
func FuzzBody(f *testing.F) {
	f.Add(bodyOf(f))
	f.Add([]byte{})
	f.Add(binary.LittleEndian.AppendUint32(nil, 3))
	f.Fuzz(func(t *testing.T, body []byte) {
		changes, err := parseBody(nil, body)
		if err != nil {
			return
		}
		again := binary.LittleEndian.AppendUint32(nil, uint32(len(changes)))
		for i := range changes {
			again = append(again, changes[i].raw...)
		}
		if !bytes.Equal(again, body) {
			t.Errorf("%x is read as %x", body, again)
		}
		seen := &feeder{into: nothingLoaded{}, names: map[string]string{}}
		if _, err := seen.decode(changes); err != nil && !errors.Is(err, errForm) {
			t.Error(err)
		}
	})
}

// Whatever a meta is, reading it ends; what it is read as is written and read as the same.
func FuzzMeta(f *testing.F) {
	f.Add(appendMeta(nil, entriesOf(f)[0].Event.Object.Meta))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		m, ok := parseMeta(string(text))
		if !ok || m == nil {
			return
		}
		again, ok := parseMeta(string(appendMeta(nil, m)))
		if !ok || !maps.Equal(m.Labels, again.Labels) || fmt.Sprintf("%+v", m) != fmt.Sprintf("%+v", again) {
			t.Errorf("%+v is read again as %+v", m, again)
		}
	})
}

// Whatever a first line is, reading it ends, and one that is read was written like that.
func FuzzFirstLine(f *testing.F) {
	text, _ := newFirstLine(kindSnapshot, 7)
	f.Add(text)
	f.Add([]byte("apichain journal 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		line, err := parseFirstLine(text)
		if err == nil && (line.revision < 0 || line.size != int64(len(text)) || !strings.HasPrefix(string(text), magic+" "+line.kind+" 1 ")) {
			t.Errorf("%q is %+v", text, line)
		}
	})
}

// Whatever is done to the files of a folder, loading, checking and repairing end; what is loaded is what was there
// at some time, and what was repaired can be loaded.
func FuzzFolder(f *testing.F) {
	whole, snapshot, journal, states := small(f, true)
	states = append(states, "")
	f.Add(false, uint16(100), uint16(3), []byte("abc"))
	f.Add(true, uint16(0), uint16(0), []byte{0})
	f.Add(true, uint16(400), uint16(9999), []byte{})
	f.Fuzz(func(t *testing.T, second bool, at, out uint16, in []byte) {
		d, name := whole.mount(), snapshot
		if second {
			name = journal
		}
		n := d.names[name]
		from := min(int(at), len(n.content))
		n.content = slices.Concat(n.content[:from], in, n.content[min(from+int(out), len(n.content)):])
		shown, _, err := load(d.mount())
		if (err == nil) != (shown != "") || !slices.Contains(states, shown) {
			t.Errorf("it is loaded (%v) as %s", err, shown)
		}
		report, failed := d.check()
		if failed != nil || err == nil && !report.Whole() && !report.Files[1].Damage.Tail || err != nil && report.Whole() {
			t.Errorf("it is loaded (%v), and checked (%v) as\n%s", err, failed, report)
		}
		if _, err := d.repair(); err != nil {
			t.Error(err)
		}
		if _, _, err := load(d); err != nil {
			t.Errorf("after a repair: %v", err)
		}
	})
}

// Whatever a file is, reading it ends, with nothing that it does not have.
func FuzzReader(f *testing.F) {
	d, snapshot, journal, _ := small(f, true)
	f.Add(d.names[snapshot].content)
	f.Add(d.names[journal].content)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		d := newDouble()
		d.names["f"] = &inode{content: content}
		r, err := open(d, "double", "f")
		if err != nil {
			return
		}
		for at := r.at; ; at = r.at {
			rec, err := r.next()
			if err != nil {
				if more, err := r.seek(0); !more || err != nil {
					return
				}
				continue
			}
			if rec.at != at || r.at != at+headerBytes+int64(len(rec.body)) || r.at > int64(len(content)) {
				t.Fatalf("a record at %d of %d bytes, and the next one at %d of %d", at, len(rec.body), r.at, len(content))
			}
		}
	})
}
