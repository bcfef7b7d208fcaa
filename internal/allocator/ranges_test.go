package allocator

import (
	"context"
	"encoding/base64"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// ranged returns a pool that keeps its ports apart from those of other processes, with an object that says which are
// taken; "none" is no object.
func ranged(t *testing.T, span string, ports ...int) (*store.Store, *Pool) {
	t.Helper()
	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
	p := New(Config{
		Services: s.Bucket("services"), Addresses: s.Bucket("ipaddresses.networking.k8s.io"), Ranges: s.Bucket("servicecidrs.networking.k8s.io"),
		Ports: Ports{30000, 30039}, PortRange: func() *store.Bucket { return s.Bucket(PortRanges) },
	})
	if span != "none" {
		n := new(big.Int)
		for _, port := range ports {
			n.SetBit(n, port-30000, 1)
		}
		put(t, s, PortRanges, NodePortRange, map[string]any{"range": span, "data": base64.StdEncoding.EncodeToString(n.Bytes())})
	}
	return s, p
}

// put stores an object, whatever there is.
func put(t *testing.T, s *store.Store, bucket, key string, obj map[string]any) {
	t.Helper()
	d := store.Encode(obj, nil)
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket(bucket), Key: key, Expect: -1, Next: &d}); err != nil {
		t.Fatal(err)
	}
}

// withPorts returns a service with these ports on nodes, or nil for none at all.
func withPorts(list string) map[string]any {
	if list == "" {
		return nil
	}
	var ports []any
	for _, s := range strings.Fields(list) {
		n, _ := strconv.Atoi(s)
		ports = append(ports, map[string]any{"port": int64(80), "nodePort": int64(n)})
	}
	return map[string]any{"metadata": map[string]any{"name": "s"}, "spec": map[string]any{"type": "NodePort", "ports": ports}}
}

// TestPortChange looks at what goes with a write of a service.
func TestPortChange(t *testing.T) {
	for _, c := range []struct {
		name, span string
		taken      []int
		stored     string // the ports of a service that is stored
		old, next  string
		want       []int // the ports in the object afterwards; nil: no change
		lost       string
	}{
		{"the first one", "none", nil, "", "", "30001", []int{30001}, ""},
		{"the first one, where services have some", "none", nil, "30002 30003", "", "30001", []int{30001, 30002, 30003}, ""},
		{"another one", "30000-30039", []int{30005}, "", "", "30001 30002", []int{30001, 30002, 30005}, ""},
		{"one that is taken", "30000-30039", []int{30001}, "", "", "30001", nil, "30001"},
		{"kept", "30000-30039", []int{30001}, "", "30001", "30001", nil, ""},
		{"kept, and another", "30000-30039", []int{30001}, "", "30001", "30001 30002", []int{30001, 30002}, ""},
		{"exchanged", "30000-30039", []int{30001}, "", "30001", "30002", []int{30002}, ""},
		{"let go", "30000-30039", []int{30001, 30007}, "", "30001", "", []int{30007}, ""},
		{"the last one let go", "30000-30039", []int{30001}, "", "30001", "", []int{}, ""},
		{"none", "30000-30039", []int{30001}, "", "", "", nil, ""},
		{"outside of the range", "30000-30039", []int{30001}, "", "", "31000", nil, ""},
		{"an object of another range", "30000-32767", []int{30001}, "30003", "", "30001", []int{30001, 30003}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := ranged(t, c.span, c.taken...)
			if c.stored != "" {
				put(t, s, "services", "default/other", withPorts(c.stored))
			}
			var lost string
			objs, err := s.CommitFunc(context.Background(), func() []store.Change {
				change, l := p.PortChange(withPorts(c.old), withPorts(c.next))
				if lost = l; change == nil {
					return nil
				}
				return []store.Change{*change}
			})
			if err != nil || lost != c.lost || (len(objs) > 0) != (c.want != nil) {
				t.Fatalf("%d changes, lost %q, %v; want %v, %q", len(objs), lost, err, c.want, c.lost)
			}
			if c.want == nil {
				return
			}
			b, ok := p.readBitmap(objs[0])
			var got []int
			for n := range 3000 {
				if b.has(30000 + n) {
					got = append(got, 30000+n)
				}
			}
			if !ok || !slices.Equal(got, c.want) {
				t.Errorf("taken are %v, want %v", got, c.want)
			}
		})
	}
}

// TestBitsAreTaken takes all ports there are: those whose bit somebody has set are not among them.
func TestBitsAreTaken(t *testing.T) {
	s, p := ranged(t, "30000-30039", 30003, 30030)
	got := map[int]bool{}
	c := &Claim{pool: p}
	for {
		n, err := c.nextPort()
		if err != nil {
			break
		}
		got[n] = true
	}
	if len(got) != 38 || got[30003] || got[30030] {
		t.Errorf("%d ports: %v", len(got), got)
	}
	c.End()
	if err := c.port(30003); err != errPortTaken {
		t.Errorf("a port whose bit is set: %v", err)
	}
	// Somebody clears it.
	put(t, s, PortRanges, NodePortRange, map[string]any{"range": "30000-30039", "data": ""})
	if err := c.port(30003); err != nil {
		t.Errorf("a port whose bit is cleared: %v", err)
	}
}

// TestRangeIsUpstreams reads what kube-apiserver 1.37.2 stored for its services, and writes it in the same form.
func TestRangeIsUpstreams(t *testing.T) {
	s, p := ranged(t, "none")
	p.Ports = Ports{30000, 32767}
	n := new(big.Int)
	want := []int{30400, 30863, 31265, 32206, 32324}
	for _, port := range want {
		n.SetBit(n, port-30000, 1)
	}
	// The bytes are a number, the highest port first, without leading zeros.
	data := n.Bytes()
	if len(data) != (32324-30000)/8+1 || data[0] != 1<<((32324-30000)%8) {
		t.Fatalf("%d bytes that begin with %#x", len(data), data[0])
	}
	put(t, s, PortRanges, NodePortRange, map[string]any{"range": "30000-32767", "data": base64.StdEncoding.EncodeToString(data)})
	objs, err := s.CommitFunc(t.Context(), func() []store.Change {
		change, _ := p.PortChange(nil, withPorts("30001"))
		return []store.Change{*change}
	})
	if err != nil {
		t.Fatal(err)
	}
	obj := objs[0].Decode()
	for path, want := range map[string]string{"kind": "RangeAllocation", "apiVersion": "v1", "range": "30000-32767"} {
		if got := tree.Text(obj, path); got != want {
			t.Errorf("%s is %q", path, got)
		}
	}
	n.SetBit(n, 1, 1)
	if got := tree.Text(obj, "data"); got != base64.StdEncoding.EncodeToString(n.Bytes()) {
		t.Errorf("data is %s", got)
	}
}

// FuzzRange reads objects of anybody's: whatever they say, a pool has its bits or makes the object anew.
func FuzzRange(f *testing.F) {
	f.Add("30000-30039", "Aw==")
	f.Add("30000-32767", "////")
	f.Add("", "no base64")
	f.Fuzz(func(t *testing.T, span, data string) {
		s, p := ranged(t, "none")
		put(t, s, PortRanges, NodePortRange, map[string]any{"range": span, "data": data})
		sn := s.Bucket(PortRanges).Now()
		b, ok := p.readBitmap(sn.Get(NodePortRange))
		if ok != (b.bits != nil) || b.has(29999) || !ok && b.has(30000) {
			t.Errorf("%q %q: %v %v", span, data, b, ok)
		}
	})
}
