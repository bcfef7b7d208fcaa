package store

import "sync/atomic"

// wakeup tells those who wait that something has come: they share one channel, which is made
// by the first that waits and closed by the next wakeAll. The zero value is ready, and while
// nobody waits a wakeAll is one load.
//
// Who waits must take the channel first, and then look whether what it waits for is there. A
// writer makes it visible first, and then wakes. So either the look finds it or the channel
// gets closed. One may be woken for nothing, and looks again.
type wakeup struct{ ch atomic.Pointer[chan struct{}] }

// wakeAll closes the channel of those who wait, if any do.
func (w *wakeup) wakeAll() {
	if w.ch.Load() == nil {
		return
	}
	// Of two commits that wake at once, one gets the channel: it must not be closed twice.
	if ch := w.ch.Swap(nil); ch != nil {
		close(*ch)
	}
}

// waiting returns the channel that the next wakeAll closes. Who no longer waits lets it go.
func (w *wakeup) waiting() <-chan struct{} {
	for {
		if ch := w.ch.Load(); ch != nil {
			return *ch
		}
		ch := make(chan struct{})
		// If another was first, its channel is the one; unless that is closed already.
		if w.ch.CompareAndSwap(nil, &ch) {
			return ch
		}
	}
}
