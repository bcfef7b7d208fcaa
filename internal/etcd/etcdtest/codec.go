package etcdtest

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"apichain/internal/store"
)

// Codec is a codec for tests that know no kinds: an object is at /bucket/key, as JSON of its draft.
// Buckets whose name begins with "un" have no place, and values that are no JSON cannot be decoded.
type Codec struct {
	// Life is the TTL of the bucket "events".
	Life time.Duration
	// Unreadable, if set, makes the error for a value that begins with "k8s:enc:".
	Unreadable func() error
	// OnDecode, if set, is called for each value that is decoded, and OnSeen for each draft that
	// need not be.
	OnDecode func(path string)
	OnSeen   func(bucket string, d *store.Draft)
}

// kept is what a value says.
type kept struct {
	JSON string
	At   int
	Meta *store.Meta
}

// Path implements etcd.Codec.
func (Codec) Path(bucket, key string) string { return "/" + bucket + "/" + key }

// Place implements etcd.Codec.
func (Codec) Place(path string) (bucket, key string, ok bool) {
	bucket, key, ok = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return bucket, key, ok && key != "" && !strings.HasPrefix(bucket, "un")
}

// Encode implements etcd.Codec.
func (Codec) Encode(bucket, key string, d *store.Draft) ([]byte, error) {
	if bucket == "forbidden" {
		return nil, errors.New("the bucket has no form")
	}
	return json.Marshal(kept{string(d.JSON), d.RevisionAt, d.Meta})
}

// Decode implements etcd.Codec.
func (c Codec) Decode(bucket, key string, value []byte) (store.Draft, error) {
	if c.OnDecode != nil {
		c.OnDecode(c.Path(bucket, key))
	}
	if c.Unreadable != nil && strings.HasPrefix(string(value), "k8s:enc:") {
		return store.Draft{}, c.Unreadable()
	}
	var k kept
	if err := json.Unmarshal(value, &k); err != nil {
		return store.Draft{}, err
	}
	return store.Draft{JSON: []byte(k.JSON), RevisionAt: k.At, Meta: k.Meta}, nil
}

// Seen implements etcd.Codec.
func (c Codec) Seen(bucket string, d *store.Draft) {
	if c.OnSeen != nil {
		c.OnSeen(bucket, d)
	}
}

// TTL implements etcd.Codec.
func (c Codec) TTL(bucket string) time.Duration {
	if bucket == "events" {
		return c.Life
	}
	return 0
}

// Draft returns an object that says what it is by its field "n".
func Draft(n int) *store.Draft {
	d := store.Encode(map[string]any{"n": int64(n), "metadata": map[string]any{"name": "x"}}, nil)
	return &d
}

// Value returns the value of Draft(n).
func Value(n int) string {
	b, _ := Codec{}.Encode("", "", Draft(n)) // it has a form
	return string(b)
}

// Number returns the number of an object that Draft has made, -1 for no object.
func Number(o *store.Object) int {
	if o == nil {
		return -1
	}
	n, _ := o.Decode()["n"].(int64)
	return int(n)
}
