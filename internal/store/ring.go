package store

// ring is a queue in a slice that grows and shrinks with what is in it. The zero value is
// empty. It has no lock of its own.
type ring[T any] struct {
	// slots are as many as a power of two, or none.
	slots []T
	first int
	n     int
}

// len returns how many elements there are.
func (r *ring[T]) len() int { return r.n }

// at returns the element i places behind the first; i must be in [0, len).
func (r *ring[T]) at(i int) T { return r.slots[(r.first+i)&(len(r.slots)-1)] }

// push adds an element at the end.
func (r *ring[T]) push(v T) {
	if r.n == len(r.slots) {
		r.resize(max(2*r.n, 4))
	}
	r.slots[(r.first+r.n)&(len(r.slots)-1)] = v
	r.n++
}

// pop takes the first element out and returns it. There must be one.
func (r *ring[T]) pop() T {
	var none T
	v := r.slots[r.first]
	r.slots[r.first] = none // the slot must not hold what has left
	r.first = (r.first + 1) & (len(r.slots) - 1)
	// Below a quarter, not a half: a queue that goes up and down there is not copied each time.
	if r.n--; len(r.slots) > 16 && r.n < len(r.slots)/4 {
		r.resize(len(r.slots) / 2)
	}
	return v
}

// resize moves the elements to size slots, a power of two that has room for them.
func (r *ring[T]) resize(size int) {
	slots := make([]T, size)
	for i := range r.n {
		slots[i] = r.at(i)
	}
	r.slots, r.first = slots, 0
}
