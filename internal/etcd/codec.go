package etcd

import (
	"time"

	"apichain/internal/store"
)

// Codec says where an object is in etcd and as which bytes. It is what this room does not know of
// kinds. All methods are called concurrently.
type Codec interface {
	// Path returns where the object is, below the prefix. It begins with "/".
	Path(bucket, key string) string
	// Place is the other way round. ok is false for what is no object that is served: the path is
	// skipped then, and counted.
	Place(path string) (bucket, key string, ok bool)
	// Encode returns the bytes that are kept of an object, which have no resourceVersion. They belong
	// to the caller and may share nothing with what Encode returns later.
	Encode(bucket, key string, d *store.Draft) ([]byte, error)
	// Decode is the other way round. The draft may share value, which nobody changes, but whose
	// neighbours in memory it keeps alive. After an error the value is skipped and counted, by the
	// Reason of an Unreadable: it is never lost nor written over, and for readers there is no object.
	Decode(bucket, key string, value []byte) (store.Draft, error)
	// Seen is called in place of Decode for an object that is kept now and whose draft is at hand,
	// since this process has written it. Both are called in the order of the writes.
	Seen(bucket string, d *store.Draft)
	// TTL returns how long objects of the bucket live after their last write, 0 for ever.
	TTL(bucket string) time.Duration
}

// Unreadable is what an error of a Codec is for a value that it knows to be none of its own. Reason
// is one of few short words, by which such values are counted: "encrypted".
type Unreadable interface {
	error
	Reason() string
}
