// Package etcd keeps the writes of a store in etcd, in the layout that a Codec gives, so that other
// processes, and a kube-apiserver, can serve the same objects at the same time.
//
// Changes come in as transactions on the revisions of objects. Out go, through a Feed, all there
// is, and from then on what everybody writes, each revision once and in order, whatever happens to
// connections and members. Reads never come here, but for the question of the newest revision.
//
//	b, err := etcd.Open(ctx, etcd.Config{Servers: []string{"http://127.0.0.1:2379"}, Codec: codec})
//	err = b.Load(ctx, feed)              // everything, at one revision
//	go b.Follow(ctx, feed)               // and what comes after it, until ctx ends
//	rev, err := b.Transact(ctx, changes) // *store.Overtaken, or *Unknown: it may have been made
//
// Everything but Load and Follow may be called by many goroutines at once. The room speaks etcd's
// gRPC API over the HTTP/2 of net/http, and knows nothing of kinds.
package etcd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// How the parts work together:
//
//	client.go, stream.go, errors.go   calls to the members, and what is tried again
//	load.go                           all there is, at one revision
//	follow.go                         the watch that brings everything after it
//	transact.go, lease.go             writes
//	newest.go                         how far others are, which the watch then reaches
//	skipped.go                        values that cannot be read here
//	compact.go, stats.go              what goes on in the background, and what is counted
//
// There are two revisions: applied, up to which the store has been told, and wanted, which is known
// to exist. The watch must bring applied to wanted: when it does not, it is asked, and when that
// does not help, it is broken.

// Config says which etcd is used, and how. It is not changed after Open.
type Config struct {
	// Servers are the client URLs of one cluster: http:// or https://, host and port. Each is tried
	// in turn when the one in use fails.
	Servers []string
	// TLS is for https:// servers. Nil means the roots of the system and no client certificate.
	TLS *tls.Config
	// Prefix is what all keys begin with. Default: "/registry".
	Prefix string
	Codec  Codec
	// ReadOnly refuses Transact, compacts nothing, and reads what the member in use has, so that one
	// without quorum will do.
	ReadOnly bool
	// CompactionInterval is how old history becomes, give or take another interval. 0 leaves
	// compaction to others. Upstream's default is 5 minutes.
	CompactionInterval time.Duration
	// Log is told what an operator must know. Nil discards it.
	Log *slog.Logger
	// Observe is told of each request, by upstream's name of its operation, and the bucket if it is
	// of one. It is called concurrently and must not wait. Nil means nobody.
	Observe func(operation, bucket string, took time.Duration, err error)

	// maxMessage is the limit of messages, in bytes, for tests; 0 is the usual one.
	maxMessage int64
}

// Backend is a store.Shared in etcd. Make one with Open.
type Backend struct {
	conf  Config
	codec Codec
	log   *slog.Logger
	c     *client
	// prefix is in front of all paths, without a slash at its end.
	prefix string

	// applied and wanted: see above. wanted never goes back but for a new beginning.
	applied, wanted atomic.Int64
	// cluster is the id of the cluster whose revisions they are.
	cluster atomic.Uint64
	// ask holds a token when the watch is to ask for progress.
	ask chan struct{}
	// silence is how long the watch may bring nothing before somebody looks whether there is something,
	// and stalled how long it may then go on. They are fields for tests.
	silence, stalled time.Duration

	newest  flights
	own     ownWrites
	leases  leases
	skipped skipped
	trips   trips
	members members
	// restarts is how often the watch was taken up again, and reloads how often from the beginning.
	restarts, reloads atomic.Int64
	// heard is when the watch last told something, and behind since when there is more than it has
	// told, 0 for not. Both are in Unix nanoseconds.
	heard, behind atomic.Int64

	// ctx ends with Close, which waits for all.
	ctx    context.Context
	cancel context.CancelCauseFunc
	all    sync.WaitGroup
}

var _ store.Shared = (*Backend)(nil)

// Open makes a Backend, which Close ends. It does not wait for etcd: an error is one of the Config.
func Open(ctx context.Context, conf Config) (*Backend, error) {
	if conf.Codec == nil {
		return nil, errors.New("etcd: no codec is given")
	}
	if conf.CompactionInterval < 0 {
		return nil, errors.New("etcd: the interval of compactions is negative")
	}
	c, err := newClient(conf)
	if err != nil {
		return nil, err
	}
	b := &Backend{
		conf: conf, codec: conf.Codec, c: c, log: cmp.Or(conf.Log, slog.New(slog.DiscardHandler)),
		prefix: strings.TrimSuffix(path.Join("/", cmp.Or(conf.Prefix, "/registry")), "/"),
		ask:    make(chan struct{}, 1), silence: 10 * time.Second, stalled: 5 * time.Second,
	}
	// What goes on in the background has no deadline, and ends with Close alone.
	b.ctx, b.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	b.leases.busy = make(chan struct{}, 1)
	b.all.Go(b.watchMembers)
	if conf.CompactionInterval > 0 && !conf.ReadOnly {
		b.all.Go(b.compactAll)
	}
	return b, nil
}

// Close ends everything that the Backend does by itself, and its connections. Follow must have returned.
func (b *Backend) Close() error {
	// Under the lock of those who begin questions: none begins once all are waited for.
	b.newest.mu.Lock()
	b.cancel(errClosed)
	b.newest.mu.Unlock()
	b.all.Wait()
	b.c.close()
	return nil
}

// call makes a call and counts it.
func (b *Backend) call(ctx context.Context, operation, bucket, method string, in, out wire.Message, p policy) error {
	began := time.Now()
	err := b.c.call(ctx, method, in, out, p)
	took := time.Since(began)
	b.trips.add(operation, took)
	if b.conf.Observe != nil {
		b.conf.Observe(operation, bucket, took, err)
	}
	return err
}
