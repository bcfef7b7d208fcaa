package wire

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"
)

// kinds are all messages, with all of their fields set.
var kinds = []Message{
	&Header{ClusterID: 1 << 63, MemberID: 2, Revision: 300},
	&KeyValue{Key: []byte("k"), CreateRevision: 1, ModRevision: 2, Version: 3, Value: []byte("v"), Lease: -1},
	&RangeRequest{Key: []byte("a"), RangeEnd: []byte("b"), Limit: 500, Revision: 7, Serializable: true, KeysOnly: true, CountOnly: true},
	&RangeResponse{Header: &Header{Revision: 1}, KVs: []KeyValue{{Key: []byte("a")}, {Key: []byte("b"),
		Value: bytes.Repeat([]byte("x"), 1000)}}, More: true, Count: 5},
	&PutRequest{Key: []byte("a"), Value: []byte("b"), Lease: 9},
	&DeleteRangeRequest{Key: []byte("a"), RangeEnd: []byte("b")},
	&DeleteRangeResponse{Header: &Header{}, Deleted: 2},
	&TxnRequest{
		Compare: []Compare{{Target: CompareMod, Key: []byte("a"), ModRevision: 5}, {Target: CompareVersion, Key: []byte("b"), Version: 1}},
		Success: []RequestOp{{Put: &PutRequest{Key: []byte("a")}}, {Delete: &DeleteRangeRequest{Key: []byte("b")}}},
		Failure: []RequestOp{{Range: &RangeRequest{Key: []byte("a")}}},
	},
	&TxnResponse{Header: &Header{Revision: 3}, Succeeded: true, Responses: []ResponseOp{{Put: &Empty{}},
		{Range: &RangeResponse{Count: 1}}, {Delete: &DeleteRangeResponse{Deleted: 1}}}},
	&CompactRequest{Revision: 5},
	&HeaderOnly{Header: &Header{Revision: 5}},
	&WatchRequest{Create: &WatchCreate{Key: []byte("a"), RangeEnd: []byte("b"), StartRevision: 4, ProgressNotify: true, Fragment: true}},
	&WatchRequest{Cancel: &WatchCancel{WatchID: 3}},
	&WatchRequest{Progress: &Empty{}},
	&WatchResponse{
		Header: &Header{Revision: 8}, WatchID: -1, Created: true, Canceled: true, CompactRevision: 4, CancelReason: "why", Fragment: true,
		Events: []Event{{Type: EventDelete, KV: &KeyValue{Key: []byte("a"), ModRevision: 8}}},
	},
	&LeaseGrantRequest{TTL: 60, ID: 4},
	&Lease{Header: &Header{}, ID: 4, TTL: -1},
	&LeaseID{ID: 4},
	&StatusResponse{Header: &Header{}, Version: "3.6.0", Size: 5, Leader: 1 << 60, Errors: []string{"a", ""}, InUse: 4, IsLearner: true},
}

// TestRoundTrip: what is encoded is decoded, cut anywhere it is an error or less, and unknown
// fields are no matter.
func TestRoundTrip(t *testing.T) {
	for _, m := range kinds {
		name := reflect.TypeOf(m).Elem().Name()
		for _, f := range reflect.VisibleFields(reflect.TypeOf(m).Elem()) {
			if reflect.ValueOf(m).Elem().FieldByIndex(f.Index).IsZero() && name != "WatchRequest" {
				t.Errorf("%s: the test leaves %s out", name, f.Name)
			}
		}
		b := Append([]byte("in front"), m)[8:]
		unknown := append(append([]byte{0x98, 0x3f, 1, 0x9a, 0x3f, 2, 'x', 'y', 0x99, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8}, b...),
			0x9d, 0x3f, 1, 2, 3, 4)
		for _, text := range [][]byte{b, unknown} {
			got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
			if err := Parse(text, got); err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, m)
			}
		}
		for i := range b {
			got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(Message)
			if err := Parse(b[:i], got); err == nil && reflect.DeepEqual(got, m) {
				t.Errorf("%s: the first %d of %d bytes are all of it", name, i, len(b))
			}
		}
	}
}

// TestBytes: the bytes are protobuf's, as etcd's own codec makes them.
func TestBytes(t *testing.T) {
	for text, m := range map[string]Message{
		"":                                   &RangeRequest{},
		"0a0f636f6d706163745f7265765f6b6579": &RangeRequest{Key: []byte("compact_rev_key")},
		"0a016112016218f403200738014001": &RangeRequest{Key: []byte("a"), RangeEnd: []byte("b"), Limit: 500,
			Revision: 7, Serializable: true, KeysOnly: true},
		"1a00":                   &WatchRequest{Progress: &Empty{}},
		"10ffffffffffffffffff01": &WatchResponse{WatchID: -1},
		"0a0710021a01613005":     &TxnRequest{Compare: []Compare{{Target: CompareMod, Key: []byte("a"), ModRevision: 5}}},
		"120812060a01611201621a051a030a0163": &TxnRequest{Success: []RequestOp{{Put: &PutRequest{Key: []byte("a"),
			Value: []byte("b")}}}, Failure: []RequestOp{{Delete: &DeleteRangeRequest{Key: []byte("c")}}}},
	} {
		if got := hex.EncodeToString(Append(nil, m)); got != text {
			t.Errorf("%T: got %s, want %s", m, got, text)
		}
	}
}

func TestMalformed(t *testing.T) {
	for name, c := range map[string]struct {
		b  []byte
		in Message
	}{
		"a key without end":           {[]byte{0x80}, &Header{}},
		"field 0":                     {[]byte{0x00, 1}, &Header{}},
		"a number of a field too big": {[]byte{0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1}, &Header{}},
		"a varint without end":        {[]byte{0x08, 0x80}, &Header{}},
		"a varint of eleven bytes":    {append([]byte{0x08}, bytes.Repeat([]byte{0xff}, 11)...), &Header{}},
		"a length past the end":       {[]byte{0x0a, 5, 1}, &KeyValue{}},
		"a huge length":               {[]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, &KeyValue{}},
		"a text that is a number":     {[]byte{0x08, 1}, &KeyValue{}},
		"a number that is a text":     {[]byte{0x12, 1, 'x'}, &KeyValue{}},
		"a bool that is a text":       {[]byte{0x1a, 1, 'x'}, &RangeResponse{}},
		"a message that is a number":  {[]byte{0x08, 1}, &RangeResponse{}},
		"messages that are numbers":   {[]byte{0x10, 1}, &RangeResponse{}},
		"texts that are numbers":      {[]byte{0x40, 1}, &StatusResponse{}},
		"an error further in":         {[]byte{0x0a, 2, 0x0a, 1}, &RangeResponse{}},
		"a group":                     {[]byte{0x0b, 0x0c}, &Header{}},
		"half of a fixed64":           {[]byte{0x99, 0x3f, 1}, &Header{}},
		"half of a fixed32":           {[]byte{0x9d, 0x3f, 1}, &Header{}},
	} {
		if err := Parse(c.b, c.in); err == nil {
			t.Errorf("%s: no error, but %+v", name, c.in)
		}
	}
	if err := parse(nil, &Header{}, maxDepth+1); err == nil {
		t.Error("nested without end")
	}
}

// FuzzParse: whatever comes is an error or a message, which is then stable.
func FuzzParse(f *testing.F) {
	for i, m := range kinds {
		f.Add(byte(i), Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		of := reflect.TypeOf(kinds[int(kind)%len(kinds)]).Elem()
		m := reflect.New(of).Interface().(Message)
		if Parse(b, m) != nil {
			return
		}
		first := Append(nil, m)
		again := reflect.New(of).Interface().(Message)
		if err := Parse(first, again); err != nil {
			t.Fatalf("what was encoded is no message: %v", err)
		}
		if second := Append(nil, again); !bytes.Equal(first, second) {
			t.Fatalf("encoded twice:\n%x\n%x", first, second)
		}
	})
}
