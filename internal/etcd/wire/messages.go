package wire

// The messages of etcd v3, by the numbers of its rpc.proto and kv.proto. A field is here if the client
// or the etcd of the tests asks for it; others are skipped.

// The three that carry the objects:
//
//	RangeRequest → RangeResponse      keys from one up to another, in pages, at one revision
//	TxnRequest → TxnResponse          conditions, and what is done if they hold and if not
//	WatchRequest ⇄ WatchResponse      a stream: one creates a watch, its events come as they happen
//
// Every answer has the revision of the member in its header. That of a transaction which has written
// is the mod revision of all that it has put. That of a watch's events is of no use: it is
// the member's, which may be ahead of what the watch has been sent; the events have their own. Only
// an answer that has no events, and is neither Created nor Canceled, says by it how far the watch is.
//
// Ranges of keys are half open, [Key, RangeEnd). All keys with a prefix that ends in a slash are those up to the
// same prefix with a "0" for the slash, the next byte.

// The methods that are called, as paths of HTTP/2.
const (
	MethodRange   = "/etcdserverpb.KV/Range"
	MethodTxn     = "/etcdserverpb.KV/Txn"
	MethodCompact = "/etcdserverpb.KV/Compact"
	MethodWatch   = "/etcdserverpb.Watch/Watch"
	MethodGrant   = "/etcdserverpb.Lease/LeaseGrant"
	MethodRevoke  = "/etcdserverpb.Lease/LeaseRevoke"
	MethodKeep    = "/etcdserverpb.Lease/LeaseKeepAlive"
	MethodTTL     = "/etcdserverpb.Lease/LeaseTimeToLive"
	MethodStatus  = "/etcdserverpb.Maintenance/Status"
)

// Header is in front of every answer.
type Header struct {
	ClusterID, MemberID uint64
	// Revision is that of the member when it answered.
	Revision int64
}

func (m *Header) fields(f *fields) {
	integer(f, 1, &m.ClusterID)
	integer(f, 2, &m.MemberID)
	integer(f, 3, &m.Revision)
}

// KeyValue is a key at one revision. Of a deletion it has Key and ModRevision alone.
type KeyValue struct {
	Key                         []byte
	CreateRevision, ModRevision int64
	Version                     int64
	Value                       []byte
	Lease                       int64
}

func (m *KeyValue) fields(f *fields) {
	text(f, 1, &m.Key)
	integer(f, 2, &m.CreateRevision)
	integer(f, 3, &m.ModRevision)
	integer(f, 4, &m.Version)
	text(f, 5, &m.Value)
	integer(f, 6, &m.Lease)
}

// RangeRequest asks for the keys from Key up to RangeEnd, which is not one of them, or for Key
// alone without one.
type RangeRequest struct {
	Key, RangeEnd []byte
	// Limit is how many keys the answer may have, 0 for all.
	Limit int64
	// Revision is the state that is asked for, 0 for that of now.
	Revision int64
	// Serializable lets a member answer by itself, with what may be old.
	Serializable, KeysOnly, CountOnly bool
}

func (m *RangeRequest) fields(f *fields) {
	text(f, 1, &m.Key)
	text(f, 2, &m.RangeEnd)
	integer(f, 3, &m.Limit)
	integer(f, 4, &m.Revision)
	f.boolean(7, &m.Serializable)
	f.boolean(8, &m.KeysOnly)
	f.boolean(9, &m.CountOnly)
}

// RangeResponse has keys in their order. More says that the limit has cut them; Count is how many
// there are without it.
type RangeResponse struct {
	Header *Header
	KVs    []KeyValue
	More   bool
	Count  int64
}

func (m *RangeResponse) fields(f *fields) {
	message(f, 1, &m.Header)
	messages(f, 2, &m.KVs)
	f.boolean(3, &m.More)
	integer(f, 4, &m.Count)
}

// PutRequest sets a key, under a lease or 0 for none.
type PutRequest struct {
	Key, Value []byte
	Lease      int64
}

func (m *PutRequest) fields(f *fields) {
	text(f, 1, &m.Key)
	text(f, 2, &m.Value)
	integer(f, 3, &m.Lease)
}

// DeleteRangeRequest deletes keys, which are given as for a RangeRequest.
type DeleteRangeRequest struct{ Key, RangeEnd []byte }

func (m *DeleteRangeRequest) fields(f *fields) {
	text(f, 1, &m.Key)
	text(f, 2, &m.RangeEnd)
}

// DeleteRangeResponse says how many keys there were.
type DeleteRangeResponse struct {
	Header  *Header
	Deleted int64
}

func (m *DeleteRangeResponse) fields(f *fields) {
	message(f, 1, &m.Header)
	integer(f, 2, &m.Deleted)
}

// RequestOp is one step of a transaction: exactly one field is set.
type RequestOp struct {
	Range  *RangeRequest
	Put    *PutRequest
	Delete *DeleteRangeRequest
}

func (m *RequestOp) fields(f *fields) {
	message(f, 1, &m.Range)
	message(f, 2, &m.Put)
	message(f, 3, &m.Delete)
}

// ResponseOp answers a RequestOp, by the field of its name. A Put has an answer that is empty.
type ResponseOp struct {
	Range  *RangeResponse
	Put    *Empty
	Delete *DeleteRangeResponse
}

func (m *ResponseOp) fields(f *fields) {
	message(f, 1, &m.Range)
	message(f, 2, &m.Put)
	message(f, 3, &m.Delete)
}

// What a Compare compares, for equality: a condition of another kind than EQUAL is never sent.
const (
	CompareVersion = 0
	CompareMod     = 2
)

// Compare is a condition of a transaction: Key's version or mod revision, as Target says, is the
// one given, which is 0 for a key that is not there.
type Compare struct {
	Target               int32
	Key                  []byte
	Version, ModRevision int64
}

func (m *Compare) fields(f *fields) {
	integer(f, 2, &m.Target)
	text(f, 3, &m.Key)
	// One of a oneof is sent even if it is zero; etcd takes one that is missing for zero, too.
	integer(f, 4, &m.Version)
	integer(f, 6, &m.ModRevision)
}

// TxnRequest does all of Success if all conditions hold, and all of Failure otherwise.
type TxnRequest struct {
	Compare          []Compare
	Success, Failure []RequestOp
}

func (m *TxnRequest) fields(f *fields) {
	messages(f, 1, &m.Compare)
	messages(f, 2, &m.Success)
	messages(f, 3, &m.Failure)
}

// TxnResponse says which side was done. The header's revision is that of its writes.
type TxnResponse struct {
	Header    *Header
	Succeeded bool
	Responses []ResponseOp
}

func (m *TxnResponse) fields(f *fields) {
	message(f, 1, &m.Header)
	f.boolean(2, &m.Succeeded)
	messages(f, 3, &m.Responses)
}

// CompactRequest drops the history before Revision.
type CompactRequest struct{ Revision int64 }

func (m *CompactRequest) fields(f *fields) { integer(f, 1, &m.Revision) }

// HeaderOnly is the answer of what has nothing to say: Compact and LeaseRevoke.
type HeaderOnly struct{ Header *Header }

func (m *HeaderOnly) fields(f *fields) { message(f, 1, &m.Header) }

// Empty is a message of which nothing is read.
type Empty struct{}

func (m *Empty) fields(*fields) {}

// WatchRequest is what a client says on the stream of its watches: exactly one field is set.
type WatchRequest struct {
	Create   *WatchCreate
	Cancel   *WatchCancel
	Progress *Empty
}

func (m *WatchRequest) fields(f *fields) {
	message(f, 1, &m.Create)
	message(f, 2, &m.Cancel)
	message(f, 3, &m.Progress)
}

// WatchCreate begins a watch of keys, which are given as for a RangeRequest, at a revision, 0 for
// the next.
type WatchCreate struct {
	Key, RangeEnd  []byte
	StartRevision  int64
	ProgressNotify bool
	// Fragment lets one answer come in several parts.
	Fragment bool
}

func (m *WatchCreate) fields(f *fields) {
	text(f, 1, &m.Key)
	text(f, 2, &m.RangeEnd)
	integer(f, 3, &m.StartRevision)
	f.boolean(4, &m.ProgressNotify)
	f.boolean(8, &m.Fragment)
}

// WatchCancel ends a watch.
type WatchCancel struct{ WatchID int64 }

func (m *WatchCancel) fields(f *fields) { integer(f, 1, &m.WatchID) }

// WatchResponse is what a watch tells: that it was Created or Canceled, events, or progress, which
// is an answer without any: all events up to the header's revision have been sent.
type WatchResponse struct {
	Header  *Header
	WatchID int64
	Created bool
	// Canceled is the end of the watch. CompactRevision is not 0 if its history was compacted.
	Canceled        bool
	CompactRevision int64
	CancelReason    string
	// Fragment says that the answer goes on in the next one.
	Fragment bool
	Events   []Event
}

func (m *WatchResponse) fields(f *fields) {
	message(f, 1, &m.Header)
	integer(f, 2, &m.WatchID)
	f.boolean(3, &m.Created)
	f.boolean(4, &m.Canceled)
	integer(f, 5, &m.CompactRevision)
	text(f, 6, &m.CancelReason)
	f.boolean(7, &m.Fragment)
	messages(f, 11, &m.Events)
}

// EventDelete is the type of an event that is a deletion; another is a put.
const EventDelete = 1

// Event is one write.
type Event struct {
	Type int32
	KV   *KeyValue
}

func (m *Event) fields(f *fields) {
	integer(f, 1, &m.Type)
	message(f, 2, &m.KV)
}

// LeaseGrantRequest asks for a lease of TTL seconds.
type LeaseGrantRequest struct{ TTL, ID int64 }

func (m *LeaseGrantRequest) fields(f *fields) {
	integer(f, 1, &m.TTL)
	integer(f, 2, &m.ID)
}

// Lease names a lease: to revoke it, to keep it, to ask how long it lives. As the answer of a
// grant, of keeping and of asking it says what TTL it has left, in seconds; of a keeping, 0 for one
// that is gone, of a question, -1.
type Lease struct {
	Header *Header
	ID     int64
	TTL    int64
}

func (m *Lease) fields(f *fields) {
	message(f, 1, &m.Header)
	integer(f, 2, &m.ID)
	integer(f, 3, &m.TTL)
}

// LeaseID is a request about a lease.
type LeaseID struct{ ID int64 }

func (m *LeaseID) fields(f *fields) { integer(f, 1, &m.ID) }

// StatusResponse is the state of one member.
type StatusResponse struct {
	Header  *Header
	Version string
	// Size is that of the database file, and InUse what of it is not free. Both are bytes.
	Size, InUse int64
	// Leader is 0 when the member knows of none.
	Leader uint64
	// Errors are the alarms there are, and that there is no leader.
	Errors    []string
	IsLearner bool
}

func (m *StatusResponse) fields(f *fields) {
	message(f, 1, &m.Header)
	text(f, 2, &m.Version)
	integer(f, 3, &m.Size)
	integer(f, 4, &m.Leader)
	f.texts(8, &m.Errors)
	integer(f, 9, &m.InUse)
	f.boolean(10, &m.IsLearner)
}
