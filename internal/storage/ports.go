package storage

import (
	"encoding/base64"
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The node ports that are taken. Upstream keeps them in one value beside the services, and each write of
// a service that takes or frees ports is two: of that value first, on the revision that was read, and then
// of the service. Whoever gives ports on the same etcd has to do the same, or two services get one port.
// A port that is taken for a service which is never written is freed later, by a controller upstream.
//
//	{"kind":"RangeAllocation","apiVersion":"v1","metadata":{},"range":"30000-32767","data":"…"}
//
// data is a number with a bit for each port, that of the first port the lowest, and without zeros in
// front.

// PortsPath is where the value is, below the prefix of all keys.
const PortsPath = "/ranges/servicenodeports"

// Ports are the ports of a range that are taken. It is used by one goroutine at a time.
type Ports struct {
	first, last int
	taken       big.Int
}

// NewPorts returns a range of which no port is taken; first and last are in it.
func NewPorts(first, last int) *Ports { return &Ports{first: first, last: last} }

// Range returns the first and the last port.
func (p *Ports) Range() (first, last int) { return p.first, p.last }

// Has reports whether a port is taken.
func (p *Ports) Has(port int) bool { return p.in(port) && p.taken.Bit(port-p.first) == 1 }

// Take takes a port, and reports whether it could: it is in the range and was free.
func (p *Ports) Take(port int) bool {
	if !p.in(port) || p.Has(port) {
		return false
	}
	p.taken.SetBit(&p.taken, port-p.first, 1)
	return true
}

// Free gives a port back. One that is not taken stays so.
func (p *Ports) Free(port int) {
	if p.Has(port) {
		p.taken.SetBit(&p.taken, port-p.first, 0)
	}
}

// Taken returns the ports that are taken, in order.
func (p *Ports) Taken() iter.Seq[int] {
	return func(yield func(int) bool) {
		for port := p.first; port <= p.last; port++ {
			if p.Has(port) && !yield(port) {
				return
			}
		}
	}
}

// in reports whether a port is in the range.
func (p *Ports) in(port int) bool { return port >= p.first && port <= p.last }

// EncodePorts returns the value of ports, in the media type that objects are written in.
func (c *Codec) EncodePorts(p *Ports) []byte {
	text := tree.AppendJSON(nil, map[string]any{
		"apiVersion": "v1", "kind": "RangeAllocation", "metadata": map[string]any{},
		"range": strconv.Itoa(p.first) + "-" + strconv.Itoa(p.last), "data": base64.StdEncoding.EncodeToString(p.taken.Bytes()),
	})
	if c.options.Protobuf {
		return new(kinds.ProtobufEncoder).Object(c.ports.row.Type(), "v1", "RangeAllocation", text)
	}
	return append(text, '\n')
}

// DecodePorts reads a value of either media type. The error is that of Decode.
func (c *Codec) DecodePorts(value []byte) (*Ports, error) {
	obj, row, err := c.ports.parse(value)
	if err != nil {
		return nil, err
	}
	if _, err := kinds.Prune(row.Type(), obj); err != nil {
		return nil, err
	}
	from, to, _ := strings.Cut(tree.Text(obj, "range"), "-")
	first, err := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	data, err3 := base64.StdEncoding.DecodeString(tree.Text(obj, "data"))
	p := NewPorts(int(first), int(last))
	p.taken.SetBytes(data)
	if err != nil || err2 != nil || err3 != nil || first > last || p.taken.BitLen() > p.last-p.first+1 {
		return nil, fmt.Errorf("the ports %q and %d bytes are no ports that are taken", tree.Text(obj, "range"), len(data))
	}
	return p, nil
}
