package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"weak"
)

// Watchers of one event that want it in another form than it is stored in, as a row of a
// Table, its metadata alone or another version, mostly want the same one: a thousand informers
// of one resource. The event keeps such encodings, so that the first of these watchers makes
// one and the others send it.
//
// Commits know nothing of it: an event begins without forms, and who makes one pays for
// keeping it. What is kept of all events of a store is bounded by formCache, beside the window
// of the log and not counted in it: the oldest encoding goes first. It needs no order among
// the watchers: one that is late, or begins in the past, makes the encoding anew, and
// others that come along after it find that.

// FormKey names an encoding of an event. Two watchers may use equal keys only if they would
// encode the event to the same bytes. What does not matter stays zero.
type FormKey struct {
	// View is how the objects are seen, compared by identity: a pointer to the resource in
	// one version, which must be another one when its schema has changed. It is kept
	// alive as long as the encoding. Its type must be comparable.
	View any
	// Form is what the event becomes, as "Table v1 Metadata".
	Form string
	// Kind is the type of event that is told, which for a watch with selectors may be
	// another than the event's. With the event it says which object is shown: Deleted of
	// an event that is none shows Prev.
	Kind byte
	// At is the time in Unix seconds of a form that depends on it, as columns with ages do.
	At int64
}

// form is an encoding of an event.
type form struct {
	key FormKey
	// mu is held by who encodes.
	mu sync.Mutex
	// text is nil until it is encoded, and does not change afterwards.
	text atomic.Pointer[[]byte]
}

// Form returns the event in the form of key, which encode makes if it is not kept. It may be
// called concurrently: of those who want the same form at the same time one encodes, and the
// others wait for that. Nobody may change the bytes.
//
// encode must return bytes of their own, not a buffer that is used again; it must not wait for
// anything, nor ask for a form. When it panics, nothing is kept and the next one tries again.
// An event that was not made by a commit keeps nothing.
func (e *Event) Form(key FormKey, encode func() []byte) []byte {
	if e.cache == nil {
		return encode()
	}
	f := e.find(key)
	if f == nil {
		f = e.cache.add(e, key)
	}
	if text := f.text.Load(); text != nil {
		return *text
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	// Who waited for the lock waited for the text, unless the one before has panicked.
	if text := f.text.Load(); text != nil {
		return *text
	}
	text := encode()
	size := cap(text) // all of it stays alive
	text = slices.Clip(text)
	f.text.Store(&text)
	e.cache.charge(e, f.key, size)
	return text
}

// find returns the form of a key, nil for none. It takes no lock.
func (e *Event) find(key FormKey) *form {
	if forms := e.forms.Load(); forms != nil {
		for _, f := range *forms {
			if f.key == key {
				return f
			}
		}
	}
	return nil
}

const (
	// formsKept is how many encodings all events of a store keep together.
	formsKept = 1024
	// formBytes is how many bytes they may be, with formCost for each. The newest is kept
	// however large it is.
	formBytes = 4 << 20
	formCost  = 128
)

// formCache bounds the encodings that the events of a store keep. The zero value is ready.
type formCache struct {
	// mu guards the fields, and the forms of all events against each other's changes.
	mu    sync.Mutex
	kept  ring[keptForm]
	bytes int64
}

// keptForm is an encoding that is charged. The cache must not hold the event, with all its
// texts, after it has left the log: when nobody else has the event, its forms go with it.
type keptForm struct {
	event weak.Pointer[Event]
	key   FormKey
	bytes int64
}

// add gives an event a form without text, or returns the one that another has added just now.
func (c *formCache) add(e *Event, key FormKey) *form {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := e.find(key); f != nil {
		return f
	}
	f := &form{key: key}
	// A new slice each time: others read the old one without a lock.
	forms := []*form{f}
	if old := e.forms.Load(); old != nil {
		forms = append(forms, *old...)
	}
	e.forms.Store(&forms)
	return f
}

// charge accounts for the text of a form, of size bytes, and takes the oldest texts from their
// events until all are within the bounds. Who sends one of those goes on with it.
func (c *formCache) charge(e *Event, key FormKey, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := keptForm{weak.Make(e), key, int64(size) + formCost}
	c.kept.push(k)
	c.bytes += k.bytes
	for c.kept.len() > 1 && (c.kept.len() > formsKept || c.bytes > formBytes) {
		old := c.kept.pop()
		c.bytes -= old.bytes
		if e := old.event.Value(); e != nil {
			e.forget(old.key)
		}
	}
}

// forget takes a form from its event, which has it: a form that is charged leaves its event in
// this way only. The caller holds the lock of the cache.
func (e *Event) forget(key FormKey) {
	left := slices.DeleteFunc(slices.Clone(*e.forms.Load()), func(f *form) bool { return f.key == key })
	if len(left) == 0 {
		e.forms.Store(nil)
		return
	}
	e.forms.Store(&left)
}
