package storage

import (
	"bytes"
	"encoding/base64"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// recordedPorts returns the ports that a kube-apiserver had given, and its values in both media types.
func recordedPorts(t testing.TB) (ports []int, inProtobuf, inJSON []byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/ports.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")[1:]
	for _, word := range strings.Fields(lines[0]) {
		port, _ := strconv.Atoi(word)
		ports = append(ports, port)
	}
	if inProtobuf, err = base64.StdEncoding.DecodeString(lines[1]); err != nil {
		t.Fatal(err)
	}
	return ports, inProtobuf, []byte(lines[2] + "\n")
}

// TestRecordedPorts: the ports of a kube-apiserver are read and written as it has them.
func TestRecordedPorts(t *testing.T) {
	ports, inProtobuf, inJSON := recordedPorts(t)
	for _, c := range []struct {
		options Options
		value   []byte
	}{{Options{}, inJSON}, {Options{Protobuf: true}, inProtobuf}} {
		codec := New(table(t), c.options)
		p, err := codec.DecodePorts(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Collect(p.Taken()); !slices.Equal(got, ports) {
			t.Errorf("taken: %v, want %v", got, ports)
		}
		if first, last := p.Range(); first != 30000 || last != 32767 {
			t.Errorf("the range is %d-%d", first, last)
		}
		// The same ports taken one by one are the same bytes.
		made := NewPorts(30000, 32767)
		for _, port := range ports {
			if !made.Take(port) {
				t.Errorf("%d cannot be taken", port)
			}
		}
		for _, p := range []*Ports{p, made} {
			got := codec.EncodePorts(p)
			same := bytes.Equal(got, c.value)
			if !c.options.Protobuf {
				same = tree.Identical(object(t, got), object(t, c.value)) && bytes.HasSuffix(got, []byte("}\n"))
			}
			if !same {
				t.Errorf("written as %q\nwant %q", got, c.value)
			}
		}
	}
}

// TestPorts: a port is taken once, given back, and in the range.
func TestPorts(t *testing.T) {
	c := New(table(t), Options{})
	p := NewPorts(30000, 30009)
	if !p.Take(30000) || !p.Take(30009) || p.Take(30000) || p.Take(29999) || p.Take(30010) {
		t.Errorf("taken: %v", slices.Collect(p.Taken()))
	}
	for port, want := range map[int]bool{30000: true, 30001: false, 30009: true, 29999: false, 30010: false, -1: false} {
		if p.Has(port) != want {
			t.Errorf("has %d: %v", port, !want)
		}
	}
	p.Free(30009)
	p.Free(30009)
	p.Free(29999)
	p.Free(1 << 30)
	if got := slices.Collect(p.Taken()); !slices.Equal(got, []int{30000}) {
		t.Errorf("taken: %v", got)
	}
	if p, err := c.DecodePorts(c.EncodePorts(p)); err != nil || !p.Has(30000) || !p.Take(30009) {
		t.Errorf("written and read: %v", err)
	}
	p.Free(30000)
	if p, err := c.DecodePorts(c.EncodePorts(p)); err != nil || slices.Collect(p.Taken()) != nil {
		t.Errorf("without any: %v", err)
	}
	for range p.Taken() {
		break
	}
}

// TestWrongPorts: what is no value of ports is an error.
func TestWrongPorts(t *testing.T) {
	c := New(table(t), Options{})
	for _, text := range []string{
		``, `{}`, `{"apiVersion":"v1","kind":"ConfigMap"}`, `{"apiVersion":"v1","kind":"RangeAllocation"}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":"30000","data":""}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":"30001-30000","data":""}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":"30000-70000","data":""}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":"10.0.0.0/24","data":""}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":"30000-30001","data":"BA=="}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":"30000-30001","data":"?"}`,
		`{"apiVersion":"v1","kind":"RangeAllocation","range":7,"data":"BA=="}`,
		encryptedPrefix + "aescbc:v1:key:x", "k8s\x00", "k8s\x00\x12\x05",
	} {
		if p, err := c.DecodePorts([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
}

// FuzzDecodePorts: no value is more than an error, and what is read is written as it was.
func FuzzDecodePorts(f *testing.F) {
	_, inProtobuf, inJSON := recordedPorts(f)
	f.Add(inProtobuf)
	f.Add(inJSON)
	c := New(table(f), Options{Protobuf: true})
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := c.DecodePorts(value)
		if err != nil {
			return
		}
		again, err := c.DecodePorts(c.EncodePorts(p))
		if err != nil || !slices.Equal(slices.Collect(again.Taken()), slices.Collect(p.Taken())) {
			t.Errorf("%q: %v", value, err)
		}
	})
}
