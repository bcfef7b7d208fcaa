package main

import (
	"fmt"
	"testing"
)

// TestServiceFlags: what the two flags of services say, in all forms that upstream takes; an empty one is the
// default.
func TestServiceFlags(t *testing.T) {
	for _, c := range []struct{ ranges, ports, want string }{
		{"", "", "[10.0.0.0/24] 10.0.0.1 30000-32767 true"},
		{"10.7.3.0/16, fd00::/108", "80", "[10.7.0.0/16 fd00::/108] 10.7.0.1 80-80 true"},
		{"fd00::/112", "1000+24", "[fd00::/112] fd00::1 1000-1024 true"},
		{"x", "1000-2000", "[]  1000-2000 true"},
	} {
		o := clusterOptions{serviceRange: c.ranges, nodePorts: c.ports}
		ports, ok := o.ports()
		if got := fmt.Sprint(o.ranges(), " ", o.serviceIP(), " ", ports, " ", ok); got != c.want {
			t.Errorf("%q and %q: %s, want %s", c.ranges, c.ports, got, c.want)
		}
	}
	for _, wrong := range []string{"x", "1-", "1-2-3", "1+", "-1", "0", "2-1", "1-65536", "65535+1"} {
		o := clusterOptions{nodePorts: wrong}
		if p, ok := o.ports(); ok {
			t.Errorf("%q is a range of ports: %s", wrong, p)
		}
	}
}
