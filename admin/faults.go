package admin

// FaultControl injects faults.
type FaultControl interface{}
