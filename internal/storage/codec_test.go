package storage

import (
	"bytes"
	"encoding/base64"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/etcd"
	"apichain/internal/kinds"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

var (
	_ etcd.Codec      = (*Codec)(nil)
	_ etcd.Unreadable = Encrypted
)

// prefix begins the keys of the recorded objects.
const prefix = "/registry"

// recorded is an object as a kube-apiserver has it in etcd.
type recorded struct {
	path, bucket, key string
	// protobuf is nil for an object that is always in JSON.
	protobuf, json []byte
	// shown is what GET answers, without resourceVersion; nil where that is json in another version.
	shown []byte
}

// table returns the table of the program.
func table(t testing.TB) *kinds.Table {
	t.Helper()
	out, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// recordings returns the recorded objects, definitions first.
func recordings(t testing.TB, c *Codec) (out []recorded) {
	t.Helper()
	text, err := os.ReadFile("testdata/values.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	for ; len(lines) >= 4; lines = lines[4:] {
		r := recorded{path: strings.TrimPrefix(lines[0], prefix), json: []byte(lines[2] + "\n")}
		if lines[1] != "-" {
			if r.protobuf, err = base64.StdEncoding.DecodeString(lines[1]); err != nil {
				t.Fatal(err)
			}
		}
		if lines[3] != "-" {
			r.shown = []byte(lines[3])
		}
		var ok bool
		if r.bucket, r.key, ok = c.Place(r.path); !ok {
			t.Errorf("%s has no place", r.path)
		}
		if out = append(out, r); r.bucket == definitions {
			copy(out[1:], out)
			out[0] = r
		}
	}
	return out
}

// object reads JSON.
func object(t testing.TB, text []byte) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return obj
}

// TestRecorded: what a kube-apiserver has written is where Place and Path say, is read as it would show it,
// and is written again in the same bytes, but for the order of JSON's keys.
func TestRecorded(t *testing.T) {
	inJSON, inProtobuf := New(table(t), Options{}), New(table(t), Options{Protobuf: true})
	seen := map[string]bool{}
	for _, r := range recordings(t, inJSON) {
		seen[r.bucket] = true
		if got := inJSON.Path(r.bucket, r.key); got != r.path {
			t.Errorf("%s %s is at %s, want %s", r.bucket, r.key, got, r.path)
		}
		d, err := inJSON.Decode(r.bucket, r.key, r.json)
		if err != nil {
			t.Errorf("%s: %v", r.path, err)
			continue
		}
		shown := object(t, d.JSON)
		if delete(tree.Metadata(shown), "resourceVersion"); r.shown == nil {
			want := object(t, r.json)
			if k := inJSON.kinds[r.bucket]; k != nil {
				want["apiVersion"] = apiVersion(k.row, k.row.Version)
			}
			r.shown = tree.AppendJSON(nil, want)
		}
		if want := object(t, r.shown); !tree.Identical(shown, want) {
			t.Errorf("%s is shown as\n%s\nwant\n%s", r.path, tree.AppendJSON(nil, shown), tree.AppendJSON(nil, want))
		}
		value, err := inJSON.Encode(r.bucket, r.key, &d)
		if err != nil || !tree.Identical(object(t, value), object(t, r.json)) || !bytes.HasSuffix(value, []byte("}\n")) {
			t.Errorf("%s is written as\n%swant\n%s%v", r.path, value, r.json, err)
		}
		if r.protobuf == nil {
			if again, err := inProtobuf.Encode(r.bucket, r.key, &d); err != nil || !bytes.Equal(again, value) {
				t.Errorf("%s is not written in JSON: %q, %v", r.path, again, err)
			}
			continue
		}
		p, err := inProtobuf.Decode(r.bucket, r.key, r.protobuf)
		if err != nil || !bytes.Equal(p.JSON, d.JSON) || p.RevisionAt != d.RevisionAt {
			t.Errorf("%s in protobuf is\n%s\nwant\n%s\n%v", r.path, p.JSON, d.JSON, err)
			continue
		}
		got, err := inProtobuf.Encode(r.bucket, r.key, &p)
		// JSON in a field has its keys in order here, and in that of the client there.
		sorted := r.path == "/controllerrevisions/kinddiff/kd-rich" && len(got) == len(r.protobuf)
		if err != nil || !sorted && !bytes.Equal(got, r.protobuf) {
			t.Errorf("%s is written as\n%q\nwant\n%q\n%v", r.path, got, r.protobuf, err)
		}
	}
	for bucket := range inJSON.kinds {
		if !seen[bucket] && bucket != "componentstatuses" && bucket != "ranges" {
			t.Errorf("no object of %s was recorded", bucket)
		}
	}
}

// TestPorts: the node ports that are taken are read and written as a kube-apiserver has them.
func TestPorts(t *testing.T) {
	text, err := os.ReadFile("testdata/ports.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")[1:]
	inJSON, inProtobuf := New(table(t), Options{}), New(table(t), Options{Protobuf: true})
	value, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	d, err := inJSON.Decode("ranges", "servicenodeports", value)
	if err != nil {
		t.Fatal(err)
	}
	obj := object(t, d.JSON)
	bits, err := base64.StdEncoding.DecodeString(tree.Text(obj, "data"))
	if err != nil || tree.Text(obj, "range") != "30000-32767" {
		t.Fatalf("the ports are %s, %v", d.JSON, err)
	}
	taken := new(big.Int).SetBytes(bits)
	for _, word := range strings.Fields(lines[0]) {
		port, _ := strconv.Atoi(word)
		if taken.Bit(port-30000) != 1 {
			t.Errorf("%d is not taken", port)
		}
		taken.SetBit(taken, port-30000, 0)
	}
	if taken.Sign() != 0 {
		t.Errorf("others are taken: %b", taken)
	}
	if got, err := inProtobuf.Encode("ranges", "servicenodeports", &d); err != nil || !bytes.Equal(got, value) {
		t.Errorf("they are written as %q, want %q, %v", got, value, err)
	}
	if got, err := inJSON.Encode("ranges", "servicenodeports", &d); err != nil || !tree.Identical(object(t, got), object(t, []byte(lines[2]))) {
		t.Errorf("they are written as %s, want %s, %v", got, lines[2], err)
	}
}

// TestTTL: events end by themselves.
func TestTTL(t *testing.T) {
	c := New(table(t), Options{})
	if got := c.TTL("events"); got != time.Hour {
		t.Errorf("events live for %v", got)
	}
	if got := New(table(t), Options{EventTTL: time.Minute}).TTL("events"); got != time.Minute {
		t.Errorf("events live for %v, want a minute", got)
	}
	if got := c.TTL("pods"); got != 0 {
		t.Errorf("pods live for %v", got)
	}
}
