package api

import (
	"log/slog"
	"sync"
	"time"

	"apichain/internal/allocator"
	"apichain/internal/auth"
	"apichain/internal/discovery"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/store"
)

// What all resources share, and what they need of the program around them. The program gives it
// once, as data and a few functions; nothing here asks the program for more, so that a test has
// an API from a store, the table of kinds and a catalog.

// Config is what the resources need of the program. It is read while requests are served and
// must not change once New has it.
type Config struct {
	// What is served, and where it is kept.

	// Store keeps all objects; it may have some already.
	Store *store.Store
	// Kinds describes the built-in kinds.
	Kinds *kinds.Table
	// Catalog is told which custom resources there are, for discovery and OpenAPI.
	Catalog *discovery.Catalog

	// What the kinds of authentication and authorization ask.

	// Tokens signs the tokens of service accounts, for their token subresource.
	Tokens *auth.Accounts
	// MaxTokenTime bounds how long they are good for; zero leaves it to who asks.
	MaxTokenTime time.Duration
	// WhoseToken answers a TokenReview: who a token is, and for which audiences. It returns a
	// nil User for nobody.
	WhoseToken func(token string) (*request.User, []string)
	// Authorizer answers the access reviews.
	Authorizer auth.Authorizer

	// What differs between programs.

	// Admit returns who may change or refuse the writes of a resource: see Admission. It is called
	// once for each resource, when that is made. With nil nobody does.
	Admit func(*Resource) Admitters
	// AfterWrite is called after each write of a resource, by the name of its bucket, and before the answer. All of it is called when
	// the whole store was replaced.
	AfterWrite map[string]func()
	// Observer sees watches begin and end; with nil nobody does.
	Observer Observer
	// Bookmarks is the time between two bookmarks of a watch, which must be above zero:
	// upstream's is about a minute.
	Bookmarks time.Duration
	// NoNamespaceLifecycle is upstream without its admission plugin of that name: objects are created
	// in namespaces that are missing or terminating, and no namespace is safe from a delete.
	NoNamespaceLifecycle bool
	// NoManagedFields is upstream without server-side apply: nobody owns fields, and nothing is applied.
	NoManagedFields bool
	// ReadOnly says why nothing may be written, for the 403 of who tries: "the server is read-only". "" lets write.
	ReadOnly string
	// Services is what services get their addresses and ports from.
	Services ServiceNetwork
	// Converters has the webhooks by which definitions convert; nil: none is asked, and what needs one fails.
	Converters Converters
	// Changed is called after the custom resources that are served have changed. It must be
	// short: a write of a definition waits for it.
	Changed func()
	Log     *slog.Logger
}

// API is what all resources share. Make one with New; the zero value is of no use.
type API struct {
	// Config is what New was given.
	Config Config
	// Store and Kinds are those of Config.
	Store *store.Store
	Kinds *kinds.Table
	// meta describes ObjectMeta, which is the same of every kind.
	meta *kinds.Type
	// Namespaces holds the namespaces, which every create of a namespaced object looks at.
	Namespaces *store.Bucket

	// builtin and byBucket hold the built-in resources, by kind and by the bucket whose objects
	// they store. Neither changes after New.
	builtin  map[kinds.Key]*Resource
	byBucket map[*store.Bucket]*Resource
	// converters is that of Config, or says no.
	converters Converters
	// Customs holds the custom resources, which come and go.
	Customs *Customs
	// services hands out what services have of the cluster.
	services *allocator.Pool

	// The pools are described in send.go, but for bodies, which holds the *[]byte that request
	// bodies are read into (body.go).

	// buffers holds *[]byte with room for pieceSize.
	buffers sync.Pool
	bodies  sync.Pool
	// gzips holds *gzip.Writer, each closed.
	gzips sync.Pool
	// encoders holds *kinds.ProtobufEncoder (protobuf.go).
	encoders sync.Pool
}
