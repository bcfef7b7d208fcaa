package etcd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// All there is comes in pages, which are of one revision: that of the first. Definitions come
// first, since a codec knows objects of custom kinds by them. The next page is on its way while
// one is decoded, by all processors, and fed.
//
// A compaction may take the revision away while pages are missing. Then all begins anew, at the
// newest revision: a page of another one would show a state that never was.
//
// A start loads a state of a little while ago and follows from there, so that clients whose watches another
// process has ended, or the one before, can go on here: as far as etcd has that past.

const (
	// firstPage and maxPage are how many objects a page has, pageBytes the size to which it grows.
	firstPage, maxPage = 500, 10000
	pageBytes          = 4 << 20
	// pastRevisions is how far back a start begins.
	pastRevisions = 4000
)

// definitions is the part of the prefix that comes first.
const definitions = "/apiextensions.k8s.io/"

// Load implements store.Backend. It tries until ctx ends; the error says what failed last.
func (b *Backend) Load(ctx context.Context, into *store.Feed) error {
	newest, err := b.checkVersion(ctx)
	if err == nil {
		if !b.conf.ReadOnly {
			err = b.loadPast(ctx, into, max(newest-pastRevisions, 1))
		}
		if b.conf.ReadOnly || err != nil {
			b.log.Debug("the present alone is loaded", "error", err)
			err = b.load(ctx, into)
		}
	}
	servers := strings.Join(b.c.servers, ",")
	if away := new(ended); errors.As(err, &away) {
		return fmt.Errorf("etcd at %s: %w, after: %w", servers, away.by, away.last)
	}
	if err != nil {
		return fmt.Errorf("etcd at %s: %w", servers, err)
	}
	return nil
}

// checkVersion refuses an etcd whose answers about progress of a watch may be ahead of its events, by the
// versions that upstream takes for good. It returns the revision that the member has.
func (b *Backend) checkVersion(ctx context.Context) (rev int64, err error) {
	var a wire.StatusResponse
	if err := b.call(ctx, "status", "", wire.MethodStatus, &wire.Empty{}, &a, listing); err != nil {
		return 0, err
	}
	if b.conf.ReadOnly || !oldVersion(a.Version) {
		return headRevision(a.Header), nil
	}
	return 0, fmt.Errorf("it is etcd %s, whose watches may lose events: use 3.4.31, 3.5.13 or a later one", a.Version)
}

// oldVersion reports whether a version of etcd is older than 3.4.31, or one of 3.5 older than
// 3.5.13. What cannot be read is not.
func oldVersion(v string) bool {
	part := strings.SplitN(v, ".", 3)
	if len(part) < 3 || part[0] != "3" {
		return false
	}
	minor, err := strconv.Atoi(part[1])
	digits, _, _ := strings.Cut(part[2], "-")
	patch, err2 := strconv.Atoi(digits)
	return err == nil && err2 == nil && (minor < 4 || minor == 4 && patch < 31 || minor == 5 && patch < 13)
}

// load feeds all there is, as often as compaction makes it begin anew.
func (b *Backend) load(ctx context.Context, into *store.Feed) error {
	for n := 1; ; n++ {
		began := time.Now()
		rev, err := b.loadOnce(ctx, into, 0)
		if err == nil {
			b.complete(into, rev)
			b.log.Info("loaded from etcd", "revision", rev, "took", time.Since(began), "skipped", b.skipped.counts())
			return nil
		}
		// Pages of the revision that is gone are in the feed, and of no use to another.
		into.Discard()
		if !says(err, wire.TextCompacted) && !says(err, wire.TextFuture) {
			return err
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

// complete shows what was fed, which is all there is at a revision.
func (b *Backend) complete(into *store.Feed, rev int64) {
	into.Complete(rev)
	b.applied.Store(rev)
	b.wanted.Store(rev)
	b.behind.Store(0)
	b.heard.Store(time.Now().UnixNano())
}

// loadPast feeds all there was at a revision, and then follows until it has all there is. After an error, as when the
// revision is compacted, the store is to be filled anew.
func (b *Backend) loadPast(ctx context.Context, into *store.Feed, rev int64) error {
	began := time.Now()
	if _, err := b.loadOnce(ctx, into, rev); err != nil {
		into.Discard()
		return err
	}
	b.complete(into, rev)
	newest, err := b.askNewest(ctx)
	if err == nil && newest > rev {
		err = b.watch(ctx, into, newest)
	}
	if err != nil && !errors.Is(err, errReached) {
		return err
	}
	b.log.Info("loaded from etcd", "revision", newest, "since", rev, "took", time.Since(began), "skipped", b.skipped.counts())
	return nil
}

// page is a part of what there is.
type page struct {
	kvs []wire.KeyValue
	err error
}

// loadOnce feeds all there is at one revision, which it returns: that of at, or the newest for 0.
func (b *Backend) loadOnce(ctx context.Context, into *store.Feed, at int64) (int64, error) {
	b.skipped.clear()
	b.own.clear()
	ctx, cancel := context.WithCancel(ctx)
	pages, rev := make(chan page), int64(0)
	var fetcher sync.WaitGroup
	// It must have ended before anybody reads rev, or begins anew.
	defer fetcher.Wait()
	defer cancel()
	fetcher.Go(func() {
		defer close(pages)
		l := lister{b: b, limit: firstPage, rev: at}
		for _, r := range [][2]string{
			{definitions, endOfPrefix(definitions)}, {"/", definitions}, {endOfPrefix(definitions), "0"},
		} {
			if err := l.list(ctx, b.prefix+r[0], b.prefix+r[1], pages); err != nil {
				select {
				case pages <- page{err: err}:
				case <-ctx.Done():
				}
				return
			}
		}
		rev = l.rev
	})
	for p := range pages {
		if p.err != nil {
			return 0, p.err
		}
		for _, w := range b.decodeAll(p.kvs) {
			if w.Next != nil {
				into.Object(w)
			}
		}
	}
	return rev, context.Cause(ctx)
}

// endOfPrefix returns the first key after all that begin with p, whose last byte is a slash.
func endOfPrefix(p string) string { return p[:len(p)-1] + "0" }

// lister fetches pages of one revision.
type lister struct {
	b *Backend
	// rev is that of all pages; 0 is the newest until the first page has come, which is begun.
	rev   int64
	begun bool
	limit int64
}

// list sends the pages from key up to end. They have the size of pageBytes, more or less.
func (l *lister) list(ctx context.Context, key, end string, to chan<- page) error {
	for from := key; ; {
		var a wire.RangeResponse
		err := l.b.call(ctx, "list", "", wire.MethodRange, &wire.RangeRequest{
			Key: []byte(from), RangeEnd: []byte(end), Limit: l.limit, Revision: l.rev, Serializable: l.b.conf.ReadOnly,
		}, &a, listing)
		// Nothing of it was read: the same page again, shorter. One object always fits.
		if large := new(wire.TooLarge); errors.As(err, &large) && l.limit > 1 {
			l.limit = max(l.limit/4, 1)
			continue
		}
		if err != nil {
			return err
		}
		// The first page says of which revision all are. Without a quorum it is the member's own.
		if !l.begun {
			if a.Header == nil || a.Header.Revision <= 0 {
				return errors.New("an answer without revision")
			}
			if l.begun = true; l.rev == 0 {
				l.rev = a.Header.Revision
			}
			l.b.cluster.Store(a.Header.ClusterID)
		}
		size := 0
		for i := range a.KVs {
			size += len(a.KVs[i].Value)
		}
		select {
		case to <- page{kvs: a.KVs}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !a.More {
			return nil
		}
		if len(a.KVs) == 0 {
			return errors.New("no results were found, but etcd indicated there were more values remaining")
		}
		// The next page begins with the first key that could follow.
		from = string(a.KVs[len(a.KVs)-1].Key) + "\x00"
		switch {
		case size < pageBytes/2:
			l.limit = min(l.limit*2, maxPage)
		case size > 2*pageBytes:
			l.limit = max(l.limit/2, 1)
		}
	}
}

// decodeAll decodes values in parallel. The writes are in the order of the keys; Next is nil in
// those that are skipped.
func (b *Backend) decodeAll(kvs []wire.KeyValue) []store.Write {
	out := make([]store.Write, len(kvs))
	// Shares of less than 64 cost more to hand out than to do.
	share := max((len(kvs)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0), 64)
	var all sync.WaitGroup
	for from := 0; from < len(kvs); from += share {
		all.Go(func() {
			for i := from; i < min(from+share, len(kvs)); i++ {
				out[i], _ = b.decode(&kvs[i])
			}
		})
	}
	all.Wait()
	return out
}
