package strategy

import (
	_ "embed"
	"testing"
)

// networkAnswers are objects of services, ingresses, policies and addresses, changes of them, and what the
// real server said: the head of testdata/workloads.txt describes the form.
//
//go:embed testdata/networks.txt
var networkAnswers string

// TestNetworkAnswers: new objects, changed ones and written statuses of these kinds are judged as the real
// server judges them. Bases have the addresses that an allocator would give them.
func TestNetworkAnswers(t *testing.T) { checkAnswers(t, networkAnswers, 110) }
