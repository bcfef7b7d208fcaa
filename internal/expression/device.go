package expression

import (
	"slices"
	"sync"

	"apichain/internal/cel"
	"apichain/internal/cel/library"
)

// Expressions that select devices are the scheduler's to evaluate; here they are compiled when they are stored, and their greatest cost is
// estimated (upstream's k8s.io/dynamic-resource-allocation/cel). They see one device:
//
//	device.driver                               a string
//	device.allowMultipleAllocations             a bool
//	device.attributes["d.example.com"].model    any: a string, int, bool or version
//	device.capacity["d.example.com"].memory     a quantity

// DeviceBudget is what an expression about a device may cost at most (upstream).
const DeviceBudget = 1_000_000

// CompileDevice compiles an expression about a device. It returns why it is none, nil for a good one, and what it may cost at most.
func CompileDevice(text string) (fault *Fault, most uint64) {
	env := devices()
	checked, err := env.Check(text)
	if err != nil {
		return &Fault{Detail: "compilation failed: " + err.Error()}, 0
	}
	// The type of an attribute is known when it is there.
	if t := checked.Type(); t.Kind != cel.Bool && t.Kind != cel.Any {
		return &Fault{Detail: "must evaluate to bool or the unknown type, not " + t.String()}, 0
	}
	if _, err := checked.Program(); err != nil {
		return &Fault{Detail: "program instantiation failed: " + err.Error(), Internal: true}, 0
	}
	return nil, checked.Estimate().Max
}

// devices is the environment of these expressions, made when the first one comes.
var devices = sync.OnceValue(func() *cel.Env {
	// At most 32 attributes and capacities of at most 63 bytes of domain and 32 of a name, and 64 of a value.
	const entries = 32
	sized := func(t *cel.Type, most uint64) *cel.Type {
		of := *t
		of.Max = most
		return &of
	}
	table := func(value *cel.Type, named bool) *cel.Type {
		inner := sized(cel.MapOf(sized(cel.StringType, 32), value), entries)
		inner.Named = named
		return sized(cel.MapOf(sized(cel.StringType, 63), inner), entries)
	}
	device := object("DRADevice", "driver", sized(cel.StringType, 63), "allowMultipleAllocations", sized(cel.BoolType, 1),
		"attributes", table(sized(cel.AnyType, 64), true), "capacity", table(library.QuantityType, false))
	env := cel.NewEnv(cel.Options{
		Libraries: append(slices.Clip(library.New()), library.Bindings()), Optionals: true, Homogeneous: true, Literals: true,
		Types: []*cel.Type{device}, Variables: []cel.Variable{{Name: "device", Type: device}},
	})
	return env.Measured(device, "device")
})
