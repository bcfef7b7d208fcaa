// Package etcd keeps the writes of a store in etcd, in the layout that a Codec gives, so that other
// processes, and a kube-apiserver, can serve the same objects at the same time.
//
// Changes come in as transactions on the revisions of objects. Out go, through a Feed, all there
// is, and from then on what everybody writes, each revision once and in order, whatever happens to
// connections and members. Reads never come here, but for the question of the newest revision.
//
//	b, err := etcd.Open(ctx, etcd.Config{Servers: []string{"http://127.0.0.1:2379"}, Codec: codec})
//	err = b.Load(ctx, feed)              // everything, at one revision
//	go b.Follow(ctx, feed)               // and what comes after it
//	rev, err := b.Transact(ctx, changes) // *store.Overtaken, or *Unknown: it may have been made
//
// Everything but Load and Follow may be called by many goroutines at once. The room speaks etcd's gRPC API over the
// HTTP/2 of net/http, and knows nothing of kinds.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"apichain/internal/store"
)

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
	// ReadOnly refuses Transact, compacts nothing, and reads what the member in use has, so that one without quorum will do.
	ReadOnly bool
	// CompactionInterval is how old history becomes, give or take another interval. 0 leaves
	// compaction to others. Upstream's default is 5 minutes.
	CompactionInterval time.Duration
	// Log is told of what an operator must know. Nil discards it.
	Log *slog.Logger
	// Observe is told of each request, by upstream's name of its operation. Nil means nobody.
	Observe func(operation string, took time.Duration, err error)
}

// ErrReadOnly is the error of Transact with Config.ReadOnly.
var ErrReadOnly = errors.New("etcd is opened read-only")

// Backend is a store.Shared in etcd.
type Backend struct{}

// Open makes a Backend. It asks nothing of etcd yet: the error is one of the Config.
func Open(ctx context.Context, c Config) (*Backend, error) { return nil, errors.New("TODO") }

var _ store.Shared = (*Backend)(nil)

func (b *Backend) Load(ctx context.Context, into *store.Feed) error { return errors.New("TODO") }
func (b *Backend) Follow(ctx context.Context, into *store.Feed)     {}
func (b *Backend) Close() error                                     { return nil }
func (b *Backend) Newest(ctx context.Context) (int64, error)        { return 0, errors.New("TODO") }
func (b *Backend) Transact(ctx context.Context, writes []store.Change) (int64, error) {
	return 0, errors.New("TODO")
}
